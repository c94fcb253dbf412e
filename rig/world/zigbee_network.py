"""The network layer of a virtual Zigbee radio: scan, form, join, leave, who has which address.

Each step of joining is real frames on the air: beacon request and beacon, association request, data request and
response, Transport-Key, Device_annce.  A star of one hop: routers send no beacons and relay nothing; PAN-id conflicts,
network time-outs (NW) and the exchange of a second link key after joining are not modelled.

Security is modelled by seals (see ``ether``), not octets: Transport-Key is sealed with the link key of the install
code, everything after it with the network key.  Who lacks the key cannot read it and cannot be heard.

Must not live here: scanning (``zigbee_scan``), the coordinator's side of joining (``zigbee_trust``), the application
support layer (``zigbee_aps``), API frames and AT registers (``xbee_zigbee``).
Source: facts/xbee-manual.md 4; facts/radio.md 2 to 4; time-outs from memory of IEEE 802.15.4 and Zigbee PRO.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from devices.wire import ieee802154, zigbee
from devices.wire.errors import DecodeError
from devices.wire.ieee802154 import Frame, FrameType
from rig.world.clock import Appointment, VirtualClock
from rig.world.ether import Ether
from rig.world.mac import MacRadio
from rig.world.zigbee_scan import Scanner, channels_of
from rig.world.zigbee_trust import TrustCentre
from rig.world.zigbee_types import (
    ANY,
    COORDINATOR,
    LEAVE,
    MS,
    NETWORK_KEY,
    NO_ADDRESS,
    ROUTER,
    TRANSPORT_KEY,
    WILDCARD,
    Ai,
    Heard,
    Membership,
    NetworkSettings,
    Parameters,
    Status,
)

__all__ = ["ZigbeeNetwork", "fits"]


def fits(member: Membership, wished: Parameters) -> bool:
    """Whether a module with these settings stays in the network that it remembers (facts/xbee-manual.md 4.1, 4.8)."""
    same = member.coordinator == wished.coordinator and wished.epid in (ANY, member.epid)
    other_pan = member.coordinator and wished.pan not in (0xFFFF, member.pan)
    alike = (member.security, member.profile) == (wished.security, wished.profile)
    return same and alike and not other_pan and member.channel in channels_of(wished.mask)


class ZigbeeNetwork:
    """``on_status(octet)`` gets modem status changes; ``on_nwk(frame)`` the network data frames for us."""

    def __init__(self, ether: Ether, name: str, eui: bytes, rng: Random, settings: NetworkSettings) -> None:
        self.eui, self.settings = eui, settings
        self.clock: VirtualClock = ether.clock
        self.mac = MacRadio(ether, name, eui, self._hear)
        self.on_status: Callable[[int], None] = lambda _: None
        self.on_nwk: Callable[[zigbee.NwkFrame], None] = lambda _: None
        self.member: Membership | None = None
        self.up = False
        self.ai = Ai.SEARCHING
        self.unauthenticated = 0  # frames under a key that is not ours
        self._rng = rng
        self._parameters = Parameters(False, ANY, 0, bytes(16))
        self._scanner = Scanner(self.mac, self.clock, settings.scan_ns)
        self.trust = TrustCentre(self, rng)
        self._searching_since = self._searched_at = 0
        self._timer: Appointment | None = None
        self._candidate: Heard | None = None
        self._refused: set[bytes] = set()
        """Networks that did not take us since the search began; the others that are heard are tried first."""
        self._sequence = rng.randrange(256)
        self._counter = rng.randrange(256)
        self._life = 0

    # ---------------------------------------------------------------------------------------------------- up and down

    def start(self, parameters: Parameters, settle_ns: int = 0) -> None:
        """Take up the remembered network if it fits ``parameters``; else form one, or look for one to join.

        ``settle_ns`` is waited before: after a change of settings (facts/xbee-manual.md 4.1 no. 3).
        """
        self._quiet()
        if parameters != self._parameters:
            self._refused.clear()
        self._parameters = parameters
        if self.member is not None and not fits(self.member, parameters):
            self.member = None
            self.trust.forget()
        if settle_ns:
            self._after(settle_ns, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        if self.member is not None:
            self._resume(self.member)
        elif self._parameters.coordinator:
            self._form()
        elif self._parameters.search:
            self._searching_since = self.clock.now
            self._search()

    def power_off(self) -> None:
        """No power: silent, and only the membership is remembered."""
        self._quiet()
        self.trust.power_off()

    def _quiet(self) -> None:
        self._life += 1
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._candidate = None
        self._scanner.stop()
        self.trust.quiet()
        self.mac.switch_off()
        self.up, self.ai = False, Ai.SEARCHING

    def _after(self, delay: int, what: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.clock.call_at(self.clock.now + delay, what)

    def _resume(self, member: Membership) -> None:
        self._settle(member)
        self.on_status(Status.STARTED if member.coordinator else Status.JOINED)
        if not member.coordinator:
            self._announce()

    def _settle(self, member: Membership) -> None:
        self.member = member
        self.mac.tune(member.channel)
        self.mac.pan, self.mac.short = member.pan, member.short
        self.up, self.ai = True, Ai.OK

    def leave(self) -> None:
        """Say so, and forget the network."""
        member = self.member
        if member and self.up and not member.coordinator:
            self.broadcast(bytes((LEAVE, 0)), zigbee.NwkType.COMMAND)
        was_up, self.member = self.up, None
        self.trust.forget()
        life = self._life
        self._after(50 * MS, lambda: self._left(was_up) if life == self._life else None)

    def _left(self, was_up: bool) -> None:
        self._quiet()
        if was_up:
            self.on_status(Status.LEFT)
        self.start(self._parameters)

    # ------------------------------------------------------------------------------------------------------- scanning

    def survey(self, mask: int, done: Callable[[list[Heard]], None]) -> None:
        """A scan that the host asks for; a search for a network is broken off and taken up afterwards."""
        if not self.up:
            self._quiet()

        def finished(heard: list[Heard]) -> None:
            done(heard)
            if self.member and self.up:
                self.mac.tune(self.member.channel)
            else:
                self.start(self._parameters)

        self._scanner.start(mask, finished)

    def _beacon(self) -> None:
        member = self.member
        if not member or not member.coordinator or not self.up:
            return
        network = zigbee.encode_beacon_payload(zigbee.BeaconPayload(member.epid, stack_profile=member.profile))
        beacon = ieee802154.encode_beacon(ieee802154.Beacon(network, association_permit=self.trust.open))
        self.mac.send(Frame(FrameType.BEACON, 0, beacon, source_pan=member.pan, source=member.short))

    # -------------------------------------------------------------------------------------------------------- forming

    def _form(self) -> None:
        self.mac.pan = 0xFFFF
        self._scanner.start(self._parameters.mask, self._found_place)

    def _found_place(self, heard: list[Heard]) -> None:
        """A channel at random, for none has too much energy here; a PAN identifier that nobody uses."""
        wished = self._parameters
        channels = channels_of(wished.mask)
        if not channels:
            self.ai = Ai.NOT_STARTED
            return
        channel = self._rng.choice(channels)
        taken = [beacon.pan for beacon in heard]
        pan = wished.pan
        while pan == 0xFFFF or (pan in taken and wished.pan == 0xFFFF):
            pan = self._rng.randrange(1, 0xFFF0)
        key = wished.network_key if any(wished.network_key) else self._rng.randbytes(16)
        epid = wished.epid if wished.epid != ANY else self.eui
        formed = Membership(epid, pan, channel, COORDINATOR, key, True, self.eui)
        formed.security, formed.profile = wished.security, wished.profile
        self._settle(formed)
        self.on_status(Status.STARTED)

    # -------------------------------------------------------------------------------------------------------- joining

    def _search(self) -> None:
        self._searched_at = self.clock.now
        self.mac.pan, self.mac.short = 0xFFFF, NO_ADDRESS
        self._scanner.start(self._parameters.mask, self._choose)

    def _choose(self, heard: list[Heard]) -> None:
        wanted = self._parameters.epid
        profile = self._parameters.profile
        matching = [one for one in heard if wanted in (ANY, one.epid) and one.stack_profile == profile]
        joinable = [beacon for beacon in matching if beacon.joinable]
        if not joinable:
            self._search_later(Ai.NOT_JOINABLE if matching else Ai.NO_MATCH if heard else Ai.NO_PAN)
            return
        untried = [beacon for beacon in joinable if beacon.epid not in self._refused]
        if not untried:  # everybody was asked: once more round
            self._refused.clear()
        joinable = untried or joinable
        strongest = self._parameters.strongest
        best = max(joinable, key=lambda beacon: beacon.rssi) if strongest else joinable[0]
        self._candidate = best
        self.mac.tune(best.channel)
        self.mac.pan = best.pan
        self._command(ieee802154.AssociationRequest(ROUTER), best, 0xFFFF, self._ask_for_response)

    def _command(
        self, command: ieee802154.MacCommand, to: Heard, source_pan: int, done: Callable[[bool], None]
    ) -> None:
        self.mac.send(
            Frame(
                FrameType.COMMAND,
                0,
                ieee802154.encode_command(command),
                to.pan,
                to.source,
                source_pan,
                self.eui,
                ack_request=True,
                pan_compression=source_pan == to.pan,
            ),
            done=done,
        )

    def _ask_for_response(self, acknowledged: bool) -> None:
        if not acknowledged:
            self._search_later(Ai.NO_ANSWER)
            return
        candidate = self._candidate
        if candidate is not None:
            self._after(
                self.settings.response_wait_ns,
                lambda: self._command(ieee802154.DataRequest(), candidate, candidate.pan, self._await_response),
            )

    def _await_response(self, acknowledged: bool) -> None:
        if self._candidate is None or self.mac.short != NO_ADDRESS:
            return  # the response overtook the acknowledgement
        if acknowledged:
            self._after(self.settings.response_wait_ns, lambda: self._search_later(Ai.NO_ANSWER))
        else:
            self._search_later(Ai.NO_ANSWER)

    def _hear_response(self, response: ieee802154.AssociationResponse) -> None:
        if self._candidate is None or self.up:
            return
        if response.status:
            self._search_later(Ai.NOT_JOINABLE)
            return
        self.mac.short = response.address
        self._after(self.settings.security_wait_ns, lambda: self._search_later(Ai.SECURITY))

    def _hear_key(self, content: bytes, seal: bytes) -> None:
        candidate = self._candidate
        if candidate is None or self.up or len(content) != 34 or content[0] != NETWORK_KEY:
            return
        if seal != self._parameters.link_key:
            self.unauthenticated += 1
            return
        if self._timer is not None:
            self._timer.cancel()
        hub = content[26:34][::-1]
        at = (candidate.epid, candidate.pan, candidate.channel)
        member = Membership(*at, self.mac.short, content[1:17], False, hub, {hub: COORDINATOR})
        member.security, member.profile = self._parameters.security, self._parameters.profile
        self._candidate = None
        self._refused.clear()
        self._settle(member)
        self.on_status(Status.JOINED)
        self._announce()

    def _search_later(self, why: int) -> None:
        if self._candidate is not None:
            self._refused.add(self._candidate.epid)
        self._candidate = None
        self.ai = why
        settings, so_far = self.settings, self.clock.now - self._searching_since
        period = settings.search_period_ns if so_far < settings.search_often_ns else settings.search_seldom_ns
        if so_far >= settings.search_rarely_after_ns:
            period = settings.search_rarely_ns
        self._after(max(1, self._searched_at + period - self.clock.now), self._search)

    def _announce(self) -> None:
        """Device_annce: a broadcast that tells everybody our addresses."""
        content = bytes((self.next_counter(),)) + self.mac.short[::-1] + self.eui[::-1] + bytes((ROUTER,))
        aps = zigbee.ApsFrame(self.next_counter(), content, cluster=0x0013, delivery=zigbee.Delivery.BROADCAST)
        self.broadcast(zigbee.encode_aps(aps))

    # --------------------------------------------------------------------------------------------------------- frames

    def next_counter(self) -> int:
        """The next APS counter of this radio, or ZDO sequence number.

        One for data, commands and broadcasts alike: whoever listens follows one counter a source address.
        """
        self._counter = (self._counter + 1) & 0xFF
        return self._counter

    def unicast(
        self, to: bytes, payload: bytes, *, seal: bytes = b"", introduce: bool = False,
        done: Callable[[bool], None] | None = None,
    ) -> None:  # fmt: skip
        """Send a network frame to a short address.  ``introduce``: with our EUI-64 in its header."""
        self._sequence = (self._sequence + 1) & 0xFF
        source = self.eui if introduce else b""
        nwk = zigbee.NwkFrame(to, self.mac.short, self._sequence, payload, source_ieee=source)
        self._transmit(to, nwk, seal, True, done)

    def broadcast(self, payload: bytes, kind: zigbee.NwkType = zigbee.NwkType.DATA) -> None:
        """Send a network frame to every radio that listens all the time."""
        self._sequence = (self._sequence + 1) & 0xFF
        introduce = self.eui if kind is zigbee.NwkType.COMMAND else b""
        to = zigbee.BROADCAST_RX_ON
        nwk = zigbee.NwkFrame(
            to, self.mac.short, self._sequence, payload, kind, discover_route=0, source_ieee=introduce
        )
        self._transmit(ieee802154.BROADCAST, nwk, b"", False, None)

    def _transmit(
        self, to: bytes, nwk: zigbee.NwkFrame, seal: bytes, ack: bool, done: Callable[[bool], None] | None
    ) -> None:
        seal = seal or (self.member.key if self.member else b"")
        pan, short = self.mac.pan, self.mac.short
        frame = Frame(FrameType.DATA, 0, zigbee.encode_nwk(nwk), pan, to, pan, short, ack, True)
        self.mac.send(frame, seal, done)

    def _hear(self, frame: Frame, rssi: int, seal: bytes) -> None:
        try:
            if frame.frame_type is FrameType.DATA:
                self._hear_data(frame, seal)
            elif frame.frame_type is FrameType.BEACON:
                self._scanner.hear(frame, rssi)
            else:
                self._hear_command(frame)
        except DecodeError:
            self.mac.refused += 1

    def _hear_command(self, frame: Frame) -> None:
        command = ieee802154.decode_command(frame.payload)
        if isinstance(command, ieee802154.BeaconRequest):
            self._beacon()
        elif isinstance(command, ieee802154.AssociationRequest):
            self.trust.hear_association(frame)
        elif isinstance(command, ieee802154.DataRequest):
            self.trust.hear_data_request(frame)
        elif isinstance(command, ieee802154.AssociationResponse):
            self._hear_response(command)

    def _hear_data(self, frame: Frame, seal: bytes) -> None:
        nwk = zigbee.decode_nwk(frame.payload)
        member = self.member
        if member is None or not self.up:
            aps = zigbee.decode_aps(nwk.payload)
            if aps.frame_type is zigbee.ApsType.COMMAND and aps.payload[:1] == bytes((TRANSPORT_KEY,)):
                self._hear_key(aps.payload[1:], seal)
            return
        if seal != member.key:
            self.unauthenticated += 1
            return
        if nwk.source_ieee:
            self.learn(nwk.source_ieee, nwk.source)
        if nwk.frame_type is zigbee.NwkType.COMMAND:
            if nwk.payload[:1] == bytes((LEAVE,)):
                self._forget_short(nwk.source)
            return
        self.on_nwk(nwk)

    # ------------------------------------------------------------------------------------------------------ addresses

    def learn(self, device: bytes, short: bytes) -> None:
        """A device has this short address; whoever had it or whatever it had before is forgotten."""
        if self.member is not None and device != self.eui:
            self._forget_short(short)
            self.member.addresses[device] = short

    def short_of(self, device: bytes) -> bytes | None:
        """Short address of a device, None if unknown."""
        return self.member.addresses.get(device) if self.member else None

    def eui_of(self, short: bytes) -> bytes:
        """EUI-64 behind a short address; eight octets FF if unknown."""
        if self.member is not None:
            for device, known in self.member.addresses.items():
                if known == short:
                    return device
        return WILDCARD

    def _forget_short(self, short: bytes) -> None:
        if self.member is not None:
            for device in [device for device, known in self.member.addresses.items() if known == short]:
                del self.member.addresses[device]
