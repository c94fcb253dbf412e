"""The HAN without radios: application frames handed over on the clock, under the rules of joining.

The second, dull implementation of the HAN adapter.  It shows that the seam is real, and serves where a bench wants no
radio.  No XBee, no MAC frames, nothing to tap: a bench whose evidence needs the air takes ``han_xbee``.

Must not live here: anything that only a radio has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devices.machines.core import (
    Beacon,
    NetworkDown,
    NetworksFound,
    NetworkUp,
    PeerJoined,
    PeerLeft,
    Received,
    SendFailed,
)
from rig.ports.protocols import Clock, HanCapabilities, Handle

__all__ = ["DirectAir", "DirectAirSettings", "DirectHan"]

S = 1_000_000_000
MS = 1_000_000


@dataclass(frozen=True, slots=True)
class DirectAirSettings:
    """Times and limits; of the order that the radios have, so that tests fit both."""

    hop_ns: int = 5 * MS  # from send to arrival
    form_ns: int = 2 * S
    join_ns: int = 3 * S
    retry_ns: int = 1 * S  # a device that could not join tries again, each time after twice the pause
    retry_most_ns: int = 600 * S
    fail_ns: int = 6 * S  # until a message that nobody took is given up
    largest_frame: int = 255  # the limit of an XBee, so that a machine meets the same one


@dataclass(slots=True)
class _Network:
    epid: bytes
    pan: int
    channel: int
    hub: DirectHan
    members: dict[bytes, bool]


class DirectAir:
    """Everybody's air: who is there, and which networks."""

    def __init__(self, clock: Clock, settings: DirectAirSettings | None = None) -> None:
        self.clock = clock
        self.settings = settings or DirectAirSettings()
        self._adapters: dict[bytes, DirectHan] = {}
        self._networks: dict[bytes, _Network] = {}

    def adapter(self, own: bytes, port: str = "han") -> DirectHan:
        """The adapter of the device with this EUI-64."""
        made = self._adapters[own] = DirectHan(self, own, port)
        return made

    def found(self, own: bytes) -> tuple[Beacon, ...]:
        """Networks whose hub has power, in the order of their formation."""
        return tuple(
            Beacon(network.epid, network.pan, network.channel, network.hub.window_open, -48)
            for network in self._networks.values()
            if network.hub.powered and network.hub.own != own
        )


