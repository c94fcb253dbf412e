"""The ZigBee tunnel (cluster 0x0704) that carries GBCS messages over the HAN and over inter-PAN, both of its ends.

A machine owns one end a port: :class:`TunnelServer` (meters; the hub towards terminals) or :class:`TunnelClient` (the
hub towards meters; a terminal).  It hands over what its port received and gets whole GBCS messages back; it hands over
whole messages and gets effects.  What does not fit one frame travels as general-block-transfer blocks, one
TransferData each.

Must not live here: how messages become frames (``tunnel_end``), what a message means, who may send it (``firewall``),
the GET/PUT header of a sleepy gas meter.

Source: facts/gbcs.md 8.3 [3 sources]; facts/radio.md 11.1 [verified].
"""

from __future__ import annotations

from devices.events.tunnels import TunnelClosed, TunnelError, TunnelGivenUp, TunnelIgnored, TunnelOpened, TunnelRefused
from devices.machines.core import Effect, Record, Send, SetTimer, StopTimer
from devices.machines.parts.tunnel_end import CLUSTER, INTERPAN, Link, TunnelEnd, TunnelSettings, rewind
from devices.wire import gbt, tunnelling
from devices.wire.tunnelling import TransferStatus, TunnelStatus

__all__ = ["CLUSTER", "INTERPAN", "TunnelClient", "TunnelServer", "TunnelSettings"]


class TunnelServer(TunnelEnd):
    """The end that answers: a meter, or the hub towards terminals.  It cannot open; messages wait for a client."""

    to_server = False  # our TransferData goes to the client

    def __init__(self, port: str, settings: TunnelSettings | None = None) -> None:
        super().__init__(port, settings)
        self._next_id = 0

    def _ready(self, link: Link, now: int) -> list[Effect]:
        return [] if link.current is not None else self._pump(link, now)

    def _manage(self, peer: bytes, command: tunnelling.TunnelCommand, sequence: int, now: int) -> list[Effect]:
        if isinstance(command, tunnelling.RequestTunnel):
            return self._request(peer, command, sequence, now)
        link = self._links.get(peer)
        if link is not None and isinstance(command, tunnelling.CloseTunnel) and command.tunnel == link.tunnel:
            return self._closed(link)
        if link is not None and isinstance(command, tunnelling.TransferDataError) and command.tunnel == link.tunnel:
            return self._refused(link, command, now)
        return [Record(TunnelIgnored(port=self.port, peer=peer, command=type(command).__name__))]

    def _request(self, peer: bytes, command: tunnelling.RequestTunnel, sequence: int, now: int) -> list[Effect]:
        status = self._status(peer, command, now)
        if status != TunnelStatus.SUCCESS:
            answer = tunnelling.RequestTunnelResponse(0, status, self.settings.max_transfer)
            refusal = Record(TunnelRefused(port=self.port, peer=peer, status=status))
            return [Send(self.port, peer, tunnelling.encode(answer, sequence), CLUSTER), refusal]
        link = self._link(peer, now)
        link.touched = now
        effects = rewind(link, self._timer("block", peer))
        link.tunnel, link.peer_max, link.reassembler = self._free_id(), command.max_incoming, gbt.Reassembler()
        answer = tunnelling.RequestTunnelResponse(link.tunnel, TunnelStatus.SUCCESS, self.settings.max_transfer)
        effects.append(self._frame(link, answer, sequence=sequence))
        effects.append(Record(TunnelOpened(port=self.port, peer=peer, tunnel=link.tunnel)))
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

    def _closed(self, link: Link) -> list[Effect]:
        effects = rewind(link, self._timer("block", link.peer))
        link.tunnel = None
        if not link.queue:
            del self._links[link.peer]
        return [*effects, Record(TunnelClosed(port=self.port, peer=link.peer))]

    def _refused(self, link: Link, command: tunnelling.TransferDataError, now: int) -> list[Effect]:
        since = now - self.settings.answer_timeout_ns if command.status == TransferStatus.NO_SUCH_TUNNEL else None
        effects = rewind(link, self._timer("block", link.peer), since)
        if command.status == TransferStatus.NO_SUCH_TUNNEL:
            link.tunnel = None  # the client forgot it (power loss): its next request flushes what waits
        return [
            *effects,
            Record(TunnelError(port=self.port, peer=link.peer, status=command.status)),
        ]

    def _lost(self, link: Link, reason: str, now: int) -> list[Effect]:  # noqa: ARG002
        return [] if link.current is not None else self._pump(link, now)

    def _timed(self, what: str, link: Link, now: int) -> list[Effect]:  # noqa: ARG002
        return []


