"""A contact is judged by what was sensed: which edge belongs to which coil, whatever bounces before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from robot.api import SkipExecution

from rig.bus.messages import Event
from rig.keywords import physics
from rig.keywords.judge import judge
from rig.keywords.physics import Physics, _last_move
from rig.keywords.session import PRESS, Session
from rig.keywords.silence import Asked

MS = 1_000_000
SET, RESET, AUX = "contactor_set", "contactor_reset", "aux_no"
CLOSING = [(100, SET, True), (108, AUX, True), (108.5, AUX, False), (108.9, AUX, True), (200, SET, False)]
OPENING = [(300, RESET, True), (304, AUX, False), (400, RESET, False)]


def events(*edges: tuple[float, str, bool], device: str = "esme") -> list[Event]:
    return [
        Event(
            seq=order,
            order=order,
            boot="b",
            at_ns=round(at * MS),
            node="esme",
            kind="edge",
            fields={"pin": pin, "level": level, "device": device},
        )
        for order, (at, pin, level) in enumerate(edges, 1)
    ]


def operate_ms(seen: Sequence[Event], *, closed: bool, since: int = 0) -> float | None:
    move = _last_move(seen, "esme", since, closed=closed)
    return None if move is None else (move[1].at_ns - move[0].at_ns) / MS


@pytest.mark.parametrize(
    ("edges", "closed", "expected"),
    [
        pytest.param(CLOSING, True, 8.0, id="the first make, not a bounce"),
        pytest.param(CLOSING, False, None, id="a bounce is no opening"),
        pytest.param([(0, RESET, True), *CLOSING], False, None, id="nor after a coil that moved nothing"),
        pytest.param([*CLOSING, *OPENING], False, 4.0, id="the opening after a closing"),
        pytest.param([*CLOSING, *OPENING], True, 8.0, id="the closing before an opening"),
        pytest.param([*CLOSING, (500, SET, True)], True, 8.0, id="a coil driven once more moves nothing"),
        pytest.param([*CLOSING, *OPENING, (600, SET, True), (609, AUX, True)], True, 9.0, id="the last of two"),
        pytest.param([(108, AUX, True)], True, None, id="no coil at all"),
        pytest.param([(100, RESET, True), (108, AUX, True)], True, None, id="the wrong coil"),
        pytest.param([(100, SET, False), (108, AUX, True)], True, None, id="a coil that is let go"),
        pytest.param([*CLOSING[:1], (101, "button", True), *CLOSING[1:]], True, 8.0, id="another wire meanwhile"),
        pytest.param([], True, None, id="nothing"),
    ],
)
def test_the_move_is_the_first_edge_after_the_coil_that_caused_it(
    edges: list[tuple[float, str, bool]], closed: bool, expected: float | None
) -> None:
    assert operate_ms(events(*edges), closed=closed) == expected


def test_what_came_before_the_mark_does_not_count() -> None:
    seen = events(*CLOSING)
    assert operate_ms(seen, closed=True, since=1) is None
    assert operate_ms(seen, closed=True, since=0) == 8.0


def test_another_device_does_not_count() -> None:
    assert operate_ms(events(*CLOSING, device="neighbour"), closed=True) is None
    own, others = events(*CLOSING), events(*OPENING, device="neighbour")
    assert operate_ms([own[0], *others, *own[1:]], closed=True) == 8.0
    assert operate_ms([own[0], replace(others[0], kind="power"), *own[1:]], closed=True) == 8.0


class Unmoved(Session):
    """A session with a meter of which nothing moves; ``good``: its supply.  ``meanwhile``: events of the time that
    passes."""

    def __init__(self, *, good: bool = True, meanwhile: Sequence[Event] = ()) -> None:
        super().__init__()
        takes = {"contact": {"ns": 1_000_000_000, "basis": "ours", "declared": False}}
        self.devices = {"esme": {"kind": "esme", "eui": METER, "takes": takes, "behind": "hub"}}
        self._good, self._meanwhile = good, meanwhile

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        if verb == "clock.advance":
            self.events += self._meanwhile
            return {}
        assert verb == "supply.sense", (device, args)
        return {"good": self._good, "by": "a pin"}

    def stays(self, monkeypatch: pytest.MonkeyPatch, since: int | None = None) -> None:
        monkeypatch.setattr(physics, "session", lambda: self)
        Physics().contact_should_not_move("esme", since=since)


METER = "00db1234567890a0"
ASKED = Asked("90b3d51f30010000", METER, 7, 4, "supplier")
STALLED = Event(9, 9, "b", "bench", "bench.stalled", 2_000_000_000, {"span_ns": 3_000_000_000})


@pytest.fixture(autouse=True)
def _begun() -> Iterator[None]:
    yield
    judge().begin("")


@pytest.mark.parametrize("since", [None, 0])
def test_of_a_meter_without_supply_nothing_is_shown_by_a_contact_that_stays(
    monkeypatch: pytest.MonkeyPatch, since: int | None
) -> None:
    Unmoved().stays(monkeypatch, since)
    with pytest.raises(SkipExecution, match=r"INFRA: .*esme has no supply"):
        Unmoved(good=False).stays(monkeypatch, since)


@pytest.mark.parametrize(
    ("pressed", "since", "shown"), [(True, None, False), (False, None, False), (False, 4, False), (False, 5, True)]
)
def test_a_contact_that_stays_shows_nothing_of_a_command_that_never_came(
    monkeypatch: pytest.MonkeyPatch, pressed: bool, since: int | None, *, shown: bool
) -> None:
    now = Unmoved()
    now.asked = ASKED
    if pressed:
        now.begin_action(PRESS)
    if shown:  # the command is older than what is looked at
        now.stays(monkeypatch, since)
        return
    with pytest.raises(SkipExecution, match=r"INFRA: .*no tap has the message #7 crossing to esme"):
        now.stays(monkeypatch, since)


def test_what_stays_while_the_bench_is_held_up_is_not_shown_to_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SkipExecution, match=r"INFRA: no move of esme was seen, .*held up for 3\.0 s"):
        Unmoved(meanwhile=[STALLED]).stays(monkeypatch)
