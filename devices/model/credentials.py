"""Credential cells: whose certificates a device holds, by role, key usage and cell usage.

A device knows a remote party by the cells that name it: they give the role, and the public keys that check its
signatures and MACs.  Cells are filled at manufacture and changed by update-credentials commands alone.

Must not live here: certificates as such (``trust``), what a role may command (``use_cases``), replay floors
(``machines.parts.replay``).

Source: facts/gbcs.md 9.2, 9.3 [single source: at least these cells].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from devices.model.roles import Role

__all__ = ["DEVICE_CELLS", "Cell", "Credential", "CredentialCells", "Usage", "cells_from_publics"]


class Usage(Enum):
    """What a certificate's key is for: the name it has in cells, and the bit of its keyUsage."""

    DIGITAL_SIGNATURE = "ds"
    KEY_AGREEMENT = "ka"
    CERTIFICATE_SIGNING = "certsign"


@dataclass(frozen=True, slots=True)
class Cell:
    """One place for a certificate.  ``prepayment`` is cell usage 1, the supplier's key for top-ups."""

    role: Role
    usage: Usage
    prepayment: bool = False

    @property
    def label(self) -> str:
        """``"supplier/ka"``, ``"supplier/ka/prepayment"``: the key in saved state and records."""
        return f"{self.role.label}/{self.usage.value}" + ("/prepayment" if self.prepayment else "")

    @classmethod
    def labelled(cls, label: str) -> Cell:
        """The cell of a :attr:`label`; raises ``KeyError`` or ``ValueError``."""
        role, usage, *rest = label.split("/")
        return cls(Role.named(role), Usage(usage), rest == ["prepayment"])


@dataclass(frozen=True, slots=True)
class Credential:
    """What a cell holds: the party (EUI-64), its public key (65 octets) and, where known, the certificate (DER)."""

    party: bytes
    public: bytes
    certificate: bytes | None = None


_DS, _KA = Usage.DIGITAL_SIGNATURE, Usage.KEY_AGREEMENT
_METER = (
    Cell(Role.ROOT, Usage.CERTIFICATE_SIGNING),
    Cell(Role.RECOVERY, _DS),
    Cell(Role.SUPPLIER, _DS),
    Cell(Role.SUPPLIER, _KA),
    Cell(Role.SUPPLIER, _KA, prepayment=True),
    Cell(Role.NETWORK_OPERATOR, _DS),
    Cell(Role.NETWORK_OPERATOR, _KA),
    Cell(Role.ACCESS_CONTROL_BROKER, _KA),
    Cell(Role.TRANSITIONAL_COS, _DS),
)
_LOAD_CONTROLLER = (Cell(Role.LOAD_CONTROLLER, _DS), Cell(Role.LOAD_CONTROLLER, _KA))
_JOINED = (
    Cell(Role.ROOT, Usage.CERTIFICATE_SIGNING),
    Cell(Role.RECOVERY, _DS),
    Cell(Role.SUPPLIER, _DS),
    Cell(Role.SUPPLIER, _KA),
    Cell(Role.ACCESS_CONTROL_BROKER, _DS),
    Cell(Role.ACCESS_CONTROL_BROKER, _KA),
    Cell(Role.TRANSITIONAL_COS, _DS),
)
"""Of a device that remote parties join and unjoin, read and update [our choice]; the broker signs for those that the
device does not know (published commands to a PPMID)."""

DEVICE_CELLS: Mapping[str, tuple[Cell, ...]] = {
    "ESME": (*_METER, *_LOAD_CONTROLLER),
    "GSME": _METER,  # network operator cells: facts/gbcs.md 11 no. 13 [our choice]
    "GPF": _METER,  # whoever may read the meter may read its proxy [our choice]
    "PPMID": _JOINED,
    "HCALCS": _JOINED,
    "CHF": (
        Cell(Role.ROOT, Usage.CERTIFICATE_SIGNING),
        Cell(Role.RECOVERY, _DS),
        Cell(Role.ACCESS_CONTROL_BROKER, _DS),
        Cell(Role.ACCESS_CONTROL_BROKER, _KA),
        Cell(Role.TRANSITIONAL_COS, _DS),
        Cell(Role.WAN_PROVIDER, _DS),
    ),
    "SAPC": (*(cell for cell in _METER if not cell.prepayment), *_LOAD_CONTROLLER),
}
"""The cells a device has, empty or not (facts/gbcs.md 9.3; root everywhere is [our choice], 11 no. 13)."""


class CredentialCells:
    """The cells of one device.  Only places that the device has can be filled."""

    def __init__(self, places: Iterable[Cell], held: Mapping[Cell, Credential] | None = None) -> None:
        self._places = tuple(places)
        self._held: dict[Cell, Credential] = {}
        for cell, credential in (held or {}).items():
            self.place(cell, credential)

    @property
    def places(self) -> tuple[Cell, ...]:
        """Every cell that the device has, filled or not."""
        return self._places

    def __iter__(self) -> Iterator[tuple[Cell, Credential]]:
        return iter(self._held.items())

    def get(self, role: Role, usage: Usage, *, prepayment: bool = False) -> Credential | None:
        """What the cell holds, None when it is empty or the device has no such cell."""
        return self._held.get(Cell(role, usage, prepayment))

    def place(self, cell: Cell, credential: Credential) -> None:
        """Fill or replace a cell.  Raises ``KeyError`` when this kind of device has no such cell."""
        if cell not in self._places:
            raise KeyError(f"no cell {cell.label} on this device; it has {', '.join(c.label for c in self._places)}")
        self._held[cell] = credential

    def roles_of(self, party: bytes) -> frozenset[Role]:
        """Every role that ``party`` plays for this device; empty for a stranger."""
        return frozenset(cell.role for cell, credential in self._held.items() if credential.party == party)

    def party_of(self, role: Role) -> bytes | None:
        """Who plays ``role``, None when no cell of that role is filled."""
        return next((credential.party for cell, credential in self._held.items() if cell.role == role), None)

    def as_json(self) -> dict[str, Any]:
        """JSON types, for what outlives a power cut."""
        return {
            cell.label: [c.party.hex(), c.public.hex(), c.certificate.hex() if c.certificate else None]
            for cell, c in self._held.items()
        }

    def load_json(self, saved: Mapping[str, Any]) -> None:
        """Take over what :meth:`as_json` gave; replaces everything."""
        self._held = {
            Cell.labelled(label): Credential(
                bytes.fromhex(party), bytes.fromhex(public), bytes.fromhex(certificate) if certificate else None
            )
            for label, (party, public, certificate) in saved.items()
        }


def cells_from_publics(
    device: str,
    parties: Mapping[Role, bytes],
    publics: Mapping[str, bytes],
    certificates: Mapping[str, bytes] | None = None,
) -> CredentialCells:
    """The cells of a ``device`` (``"ESME"``, ``"CHF"`` ...) as filled at manufacture.

    ``parties`` says who plays which role; ``publics`` holds their public keys by the names of the key stores
    (``"<eui64>-ds"``, ``-ka``, ``-pp-ka``).  Cells whose key is not among them stay empty.
    ``certificates`` (DER, by the same names) are kept beside the keys where they are given.
    """
    cells = CredentialCells(DEVICE_CELLS[device])
    for cell in cells.places:
        party = parties.get(cell.role)
        name = {_DS: "ds", _KA: "pp-ka" if cell.prepayment else "ka"}.get(cell.usage, "ds")
        key = f"{party.hex()}-{name}" if party else ""
        public = publics.get(key)
        if party and public:
            cells.place(cell, Credential(party, public, (certificates or {}).get(key)))
    return cells
