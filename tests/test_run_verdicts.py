"""A run and its verdicts: what the last lines, the records, the report and xUnit say of every one of the nine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.running import Ended, finished, suite

LOAD_SWITCH = "contactor_valve/01_load_switch"
OWN_DEFAULTS = (
    *("--set", "devices.esme.settings.arming_opens=false"),
    *("--set", "contactors.main.operate_ms=25"),
)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The load switch of a meter that differs from two of our own defaults and from no clause."""
    folder = tmp_path_factory.mktemp("odd")
    tests = ("--test", "Arm Opens A Closed Contact", "--test", "Enable Closes*", "--test", "Button Of A Disabled*")
    return finished(folder, LOAD_SWITCH, *OWN_DEFAULTS, *tests, "--xunit", folder / "xunit.xml")


def records(run: Ended) -> dict[str, dict[str, Any]]:
    """Every record of a run by the name of its test."""
    lines = (run.results / "records.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["test"].rpartition(".")[2]: record for record in map(json.loads, lines)}


def test_a_default_of_ours_never_counts_against_a_device(odd: Ended) -> None:
    assert odd.wait() == 0, odd.said
    assert {status for status, _ in odd.tests().values()} == {"PASS"}
    found = {name: record["verdict"] for name, record in records(odd).items()}
    assert found == {
        "Arm Opens A Closed Contact": "OBSERVED",
        "Enable Closes The Contact": "OBSERVED",
        "Button Of A Disabled Supply Does Nothing": "PASS",
    }


def test_what_was_only_observed_is_counted_apart(odd: Ended) -> None:
    closing = odd.closing()
    assert (closing["passed"], closing["failed"], closing["more"]) == ("1", "0", ", 2 OBSERVED")


def test_an_observed_reading_stands_beside_the_default_and_says_on_which_side_it_lies(odd: Ended) -> None:
    (missed,) = [f for f in records(odd)["Enable Closes The Contact"]["findings"] if f["outcome"] == "MISSED"]
    assert missed["basis"]["kind"] == "OWN_DEFAULT"
    assert missed["reading"]["value"] == pytest.approx(25.0)
    assert (missed["limit"]["low"], missed["limit"]["high"], missed["limit"]["unit"]) == (0.5, 20.0, "ms")
    assert missed["side"] == "above"


def test_xunit_counts_what_was_only_observed_neither_as_passed_nor_as_failed(odd: Ended) -> None:
    top = ElementTree.parse(odd.folder / "xunit.xml").getroot()
    assert (top.get("tests"), top.get("failures"), top.get("errors"), top.get("skipped")) == ("3", "0", "0", "2")


def test_the_last_lines_say_how_many_of_the_requirements_were_shown(odd: Ended) -> None:
    assert any("of 88" in line for line in odd.out.splitlines()[-3:]), odd.out


NINE = """Passes
    Expectation Should Hold    ${True}    it closes    basis=CLAUSE    source=GBCS ECS42
Fails
    [Tags]    req:CV-1
    Expectation Should Hold    ${False}    it closes    basis=CLAUSE    source=GBCS ECS42
Is Observed
    Expectation Should Hold    ${False}    it closes    device=esme
Is Conditional
    Reading Should Be Within Limits    19.9    guarded    uncertainty=0.3
Cannot Be Decided
    Reading Should Be Within Limits    19.9    unguarded    uncertainty=0.3
Is Tolerated
    Reading Should Be Within Limits    25    unguarded    uncertainty=0.3
Is Skipped
    Skip    SKIPPED: this bench has no moon
Breaks
    Skip    INFRA: a wire came off
Judges Nothing
    Log    hello
Is Stopped
    Evaluate    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()    modules=os, signal, threading
    Wait Until Created    ${TEMPDIR}${/}what nobody creates    timeout=30 s
"""
CAUGHT = """Is Tried Again
    ${tries}=    Create List
    Wait Until Keyword Succeeds    3x    0s    Second Time    ${tries}
    Holds
Is Asked For Its Status
    ${held}=    Run Keyword And Return Status    Ours Is Missed
    Should Not Be True    ${held}
    Holds
Is Expected
    Run Keyword And Expect Error    *own*    Ours Is Missed
    Holds
Is Excepted
    TRY
        Ours Is Missed
    EXCEPT    *own*    type=GLOB
        Holds
    END
Goes On To A Failure
    Run Keyword And Continue On Failure    Ours Is Missed
    Expectation Should Hold    ${False}    it closes    basis=CLAUSE    source=GBCS ECS42
Goes On To Another
    [Tags]    robot:continue-on-failure
    Ours Is Missed
    Ours Is Missed
Has Rows
    [Template]    Expectation Should Hold
    ${False}    our own word
    ${False}    it closes    basis=CLAUSE    source=GBCS ECS42
Has Rows Of Ours
    [Template]    Expectation Should Hold
    ${False}    our own word
    ${False}    our own other word
Ends There
    Ours Is Missed
    Fail    never reached
Goes On To A Skip
    Run Keyword And Continue On Failure
    ...    Expectation Should Hold    ${False}    it closes    basis=CLAUSE    source=GBCS ECS42
    Skip    no more today

*** Keywords ***
Ours Is Missed
    Expectation Should Hold    ${False}    our own word
Holds
    Expectation Should Hold    ${True}    it closes    basis=CLAUSE    source=GBCS ECS42
Second Time
    [Arguments]    ${tries}
    Evaluate    $tries.append("once")
    Expectation Should Hold    ${{ len($tries) > 1 }}    our own word
"""


def test_a_test_catches_what_is_missed_on_a_default_as_it_catches_any_failure(tmp_path: Path) -> None:
    run = finished(tmp_path, suite(tmp_path / "caught.robot", CAUGHT))
    assert {name: record["verdict"] for name, record in records(run).items()} == {
        "Is Tried Again": "PASS",
        "Is Asked For Its Status": "PASS",
        "Is Expected": "PASS",
        "Is Excepted": "PASS",
        "Goes On To A Failure": "FAIL",
        "Goes On To Another": "OBSERVED",
        "Has Rows": "FAIL",
        "Has Rows Of Ours": "OBSERVED",
        "Ends There": "OBSERVED",
        "Goes On To A Skip": "FAIL",
    }, run.said
    assert run.tests()["Goes On To A Skip"][0] == "FAIL"


MINE = {"statement": "my relay is soon there", "asks": "mine", "source": "my own method 7", "mark": "standard"}
LIMIT = {"low": 0.5, "high": 20, "unit": "ms"}


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run in which every one of the nine verdicts is given, by a lab's own expectations."""
    folder = tmp_path_factory.mktemp("nine")
    own = {"guarded": {**MINE, "limit": LIMIT, "rule": "guard-band"}, "unguarded": {**MINE, "limit": LIMIT}}
    (folder / "own.yaml").write_text(yaml.safe_dump({"version": 1, "expectations": own}), encoding="utf-8")
    issue = {"id": "SMDA-246", "reason": "mended in 2.1", "until": "2999-12-31", "test": "Is Tolerated"}
    (folder / "issues.yaml").write_text(yaml.safe_dump({"tolerated": [issue]}), encoding="utf-8")
    terms = ("--expectations", folder / "own.yaml", "--tolerate", folder / "issues.yaml")
    return finished(folder, suite(folder / "nine.robot", NINE), *terms, "--xunit", "inside.xml")


def test_each_of_the_nine_is_given_in_a_run_and_counted_by_its_own_name(nine: Ended) -> None:
    found = {name: record["verdict"] for name, record in records(nine).items()}
    assert found == {
        "Passes": "PASS",
        "Fails": "FAIL",
        "Is Observed": "OBSERVED",
        "Is Conditional": "CONDITIONAL",
        "Cannot Be Decided": "INCONCLUSIVE",
        "Is Tolerated": "TOLERATED",
        "Is Skipped": "SKIPPED",
        "Breaks": "INFRA",
        "Judges Nothing": "OBSERVED",
        "Is Stopped": "ABORTED",
    }
    closing = nine.closing()
    assert (closing["total"], closing["passed"], closing["failed"], closing["skipped"]) == ("10", "1", "1", "1")
    counted = {"1 CONDITIONAL", "1 INCONCLUSIVE", "2 OBSERVED", "1 INFRA", "1 ABORTED", "1 TOLERATED"}
    assert set(closing["more"].strip(", ").split(", ")) == counted
    assert nine.wait() == 253
    assert "0 of 88 requirements shown (0 whole, 0 in part); failed: CV-1" in nine.out


def test_robot_has_its_three_and_the_message_says_which_of_the_nine(nine: Ended) -> None:
    told = nine.tests()
    assert told["Is Conditional"][0] == "PASS"
    assert told["Is Conditional"][1].startswith(
        "CONDITIONAL: conditional pass: my relay is soon there: 19.9 ± 0.3 ms, within"
    )
    assert told["Is Tolerated"][1].startswith("TOLERATED: SMDA-246 (until 2999-12-31: mended in 2.1): ")
    assert told["Cannot Be Decided"] == ("SKIP", told["Cannot Be Decided"][1])
    assert told["Judges Nothing"][1].startswith("OBSERVED: nothing was judged")


def test_what_broke_and_what_was_stopped_stand_on_the_first_page_of_the_report(nine: Ended) -> None:
    """Robot writes the metadata of the top suite at the head of report.html."""
    tree = ElementTree.parse(nine.results / "output.xml")
    top = tree.find("suite")
    assert top is not None
    head = {meta.get("name"): meta.text or "" for meta in top.findall("meta")}
    assert "1 INFRA" in head["Verdicts"]
    assert "1 ABORTED" in head["Verdicts"]
    assert "Breaks: a wire came off" in head["INFRA"]
    assert "Is Stopped" in head["ABORTED"]
    assert "Is Tolerated: SMDA-246" in head["TOLERATED"]
    report = (nine.results / "report.html").read_text(encoding="utf-8")
    assert "a wire came off" in report


def test_xunit_has_robots_form_and_errors_for_what_broke(nine: Ended) -> None:
    top = ElementTree.parse(nine.results / "inside.xml").getroot()
    assert top.tag == "testsuite"
    assert [top.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["10", "1", "3", "5"]
    cases = {case.get("name"): case for case in top.iter("testcase")}
    element = {name: next((e.tag for e in case if e.tag != "properties"), "") for name, case in cases.items()}
    assert (element["Passes"], element["Fails"], element["Breaks"]) == ("", "failure", "error")
    assert (element["Is Stopped"], element["Cannot Be Decided"], element["Is Observed"]) == (
        "error",
        "error",
        "skipped",
    )
    properties = [(p.get("name"), p.get("value")) for p in cases["Fails"].iter("property")]
    assert properties == [("verdict", "FAIL"), ("basis", "CLAUSE: GBCS ECS42"), ("requirement", "CV-1")]
    observed = cases["Is Observed"].find("skipped")
    assert observed is not None
    assert observed.get("type") == "OBSERVED"


@pytest.mark.parametrize(
    ("change", "low", "why"),
    [
        ([], 0.232, "too close to at least 0.232 A"),
        (["--set", "instruments.load.calibrated_until=2020-01-31"], 0.02, "load is calibrated until 2020-01-31"),
    ],
)
def test_a_current_that_decides_nothing_is_inconclusive_and_no_skip(
    tmp_path: Path, change: list[str], low: float, why: str
) -> None:
    """The lamp of the bench draws 0.232 A; a lab's own limit lies just there, or the instrument's time is over."""
    own = {"current-flows": {**MINE, "asks": "current-flows", "limit": {"low": low, "unit": "A"}}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"version": 1, "expectations": own}), encoding="utf-8")
    test = ("--test", "Button Of A Disabled*", "--expectations", tmp_path / "own.yaml")
    run = finished(tmp_path, LOAD_SWITCH, *test, *change)
    (record,) = records(run).values()
    assert record["verdict"] == "INCONCLUSIVE", record["reason"]
    assert why in record["reason"]
    closing = run.closing()
    assert (closing["passed"], closing["failed"], closing["skipped"]) == ("0", "0", "0")
    assert closing["more"] == ", 1 INCONCLUSIVE"
    assert run.wait() == 254


