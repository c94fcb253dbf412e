"""Electrical power on the virtual bench: a DC supply, contacts in series, a lamp, and what flows.

The bench is one series path (facts/pi-bench.md 5): supply, load relay, contactor, shunt, lamp with a bleed resistor.
That is solved by Ohm's law whenever something in it changes; there are no capacitors, so levels change at once.

Must not live here: how a current is measured (``instruments``), and what a device does when its supply is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rig.world.nets import Clock, Driver, Handle, Net
from rig.world.relays import Contact

__all__ = ["Lamp", "PowerSupply", "SeriesPath", "Shunt", "sense_net"]

Changed = Callable[[int], None]
"""``changed(at_ns)``"""


class PowerSupply:
    """A switchable DC supply with an adjustable level and a current limit.  Off is 0 V.

    Volts, amperes, ohms.  ``resistance`` is internal; at ``limit`` the supply holds the current instead of the level.
    """

    def __init__(
        self,
        clock: Clock,
        name: str,
        volts: float = 24.0,
        *,
        on: bool = False,
        resistance: float = 0.05,
        limit: float = 2.0,
    ) -> None:
        self._clock = clock
        self.name = name
        self.on = on
        self.resistance = resistance
        self.limit = limit
        self._level = volts
        self._profile: list[Handle] = []
        self._watches: list[Callable[[float, int], None]] = []

    @property
    def level(self) -> float:
        """The level that is set, on or off."""
        return self._level

    @property
    def volts(self) -> float:
        """The open-circuit voltage now."""
        return self._level if self.on else 0.0

    def watch(self, watch: Callable[[float, int], None]) -> None:
        """Have ``watch(volts, at_ns)`` called whenever the open-circuit voltage changes."""
        self._watches.append(watch)

    def switch(self, on: bool) -> None:
        """Switch on or off, at once; a profile that runs is given up."""
        self._stop_profile()
        self._change(on, self._level)

    def set_level(self, volts: float) -> None:
        """Set the level (0 or more); a profile that runs is given up."""
        _check_level(self.name, volts)
        self._stop_profile()
        self._change(self.on, volts)

    def profile(self, steps: Sequence[tuple[int, float]]) -> None:
        """Follow ``(after_ns, volts)`` steps, counted from now, while switched on."""
        for after_ns, volts in steps:
            _check_level(self.name, volts)
            if after_ns < 0:
                raise ValueError(f"{self.name}: a step of a profile lies ahead; got {after_ns} ns")
        self._stop_profile()
        start = self._clock.now
        self._profile = [self._clock.call_at(start + after, self._step(volts)) for after, volts in steps]

    def _step(self, volts: float) -> Callable[[], None]:
        return lambda: self._change(self.on, volts)

    def _stop_profile(self) -> None:
        for handle in self._profile:
            handle.cancel()
        self._profile = []

    def _change(self, on: bool, level: float) -> None:
        before = self.volts
        self.on, self._level = on, level
        if self.volts != before:
            for watch in tuple(self._watches):
                watch(self.volts, self._clock.now)


def _check_level(name: str, volts: float) -> None:
    if not volts >= 0.0:
        raise ValueError(f"{name}: a level is 0 V or more; got {volts}")


@dataclass(frozen=True, slots=True)
class Shunt:
    """A resistor that a current is measured over; ``ohms`` is what it truly has, whatever is printed on it."""

    name: str
    ohms: float = 0.1


@dataclass(frozen=True, slots=True)
class Lamp:
    """A resistive load: a 24 V 5 W lamp (115.2 ohm when hot) beside a 1 kilohm bleed, facts/pi-bench.md 5."""

    name: str = "lamp"
    ohms: float = 115.2
    bleed_ohms: float = 1000.0

    @property
    def resistance(self) -> float:
        """Lamp and bleed in parallel."""
        return self.ohms * self.bleed_ohms / (self.ohms + self.bleed_ohms)


Element = Contact | Shunt


class SeriesPath:
    """Supply, then contacts and shunts in order, then the lamp, then 0 V.

    An element may also be named for a voltage: :meth:`volts_after` is the voltage on its far side against 0 V.  Beyond
    an open contact the bleed pulls that to 0 V.
    """

    def __init__(
        self, clock: Clock, supply: PowerSupply, elements: Sequence[Element], lamp: Lamp, contact_ohms: float = 0.02
    ) -> None:
        self._clock = clock
        self.supply = supply
        self.elements = tuple(elements)
        self.lamp = lamp
        self.contact_ohms = contact_ohms
        self._watches: list[Changed] = []
        supply.watch(lambda _volts, at_ns: self._changed(at_ns))
        for element in self.elements:
            if isinstance(element, Contact):
                element.watch(lambda _closed, at_ns: self._changed(at_ns))

    def watch(self, watch: Changed) -> None:
        """Have ``watch(at_ns)`` called whenever a contact or the supply changed."""
        self._watches.append(watch)

    def amps(self) -> float:
        """The current through the path now."""
        if not all(element.closed for element in self.elements if isinstance(element, Contact)):
            return 0.0
        series = sum(map(self._ohms, self.elements))
        return min(self.supply.volts / (self.supply.resistance + series + self.lamp.resistance), self.supply.limit)

    def volts_after(self, element: Element | PowerSupply) -> float:
        """The voltage behind an element (or at the terminals of the supply) against 0 V, now."""
        amps = self.amps()
        if amps:
            behind = () if element is self.supply else self.elements[: self._index(element) + 1]
            beyond = self.elements[len(behind) :]
            return amps * (sum(map(self._ohms, beyond)) + self.lamp.resistance)
        upstream = () if element is self.supply else self.elements[: self._index(element) + 1]
        broken = any(isinstance(part, Contact) and not part.closed for part in upstream)
        return 0.0 if broken else self.supply.volts

    def _index(self, element: Element | PowerSupply) -> int:
        for index, part in enumerate(self.elements):
            if part is element:
                return index
        raise ValueError(f"{element.name} is not in the path behind {self.supply.name}")

    def _ohms(self, element: Element) -> float:
        return element.ohms if isinstance(element, Shunt) else self.contact_ohms

    def _changed(self, at_ns: int) -> None:
        for watch in tuple(self._watches):
            watch(at_ns)


def sense_net(path: SeriesPath, element: Element | PowerSupply, net: Net, threshold: float = 12.0) -> Driver:
    """An optocoupler from the path to a net: high while at least ``threshold`` volts are behind ``element``."""
    driver = net.driver(f"{element.name}.sense")

    def follow(_at_ns: int) -> None:
        driver.drive(path.volts_after(element) >= threshold)

    path.watch(follow)
    follow(0)
    return driver
