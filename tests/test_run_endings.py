"""How a run ends when something ends it: a process that dies, Ctrl-C, `kill -9`; and two runs side by side."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.running import AFTER, BENCH, BROKER, DEVICE, Run, holding, started, suite, until, waiting

INFRA, STOPPED = 255, 253
CTRL_C_S = 2.0
SOON_S = 20.0
"""How long a run may go on after it was hit: a few seconds, on a machine that may be many times slower than ours."""


@contextmanager
def in_mid_run(folder: Path, *args: str) -> Iterator[Run]:
    """A run whose first test works the bench without end, and that a second one would follow."""
    begun = folder / "begun"
    with started(folder, suite(folder / "hold.robot", holding(begun), AFTER), *args) as run:
        until(lambda: begun.exists() or run.process.poll() is not None, "the test to begin")
        assert run.process.poll() is None, run.said
        yield run


def children(run: Run) -> list[str]:
    """The modules that processes of this run execute, itself included."""
    return sorted(line.split(" -m ")[1].split()[0] for line in run.alive().values())


@pytest.mark.parametrize("module", [BROKER, BENCH])
def test_process_that_dies_in_mid_run_is_infra_and_never_a_failure(tmp_path: Path, module: str) -> None:
    with in_mid_run(tmp_path) as run:
        os.kill(run.child(module), signal.SIGKILL)
        assert run.wait(SOON_S) == INFRA, run.said
        run.nothing_left()
    verdicts = run.tests()
    assert list(verdicts) == ["Holds", "Comes After"]
    for status, message in verdicts.values():
        assert status == "SKIP"
        assert "INFRA: " in message
    assert "it ended by itself" in verdicts["Comes After"][1]
    assert "start the run again" in verdicts["Comes After"][1]
    assert "it is claimed anew" not in run.said  # which would be in vain, and take seconds a test
    assert 'status="FAIL"' not in (run.results / "output.xml").read_text(encoding="utf-8").partition("<errors>")[0]
    closing = run.closing()
    assert (closing["passed"], closing["failed"], closing["more"]) == ("0", "0", ", 2 INFRA")
    assert "Traceback" not in run.said


def test_after_a_hiccup_the_next_test_claims_the_bench_anew(tmp_path: Path) -> None:
    """The process of a device dies: that test is INFRA, and the next one has a new premises with a new process."""
    with in_mid_run(tmp_path, "--bench", "line") as run:
        os.kill(run.child(DEVICE), signal.SIGKILL)
        assert run.wait(SOON_S) == INFRA, run.said
        run.nothing_left()
    tests = run.tests()
    assert [status for status, _ in tests.values()] == ["SKIP", "PASS"], tests
    assert "INFRA: " in tests["Holds"][1]
    assert "it is claimed anew" in (run.results / "output.xml").read_text(encoding="utf-8")


LONG = """Times Out
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH
    [Timeout]    1 second
    Create File    {begun}
    Advance Time    10 minutes
