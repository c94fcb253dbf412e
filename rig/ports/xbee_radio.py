"""Bringing an XBee up: power, start-up as a table of AT commands, recovery, re-opening of a lost line.

What the two XBee adapters share.  States: off -> booting -> starting -> ready; from any of them down, with retries
that double their pause.

Must not live here: networks and messages (``han_xbee``, ``interpan_xbee``), frame ids (``xbee_link``).
Source: facts/radio.md 3, 4 and 7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from devices.wire import xbee
from rig.ports.protocols import ByteLink, Clock, Handle, PortError
from rig.ports.xbee_link import LinkSettings, XBeeLink

__all__ = ["RadioSettings", "Step", "XBeeRadio"]

MS = 1_000_000
S = 1000 * MS


@dataclass(frozen=True, slots=True)
class RadioSettings:
    """How a module is brought up."""

    link: LinkSettings = field(default_factory=LinkSettings)
    boot_ns: int = 1 * S  # without 8A 00 by then the module is spoken to all the same
    guard_ns: int = 1100 * MS  # silence round +++: GT is 1000 ms from the factory
    retry_ns: int = 1 * S  # pause before a second try; doubles
    retry_most_ns: int = 30 * S


@dataclass(frozen=True, slots=True)
class Step:
    """One AT command.  No value: ask, and let ``check`` say what is wrong with the answer (None: nothing).

    ``optional``: a module that does not know the command is fine (older firmware).
    """

    command: str
    value: bytes = b""
    queued: bool = False
    check: Callable[[bytes], str | None] | None = None
    optional: bool = False


def _nothing() -> None:
    return None


class XBeeRadio:
    """One module behind a byte link.

    ``power`` switches the module's supply where the bench can; ``reopen`` opens the line again after it was lost.
    """

    def __init__(
        self,
        link: ByteLink,
        clock: Clock,
        steps: Sequence[Step],
        settings: RadioSettings | None = None,
        power: Callable[[bool], None] | None = None,
        reopen: Callable[[], ByteLink] | None = None,
    ) -> None:
        self.settings = settings or RadioSettings()
        self.on_ready: Callable[[], None] = _nothing
        self.on_down: Callable[[str], None] = lambda _: None
        self.on_frame: Callable[[xbee.Frame], None] = lambda _: None
        self.state = "off"
        self.answers: dict[str, bytes] = {}
        self._clock, self._steps = clock, steps
        self._power, self._reopen = power, reopen
        self._timer: Handle | None = None
        self._retry = self.settings.retry_ns
        self._attach(link)

    def _attach(self, link: ByteLink) -> None:
        self.link = XBeeLink(link, self._clock, self.settings.link)
        self.link.on_frame = self._frame
        self.link.on_lost = self._lost

    @property
    def ready(self) -> bool:
        return self.state == "ready"

    def start(self) -> None:
        """Give it power and bring it up; again while it runs: nothing."""
        if self.state != "off":
            return
        self.state, self._retry = "booting", self.settings.retry_ns
        if self._power is None:
            self._begin()
        else:
            self._power(True)
            self._after(self.settings.boot_ns, self._begin)

    def stop(self) -> None:
        """Take its power away; what it still says is not heard."""
        self.state = "off"
        self._cancel()
        self.link.drop()
        if self._power is not None:
            self._power(False)

    def close(self) -> None:
        self.state = "off"
        self._cancel()
        self.link.close()

    def again(self, pause_ns: int) -> None:
        """The module restarts without a word: bring it up anew after a pause."""
        if self.state != "off":
            self.state = "booting"
            self.link.drop()
            self._after(pause_ns, self._begin)

    def _after(self, delay: int, what: Callable[[], None]) -> None:
        self._cancel()
        self._timer = self._clock.call_at(self._clock.now + delay, what)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ------------------------------------------------------------------------------------------------------- start-up

    def _begin(self) -> None:
        """Frames from here on: AP=2, which a module in mode 1 understands too, then the table."""
        self._cancel()
        self.state = "starting"
        self.link.at("AP", b"\x02", self._mode_set)

    def _mode_set(self, answer: xbee.Frame | None) -> None:
        if isinstance(answer, xbee.AtResponse) and answer.status == 0:
            self.run(self._steps, self._started)
        else:
            self._knock()

    def _started(self, problem: str | None) -> None:
        if problem is None:
            self.state, self._retry = "ready", self.settings.retry_ns
            self.on_ready()
        else:
            self._down(problem)

    def run(self, steps: Sequence[Step], done: Callable[[str | None], None]) -> None:
        """Carry out steps one after the other; ``done(problem)``, None when all went well."""
        if not steps:
            done(None)
            return
        step = steps[0]

        def answered(answer: xbee.Frame | None) -> None:
            problem = self._judge(step, answer)
            if problem is None:
                self.run(steps[1:], done)
            else:
                done(problem)

        self.link.at(step.command, step.value, answered, queued=step.queued)

    def _judge(self, step: Step, answer: xbee.Frame | None) -> str | None:
        if not isinstance(answer, xbee.AtResponse):
            return f"the radio did not answer AT{step.command}; check its power and the serial line"
        if answer.status:
            shown = f"AT{step.command} {step.value.hex()}".strip()
            return None if step.optional else f"the radio refused {shown} with status {answer.status}"
        self.answers[step.command] = answer.value
        return step.check(answer.value) if step.check else None

    # ------------------------------------------------------------------------------------------------------- recovery

    def _knock(self) -> None:
        """No answer to an API frame: perhaps transparent mode.  Silence, +++, and set the mode in words."""
        self._after(self.settings.guard_ns, lambda: self._enter_command_mode(bytearray()))

    def _enter_command_mode(self, heard: bytearray) -> None:
        def listen(octets: bytes) -> None:
            heard.extend(octets)
            if b"OK\r" in heard:
                self._cancel()
                self.link.write_text(b"ATAP2\rATWR\rATCN\r", lambda _: None)
                self._after(self.settings.guard_ns, self._leave_command_mode)

        self.link.write_text(b"+++", listen)
        self._after(2 * self.settings.guard_ns, self._silent)

    def _leave_command_mode(self) -> None:
        self.link.write_text(b"", None)
        self._begin()

    def _silent(self) -> None:
        self.link.write_text(b"", None)
        self._down("the radio does not answer; check its power, the serial line and its speed (BD)")

    def _down(self, reason: str) -> None:
        self.state = "down"
        self.link.drop()
        self.on_down(reason)
        if self.state == "down":
            self._after(self._next_pause(), self._begin)

    def _next_pause(self) -> int:
        pause, self._retry = self._retry, min(2 * self._retry, self.settings.retry_most_ns)
        return pause

    def _lost(self, reason: str) -> None:
        if self.state == "off":
            return
        self.state = "lost"
        self._cancel()
        self.on_down(f"the line to the radio is lost: {reason}")
        if self._reopen is not None and self.state == "lost":
            self._after(self._next_pause(), self._open_again)

    def _open_again(self) -> None:
        assert self._reopen is not None
        try:
            link = self._reopen()
        except PortError:
            self._after(self._next_pause(), self._open_again)
            return
        self._attach(link)
        self._begin()

    def _frame(self, frame: xbee.Frame) -> None:
        if self.state == "off":
            return
        if isinstance(frame, xbee.ModemStatus) and frame.status in (0x00, 0x01):
            self._was_reset()
        elif self.state in ("ready", "starting"):
            self.on_frame(frame)

    def _was_reset(self) -> None:
        """8A 00: expected after power on; else what was not written in it is lost, so start over."""
        if self.state == "ready":
            self.state = "booting"
            self.link.drop()
            self.on_down("the radio was reset")
        elif self.state == "starting":
            self.link.drop()
        if self.state != "off":
            self._begin()
