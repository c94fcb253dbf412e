"""`rig faults` lists what there is, in the words that `rig run --set` takes."""

from __future__ import annotations

import pytest

from devices.machines.faults import FAULTS
from rig.cli import main


def test_every_fault_is_listed_as_it_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == len(FAULTS) + 1
    for entry in FAULTS.values():
        (line,) = (line for line in told if f".fault={entry.name} " in line)
        assert entry.requirement in line
        assert line.endswith(entry.doc)
