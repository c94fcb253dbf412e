"""`rig up`: a bench that stays up for plain `robot`, under one name, and ends in good order."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.exits import Exit
from tests.running import AFTER, BENCH, BROKER, Run, finished, holding, started, suite, until

SOON_S = 20.0


@dataclass
class UpBench:
    """A bench that `rig up` keeps up, and what it printed for a shell."""

    run: Run
    variables: dict[str, str]

    def robot(self, folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Plain `robot` in ``folder``, with no more than the variables that were printed."""
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "robot", "--outputdir", str(folder / "out"), *map(str, words)]
        env = {**environment(), **self.variables}
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env, timeout=90)


def environment() -> Mapping[str, str]:
    root = str(Path(__file__).resolve().parents[1])
    return {**{name: value for name, value in os.environ.items() if not name.startswith("RIG_")}, "PYTHONPATH": root}


def exported(text: str) -> dict[str, str]:
    return {
        name: shlex.split(value)[0] if value else ""
        for name, value in re.findall(r"^export ([A-Z_]+)=(.*)$", text, re.MULTILINE)
    }


def ends_clean(run: Run) -> None:
    """A bench that was told to end does so with the status of what was stopped, and leaves nothing."""
    assert run.wait(SOON_S) == Exit.STOPPED, run.said
    run.nothing_left()
    assert run.err.endswith("rig up: stopped\n")
    assert "Traceback" not in run.said
    assert list((run.folder / "scratch").iterdir()) == []


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpBench]:
    folder = tmp_path_factory.mktemp("up")
    with started(folder, command="up") as run:
        until(lambda: "is up" in run.err or run.process.poll() is not None, "the bench to be up")
        assert run.process.poll() is None, run.said
        yield UpBench(run, exported(run.out))
        os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
        ends_clean(run)


def test_it_prints_what_robot_needs_and_nothing_else(bench: UpBench) -> None:
    assert set(bench.variables) >= {"RIG_BROKER", "RIG_BENCH", "RIG_NODES", "RIG_EVIDENCE", "RIG_TLS"}
    assert all(name.startswith("RIG_") for name in bench.variables)
    assert all(line.startswith("export ") for line in bench.run.out.splitlines())
    assert len(bench.run.alive()) == 3


def test_plain_robot_runs_twice_and_no_evidence_is_overwritten(bench: UpBench, tmp_path: Path) -> None:
    mine = suite(tmp_path / "mine.robot", AFTER)
    for name in ("first", "second"):
        done = bench.robot(tmp_path / name, mine)
        assert done.returncode == 0, done.stdout + done.stderr
    places = sorted(path.parent.name for path in Path(bench.variables["RIG_EVIDENCE"]).rglob("timeline.jsonl"))
    assert places == ["comes-after", "comes-after-2"]
    logged = (tmp_path / "second" / "out" / "output.xml").read_text(encoding="utf-8")
    links = re.findall(r"href='file://([^']*)'", logged)
    assert links
    assert all(Path(link).is_file() for link in links)
    assert all("/comes-after-2/" in link for link in links)


def test_verdicts_become_robots_under_plain_robot_too(bench: UpBench, tmp_path: Path) -> None:
    mine = suite(
        tmp_path / "mine.robot",
        "Broken\n    [Setup]    No Operation\n    Skip    INFRA: nothing\n    [Teardown]    Fail    x\n",
    )
    done = bench.robot(tmp_path / "run", mine)
    assert "1 skipped" in done.stdout, done.stdout


def test_a_second_run_on_a_broker_is_refused_and_leaves_the_first_alone(tmp_path: Path) -> None:
    """Two whole runs, on a broker that is a third one's: the second is told whose the name is, and until when."""
    begun = tmp_path / "begun"
    test = holding(begun).replace("WHILE    True", "WHILE    not os.path.exists(r'" + str(tmp_path / "go") + "')")
    test += "    Expectation Should Hold    ${True}    nobody disturbed it\n"
    with started(tmp_path / "broker", command="up", out=True) as up:
        until(lambda: "is up" in up.err or up.process.poll() is not None, "the bench to be up")
        url = exported(up.out)["RIG_BROKER"]
        named = ("--set", f"broker={url}", "--set", "name=shared")
        with started(tmp_path / "first", suite(tmp_path / "hold.robot", test), *named) as first:
            until(lambda: begun.exists() or first.process.poll() is not None, "the first run's test to begin")
            assert first.process.poll() is None, first.said
            second = finished(tmp_path / "second", suite(tmp_path / "after.robot", AFTER), *named)
            assert second.wait() == Exit.INFRA, second.said
            (line,) = second.err.splitlines()
            for word in (
                "INFRA",
                "bench shared",
                f"process {first.process.pid}",
                "held by robot",
                "until",
                "--set name=",
            ):
                assert word in line
            (tmp_path / "go").touch()
            assert first.wait() == Exit.GOOD, first.said
        up.process.terminate()
        ends_clean(up)


@pytest.mark.parametrize("module", [pytest.param(BROKER, marks=pytest.mark.soak), BENCH])
def test_a_bench_that_breaks_is_infra(module: str, tmp_path: Path) -> None:
    with started(tmp_path, command="up") as run:
        until(lambda: "is up" in run.err or run.process.poll() is not None, "the bench to be up")
        os.kill(run.child(module), signal.SIGKILL)
        assert run.wait(SOON_S) == Exit.INFRA, run.said
        run.nothing_left()
    assert "INFRA: " in run.err
    assert "ended by itself" in run.err
    assert "Traceback" not in run.said
