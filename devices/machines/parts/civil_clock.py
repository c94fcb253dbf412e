"""The clock of a device: civil time counted by its own oscillator, with a status and a memory over outages.

Civil time is an integer: nanoseconds since 1970-01-01T00:00:00Z.  What the bench calls ``now`` is the true time base;
the device's own clock drifts from it by a set number of parts per million and is put right by a clock command.

Must not live here: the COSEM clock object (``model.esme_objects``), who may set the clock.

Source: facts/gbcs.md 1.2 (status octets, seen in gas reads), 5.3, 10.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

__all__ = ["EPOCH_2000", "CivilClock", "CivilTime", "ClockSettings", "ClockStatus", "from_dlms", "from_zcl"]

SECOND = 1_000_000_000
EPOCH_2000 = 946_684_800 * SECOND
"""2000-01-01T00:00:00Z, where ZCL UTCTime and the time stamps of the logs begin."""


class ClockStatus(Enum):
    """What the device itself thinks of its time; the value is the status octet of a COSEM date-time."""

    RELIABLE = 0x00
    UNRELIABLE = 0x02
    INVALID = 0x04


@dataclass(frozen=True, slots=True)
class CivilTime:
    """One instant of civil time as the device knows it: ``ns`` since 1970 UTC."""

    ns: int
    status: ClockStatus = ClockStatus.RELIABLE

    @property
    def zcl(self) -> int:
        """Seconds since 2000-01-01T00:00:00Z, as in ZCL UTCTime and in the logs (never below 0)."""
        return max(0, (self.ns - EPOCH_2000) // SECOND) & 0xFFFFFFFF

    @property
    def text(self) -> str:
        """ISO 8601 with whole seconds, for records and the display."""
        return _datetime(self.ns).strftime("%Y-%m-%dT%H:%M:%SZ")

    def dlms(self, status: int | None = None) -> bytes:
        """The COSEM date-time of 12 octets: day of week and hundredths as the reference data writes them.

        ``status`` is the last octet; None gives ``FF`` (not specified), as in nearly all reference messages.
        """
        moment = _datetime(self.ns)
        last = 0xFF if status is None else status
        date = moment.year.to_bytes(2, "big") + bytes((moment.month, moment.day, 0xFF))
        return date + bytes((moment.hour, moment.minute, moment.second, 0, 0x80, 0, last))


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """What the specification leaves to the device, or to the bench."""

    start_ns: int = 1_446_854_400 * SECOND  # 2015-11-07, inside the life of the published certificates [our choice]
    drift_ppm: float = 0.0  # own oscillator against the bench clock; a real one is good to some tens [our choice]
    keeps_over_outage: bool = True  # a backed-up clock counts through an outage [recalled: make it a setting]
    status_at_start: ClockStatus = ClockStatus.RELIABLE  # set at manufacture [our choice]
    status_after_lost: ClockStatus = ClockStatus.INVALID  # when the backup did not last [our choice]


class CivilClock:
    """Civil time as one device counts it."""

    def __init__(self, settings: ClockSettings | None = None) -> None:
        self.settings = settings or ClockSettings()
        self._base_now = 0
        self._base_ns = self.settings.start_ns
        self.status = self.settings.status_at_start

    def at(self, now: int) -> CivilTime:
        """The civil time that the device believes in at bench time ``now``."""
        passed = now - self._base_now
        return CivilTime(self._base_ns + passed + round(passed * self.settings.drift_ppm / 1e6), self.status)

    def set(self, ns: int, now: int, status: ClockStatus = ClockStatus.RELIABLE) -> None:
        """Put the clock to civil time ``ns`` at ``now``."""
        self._base_now, self._base_ns, self.status = now, ns, status

    def as_json(self, now: int) -> dict[str, Any]:
        """What outlives a power cut, as of ``now``."""
        return {"ns": self.at(now).ns, "status": self.status.name}

    def restore(self, saved: Mapping[str, Any] | None, now: int, away_ns: int | None) -> None:
        """Go on after ``away_ns`` without supply.

        Without a backup (or when it is not known how long: None) the clock goes on from the last time it knew, and says
        in its status that this is not the time.
        """
        if saved is None:
            self.set(self.settings.start_ns, now, self.settings.status_after_lost)
        elif away_ns is None or not self.settings.keeps_over_outage:
            self.set(int(saved["ns"]), now, self.settings.status_after_lost)
        else:
            drift = round(away_ns * self.settings.drift_ppm / 1e6)
            self.set(int(saved["ns"]) + away_ns + drift, now, ClockStatus[saved["status"]])


def from_dlms(octets: bytes) -> int | None:
    """Nanoseconds since 1970 UTC of a COSEM date-time of 12 octets; None when date or time are not specified or absurd.

    The deviation (minutes from local time to UTC) is applied where it is given.
    """
    if len(octets) != 12 or octets[:2] == b"\xff\xff" or 0xFF in (octets[2], octets[3], octets[5], octets[6]):
        return None
    second = 0 if octets[7] == 0xFF else octets[7]
    hundredths = 0 if octets[8] == 0xFF else octets[8]
    deviation = int.from_bytes(octets[9:11], "big", signed=True)
    try:
        year = int.from_bytes(octets[:2], "big")
        moment = datetime(year, octets[2], octets[3], octets[5], octets[6], second, hundredths * 10_000, UTC)
        if deviation != -0x8000:
            moment += timedelta(minutes=deviation)
    except (ValueError, OverflowError):
        return None
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000


def from_zcl(seconds: int) -> int:
    """Nanoseconds since 1970 UTC of a ZCL UTCTime."""
    return EPOCH_2000 + seconds * SECOND


def _datetime(ns: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)
