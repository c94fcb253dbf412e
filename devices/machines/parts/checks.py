"""The checks that a command passes before a device executes it, as a table in the order in which they are made.

Each check gives None or the :class:`Refusal`.  A check that is named in ``skipped_checks`` is made but not enforced:
that is how a deliberately faulty device is built from the good one.

Must not live here: what follows a refusal, execution (``commands``).

Source: facts/gbcs.md 2.1, 3.5, 11 no. 1 and 2; the use-case table.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field

from devices.machines.parts.asn1_execution import Asn1Execution
from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.execution import template_fault
from devices.machines.parts.gbz_execution import GbzExecutor
from devices.machines.parts.replay import ReplayFloors, ReplaySettings, Series
from devices.model import use_cases
from devices.model.credentials import CredentialCells, Usage
from devices.model.roles import Role
from devices.model.use_cases import UseCase
from devices.trust import protection
from devices.trust.errors import TrustError
from devices.trust.keystore import KeyStore, agreement_key
from devices.wire import cosem, gbz
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
    traced_as: int | None = 0x8F53  # a refusal without an alert is logged so, nobody is told [our choice]; None: not
    addressee_alert: int | None = None  # a message for somebody else is not ours to complain about [our choice]
    # Where no source names the roles that a device accepts: any party that it has credentials of [our choice].
    roles_where_unknown: frozenset[Role] = frozenset(Role) - {Role.ROOT, Role.ISSUING_AUTHORITY, Role.OTHER}
    kinds_seen_only: bool = False  # commands about credentials: only on kinds that published messages show with them
    asn1: Asn1Settings = field(default_factory=Asn1Settings)
    skipped_checks: frozenset[str] = frozenset()  # names of CHECKS that are not enforced: faulty devices only
    counts_refused: bool = False  # a command that is refused uses up its counter: faulty devices only
    unanswered: frozenset[int] = frozenset()  # message codes that get no response: faulty devices only
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
    covered: bytes | None = None  # what signature and MAC cover, as received
    use_case: UseCase | None = None
    role: Role = Role.OTHER
    request: AccessRequest | None = None
    components: gbz.Payload | None = None


def series(message: Message, use_case: UseCase | None, role: Role) -> Series:
    """The row of counters that ``message`` counts in: top-ups have their own (facts/gbcs.md 11 no. 1)."""
    return Series(message.originator, role, use_case is not None and use_case.use_case in ("CS01a", "CS01b"))


class Checks:
    """The checks of one device.

    ``others`` holds the message codes that it executes by handlers, ``clusters`` what executes GBZ payloads, if it has
    clusters, ``asn1`` what executes ASN.1 payloads.  ``peers`` gives the key agreement key of a device on the same HAN
    that may send commands, by its EUI-64.
    """

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        floors: ReplayFloors,
        settings: CommandSettings,
        device: str,
        others: Container[int],
        clusters: GbzExecutor | None = None,
        peers: Callable[[bytes], bytes | None] = lambda _: None,
        asn1: Asn1Execution | None = None,
    ) -> None:
        self.asn1 = asn1
        self.clusters, self.peers = clusters, peers
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
        kinds = () if use_case is None else use_case.devices if self.settings.kinds_seen_only else use_case.kinds
        ours = use_case is not None and self.device in kinds and use_case.protection["command"] is not None
        families = {"dlms": True, "gbz": self.clusters is not None}
        if ours and use_case is not None and (families.get(use_case.payload or "", False) or code in self.others):
            return None
        inquiry.use_case = use_case if ours else None
        reason = f"message code 0x{code:04X} is no command that this {self.device} carries out"
        return Refusal("supported", reason, self.settings.unsupported_alert)

    def role(self, inquiry: Inquiry) -> Refusal | None:
        assert inquiry.use_case is not None
        if inquiry.use_case.between_devices:
            return self._peer(inquiry)
        played = self.cells.roles_of(inquiry.message.originator)
        allowed = inquiry.use_case.device_roles or tuple(sorted(self.settings.roles_where_unknown))
        if allowed == (Role.ROOT,) and self.settings.asn1.contingency_key is not None:
            inquiry.role = Role.ROOT  # whoever holds the contingency key; its signature says so
            return None
        fitting = [role for role in allowed if role in played]
        inquiry.role = fitting[0] if fitting else min(played, default=Role.OTHER)
        if fitting:
            return None
        party = inquiry.message.originator.hex()
        what = f"{party} is {inquiry.role.label}" if played else f"{party} is nobody that this device knows"
        names = ", ".join(role.label for role in allowed)
        reason = f"{what}; {inquiry.use_case.use_case} is for {names}"
        return Refusal("role", reason, self.settings.unauthorised_alert)

    def _peer(self, inquiry: Inquiry) -> Refusal | None:
        """A command of another device comes from one that this device has been joined with."""
        party = inquiry.message.originator
        if self.peers(party) is not None:
            return None
        reason = f"{party.hex()} is no device that this one knows; {inquiry.use_case and inquiry.use_case.use_case}"
        return Refusal("role", f"{reason} is for joined devices", self.settings.unauthorised_alert)

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
        public = credential.public if credential is not None else None
        if inquiry.role is Role.ROOT:
            public = self.settings.asn1.contingency_key
        try:
            if public is not None and protection.signature_valid(inquiry.message, public, inquiry.covered):
                return None
        except TrustError as error:
            return Refusal("signature", str(error), self.settings.protection_alert)
        reason = f"the signature is not that of the {inquiry.role.label} this device knows"
        return Refusal("signature", reason, self.settings.protection_alert)

    def mac(self, inquiry: Inquiry) -> Refusal | None:
        """The MAC of a command is made with the access control broker's key, whoever the originator is; that of a
        command between devices with the originator's (facts/gbcs.md 2.1)."""
        assert inquiry.use_case is not None
        if not self._demands(inquiry)[1]:
            return None
        if inquiry.use_case.between_devices:
            maker, public = "the device that sent it", self.peers(inquiry.message.originator)
        else:
            broker = self.cells.get(Role.ACCESS_CONTROL_BROKER, Usage.KEY_AGREEMENT)
            maker, public = "the access control broker", broker.public if broker else None
        if public is None:
            return Refusal("mac", f"no key of {maker} is known to this device", self.settings.protection_alert)
        try:
            z = self.keys.agree(agreement_key(self.identity), public)
            if protection.mac_valid(inquiry.message, z, inquiry.covered):
                return None
        except (TrustError, WireError) as error:
            return Refusal("mac", str(error), self.settings.protection_alert)
        return Refusal("mac", f"the MAC is not that of {maker}", self.settings.protection_alert)

    def content(self, inquiry: Inquiry) -> Refusal | None:
        """The payload is an access-request or the components of this use case and of nothing else."""
        assert inquiry.use_case is not None
        if inquiry.use_case.payload == "asn1" and self.asn1 is not None:
            fault = self.asn1.fault(inquiry.message)
            return None if fault is None else Refusal("content", fault, self.settings.malformed_alert)
        if inquiry.message.message_code in self.others:
            return None
        if inquiry.use_case.payload == "gbz":
            return self._components(inquiry)
        try:
            pdu = cosem.decode(inquiry.message.payload)
        except WireError as error:
            return Refusal("content", str(error), self.settings.malformed_alert)
        if not isinstance(pdu, AccessRequest):
            return Refusal("content", "the payload is no access-request", self.settings.malformed_alert)
        inquiry.request = pdu
        fault = template_fault(pdu, inquiry.use_case)
        return None if fault is None else Refusal("content", fault, self.settings.malformed_alert)

    def _components(self, inquiry: Inquiry) -> Refusal | None:
        assert inquiry.use_case is not None
        assert self.clusters is not None
        try:
            payload = gbz.decode(inquiry.message.payload)
            if not isinstance(payload, gbz.Payload):
                return Refusal("content", "the payload is a GBZ alert", self.settings.malformed_alert)
            fault = self.clusters.template_fault(payload, inquiry.use_case)
        except WireError as error:
            return Refusal("content", str(error), self.settings.malformed_alert)
        inquiry.components = payload
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

    def _demands(self, inquiry: Inquiry) -> tuple[bool, bool]:
        """Whether the use case wants a signature, and whether it wants a MAC (facts/gbcs.md 2.1)."""
        assert inquiry.use_case is not None
        wanted = inquiry.use_case.command_form(self.device)
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
