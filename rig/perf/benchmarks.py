"""The table of benchmarks: name, what counts, what it needs, its target, and what it is set beside.

Must not live here: the work itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devices.trust.keystore import MemoryKeyStore
from rig.gbcs.corpus import Entry
from rig.perf import frames, memory, messages, peer, switching, whole
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
    """A figure that is taken once, mostly of a whole run: ``measure`` takes it and returns it in ``unit``.

    ``most`` and ``least`` are the targets; None from ``measure`` says that what the run ``needs`` is not at hand.
    ``always`` marks what takes no longer than a benchmark; the others are made with ``rig perf --whole``.
    """

    name: str
    unit: str
    measure: Callable[[], float | None]
    needs: str = ""
    most: float | None = None
    least: float | None = None
    always: bool = False

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
    Benchmark("full decode", "messages", _corpus(messages.full), "the corpus", 25_000),
    Benchmark("bare cryptography", "messages", _corpus(messages.floor), "the corpus"),
    Benchmark(
        "decode with all cryptography",
        "messages",
        _corpus(messages.all_crypto),
        "the corpus",
        8_000,
        "bare cryptography",
        0.4,
    ),
    Benchmark("bare cryptography of switching", "commands", lambda _: switching.cryptography()),
    Benchmark(
        "load-switch command executed",
        "commands",
        lambda _: switching.executed(),
        target=2_000,
        beside="bare cryptography of switching",
    ),
    Benchmark(
        "signatures of its responses",
        "signatures",
        lambda _: switching.signatures(),
        beside="load-switch command executed",
    ),
    Benchmark("digi-xbee, mode 1", "frames", lambda _: peer.digi_xbee(), "digi-xbee (extra 'test')"),
    Benchmark("XBee frame, mode 2", "frames", lambda _: frames.parse(), "", 200_000, "digi-xbee, mode 1"),
)

_STATM = "a system with /proc/self/statm"

TIMINGS: tuple[Timing, ...] = (
    Timing("one more premises, resident", "MB", memory.resident, _STATM, most=1.5, always=True),
    Timing(
        "its departure from a line", "% of the growth", memory.bend, _STATM, most=2.0, always=True
    ),  # what we call linear
    Timing("one more premises, Python's part", "MB", memory.allocated),
    Timing("whole rig run, all suites", "s", whole.whole_run, "a run that passes", most=30.0),
    Timing("outage suite, bench time over wall time", "", whole.outage_ratio, "a run that passes", least=10_000.0),
)
"""Figures that are taken once, in this order."""
