"""Whether a certificate may be put into a cell: who replaces whom, and the path to a root that the device trusts.

Must not live here: what is done about it (``credential_updates``), X.509 as such (``trust.certificates``).

Source: facts/gbcs.md 9.2 to 9.4, 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from devices.model.credentials import Cell, CredentialCells, Usage
from devices.model.roles import Role
from devices.trust import certificates
from devices.trust.certificates import Certificate
from devices.trust.errors import TrustError
from devices.wire.asn1_typed import KeyUsage, Replacement, TrustAnchorCell
from devices.wire.errors import WireError

__all__ = ["BITS", "MODES", "Judge", "Mode", "Status", "cell_of", "parsed"]


class Status(IntEnum):
    """The outcome for one cell, or one role (facts/gbcs.md 3.4)."""

    SUCCESS = 0
    BAD_CERTIFICATE = 5
    NO_TRUST_ANCHOR = 10
    INSUFFICIENT_MEMORY = 17
    TRUST_ANCHOR_NOT_FOUND = 25
    RESOURCES_BUSY = 30
    OTHER = 127


_EVERYBODY: Final = frozenset(Role) - {Role.ISSUING_AUTHORITY, Role.OTHER}


@dataclass(frozen=True, slots=True)
class Mode:
    """Who authorises a replacement, and the roles whose cells it may replace (facts/gbcs.md 9.4).

    ``new_root``: a root that only itself vouches for is accepted.
    """

    authority: Role
    replaces: frozenset[Role]
    new_root: bool = False


MODES: Mapping[int, Mode] = {
    0: Mode(Role.SUPPLIER, frozenset({Role.ROOT})),
    1: Mode(Role.WAN_PROVIDER, frozenset({Role.ROOT})),
    2: Mode(Role.SUPPLIER, frozenset({Role.SUPPLIER})),
    3: Mode(Role.NETWORK_OPERATOR, frozenset({Role.NETWORK_OPERATOR})),
    4: Mode(Role.ACCESS_CONTROL_BROKER, frozenset({Role.ACCESS_CONTROL_BROKER})),
    5: Mode(Role.WAN_PROVIDER, frozenset({Role.WAN_PROVIDER})),
    6: Mode(Role.TRANSITIONAL_COS, frozenset({Role.TRANSITIONAL_COS})),
    7: Mode(Role.TRANSITIONAL_COS, frozenset({Role.SUPPLIER})),
    8: Mode(Role.RECOVERY, _EVERYBODY),
    9: Mode(Role.ROOT, _EVERYBODY, new_root=True),
    10: Mode(Role.LOAD_CONTROLLER, frozenset({Role.LOAD_CONTROLLER})),
    11: Mode(Role.SUPPLIER, frozenset({Role.LOAD_CONTROLLER})),
}
"""By credentialsReplacementMode."""

_USAGES: Final = {
    KeyUsage.DIGITAL_SIGNATURE: Usage.DIGITAL_SIGNATURE,
    KeyUsage.KEY_AGREEMENT: Usage.KEY_AGREEMENT,
    KeyUsage.KEY_CERT_SIGN: Usage.CERTIFICATE_SIGNING,
}
BITS: Final = {usage: bits for bits, usage in _USAGES.items()}
_KEY_FOR: Final = {
    certificates.Usage.DIGITAL_SIGNATURE: Usage.DIGITAL_SIGNATURE,
    certificates.Usage.KEY_AGREEMENT: Usage.KEY_AGREEMENT,
    certificates.Usage.KEY_CERT_SIGN: Usage.CERTIFICATE_SIGNING,
}


class Judge:
    """Judges the replacements of one command.  ``at`` is None where validity is not looked at."""

    def __init__(
        self, cells: CredentialCells, path: Sequence[bytes], mode: Mode, at: datetime | None, *, path_checked: bool
    ) -> None:
        self._cells, self._mode, self._at, self._path_checked = cells, mode, at, path_checked
        self._carried = [found for octets in path if (found := parsed(octets)) is not None]
        root = cells.get(Role.ROOT, Usage.CERTIFICATE_SIGNING)
        held = None if root is None or root.certificate is None else parsed(root.certificate)
        self._anchors = [held] if held is not None else []

    def judge(self, replacement: Replacement) -> tuple[Status, Certificate | None]:
        """The status of one replacement and, with success, its certificate."""
        cell = cell_of(replacement.cell)
        if cell is None or cell not in self._cells.places:
            return Status.TRUST_ANCHOR_NOT_FOUND, None
        found = parsed(replacement.certificate)
        if found is None or found.is_device or _KEY_FOR.get(found.usage) is not cell.usage:
            return Status.BAD_CERTIFICATE, None
        fits = found.role == Role.ROOT if cell.role == Role.ROOT else found.eui is not None
        if not fits or not self._valid(found):
            return Status.BAD_CERTIFICATE, None
        if cell.role == Role.ROOT and self._mode.new_root and certificates.signed_by(found, found):
            self._anchors.append(found)
            return Status.SUCCESS, found
        if self._path_checked and not self._leads_to_root(found):
            return Status.NO_TRUST_ANCHOR, None
        if cell.role == Role.ROOT:
            self._anchors.append(found)
        return Status.SUCCESS, found

    def _valid(self, found: Certificate) -> bool:
        return self._at is None or found.not_before <= self._at <= found.not_after

    def _leads_to_root(self, found: Certificate) -> bool:
        """Whether ``found`` leads, issuer by issuer, to a root that the device trusts."""
        if not self._anchors and certificates.signed_by(found, found):
            return True
        for _ in range(len(self._carried) + 1):
            if any(certificates.signed_by(found, anchor) for anchor in self._anchors):
                return True
            issuer = next((one for one in self._carried if self._issued(found, one)), None)
            if issuer is None:
                return False
            if not self._anchors:
                return True
            found = issuer
        return False

    def _issued(self, found: Certificate, issuer: Certificate) -> bool:
        signs = issuer.usage is certificates.Usage.KEY_CERT_SIGN and found.aki in (None, issuer.ski)
        return signs and self._valid(issuer) and certificates.signed_by(found, issuer)


def cell_of(target: TrustAnchorCell) -> Cell | None:
    """The cell that the model knows under this name; None for a role or usage that nothing is known of."""
    if target.role not in set(Role) or target.key_usage not in _USAGES or (target.cell_usage or 0) not in (0, 1):
        return None
    return Cell(Role(target.role), _USAGES[target.key_usage], bool(target.cell_usage))


def parsed(octets: bytes) -> Certificate | None:
    try:
        return certificates.parse(octets)
    except (TrustError, WireError):
        return None
