"""The expectations: data with a source each, found by what is asked and after what; and issues that are tolerated."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.evidence import tolerated
from rig.evidence.expectations import MARKS, BadExpectation, Expectation, Expectations, load
from rig.evidence.judging import Basis, BasisKind, Finding, Limit, Outcome, Rule
from rig.evidence.tolerated import BadIssue, Issue, issue_for
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


def test_there_are_twelve_marks_of_how_sure_a_source_is() -> None:
    assert [mark for mark, kind in MARKS.items() if kind is BasisKind.CLAUSE] == [
        "standard", "specification", "page seen", "verified by running", "two sources", "slides",
    ]  # fmt: skip
    assert [mark for mark, kind in MARKS.items() if kind is BasisKind.OWN_DEFAULT] == [
        "single source", "maker's manual", "recalled", "our choice", "unknown",
    ]  # fmt: skip
    assert MARKS["published message"] is BasisKind.PUBLISHED_MESSAGE


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


def test_a_declared_limit_has_two_ends_and_a_word_is_none() -> None:
    time = EVERY.named("operate-time")
    assert time.of_device("esme", {"operate_ms": {"min": 1, "max": 30}}).limit == Limit(1, 30, "ms")
    assert time.of_device("esme", {"operate_ms": "soon"}) is time
    arming = EVERY.named("arming-opens")
    assert arming.of_device("esme", {"arming_an_enabled_supply": {"max": 3}}) is arming
    assert EVERY.named("contact-opens").of_device("esme", {"": "opens"}).basis.kind is BasisKind.CLAUSE


FULL: dict[str, Any] = {
    **ROW, "after": ["ECS44", 42], "limit": {"low": 1, "high": 2.5, "unit": "ms"}, "rule": "guard-band",
    "declared": {"operate_ms": 3},
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (ROW, Expectation("x", "it closes", Basis(BasisKind.CLAUSE, "a book [standard]"), "contact-closes")),
        (
            FULL,
            Expectation(
                "x", "it closes", Basis(BasisKind.CLAUSE, "a book [standard]"), "contact-closes",
                frozenset({"ECS44", "42"}), Limit(1.0, 2.5, "ms"), Rule.GUARD_BAND, "operate_ms", "3",
            ),
        ),
        (
            {**ROW, "after": "ECS44", "limit": {"high": 2, "unit": "ms"}, "declared": {}},
            Expectation(
                "x", "it closes", Basis(BasisKind.CLAUSE, "a book [standard]"), "contact-closes", frozenset({"ECS44"}),
                Limit(None, 2.0, "ms"),
            ),
        ),
        (
            {**ROW, "limit": {"low": 2, "unit": "ms"}},
            Expectation(
                "x", "it closes", Basis(BasisKind.CLAUSE, "a book [standard]"), "contact-closes",
                limit=Limit(2.0, None, "ms"),
            ),
        ),
    ],
)  # fmt: skip
def test_a_row_is_read_whole(tmp_path: Path, row: dict[str, Any], told: Expectation) -> None:
    assert of(tmp_path, {"version": 1, "expectations": {"x": row}}).named("x") == told


def test_what_is_asked_is_narrowed_part_by_part(tmp_path: Path) -> None:
    rows = {"a": "x", "b": "x:y", "c": "x:y:z"}
    every = of(tmp_path, {"version": 1, "expectations": {name: {**ROW, "asks": asks} for name, asks in rows.items()}})
    asked = ("x", "x:y", "x:y:z", "x:y:other", "x:other:z", "x:y:z:more")
    assert [every.of(asks).id for asks in asked] == ["a", "b", "c", "b", "a", "c"]
    with pytest.raises(BadExpectation, match=r"^no expectation for 'y:x'$"):
        every.of("y:x")


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
        ({"version": 1, "expectations": {"x": {**ROW, "limit": {"low": 1, "more": 2, "unit": "s"}}}}, "x.limit"),
        ({"version": 1, "expectations": {"x": {**ROW, "limit": "1 s"}}}, "x.limit"),
        ({"version": 1, "expectations": {"x": {**ROW, "declared": ["a"]}}}, "x.declared"),
        ({"version": 1, "expectations": {"x": {**ROW, "declared": {"a": 1, "b": 2}}}}, "x.declared"),
        ({"version": 1, "expectations": {"x": "it closes"}}, "statement, asks, source, mark"),
        ({"version": 1, "expectations": {"x": list(ROW)}}, "statement, asks, source, mark"),
        ({"version": 1, "expectations": {"x": {**ROW, "limit": ["low", "unit"]}}}, "x.limit"),
        ({"version": 1, "expectations": ["x"]}, "a mapping 'expectations'"),
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
        ({"expectation": "", "test": "Arm*"}, True),
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


def test_an_issue_is_read_whole_and_may_cover_a_test_alone() -> None:
    rows = [
        {"id": 246, "reason": "r", "until": "2026-11-20", "test": "Arm*"},
        {**ISSUE, "device": "esme", "test": "Arm*", "until": TODAY},
    ]
    assert tolerated.issues_of("here", rows) == (
        Issue("246", "r", TODAY, "", "", "Arm*"),
        Issue("SMDA-246", "mended in 2.1", TODAY, "arming-opens", "esme", "Arm*"),
    )
    (first, _) = tolerated.issues_of("here", rows)
    assert (first.expectation, first.device) == ("", "")


def test_the_first_issue_that_covers_a_miss_is_named() -> None:
    issues = tolerated.issues_of("here", [{**ISSUE, "id": name, "device": of} for name, of in
                                          (("A", "gsme"), ("B", "esme"), ("C", "esme"))])  # fmt: skip
    found = issue_for(MISS, "Arm Opens", TODAY, issues)
    assert found is issues[1]
    assert str(found) == "B (until 2026-11-20: mended in 2.1)"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({}, "expected a list"),
        (["x"], r"here\[0\]: expected id, reason, until"),
        ([{key: value for key, value in ISSUE.items() if key != "reason"}], "expected id, reason, until"),
        ([{**ISSUE, "until": "soon"}], r"here\[0\].until: expected a date"),
        ([{**ISSUE, "reason": " "}], r"here\[0\].reason"),
        ([ISSUE, {**ISSUE, "id": ""}], r"here\[1\].id"),
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
    path.write_text("[tolerated]", encoding="utf-8")
    with pytest.raises(BadIssue, match="one key"):
        tolerated.load(path)
    path.write_text("tolerated: [{id: x}]", encoding="utf-8")
    with pytest.raises(BadIssue, match=r"tolerated\.yaml: tolerated\[0\]: expected id, reason, until"):
        tolerated.load(path)
    path.write_text("other: []", encoding="utf-8")
    with pytest.raises(BadIssue, match="one key"):
        tolerated.load(path)
