"""Same seed, same evidence octets, however late and in whatever bursts MQTT delivers.

Of a cross-section of the suites: the tests tagged ``demo``, one to three a suite.

Which tests are to repeat is what their own records say (``repeatable: yes``): those are held against each other, record
and evidence.  Evidence holds neither run ids nor wall-clock stamps, so nothing of it is left out of the comparison; a
record is compared without its run and its hour.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from robot import api

from rig.evidence.record import EvidenceFile, Record, read
from rig.evidence.verdicts import Verdict
from tests.running import ROOT, Ended, Run, finished, started

JITTER = {"RIG_JITTER": "0.003"}  # up to 3 ms for each message: many times what one takes on this machine
RUN_S = 300.0
CROSS_SECTION = ("--include", "demo")
LEAST = 11  # tests in it that need no published messages


def digests(run: Ended) -> dict[str, str]:
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


def timeless(one: Record) -> Record:
    return replace(one, run="", started="", elapsed_s=0.0)


def unlike(one: Sequence[Record], other: Sequence[Record]) -> list[str]:
    """The tests that one of two runs says are repeatable, and whose records differ."""
    here, there = ({record.test: timeless(record) for record in records} for records in (one, other))
    both = {**here, **there}
    return [
        test
        for test in both
        if "yes" in {run[test].repeatable for run in (here, there) if test in run} and here.get(test) != there.get(test)
    ]


def repeatable(run: Ended) -> dict[str, str]:
    """Evidence and its digests, without that of tests which say that they do not repeat.  Every test that says it does
    and that ran has its evidence there, as its record has it."""
    found, records = digests(run), read(run.results)
    ran = [record for record in records if record.repeatable == "yes" and record.outcome is not Verdict.SKIPPED]
    assert len(ran) >= LEAST, run.said
    for record in ran:
        assert len(record.files) >= 4, record
        assert {one.name: one.sha256 for one in record.files}.items() <= {
            f"evidence/{name}": digest for name, digest in found.items()
        }.items()
    out = tuple(
        {str(Path(one.name).parent) for record in records if record.repeatable != "yes" for one in record.files}
    )
    return {name: digest for name, digest in found.items() if str(Path("evidence", name).parent) not in out}


def same(first: Ended, other: Ended) -> None:
    """Of every test that says it repeats, both runs left the same record and the same octets."""
    one, two = repeatable(first), repeatable(other)
    assert sorted(two) == sorted(one), other.said
    assert [name for name in one if two[name] != one[name]] == []
    assert unlike(read(first.results), read(other.results)) == []


YES = Record("Rig.A Test", "A Test", ("Rig",), "it closes", "PASS", "", repeatable="yes", run="1f", elapsed_s=1.0)
NO = replace(YES, repeatable="no, because a person takes part")


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        (YES, replace(YES, run="2a", started="later", elapsed_s=2.0), False),
        (YES, replace(YES, verdict="FAIL"), True),
        (YES, replace(YES, files=(EvidenceFile("evidence/a", 3, "ab"),)), True),
        (NO, replace(NO, verdict="FAIL"), False),
        (YES, NO, True),
    ],
)
def test_a_test_that_says_it_repeats_and_does_not_is_named(one: Record, other: Record, *, differs: bool) -> None:
    assert unlike([one], [other]) == (["Rig.A Test"] if differs else [])
    assert unlike([one], []) == (["Rig.A Test"] if one is YES else [])


def test_the_cross_section_has_one_to_three_tests_of_each_suite() -> None:
    files = sorted((ROOT / "robot_suites").rglob("*.robot"))
    assert len(files) >= 9
    for file in files:
        suite = api.TestSuite.from_file_system(file)
        assert 1 <= sum("demo" in test.tags for test in suite.tests) <= 3, file


def test_a_run_leaves_the_same_evidence_with_and_without_jitter(tmp_path: Path) -> None:
    plain, late = (
        finished(tmp_path / name, "--quiet", *CROSS_SECTION, env=environment)
        for name, environment in (("plain", {}), ("late", JITTER))
    )
    assert [run.closing()["more"] for run in (plain, late)] == ["", ""], plain.said
    same(plain, late)
    statuses = [{name: status for name, (status, _) in run.tests().items()} for run in (plain, late)]
    assert statuses[0] == statuses[1]


@pytest.mark.soak
def test_repeat_twenty_runs_with_jitter(tmp_path: Path) -> None:
    first: Run | None = None
    for number in range(10):
        for run in two_runs(tmp_path / str(number), JITTER, JITTER, arguments=CROSS_SECTION):
            first = first or run
            same(first, run)


@pytest.mark.soak
def test_the_whole_tree_leaves_the_same_evidence_twice(tmp_path: Path) -> None:
    plain, late = two_runs(tmp_path, {}, JITTER)
    assert len(repeatable(plain)) >= 4 * 30, plain.said
    same(plain, late)
