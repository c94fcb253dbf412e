"""The hub's ends of all its tunnels on the HAN: it opens those to its devices, a sleepy gas meter opens its own.

Must not live here: how either end works (``tunnel``, ``sleepy_tunnel``), which device is a gas meter (the device log).

Source: facts/gbcs.md 8.3 [3 sources].
"""

from __future__ import annotations

from collections.abc import Callable

from devices.machines.core import Effect, Received, SendFailed
from devices.machines.parts.sleepy_tunnel import SleepyServer
from devices.machines.parts.tunnel import TunnelClient
from devices.machines.parts.tunnel_end import TunnelEnd, TunnelSettings

__all__ = ["HanTunnels"]


class HanTunnels:
    """Both ends behind one face; ``sleeps`` says of a peer whether it fetches its messages itself."""

    def __init__(self, port: str, settings: TunnelSettings | None, sleeps: Callable[[bytes], bool]) -> None:
        self._awake, self._asleep = TunnelClient(port, settings), SleepyServer(port, settings)
        self._sleeps = sleeps

    def open(self, peer: bytes, now: int) -> list[Effect]:
        """Ask for a tunnel to ``peer``, unless it is the peer who asks."""
        return [] if self._sleeps(peer) else self._awake.open(peer, now)

    def forget(self, peer: bytes) -> list[Effect]:
        """Drop the tunnel to a peer that is gone, and what waits for it."""
        return [*self._awake.forget(peer), *self._asleep.forget(peer)]

    def send(self, peer: bytes, message: bytes, now: int) -> list[Effect]:
        """Send a whole message, or have it wait for the tunnel or for the meter to wake."""
        return self._end(peer).send(peer, message, now)

    def receive(self, event: Received, now: int) -> tuple[list[tuple[bytes, bytes]], list[Effect]]:
        """See :meth:`TunnelEnd.receive`."""
        return self._end(event.peer).receive(event, now)

    def failed(self, event: SendFailed, now: int) -> list[Effect]:
        """See :meth:`TunnelEnd.failed`."""
        return self._end(event.peer).failed(event, now)

    def fired(self, name: str, now: int) -> list[Effect] | None:
        """See :meth:`TunnelEnd.fired`; the timers of a tunnel end in its peer."""
        try:
            peer = bytes.fromhex(name.rpartition(".")[2])
        except ValueError:
            return None
        return self._end(peer).fired(name, now)

    def peers(self) -> tuple[bytes, ...]:
        """Peers with an open tunnel."""
        return self._awake.peers() + self._asleep.peers()

    def take_broken(self) -> list[tuple[bytes, bytes]]:
        """See :meth:`TunnelEnd.take_broken`."""
        return self._awake.take_broken() + self._asleep.take_broken()

    def take_expired(self) -> list[tuple[bytes, bytes]]:
        """Messages ``(peer, message)`` that a sleepy meter did not fetch in time, since the last call."""
        return self._asleep.take_expired()

    def reset(self) -> None:
        """Forget every tunnel and everything that waits."""
        self._awake.reset()
        self._asleep.reset()

    def _end(self, peer: bytes) -> TunnelEnd:
        return self._asleep if self._sleeps(peer) else self._awake
