"""The radio air of a virtual bench: 802.15.4 MAC frames on channels, with the quality of each link and taps.

Octets here are whole MAC frames without their frame check sequence; the sequence counts for length and air time.
Timing: 32 us an octet at 250 kbit/s and 192 us for preamble and frame length.  A radio sends one frame at a time
(its MAC sees to that); transmissions of different radios never collide, and there is no back-off: not modelled.

A frame may carry a *seal*: the key under which its sender would have secured it.  The air hands the seal to the
receivers, never to a tap: frames are recorded without NWK and APS security, and yet who lacks the key cannot speak.

Must not live here: addresses and acknowledgements (``mac``), Zigbee, anything that a radio remembers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from rig.world.clock import VirtualClock

__all__ = ["Antenna", "Arrival", "Ether", "EtherError", "Link", "Tap", "air_time"]

MAX_OCTETS = 125  # 127 with the frame check sequence
OCTET_NS = 32_000
PREAMBLE_NS = 192_000

Tap = Callable[[int, int, bytes, int, str], None]
"""``tap(at_ns, channel, octets without check sequence, rssi_dbm, sender)``, called as a transmission starts."""
Arrival = Callable[[int, bytes, str, str], None]
"""``arrival(at_ns, octets without check sequence, sender, receiver)``, called as a radio has received a frame."""


class EtherError(ValueError):
    """Something that the air cannot carry, or a radio that it does not know."""


@dataclass(frozen=True, slots=True)
class Link:
    """How one radio hears another.  Probabilities are 0 to 1, drawn for each frame from the bench's seed."""

    loss: float = 0.0
    duplicate: float = 0.0  # the frame is sent a second time, as a transmission of its own
    duplicate_after_ns: int = 3_000_000
    reorder: float = 0.0  # the receiver holds the frame, so that later ones overtake it
    reorder_hold_ns: int = 30_000_000
    delay_ns: int = 0  # the receiver hands every frame up so much later
    rssi_dbm: int = -48  # facts/radio.md 4: the register set that worked has DB = 30 hex


def air_time(octets: bytes) -> int:
    """How long a frame (given without check sequence) is on the air, in ns."""
    return PREAMBLE_NS + OCTET_NS * (len(octets) + 2)


Hear = Callable[[bytes, int, int, bytes], None]
"""``hear(octets, rssi_dbm, hold_ns, seal)``.  Holding happens behind the acknowledgement, as in a busy receiver."""


class Antenna:
    """One radio's place on the air.  ``channel`` None: switched off, neither hears nor speaks."""

    def __init__(self, ether: Ether, name: str, hear: Hear) -> None:
        self.name = name
        self.hear = hear
        self.channel: int | None = None
        self.out_of_range = False
        self._ether = ether

    def send(self, octets: bytes, seal: bytes = b"") -> int:
        """Put a frame on the air now; returns its air time in ns.  Raises EtherError for what is too long."""
        return self._ether.transmit(self, octets, seal)


