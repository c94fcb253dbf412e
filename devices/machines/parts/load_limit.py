"""The load limit of an electricity meter: power above a threshold for too long is counted and may open the switch.

Must not live here: the switch itself (``load_switch``), where the power comes from (the bench tells it).

Source: facts/gbcs.md 6 (0x8F01, 0x8F33, 0x8F34), 10.1; facts/use-cases.md (ECS27, ECS28a, ECS28b).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from devices.machines.parts.execution import CommandContext
from devices.model.objects import ObjectModel
from devices.wire import axdr

__all__ = ["ABOVE", "DISABLED", "RESTORED", "LoadLimit", "Step", "Verdict"]

ABOVE, DISABLED, RESTORED = 0x8F01, 0x8F33, 0x8F34
_LIMITER: Final = (71, bytes((0, 0, 17, 0, 0, 255)))
_THRESHOLD, _PERIOD, _RESTORATION = 4, 6, 7
_COUNTER: Final = (3, bytes((0, 0, 94, 44, 42, 255)), 2)
_SUPPLY_STATE: Final = (9000, bytes((0, 0, 94, 44, 0, 3)), 2)
SECOND: Final = 1_000_000_000


class Step(Enum):
    """What the supply is to do."""

    NOTHING = auto()
    DISABLE_AND_ARM = auto()
    ENABLE = auto()


@dataclass(slots=True)
class Verdict:
    """What one look at the power led to.  ``due`` is when to look again (bench ns), None while nothing runs."""

    events: list[int] = field(default_factory=list)
    step: Step = Step.NOTHING
    due: int | None = None


class LoadLimit:
    """The load limit of one meter; a threshold of 0 is none [our choice]."""

    def __init__(self, objects: ObjectModel[CommandContext]) -> None:
        self._objects = objects
        self.watts = 0
        self._since: int | None = None
        self._counted = False
        self._restore_at: int | None = None

    def look(self, now: int, watts: int | None = None) -> Verdict:
        """Take a new power, or let time pass."""
        verdict = Verdict()
        self.watts = self.watts if watts is None else watts
        if self._restore_at is not None and now >= self._restore_at:
            self._restore_at = None
            verdict.events.append(RESTORED)
            verdict.step = Step.ENABLE
        threshold = self._number(_THRESHOLD)
        if not threshold or self.watts <= threshold:
            self._since, self._counted = None, False
        else:
            self._over(now, verdict)
        waits = [self._restore_at] if self._restore_at is not None else []
        if self._since is not None and not self._counted:
            waits.append(self._since + self._number(_PERIOD) * SECOND)
        verdict.due = min(waits, default=None)
        return verdict

    def _over(self, now: int, verdict: Verdict) -> None:
        if self._since is None:
            self._since = now
            verdict.events.append(ABOVE)
        if self._counted or now < self._since + self._number(_PERIOD) * SECOND:
            return
        self._counted = True
        counter = self._objects.value(*_COUNTER)
        self._objects.put(*_COUNTER, axdr.u32(min(counter.value + 1, 0xFFFFFFFF)))
        if self._objects.value(*_SUPPLY_STATE).value:
            verdict.events.append(DISABLED)
            verdict.step = Step.DISABLE_AND_ARM
            self._restore_at = now + self._number(_RESTORATION) * SECOND

    def _number(self, index: int) -> int:
        return int(self._objects.value(*_LIMITER, index).value)
