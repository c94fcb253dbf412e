"""The session of a run with its bench: what is left of it when a keyword is ended in the midst of something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from robot.api import SkipExecution

from devices.events.bench import BenchStalled, PinMoved
from rig.bus.errors import BenchBusy, NoAnswer
from rig.bus.messages import Answer, Context, Event
from rig.evidence.conclusion import weigh
from rig.evidence.judging import Basis, BasisKind, Finding, Outcome
from rig.evidence.verdicts import Verdict
from rig.keywords import session as session_module
from rig.keywords.allowance import Allowance
from rig.keywords.connection import Connection, Misused
from rig.keywords.judge import judge
from rig.keywords.matching import Matcher
from rig.keywords.session import PRESS, Session
from rig.keywords.silence import Asked

SECOND = 1_000_000_000
DESCRIBED: Mapping[str, Any] = {
    "devices": {"esme": {"eui": "00db1234567890a0", "kind": "esme", "node": "esme"}},
    "capabilities": ["outage"],
    "clock": "real",
    "longest_test_ns": 1_800_000_000_000,
    "order": 7,
    "decision_rule": "simple",
}


class EndedByRobot(Exception):
    """What Robot raises in the midst of a keyword whose time is over."""


class Interrupted(Connection):
    """A bench that is there; the calls whose numbers ``ends`` has do not come back, since something ends them."""

    def __init__(self, ends: Mapping[int, Exception]) -> None:
        super().__init__()
        self._ends, self._calls, self._held = ends, 0, False
        self.taken = ""
        self.meanwhile: tuple[Event, ...] = ()
        self.now = 0

    @property
    def open(self) -> bool:
        return self._held

    def claim(self) -> None:
        self._held = True

    def claim_anew(self) -> None:
        if self.taken:
            raise BenchBusy("bench line", self.taken)
        self._held = True

    def call(self, node: str, verb: str, args: Mapping[str, Any], within_s: float, context: Context) -> Answer:
        if verb == "clock.advance":
            return Answer("id", 1, "ok", "boot", {"now": args["span_ns"]}, None, {}, self.meanwhile)
        if verb == "device.ask":
            return Answer("id", 1, "ok", "boot", {"now": self.now}, None, {})
        assert verb == "bench.describe", (node, within_s, context)
        self._calls += 1
        if self._calls in self._ends:
            raise self._ends[self._calls]
        return Answer("id", self._calls, "ok", "boot", DESCRIBED, None, {})


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    for name in ("clock", "_bench", "_issues"):  # a session tells these to the judge of this process
        monkeypatch.setattr(judge(), name, getattr(judge(), name))
    return Session()


def test_a_first_contact_that_was_ended_is_made_up_for_by_the_next(session: Session) -> None:
    session._connection = Interrupted({1: EndedByRobot()})
    with pytest.raises(EndedByRobot):
        session.connect()
    session.mend()  # the next test prepares its premises
    assert session.capabilities == {"outage"}
    assert session.clock == "real"


def test_a_mending_that_was_ended_is_made_up_for_by_the_next(session: Session) -> None:
    session._connection = Interrupted({1: NoAnswer("bench", "no answer in time"), 2: EndedByRobot()})
    with pytest.raises(SkipExecution, match="INFRA"):
        session.connect()
    with pytest.raises(EndedByRobot):
        session.mend()
    session.mend()
    assert "esme" in session.devices


def test_what_is_told_does_not_grow_with_each_test_that_finds_the_bench_gone(session: Session) -> None:
    link = session._connection = Interrupted({1: NoAnswer("bench", "no answer in time")})
    with pytest.raises(SkipExecution):
        session.connect()
    link.taken, told = "held by somebody", []
    for _ in range(3):
        with pytest.raises(SkipExecution, match=r"held by somebody.*no answer in time") as skipped:
            session.mend()
        told.append(str(skipped.value))
    assert len(set(told)) == 1
    link.taken = ""
    session.mend()
    assert "esme" in session.devices


STALLED = Event(1, 8, "boot", "bench", BenchStalled.kind, 4 * SECOND, {"span_ns": 3 * SECOND})
BEFORE = replace(STALLED, at_ns=-SECOND)


@pytest.fixture
def waiting(session: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(session, "_need_premises", lambda: None)
    session._connection = Interrupted({})
    session.connect()
    return session


def test_how_long_a_device_takes_counts_from_the_action_and_not_from_the_quiet_before_it(waiting: Session) -> None:
    waiting.begin_test()
    waiting.pass_time(timedelta(minutes=20))  # in which nothing happens
    waiting.begin_action("ECS42")
    assert waiting.time_of(waiting.action) == waiting.now == 1200 * SECOND


def test_what_a_person_takes_between_two_keywords_is_not_the_time_of_the_device(waiting: Session) -> None:
    waiting.begin_test()
    waiting._connection.now = 90 * SECOND  # type: ignore[attr-defined]  # a dialog, while the bench's clock goes on
    waiting.begin_action("ECS42")
    waiting.ask("esme", "press")
    assert waiting.time_of(waiting.action) == 90 * SECOND
    marked = waiting.mark
    waiting.pass_time(timedelta(minutes=20))
    waiting.ask("esme", "press")
    assert waiting.time_of(marked) == 90 * SECOND, "time that was let pass is the device's"


@pytest.mark.parametrize("handed_out_since", [False, True])
def test_a_button_acts_on_the_command_that_went_out(waiting: Session, *, handed_out_since: bool) -> None:
    sent = Asked("90b3d51f30010000", "00db1234567890a0", 3, 7, "supplier")
    waiting.begin_action("ECS44")
    waiting.asked = sent
    if handed_out_since:  # for the work order of a terminal, which has not applied it
        waiting.begin_action("ECS43")
        waiting.asked = replace(sent, counter=4, out=False)
    waiting.begin_action(PRESS)
    assert waiting.led_to("esme") == sent


@pytest.mark.parametrize(
    ("meanwhile", "infra"),
    [((), False), ((BEFORE,), False), ((STALLED,), True), ((replace(STALLED, at_ns=0),), True)],
)
def test_a_wait_in_vain_while_the_bench_stood_still_says_nothing_of_a_device(
    waiting: Session, meanwhile: tuple[Event, ...], *, infra: bool
) -> None:
    waiting._connection.meanwhile = meanwhile  # type: ignore[attr-defined]
    edge = Matcher(PinMoved, "esme", {"level": True})
    if infra:
        with pytest.raises(SkipExecution, match=r"^INFRA: .*held up for 3\.0 s"):
            waiting.wait(edge, timedelta(seconds=5), 7)
        assert waiting.find(edge, 7) is None
        assert not waiting._broken, "the bench is there, and the test can be brought to its end"
    else:
        assert waiting.wait(edge, timedelta(seconds=5), 7) is None


@pytest.mark.parametrize(("meanwhile", "outcome"), [((), Outcome.MISSED), ((STALLED,), Outcome.INCONCLUSIVE)])
def test_who_was_late_while_the_bench_stood_still_was_not_shown_to_be(
    waiting: Session, meanwhile: tuple[Event, ...], outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[Finding] = []
    monkeypatch.setattr(judge(), "noted", noted.append)
    waiting._connection.meanwhile = meanwhile  # type: ignore[attr-defined]
    waiting.pass_time(timedelta(seconds=5))
    word = Basis(BasisKind.DECLARATION, "its maker")
    waiting.timed_span(Allowance("esme", ("answer",), timedelta(seconds=2), word), 5 * SECOND, 0)
    assert [finding.outcome for finding in noted] == [outcome]
    assert weigh(noted)[0] is (Verdict.FAIL if outcome is Outcome.MISSED else Verdict.INCONCLUSIVE)


class Running:
    """What a keyword asks Robot: in which test it runs."""

    suite, test = "Rig.Gas", "Closes"

    def get_variable_value(self, name: str) -> str:
        return {"${SUITE NAME}": self.suite, "${TEST NAME}": self.test}[name]


@pytest.mark.parametrize(("suite", "test"), [("Rig.Electricity", "Closes"), ("Rig.Gas", "Opens"), ("Rig", "")])
def test_premises_are_those_of_one_test_whatever_others_are_called(
    session: Session, monkeypatch: pytest.MonkeyPatch, suite: str, test: str
) -> None:
    monkeypatch.setattr(session_module, "BuiltIn", Running)
    session._connection = Interrupted({})
    session.name_test()
    session.begin_premises(0)
    session.ask("esme", "press")
    monkeypatch.setattr(Running, "suite", suite)
    monkeypatch.setattr(Running, "test", test)
    with pytest.raises(Misused, match="no premises are prepared for this test"):
        session.ask("esme", "press")
    monkeypatch.undo()


def test_a_test_that_is_repeated_has_no_premises_of_the_one_before(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "BuiltIn", Running)
    session._connection = Interrupted({})
    session.name_test()
    session.begin_premises(0)
    session.evidence, session.events = "folder-of-the-first", [STALLED]
    session.start_test()
    with pytest.raises(Misused, match="no premises"):
        session.ask("esme", "press")
    assert not session.evidence, "a test that is skipped before it has a folder closes none, and names none"
    assert not session.events
