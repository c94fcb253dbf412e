"""The one listener of a run: counts verdicts and maps them to Robot's three.  It never fails a test by itself.

Must not live here: evidence; keywords and the bench write that.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, ClassVar

from rig.evidence.verdicts import ROBOT_STATUS, Verdict, verdict_of
from rig.keywords.session import session

__all__ = ["RunListener"]

SIGNAL = "Execution terminated by signal"
BENCH_BROKE = re.compile(r"^(\d+\) )?INFRA: ", re.MULTILINE)
"""What a keyword said itself, wherever Robot put it; what a device shows stands within a line."""
ENDED_BY_SIGNAL = re.compile(
    rf"((Parent suite s|S)etup failed:\n|Teardown failed:\n)?({SIGNAL}|Test execution stopped due to a fatal error)"
)
"""How Robot's message begins for a test that did nothing wrong when the run was stopped, and for those after it."""


class RunListener:
    """Robot listener, API version 3."""

    ROBOT_LISTENER_API_VERSION = 3
    made: ClassVar[bool] = False
    """Whether this process has one already, from `rig run` or ``--listener``."""

    def __init__(self) -> None:
        RunListener.made = True
        self.verdicts: Counter[Verdict] = Counter()
        self.stopped = False
        """Whether the run was stopped by a signal (Ctrl-C), which Robot's own exit status does not tell."""

    def end_test(self, _data: Any, result: Any) -> None:
        """Count the verdict, and give the test the status of Robot's that belongs to it."""
        verdict = verdict_of(result.status, result.message)
        if BENCH_BROKE.search(result.message) and result.status != "PASS":
            # A keyword that broke in a teardown reads 'Teardown skipped: INFRA: ...': the bench broke all the same.
            verdict = Verdict.INFRA
            result.status = ROBOT_STATUS[verdict]
        self.stopped |= SIGNAL in result.message
        if self.stopped and ENDED_BY_SIGNAL.match(result.message):
            verdict = Verdict.ABORTED
        self.verdicts[verdict] += 1

    def leave(self) -> None:
        """Give the bench back."""
        session().close()

    def close(self) -> None:
        """Robot has ended."""
        self.leave()

    @property
    def total(self) -> int:
        return sum(self.verdicts.values())

    @property
    def infra(self) -> bool:
        """Whether the bench broke."""
        return bool(self.verdicts[Verdict.INFRA])

    def summary(self) -> str:
        """One line: how many ran, and what became of them."""
        words = {Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.SKIPPED: "skipped"}
        shown = [f"{self.verdicts[verdict]} {word}" for verdict, word in words.items()]
        shown += [f"{count} {verdict.value}" for verdict, count in self.verdicts.items() if verdict not in words]
        return f"{self.total} tests: {', '.join(shown)}"
