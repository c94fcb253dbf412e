"""The premises of a test: what was found on the way to them, and is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from rig.evidence.judging import Basis, BasisKind, Finding, Outcome
from rig.keywords import bench
from rig.keywords.bench import Bench, State
from rig.keywords.judge import judge
from rig.keywords.session import Session


class Robots:
    """What a keyword asks Robot."""

    dry_run_active = False

    def get_variable_value(self, _name: str, default: object = "") -> object:
        return default


class Fresh(Session):
    """A session with a bench that makes premises."""

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        return {"before": 0, "devices": {}}

    def mend(self) -> None: ...
    def connect(self) -> None: ...
    def name_test(self) -> None: ...
    def describe(self) -> None: ...


@pytest.fixture(autouse=True)
def _begun() -> Iterator[None]:
    yield
    judge().begin("")


def finding(outcome: Outcome, kind: BasisKind) -> Finding:
    return Finding("the hub takes no longer to boot than it may", outcome, Basis(kind, "its maker"), "takes", "hub")


MET, MISSED, INCONCLUSIVE = Outcome.MET, Outcome.MISSED, Outcome.INCONCLUSIVE
CLAUSE, DECLARED, OURS = BasisKind.CLAUSE, BasisKind.DECLARATION, BasisKind.OWN_DEFAULT


@pytest.mark.parametrize(
    ("outcome", "kind", "kept"),
    [
        (MET, CLAUSE, False), (MET, OURS, False), (MISSED, OURS, False),
        (MISSED, DECLARED, True), (INCONCLUSIVE, DECLARED, True),
    ],
)  # fmt: skip
def test_a_declared_time_that_was_exceeded_on_the_way_is_a_finding_of_the_test(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, kind: BasisKind, *, kept: bool
) -> None:
    now, found = Fresh(), finding(outcome, kind)
    monkeypatch.setattr(bench, "session", lambda: now)
    monkeypatch.setattr(bench, "BuiltIn", Robots)
    monkeypatch.setattr(bench, "_bring_to", lambda _state: judge().findings.append(found))
    Bench().prepare_premises(needs=State.FRESH, leaves=State.FRESH)
    assert judge().findings == ([found] if kept else [])


def test_of_premises_that_did_not_come_about_every_miss_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_state: State) -> None:
        judge().findings[:] = [finding(MET, CLAUSE), finding(MISSED, OURS)]
        raise AssertionError

    now = Fresh()
    monkeypatch.setattr(bench, "session", lambda: now)
    monkeypatch.setattr(bench, "BuiltIn", Robots)
    monkeypatch.setattr(bench, "_bring_to", broken)
    with pytest.raises(AssertionError):
        Bench().prepare_premises(needs=State.FRESH, leaves=State.FRESH)
    assert judge().findings == [finding(MISSED, OURS)]
