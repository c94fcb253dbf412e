"""Which mutants are drawn, which are known to change nothing, and what the command refuses."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.mutation import sample
from tests.mutation.__main__ import main
from tests.mutation.operators import Mutant, mutants
from tests.mutation.sample import Equivalent
from tests.mutation.tree import ROOT

FILE = "devices/machines/parts/tokens.py"
EVERY = mutants(FILE, (ROOT / FILE).read_bytes())


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    drawn = sample.draw(EVERY, 7, 20)
    assert drawn == sample.draw(EVERY, 7, 20)
    assert len({(m.start, m.end, m.after) for m in drawn}) == 20
    assert drawn != sample.draw(EVERY, 8, 20)
    assert drawn[:10] == sample.draw(EVERY, 7, 10), "a larger sample goes on where a smaller one ends"


def test_a_sample_of_more_than_there_are_is_all_of_them() -> None:
    assert Counter(sample.draw(EVERY, 1, 10_000)) == Counter(EVERY)


def test_lines_and_rooms_are_chosen_by_name() -> None:
    assert sample.of_lines([FILE]) == EVERY
    lines = sorted({mutant.line for mutant in EVERY})
    assert {m.line for m in sample.of_lines([f"{FILE}:{lines[2]}-{lines[5]}"])} == set(lines[2:6])
    assert {m.line for m in sample.of_lines([f"{FILE}:{lines[3]}"])} == {lines[3]}
    assert set(sample.of_rooms(["devices.machines.parts.tokens"])) == set(EVERY)
    assert all(mutant.file.startswith("rig/evidence/") for mutant in sample.of_rooms(["rig.evidence"]))


def test_an_equivalent_is_known_wherever_its_line_has_moved() -> None:
    mutant = EVERY[0]
    known = Equivalent(mutant.file, mutant.scope, mutant.text, "why")
    assert known.is_of(mutant)
    moved = Mutant(mutant.file, 999, mutant.scope, mutant.operator, 5, 6, mutant.before, mutant.after)
    assert known.is_of(moved)
    assert not known.is_of(EVERY[1])


def test_every_listed_equivalent_is_still_a_mutant_of_its_file_and_has_a_reason() -> None:
    for known in sample.equivalents():
        assert len(known.reason) > 10
        assert any(known.is_of(mutant) for mutant in sample.of_lines([known.file])), known


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rooms", "devices.fridges"], "no room and no module 'devices.fridges'"),
        (["--only", "nowhere.py"], "expected FILE, FILE:LINE or FILE:FIRST-LAST"),
        (["--only", f"{FILE}:x"], "expected FILE, FILE:LINE or FILE:FIRST-LAST"),
        (["--count", "x"], "invalid int value"),
    ],
)
def test_misuse_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_list_of_mutants_tries_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--seed", "3", "--count", "5", "--rooms", "rig.evidence"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("rig/evidence/") and " -> " in line for line in lines)
