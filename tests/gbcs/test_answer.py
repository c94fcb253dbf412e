"""Two responses held against each other: what counts as the same shape, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from devices.machines.parts.building import arguments_of
from devices.model import use_cases
from devices.trust.protection import add_mac, seal, sealing_parties, sign
from devices.wire import asn1_typed, axdr, cosem, gbcs, gbz, gbz_typed, payload, zcl
from devices.wire.asn1_typed import CredentialsReport, HeldCredential, KeyUsage, ResponseCode, RoleCredentials
from devices.wire.axdr import CompactArray, Data, Tag, TypeDescription
from devices.wire.gbcs import Message
from rig.gbcs.answer import OWN_STATE, differing, mismatch, presupposed
from rig.gbcs.reading import Keys, Reading, read
from rig.gbcs.rebuild import difference
from tests import corpus_made
from tests.corpus_made import METER, STORE, SUPPLIER

KEYS = Keys(STORE, corpus_made.BROKER)


def reading(body: bytes, code: int = 0x0048, **changes: Any) -> Reading:
    """A response of the meter to the supplier with that payload, as read."""
    message = replace(Message(2, 1000, METER, SUPPLIER, code, body), **changes)
    return read(gbcs.encode(add_mac(message, corpus_made.z(METER, SUPPLIER))), KEYS)


# ----------------------------------------------------------------------------------------------------------------- DLMS


def dlms(*data: Data, codes: tuple[int, ...] | None = None, invoke: int = 1) -> Reading:
    results = tuple(cosem.Result(1, code) for code in codes or (0,) * len(data))
    return reading(cosem.encode(cosem.AccessResponse(invoke, b"", (), data, results)))


ROW = TypeDescription(Tag.STRUCTURE, (TypeDescription(Tag.LONG_UNSIGNED), TypeDescription(Tag.ENUM)))


def row(number: int) -> Data:
    return axdr.structure(axdr.u16(number), axdr.enum(1))


COMPACT = Data(Tag.COMPACT_ARRAY, CompactArray(ROW, (row(1), row(2))))


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (dlms(axdr.u16(1)), dlms(axdr.u16(9))),
        (dlms(axdr.octets(b"ab")), dlms(axdr.octets(b""))),
        (dlms(axdr.array(row(1))), dlms(axdr.array(row(1), row(2), row(3)))),
        (dlms(axdr.array()), dlms(axdr.array())),
        (dlms(axdr.array(row(1))), dlms(COMPACT)),
        (dlms(COMPACT), dlms(axdr.array(row(5), row(6), row(7)))),
        (dlms(axdr.null(), codes=(3,)), dlms(axdr.null(), codes=(3,))),
    ],
)
def test_the_same_shape(got: Reading, wanted: Reading) -> None:
    assert mismatch(got, wanted) == ""
    assert mismatch(wanted, got) == ""


@pytest.mark.parametrize(
    ("got", "wanted", "reason"),
    [
        (dlms(axdr.u16(1)), dlms(axdr.u16(1), invoke=7), "expected 7, got 1"),
        (dlms(axdr.u16(1)), dlms(axdr.u32(1)), "expected double_long_unsigned, got long_unsigned"),
        (dlms(axdr.u16(1)), dlms(axdr.u16(1), axdr.u16(1)), "2 elements expected, got 1"),
        (dlms(axdr.u16(1), codes=(0,)), dlms(axdr.u16(1), codes=(3,)), "has another shape"),
        (dlms(axdr.array(row(1))), dlms(axdr.array(axdr.u16(1))), "has another shape"),
        (dlms(axdr.structure(row(1))), dlms(axdr.array(row(1))), "has another shape"),
        (dlms(COMPACT), dlms(axdr.array(axdr.structure(axdr.u16(1), axdr.u16(1)))), "has another shape"),
    ],
)
def test_another_shape(got: Reading, wanted: Reading, reason: str) -> None:
    assert reason in mismatch(got, wanted)
    assert mismatch(wanted, got)


def test_an_empty_array_is_no_answer_where_something_was_published() -> None:
    assert mismatch(dlms(axdr.array(row(1))), dlms(axdr.array())) == ""
    assert "has another shape" in mismatch(dlms(axdr.array()), dlms(axdr.array(row(1))))


ENVELOPES: list[tuple[dict[str, Any], str]] = [
    ({"originator": SUPPLIER, "recipient": METER}, "originator"),
    ({"counter": 1001}, "counter"),
    ({"supplementary_party": SUPPLIER, "supplementary_counter": 2}, "supplementary counter"),
    ({"supplementary_party": METER, "supplementary_counter": 1}, "supplementary party"),
]


@pytest.mark.parametrize(("changes", "reason"), ENVELOPES)
def test_parties_and_counters_must_agree(changes: dict[str, Any], reason: str) -> None:
    party = {"supplementary_party": SUPPLIER, "supplementary_counter": 1}
    good = reading(b"\x02\x01\x00", 0x000B, **party)
    assert mismatch(reading(b"\x02\x01\x00", 0x000B, **party), good) == ""
    assert mismatch(reading(b"\x02\x01\x00", 0x000B, **{**party, **changes}), good).startswith(reason)


def test_the_envelope_must_agree() -> None:
    good = reading(b"\x02\x01\x00", 0x000B)
    assert mismatch(reading(b"\x02\x01\x00", 0x000D), good) == "message code: expected 0x000B, got 0x000D"
    assert "time in the header" in mismatch(reading(b"\x02\x01\x00", 0x000B, date_time=bytes(12)), good)
    signed = sign(good.message._replace(mac=None), STORE, f"{METER.hex()}-ds")
    assert mismatch(read(gbcs.encode(signed), KEYS), good) == "signature: expected False, got True"
    party = reading(b"\x02\x01\x00", 0x000B, supplementary_party=SUPPLIER, supplementary_counter=1)
    assert "supplementary party" in mismatch(party, good)
    assert "family" in mismatch(reading(b"\x0f\x20\x00\x00\x01\x00\x00", 0x000B), good)


def sealed(plain: Data, code: int) -> Reading:
    parameters = cosem.decode(corpus_made.daily_log().payload).data[0].value[0]  # type: ignore[union-attr]
    bare = Message(2, 1000, METER, SUPPLIER, code, b"")
    blob = seal(axdr.encode(plain), corpus_made.z(METER, SUPPLIER), *sealing_parties(bare))
    datum = axdr.structure(parameters, axdr.octets(blob))
    return reading(cosem.encode(cosem.AccessResponse(1, b"", (), (datum,), (cosem.Result(3, 0),))), code)


ECS66 = 0x0060


def test_encrypted_parts_are_held_against_each_other_as_decrypted() -> None:
    assert mismatch(sealed(axdr.u32(1), ECS66), sealed(axdr.u32(2), ECS66)) == ""
    assert "encrypted datum" in mismatch(sealed(axdr.u32(1), ECS66), sealed(axdr.u16(2), ECS66))


# ------------------------------------------------------------------------------------------------------------------ GBZ


def gas(*components: tuple[int, int, int, bytes], encrypted: bool = False) -> Reading:
    """A response of (cluster, frame control, command, payload) each."""
    bare = Message(2, 1000, METER, SUPPLIER, 0x00B8, b"")
    made = []
    for at, (cluster, control, number, octets) in enumerate(components):
        header = gbz.AdditionalHeader(0, at) if encrypted else None
        if encrypted:
            octets = seal(octets, corpus_made.z(METER, SUPPLIER), *sealing_parties(bare))
        made.append(gbz.Component(cluster, zcl.Frame(control, at, number, octets), None, header))
    return reading(gbz.encode(gbz.Payload(tuple(made))), 0x00B8)


READ = (0x0702, 0x18, 1, bytes.fromhex("000086 010000 2305000000".replace(" ", "")))


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize(
    ("octets", "same"),
    [
        ("000086 010000 2309000000", True),
        ("000000 2001 010000 2305000000", False),  # a status
        ("000086 010000 2205000000", False),  # a type
        ("000086 020000 2305000000", False),  # an attribute
        ("000086", False),
    ],
)
def test_attributes_must_have_the_same_statuses_and_types(octets: str, same: bool, encrypted: bool) -> None:
    body = bytes.fromhex(octets.replace(" ", ""))
    if "2205" in octets:
        body = body[:-1]
    other = gas((*READ[:3], body), encrypted=encrypted)
    assert (mismatch(other, gas(READ, encrypted=encrypted)) == "") == same


@pytest.mark.parametrize(
    "other",
    [
        (READ, READ),
        ((0x0705, *READ[1:]),),
        ((0x0702, 0x18, 0x0B, b"\x00\x86"),),
        ((0x0702, 0x10, 1, READ[3]),),
    ],
)
def test_components_must_be_the_same(other: tuple[Any, ...]) -> None:
    assert mismatch(gas(*other), gas(READ))
    assert mismatch(gas(READ), gas(*other))


def test_a_default_response_must_have_the_same_status() -> None:
    def answer(status: int) -> Reading:
        return gas((0x0705, 0x18, 0x0B, bytes((5, status))))

    assert mismatch(answer(0), answer(0)) == ""
    assert "expected 0, got 139" in mismatch(answer(0x8B), answer(0))


def test_the_fields_of_a_command_are_compared_by_name_and_type() -> None:
    def log(amounts: tuple[int, ...]) -> Reading:
        records = b"".join(
            bytes.fromhex("00000000") + amount.to_bytes(4, "little") + b"\x02" + bytes(4) for amount in amounts
        )
        return gas((0x0705, 0x19, 0x06, b"\x00\x01" + records))  # Publish Debt Log

    one, three = log((5,)), log((5, 6, 7))
    assert isinstance(payload.typed(one.message), gbz_typed.Payload)
    assert mismatch(one, three) == ""


# ---------------------------------------------------------------------------------------------------------------- ASN.1


def report(*roles: RoleCredentials) -> Reading:
    return reading(asn1_typed.write(CredentialsReport(roles)), 0x0008)


def held(role: int, count: int) -> RoleCredentials:
    credential = HeldCredential(KeyUsage.DIGITAL_SIGNATURE, None, bytes(8), bytes(8))
    return RoleCredentials(role, 0, 5, (credential,) * count)


@pytest.mark.parametrize(
    ("got", "wanted", "same"),
    [
        (report(held(2, 1)), report(held(3, 3)), True),
        (report(held(2, 1), held(3, 1)), report(held(2, 1)), True),
        (report(RoleCredentials(2, 25)), report(held(2, 1)), False),
        (report(RoleCredentials(2, 25)), report(RoleCredentials(2, 127)), False),
        (reading(asn1_typed.write(ResponseCode(0)), 0x000B), reading(asn1_typed.write(ResponseCode(0)), 0x000B), True),
        (reading(asn1_typed.write(ResponseCode(1)), 0x000B), reading(asn1_typed.write(ResponseCode(0)), 0x000B), False),
    ],
)
def test_asn1_objects_are_compared_by_fields_and_statuses(got: Reading, wanted: Reading, same: bool) -> None:
    assert (mismatch(got, wanted) == "") == same


# --------------------------------------------------------------------------------------------------------------- values


def debts(amount: int, control: int) -> Reading:
    return gas((0x0705, control, 0x06, b"\x00\x01" + bytes(4) + amount.to_bytes(4, "little") + b"\x02" + bytes(4)))


VALUES: list[tuple[Reading, Reading, bool]] = [
    (dlms(axdr.u16(1)), dlms(axdr.u16(1)), True),
    (dlms(axdr.u16(1)), dlms(axdr.u16(9)), False),
    (dlms(axdr.null(), axdr.u16(1)), dlms(axdr.null(), axdr.u16(2)), False),
    (dlms(axdr.array(row(1))), dlms(axdr.array(row(1), row(1))), False),
    (sealed(axdr.u32(1), ECS66), sealed(axdr.u32(1), ECS66), True),
    (sealed(axdr.u32(1), ECS66), sealed(axdr.u32(2), ECS66), False),
    (gas(READ), gas(READ), True),
    (gas(READ), gas((*READ[:3], bytes.fromhex("000086 010000 2306000000"))), False),
    (debts(5, 0x19), debts(5, 0x09), True),  # whether a default response is wanted is no value
    (debts(5, 0x19), debts(6, 0x19), False),
    (gas(READ, encrypted=True), gas((*READ[:3], bytes.fromhex("000086 010000 2306000000")), encrypted=True), False),
    (report(held(2, 1)), report(held(2, 1)), True),
    (report(held(2, 1)), report(held(3, 1)), False),
    (reading(asn1_typed.write(ResponseCode(0)), 0x000B), reading(asn1_typed.write(ResponseCode(0)), 0x000B), True),
]


@pytest.mark.parametrize(("got", "wanted", "same"), VALUES)
def test_values_are_compared_down_to_what_was_encrypted(got: Reading, wanted: Reading, same: bool) -> None:
    assert (differing(got, wanted) == "") is same
    assert (differing(wanted, got) == "") is same


def test_another_shape_has_no_equal_values() -> None:
    assert "another shape" in differing(dlms(axdr.u16(1)), dlms(axdr.u32(1)))


@pytest.mark.parametrize(
    ("name", "settled"), [("ECS42", True), ("CS02b", True), ("ECS52", False), ("GCS33", False), ("CS01b", False)]
)
def test_values_are_settled_where_a_command_acts_and_tells_nothing_of_before(name: str, settled: bool) -> None:
    assert presupposed(use_cases.by_name(name)) is settled


def test_use_cases_that_tell_of_before_are_there_and_do_something() -> None:
    assert not any(use_cases.by_name(name).only_reads for name in OWN_STATE)


# -------------------------------------------------------------------------------------------------------------- rebuilt


def twisted(change: Callable[[Message], Message]) -> tuple[Message, bytes]:
    message = corpus_made.enable_supply()
    return message, gbcs.encode(change(message))


def test_a_command_is_rebuilt_from_its_arguments() -> None:
    message, octets = twisted(lambda message: message)
    assert arguments_of(message) == {}
    assert difference(message, octets, KEYS) == ("", "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda message: message._replace(mac=bytes(12)), "differs from octet"),
        (lambda message: message._replace(signature=bytes(64)), "differs from octet"),
        (lambda message: message._replace(counter=1001), "differs from octet"),
    ],
)
def test_what_is_not_rebuilt_is_told(change: Callable[[Message], Message], reason: str) -> None:
    message, octets = twisted(change)
    assert reason in difference(message, octets, KEYS)[0]


def test_a_missing_key_and_an_unknown_code_are_told() -> None:
    message, octets = twisted(lambda message: message)
    stranger = message._replace(originator=bytes(8))
    assert difference(stranger, octets, KEYS)[1] == "0000000000000000-ds"
    assert "0x7FFF is not in the use-case table" in difference(message._replace(message_code=0x7FFF), octets, KEYS)[0]
    unsigned = message._replace(signature=b"", mac=None)
    assert difference(unsigned, gbcs.encode(unsigned), KEYS)[0] == "it is protected in another form"
