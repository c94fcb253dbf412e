"""Messages out of packets, and a finding for each packet that gave none."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import gbcs, gbt, ieee802154, interpan, pcap, tunnelling, zigbee
from devices.wire.captured import PacketReader
from devices.wire.reassembly import Finding, Mark, Reason, Result, Way, Whole

HUB = bytes.fromhex("8899aabbccddeeff")
TERMINAL = bytes.fromhex("0011223344556677")
CLUSTER = tunnelling.CLUSTER
APS = zigbee.ApsFrame(7, b"", 1, 1, CLUSTER, zigbee.PROFILE_SMART_ENERGY)


def message(size: int = 400, counter: int = 1003) -> bytes:
    body = random.Random(counter).randbytes(size)
    return gbcs.encode(
        gbcs.Message(1, counter, TERMINAL, HUB, 0x1C, body, signature=bytes(64) if size > 100 else b"", mac=bytes(12))
    )


def transfer(octets: bytes, sequence: int = 0) -> bytes:
    return tunnelling.encode(tunnelling.TransferData(1, octets, to_server=True), sequence)


def mac(payload: bytes, sequence: int = 1, pan: int = 0x1234) -> bytes:
    frame = ieee802154.Frame(
        ieee802154.FrameType.DATA, sequence, payload, pan, b"\0\0", pan, b"\0\x01", pan_compression=True
    )
    return ieee802154.encode(frame)


def han(aps: zigbee.ApsFrame, sequence: int = 1, **network: object) -> bytes:
    frame = zigbee.NwkFrame(b"\0\0", b"\0\x01", sequence, zigbee.encode_aps(aps))
    return mac(zigbee.encode_nwk(replace(frame, **network)), sequence)  # type: ignore[arg-type]


def stub(zcl: bytes, cluster: int = CLUSTER, *, security: bool = False) -> bytes:
    payload = interpan.encode(interpan.Stub(cluster, zcl, security=security))
    frame = ieee802154.Frame(ieee802154.FrameType.DATA, 1, payload, 0x1234, HUB, 0x4321, TERMINAL)
    return ieee802154.encode(frame)


def heard(frames: Sequence[bytes], reader: PacketReader | None = None) -> list[Result]:
    reader = reader or PacketReader()
    return [found for at, frame in enumerate(frames) for found in reader.frame(frame, Mark(at, at + 1))]


def wholes(found: Sequence[Result]) -> list[bytes]:
    return [one.octets for one in found if isinstance(one, Whole)]


def fragments(octets: bytes, counter: int = 7) -> list[bytes]:
    parts = zigbee.fragment(replace(APS, payload=transfer(octets), counter=counter), 70)
    return [han(part, number) for number, part in enumerate(parts)]


def test_a_message_in_fragments_of_a_han() -> None:
    (whole,) = heard(fragments(message()))
    assert isinstance(whole, Whole)
    assert (whole.octets, whole.way) == (message(), Way("han 1234", b"\0\x01", b"\0\0"))


def test_a_message_in_blocks_by_inter_pan() -> None:
    blocks = gbt.split(message(), 40)
    (whole,) = heard([stub(transfer(block, number)) for number, block in enumerate(blocks)])
    assert isinstance(whole, Whole)
    assert (whole.octets, whole.way, whole.pieces) == (message(), Way("interpan", TERMINAL, HUB), len(blocks))


@pytest.mark.parametrize("again", [stub(transfer(message(1))), han(replace(APS, payload=transfer(message(1))))])
def test_the_same_frame_again_is_no_second_message(again: bytes) -> None:
    first, second = heard([again, again])
    assert isinstance(first, Whole)
    assert isinstance(second, Finding)
    assert (second.reason, second.lost) == (Reason.REPEATED, False)


def test_the_same_message_in_another_frame_is_a_second_message() -> None:
    frames = [stub(transfer(message(1), 1)), stub(transfer(message(1), 2))]
    assert wholes(heard(frames)) == [message(1)] * 2


def test_a_frame_that_a_router_passes_on_is_no_second_message() -> None:
    frame = han(replace(APS, payload=transfer(message(1))))
    passed_on = bytearray(frame)
    passed_on[2] += 1  # the sequence number of another MAC frame
    assert wholes(heard([frame, bytes(passed_on)])) == [message(1)]


@pytest.mark.parametrize(
    ("frame", "reason", "lost"),
    [
        pytest.param(han(APS, security=True), Reason.ENCRYPTED, True, id="NWK security"),
        pytest.param(han(replace(APS, security=True)), Reason.ENCRYPTED, True, id="APS security"),
        pytest.param(stub(b"", security=True), Reason.ENCRYPTED, True, id="inter-PAN security"),
        pytest.param(bytes([0x09, 0, 0]), Reason.ENCRYPTED, True, id="MAC security"),
        pytest.param(mac(b"\x48"), Reason.BROKEN_FRAME, True, id="a network header that is cut"),
        pytest.param(b"\x41", Reason.BROKEN_FRAME, True, id="a MAC header that is cut"),
        pytest.param(bytes.fromhex("02000b"), Reason.CARRIES_NONE, False, id="an acknowledgement"),
        pytest.param(han(replace(APS, cluster=10)), Reason.CARRIES_NONE, False, id="another cluster"),
        pytest.param(stub(b"", 0x0800), Reason.CARRIES_NONE, False, id="another cluster by inter-PAN"),
        pytest.param(han(zigbee.acknowledge(APS)), Reason.CARRIES_NONE, False, id="an APS acknowledgement"),
        pytest.param(han(APS, frame_type=zigbee.NwkType.COMMAND), Reason.CARRIES_NONE, False, id="a NWK command"),
    ],
)
def test_a_frame_without_a_message_is_told_with_the_reason(frame: bytes, reason: Reason, lost: bool) -> None:
    (found,) = heard([frame])
    assert isinstance(found, Finding)
    assert (found.reason, found.lost, found.first.place) == (reason, lost, 1)


def test_missing_fragments_are_told_at_the_end() -> None:
    reader = PacketReader()
    assert heard(fragments(message())[:-1], reader) == []
    (lack,) = reader.unfinished()
    assert (lack.reason, lack.way) == (Reason.FRAGMENTS_MISSING, Way("han 1234", b"\0\x01"))
    assert lack.detail == "fragment 7 of the frame with APS counter 7 is missing"


def test_fragments_that_come_too_late_are_told() -> None:
    reader = PacketReader()
    first, *rest = fragments(message())
    reader.frame(first, Mark(0, 1))
    (gone,) = reader.frame(rest[0], Mark(3600 * 10**9, 2))
    assert isinstance(gone, Finding)
    assert gone.reason is Reason.FRAGMENTS_MISSING


def test_packets_of_other_link_types() -> None:
    reader = PacketReader()
    packets = [
        pcap.Record(1, pcap.MESSAGE_LINK, message(1), interface="line"),
        pcap.Record(2, pcap.EXPORTED_LINK, pcap.export("gbcs_message", message(2)), interface="wan"),
        pcap.Record(3, pcap.EXPORTED_LINK, pcap.export("http", b"GET")),
        pcap.Record(4, pcap.EXPORTED_LINK, b"\0"),
        pcap.Record(5, 1, b"ethernet"),
        pcap.Record(6, pcap.LinkType.NO_FCS, stub(transfer(message(3)))),
        pcap.Record(7, pcap.LinkType.WITH_FCS, stub(transfer(message(3)))),
    ]
    found = [one for number, packet in enumerate(packets, 1) for one in reader.packet(packet, number)]
    assert wholes(found) == [message(1), message(2), message(3)]
    assert [(one.first.place, one.way.link) for one in found if isinstance(one, Whole)] == [
        (1, "line"),
        (2, "wan"),
        (6, "interpan"),
    ]
    told = [(one.first.place, one.reason) for one in found if isinstance(one, Finding)]
    assert told == [
        (3, Reason.CARRIES_NONE),
        (4, Reason.BROKEN_FRAME),
        (5, Reason.UNKNOWN_LINK),
        (7, Reason.BROKEN_FRAME),
    ]


@given(st.binary(max_size=60))
def test_no_frame_is_dropped_without_a_word(octets: bytes) -> None:
    reader = PacketReader()
    found = [*reader.frame(octets, Mark()), *reader.unfinished()]
    assert len(found) == 1
