"""Schedules: over outages and clock changes every period comes once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.core import MachineError
from devices.machines.parts.schedules import Due, Schedule, Schedules, british_offset

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
UNITS = ["minute", "half-hour", "hour", "day", "week", "month", "quarter", "year"]


def at(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=UTC).timestamp()) * SECOND  # type: ignore[misc,arg-type]


def text(ns: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ns // SECOND)).strftime("%Y-%m-%d %H:%M")


def of(schedule: Schedule) -> Schedules:
    schedules = Schedules()
    schedules.add(schedule)
    return schedules


def spans(taken: list[Due]) -> list[tuple[str, str]]:
    return [(text(due.begin), text(due.end)) for due in taken]


@given(
    unit=st.sampled_from(UNITS),
    every=st.integers(1, 5),
    local=st.booleans(),
    start=st.integers(at(2015, 1, 1), at(2030, 1, 1)),
    looks=st.lists(st.integers(-400, 4000), min_size=1, max_size=30),
)
def test_however_the_clock_goes_periods_lie_end_to_end(
    unit: str, every: int, local: bool, start: int, looks: list[int]
) -> None:
    """Outages are long steps forward, clock changes steps back and forth."""
    schedules = of(Schedule("a", start, unit, every, local=local))
    step = schedules.all[0].boundary(1) - start
    taken = []
    for look in looks:
        moment = start + look * step // 100
        now = schedules.take(moment)
        assert all(due.end <= moment for due in now)
        taken += now
        assert schedules.take(moment) == []
    assert [due.number for due in taken] == list(range(len(taken)))
    assert all(one.end == other.begin for one, other in pairwise(taken))
    assert all(due.begin < due.end for due in taken)
    assert not taken or taken[0].begin == start
    latest = start + max(looks) * step // 100
    assert schedules.next is not None
    assert schedules.next > latest


def test_what_an_outage_covered_comes_when_it_is_over() -> None:
    schedules = of(Schedule("daily", at(2026, 11, 1), "day"))
    assert spans(schedules.take(at(2026, 11, 2))) == [("2026-11-01 00:00", "2026-11-02 00:00")]
    again = Schedules()
    again.restore(schedules.as_json())  # the power was away for three days
    assert [due.number for due in again.take(at(2026, 11, 5, 6))] == [1, 2, 3]
    assert again.next == at(2026, 11, 6)


def test_a_clock_that_goes_back_makes_nothing_due_again() -> None:
    schedules = of(Schedule("hourly", at(2026, 11, 1), "hour"))
    assert len(schedules.take(at(2026, 11, 1, 5))) == 5
    assert schedules.take(at(2026, 11, 1, 1)) == []
    assert len(schedules.take(at(2026, 11, 1, 6))) == 1


@pytest.mark.parametrize(
    ("start", "hours"),
    [(at(2026, 3, 28), [24, 23, 24]), (at(2026, 10, 23, 23), [24, 25, 24])],
    ids=["spring", "autumn"],
)
def test_local_days_follow_the_clock_change(start: int, hours: list[int]) -> None:
    schedule = Schedule("daily", start, "day", local=True)
    assert [(schedule.boundary(n + 1) - schedule.boundary(n)) // HOUR for n in range(3)] == hours
    steady = Schedule("daily", start, "day")
    assert [(steady.boundary(n + 1) - steady.boundary(n)) // HOUR for n in range(3)] == [24, 24, 24]


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        ((2026, 3, 29, 0, 59), 0),
        ((2026, 3, 29, 1), 1),
        ((2026, 10, 25, 0, 59), 1),
        ((2026, 10, 25, 1), 0),
        ((2024, 3, 31, 1), 1),
        ((2025, 1, 1), 0),
    ],
)
def test_british_time(moment: tuple[int, ...], hours: int) -> None:
    assert british_offset(datetime(*moment, tzinfo=UTC)) == timedelta(hours=hours)  # type: ignore[misc,arg-type]


def test_months_that_are_too_short_end_on_their_last_day() -> None:
    schedules = of(Schedule("monthly", at(2028, 1, 31), "month"))
    ends = [text(due.end)[:10] for due in schedules.take(at(2028, 6, 1))]
    assert ends == ["2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"]


def test_a_schedule_ends() -> None:
    schedules = of(Schedule("daily", at(2026, 11, 1), "day", end=at(2026, 11, 3, 12)))
    assert len(schedules.take(at(2027, 1, 1))) == 2  # the third period would not be over in time
    assert schedules.next is None


def test_several_schedules_share_one_time_line() -> None:
    schedules = of(Schedule("daily", at(2026, 11, 1), "day"))
    schedules.add(Schedule("half-daily", at(2026, 11, 1), "hour", 12))
    taken = schedules.take(at(2026, 11, 2))
    assert [due.schedule.name for due in taken] == ["half-daily", "daily", "half-daily"]
    assert [due.end for due in taken] == sorted(due.end for due in taken)


def test_what_is_too_much_at_once_comes_at_the_next_look() -> None:
    schedules = of(Schedule("minutely", at(2026, 11, 1), "minute"))
    first = schedules.take(at(2026, 11, 2), most=1000)
    rest = schedules.take(at(2026, 11, 2), most=1000)
    assert [due.number for due in first + rest] == list(range(1440))


WRONG = [
    {"unit": "fortnight"},
    {"every": 0},
    {"every": 1001},
    {"end": at(2026, 1, 1)},
    {"start": -1},
    {"start": at(2200, 1, 1)},
]


@pytest.mark.parametrize("changes", WRONG, ids=str)
def test_what_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    fields: dict[str, object] = {"name": "a", "start": at(2026, 1, 1), **changes}
    with pytest.raises(MachineError, match="a schedule"):
        Schedule(**fields)  # type: ignore[arg-type]


def test_names_are_taken_once_and_gone_when_removed() -> None:
    schedules = of(Schedule("a", at(2026, 1, 1)))
    with pytest.raises(MachineError, match="already"):
        schedules.add(Schedule("a", at(2026, 1, 1)))
    schedules.remove("a")
    assert schedules.next is None
    with pytest.raises(MachineError, match="there are none"):
        schedules.remove("a")
