"""The hub's own objects: Sub GHz configuration, channel and scans with their alerts, its logs, who it is."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.comms_hub import CommsHub, HubSettings
from devices.machines.core import (
    AdmitDevice,
    Effect,
    ForgetDevice,
    PeerJoined,
    PeerLeft,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Send,
    SetTimer,
    Started,
    TimerFired,
)
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.duty_cycle import DutyCycle, DutyCycleSettings
from devices.machines.parts.sub_ghz import SubGhzSettings
from devices.model import data_types, use_cases
from devices.model.chf_objects import CHANNEL_LOG
from devices.model.credentials import CredentialCells, cells_from_publics
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
        self.hub = self.make(KEYS, cells)
        self.saved: dict[str, Any] = {}
        self.counter = 0
        self.give(Started())

    def make(self, keys: MemoryKeyStore, cells: CredentialCells) -> CommsHub:
        return CommsHub(HubSettings(HUB), keys, cells)

    def give(self, event: Any) -> list[Message]:
        effects: list[Effect] = list(self.hub.handle(event, 0))
        self.saved |= {e.key: e.value for e in effects if isinstance(e, Persist)}
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


# ------------------------------------------------------------------------------------------------ devices on this radio

METER, OTHER = bytes.fromhex("00db0000000000a1"), bytes.fromhex("00db0000000000a2")
MINUTE = 60_000_000_000
EVERY_DEVICE = SubGhzSettings(devices=frozenset((METER, OTHER)), capacity=1)


class Dual(Bench):
    """A hub with Sub GHz devices in its log; frames of the meter come as often as the test wants."""

    def __init__(self, settings: SubGhzSettings = EVERY_DEVICE) -> None:
        self.settings, self.now, self.timers, self.gone = settings, 0, dict[str, int](), list[bytes]()
        self.admitted: list[bytes] = []
        super().__init__()
        for device in (METER, OTHER):
            added = axdr.structure(axdr.octets(device), axdr.enum(0), axdr.octets(bytes(16)), axdr.enum(0))
            self.command("CCS01", added, axdr.u16(90), axdr.boolean(True))

    def make(self, keys: MemoryKeyStore, cells: CredentialCells) -> CommsHub:
        return CommsHub(HubSettings(HUB, sub_ghz=self.settings), keys, cells)

    def give(self, event: Any) -> list[Message]:
        effects = list(self.hub.handle(event, self.now))
        for effect in effects:
            match effect:
                case Persist(key, value):
                    self.saved[key] = value
                case SetTimer(name, at):
                    self.timers[name] = at
                case ForgetDevice(_, peer):
                    self.gone.append(peer)
                case AdmitDevice(_, peer, _):
                    self.admitted.append(peer)
        return [gbcs.decode(e.octets) for e in effects if isinstance(e, Send) and e.port == "wan"]

    def frames(self, count: int) -> list[Message]:
        """So many frames of the meter, of 100 octets each and of a cluster that means nothing to the hub."""
        return [told for _ in range(count) for told in self.give(Received("han", METER, bytes(100), 0x0B05))]

    def for_meter(self) -> list[Message]:
        """A command for the meter from the WAN; what the hub tells."""
        message = Message(CRA.COMMAND, 77, BROKER, METER, 0x0080, b"")
        return self.give(Received("wan", BROKER, gbcs.encode(message)))


def test_a_device_too_many_is_refused_and_told() -> None:
    bench = Dual()
    bench.give(PeerJoined("han", METER))
    assert bench.gone == []
    (alert,) = bench.give(PeerJoined("han", OTHER))
    assert (alert.message_code, notification_of(alert)) == (0x0115, (0x8F2D, (axdr.octets(OTHER),)))
    assert bench.gone == [OTHER]
    joined = {entry["eui"]: entry["joined"] for entry in bench.saved["device_log"]["entries"]}
    assert joined == {METER.hex(): True, OTHER.hex(): False}
    assert [told.message_code for told in bench.give(PeerJoined("han", METER))] == []  # one that is there stays


def test_a_device_that_takes_too_much_of_the_air_is_suspended_for_a_while() -> None:
    small = DutyCycleSettings(normal_limited=1, limited_critical=2, regulated=3)  # of 10,000: 0.36 s of an hour
    bench = Dual(replace(EVERY_DEVICE, duty_cycle=small))
    bench.give(PeerJoined("han", METER))
    frame_ns = (100 + small.overhead) * 80_000
    enough = -(-360_000_000 // frame_ns)
    assert bench.frames(enough - 2) == []
    (alert,) = bench.frames(2)
    assert (alert.message_code, notification_of(alert)) == (0x0110, (0x8F20, (axdr.octets(METER),)))

    (discarded,) = bench.for_meter()
    identity = b"\x01" + (77).to_bytes(8, "big") + BROKER + METER
    assert (discarded.message_code, notification_of(discarded)) == (0x0114, (0x8F2C, (axdr.octets(identity),)))

    critical = bench.frames(2 * enough)
    assert [notification_of(told)[0] for told in critical] == [0x8F22, 0x8F24]
    assert {told.message_code for told in critical} == {0x1001}

    bench.now = bench.timers["hub.sub_ghz"]
    assert bench.now == 60 * MINUTE
    below = bench.give(TimerFired("hub.sub_ghz"))
    assert [notification_of(told)[0] for told in below] == [0x8F25, 0x8F23, 0x8F21]
    assert bench.for_meter() == []
    (log,) = bench.command("ECS35c", selection=_range())
    codes = [row.value[1].value for row in response_of(log).data[0].value.rows]
    assert [code for code in codes if code != 0x8154] == [0x8F20, 0x8F2C, 0x8F22, 0x8F24, 0x8F25, 0x8F23, 0x8F21]


def test_the_thresholds_are_those_of_the_configuration() -> None:
    bench = Dual()
    assert bench.hub.functions.sub_ghz.thresholds == (130, 220, 280)
    changed = axdr.structure(*CONFIGURATION.value[:4], axdr.u16(7), axdr.u16(9), *CONFIGURATION.value[6:])
    bench.command("DBCH04", changed)
    assert bench.hub.functions.sub_ghz.thresholds == (7, 9, 280)


@pytest.mark.parametrize("left", [True, False], ids=["it left", "it was taken out of the log"])
def test_room_that_becomes_free_is_offered_to_who_was_refused(left: bool) -> None:
    bench = Dual()
    bench.give(PeerJoined("han", METER))
    bench.give(PeerJoined("han", OTHER))
    bench.admitted.clear()
    if left:
        bench.give(PeerLeft("han", METER))
    else:
        bench.command("CCS02", axdr.octets(METER))
    assert OTHER in bench.admitted
    bench.gone.clear()
    bench.give(PeerJoined("han", OTHER))
    assert bench.gone == []


def test_a_suspension_ends_whatever_the_thresholds_are() -> None:
    bench = Dual()
    bench.give(PeerJoined("han", METER))
    none_at_all = axdr.structure(*CONFIGURATION.value[:4], axdr.u16(0), axdr.u16(9), *CONFIGURATION.value[6:])
    _, *told = bench.command("DBCH04", none_at_all)
    assert [notification_of(one)[0] for one in told] == [0x8F2A, 0x8F20]  # a tunnel was asked for on the air
    bench.now = bench.timers["hub.sub_ghz"]
    assert [notification_of(told)[0] for told in bench.give(TimerFired("hub.sub_ghz"))] == [0x8F21]
    assert bench.for_meter() == []


def test_a_suspension_ends_with_other_thresholds() -> None:
    bench = Dual()
    bench.give(PeerJoined("han", METER))
    strict = axdr.structure(*CONFIGURATION.value[:4], axdr.u16(0), axdr.u16(9), *CONFIGURATION.value[6:])
    bench.command("DBCH04", strict)
    bench.frames(1)
    _, *told = bench.command("DBCH04", CONFIGURATION)
    assert [notification_of(one)[0] for one in told] == [0x8F2A, 0x8F21]
    assert bench.for_meter() == []


def test_a_threshold_that_is_not_reached_hides_those_above_it() -> None:
    duty = DutyCycle()
    assert [step.code for step in duty.took(METER, 100_000, 0, (900, 1, 1))] == []
    assert [step.code for step in duty.took(METER, 100_000, 0, (1, 900, 1))] == [0x8F20]


def test_devices_on_another_radio_are_not_counted() -> None:
    bench = Dual(SubGhzSettings(capacity=0, duty_cycle=DutyCycleSettings(normal_limited=0)))
    assert bench.give(PeerJoined("han", METER)) != []  # CS14, as ever
    assert bench.frames(3) == []
    assert bench.gone == []


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 2000)), max_size=40))
def test_a_share_is_what_the_last_hour_saw(frames: list[tuple[int, int]]) -> None:
    """Against a plain sum over all frames whose minute began less than an hour ago."""
    duty, now, sent = DutyCycle(), 0, list[tuple[int, int]]()
    for minutes, octets in frames:
        now += minutes * MINUTE
        duty.took(METER, octets, now, (130, 220, 280))
        sent.append((now, (octets + duty.settings.overhead) * 80_000))
        expected = sum(taken for at, taken in sent if at + 60 * MINUTE > now)
        assert duty.share(METER, now) == expected / (60 * MINUTE)
        assert duty.suspended(METER) == (expected >= 0.013 * 60 * MINUTE)
        assert (duty.next_due is not None) == duty.suspended(METER)
