"""What a gas meter reports of the flow is held against itself, and against the flow that there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from robot.api import SkipExecution

from rig.bus.messages import Event
from rig.evidence.judging import Outcome
from rig.keywords import gas, hub, physics
from rig.keywords.gas import GasMeter
from rig.keywords.judge import Unmet, judge
from rig.keywords.session import Session
from rig.keywords.supplier import Supplier


class Looked(Session):
    """A session in which a gas meter has looked at the flow."""

    def __init__(self, flow: int, threshold: int | None, *, above: bool) -> None:
        super().__init__()
        takes = {"check": {"ns": 1_000_000_000, "basis": "ours", "declared": False}}
        self.devices = {"gsme": {"kind": "gsme", "eui": "00db1234567890a1", "takes": takes}}
        self.described = {"feeds": {}}
        self.flows["gsme"] = flow, 0
        fields = {"device": "gsme", "flow": flow, "threshold": threshold, "above": above}
        self.events = [Event(1, 1, "boot", "gsme", "valve.flow_check", 7, fields)]


@pytest.fixture(autouse=True)
def _begun() -> Iterator[None]:
    yield
    judge().begin("")


@pytest.mark.parametrize(
    ("flow", "threshold", "above", "agrees"),
    [(3, 2, True, True), (2, 2, False, True), (3, None, False, True), (3, None, True, False), (3, 2, False, False)],
)
def test_a_flow_is_above_a_threshold_that_there_is(
    monkeypatch: pytest.MonkeyPatch, flow: int, threshold: int | None, *, above: bool, agrees: bool
) -> None:
    monkeypatch.setattr(gas, "session", lambda: Looked(flow, threshold, above=above))
    if agrees:
        assert GasMeter().flow_check_should_be_reported(above=above)["threshold"] == threshold
        return
    with pytest.raises(Unmet, match="a flow and a threshold that agree"):
        GasMeter().flow_check_should_be_reported(above=above)


class Behind(Looked):
    """As before, with an instrument behind the valve that reads this, and what else was seen: kind, pin or nothing,
    level, order number."""

    def __init__(self, amperes: float, *seen: tuple[str, bool, int]) -> None:
        super().__init__(3, 2, above=True)
        self.described = {"feeds": {"flow": "gas"}}
        self.flows["gsme"] = 3, 0
        self.events[0] = replace(self.events[0], order=5)
        self._amperes = amperes
        for what, level, order in seen:
            kind, fields = ("power", {"on": level}) if what == "power" else ("edge", {"pin": what, "level": level})
            self.events.append(Event(order, order, "boot", "gsme", kind, order, {**fields, "device": "gsme"}))

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        assert verb == "instrument.read", (device, args)
        return {"readings": {"current": {"value": self._amperes, "uncertainty": 0.005, "at_ns": 9}}}


@pytest.mark.parametrize(
    ("amperes", "seen", "ends"),
    [
        (0.2, (), ""),
        (0.0, (), "gas to flow"),
        (0.021, (), "^INCONCLUSIVE: whether gas flows"),
        (0.0, (("aux_no", False, 6),), ""),  # it shut the valve for the flow
        (0.0, (("aux_no", False, 3),), "gas to flow"),
        (0.2, (("power", True, 3),), "the flow that there is, 0"),
        (0.2, (("power", True, 7),), ""),
    ],
)
def test_a_flow_is_held_against_what_the_test_lets_flow_and_what_flows(
    monkeypatch: pytest.MonkeyPatch, amperes: float, seen: tuple[tuple[str, bool, int], ...], ends: str
) -> None:
    now = Behind(amperes, *seen)
    for room in (gas, physics):
        monkeypatch.setattr(room, "session", lambda: now)
    kind = SkipExecution if "INCONCLUSIVE" in ends else Unmet
    with pytest.raises(kind, match=ends) if ends else nullcontext():
        GasMeter().flow_check_should_be_reported(above=True)


JOINS = {"join": {"ns": 1_000_000_000, "basis": "its maker", "declared": True}}


class Joining(Session):
    """A session in which a gas meter was told to join: its tunnel is granted after ``after_s``, or never."""

    def __init__(self, after_s: float | None) -> None:
        super().__init__()
        told = {"eui": "00db1234567890a1", "under_test": False, "takes": JOINS}
        self.devices = {
            "gsme": {**told, "kind": "gsme", "behind": "hub"},
            "hub": {**told, "kind": "comms_hub", "eui": "00db1234567890a2"},
        }
        fields = {"device": "gsme", "port": "han", "peer": "00db1234567890a2", "out": False}
        at_ns = round((after_s or 0) * 1e9)
        self.events = [] if after_s is None else [Event(1, 1, "boot", "gsme", "tunnel.granted", at_ns, fields)]

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        assert verb in ("clock.advance", "device.ask", "supply.sense"), (device, args)
        return {"good": True, "by": "a pin"}

    def _need_premises(self) -> None: ...


def test_between_two_devices_under_test_nobody_sees_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Joining(None)
    now.devices = {name: {**told, "under_test": True} for name, told in now.devices.items()}
    monkeypatch.setattr(hub, "session", lambda: now)
    with pytest.raises(SkipExecution, match=r"^INFRA: gsme and hub are both under test"):
        hub.Hub().device_should_join("gsme")


@pytest.mark.parametrize(
    ("after_s", "findings"),
    [(0.5, []), (1.5, [("takes", Outcome.MISSED)]), (None, [("device-joins", Outcome.MISSED)])],
)
def test_a_gas_meter_that_does_not_join_is_a_finding_with_a_basis_and_one_that_joins_is_none(
    monkeypatch: pytest.MonkeyPatch, after_s: float | None, findings: list[tuple[str, Outcome]]
) -> None:
    now = Joining(after_s)
    monkeypatch.setattr(hub, "session", lambda: now)
    monkeypatch.setattr(gas, "session", lambda: now)
    monkeypatch.setattr(Supplier, "admit_to_hub", lambda *_, **__: {})
    with pytest.raises(Unmet, match="gsme is the silent one") if after_s is None else nullcontext():
        GasMeter().install_gas_meter()
    found = judge().findings
    assert [(one.expectation, one.outcome) for one in found] == findings
    assert all(one.basis.kind.counts for one in found)
