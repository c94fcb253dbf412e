"""The verdicts of the bench, and the one place where they become Robot's three, and the elements of xUnit.

Must not live here: deciding a verdict (``conclusion``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from rig.exits import Exit, counted

__all__ = ["JUDGED", "ROBOT_STATUS", "XUNIT_ELEMENT", "Verdict", "exit_status", "verdict_of"]


class Verdict(Enum):
    """What a test ended in."""

    PASS = "PASS"
    CONDITIONAL = "CONDITIONAL"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    OBSERVED = "OBSERVED"
    INFRA = "INFRA"
    ABORTED = "ABORTED"
    SKIPPED = "SKIPPED"
    TOLERATED = "TOLERATED"


JUDGED = frozenset((Verdict.PASS, Verdict.CONDITIONAL, Verdict.FAIL, Verdict.OBSERVED, Verdict.TOLERATED))
"""The verdicts that say something of a device; a run without any has judged nothing."""

ROBOT_STATUS: dict[Verdict, str] = {
    Verdict.PASS: "PASS",
    Verdict.CONDITIONAL: "PASS",
    Verdict.OBSERVED: "PASS",
    Verdict.TOLERATED: "PASS",
    Verdict.FAIL: "FAIL",
    Verdict.ABORTED: "FAIL",
    # Neither says anything against the device under test.
    Verdict.INCONCLUSIVE: "SKIP",
    Verdict.INFRA: "SKIP",
    Verdict.SKIPPED: "SKIP",
}

XUNIT_ELEMENT: dict[Verdict, str] = {
    Verdict.PASS: "",
    Verdict.FAIL: "failure",
    # A reader of xUnit must see to these; none says that the device failed.
    Verdict.INFRA: "error",
    Verdict.ABORTED: "error",
    Verdict.INCONCLUSIVE: "error",
    # xUnit knows passed, failed, in error and skipped; what is neither passed nor failed is skipped, by its name.
    Verdict.SKIPPED: "skipped",
    Verdict.CONDITIONAL: "skipped",
    Verdict.OBSERVED: "skipped",
    Verdict.TOLERATED: "skipped",
}


def verdict_of(status: str, message: str) -> Verdict:
    """The verdict behind a Robot status and message; a message that opens with a verdict's name and a colon says it."""
    word = message.split(":", 1)[0].strip()
    for verdict, robot in ROBOT_STATUS.items():
        if word == verdict.value and robot == status:
            return verdict
    return {"PASS": Verdict.PASS, "SKIP": Verdict.SKIPPED}.get(status, Verdict.FAIL)


def exit_status(
    verdicts: Mapping[Verdict, int], stopped: bool = False, *, broke: bool = False, judged: bool = True
) -> int:
    """The exit status of a run: ``verdicts`` counts how often each was given, ``stopped``: the user ended it,
    ``broke``: the bench did, if only after a verdict was given, ``judged``: false where no test of the run held a
    device against anything, whatever it ended in.

    Stopped comes before INFRA, INFRA before failures, and a run that judged nothing is no success.
    """
    if stopped or verdicts.get(Verdict.ABORTED):
        return Exit.STOPPED
    if broke or verdicts.get(Verdict.INFRA):
        return Exit.INFRA
    if failed := verdicts.get(Verdict.FAIL, 0):
        return counted(failed)
    return Exit.GOOD if judged and any(verdicts.get(verdict) for verdict in JUDGED) else Exit.NOTHING_JUDGED
