"""Inter-PAN without radios: frames handed over on the clock between adapters on the same channel.

The second, dull implementation of the inter-PAN adapter; see ``han_direct``.

Must not live here: anything that only a radio has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devices.machines.core import NetworksFound, Received, SendFailed
from rig.ports.han_direct import DirectAir

__all__ = ["DirectInterPan", "DirectInterPanAir"]

LARGEST = 95  # facts/radio.md 8.1
EVERYBODY = b"\xff" * 8


class DirectInterPanAir:
    """Who is there.  ``han``: where scans look for networks."""

    def __init__(self, han: DirectAir) -> None:
        self.han, self.clock = han, han.clock
        self.adapters: dict[bytes, DirectInterPan] = {}

    def adapter(self, own: bytes, port: str = "interpan") -> DirectInterPan:
        """The adapter of the device with this EUI-64."""
        made = self.adapters[own] = DirectInterPan(self, own, port)
        return made


class DirectInterPan:
    """See :class:`rig.ports.protocols.InterPanAdapter`."""

    def __init__(self, air: DirectInterPanAir, own: bytes, port: str) -> None:
        self.on_event: Callable[[Any], None] = lambda _: None
        self.own, self.port, self.powered = own, port, False
        self.channel: int | None = None
        self.pan = 0xFFFF
        self._air, self._clock = air, air.clock
        self._life = 0

    @property
    def largest_frame(self) -> int:
        return LARGEST

    def start(self) -> None:
        self.powered = True

    def stop(self) -> None:
        self.powered, self.channel = False, None
        self._life += 1

    def close(self) -> None:
        self.stop()

    def tune(self, channel: int, pan: int) -> None:
        """The PAN identifier changes nothing here: frames go to every PAN."""
        self.channel, self.pan = channel, pan

    def _tell(self, event: Any, delay: int = 0) -> None:
        life = self._life
        self._clock.call_at(self._clock.now + delay, lambda: self.on_event(event) if life == self._life else None)

    def _send_failed(self, peer: bytes, token: int, reason: str) -> None:
        if token:
            self._tell(SendFailed(self.port, peer, token, reason))

    def send(self, peer: bytes, cluster: int, octets: bytes, token: int = 0) -> None:
        hop = self._air.han.settings.hop_ns
        if len(octets) > LARGEST:
            self._send_failed(peer, token, f"too large: {len(octets)} octets, a frame takes {LARGEST}")
        elif self.channel is None:
            self._send_failed(peer, token, "the radio is tuned to no channel")
        else:
            channel = self.channel
            self._clock.call_at(self._clock.now + hop, lambda: self._arrive(peer, channel, cluster, octets, token))

    def _arrive(self, peer: bytes, channel: int, cluster: int, octets: bytes, token: int) -> None:
        if peer == EVERYBODY:
            heard = [one for one in self._air.adapters.values() if one is not self and one.channel == channel]
        else:
            heard = [one for one in self._air.adapters.values() if one.own == peer and one.channel == channel]
            if not heard:
                self._send_failed(peer, token, "no acknowledgement")
        for one in heard:
            one._tell(Received(one.port, self.own, octets, cluster))

    def scan(self) -> None:
        life, han = self._life, self._air.han

        def answer() -> None:
            if life == self._life:
                self.on_event(NetworksFound(self.port, han.found(self.own)))

        self._clock.call_at(self._clock.now + han.settings.form_ns, answer)
