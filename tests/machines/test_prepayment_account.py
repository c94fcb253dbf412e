"""The sums of a prepayment account: how a top up is spent, what a time debt takes, which thresholds are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from devices.machines.core import Persist, Record
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.prepayment import ByHand, Change, Prepayment, PrepaymentSettings, Refused
from devices.machines.parts.tokens import TokenSettings
from devices.model import esme_objects as own
from devices.model.objects import AccessError, ObjectModel, ResultCode
from devices.wire import axdr
from devices.wire.axdr import Data
from tests.machines.meter_bench import KEYS, METER
from tests.machines.test_prepayment import cells_with_top_up_key, token
from tests.machines.told import told

SECOND = 1_000_000_000
START = 1_000 * SECOND
PLACES = {
    "balance": (*own.METER_BALANCE, 2),
    "emergency": (*own.EMERGENCY_CREDIT, 2),
    "limit": (*own.EMERGENCY_CREDIT, 9),
    "offered": (*own.EMERGENCY_CREDIT, 10),
    "accumulated": (*own.ACCUMULATED_DEBT, 2),
    "debt": (*own.PAYMENT_DEBT, 12),
    "time1": (*own.TIME_DEBTS[0], 12),
    "time2": (*own.TIME_DEBTS[1], 12),
    "low": (*own.PAYMENT_MODE, 16),
    "maximum": (*own.MAXIMUM_BALANCE, 2),
    "top_up": (*own.MAXIMUM_CREDIT, 2),
}


@dataclass
class Account:
    """A prepayment function with its objects and all that it tells."""

    settings: PrepaymentSettings = field(default_factory=PrepaymentSettings)
    prepaying: bool = True
    notes: list[int] = field(default_factory=list)
    booked: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.objects: ObjectModel[Any] = ObjectModel(own.esme_objects(1))
        self.part = Prepayment(
            METER,
            KEYS,
            cells_with_top_up_key(),
            self.objects,
            self.notes.append,
            self.settings,
            credited=lambda _, amount: self.booked.append(("credited", amount)),
            repaid=lambda _, amount: self.booked.append(("repaid", amount)),
        )
        self.mode(self.prepaying)

    def mode(self, prepaying: bool) -> None:
        self.objects.put(*own.PAYMENT_MODE, 2, axdr.structure(axdr.enum(2 if prepaying else 1), axdr.enum(2)))

    def put(self, proportion: int | None = None, disablement: int | None = None, **amounts: int) -> Self:
        for name, amount in amounts.items():
            self.objects.put(*PLACES[name], axdr.i32(amount))
        if proportion is not None:
            self.objects.put(*own.PAYMENT_DEBT, 13, axdr.u16(proportion))
        if disablement is not None:
            self.objects.put(*own.DISABLEMENT_THRESHOLD, 2, axdr.array(axdr.i32(disablement)))
        return self

    def time_debt(self, position: int, charge: int, period: int, scaler: int = -5) -> Self:
        rate = axdr.structure(
            axdr.structure(axdr.i8(0), axdr.i8(scaler)),
            axdr.structure(axdr.u16(0), axdr.octets(bytes(6)), axdr.i8(0)),
            axdr.array(axdr.structure(axdr.octets(b""), axdr.i16(charge))),
        )
        self.objects.put(*own.TIME_DEBTS[position], 5, rate)
        self.objects.put(*own.TIME_DEBTS[position], 8, axdr.u32(period))
        return self

    def __getitem__(self, name: str) -> int:
        return int(self.objects.value(*PLACES[name]).value)

    def collect(self, second: int) -> list[int]:
        return self.part.collect(CivilTime(START + second * SECOND))


def test_the_defaults_are_those_of_the_facts() -> None:
    assert PrepaymentSettings() == PrepaymentSettings(
        tokens=TokenSettings(),
        proportion_whole=10_000,
        currency_exponent=5,
        in_credit_mode=True,
        repays_emergency=True,
        disables_supply=True,
        arms_supply=True,
        invoke_in_credit_mode=True,
    )


# ------------------------------------------------------------------------------------------------------------- top ups

# What is owed before a top up of 1,000 units; what is owed and held after; what is told of it.
SPENT: dict[str, tuple[dict[str, int], dict[str, int], list[int], list[tuple[str, int]]]] = {
    "nothing owed": ({}, {"balance": 1000, "debt": 0, "accumulated": 0}, [], []),
    "a share of a debt": (
        {"debt": 500, "proportion": 2500},
        {"balance": 750, "debt": 250},
        [],
        [("repaid", 250)],
    ),
    "a share that is more than the debt": (
        {"debt": 249, "proportion": 2500},
        {"balance": 751, "debt": 0},
        [0x81A9],
        [("repaid", 249)],
    ),
    "a share that is the debt": ({"debt": 250, "proportion": 2500}, {"debt": 0}, [0x81A9], [("repaid", 250)]),
    "a debt of one unit": ({"debt": 1, "proportion": 10_000}, {"balance": 999}, [0x81A9], [("repaid", 1)]),
    "one that leaves a unit of the debt": ({"debt": 251, "proportion": 2500}, {"debt": 1}, [], [("repaid", 250)]),
    "a share of more than all": (
        {"debt": 5000, "proportion": 20_000},
        {"balance": 0, "debt": 4000},
        [],
        [("repaid", 1000)],
    ),
    "a share that is no whole unit": (
        {"debt": 500, "proportion": 19},
        {"balance": 999, "debt": 499},
        [],
        [("repaid", 1)],
    ),
    "a debt overpaid, which gives nothing back": (
        {"debt": -5, "proportion": 2500, "accumulated": -7},
        {"balance": 1000, "debt": -5, "accumulated": -7},
        [],
        [],
    ),
    "a debt and an accumulated one": (
        {"debt": 500, "proportion": 2500, "accumulated": 700},
        {"balance": 50, "debt": 250, "accumulated": 0},
        [],
        [("repaid", 250)],
    ),
    "an accumulated debt of more": ({"accumulated": 1200}, {"balance": 0, "accumulated": 200}, [], []),
}


@pytest.mark.parametrize("case", SPENT)
def test_a_top_up_pays_the_debts_and_then_the_balance(case: str) -> None:
    owed, left, notes, booked = SPENT[case]
    account = Account().put(**owed)
    account.part._spend(1000, ByHand(CivilTime(START)))
    assert {name: account[name] for name in left} == left
    assert account.notes == notes
    assert account.booked == [*booked, ("credited", 1000)]


# Emergency credit left of 500, whether it is active and repaid by the setting; emergency credit, balance, active after.
EMERGENCY: dict[str, tuple[int, bool, bool, int, int, bool]] = {
    "used up": (0, True, True, 500, 500, False),
    "a unit used": (499, True, True, 500, 999, False),
    "none used": (500, True, True, 500, 1000, False),
    "more than the limit of today": (510, True, True, 510, 1000, False),
    "not active": (0, False, True, 0, 1000, False),
    "by a meter that repays none": (0, True, False, 0, 1000, True),
}


@pytest.mark.parametrize("case", EMERGENCY)
def test_a_top_up_repays_what_was_used_of_the_emergency_credit(case: str) -> None:
    held, active, repays, emergency, balance, after = EMERGENCY[case]
    account = Account(PrepaymentSettings(repays_emergency=repays)).put(limit=500, emergency=held)
    account.part.emergency_active = active
    account.part._spend(1000, ByHand(CivilTime(START)))
    assert (account["emergency"], account["balance"], account.part.emergency_active) == (emergency, balance, after)


@pytest.mark.parametrize(
    ("amounts", "event"),
    [
        ({"top_up": 1000}, None),
        ({"top_up": 999}, 0x8F5B),
        ({"maximum": 1300, "balance": 300}, None),
        ({"maximum": 1299, "balance": 300}, 0x8F47),
        ({"maximum": 0, "balance": -1000}, None),
    ],
)
def test_the_maxima_themselves_are_allowed(amounts: dict[str, int], event: int | None) -> None:
    account = Account().put(**amounts)
    if event is None:
        account.part._within_limits(1000)
        return
    with pytest.raises(Refused) as refused:
        account.part._within_limits(1000)
    assert (refused.value.event, refused.value.code) == (event, ResultCode.HARDWARE_FAULT)


def test_a_token_is_told_kept_and_booked() -> None:
    account, hand = Account(), ByHand(CivilTime(START))
    assert account.part.enter(token(3, 10), hand) == 10_000
    assert hand.effects[0] == Persist("prepayment", account.part.as_json())
    assert [(one.kind, one.fields) for one in told(hand.effects)] == [("utrn.accepted", {"amount": 10_000})]
    assert (account.notes, account.booked) == ([0x810E], [("credited", 10_000)])
    again = ByHand(CivilTime(START))
    with pytest.raises(Refused) as refused:
        account.part.enter(token(3, 10), again)
    assert [type(one) for one in again.effects] == [Record], "nothing was used, nothing is kept"
    (refusal,) = told(again.effects)
    assert refusal.fields == {"event": "0x8F51", "reason": str(refused.value)}
    assert account.notes == [0x810E, 0x8F51]


def test_a_token_in_credit_mode_is_a_setting() -> None:
    refusing = PrepaymentSettings(in_credit_mode=False)
    with pytest.raises(Refused) as refused:
        Account(refusing, prepaying=False).part.top_up(token(3, 10), ByHand(CivilTime(START)))
    assert refused.value.event == 0x8F64
    for settings, prepaying in ((refusing, True), (PrepaymentSettings(), False)):
        assert Account(settings, prepaying).part.top_up(token(3, 10), ByHand(CivilTime(START))) == 10_000


# ------------------------------------------------------------------------------------------------ use, emergency credit

# Balance and emergency credit, whether that is active, units used; balance and emergency credit after.
USED = [
    (100, 50, False, 30, 70, 50),
    (100, 50, False, 130, -30, 50),
    (100, 50, True, 100, 0, 50),
    (100, 50, True, 130, 0, 20),
    (100, 50, True, 150, 0, 0),
    (100, 50, True, 170, -20, 0),
    (-10, 50, True, 20, -10, 30),
    (-10, -5, True, 20, -30, -5),
    (0, 0, True, 1, -1, 0),
    (5, 5, True, 0, 5, 5),
]


@pytest.mark.parametrize(("balance", "emergency", "active", "amount", "left", "of_emergency"), USED)
def test_what_is_used_comes_from_the_balance_then_from_emergency_credit_then_from_the_balance(
    balance: int, emergency: int, active: bool, amount: int, left: int, of_emergency: int
) -> None:
    account = Account().put(balance=balance, emergency=emergency)
    account.part.emergency_active = active
    account.part.consume(amount)
    assert (account["balance"], account["emergency"]) == (left, of_emergency)


@pytest.mark.parametrize(("start", "used", "left"), [(-0x80000000, 5, -0x80000000), (0x7FFFFFFF, -5, 0x7FFFFFFF)])
def test_a_register_stays_at_its_end(start: int, used: int, left: int) -> None:
    account = Account().put(balance=start)
    account.part.consume(used)
    assert account["balance"] == left


def test_emergency_credit_is_taken_whole_and_once() -> None:
    account, hand = Account().put(limit=500, emergency=3), ByHand(CivilTime(START))
    account.part.invoke(hand)
    assert (account["emergency"], account.part.emergency_active, account.notes) == (500, True, [0x81AB])
    assert hand.effects == [Persist("prepayment", account.part.as_json())]
    account.put(emergency=200)
    account.part.invoke(hand)
    assert (account["emergency"], account.notes, len(hand.effects)) == (200, [0x81AB], 1)


def test_emergency_credit_in_credit_mode_is_a_setting() -> None:
    refusing = PrepaymentSettings(invoke_in_credit_mode=False)
    for settings, prepaying, taken in ((refusing, False, False), (refusing, True, True), (None, False, True)):
        account = Account(settings or PrepaymentSettings(), prepaying)
        if taken:
            account.part.invoke(ByHand(CivilTime(START)))
        else:
            with pytest.raises(AccessError) as refused:
                account.part.invoke(ByHand(CivilTime(START)))
            assert refused.value.code == ResultCode.OTHER_REASON
        assert account.part.emergency_active is taken


# ---------------------------------------------------------------------------------------------------------- time debts


def test_the_instalments_of_two_debts_are_counted_apart() -> None:
    account = Account().put(time1=10, time2=3).time_debt(0, 4, 100).time_debt(1, 3, 150)
    assert [account.part.next_collection] == [None]
    assert account.collect(0) == []
    assert account.part.next_collection == START + 100 * SECOND
    assert (account.collect(99), account["balance"]) == ([], 0)
    assert (account.collect(100), account["balance"], account["time1"], account["time2"]) == ([], -4, 6, 3)
    assert account.part.next_collection == START + 150 * SECOND
    assert (account.collect(150), account["balance"], account["time1"], account["time2"]) == ([0x81A8], -7, 6, 0)
    assert account.part.next_collection == START + 200 * SECOND
    # Two instalments at once, the last of which is what is left.
    assert (account.collect(300), account["balance"], account["time1"]) == ([0x81A7], -13, 0)
    assert [account.part.next_collection] == [None]
    assert account.part.as_json()["since"] == [0, 0]


@pytest.mark.parametrize("missing", ["mode", "rate", "period", "debt"])
def test_a_debt_that_is_not_collected_begins_anew(missing: str) -> None:
    """In prepayment mode alone, while something is owed and there is a rate and a period."""
    account = Account().put(time1=10).time_debt(0, 4, 100)
    account.collect(0)
    if missing == "mode":
        account.mode(False)
    elif missing == "debt":
        account.put(time1=0)
    else:
        account.time_debt(0, 0 if missing == "rate" else 4, 0 if missing == "period" else 100)
    assert account.collect(500) == []
    assert (account["balance"], account.part.next_collection) == (0, None)
    account.mode(True)
    account.put(time1=10).time_debt(0, 4, 100)
    account.collect(600)
    assert (account["balance"], account.part.next_collection) == (0, START + 700 * SECOND)


@pytest.mark.parametrize(
    ("charge", "scaler", "units"),
    [
        (7, -5, 7),  # hundred-thousandths of a pound are the units of the balance
        (7, -4, 70),
        (7, -3, 700),
        (79, -6, 7),
        (799, -7, 7),
        (9, -6, 0),
        (-7, -5, 0),  # no debt grows by being collected
    ],
)
def test_a_rate_has_its_own_scale(charge: int, scaler: int, units: int) -> None:
    account = Account().put(time1=100_000).time_debt(0, charge, 100, scaler)
    account.collect(0)
    account.collect(100)
    assert (account["balance"], account["time1"]) == (-units, 100_000 - units)


def test_the_last_unit_of_a_debt_is_collected() -> None:
    account = Account().put(time1=1).time_debt(0, 4, 100)
    account.collect(0)
    assert (account.collect(100), account["balance"], account["time1"]) == ([0x81A7], -1, 0)


def test_a_rate_without_a_charge_is_none() -> None:
    account = Account().put(time1=100).time_debt(0, 4, 100)
    scaling, commodity, _ = account.objects.value(*own.TIME_DEBTS[0], 5).value
    account.objects.put(*own.TIME_DEBTS[0], 5, axdr.structure(scaling, commodity, axdr.array()))
    assert account.collect(0) == []
    assert [account.part.next_collection] == [None]


# ---------------------------------------------------------------------------------------------------------- thresholds

LOW, OFFERED, OFF, GONE, SUSPENDED = 0x810D, 0x8119, 0x8F0F, 0x81AA, 0x8F83
SET = {"low": 50, "offered": 30, "disablement": 10, "limit": 500}


def test_each_threshold_is_told_once_below_it_and_again_after_it_was_left() -> None:
    account = Account().put(**SET)
    steps: list[tuple[int, Change]] = [
        (50, Change()),
        (49, Change([LOW])),
        (48, Change()),
        (30, Change()),
        (29, Change([OFFERED])),
        (10, Change()),
        (9, Change([OFF], disable=True)),
        (8, Change()),
        (10, Change(arm=True)),
        (50, Change()),
        (9, Change([LOW, OFFERED, OFF], disable=True)),
    ]
    for balance, change in steps:
        assert account.put(balance=balance).part.settle() == change, balance


def test_active_emergency_credit_counts_for_all_but_its_offer() -> None:
    account = Account().put(**SET, emergency=45, balance=5)
    account.part.emergency_active = True
    assert account.part.settle() == Change(), "50 are no less than 50; what is active is not offered"
    account.part.emergency_active = False
    assert account.part.settle() == Change([LOW, OFFERED, OFF], disable=True)
    account.part.emergency_active = True
    assert account.put(emergency=1).part.settle() == Change()  # 6 in all
    assert account.put(emergency=0, balance=10).part.settle() == Change([GONE], arm=True)
    assert account.put(emergency=-1).part.settle() == Change([OFF], disable=True)


def test_nothing_is_passed_in_credit_mode() -> None:
    account = Account().put(**SET, balance=-100)
    assert account.part.settle() == Change([LOW, OFFERED, OFF], disable=True)
    account.mode(False)
    assert account.part.settle() == Change(arm=True)
    assert account.part.as_json()["passed"] == []
    assert account.part.settle(disablement_allowed=False) == Change()


def test_while_disablement_is_forbidden_that_is_told_instead_and_it_follows_afterwards() -> None:
    account = Account().put(**SET, balance=9)
    assert account.part.settle(disablement_allowed=False) == Change([LOW, OFFERED, SUSPENDED])
    assert account.part.settle(disablement_allowed=False) == Change()
    assert account.part.settle() == Change([OFF], disable=True)
    assert account.part.settle(disablement_allowed=False) == Change(), "what is off already is not suspended"
    assert account.put(balance=10).part.settle(disablement_allowed=False) == Change(arm=True)
    assert account.put(balance=9).part.settle(disablement_allowed=False) == Change([SUSPENDED])


@pytest.mark.parametrize(("disables", "arms"), [(True, False), (False, True)])
def test_whether_the_supply_follows_is_a_setting(disables: bool, arms: bool) -> None:
    account = Account(PrepaymentSettings(disables_supply=disables, arms_supply=arms)).put(**SET, balance=9)
    assert account.part.settle() == Change([LOW, OFFERED, OFF], disable=disables)
    assert account.put(balance=100).part.settle() == Change(arm=arms)


def test_without_a_disablement_threshold_it_is_nought() -> None:
    account = Account()
    account.objects.put(*own.DISABLEMENT_THRESHOLD, 2, axdr.array())
    assert account.put(balance=0).part.settle() == Change()
    assert account.put(balance=-1).part.settle() == Change([LOW, OFFERED, OFF], disable=True)


# ---------------------------------------------------------------------------------------------------- over a power cut


def test_all_of_it_outlives_a_power_cut() -> None:
    account = Account().put(**SET, balance=9, time1=10).time_debt(0, 4, 100)
    account.part.tokens.remember(5 << 32)
    account.collect(0)
    account.part.settle()
    account.part.emergency_active = True
    kept = account.part.as_json()
    assert kept == {
        "counters": [5 << 32],
        "since": [START, 0],
        "passed": ["disablement", "emergency", "low"],
        "emergency": True,
    }
    assert account.part.persist() == [Persist("prepayment", kept)]
    again = Account()
    again.part.restore({"prepayment": kept})
    assert again.part.as_json() == kept
    fresh = Account()
    fresh.part.restore({})
    assert fresh.part.as_json() == {"counters": [], "since": [0, 0], "passed": [], "emergency": False}


@pytest.mark.parametrize(("mode", "good"), [(0, False), (1, True), (2, True), (3, False)])
def test_which_payment_modes_there_are(mode: int, good: bool) -> None:
    (setter,) = Account().part.setters().values()
    data: Data = axdr.structure(axdr.enum(mode), axdr.enum(1))
    if good:
        setter(data, None)  # type: ignore[arg-type]
        return
    with pytest.raises(AccessError) as refused:
        setter(data, None)  # type: ignore[arg-type]
    assert refused.value.code == ResultCode.OTHER_REASON
