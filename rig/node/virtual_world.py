"""The world of a virtual bench, put together as its bench file says: air, wires, supplies, contactors, instruments.

Must not live here: how any of them behaves (``rig.world``), and devices (``assembly``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import cast

from rig.node.bench_file import Bench, BenchFileError, Contactor, Supply
from rig.node.clocks import BenchClock
from rig.world.clock import VirtualClock
from rig.world.ether import Ether, Link
from rig.world.i2c import VirtualI2C
from rig.world.instruments import Ina226Chip
from rig.world.nets import Net, NetBoard, Pull
from rig.world.relays import Fault, LatchingRelay, Travel, wire_contact
from rig.world.supplies import Lamp, PowerSupply, SeriesPath, Shunt

__all__ = ["VirtualWorld"]

MS = 1_000_000
POWER_GOOD_VOLTS = 12.0  # half of the bench's 24 V: a device's own supply drops out somewhere there [our choice]
EdgeTap = Callable[[str, str, bool, int], None]
"""``tap(device, pin, level, at_ns)`` with the pin's logical level."""


class VirtualWorld:
    """Everything around the devices of a virtual bench.  ``seed`` decides every chance in it."""

    def __init__(self, bench: Bench, clock: BenchClock, on_edge: EdgeTap) -> None:
        self.clock = clock
        self.board = NetBoard(clock)
        # The world schedules and reads time, which both clocks do alike.
        self.ether = Ether(cast(VirtualClock, clock), Random(f"{bench.seed}/air"))
        self.ether.default = _link(bench)
        self.supplies: dict[str, PowerSupply] = {}
        self.contactors: dict[str, LatchingRelay] = {}
        self.buses: dict[str, VirtualI2C] = {}
        self._bench = bench
        self._nets = _join(bench, self.board)
        self._power_up()
        for contactor in bench.contactors.values():
            self._add_contactor(contactor)
        self._pulls_and_taps(on_edge)

    def pins(self, node: str) -> Mapping[int, Net]:
        """The nets behind the GPIO numbers of a node."""
        prefix = f"{node}.GPIO"
        return {int(name.removeprefix(prefix)): net for name, net in self._nets.items() if name.startswith(prefix)}

    def supply_of(self, device: str) -> str | None:
        """The supply that the power pin of a device is wired to; None for one without such a pin."""
        told = self._bench.devices[device]
        for pin in told.pins.values():
            if pin.kind == "power":
                net = self._net(f"{told.node}.GPIO{pin.gpio}")
                return next((name for name in self._bench.supplies if self._net(f"{name}.ok") is net), None)
        return None

    # ------------------------------------------------------------------------------------------------- putting together

    def _net(self, terminal: str) -> Net:
        if terminal not in self._nets:
            self._nets[terminal] = self.board.net(terminal)
        return self._nets[terminal]

    def _power_up(self) -> None:
        for supply in self._bench.supplies.values():
            if supply.driver == "virtual":
                self._add_supply(supply)

    def _add_supply(self, wanted: Supply) -> PowerSupply:
        """A supply, after the one that it hangs on (the bench file has no circles)."""
        if wanted.name in self.supplies:
            return self.supplies[wanted.name]
        source = PowerSupply(self.clock, wanted.name, wanted.volts, on=True)
        if wanted.upstream is not None:
            source = _Branch(
                self.clock, wanted.name, wanted.volts, self._add_supply(self._bench.supplies[wanted.upstream])
            )
        self.supplies[wanted.name] = source
        # An optocoupler that pulls its line low while the supply is good: an open wire reads as no supply.
        driver = self._net(f"{wanted.name}.ok").driver(f"{wanted.name}.ok")

        def sense(volts: float, _at: int) -> None:
            driver.drive(False if volts >= POWER_GOOD_VOLTS else None)

        sense(source.volts, 0)
        source.watch(sense)
        return source

    def _add_contactor(self, wanted: Contactor) -> None:
        bounce = tuple(round(ms * MS) for ms in wanted.bounce_ms)
        travel = Travel(round(wanted.operate_ms * MS), round(wanted.release_ms * MS), bounce)
        relay = LatchingRelay(self.clock, wanted.name, travel, closed=wanted.closed)
        relay.wire(self._net(f"{wanted.name}.set"), self._net(f"{wanted.name}.reset"))
        for kind, contact in relay.auxiliaries.items():
            wire_contact(contact, self._net(f"{wanted.name}.aux_{kind}"))
        if wanted.fault:
            relay.inject(_fault(wanted, self._bench.source))
        self.contactors[wanted.name] = relay
        instrument = self._bench.instruments[wanted.instrument]
        shunt = Shunt(f"{wanted.name}.shunt", instrument.shunt_ohm)
        path = SeriesPath(self.clock, self.supplies[wanted.supply], (relay.main, shunt), Lamp(ohms=wanted.load_ohm))
        chip = Ina226Chip(
            self.clock,
            amps=path.amps,
            volts=lambda: path.volts_after(relay.main),
            shunt_ohms=instrument.shunt_ohm,
            seed=self._bench.seed,
        )
        path.watch(chip.changed)
        name = instrument.url.partition("://")[2]
        self.buses.setdefault(name, VirtualI2C(name)).attach(instrument.address, chip)

    def _pulls_and_taps(self, on_edge: EdgeTap) -> None:
        for device in self._bench.devices.values():
            for name, pin in device.pins.items():
                net = self._net(f"{device.node}.GPIO{pin.gpio}")
                # Inputs are pulled up and close to ground; outputs are active high.
                inverted = pin.kind != "output"
                net.pull("board", Pull.UP if inverted else Pull.DOWN)
                net.watch(_tap(on_edge, device.name, name, inverted))


