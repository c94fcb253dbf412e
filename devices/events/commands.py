"""What a device did with a command, and the alerts that it raised.

Must not live here: the message itself (``messages``).
"""

from __future__ import annotations

from devices.events.base import Code, Event, event

__all__ = [
    "AlertRaised",
    "AlertUnsendable",
    "CommandExecuted",
    "CommandRefused",
    "ComponentRefused",
    "FutureDatedFailed",
    "FutureFailed",
    "ResponseUnsendable",
]


@event("refused")
class CommandRefused(Event):
    """A message did not pass ``check``; ``alert`` is the code of the alert that says so.

    What is known of the message: its code, its ``originator`` (EUI-64), its ``counter``; None where it cannot be read.
    """

    check: str
    reason: str
    alert: Code | None
    message_code: Code | None
    originator: bytes | None
    counter: int | None


@event("executed")
class CommandExecuted(Event):
    """A command was carried out, as far as ``results`` (the codes of the payload's family) say; ``use_case`` is None
    where the message code has no short name."""

    message_code: Code
    use_case: str | None
    originator: bytes
    counter: int
    results: tuple[int, ...]


@event("component.refused")
class ComponentRefused(Event):
    """A part of a GBZ command, or of what it reads, was not done; ``status`` is the ZCL status that the answer tells,
    None where the part has no answer."""

    command: str
    status: int | None = None
    reason: str


@event("response.unsendable")
class ResponseUnsendable(Event):
    """The response to the message ``code`` cannot be built or protected."""

    reason: str
    code: Code


@event("alert")
class AlertRaised(Event):
    """An alert was made for ``recipient`` (its role), in a message ``message_code`` with ``counter``."""

    code: Code
    name: str
    recipient: str
    message_code: Code
    counter: int


@event("alert.unsendable")
class AlertUnsendable(Event):
    """An alert was due and cannot be made."""

    code: Code
    name: str
    recipient: str
    reason: str


@event("future.failed")
class FutureFailed(Event):
    """A future-dated change of the COSEM ``object`` (its OBIS code) was due and could not be made."""

    object: bytes
    reason: str


@event("future_dated.failed")
class FutureDatedFailed(Event):
    """A future-dated ZCL ``command`` was due and could not be carried out."""

    command: str
    reason: str
