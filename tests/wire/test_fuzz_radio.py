"""Every radio-side decoder, on anything, raises DecodeError and nothing else; what it does read it writes again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import ieee802154, interpan, tunnelling, xbee, zcl, zigbee
from devices.wire.errors import DecodeError
from devices.wire.xbee import Deframer

Codec = tuple[Callable[[bytes], Any], Callable[[Any], bytes]]


def tunnel_decode(octets: bytes) -> tuple[tunnelling.TunnelCommand, int, int]:
    frame = zcl.decode(octets)
    # disable-default-response is not the tunnel's and not kept by it
    return tunnelling.decode(frame), frame.sequence, frame.frame_control & zcl.DISABLE_DEFAULT_RESPONSE


def tunnel_encode(command: tuple[tunnelling.TunnelCommand, int, int]) -> bytes:
    octets = tunnelling.encode(command[0], command[1])
    return bytes((octets[0] | command[2],)) + octets[1:]


CODECS: dict[str, Codec] = {
    "mac": (ieee802154.decode, ieee802154.encode),
    "mac beacon": (ieee802154.decode_beacon, ieee802154.encode_beacon),
    "mac command": (ieee802154.decode_command, ieee802154.encode_command),
    "nwk": (zigbee.decode_nwk, zigbee.encode_nwk),
    "nwk beacon": (zigbee.decode_beacon_payload, zigbee.encode_beacon_payload),
    "aps": (zigbee.decode_aps, zigbee.encode_aps),
    "inter-PAN": (interpan.decode, interpan.encode),
    "zcl": (zcl.decode, zcl.encode),
    "tunnelling": (tunnel_decode, tunnel_encode),
    "gas tunnel": (tunnelling.decode_gas, tunnelling.encode_gas),
    "xbee": (xbee.parse, xbee.build),
}

SEEDS = [
    "2188014D4F341200004800341200001E07",
    "21CC014D4FEFCDAB4100A213004D4F9900004100A213000B000304070901012A0006FFFF00DC05",
    "4818341200001E07EFCDAB4100A213009900004100A21300AA",
    "0805FFFF00001E07020201CDABFF00",
    "C0010407090101550103AA",
    "8201040709010155010001",
    "0B000304070901012A0006FFFF00DC05",
    "012A0006FFFF00DC05",
    "0907050102FFFF06FFFF00",
    "002284EFCDAB4100A21300FFFFFF00",
    "FFCF0000002284",
    "910013A2004100000112340101070401090168656C6C6F",
    "950013A2004100000112310212310013A200410000014D455445523100FFFE0102C105101E",
    "A10013A2004040112233440103EEFFCCDDAABB",
    "0234120002",
]

damaged = st.tuples(
    st.sampled_from([bytes.fromhex(seed) for seed in SEEDS]),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=4),
    st.integers(0, 10),
)


def spoil(seed: bytes, changes: list[tuple[int, int]], cut: int) -> bytes:
    octets = bytearray(seed)
    for place, value in changes:
        octets[place % len(octets)] = value
    return bytes(octets[: len(octets) - cut])


def check(name: str, octets: bytes) -> None:
    decode, encode = CODECS[name]
    try:
        read = decode(octets)
    except DecodeError as error:
        assert error.layer and error.reason and 0 <= error.offset <= len(octets) + 2  # noqa: PT017, PT018
        return
    assert encode(read) == octets


@pytest.mark.parametrize("name", CODECS)
@given(octets=st.binary(max_size=125))
def test_anything(name: str, octets: bytes) -> None:
    check(name, octets)


@pytest.mark.parametrize("name", CODECS)
@given(case=damaged)
def test_damaged_frames(name: str, case: tuple[bytes, list[tuple[int, int]], int]) -> None:
    check(name, spoil(*case))


@pytest.mark.soak
@pytest.mark.parametrize("name", CODECS)
def test_a_hundred_thousand_of_each(name: str) -> None:
    seed = random.Random(11)
    for _ in range(100_000):
        octets = bytes.fromhex(seed.choice(SEEDS))
        changes = [(seed.randrange(81), seed.randrange(256)) for _ in range(seed.randrange(5))]
        check(name, spoil(octets, changes, seed.randrange(11)))


@given(st.lists(st.binary(max_size=60), max_size=5), st.booleans())
def test_the_deframer_takes_anything(pieces: list[bytes], escaped: bool) -> None:
    reader = Deframer(escaped=escaped)
    for piece in pieces:
        for data in reader.feed(piece):
            check("xbee", data)


@given(st.lists(st.binary(max_size=30), max_size=4), st.binary(min_size=1, max_size=30))
def test_a_good_frame_survives_whatever_came_before_it(rubbish: list[bytes], data: bytes) -> None:
    """In mode 2 alone: in mode 1 a false delimiter can swallow what follows."""
    reader = Deframer()
    for piece in rubbish:
        reader.feed(piece)
    assert reader.feed(xbee.frame(data))[-1:] == [data]


line_noise = st.one_of(
    st.binary(max_size=8),
    st.lists(st.sampled_from([0x7E, 0x7D, 0x00, 0x01, 0x02, 0x31, 0x5D, 0x8A]), max_size=12).map(bytes),
    st.binary(min_size=1, max_size=12).map(xbee.frame),
)


@given(st.lists(line_noise, max_size=12).map(b"".join), st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_pieces_make_no_difference_in_mode_2(line: bytes, sizes: list[int]) -> None:
    whole, pieces, found, at = Deframer(), Deframer(), [], 0
    while at < len(line):
        size = sizes[at % len(sizes)]
        found += pieces.feed(line[at : at + size])
        at += size
    assert whole.feed(line) == found
    assert (whole.bad_checksum, whole.bad_length) == (pieces.bad_checksum, pieces.bad_length)


@given(st.binary(max_size=2000))
def test_a_stream_of_anything(octets: bytes) -> None:
    found = Deframer().feed(octets)
    assert sum(map(len, found)) <= len(octets)


@given(st.lists(damaged, max_size=6), st.integers(0, 3))
def test_the_reassembler_takes_anything(cases: list[tuple[bytes, list[tuple[int, int]], int]], source: int) -> None:
    joiner = zigbee.ApsReassembler(transfers=2)
    for number, case in enumerate(cases):
        try:
            joiner.feed(bytes((0, source)), zigbee.decode_aps(spoil(*case)), number)
        except DecodeError:
            continue
