"""Relays of the virtual bench: coils, an armature that takes its time, contacts that bounce, and what can break.

A coil moves the armature, and the armature its contacts.  A latching relay has a SET and a RESET coil and stays where
it is without current; a monostable relay falls back.  A pulse shorter than the travel moves nothing.  Contacts that
make bounce; contacts that break do not; breaking contacts open before making ones close.

Must not live here: what a contact switches (``supplies``), and who drives the coil.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from rig.world.nets import Clock, Driver, Handle, Net, Watch

__all__ = ["Contact", "Fault", "LatchingRelay", "MonostableRelay", "Travel", "wire_contact"]


@dataclass(frozen=True, slots=True)
class Travel:
    """How a relay moves; typical values of a small power relay, facts/pi-bench.md 2.4 and 8 (data sheets differ)."""

    operate_ns: int = 8_000_000  # coil on to first make
    release_ns: int = 4_000_000  # coil on (latching) or off (monostable) to break
    bounce_ns: tuple[int, ...] = (500_000, 400_000)  # after a first make: open after .5 ms, closed again .4 ms later
    slow_factor: int = 10  # what Fault.SLOW multiplies both travels with

    def __post_init__(self) -> None:
        if len(self.bounce_ns) % 2:
            raise ValueError(f"bounce_ns holds pairs of open and closed times; got {len(self.bounce_ns)} of them")


class Fault(Enum):
    """What can be wrong with a relay."""

    WELDED = "welded"  # the main contact, once closed, never opens again
    STUCK_OPEN = "stuck open"  # the armature cannot close the main contact
    SLOW = "slow"  # it moves, but late
    SET_COIL_OPEN = "set coil open"  # the SET coil (or the only one) is broken
    RESET_COIL_OPEN = "reset coil open"
    AUX_STUCK = "aux stuck"  # the auxiliary contacts stay where they are


class Contact:
    """A switch between two terminals.  ``closed`` is what a current would find."""

    def __init__(self, clock: Clock, name: str, closed: bool = False) -> None:
        self._clock = clock
        self.name = name
        self.closed = closed
        self._watches: list[Watch] = []

    def watch(self, watch: Watch) -> None:
        """Have ``watch(closed, at_ns)`` called whenever the contact makes or breaks."""
        self._watches.append(watch)

    def move(self, closed: bool) -> None:
        """Make or break, now."""
        if closed is not self.closed:
            self.closed = closed
            for watch in tuple(self._watches):
                watch(closed, self._clock.now)


def wire_contact(contact: Contact, net: Net, level: bool = False) -> Driver:
    """Wire a contact between a net and a rail: closed drives ``level`` (low, to ground, by default), open lets go."""
    driver = net.driver(contact.name)
    driver.drive(level if contact.closed else None)
    contact.watch(lambda closed, _at: driver.drive(level if closed else None))
    return driver


@dataclass(slots=True)
class _Poles:
    """The contacts that one armature moves."""

    main: Contact
    normally_open: tuple[Contact, ...] = ()
    normally_closed: tuple[Contact, ...] = ()
    bouncing: list[Handle] = field(default_factory=list)


class _Armature(ABC):
    """What both kinds of relay share: the moving part, its contacts and its faults.

    ``guided`` says that the auxiliary contacts are mechanically linked to the main one (mirror contacts): when the main
    contact is welded they do not move either.  Without it they follow the coil and tell a lie.
    """

    def __init__(
        self, clock: Clock, name: str, travel: Travel | None = None, *, closed: bool = False, guided: bool = True
    ) -> None:
        self._clock = clock
        self.name = name
        self.travel = travel or Travel()
        self.guided = guided
        self.faults: set[Fault] = set()
        self.operations = 0
        self._position = closed
        self._move: Handle | None = None
        self._target = closed
        self._poles = _Poles(
            Contact(clock, f"{name}.main", closed),
            (Contact(clock, f"{name}.aux_no", closed),),
            (Contact(clock, f"{name}.aux_nc", not closed),),
        )

    @property
    def main(self) -> Contact:
        """The contact that carries the load."""
        return self._poles.main

    @property
    def auxiliaries(self) -> Mapping[str, Contact]:
        """The auxiliary contacts: ``"no"`` is closed with the main contact, ``"nc"`` open."""
        return {"no": self._poles.normally_open[0], "nc": self._poles.normally_closed[0]}

    def inject(self, fault: Fault) -> None:
        """Let a fault happen now.  A weld takes hold as soon as the main contact is closed."""
        self.faults.add(fault)
        self._reconsider()

    def repair(self, fault: Fault) -> None:
        """Take a fault away; the armature goes at once where the coils want it."""
        self.faults.discard(fault)
        self._reconsider()

    @abstractmethod
    def _reconsider(self) -> None: ...

    def _head_for(self, target: bool | None) -> None:
        """The coils pull towards ``target`` (None: nowhere).  A move under way to elsewhere is given up."""
        wanted = self._position if target is None else target
        if self._move is not None and self._target is wanted:
            return
        if self._move is not None:
            self._move.cancel()
            self._move = None
        self._target = wanted
        if wanted is self._position:
            return
        delay = self.travel.operate_ns if wanted else self.travel.release_ns
        if Fault.SLOW in self.faults:
            delay *= self.travel.slow_factor
        self._move = self._clock.call_at(self._clock.now + delay, lambda: self._arrive(wanted))

    def _arrive(self, position: bool) -> None:
        self._move = None
        if position and Fault.STUCK_OPEN in self.faults:
            return
        welded = not position and Fault.WELDED in self.faults and self.main.closed
        if welded and self.guided:
            return
        self._position = position
        self.operations += 1
        for handle in self._poles.bouncing:
            handle.cancel()
        self._poles.bouncing.clear()
        auxiliaries = () if Fault.AUX_STUCK in self.faults else (
            *((contact, position) for contact in self._poles.normally_open),
            *((contact, not position) for contact in self._poles.normally_closed),
        )  # fmt: skip
        moving = [*auxiliaries] if welded else [(self.main, position), *auxiliaries]
        for contact, closed in sorted(moving, key=lambda move: move[1]):  # break before make
            contact.move(closed)
            if closed:
                self._bounce(contact)

    def _bounce(self, contact: Contact) -> None:
        at, closed = self._clock.now, True
        for interval in self.travel.bounce_ns:
            at, closed = at + interval, not closed
            move = _moving(contact, closed)
            self._poles.bouncing.append(self._clock.call_at(at, move))


def _moving(contact: Contact, closed: bool) -> Callable[[], None]:
    return lambda: contact.move(closed)


class LatchingRelay(_Armature):
    """A double-coil latching relay: SET closes the main contact, RESET opens it, without current it stays.

    ``fights`` counts how often both coils were driven at once, which moves nothing and heats both.
    """

    def __init__(
        self, clock: Clock, name: str, travel: Travel | None = None, *, closed: bool = False, guided: bool = True
    ) -> None:
        super().__init__(clock, name, travel, closed=closed, guided=guided)
        self.fights = 0
        self._coils = {"set": False, "reset": False}

    def energise(self, coil: str, on: bool) -> None:
        """Put current through the coil ``"set"`` or ``"reset"``, or take it away."""
        if coil not in self._coils:
            raise ValueError(f"{self.name}: coil is set or reset, not {coil!r}")
        if on and not self._coils[coil] and any(self._coils.values()):
            self.fights += 1
        self._coils[coil] = on
        self._reconsider()

    def wire(self, set_net: Net, reset_net: Net) -> None:
        """Have two nets drive the coils (high = current)."""
        set_net.watch(lambda level, _at: self.energise("set", level))
        reset_net.watch(lambda level, _at: self.energise("reset", level))
        self.energise("set", set_net.level)
        self.energise("reset", reset_net.level)

    def _reconsider(self) -> None:
        closing = self._coils["set"] and Fault.SET_COIL_OPEN not in self.faults
        opening = self._coils["reset"] and Fault.RESET_COIL_OPEN not in self.faults
        self._head_for(closing if closing is not opening else None)


class MonostableRelay(_Armature):
    """A relay that is closed while its coil carries current, and falls back without."""

    def __init__(
        self, clock: Clock, name: str, travel: Travel | None = None, *, closed: bool = False, guided: bool = True
    ) -> None:
        super().__init__(clock, name, travel, closed=closed, guided=guided)
        self._coil = closed

    def energise(self, on: bool) -> None:
        """Put current through the coil, or take it away."""
        self._coil = on
        self._reconsider()

    def wire(self, net: Net) -> None:
        """Have a net drive the coil (high = current)."""
        net.watch(lambda level, _at: self.energise(level))
        self.energise(net.level)

    def _reconsider(self) -> None:
        self._head_for(self._coil and Fault.SET_COIL_OPEN not in self.faults)
