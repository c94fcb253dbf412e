"""The verdicts of the bench, and the one place where they become Robot's three.

Must not live here: deciding a verdict; tests and keywords do that.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["INFRA_EXIT", "ROBOT_STATUS", "Verdict", "verdict_of"]

INFRA_EXIT = 255
"""Exit status of a run in which the bench broke: Robot's own number for 'unexpected internal error'."""


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


def verdict_of(status: str, message: str) -> Verdict:
    """The verdict behind a Robot status and message; a message that opens with a verdict's name and a colon says it."""
    word = message.split(":", 1)[0].strip()
    for verdict, robot in ROBOT_STATUS.items():
        if word == verdict.value and robot == status:
            return verdict
    return {"PASS": Verdict.PASS, "SKIP": Verdict.SKIPPED}.get(status, Verdict.FAIL)
