"""Two benches for inter-PAN: virtual XBee modules with 802.15.4 firmware, and the direct air."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from devices.machines.core import NetworkUp
from rig.ports.han_direct import DirectAir
from rig.ports.interpan_direct import DirectInterPanAir
from rig.ports.interpan_xbee import XBeeInterPan, XBeeInterPanConfig
from rig.ports.protocols import HanAdapter, InterPanAdapter
from rig.world.clock import NS, VirtualClock
from rig.world.xbee_802154 import XBee802154
from rig.world.xbee_zigbee import XBeeZigbee
from tests.ports.han_benches import HUB, MemoryLink, XBeeBench

TERMINAL = bytes.fromhex("00db1234567890e4")
NEIGHBOUR = bytes.fromhex("00db1234567890f5")
IP_RADIOS = {
    HUB: bytes.fromhex("0013a20041fffff0"),
    TERMINAL: bytes.fromhex("0013a20041fffff1"),
    NEIGHBOUR: bytes.fromhex("0013a20041fffff2"),
}


class InterPanBench:
    """Adapters by device EUI-64, what each said, and the HAN of the hub."""

    clock: VirtualClock

    def __init__(self) -> None:
        self.events: dict[bytes, list[Any]] = {}

    def hub_han(self) -> NetworkUp:
        """Form the hub's HAN; what it said."""
        raise NotImplementedError

    def make(self, own: bytes) -> InterPanAdapter:
        raise NotImplementedError

    def add(self, own: bytes, channel: int | None = None, pan: int = 0x1111) -> InterPanAdapter:
        adapter = self.make(own)
        said = self.events[own] = []
        adapter.on_event = said.append
        adapter.start()
        if channel is not None:
            adapter.tune(channel, pan)
        self.run(8)  # a module from the factory is found in transparent mode
        return adapter

    def run(self, seconds: float) -> None:
        self.clock.advance(self.clock.now + round(seconds * NS))

    def take(self, own: bytes) -> list[Any]:
        said = list(self.events[own])
        self.events[own].clear()
        return said

    def _formed(self, adapter: HanAdapter) -> NetworkUp:
        said: list[Any] = []
        adapter.on_event = said.append
        adapter.start()
        adapter.form(HUB)
        self.run(30)
        up = said[-1]
        assert isinstance(up, NetworkUp)
        return up


class XBeeInterPanBench(InterPanBench):
    def __init__(self) -> None:
        super().__init__()
        self.han = XBeeBench()
        self.clock, self.ether = self.han.clock, self.han.ether
        self.modules: dict[bytes, XBee802154] = {}
        self.adapters: dict[bytes, XBeeInterPan] = {}

    def hub_han(self) -> NetworkUp:
        return self._formed(self.han._xbee(self.han, HUB))

    def make(self, own: bytes) -> InterPanAdapter:
        radio = IP_RADIOS[own]
        module = self.modules[own] = XBee802154(self.ether, f"ip-{radio.hex()}", radio, Random(3))
        scan_link, scan_power = self._scanner(own)
        config = XBeeInterPanConfig(own, IP_RADIOS, power=module.power, scan_power=scan_power)
        made = self.adapters[own] = XBeeInterPan(MemoryLink(module), scan_link, self.clock, config)
        return made

    def _scanner(self, own: bytes) -> tuple[MemoryLink | None, Callable[[bool], None] | None]:
        if own != TERMINAL:
            return None, None
        scanner = XBeeZigbee(self.ether, "scanner", bytes.fromhex("0013a20041eeeee0"), Random(4))
        return MemoryLink(scanner), scanner.power


class DirectInterPanBench(InterPanBench):
    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.han = DirectAir(self.clock)
        self.air = DirectInterPanAir(self.han)

    def hub_han(self) -> NetworkUp:
        return self._formed(self.han.adapter(HUB))

    def make(self, own: bytes) -> InterPanAdapter:
        return self.air.adapter(own)
