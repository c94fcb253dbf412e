"""What waits to be sent into the HAN through an XBee: one message at a time to each radio, so that order is kept, and
few at once over all, since a module queues no more than four.

Must not live here: who may send and to whom (``han_xbee``).

Source: facts/radio.md 2.2 (delivery codes), 7; facts/xbee-manual.md 4.6 (transmit queue).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from devices.wire import xbee
from rig.ports.xbee_link import XBeeLink

__all__ = ["DELIVERY_REASONS", "Outbox", "Outgoing"]

DELIVERY_REASONS = {
    0x01: "no acknowledgement from the radio",
    0x02: "the channel was busy",
    0x21: "no acknowledgement from the device",
    0x22: "not in a network",
    0x24: "address not found",
    0x25: "no route",
    0x2C: "the radio has no room left, or the endpoint is wrong",
    0x32: "the radio has no buffers left",
    0x74: "too large",
}

Done = Callable[[str | None], None]
"""``done(problem)``: None when it was delivered."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message; ``done`` is called once, unless the outbox is emptied silently."""

    source_endpoint: int
    destination_endpoint: int
    cluster: int
    profile: int
    octets: bytes
    done: Done


class Outbox:
    """Queues by radio EUI-64.  ``largest``: how many messages may wait for one radio; ``at_once``: how many may be with
    our own radio at a time."""

    def __init__(self, largest: int, at_once: int = 3) -> None:
        self.largest, self.at_once = largest, at_once
        self._queues: dict[bytes, deque[Outgoing]] = {}
        self._flying: dict[bytes, Outgoing] = {}
        self._turns: deque[bytes] = deque()  # radios whose first message waits until our own has room

    def put(self, link: XBeeLink, radio: bytes, outgoing: Outgoing) -> bool:
        """Send it when its turn comes; False when too many wait already."""
        queue = self._queues.setdefault(radio, deque())
        if len(queue) >= self.largest:
            return False
        queue.append(outgoing)
        if len(queue) == 1:
            self._turns.append(radio)
            self._fill(link)
        return True

    def _fill(self, link: XBeeLink) -> None:
        while self._turns and len(self._flying) < self.at_once:
            radio = self._turns.popleft()
            self._flying[radio] = self._queues[radio][0]
            self._send(link, radio, self._flying[radio])

    def fail_all(self, reason: str) -> None:
        """Nothing of what waits will be sent."""
        waiting = [outgoing for queue in self._queues.values() for outgoing in queue]
        self.clear()
        for outgoing in waiting:
            outgoing.done(reason)

    def clear(self) -> None:
        """The device lost its power: forget everything without a word."""
        self._queues.clear()
        self._flying.clear()
        self._turns.clear()

    def _send(self, link: XBeeLink, radio: bytes, outgoing: Outgoing) -> None:
        endpoints = outgoing.source_endpoint, outgoing.destination_endpoint
        ends = (*endpoints, outgoing.cluster, outgoing.profile, 0, 0, outgoing.octets)
        link.request(
            lambda frame_id: xbee.ExplicitTransmit(frame_id, radio, xbee.UNKNOWN_16, *ends),
            xbee.TransmitStatus,
            lambda answer: self._answered(link, radio, outgoing, answer),
            link.settings.transmit_ns,
        )

    def _answered(self, link: XBeeLink, radio: bytes, outgoing: Outgoing, answer: xbee.Frame | None) -> None:
        if self._flying.get(radio) is not outgoing:
            return
        del self._flying[radio]
        queue = self._queues[radio]
        queue.popleft()
        if queue:
            self._turns.append(radio)
        else:
            del self._queues[radio]
        self._fill(link)
        outgoing.done(_problem(answer))


def _problem(answer: xbee.Frame | None) -> str | None:
    if not isinstance(answer, xbee.TransmitStatus):
        return "the radio did not say what became of the frame"
    if answer.delivery:
        return DELIVERY_REASONS.get(answer.delivery, f"delivery status {answer.delivery:02X}")
    return None
