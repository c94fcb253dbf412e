"""Every DLMS command of every kind of device, made from its rows alone: carried out, and nothing but success."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devices.machines.comms_hub import CommsHub, HubSettings
from devices.machines.esme import Esme
from devices.machines.parts.civil_clock import CivilTime, ClockSettings
from devices.machines.parts.commands import CommandProcessor
from devices.machines.sapc import Sapc
from devices.model import data_types, row_objects, use_cases
from devices.model.credentials import cells_from_publics
from devices.model.roles import Role
from devices.model.use_cases import DlmsRow, UseCase
from devices.trust import protection
from devices.trust.keystore import agreement_key, signing_key
from devices.wire import axdr, cosem, gbcs
from devices.wire.axdr import Data, Tag
from devices.wire.cosem import AccessRequest, AccessResponse, Op, Spec
from devices.wire.gbcs import CRA, Message
from tests.machines.meter_bench import BROKER, COS, KEYS, METER, OPERATOR, SUPPLIER

PARTIES = {
    Role.SUPPLIER: SUPPLIER,
    Role.NETWORK_OPERATOR: OPERATOR,
    Role.ACCESS_CONTROL_BROKER: BROKER,
    Role.TRANSITIONAL_COS: COS,
    Role.LOAD_CONTROLLER: OPERATOR,
    Role.WAN_PROVIDER: BROKER,
}
OPS = {"get": Op.GET, "set": Op.SET, "action": Op.ACTION, "get-selective": Op.GET_SELECTION}
NOW = axdr.octets(bytes.fromhex("0000000000000000008000ff"))
START = ClockSettings().start_ns
EUI = axdr.octets(bytes.fromhex("00db0000000000aa"))
ARGUMENTS: dict[tuple[int, bytes, int], Data] = {
    # what a type alone does not say
    (9, bytes((0, 0, 10, 0, 100, 255)), 1): axdr.u16(0x63),
    (9, bytes((0, 0, 10, 0, 103, 255)), 1): axdr.u16(0x0111),
    (9, bytes((0, 0, 10, 0, 106, 255)), 1): axdr.u16(52),
    (9, bytes((0, 0, 10, 0, 107, 255)), 1): axdr.u16(0x2332),
    (8, bytes((0, 0, 1, 0, 0, 255)), 5): axdr.structure(
        NOW, axdr.octets(CivilTime(START - 10**12).dlms()), axdr.octets(CivilTime(START + 10**12).dlms())
    ),
    (111, bytes((0, 1, 19, 0, 0, 255)), 2): axdr.structure(axdr.enum(1), axdr.enum(2)),
    (104, bytes((0, 0, 30, 3, 0, 255)), 1): axdr.structure(EUI, axdr.enum(1), axdr.octets(bytes(16)), axdr.enum(0)),
    (104, bytes((0, 0, 30, 3, 0, 255)), 2): EUI,
}
NEEDS_MORE = {"CS01a": "a good token", "CCS02": "a device in the log"}
"""Commands that the state of a new device does not allow; they have tests of their own."""


def _commands() -> Iterator[tuple[str, UseCase]]:
    for use_case in use_cases.all_use_cases():
        wanted = use_case.payload == "dlms" and use_case.protection["command"] and use_case.dlms
        for device in ("ESME", "CHF", "SAPC") if wanted else ():
            if device in use_case.devices and use_case.use_case not in NEEDS_MORE:
                yield device, use_case


def _processor(device: str) -> CommandProcessor:
    cells = cells_from_publics(device, PARTIES, {name: KEYS.public(name) for name in KEYS.names})
    if device == "CHF":
        return CommsHub(HubSettings(METER), KEYS, cells).processor
    if device == "SAPC":
        return Sapc(METER, KEYS, cells).processor
    return Esme(METER, KEYS, cells).processor


def _request(use_case: UseCase, sender: bytes) -> AccessRequest:
    specs, arguments = [], []
    for row in use_case.dlms:
        assert row.class_id is not None
        assert row.obis is not None
        assert row.index is not None
        selection = None
        if row.selector is not None:
            selection = axdr.structure(axdr.null(), axdr.u32(0), axdr.u32(0xFFFFFFFF), axdr.array())
        specs.append(Spec(OPS[row.op], row.class_id, row.obis, row.index, row.selector, selection))
        arguments.append(axdr.null() if row.op.startswith("get") else _argument(row, sender))
    return AccessRequest(0x20000001, b"", tuple(specs), tuple(arguments))


def _argument(row: DlmsRow, sender: bytes) -> Data:
    assert row.class_id is not None
    assert row.obis is not None
    if row.protects:
        return _protected(row, sender)
    own = ARGUMENTS.get((row.class_id, row.obis, row.index or 0)) if row.op == "action" or row.class_id == 111 else None
    if own is not None:
        return own
    value = data_types.sample(row_objects.type_of(row) if "..." in (row.data_type or "") else row.data_type or "any")
    if value.tag == Tag.OCTET_STRING and len(value.value) == 12:
        return NOW
    if (row.class_id, row.index) == (21, 2) and value.tag != Tag.ARRAY:
        return axdr.array(value)
    if row.data_type and "bit-string(32)" in row.data_type:
        return axdr.structure(
            *(axdr.bits(bytes(4), 32) if part.tag == Tag.BIT_STRING else part for part in value.value)
        )
    return value


def _protected(row: DlmsRow, sender: bytes) -> Data:
    reads = [
        axdr.structure(
            axdr.u16(part.class_id),
            axdr.octets(part.obis),
            axdr.i8(part.attribute),
            axdr.u16(0),
            axdr.structure(axdr.enum(0), axdr.null()),
        )
        for part in row.protects
    ]
    agreement = axdr.structure(axdr.enum(2), axdr.structure(axdr.octets(b"\x02"), axdr.octets(b"")))
    titles = axdr.octets(sender), axdr.octets(METER)
    sealing = axdr.structure(axdr.octets(b"\x04" + bytes(8)), *titles, axdr.octets(b""), agreement)
    return axdr.structure(axdr.array(*reads), axdr.array(axdr.structure(axdr.enum(2), sealing)))


def _whole(use_case: UseCase) -> bytes:
    role = next((r for r in use_case.device_roles if r in PARTIES), Role.SUPPLIER)
    if "CHF" in use_case.devices and Role.ACCESS_CONTROL_BROKER in (*use_case.device_roles, Role.ACCESS_CONTROL_BROKER):
        role = Role.ACCESS_CONTROL_BROKER
    sender = PARTIES[role]
    payload = cosem.encode(_request(use_case, sender))
    message = Message(CRA.COMMAND, 1, sender, METER, use_case.code, payload)
    if "sig" in (use_case.protection["command"] or ""):
        message = protection.sign(message, KEYS, signing_key(sender))
    z = KEYS.agree(agreement_key(BROKER), KEYS.public(agreement_key(METER)))
    return gbcs.encode(protection.add_mac(message, z))


@pytest.mark.parametrize(
    ("device", "use_case"), list(_commands()), ids=lambda v: v if isinstance(v, str) else str(v.use_case)
)
def test_every_use_case_is_carried_out(device: str, use_case: UseCase) -> None:
    outcome = _processor(device).receive(_whole(use_case), 0, CivilTime(START))
    assert outcome.refused is None
    assert outcome.response is not None
    answer: Any = cosem.decode(gbcs.decode(outcome.response).payload)
    assert isinstance(answer, AccessResponse)
    assert [result.code for result in answer.results] == [0] * len(use_case.dlms)
    for row, datum in zip(use_case.dlms, answer.data, strict=True):
        if row.op.startswith("get"):
            assert datum.tag != Tag.NULL, row
            assert data_types.matches(data_types.parse(row_objects.type_of(row)), datum), row
