"""Hand-held terminals and displays.

Must not live here: what a hub does with them (``hub``).
"""

from __future__ import annotations

from devices.events.base import Event, event

__all__ = [
    "DisplayUnreadable",
    "HubsFound",
    "JobDone",
    "JobInterrupted",
    "JobSent",
    "JobsLoaded",
    "JobsUnloaded",
    "TerminalConnected",
    "TerminalLost",
    "TerminalUnreadable",
]


@event("hht.loaded")
class JobsLoaded(Event):
    """A work order was loaded: how many ``commands``, and the ``hub`` (EUI-64) it is for, where it names one."""

    commands: int
    hub: bytes | None


@event("hht.unloaded")
class JobsUnloaded(Event):
    """What a terminal had collected was taken out: how many ``messages``, and the commands still in it."""

    messages: int
    commands_left: int


@event("hht.found")
class HubsFound(Event):
    """A scan ended: the ``hubs`` (EUI-64) heard, strongest first, and which of them let devices join."""

    hubs: tuple[bytes, ...]
    joinable: tuple[bool, ...]


@event("hht.connected")
class TerminalConnected(Event):
    """The terminal has a tunnel to ``hub`` (EUI-64)."""

    hub: bytes


@event("hht.lost")
class TerminalLost(Event):
    """The tunnel to ``hub`` (EUI-64) is gone."""

    hub: bytes


@event("hht.sent")
class JobSent(Event):
    """The terminal began to send the command ``name``."""

    name: str
    counter: int


@event("hht.done")
class JobDone(Event):
    """The command ``name`` is over; ``state`` says how."""

    name: str
    state: str
    counter: int


@event("hht.interrupted")
class JobInterrupted(Event):
    """The command ``name`` broke off and can be resumed."""

    name: str
    reason: str
    counter: int


@event("hht.bad")
class TerminalUnreadable(Event):
    """A message came to the terminal that cannot be read or does not belong there."""

    reason: str
    octets: bytes


@event("ihd.bad")
class DisplayUnreadable(Event):
    """A frame came to the display that cannot be read."""

    peer: bytes
    octets: bytes
    reason: str
