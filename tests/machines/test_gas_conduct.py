"""What a gas meter and its proxy do themselves: credit, debts, thresholds, prices, sampling, logs, to the last unit."""

from __future__ import annotations

from typing import Any

import pytest

from devices.events.accounts import EmergencyCreditSelected, TopUpAccepted, TopUpRefused
from devices.events.supply import ValveChanged
from devices.machines.core import Persist, Record, Show
from devices.machines.parts.civil_clock import CivilTime, from_zcl
from devices.machines.parts.gas_conduct import GasConduct, GasSettings, Sampling
from devices.machines.parts.gbz_steps import Act, Status, ZclRefusal
from devices.machines.parts.tokens import TokenRefused, Tokens, TokenSettings
from devices.machines.parts.valve import Valve, ValveState
from devices.model import gas_records
from devices.model.alerts import Log
from devices.model.gsme_objects import gsme_clusters
from devices.model.zcl_objects import Entry
from devices.wire.zcl_fields import Command, Value
from tests.machines.gas_bench import KEYS, METER, SUPPLIER, cells
from tests.machines.test_gsme import token

NOW = CivilTime(from_zcl(500_000_000))
BALANCE, EMERGENCY, STATUS, ACCUMULATED = ((0x0705, one) for one in (1, 2, 3, 5))
MODE, LIMIT, LOW, CUT_OFF = ((0x0705, one) for one in (0, 0x10, 0x31, 0x40))
SELECTED, PREPAYMENT = 0x10, 0x02
LOW_CREDIT, BELOW_CUT_OFF, ARMED = 0x810D, 0x8F0F, 0x8F32


class Meter:
    """The conduct of a meter (or of one without valve and tokens), and the codes that it noted."""

    def __init__(self, *, proxy: bool = False, used: TokenSettings | None = None, **settings: Any) -> None:
        self.clusters = gsme_clusters()
        valve = None if proxy else Valve(self.clusters)
        tokens = None if proxy else Tokens(METER, KEYS, cells("GSME"), used)
        self.noted: list[int] = []
        self.conduct = GasConduct(self.clusters, valve, tokens, GasSettings(**settings), self.noted.append)

    def hold(self, **amounts: int) -> None:
        """Put amounts into the attributes by the names above."""
        for name, amount in amounts.items():
            self.clusters.set(globals()[name], amount)

    def amounts(self, *names: str) -> tuple[Value, ...]:
        return tuple(self.clusters.get(globals()[name]) for name in names)

    def call(self, name: str, act: Act | None = None, /, **fields: Value) -> Any:
        listed = tuple((field.replace("_", " "), value) for field, value in fields.items())
        return self.conduct.calls()[name](Command(0x0705, False, 0, name, listed), act or acting())


def acting(counter: int = 5 << 32, *, remote: bool = True) -> Act:
    return Act(0, NOW, SUPPLIER, counter, "test", remote=remote)


def test_settings_as_delivered() -> None:
    assert GasSettings() == GasSettings(
        share_whole=10_000,
        accepted=0,
        rejected=1,
        network_sample=2,
        invoke_in_credit_mode=True,
        disables_supply=True,
        tier=1,
        event_log=3,
        security_log=4,
    )


# -------------------------------------------------------------------------------------------------------------- credit


@pytest.mark.parametrize(
    ("status", "balance", "emergency", "price", "left"),
    [
        (0, 100, 50, 30, (70, 50)),
        (0, 100, 50, 130, (-30, 50)),
        (0, -30, -1, 10, (-40, -1)),
        (SELECTED, 100, 50, 99, (1, 50)),
        (SELECTED, 100, 50, 100, (0, 50)),
        (SELECTED, 100, 50, 101, (0, 49)),
        (SELECTED, 100, 50, 150, (0, 0)),
        (SELECTED, 100, 50, 151, (-1, 0)),
        (SELECTED, -10, 50, 20, (-10, 30)),
        (SELECTED, -10, -1, 20, (-30, -1)),
        (0xEF, 10, 50, 30, (-20, 50)),
        (0, -(1 << 31) + 3, 0, 3, (-(1 << 31), 0)),
        (0, -(1 << 31) + 3, 0, 4, (-(1 << 31), 0)),
    ],
)
def test_gas_is_paid_from_the_balance_then_from_selected_emergency_credit_then_on_debt(
    status: int, balance: int, emergency: int, price: int, left: tuple[int, int]
) -> None:
    meter = Meter()
    meter.hold(STATUS=status, BALANCE=balance, EMERGENCY=emergency)
    meter.conduct.spend(price)
    assert meter.amounts("BALANCE", "EMERGENCY") == left


