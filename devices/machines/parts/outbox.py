"""Whole messages out of a device: through its tunnel or its line, and alerts that wait until there is a way.

Must not live here: what a device tells and whom (``reporting``), how an alert is built (``alerting``).

Source: keeping alerts until there is a way is [our choice].
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from devices.machines.core import Effect, Persist, Send
from devices.machines.parts.tunnel_end import TunnelEnd
from devices.wire import gbcs
from devices.wire.gbcs import CRA

__all__ = ["Outbox"]


class Outbox:
    """The way out of one device.  ``hub`` is whom alerts go to; None: whoever opened a tunnel."""

    def __init__(self, tunnel: TunnelEnd, hub: bytes | None = None, queue_limit: int = 32) -> None:
        self.line_up = False
        self._tunnel, self._hub = tunnel, hub
        self._queue: deque[bytes] = deque(maxlen=queue_limit)

    @property
    def waiting(self) -> tuple[bytes, ...]:
        """The alerts that wait for a way out, oldest first."""
        return tuple(self._queue)

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over waiting alerts from what was saved."""
        self._queue.extend(bytes.fromhex(octets) for octets in saved.get("queue", ()))

    def keep(self, octets: bytes) -> Persist:
        """Have an alert wait for the next :meth:`flush`."""
        self._queue.append(octets)
        return self._saved()

    def send(self, port: str, peer: bytes, octets: bytes, now: int) -> list[Effect]:
        """Send one whole message to ``peer`` the way that ``port`` names."""
        if port == "han":
            return [*self._tunnel.send(peer, octets, now), *self.keep_broken()]
        return [Send(port, peer, octets)]

    def flush(self, now: int) -> list[Effect]:
        """Send what waits, if there is a way to a hub."""
        peers = self._tunnel.peers()
        hub = self._hub if self._hub in peers else next(iter(peers), None)
        if not self._queue or (hub is None and not self.line_up):
            return []
        waiting = tuple(self._queue)
        self._queue.clear()
        effects: list[Effect] = []
        for octets in waiting:
            port = "line" if hub is None else "han"
            effects += self.send(port, hub or self._hub or gbcs.decode(octets).recipient, octets, now)
        return [*effects, self._saved()]

    def keep_broken(self) -> list[Effect]:
        """Alerts that did not get through wait for the next tunnel; a response is the asker's to ask for again."""
        broken = [octets for _, octets in self._tunnel.take_broken() if gbcs.decode(octets).cra == CRA.ALERT]
        self._queue.extend(broken)
        return [self._saved()] if broken else []

    def _saved(self) -> Persist:
        return Persist("queue", [octets.hex() for octets in self._queue])
