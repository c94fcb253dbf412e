"""Payloads that cannot be read to their end: what of them can, and the rest with the reason.

Must not live here: reading what is as it should be (``reading``), words (``words``).
"""

from __future__ import annotations

from typing import NamedTuple

from devices.wire import asn1, cosem, dlms_alerts, gbz_typed, payload
from devices.wire.asn1 import Node
from devices.wire.errors import DecodeError
from devices.wire.gbcs import Message

__all__ = ["Partial", "Readable", "read_partly"]

Readable = cosem.Pdu | dlms_alerts.Alert | gbz_typed.Payload | gbz_typed.Alert | tuple[Node, ...]
"""What is shown of a payload that is not as it should be: what was read, or the bare elements of an ASN.1 one."""


class Partial(NamedTuple):
    """A payload as far as it could be read.  ``rest`` are the octets that nothing explains, from ``offset`` of the
    payload on; components that could not be read say it themselves."""

    family: payload.Family | None
    content: Readable | None
    rest: bytes
    offset: int
    reason: str


def read_partly(message: Message, fault: DecodeError) -> Partial:
    """What can be read of the payload that ``fault`` was raised for."""
    octets = message.payload
    if not octets:
        return Partial(None, None, b"", 0, fault.reason)
    family = payload.family(octets)
    if family == "gbz":
        content, rest, reason = gbz_typed.decode_partly(octets)
        return Partial(family, content, rest, len(octets) - len(rest), reason)
    if family == "dlms":
        pdu, end, wrong = cosem.decode_partly(octets)
        alert = dlms_alerts.read(pdu) if isinstance(pdu, cosem.Notification) else None
        return Partial(family, alert or pdu, octets[end:], end, wrong.reason)
    nodes, end = asn1.decode_partly(octets)
    if end == len(octets):
        end = min(fault.offset, end)
    return Partial(family, nodes or None, octets[end:], end, fault.reason)
