"""Which functions of the product a process calls: noted once each, by qualified name.

Imports nothing of the project: the interpreter of a copied tree loads it in every process that a test starts
(``RIG_MUTATION_TRACE`` names the folder for what they note), the test process by the ``plugin``.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

__all__ = ["FOLDER", "Tracer", "trace_child"]

FOLDER = "RIG_MUTATION_TRACE"
ROOT = "RIG_MUTATION_ROOT"
_PRODUCT = ("rig", "devices")


class Tracer:
    """Tells ``note`` of each function ``file::qualified name`` of the product under ``root`` on its first call."""

    def __init__(self, root: Path, note: Callable[[str], None]) -> None:
        self._prefixes = tuple(f"{root / package}{os.sep}" for package in _PRODUCT)
        self._root = len(str(root)) + 1
        self._note = note
        self._seen: set[CodeType] = set()

    def start(self) -> None:
        """Trace this thread and those that start from now on."""
        threading.settrace(self)
        sys.settrace(self)

    @staticmethod
    def stop() -> None:
        """Trace no longer."""
        sys.settrace(None)
        threading.settrace(None)

    def forget(self) -> None:
        """Note everything anew."""
        self._seen.clear()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Take one call; no line of the function is traced."""
        code = frame.f_code
        if code in self._seen:
            return
        self._seen.add(code)
        if code.co_filename.startswith(self._prefixes):
            self._note(f"{code.co_filename[self._root :]}::{code.co_qualname}")


def trace_child() -> None:
    """Trace this process, where ``RIG_MUTATION_TRACE`` says so, for the test that started it.

    Each function is written down at once: such processes are killed as often as they end.
    """
    folder, root = os.environ.get(FOLDER), os.environ.get(ROOT)
    test = os.environ.get("PYTEST_CURRENT_TEST")
    if not folder or not root or not test:
        return
    where = Path(folder) / f"{os.getpid()}-{os.urandom(4).hex()}.txt"
    out = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(out, f"{test}\n".encode())
    Tracer(Path(root), lambda name: void(os.write(out, f"{name}\n".encode()))).start()


def void(_: object) -> None:
    """Nothing, whatever was returned."""
