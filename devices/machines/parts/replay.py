"""Protection against replay: the highest originator counter accepted from each remote party, kept over power cuts.

Must not live here: which messages are protected (the use-case table), what a refusal leads to (``commands``).

Source: facts/gbcs.md 3.5 and 11 no. 1 [recalled: make it a setting].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.model.roles import Role

__all__ = ["ReplayFloors", "ReplaySettings", "Series"]


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """The rule, where no text of it was found (facts/gbcs.md 11 no. 1)."""

    reads_take_any: bool = True  # commands that the table marks unprotected accept every counter
    unknown_is_protected: bool = True  # commands of which no source says: the safe side
    per_role: bool = True  # one floor for each role that a party plays; False: one for each party
    prepayment_apart: bool = True  # top-ups count in a series of their own
    initial: Mapping[Role, int] = field(default_factory=dict)  # floors with which the device left manufacture; else 0


@dataclass(frozen=True, slots=True)
class Series:
    """One row of counters: those of ``party`` acting in ``role``."""

    party: bytes
    role: Role
    prepayment: bool = False


class ReplayFloors:
    """The floors of one device."""

    def __init__(self, settings: ReplaySettings | None = None) -> None:
        self.settings = settings or ReplaySettings()
        self._floors: dict[str, int] = {}

    def protects(self, replay_protected: bool | None) -> bool:
        """Whether a use case so marked is held against the floors."""
        if replay_protected is None:
            return self.settings.unknown_is_protected
        return replay_protected or not self.settings.reads_take_any

    def floor(self, series: Series) -> int:
        """The highest counter accepted so far; a new one must be greater."""
        return self._floors.get(self._key(series), self.settings.initial.get(series.role, 0))

    def accepts(self, series: Series, counter: int) -> bool:
        """Whether ``counter`` is strictly greater than the floor."""
        return counter > self.floor(series)

    def record(self, series: Series, counter: int) -> None:
        """Raise the floor to ``counter``; it never falls."""
        self._floors[self._key(series)] = max(counter, self.floor(series))

    def begin(self, series: Series, floor: int) -> None:
        """Let the series of a party that is new in its role begin at ``floor``."""
        self._floors[self._key(series)] = floor

    def as_json(self) -> dict[str, int]:
        """JSON types, for what outlives a power cut."""
        return dict(self._floors)

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """Take over what :meth:`as_json` gave; None puts back the floors of manufacture."""
        self._floors = {key: int(value) for key, value in (saved or {}).items()}

    def _key(self, series: Series) -> str:
        parts = [series.party.hex()]
        if self.settings.per_role:
            parts.append(series.role.label)
        if series.prepayment and self.settings.prepayment_apart:
            parts.append("prepayment")
        return "/".join(parts)
