"""The checks that a command passes before a device executes it, as a table in the order in which they are made.

Each check gives None or the :class:`Refusal`.  A check that is named in ``skipped_checks`` is made but not enforced:
that is how a deliberately faulty device is built from the good one.

Must not live here: what follows a refusal, execution (``commands``).

Source: facts/gbcs.md 2.1, 3.5, 11 no. 1 and 2; the use-case table.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field

from devices.machines.parts.execution import template_fault
from devices.machines.parts.replay import ReplayFloors, ReplaySettings, Series
from devices.model import use_cases
from devices.model.credentials import CredentialCells, Usage
from devices.model.roles import Role
from devices.model.use_cases import UseCase
from devices.trust import protection
from devices.trust.errors import TrustError
from devices.trust.keystore import KeyStore, agreement_key
from devices.wire import cosem
from devices.wire.cosem import AccessRequest
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message

__all__ = ["CHECKS", "Checks", "CommandSettings", "Inquiry", "Refusal", "series"]


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """What the specification leaves open, or what no text of it was found for."""

    replay: ReplaySettings = field(default_factory=ReplaySettings)
    first_counter: int = 1  # of the device's own alerts, at manufacture
    malformed_alert: int | None = 0x8F1E  # facts/gbcs.md 3.5, 11 no. 2 [recalled: make it a setting]; None: no alert
    unauthorised_alert: int | None = 0x8F30  # the same
    protection_alert: int | None = 0x8F3D  # the same
    replay_alert: int | None = 0x8F60  # the same
    unsupported_alert: int | None = 0x8F85  # newer GBCS only (facts/gbcs.md 5.6)
    addressee_alert: int | None = None  # a message for somebody else is not ours to complain about [our choice]
    # Where no source names the roles that a device accepts: any party that it has credentials of [our choice].
    roles_where_unknown: frozenset[Role] = frozenset(Role) - {Role.ROOT, Role.ISSUING_AUTHORITY, Role.OTHER}
    skipped_checks: frozenset[str] = frozenset()  # names of CHECKS that are not enforced: faulty devices only
    counts_refused: bool = False  # a command that is refused uses up its counter: faulty devices only
    before_protection: Callable[[Message], Message] | None = None  # changes a response: faulty devices only


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message was not executed.

    ``check`` names the check that failed (``"decode"`` for octets that are no message); ``alert`` is the alert code,
    None for none.  The other fields are those of the message, None where it could not be read.
    """

    check: str
    reason: str
    alert: int | None
    message_code: int | None = None
    counter: int | None = None
    originator: bytes | None = None


@dataclass(slots=True)
class Inquiry:
    """What is known so far of a message under check."""

    message: Message
    use_case: UseCase | None = None
    role: Role = Role.OTHER
    request: AccessRequest | None = None


def series(message: Message, use_case: UseCase | None, role: Role) -> Series:
    """The row of counters that ``message`` counts in: top-ups have their own (facts/gbcs.md 11 no. 1)."""
    return Series(message.originator, role, use_case is not None and use_case.use_case in ("CS01a", "CS01b"))