@pytest.mark.parametrize(
    ("mode", "status", "balance", "noted", "passed"),
    [
        (2, 0, 300, [], set()),
        (2, 0, 200, [], set()),
        (2, 0, 199, [LOW_CREDIT], {"low"}),
        (2, 0, 100, [LOW_CREDIT], {"low"}),
        (2, 0, 99, [LOW_CREDIT, BELOW_CUT_OFF], {"low", "off"}),
        (2, SELECTED, 150, [], set()),
        (2, SELECTED, 149, [LOW_CREDIT], {"low"}),
        (2, SELECTED, 49, [LOW_CREDIT, BELOW_CUT_OFF], {"low", "off"}),
        (0xFFFD, 0, 0, [], set()),
    ],
)
def test_each_threshold_is_told_once_below_it_in_prepayment(
    mode: int, status: int, balance: int, noted: list[int], passed: set[str]
) -> None:
    meter = Meter()
    meter.hold(MODE=mode, STATUS=status, BALANCE=balance, EMERGENCY=50, LOW=200, CUT_OFF=100)
    first = meter.conduct.settle(0)
    assert (meter.noted, meter.conduct.passed) == (noted, passed)
    assert meter.conduct.settle(0) == []
    assert (meter.noted, meter.conduct.passed) == (noted, passed)
    off = "off" in passed
    assert meter.clusters.get((0x0702, 0x0014)) == (ValveState.OFF if off else ValveState.ON)
    assert (Persist("gas", meter.conduct.as_json()) in first) is off
    meter.hold(BALANCE=1000)
    again = meter.conduct.settle(0)
    assert (meter.noted, meter.conduct.passed) == ([*noted, ARMED] if off else noted, set())
    assert meter.clusters.get((0x0702, 0x0014)) == (ValveState.ARMED if off else ValveState.ON)
    assert (Persist("gas", meter.conduct.as_json()) in again) is off


@pytest.mark.parametrize("made", [Meter(proxy=True), Meter(disables_supply=False)], ids=["no valve", "set so"])
def test_credit_below_the_cut_off_value_is_told_where_it_closes_nothing(made: Meter) -> None:
    made.hold(MODE=PREPAYMENT, BALANCE=99, LOW=0, CUT_OFF=100)
    before = made.clusters.get((0x0702, 0x0014))
    assert made.conduct.settle(0) == []
    assert made.noted == [BELOW_CUT_OFF]
    made.hold(BALANCE=100)
    assert made.conduct.settle(0) == []
    assert (made.noted, made.clusters.get((0x0702, 0x0014))) == ([BELOW_CUT_OFF], before)


@pytest.mark.parametrize(
    ("mode", "anyway", "selected"), [(2, False, True), (0xFFFD, True, True), (0xFFFD, False, False)]
)
def test_emergency_credit_is_lent_once(mode: int, anyway: bool, selected: bool) -> None:
    meter, act = Meter(invoke_in_credit_mode=anyway), acting()
    meter.hold(MODE=mode, STATUS=0x03, EMERGENCY=7, LIMIT=900)
    if not selected:
        with pytest.raises(ZclRefusal) as refused:
            meter.call("select emergency credit", act)
        assert refused.value.status is Status.FAILURE
        assert (meter.amounts("STATUS", "EMERGENCY"), meter.noted, act.effects) == ((0x03, 7), [], [])
        return
    meter.call("select emergency credit", act)
    assert meter.amounts("STATUS", "EMERGENCY") == (0x13, 900)
    assert (meter.noted, act.effects) == ([0x81AB], [Record(EmergencyCreditSelected(selected=True, remaining=900))])
    meter.hold(EMERGENCY=100)
    meter.call("select emergency credit", act)
    assert (meter.amounts("STATUS", "EMERGENCY"), meter.noted, len(act.effects)) == ((0x13, 100), [0x81AB], 1)


