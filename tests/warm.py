"""`rig run` without the seconds that its three processes take to start: what they import is imported once.

One process that has imported everything and done nothing (``python -m tests.warm``) forks for each run; the run forks
for its broker and its bench.  Each has its own memory, its own standard streams, its own environment, as if it had been
started anew.  What a test wants to know of processes themselves (how they are started, what survives them) takes real
ones: ``tests.running.started``.

Must not live here: assertions.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from rig import child, cli

__all__ = ["CannotFork", "run"]

ROOT = Path(__file__).resolve().parent.parent
_START = child.start
MODULES = ("rig.run", "rig.node.bench_process", "rig.bus.broker_process", "rig.keywords.bench", "robot.run")


class CannotFork(Exception):
    """A run could not be made in this way; the text says why."""


def run(words: list[str], *, cwd: Path, env: Mapping[str, str], out: Path, err: Path, within_s: float) -> int:
    """Exit status of ``rig WORDS``; its standard output and error go to files.

    Raises :class:`subprocess.TimeoutExpired` when it takes longer than ``within_s``; it is gone then.
    """
    return _warm().run({"words": words, "cwd": str(cwd), "env": dict(env), "out": str(out), "err": str(err)}, within_s)


class _Warm:
    """The process that forks, as seen from the tests."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )

    def run(self, wish: Mapping[str, Any], within_s: float) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")
        self._process.stdin.flush()
        pid = self._hear(within_s, 0)
        return self._hear(within_s, pid)

    def close(self) -> None:
        """End it, and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _hear(self, within_s: float, pid: int) -> int:
        out = self._process.stdout
        assert out is not None
        heard, _, _ = select.select([out], [], [], within_s)
        line = out.readline() if heard else b""
        if not line:
            for one in filter(None, (pid, self._process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            _made.clear()
            if heard:
                raise CannotFork(f"it ended with status {self._process.wait()}; its messages stand above")
            raise subprocess.TimeoutExpired("rig", within_s)
        return int(line)


_made: list[_Warm] = []


def _warm() -> _Warm:
    if not _made:
        _made.append(_Warm())
        atexit.register(_made[0].close)
    return _made[0]


# ----------------------------------------------------------------------------------------------- the process that forks


def _serve() -> None:
    """Fork for each line of standard input; say the process id, and the exit status when it is over."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    for line in orders:
        wish = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(wish, orders, answers)
        os.write(answers, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(wish: Mapping[str, Any], orders: IO[bytes], answers: int) -> NoReturn:
    os.setsid()
    os.chdir(wish["cwd"])
    os.environ.clear()
    os.environ.update(wish["env"])
    tempfile.tempdir = None  # the environment says where
    for path, number in ((os.devnull, 0), (wish["out"], 1), (wish["err"], 2)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | (os.O_TRUNC if number else 0), 0o644)
        os.dup2(opened, number)
        os.close(opened)
    os.close(orders.fileno())
    os.close(answers)
    sys.argv = ["rig", *wish["words"]]
    child.start = _forked
    _end_with(lambda: cli.main(wish["words"]))


def _forked(module: str, stderr: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """``rig.child.start``: a process that runs ``module``, made from this one, which must have but one thread."""
    if threading.active_count() > 1 or module not in sys.modules:
        return _START(module, stderr)
    main = sys.modules[module].main

    def serve() -> NoReturn:
        for number in map(int, os.listdir("/proc/self/fd")):  # whoever waits for it to start goes on
            if number > 2:
                with suppress(OSError):  # that of the listing itself
                    os.close(number)
        _end_with(main)

    return subprocess.Popen(
        [module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=serve,  # never comes back, so that nothing else is executed
    )


def _end_with(main: Callable[[], int]) -> NoReturn:
    """Do what a process does: its own streams, ``main``, its exit status."""
    status = 70
    try:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - they live as long as the process
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
        status = main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1 if ended.code else 0
    except Exception:  # noqa: BLE001 - whatever it is, it ends this process and no other
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    for name in MODULES:
        __import__(name)
    _serve()
