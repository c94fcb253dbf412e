"""Schedules: over outages and clock changes every period comes once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.core import MachineError
from devices.machines.parts.schedules import Due, Schedule, Schedules, british_offset, filled

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


# ----------------------------------------------------------------------------------------------- each line of the rules

SECOND_PERIODS: dict[tuple[str, int], int] = {
    ("minute", 2): at(2026, 1, 31, 0, 4),
    ("half-hour", 2): at(2026, 1, 31, 2),
    ("hour", 2): at(2026, 1, 31, 4),
    ("day", 2): at(2026, 2, 4),
    ("week", 2): at(2026, 2, 28),
    ("month", 2): at(2026, 5, 31),
    ("month", 6): at(2027, 1, 31),
    ("quarter", 2): at(2027, 1, 31),
    ("year", 2): at(2030, 1, 31),
    ("month", 1): at(2026, 3, 31),
    ("day", 1000): at(2026, 1, 31) + 2000 * DAY,
}


@pytest.mark.parametrize(("unit", "every"), SECOND_PERIODS)
def test_the_second_period_ends_after_twice_its_length(unit: str, every: int) -> None:
    start = at(2026, 1, 31) + 123
    schedule = Schedule("a", start, unit, every)
    assert schedule.boundary(2) == SECOND_PERIODS[unit, every] + 123
    assert (schedule.boundary(0), schedule.next) == (start, schedule.boundary(1))


@pytest.mark.parametrize(
    ("start", "first"),
    [
        (at(2026, 3, 28, 1, 30), at(2026, 3, 29, 1, 30)),  # 01:30 is left out: the hour after it, 02:30 local time
        (at(2026, 3, 28, 0, 59), at(2026, 3, 29, 0, 59)),
        (at(2026, 3, 28, 2), at(2026, 3, 29, 1)),
        (at(2026, 10, 24, 0, 30), at(2026, 10, 25, 0, 30)),  # 01:30 comes twice: the first of them
        (at(2026, 10, 24, 1), at(2026, 10, 25, 2)),
        (at(2026, 7, 1, 23), at(2026, 7, 2, 23)),
    ],
)
def test_a_local_day_begins_at_the_same_local_time(start: int, first: int) -> None:
    assert Schedule("a", start, "day", local=True).boundary(1) == first


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        ((2026, 3, 28, 12), 0),
        ((2026, 3, 30), 1),
        ((2026, 10, 24, 12), 1),
        ((2026, 10, 25, 0, 30), 1),
        ((2027, 3, 28, 1), 1),  # a Sunday, three days before the end of the month
        ((2027, 3, 28, 0, 59), 0),
        ((2027, 10, 31, 0, 59), 1),  # the last day is a Sunday
        ((2027, 10, 31, 1), 0),
    ],
)
def test_the_last_sunday(moment: tuple[int, ...], hours: int) -> None:
    assert british_offset(datetime(*moment, tzinfo=UTC)) == timedelta(hours=hours)  # type: ignore[misc,arg-type]


def test_a_schedule_starts_and_ends_at_the_very_moments() -> None:
    """The ends of what is allowed are allowed."""
    start = at(2026, 11, 1)
    assert Schedule("a", 0).next == DAY
    assert Schedule("a", at(2200, 1, 1) - 1).start == at(2200, 1, 1) - 1
    assert Schedule("a", start, every=1000).boundary(1) == start + 1000 * DAY
    assert Schedule("a", start, end=start + DAY).next == start + DAY
    assert Schedule("a", start, end=start + DAY - 1).next is None
    assert Schedule("a", start, end=start + 1).next is None
    with pytest.raises(MachineError, match="ends after it starts"):
        Schedule("a", start, end=start)
    schedules = of(Schedule("a", start))
    assert schedules.take(start + DAY - 1) == []
    (due,) = schedules.take(start + DAY)
    assert (due.schedule.name, due.number, due.begin, due.end) == ("a", 0, start, start + DAY)


def test_what_is_kept_is_all_of_it() -> None:
    schedules = of(Schedule("a", 5, "week", 2, 10**18, True, {"x": 1}, 3))
    schedules.add(Schedule("b", 7))
    assert schedules.as_json() == [
        ["a", 5, "week", 2, 10**18, True, {"x": 1}, 3],
        ["b", 7, "day", 1, None, False, None, 0],
    ]
    again = Schedules()
    again.restore(schedules.as_json())
    assert again.all == schedules.all
    assert again.next == schedules.next == Schedule("b", 7).next
    assert again.remove("a").name == "a"
    with pytest.raises(MachineError, match="there is no schedule 'c'; there are b"):
        again.remove("c")
    again.restore(None)
    assert again.all == ()


def test_a_thousand_periods_are_given_at_once() -> None:
    schedules = of(Schedule("a", 0, "minute"))
    assert [len(schedules.take(1500 * 60 * SECOND)) for _ in range(3)] == [1000, 500, 0]


def test_the_marks_of_a_period_are_filled_in() -> None:
    due = Due(Schedule("a", 0), 0, at(2026, 11, 1), at(2026, 11, 2))
    zcl = at(2026, 11, 1) // SECOND - at(2000, 1, 1) // SECOND
    marks = {
        "{begin}": "2026-11-01T00:00:00Z",
        "{end}": "2026-11-02T00:00:00Z",
        "{last}": "2026-11-01T23:59:59Z",
        "{begin:zcl}": zcl,
        "{end:zcl}": zcl + 86_400,
        "{last:zcl}": zcl + 86_399,
        "{begin:dlms}": "07ea0b01ff00000000" + "8000ff",
        "begin}": "begin}",
        "{begin": "{begin",
        "plain": "plain",
    }
    for mark, value in marks.items():
        assert filled(mark, due) == value
    assert filled({"a": ["{last:zcl}", 5, None, ("{end}",)], "b": {"c": True}}, due) == {
        "a": [zcl + 86_399, 5, None, ["2026-11-02T00:00:00Z"]],
        "b": {"c": True},
    }
    for wrong in ("{now}", "{begin:unix}", "{}"):
        with pytest.raises(MachineError, match="with :zcl or :dlms, got"):
            filled(wrong, due)
