"""The functions of a meter joined to a clock, a switch and a reporter that only notes what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from devices.events.accounts import BlocksReset
from devices.events.supply import SupplyChanged
from devices.machines.core import Effect, Persist, Record, SetTimer, Show, StopTimer
from devices.machines.parts import profile_log
from devices.machines.parts.civil_clock import CivilClock, CivilTime, ClockSettings
from devices.machines.parts.contactor import Supply
from devices.machines.parts.load_switch import LoadSwitch
from devices.machines.parts.meter_functions import MeterFunctions
from devices.machines.parts.prepayment import ByHand
from devices.model import esme_objects as own
from devices.model.objects import ObjectModel
from devices.wire import axdr
from devices.wire.axdr import Data
from tests.machines.meter_bench import KEYS, METER, cells

SECOND = 1_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
FRIDAY = int(datetime(2015, 11, 6, tzinfo=UTC).timestamp()) * SECOND
BILLING, BLOCK_RESET = (22, bytes((0, 0, 15, 0, 0, 255)), 4), (22, bytes((0, 0, 15, 1, 0, 255)), 4)
LIMITER = (71, bytes((0, 0, 17, 0, 0, 255)))


class _Out:
    """A reporter: each event becomes the effect of showing its code."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, object, dict[str, Any]]] = []

    def event(self, code: int, now: int, other: object = None, extra: Sequence[Data] = (), **how: Any) -> list[Effect]:
        self.told.append((code, now, other, how | ({"extra": tuple(extra)} if extra else {})))
        return [Show(f"{code:04X}")]


class _Meter:
    """What the functions need of a meter; civil time begins at midnight on a Friday."""

    def __init__(self, state: Supply = Supply.ENABLED, *, records: bool = False) -> None:
        self.clock = CivilClock(ClockSettings(start_ns=FRIDAY))
        self.switch = LoadSwitch(state)
        self.out = _Out()
        self.notes: list[int] = []
        self.objects: ObjectModel[Any] = ObjectModel(own.esme_objects(1))
        self.functions = MeterFunctions(
            self,  # type: ignore[arg-type]
            METER,
            KEYS,
            cells(),
            self.objects,
            records_profiles=records,
        )

    def note(self, code: int, *, tell: bool = True) -> None:
        assert tell
        self.notes.append(code)

    def prepay(self, balance: int = 0) -> None:
        self.objects.put(*own.PAYMENT_MODE, 2, axdr.structure(axdr.enum(2), axdr.enum(1)))
        self.objects.put(*own.METER_BALANCE, 2, axdr.i32(balance))

    def rows(self, obis: bytes) -> list[int]:
        """The time stamps of a profile, in seconds since the beginning."""
        begin = CivilTime(FRIDAY).zcl
        return [row.value[0].value - begin for row in self.objects.value(7, obis, 2).value.rows]

    def kept(self) -> Persist:
        return Persist("objects", self.objects.as_json())

    def shown(self, effects: Sequence[Effect] | None) -> list[str]:
        """Codes of events and texts of the display."""
        return [effect.text for effect in effects or () if isinstance(effect, Show)]


def _causes(effects: Sequence[Effect] | None) -> list[str]:
    """Why the supply changed."""
    records = (effect.event for effect in effects or () if isinstance(effect, Record))
    return [event.cause for event in records if isinstance(event, SupplyChanged)]


# --------------------------------------------------------------------------------------------------------- timer, rows


def test_there_is_one_timer_for_whatever_comes_first() -> None:
    meter = _Meter()
    functions = meter.functions
    assert functions.fired("other", 0) is None
    assert functions.arm(5) == []
    functions._load_due = 9
    assert functions.arm(5) == [SetTimer("meter", 9)]
    functions._load_due = 3
    assert functions.arm(5) == [SetTimer("meter", 6)], "what is late already comes at once"
    functions._load_due = None
    assert functions.arm(5) == [StopTimer("meter")]
    assert functions.arm(5) == []


def test_rows_are_due_at_each_half_hour() -> None:
    functions = _Meter(records=True).functions
    for now, due in ((0, 30 * MINUTE), (30 * MINUTE - 1, 30 * MINUTE), (30 * MINUTE, HOUR), (DAY - 1, DAY)):
        assert functions.arm(now) == [SetTimer("meter", due)]


