"""The coordinator's side of joining: the window, who is registered, addresses given out, the network key handed over.

Must not live here: the joiner's side (``zigbee_network``).  Source: facts/xbee-manual.md 4.3, 4.5; facts/radio.md 2.2.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from devices.wire import ieee802154, zigbee
from devices.wire.ieee802154 import Frame, FrameType
from rig.world.clock import Appointment
from rig.world.zigbee_types import COORDINATOR, NETWORK_KEY, NO_ADDRESS, TRANSPORT_KEY, WILDCARD, S, Status

if TYPE_CHECKING:
    from rig.world.zigbee_network import ZigbeeNetwork

__all__ = ["TrustCentre"]

MOST_WAITING = 16  # associations whose response was not fetched yet; the oldest goes


class TrustCentre:
    """Lets devices into the network of its radio, if that coordinates one."""

    def __init__(self, network: ZigbeeNetwork, rng: Random) -> None:
        self._network, self._clock, self._rng = network, network.clock, rng
        self._registered: dict[bytes, tuple[bytes, int]] = {}  # device to its link key, and until when
        self._waiting: dict[bytes, bytes] = {}  # device to the short address that it is to fetch
        self._open_until = -1
        self._closing: Appointment | None = None

    def power_off(self) -> None:
        """Everything here is volatile."""
        self.quiet()
        self._registered.clear()

    def forget(self) -> None:
        """The network is over, and its table of link keys with it (facts/xbee-manual.md 4.8)."""
        self._registered.clear()

    def quiet(self) -> None:
        """The radio falls silent: the window is closed without a word."""
        self._open_until = -1
        self._waiting.clear()
        self._cancel_closing()

    def _cancel_closing(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    # ------------------------------------------------------------------------------------------------------ the window

    @property
    def open(self) -> bool:
        """The joining window is open."""
        return self._clock.now < self._open_until

    def permit(self, seconds: int) -> None:
        """Open the window; 0 closes it, FF leaves it open."""
        was = self.open
        self._cancel_closing()
        if seconds == 0:
            self._open_until = -1
            if was:
                self._network.on_status(Status.CLOSED)
            return
        self._open_until = 1 << 62 if seconds == 0xFF else self._clock.now + seconds * S
        if not was:
            self._network.on_status(Status.OPENED)
        if seconds != 0xFF:
            self._closing = self._clock.call_at(self._open_until, lambda: self._network.on_status(Status.CLOSED))

    # --------------------------------------------------------------------------------------------------- registrations

    def register(self, device: bytes, key: bytes, lifetime: int) -> None:
        """Let ``device`` join with this link key for ``lifetime`` seconds."""
        self._registered[device] = (key, self._clock.now + lifetime * S)

    @property
    def registered(self) -> int:
        """How many entries are in the table and have not run out."""
        self._registered = {one: entry for one, entry in self._registered.items() if entry[1] > self._clock.now}
        return len(self._registered)

    def __contains__(self, device: bytes) -> bool:
        return device in self._registered and self._registered[device][1] > self._clock.now

    def unregister(self, device: bytes) -> bool:
        """Take it off the list of those who may join; whether it was on it."""
        return self._registered.pop(device, None) is not None

    # ----------------------------------------------------------------------------------------------------- association

    def hear_association(self, frame: Frame) -> None:
        """A device asks to be let in; it fetches the answer with a data request."""
        member = self._network.member
        if member is None or not member.coordinator or not self.open or len(frame.source) != 8:
            return
        device = frame.source
        taken = [COORDINATOR, NO_ADDRESS, *member.addresses.values(), *self._waiting.values()]
        short = member.addresses.get(device) or self._waiting.get(device)
        while short is None:
            drawn = self._rng.randrange(1, 0xFFF0).to_bytes(2, "big")
            short = None if drawn in taken else drawn
        self._waiting[device] = short
        if len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def hear_data_request(self, frame: Frame) -> None:
        """Hand the address over, then decide."""
        member = self._network.member
        short = self._waiting.pop(frame.source, None)
        if member is None or short is None:
            return
        device = frame.source
        response = ieee802154.encode_command(ieee802154.AssociationResponse(short))
        self._network.mac.send(
            Frame(FrameType.COMMAND, 0, response, member.pan, device, member.pan, self._network.eui, True, True),
            done=lambda acknowledged: self._send_key(device, short) if acknowledged else None,
        )

    def _send_key(self, device: bytes, short: bytes) -> None:
        """A device that is registered gets the network key under its own link key; any other gets nothing."""
        member = self._network.member
        entry = self._registered.get(device) or self._registered.get(WILDCARD)
        if member is None or entry is None or entry[1] <= self._clock.now:
            return
        content = bytes((TRANSPORT_KEY, NETWORK_KEY)) + member.key + b"\0" + device[::-1] + self._network.eui[::-1]
        aps = zigbee.ApsFrame(self._network.next_counter(), content, frame_type=zigbee.ApsType.COMMAND)
        self._network.unicast(short, zigbee.encode_aps(aps), seal=entry[0])
