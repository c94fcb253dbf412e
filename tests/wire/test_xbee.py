"""XBee API frames: those printed in manuals, a peer that somebody else wrote, and a line that misbehaves."""

from __future__ import annotations

import random

import pytest
from digi.xbee.models.mode import OperatingMode  # type: ignore[import-untyped]
from digi.xbee.packets.base import UnknownXBeePacket  # type: ignore[import-untyped]
from digi.xbee.packets.factory import build_frame  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import xbee
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.xbee import Deframer, Frame

A, B = bytes.fromhex("0013A20041000001"), bytes.fromhex("0013A20012345678")
NODE = bytes.fromhex("1231 0013A20041000001 4D455445523100 FFFE 01 00 C105 101E 00120000 30")
CODE = bytes.fromhex("F6F1913D834A08D6ADAF1F91BAF4052D7316")
HOPS = (b"\xee\xff", b"\xcc\xdd", b"\xaa\xbb")

# octets in API mode 1, what they say; facts/radio.md 13.1 (manuals and public suites) and 13.2 (built for tests)
FRAMES: list[tuple[str, Frame]] = [
    ("7E00050801414F0165", xbee.AtCommand(1, b"AO", b"\1")),
    ("7E000408014D5950", xbee.AtCommand(1, b"MY")),
    (
        "7E000F17010013A20040AD142EFFFE024E496D",
        xbee.RemoteAtCommand(1, bytes.fromhex("0013A20040AD142E"), xbee.UNKNOWN_16, 2, b"NI"),
    ),
    (
        "7E001610010013A200400A0127FFFE0000547844617461304113",
        xbee.Transmit(1, bytes.fromhex("0013A200400A0127"), xbee.UNKNOWN_16, 0, 0, b"TxData0A"),
    ),
    (
        "7E00171000000000000000FFFFFFFE010042726F61646361737460",
        xbee.Transmit(0, xbee.BROADCAST_64, xbee.UNKNOWN_16, 1, 0, b"Broadcast"),
    ),
    (
        "7E001A11010000000000000000FFFE5E5E1234010900005478446174619E",
        xbee.ExplicitTransmit(1, xbee.COORDINATOR_64, xbee.UNKNOWN_16, 0x5E, 0x5E, 0x1234, 0x109, 0, 0, b"TxData"),
    ),
    (
        "7E001A1101000000000000FFFFFFFE5E5E123401090000547844617461A0",
        xbee.ExplicitTransmit(1, xbee.BROADCAST_64, xbee.UNKNOWN_16, 0x5E, 0x5E, 0x1234, 0x109, 0, 0, b"TxData"),
    ),
    (
        "7E001A11870013A20012345678FFFEE8E80011C1050000547844617461B4",
        xbee.ExplicitTransmit(0x87, B, xbee.UNKNOWN_16, 0xE8, 0xE8, 0x11, 0xC105, 0, 0, b"TxData"),
    ),
    (
        "7E001024180013A20012345678FFFE0001234594",
        xbee.RegisterDevice(0x18, B, xbee.UNKNOWN_16, 0, bytes.fromhex("012345")),
    ),
    (
        "7E001F24D50013A20012345678FFFE01F6F1913D834A08D6ADAF1F91BAF4052D73166A",
        xbee.RegisterDevice(0xD5, B, xbee.UNKNOWN_16, 1, CODE),
    ),
    (
        "7E000D24010013A200404C15A5FFFE00E2",
        xbee.RegisterDevice(1, bytes.fromhex("0013A200404C15A5"), xbee.UNKNOWN_16, 0, b""),
    ),
    ("7E0003A4530008", xbee.RegistrationStatus(0x53, 0)),
    ("7E0003A4D50086", xbee.RegistrationStatus(0xD5, 0)),
    ("7E00028A066F", xbee.ModemStatus(6)),
    ("7E00078B017D8400000171", xbee.TransmitStatus(1, b"\x7d\x84", 0, 0, 1)),
    (
        "7E0018910013A20040522BAA7D84E0E02211C1050252784461746152",
        xbee.ExplicitReceive(bytes.fromhex("0013A20040522BAA"), b"\x7d\x84", 0xE0, 0xE0, 0x2211, 0xC105, 2, b"RxData"),
    ),
    (
        "7E0013A10013A2004040112233440103EEFFCCDDAABB80",
        xbee.RouteRecord(bytes.fromhex("0013A20040401122"), b"\x33\x44", 1, HOPS),
    ),
    (
        "7E000CA20102030405060708FFFE003C",
        xbee.DeviceAuthenticated(bytes(range(1, 9)), xbee.UNKNOWN_16, 0),
    ),
    ("7E0011800013A200123456785E0154784461746111", xbee.Receive64(B, 0x5E, 1, b"TxData")),
    ("7E000B8112345E0154784461746193", xbee.Receive16(b"\x12\x34", 0x5E, 1, b"TxData")),
    ("7E000B0187123400547844617461EB", xbee.Transmit16(0x87, b"\x12\x34", 0, b"TxData")),
    ("7E000A010150010048656C6C6FB8", xbee.Transmit16(1, b"\x50\x01", 0, b"Hello")),
    ("7E000D880D4944000000000000000000DD", xbee.AtResponse(0x0D, b"ID", 0, bytes(8))),
    ("7E00022311CB", xbee.Unknown(0x23, b"\x11")),
    (
        "7E002388054E440012310013A200410000014D455445523100FFFE0100C105101E0012000030C4",
        xbee.AtResponse(5, b"ND", 0, NODE),
    ),
    (
        "7E0025950013A2004100000112310212310013A200410000014D455445523100FFFE0102C105101E52",
        xbee.NodeIdentification(A, b"\x12\x31", 2, b"\x12\x31", A, b"METER1", xbee.UNKNOWN_16, 1, 2, 0xC105, 0x101E),
    ),
    ("7E0011A10013A2004100000112310102AABBCCDD13", xbee.RouteRecord(A, b"\x12\x31", 1, (b"\xaa\xbb", b"\xcc\xdd"))),
    ("7E000CA30013A2004100000112310022", xbee.ManyToOne(A, b"\x12\x31")),
    ("7E00028A0273", xbee.ModemStatus(2)),
    ("7E00028A0075", xbee.ModemStatus(0)),
    ("7E00028A4332", xbee.ModemStatus(0x43)),
    ("7E000498000B005C", xbee.ExtendedModemStatus(0, b"\x0b\0")),
    ("7E000CA50013A200410000011231011F", xbee.JoinNotification(A, b"\x12\x31", 1)),
    ("7E0011900013A2004100000112310148656C6C6F40", xbee.Receive(A, b"\x12\x31", 1, b"Hello")),
    (
        "7E0017910013A2004100000112340101070401090168656C6C6F05",
        xbee.ExplicitReceive(A, b"\x12\x34", 1, 1, 0x704, 0x109, 1, b"hello"),
    ),
    ("7E0005080141500263", xbee.AtCommand(1, b"AP", b"\2")),
    ("7E00040901415064", xbee.AtQueued(1, b"AP")),
]

