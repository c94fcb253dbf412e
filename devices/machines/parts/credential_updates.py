"""Organisations' certificates on a device: what it holds (CS02a, CS02f), replacing them (CS02b, CS02g).

A replacement is judged cell by cell: one whose certificate is bad or untrusted keeps what it holds, as in the published
response of such a command; all that were accepted change in one step.  A command with an execution time waits for it,
over power cuts too, and is reported by an alert; one with a time that never comes takes back what waits.

Must not live here: whether a certificate is accepted (``credential_judgement``), keys and certificates of the device
itself (``device_keys``), who may send which message code (the use-case table), octets.

Source: facts/gbcs.md 9.3 to 9.5, 3.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from devices.events.keys import CredentialsUpdated
from devices.machines.core import Effect, Persist, Record
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.credential_judgement import BITS, MODES, Judge, Mode, Status, cell_of, parsed
from devices.machines.parts.execution import CommandContext
from devices.machines.parts.replay import ReplayFloors, Series
from devices.model.credentials import Cell, Credential, CredentialCells
from devices.model.roles import Role
from devices.trust import certificates
from devices.trust.certificates import Certificate, CertificateChecks
from devices.wire import asn1_typed
from devices.wire.asn1_typed import (
    CredentialsReport,
    CredentialsRequest,
    HeldCredential,
    ReplacementOutcome,
    RoleCredentials,
    SeqNumberChange,
    TrustAnchorCell,
    UpdateCredentials,
    UpdateOutcome,
    UpdateResponse,
)
from devices.wire.gbcs import CRA

__all__ = ["CredentialUpdates", "Reached", "UpdateSettings", "datetime_of", "ns_of"]

KEY: Final = "updates"
SECOND: Final = 1_000_000_000
UPDATED: Final = 0x8F70
LARGEST: Final = (1 << 63) - 1
"""The largest sequence number (facts/gbcs.md 3.5)."""
_NEVER: Final = 9999
"""The year of an execution time that cancels."""
_NOBODY: Final = bytes(8)
_MODE_OF_CODE: Final = {0x0100 + mode: mode for mode in range(10)} | {0x0125: 10, 0x0126: 11}


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """What is checked of a certificate that is put on a device, and what no text was found for.

    The role in a certificate is not held against the cell: published commands put a supplier's into the cells of the
    load controller, and hand over cells that hold the broker's.
    """

    checks: CertificateChecks = field(default_factory=CertificateChecks)
    # Path: issuer by issuer over the certificates in the command to the root that the device holds.  The published root
    # is not published; a device that holds none takes the last authority in the command for good [our choice].
    # Validity: at the time of the command, unless the command itself says not to look.
    same_party_keeps_floor: bool = True  # else a floor of 0 would let a party's old commands be replayed [our choice]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A command that waits for its execution time (ns since 1970)."""

    due: int
    message_code: int
    alert_message: int
    originator: bytes
    role: Role
    payload: bytes

    def as_json(self) -> list[Any]:
        code, alert = self.message_code, self.alert_message
        return [self.due, code, alert, self.originator.hex(), self.role.label, self.payload.hex()]

    @classmethod
    def of_json(cls, saved: Sequence[Any]) -> Waiting:
        due, code, alert, originator, role, payload = saved
        return cls(due, code, alert, bytes.fromhex(originator), Role.named(role), bytes.fromhex(payload))


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of a command whose time has come: the outcome, and to whom it is told in which message."""

    message_code: int
    party: bytes
    role: Role
    time: datetime
    outcome: UpdateOutcome

    @property
    def success(self) -> bool:
        """Whether every cell was replaced."""
        return not any(one.status for one in self.outcome.outcomes)


class CredentialUpdates:
    """The credential cells of one device under command.  ``floors`` are its replay floors."""

    def __init__(self, cells: CredentialCells, floors: ReplayFloors, settings: UpdateSettings | None = None) -> None:
        self.cells, self.floors, self.settings = cells, floors, settings or UpdateSettings()
        self._waiting: list[Waiting] = []

    def restore(self, saved: Sequence[Any] | None) -> None:
        """Take over the commands that wait."""
        self._waiting = [Waiting.of_json(one) for one in saved or ()]

    # ----------------------------------------------------------------------------------------------- what is commanded

    def fault(self, view: UpdateCredentials, code: int, counter: int) -> str | None:
        """Why a command is none that this message code allows; None when it is."""
        control, number = view.control, _MODE_OF_CODE[code]
        mode = MODES[number]
        if control.mode != number:
            return f"replacement mode {control.mode} under the message code of mode {number}"
        if control.authorising_seq_number not in (None, counter):
            return f"sequence number {control.authorising_seq_number} in a command with counter {counter}"
        cell = control.authorising_cell
        if cell is not None and cell.role != mode.authority:
            return f"authorised by a cell of role {cell.role}; mode {number} is for {mode.authority.label}"
        beyond = next((floor for floor in _floors(view) if not 0 <= floor <= LARGEST), None)
        if beyond is not None:
            return f"floor {beyond}, expected 0 to {LARGEST}"
        if not view.replacements:
            return "no replacement at all"
        targets = [cell_of(replacement.cell) for replacement in view.replacements]
        for target, replacement in zip(targets, view.replacements, strict=True):
            if replacement.cell.role not in mode.replaces:
                return f"mode {number} does not replace cells of role {replacement.cell.role}"
            if target is not None and targets.count(target) > 1:
                return f"two replacements for the cell {target.label}"
        return None

    def report_fault(self, view: CredentialsRequest, originator: bytes) -> str | None:
        """Why a request for a report is not its originator's; None when it is."""
        cell = cell_of(view.authorising_cell)
        held = None if cell is None else self.cells.get(cell.role, cell.usage, prepayment=cell.prepayment)
        if held is not None and held.party == originator:
            return None
        return f"authorised by a cell that does not hold a certificate of {originator.hex()}"

    def report(self, view: CredentialsRequest, context: CommandContext) -> CredentialsReport:
        """CS02a, CS02f: what the device holds of the roles asked for, in that order."""
        context.results = (0,)
        return CredentialsReport(tuple(self._report(role) for role in view.roles))

    def update(self, view: UpdateCredentials, context: CommandContext) -> UpdateResponse:
        """CS02b, CS02g: replace at once, wait, or take back what waits."""
        context.results = (0,)
        time = view.execution_time
        if time is not None and time.year == _NEVER:
            self._forget(context)
            context.effects.append(self.persist())
            return UpdateResponse()
        if time is not None and ns_of(time) > context.civil.ns:
            self._forget(context)
            self._waiting.append(_waiting(view, time, context))
            context.effects.append(self.persist())
            return UpdateResponse()
        outcome, effects = self._replace(view, context.civil, context.message.originator)
        context.effects += effects
        context.results = tuple(one.status for one in outcome.outcomes)
        context.events.append(UPDATED)
        return UpdateResponse(outcome=outcome)

    # -------------------------------------------------------------------------------------------------- future-dated

    @property
    def next_due(self) -> int | None:
        """When the next command is due, ns since 1970; None while none waits."""
        return min((one.due for one in self._waiting), default=None)

    def reach(self, civil: CivilTime) -> tuple[list[Reached], list[Effect]]:
        """Carry out every command that is due at ``civil``, in the order of their times."""
        due = sorted((one for one in self._waiting if one.due <= civil.ns), key=lambda one: one.due)
        reached, effects = [], list[Effect]()
        for one in due:
            view = asn1_typed.read(one.message_code, CRA.COMMAND, one.payload).view
            assert isinstance(view, UpdateCredentials)
            outcome, done = self._replace(view, civil, one.originator, dated=True)
            self._waiting.remove(one)
            effects += [*done, self.persist()]
            reached.append(Reached(one.alert_message, one.originator, one.role, datetime_of(one.due), outcome))
        return reached, effects

    def persist(self) -> Persist:
        """The effect that keeps what waits over a power loss."""
        return Persist(KEY, [one.as_json() for one in self._waiting])

    def _forget(self, context: CommandContext) -> None:
        """Of each party one command of a kind can wait: the last one [our choice]."""
        mine = (context.message.message_code, context.message.originator)
        self._waiting = [one for one in self._waiting if (one.message_code, one.originator) != mine]

    # ------------------------------------------------------------------------------------------------------- replacing

    def _replace(
        self, view: UpdateCredentials, civil: CivilTime, originator: bytes, *, dated: bool = False
    ) -> tuple[UpdateOutcome, list[Effect]]:
        """Judge every replacement, then change all cells that were accepted and the floors in one step.

        The floors are kept first: between the two writes a party that is not yet known is held against its floor.
        """
        control, mode = view.control, MODES[view.control.mode]
        at = None if control.time_checks or dated or not self.settings.checks.validity else datetime_of(civil.ns)
        judge = Judge(self.cells, view.path, mode, at, path_checked=self.settings.checks.chain)
        accepted: dict[Cell, Certificate] = {}
        statuses: dict[int, Status] = {}
        roots_first = sorted(enumerate(view.replacements), key=lambda pair: pair[1].cell.role != Role.ROOT)
        for index, replacement in roots_first:
            statuses[index], found = judge.judge(replacement)
            cell = cell_of(replacement.cell)
            if found is not None and cell is not None:
                accepted[cell] = found
        outcomes = tuple(
            self._outcome(replacement.cell, statuses[index], accepted)
            for index, replacement in enumerate(view.replacements)
        )
        changes = _changes(view, mode) if accepted else ()
        effects: list[Effect] = []
        if accepted:
            self._set_floors(changes, accepted)
            for cell, found in accepted.items():
                self.cells.place(cell, Credential(found.eui or _NOBODY, found.public, found.octets))
            effects = [Persist("floors", self.floors.as_json()), Persist("cells", self.cells.as_json())]
        told = CredentialsUpdated(
            mode=control.mode,
            originator=originator,
            cells={_label(one.cell): int(one.status) for one in outcomes},
        )
        effects.append(Record(told))
        counter = control.authorising_seq_number or 0
        return UpdateOutcome(counter, control.mode, changes, outcomes), effects

    def _outcome(
        self, target: TrustAnchorCell, status: Status, accepted: Mapping[Cell, Certificate]
    ) -> ReplacementOutcome:
        """What a cell held and, when it was not replaced, still holds; nobody where the device has no such cell."""
        cell = cell_of(target)
        credential = None if cell is None else self.cells.get(cell.role, cell.usage, prepayment=cell.prepayment)
        before = (_NOBODY, _NOBODY) if credential is None else (credential.party, _key_id(credential))
        after = before
        if cell is not None and cell in accepted:
            after = accepted[cell].eui or _NOBODY, accepted[cell].ski
        return ReplacementOutcome(target, int(status), *before, *after)

    def _set_floors(self, changes: Iterable[SeqNumberChange], accepted: Mapping[Cell, Certificate]) -> None:
        """Floors count for whoever plays the role from now on."""
        new = {cell.role: found.eui for cell, found in accepted.items()}
        for change in changes:
            if change.role not in set(Role):
                continue
            role = Role(change.role)
            party, before = new.get(role), self.cells.party_of(role)
            floors = [(False, change.floor), *((True, one.floor) for one in change.specialist_floors or ())]
            for specialist, floor in floors:
                series = Series(party or before or _NOBODY, role, prepayment=specialist)
                if self.settings.same_party_keeps_floor and series.party == before:
                    self.floors.record(series, floor)
                else:
                    self.floors.begin(series, floor)

    def _report(self, number: int) -> RoleCredentials:
        held = [(cell, credential) for cell, credential in self.cells if cell.role == number]
        if not held:
            return RoleCredentials(number, int(Status.TRUST_ANCHOR_NOT_FOUND))
        held.sort(key=lambda pair: self.cells.places.index(pair[0]))
        floor = self.floors.floor(Series(held[0][1].party, Role(number)))
        rows = (
            HeldCredential(BITS[cell.usage], 1 if cell.prepayment else None, credential.party, _key_id(credential))
            for cell, credential in held
        )
        return RoleCredentials(number, int(Status.SUCCESS), floor, tuple(rows))


