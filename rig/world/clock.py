"""The virtual clock of a bench, and the agenda that every clock keeps.

An :class:`Agenda` is a heap of what is to be called when, and a queue into which any thread may post.
:class:`VirtualClock` runs the agenda as fast as the processor can, or paced by real time while an external program is
attached.  Both satisfy the ``Clock`` protocol of ``rig.ports.protocols`` by their shape; ``now`` is integer nanoseconds
since bench start and never goes back.

Only the executor thread may call anything here but :meth:`Agenda.post`.

Must not live here: anything that is scheduled, and civil time.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable

__all__ = ["Agenda", "Appointment", "VirtualClock"]

Call = Callable[[], None]
NS = 1_000_000_000


class Appointment:
    """One entry of the agenda; :meth:`cancel` calls it off, to no effect once it was kept."""

    __slots__ = ("what",)

    def __init__(self, what: Call) -> None:
        self.what: Call | None = what

    def cancel(self) -> None:
        self.what = None


class Agenda:
    """What is to be called when: ordered by time, equal times by the order in which they were asked for."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Appointment]] = []
        self._sequence = 0
        self._posted: deque[Call] = deque()
        self._bell = threading.Event()

    def add(self, when: int, what: Call) -> Appointment:
        appointment = Appointment(what)
        heapq.heappush(self._heap, (when, self._sequence, appointment))
        self._sequence += 1
        return appointment

    def post(self, what: Call) -> None:
        """From any thread: queue ``what`` and ring the bell."""
        self._posted.append(what)
        self._bell.set()

    def admit_posted(self, now: int) -> None:
        """Move what other threads posted into the agenda, due ``now``."""
        while self._posted:
            self.add(now, self._posted.popleft())

    def wait(self, seconds: float) -> None:
        """Wait until something is posted, at most so long.

        The bell is silenced before the queue is looked at, so a post in between rings it again and is never slept over.
        """
        self._bell.wait(seconds)
        self._bell.clear()

    def next_due(self) -> int | None:
        """When the earliest appointment is due; None when there is none."""
        heap = self._heap
        while heap and heap[0][2].what is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop(self, limit: int) -> tuple[int, Call] | None:
        """Take the earliest appointment that is due at ``limit`` or before."""
        heap = self._heap
        while heap and heap[0][0] <= limit:
            when, _, appointment = heapq.heappop(heap)
            what, appointment.what = appointment.what, None
            if what is not None:
                return when, what
        return None


class VirtualClock:
    """The one clock of a virtual bench.

    ``monotonic`` (ns) and ``wait`` (seconds, returns early when something is posted) are used only while something is
    attached; tests give their own.  ``wait`` left out waits for the post queue.
    """

    def __init__(
        self, monotonic: Callable[[], int] = time.monotonic_ns, wait: Callable[[float], None] | None = None
    ) -> None:
        self._agenda = Agenda()
        self._now = 0
        self._attached = 0
        self._monotonic = monotonic
        self._wait = wait if wait is not None else self._agenda.wait

    # ---------------------------------------------------------------------------------------- for whoever is scheduled

    @property
    def now(self) -> int:
        return self._now

    def call_at(self, when: int, what: Call) -> Appointment:
        """Call ``what`` at ``when``; a time that has passed means now."""
        return self._agenda.add(max(when, self._now), what)

    def call_soon(self, what: Call) -> Appointment:
        return self._agenda.add(self._now, what)

    def post(self, what: Call) -> None:
        self._agenda.post(what)

    # ------------------------------------------------------------------------------------------------ for the executor

    @property
    def attached(self) -> int:
        """How many external programs the clock waits for."""
        return self._attached

    def attach(self) -> None:
        """An external program talks to the bench: follow real time until it is gone."""
        self._attached += 1

    def detach(self) -> None:
        if self._attached == 0:
            raise RuntimeError("nothing is attached to the clock; each attach() allows one detach()")
        self._attached -= 1

    def next_due(self) -> int | None:
        """When the next callback is due, or None; what was posted is due now."""
        self._agenda.admit_posted(self._now)
        return self._agenda.next_due()

    def run_due(self) -> None:
        """Run everything due at the present instant, posted calls included, and what these add to it."""
        while True:
            self._agenda.admit_posted(self._now)
            due = self._agenda.pop(self._now)
            if due is None:
                return
            due[1]()

    def advance(self, limit: int, until: Callable[[], bool] | None = None) -> bool:
        """Run everything due up to ``limit`` in order; stop at the exact instant at which ``until`` is true.

        ``until`` is asked first at the start and then after each callback.  Returns whether it was met (always False
        without one); unless it was, ``now`` is ``limit`` afterwards.  While something is attached the time between
        callbacks is waited for, counted from the start of this call; posted calls run at the instant they came.
        """
        if until is not None and until():
            return True
        origin: int | None = None  # virtual time minus real time while something is attached
        while True:
            horizon = limit
            if not self._attached:
                origin = None
            else:
                real = self._monotonic()
                if origin is None:
                    origin = self._now - real
                horizon = min(limit, origin + real)
            self._agenda.admit_posted(max(self._now, horizon) if self._attached else self._now)
            due = self._agenda.pop(max(horizon, self._now))
            if due is not None:
                self._now = max(self._now, due[0])
                due[1]()
                if until is not None and until():
                    return True
                continue
            self._now = max(self._now, horizon)
            if horizon >= limit:
                return False
            following = self._agenda.next_due()
            self._wait((min(limit, limit if following is None else following) - horizon) / NS)
