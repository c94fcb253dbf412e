"""The listener of a run: it concludes each test, excuses what the bench broke, and fails nothing by itself."""

from __future__ import annotations

import pytest
from robot.result import Keyword  # type: ignore[import-untyped]
from robot.result import TestCase as Case
from robot.result import TestSuite as Suite

from rig.evidence.conclusion import Conclusion
from rig.evidence.judging import Basis, BasisKind, Finding, Outcome
from rig.evidence.verdicts import ROBOT_STATUS, Verdict
from rig.keywords import listener as listener_module
from rig.keywords.judge import judge
from rig.keywords.listener import RunListener
from rig.keywords.session import Session

CLAUSE, OURS = Basis(BasisKind.CLAUSE, "GBCS ECS42"), Basis(BasisKind.OWN_DEFAULT, "a data sheet")
MET = Finding("it closes", Outcome.MET, CLAUSE)
MISSED = Finding("it closes", Outcome.MISSED, CLAUSE, failure="expected x, got y")

LET_OFF = "Failed test skipped using 'soft' tag.\n\nOriginal failure:\nexpected x, got y"
"""What Robot says where ``--skiponfailure`` turns a failure into a skip."""


class Result(Case):  # type: ignore[misc]  # the library is untyped
    """The result of a test as Robot hands it over, with what was found in it and how its teardown ended it."""

    def __init__(self, status: str, message: str = "", findings: tuple[Finding, ...] = (), teardown: str = "") -> None:
        super().__init__("A Test", status=status, message=message)
        self.findings, self.failed_by = findings, teardown


def ended(*results: Result) -> RunListener:
    listener = RunListener()
    for result in results:
        listener.start_test(result, result)
        judge().findings.extend(result.findings)
        listener.start_keyword(None, Keyword("Inner", type="TEARDOWN", parent=Keyword("Users own", parent=result)))
        listener.start_keyword(None, Keyword("Finish Test", type="TEARDOWN", parent=result))
        if result.failed_by:
            result.status, result.message = "FAIL", result.failed_by
        listener.end_test(result, result)
    return listener


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (Result("PASS", "", (MET,)), Verdict.PASS),
        (Result("PASS", ""), Verdict.OBSERVED),
        (Result("PASS", "", (MET, Finding("soon", Outcome.MISSED, OURS))), Verdict.OBSERVED),
        (Result("FAIL", "expected the contact to open"), Verdict.FAIL),
        (Result("SKIP", "SKIPPED: this bench cannot do outage"), Verdict.SKIPPED),
        (Result("SKIP", "INFRA: the broker is gone"), Verdict.INFRA),
        (Result("SKIP", "INCONCLUSIVE: too close to the limit"), Verdict.INCONCLUSIVE),
        (Result("PASS", "", (Finding("soon", Outcome.INCONCLUSIVE, CLAUSE),)), Verdict.INCONCLUSIVE),
        (Result("PASS", "", (Finding("soon", Outcome.CONDITIONAL_FAIL, CLAUSE),)), Verdict.CONDITIONAL),
        (Result("PASS", "", (Finding("soon", Outcome.MISSED, CLAUSE, tolerated="X-1"),)), Verdict.TOLERATED),
        (Result("FAIL", "Setup failed:\nINFRA: the broker is gone"), Verdict.INFRA),
        (Result("PASS", "", teardown="Teardown failed:\nINFRA: the bench went"), Verdict.INFRA),
        (Result("PASS", "INFRA: a word in passing", (MET,)), Verdict.PASS),
        (Result("SKIP", LET_OFF), Verdict.SKIPPED),
        (Result("SKIP", LET_OFF, (MISSED,)), Verdict.FAIL),
    ],
)
def test_each_test_counts_as_its_verdict_says(result: Result, verdict: Verdict) -> None:
    listener = ended(result)
    assert listener.verdicts == {verdict: 1}
    assert result.status == ROBOT_STATUS[verdict]
    assert listener.infra is (verdict is Verdict.INFRA)
    if verdict not in (Verdict.PASS, Verdict.FAIL, Verdict.INFRA, Verdict.SKIPPED):
        assert result.message.startswith(f"{verdict.value}: ")


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (Result("PASS", "", (MET,), "Teardown failed:\nINFRA: the bench went"), Verdict.PASS),
        (
            Result(
                "FAIL",
                "expected x, got y",
                (MISSED,),
                "expected x, got y\n\nAlso teardown failed:\nINFRA: the bench went",
            ),
            Verdict.FAIL,
        ),
    ],
)
def test_a_verdict_once_given_is_told_together_with_what_broke_after_it(result: Result, verdict: Verdict) -> None:
    listener = ended(result)
    assert listener.verdicts == {verdict: 1}
    assert listener.infra
    assert result.status == verdict.value
    assert "the bench went" in result.message


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


