"""What the transform service is told, and what it tells the broker's machine.

Must not live here: behaviour (``transform_service``).

Source: facts/gbcs.md 11 no. 23; what no source says is [our choice], beside each field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from devices.machines.core import Effect
from devices.machines.parts.anomaly_detection import Limits
from devices.machines.parts.audit_trail import AuditSettings
from devices.machines.parts.civil_clock import ClockSettings
from devices.machines.parts.transforming import Registry
from devices.wire.gbcs import Message

__all__ = ["Ready", "Step", "TransformSettings"]

_HOUR: Final = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class TransformSettings:
    """What the service knows, and how long it waits."""

    registry: Registry = field(default_factory=Registry)
    limits: Limits = field(default_factory=Limits)
    audit: AuditSettings = field(default_factory=AuditSettings)
    clock: ClockSettings = field(default_factory=ClockSettings)
    series: str = "commands"  # of the broker's own counters
    only_transformed: bool = True  # a pre-command that nobody asked for is refused [our choice]
    trailing_zero: bool = True  # pre-commands end with the empty signature field (facts/gbcs.md 11 no. 23)
    signature_ns: int = 24 * _HOUR  # how long a pre-command waits for its signature [our choice]
    answer_ns: int = 24 * _HOUR  # how long an answer is waited for [our choice]
    remembered: int = 20_000  # requests [our choice]


@dataclass(frozen=True, slots=True)
class Ready:
    """A command that may go: the broker signs it if it is its own and critical, MACs and delivers it."""

    message: Message
    way: str
    user: bytes


@dataclass(slots=True)
class Step:
    """What comes of one call: effects first, then the commands that may go; those of ``given_up`` must not go any more
    should they still wait, each by originator, device and counter."""

    effects: list[Effect] = field(default_factory=list)
    ready: list[Ready] = field(default_factory=list)
    given_up: set[tuple[bytes, bytes, int]] = field(default_factory=set)
