"""Relays: travel and bounce to the nanosecond, pulses that are too short, and each fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.world.clock import VirtualClock
from rig.world.nets import NetBoard, Pull
from rig.world.relays import Contact, Fault, LatchingRelay, MonostableRelay, Travel, wire_contact

MS = 1_000_000


class Trace:
    """The edges of all contacts of a relay, in ms."""

    def __init__(self, relay: LatchingRelay | MonostableRelay) -> None:
        self.edges: list[tuple[str, bool, float]] = []
        for contact in (relay.main, *relay.auxiliaries.values()):
            self._follow(contact)

    def _follow(self, contact: Contact) -> None:
        name = contact.name.partition(".")[2]
        contact.watch(lambda closed, at: self.edges.append((name, closed, at / MS)))

    def of(self, name: str) -> list[tuple[bool, float]]:
        return [(closed, at) for contact, closed, at in self.edges if contact == name]


def pulse(clock: VirtualClock, relay: LatchingRelay, coil: str, length_ms: float, at_ms: float = 0.0) -> None:
    """Current through a coil for so long, then let everything settle."""
    clock.advance(int(at_ms * MS))
    relay.energise(coil, True)
    clock.advance(clock.now + int(length_ms * MS))
    relay.energise(coil, False)
    clock.advance(clock.now + 500 * MS)


def test_a_latching_relay_sets_bounces_and_resets_on_time() -> None:
    clock = VirtualClock()
    relay = LatchingRelay(clock, "k")
    trace = Trace(relay)
    pulse(clock, relay, "set", 100)
    assert trace.of("main") == [(True, 8.0), (False, 8.5), (True, 8.9)]
    assert trace.of("aux_nc") == [(False, 8.0)]
    trace.edges.clear()
    pulse(clock, relay, "reset", 100, at_ms=1000)
    assert trace.of("main") == [(False, 1004.0)]
    assert trace.of("aux_nc") == [(True, 1004.0), (False, 1004.5), (True, 1004.9)]
    assert relay.operations == 2


def test_break_comes_before_make() -> None:
    clock = VirtualClock()
    relay = LatchingRelay(clock, "k", closed=True)
    trace = Trace(relay)
    pulse(clock, relay, "reset", 100)
    at_arrival = [(name, closed) for name, closed, at in trace.edges if at == 4.0]
    assert at_arrival == [("main", False), ("aux_no", False), ("aux_nc", True)]


@pytest.mark.parametrize(("length_ms", "moves"), [(7.9, False), (8.1, True)])
def test_a_pulse_shorter_than_the_travel_moves_nothing(length_ms: float, moves: bool) -> None:
    clock = VirtualClock()
    relay = LatchingRelay(clock, "k")
    pulse(clock, relay, "set", length_ms)
    assert relay.main.closed is moves


def test_both_coils_at_once_move_nothing_and_are_counted() -> None:
    clock = VirtualClock()
    relay = LatchingRelay(clock, "k")
    relay.energise("reset", True)
    pulse(clock, relay, "set", 100)
    assert relay.main.closed is False
    assert relay.fights == 1


def test_an_unknown_coil_is_an_error() -> None:
    with pytest.raises(ValueError, match="set or reset"):
        LatchingRelay(VirtualClock(), "k").energise("Set", True)


def test_bounce_times_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="pairs"):
        Travel(bounce_ns=(1, 2, 3))


def test_a_monostable_relay_falls_back() -> None:
    clock = VirtualClock()
    relay = MonostableRelay(clock, "k")
    trace = Trace(relay)
    relay.energise(True)
    clock.advance(50 * MS)
    relay.energise(False)
    clock.advance(100 * MS)
    assert trace.of("main") == [(True, 8.0), (False, 8.5), (True, 8.9), (False, 54.0)]


def test_a_relay_that_opens_in_mid_bounce_stays_open() -> None:
    clock = VirtualClock()
    relay = MonostableRelay(clock, "k", Travel(release_ns=100_000))
    relay.energise(True)
    clock.advance(8 * MS)
    relay.energise(False)
    clock.advance(100 * MS)
    assert relay.main.closed is False
    assert relay.auxiliaries["nc"].closed is True


# one row a fault: (fault, closed at first, coil driven, main afterwards, aux_no afterwards, aux_nc afterwards)
FAULTS = [
    (None, False, "set", True, True, False),
    (None, True, "reset", False, False, True),
    (Fault.WELDED, True, "reset", True, True, False),
    (Fault.WELDED, False, "set", True, True, False),
    (Fault.STUCK_OPEN, False, "set", False, False, True),
    (Fault.SET_COIL_OPEN, False, "set", False, False, True),
    (Fault.SET_COIL_OPEN, True, "reset", False, False, True),
    (Fault.RESET_COIL_OPEN, True, "reset", True, True, False),
    (Fault.AUX_STUCK, False, "set", True, False, True),
    (Fault.AUX_STUCK, True, "reset", False, True, False),
]


@pytest.mark.parametrize(("fault", "closed", "coil", "main", "aux_no", "aux_nc"), FAULTS)
def test_faults(fault: Fault | None, closed: bool, coil: str, main: bool, aux_no: bool, aux_nc: bool) -> None:
    clock = VirtualClock()
    relay = LatchingRelay(clock, "k", closed=closed)
    if fault is not None:
        relay.inject(fault)
    pulse(clock, relay, coil, 100)
    assert relay.main.closed is main
    assert relay.auxiliaries["no"].closed is aux_no
    assert relay.auxiliaries["nc"].closed is aux_nc


def test_without_guided_contacts_the_auxiliary_of_a_welded_pole_lies() -> None:
    clock = VirtualClock()
    relay = LatchingRelay(clock, "k", closed=True, guided=False)
    relay.inject(Fault.WELDED)
    pulse(clock, relay, "reset", 100)
    assert relay.main.closed is True
    assert relay.auxiliaries["no"].closed is False


def test_a_slow_relay_is_late_and_misses_short_pulses() -> None:
    clock = VirtualClock()
    relay = LatchingRelay(clock, "k", Travel(slow_factor=3))
    relay.inject(Fault.SLOW)
    trace = Trace(relay)
    pulse(clock, relay, "set", 20)
    assert trace.edges == []
    pulse(clock, relay, "set", 100, at_ms=1000)
    assert trace.of("main")[0] == (True, 1024.0)


def test_a_repaired_relay_goes_where_its_coil_wants_it() -> None:
    clock = VirtualClock()
    relay = MonostableRelay(clock, "k")
    relay.inject(Fault.STUCK_OPEN)
    relay.energise(True)
    clock.advance(100 * MS)
    assert relay.main.closed is False
    relay.repair(Fault.STUCK_OPEN)
    clock.advance(200 * MS)
    assert relay.main.closed is True


def test_coils_and_contacts_wired_to_nets() -> None:
    clock = VirtualClock()
    board = NetBoard(clock)
    relay = LatchingRelay(clock, "k")
    relay.wire(board.net("set"), board.net("reset"))
    aux = board.net("aux")
    aux.pull("r", Pull.UP)
    wire_contact(relay.auxiliaries["no"], aux)
    edges: list[tuple[bool, int]] = []
    aux.watch(lambda level, at: edges.append((level, at)))
    coil = board.net("set").driver("gpio")
    coil.drive(True)
    clock.advance(100 * MS)
    assert edges == [(False, 8 * MS), (True, 8_500_000), (False, 8_900_000)]


def test_a_monostable_relay_on_a_net_that_is_high_already() -> None:
    clock = VirtualClock()
    net = NetBoard(clock).net("coil")
    net.driver("gpio").drive(True)
    relay = MonostableRelay(clock, "k")
    relay.wire(net)
    clock.advance(100 * MS)
    assert relay.main.closed is True


@given(
    st.lists(st.tuples(st.sampled_from(["set", "reset"]), st.booleans(), st.integers(0, 30 * MS)), max_size=30),
    st.booleans(),
)
def test_whatever_the_coils_do_the_contacts_agree_when_all_is_quiet(
    moves: list[tuple[str, bool, int]], closed: bool
) -> None:
    clock = VirtualClock()
    relay = LatchingRelay(clock, "k", closed=closed)
    for coil, on, wait in moves:
        relay.energise(coil, on)
        clock.advance(clock.now + wait)
    clock.advance(clock.now + 100 * MS)
    aux = relay.auxiliaries
    assert aux["no"].closed is relay.main.closed
    assert aux["nc"].closed is not relay.main.closed
