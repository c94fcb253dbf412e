"""Outages as a meter sees them: when the supply went, when it came back, which alert that makes.

Must not live here: what else survives an outage (each part saves its own), the hub's last gasp (``comms_hub``).

Source: facts/gbcs.md 10.4 [3 sources], 5.1 (ECS80), 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from devices.machines.core import Persist
from devices.machines.parts.civil_clock import CivilTime
from devices.wire import axdr
from devices.wire.axdr import Data

__all__ = [
    "RESTORED",
    "RESTORED_AFTER_LONG",
    "Outage",
    "OutageSettings",
    "interruption_code",
    "lost",
    "restoration_code",
    "restored",
]

RESTORED = 0x8F35
RESTORED_AFTER_LONG = 0x8F36
INTERRUPTED = 0x8F57


@dataclass(frozen=True, slots=True)
class OutageSettings:
    """What makes an outage a long one, and what is kept over it."""

    long_ns: int = 180_000_000_000  # 3 minutes or longer [3 sources]
    keeps_supply_state: bool = True  # facts/gbcs.md 11 no. 16 [recalled: make it a setting]
    phase: int | None = None  # of a polyphase meter: the one whose supply is switched, 1 to 3; its codes are its own
    drives_on_return: bool = False  # a bistable contactor stays where it is; True: drive it to the saved state again

    def __post_init__(self) -> None:
        if self.phase not in (None, 1, 2, 3):
            raise ValueError(f"a phase is 1, 2 or 3, got {self.phase}")


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage, as the device itself knows it.  ``duration_ns`` is None where it had no clock running."""

    interruption: CivilTime
    restoration: CivilTime
    duration_ns: int | None

    @property
    def seconds(self) -> int:
        """The duration in whole seconds, 0 where it is not known (the power log has no other word for it)."""
        return (self.duration_ns or 0) // 1_000_000_000

    def alert_data(self) -> tuple[Data, Data]:
        """Interruption and restoration date-time, as they stand in an ECS80 alert after the time stamp."""
        return axdr.octets(self.interruption.dlms()), axdr.octets(self.restoration.dlms())


def lost(civil: CivilTime) -> Persist:
    """What is saved at the moment of the loss."""
    return Persist("lost_at", {"ns": civil.ns, "status": civil.status.name})


def restored(saved: Mapping[str, Any], civil: CivilTime, outage_ns: int | None) -> Outage | None:
    """The outage that ended at ``civil``; None when nothing was saved about its beginning."""
    began = saved.get("lost_at")
    if began is None:
        return None
    interruption = CivilTime(int(began["ns"]), type(civil.status)[began["status"]])
    return Outage(interruption, civil, outage_ns)


def interruption_code(settings: OutageSettings) -> int:
    """The code under which the power log keeps the interruption itself, which nobody is told of (facts/gbcs.md 6)."""
    return INTERRUPTED + (settings.phase or 0)


def restoration_code(settings: OutageSettings) -> Callable[[int | None], int]:
    """The rule for the alert code: a long outage is told by a code of its own; an unknown duration counts as long,
    since only an outage that outlasted the backup of the clock is unknown.  The codes of each phase follow those of a
    meter with one."""
    phase = 2 * (settings.phase or 0)

    def code(duration_ns: int | None) -> int:
        is_long = duration_ns is None or duration_ns >= settings.long_ns
        return phase + (RESTORED_AFTER_LONG if is_long else RESTORED)

    return code
