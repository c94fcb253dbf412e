"""IEEE 802.15.4 MAC frames: data, acknowledgement, beacon and the MAC commands of joining.

What lives here: frame octets <-> :class:`Frame`, the beacon and command contents, the frame check sequence.
What must not: Zigbee (see ``zigbee``), MAC security (the rig records without it), retries and timing (the ether's).

Addresses are 2 or 8 octets, most significant first; the wire carries them least significant first, as everything
here.  Source: IEEE 802.15.4-2006, frame versions 0 and 1; facts/radio.md 8.1 and facts/gbcs.md 12.4 [verified there].
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from devices.wire.errors import DecodeError, EncodeError

__all__ = [
    "BROADCAST",
    "BROADCAST_PAN",
    "MAX_FRAME",
    "AssociationRequest",
    "AssociationResponse",
    "Beacon",
    "BeaconRequest",
    "Command",
    "DataRequest",
    "Disassociation",
    "Frame",
    "FrameType",
    "MacCommand",
    "append_fcs",
    "decode",
    "decode_beacon",
    "decode_command",
    "encode",
    "encode_beacon",
    "encode_command",
    "fcs",
    "strip_fcs",
]

LAYER = "802.15.4"
MAX_FRAME = 127  # octets on air, the frame check sequence included
BROADCAST = b"\xff\xff"
BROADCAST_PAN = 0xFFFF


class FrameType(IntEnum):
    BEACON = 0
    DATA = 1
    ACK = 2
    COMMAND = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """One MAC frame without its frame check sequence.

    An absent address is ``b""`` and its PAN identifier None.  With ``pan_compression`` the source PAN is left out
    on the wire and equals the destination's; :func:`decode` fills it in.
    """

    frame_type: FrameType
    sequence: int
    payload: bytes = b""
    destination_pan: int | None = None
    destination: bytes = b""
    source_pan: int | None = None
    source: bytes = b""
    ack_request: bool = False
    pan_compression: bool = False
    pending: bool = False
    version: int = 0  # 0 = 2003, 1 = 2006: the same layout here


# ---------------------------------------------------------------- frame

_TYPE, _SECURITY, _PENDING, _ACK, _COMPRESSION = 0x0007, 0x0008, 0x0010, 0x0020, 0x0040
_RESERVED = 0x0380  # bits 7 to 9: sequence suppression and information elements belong to version 2
_ADDRESS_LENGTH = {0: 0, 2: 2, 3: 8}
_ADDRESS_MODE = {0: 0, 2: 2, 8: 3}


def decode(octets: bytes) -> Frame:
    """Read a frame that carries no frame check sequence.  Raises DecodeError.

    Longer frames than the air allows are read: captures hold frames that were put together for the record.
    """
    if len(octets) < 3:
        raise DecodeError(LAYER, len(octets), f"a frame has at least 3 octets, got {len(octets)}")
    control = octets[0] | octets[1] << 8
    version = control >> 12 & 3
    if version > 1 or control & _RESERVED:
        raise DecodeError(LAYER, 0, f"frame control {control:04x}: only frame versions 0 and 1 are known")
    if control & _SECURITY:
        raise DecodeError(LAYER, 0, "MAC security is set; record the frame without it")
    if control & _TYPE > FrameType.COMMAND:
        raise DecodeError(LAYER, 0, f"frame type {control & _TYPE}: expected beacon, data, ack or command")
    compressed = bool(control & _COMPRESSION)
    position = 3
    destination_pan, destination, position = _read_address(octets, position, control >> 10 & 3, None)
    if compressed and destination_pan is None:
        raise DecodeError(LAYER, 0, "PAN-id compression without a destination")
    implied = destination_pan if compressed else None
    source_pan, source, position = _read_address(octets, position, control >> 14 & 3, implied)
    if compressed and not source:
        raise DecodeError(LAYER, 0, "PAN-id compression without a source")
    return Frame(
        FrameType(control & _TYPE),
        octets[2],
        octets[position:],
        destination_pan,
        destination,
        source_pan,
        source,
        bool(control & _ACK),
        compressed,
        bool(control & _PENDING),
        version,
    )


def _read_address(octets: bytes, position: int, mode: int, pan: int | None) -> tuple[int | None, bytes, int]:
    if mode == 0:
        return None, b"", position
    length = _ADDRESS_LENGTH.get(mode)
    if length is None:
        raise DecodeError(LAYER, 0, "address mode 1 is reserved")
    start = position if pan is not None else position + 2
    end = start + length
    if end > len(octets):
        raise DecodeError(LAYER, len(octets), f"the address ends at octet {end}, the frame has {len(octets)}")
    if pan is None:
        pan = octets[position] | octets[position + 1] << 8
    return pan, octets[start:end][::-1], end


def encode(frame: Frame) -> bytes:
    """Octets of a frame without its frame check sequence, for which 2 of the 127 octets stay free.

    Raises EncodeError for values that do not fit.
    """
    _check(0 <= frame.sequence <= 0xFF, f"sequence {frame.sequence} is not 0 to 255")
    _check(frame.version in (0, 1), f"frame version {frame.version} is not 0 or 1")
    control = frame.frame_type | frame.version << 12
    control |= _PENDING * frame.pending | _ACK * frame.ack_request | _COMPRESSION * frame.pan_compression
    if frame.pan_compression:
        both = bool(frame.destination and frame.source)
        _check(both and frame.source_pan == frame.destination_pan, "PAN-id compression needs two addresses of one PAN")
    addresses = b""
    for shift, pan, address in ((10, frame.destination_pan, frame.destination), (14, frame.source_pan, frame.source)):
        _check(len(address) in _ADDRESS_MODE, f"an address has 2 or 8 octets, got {len(address)}")
        _check((pan is None) == (not address), "a PAN identifier and an address go together")
        control |= _ADDRESS_MODE[len(address)] << shift
        if pan is not None:
            _check(0 <= pan <= 0xFFFF, f"PAN identifier {pan:#x} is not 16 bits")
            if shift == 10 or not frame.pan_compression:
                addresses += pan.to_bytes(2, "little")
            addresses += address[::-1]
    octets = control.to_bytes(2, "little") + bytes((frame.sequence,)) + addresses + frame.payload
    _check(len(octets) + 2 <= MAX_FRAME, f"{len(octets) + 2} octets with the check sequence, {MAX_FRAME} go on air")
    return octets


def _check(condition: bool, reason: str) -> None:
    if not condition:
        raise EncodeError(LAYER, reason)


# ---------------------------------------------------------------- frame check sequence


def _fcs_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0x8408 * (value & 1)
        table.append(value)
    return tuple(table)


_FCS = _fcs_table()


def fcs(octets: bytes) -> int:
    """The frame check sequence: CRC-16/KERMIT (polynomial 8408 reflected, initial value 0), facts/gbcs.md 12.4."""
    crc = 0
    for octet in octets:
        crc = crc >> 8 ^ _FCS[(crc ^ octet) & 0xFF]
    return crc


def append_fcs(octets: bytes) -> bytes:
    """The frame as it goes on air."""
    return octets + fcs(octets).to_bytes(2, "little")


def strip_fcs(octets: bytes) -> bytes:
    """The frame without its check sequence; DecodeError when that is wrong."""
    if len(octets) < 2:
        raise DecodeError(LAYER, len(octets), "no room for a frame check sequence")
    expected, got = fcs(octets[:-2]), int.from_bytes(octets[-2:], "little")
    if expected != got:
        raise DecodeError(LAYER, len(octets) - 2, f"frame check sequence: expected {expected:04x}, got {got:04x}")
    return octets[:-2]


# ---------------------------------------------------------------- beacon


@dataclass(frozen=True, slots=True)
class Beacon:
    """The payload of a beacon frame: superframe specification and what the network layer put behind it.

    A Zigbee network sends no superframes, so both orders are 15.  Guaranteed time slots and pending addresses are
    not used by Zigbee and refused.
    """

    payload: bytes
    pan_coordinator: bool = True
    association_permit: bool = False
    beacon_order: int = 15
    superframe_order: int = 15
    final_cap_slot: int = 15
    battery_extension: bool = False


def decode_beacon(payload: bytes) -> Beacon:
    """Read the payload of a beacon frame.  Raises DecodeError."""
    if len(payload) < 4:
        raise DecodeError(LAYER, len(payload), f"a beacon has at least 4 octets of payload, got {len(payload)}")
    word = payload[0] | payload[1] << 8
    if word & 0x2000:
        raise DecodeError(LAYER, 1, "reserved bit of the superframe specification is set")
    if payload[2] or payload[3]:
        raise DecodeError(LAYER, 2, "guaranteed time slots and pending addresses are not used by Zigbee")
    return Beacon(
        payload[4:],
        bool(word & 0x4000),
        bool(word & 0x8000),
        word & 15,
        word >> 4 & 15,
        word >> 8 & 15,
        bool(word & 0x1000),
    )


def encode_beacon(beacon: Beacon) -> bytes:
    """The payload of a beacon frame.  Raises EncodeError."""
    orders = (beacon.beacon_order, beacon.superframe_order, beacon.final_cap_slot)
    _check(all(0 <= order <= 15 for order in orders), f"beacon orders {orders} are not 0 to 15")
    word = orders[0] | orders[1] << 4 | orders[2] << 8
    word |= 0x1000 * beacon.battery_extension | 0x4000 * beacon.pan_coordinator | 0x8000 * beacon.association_permit
    return word.to_bytes(2, "little") + b"\0\0" + beacon.payload


# ---------------------------------------------------------------- MAC commands


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """Command 01.  ``capability``: bit 1 router, 2 mains, 3 receiver on when idle, 7 allocate an address."""

    capability: int


@dataclass(frozen=True, slots=True)
class AssociationResponse:
    """Command 02: the short address given (FFFF when refused); status 0 success, 1 PAN at capacity, 2 denied."""

    address: bytes
    status: int = 0


@dataclass(frozen=True, slots=True)
class Disassociation:
    """Command 03.  Reason 1: the coordinator wishes it, 2: the device wishes to leave."""

    reason: int


@dataclass(frozen=True, slots=True)
class DataRequest:
    """Command 04: a sleepy device asks its parent for what waits."""


@dataclass(frozen=True, slots=True)
class BeaconRequest:
    """Command 07: the active scan."""


@dataclass(frozen=True, slots=True)
class Command:
    """Any other MAC command, its content left as octets."""

    identifier: int
    content: bytes = b""


MacCommand = AssociationRequest | AssociationResponse | Disassociation | DataRequest | BeaconRequest | Command

_CONTENT_LENGTH = {1: 1, 2: 3, 3: 1, 4: 0, 7: 0}


def decode_command(payload: bytes) -> MacCommand:
    """Read the payload of a command frame.  Raises DecodeError."""
    if not payload:
        raise DecodeError(LAYER, 0, "a command frame without a command identifier")
    identifier, content = payload[0], payload[1:]
    expected = _CONTENT_LENGTH.get(identifier)
    if expected is None:
        return Command(identifier, content)
    if len(content) != expected:
        raise DecodeError(LAYER, 1, f"MAC command {identifier:02x}: expected {expected} octets, got {len(content)}")
    match identifier:
        case 1:
            return AssociationRequest(content[0])
        case 2:
            return AssociationResponse(content[1::-1], content[2])
        case 3:
            return Disassociation(content[0])
        case 4:
            return DataRequest()
    return BeaconRequest()


def encode_command(command: MacCommand) -> bytes:
    """The payload of a command frame.  Raises EncodeError."""
    match command:
        case AssociationRequest(capability):
            numbers = [1, capability]
        case AssociationResponse(address, status):
            _check(len(address) == 2, f"a short address has 2 octets, got {len(address)}")
            numbers = [2, address[1], address[0], status]
        case Disassociation(reason):
            numbers = [3, reason]
        case DataRequest():
            numbers = [4]
        case BeaconRequest():
            numbers = [7]
        case Command(identifier, content):
            _check(identifier not in _CONTENT_LENGTH, f"MAC command {identifier:02x} has a class of its own")
            numbers = [identifier, *content]
    _check(all(0 <= number <= 0xFF for number in numbers), f"{command} has a field outside 0 to 255")
    return bytes(numbers)
