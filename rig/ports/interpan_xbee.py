"""Inter-PAN frames through an XBee with 802.15.4 firmware (MM=2), and scanning through one with Zigbee firmware.

802.15.4 firmware cannot read the extended PAN id in a Zigbee beacon, so :meth:`XBeeInterPan.scan` needs a second
module; a hub has none and needs none.  The firmware's destination PAN is its own or FFFF: all frames go to FFFF.

Must not live here: the stub headers (``devices.wire.interpan``), bringing modules up (``xbee_radio``).
Source: facts/radio.md 8 and 9.  Inter-PAN is not secured here: XBee has no link key to secure it with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.machines.core import NetworkDown, NetworksFound, Received, SendFailed
from devices.wire import interpan, xbee
from devices.wire.errors import DecodeError
from devices.wire.zigbee import Delivery
from rig.ports.han_xbee import XBeeHan, XBeeHanConfig
from rig.ports.protocols import ByteLink, Clock
from rig.ports.xbee_radio import RadioSettings, Step, XBeeRadio

__all__ = ["XBeeInterPan", "XBeeInterPanConfig"]

BROADCAST_PAN = 0x04
STATUS_REASONS = {
    0x01: "no acknowledgement",
    0x02: "the channel was busy",
    0x03: "the receiver did not fetch the frame, or the radio is not set for raw frames (MM=2)",
    0x21: "no acknowledgement",
    0x31: "the radio has an internal error",
    0x74: "too large",
}


@dataclass(frozen=True, slots=True)
class XBeeInterPanConfig:
    """``own``: the device's EUI-64; ``peers``: device EUI-64 to the EUI-64 of its *inter-PAN* radio.

    ``power`` and ``scan_power`` switch the two modules' supplies; ``reopen`` opens a lost line again.
    """

    own: bytes
    peers: Mapping[bytes, bytes]
    power: Callable[[bool], None] | None = None
    scan_power: Callable[[bool], None] | None = None
    reopen: Callable[[], ByteLink] | None = None
    port: str = "interpan"  # how the machine calls this port
    profile: int = 0x0109
    largest_frame: int = 95  # ZCL octets; facts/radio.md 8.1.  NP of a real module may say less
    acknowledge: bool = True  # MAC acknowledgement of unicast frames; a foreign stack may not give it
    scan_channels: int = 0x7FFF
    queue: int = 64  # frames that wait until the radio is up and tuned
    radio: RadioSettings = field(default_factory=RadioSettings)


def _firmware(value: bytes) -> str | None:
    if len(value) >= 2 and value[-2] >> 4 == 2:
        return None
    return f"the radio has firmware VR={value.hex().upper()}, expected 802.15.4 (2xxx); flash it with XCTU"


class XBeeInterPan:
    """See :class:`rig.ports.protocols.InterPanAdapter`."""

    def __init__(self, link: ByteLink, scan_link: ByteLink | None, clock: Clock, config: XBeeInterPanConfig) -> None:
        self.on_event: Callable[[Any], None] = lambda _: None
        self.config = config
        self.foreign = 0  # MAC frames that were no inter-PAN: broadcasts of the HAN
        self._clock = clock
        self._devices = {radio: device for device, radio in config.peers.items()}
        steps = [
            Step("VR", check=_firmware),
            Step("MM", b"\2"),
            Step("MY", b"\xff\xfe"),
            Step("CE", b"\0"),
            Step("EE", b"\0", optional=True),
            Step("A1", b"\0", optional=True),
            Step("A2", b"\0", optional=True),
            Step("AO", b"\2", optional=True),
        ]
        self.radio = XBeeRadio(link, clock, steps, config.radio, config.power, config.reopen)
        self.radio.on_ready = self._ready
        self.radio.on_down = self._radio_down
        self.radio.on_frame = self._frame
        self.scanner: XBeeHan | None = None
        if scan_link is not None:
            self.scanner = XBeeHan(scan_link, clock, self._scan_config())
            self.scanner.on_event = self._scanned
        self._life = 0
        self._forget_volatile()

    def _scan_config(self) -> XBeeHanConfig:
        config = self.config

        def no_key(code: bytes) -> bytes:
            raise AssertionError(f"a scanner joins nothing, yet got an install code of {len(code)} octets")

        return XBeeHanConfig(
            config.own,
            {},
            no_key,
            config.scan_power,
            port=config.port,
            channels=config.scan_channels,
            radio=config.radio,
        )

    def _forget_volatile(self) -> None:
        self._life += 1
        self._tuned: tuple[int, int] | None = None
        self._applied = False
        self._waiting: list[tuple[bytes, int, bytes, int]] = []
        self._scan_problem = ""

    @property
    def largest_frame(self) -> int:
        return self.config.largest_frame

    # ---------------------------------------------------------------------------------------------------- for the host

    def start(self) -> None:
        self.radio.start()
        if self.scanner is not None:
            self.scanner.start()

    def stop(self) -> None:
        self.radio.stop()
        if self.scanner is not None:
            self.scanner.stop()
        self._forget_volatile()

    def close(self) -> None:
        self.radio.close()
        if self.scanner is not None:
            self.scanner.close()
        self._forget_volatile()

    def tune(self, channel: int, pan: int) -> None:
        """Takes effect within milliseconds; what is sent meanwhile waits for it."""
        self._tuned, self._applied = (channel, pan), False
        if self.radio.ready:
            self._apply()

    def send(self, peer: bytes, cluster: int, octets: bytes, token: int = 0) -> None:
        """Send one ZCL frame to ``peer``; eight octets FF is everybody on the channel."""
        if len(octets) > self.largest_frame:
            self._send_failed(peer, token, f"too large: {len(octets)} octets, a frame takes {self.largest_frame}")
        elif self._tuned is None:
            self._send_failed(peer, token, "the radio is tuned to no channel")
        elif self._applied:
            self._transmit(peer, cluster, octets, token)
        elif len(self._waiting) >= self.config.queue:
            self._send_failed(peer, token, f"{len(self._waiting)} frames wait for the radio already")
        else:
            self._waiting.append((peer, cluster, octets, token))

    def scan(self) -> None:
        """Without a second module the answer is at once that nothing was heard; with one that does not work, why."""
        if self.scanner is None:
            self._tell(NetworksFound(self.config.port, ()))
        elif self._scan_problem and not self.scanner.radio.ready:
            self._tell(NetworkDown(self.config.port, self._scan_problem))
        else:
            self.scanner.scan()

    # ------------------------------------------------------------------------------------------------------- the radio

    def _ready(self) -> None:
        if self._tuned is not None:
            self._apply()

    def _apply(self) -> None:
        assert self._tuned is not None
        channel, pan = wanted = self._tuned
        steps = [
            Step("CH", bytes((channel,)), queued=True),
            Step("ID", pan.to_bytes(2, "big"), queued=True),
            Step("AC"),
        ]

        def applied(problem: str | None) -> None:
            if wanted != self._tuned:
                return  # it was tuned again meanwhile
            waiting, self._waiting = self._waiting, []
            self._applied = problem is None
            for peer, cluster, octets, token in waiting:
                if problem is None:
                    self._transmit(peer, cluster, octets, token)
                else:
                    self._send_failed(peer, token, problem)

        self.radio.run(steps, applied)

    def _radio_down(self, reason: str) -> None:
        self._applied = False
        waiting, self._waiting = self._waiting, []
        for peer, _, _, token in waiting:
            self._send_failed(peer, token, reason)

    def _tell(self, event: Any) -> None:
        """Always from the clock: a machine is never called while it calls us, nor after its power is gone."""
        life = self._life
        self._clock.call_soon(lambda: self.on_event(event) if life == self._life else None)

    def _send_failed(self, peer: bytes, token: int, reason: str) -> None:
        if token:
            self._tell(SendFailed(self.config.port, peer, token, reason))

    def _transmit(self, peer: bytes, cluster: int, octets: bytes, token: int) -> None:
        everybody = peer == xbee.UNKNOWN_64
        radio = xbee.BROADCAST_64 if everybody else self.config.peers.get(peer, peer)
        delivery = Delivery.BROADCAST if everybody else Delivery.UNICAST
        stub = interpan.encode(interpan.Stub(cluster, octets, self.config.profile, delivery))
        options = BROADCAST_PAN | (not self.config.acknowledge)

        def answered(answer: xbee.Frame | None) -> None:
            if not isinstance(answer, xbee.TransmitStatus802):
                self._send_failed(peer, token, "the radio did not say what became of the frame")
            elif answer.status:
                reason = STATUS_REASONS.get(answer.status, f"transmit status {answer.status:02X}")
                self._send_failed(peer, token, reason)

        self.radio.link.request(
            lambda frame_id: xbee.Transmit64(frame_id, radio, options, stub),
            xbee.TransmitStatus802,
            answered,
            self.config.radio.link.answer_ns,
        )

    # ------------------------------------------------------------------------------------------------------- receiving

    def _frame(self, frame: xbee.Frame) -> None:
        if not isinstance(frame, xbee.Receive64):
            self.foreign += not isinstance(frame, xbee.ModemStatus)
            return
        try:
            stub = interpan.decode(frame.data)
        except DecodeError:
            self.foreign += 1
            return
        if stub.profile != self.config.profile or stub.security:
            self.foreign += 1
            return
        device = self._devices.get(frame.source, frame.source)
        self._tell(Received(self.config.port, device, stub.payload, stub.cluster))

    def _scanned(self, event: Any) -> None:
        if isinstance(event, NetworkDown):
            self._scan_problem = event.reason
        if isinstance(event, (NetworkDown, NetworksFound)):
            self._tell(event)
