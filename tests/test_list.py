"""`rig list` names all that there is, in the words that other commands take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devices.machines.faults import FAULTS
from devices.model.use_cases import all_use_cases
from rig import selection
from rig.bench_up import bench_path, order
from rig.cli import main
from rig.exits import Exit
from rig.listing import LISTS, SETTINGS
from rig.node.assembly import MACHINES
from rig.share import folder

SUITES = folder("robot_suites")


def told(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["list", *words]) == Exit.GOOD
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("what", LISTS)
def test_every_list_has_a_head_and_rows_in_columns(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    head, *rows = told(capsys, what)
    assert len(rows) >= 4
    assert len(re.split(r"  +", head)) >= 2
    assert not any("object at" in row or "MISSING" in row for row in rows)


@pytest.mark.parametrize("words", [["list", "faults"], ["faults"]])
def test_every_fault_is_listed_as_it_is_set(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == Exit.GOOD
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(FAULTS) + 1
    for entry in FAULTS.values():
        (line,) = (line for line in lines if f".fault={entry.name} " in line)
        assert entry.requirement in line
        assert line.endswith(entry.doc)


def test_every_suite_is_listed_as_rig_run_takes_it(capsys: pytest.CaptureFixture[str]) -> None:
    names = [re.split(r"  +", line)[0] for line in told(capsys, "suites")[1:]]
    files = [str(path.relative_to(SUITES).with_suffix("")) for path in SUITES.rglob("*.robot")]
    assert set(files) <= set(names)
    for name in names[1:]:
        assert selection.suite_path(name).exists()


def test_every_test_and_tag_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SUITES.rglob("*.robot"))
    tags = [line.split()[0].casefold() for line in told(capsys, "tags")[1:]]
    assert {tag.casefold() for tag in re.findall(r"\breq:\S+", text)} <= set(tags)
    tests = told(capsys, "tests", "outage")[1:]
    cases = (SUITES / "outage" / "01_outage.robot").read_text().partition("*** Test Cases ***")[2].partition("***")[0]
    assert [line.split("  ")[0] for line in tests] == re.findall(r"^(\w.*)$", cases, re.MULTILINE)


def test_benches_use_cases_and_keywords_are_all_there(capsys: pytest.CaptureFixture[str]) -> None:
    for line in told(capsys, "benches")[1:]:
        assert bench_path(line.split()[0]).is_file()
    codes = [line.split("0x")[1][:4] for line in told(capsys, "use-cases")[1:]]
    assert sorted(codes) == sorted(f"{case.code:04x}" for case in all_use_cases())
    keywords = told(capsys, "keywords")[1:]
    for name in ("Prepare Premises", "Send Command", "Carry Out", "Contact Should Be"):
        assert any(line.startswith(f"{name}  ") for line in keywords)


def test_settings_are_those_of_every_kind_of_device_and_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(SETTINGS) == set(MACHINES)
    lines = told(capsys, "settings", "esme")
    rows = {row[0]: row for row in (re.split(r"  +", line.strip()) for line in lines)}
    assert rows["arming_opens"][1] == "true"
    assert "our choice" in rows["arming_opens"][2]
    assert order("virtual", ["devices.esme.settings.arming_opens=false"]).overlay["devices"]["esme"]


def test_pages_of_the_keywords_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "keywords", "--html", str(tmp_path / "pages"))
    pages = sorted(path.name for path in (tmp_path / "pages").iterdir())
    assert len(pages) == len(selection.libraries()) >= 8
    assert all(f"written: {tmp_path / 'pages' / page}" in lines for page in pages)
    assert "Prepare Premises" in (tmp_path / "pages" / "Bench.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["settings", "esm"], "'esm': esme, gsme"),
        (["tests", "otage"], "'otage': give a path, or one of outage"),
        (["faults", "--html", "x"], "--html goes with `rig list keywords`"),
        (["use-case"], "'use-case': use-cases, "),
        (["suite"], "'suite': suites, "),
        (["faults", "esm"], "'esm': esme, gsme, "),
        (["faults", "accept-replays"], "'accept-replays': accepts-replays, "),
        (["use-cases", "ECS420"], "'ECS420': ECS42, "),
        (["keywords", "Contact Shuld Close"], "'Contact Shuld Close': Contact Should Close, "),
        (["benches", "virtuel"], "'virtuel': virtual, "),
    ],
)
def test_what_is_not_there_is_told_what_is(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", *words]) == Exit.MISUSE
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (["faults", "hht"], [f"devices.hht.fault={name}" for kind, name in FAULTS if kind == "HHT"]),
        (["faults", "moves-nothing", "answered-when-sent"], ["devices.esme.fault=moves-nothing", "devices.hht.fault="]),
        (["use-cases", "ecs42"], ["ECS42"]),
        (["use-cases", "0x004F"], ["ECS42"]),
        (["keywords", "contact should close"], ["Contact Should Close"]),
        (["benches", "line", "pi"], ["line", "pi"]),
    ],
)
def test_rows_can_be_asked_for_by_name(words: list[str], rows: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", *words]) == Exit.GOOD
    _, *told = capsys.readouterr().out.splitlines()
    assert len(told) == len(rows)
    assert all(line.startswith(row) for line, row in zip(told, rows, strict=True))
