"""Outages of a meter: what it tells, what it remembers, what it has forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.machines.core import (
    ButtonPressed,
    LinkChanged,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Started,
    TimerFired,
)
from devices.machines.esme import Esme, EsmeSettings
from devices.machines.parts.civil_clock import CivilTime, ClockStatus, from_dlms
from devices.machines.parts.outage import (
    Outage,
    OutageSettings,
    interruption_code,
    lost,
    restoration_code,
    restored,
)
from devices.model.roles import Role
from devices.wire import axdr, gbcs
from tests.examples import examples
from tests.machines.meter_bench import (
    HUB,
    KEYS,
    METER,
    OPERATOR,
    PARTIES,
    SECOND,
    Bench,
    cells,
    command,
    notification_of,
    protected_well,
    read_log,
    response_of,
    script,
)

MINUTE = 60 * SECOND


def _alert(bench: Bench) -> gbcs.Message:
    bench.give(LinkChanged("line", True))
    return gbcs.decode(bench.sent[-1])


def _told(bench: Bench) -> list[int]:
    """The codes of the alerts that wait."""
    return [notification_of(gbcs.decode(bytes.fromhex(octets)))[0] for octets in bench.state()["queue"]]


@pytest.mark.parametrize(
    ("away", "code"),
    [(SECOND, 0x8F35), (3 * MINUTE - 1, 0x8F35), (3 * MINUTE, 0x8F36), (24 * 60 * MINUTE, 0x8F36)],
)
def test_restoration_is_told_to_the_network_operator_with_both_times(away: int, code: int) -> None:
    bench = Bench()
    bench.cut(away)
    alert = _alert(bench)
    told, (interruption, restoration) = notification_of(alert)
    assert told == code
    assert (alert.message_code, alert.recipient) == (0x0067, OPERATOR)
    assert protected_well(alert)
    start = bench.meter.settings.clock.start_ns
    assert from_dlms(interruption.value) == start + SECOND
    assert from_dlms(restoration.value) == start + (SECOND + away) // SECOND * SECOND
    assert bench.state()["logs"]["power"][-1][1:] == [code, away // SECOND]


def test_without_a_clock_in_the_dark_the_duration_is_not_invented() -> None:
    bench = Bench()
    bench.cut(10 * MINUTE, clock=False)
    assert bench.state()["clock_status"] == "invalid"
    assert bench.kinds("outage")[-1].fields["seconds"] is None
    assert notification_of(_alert(bench))[0] == 0x8F36


def test_without_credentials_of_a_network_operator_it_says_so_and_goes_on() -> None:
    known: dict[Role, bytes] = {role: party for role, party in PARTIES.items() if role is not Role.NETWORK_OPERATOR}
    bench = Bench(meter=Esme(METER, KEYS, cells(known)))
    bench.cut(MINUTE)
    assert bench.state()["queue"] == []
    assert "network_operator" in bench.kinds("alert.unsendable")[0].fields["reason"]
    assert bench.state()["logs"]["power"][-1][1] == 0x8F35


@given(st.sampled_from([(), (52,), (52, 54), (52, 54, 0), (54, 51)]), st.integers(1, 600))
@settings(max_examples=examples(15), deadline=None)
def test_everything_that_counts_survives(steps: tuple[int, ...], away_s: int) -> None:
    bench = Bench()
    for counter, step in enumerate(steps, 1000):
        if step:
            bench.line(script(step, counter))
        else:
            bench.give(ButtonPressed("B", 2 * SECOND))
        bench.advance(SECOND)
    before = bench.state()
    bench.cut(away_s * SECOND)
    after = bench.state()
    for part in ("supply", "floors", "objects", "cells", "once"):
        assert after[part] == before[part], part
    assert after["logs"]["event"] == before["logs"]["event"]
    assert bench.pins == {}, "a bistable contactor is not driven when power comes back"


def test_the_contactor_is_driven_on_return_where_the_setting_says_so() -> None:
    bench = Bench(EsmeSettings(outage=OutageSettings(drives_on_return=True)))
    bench.line(script(52, 1))
    bench.cut(MINUTE)
    assert bench.pins == {"contactor_set": False, "contactor_reset": True}


def test_a_meter_that_does_not_keep_its_supply_state_comes_back_as_delivered() -> None:
    bench = Bench(EsmeSettings(outage=OutageSettings(keeps_supply_state=False)))
    bench.line(script(52, 1))
    bench.cut(MINUTE)
    assert bench.supply() == "enabled"
    assert bench.pins["contactor_set"]


def test_old_commands_are_refused_after_an_outage() -> None:
    bench = Bench()
    bench.line(script(52, 1000))
    bench.cut(MINUTE)
    assert bench.line(script(51, 1000)) == []
    assert len(bench.line(script(51, 1001))) == 1


def test_alert_counters_go_on_and_never_back() -> None:
    bench = Bench()
    counters = []
    for _ in range(3):
        bench.cut(MINUTE)
        counters.append(_alert(bench).counter)
        bench.give(LinkChanged("line", False))
    assert counters == [1, 2, 3]


def test_without_supply_it_does_nothing() -> None:
    bench = Bench()
    bench.give(PowerLost())
    for event in (
        Received("line", HUB, script(52, 1)),
        ButtonPressed("B", 9 * SECOND),
        TimerFired("join"),
        LinkChanged("line", True),
    ):
        assert list(bench.give(event)) == []
    bench.give(PowerRestored(dict(bench.saved), 5 * SECOND))
    assert bench.supply() == "enabled"


def test_a_restart_goes_on_from_what_was_saved() -> None:
    bench = Bench()
    bench.line(script(52, 1000))
    again = Bench(start=False)
    again.give(Started(dict(bench.saved)))
    assert again.supply() == "disabled"
    assert again.line(script(51, 1000)) == []
    assert again.state()["logs"]["event"][0] == bench.state()["logs"]["event"][0]


def test_the_power_log_keeps_interruption_and_restoration_and_is_read_remotely() -> None:
    """facts/gbcs.md 6: 0x8F57 is logged only, in the power log, at the time of the loss."""
    bench = Bench()
    bench.cut(10 * SECOND)
    bench.cut(200 * SECOND)
    (response,) = bench.line(read_log("ECS35e"))
    rows = response_of(response).data[0].value.rows
    kept = [(row.value[1].value, row.value[2].value) for row in rows]
    assert kept == [(0x8F57, 0), (0x8F35, 10), (0x8F57, 0), (0x8F36, 200)]
    times = [row.value[0].value for row in rows]
    assert [times[1] - times[0], times[3] - times[2]] == [10, 200]
    assert [code for code in _told(bench) if code == 0x8F57] == []
    assert len(bench.line(command("ECS45", 1))) == 1


@pytest.mark.parametrize(("after", "driven"), [(0, True), (SECOND, False)])
def test_a_contactor_that_was_under_way_when_power_went_is_driven_again(after: int, driven: bool) -> None:
    """A pulse cut short leaves it anywhere; one that ended leaves it where it is."""
    bench = Bench()
    bench.line(script(52, 10))
    bench.advance(after)
    bench.cut(MINUTE)
    assert bench.pins.get("contactor_reset", False) == driven
    assert not bench.pins.get("contactor_set")
    assert bench.supply() == "disabled"


@pytest.mark.parametrize(("phase", "short", "long"), [(1, 0x8F37, 0x8F38), (2, 0x8F39, 0x8F3A), (3, 0x8F3B, 0x8F3C)])
def test_a_phase_of_a_polyphase_meter_has_its_own_codes(phase: int, short: int, long: int) -> None:
    for away, code in ((179 * SECOND, short), (180 * SECOND, long)):
        bench = Bench(EsmeSettings(outage=OutageSettings(phase=phase)))
        bench.meter.out.line_up = True
        bench.cut(away)
        (line,) = [line for line in bench.state()["logs"]["power"] if line[1] in (short, long)]
        assert line[1] == code


def test_there_are_three_phases() -> None:
    with pytest.raises(ValueError, match="a phase is 1, 2 or 3"):
        OutageSettings(phase=4)


@pytest.mark.parametrize(
    ("phase", "interruption", "short", "long"),
    [
        (None, 0x8F57, 0x8F35, 0x8F36),
        (1, 0x8F58, 0x8F37, 0x8F38),
        (2, 0x8F59, 0x8F39, 0x8F3A),
        (3, 0x8F5A, 0x8F3B, 0x8F3C),
    ],
)
def test_each_phase_has_codes_of_its_own(phase: int | None, interruption: int, short: int, long: int) -> None:
    settings = OutageSettings(phase=phase)
    code = restoration_code(settings)
    assert interruption_code(settings) == interruption
    assert [code(ns) for ns in (3 * MINUTE - 1, 3 * MINUTE, None)] == [short, long, long]


def test_what_is_known_of_an_outage() -> None:
    assert OutageSettings() == OutageSettings(180 * SECOND, True, None, False)
    for phase in (0, 4, -1):
        with pytest.raises(ValueError, match=f"a phase is 1, 2 or 3, got {phase}"):
            OutageSettings(phase=phase)
    began = CivilTime(1_446_854_400 * SECOND, ClockStatus.UNRELIABLE)
    ended = CivilTime(began.ns + 5 * SECOND)
    saved = lost(began)
    assert saved == Persist("lost_at", {"ns": began.ns, "status": "UNRELIABLE"})
    gone = restored({saved.key: saved.value}, ended, 5 * SECOND - 1)
    assert gone == Outage(began, ended, 5 * SECOND - 1)
    assert (gone.seconds, Outage(began, ended, None).seconds, Outage(began, ended, 5 * SECOND).seconds) == (4, 0, 5)
    assert gone.alert_data() == (axdr.octets(began.dlms()), axdr.octets(ended.dlms()))
    assert restored({}, ended, 5) is None
