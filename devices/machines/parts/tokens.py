"""Prepayment tokens as any meter takes them: digits, counter, MAC, the cache of counters used.

Must not live here: what a token's value does to balances (the conduct of each kind of meter), the digits and the MAC
themselves (``wire.utrn``, ``trust``).

Source: facts/gbcs.md 7 (token: [verified by running]); 7.1 (the counter of a typed token: [page seen], its example
[verified by running]); 7.2 (cache of 100, circular: [specification text, second hand]).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from devices.model.credentials import CredentialCells, Usage
from devices.model.roles import Role
from devices.trust.errors import TrustError
from devices.trust.keystore import KeyStore, agreement_key
from devices.trust.utrn_mac import utrn_mac_valid
from devices.wire import utrn
from devices.wire.errors import WireError
from devices.wire.utrn import Ptut, ValueClass

__all__ = [
    "DUPLICATE",
    "NOT_AUTHENTIC",
    "NOT_FOR_US",
    "CacheDrop",
    "TokenRefused",
    "TokenSettings",
    "Tokens",
    "rebuilt",
    "rebuilt_number",
]

NOT_AUTHENTIC, NOT_FOR_US, DUPLICATE = 0x8F63, 0x8F64, 0x8F51
_PENCE_IN_POUND = 100
_BLOCK: Final = 1 << 10  # numbers that the ten bits of a token tell apart
_NUMBERS: Final = 1 << 32


def rebuilt_number(highest: int, truncated: int) -> int:
    """The number of a token (its originator counter >> 32) from its ten bits and the highest number accepted so far.

    The ten bits are read in the block of 1,024 of ``highest``, one block lower where they lie more than 512 above it,
    one higher where they lie more than 512 below it: at a distance of exactly 512 the own block counts (facts/gbcs.md
    7.1 [page seen]).  The result never leaves 0 to 2^32 - 1: no text says what a meter does at the ends [our choice].
    """
    place = highest % _BLOCK
    number = highest - place + truncated
    if truncated > place + _BLOCK // 2 and number >= _BLOCK:
        return number - _BLOCK
    if truncated < place - _BLOCK // 2 and number + _BLOCK < _NUMBERS:
        return number + _BLOCK
    return number


def rebuilt(highest: int, truncated: int) -> int:
    """As :func:`rebuilt_number`, for and with whole originator counters, whose low 32 bits are zero."""
    return rebuilt_number(highest >> 32, truncated) << 32


class CacheDrop(Enum):
    """Which counter goes when the cache is full."""

    OLDEST_ENTERED = "oldest-entered"
    LOWEST = "lowest"


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """What a meter remembers of the tokens that it took."""

    cache_size: int = 100  # counters of accepted tokens that are remembered, facts/gbcs.md 7.2 [spec text, second hand]
    cache_drop: CacheDrop = CacheDrop.OLDEST_ENTERED  # a circular buffer, facts/gbcs.md 7.2 [spec text, second hand]
    below_lowest_refused: bool = True  # below every remembered one, once the cache is full [recalled], gbcs.md 7.2
    # Whether a good token that was refused for its amount is used up.  The text looks it up before the amounts are
    # checked and adds it "only if absent", facts/gbcs.md 7.2, which can be read both ways; False: it may come again
    # when there is room for it [our reading].
    refused_for_amount_is_used: bool = False
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
        """The counters that are remembered, the oldest entered first: what outlives a power cut."""
        return tuple(self._used)

    def restore(self, used: Iterable[int]) -> None:
        """Take over what :attr:`used` gave."""
        self._used = list(used)

    def judge(self, digits: str, commanded: int | None = None) -> tuple[int, int]:
        """The value of a token (in units of a balance) and its counter.  Raises :class:`TokenRefused`.

        ``commanded`` is the originator counter of the CS01a or CS01b that carried it, and the token's own; None for a
        token that was typed or came from a PPMID, whose counter is rebuilt (facts/gbcs.md 7.1).  Nothing is changed.
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
        if self.settings.below_lowest_refused and full and counter < min(self._used):
            raise TokenRefused(DUPLICATE, f"counter {counter:#x} is below all that are remembered")
        return token.value * self.settings.per_penny * (_PENCE_IN_POUND if whole else 1), counter

    def remember(self, counter: int) -> None:
        """The token with ``counter`` is used."""
        self._used.append(counter)
        while len(self._used) > self.settings.cache_size:
            oldest = self.settings.cache_drop is CacheDrop.OLDEST_ENTERED
            self._used.remove(self._used[0] if oldest else min(self._used))

    def refused_for_amount(self, counter: int) -> None:
        """The token with ``counter`` is good, and its amount is too much."""
        if self.settings.refused_for_amount_is_used:
            self.remember(counter)

    def _counter_of(self, token: Ptut, commanded: int | None) -> int:
        """All 64 bits.  A command's counter that contradicts the bits in the token is not the one it was made with."""
        if commanded is None:
            return rebuilt(max(self._used, default=0), token.truncated_counter)
        if commanded & 0xFFFFFFFF or (commanded >> 32) % _BLOCK != token.truncated_counter:
            raise TokenRefused(NOT_AUTHENTIC, f"the token does not belong to the command's counter {commanded:#x}")
        return commanded

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
