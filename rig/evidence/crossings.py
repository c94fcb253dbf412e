"""What became of each message: what was tapped where it left, matched with what was tapped where it arrived.

A message that left and did not arrive is lost only where somebody listened at the receiving end and heard nothing until
the evidence ends.  Where nobody listens there, nobody knows.

Must not live here: how it is drawn (``chart``).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from devices.events.messages import MessageReceived, MessageSent

__all__ = ["Crossing", "Ends", "Fate", "crossings"]

Event = Mapping[str, Any]
SENT, RECEIVED = MessageSent.kind, MessageReceived.kind
RADIO = ("han", "interpan")


class Fate(Enum):
    """What the taps say of a message."""

    RECEIVED = auto()
    NOT_RECEIVED = auto()
    NOT_TAPPED = auto()
    """Nobody taps the receiving end."""
    FROM_OUTSIDE = auto()
    """It arrived, and no tap saw it leave."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What a bench says of its devices: ``names`` by EUI-64 (lower-case hex), the hub that each stands ``behind``, and
    its ``untapped`` ports, at whose own end nobody listens."""

    names: Mapping[str, str] = field(default_factory=dict)
    behind: Mapping[str, str] = field(default_factory=dict)
    untapped: Mapping[str, Collection[str]] = field(default_factory=dict)

    @classmethod
    def described(cls, devices: Mapping[str, Mapping[str, Any]]) -> Ends:
        """Of devices as ``bench.describe`` tells of them."""
        return cls(
            {str(told["eui"]): name for name, told in devices.items()},
            {name: str(told["behind"]) for name, told in devices.items() if told.get("behind")},
            {name: told.get("untapped", ()) for name, told in devices.items()},
        )

    def receiver(self, sender: str, port: str, peer: str) -> str | None:
        """Whose port lies at the other end; None for somebody who is not of this bench.  What goes to a device by a
        message link comes to its hub first, unless it has a link of its own."""
        device = self.names.get(peer)
        if device is None:
            return None
        hub = self.behind.get(device)
        if hub is None or hub == sender or port in RADIO or self.untapped.get(device):
            return device
        return hub

    def listens(self, device: str | None, port: str) -> bool:
        """Whether somebody taps what reaches ``device`` by the kind of link that ``port`` is on."""
        return device is not None and all(_road(own) != _road(port) for own in self.untapped.get(device, ()))


@dataclass(frozen=True, slots=True)
class Crossing:
    """One message on one link: where it left and where it arrived, as far as that is known."""

    event: Event  # where it was tapped first
    source: str | None
    target: str | None
    fate: Fate
    took_ns: int = 0


def crossings(events: Sequence[Event], ends: Ends) -> dict[int, Crossing]:
    """Every message of a time line, by the position of the event that shows it: its departure, or its arrival where no
    tap saw it leave."""
    arrivals = _Arrivals(events, ends)
    found = {}
    for at, event in enumerate(events):
        if event["kind"] == SENT:
            found[at] = _crossing(event, arrivals.take(at, event), ends)
    for at in arrivals.left_over():
        event = events[at]
        source, target = ends.names.get(str(event["fields"].get("peer"))), event["fields"]["device"]
        found[at] = Crossing(event, source if source != target else None, target, Fate.FROM_OUTSIDE)
    return found


def _crossing(event: Event, arrival: Event | None, ends: Ends) -> Crossing:
    fields = event["fields"]
    source = fields["device"]
    if arrival is not None:
        took = arrival["at_ns"] - event["at_ns"]
        return Crossing(event, source, arrival["fields"]["device"], Fate.RECEIVED, took)
    port, peer = str(fields.get("port")), str(fields.get("peer"))
    target = ends.receiver(source, port, peer)
    return Crossing(event, source, target, Fate.NOT_RECEIVED if ends.listens(target, port) else Fate.NOT_TAPPED)


class _Arrivals:
    """Arrivals in their order, by octets, link and sender, each to be taken once.

    A sender is not always known from an arrival; those lie under None.
    """

    def __init__(self, events: Sequence[Event], ends: Ends) -> None:
        self._events = events
        self._waiting: dict[tuple[str, str, str | None], deque[int]] = defaultdict(deque)
        self._too_early: list[int] = []
        for at, event in enumerate(events):
            if event["kind"] == RECEIVED:
                fields = event["fields"]
                sender = ends.names.get(str(fields.get("peer")))
                self._waiting[_key(fields, sender if sender != fields["device"] else None)].append(at)

    def take(self, at: int, event: Event) -> Event | None:
        """The arrival of what left at position ``at``: the next one of the same octets at another device."""
        fields = event["fields"]
        of_sender, of_nobody = (self._waiting.get(_key(fields, sender)) for sender in (fields["device"], None))
        for waiting in (of_sender, of_nobody):
            while waiting and waiting[0] < at:
                self._too_early.append(waiting.popleft())
        own = 0
        while of_nobody and own < len(of_nobody) and self._at(of_nobody[own]) == fields["device"]:
            own += 1  # what the sender itself received, from somebody who is not known
        if of_nobody and own < len(of_nobody) and (not of_sender or of_nobody[own] < of_sender[0]):
            found = of_nobody[own]
            del of_nobody[own]
            return self._events[found]
        return self._events[of_sender.popleft()] if of_sender else None

    def _at(self, position: int) -> str:
        return str(self._events[position]["fields"]["device"])

    def left_over(self) -> Iterator[int]:
        """The positions of arrivals that nobody took."""
        yield from self._too_early
        for waiting in self._waiting.values():
            yield from waiting


def _key(fields: Mapping[str, Any], sender: str | None) -> tuple[str, str, str | None]:
    return str(fields.get("octets")), str(fields.get("link") or _road(str(fields.get("port")))), sender


def _road(port: str) -> str:
    """The kind of link that a port is on: a HAN, inter-PAN, or one of the message links."""
    return port if port in RADIO else "message"
