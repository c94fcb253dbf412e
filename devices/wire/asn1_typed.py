"""The ASN.1 payloads of some use cases as typed objects, from and to the tree of ``asn1``.

The tree reads every ASN.1 payload; a view here says what its elements mean.  Credentials (CS02a, CS02b and their like)
have none yet.  Certificates stay DER octets.

Shapes: facts/gbcs.md 3.4 and 5.3 to 5.6, use-cases.json (``asn1``).  No message of the open corpus is a CS06.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from devices.wire import asn1
from devices.wire.asn1 import Node, Tag
from devices.wire.errors import DecodeError
from devices.wire.gbcs import CRA

__all__ = [
    "VIEWS",
    "ActivateFirmware",
    "ActivationResult",
    "ClockResult",
    "ClockWindow",
    "Device",
    "DeviceLog",
    "DeviceLogRequest",
    "Join",
    "ResponseCode",
    "Unjoin",
    "View",
    "view",
]

_LAYER = "asn1"


class View(Protocol):
    """What all views can do.  ``from_node`` raises ``DecodeError`` for a tree of another shape."""

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read the tree of a payload."""
        ...

    def to_node(self) -> Node:
        """Build the tree; its lengths are the shortest."""
        ...


def _sequence(node: Node, fewest: int, most: int | None = None) -> tuple[Node, ...]:
    """The elements of a SEQUENCE, of which there must be ``fewest`` to ``most`` (None: no limit)."""
    if node.tag != Tag.SEQUENCE:
        raise DecodeError(_LAYER, node.offset, f"element {node.tag:02x}, expected a SEQUENCE, 30")
    count = len(node.children)
    if count < fewest or (most is not None and count > most):
        raise DecodeError(_LAYER, node.offset, f"SEQUENCE of {count} elements, expected {fewest} to {most or 'any'}")
    return node.children


def _null(node: Node) -> None:
    if node.tag != Tag.NULL or node.octets:
        raise DecodeError(_LAYER, node.offset, f"element {node.tag:02x} of {len(node.octets)} octets, expected NULL")


@dataclass(frozen=True, slots=True)
class ClockWindow:
    """GCS28 command: the meter takes the hub's time if that lies between ``start`` and ``end``."""

    start: datetime
    end: datetime

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """SEQUENCE{GeneralizedTime, GeneralizedTime}."""
        start, end = _sequence(node, 2, 2)
        return cls(asn1.to_generalized_time(start), asn1.to_generalized_time(end))

    def to_node(self) -> Node:
        """SEQUENCE{GeneralizedTime, GeneralizedTime}."""
        return asn1.sequence(asn1.generalized_time(self.start), asn1.generalized_time(self.end))


@dataclass(frozen=True, slots=True)
class ClockResult:
    """GCS28 response: the meter's time and its status, 0 reliable, 1 invalid, 2 unreliable."""

    device_time: datetime
    status: int

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """SEQUENCE{GeneralizedTime, INTEGER}."""
        time, status = _sequence(node, 2, 2)
        return cls(asn1.to_generalized_time(time), asn1.to_integer(status))

    def to_node(self) -> Node:
        """SEQUENCE{GeneralizedTime, INTEGER}."""
        return asn1.sequence(asn1.generalized_time(self.device_time), asn1.integer(self.status))


@dataclass(frozen=True, slots=True)
class Join:
    """CS03x command: add ``device`` (EUI-64) of ``device_type`` by ``method`` (0 A initiator, 1 A responder, 2 B, 3 C).

    ``certificate`` is the key agreement certificate of the other device, DER, with method C.
    """

    method: int
    device: bytes
    device_type: int
    certificate: bytes | None = None

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """SEQUENCE{INTEGER, OCTET STRING(8), INTEGER [, Certificate]}."""
        method, device, device_type, *rest = _sequence(node, 3, 4)
        certificate = None
        if rest:
            _sequence(rest[0], 3, 3)
            certificate = asn1.encode(rest[0])
        return cls(asn1.to_integer(method), asn1.to_octet_string(device, 8), asn1.to_integer(device_type), certificate)

    def to_node(self) -> Node:
        """SEQUENCE{INTEGER, OCTET STRING(8), INTEGER [, Certificate]}."""
        fields = [asn1.integer(self.method), asn1.octet_string(self.device), asn1.integer(self.device_type)]
        if self.certificate is not None:
            fields.append(asn1.decode(self.certificate))
        return asn1.sequence(*fields)


@dataclass(frozen=True, slots=True)
class Unjoin:
    """CS04x command: remove ``device`` (EUI-64) from the device log."""

    device: bytes

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """OCTET STRING(8)."""
        return cls(asn1.to_octet_string(node, 8))

    def to_node(self) -> Node:
        """OCTET STRING(8)."""
        return asn1.octet_string(self.device)


@dataclass(frozen=True, slots=True)
class ResponseCode:
    """The response of CS02d, CS03x and CS04x: 0 is success; the other codes are each use case's own."""

    code: int

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """INTEGER."""
        return cls(asn1.to_integer(node))

    def to_node(self) -> Node:
        """INTEGER."""
        return asn1.integer(self.code)


