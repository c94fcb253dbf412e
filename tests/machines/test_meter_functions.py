"""Load limit, auxiliary controllers, calendars, tamper lock and profiles of the meter."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.core import Asked, ButtonPressed, Refuse
from devices.machines.esme import Esme, EsmeSettings
from devices.machines.parts import calendars
from devices.machines.parts.aux_switch import AuxiliarySettings
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.profile_log import HALF_HOURLY, ProfileLog, restriction
from devices.model import use_cases
from devices.model.credentials import Cell, Credential, Usage
from devices.model.esme_objects import TAMPER, esme_objects
from devices.model.objects import AccessError, ObjectModel
from devices.model.profiles import profiles
from devices.model.roles import Role
from devices.trust import protection
from devices.trust.keystore import agreement_key, signing_key
from devices.wire import axdr, cosem, gbcs
from devices.wire.axdr import Data
from devices.wire.cosem import AccessRequest, Op, Spec
from devices.wire.gbcs import CRA
from tests.machines.meter_bench import (
    KEYS,
    METER,
    OPERATOR,
    SECOND,
    SUPPLIER,
    Bench,
    cells,
    command,
    notification_of,
    protected_well,
    response_of,
)

HOUR, DAY = 3600 * SECOND, 86400 * SECOND
AT_ONCE = axdr.octets(bytes.fromhex("0000000000000000008000ff"))
SWITCHES, LIMITS = (9, bytes((0, 0, 10, 0, 103, 255))), (9, bytes((0, 0, 10, 0, 107, 255)))


def _limit(bench: Bench, watts: int, *, period: int = 60, restoration: int = 120, opens: bool = True) -> None:
    values = (axdr.boolean(opens), axdr.u32(watts), axdr.u32(period), axdr.u32(restoration))
    bench.line(command("ECS28a", 50, *values, AT_ONCE, AT_ONCE, AT_ONCE, AT_ONCE))


def _events(bench: Bench, log: str = "event") -> list[int]:
    return [entry[1] for entry in bench.state()["logs"][log]]


def _counter(bench: Bench) -> int:
    return int(bench.meter.objects.value(3, bytes((0, 0, 94, 44, 42, 255)), 2).value)


# ---------------------------------------------------------------------------------------------------------- load limit


def test_too_much_for_too_long_opens_the_switch_until_it_is_restored() -> None:
    bench = Bench()
    _limit(bench, 5000)
    bench.give(Asked("load", {"watts": 6000}))
    bench.advance(59 * SECOND)
    assert (bench.supply(), _counter(bench)) == ("enabled", 0)
    bench.advance(SECOND)
    assert (bench.supply(), _counter(bench)) == ("armed", 1)
    assert [code for code in _events(bench) if code in (0x8F01, 0x8F33)] == [0x8F01, 0x8F33]
    bench.give(Asked("load", {"watts": 0}))
    bench.advance(121 * SECOND)
    assert bench.supply() == "enabled"
    assert _events(bench)[-1] == 0x8F34


def test_a_short_excess_is_no_event_of_the_counter() -> None:
    bench = Bench()
    _limit(bench, 5000)
    bench.give(Asked("load", {"watts": 6000}))
    bench.advance(30 * SECOND)
    bench.give(Asked("load", {"watts": 100}))
    bench.advance(HOUR)
    assert (bench.supply(), _counter(bench)) == ("enabled", 0)


def test_without_the_supply_state_the_limit_is_counted_only() -> None:
    bench = Bench()
    _limit(bench, 5000, opens=False)
    bench.give(Asked("load", {"watts": 6000}))
    bench.advance(HOUR)
    assert (bench.supply(), _counter(bench)) == ("enabled", 1)
    bench.line(command("ECS28b", 60, axdr.i8(0)))
    assert _counter(bench) == 0


@pytest.mark.parametrize("watts", [-1, None, "1", True])
def test_power_is_a_number(watts: object) -> None:
    assert isinstance(Bench().give(Asked("load", {"watts": watts}))[-1], Refuse)


# --------------------------------------------------------------------------------------------------------------- tamper


@pytest.mark.parametrize(("locked", "supply"), [(True, "disabled"), (False, "enabled")])
def test_tamper_locks_where_the_supplier_said_so(locked: bool, supply: str) -> None:
    bench = Bench()
    bench.line(command("ECS81", 1, axdr.boolean(locked)))
    assert bool(bench.meter.objects.value(*TAMPER, 2).value) is locked
    bench.give(Asked("tamper", {}))
    assert bench.supply() == supply
    assert (0x81BE in _events(bench)) is locked
    assert 0x8F3F in _events(bench, "security")
    bench.give(ButtonPressed("A", 3 * SECOND))
    assert bench.supply() == supply


# ----------------------------------------------------------------------------------------------- auxiliary controllers


def _auxiliary(name: str, counter: int, script: int, **written: Data) -> bytes:
    """ECS47 or ECS47e for the controller that the script names; ``written``: values by the last octet of the OBIS."""
    table = LIMITS if name == "ECS47e" else SWITCHES
    n = script >> 8 & 0x0F
    specs = [Spec(Op.SET, 1, bytes((0, 0, 94, 44, 116 + n, int(e[1:]))), 2) for e in written]
    specs.append(Spec(Op.ACTION, *table, 1))
    request = AccessRequest(0x20000000 | counter, b"", tuple(specs), (*written.values(), axdr.u16(script)))
    return command(name, counter, payload=cosem.encode(request), originator=_sender(name))


def _with_load_controller() -> Esme:
    """A meter for which the network operator's keys are those of a load controller too."""
    held = cells()
    for usage, name in ((Usage.DIGITAL_SIGNATURE, signing_key), (Usage.KEY_AGREEMENT, agreement_key)):
        held.place(Cell(Role.LOAD_CONTROLLER, usage), Credential(OPERATOR, KEYS.public(name(OPERATOR))))
    return Esme(METER, KEYS, held)


