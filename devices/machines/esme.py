"""An electricity meter (ESME): commands in, responses and alerts out, a contactor, a clock, logs, a button.

Pins: ``contactor_set`` and ``contactor_reset`` out, ``aux_no`` in.  What it has in common with every device on the
HAN's tunnel is in ``han_device``; its functions beside the supply switch are in ``parts.meter_functions``.

Must not live here: checks of commands (``parts.commands``), what the objects do (``parts.meter_conduct``), faults.

Source: facts/gbcs.md 5.1, 5.3, 6, 10.1, 10.4, 11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from devices.events.supply import ClockSet, OutageOver
from devices.machines.core import (
    Answer,
    Asked,
    ButtonPressed,
    Effect,
    Persist,
    PinChanged,
    PowerLost,
    PowerRestored,
    Record,
    Refuse,
    Started,
    TimerFired,
)
from devices.machines.esme_settings import EsmePolicy, EsmeSettings
from devices.machines.han_device import HanDevice
from devices.machines.parts import outage
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.commands import CommandContext, Outcome, PayloadHandler
from devices.machines.parts.contactor import Supply, SupplyEvent
from devices.machines.parts.event_log import EventLog
from devices.machines.parts.load_switch import MOVING, LoadSwitch
from devices.machines.parts.meter_conduct import bind_conduct
from devices.machines.parts.meter_functions import MeterFunctions
from devices.machines.parts.prepayment import ByHand
from devices.model.alerts import Log
from devices.model.credentials import CredentialCells
from devices.model.esme_objects import esme_objects
from devices.model.objects import AccessError, ObjectDef
from devices.trust.keystore import KeyStore

__all__ = ["Esme", "EsmePolicy", "EsmeSettings"]

ARMED = 0x8F32
CLOCK_ADJUSTED = 0x8145


class Esme(HanDevice):
    """One electricity meter with the device identifier ``identity`` (EUI-64); see :class:`HanDevice`."""

    KIND = "ESME"
    IS_COMMISSIONED = True
    settings: EsmeSettings

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        settings: EsmeSettings | None = None,
        *,
        policy: EsmePolicy | None = None,
        handlers: Mapping[int, PayloadHandler] | None = None,
    ) -> None:
        self.settings, self.policy = settings or EsmeSettings(), policy or EsmePolicy()
        super().__init__(identity, keys, cells, handlers=handlers)

    def _definitions(self) -> Sequence[ObjectDef]:
        return esme_objects(self.settings.elements)

    def _bind(self) -> None:
        self.functions = MeterFunctions(
            self,
            self.identity,
            self.keys,
            self.cells,
            self.objects,
            prepayment=self.settings.prepayment,
            auxiliary=self.settings.auxiliary,
            elements=self.settings.elements,
            records_profiles=self.settings.records_profiles,
        )
        bind_conduct(self.objects, self)

    def _recall(self, saved: Mapping[str, Any]) -> None:
        self.functions.prepayment.tokens.keys = self.processor.own_keys
        self.functions.restore(saved)
        keeps = self.settings.outage.keeps_supply_state and "supply" in saved
        transitions = dict(self.policy.transitions)
        if not self.settings.arming_opens:
            transitions.pop((Supply.ENABLED, SupplyEvent.ARM), None)
        self.switch = LoadSwitch(
            Supply[saved["supply"]] if keeps else self.settings.supply,
            self.settings.contactor,
            transitions=transitions,
            contact=self.policy.contact,
            told=self.policy.reported,
        )

    # ------------------------------------------------------------------------------------------------------------ power

    def _started(self, event: Started, now: int) -> list[Effect]:
        joining = super()._started(event, now)
        return [*self.switch.drive("started", now), self.switch.show(), *joining, *self.functions.arm(now)]

    def _lost(self, event: PowerLost, now: int) -> list[Effect]:
        self.switch.power_lost()
        return [*super()._lost(event, now), outage.lost(self.clock.at(now))]

    def _restored(self, event: PowerRestored, now: int) -> list[Effect]:
        saved = self.policy.recalled(event.saved)
        joining = super()._restored(PowerRestored(saved, event.outage_ns), now)
        effects: list[Effect] = []
        changed = self.switch.state.name != event.saved.get("supply", self.settings.supply.name)
        if self.settings.outage.drives_on_return or changed or event.saved.get(MOVING):
            effects += self.switch.drive("power restored", now)
        effects += [self.switch.show(), *joining, *self.functions.catch_up(now)]
        gone = outage.restored(saved, self.clock.at(now), event.outage_ns)
        if gone is None:
            return [*effects, Record(OutageOver(seconds=None, reason="nothing was saved about its beginning"))]
        self.logs[Log.POWER].add(gone.interruption, outage.interruption_code(self.settings.outage))
        code = (self.policy.outage_code or outage.restoration_code(self.settings.outage))(gone.duration_ns)
        told = OutageOver(
            interruption=gone.interruption.text,
            restoration=gone.restoration.text,
            seconds=gone.seconds if gone.duration_ns is not None else None,
        )
        return [*effects, Record(told), *self.out.event(code, now, gone.seconds, gone.alert_data())]

    def _own_timer(self, event: TimerFired, now: int) -> list[Effect] | None:
        functions = self.functions.fired(event.name, now)
        if functions is not None:
            return functions
        judged = self.switch.fired(event.name, now)
        if judged is None:
            return None
        failure, effects = judged
        return effects if failure is None else [*effects, *self.out.event(failure, now, b"")]

    def _after_command(self, _outcome: Outcome, now: int) -> list[Effect]:
        return self.functions.after_command(now)

    # ----------------------------------------------------------------------------------------------------------- supply

    def _button(self, event: ButtonPressed, now: int) -> list[Effect]:
        """The local act: a long press switches an armed supply on; on a disabled one it does nothing."""
        if self.settings.button not in (None, event.button) or event.held_ns < self.settings.button_hold_ns:
            return []
        before = self.switch.state
        if before is Supply.ENABLED:
            return []
        effects = self.switch.change(SupplyEvent.LOCAL_ACT, f"button {event.button}", now)
        done = self.switch.state is not before
        return effects + self._acted(self.settings.local_acts.enable, now, done=done)

    def _pin(self, event: PinChanged, _: int) -> list[Effect]:
        self.switch.sensed(event.pin, event.level)
        return []

    # ---------------------------------------------------------------------------- what the objects need (meter_conduct)

    @property
    def logs(self) -> Mapping[Log, EventLog]:
        """The event, security and power logs."""
        return self.out.logs

    @property
    def firmware(self) -> bytes:
        """The active firmware version."""
        return self.settings.firmware

    def supply_event(self, event: SupplyEvent, context: CommandContext) -> None:
        """Carry out a supply command."""
        cause = f"{context.use_case.use_case} from {context.role.label}"
        context.effects.extend(self.switch.change(event, cause, context.now))
        if event is SupplyEvent.ARM and self.switch.state is Supply.ARMED:
            self.note(ARMED, tell=self.settings.armed_alert)

    def time(self, now: int) -> CivilTime:
        """The civil time of the meter's own clock."""
        return self.clock.at(now)

    def set_time(self, ns: int, context: CommandContext) -> None:
        """Put the clock right."""
        error = self.clock.at(context.now).ns - ns
        self.clock.set(ns, context.now)
        context.effects.append(Persist("clock", self.clock.as_json(context.now)))
        context.effects.append(Record(ClockSet(error_ms=round(error / 1e6), time=self.clock.at(context.now).text)))
        self.note(CLOCK_ADJUSTED)

    # -------------------------------------------------------------------------------------------------- asked by people

    def _own_verb(self, event: Asked, now: int) -> list[Effect]:
        """What the bench has happen to the meter: power drawn (watts), credit used up (units), the case opened, an
        appliance at an auxiliary controller that says how it runs."""
        if event.verb == "tamper":
            return [*self.functions.tamper(now), Answer()]
        if event.verb == "appliance":
            return self._appliance(event.args, now)
        if event.verb in ("top_up", "emergency_credit"):
            return self._prepay_by_hand(event, now)
        name = _QUANTITIES.get(event.verb)
        if name is None:
            known = "'state', 'load', 'consume', 'top_up', 'emergency_credit', 'tamper' or 'appliance'"
            return [Refuse(f"a meter has no verb {event.verb!r} (or no install code to join with); try {known}")]
        number = event.args.get(name)
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            return [Refuse(f"{event.verb} takes {name}, a whole number from 0 on; got {number!r}")]
        if event.verb == "consume":
            return [*self.functions.consume(number, now), Answer()]
        return [*self.functions.look_at_load(now, number), *self.functions.arm(now), Answer()]

    def _prepay_by_hand(self, event: Asked, now: int) -> list[Effect]:
        """Somebody types a token (``top_up`` with ``utrn``) or takes emergency credit at the meter's keys."""
        self._notes = []
        hand, acts, prepayment = ByHand(self.clock.at(now)), self.settings.local_acts, self.functions.prepayment
        code = acts.top_up if event.verb == "top_up" else acts.emergency_credit
        answer: dict[str, Any] = {}
        problem = None
        try:
            if event.verb == "top_up":
                answer["amount"] = prepayment.enter(str(event.args.get("utrn", "")), hand)
            else:
                prepayment.invoke(hand)
        except AccessError as refused:
            problem = str(refused)
        effects = [*hand.effects, Persist("objects", self.objects.as_json())]
        effects += self._acted(code, now, done=problem is None)
        notes, self._notes = self._notes, []
        for note, tell in notes:
            effects += self.out.event(note, now, b"", tell=tell)
        effects += self.functions.after_command(now)
        return [*effects, Answer(answer) if problem is None else Refuse(f"{event.verb}: {problem}")]

    def _appliance(self, args: Mapping[str, Any], now: int) -> list[Effect]:
        numbers = [args.get(name) for name in ("controller", "output", "input")]
        whole = [number for number in numbers if isinstance(number, int) and not isinstance(number, bool)]
        if len(whole) < 3 or min(whole[1:]) < 0 or max(whole[1:]) > 100 or args.keys() - _APPLIANCE:
            wants = "controller, output and input (percent, 0 to 100), and where wanted other"
            return [Refuse(f"appliance takes {wants}; got {dict(args)}")]
        levels = {"outputState": whole[1], "inputState": whole[2]}
        try:
            return [*self.functions.operated(whole[0], levels, str(args.get("other", "")), now), Answer()]
        except AccessError as problem:
            return [Refuse(f"appliance: {problem}")]

    def state(self, now: int) -> dict[str, Any]:
        """Everything that the meter is, in JSON types; two equal states are one meter."""
        return super().state(now) | {
            "supply": self.switch.state.name.lower(),
            "planned": self.functions.future.as_json(),
            "prepayment": self.functions.prepayment.as_json(),
            "auxiliary": self.functions.auxiliary.persist().value,
        }

    EVENTS: ClassVar[Mapping[type, Callable[[Any, Any, int], list[Effect]]]] = {
        **HanDevice.EVENTS,
        ButtonPressed: lambda meter, event, now: meter._button(event, now),
        PinChanged: lambda meter, event, now: meter._pin(event, now),
    }


_APPLIANCE = {"controller", "output", "input", "other"}
_QUANTITIES = {"load": "watts", "consume": "amount"}
"""Verb to the quantity that it takes."""
