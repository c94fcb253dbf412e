"""Supplies: what feeds a device can be switched, set to a level, made to follow a profile, and sensed.

    PortError
    └── PortUnable       the supply cannot set that level

Must not live here: what a device does without its supply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rig.ports.protocols import Clock, Handle, Output, PortUnable, Reading
from rig.world.supplies import PowerSupply

__all__ = ["Meter", "SupplyLimits", "SwitchedSupply", "VirtualSupply"]


class Meter(Protocol):
    """Whatever measures at the terminals, e.g. ``Ina226``."""

    def sense(self) -> Mapping[str, Reading]: ...


@dataclass(frozen=True, slots=True)
class SupplyLimits:
    """What a supply that can be set may be set to, in V."""

    lowest: float = 0.0
    highest: float = 30.0  # the bench is 24 V SELV; the monitor stands 36 V (facts/pi-bench.md 4.3)


class SwitchedSupply:
    """A supply of one fixed level behind a relay or a transistor switch; satisfies ``Supply``.

    ``volts`` is its level; a profile may only switch between that and 0 V.  ``output`` must be armed.
    """

    def __init__(self, output: Output, meter: Meter, clock: Clock, name: str = "supply", volts: float = 24.0) -> None:
        self._output = output
        self._meter = meter
        self._clock = clock
        self._profile: list[Handle] = []
        self.name = name
        self.volts = volts

    def switch(self, on: bool) -> None:
        """Switch on or off; a profile that runs is given up."""
        self._stop_profile()
        self._output.drive(on)

    def set_level(self, volts: float) -> None:
        """Raises :class:`PortUnable` for anything but the level that the supply has."""
        if volts != self.volts:
            raise self._unable(volts)

    def profile(self, steps: list[tuple[int, float]]) -> None:
        """Follow ``(after_ns, volts)``; raises :class:`PortUnable`, and does nothing, if a level is impossible."""
        _check_times(self.name, steps)
        for _, volts in steps:
            if volts not in (0.0, self.volts):
                raise self._unable(volts)
        self._stop_profile()
        start = self._clock.now
        self._profile = [self._clock.call_at(start + after, self._step(volts > 0)) for after, volts in steps]

    def sense(self) -> Mapping[str, Reading]:
        """What the meter reads: readings by quantity."""
        return self._meter.sense()

    def _step(self, on: bool) -> Callable[[], None]:
        return lambda: self._output.drive(on)

    def _stop_profile(self) -> None:
        for handle in self._profile:
            handle.cancel()
        self._profile = []

    def _unable(self, volts: float) -> PortUnable:
        advice = "Use a bench with a programmable supply, or skip tests that need the capability."
        return PortUnable(self.name, f"it can be off or at {self.volts:g} V, not at {volts:g} V", advice)


class VirtualSupply:
    """A supply of the virtual world; satisfies ``Supply``.  Its level can be set within ``limits``."""

    def __init__(
        self, supply: PowerSupply, meter: Meter, name: str = "supply", limits: SupplyLimits | None = None
    ) -> None:
        self._supply = supply
        self._meter = meter
        self._limits = limits or SupplyLimits()
        self.name = name

    def switch(self, on: bool) -> None:
        """Switch on or off; a profile that runs is given up."""
        self._supply.switch(on)

    def set_level(self, volts: float) -> None:
        """Set the level.  Raises :class:`PortUnable` outside the limits."""
        self._check(volts)
        self._supply.set_level(volts)

    def profile(self, steps: list[tuple[int, float]]) -> None:
        """Follow ``(after_ns, volts)``; raises :class:`PortUnable`, and does nothing, if a level is impossible."""
        _check_times(self.name, steps)
        for _, volts in steps:
            self._check(volts)
        self._supply.profile(steps)

    def sense(self) -> Mapping[str, Reading]:
        """What the meter reads: readings by quantity."""
        return self._meter.sense()

    def _check(self, volts: float) -> None:
        if not self._limits.lowest <= volts <= self._limits.highest:
            span = f"{self._limits.lowest:g} to {self._limits.highest:g} V"
            raise PortUnable(self.name, f"it can be set to {span}, not to {volts:g} V", "Change the test or the bench.")


def _check_times(name: str, steps: Sequence[tuple[int, float]]) -> None:
    if any(after < 0 for after, _ in steps):
        raise PortUnable(name, "a step of a profile cannot lie in the past", "Count each step from the start.")