def _sender(name: str) -> bytes:
    return OPERATOR if name == "ECS47e" else SUPPLIER


def _closed(bench: Bench, n: int) -> bool:
    return bench.meter.functions.auxiliary.closed(n, bench.meter.clock.at(bench.now))


def test_a_switch_is_held_for_its_minutes_and_goes_back() -> None:
    bench = Bench()
    (response,) = bench.line(_auxiliary("ECS47", 1, 0x0111, v1=axdr.u16(30)))
    assert [r.code for r in response_of(response).results] == [0, 0]
    assert _closed(bench, 1)
    assert not _closed(bench, 2)
    bench.advance(29 * 60 * SECOND)
    assert _closed(bench, 1)
    bench.advance(2 * 60 * SECOND)
    assert not _closed(bench, 1)
    rows = bench.meter.objects.value(7, bytes((0, 17, 99, 98, 2, 255)), 2).value.rows
    assert [row.value[1].value for row in rows] == [0x0111, 0x0120]


def test_opening_has_a_duration_of_its_own() -> None:
    """facts/use-cases.json 0x0055: at most one of the ten durations, the one that belongs to controller and action."""
    bench = Bench()
    bench.line(_auxiliary("ECS47", 1, 0x0111, v1=axdr.u16(30)))
    (response,) = bench.line(_auxiliary("ECS47", 2, 0x0112, v2=axdr.u16(5)))
    assert [r.code for r in response_of(response).results] == [0, 0]
    assert not _closed(bench, 1)
    held = bench.meter.functions.auxiliary.controllers[1].held_until
    assert held == bench.meter.clock.at(bench.now).ns + 5 * 60 * SECOND


