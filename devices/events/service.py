"""The transform service: the life of a request, schedules, and what devices send unasked.

Must not live here: the audit trail, which keeps the same fields.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.events.base import Event, event

__all__ = [
    "LimitOpened",
    "RequestAnswered",
    "RequestEvent",
    "RequestOverdue",
    "RequestQuarantined",
    "RequestRejected",
    "RequestReleased",
    "RequestRequested",
    "RequestSent",
    "ScheduleAdded",
    "ScheduleFailed",
    "ScheduleRemoved",
    "ServiceAlert",
    "ServiceClosed",
    "UnexpectedResponse",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent(Event):
    """A request as it is now: its identifier, the service requests it may be, the ``recipient`` (EUI-64 of the device
    that it is for), the GBCS message code, its state, and why it is held back."""

    request_id: str
    requests: tuple[str, ...]
    recipient: bytes
    message_code: int
    state: str
    reasons: tuple[str, ...]


@event("service.requested")
class RequestRequested(RequestEvent):
    """A request came and was transformed into the message ``octets``, to go by the command ``variant``."""

    use_case: str
    variant: int
    octets: bytes


@event("service.sent")
class RequestSent(RequestEvent):
    """Its command went on its way."""


@event("service.answered")
class RequestAnswered(RequestEvent):
    """The device's response came."""


@event("service.overdue")
class RequestOverdue(RequestEvent):
    """The signed command or the response did not come in time."""


@event("service.quarantined")
class RequestQuarantined(RequestEvent):
    """Its command is held back, for ``reasons``."""


@event("service.released")
class RequestReleased(RequestEvent):
    """What was held back goes on after all."""


@event("service.rejected")
class RequestRejected(RequestEvent):
    """What was held back never goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unasked(Event):
    from_: bytes
    message_code: int
    counter: int


@event("service.unexpected")
class UnexpectedResponse(_Unasked):
    """A response of the device ``from_`` (EUI-64) came that nothing waits for."""


@event("service.alert")
class ServiceAlert(_Unasked):
    """An alert of the device ``from_`` (EUI-64) came."""


@event("service.limit_opened")
class LimitOpened(Event):
    """A volume ``limit`` that was closed counts anew."""

    limit: str


@event("service.scheduled")
class ScheduleAdded(Event):
    """The schedule ``name`` makes a request every ``every`` times ``unit``."""

    name: str
    unit: str
    every: int


@event("service.unscheduled")
class ScheduleRemoved(Event):
    """The schedule ``name`` is gone; it had been ``done`` so many times."""

    name: str
    done: int


@event("service.schedule_failed")
class ScheduleFailed(Event):
    """The request of a schedule's ``period`` (its number) could not be made."""

    name: str
    period: int
    reason: str


@event("service.closed")
class ServiceClosed(Event):
    """The service takes nothing, for ``reason``."""

    reason: str
