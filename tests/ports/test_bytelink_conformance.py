"""Byte links: one suite for a virtual line on the virtual clock, and for pyserial on a pseudo terminal in real time."""

from __future__ import annotations

import os
import random
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.ports.bytelink import PtyEnd, SerialByteLink, VirtualByteLink, open_byte_link
from rig.ports.clock import RealClock
from rig.ports.protocols import ByteLink, PortBusy, PortError, PortLost, PortMissing, PortUnable
from rig.world.clock import VirtualClock
from tests.examples import examples

SECOND = 1_000_000_000


class Line:
    """Both ends of a line, and everything that they were told."""

    def __init__(self, near: ByteLink, far: ByteLink, clock: VirtualClock | RealClock) -> None:
        self.near, self.far, self.clock = near, far, clock
        self.heard = {"near": b"", "far": b""}
        self.lost = {"near": 0, "far": 0}
        self.threads: set[int] = set()
        self.unplug: Callable[[], None] = far.close
        for name, link in (("near", near), ("far", far)):
            link.on_bytes = self._hearing(name)
            link.link_lost = self._losing(name)

    def _hearing(self, name: str) -> Callable[[bytes], None]:
        def hear(octets: bytes) -> None:
            self.heard[name] += octets
            self.threads.add(threading.get_ident())

        return hear

    def _losing(self, name: str) -> Callable[[str], None]:
        def lose(reason: str) -> None:
            assert reason
            self.lost[name] += 1

        return lose

    def until(self, met: Callable[[], bool], seconds: float = 5.0) -> bool:
        return self.clock.advance(self.clock.now + int(seconds * SECOND), met)


