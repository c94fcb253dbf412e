"""Nets: the wires of the virtual bench that carry a logic level.

A net has drivers (strong: they hold it high or low, or let go) and pulls (weak).  Drivers that disagree are a conflict,
which is counted and leaves the level as it was; with no driver the pulls decide; with no pull either, or pulls that
disagree, the level stays, as on a floating wire.  Every edge is told to the watchers of the net and to the taps of the
board, in the order in which the edges happened, also when a watcher itself makes the next edge.

Must not live here: what drives the nets (relays, pins, buttons), and anything about electrical power.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Protocol

__all__ = ["Driver", "Edge", "Net", "NetBoard", "Pull", "Watch"]

Watch = Callable[[bool, int], None]
"""``watch(level, at_ns)``"""

Tap = Callable[[str, bool, int], None]
"""``tap(net name, level, at_ns)``"""

Edge = tuple["Net", bool, int]


class Clock(Protocol):
    """What the world needs of the bench clock: times are integer nanoseconds."""

    @property
    def now(self) -> int: ...

    def call_at(self, when: int, what: Callable[[], None]) -> Handle: ...

    def call_soon(self, what: Callable[[], None]) -> Handle: ...


class Handle(Protocol):
    """Something scheduled that can be called off."""

    def cancel(self) -> None: ...


class Pull(Enum):
    """A weak hold on a net: a resistor to the high or to the low rail."""

    NONE = None
    DOWN = False
    UP = True


class Driver:
    """One strong hold on a net.  ``None`` lets go (high impedance), as a new driver does."""

    def __init__(self, net: Net, name: str) -> None:
        self.net = net
        self.name = name
        self.level: bool | None = None

    def drive(self, level: bool | None) -> None:
        """Hold the net at ``level`` from this instant on, or let go of it with ``None``."""
        if level is not self.level:
            self.level = level
            self.net.resolve()

    def remove(self) -> None:
        """Take the driver off the net; harmless when it is off already."""
        if self in self.net.drivers:
            self.net.drivers.remove(self)
            self.net.resolve()


class Net:
    """One wire.  Made by :meth:`NetBoard.net`.  ``conflicts`` counts how often drivers began to fight over it."""

    def __init__(self, board: NetBoard, name: str) -> None:
        self.board = board
        self.name = name
        self.level = False
        self.drivers: list[Driver] = []
        self.conflicts = 0
        self._pulls: dict[str, Pull] = {}
        self._watches: list[Watch] = []
        self._fighting = False

    def driver(self, name: str) -> Driver:
        """A new driver on this net, letting go at first."""
        driver = Driver(self, name)
        self.drivers.append(driver)
        return driver

    def pull(self, name: str, pull: Pull) -> None:
        """Set (or with ``Pull.NONE`` take away) the pull that goes by ``name``."""
        self._pulls[name] = pull
        self.resolve()

    def watch(self, watch: Watch) -> Callable[[], None]:
        """Have ``watch(level, at_ns)`` called for each edge; the answer is how to stop it."""
        self._watches.append(watch)
        return lambda: self._watches.remove(watch) if watch in self._watches else None

    @property
    def watches(self) -> tuple[Watch, ...]:
        return tuple(self._watches)

    def resolve(self) -> None:
        """Work out the level from drivers and pulls, and tell of the edge if it changed."""
        strong = {driver.level for driver in self.drivers if driver.level is not None}
        if len(strong) > 1:
            self.conflicts += not self._fighting
            self._fighting = True
            return
        self._fighting = False
        weak = {pull.value for pull in self._pulls.values() if pull is not Pull.NONE}
        held = strong or weak
        if len(held) == 1 and (level := bool(next(iter(held)))) is not self.level:
            self.level = level
            self.board.announce(self, level)


class NetBoard:
    """All nets of a bench, by name."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._nets: dict[str, Net] = {}
        self._taps: list[Tap] = []
        self._edges: deque[Edge] = deque()
        self._telling = False

    def net(self, name: str) -> Net:
        """The net of this name; it is made when it is first asked for."""
        if name not in self._nets:
            self._nets[name] = Net(self, name)
        return self._nets[name]

    @property
    def nets(self) -> tuple[Net, ...]:
        """Every net there is, in the order in which they were made."""
        return tuple(self._nets.values())

    @property
    def conflicts(self) -> dict[str, int]:
        """The nets over which drivers fought, and how often."""
        return {net.name: net.conflicts for net in self._nets.values() if net.conflicts}

    def tap(self, tap: Tap) -> None:
        """Have ``tap(net name, level, at_ns)`` called for every edge of every net."""
        self._taps.append(tap)

    def announce(self, net: Net, level: bool) -> None:
        """Tell taps and watchers of an edge.  Edges that a watcher makes meanwhile wait their turn."""
        self._edges.append((net, level, self.clock.now))
        if self._telling:
            return
        self._telling = True
        try:
            while self._edges:
                self._tell(*self._edges.popleft())
        finally:
            self._telling = False

    def _tell(self, net: Net, level: bool, at_ns: int) -> None:
        for tap in self._taps:
            tap(net.name, level, at_ns)
        for watch in net.watches:
            watch(level, at_ns)
