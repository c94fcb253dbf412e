"""No traceback and no lost verdict where the machine gives out: disk, output, directory, files, a starting process."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from robot import running

from rig import bench_up, child
from rig.bus import broker_process
from rig.bus.broker import EmbeddedBroker
from rig.bus.errors import BrokerGone, BusError
from rig.cli import main
from rig.exits import Exit
from rig.node import bench_process, device_process
from rig.robot_files import forgiving
from tests.running import AFTER, ROOT, suite

RIG = [sys.executable, "-m", "rig.cli"]
SCRIPT_S = 90.0


def shell(line: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in ``folder``; "$@" in it is the command `rig` with ``words``."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["sh", "-c", line, "sh", *RIG, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env, timeout=SCRIPT_S)


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ('"$@" >/dev/full', Exit.INFRA, "rig list: INFRA: output: No space left on device\n"),
        ('"$@" >&-', Exit.GOOD, ""),
        ('"$@" <&- >&- 2>&-', Exit.GOOD, ""),
        ('"$@" 2>&- >/dev/full', Exit.INFRA, ""),
        ('{ "$@"; echo $? >status; } | :; exit $(cat status)', Exit.GOOD, ""),
        ('mkdir gone; cd gone; rmdir ../gone; "$@"', Exit.MISUSE, "rig: the working directory is gone; "),
    ],
)
def test_a_command_whose_output_or_directory_is_gone(line: str, status: int, said: str, tmp_path: Path) -> None:
    done = shell(line, tmp_path, "list", "use-cases")
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


def test_a_run_whose_files_cannot_grow_is_infra_and_says_what_is_not_whole(tmp_path: Path) -> None:
    """As on a disk that fills up in the middle: evidence, record and results all meet the limit."""
    limit = 'PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE; ulimit -f 24; exec "$@"'  # else .pyc are cut
    mine = suite(tmp_path / "mine.robot", AFTER, AFTER.replace("Comes After", "Comes Last"))
    done = shell(limit, tmp_path, "run", str(mine), "--bench", "direct", "--out", "out")
    assert done.returncode == Exit.INFRA, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "is not whole: File too large" in done.stderr
    assert "rig run: 2 tests: " in done.stdout
    assert "0 failed" in done.stdout


def test_a_run_with_every_stream_closed_ends_as_it_would(tmp_path: Path) -> None:
    mine = suite(tmp_path / "mine.robot", AFTER)
    done = shell('exec "$@" <&- >&- 2>&-', tmp_path, "run", str(mine), "--dryrun", "--out", "out")
    assert done.returncode == Exit.GOOD
    assert (tmp_path / "out" / "log.html").is_file()


def test_robots_files_take_lone_surrogates_wherever_they_stand(tmp_path: Path) -> None:
    odd = "lone \udce9"
    made = running.TestSuite(odd, doc=odd, metadata={odd: odd})
    test = made.tests.create(odd, tags=[odd], doc=odd)
    test.body.create_keyword("Log", args=["\\udce9"])
    test.body.create_keyword("Fail", args=["\\udce9"])
    with forgiving() as lost:
        for output in ("output.xml", "output.json"):
            result = made.run(output=str(tmp_path / output), log=None, report=None, console="none")
            assert result.return_code == 1
            assert "\\udce9" in (tmp_path / output).read_text(encoding="utf-8")
    assert lost == []


def test_robots_files_on_a_full_disk_are_named_and_nothing_breaks(tmp_path: Path) -> None:
    output = tmp_path / "output.xml"
    output.symlink_to("/dev/full")
    made = running.TestSuite("Full")
    made.tests.create("Test").body.create_keyword("Log Many", args=["x" * 1000] * 100)
    with forgiving() as lost:
        result = made.run(output=str(output), log=None, report=None, console="none")
    assert result.suite.passed
    (problem,) = lost
    assert (problem.filename, problem.strerror) == (str(output), os.strerror(28))


@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (32, 32))

    def refused(_which: int, _limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refused)


@pytest.mark.usefixtures("few_files")
def test_too_few_files_are_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(suite(tmp_path / "mine.robot", AFTER)), "--out", "out"]) == Exit.INFRA
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rig run: INFRA: this session: it may open 32 files, and a bench needs ")
    assert "ulimit -n" in line


ENDS = {
    "killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9"),
    "without a module": ("import nonexistent_module", "No module named 'nonexistent_module'"),
    "without files": (
        "import os; raise OSError(24, os.strerror(24))",
        "Too many open files",
    ),
    "without a word": ("import sys; sys.exit(7)", "did not start"),
}


def dies(program: str) -> Callable[[str], list[str]]:
    return lambda _module: [sys.executable, "-c", f"import sys; sys.stdin.readline(); {program}"]


@pytest.mark.parametrize(("program", "said"), ENDS.values(), ids=ENDS)
def test_a_broker_that_ends_as_it_starts_is_told_with_its_cause(
    program: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "command", dies(program))
    with pytest.raises(BrokerGone) as told:
        EmbeddedBroker().start()
    assert said in str(told.value)
    assert "amqtt" not in str(told.value)


@pytest.mark.parametrize(
    ("program", "said"), [(ENDS["killed"][0], "killed by signal 9"), (ENDS["without a word"][0], "status 7")]
)
def test_a_bench_that_ends_as_it_starts_is_told_with_its_cause(
    program: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = bench_up.order("direct", ["broker=mqtt://127.0.0.1:9"])
    monkeypatch.setattr(child, "command", dies(program))
    with pytest.raises(BusError, match=said), bench_up.up(wanted, None):
        pytest.fail("it came up")


class Reached(Exception):
    """A process has said that it will end soon."""


@pytest.mark.parametrize(
    "begins",
    [bench_process.main, device_process.main, broker_process.main, lambda: main(["list", "faults"])],
    ids=["bench", "device", "broker", "command"],
)
def test_no_process_of_ours_looks_for_garbage_as_it_ends(
    begins: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C that was most of the time until the shell was back."""

    def reached() -> None:
        raise Reached

    monkeypatch.setattr(child, "end_soon", reached)
    with pytest.raises(Reached):
        begins()


def test_a_process_that_ends_soon_keeps_its_objects_from_the_search() -> None:
    asks = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 1000))"
    program = f"{asks}; from rig import child; child.end_soon()"  # what is registered last is called first
    done = subprocess.run(
        [*child.command("x")[:2], "-c", program],
        capture_output=True, text=True, check=False, env=child.environment(), timeout=SCRIPT_S,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr
