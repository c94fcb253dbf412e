"""Execution of ASN.1 commands: which payload goes to which part of the device, and what falls due later.

``HANDLERS`` is the table.  The command processor of every kind of device has one :class:`Asn1Execution`; which of the
message codes a kind takes is said by the use-case table.

Must not live here: what a use case does (``credential_updates``, ``device_keys``, ``joining``, ``firmware``), who may
command it (``checks``), octets (``wire``).

Source: use-cases.json (``asn1``), facts/gbcs.md 3.3, 3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from devices.machines.core import Effect
from devices.machines.parts import credential_updates, device_keys, firmware, joining
from devices.machines.parts.alerting import AlertBuilder
from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.civil_clock import CivilTime, ClockStatus
from devices.machines.parts.credential_updates import CredentialUpdates, datetime_of, ns_of
from devices.machines.parts.device_keys import DeviceKeys, OwnKeys
from devices.machines.parts.execution import CommandContext
from devices.machines.parts.firmware import Firmware
from devices.machines.parts.joining import JoinLog
from devices.machines.parts.replay import ReplayFloors
from devices.model import use_cases
from devices.model.credentials import CredentialCells
from devices.model.roles import Role
from devices.wire import asn1_typed
from devices.wire.asn1_typed import (
    ClockResult,
    ClockWindow,
    CredentialsAlert,
    CredentialsRequest,
    DeviceLogBackup,
    FirmwareActivated,
    FirmwareTransferAlert,
    UpdateCredentials,
    View,
)
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message

__all__ = ["HANDLERS", "Asn1Execution", "ClockSeat", "Due"]

LOG_CHANGED, DATED_DONE, DATED_FAILED = 0x8071, 0x8F66, 0x8F67
_LOG_BACKUP, _FIRMWARE_OUTCOME = 0x00B2, 0x00CA
_TIME_STATUS: Final = {ClockStatus.RELIABLE: 0, ClockStatus.INVALID: 1, ClockStatus.UNRELIABLE: 2}


class ClockSeat(Protocol):
    """What the clock command needs of a device: the hub's time, and its own clock to be put right."""

    def hub_time(self, now: int) -> int:
        """The hub's time, ns since 1970."""
        ...

    def set_clock(self, ns: int, now: int, status: ClockStatus) -> None:
        """Put the device's clock."""
        ...


@dataclass(frozen=True, slots=True)
class Due:
    """What happened of its own accord: alerts to send (whole messages), events to log, effects to grant before."""

    alerts: tuple[bytes, ...] = ()
    events: tuple[int, ...] = ()
    effects: tuple[Effect, ...] = ()


