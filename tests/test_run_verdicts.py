"""A run and its verdicts: what the last lines, the records, the report and xUnit say of every one of the nine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.running import Run, finished

LOAD_SWITCH = "contactor_valve/01_load_switch"
OWN_DEFAULTS = (
    *("--set", "devices.esme.settings.arming_opens=false"),
    *("--set", "contactors.main.operate_ms=25"),
)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The load switch of a meter that differs from two of our own defaults and from no clause."""
    folder = tmp_path_factory.mktemp("odd")
    tests = ("--test", "Arm Opens A Closed Contact", "--test", "Enable Closes*", "--test", "Button Of A Disabled*")
    return finished(folder, LOAD_SWITCH, *OWN_DEFAULTS, *tests, "--xunit", folder / "xunit.xml")


def records(run: Run) -> dict[str, dict[str, Any]]:
    """Every record of a run by the name of its test."""
    lines = (run.results / "records.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["test"].rpartition(".")[2]: record for record in map(json.loads, lines)}


def test_a_default_of_ours_never_counts_against_a_device(odd: Run) -> None:
    assert odd.wait() == 0, odd.said
    assert {status for status, _ in odd.tests().values()} == {"PASS"}
    found = {name: record["verdict"] for name, record in records(odd).items()}
    assert found == {
        "Arm Opens A Closed Contact": "OBSERVED",
        "Enable Closes The Contact": "OBSERVED",
        "Button Of A Disabled Supply Does Nothing": "PASS",
    }


def test_what_was_only_observed_is_counted_apart(odd: Run) -> None:
    closing = odd.closing()
    assert (closing["passed"], closing["failed"], closing["more"]) == ("1", "0", ", 2 OBSERVED")


def test_an_observed_reading_stands_beside_the_default_and_says_on_which_side_it_lies(odd: Run) -> None:
    (missed,) = [f for f in records(odd)["Enable Closes The Contact"]["findings"] if f["outcome"] == "MISSED"]
    assert missed["basis"]["kind"] == "OWN_DEFAULT"
    assert missed["reading"]["value"] == pytest.approx(25.0)
    assert (missed["limit"]["low"], missed["limit"]["high"], missed["limit"]["unit"]) == (0.5, 20.0, "ms")
    assert missed["side"] == "above"


def test_xunit_counts_what_was_only_observed_neither_as_passed_nor_as_failed(odd: Run) -> None:
    top = ElementTree.parse(odd.folder / "xunit.xml").getroot()
    assert (top.get("tests"), top.get("failures"), top.get("errors"), top.get("skipped")) == ("3", "0", "0", "2")


def test_the_last_lines_say_how_many_of_the_requirements_were_shown(odd: Run) -> None:
    assert any("of 88" in line for line in odd.out.splitlines()[-3:]), odd.out


def test_results_are_where_the_run_says(odd: Run) -> None:
    assert Path(odd.closing()["results"]).is_file()
