"""The payload of a GBCS message, of whichever of the three families it is.

What one family looks like lives in ``cosem``, ``gbz`` and ``asn1``; here is only the choice between them, made by the
content alone (facts/gbcs.md 3).
"""

from __future__ import annotations

from typing import Literal

from devices.wire import asn1, cosem, gbz
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.gbcs import Message

__all__ = ["Family", "Payload", "decode", "encode", "family", "read"]

_LAYER = "payload"

Family = Literal["dlms", "gbz", "asn1"]
Payload = cosem.AccessRequest | cosem.AccessResponse | cosem.Notification | gbz.Payload | gbz.Alert | asn1.Node


def family(octets: bytes) -> Family:
    """The family of a payload: DLMS begins with D9, DA or 0F, GBZ with 0109, and everything else is ASN.1."""
    if not octets:
        raise DecodeError(_LAYER, 0, "the payload is empty")
    if octets[0] in (0xD9, 0xDA, 0x0F):
        return "dlms"
    if octets[:2] == gbz.PROFILE:
        return "gbz"
    return "asn1"


def decode(message: Message) -> Payload:
    """Read the payload of ``message`` to its last octet.  Raises ``DecodeError`` with the layer of its family."""
    return read(message.payload)


def read(octets: bytes) -> Payload:
    """:func:`decode` of the payload's octets."""
    kind = family(octets)
    if kind == "dlms":
        return cosem.decode(octets)
    if kind == "gbz":
        return gbz.decode(octets)
    return asn1.decode(octets)


def encode(payload: Payload) -> bytes:
    """The octets of a payload, rebuilt from its elements.  Raises ``EncodeError``."""
    if isinstance(payload, asn1.Node):
        return asn1.encode(payload)
    if isinstance(payload, gbz.Payload | gbz.Alert):
        return gbz.encode(payload)
    if isinstance(payload, cosem.AccessRequest | cosem.AccessResponse | cosem.Notification):
        return cosem.encode(payload)
    raise EncodeError(_LAYER, f"{type(payload).__name__} is no payload")
