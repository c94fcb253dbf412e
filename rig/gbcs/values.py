"""Values inside payloads as JSON types that read well: DLMS data, ZCL fields and attributes, ASN.1 elements.

Must not live here: which object or use case a value belongs to (``words``), text layout (``layout``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from struct import unpack
from typing import Any

from devices.trust import certificates
from devices.trust.errors import BadCertificate
from devices.wire import asn1_typed, gbz_typed, zcl_fields
from devices.wire.asn1 import Node
from devices.wire.axdr import BitString, CompactArray, Data, Tag
from devices.wire.gbz_typed import (
    AttributeRecord,
    Command,
    DefaultResponse,
    ReadAttributes,
    ReadAttributesResponse,
    ReportAttributes,
    Sealed,
    Unread,
    WriteAttributes,
    WriteAttributesResponse,
)
from devices.wire.zcl_general import STATUSES
from devices.wire.zcl_types import TYPES

__all__ = ["asn1_node", "asn1_view", "certificate", "date_time", "dlms_value", "readable", "zcl_body", "zigbee_time"]

Value = dict[str, Any]

_ZIGBEE_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_STRINGS = (Tag.VISIBLE_STRING, Tag.UTF8_STRING)
_STRUCTURE = 0x4C  # ZCL's code of a structure


def readable(octets: bytes) -> str | None:
    """The text that octets are, where all of them print."""
    text = octets.decode("ascii", "replace")
    return text if octets and all(" " <= character <= "~" for character in text) else None


def date_time(octets: bytes) -> str:
    """A COSEM date-time of 12 octets; parts not specified are written as ``*``, anything else as hexadecimal."""
    if len(octets) != 12:
        return octets.hex()
    year, month, day, _, hour, minute, second, _, deviation, status = unpack(">HBBBBBBBhB", octets)
    parts = [("*" if part == missing else f"{part:0{width}d}") for part, missing, width in (
        (year, 0xFFFF, 4), (month, 0xFF, 2), (day, 0xFF, 2), (hour, 0xFF, 2), (minute, 0xFF, 2), (second, 0xFF, 2)
    )]  # fmt: skip
    text = "{}-{}-{} {}:{}:{}".format(*parts)
    if deviation not in (-0x8000, 0):
        text += f" deviation {deviation} min"
    return text if status in (0, 0xFF) else f"{text} (clock status {status:02X})"


def zigbee_time(seconds: int) -> str:
    """A Zigbee UTCTime: seconds since 2000-01-01."""
    if seconds in (0, 0xFFFFFFFF):
        return "now" if seconds == 0 else "never"
    return f"{_ZIGBEE_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}Z"


# ------------------------------------------------------------------------------------------------------------ DLMS


def dlms_value(data: Data, names: Sequence[str] = ()) -> Value:
    """One DLMS value: ``{"type", "value"}`` and, where it says more, ``"text"``.

    ``names`` are those of a structure's elements where the use case lists as many.
    """
    tag, value = data.tag, data.value
    kind = Tag(tag).name.lower().replace("_", "-")
    if isinstance(value, CompactArray):
        return {"type": kind, "value": [dlms_value(row) for row in value.rows]}
    if isinstance(value, tuple):
        elements = [dlms_value(element) for element in value]
        if tag == Tag.STRUCTURE and len(names) == len(elements):
            for element, name in zip(elements, names, strict=True):
                element["name"] = name
        return {"type": kind, "value": elements}
    if isinstance(value, BitString):
        bits = bin(int.from_bytes(b"\x01" + value.octets, "big"))[3:]
        return {"type": kind, "value": bits[: value.length]}
    if isinstance(value, bytes):
        return _octets(kind, tag, value)
    if tag == Tag.BOOLEAN:
        return {"type": kind, "value": bool(value)}
    if tag in (Tag.LONG64, Tag.LONG64_UNSIGNED):
        return {"type": kind, "value": str(value)}  # more than the 53 bits that a number of JavaScript keeps
    return {"type": kind, "value": value}


def _octets(kind: str, tag: int, value: bytes) -> Value:
    entry: Value = {"type": kind, "value": value.hex()}
    if tag == Tag.DATE_TIME or (tag == Tag.OCTET_STRING and len(value) == 12 and _dates(value)):
        entry["text"] = date_time(value)
    elif (text := readable(value)) is not None and (tag in _STRINGS or len(value) > 2):
        entry["text"] = repr(text)
    return entry


def _dates(octets: bytes) -> bool:
    """Whether 12 octets are plausibly a date-time: GBCS carries them as octet-strings."""
    month, day, hour, minute, second = octets[2], octets[3], octets[5], octets[6], octets[7]
    in_range = (
        month in (0xFF, *range(1, 13)),
        day in (0xFF, *range(1, 32)),
        hour in (0xFF, *range(24)),
        minute in (0xFF, *range(60)),
        second in (0xFF, *range(60)),
        octets[9:11] == b"\x80\x00" or -720 <= int.from_bytes(octets[9:11], "big", signed=True) <= 720,
    )
    return all(in_range)


# ------------------------------------------------------------------------------------------------------------ ZCL


def zcl_body(body: gbz_typed.Body, names: Mapping[int, str]) -> list[Value]:
    """The fields of a cluster's own command, or attributes and statuses; ``names`` are those of the attributes."""
    match body:
        case Command():
            layout = zcl_fields.layout_of(body.cluster, body.to_client, body.command)
            return _fields(body.fields, layout.kinds if layout is not None else {})
        case ReadAttributes(attributes):
            return [{"name": _attribute(number, names)} for number in attributes]
        case ReadAttributesResponse(records):
            return [_record(record, names) for record in records]
        case WriteAttributes(records) | ReportAttributes(records):
            return [
                {"name": _attribute(record.attribute, names)} | _typed(record.type, record.value) for record in records
            ]
        case WriteAttributesResponse(records):
            return [
                {
                    "name": "all" if record.attribute is None else _attribute(record.attribute, names),
                    **_status(record.status),
                }
                for record in records
            ]
        case DefaultResponse(command, status):
            return [{"name": f"command {command:02X}", **_status(status)}]
        case Unread(command, _, _):
            return [] if command is None else zcl_body(command, names)
        case Sealed():
            return []


