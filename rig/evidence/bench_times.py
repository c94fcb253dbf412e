"""How much bench time each test takes, recorded on the virtual bench: on a real clock it takes as long for people.

The times stand in ``bench_times.yaml`` beside the suites, seconds by suite and test; the nearest such file above a
suite counts.  `rig times` holds them against a run, and writes them.

Must not live here: running anything, how long a test may take (the bench file says so: ``longest_test``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from rig import yaml_text
from rig.evidence.record import Record
from rig.evidence.verdicts import Verdict

__all__ = ["NAME", "BadTimes", "announcement", "differences", "expected_s", "load", "spoken", "taken", "write"]

NAME = "bench_times.yaml"
TOLERANCE = 0.1
"""A recorded time may be off by so much of itself."""
FINISHED = (Verdict.PASS, Verdict.CONDITIONAL, Verdict.OBSERVED, Verdict.TOLERATED)
"""The verdicts of tests that went to their end."""
HEAD = """# How long each test keeps a bench, in seconds of bench time, as recorded on the virtual bench.  A real clock
# takes as long.  Made by: rig run --out DIR, then rig times DIR --write
"""
Times = Mapping[str, Mapping[str, float]]
"""Suite to test to seconds."""


class BadTimes(ValueError):
    """A file of bench times holds something wrong; the text says where, what was expected and what stands there."""


def load(path: Path) -> dict[str, dict[str, float]]:
    """The times in a file.  Raises :class:`BadTimes`."""
    try:
        told = yaml_text.read_file(path) or {}
    except ValueError as problem:
        raise BadTimes(f"{path}: expected suites, tests and seconds, got {problem}; make it with rig times") from None
    if not isinstance(told, dict) or not all(isinstance(tests, dict) for tests in told.values()):
        raise BadTimes(f"{path}: expected suites with tests, got something else; make it with rig times")
    for suite, tests in told.items():
        for test, seconds in tests.items():
            if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
                raise BadTimes(f"{path}: {suite}, {test}: expected seconds from 0, got {seconds!r}; correct it")
    return {str(suite): {str(test): float(s) for test, s in tests.items()} for suite, tests in told.items()}


def expected_s(source: Path, suite: str, test: str) -> float | None:
    """The recorded time of a test in the suite file ``source``; None where nobody recorded it."""
    place = next((folder / NAME for folder in source.parents if (folder / NAME).is_file()), None)
    return None if place is None else load(place).get(suite, {}).get(test)


def taken(records: Iterable[Record]) -> dict[str, dict[str, float]]:
    """The bench times of the tests of a run that went to their end, by suite and test."""
    times: dict[str, dict[str, float]] = {}
    for one in records:
        if one.outcome in FINISHED and one.suites:
            times.setdefault(one.suites[-1], {})[one.name] = round(one.bench_s, 1)
    return times


def differences(recorded: Times, found: Times) -> list[str]:
    """What of the times that were found is not as recorded, to a tenth, in words."""
    told = []
    for suite, tests in found.items():
        for test, seconds in tests.items():
            known = recorded.get(suite, {}).get(test)
            if known is None:
                told.append(f"{suite}: {test}: took {seconds:g} s of bench time, and none is recorded")
            elif abs(seconds - known) > TOLERANCE * max(known, 1.0):
                told.append(f"{suite}: {test}: took {seconds:g} s of bench time, recorded are {known:g} s")
    return told


def write(path: Path, times: Times) -> None:
    """Put these times into a file, beside what it has of other tests."""
    known: dict[str, dict[str, Any]] = dict(load(path)) if path.is_file() else {}
    for suite, tests in times.items():
        known[suite] = {**known.get(suite, {}), **tests}
    ordered = {suite: dict(sorted(tests.items())) for suite, tests in sorted(known.items())}
    path.write_text(HEAD + yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True), encoding="utf-8")


def announcement(times: Iterable[float | None], longest_s: float) -> str:
    """How long tests with these recorded times (None: nobody knows) will take on a real clock, in words."""
    every = list(times)
    known = [seconds for seconds in every if seconds is not None]
    short = [seconds for seconds in known if seconds <= longest_s]
    told = f"on this bench's real clock {len(short)} tests take about {spoken(sum(short))}"
    if len(known) > len(short):
        told += f"; {len(known) - len(short)} that take longer than {spoken(longest_s)} each are skipped"
    if len(every) > len(known):
        told += f"; how long {len(every) - len(known)} take is not recorded"
    return told


def spoken(seconds: float) -> str:
    """A span of time for people: ``45 s``, ``12 min``, ``3 h 5 min``, ``7 d``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)
