"""The gateway between users (suppliers, network operators) and the access control broker: message links by way of
delivery.

A user's ``acb.<way>`` link carries pre-commands to the broker's ``users.<way>`` link, where they arrive under the
user's EUI-64; what the broker sends to a user arrives on that user's ``acb.<way>`` link under the broker's.  It carries
octets on the bench clock and is always up; the DCC's own interface (XML over a network) is not modelled here.

Must not live here: what the ways mean.
"""

from __future__ import annotations

from collections.abc import Callable

from rig.ports.protocols import Clock, PortMissing

__all__ = ["WAYS", "UserGateway"]

WAYS = ("wan", "local", "both")
DELAY_NS = 5_000_000  # one way [our choice]


def _no_message(_peer: bytes, _octets: bytes) -> None:
    """Nobody listens."""


def _no_link(_up: bool) -> None:
    """Nobody wants to know about the link."""


class _End:
    """One end; satisfies ``MessageLink``."""

    def __init__(self, carry: Callable[[bytes, bytes], None]) -> None:
        self._carry = carry
        self.on_message: Callable[[bytes, bytes], None] = _no_message
        self.on_link: Callable[[bool], None] = _no_link

    @property
    def up(self) -> bool:
        return True

    def send(self, device: bytes, octets: bytes) -> None:
        self._carry(device, octets)

    def close(self) -> None:
        self.on_message = _no_message


class UserGateway:
    """All links between the users and one broker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._users: dict[tuple[bytes, str], _End] = {}
        self._broker: dict[str, _End] = {way: self._broker_end(way) for way in WAYS}
        self._broker_eui = b""

    def broker(self, eui: bytes, way: str) -> _End:
        """The broker's end for one way of delivery."""
        self._broker_eui = eui
        return self._broker[way]

    def user(self, eui: bytes, way: str) -> _End:
        """A user's end for one way of delivery."""
        end = _End(lambda _device, octets: self._later(self._broker[way], eui, octets))
        self._users[eui, way] = end
        return end

    def _broker_end(self, way: str) -> _End:
        def carry(user: bytes, octets: bytes) -> None:
            end = self._users.get((user, way))
            if end is None:
                raise PortMissing(
                    "user gateway", f"no user {user.hex('-').upper()} is known", "Add it to the bench file."
                )
            self._later(end, self._broker_eui, octets)

        return _End(carry)

    def _later(self, end: _End, peer: bytes, octets: bytes) -> None:
        self._clock.call_at(self._clock.now + DELAY_NS, lambda: end.on_message(peer, octets))
