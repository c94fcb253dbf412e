"""MAC frames: published octets, limits, and round trips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import ieee802154 as mac
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.ieee802154 import Frame, FrameType

CH, HHT = bytes.fromhex("0013A20041ABCDEF"), bytes.fromhex("0013A20041000099")

FRAMES = [
    ("02 00 09", Frame(FrameType.ACK, 9)),
    ("03 08 0C FFFF FFFF 07", Frame(FrameType.COMMAND, 0x0C, b"\x07", 0xFFFF, mac.BROADCAST)),
    (
        "41 88 09 4D4F 3412 0000 AA",
        Frame(FrameType.DATA, 9, b"\xaa", 0x4F4D, b"\x12\x34", 0x4F4D, b"\0\0", pan_compression=True),
    ),
    (
        "21 CC 01 4D4F EFCDAB4100A21300 4D4F 9900004100A21300 0B00",
        Frame(FrameType.DATA, 1, b"\x0b\0", 0x4F4D, CH, 0x4F4D, HHT, ack_request=True),
    ),
    (
        "01 C8 02 FFFF FFFF 4D4F 9900004100A21300 0B00",
        Frame(FrameType.DATA, 2, b"\x0b\0", 0xFFFF, mac.BROADCAST, 0x4F4D, HHT),
    ),
    (
        "41 CC 05 4D4F EFCDAB4100A21300 9900004100A21300 0B00",
        Frame(FrameType.DATA, 5, b"\x0b\0", 0x4F4D, CH, 0x4F4D, HHT, pan_compression=True),
    ),
    (
        "00 80 07 4D4F 0000 FFCF0000",
        Frame(FrameType.BEACON, 7, bytes.fromhex("FFCF0000"), source_pan=0x4F4D, source=b"\0\0"),
    ),
]


@pytest.mark.parametrize(("octets", "frame"), FRAMES)
def test_both_ways(octets: str, frame: Frame) -> None:
    assert mac.decode(bytes.fromhex(octets)) == frame
    assert mac.encode(frame) == bytes.fromhex(octets)


addresses = st.sampled_from([0, 2, 8]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
pans = st.integers(0, 0xFFFF)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    destination, source = draw(addresses), draw(addresses)
    pan, other = draw(pans), draw(pans)
    compressed = bool(destination and source) and draw(st.booleans())
    return Frame(
        draw(st.sampled_from(FrameType)),
        draw(st.integers(0, 255)),
        draw(st.binary(max_size=100)),
        pan if destination else None,
        destination,
        (pan if compressed else other) if source else None,
        source,
        draw(st.booleans()),
        compressed,
        draw(st.booleans()),
        draw(st.integers(0, 1)),
    )


@given(frames())
def test_round_trip(frame: Frame) -> None:
    octets = mac.encode(frame)
    assert mac.decode(octets) == frame
    assert mac.strip_fcs(mac.append_fcs(octets)) == octets


def test_the_frame_check_sequence_is_kermit() -> None:
    assert mac.fcs(b"123456789") == 0x2189  # the check value that catalogues of CRCs print
    whole = bytes.fromhex(
        "4188094D4F34120000080034120000 1E07 0001040709010155 012B020000 03"
        "DF0901 00000000000003E8 0890B3D51F30010000 080013A20041000001 0002 0062 03 414243 00 4CFE"
    )
    assert mac.append_fcs(mac.strip_fcs(whole)) == whole


def test_a_wrong_check_sequence_says_both() -> None:
    with pytest.raises(DecodeError, match="expected 2189, got 2188"):
        mac.strip_fcs(b"123456789\x88\x21")


def test_127_octets_go_on_air_and_not_one_more() -> None:
    data = Frame(FrameType.DATA, 0, bytes(116), 1, b"\0\1", 1, b"\0\2", pan_compression=True)
    assert len(mac.append_fcs(mac.encode(data))) == 127
    with pytest.raises(EncodeError, match="128 octets"):
        mac.encode(Frame(FrameType.DATA, 0, bytes(117), 1, b"\0\1", 1, b"\0\2", pan_compression=True))


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", "at least 3 octets"),
        ("0120 00", "only frame versions"),
        ("0101 00", "only frame versions"),
        ("0900 00", "security"),
        ("0400 00", "frame type 4"),
        ("0104 00 0000", "address mode 1"),
        ("0108 00 4D4F 12", "address ends at octet 7"),
        ("4100 00", "without a destination"),
        ("4108 00 4D4F 1234", "without a source"),
    ],
)
def test_refused(octets: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        mac.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "frame",
    [
        Frame(FrameType.DATA, 256),
        Frame(FrameType.DATA, 0, destination=b"\0\1"),
        Frame(FrameType.DATA, 0, destination_pan=1),
        Frame(FrameType.DATA, 0, destination_pan=1, destination=b"\0\1\2"),
        Frame(FrameType.DATA, 0, destination_pan=0x10000, destination=b"\0\1"),
        Frame(FrameType.DATA, 0, b"", 1, b"\0\1", 2, b"\0\2", pan_compression=True),
        Frame(FrameType.DATA, 0, version=2),
    ],
)
def test_no_octets_for(frame: Frame) -> None:
    with pytest.raises(EncodeError):
        mac.encode(frame)


BEACONS = [
    ("FFCF0000 AB", mac.Beacon(b"\xab", association_permit=True)),
    ("FF0F0000", mac.Beacon(b"", pan_coordinator=False)),
]


@pytest.mark.parametrize(("octets", "beacon"), BEACONS)
def test_beacons(octets: str, beacon: mac.Beacon) -> None:
    assert mac.decode_beacon(bytes.fromhex(octets)) == beacon
    assert mac.encode_beacon(beacon) == bytes.fromhex(octets)


COMMANDS = [
    ("01 8E", mac.AssociationRequest(0x8E)),
    ("02 3412 00", mac.AssociationResponse(b"\x12\x34")),
    ("03 02", mac.Disassociation(2)),
    ("04", mac.DataRequest()),
    ("07", mac.BeaconRequest()),
    ("05", mac.Command(5)),
    ("08 0102", mac.Command(8, b"\1\2")),
]


@pytest.mark.parametrize(("octets", "command"), COMMANDS)
def test_commands(octets: str, command: mac.MacCommand) -> None:
    assert mac.decode_command(bytes.fromhex(octets)) == command
    assert mac.encode_command(command) == bytes.fromhex(octets)


@pytest.mark.parametrize("octets", ["", "01", "0700", "02341200FF"])
def test_commands_of_the_wrong_length(octets: str) -> None:
    with pytest.raises(DecodeError):
        mac.decode_command(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "command",
    [mac.AssociationRequest(256), mac.AssociationResponse(b"\0"), mac.Command(7), mac.Command(300)],
)
def test_no_octets_for_command(command: mac.MacCommand) -> None:
    with pytest.raises(EncodeError):
        mac.encode_command(command)
