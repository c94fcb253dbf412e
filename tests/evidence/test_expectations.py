"""The expectations: data with a source each, found by what is asked and after what; and issues that are tolerated."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.evidence import tolerated
from rig.evidence.expectations import MARKS, BadExpectation, Expectations, load
from rig.evidence.judging import Basis, BasisKind, Finding, Limit, Outcome
from rig.evidence.tolerated import BadIssue, issue_for
from rig.share import folder

SHIPPED = folder("robot_suites") / "resources" / "expectations.yaml"
EVERY = load(SHIPPED)
ROW: dict[str, Any] = {"statement": "it closes", "asks": "contact-closes", "source": "a book", "mark": "standard"}


def of(tmp_path: Path, *documents: Any) -> Expectations:
    paths = []
    for number, document in enumerate(documents):
        paths.append(tmp_path / f"{number}.yaml")
        text = document if isinstance(document, str) else yaml.safe_dump(document)
        paths[-1].write_text(text, encoding="utf-8")
    return load(*paths)


@pytest.mark.parametrize("one", EVERY.by_id.values(), ids=EVERY.by_id)
def test_every_shipped_expectation_has_words_and_a_source(one: Any) -> None:
    assert len(one.statement.split()) >= 3
    assert len(one.basis.source.split()) >= 3
    assert "/work" not in one.basis.source


@pytest.mark.parametrize(
    ("asks", "after", "name"),
    [
        ("contact-opens", "ECS43", "disable-opens"),
        ("contact-opens", "ECS44", "arming-opens"),
        ("contact-opens", "", "contact-opens"),
        ("contact-opens", "ECS99", "contact-opens"),
        ("contact-stands:closed", "supply.switch", "contact-kept-over-outage"),
        ("contact-stands:open", "ECS43", "contact-stands"),
        ("refused:REPLAY", "", "replay-refused"),
        ("refused:MAC", "", "refused"),
        ("alert-arrives:0x8F36", "", "alert-arrives"),
    ],
)
def test_the_closest_expectation_answers(asks: str, after: str, name: str) -> None:
    assert EVERY.of(asks, after).id == name


def test_what_nobody_expects_is_said() -> None:
    with pytest.raises(BadExpectation, match="no expectation for 'the-moon' after ECS44"):
        EVERY.of("the-moon", "ECS44")
    with pytest.raises(BadExpectation, match=r"no expectation 'nonsense'; there are .*arming-opens"):
        EVERY.named("nonsense")


@pytest.mark.parametrize(("mark", "kind"), MARKS.items())
def test_the_mark_of_a_source_decides_what_it_may_judge(tmp_path: Path, mark: str, kind: BasisKind) -> None:
    one = of(tmp_path, {"version": 1, "expectations": {"x": {**ROW, "mark": mark}}}).named("x")
    assert one.basis.kind is kind
    assert kind.counts is (mark not in ("single source", "maker's manual", "recalled", "our choice", "unknown"))


def test_a_declaration_takes_the_place_of_a_default() -> None:
    arming, time = EVERY.named("arming-opens"), EVERY.named("operate-time")
    assert arming.of_device("esme", {}) is arming
    assert arming.of_device("esme", {"arming_an_enabled_supply": "opens"}).basis.kind is BasisKind.DECLARATION
    assert arming.of_device("esme", {"arming_an_enabled_supply": "ignored"}).basis.kind is BasisKind.OWN_DEFAULT
    declared = time.of_device("esme", {"operate_ms": {"max": 30}})
    assert declared.limit == Limit(None, 30, "ms")
    assert declared.basis.source == "bench file, devices.esme.declared.operate_ms"


def test_a_lab_adds_its_own_and_replaces_by_id(tmp_path: Path) -> None:
    more = of(
        tmp_path,
        {"version": 1, "expectations": {"x": ROW, "y": ROW}},
        {"version": 1, "expectations": {"y": {**ROW, "statement": "it opens"}}},
    )
    assert (more.named("x").statement, more.named("y").statement) == ("it closes", "it opens")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("expectations: [", "readable"),
        ("just words", "'version: 1'"),
        ({"version": 2, "expectations": {}}, "'version: 1'"),
        ({"version": 1, "expectations": {"x": {"asks": "y"}}}, "statement, asks, source, mark"),
        ({"version": 1, "expectations": {"x": {**ROW, "nonsense": 1}}}, "statement, asks, source, mark"),
        ({"version": 1, "expectations": {"x": {**ROW, "mark": "sure"}}}, "x.mark: expected one of standard"),
        ({"version": 1, "expectations": {"x": {**ROW, "rule": "coin"}}}, "x.rule: expected one of none declared"),
        ({"version": 1, "expectations": {"x": {**ROW, "limit": {"low": 1}}}}, "x.limit"),
        ({"version": 1, "expectations": {"x": {**ROW, "limit": {"unit": "ms"}}}}, "x.limit"),
        ({"version": 1, "expectations": {"x": {**ROW, "limit": {"low": "a", "unit": "s"}}}}, "x.limit"),
        ({"version": 1, "expectations": {"x": {**ROW, "declared": ["a"]}}}, "x.declared"),
    ],
)
def test_a_bad_file_is_refused_at_its_place(tmp_path: Path, document: Any, words: str) -> None:
    with pytest.raises(BadExpectation, match=words):
        of(tmp_path, document)


# ----------------------------------------------------------------------------------------------------- tolerated issues

TODAY = date(2026, 11, 20)
MISS = Finding("arming opens", Outcome.MISSED, Basis(BasisKind.CLAUSE, "x"), "arming-opens", "esme")
ISSUE: dict[str, Any] = {
    "id": "SMDA-246",
    "reason": "mended in 2.1",
    "until": "2026-11-20",
    "expectation": "arming-opens",
}


@pytest.mark.parametrize(
    ("change", "covered"),
    [
        ({}, True),
        ({"until": "2026-11-19"}, False),
        ({"until": date(2027, 1, 1)}, True),
        ({"device": "esme"}, True),
        ({"device": "gsme"}, False),
        ({"expectation": "enable-closes"}, False),
        ({"test": "Arm Opens*"}, True),
        ({"test": "arm opens*"}, True),
        ({"test": "Enable*"}, False),
    ],
)
def test_an_issue_covers_what_it_names_until_its_last_day(change: dict[str, Any], covered: bool) -> None:
    issues = tolerated.issues_of("here", [{**ISSUE, **change}])
    found = issue_for(MISS, "Arm Opens A Closed Contact", TODAY, issues)
    assert (found is not None) is covered
    if found:
        assert str(found).startswith("SMDA-246 (until 20")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({}, "expected a list"),
        (["x"], r"here\[0\]: expected id, reason, until"),
        ([{key: value for key, value in ISSUE.items() if key != "reason"}], "expected id, reason, until"),
        ([{**ISSUE, "until": "soon"}], r"here\[0\].until: expected a date"),
        ([{**ISSUE, "reason": " "}], r"here\[0\].reason"),
        ([{**ISSUE, "expectation": ""}], "all of them cannot be"),
        ([{**ISSUE, "nonsense": 1}], "expected id, reason, until"),
    ],
)
def test_an_issue_that_is_none_is_refused_at_its_place(rows: Any, words: str) -> None:
    with pytest.raises(BadIssue, match=words):
        tolerated.issues_of("here", rows)


def test_a_file_of_issues_holds_one_list(tmp_path: Path) -> None:
    path = tmp_path / "tolerated.yaml"
    path.write_text(yaml.safe_dump({"tolerated": [ISSUE]}), encoding="utf-8")
    assert [issue.id for issue in tolerated.load(path)] == ["SMDA-246"]
    path.write_text("tolerated: [", encoding="utf-8")
    with pytest.raises(BadIssue, match="readable"):
        tolerated.load(path)
    path.write_text("other: []", encoding="utf-8")
    with pytest.raises(BadIssue, match="one key"):
        tolerated.load(path)
