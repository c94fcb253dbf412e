"""The listener of a run: it counts verdicts, excuses what the bench broke, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rig.evidence.verdicts import Verdict
from rig.keywords.listener import RunListener


@dataclass
class Result:
    """The result of a test as Robot hands it over."""

    status: str
    message: str = ""


def ended(*results: Result) -> RunListener:
    listener = RunListener()
    for result in results:
        listener.end_test(None, result)
    return listener


@pytest.mark.parametrize(
    ("status", "message", "verdict", "robot"),
    [
        ("PASS", "", Verdict.PASS, "PASS"),
        ("FAIL", "expected the contact to open", Verdict.FAIL, "FAIL"),
        ("SKIP", "SKIPPED: this bench cannot do outage", Verdict.SKIPPED, "SKIP"),
        ("SKIP", "INFRA: the broker is gone", Verdict.INFRA, "SKIP"),
        ("SKIP", "INCONCLUSIVE: too close to the limit", Verdict.INCONCLUSIVE, "SKIP"),
        ("FAIL", "Setup failed:\nINFRA: the broker is gone", Verdict.INFRA, "SKIP"),
        ("FAIL", "Teardown failed:\nINFRA: the bench went", Verdict.INFRA, "SKIP"),
        ("FAIL", "expected x, got y\n\nAlso teardown skipped:\nINFRA: the bench went", Verdict.INFRA, "SKIP"),
        ("FAIL", "Several failures occurred:\n\n1) expected x\n\n2) INFRA: the bench went", Verdict.INFRA, "SKIP"),
        ("PASS", "INFRA: a word in passing", Verdict.PASS, "PASS"),
    ],
)
def test_each_test_counts_as_its_verdict_says(status: str, message: str, verdict: Verdict, robot: str) -> None:
    result = Result(status, message)
    listener = ended(result)
    assert listener.verdicts == {verdict: 1}
    assert result.status == robot
    assert listener.infra is (verdict is Verdict.INFRA)


@pytest.mark.parametrize(
    "message",
    [
        "expected the display of esme to show 'on', got 'INFRA: no network' (bench time 1.0 s)",
        "expected esme to refuse, got no INFRA: at all",
    ],
)
def test_a_device_cannot_talk_itself_out_of_a_failure(message: str) -> None:
    """What a device shows stands within a message, never at the beginning of a line of it."""
    result = Result("FAIL", message)
    assert ended(result).verdicts == {Verdict.FAIL: 1}
    assert result.status == "FAIL"


def test_the_summary_counts_everything_once() -> None:
    listener = ended(Result("PASS"), Result("PASS"), Result("FAIL"), Result("SKIP"), Result("SKIP", "INFRA: gone"))
    assert listener.total == 5
    assert listener.summary() == "5 tests: 2 passed, 1 failed, 1 skipped, 1 INFRA"


def test_a_run_of_nothing_is_told_so() -> None:
    assert ended().summary() == "0 tests: 0 passed, 0 failed, 0 skipped"
    assert not ended().infra
