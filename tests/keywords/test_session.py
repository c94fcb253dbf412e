"""The session of a run with its bench: what is left of it when a keyword is ended in the midst of something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from robot.api import SkipExecution

from rig.bus.errors import BenchBusy, NoAnswer
from rig.bus.messages import Answer, Context
from rig.keywords.connection import Connection
from rig.keywords.judge import judge
from rig.keywords.session import Session

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
        self.gone = ""

    @property
    def open(self) -> bool:
        return self._held

    def claim(self) -> None:
        self._held = True

    def claim_anew(self) -> None:
        if self.gone:
            raise BenchBusy("bench line", self.gone)
        self._held = True

    def call(self, node: str, verb: str, args: Mapping[str, Any], within_s: float, context: Context) -> Answer:
        assert verb == "bench.describe", (node, args, within_s, context)
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
    link.gone, told = "held by somebody", []
    for _ in range(3):
        with pytest.raises(SkipExecution, match=r"held by somebody.*no answer in time") as skipped:
            session.mend()
        told.append(str(skipped.value))
    assert len(set(told)) == 1
    link.gone = ""
    session.mend()
    assert "esme" in session.devices
