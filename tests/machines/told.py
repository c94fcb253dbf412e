"""What machines put on the time line, as readers of its JSON see it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from devices.events import fields
from devices.machines.core import Record

__all__ = ["Told", "of_kind", "told"]


class Told(NamedTuple):
    """One event: its kind and its own fields in JSON types."""

    kind: str
    fields: dict[str, Any]


def told(effects: Iterable[object]) -> list[Told]:
    """The events among ``effects``."""
    return [Told(effect.event.kind, fields(effect.event)) for effect in effects if isinstance(effect, Record)]


def of_kind(effects: Iterable[object], kind: str) -> list[dict[str, Any]]:
    """The fields of the events of one kind among ``effects``."""
    return [one.fields for one in told(effects) if one.kind == kind]
