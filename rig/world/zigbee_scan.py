"""The active scan of a virtual Zigbee radio: beacon requests on channel after channel, and the beacons heard.

Must not live here: what is made of them (``zigbee_network``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from devices.wire import ieee802154, zigbee
from devices.wire.ieee802154 import Frame, FrameType
from rig.world.clock import Appointment, VirtualClock
from rig.world.mac import MacRadio
from rig.world.zigbee_types import Heard

__all__ = ["Scanner", "channels_of"]

Found = Callable[[list[Heard]], None]


def channels_of(mask: int) -> list[int]:
    """Channels of an SC mask: bit 0 is channel 11."""
    return [11 + bit for bit in range(16) if mask >> bit & 1]


_REQUEST = Frame(
    FrameType.COMMAND,
    0,
    ieee802154.encode_command(ieee802154.BeaconRequest()),
    ieee802154.BROADCAST_PAN,
    ieee802154.BROADCAST,
)


class Scanner:
    """One scan at a time; a new one takes the place of the old, whose ``done`` is never called."""

    def __init__(self, mac: MacRadio, clock: VirtualClock, channel_ns: int) -> None:
        self._mac, self._clock, self._channel_ns = mac, clock, channel_ns
        self._heard: list[Heard] | None = None
        self._timer: Appointment | None = None

    def start(self, mask: int, done: Found) -> None:
        """Listen on each channel of ``mask`` in turn, then hand over what was heard; the radio stays on the last."""
        self.stop()
        heard = self._heard = []
        self._next(iter(channels_of(mask)), heard, done)

    def stop(self) -> None:
        """Break off."""
        self._heard = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self, channels: Iterator[int], heard: list[Heard], done: Found) -> None:
        channel = next(channels, None)
        if channel is None:
            self.stop()
            done(heard)
            return
        self._mac.tune(channel)
        self._mac.send(_REQUEST)
        at = self._clock.now + self._channel_ns
        self._timer = self._clock.call_at(at, lambda: self._next(channels, heard, done))

    def hear(self, frame: Frame, rssi: int) -> None:
        """A beacon.  Raises DecodeError for what is no beacon of a Zigbee network."""
        if self._heard is None or frame.source_pan is None:
            return
        beacon = ieee802154.decode_beacon(frame.payload)
        network = zigbee.decode_beacon_payload(beacon.payload)
        self._heard.append(
            Heard(
                network.extended_pan,
                frame.source_pan,
                self._mac.channel or 0,
                beacon.association_permit,
                rssi,
                network.stack_profile,
                frame.source,
            )
        )