@pytest.mark.parametrize("n", range(1, 6))
@pytest.mark.parametrize(
    ("first", "action", "written", "minutes", "closed"),
    [
        (None, 0x11, {"v1": 30}, 30, True),
        (None, 0x12, {"v2": 0xFFFF}, 0xFFFF, False),
        ({"v1": 40}, 0x12, {"v2": 7}, 7, False),  # opening has nothing of the minutes for closing
        ({"v2": 40}, 0x11, {"v1": 7}, 7, True),
        (None, 0x11, {}, None, True),  # no duration: until the next command [our choice]
        (None, 0x11, {"v2": 7}, None, True),  # the other action's duration is none for this one
        ({"v1": 40}, 0x20, {}, 0, False),  # a reset writes neither
    ],
)
def test_a_switch_is_held_for_the_duration_of_its_action(
    n: int, first: dict[str, int] | None, action: int, written: dict[str, int], minutes: int | None, closed: bool
) -> None:
    """facts/use-cases.json 0x0055: durations 0.0.94.44.(116+n).1 of an activation, .2 of a deactivation, in minutes."""
    bench = Bench()
    if first is not None:
        (index,) = first
        script = n << 8 | (0x11 if index == "v1" else 0x12)
        bench.line(_auxiliary("ECS47", 1, script, **{name: axdr.u16(value) for name, value in first.items()}))
    given = {name: axdr.u16(value) for name, value in written.items()}
    (response,) = bench.line(_auxiliary("ECS47", 2, n << 8 | action, **given))
    assert {result.code for result in response_of(response).results} == {0}
    auxiliary, now = bench.meter.functions.auxiliary, bench.meter.clock.at(bench.now).ns
    assert [_closed(bench, one) for one in range(1, 6)] == [one == n and closed for one in range(1, 6)]
    held = auxiliary.controllers[n]
    assert held.held_until == (now + minutes * 60 * SECOND if minutes else None)
    if minutes and minutes < 60:
        bench.advance(minutes * 60 * SECOND - 1)
        assert held.held is closed
        bench.advance(1)
        assert held.held is None


def test_a_reset_goes_back_at_once() -> None:
    bench = Bench()
    bench.line(_auxiliary("ECS47", 1, 0x0111, v1=axdr.u16(30)))
    bench.line(_auxiliary("ECS47", 2, 0x0120))
    assert not _closed(bench, 1)


@pytest.mark.parametrize("script", [0x0011, 0x0611, 0x0133])
def test_scripts_that_there_are_not(script: int) -> None:
    bench = Bench(EsmeSettings(auxiliary=AuxiliarySettings(takes_unknown_actions=False)))
    request = AccessRequest(0x20000001, b"", (Spec(Op.ACTION, *SWITCHES, 1),), (axdr.u16(script),))
    (response,) = bench.line(command("ECS47", 1, payload=cosem.encode(request)))
    assert response_of(response).results[0].code != 0


def test_a_commanded_level_is_held_until_its_time_and_told_to_nobody() -> None:
    bench = Bench()
    bench.meter.out.line_up = True
    begin, end = (axdr.octets(bench.meter.clock.at(bench.now + after).dlms()) for after in (0, HOUR))
    bench.line(_auxiliary("ECS47a", 1, 0x13A8, v1=begin, v2=end))
    key = (1, bytes((0, 0, 94, 44, 0, 33)), 2)
    assert json.loads(bench.meter.objects.value(*key).value) == {"outputState": 40, "inputState": 100}
    bench.cut(60 * SECOND)
    bench.advance(2 * HOUR)
    assert json.loads(bench.meter.objects.value(*key).value) == {"outputState": 100, "inputState": 100}
    sent = [gbcs.decode(octets) for octets in bench.sent]
    assert {m.message_code for m in sent if m.cra == CRA.ALERT} <= {0x0067}


