"""DLMS alerts: what the data-notification of an alert says (facts/gbcs.md 3.1).

The body is a structure of alert code, time stamp and what the code brings along, whose elements stay ``axdr.Data``:
each use case has its own (use-cases.json, ``alert_shape``).  The exception is the alert of a future-dated command: it
names the access it speaks of in 19 octets.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct, error

from devices.wire import axdr
from devices.wire.axdr import Data, Tag
from devices.wire.cosem import Notification
from devices.wire.errors import EncodeError
from devices.wire.gbz import FUTURE_DATED

__all__ = ["Alert", "FutureDatedAccess", "read", "write"]

_TIME = 12  # octets of a COSEM date-time
_ACCESS = Struct(">HQH6sb")


@dataclass(frozen=True, slots=True)
class FutureDatedAccess:
    """Which future-dated command an alert speaks of, by message code and counter, and the attribute or method in it."""

    message_code: int
    counter: int
    class_id: int
    obis: bytes
    index: int


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: its code, its time (a COSEM date-time of 12 octets), and what the code brings along.

    ``invoke`` and ``date_time`` are those of the notification.
    """

    invoke: int
    date_time: bytes
    code: int
    time: bytes
    details: FutureDatedAccess | tuple[Data, ...] = ()


def read(notification: Notification) -> Alert | None:
    """The alert in a notification, or None where its body does not begin with a code and a time stamp."""
    body = notification.body
    if body.tag != Tag.STRUCTURE or len(body.value) < 2:
        return None
    code, time, *rest = body.value
    if code.tag != Tag.LONG_UNSIGNED or time.tag != Tag.OCTET_STRING or len(time.value) != _TIME:
        return None
    details: FutureDatedAccess | tuple[Data, ...] = tuple(rest)
    if len(rest) == 1 and code.value in FUTURE_DATED:
        access = rest[0]
        if access.tag == Tag.OCTET_STRING and len(access.value) == _ACCESS.size:
            details = FutureDatedAccess(*_ACCESS.unpack(access.value))
    return Alert(notification.invoke, notification.date_time, code.value, time.value, details)


def write(alert: Alert) -> Notification:
    """The notification of an alert.  Raises ``EncodeError`` for values that its fields can't carry."""
    details = alert.details
    if isinstance(details, FutureDatedAccess):
        if len(details.obis) != 6 or alert.code not in FUTURE_DATED:
            raise EncodeError("cosem", f"{details} needs an OBIS code of 6 octets and a code of future-dated commands")
        fields = (details.message_code, details.counter, details.class_id, details.obis, details.index)
        try:
            details = (axdr.octets(_ACCESS.pack(*fields)),)
        except error as cause:
            raise EncodeError("cosem", f"{alert.details} does not fit its octets: {cause}") from None
    body = axdr.structure(axdr.u16(alert.code), axdr.octets(alert.time), *details)
    return Notification(alert.invoke, alert.date_time, body)
