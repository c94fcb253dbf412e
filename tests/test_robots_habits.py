"""What users of Robot do with results works with ours: rerun what failed, merge, move, run side by side, be quiet."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest

from rig.evidence import record
from rig.exits import Exit
from tests.running import AFTER, Ended, finished, started, suite, until
from tests.test_up import environment, exported

FAILS_ONCE = """Fails Once
    [Setup]    Prepare Premises    needs=FRESH    leaves=FRESH
    Should Be Equal    ${GOOD}    yes    FAIL on purpose
    Expectation Should Hold    ${True}    it is good
"""


@dataclass
class Habits:
    """A run in which one of two tests failed, the run that did that one again, and both merged elsewhere."""

    folder: Path
    first: Ended
    again: Ended
    merged: Path


@pytest.fixture(scope="module")
def habits(tmp_path_factory: pytest.TempPathFactory) -> Habits:
    folder = tmp_path_factory.mktemp("habits")
    mine = suite(folder / "mine.robot", AFTER, FAILS_ONCE)
    first = finished(folder / "first", mine, "--quiet", "-v", "GOOD:no", "--metadata", "Lab:ours")
    again = finished(folder / "again", "--rerunfailed", first.results / "output.xml", "--variable", "GOOD:yes")
    merged = folder / "elsewhere" / "merged"
    outputs = [run.results / "output.xml" for run in (first, again)]
    command = [
        sys.executable,
        "-m",
        "robot.rebot",
        "--merge",
        "--outputdir",
        merged,
        "--output",
        "output.xml",
        *outputs,
    ]
    subprocess.run(list(map(str, command)), check=False, capture_output=True, timeout=90)
    return Habits(folder, first, again, merged)


def test_attempts_are_counted_on_from_the_run_that_is_repeated(habits: Habits) -> None:
    """As often as it is repeated, for the folder that a rerun is made from says how often it was tried by then."""
    told = [{one.name: one.attempts for one in record.read(run.results)} for run in (habits.first, habits.again)]
    assert told == [{"Comes After": 1, "Fails Once": 1}, {"Fails Once": 2}]


def links(log: Path) -> list[str]:
    """Where the links of a log of Robot's to captures lead, out of its strings, which may stand there compressed."""
    found = []
    for text in re.findall(r'"([^"\n]*)"', log.read_text(encoding="utf-8")):
        if text.startswith("eN"):
            text = zlib.decompress(base64.b64decode(text)).decode()
        found += re.findall(r"href='([^']*/evidence/[^']*|evidence/[^']*)'", text.replace("\\x3c", "<"))
    return found


def leads_somewhere(link: str, log: Path) -> bool:
    parts = urlsplit(link)
    path = Path(unquote(parts.path))
    return (path if parts.scheme == "file" else log.parent / path).is_file()


def test_quiet_names_what_failed_and_nothing_else(habits: Habits) -> None:
    assert habits.first.wait() == 1, habits.first.said
    lines = habits.first.out.splitlines()
    assert any(line.startswith("rig run: FAIL: Mine.Fails Once: ") and "on purpose" in line for line in lines), lines
    assert all(line.startswith("rig run: ") for line in lines)
    assert not any("Comes After" in line for line in lines)


def test_what_failed_is_run_again_alone(habits: Habits) -> None:
    assert habits.again.wait() == Exit.GOOD, habits.again.said
    assert list(habits.again.tests()) == ["Fails Once"]


def test_metadata_of_the_user_stands_beside_ours(habits: Habits) -> None:
    tree = ElementTree.parse(habits.first.results / "output.xml")
    names = {item.attrib["name"] for item in tree.iter("meta")}
    assert {"Lab", "Bench", "Seed", "Run"} <= names


def test_results_merge_and_links_to_evidence_survive_it(habits: Habits) -> None:
    tree = ElementTree.parse(habits.merged / "output.xml")
    status = {test.attrib["name"]: test.find("status") for test in tree.iter("test")}
    assert {name: found.attrib["status"] for name, found in status.items() if found is not None} == {
        "Comes After": "PASS",
        "Fails Once": "PASS",
    }
    log = habits.merged / "log.html"
    found = links(log)
    assert len([link for link in found if link.endswith("ether.pcapng")]) == 2
    assert [link for link in found if not leads_somewhere(link, log)] == []


