"""`rig run` as a process, for tests: start it, wait for what it does, find what it left behind.

Every process of a run, however deep, carries a mark in its environment, so that what survives a run is found even
when its parents are gone.  Nothing here waits for a fixed time: a condition is looked at until it holds or a deadline
passes.

Must not live here: assertions about results.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import warm
from tests.mutation import trace

ROOT = Path(__file__).resolve().parent.parent
RESOURCE = "rig/rig.resource"
"""The one path by which a suite anywhere gets the keywords, in a clone and from a wheel."""
MARK = "RIG_TEST_MARK"
DEADLINE_S = 90.0
"""For a whole step on a slow and busy machine; what a test measures has limits of its own."""
BROKER, BENCH, DEVICE = "rig.bus.broker_process", "rig.node.bench_process", "rig.node.device_process"

# A shell that starts programs in the background has them ignore Ctrl-C, and children inherit that; a terminal does not.
WITH_CTRL_C = (
    "import os,signal,sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
)
CLOSING = re.compile(
    r"^rig run: (?P<total>\d+) tests: (?P<passed>\d+) passed, (?P<failed>\d+) failed, (?P<skipped>\d+) skipped"
    r"(?P<more>(?:, \d+ [A-Z]+)*)(?:; nothing was judged)? in \d+\.\d s \([^)]*\); "
    r"results: (?P<results>.+), evidence: (?P<evidence>.+)$",
    re.MULTILINE,
)


def until(condition: Callable[[], object], what: str, within_s: float = DEADLINE_S) -> None:
    """Return when ``condition`` is true; fail the test, saying ``what`` was waited for, when that takes too long."""
    deadline, pause = time.monotonic() + within_s, threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {within_s:g} s for {what}")
        pause.wait(0.02)


@dataclass
class Ended:
    """One `rig run` that is over: what it said and what it wrote."""

    folder: Path
    status: int

    @property
    def out(self) -> str:
        return (self.folder / "stdout").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return (self.folder / "stderr").read_text(encoding="utf-8")

    @property
    def results(self) -> Path:
        """Where it was told to write results."""
        return self.folder / "out"

    @property
    def said(self) -> str:
        """All that it said, for the message of a failing assertion."""
        return f"{self.out}\n{self.err}"

    def wait(self, within_s: float = DEADLINE_S) -> int:
        """Its exit status."""
        return self.status

    def closing(self) -> dict[str, str]:
        """What the closing line says."""
        found = CLOSING.search(self.out)
        assert found, f"no closing line:\n{self.said}"
        return found.groupdict()

    def tests(self) -> dict[str, tuple[str, str]]:
        """Test name to status and message, from output.xml."""
        tree = ElementTree.parse(self.results / "output.xml")
        found = {}
        for test in tree.iter("test"):
            status = test.find("status")
            assert status is not None
            found[test.attrib["name"]] = (status.attrib["status"], status.text or "")
        return found


class Run(Ended):
    """One `rig run` as it goes: its process, and everything that it started."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, mark: str) -> None:
        super().__init__(folder, -1)
        self.process, self.mark = process, mark

    def wait(self, within_s: float = DEADLINE_S) -> int:
        """Its exit status."""
        try:
            self.status = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {within_s:g} s:\n{self.said}")
        return self.status

    def alive(self) -> dict[int, str]:
        """Every living process of this run: id to command line."""
        return _marked(self.mark)

    def child(self, module: str) -> int:
        """The id of the process of this run that runs ``module``."""
        alive = self.alive()
        mine = [pid for pid, line in alive.items() if module in line and _parent(pid) in alive]
        assert len(mine) == 1, f"expected one {module} among {alive}"
        return mine[0]

    def nothing_left(self, within_s: float = 15.0) -> None:
        """Wait until no process of this run is alive; fail with those that are."""
        deadline, pause = time.monotonic() + within_s, threading.Event()
        while left := self.alive():
            if time.monotonic() > deadline:
                pytest.fail(f"still there {within_s:g} s after the end: {left}")
            pause.wait(0.02)


