"""Memory of one more premises: CHF, ESME, GSME, GPF and PPMID as machines in one process, the tables shared.

A process of its own makes 10 premises, then more until there are 50, 100 and 200, and reads its resident memory each
time.  The slope of the straight line through these points is the memory of one more; how far the points lie from it
says whether that is so from the first to the last.  Resident memory, because half of a key is OpenSSL's and no
allocation of Python's; a second process counts Python's own allocations (tracemalloc), which cost memory themselves.

A premises is five machines that have been started, each with two key pairs in a key store of its own and every
credential cell filled, certificates included; the meter has answered one load-switch command.  What a host, a radio or
the evidence hold beside them is not counted.

Must not live here: how premises are made (``premises``).
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import linear_regression
from typing import Final

from rig.perf.premises import Devices, load_switch_commands, premises
from rig.perf.switching import carry_out

__all__ = ["COUNTS", "Growth", "allocated", "bend", "grow", "growth", "report", "resident"]

COUNTS: Final[tuple[int, ...]] = (10, 50, 100, 200)
_STATM: Final = Path("/proc/self/statm")
_MEGA: Final = 1e6


@dataclass(frozen=True, slots=True)
class Growth:
    """Octets in use with so many premises, point by point."""

    counts: tuple[int, ...]
    octets: tuple[int, ...]

    @property
    def one_more(self) -> float:
        """Octets of one more premises: the slope of the line with the least squares."""
        return self._line[0]

    @property
    def bend(self) -> float:
        """The farthest that a point lies from the line, as a part of the whole growth."""
        slope, intercept = self._line
        apart = max(
            abs(octets - intercept - slope * count) for count, octets in zip(self.counts, self.octets, strict=True)
        )
        return apart / (self.octets[-1] - self.octets[0])

    @property
    def _line(self) -> tuple[float, float]:
        line = linear_regression(self.counts, self.octets)
        return line.slope, line.intercept


def grow(counts: Sequence[int], read: Callable[[], int]) -> Growth:
    """Make premises up to each of ``counts`` in this process, and ``read`` the memory in use at each of them."""
    made: list[Devices] = []
    octets: list[int] = []
    for count in counts:
        while len(made) < count:
            made.append(_in_use(len(made)))
        gc.collect()
        octets.append(read())
    return Growth(tuple(counts), tuple(octets))


def _in_use(number: int) -> Devices:
    devices = premises(number)
    carry_out(devices["ESME"], load_switch_commands(devices["ESME"], 1))
    return devices


# ------------------------------------------------------------------------------------------------- a process of its own

_WAYS: Final[dict[str, Callable[[], int]]] = {
    "resident": lambda: int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE"),
    "allocated": lambda: tracemalloc.get_traced_memory()[0],
}
"""How memory is read: resident pages of the process, or what Python's allocators gave out."""


def report(way: str, counts: Sequence[int]) -> None:
    """What the other process does: grow, and print the octets as JSON."""
    if way == "allocated":
        tracemalloc.start()
    print(json.dumps(grow(counts, _WAYS[way]).octets))


@cache
def growth(way: str) -> Growth | None:
    """Growth of a process of its own; None where the system does not say what is resident."""
    if way == "resident" and not _STATM.exists():
        return None
    program = f"from rig.perf.memory import report; report({way!r}, {COUNTS!r})"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    return Growth(COUNTS, tuple(json.loads(done.stdout)))


def resident() -> float | None:
    """Resident megabytes of one more premises."""
    found = growth("resident")
    return None if found is None else found.one_more / _MEGA


def bend() -> float | None:
    """How far resident memory departs from a straight line, in per cent of the whole growth."""
    found = growth("resident")
    return None if found is None else found.bend * 100


def allocated() -> float | None:
    """Megabytes of one more premises that are Python's own allocations."""
    found = growth("allocated")
    return None if found is None else found.one_more / _MEGA
