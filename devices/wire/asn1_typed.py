"""Every ASN.1 payload as a typed object: which one a message code and CRA flag ask for.

The objects themselves are in ``asn1_credentials`` and ``asn1_devices``, how they are read in ``asn1_schema``; all of
them can be had from here.

Table: use-cases.json (``asn1``), facts/gbcs.md 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devices.wire import asn1, asn1_schema
from devices.wire.asn1 import Node
from devices.wire.asn1_credentials import (
    AuthorisingControl,
    Certificate,
    CertificationRequest,
    CredentialsAlert,
    CredentialsReport,
    CredentialsRequest,
    HeldCredential,
    KeyPairRequest,
    Replacement,
    ReplacementOutcome,
    RoleCredentials,
    SeqNumberChange,
    SpecialistFloor,
    TrustAnchorCell,
    UpdateCredentials,
    UpdateOutcome,
    UpdateResponse,
)
from devices.wire.asn1_devices import (
    ActivateFirmware,
    ActivationResult,
    ClockResult,
    ClockWindow,
    Device,
    DeviceLog,
    DeviceLogBackup,
    DeviceLogRequest,
    DeviceOutcome,
    FirmwareActivated,
    FirmwareActivationAlert,
    FirmwareTransferAlert,
    FirmwareVersion,
    FirmwareVersionRequest,
    Join,
    ResponseCode,
    RestoreDeviceLog,
    RestoreResult,
    Unjoin,
    WillActivate,
)
from devices.wire.asn1_schema import Element, Lengths
from devices.wire.asn1_types import KeyUsage
from devices.wire.errors import DecodeError
from devices.wire.gbcs import CRA

__all__ = [
    "VIEWS",
    "ActivateFirmware",
    "ActivationResult",
    "AuthorisingControl",
    "Body",
    "Certificate",
    "CertificationRequest",
    "ClockResult",
    "ClockWindow",
    "CredentialsAlert",
    "CredentialsReport",
    "CredentialsRequest",
    "Device",
    "DeviceLog",
    "DeviceLogBackup",
    "DeviceLogRequest",
    "DeviceOutcome",
    "FirmwareActivated",
    "FirmwareActivationAlert",
    "FirmwareTransferAlert",
    "FirmwareVersion",
    "FirmwareVersionRequest",
    "HeldCredential",
    "Join",
    "KeyPairRequest",
    "KeyUsage",
    "Replacement",
    "ReplacementOutcome",
    "ResponseCode",
    "RestoreDeviceLog",
    "RestoreResult",
    "RoleCredentials",
    "SeqNumberChange",
    "SpecialistFloor",
    "TrustAnchorCell",
    "Unjoin",
    "UpdateCredentials",
    "UpdateOutcome",
    "UpdateResponse",
    "View",
    "WillActivate",
    "read",
    "to_node",
    "view",
    "write",
]

View = Element
"""A payload's object; ``from_node`` and ``to_node`` are its ways from and to a tree."""

Kinds = tuple[type[Element], ...]  # told apart by their first octet


@dataclass(frozen=True, slots=True)
class Body:
    """A payload's object, and the lengths that its octets had in a longer form than needed."""

    view: View
    lengths: Lengths = ()


_JOIN: tuple[Kinds, Kinds] = ((Join,), (ResponseCode,))
_UNJOIN: tuple[Kinds, Kinds] = ((Unjoin,), (ResponseCode,))
_REPORT: tuple[Kinds, Kinds] = ((CredentialsRequest,), (CredentialsReport,))
_UPDATE: tuple[Kinds, Kinds] = ((UpdateCredentials,), (UpdateResponse,))
_EXCHANGES: Mapping[int, tuple[Kinds, Kinds]] = {
    0x0008: _REPORT,  # CS02a
    0x000A: ((KeyPairRequest,), (CertificationRequest, ResponseCode)),  # CS02c
    0x000B: ((Certificate,), (ResponseCode,)),  # CS02d
    0x000C: ((KeyPairRequest,), (Certificate, ResponseCode)),  # CS02e
    0x000D: _JOIN,  # CS03A1
    0x000E: _JOIN,  # CS03B
    0x000F: _UNJOIN,  # CS04AC
    0x0010: _UNJOIN,  # CS04B
    0x0012: ((ActivateFirmware,), (ActivationResult, WillActivate)),  # CS06
    0x0013: ((DeviceLogRequest,), (DeviceLog,)),  # CS07
    0x007F: ((ClockWindow,), (ClockResult,)),  # GCS28
    0x008C: ((RestoreDeviceLog,), (RestoreResult,)),  # GCS59
    0x00AB: _JOIN,  # CS03A2
    0x00AF: _JOIN,  # CS03C
    **dict.fromkeys(range(0x0100, 0x010A), _UPDATE),  # CS02b, by replacement mode
    0x011B: _REPORT,  # CS02f
    0x0125: _UPDATE,  # CS02g by the load controller
    0x0126: _UPDATE,  # CS02g by the supplier
    0x0129: ((FirmwareVersionRequest,), (FirmwareVersion,)),  # CS08
}
_ALERTS: Mapping[int, Kinds] = {
    0x00B2: (DeviceLogBackup,),  # GCS62
    0x00CA: (FirmwareActivationAlert,),
    0x00CB: (CredentialsAlert,),
    0x0124: (CredentialsAlert,),
    0x0128: (FirmwareTransferAlert,),  # CCS08
    0x012B: (FirmwareActivated,),  # CS09
}

VIEWS: Mapping[tuple[int, int], Kinds] = {
    (code, cra): kinds
    for code, exchange in _EXCHANGES.items()
    for cra, kinds in zip((int(CRA.COMMAND), int(CRA.RESPONSE)), exchange, strict=True)
} | {(code, int(CRA.ALERT)): kinds for code, kinds in _ALERTS.items()}
"""The types a payload can have, by message code and CRA flag; more than one is told apart by the first octet."""


def read(message_code: int, cra: int, octets: bytes) -> Body:
    """The payload of a message as a typed object.

    Raises ``DecodeError`` where the octets have another shape than the message code asks for, and where it asks for no
    ASN.1 at all.
    """
    kinds = VIEWS.get((message_code, cra))
    if kinds is None:
        raise DecodeError("asn1", 0, f"message code {message_code:04X} has no ASN.1 payload in a {_cra(cra)}")
    return Body(*asn1_schema.read(kinds, octets))


def write(body: Body | View) -> bytes:
    """The octets of a payload; a view alone gets the shortest lengths.  Raises ``EncodeError``."""
    if isinstance(body, Body):
        return asn1_schema.write(body.view, body.lengths)
    return asn1_schema.write(body)


def view(message_code: int, cra: int, node: Node) -> View | None:
    """The typed object of a tree, or None where the message code has no ASN.1 payload.

    Raises ``DecodeError`` where the tree has another shape than the message code asks for.
    """
    if (message_code, cra) not in VIEWS:
        return None
    return read(message_code, cra, asn1.encode(node)).view


def to_node(body: Body | View) -> Node:
    """The tree of a payload.

    Raises ``EncodeError``, and ``DecodeError`` where a certificate, which is kept as octets, is no tree within.
    """
    return asn1.decode(write(body))


def _cra(cra: int) -> str:
    return CRA(cra).name.lower() if cra in set(CRA) else f"message of CRA flag {cra}"
