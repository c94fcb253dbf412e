"""What a gas meter reports of the flow is held against itself, and against the flow that there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rig.bus.messages import Event
from rig.keywords import gas
from rig.keywords.gas import GasMeter
from rig.keywords.judge import Unmet, judge
from rig.keywords.session import Session


class Looked(Session):
    """A session in which a gas meter has looked at the flow."""

    def __init__(self, flow: int, threshold: int | None, *, above: bool) -> None:
        super().__init__()
        takes = {"check": {"ns": 1_000_000_000, "basis": "ours", "declared": False}}
        self.devices = {"gsme": {"kind": "gsme", "eui": "00db1234567890a1", "takes": takes}}
        self.described = {"feeds": {}}
        self.flows["gsme"] = flow
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
