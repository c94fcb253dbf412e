"""What a hub hands to the gas proxy function (GPF) that it holds, over a line inside the hub.

``proxy`` carries GBCS messages to and from the proxy; ``tap`` carries copies: of what goes to and from the gas meter,
and of the meter's frames outside its tunnel; the other way, the proxy's own frames for the meter.

Must not live here: what the proxy makes of them (``gpf``), who may send what (``comms_hub``).

Source: facts/gbcs.md 8.3.
"""

from __future__ import annotations

from devices.machines.core import Effect, Received, Send

__all__ = ["PROXY", "TAP", "ProxyLine"]

PROXY, TAP = "proxy", "tap"


class ProxyLine:
    """The line to the proxy with the device identifier ``proxy``; None: this hub holds none."""

    def __init__(self, proxy: bytes | None) -> None:
        self._proxy = proxy

    def reaches(self, device: bytes) -> bool:
        """Whether ``device`` is the proxy."""
        return self._proxy is not None and device == self._proxy

    def hand(self, octets: bytes) -> list[Effect]:
        """A whole message for the proxy."""
        return [] if self._proxy is None else [Send(PROXY, self._proxy, octets)]

    def copy(self, octets: bytes) -> list[Effect]:
        """A whole message that goes to the gas meter, or comes from it."""
        return [] if self._proxy is None else [Send(TAP, self._proxy, octets)]

    def copy_frame(self, event: Received) -> list[Effect]:
        """A frame of the gas meter outside its tunnel."""
        return [] if self._proxy is None else [Send(TAP, self._proxy, event.octets, event.cluster)]
