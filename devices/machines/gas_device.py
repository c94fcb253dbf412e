"""What the gas meter, its proxy and the prepayment interface add to any device of the HAN: ZCL clusters, their logs,
future-dated changes.

Must not live here: what only one kind of them does (``gsme``, ``gpf``, ``ppmid``), checks of commands (``commands``).

Source: facts/gbcs.md 3.2, 6, 8.3, 11; alert 0x00CD from published messages.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.machines.core import Effect, Event, Persist, Received, SetTimer, StopTimer, TimerFired
from devices.machines.han_device import HanDevice, HanSettings
from devices.machines.parts.civil_clock import ClockStatus, from_zcl
from devices.machines.parts.commands import CommandProcessor, Outcome, PayloadHandler
from devices.machines.parts.gas_conduct import GasConduct, GasSettings
from devices.machines.parts.gas_recording import GasRecorder
from devices.machines.parts.gas_reporting import GasReporter
from devices.machines.parts.gbz_execution import GbzExecutor, GbzSettings
from devices.machines.parts.time_cluster import CLUSTER as TIME_CLUSTER
from devices.machines.parts.tunnel import CLUSTER as TUNNEL_CLUSTER
from devices.model.alerts import carrier_of, rule
from devices.model.credentials import CredentialCells
from devices.model.roles import Role
from devices.model.zcl_objects import ClusterModel
from devices.trust import protection
from devices.trust.keystore import KeyStore
from devices.wire import gbz, zcl, zcl_fields

__all__ = ["GasDevice", "GasDeviceSettings", "RecordingDevice"]

CLOCK_ADJUSTED, CLOCK_NOT_ADJUSTED = 0x8145, 0x81C6
FUTURE_DATED_ALERT = 0x00CD
IMAGE_START = 0x0020  # two octets before an image's hash [our reading: its length, as of the content of 0x8F66]
BILLING_UPDATED, BILLING_ALERT = 0x8F0A, 0x008B
DUE = "future_dated"


@dataclass(frozen=True, slots=True)
class GasDeviceSettings(HanSettings):
    """What a device with ZCL clusters adds to the settings of any device."""

    clusters: GbzSettings = field(default_factory=GbzSettings)
    gas: GasSettings = field(default_factory=GasSettings)


class GasDevice(HanDevice, ABC):
    """One device with ZCL clusters.  ``peers`` gives the key agreement keys of devices that may command it."""

    settings: GasDeviceSettings

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        *,
        handlers: Mapping[int, PayloadHandler] | None = None,
        peers: Callable[[bytes], bytes | None] | None = None,
    ) -> None:
        self._peers = peers
        super().__init__(identity, keys, cells, handlers=handlers)

    # ----------------------------------------------------------------------------------------- what the kinds differ in

    @abstractmethod
    def _new_clusters(self) -> ClusterModel: ...

    def _new_conduct(self) -> GasConduct:
        return GasConduct(self.clusters, settings=self.settings.gas)

    def _begun(self, now: int) -> list[Effect]:
        """What a device does as soon as it has power."""
        return self._schedule(now)

    def _other(self, event: Event, now: int) -> list[Effect]:  # noqa: ARG002
        """Frames of clusters other than the tunnel's."""
        return []

    # -------------------------------------------------------------------------------------------------------- lifetimes

    def _bind(self) -> None:
        self.clusters = self._new_clusters()
        self.conduct = self._new_conduct()
        self.conduct.note = self.note
        self.executor = GbzExecutor(self.clusters, self.conduct.calls(), self.settings.clusters)

    def _new_processor(self, **more: Any) -> CommandProcessor:
        processor = super()._new_processor(clusters=self.executor, peers=self._peers, **more)
        processor.asn1.clock = self
        if self.conduct.tokens is not None:
            self.conduct.tokens.keys = processor.own_keys
        return processor

    def _new_reporter(self) -> GasReporter:
        return GasReporter(
            self.processor,
            self.conduct,
            self.clock,
            self.tunnel,
            hub=self.settings.hub,
            queue_limit=self.settings.queue_limit,
        )

    def _recall(self, saved: Mapping[str, Any]) -> None:
        self.conduct.restore(saved)

    def _started(self, event: Any, now: int) -> list[Effect]:
        return [*super()._started(event, now), *self._begun(now)]

    def _restored(self, event: Any, now: int) -> list[Effect]:
        return [*super()._restored(event, now), *self._begun(now)]

    def _received(self, event: Received, now: int) -> list[Effect]:
        if event.port in ("han", "line") and (event.port == "line" or event.cluster in (TUNNEL_CLUSTER, TIME_CLUSTER)):
            return super()._received(event, now)
        return self._other(event, now)

    def _after_command(self, _outcome: Outcome, now: int) -> list[Effect]:
        return self._schedule(now)

    # ------------------------------------------------------------------------------------------------------------- time

    def set_clock(self, ns: int, now: int, status: ClockStatus) -> None:
        """Put the clock, as the clock command wants it."""
        self.clock.set(ns, now, status)
        self.note(CLOCK_ADJUSTED if status is ClockStatus.RELIABLE else CLOCK_NOT_ADJUSTED)

    def _schedule(self, now: int) -> list[Effect]:
        """The timer of the next change that waits for its time; the clock is kept, since a command may have put it."""
        dues = [from_zcl(self.clusters.pending[0].at)] if self.clusters.pending else []
        if self.processor.next_due is not None:
            dues.append(self.processor.next_due)
        clock = Persist("clock", self.clock.as_json(now))
        return [clock, SetTimer(DUE, self._bench_time(min(dues), now)) if dues else StopTimer(DUE)]

    def _arm_commands(self, _now: int) -> list[Effect]:
        """The commands of the processor wait in the device's own schedule."""
        return []

    def _bench_time(self, ns: int, now: int) -> int:
        """When the device's clock will show ``ns`` since 1970, in bench time."""
        return now + max(0, ns - self.clock.at(now).ns)

    def _own_timer(self, event: TimerFired, now: int) -> list[Effect] | None:
        return self._fire(now) if event.name == DUE else None

    def _fire(self, now: int) -> list[Effect]:
        """Changes whose time has come: carried out, then told one by one."""
        self._notes = []
        effects: list[Effect] = []
        civil = self.clock.at(now)
        for fired in self.executor.fire(now, civil):
            effects += fired.effects
            effects += self._reported(gbz.Alert(fired.code, civil.zcl, fired.body))
        due = self.processor.reach(civil)
        effects += due.effects
        effects += [self.out.keep(octets) for octets in due.alerts]
        for code in due.events:
            effects += self.out.event(code, now, tell=False)
        for code, tell in self._notes:
            effects += self.out.event(code, now, tell=tell)
        return [*effects, *self.out.flush(now), *self._schedule(now)]

    def _tell_octets(self, code: int, octets: bytes, now: int) -> list[Effect]:
        """See :meth:`HanDevice._tell_octets`; a GBZ alert has a form of its own for each."""
        carrier = carrier_of(code, self.KIND)
        effects = self.out.event(code, now, octets, tell=False)
        if carrier is None:
            return effects
        assert isinstance(self.out, GasReporter)
        at = self.clock.at(now).zcl
        body: gbz.AlertBody = gbz.FirmwareVerified(IMAGE_START, octets)
        if code == gbz.INTEGRITY_WARNING:
            body = gbz.IntegrityWarning(int.from_bytes(octets, "big"))
        how = {"message_code": carrier.code, "critical": carrier.protection["alert"] == "sig"}
        for role in rule(code).recipients:
            effects += self.out.alert(code, role, lambda _: gbz.Alert(code, at, body), **how)
        return [*effects, *self.out.flush(now)]

    def _reported(self, alert: gbz.Alert) -> list[Effect]:
        assert isinstance(self.out, GasReporter)
        carrier = {"message_code": FUTURE_DATED_ALERT, "critical": True}
        return self.out.alert(alert.code, Role.SUPPLIER, lambda _: alert, **carrier)

    def state(self, now: int) -> dict[str, Any]:
        """See :meth:`HanDevice.state`."""
        return {
            **super().state(now),
            "kind": self.KIND,
            "clusters": self.clusters.as_json(),
            "gas": self.conduct.as_json(),
        }


