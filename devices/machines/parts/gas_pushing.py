"""What a gas meter pushes to its proxy: snapshots, top ups, debt payments, as the commands that publish them.

What falls due while the HAN interface is off waits for it, over a power cut too.

Must not live here: when something is recorded (``gas_recording``), when the interface is on (``gsme``), attribute
reports.

Source: facts/gbcs.md 10.6.1 [spec text, second hand].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from devices.machines.core import Effect, Persist, Send
from devices.machines.parts.gas_mirror import frame_of
from devices.wire.zcl_fields import Command

__all__ = ["Pushing"]

_KEY: Final = "to_push"
_MOST: Final = 64  # frames that wait; the oldest goes first [our choice]


class Pushing:
    """The frames of one meter that wait for its HAN interface."""

    def __init__(self, saved: Mapping[str, Any]) -> None:
        self._waiting: list[tuple[int, bytes]] = [
            (int(cluster), bytes.fromhex(octets)) for cluster, octets in saved.get(_KEY, ())
        ]

    def keep(self, commands: Iterable[Command]) -> list[Effect]:
        """Have commands wait for :meth:`flush`."""
        new = [(command.cluster, frame_of(command)) for command in commands]
        if not new:
            return []
        self._waiting = [*self._waiting, *new][-_MOST:]
        return [self._saved()]

    def flush(self, hub: bytes | None) -> list[Effect]:
        """The interface is on: send what waits; None: there is no hub to send it to."""
        if hub is None or not self._waiting:
            return []
        sent: list[Effect] = [Send("han", hub, octets, cluster) for cluster, octets in self._waiting]
        self._waiting = []
        return [*sent, self._saved()]

    def _saved(self) -> Persist:
        return Persist(_KEY, [[cluster, octets.hex()] for cluster, octets in self._waiting])
