"""Messages that could not leave wait for the way to come back, over power losses too, in the order they were given.

Must not live here: what a message says, for how long somebody waits for an answer.

Source: mission DG-1 (queued); [our choice] in form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devices.machines.core import Effect, Persist, Send, SendFailed

__all__ = ["Postbox"]

_KEY = "postbox"


class Postbox:
    """The outgoing messages of one machine.  At most ``in_flight`` of those that left are remembered in case word comes
    that they did not get through."""

    def __init__(self, in_flight: int = 256) -> None:
        self._limit = in_flight
        self._sent: dict[int, Send] = {}
        self._waiting: list[Send] = []
        self._token = 0

    @property
    def waiting(self) -> tuple[Send, ...]:
        """What waits, oldest first."""
        return tuple(self._waiting)

    def send(self, port: str, peer: bytes, octets: bytes) -> list[Effect]:
        """Send a message now, or have it wait behind those for the same peer that wait already."""
        message = Send(port, peer, octets)
        if any((one.port, one.peer) == (port, peer) for one in self._waiting):
            self._waiting.append(message)
            return [self._kept()]
        return [self._leave(message)]

    def failed(self, event: SendFailed) -> list[Effect]:
        """Take word that a message did not get through: it waits, before all that were given after it."""
        message = self._sent.pop(event.token, None)
        if message is None:
            return []
        same = [i for i, one in enumerate(self._waiting) if (one.port, one.peer) == (message.port, message.peer)]
        older = [i for i in same if self._waiting[i].token in range(1, event.token)]
        place = older[-1] + 1 if older else (same[0] if same else len(self._waiting))
        self._waiting.insert(place, Send(message.port, message.peer, message.octets, token=event.token))
        return [self._kept()]

    def open(self, port: str, peer: bytes | None = None) -> list[Effect]:
        """The way through ``port`` (to ``peer``, or to everybody) is there again: send what waits for it."""
        free = [one for one in self._waiting if one.port == port and peer in (None, one.peer)]
        if not free:
            return []
        self._waiting = [one for one in self._waiting if one not in free]
        return [self._kept(), *(self._leave(one) for one in free)]

    def drop(self, port: str, unwanted: Callable[[bytes], bool]) -> list[Effect]:
        """Forget what waits for ``port`` and is wanted no more."""
        left = [one for one in self._waiting if one.port != port or not unwanted(one.octets)]
        if len(left) == len(self._waiting):
            return []
        self._waiting = left
        return [self._kept()]

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what waited when the power went."""
        rows = saved.get(_KEY, ())
        self._sent.clear()
        self._waiting = [Send(port, bytes.fromhex(peer), bytes.fromhex(octets)) for port, peer, octets in rows]

    def _leave(self, message: Send) -> Send:
        self._token += 1
        sent = Send(message.port, message.peer, message.octets, token=self._token)
        self._sent[self._token] = sent
        while len(self._sent) > self._limit:
            del self._sent[next(iter(self._sent))]
        return sent

    def _kept(self) -> Persist:
        return Persist(_KEY, [[one.port, one.peer.hex(), one.octets.hex()] for one in self._waiting])
