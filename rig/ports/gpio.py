"""Digital outputs and inputs, through gpiozero on hardware and on the virtual bench alike.

Of gpiozero only DigitalOutputDevice and DigitalInputDevice are used, and never its holding, blinking, debouncing or
waiting: those run on real threads whatever the clock says.  Which world the pins belong to is decided by the pin factory
alone: :func:`virtual_factory` (pins that drive and sense nets of the virtual world, ticks from the bench clock) or
:func:`pi_factory` (the kernel's lines through lgpio).  This is the one file that imports gpiozero, lgpio and gpiod.

    PortError
    ├── NotArmedError            the output is not armed: it stays at its safe level
    ├── InterlockError           another output of its interlock group is on
    └── DwellError               its longest on-time ran out, or it was off for too short a time

Must not live here: what is wired to a pin.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from types import TracebackType
from typing import Any, Self

import gpiozero  # type: ignore[import-untyped]
from gpiozero.pins.pi import PiFactory, PiPin  # type: ignore[import-untyped]

from rig.ports.protocols import Clock, Handle, PortBusy, PortError, PortMissing
from rig.world.nets import Net, Pull

__all__ = [
    "DwellError",
    "GpioBank",
    "GpioInput",
    "GpioOutput",
    "InterlockError",
    "NotArmedError",
    "OutputSettings",
    "pi_factory",
    "virtual_factory",
]


class NotArmedError(PortError):
    """The output is not armed: it stays at its safe level."""


class InterlockError(PortError):
    """Another output of its interlock group is on, and both at once would do damage."""


class DwellError(PortError):
    """The longest on-time of the output ran out, or it has not been off for long enough."""


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """How one output may be driven.  Times in ns."""

    active_high: bool = True  # active-high drive with a pull-down is safe without software, facts/pi-bench.md 5.5
    safe: bool = False  # logical level while not armed
    longest_on_ns: int | None = None  # None: no limit; coils of latching relays want 100 ms
    shortest_off_ns: int = 0  # how long it must have been off before it may be on again
    interlock: str | None = None  # outputs of one bank that share this name are never on together


# ---------------------------------------------------------------------------------------------------------------- ports


class GpioOutput:
    """One digital output; satisfies ``Output``.  Made by :meth:`GpioBank.output`, not armed at first.

    Levels are logical.  When the longest on-time runs out the output goes to its safe level by itself, counts it in
    ``trips`` and refuses to go on again until it has been driven off.
    """

    def __init__(self, bank: GpioBank, name: str, device: Any, settings: OutputSettings) -> None:
        self._bank = bank
        self._device = device
        self._limit: Handle | None = None
        self._off_since: int | None = None
        self._tripped = False
        self.name = name
        self.settings = settings
        self.armed = False
        self.trips = 0

    @property
    def level(self) -> bool:
        """The level that is driven now."""
        return bool(self._device.value)

    def arm(self) -> None:
        """Allow the output to be driven."""
        self.armed = True

    def disarm(self) -> None:
        """Go to the safe level and stay there."""
        self.armed = False
        self.safe()

    def drive(self, level: bool) -> None:
        """Drive a level.  Raises one of the errors above and changes nothing where that is not allowed."""
        if not self.armed:
            raise NotArmedError(self.name, "the output is not armed", "Arm the bench, and renew the lease in time.")
        if level and not self.level:
            self._check_on()
        self._set(level)

    def safe(self) -> None:
        """Go to the safe level, armed or not."""
        self._set(self.settings.safe)

    def close(self) -> None:
        """Go to the safe level and give the pin back; closing again does nothing."""
        if not self._device.closed:
            self.disarm()
            self._device.close()
            self._bank.forget(self)

    def _check_on(self) -> None:
        if self._tripped:
            raise DwellError(self.name, "its longest on-time ran out", "Drive it off before driving it on again.")
        now, off = self._bank.clock.now, self.settings.shortest_off_ns
        if self._off_since is not None and now - self._off_since < off:
            raise DwellError(
                self.name, f"it was off for {(now - self._off_since) / 1e6:g} ms", f"Leave it off for {off / 1e6:g} ms."
            )
        for other in self._bank.outputs:
            shared = self.settings.interlock is not None and other.settings.interlock == self.settings.interlock
            if shared and other is not self and other.level:
                raise InterlockError(self.name, f"{other.name} is on", "Drive that one off first.")

    def _set(self, level: bool) -> None:
        if not level:
            self._tripped = False
        if level is self.level:
            return
        self._device.value = level
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if not level:
            self._off_since = self._bank.clock.now
        elif self.settings.longest_on_ns is not None:  # a pulse of exactly the longest time is still legal
            self._limit = self._bank.clock.call_at(self._bank.clock.now + self.settings.longest_on_ns + 1, self._trip)

    def _trip(self) -> None:
        self._limit = None
        self.trips += 1
        self._set(False)
        self._tripped = True


def _nobody(_level: bool, _at_ns: int) -> None:
    """The callback of an input that nobody watches."""


class GpioInput:
    """One digital input; satisfies ``Input``.  Made by :meth:`GpioBank.input`.  Levels are logical.

    Edges come raw, without debouncing, each with its own time: the kernel's stamp on hardware, the exact instant on the
    virtual bench.
    """

    def __init__(self, bank: GpioBank, name: str, device: Any) -> None:
        self._bank = bank
        self._device = device
        self.name = name
        self.on_edge: Callable[[bool, int], None] = _nobody
        device.when_activated = self._activated
        device.when_deactivated = self._deactivated

    @property
    def level(self) -> bool:
        return bool(self._device.value)

    def close(self) -> None:
        """Give the pin back; closing again does nothing."""
        if not self._device.closed:
            self._device.close()
            self._bank.forget(self)

    def _activated(self) -> None:
        self._edge(True, self._device.active_time)

    def _deactivated(self) -> None:
        self._edge(False, self._device.inactive_time)

    def _edge(self, level: bool, age_seconds: float | None) -> None:
        """On whatever thread the factory calls from: stamp the edge and hand it over."""
        at_ns = self._bank.clock.now - round((age_seconds or 0.0) * 1e9)
        self._bank.hand_over(lambda: self.on_edge(level, at_ns))


class GpioBank:
    """The pins of one node.  Keeps every device and closes it: gpiozero itself does not when a factory is passed in.

    ``threaded`` says that the factory calls back from a thread of its own (lgpio), so edges go through ``clock.post``.
    """

    def __init__(self, factory: Any, clock: Clock, *, threaded: bool = False) -> None:
        self._factory = factory
        self._threaded = threaded
        self._inputs: list[GpioInput] = []
        self.clock = clock
        self.outputs: list[GpioOutput] = []

    def output(self, name: str, pin: int, settings: OutputSettings | None = None) -> GpioOutput:
        """Claim a pin as an output, at its safe level from the first instant.

        Raises :class:`PortBusy` or :class:`PortMissing`.
        """
        chosen = settings or OutputSettings()
        with _typed(name, pin):
            device = gpiozero.DigitalOutputDevice(
                pin, active_high=chosen.active_high, initial_value=chosen.safe, pin_factory=self._factory
            )
        output = GpioOutput(self, name, device, chosen)
        self.outputs.append(output)
        return output

    def input(self, name: str, pin: int, pull: Pull = Pull.UP, *, active_high: bool = False) -> GpioInput:
        """Claim a pin as an input with a pull; pulled up and closing to ground, so active low, by default."""
        with _typed(name, pin):
            device = gpiozero.DigitalInputDevice(pin, pull_up=None, active_state=active_high, pin_factory=self._factory)
            device.pin.when_changed = None  # the pull of a pin is set while nobody listens for its edges
            if pull is not Pull.NONE:
                device.pin.pull = "up" if pull is Pull.UP else "down"
            device.close()
            device = (
                gpiozero.DigitalInputDevice(pin, pull_up=None, active_state=active_high, pin_factory=self._factory)
                if pull is Pull.NONE
                else _pulled(pin, pull, active_high, self._factory)
            )
        result = GpioInput(self, name, device)
        self._inputs.append(result)
        return result

    def arm(self) -> None:
        """Arm every output."""
        for output in self.outputs:
            output.arm()

    def disarm(self) -> None:
        """Disarm every output: all go to their safe levels."""
        for output in self.outputs:
            output.disarm()

    def hand_over(self, what: Callable[[], None]) -> None:
        """Have ``what`` called on the executor thread."""
        if self._threaded:
            self.clock.post(what)
        else:
            self.clock.call_soon(what)

    def forget(self, port: GpioOutput | GpioInput) -> None:
        """A port was closed."""
        if isinstance(port, GpioOutput):
            self.outputs.remove(port)
        else:
            self._inputs.remove(port)

    def close(self) -> None:
        """Make everything safe, give all pins back and close the factory."""
        for output in tuple(self.outputs):
            output.close()
        for port in tuple(self._inputs):
            port.close()
        self._factory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