def _fields(fields: zcl_fields.Fields, kinds: Mapping[str, str]) -> list[Value]:
    found: list[Value] = []
    for name, value in fields:
        if isinstance(value, tuple):
            rows: list[Value] = [{"type": "record", "value": _fields(row, kinds)} for row in value]
            found.append({"name": name, "type": "list", "value": rows})
        else:
            simple = _simple(kinds.get(name, ""), value)
            if kinds.get(name) == "uint48" or name in _SAMPLES:
                simple |= _no_value(kinds[name], value)
            found.append({"name": name, "type": kinds.get(name, ""), **simple})
    return found


_SAMPLES = ("Sample",)  # of a profile; registers are uint48, other numbers of all ones mean what their field says
_LONG = ("data56", "data64", "bitmap56", "bitmap64", "uint56", "uint64", "int56", "int64")  # above 53 bits


def _no_value(kind: str, value: object) -> Value:
    """What ZCL means by the one value of a number type that is no value: all ones, the least one of signed types."""
    word = kind.rstrip("0123456789")
    if word not in ("uint", "int", "enum"):
        return {}
    bits = int(kind.removeprefix(word))
    none = -(1 << bits - 1) if word == "int" else (1 << bits) - 1
    return {"text": "not captured"} if value == none else {}


def _simple(kind: str, value: object) -> Value:
    """One value; octets as hexadecimal digits, and in ``text`` what they or a time mean."""
    if isinstance(value, bytes):
        text = readable(value) if kind != "date" else _zcl_date(value)
        return {"value": value.hex()} | ({} if text is None else {"text": text if kind == "date" else repr(text)})
    if isinstance(value, str):
        octets = value.encode("utf-8", "surrogateescape")
        return {"value": octets.hex(), "text": repr(value)}
    if kind == "utc" and isinstance(value, int):
        return {"value": value, "text": zigbee_time(value)}
    return {"value": str(value) if kind in _LONG else value}


def _zcl_date(octets: bytes) -> str:
    """A ZCL date: years since 1900, month, day, day of the week; ``*`` for what is left open."""
    year, month, day, weekday = octets
    parts = [
        "*" if year == 0xFF else str(1900 + year),
        *("*" if part == 0xFF else f"{part:02}" for part in (month, day)),
    ]
    return "-".join(parts) + ("" if weekday == 0xFF else f", day {weekday} of the week")


