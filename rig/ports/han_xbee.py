"""A device's place in the HAN through an XBee with Zigbee firmware: one HAN adapter for real and virtual benches.

Peers are named by device EUI-64; a device that ``peers`` does not name is its own radio (a bought device).  Messages go
one at a time to each peer, so that their order is kept.

Must not live here: who may join (``han_admission``), what waits to be sent (``han_outbox``), bringing the module up
(``xbee_radio``), frame ids (``xbee_link``).
Source: facts/xbee-manual.md 1, 3, 4 and 7.1; facts/radio.md 2, 3 and 7.

What XBee firmware cannot do is said here: nobody tells the coordinator's host that a device left by itself, so
``PeerLeft`` follows :meth:`XBeeHan.forget` only; a radio that was told to join goes on trying until told to leave.
"""

from __future__ import annotations

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
from rig.ports.han_admission import Admission
from rig.ports.han_outbox import Outbox, Outgoing
from rig.ports.protocols import ByteLink, Clock, HanCapabilities, Handle
from rig.ports.xbee_radio import RadioSettings, Step, XBeeRadio

__all__ = ["XBeeHan", "XBeeHanConfig"]

S = 1_000_000_000
PARKED = b"\xff" * 7 + b"\xfe"
"""An extended PAN id that no network has: firmware that is not to join anything looks for this one."""
ANNOUNCE, LEAVE_REQUEST, LEAVE_RESPONSE = 0x0013, 0x0034, 0x8034


