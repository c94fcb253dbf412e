"""Verdicts and the one place where they become Robot's three."""

from __future__ import annotations

import pytest

from rig.evidence.verdicts import ROBOT_STATUS, Verdict, verdict_of


def test_every_verdict_becomes_one_of_robots_three() -> None:
    assert set(ROBOT_STATUS) == set(Verdict)
    assert set(ROBOT_STATUS.values()) == {"PASS", "FAIL", "SKIP"}


def test_what_the_bench_or_its_instruments_could_not_do_never_counts_against_a_device() -> None:
    for verdict in (Verdict.INFRA, Verdict.INCONCLUSIVE, Verdict.SKIPPED):
        assert ROBOT_STATUS[verdict] == "SKIP"
    assert [verdict for verdict, status in ROBOT_STATUS.items() if status == "FAIL"] == [Verdict.FAIL, Verdict.ABORTED]


@pytest.mark.parametrize("verdict", Verdict)
def test_a_message_that_opens_with_a_verdict_says_it(verdict: Verdict) -> None:
    assert verdict_of(ROBOT_STATUS[verdict], f"{verdict.value}: because") is verdict


@pytest.mark.parametrize(
    ("status", "message", "verdict"),
    [
        ("PASS", "", Verdict.PASS),
        ("FAIL", "", Verdict.FAIL),
        ("SKIP", "", Verdict.SKIPPED),
        ("FAIL", "expected the contact to open", Verdict.FAIL),
        ("FAIL", "INFRA: the broker is gone", Verdict.FAIL),  # the word alone excuses no failure
        ("PASS", "FAIL: nonsense", Verdict.PASS),
        ("SKIP", "INFRA: the broker is gone", Verdict.INFRA),
        ("SKIP", "INFRASTRUCTURE: no", Verdict.SKIPPED),
        ("PASS", "OBSERVED", Verdict.OBSERVED),
        ("NOT RUN", "", Verdict.FAIL),
    ],
)
def test_status_and_message_together_give_the_verdict(status: str, message: str, verdict: Verdict) -> None:
    assert verdict_of(status, message) is verdict
