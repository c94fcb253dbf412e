"""One mutant against the tests that cover it: those nearest first, to the first that fails.

Must not live here: what covers what (``coverage``), the copies of the tree (``tree``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from pathlib import PurePath
from typing import Final

import pytest

from tests.mutation.coverage import Coverage
from tests.mutation.operators import Mutant
from tests.mutation.plugin import TESTS
from tests.mutation.tree import Tree

__all__ = ["Outcome", "Result", "Trials"]

_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+(?: \[[^\]]*\])?[^\n]*?)(?: - .*)?$", re.MULTILINE)
_NEAR_FILES: Final = 4  # files whose tests are tried in a first go, so that what is caught there costs no more imports
_SLOWER: Final = 10.0  # seconds by the clock that a test may take for each of the processor's, on a busy machine
_LEAST_S: Final = 20.0  # that any test may take besides
_START_S: Final = 60.0  # for pytest itself


class Outcome(Enum):
    """What became of a mutant."""

    CAUGHT = "caught"
    TIMEOUT = "timeout"  # caught too: a test did not come to its end
    SURVIVED = "survived"
    UNCOVERED = "uncovered"  # survived: no test calls its function
    EQUIVALENT = "equivalent"


@dataclass(frozen=True, slots=True)
class Result:
    """One mutant's outcome, the test that caught it, and how many were run of those that cover it."""

    outcome: Outcome
    by: str = ""
    tests: int = 0
    of: int = 0


class Trials:
    """Trials of many mutants; what was learnt of unsteady tests is kept from one to the next."""

    def __init__(self, coverage: Coverage, budget_s: float) -> None:
        self._coverage, self._budget_s = coverage, budget_s
        self._good: set[str] = set()  # tests seen to pass without a mutant
        self._bad: set[str] = set()  # tests seen to fail without one

    def run(self, tree: Tree, mutant: Mutant, source: bytes) -> Result:
        """Try a mutant of ``source`` in ``tree``."""
        covering = self._coverage.of(mutant) - self._bad
        chosen = self._ordered(mutant, covering)
        if not chosen:
            return Result(Outcome.UNCOVERED)
        while True:
            outcome, failed = self._tried(tree, mutant, mutant.applied(source), chosen)
            if not failed or self._is_good(tree, failed):
                return Result(outcome, failed, len(chosen), len(covering))
            chosen = [test for test in chosen if test not in self._bad]

    def _ordered(self, mutant: Mutant, tests: Iterable[str]) -> list[str]:
        """One test of each file in turn, the quickest of it first, the file that mirrors the module before all; until
        the budget is spent."""
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in sorted(tests, key=lambda test: (self._coverage.seconds[test], test)):
            by_file[test.partition("::")[0]].append(test)
        files = sorted(
            by_file, key=lambda file: (not _mirrors(file, mutant.file), self._coverage.seconds[by_file[file][0]])
        )
        chosen: list[str] = []
        spent = 0.0
        for turn in zip_longest(*(by_file[file] for file in files)):
            for test in filter(None, turn):
                spent += self._coverage.seconds[test]
                if spent <= self._budget_s or not chosen:
                    chosen.append(test)
        return chosen

    def _tried(self, tree: Tree, mutant: Mutant, source: bytes, chosen: Sequence[str]) -> tuple[Outcome, str]:
        files = list(dict.fromkeys(test.partition("::")[0] for test in chosen))
        near = set(files[:_NEAR_FILES])
        goes = (
            [test for test in chosen if test.partition("::")[0] in near],
            [test for test in chosen if test.partition("::")[0] not in near],
        )
        with tree.changed(mutant.file, source):
            for tests in filter(None, goes):
                outcome, failed = self._go(tree, tests)
                if outcome is not Outcome.SURVIVED:
                    return outcome, failed
        return Outcome.SURVIVED, ""

    def _go(self, tree: Tree, tests: Sequence[str]) -> tuple[Outcome, str]:
        """Run tests to the first failure: what came of it, and which test that was.

        Where pytest itself broke, or did not end, it is the first of them: it is tried without the mutant too.
        """
        listed = tree.root.parent / "tests.txt"
        allowed = {test: _LEAST_S + _SLOWER * self._coverage.seconds[test] for test in tests}
        listed.write_text("".join(f"{test}\t{seconds}\n" for test, seconds in allowed.items()), "utf-8")
        files = sorted({test.partition("::")[0] for test in tests})
        limit = _START_S + _SLOWER * sum(self._coverage.seconds[test] for test in tests)
        status, said = tree.pytest("-x", "--tb=no", *files, environment={TESTS: str(listed)}, timeout_s=limit)
        if status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return Outcome.SURVIVED, ""
        failed = next((test for test in _FAILED.findall(said) if test in allowed), tests[0])
        return (Outcome.TIMEOUT if status is None else Outcome.CAUGHT), failed

    def _is_good(self, tree: Tree, test: str) -> bool:
        """Whether a test passes without the mutant, alone."""
        if test not in self._good:
            outcome, _ = self._go(tree, [test])
            (self._good if outcome is Outcome.SURVIVED else self._bad).add(test)
        return test in self._good


def _mirrors(test_file: str, module: str) -> bool:
    """Whether a file of tests has the name of the module."""
    return PurePath(test_file).stem == f"test_{PurePath(module).stem}"
