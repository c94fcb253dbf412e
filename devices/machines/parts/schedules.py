"""Schedules: requests that come again, one for each period of civil time, none missed and none twice.

A period is known by its number, not by the moment at which it is noticed.  What is due after an outage, or after the
clock went forward, is every period that has ended since; a clock that goes back makes nothing due again.  Periods lie
end to end on the time line, also where a local day has 23 or 25 hours.

Must not live here: what a request is (``transform_service``), timers.

Source: mission SA-6; units and local time are [our choice].
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from devices.machines.core import MachineError
from devices.machines.parts.civil_clock import CivilTime

__all__ = ["Due", "Schedule", "Schedules", "british_offset", "filled"]

_SECOND: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STEADY: Final = {"minute": 60, "half-hour": 1800, "hour": 3600}
_BY_DATE: Final = {"day": 1, "week": 7}
_BY_MONTH: Final = {"month": 1, "quarter": 3, "year": 12}
_MOST: Final = 1000
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_UNITS: Final = (*_STEADY, *_BY_DATE, *_BY_MONTH)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Something that is due at the end of every period.

    The first period begins at ``start`` (ns since 1970, UTC); a period that would end after ``end`` is none any more.
    ``local``: days, weeks, months and years follow British local time.  ``done`` is how many periods were given out.
    ``what`` is the caller's own (JSON types).
    """

    name: str
    start: int
    unit: str = "day"
    every: int = 1
    end: int | None = None
    local: bool = False
    what: Mapping[str, Any] | None = None
    done: int = 0

    def __post_init__(self) -> None:
        if self.unit not in _UNITS or not 1 <= self.every <= _MOST:
            raise MachineError(f"a schedule runs every 1 to {_MOST} {', '.join(_UNITS)}; got {self.every} {self.unit}")
        if not 0 <= self.start < _ns(_LATEST):
            raise MachineError(f"a schedule starts from 1970 to {_LATEST.year}; got {self.start} ns since 1970")
        if self.end is not None and self.end <= self.start:
            raise MachineError("a schedule ends after it starts; give a later end, or none")

    def boundary(self, number: int) -> int:
        """The moment (ns since 1970) at which period ``number`` begins, and the one before it ends."""
        count = number * self.every
        if number == 0 or self.unit in _STEADY:
            return self.start + count * _STEADY.get(self.unit, 0) * _SECOND
        wall = _moment(self.start)
        if self.local:
            wall = wall + british_offset(wall)
        if self.unit in _BY_DATE:
            wall = wall + timedelta(days=count * _BY_DATE[self.unit])
        else:
            wall = _months_later(wall, count * _BY_MONTH[self.unit])
        rest = self.start % 1000  # below what a datetime holds
        return _ns(_as_utc(wall) if self.local else wall) + rest

    @property
    def next(self) -> int | None:
        """When the next period ends; None when the schedule has run out."""
        ends = self.boundary(self.done + 1)
        return None if self.end is not None and ends > self.end else ends


@dataclass(frozen=True, slots=True)
class Due:
    """One period of a schedule that has ended: from ``begin`` up to, and not with, ``end`` (ns since 1970)."""

    schedule: Schedule
    number: int
    begin: int
    end: int


class Schedules:
    """The schedules of one broker, by name."""

    def __init__(self) -> None:
        self._schedules: dict[str, Schedule] = {}

    @property
    def all(self) -> tuple[Schedule, ...]:
        """Every schedule, also those that have run out, in the order in which they were added."""
        return tuple(self._schedules.values())

    @property
    def next(self) -> int | None:
        """When something is due next; None when nothing is."""
        return min((at for schedule in self.all if (at := schedule.next) is not None), default=None)

    def add(self, schedule: Schedule) -> None:
        """Take a schedule in.  Raises :class:`MachineError` for a name that is taken."""
        if schedule.name in self._schedules:
            raise MachineError(
                f"there is a schedule {schedule.name!r} already; remove it first, or choose another name"
            )
        self._schedules[schedule.name] = schedule

    def remove(self, name: str) -> Schedule:
        """Forget a schedule.  Raises :class:`MachineError` where there is none of that name."""
        try:
            return self._schedules.pop(name)
        except KeyError:
            raise MachineError(f"there is no schedule {name!r}; there are {', '.join(self._schedules) or 'none'}")

    def take(self, civil: int, most: int = 1000) -> list[Due]:
        """What is due at the civil time ``civil``, in the order of the ends of its periods, at most ``most`` of them.

        What is given is given once: keep :meth:`as_json` before acting on it.
        """
        taken: list[Due] = []
        while len(taken) < most:
            waiting = [(at, schedule) for schedule in self.all if (at := schedule.next) is not None and at <= civil]
            if not waiting:
                break
            at, schedule = min(waiting, key=lambda pair: pair[0])
            taken.append(Due(schedule, schedule.done, schedule.boundary(schedule.done), at))
            self._schedules[schedule.name] = replace(schedule, done=schedule.done + 1)
        return taken

    def as_json(self) -> list[list[Any]]:
        """JSON types, for what outlives a power cut."""
        return [[s.name, s.start, s.unit, s.every, s.end, s.local, s.what, s.done] for s in self.all]

    def restore(self, saved: list[list[Any]] | None) -> None:
        """Take over what :meth:`as_json` gave."""
        self._schedules = {row[0]: Schedule(*row) for row in saved or ()}


def filled(value: Any, due: Due) -> Any:
    """A scheduled request with the times of its period in the place of their marks.

    The marks are ``{begin}``, ``{end}`` and ``{last}`` (a second before the end), each also as ``{begin:zcl}`` (seconds
    since 2000) and ``{begin:dlms}``.  Raises :class:`MachineError` for another one.
    """
    if isinstance(value, Mapping):
        return {name: filled(element, due) for name, element in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [filled(element, due) for element in value]
    if not isinstance(value, str) or not (value.startswith("{") and value.endswith("}")):
        return value
    name, _, form = value[1:-1].partition(":")
    moments = {"begin": due.begin, "end": due.end, "last": due.end - _SECOND}
    if name not in moments or form not in ("", "zcl", "dlms"):
        raise MachineError(f"expected {{begin}}, {{end}} or {{last}}, with :zcl or :dlms, got {value!r}")
    moment = CivilTime(moments[name])
    return {"": moment.text, "zcl": moment.zcl, "dlms": moment.dlms().hex()}[form]


# -------------------------------------------------------------------------------------------------------- British time


def british_offset(utc: datetime) -> timedelta:
    """Local time less UTC: an hour from 01:00 UTC on the last Sunday of March to that of October.

    The rule in force since 1996, taken for all years.
    """
    begin, end = (_last_sunday(utc.year, month).replace(hour=1) for month in (3, 10))
    return timedelta(hours=1 if begin <= utc < end else 0)


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, 31, tzinfo=UTC)
    return last - timedelta(days=last.isoweekday() % 7)


def _as_utc(wall: datetime) -> datetime:
    """The moment of a local time (held as if it were UTC).

    Of a time that comes twice the first; one that is left out in spring counts as the hour after it.
    """
    summer = wall - timedelta(hours=1)
    return summer if british_offset(summer) else wall


def _months_later(moment: datetime, months: int) -> datetime:
    """The same day some months later; the last day of a month that is too short."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))


def _moment(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1000)


def _ns(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