@pytest.mark.parametrize("test", ["Skip    SKIPPED: no moon", "Log    hello", "Should Be Equal    1    1"])
def test_a_run_in_which_nothing_was_judged_says_so_and_is_no_success(test: str, tmp_path: Path) -> None:
    run = finished(tmp_path, suite(tmp_path / "none.robot", f"Judges Nothing\n    {test}"))
    assert run.wait() == 254, run.said
    assert "nothing was judged" in run.out.splitlines()[-1]
    assert "*nothing was judged*" in (run.results / "output.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--expectations", "nonsense", "'version: 1'"),
        ("--tolerate", "tolerated: [{id: a, reason: b, until: soon, test: x}]", "tolerated[0].until"),
        ("--tolerate", "tolerated: [{id: a, reason: b, until: 2999-01-01, expectation: x}]", "no expectation 'x'"),
    ],
)
def test_what_a_lab_gives_to_judge_by_is_looked_at_before_anything_starts(
    tmp_path: Path, option: str, text: str, words: str
) -> None:
    (tmp_path / "given.yaml").write_text(text, encoding="utf-8")
    run = finished(tmp_path, option, tmp_path / "given.yaml")
    assert run.wait() not in (0, 1)
    (line,) = run.err.splitlines()
    assert line.startswith("rig run: ")
    assert words in line
    assert not run.results.exists() or not (run.results / "output.xml").exists()


