"""The text line beneath the second message link: its frames, its faults, and the wires of a device behind it.

That it is a ``MessageLink`` like the others is shown in ``test_wan_conformance``.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.ports.bytelink import VirtualByteLink
from rig.ports.message_line import (
    LineFault,
    LineFrame,
    LineMessageLink,
    LineParser,
    LineSettings,
    Message,
    Pin,
    Power,
    Press,
    encode_line,
    wire_line,
)
from rig.ports.protocols import PortLost, PortMissing, PortUnable
from rig.world.clock import VirtualClock
from rig.world.nets import NetBoard, Pull
from rig.world.relays import LatchingRelay, wire_contact

MS = 1_000_000
ESME = bytes.fromhex("90B3D51F30010000")
LINES: list[tuple[LineFrame, bytes]] = [
    (Message(b"\xdf\x09\x01"), b"GBCS:DATA#0:3:DF0901\r\n"),
    (Message(b""), b"GBCS:DATA#0:0:\r\n"),
    (Pin("contactor_set", True), b"PIN:contactor_set:1\r\n"),
    (Pin("aux.no", False), b"PIN:aux.no:0\r\n"),
    (Press("A", 3_000 * MS), b"PRESS:A:3000\r\n"),
    (Power(False), b"POWER:0\r\n"),
    (Power(True), b"POWER:1\r\n"),
]

names = st.from_regex(r"[A-Za-z0-9_.-]{1,32}", fullmatch=True)
frames = st.one_of(
    st.binary(max_size=300).map(Message),
    st.builds(Pin, names, st.booleans()),
    st.builds(Press, names, st.integers(0, 9_999_999).map(lambda ms: ms * MS)),
    st.booleans().map(Power),
)


def parse(octets: bytes, settings: LineSettings | None = None) -> tuple[list[LineFrame], list[LineFault], int]:
    parser = LineParser(settings)
    faults: list[LineFault] = []
    parser.on_fault = faults.append
    return parser.feed(octets), faults, parser.noise


@pytest.mark.parametrize(("frame", "line"), LINES)
def test_lines(frame: LineFrame, line: bytes) -> None:
    assert encode_line(frame) == line
    assert parse(line) == ([frame], [], 0)


def test_lower_case_hex_and_bare_line_ends_are_taken() -> None:
    assert parse(b"GBCS:DATA#0:2:dF0a\nPOWER:1\r")[0] == [Message(b"\xdf\x0a"), Power(True)]


def test_what_precedes_a_frame_on_its_line_is_noise() -> None:
    assert parse(b"boot ok\r\n> GBCS:DATA#0:1:DF\r\n\x00\xff\r\n") == ([Message(b"\xdf")], [], 7 + 2 + 2)


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (b"GBCS:DATA#0:4:DF0901", "expected 4 octets, got 3"),
        (b"GBCS:DATA#0:2:DF0901", "expected 2 octets, got 3"),
        (b"GBCS:DATA#0:3:DF090", r"got 2\.5"),
        (b"GBCS:DATA#0:3:DF09ZZ", "expected GBCS:DATA#0"),
        (b"GBCS:DATA#0:-1:", "expected GBCS:DATA#0"),
        (b"GBCS:DATA#1:1:DF", "expected GBCS:DATA#0"),
        (b"GBCS:DATA#0:9999999999:DF", "expected GBCS:DATA#0"),
        (b"PIN:x:2", "expected GBCS:DATA#0"),
        (b"PIN::1", "expected GBCS:DATA#0"),
        (b"PRESS:A:-5", "expected GBCS:DATA#0"),
        (b"POWER:on", "expected GBCS:DATA#0"),
        (b"PIN:\xe9:1", "expected GBCS:DATA#0"),
    ],
)
def test_faults_are_told_and_the_next_line_is_read(line: bytes, match: str) -> None:
    found, faults, _ = parse(line + b"\r\nPOWER:1\r\n")
    assert found == [Power(True)]
    (fault,) = faults
    with pytest.raises(LineFault, match=match):
        raise fault


def test_the_length_may_count_digits() -> None:
    digits = LineSettings(length_counts_digits=True)
    line = b"GBCS:DATA#0:4:DF09\r\n"
    assert encode_line(Message(b"\xdf\x09"), digits) == line
    assert parse(line, digits)[0] == [Message(b"\xdf\x09")]
    assert parse(line)[0] == []


@pytest.mark.parametrize("piece", [1, 7, 1000, 100_000])
def test_a_line_without_end_is_thrown_away_as_it_comes(piece: int) -> None:
    parser = LineParser(LineSettings(largest_message=100))
    faults: list[LineFault] = []
    parser.on_fault = faults.append
    flood = b"GBCS:DATA#0:50000:" + b"0" * 100_000
    for start in range(0, len(flood), piece):
        assert parser.feed(flood[start : start + piece]) == []
        assert len(parser._buffer) <= LineSettings(largest_message=100).longest_line
    assert parser.feed(b"\r\nPOWER:0\r\n") == [Power(False)]
    assert len(faults) == 1


@given(st.lists(frames, max_size=10), st.lists(st.integers(0, 400), max_size=20))
def test_frames_survive_any_cutting(sent: list[LineFrame], cuts: list[int]) -> None:
    stream = b"".join(map(encode_line, sent))
    parser = LineParser()
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    received = [frame for start, end in pairwise(places) for frame in parser.feed(stream[start:end])]
    assert received == sent
    assert parser.noise == 0


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_no_octets_make_it_fail(pieces: list[bytes]) -> None:
    parser = LineParser(LineSettings(largest_message=50))
    for piece in pieces:
        parser.feed(piece)
    parser.feed(b"\r\n")
    assert parser.feed(b"POWER:1\r\n") == [Power(True)]


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (Message(bytes(16_385)), "at most 16384"),
        (Pin("a:b", True), "no name"),
        (Pin("", True), "no name"),
        (Pin("x\r\nPOWER", True), "no name"),
        (Press("x" * 33, 0), "no name"),
    ],
)
def test_what_no_line_can_carry(frame: LineFrame, match: str) -> None:
    with pytest.raises(PortUnable, match=match):
        encode_line(frame)


# ------------------------------------------------------------------------------------------------- a device on the line


class Bench:
    """A latching contactor on the bench, and a meter whose coils and auxiliary contact are at the far end of a line."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.board = NetBoard(self.clock)
        self.relay = LatchingRelay(self.clock, "k")
        self.relay.wire(self.board.net("set"), self.board.net("reset"))
        aux = self.board.net("aux")
        aux.pull("r", Pull.UP)
        wire_contact(self.relay.auxiliaries["no"], aux)
        self.near, far = VirtualByteLink.pair(self.clock, 1_000_000)
        self.link = LineMessageLink(self.near, ESME, where="esme line")
        self.meter = LineMessageLink(far, ESME)
        self.aux_seen: list[tuple[str, bool]] = []
        self.meter.on_pin = lambda name, level: self.aux_seen.append((name, level))

    def wire(self) -> None:
        outputs = {"set": self.board.net("set"), "reset": self.board.net("reset")}
        wire_line(self.link, outputs, {"aux_no": self.board.net("aux")})

    def run(self, ms: int) -> None:
        self.clock.advance(self.clock.now + ms * MS)


