"""A device's place in the HAN through an XBee with Zigbee firmware: one HAN adapter for real and virtual benches.

Peers are named by device EUI-64; a device that ``peers`` does not name is its own radio (a bought device).  Messages go
one at a time to each peer, so that their order is kept.

Must not live here: bringing the module up (``xbee_radio``), frame ids (``xbee_link``).
Source: facts/radio.md 2, 3 and 7.

What XBee firmware cannot do is said here: nobody tells the coordinator's host that a device left by itself, so
``PeerLeft`` follows :meth:`XBeeHan.forget` only; a radio that was told to join goes on trying until told to leave.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from devices.machines.core import (
    Beacon,
    NetworkDown,
    NetworksFound,
    NetworkUp,
    PeerJoined,
    PeerLeft,
    Received,
    SendFailed,
)
from devices.wire import xbee
from rig.ports.protocols import ByteLink, Clock, HanCapabilities, Handle
from rig.ports.xbee_radio import RadioSettings, Step, XBeeRadio

__all__ = ["XBeeHan", "XBeeHanConfig"]

S = 1_000_000_000
PARKED = b"\xff" * 7 + b"\xfe"
"""An extended PAN id that no network has: firmware that is not to join anything looks for this one."""
ANNOUNCE, LEAVE_REQUEST, LEAVE_RESPONSE = 0x0013, 0x0034, 0x8034
WINDOW = 0xFE  # seconds, the most that NJ takes short of "always open"

AI_REASONS = {
    0x21: "no network heard",
    0x22: "the network that was asked for is not heard",
    0x23: "the network does not let anybody join now",
    0x24: "no beacon that lets us join",
    0x25: "the coordinator did not answer the association",
    0x27: "joining failed: the install code is not the one that the coordinator was given, or it was given none",
    0x2A: "the coordinator could not start",
    0xAB: "no answer from the network",
    0xAC: "the network key came unsecured",
}
DELIVERY_REASONS = {
    0x01: "no acknowledgement from the radio",
    0x02: "the channel was busy",
    0x21: "no acknowledgement from the device",
    0x22: "not in a network",
    0x24: "address not found",
    0x25: "no route",
    0x32: "the radio has no buffers left",
    0x74: "too large",
}


@dataclass(frozen=True, slots=True)
class XBeeHanConfig:
    """``own``: the device's EUI-64; ``peers``: device EUI-64 to radio EUI-64 of every device of the bench.

    ``link_key``: install code (without CRC) to link key, ``devices.trust.install_code.install_code_key`` on a bench
    that is to be true; ``power``: switches the module's supply, None where the bench cannot; ``reopen``: opens a lost
    line.
    """

    own: bytes
    peers: Mapping[bytes, bytes]
    link_key: Callable[[bytes], bytes]
    power: Callable[[bool], None] | None = None
    reopen: Callable[[], ByteLink] | None = None
    port: str = "han"  # how the machine calls this port
    endpoint: int = 1  # GBCS fixes no numbers (facts/gbcs.md 8.4); 1 on both sides
    profile: int = 0x0109
    channels: int = 0x7FFF  # SC: 11 to 25; 26 is not allowed everywhere at full power
    ao: int = 0x0F  # facts/radio.md 3: explicit frames, ZDO to the host; S2C takes 03
    register_seconds: int = 0xFFFF  # KT: as long as it goes; GB hubs keep their device log
    ai_poll_ns: int = 1 * S  # first look at AI after a join was started; doubles
    ai_poll_most_ns: int = 60 * S
    scan_ns: int = 6 * S  # an active scan of all channels takes 2 to 4 s
    queue: int = 64  # messages that wait for one peer
    radio: RadioSettings = field(default_factory=RadioSettings)


@dataclass(frozen=True, slots=True)
class _Outgoing:
    cluster: int
    octets: bytes
    token: int


def _zigbee_firmware(value: bytes) -> str | None:
    """VR: 1xxx is XBee 3 Zigbee, 4xxx S2C Zigbee (facts/radio.md 3)."""
    if len(value) >= 2 and value[-2] >> 4 in (1, 4):
        return None
    return f"the radio has firmware VR={value.hex().upper()}, expected Zigbee (1xxx or 4xxx); flash it with XCTU"


class XBeeHan:
    """See :class:`rig.ports.protocols.HanAdapter`."""

    def __init__(self, link: ByteLink, clock: Clock, config: XBeeHanConfig) -> None:
        self.on_event: Callable[[Any], None] = lambda _: None
        self.config = config
        self.stray = 0  # frames that were not for us: another profile or endpoint
        self.last_problem = ""  # of a command that has no event to report by
        self._clock = clock
        self._devices = {radio: device for device, radio in config.peers.items()}
        steps = [
            Step("VR", check=_zigbee_firmware),
            Step("HV"),
            Step("SH"),
            Step("SL"),
            Step("AO", bytes((config.ao,))),
            Step("NJ", b"\0"),
            Step("ID"),
            Step("AI"),
        ]
        self.radio = XBeeRadio(link, clock, steps, config.radio, config.power, config.reopen)
        self.radio.on_ready = self._ready
        self.radio.on_down = self._radio_down
        self.radio.on_frame = self._frame
        # What a hub keeps without power: who may join and who has.
        self._admitted: dict[bytes, bytes] = {}
        self._joined: dict[bytes, bool] = {}
        self._timers: dict[str, Handle] = {}
        self._life = 0
        self._forget_volatile()

    def _forget_volatile(self) -> None:
        self._life += 1
        self._wanted: tuple[str, bytes, bytes] | None = None  # what, extended PAN id, install code
        self._up: NetworkUp | None = None
        self._said = ""
        self._coordinator = False
        self._window_until = 0
        self._cancel_timers()
        self._queues: dict[bytes, deque[_Outgoing]] = {}
        self._configuring = False
        self._scanning = False
        self._scan_heard: list[Beacon] = []

    # --------------------------------------------------------------------------------------------------- for the host

    @property
    def capabilities(self) -> HanCapabilities:
        return HanCapabilities(
            formation=True,
            install_code=True,
            cbke="none",
            largest_frame=xbee.MAX_PAYLOAD,
            bands=(2400,),
            settable_eui64=False,
        )

    def start(self) -> None:
        """Power the module and bring it up; a network that it remembers it takes up by itself."""
        self.radio.start()

    def stop(self) -> None:
        """Silent at once.  Without a power switch the module itself still answers on the air."""
        self.radio.stop()
        self._forget_volatile()

    def close(self) -> None:
        self._forget_volatile()
        self.radio.close()

    def form(self, epid: bytes) -> None:
        """Be the coordinator of a network with this extended PAN id; nothing new when we are."""
        self._want(("form", epid, b""))

    def join(self, install_code: bytes, epid: bytes | None = None) -> None:
        """Join, and go on trying; ``NetworkDown`` says why it did not work so far, once for each reason."""
        self._want(("join", epid or bytes(8), install_code))

    def leave(self) -> None:
        self._want(("leave", PARKED, b""))

    def scan(self) -> None:
        """Active scan; several calls while it runs give one answer."""
        if not self._scanning:
            self._scanning = True
            if self.radio.ready and not self._configuring:
                self._scan_now()

    def admit(self, peer: bytes, install_code: bytes) -> None:
        self._admitted[peer] = install_code
        if self.radio.ready:
            self._register(peer)

    def forget(self, peer: bytes) -> None:
        """Take a device off the list and out of the network; ``PeerLeft`` when it was told, or could not be."""
        self._admitted.pop(peer, None)
        if not self.radio.ready:
            self._joined.pop(peer, None)
            return
        radio = self._radio_of(peer)
        request = b"\0" + radio[::-1] + b"\0"
        if self._up and peer in self._joined:
            self._transmit(peer, 0, 0, LEAVE_REQUEST, request, lambda _: self._gone(peer))
        self._unregister(radio)

    def open_joining(self, seconds: int) -> None:
        self._window_until = self._clock.now + seconds * S
        if self.radio.ready:
            for peer in self._admitted:
                self._register(peer)
            self._window()

    def close_joining(self) -> None:
        self._window_until = 0
        if self.radio.ready:
            self._window()

    def send(self, peer: bytes, cluster: int, octets: bytes, token: int = 0) -> None:
        queue = self._queues.get(peer)
        if not self._up:
            self._send_failed(peer, token, DELIVERY_REASONS[0x22])
        elif len(octets) > xbee.MAX_PAYLOAD:
            self._send_failed(peer, token, f"too large: {len(octets)} octets, a frame takes {xbee.MAX_PAYLOAD}")
        elif queue and len(queue) >= self.config.queue:
            self._send_failed(peer, token, f"{len(queue)} messages wait for this device already")
        elif queue:
            queue.append(_Outgoing(cluster, octets, token))
        else:
            self._queues[peer] = deque([_Outgoing(cluster, octets, token)])
            self._send_next(peer)

    # ---------------------------------------------------------------------------------------------- radio up and down

    def _ready(self) -> None:
        for peer in self._admitted:
            self._register(peer)
        if self._window_until > self._clock.now:
            self._window()
        wanted = self._wanted
        if wanted is not None:
            self._configure(wanted)
        elif self.radio.answers["AI"] == b"\0":
            self._ask_network()
        elif not any(self.radio.answers["ID"]):
            self._configure(("leave", PARKED, b""))
        if self._scanning and not self._configuring:
            self._scan_now()

    def _cancel_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _radio_down(self, reason: str) -> None:
        self._configuring = False
        self._cancel_timers()
        for peer, queue in list(self._queues.items()):
            for outgoing in queue:
                self._send_failed(peer, outgoing.token, reason)
        self._queues.clear()
        self._down(reason)

    def _down(self, reason: str) -> None:
        """Say once that there is no network, and why."""
        self._up = None
        if reason != self._said:
            self._said = reason
            self._tell(NetworkDown(self.config.port, reason))

    def _tell(self, event: Any) -> None:
        """Always from the clock: a machine is never called while it calls us, nor after its power is gone."""
        life = self._life
        self._clock.call_soon(lambda: self.on_event(event) if life == self._life else None)

    def _later(self, name: str, delay: int, what: Callable[[], None]) -> None:
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = self._clock.call_at(self._clock.now + delay, what)

    # ------------------------------------------------------------------------------------------------------- networks

    def _want(self, wanted: tuple[str, bytes, bytes]) -> None:
        self._wanted, self._said = wanted, ""
        what, epid, _ = wanted
        there = self._up is not None and what != "leave" and epid in (bytes(8), self._up.epid)
        if there and self._coordinator == (what == "form"):
            self._tell(self._up)
            return
        if what != "leave":
            self._up = None
        if self.radio.ready:
            self._configure(wanted)

    def _configure(self, wanted: tuple[str, bytes, bytes]) -> None:
        """Forming and joining are the same table with other values; AC applies it in one go, WR keeps it."""
        what, epid, code = wanted
        config = self.config
        key = config.link_key(code) if what == "join" else bytes(16)
        steps = [
            Step("CE", b"\1" if what == "form" else b"\0", queued=True, optional=what != "form"),
            Step("SM", b"\0", queued=True),
            Step("ID", epid, queued=True),
            Step("SC", config.channels.to_bytes(2, "big"), queued=True),
            Step("EE", b"\1", queued=True),
            Step("EO", b"\2", queued=True),
            Step("KY", key, queued=True),
            Step("KT", config.register_seconds.to_bytes(2, "big"), queued=True, optional=True),
            Step("AC"),
            Step("WR"),
        ]
        if what == "leave" and self._up is not None:
            steps.insert(0, Step("NR", b"\0"))
        self._configuring = True
        self.radio.run(steps, self._configured)

    def _configured(self, problem: str | None) -> None:
        self._configuring = False
        if self._scanning:  # it waited: a change of network breaks a scan off
            self._scan_now()
        if problem is not None:
            self._down(problem)
        elif self._wanted is None or self._wanted[0] == "leave":
            if self._wanted is not None:
                self._down("left the network")
        else:
            self._poll(self.config.ai_poll_ns, now=True)

    def _poll(self, pause: int, *, now: bool = False) -> None:
        """Look at AI now and then; a modem status makes us look at once."""
        if now:
            self.radio.link.at("AI", b"", partial(self._ai, pause))
        else:
            self._later("ai", pause, lambda: self._poll(min(2 * pause, self.config.ai_poll_most_ns), now=True))

    def _ai(self, pause: int, answer: xbee.Frame | None) -> None:
        if not isinstance(answer, xbee.AtResponse) or answer.status or self._wanted is None or self._up:
            return
        ai = answer.value[-1] if answer.value else 0xFF
        if ai == 0:
            self._ask_network()
            return
        if ai != 0xFF:
            self._down(AI_REASONS.get(ai, f"the radio reports AI={ai:02X}"))
        self._poll(pause)

    def _ask_network(self) -> None:
        self.radio.run([Step("OP"), Step("OI"), Step("CH"), Step("MY")], self._network_known)

    def _network_known(self, problem: str | None) -> None:
        if problem is not None:
            self._down(problem)
            return
        answers = self.radio.answers
        epid = answers["OP"].rjust(8, b"\0")
        wanted = self._wanted
        if answers["MY"][-2:] == b"\xff\xfe" or (wanted and wanted[1] not in (bytes(8), epid)):
            return  # the network that it is about to leave
        self._coordinator = answers["MY"][-2:] == b"\0\0"
        up = NetworkUp(self.config.port, epid, int.from_bytes(answers["OI"], "big"), answers["CH"][-1])
        if up != self._up:
            self._up, self._said = up, ""
            self._tell(up)

    def _modem_status(self, status: int) -> None:
        if status in (0x02, 0x06):
            if self._wanted is None or self._wanted[0] != "leave":
                self._ask_network()
        elif status == 0x03 and self._up:
            self._down("left the network")
            if self._wanted is not None and self._wanted[0] == "join":
                self._poll(self.config.ai_poll_ns)

    # --------------------------------------------------------------------------------------------------- who may join

    def _radio_of(self, peer: bytes) -> bytes:
        return self.config.peers.get(peer, peer)

    def _register(self, peer: bytes) -> None:
        code = self._admitted[peer]
        radio = self._radio_of(peer)
        key = code + _check_octets(code)

        def answered(answer: xbee.Frame | None) -> None:
            if not isinstance(answer, xbee.RegistrationStatus) or answer.status:
                status = "no answer" if answer is None else f"status {getattr(answer, 'status', 0):02X}"
                self.last_problem = f"the radio did not register {radio.hex().upper()}: {status}"

        self.radio.link.request(
            lambda frame_id: xbee.RegisterDevice(frame_id, radio, xbee.UNKNOWN_16, 0x01, key),
            xbee.RegistrationStatus,
            answered,
            self.config.radio.link.answer_ns,
        )

    def _unregister(self, radio: bytes) -> None:
        self.radio.link.request(
            lambda frame_id: xbee.RegisterDevice(frame_id, radio, xbee.UNKNOWN_16, 0x00, b""),
            xbee.RegistrationStatus,
            lambda _: None,  # FF, not in the table: it had joined or timed out; both are what we want
            self.config.radio.link.answer_ns,
        )

    def _window(self) -> None:
        """NJ takes at most 254 s, so a long window is opened again before it closes."""
        left = max(0, -(-(self._window_until - self._clock.now) // S))
        seconds = min(left, WINDOW)
        self.radio.link.at("NJ", bytes((seconds,)), self._window_set)
        if left > WINDOW:
            self._later("window", (WINDOW - 4) * S, self._window)
        elif "window" in self._timers:
            self._timers.pop("window").cancel()

    def _window_set(self, answer: xbee.Frame | None) -> None:
        if not isinstance(answer, xbee.AtResponse) or answer.status:
            self.last_problem = "the radio did not set its joining window (NJ)"

    def _gone(self, peer: bytes) -> None:
        if self._joined.pop(peer, False):
            self._tell(PeerLeft(self.config.port, peer))

    # ------------------------------------------------------------------------------------------------------- messages

    def _send_failed(self, peer: bytes, token: int, reason: str) -> None:
        if token:
            self._tell(SendFailed(self.config.port, peer, token, reason))

    def _send_next(self, peer: bytes) -> None:
        outgoing = self._queues[peer][0]
        endpoint, profile = self.config.endpoint, self.config.profile
        self._transmit(peer, endpoint, profile, outgoing.cluster, outgoing.octets, partial(self._sent, peer, outgoing))

    def _transmit(
        self, peer: bytes, endpoint: int, profile: int, cluster: int, octets: bytes, done: Callable[[str | None], None]
    ) -> None:
        radio = self._radio_of(peer)

        def answered(answer: xbee.Frame | None) -> None:
            if not isinstance(answer, xbee.TransmitStatus):
                done("the radio did not say what became of the frame")
            elif answer.delivery:
                done(DELIVERY_REASONS.get(answer.delivery, f"delivery status {answer.delivery:02X}"))
            else:
                done(None)

        ends = (endpoint, endpoint, cluster, profile, 0, 0, octets)
        self.radio.link.request(
            lambda frame_id: xbee.ExplicitTransmit(frame_id, radio, xbee.UNKNOWN_16, *ends),
            xbee.TransmitStatus,
            answered,
            self.config.radio.link.transmit_ns,
        )

    def _sent(self, peer: bytes, outgoing: _Outgoing, problem: str | None) -> None:
        queue = self._queues.get(peer)
        if not queue or queue[0] is not outgoing:
            return
        queue.popleft()
        if problem is not None:
            self._send_failed(peer, outgoing.token, problem)
        if queue:
            self._send_next(peer)
        else:
            del self._queues[peer]

    # ------------------------------------------------------------------------------------------------------ receiving

    def _frame(self, frame: xbee.Frame) -> None:
        if isinstance(frame, xbee.ExplicitReceive):
            self._received(frame)
        elif isinstance(frame, xbee.ModemStatus):
            self._modem_status(frame.status)

    def _received(self, frame: xbee.ExplicitReceive) -> None:
        config = self.config
        if frame.profile == 0 and frame.destination_endpoint == 0:
            if frame.cluster == ANNOUNCE and len(frame.data) == 12 and self._coordinator:
                self._announced(frame.data[10:2:-1])
        elif frame.profile == config.profile and frame.destination_endpoint in (config.endpoint, 0xFF):
            device = self._devices.get(frame.source, frame.source)
            self._tell(Received(config.port, device, frame.data, frame.cluster))
        else:
            self.stray += 1

    def _announced(self, radio: bytes) -> None:
        """Device_annce: a device has joined, or is back; only the first is news."""
        device = self._devices.get(radio, radio)
        if device not in self._joined:
            self._joined[device] = True
            self._tell(PeerJoined(self.config.port, device))

    # ------------------------------------------------------------------------------------------------------- scanning

    def _scan_now(self) -> None:
        self._scan_heard = []
        self.radio.link.at("AS", b"", self._scan_answer, wait_ns=self.config.scan_ns)

    def _scan_answer(self, answer: xbee.Frame | None) -> bool:
        """Answers until an empty one or silence.

        Layout [from memory]: 02, channel, PAN, EPID, allow join, stack profile, LQI, RSSI.
        """
        if isinstance(answer, xbee.AtResponse) and len(answer.value) >= 16 and answer.value[0] == 2:
            value = answer.value
            pan = int.from_bytes(value[2:4], "big")
            rssi = value[15] - 256 if value[15] > 127 else -value[15]
            self._scan_heard.append(Beacon(value[4:12], pan, value[1], bool(value[12]), rssi))
            return True
        self._scanning = False
        heard = {(beacon.epid, beacon.pan, beacon.channel): beacon for beacon in self._scan_heard}
        found = tuple(sorted(heard.values(), key=lambda beacon: (-beacon.rssi, beacon.epid)))
        self._tell(NetworksFound(self.config.port, found))
        return False


def _check_octets(code: bytes) -> bytes:
    """CRC-16/X-25 of an install code, little endian (facts/radio.md 11.3)."""
    crc = 0xFFFF
    for octet in code:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 * (crc & 1)
    return (crc ^ 0xFFFF).to_bytes(2, "little")
