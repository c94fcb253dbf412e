"""A second premises on the air of the first, by a bench file that extends the virtual one: each installs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.exits import Exit
from tests.running import finished, suite

SECOND = Path(__file__).parent / "node" / "second_premises.yaml"
NEXT_DOOR_FIRST = """Next Door First
    [Setup]    Prepare Premises    needs=FRESH    leaves=ANY
    Admit To Hub    esme2
    Device Should Join    esme2
    Admit To Hub    esme
    Device Should Join    esme
    Carry Out    ECS70    esme
    Carry Out    ECS70    esme2
"""
NEXT_DOOR_LAST = """Next Door Last
    [Setup]    Prepare Premises    needs=INSTALLED    leaves=ANY
    Admit To Hub    esme2
    Device Should Join    esme2
    Carry Out    ECS70    esme2
"""
DIRECT = (
    "devices.hub.ports.han.driver=direct",
    "devices.neighbour.ports.han.driver=direct",
    "devices.esme.ports.han.driver=direct",
    "devices.esme2.ports.han.driver=direct",
    "devices.gsme.ports.han.driver=direct",
    "devices.ihd.ports.han.driver=direct",
)


@pytest.mark.parametrize("changes", [(), DIRECT], ids=["radios", "no radios"])
def test_two_premises_on_one_air_each_install(changes: tuple[str, ...], tmp_path: Path) -> None:
    mine = suite(tmp_path / "two.robot", NEXT_DOOR_FIRST, NEXT_DOOR_LAST)
    run = finished(tmp_path, mine, "--bench", SECOND, *(word for change in changes for word in ("--set", change)))
    assert run.wait() == Exit.GOOD, run.said
    assert {name: status for name, (status, _) in run.tests().items()} == {
        "Next Door First": "PASS",
        "Next Door Last": "PASS",
    }
