"""Commands of cluster 0704: the table of facts/radio.md 11.1, both directions."""

from __future__ import annotations

import pytest

from devices.wire import tunnelling, zcl
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
