"""The ZigBee tunnel (cluster 0x0704) that carries GBCS messages over the HAN and over inter-PAN, both of its ends.

A machine owns one end a port: :class:`TunnelServer` (meters; the hub towards terminals) or :class:`TunnelClient` (the
hub towards meters; a terminal).  It hands over what its port received and gets whole GBCS messages back; it hands over
whole messages and gets effects.  What does not fit one frame travels as general-block-transfer blocks, one
TransferData each.

Every whole message that leaves or arrives is one ``gbcs.tx`` or ``gbcs.rx`` record: the machine's own count.

Must not live here: what a message means, who may send it (see ``firewall``), the GET/PUT header of a sleepy gas meter.

Source: facts/gbcs.md 8.3 [3 sources], 1.5 [2 sources], 11 no. 11 and 12 [our choice]; facts/radio.md 11.1 [verified].
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from devices.machines.core import Effect, Received, Record, Send, SendFailed, SetTimer, StopTimer
from devices.wire import axdr, gbt, tunnelling, zcl
from devices.wire.errors import WireError
from devices.wire.tunnelling import TransferStatus, TunnelStatus

__all__ = ["CLUSTER", "INTERPAN", "TunnelClient", "TunnelServer", "TunnelSettings"]

CLUSTER: Final = 0x0704
SECOND: Final = 1_000_000_000

_TRANSFER_OVERHEAD: Final = 5  # ZCL header 3, tunnel id 2
_DEFAULT_RESPONSE: Final = 0x0B  # of all clusters: a stack may answer each frame with it, and it says nothing new


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """What a tunnel end keeps to.  Octets and nanoseconds."""

    protocol: int = 6  # GB-HRGP, facts/gbcs.md 8.3 [3 sources]
    manufacturer: int = 0xFFFF  # facts/gbcs.md 8.3 [3 sources]
    max_transfer: int = 1500  # largest TransferData payload taken, facts/gbcs.md 8.3 [3 sources]
    largest_frame: int = 255  # largest ZCL frame the radio carries; an XBee takes 255 (facts/radio.md 1 no. 8)
    block_size: int = (
        180  # block data of one GBT block [our choice]; read whole by a stock dissector (facts/gbcs.md 3.9)
    )
    block_interval_ns: int = 10_000_000  # pause between two blocks, so that a broken link stops the rest [our choice]
    busy_retry_ns: int = 180 * SECOND  # after TunnelStatus busy, facts/gbcs.md 8.3 [3 sources]
    answer_timeout_ns: int = 5 * SECOND  # how long a RequestTunnel may stay unanswered [our choice]
    request_tries: int = 3  # RequestTunnels sent before the peer counts as unreachable [our choice]
    renew_after_ns: int = 0xFFFF * SECOND  # a new RequestTunnel this long after the last answer, facts/gbcs.md 8.3
    max_tunnels: int = 8  # tunnels a server keeps [our choice]
    queue_limit: int = 32  # messages that wait for one peer; the oldest goes first [our choice]
    largest_message: int = 24_000  # longest GBCS message taken for sending [our choice]

    def __post_init__(self) -> None:
        needed = _framed(self.block_size)
        if self.block_size < 1 or needed > self.largest_frame:
            raise ValueError(
                f"tunnel settings: a block of {self.block_size} octets needs a frame of {needed}, the radio carries "
                f"{self.largest_frame}; set block_size to at most {self.largest_frame - needed + self.block_size}"
            )


def _framed(block_size: int) -> int:
    """Octets of the ZCL frame that carries a block: data, GBT and routing headers (facts/gbcs.md 1.5), ZCL header."""
    body = 11 + len(axdr.encode_length(block_size)) + block_size
    return _TRANSFER_OVERHEAD + 34 + len(axdr.encode_length(body)) + body


INTERPAN: Final = TunnelSettings(largest_frame=95, block_size=40)
"""For inter-PAN: 95 octets of ZCL fit one MAC frame (facts/radio.md 8.1 [verified])."""


@dataclass(slots=True)
class _Link:
    """What one end knows about one peer."""

    peer: bytes
    tunnel: int | None = None  # the tunnel id, None while there is none
    asked: bool = False  # client: a RequestTunnel is out, or waits for its retry
    tries: int = 0
    peer_max: int = 0  # largest TransferData payload the peer takes
    queue: deque[bytes] = field(default_factory=deque)
    current: bytes | None = None  # the message whose blocks are going out
    blocks: deque[bytes] = field(default_factory=deque)
    serial: int = 0  # numbers the messages sent, so that a broken one is reported once
    sent: deque[tuple[int, bytes]] = field(default_factory=deque)  # lately sent whole, to repeat after "no such tunnel"
    reassembler: gbt.Reassembler = field(default_factory=gbt.Reassembler)
    touched: int = 0


class _End:
    """What both ends share: frames in, whole messages out; whole messages in, frames out."""

    to_server: bool

    def __init__(self, port: str, settings: TunnelSettings | None = None) -> None:
        self.port = port
        self.settings = settings or TunnelSettings()
        self._links: dict[bytes, _Link] = {}
        self._sequence = 0
        self._token = 0
        self._in_flight: dict[int, tuple[bytes, int, bytes]] = {}  # token -> peer, serial, message (b"" = management)
        self._broken: deque[tuple[bytes, bytes]] = deque(maxlen=self.settings.queue_limit)

    # ------------------------------------------------------------------------------------------------- the owner's side

    def is_open(self, peer: bytes) -> bool:
        """Whether a tunnel to ``peer`` is up."""
        link = self._links.get(peer)
        return link is not None and link.tunnel is not None

    def waiting(self, peer: bytes) -> int:
        """How many messages wait for ``peer``, the one in transfer included."""
        link = self._links.get(peer)
        return 0 if link is None else len(link.queue) + (link.current is not None)

    def peers(self) -> tuple[bytes, ...]:
        """Peers with an open tunnel."""
        return tuple(peer for peer in self._links if self.is_open(peer))

    def reset(self) -> None:
        """Forget every tunnel and everything that waits: power loss, or the window closed."""
        self._links.clear()
        self._in_flight.clear()
        self._broken.clear()

    def take_broken(self) -> list[tuple[bytes, bytes]]:
        """Messages ``(peer, message)`` that did not get through whole since the last call; at most ``queue_limit``."""
        broken = list(self._broken)
        self._broken.clear()
        return broken

    def send(self, peer: bytes, message: bytes, now: int) -> list[Effect]:
        """Send one whole GBCS message, or queue it until the tunnel is up."""
        if len(message) > self.settings.largest_message:
            return self._drop(peer, message, f"longer than {self.settings.largest_message} octets")
        link = self._link(peer, now)
        effects: list[Effect] = []
        if len(link.queue) >= self.settings.queue_limit:
            effects += self._drop(peer, link.queue.popleft(), f"more than {self.settings.queue_limit} messages wait")
        link.queue.append(message)
        return effects + self._ready(link, now)

    def receive(self, event: Received, now: int) -> tuple[list[tuple[bytes, bytes]], list[Effect]]:
        """Take one ZCL frame of the tunnelling cluster: whole messages ``(peer, message)`` and what is to be done."""
        try:
            frame = zcl.decode(event.octets)
            if not frame.cluster_specific and frame.command == _DEFAULT_RESPONSE:
                return [], []
            command = tunnelling.decode(frame)
        except WireError as error:
            return [], [self._bad(event.peer, str(error), event.octets)]
        if isinstance(command, tunnelling.TransferData):
            return self._transfer(event.peer, command, event.octets, now)
        return [], self._manage(event.peer, command, frame.sequence, now)

    def failed(self, event: SendFailed, now: int) -> list[Effect]:
        """Take the word that a frame did not get through; the rest of its message is dropped, see ``take_broken``."""
        flight = self._in_flight.pop(event.token, None) if event.port == self.port else None
        link = self._links.get(flight[0]) if flight else None
        if flight is None or link is None:
            return []
        peer, serial, message = flight
        self._in_flight = {t: f for t, f in self._in_flight.items() if f[:2] != (peer, serial)}
        effects: list[Effect] = []
        if message:
            effects += self._break(peer, message, event.reason)
        if link.serial == serial and link.current is not None:
            link.current = None
            link.blocks.clear()
            effects.append(StopTimer(self._timer("block", peer)))
        return effects + self._lost(link, event.reason, now)

    def fired(self, name: str, now: int) -> list[Effect] | None:
        """Take a timer; None when it is not one of this end."""
        parts = name.split(".")
        if parts[:2] != ["tunnel", self.port] or len(parts) != 4:
            return None
        link = self._links.get(bytes.fromhex(parts[3]))
        if link is None:
            return []
        return self._pump(link, now) if parts[2] == "block" else self._timed(parts[2], link, now)

    # ------------------------------------------------------------------------------------------ what the ends differ in

    def _ready(self, link: _Link, now: int) -> list[Effect]:
        """A message waits for ``link``: send it if the tunnel is up, else see to the tunnel."""
        raise NotImplementedError

    def _manage(self, peer: bytes, command: tunnelling.TunnelCommand, sequence: int, now: int) -> list[Effect]:
        raise NotImplementedError

    def _lost(self, link: _Link, reason: str, now: int) -> list[Effect]:
        raise NotImplementedError

    def _timed(self, what: str, link: _Link, now: int) -> list[Effect]:
        raise NotImplementedError

    # ---------------------------------------------------------------------------------------------------------- sending

    def _pump(self, link: _Link, now: int) -> list[Effect]:
        """Send what may go now: the next block of the message in transfer, then the next messages."""
        effects: list[Effect] = []
        while link.tunnel is not None and (link.current is not None or link.queue):
            if link.current is None:
                effects += self._begin(link)
                continue
            effects.append(self._transfer_out(link, link.blocks.popleft()))
            if link.blocks:
                if self.settings.block_interval_ns:
                    return [*effects, SetTimer(self._timer("block", link.peer), now + self.settings.block_interval_ns)]
                continue
            message, link.current = link.current, None
            link.sent.append((now, message))
            while len(link.sent) > self.settings.queue_limit or now - link.sent[0][0] > self.settings.answer_timeout_ns:
                link.sent.popleft()
            effects.append(Record("gbcs.tx", self._fields(link.peer, message)))
        return effects

    def _begin(self, link: _Link) -> list[Effect]:
        message = link.queue.popleft()
        limit = min(self.settings.largest_frame - _TRANSFER_OVERHEAD, link.peer_max or self.settings.max_transfer)
        try:
            blocks = [message] if len(message) <= limit else gbt.split(message, self.settings.block_size)
        except WireError as error:
            return self._drop(link.peer, message, str(error))
        link.serial += 1
        link.current, link.blocks = message, deque(blocks)
        return []

    def _transfer_out(self, link: _Link, octets: bytes) -> Send:
        assert link.tunnel is not None
        assert link.current is not None
        command = tunnelling.TransferData(link.tunnel, octets, to_server=self.to_server)
        return self._frame(link, command, link.current)

    def _frame(
        self, link: _Link, command: tunnelling.TunnelCommand, message: bytes = b"", sequence: int | None = None
    ) -> Send:
        """One ZCL frame to the peer, with a token by which its failure is known."""
        if sequence is None:
            sequence = self._sequence
            self._sequence = (self._sequence + 1) % 256
        self._token += 1
        self._in_flight[self._token] = (link.peer, link.serial if message else -self._token, message)
        if len(self._in_flight) > 4 * self.settings.queue_limit:
            del self._in_flight[next(iter(self._in_flight))]
        return Send(self.port, link.peer, tunnelling.encode(command, sequence), CLUSTER, self._token)

    # -------------------------------------------------------------------------------------------------------- receiving

    def _transfer(
        self, peer: bytes, command: tunnelling.TransferData, frame: bytes, now: int
    ) -> tuple[list[tuple[bytes, bytes]], list[Effect]]:
        if command.to_server == self.to_server:
            return [], [self._bad(peer, "TransferData in the wrong direction", frame)]
        link = self._links.get(peer)
        if link is None or link.tunnel != command.tunnel:
            error = tunnelling.TransferDataError(
                command.tunnel, TransferStatus.NO_SUCH_TUNNEL, to_server=self.to_server
            )
            reply = Send(self.port, peer, tunnelling.encode(error, self._next_sequence()), CLUSTER)
            return [], [self._bad(peer, f"no tunnel {command.tunnel} with this peer", frame), reply]
        link.touched = now
        link.sent.clear()  # the tunnel lives: what went through it was taken
        octets = command.octets
        if len(octets) > self.settings.max_transfer:
            error = tunnelling.TransferDataError(command.tunnel, TransferStatus.DATA_OVERFLOW, to_server=self.to_server)
            return [], [
                self._bad(peer, f"more than {self.settings.max_transfer} octets", frame),
                self._frame(link, error),
            ]
        try:
            whole = link.reassembler.feed(octets) if gbt.is_block(octets) else octets
        except WireError as error_in_block:
            return [], [self._bad(peer, str(error_in_block), frame)]
        if not whole:
            return [], []
        return [(peer, whole)], [Record("gbcs.rx", self._fields(peer, whole))]

    # ---------------------------------------------------------------------------------------------------------- helpers

    def _next_sequence(self) -> int:
        sequence, self._sequence = self._sequence, (self._sequence + 1) % 256
        return sequence

    def _link(self, peer: bytes, now: int) -> _Link:
        return self._links.setdefault(peer, _Link(peer, touched=now))

    def _timer(self, what: str, peer: bytes) -> str:
        return f"tunnel.{self.port}.{what}.{peer.hex()}"

    def _fields(self, peer: bytes, message: bytes) -> dict[str, str]:
        return {"port": self.port, "peer": peer.hex(), "octets": message.hex()}

    def _bad(self, peer: bytes, reason: str, frame: bytes) -> Record:
        return Record("tunnel.bad", {**self._fields(peer, frame), "reason": reason})

    def _break(self, peer: bytes, message: bytes, reason: str) -> list[Effect]:
        self._broken.append((peer, message))
        return [Record("tunnel.broken", {**self._fields(peer, message), "reason": reason})]

    def _drop(self, peer: bytes, message: bytes, reason: str) -> list[Effect]:
        self._broken.append((peer, message))
        return [Record("tunnel.dropped", {**self._fields(peer, message), "reason": reason})]


class TunnelServer(_End):
    """The end that answers: a meter, or the hub towards terminals.  It cannot open; messages wait for a client."""

    to_server = False  # our TransferData goes to the client

    def __init__(self, port: str, settings: TunnelSettings | None = None) -> None:
        super().__init__(port, settings)
        self._next_id = 0

    def _ready(self, link: _Link, now: int) -> list[Effect]:
        return [] if link.current is not None else self._pump(link, now)

    def _manage(self, peer: bytes, command: tunnelling.TunnelCommand, sequence: int, now: int) -> list[Effect]:
        if isinstance(command, tunnelling.RequestTunnel):
            return self._request(peer, command, sequence, now)
        link = self._links.get(peer)
        if link is not None and isinstance(command, tunnelling.CloseTunnel) and command.tunnel == link.tunnel:
            return self._closed(link)
        if link is not None and isinstance(command, tunnelling.TransferDataError) and command.tunnel == link.tunnel:
            return self._refused(link, command, now)
        return [Record("tunnel.ignored", {"port": self.port, "peer": peer.hex(), "command": type(command).__name__})]

    def _request(self, peer: bytes, command: tunnelling.RequestTunnel, sequence: int, now: int) -> list[Effect]:
        status = self._status(peer, command, now)
        if status != TunnelStatus.SUCCESS:
            answer = tunnelling.RequestTunnelResponse(0, status, self.settings.max_transfer)
            refusal = Record("tunnel.refused", {"port": self.port, "peer": peer.hex(), "status": status})
            return [Send(self.port, peer, tunnelling.encode(answer, sequence), CLUSTER), refusal]
        link = self._link(peer, now)
        link.touched = now
        effects = _rewind(link, self._timer("block", peer))
        link.tunnel, link.peer_max, link.reassembler = self._free_id(), command.max_incoming, gbt.Reassembler()
        answer = tunnelling.RequestTunnelResponse(link.tunnel, TunnelStatus.SUCCESS, self.settings.max_transfer)
        effects.append(self._frame(link, answer, sequence=sequence))
        effects.append(Record("tunnel.open", {"port": self.port, "peer": peer.hex(), "tunnel": link.tunnel}))
        return effects + self._pump(link, now)

    def _status(self, peer: bytes, command: tunnelling.RequestTunnel, now: int) -> int:
        if (command.protocol, command.manufacturer) != (self.settings.protocol, self.settings.manufacturer):
            return TunnelStatus.PROTOCOL_NOT_SUPPORTED
        if command.flow_control:
            return TunnelStatus.FLOW_CONTROL_NOT_SUPPORTED
        for link in self._links.values():
            if now - link.touched >= self.settings.renew_after_ns:
                link.tunnel = None  # nobody renewed it
        others = [other for other in self.peers() if other != peer]
        return TunnelStatus.NO_MORE_IDS if len(others) >= self.settings.max_tunnels else TunnelStatus.SUCCESS

    def _free_id(self) -> int:
        used = {link.tunnel for link in self._links.values()}
        while self._next_id in used:
            self._next_id = (self._next_id + 1) % 0x10000
        tunnel, self._next_id = self._next_id, (self._next_id + 1) % 0x10000
        return tunnel

    def _closed(self, link: _Link) -> list[Effect]:
        effects = _rewind(link, self._timer("block", link.peer))
        link.tunnel = None
        if not link.queue:
            del self._links[link.peer]
        return [*effects, Record("tunnel.closed", {"port": self.port, "peer": link.peer.hex()})]

    def _refused(self, link: _Link, command: tunnelling.TransferDataError, now: int) -> list[Effect]:
        since = now - self.settings.answer_timeout_ns if command.status == TransferStatus.NO_SUCH_TUNNEL else None
        effects = _rewind(link, self._timer("block", link.peer), since)
        if command.status == TransferStatus.NO_SUCH_TUNNEL:
            link.tunnel = None  # the client forgot it (power loss): its next request flushes what waits
        return [
            *effects,
            Record("tunnel.error", {"port": self.port, "peer": link.peer.hex(), "status": command.status}),
        ]

    def _lost(self, link: _Link, reason: str, now: int) -> list[Effect]:  # noqa: ARG002
        return [] if link.current is not None else self._pump(link, now)

    def _timed(self, what: str, link: _Link, now: int) -> list[Effect]:  # noqa: ARG002
        return []


class TunnelClient(_End):
    """The end that asks for tunnels: the hub towards its meters, a terminal towards the hub."""

    to_server = True

    def open(self, peer: bytes, now: int) -> list[Effect]:
        """Ask for a tunnel to ``peer``, also where one is believed to be up (hub power-on, device joined anew)."""
        link = self._link(peer, now)
        if link.asked:
            return []
        link.tries = 0
        return self._request(link, now)

    def forget(self, peer: bytes) -> list[Effect]:
        """Drop the tunnel to a peer that is gone, and what waits for it."""
        link = self._links.pop(peer, None)
        return [] if link is None else self._stop(link) + self._break_all(link, "the peer was removed")

    def close(self, peer: bytes) -> list[Effect]:
        """Close the tunnel to ``peer`` in good order."""
        link = self._links.pop(peer, None)
        if link is None or link.tunnel is None:
            return []
        sequence = self._next_sequence()
        frame = tunnelling.encode(tunnelling.CloseTunnel(link.tunnel), sequence)
        return [*self._stop(link), *self._break_all(link, "closed by us"), Send(self.port, peer, frame, CLUSTER)]

    def _ready(self, link: _Link, now: int) -> list[Effect]:
        if link.tunnel is not None:
            return [] if link.current is not None else self._pump(link, now)
        return [] if link.asked else self._request(link, now)

    def _request(self, link: _Link, now: int) -> list[Effect]:
        link.asked = True
        link.tries += 1
        ask = tunnelling.RequestTunnel(
            self.settings.protocol, self.settings.manufacturer, False, self.settings.max_transfer
        )
        timer = SetTimer(self._timer("answer", link.peer), now + self.settings.answer_timeout_ns)
        return [self._frame(link, ask), timer]

    def _manage(self, peer: bytes, command: tunnelling.TunnelCommand, sequence: int, now: int) -> list[Effect]:  # noqa: ARG002
        link = self._links.get(peer)
        if link is not None and link.asked and isinstance(command, tunnelling.RequestTunnelResponse):
            return self._answered(link, command, now)
        if link is not None and isinstance(command, tunnelling.TransferDataError) and command.tunnel == link.tunnel:
            return self._refused(link, command, now)
        return [Record("tunnel.ignored", {"port": self.port, "peer": peer.hex(), "command": type(command).__name__})]

    def _answered(self, link: _Link, command: tunnelling.RequestTunnelResponse, now: int) -> list[Effect]:
        effects: list[Effect] = [StopTimer(self._timer("answer", link.peer))]
        if command.status == TunnelStatus.SUCCESS:
            link.asked, link.tries, link.touched = False, 0, now
            link.tunnel, link.peer_max, link.reassembler = command.tunnel, command.max_incoming, gbt.Reassembler()
            effects.append(SetTimer(self._timer("renew", link.peer), now + self.settings.renew_after_ns))
            opened = {"port": self.port, "peer": link.peer.hex(), "tunnel": command.tunnel}
            return [*effects, Record("tunnel.open", opened), *self._pump(link, now)]
        refusal = {"port": self.port, "peer": link.peer.hex(), "status": command.status}
        effects.append(Record("tunnel.refused", refusal))
        if command.status == TunnelStatus.BUSY:
            return [*effects, SetTimer(self._timer("retry", link.peer), now + self.settings.busy_retry_ns)]
        if command.status == TunnelStatus.NO_MORE_IDS and link.tries < self.settings.request_tries:
            frames = [tunnelling.CloseTunnel(tunnel) for tunnel in range(self.settings.max_tunnels)]
            return [*effects, *(self._frame(link, frame) for frame in frames), *self._request(link, now)]
        return effects + self._lost(link, f"the peer refused a tunnel with status {command.status}", now)

    def _refused(self, link: _Link, command: tunnelling.TransferDataError, now: int) -> list[Effect]:
        told = Record("tunnel.error", {"port": self.port, "peer": link.peer.hex(), "status": command.status})
        if command.status != TransferStatus.NO_SUCH_TUNNEL:
            return [told, *self._lost(link, f"the peer answered transfer error {command.status}", now)]
        effects = _rewind(link, self._timer("block", link.peer), now - self.settings.answer_timeout_ns)
        link.tunnel, link.tries = None, 0  # the peer forgot it (power loss): ask again, then repeat what was lost
        return [told, *effects, *([] if link.asked else self._request(link, now))]

    def _lost(self, link: _Link, reason: str, now: int) -> list[Effect]:  # noqa: ARG002
        link.tunnel, link.asked, link.tries = None, False, 0
        told = Record("tunnel.given_up", {"port": self.port, "peer": link.peer.hex(), "reason": reason})
        return [told, *self._stop(link), *self._break_all(link, reason)]

    def _timed(self, what: str, link: _Link, now: int) -> list[Effect]:
        if what == "renew" and link.current is not None:
            return [SetTimer(self._timer("renew", link.peer), now + self.settings.answer_timeout_ns)]
        if what == "renew":
            return self.open(link.peer, now)
        if what == "retry":
            link.tries = 0
        elif link.tries >= self.settings.request_tries:
            return self._lost(link, f"no answer to {link.tries} tunnel requests", now)
        return self._request(link, now) if link.asked else []

    def _break_all(self, link: _Link, reason: str) -> list[Effect]:
        messages = ([] if link.current is None else [link.current]) + list(link.queue)
        link.current = None
        for waiting in (link.blocks, link.queue, link.sent):
            waiting.clear()
        return [record for message in messages for record in self._break(link.peer, message, reason)]

    def _stop(self, link: _Link) -> list[Effect]:
        return [StopTimer(self._timer(what, link.peer)) for what in ("answer", "retry", "renew", "block")]


def _rewind(link: _Link, timer: str, since: int | None = None) -> list[Effect]:
    """Put back in front what did not get out whole and, with ``since``, what was sent at or after it without a sign of
    life from the peer.  Each message is repeated at most once, because ``sent`` is emptied."""
    effects: list[Effect] = []
    if link.current is not None:
        link.queue.appendleft(link.current)
        link.current = None
        link.blocks.clear()
        effects.append(StopTimer(timer))
    if since is not None:
        link.queue.extendleft(message for at, message in reversed(link.sent) if at >= since)
    link.sent.clear()
    return effects
