"""Verdicts and the one place where they become Robot's three."""

from __future__ import annotations

from collections import Counter

import pytest

from rig.evidence.verdicts import ROBOT_STATUS, Verdict, exit_status, verdict_of
from rig.exits import MEANINGS


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


P, C, O, T = Verdict.PASS, Verdict.CONDITIONAL, Verdict.OBSERVED, Verdict.TOLERATED  # noqa: E741
F, S, N, I, A = Verdict.FAIL, Verdict.SKIPPED, Verdict.INCONCLUSIVE, Verdict.INFRA, Verdict.ABORTED  # noqa: E741


@pytest.mark.parametrize(
    ("verdicts", "stopped", "status"),
    [
        ({}, False, 254),
        ({S: 3}, False, 254),
        ({N: 1}, False, 254),
        ({N: 2, S: 1}, False, 254),
        ({P: 1}, False, 0),
        ({C: 1}, False, 0),
        ({O: 1}, False, 0),
        ({T: 1}, False, 0),
        ({P: 5, S: 2, N: 1}, False, 0),
        ({F: 1}, False, 1),
        ({P: 5, F: 2}, False, 2),
        ({S: 5, F: 1}, False, 1),
        ({F: 249}, False, 249),
        ({F: 250}, False, 250),
        ({F: 251}, False, 250),
        ({F: 9999, P: 1}, False, 250),
        ({I: 1}, False, 255),
        ({P: 5, I: 1}, False, 255),
        ({F: 3, I: 1}, False, 255),
        ({}, True, 253),
        ({P: 1}, True, 253),
        ({F: 3, I: 1}, True, 253),
        ({P: 1, A: 1}, True, 253),
        ({A: 1, I: 1, F: 1}, False, 253),
        ({P: 0, F: 0, I: 0, A: 0}, False, 254),
    ],
)
def test_exit_status_of_a_run(verdicts: dict[Verdict, int], stopped: bool, status: int) -> None:
    assert exit_status(Counter(verdicts), stopped) == status


def test_every_verdict_alone_has_an_exit_status_that_the_table_explains() -> None:
    explained = {"0", "1 to 250", "252", "253", "254", "255"}
    assert set(MEANINGS) == explained
    for verdict in Verdict:
        status = exit_status(Counter({verdict: 1}), False)
        assert str(int(status)) in explained | {"1"}
        assert (status == 0) == (verdict in (P, C, O, T))
