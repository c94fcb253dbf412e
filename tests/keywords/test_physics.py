"""A contact is judged by what was sensed: which edge belongs to which coil, whatever bounces before and after."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rig.bus.messages import Event
from rig.keywords.physics import _last_move

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
