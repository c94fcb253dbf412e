"""How keywords judge: by the closest expectation, and a miss ends the test as its basis allows."""

from __future__ import annotations

from datetime import date, timedelta
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from robot.libdocpkg import LibraryDocumentation  # type: ignore[import-untyped]

from rig.bus.declarations import DECLARATIONS
from rig.evidence.judging import BasisKind, Limit, Outcome, Reading
from rig.keywords import judge as room
from rig.keywords.connection import Misused
from rig.keywords.judge import Judge, Observed, Unmet, judged
from rig.keywords.listener import RunListener
from tests.keywords.test_libraries import LIBRARIES

ISSUE = {"id": "SMDA-246", "reason": "mended in 2.1", "until": "2999-12-31", "expectation": "enable-closes"}


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    """The judge of a run of its own, in the body of a test."""
    for name in ("RIG_TOLERATE", "RIG_EXPECTATIONS"):
        monkeypatch.delenv(name, raising=False)
    own = Judge()
    monkeypatch.setattr(room, "_JUDGE", own)
    own.begin("A Test")
    return own


class Way(Enum):
    """What a keyword may be asked."""

    REPLAY = "again"


class Library:
    """A library with judging keywords."""

    @judged("contact-opens")
    def contact_should_open(self, device: str = "esme", *, moved: bool = True) -> float:
        """It must open."""
        if not moved:
            raise Unmet("expected the contact to open, got nothing")
        return 8.0

    @judged("refused:{check}")
    def refusal(self, command: dict[str, Any], check: Way) -> None:
        """It must refuse."""

    @judged("command-succeeds")
    def outer(self) -> None:
        """Calls another."""
        self.contact_should_open("gsme", moved=False)


def test_a_second_run_in_a_process_judges_by_its_own_expectations(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = judge.expectation("contact-opens").statement
    row = {"statement": "it opens", "asks": "contact-opens", "source": "our method", "mark": "standard"}
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"version": 1, "expectations": {"contact-opens": row}}), encoding="utf-8")
    monkeypatch.setenv("RIG_EXPECTATIONS", str(own))
    assert judge.expectation("contact-opens").statement == shipped, "within a run nothing changes"
    RunListener().start_suite(SimpleNamespace(parent=SimpleNamespace()), None)
    assert judge.expectation("contact-opens").statement == shipped, "nor with a suite of it"
    RunListener().start_suite(SimpleNamespace(parent=None), None)
    assert judge.expectation("contact-opens").statement == "it opens"


def test_what_is_met_is_a_finding_with_the_basis_of_its_cause(judge: Judge) -> None:
    for cause, kind in (("ECS43", BasisKind.CLAUSE), ("ECS44", BasisKind.OWN_DEFAULT)):
        judge.cause = cause
        assert Library().contact_should_open() == 8.0
        assert (judge.findings[-1].outcome, judge.findings[-1].basis.kind) == (Outcome.MET, kind)
        assert judge.findings[-1].device == "esme"


def test_a_miss_on_a_clause_is_a_failure(judge: Judge) -> None:
    judge.cause = "ECS43"
    with pytest.raises(Unmet):
        Library().contact_should_open(moved=False)
    (found,) = judge.findings
    assert (found.expectation, found.outcome, found.failure) == (
        "disable-opens",
        Outcome.MISSED,
        "expected the contact to open, got nothing",
    )


def test_a_miss_on_a_default_of_ours_ends_the_test_and_fails_nobody(judge: Judge) -> None:
    judge.cause = "ECS44"
    with pytest.raises(Observed, match="OBSERVED: arming a supply that is on"):
        Library().contact_should_open(moved=False)
    assert judge.findings[0].failure == ""


def test_in_setup_and_teardown_it_is_a_failure_for_robot_and_known_as_none(judge: Judge) -> None:
    judge.cause, judge.may_end = "ECS44", False
    with pytest.raises(Unmet):
        Library().contact_should_open(moved=False)
    assert judge.findings[0].failure
    assert not judge.findings[0].basis.kind.counts


def test_a_tolerated_miss_ends_the_test_and_names_the_issue(judge: Judge) -> None:
    judge.of_bench({"tolerated": [{**ISSUE, "expectation": "disable-opens"}]})
    judge.cause = "ECS43"
    with pytest.raises(Observed, match="TOLERATED: SMDA-246"):
        Library().contact_should_open(moved=False)
    judge.of_bench({"tolerated": [{**ISSUE, "expectation": "disable-opens", "until": "2020-01-01"}]})
    with pytest.raises(Unmet):
        Library().contact_should_open(moved=False)


