"""The functions of an electricity meter beside its supply switch: prepayment, load limit, auxiliary controllers,
future-dated settings and profiles, joined to the meter's clock, logs, alerts and timers.

Must not live here: the functions themselves (each has its own part), the checks of a command, ports.

Source: facts/gbcs.md 6, 7, 10.1, 10.3; facts/use-cases.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from devices.events.accounts import BlocksReset
from devices.machines.core import Effect, Persist, Record, SetTimer, StopTimer
from devices.machines.parts import calendars, profile_log
from devices.machines.parts.aux_switch import Auxiliary, AuxiliarySettings, Told
from devices.machines.parts.civil_clock import EPOCH_2000, CivilClock, CivilTime
from devices.machines.parts.contactor import Supply, SupplyEvent
from devices.machines.parts.execution import CommandContext
from devices.machines.parts.future_dated import FutureDated
from devices.machines.parts.load_limit import LoadLimit, Step
from devices.machines.parts.load_switch import LoadSwitch
from devices.machines.parts.prepayment import Occasion, Prepayment, PrepaymentSettings
from devices.machines.parts.profile_log import ProfileLog
from devices.machines.parts.reporting import Reporter
from devices.model import esme_objects as own
from devices.model.credentials import CredentialCells
from devices.model.objects import Key, ObjectModel
from devices.model.profiles import profiles
from devices.trust.keystore import KeyStore
from devices.wire import axdr

__all__ = ["TIMER", "MeterFunctions"]

TIMER: Final = "meter"
ARMED, ARMED_BY_EMERGENCY = 0x8F32, 0x8168
TAMPERED, LOCKED = 0x8F3F, 0x81BE
_HALF_HOUR, _DAY = 1_800_000_000_000, 86_400_000_000_000
_NON_DISABLEMENT: Final = (10, bytes((0, 0, 12, 0, 1, 255)), 2), (11, bytes((0, 0, 11, 0, 2, 255)), 2)
_SUSPENDS: Final = (
    32  # the script that begins a time without disablement; 33 ends it (as published calendars pair them)
)
_MODE: Final = (*own.PAYMENT_MODE, 2)
_BILLING_CALENDAR: Final = (22, bytes((0, 0, 15, 0, 0, 255)), 4)
_BLOCK_RESET: Final = (22, bytes((0, 0, 15, 1, 0, 255)), 4)
BILLED: Final = 0x8F0A


class Meter(Protocol):
    """What the functions need of the meter that they belong to."""

    @property
    def switch(self) -> LoadSwitch: ...

    @property
    def clock(self) -> CivilClock: ...

    @property
    def out(self) -> Reporter: ...

    def note(self, code: int, *, tell: bool = True) -> None: ...


class MeterFunctions:
    """The functions of one meter with these objects."""

    def __init__(
        self,
        meter: Meter,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        objects: ObjectModel[CommandContext],
        *,
        prepayment: PrepaymentSettings | None = None,
        auxiliary: AuxiliarySettings | None = None,
        elements: int = 1,
        records_profiles: bool = True,
    ) -> None:
        self._meter, self._objects, self._records = meter, objects, records_profiles
        self.future = FutureDated(objects)
        self.profiles = ProfileLog(objects, profiles("ESME", elements))
        self.load = LoadLimit(objects)
        self.auxiliary = Auxiliary(objects, self._log_switching, self._tell, auxiliary)
        self.prepayment = Prepayment(
            identity,
            keys,
            cells,
            objects,
            meter.note,
            prepayment,
            credited=lambda occasion, amount: self._book(profile_log.CREDITS, occasion, amount),
            repaid=lambda occasion, amount: self._book(profile_log.REPAYMENTS, occasion, amount),
        )
        self._told: list[Told] = []
        self._timer_set = False
        self._mode = objects.value(*_MODE)
        self._load_due: int | None = None
        self._schedules: dict[Key, int | None] = {_BILLING_CALENDAR: None, _BLOCK_RESET: None}
        self._planned_at = -1  # the revision of the objects for which the schedules were looked up

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what was kept over a power cut (after the objects were)."""
        self.future.restore(saved)
        self.auxiliary.restore(saved)
        self.prepayment.restore(saved)
        self._mode = self._objects.value(*_MODE)

    # ---------------------------------------------------------------------------------------------------- what happens

    def after_command(self, now: int) -> list[Effect]:
        """What follows from an executed command: alerts, thresholds, the supply; and the timer for what is planned."""
        return [*self._settle(now), *self._tell_all(now), *self.arm(now)]

    def fired(self, name: str, now: int) -> list[Effect] | None:
        """Take a timer; None when it is not ours."""
        if name != TIMER:
            return None
        self._timer_set = False
        civil, revision = self._meter.clock.at(now), self._objects.revision
        self._capture(civil)
        effects = [*self._reach(civil, now), *self._run_schedules(civil, now)]
        effects += self.look_at_load(now)
        if self._objects.revision != revision:
            effects.append(Persist("objects", self._objects.as_json()))
        return [*effects, *self._settle(now), *self._tell_all(now), *self.arm(now)]

    def catch_up(self, now: int) -> list[Effect]:
        """After power came back: what fell due meanwhile, then the timer."""
        effects = self._reach(self._meter.clock.at(now), now)
        return [*effects, *self._settle(now), *self._tell_all(now), *self.arm(now)]

    def arm(self, now: int) -> list[Effect]:
        """Set the one timer for whatever comes first."""
        civil = self._meter.clock.at(now)
        self._look_up_schedules(civil)
        dues = [self.future.next_due, self.auxiliary.next_due(civil), self._next_capture(civil)]
        dues += [self.prepayment.next_collection, *self._schedules.values()]
        waits = [now + max(1, due - civil.ns) for due in dues if due is not None]
        if self._load_due is not None:
            waits.append(max(now + 1, self._load_due))
        if not waits:
            stop: list[Effect] = [StopTimer(TIMER)] if self._timer_set else []
            self._timer_set = False
            return stop
        self._timer_set = True
        return [SetTimer(TIMER, min(waits))]

    def look_at_load(self, now: int, watts: int | None = None) -> list[Effect]:
        """The power now, in watts (None: as before)."""
        verdict = self.load.look(now, watts)
        self._load_due = verdict.due
        effects: list[Effect] = []
        if verdict.step is Step.DISABLE_AND_ARM:
            effects += self._switch(SupplyEvent.DISABLE, "load limit", now)
            effects += self._switch(SupplyEvent.ARM, "load limit", now)
        elif verdict.step is Step.ENABLE and self._meter.switch.state is Supply.ARMED:
            effects += self._switch(SupplyEvent.ENABLE, "load limit restoration", now)
        for code in verdict.events:
            effects += self._meter.out.event(code, now, b"")
        return effects

    def consume(self, amount: int, now: int) -> list[Effect]:
        """Credit used up, in units of the balance."""
        self.prepayment.consume(amount)
        saved = Persist("objects", self._objects.as_json())
        return [saved, *self._settle(now), *self._tell_all(now), *self.arm(now)]

    def operated(self, n: int, levels: Mapping[str, int], other: str, now: int) -> list[Effect]:
        """The appliance at an auxiliary controller says how it runs; see :meth:`Auxiliary.operated`."""
        effects = self.auxiliary.operated(n, levels, other)
        return [*effects, Persist("objects", self._objects.as_json()), *self._tell_all(now)]

    def tamper(self, now: int) -> list[Effect]:
        """Somebody opened the meter: logged, told, and where the tamper state says so the supply goes and stays off."""
        effects = self._meter.out.event(TAMPERED, now)
        if not self._objects.value(*own.TAMPER, 2).value:
            return effects
        effects += self._switch(SupplyEvent.DISABLE, "tamper", now)
        return effects + self._meter.out.event(LOCKED, now, b"")

    # --------------------------------------------------------------------------------------------------------- inside

    def _reach(self, civil: CivilTime, now: int) -> list[Effect]:
        reports, effects = self.future.reach(civil)
        for report in reports:
            effects += self._meter.out.event(report.code, now, b"", report.extra, recipients=(report.role,))
        return [*effects, *self.auxiliary.reach(civil)]

    def _settle(self, now: int) -> list[Effect]:
        civil = self._meter.clock.at(now)
        effects: list[Effect] = []
        if self._objects.value(*_MODE) != self._mode:
            self._mode = self._objects.value(*_MODE)
            self.profiles.capture(profile_log.MODE_CHANGES, civil)
            effects.append(Persist("objects", self._objects.as_json()))
        before, revision = self.prepayment.as_json(), self._objects.revision
        for code in self.prepayment.collect(civil):
            effects += self._meter.out.event(code, now, b"")
        if self._objects.revision != revision:
            effects.append(Persist("objects", self._objects.as_json()))
        change = self.prepayment.settle(disablement_allowed=not self._suspended(civil))
        if self.prepayment.as_json() != before:
            effects += self.prepayment.persist()
        for code in change.events:
            effects += self._meter.out.event(code, now, b"")
        if change.disable:
            effects += self._switch(SupplyEvent.DISABLE, "credit", now)
        if change.arm and self._meter.switch.state is Supply.DISABLED:
            effects += self._switch(SupplyEvent.ARM, "credit", now)
            code = ARMED_BY_EMERGENCY if self.prepayment.emergency_active else ARMED
            effects += self._meter.out.event(code, now, b"", tell=False)
        return effects

    def _suspended(self, civil: CivilTime) -> bool:
        """Whether the non-disablement calendar forbids to switch off for want of credit."""
        tables = [self._objects.value(*key) for key in _NON_DISABLEMENT]
        if not self.prepayment.prepaying:
            return False
        last = calendars.last_switched(tables[0], tables[1], civil, of=_SUSPENDS, mask=0xFFFE)
        return last is not None and last.selector == _SUSPENDS

    def _switch(self, event: SupplyEvent, cause: str, now: int) -> list[Effect]:
        return self._meter.switch.change(event, cause, now)

    def _look_up_schedules(self, civil: CivilTime) -> None:
        """When billing calendar and reset of the block counters are due next, where anything was written since."""
        if self._planned_at == self._objects.revision:
            return
        self._planned_at = self._objects.revision
        for key in self._schedules:
            written = self._objects.written(key)
            self._schedules[key] = calendars.next_execution(self._objects.value(*key), civil) if written else None

    def _run_schedules(self, civil: CivilTime, now: int) -> list[Effect]:
        due = [key for key, at in self._schedules.items() if at is not None and at <= civil.ns]
        if due:
            self._planned_at = -1
        effects: list[Effect] = []
        if _BLOCK_RESET in due:
            effects.append(Record(BlocksReset(cause="calendar")))
        if _BILLING_CALENDAR in due:
            for obis in profile_log.BILLING:
                self.profiles.capture(obis, civil)
            newest = axdr.structure(self.profiles.newest(profile_log.BILLING[0]))
            effects += self._meter.out.event(BILLED, now, b"", sealed=newest)
        return effects

    def _tell(self, told: Told) -> None:
        self._told.append(told)

    def _tell_all(self, now: int) -> list[Effect]:
        told, self._told = self._told, []
        return [effect for one in told for effect in self._meter.out.event(one.code, now, b"", one.extra)]

    def _log_switching(self, civil: CivilTime, action: int, outcome: int) -> None:
        cells = (axdr.u16(action), axdr.enum(outcome), axdr.u32(0))
        self.profiles.append(profile_log.AUXILIARY_LOG, civil, *cells)

    def _book(self, profile: bytes, occasion: Occasion, amount: int) -> None:
        self.profiles.append(profile, occasion.civil, axdr.u32(max(0, min(amount, 0xFFFFFFFF))))

    # -------------------------------------------------------------------------------------------------------- profiles

    def _next_capture(self, civil: CivilTime) -> int | None:
        if not self._records:
            return None
        return EPOCH_2000 + ((civil.ns - EPOCH_2000) // _HALF_HOUR + 1) * _HALF_HOUR

    def _capture(self, civil: CivilTime) -> None:
        """The rows of the half hour or day that has just ended; a timer that fires between two writes none."""
        into = (civil.ns - EPOCH_2000) % _HALF_HOUR
        if not self._records or into >= 1_000_000_000:
            return
        due: Sequence[bytes] = profile_log.HALF_HOURLY
        if (civil.ns - EPOCH_2000) % _DAY < _HALF_HOUR:
            due = (*due, *profile_log.DAILY)
        for obis in due:
            self.profiles.capture(obis, civil)