def _changes(view: UpdateCredentials, mode: Mode) -> tuple[SeqNumberChange, ...]:
    """The floors that a command sets: that of the authorising role's new holder first, then the others."""
    control = view.control
    others = control.other_changes or ()
    if control.floor is None:
        return tuple(others)
    return (SeqNumberChange(int(mode.authority), control.floor, control.specialist_floors), *others)


def _floors(view: UpdateCredentials) -> list[int]:
    """Every floor that a command names."""
    control = view.control
    floors = [] if control.floor is None else [control.floor]
    floors += [one.floor for one in control.specialist_floors or ()]
    for change in control.other_changes or ():
        floors += [change.floor, *(one.floor for one in change.specialist_floors or ())]
    return floors


def _waiting(view: UpdateCredentials, time: datetime, context: CommandContext) -> Waiting:
    message, use_case = context.message, context.use_case
    alert = next(iter(use_case.alert_messages), 0x00CB if message.message_code < 0x0110 else 0x0124)
    return Waiting(ns_of(time), message.message_code, alert, message.originator, context.role, asn1_typed.write(view))


def _key_id(credential: Credential) -> bytes:
    """The subject key identifier, as the certificate says it or as it is made from the key."""
    found = None if credential.certificate is None else parsed(credential.certificate)
    return certificates.subject_key_identifier(credential.public) if found is None else found.ski


def _label(target: TrustAnchorCell) -> str:
    cell = cell_of(target)
    return f"role {target.role}/{int(target.key_usage)}" if cell is None else cell.label


def datetime_of(ns: int) -> datetime:
    """Civil time as a datetime in UTC, to the second."""
    return datetime.fromtimestamp(ns // SECOND, UTC)


def ns_of(moment: datetime) -> int:
    """A datetime as civil time, ns since 1970."""
    return round(moment.timestamp()) * SECOND
