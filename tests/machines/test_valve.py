"""The gas valve: every state and event, what is driven, the flow check."""

from __future__ import annotations

from typing import Any

import pytest

from devices.events.supply import FlowChecked
from devices.machines.core import Drive, Record, SetTimer, Show, StopTimer
from devices.machines.parts.valve import TRANSITIONS, Valve, ValveEvent, ValveSettings, ValveState
from devices.model.gsme_objects import gsme_clusters
from tests.machines.told import of_kind

SECOND = 1_000_000_000
ON, ARMED, OFF = ValveState.ON, ValveState.ARMED, ValveState.OFF


def valve(state: ValveState, **settings: Any) -> Valve:
    clusters = gsme_clusters()
    clusters.set((0x0702, 0x0014), int(state))
    return Valve(clusters, ValveSettings(**settings))


@pytest.mark.parametrize(
    ("before", "event", "after", "drives"),
    [
        (ON, ValveEvent.CLOSE, OFF, "valve_close"),
        (ARMED, ValveEvent.CLOSE, OFF, "valve_close"),
        (OFF, ValveEvent.CLOSE, OFF, "valve_close"),  # a closed valve is what closing promises
        (OFF, ValveEvent.ARM, ARMED, None),
        (ARMED, ValveEvent.ARM, ARMED, None),
        (ON, ValveEvent.ARM, ARMED, "valve_close"),
        (ARMED, ValveEvent.LOCAL_ENABLE, ON, "valve_open"),
        (OFF, ValveEvent.LOCAL_ENABLE, OFF, None),
        (ON, ValveEvent.LOCAL_ENABLE, ON, None),
    ],
)
def test_states(before: ValveState, event: ValveEvent, after: ValveState, drives: str | None) -> None:
    tested = valve(before)
    effects = tested.change(event, "test", 5)
    assert tested.state is after
    assert [effect.pin for effect in effects if isinstance(effect, Drive) and effect.level] == ([drives] * bool(drives))
    assert isinstance(effects[-1], Show)
    assert bool(of_kind(effects, "valve.state")) == (before != after)


def test_only_a_local_act_opens() -> None:
    assert {event for (_, event), state in TRANSITIONS.items() if state is ON} == {ValveEvent.LOCAL_ENABLE}


def test_a_pulse_ends() -> None:
    tested = valve(ARMED)
    tested.change(ValveEvent.LOCAL_ENABLE, "test", 0)
    judged = tested.fired("contactor.pulse", SECOND, 0)
    assert judged is not None
    assert {(effect.pin, effect.level) for effect in judged[1] if isinstance(effect, Drive)} == {
        ("valve_open", False),
        ("valve_close", False),
    }


def test_the_flow_is_looked_at_and_recorded() -> None:
    tested = valve(ARMED)
    (timer,) = [
        e for e in tested.change(ValveEvent.LOCAL_ENABLE, "test", 0) if isinstance(e, SetTimer) and "flow" in e.name
    ]
    assert timer.at == (60 // 10 + 300) * SECOND  # stabilisation in tenths of a second, measurement in seconds
    assert tested.fired(timer.name, timer.at, 501) == (
        False,
        [Record(FlowChecked(flow=501, threshold=500, above=True))],
    )
    assert tested.state is ON  # observed, no verdict


def test_the_flow_check_can_have_consequences() -> None:
    tested = valve(ARMED, flow_closes=True)
    tested.change(ValveEvent.LOCAL_ENABLE, "test", 0)
    assert tested.fired("valve.flow_check", 9, 500) == (
        False,
        [Record(FlowChecked(flow=500, threshold=500, above=False))],
    )
    judged = tested.fired("valve.flow_check", 9, 501)
    assert judged is not None
    assert judged[0]
    assert tested.state is ARMED
    assert Drive("valve_close", True) in judged[1]


def test_no_flow_check_where_it_is_off() -> None:
    effects = valve(ARMED, flow_check=False).change(ValveEvent.LOCAL_ENABLE, "test", 0)
    assert not [e for e in effects if isinstance(e, SetTimer | StopTimer) and "flow" in e.name]


def test_a_timer_of_somebody_else() -> None:
    assert valve(ON).fired("join", 0, 0) is None
