"""The listener of a run: it concludes each test, excuses what the bench broke, and fails nothing by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from robot.api import TestSuite as Data
from robot.result import Keyword  # type: ignore[import-untyped]
from robot.result import TestCase as Case
from robot.result import TestSuite as Suite

from rig.evidence import record as records
from rig.evidence.conclusion import Conclusion, Ending
from rig.evidence.judging import Basis, BasisKind, Finding, Outcome
from rig.evidence.record import DeviceFacts, EvidenceFile, Record
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


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Session:
    """A session at the end of a test whose results are kept."""
    monkeypatch.setattr(judge(), "clock", judge().clock)
    now = Session()
    told = {"kind": "esme", "eui": "00db1234567890a0"}
    now.devices = {"esme": told, "dut": {**told, "kind": "gsme", "under_test": True}, "off": told}
    now.before = {"esme": {"sensed": {"contact": "made"}, "not_read": {"clock": "by message"}}, "dut": None}
    now.after = {"esme": {"sensed": {"contact": "open"}, "not_read": {}}, "dut": {"sensed": {}, "not_read": {"x": "y"}}}
    now.files = [{"name": "evidence/a/b.svg", "size": 3, "sha256": "ab"}]
    now.absent = {"c.pcap": "no tap"}
    now.unasked = ({"code": "0x8F36"},)
    now.described = {"bench": "direct", "seed": 7, "profile": "decided", "not_repeatable": "its clock is real"}
    now.full_name, now.now = "Rig.Gas.Closes", 5_000_499_999
    monkeypatch.setattr(now, "start_test", lambda: None)
    monkeypatch.setattr(listener_module, "session", lambda: now)
    monkeypatch.setattr(listener_module, "_folder", lambda: tmp_path)
    monkeypatch.setenv("RIG_RUN", "1f")
    monkeypatch.setenv("RIG_BENCH", "other")
    monkeypatch.setenv("RIG_EVIDENCE", str(tmp_path / "evidence"))
    return now


def told_case(tags: Sequence[str] = (), doc: str = "It closes.\n\nAt once.", status: str = "PASS") -> Case:
    """A test of a suite within a suite, as it stands in the results."""
    started = datetime(2026, 11, 20, 9, 0, 0, 123_400, tzinfo=UTC).astimezone().replace(tzinfo=None)
    case = Case("Closes", doc, tags, status=status, start_time=started, elapsed_time=1.23456, parent=Suite("Gas"))
    case.parent.parent = Suite("Rig")
    return case


NOT_ASKED = "the bench was not asked, or could not answer any more"


def test_the_whole_record_of_a_test(kept: Session, tmp_path: Path) -> None:
    listener, case = RunListener({"Rig.Gas.Closes": 2}), told_case(["req:cv-1", "Req:CV-2", "BAD", "manual", "x:y"])
    listener.start_test(case, case)
    judge().findings.append(MET)
    listener.end_test(case, case)
    (one,) = listener.records
    assert one == Record(
        "Rig.Gas.Closes", "Closes", ("Rig", "Gas"), "It closes.", "PASS", "", "", ("CV-1", "CV-2"), True, "1f",
        "direct", 7, "decided", ({"kind": "CLAUSE", "source": "GBCS ECS42"},), (MET.as_json(),), 3,
        (
            DeviceFacts("esme", "esme", "00db1234567890a0", "emulated", {"contact": "made"}, {"contact": "open"},
                        {"clock": "by message"}),
            DeviceFacts("dut", "gsme", "00db1234567890a0", "under test", {}, {}, {"before": NOT_ASKED, "x": "y"}),
            DeviceFacts("off", "esme", "00db1234567890a0", "emulated", {}, {},
                        {"before": NOT_ASKED, "after": NOT_ASKED}),
        ),
        (EvidenceFile("evidence/a/b.svg", 3, "ab"),), {"c.pcap": "no tap"}, kept.unasked,
        "no, because its clock is real, a person takes part", "2026-11-20T09:00:00.123+00:00", 1.235, 5.0,
    )  # fmt: skip
    assert records.read(tmp_path) == [one]
    assert "verdict:PASS" in case.tags
    assert (listener.judged, listener.infra) == (True, False)
    listener.end_test(case, case)
    assert listener.records[1].attempts == 4


def test_a_record_of_what_nobody_said_anything_of(
    kept: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.described, kept.full_name = {}, ""
    monkeypatch.delenv("RIG_RUN")
    monkeypatch.setenv("RIG_EVIDENCE", str(tmp_path / "elsewhere" / "evidence"))
    case, gone = told_case(doc="", status="SKIP"), Conclusion(Verdict.INFRA, "gone", (), "wire")
    one = listener_module._record(case, case, gone, 1)
    assert (one.run, one.bench, one.seed, one.profile, one.repeatable) == ("", "other", None, "", "yes")
    assert (one.claim, one.bad, one.requirements, one.bench_s) == ("", False, (), 0.0)
    assert (one.verdict, one.reason, one.bench_broke) == ("INFRA", "gone", "wire")
    assert one.files[0].name == str(tmp_path / "elsewhere" / "evidence" / "a" / "b.svg")
    monkeypatch.delenv("RIG_BENCH")
    monkeypatch.delenv("RIG_EVIDENCE")
    one = listener_module._record(case, case, gone, 1)
    assert (one.bench, one.files[0].name) == ("", "evidence/a/b.svg")


def test_a_record_that_cannot_be_kept_is_infra(
    kept: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records, "append", full)
    listener, case = RunListener(), told_case()
    listener.start_test(case, case)
    before = listener.infra
    listener.end_test(case, case)
    assert (before, listener.infra) == (False, True)
    assert "INFRA: the record of Rig.Gas.Closes is not kept: " in caplog.text
    assert kept.files


def test_a_report_begins_with_what_its_columns_do_not_tell(kept: Session) -> None:
    listener, inner, whole = RunListener(), Suite("Gas"), Suite("Rig")
    inner.parent = whole
    listener.end_suite(None, inner)
    listener.end_suite(None, whole)
    assert dict(inner.metadata) == {}
    assert dict(whole.metadata) == {"Verdicts": "*nothing was judged*"}
    assert kept.files


@pytest.mark.parametrize(
    ("clock", "longest", "said"),
    [("real", "1800", "1 tests take about 1 min; 1 that take longer than 30 min each are skipped; how long 1 take"),
     ("real", None, "2 tests take about 2 h 1 min; how long 1 take is not recorded"), ("virtual", "1800", "")],
)  # fmt: skip
def test_how_long_a_run_will_take_is_said_at_its_begin(
    kept: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: str, longest: str | None, said: str
) -> None:
    text = "*** Test Cases ***\n" + "".join(f"{name}\n    No Operation\n" for name in ("One", "Two", "Three"))
    (tmp_path / "gas.robot").write_text(text, encoding="utf-8")
    (tmp_path / "bench_times.yaml").write_text("Gas: {One: 60, Two: 7200}", encoding="utf-8")
    monkeypatch.setenv("RIG_CLOCK", clock)
    if longest is None:
        monkeypatch.delenv("RIG_LONGEST_TEST_S", raising=False)
    else:
        monkeypatch.setenv("RIG_LONGEST_TEST_S", longest)
    told: list[str] = []
    monkeypatch.setattr("robot.api.logger.console", told.append)
    data = Data.from_file_system(tmp_path / "gas.robot")
    inner = Data("Inner")
    inner.parent = data
    for suite in (data, inner):  # what is within says nothing
        RunListener().start_suite(suite, None)
        assert len(told) == bool(said)
    assert "".join(told).startswith(f"on this bench's real clock {said}" if said else "")
    assert kept.files


@pytest.mark.parametrize(
    ("told", "end", "message"),
    [
        (Conclusion(Verdict.PASS, "", (), ""), ("PASS", "words"), "words"),
        (Conclusion(Verdict.FAIL, "it missed", (), ""), ("FAIL", "words"), "words"),
        (Conclusion(Verdict.FAIL, "it missed", (), ""), ("SKIP", "words"), "it missed"),
        (Conclusion(Verdict.OBSERVED, "ours", (), ""), ("FAIL", "words"), "OBSERVED: ours"),
        (Conclusion(Verdict.SKIPPED, "why", (), ""), ("SKIP", "words"), "words"),
        (Conclusion(Verdict.INFRA, "gone", (), "gone"), ("SKIP", "INFRA: gone"), "INFRA: gone"),
        (Conclusion(Verdict.ABORTED, "signal", (), "gone"), ("FAIL", "x"), "x\n\nAfter that the bench broke: gone"),
        (Conclusion(Verdict.PASS, "", (), "gone"), ("FAIL", "gone"), "PASS\n\nAfter that the bench broke: gone"),
        (Conclusion(Verdict.FAIL, "y", (), "gone"), ("FAIL", "y\n\ngone"), "y\n\ngone"),
        (Conclusion(Verdict.TOLERATED, "z", (), "gone"), ("FAIL", "gone"),
         "TOLERATED: z\n\nAfter that the bench broke: gone"),
    ],
)  # fmt: skip
def test_what_stands_beside_a_test(told: Conclusion, end: tuple[str, str], message: str) -> None:
    assert listener_module._message(told, Ending(*end)) == message


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
