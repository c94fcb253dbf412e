"""The host's side of the virtual modules: API modes, AT registers, command mode, power.  No radio needed."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import xbee
from rig.world.clock import NS, VirtualClock
from rig.world.ether import Ether
from rig.world.xbee_802154 import XBee802154
from rig.world.xbee_module import ModuleSettings
from rig.world.xbee_registers import ZIGBEE_REGISTERS
from rig.world.xbee_zigbee import XBeeZigbee, ZigbeeSettings

MS = 1_000_000
EUI = bytes.fromhex("0013a20041abcdef")


class Line:
    """A module and what it said, in octets and as frames, each with its time."""

    def __init__(self, kind: Any = XBeeZigbee, *, settings: Any = None, **registers: bytes) -> None:
        self.clock = VirtualClock()
        self.octets = bytearray()
        self.frames: list[xbee.Frame] = []
        self.times: list[int] = []
        self.deframer = xbee.Deframer(escaped=registers.get("AP", b"\1") == b"\2")
        ether = Ether(self.clock, Random(1))
        spoken_to = {"AP": b"\1"} | registers  # from the factory it is transparent
        self.module = kind(ether, "it", EUI, Random(2), registers=spoken_to, settings=settings)
        self.module.to_host = self._hear
        self.module.power(True)
        self.run()

    def _hear(self, octets: bytes) -> None:
        self.octets += octets
        for data in self.deframer.feed(octets):
            self.frames.append(xbee.parse(data))
            self.times.append(self.clock.now)

    def run(self, ns: int = 200 * MS) -> None:
        self.clock.advance(self.clock.now + ns)

    def at(self, command: str, value: bytes = b"", *, queued: bool = False) -> tuple[int, bytes]:
        """Status and value of the answer; this frame must be answered by exactly one."""
        self.frames.clear()
        kind = xbee.AtQueued if queued else xbee.AtCommand
        request = xbee.build(kind(7, command.encode(), value))
        self.module.on_host_bytes(xbee.frame(request, escaped=self.deframer.escaped))
        self.run(2 * MS)
        answers = [frame for frame in self.frames if isinstance(frame, xbee.AtResponse)]
        assert [(one.frame_id, one.command) for one in answers] == [(7, command.encode())]
        return answers[0].status, answers[0].value


def test_says_8a_00_after_power_on_and_not_before() -> None:
    line = Line()
    assert line.frames == [xbee.ModemStatus(0x00)]
    assert line.octets == bytes.fromhex("7E00028A0075")
    assert line.times[0] == ModuleSettings().boot_ns + ModuleSettings().reply_delay_ns


def test_the_published_ap_query_is_answered() -> None:
    line = Line()
    line.octets.clear()
    line.module.on_host_bytes(bytes.fromhex("7E00040901415064"))  # digi-xbee's first frame
    line.run()
    assert line.octets == xbee.frame(bytes.fromhex("88014150 00 01"), escaped=False)


@pytest.mark.parametrize(
    ("command", "value"),
    [
        ("HV", "4242"),
        ("VR", "100D"),
        ("SH", "0013A200"),
        ("SL", "41ABCDEF"),
        ("NI", "20"),
        ("MY", "FFFE"),
        ("CE", "00"),
        ("AI", "FF"),
        ("NP", "00FF"),
        ("BD", "00000003"),
        ("SC", "7FFF"),
        ("N?", "00001770"),
        ("OP", "0000000000000000"),
        ("CH", "00"),
    ],
)
def test_registers_read_as_on_a_fresh_module(command: str, value: str) -> None:
    assert Line().at(command) == (0, bytes.fromhex(value))


@pytest.mark.parametrize(
    ("command", "value", "status"),
    [
        ("ZZ", b"", 2),
        ("HV", b"\1", 3),  # read only
        ("CE", b"\2", 3),
        ("NJ", b"\1\0", 3),  # too wide
        ("NI", b"x" * 21, 3),
        ("CB", b"\7", 3),
        ("KY", b"", 0),  # write only: there, and says nothing
    ],
)
def test_what_is_refused_and_how(command: str, value: bytes, status: int) -> None:
    assert Line().at(command, value) == (status, b"")


def test_a_short_value_is_kept_in_full_width() -> None:
    line = Line()
    assert line.at("SC", b"\x10") == (0, b"")
    assert line.at("SC") == (0, b"\x00\x10")


def test_a_queued_value_holds_from_the_next_08_on() -> None:
    line = Line()
    assert line.at("NT", b"\x2a", queued=True) == (0, b"")
    assert line.at("NT", queued=True) == (0, b"\x00\x3c")
    assert line.at("NT") == (0, b"\x00\x2a")


def test_a_change_of_mode_holds_after_its_own_answer() -> None:
    line = Line()
    line.octets.clear()
    line.module.on_host_bytes(bytes.fromhex("7E0005080141500263"))  # zigpy-xbee's first frame
    line.module.on_host_bytes(xbee.frame(xbee.build(xbee.AtCommand(0x11, b"AP")), escaped=True))
    line.run()
    first, second = bytes.fromhex("8801415000"), bytes.fromhex("881141500002")
    assert line.octets == xbee.frame(first, escaped=False) + xbee.frame(second, escaped=True)


def test_frame_id_0_is_not_answered() -> None:
    line = Line()
    line.frames.clear()
    line.module.on_host_bytes(xbee.frame(xbee.build(xbee.AtCommand(0, b"NI", b"quiet")), escaped=False))
    line.run()
    assert line.frames == []
    assert line.at("NI") == (0, b"quiet")


def test_unwritten_values_are_lost_with_the_power_and_written_ones_are_not() -> None:
    line = Line()
    line.at("NI", b"kept")
    line.at("WR")
    line.at("NI", b"lost")
    line.module.power(False)
    line.module.power(True)
    line.run()
    assert line.frames[-1] == xbee.ModemStatus(0x00)
    assert line.at("NI") == (0, b"kept")


def test_re_restores_defaults_but_not_the_address() -> None:
    line = Line(NI=b"me", SC=b"\0\1")
    assert line.at("RE") == (0, b"")
    assert [line.module._read(name) for name in ("NI", "SC", "SL")] == [b" ", b"\x7f\xff", EUI[4:]]
    assert line.module._read("AP") == b"\0"  # transparent again, after its own answer


@pytest.mark.parametrize(
    ("name", "fine", "wrong"),
    [
        ("KT", ["001E", "FFFF"], ["0005", "000000"]),
        ("SP", ["0020", "0AF0"], ["0001", "0AF1"]),
        ("NT", ["20", "FF"], ["1F", "0100"]),
        ("SC", ["0001", "FFFF"], ["0000"]),
        ("DJ", ["01"], ["02"]),
        ("ZS", ["00"], ["03"]),
    ],
)
def test_registers_take_what_the_manual_says(name: str, fine: list[str], wrong: list[str]) -> None:
    """facts/xbee-manual.md 1: ranges; a value of more octets than the register, or beyond the range: status 3."""
    line = Line()
    assert [line.at(name, bytes.fromhex(text))[0] for text in fine] == [0] * len(fine)
    assert [line.at(name, bytes.fromhex(text))[0] for text in wrong] == [3] * len(wrong)


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("KT", "012C"),
        ("ZS", "00"),
        ("NJ", "FE"),
        ("SP", "0020"),
        ("EO", "02"),
        ("NH", "1E"),
        ("D0", "01"),
        ("AP", "01"),
    ],
)
def test_factory_values_are_those_of_the_manual(name: str, default: str) -> None:
    """facts/xbee-manual.md 1 (AP is 0 there, set to 1 here to be spoken to)."""
    assert Line().at(name) == (0, bytes.fromhex(default))
    assert ZIGBEE_REGISTERS["AP"].default == b"\0"


def test_what_wr_does_not_save() -> None:
    """facts/xbee-manual.md 1.1: DJ is cleared by a power cycle, II cannot be saved."""
    line = Line(CE=b"\1")
    for name, value in (("DJ", b"\1"), ("II", b"\x12\x34"), ("NI", b"me")):
        assert line.at(name, value)[0] == 0
    line.at("WR")
    line.module.power(False)
    line.module.power(True)
    line.run()
    assert [line.at(name)[1] for name in ("DJ", "II", "NI")] == [b"\0", b"\xff\xff", b"me"]


def test_a_changed_stack_profile_writes_everything_and_restarts_without_a_word() -> None:
    """facts/xbee-manual.md 1.1: no 8A, deaf for a second; an equal value changes nothing."""
    line = Line()
    line.at("NI", b"me")
    assert line.at("ZS", b"\0") == (0, b"")
    assert line.at("VR")[0] == 0
    assert line.at("ZS", b"\2") == (0, b"")
    line.frames.clear()
    line.module.on_host_bytes(xbee.frame(xbee.build(xbee.AtCommand(9, b"VR")), escaped=False))
    line.run(1100 * MS)
    assert line.frames == []  # what was said meanwhile is lost
    assert (line.at("ZS"), line.at("NI")) == ((0, b"\2"), (0, b"me"))


def test_fr_answers_then_resets() -> None:
    line = Line()
    line.at("NI", b"lost")
    line.at("FR")
    line.run()
    assert line.frames[1:] == [xbee.ModemStatus(0x00)]
    assert line.at("NI") == (0, b" ")


def test_without_power_it_neither_hears_nor_speaks() -> None:
    line = Line()
    line.frames.clear()
    line.module.on_host_bytes(xbee.frame(xbee.build(xbee.AtCommand(1, b"NI", b"ghost")), escaped=False))
    line.module.power(False)
    line.module.on_host_bytes(xbee.frame(xbee.build(xbee.AtCommand(2, b"NI")), escaped=False))
    line.run()
    assert line.frames == []


def test_the_reply_delay_is_a_setting() -> None:
    line = Line(settings=ZigbeeSettings(module=ModuleSettings(reply_delay_ns=5 * MS)))
    start = line.clock.now
    line.times.clear()
    line.module.on_host_bytes(xbee.frame(xbee.build(xbee.AtCommand(1, b"AI")), escaped=False))
    line.run()
    assert line.times == [start + 5 * MS]


def command_mode(line: Line) -> None:
    line.octets.clear()
    line.run(1100 * MS)
    line.module.on_host_bytes(b"+++")
    line.run(900 * MS)
    assert line.octets == b""
    line.run(200 * MS)
    assert line.octets == b"OK\r"
    line.octets.clear()


def say(line: Line, text: bytes) -> bytes:
    line.octets.clear()
    line.module.on_host_bytes(text)
    line.run(5 * MS)
    return bytes(line.octets)


def test_command_mode_sets_the_mode_as_zigpy_does() -> None:
    line = Line(AP=b"\0")
    command_mode(line)
    answers = [
        say(line, text) for text in (b"ATAP\r", b"ATBD7\r", b"ATAP2\r", b"ATWR\r", b"ATNI\r", b"ATSC\r", b"ATZZ\r")
    ]
    assert answers == [b"0\r", b"OK\r", b"OK\r", b"OK\r", b" \r", b"7FFF\r", b"ERROR\r"]
    assert say(line, b"ATCN\r") == b"OK\r"
    line.deframer.escaped = True
    assert line.at("AP") == (0, b"\2")


def test_command_mode_takes_a_name_and_several_lines_at_once() -> None:
    line = Line(AP=b"\0")
    command_mode(line)
    assert say(line, b"ATNI METER 1\rAT") == b"OK\r"
    assert say(line, b"NI\rxx\rATSCzz\r") == b"METER 1\rERROR\rERROR\r"


def test_command_mode_ends_by_itself_after_ten_seconds() -> None:
    line = Line(AP=b"\0")
    command_mode(line)
    line.run(11 * NS)
    assert say(line, b"ATAP\r") == b""


@pytest.mark.parametrize("text", [b"x+++", b"+++x", b"++", b"++++"])
def test_no_command_mode_without_silence_round_three_pluses(text: bytes) -> None:
    line = Line(AP=b"\0")
    line.run(1100 * MS)
    line.octets.clear()
    line.module.on_host_bytes(text)
    line.run(1500 * MS)
    assert line.octets == b""


def test_no_command_mode_without_silence_before() -> None:
    line = Line(AP=b"\0")
    line.run(1100 * MS)
    line.octets.clear()
    for text in (b"data", b"+++"):
        line.module.on_host_bytes(text)
        line.run(100 * MS)
    line.run(1500 * MS)
    assert line.octets == b""


def test_three_pluses_may_come_one_by_one() -> None:
    line = Line(AP=b"\0")
    line.run(1100 * MS)
    line.octets.clear()
    for _ in range(3):
        line.module.on_host_bytes(b"+")
        line.run(200 * MS)
    line.run(1100 * MS)
    assert line.octets == b"OK\r"


def test_802_15_4_firmware_says_what_it_is() -> None:
    line = Line(XBee802154)
    assert line.at("VR") == (0, bytes.fromhex("2013"))
    assert line.at("MM", b"\2") == (0, b"")
    assert line.at("OP") == (2, b"")
    assert line.at("AS") == (2, b"")


def test_raw_frames_need_mm() -> None:
    line = Line(XBee802154)
    line.frames.clear()
    line.module.on_host_bytes(xbee.frame(xbee.build(xbee.Transmit64(3, EUI, 4, b"\x0b\x00")), escaped=False))
    line.run()
    assert line.frames == [xbee.TransmitStatus802(3, 0x03)]


@given(pieces=st.lists(st.binary(max_size=40), max_size=12), mode=st.sampled_from([b"\0", b"\1", b"\2"]))
def test_garbage_does_no_harm(pieces: list[bytes], mode: bytes) -> None:
    line = Line(AP=mode)
    for piece in pieces:
        line.module.on_host_bytes(piece)
        line.run(MS)
    line.run(NS)
    if mode == b"\2":  # in mode 2 it is back in step with the next frame
        line.module.on_host_bytes(xbee.frame(xbee.build(xbee.AtCommand(9, b"HV"))))
        line.run()
        assert xbee.AtResponse(9, b"HV", 0, b"\x42\x42") in line.frames