@pytest.mark.parametrize(
    ("message", "stopped"),
    [
        ("expected the display of esme to show 'on', got 'Execution terminated by signal'", False),
        ("Execution terminated by signal", True),
        ("Setup failed:\nExecution terminated by signal", True),
        ("Several failures occurred:\n\n1) 1 != 2\n\n2) Execution terminated by signal", True),
    ],
)
def test_a_device_cannot_stop_a_run_by_what_it_shows(message: str, *, stopped: bool) -> None:
    assert ended(Result("FAIL", message)).stopped is stopped


def test_what_was_found_of_one_test_is_not_found_of_the_next() -> None:
    assert ended(Result("PASS", "", (MET,)), Result("PASS")).verdicts == {Verdict.PASS: 1, Verdict.OBSERVED: 1}


def test_no_keyword_ends_a_test_in_its_setup_or_teardown() -> None:
    listener, test = RunListener(), Result("PASS")
    listener.start_test(test, test)
    assert judge().may_end
    setup = Keyword("Prepare Premises", type="SETUP", parent=test)
    inner = Keyword("Its own setup", type="SETUP", parent=setup)
    listener.start_keyword(None, setup)
    assert not judge().may_end
    listener.start_keyword(None, inner)
    listener.end_keyword(None, inner)
    assert not judge().may_end
    listener.end_keyword(None, setup)
    assert judge().may_end
    listener.start_keyword(None, Keyword("Finish Test", type="TEARDOWN", parent=test))
    assert not judge().may_end


@pytest.mark.parametrize("name", ["Run Keyword And Return Status", "Wait Until Keyword Succeeds"])
def test_no_keyword_ends_a_test_where_its_failure_is_caught(name: str) -> None:
    listener, test = RunListener(), Result("PASS")
    listener.start_test(test, test)
    catching = Keyword(name, owner="BuiltIn", parent=test)
    inner = Keyword("Display Should Show", parent=Keyword("Users own", parent=catching))
    listener.start_keyword(None, inner)
    assert not judge().may_end
    listener.end_keyword(None, inner)
    assert not judge().may_end
    listener.end_keyword(None, catching)
    assert judge().may_end
    listener.start_keyword(
        None, Keyword("Display Should Show", parent=test.body.create_try().body.create_branch("TRY"))
    )
    assert not judge().may_end
    test.tags.add("robot:continue-on-failure")
    listener.start_keyword(None, Keyword("Display Should Show", parent=test))
    assert not judge().may_end


def test_the_summary_counts_everything_once() -> None:
    passed = (Result("PASS", "", (MET,)), Result("PASS", "", (MET,)))
    listener = ended(*passed, Result("FAIL"), Result("SKIP"), Result("SKIP", "INFRA: gone"), Result("PASS"))
    assert listener.total == 6
    assert listener.summary() == "6 tests: 2 passed, 1 failed, 1 skipped, 1 OBSERVED, 1 INFRA"


def test_a_run_of_nothing_is_told_so() -> None:
    assert ended().summary() == "0 tests: 0 passed, 0 failed, 0 skipped; nothing was judged"
    assert not ended().infra


@pytest.mark.parametrize(("prepared", "bench_s"), [("Rig.Gas.Closes", 5.0), ("Rig.Electricity.Closes", 0.0)])
def test_the_bench_time_of_a_test_is_that_of_its_own_premises(
    prepared: str, bench_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two suites may hold tests of one name."""
    monkeypatch.setattr(judge(), "clock", judge().clock)  # which a session sets
    now = Session()
    now.test, now.full_name, now.now = "Closes", prepared, 5_000_000_000
    monkeypatch.setattr(listener_module, "session", lambda: now)
    monkeypatch.setattr(listener_module, "_folder", lambda: None)
    case = Case("Closes", status="SKIP", start_time="2026-11-20 09:00:00", elapsed_time=1, parent=Suite("Gas"))
    case.parent.parent = Suite("Rig")
    told = Conclusion(Verdict.SKIPPED, "", (), "")
    assert listener_module._record(case, case, told, 1).bench_s == bench_s
