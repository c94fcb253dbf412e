"""The command line as a whole; what each command does has tests of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from rig.cli import KINDS, MODULES, main, parser
from rig.exits import Exit

ROOT = Path(__file__).resolve().parents[1]


def test_help_names_every_command() -> None:
    told = parser().format_help()
    assert set(re.findall(r"^ {4}([a-z]+)\b", told, re.MULTILINE)) >= set(MODULES)


@pytest.mark.parametrize("command", MODULES)
def test_a_command_is_mounted_by_the_module_that_is_loaded_for_it(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: rig {command} ")


@pytest.mark.parametrize("command", [*MODULES, "gbcs decode", "corpus check"])
def test_the_help_of_every_command_ends_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    told = capsys.readouterr().out
    assert re.search(rf"^examples?: rig {command}\b", told, re.MULTILINE), told


ROOMS = {"rig.run", "rig.listing", "rig.gbcs.check", "rig.perf", "robot", "paho"}
LOADED = f"""import sys; from rig.cli import parser
parser(sys.argv[1:]); print(*sorted({ROOMS} & set(sys.modules)))"""


@pytest.mark.parametrize(("command", "rooms"), [("gbcs", set()), ("up", {"paho"}), ("corpus", {"rig.gbcs.check"})])
def test_a_command_loads_no_other_commands_room(command: str, rooms: set[str]) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED, command], capture_output=True, text=True, check=True, cwd=ROOT)
    assert set(done.stdout.split()) == rooms


def test_every_kind_of_misuse_is_an_error_of_its_module() -> None:
    for module, name in KINDS.items():
        assert issubclass(getattr(import_module(module), name), Exception)


@pytest.mark.parametrize("words", [[], ["nonsense"], ["--nonsense"]])
def test_what_is_no_command_is_told_which_there_are(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == Exit.MISUSE
    assert "COMMAND" in capsys.readouterr().err
