"""The hub's own objects: Sub GHz configuration, channel and scans with their alerts, its logs, who it is."""

from __future__ import annotations

import random
from typing import Any

import pytest

from devices.machines.comms_hub import CommsHub, HubSettings
from devices.machines.core import Effect, PowerLost, PowerRestored, Received, Send, Started
from devices.machines.parts.civil_clock import CivilTime
from devices.model import data_types, use_cases
from devices.model.chf_objects import CHANNEL_LOG
from devices.model.credentials import cells_from_publics
from devices.model.roles import Role
from devices.trust import protection
from devices.trust.keystore import MemoryKeyStore, agreement_key, generate, signing_key
from devices.wire import axdr, cosem, gbcs
from devices.wire.axdr import Data
from devices.wire.cosem import AccessRequest, Op, Spec
from devices.wire.gbcs import CRA, Message
from tests.machines.meter_bench import notification_of, response_of

HUB, BROKER = bytes.fromhex("0013a20041abcdef"), bytes.fromhex("90b3d51f30000002")
_OPS = {"get": Op.GET, "set": Op.SET, "action": Op.ACTION, "get-selective": Op.GET_SELECTION}


def _keys() -> MemoryKeyStore:
    rng = random.Random(11)
    return MemoryKeyStore(
        {use(eui): generate(rng) for eui in (HUB, BROKER) for use in (signing_key, agreement_key)}, {}
    )


KEYS = _keys()
MASK = axdr.bits(bytes.fromhex("e0000006"), 32)
CONFIGURATION = axdr.structure(
    *(MASK,) * 4,
    *(axdr.u16(130), axdr.u16(220), axdr.u8(5), axdr.u16(7), axdr.u8(7), axdr.u8(12), axdr.u16(50), axdr.u8(3)),
    *(axdr.u16(10), axdr.u16(20), axdr.u16(30)),
)


class Bench:
    def __init__(self) -> None:
        publics = {name: KEYS.public(name) for name in KEYS.names}
        cells = cells_from_publics("CHF", {Role.ACCESS_CONTROL_BROKER: BROKER}, publics)
        self.hub = CommsHub(HubSettings(HUB), KEYS, cells)
        self.saved: dict[str, Any] = {}
        self.counter = 0
        self.give(Started())

    def give(self, event: Any) -> list[Message]:
        effects: list[Effect] = list(self.hub.handle(event, 0))
        self.saved |= {e.key: e.value for e in effects if type(e).__name__ == "Persist"}  # type: ignore[union-attr]
        return [gbcs.decode(e.octets) for e in effects if isinstance(e, Send) and e.port == "wan"]

    def command(self, name: str, *data: Data, selection: Data | None = None) -> list[Message]:
        use_case = use_cases.by_name(name)
        self.counter += 1
        specs = []
        for row in use_case.dlms:
            assert row.class_id is not None
            assert row.obis is not None
            assert row.index is not None
            chosen = (selection or axdr.null()) if row.selector is not None else None
            specs.append(Spec(_OPS[row.op], row.class_id, row.obis, row.index, row.selector, chosen))
        arguments = data or (axdr.null(),) * len(specs)
        payload = cosem.encode(AccessRequest(0x20000000 | self.counter, b"", tuple(specs), arguments))
        message = Message(CRA.COMMAND, self.counter, BROKER, HUB, use_case.code, payload)
        z = KEYS.agree(agreement_key(BROKER), KEYS.public(agreement_key(HUB)))
        return self.give(Received("wan", BROKER, gbcs.encode(protection.add_mac(message, z))))


def _range() -> Data:
    return axdr.structure(axdr.null(), axdr.u32(0), axdr.u32(0xFFFFFFFF), axdr.array())


def test_a_new_configuration_is_kept_and_told() -> None:
    bench = Bench()
    response, alert = bench.command("DBCH04", CONFIGURATION)
    assert [r.code for r in response_of(response).results] == [0]
    assert alert.message_code == 0x0113
    assert notification_of(alert) == (0x8F2A, (CONFIGURATION,))
    bench.give(PowerLost())
    bench.give(PowerRestored(bench.saved, 10))
    (read,) = bench.command("DBCH03")
    assert response_of(read).data == (CONFIGURATION,)