def _attribute(number: int, names: Mapping[int, str]) -> str:
    return names.get(number, f"attribute {number:04X}")


def _status(status: int) -> Value:
    return {"value": status, "text": STATUSES.get(status, f"status {status:02X}")}


def _record(record: AttributeRecord, names: Mapping[int, str]) -> Value:
    entry: Value = {"name": _attribute(record.attribute, names)}
    return entry | (_status(record.status) if record.type is None else _typed(record.type, record.value))


def _typed(code: int, value: object) -> Value:
    """A value of an attribute's type; the elements of compound ones below each other."""
    if isinstance(value, tuple):
        pairs = value if code == _STRUCTURE else [(value[0], element) for element in value[1]]
        return {"type": "list", "value": [_typed(inner, element) for inner, element in pairs]}
    kind = TYPES.get(code)
    if kind is None:
        return {"type": f"type {code:02X}"} | _simple("", value)
    return {"type": kind.name} | _simple(kind.name, value) | _no_value(kind.name, value)


# ------------------------------------------------------------------------------------------------------------ ASN.1

_SHORTEST_CERTIFICATE = 200
_COUNTERS = ("counter", "floor", "seq_number", "authorising_seq_number")  # numbers of 64 bits


def asn1_view(view: object) -> list[Value]:
    """The fields of an ASN.1 payload by their names, nested as the payload is; absent ones are left out."""
    if not is_dataclass(view):
        return []
    found = []
    for field in fields(view):
        value = getattr(view, field.name)
        if value is not None:
            entry: Value = {"value": str(value)} if field.name in _COUNTERS else _asn1_field(value)
            found.append({"name": field.name.replace("_", " ")} | entry)
    return found


_ASN1_TAGS = {
    0x01: "boolean", 0x02: "integer", 0x03: "bit string", 0x04: "octet string", 0x05: "null",
    0x06: "object identifier", 0x0A: "enumerated", 0x0C: "text", 0x13: "text", 0x17: "time", 0x18: "time",
    0x30: "sequence", 0x31: "set",
}  # fmt: skip


def asn1_node(node: Node) -> Value:
    """An element of which nobody knows what it means: its tag, and its contents or the elements in it."""
    kind = _ASN1_TAGS.get(node.tag, f"element {node.tag:02X}")
    if node.tag & 0x20:
        return {"type": kind, "value": [asn1_node(child) for child in node.children]}
    if node.tag in (0x02, 0x0A) and 0 < len(node.octets) <= 8:
        return {"type": kind, "value": str(int.from_bytes(node.octets, "big", signed=True))}
    text = readable(node.octets)
    return {"type": kind, "value": node.octets.hex()} | _text(None if text is None else repr(text))


def _asn1_field(value: object) -> Value:
    if isinstance(value, tuple):
        return {"type": "list", "value": [_asn1_field(element) for element in value]}
    if is_dataclass(value):
        return {"type": "record", "value": asn1_view(value)}
    if isinstance(value, bytes):
        if len(value) >= _SHORTEST_CERTIFICATE:
            return {"type": "certificate", "value": value.hex()} | _text(certificate(value))
        return {"value": value.hex()}
    if isinstance(value, datetime):
        return {"value": f"{value:%Y-%m-%d %H:%M:%S}Z"}
    if isinstance(value, asn1_typed.KeyUsage):
        return {"value": int(value), "text": " and ".join((one.name or "").lower().replace("_", " ") for one in value)}
    return {"value": value}


def _text(text: str | None) -> Value:
    return {} if text is None else {"text": text}


def certificate(octets: bytes) -> str | None:
    """Whose certificate DER octets are, of which use and time; None where they are none."""
    try:
        found = certificates.parse(octets)
    except BadCertificate:
        return None
    who = found.eui.hex("-").upper() if found.eui is not None else found.issuer
    role = certificates.role_name(found.role)
    usage = found.usage.name.lower().replace("_", " ")
    return f"{role} {who}, {usage}, {found.not_before:%Y-%m-%d} to {found.not_after:%Y-%m-%d}, key {found.ski.hex()}"