class RecordingDevice(GasDevice):
    """A device that keeps records of half hours, days and billing periods."""

    def _recall(self, saved: Mapping[str, Any]) -> None:
        super()._recall(saved)
        self.recorder = GasRecorder(self.clusters)
        self.recorder.restore(saved.get("recorder"))

    def _billing_alert(self, now: int) -> list[Effect]:
        """The newest record of the billing data log, sealed, to the supplier (GCS53)."""
        newest = self.clusters.entries("snapshots")[-1].command
        at = self.clock.at(now).zcl

        def make(counter: int) -> gbz.Alert:
            party = self.cells.party_of(Role.SUPPLIER)
            assert party is not None
            secret = self.processor.alerts.secret_with(Role.SUPPLIER)
            blob = protection.seal(zcl_fields.write(newest), secret, self.identity, party, counter)
            control = zcl.CLUSTER_SPECIFIC | zcl.TO_CLIENT | zcl.DISABLE_DEFAULT_RESPONSE
            frame = zcl.Frame(control, 0, newest.command, blob)
            component = gbz.Component(newest.cluster, frame, None, gbz.AdditionalHeader(0, 0))
            return gbz.Alert(BILLING_UPDATED, at, (component,))

        assert isinstance(self.out, GasReporter)
        effects = self.out.alert(BILLING_UPDATED, Role.SUPPLIER, make, message_code=BILLING_ALERT, critical=True)
        return [*effects, *self.out.flush(now)]

    def state(self, now: int) -> dict[str, Any]:
        """See :meth:`HanDevice.state`."""
        return {**super().state(now), "recorder": self.recorder.as_json()}
