"""The virtual world as a bench file wires it: who is joined to whom, and what follows what."""

from __future__ import annotations

from typing import Any

import pytest

from rig.node.bench_file import BenchFileError
from rig.node.virtual_world import POWER_GOOD_VOLTS, VirtualWorld
from rig.ports.i2c import open_i2c
from rig.ports.ina226 import Ina226, Ina226Settings
from rig.world.clock import VirtualClock
from rig.world.relays import Fault
from tests.node.benches import bench

MS = 1_000_000


class Site:
    """A world with its clock, and the edges that it told of."""

    def __init__(self, overlay: dict[str, Any] | None = None) -> None:
        self.clock = VirtualClock()
        self.edges: list[tuple[str, str, bool, int]] = []
        self.bench = bench(overlay)
        self.world = VirtualWorld(self.bench, self.clock, lambda *edge: self.edges.append(edge))
        self.clock.run_due()

    def wait(self, ms: float) -> None:
        self.clock.advance(self.clock.now + round(ms * MS))

    def current(self) -> float:
        told = self.bench.instruments["load"]
        meter = Ina226(
            open_i2c(told.url, self.world.buses),
            told.address,
            "load",
            self.clock,
            Ina226Settings(shunt_ohms=told.shunt_ohm),
        )
        meter.configure()
        self.clock.advance(self.clock.now + 2 * meter.window_ns)
        return meter.sense()["current"].value


def pulse(site: Site, gpio: int) -> None:
    driver = site.world.pins("esme")[gpio].driver("test")
    driver.drive(True)
    site.wait(30)
    driver.drive(None)
    site.wait(5)


def test_a_pulse_on_the_coil_moves_the_contact_and_the_current_flows() -> None:
    site = Site()
    assert site.current() == pytest.approx(0, abs=0.005)
    site.edges.clear()
    start = site.clock.now
    pulse(site, 16)
    assert site.current() == pytest.approx(24 / 115.3, rel=0.2)  # a lamp that is not warm yet draws more
    first = next(edge for edge in site.edges if edge[1] == "aux_no")
    assert first == ("esme", "aux_no", True, start + 8 * MS)
    assert site.world.contactors["main"].auxiliaries["no"].closed
    pulse(site, 20)
    assert site.current() == pytest.approx(0, abs=0.005)


def test_a_contactor_starts_as_the_file_says() -> None:
    closed = Site({"contactors": {"main": {"closed": True}}})
    assert closed.current() > 0.1


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_each_fault_of_a_contactor_can_be_built_in(fault: Fault) -> None:
    site = Site({"contactors": {"main": {"fault": fault.value}}})
    assert fault in site.world.contactors["main"].faults


def test_a_contactor_with_an_unknown_fault_is_a_bench_file_error() -> None:
    with pytest.raises(BenchFileError, match=r"contactors\.main\.fault: expected one of welded, .*, got 'tired'"):
        Site({"contactors": {"main": {"fault": "tired"}}})


def test_a_supply_takes_along_what_hangs_on_it_and_gives_it_back_as_it_was() -> None:
    site = Site()
    site.edges.clear()

    def told() -> list[tuple[str, bool]]:
        site.wait(1)
        found = [(device, level) for device, pin, level, _ in site.edges if pin == "mains_ok"]
        site.edges.clear()
        return found

    site.world.supplies["hub_supply"].switch(False)
    assert sorted(told()) == [("gpf", False), ("hub", False)]
    site.world.supplies["mains"].switch(False)
    assert sorted(told()) == [("esme", False), ("ihd", False)]
    site.world.supplies["mains"].switch(True)  # the hub's own supply was switched off, and stays so
    assert sorted(told()) == [("esme", True), ("ihd", True)]
    site.world.supplies["hub_supply"].switch(True)
    assert sorted(told()) == [("gpf", True), ("hub", True)]
    site.world.supplies["next_door"].switch(False)
    assert told() == [("neighbour", False)]


@pytest.mark.parametrize(
    ("device", "supply"),
    [("esme", "mains"), ("hub", "hub_supply"), ("neighbour", "next_door"), ("hht", None), ("supplier", None)],
)
def test_the_supply_of_a_device_is_the_one_its_power_pin_is_wired_to(device: str, supply: str | None) -> None:
    assert Site().world.supply_of(device) == supply