"""


def test_a_keyword_that_times_out_holds_up_nobody_on_a_real_clock(tmp_path: Path) -> None:
    """The bench would let ten minutes pass: what timed out is a FAIL, and the next test runs at once."""
    test = suite(tmp_path / "long.robot", LONG.format(begun=tmp_path / "begun"), AFTER)
    with started(tmp_path, test, "--bench", "line") as run:
        assert run.wait() == 1, run.said
        run.nothing_left()
    tests = run.tests()
    assert tests["Times Out"][0] == "FAIL"
    assert "timeout 1 second exceeded" in tests["Times Out"][1]
    assert tests["Comes After"][0] == "PASS"


def test_ctrl_c_on_a_real_clock_ends_soon(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    test = suite(tmp_path / "long.robot", LONG.format(begun=begun).replace("1 second", "1 hour"), AFTER)
    with started(tmp_path, test, "--bench", "line") as run:
        until(lambda: begun.exists() or run.process.poll() is not None, "the test to begin")
        hit = time.monotonic()
        os.killpg(run.process.pid, signal.SIGINT)
        until(lambda: "Report:" in run.out or run.process.poll() is not None, "Robot to end")
        took = time.monotonic() - hit
        assert run.wait(SOON_S) == STOPPED, run.said
        run.nothing_left()
    assert took < CTRL_C_S, f"{took:.1f} s until the tests had ended and their report was written"
    assert [status for status, _ in run.tests().values()] == ["FAIL", "FAIL"]


def test_ctrl_c_stops_robot_and_everything_else(tmp_path: Path) -> None:
    with in_mid_run(tmp_path) as run:
        assert children(run) == [BROKER, "rig.cli", BENCH]
        os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does: the whole group of the program in front
        assert run.wait(SOON_S) == STOPPED, run.said
        run.nothing_left()
    assert [status for status, _ in run.tests().values()] == ["FAIL", "FAIL"]  # Robot has no other word for it
    closing = run.closing()
    assert (closing["passed"], closing["failed"], closing["more"]) == ("0", "0", ", 2 ABORTED")
    assert "Traceback" not in run.said
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.soak), signal.SIGHUP])
def test_a_stop_ends_a_wait_on_a_real_clock_at_once(number: signal.Signals, tmp_path: Path) -> None:
    """Within 2 s, on a machine that has a core to spare for it; Ctrl-C (also tried above) and a terminal that closes
    are the same."""
    begun = tmp_path / "begun"
    test = AFTER.replace("Advance Time    1s", f"Create File    {begun}\n    Advance Time    10 minutes")
    mine = suite(tmp_path / "long.robot", test, AFTER.replace("Comes After", "Comes Last"))
    with started(tmp_path, mine, "--bench", "line") as run:
        until(lambda: begun.exists() or run.process.poll() is not None, "the test to begin")
        assert run.process.poll() is None, run.said
        at = time.monotonic()
        run.process.send_signal(number)
        assert run.wait(SOON_S) == STOPPED, run.said
        took, share = time.monotonic() - at, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        run.nothing_left()
    assert took < 2.0 * share, f"{took:.1f} s, where each process gets a {share:.1f}th of a core"
    assert "2 ABORTED" in run.closing()["more"]
    assert "Traceback" not in run.said


@pytest.mark.soak
def test_second_ctrl_c_does_not_wait_for_the_test(tmp_path: Path) -> None:
    with in_mid_run(tmp_path) as run:
        os.killpg(run.process.pid, signal.SIGINT)
        until(lambda: "Second signal will force exit" in run.err, "Robot to take the first")
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.wait(SOON_S) == STOPPED, run.said
        run.nothing_left()
    assert "Traceback" not in run.said


PHASES: dict[str, Callable[[Run], object]] = {
    "as the bench process starts": lambda run: BENCH in str(run.alive()),
    # Its folder for the journal is there, so it is at the next step: asking for the broker, for seconds.
    "while it waits for its broker": lambda run: list((run.folder / "scratch").glob("rig-*")),
}


@pytest.mark.parametrize("reached", PHASES.values(), ids=PHASES)
def test_ctrl_c_before_robot_begins(tmp_path: Path, reached: Callable[[Run], object]) -> None:
    """The bench is to find a broker where nobody runs one, and Ctrl-C comes before it gives up."""
    with started(tmp_path, "contactor_valve", "--set", "broker=mqtt://127.0.0.1:9") as run:
        until(lambda: reached(run) or run.process.poll() is not None, "the bench process")
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.wait(SOON_S) == STOPPED, run.said
        run.nothing_left()
    assert run.err == "rig run: stopped\n"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_nothing_outlives_a_run_that_was_killed(tmp_path: Path) -> None:
    with in_mid_run(tmp_path) as run:
        assert children(run) == [BROKER, "rig.cli", BENCH]
        run.process.kill()
        run.wait(SOON_S)
        run.nothing_left(SOON_S)
    assert list((tmp_path / "scratch").iterdir()) == []  # the bench ended in good order: outputs safe, files gone


@pytest.mark.soak
def test_nothing_outlives_a_killed_run_whose_bench_follows_real_time(tmp_path: Path) -> None:
    """A meter in a process of its own, and a command that would go on for minutes."""
    begun = tmp_path / "begun"
    test = f"""Waits Long
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH
    Create File    {begun}
    Advance Time    10 minutes
"""
    with started(tmp_path, suite(tmp_path / "long.robot", test), "--bench", "line") as run:
        until(lambda: begun.exists() or run.process.poll() is not None, "the test to begin")
        assert children(run) == [BROKER, "rig.cli", BENCH, DEVICE]
        run.process.kill()
        run.wait(SOON_S)
        run.nothing_left(SOON_S)


@pytest.mark.soak
def test_two_runs_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with ExitStack() as stack:
        runs = []
        for name in ("left", "right"):
            folder = tmp_path / name
            folder.mkdir()
            test = suite(folder / "wait.robot", waiting(folder / "begun", go))
            runs.append(stack.enter_context(started(folder, test)))
        for run in runs:
            until(lambda run=run: (run.folder / "begun").exists() or run.process.poll() is not None, "both tests")  # type: ignore[misc]
        assert [len(run.alive()) for run in runs] == [3, 3]
        go.touch()
        for run in runs:
            assert run.wait() == 0, run.said
            run.nothing_left()
    for run in runs:
        assert {name: status for name, (status, _) in run.tests().items()} == {"Waits": "PASS"}
        assert len(list((run.results / "evidence").rglob("timeline.jsonl"))) == 1
