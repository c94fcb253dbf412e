"""Same seed, same evidence octets, however late and in whatever bursts MQTT delivers.

Of a cross-section of the suites: the tests tagged ``demo``, one to three a suite.

Evidence holds neither run ids nor wall-clock stamps, so nothing is left out of the comparison.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path

import pytest
from robot import api

from tests.running import ROOT, Run, started

JITTER = {"RIG_JITTER": "0.003"}  # up to 3 ms for each message: many times what one takes on this machine
RUN_S = 300.0
CROSS_SECTION = ("--include", "demo")
LEAST = 11  # tests in it that need no published messages


def digests(run: Run) -> dict[str, str]:
    """Every file under evidence/ with the digest of its octets."""
    folder = run.results / "evidence"
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def two_runs(folder: Path, *environments: dict[str, str], arguments: tuple[str, ...] = ()) -> list[Run]:
    """Runs at the same time, one an environment, to their ends; of all suites where ``arguments`` say nothing."""
    with ExitStack() as stack:
        runs = [
            stack.enter_context(started(folder / f"run-{number}", "--quiet", *arguments, env=environment))
            for number, environment in enumerate(environments)
        ]
        for run in runs:
            run.wait(RUN_S)
            run.nothing_left()
    return runs


def same(first: dict[str, str], run: Run) -> None:
    """``run`` left the same octets as that of ``first``."""
    found = digests(run)
    assert sorted(found) == sorted(first), run.said
    assert [name for name in first if found[name] != first[name]] == []


def test_the_cross_section_has_one_to_three_tests_of_each_suite() -> None:
    files = sorted((ROOT / "robot_suites").rglob("*.robot"))
    assert len(files) >= 9
    for file in files:
        suite = api.TestSuite.from_file_system(file)
        assert 1 <= sum("demo" in test.tags for test in suite.tests) <= 3, file


def test_a_run_leaves_the_same_evidence_with_and_without_jitter(tmp_path: Path) -> None:
    plain, late = two_runs(tmp_path, {}, JITTER, arguments=CROSS_SECTION)
    first, closing = digests(plain), plain.closing()
    ran = int(closing["total"]) - int(closing["skipped"])  # without the published messages one of them is skipped
    assert ran >= LEAST, plain.said
    assert len(first) >= 4 * ran, plain.said  # four files a test
    assert [run.closing()["more"] for run in (plain, late)] == ["", ""], plain.said
    same(first, late)
    statuses = [{name: status for name, (status, _) in run.tests().items()} for run in (plain, late)]
    assert statuses[0] == statuses[1]


@pytest.mark.soak
def test_repeat_twenty_runs_with_jitter(tmp_path: Path) -> None:
    first: dict[str, str] = {}
    for number in range(10):
        for run in two_runs(tmp_path / str(number), JITTER, JITTER, arguments=CROSS_SECTION):
            first = first or digests(run)
            assert len(first) >= 4 * LEAST, run.said
            same(first, run)


@pytest.mark.soak
def test_the_whole_tree_leaves_the_same_evidence_twice(tmp_path: Path) -> None:
    plain, late = two_runs(tmp_path, {}, JITTER)
    first = digests(plain)
    assert len(first) >= 4 * 30, plain.said
    same(first, late)
