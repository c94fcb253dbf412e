"""The auxiliary controllers of an electricity meter or of a stand-alone controller: five switches or proportional ones.

A controller follows its calendar unless a command holds it; a limit caps a proportional controller for a time.  The
script of a command says which controller and what: the low nibble of the high octet is the controller (1 to 5), its
high nibble 0 for a switch, 1 for the output and 2 for the input of a proportional controller; the low octet is the
action of a switch or the level in percent.

Must not live here: the calendar's arithmetic (``calendars``), the supply's own switch (``load_switch``).

Source: published messages of ECS47, ECS47e, ECS61a, ECS61d, ECS61e, ECS35f, ECS101 and ECS200, from which the coding
of the scripts is read [our reading]; facts/use-cases.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from devices.events.supply import AuxiliaryChanged
from devices.machines.core import Effect, Persist, Record
from devices.machines.parts import calendars
from devices.machines.parts.civil_clock import CivilTime, from_dlms
from devices.machines.parts.execution import CommandContext
from devices.model.objects import AccessError, Getter, Key, Method, ObjectModel, ResultCode
from devices.wire import axdr
from devices.wire.axdr import Data, Tag

__all__ = ["COUNT", "LIMIT_ENDED", "LIMIT_PROCESSED", "Auxiliary", "AuxiliarySettings", "Told"]

COUNT: Final = 5
LIMIT_PROCESSED, LIMIT_ENDED, OPERATIONAL_UPDATE = 0x8F86, 0x8F87, 0x8F88
_KEY = "auxiliary"
_CLOSE, _OPEN, _RESET = 0x11, 0x12, 0x20
_CALENDAR_CLOSE = 1
_OUTPUT, _INPUT = 1, 2
_DIRECTIONS: Final = {"outputState": _OUTPUT, "inputState": _INPUT}  # as published operational data call them
_MINUTE: Final = 60_000_000_000
_SWITCH_SCRIPTS, _LIMIT_SCRIPTS = (9, bytes((0, 0, 10, 0, 103, 255))), (9, bytes((0, 0, 10, 0, 107, 255)))
_CALENDAR, _SPECIAL_DAYS = (10, bytes((0, 0, 12, 0, 2, 255)), 2), (11, bytes((0, 0, 11, 0, 3, 255)), 2)
_LOG_DONE = 0  # the outcome of a log entry


@dataclass(frozen=True, slots=True)
class AuxiliarySettings:
    """What no text of the specification was found for."""

    unlimited: int = 100  # level of a proportional controller without a limit, percent [our choice]
    takes_unknown_actions: bool = True  # logged and acknowledged; the coding of ECS47a is known from no source
    hold_without_time_ns: int | None = None  # how long a command without times holds; None: until the next [our choice]


@dataclass(slots=True)
class Controller:
    """One controller.  Times are ns since 1970; ``held`` is the state that a command wants until ``held_until``.

    Directions are 1 for the output and 2 for the input of a proportional controller; levels are in percent.
    """

    held: bool | None = None
    held_until: int | None = None
    limits: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # direction: level, from, until
    levels: dict[int, tuple[int, int | None]] = field(default_factory=dict)  # direction: commanded level, until


@dataclass(frozen=True, slots=True)
class Told:
    """An alert to be sent: its code and its content after the time stamp."""

    code: int
    extra: tuple[Data, ...]


class Auxiliary:
    """The auxiliary controllers of one device.

    ``logged`` writes an entry of the controllers' event log: switch number and action, outcome.  ``tell`` has an alert
    sent once the command is answered.
    """

    def __init__(
        self,
        objects: ObjectModel[CommandContext],
        logged: Callable[[CivilTime, int, int], None],
        tell: Callable[[Told], None],
        settings: AuxiliarySettings | None = None,
    ) -> None:
        self._objects, self._logged, self._tell = objects, logged, tell
        self.settings = settings or AuxiliarySettings()
        self.controllers = {n: Controller() for n in range(1, COUNT + 1)}

    def methods(self) -> Mapping[Key, Method[CommandContext]]:
        """The conduct of the script tables, as far as the device has them."""
        there = {(d.class_id, d.obis) for d in self._objects}
        bound: dict[Key, Method[CommandContext]] = {
            (*_SWITCH_SCRIPTS, 1): self._switch,
            (*_LIMIT_SCRIPTS, 1): self._limit,
        }
        return {key: method for key, method in bound.items() if key[:2] in there}

    def getters(self) -> Mapping[Key, Getter[CommandContext]]:
        """States of the switches as they are read (ECS61a), as far as the device has the objects."""
        bound = {(70, bytes((0, n, 96, 3, 10, 255)), 2): self._state_getter(n) for n in self.controllers}
        return {key: getter for key, getter in bound.items() if self._objects.has(key)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what was kept over a power cut."""
        for n, (held, until, limits, levels) in saved.get(_KEY, {}).items():
            capped = {int(direction): (level, begin, end) for direction, (level, begin, end) in limits.items()}
            commanded = {int(direction): (level, end) for direction, (level, end) in levels.items()}
            self.controllers[int(n)] = Controller(held, until, capped, commanded)

    def persist(self) -> Persist:
        """What keeps the controllers over a power cut."""
        kept = {
            str(n): [
                c.held,
                c.held_until,
                {str(direction): list(limit) for direction, limit in c.limits.items()},
                {str(direction): list(level) for direction, level in c.levels.items()},
            ]
            for n, c in self.controllers.items()
        }
        return Persist(_KEY, kept)

    # ----------------------------------------------------------------------------------------------------------- states

    def closed(self, n: int, civil: CivilTime) -> bool:
        """Whether switch ``n`` is closed: as commanded, else as its calendar has it, else open."""
        controller = self.controllers[n]
        held = controller.held_until is None or civil.ns < controller.held_until
        if controller.held is not None and held:
            return controller.held
        if not (self._objects.has(_CALENDAR) and self._objects.has(_SPECIAL_DAYS)):
            return False
        tables = self._objects.value(*_CALENDAR), self._objects.value(*_SPECIAL_DAYS)
        last = calendars.last_switched(*tables, civil, of=n << 8, mask=0xFF00)
        return last is not None and last.selector & 0xFF == _CALENDAR_CLOSE

    def level(self, n: int, direction: int, civil: CivilTime) -> int:
        """The level of a proportional controller in percent: as commanded, capped while a limit is in force."""
        limit = self.controllers[n].limits.get(direction)
        cap = limit[0] if limit is not None and limit[1] <= civil.ns < limit[2] else self.settings.unlimited
        commanded = self.controllers[n].levels.get(direction)
        if commanded is None or (commanded[1] is not None and commanded[1] <= civil.ns):
            return cap
        return min(cap, commanded[0])

    # ----------------------------------------------------------------------------------------------------------- timing

    def next_due(self, civil: CivilTime) -> int | None:
        """When something ends by itself, ns since 1970."""
        ends = [c.held_until for c in self.controllers.values() if c.held is not None and c.held_until is not None]
        ends += [limit[2] for c in self.controllers.values() for limit in c.limits.values()]
        ends += [end for c in self.controllers.values() for _, end in c.levels.values() if end is not None]
        return min((max(end, civil.ns) for end in ends), default=None)

    def reach(self, civil: CivilTime) -> list[Effect]:
        """End what has ended at ``civil``: holds go back to the calendar, limits are reported as ended."""
        effects: list[Effect] = []
        for n, controller in self.controllers.items():
            if controller.held is not None and controller.held_until is not None and controller.held_until <= civil.ns:
                controller.held = controller.held_until = None
                effects.append(self._record(n, _RESET, "time"))
                self._logged(civil, n << 8 | _RESET, _LOG_DONE)
            for direction, limit in list(controller.limits.items()):
                if limit[2] <= civil.ns:
                    self._end_limit(n, direction, civil)
                    effects.append(self._record(n, limit[0], "limit ended"))
            for direction, (level, end) in list(controller.levels.items()):
                if end is not None and end <= civil.ns:
                    del controller.levels[direction]
                    self._show_levels(n, civil)
                    effects.append(self._record(n, level, "time"))
        return [*effects, self.persist()] if effects else []

    # --------------------------------------------------------------------------------------------------------- commands

    def _switch(self, data: Data, context: CommandContext) -> tuple[int, Data | None]:
        """ECS47, ECS47a: close, open, or back to the calendar."""
        n, direction, action = self._script(data)
        controller = self.controllers[n]
        if direction and action & 0x7F <= 100:
            controller.levels[direction] = (action & 0x7F, self._until(n, action, context))
            self._show_levels(n, context.civil)
        elif action == _RESET:
            controller.held = controller.held_until = None
        elif action in (_CLOSE, _OPEN):
            controller.held, controller.held_until = action == _CLOSE, self._until(n, action, context)
        elif not self.settings.takes_unknown_actions:
            raise AccessError(ResultCode.OTHER_REASON, f"no action 0x{action:02X} of controller {n}")
        self._logged(context.civil, data.value, _LOG_DONE)
        context.effects += [self.persist(), self._record(n, action, context.use_case.use_case or "")]
        return ResultCode.SUCCESS, None

    def _limit(self, data: Data, context: CommandContext) -> tuple[int, Data | None]:
        """ECS47e: cap the level between two times."""
        n, direction, level = self._script(data)
        if direction not in (_OUTPUT, _INPUT) or level & 0x7F > 100:
            raise AccessError(ResultCode.OTHER_REASON, f"no limit 0x{data.value:04X} of a proportional controller")
        begin, end = (self._time(n, index) for index in (3, 4))
        if end is not None and begin is not None and end < begin:
            raise AccessError(ResultCode.OTHER_REASON, "the limit ends before it begins")
        whole = 1 << 62  # a time that is not specified is no bound
        if direction in self.controllers[n].limits:
            self._end_limit(n, direction, context.civil)
        self.controllers[n].limits[direction] = (level & 0x7F, begin or 0, end if end is not None else whole)
        self._show_levels(n, context.civil)
        times = (self._objects.value(1, bytes((0, 0, 94, 44, 116 + n, index)), 2) for index in (3, 4))
        self._tell(Told(LIMIT_PROCESSED, (axdr.u8(direction << 4 | n), *times, axdr.u8(level & 0x7F))))
        self._logged(context.civil, data.value, _LOG_DONE)
        context.effects += [self.persist(), self._record(n, level, context.use_case.use_case or "")]
        return ResultCode.SUCCESS, None

    def _end_limit(self, n: int, direction: int, civil: CivilTime) -> None:
        del self.controllers[n].limits[direction]
        told = (axdr.u8(direction << 4 | n), axdr.u8(self.level(n, direction, civil)))
        self._tell(Told(LIMIT_ENDED, told))
        self._show_levels(n, civil)

    def _until(self, n: int, action: int, context: CommandContext) -> int | None:
        """When a hold ends: a number of minutes (ECS47: one value for closing, another for opening) or a date-time
        (ECS47a), written just before the script."""
        value = self._stored(n, 2 if action == _OPEN else 1)
        if value is not None and value.tag == Tag.LONG_UNSIGNED:
            return context.civil.ns + int(value.value) * _MINUTE
        end = self._time(n, 2)
        if end is not None:
            return end
        hold = self.settings.hold_without_time_ns
        return None if hold is None else context.civil.ns + hold

    def _time(self, n: int, index: int) -> int | None:
        value = self._stored(n, index)
        if value is None or value.tag != Tag.OCTET_STRING:
            return None
        return from_dlms(value.value)

    def _stored(self, n: int, index: int) -> Data | None:
        key = (1, bytes((0, 0, 94, 44, 116 + n, index)), 2)
        return self._objects.value(*key) if self._objects.has(key) and self._objects.written(key) else None

    @staticmethod
    def _script(data: Data) -> tuple[int, int, int]:
        """Controller, direction (0 for a switch) and action or level."""
        high, low = divmod(int(data.value), 256)
        if not 1 <= high & 0x0F <= COUNT:
            raise AccessError(ResultCode.OTHER_REASON, f"no controller {high & 0x0F}; there are 1 to {COUNT}")
        return high & 0x0F, high >> 4, low

    def _state_getter(self, n: int) -> Getter[CommandContext]:
        return lambda _selection, context: axdr.boolean(self.closed(n, context.civil))

    # ------------------------------------------------------------------------------------------------- operational data

    def operated(self, n: int, levels: Mapping[str, int], other: str) -> list[Effect]:
        """The appliance at proportional controller ``n`` says how it runs: ``outputState`` and ``inputState`` in
        percent, and ``other`` as its maker likes.  Kept as operational data, and told.

        Raises ``AccessError`` for a controller that is none.
        """
        if n not in self.controllers or not self._objects.has(self._operational(n)):
            raise AccessError(ResultCode.OBJECT_UNDEFINED, f"no proportional controller {n}; there are 1 to {COUNT}")
        data = {**levels, "other-data": other}
        self._keep_operational(n, data)
        # Unlike in ECS61e all values are text in a published ECS200, and no blanks stand between them.
        told = json.dumps({name: str(value) for name, value in data.items()}, separators=(",", ":"))
        self._tell(Told(OPERATIONAL_UPDATE, (Data(Tag.UTF8_STRING, told.encode()),)))
        return [Record(AuxiliaryChanged(controller=n, operational=data, cause="appliance"))]

    def _show_levels(self, n: int, civil: CivilTime) -> None:
        """Keep the operational data of a proportional controller (ECS61e) as it now is."""
        if self._objects.has(self._operational(n)):
            levels = {name: self.level(n, direction, civil) for name, direction in _DIRECTIONS.items()}
            self._keep_operational(n, levels)

    def _keep_operational(self, n: int, data: Mapping[str, Any]) -> None:
        self._objects.put(*self._operational(n), Data(Tag.UTF8_STRING, json.dumps(data).encode()))

    @staticmethod
    def _operational(n: int) -> Key:
        return 1, bytes((0, 0, 94, 44, 0, 30 + n)), 2

    @staticmethod
    def _record(n: int, action: int, cause: str) -> Record:
        return Record(AuxiliaryChanged(controller=n, action=action, cause=cause))