@dataclass(frozen=True, slots=True)
class DeviceLogRequest:
    """CS07 command: read the device log."""

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """NULL."""
        _null(node)
        return cls()

    def to_node(self) -> Node:
        """NULL."""
        return asn1.null()


@dataclass(frozen=True, slots=True)
class Device:
    """An entry of a device log.  Types: 0 GSME, 1 ESME, 2 CHF, 3 GPF, 4 HCALCS, 5 PPMID, 6 type 2 device."""

    device: bytes
    device_type: int


@dataclass(frozen=True, slots=True)
class DeviceLog:
    """CS07 response: 0 success or 1 read failure, and the entries (None where the list is absent)."""

    code: int
    devices: tuple[Device, ...] | None = None

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """SEQUENCE{INTEGER [, SEQUENCE OF SEQUENCE{OCTET STRING(8), INTEGER}]}."""
        code, *rest = _sequence(node, 1, 2)
        if not rest:
            return cls(asn1.to_integer(code))
        pairs = [_sequence(entry, 2, 2) for entry in _sequence(rest[0], 0)]
        entries = tuple(Device(asn1.to_octet_string(device, 8), asn1.to_integer(kind)) for device, kind in pairs)
        return cls(asn1.to_integer(code), entries)

    def to_node(self) -> Node:
        """SEQUENCE{INTEGER [, SEQUENCE OF SEQUENCE{OCTET STRING(8), INTEGER}]}."""
        if self.devices is None:
            return asn1.sequence(asn1.integer(self.code))
        entries = [
            asn1.sequence(asn1.octet_string(entry.device), asn1.integer(entry.device_type)) for entry in self.devices
        ]
        return asn1.sequence(asn1.integer(self.code), asn1.sequence(*entries))


@dataclass(frozen=True, slots=True)
class ActivateFirmware:
    """CS06 command: run the image with this SHA-256 hash, at once or at ``execution_time``."""

    image_hash: bytes
    counter: int
    execution_time: datetime | None = None

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """SEQUENCE{OCTET STRING(32), INTEGER [, GeneralizedTime]}."""
        image_hash, counter, *rest = _sequence(node, 2, 3)
        time = asn1.to_generalized_time(rest[0]) if rest else None
        return cls(asn1.to_octet_string(image_hash, 32), asn1.to_integer(counter), time)

    def to_node(self) -> Node:
        """SEQUENCE{OCTET STRING(32), INTEGER [, GeneralizedTime]}."""
        fields = [asn1.octet_string(self.image_hash), asn1.integer(self.counter)]
        if self.execution_time is not None:
            fields.append(asn1.generalized_time(self.execution_time))
        return asn1.sequence(*fields)


@dataclass(frozen=True, slots=True)
class ActivationResult:
    """CS06 response: how it went (0 success, 1 no image, 2 hash mismatch, 3 failure) and the version that runs now.

    Both are None in the answer to a future-dated command.
    """

    code: int | None = None
    version: bytes | None = None

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """NULL, or SEQUENCE{INTEGER, OCTET STRING(4)}."""
        if node.tag == Tag.NULL:
            _null(node)
            return cls()
        code, version = _sequence(node, 2, 2)
        return cls(asn1.to_integer(code), asn1.to_octet_string(version, 4))

    def to_node(self) -> Node:
        """NULL, or SEQUENCE{INTEGER, OCTET STRING(4)}."""
        if self.code is None or self.version is None:
            return asn1.null()
        return asn1.sequence(asn1.integer(self.code), asn1.octet_string(self.version))


_JOIN: tuple[type[View], type[View]] = (Join, ResponseCode)
_UNJOIN: tuple[type[View], type[View]] = (Unjoin, ResponseCode)
_PAIRS: Mapping[int, tuple[type[View] | None, type[View]]] = {
    0x000B: (None, ResponseCode),  # CS02d; the command is the certificate itself
    0x000D: _JOIN,  # CS03A1
    0x000E: _JOIN,  # CS03B
    0x000F: _UNJOIN,  # CS04AC
    0x0010: _UNJOIN,  # CS04B
    0x0012: (ActivateFirmware, ActivationResult),  # CS06
    0x0013: (DeviceLogRequest, DeviceLog),  # CS07
    0x007F: (ClockWindow, ClockResult),  # GCS28
    0x00AB: _JOIN,  # CS03A2
    0x00AF: _JOIN,  # CS03C
}

VIEWS: Mapping[tuple[int, int], type[View]] = {
    (code, cra): kind
    for code, pair in _PAIRS.items()
    for cra, kind in zip((CRA.COMMAND, CRA.RESPONSE), pair, strict=True)
    if kind is not None
}
"""The views, by message code and CRA flag."""


def view(message_code: int, cra: int, node: Node) -> View | None:
    """The payload of a message as a typed object, or None where there is no view of that message code.

    Raises ``DecodeError`` where the tree has another shape than the message code asks for.
    """
    kind = VIEWS.get((message_code, cra))
    return None if kind is None else kind.from_node(node)
