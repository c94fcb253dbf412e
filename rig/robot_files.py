"""Robot's result files, made to take any text.

A message, name or tag may hold a lone surrogate: what Python makes of an octet that is no UTF-8, in a file's name as in
what a device shows.  Robot's own writers break down at it, and the results of a whole night are lost.

Must not live here: our own files.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from robot.output import outputfile  # type: ignore[import-untyped]
from robot.result import model  # type: ignore[import-untyped]
from robot.utils import robotio  # type: ignore[import-untyped]

__all__ = ["forgiving"]

WRITERS = (outputfile, model, robotio)
"""Where Robot opens the files that it writes texts to."""


def _open(file: Any, mode: str = "r", **named: Any) -> Any:
    if "w" in mode and "b" not in mode:
        named.setdefault("errors", "backslashreplace")
    return builtins.open(file, mode, **named)


@contextmanager
def forgiving() -> Iterator[None]:
    """While the body runs, what no file can hold is written as its escape."""
    for module in WRITERS:
        vars(module)["open"] = _open
    try:
        yield
    finally:
        for module in WRITERS:
            del vars(module)["open"]
