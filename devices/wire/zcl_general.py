"""The ZCL commands that all clusters share: attributes read, written and reported, and the default response.

Layouts of one cluster's own commands are in ``zcl_fields``.  Source: Zigbee Cluster Library, general commands.
"""

from __future__ import annotations

from struct import Struct, unpack_from
from typing import NamedTuple

from devices.wire.errors import DecodeError, EncodeError
from devices.wire.zcl_types import read_typed, write_typed

__all__ = [
    "DEFAULT_RESPONSE",
    "STATUSES",
    "AttributeRecord",
    "AttributeStatus",
    "AttributeValue",
    "DefaultResponse",
    "General",
    "ReadAttributes",
    "ReadAttributesResponse",
    "ReportAttributes",
    "WriteAttributes",
    "WriteAttributesResponse",
    "read",
    "write",
]

_LAYER = "zcl"
_SUCCESS = 0x00
_RECORD = Struct("<HB")

READ, READ_RESPONSE, WRITE, WRITE_UNDIVIDED, WRITE_RESPONSE, WRITE_NO_RESPONSE = range(6)
REPORT, DEFAULT_RESPONSE = 0x0A, 0x0B

STATUSES = {
    0x00: "success", 0x01: "failure", 0x7E: "not authorised", 0x80: "malformed command",
    0x81: "unsupported cluster command", 0x82: "unsupported general command",
    0x83: "unsupported manufacturer's cluster command", 0x84: "unsupported manufacturer's general command",
    0x85: "invalid field", 0x86: "unsupported attribute", 0x87: "invalid value", 0x88: "read only",
    0x89: "insufficient space", 0x8A: "duplicate exists", 0x8B: "not found", 0x8C: "unreportable attribute",
    0x8D: "invalid data type", 0x8E: "invalid selector", 0x8F: "write only", 0x94: "time-out", 0x95: "abort",
    0x97: "wait for data", 0xC0: "hardware failure", 0xC1: "software failure", 0xC3: "unsupported cluster",
}  # fmt: skip
"""ZCL statuses in words (Zigbee Cluster Library, status enumeration)."""


class AttributeRecord(NamedTuple):
    """The answer for one attribute: its status, and with success (0) its type code and value."""

    attribute: int
    status: int
    type: int | None = None
    value: object = None


class AttributeValue(NamedTuple):
    """An attribute with its type code and value, as ``zcl_types`` has values."""

    attribute: int
    type: int
    value: object


class AttributeStatus(NamedTuple):
    """How writing an attribute went; ``attribute`` is None in the one record that says all went well."""

    status: int
    attribute: int | None = None


class ReadAttributes(NamedTuple):
    """Command 00: read these attributes."""

    attributes: tuple[int, ...]


class ReadAttributesResponse(NamedTuple):
    """Command 01."""

    records: tuple[AttributeRecord, ...]


class WriteAttributes(NamedTuple):
    """Command 02; 03 if all must be written or none, 05 if no response is wanted."""

    records: tuple[AttributeValue, ...]
    command: int = WRITE


class WriteAttributesResponse(NamedTuple):
    """Command 04."""

    records: tuple[AttributeStatus, ...]


class ReportAttributes(NamedTuple):
    """Command 0A."""

    records: tuple[AttributeValue, ...]


class DefaultResponse(NamedTuple):
    """Command 0B: the command it answers and a status."""

    command: int
    status: int


General = (
    ReadAttributes
    | ReadAttributesResponse
    | WriteAttributes
    | WriteAttributesResponse
    | ReportAttributes
    | DefaultResponse
)


def read(command: int, payload: bytes) -> General:
    """The contents of a command that all clusters share.  Raises ``DecodeError``."""
    if command == READ:
        if len(payload) % 2:
            raise DecodeError(_LAYER, len(payload) - 1, "half an attribute number")
        return ReadAttributes(unpack_from(f"<{len(payload) // 2}H", payload))
    if command == READ_RESPONSE:
        return ReadAttributesResponse(_read_records(payload))
    if command in (WRITE, WRITE_UNDIVIDED, WRITE_NO_RESPONSE):
        return WriteAttributes(_read_values(payload), command)
    if command == WRITE_RESPONSE:
        return WriteAttributesResponse(_read_statuses(payload))
    if command == REPORT:
        return ReportAttributes(_read_values(payload))
    if command == DEFAULT_RESPONSE:
        if len(payload) != 2:
            raise DecodeError(_LAYER, 0, f"default response of {len(payload)} octets, expected 2")
        return DefaultResponse(payload[0], payload[1])
    raise DecodeError(_LAYER, 0, f"command {command:02X} of all clusters has no layout")


