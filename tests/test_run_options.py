"""The command line of `rig run`: Robot's options as in Robot's own table, ours beside them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from robot.run import USAGE  # type: ignore[import-untyped]
from robot.utils import ArgumentParser  # type: ignore[import-untyped]

from rig import robot_options, selection
from rig.bench_up import BadRun
from rig.cli import main
from rig.exits import MEANINGS, Exit

# Arguments, and what the one line must hold: the offending thing, and what there is, near matches first.
MISUSE = {
    "suite with a slip in it": (["contctor_valve"], ["'contctor_valve'", "one of contactor_valve,"]),
    "unknown tag": (["--include", "nonsense"], ["'nonsense'", "bench:outage", "rig list tags"]),
    "unknown tag beside a known one": (
        ["--include", "bench:outage", "-i", "bench:otage"],
        [": bench:outage,", "rig list tags"],
    ),
    "unknown part of a tag pattern": (["--include", "bench:outage AND nonsense"], ["'nonsense'", "bench:outage"]),
    "unknown requirement": (["--include", "req:CV-9"], ["requirement 'CV-9'", ": req:cv-", "rig list tags"]),
    "requirement that no test shows": (["outage", "--include", "req:CV-1"], ["no test here shows", "CV-1", "req:ou-1"]),
    "unknown test": (["--test", "Enabel Closes The Contact"], ["no test", ": Enable Closes The Contact", "list tests"]),
    "unknown suite by option": (["-s", "Outge"], ["no suite 'Outge'", "Outage", "rig list suites"]),
    "set of a device that is not there": (["--set", "devices.esm.fault=x"], ["devices.esm: ", "'esm'", ": esme, "]),
    "set of a port that is not there": (
        ["--set", "devices.hub.ports.hann.driver=direct"],
        ["devices.hub.ports.hann", ": han, "],
    ),
    "set of a key that is not there": (
        ["--set", "devices.esme.fualt=x"],
        ["devices.esme.fualt: ", "(fault, ", "; correct --set devices.esme.fualt=x"],
    ),
    "set of a contactor that is not there": (["--set", "contactors.mian.fault=x"], ["contactors.mian", ": main"]),
    "set of a top key that is not there": (["--set", "airr.loss=0.1"], ["airr: ", "(air, "]),
    "fault that no device has": (
        ["--set", "devices.esme.fault=accept-replay"],
        ["esme.fault: ", "accepts-replays", "; correct --set devices.esme.fault=accept-replay"],
    ),
    "set of a property that the air has not": (
        ["--set", "air.los=0.1"],
        ["air: ", "loss, duplicate", "; correct --set air.los=0.1"],
    ),
    "unknown option": (["--nonsense"], ["--nonsense", "rig run --help"]),
    "option without its value": (["--include"], ["--include", "argument", "rig run --help"]),
    "two places for results": (["--outputdir", "elsewhere"], ["--outputdir elsewhere", "--out"]),
    "argument file that is not there": (["--argumentfile", "nowhere.txt"], ["nowhere.txt"]),
}


@pytest.mark.parametrize(("arguments", "words"), MISUSE.values(), ids=MISUSE)
def test_what_is_not_there_gets_one_line_that_says_what_is(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    out = [] if arguments == ["--include"] else ["--out", str(tmp_path / "out")]
    assert main(["run", *out, *arguments]) == Exit.MISUSE
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert line.startswith("rig run: ")
    for word in words:
        assert word in line
    assert told.out == ""
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


def test_a_tag_to_exclude_that_no_test_has_is_told_and_refused_by_nobody() -> None:
    top = selection.read([selection.suite_path("outage")])
    (line,) = selection.nothing_excluded(top, ["demoo"])
    assert line.startswith("--exclude demoo leaves out nothing by 'demoo': no test has the tag 'demoo': demo, ")
    assert not selection.nothing_excluded(top, ["demo", "req:ou-*", "DEMOANDbench:outage"])
    assert len(selection.nothing_excluded(top, ["demoANDworse", "req:xx-9"])) == 2


def test_a_run_warns_of_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--dryrun", "--exclude", "demoo", "--out", str(tmp_path / "out"), "outage"]
    assert main(["run", *words]) in (Exit.GOOD, Exit.NOTHING_JUDGED)
    assert "rig run: warning: --exclude demoo leaves out nothing" in capfd.readouterr().err


def test_a_rerun_of_nothing_leaves_its_place_free(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What Robot alone can refuse takes nothing either: the command without the slip finds the place free."""
    out, there = tmp_path / "out", tmp_path / "there"
    there.mkdir()
    for place in (out, there):
        words = ["run", "--dryrun", "--rerunfailed", str(tmp_path / "nowhere.xml"), "--out", str(place)]
        assert main(words) == Exit.MISUSE
        assert "nowhere.xml" in capfd.readouterr().err
    assert not out.exists()
    assert list(there.iterdir()) == []