ESCAPED = {
    "7E000F17010013A20040AD142EFFFE024E496D": "7E000F1701007D33A20040AD142EFFFE024E496D",
    "7E001610010013A200400A0127FFFE0000547844617461304113": "7E00161001007D33A200400A0127FFFE000054784461746130417D33",
    "7E001A11010000000000000000FFFE5E5E1234010900005478446174619E": (
        "7E001A7D31010000000000000000FFFE5E5E1234010900005478446174619E"
    ),
    "7E001A1101000000000000FFFFFFFE5E5E123401090000547844617461A0": (
        "7E001A7D3101000000000000FFFFFFFE5E5E123401090000547844617461A0"
    ),
    "7E001A11870013A20012345678FFFEE8E80011C1050000547844617461B4": (
        "7E001A7D3187007D33A20012345678FFFEE8E8007D31C1050000547844617461B4"
    ),
    "7E001024180013A20012345678FFFE0001234594": "7E00102418007D33A20012345678FFFE0001234594",
    "7E001F24D50013A20012345678FFFE01F6F1913D834A08D6ADAF1F91BAF4052D73166A": (
        "7E001F24D5007D33A20012345678FFFE01F6F1913D834A08D6ADAF1F91BAF4052D73166A"
    ),
    "7E000D24010013A200404C15A5FFFE00E2": "7E000D2401007D33A200404C15A5FFFE00E2",
    "7E00078B017D8400000171": "7E00078B017D5D8400000171",
    "7E0018910013A20040522BAA7D84E0E02211C1050252784461746152": (
        "7E001891007D33A20040522BAA7D5D84E0E0227D31C1050252784461746152"
    ),
    "7E0013A10013A2004040112233440103EEFFCCDDAABB80": "7E007D33A1007D33A20040407D312233440103EEFFCCDDAABB80",
    "7E0011800013A200123456785E0154784461746111": "7E007D3180007D33A200123456785E015478446174617D31",
    "7E00022311CB": "7E0002237D31CB",
}

NOT_KNOWN_TO_THE_PEER = {
    0x01,
    0x23,
    0x95,
    0x98,
    0xA2,
    0xA3,
    0xA5,
}  # digi-xbee 1.5.0 hands these out as UnknownXBeePacket


@pytest.mark.parametrize(("printed", "frame"), FRAMES)
def test_printed_frames(printed: str, frame: Frame) -> None:
    octets = bytes.fromhex(printed)
    data = xbee.unframe(octets, escaped=False)
    assert xbee.parse(data) == frame
    assert xbee.build(frame) == data
    assert xbee.frame(data, escaped=False) == octets