class TunnelClient(TunnelEnd):
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

    def _ready(self, link: Link, now: int) -> list[Effect]:
        if link.tunnel is not None:
            return [] if link.current is not None else self._pump(link, now)
        return [] if link.asked else self._request(link, now)

    def _request(self, link: Link, now: int) -> list[Effect]:
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
        return [Record(TunnelIgnored(port=self.port, peer=peer, command=type(command).__name__))]

    def _answered(self, link: Link, command: tunnelling.RequestTunnelResponse, now: int) -> list[Effect]:
        effects: list[Effect] = [StopTimer(self._timer("answer", link.peer))]
        if command.status == TunnelStatus.SUCCESS:
            link.asked, link.tries, link.touched = False, 0, now
            link.tunnel, link.peer_max, link.reassembler = command.tunnel, command.max_incoming, gbt.Reassembler()
            effects.append(SetTimer(self._timer("renew", link.peer), now + self.settings.renew_after_ns))
            opened = TunnelOpened(port=self.port, peer=link.peer, tunnel=command.tunnel)
            return [*effects, Record(opened), *self._pump(link, now)]
        refusal = TunnelRefused(port=self.port, peer=link.peer, status=command.status)
        effects.append(Record(refusal))
        if command.status == TunnelStatus.BUSY:
            return [*effects, *self._told_busy(link, now)]
        if command.status == TunnelStatus.NO_MORE_IDS and link.tries < self.settings.request_tries:
            frames = [tunnelling.CloseTunnel(tunnel) for tunnel in range(self.settings.max_tunnels)]
            return [*effects, *(self._frame(link, frame) for frame in frames), *self._request(link, now)]
        return effects + self._lost(link, f"the peer refused a tunnel with status {command.status}", now)

    def _told_busy(self, link: Link, now: int) -> list[Effect]:
        """A client that never sleeps asks again after 3 minutes (facts/gbcs.md 8.3)."""
        return [SetTimer(self._timer("retry", link.peer), now + self.settings.busy_retry_ns)]

    def _refused(self, link: Link, command: tunnelling.TransferDataError, now: int) -> list[Effect]:
        told = Record(TunnelError(port=self.port, peer=link.peer, status=command.status))
        if command.status != TransferStatus.NO_SUCH_TUNNEL:
            return [told, *self._lost(link, f"the peer answered transfer error {command.status}", now)]
        effects = rewind(link, self._timer("block", link.peer), now - self.settings.answer_timeout_ns)
        link.tunnel, link.tries = None, 0  # the peer forgot it (power loss): ask again, then repeat what was lost
        return [told, *effects, *([] if link.asked else self._request(link, now))]

    def _lost(self, link: Link, reason: str, now: int) -> list[Effect]:  # noqa: ARG002
        link.tunnel, link.asked, link.tries = None, False, 0
        told = Record(TunnelGivenUp(port=self.port, peer=link.peer, reason=reason))
        return [told, *self._stop(link), *self._break_all(link, reason)]

    def _timed(self, what: str, link: Link, now: int) -> list[Effect]:
        if what == "renew" and link.current is not None:
            return [SetTimer(self._timer("renew", link.peer), now + self.settings.answer_timeout_ns)]
        if what == "renew":
            return self.open(link.peer, now)
        if what == "retry":
            link.tries = 0
        elif link.tries >= self.settings.request_tries:
            return self._lost(link, f"no answer to {link.tries} tunnel requests", now)
        return self._request(link, now) if link.asked else []

    def _break_all(self, link: Link, reason: str) -> list[Effect]:
        messages = ([] if link.current is None else [link.current]) + list(link.queue)
        link.current = None
        for waiting in (link.blocks, link.queue, link.sent):
            waiting.clear()
        return [record for message in messages for record in self._break(link.peer, message, reason)]

    def _stop(self, link: Link) -> list[Effect]:
        return [StopTimer(self._timer(what, link.peer)) for what in ("answer", "retry", "renew", "block")]