def _read_records(payload: bytes) -> tuple[AttributeRecord, ...]:
    records = []
    position, end = 0, len(payload)
    while position < end:
        if position + 3 > end:
            raise DecodeError(_LAYER, position, f"{end - position} octets of an attribute record")
        attribute, status = _RECORD.unpack_from(payload, position)
        position += 3
        if status != _SUCCESS:
            records.append(AttributeRecord(attribute, status))
            continue
        if position >= end:
            raise DecodeError(_LAYER, position, "an attribute record without its type")
        kind = payload[position]
        value, position = read_typed(kind, payload, position + 1, end)
        records.append(AttributeRecord(attribute, status, kind, value))
    return tuple(records)


def _read_values(payload: bytes) -> tuple[AttributeValue, ...]:
    records = []
    position, end = 0, len(payload)
    while position < end:
        if position + 3 > end:
            raise DecodeError(_LAYER, position, f"{end - position} octets of an attribute record")
        attribute, kind = _RECORD.unpack_from(payload, position)
        value, position = read_typed(kind, payload, position + 3, end)
        records.append(AttributeValue(attribute, kind, value))
    return tuple(records)


def _read_statuses(payload: bytes) -> tuple[AttributeStatus, ...]:
    if payload == b"\x00":
        return (AttributeStatus(_SUCCESS),)
    if len(payload) % 3:
        raise DecodeError(_LAYER, len(payload), "the statuses of attributes take three octets each")
    statuses = range(0, len(payload), 3)
    return tuple(AttributeStatus(payload[at], payload[at + 1] | payload[at + 2] << 8) for at in statuses)


def command_of(body: General) -> int:
    """The command number of a body."""
    return body.command if isinstance(body, WriteAttributes) else _COMMANDS[type(body)]


_COMMANDS: dict[type, int] = {
    ReadAttributes: READ,
    ReadAttributesResponse: READ_RESPONSE,
    WriteAttributesResponse: WRITE_RESPONSE,
    ReportAttributes: REPORT,
    DefaultResponse: DEFAULT_RESPONSE,
}


def write(body: General) -> bytes:
    """The payload of a command that all clusters share.  Raises ``EncodeError``."""
    try:
        match body:
            case ReadAttributes(attributes):
                return b"".join([number.to_bytes(2, "little") for number in attributes])
            case ReadAttributesResponse(records):
                return b"".join([_record(record) for record in records])
            case WriteAttributes(records) | ReportAttributes(records):
                return b"".join([_value(record) for record in records])
            case WriteAttributesResponse(records):
                return b"".join([_status(record, len(records)) for record in records])
            case DefaultResponse(command, status):
                return bytes((command, status))
    except (OverflowError, ValueError) as cause:
        if isinstance(cause, EncodeError):
            raise
        raise EncodeError(_LAYER, f"{type(body).__name__}: {cause}") from None
    raise EncodeError(_LAYER, f"{type(body).__name__} is no command of all clusters")


def _record(record: AttributeRecord) -> bytes:
    head = record.attribute.to_bytes(2, "little") + bytes((record.status,))
    if record.status != _SUCCESS:
        if record.type is not None or record.value is not None:
            raise EncodeError(_LAYER, f"attribute {record.attribute:04X} has a value and status {record.status:02X}")
        return head
    if record.type is None:
        raise EncodeError(_LAYER, f"attribute {record.attribute:04X} has no type")
    return head + bytes((record.type,)) + write_typed(record.type, record.value)


def _value(record: AttributeValue) -> bytes:
    return record.attribute.to_bytes(2, "little") + bytes((record.type,)) + write_typed(record.type, record.value)


def _status(record: AttributeStatus, count: int) -> bytes:
    if record.attribute is None:
        if count != 1 or record.status != _SUCCESS:
            raise EncodeError(_LAYER, "a status without an attribute stands alone and means success")
        return b"\x00"
    return bytes((record.status,)) + record.attribute.to_bytes(2, "little")
