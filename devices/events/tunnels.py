"""Tunnels between a device or terminal and its hub: ``port`` and ``peer`` (EUI-64) say which.

Must not live here: whole messages that came through (``messages``).
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.events.base import Event, event

__all__ = [
    "TransferBroken",
    "TransferDropped",
    "TransferUnreadable",
    "TunnelClosed",
    "TunnelError",
    "TunnelGivenUp",
    "TunnelIgnored",
    "TunnelOpened",
    "TunnelRefused",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tunnel(Event):
    port: str
    peer: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transfer(_Tunnel):
    octets: bytes
    reason: str


@event("tunnel.open")
class TunnelOpened(_Tunnel):
    """A tunnel was opened; ``tunnel`` is its number at the server."""

    tunnel: int


@event("tunnel.closed")
class TunnelClosed(_Tunnel):
    """The tunnel was closed."""


@event("tunnel.refused")
class TunnelRefused(_Tunnel):
    """The server did not open a tunnel; ``status`` is that of its response."""

    status: int


@event("tunnel.error")
class TunnelError(_Tunnel):
    """The other end refused transferred data; ``status`` says why."""

    status: int


@event("tunnel.given_up")
class TunnelGivenUp(_Tunnel):
    """The client does not try any more to open a tunnel."""

    reason: str


@event("tunnel.ignored")
class TunnelIgnored(_Tunnel):
    """A tunnelling ``command`` came that nothing is done with."""

    command: str


@event("tunnel.bad")
class TransferUnreadable(_Transfer):
    """A frame (``octets``) came that is no piece of a message."""


@event("tunnel.broken")
class TransferBroken(_Transfer):
    """A message (``octets``) was on its way and did not arrive whole."""


@event("tunnel.dropped")
class TransferDropped(_Transfer):
    """A message (``octets``) was never begun to be sent."""
