"""What ZCL requests are answered with out of what a device has stored: each condition at its limit and beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from devices.machines.parts.civil_clock import CivilTime, from_zcl
from devices.machines.parts.gbz_answers import answers
from devices.machines.parts.gbz_steps import Act, Status, ZclRefusal
from devices.model import gas_records
from devices.model.gsme_objects import gsme_clusters
from devices.model.zcl_objects import ClusterModel, Entry, conduct_rows
from devices.wire.zcl_fields import Command, Value
from tests.machines.gas_bench import SUPPLIER


def acting() -> Act:
    return Act(0, CivilTime(from_zcl(77)), SUPPLIER, 1, "test")


def asked(
    clusters: ClusterModel,
    cluster: int,
    number: int,
    fields: Mapping[str, Value],
    from_time: int | None = None,
    **calls: Any,
) -> list[Command]:
    """The answers to one request, by the words of its own row."""
    row = conduct_rows()[cluster, False, number]
    assert row.answer is not None
    request = Command(cluster, False, number, row.name, tuple(fields.items()))
    return answers(row.answer, request, acting(), clusters, calls, from_time)


def nothing_in(clusters: ClusterModel, cluster: int, number: int, fields: Mapping[str, Value]) -> None:
    with pytest.raises(ZclRefusal) as refused:
        asked(clusters, cluster, number, fields)
    assert refused.value.status is Status.NOT_FOUND


# ----------------------------------------------------------------------------------------------------------------- logs


def log() -> ClusterModel:
    """A meter whose log 3 has four events and log 4 two."""
    clusters = gsme_clusters()
    for which, code, at in ((3, 0x8101, 10), (4, 0x8F01, 15), (3, 0x8102, 20), (3, 0x8F01, 30), (4, 0x8102, 35)):
        clusters.keep("events", Entry(gas_records.event(which, code, at)))
    clusters.keep("events", Entry(gas_records.event(3, 0x8101, 40)))
    return clusters


@pytest.mark.parametrize(
    ("fields", "times", "total"),
    [
        ({}, [10, 20, 30, 40], 4),
        ({"Event Control / Log ID": 0x14}, [15, 35], 2),
        ({"Event Control / Log ID": 0xF3}, [10, 20, 30, 40], 4),
        ({"Event ID": 0x8101}, [10, 40], 2),
        ({"Event ID": 0x81FF}, [10, 20, 40], 3),
        ({"Event ID": 0x8FFF}, [30], 1),
        ({"Event ID": 0x8102, "Start Time": 20}, [20], 1),
        ({"Start Time": 20}, [20, 30, 40], 3),
        ({"Start Time": 21}, [30, 40], 2),
        ({"End Time": 30}, [10, 20, 30], 3),
        ({"End Time": 29}, [10, 20], 2),
        ({"End Time": 0}, [10, 20, 30, 40], 4),
        ({"Start Time": 20, "End Time": 20}, [20], 1),
        ({"Number of Events": 1}, [40], 4),
        ({"Number of Events": 3}, [20, 30, 40], 4),
        ({"Number of Events": 9}, [10, 20, 30, 40], 4),
        ({"Event Offset": 1}, [20, 30, 40], 4),
        ({"Event Offset": 3}, [40], 4),
        ({"Event Offset": 1, "Number of Events": 2}, [30, 40], 4),
    ],
    ids=str,
)
def test_the_events_of_a_log_that_fit(fields: dict[str, Value], times: list[int], total: int) -> None:
    every: dict[str, Value] = {
        "Event Control / Log ID": 0x13,
        "Event ID": 0,
        "Start Time": 0,
        "End Time": 0xFFFFFFFF,
        "Number of Events": 0,
        "Event Offset": 0,
    }
    (answer,) = asked(log(), 0x0709, 0x00, every | fields)
    listed: Any = answer.get("Log Payload")
    assert [dict(record)["Event Time"] for record in listed] == times
    assert answer.get("Total Number of Events") == total


@pytest.mark.parametrize(
    "fields",
    [{"Event ID": 0x8103}, {"Event ID": 0x82FF}, {"Event ID": 0x8104}, {"Start Time": 41}, {"Event Offset": 4}],
)
def test_a_log_without_such_events_is_not_found(fields: dict[str, Value]) -> None:
    every: dict[str, Value] = {"Event Control / Log ID": 3, "Event ID": 0, "Start Time": 0, "End Time": 0}
    nothing_in(log(), 0x0709, 0x00, {**every, "Number of Events": 0, "Event Offset": 0} | fields)


def test_top_ups_from_the_time_in_the_header_on() -> None:
    clusters = gsme_clusters()
    for at in (10, 20, 30):
        clusters.keep("top_ups", Entry(gas_records.top_up(b"1", at * 100, at)))

    def times(from_time: int | None, **fields: int) -> list[int]:
        named: dict[str, Value] = {"Latest End Time": 0, "Number of Records": 0}
        named |= {name.replace("_", " "): value for name, value in fields.items()}
        (answer,) = asked(clusters, 0x0705, 0x08, named, from_time)
        listed: Any = answer.get("Top Up Payload")
        return [dict(record)["TopUp Time"] for record in listed]

    assert times(None) == times(0) == times(10) == [10, 20, 30]
    assert times(11) == [20, 30]
    assert times(10, Latest_End_Time=20) == [10, 20]
    assert times(10, Number_of_Records=1) == [30]


def test_debt_payments_of_the_type_that_is_asked_for() -> None:
    clusters = gsme_clusters()
    clusters.keep("debt_payments", Entry(gas_records.debt_payment(10, 5, 6)))
    fields: dict[str, Value] = {"Latest End Time": 0, "Number of Debts": 0, "Debt Type": 2}
    assert asked(clusters, 0x0705, 0x0A, fields) == [gas_records.debt_payment(10, 5, 6)]
    nothing_in(clusters, 0x0705, 0x0A, {**fields, "Debt Type": 1})


# ------------------------------------------------------------------------------------------------ snapshots and samples


def test_the_nth_snapshot_of_those_that_fit() -> None:
    clusters = gsme_clusters()
    taken = [gas_records.snapshot(clusters, n, at, cause) for n, at, cause in ((1, 10, 1), (2, 20, 2), (3, 30, 6))]
    for one in taken:
        clusters.keep("snapshots", Entry(one))

    def given(offset: int, cause: int = 0xFF, start: int = 0, end: int = 0) -> tuple[Any, Any]:
        fields = {"Earliest Start Time": start, "Latest End Time": end, "Snapshot Offset": offset}
        (answer,) = asked(clusters, 0x0702, 0x06, {**fields, "Snapshot Cause": cause})
        return answer.get("Snapshot ID"), answer.get("Total Snapshots Found")

    assert [given(offset) for offset in range(3)] == [(1, 3), (2, 3), (3, 3)]
    assert [given(offset, cause=2) for offset in range(2)] == [(2, 2), (3, 2)]
    assert (given(0, cause=4), given(0, start=20), given(0, end=10)) == ((3, 1), (2, 2), (1, 1))
    beyond: dict[str, Value] = {"Earliest Start Time": 0, "Latest End Time": 0, "Snapshot Cause": 4}
    nothing_in(clusters, 0x0702, 0x06, {**beyond, "Snapshot Offset": 1})


@pytest.mark.parametrize(
    ("interval", "since", "count", "start", "samples"),
    [
        (60, 0, 0, 1000, [1, 2, 3, 4]),
        (60, 1000, 0, 1000, [1, 2, 3, 4]),
        (60, 1001, 0, 1060, [2, 3, 4]),
        (60, 1060, 0, 1060, [2, 3, 4]),
        (60, 1061, 2, 1120, [3, 4]),
        (60, 1000, 1, 1000, [1]),
        (60, 1180, 9, 1180, [4]),
        (0xFFFF, 1001, 0, 87_400, [2, 3, 4]),
        (0xFFFE, 1001, 0, 66_534, [2, 3, 4]),
        (0, 1002, 0, 1002, [3, 4]),
    ],
)
def test_samples_from_a_moment_on(interval: int, since: int, count: int, start: int, samples: list[int]) -> None:
    clusters = gsme_clusters()
    clusters.keep("samples", Entry(gas_records.samples(1, 1000, interval, [9, 9])))
    clusters.keep("samples", Entry(gas_records.samples(2, 1000, interval, [1, 2, 3, 4])))
    fields: dict[str, Value] = {"SampleID": 2, "EarliestSampleTime": since, "SampleType": 0, "NumberOfSamples": count}
    assert asked(clusters, 0x0702, 0x08, fields) == [gas_records.samples(2, start, interval, samples)]
    nothing_in(clusters, 0x0702, 0x08, {**fields, "EarliestSampleTime": 1000 + 4 * 86_400})
    nothing_in(clusters, 0x0702, 0x08, {**fields, "SampleID": 3})


# ------------------------------------------------------------------------------------------------------------ calendars


def part(calendar: int, event: int, identifier: int) -> Command:
    fields = (("Issuer Event ID", event), ("Issuer Calendar ID", calendar), ("Week ID", identifier))
    return Command(0x0707, True, 2, "PublishWeekProfile", fields)


def test_the_weeks_of_a_calendar_by_its_identifier_or_of_the_one_in_use() -> None:
    """FFFFFFFF is the tariff's calendar in use, FFFFFFFE that of non-disablement (types 0 and 3)."""
    clusters = gsme_clusters()
    for kind, calendar in ((0, 5), (3, 6)):
        fields = (("Issuer Event ID", 1), ("Issuer Calendar ID", calendar), ("Calendar Type", kind))
        clusters.keep("calendars", Entry(Command(0x0707, True, 0, "PublishCalendar", fields), kind))
        for week in (1, 2, 3):
            clusters.keep("week_profiles", Entry(part(calendar, 1, week), kind))
    clusters.keep("week_profiles", Entry(part(5, 2, 9), 0))  # of an earlier issue of the calendar
    clusters.keep("week_profiles", Entry(part(5, 1, 8), 3))  # of another type under the same identifiers

    def weeks(identifier: int, first: int = 0, count: int = 0) -> list[tuple[Any, Any]]:
        fields = {"Issuer Calendar ID": identifier, "Start Week Id": first, "Number of Weeks": count}
        return [(one.get("Issuer Calendar ID"), one.get("Week ID")) for one in asked(clusters, 0x0707, 0x02, fields)]

    assert weeks(0xFFFFFFFF) == [(5, 1), (5, 2), (5, 3)]
    assert weeks(0xFFFFFFFE) == [(6, 1), (6, 2), (6, 3)]
    assert weeks(5) == [(5, 1), (5, 2), (5, 3), (5, 9), (5, 8)]
    assert (weeks(6, first=2), weeks(6, count=2), weeks(6, first=3, count=1)) == (
        [(6, 2), (6, 3)],
        [(6, 1), (6, 2)],
        [(6, 3)],
    )
    seasons = [part(5, 1, index)._replace(command=3, name="PublishSeasons") for index in (0, 1)]
    for index, season in enumerate(seasons):
        clusters.keep("seasons", Entry(season._replace(fields=(*season.fields, ("Command Index", index)))))
    assert len(asked(clusters, 0x0707, 0x03, {"Issuer Calendar ID": 5})) == 2, "where no number is asked for, all"
    nothing_in(clusters, 0x0707, 0x02, {"Issuer Calendar ID": 7, "Start Week Id": 0, "Number of Weeks": 0})
    nothing_in(clusters, 0x0707, 0x02, {"Issuer Calendar ID": 6, "Start Week Id": 4, "Number of Weeks": 0})


