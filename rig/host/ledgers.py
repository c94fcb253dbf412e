"""Ledgers of originator counters: what outlives a run.

A counter is on the disk before anybody may use it, and never goes back: a head end that started from 1 in each run
would make a real meter refuse everything for life.

Must not live here: who uses which series; that is the machine's.
"""

from __future__ import annotations

import json
from pathlib import Path

from rig.host.store import StoreError, replace_durably

__all__ = ["FileLedger"]

LARGEST = (1 << 63) - 1  # sequence numbers are ASN.1 INTEGER 0..2^63-1 (facts/gbcs.md 3.5, single source)


class FileLedger:
    """One device's or party's counters, by series, in one file.  Raises :class:`StoreError` on a damaged file."""

    def __init__(self, path: Path, start: int = 1) -> None:
        self._path = path
        self._start = start
        self._next: dict[str, int] = {}
        if path.exists():
            try:
                read = json.loads(path.read_text(encoding="utf-8"))
                self._next = {str(series): int(counter) for series, counter in read.items()}
            except (OSError, ValueError, AttributeError, TypeError) as problem:
                raise StoreError(
                    f"{path}: not a readable ledger ({problem}); never delete it for a real device: "
                    'write the last counters used into it, as {"series": next}'
                )

    def take(self, series: str) -> int:
        """The next counter of ``series``; it is recorded on the disk before it is returned."""
        counter = self.peek(series)
        if counter > LARGEST:
            raise StoreError(f"{self._path}: series {series} is used up; no counter above {LARGEST} exists")
        self._next[series] = counter + 1
        replace_durably(self._path, json.dumps(self._next, sort_keys=True))
        return counter

    def peek(self, series: str) -> int:
        """The counter that :meth:`take` would return, without taking it."""
        return self._next.get(series, self._start)
