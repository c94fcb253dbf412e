"""Credential cells: who plays which role for a device, and what survives."""

from __future__ import annotations

import json

import pytest

from devices.model.credentials import DEVICE_CELLS, Cell, Credential, CredentialCells, Usage, cells_from_publics
from devices.model.roles import Role

SUPPLIER = bytes.fromhex("90b3000000010000")
BROKER = bytes.fromhex("90b3000000000002")
KEY = b"\x04" + bytes(64)
PUBLICS = {f"{party.hex()}-{kind}": KEY for party in (SUPPLIER, BROKER) for kind in ("ds", "ka", "pp-ka")}


def test_the_cells_of_a_meter_at_manufacture() -> None:
    cells = cells_from_publics("ESME", {Role.SUPPLIER: SUPPLIER, Role.ACCESS_CONTROL_BROKER: BROKER}, PUBLICS)
    filled = {cell.label for cell, _ in cells}
    assert filled == {"supplier/ds", "supplier/ka", "supplier/ka/prepayment", "access_control_broker/ka"}
    assert cells.roles_of(SUPPLIER) == {Role.SUPPLIER}
    assert cells.roles_of(bytes(8)) == frozenset()
    assert cells.party_of(Role.NETWORK_OPERATOR) is None
    assert cells.party_of(Role.SUPPLIER) == SUPPLIER
    assert cells.get(Role.ACCESS_CONTROL_BROKER, Usage.DIGITAL_SIGNATURE) is None


def test_certificates_are_kept_beside_the_keys() -> None:
    cells = cells_from_publics("ESME", {Role.SUPPLIER: SUPPLIER}, PUBLICS, {f"{SUPPLIER.hex()}-ds": b"der"})
    signing = cells.get(Role.SUPPLIER, Usage.DIGITAL_SIGNATURE)
    agreeing = cells.get(Role.SUPPLIER, Usage.KEY_AGREEMENT)
    assert signing is not None
    assert agreeing is not None
    assert (signing.certificate, agreeing.certificate) == (b"der", None)


def test_a_hub_has_a_cell_for_the_brokers_signature() -> None:
    assert Cell(Role.ACCESS_CONTROL_BROKER, Usage.DIGITAL_SIGNATURE) in DEVICE_CELLS["CHF"]
    assert Cell(Role.SUPPLIER, Usage.DIGITAL_SIGNATURE) not in DEVICE_CELLS["CHF"]


def test_there_is_no_place_for_what_a_device_has_no_cell_for() -> None:
    cells = CredentialCells(DEVICE_CELLS["CHF"])
    with pytest.raises(KeyError, match="no cell supplier/ds"):
        cells.place(Cell(Role.SUPPLIER, Usage.DIGITAL_SIGNATURE), Credential(SUPPLIER, KEY))


@pytest.mark.parametrize("device", DEVICE_CELLS)
def test_saved_cells_come_back(device: str) -> None:
    cells = CredentialCells(DEVICE_CELLS[device])
    for number, cell in enumerate(cells.places):
        cells.place(cell, Credential(bytes((number,) * 8), KEY, b"der" if number % 2 else None))
    again = CredentialCells(DEVICE_CELLS[device])
    again.load_json(json.loads(json.dumps(cells.as_json())))
    assert list(again) == list(cells)


@pytest.mark.parametrize("cell", DEVICE_CELLS["ESME"])
def test_labels(cell: Cell) -> None:
    assert Cell.labelled(cell.label) == cell


def test_a_replaced_supplier_is_nobody_any_more() -> None:
    cells = cells_from_publics("ESME", {Role.SUPPLIER: SUPPLIER}, PUBLICS)
    for cell, _ in list(cells):
        cells.place(cell, Credential(BROKER, KEY))
    assert cells.roles_of(SUPPLIER) == frozenset()


@pytest.mark.parametrize("text", ["network_operator", "Network Operator", "network-operator"])
def test_roles_by_name(text: str) -> None:
    assert Role.named(text) is Role.NETWORK_OPERATOR
    assert Role.named(Role.NETWORK_OPERATOR.label) is Role.NETWORK_OPERATOR
