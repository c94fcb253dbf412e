"""The clock of a device: drift, setting, outages, and the date-times of messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.parts import time_cluster
from devices.machines.parts.civil_clock import (
    EPOCH_2000,
    CivilClock,
    CivilTime,
    ClockSettings,
    ClockStatus,
    from_dlms,
    from_zcl,
)

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NEW_YEAR_2015 = 1_420_070_400 * SECOND


def test_published_date_times() -> None:
    """07DF0101… is what published alerts carry; 1C374A80 is the same instant in ZCL (facts/gbcs.md 3.2)."""
    assert CivilTime(NEW_YEAR_2015).dlms().hex() == "07df0101ff000000008000ff"
    assert CivilTime(NEW_YEAR_2015).zcl == 0x1C374A80
    assert from_zcl(0x1C374A80) == NEW_YEAR_2015 == from_dlms(bytes.fromhex("07df0101ff000000008000ff"))


@given(st.integers(EPOCH_2000 // SECOND, EPOCH_2000 // SECOND + 2**32 - 1))
def test_date_times_come_back(seconds: int) -> None:
    civil = CivilTime(seconds * SECOND)
    assert from_dlms(civil.dlms()) == civil.ns
    assert from_zcl(civil.zcl) == civil.ns


@given(st.binary(max_size=14))
def test_no_octets_make_it_stumble(octets: bytes) -> None:
    read = from_dlms(octets)
    assert read is None or len(octets) == 12


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("ffffffffffffffffff8000ff", "nothing given"),
        ("07df0d01ff000000008000ff", "month 13"),
        ("07df021fff000000008000ff", "31 February"),
        ("07df0101ffff0000008000ff", "no hour"),
        ("07df0101ff000000008000", "too short"),
    ],
)
def test_absurd_date_times(octets: str, why: str) -> None:
    assert from_dlms(bytes.fromhex(octets)) is None, why


def test_a_deviation_is_minutes_from_local_time_to_utc() -> None:
    assert from_dlms(bytes.fromhex("07df0101ff01000000ffc4ff")) == NEW_YEAR_2015


@pytest.mark.parametrize(("ppm", "error_s"), [(0, 0), (20, 1.728), (-100, -8.64)])
def test_drift_over_a_day(ppm: float, error_s: float) -> None:
    clock = CivilClock(ClockSettings(start_ns=NEW_YEAR_2015, drift_ppm=ppm))
    assert clock.at(DAY).ns - NEW_YEAR_2015 - DAY == round(error_s * SECOND)
    clock.set(NEW_YEAR_2015 + DAY, DAY)
    assert clock.at(DAY).ns == NEW_YEAR_2015 + DAY


@pytest.mark.parametrize(
    ("settings", "away", "expected", "status"),
    [
        (ClockSettings(start_ns=NEW_YEAR_2015), 3600 * SECOND, 3610 * SECOND, ClockStatus.RELIABLE),
        (ClockSettings(start_ns=NEW_YEAR_2015), None, 10 * SECOND, ClockStatus.INVALID),
        (
            ClockSettings(start_ns=NEW_YEAR_2015, keeps_over_outage=False),
            3600 * SECOND,
            10 * SECOND,
            ClockStatus.INVALID,
        ),
    ],
)
def test_over_an_outage(settings: ClockSettings, away: int | None, expected: int, status: ClockStatus) -> None:
    clock = CivilClock(settings)
    saved = clock.as_json(10 * SECOND)
    again = CivilClock(settings)
    again.restore(saved, 5000 * SECOND, away)
    assert again.at(5000 * SECOND) == CivilTime(NEW_YEAR_2015 + expected, status)


def test_a_clock_that_saved_nothing_does_not_claim_to_know_the_time() -> None:
    clock = CivilClock()
    clock.restore(None, 0, 10)
    assert clock.status is ClockStatus.INVALID


def test_the_time_cluster_report() -> None:
    frame = time_cluster.report(0x1C374A80, 7)
    assert frame.hex() == "18070a0000e2804a371c"
    assert time_cluster.time_in(frame) == 0x1C374A80


@pytest.mark.parametrize(
    "frame", ["", "18070a0000e2ffffffff", "10070a0000e2804a371c", "1807010000e2804a371c", "18070a0000e2"]
)
def test_other_frames_carry_no_time(frame: str) -> None:
    assert time_cluster.time_in(bytes.fromhex(frame)) is None
