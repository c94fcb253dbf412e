"""Recorded bench times against a run, and what a bench on a real clock makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.cli import main
from rig.evidence import bench_times
from tests.running import finished, suite


def test_the_recorded_times_are_those_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two suites; of all of them where a whole run is at hand (`rig times RESULTS`)."""
    run = finished(tmp_path, "security/02_firewall.robot", "installation/03_neighbours.robot", "--quiet")
    assert main(["times", str(run.results)]) == 0, capsys.readouterr().out + run.said
    assert "5 of 5 as recorded" in capsys.readouterr().out


TESTS = (
    """Takes Long
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH
    Advance Time    2 hours
""",
    """Takes A Moment
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH
    Advance Time    1s
""",
    """Takes Long And Nobody Knows
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH
    Advance Time    1s
    Advance Time    2 hours
""",
)


def test_a_test_that_is_too_long_for_a_real_clock_is_skipped_beforehand(tmp_path: Path) -> None:
    bench_times.write(tmp_path / bench_times.NAME, {"Long": {"Takes Long": 7200.0, "Takes A Moment": 3.0}})
    run = finished(tmp_path, suite(tmp_path / "long.robot", *TESTS), "--bench", "line")
    tests = run.tests()
    assert tests["Takes A Moment"][0] == "PASS", run.said
    status, message = tests["Takes Long"]
    assert status == "SKIP"
    assert "SKIPPED: slow: it takes 2 h on a real clock, and this bench allows a test 30 min" in message
    status, message = tests["Takes Long And Nobody Knows"]
    assert status == "SKIP"
    assert "SKIPPED: slow: it takes 2 h on a real clock" in message
    assert (
        "on this bench's real clock 1 tests take about 3 s; 1 that take longer than 30 min each are skipped" in run.out
    )
