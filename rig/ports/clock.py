"""The real clock of a bench on hardware: ``now`` follows the monotonic clock of the machine.

It has the interface of the virtual clock, so that the executor cannot tell them apart; advancing takes real time.

Must not live here: civil time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rig.world.clock import NS, Agenda, Appointment

__all__ = ["RealClock"]


class RealClock:
    """``now`` is nanoseconds since this object was made, by ``monotonic`` (ns).

    ``wait`` (seconds) returns early when something is posted; left out, it waits for the post queue.
    """

    def __init__(
        self, monotonic: Callable[[], int] = time.monotonic_ns, wait: Callable[[float], None] | None = None
    ) -> None:
        self._agenda = Agenda()
        self._monotonic = monotonic
        self._start = monotonic()
        self._wait = wait if wait is not None else self._agenda.wait

    @property
    def now(self) -> int:
        return self._monotonic() - self._start

    def call_at(self, when: int, what: Callable[[], None]) -> Appointment:
        return self._agenda.add(when, what)

    def call_soon(self, what: Callable[[], None]) -> Appointment:
        return self._agenda.add(self.now, what)

    def post(self, what: Callable[[], None]) -> None:
        self._agenda.post(what)

    @property
    def attached(self) -> int:
        """Always 0: real time waits for nobody."""
        return 0

    def attach(self) -> None:
        """Nothing to do: the clock is real already."""

    def detach(self) -> None:
        """Nothing to do: the clock is real already."""

    def next_due(self) -> int | None:
        """When the next callback is due, or None; what was posted is due now."""
        self._agenda.admit_posted(self.now)
        return self._agenda.next_due()

    def run_due(self) -> None:
        """Run everything that is due, posted calls included, and what these add to it."""
        while True:
            horizon = self.now
            self._agenda.admit_posted(horizon)
            due = self._agenda.pop(horizon)
            if due is None:
                return
            due[1]()

    def advance(self, limit: int, until: Callable[[], bool] | None = None) -> bool:
        """Run what falls due until ``limit`` or until ``until`` is true; as :meth:`VirtualClock.advance`."""
        if until is not None and until():
            return True
        while True:
            horizon = self.now
            self._agenda.admit_posted(horizon)
            due = self._agenda.pop(min(horizon, limit))
            if due is not None:
                due[1]()
                if until is not None and until():
                    return True
                continue
            if horizon >= limit:
                return False
            following = self._agenda.next_due()
            self._wait((limit if following is None else min(limit, following)) / NS - horizon / NS)
