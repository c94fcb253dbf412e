"""Readings against limits, findings against their basis, and the verdict that follows: all nine, each by its cause."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.evidence.conclusion import SIGNAL, Conclusion, Ending, conclude, weigh
from rig.evidence.judging import Basis, BasisKind, Finding, Limit, Outcome, Reading, Rule, decide
from rig.evidence.verdicts import ROBOT_STATUS, XUNIT_ELEMENT, Verdict

LIMIT = Limit(0.5, 20.0, "ms")
CLAUSE = Basis(BasisKind.CLAUSE, "GBCS ECS42")
OURS = Basis(BasisKind.OWN_DEFAULT, "a data sheet")


def finding(outcome: Outcome, basis: Basis = CLAUSE, failure: str = "", tolerated: str = "") -> Finding:
    return Finding("the contact closes", outcome, basis, failure=failure, tolerated=tolerated)


MET, MISSED = finding(Outcome.MET), finding(Outcome.MISSED, failure="expected the contact to close, got nothing")
OWN_MET, OWN_MISSED = finding(Outcome.MET, OURS), finding(Outcome.MISSED, OURS)
PASSED = Ending("PASS", "")
FAILED = Ending("FAIL", MISSED.failure)


# ------------------------------------------------------------------------------------------------------------- readings


@pytest.mark.parametrize(
    ("value", "uncertainty", "rule", "outcome"),
    [
        (8.0, 0.3, Rule.NONE, Outcome.MET),
        (25.0, 0.3, Rule.NONE, Outcome.MISSED),
        (19.9, 0.3, Rule.NONE, Outcome.INCONCLUSIVE),
        (20.1, 0.3, Rule.NONE, Outcome.INCONCLUSIVE),
        (0.6, 0.3, Rule.NONE, Outcome.INCONCLUSIVE),
        (19.9, 0.3, Rule.SIMPLE, Outcome.MET),
        (20.1, 0.3, Rule.SIMPLE, Outcome.MISSED),
        (19.9, 0.3, Rule.GUARD_BAND, Outcome.CONDITIONAL_PASS),
        (20.1, 0.3, Rule.GUARD_BAND, Outcome.CONDITIONAL_FAIL),
        (0.4, 0.3, Rule.GUARD_BAND, Outcome.CONDITIONAL_FAIL),
        (19.6, 0.3, Rule.GUARD_BAND, Outcome.MET),
        (20.4, 0.3, Rule.GUARD_BAND, Outcome.MISSED),
        (19.75, 0.25, Rule.NONE, Outcome.MET),  # it reaches the limit and not over it
        (20.25, 0.25, Rule.NONE, Outcome.MISSED),
        (19.75, 0.25, Rule.GUARD_BAND, Outcome.MET),
        (20.0, 0.25, Rule.GUARD_BAND, Outcome.CONDITIONAL_PASS),
        (20.0, 0.25, Rule.SIMPLE, Outcome.MET),
        (20.0, 0.0, Rule.NONE, Outcome.MET),
        (0.5, None, Rule.NONE, Outcome.MET),
        (20.000001, None, Rule.NONE, Outcome.MISSED),
    ],
)
def test_a_reading_decides_by_its_uncertainty_and_the_declared_rule(
    value: float, uncertainty: float | None, rule: Rule, outcome: Outcome
) -> None:
    assert decide(Reading(value, "ms", uncertainty), LIMIT, rule) is outcome


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("value", [8.0, 25.0])
def test_what_is_no_number_decides_nothing(value: float, rule: Rule) -> None:
    for spread in (math.nan, -0.1, math.inf):
        assert decide(Reading(value, "ms", spread), LIMIT, rule) is Outcome.INCONCLUSIVE
    assert decide(Reading(math.nan, "ms", 0.1), LIMIT, rule) is Outcome.INCONCLUSIVE
    assert decide(Reading(math.nan, "ms"), LIMIT, rule) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("value", [8.0, 25.0])
def test_an_instrument_whose_calibration_is_over_decides_nothing(value: float, rule: Rule) -> None:
    assert decide(Reading(value, "ms", 0.1, expired="calibrated until 2026-01-31"), LIMIT, rule) is Outcome.INCONCLUSIVE


@given(st.floats(-100, 100), st.floats(0, 10), st.sampled_from(Rule))
def test_no_rule_passes_what_lies_outside_or_fails_what_lies_inside(value: float, spread: float, rule: Rule) -> None:
    outcome = decide(Reading(value, "ms", spread), LIMIT, rule)
    inside = LIMIT.side(value) == "within"
    assert outcome in (Outcome.MET, Outcome.CONDITIONAL_PASS, Outcome.INCONCLUSIVE) if inside else True
    assert inside or outcome in (Outcome.MISSED, Outcome.CONDITIONAL_FAIL, Outcome.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("limit", "value", "side"),
    [
        (LIMIT, 25.0, "above"),
        (LIMIT, 0.1, "below"),
        (LIMIT, 0.5, "within"),
        (Limit(None, None, "ms"), 1e9, "within"),
        (Limit(None, 20.0, "ms"), 20.5, "above"),
        (LIMIT, 20.0, "within"),
        (Limit(None, 20.0, "ms"), -5.0, "within"),
        (Limit(0.5, None, "ms"), 500.0, "within"),
        (Limit(0.5, None, "ms"), 0.4, "below"),
    ],
)
def test_a_reading_lies_on_one_side_of_its_limit(limit: Limit, value: float, side: str) -> None:
    assert limit.side(value) == side
    assert (decide(Reading(value, "ms"), limit) is Outcome.MET) is (side == "within")


def test_a_finding_says_reading_limit_side_and_basis_in_words() -> None:
    told = Finding(
        "operates soon", Outcome.MISSED, OURS, reading=Reading(25.0, "ms", 0.3), limit=LIMIT, expectation="operate-time"
    )
    assert str(told) == "operates soon: 25 ± 0.3 ms, above 0.5 to 20 ms [a default of this project (a data sheet)]"
    assert told.as_json()["side"] == "above"
    assert told.as_json()["basis"] == {"kind": "OWN_DEFAULT", "source": "a data sheet"}


READ = Reading(25.0, "ms", 0.3, "load", 7, "calibrated until 2026-01-31")
BARE = {"what": "soon", "basis": {"kind": "CLAUSE", "source": "GBCS ECS42"}, "at_ns": 0}


@pytest.mark.parametrize(
    ("told", "record"),
    [
        (Finding("soon", Outcome.MET, CLAUSE), {**BARE, "outcome": "MET", "side": "as expected"}),
        (
            Finding("soon", Outcome.MISSED, CLAUSE, "operate-time", "esme", "nothing", at_ns=7, failure="no record"),
            {**BARE, "outcome": "MISSED", "side": "otherwise", "expectation": "operate-time", "device": "esme",
             "got": "nothing", "at_ns": 7},
        ),
        (
            Finding("soon", Outcome.MET, CLAUSE, reading=Reading(25.0, "ms")),
            {**BARE, "outcome": "MET", "side": "as expected",
             "reading": {"value": 25.0, "unit": "ms", "uncertainty": None, "instrument": "", "at_ns": 0,
                         "expired": ""}},
        ),
        (
            Finding("soon", Outcome.MISSED, CLAUSE, limit=LIMIT),
            {**BARE, "outcome": "MISSED", "side": "otherwise", "limit": {"low": 0.5, "high": 20.0, "unit": "ms"},
             "rule": "none declared"},
        ),
        (
            Finding("soon", Outcome.MISSED, CLAUSE, reading=READ, limit=LIMIT, rule=Rule.GUARD_BAND).tolerate("X-1"),
            {**BARE, "outcome": "MISSED", "side": "above", "tolerated": "X-1",
             "reading": {"value": 25.0, "unit": "ms", "uncertainty": 0.3, "instrument": "load", "at_ns": 7,
                         "expired": "calibrated until 2026-01-31"},
             "limit": {"low": 0.5, "high": 20.0, "unit": "ms"}, "rule": "guard-band"},
        ),
    ],
)  # fmt: skip
def test_a_finding_stands_in_a_record_with_all_that_it_says_and_no_more(told: Finding, record: dict[str, Any]) -> None:
    assert told.as_json() == record


# ------------------------------------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([MET], Verdict.PASS),
        ([MET, OWN_MET], Verdict.PASS),
        ([MET, MISSED], Verdict.FAIL),
        ([OWN_MISSED, MISSED], Verdict.FAIL),
        ([OWN_MISSED, MET], Verdict.OBSERVED),
        ([OWN_MISSED], Verdict.OBSERVED),
        ([OWN_MET], Verdict.OBSERVED),
        ([], Verdict.OBSERVED),
        ([finding(Outcome.INCONCLUSIVE), MET], Verdict.INCONCLUSIVE),
        ([finding(Outcome.INCONCLUSIVE), MISSED], Verdict.FAIL),
        ([finding(Outcome.INCONCLUSIVE, OURS), MET], Verdict.OBSERVED),
        ([finding(Outcome.CONDITIONAL_PASS), MET], Verdict.CONDITIONAL),
        ([finding(Outcome.CONDITIONAL_FAIL), MET], Verdict.CONDITIONAL),
        ([finding(Outcome.CONDITIONAL_FAIL, OURS), MET], Verdict.OBSERVED),
        ([finding(Outcome.CONDITIONAL_FAIL), finding(Outcome.INCONCLUSIVE)], Verdict.INCONCLUSIVE),
        ([finding(Outcome.MISSED, tolerated="SMDA-246"), MET], Verdict.TOLERATED),
        ([finding(Outcome.MISSED, tolerated="SMDA-246"), MISSED], Verdict.FAIL),
        ([finding(Outcome.CONDITIONAL_FAIL, tolerated="SMDA-246")], Verdict.TOLERATED),
        ([finding(Outcome.EXPECTED, tolerated="SMDA-246"), MET], Verdict.PASS),  # its test expects it
        ([finding(Outcome.MET, tolerated="SMDA-246")], Verdict.PASS),
        ([finding(Outcome.MISSED, OURS, tolerated="SMDA-246"), MET], Verdict.OBSERVED),
        ([finding(Outcome.MET, OURS), finding(Outcome.INCONCLUSIVE, OURS)], Verdict.OBSERVED),
        ([finding(Outcome.EXPECTED), MET], Verdict.PASS),
        ([finding(Outcome.EXPECTED)], Verdict.OBSERVED),
    ],
)
def test_findings_give_the_gravest_verdict_that_their_basis_allows(findings: list[Finding], verdict: Verdict) -> None:
    assert weigh(findings)[0] is verdict


@given(st.lists(st.builds(finding, st.sampled_from(Outcome), st.just(OURS)), max_size=6))
def test_defaults_of_ours_alone_give_neither_pass_nor_fail(findings: list[Finding]) -> None:
    assert weigh(findings)[0] is Verdict.OBSERVED


@given(st.permutations([MET, OWN_MISSED, finding(Outcome.INCONCLUSIVE), finding(Outcome.CONDITIONAL_PASS), OWN_MET]))
def test_the_order_of_findings_does_not_matter(findings: list[Finding]) -> None:
    assert weigh(findings)[0] is Verdict.INCONCLUSIVE


def concluded(body: Ending, *findings: Finding, end: Ending | None = None, stopped: bool = False) -> Conclusion:
    return conclude(body, end or body, findings, stopped=stopped)


GIVES: dict[Verdict, Conclusion] = {
    Verdict.PASS: concluded(PASSED, MET),
    Verdict.CONDITIONAL: concluded(PASSED, finding(Outcome.CONDITIONAL_PASS)),
    Verdict.FAIL: concluded(FAILED, MISSED),
    Verdict.INCONCLUSIVE: concluded(PASSED, finding(Outcome.INCONCLUSIVE)),
    Verdict.OBSERVED: concluded(PASSED, OWN_MISSED),
    Verdict.INFRA: concluded(Ending("SKIP", "INFRA: the broker is gone"), MET),
    Verdict.ABORTED: concluded(Ending("FAIL", SIGNAL), MET, stopped=True),
    Verdict.SKIPPED: concluded(Ending("SKIP", "SKIPPED: this bench cannot do outage")),
    Verdict.TOLERATED: concluded(PASSED, finding(Outcome.MISSED, tolerated="SMDA-246")),
}


@pytest.mark.parametrize("verdict", Verdict)
def test_each_of_the_nine_is_given_by_something_and_maps_to_robot_and_xunit(verdict: Verdict) -> None:
    assert GIVES[verdict].verdict is verdict
    assert verdict in ROBOT_STATUS
    assert verdict in XUNIT_ELEMENT


def test_xunit_tells_what_broke_as_error_and_what_is_no_pass_never_as_one() -> None:
    assert {v for v, element in XUNIT_ELEMENT.items() if not element} == {Verdict.PASS}
    assert {v for v, element in XUNIT_ELEMENT.items() if element == "failure"} == {Verdict.FAIL}
    assert {Verdict.INFRA, Verdict.ABORTED} <= {v for v, element in XUNIT_ELEMENT.items() if element == "error"}
    assert XUNIT_ELEMENT[Verdict.INCONCLUSIVE] != "skipped"


# ------------------------------------------------------------------------------------------------ what Robot says of it

GONE = "INFRA: the bench went"
NOTED = finding(Outcome.MISSED, failure="")
"""A miss that ended nothing."""


@pytest.mark.parametrize(
    ("body", "end", "findings", "verdict"),
    [
        pytest.param(PASSED, Ending("SKIP", GONE), [MET], Verdict.PASS, id="passed, then it went"),
        pytest.param(PASSED, Ending("FAIL", f"Teardown failed:\n{GONE}"), [MET], Verdict.PASS, id="a failure"),
        pytest.param(PASSED, Ending("SKIP", GONE), [OWN_MISSED], Verdict.OBSERVED, id="observed, then the bench went"),
        pytest.param(PASSED, Ending("SKIP", GONE), [], Verdict.INFRA, id="nothing was judged before it went"),
        pytest.param(
            FAILED, Ending("SKIP", f"Skipped in teardown:\n{GONE}\n\nEarlier message:\n{FAILED.message}"),
            [MISSED], Verdict.FAIL, id="failed, then the bench went",
        ),
        pytest.param(
            FAILED, Ending("FAIL", f"{FAILED.message}\n\nAlso teardown failed:\n{GONE}"),
            [MISSED], Verdict.FAIL, id="failed, then the teardown",
        ),
    ],
)  # fmt: skip
def test_a_verdict_once_given_stays_when_the_bench_breaks_in_the_teardown(
    body: Ending, end: Ending, findings: list[Finding], verdict: Verdict
) -> None:
    told = conclude(body, end, findings)
    assert told.verdict is verdict
    assert told.broke == "the bench went"


@pytest.mark.parametrize(
    ("body", "findings", "verdict"),
    [
        (Ending("SKIP", GONE), [MET], Verdict.INFRA),
        (Ending("FAIL", f"Setup failed:\n{GONE}"), [], Verdict.INFRA),
        (Ending("FAIL", f"Several failures occurred:\n\n1) {MISSED.failure}\n\n2) {GONE}"), [MISSED], Verdict.FAIL),
        (Ending("SKIP", GONE), [NOTED], Verdict.FAIL),
        (Ending("SKIP", "SKIPPED: this bench cannot do outage"), [NOTED], Verdict.FAIL),
        (Ending("FAIL", "Should Be True failed"), [MET], Verdict.FAIL),
        (Ending("FAIL", "Test timeout 5 seconds exceeded."), [MET], Verdict.FAIL),
        (Ending("FAIL", SIGNAL), [MET], Verdict.FAIL),  # the word alone excuses nothing
        (Ending("SKIP", "INCONCLUSIVE: the air was full"), [], Verdict.INCONCLUSIVE),
    ],
)
def test_the_body_gives_the_verdict(body: Ending, findings: list[Finding], verdict: Verdict) -> None:
    assert concluded(body, *findings).verdict is verdict


@pytest.mark.parametrize(
    ("body", "findings"),
    [
        pytest.param(Ending("SKIP", "no more today"), [finding(Outcome.MISSED)], id="noted, then Skip"),
        pytest.param(Ending("SKIP", "INCONCLUSIVE: the air was full"), [finding(Outcome.MISSED)], id="then undecided"),
        pytest.param(Ending("SKIP", GONE), [finding(Outcome.MISSED)], id="then the bench went"),
        pytest.param(
            Ending("SKIP", f"no more\n\nAlso failure occurred:\n{MISSED.failure}"), [MISSED], id="went on, then Skip"
        ),
        pytest.param(
            Ending("SKIP", f"{GONE}\n\nAlso failures occurred:\n\n1) {MISSED.failure}\n\n2) 1 != 2"), [MISSED],
            id="went on, then the bench went",
        ),
    ],
)  # fmt: skip
def test_no_skip_takes_a_failure_back(body: Ending, findings: list[Finding]) -> None:
    told = concluded(body, *findings)
    assert told.verdict is Verdict.FAIL
    assert "the contact closes" in told.reason
    assert bool(told.broke) is (GONE in body.message)


HARMLESS = tuple(finding(Outcome.MISSED, OURS, failure=f"expected {n} lamps,\n\ngot none") for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("Several failures occurred:\n\n1) {0}\n\n2) {1}", Verdict.OBSERVED),
        ("Setup failed:\nSeveral failures occurred:\n\n1) {0}\n\n2) {1}", Verdict.OBSERVED),
        ("{0}\n\nAlso teardown failed:\n{1}", Verdict.OBSERVED),
        ("{0}\n\nAlso keyword teardown failed:\n{1}\n\nAlso teardown failed:\n{2}", Verdict.OBSERVED),
        ("Several failures occurred:\n\n1) {0}\n\n2) 1 != 2", Verdict.FAIL),
        ("Several failures occurred:\n\n1) 1 != 2\n\n2) {0}", Verdict.FAIL),
        ("Setup failed:\n{0}\n\nAlso teardown failed:\n1 != 2", Verdict.FAIL),
        ("{0}\n\nAlso teardown failed:\nSeveral failures occurred:\n\n1) {1}\n\n2) 1 != 2", Verdict.FAIL),
    ],
)
def test_of_several_failures_every_one_must_count_against_nobody(said: str, verdict: Verdict) -> None:
    ended = Ending("FAIL", said.format(*(one.failure for one in HARMLESS)))
    assert concluded(ended, *HARMLESS).verdict is verdict
    assert concluded(PASSED, MET, *HARMLESS, end=ended).verdict is verdict


def test_a_teardown_that_fails_by_itself_fails_its_test() -> None:
    told = concluded(PASSED, MET, end=Ending("FAIL", "Teardown failed:\nexpected silence, got noise"))
    assert told.verdict is Verdict.FAIL


@pytest.mark.parametrize("where", ["Setup", "Teardown"])
def test_a_miss_that_counts_against_nobody_fails_no_test_in_setup_or_teardown_either(where: str) -> None:
    text = "expected the valve to be open, got nothing"
    ours = finding(Outcome.MISSED, OURS, failure=text)
    ended = Ending("FAIL", f"{where} failed:\n{text}")
    told = concluded(ended, ours) if where == "Setup" else concluded(PASSED, MET, ours, end=ended)
    assert told.verdict is Verdict.OBSERVED
    worse = Ending("FAIL", f"{where} failed:\nexpected silence, got noise")
    assert conclude(PASSED if where == "Teardown" else worse, worse, [MET]).verdict is Verdict.FAIL


def test_a_failure_that_the_test_caught_counts_against_nobody() -> None:
    told = concluded(PASSED, MET, MISSED)
    assert told.verdict is Verdict.PASS
    assert [one.outcome for one in told.findings] == [Outcome.MET, Outcome.EXPECTED]


def test_of_two_failures_the_one_that_was_caught_counts_against_nobody() -> None:
    caught = replace(MISSED, failure="expected the contact to open, got nothing")
    told = concluded(FAILED, caught, MISSED)
    assert told.verdict is Verdict.FAIL
    assert [one.outcome for one in told.findings] == [Outcome.EXPECTED, Outcome.MISSED]


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("findings", [(), (MET,)])
def test_who_says_something_of_a_device_has_judged_it(verdict: Verdict, findings: tuple[Finding, ...]) -> None:
    said = verdict in (Verdict.PASS, Verdict.CONDITIONAL, Verdict.FAIL, Verdict.TOLERATED)
    assert Conclusion(verdict, "", findings, "").judged is (said or (verdict is Verdict.OBSERVED and bool(findings)))


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (concluded(PASSED), "nothing was judged: no keyword of this test held the device against an expectation"),
        (concluded(PASSED, OWN_MET), "all that was met rests on defaults of this project"),
        (concluded(PASSED, OWN_MET, OWN_MISSED), f"{OWN_MISSED}"),
        (concluded(PASSED, MET, NOTED, NOTED), f"{NOTED}; {NOTED}"),
        (concluded(FAILED, MISSED), FAILED.message),
        (GIVES[Verdict.CONDITIONAL], f"conditional pass: {finding(Outcome.CONDITIONAL_PASS)}"),
        (GIVES[Verdict.TOLERATED], f"SMDA-246: {finding(Outcome.MISSED)}"),
        (GIVES[Verdict.INFRA], "the broker is gone"),
        (GIVES[Verdict.ABORTED], SIGNAL),
        (GIVES[Verdict.SKIPPED], "this bench cannot do outage"),
        (conclude(PASSED, Ending("FAIL", "Teardown failed:\nx"), [MET]), "Teardown failed:\nx"),
        (conclude(PASSED, Ending("FAIL", "Teardown failed:\nINFRA: the bench went"), []), "the bench went"),
        (conclude(PASSED, Ending("FAIL", f"Teardown failed:\n{SIGNAL}"), [MET], stopped=True),
         f"Teardown failed:\n{SIGNAL}"),
    ],
)  # fmt: skip
def test_the_reason_says_in_one_go_why(told: Conclusion, reason: str) -> None:
    assert told.reason == reason


@pytest.mark.parametrize(
    ("body", "end", "findings", "verdict"),
    [
        (PASSED, f"Teardown failed:\n{SIGNAL}", [MET], Verdict.ABORTED),
        (FAILED, f"{FAILED.message}\n\nAlso teardown failed:\n{SIGNAL}", [MISSED], Verdict.FAIL),
        (PASSED, "Teardown failed:\nexpected silence, got noise", [MET], Verdict.FAIL),
        (PASSED, f"Teardown failed:\nshown: {SIGNAL}", [MET], Verdict.FAIL),
        (Ending("FAIL", "Test execution stopped due to a fatal error."), "", [], Verdict.ABORTED),
        (Ending("FAIL", f"Setup failed:\n{SIGNAL}"), "", [], Verdict.ABORTED),
        (Ending("FAIL", f"Parent suite setup failed:\n{SIGNAL}"), "", [], Verdict.ABORTED),
        (Ending("FAIL", "expected x, got y"), "", [], Verdict.FAIL),
    ],
)
def test_a_run_that_was_stopped_aborts_what_did_nothing_wrong(
    body: Ending, end: str, findings: list[Finding], verdict: Verdict
) -> None:
    assert conclude(body, Ending("FAIL", end) if end else body, findings, stopped=True).verdict is verdict


def test_the_reason_names_reading_and_default_or_the_issue() -> None:
    assert "a default of this project" in concluded(PASSED, OWN_MISSED).reason
    assert "SMDA-246" in GIVES[Verdict.TOLERATED].reason
    assert "conditional pass" in GIVES[Verdict.CONDITIONAL].reason
    assert "nothing was judged" in concluded(PASSED).reason
    assert concluded(PASSED, MET).reason == ""
