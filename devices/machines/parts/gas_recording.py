"""The regular records of a gas meter and of its proxy: half hours, days, billing periods, network samples.

Each device records what its own registers show: the meter those it counts, the proxy those that the meter reported.

Must not live here: timers (the machine), how entries look (``model.gas_records``).

Source: facts/gbcs.md 10.6 (sizes [single source]); facts/use-cases.md (causes); period types as Zigbee Smart Energy 1.2
has them [recalled].
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from devices.machines.parts.gbz_answers import DAILY, DAY
from devices.machines.parts.gbz_steps import number, records
from devices.model import gas_records
from devices.model.zcl_objects import ClusterModel, Entry

__all__ = ["HALF_HOUR", "GasRecorder"]

HALF_HOUR: Final = 1800  # seconds
SUMMATION: Final = (0x0702, 0x0000)
_HALF_HOURS, _DAYS = 0, 1  # Sample IDs
_KEPT = {_HALF_HOURS: 19_056, _DAYS: 731}  # samples
_NETWORK_KEPT = 41
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_UNITS = {0: timedelta(minutes=1), 1: timedelta(days=1), 2: timedelta(weeks=1)}
_MONTHS = 3


class GasRecorder:
    """Writes the records of one device.  What each register showed at its last record outlives a power cut."""

    def __init__(self, clusters: ClusterModel) -> None:
        self.clusters = clusters
        self._last: dict[int, int] = {}

    def as_json(self) -> dict[str, int]:
        """JSON types, for what outlives a power cut."""
        return {str(identifier): value for identifier, value in self._last.items()}

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """Take over what :meth:`as_json` gave."""
        self._last = {int(identifier): int(value) for identifier, value in (saved or {}).items()}

    def begin(self, identifier: int) -> None:
        """Count from what the register shows now, unless this kind of sample is being taken already."""
        self._last.setdefault(identifier, number(self.clusters.get(SUMMATION)))

    def end(self, identifier: int) -> None:
        """No more samples of this kind."""
        self._last.pop(identifier, None)

    def half_hour(self, at: int) -> bool:
        """Record the end of a half hour, and of the day and the billing period where one ends; whether one did.

        ``at`` is in seconds since 2000 UTC, a whole number of half hours.
        """
        self.sample(_HALF_HOURS, at, HALF_HOUR)
        if at % DAY:
            return False
        self.sample(_DAYS, at, DAILY)
        self._snapshots(at, gas_records.DAILY)
        ended = self._billing_ends(at)
        if ended:
            self._snapshots(at, gas_records.BILLING)
        return ended

    def sample(self, identifier: int, at: int, interval: int) -> None:
        """Append what was consumed since the last sample of this kind, which ends at ``at``."""
        total = number(self.clusters.get(SUMMATION))
        used = max(0, total - self._last.get(identifier, total))
        self._last[identifier] = total
        seconds = DAY if interval == DAILY else interval
        held = [e for e in self.clusters.entries("samples") if e.fields["SampleID"] == identifier]
        values = [number(dict(one)["Sample"]) for entry in held for one in records(entry.fields["Samples"])]
        start = number(held[-1].fields["SampleStartTime"]) if values else at - seconds
        gaps = max(0, (at - start) // seconds - 1 - len(values))
        values = [*values, *[0] * gaps, min(used, 0xFFFFFF)]
        over = max(0, len(values) - _KEPT.get(identifier, _NETWORK_KEPT))
        command = gas_records.samples(identifier, start + over * seconds, interval, values[over:])
        self.clusters.keep("samples", Entry(command))

    def _snapshots(self, at: int, cause: int) -> None:
        for store, make in (
            ("snapshots", gas_records.snapshot),
            ("prepayment_snapshots", gas_records.prepayment_snapshot),
        ):
            numbers = [number(entry.fields["Snapshot ID"]) for entry in self.clusters.entries(store)]
            following = (max(numbers) + 1) % (1 << 32) if numbers else 0
            self.clusters.keep(store, Entry(make(self.clusters, following, at, cause)))

    def _billing_ends(self, at: int) -> bool:
        """Whether a billing period ends at ``at``."""
        held = self.clusters.entries("billing_periods")
        if not held:
            return False
        fields = held[-1].fields
        start, length = number(fields["Billing Period Start Time"]), number(fields["Billing Period Duration"])
        unit = number(fields["Billing Period Duration Type"]) & 0x0F
        if at <= start or length == 0:
            return False
        if unit == _MONTHS:
            now, first = _EPOCH + timedelta(seconds=at), _EPOCH + timedelta(seconds=start)
            months = (now.year - first.year) * 12 + now.month - first.month
            return now.day == first.day and months % length == 0
        period = int(_UNITS.get(unit, _UNITS[1]).total_seconds()) * length
        return (at - start) % period < HALF_HOUR
