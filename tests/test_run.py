"""`rig run` as a whole: what it refuses and how, what it selects, how it ends, what it says last."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rig.exits import Exit
from rig.share import folder as shipped
from tests.running import AFTER, ROOT, Ended, finished, suite

VIRTUAL = shipped("wiring") / "benches" / "virtual.yaml"
ONE_TEST = ("contactor_valve", "--test", "Enable Closes The Contact")


def refused(run: Ended, *words: str) -> None:
    """One line on standard error that holds ``words``, exit status 252, no results."""
    assert run.wait() == Exit.MISUSE, run.said
    assert "Traceback" not in run.said
    (line,) = run.err.splitlines()
    assert line.startswith("rig run: ")
    for word in words:
        assert word in line
    assert run.out == ""
    assert not (run.results / "output.xml").exists()


# Arguments, and what the one line must hold: the offending thing, and what to do or what there is to choose from.
MISUSE = {
    "unknown bench": (["--bench", "nowhere"], ["'nowhere'", "give a path", "virtual"]),
    "unknown suite": (["nosuite"], ["'nosuite'", "contactor_valve", "installation", "outage", "security"]),
    "set without a value": (["--set", "nonsense"], ["KEY=VALUE", "'nonsense'"]),
    "set of an unknown key": (["--set", "nonsense=1"], ["'nonsense'", "known keys"]),
    "unknown fault": (["--set", "devices.esme.fault=nonsense"], ["'nonsense'", "accepts-replays"]),
    "unknown setting": (["--set", "devices.esme.settings.nonsense=1"], ["devices.esme.settings.nonsense", "supply"]),
    "unknown driver": (["--set", "devices.hub.ports.han.driver=nonsense"], ["hub.ports.han.driver", "xbee"]),
    "a device without the port that it works with": (["--set", "devices.esme.ports=null"], ["han"]),
    "stores where none can be": (["--set", "trust.stores=/proc/nowhere"], ["/proc/nowhere"]),
    "port without a device": (
        ["--set", "devices.esme.ports.han.url=/nowhere/at-all"],
        ["/nowhere/at-all", "Plug it in"],
    ),
}


@pytest.mark.parametrize(("arguments", "words"), MISUSE.values(), ids=MISUSE)
def test_misuse_gets_one_line_that_says_what_to_do(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    refused(finished(tmp_path, *arguments), *words)


BAD_FILES = {
    "no YAML": ("devices: [", ["valid YAML"]),
    "unknown setting": (VIRTUAL.read_text(encoding="utf-8") + "\nnonsense: 1\n", ["'nonsense'", "known keys"]),
}


@pytest.mark.parametrize(("text", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_bench_file_gets_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    bench = tmp_path / "bad.yaml"
    bench.write_text(text, encoding="utf-8")
    refused(finished(tmp_path, "--bench", bench), "bad.yaml", *words, "correct the bench file there")


def test_missing_folder_of_published_keys_gets_one_line(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    run = finished(tmp_path, "--set", "trust.domain=published", env={"RIG_CORPUS": str(nowhere)})
    refused(run, "trust.folder", str(nowhere), "RIG_CORPUS", "keys.json")


def test_results_of_another_run_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out" / "evidence").mkdir(parents=True)
    refused(finished(tmp_path), "another run's results", "--out")


def test_results_that_cannot_be_written_get_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        run = finished(tmp_path, *ONE_TEST, "--out", place, out=False)
        refused(run, str(place), "--out")


def test_selection_that_no_test_meets_is_said_by_robot(tmp_path: Path) -> None:
    """Each word of it is known, and yet no test has both."""
    run = finished(tmp_path, "--include", "req:CV-1 AND req:OU-1")
    assert run.wait() == Exit.MISUSE
    assert "contains no tests or tasks matching tag 'req:CV-1 AND req:OU-1'" in run.said
    assert "Traceback" not in run.said


def test_tag_and_name_select_and_the_last_line_says_what_became_of_it(tmp_path: Path) -> None:
    run = finished(tmp_path, "contactor_valve", "--include", "req:RG-7")
    assert run.wait() == 0, run.said
    assert {name: status for name, (status, _) in run.tests().items()} == {
        "Welded Contactor Is Found Although The Meter Reports Success": "PASS",
        "Valve That Sticks Is Found Although The Meter Reports Success": "PASS",
    }
    closing = run.closing()
    assert run.out.splitlines()[-1].startswith("rig run: 2 tests: 2 passed, 0 failed, 0 skipped in ")
    assert Path(closing["results"]) == run.results / "log.html"
    assert Path(closing["evidence"]) == run.results / "evidence"
    assert Path(closing["results"]).is_file()
    assert len(list(Path(closing["evidence"]).rglob("timeline.jsonl"))) == 2
    assert run.err == ""


def test_faulty_meter_fails_its_test_alone_and_the_exit_status_counts_it(tmp_path: Path) -> None:
    fault = ("--set", "devices.esme.fault=closes-when-armed")
    tests = ("--test", "Arm Moves Nothing*", "--test", "Enable Closes*")
    run = finished(tmp_path, "contactor_valve", *tests, *fault)
    assert run.wait() == 1, run.said
    verdicts = run.tests()
    status, message = verdicts.pop("Arm Moves Nothing Until The Consumer Acts")
    assert status == "FAIL"
    assert "expected no contact of esme to move" in message
    assert [status for status, _ in verdicts.values()] == ["PASS"]
    closing = run.closing()
    assert (closing["total"], closing["passed"], closing["failed"]) == ("2", "1", "1")


def test_suites_outside_of_the_project_run_from_any_folder(tmp_path: Path) -> None:
    """Results go to a folder of their own below the present one where nobody says otherwise."""
    mine = suite(tmp_path / "mine.robot", AFTER)
    run = finished(tmp_path, mine, "--quiet", out=False)
    assert run.wait() == 0, run.said
    assert len(run.out.splitlines()) == 2  # the requirements, and the closing line
    assert Path(run.closing()["results"]).parents[1] == tmp_path / "results"


# ----------------------------------------------------------------------------------------------------------- the script


def test_the_script_is_posix_shell() -> None:
    subprocess.run(["sh", "-n", str(ROOT / "rigw")], check=True, capture_output=True)
    assert (ROOT / "rigw").read_bytes().startswith(b"#!/bin/sh\n")
    assert os.access(ROOT / "rigw", os.X_OK)


def test_the_script_pleases_shellcheck() -> None:
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([program, str(ROOT / "rigw")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