@pytest.mark.parametrize(
    ("now", "half_hourly", "daily"),
    [
        (HOUR, True, False),
        (HOUR + SECOND - 1, True, False),  # a timer that is a little late
        (HOUR + SECOND, False, False),
        (HOUR - 1, False, False),
        (DAY, True, True),
        (DAY + SECOND - 1, True, True),
        (DAY + 30 * MINUTE, True, False),
        (DAY - 30 * MINUTE, True, False),
    ],
)
def test_which_rows_are_written_when(now: int, half_hourly: bool, daily: bool) -> None:
    meter = _Meter(records=True)
    effects = meter.functions.fired("meter", now) or []
    for obis in profile_log.HALF_HOURLY:
        assert meter.rows(obis) == [now // SECOND] * half_hourly
    for obis in profile_log.DAILY:
        assert meter.rows(obis) == [now // SECOND] * daily
    assert ([meter.kept()] == effects[:1]) is half_hourly
    assert isinstance(effects[-1], SetTimer)


def test_a_meter_that_records_none_writes_none() -> None:
    meter = _Meter()
    assert meter.functions.fired("meter", DAY) == []
    assert meter.rows(profile_log.HALF_HOURLY[0]) == []


# ------------------------------------------------------------------------------------------------------ load and tamper


def _limit(meter: _Meter) -> None:
    for index, number in ((4, 5000), (6, 60), (7, 120)):
        meter.objects.put(*LIMITER, index, axdr.u32(number))
    meter.objects.put(9000, bytes((0, 0, 94, 44, 0, 3)), 2, axdr.boolean(True))


def test_the_load_limit_works_the_switch() -> None:
    meter = _Meter()
    _limit(meter)
    functions = meter.functions
    assert meter.shown(functions.look_at_load(0, 6000)) == ["8F01"]
    assert functions.arm(0) == [SetTimer("meter", MINUTE)]
    armed = "SUPPLY ARMED - HOLD THE BUTTON TO SWITCH ON"
    effects = functions.fired("meter", MINUTE) or []
    assert meter.shown(effects) == ["SUPPLY OFF", armed, "8F33"]
    assert _causes(effects) == ["load limit"] * 2
    assert meter.kept() in effects, "the counter was raised"
    assert (meter.switch.state, effects[-1]) == (Supply.ARMED, SetTimer("meter", 3 * MINUTE))
    functions.look_at_load(2 * MINUTE, 0)
    effects = functions.fired("meter", 3 * MINUTE) or []
    assert meter.shown(effects) == ["SUPPLY ON", "8F34"]
    assert _causes(effects) == ["load limit restoration"]
    assert meter.switch.state is Supply.ENABLED
    assert meter.out.told == [
        (0x8F01, 0, b"", {}),
        (0x8F33, MINUTE, b"", {}),
        (0x8F34, 3 * MINUTE, b"", {}),
    ]


def test_a_supply_that_was_switched_off_meanwhile_is_not_restored() -> None:
    meter = _Meter()
    _limit(meter)
    meter.functions.look_at_load(0, 6000)
    meter.functions.fired("meter", MINUTE)
    meter.switch.state = Supply.DISABLED
    assert meter.shown(meter.functions.look_at_load(3 * MINUTE, 0)) == ["8F34"]
    assert meter.switch.state is Supply.DISABLED


@pytest.mark.parametrize(("locks", "shown"), [(False, ["8F3F"]), (True, ["8F3F", "SUPPLY OFF", "81BE"])])
def test_tampering(locks: bool, shown: list[str]) -> None:
    meter = _Meter()
    meter.objects.put(*own.TAMPER, 2, axdr.boolean(locks))
    effects = meter.functions.tamper(7)
    assert meter.shown(effects) == shown
    assert _causes(effects) == ["tamper"] * locks
    assert meter.out.told == [(0x8F3F, 7, None, {}), (0x81BE, 7, b"", {})][: 1 + locks]


# ----------------------------------------------------------------------------------------------------------- prepayment


def test_credit_that_is_used_up_is_kept_and_switches_off() -> None:
    meter = _Meter()
    meter.prepay(balance=10)
    effects = meter.functions.after_command(1)
    assert effects == [meter.kept()], "the change of mode is a row"
    assert meter.rows(profile_log.MODE_CHANGES) == [0]
    assert meter.functions.after_command(2) == []
    effects = meter.functions.consume(11, 5)
    assert effects[:2] == [meter.kept(), Persist("prepayment", meter.functions.prepayment.as_json())]
    assert meter.shown(effects) == ["810D", "8119", "8F0F", "SUPPLY OFF"]
    assert _causes(effects) == ["credit"]
    assert meter.out.told == [(code, 5, b"", {}) for code in (0x810D, 0x8119, 0x8F0F)]


@pytest.mark.parametrize(("emergency", "code"), [(False, 0x8F32), (True, 0x8168)])
def test_credit_that_comes_back_arms_what_it_switched_off(emergency: bool, code: int) -> None:
    meter = _Meter()
    meter.prepay(balance=-1)
    meter.functions.after_command(0)
    meter.out.told.clear()
    if emergency:
        meter.objects.put(*own.EMERGENCY_CREDIT, 9, axdr.u16(500))
        meter.functions.prepayment.invoke(ByHand(CivilTime(FRIDAY)))
    else:
        meter.objects.put(*own.METER_BALANCE, 2, axdr.i32(5))
    effects = meter.functions.after_command(9)
    assert meter.switch.state is Supply.ARMED
    assert _causes(effects) == ["credit"]
    assert effects[0] == Persist("prepayment", meter.functions.prepayment.as_json())
    assert meter.out.told[-1] == (code, 9, b"", {"tell": False})
    assert meter.notes == [0x81AB] * emergency


def test_a_supply_that_was_armed_already_is_left_alone() -> None:
    meter = _Meter()
    meter.prepay(balance=-1)
    meter.functions.after_command(0)
    meter.switch.state = Supply.ARMED
    meter.out.told.clear()
    meter.objects.put(*own.METER_BALANCE, 2, axdr.i32(5))
    assert meter.shown(meter.functions.after_command(9)) == []


def test_a_time_debt_that_is_paid_is_told_and_kept() -> None:
    meter = _Meter()
    meter.prepay(balance=100)
    rate = axdr.structure(
        axdr.structure(axdr.i8(0), axdr.i8(-5)),
        axdr.structure(axdr.u16(0), axdr.octets(bytes(6)), axdr.i8(0)),
        axdr.array(axdr.structure(axdr.octets(b""), axdr.i16(4))),
    )
    for index, value in ((5, rate), (8, axdr.u32(3600)), (12, axdr.i32(4))):
        meter.objects.put(*own.TIME_DEBTS[0], index, value)
    assert meter.functions.after_command(0)[-1] == SetTimer("meter", HOUR)
    effects = meter.functions.fired("meter", HOUR) or []
    assert effects == [
        Show("81A7"),
        meter.kept(),
        Persist("prepayment", meter.functions.prepayment.as_json()),
    ]
    assert meter.out.told == [(0x81A7, HOUR, b"", {})]


def test_top_ups_and_repayments_have_profiles_of_their_own() -> None:
    meter = _Meter()
    hand = ByHand(CivilTime(FRIDAY + 3 * SECOND))
    meter.objects.put(*own.PAYMENT_DEBT, 12, axdr.i32(500))
    meter.objects.put(*own.PAYMENT_DEBT, 13, axdr.u16(5000))
    meter.functions.prepayment._spend(100, hand)
    for obis, amount in ((profile_log.CREDITS, 100), (profile_log.REPAYMENTS, 50)):
        (row,) = meter.objects.value(7, obis, 2).value.rows
        assert row == axdr.structure(axdr.u32(hand.civil.zcl), axdr.u32(amount))
    for amount in (-1, 0, 0xFFFFFFFF, 0x100000000):
        meter.functions._book(profile_log.CREDITS, hand, amount)
    rows = meter.objects.value(7, profile_log.CREDITS, 2).value.rows
    assert [row.value[1].value for row in rows] == [100, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF]


# ------------------------------------------------------------------------------------------------------------ calendars


def _daily(hour: int) -> Data:
    """Execution each day at that hour."""
    return axdr.array(axdr.structure(axdr.octets(bytes((hour, 0, 0, 0))), axdr.octets(b"\xff" * 5)))


def test_the_billing_calendar_writes_its_rows_and_tells_the_newest_sealed() -> None:
    meter = _Meter()
    meter.objects.put(*BILLING, _daily(6))
    assert meter.functions.after_command(0) == [SetTimer("meter", 6 * HOUR)]
    effects = meter.functions.fired("meter", 6 * HOUR) or []
    newest = axdr.structure(meter.functions.profiles.newest(profile_log.BILLING[0]))
    assert meter.out.told == [(0x8F0A, 6 * HOUR, b"", {"sealed": newest})]
    assert [meter.rows(obis) for obis in profile_log.BILLING] == [[6 * 3600], [6 * 3600]]
    assert effects == [Show("8F0A"), meter.kept(), SetTimer("meter", 6 * HOUR + DAY)]
    assert meter.functions.fired("meter", 7 * HOUR) == [SetTimer("meter", 6 * HOUR + DAY)]


def test_the_block_counters_are_reset_by_their_calendar() -> None:
    meter = _Meter()
    meter.objects.put(*BLOCK_RESET, _daily(6))
    assert meter.functions.after_command(0) == [SetTimer("meter", 6 * HOUR)]
    reset = [Record(BlocksReset(cause="calendar")), SetTimer("meter", 6 * HOUR + DAY)]
    assert meter.functions.fired("meter", 6 * HOUR - 1) == [SetTimer("meter", 6 * HOUR)]
    assert meter.functions.fired("meter", 6 * HOUR) == reset
    assert meter.rows(profile_log.BILLING[0]) == []


def test_a_calendar_that_was_never_written_is_none() -> None:
    meter = _Meter()
    assert meter.functions.after_command(0) == []
    assert set(meter.functions._schedules.values()) == {None}