# -------------------------------------------------------------------------------------------------------------- values


def test_where_the_fields_of_an_answer_come_from() -> None:
    clusters = gsme_clusters()
    nothing_in(clusters, 0x0700, 0x00, {"Command Options": 0})
    for label in (b"old", b"new"):
        fields = (("Issuer Event ID", 9), ("Start Time", 50), ("Tariff Label", label))
        clusters.keep("tariffs", Entry(Command(0x0700, True, 4, "PublishTariffInformation", fields)))
    clusters.set((0x0700, 0x0615), 1)
    calls: dict[str, Any] = {"price tier": lambda _, __: {"price tier": 0x21}, "price": lambda _, __: {"price": 1234}}
    (answer,) = asked(clusters, 0x0700, 0x00, {"Command Options": 0}, **calls)
    found = dict(answer.fields)
    assert (answer.cluster, answer.to_client, answer.command, answer.name) == (0x0700, True, 0, "Publish Price")
    told = ("Provider ID", "Rate Label", "Issuer Event ID", "Start Time", "Current Time", "Unit of Measure")
    assert [found[name] for name in told] == [0, b"new", 9, 50, 77, 1]
    assert {0x21, 1234} <= set(found.values())
    request = Command(0x0709, False, 0x01, "Clear Event Log Request", (("Log ID", 3),))
    act = acting()
    act.results["ClearedEventsLogs"] = 8
    row = conduct_rows()[0x0709, False, 0x01]
    assert row.answer is not None
    (cleared,) = answers(row.answer, request, act, clusters, {}, None)
    assert (cleared.command, cleared.fields) == (0x02, (("ClearedEventsLogs", 8),))