@pytest.mark.parametrize(("plain", "escaped"), ESCAPED.items())
def test_printed_escapes(plain: str, escaped: str) -> None:
    data = xbee.unframe(bytes.fromhex(plain), escaped=False)
    assert xbee.frame(data) == bytes.fromhex(escaped)
    assert xbee.unframe(bytes.fromhex(escaped)) == data


@pytest.mark.parametrize(("printed", "frame"), FRAMES)
def test_a_peer_reads_the_same(printed: str, frame: Frame) -> None:
    """What we build digi-xbee parses, and what it builds from its own fields we read as the same frame."""
    ours = xbee.frame(xbee.build(frame), escaped=False)
    packet = build_frame(bytearray(ours), OperatingMode.API_MODE)
    kind = xbee.build(frame)[0]
    assert isinstance(packet, UnknownXBeePacket) == (kind in NOT_KNOWN_TO_THE_PEER)
    theirs = bytes(packet.output(escaped=True))
    assert xbee.parse(xbee.unframe(theirs)) == frame


octet, word = st.integers(0, 255), st.integers(0, 0xFFFF)
long, short = st.binary(min_size=8, max_size=8), st.binary(min_size=2, max_size=2)
rest = st.binary(max_size=255)
frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(xbee.Transmit64, octet, long, octet, rest),
    st.builds(xbee.Transmit16, octet, short, octet, rest),
    st.builds(xbee.AtCommand, octet, short, rest),
    st.builds(xbee.AtQueued, octet, short, rest),
    st.builds(xbee.Transmit, octet, long, short, octet, octet, rest),
    st.builds(xbee.ExplicitTransmit, octet, long, short, octet, octet, word, word, octet, octet, rest),
    st.builds(xbee.RemoteAtCommand, octet, long, short, octet, short, rest),
    st.builds(xbee.CreateSourceRoute, octet, long, short, octet, st.lists(short, max_size=10).map(tuple)),
    st.builds(xbee.RegisterDevice, octet, long, short, octet, st.binary(max_size=18)),
    st.builds(xbee.Receive64, long, octet, octet, rest),
    st.builds(xbee.Receive16, short, octet, octet, rest),
    st.builds(xbee.AtResponse, octet, short, octet, rest),
    st.builds(xbee.TransmitStatus802, octet, octet),
    st.builds(xbee.ModemStatus, octet),
    st.builds(xbee.TransmitStatus, octet, short, octet, octet, octet),
    st.builds(xbee.Receive, long, short, octet, rest),
    st.builds(xbee.ExplicitReceive, long, short, octet, octet, word, word, octet, rest),
    st.builds(
        xbee.NodeIdentification,
        long,
        short,
        octet,
        short,
        long,
        st.binary(max_size=20).map(lambda name: name.replace(b"\0", b"")),
        short,
        octet,
        octet,
        word,
        word,
        st.binary(max_size=5),
    ),
    st.builds(xbee.RemoteAtResponse, octet, long, short, short, octet, rest),
    st.builds(xbee.ExtendedModemStatus, octet, rest),
    st.builds(xbee.RouteRecord, long, short, octet, st.lists(short, max_size=10).map(tuple)),
    st.builds(xbee.DeviceAuthenticated, long, short, octet),
    st.builds(xbee.ManyToOne, long, short, octet),
    st.builds(xbee.RegistrationStatus, octet, octet),
    st.builds(xbee.JoinNotification, long, short, octet),
    st.builds(xbee.Unknown, st.sampled_from([0x23, 0x2B, 0xFE]), rest),
)


