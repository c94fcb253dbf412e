"""The ASN.1 payloads about credentials: CS02a to CS02g and the alerts of their future-dated forms.

What a device does with them does not live here; certificates stay DER octets.

Shapes: facts/gbcs.md 9.5 (verified by running) and use-cases.json (``asn1``).  Numbers of roles: facts/gbcs.md 9.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from devices.wire.asn1_schema import Record, Records, SequenceOf, Single
from devices.wire.asn1_types import (
    BITS,
    CERTIFICATE,
    ENUMERATED,
    INTEGER,
    NULL,
    OCTETS_8,
    TIME,
    Integer,
    KeyUsage,
    Octets,
)

__all__ = [
    "AuthorisingControl",
    "Certificate",
    "CertificationRequest",
    "CredentialsAlert",
    "CredentialsReport",
    "CredentialsRequest",
    "HeldCredential",
    "KeyPairRequest",
    "Replacement",
    "ReplacementOutcome",
    "RoleCredentials",
    "SeqNumberChange",
    "SpecialistFloor",
    "TrustAnchorCell",
    "UpdateCredentials",
    "UpdateOutcome",
    "UpdateResponse",
]


@dataclass(frozen=True, slots=True)
class TrustAnchorCell(Record):
    """A trust anchor cell: role, key usage, and cell usage (absent or 0 management, 1 prepayment top-up)."""

    role: Annotated[int, INTEGER]
    key_usage: Annotated[KeyUsage, BITS]
    cell_usage: Annotated[int | None, INTEGER] = None


_CELL = Records(TrustAnchorCell)


# ------------------------------------------------------------------------------------------------ CS02a, CS02f: report


@dataclass(frozen=True, slots=True)
class CredentialsRequest(Record):
    """CS02a and CS02f command: who asks, by the cell that holds its certificate, and of which roles."""

    authorising_cell: Annotated[TrustAnchorCell, _CELL]
    roles: Annotated[tuple[int, ...], SequenceOf(INTEGER)]


@dataclass(frozen=True, slots=True)
class HeldCredential(Record):
    """A credential that the device holds: subject's unique identifier and subject key identifier."""

    key_usage: Annotated[KeyUsage, BITS]
    cell_usage: Annotated[int | None, INTEGER]
    subject_id: Annotated[bytes, OCTETS_8]
    key_id: Annotated[bytes, OCTETS_8]


@dataclass(frozen=True, slots=True)
class RoleCredentials(Record):
    """What the device holds of one role.  ``status`` 0 success, 25 trust anchor not found, 127 other; the sequence
    number and the credentials are there with success."""

    role: Annotated[int, INTEGER]
    status: Annotated[int, ENUMERATED]
    seq_number: Annotated[int | None, INTEGER] = None
    credentials: Annotated[tuple[HeldCredential, ...] | None, SequenceOf(Records(HeldCredential))] = None


@dataclass(frozen=True, slots=True)
class CredentialsReport(Single):
    """CS02a and CS02f response: the roles that were asked for, in their order."""

    roles: Annotated[tuple[RoleCredentials, ...], SequenceOf(Records(RoleCredentials))]


# ---------------------------------------------------------------------------------------------- CS02b, CS02g: update


@dataclass(frozen=True, slots=True)
class SpecialistFloor(Record):
    """A floor sequence number for one use, 0 being prepayment top-up."""

    usage: Annotated[int, INTEGER]
    floor: Annotated[int, INTEGER]


@dataclass(frozen=True, slots=True)
class SeqNumberChange(Record):
    """The floor sequence numbers of a remote party role."""

    role: Annotated[int, INTEGER]
    floor: Annotated[int, INTEGER]
    specialist_floors: Annotated[tuple[SpecialistFloor, ...] | None, SequenceOf(Records(SpecialistFloor))] = None


