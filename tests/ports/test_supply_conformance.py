"""Supplies: one suite for the supply of the virtual world and for one behind a switch; and the whole bench at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rig.ports.gpio import GpioBank, NotArmedError, OutputSettings, virtual_factory
from rig.ports.i2c import open_i2c
from rig.ports.ina226 import Ina226
from rig.ports.protocols import PortUnable, Supply
from rig.ports.supply import SwitchedSupply, VirtualSupply
from rig.world.clock import VirtualClock
from rig.world.i2c import VirtualI2C
from rig.world.instruments import Ina226Chip
from rig.world.nets import NetBoard, Pull
from rig.world.relays import Fault, LatchingRelay, MonostableRelay, wire_contact
from rig.world.supplies import Lamp, PowerSupply, SeriesPath, Shunt

MS = 1_000_000
FULL = 24.0 / (0.05 + 2 * 0.02 + 0.1 + Lamp().resistance)


class Bench:
    """24 V supply, load relay (GPIO20), contactor coils (GPIO16, 21), auxiliary contact (GPIO26), INA226 at 0x45."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.board = NetBoard(self.clock)
        self.nets = {pin: self.board.net(name) for pin, name in ((16, "set"), (21, "reset"), (20, "load"), (26, "aux"))}
        self.psu = PowerSupply(self.clock, "psu")
        self.load = MonostableRelay(self.clock, "k_load")
        self.load.wire(self.nets[20])
        self.contactor = LatchingRelay(self.clock, "contactor", closed=True)
        self.contactor.wire(self.nets[16], self.nets[21])
        wire_contact(self.contactor.auxiliaries["no"], self.nets[26])
        shunt = Shunt("shunt")
        self.path = SeriesPath(self.clock, self.psu, (self.load.main, self.contactor.main, shunt), Lamp())
        chip = Ina226Chip(self.clock, amps=self.path.amps, volts=lambda: self.path.volts_after(shunt), seed=7)
        self.path.watch(chip.changed)
        bus = VirtualI2C("i2c-1")
        bus.attach(0x45, chip)
        self.meter = Ina226(open_i2c("virtual://i2c-1", {"i2c-1": bus}), 0x45, "ina_load", self.clock)
        self.meter.configure()
        self.bank = GpioBank(virtual_factory(self.nets, self.clock), self.clock)
        self.relay = self.bank.output("load_supply", 20)

    def run(self, ms: float) -> None:
        self.clock.advance(self.clock.now + int(ms * MS))

    def virtual(self) -> Supply:
        self.relay.arm()
        self.relay.drive(True)
        return VirtualSupply(self.psu, self.meter)

    def switched(self) -> Supply:
        self.psu.switch(True)
        self.relay.arm()
        return SwitchedSupply(self.relay, self.meter, self.clock)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    with made.bank:
        yield made


@pytest.fixture(params=["virtual", "switched"])
def supply(request: pytest.FixtureRequest, bench: Bench) -> Supply:
    made = bench.virtual() if request.param == "virtual" else bench.switched()
    bench.run(50)
    return made


def amps(supply: Supply) -> float:
    return supply.sense()["current"].value


def test_on_and_off_are_sensed(supply: Supply, bench: Bench) -> None:
    seen = []
    for on in (False, True, False):
        supply.switch(on)
        bench.run(50)
        seen.append(amps(supply))
    assert seen == pytest.approx([0.0, FULL, 0.0], abs=2e-4)


def test_readings_come_with_unit_and_uncertainty(supply: Supply, bench: Bench) -> None:
    supply.switch(True)
    bench.run(50)
    readings = supply.sense()
    assert readings["voltage"].unit == "V"
    assert abs(readings["voltage"].value - FULL * Lamp().resistance) <= readings["voltage"].uncertainty
    assert abs(readings["current"].value - FULL) <= readings["current"].uncertainty


def test_a_dip_is_followed(supply: Supply, bench: Bench) -> None:
    supply.switch(True)
    bench.run(50)
    supply.profile([(100 * MS, 0.0), (200 * MS, 24.0)])
    seen = []
    for _ in range(3):
        bench.run(90)
        seen.append(round(amps(supply) / FULL))
    assert seen == [1, 0, 1]


def test_switching_gives_a_profile_up(supply: Supply, bench: Bench) -> None:
    supply.switch(True)
    supply.profile([(100 * MS, 0.0)])
    supply.switch(True)
    bench.run(200)
    assert amps(supply) == pytest.approx(FULL, abs=2e-4)


def test_setting_the_level_that_it_has(supply: Supply, bench: Bench) -> None:
    supply.switch(True)
    supply.set_level(24.0)
    bench.run(50)
    assert amps(supply) == pytest.approx(FULL, abs=2e-4)


IMPOSSIBLE: list[Callable[[Supply], None]] = [
    lambda supply: supply.set_level(230.0),
    lambda supply: supply.set_level(-1.0),
    lambda supply: supply.set_level(float("nan")),
    lambda supply: supply.profile([(0, 0.0), (1, 230.0)]),
    lambda supply: supply.profile([(-1, 0.0)]),
]


@pytest.mark.parametrize("wish", IMPOSSIBLE)
def test_what_it_cannot_do_is_said_and_nothing_changes(
    supply: Supply, bench: Bench, wish: Callable[[Supply], None]
) -> None:
    supply.switch(True)
    with pytest.raises(PortUnable, match="supply"):
        wish(supply)
    bench.run(50)
    assert amps(supply) == pytest.approx(FULL, abs=2e-4)


def test_a_brown_out_is_a_capability_of_the_virtual_supply_alone(bench: Bench) -> None:
    supply = bench.virtual()
    supply.switch(True)
    supply.set_level(12.0)
    bench.run(50)
    assert amps(supply) == pytest.approx(FULL / 2, abs=2e-4)
    with pytest.raises(PortUnable, match="off or at 24 V, not at 12 V"):
        bench.switched().set_level(12.0)


def test_a_switched_supply_obeys_the_arming(bench: Bench) -> None:
    supply = bench.switched()
    bench.relay.disarm()
    with pytest.raises(NotArmedError):
        supply.switch(True)


# ------------------------------------------------------------------------------------------- the whole bench at once


@pytest.mark.parametrize(
    ("fault", "current", "aux_opened_ms"), [(None, 0.0, [4.0]), (Fault.WELDED, FULL, []), (Fault.SLOW, FULL, [])]
)
def test_a_coil_pulse_is_judged_by_current_and_auxiliary_contact(
    bench: Bench, fault: Fault | None, current: float, aux_opened_ms: list[float]
) -> None:
    """From the GPIO output over net, coil, armature, contact, Ohm's law and I2C registers to a reading."""
    bench.virtual().switch(True)
    reset = bench.bank.output("reset", 21, OutputSettings(longest_on_ns=100 * MS, interlock="contactor"))
    aux = bench.bank.input("aux", 26, Pull.UP)
    reset.arm()
    bench.run(50)
    assert aux.level
    if fault is not None:
        bench.contactor.inject(fault)
    start = bench.clock.now
    edges: list[tuple[bool, float]] = []
    aux.on_edge = lambda level, at: edges.append((level, (at - start) / MS))
    reset.drive(True)
    bench.run(30)
    reset.drive(False)
    bench.run(50)
    reading = bench.meter.current()
    assert abs(reading.value - current) <= reading.uncertainty
    assert edges == [(False, at) for at in aux_opened_ms]
