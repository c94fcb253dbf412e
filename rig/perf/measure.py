"""How it is measured: rounds, in each of which every benchmark makes one pass, so that noise falls on all alike.

Must not live here: what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns

from rig.progress import followed

__all__ = ["Figure", "Pass", "measure"]

Pass = Callable[[], int]
"""One pass over the material: does the work, returns how many items it did."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What came of a benchmark: items in a pass, and the nanoseconds of each pass in the order of the rounds."""

    name: str
    items: int
    passes: tuple[int, ...]

    @property
    def best(self) -> float:
        """Items a second in the quickest pass."""
        return self.items * 1e9 / min(self.passes)

    @property
    def typical(self) -> float:
        """Items a second in the median pass."""
        return self.items * 1e9 / median(self.passes)

    def share_of(self, other: Figure) -> float:
        """How much of the other's rate this one reaches: the median over rounds, in which both ran side by side."""
        return median(
            (theirs / other.items) / (ours / self.items) for ours, theirs in zip(self.passes, other.passes, strict=True)
        )


def measure(passes: Sequence[tuple[str, Pass]], rounds: int) -> list[Figure]:
    """Run every pass once to warm up and then ``rounds`` times, taking turns."""
    items = [work() for _, work in passes]
    times: list[list[int]] = [[] for _ in passes]
    for _ in followed(range(rounds), rounds, "rounds"):
        for taken, (_, work) in zip(times, passes, strict=True):
            start = perf_counter_ns()
            work()
            taken.append(perf_counter_ns() - start)
    return [Figure(name, count, tuple(taken)) for (name, _), count, taken in zip(passes, items, times, strict=True)]
