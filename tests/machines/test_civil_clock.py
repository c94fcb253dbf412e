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


def test_settings_as_delivered() -> None:
    assert ClockSettings() == ClockSettings(
        start_ns=1_446_854_400 * SECOND,
        drift_ppm=0.0,
        keeps_over_outage=True,
        status_at_start=ClockStatus.RELIABLE,
        status_after_lost=ClockStatus.INVALID,
    )
    assert {status.name: status.value for status in ClockStatus} == {"RELIABLE": 0, "UNRELIABLE": 2, "INVALID": 4}
    clock = CivilClock()
    assert clock.at(5) == CivilTime(1_446_854_400 * SECOND + 5, ClockStatus.RELIABLE)
    assert clock.as_json(7) == {"ns": 1_446_854_400 * SECOND + 7, "status": "RELIABLE"}


def test_every_part_of_an_instant_has_its_place() -> None:
    """Year, month, day, any weekday, hour, minute, second, hundredths, deviation not specified, status."""
    moment = CivilTime(1_478_147_045 * SECOND + 999_999_999)  # 2016-11-03T04:24:05.999999999Z
    assert moment.dlms().hex() == "07e00b03ff041805008000ff"
    assert moment.dlms(0x02).hex() == "07e00b03ff04180500800002"
    assert moment.text == "2016-11-03T04:24:05Z"
    assert moment.zcl == 1_478_147_045 - 946_684_800
    early = [CivilTime(EPOCH_2000 + at).zcl for at in (-SECOND, -1, 0, SECOND - 1, SECOND)]
    assert early == [0, 0, 0, 0, 1]
    assert CivilTime(EPOCH_2000 + (1 << 32) * SECOND).zcl == 0


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
        ("07df0101ff000000008000ff00", "too long"),
        ("ffff0101ff000000008000ff", "no year"),
        ("07dfff01ff000000008000ff", "no month"),
        ("07df01ffff000000008000ff", "no day"),
        ("07df0101ff00ff00008000ff", "no minute"),
        ("07df0101ff180000008000ff", "hour 24"),
        ("07df0101ff000000648000ff", "a hundred hundredths"),
        ("00010101ff00000000ffc4ff", "an hour before the first year"),
    ],
)
def test_absurd_date_times(octets: str, why: str) -> None:
    assert from_dlms(bytes.fromhex(octets)) is None, why


def test_a_deviation_is_minutes_from_local_time_to_utc() -> None:
    assert from_dlms(bytes.fromhex("07df0101ff01000000ffc4ff")) == NEW_YEAR_2015


@pytest.mark.parametrize(
    ("octets", "after"),
    [
        ("07df0101ff000000000000ff", 0),
        ("07df0101ff00000000003cff", 3600),
        ("07df0101ff000000008001ff", -32767 * 60),
        ("07df0101ff0000ffff8000ff", 0),
        ("07df0101ff00002a008000ff", 42),
        ("07df0101ff0000ff638000ff", 0.99),
        ("07df0101ff001100018000ff", 1020.01),
    ],
)
def test_parts_that_may_be_left_open_or_given(octets: str, after: float) -> None:
    assert from_dlms(bytes.fromhex(octets)) == NEW_YEAR_2015 + round(after * 100) * SECOND // 100


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
    clock.restore(None, 50, 10)
    assert clock.at(50) == CivilTime(ClockSettings().start_ns, ClockStatus.INVALID)


def test_a_clock_drifts_through_an_outage_and_keeps_its_status() -> None:
    clock = CivilClock(ClockSettings(drift_ppm=100.0))
    clock.restore({"ns": NEW_YEAR_2015, "status": "UNRELIABLE"}, 7, 10_000 * SECOND)
    assert clock.at(7) == CivilTime(NEW_YEAR_2015 + 10_001 * SECOND, ClockStatus.UNRELIABLE)
    clock.set(NEW_YEAR_2015, 9)
    assert clock.at(9) == CivilTime(NEW_YEAR_2015, ClockStatus.RELIABLE)


def test_the_time_cluster_report() -> None:
    frame = time_cluster.report(0x1C374A80, 7)
    assert frame.hex() == "18070a0000e2804a371c"
    assert time_cluster.time_in(frame) == 0x1C374A80


@pytest.mark.parametrize(
    "frame", ["", "18070a0000e2ffffffff", "10070a0000e2804a371c", "1807010000e2804a371c", "18070a0000e2"]
)
def test_other_frames_carry_no_time(frame: str) -> None:
    assert time_cluster.time_in(bytes.fromhex(frame)) is None