def test_an_appliance_that_says_how_it_runs_is_told_and_shown() -> None:
    bench = Bench()
    bench.meter.out.line_up = True
    bench.give(Asked("appliance", {"controller": 3, "output": 100, "input": 0}))
    alert = gbcs.decode(bench.sent[-1])
    text = axdr.Data(axdr.Tag.UTF8_STRING, b'{"outputState":"100","inputState":"0","other-data":""}')
    assert (alert.message_code, alert.recipient, notification_of(alert)) == (0x0123, SUPPLIER, (0x8F88, (text,)))
    assert protected_well(alert)
    bench.cut(60 * SECOND)
    kept = json.loads(bench.meter.objects.value(1, bytes((0, 0, 94, 44, 0, 33)), 2).value)
    assert kept == {"outputState": 100, "inputState": 0, "other-data": ""}
    assert 0x8F88 in [code for _, code, *_ in bench.state()["logs"]["event"]]


@pytest.mark.parametrize(
    "args",
    [
        {},
        *({"controller": n, "output": 1, "input": 1} for n in (0, 6, -9, -19, 300, True, "1")),
        {"controller": 1, "output": True, "input": 1},
        {"controller": 1, "output": 101, "input": 1},
        {"controller": 1, "output": 1, "input": -1},
        {"controller": 1, "output": 1, "input": 1, "colour": "red"},
    ],
)
def test_an_appliance_that_makes_no_sense_is_refused(args: dict[str, object]) -> None:
    bench = Bench()
    before = bench.state()
    (refused,) = bench.give(Asked("appliance", args))
    assert isinstance(refused, Refuse)
    assert "appliance" in refused.reason
    assert bench.state() == before


def test_a_hold_outlives_a_cut() -> None:
    bench = Bench()
    bench.line(_auxiliary("ECS47", 1, 0x0111, v1=axdr.u16(30)))
    bench.cut(10 * 60 * SECOND)
    assert _closed(bench, 1)
    bench.advance(25 * 60 * SECOND)
    assert not _closed(bench, 1)


def test_a_limit_is_told_when_it_begins_and_when_it_ends() -> None:
    bench = Bench(meter=_with_load_controller())
    bench.meter.out.line_up = True
    begin, end = (bench.meter.clock.at(bench.now + after).dlms() for after in (0, HOUR))
    written = {"v3": axdr.octets(begin), "v4": axdr.octets(end)}
    bench.line(_auxiliary("ECS47e", 1, 0x2332, **written))
    bench.advance(2 * HOUR)
    alerts = [m for m in map(gbcs.decode, bench.sent) if m.cra == CRA.ALERT]
    assert [m.message_code for m in alerts] == [0x0121, 0x0122]
    processed, ended = (notification_of(m) for m in alerts)
    assert processed == (0x8F86, (axdr.u8(0x23), axdr.octets(begin), axdr.octets(end), axdr.u8(0x32)))
    assert ended == (0x8F87, (axdr.u8(0x23), axdr.u8(100)))


# ------------------------------------------------------------------------------------------------------------ calendars


def _entry(selector: int, hour: int, days: bytes = b"\xfe", special: bytes = b"", **dates: bytes) -> Data:
    anything = b"\xff" * 5
    return axdr.structure(
        axdr.u16(1),
        axdr.boolean(True),
        axdr.octets(bytes.fromhex("00000a0067ff")),
        axdr.u16(selector),
        axdr.octets(bytes((hour, 0, 0, 0))),
        axdr.u16(0xFFFF),
        axdr.bits(days, 7),
        axdr.bits(special, 8 * len(special)),
        axdr.octets(dates.get("begin", anything)),
        axdr.octets(dates.get("end", anything)),
    )


def _at(year: int, month: int, day: int, hour: int = 0) -> CivilTime:
    return CivilTime(int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * SECOND)


