"""Same seed, same evidence octets, however late and in whatever bursts MQTT delivers.

Evidence holds neither run ids nor wall-clock stamps, so nothing is left out of the comparison.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.running import Run, started

JITTER = {"RIG_JITTER": "0.003"}  # up to 3 ms for each message: many times what one takes on this machine
RUN_S = 300.0


def digests(run: Run) -> dict[str, str]:
    """Every file under evidence/ with the digest of its octets."""
    folder = run.results / "evidence"
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def two_runs(folder: Path, *environments: dict[str, str], suites: tuple[str, ...] = ()) -> list[Run]:
    """Runs at the same time, one an environment, to their ends; of all suites where none is named."""
    with ExitStack() as stack:
        runs = [
            stack.enter_context(started(folder / f"run-{number}", "--quiet", *suites, env=environment))
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


def test_a_run_leaves_the_same_evidence_with_and_without_jitter(tmp_path: Path) -> None:
    """Of the longest suite; all of them, twenty times, by marker."""
    plain, late = two_runs(tmp_path, {}, JITTER, suites=("installation",))
    first, closing = digests(plain), plain.closing()
    ran = int(closing["total"]) - int(closing["skipped"])  # without the published messages some of them are skipped
    assert ran >= 10, plain.said
    assert len(first) >= 4 * ran, plain.said  # four files a test
    assert [run.closing()["more"] for run in (plain, late)] == ["", ""], plain.said
    same(first, late)
    statuses = [{name: status for name, (status, _) in run.tests().items()} for run in (plain, late)]
    assert statuses[0] == statuses[1]


@pytest.mark.soak
def test_repeat_twenty_whole_runs_with_jitter(tmp_path: Path) -> None:
    first: dict[str, str] = {}
    for number in range(10):
        for run in two_runs(tmp_path / str(number), JITTER, JITTER):
            first = first or digests(run)
            assert len(first) >= 4 * 30, run.said
            same(first, run)
