"""The tunnel of a sleepy gas meter: the meter asks with GET, the hub answers with GET-RESPONSE, it sends with PUT.

The meter is the client (it opens the tunnel), the hub the server, which hands out nothing until it is asked.  Each
TransferData carries one piece: a whole message, or one block of a large one.

Must not live here: when the meter wakes (``gsme``), what the hub lets through (``firewall``), the three headers
themselves (``wire.tunnelling``).

Source: facts/gbcs.md 8.3 [3 sources]; that the remaining count counts pieces is [our choice].
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from devices.machines.core import Effect, Send, SendFailed, SetTimer
from devices.machines.parts.tunnel import TunnelClient, TunnelServer, TunnelSettings
from devices.machines.parts.tunnel_end import CLUSTER, DEFAULT_RESPONSE, Link
from devices.wire import tunnelling, zcl
from devices.wire.errors import WireError
from devices.wire.tunnelling import Get, GetResponse, Put, TransferData

__all__ = ["SleepyClient", "SleepyServer"]

_HEADER = 2  # octets of a GET-RESPONSE header; a PUT has one
_MOST_REMAINING = 0xFF


def _with_header(settings: TunnelSettings | None) -> TunnelSettings:
    """The settings with room for the header in each frame."""
    chosen = settings or TunnelSettings()
    return replace(chosen, largest_frame=chosen.largest_frame - _HEADER)


@dataclass(frozen=True, slots=True)
class _HandedOut:
    """A piece that a meter was given and has not confirmed: under which sequence number, and whether it is the last."""

    sequence: int
    piece: bytes
    is_last: bool


def _default_response(port: str, peer: bytes, octets: bytes) -> Send:
    """The answer of success to a frame of the cluster, from its other end."""
    asked = zcl.decode(octets)
    control = zcl.DISABLE_DEFAULT_RESPONSE | (0 if asked.to_client else zcl.TO_CLIENT)
    answer = zcl.Frame(control, asked.sequence, DEFAULT_RESPONSE, bytes((asked.command, 0)))
    return Send(port, peer, zcl.encode(answer), CLUSTER)


class SleepyClient(TunnelClient):
    """The meter's end."""

    def __init__(self, port: str, settings: TunnelSettings | None = None) -> None:
        super().__init__(port, _with_header(settings))

    def ask(self, peer: bytes, now: int) -> list[Effect]:
        """Ask ``peer`` for a message, or for a tunnel to ask through."""
        link = self._link(peer, now)
        if link.tunnel is None:
            return [] if link.asked else self.open(peer, now)
        command = TransferData(link.tunnel, tunnelling.encode_gas(Get()), to_server=True)
        return [self._frame(link, command)]

    def _told_busy(self, link: Link, now: int) -> list[Effect]:  # noqa: ARG002
        """It asks again when it next turns its HAN interface on, not after 3 minutes; what waits goes on waiting
        (facts/gbcs.md 8.3 [spec text, second hand])."""
        link.asked, link.tries = False, 0
        return []

    def _transfer_out(self, link: Link, octets: bytes) -> Send:
        return super()._transfer_out(link, tunnelling.encode_gas(Put(octets)))

    def _transfer(
        self, peer: bytes, command: TransferData, frame: bytes, now: int
    ) -> tuple[list[tuple[bytes, bytes]], list[Effect]]:
        try:
            content = tunnelling.decode_gas(command.octets)
        except WireError as error:
            return [], [self._bad(peer, str(error), frame)]
        if not isinstance(content, GetResponse):
            return [], [self._bad(peer, f"a hub sends GET-RESPONSE, got {type(content).__name__}", frame)]
        messages: list[tuple[bytes, bytes]] = []
        effects: list[Effect] = []
        if content.octets:
            messages, effects = super()._transfer(peer, replace(command, octets=content.octets), frame, now)
        if self.settings.default_responses:
            effects = [_default_response(self.port, peer, frame), *effects]
        if content.remaining:
            effects = [*effects, *self.ask(peer, now)]
        return messages, effects