def test_every_option_of_ours_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    told = capsys.readouterr().out
    for line in robot_options.OURS.split("\n"):
        assert line.split()[:1] == [] or line.split()[0] in told, line


def test_options_stand_before_and_after_suites() -> None:
    read = robot_options.read(
        ["-i", "a", "outage", "--include=b", "--Set", "x.y=1", "security", "--bench", "line", "-vN:1"]
    )
    assert read.suites == ("outage", "security")
    assert (read.bench, read.changes) == ("line", ("x.y=1",))
    assert (read.robot["include"], read.robot["variable"]) == (["a", "b"], ["N:1"])


def test_out_is_outputdir() -> None:
    for words in (["--out", "x"], ["--outputdir", "x"], ["-d", "x"], ["--out", "x", "-d", "x"]):
        assert robot_options.read(words).robot == {"outputdir": "x"}


ELSEWHERE = ("argumentfile", "help", "nohelp", "version", "noversion", "outputdir", "xunit")
"""Options that Robot's parser acts upon by itself, and those that have a second name here or are our own."""


def test_every_option_of_robots_is_known() -> None:
    """Robot's own parser, asked for every option in its own table, and ours, asked for the same, agree."""
    robots = ArgumentParser(USAGE, auto_help=False, auto_version=False, auto_argumentfile=False)
    known = [name for name in robots._long_opts if name.rstrip("=") not in ELSEWHERE]
    assert len(known) > 60
    for name in known:
        words = [f"--{name.rstrip('=')}", *(["value"] if name.endswith("=") else [])]
        theirs = {key: value for key, value in robots.parse_args(words)[0].items() if value not in (None, [])}
        assert robot_options.read(words).robot == theirs


def test_argument_file_and_environment_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "arguments.txt"
    file.write_text("--include a\n# a comment\n--bench line\noutage\n", encoding="utf-8")
    monkeypatch.setenv("ROBOT_OPTIONS", "--loglevel DEBUG --set 'a.b=c d'")
    read = robot_options.read(["-A", str(file), "--exclude", "b"])
    assert (read.bench, read.changes, read.suites) == ("line", ("a.b=c d",), ("outage",))
    assert read.robot == {"include": ["a"], "exclude": ["b"], "loglevel": "DEBUG"}


def test_version_is_robots(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--version"]) == Exit.GOOD
    assert capsys.readouterr().out.startswith("Robot Framework ")


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["run", "outage", "-h"]])
def test_help_has_the_table_of_exit_statuses(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == Exit.GOOD
    told = capsys.readouterr().out
    for status, meaning in MEANINGS.items():
        assert any(
            line.split("  ")[1:] and line.strip().startswith(status) and meaning in line for line in told.splitlines()
        )
    assert "253 before 255 before failures" in told


def test_no_word_of_a_broken_line_is_lost() -> None:
    with pytest.raises(BadRun, match="nowhere"):
        robot_options.read(["--argumentfile", "nowhere"])
