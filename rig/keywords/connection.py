"""The connection of a run to its bench: the lease, how long a command may take, and a new start after something broke.

    Misused(ValueError)       a keyword was called wrongly: a FAIL that says how to call it

Must not live here: events and waits (``session``), verdicts.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rig.bus.client import BusClient, Tls
from rig.bus.controller import Controller
from rig.bus.errors import BenchDied, InfraError
from rig.bus.jitter import jitter
from rig.bus.messages import Answer, Context

__all__ = ["Connection", "Misused", "allowance_s"]

COMMAND_S = 60.0
"""How long a command may take in real time, beside the bench time that it lets pass, before the bench counts as
broken."""
COMPUTED_PER_S = 3600.0
"""Seconds of bench time that a virtual bench computes in a second, at the least; mostly some hundred times as many."""
OPEN_S = 10.0
"""How long taking the bench may take at the start of a run."""
RECLAIM_S, RECLAIM_TRIES, RETRY_S = 9.0, 6, 2.0
"""After something broke: how long and how often the bench is claimed anew; and how long by later tests of a run, once
that came to nothing."""

ENDED = "What it said last stands in the output of the run; start the run again."


class Misused(ValueError):
    """A keyword was called with something that makes no sense; the message says what would."""

    ROBOT_SUPPRESS_NAME = True


def allowance_s(args: Mapping[str, Any], clock: str) -> float:
    """How long a command with these arguments may take, s: what it lets pass on the ``clock`` (real or virtual), and a
    margin."""
    span_s = int(args.get("span_ns") or 0) / 1e9
    return COMMAND_S + (span_s if clock == "real" else span_s / COMPUTED_PER_S)


def _nothing() -> str:
    return ""


class Connection:
    """The bench that ``RIG_BROKER``, ``RIG_BENCH`` and ``RIG_NODES`` name; ``RIG_TLS`` is the folder of the
    certificates where its bench file names one."""

    def __init__(self) -> None:
        self._controller: Controller | None = None
        self._earlier: list[Controller] = []
        self._patience_s = RECLAIM_S
        self.home = ""
        """The node of the bench itself."""
        self.gone: Callable[[], str] = _nothing
        """The part of the bench that has ended and will not come back, as far as this process knows, or nothing."""

    @property
    def open(self) -> bool:
        """Whether the bench is held."""
        return self._controller is not None

    def claim(self) -> None:
        """Take the lease.  Raises :class:`Misused` where no bench is named, and a :class:`BusError` where it cannot be
        had."""
        if self._controller is None:
            self._controller = self._claimed(OPEN_S)

    def claim_anew(self) -> None:
        """Leave a bench at which something broke, and take it again: several times if need be, for a while.

        Raises the :class:`BusError` of the last try; later tests of the run then try for a shorter time, and where it
        is known not to come back they do not try at all.
        """
        self.close()
        deadline = time.monotonic() + self._patience_s
        for attempt in range(1, RECLAIM_TRIES + 1):
            left_s = max(deadline - time.monotonic(), RETRY_S)
            try:
                self._controller = self._claimed(min(left_s, RETRY_S))
            except InfraError:
                if self.gone() or attempt == RECLAIM_TRIES or time.monotonic() + RETRY_S / 2 > deadline:
                    self._patience_s = RETRY_S
                    raise
                threading.Event().wait(RETRY_S / 4)
            else:
                self._patience_s = RECLAIM_S
                return

    def call(self, node: str, verb: str, args: Mapping[str, Any], within_s: float, context: Context) -> Answer:
        """Run one numbered command at ``node`` (empty: at the bench).  Raises an :class:`InfraError`."""
        assert self._controller is not None
        return self._controller.call(node or self.home, verb, args, within_s, context)

    def close(self) -> None:
        """Give the lease back and leave the bus."""
        controller, self._controller = self._controller, None
        if controller is not None:
            self._earlier.append(controller)
            controller.close()

    def _claimed(self, within_s: float) -> Controller:
        url, bench = os.environ.get("RIG_BROKER"), os.environ.get("RIG_BENCH")
        nodes = (os.environ.get("RIG_NODES") or "").split()
        if not url or not bench or not nodes:
            raise Misused(
                "no bench: run the suites with `rig run`, or set RIG_BROKER, RIG_BENCH and RIG_NODES to one that is up"
            )
        if part := self.gone():
            raise BenchDied(part, "it ended by itself, so nothing more can be tested in this run", ENDED)
        self.home = nodes[0]
        folder = os.environ.get("RIG_TLS")
        tls = Tls.of_folder(Path(folder), "robot") if folder else None
        self._earlier = [one for one in self._earlier if one.owes]
        client = BusClient(url, f"{bench}-robot", tls=tls, jitter=jitter())
        controller = Controller(client, bench, "robot", earlier=tuple(self._earlier))
        self._earlier.append(controller)  # should it not come to its end
        controller.open(nodes, within_s)
        self._earlier.clear()
        return controller
