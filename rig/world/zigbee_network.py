"""The network layer of a virtual Zigbee radio: scan, form, join, leave, who has which address.

Each step is real frames on the air: beacon request and beacon, association request, data request and response,
Transport-Key, Device_annce.  A star of one hop: routers send no beacons and relay nothing; PAN-id conflicts, network
time-outs (NW) and the exchange of a second link key after joining are not modelled.

Security is modelled by seals (see ``ether``), not octets: Transport-Key is sealed with the link key of the install
code, everything after it with the network key.  Who lacks the key cannot read it and cannot be heard.

Must not live here: the application support layer (``zigbee_aps``), API frames and AT registers (``xbee_zigbee``).
Source: facts/radio.md 2 to 4; time-outs from memory of IEEE 802.15.4 and Zigbee PRO.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from devices.wire import ieee802154, zigbee
from devices.wire.errors import DecodeError
from devices.wire.ieee802154 import Frame, FrameType
from rig.world.clock import Appointment, VirtualClock
from rig.world.ether import Ether
from rig.world.mac import MacRadio

__all__ = ["Heard", "NetworkSettings", "Parameters", "ZigbeeNetwork"]

MS = 1_000_000
S = 1000 * MS
COORDINATOR = b"\x00\x00"
NO_ADDRESS = b"\xff\xfe"
ANY = bytes(8)
WILDCARD = b"\xff" * 8
TRANSPORT_KEY, NETWORK_KEY = 0x05, 0x01
LEAVE = 0x04
ROUTER = 0x8E  # capability: router, mains, receiver on when idle, allocate an address


class Ai:
    """Values of the AI register (facts/radio.md 3)."""

    OK, NO_PAN, NO_MATCH, NOT_JOINABLE, JOIN_FAILED, SECURITY, SEARCHING = 0x00, 0x21, 0x22, 0x23, 0x25, 0x27, 0xFF


class Status:
    """Modem status octets (facts/radio.md 2.2)."""

    JOINED, LEFT, STARTED, OPENED, CLOSED = 0x02, 0x03, 0x06, 0x43, 0x44


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Times; none is stated by a fact, each is the standard's value [from memory] or of that order."""

    scan_ns: int = 138_240_000  # a channel: (2^3 + 1) * 960 symbols, scan duration SD = 3
    response_wait_ns: int = 491_520_000  # macResponseWaitTime, 32 superframes
    security_wait_ns: int = 5 * S  # apsSecurityTimeOutPeriod: the joiner waits so long for a key that it can read
    search_again_ns: int = 1 * S  # a radio that found no network looks again, each time after twice the pause
    search_again_most_ns: int = 600 * S  # a module searches for ever; this spares the virtual bench the work


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the AT registers ask for.  ``epid`` of zeros: any; ``mask``: bit 0 is channel 11."""

    coordinator: bool
    epid: bytes
    mask: int
    link_key: bytes
    network_key: bytes = bytes(16)  # zeros: drawn when the network is formed
    pan: int = 0xFFFF  # FFFF: drawn


@dataclass(frozen=True, slots=True)
class Heard:
    """One beacon."""

    epid: bytes
    pan: int
    channel: int
    joinable: bool
    rssi: int
    stack_profile: int
    source: bytes


@dataclass(slots=True)
class Membership:
    """What a radio remembers without power: its network and the addresses in it."""

    epid: bytes
    pan: int
    channel: int
    short: bytes
    key: bytes
    coordinator: bool
    hub: bytes = b""  # EUI-64 of the coordinator
    addresses: dict[bytes, bytes] = field(default_factory=dict)  # EUI-64 to short address


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
        self._registered: dict[bytes, tuple[bytes, int]] = {}
        self._open_until = -1
        self._heard: list[Heard] | None = None
        self._pause = settings.search_again_ns
        self._timer: Appointment | None = None
        self._closing: Appointment | None = None
        self._candidate: Heard | None = None
        self._waiting_response: tuple[bytes, bytes] | None = None  # EUI-64 and short address of who asked last
        self._sequence = rng.randrange(256)
        self._counter = rng.randrange(256)
        self._life = 0

    # ---------------------------------------------------------------------------------------------------- up and down

    def start(self, parameters: Parameters) -> None:
        """Take up the remembered network if it fits ``parameters``; else form one, or look for one to join."""
        self._quiet()
        self._parameters, self._pause = parameters, self.settings.search_again_ns
        member = self.member
        wanted = parameters.epid
        if member and (member.coordinator != parameters.coordinator or (wanted != ANY and wanted != member.epid)):
            self.member = member = None
        if member:
            self._resume(member)
        elif parameters.coordinator:
            self._form()
        else:
            self._search()

    def power_off(self) -> None:
        """No power: silent, and only the membership is remembered."""
        self._quiet()
        self._registered.clear()

    def _quiet(self) -> None:
        self._life += 1
        for timer in (self._timer, self._closing):
            if timer is not None:
                timer.cancel()
        self._timer = self._closing = self._heard = self._candidate = None
        self._open_until = -1
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
        self._pause = self.settings.search_again_ns

    def leave(self) -> None:
        """Say so, and forget the network."""
        member = self.member
        if member and self.up and not member.coordinator:
            self.broadcast(bytes((LEAVE, 0)), zigbee.NwkType.COMMAND)
        was_up, self.member = self.up, None
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
        if self.up:
            self._scan(mask, done)
            return

        def finished(heard: list[Heard]) -> None:
            done(heard)
            self.start(self._parameters)

        self._quiet()
        self._scan(mask, finished)

    def _scan(self, mask: int, done: Callable[[list[Heard]], None]) -> None:
        """Active scan over the channels of ``mask``; a member returns to its own channel afterwards."""
        heard: list[Heard] = []
        self._heard = heard
        self._scan_next(iter([11 + bit for bit in range(16) if mask >> bit & 1]), heard, done, self._life)

    def _scan_next(
        self, channels: Iterator[int], heard: list[Heard], done: Callable[[list[Heard]], None], life: int
    ) -> None:
        if life != self._life or self._heard is not heard:
            return
        channel = next(channels, None)
        if channel is None:
            self._heard = None
            if self.member:
                self.mac.tune(self.member.channel)
            done(heard)
            return
        self.mac.tune(channel)
        request = ieee802154.encode_command(ieee802154.BeaconRequest())
        self.mac.send(Frame(FrameType.COMMAND, 0, request, ieee802154.BROADCAST_PAN, ieee802154.BROADCAST), done=None)
        self.clock.call_at(self.clock.now + self.settings.scan_ns, lambda: self._scan_next(channels, heard, done, life))

    def _hear_beacon(self, frame: Frame, rssi: int) -> None:
        if self._heard is None or frame.source_pan is None:
            return
        beacon = ieee802154.decode_beacon(frame.payload)
        network = zigbee.decode_beacon_payload(beacon.payload)
        channel = self.mac.channel or 0
        self._heard.append(
            Heard(
                network.extended_pan,
                frame.source_pan,
                channel,
                beacon.association_permit,
                rssi,
                network.stack_profile,
                frame.source,
            )
        )

    def _beacon(self) -> None:
        member = self.member
        if not member or not member.coordinator or not self.up:
            return
        network = zigbee.encode_beacon_payload(zigbee.BeaconPayload(member.epid))
        beacon = ieee802154.encode_beacon(ieee802154.Beacon(network, association_permit=self.open))
        self.mac.send(Frame(FrameType.BEACON, 0, beacon, source_pan=member.pan, source=member.short))

    # -------------------------------------------------------------------------------------------------------- forming

    def _form(self) -> None:
        self.mac.pan = 0xFFFF
        self._scan(self._parameters.mask, self._found_place)

    def _found_place(self, heard: list[Heard]) -> None:
        """The channel with the fewest networks, the lowest of equals; a PAN identifier that nobody uses."""
        wished = self._parameters
        channels = [11 + bit for bit in range(16) if wished.mask >> bit & 1]
        if not channels:
            self.ai = 0x2A
            return
        channel = min(channels, key=lambda one: sum(beacon.channel == one for beacon in heard))
        taken = [beacon.pan for beacon in heard]
        pan = wished.pan
        while pan == 0xFFFF or (pan in taken and wished.pan == 0xFFFF):
            pan = self._rng.randrange(1, 0xFFF0)
        key = wished.network_key if any(wished.network_key) else self._rng.randbytes(16)
        epid = wished.epid if wished.epid != ANY else self.eui
        self._settle(Membership(epid, pan, channel, COORDINATOR, key, True, self.eui))
        self.on_status(Status.STARTED)

    # -------------------------------------------------------------------------------------------------------- joining

    def _search(self) -> None:
        self.mac.pan, self.mac.short = 0xFFFF, NO_ADDRESS
        self._scan(self._parameters.mask, self._choose)

    def _choose(self, heard: list[Heard]) -> None:
        wanted = self._parameters.epid
        matching = [beacon for beacon in heard if wanted in (ANY, beacon.epid)]
        joinable = [beacon for beacon in matching if beacon.joinable]
        if not joinable:
            self._search_later(Ai.NOT_JOINABLE if matching else Ai.NO_MATCH if heard else Ai.NO_PAN)
            return
        best = self._candidate = max(joinable, key=lambda beacon: beacon.rssi)
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
            self._search_later(Ai.JOIN_FAILED)
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
            self._after(self.settings.response_wait_ns, lambda: self._search_later(Ai.JOIN_FAILED))
        else:
            self._search_later(Ai.JOIN_FAILED)

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
        self._candidate = None
        self._settle(member)
        self.on_status(Status.JOINED)
        self._announce()

    def _search_later(self, why: int) -> None:
        self._candidate = None
        self.ai = why
        self._after(self._pause, self._search)
        self._pause = min(2 * self._pause, self.settings.search_again_most_ns)

    def _announce(self) -> None:
        """Device_annce: a broadcast that tells everybody our addresses."""
        content = bytes((self._next_counter(),)) + self.mac.short[::-1] + self.eui[::-1] + bytes((ROUTER,))
        aps = zigbee.ApsFrame(self._next_counter(), content, cluster=0x0013, delivery=zigbee.Delivery.BROADCAST)
        self.broadcast(zigbee.encode_aps(aps))

    # ----------------------------------------------------------------------------------------- the coordinator's side

    @property
    def open(self) -> bool:
        """The joining window is open."""
        return self.clock.now < self._open_until

    def permit(self, seconds: int) -> None:
        """Open the window; 0 closes it, FF leaves it open."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        was = self.open
        self._open_until = 1 << 62 if seconds == 0xFF else self.clock.now + seconds * S
        if seconds == 0:
            self._open_until = -1
            if was:
                self.on_status(Status.CLOSED)
            return
        if not was:
            self.on_status(Status.OPENED)
        if seconds != 0xFF:
            self._closing = self.clock.call_at(self._open_until, lambda: self.on_status(Status.CLOSED))

    def register(self, device: bytes, key: bytes, lifetime: int) -> None:
        """Let ``device`` join with this link key for ``lifetime`` seconds."""
        self._registered[device] = (key, self.clock.now + lifetime * S)

    def unregister(self, device: bytes) -> bool:
        """Take it off the list of those who may join; whether it was on it."""
        return self._registered.pop(device, None) is not None

    def _hear_association(self, frame: Frame) -> None:
        member = self.member
        if member is None or not member.coordinator or not self.open or len(frame.source) != 8:
            return
        device = frame.source
        short = member.addresses.get(device)
        while short is None or short in (COORDINATOR, NO_ADDRESS):
            drawn = self._rng.randrange(1, 0xFFF0).to_bytes(2, "big")
            short = None if drawn in member.addresses.values() else drawn
        self._waiting_response = (device, short)

    def _hear_data_request(self, frame: Frame) -> None:
        waiting, member = self._waiting_response, self.member
        if waiting is None or member is None or frame.source != waiting[0]:
            return
        self._waiting_response = None
        device, short = waiting
        response = ieee802154.encode_command(ieee802154.AssociationResponse(short))
        self.mac.send(
            Frame(FrameType.COMMAND, 0, response, member.pan, device, member.pan, self.eui, True, True),
            done=lambda acknowledged: self._send_key(device, short) if acknowledged else None,
        )

    def _send_key(self, device: bytes, short: bytes) -> None:
        """The trust centre's decision: a device that is registered gets the network key under its own link key."""
        member = self.member
        entry = self._registered.get(device) or self._registered.get(WILDCARD)
        if member is None or entry is None or entry[1] <= self.clock.now:
            return
        content = bytes((TRANSPORT_KEY, NETWORK_KEY)) + member.key + b"\0" + device[::-1] + self.eui[::-1]
        aps = zigbee.ApsFrame(self._next_counter(), content, frame_type=zigbee.ApsType.COMMAND)
        self.unicast(short, zigbee.encode_aps(aps), seal=entry[0])

    # --------------------------------------------------------------------------------------------------------- frames

    def _next_counter(self) -> int:
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
                self._hear_beacon(frame, rssi)
            else:
                self._hear_command(frame)
        except DecodeError:
            self.mac.refused += 1

    def _hear_command(self, frame: Frame) -> None:
        command = ieee802154.decode_command(frame.payload)
        if isinstance(command, ieee802154.BeaconRequest):
            self._beacon()
        elif isinstance(command, ieee802154.AssociationRequest):
            self._hear_association(frame)
        elif isinstance(command, ieee802154.DataRequest):
            self._hear_data_request(frame)
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
