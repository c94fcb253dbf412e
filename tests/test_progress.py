"""Progress is shown to people who wait, and to nobody else."""

from __future__ import annotations

import io
import itertools

from rig.progress import QUIET_S, followed, following


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_long_work_is_followed_on_a_terminal_and_leaves_no_trace() -> None:
    screen, seconds = Terminal(), itertools.count()
    assert list(followed("abcdef", 6, "letters", screen, lambda: float(next(seconds)))) == list("abcdef")
    told = screen.getvalue()
    assert "letters: 2 of 6" in told
    assert told.endswith(" \r")


def test_short_work_says_nothing() -> None:
    screen = Terminal()
    assert list(followed(range(9), 9, "numbers", screen, lambda: QUIET_S / 2)) == list(range(9))
    assert screen.getvalue() == ""


def test_a_file_gets_no_progress() -> None:
    file, seconds = io.StringIO(), itertools.count()
    assert list(followed(range(9), 9, "numbers", file, lambda: float(next(seconds)))) == list(range(9))
    assert file.getvalue() == ""


def test_work_that_breaks_off_clears_its_line() -> None:
    screen, seconds = Terminal(), itertools.count()
    for number in followed(range(9), 9, "numbers", screen, lambda: float(next(seconds))):
        if number == 5:
            break
    else:
        raise AssertionError("never there")


def test_work_that_counts_for_itself_is_followed_too() -> None:
    screen, seconds = Terminal(), itertools.count()
    with following(100, "percent", screen, lambda: float(next(seconds))) as reached:
        for done in range(0, 100, 10):
            reached(done)
    assert "percent: 10 of 100" in screen.getvalue()
    assert screen.getvalue().endswith(" \r")