def test_the_accumulated_debt_is_the_sum_of_all_three() -> None:
    meter = Meter()
    for attribute, amount in ((0x0211, 1), (0x0221, 20), (0x0231, 300)):
        meter.clusters.set((0x0705, attribute), amount)
    meter.call("total debt")
    assert meter.clusters.get(ACCUMULATED) == 321


# -------------------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("debt", "share", "balance", "collected", "noted"),
    [
        (0, 5_000, 100_000, None, [0x810E]),
        (900_000, 0, 100_000, None, [0x810E]),
        (900_000, 2_500, 75_000, (25_000, 875_000), [0x810E]),
        (900_000, 10_000, 0, (100_000, 800_000), [0x810E]),
        (25_001, 2_500, 75_000, (25_000, 1), [0x810E]),
        (25_000, 2_500, 75_000, (25_000, 0), [0x81A9, 0x810E]),
        (1, 2_500, 99_999, (1, 0), [0x81A9, 0x810E]),
    ],
)
def test_a_top_up_pays_its_share_of_the_debt(
    debt: int, share: int, balance: int, collected: tuple[int, int] | None, noted: list[int]
) -> None:
    meter, act = Meter(), acting()
    meter.clusters.set((0x0705, 0x0231), debt)
    meter.clusters.set((0x0705, 0x0239), share)
    assert meter.conduct.take_paid() is None
    answer = meter.call("top up", act, Originating_Device=2, TopUp_Code=token(5 << 32, 100).encode())
    assert answer == {
        "Result Type": 0,
        "Top Up Value": 100_000,
        "Source of Top up": 2,
        "Credit Remaining": balance,
    }
    assert (meter.amounts("BALANCE"), meter.noted) == ((balance,), noted)
    assert act.effects == [Persist("gas", meter.conduct.as_json()), Record(TopUpAccepted(amount=100_000))]
    paid = [] if collected is None else [gas_records.debt_payment(500_000_000, *collected)]
    assert [entry.command for entry in meter.clusters.entries("debt_payments")] == paid
    assert meter.conduct.take_paid() == paid
    assert meter.conduct.take_paid() is None
    assert meter.clusters.get((0x0705, 0x0231)) == (debt if collected is None else collected[1])


@pytest.mark.parametrize("is_used", [False, True])
def test_a_refused_token_is_told_and_kept_only_where_it_is_used_up(is_used: bool) -> None:
    meter, act = Meter(used=TokenSettings(refused_for_amount_is_used=is_used)), acting()
    meter.clusters.set((0x0705, 0x22), 99_999)
    with pytest.raises(TokenRefused) as refused:
        meter.conduct.enter(token(5 << 32, 100), act)
    told = Record(TopUpRefused(event=0x8F5B, reason=refused.value.reason))
    assert act.effects == ([Persist("gas", meter.conduct.as_json()), told] if is_used else [told])
    assert (meter.noted, meter.conduct.take_paid(), meter.clusters.entries("top_ups")) == ([0x8F5B], None, ())


def test_the_counter_of_a_command_counts_and_that_of_another_way_does_not() -> None:
    meter = Meter()
    with pytest.raises(TokenRefused):
        meter.conduct.enter(token(5 << 32, 100), acting(6 << 32))
    assert meter.conduct.enter(token(5 << 32, 100), acting(6 << 32, remote=False)) == 100_000


def test_a_command_whose_token_is_bad_is_told_so_in_its_answer() -> None:
    answer = Meter().call("top up", Originating_Device=2, TopUp_Code=b"1")
    assert answer == {"Result Type": 1, "Top Up Value": -1, "Source of Top up": 2, "Credit Remaining": -1}


