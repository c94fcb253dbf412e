"""The inter-PAN frames of facts/radio.md 8.2, octet for octet, through all layers and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import ieee802154, interpan, tunnelling, zcl
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.ieee802154 import Frame, FrameType
from devices.wire.interpan import Stub
from devices.wire.tunnelling import RequestTunnel, RequestTunnelResponse, TransferData
from devices.wire.zigbee import Delivery

CH, HHT, PAN = bytes.fromhex("0013A20041ABCDEF"), bytes.fromhex("0013A20041000099"), 0x4F4D
STUB_MESSAGE = bytes.fromhex("DF090000000000000147424353")

PRINTED = [
    (
        "21CC01 4D4F EFCDAB4100A21300 4D4F 9900004100A21300 0B00 03 0407 0901 012A00 06FFFF00DC05",
        Frame(FrameType.DATA, 1, b"", PAN, CH, PAN, HHT, ack_request=True),
        Delivery.UNICAST,
        RequestTunnel(),
        0x2A,
    ),
    (
        "01C802 FFFF FFFF 4D4F 9900004100A21300 0B00 0B 0407 0901 012A00 06FFFF00DC05",
        Frame(FrameType.DATA, 2, b"", 0xFFFF, b"\xff\xff", PAN, HHT),
        Delivery.BROADCAST,
        RequestTunnel(),
        0x2A,
    ),
    (
        "01CC03 4D4F EFCDAB4100A21300 4D4F 9900004100A21300 0B00 03 0407 0901 012B02 0000DF090000000000000147424353",
        Frame(FrameType.DATA, 3, b"", PAN, CH, PAN, HHT),
        Delivery.UNICAST,
        TransferData(0, STUB_MESSAGE, to_server=True),
        0x2B,
    ),
    (
        "01CC04 4D4F 9900004100A21300 4D4F EFCDAB4100A21300 0B00 03 0407 0901 092A00 000000DC05",
        Frame(FrameType.DATA, 4, b"", PAN, HHT, PAN, CH),
        Delivery.UNICAST,
        RequestTunnelResponse(0),
        0x2A,
    ),
    (
        "41CC05 4D4F EFCDAB4100A21300 9900004100A21300 0B00 03 0407 0901 012A00 06FFFF00DC05",
        Frame(FrameType.DATA, 5, b"", PAN, CH, PAN, HHT, pan_compression=True),
        Delivery.UNICAST,
        RequestTunnel(),
        0x2A,
    ),
]


@pytest.mark.parametrize(("printed", "outer", "delivery", "command", "sequence"), PRINTED)
def test_printed_frames(
    printed: str, outer: Frame, delivery: Delivery, command: tunnelling.TunnelCommand, sequence: int
) -> None:
    octets = bytes.fromhex(printed)
    frame = ieee802154.decode(octets)
    stub = interpan.decode(frame.payload)
    inner = zcl.decode(stub.payload)
    assert (stub.cluster, stub.profile, stub.delivery, stub.group) == (0x0704, 0x0109, delivery, None)
    assert (inner.sequence, tunnelling.decode(inner)) == (sequence, command)

    built = interpan.encode(Stub(0x0704, tunnelling.encode(command, sequence), 0x0109, delivery))
    assert ieee802154.encode(replace(outer, payload=built)) == octets


@given(
    st.integers(0, 0xFFFF),
    st.binary(max_size=95),
    st.integers(0, 0xFFFF),
    st.sampled_from(Delivery),
    st.integers(0, 0xFFFF),
    st.booleans(),
)
def test_round_trip(cluster: int, payload: bytes, profile: int, delivery: Delivery, group: int, security: bool) -> None:
    stub = Stub(cluster, payload, profile, delivery, group if delivery == Delivery.GROUP else None, security)
    octets = interpan.encode(stub)
    assert interpan.is_stub(octets)
    assert interpan.decode(octets) == stub


@pytest.mark.parametrize(
    "octets", ["", "0B", "0B00", "4800030407", "0B00000407090100", "0B0007040709 01", "0B00030407"]
)
def test_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        interpan.decode(bytes.fromhex(octets))


@pytest.mark.parametrize("stub", [Stub(0x10000), Stub(1, group=5), Stub(1, delivery=Delivery.GROUP)])
def test_no_octets_for(stub: Stub) -> None:
    with pytest.raises(EncodeError):
        interpan.encode(stub)
