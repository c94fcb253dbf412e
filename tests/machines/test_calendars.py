"""Schedules of the meter's tables: which day an entry runs on, which entry counts, to the second and the bit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from devices.machines.parts import calendars
from devices.machines.parts.calendars import Switching
from devices.machines.parts.civil_clock import CivilTime
from devices.wire import axdr
from devices.wire.axdr import Data

ANY = "ffffffffff"
NO_SPECIAL_DAYS = axdr.array()


def at(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000_000  # type: ignore[misc,arg-type]


def entry(time: str = "07000000", selector: int = 0x0101, **parts: Any) -> Data:
    weekdays, special = parts.get("weekdays", b"\xfe"), parts.get("special", b"")
    return axdr.structure(
        axdr.u16(1),
        axdr.boolean(parts.get("enabled", True)),
        axdr.octets(bytes(6)),
        axdr.u16(selector),
        axdr.octets(bytes.fromhex(time)),
        axdr.u16(0xFFFF),
        axdr.bits(weekdays, parts.get("days", 7)),
        axdr.bits(special, 8 * len(special)),
        axdr.octets(bytes.fromhex(parts.get("begin", ANY))),
        axdr.octets(bytes.fromhex(parts.get("end", ANY))),
    )


def special_day(when: str, day_id: int) -> Data:
    return axdr.structure(axdr.u16(1), axdr.octets(bytes.fromhex(when)), axdr.u8(day_id))


def runs_on(until: int = 14, special_days: Data = NO_SPECIAL_DAYS, **parts: Any) -> list[int]:
    """The days of November 2015 (the 2nd is a Monday) on which an entry of 07:00 runs."""
    table = axdr.array(entry(**parts))
    moment, found = calendars.next_switch(table, special_days, CivilTime(at(2015, 11, 1))), []
    while moment is not None and moment < at(2015, 11, until + 1):
        day = datetime.fromtimestamp(moment // 1_000_000_000, UTC)
        assert day.hour == 7
        found.append(day.day)
        moment = calendars.next_switch(table, special_days, CivilTime(moment))
    return found


@pytest.mark.parametrize(
    ("parts", "days"),
    [
        ({}, list(range(1, 15))),
        ({"enabled": False}, []),
        ({"weekdays": b"\x80"}, [2, 9]),
        ({"weekdays": b"\x02"}, [1, 8]),
        ({"weekdays": b"\x40"}, [3, 10]),
        ({"weekdays": b"\xfc", "days": 6}, [2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14]),
        ({"begin": "07df0b05ff"}, list(range(5, 15))),
        ({"end": "07df0b05ff"}, [1, 2, 3, 4, 5]),
        ({"begin": "07df0b04ff", "end": "07df0b04ff"}, [4]),
        ({"begin": "ffffff0cff"}, [12, 13, 14]),
        ({"begin": "ffff0b03ff", "end": "ffff0b04ff"}, [3, 4]),
        ({"begin": "07e0ffffff"}, []),
        ({"end": "07deffffff"}, []),
        ({"begin": "07df0cffff"}, []),
        ({"time": "070000"}, []),
        ({"begin": "07df0b05"}, []),
        ({"end": "07df0b05"}, []),
        ({"time": "18000000"}, []),
        ({"time": "073c0000"}, []),
    ],
    ids=str,
)
def test_the_days_on_which_an_entry_runs(parts: dict[str, Any], days: list[int]) -> None:
    assert runs_on(**parts) == days


@pytest.mark.parametrize(
    ("when", "day_id", "mask", "days"),
    [
        ("07df0b04ff", 1, b"\x80", [1, 2, 3, 4, 5, 6]),
        ("07df0b04ff", 1, b"\x40", [1, 2, 3, 5, 6]),
        ("07df0b04ff", 2, b"\x40", [1, 2, 3, 4, 5, 6]),
        ("07df0b04ff", 9, b"\x00\x80", [1, 2, 3, 4, 5, 6]),
        ("07df0b04ff", 9, b"\x80", [1, 2, 3, 5, 6]),
        ("ffffff04ff", 1, b"\x00", [1, 2, 3, 5, 6]),
        ("ffff0b04ff", 1, b"\x00", [1, 2, 3, 5, 6]),
        ("07e00b04ff", 1, b"\x00", [1, 2, 3, 4, 5, 6]),
        ("07df0c04ff", 1, b"\x00", [1, 2, 3, 4, 5, 6]),
        ("07df0b04", 1, b"\x00", [1, 2, 3, 4, 5, 6]),
        ("07df0b04ff", 0, b"\x00", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_special_day_has_entries_of_its_own(when: str, day_id: int, mask: bytes, days: list[int]) -> None:
    assert runs_on(6, axdr.array(special_day(when, day_id)), special=mask) == days


def test_the_last_day_of_a_month() -> None:
    special = axdr.array(special_day("fffffffeff", 1))
    table = axdr.array(entry(weekdays=b"\x00", special=b"\x80"))
    found = [calendars.next_switch(table, special, CivilTime(at(2016, month, 1))) for month in (2, 4, 12)]
    assert found == [at(2016, 2, 29, 7), at(2016, 4, 30, 7), at(2016, 12, 31, 7)]


def test_an_entry_runs_to_the_second() -> None:
    table = axdr.array(entry("17 3b 3b 00"), entry("08 01 ff 00", 0x0102))
    when = [at(2015, 11, 2, 8, 1), at(2015, 11, 2, 23, 59, 59), at(2015, 11, 3, 8, 1)]
    for moment, following in zip([at(2015, 11, 2), *when[:2]], when, strict=True):
        assert calendars.next_switch(table, NO_SPECIAL_DAYS, CivilTime(moment)) == following
    assert calendars.next_switch(table, NO_SPECIAL_DAYS, CivilTime(when[0] - 1)) == when[0]

    def last(moment: int, of: int = 0, mask: int = 0) -> Switching | None:
        return calendars.last_switched(table, NO_SPECIAL_DAYS, CivilTime(moment), of=of, mask=mask)

    assert last(when[0] - 1) == Switching(at(2015, 11, 1, 23, 59, 59), 0x0101)
    assert last(when[0]) == Switching(when[0], 0x0102)
    assert last(when[1]) == Switching(when[1], 0x0101)
    assert last(when[1], of=0x02, mask=0xFF) == Switching(when[0], 0x0102)
    assert last(when[1], of=0x02, mask=0x0F00) is None


def test_a_schedule_is_looked_up_a_year_back_and_ahead_and_no_further() -> None:
    for days, found in ((369, True), (370, False)):
        start = at(2015, 1, 1)
        moment = datetime.fromtimestamp(start / 1e9 + days * 86_400, UTC)
        date = (moment.year.to_bytes(2, "big") + bytes((moment.month, moment.day, 0xFF))).hex()
        table = axdr.array(entry("00000000", begin=date, end=date))
        then = start + days * 86_400 * 1_000_000_000
        assert calendars.next_switch(table, NO_SPECIAL_DAYS, CivilTime(start)) == (then if found else None)
        actions = axdr.array(action("00000000", date))
        assert calendars.next_execution(actions, CivilTime(start)) == (then if found else None)
        first = axdr.array(entry("00000000", begin="07df0101ff", end="07df0101ff"))
        ran = calendars.last_switched(first, NO_SPECIAL_DAYS, CivilTime(then), of=0, mask=0)
        assert ran == (Switching(start, 0x0101) if found else None)


# ------------------------------------------------------------------------------------------------------ single actions


def action(time: str, day: str) -> Data:
    return axdr.structure(axdr.octets(bytes.fromhex(time)), axdr.octets(bytes.fromhex(day)))


@pytest.mark.parametrize(
    ("time", "day", "due"),
    [
        ("173b3b00", ANY, at(2015, 11, 2, 23, 59, 59)),
        ("0c01ff00", ANY, at(2015, 11, 2, 12, 1, 59)),
        ("00000000", ANY, at(2015, 11, 3)),
        ("00000100", ANY, at(2015, 11, 2, 0, 0, 1)),
        ("18000000", ANY, None),
        ("003c0000", ANY, None),
        ("000000", ANY, None),
        ("06000000", "ffffffff", None),
        ("06000000", "ffffffff07", at(2015, 11, 8, 6)),
        ("06000000", "07df0b1e01", at(2015, 11, 30, 6)),
        ("06000000", "07df0b1e02", None),
        ("06000000", "07dfffffff", at(2015, 11, 2, 6)),
        ("06000000", "07deffffff", None),
    ],
)
def test_when_an_action_is_due(time: str, day: str, due: int | None) -> None:
    monday = CivilTime(at(2015, 11, 2))
    assert calendars.next_execution(axdr.array(action(time, day)), monday) == due
    later = action("00001e00", "ffff0c18ff")
    expected = at(2015, 12, 24, 0, 0, 30) if due is None else due
    assert calendars.next_execution(axdr.array(later, action(time, day)), monday) == expected
