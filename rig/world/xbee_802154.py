"""A virtual XBee 3 with 802.15.4 firmware, as inter-PAN uses it: raw MAC payloads in and out.

Must not live here: what the payload means, the serial line (``xbee_module``).

Source: facts/radio.md 2.2 and 9.  With MM=1 or 2 the firmware adds no header of its own; only these modes are modelled,
and a module left at MM=0 refuses to send.  MY=FFFE or FFFF makes the source address the 64-bit one.  The frame control
bits of the real firmware want one look with a sniffer (facts/radio.md 14); here PAN identifiers are never compressed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from devices.wire import ieee802154, xbee
from devices.wire.ieee802154 import Frame, FrameType
from rig.world.ether import Ether
from rig.world.mac import MacRadio
from rig.world.xbee_module import BAD_COMMAND, OK, ModuleSettings, Outcome, XBeeModule
from rig.world.xbee_registers import IEEE802154_REGISTERS

__all__ = ["IEEE802154Settings", "XBee802154"]

NO_ACK_OPTION, BROADCAST_PAN_OPTION = 0x01, 0x04
BROADCAST_OPTION, ALL_PAN_OPTION = 0x02, 0x04  # of a received frame
NO_ACK, TOO_LARGE, INVALID = 0x01, 0x74, 0x03  # status of an 89 frame; 00 is success
BROADCAST_64 = bytes(6) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class IEEE802154Settings:
    """Settings of a module."""

    module: ModuleSettings = field(default_factory=ModuleSettings)
    largest_payload: int = 104  # long addresses without the maker's header (MM=1, 2), facts/xbee-manual.md 2


class XBee802154(XBeeModule):
    """One module on the air of ``ether`` under ``name``.  ``registers`` override factory defaults."""

    def __init__(
        self,
        ether: Ether,
        name: str,
        eui: bytes,
        rng: Random,
        *,
        settings: IEEE802154Settings | None = None,
        registers: dict[str, bytes] | None = None,
    ) -> None:
        self.ieee802154 = settings or IEEE802154Settings()
        super().__init__(ether.clock, eui, IEEE802154_REGISTERS, self.ieee802154.module, registers or {})
        self.mac = MacRadio(ether, name, eui, self._heard, first_sequence=rng.randrange(256))

    def _started(self) -> None:
        self._tune()

    def _silenced(self) -> None:
        self.mac.switch_off()

    def _applied(self, names: list[str]) -> None:
        if self.mac.channel is not None and any(name in ("CH", "ID", "MY") for name in names):
            self._tune()

    def _tune(self) -> None:
        channel = self._number("CH")
        self.mac.pan = self._number("ID")
        self.mac.short = self._registers["MY"]
        self.mac.tune(channel)

    def _read(self, name: str) -> bytes:
        if name == "DB":
            return bytes((-self.mac.rssi,))
        return self._registers[name]

    def _execute(self, name: str, value: bytes, frame_id: int) -> Outcome | None:  # noqa: ARG002
        return (OK, bytes([0x53] * 16)) if name == "ED" else (BAD_COMMAND, b"")

    # ---------------------------------------------------------------------------------------------------------- sending

    def _api_frame(self, frame: xbee.Frame) -> None:
        if isinstance(frame, (xbee.Transmit64, xbee.Transmit16)):
            self._send(frame.frame_id, frame.destination, frame.options, frame.data)

    def _transparent(self, octets: bytes) -> None:
        self._send(0, self._registers["DH"] + self._registers["DL"], 0, octets)

    def _send(self, frame_id: int, destination: bytes, options: int, data: bytes) -> None:
        def report(status: int) -> None:
            if frame_id:
                self._emit(xbee.TransmitStatus802(frame_id, status))

        if len(data) > self.ieee802154.largest_payload:
            report(TOO_LARGE)
        elif self._number("MM") not in (1, 2) or self.mac.channel is None:
            report(INVALID)
        else:
            to = ieee802154.BROADCAST if destination in (BROADCAST_64, ieee802154.BROADCAST) else destination
            ack = self._number("MM") == 2 and to != ieee802154.BROADCAST and not options & NO_ACK_OPTION
            pan = ieee802154.BROADCAST_PAN if options & BROADCAST_PAN_OPTION else self.mac.pan
            source = self.eui if self.mac.short in (b"\xff\xfe", b"\xff\xff") else self.mac.short
            frame = Frame(FrameType.DATA, 0, data, pan, to, self.mac.pan, source, ack)
            self.mac.send(frame, done=lambda acknowledged: report(0 if acknowledged else NO_ACK))

    # -------------------------------------------------------------------------------------------------------- receiving

    def _heard(self, frame: Frame, rssi: int, _: bytes) -> None:
        if frame.frame_type is not FrameType.DATA or not frame.source:
            return  # CE=0, A1=A2=0: beacon requests are not answered
        options = BROADCAST_OPTION * (frame.destination == ieee802154.BROADCAST)
        options |= ALL_PAN_OPTION * (frame.destination_pan == ieee802154.BROADCAST_PAN)
        if self._number("AP") == 0:
            self._say(frame.payload)
        elif len(frame.source) == 8:
            self._emit(xbee.Receive64(frame.source, -rssi & 0xFF, options, frame.payload))
        else:
            self._emit(xbee.Receive16(frame.source, -rssi & 0xFF, options, frame.payload))