@pytest.mark.parametrize(
    ("proposed", "state", "noted"),
    [(0, ValveState.OFF, []), (1, ValveState.ARMED, [ARMED]), (2, None, []), (3, None, [])],
)
def test_no_command_opens_the_valve(proposed: int, state: ValveState | None, noted: list[int]) -> None:
    meter, act = Meter(), acting()
    if state is None:
        with pytest.raises(ZclRefusal) as refused:
            meter.call("change supply", act, Proposed_Supply_Status=proposed)
        assert (refused.value.status, act.effects) == (Status.INVALID_VALUE, [])
    else:
        meter.call("change supply", act, Proposed_Supply_Status=proposed)
        (changed,) = [
            one.event for one in act.effects if isinstance(one, Record) and isinstance(one.event, ValveChanged)
        ]
        assert changed == ValveChanged(old="on", new=state.name.lower(), cause="test")
    assert meter.clusters.get((0x0702, 0x0014)) == (ValveState.ON if state is None else state)
    assert meter.noted == noted


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("change supply", {"Proposed_Supply_Status": 0}),
        ("top up", {"Originating_Device": 2, "TopUp_Code": token(5 << 32, 100).encode()}),
    ],
)
def test_a_device_without_valve_and_tokens_says_so(name: str, fields: dict[str, Value]) -> None:
    proxy, act = Meter(proxy=True), acting()
    with pytest.raises(ZclRefusal) as refused:
        proxy.call(name, act, **fields)
    assert refused.value.status is Status.UNSUPPORTED_COMMAND
    assert (proxy.noted, act.effects, proxy.conduct.as_json()["tokens"]) == ([], [], [])


# -------------------------------------------------------------------------------------------------------------- prices


@pytest.mark.parametrize(
    ("scheme", "tier", "digit", "price"),
    [(None, 1, 0xA0, 11), (0x00, 1, 0xA1, 21), (0x0F, 3, 0xA3, 23), (0x10, 3, 0xA0, 11), (0x20, 3, 0xA0, 11)],
    ids=["no tariff", "time of use", "time of use, third tier", "block", "both"],
)
def test_the_price_in_use(scheme: int | None, tier: int, digit: int, price: int) -> None:
    """The tiers of a time-of-use tariff have prices of their own; a block tariff has the first block's."""
    meter = Meter(tier=tier)
    for attribute, value in ((0x0617, 0xA5), (0x0400, 11), (0x0410, 21), (0x0420, 22), (0x0430, 23)):
        meter.clusters.set((0x0700, attribute), value)
    for one in () if scheme is None else (0x30 if scheme < 0x10 else 0, scheme):  # the newest tariff counts
        fields = (("Tariff Type / Charging Scheme", one), ("Issuer Tariff ID", one))
        meter.clusters.keep("tariffs", Entry(Command(0x0700, True, 1, "Publish Tariff Information", fields)))
    assert meter.call("price tier") == {"price tier": digit}
    assert meter.call("price") == {"price": price}


# -------------------------------------------------------------------------------------- sampling, display, PIN, events


@pytest.mark.parametrize(("most", "sampling"), [(0, None), (3, Sampling(500_000_060, 60, 3))])
def test_sampling_begins_with_a_log_without_samples(most: int, sampling: Sampling | None) -> None:
    meter, act = Meter(), acting()
    fields: dict[str, Value] = {"SampleRequest_Interval": 60, "MaxNumberof_Samples": most}
    assert meter.call("start sampling", act, **fields) == {"Sample ID": 2}
    assert meter.conduct.sampling == sampling
    assert meter.clusters.entries("samples")[-1].command == gas_records.samples(2, 500_000_000, 60)
    assert act.effects == [Persist("gas", meter.conduct.as_json())]
    with pytest.raises(ZclRefusal) as refused:
        meter.call("start sampling", **{**fields, "SampleRequest_Interval": 0})
    assert refused.value.status is Status.INVALID_VALUE
    assert meter.conduct.sampling == sampling


def test_what_follows_a_sample() -> None:
    assert Sampling(100, 60, 2).following == Sampling(160, 60, 1)
    assert Sampling(160, 60, 1).following is None


