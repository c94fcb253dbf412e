"""The past that a gas meter is given: entries inside the window that a command asks for, whole calendars, no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from devices.machines.parts.gas_history import counted_stores, give_past
from devices.model import gas_records, use_cases
from devices.model.gsme_objects import gsme_clusters
from devices.model.zcl_objects import ClusterModel, Entry
from devices.wire import gbz
from tests.machines.gas_bench import component, read

DAY, NOW = 86_400, 500_000_000


def given(
    asked: gbz.Component, clusters: ClusterModel | None = None, counts: Mapping[str, int] | None = None
) -> ClusterModel:
    made = clusters or gsme_clusters()
    give_past(made, gbz.Payload((asked,)), NOW, counts)
    return made


def log(since: int, until: int, which: int = 0x13) -> gbz.Component:
    limits = {"Event_Control_/_Log_ID": which, "Event_ID": 0, "Start_Time": since, "End_Time": until}
    return component(0x0709, False, 0x00, **limits, Number_of_Events=0, Event_Offset=0)


@pytest.mark.parametrize(
    ("since", "until", "times"),
    [
        (0, 0, [NOW - 2 * DAY, NOW - DAY]),
        (0, 0xFFFFFFFF, [NOW - 2 * DAY, NOW - DAY]),
        (0, 0xFFFFFFFE, [NOW - 2 * DAY, NOW - DAY]),
        (0, 0xFFFFFFFD, [NOW - 2 * DAY, NOW - DAY]),
        (NOW - 300, NOW, [NOW - 200, NOW - 100]),
        (1000, 1300, [1100, 1200]),
        (1000, 1000, [1000, 1000]),
        (1000, 1002, [1002, 1002]),
        (NOW + 900, NOW + 1200, [NOW + 900, NOW + 900]),
        (NOW - 3 * DAY, NOW, [NOW - 2 * DAY, NOW - DAY]),
    ],
)
def test_entries_lie_in_the_window_and_not_after_now(since: int, until: int, times: list[int]) -> None:
    made = given(log(since, until))
    written = [entry.command for entry in made.entries("events")]
    assert written == [gas_records.event(3, 0x8F32, at) for at in times]


@pytest.mark.parametrize(
    ("identifier", "since", "interval", "start"),
    [
        (0, 0, 1800, NOW - 3600),
        (0, DAY, 1800, NOW - 3600),
        (0, DAY + 1, 1800, DAY + 1),
        (1, 0, 0xFFFF, NOW - 2 * DAY),
        (2, 0, 360, NOW - 720),
        (9, 0, 1800, NOW - 3600),
    ],
)
def test_samples_from_the_moment_that_is_asked_for(identifier: int, since: int, interval: int, start: int) -> None:
    made = given(
        component(0x0702, False, 0x08, SampleID=identifier, EarliestSampleTime=since, SampleType=0, NumberOfSamples=0)
    )
    assert [one.command for one in made.entries("samples")] == [
        gas_records.samples(identifier, start, interval, [1, 2])
    ]


@pytest.mark.parametrize(("mask", "cause"), [(1, 1), (6, 2), (0x0C, 4), (0xFFFFFFFF, 1)])
def test_snapshots_of_the_lowest_cause_once(mask: int, cause: int) -> None:
    limits = {"Earliest_Start_Time": 0, "Latest_End_Time": 0, "Snapshot_Offset": 0, "Snapshot_Cause": mask}
    for cluster, number, store in ((0x0702, 0x06, "snapshots"), (0x0705, 0x07, "prepayment_snapshots")):
        made = given(component(cluster, False, number, **limits), counts={store: 3})
        entries = [entry.fields for entry in made.entries(store)]
        assert [(one["Snapshot ID"], one["Snapshot Time"], one["Snapshot Cause"]) for one in entries] == [
            (place, NOW - (3 - place) * DAY, cause) for place in range(3)
        ]
        again = given(component(cluster, False, number, **limits), made)
        assert len(again.entries(store)) == 3


def test_top_ups_and_debt_payments() -> None:
    made = gsme_clusters()
    top_ups = component(0x0705, False, 0x08, Latest_End_Time=0, Number_of_Records=0)
    debts = component(0x0705, False, 0x0A, Latest_End_Time=0, Number_of_Debts=0, Debt_Type=2)
    for one in (top_ups, debts):
        given(gbz.Component(one.cluster, one.frame, NOW - 300), made)
    tokens = [f"7394{place:016}".encode() for place in (0, 1)]
    assert [one.command for one in made.entries("top_ups")] == [
        gas_records.top_up(token, amount, at)
        for token, amount, at in zip(tokens, (1_000_000, 2_000_000), (NOW - 200, NOW - 100), strict=True)
    ]
    assert [one.command for one in made.entries("debt_payments")] == [
        gas_records.debt_payment(NOW - 200, 50_000, 500_000),
        gas_records.debt_payment(NOW - 100, 50_000, 450_000),
    ]


def days(calendar: int) -> gbz.Component:
    return component(0x0707, False, 0x01, Provider_ID=0, Issuer_Calendar_ID=calendar, Start_Day_ID=1, Number_of_Days=0)


@pytest.mark.parametrize(
    ("asked", "kind", "identifier", "switch"),
    [
        (0xFFFFFFFF, 0, NOW - DAY, "Price Tier"),
        (0xFFFFFFFE, 3, NOW - DAY, "Friendly Credit Enable"),
        (77, 0, 77, "Price Tier"),
    ],
)
def test_a_calendar_is_given_whole_and_once(asked: int, kind: int, identifier: int, switch: str) -> None:
    made = given(days(asked))
    given(days(asked), made)
    head = {"Provider ID": 0, "Issuer Event ID": NOW - DAY, "Issuer Calendar ID": identifier}
    one = {"Command Index": 0, "Total Number of Commands": 1}
    parts: dict[str, list[Any]] = {
        store: [entry.fields for entry in made.entries(store)]
        for store in ("calendars", "day_profiles", "week_profiles", "seasons", "special_days")
    }
    tags = {entry.tag for store in parts for entry in made.entries(store)}
    assert tags == {kind}
    assert parts["calendars"] == [
        {
            **head,
            "Start Time": NOW - DAY,
            "Calendar Type": kind,
            "Calendar Time Reference": 0,
            "Calendar Name": b"",
            "Number of Seasons": 1,
            "Number of Week Profiles": 2,
            "Number of Day Profiles": 4,
        }
    ]
    entries = ((("Start Time", 0), (switch, 1)),)
    counted = {"Total Number of Schedule Entries": 1, **one, "Calendar Type": kind, "Day Schedule Entries": entries}
    assert parts["day_profiles"] == [{**head, "Day ID": day, **counted} for day in (1, 2, 3, 4)]
    weekdays, weekend = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"), ("Saturday", "Sunday")
    assert parts["week_profiles"] == [
        {
            **head,
            "Week ID": week,
            **{f"Day ID Ref {name}": 2 * week - 1 for name in weekdays},
            **{f"Day ID Ref {name}": 2 * week for name in weekend},
        }
        for week in (1, 2)
    ]
    season = ((("Season Start Date", bytes.fromhex("ff0101ff")), ("Week ID Ref", 1)),)
    special = ((("Special Day Date", bytes.fromhex("ff0c19ff")), ("Day ID Ref", 2)),)
    assert parts["seasons"] == [{**head, **one, "Season Entry": season}]
    special_days = {"Start Time": NOW - DAY, "Calendar Type": kind, "Total Number of SpecialDays": 1, **one}
    assert parts["special_days"] == [{**head, **special_days, "Special Day Entry": special}]


def test_as_many_days_and_weeks_as_wanted() -> None:
    made = given(days(0xFFFFFFFF), counts={"day_profiles": 6, "week_profiles": 3})
    assert (len(made.entries("day_profiles")), len(made.entries("week_profiles"))) == (6, 3)


def test_tariff_and_billing_period() -> None:
    made = given(component(0x0700, False, 0x00, Command_Options=0))
    (tariff,) = [entry.fields for entry in made.entries("tariffs")]
    assert tariff == {
        "Provider ID": 0,
        "Issuer Event ID": NOW - DAY,
        "Issuer Tariff ID": 1,
        "Start Time": NOW - DAY,
        "Tariff Type / Charging Scheme": 0,
        "Tariff Label": b"",
        "Number of Price Tiers in Use": 4,
        "Number of Block Thresholds in Use": 0,
        "Unit of Measure": 1,
        "Currency": 826,
        "Price Trailing Digit": 0x50,
        "Standing Charge": 25_000,
        "TierBlockMode": 0,
        "Block Threshold Multiplier": 1,
        "Block Threshold Divisor": 1000,
    }
    limits = {"Earliest_Start_Time": 0, "Min._Issuer_Event_ID": 0, "Number_of_Commands": 1, "Tariff_Type": 0}
    given(component(0x0700, False, 0x0B, **limits), made)
    (period,) = [entry.fields for entry in made.entries("billing_periods")]
    assert period == {
        "Provider ID": 0,
        "Issuer Event ID": NOW,
        "Billing Period Start Time": NOW - DAY,
        "Billing Period Duration": 1,
        "Billing Period Duration Type": 0,
        "Tariff Type": 0,
    }


def test_a_command_that_asks_for_nothing_kept_is_given_nothing() -> None:
    made = gsme_clusters()
    before = made.as_json()
    given(read(0x0702, 0x0000), made)
    limits = {"Provider_ID": 0, "Issuer_Event_ID": 1, "Implementation_Date/Time": 0, "Overall_Debt_Cap": 1}
    given(component(0x0705, False, 0x0C, **limits), made)
    assert made.as_json() == before
    made.keep("snapshots", Entry(gas_records.snapshot(made, 9, 9, 1)))
    assert counted_stores(use_cases.by_name("GCS33")) == {}
    assert counted_stores(use_cases.by_name("GCS16a")) == {"snapshots": 31}
