"""A virtual XBee 3 with Zigbee firmware: registers and API frames in front of the Zigbee network and APS layers.

Must not live here: what goes over the air (``zigbee_network``, ``zigbee_aps``), the serial line (``xbee_module``).

Source: facts/xbee-manual.md 1, 3 and 4; facts/radio.md 2 to 4.  Not modelled: remote AT (17), source routes (21 is
taken and does nothing), multicast, energy scan of real noise, sleeping, routers that let others join through them,
secure sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from devices.wire import xbee, zigbee
from rig.world.ether import Ether
from rig.world.xbee_module import BAD_COMMAND, BAD_PARAMETER, ERROR, OK, ModuleSettings, Outcome, XBeeModule
from rig.world.xbee_registers import ZIGBEE_REGISTERS
from rig.world.zigbee_aps import ApsSettings, Delivered, Delivery, ZigbeeAps
from rig.world.zigbee_device_object import DeviceObject
from rig.world.zigbee_network import ZigbeeNetwork, fits
from rig.world.zigbee_types import COORDINATOR, WILDCARD, Heard, NetworkSettings, Parameters, Status

__all__ = ["XBeeZigbee", "ZigbeeSettings", "code_as_key", "install_code_crc"]

NETWORK_REGISTERS = ("CE", "ID", "SC", "EE", "EO", "KY", "ZS", "II", "SM", "DJ")
"""A change of one of these, applied, makes the module look whether its network still fits (xbee-manual.md 1, 4.8)."""
WINDOW_OF_BUTTON = 60  # seconds, whatever NJ is (facts/xbee-manual.md 4.3)
BROADCASTS = tuple(bytes(6) + bytes((0xFF, last)) for last in (0xFF, 0xFD, 0xFC))
CENTRALISED = 0x02  # bit of EO: a centralised trust centre
STRONGEST = 0x08  # bit of DC: join the strongest network, not the first
DIGI_PROFILE, DIGI_ENDPOINT, DIGI_SERIAL = 0xC105, 0xE8, 0x0011


def install_code_crc(code: bytes) -> bytes:
    """The CRC of an install code as it is printed behind it: CRC-16/X-25, little endian (facts/radio.md 11.3)."""
    crc = 0xFFFF
    for octet in code:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 * (crc & 1)
    return (crc ^ 0xFFFF).to_bytes(2, "little")


def code_as_key(code: bytes) -> bytes:
    """Stands in for the hash of an install code where nobody gives the true one: the code itself, to 16 octets."""
    return code.ljust(16, b"\0")[:16]


@dataclass(frozen=True, slots=True)
class ZigbeeSettings:
    """Settings of a module and the layers in it."""

    module: ModuleSettings = field(default_factory=ModuleSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    aps: ApsSettings = field(default_factory=ApsSettings)
    largest_broadcast: int = 84  # facts/radio.md 2.2, from the NP page; an older note says 92
    registrations: int = 10  # how many devices frame 24 may register, facts/xbee-manual.md 4.5 [default there]
    scan_ends_with_empty_answer: bool = True  # AS: whether a last 88 without data closes the list, xbee-manual.md 8


class XBeeZigbee(XBeeModule):
    """One module on the air of ``ether`` under ``name``.

    ``link_key`` makes the link key of an install code (without CRC), as the firmware does; left out, the codes
    themselves are compared.  ``registers`` override factory defaults, as if they had been written before.
    """

    def __init__(
        self,
        ether: Ether,
        name: str,
        eui: bytes,
        rng: Random,
        *,
        link_key: Callable[[bytes], bytes] = code_as_key,
        settings: ZigbeeSettings | None = None,
        registers: dict[str, bytes] | None = None,
    ) -> None:
        self.zigbee = settings or ZigbeeSettings()
        super().__init__(ether.clock, eui, ZIGBEE_REGISTERS, self.zigbee.module, registers or {})
        self.network = ZigbeeNetwork(ether, name, eui, rng, self.zigbee.network)
        self.aps = ZigbeeAps(self.network, self.zigbee.aps)
        self.network.on_status = self._status
        self.aps.on_data = self._data
        self._link_key = link_key
        self._rng = rng
        self._random_key = rng.randbytes(16)
        self._device_object = DeviceObject(self)

    # ---------------------------------------------------------------------------------------------------------- state

    def _started(self) -> None:
        self.network.start(self._parameters())

    def _silenced(self) -> None:
        self.network.power_off()
        self.aps.reset()

    def _parameters(self) -> Parameters:
        key = self._registers["KY"]
        return Parameters(
            coordinator=self._number("CE") == 1,
            epid=self._registers["ID"],
            mask=self._number("SC"),
            link_key=key if any(key) else self._random_key,
            network_key=self._registers["NK"],
            pan=self._number("II"),
            profile=self._number("ZS"),
            strongest=bool(self._number("DC") & STRONGEST),
            security=b"".join(self._registers[name] for name in ("EE", "EO", "KY")),
            search=self._number("DJ") == 0,
        )

    def _applied(self, names: list[str]) -> None:
        if "ZS" in names:
            self._restart_with_profile()
            return
        if "NJ" in names and self.network.up:
            self.network.trust.permit(self._number("NJ"))
        if not any(name in NETWORK_REGISTERS for name in names):
            return
        member, wanted = self.network.member, self._parameters()
        if member is not None and self.network.up and fits(member, wanted):
            return  # nothing that would make it leave
        if member is not None and self.network.up:
            self.clock.call_at(self.clock.now, lambda: self._emit(xbee.ModemStatus(Status.LEFT)))  # after the answer
        self.network.start(wanted, self.zigbee.network.settle_ns)

    def _restart_with_profile(self) -> None:
        """A changed ZS writes everything and restarts the module, without a word (facts/xbee-manual.md 1.1)."""
        life = self._life

        def restart() -> None:
            if life == self._life:
                self._save()
                self._silenced()
                self._boot(silently=True)

        self.clock.call_at(self.clock.now + 2 * self.settings.reply_delay_ns, restart)  # after its answer

    def _status(self, status: int) -> None:
        self._emit(xbee.ModemStatus(status))
        if status == Status.STARTED and self._number("NJ"):
            self.network.trust.permit(self._number("NJ"))

    def _read(self, name: str) -> bytes:
        member = self.network.member if self.network.up else None
        match name:
            case "AI":
                return bytes((self.network.ai,))
            case "MY":
                return member.short if member else b"\xff\xfe"
            case "OP":
                return member.epid if member else bytes(8)
            case "OI":
                return member.pan.to_bytes(2, "big") if member else b"\xff\xff"
            case "CH":
                return bytes((member.channel,)) if member else b"\0"
            case "DB":
                return bytes((-self.network.mac.rssi,))
        return self._registers[name]

    # ------------------------------------------------------------------------------------ what the device object needs

    def register(self, name: str) -> int:
        """The present value of a register as a number."""
        return self._number(name)

    def leave_soon(self) -> None:
        """Leave once the answer to the request has had its time."""
        life = self._life
        at = self.clock.now + self.zigbee.aps.ack_wait_ns
        self.clock.call_at(at, lambda: self.network.leave() if life == self._life else None)

    # ------------------------------------------------------------------------------------------------------- commands

    def _execute(self, name: str, value: bytes, frame_id: int) -> Outcome | None:
        match name:
            case "NR":
                self.network.leave()
                return OK, b""
            case "CB":
                return self._button(value)
            case "ED":
                return OK, bytes([0x53] * 16)  # -83 dBm: quiet on every channel; noise is not modelled
            case "AS":
                if not self.network.up and not self._number("DJ"):
                    return (
                        ERROR,
                        b"",
                    )  # a scan is refused while it looks for a network itself (facts/xbee-manual.md 4.2)
                self.network.survey(self._number("SC"), lambda heard: self._scanned(frame_id, heard))
                return None
            case "ND":
                self._discover(frame_id)
                return None
        return BAD_COMMAND, b""

    def _button(self, value: bytes) -> Outcome:
        """CB: 2 opens the window for a minute and tells the network, 4 restores the defaults and leaves."""
        if value == b"\x02":
            if self.network.up:
                self.network.trust.permit(WINDOW_OF_BUTTON)
                self._device_object.permit_everywhere(WINDOW_OF_BUTTON)
        elif value == b"\x04":
            self._command_restore()
            self.network.leave()
        elif value != b"\x01":
            return BAD_PARAMETER, b""
        return OK, b""

    def _scanned(self, frame_id: int, heard: list[Heard]) -> None:
        """One 88 for each beacon: 02, channel, PAN, EPID, allow join, stack profile, LQI, RSSI [from memory]."""
        for one in heard:
            value = b"\x02%c%b%b%c%c%c%c" % (
                one.channel,
                one.pan.to_bytes(2, "big"),
                one.epid,
                one.joinable,
                one.stack_profile,
                max(0, min(255, 2 * (one.rssi + 128))),
                -one.rssi & 0xFF,
            )
            self._emit(xbee.AtResponse(frame_id, b"AS", OK, value))
        if self.zigbee.scan_ends_with_empty_answer:
            self._emit(xbee.AtResponse(frame_id, b"AS", OK if heard else ERROR))

    def _discover(self, frame_id: int) -> None:
        """ND, from the address table: what a node would say of itself, with an empty name."""
        member = self.network.member
        for device, short in list(member.addresses.items()) if member else []:
            kind = 0 if short == COORDINATOR else 1
            value = short + device + b" \0\xff\xfe%c\x00\xc1\x05\x10\x1e" % kind
            self._emit(xbee.AtResponse(frame_id, b"ND", OK, value))

    # ----------------------------------------------------------------------------------------------------- API frames

    def _api_frame(self, frame: xbee.Frame) -> None:
        if isinstance(frame, xbee.ExplicitTransmit):
            self._send(frame)
        elif isinstance(frame, xbee.Transmit):
            ends = (DIGI_ENDPOINT, DIGI_ENDPOINT, DIGI_SERIAL, DIGI_PROFILE, frame.radius, frame.options, frame.data)
            self._send(xbee.ExplicitTransmit(frame.frame_id, frame.destination, frame.network, *ends))
        elif isinstance(frame, xbee.RegisterDevice):
            status = self._register(frame)
            if frame.frame_id:
                self._emit(xbee.RegistrationStatus(frame.frame_id, status))

    def _register(self, frame: xbee.RegisterDevice) -> int:
        device, key = frame.device, frame.key
        if not key:
            if self._number("EO") & CENTRALISED:
                return 0xFF  # an empty key removes nothing from a centralised trust centre (facts/xbee-manual.md 4.5)
            return 0x00 if self.network.trust.unregister(device) else 0xFF
        if device == bytes(8):
            return 0xB3
        if frame.options & 1:
            if len(key) != 18:
                return 0x01 if len(key) > 18 else 0xB2
            if install_code_crc(key[:-2]) != key[-2:]:
                return 0xBD
            key = self._link_key(key[:-2])
        elif len(key) > 16:
            return 0x01
        elif set(key) in ({0}, {0xFF}):
            return 0xB2
        trust = self.network.trust
        if device not in trust and trust.registered >= self.zigbee.registrations:
            return 0x18
        trust.register(device, key.rjust(16, b"\0"), self._number("KT"))
        return 0x00

    def _send(self, frame: xbee.ExplicitTransmit) -> None:
        frame_id = frame.frame_id

        def done(short: bytes, retries: int, delivery: int, discovery: int) -> None:
            if frame_id:
                self._emit(xbee.TransmitStatus(frame_id, short, retries, delivery, discovery))

        aps = zigbee.ApsFrame(
            0, frame.data, frame.destination_endpoint, frame.source_endpoint, frame.cluster, frame.profile
        )
        device = self._destination(frame)
        delivery = self._obstacle(device, frame.data)
        if delivery != Delivery.OK:
            done(b"\xff\xfd", 0, delivery, 0)
        elif device in BROADCASTS:
            self.aps.broadcast(aps)
            done(b"\xff\xfe", 0, Delivery.OK, 0)
        else:
            self._unicast(device, aps, not frame.options & 1, done)

    def _unicast(self, device: bytes, aps: zigbee.ApsFrame, ack: bool, done: Delivered) -> None:
        self.aps.send(device, aps, ack, done)

    def _destination(self, frame: xbee.ExplicitTransmit) -> bytes:
        member = self.network.member
        if frame.destination == xbee.COORDINATOR_64 and member:
            return member.hub
        if frame.destination == xbee.UNKNOWN_64 and frame.network != xbee.UNKNOWN_16:
            return self.network.eui_of(frame.network)
        return frame.destination

    def _obstacle(self, device: bytes, data: bytes) -> int:
        if not self.network.up:
            return Delivery.NOT_JOINED
        if device == self.eui:
            return Delivery.TO_SELF
        if device == WILDCARD:
            return Delivery.NO_ADDRESS
        largest = self.zigbee.largest_broadcast if device in BROADCASTS else self._number("NP")
        return Delivery.TOO_LARGE if len(data) > largest else Delivery.OK

    def _transparent(self, octets: bytes) -> None:
        to = self._registers["DH"] + self._registers["DL"]
        ends = (DIGI_ENDPOINT, DIGI_ENDPOINT, DIGI_SERIAL, DIGI_PROFILE, 0, 0, octets)
        self._send(xbee.ExplicitTransmit(0, to, xbee.UNKNOWN_16, *ends))

    # ------------------------------------------------------------------------------------------------------ receiving

    def _data(self, source: bytes, frame: zigbee.ApsFrame, broadcast: bool) -> None:
        to_the_device = frame.profile == 0 and frame.destination_endpoint == 0
        if to_the_device and not self._device_object.take(source, frame):
            return
        device = self.network.eui_of(source)
        options = 0x02 if broadcast else 0x01
        mode = self._number("AP")
        if mode == 0:
            self._say(frame.payload)
        elif self._number("AO"):
            self._emit(
                xbee.ExplicitReceive(
                    device,
                    source,
                    frame.source_endpoint,
                    frame.destination_endpoint,
                    frame.cluster,
                    frame.profile,
                    options,
                    frame.payload,
                )
            )
        elif frame.profile:
            self._emit(xbee.Receive(device, source, options, frame.payload))