def test_links_to_evidence_survive_the_move_of_a_results_folder(habits: Habits) -> None:
    moved = habits.folder / "moved" / "results"
    shutil.copytree(habits.first.results, moved)
    log = moved / "log.html"
    found = links(log)
    assert len([link for link in found if link.endswith("ether.pcapng")]) == 2
    assert [link for link in found if not leads_somewhere(link, log)] == []
    assert [link for link in found if urlsplit(link).scheme] == []


def test_a_rerun_takes_the_suites_of_the_run_that_it_repeats(tmp_path: Path) -> None:
    """Whatever was named then, one suite or several, need not be named again."""
    failing = "Misspelt\n    Advanse Time    1s\n"
    one, two = (suite(tmp_path / f"{name}.robot", AFTER, failing) for name in ("one", "two"))
    for given in ([one], [one, two]):
        first = finished(tmp_path / f"first{len(given)}", *given, "--dryrun")
        assert first.wait() == len(given), first.said
        output = first.folder / "out" / "output.xml"
        again = finished(tmp_path / f"again{len(given)}", "--rerunfailed", output, "--dryrun", "--quiet")
        assert again.wait() == len(given), again.said
        assert f"{len(given)} tests read" in again.out.splitlines()[-1]


def test_a_dry_run_starts_nothing_and_ends_as_robots_does(tmp_path: Path) -> None:
    broken = suite(tmp_path / "broken.robot", AFTER, "Misspelt\n    Advanse Time    1s\n")
    for words, status, read in (
        ([], 1, "2 tests read: 1 cannot run"),
        (["--test", "Comes After"], 0, "1 tests read: 0"),
    ):
        run = finished(tmp_path / str(status), broken, "--dryrun", "--quiet", "--bench", "pi", *words)
        assert run.wait() == status, run.said
        *named, last = run.out.splitlines()
        assert f"rig run: {read}" in last
        assert "nothing was judged" in last
        assert not any(word in last for word in ("OBSERVED", "passed", "SKIP")), "no verdict is given"
        assert [line.startswith("rig run: FAIL: Broken.Misspelt: ") for line in named] == [True] * status


@pytest.mark.soak
@pytest.mark.parametrize("by", ["rig run", "robot"])
def test_pabot_runs_two_benches(by: str, tmp_path: Path) -> None:
    """`pabot --command rig run`: each of two suites on a bench of its own; and plain `robot` under it, on one bench."""
    suites = tmp_path / "suites"
    suites.mkdir()
    for name in ("one", "two"):
        suite(suites / f"{name}.robot", AFTER.replace("Comes After", f"Comes After {name}"))
    program = str(Path(sys.executable).parent / "rig")
    given = [program, "run", "--bench", "direct"] if by == "rig run" else [sys.executable, "-m", "robot"]
    command = ["--command", *given, "--end-command"]
    processes = ["--processes", "2" if by == "rig run" else "1"]
    with started(tmp_path / "up", command="up") as up:
        until(lambda: "is up" in up.err or up.process.poll() is not None, "the bench to be up")
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pabot.pabot",
                *processes,
                *command,
                "--outputdir",
                str(tmp_path / "out"),
                str(suites),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**environment(), **exported(up.out)},
            timeout=300,
        )
        up.process.terminate()
        up.wait()
    assert done.returncode == 0, done.stdout + done.stderr
    tree = ElementTree.parse(tmp_path / "out" / "output.xml")
    assert sorted(test.attrib["name"] for test in tree.iter("test")) == ["Comes After one", "Comes After two"]
    log = tmp_path / "out" / "log.html"
    found = links(log)
    assert len([link for link in found if link.endswith("timeline.jsonl")]) == 2
    assert [link for link in found if not leads_somewhere(link, log)] == []
