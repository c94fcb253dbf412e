"""What a wait looks for, and how it speaks of it.

Must not live here: waiting (``session``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from devices.events import Event as Told
from devices.events import EventError, names
from rig.bus.messages import Event
from rig.keywords.connection import Misused

__all__ = ["Matcher", "nanoseconds", "spoken"]


def nanoseconds(span: timedelta) -> int:
    """A time span in whole nanoseconds.  Raises :class:`Misused` for a negative one."""
    if span < timedelta(0):
        raise Misused(f"a span of time is 0 or more, such as 30 seconds; got {span.total_seconds():g} s")
    return (span.days * 86_400 + span.seconds) * 1_000_000_000 + span.microseconds * 1000


@dataclass(frozen=True, slots=True)
class Matcher:
    """What to wait for: an ``event`` at ``device`` whose JSON fields hold all of ``fields``.

    ``called`` is how a failure names it to people.  Raises ``EventError`` for a field that the event has not.
    """

    event: type[Told]
    device: str
    fields: Mapping[str, Any]
    called: str = ""

    def __post_init__(self) -> None:
        known = names(self.event)
        for name in self.fields:
            if name not in known:
                raise EventError(
                    f"a wait for {self.event.kind}", f"one of {', '.join(sorted(known))}", name, "Correct the field."
                )

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.event.kind, "device": self.device, "fields": dict(self.fields)}

    def fits(self, event: Event) -> bool:
        return (
            event.kind == self.event.kind
            and event.fields.get("device") == self.device
            and all(event.fields.get(key) == value for key, value in self.fields.items())
        )

    def __str__(self) -> str:
        if self.called:
            return self.called
        wanted = ", ".join(f"{key}={value}" for key, value in self.fields.items())
        return f"{self.event.kind} at {self.device}" + (f" with {wanted}" if wanted else "")


def spoken(value: object) -> str:
    """A value in words, for whoever reads why a test failed: never as Python writes it down."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {spoken(item)}" for key, item in value.items()) or "nothing"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(spoken, value)) or "none"
    return value.hex() if isinstance(value, bytes) else str(value)