class Checks:
    """The checks of one device.  ``others`` holds the message codes that it executes without an access-request."""

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        floors: ReplayFloors,
        settings: CommandSettings,
        device: str,
        others: Container[int],
    ) -> None:
        self.identity, self.keys, self.cells, self.floors = identity, keys, cells, floors
        self.settings, self.device, self.others = settings, device, others
        wrong = settings.skipped_checks - (set(CHECKS) - UNSKIPPABLE)
        if wrong:
            may = ", ".join(name for name in CHECKS if name not in UNSKIPPABLE)
            raise ValueError(f"checks {sorted(wrong)} can't be skipped; these can: {may}")

    def judge(self, inquiry: Inquiry) -> Refusal | None:
        """Make every check in order and give the first refusal that is enforced."""
        for name, check in CHECKS.items():
            refusal = check(self, inquiry)
            if refusal is not None and name not in self.settings.skipped_checks:
                return refusal
        return None

    def addressee(self, inquiry: Inquiry) -> Refusal | None:
        if inquiry.message.recipient == self.identity:
            return None
        reason = f"addressed to {inquiry.message.recipient.hex()}, we are {self.identity.hex()}"
        return Refusal("addressee", reason, self.settings.addressee_alert)

    def command(self, inquiry: Inquiry) -> Refusal | None:
        if inquiry.message.cra == CRA.COMMAND:
            return None
        reason = f"message of kind {inquiry.message.cra}, expected a command (1)"
        return Refusal("command", reason, self.settings.malformed_alert)

    def supported(self, inquiry: Inquiry) -> Refusal | None:
        code = inquiry.message.message_code
        use_case = inquiry.use_case = use_cases.by_code(code)
        ours = use_case is not None and self.device in use_case.devices and use_case.protection["command"] is not None
        if ours and use_case is not None and (use_case.payload == "dlms" or code in self.others):
            return None
        inquiry.use_case = use_case if ours else None
        reason = f"message code 0x{code:04X} is no command that this {self.device} carries out"
        return Refusal("supported", reason, self.settings.unsupported_alert)

    def role(self, inquiry: Inquiry) -> Refusal | None:
        assert inquiry.use_case is not None
        played = self.cells.roles_of(inquiry.message.originator)
        allowed = inquiry.use_case.device_roles or tuple(sorted(self.settings.roles_where_unknown))
        fitting = [role for role in allowed if role in played]
        inquiry.role = fitting[0] if fitting else min(played, default=Role.OTHER)
        if fitting:
            return None
        party = inquiry.message.originator.hex()
        what = f"{party} is {inquiry.role.label}" if played else f"{party} is nobody that this device knows"
        names = ", ".join(role.label for role in allowed)
        reason = f"{what}; {inquiry.use_case.use_case} is for {names}"
        return Refusal("role", reason, self.settings.unauthorised_alert)

    def form(self, inquiry: Inquiry) -> Refusal | None:
        """The signature field and the MAC are there where they must be and nowhere else."""
        signed, maced = self._demands(inquiry)
        message = inquiry.message
        if (bool(message.signature), message.mac is not None) == (signed, maced) and message.signature is not None:
            return None
        wanted = " and ".join(part for part, demanded in (("a signature", signed), ("a MAC", maced)) if demanded)
        got = f"signature of {len(message.signature or b'')} octets, MAC of {len(message.mac or b'')}"
        return Refusal("form", f"expected {wanted}; {got}", self.settings.malformed_alert)

    def signature(self, inquiry: Inquiry) -> Refusal | None:
        if not self._demands(inquiry)[0]:
            return None
        credential = self.cells.get(inquiry.role, Usage.DIGITAL_SIGNATURE)
        try:
            if credential is not None and protection.signature_valid(inquiry.message, credential.public):
                return None
        except TrustError as error:
            return Refusal("signature", str(error), self.settings.protection_alert)
        reason = f"the signature is not that of the {inquiry.role.label} this device knows"
        return Refusal("signature", reason, self.settings.protection_alert)

    def mac(self, inquiry: Inquiry) -> Refusal | None:
        """The MAC of a command is made with the access control broker's key, whoever the originator is."""
        if not self._demands(inquiry)[1]:
            return None
        broker = self.cells.get(Role.ACCESS_CONTROL_BROKER, Usage.KEY_AGREEMENT)
        if broker is None:
            return Refusal("mac", "no access control broker is known to this device", self.settings.protection_alert)
        try:
            if protection.mac_valid(inquiry.message, self.keys.agree(agreement_key(self.identity), broker.public)):
                return None
        except (TrustError, WireError) as error:
            return Refusal("mac", str(error), self.settings.protection_alert)
        return Refusal("mac", "the MAC is not that of the access control broker", self.settings.protection_alert)

    def content(self, inquiry: Inquiry) -> Refusal | None:
        """The payload is an access-request of this use case and of nothing else."""
        assert inquiry.use_case is not None
        if inquiry.use_case.payload != "dlms" or inquiry.message.message_code in self.others:
            return None
        try:
            pdu = cosem.decode(inquiry.message.payload)
        except WireError as error:
            return Refusal("content", str(error), self.settings.malformed_alert)
        if not isinstance(pdu, AccessRequest):
            return Refusal("content", "the payload is no access-request", self.settings.malformed_alert)
        inquiry.request = pdu
        fault = template_fault(pdu, inquiry.use_case)
        return None if fault is None else Refusal("content", fault, self.settings.malformed_alert)

    def replay(self, inquiry: Inquiry) -> Refusal | None:
        assert inquiry.use_case is not None
        if not self.floors.protects(inquiry.use_case.replay_protected):
            return None
        row = series(inquiry.message, inquiry.use_case, inquiry.role)
        if self.floors.accepts(row, inquiry.message.counter):
            return None
        reason = f"counter {inquiry.message.counter}, expected more than {self.floors.floor(row)}"
        return Refusal("replay", reason, self.settings.replay_alert)

    @staticmethod
    def _demands(inquiry: Inquiry) -> tuple[bool, bool]:
        """Whether the use case wants a signature, and whether it wants a MAC (facts/gbcs.md 2.1)."""
        assert inquiry.use_case is not None
        wanted = inquiry.use_case.protection["command"]
        if wanted == "MAC or sig":
            signed = bool(inquiry.message.signature)
            return signed, not signed
        return wanted in ("sig", "sig+MAC"), wanted in ("MAC", "sig+MAC")


CHECKS: dict[str, Callable[[Checks, Inquiry], Refusal | None]] = {
    "addressee": Checks.addressee,
    "command": Checks.command,
    "supported": Checks.supported,
    "role": Checks.role,
    "form": Checks.form,
    "signature": Checks.signature,
    "mac": Checks.mac,
    "content": Checks.content,
    "replay": Checks.replay,
}
"""Name to check, in the order in which they are made."""

UNSKIPPABLE = frozenset({"supported", "content"})
"""Checks that establish what is to be executed; without them there is nothing to do."""
