"""The Tunneling cluster 0704, which carries GBCS messages over the HAN, and the gas meter's tunnel header.

What lives here: ZCL frame <-> one dataclass per command.  What must not: the tunnel's life (the machines').

TransferData is command 02 towards the server and 01 towards the client; the hub is the client of an electricity
meter, a gas meter is the client of the hub.  Source: facts/radio.md 11.1 [verified], facts/gbcs.md 8.3 [3 sources].
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass
from enum import IntEnum

from devices.wire import zcl
from devices.wire.errors import DecodeError, EncodeError

__all__ = [
    "CLUSTER",
    "MAX_INCOMING",
    "PROTOCOL_GB_HRGP",
    "AckTransferData",
    "CloseTunnel",
    "ClosureNotification",
    "Get",
    "GetResponse",
    "GetSupportedProtocols",
    "Put",
    "ReadyData",
    "RequestTunnel",
    "RequestTunnelResponse",
    "SupportedProtocols",
    "TransferData",
    "TransferDataError",
    "TransferStatus",
    "TunnelCommand",
    "TunnelStatus",
    "decode",
    "decode_gas",
    "encode",
    "encode_gas",
    "frame",
]

LAYER = "tunnelling"
CLUSTER = 0x0704
PROTOCOL_GB_HRGP = 6
NO_MANUFACTURER = 0xFFFF
MAX_INCOMING = 1500  # octets; GBCS 10.2.2


class TunnelStatus(IntEnum):
    """Status of a RequestTunnelResponse."""

    SUCCESS = 0
    BUSY = 1
    NO_MORE_IDS = 2
    PROTOCOL_NOT_SUPPORTED = 3
    FLOW_CONTROL_NOT_SUPPORTED = 4


class TransferStatus(IntEnum):
    """Status of a TransferDataError (Zigbee Smart Energy 1.2, D.6)."""

    NO_SUCH_TUNNEL = 0
    WRONG_DEVICE = 1
    DATA_OVERFLOW = 2


@dataclass(frozen=True, slots=True)
class RequestTunnel:
    """To the server.  The defaults are those of GBCS 10.2.2; ``max_incoming`` in octets."""

    protocol: int = PROTOCOL_GB_HRGP
    manufacturer: int = NO_MANUFACTURER
    flow_control: bool = False
    max_incoming: int = MAX_INCOMING


@dataclass(frozen=True, slots=True)
class RequestTunnelResponse:
    tunnel: int
    status: int = TunnelStatus.SUCCESS
    max_incoming: int = MAX_INCOMING


@dataclass(frozen=True, slots=True)
class CloseTunnel:
    tunnel: int


@dataclass(frozen=True, slots=True)
class TransferData:
    """Either way: ``octets`` is a GBCS message, a GBT block of one, or what a gas meter's tunnel header wraps."""

    tunnel: int
    octets: bytes
    to_server: bool


@dataclass(frozen=True, slots=True)
class TransferDataError:
    tunnel: int
    status: int
    to_server: bool


@dataclass(frozen=True, slots=True)
class AckTransferData:
    tunnel: int
    octets_left: int
    to_server: bool


@dataclass(frozen=True, slots=True)
class ReadyData:
    tunnel: int
    octets_left: int
    to_server: bool


@dataclass(frozen=True, slots=True)
class GetSupportedProtocols:
    offset: int = 0


@dataclass(frozen=True, slots=True)
class SupportedProtocols:
    """``protocols``: pairs of manufacturer code and protocol id; ``complete`` when no more follow."""

    complete: bool
    protocols: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ClosureNotification:
    tunnel: int


TunnelCommand = (
    RequestTunnel
    | RequestTunnelResponse
    | CloseTunnel
    | TransferData
    | TransferDataError
    | AckTransferData
    | ReadyData
    | GetSupportedProtocols
    | SupportedProtocols
    | ClosureNotification
)

# command of the cluster, by direction and number: class and layout ("" = read by hand below)
_COMMANDS: dict[tuple[bool, int], tuple[type[TunnelCommand], str]] = {
    (True, 0): (RequestTunnel, "<BH?H"),
    (True, 1): (CloseTunnel, "<H"),
    (True, 2): (TransferData, ""),
    (True, 3): (TransferDataError, "<HB"),
    (True, 4): (AckTransferData, "<HH"),
    (True, 5): (ReadyData, "<HH"),
    (True, 6): (GetSupportedProtocols, "<B"),
    (False, 0): (RequestTunnelResponse, "<HBH"),
    (False, 1): (TransferData, ""),
    (False, 2): (TransferDataError, "<HB"),
    (False, 3): (AckTransferData, "<HH"),
    (False, 4): (ReadyData, "<HH"),
    (False, 5): (SupportedProtocols, ""),
    (False, 6): (ClosureNotification, "<H"),
}
_NUMBERS = {(to_server, kind): number for (to_server, number), (kind, _) in _COMMANDS.items()}
_BOTH_WAYS = (TransferData, TransferDataError, AckTransferData, ReadyData)


