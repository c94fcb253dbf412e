"""What both ends of a ZigBee tunnel share: settings, and frames in, whole messages out, and the other way round.

Must not live here: how a tunnel is asked for and granted (``tunnel``), what a message means.

Source: facts/gbcs.md 1.5 [2 sources], 8.3 [3 sources], 11 no. 11 and 12 [our choice]; facts/radio.md 8.1 and 11.1
[verified].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from devices.events.tunnels import TransferBroken, TransferDropped, TransferUnreadable
from devices.machines.core import Effect, Received, Record, Send, SendFailed, SetTimer, StopTimer
from devices.wire import axdr, gbt, tunnelling, zcl
from devices.wire.errors import WireError
from devices.wire.tunnelling import TransferStatus

__all__ = ["CLUSTER", "DEFAULT_RESPONSE", "INTERPAN", "Link", "TunnelEnd", "TunnelSettings", "rewind"]

CLUSTER: Final = 0x0704
SECOND: Final = 1_000_000_000

_TRANSFER_OVERHEAD: Final = 5  # ZCL header 3, tunnel id 2
DEFAULT_RESPONSE: Final = 0x0B  # of all clusters: a stack may answer each frame with it, and it says nothing new


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
    # After TunnelStatus busy, for a client that never sleeps, facts/gbcs.md 8.3 [spec text, second hand]
    busy_retry_ns: int = 180 * SECOND
    answer_timeout_ns: int = 5 * SECOND  # how long a RequestTunnel may stay unanswered [our choice]
    request_tries: int = 3  # RequestTunnels sent before the peer counts as unreachable [our choice]
    renew_after_ns: int = 0xFFFF * SECOND  # a new RequestTunnel this long after the last answer, facts/gbcs.md 8.3
    max_tunnels: int = 8  # tunnels a server keeps [our choice]
    # How long a message waits for a sleepy meter to fetch it, then it is dropped [our choice], facts/gbcs.md 8.3
    unfetched_ns: int = 24 * 3600 * SECOND
    # Between a sleepy meter and its hub each TransferData is answered by a Default Response, and the hub keeps a
    # message until that to its own has come, facts/gbcs.md 8.3 [single source]; False: it is gone once handed out.
    default_responses: bool = True
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


INTERPAN: Final = TunnelSettings(largest_frame=93, block_size=40)
"""For inter-PAN: 95 octets of ZCL fit one MAC frame (facts/radio.md 8.1 [verified]); a module with 802.15.4 firmware
may take 100 octets of MAC payload, of which the stub headers are 7 [recalled: make it a setting]."""


@dataclass(slots=True)
class Link:
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


class TunnelEnd(ABC):
    """What both ends share: frames in, whole messages out; whole messages in, frames out."""

    to_server: bool

    def __init__(self, port: str, settings: TunnelSettings | None = None) -> None:
        self.port = port
        self.settings = settings or TunnelSettings()
        self._links: dict[bytes, Link] = {}
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
            if not frame.cluster_specific and frame.command == DEFAULT_RESPONSE:
                return [], self._confirmed(event.peer, frame)
            command = tunnelling.decode(frame)
        except WireError as error:
            return [], [self._bad(event.peer, str(error), event.octets)]
        if isinstance(command, tunnelling.TransferData):
            return self._transfer(event.peer, command, event.octets, now)
        return [], self._manage(event.peer, command, frame.sequence, now)

    def _confirmed(self, _peer: bytes, _frame: zcl.Frame) -> list[Effect]:
        """Take a Default Response; between ends that are always on it says nothing new."""
        return []

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

    @abstractmethod
    def _ready(self, link: Link, now: int) -> list[Effect]:
        """A message waits for ``link``: send it if the tunnel is up, else see to the tunnel."""

    @abstractmethod
    def _manage(self, peer: bytes, command: tunnelling.TunnelCommand, sequence: int, now: int) -> list[Effect]: ...

    @abstractmethod
    def _lost(self, link: Link, reason: str, now: int) -> list[Effect]: ...

    @abstractmethod
    def _timed(self, what: str, link: Link, now: int) -> list[Effect]: ...

    # ---------------------------------------------------------------------------------------------------------- sending

    def _pump(self, link: Link, now: int) -> list[Effect]:
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
        return effects

    def _begin(self, link: Link) -> list[Effect]:
        message = link.queue.popleft()
        limit = min(self.settings.largest_frame - _TRANSFER_OVERHEAD, link.peer_max or self.settings.max_transfer)
        try:
            blocks = [message] if len(message) <= limit else gbt.split(message, self.settings.block_size)
        except WireError as error:
            return self._drop(link.peer, message, str(error))
        link.serial += 1
        link.current, link.blocks = message, deque(blocks)
        return []

    def _transfer_out(self, link: Link, octets: bytes) -> Send:
        assert link.tunnel is not None
        assert link.current is not None
        command = tunnelling.TransferData(link.tunnel, octets, to_server=self.to_server)
        return self._frame(link, command, link.current)

    def _frame(
        self, link: Link, command: tunnelling.TunnelCommand, message: bytes = b"", sequence: int | None = None
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
        return [(peer, whole)] if whole else [], []

    # ---------------------------------------------------------------------------------------------------------- helpers

    def _next_sequence(self) -> int:
        sequence, self._sequence = self._sequence, (self._sequence + 1) % 256
        return sequence

    def _link(self, peer: bytes, now: int) -> Link:
        return self._links.setdefault(peer, Link(peer, touched=now))

    def _timer(self, what: str, peer: bytes) -> str:
        return f"tunnel.{self.port}.{what}.{peer.hex()}"

    def _bad(self, peer: bytes, reason: str, frame: bytes) -> Record:
        return Record(TransferUnreadable(port=self.port, peer=peer, octets=frame, reason=reason))

    def _break(self, peer: bytes, message: bytes, reason: str) -> list[Effect]:
        self._broken.append((peer, message))
        return [Record(TransferBroken(port=self.port, peer=peer, octets=message, reason=reason))]

    def _drop(self, peer: bytes, message: bytes, reason: str) -> list[Effect]:
        self._broken.append((peer, message))
        return [Record(TransferDropped(port=self.port, peer=peer, octets=message, reason=reason))]


def rewind(link: Link, timer: str, since: int | None = None) -> list[Effect]:
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