@contextmanager
def started(
    folder: Path, *args: str | Path, env: Mapping[str, str] | None = None, out: bool = True, command: str = "run"
) -> Iterator[Run]:
    """Start `rig run` (or another ``command``) with ``args`` in ``folder``, its results in ``folder``/out (``out``: say
    so); a group of its own, as a terminal would make it.  What is alive at the end is killed."""
    mark = uuid.uuid4().hex
    given = _words(folder, command, args, out)
    environment = _environment(folder, {MARK: mark, **(env or {})})
    words = [sys.executable, "-c", WITH_CTRL_C, sys.executable, "-m", "rig.cli", *given]
    with (folder / "stdout").open("wb") as said, (folder / "stderr").open("wb") as complained:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=complained,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    run = Run(process, folder, mark)
    try:
        yield run
    finally:
        for pid in run.alive():
            _kill(pid)
        process.wait()


def finished(folder: Path, *args: str | Path, env: Mapping[str, str] | None = None, out: bool = True) -> Ended:
    """A `rig run` from start to end, in processes made the quick way (``tests.warm``)."""
    if trace.FOLDER in os.environ:  # who traces a process starts with it
        with started(folder, *args, env=env, out=out) as run:
            run.wait()
        return run
    words, environment = _words(folder, "run", args, out), _environment(folder, env or {})
    said, complained = folder / "stdout", folder / "stderr"
    try:
        status = warm.run(words, cwd=folder, env=environment, out=said, err=complained, within_s=DEADLINE_S)
    except subprocess.TimeoutExpired:
        pytest.fail(f"still running after {DEADLINE_S:g} s:\n{said.read_text('utf-8')}{complained.read_text('utf-8')}")
    return Ended(folder, status)


def _words(folder: Path, command: str, args: tuple[str | Path, ...], out: bool) -> list[str]:
    return [command, *map(str, args), *(("--out", str(folder / "out")) if out else ())]


def _environment(folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Ours with the way to the product, and a place for scratch files of its own, which is made."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, "PYTHONPATH": path, "TMPDIR": str(scratch), **env}


def suite(path: Path, *tests: str) -> Path:
    """Write a Robot suite that uses the rig's own resource; ``tests`` are test cases in Robot's words."""
    head = f"*** Settings ***\nResource    {RESOURCE}\nLibrary    OperatingSystem\nTest Teardown    Finish Test\n"
    path.write_text(head + "\n*** Test Cases ***\n" + "\n".join(tests), encoding="utf-8")
    return path


def holding(begun: Path) -> str:
    """A test that says in the file ``begun`` that it runs, and then lets bench time pass, second after second."""
    return f"""Holds
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH
    Create File    {begun}
    WHILE    True    limit={DEADLINE_S:g} seconds
        Advance Time    1s
    END
"""


AFTER = """Comes After
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH
    Advance Time    1s
    Expectation Should Hold    ${True}    a second has passed
"""


def waiting(begun: Path, go: Path) -> str:
    """A test that says in ``begun`` that it runs, passes when there is a file ``go``, and works the bench before and
    after."""
    return f"""Waits
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH
    Create File    {begun}
    Wait Until Created    {go}    timeout={DEADLINE_S:g} s
    Advance Time    1s
    Civil Time
    Expectation Should Hold    ${{True}}    a second has passed
"""


# ----------------------------------------------------------------------------------------------------------- processes


def _marked(mark: str) -> dict[int, str]:
    wanted, found = f"{MARK}={mark}".encode(), {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:  # gone meanwhile, or somebody else's
            continue
    return found


def _parent(pid: int) -> int:
    try:
        # The name in brackets may hold spaces and brackets; state and parent follow the last of them.
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:  # it ended by itself
        return


# ---------------------------------------------------------------------------------------------------------- the witness


def stock_tshark(*arguments: str | Path) -> str:
    """Run stock tshark without preferences, keys or options of ours; where it is missing the test skips, or fails if
    this is CI."""
    program = shutil.which("tshark")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tshark is missing: install the package tshark")
        pytest.skip("tshark is not installed")
    bare = os.environ | {"WIRESHARK_CONFIG_DIR": os.devnull, "HOME": os.devnull}
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, env=bare, check=False, timeout=DEADLINE_S
    )
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout
