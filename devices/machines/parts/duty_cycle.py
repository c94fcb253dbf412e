"""How much of the air each Sub GHz device of a hub takes, and what the hub does about one that takes too much.

The share of an hour that a device's frames take is kept minute by minute.  Where it reaches a threshold the hub acts:
from the first threshold on the device is suspended, and what comes for it is discarded, until its share is below that
threshold again.

Must not live here: objects, logs and alerts (``sub_ghz``), the radio.

Source: names of events 0x8F20 to 0x8F25 and the thresholds of the Sub GHz configuration (facts/gbcs.md 6, 8.4;
facts/use-cases.md, DBCH04, DBCH06, DBCH10).  The measure of a share, its unit and the rate of the air are in no source
that was found: settings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

__all__ = ["ABOVE", "BELOW", "DutyCycle", "DutyCycleSettings", "Step"]

ABOVE: Final = (0x8F20, 0x8F22, 0x8F24)
"""Event codes of the steps upwards: limited, critical and regulated action."""
BELOW: Final = (0x8F21, 0x8F23, 0x8F25)
"""Event codes of the share having fallen below the same thresholds."""

_MINUTE: Final = 60_000_000_000
_HOUR: Final = 60 * _MINUTE


@dataclass(frozen=True, slots=True)
class DutyCycleSettings:
    """What no text of the specification was found for."""

    rate_bps: int = 100_000  # of the Sub GHz air [recalled]
    overhead: int = 32  # octets of a frame around the application's own [our choice]
    unit: float = 0.0001  # of an hour: what a threshold of 1 means [our reading: 130 and 220 are published]
    normal_limited: int = 130  # before any configuration came; the published values
    limited_critical: int = 220
    regulated: int = 280  # the last threshold is no part of the configuration [recalled: 2.8 %]

    def __post_init__(self) -> None:
        if self.rate_bps <= 0 or self.unit <= 0:
            raise ValueError(f"rate_bps and unit are more than 0, got {self.rate_bps} and {self.unit}")


class Step(NamedTuple):
    """A device whose share reached a threshold or fell below one: event code and device."""

    code: int
    device: bytes


@dataclass(slots=True)
class _Air:
    """One device: the air that it took, minute by minute, and over how many thresholds that is."""

    minutes: deque[tuple[int, int]] = field(default_factory=deque)  # begin of the minute, ns taken in it
    taken: int = 0
    level: int = 0

    def add(self, now: int, duration: int) -> None:
        begin = now - now % _MINUTE
        if self.minutes and self.minutes[-1][0] == begin:
            self.minutes[-1] = (begin, self.minutes[-1][1] + duration)
        else:
            self.minutes.append((begin, duration))
        self.taken += duration

    def forget(self, now: int) -> None:
        """Let go what is an hour old."""
        while self.minutes and self.minutes[0][0] + _HOUR <= now:
            self.taken -= self.minutes.popleft()[1]


class DutyCycle:
    """The shares of all Sub GHz devices of one hub.  A loss of power forgets them, as a radio does [our choice]."""

    def __init__(self, settings: DutyCycleSettings | None = None) -> None:
        self.settings = settings or DutyCycleSettings()
        self._air: dict[bytes, _Air] = {}

    def suspended(self, device: bytes) -> bool:
        """Whether the device has been told to be silent."""
        air = self._air.get(device)
        return air is not None and air.level > 0

    def share(self, device: bytes, now: int) -> float:
        """The share of the last hour that the device took, from 0 on."""
        air = self._air.get(device)
        if air is None:
            return 0.0
        air.forget(now)
        return air.taken / _HOUR

    def took(self, device: bytes, octets: int, now: int, thresholds: Sequence[int]) -> list[Step]:
        """A frame of so many octets went from or to the device."""
        duration = (octets + self.settings.overhead) * 8 * 1_000_000_000 // self.settings.rate_bps
        self._air.setdefault(device, _Air()).add(now, duration)
        return self._judge(device, now, thresholds)

    def reach(self, now: int, thresholds: Sequence[int]) -> list[Step]:
        """Time has passed: shares fall."""
        return [step for device in self._air for step in self._judge(device, now, thresholds)]

    @property
    def next_due(self) -> int | None:
        """When the share of a device that is over a threshold falls next, on the bench clock."""
        return min((air.minutes[0][0] + _HOUR for air in self._air.values() if air.level and air.minutes), default=None)

    def _judge(self, device: bytes, now: int, thresholds: Sequence[int]) -> list[Step]:
        share, air = self.share(device, now), self._air[device]
        level = 0
        while air.taken and level < len(thresholds) and share >= thresholds[level] * self.settings.unit:
            level += 1  # one that is not reached hides those above it, whatever they are set to
        before, air.level = air.level, level
        steps = [Step(ABOVE[passed], device) for passed in range(before, level)]
        return steps + [Step(BELOW[passed], device) for passed in reversed(range(level, before))]