class Asn1Execution:
    """The ASN.1 commands of one device of ``kind`` (as in the use-case table).

    ``clock`` is set by a machine that has one to be put right; without it the clock command finds the device's own time
    to be the hub's.
    """

    def __init__(
        self,
        kind: str,
        keys: DeviceKeys,
        cells: CredentialCells,
        floors: ReplayFloors,
        alerts: AlertBuilder,
        settings: Asn1Settings | None = None,
    ) -> None:
        self.settings = settings or Asn1Settings()
        self.kind, self.cells, self._alerts = kind, cells, alerts
        self.clock: ClockSeat | None = None
        self.updates = CredentialUpdates(cells, floors, self.settings.updates)
        self.own = OwnKeys(keys, keys.identity, self.settings.own_keys)
        for certificate in self.settings.own_certificates:
            self.own.hold(certificate)
        self.log = JoinLog(kind, self.settings.joining)
        self.firmware = Firmware(self.settings.firmware)

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what the effects of an earlier life saved."""
        if "cells" in saved:
            self.cells.load_json(saved["cells"])
        self.updates.restore(saved.get(credential_updates.KEY))
        self.own.restore(saved.get(device_keys.KEY))
        self.log.restore(saved.get(joining.KEY))
        self.firmware.restore(saved.get(firmware.KEY))

    def handlers(self) -> dict[int, Callable[[bytes, CommandContext], bytes]]:
        """What executes the payload of each message code, octets in and octets out."""
        return {code: self._handler(code) for code in HANDLERS}

    def fault(self, message: Message) -> str | None:
        """Why a payload is none that its message code and originator allow, None when it is."""
        try:
            view = asn1_typed.read(message.message_code, CRA.COMMAND, message.payload).view
        except WireError as error:
            return str(error)
        if isinstance(view, UpdateCredentials):
            return self.updates.fault(view, message.message_code, message.counter)
        if isinstance(view, CredentialsRequest):
            return self.updates.report_fault(view, message.originator)
        return None

    # -------------------------------------------------------------------------------------------------- future-dated

    @property
    def next_due(self) -> int | None:
        """When something that waits is due, ns since 1970; None while nothing waits."""
        dues = (self.updates.next_due, self.firmware.next_due)
        return min((due for due in dues if due is not None), default=None)

    def reach(self, civil: CivilTime) -> Due:
        """Carry out what is due at ``civil``; each outcome is told to whoever commanded it."""
        reached, effects = self.updates.reach(civil)
        alerts, events = list[bytes](), list[int]()
        for one in reached:
            code = DATED_DONE if one.success else DATED_FAILED
            told = CredentialsAlert(code, one.time, one.outcome)
            events.append(code)
            self._tell(code, one.message_code, one.role, told, alerts, effects, party=one.party)
        activation, done, changed = self.firmware.reach(civil)
        effects += done
        events += changed
        if activation is not None:
            code = DATED_FAILED if activation.result.code else DATED_DONE
            events.append(code)
            role, party = activation.role, activation.party
            self._tell(code, _FIRMWARE_OUTCOME, role, activation.alert(code), alerts, effects, party=party)
        return Due(tuple(alerts), tuple(events), tuple(effects))

    def alert(self, view: FirmwareTransferAlert | FirmwareActivated, message_code: int, recipient: Role) -> Due:
        """An alert of ``view`` under ``message_code``: CCS08 or CS09."""
        alerts, effects = list[bytes](), list[Effect]()
        self._tell(view.alert_code, message_code, recipient, view, alerts, effects)
        return Due(tuple(alerts), (), tuple(effects))

    # ----------------------------------------------------------------------------------------------------------- inside

    def _handler(self, code: int) -> Callable[[bytes, CommandContext], bytes]:
        def execute(octets: bytes, context: CommandContext) -> bytes:
            view = asn1_typed.read(code, CRA.COMMAND, octets).view
            answer = HANDLERS[code](self, view, context)
            self._back_up(context)
            return asn1_typed.write(answer)

        return execute

    def _back_up(self, context: CommandContext) -> None:
        """Tell of a changed device log, where the kind of device does that (GCS62)."""
        carrier = use_cases.by_code(_LOG_BACKUP)
        if carrier is None or self.kind not in carrier.devices or not self.log.changed:
            return
        self.log.changed = False
        told = DeviceLogBackup(LOG_CHANGED, datetime_of(context.civil.ns), tuple(self.log))
        role = Role.ACCESS_CONTROL_BROKER
        self._tell(LOG_CHANGED, _LOG_BACKUP, role, told, context.alerts, context.effects)
        context.events.append(LOG_CHANGED)

    def _tell(
        self,
        code: int,
        message_code: int,
        role: Role,
        view: View,
        alerts: list[bytes],
        effects: list[Effect],
        party: bytes | None = None,
    ) -> None:
        carrier = use_cases.by_code(message_code)
        octets, built = self._alerts.build_asn1(
            code,
            role,
            asn1_typed.write(view),
            message_code=message_code,
            critical=carrier is None or carrier.protection["alert"] != "MAC",
            party=party,
        )
        effects += built
        if octets is not None:
            alerts.append(octets)

    def set_clock(self, view: ClockWindow, context: CommandContext) -> ClockResult:
        """GCS28: take the hub's time if it lies in the window, else the clock stays as it is and is not relied on."""
        seat = self.clock
        hub = context.civil.ns if seat is None else seat.hub_time(context.now)
        fits = ns_of(view.start) <= hub <= ns_of(view.end)
        ns, status = (hub, ClockStatus.RELIABLE) if fits else (context.civil.ns, ClockStatus.UNRELIABLE)
        if seat is not None:
            seat.set_clock(ns, context.now, status)
        context.results = (_TIME_STATUS[status],)
        return ClockResult(datetime_of(ns), _TIME_STATUS[status])


Handler = Callable[[Asn1Execution, Any, CommandContext], View]

HANDLERS: Mapping[int, Handler] = {
    **dict.fromkeys((0x0008, 0x011B), lambda device, view, context: device.updates.report(view, context)),
    **dict.fromkeys(
        (*range(0x0100, 0x010A), 0x0125, 0x0126), lambda device, view, context: device.updates.update(view, context)
    ),
    0x000A: lambda device, view, context: device.own.request(view, context),
    0x000B: lambda device, view, context: device.own.install(view, context),
    0x000C: lambda device, view, context: device.own.read(view, context),
    **dict.fromkeys((0x000D, 0x000E, 0x00AB, 0x00AF), lambda device, view, context: device.log.join(view, context)),
    **dict.fromkeys((0x000F, 0x0010), lambda device, view, context: device.log.unjoin(view, context)),
    0x0013: lambda device, view, context: device.log.read(view, context),
    0x008C: lambda device, view, context: device.log.refill(view, context),
    0x0012: lambda device, view, context: device.firmware.activate(view, context),
    0x0129: lambda device, view, context: device.firmware.read(view, context),
    0x007F: lambda device, view, context: device.set_clock(view, context),
}
"""By message code: what executes a typed payload and gives the typed answer."""
