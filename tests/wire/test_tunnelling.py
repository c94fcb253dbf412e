"""Commands of cluster 0704: the table of facts/radio.md 11.1, both directions."""

from __future__ import annotations

import pytest

from devices.wire import ieee802154, tunnelling, zcl, zigbee
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.tunnelling import (
    AckTransferData,
    CloseTunnel,
    ClosureNotification,
    Get,
    GetResponse,
    GetSupportedProtocols,
    Put,
    ReadyData,
    RequestTunnel,
    RequestTunnelResponse,
    SupportedProtocols,
    TransferData,
    TransferDataError,
    TransferStatus,
    TunnelCommand,
    TunnelStatus,
)

COMMANDS = [
    ("01 07 00 06 FFFF 00 DC05", RequestTunnel()),
    ("01 07 00 00 3412 01 0001", RequestTunnel(0, 0x1234, True, 256)),
    ("01 07 01 0200", CloseTunnel(2)),
    ("01 07 02 0200 DF09", TransferData(2, b"\xdf\x09", True)),
    ("01 07 03 0200 00", TransferDataError(2, TransferStatus.NO_SUCH_TUNNEL, True)),
    ("01 07 04 0200 DC05", AckTransferData(2, 1500, True)),
    ("01 07 05 0200 DC05", ReadyData(2, 1500, True)),
    ("01 07 06 00", GetSupportedProtocols()),
    ("09 07 00 FFFF 01 0000", RequestTunnelResponse(0xFFFF, TunnelStatus.BUSY, 0)),
    ("09 07 01 0200 DF09", TransferData(2, b"\xdf\x09", False)),
    ("09 07 01 0200", TransferData(2, b"", False)),
    ("09 07 02 0200 01", TransferDataError(2, TransferStatus.WRONG_DEVICE, False)),
    ("09 07 03 0200 DC05", AckTransferData(2, 1500, False)),
    ("09 07 04 0200 DC05", ReadyData(2, 1500, False)),
    ("09 07 05 01 02 FFFF06 FFFF00", SupportedProtocols(True, ((0xFFFF, 6), (0xFFFF, 0)))),
    ("09 07 06 0200", ClosureNotification(2)),
]


@pytest.mark.parametrize(("octets", "command"), COMMANDS)
def test_both_ways(octets: str, command: TunnelCommand) -> None:
    assert tunnelling.decode(zcl.decode(bytes.fromhex(octets))) == command
    assert tunnelling.encode(command, 7) == bytes.fromhex(octets)


def test_the_table_is_complete() -> None:
    """7 commands each way: whoever adds one adds a row above."""
    headers = {octets[:2] + octets[6:8] for octets, _ in COMMANDS}
    assert headers == {control + f"{number:02x}" for control in ("01", "09") for number in range(7)}


@pytest.mark.parametrize(
    "octets",
    [
        "01 07 07",  # no such command
        "09 07 07",
        "00 07 00 0000",  # read attributes, which all clusters share
        "05 FFFF 07 00 06FFFF00DC05",  # a manufacturer's own
        "01 07 00 06FFFF00DC",
        "01 07 00 06FFFF00DC0500",
        "01 07 00 06FFFF02DC05",  # neither true nor false
        "01 07 02 00",
        "09 07 05",
        "09 07 05 01 02 FFFF06",
        "09 07 05 02 00",
    ],
)
def test_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        tunnelling.decode(zcl.decode(bytes.fromhex(octets)))


@pytest.mark.parametrize(
    "command",
    [CloseTunnel(1 << 16), RequestTunnel(256), TransferData(-1, b"", True), SupportedProtocols(True, ((0, 6),) * 256)],
)
def test_no_octets_for(command: TunnelCommand) -> None:
    with pytest.raises(EncodeError):
        tunnelling.encode(command, 0)


def test_a_printed_frame_of_the_han_through_all_layers() -> None:
    """Facts/radio.md 8.2: MAC, NWK, APS, ZCL, tunnel, and the message that a gas meter puts."""
    printed = bytes.fromhex(
        "4188 09 4D4F 3412 0000 0800 3412 0000 1E 07 00 01 0407 0901 01 55 01 2B 02 0000 03"
        "DF0901 00000000000003E8 0890B3D51F30010000 080013A20041000001 0002 0062 03 414243 00 4CFE"
    )
    mac = ieee802154.decode(ieee802154.strip_fcs(printed))
    nwk = zigbee.decode_nwk(mac.payload)
    aps = zigbee.decode_aps(nwk.payload)
    command = zcl.decode(aps.payload)
    data = tunnelling.decode(command)
    assert isinstance(data, TransferData)
    put = tunnelling.decode_gas(data.octets)
    assert isinstance(put, Put)
    assert put.octets[:3] == bytes.fromhex("DF0901")

    data = TransferData(0, tunnelling.encode_gas(put), to_server=True)
    aps = zigbee.ApsFrame(0x55, tunnelling.encode(data, 0x2B), 1, 1, tunnelling.CLUSTER, zigbee.PROFILE_SMART_ENERGY)
    nwk = zigbee.NwkFrame(b"\x12\x34", b"\0\0", 7, zigbee.encode_aps(aps), discover_route=0)
    frame = ieee802154.Frame(
        ieee802154.FrameType.DATA,
        9,
        zigbee.encode_nwk(nwk),
        0x4F4D,
        nwk.destination,
        0x4F4D,
        nwk.source,
        pan_compression=True,
    )
    assert ieee802154.append_fcs(ieee802154.encode(frame)) == printed


GAS = [("01", Get()), ("02 00", GetResponse(0)), ("02 03 DF", GetResponse(3, b"\xdf")), ("03 DD", Put(b"\xdd"))]


@pytest.mark.parametrize(("octets", "command"), GAS)
def test_the_gas_meters_header(octets: str, command: tunnelling.GasCommand) -> None:
    assert tunnelling.decode_gas(bytes.fromhex(octets)) == command
    assert tunnelling.encode_gas(command) == bytes.fromhex(octets)


@pytest.mark.parametrize("octets", ["", "0101", "02", "04", "DF09"])
def test_no_gas_header(octets: str) -> None:
    with pytest.raises(DecodeError):
        tunnelling.decode_gas(bytes.fromhex(octets))


def test_too_many_messages_remain() -> None:
    with pytest.raises(EncodeError):
        tunnelling.encode_gas(GetResponse(256))
