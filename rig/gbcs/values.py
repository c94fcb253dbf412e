"""Values inside payloads as JSON types that read well: DLMS data, ZCL fields and attributes, ASN.1 elements.

Must not live here: which object or use case a value belongs to (``words``), text layout (``layout``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from struct import unpack
from typing import Any

from devices.trust import certificates
from devices.trust.errors import BadCertificate
from devices.wire import asn1
from devices.wire.axdr import BitString, CompactArray, Data, Tag
from devices.wire.errors import DecodeError

__all__ = ["asn1_value", "date_time", "dlms_value", "readable", "zcl_attributes", "zcl_fields", "zigbee_time"]

Value = dict[str, Any]

_ZIGBEE_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_STRINGS = (Tag.VISIBLE_STRING, Tag.UTF8_STRING)


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

# Types of the use-case table: octets and what to do with them ("B": number, "T": time); strings carry their own length.
_FIELD_TYPES: dict[str, tuple[int, str]] = {
    "ENUM8": (1, "B"), "UINT8": (1, "B"), "BITMAP8": (1, "B"), "BITMAP8 (NIBBLES)": (1, "B"), "UINT16": (2, "B"),
    "BITMAP16": (2, "B"), "UINT24": (3, "B"), "UINT32": (4, "B"), "BITMAP32": (4, "B"), "UINT48": (6, "B"),
    "INT32": (4, "I"), "UTCTime": (4, "T"), "UTCtime": (4, "T"), "OCTETSTRING": (0, "S"), "CHARSTRING": (0, "S"),
}  # fmt: skip
# Attribute types of the Zigbee Cluster Library.
_ATTRIBUTE_TYPES: dict[int, tuple[int, str]] = {
    0x08: (1, "B"), 0x10: (1, "B"), 0x18: (1, "B"), 0x19: (2, "B"), 0x1A: (3, "B"), 0x1B: (4, "B"), 0x1D: (6, "B"),
    0x20: (1, "B"), 0x21: (2, "B"), 0x22: (3, "B"), 0x23: (4, "B"), 0x24: (5, "B"), 0x25: (6, "B"), 0x27: (8, "B"),
    0x28: (1, "I"), 0x29: (2, "I"), 0x2A: (3, "I"), 0x2B: (4, "I"), 0x2F: (8, "I"), 0x30: (1, "B"), 0x31: (2, "B"),
    0x41: (0, "S"), 0x42: (0, "S"), 0xE2: (4, "T"),
}  # fmt: skip
_ZCL_STATUS = {0x00: "success", 0x01: "failure", 0x7E: "not authorised", 0x80: "malformed command",
    0x81: "unsupported cluster command", 0x82: "unsupported general command", 0x85: "invalid field",
    0x86: "unsupported attribute", 0x87: "invalid value", 0x88: "read only", 0x89: "insufficient space",
    0x8B: "not found", 0x8D: "invalid data type", 0xC0: "hardware failure",
}  # fmt: skip


def _read_zcl(octets: bytes, position: int, size: int, how: str) -> tuple[Value, int]:
    """One ZCL value.  Raises IndexError where the octets end inside it."""
    if how == "S":
        end = position + 1 + octets[position]
        octets[end - 1]
        text = readable(octets[position + 1 : end])
        entry: Value = {"value": octets[position + 1 : end].hex()}
        return (entry if text is None else entry | {"text": repr(text)}), end
    end = position + size
    octets[end - 1]
    number = int.from_bytes(octets[position:end], "little", signed=how == "I")
    return ({"value": number, "text": zigbee_time(number)} if how == "T" else {"value": number}), end


def zcl_fields(octets: bytes, fields: Sequence[Mapping[str, Any]]) -> list[Value]:
    """The fields of a cluster command as the use-case table lists them; what it doesn't explain follows as octets."""
    found: list[Value] = []
    position = 0
    try:
        for field in fields:
            kind = _FIELD_TYPES.get(field.get("type") or "")
            if kind is None or position == len(octets):
                break
            value, position = _read_zcl(octets, position, *kind)
            found.append({"name": field["name"], "type": field["type"], **value})
    except IndexError:
        found.append({"name": "cut short", "value": octets[position:].hex()})
        return found
    if position < len(octets):
        found.append({"name": "further octets", "value": octets[position:].hex()})
    return found