@pytest.fixture(params=["virtual", "serial"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    if request.param == "virtual":
        virtual = VirtualClock()
        a, b = VirtualByteLink.pair(virtual, 115_200)
        made = Line(a, b, virtual)
        made.unplug = a.unplug
    else:
        real = RealClock()
        pty = PtyEnd(real)
        made = Line(SerialByteLink(f"serial://{pty.path}", 115_200, real), pty, real)
    yield made
    made.near.close()
    made.far.close()


@pytest.mark.parametrize(
    "octets",
    [b"\x7e\x00", bytes(range(256)), b"\x11\x13\x03\x04\r\n\r\x1a\x7f", b"x" * 5000],
    ids=["two", "all values", "what a terminal would eat", "more than a buffer"],
)
def test_octets_arrive_both_ways_unchanged(line: Line, octets: bytes) -> None:
    line.near.write(octets)
    assert line.until(lambda: len(line.heard["far"]) >= len(octets))
    line.far.write(octets)
    assert line.until(lambda: len(line.heard["near"]) >= len(octets))
    assert line.heard == {"near": octets, "far": octets}


def test_writes_keep_their_order(line: Line) -> None:
    pieces = [bytes([index]) * (index % 7 + 1) for index in range(60)]
    for piece in pieces:
        line.near.write(piece)
    assert line.until(lambda: len(line.heard["far"]) >= len(b"".join(pieces)))
    assert line.heard["far"] == b"".join(pieces)


def test_callbacks_come_on_the_thread_of_the_clock(line: Line) -> None:
    line.near.write(b"1")
    line.far.write(b"2")
    assert line.until(lambda: bool(line.heard["near"] and line.heard["far"]))
    assert line.threads == {threading.get_ident()}


def test_nothing_arrives_but_through_the_clock(line: Line) -> None:
    line.near.write(b"1")
    assert line.heard["far"] == b""


def test_a_line_that_is_unplugged_is_lost_once(line: Line) -> None:
    line.unplug()
    assert line.until(lambda: line.lost["near"] == 1)
    with pytest.raises(PortLost):
        line.near.write(b"x")
    line.clock.run_due()
    assert line.lost["near"] == 1


def test_a_closed_end_hears_and_sends_nothing(line: Line) -> None:
    line.far.write(b"late")
    line.near.close()
    line.near.close()
    with pytest.raises(PortLost, match="closed"):
        line.near.write(b"x")
    line.clock.run_due()
    assert line.heard["near"] == b""
    assert line.lost["near"] == 0


def test_there_are_three_lines_to_set(line: Line) -> None:
    with pytest.raises(PortUnable, match="rts, dtr, break"):
        line.near.set_line("cts", True)


# -------------------------------------------------------------------------------------------------------- virtual alone


def test_octets_are_paced_to_the_baud_rate() -> None:
    clock = VirtualClock()
    a, b = VirtualByteLink.pair(clock, 9600, fifo=4)
    arrivals: list[tuple[bytes, int]] = []
    b.on_bytes = lambda octets: arrivals.append((octets, clock.now))
    a.write(b"123456")
    clock.advance(1000)
    a.write(b"7")
    clock.advance(SECOND)
    assert arrivals == [(b"1234", 4 * SECOND // 960), (b"56", 6 * SECOND // 960), (b"7", 7 * SECOND // 960)]


def test_both_ways_at_once_do_not_slow_each_other() -> None:
    clock = VirtualClock()
    a, b = VirtualByteLink.pair(clock, 9600)
    at: list[int] = []
    a.on_bytes = b.on_bytes = lambda _octets: at.append(clock.now)
    a.write(b"1")
    b.write(b"2")
    clock.advance(SECOND)
    assert at == [SECOND // 960] * 2


def test_what_is_on_its_way_is_lost_with_the_cable() -> None:
    clock = VirtualClock()
    a, b = VirtualByteLink.pair(clock, 9600, fifo=1)
    heard: list[bytes] = []
    b.on_bytes = heard.append
    a.write(b"123")
    clock.advance(SECOND // 960)
    a.unplug()
    a.unplug()
    clock.advance(SECOND)
    a.plug()
    a.write(b"4")
    clock.advance(2 * SECOND)
    assert heard == [b"1", b"4"]


@pytest.mark.parametrize(("name", "seen"), [("rts", "cts"), ("dtr", "dsr"), ("break", "break")])
def test_modem_lines_cross_as_in_a_null_modem(name: str, seen: str) -> None:
    clock = VirtualClock()
    a, b = VirtualByteLink.pair(clock)
    told: list[tuple[str, bool]] = []
    b.on_line = lambda line, level: told.append((line, level))
    for level in (True, True, False):
        a.set_line(name, level)
    clock.run_due()
    assert told == [(seen, True), (seen, False)]


def test_a_line_needs_a_speed() -> None:
    with pytest.raises(ValueError, match="positive"):
        VirtualByteLink.pair(VirtualClock(), 0)


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(1, 40), st.integers(0, 2**32))
@settings(max_examples=examples(30))
def test_any_writes_at_any_times_arrive_in_order(pieces: list[bytes], fifo: int, seed: int) -> None:
    rng, clock = random.Random(seed), VirtualClock()
    a, b = VirtualByteLink.pair(clock, 115_200, fifo=fifo)
    heard: list[bytes] = []
    b.on_bytes = heard.append
    for piece in pieces:
        a.write(piece)
        clock.advance(clock.now + rng.randrange(3_000_000))
    clock.advance(clock.now + SECOND)
    assert b"".join(heard) == b"".join(pieces)
    assert all(len(group) <= fifo for group in heard)


# ----------------------------------------------------------------------------------------------------------- real alone


def test_a_device_is_held_by_one() -> None:
    clock = RealClock()
    pty = PtyEnd(clock)
    first = SerialByteLink(pty.path, 9600, clock)
    with pytest.raises(PortBusy, match="another program holds it"):
        SerialByteLink(pty.path, 9600, clock)
    first.close()
    SerialByteLink(pty.path, 9600, clock).close()
    pty.close()


def test_a_pseudo_terminal_survives_programs_that_come_and_go() -> None:
    clock = RealClock()
    pty = PtyEnd(clock)
    heard: list[bytes] = []
    lost: list[str] = []
    pty.on_bytes, pty.link_lost = heard.append, lost.append
    for octet in (b"1", b"2"):
        program = os.open(pty.path, os.O_RDWR | os.O_NOCTTY)
        os.write(program, octet)
        os.close(program)
        assert clock.advance(clock.now + 5 * SECOND, lambda octet=octet: octet in heard)  # type: ignore[misc]
    pty.close()
    assert (heard, lost) == ([b"1", b"2"], [])


def test_a_pseudo_terminal_is_raw_for_a_program_that_sets_nothing() -> None:
    clock = RealClock()
    pty = PtyEnd(clock)
    heard = bytearray()
    pty.on_bytes = heard.extend
    program = os.open(pty.path, os.O_RDWR | os.O_NOCTTY)
    pty.write(b"\r\n\x03\x04\x11")
    received = b""
    while len(received) < 5 and select.select([program], [], [], 5)[0]:
        received += os.read(program, 100)
    os.write(program, b"\n\r\x13end")
    assert clock.advance(clock.now + 5 * SECOND, lambda: heard.endswith(b"end"))
    os.close(program)
    pty.close()
    assert (received, bytes(heard)) == (b"\r\n\x03\x04\x11", b"\n\r\x13end")


def test_a_pseudo_terminal_that_nobody_reads_is_bounded() -> None:
    clock = RealClock()
    pty = PtyEnd(clock, bound=1000)
    for _ in range(100):
        pty.write(b"x" * 1000)
    assert 0 < pty.dropped < 100_000
    pty.close()
    pty.close()
    with pytest.raises(PortLost):
        pty.write(b"x")


def test_a_pseudo_terminal_has_no_modem_lines() -> None:
    clock = RealClock()
    pty = PtyEnd(clock)
    link = SerialByteLink(pty.path, 9600, clock)
    for end in (pty, link):
        with pytest.raises(PortUnable, match="no line rts"):
            end.set_line("rts", True)
    link.close()
    pty.close()


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())  # those of earlier tests may end meanwhile
    clock = RealClock()
    pty = PtyEnd(clock)
    link = SerialByteLink(pty.path, 9600, clock)
    link.close()
    pty.close()
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("path", "kind", "match"),
    [
        ("/dev/serial/by-id/nothing", PortMissing, "ls /dev/serial/by-id"),
        ("/dev/null", PortMissing, "no serial device"),
    ],
)
def test_a_device_that_cannot_be_had(path: str, kind: type[PortError], match: str) -> None:
    with pytest.raises(kind, match=match):
        SerialByteLink(path, 9600, RealClock())


def test_a_directory_is_no_device(tmp_path: Path) -> None:
    with pytest.raises(PortMissing, match="no serial device"):
        SerialByteLink(str(tmp_path), 9600, RealClock())


def test_an_impossible_speed() -> None:
    clock = RealClock()
    pty = PtyEnd(clock)
    with pytest.raises(PortUnable, match="-1 baud"):
        SerialByteLink(pty.path, -1, clock)
    pty.close()


# ------------------------------------------------------------------------------------------------------------ addresses


def test_addresses_of_the_bench_file() -> None:
    clock = RealClock()
    a, _ = VirtualByteLink.pair(VirtualClock())
    assert open_byte_link("virtual://esme.a", 9600, clock, {"esme.a": a}) is a
    pty = open_byte_link("pty:esme", 9600, clock)
    assert isinstance(pty, PtyEnd)
    for address in (pty.path, f"serial://{pty.path}"):
        link = open_byte_link(address, 9600, clock)
        assert isinstance(link, SerialByteLink)
        link.close()
    pty.close()


@pytest.mark.parametrize(
    ("url", "match"), [("virtual://gsme.a", "has: esme.a"), ("tcp://localhost:1", "not the address of a byte link")]
)
def test_addresses_that_lead_nowhere(url: str, match: str) -> None:
    a, _ = VirtualByteLink.pair(VirtualClock())
    with pytest.raises(PortMissing, match=match):
        open_byte_link(url, 9600, RealClock(), {"esme.a": a})
