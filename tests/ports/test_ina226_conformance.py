"""The INA226 driver against the chip model: true values within the stated uncertainty, and each way to fail."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.ports.i2c import open_i2c
from rig.ports.ina226 import (
    CalibrationLostError,
    Ina226,
    Ina226Settings,
    NotReadyError,
    OverRangeError,
    WrongChipError,
)
from rig.ports.protocols import PortLost, PortMissing
from rig.world.clock import VirtualClock
from rig.world.i2c import VirtualI2C
from rig.world.instruments import Ina226Chip

ADDRESS = 0x44
MS = 1_000_000


class Bench:
    """A chip whose inputs are set by hand, and its driver."""

    def __init__(self, settings: Ina226Settings | None = None, shunt_ohms: float = 0.1, seed: int = 0) -> None:
        self.clock = VirtualClock()
        self.amps, self.volts = 0.0, 0.0
        self.bus = VirtualI2C("i2c-1")
        self.chip = Ina226Chip(
            self.clock, amps=lambda: self.amps, volts=lambda: self.volts, shunt_ohms=shunt_ohms, seed=seed
        )
        self.bus.attach(ADDRESS, self.chip)
        port = open_i2c("virtual://i2c-1", {"i2c-1": self.bus})
        self.meter = Ina226(port, ADDRESS, "ina_load", self.clock, settings)

    def set(self, amps: float, volts: float) -> None:
        self.amps, self.volts = amps, volts
        self.chip.changed(self.clock.now)
        self.clock.advance(self.clock.now + 2 * self.meter.window_ns)


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.meter.configure()
    return made


def test_readings_are_objects(bench: Bench) -> None:
    bench.set(0.232, 24.0)
    readings = bench.meter.sense()
    assert {name: reading.unit for name, reading in readings.items()} == {"current": "A", "voltage": "V", "power": "W"}
    for name, reading in readings.items():
        assert (reading.quantity, reading.at_ns, reading.instrument) == (name, bench.clock.now, "ina_load")
        assert reading.uncertainty > 0
    assert readings["current"].value == pytest.approx(0.232, abs=2e-4)
    assert readings["voltage"].value == pytest.approx(24.0, abs=2e-2)
    assert readings["power"].value == pytest.approx(0.232 * 24.0, abs=1e-2)


def test_the_uncertainty_of_a_current_worked_by_hand(bench: Bench) -> None:
    """Offset 10 uV / 0.1 ohm; 1 % shunt and 0.1 % gain; half a shunt bit; one current bit; times 2 / sqrt 3."""
    bench.set(0.2, 24.0)
    reading = bench.meter.current()
    parts = (1e-4, reading.value * 0.01, reading.value * 0.001, 12.5e-6, 25e-6)
    assert reading.uncertainty == pytest.approx(2 / 3**0.5 * sum(part**2 for part in parts) ** 0.5)


@given(
    st.floats(-0.8, 0.8), st.floats(0.0, 36.0), st.floats(0.992, 1.008), st.integers(0, 99), st.sampled_from([1, 4, 16])
)
def test_the_truth_lies_within_the_uncertainty(
    amps: float, volts: float, shunt_error: float, seed: int, averages: int
) -> None:
    bench = Bench(Ina226Settings(averages=averages), 0.1 * shunt_error, seed)
    bench.meter.configure()
    bench.set(amps, volts)
    current, voltage, power = bench.meter.current(), bench.meter.voltage(), bench.meter.power()
    assert abs(current.value - amps) <= current.uncertainty
    assert abs(voltage.value - volts) <= voltage.uncertainty
    assert abs(power.value - abs(amps) * volts) <= power.uncertainty


@pytest.mark.parametrize(
    ("settings", "config", "calibration"),
    [
        (Ina226Settings(), 0x4207, 2048),
        (Ina226Settings(averages=1024, conversion_ns=8_244_000), 0x4FFF, 2048),
        (Ina226Settings(shunt_ohms=0.01, current_lsb=100e-6, averages=1, conversion_ns=1_100_000), 0x4127, 5120),
    ],
)
def test_what_the_chip_is_told(settings: Ina226Settings, config: int, calibration: int) -> None:
    bench = Bench(settings)
    bench.meter.configure()
    assert (bench.chip.read_register(0), bench.chip.read_register(5)) == (config, calibration)
    assert bench.chip.window_ns == settings.window_ns


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Ina226Settings(averages=3), "averages"),
        (lambda: Ina226Settings(conversion_ns=1), "conversion_ns"),
        (lambda: Ina226Settings(shunt_ohms=1e-6), "calibration"),
        (lambda: Ina226Settings(shunt_ohms=1e6), "calibration"),
    ],
)
def test_impossible_settings(make: Callable[[], Ina226Settings], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make()


def test_a_reset_behind_our_back_is_noticed_and_mended(bench: Bench) -> None:
    bench.set(0.2, 24.0)
    bench.chip.reset()
    with pytest.raises(CalibrationLostError, match="expected configuration and calibration 4207/0800, got 4127/0000"):
        bench.meter.current()
    with pytest.raises(NotReadyError, match="never configured"):
        bench.meter.current()
    bench.meter.configure()
    bench.set(0.2, 24.0)
    assert bench.meter.current().value == pytest.approx(0.2, abs=2e-4)


def test_a_chip_of_another_kind(bench: Bench) -> None:
    class Stranger:
        def xfer(self, _written: bytes, n_read: int) -> bytes:
            return b"\x12\x34"[:n_read]

    bench.bus.detach(ADDRESS)
    bench.bus.attach(ADDRESS, Stranger())
    with pytest.raises(WrongChipError, match="got 1234/1234"):
        bench.meter.configure()


def test_reading_before_the_first_conversion() -> None:
    bench = Bench()
    with pytest.raises(NotReadyError, match="never configured"):
        bench.meter.voltage()
    bench.meter.configure()
    bench.clock.advance(bench.meter.window_ns - 1)
    with pytest.raises(NotReadyError, match=r"1\.12 ms after"):
        bench.meter.voltage()
    bench.clock.advance(bench.meter.window_ns)
    assert bench.meter.voltage().value == pytest.approx(0.0, abs=1e-2)


@pytest.mark.parametrize(("amps", "volts"), [(0.9, 24.0), (-0.9, 24.0)])
def test_a_current_beyond_the_range(bench: Bench, amps: float, volts: float) -> None:
    bench.set(amps, volts)
    with pytest.raises(OverRangeError, match="current is beyond"):
        bench.meter.current()


def test_a_voltage_beyond_the_range(bench: Bench) -> None:
    bench.set(0.0, 41.0)
    with pytest.raises(OverRangeError, match=r"40\.96 V"):
        bench.meter.voltage()


def test_errors_of_the_bus_come_through_typed(bench: Bench) -> None:
    bench.set(0.2, 24.0)
    bench.bus.fail_next(errno.ETIMEDOUT)
    with pytest.raises(PortLost):
        bench.meter.current()
    bench.bus.detach(ADDRESS)
    with pytest.raises(PortMissing, match="0x44"):
        bench.meter.current()
