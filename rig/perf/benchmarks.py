"""The table of benchmarks: name, what counts, what it needs, its target, and what it is set beside.

Must not live here: the work itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devices.trust.keystore import MemoryKeyStore
from rig.gbcs.corpus import Entry
from rig.perf import frames, messages, peer, whole
from rig.perf.measure import Pass

__all__ = ["BENCHMARKS", "TIMINGS", "Benchmark", "Material", "Timing"]


@dataclass(frozen=True, slots=True)
class Material:
    """What benchmarks may use: the messages of a corpus and their keys, both None where there is no corpus."""

    entries: list[Entry] | None = None
    store: MemoryKeyStore | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One row.  ``prepare`` gives the pass to time, or None where what it needs is not at hand.

    ``target`` is in items a second.  ``beside`` names the row that it is compared with, and ``share`` is the part of
    that one's rate that it should reach.
    """

    name: str
    unit: str
    prepare: Callable[[Material], Pass | None]
    needs: str = ""
    target: float | None = None
    beside: str | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """A whole run, made once with ``rig perf --whole``: ``measure`` does it and returns its figure in ``unit``.

    ``most`` and ``least`` are the targets; None from ``measure`` says that what the run ``needs`` is not at hand.
    """

    name: str
    unit: str
    measure: Callable[[], float | None]
    needs: str = ""
    most: float | None = None
    least: float | None = None

    def met(self, figure: float) -> bool | None:
        """Whether a figure keeps the targets; None where there are none."""
        if self.most is None and self.least is None:
            return None
        return (self.most is None or figure <= self.most) and (self.least is None or figure >= self.least)


def _corpus(make: Callable[[list[Entry], MemoryKeyStore], Pass]) -> Callable[[Material], Pass | None]:
    def prepare(material: Material) -> Pass | None:
        if material.entries is None or material.store is None:
            return None
        return make(material.entries, material.store)

    return prepare


BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark("envelope", "messages", _corpus(messages.envelopes), "the corpus", 200_000),
    Benchmark("full decode", "messages", _corpus(messages.full), "the corpus"),
    Benchmark("bare cryptography", "messages", _corpus(messages.floor), "the corpus"),
    Benchmark(
        "decode with all cryptography",
        "messages",
        _corpus(messages.all_crypto),
        "the corpus",
        8_000,
        "bare cryptography",
        0.3,
    ),
    Benchmark("digi-xbee, mode 1", "frames", lambda _: peer.digi_xbee(), "digi-xbee (extra 'test')"),
    Benchmark("XBee frame, mode 2", "frames", lambda _: frames.parse(), "", 200_000, "digi-xbee, mode 1"),
)

TIMINGS: tuple[Timing, ...] = (
    Timing("whole rig run, all suites", "s", whole.whole_run, "a run that passes", most=30.0),
    Timing("outage suite, bench time over wall time", "", whole.outage_ratio, "a run that passes", least=10_000.0),
)
"""Whole runs, in the order in which they are made."""
