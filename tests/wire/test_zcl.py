"""The ZCL header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import zcl
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.zcl import Frame

FRAMES = [
    ("012A00 06FFFF00DC05", Frame(0x01, 0x2A, 0, bytes.fromhex("06FFFF00DC05"))),
    ("092A01", Frame(0x09, 0x2A, 1)),
    ("00 07 00 0000", Frame(0, 7, 0, b"\0\0")),
    ("05 5F11 01 02 AA", Frame(5, 1, 2, b"\xaa", 0x115F)),
]


@pytest.mark.parametrize(("octets", "frame"), FRAMES)
def test_both_ways(octets: str, frame: Frame) -> None:
    assert zcl.decode(bytes.fromhex(octets)) == frame
    assert zcl.encode(frame) == bytes.fromhex(octets)


@given(st.integers(0, 0x1F), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=60), st.integers(0, 0xFFFF))
def test_round_trip(control: int, sequence: int, command: int, payload: bytes, maker: int) -> None:
    control &= ~2  # frame types 2 and 3 are reserved
    frame = Frame(control, sequence, command, payload, maker if control & zcl.MANUFACTURER_SPECIFIC else None)
    assert zcl.decode(zcl.encode(frame)) == frame


def test_direction_and_kind() -> None:
    assert Frame(0x09, 0, 0).to_client
    assert not Frame(0x01, 0, 0).to_client
    assert Frame(0x09, 0, 0).cluster_specific
    assert not Frame(0x08, 0, 0).cluster_specific


@pytest.mark.parametrize(("request_control", "response"), [(0x01, "182A0B0281"), (0x09, "102A0B0281")])
def test_the_default_response_goes_the_other_way(request_control: int, response: str) -> None:
    assert zcl.encode(zcl.default_response(Frame(request_control, 0x2A, 2), 0x81)) == bytes.fromhex(response)


@pytest.mark.parametrize("octets", ["", "0100", "020000", "200000", "04000000"])
def test_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        zcl.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "frame",
    [
        Frame(2, 0, 0),
        Frame(0x20, 0, 0),
        Frame(4, 0, 0),
        Frame(0, 0, 0, b"", 1),
        Frame(4, 0, 0, b"", 1 << 16),
        Frame(0, 256, 0),
    ],
)
def test_no_octets_for(frame: Frame) -> None:
    with pytest.raises(EncodeError):
        zcl.encode(frame)