TABLE = axdr.array(
    _entry(0x0101, 7), _entry(0x0102, 11), _entry(0x0201, 18, b"\xf8"), _entry(0x0202, 9, b"\x00", b"\x80")
)
SPECIAL = axdr.array(axdr.structure(axdr.u16(1), axdr.octets(bytes.fromhex("ffff0c19ff")), axdr.u8(1)))
CHRISTMAS, FRIDAY = (2015, 12, 25), (2015, 11, 6)
LAST = [
    ((*FRIDAY, 8), 1, 0x0101),
    ((*FRIDAY, 12), 1, 0x0102),
    ((*FRIDAY, 6), 1, 0x0102),
    ((2015, 11, 8, 3), 2, 0x0201),  # a Sunday: the switch went on Friday evening
    ((*CHRISTMAS, 10), 2, 0x0202),  # a special day has entries of its own
    ((*CHRISTMAS, 8), 2, 0x0201),
]


@pytest.mark.parametrize(("moment", "n", "selector"), LAST)
def test_the_last_switching(moment: tuple[int, ...], n: int, selector: int) -> None:
    last = calendars.last_switched(TABLE, SPECIAL, _at(*moment), of=n << 8, mask=0xFF00)
    assert last is not None
    assert last.selector == selector


def test_a_calendar_works_the_switch() -> None:
    bench = Bench()
    bench.meter.objects.put(10, bytes((0, 0, 12, 0, 2, 255)), 2, TABLE)
    assert not _closed(bench, 1)
    bench.advance(8 * HOUR)  # the clock of the bench begins at midnight
    assert _closed(bench, 1)
    bench.advance(4 * HOUR)
    assert not _closed(bench, 1)


def test_dates_bound_an_entry() -> None:
    bounded = axdr.array(_entry(0x0101, 7, begin=bytes.fromhex("ffff0615ff"), end=bytes.fromhex("ffff0915ff")))
    assert calendars.next_switch(bounded, SPECIAL, _at(2015, 11, 6)) == _at(2016, 6, 21, 7).ns
    assert calendars.next_switch(axdr.array(), SPECIAL, _at(2015, 11, 6)) is None


@given(st.integers(0, 400 * 24))
def test_the_next_switching_is_the_last_one_of_its_instant(hours: int) -> None:
    civil = CivilTime(_at(2015, 1, 1).ns + hours * HOUR)
    following = calendars.next_switch(TABLE, SPECIAL, civil)
    assert following is not None
    assert following > civil.ns
    last = calendars.last_switched(TABLE, SPECIAL, CivilTime(following), of=0, mask=0)
    assert last is not None
    assert last.at == following


# ------------------------------------------------------------------------------------------------------------- profiles


def test_profiles_are_recorded_on_the_clock() -> None:
    bench = Bench()
    bench.advance(25 * HOUR)
    daily = bench.meter.objects.value(7, bytes((0, 0, 98, 1, 8, 255)), 2).value.rows
    half_hourly = bench.meter.objects.value(7, HALF_HOURLY[0], 2).value.rows
    assert (len(daily), len(half_hourly)) == (1, 50)
    assert [row.value[0].value % 1800 for row in half_hourly] == [0] * 50


@pytest.mark.parametrize("elements", [1, 2])
def test_every_profile_takes_a_row_of_its_own_type(elements: int) -> None:
    model: ObjectModel[None] = ObjectModel(esme_objects(elements))
    log = ProfileLog(model, profiles("ESME", elements))  # type: ignore[arg-type]
    for obis, profile in profiles("ESME", elements).items():
        if not model.has(profile.key) or any(t.name in ("otherInformation", "boost_end") for t in profile.columns):
            continue
        for _ in range(profile.capacity + 2 if profile.capacity < 50 else 2):
            log.capture(obis, CivilTime(_at(2015, 11, 6).ns))
        value = model.value(*profile.key)
        assert axdr.decode(axdr.encode(value))[0] == value
        assert 2 <= len(value.value.rows) <= profile.capacity


