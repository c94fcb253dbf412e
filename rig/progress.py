"""How far long work is, on standard error: only on a terminal, and only once it has taken two seconds.

Must not live here: results.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO, TypeVar

__all__ = ["followed", "following"]

T = TypeVar("T")
QUIET_S = 2.0
EVERY_S = 0.2


def followed(
    items: Iterable[T],
    total: int,
    what: str,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[T]:
    """``items`` as they are, with ``what`` and how many of ``total`` are done shown meanwhile."""
    with following(total, what, stream, clock) as reached:
        for done, item in enumerate(items):
            reached(done)
            yield item


@contextmanager
def following(
    total: int, what: str, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int], None]]:
    """Gives what to tell how many of ``total`` are done, which is shown with ``what``; the line is gone at the end."""
    shown_on = stream or sys.stderr
    due, width = clock() + QUIET_S, 0
    watched = shown_on.isatty()

    def reached(done: int) -> None:
        nonlocal due, width
        if watched and clock() >= due:
            due = clock() + EVERY_S
            line = f"{what}: {done} of {total}"
            shown_on.write("\r" + line.ljust(width))
            shown_on.flush()
            width = max(width, len(line))

    try:
        yield reached
    finally:
        if width:
            shown_on.write("\r" + " " * width + "\r")
            shown_on.flush()