AI_REASONS = {
    0x21: "no network heard",
    0x22: "the network that was asked for is not heard",
    0x23: "the network does not let anybody join now",
    0x24: "no beacon that lets us join",
    0x25: "the radio should not be joining now",
    0x27: "joining failed: the install code is not the one that the coordinator was given, or it was given none",
    0x2A: "the coordinator could not start",
    0x2C: "leaving failed",
    0x44: "joining failed: the new link key did not come",
    0xAB: "the device that it joined through did not answer",
    0xAC: "the network key came unsecured",
    0xAD: "joining failed: the network key did not come",
    0xAF: "joining failed: the install code is not the one that the coordinator was given",
}
"""Facts/xbee-manual.md 1.6."""
AI_PROGRESS = (0xFF, 0x2B, 0x40, 0x41)  # searching, looking for the coordinator, waiting for keys: no failure


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
    endpoint: int = 1  # our own; GBCS fixes no numbers (facts/gbcs.md 8.4)
    sends_from: int | None = None  # the endpoint that our frames leave from, where a faulty device has another
    endpoints: Mapping[bytes, int] = field(default_factory=dict)  # of peers by device EUI-64; 1 where none is given
    profile: int = 0x0109
    channels: int = 0x7FFF  # SC: 11 to 25; 26 is not allowed everywhere at full power
    # AO: explicit frames; the module answers the requests of ZDO that it knows, which nobody here does in its place
    # (facts/xbee-manual.md 1.7).  With bought devices on the HAN somebody must: 03, and answers of one's own.
    ao: int = 0x01
    stack_profile: int = 2  # ZS: that of every device but a fresh XBee (facts/xbee-manual.md 1.1)
    restart_ns: int = 2 * S  # a change of ZS restarts the module without a word
    ai_poll_ns: int = 1 * S  # first look at AI after a join was started; doubles
    ai_poll_most_ns: int = 10 * S
    scan_ns: int = 6 * S  # an active scan of all channels takes 2 to 4 s
    queue: int = 64  # messages that wait for one peer
    radio: RadioSettings = field(default_factory=RadioSettings)


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
        self.on_heard: Callable[[bytes, int, int], None] = lambda _peer, _source, _destination: None
        """Told of every frame of the profile, for us or not: who sent it, from which endpoint, to which."""
        self.stray = 0  # frames that were not for us: another profile or endpoint
        self._clock = clock
        self._devices = {radio: device for device, radio in config.peers.items()}
        steps = [
            Step("VR", check=_zigbee_firmware),
            Step("HV"),
            Step("SH"),
            Step("SL"),
            Step("AO", bytes((config.ao,))),
            Step("NJ", b"\0"),
            Step("ZS"),
            Step("ID"),
            Step("AI"),
        ]
        self.radio = XBeeRadio(link, clock, steps, config.radio, config.power, config.reopen)
        self.radio.on_ready = self._ready
        self.radio.on_down = self._radio_down
        self.radio.on_frame = self._frame
        self.admission = Admission(self.radio, clock)
        self._outbox = Outbox(config.queue)
        self._joined: dict[bytes, bool] = {}  # kept without power, as a hub keeps its device log
        self._poll_timer: Handle | None = None
        self._life = 0
        self._forget_volatile()

    def _forget_volatile(self) -> None:
        self._life += 1
        self._wanted: tuple[str, bytes, bytes] | None = None  # what, extended PAN id, install code
        self._up: NetworkUp | None = None
        self._said = ""
        self._coordinator = False
        self._cancel_poll()
        self._outbox.clear()
        self.admission.close_silently()
        self._configuring = False
        self._scanning = False
        self._scan_heard: list[Beacon] = []
        self._profile_set = False

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
        self.admission.admit(self._radio_of(peer), install_code)

    def forget(self, peer: bytes) -> None:
        """Take a device off the list and out of the network; ``PeerLeft`` when it was told, or could not be."""
        radio = self._radio_of(peer)
        if self._up is not None and peer in self._joined:
            request = b"\0" + radio[::-1] + b"\0"
            told = Outgoing(0, 0, LEAVE_REQUEST, 0, request, lambda _: self._gone(peer))
            if not self._outbox.put(self.radio.link, radio, told):
                self._gone(peer)
        elif peer in self._joined:
            self._gone(peer)
        self.admission.forget(radio)

    def open_joining(self, seconds: int) -> None:
        self.admission.open(seconds)

    def close_joining(self) -> None:
        self.admission.close()

    def send(self, peer: bytes, cluster: int, octets: bytes, token: int = 0) -> None:
        """Send one ZCL frame; messages to one peer arrive in the order of the calls."""
        config = self.config
        if self._up is None:
            self._send_failed(peer, token, "not in a network")
        elif len(octets) > xbee.MAX_PAYLOAD:
            self._send_failed(peer, token, f"too large: {len(octets)} octets, a frame takes {xbee.MAX_PAYLOAD}")
        else:
            done = partial(self._sent, peer, token)
            ends = config.sends_from or config.endpoint, config.endpoints.get(peer, 1)
            outgoing = Outgoing(*ends, cluster, config.profile, octets, done)
            if not self._outbox.put(self.radio.link, self._radio_of(peer), outgoing):
                self._send_failed(peer, token, f"{self._outbox.largest} messages wait for this device already")

    # ---------------------------------------------------------------------------------------------- radio up and down

    def _ready(self) -> None:
        if self.radio.answers["ZS"][-1] != self.config.stack_profile and not self._profile_set:
            self._set_profile()
            return
        wanted = self._wanted
        if wanted is not None:
            self._configure(wanted)
        elif self.radio.answers["AI"] == b"\0":
            self._ask_network()
        elif not any(self.radio.answers["ID"]):
            self._configure(("leave", PARKED, b""))
        if self._scanning and not self._configuring:
            self._scan_now()

    def _set_profile(self) -> None:
        """A fresh module: it writes everything, restarts without a word and is deaf meanwhile; then once more."""
        self._profile_set = True  # once a life: a module that refuses is used as it is
        profile = bytes((self.config.stack_profile,))
        self.radio.link.at("ZS", profile, lambda _: self.radio.again(self.config.restart_ns))

    def _cancel_poll(self) -> None:
        if self._poll_timer is not None:
            self._poll_timer.cancel()
            self._poll_timer = None

    def _radio_down(self, reason: str) -> None:
        self._configuring = False
        self._cancel_poll()
        self.admission.pause()
        self._outbox.fail_all(reason)
        self._down(reason)

    def _down(self, reason: str) -> None:
        """Say once that there is no network, and why."""
        self._up = None
        self.admission.pause()
        if reason != self._said:
            self._said = reason
            self._tell(NetworkDown(self.config.port, reason))

    def _tell(self, event: Any) -> None:
        """Always from the clock: a machine is never called while it calls us, nor after its power is gone."""
        life = self._life
        self._clock.call_soon(lambda: self.on_event(event) if life == self._life else None)

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
        """See how the module stands, and write only what is not so: to write a network setting anew may cost it its
        network (facts/xbee-manual.md 4.8)."""
        self._configuring = True
        asked = [Step("CE", optional=True), *(Step(name) for name in ("ID", "SC", "EE", "EO", "AI", "OP"))]

        def known(problem: str | None) -> None:
            if problem is not None or self._stands(wanted):
                self._configured(problem)
            else:
                self._write(wanted)

        self.radio.run(asked, known)

    def _stands(self, wanted: tuple[str, bytes, bytes]) -> bool:
        """Whether the module is in the network that is wanted, with the settings that are."""
        what, epid, _ = wanted
        numbers = {name: int.from_bytes(octets, "big") for name, octets in self.radio.answers.items()}
        asked = {"CE": int(what == "form"), "ID": int.from_bytes(epid, "big"), "EE": 1, "EO": 2, "AI": 0}
        asked["SC"] = self.config.channels
        there = epid == bytes(8) or numbers["OP"] == asked["ID"]
        return what != "leave" and there and all(numbers.get(name, 0) == value for name, value in asked.items())

    def _write(self, wanted: tuple[str, bytes, bytes]) -> None:
        """Forming and joining are the same table with other values; AC applies it in one go, WR keeps it.

        The window is closed before, for WR would keep it open over a power cut.
        """
        what, epid, code = wanted
        config = self.config
        key = config.link_key(code) if what == "join" else bytes(16)
        self.admission.pause()
        steps = [
            Step("NJ", b"\0"),
            Step("CE", b"\1" if what == "form" else b"\0", queued=True, optional=what != "form"),
            Step("SM", b"\0", queued=True),
            Step("ID", epid, queued=True),
            Step("SC", config.channels.to_bytes(2, "big"), queued=True),
            Step("EE", b"\1", queued=True),
            Step("EO", b"\2", queued=True),
            Step("KY", key, queued=True),
            Step("AC"),
            Step("WR"),
        ]
        if what == "leave" and self._up is not None:
            steps.insert(0, Step("NR", b"\0"))
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
        elif self._up is not None and self._coordinator:
            self.admission.restore()
        else:
            self._poll(self.config.ai_poll_ns, now=True)

    def _poll(self, pause: int, *, now: bool = False) -> None:
        """Look at AI now and then; a modem status makes us look at once."""
        self._cancel_poll()
        if now:
            self.radio.link.at("AI", b"", partial(self._ai, pause))
        else:
            following = min(2 * pause, self.config.ai_poll_most_ns)
            at = self._clock.now + pause
            self._poll_timer = self._clock.call_at(at, lambda: self._poll(following, now=True))

    def _ai(self, pause: int, answer: xbee.Frame | None) -> None:
        if not isinstance(answer, xbee.AtResponse) or answer.status or self._wanted is None or self._up:
            return
        ai = answer.value[-1] if answer.value else 0xFF
        if ai == 0:
            self._ask_network()
            return
        if ai not in AI_PROGRESS:
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
            if wanted and wanted[0] != "leave":
                self._poll(self.config.ai_poll_ns)  # it is about to leave this network: look again
            return
        self._coordinator = answers["MY"][-2:] == b"\0\0"
        if self._coordinator:
            self.admission.restore()
        up = NetworkUp(self.config.port, epid, int.from_bytes(answers["OI"], "big"), answers["CH"][-1])
        if up != self._up:
            self._up, self._said = up, ""
            self._tell(up)

    def _modem_status(self, status: int) -> None:
        if not self.radio.ready:
            return  # it is still being set up, and is asked afterwards
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

    def _gone(self, peer: bytes) -> None:
        if self._joined.pop(peer, False):
            self._tell(PeerLeft(self.config.port, peer))

    # ------------------------------------------------------------------------------------------------------- messages

    def _sent(self, peer: bytes, token: int, problem: str | None) -> None:
        if problem is not None:
            self._send_failed(peer, token, problem)

    def _send_failed(self, peer: bytes, token: int, reason: str) -> None:
        if token:
            self._tell(SendFailed(self.config.port, peer, token, reason))

    # ------------------------------------------------------------------------------------------------------ receiving

    def _frame(self, frame: xbee.Frame) -> None:
        if isinstance(frame, xbee.ExplicitReceive):
            self._received(frame)
        elif isinstance(frame, xbee.ModemStatus):
            self._modem_status(frame.status)

    def _received(self, frame: xbee.ExplicitReceive) -> None:
        config = self.config
        device = self._devices.get(frame.source, frame.source)
        if frame.profile == config.profile:
            self.on_heard(device, frame.source_endpoint, frame.destination_endpoint)
        if frame.profile == 0 and frame.destination_endpoint == 0:
            if frame.cluster == ANNOUNCE and len(frame.data) == 12 and self._coordinator:
                self._announced(frame.data[10:2:-1])
        elif frame.profile == config.profile and frame.destination_endpoint in (config.endpoint, 0xFF):
            self._tell(Received(config.port, device, frame.data, frame.cluster))
        else:
            self.stray += 1

    def _announced(self, radio: bytes) -> None:
        """Device_annce: a device has joined, or is back; only the first is news."""
        device = self._devices.get(radio, radio)
        self.admission.joined(radio)
        if device not in self._joined:
            self._joined[device] = True
            self._tell(PeerJoined(self.config.port, device))

    # ------------------------------------------------------------------------------------------------------- scanning

    def _scan_now(self) -> None:
        """A radio that is in no network scans only while it is told not to join (facts/xbee-manual.md 4.2)."""
        self._scan_heard = []
        if self._up is None:
            self.radio.link.at("DJ", b"\1", lambda _: self._scan())
        else:
            self._scan()

    def _scan(self) -> None:
        self.radio.link.at("AS", b"", self._scan_answer, wait_ns=self.config.scan_ns)

    def _scan_answer(self, answer: xbee.Frame | None) -> bool:
        """Answers until an empty one, a refusal or silence.

        Layout: type (1 or 2), channel, PAN, EPID, allow join, stack profile, LQI, RSSI.
        """
        if isinstance(answer, xbee.AtResponse) and len(answer.value) >= 16 and answer.value[0] in (1, 2):
            value = answer.value
            pan = int.from_bytes(value[2:4], "big")
            rssi = value[15] - 256 if value[15] > 127 else -value[15]
            self._scan_heard.append(Beacon(value[4:12], pan, value[1], bool(value[12]), rssi))
            return True
        self._scanning = False
        if self._up is None and self._wanted is not None and self._wanted[0] == "join":
            self.radio.link.at("DJ", b"\0", lambda _: None)  # go on looking for the network
        heard = {(beacon.epid, beacon.pan, beacon.channel): beacon for beacon in self._scan_heard}
        found = tuple(sorted(heard.values(), key=lambda beacon: (-beacon.rssi, beacon.epid)))
        self._tell(NetworksFound(self.config.port, found))
        return False
