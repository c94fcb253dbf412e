"""Supplies and the series path: currents and voltages against Ohm's law worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.world.clock import VirtualClock
from rig.world.nets import NetBoard
from rig.world.relays import Contact
from rig.world.supplies import Lamp, PowerSupply, SeriesPath, Shunt, sense_net

MS = 1_000_000


class Bench:
    """Supply, load relay, contactor, shunt, lamp."""

    def __init__(self, limit: float = 2.0, lamp: Lamp | None = None) -> None:
        self.clock = VirtualClock()
        self.supply = PowerSupply(self.clock, "psu", 24.0, limit=limit)
        self.load, self.contactor, self.shunt = Contact(self.clock, "load"), Contact(self.clock, "k"), Shunt("r", 0.1)
        self.path = SeriesPath(
            self.clock, self.supply, (self.load, self.contactor, self.shunt), lamp or Lamp(ohms=100.0, bleed_ohms=1e9)
        )

    def close(self) -> None:
        self.supply.switch(True)
        self.load.move(True)
        self.contactor.move(True)


def test_ohms_law() -> None:
    bench = Bench()
    bench.close()
    amps = 24.0 / (0.05 + 0.02 + 0.02 + 0.1 + 100.0)
    assert bench.path.amps() == pytest.approx(amps, rel=1e-6)
    assert bench.path.volts_after(bench.supply) == pytest.approx(24.0 - amps * 0.05, rel=1e-6)
    assert bench.path.volts_after(bench.contactor) == pytest.approx(amps * 100.1, rel=1e-6)
    assert bench.path.volts_after(bench.shunt) == pytest.approx(amps * 100.0, rel=1e-6)


def test_the_default_lamp_takes_its_five_watts_beside_the_bleed() -> None:
    lamp = Lamp()
    assert 24.0**2 / lamp.ohms == pytest.approx(5.0)
    assert lamp.resistance == pytest.approx(1 / (1 / 115.2 + 1 / 1000))


@pytest.mark.parametrize(
    ("on", "load", "contactor", "at_supply", "after_load", "after_contactor"),
    [
        (True, False, False, 24.0, 0.0, 0.0),
        (True, True, False, 24.0, 24.0, 0.0),
        (True, False, True, 24.0, 0.0, 0.0),
        (False, True, True, 0.0, 0.0, 0.0),
    ],
)
def test_an_open_path_carries_nothing(
    on: bool, load: bool, contactor: bool, at_supply: float, after_load: float, after_contactor: float
) -> None:
    bench = Bench()
    bench.supply.switch(on)
    bench.load.move(load)
    bench.contactor.move(contactor)
    assert bench.path.amps() == 0.0
    assert bench.path.volts_after(bench.supply) == at_supply
    assert bench.path.volts_after(bench.load) == after_load
    assert bench.path.volts_after(bench.contactor) == after_contactor


def test_a_short_is_held_at_the_limit() -> None:
    bench = Bench(limit=2.0, lamp=Lamp(ohms=1.0, bleed_ohms=1e9))
    bench.close()
    assert bench.path.amps() == 2.0
    assert bench.path.volts_after(bench.shunt) == pytest.approx(2.0, rel=1e-6)


def test_watchers_hear_of_every_change() -> None:
    bench = Bench()
    heard: list[tuple[int, bool]] = []
    bench.path.watch(lambda at: heard.append((at, bench.path.amps() > 0)))
    bench.clock.call_at(1, bench.close)
    bench.clock.call_at(5, lambda: bench.contactor.move(False))
    bench.clock.advance(10)
    assert heard == [(1, False), (1, False), (1, True), (5, False)]


def test_a_profile_is_followed_to_the_nanosecond() -> None:
    bench = Bench()
    bench.supply.switch(True)
    seen: list[tuple[float, int]] = []
    bench.supply.watch(lambda volts, at: seen.append((volts, at)))
    bench.clock.advance(1000)
    bench.supply.profile([(10, 18.0), (20, 0.0), (30, 24.0)])
    bench.clock.advance(2000)
    assert seen == [(18.0, 1010), (0.0, 1020), (24.0, 1030)]


@pytest.mark.parametrize("interruption", ["switch", "level"])
def test_a_profile_is_given_up(interruption: str) -> None:
    bench = Bench()
    bench.supply.switch(True)
    bench.supply.profile([(10, 5.0)])
    if interruption == "switch":
        bench.supply.switch(True)
    else:
        bench.supply.set_level(24.0)
    bench.clock.advance(100)
    assert bench.supply.volts == 24.0


@pytest.mark.parametrize("volts", [-1.0, float("nan")])
def test_impossible_levels_change_nothing(volts: float) -> None:
    supply = Bench().supply
    with pytest.raises(ValueError, match="0 V or more"):
        supply.set_level(volts)
    with pytest.raises(ValueError, match="0 V or more"):
        supply.profile([(0, 12.0), (1, volts)])
    with pytest.raises(ValueError, match="ahead"):
        supply.profile([(-1, 12.0)])
    assert supply.level == 24.0


def test_an_element_of_another_path_is_an_error() -> None:
    bench = Bench()
    with pytest.raises(ValueError, match="not in the path"):
        bench.path.volts_after(Shunt("other"))


def test_an_optocoupler_follows_the_voltage() -> None:
    bench = Bench()
    net = NetBoard(bench.clock).net("lamp_on")
    edges: list[bool] = []
    net.watch(lambda level, _at: edges.append(level))
    sense_net(bench.path, bench.contactor, net)
    assert edges == []
    bench.close()
    assert edges == [True]
    bench.supply.set_level(11.0)
    assert edges == [True, False]


@given(st.floats(0.1, 36.0), st.floats(1.0, 1000.0))
def test_the_voltages_fall_along_the_path_and_add_up(volts: float, ohms: float) -> None:
    bench = Bench(limit=1e9, lamp=Lamp(ohms=ohms, bleed_ohms=1e9))
    bench.supply.set_level(volts)
    bench.close()
    along = [bench.path.volts_after(part) for part in (bench.supply, bench.load, bench.contactor, bench.shunt)]
    assert along == sorted(along, reverse=True)
    assert along[-1] == pytest.approx(bench.path.amps() * bench.path.lamp.resistance)
    assert volts == pytest.approx(along[0] + bench.path.amps() * bench.supply.resistance)