def zcl_attributes(command: int, octets: bytes, names: Mapping[int, str]) -> list[Value] | None:
    """The attributes of Read Attributes (00) and its response (01), the statuses of a Default Response (0B).

    None where the command is another one or the octets are not what it says.
    """
    try:
        if command == 0x00 and len(octets) % 2 == 0:
            ids = [int.from_bytes(octets[at : at + 2], "little") for at in range(0, len(octets), 2)]
            return [{"name": names.get(number, f"attribute {number:04X}")} for number in ids]
        if command == 0x01:
            return _attribute_records(octets, names)
        if command == 0x0B and len(octets) == 2:
            status = _ZCL_STATUS.get(octets[1], f"status {octets[1]:02X}")
            return [{"name": f"command {octets[0]:02X}", "value": octets[1], "text": status}]
    except IndexError:
        return None
    return None


def _attribute_records(octets: bytes, names: Mapping[int, str]) -> list[Value] | None:
    found: list[Value] = []
    position = 0
    while position < len(octets):
        number = octets[position] | octets[position + 1] << 8
        entry: Value = {"name": names.get(number, f"attribute {number:04X}")}
        status = octets[position + 2]
        position += 3
        if status:
            found.append(entry | {"value": status, "text": _ZCL_STATUS.get(status, f"status {status:02X}")})
            continue
        kind = _ATTRIBUTE_TYPES.get(octets[position])
        if kind is None:
            return None
        value, position = _read_zcl(octets, position + 1, *kind)
        found.append(entry | value)
    return found


# ------------------------------------------------------------------------------------------------------------ ASN.1

_CLASSES = ("universal", "application", "context", "private")
_SHORTEST_CERTIFICATE = 200


def asn1_value(node: asn1.Node) -> Value:
    """An ASN.1 element as a tree: ``{"tag", "elements"}`` or ``{"tag", "value"}``, certificates in one line."""
    if node.tag == asn1.Tag.SEQUENCE and len(node.children) == 3 and (text := _certificate(node)) is not None:
        return {"tag": "Certificate", "text": text, "value": asn1.encode(node).hex()}
    tag = _tag_name(node.tag)
    if node.tag & 0x20:
        return {"tag": tag, "elements": [asn1_value(child) for child in node.children]}
    entry: Value = {"tag": tag, "value": node.octets.hex()}
    try:
        if node.tag in (asn1.Tag.INTEGER, asn1.Tag.ENUMERATED):
            entry["text"] = str(asn1.to_integer(node, node.tag))
        elif node.tag == asn1.Tag.OBJECT_IDENTIFIER:
            entry["text"] = asn1.to_oid(node)
        elif node.tag == asn1.Tag.GENERALIZED_TIME:
            entry["text"] = f"{asn1.to_generalized_time(node):%Y-%m-%d %H:%M:%S}Z"
        elif node.tag not in (asn1.Tag.BIT_STRING, asn1.Tag.NULL) and (text := readable(node.octets)) is not None:
            entry["text"] = repr(text)
    except DecodeError:
        entry["text"] = "not in the form that its tag asks for"
    return entry


def _tag_name(tag: int) -> str:
    try:
        return asn1.Tag(tag).name.replace("_", " ")
    except ValueError:
        return f"{_CLASSES[tag >> 6]} {tag & 0x1F}"


def _certificate(node: asn1.Node) -> str | None:
    octets = asn1.encode(node)
    if len(octets) < _SHORTEST_CERTIFICATE:
        return None
    try:
        found = certificates.parse(octets)
    except BadCertificate:
        return None
    who = found.eui.hex("-").upper() if found.eui is not None else found.issuer
    role = certificates.role_name(found.role)
    usage = found.usage.name.lower().replace("_", " ")
    return f"{role} {who}, {usage}, {found.not_before:%Y-%m-%d} to {found.not_after:%Y-%m-%d}, key {found.ski.hex()}"
