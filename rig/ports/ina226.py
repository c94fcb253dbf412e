"""The INA226 current and voltage monitor, over any I2C bus.

Registers: facts/pi-bench.md 4.3.  They are 16 bits, most significant octet first, whereas SMBus words are
little-endian; so every access is a block of two octets.

    PortError
    ├── WrongChipError           something answers, but it is no INA226
    ├── CalibrationLostError     the chip was reset behind our back: its readings would be wrong
    ├── NotReadyError            no conversion is complete since it was configured
    └── OverRangeError           the input is beyond what the chip can show

Must not live here: what a current means (whether a contactor is closed).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rig.ports.protocols import BusI2C, Clock, PortError, Reading
from rig.world.instruments import AVERAGES, CONVERSION_NS

__all__ = ["CalibrationLostError", "Ina226", "Ina226Settings", "NotReadyError", "OverRangeError", "WrongChipError"]


class WrongChipError(PortError):
    """Something answers at the address, but it is no INA226."""


class CalibrationLostError(PortError):
    """The chip was reset behind our back (brown-out): configure it again before believing it."""


class NotReadyError(PortError):
    """No conversion is complete since the chip was configured."""


class OverRangeError(PortError):
    """The input is beyond what the chip can show."""


_CONFIG, _BUS, _POWER, _CURRENT, _CALIBRATION, _SHUNT = 0, 2, 3, 4, 5, 1
_MAKER, _DIE = 0xFE, 0xFF
_IDENTITY = (0x5449, 0x2260)
_RESET, _FIXED, _CONTINUOUS = 0x8000, 0x4000, 0b111


@dataclass(frozen=True, slots=True)
class Ina226Settings:
    """How a chip is mounted and used, and the limits of error that go into the uncertainty."""

    shunt_ohms: float = 0.1  # the module's usual shunt, facts/pi-bench.md 5.1: 0.8 A full scale
    current_lsb: float = 25e-6  # amperes a bit: 2.5 uV over 0.1 ohm
    averages: int = 4  # a compromise: noise against a window of 4 * 2 * 140 us = 1.12 ms
    conversion_ns: int = 140_000  # the shortest the chip offers, so that contacts are timed as well as it can
    shunt_tolerance: float = 0.01  # 1 % part, not calibrated; a calibrated bench states less
    shunt_offset_volts: float = 10e-6  # data sheet limit (from memory)
    bus_offset_volts: float = 7.5e-3  # data sheet limit (from memory)
    gain_error: float = 0.001  # data sheet limit for both channels (from memory)

    def __post_init__(self) -> None:
        if self.averages not in AVERAGES:
            raise ValueError(f"averages is one of {AVERAGES}; got {self.averages}")
        if self.conversion_ns not in CONVERSION_NS:
            raise ValueError(f"conversion_ns is one of {CONVERSION_NS}; got {self.conversion_ns}")
        if not 1 <= self.calibration <= 0x7FFF:
            raise ValueError(
                f"shunt_ohms {self.shunt_ohms} and current_lsb {self.current_lsb} ask for calibration "
                f"{self.calibration}, which is not in 1..32767; change current_lsb"
            )

    @property
    def calibration(self) -> int:
        return round(0.00512 / (self.current_lsb * self.shunt_ohms))

    @property
    def config(self) -> int:
        """Continuous conversion of shunt and bus voltage."""
        conversion = CONVERSION_NS.index(self.conversion_ns)
        return _FIXED | AVERAGES.index(self.averages) << 9 | conversion << 6 | conversion << 3 | _CONTINUOUS

    @property
    def window_ns(self) -> int:
        """How long one result takes; a change shows in full two windows later at the latest."""
        return 2 * self.conversion_ns * self.averages


class Ina226:
    """One chip.  :meth:`configure` it once it has power; then each call answers with a :class:`Reading`.

    The uncertainty (k=2) combines the limits of offset, gain, shunt and resolution as rectangular distributions.
    """

    def __init__(
        self, bus: BusI2C, address: int, name: str, clock: Clock, settings: Ina226Settings | None = None
    ) -> None:
        self._bus = bus
        self._address = address
        self._clock = clock
        self._configured_ns: int | None = None
        self.name = name
        self.settings = settings or Ina226Settings()

    def identify(self) -> None:
        """Raises :class:`WrongChipError` unless it is an INA226, ``PortMissing`` when nothing answers."""
        found = (self._read(_MAKER), self._read(_DIE))
        if found != _IDENTITY:
            raise WrongChipError(
                self.name,
                f"expected an INA226 (5449/2260) at {self._address:#04x}, got {found[0]:04X}/{found[1]:04X}",
                "Check the address in the bench file; PCA9685 and HTU21D sit at 0x40 too.",
            )

    def configure(self) -> None:
        """Identify the chip, reset it, set it up, and check that it took the settings."""
        self.identify()
        self._write(_CONFIG, _RESET)
        self._write(_CALIBRATION, self.settings.calibration)
        self._write(_CONFIG, self.settings.config)
        self._configured_ns = self._clock.now
        self._check()

    @property
    def window_ns(self) -> int:
        """How long one result takes (averages times both conversions)."""
        return self.settings.window_ns

    def current(self) -> Reading:
        """The mean current of the last complete window, in A."""
        self._check_ready()
        amps = self._signed(_CURRENT, "current") * self.settings.current_lsb
        return self._reading("current", amps, "A", self._current_uncertainty(amps))

    def voltage(self) -> Reading:
        """The mean bus voltage of the last complete window, in V."""
        self._check_ready()
        volts = self._volts()
        return self._reading("voltage", volts, "V", self._voltage_uncertainty(volts))

    def power(self) -> Reading:
        """The power at the bus pin in the last complete window, in W; never negative (the chip drops the sign)."""
        self._check_ready()
        lsb = 25 * self.settings.current_lsb
        watts = self._read(_POWER) * lsb
        volts, amps = self._volts(), self._signed(_CURRENT, "current") * self.settings.current_lsb
        parts = (
            volts * self._current_uncertainty(amps),
            amps * self._voltage_uncertainty(volts),
            _expanded(lsb),  # the chip cuts off what is below one bit
        )
        return self._reading("power", watts, "W", math.hypot(*parts))

    def sense(self) -> Mapping[str, Reading]:
        """All three, by quantity."""
        return {reading.quantity: reading for reading in (self.current(), self.voltage(), self.power())}

    # --------------------------------------------------------------------------------------------------------- checking

    def _check_ready(self) -> None:
        if self._configured_ns is None:
            raise NotReadyError(self.name, "it was never configured", "Call configure() once it has power.")
        self._check()
        if self._clock.now - self._configured_ns < self.window_ns:
            raise NotReadyError(
                self.name, "no conversion is complete yet", f"Read it {self.window_ns / 1e6:g} ms after configure()."
            )

    def _check(self) -> None:
        found = (self._read(_CONFIG), self._read(_CALIBRATION))
        wanted = (self.settings.config, self.settings.calibration)
        if found != wanted:
            self._configured_ns = None
            raise CalibrationLostError(
                self.name,
                f"expected configuration and calibration {wanted[0]:04X}/{wanted[1]:04X}, "
                f"got {found[0]:04X}/{found[1]:04X}: the chip was reset",
                "Look for a brown-out of its 3.3 V, then configure it again.",
            )

    # ------------------------------------------------------------------------------------------------------- registers

    def _read(self, register: int) -> int:
        high, low = self._bus.read_i2c_block_data(self._address, register, 2)
        return high << 8 | low

    def _write(self, register: int, value: int) -> None:
        self._bus.write_i2c_block_data(self._address, register, [value >> 8, value & 0xFF])

    def _signed(self, register: int, quantity: str) -> int:
        shunt = self._read(_SHUNT)
        value = self._read(register)
        if shunt in (0x7FFF, 0x8000) or value in (0x7FFF, 0x8000):
            raise OverRangeError(
                self.name, f"{quantity} is beyond the range of the chip", "Use a smaller shunt, or look for a short."
            )
        return value - 0x10000 if value & 0x8000 else value

    def _volts(self) -> float:
        code = self._read(_BUS)
        if code >= 0x7FFF:
            raise OverRangeError(self.name, "bus voltage is beyond 40.96 V", "The bus pin stands 36 V: disconnect it.")
        return code * 1.25e-3

    def _current_uncertainty(self, amps: float) -> float:
        s = self.settings
        proportional = abs(amps) * math.hypot(s.shunt_tolerance, s.gain_error)
        return _expanded(s.shunt_offset_volts / s.shunt_ohms, proportional, 2.5e-6 / s.shunt_ohms / 2, s.current_lsb)

    def _voltage_uncertainty(self, volts: float) -> float:
        return _expanded(self.settings.bus_offset_volts, abs(volts) * self.settings.gain_error, 1.25e-3 / 2)

    def _reading(self, quantity: str, value: float, unit: str, uncertainty: float) -> Reading:
        return Reading(quantity, value, unit, uncertainty, self._clock.now, self.name)


def _expanded(*limits: float) -> float:
    """Expanded uncertainty (k=2) of independent rectangular distributions with these half-widths."""
    return 2 * math.hypot(*limits) / math.sqrt(3)
