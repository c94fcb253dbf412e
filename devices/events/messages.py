"""Whole GBCS messages that left a device or came to it.

Must not live here: what a device made of a message (``commands``), pieces of messages (``tunnels``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.events.base import Event, event

__all__ = ["MessageReceived", "MessageSent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message(Event):
    """``octets`` of a whole message at ``port``; ``peer`` (EUI-64) is who is at the other end of that port."""

    added: ClassVar[tuple[str, ...]] = ("use_case", "cra", "counter", "originator", "recipient", "unreadable")
    port: str
    peer: bytes
    octets: bytes


@event("gbcs.tx")
class MessageSent(_Message):
    """A whole message left by ``port`` towards ``peer``."""


@event("gbcs.rx")
class MessageReceived(_Message):
    """A whole message arrived at ``port`` from ``peer``."""