def test_a_record_tells_devices_files_and_whether_it_can_be_repeated(odd: Ended) -> None:
    told = records(odd)["Enable Closes The Contact"]
    assert (
        told["claim"] == "ECS42 closes the contact at once, it stays closed, and the meter reports its supply enabled."
    )
    assert (told["bench"], told["seed"], told["requirements"], told["attempts"]) == ("virtual", 20261120, ["CV-1"], 1)
    assert told["repeatable"] == "yes"
    esme = next(device for device in told["devices"] if device["name"] == "esme")
    assert esme["role"] == "emulated"
    assert (esme["before"]["contact"], esme["after"]["contact"]) == ("released", "made")
    assert esme["before"]["power"] == "on"
    assert any("message" in why for why in esme["not_read"].values())
    names = {Path(entry["name"]).name for entry in told["files"]}
    assert {"timeline.jsonl", "ether.pcapng", "sequence.svg", "keys.json"} <= names
    for entry in told["files"]:
        octets = (odd.results / entry["name"]).read_bytes()
        assert (entry["sha256"], entry["size"]) == (hashlib.sha256(octets).hexdigest(), len(octets))
    assert "83FED3407A939723A5C639B26916D505" not in (odd.results / "records.jsonl").read_text(encoding="utf-8").upper()


def test_results_are_where_the_run_says(odd: Ended) -> None:
    assert Path(odd.closing()["results"]).is_file()