def test_a_lab_tolerates_by_a_file_too(judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "issues.yaml").write_text(yaml.safe_dump({"tolerated": [{**ISSUE, "expectation": "disable-opens"}]}))
    monkeypatch.setenv("RIG_TOLERATE", str(tmp_path / "issues.yaml"))
    judge.cause = "ECS43"
    with pytest.raises(Observed):
        Library().contact_should_open(moved=False)


def test_of_a_keyword_within_a_keyword_the_inner_one_has_found_it(judge: Judge) -> None:
    judge.cause = "GCS32"
    with pytest.raises(Unmet):
        Library().outer()
    (found,) = judge.findings
    assert (found.expectation, found.device) == ("disable-opens", "gsme")


def test_an_argument_narrows_what_is_asked_and_a_command_names_the_device(judge: Judge) -> None:
    Library().refusal({"device": "esme"}, Way.REPLAY)
    assert (judge.findings[0].expectation, judge.findings[0].device) == ("replay-refused", "esme")


def test_a_test_may_name_the_expectation_itself(judge: Judge) -> None:
    judge.cause = "ECS44"
    Library().contact_should_open(expectation="contact-opens")
    assert judge.findings[0].basis.kind is BasisKind.CLAUSE
    with pytest.raises(Misused, match="no expectation 'nonsense'"):
        Library().contact_should_open(expectation="nonsense")


def test_a_declaration_makes_a_miss_a_failure(judge: Judge) -> None:
    judge.of_bench({"devices": {"esme": {"declared": {"arming_an_enabled_supply": "opens"}}}})
    judge.cause = "ECS44"
    with pytest.raises(Unmet):
        Library().contact_should_open(moved=False)
    assert judge.findings[0].basis.kind is BasisKind.DECLARATION


# ------------------------------------------------------------------------------------------------------------- readings


def measured(judge: Judge, value: float, **declared: Any) -> Any:
    held = judge.expectation("operate-time", "esme")
    return judge.measured(held, "esme", Reading(value, "ms", 0.3, "load"))


def test_a_reading_beyond_a_default_of_ours_ends_nothing(judge: Judge) -> None:
    found = measured(judge, 25.0)
    assert (found.outcome, found.side, found.failure) == (Outcome.MISSED, "above", "")


def test_a_reading_beyond_what_was_declared_is_a_failure(judge: Judge) -> None:
    judge.of_bench({"devices": {"esme": {"declared": {"operate_ms": {"max": 30}}}}})
    assert measured(judge, 25.0).outcome is Outcome.MET
    with pytest.raises(Unmet, match="expected at most 30 ms, got 35"):
        measured(judge, 35.0)
    assert judge.findings[-1].failure


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [("none declared", Outcome.INCONCLUSIVE), ("simple", Outcome.MISSED), ("guard-band", Outcome.CONDITIONAL_FAIL)],
)
def test_the_rule_of_the_bench_decides(judge: Judge, rule: str, outcome: Outcome) -> None:
    judge.of_bench({"decision_rule": rule})
    assert measured(judge, 20.1).outcome is outcome


def test_an_instrument_is_relied_on_until_its_last_day(judge: Judge) -> None:
    for days, outcome in ((0, Outcome.MET), (-1, Outcome.INCONCLUSIVE)):
        until = (date.today() + timedelta(days=days)).isoformat()
        judge.of_bench({"calibrated_until": {"load": until}})
        assert measured(judge, 8.0).outcome is outcome


def test_what_has_no_limit_holds_no_reading(judge: Judge) -> None:
    with pytest.raises(Misused, match="has no limit"):
        judge.measured(judge.expectation("contact-opens"), "esme", Reading(1.0, "ms"))


# ----------------------------------------------------------------------------------------------- what keywords ask for


def test_what_can_be_declared_is_what_expectations_look_for() -> None:
    every = Judge().known.by_id.values()
    assert {one.declared for one in every if one.declared} == set(DECLARATIONS)
    for one in every:
        if one.declared and one.limit is None:
            assert one.declared_value in DECLARATIONS[one.declared]
        assert one.limit is None or isinstance(one.limit, Limit)


def test_every_shipped_keyword_that_judges_takes_an_expectation_and_asks_for_one_that_there_is() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(room.__file__).parent.glob("*.py"))
    asked = {line.split('"')[1] for line in sources.splitlines() if line.strip().startswith('@judged("')}
    assert len(asked) >= 20
    for asks in asked:
        assert Judge().known.of(asks.replace("{", "").replace("}", ""))
    shaped = [kw for name in LIBRARIES for kw in LibraryDocumentation(name).keywords if "expectation" in str(kw.args)]
    assert len(shaped) >= len(asked)
