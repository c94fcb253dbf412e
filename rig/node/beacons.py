"""Beacons on the virtual air: whose radio sent the latest one, who was asked for one last, and when.

Devices that look for a network have hubs send beacons all day, so they are kept for whoever asks and are no events.

Must not live here: the capture of the air (``captures``), what a radio hears (``rig.host.taps``).
"""

from __future__ import annotations

from devices.wire import ieee802154, zigbee
from devices.wire.errors import WireError
from rig.node.bench_file import Bench
from rig.node.recorder import Recorder

__all__ = ["Beacons", "network_of"]

REQUEST = ieee802154.encode(
    ieee802154.Frame(
        ieee802154.FrameType.COMMAND,
        0,
        ieee802154.encode_command(ieee802154.BeaconRequest()),
        destination_pan=0xFFFF,
        destination=ieee802154.BROADCAST,
    )
)
"""A beacon request: they differ in their sequence numbers alone (the third octet)."""


class Beacons:
    """The beacons that devices of a bench sent."""

    def __init__(self, bench: Bench, recorder: Recorder) -> None:
        self._recorder = recorder
        self._owners = {
            url.partition("://")[2]: device
            for device in bench.devices.values()
            for port in device.ports.values()
            for url in (port.url, port.scan_url)
            if url
        }
        self._answering = {
            port.url.partition("://")[2]: device.name
            for device in bench.devices.values()
            for port in device.ports.values()
            if port.driver == "xbee"
        }
        self._latest: dict[tuple[str, bytes], tuple[int, int]] = {}
        self._asked: dict[tuple[str, str], tuple[int, int]] = {}

    def tap(self, at_ns: int, _channel: int, octets: bytes, _rssi: int, sender: str) -> None:
        """A tap of the ether: one transmission of the radio with this name."""
        network, owner = network_of(octets), self._owners.get(sender)
        if network is not None and owner is not None:
            self._latest[owner.name, network] = self._recorder.order, at_ns

    def arrival(self, at_ns: int, octets: bytes, sender: str, receiver: str) -> None:
        """A tap of the ether: one frame as the radio with this name receives it."""
        if len(octets) != len(REQUEST) or octets[3:] != REQUEST[3:] or octets[0] & 7 != REQUEST[0] & 7:
            return
        asked, by = self._answering.get(receiver), self._owners.get(sender)
        if asked is not None and by is not None:
            self._asked[asked, by.name] = self._recorder.order, at_ns

    def asked(self, device: str, by: str, order: int) -> int | None:
        """When, in ns of bench time, a beacon request of ``by`` last came to the radio with which ``device`` answers
        such, where that was after the event with this number."""
        after, at_ns = self._asked.get((device, by), (-1, 0))
        return at_ns if after >= order else None

    def since(self, device: str, network: bytes, order: int) -> int | None:
        """When, in ns of bench time, a radio of ``device`` last sent a beacon of this network (extended PAN id), where
        that was after the event with this number."""
        after, at_ns = self._latest.get((device, network), (-1, 0))
        return at_ns if after >= order else None


def network_of(octets: bytes) -> bytes | None:
    """The extended PAN id in a MAC frame that is a beacon of a Zigbee network; None for all else."""
    if not octets or octets[0] & 7 != ieee802154.FrameType.BEACON:
        return None
    try:
        beacon = ieee802154.decode_beacon(ieee802154.decode(octets).payload)
        return zigbee.decode_beacon_payload(beacon.payload).extended_pan
    except WireError:
        return None