WRONG = [
    axdr.structure(*CONFIGURATION.value[:-1]),
    axdr.structure(axdr.bits(b"\x00\x00", 16), *CONFIGURATION.value[1:]),
    axdr.structure(*CONFIGURATION.value[:-1], axdr.u8(1)),
    axdr.u8(1),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_configuration_of_another_type_changes_nothing(wrong: Data) -> None:
    bench = Bench()
    (before,) = bench.command("DBCH03")
    (response,) = bench.command("DBCH04", wrong)
    assert response_of(response).results[0].code != 0
    (after,) = bench.command("DBCH03")
    assert response_of(after).data == response_of(before).data


def test_a_scan_is_assessed() -> None:
    response, alert = Bench().command("DBCH05", axdr.u8(0))
    assert [r.code for r in response_of(response).results] == [0]
    assert alert.message_code == 0x0112
    assert notification_of(alert) == (0x8F28, (axdr.structure(axdr.octets(b"\0"), axdr.octets(b"\0")),))


def test_a_change_of_channel_is_logged() -> None:
    bench = Bench()
    (first,) = bench.command("DBCH01")
    assert response_of(first).data == (axdr.bits(bytes.fromhex("e0000001"), 32),)
    bench.hub.functions.sub_ghz.changed(bytes.fromhex("e8000002"), 1, CivilTime(1_500_000_000 * 10**9))
    response, alert = bench.command("DBCH01")
    assert response_of(response).data == (axdr.bits(bytes.fromhex("e8000002"), 32),)
    assert (alert.message_code, notification_of(alert)[0]) == (0x0111, 0x8F26)
    (read,) = bench.command("DBCH02", selection=_range())
    (row,) = response_of(read).data[0].value.rows
    assert [part.value for part in row.value[1:]] == [0x8F26, bytes.fromhex("e800000201")]
    assert CHANNEL_LOG[0] == 7


def test_a_refused_command_is_in_the_security_log() -> None:
    bench = Bench()
    bench.command("DBCH05", axdr.u8(0))
    bench.counter = 0
    (refused,) = bench.command("DBCH05", axdr.u8(0))
    assert notification_of(refused)[0] == 0x8F60
    (read,) = bench.command("ECS35d", selection=_range())
    assert [row.value[1].value for row in response_of(read).data[0].value.rows] == [0x8F60]
    assert "log.security" in bench.saved


def test_a_command_that_changes_something_is_in_the_event_log() -> None:
    bench = Bench()
    bench.command("DBCH03")
    bench.command("DBCH05", axdr.u8(0))
    (read,) = bench.command("ECS35c", selection=_range())
    rows = [tuple(part.value for part in row.value[1:]) for row in response_of(read).data[0].value.rows]
    assert rows == [(0x8154, bytes.fromhex("010e")), (0x8F28, b"")]


def test_who_it_is() -> None:
    (identity,) = Bench().command("ECS26i")
    assert axdr.octets(HUB) in response_of(identity).data
    (firmware,) = Bench().command("ECS52")
    assert response_of(firmware).data == (axdr.octets(bytes.fromhex("00000001")),)


def test_a_device_of_the_log_has_a_row_of_the_published_type() -> None:
    bench = Bench()
    eui = axdr.octets(bytes.fromhex("00db0000000000aa"))
    added = axdr.structure(eui, axdr.enum(1), axdr.octets(bytes(16)), axdr.enum(0))
    response, told = bench.command("CCS01", added, axdr.u16(90), axdr.boolean(True))
    assert [r.code for r in response_of(response).results] == [0, 0, 0]
    assert told.message_code == 0x0018
    for name in ("CCS06", "CCS07"):
        (read,) = bench.command(name)
        for row, datum in zip(use_cases.by_name(name).dlms, response_of(read).data, strict=True):
            rows = datum.value if row.op == "get" else datum.value[2].value
            assert len(rows) == (0 if "Historic" in row.name else 1)
            if row.op == "get":
                assert data_types.matches(data_types.parse(row.data_type or ""), datum)
            else:
                assert all([part.tag for part in one.value] == [axdr.Tag.OCTET_STRING] * 2 for one in rows)
