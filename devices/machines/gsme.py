"""A gas meter (GSME): commands in, responses and alerts out, a valve, a battery, a clock, logs, a button; it sleeps.

Ports: ``han`` (it opens the tunnel to the hub and asks for its messages when it wakes) and ``line`` (bare GBCS
messages).  Pins: ``valve_open`` and ``valve_close`` out.  Everything that survives the loss of its battery is persisted
the moment it changes.

Must not live here: checks of commands (``parts.commands``), what commands do (``parts.gas_conduct`` and the conduct
table), what it shares with its proxy (``parts.gas_device``).

Source: facts/gbcs.md 5.2, 6, 8.3, 10.2, 10.6.1 (what it records and pushes), 11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.events.proxy import MirrorUnreadable
from devices.events.supply import FlowSet
from devices.machines.core import (
    Answer,
    Asked,
    ButtonPressed,
    Effect,
    Event,
    NetworkUp,
    Persist,
    PowerLost,
    Received,
    Record,
    Refuse,
    Send,
    SetTimer,
    TimerFired,
)
from devices.machines.gas_device import GasDeviceSettings, RecordingDevice
from devices.machines.han_device import SECOND
from devices.machines.parts.civil_clock import from_zcl
from devices.machines.parts.commands import Outcome, PayloadHandler
from devices.machines.parts.gas_conduct import GasConduct
from devices.machines.parts.gas_mirror import COMPLETE, answers_to
from devices.machines.parts.gas_pushing import Pushing
from devices.machines.parts.gas_recording import HALF_HOUR, BillingBasis
from devices.machines.parts.gbz_answers import DAY
from devices.machines.parts.gbz_steps import Act, ZclRefusal, number
from devices.machines.parts.joining import PeerType
from devices.machines.parts.sleepy_tunnel import SleepyClient
from devices.machines.parts.tokens import TokenRefused, Tokens, TokenSettings
from devices.machines.parts.tunnel_end import TunnelEnd
from devices.machines.parts.user_interface import LocalActs
from devices.machines.parts.valve import OPENING, Valve, ValveEvent, ValveSettings, ValveState
from devices.model import gas_records
from devices.model.credentials import CredentialCells
from devices.model.gpf_objects import MIRRORED
from devices.model.gsme_objects import gsme_clusters
from devices.model.roles import Role
from devices.model.zcl_objects import ClusterModel
from devices.trust.keystore import KeyStore
from devices.wire import zcl, zcl_general
from devices.wire.errors import WireError
from devices.wire.zcl_general import AttributeValue, ReportAttributes

__all__ = ["Gsme", "GsmeSettings"]

BATTERY_DAYS, FIRMWARE, SUMMATION = (0x0702, 0x0205), (0x0702, 0x0206), (0x0702, 0x0000)
UNCONTROLLED, LOW_BATTERY = 0x81BF, 0x8F1F
WAKE, NETWORK_SAMPLE, HALF_HOUR_ENDS = "wake", "network_sample", "half_hour"


@dataclass(frozen=True, slots=True)
class GsmeSettings(GasDeviceSettings):
    """What a gas meter adds to the settings of any gas device."""

    valve: ValveSettings = field(default_factory=ValveSettings)
    tokens: TokenSettings = field(default_factory=TokenSettings)
    wake_ns: int = 1800 * SECOND  # between two wakings; the reporting interval (facts/gbcs.md 8.3)
    button: str | None = None  # the button of the local act; None: any
    button_hold_ns: int = 2 * SECOND  # how long it is held [our choice]
    # The codes that acts at its keys are logged with: those of the same commands from a PPMID [our choice].
    local_acts: LocalActs = field(default_factory=lambda: LocalActs(top_up=0x009B, emergency_credit=0x0090))
    low_battery_days: int = 180  # below this 0x8F1F is told [our choice]
    reports: bool = True  # report attributes to the mirror on every waking and every half hour
    # The alert that the billing data log has a new record (GCS53).  The text of 0.8.1 has the proxy send it, facts/
    # gbcs.md 10.6.1 [spec text, second hand]; the one published message comes from a meter.  The proxy has the same.
    billing_alert: bool = False


class Gsme(RecordingDevice):
    """One gas meter with the device identifier ``identity`` (EUI-64)."""

    KIND = "GSME"
    IS_COMMISSIONED = True
    settings: GsmeSettings

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        settings: GsmeSettings | None = None,
        *,
        handlers: Mapping[int, PayloadHandler] | None = None,
        peers: Callable[[bytes], bytes | None] | None = None,
    ) -> None:
        self.settings = settings or GsmeSettings()
        self.flow = 0  # what flows now, in the units of the uncontrolled flow threshold: the bench's to say
        super().__init__(identity, keys, cells, handlers=handlers, peers=peers)

    def _new_clusters(self) -> ClusterModel:
        return gsme_clusters({FIRMWARE: self.settings.commands.asn1.firmware})

    def _new_conduct(self) -> GasConduct:
        self.valve = Valve(self.clusters, self.settings.valve)
        tokens = Tokens(self.identity, self.keys, self.cells, self.settings.tokens)
        return GasConduct(self.clusters, self.valve, tokens, self.settings.gas)

    def _new_tunnel(self) -> TunnelEnd:
        self.sleepy = SleepyClient("han", self.settings.tunnel)
        return self.sleepy

    def _recall(self, saved: Mapping[str, Any]) -> None:
        super()._recall(saved)
        self._opening = bool(saved.get(OPENING))
        self.pushing = Pushing(saved)
        self.basis = BillingBasis(self.clusters, lambda: self.cells.party_of(Role.SUPPLIER))

    def _begun(self, now: int) -> list[Effect]:
        secured = self.valve.secure(now, opening=self._opening)
        return [*super()._begun(now), *secured, self.executor.saved(), self.valve.show(), self._next_half_hour(now)]

    # ----------------------------------------------------------------------------------------------------------- events

    def _lost(self, event: PowerLost, now: int) -> list[Effect]:
        self.valve.power_lost()
        return super()._lost(event, now)

    def _network_up(self, event: NetworkUp, now: int) -> list[Effect]:
        return [*super()._network_up(event, now), *self._wake(now)]

    def _schedule(self, now: int) -> list[Effect]:
        """After whatever may have activated a firmware: the attribute shows the one that runs."""
        if self.clusters.get(FIRMWARE) != self.processor.asn1.firmware.version:
            self.clusters.set(FIRMWARE, self.processor.asn1.firmware.version)
        effects = [*super()._schedule(now), *self._billing_changes(now)]
        if self.conduct.sampling is not None:
            self.recorder.begin(self.settings.gas.network_sample)
            effects.append(SetTimer(NETWORK_SAMPLE, self._bench_time(from_zcl(self.conduct.sampling.at), now)))
        return effects

    def _own_timer(self, event: TimerFired, now: int) -> list[Effect] | None:
        if event.name == WAKE:
            return self._wake(now)
        if event.name == HALF_HOUR_ENDS:
            return self._half_hour(now)
        if event.name == NETWORK_SAMPLE:
            return self._network_sample(now)
        judged = self.valve.fired(event.name, now, self.flow)
        if judged is None:
            return super()._own_timer(event, now)
        uncontrolled, effects = judged
        if not uncontrolled:
            return effects
        return [*effects, self.executor.saved(), *self.out.event(UNCONTROLLED, now)]

    def _wake(self, now: int) -> list[Effect]:
        """Ask the hub for what waits, report to the mirror, sleep again."""
        effects: list[Effect] = [SetTimer(WAKE, now + self.settings.wake_ns)]
        if not self._network or self.settings.hub is None:
            return effects
        effects += self.sleepy.ask(self.settings.hub, now)
        return [*effects, *self._push()]

    def _push(self) -> list[Effect]:
        """The HAN interface is on: report attributes, send what waits for the proxy.

        Nothing of it before the proxy is in the device log (facts/gbcs.md 8.3 [2 sources]); what is to be pushed waits.
        """
        hub = self.settings.hub
        if not self._network or hub is None or not self._is_mirrored:
            return []
        return [*(self._report(hub) if self.settings.reports else []), *self.pushing.flush(hub)]

    @property
    def _is_mirrored(self) -> bool:
        """Whether the proxy is in the device log."""
        return self.processor.asn1.log.knows(PeerType.GPF)

    def _report(self, hub: bytes) -> list[Effect]:
        """Attribute reports of what the proxy mirrors and is not as manufactured; the last one says that it is."""
        held = [
            (cluster, AttributeValue(attribute, self.clusters.rows[cluster, attribute].type, value))
            for (cluster, attribute), value in sorted(self.clusters.values.items())
            if cluster in MIRRORED
        ]
        effects: list[Effect] = []
        for place, (cluster, record) in enumerate(held, 1):
            body = ReportAttributes((record, COMPLETE) if place == len(held) else (record,))
            frame = zcl.Frame(zcl.TO_CLIENT, 0, zcl_general.command_of(body), zcl_general.write(body))
            effects.append(Send("han", hub, zcl.encode(frame), cluster))
        return effects

    def _other(self, event: Event, now: int) -> list[Effect]:
        """Frames of the mirror: flags, and what the proxy asks for, answered while the HAN interface is on."""
        if not isinstance(event, Received) or event.port != "han" or event.cluster not in MIRRORED:
            return []
        if event.peer != self.settings.hub or not self._is_mirrored:
            return []
        act = Act(now, self.clock.at(now), event.peer, 0, "the proxy's question", remote=False)
        try:
            frame = zcl.decode(event.octets)
            answers = answers_to(event.cluster, frame, self.clusters, self.conduct.calls(), act)
        except WireError as error:
            return [Record(MirrorUnreadable(peer=event.peer, reason=str(error)))]
        return [Send("han", event.peer, octets, event.cluster) for octets in answers]

    # ----------------------------------------------------------------------------------------------------------- supply

    def _button(self, event: ButtonPressed, now: int) -> list[Effect]:
        """The local act: a long press opens an armed valve; in every other state it does nothing."""
        if self.settings.button not in (None, event.button) or event.held_ns < self.settings.button_hold_ns:
            return []
        if self.valve.state is ValveState.ON:
            return []
        armed = self.valve.state is ValveState.ARMED
        effects = self.valve.change(ValveEvent.LOCAL_ENABLE, f"button {event.button}", now)
        return [*effects, self.executor.saved(), *self._acted(self.settings.local_acts.enable, now, done=armed)]

    # ------------------------------------------------------------------------------------------------ metering, records

    def _next_half_hour(self, now: int) -> SetTimer:
        at = self.clock.at(now).zcl
        return SetTimer(HALF_HOUR_ENDS, self._bench_time(from_zcl(at - at % HALF_HOUR + HALF_HOUR), now))

    def _half_hour(self, now: int) -> list[Effect]:
        """The end of a half hour, and of whatever ends with it: recorded, and pushed to the proxy."""
        at = self.clock.at(now).zcl
        at -= at % HALF_HOUR
        taken, billed = self.recorder.half_hour(at)
        battery = self._battery(now) if at % DAY == 0 else []
        effects: list[Effect] = [Persist("recorder", self.recorder.as_json()), self.executor.saved()]
        effects += [*self.pushing.keep(taken), *battery]
        effects += self._billing_alert(now) if billed and self.settings.billing_alert else []
        return [*effects, *self._push(), self._next_half_hour(now)]

    def _billing_changes(self, now: int) -> list[Effect]:
        """A billing snapshot of what a command, or a change that was due, did to tariff, supplier or payment mode; it
        is pushed when the HAN interface is next on."""
        cause = self.basis.changed()
        if not cause:
            return []
        taken = self.recorder.snapshots(self.clock.at(now).zcl, cause)
        return [self.executor.saved(), *self.pushing.keep(taken)]

    def _topped_up(self) -> list[Effect]:
        """After a valid top up: the last five, and the debt payment that it made, to the proxy."""
        paid = self.conduct.take_paid()
        if paid is None:
            return []
        log = gas_records.top_up_log(entry.command for entry in self.clusters.entries("top_ups"))
        return [*self.pushing.keep([log, *paid]), *self._push()]

    def _network_sample(self, now: int) -> list[Effect]:
        """One more sample of the network data log."""
        sampling = self.conduct.sampling
        if sampling is None:
            return []
        self.recorder.sample(self.settings.gas.network_sample, sampling.at, sampling.interval)
        self.conduct.sampling = sampling.following
        if self.conduct.sampling is None:
            self.recorder.end(self.settings.gas.network_sample)
        kept = [Persist("recorder", self.recorder.as_json()), Persist("gas", self.conduct.as_json())]
        return [*kept, self.executor.saved(), *self._schedule(now)]

    def _battery(self, now: int) -> list[Effect]:
        """A day less of battery."""
        left = max(0, number(self.clusters.get(BATTERY_DAYS)) - 1)
        self.clusters.set(BATTERY_DAYS, left)
        return self.out.event(LOW_BATTERY, now) if left == self.settings.low_battery_days else []

    def consume(self, amount: int, price: int, now: int) -> list[Effect]:
        """Count ``amount`` (units of the register) and take ``price`` from the balance: the bench's gas flow."""
        self.clusters.set(SUMMATION, (number(self.clusters.get(SUMMATION)) + amount) % (1 << 48))
        self.conduct.spend(price)
        return self._settled(now)

    def _settled(self, now: int) -> list[Effect]:
        """What the credit now means for the supply, and what the proxy is told of a top up."""
        effects = [*self.conduct.settle(now), *self._topped_up()]
        notes, self._notes = self._notes, []
        for code, tell in notes:
            effects += self.out.event(code, now, tell=tell)
        return [*effects, self.executor.saved()]

    def _after_command(self, outcome: Outcome, now: int) -> list[Effect]:
        """A top up, another mode or threshold may have passed a threshold."""
        self._notes = []
        reads = outcome.use_case is not None and outcome.use_case.only_reads
        return [*super()._after_command(outcome, now), *([] if reads else self._settled(now))]

    def _prepay_by_hand(self, what: Callable[[Act], object], act_name: str, now: int) -> list[Effect]:
        """Somebody types a token or takes emergency credit at the meter's keys."""
        self._notes = []
        act = Act(now, self.clock.at(now), self.identity, 0, "the meter's keys", remote=False)
        problem = None
        try:
            what(act)
        except (TokenRefused, ZclRefusal) as refused:
            problem = str(refused)
        code = getattr(self.settings.local_acts, act_name)
        effects = [*act.effects, *self._acted(code, now, done=problem is None), *self._settled(now)]
        return [*effects, Answer() if problem is None else Refuse(f"{act_name}: {problem}")]

    def _own_verb(self, event: Asked, now: int) -> list[Effect]:
        """What the bench can do to the meter: gas flows, it wakes, somebody types a token."""
        match event.verb, event.args:
            case "consume", {"amount": int(amount), **rest} if self.valve.state is ValveState.ON:
                return [*self.consume(amount, int(rest.get("price", 0)), now), Answer()]
            case "flow", {"flow": int(flow)}:
                self.flow = flow
                return [Record(FlowSet(flow=flow)), Answer()]
            case "wake", _:
                return [*self._wake(now), Answer()]
            case "top_up", {"utrn": str(digits)}:
                return self._prepay_by_hand(lambda act: self.conduct.enter(digits, act), "top_up", now)
            case "emergency_credit", _:
                return self._prepay_by_hand(self.conduct.activate_emergency_credit, "emergency_credit", now)
        return [Refuse(f"a gas meter has no verb {event.verb!r} with {dict(event.args)} now; try 'state' or 'wake'")]

    def state(self, now: int) -> dict[str, Any]:
        """See :meth:`HanDevice.state`."""
        return {**super().state(now), "valve": self.valve.state.name.lower()}

    EVENTS = {**RecordingDevice.EVENTS, ButtonPressed: lambda device, event, now: device._button(event, now)}
