"""Records: one line a test, read back as they were written, with no secret; xUnit and the first page made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.bus.redaction import REDACTED, taken_out
from rig.evidence import record, summary, xunit
from rig.evidence.judging import Basis, BasisKind, Finding, Limit, Outcome, Reading
from rig.evidence.record import BadRecords, DeviceFacts, EvidenceFile, Record
from rig.evidence.verdicts import XUNIT_ELEMENT, Verdict

CLAUSE = Basis(BasisKind.CLAUSE, "GBCS ECS42")
FINDING = Finding(
    "soon", Outcome.MET, CLAUSE, "operate-time", "esme", reading=Reading(8.0, "ms", 0.3), limit=Limit(0.5, 20, "ms")
)


def of(
    name: str = "A Test", verdict: Verdict = Verdict.PASS, suites: Sequence[str] = ("Rig", "Security"), **more: Any
) -> Record:
    test = ".".join([*suites, name])
    return Record(test, name, tuple(suites), "it closes", verdict.value, more.pop("reason", ""), **more)


FULL = of(
    requirements=("CV-1",), bad=True, run="1f", bench="virtual", seed=7, profile="decided",
    basis=record.basis_of([FINDING, FINDING]), findings=(FINDING.as_json(),), attempts=2,
    devices=(DeviceFacts("esme", "esme", "00db", "under test", {"contact": "made"}, {}, {"clock": "by message"}),),
    files=(EvidenceFile("evidence/a/keys.json", 3, "ab"),),
    unasked_alerts=({"code": "0x8F36", "use_case": "outage", "device": "esme", "party": "supplier", "at_ns": 7},),
    repeatable="yes", started="2026-11-20T09:00:00", elapsed_s=1.5,
)  # fmt: skip


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    for one in (FULL, of("Other", Verdict.INFRA)):
        record.append(tmp_path, one)
    assert record.read(tmp_path) == [FULL, of("Other", Verdict.INFRA)]
    assert record.read(tmp_path / record.RECORDS)[0].outcome is Verdict.PASS
    assert len((tmp_path / record.RECORDS).read_text(encoding="utf-8").splitlines()) == 2


def test_what_a_record_leaves_out_is_empty_and_it_says_its_version() -> None:
    assert Record("A.B", "B", ("A",), "it closes", "PASS", "").as_json() == {
        "version": 1, "test": "A.B", "name": "B", "suites": ["A"], "claim": "it closes", "verdict": "PASS",
        "reason": "", "bench_broke": "", "requirements": [], "bad": False, "run": "", "bench": "", "seed": None,
        "profile": "", "basis": [], "findings": [], "attempts": 1, "devices": [], "files": [], "absent": {},
        "unasked_alerts": [], "repeatable": "", "started": "", "elapsed_s": 0.0, "bench_s": 0.0,
    }  # fmt: skip


def test_records_are_text_that_people_can_read_whatever_a_device_says(tmp_path: Path) -> None:
    record.append(tmp_path, of("Prüfung \udce9"))
    (line,) = (tmp_path / record.RECORDS).read_text(encoding="utf-8").splitlines()
    assert "Prüfung \\udce9" in line
    assert record.RECORDS == "records.jsonl"


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("findings", [(), (FINDING.as_json(),)])
def test_a_record_says_whether_its_test_judged_a_device(verdict: Verdict, findings: tuple[dict[str, Any], ...]) -> None:
    said = verdict in (Verdict.PASS, Verdict.CONDITIONAL, Verdict.FAIL, Verdict.TOLERATED)
    expected = said or (verdict is Verdict.OBSERVED and bool(findings))
    assert of(verdict=verdict, findings=findings).judged is expected


def test_a_basis_stands_once_and_a_finding_with_reading_limit_and_uncertainty() -> None:
    assert FULL.basis == ({"kind": "CLAUSE", "source": "GBCS ECS42"},)
    (told,) = FULL.as_json()["findings"]
    assert (told["reading"]["uncertainty"], told["limit"]["high"], told["side"]) == (0.3, 20, "within")


def test_the_first_page_counts_alerts_that_nobody_asked_for() -> None:
    twice = replace(FULL, unasked_alerts=FULL.unasked_alerts * 2)
    assert summary.first_page([twice, of("Other")])["Alerts that nobody asked for"] == ("- A Test: 0x8F36 of esme (x2)")
    assert "Alerts that nobody asked for" not in summary.first_page([of("Other")])


def test_of_a_test_that_ran_twice_the_last_record_counts(tmp_path: Path) -> None:
    for one in (of(verdict=Verdict.FAIL), of("Other"), of(attempts=2)):
        record.append(tmp_path, one)
    assert [(one.name, one.verdict) for one in record.read(tmp_path)] == [("Other", "PASS"), ("A Test", "PASS")]


def test_attempts_count_on_over_the_runs_that_a_run_repeats(tmp_path: Path) -> None:
    assert record.attempts(tmp_path) == {}
    for one in (of(), of("Other"), of(attempts=3)):
        record.append(tmp_path, one)
    assert record.attempts(tmp_path) == {"Rig.Security.A Test": 3, "Rig.Security.Other": 1}
    (tmp_path / record.RECORDS).write_text("nonsense\n", encoding="utf-8")
    with pytest.raises(BadRecords):
        record.attempts(tmp_path)


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", "[]", "{}", '{"version": 2}', json.dumps({**FULL.as_json(), "verdict": "MAYBE"}),
     json.dumps({**FULL.as_json(), "more": 1}), json.dumps({**FULL.as_json(), "devices": [1]})],
)  # fmt: skip
def test_what_is_no_record_is_said_with_its_line(tmp_path: Path, line: str) -> None:
    record.append(tmp_path, FULL)
    with (tmp_path / record.RECORDS).open("a", encoding="utf-8") as lines:
        lines.write(line + "\n")
    with pytest.raises(BadRecords, match=r"records\.jsonl, line 2"):
        record.read(tmp_path)


def test_no_records_at_all_are_said(tmp_path: Path) -> None:
    with pytest.raises(BadRecords, match="expected records of a run"):
        record.read(tmp_path)


def test_secrets_are_taken_out_wherever_they_stand(tmp_path: Path) -> None:
    hidden = replace(FULL, findings=({"got": {"install_code": "83FE"}, "list": [{"install_code": "83FE"}]},))
    record.append(tmp_path, hidden)
    text = (tmp_path / record.RECORDS).read_text(encoding="utf-8")
    assert "83FE" not in text
    assert text.count(REDACTED) == 2


VALUES = st.text() | st.integers() | st.none()


@given(st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_what_holds_no_secret_stays_as_it_is(value: Any) -> None:
    assert taken_out(value) == value
    assert taken_out({"install_code": "", "x": value}) == {"install_code": "", "x": value}


# --------------------------------------------------------------------------------------------------------------- xUnit


def test_suites_lie_within_suites_in_the_order_in_which_they_ran() -> None:
    told = xunit.document([of("A"), of("B", suites=("Rig", "Outage")), of("C"), of("D", suites=("Rig",))])
    assert told.get("name") == "Rig"
    assert [suite.get("name") for suite in told.findall("testsuite")] == ["Security", "Outage"]
    assert [case.get("name") for case in told.findall("testcase")] == ["D"]
    assert told.get("tests") == "4"
    (security,) = (suite for suite in told if suite.get("name") == "Security")
    assert [case.get("classname") for case in security.findall("testcase")] == ["Rig.Security"] * 2


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict_has_its_element_and_its_count(verdict: Verdict) -> None:
    told = xunit.document([of(verdict=verdict, reason="because")])
    elements = [element.tag for case in told.iter("testcase") for element in case if element.tag != "properties"]
    assert elements == ([XUNIT_ELEMENT[verdict]] if XUNIT_ELEMENT[verdict] else [])
    counts = {key: told.get(key) for key in ("failures", "errors", "skipped")}
    wanted = {"failure": "failures", "error": "errors", "skipped": "skipped"}.get(XUNIT_ELEMENT[verdict])
    assert counts == {key: str(int(key == wanted)) for key in counts}
    (count,) = [p.get("value") for p in told.findall("properties/property") if p.get("name") == verdict.value]
    assert count == "1"


def test_the_whole_document_of_two_tests() -> None:
    failed = of("B", Verdict.FAIL, ("Rig",), reason="a\x00b", bench_broke="a disk", elapsed_s=0.25, started="2026-1")
    told = xunit.document([replace(FULL, reason="no"), replace(failed, started="2025"), of("C", Verdict.SKIPPED)])
    ElementTree.indent(told, "")
    counts = {verdict: {Verdict.PASS: 1, Verdict.FAIL: 1, Verdict.SKIPPED: 1}.get(verdict, 0) for verdict in Verdict}
    inner = {**counts, Verdict.FAIL: 0}
    properties, of_inner = (
        "\n".join(["<properties>", *(f'<property name="{v.value}" value="{n}" />' for v, n in each.items()),
                   "</properties>"])
        for each in (counts, inner)
    )  # fmt: skip
    assert ElementTree.tostring(told, encoding="unicode") == (
        '<testsuite name="Rig" tests="3" errors="0" failures="1" skipped="1" time="1.750" timestamp="">\n'
        '<testcase classname="Rig" name="B" time="0.250">\n'
        '<properties>\n<property name="verdict" value="FAIL" />\n<property name="bench broke" value="a disk" />\n'
        '</properties>\n<failure message="a?b" type="AssertionError" />\n</testcase>\n'
        '<testsuite name="Security" tests="2" errors="0" failures="0" skipped="1" time="1.500" timestamp="">\n'
        '<testcase classname="Rig.Security" name="A Test" time="1.500">\n<properties>\n'
        '<property name="verdict" value="PASS" />\n<property name="basis" value="CLAUSE: GBCS ECS42" />\n'
        '<property name="requirement" value="CV-1" />\n</properties>\n</testcase>\n'
        '<testcase classname="Rig.Security" name="C" time="0.000">\n'
        '<properties>\n<property name="verdict" value="SKIPPED" />\n</properties>\n'
        '<skipped message="SKIPPED: " type="SkipExecution" />\n</testcase>\n'
        f"{of_inner}\n</testsuite>\n{properties}\n</testsuite>"
    )
    assert xunit.document([replace(failed, started=at) for at in ("2026", "2025")]).get("timestamp") == "2025"


def test_what_robot_has_no_word_for_stands_by_its_own() -> None:
    (element,) = xunit.document([of(verdict=Verdict.INFRA, reason="a wire")]).iter("error")
    assert element.attrib == {"message": "INFRA: a wire", "type": "INFRA"}


def test_several_tops_and_none_at_all_are_one_document() -> None:
    assert xunit.document([]).get("tests") == "0"
    told = xunit.document([of(suites=("B", "Z")), of(suites=("A",)), of(suites=("B",))])
    assert (told.get("name"), told.get("tests")) == ("Rig", "3")
    assert [(suite.get("name"), suite.get("tests")) for suite in told] == [("A", "1"), ("B", "2")]


@given(st.text())
def test_no_text_makes_xunit_unreadable(text: str) -> None:
    told = xunit.document([of(text, Verdict.FAIL, (text,), reason=text)])
    ElementTree.fromstring(ElementTree.tostring(told, encoding="utf-8"))


def test_xunit_is_written_where_it_was_asked_for(tmp_path: Path) -> None:
    for _ in range(2):
        xunit.write(tmp_path / "very" / "deep" / "x.xml", [replace(FULL, reason="Prüfung"), of("Prüfung")])
    text = (tmp_path / "very" / "deep" / "x.xml").read_text(encoding="utf-8")
    assert text.startswith("<?xml version='1.0' encoding='utf-8'?>\n<testsuite ")
    assert '\n<testcase classname="Rig.Security" name="Prüfung"' in text
    top = ElementTree.parse(tmp_path / "very" / "deep" / "x.xml").getroot()
    assert [p.get("value") for p in top.iter("property") if p.get("name") == "requirement"] == ["CV-1"]


# ------------------------------------------------------------------------------------------------------------- summary


def test_all_nine_are_counted_each_by_its_name() -> None:
    told = summary.counted(dict.fromkeys(Verdict, 2), judged=True)
    assert told.startswith("18 tests: 2 passed, 2 failed, 2 skipped")
    assert all(f"2 {verdict.value}" in told for verdict in set(Verdict) - {Verdict.PASS, Verdict.FAIL, Verdict.SKIPPED})


@pytest.mark.parametrize("verdict", Verdict)
def test_a_run_that_judged_nothing_says_so(verdict: Verdict) -> None:
    nothing = verdict in (Verdict.SKIPPED, Verdict.INFRA, Verdict.ABORTED, Verdict.INCONCLUSIVE)
    assert ("nothing was judged" in summary.counted({verdict: 1}, judged=not nothing)) is nothing
    found = of(verdict=verdict, findings=(FINDING.as_json(),))
    assert ("nothing was judged" in summary.first_page([found])["Verdicts"]) is nothing
    assert "nothing was judged" in summary.first_page([of(verdict=Verdict.OBSERVED)])["Verdicts"]


def test_the_first_page_names_what_is_neither_passed_nor_failed() -> None:
    records = [of("A", Verdict.INFRA, reason="a wire"), of("B", bench_broke="a disk"), of("C", Verdict.FAIL)]
    told = summary.first_page(records)
    assert told["Verdicts"] == "1 PASS, 1 FAIL, 1 INFRA"
    assert told["INFRA"] == "- A: a wire"
    assert told["Bench broke after a verdict"] == "- B (PASS): a disk"


def test_a_line_leaves_out_what_was_not_given_but_for_robots_three() -> None:
    assert summary.counted({Verdict.INFRA: 2, Verdict.OBSERVED: 0}, judged=True) == (
        "2 tests: 0 passed, 0 failed, 0 skipped, 2 INFRA"
    )
    assert summary.counted({Verdict.PASS: 1}, judged=False) == (
        "1 tests: 1 passed, 0 failed, 0 skipped; nothing was judged"
    )


@pytest.mark.parametrize(
    ("statuses", "line"),
    [
        ({}, "0 tests read: 0 cannot run; nothing was judged"),
        ({"PASS": 3}, "3 tests read: 0 cannot run; nothing was judged"),
        ({"PASS": 3, "FAIL": 1, "SKIP": 2},
         "6 tests read: 1 cannot run, 2 would be skipped; nothing was judged"),
    ],
)  # fmt: skip
def test_a_dry_run_says_what_it_read(statuses: dict[str, int], line: str) -> None:
    assert summary.read(statuses) == line


def test_the_whole_first_page() -> None:
    assert summary.first_page([]) == {"Verdicts": "*nothing was judged*"}
    records = [
        of("A", Verdict.INFRA, reason=" a wire\nand more", bench_broke="a wire"),
        of("B", Verdict.ABORTED), of("C", Verdict.INCONCLUSIVE, reason="c"),
        of("D", Verdict.OBSERVED, bench_broke="a disk", unasked_alerts=FULL.unasked_alerts),
        of("E", Verdict.OBSERVED), of("F", Verdict.INFRA, reason="a plug"),
    ]  # fmt: skip
    assert summary.first_page(records) == {
        "Verdicts": "*nothing was judged*: 1 INCONCLUSIVE, 2 OBSERVED, 2 INFRA, 1 ABORTED",
        "INFRA": "- A: a wire\n- F: a plug",
        "ABORTED": "- B: ",
        "INCONCLUSIVE": "- C: c",
        "OBSERVED": "- D: \n- E: ",
        "Alerts that nobody asked for": "- D: 0x8F36 of esme (x1)",
        "Bench broke after a verdict": "- D (OBSERVED): a disk",
    }
    for verdict in (Verdict.CONDITIONAL, Verdict.TOLERATED):
        assert summary.first_page([of("G", verdict, reason="g")]) == {
            "Verdicts": f"1 {verdict.value}", verdict.value: "- G: g"
        }  # fmt: skip
    twice = [*FULL.unasked_alerts, {**FULL.unasked_alerts[0], "device": "gsme"}]
    assert summary.first_page([of("H", unasked_alerts=tuple(twice))])["Alerts that nobody asked for"] == (
        "- H: 0x8F36 of esme (x1), 0x8F36 of gsme (x1)"
    )


@pytest.mark.parametrize(("count", "lines"), [(20, 20), (21, 21), (22, 21)])
def test_of_many_tests_twenty_are_named(count: int, lines: int) -> None:
    told = summary.first_page([of(f"T{number}", Verdict.INFRA) for number in range(count)])["INFRA"].splitlines()
    assert len(told) == lines
    assert told[19] == "- T19: "
    assert told[20:] == ([f"- and {count - 20} more"] if count > 20 else [])


@pytest.mark.parametrize(("length", "kept"), [(200, "x" * 200), (201, "x" * 199 + "…")])
def test_a_reason_is_told_in_at_most_200_letters(length: int, kept: str) -> None:
    assert summary.first_page([of("A", Verdict.INFRA, reason="x" * length)])["INFRA"] == f"- A: {kept}"


def test_the_first_page_stays_short() -> None:
    many = [of(f"T{number}", Verdict.OBSERVED, reason="x" * 900) for number in range(50)]
    told = summary.first_page(many)["OBSERVED"]
    assert told.endswith("- and 30 more")
    assert max(map(len, told.splitlines())) < 220
