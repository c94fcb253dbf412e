"""The load switch: the table of supply states, the pulses, the feedback, and the button."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.machines.core import ButtonPressed, PinChanged
from devices.machines.esme import EsmeSettings
from devices.machines.parts.contactor import TRANSITIONS, ContactorSettings, Supply, SupplyEvent, after
from tests.machines.meter_bench import SECOND, Bench, command, response_of, script

MS = 1_000_000
E, D, A = Supply.ENABLED, Supply.DISABLED, Supply.ARMED


@pytest.mark.parametrize(
    ("state", "event", "expected"),
    [
        (D, SupplyEvent.ENABLE, E),
        (A, SupplyEvent.ENABLE, E),
        (E, SupplyEvent.ENABLE, E),
        (D, SupplyEvent.DISABLE, D),
        (A, SupplyEvent.DISABLE, D),
        (E, SupplyEvent.DISABLE, D),
        (D, SupplyEvent.ARM, A),
        (A, SupplyEvent.ARM, A),
        (E, SupplyEvent.ARM, A),
        (D, SupplyEvent.LOCAL_ACT, D),
        (A, SupplyEvent.LOCAL_ACT, E),
        (E, SupplyEvent.LOCAL_ACT, E),
    ],
)
def test_the_table(state: Supply, event: SupplyEvent, expected: Supply) -> None:
    assert after(state, event) is expected


def test_only_enabling_or_a_local_act_switches_on() -> None:
    ways = {event for (state, event), new in TRANSITIONS.items() if new is E and state is not E}
    assert ways == {SupplyEvent.ENABLE, SupplyEvent.LOCAL_ACT}


@settings(deadline=None)
@given(st.lists(st.sampled_from([51, 52, 54, 0, 1]), max_size=12), st.integers(0, 200))
def test_the_coils_are_never_driven_both_and_the_state_is_that_of_the_table(steps: list[int], pause_ms: int) -> None:
    bench = Bench()
    expected = E
    events = {51: SupplyEvent.ENABLE, 52: SupplyEvent.DISABLE, 54: SupplyEvent.ARM}
    for counter, step in enumerate(steps, 1):
        if step in events:
            bench.line(script(step, counter))
            expected = after(expected, events[step])
        else:
            bench.give(ButtonPressed("B", 3 * SECOND if step else SECOND))
            expected = after(expected, SupplyEvent.LOCAL_ACT) if step else expected
        assert not (bench.pins["contactor_set"] and bench.pins["contactor_reset"])
        bench.advance(pause_ms * MS)
    assert bench.supply() == expected.name.lower()
    read = response_of(bench.line(command("ECS45", 1))[0])
    assert read.data[0].value == expected.value
    bench.advance(SECOND)
    assert not any(bench.pins.values())


def test_a_pulse_lasts_as_long_as_the_setting() -> None:
    bench = Bench(EsmeSettings(contactor=ContactorSettings(pulse_ns=120 * MS)))
    bench.line(script(52, 1))
    bench.advance(119 * MS)
    assert bench.pins == {"contactor_set": False, "contactor_reset": True}
    bench.advance(1 * MS)
    assert bench.pins == {"contactor_set": False, "contactor_reset": False}


def test_a_second_command_in_the_pulse_turns_it_round() -> None:
    bench = Bench()
    bench.line(script(52, 1))
    bench.advance(40 * MS)
    bench.line(script(51, 2))
    assert bench.pins == {"contactor_set": True, "contactor_reset": False}
    bench.advance(79 * MS)
    assert bench.pins["contactor_set"]
    bench.advance(1 * MS)
    assert not bench.pins["contactor_set"]


@pytest.mark.parametrize(
    ("held_ns", "button", "wanted", "expected"),
    [
        (2 * SECOND, "B", None, "enabled"),
        (2 * SECOND - 1, "B", None, "armed"),
        (3 * SECOND, "A", "B", "armed"),
        (3 * SECOND, "B", "B", "enabled"),
    ],
)
def test_the_local_act(held_ns: int, button: str, wanted: str | None, expected: str) -> None:
    bench = Bench(EsmeSettings(button=wanted))
    bench.line(script(52, 1))
    bench.advance(SECOND)
    bench.line(script(54, 2))
    assert "ARMED" in bench.display
    assert not bench.pins["contactor_set"]
    bench.give(ButtonPressed(button, held_ns))
    assert bench.supply() == expected
    assert bench.pins["contactor_set"] == (expected == "enabled")


def test_on_a_disabled_supply_the_button_does_nothing_but_is_logged() -> None:
    bench = Bench()
    bench.line(script(52, 1))
    bench.advance(SECOND)
    pins = dict(bench.pins)
    bench.give(ButtonPressed("B", 5 * SECOND))
    assert bench.supply() == "disabled"
    assert bench.pins == pins
    assert bench.state()["logs"]["event"][-1][1] == 0x8162


def test_changes_of_the_supply_are_recorded_with_their_cause() -> None:
    bench = Bench()
    bench.line(script(52, 1))
    bench.line(script(54, 2))
    bench.give(ButtonPressed("B", 5 * SECOND))
    told = [(r.fields["old"], r.fields["new"], r.fields["cause"]) for r in bench.kinds("supply.state")]
    assert told == [
        (None, "enabled", "started"),
        ("enabled", "disabled", "ECS43 from supplier"),
        ("disabled", "armed", "ECS44 from supplier"),
        ("armed", "enabled", "button B"),
    ]


@pytest.mark.parametrize(
    ("number", "aux", "code"),
    [(52, True, 0x81C0), (52, None, 0x81C0), (52, False, None), (51, False, 0x81BD), (51, True, None)],
)
def test_with_feedback_a_contact_that_does_not_move_is_an_event(
    number: int, aux: bool | None, code: int | None
) -> None:
    bench = Bench(EsmeSettings(contactor=ContactorSettings(feedback=True), supply=D), start=True)
    bench.state()["logs"]["event"].clear()
    if number == 52:
        bench.line(script(51, 1))
        bench.advance(SECOND)
    seen = len(bench.state()["logs"]["event"])
    bench.line(script(number, 2))
    if aux is not None:
        bench.give(PinChanged("aux_no", aux))
    bench.advance(SECOND)
    events = [entry[1] for entry in bench.state()["logs"]["event"][seen:]]
    assert events == [0x8154] + ([code] if code else [])


def test_without_feedback_the_meter_believes_itself() -> None:
    bench = Bench()
    bench.line(script(52, 1))
    bench.give(PinChanged("aux_no", True))
    bench.advance(SECOND)
    assert [entry[1] for entry in bench.state()["logs"]["event"]] == [0x8154]
    assert bench.kinds("contactor.check") == []


@pytest.mark.parametrize(("opens", "expected"), [(True, "armed"), (False, "enabled")])
def test_arming_a_supply_that_is_on_is_a_setting(opens: bool, expected: str) -> None:
    bench = Bench(EsmeSettings(arming_opens=opens))
    (response,) = bench.line(script(54, 1))
    assert [result.code for result in response_of(response).results] == [0]
    assert bench.supply() == expected
    assert bench.pins["contactor_reset"] is opens
