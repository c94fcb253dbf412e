"""Digital outputs and inputs, through gpiozero on hardware and on the virtual bench alike.

Of gpiozero only DigitalOutputDevice and DigitalInputDevice are used, and never its holding, blinking, debouncing or
waiting: those run on real threads whatever the clock says.  Which world the pins belong to is decided by the pin
factory alone: :func:`virtual_factory` (pins that drive and sense nets of the virtual world, ticks from the bench clock)
or :func:`pi_factory` (the kernel's lines through lgpio).  This is the one file that imports gpiozero, lgpio and gpiod.

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

    def __post_init__(self) -> None:
        if self.safe and (self.longest_on_ns is not None or self.interlock is not None):
            raise ValueError("an output that is safe when on cannot have a longest on-time or an interlock")


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
        self._level = settings.safe
        self.name = name
        self.settings = settings
        self.armed = False
        self.trips = 0

    @property
    def level(self) -> bool:
        """The level that is driven now."""
        return self._level

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
        self._device.value = self._level = level
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


_STAMP_SPAN_NS = 20_000  # what reading two clocks may take before it is done again: well below the 0.1 ms of timing
_STAMP_TRIES = 5


def _nobody(_level: bool, _at_ns: int) -> None:
    """The callback of an input that nobody watches."""


class GpioInput:
    """One digital input; satisfies ``Input``.  Made by :meth:`GpioBank.input`.  Levels are logical.

    Edges come raw, without debouncing, each with its own time: the kernel's stamp on hardware, the exact instant on the
    virtual bench.
    """

    def __init__(self, bank: GpioBank, name: str, device: Any, *, inverted: bool = False) -> None:
        self._bank = bank
        self._device = device
        self._inverted = inverted
        self.name = name
        self.on_edge: Callable[[bool, int], None] = _nobody
        device.when_activated = self._activated
        device.when_deactivated = self._deactivated

    @property
    def level(self) -> bool:
        return bool(self._device.value) is not self._inverted

    def close(self) -> None:
        """Give the pin back; closing again does nothing."""
        if not self._device.closed:
            self._device.close()
            self._bank.forget(self)

    def _activated(self) -> None:
        self._edge(True, lambda: self._device.active_time)

    def _deactivated(self) -> None:
        self._edge(False, lambda: self._device.inactive_time)

    def _edge(self, level: bool, age_seconds: Callable[[], float]) -> None:
        """On whatever thread the factory calls from: stamp the edge and hand it over.

        Age and bench time are two readings; where the thread was held up between them they are taken again.
        """
        clock = self._bank.clock
        for _ in range(_STAMP_TRIES):
            before, age, after = clock.now, age_seconds(), clock.now
            if after - before <= _STAMP_SPAN_NS:
                break
        at_ns = (before + after) // 2 - round(age * 1e9)
        logical = level is not self._inverted
        self._bank.hand_over(lambda: self.on_edge(logical, at_ns))


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
        with self._typed(name, pin):
            device = gpiozero.DigitalOutputDevice(
                pin, active_high=chosen.active_high, initial_value=chosen.safe, pin_factory=self._factory
            )
        output = GpioOutput(self, name, device, chosen)
        self.outputs.append(output)
        return output

    def input(self, name: str, pin: int, pull: Pull = Pull.UP, *, active_high: bool = False) -> GpioInput:
        """Claim a pin as an input with a pull; pulled up and closing to ground, so active low, by default."""
        with self._typed(name, pin):
            if pull is Pull.NONE:
                device = gpiozero.DigitalInputDevice(
                    pin, pull_up=None, active_state=active_high, pin_factory=self._factory
                )
            else:
                device = gpiozero.DigitalInputDevice(pin, pull_up=pull is Pull.UP, pin_factory=self._factory)
        # gpiozero takes the polarity from the pull; where the wiring is the other way round, the level is turned here
        port = GpioInput(self, name, device, inverted=pull is not Pull.NONE and active_high is pull.value)
        self._inputs.append(port)
        return port

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

    @contextmanager
    def _typed(self, name: str, pin: int) -> Iterator[None]:
        """Turn the errors of gpiozero and of the library under it into ours."""
        try:
            yield
        except gpiozero.GPIOPinInUse as error:
            raise PortBusy(
                name, f"GPIO{pin} is taken: {error}", "Give each signal its own pin in the wiring."
            ) from error
        except gpiozero.PinInvalidPin as error:
            raise PortMissing(name, f"GPIO{pin} is not there: {error}", "Correct the pin in the bench file.") from error
        except self._factory.library_errors as error:
            problem = f"the kernel refuses GPIO{pin}: {error}"
            raise PortBusy(name, problem, "See which process holds the line (gpioinfo) and end it.") from error


# ------------------------------------------------------------------------------------------------- the virtual pins


class _NetPin(PiPin):  # type: ignore[misc]
    """A pin that drives and senses a net of the virtual world."""

    def __init__(self, factory: _NetFactory, info: Any) -> None:
        super().__init__(factory, info)
        self._net = factory.net_of(info)
        self._driver = self._net.driver(info.name)
        self._pulled = Pull.NONE
        self._output = False
        self._stop: Callable[[], None] | None = None

    def close(self) -> None:
        """As on hardware: an input without bias."""
        self.when_changed = None
        self._set_function("input")
        self._set_pull("floating")

    def output_with_state(self, state: bool) -> None:
        self._output = True
        self._driver.drive(bool(state))

    def _get_function(self) -> str:
        return "output" if self._output else "input"

    def _set_function(self, value: str) -> None:
        self._output = value == "output"
        self._driver.drive(self._net.level if self._output else None)

    def _get_state(self) -> bool:
        return self._net.level

    def _set_state(self, value: bool) -> None:
        if not self._output:
            raise gpiozero.PinSetInput(f"{self!r} is an input")
        self._driver.drive(bool(value))

    def _get_pull(self) -> str:
        return {Pull.NONE: "floating", Pull.UP: "up", Pull.DOWN: "down"}[self._pulled]

    def _set_pull(self, value: str) -> None:
        self._pulled = {"floating": Pull.NONE, "up": Pull.UP, "down": Pull.DOWN}[value]
        self._net.pull(self.info.name, self._pulled)

    def _set_bounce(self, value: float | None) -> None:
        if value is not None:
            raise gpiozero.PinEdgeDetectUnsupported("edges are raw here; debouncing is a timer of the machine")

    def _get_edges(self) -> str:
        return "both"

    def _set_edges(self, value: str) -> None:
        if value != "both":
            raise gpiozero.PinEdgeDetectUnsupported("both edges are always watched")

    def _enable_event_detect(self) -> None:
        self._stop = self._net.watch(lambda level, at_ns: self._call_when_changed(at_ns, level))

    def _disable_event_detect(self) -> None:
        if self._stop is not None:
            self._stop()
            self._stop = None


class _NetFactory(PiFactory):  # type: ignore[misc]
    """Pins of one virtual node; ticks are nanoseconds of the bench clock."""

    library_errors: tuple[type[Exception], ...] = ()

    def __init__(self, nets: Mapping[int, Net], clock: Clock) -> None:
        super().__init__()
        self._nets = nets
        self._clock = clock
        self.pin_class = _NetPin

    def net_of(self, info: Any) -> Net:
        number = int(info.name.removeprefix("GPIO"))
        if number not in self._nets:
            raise gpiozero.PinInvalidPin(f"nothing is wired to {info.name} of this node")
        return self._nets[number]

    def _get_revision(self) -> int:
        return 0xD04170  # a Raspberry Pi 5B: its header table says which pins exist

    def ticks(self) -> int:
        return self._clock.now

    def ticks_diff(self, later: int, earlier: int) -> float:
        return (later - earlier) / 1e9


def virtual_factory(nets: Mapping[int, Net], clock: Clock) -> Any:
    """The pins of a virtual node: GPIO number to net.  A pin without a net is an error, not a loose end."""
    return _NetFactory(nets, clock)


# ------------------------------------------------------------------------------------------------------- the real pins

HEADER_CHIPS = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""Labels of the chip behind the header of a Raspberry Pi 5, 4 and older; its number changed with the kernel."""


