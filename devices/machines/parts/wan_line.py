"""A hub's way out to the WAN: messages leave while it is up and wait while it is away.

Must not live here: which messages go to the WAN (``comms_hub``), the window that opens while it is away.

Source: that messages wait is [our choice]; no source says what a hub does with them.
"""

from __future__ import annotations

from collections import deque

from devices.events.hub import HubDropped, HubQueued
from devices.machines.core import Effect, Record, Send
from devices.wire import gbcs

__all__ = ["WAN", "WanLine"]

WAN = "wan"


class WanLine:
    """The line of one hub; ``limit`` messages wait, the oldest goes first.  ``up`` is a fact of the port, not of the
    hub's memory."""

    def __init__(self, limit: int, *, up: bool) -> None:
        self.up, self._limit = up, limit
        self._waiting: deque[bytes] = deque()

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

    def send(self, octets: bytes) -> list[Effect]:
        """Send a whole message, or have it wait."""
        if self.up:
            return [Send(WAN, gbcs.decode(octets).recipient, octets)]
        effects: list[Effect] = []
        if len(self._waiting) >= self._limit:
            effects.append(Record(HubDropped(port=WAN, octets=self._waiting.popleft())))
        self._waiting.append(octets)
        return [*effects, Record(HubQueued(port=WAN, waiting=len(self._waiting)))]

    def changed(self, *, up: bool) -> list[Effect]:
        """The port says that the WAN is there, or is away."""
        self.up = up
        return self._flush() if up else []

    def reset(self) -> None:
        """Power is lost: what waited is gone."""
        self._waiting.clear()

    def _flush(self) -> list[Effect]:
        """Send what waited, oldest first."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return [effect for octets in waiting for effect in self.send(octets)]
