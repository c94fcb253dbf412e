"""A copy of the tree, with an interpreter that imports the project from there and everything else as the checkout does.

Must not live here: what is run in it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sysconfig
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "Tree"]

ROOT: Final = Path(__file__).resolve().parent.parent.parent
_MARK: Final = "RIG_MUTATION_MARK"
_LEFT: Final = shutil.ignore_patterns(
    ".*_cache", "__pycache__", ".git", ".venv", ".hypothesis", ".mutation", "results", "dist", "build", "*.egg-info"
)
_LONG_AGO: Final = 1_500_000_000  # seconds since 1970


class Tree:
    """One copy in ``folder``, made anew."""

    def __init__(self, folder: Path) -> None:
        self.root = folder.resolve() / "tree"
        self.python = folder.resolve() / "venv" / "bin" / "python"
        self._folder = folder.resolve()
        self._changes = 0
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(ROOT, self.root, ignore=_LEFT)
        self._interpreter()

    def _interpreter(self) -> None:
        """An environment that holds nothing but the way to the checkout's packages, without its way to the checkout."""
        venv.create(self._folder / "venv", with_pip=False, symlinks=True)
        packages = next((self._folder / "venv" / "lib").glob("python*/site-packages"))
        shutil.copy(Path(__file__).with_name("trace.py"), packages / "mutation_trace.py")
        lines = (str(self.root), sysconfig.get_path("purelib"), "import mutation_trace; mutation_trace.trace_child()")
        (packages / "mutation.pth").write_text("\n".join(lines) + "\n", "utf-8")

    @contextmanager
    def changed(self, file: str, source: bytes) -> Iterator[None]:
        """The tree with another content of ``file``; afterwards it has its own again."""
        path = self.root / file
        good = path.read_bytes()
        try:
            self._write(path, source)
            yield
        finally:
            self._write(path, good)

    def _write(self, path: Path, source: bytes) -> None:
        """Byte code is known to be stale by the time of its source, in seconds: each version gets one of its own."""
        path.write_bytes(source)
        self._changes += 1
        stamp = _LONG_AGO + self._changes
        os.utime(path, (stamp, stamp))

    def pytest(self, *arguments: str, environment: Mapping[str, str], timeout_s: float) -> tuple[int | None, str]:
        """Run pytest in the copy, in one process: its exit status (None: stopped after ``timeout_s``) and its words.

        Nothing that it started is left, also where it would have been without us.
        """
        mark = f"{os.getpid()}-{self._folder.name}-{self._changes}"
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHON"))}
        env |= {_MARK: mark, "RIG_VENV": str(self._folder / "venv"), **_corpus(), **environment}
        command = [str(self.python), "-m", "pytest", "-q", "-n", "0", "-p", "tests.mutation.plugin", *arguments]
        out = self._folder / "pytest.txt"
        with out.open("wb") as said:
            process = subprocess.Popen(
                command, cwd=self.root, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
            try:
                status: int | None = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                _end_all(mark)
                process.wait()
        return status, out.read_text("utf-8", "replace")


def _corpus() -> dict[str, str]:
    """The published messages, where the checkout finds them."""
    folder = Path(os.environ.get("RIG_CORPUS", ROOT.parent / "shared" / "corpus"))
    return {"RIG_CORPUS": str(folder)} if folder.is_dir() else {}


def _end_all(mark: str) -> None:
    """End every process whose environment carries the mark."""
    wanted = f"{_MARK}={mark}".encode()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                if wanted in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)
