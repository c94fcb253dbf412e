"""Local copies of commands are known by their three ids, and one that is not there is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from robot.api import SkipExecution

from devices.wire import gbcs
from rig.bus.messages import Event
from rig.keywords import supplier
from rig.keywords.probes import probe_by_terminal
from rig.keywords.session import Session
from rig.keywords.supplier import Supplier

METER, SUPPLIER, OTHER = "00db1234567890a0", "90b3d51f30010000", "90b3d51f30020000"


def copy(originator: str, recipient: str = METER, counter: int = 7) -> str:
    ends = bytes.fromhex(originator), bytes.fromhex(recipient)
    return gbcs.encode(gbcs.Message(1, counter, *ends, 0x0053, b"\xd9")).hex()


class Ordered(Session):
    """A session in which a copy of command 7 came to the supplier, whose work order holds these."""

    def __init__(self, *orders: str) -> None:
        super().__init__()
        takes = {"answer": {"ns": 1_000_000_000, "basis": "ours", "declared": False}}
        kinds = {"esme": METER, "supplier": SUPPLIER, "access_control_broker": "90b3d51f30000002", "hht": OTHER}
        self.devices = {kind: {"kind": kind, "eui": eui, "takes": takes} for kind, eui in kinds.items()}
        self._orders = orders
        self.loaded_octets: list[str] = []
        fields = {"device": "supplier", "counter": 7, "for": METER}
        self.events = [Event(1, 1, "boot", "head", "party.local", 1, fields)]

    def ask(self, device: str, verb: str, /, **args: Any) -> Mapping[str, Any]:
        if verb == "load":
            self.loaded_octets.append(args["work_order"][0]["octets"])
        return {"counter": 7, "commands": [{"octets": one} for one in self._orders]}

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        return {}


MINE, ALIKE = copy(SUPPLIER), [copy(OTHER), copy(SUPPLIER, OTHER), copy(SUPPLIER, METER, 8), "00"]
COMMAND = {"use_case": "ECS42", "device": "esme", "party": "supplier", "counter": 7, "since": 0}


def test_a_copy_is_known_by_its_three_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Ordered(*ALIKE, MINE)
    monkeypatch.setattr(supplier, "session", lambda: now)
    assert Supplier().local_copy_of(COMMAND)["octets"] == MINE
    assert probe_by_terminal(now, "esme", "hht")
    assert now.loaded_octets == [MINE]


def test_a_work_order_that_lacks_the_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Ordered(*ALIKE)
    monkeypatch.setattr(supplier, "session", lambda: now)
    with pytest.raises(
        SkipExecution, match=r"^INFRA: supplier, which is part of the bench, has no local copy of ECS42"
    ):
        Supplier().local_copy_of(COMMAND)
    assert not probe_by_terminal(now, "esme", "hht")
    assert now.loaded_octets == []
