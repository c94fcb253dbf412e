"""The regular records of a gas meter and of its proxy: half hours, days, gaps, rings, billing periods, snapshots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devices.machines.parts import gas_recording
from devices.machines.parts.gas_recording import BillingBasis, GasRecorder
from devices.model import gas_records
from devices.model.gsme_objects import gsme_clusters
from devices.model.zcl_objects import ClusterModel, Entry
from devices.wire.zcl_fields import Command
from tests.machines.gas_bench import SUPPLIER

HALF, DAY = 1800, 86_400
MIDNIGHT = 5_000 * DAY
TOTAL, MODE = (0x0702, 0), (0x0705, 0)
NOT_CAPTURED = 0xFFFFFF


def recorder() -> GasRecorder:
    return GasRecorder(gsme_clusters())


def ring(made: GasRecorder, identifier: int) -> tuple[Any, list[Any]] | None:
    """Where the samples of one kind start, and their values."""
    held = [e.fields for e in made.clusters.entries("samples") if e.fields["SampleID"] == identifier]
    if not held:
        return None
    (fields,) = held
    samples: Any = fields["Samples"]
    assert fields["NumberOfSamples"] == len(samples)
    return fields["SampleStartTime"], [dict(one)["Sample"] for one in samples]


# ------------------------------------------------------------------------------------------------------------- samples


def test_a_sample_is_what_was_used_since_the_last_one() -> None:
    made = recorder()
    made.clusters.set(TOTAL, 100)
    made.begin(0)
    made.clusters.set(TOTAL, 107)
    made.begin(0)  # it counts already
    made.sample(0, MIDNIGHT, HALF)
    assert ring(made, 0) == (MIDNIGHT - HALF, [7])
    made.clusters.set(TOTAL, 104)
    made.sample(0, MIDNIGHT + HALF, HALF)  # a register that went back used nothing
    made.clusters.set(TOTAL, 105)
    made.sample(0, MIDNIGHT + 2 * HALF, HALF)
    assert ring(made, 0) == (MIDNIGHT - HALF, [7, 0, 1])
    made.clusters.set(TOTAL, 105 + NOT_CAPTURED)
    made.sample(0, MIDNIGHT + 4 * HALF, HALF)
    assert ring(made, 0) == (MIDNIGHT - HALF, [7, 0, 1, NOT_CAPTURED, NOT_CAPTURED - 1])
    made.sample(1, MIDNIGHT, 0xFFFF, 9)
    made.sample(1, MIDNIGHT + DAY, 0xFFFF, 20)
    made.sample(1, MIDNIGHT + 3 * DAY, 0xFFFF, 21)
    assert ring(made, 1) == (MIDNIGHT - DAY, [0, 11, NOT_CAPTURED, 1])
    made.end(0)
    made.end(7)
    assert made.as_json() == {"1": 21}


@pytest.mark.parametrize(("identifier", "kept"), [(0, 19_056), (1, 731), (2, 41)])
def test_a_ring_keeps_its_newest(identifier: int, kept: int) -> None:
    made = recorder()
    interval, seconds = (0xFFFF, DAY) if identifier == 1 else (HALF, HALF)
    made._keep(identifier, MIDNIGHT, interval, list(range(kept + 1)))
    assert ring(made, identifier) == (MIDNIGHT + seconds, list(range(1, kept + 1)))


def test_what_outlives_a_power_cut() -> None:
    made, again = recorder(), recorder()
    assert (made.as_json(), made.heard) == ({}, None)
    made.pushed(MIDNIGHT, 50)
    assert (made.as_json(), made.heard) == ({"0": 50, "1": 50, "seen": [MIDNIGHT, 50]}, MIDNIGHT)
    again.restore(made.as_json())
    again.pushed(MIDNIGHT + HALF, 53)
    assert ring(again, 0) == (MIDNIGHT, [3])
    again.restore(None)
    assert (again.as_json(), again.heard) == ({}, None)


def test_the_meter_records_days_at_midnight_alone() -> None:
    made = recorder()
    assert made.half_hour(MIDNIGHT - HALF) == ([], False)
    assert (ring(made, 0), ring(made, 1)) == ((MIDNIGHT - 2 * HALF, [0]), None)
    taken, ended = made.half_hour(MIDNIGHT)
    assert (taken, ended) == ([gas_records.snapshot(made.clusters, 0, MIDNIGHT, 1)], False)
    assert ring(made, 1) == (MIDNIGHT - DAY, [0])
    assert made.half_hour(MIDNIGHT + HALF) == ([], False)


def test_the_proxy_records_the_differences_of_what_it_was_told() -> None:
    made = recorder()
    made.pushed(MIDNIGHT - HALF, 100)
    assert (ring(made, 0), ring(made, 1)) == (None, None)
    made.pushed(MIDNIGHT, 110)
    made.pushed(MIDNIGHT, 999)
    made.pushed(MIDNIGHT - HALF, 999)
    assert (ring(made, 0), ring(made, 1)) == ((MIDNIGHT - HALF, [10]), (MIDNIGHT - DAY, [10]))
    made.pushed(MIDNIGHT + HALF, 115)
    assert ring(made, 1) == (MIDNIGHT - DAY, [10])
    made.pushed(MIDNIGHT + DAY + HALF, 140)  # over midnight: the day has what was known when it ended
    assert ring(made, 1) == (MIDNIGHT - DAY, [10, 5])
    assert ring(made, 0) == (MIDNIGHT - HALF, [10, 5, *[NOT_CAPTURED] * 47, 25])


# ------------------------------------------------------------------------------------- the meter's own samples instead


def test_the_meters_samples_fill_the_gaps_of_the_proxy() -> None:
    made = recorder()
    made._keep(0, MIDNIGHT, HALF, [1, NOT_CAPTURED, 3])
    made.fill(gas_records.samples(0, MIDNIGHT + HALF, HALF, [2, NOT_CAPTURED, 4]))
    assert ring(made, 0) == (MIDNIGHT, [1, 2, 3, 4])
    made.fill(gas_records.samples(0, MIDNIGHT - 2 * HALF, HALF, [8]))
    assert ring(made, 0) == (MIDNIGHT - 2 * HALF, [8, NOT_CAPTURED, 1, 2, 3, 4])
    made.fill(gas_records.samples(1, MIDNIGHT, 0xFFFF, [5, 6]))
    assert ring(made, 1) == (MIDNIGHT, [5, 6])
    made.fill(gas_records.samples(1, MIDNIGHT + DAY, 0xFFFF, [7]))
    assert ring(made, 1) == (MIDNIGHT, [5, 7])


@pytest.mark.parametrize(
    "told",
    [
        gas_records.samples(2, MIDNIGHT, HALF, [1]),
        gas_records.samples(0, MIDNIGHT, 0xFFFF, [1]),
        gas_records.samples(1, MIDNIGHT, HALF, [1]),
        gas_records.samples(0, MIDNIGHT, HALF, [NOT_CAPTURED]),
        gas_records.samples(0, MIDNIGHT, HALF),
    ],
)
def test_samples_that_say_nothing_of_half_hours_or_days(told: Command) -> None:
    made = recorder()
    made.fill(told)
    assert made.clusters.entries("samples") == ()


def test_filled_samples_reach_back_as_far_as_the_ring() -> None:
    made = recorder()
    made._keep(1, MIDNIGHT, 0xFFFF, [5, 6])
    made.fill(gas_records.samples(1, MIDNIGHT + 730 * DAY, 0xFFFF, [9]))
    assert ring(made, 1) == (MIDNIGHT, [5, 6, *[NOT_CAPTURED] * 728, 9])
    made.fill(gas_records.samples(1, MIDNIGHT + 731 * DAY, 0xFFFF, [8]))
    assert ring(made, 1) == (MIDNIGHT + DAY, [6, *[NOT_CAPTURED] * 728, 9, 8])


# ----------------------------------------------------------------------------------------------------- billing periods


def seconds(*moment: int) -> int:
    return round((datetime(*moment, tzinfo=UTC) - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds())  # type: ignore[misc,arg-type]


def billed(clusters: ClusterModel, start: int, length: int, unit: int) -> None:
    fields = (
        ("Billing Period Start Time", start),
        ("Billing Period Duration", length),
        ("Billing Period Duration Type", unit),
    )
    clusters.keep("billing_periods", Entry(Command(0x0700, True, 9, "PublishBillingPeriod", fields)))


def ends(made: GasRecorder, at: int) -> bool:
    """Whether a billing period ends at a midnight of which nothing but that is of interest."""
    made.clusters.stores.pop("samples", None)
    return made.half_hour(at)[1]


@pytest.mark.parametrize(
    ("length", "unit", "first"),
    [(1440, 0, 1), (1, 1, 1), (3, 1, 3), (3, 0xF1, 3), (1, 2, 7), (2, 2, 14), (1, 3, 30), (2, 3, 61), (2, 9, 2)],
    ids=["minutes", "day", "days", "low nibble", "week", "weeks", "month", "months", "another unit is days"],
)
def test_a_billing_period_ends_at_midnight_after_its_length(length: int, unit: int, first: int) -> None:
    start = seconds(2015, 11, 7)
    made = recorder()
    billed(made.clusters, start - 5 * DAY, 1, 1)
    billed(made.clusters, start, length, unit)
    days = [day for day in range(-3, 65) if ends(made, start + day * DAY)]
    assert days[0] == first
    if unit != 3:
        assert days == list(range(first, 65, first))


def test_a_month_ends_on_the_day_it_began() -> None:
    made = recorder()
    billed(made.clusters, seconds(2015, 11, 7), 3, 3)
    days = [datetime(2015, 11, 7, tzinfo=UTC) + timedelta(day) for day in range(400)]
    over = [day for day in days if ends(made, seconds(day.year, day.month, day.day))]
    assert [(day.year, day.month, day.day) for day in over] == [(2016, 2, 7), (2016, 5, 7), (2016, 8, 7), (2016, 11, 7)]


def test_a_period_without_length_or_none_at_all_never_ends() -> None:
    made = recorder()
    assert made.half_hour(MIDNIGHT)[1] is False
    for unit in (1, 3):
        billed(made.clusters, MIDNIGHT - 9 * DAY, 0, unit)
        assert made.half_hour(MIDNIGHT + unit * DAY)[1] is False


def test_a_billing_snapshot_follows_the_daily_one_and_in_prepayment_each_has_its_twin() -> None:
    made = recorder()
    billed(made.clusters, MIDNIGHT - DAY, 1, 1)
    taken, ended = made.half_hour(MIDNIGHT)
    assert ([one.get("Snapshot Cause") for one in taken], ended) == ([1, 2], True)
    made.clusters.set(MODE, 0xFFFD)
    assert len(made.snapshots(MIDNIGHT, 4)) == 1
    made.clusters.set(MODE, 2)
    pair = made.snapshots(MIDNIGHT + 9, 8)
    assert pair == [
        gas_records.snapshot(made.clusters, 3, MIDNIGHT + 9, 8),
        gas_records.prepayment_snapshot(made.clusters, 0, MIDNIGHT + 9, 8),
    ]
    assert [e.fields["Snapshot ID"] for e in made.clusters.entries("snapshots")] == [0, 1, 2, 3]
    assert [e.fields["Snapshot ID"] for e in made.clusters.entries("prepayment_snapshots")] == [0]
    made.clusters.keep("snapshots", Entry(gas_records.snapshot(made.clusters, 0xFFFFFFFF, 0, 1)))
    assert made.snapshots(MIDNIGHT, 4)[0].get("Snapshot ID") == 0


def test_what_a_bill_rests_on() -> None:
    clusters = gsme_clusters()
    who = [SUPPLIER]
    basis = BillingBasis(clusters, lambda: who[0])
    assert basis.changed() == 0
    for store, cause in (("tariffs", 1 << 3), ("price_matrices", 1 << 4), ("block_thresholds", 1 << 5)):
        clusters.keep(store, Entry(Command(0x0700, True, 4, "x", (("Command Index", 0),))))
        assert (basis.changed(), basis.changed()) == (cause, 0), store
    clusters.set(MODE, 0xFFFD)
    assert basis.changed() == 0
    clusters.set(MODE, 0xFFFF)
    who[0] = bytes(8)
    assert (basis.changed(), basis.changed()) == (1 << 13 | 1 << 14, 0)
    assert gas_recording.HALF_HOUR == HALF
