"""The command line as a whole; what each command does has tests of its own."""

from __future__ import annotations

import pytest

from rig.cli import MODULES, main, parser


def test_help_names_every_command() -> None:
    told = parser().format_help()
    assert all(f"    {command} " in told for command in MODULES)


@pytest.mark.parametrize("command", MODULES)
def test_a_command_is_mounted_by_the_module_that_is_loaded_for_it(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: rig {command} ")
    assert parser([command]).format_usage().endswith(" COMMAND ...\n")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["--nonsense"]])
def test_what_is_no_command_is_told_which_there_are(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "COMMAND" in capsys.readouterr().err
