"""The gas proxy function (GPF): the mirror of the gas meter, its logs, and the copies of the meter's commands it taps.

Ports: ``han`` and ``line`` carry GBCS messages; on ``han`` the meter's attribute reports arrive as well.  What goes by
to and from the meter is handed to ``tap`` (a port of the hub that holds the proxy): a tapped command takes effect when
the meter's answer says that it did.

Must not live here: checks of commands (``parts.commands``), what it shares with the meter (``parts.gas_device``).

It records nothing on a clock of its own: half hours and days follow from the totals that the meter reports, snapshots,
top ups and debt payments are those that the meter pushes.  After a gap it asks for what it missed (``gas_mirror``).

Source: facts/gbcs.md 8.3 (tapped commands [page seen]), 10.6, 10.6.1 (who stores what and when [spec text, second
hand]); facts/use-cases.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.events.proxy import MirrorUnreadable, Tapped, TapSkipped, TapUnreadable
from devices.machines.core import Effect, Event, Persist, Received, Record, Send
from devices.machines.gas_device import GasDeviceSettings, RecordingDevice
from devices.machines.parts.commands import Outcome, PayloadHandler
from devices.machines.parts.gas_conduct import GasSettings
from devices.machines.parts.gas_mirror import CatchingUp, CatchUpSettings, frame_of, is_complete
from devices.machines.parts.gas_recording import HALF_HOUR
from devices.machines.parts.gbz_steps import number, records
from devices.model import gas_records
from devices.model.credentials import CredentialCells
from devices.model.gpf_objects import MIRRORED, TAPPED, gpf_clusters
from devices.model.zcl_objects import ClusterModel, Entry
from devices.trust.keystore import KeyStore
from devices.wire import gbcs, gbz, gbz_typed, zcl
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message
from devices.wire.zcl_fields import Command
from devices.wire.zcl_general import DefaultResponse, ReportAttributes

__all__ = ["Gpf", "GpfSettings"]

TAP = "tap"
SUMMATION = (0x0702, 0x0000)
CALLS, SAMPLES = "GetNotifiedMessage", "GetSampledDataResponse"
_PUSHED = {
    (0x0702, 0x06): "snapshots",
    (0x0705, 0x01): "prepayment_snapshots",
    (0x0705, 0x05): "top_ups",
    (0x0705, 0x06): "debt_payments",
}
"""Cluster and command of what the meter pushes, to the store that keeps it."""
TAP_FAILED = 0x819E


def _own_logs() -> GasSettings:
    return GasSettings(event_log=6, security_log=7)


@dataclass(frozen=True, slots=True)
class GpfSettings(GasDeviceSettings):
    """What a gas proxy adds to the settings of any gas device."""

    gas: GasSettings = field(default_factory=_own_logs)
    meter: bytes | None = None  # whose reports and commands it takes; None: any [our choice]
    # It logs every command and its outcome, with as much of command and answer as the field takes, facts/gbcs.md 6
    # [spec text, second hand]; how much that is, and that the two share it, is [our choice].
    log_field: int = 64
    # The alert that the billing data log has a new record (GCS53), where the billing calendar made it, facts/gbcs.md
    # 10.6.1 [spec text, second hand].
    billing_alert: bool = True
    # A total that comes this long before a half hour ends is the one of its end: two clocks differ [our choice].
    early_s: int = 60
    # What a tapped command dates in the future is dropped, facts/gbcs.md 10.6.1 [one vendor's inference].
    keeps_future_dated: bool = False
    missed: CatchUpSettings = field(default_factory=CatchUpSettings)  # how it gets what it missed of the meter
    tapped_limit: int = 32  # commands that wait for the meter's answer; the oldest goes first [our choice]


class Gpf(RecordingDevice):
    """One gas proxy with the device identifier ``identity`` (EUI-64)."""

    KIND = "GPF"
    settings: GpfSettings

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        settings: GpfSettings | None = None,
        *,
        handlers: Mapping[int, PayloadHandler] | None = None,
        peers: Callable[[bytes], bytes | None] | None = None,
    ) -> None:
        self.settings = settings or GpfSettings()
        super().__init__(identity, keys, cells, handlers=handlers, peers=peers)

    def _recall(self, saved: Mapping[str, Any]) -> None:
        super()._recall(saved)
        self._tapped: deque[Message] = deque(maxlen=self.settings.tapped_limit)
        self.missed = CatchingUp(self.clusters, self.settings.missed, saved)

    def _new_clusters(self) -> ClusterModel:
        return gpf_clusters()

    def _other(self, event: Event, now: int) -> list[Effect]:
        if isinstance(event, Received) and event.port == TAP:
            return self._mirror(event, now) if event.cluster else self.tap(event.octets, now)
        return self._mirror(event, now) if isinstance(event, Received) else []

    def _logged_as(self, outcome: Outcome) -> bytes | None:
        """Every command, reads as well: its message code, then the payloads of command and answer, cut."""
        if outcome.use_case is None or outcome.message is None:
            return None
        answer = b"" if outcome.response is None else gbcs.decode(outcome.response).payload
        half = self.settings.log_field // 2
        code = outcome.message.message_code.to_bytes(2, "big")
        return (code + outcome.message.payload)[:half] + answer[:half]

    # ----------------------------------------------------------------------------------------------------------- mirror

    def _mirror(self, event: Received, now: int) -> list[Effect]:
        """Take over what the meter reports and pushes."""
        if event.cluster not in MIRRORED:
            return []
        if event.port != TAP and self.settings.meter not in (None, event.peer):
            return []
        try:
            frame = zcl.decode(event.octets)
            body = gbz_typed.read(gbz.Component(event.cluster, frame))
        except WireError as error:
            return [Record(MirrorUnreadable(peer=event.peer, reason=str(error)))]
        if isinstance(body, ReportAttributes):
            effects = self._reported_by_meter(event.cluster, body, now)
            return [*effects, *([self._to_meter(event, 0, self.missed.flags())] if is_complete(body) else [])]
        if isinstance(body, Command) and body.to_client and body.name == CALLS:
            return [self._to_meter(event, *asked) for asked in self.missed.called_for(body)]
        effects = self._pushed(body, now) if isinstance(body, Command) else []
        if not isinstance(body, Command | DefaultResponse) or not self.missed.awaits(frame.sequence):
            return effects
        if isinstance(body, Command) and body.name == SAMPLES:
            self.recorder.fill(body)
            effects.append(self.executor.saved())
        following, saved = self.missed.answered(frame.sequence, body)
        return [*effects, saved, *(self._to_meter(event, *asked) for asked in following)]

    @staticmethod
    def _to_meter(heard: Received, sequence: int, command: Command) -> Send:
        """A frame for the meter, which listens now, for it was just heard; back the way that it came."""
        return Send(heard.port, heard.peer, frame_of(command, sequence), command.cluster)

    def _reported_by_meter(self, cluster: int, body: ReportAttributes, now: int) -> list[Effect]:
        effects: list[Effect] = []
        for report in body.records:
            where = (cluster, report.attribute)
            row = self.clusters.rows.get(where)
            if row is not None and row.type == report.type and isinstance(report.value, int | bytes | str):
                self.clusters.set(where, report.value)
                if where == SUMMATION:
                    effects += self._total(number(report.value), now)
        return [*effects, self.executor.saved()]

    def _total(self, total: int, now: int) -> list[Effect]:
        """The meter's total, for the half hour that has ended."""
        at = self.clock.at(now).zcl + self.settings.early_s
        at -= at % HALF_HOUR
        missed = self.missed.told(self.recorder.heard, at)
        self.recorder.pushed(at, total)
        return [*missed, Persist("recorder", self.recorder.as_json())]

    def _pushed(self, body: Command, now: int) -> list[Effect]:
        """Snapshots, top ups and debt payments of the meter, as it pushes them; anything else is ignored."""
        store = _PUSHED.get((body.cluster, body.command)) if body.to_client else None
        if store is None:
            return []
        if store == "top_ups":  # the last five, with those that are here already
            self.clusters.drop(store, self.clusters.entries(store))
            for record in records(dict(body.fields)["Top Up Payload"]):
                self.clusters.keep(store, Entry(gas_records.top_up_of(record)))
            return [self.executor.saved()]
        effects: list[Effect] = []
        if store == "debt_payments":
            for record in records(dict(body.fields)["Debt Payload"]):
                self._keep_once(store, gas_records.debt_payment_of(record), "Debt Payload")
        elif self._keep_once(store, body, "Snapshot ID", "Snapshot Time", "Snapshot Cause") and store == "snapshots":
            effects += self._snapshot(body, now)
        return [self.executor.saved(), *effects]

    def _keep_once(self, store: str, body: Command, *by: str) -> bool:
        """Keep what the meter sent unless it is here, for it may be pushed and asked for; whether it is new."""
        fields = dict(body.fields)
        if any(all(entry.fields[name] == fields[name] for name in by) for entry in self.clusters.entries(store)):
            return False
        self.clusters.keep(store, Entry(body))
        return True

    def _snapshot(self, body: Command, now: int) -> list[Effect]:
        """A daily one that comes before the meter's next waking is also what the mirror shows; one that the billing
        calendar made is told."""
        fields = dict(body.fields)
        cause, taken = number(fields["Snapshot Cause"]), number(fields["Snapshot Time"])
        if cause & gas_records.DAILY and 0 <= self.clock.at(now).zcl - taken < HALF_HOUR:
            registers = fields["SnapshotSub-Payload"]
            for row in registers if isinstance(registers, tuple) else ():
                total = dict(row).get("CurrentSummationDelivered")
                if total is not None:
                    self.clusters.set(SUMMATION, number(total))
        return self._billing_alert(now) if cause & gas_records.BILLING and self.settings.billing_alert else []

    # --------------------------------------------------------------------------------------------------------- tapping

    def tap(self, octets: bytes, now: int) -> list[Effect]:
        """Take a copy of a message to or from the meter."""
        try:
            message = gbcs.decode(octets)
            if message.message_code not in TAPPED:
                return []
            if message.cra == CRA.COMMAND and self.settings.meter in (None, message.recipient):
                self._tapped.append(message)
                return []
            if message.cra != CRA.RESPONSE or self.settings.meter not in (None, message.originator):
                return []
            return self._answered(message, now)
        except WireError as error:
            return [Record(TapUnreadable(reason=str(error))), *self.out.event(TAP_FAILED, now)]

    def _answered(self, response: Message, now: int) -> list[Effect]:
        """The meter's answer: what it carried out is carried out here too."""
        command = next((one for one in self._tapped if _belong_together(one, response)), None)
        if command is None:
            return []
        self._tapped.remove(command)
        payload, answer = gbz.decode(command.payload), gbz.decode(response.payload)
        if not (isinstance(payload, gbz.Payload) and isinstance(answer, gbz.Payload) and _all_done(answer)):
            return [Record(TapSkipped(message_code=command.message_code))]
        clusters = TAPPED[command.message_code]
        wanted = [one for one in payload.components if not clusters or one.cluster in clusters]
        self._notes = []
        effects = self.executor.follow(
            wanted, command, now, self.clock.at(now), keeps_future=self.settings.keeps_future_dated
        )
        told = Tapped(message_code=command.message_code, counter=command.counter)
        for code, tell in self._notes:
            effects += self.out.event(code, now, tell=tell)
        return [*effects, Record(told), *self._schedule(now)]


def _belong_together(command: Message, response: Message) -> bool:
    return (command.originator, command.recipient, command.message_code, command.counter) == (
        response.recipient,
        response.originator,
        response.message_code,
        response.counter,
    )


def _all_done(answer: gbz.Payload) -> bool:
    bodies = (gbz_typed.read(component) for component in answer.components)
    return all(body.status == 0 for body in bodies if isinstance(body, DefaultResponse))
