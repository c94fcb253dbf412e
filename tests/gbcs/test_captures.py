"""Captures of every link that carries messages, what of them is left out, and how that is said."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import gbcs, ieee802154, pcap, tunnelling, zcl, zigbee
from rig.gbcs.sources import Given, SourceError, messages
from tests import corpus_made
from tests.gbcs.test_decode import capture, mac, tunnelled

ENABLE = gbcs.encode(corpus_made.enable_supply())
LOG = gbcs.encode(corpus_made.daily_log())


def written(link_type: int, *packets: bytes) -> Given:
    """What is found in a capture whose packets are these octets as they are."""
    file = io.BytesIO(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, link_type))
    file.seek(0, io.SEEK_END)
    for number, packet in enumerate(packets):
        file.write(struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet)
    return messages(file.getvalue(), "it")


# ------------------------------------------------------------------------------------------------- what carries frames


def zep(frame: bytes, version: int = 2, mode: int = 1) -> bytes:
    body = ieee802154.append_fcs(frame) if mode else frame + b"\xd0\xea"
    if version == 1:
        return b"EX\x01\x0b\x00\x01" + bytes((mode, 0xFF)) + bytes(7) + bytes((len(body),)) + body
    return b"EX\x02\x01\x0b\x00\x01" + bytes((mode, 0xFF)) + bytes(8 + 4 + 10) + bytes((len(body),)) + body


def udp(content: bytes, port: int = 17754) -> bytes:
    return struct.pack(">HHHH", 50000, port, 8 + len(content), 0) + content


def ipv4(content: bytes, protocol: int = 17) -> bytes:
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(content), 1, 0x4000, 64, protocol, 0) + bytes(8) + content


def ipv6(content: bytes, protocol: int = 17) -> bytes:
    options = bytes((protocol, 0)) + bytes(6)
    return struct.pack(">IHBB", 0x60000000, len(options + content), 0, 64) + bytes(32) + options + content


def tcp(content: bytes) -> bytes:
    return struct.pack(">HHIIBBHHH", 50000, 4059, 1, 1, 0x50, 0x18, 1024, 0, 0) + content


CARRIERS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "Ethernet": (1, lambda f: bytes(12) + b"\x08\x00" + ipv4(udp(zep(f)))),
    "Ethernet, padded": (1, lambda f: bytes(12) + b"\x08\x00" + ipv4(udp(zep(f))) + bytes(6)),
    "Ethernet, VLAN": (1, lambda f: bytes(12) + b"\x81\x00\x00\x05\x08\x00" + ipv4(udp(zep(f)))),
    "Ethernet, two VLANs": (1, lambda f: bytes(12) + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00" + ipv4(udp(zep(f)))),
    "Ethernet, IPv6": (1, lambda f: bytes(12) + b"\x86\xdd" + ipv6(udp(zep(f)))),
    "raw IP": (101, lambda f: ipv4(udp(zep(f)))),
    "raw IPv6": (101, lambda f: ipv6(udp(zep(f)))),
    "raw IPv4, 228": (228, lambda f: ipv4(udp(zep(f)))),
    "Linux cooked": (113, lambda f: bytes(14) + b"\x08\x00" + ipv4(udp(zep(f)))),
    "Linux cooked, version 2": (276, lambda f: b"\x08\x00" + bytes(18) + ipv4(udp(zep(f)))),
    "null, little endian": (0, lambda f: b"\x02\x00\x00\x00" + ipv4(udp(zep(f)))),
    "null, big endian, IPv6": (0, lambda f: b"\x00\x00\x00\x1e" + ipv6(udp(zep(f)))),
    "loopback": (108, lambda f: b"\x00\x00\x00\x02" + ipv4(udp(zep(f)))),
    "ZEP version 1": (101, lambda f: ipv4(udp(zep(f, 1)))),
    "ZEP with TI metadata": (101, lambda f: ipv4(udp(zep(f, 2, 0)))),
    "802.15.4 with FCS": (195, ieee802154.append_fcs),
    "802.15.4 with TI metadata": (195, lambda f: f + b"\xd0\xea"),
    "802.15.4 without FCS": (230, bytes),
    "802.15.4 TAP": (283, lambda f: b"\x00\x00\x0c\x00\x00\x00\x01\x00\x01\x00\x00\x00" + ieee802154.append_fcs(f)),
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_frames_in_every_carrier(carrier: str) -> None:
    link, wrap = CARRIERS[carrier]
    given_now = written(link, *map(wrap, tunnelled(LOG)))
    assert [one.octets for one in given_now.found] == [LOG]
    assert given_now.left_out == []


BARE: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "user 0": (147, bytes),
    "user 1": (148, bytes),
    "user 15, with a header": (162, lambda m: b"\x01\x02\x03" + m),
    "exported PDU": (252, lambda m: pcap.export("gbcs_message", m)),
    "UDP": (101, lambda m: ipv4(udp(m, 4059))),
    "TCP": (1, lambda m: bytes(12) + b"\x08\x00" + ipv4(tcp(m), 6)),
    "a length before it, in TCP": (1, lambda m: bytes(12) + b"\x08\x00" + ipv4(tcp(struct.pack(">I", len(m)) + m), 6)),
}


@pytest.mark.parametrize("carrier", BARE)
def test_messages_in_every_carrier(carrier: str) -> None:
    link, wrap = BARE[carrier]
    given_now = written(link, wrap(ENABLE), wrap(LOG))
    assert [(one.octets, one.where) for one in given_now.found] == [(ENABLE, "packet 1"), (LOG, "packet 2")]
    assert given_now.left_out == []


# -------------------------------------------------------------------------------------------------- what is left out


def secured(layer: str) -> bytes:
    command = tunnelling.encode(tunnelling.TransferData(1, LOG[:20], True), 7)
    part = zigbee.ApsFrame(9, command, 1, 1, tunnelling.CLUSTER, zigbee.PROFILE_SMART_ENERGY, security=layer == "APS")
    network = zigbee.NwkFrame(b"\x00\x00", b"\x12\x34", 5, zigbee.encode_aps(part), security=layer == "NWK")
    return mac(zigbee.encode_nwk(network))


@pytest.mark.parametrize("layer", ["NWK", "APS"])
def test_encrypted_frames_are_counted_and_said(layer: str) -> None:
    given_now = written(230, secured(layer), secured(layer), *tunnelled(LOG))
    assert [one.octets for one in given_now.found] == [LOG]
    assert given_now.left_out == [f"2 frames are encrypted ({layer} security is set): packets 1 to 2"]


def test_frames_that_are_broken_or_carry_nothing_are_told_apart() -> None:
    acknowledgement = b"\x02\x00\x01"
    given_now = written(230, acknowledgement, acknowledgement, mac(b"\x00rubbish"), *tunnelled(LOG))
    assert len(given_now.found) == 1
    assert given_now.left_out[0].startswith("1 frame is broken (")
    assert given_now.left_out[0].endswith(": packet 3")
    assert given_now.notes == ["2 frames carry no message by its kind (it is of type ack): packets 1 to 2"]


def test_a_wrong_check_sequence_is_no_metadata_where_others_are_right() -> None:
    frames = [ieee802154.append_fcs(frame) for frame in tunnelled(LOG)]
    given_now = written(195, mac(b"12345") + b"\xd0\xea", *frames)
    assert len(given_now.found) == 1
    assert "1 frame is broken" in given_now.left_out[0]


def test_a_missing_fragment_is_named() -> None:
    frames = tunnelled(LOG)
    given_now = written(230, frames[0], *frames[2:])
    assert not given_now.found
    assert "lack" in given_now.left_out[0]
    assert "fragment 1" in given_now.left_out[0]


def test_other_link_types_are_counted() -> None:
    given_now = written(127, b"radiotap", b"radiotap")
    assert given_now.left_out[0].startswith("2 frames are of a link type that is not read")


def default_response(status: int, cluster: int = tunnelling.CLUSTER) -> bytes:
    answer = zcl.encode(zcl.Frame(0x18, 7, 0x0B, bytes((2, status))))
    part = zigbee.ApsFrame(30 + status % 7, answer, 1, 1, cluster, zigbee.PROFILE_SMART_ENERGY)
    return mac(zigbee.encode_nwk(zigbee.NwkFrame(b"\x00\x00", b"\x12\x34", 6, zigbee.encode_aps(part))))


@pytest.mark.parametrize("cluster", [tunnelling.CLUSTER, 0x0702])
def test_a_default_response_that_refuses_is_told(cluster: int) -> None:
    given_now = written(230, default_response(0, cluster), *tunnelled(LOG), default_response(0x80, cluster))
    assert len(given_now.found) == 1
    assert given_now.left_out == []
    said = [note for note in given_now.notes if "refused" in note]
    assert said == [
        "1 frame was refused by its receiver (command 02 of cluster "
        f"{cluster:04X}, sequence 7: status 80 (malformed command)): packet {2 + len(tunnelled(LOG))}"
    ]


def test_a_capture_packed_by_gzip() -> None:

    packed = gzip.compress(capture(230, tunnelled(LOG), ng=True))
    assert [one.octets for one in messages(packed, "it").found] == [LOG]


@given(st.sampled_from(sorted(CARRIERS)), st.data())
def test_cut_and_changed_packets_raise_nothing(carrier: str, data: st.DataObject) -> None:
    link, wrap = CARRIERS[carrier]
    packet = bytearray(wrap(tunnelled(ENABLE)[0]))
    for _ in range(data.draw(st.integers(0, 3))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    try:
        given_now = written(link, bytes(packet[: data.draw(st.integers(0, len(packet)))]))
        outcome = str(given_now.found or given_now.left_out)
    except SourceError as fault:
        outcome = str(fault)
    assert len(outcome) > 2
