"""The regular records of a gas meter and of its proxy: half hours, days, billing periods, network samples.

The meter writes on its own clock what its own registers show.  The proxy writes what follows from the totals that the
meter pushes: a half hour is the difference from the last total that it had.

Must not live here: timers (the machine), how entries look (``model.gas_records``).

Source: facts/gbcs.md 10.6 (sizes [single source]), 10.6.1 (who stores what and when [spec text, second hand]);
facts/use-cases.md (causes); period types as Zigbee Smart Energy 1.2 has them [recalled].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from devices.machines.parts.gas_conduct import MODE, PREPAYING
from devices.machines.parts.gbz_answers import DAILY, DAY
from devices.machines.parts.gbz_steps import number, records
from devices.model import gas_records
from devices.model.zcl_objects import ClusterModel, Entry
from devices.wire.zcl_fields import Command

__all__ = ["HALF_HOUR", "BillingBasis", "GasRecorder"]

HALF_HOUR: Final = 1800  # seconds
SUMMATION: Final = (0x0702, 0x0000)
_HALF_HOURS, _DAYS = 0, 1  # Sample IDs
_KEPT = {_HALF_HOURS: 19_056, _DAYS: 731}  # samples
_NETWORK_KEPT = 41
_NOT_CAPTURED = 0xFFFFFF  # the value of a sample that nobody took, which no consumption is (Zigbee: invalid uint24)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_UNITS = {0: timedelta(minutes=1), 1: timedelta(days=1), 2: timedelta(weeks=1)}
_MONTHS = 3


_BASIS: Final = {
    gas_records.CHANGED_TARIFF: "tariffs",
    gas_records.CHANGED_PRICES: "price_matrices",
    gas_records.CHANGED_BLOCKS: "block_thresholds",
}
"""Cause of a snapshot to the store whose change makes it."""


class BillingBasis:
    """What a bill rests on beside consumption: tariff, prices, blocks, supplier, payment mode.  A change of it makes a
    billing snapshot; ``supplier`` says who that is now."""

    def __init__(self, clusters: ClusterModel, supplier: Callable[[], bytes | None]) -> None:
        self._clusters, self._supplier = clusters, supplier
        self._last = self._now()

    def changed(self) -> int:
        """The causes, as bits, of what changed since the last call; 0 for nothing."""
        before, self._last = self._last, self._now()
        return sum(cause for cause, value in self._last.items() if value != before[cause])

    def _now(self) -> dict[int, object]:
        stored: dict[int, object] = {cause: self._clusters.entries(store)[-1:] for cause, store in _BASIS.items()}
        mode = number(self._clusters.get(MODE)) & PREPAYING
        return stored | {gas_records.CHANGED_SUPPLIER: self._supplier(), gas_records.CHANGED_MODE: mode}


class GasRecorder:
    """Writes the records of one device.  What each register showed at its last record outlives a power cut."""

    def __init__(self, clusters: ClusterModel) -> None:
        self.clusters = clusters
        self._last: dict[int, int] = {}
        self._seen: tuple[int, int] | None = None  # the half hour of the last pushed total, and that total

    def as_json(self) -> dict[str, Any]:
        """JSON types, for what outlives a power cut."""
        seen = {} if self._seen is None else {"seen": list(self._seen)}
        return {str(identifier): value for identifier, value in self._last.items()} | seen

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """Take over what :meth:`as_json` gave."""
        kept = dict(saved or {})
        seen = kept.pop("seen", None)
        self._seen = None if seen is None else (int(seen[0]), int(seen[1]))
        self._last = {int(identifier): int(value) for identifier, value in kept.items()}

    @property
    def heard(self) -> int | None:
        """The proxy: the end of the last half hour that it was told of, seconds since 2000; None for none."""
        return None if self._seen is None else self._seen[0]

    def begin(self, identifier: int) -> None:
        """Count from what the register shows now, unless this kind of sample is being taken already."""
        self._last.setdefault(identifier, number(self.clusters.get(SUMMATION)))

    def end(self, identifier: int) -> None:
        """No more samples of this kind."""
        self._last.pop(identifier, None)

    def half_hour(self, at: int) -> tuple[list[Command], bool]:
        """The meter: record the end of a half hour, and of the day and the billing period where one ends.

        ``at`` is in seconds since 2000 UTC, a whole number of half hours.  Gives the snapshots that were taken, and
        whether a billing period ended.
        """
        self.sample(_HALF_HOURS, at, HALF_HOUR)
        if at % DAY:
            return [], False
        self.sample(_DAYS, at, DAILY)
        taken = self.snapshots(at, gas_records.DAILY)
        ended = self._billing_ends(at)
        if ended:
            taken += self.snapshots(at, gas_records.BILLING)
        return taken, ended

    def pushed(self, at: int, total: int) -> None:
        """The proxy: the meter pushed its total for the half hour that ended ``at``; a second one for it adds nothing.

        The value of a day is the last total of that day less the last total of the day before.
        """
        if self._seen is None:
            self._last |= {_HALF_HOURS: total, _DAYS: total}
        elif at <= self._seen[0]:
            return
        else:
            midnight = at - at % DAY
            if self._seen[0] < midnight:
                self.sample(_DAYS, midnight, DAILY, total if at == midnight else self._seen[1])
            self.sample(_HALF_HOURS, at, HALF_HOUR, total)
        self._seen = (at, total)

    def sample(self, identifier: int, at: int, interval: int, total: int | None = None) -> None:
        """Append what was consumed since the last sample of this kind, which ends at ``at``.

        ``total`` is what the register showed then, left out: what it shows now.
        """
        total = number(self.clusters.get(SUMMATION)) if total is None else total
        used = max(0, total - self._last.get(identifier, total))
        self._last[identifier] = total
        seconds = DAY if interval == DAILY else interval
        held = [e for e in self.clusters.entries("samples") if e.fields["SampleID"] == identifier]
        values = [number(dict(one)["Sample"]) for entry in held for one in records(entry.fields["Samples"])]
        start = number(held[-1].fields["SampleStartTime"]) if values else at - seconds
        gaps = max(0, (at - start) // seconds - 1 - len(values))
        self._keep(identifier, start, interval, [*values, *[_NOT_CAPTURED] * gaps, min(used, _NOT_CAPTURED - 1)])

    def fill(self, told: Command) -> None:
        """The proxy: the meter's own samples, as it answered with them, in place of what the proxy made of totals."""
        identifier, interval = number(told.get("SampleID")), number(told.get("SampleRequestInterval"))
        if (identifier, interval) not in ((_HALF_HOURS, HALF_HOUR), (_DAYS, DAILY)):
            return
        seconds = DAY if interval == DAILY else interval
        held = [e.command for e in self.clusters.entries("samples") if e.fields["SampleID"] == identifier]
        known: dict[int, int] = {}
        for ring in (*held, told):
            start = number(ring.get("SampleStartTime"))
            for place, one in enumerate(records(ring.get("Samples"))):
                value = number(dict(one)["Sample"])
                if value != _NOT_CAPTURED:
                    known[(start + place * seconds) // seconds] = value
        if known:
            last = max(known)
            first = max(min(known), last + 1 - _KEPT[identifier])
            values = [known.get(place, _NOT_CAPTURED) for place in range(first, last + 1)]
            self._keep(identifier, first * seconds, interval, values)

    def _keep(self, identifier: int, start: int, interval: int, values: list[int]) -> None:
        seconds = DAY if interval == DAILY else interval
        over = max(0, len(values) - _KEPT.get(identifier, _NETWORK_KEPT))
        command = gas_records.samples(identifier, start + over * seconds, interval, values[over:])
        self.clusters.keep("samples", Entry(command))

    def snapshots(self, at: int, cause: int) -> list[Command]:
        """Take a snapshot for ``cause``, in prepayment mode one of the prepayment registers as well."""
        makers = {"snapshots": gas_records.snapshot}
        if number(self.clusters.get(MODE)) & PREPAYING:
            makers["prepayment_snapshots"] = gas_records.prepayment_snapshot
        taken = []
        for store, make in makers.items():
            numbers = [number(entry.fields["Snapshot ID"]) for entry in self.clusters.entries(store)]
            following = (max(numbers) + 1) % (1 << 32) if numbers else 0
            taken.append(make(self.clusters, following, at, cause))
            self.clusters.keep(store, Entry(taken[-1]))
        return taken

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
