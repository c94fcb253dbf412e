"""The links of a bench by name: what a message crosses when it leaves or reaches a port, and which ends nobody taps.

Must not live here: the taps (``rig.host.taps``), the links themselves (``rig.ports``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rig.node.bench_file import Bench, Device, Port

__all__ = ["LINE", "Link", "Links"]

LINE: Final = "line"
"""The port driver of a device in another process.  Its far end is inside that device, where nobody taps."""
VIRTUAL: Final = "virtual://"
RADIOS: Final = ("xbee", "xbee-802154")
"""The drivers of real radios and of those in the virtual ether."""
BROKER: Final = "access_control_broker"


@dataclass(frozen=True, slots=True)
class Link:
    """One link; what crosses the virtual ether ``on_air`` is captured there, frame by frame."""

    name: str
    on_air: bool = False


class Links:
    """What the bench file says of links.  ``has_air``: whether any radio sends through the virtual ether."""

    def __init__(self, bench: Bench) -> None:
        self._devices = bench.devices
        self.names: Mapping[bytes, str] = {device.eui: device.name for device in bench.devices.values()}
        self.has_air = any(_on_air(port) for device in bench.devices.values() for port in device.ports.values())

    def of(self, device: str, port: str, peer: bytes) -> Link:
        """The link that a message crosses between ``port`` of ``device`` and ``peer``."""
        here, there = self._devices.get(device), self._devices.get(self.names.get(peer, ""))
        name = port.partition(".")[0]
        plugged = None if here is None else here.ports.get(name)
        if here is None or plugged is None:
            return Link(port)
        if plugged.driver == "gateway":
            user = here if here.kind != BROKER else there
            return Link(f"gateway {user.name}" if user is not None else "gateway")
        if plugged.driver == LINE:
            return Link(f"line {here.name}")
        if plugged.driver == "wan":
            return Link(self._wan(here, there))
        kind = "internal" if plugged.driver == "internal" else name
        return Link(f"{kind} {self._hub(here, there)}", _on_air(plugged))

    def untapped(self, device: str) -> list[str]:
        """The ports of a device whose own end nobody taps: what reaches them is not seen any more."""
        return [name for name, port in self._devices[device].ports.items() if port.driver == LINE]

    def _wan(self, here: Device, there: Device | None) -> str:
        """The WAN has a link for each hub; the head end also reaches devices that have a line of their own."""
        if here.kind != BROKER:
            return f"wan {here.name}"
        if there is None:
            return "wan"
        if self.untapped(there.name):
            return f"line {there.name}"
        return f"wan {there.behind or there.name}"

    @staticmethod
    def _hub(here: Device, there: Device | None) -> str:
        """Whose network or box it is: the hub's, whichever of the two that is."""
        for device in (here, there):
            if device is not None and device.kind == "comms_hub":
                return device.name
        return here.behind or here.name


def _on_air(port: Port) -> bool:
    return port.driver in RADIOS and port.url.startswith(VIRTUAL)
