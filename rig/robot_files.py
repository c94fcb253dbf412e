"""Robot's result files, made to take any text, and to outlive a disk that is full.

A message, name or tag may hold a lone surrogate: what Python makes of an octet that is no UTF-8, in a file's name as in
what a device shows.  Robot's own writers break down at it, and the results of a whole night are lost; so they do at a
write that fails, and then nobody is told which tests had ended how.

Must not live here: our own files.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from robot.output import outputfile  # type: ignore[import-untyped]
from robot.result import model  # type: ignore[import-untyped]
from robot.utils import robotio  # type: ignore[import-untyped]

__all__ = ["forgiving"]

WRITERS = (outputfile, model, robotio)
"""Where Robot opens the files that it writes texts to."""


class _Careful:
    """A text file that takes writes in silence once one has failed; the failure is noted in ``lost``."""

    def __init__(self, stream: Any, lost: list[OSError]) -> None:
        self._stream, self._lost, self._failed = stream, lost, False

    def write(self, text: str) -> None:
        self._try(lambda: self._stream.write(text))

    def flush(self) -> None:
        self._try(self._stream.flush)

    def close(self) -> None:
        self._try(self._stream.close)

    def __enter__(self) -> _Careful:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, what: Callable[[], object]) -> None:
        if self._failed:
            return
        try:
            what()
        except OSError as problem:
            self._failed = True
            self._lost.append(OSError(problem.errno, problem.strerror, str(self._stream.name)))
            with suppress(OSError):
                self._stream.close()


@contextmanager
def forgiving() -> Iterator[list[OSError]]:
    """While the body runs, what no file can hold is written as its escape; the list is of the files that are not whole
    in the end."""
    lost: list[OSError] = []

    def careful(file: Any, mode: str = "r", **named: Any) -> Any:
        if "w" not in mode or "b" in mode:
            return builtins.open(file, mode, **named)
        return _Careful(builtins.open(file, mode, **{"errors": "backslashreplace", **named}), lost)

    for module in WRITERS:
        vars(module)["open"] = careful
    try:
        yield lost
    finally:
        for module in WRITERS:
            del vars(module)["open"]
