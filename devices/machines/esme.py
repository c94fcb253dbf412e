"""An electricity meter (ESME): commands in, responses and alerts out, a contactor, a clock, logs, a button.

Ports: ``han`` (the ZigBee tunnel that the hub opens) and ``line`` (bare GBCS messages).  Pins: ``contactor_set`` and
``contactor_reset`` out, ``aux_no`` in.  Everything that survives a power cut is persisted the moment it changes;
after a cut the meter is built anew from what was saved, as its firmware would.

Must not live here: checks of commands (``parts.commands``), what the objects do (``parts.meter_conduct``), faults.

Source: facts/gbcs.md 5.1, 5.3, 6, 10.1, 10.4, 11; 8.3 for the tunnel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devices.machines.core import (
    Answer,
    Asked,
    ButtonPressed,
    Effect,
    Event,
    JoinNetwork,
    LeaveNetwork,
    LinkChanged,
    NetworkDown,
    NetworkUp,
    Persist,
    PinChanged,
    PowerLost,
    PowerRestored,
    Received,
    Record,
    Refuse,
    SendFailed,
    SetTimer,
    Started,
    StopTimer,
    TimerFired,
)
from devices.machines.esme_settings import EsmePolicy, EsmeSettings
from devices.machines.parts import outage, tunnel
from devices.machines.parts.civil_clock import CivilClock, CivilTime, from_zcl
from devices.machines.parts.commands import CommandContext, CommandProcessor, Outcome, PayloadHandler
from devices.machines.parts.contactor import Supply, SupplyEvent
from devices.machines.parts.event_log import EventLog
from devices.machines.parts.load_switch import LoadSwitch
from devices.machines.parts.meter_conduct import bind_conduct
from devices.machines.parts.reporting import Reporter
from devices.machines.parts.time_cluster import CLUSTER as TIME_CLUSTER
from devices.machines.parts.time_cluster import time_in
from devices.model.alerts import Log
from devices.model.credentials import CredentialCells
from devices.model.esme_objects import esme_objects
from devices.model.objects import ObjectModel
from devices.trust.keystore import KeyStore
from devices.wire import axdr
from devices.wire.axdr import Data

__all__ = ["Esme", "EsmePolicy", "EsmeSettings"]

ARMED, COMMISSIONED, JOINED, LOCAL_ACT_DONE, LOCAL_ACT_FAILED = 0x8F32, 0x8F69, 0x8183, 0x8161, 0x8162
COMMAND_DONE, COMMAND_FAILED, CLOCK_ADJUSTED, UNSUPPORTED = 0x8154, 0x8155, 0x8145, 0x8F85


class Esme:
    """One electricity meter with the device identifier ``identity`` (EUI-64).

    ``keys`` holds its private keys, ``cells`` the credentials with which it left manufacture.  ``handlers`` add message
    codes that are no access-requests.
    """

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
        self.identity, self.keys = identity, keys
        self.settings, self.policy = settings or EsmeSettings(), policy or EsmePolicy()
        self.cells, self._handlers = cells, handlers
        self._cells_at_manufacture = cells.as_json()
        self._powered = True
        self._boot({})

    def _boot(self, saved: Mapping[str, Any]) -> None:
        """Begin with what was saved and nothing else: no tunnel, no network, no timer is remembered."""
        self.cells.load_json(saved.get("cells", self._cells_at_manufacture))
        self.objects: ObjectModel[CommandContext] = ObjectModel(esme_objects())
        bind_conduct(self.objects, self)
        self.processor = CommandProcessor(
            self.identity, self.keys, self.cells, self.objects, self.settings.commands, handlers=self._handlers
        )
        self.processor.restore(saved)
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
        self.clock = CivilClock(self.settings.clock)
        self.tunnel = tunnel.TunnelServer("han", self.settings.tunnel)
        self.out = Reporter(
            self.processor, self.clock, self.tunnel, hub=self.settings.hub, queue_limit=self.settings.queue_limit
        )
        self.out.restore(saved)
        self._once = set(saved.get("once", ()))  # what happens once in the life of a meter: joined, commissioned
        self._epid = bytes.fromhex(saved["epid"]) if saved.get("epid") else self.settings.epid
        self._network = False
        self._hub_time: tuple[int, int] | None = None  # civil ns, bench now at which the hub said so
        self._notes: list[tuple[int, bool]] = []  # event, whether anybody is told

    def handle(self, event: Event, now: int) -> Sequence[Effect]:
        """See :class:`devices.machines.core.Machine`."""
        if not self._powered and not isinstance(event, PowerRestored | Started):
            return [Refuse("the meter has no supply; switch it on first")] if isinstance(event, Asked) else []
        handler = _HANDLERS.get(type(event))
        return [] if handler is None else handler(self, event, now)

    # ------------------------------------------------------------------------------------------------------------ power

    def _started(self, event: Started, now: int) -> list[Effect]:
        self._powered = True
        self._boot(event.saved)
        return [*self.switch.drive("started", now), self.switch.show(), *self._join()]

    def _lost(self, _: PowerLost, now: int) -> list[Effect]:
        self._powered = False
        self.switch.power_lost()
        self.tunnel.reset()
        return [Persist("clock", self.clock.as_json(now)), outage.lost(self.clock.at(now))]

    def _restored(self, event: PowerRestored, now: int) -> list[Effect]:
        self._powered = True
        saved = self.policy.recalled(event.saved)
        self._boot(saved)
        self.clock.restore(saved.get("clock"), now, event.outage_ns)
        effects: list[Effect] = []
        changed = self.switch.state.name != event.saved.get("supply", self.settings.supply.name)
        if self.settings.outage.drives_on_return or changed:
            effects += self.switch.drive("power restored", now)
        effects += [self.switch.show(), *self._join()]
        gone = outage.restored(saved, self.clock.at(now), event.outage_ns)
        if gone is None:
            return [*effects, Record("outage", {"reason": "nothing was saved about its beginning"})]
        code = (self.policy.outage_code or outage.restoration_code(self.settings.outage))(gone.duration_ns)
        told = {
            "interruption": gone.interruption.text,
            "restoration": gone.restoration.text,
            "seconds": gone.seconds if gone.duration_ns is not None else None,
        }
        return [*effects, Record("outage", told), *self.out.event(code, now, gone.seconds, gone.alert_data())]

    # ------------------------------------------------------------------------------------------------ network and ports

    def _join(self) -> list[Effect]:
        if self.settings.install_code is None or not self.settings.auto_join:
            return []
        return [JoinNetwork("han", self.settings.install_code, self._epid)]

    def _network_up(self, event: NetworkUp, now: int) -> list[Effect]:
        if event.port != "han":
            return []
        self._network, self._epid = True, event.epid
        effects: list[Effect] = [StopTimer("join"), Persist("epid", event.epid.hex())]
        return effects + self._first_time("joined", JOINED, self.settings.joined_alert, now)

    def _network_down(self, event: NetworkDown, now: int) -> list[Effect]:
        if event.port != "han":
            return []
        self._network = False
        self.tunnel.reset()
        retry = self.settings.install_code is not None and self.settings.auto_join
        return [SetTimer("join", now + self.settings.join_retry_ns)] if retry else []

    def _received(self, event: Received, now: int) -> list[Effect]:
        if event.port == "line":
            arrived = {"port": "line", "peer": event.peer.hex(), "octets": event.octets.hex()}
            return [Record("gbcs.rx", arrived), *self._message(event.port, event.peer, event.octets, now)]
        if event.cluster == TIME_CLUSTER:
            seconds = time_in(event.octets)
            self._hub_time = self._hub_time if seconds is None else (from_zcl(seconds), now)
            return []
        if event.cluster != tunnel.CLUSTER:
            return []
        messages, effects = self.tunnel.receive(event, now)
        effects = list(effects)
        for peer, octets in messages:
            effects += self._message("han", peer, octets, now)
        return effects + self.out.flush(now)

    def _send_failed(self, event: SendFailed, now: int) -> list[Effect]:
        effects = list(self.tunnel.failed(event, now))
        return effects + self.out.keep_broken()

    def _link(self, event: LinkChanged, now: int) -> list[Effect]:
        if event.port != "line":
            return []
        self.out.line_up = event.up
        return self.out.flush(now)

    def _timer(self, event: TimerFired, now: int) -> list[Effect]:
        if event.name == "join":
            return [] if self._network else self._join()
        judged = self.switch.fired(event.name, now)
        if judged is None:
            return [*(self.tunnel.fired(event.name, now) or []), *self.out.keep_broken()]
        failure, effects = judged
        return effects if failure is None else [*effects, *self.out.event(failure, now, b"")]

    # --------------------------------------------------------------------------------------------------------- messages

    def _message(self, port: str, peer: bytes, octets: bytes, now: int) -> list[Effect]:
        """One whole GBCS message: the counter and the doing first, then what is logged, the response, the alerts."""
        self._notes = []
        outcome = self.processor.receive(octets, now, self.clock.at(now))
        effects: list[Effect] = list(outcome.effects)
        if outcome.refused is not None:
            return effects + self._complain(outcome, now)
        effects += self._log_command(outcome, now)
        if outcome.response is not None:
            effects += self.out.send(port, peer, outcome.response, now)
        for code, tell in self._notes:
            effects += self.out.event(code, now, b"", tell=tell)
        if outcome.use_case is not None and outcome.use_case.use_case == "ECS70" and not any(outcome.results):
            effects += self._first_time("commissioned", COMMISSIONED, self.settings.commissioned_alert, now)
        return effects

    def _complain(self, outcome: Outcome, now: int) -> list[Effect]:
        refused = outcome.refused
        if refused is None or refused.alert is None:
            return []
        extra: tuple[Data, ...] = ()
        if refused.alert == UNSUPPORTED and refused.message_code is not None and refused.counter is not None:
            told = refused.message_code.to_bytes(2, "big") + refused.counter.to_bytes(8, "big")
            extra = (axdr.octets(told),)
        return self.out.event(refused.alert, now, None, extra)

    def _log_command(self, outcome: Outcome, now: int) -> list[Effect]:
        """Commands that change something are logged with their code, so that the outcome can be learnt when the
        response is lost (the layout is that of published event logs)."""
        use_case = outcome.use_case
        if use_case is None or use_case.only_reads:
            return []
        done = COMMAND_FAILED if any(outcome.results) else COMMAND_DONE
        return self.out.event(done, now, use_case.code.to_bytes(2, "big"), tell=False)

    def _first_time(self, what: str, code: int, tell: bool, now: int) -> list[Effect]:
        if what in self._once:
            return []
        self._once.add(what)
        return [Persist("once", sorted(self._once)), *self.out.event(code, now, b"", tell=tell)]

    # ----------------------------------------------------------------------------------------------------------- supply

    def _button(self, event: ButtonPressed, now: int) -> list[Effect]:
        """The local act: a long press switches an armed supply on; on a disabled one it does nothing."""
        if self.settings.button not in (None, event.button) or event.held_ns < self.settings.button_hold_ns:
            return []
        before = self.switch.state
        if before is Supply.ENABLED:
            return []
        effects = self.switch.change(SupplyEvent.LOCAL_ACT, f"button {event.button}", now)
        done = LOCAL_ACT_FAILED if self.switch.state is before else LOCAL_ACT_DONE
        return effects + self.out.event(done, now, b"", tell=False)

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

    def hub_time(self, now: int) -> int:
        """The hub's time: what it said last, carried on; the bench's civil time while it said nothing."""
        if self._hub_time is None:
            return self.settings.clock.start_ns + now
        return self._hub_time[0] + now - self._hub_time[1]

    def set_time(self, ns: int, context: CommandContext) -> None:
        """Put the clock right."""
        error = self.clock.at(context.now).ns - ns
        self.clock.set(ns, context.now)
        context.effects.append(Persist("clock", self.clock.as_json(context.now)))
        context.effects.append(
            Record("clock.set", {"error_ms": round(error / 1e6), "time": self.clock.at(context.now).text})
        )
        self.note(CLOCK_ADJUSTED)

    def note(self, code: int, *, tell: bool = True) -> None:
        """Have an event logged, and told whom it concerns, once the command is answered."""
        self._notes.append((code, tell))

    # -------------------------------------------------------------------------------------------------- asked by people

    def _asked(self, event: Asked, now: int) -> list[Effect]:
        if event.verb == "state":
            return [Answer(self.state(now))]
        if event.verb == "join" and self.settings.install_code is not None:
            return [JoinNetwork("han", self.settings.install_code, self._epid), Answer()]
        if event.verb == "leave":
            self._network = False
            self.tunnel.reset()
            return [LeaveNetwork("han"), StopTimer("join"), Answer()]
        return [Refuse(f"a meter has no verb {event.verb!r} (or no install code to join with); try 'state'")]

    def state(self, now: int) -> dict[str, Any]:
        """Everything that the meter is, in JSON types; two equal states are one meter."""
        civil = self.clock.at(now)
        return {
            "identity": self.identity.hex(),
            "supply": self.switch.state.name.lower(),
            "time": civil.text,
            "clock_status": civil.status.name.lower(),
            "network": self._network,
            "floors": self.processor.floors.as_json(),
            "objects": self.objects.as_json(),
            "cells": self.cells.as_json(),
            "logs": {log.value: lines.as_json() for log, lines in self.out.logs.items()},
            "queue": [octets.hex() for octets in self.out.waiting],
            "once": sorted(self._once),
        }


_HANDLERS: dict[type, Callable[[Esme, Any, int], list[Effect]]] = {
    Started: Esme._started,
    PowerLost: Esme._lost,
    PowerRestored: Esme._restored,
    NetworkUp: Esme._network_up,
    NetworkDown: Esme._network_down,
    Received: Esme._received,
    SendFailed: Esme._send_failed,
    LinkChanged: Esme._link,
    TimerFired: Esme._timer,
    ButtonPressed: Esme._button,
    PinChanged: Esme._pin,
    Asked: Esme._asked,
}