def test_the_display_and_the_privacy_pin() -> None:
    meter, act = Meter(), acting()
    meter.call("show CIN", act, CustomerID_Number=b"12\xff")
    meter.call("show message", act, Message="HELLO")
    assert act.effects == [Show("CIN 12\N{REPLACEMENT CHARACTER}"), Show("HELLO")]
    meter.conduct.private_pin = True
    for other in (1, 3):
        with pytest.raises(ZclRefusal) as refused:
            meter.call("disable privacy PIN", act, Password_Type=other)
        assert (refused.value.status, meter.conduct.private_pin) == (Status.INVALID_VALUE, True)
    meter.call("disable privacy PIN", act, Password_Type=2)
    assert meter.conduct.private_pin is False
    assert act.effects[2:] == [Persist("gas", meter.conduct.as_json())]


def _configure(meter: Meter, *codes: int, mask: int = 0x5A) -> None:
    listed = tuple((("Event ID", code),) for code in codes)
    payload: Value = ((("Event IDs", listed),),)
    meter.call("configure events", Event_Configuration=mask, Event_Configuration_Payload=payload)


def _masks(meter: Meter) -> dict[Any, Any]:
    (held,) = meter.clusters.entries("event_configurations")
    rows: Any = held.fields["Event Configuration Payload"]
    return {dict(row)["Event ID"]: dict(row)["Event Configuration"] for row in rows}


def test_the_masks_of_the_listed_events_are_written_or_none() -> None:
    meter = Meter()
    rows = [{"Event ID": code, "Event Configuration": 1} for code in (0x8001, 0x8002, 0x8003)]
    meter.clusters.stores["event_configurations"] = [Entry(gas_records.event_configuration(rows))]
    _configure(meter, 0x8001, 0x8003)
    masks = {0x8001: 0x5A, 0x8002: 1, 0x8003: 0x5A}
    assert _masks(meter) == masks
    with pytest.raises(ZclRefusal) as refused:
        _configure(meter, 0x8002, 0x8004, mask=9)
    assert (refused.value.status, _masks(meter)) == (Status.NOT_FOUND, masks)
    groups: Value = ((("Event Group ID", 1),),)
    with pytest.raises(ZclRefusal) as refused:
        meter.call("configure events", Event_Configuration=9, Event_Configuration_Payload=groups)
    assert (refused.value.status, _masks(meter)) == (Status.INVALID_VALUE, masks)


def test_the_logs_of_a_device_and_the_one_that_can_be_cleared() -> None:
    meter = Meter(event_log=6, security_log=7)
    for log in Log:
        assert meter.conduct.log(log, NOW, 0x8F32, b"\x01") == [Persist("clusters", meter.clusters.as_json())]
    of = {log: 7 if log is Log.SECURITY else 6 for log in Log}
    lines = [gas_records.event(of[log], 0x8F32, 500_000_000, b"\x01") for log in Log]
    assert [entry.command for entry in meter.clusters.entries("events")] == lines
    for other in (2, 4):
        assert meter.call("clear log", Log_ID=other) == {"ClearedEventsLogs": 0}
    assert (len(meter.clusters.entries("events")), meter.noted) == (len(lines), [])
    assert meter.call("clear log", Log_ID=3) == {"ClearedEventsLogs": 0x08}
    kept = [gas_records.event(7, 0x8F32, 500_000_000, b"\x01")]
    assert [entry.command for entry in meter.clusters.entries("events")] == kept
    assert meter.noted == [0x8F52]


def test_what_outlives_a_power_cut() -> None:
    meter, again = Meter(), Meter()
    meter.conduct.enter(token(5 << 32, 100), acting())
    meter.conduct.private_pin, meter.conduct.sampling, meter.conduct.passed = True, Sampling(9, 8, 7), {"off", "low"}
    saved = meter.conduct.as_json()
    assert saved == {"tokens": [5 << 32], "pin": True, "sampling": [9, 8, 7], "passed": ["low", "off"]}
    again.conduct.restore({"gas": saved})
    assert again.conduct.as_json() == saved
    assert (again.conduct.sampling, again.conduct.passed) == (Sampling(9, 8, 7), {"off", "low"})
    again.conduct.restore({})
    assert again.conduct.as_json() == {"tokens": [], "pin": False, "sampling": None, "passed": []}
