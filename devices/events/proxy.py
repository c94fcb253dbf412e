"""What a gas proxy learns about its meter.

Must not live here: what the meter does itself.
"""

from __future__ import annotations

from devices.events.base import Code, Event, event

__all__ = ["MirrorUnreadable", "TapSkipped", "TapUnreadable", "Tapped"]


@event("mirror.bad")
class MirrorUnreadable(Event):
    """A report of ``peer`` (EUI-64) cannot be read."""

    peer: bytes
    reason: str


@event("tapped")
class Tapped(Event):
    """The meter carried out a command that passed by, and the proxy did the same."""

    message_code: Code
    counter: int


@event("tap.skipped")
class TapSkipped(Event):
    """A command that passed by was not carried out by the meter, or not wholly, so the proxy does nothing."""

    message_code: Code


@event("tap.bad")
class TapUnreadable(Event):
    """A message that passed by cannot be read."""

    reason: str
