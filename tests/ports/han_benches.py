"""Two benches with the same face: HAN adapters over virtual XBee modules, and over the direct air."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from devices.trust.install_code import install_code_key
from rig.ports.han_direct import DirectAir
from rig.ports.han_xbee import XBeeHan, XBeeHanConfig
from rig.ports.protocols import HanAdapter
from rig.world.clock import NS, VirtualClock
from rig.world.ether import Ether
from rig.world.xbee_module import XBeeModule
from rig.world.xbee_zigbee import XBeeZigbee

HUB = bytes.fromhex("00db1234567890a0")
METER = bytes.fromhex("00db1234567890b1")
DISPLAY = bytes.fromhex("00db1234567890c2")
STRANGER = bytes.fromhex("00db1234567890d3")
CODE = bytes.fromhex("83FED3407A939723A5C639B26916D505")
OTHER_CODE = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
RADIOS = {HUB: bytes.fromhex("0013a20041abcde0"), METER: bytes.fromhex("0013a20041abcde1")}
RADIOS[DISPLAY] = bytes.fromhex("0013a20041abcde2")


class MemoryLink:
    """The simplest byte link: what is written is with the module at once."""

    def __init__(self, module: XBeeModule) -> None:
        self.on_bytes: Callable[[bytes], None] = lambda _: None
        self.link_lost: Callable[[str], None] = lambda _: None
        self.written = bytearray()
        self.closed = False
        self.module = module
        module.to_host = lambda octets: self.on_bytes(octets)

    def write(self, octets: bytes) -> None:
        self.written += octets
        self.module.on_host_bytes(octets)

    def set_line(self, name: str, level: bool) -> None:
        raise AssertionError(f"nobody sets {name} here")

    def close(self) -> None:
        self.closed = True


class Bench:
    """Adapters by device EUI-64 and what each of them said."""

    def __init__(self, make: Callable[[Bench, bytes], HanAdapter]) -> None:
        self.clock = VirtualClock()
        self.events: dict[bytes, list[Any]] = {}
        self.adapters: dict[bytes, HanAdapter] = {}
        self._make = make

    def add(self, own: bytes) -> HanAdapter:
        adapter = self._make(self, own)
        said: list[Any] = []
        self.events[own], self.adapters[own] = said, adapter
        adapter.on_event = said.append
        adapter.start()
        return adapter

    def run(self, seconds: float) -> None:
        self.clock.advance(self.clock.now + round(seconds * NS))

    def wait_for(self, own: bytes, kind: type, seconds: float = 60) -> Any:
        """Advance until ``own`` has said something of this kind that was not asked for before; take it."""
        said = self.events[own]

        def there() -> bool:
            return any(isinstance(event, kind) for event in said)

        assert self.clock.advance(self.clock.now + round(seconds * NS), there), f"no {kind.__name__}; got {said}"
        event = next(event for event in said if isinstance(event, kind))
        said.remove(event)
        return event

    def said(self, own: bytes, kind: type) -> list[Any]:
        return [event for event in self.events[own] if isinstance(event, kind)]


class XBeeBench(Bench):
    def __init__(self, seed: int = 7, endpoints: dict[bytes, int] | None = None) -> None:
        super().__init__(self._xbee)
        self.endpoints = endpoints or {}
        self.rng = Random(seed)
        self.ether = Ether(self.clock, self.rng)
        self.modules: dict[bytes, XBeeZigbee] = {}
        self.links: dict[bytes, MemoryLink] = {}

    def _xbee(self, _: Bench, own: bytes) -> HanAdapter:
        radio = RADIOS.get(own, own)
        rng = Random(self.rng.random())
        module = self.modules[own] = XBeeZigbee(self.ether, radio.hex(), radio, rng, link_key=install_code_key)
        link = self.links[own] = MemoryLink(module)
        return XBeeHan(
            link,
            self.clock,
            XBeeHanConfig(
                own,
                RADIOS,
                install_code_key,
                power=module.power,
                endpoint=self.endpoints.get(own, 1),
                endpoints=self.endpoints,
            ),
        )


class DirectBench(Bench):
    def __init__(self) -> None:
        super().__init__(lambda _, own: self.air.adapter(own))
        self.air = DirectAir(self.clock)
