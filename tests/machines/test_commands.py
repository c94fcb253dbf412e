"""Commands of remote parties: what is executed, what is refused, and that a refusal changes nothing but the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.machines.core import Persist, Send
from devices.machines.esme import Esme, EsmeSettings
from devices.machines.parts.commands import CHECKS, CommandSettings
from devices.machines.parts.replay import ReplaySettings
from devices.model import use_cases
from devices.model.roles import Role
from devices.trust.keystore import MemoryKeyStore
from devices.wire import axdr, cosem, gbcs
from devices.wire.cosem import AccessRequest, Op, Spec
from devices.wire.gbcs import CRA, Message
from tests.examples import examples
from tests.machines.meter_bench import (
    BROKER,
    COS,
    KEYS,
    METER,
    OPERATOR,
    OTHER_METER,
    SECOND,
    STRANGER,
    SUPPLIER,
    Bench,
    cells,
    command,
    notification_of,
    protected_well,
    response_of,
    script,
)


def test_a_critical_command_is_answered_with_a_signature() -> None:
    bench = Bench()
    (response,) = bench.line(script(52, 1000))
    assert (response.cra, response.counter) == (CRA.RESPONSE, 1000)
    assert (response.originator, response.recipient) == (METER, SUPPLIER)
    assert len(response.signature or b"") == 64
    assert protected_well(response)
    assert [result.code for result in response_of(response).results] == [0]
    assert response_of(response).invoke == 0x20000000 | 1000


def test_a_read_is_answered_with_a_mac_for_whoever_asked() -> None:
    bench = Bench()
    for asker in (SUPPLIER, OPERATOR, BROKER):
        (response,) = bench.line(command("ECS45", 7, originator=asker))
        assert response.signature == b""
        assert protected_well(response, recipient=asker)
        assert response_of(response).data == (axdr.enum(1),)


def test_a_supplementary_party_is_mirrored() -> None:
    bench = Bench()
    asked = command("ECS45", 7, originator=BROKER, supplementary_party=STRANGER, supplementary_counter=99)
    (response,) = bench.line(asked)
    assert (response.supplementary_party, response.supplementary_counter) == (STRANGER, 99)
    assert response.supplementary_originator_counter is None


def test_time_in_the_response_where_the_use_case_says_so() -> None:
    bench = Bench()
    (timed,) = bench.line(command("ECS17a", 7, originator=OPERATOR))
    (untimed,) = bench.line(command("ECS52", 8))
    assert timed.date_time.hex() == "07df0b07ff000001008000ff"
    assert untimed.date_time == b""


def test_the_counter_is_kept_before_anything_else_is_done() -> None:
    bench = Bench()
    before = len(bench.effects)
    bench.line(script(52, 1000))
    steps = bench.effects[before:]
    persisted = [effect.key for effect in steps if isinstance(effect, Persist)]
    assert persisted[:2] == ["floors", "supply"]
    answered = next(i for i, effect in enumerate(steps) if isinstance(effect, Send))
    assert max(i for i, effect in enumerate(steps) if isinstance(effect, Persist)) < answered


def _flip(octets: bytes, index: int) -> bytes:
    changed = bytearray(octets)
    changed[index] ^= 1
    return bytes(changed)


def _with_script_under_a_read() -> bytes:
    row = use_cases.by_name("ECS42").dlms[0]
    spec = Spec(Op.ACTION, row.class_id or 0, row.obis or b"", 1)
    return cosem.encode(AccessRequest(0x200007D0, b"", (spec,), (axdr.u16(51),)))


def _response() -> bytes:
    return command("ECS45", 2000, cra=CRA.RESPONSE)


def _strip(octets: bytes, **changes: Any) -> bytes:
    return gbcs.encode(replace(gbcs.decode(octets), **changes))


BAD: dict[str, tuple[Callable[[], bytes], str, int | None]] = {
    "nothing": (lambda: b"", "decode", 0x8F1E),
    "rubbish": (lambda: bytes(range(90)), "decode", 0x8F1E),
    "cut short": (lambda: script(51, 2000)[:-1], "decode", 0x8F1E),
    "for another meter": (lambda: script(51, 2000, recipient=OTHER_METER), "addressee", None),
    "a response": (_response, "command", 0x8F1E),
    "a code of another device": (
        lambda: command("CCS02", 2000, axdr.octets(METER), originator=BROKER),
        "supported",
        0x8F85,
    ),
    "a code that nobody knows": (lambda: command("ECS45", 2000, message_code=0x7777), "supported", 0x8F85),
    "an alert code": (lambda: command("ECS45", 2000, message_code=0x0067), "supported", 0x8F85),
    "from a stranger": (lambda: script(51, 2000, originator=STRANGER), "role", 0x8F30),
    "from the network operator": (lambda: script(51, 2000, originator=OPERATOR), "role", 0x8F30),
    "from the change-of-supplier party": (lambda: script(51, 2000, originator=COS), "role", 0x8F30),
    "a read by a stranger": (lambda: command("ECS45", 2000, originator=STRANGER), "role", 0x8F30),
    "unsigned": (lambda: _strip(script(51, 2000), signature=b""), "form", 0x8F1E),
    "without MAC": (lambda: _strip(script(51, 2000), mac=None), "form", 0x8F1E),
    "a signed read": (lambda: _strip(command("ECS45", 2000), signature=bytes(64)), "form", 0x8F1E),
    "a pre-command": (lambda: _strip(script(51, 2000), mac=None, signature=None), "form", 0x8F1E),
    "signed by another": (lambda: script(51, 2000, signer=OPERATOR), "signature", 0x8F3D),
    "MACed by another": (lambda: script(51, 2000, broker=SUPPLIER), "mac", 0x8F3D),
    "MAC altered": (lambda: _flip(script(51, 2000), -1), "mac", 0x8F3D),
    "payload altered": (lambda: _flip(command("ECS45", 2000), -15), "mac", 0x8F3D),
    "the switch under the code of a read": (
        lambda: command("ECS45", 2000, payload=_with_script_under_a_read()),
        "content",
        0x8F1E,
    ),
    "no access-request": (lambda: command("ECS45", 2000, payload=b"\xd9"), "content", 0x8F1E),
    "an empty payload": (lambda: command("ECS45", 2000, payload=b""), "content", 0x8F1E),
    "the same again": (lambda: script(51, 1000), "replay", 0x8F60),
    "an older one": (lambda: script(54, 999), "replay", 0x8F60),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_message_changes_nothing_but_the_security_log(name: str) -> None:
    make, check, alert = BAD[name]
    bench = Bench()
    bench.line(script(52, 1000))
    bench.advance(SECOND)
    before, pins, saved = bench.state(), dict(bench.pins), dict(bench.saved)
    sent = bench.line(make())
    refused = bench.kinds("refused")[-1].fields
    assert refused["check"] == check
    assert refused["alert"] == (None if alert is None else f"0x{alert:04X}")
    after = bench.state()
    logged = after["logs"].pop("security")
    told = after.pop("queue")
    assert before["logs"].pop("security") == []
    assert before.pop("queue") == []
    assert after == before
    assert bench.pins == pins
    assert [entry[1] for entry in logged] == [0x8F53 if alert is None else alert]
    changed = {key for key, value in bench.saved.items() if saved.get(key) != value}
    assert changed == ({"log.security"} if alert is None else {"log.security", "counter", "queue"})
    assert sent == []
    assert len(told) == (0 if alert is None else 1)
    for octets in told:
        message = gbcs.decode(bytes.fromhex(octets))
        assert notification_of(message)[0] == alert
        assert protected_well(message)


def test_every_check_that_refuses_is_tried() -> None:
    assert {check for _, check, _ in BAD.values()} == {"decode", *CHECKS}


@settings(max_examples=examples(30), deadline=None)
@given(st.data())
def test_no_single_bit_can_be_changed(data: st.DataObject) -> None:
    good = script(51, 1000)
    bench = Bench(EsmeSettings(commands=CommandSettings(protection_alert=None, malformed_alert=None)))
    bit = data.draw(st.integers(0, len(good) * 8 - 1))
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    bench.line(bytes(bad))
    assert bench.state()["floors"] == {}
    assert bench.kinds("executed") == []


@settings(max_examples=examples(60), deadline=None)
@given(st.binary(max_size=300))
def test_octets_of_any_kind_are_refused_with_a_reason(octets: bytes) -> None:
    bench = Bench()
    assert bench.line(octets) == []
    assert [record.fields["check"] for record in bench.kinds("refused")] == ["decode"]


SIMPLE = st.one_of(
    st.just(axdr.null()),
    st.integers(0, 255).map(axdr.u8),
    st.integers(0, 0xFFFF).map(axdr.u16),
    st.integers(0, 0xFFFFFFFF).map(axdr.u32),
    st.integers(-0x80000000, 0x7FFFFFFF).map(axdr.i32),
    st.integers(-128, 127).map(axdr.i8),
    st.integers(0, 255).map(axdr.enum),
    st.booleans().map(axdr.boolean),
    st.binary(max_size=13).map(axdr.octets),
)
ANY_DATA = st.recursive(
    SIMPLE,
    lambda inner: (
        st.lists(inner, max_size=5).map(lambda parts: axdr.structure(*parts))
        | st.lists(inner, max_size=3).map(lambda parts: axdr.array(*parts))
    ),
    max_leaves=12,
)
TAKING = sorted(
    str(use_case.use_case)
    for use_case in use_cases.all_use_cases()
    if "ESME" in use_case.devices
    and use_case.payload == "dlms"
    and Role.SUPPLIER in use_case.device_roles
    and any(row.op in ("set", "action") for row in use_case.dlms)
)


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from(["ECS70", "ECS42", "ECS17b", "ECS04a", "ECS07", "ECS10", "ECS15a", *TAKING]), st.data())
def test_no_argument_makes_it_stumble(name: str, data: st.DataObject) -> None:
    """Rightly signed and MACed, with any data at all: each access is answered with a code, and the meter lives on."""
    bench = Bench()
    rows = use_cases.by_name(name).dlms
    arguments = [data.draw(ANY_DATA) for _ in rows]
    (response, *_) = bench.line(command(name, 5, *arguments))
    assert len(response_of(response).results) == len(rows)
    assert bench.line(command("ECS45", 6))


def test_reads_take_any_counter_and_leave_the_floor() -> None:
    bench = Bench()
    bench.line(script(52, 1000))
    for counter in (5, 5, 4, 1000):
        assert len(bench.line(command("ECS45", counter))) == 1
    assert bench.state()["floors"] == {f"{SUPPLIER.hex()}/supplier": 1000}


def test_reads_can_be_held_against_the_floor_too() -> None:
    strict = CommandSettings(replay=ReplaySettings(reads_take_any=False))
    bench = Bench(EsmeSettings(commands=strict))
    assert len(bench.line(command("ECS45", 5))) == 1
    assert bench.line(command("ECS45", 5)) == []


def test_floors_of_manufacture() -> None:
    delivered = CommandSettings(replay=ReplaySettings(initial={Role.SUPPLIER: 500}))
    bench = Bench(EsmeSettings(commands=delivered))
    assert bench.line(script(52, 500)) == []
    assert len(bench.line(script(52, 501))) == 1


def test_the_same_command_by_two_ways_is_executed_once() -> None:
    bench = Bench()
    bench.line(script(52, 10))
    bench.line(script(52, 10))
    assert len(bench.kinds("executed")) == 1
    assert bench.kinds("refused")[-1].fields["check"] == "replay"
    assert [entry[1:] for entry in bench.state()["logs"]["event"]] == [[0x8154, "0050"]]


def test_settings_name_only_checks_that_can_be_skipped() -> None:
    for name in ("supported", "no-such-check"):
        with pytest.raises(ValueError, match="can't be skipped"):
            Bench(EsmeSettings(commands=CommandSettings(skipped_checks=frozenset({name}))))


def test_alerts_can_be_switched_off() -> None:
    silent = CommandSettings(replay_alert=None)
    bench = Bench(EsmeSettings(commands=silent))
    bench.line(script(52, 10))
    bench.line(script(52, 10))
    assert bench.state()["queue"] == []
    assert bench.kinds("alert") == []


ROLES = {
    Role.SUPPLIER: SUPPLIER,
    Role.NETWORK_OPERATOR: OPERATOR,
    Role.ACCESS_CONTROL_BROKER: BROKER,
    Role.TRANSITIONAL_COS: COS,
}
MATRIX = [
    (use_case.use_case, role)
    for use_case in use_cases.all_use_cases()
    if "ESME" in use_case.devices and use_case.payload == "dlms" and use_case.device_roles and use_case.use_case
    for role in ROLES
]


def test_the_role_matrix_of_every_dlms_use_case() -> None:
    """Each command by each role: refused for its role exactly where the table says so."""
    bench = Bench()
    for name, role in MATRIX:
        before = len(bench.records)
        bench.line(command(name, 5, originator=ROLES[role]))
        judged = [r.fields.get("check") for r in bench.records[before:] if r.kind in ("refused", "executed")]
        allowed = role in use_cases.by_name(name).device_roles
        assert (judged != ["role"]) == allowed, (name, role)
    assert len(MATRIX) > 300


def test_after_a_failed_access_the_others_are_not_tried() -> None:
    bench = Bench()
    end = bytes.fromhex("07df0101ff000000008000ff")
    (response,) = bench.line(
        command(
            "ECS70",
            10,
            axdr.enum(5),
            axdr.structure(*(axdr.octets(o) for o in (bytes.fromhex("ffffffffffffffffff8000ff"), end, end))),
            axdr.i8(0),
        )
    )
    assert [(r.op, r.code) for r in response_of(response).results] == [(2, 0), (3, 0), (3, 250), (1, 250), (1, 250)]
    assert [entry[1:] for entry in bench.state()["logs"]["event"]] == [[0x8155, "0062"]]


def test_a_message_without_our_own_key_is_executed_and_says_why_it_is_not_answered() -> None:
    keyless = MemoryKeyStore({}, {name: KEYS.public(name) for name in KEYS.names})
    bench = Bench(meter=Esme(METER, _Half(keyless, KEYS), cells()))
    assert bench.line(command("ECS45", 1)) != []
    assert bench.line(script(52, 2)) == []
    assert bench.supply() == "disabled"
    assert "private key" in bench.kinds("response.unsendable")[0].fields["reason"]


class _Half:
    """A key store that can agree keys but not sign."""

    def __init__(self, without: MemoryKeyStore, agreeing: MemoryKeyStore) -> None:
        self.sign, self.public, self.agree = without.sign, agreeing.public, agreeing.agree


def test_records_are_plain() -> None:
    bench = Bench()
    bench.line(script(52, 10))
    assert bench.records
    assert all(json.loads(json.dumps(record.fields)) == record.fields for record in bench.records)
    assert isinstance(gbcs.decode(bench.sent[0]), Message)