class Ether:
    """The air.  ``rng`` decides losses and the like; equal seeds give equal air."""

    def __init__(self, clock: VirtualClock, rng: Random) -> None:
        self.clock = clock
        self._rng = rng
        self._antennas: dict[str, Antenna] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._taps: list[Tap] = []
        self._arrivals: list[Arrival] = []
        self.default = Link()
        self.transmissions = 0
        self.lost = 0

    # --------------------------------------------------------------------------------------------------- who is there

    def attach(self, name: str, hear: Hear) -> Antenna:
        """A new radio, switched off until it sets its channel.  Raises EtherError when the name is taken."""
        if name in self._antennas:
            raise EtherError(f"there is a radio called {name!r} already; each radio needs a name of its own")
        antenna = self._antennas[name] = Antenna(self, name, hear)
        return antenna

    def detach(self, name: str) -> None:
        self._known(name).channel = None
        del self._antennas[name]

    def _known(self, name: str) -> Antenna:
        try:
            return self._antennas[name]
        except KeyError:
            known = ", ".join(self._antennas) or "none"
            raise EtherError(f"there is no radio called {name!r}; there are: {known}") from None

    # -------------------------------------------------------------------------------------------------------- quality

    def set_link(self, a: str, b: str, *, both: bool = True, **changes: Any) -> None:
        """Change how ``b`` hears ``a`` (and the other way round, if ``both``): fields of :class:`Link` by name."""
        self._known(a), self._known(b)
        for pair in ((a, b), (b, a)) if both else ((a, b),):
            try:
                self._links[pair] = replace(self._links.get(pair, self.default), **changes)
            except TypeError:
                raise EtherError(f"a link has no {', '.join(changes)}; it has {', '.join(Link.__slots__)}") from None

    def link(self, a: str, b: str) -> Link:
        """How ``b`` hears ``a``."""
        return self._links.get((a, b), self.default)

    def set_radio(self, name: str, *, out_of_range: bool) -> bool:
        """Carry a radio out of everybody's range, or back; whether it was not there already."""
        antenna = self._known(name)
        moved = antenna.out_of_range is not out_of_range
        antenna.out_of_range = out_of_range
        return moved

    # ----------------------------------------------------------------------------------------------------------- taps

    def tap(self, callback: Tap) -> Callable[[], None]:
        """Hear of each transmission once, lost ones too.  Returns what ends it."""
        self._taps.append(callback)
        return lambda: self._taps.remove(callback)

    def tap_arrivals(self, callback: Arrival) -> None:
        """Hear of each frame at each radio that receives it, whomever it is for."""
        self._arrivals.append(callback)

    # -------------------------------------------------------------------------------------------------- transmissions

    def inject(self, sender: str, channel: int, octets: bytes, *, rssi_dbm: int = -48, seal: bytes = b"") -> None:
        """An attacker's transmission: heard by every radio of the channel that is in anybody's range."""
        heard = [
            (antenna, rssi_dbm, 0)
            for antenna in self._antennas.values()
            if antenna.channel == channel and not antenna.out_of_range and antenna.name != sender
        ]
        self._on_air(sender, channel, octets, seal, rssi_dbm, heard)

    def transmit(self, sender: Antenna, octets: bytes, seal: bytes) -> int:
        """See :meth:`Antenna.send`."""
        channel = sender.channel
        if channel is None:
            raise EtherError(f"{sender.name} is switched off and cannot send")
        heard: list[tuple[Antenna, int, int]] = []
        if not sender.out_of_range:
            for antenna in self._antennas.values():
                if antenna is sender or antenna.channel != channel or antenna.out_of_range:
                    continue
                link = self._links.get((sender.name, antenna.name), self.default)
                if link is self.default and not (link.loss or link.duplicate or link.reorder):
                    heard.append((antenna, link.rssi_dbm, link.delay_ns))
                else:
                    self._draw(link, sender, antenna, octets, seal, heard)
        return self._on_air(sender.name, channel, octets, seal, self.default.rssi_dbm, heard)

    def _draw(
        self,
        link: Link,
        sender: Antenna,
        to: Antenna,
        octets: bytes,
        seal: bytes,
        heard: list[tuple[Antenna, int, int]],
    ) -> None:
        """Let chance decide what becomes of a frame on one link."""
        chance = self._rng.random
        if link.duplicate and chance() < link.duplicate:
            name, channel, again = sender.name, sender.channel or 0, [(to, link.rssi_dbm, link.delay_ns)]
            after = self.clock.now + air_time(octets) + link.duplicate_after_ns
            self.clock.call_at(after, lambda: void(self._on_air(name, channel, octets, seal, link.rssi_dbm, again)))
        if link.loss and chance() < link.loss:
            self.lost += 1
            return
        held = link.reorder_hold_ns if link.reorder and chance() < link.reorder else 0
        heard.append((to, link.rssi_dbm, link.delay_ns + held))

    def _on_air(
        self, sender: str, channel: int, octets: bytes, seal: bytes, rssi: int, heard: list[tuple[Antenna, int, int]]
    ) -> int:
        if len(octets) > MAX_OCTETS:
            raise EtherError(f"a MAC frame has at most {MAX_OCTETS} octets and its check sequence, got {len(octets)}")
        self.transmissions += 1
        for tap in self._taps:
            tap(self.clock.now, channel, octets, rssi, sender)
        duration = air_time(octets)
        if heard:

            def arrive() -> None:
                for antenna, rssi_dbm, hold in heard:
                    if antenna.channel == channel:  # else it was switched off or tuned away meanwhile
                        for told in self._arrivals:
                            told(self.clock.now, octets, sender, antenna.name)
                        antenna.hear(octets, rssi_dbm, hold, seal)

            self.clock.call_at(self.clock.now + duration, arrive)
        return duration


def void(_: object) -> None:
    """Turn an expression into a call that returns nothing."""
