"""The INA226 model: registers by the table of facts/pi-bench.md 4.3, windows, noise, alert; and the virtual I2C bus."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.world.clock import VirtualClock
from rig.world.i2c import FakeBus, VirtualI2C
from rig.world.instruments import Ina226Chip, Ina226Errors
from rig.world.nets import NetBoard, Pull

EXACT = Ina226Errors(0.0, 0.0, 0.0)
CONFIG, SHUNT, BUS, POWER, CURRENT, CALIBRATION, MASK, LIMIT = range(8)
FAST = 0x4007  # one sample, 140 us each, both, continuous: a window of 280 us
US = 1000


class Bench:
    """A chip whose inputs are set by hand."""

    def __init__(self, errors: Ina226Errors = EXACT, seed: int = 0) -> None:
        self.clock = VirtualClock()
        self.amps, self.volts = 0.0, 0.0
        self.net = NetBoard(self.clock).net("alert")
        self.net.pull("r", Pull.UP)
        self.chip = Ina226Chip(
            self.clock, amps=lambda: self.amps, volts=lambda: self.volts, errors=errors, seed=seed, alert=self.net
        )

    def set(self, amps: float, volts: float) -> None:
        self.amps, self.volts = amps, volts
        self.chip.changed(self.clock.now)

    def write(self, register: int, value: int) -> None:
        self.chip.xfer(bytes([register]) + value.to_bytes(2, "big"), 0)

    def read(self, register: int) -> int:
        return int.from_bytes(self.chip.xfer(bytes([register]), 2), "big")

    def run(self, ns: int) -> None:
        self.clock.advance(self.clock.now + ns)


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.write(CONFIG, FAST)
    made.write(CALIBRATION, 2048)
    return made


def test_registers_after_reset() -> None:
    bench = Bench()
    assert [bench.read(register) for register in (CONFIG, CALIBRATION, MASK, LIMIT)] == [0x4127, 0, 0, 0]
    assert (bench.read(0xFE), bench.read(0xFF), bench.read(0x42)) == (0x5449, 0x2260, 0)


@pytest.mark.parametrize(
    ("amps", "volts", "shunt", "bus", "current", "power"),
    [
        (0.2, 24.0, 8000, 19200, 8000, 7680),  # 20 mV / 2.5 uV; 24 V / 1.25 mV; cal 2048 is one to one
        (-0.2, 24.0, 0x10000 - 8000, 19200, 0x10000 - 8000, 7680),  # power has no sign
        (0.0, 0.0, 0, 0, 0, 0),
        (5.0, 24.0, 0x7FFF, 19200, 0x7FFF, 31456),  # beyond 81.92 mV: full scale
    ],
)
def test_results(bench: Bench, amps: float, volts: float, shunt: int, bus: int, current: int, power: int) -> None:
    bench.set(amps, volts)
    bench.run(600 * US)
    assert [bench.read(register) for register in (SHUNT, BUS, CURRENT, POWER)] == [shunt, bus, current, power]


def test_the_calibration_scales_the_current(bench: Bench) -> None:
    bench.set(0.2, 24.0)
    bench.run(600 * US)
    bench.write(CALIBRATION, 1024)
    assert bench.read(CURRENT) == 4000


def test_a_result_changes_only_at_the_end_of_a_window(bench: Bench) -> None:
    bench.set(0.2, 24.0)
    bench.run(279 * US)
    assert bench.read(SHUNT) == 0
    bench.run(1 * US)
    assert bench.read(SHUNT) == 8000
    bench.run(140 * US)  # in the middle of the next window the current stops
    bench.set(0.0, 0.0)
    assert bench.read(SHUNT) == 8000
    bench.run(140 * US)
    assert (bench.read(SHUNT), bench.read(BUS)) == (4000, 9600)
    bench.run(280 * US)
    assert (bench.read(SHUNT), bench.read(BUS)) == (0, 0)


def test_averaging_makes_the_window_longer(bench: Bench) -> None:
    bench.write(CONFIG, 0x4007 | 2 << 9)
    assert bench.chip.window_ns == 16 * 280 * US
    bench.write(CONFIG, 0x4127)
    assert bench.chip.window_ns == 2_200 * US


def test_a_day_costs_nothing_and_the_result_is_still_right(bench: Bench) -> None:
    bench.set(0.1, 12.0)
    bench.run(24 * 3600 * 10**9)
    assert bench.read(SHUNT) == 4000
    assert bench.clock.next_due() is None


@pytest.mark.parametrize(("mode", "shunt", "bus"), [(0b111, 8000, 19200), (0b101, 8000, 0), (0b110, 0, 19200)])
def test_modes(bench: Bench, mode: int, shunt: int, bus: int) -> None:
    bench.set(0.2, 24.0)
    bench.write(CONFIG, 0x4000 | mode)
    bench.run(600 * US)
    assert (bench.read(SHUNT), bench.read(BUS)) == (shunt, bus)


def test_triggered_converts_once_and_power_down_not_at_all(bench: Bench) -> None:
    bench.set(0.2, 24.0)
    bench.write(CONFIG, 0x4003)
    bench.run(300 * US)
    bench.set(0.0, 0.0)
    bench.run(1000 * US)
    assert bench.read(SHUNT) == 8000
    bench.write(CONFIG, 0x4000)
    bench.run(1000 * US)
    assert bench.read(SHUNT) == 8000


def test_the_ready_flag_is_cleared_by_reading_it(bench: Bench) -> None:
    assert not bench.read(MASK) & 0x08
    bench.run(300 * US)
    assert bench.read(MASK) & 0x08
    assert not bench.read(MASK) & 0x08


def test_reset_by_register_loses_the_calibration(bench: Bench) -> None:
    bench.write(CONFIG, 0x8000)
    assert (bench.read(CONFIG), bench.read(CALIBRATION)) == (0x4127, 0)


@pytest.mark.parametrize(
    ("mask", "limit", "before", "after"),
    [
        (0x1000, 12_000, (0.2, 24.0), (0.2, 10.0)),  # bus under 15 V
        (0x2000, 12_000, (0.2, 10.0), (0.2, 24.0)),  # bus over
        (0x8000, 4_000, (0.05, 24.0), (0.2, 24.0)),  # shunt over 10 mV
        (0x4000, 4_000, (0.2, 24.0), (0.05, 24.0)),  # shunt under
        (0x0800, 4_000, (0.05, 24.0), (0.2, 24.0)),  # power over
    ],
)
def test_the_alert_pin_falls_at_the_end_of_the_window(
    bench: Bench, mask: int, limit: int, before: tuple[float, float], after: tuple[float, float]
) -> None:
    bench.set(*before)
    bench.run(600 * US)
    bench.write(LIMIT, limit)
    bench.write(MASK, mask)
    edges: list[tuple[bool, int]] = []
    bench.net.watch(lambda level, at: edges.append((level, at)))
    bench.run(1080 * US - bench.clock.now % (280 * US))
    start = bench.clock.now
    bench.set(*after)
    bench.run(1000 * US)
    bench.set(*before)
    bench.run(1000 * US)
    (fell, at), (rose, _) = edges
    assert (fell, rose) == (False, True)
    assert start < at <= start + 2 * 280 * US
    assert at % (280 * US) == 0


def test_a_latched_alert_stays_until_it_is_read(bench: Bench) -> None:
    bench.set(0.2, 10.0)
    bench.run(600 * US)
    bench.write(LIMIT, 12_000)
    bench.write(MASK, 0x1001)
    bench.set(0.2, 24.0)
    bench.run(600 * US)
    levels = [bench.net.level]
    assert bench.read(MASK) & 0x10
    levels.append(bench.net.level)
    assert levels == [False, True]


@given(st.floats(-0.8, 0.8), st.floats(0.0, 36.0), st.integers(0, 1000))
def test_errors_stay_within_what_was_said(amps: float, volts: float, seed: int) -> None:
    errors = Ina226Errors()
    bench = Bench(errors, seed)
    bench.write(CONFIG, FAST)
    bench.set(amps, volts)
    bench.run(600 * US)
    raw = bench.read(SHUNT)
    shunt = (raw - 0x10000 if raw & 0x8000 else raw) * 2.5e-6
    assert abs(shunt - amps * 0.1) <= errors.shunt_offset_volts + abs(amps) * 0.1 * errors.gain + 1.3e-6
    bus = bench.read(BUS) * 1.25e-3
    assert abs(bus - volts) <= errors.bus_offset_volts + volts * errors.gain + 0.63e-3


def test_noise_repeats_from_its_seed_however_often_it_is_read() -> None:
    def readings(seed: int, reads: int) -> list[int]:
        bench = Bench(Ina226Errors(), seed)
        bench.write(CONFIG, FAST)
        bench.set(0.2001, 24.0)
        result = []
        for _ in range(20):
            bench.run(280 * US)
            result += [bench.read(SHUNT) for _ in range(reads)][:1]
        return result

    assert readings(1, 1) == readings(1, 3)
    assert readings(1, 1) != readings(2, 1)
    assert len(set(readings(1, 1))) > 1


# ----------------------------------------------------------------------------------------------------------- the bus


def test_nobody_at_an_address_is_not_acknowledged() -> None:
    bus = VirtualI2C()
    with pytest.raises(OSError, match=r".") as caught:
        FakeBus(bus).read_byte_data(0x40, 0)
    assert caught.value.errno == errno.EREMOTEIO


def test_injected_errors_come_in_their_number_and_then_stop() -> None:
    bus = VirtualI2C()
    bus.attach(0x40, Bench().chip)
    bus.fail_next(errno.ETIMEDOUT, times=2)
    seen = []
    for _ in range(3):
        try:
            seen.append(FakeBus(bus).read_word_data(0x40, 0xFE))
        except OSError as error:
            seen.append(-(error.errno or 0))
    assert seen == [-errno.ETIMEDOUT, -errno.ETIMEDOUT, 0x4954]
    assert bus.transactions == 3


@pytest.mark.parametrize(("address", "match"), [(0x02, "0x03..0x77"), (0x78, "0x03..0x77"), (0x40, "two chips")])
def test_addresses_are_checked(address: int, match: str) -> None:
    bus = VirtualI2C()
    bus.attach(0x40, Bench().chip)
    with pytest.raises(ValueError, match=match):
        bus.attach(address, Bench().chip)
    bus.detach(0x40)
    bus.detach(0x40)
    bus.attach(0x40, Bench().chip)
