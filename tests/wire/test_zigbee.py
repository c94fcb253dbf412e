"""NWK and APS frames, the beacon payload, and fragments."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import zigbee
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.zigbee import (
    ApsFrame,
    ApsReassembler,
    ApsType,
    BeaconPayload,
    Delivery,
    Fragment,
    NwkFrame,
    NwkType,
    acknowledge,
    fragment,
)

METER = b"\x12\x34"
NETWORK = [
    ("4800 3412 0000 1E 07 AA", NwkFrame(METER, b"\0\0", 7, b"\xaa")),
    ("0800 3412 0000 1E 07", NwkFrame(METER, b"\0\0", 7, discover_route=0)),
    (
        "0912 3412 0000 01 07 EFCDAB4100A21300 06",
        NwkFrame(
            METER,
            b"\0\0",
            7,
            b"\x06",
            NwkType.COMMAND,
            1,
            0,
            source_ieee=bytes.fromhex("0013A20041ABCDEF"),
            security=True,
        ),
    ),
    (
        "4818 3412 0000 1E 07 EFCDAB4100A21300 9900004100A21300 AA",
        NwkFrame(
            METER,
            b"\0\0",
            7,
            b"\xaa",
            destination_ieee=bytes.fromhex("0013A20041ABCDEF"),
            source_ieee=bytes.fromhex("0013A20041000099"),
        ),
    ),
    (
        "0805 FFFF 0000 1E 07 02 02 01 CDAB FF00",
        NwkFrame(
            b"\xff\xff",
            b"\0\0",
            7,
            discover_route=0,
            multicast_control=2,
            relays=(b"\xab\xcd", b"\0\xff"),
            relay_index=1,
        ),
    ),
    ("0820 0000 3412 1E 07", NwkFrame(b"\0\0", METER, 7, discover_route=0, end_device_initiator=True)),
]


@pytest.mark.parametrize(("octets", "frame"), NETWORK)
def test_network_frames(octets: str, frame: NwkFrame) -> None:
    assert zigbee.decode_nwk(bytes.fromhex(octets)) == frame
    assert zigbee.encode_nwk(frame) == bytes.fromhex(octets)


APPLICATION = [
    ("00 01 0407 0901 01 55 AA", ApsFrame(0x55, b"\xaa", 1, 1, 0x0704, 0x0109)),
    ("40 E8 1100 05C1 E6 01", ApsFrame(1, b"", 0xE8, 0xE6, 0x11, 0xC105, ack_request=True)),
    ("08 FF 0407 0901 01 55", ApsFrame(0x55, b"", 0xFF, 1, 0x0704, 0x0109, delivery=Delivery.BROADCAST)),
    ("0C 3412 0407 0901 01 55", ApsFrame(0x55, b"", 0, 1, 0x0704, 0x0109, delivery=Delivery.GROUP, group=0x1234)),
    ("02 01 0407 0901 02 55", ApsFrame(0x55, b"", 1, 2, 0x0704, 0x0109, ApsType.ACK)),
    ("12 55", ApsFrame(0x55, frame_type=ApsType.ACK, ack_format=True)),
    ("21 55 0506", ApsFrame(0x55, b"\5\6", frame_type=ApsType.COMMAND, security=True)),
    (
        "C0 01 0407 0901 01 55 01 03 AA",
        ApsFrame(0x55, b"\xaa", 1, 1, 0x0704, 0x0109, ack_request=True, fragment=Fragment(True, 3)),
    ),
    (
        "80 01 0407 0901 01 55 02 02 AA",
        ApsFrame(0x55, b"\xaa", 1, 1, 0x0704, 0x0109, fragment=Fragment(False, 2)),
    ),
    (
        "82 01 0407 0901 01 55 01 00 01",
        ApsFrame(0x55, b"", 1, 1, 0x0704, 0x0109, ApsType.ACK, fragment=Fragment(True, 0, 1)),
    ),
]


@pytest.mark.parametrize(("octets", "frame"), APPLICATION)
def test_application_frames(octets: str, frame: ApsFrame) -> None:
    assert zigbee.decode_aps(bytes.fromhex(octets)) == frame
    assert zigbee.encode_aps(frame) == bytes.fromhex(octets)


def test_a_beacon_says_who_the_hub_is() -> None:
    octets = bytes.fromhex("00 22 84 EFCDAB4100A21300 FFFFFF 00")
    beacon = BeaconPayload(bytes.fromhex("0013A20041ABCDEF"))
    assert zigbee.decode_beacon_payload(octets) == beacon
    assert zigbee.encode_beacon_payload(beacon) == octets


u8, u16, short = st.integers(0, 255), st.integers(0, 0xFFFF), st.binary(min_size=2, max_size=2)
ieee = st.one_of(st.just(b""), st.binary(min_size=8, max_size=8))
networks = st.builds(
    NwkFrame,
    short,
    short,
    u8,
    st.binary(max_size=40),
    st.sampled_from(NwkType),
    u8,
    st.integers(0, 3),
    ieee,
    ieee,
    st.none() | u8,
    st.none() | st.lists(short, max_size=5).map(tuple),
    st.just(0),
    st.booleans(),
    st.booleans(),
    st.integers(0, 15),
)
beacons = st.builds(
    BeaconPayload,
    st.binary(min_size=8, max_size=8),
    st.booleans(),
    st.booleans(),
    st.integers(0, 15),
    st.integers(0, 0xFFFFFF),
    u8,
    st.integers(0, 15),
    st.integers(0, 15),
)
datagrams = st.builds(
    ApsFrame,
    u8,
    st.binary(max_size=60),
    u8,
    u8,
    u16,
    u16,
    delivery=st.sampled_from([Delivery.UNICAST, Delivery.BROADCAST]),
    ack_request=st.booleans(),
    security=st.booleans(),
    fragment=st.none() | st.builds(Fragment, st.booleans(), u8),
)


@given(networks, beacons, datagrams)
def test_round_trips(network: NwkFrame, beacon: BeaconPayload, datagram: ApsFrame) -> None:
    assert zigbee.decode_nwk(zigbee.encode_nwk(network)) == network
    assert zigbee.decode_beacon_payload(zigbee.encode_beacon_payload(beacon)) == beacon
    assert zigbee.decode_aps(zigbee.encode_aps(datagram)) == datagram


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "4800 3412 0000 1E",
        "0B00 0304 0709 0109 01",  # an inter-PAN stub is no network frame
        "4880 3412 0000 1E 07",
        "4808 3412 0000 1E 07 EFCD",
        "4801 3412 0000 1E 07",
        "4804 3412 0000 1E 07 02 00 AABB",
    ],
)
def test_network_frames_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        zigbee.decode_nwk(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "03 0407 0901",
        "04 01 0407 0901 01 55",
        "00 01 0407 0901 01",
        "80 01 0407 0901 01 55 00 01",
        "80 01 0407 0901 01 55 01",
        "82 01 0407 0901 01 55 01 00",
    ],
)
def test_application_frames_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        zigbee.decode_aps(bytes.fromhex(octets))


@pytest.mark.parametrize("octets", ["", "01" + "00" * 14, "0022870000000000000000FFFFFF00", "00" * 16])
def test_beacons_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        zigbee.decode_beacon_payload(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "frame",
    [
        NwkFrame(b"\0", b"\0\0", 0),
        NwkFrame(b"\0\0", b"\0\0", 256),
        NwkFrame(b"\0\0", b"\0\0", 0, source_ieee=b"\0"),
        NwkFrame(b"\0\0", b"\0\0", 0, relay_index=1),
        NwkFrame(b"\0\0", b"\0\0", 0, relays=(b"\0",)),
    ],
)
def test_no_octets_for_network(frame: NwkFrame) -> None:
    with pytest.raises(EncodeError):
        zigbee.encode_nwk(frame)


@pytest.mark.parametrize(
    "frame",
    [
        ApsFrame(256),
        ApsFrame(0, cluster=0x10000),
        ApsFrame(0, group=1),
        ApsFrame(0, delivery=Delivery.GROUP),
        ApsFrame(0, b"", 1, delivery=Delivery.GROUP, group=1),
        ApsFrame(0, frame_type=ApsType.COMMAND, cluster=1),
        ApsFrame(0, fragment=Fragment(True, 1, 1)),
        ApsFrame(0, frame_type=ApsType.ACK, fragment=Fragment(True, 1)),
    ],
)
def test_no_octets_for_application(frame: ApsFrame) -> None:
    with pytest.raises(EncodeError):
        zigbee.encode_aps(frame)


# ---------------------------------------------------------------- fragments

SECOND = 10**9


def datagram(size: int = 236, counter: int = 5) -> ApsFrame:
    payload = random.Random(size).randbytes(size)
    return ApsFrame(counter, payload, 1, 2, 0x0704, 0x0109, ack_request=True)


def test_fragments_are_counted_from_the_first() -> None:
    parts = fragment(datagram(236), 82)
    assert [part.fragment for part in parts] == [Fragment(True, 3), Fragment(False, 1), Fragment(False, 2)]
    assert [len(part.payload) for part in parts] == [82, 82, 72]
    assert {part.counter for part in parts} == {5}


def test_what_fits_is_left_alone() -> None:
    assert fragment(datagram(82), 82) == [datagram(82)]


@pytest.mark.parametrize("largest", [0, 1])
def test_too_many_fragments(largest: int) -> None:
    with pytest.raises(EncodeError):
        fragment(datagram(256), largest)


@given(st.integers(1, 400), st.integers(20, 100), st.randoms(use_true_random=False))
def test_fragments_join_whatever_their_order(size: int, largest: int, shuffle: random.Random) -> None:
    parts = fragment(datagram(size), largest)
    crowd = parts + [part for part in parts if shuffle.random() < 0.3]
    shuffle.shuffle(crowd)
    joiner = ApsReassembler()
    found = [whole for part in crowd if (whole := joiner.feed(METER, part, 0)) is not None]
    assert found == [datagram(size)] * (1 if len(parts) > 1 else len(crowd))
    assert joiner.dropped == 0


def test_sources_do_not_mix() -> None:
    joiner = ApsReassembler()
    first, second = fragment(datagram(100), 60), fragment(datagram(110), 60)
    assert joiner.feed(METER, first[0], 0) is None
    assert joiner.feed(b"\x56\x78", second[1], 0) is None
    assert joiner.feed(METER, first[1], 0) == datagram(100)
    assert joiner.feed(b"\x56\x78", second[0], 0) == datagram(110)


def test_a_counter_comes_round_again_after_the_lifetime() -> None:
    joiner = ApsReassembler(lifetime=SECOND)
    parts = fragment(datagram(100), 60)
    for now in (0, SECOND + 1):
        assert [joiner.feed(METER, part, now) for part in parts] == [None, datagram(100)]
    assert joiner.feed(METER, parts[0], SECOND + 2) is None  # a repeat, not a third transfer
    assert joiner.dropped == 0


def test_an_unfinished_transfer_is_dropped_after_the_lifetime() -> None:
    joiner = ApsReassembler(lifetime=SECOND)
    first, second = fragment(datagram(100), 60)
    joiner.feed(METER, first, 0)
    assert joiner.feed(METER, second, SECOND + 1) is None
    assert joiner.dropped == 1


def test_memory_is_bounded() -> None:
    joiner = ApsReassembler(transfers=4, largest=150)
    for counter in range(10):
        joiner.feed(METER, fragment(datagram(100, counter), 60)[0], 0)
    assert joiner.dropped == 6
    first, second, _ = fragment(datagram(240), 80)
    joiner.feed(METER, first, 0)
    with pytest.raises(DecodeError):
        joiner.feed(METER, second, 0)


@pytest.mark.parametrize(
    "parts",
    [
        [Fragment(True, 2), Fragment(True, 3)],  # another first block, other content
        [Fragment(True, 2), Fragment(False, 2)],  # block 2 of 2, counted from 0
        [Fragment(False, 5), Fragment(True, 3)],
        [Fragment(True, 0)],
        [Fragment(False, 0)],
    ],
)
def test_contradictions_are_refused(parts: list[Fragment]) -> None:
    joiner = ApsReassembler()
    frames = [ApsFrame(1, bytes((number,)), fragment=part) for number, part in enumerate(parts)]
    for frame in frames[:-1]:
        assert joiner.feed(METER, frame, 0) is None
    with pytest.raises(DecodeError, match="does not fit"):
        joiner.feed(METER, frames[-1], 0)
    assert joiner.dropped == 1


def test_acknowledgements() -> None:
    assert zigbee.encode_aps(acknowledge(datagram())) == bytes.fromhex("02 02 0407 0901 01 05")
    first, second, _ = fragment(datagram(), 82)
    assert zigbee.encode_aps(acknowledge(first)) == bytes.fromhex("82 02 0407 0901 01 05 01 00 FF")
    assert zigbee.encode_aps(acknowledge(second)) == bytes.fromhex("82 02 0407 0901 01 05 02 01 FF")
    assert acknowledge(ApsFrame(9, frame_type=ApsType.COMMAND)) == ApsFrame(9, frame_type=ApsType.ACK, ack_format=True)
