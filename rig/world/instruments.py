"""Instruments of the virtual bench: the INA226 current and voltage monitor, down to its register map.

The chip converts shunt and bus voltage one after the other, averages, and shows the result when a window is complete;
so what it reads changes only at the end of a window, and a window that a contact opened in shows something in between.
The model keeps what happened during the last windows and integrates, so an idle chip costs nothing however far the
clock is advanced.

Registers: facts/pi-bench.md 4.3 (read in the kernel source; the reset value of the configuration from memory).

Must not live here: how anyone reads it (``rig.ports.ina226``), or what the current depends on (``supplies``).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from rig.world.i2c import WordRegisterChip
from rig.world.nets import Clock, Net

__all__ = ["AVERAGES", "CONVERSION_NS", "Ina226Chip", "Ina226Errors"]

AVERAGES = (1, 4, 16, 64, 128, 256, 512, 1024)
CONVERSION_NS = (140_000, 204_000, 332_000, 588_000, 1_100_000, 2_116_000, 4_156_000, 8_244_000)

CONFIG, SHUNT, BUS, POWER, CURRENT, CALIBRATION, MASK, LIMIT, MAKER, DIE = 0, 1, 2, 3, 4, 5, 6, 7, 0xFE, 0xFF
_CONFIG_RESET = 0x4127
_IDENTITY = {MAKER: 0x5449, DIE: 0x2260}
_SHUNT_LSB, _BUS_LSB = 2.5e-6, 1.25e-3  # volts
_SOL, _SUL, _BOL, _BUL, _POL, _CNVR = (1 << bit for bit in (15, 14, 13, 12, 11, 10))
_FUNCTIONS = _SOL | _SUL | _BOL | _BUL | _POL | _CNVR
_AFF, _CVRF, _OVF, _APOL, _LEN = (1 << bit for bit in (4, 3, 2, 1, 0))


@dataclass(frozen=True, slots=True)
class Ina226Errors:
    """How wrong the chip may be: half of the data sheet's limits (from memory), so that readings stay within the
    uncertainty that the driver states from the full limits."""

    shunt_offset_volts: float = 5e-6
    bus_offset_volts: float = 3.75e-3
    gain: float = 0.0005


@dataclass(frozen=True, slots=True)
class _Sample:
    """The inputs from ``at_ns`` on."""

    at_ns: int
    shunt_volts: float
    bus_volts: float


class Ina226Chip(WordRegisterChip):
    """One INA226 with its shunt.

    ``amps`` and ``volts`` say what flows and what is at the bus pin now (0..36 V); whoever changes them calls
    :meth:`changed`, e.g. by ``path.watch(chip.changed)``.  ``shunt_ohms`` is the true value.  ``seed`` fixes offset,
    gain and noise.  ``alert`` is the net of the open-drain ALERT pin, if it is wired.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        amps: Callable[[], float],
        volts: Callable[[], float],
        shunt_ohms: float = 0.1,
        seed: int = 0,
        errors: Ina226Errors | None = None,
        alert: Net | None = None,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._amps = amps
        self._volts = volts
        self._shunt_ohms = shunt_ohms
        self._seed = seed
        self._errors = errors or Ina226Errors()
        self._alert = alert.driver("ina226.alert") if alert is not None else None
        self._history: deque[_Sample] = deque()
        self.reset()

    # ------------------------------------------------------------------------------------------------------ its life

    def reset(self) -> None:
        """Power-on reset: every register at its reset value, calibration lost, nothing converted yet."""
        self._config = _CONFIG_RESET
        self._calibration = 0
        self._mask = 0
        self._limit = 0
        self._ready_read = 0
        self._restart()

    def changed(self, _at_ns: int) -> None:
        """The inputs changed just now."""
        self._sample()
        self._expect_alert()

    def _expect_alert(self) -> None:
        """Look at the limit when the window under way is complete (it shows part of a change) and the next (all of it).

        The conversion-ready alert is therefore raised only around changes and accesses, not after every window.
        """
        window = self.window_ns
        if self._alert is None or not window or not self._mask & _FUNCTIONS:
            return
        ahead = (self._clock.now - self._start) // window + 1
        for number in (ahead, ahead + 1):
            self._clock.call_at(self._start + number * window, self._check_alert)

    @property
    def window_ns(self) -> int:
        """How long one result takes: conversion times of what is converted, times the average."""
        mode = self._config & 0b011
        shunt = CONVERSION_NS[self._config >> 3 & 7] if mode & 0b01 else 0
        bus = CONVERSION_NS[self._config >> 6 & 7] if mode & 0b10 else 0
        return (shunt + bus) * AVERAGES[self._config >> 9 & 7]

    def _restart(self) -> None:
        """Begin to convert afresh, as a write to the configuration does."""
        self._start = self._clock.now
        self._held = (0, 0)
        self._held_window = 0
        self._history.clear()
        self._sample()

    def _sample(self) -> None:
        now = self._clock.now
        sample = _Sample(now, self._amps() * self._shunt_ohms, self._volts())
        if self._history and self._history[-1].at_ns == now:
            self._history.pop()
        self._history.append(sample)
        oldest = now - 2 * max(self.window_ns, 1)
        while len(self._history) > 1 and self._history[1].at_ns <= oldest:
            self._history.popleft()

    # ------------------------------------------------------------------------------------------------------ converting

    def _windows(self) -> int:
        """How many windows are complete since the start; triggered modes do one, power-down none."""
        window = self.window_ns
        if not window:
            return 0
        complete = (self._clock.now - self._start) // window
        return complete if self._config & 0b100 else min(complete, 1)

    def _results(self) -> tuple[int, int]:
        """Shunt and bus register after the last complete window."""
        number = self._windows()
        if number and number != self._held_window:
            self._held, self._held_window = self._convert(number), number
        return self._held

    def _convert(self, number: int) -> tuple[int, int]:
        end = self._start + number * self.window_ns
        shunt, bus = self._average(end - self.window_ns, end)
        fixed, noise = random.Random(self._seed), random.Random(f"{self._seed}/{self._start}/{number}")
        err = self._errors

        def wrong(true: float, offset: float) -> float:
            part = 0.8 * fixed.uniform(-1, 1) + 0.2 * noise.uniform(-1, 1)
            return true + part * offset + true * err.gain * fixed.uniform(-1, 1)

        shunt_code = round(wrong(shunt, err.shunt_offset_volts) / _SHUNT_LSB)
        bus_code = round(wrong(bus, err.bus_offset_volts) / _BUS_LSB)
        mode = self._config & 0b011
        held_shunt, held_bus = self._held
        return (
            max(-0x8000, min(0x7FFF, shunt_code)) if mode & 0b01 else held_shunt,
            max(0, min(0x7FFF, bus_code)) if mode & 0b10 else held_bus,
        )

    def _average(self, begin: int, end: int) -> tuple[float, float]:
        """The mean inputs between two instants, from the history of steps."""
        shunt = bus = 0.0
        steps = list(self._history)
        for index, step in enumerate(steps):
            start = begin if index == 0 else max(begin, step.at_ns)
            stop = min(end, steps[index + 1].at_ns) if index + 1 < len(steps) else end
            if stop > start:
                shunt += step.shunt_volts * (stop - start)
                bus += step.bus_volts * (stop - start)
        return shunt / (end - begin), bus / (end - begin)

    def _current(self) -> int:
        return _clamp(self._results()[0] * self._calibration / 2048)

    def _power(self) -> int:
        return min(0xFFFF, abs(self._current()) * self._results()[1] // 20_000)

    # ------------------------------------------------------------------------------------------------------- registers

    def read_register(self, register: int) -> int:
        if register == MASK:
            return self._read_mask()
        values: dict[int, Callable[[], int]] = {
            CONFIG: lambda: self._config,
            SHUNT: lambda: self._results()[0] & 0xFFFF,
            BUS: lambda: self._results()[1],
            POWER: self._power,
            CURRENT: lambda: self._current() & 0xFFFF,
            CALIBRATION: lambda: self._calibration,
            LIMIT: lambda: self._limit,
        }
        return values[register]() if register in values else _IDENTITY.get(register, 0)

    def write_register(self, register: int, value: int) -> None:
        if register == CONFIG:
            if value & 0x8000:
                self.reset()
                return
            held = self._results()
            self._config = value
            self._ready_read = 0
            self._restart()
            self._held = held  # the old result stays until the first new one is complete
        elif register == CALIBRATION:
            self._calibration = value & 0x7FFF
        elif register == MASK:
            self._mask = value & ~(_AFF | _CVRF | _OVF)
            self._check_alert()
            self._expect_alert()
        elif register == LIMIT:
            self._limit = value
            self._check_alert()
            self._expect_alert()

    def _read_mask(self) -> int:
        """Mask and flags.  Reading clears the conversion-ready flag, and the alert where it is latched."""
        windows = self._windows()
        ready = _CVRF if windows > self._ready_read else 0
        overflow = _OVF if abs(self._results()[0] * self._calibration / 2048) > 0x7FFF else 0
        alert = self._mask & _AFF
        self._ready_read = windows
        if self._mask & _LEN:
            self._mask &= ~_AFF
        self._check_alert()
        return self._mask & ~_AFF | alert | ready | overflow

    def _check_alert(self) -> None:
        """Compare the last result with the limit and pull the ALERT pin (low unless APOL is set)."""
        shunt, bus = self._results()
        limit = self._limit - 0x10000 if self._limit & 0x8000 else self._limit
        over = (
            (self._mask & _SOL and shunt > limit)
            or (self._mask & _SUL and shunt < limit)
            or (self._mask & _BOL and bus > self._limit)
            or (self._mask & _BUL and bus < self._limit)
            or (self._mask & _POL and self._power() > self._limit)
            or (self._mask & _CNVR and self._windows() > self._ready_read)
        )
        if over:
            self._mask |= _AFF
        elif not self._mask & _LEN:
            self._mask &= ~_AFF
        if self._alert is not None:
            active = bool(self._mask & _AFF)
            inverted = bool(self._mask & _APOL)
            self._alert.drive(None if active is inverted else False)


def _clamp(value: float) -> int:
    return max(-0x8000, min(0x7FFF, int(value)))