@given(st.lists(frames, max_size=6), st.booleans(), st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_round_trip_in_any_pieces(wanted: list[Frame], escaped: bool, sizes: list[int]) -> None:
    line = b"".join(xbee.frame(xbee.build(frame), escaped=escaped) for frame in wanted)
    reader, found, at = Deframer(escaped=escaped), [], 0
    while at < len(line):
        size = sizes[at % len(sizes)]
        found += reader.feed(line[at : at + size])
        at += size
    assert [xbee.parse(data) for data in found] == wanted
    assert (reader.good, reader.faults, reader.pending) == (len(wanted), 0, 0)
    if escaped:
        assert xbee.parse_stream(line) == wanted


@pytest.mark.parametrize(
    "data",
    [
        "",
        "08",
        "0801 41",
        "8A",
        "8A0600",
        "91 0013A20041000001 1231 01 01 0704 0109",
        "A1 0013A20041000001 1231 01",
        "A1 0013A20041000001 1231 01 02 AABB",
        "95 0013A20041000001 1231 02 1231 0013A20041000001 4D4554",
        "95 0013A20041000001 1231 02 1231 0013A20041000001 4D00 FFFE",
    ],
)
def test_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        xbee.parse(bytes.fromhex(data))


@pytest.mark.parametrize(
    "frame",
    [
        xbee.AtCommand(256, b"AO"),
        xbee.AtCommand(1, b"A"),
        xbee.Transmit64(1, A[:7], 0, b""),
        xbee.RouteRecord(A, b"\0\0", 0, (b"\0",)),
        xbee.RouteRecord(A, b"\0\0", 0, (b"\0\0",) * 256),
        xbee.NodeIdentification(A, b"\0\0", 0, b"\0\0", A, b"a\0b", b"\0\0", 0, 0, 0, 0),
        xbee.Unknown(0x91),
        xbee.Unknown(256),
    ],
)
def test_no_octets_for(frame: Frame) -> None:
    with pytest.raises(EncodeError):
        xbee.build(frame)


@pytest.mark.parametrize("data", [b"", bytes(0x10000)])
def test_no_frame_for(data: bytes) -> None:
    with pytest.raises(EncodeError):
        xbee.frame(data)


# ---------------------------------------------------------------- a line that misbehaves

GOOD = bytes.fromhex("7E00028A066F")
READ = b"\x8a\x06"


@pytest.mark.parametrize(
    ("line", "bad_checksum", "bad_length", "noise"),
    [
        (GOOD, 0, 0, 0),
        (b"abc" + GOOD, 0, 0, 3),
        (GOOD[:4] + GOOD, 0, 1, 0),  # cut off by the next delimiter
        (b"\x7e" + GOOD, 0, 1, 0),
        (b"\x7e\x00\x20\x91\x00\x7d" + GOOD, 0, 1, 0),  # cut off within an escape
        (bytes.fromhex("7E0001827D") + GOOD, 0, 1, 0),  # half of the escaped checksum 7D
        (bytes.fromhex("7E00028A0670") + GOOD, 1, 0, 0),
        (bytes.fromhex("7E0000FF") + GOOD, 0, 1, 0),  # no frame data
        (bytes.fromhex("7E40008A06AABB") + GOOD, 0, 1, 0),  # longer than any frame
        (GOOD + b"xy" + GOOD[1:], 0, 0, 2 + 5),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_mode_2_falls_into_step_at_once(line: bytes, bad_checksum: int, bad_length: int, noise: int, size: int) -> None:
    reader = Deframer()
    found = [data for at in range(0, len(line), size) for data in reader.feed(line[at : at + size])]
    assert found == [READ]
    assert (reader.good, reader.bad_checksum, reader.bad_length) == (1, bad_checksum, bad_length)
    assert reader.noise == noise


def test_a_frame_is_given_out_with_its_last_octet() -> None:
    reader = Deframer()
    counts = [len(reader.feed(GOOD[at : at + 1])) for at in range(len(GOOD))]
    assert counts == [0, 0, 0, 0, 0, 1]


def test_escapes_that_nobody_needs_are_understood() -> None:
    assert xbee.unframe(bytes.fromhex("7E 7D20 02 8A 7D26 7D4F")) == READ


def test_mode_1_finds_the_frames_inside_a_false_one() -> None:
    reader = Deframer(escaped=False)
    line = bytes.fromhex("7E002091 0013") + GOOD * 8
    assert [data for at in line for data in reader.feed(bytes((at,)))] == [READ] * 8
    assert reader.bad_checksum == 1


def test_mode_1_goes_on_after_an_impossible_length() -> None:
    reader = Deframer(escaped=False)
    assert reader.feed(bytes.fromhex("7E0000 7EFFFF") + GOOD) == [READ]
    assert (reader.bad_length, reader.bad_checksum) == (2, 0)


def test_changing_the_mode_drops_what_is_unfinished() -> None:
    reader = Deframer(escaped=False)
    reader.feed(GOOD[:3])
    reader.escaped = True
    assert reader.feed(GOOD) == [READ]
    assert reader.faults == 0


@pytest.mark.parametrize("escaped", [True, False])
def test_memory_is_bounded(escaped: bool) -> None:
    reader = Deframer(escaped=escaped, limit=100)
    seed = random.Random(7)
    for _ in range(300):
        reader.feed(seed.randbytes(50))
        reader.feed(b"\x7e\x00\x60" + b"\x7d" * 30)
        assert reader.pending <= 2 * 104 + 84


@pytest.mark.parametrize("octets", [b"", GOOD[:5], GOOD + b"x", GOOD + GOOD, b"\x7e\x00\x02\x8a\x06\x70"])
def test_unframe_wants_one_whole_frame(octets: bytes) -> None:
    with pytest.raises(DecodeError, match="expected one whole frame"):
        xbee.unframe(octets)
