"""Schedules: which entry of a table was the last to switch, when the next one does, when an action is due.

Civil time here is UTC, as the clock of a meter is.  Dates may leave parts open (``FF``), as published calendars do.

Must not live here: what a script does (``aux_switch``, ``prepayment``), the tables themselves (``model``).

Source: facts/use-cases.md (ECS08, ECS30, ECS46c, ECS46d: rows of class 10, 11 and 22); the meaning of days, dates and
special days as DLMS defines the classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from devices.machines.parts.civil_clock import CivilTime
from devices.wire.axdr import BitString, Data

__all__ = ["Switching", "last_switched", "next_execution", "next_switch"]

_OPEN: Final = 0xFF
_OPEN_YEAR: Final = 0xFFFF
_LAST_DAY: Final = 0xFE
_DAYS_BACK: Final = 370  # a schedule may switch once a year
_DAYS_AHEAD: Final = 370
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Switching:
    """One instant at which a schedule runs a script: ns since 1970, and the script's selector."""

    at: int
    selector: int


@dataclass(frozen=True, slots=True)
class _Entry:
    selector: int
    time: tuple[int, int, int]
    weekdays: BitString
    special: BitString
    begin: bytes
    end: bytes


def last_switched(entries: Data, special_days: Data, civil: CivilTime, *, of: int, mask: int) -> Switching | None:
    """The last script with ``selector & mask == of`` that ran at or before ``civil``; None when none ever did."""
    today = _day(civil)
    for back in range(_DAYS_BACK):
        ran = [s for s in _of_day(entries, special_days, today - timedelta(back)) if s.at <= civil.ns]
        fitting = [s for s in ran if s.selector & mask == of]
        if fitting:
            return max(fitting, key=lambda switching: switching.at)
    return None


def next_switch(entries: Data, special_days: Data, civil: CivilTime) -> int | None:
    """When the next script runs after ``civil``, ns since 1970; None when none will within a year."""
    if not entries.value:
        return None
    today = _day(civil)
    for ahead in range(_DAYS_AHEAD):
        coming = [s.at for s in _of_day(entries, special_days, today + timedelta(ahead)) if s.at > civil.ns]
        if coming:
            return min(coming)
    return None


def next_execution(actions: Data, civil: CivilTime) -> int | None:
    """When a single action schedule runs next after ``civil`` (its times and dates, parts of which may be open), ns
    since 1970; None when it does not within a year."""
    today = _day(civil)
    for ahead in range(_DAYS_AHEAD):
        day = today + timedelta(ahead)
        coming = [at for at in (_moment(row, day) for row in actions.value) if at is not None and at > civil.ns]
        if coming:
            return min(coming)
    return None


def _moment(row: Data, day: date) -> int | None:
    """When on ``day`` one row of time and date runs, None when not."""
    time, when = (part.value for part in row.value)
    if len(time) != 4 or len(when) != 5 or time[0] > 23 or time[1] > 59 or not _is(when, day):
        return None
    if when[4] not in (_OPEN, day.isoweekday()):
        return None
    moment = datetime(day.year, day.month, day.day, time[0], time[1], min(time[2], 59), tzinfo=UTC)
    return int((moment - _EPOCH).total_seconds()) * 1_000_000_000


def _of_day(entries: Data, special_days: Data, day: date) -> Iterator[Switching]:
    special = _special(special_days, day)
    for entry in _entries(entries):
        if not (_not_before(day, entry.begin) and _not_after(day, entry.end)):
            continue
        runs = _bit(entry.weekdays, day.weekday()) if special is None else _bit(entry.special, special)
        if runs:
            moment = datetime(day.year, day.month, day.day, *entry.time, tzinfo=UTC)
            yield Switching(int((moment - _EPOCH).total_seconds()) * 1_000_000_000, entry.selector)


def _entries(table: Data) -> Iterator[_Entry]:
    """The entries that are enabled and complete; an entry that is no schedule entry never runs."""
    for row in table.value:
        _index, enabled, _script, selector, time, _window, weekdays, special, begin, end = (p.value for p in row.value)
        whole = len(time) == 4 and time[0] < 24 and time[1] < 60 and len(begin) == 5 and len(end) == 5
        if enabled and whole:
            second = time[2] if time[2] < 60 else 0
            yield _Entry(selector, (time[0], time[1], second), weekdays, special, begin, end)


def _special(table: Data, day: date) -> int | None:
    """The position of the special day that ``day`` is (its day id counts from 1), None for an ordinary day."""
    for row in table.value:
        _index, when, day_id = (part.value for part in row.value)
        if len(when) == 5 and day_id and _is(when, day):
            return int(day_id) - 1
    return None


def _is(when: bytes, day: date) -> bool:
    year = int.from_bytes(when[:2], "big")
    last = when[3] == _LAST_DAY and (day + timedelta(1)).day == 1
    return year in (_OPEN_YEAR, day.year) and when[2] in (_OPEN, day.month) and (when[3] in (_OPEN, day.day) or last)


def _bit(bits: BitString, position: int) -> bool:
    octet, place = divmod(position, 8)
    return position < bits.length and bool(bits.octets[octet] & 0x80 >> place)


def _not_before(day: date, begin: bytes) -> bool:
    return _comparable(day, begin) >= _limit(begin)


def _not_after(day: date, end: bytes) -> bool:
    return _comparable(day, end) <= _limit(end)


def _limit(when: bytes) -> tuple[int, ...]:
    parts = (int.from_bytes(when[:2], "big"), when[2], when[3])
    return tuple(part for part in parts if part not in (_OPEN, _OPEN_YEAR))


def _comparable(day: date, when: bytes) -> tuple[int, ...]:
    """Of ``day`` the parts that ``when`` gives, to be compared with them."""
    parts = ((int.from_bytes(when[:2], "big"), day.year), (when[2], day.month), (when[3], day.day))
    return tuple(own for given, own in parts if given not in (_OPEN, _OPEN_YEAR))


def _day(civil: CivilTime) -> date:
    return (_EPOCH + timedelta(microseconds=civil.ns // 1000)).date()
