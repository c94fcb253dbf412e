"""A past for a gas meter: what its stores must hold before a command that asks for it can be answered.

The rules read the conduct table: a command whose answer is found in a store is asked for entries that lie in its
window, carry its cause or type and belong to its calendar; so such entries are written.

Must not live here: what is answered (``gbz_answers``), how entries look (``model.gas_records``).

How many entries a store holds is nobody's to say: two, unless the caller wants another number.

Source: facts/use-cases.md; the numbers and the values are [our choice].
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from devices.machines.parts.gbz_answers import DAILY, DAY, FROM_TIME
from devices.machines.parts.gbz_steps import number
from devices.model import gas_records
from devices.model.use_cases import UseCase
from devices.model.zcl_objects import ClusterModel, Entry, calendar_types, conduct_rows, store_rows
from devices.wire import gbz, gbz_typed, zcl_fields
from devices.wire.zcl_fields import Command, Value

__all__ = ["counted_stores", "give_past"]

_USUAL = 2
_COUNTS = {"day_profiles": 4, "week_profiles": 2}  # weekdays and weekends of two kinds of week
_NO_LIMIT = 0xFFFFFFFE  # from here on an end means none
_INTERVALS = {0: 1800, 1: DAILY, 2: 360}  # seconds between samples, by Sample ID: half hours, days, network data
_TARIFF_SCHEME = 0x00  # time of use
_NON_DISABLEMENT = 3  # type of calendar

Asked = Mapping[str, Value]
Counts = Mapping[str, int]
"""Store to the number of entries that it is to hold."""


def counted_stores(use_case: UseCase) -> dict[str, int]:
    """The stores of which a command of this use case gets every entry, and how many of them a response has room for."""
    room: dict[str, int] = {}
    for store, row in store_rows().items():
        for component in use_case.gbz:
            answers = component.message == "response" and component.most is not None and component.most > 1
            if answers and (component.cluster, component.command) == (row.cluster, row.command):
                room[store] = component.most or 0
    return room


def give_past(clusters: ClusterModel, payload: gbz.Payload, now: int, counts: Counts | None = None) -> None:
    """Fill the stores with what the commands in ``payload`` ask for, where there is nothing yet.

    ``now`` is the device's time, seconds since 2000; ``counts`` says how many entries where they are not as usual.
    Raises ``WireError`` for a payload that can't be read.
    """
    wanted = defaultdict(lambda: _USUAL, {**_COUNTS, **(counts or {})})
    for component in payload.components:
        body = gbz_typed.read(component)
        if not isinstance(body, Command):
            continue
        row = conduct_rows().get((body.cluster, body.to_client, body.command))
        if row is None or row.answer is None:
            continue
        asked: dict[str, Value] = dict(body.fields)
        if component.from_time is not None:
            asked[FROM_TIME] = component.from_time
        for store in (row.answer["find"],) if "find" in row.answer else row.answer.get("needs", ()):
            _MAKERS[store](clusters, _Question(row.answer, asked, now, wanted))


@dataclass(frozen=True, slots=True)
class _Question:
    """How a command is answered (its row), what it asks for, when, and how many entries each store is to hold."""

    answer: Mapping[str, Any]
    asked: Asked
    now: int
    counts: Counts


def _times(question: _Question, count: int = _USUAL) -> list[int]:
    """So many moments inside the window that is asked for, the last as late as possible but not after now."""
    answer, asked, now = question.answer, question.asked, question.now
    since = number(asked.get(answer.get("since", ""), 0))
    until = number(asked.get(answer.get("until", ""), 0))
    end = now if until == 0 or until >= _NO_LIMIT else min(until, max(now, since))
    step = min(DAY, (end - since) // (count + 1))
    return [end - step * (count - place) for place in range(count)]


def _lowest(mask: int) -> int:
    """The lowest of the causes that are asked for: a record has one."""
    return mask & -mask


def _snapshots(clusters: ClusterModel, question: _Question) -> None:
    store = question.answer["find"]
    maker = {"snapshots": gas_records.snapshot, "prepayment_snapshots": gas_records.prepayment_snapshot}[store]
    if clusters.entries(store):
        return
    cause = _lowest(number(question.asked["Snapshot Cause"]))
    for place, at in enumerate(_times(question, question.counts[store])):
        clusters.keep(store, Entry(maker(clusters, place, at, cause)))


def _samples(clusters: ClusterModel, question: _Question) -> None:
    identifier, since = (number(question.asked[name]) for name in ("SampleID", "EarliestSampleTime"))
    interval = _INTERVALS.get(identifier, 1800)
    start = since if since > DAY else question.now - _USUAL * (DAY if interval == DAILY else interval)
    clusters.keep("samples", Entry(gas_records.samples(identifier, start, interval, range(1, _USUAL + 1))))


def _top_ups(clusters: ClusterModel, question: _Question) -> None:
    for place, at in enumerate(_times(question)):
        token = f"7394{place:016}".encode("ascii")
        clusters.keep("top_ups", Entry(gas_records.top_up(token, 1_000_000 * (place + 1), at)))


def _debt_payments(clusters: ClusterModel, question: _Question) -> None:
    for place, at in enumerate(_times(question)):
        clusters.keep("debt_payments", Entry(gas_records.debt_payment(at, 50_000, 500_000 - 50_000 * place)))


def _events(clusters: ClusterModel, question: _Question) -> None:
    log = number(question.asked["Event Control / Log ID"]) & 0x0F
    for at in _times(question):
        clusters.keep("events", Entry(gas_records.event(log, 0x8F32, at)))


def _billing_periods(clusters: ClusterModel, question: _Question) -> None:
    fields: dict[str, Value] = {
        "Provider ID": 0,
        "Issuer Event ID": question.now,
        "Billing Period Start Time": question.now - DAY,
        "Billing Period Duration": 1,
        "Billing Period Duration Type": 0,
        "Tariff Type": 0,
    }
    _keep(clusters, "billing_periods", fields)


def _tariffs(clusters: ClusterModel, question: _Question) -> None:
    fields: dict[str, Value] = {
        "Provider ID": 0,
        "Issuer Event ID": question.now - DAY,
        "Issuer Tariff ID": 1,
        "Start Time": question.now - DAY,
        "Tariff Type / Charging Scheme": _TARIFF_SCHEME,
        "Tariff Label": b"",
        "Number of Price Tiers in Use": 4,
        "Number of Block Thresholds in Use": 0,
        "Unit of Measure": 1,
        "Currency": 0x033A,
        "Price Trailing Digit": 0x50,
        "Standing Charge": 25_000,
        "TierBlockMode": 0,
        "Block Threshold Multiplier": 1,
        "Block Threshold Divisor": 1000,
    }
    _keep(clusters, "tariffs", fields)


def _calendar(clusters: ClusterModel, question: _Question) -> None:
    """The calendar that is asked for, whole: days, weeks, a season, special days."""
    now, days_held, weeks_held = question.now, question.counts["day_profiles"], question.counts["week_profiles"]
    identifier = number(question.asked[question.answer["calendar"]])
    kind = calendar_types().get(identifier, 0)
    if any(entry.tag == kind for entry in clusters.entries("calendars")):
        return
    own = now - DAY if identifier in calendar_types() else identifier
    head: dict[str, Value] = {"Provider ID": 0, "Issuer Event ID": now - DAY, "Issuer Calendar ID": own}
    one: dict[str, Value] = {"Command Index": 0, "Total Number of Commands": 1}
    whole: dict[str, Value] = {"Calendar Time Reference": 0, "Calendar Name": b"", "Number of Seasons": 1}
    sizes: dict[str, Value] = {"Number of Week Profiles": weeks_held, "Number of Day Profiles": days_held}
    dated: dict[str, Value] = {"Start Time": now - DAY, "Calendar Type": kind}
    _keep(clusters, "calendars", {**head, **dated, **whole, **sizes}, kind)
    switch = "Friendly Credit Enable" if kind == _NON_DISABLEMENT else "Price Tier"
    for day in range(1, days_held + 1):
        fields: dict[str, Value] = {"Day ID": day, "Total Number of Schedule Entries": 1, **one, "Calendar Type": kind}
        entries: Value = ((("Start Time", 0), (switch, 1)),)
        _keep(clusters, "day_profiles", {**head, **fields, "Day Schedule Entries": entries}, kind)
    for number_of in range(1, weeks_held + 1):
        days_of = {name: 2 * number_of - (not name.startswith("S")) for name in calendar.day_name}
        week: dict[str, Value] = {f"Day ID Ref {name}": day for name, day in days_of.items()}
        _keep(clusters, "week_profiles", {**head, "Week ID": number_of, **week}, kind)
    season: Value = ((("Season Start Date", bytes.fromhex("ff0101ff")), ("Week ID Ref", 1)),)
    _keep(clusters, "seasons", {**head, **one, "Season Entry": season}, kind)
    special: Value = ((("Special Day Date", bytes.fromhex("ff0c19ff")), ("Day ID Ref", 2)),)
    days: dict[str, Value] = {"Total Number of SpecialDays": 1, **one, "Special Day Entry": special}
    _keep(clusters, "special_days", {**head, **dated, **days}, kind)


def _keep(clusters: ClusterModel, store: str, fields: Mapping[str, Value], tag: int = 0) -> None:
    """Keep the command that publishes an entry of ``store``, with ``fields`` in the order of its layout."""
    row = store_rows()[store]
    kind = (row.cluster, row.to_client, row.command)
    clusters.keep(store, Entry(Command(*kind, zcl_fields.name_of(*kind), tuple(fields.items())), tag))


def _nothing(_clusters: ClusterModel, _question: _Question) -> None:
    """What every device of the kind holds from manufacture."""


_MAKERS: dict[str, Callable[[ClusterModel, _Question], None]] = {
    "snapshots": _snapshots,
    "prepayment_snapshots": _snapshots,
    "samples": _samples,
    "top_ups": _top_ups,
    "debt_payments": _debt_payments,
    "events": _events,
    "billing_periods": _billing_periods,
    "tariffs": _tariffs,
    "day_profiles": _calendar,
    "week_profiles": _calendar,
    "seasons": _calendar,
    "special_days": _calendar,
    "event_configurations": _nothing,
}
