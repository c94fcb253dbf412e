"""The payload of a GBCS message, of whichever of the three families it is.

What one family looks like lives in ``cosem``, ``gbz`` and ``asn1`` and, down to the last value, in ``dlms_alerts``,
``gbz_typed`` and ``asn1_typed``; here is only the choice between them, made by the content alone (facts/gbcs.md 3).
"""

from __future__ import annotations

from typing import Literal

from devices.wire import asn1, asn1_typed, cosem, dlms_alerts, gbz, gbz_typed
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.gbcs import Message

__all__ = ["Family", "Payload", "Typed", "decode", "encode", "family", "read", "typed"]

_LAYER = "payload"

Family = Literal["dlms", "gbz", "asn1"]
Payload = cosem.AccessRequest | cosem.AccessResponse | cosem.Notification | gbz.Payload | gbz.Alert | asn1.Node
"""A payload down to its data, its ZCL frames, or its ASN.1 elements."""

Typed = cosem.Pdu | dlms_alerts.Alert | gbz_typed.Payload | gbz_typed.Alert | asn1_typed.Body
"""A payload down to its last value, with the names of its fields where the family has names."""


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


def typed(message: Message) -> Typed:
    """Read the payload of ``message`` down to its last value.  Encrypted parts stay sealed.

    Raises ``DecodeError`` with the layer of its family, also for a ZCL command or an ASN.1 message code whose contents
    no layout explains.
    """
    octets = message.payload
    kind = family(octets)
    if kind == "dlms":
        pdu = cosem.decode(octets)
        return dlms_alerts.read(pdu) or pdu if isinstance(pdu, cosem.Notification) else pdu
    if kind == "gbz":
        return gbz_typed.decode(octets)
    return asn1_typed.read(message.message_code, message.cra, octets)


def encode(payload: Payload | Typed) -> bytes:
    """The octets of a payload, rebuilt from its elements.  Raises ``EncodeError``."""
    if isinstance(payload, cosem.AccessRequest | cosem.AccessResponse | cosem.Notification):
        return cosem.encode(payload)
    if isinstance(payload, dlms_alerts.Alert):
        return cosem.encode(dlms_alerts.write(payload))
    if isinstance(payload, gbz.Payload | gbz.Alert):
        return gbz.encode(payload)
    if isinstance(payload, gbz_typed.Payload | gbz_typed.Alert):
        return gbz_typed.encode(payload)
    if isinstance(payload, asn1.Node):
        return asn1.encode(payload)
    if isinstance(payload, asn1_typed.Body):
        return asn1_typed.write(payload)
    raise EncodeError(_LAYER, f"{type(payload).__name__} is no payload")