def pi_factory(labels: tuple[str, ...] = HEADER_CHIPS) -> Any:
    """The pins of this Raspberry Pi, through lgpio, claimed at their level in one call (facts/pi-bench.md 2.2, 2.5).

    Use one factory a process, and a :class:`GpioBank` with ``threaded=True``.  Raises :class:`PortMissing` where there
    is no such chip or a library is missing.
    """
    try:
        gpiod = importlib.import_module("gpiod")
        lgpio = importlib.import_module("lgpio")
        driver = importlib.import_module("gpiozero.pins.lgpio")
    except ImportError as error:
        advice = "On a Raspberry Pi install the extra 'pi'; elsewhere choose virtual pins in the bench file."
        raise PortMissing("gpio", f"the library {error.name} is not installed", advice) from error
    chip = _header_chip(gpiod, labels)

    class SafePin(driver.LGPIOPin):  # type: ignore[misc, name-defined]
        """Claims the line at its wanted level in one call; upstream claims it low first, which blips."""

        def output_with_state(self, state: bool) -> None:
            lgpio.gpio_claim_output(self.factory._handle, self._number, bool(state))

    factory = driver.LGPIOFactory(chip=chip)
    factory.pin_class = SafePin
    factory.library_errors = (lgpio.error,)
    return factory


def _header_chip(gpiod: Any, labels: tuple[str, ...]) -> int:
    """The number of the GPIO chip behind the header, found by its label."""
    found = {}
    for path in sorted(glob("/dev/gpiochip*")):
        with gpiod.Chip(path) as chip:
            found[chip.get_info().label] = int(path.removeprefix("/dev/gpiochip"))
    for label in labels:
        if label in found:
            return int(found[label])
    seen = ", ".join(sorted(found)) or "none"
    advice = "Choose virtual pins in the bench file, or run this node on a Raspberry Pi (group gpio)."
    raise PortMissing("gpio", f"no GPIO chip is labelled {' or '.join(labels)} (found: {seen})", advice)