@dataclass(frozen=True, slots=True)
class AuthorisingControl(Record):
    """Who authorises an update and which sequence numbers it sets (facts/gbcs.md 9.5).

    ``plaintext_symmetric_key`` comes with mode 9 only.  ``time_checks`` is 0 apply (as when absent), 1 disapply.
    """

    mode: Annotated[int, INTEGER]
    plaintext_symmetric_key: Annotated[bytes | None, Octets(None, 0x80)] = None
    time_checks: Annotated[int | None, Integer(0x81)] = None
    authorising_cell: Annotated[TrustAnchorCell | None, Records(TrustAnchorCell, 0xA2)] = None
    authorising_seq_number: Annotated[int | None, Integer(0x83)] = None
    floor: Annotated[int | None, Integer(0x84)] = None
    specialist_floors: Annotated[tuple[SpecialistFloor, ...] | None, SequenceOf(Records(SpecialistFloor), 0xA5)] = None
    other_changes: Annotated[tuple[SeqNumberChange, ...] | None, SequenceOf(Records(SeqNumberChange), 0xA6)] = None


@dataclass(frozen=True, slots=True)
class Replacement(Record):
    """A certificate and the cell it goes into."""

    certificate: Annotated[bytes, CERTIFICATE]
    cell: Annotated[TrustAnchorCell, _CELL]


@dataclass(frozen=True, slots=True)
class UpdateCredentials(Record):
    """CS02b and CS02g command.  ``path`` are the certificates between the root and the replacements.

    An ``execution_time`` at the end of the year 9999 cancels a future-dated command.
    """

    control: Annotated[AuthorisingControl, Records(AuthorisingControl)]
    replacements: Annotated[tuple[Replacement, ...], SequenceOf(Records(Replacement))]
    path: Annotated[tuple[bytes, ...], SequenceOf(CERTIFICATE)]
    execution_time: Annotated[datetime | None, TIME] = None


@dataclass(frozen=True, slots=True)
class ReplacementOutcome(Record):
    """What became of a cell: status (0 success, 5 bad certificate, 10 no trust anchor, 17 insufficient memory,
    25 trust anchor not found, 30 resources busy, 127 other), and the subject and key it held before and holds now."""

    cell: Annotated[TrustAnchorCell, _CELL]
    status: Annotated[int, ENUMERATED]
    existing_subject_id: Annotated[bytes, OCTETS_8]
    existing_key_id: Annotated[bytes, OCTETS_8]
    replacing_subject_id: Annotated[bytes, OCTETS_8]
    replacing_key_id: Annotated[bytes, OCTETS_8]


@dataclass(frozen=True, slots=True)
class UpdateOutcome(Record):
    """How an update went: the authorising party's sequence number, the changes of others, the outcome of each cell."""

    authorising_seq_number: Annotated[int, INTEGER]
    mode: Annotated[int, INTEGER]
    seq_number_changes: Annotated[tuple[SeqNumberChange, ...], SequenceOf(Records(SeqNumberChange))]
    outcomes: Annotated[tuple[ReplacementOutcome, ...], SequenceOf(Records(ReplacementOutcome))]


@dataclass(frozen=True, slots=True)
class UpdateResponse(Record):
    """CS02b and CS02g response: accepted, and the outcome unless the command is future-dated or a cancellation."""

    accepted: Annotated[None, NULL] = None
    outcome: Annotated[UpdateOutcome | None, Records(UpdateOutcome)] = None


@dataclass(frozen=True, slots=True)
class CredentialsAlert(Record):
    """Messages 00CB and 0124: the outcome of a future-dated update, at its time of execution."""

    alert_code: Annotated[int, INTEGER]
    time: Annotated[datetime, TIME]
    outcome: Annotated[UpdateOutcome, Records(UpdateOutcome)]


# ------------------------------------------------------------------------------------- CS02c, d, e: the device's own


@dataclass(frozen=True, slots=True)
class KeyPairRequest(Record):
    """CS02c command (make a key pair for this usage) and CS02e command (return the certificate of this usage)."""

    key_usage: Annotated[KeyUsage, BITS]


@dataclass(frozen=True, slots=True)
class CertificationRequest(Single):
    """CS02c response: a PKCS#10 certification request, DER."""

    request: Annotated[bytes, CERTIFICATE]


@dataclass(frozen=True, slots=True)
class Certificate(Single):
    """CS02d command and CS02e response: a certificate of the device, DER."""

    certificate: Annotated[bytes, CERTIFICATE]
