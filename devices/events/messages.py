"""GBCS messages that left a device or came to it, as they were tapped: no machine tells of them.

Must not live here: what a device made of a message (``commands``), what becomes of a tunnel (``tunnels``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.events.base import Code, Event, event

__all__ = [
    "FrameRefused",
    "MessageIncomplete",
    "MessageReceived",
    "MessageSent",
    "OutageNoticeReceived",
    "OutageNoticeSent",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message(Event):
    """``octets`` of a whole message at ``port``; ``peer`` (EUI-64) is who is at the other end of that port.

    The recorder adds the name of the link, and what the envelope says."""

    added: ClassVar[tuple[str, ...]] = ("link", "use_case", "cra", "counter", "originator", "recipient", "unreadable")
    port: str
    peer: bytes
    octets: bytes


@event("gbcs.tx")
class MessageSent(_Message):
    """A whole message left by ``port`` towards ``peer``."""


@event("gbcs.rx")
class MessageReceived(_Message):
    """A whole message arrived at ``port`` from ``peer``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OutageNotice(Event):
    """What a hub without supply tells the head end (the DCC alert AD1), at ``port``: the supply of ``hub`` (EUI-64) is
    away since ``started``, seconds since 1970 by the hub's clock."""

    port: str
    peer: bytes
    hub: bytes
    started: int


@event("outage.tx")
class OutageNoticeSent(_OutageNotice):
    """It left by ``port`` towards ``peer``."""


@event("outage.rx")
class OutageNoticeReceived(_OutageNotice):
    """It arrived at ``port`` from ``peer``."""


@event("gbcs.incomplete")
class MessageIncomplete(Event):
    """Pieces crossed at ``port``, out of the device or into it, and made no message: ``reason`` is the kind of it,
    ``detail`` says what exactly is missing or wrong."""

    port: str
    peer: bytes
    out: bool
    pieces: int
    reason: str
    detail: str


@event("zcl.refused")
class FrameRefused(Event):
    """A Default Response came to ``port`` whose ``status`` is no success: ``peer`` did not take the ZCL ``command`` of
    that ``cluster``; ``reason`` is the status in words."""

    port: str
    peer: bytes
    cluster: Code
    command: int
    status: int
    reason: str