def test_terminals_that_share_a_wire_share_a_net_however_the_wires_are_written() -> None:
    reverse = [[wire.b, wire.a] for wire in reversed(bench().wires)]
    site = Site({"wires": reverse})
    pulse(site, 16)
    assert site.current() > 0.1


def test_the_pins_of_a_node_are_those_of_its_devices() -> None:
    world = Site().world
    assert set(world.pins("esme")) == {pin.gpio for pin in bench().devices["esme"].pins.values()}
    assert world.pins("head") == {}


def test_an_edge_is_told_by_its_logical_level() -> None:
    """Inputs are pulled up and close to ground; outputs are active high."""
    site = Site()
    site.edges.clear()
    pins = site.world.pins("esme")
    pins[27].driver("finger").drive(False)
    pins[16].driver("chip").drive(True)
    assert site.edges == [("esme", "b", True, 0), ("esme", "contactor_set", True, 0)]


@pytest.mark.parametrize(
    ("air", "said"),
    [
        ({"los": 0.1}, "air: expected only loss, duplicate, reorder, got 'los'"),
        ({"loss": 1}, "air.loss: expected a probability below 1, got 1"),
        ({"loss": -0.1}, "air.loss: expected a probability below 1, got -0.1"),
        ({"loss": "much"}, "air.loss: expected a probability below 1, got 'much'"),
        ({"reorder": True}, "air.reorder: expected a probability below 1, got True"),
    ],
)
def test_air_that_cannot_be_is_a_bench_file_error(air: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchFileError) as caught:
        Site({"air": air})
    assert said in str(caught.value)


def test_the_air_is_as_bad_as_the_file_says() -> None:
    assert Site({"air": {"loss": 0.25, "reorder": 0.5}}).world.ether.default.loss == 0.25
    assert Site().world.ether.default.loss == 0.0


def test_all_that_the_file_says_of_the_air_is_so() -> None:
    link = Site({"air": {"loss": 0.25, "reorder": 0.5, "duplicate": 0.125}}).world.ether.default
    assert (link.loss, link.reorder, link.duplicate) == (0.25, 0.5, 0.125)
    link = Site({"air": {"loss": 0}}).world.ether.default
    assert (link.loss, link.reorder, link.duplicate) == (0.0, 0.0, 0.0)


def test_a_contactor_travels_and_bounces_as_the_file_says() -> None:
    site = Site({"contactors": {"main": {"operate_ms": 10, "release_ms": 3, "bounce_ms": [0.5, 0.25]}}})
    site.edges.clear()

    def moved(gpio: int) -> list[tuple[bool, int]]:
        start = site.clock.now
        pulse(site, gpio)
        told = [(level, at - start) for _, pin, level, at in site.edges if pin == "aux_no"]
        site.edges.clear()
        return told

    closing = moved(16)
    assert closing[0] == (True, 10 * MS)
    assert closing[-1] == (True, 10 * MS + 750_000)
    assert moved(20)[0] == (False, 3 * MS)


def test_a_supply_is_good_from_half_of_the_usual_voltage_on() -> None:
    assert POWER_GOOD_VOLTS == 12.0

    def good(volts: float) -> list[bool]:
        """As it comes up, and once it was off and on again."""
        site = Site({"supplies": {"next_door": {"volts": volts}}})
        line = site.world.pins("neighbour")[site.bench.devices["neighbour"].pins["mains_ok"].gpio]
        told = [not line.level]
        for on in (False, True):
            site.world.supplies["next_door"].switch(on)
            told.append(not line.level)
        return told

    assert good(12.0) == [True, False, True]
    assert good(11.9) == [False, False, False]


def test_a_supply_that_is_not_virtual_is_none_of_the_world() -> None:
    site = Site({"supplies": {"gas2": {"node": "bench", "driver": "switched", "output": 5, "instrument": "load"}}})
    assert set(site.world.supplies) == {"mains", "hub_supply", "next_door", "gas"}


def test_a_branch_that_is_switched_on_under_a_dead_supply_stays_dead() -> None:
    world = Site().world
    world.supplies["mains"].switch(False)
    world.supplies["hub_supply"].switch(True)
    assert not world.supplies["hub_supply"].on
    world.supplies["mains"].switch(True)
    assert world.supplies["hub_supply"].on
