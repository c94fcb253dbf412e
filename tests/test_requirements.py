"""The requirement catalogue, what is wrong between rows and tests, and `rig requirements`."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig import cli, requirements
from rig.evidence import record
from rig.evidence.catalogue import (
    METHODS,
    BadCatalogue,
    Row,
    Tagged,
    fingerprint,
    load,
    matrix,
    problems,
    shown_line,
)
from rig.evidence.record import Record
from rig.evidence.verdicts import Verdict

ROOT = Path(__file__).resolve().parent.parent
ROWS, TESTS = requirements.rows(), requirements.claims()


def test_no_tag_lacks_a_row_no_row_changed_unreviewed_and_none_is_said_to_be_done_that_is_not() -> None:
    assert problems(ROWS, TESTS) == []


def test_the_catalogue_has_a_row_for_each_requirement() -> None:
    assert len(ROWS) == 88
    assert len({row.claim for row in ROWS.values()}) == 88, "each row makes its own claim"
    assert len({name.casefold() for name in ROWS}) == 88


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_row_has_words_a_source_and_a_method(row: Row) -> None:
    assert len(row.claim.split()) >= 6
    assert row.method in METHODS
    slide = re.fullmatch(r"SDAG, (4 December 2012|July 2013), item [1-7], .{3,}", row.source)
    assert slide or row.source == "design of the rig"


def test_the_readme_says_how_many_rows_there_are_and_how_many_have_a_test() -> None:
    with_test = sum(bool(one.tests) for one in matrix(ROWS, TESTS, []))
    done = sum(row.done for row in ROWS.values())
    told = re.sub(r"\s+", " ", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert f"{len(ROWS)} requirements, of which {with_test} have a test and {done} are done" in told


# --------------------------------------------------------------------------------------------------- what may be wrong

CLAIM = "a contact closes at once when it is told to"
ROW = Row("CV-1", CLAIM, "SDAG", False, "test", fingerprint(CLAIM), fingerprint(CLAIM), False)
GOOD, BAD = Tagged("S.Closes", ("CV-1",), False), Tagged("S.Forged", ("cv-1",), True)


@pytest.mark.parametrize(
    ("row", "tests", "wrong"),
    [
        (ROW, [], ""),
        (ROW, [GOOD, BAD], ""),
        (ROW, [Tagged("S.X", ("CV-9",), False)], "S.X: req:CV-9 is in no row"),
        (replace(ROW, claim=CLAIM + "!"), [], "CV-1: its claim has"),
        (replace(ROW, reviewed="0" * 12), [], "CV-1: its claim has changed since it was reviewed"),
        (replace(ROW, fingerprint="0" * 12), [], "CV-1: its claim has the fingerprint"),
        (replace(ROW, done=True), [], "CV-1: is said to be done, with 0 tests and 0 bad cases"),
        (replace(ROW, done=True), [GOOD, BAD], "CV-1: is said to be done, with 1 tests and 1 bad cases"),
        (replace(ROW, done=True), [BAD, BAD, BAD], "CV-1: is said to be done, with 0 tests and 3 bad cases"),
        (replace(ROW, done=True), [GOOD, BAD, BAD], ""),
    ],
)
def test_whatever_is_wrong_between_rows_and_tests_is_said(row: Row, tests: list[Tagged], wrong: str) -> None:
    found = problems({"CV-1": row}, tests)
    assert bool(found) is bool(wrong)
    assert not wrong or found[0].startswith(wrong)


def test_all_that_is_wrong_is_said_row_by_row() -> None:
    other, changed = replace(ROW, id="CV-2", done=True), replace(ROW, claim=CLAIM + "!", reviewed="0" * 12)
    tests = [Tagged("S.X", ("CV-9", "cv-1"), False), replace(GOOD, requirements=("CV-2", "CV-8"))]
    now = fingerprint(CLAIM + "!")
    assert problems({"CV-1": changed, "CV-2": other}, tests) == [
        "S.X: req:CV-9 is in no row of the catalogue",
        "S.Closes: req:CV-8 is in no row of the catalogue",
        f"CV-1: its claim has the fingerprint {now}, and the row says {ROW.fingerprint}",
        f"CV-1: its claim has changed since it was reviewed ({'0' * 12}, now {now})",
        "CV-2: is said to be done, with 1 tests and 0 bad cases beside them",
    ]


def test_how_lines_are_broken_does_not_change_a_fingerprint() -> None:
    assert fingerprint("a  claim\n of words") == fingerprint("a claim of words") != fingerprint("a claim of words.")


MADE: dict[str, Any] = {
    "claim": CLAIM, "source": {"deck": "design"}, "method": "test",
    "fingerprint": "1", "reviewed": "1", "done": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("requirements: [", "readable"),
        ({"version": 1, "requirements": {}}, "'version: 2'"),
        ({"version": 2, "requirements": []}, "rows by their ids"),
        ({"version": 2, "requirements": {}, "more": 1}, "nothing else"),
        ({"version": 2, "requirements": {"X": {"claim": "y"}}}, "X: expected claim, done"),
        ({"version": 2, "requirements": {"X": {**MADE, "method": "luck"}}}, "X.method"),
        ({"version": 2, "requirements": {"X": {**MADE, "done": "yes"}}}, "X.done"),
        ({"version": 2, "requirements": {"X": {**MADE, "reading": "theirs"}}}, "X.reading"),
        ({"version": 2, "requirements": {"X": {**MADE, "source": "a slide"}}}, "X.source"),
        ({"version": 2, "requirements": {"X": {**MADE, "source": {"deck": "d", "item": 3}}}}, "X.source"),
    ],
)
def test_a_bad_catalogue_is_refused_at_its_place(tmp_path: Path, document: Any, words: str) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(BadCatalogue, match=words):
        load(path)


def test_a_row_is_read_whole(tmp_path: Path) -> None:
    slide = {"deck": "July 2013", "item": 3, "title": "Outage"}
    rows = {
        "A": {**MADE, "claim": "it\n closes"},
        7: {**MADE, "source": slide, "reading": "ours", "fingerprint": 2, "reviewed": 3, "method": "analysis"},
        "C": {**MADE, "done": True},
    }
    path = tmp_path / "catalogue.yaml"
    path.write_text(yaml.safe_dump({"version": 2, "requirements": rows}), encoding="utf-8")
    assert load(path) == {
        "A": Row("A", "it closes", "design", False, "test", "1", "1", False),
        "7": Row("7", CLAIM, "July 2013, item 3, Outage", True, "analysis", "2", "3", False),
        "C": Row("C", CLAIM, "design", False, "test", "1", "1", True),
    }


# ------------------------------------------------------------------------------------------------------- what was shown


def ended(test: str, verdict: str, *rows: str) -> Record:
    suites, _, name = test.rpartition(".")
    return Record(test, name, tuple(suites.split(".")), "a claim", verdict, "", requirements=rows)


@pytest.mark.parametrize(
    ("records", "line"),
    [
        ([], "0 of 1 requirements shown (0 whole, 0 in part)"),
        ([ended("S.A", "PASS", "CV-1")], "1 of 1 requirements shown (0 whole, 1 in part)"),
        (
            [ended("S.A", "PASS", "CV-1"), ended("S.B", "OBSERVED", "CV-1")],
            "1 of 1 requirements shown (0 whole, 1 in part)",
        ),
        ([ended("S.A", "OBSERVED", "CV-1")], "0 of 1 requirements shown (0 whole, 0 in part)"),
        ([ended("S.A", "INFRA", "CV-1")], "0 of 1 requirements shown (0 whole, 0 in part)"),
        (
            [ended("S.A", "PASS", "CV-1"), ended("S.B", "FAIL", "CV-1")],
            "0 of 1 requirements shown (0 whole, 0 in part); failed: CV-1",
        ),
        ([ended("S.A", "PASS", "XX-1")], "0 of 1 requirements shown (0 whole, 0 in part)"),
    ],
)
def test_a_row_is_shown_where_a_test_passed_and_none_failed(records: list[Record], line: str) -> None:
    assert shown_line({"CV-1": ROW}, records) == line


def test_a_row_has_its_tests_with_what_they_ended_in_whether_they_ran_or_not() -> None:
    rows = {"CV-1": ROW, "CV-2": replace(ROW, id="CV-2"), "CV-3": replace(ROW, id="CV-3")}
    tests = [GOOD, BAD, Tagged("S.Both", ("cv-1", "CV-2", "CV-9"), False)]
    told = matrix(rows, tests, [ended("S.Closes", "PASS"), ended("S.Both", "FAIL")])
    assert [(one.row.id, one.tests, one.shown) for one in told] == [
        ("CV-1", {"S.Closes": Verdict.PASS, "S.Forged": None, "S.Both": Verdict.FAIL}, False),
        ("CV-2", {"S.Both": Verdict.FAIL}, False),
        ("CV-3", {}, False),
    ]
    part = [ended("S.A", "PASS", "CV-1", "CV-3"), ended("S.B", "FAIL", "CV-2")]
    done = {**rows, "CV-3": replace(rows["CV-3"], done=True)}
    assert shown_line(done, part) == "2 of 3 requirements shown (1 whole, 1 in part); failed: CV-2"
    assert shown_line(done, [*part, ended("S.C", "FAIL", "CV-3")]) == (
        "1 of 3 requirements shown (0 whole, 1 in part); failed: CV-2 CV-3"
    )


def test_a_row_that_is_done_is_shown_whole() -> None:
    done = replace(ROW, done=True)
    assert "(1 whole, 0 in part)" in shown_line({"CV-1": done}, [ended("S.A", "PASS", "CV-1")])


# ---------------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results in which a test of HHT-6 passed and another failed, of a run of the suite alone."""
    for name, verdict in (("Window Closes After Sixty Minutes", "PASS"), ("Window Is Kept Alive In Use", "FAIL")):
        record.append(tmp_path, ended(f"02 Interpan Window.{name}", verdict, "HHT-6", "HHT-7"))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    assert cli.main(["requirements", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_the_table_holds_every_row_and_what_became_of_its_tests(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(capsys, "--results", results).splitlines()
    assert [line.split()[0] for line in lines[: len(ROWS)]] == list(ROWS)
    (row,) = [line for line in lines if line.startswith("HHT-6 ")]
    assert "1 PASS, 2 not run, 1 FAIL" in row
    assert all(len(line) <= 120 for line in lines[: len(ROWS)])
    assert lines[-1].startswith("88 requirements: ")
    assert str(results) in lines[-1]


def test_one_row_is_told_whole_whatever_its_letters(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "hht-6", "--results", results)
    assert "beaconing" in told
    assert "SDAG, July 2013, item 3, Questions and Issues Raised.2" in told
    assert re.search(r"FAIL +Robot Suites\.Installation\.02 Interpan Window\.Window Is Kept Alive In Use", told)


def test_the_newest_run_counts_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no run is at hand" in said(capsys)
    for number, verdict in enumerate(("FAIL", "PASS")):
        folder = tmp_path / "results" / str(number)
        folder.mkdir(parents=True)
        record.append(folder, ended("02 Interpan Window.Window Closes After Sixty Minutes", verdict, "HHT-6"))
        os.utime(folder / record.RECORDS, (number, number))
    assert re.search(r"PASS +Robot Suites\.Installation", said(capsys, "HHT-6"))


def test_it_can_be_had_as_json_and_the_fingerprints_as_they_are_now(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (told,) = json.loads(said(capsys, "HHT-6", "--json", "--results", results))
    assert (told["id"], told["shown"], sorted(filter(None, told["tests"].values()))) == (
        "HHT-6",
        False,
        ["FAIL", "PASS"],
    )
    assert said(capsys, "HHT-6", "--fingerprint").split() == ["HHT-6", ROWS["HHT-6"].fingerprint]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["HHT6"], "no requirement 'HHT6': there are HHT-6, "),
        (["req:cv1"], "no requirement 'req:cv1': there are CV-1, "),
        (["--results", "nowhere"], "nowhere holds no records.jsonl"),
    ],
)
def test_what_is_not_there_gets_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["requirements", *words]) != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"rig requirements: {told}")


def test_records_that_cannot_be_read_get_one_line(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (results / record.RECORDS).open("a", encoding="utf-8") as lines:
        lines.write("nonsense\n")
    assert cli.main(["requirements", "--results", str(results)]) != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "records.jsonl, line 3: expected the record of a test" in line
