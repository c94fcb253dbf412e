"""The gas valve: every state and event, what is driven, the flow check."""

from __future__ import annotations

from typing import Any

import pytest

from devices.events.supply import ContactorChecked, FlowChecked, ValveChanged
from devices.machines.core import Drive, Effect, Persist, Record, SetTimer, Show, StopTimer
from devices.machines.parts.contactor import ContactorSettings
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


def _told(effects: list[Effect]) -> list[object]:
    """What is kept, told and shown, the coils, and the timer of the flow check."""
    found: list[object] = []
    for effect in effects:
        match effect:
            case Persist(key, value):
                found.append((key, value))
            case Record(ValveChanged(old=old, new=new, cause=cause)):
                found.append((old, new, cause))
            case Drive(pin, True):
                found.append(pin)
            case SetTimer("valve.flow_check", at):
                found.append(at)
            case StopTimer("valve.flow_check"):
                found.append("no flow check")
            case Show(text):
                found.append(text)
    return found


CHECK = 306 * SECOND
ARMED_TEXT = "GAS ARMED - HOLD THE BUTTON TO SWITCH ON"


@pytest.mark.parametrize(
    ("before", "event", "told"),
    [
        (
            ARMED,
            ValveEvent.LOCAL_ENABLE,
            [("armed", "on", "why"), ("valve_opening", True), "valve_open", CHECK + 5, "GAS ON"],
        ),
        (ON, ValveEvent.LOCAL_ENABLE, ["GAS ON"]),
        (
            ON,
            ValveEvent.CLOSE,
            [("on", "off", "why"), ("valve_opening", False), "valve_close", "no flow check", "GAS OFF"],
        ),
        (OFF, ValveEvent.CLOSE, [("valve_opening", False), "valve_close", "no flow check", "GAS OFF"]),
        (OFF, ValveEvent.ARM, [("off", "armed", "why"), "no flow check", ARMED_TEXT]),
        (
            ON,
            ValveEvent.UNCONTROLLED_FLOW,
            [("on", "armed", "why"), ("valve_opening", False), "valve_close", "no flow check", ARMED_TEXT],
        ),
    ],
)
def test_all_that_a_change_does_in_its_order(before: ValveState, event: ValveEvent, told: list[object]) -> None:
    assert _told(valve(before).change(event, "why", 5)) == told


@pytest.mark.parametrize(
    ("state", "opening", "after", "told"),
    [
        (ON, False, ON, []),
        (
            ON,
            True,
            ARMED,
            [("valve_opening", False), ("on", "armed", "power lost while it opened"), "valve_close"],
        ),
        (ARMED, True, ARMED, ["valve_close"]),
        (OFF, False, OFF, ["valve_close"]),
    ],
)
def test_a_valve_that_should_be_shut_is_shut_when_power_returns(
    state: ValveState, opening: bool, after: ValveState, told: list[object]
) -> None:
    tested = valve(state)
    assert _told(tested.secure(5, opening=opening)) == told
    assert tested.state is after
    assert _told(valve(ON).secure(5)) == []


def test_a_pulse_that_ended_has_opened_the_valve() -> None:
    tested = valve(ARMED)
    tested.change(ValveEvent.LOCAL_ENABLE, "test", 0)
    judged = tested.fired("contactor.pulse", 5, 0)
    assert judged is not None
    assert (judged[0], judged[1][0]) == (False, Persist("valve_opening", False))
    checked = valve(ARMED, actuator=ContactorSettings(feedback=True)).fired("contactor.check", 5, 0)
    assert checked is not None
    assert [type(effect) for effect in checked[1]] == [Record]


def test_the_flow_that_a_faulty_meter_tells() -> None:
    for flow_told, threshold, above in ((0, 500, False), (501, 500, True), (500, 500, False), (9, None, False)):
        tested = valve(ON, flow_told=flow_told, flow_closes=True)
        tested.clusters.set((0x0702, 0x0B10), b"" if threshold is None else threshold)
        judged = tested.fired("valve.flow_check", 9, 1000)
        assert judged is not None
        assert judged[0] is above
        assert judged[1][0] == Record(FlowChecked(flow=flow_told, threshold=threshold, above=above))
        assert tested.state is (ARMED if above else ON)


def test_the_defaults_of_a_valve() -> None:
    actuator = ContactorSettings(pulse_ns=SECOND // 2, set_pin="valve_open", reset_pin="valve_close")
    assert ValveSettings() == ValveSettings(actuator, None, True, TRANSITIONS, False)
    tested = valve(ON)
    tested.clusters.set((0x0702, 0x0014), b"")
    assert tested.state is OFF, "a status that is none is that of no supply"


def test_what_was_driven_is_unknown_after_a_power_loss() -> None:
    tested = valve(ON, actuator=ContactorSettings(feedback=True))
    tested.change(ValveEvent.CLOSE, "test", 0)
    tested.power_lost()
    assert tested.fired("contactor.check", 5, 0) == (False, [Record(ContactorChecked(wanted=None, sensed=None))])
