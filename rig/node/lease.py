"""The lease on a bench: who may command it, for how long, and what happens when nobody renews.

It runs on the node's real monotonic clock (given), never on the bench clock; a renewal counts from its arrival.
architecture.md, 'Safety and loss'.

Must not live here: the bus.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Lease", "LeaseHeld"]


class LeaseHeld(Exception):
    """Somebody else holds the bench: ``holder``, for ``remaining_s`` more seconds if unrenewed."""

    def __init__(self, holder: str, remaining_s: float) -> None:
        super().__init__(f"the bench is held by {holder!r} for {remaining_s:.1f} s more")
        self.holder, self.remaining_s = holder, remaining_s


@dataclass(frozen=True, slots=True)
class _Grant:
    holder: str
    token: str
    ttl_ns: int
    until_ns: int


class Lease:
    """At most one holder at a time.  Safe to use from any thread; ``on_expired`` is called by :meth:`check` and
    :meth:`release` alone, on their thread.

    ``clock`` gives monotonic nanoseconds.  ``on_expired()`` must bring the outputs to their safe level; it is called
    exactly once for each grant that ends, by expiry or by release.
    """

    def __init__(self, clock: Callable[[], int], on_expired: Callable[[], None]) -> None:
        self._clock, self._on_expired = clock, on_expired
        self._grant: _Grant | None = None
        self._lock = threading.Lock()

    @property
    def holder(self) -> str:
        """The name of who holds it, or nothing."""
        grant = self._grant
        return grant.holder if grant is not None else ""

    def claim(self, holder: str, token: str, ttl_s: float, arrived_ns: int | None = None) -> bool:
        """Take the lease, or renew it with the same token.  True when it is a new one.  Raises :class:`LeaseHeld`.

        A lease that ran out but whose end was not dealt with yet is ended first.
        """
        self.check()
        arrived = self._clock() if arrived_ns is None else arrived_ns
        ttl = round(ttl_s * 1e9)
        with self._lock:
            grant = self._grant
            if grant is not None and grant.token != token:
                raise LeaseHeld(grant.holder, max(0, grant.until_ns - self._clock()) / 1e9)
            self._grant = _Grant(holder, token, ttl, arrived + ttl)
            return grant is None

    def renew(self, token: str, arrived_ns: int) -> bool:
        """Prolong it by its own length, counted from ``arrived_ns``.  A lease that ran out is not revived."""
        with self._lock:
            grant = self._grant
            if grant is None or grant.token != token or arrived_ns >= grant.until_ns:
                return False
            until = max(grant.until_ns, arrived_ns + grant.ttl_ns)
            self._grant = _Grant(grant.holder, token, grant.ttl_ns, until)
            return True

    def against(self, token: str) -> LeaseHeld | None:
        """Who else holds the lease now, so that a claim with ``token`` is refused; None where it is granted."""
        grant, now = self._grant, self._clock()
        if grant is None or grant.token == token or now >= grant.until_ns:
            return None
        return LeaseHeld(grant.holder, (grant.until_ns - now) / 1e9)

    def valid(self, token: str) -> bool:
        """Whether ``token`` is that of the present holder and has not run out."""
        grant = self._grant
        return grant is not None and grant.token == token and self._clock() < grant.until_ns

    def remaining_s(self) -> float | None:
        """Seconds until it runs out; None when nobody holds it."""
        grant = self._grant
        return None if grant is None else max(0, grant.until_ns - self._clock()) / 1e9

    def check(self) -> bool:
        """End the lease if it ran out.  True when this call ended it."""
        with self._lock:
            if self._grant is None or self._clock() < self._grant.until_ns:
                return False
            self._grant = None
        self._on_expired()
        return True

    def release(self, token: str) -> bool:
        """Give it back.  True when ``token`` held it."""
        with self._lock:
            if self._grant is None or self._grant.token != token:
                return False
            self._grant = None
        self._on_expired()
        return True
