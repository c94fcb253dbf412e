"""Ledgers of originator counters: a number is taken once, recorded before it is used, and never given again.

The ledger belongs to the device or party, not to the run: a head-end that counts from 1 again is refused by a real
meter for life.  Durable ledgers (files, databases) do I/O and live in ``rig``; the protocol and the one in memory are
here.
"""

from __future__ import annotations

from typing import Protocol

from devices.trust.errors import TrustError

__all__ = ["Ledger", "MemoryLedger"]

_LARGEST = 2**63 - 1
# Sequence numbers are ASN.1 INTEGER 0..9223372036854775807 (facts/gbcs.md 3.5 [single source: GBCS081]).


class Ledger(Protocol):
    """The counters of one device or party; a ``series`` is one row of numbers, e.g. ``"commands"`` or ``"top-up"``."""

    def take(self, series: str) -> int:
        """The next originator counter of that series, recorded as used before it is returned."""
        ...

    def peek(self, series: str) -> int:
        """What the next :meth:`take` would return, without taking it."""
        ...


class MemoryLedger:
    """A ledger that lives as long as its process: every series begins at ``start``."""

    def __init__(self, start: int = 1) -> None:
        self._start = self._checked(start)
        self._next: dict[str, int] = {}

    def take(self, series: str) -> int:
        """The next number of ``series``.  Raises :class:`TrustError` when the series is used up."""
        number = self._checked(self.peek(series))
        self._next[series] = number + 1
        return number

    def peek(self, series: str) -> int:
        """The number that the next :meth:`take` of ``series`` returns."""
        return self._next.get(series, self._start)

    def advance(self, series: str, beyond: int) -> None:
        """Never give a number of ``series`` up to and including ``beyond``; a ledger is never wound back."""
        self._next[series] = max(self.peek(series), self._checked(beyond) + 1)

    @staticmethod
    def _checked(number: int) -> int:
        if not 0 <= number <= _LARGEST:
            raise TrustError(f"an originator counter lies between 0 and {_LARGEST}, got {number}")
        return number
