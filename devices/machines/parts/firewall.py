"""The firewall of a hub towards hand-held terminals: what may come in from inter-PAN, and why the rest may not.

Must not live here: whether the window is open (``interpan_window``), whether a message is authentic (the device that
executes it; a hub has no key for that).

Source: the rules in full are unknown, facts/gbcs.md 11 no. 8; the default follows the 2013 design group's text (the
terminal stays outside the network, the hub passes commands), GBCS 0.8.1's way is ``clusters={0x0800}``.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from devices.wire import gbcs
from devices.wire.errors import DecodeError
from devices.wire.gbcs import CRA, Message

__all__ = ["FAULTS", "Firewall", "FirewallSettings"]

OPEN: Final = "firewall-open"
FORWARDS_FOR_UNKNOWN: Final = "forwards-for-unknown"
LEAKS: Final = "leaks-dropped-frames"
FAULTS: Final = frozenset({OPEN, FORWARDS_FOR_UNKNOWN, LEAKS})
"""Deliberate faults of a hub under test, by name."""

TUNNELLING: Final = 0x0704


@dataclass(frozen=True, slots=True)
class FirewallSettings:
    """What may pass from inter-PAN."""

    clusters: frozenset[int] = frozenset({TUNNELLING})  # 0x0800 alone would be GBCS 0.8.1's way [our choice]
    kinds: frozenset[int] = frozenset({CRA.COMMAND})  # a terminal carries commands in, never answers [our choice]


class Firewall:
    """Judges what came in through inter-PAN.  Each judgement is None (may pass) or the reason against it."""

    def __init__(self, settings: FirewallSettings | None = None, faults: frozenset[str] = frozenset()) -> None:
        self.settings = settings or FirewallSettings()
        self._faults = faults

    @property
    def is_open(self) -> bool:
        """Whether everything passes, which is a fault."""
        return OPEN in self._faults

    @property
    def leaks(self) -> bool:
        """Whether what is dropped goes on all the same, which is a fault."""
        return LEAKS in self._faults

    def frame(self, cluster: int) -> str | None:
        """Judge a frame by its cluster."""
        if cluster in self.settings.clusters or self.is_open:
            return None
        return f"cluster 0x{cluster:04X} may not pass"

    def message(self, octets: bytes, known: Container[bytes]) -> tuple[Message | None, str | None]:
        """Judge a whole message; ``known`` holds the hub itself and the devices in its log."""
        try:
            message = gbcs.decode(octets)
        except DecodeError as error:
            return None, f"no GBCS message: {error}"
        if self.is_open:
            return message, None
        if message.cra not in self.settings.kinds:
            return message, f"a terminal may not send a message of kind {message.cra}"
        if message.recipient not in known and FORWARDS_FOR_UNKNOWN not in self._faults:
            return message, f"recipient {message.recipient.hex()} is not in the device log"
        return message, None
