"""Future-dated settings: passive values wait for their time, become active on the device's own clock, and are reported.

What waits outlives a power cut; what fell due meanwhile is made up for as soon as the supply is back [our choice].

Must not live here: which attributes belong together (``model.activations``), the clock, how the alert is sent.

Source: facts/use-cases.md (0x00CC); layout of the alert and its time stamp, the "now" and "cancel" dates: published
messages of ECS01a to ECS08.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from devices.events.commands import FutureFailed
from devices.machines.core import Effect, Persist, Record
from devices.machines.parts.civil_clock import CivilTime, from_dlms
from devices.machines.parts.execution import CommandContext
from devices.model.activations import Activation, activations
from devices.model.objects import AccessError, Key, ObjectModel, ResultCode, Setter
from devices.model.roles import Role
from devices.wire import axdr
from devices.wire.axdr import Data, Tag

__all__ = ["FAILED", "MESSAGE_CODE", "SUCCEEDED", "FutureDated", "Reached"]

MESSAGE_CODE: Final = 0x00CC
SUCCEEDED, FAILED = 0x8F66, 0x8F67
_KEY = "future"
_NOW_YEAR, _NEVER_YEAR = b"\x00\x00", b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Planned:
    """One activation that waits: the attribute that was written, when (ns since 1970), and the command it came in."""

    trigger: Key
    due: int
    message_code: int
    counter: int
    role: Role

    def as_json(self) -> list[Any]:
        class_id, obis, index = self.trigger
        return [class_id, obis.hex(), index, self.due, self.message_code, self.counter, self.role.label]

    @classmethod
    def of_json(cls, saved: Sequence[Any]) -> Planned:
        class_id, obis, index, due, message_code, counter, role = saved
        return cls((class_id, bytes.fromhex(obis), index), due, message_code, counter, Role.named(role))


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of one activation: the alert's code, whom it is for, and its content after the time stamp."""

    code: int
    role: Role
    extra: tuple[Data, ...]


class FutureDated:
    """The planned activations of one device with these ``objects``."""

    def __init__(self, objects: ObjectModel[CommandContext]) -> None:
        self._objects = objects
        self._activations = activations(objects)
        self._planned: dict[Key, Planned] = {}

    def setters(self) -> Mapping[Key, Setter[CommandContext]]:
        """The conduct of every activation attribute."""
        return {trigger: self._setter(activation) for trigger, activation in self._activations.items()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what was planned before a power cut."""
        plans = (Planned.of_json(entry) for entry in saved.get(_KEY, ()))
        self._planned = {plan.trigger: plan for plan in plans if plan.trigger in self._activations}

    def as_json(self) -> list[list[Any]]:
        """JSON types, for what outlives a power cut."""
        return [plan.as_json() for plan in self._planned.values()]

    @property
    def next_due(self) -> int | None:
        """When the next activation is due, ns since 1970; None while nothing is planned."""
        return min((plan.due for plan in self._planned.values()), default=None)

    def reach(self, civil: CivilTime) -> tuple[list[Reached], list[Effect]]:
        """Activate everything that is due at ``civil``; what to report of it, in the order in which it was due."""
        due = sorted((p for p in self._planned.values() if p.due <= civil.ns), key=lambda plan: plan.due)
        reports, effects = [], list[Effect]()
        for plan in due:
            del self._planned[plan.trigger]
            class_id, obis, index = plan.trigger
            try:
                self._activate(self._activations[plan.trigger])
                code = SUCCEEDED
            except AccessError as error:
                code = FAILED
                effects.append(Record(FutureFailed(object=obis, reason=str(error))))
            told = plan.message_code.to_bytes(2, "big") + plan.counter.to_bytes(8, "big")
            place = class_id.to_bytes(2, "big") + obis + index.to_bytes(1, "big")
            reports.append(Reached(code, plan.role, (axdr.octets(told + place),)))
        if due:
            effects += [Persist("objects", self._objects.as_json()), self._persist()]
        return reports, effects

    def _setter(self, activation: Activation) -> Setter[CommandContext]:
        def write(data: Data, context: CommandContext) -> None:
            self._plan(activation, data, context)

        return write

    def _plan(self, activation: Activation, data: Data, context: CommandContext) -> None:
        octets: bytes = data.value
        if octets[:2] == _NEVER_YEAR:
            if self._planned.pop(activation.trigger, None) is not None:
                context.effects.append(self._persist())
            return
        due = 0 if octets[:2] == _NOW_YEAR else from_dlms(octets)
        if due is None:
            raise AccessError(ResultCode.OTHER_REASON, f"{octets.hex()} is no date-time")
        if due <= context.civil.ns:
            self._planned.pop(activation.trigger, None)
            self._activate(activation)
            return
        message = context.message
        plan = Planned(activation.trigger, due, message.message_code, message.counter, context.role)
        self._planned[activation.trigger] = plan
        context.effects.append(self._persist())

    def _activate(self, activation: Activation) -> None:
        """Move what was written; a passive value that nobody ever wrote stays where it is."""
        for passive, active in activation.moves:
            if not self._objects.written(passive):
                continue
            value, old = self._objects.value(*passive), self._objects.value(*active)
            if old.tag == Tag.ARRAY and value.tag != Tag.ARRAY:
                value = axdr.array(value)
            self._objects.put(*active, value)

    def _persist(self) -> Persist:
        return Persist(_KEY, self.as_json())