def _tap(on_edge: EdgeTap, device: str, pin: str, inverted: bool) -> Callable[[bool, int], None]:
    return lambda level, at_ns: on_edge(device, pin, level is not inverted, at_ns)


def _fault(contactor: Contactor, source: str) -> Fault:
    try:
        return Fault(contactor.fault)
    except ValueError:
        known = ", ".join(fault.value for fault in Fault)
        raise BenchFileError(
            f"{source}.contactors.{contactor.name}.fault", f"one of {known}", contactor.fault
        ) from None


def _link(bench: Bench) -> Link:
    names = ("loss", "duplicate", "reorder")
    wrong = [key for key in bench.air if key not in names]
    if wrong:
        raise BenchFileError(f"{bench.source}.air", f"only {', '.join(names)}", wrong[0])
    for name in names:
        value = bench.air.get(name, 0.0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise BenchFileError(f"{bench.source}.air.{name}", "a probability below 1", value)
    loss, duplicate, reorder = (float(bench.air.get(name, 0.0)) for name in names)
    return Link(loss=loss, duplicate=duplicate, reorder=reorder)


def _join(bench: Bench, board: NetBoard) -> dict[str, Net]:
    """Terminals joined by wires share one net, named after the first of them."""
    group: dict[str, str] = {}

    def root(terminal: str) -> str:
        while group.setdefault(terminal, terminal) != terminal:
            terminal = group[terminal]
        return terminal

    for wire in bench.wires:
        group[root(wire.b)] = root(wire.a)
    for device in bench.devices.values():
        for pin in device.pins.values():
            root(f"{device.node}.GPIO{pin.gpio}")
    return {terminal: board.net(root(terminal)) for terminal in tuple(group)}


class _Branch(PowerSupply):
    """A supply that hangs on another: it lives while that one does and it is itself switched on."""

    def __init__(self, clock: BenchClock, name: str, volts: float, upstream: PowerSupply) -> None:
        super().__init__(clock, name, volts, on=upstream.on)
        self._wish = True
        self._upstream = upstream
        upstream.watch(lambda _volts, _at: self._follow())

    def switch(self, on: bool) -> None:
        self._wish = on
        self._follow()

    def _follow(self) -> None:
        super().switch(self._wish and self._upstream.on)
