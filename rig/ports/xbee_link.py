"""XBee API frames over a byte link: frame ids, time-outs, late answers, resynchronisation.

Must not live here: what a module is told (``xbee_radio`` and the adapters), octet framing (``devices.wire.xbee``).

Rules (facts/radio.md 7): an id whose answer did not come in time is quarantined, so that the late answer meets
nobody; in API mode 2 each 7E starts a frame; what is dropped is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devices.wire import xbee
from devices.wire.errors import DecodeError
from rig.ports.protocols import ByteLink, Clock, Handle, PortError

__all__ = ["LinkSettings", "XBeeLink"]

S = 1_000_000_000

Answered = Callable[[xbee.Frame | None], bool | None]
"""``answered(frame)``; None: no answer in time.  True keeps the id for more answers (AS, ND)."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Time-outs of one serial link."""

    answer_ns: int = 2 * S  # AT and registration: a module answers in milliseconds, a busy one in a second
    transmit_ns: int = 90 * S  # facts/radio.md 7, rule 5: 60 to 120 s, longer than the module's own failure report
    quarantine_ns: int = 120 * S  # no answer is later than that


@dataclass(slots=True)
class _Waiting:
    expects: type[xbee.Frame]
    answered: Answered
    timer: Handle


class XBeeLink:
    """Requests and their answers; what nobody asked for goes to ``on_frame``, loss of the line to ``on_lost``."""

    def __init__(self, link: ByteLink, clock: Clock, settings: LinkSettings | None = None) -> None:
        self.settings = settings or LinkSettings()
        self.on_frame: Callable[[xbee.Frame], None] = lambda _: None
        self.on_lost: Callable[[str], None] = lambda _: None
        self.late = 0  # answers that came after their time
        self.malformed = 0  # frames with a right checksum and wrong content
        self._clock = clock
        self._deframer = xbee.Deframer()
        self._waiting: dict[int, _Waiting] = {}
        self._quarantined: dict[int, int] = {}
        self._last_id = 0
        self._raw: Callable[[bytes], None] | None = None
        self._link = link
        link.on_bytes = self._bytes
        link.link_lost = self._lost

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""
        return len(self._waiting)

    @property
    def faults(self) -> int:
        """Bad frames and stray octets so far."""
        return self._deframer.faults + self.malformed

    # ------------------------------------------------------------------------------------------------------- requests

    def request(
        self, make: Callable[[int], xbee.Frame], expects: type[xbee.Frame], answered: Answered, wait_ns: int
    ) -> None:
        """Send the frame that ``make`` builds of a free frame id; ``answered`` is called with each answer."""
        frame_id = self._free_id()
        if frame_id == 0:
            self._clock.call_soon(lambda: _void(answered(None)))
            return
        timer = self._clock.call_at(self._clock.now + wait_ns, lambda: self._timed_out(frame_id))
        self._waiting[frame_id] = _Waiting(expects, answered, timer)
        self._write(xbee.frame(xbee.build(make(frame_id))))

    def at(self, command: str, value: bytes, answered: Answered, *, queued: bool = False, wait_ns: int = 0) -> None:
        """An AT command: 08, or 09 when ``queued``."""
        kind = xbee.AtQueued if queued else xbee.AtCommand
        self.request(
            lambda frame_id: kind(frame_id, command.encode(), value),
            xbee.AtResponse,
            answered,
            wait_ns or self.settings.answer_ns,
        )

    def _write(self, octets: bytes) -> None:
        try:
            self._link.write(octets)
        except PortError as problem:
            reason = str(problem)
            self._clock.call_soon(lambda: self._lost(reason))

    def _free_id(self) -> int:
        """The next id that neither waits nor is quarantined; 0 when there is none."""
        for step in range(255):
            frame_id = (self._last_id + step) % 255 + 1
            if frame_id not in self._waiting and self._quarantined.get(frame_id, -1) <= self._clock.now:
                self._quarantined.pop(frame_id, None)
                self._last_id = frame_id
                return frame_id
        return 0

    def _timed_out(self, frame_id: int) -> None:
        waiting = self._waiting.pop(frame_id)
        self._quarantined[frame_id] = self._clock.now + self.settings.quarantine_ns
        waiting.answered(None)

    def drop(self) -> None:
        """Forget all requests without a word: the device lost its power, or the line is gone."""
        for frame_id, waiting in self._waiting.items():
            waiting.timer.cancel()
            self._quarantined[frame_id] = self._clock.now + self.settings.quarantine_ns
        self._waiting.clear()
        self._raw = None
        self._deframer = xbee.Deframer()

    def close(self) -> None:
        self.drop()
        self._link.close()

    # ------------------------------------------------------------------------------------------------------ receiving

    def _bytes(self, octets: bytes) -> None:
        if self._raw is not None:
            self._raw(octets)
            return
        for data in self._deframer.feed(octets):
            try:
                frame = xbee.parse(data)
            except DecodeError:
                self.malformed += 1
                continue
            self._frame(frame)

    def _frame(self, frame: xbee.Frame) -> None:
        frame_id: int = getattr(frame, "frame_id", 0)
        if not frame_id:
            self.on_frame(frame)
            return
        waiting = self._waiting.get(frame_id)
        if waiting is None or not isinstance(frame, waiting.expects):
            self.late += 1
            return
        del self._waiting[frame_id]
        if waiting.answered(frame):
            self._waiting[frame_id] = waiting
        else:
            waiting.timer.cancel()

    def _lost(self, reason: str) -> None:
        self.drop()
        self.on_lost(reason)

    # --------------------------------------------------------------------------------------------------- command mode

    def write_text(self, text: bytes, on_octets: Callable[[bytes], None] | None) -> None:
        """Write octets as they are; until told otherwise (None) octets from the module go to ``on_octets``."""
        self._raw = on_octets
        if text:
            self._write(text)


def _void(_: object) -> None:
    """Turn an expression into a call that returns nothing."""