def decode(command: zcl.Frame) -> TunnelCommand:
    """Read a command of cluster 0704.  Raises DecodeError, also for the commands that all clusters share."""
    if not command.cluster_specific or command.manufacturer is not None:
        raise DecodeError(LAYER, 0, f"frame control {command.frame_control:02x}: not a command of this cluster")
    to_server, payload = not command.to_client, command.payload
    known = _COMMANDS.get((to_server, command.command))
    if known is None:
        raise DecodeError(LAYER, 0, f"command {command.command:02x} to the {'server' if to_server else 'client'}")
    kind, layout = known
    if kind is TransferData:
        if len(payload) < 2:
            raise DecodeError(LAYER, len(payload), "TransferData without a tunnel id")
        return TransferData(payload[0] | payload[1] << 8, payload[2:], to_server)
    if kind is SupportedProtocols:
        return _read_protocols(payload)
    if len(payload) != struct.calcsize(layout):
        expected = struct.calcsize(layout)
        raise DecodeError(LAYER, len(payload), f"{kind.__name__}: expected {expected} octets, got {len(payload)}")
    if kind is RequestTunnel and payload[3] > 1:
        raise DecodeError(LAYER, 3, f"flow control {payload[3]:02x}: expected 00 or 01")
    fields = struct.unpack(layout, payload)
    make: Callable[..., TunnelCommand] = kind
    return make(*fields, to_server) if kind in _BOTH_WAYS else make(*fields)


def _read_protocols(payload: bytes) -> SupportedProtocols:
    if len(payload) < 2 or payload[0] > 1 or len(payload) != 2 + 3 * payload[1]:
        raise DecodeError(LAYER, 0, "SupportedProtocols: expected a boolean, a count and so many entries of 3 octets")
    return SupportedProtocols(bool(payload[0]), tuple(struct.iter_unpack("<HB", payload[2:])))


def frame(command: TunnelCommand, sequence: int) -> zcl.Frame:
    """The ZCL frame of a command.  Raises EncodeError."""
    to_server = getattr(command, "to_server", (True, type(command)) in _NUMBERS)
    number = _NUMBERS[to_server, type(command)]
    layout = _COMMANDS[to_server, number][1]
    try:
        if isinstance(command, TransferData):
            payload = struct.pack("<H", command.tunnel) + command.octets
        elif isinstance(command, SupportedProtocols):
            payload = struct.pack("<?B", command.complete, len(command.protocols))
            payload += b"".join(struct.pack("<HB", *entry) for entry in command.protocols)
        else:
            fields = astuple(command)
            payload = struct.pack(layout, *(fields[:-1] if isinstance(command, _BOTH_WAYS) else fields))
    except struct.error as error:
        raise EncodeError(LAYER, f"{command}: {error}") from None
    return zcl.Frame(zcl.CLUSTER_SPECIFIC | (0 if to_server else zcl.TO_CLIENT), sequence, number, payload)


def encode(command: TunnelCommand, sequence: int) -> bytes:
    """A complete ZCL frame.  Raises EncodeError."""
    return zcl.encode(frame(command, sequence))


# ---------------------------------------------------------------- the gas meter's tunnel


@dataclass(frozen=True, slots=True)
class Get:
    """01: the sleepy gas meter asks its hub for a message."""


@dataclass(frozen=True, slots=True)
class GetResponse:
    """02: the hub's answer; ``remaining`` counts what still waits, ``octets`` is empty if there was nothing."""

    remaining: int
    octets: bytes = b""


@dataclass(frozen=True, slots=True)
class Put:
    """03: the gas meter hands over a message."""

    octets: bytes


GasCommand = Get | GetResponse | Put


def decode_gas(octets: bytes) -> GasCommand:
    """Read the content of a TransferData between gas meter and hub.  Raises DecodeError."""
    match octets[:1]:
        case b"\x01" if len(octets) == 1:
            return Get()
        case b"\x02" if len(octets) > 1:
            return GetResponse(octets[1], octets[2:])
        case b"\x03":
            return Put(octets[1:])
    raise DecodeError(LAYER, 0, f"gas tunnel header {octets[:2].hex()}: expected 01, 02 and a count, or 03")


def encode_gas(command: GasCommand) -> bytes:
    """The content of a TransferData between gas meter and hub.  Raises EncodeError."""
    match command:
        case Get():
            return b"\x01"
        case Put(octets):
            return b"\x03" + octets
        case GetResponse(remaining, octets):
            if not 0 <= remaining <= 0xFF:
                raise EncodeError(LAYER, f"{remaining} messages remaining: one octet counts them")
            return bytes((2, remaining)) + octets
