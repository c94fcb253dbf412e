"""``python -m tests.mutation``: draw mutants, try them, list those that no test noticed.

Exit status: 0 where at least ``--least`` per cent were caught, 1 where fewer were, 2 for misuse.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Final

from tests.mutation import sample
from tests.mutation.coverage import Coverage
from tests.mutation.operators import Mutant
from tests.mutation.tree import ROOT, Tree
from tests.mutation.trial import Outcome, Result, Trials

__all__ = ["main"]

_SHOWN: Final = 90  # characters of each side of a change


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, try, report; the exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        every = sample.of_lines(options.only) if options.only else sample.of_rooms(options.rooms)
    except ValueError as error:
        parser.error(str(error))
    drawn = every if options.only and options.count is None else sample.draw(every, options.seed, options.count or 200)
    if options.list:
        for mutant in drawn:
            print(_line(mutant))
        return 0
    journal = _Journal(options.work / "tried.jsonl")
    results = _try_all(drawn, journal, options)
    return _report(drawn, results, options.least)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which sample is drawn (%(default)s)")
    parser.add_argument("--count", type=int, help="how many mutants (200; with --only: all)")
    parser.add_argument("--rooms", nargs="+", default=sample.ROOMS, metavar="ROOM", help="rooms or modules, with dots")
    parser.add_argument("--only", nargs="+", metavar="FILE:FIRST-LAST", help="the mutants of these lines")
    parser.add_argument("--list", action="store_true", help="print the mutants and try none")
    parser.add_argument("--processes", type=int, default=2, help="how many mutants at a time (%(default)s)")
    parser.add_argument(
        "--budget", type=float, default=60.0, help="the processor's seconds of tests for one mutant (%(default)s)"
    )
    parser.add_argument("--least", type=float, default=95.0, help="per cent that must be caught (%(default)s)")
    parser.add_argument(
        "--work", type=Path, default=ROOT / ".mutation", help="for copies, map and results (%(default)s)"
    )
    return parser


class _Journal:
    """What became of each mutant, kept as it happens, so that a run goes on where it was stopped.

    An outcome holds as long as the mutated file and all tests are what they were.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        self._known = {entry.pop("key"): entry for entry in map(json.loads, lines)}
        self._tests = hashlib.sha256()
        for test in sorted((ROOT / "tests").rglob("*.py")):
            self._tests.update(test.read_bytes())

    def key(self, mutant: Mutant, source: bytes) -> str:
        """What one trial is known by."""
        digest = self._tests.copy()
        digest.update(mutant.applied(source))
        return digest.hexdigest()

    def known(self, key: str) -> Result | None:
        """The outcome of an earlier trial."""
        entry = self._known.get(key)
        return entry and Result(Outcome(entry["outcome"]), entry["by"], entry["tests"], entry["of"])

    def keep(self, key: str, result: Result) -> None:
        """Write an outcome down."""
        entry = {"outcome": result.outcome.value, "by": result.by, "tests": result.tests, "of": result.of}
        with self._lock, self._path.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"key": key, **entry}) + "\n")


def _try_all(drawn: Sequence[Mutant], journal: _Journal, options: argparse.Namespace) -> list[Result]:
    known = sample.equivalents()
    free: list[Tree] = []
    coverage = Coverage(options.work / "map")
    trials = Trials(coverage, options.budget)
    began = time.monotonic()

    def one(number: int, mutant: Mutant) -> Result:
        source = (ROOT / mutant.file).read_bytes()
        key = journal.key(mutant, source)
        result = journal.known(key)
        if any(one.is_of(mutant) for one in known):
            result = Result(Outcome.EQUIVALENT)
        elif result is None:
            tree = free.pop()
            try:
                result = trials.run(tree, mutant, source)
            finally:
                free.append(tree)
            journal.keep(key, result)
        spent = time.monotonic() - began
        print(
            f"{number + 1}/{len(drawn)} {spent:5.0f} s {result.outcome.value:10} {_line(mutant)}  {result.by}",
            flush=True,
        )
        return result

    free += [Tree(options.work / f"copy-{number}") for number in range(options.processes)]
    coverage.record(free)
    began = time.monotonic()
    with ThreadPoolExecutor(options.processes) as pool:
        return list(pool.map(one, range(len(drawn)), drawn))


def _report(drawn: Sequence[Mutant], results: Sequence[Result], least: float) -> int:
    counts = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    for outcome in (Outcome.TIMEOUT, Outcome.EQUIVALENT, Outcome.UNCOVERED, Outcome.SURVIVED):
        if counts[outcome]:
            print(f"\n{outcome.value}:")
        for mutant, result in zip(drawn, results, strict=True):
            if result.outcome is outcome:
                ran = f"  ({result.tests} of {result.of} tests)" if outcome is Outcome.SURVIVED else ""
                print(f"  {_line(mutant)}{ran}")
    caught, judged = counts[Outcome.CAUGHT] + counts[Outcome.TIMEOUT], len(results) - counts[Outcome.EQUIVALENT]
    share = 100.0 * caught / judged if judged else 100.0
    said = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items())
    print(f"\n{len(results)} mutants: {said}; caught {share:.1f} %, at least {least:g} % wanted")
    return 0 if share >= least else 1


def _line(mutant: Mutant) -> str:
    before, after = (_shown(" ".join(text.split())) for text in (mutant.before, mutant.after))
    return f"{mutant.file}:{mutant.line} [{mutant.operator}] {before} -> {after}"


def _shown(text: str) -> str:
    """The beginning of a text."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


if __name__ == "__main__":
    sys.exit(main())