def test_a_profile_is_read_by_range() -> None:
    bench = Bench()
    bench.advance(5 * HOUR)
    row = use_cases.by_name("ECS22c").dlms[0]
    assert row.class_id is not None
    assert row.obis is not None
    start = bench.meter.clock.at(0).zcl
    selection = axdr.structure(axdr.null(), axdr.u32(start + 3600), axdr.u32(start + 7200), axdr.array())
    request = AccessRequest(
        0x20000001, b"", (Spec(Op.GET_SELECTION, row.class_id, row.obis, 2, 1, selection),), (axdr.null(),)
    )
    (response,) = bench.line(command("ECS22c", 1, payload=cosem.encode(request)))
    stamps = [r.value[0].value - start for r in response_of(response).data[0].value.rows]
    assert stamps == [3600, 5400, 7200]


def test_the_billing_calendar_fills_its_log_and_pushes_it_encrypted() -> None:
    bench = Bench(EsmeSettings(records_profiles=False))
    bench.meter.out.line_up = True
    row = axdr.structure(axdr.octets(bytes.fromhex("0c000000")), axdr.octets(bytes.fromhex("ffffff01ff")))
    bench.line(command("ECS30a", 1, axdr.array(row)))
    bench.advance(24 * DAY)  # from the 7th of November
    alerts = [m for m in map(gbcs.decode, bench.sent) if m.cra == CRA.ALERT]
    assert alerts == []
    bench.advance(DAY)
    (alert,) = [m for m in map(gbcs.decode, bench.sent) if m.cra == CRA.ALERT]
    code, (parameters, blob) = notification_of(alert)
    assert (alert.message_code, code) == (0x0061, 0x8F0A)
    assert parameters.tag == axdr.Tag.ARRAY
    z = KEYS.agree(agreement_key(METER), KEYS.public(agreement_key(SUPPLIER)))
    plain = axdr.decode(protection.open_sealed(blob.value, z, METER, SUPPLIER, alert.counter))[0]
    (newest,) = plain.value[0].value.rows
    assert newest.value[0].value == int((datetime(2015, 12, 1, 12) - datetime(2000, 1, 1)).total_seconds())
    rows = bench.meter.objects.value(7, bytes((0, 0, 98, 1, 1, 255)), 2).value.rows
    assert len(rows) == 1
    bench.advance(31 * DAY)
    assert len([m for m in map(gbcs.decode, bench.sent) if m.cra == CRA.ALERT]) == 2


EXECUTIONS = [
    ("00000000", "ffffffffff", (2015, 11, 6, 8), (2015, 11, 7)),
    ("0c000000", "fffffffeff", (2016, 2, 6), (2016, 2, 29, 12)),
    ("06000000", "ffffffff01", (2015, 11, 6), (2015, 11, 9, 6)),  # Mondays
    ("06000000", "ffff0101ff", (2015, 11, 6), (2016, 1, 1, 6)),
]


@pytest.mark.parametrize(("time", "day", "moment", "expected"), EXECUTIONS)
def test_when_an_action_is_due(time: str, day: str, moment: tuple[int, ...], expected: tuple[int, ...]) -> None:
    actions = axdr.array(axdr.structure(axdr.octets(bytes.fromhex(time)), axdr.octets(bytes.fromhex(day))))
    assert calendars.next_execution(actions, _at(*moment)) == _at(*expected).ns
    assert calendars.next_execution(axdr.array(), _at(*moment)) is None


RESTRICTIONS = [
    axdr.structure(axdr.enum(1), axdr.u8(1)),
    axdr.structure(axdr.enum(2), axdr.structure(axdr.null(), axdr.null())),
    axdr.structure(axdr.enum(1), axdr.structure(axdr.null())),
]


@pytest.mark.parametrize("data", RESTRICTIONS)
def test_restrictions_that_are_no_range(data: Data) -> None:
    with pytest.raises(AccessError):
        restriction(data)


def test_a_restriction_that_is_left_open_is_everything() -> None:
    unbounded = axdr.structure(*(axdr.octets(b"\xff" * 12),) * 2)
    found = restriction(axdr.structure(axdr.enum(1), unbounded))
    assert found is not None
    assert [part.value for part in found.value[1:3]] == [0, 0xFFFFFFFF]
    assert restriction(axdr.structure(axdr.enum(0), axdr.null())) is None
