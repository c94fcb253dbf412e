"""A line between two functions of one box, such as a hub and the gas proxy that it holds: no radio, nothing to cut.

Messages and frames are handed over on the clock; what is sent to an end without power is lost.

Must not live here: what goes over it.  It has no real twin: in a real box both ends are inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devices.machines.core import Received
from rig.ports.protocols import Clock

__all__ = ["InternalEnd", "InternalLine"]

HOP_NS = 1_000_000  # from one function to the other [our choice]


class InternalLine:
    """One line with two ends."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._ends: dict[bytes, InternalEnd] = {}

    def end(self, port: str, eui: bytes) -> InternalEnd:
        """The end of the function ``eui``, whose machine calls it ``port``."""
        self._ends[eui] = InternalEnd(self, port, eui)
        return self._ends[eui]

    def carry(self, sender: bytes, peer: bytes, cluster: int, octets: bytes) -> None:
        """Hand octets over to the end of ``peer``; nobody hears what is for somebody else."""
        end = self._ends.get(peer)
        if end is not None:
            self.clock.call_at(self.clock.now + HOP_NS, lambda: end.arrived(sender, cluster, octets))


class InternalEnd:
    """One end; see :class:`rig.ports.protocols.InternalPort`."""

    def __init__(self, line: InternalLine, port: str, eui: bytes) -> None:
        self._line, self._port, self._eui = line, port, eui
        self._on = False
        self.on_event: Callable[[Any], None] = lambda _event: None

    def start(self) -> None:
        self._on = True

    def stop(self) -> None:
        self._on = False

    def send(self, peer: bytes, cluster: int, octets: bytes) -> None:
        self._line.carry(self._eui, peer, cluster, octets)

    def arrived(self, sender: bytes, cluster: int, octets: bytes) -> None:
        """Octets came from the other end."""
        if self._on:
            self.on_event(Received(self._port, sender, octets, cluster))
