"""Radios of a bench by driver name: which adapter, over which serial line, with which module at its far end.

Must not live here: what an adapter or a module does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random

from devices.machines.faults import FAULTS, FAULTY
from devices.trust.install_code import install_code_key
from rig.node.bench_file import ENDPOINTS, Bench, BenchFileError, Device, Port
from rig.node.virtual_world import VirtualWorld
from rig.ports.bytelink import SerialByteLink, VirtualByteLink
from rig.ports.han_direct import DirectAir
from rig.ports.han_xbee import XBeeHan, XBeeHanConfig
from rig.ports.interpan_direct import DirectInterPanAir
from rig.ports.interpan_xbee import XBeeInterPan, XBeeInterPanConfig
from rig.ports.protocols import ByteLink, Clock, HanAdapter, InterPanAdapter
from rig.world.xbee_802154 import XBee802154
from rig.world.xbee_module import XBeeModule
from rig.world.xbee_zigbee import XBeeZigbee

__all__ = ["Radios"]

BAUD = 115_200
VIRTUAL = "virtual://"
INTERPAN_DRIVERS = ("xbee-802154", "direct-interpan")
HAN_DRIVERS = ("xbee", "direct")


Heard = Callable[[str, bytes, int, int], None]
"""Device that heard a frame, EUI-64 of the sender, endpoint it left from, endpoint it was for."""


class Radios:
    """Makes the radios of a bench.  ``modules`` are the virtual ones by device name, to be carried about or cut off.

    ``heard`` is told of each HAN frame that came to the radio of a device: who sent it, and from endpoint to endpoint.
    """

    def __init__(self, bench: Bench, clock: Clock, world: VirtualWorld | None, heard: Heard) -> None:
        self._bench, self._clock, self._world, self._heard = bench, clock, world, heard
        self._air = DirectAir(clock)
        self._interpan_air = DirectInterPanAir(self._air)
        self.modules: dict[str, list[tuple[str, XBeeModule]]] = {}

    def han(self, device: Device, port: Port, where: str) -> HanAdapter:
        """The HAN adapter of one port."""
        if port.driver == "direct":
            return self._air.adapter(device.eui)
        line, power = self._line(device, port.url, port.radio, zigbee=True, where=where)
        peers = self._peers("xbee", lambda p: p.radio)
        config = XBeeHanConfig(
            device.eui,
            peers,
            install_code_key,
            power,
            endpoint=port.endpoint,
            sends_from=_sends_from(device, port.endpoint),
            endpoints=self._endpoints(),
        )
        radio = XBeeHan(line, self._clock, config)
        radio.on_heard = partial(self._heard, device.name)
        return radio

    def interpan(self, device: Device, port: Port, where: str) -> InterPanAdapter:
        """The inter-PAN adapter of one port; a terminal's has a second radio to scan with."""
        if port.driver == "direct-interpan":
            return self._interpan_air.adapter(device.eui)
        line, power = self._line(device, port.url, port.radio, zigbee=False, where=where)
        scan, scan_power = None, None
        if port.scan_url:
            scan, scan_power = self._line(device, port.scan_url, port.scan_radio, zigbee=True, where=where)
        peers = self._peers("xbee-802154", lambda p: p.radio)
        return XBeeInterPan(line, scan, self._clock, XBeeInterPanConfig(device.eui, peers, power, scan_power))

    def _endpoints(self) -> Mapping[bytes, int]:
        """Device EUI-64 to the endpoint that everybody speaks on who has a radio of the HAN."""
        return {
            device.eui: port.endpoint
            for device in self._bench.devices.values()
            for port in device.ports.values()
            if port.driver == "xbee"
        }

    def _peers(self, driver: str, radio: Callable[[Port], bytes]) -> Mapping[bytes, bytes]:
        """Device EUI-64 to radio EUI-64 of everybody who has a radio of this kind."""
        return {
            device.eui: radio(port)
            for device in self._bench.devices.values()
            for port in device.ports.values()
            if port.driver == driver and radio(port)
        }

    def _line(
        self, device: Device, url: str, radio: bytes, *, zigbee: bool, where: str
    ) -> tuple[ByteLink, Callable[[bool], None] | None]:
        """The serial line to a module, and the switch of its power where the bench has one.

        The line is a real one, or a virtual one with a module at its far end that was prepared as a real one is.
        """
        if not url.startswith(VIRTUAL):
            return SerialByteLink(url, BAUD, self._clock), None
        if self._world is None:
            raise BenchFileError(where, "a serial device, since this bench runs on real time", url)
        name = url.removeprefix(VIRTUAL)
        near, far = VirtualByteLink.pair(self._clock, BAUD, name, fifo=256)
        rng = Random(f"{self._bench.seed}/{name}")
        module: XBeeModule
        if zigbee:
            prepared = {"AP": b"\2", "ZS": b"\2"}
            module = XBeeZigbee(self._world.ether, name, radio, rng, link_key=install_code_key, registers=prepared)
        else:
            module = XBee802154(self._world.ether, name, radio, rng, registers={"AP": b"\2"})
        far.on_bytes = module.on_host_bytes
        module.to_host = far.write
        self.modules.setdefault(device.name, []).append((name, module))
        return near, module.power


def _sends_from(device: Device, endpoint: int) -> int:
    """The endpoint that the frames of a device leave from: its own, unless it has a fault; then another one that a
    device may have."""
    fault = FAULTS.get((FAULTY.get(device.kind, device.kind), device.fault or ""))
    off = 0 if fault is None else fault.endpoints_off
    return ENDPOINTS[(ENDPOINTS.index(endpoint) + off) % len(ENDPOINTS)]
