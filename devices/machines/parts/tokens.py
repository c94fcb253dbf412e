"""Prepayment tokens as any meter takes them: digits, counter, MAC, the cache of counters used.

Must not live here: what a token's value does to balances (the conduct of each kind of meter), the digits and the MAC
themselves (``wire.utrn``, ``trust``).

Source: facts/gbcs.md 7 (token: [verified by running]; cache and counter: 11 no. 3 and 4, settings).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from devices.model.credentials import CredentialCells, Usage
from devices.model.roles import Role
from devices.trust.errors import TrustError
from devices.trust.keystore import KeyStore, agreement_key
from devices.trust.utrn_mac import utrn_mac_valid
from devices.wire import utrn
from devices.wire.errors import WireError
from devices.wire.utrn import Ptut, ValueClass

__all__ = ["DUPLICATE", "NOT_AUTHENTIC", "NOT_FOR_US", "TokenRefused", "TokenSettings", "Tokens"]

NOT_AUTHENTIC, NOT_FOR_US, DUPLICATE = 0x8F63, 0x8F64, 0x8F51
_PENCE_IN_POUND = 100


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """What no text of the specification was found for."""

    cache_size: int = 100  # counters of accepted tokens that are remembered, facts/gbcs.md 11 no. 4
    below_lowest_refused: bool = True  # a counter below every remembered one is refused once the cache is full
    per_penny: int = 1000  # units of a balance in a penny; fits the amounts of published messages


class TokenRefused(Exception):
    """A token that is not accepted; ``event`` is the code of why."""

    def __init__(self, event: int, reason: str) -> None:
        super().__init__(reason)
        self.event, self.reason = event, reason


class Tokens:
    """The tokens of one meter: judged, and remembered once used."""

    def __init__(
        self, identity: bytes, keys: KeyStore, cells: CredentialCells, settings: TokenSettings | None = None
    ) -> None:
        self.identity, self.keys, self.cells = identity, keys, cells
        self.settings = settings or TokenSettings()
        self._used: list[int] = []

    @property
    def used(self) -> tuple[int, ...]:
        """The counters that are remembered, lowest first: what outlives a power cut."""
        return tuple(self._used)

    def restore(self, used: Iterable[int]) -> None:
        """Take over what :attr:`used` gave."""
        self._used = sorted(used)

    def judge(self, digits: str, commanded: int) -> tuple[int, int]:
        """The value of a token (in units of a balance) and its counter.  Raises :class:`TokenRefused`.

        ``commanded`` is the originator counter of the command that carried it.  Nothing is changed.
        """
        try:
            token = utrn.decode(digits)
            whole = ValueClass(token.value_class) is ValueClass.WHOLE
        except (WireError, ValueError) as error:
            raise TokenRefused(NOT_FOR_US, str(error)) from None
        counter = self._counter_of(token, commanded)
        self._authenticate(token, counter)
        if counter in self._used:
            raise TokenRefused(DUPLICATE, f"the token with counter {counter:#x} was used before")
        full = len(self._used) >= self.settings.cache_size
        if self.settings.below_lowest_refused and full and counter < self._used[0]:
            raise TokenRefused(DUPLICATE, f"counter {counter:#x} is below all that are remembered")
        return token.value * self.settings.per_penny * (_PENCE_IN_POUND if whole else 1), counter

    def remember(self, counter: int) -> None:
        """The token with ``counter`` is used."""
        self._used = sorted((*self._used, counter))[-self.settings.cache_size :]

    def _counter_of(self, token: Ptut, commanded: int) -> int:
        """All 64 bits: the command's own where they fit, else those nearest to the highest accepted (11 no. 3)."""
        if not commanded & 0xFFFFFFFF and (commanded >> 32) & 0x3FF == token.truncated_counter:
            return commanded
        highest = max(self._used, default=0) >> 32
        base = highest & ~0x3FF | token.truncated_counter
        near = (n for n in (base - 0x400, base, base + 0x400) if 0 <= n < 1 << 32)
        return min(near, key=lambda n: abs(n - highest)) << 32

    def _authenticate(self, token: Ptut, counter: int) -> None:
        cell = self.cells.get(Role.SUPPLIER, Usage.KEY_AGREEMENT, prepayment=True)
        if cell is None:
            raise TokenRefused(NOT_AUTHENTIC, "the meter holds no top-up key of a supplier")
        try:
            z = self.keys.agree(agreement_key(self.identity), cell.public)
        except TrustError as error:
            raise TokenRefused(NOT_AUTHENTIC, str(error)) from None
        if not utrn_mac_valid(z, cell.party, self.identity, counter, token.number):
            raise TokenRefused(NOT_AUTHENTIC, "the MAC in the token is not that of the supplier for this meter")
