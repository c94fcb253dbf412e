"""The exit statuses of every command, in one table.

Must not live here: which verdicts a run gave (``rig.evidence.verdicts``).
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from enum import IntEnum

__all__ = ["MOST_FAILURES", "Exit", "counted", "hush", "table"]

MOST_FAILURES = 250
"""Exit status for so many failures and more: Robot's own limit."""


class Exit(IntEnum):
    """What a command ends with that did not just fail a number of tests.  Robot's 251, help was printed, is 0 here."""

    GOOD = 0
    MISUSE = 252
    STOPPED = 253
    NOTHING_JUDGED = 254
    INFRA = 255


MEANINGS: dict[str, str] = {
    "0": "something was judged, or done as asked, and nothing failed",
    f"1 to {MOST_FAILURES}": f"the number of tests or checks that failed ({MOST_FAILURES} for more)",
    f"{Exit.MISUSE:d}": "misuse: a suite, tag, bench file, key, option or message that cannot be used",
    f"{Exit.STOPPED:d}": "stopped: Ctrl-C, SIGTERM or SIGHUP",
    f"{Exit.NOTHING_JUDGED:d}": "nothing was judged",
    f"{Exit.INFRA:d}": "INFRA: the bench broke, or is not there, or somebody else holds it",
}
"""Status, or span of them, to what it means."""


def counted(failures: int) -> int:
    """The exit status for so many failures."""
    return min(failures, MOST_FAILURES)


def hush() -> None:
    """Have standard output take no more: leave nothing that the interpreter would try to write on its way out."""
    with suppress(OSError, ValueError):  # a test's stand-in for standard output has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def table() -> str:
    """The table for `--help`."""
    rows = (f"  {status:<9} {meaning}" for status, meaning in MEANINGS.items())
    return "exit status:\n" + "\n".join(rows) + "\nwhere several hold: 253 before 255 before failures"