class SleepyServer(TunnelServer):
    """The hub's end: messages wait until the meter asks."""

    def __init__(self, port: str, settings: TunnelSettings | None = None) -> None:
        super().__init__(port, _with_header(settings))

        self._since: dict[bytes, deque[tuple[int, bytes]]] = {}  # peer to when each message came to wait
        self._expired: list[tuple[bytes, bytes]] = []
        self._handed_out: dict[bytes, _HandedOut] = {}

    def reset(self) -> None:
        """See :meth:`TunnelEnd.reset`."""
        super().reset()
        self._since.clear()
        self._expired.clear()
        self._handed_out.clear()

    def send(self, peer: bytes, message: bytes, now: int) -> list[Effect]:
        """Have a message wait until the meter asks, or until its time is up."""
        waits = self._since.setdefault(peer, deque(maxlen=self.settings.queue_limit))
        waits.append((now, message))
        effects = super().send(peer, message, now)
        return [*effects, SetTimer(self._timer("expire", peer), waits[0][0] + self.settings.unfetched_ns)]

    def take_expired(self) -> list[tuple[bytes, bytes]]:
        """Messages ``(peer, message)`` that were not fetched in time since the last call."""
        expired, self._expired = self._expired, []
        return expired

    def _timed(self, what: str, link: Link, now: int) -> list[Effect]:
        """Drop what waited too long; what has left was fetched."""
        if what != "expire":
            return super()._timed(what, link, now)
        effects: list[Effect] = []
        waits = self._since.get(link.peer, deque())
        while waits and waits[0][0] + self.settings.unfetched_ns <= now:
            _, message = waits.popleft()
            if message == link.current:
                link.current = None
                link.blocks.clear()
                self._handed_out.pop(link.peer, None)
            elif message in link.queue:
                link.queue.remove(message)
            else:
                continue  # it was fetched
            self._expired.append((link.peer, message))
            effects += self._drop(link.peer, message, "the meter did not fetch it in time")
        following = (
            [SetTimer(self._timer("expire", link.peer), waits[0][0] + self.settings.unfetched_ns)] if waits else []
        )
        return [*effects, *following]

    def forget(self, peer: bytes) -> list[Effect]:
        """Drop the tunnel to a meter that is gone, and what waits for it."""
        link = self._links.pop(peer, None)
        self._since.pop(peer, None)
        self._handed_out.pop(peer, None)
        if link is None:
            return []
        waiting = ([] if link.current is None else [link.current]) + list(link.queue)
        return [told for message in waiting for told in self._break(peer, message, "the peer was removed")]

    def _pump(self, link: Link, now: int) -> list[Effect]:  # noqa: ARG002
        """Nothing goes out unasked, so that the tunnel may come up and messages may queue."""
        return []

    def _transfer(
        self, peer: bytes, command: TransferData, frame: bytes, now: int
    ) -> tuple[list[tuple[bytes, bytes]], list[Effect]]:
        try:
            content = tunnelling.decode_gas(command.octets)
        except WireError as error:
            return [], [self._bad(peer, str(error), frame)]
        if isinstance(content, Put):
            messages, effects = super()._transfer(peer, replace(command, octets=content.octets), frame, now)
            return messages, [*self._success(peer, frame), *effects]
        if isinstance(content, GetResponse):
            return [], [self._bad(peer, "a meter sends GET or PUT, got GetResponse", frame)]
        messages, effects = super()._transfer(peer, replace(command, octets=b""), frame, now)
        link = self._links.get(peer)
        if link is None or link.tunnel != command.tunnel:
            return messages, effects  # no such tunnel: the answer says so already
        return [], [*self._success(peer, frame), *self._hand_out(link, now)]

    def _success(self, peer: bytes, frame: bytes) -> list[Effect]:
        return [_default_response(self.port, peer, frame)] if self.settings.default_responses else []

    def _request(self, peer: bytes, command: tunnelling.RequestTunnel, sequence: int, now: int) -> list[Effect]:
        """A new tunnel: what was not confirmed is handed out anew, whole."""
        self._handed_out.pop(peer, None)
        return super()._request(peer, command, sequence, now)

    def _hand_out(self, link: Link, now: int) -> list[Effect]:
        """One piece, and how many more there are; the same once more where it was not confirmed."""
        effects: list[Effect] = []
        while link.current is None and link.queue:
            effects += self._begin(link)
            self._handed_out.pop(link.peer, None)
        if link.current is None:
            return [*effects, self._respond(link, 0, b"", b"", self._next_sequence())]
        message, before = link.current, self._handed_out.get(link.peer)
        piece = link.blocks.popleft() if before is None else before.piece
        given = _HandedOut(self._next_sequence(), piece, not link.blocks)
        self._handed_out[link.peer] = given
        remaining = min(_MOST_REMAINING, len(link.blocks) + len(link.queue))
        effects.append(self._respond(link, remaining, piece, message, given.sequence))
        if not self.settings.default_responses:
            self._gone(link, now)
        return effects

    def failed(self, event: SendFailed, now: int) -> list[Effect]:
        """See :meth:`TunnelEnd.failed`; a piece that was not confirmed is handed out again when the meter asks."""
        flight = self._in_flight.get(event.token) if event.port == self.port else None
        link = self._links.get(flight[0]) if flight else None
        if flight is not None and link is not None and flight[2] == link.current and flight[0] in self._handed_out:
            del self._in_flight[event.token]
            return []
        return super().failed(event, now)

    def _confirmed(self, peer: bytes, frame: zcl.Frame) -> list[Effect]:
        """A Default Response: with success to the last piece that was handed out, that piece is gone."""
        link, given = self._links.get(peer), self._handed_out.get(peer)
        if link is not None and given is not None and frame.sequence == given.sequence and frame.payload[1:] == b"\0":
            self._gone(link, None)
        return []

    def _gone(self, link: Link, now: int | None) -> None:
        given = self._handed_out.pop(link.peer)
        if not given.is_last or link.current is None:
            return
        message, link.current = link.current, None
        if now is not None:
            link.sent.append((now, message))

    def _respond(self, link: Link, remaining: int, piece: bytes, message: bytes, sequence: int) -> Send:
        assert link.tunnel is not None
        octets = tunnelling.encode_gas(GetResponse(remaining, piece))
        command = TransferData(link.tunnel, octets, to_server=self.to_server)
        return self._frame(link, command, message, sequence)