def test_a_meter_behind_a_line_moves_the_contactor_and_senses_it() -> None:
    bench = Bench()
    bench.wire()
    bench.run(10)
    bench.meter.set_pin("set", True)
    bench.run(50)
    bench.meter.set_pin("set", False)
    bench.run(50)
    assert bench.relay.main.closed is True
    assert bench.aux_seen == [("aux_no", level) for level in (True, False, True, False)]  # with its bounce


def test_a_line_that_is_lost_lets_go_of_the_coils() -> None:
    bench = Bench()
    told: list[bool] = []
    bench.link.on_link = told.append
    bench.wire()
    bench.meter.set_pin("reset", True)
    bench.run(10)
    levels = [bench.board.net("reset").level]
    bench.near.unplug()
    bench.run(10)
    levels.append(bench.board.net("reset").level)
    assert levels == [True, False]
    assert told == [False]
    bench.relay.energise("set", True)  # an edge of the auxiliary contact finds no line, and nothing fails
    bench.run(50)
    with pytest.raises(PortLost, match="unplugged"):
        bench.link.power(True)


def test_a_pin_that_is_wired_to_nothing_is_a_fault() -> None:
    bench = Bench()
    bench.wire()
    bench.meter.set_pin("valve", True)
    bench.run(10)
    assert bench.link.faults == 1
    assert "valve" in str(bench.link.last_fault)


def test_buttons_and_power_reach_the_meter() -> None:
    bench = Bench()
    told: list[object] = []
    bench.meter.on_press = lambda button, hold_ns: told.append((button, hold_ns))
    bench.meter.on_power = told.append
    bench.link.press("A", 3_000 * MS)
    bench.link.power(False)
    bench.link.power(True)
    bench.run(10)
    assert told == [("A", 3_000 * MS), False, True]


def test_faults_are_counted_and_the_link_stays_up() -> None:
    bench = Bench()
    heard: list[LineFault] = []
    bench.link.on_fault = heard.append
    bench.meter._link.write(b"GBCS:DATA#0:9:DF\r\nlog line\r\n")
    bench.meter.send(ESME, b"\xdf\x01")
    messages: list[bytes] = []
    bench.link.on_message = lambda _device, octets: messages.append(octets)
    bench.run(10)
    assert (bench.link.faults, bench.link.last_fault, bench.link.noise) == (1, heard[0], len(b"log line"))
    assert messages == [b"\xdf\x01"]


def test_only_the_device_of_the_line_can_be_sent_to() -> None:
    with pytest.raises(PortMissing, match="90-B3-D5-1F-30-01-00-00 is"):
        Bench().link.send(bytes(8), b"x")
