"""Ledgers of originator counters: what outlives a run.

A counter is on the disk before anybody may use it, and never goes back: a head end that started from 1 in each run
would make a real meter refuse everything for life.

Must not live here: who uses which series; that is the machine's.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig.host.store import StoreError, read_object, replace_durably

__all__ = ["FileLedger"]

LARGEST = (1 << 63) - 1  # sequence numbers are ASN.1 INTEGER 0..2^63-1 (facts/gbcs.md 3.5, single source)
ADVICE = 'never delete it for a real device: write the next counters to be used into it, as {"series": next}'


class FileLedger:
    """One device's or party's counters, by series, in one file (mode 0600); every series begins at ``start``.

    The file is the only memory: it is locked and read again for each counter, so two runs that share it, one after the
    other or at once, never get the same one.  Raises :class:`StoreError` where it is damaged or cannot be written.
    """

    def __init__(self, path: Path, start: int = 1) -> None:
        self._path = path
        self._start = start
        self._read()

    def take(self, series: str) -> int:
        """The next counter of ``series``; it is recorded on the disk before it is returned."""
        with self._locked():
            counters = self._read()
            counter = counters.get(series, self._start)
            if counter > LARGEST:
                raise StoreError(f"{self._path}: series {series} is used up; no counter above {LARGEST} exists")
            replace_durably(self._path, json.dumps({**counters, series: counter + 1}, sort_keys=True))
        return counter

    def peek(self, series: str) -> int:
        """The counter that :meth:`take` would return, without taking it."""
        return self._read().get(series, self._start)

    def _read(self) -> dict[str, int]:
        if not self._path.exists():
            return {}
        counters = read_object(self._path, ADVICE)
        for series, counter in counters.items():
            if isinstance(counter, bool) or not isinstance(counter, int) or counter < 0:
                raise StoreError(f"{self._path}: series {series}: expected a counter, got {counter!r}; {ADVICE}")
        return counters

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else takes a counter meanwhile.  The lock ends with its holder, however that dies."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path.with_name(self._path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as problem:
            raise StoreError(f"{self._path}: no lock ({problem}); correct its folder's owner and mode") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