class DirectHan:
    """See :class:`rig.ports.protocols.HanAdapter`."""

    def __init__(self, air: DirectAir, own: bytes, port: str) -> None:
        self.on_event: Callable[[Any], None] = lambda _: None
        self.own, self.port, self.powered = own, port, False
        self._air, self._clock = air, air.clock
        self._admitted: dict[bytes, bytes] = {}
        self._network: _Network | None = None  # kept without power, as a radio keeps it
        self._window_until = 0
        self._life = 0
        self._said = ""
        self._trying: Handle | None = None

    @property
    def capabilities(self) -> HanCapabilities:
        largest = self._air.settings.largest_frame
        return HanCapabilities(True, True, "none", largest, (), True)

    @property
    def window_open(self) -> bool:
        return self.powered and self._clock.now < self._window_until

    # ---------------------------------------------------------------------------------------------------------- power

    def start(self) -> None:
        if not self.powered:
            self.powered = True
            if self._network is not None:
                self._tell(self._network_up(), self._air.settings.hop_ns)

    def stop(self) -> None:
        self.powered = False
        self._life += 1
        self._window_until = 0
        self._stop_trying()

    def close(self) -> None:
        self.stop()

    def _tell(self, event: Any, delay: int = 0) -> None:
        life = self._life
        self._clock.call_at(self._clock.now + delay, lambda: self.on_event(event) if life == self._life else None)

    def _network_up(self) -> NetworkUp:
        assert self._network is not None
        return NetworkUp(self.port, self._network.epid, self._network.pan, self._network.channel)

    def _down(self, reason: str) -> None:
        if reason != self._said:
            self._said = reason
            self._tell(NetworkDown(self.port, reason))

    # ------------------------------------------------------------------------------------------------------- networks

    def form(self, epid: bytes) -> None:
        self._stop_trying()
        if self._network is not None and self._network.hub is self and self._network.epid == epid:
            self._tell(self._network_up())
            return
        self._drop_out()
        self._later(self._air.settings.form_ns, lambda: self._formed(epid))

    def _formed(self, epid: bytes) -> None:
        number = len(self._air._networks)
        self._network = _Network(epid, 0x1000 + number, 11 + number % 15, self, {})
        self._air._networks[epid] = self._network
        self._tell(self._network_up())

    def join(self, install_code: bytes, epid: bytes | None = None) -> None:
        self._stop_trying()
        self._said = ""
        if self._network is not None and self._network.hub is not self and epid in (None, self._network.epid):
            self._tell(self._network_up())
            return
        self._drop_out()
        settings = self._air.settings
        self._later(settings.join_ns, lambda: self._try(install_code, epid, settings.retry_ns))

    def _try(self, install_code: bytes, epid: bytes | None, pause: int) -> None:
        networks = [one for one in self._air._networks.values() if one.hub.powered]
        matching = [one for one in networks if epid in (None, one.epid)]
        welcome = [one for one in matching if one.hub.window_open]
        for network in welcome:
            if network.hub._admitted.get(self.own) == install_code:
                self._joined(network)
                return
        if welcome:
            self._down("joining failed: the install code is not the one that the coordinator was given")
        elif matching:
            self._down("the network does not let anybody join now")
        else:
            self._down("the network that was asked for is not heard")
        most = self._air.settings.retry_most_ns
        self._later(pause, lambda: self._try(install_code, epid, min(2 * pause, most)))

    def _joined(self, network: _Network) -> None:
        self._network, self._said = network, ""
        news = self.own not in network.members
        network.members[self.own] = True
        self._tell(self._network_up())
        if news:
            network.hub._tell(PeerJoined(network.hub.port, self.own), self._air.settings.hop_ns)

    def leave(self) -> None:
        self._stop_trying()
        self._drop_out()
        self._down("left the network")

    def _drop_out(self) -> None:
        network, self._network = self._network, None
        if network is not None and network.hub is self:
            self._air._networks.pop(network.epid, None)
        elif network is not None:
            network.members.pop(self.own, None)

    def scan(self) -> None:
        life = self._life

        def answer() -> None:
            if life == self._life:
                self.on_event(NetworksFound(self.port, self._air.found(self.own)))

        self._clock.call_at(self._clock.now + self._air.settings.form_ns, answer)

    def _later(self, delay: int, what: Callable[[], None]) -> None:
        self._trying = self._clock.call_at(self._clock.now + delay, what)

    def _stop_trying(self) -> None:
        if self._trying is not None:
            self._trying.cancel()
            self._trying = None

    # --------------------------------------------------------------------------------------------------- who may join

    def admit(self, peer: bytes, install_code: bytes) -> None:
        self._admitted[peer] = install_code

    def forget(self, peer: bytes) -> None:
        self._admitted.pop(peer, None)
        if self._network is not None and self._network.members.pop(peer, False):
            device = self._air._adapters[peer]
            if device.powered:
                device._network = None
                device._said = ""
                device._down("left the network")
            self._tell(PeerLeft(self.port, peer), self._air.settings.hop_ns)

    def open_joining(self, seconds: int) -> None:
        self._window_until = self._clock.now + seconds * S

    def close_joining(self) -> None:
        self._window_until = 0

    # ------------------------------------------------------------------------------------------------------- messages

    def send(self, peer: bytes, cluster: int, octets: bytes, token: int = 0) -> None:
        settings = self._air.settings
        if not self.powered or self._network is None:
            self._send_failed(peer, token, "not in a network", 0)
        elif len(octets) > settings.largest_frame:
            self._send_failed(
                peer, token, f"too large: {len(octets)} octets, a frame takes {settings.largest_frame}", 0
            )
        else:
            self._clock.call_at(self._clock.now + settings.hop_ns, lambda: self._arrive(peer, cluster, octets, token))

    def _arrive(self, peer: bytes, cluster: int, octets: bytes, token: int) -> None:
        to = self._air._adapters.get(peer)
        if to is not None and to.powered and to._network is not None and to._network is self._network:
            to._tell(Received(to.port, self.own, octets, cluster))
        elif to is None:
            self._send_failed(peer, token, "address not found", 0)
        else:
            self._send_failed(peer, token, "no acknowledgement from the device", self._air.settings.fail_ns)

    def _send_failed(self, peer: bytes, token: int, reason: str, delay: int) -> None:
        if token:
            self._tell(SendFailed(self.port, peer, token, reason), delay)
