"""What success looks like is the use case's own: held against every published response."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from devices.machines.parts.success import succeeded
from devices.model import use_cases
from devices.trust import protection
from devices.wire import asn1_typed, cosem, gbcs, gbz, gbz_typed, zcl
from devices.wire.asn1_credentials import CredentialsReport, RoleCredentials
from devices.wire.asn1_devices import FirmwareVersion, ResponseCode
from devices.wire.axdr import Data, Tag
from devices.wire.gbcs import CRA, Message
from rig import share

DEVICE, PARTY = bytes.fromhex("00db1234567890a0"), bytes.fromhex("90b3d51f30010000")


def response(code: int, octets: bytes) -> Message:
    return Message(CRA.RESPONSE, 1, DEVICE, PARTY, code, octets)


def asn1_response(name: str, view: asn1_typed.View) -> Message:
    return response(use_cases.by_name(name).code, asn1_typed.write(view))


# The only basis of these is that the error comes later, or is sealed: the response itself accepts.
ACCEPTING_ERRORS = {
    "CS02bSupplierBySupplier_6.15.1_FUTURE_DATED_ERROR_RESPONSE",
    "GCS13b_4.1.4_ERROR_RESPONSE",
    "GCS13c_4.1.2_ERROR_RESPONSE",
}


@pytest.mark.corpus
def test_every_published_response_is_judged_as_its_name_says() -> None:
    path = share.corpus() / "gbcs-open.jsonl"
    if not path.is_file():
        pytest.skip("the published messages are not beside the clone")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    judged = Counter[tuple[str, bool | None]]()
    for row in rows:
        if row["kind"] == "response" and row["name"] not in ACCEPTING_ERRORS:
            found = succeeded(gbcs.decode(bytes.fromhex(row["hex"])))
            assert found is (row["outcome"] == "SUCCESS"), row["name"]
            judged[row["outcome"], found] += 1
    assert judged["SUCCESS", True] > 200
    assert judged["ERROR", False] > 130


@pytest.mark.parametrize(
    ("name", "view", "good"),
    [
        ("CS02d", ResponseCode(0), True),
        ("CS02d", ResponseCode(3), False),
        ("CS02c", ResponseCode(2), False),
        ("CS08", FirmwareVersion(b"\1\2\3\4", 0), True),
        ("CS08", FirmwareVersion(b"\1\2\3\4", 1), False),
        ("CS02a", CredentialsReport((RoleCredentials(1, 0, 5, ()),)), True),
        ("CS02f", CredentialsReport((RoleCredentials(1, 0, 5, ()), RoleCredentials(2, 25))), False),
        ("CS02a", CredentialsReport(()), False),
    ],
)
def test_an_answer_without_result_codes_says_it_in_its_own_way(name: str, view: asn1_typed.View, good: bool) -> None:
    assert succeeded(asn1_response(name, view)) is good


def test_an_answer_that_is_the_thing_itself_is_a_success() -> None:
    request = bytes.fromhex("300830003000030200ff")  # two sequences and a bit string: what is in them is not told
    for name in ("CS02c", "CS02e"):
        assert succeeded(response(use_cases.by_name(name).code, request)) is True


def test_fewer_results_than_accesses_are_no_success() -> None:
    code, null = use_cases.by_name("ECS45").code, Data(Tag.NULL, None)
    spec = cosem.Spec(1, 70, bytes.fromhex("0000600a03ff"), 2)
    asked = cosem.AccessRequest(0x20000001, b"", (spec, spec), (null, null))
    command = Message(CRA.COMMAND, 1, PARTY, DEVICE, code, cosem.encode(asked))
    short = response(code, cosem.encode(cosem.AccessResponse(0x20000001, b"", (), (null,), (cosem.Result(1, 0),))))
    assert succeeded(short) is True, "without the command nobody knows how many there should be"
    assert succeeded(short, command) is False


@pytest.mark.parametrize("cra", [CRA.COMMAND, CRA.ALERT])
def test_only_responses_succeed(cra: int) -> None:
    message = replace(asn1_response("CS02d", ResponseCode(0)), cra=cra)
    assert succeeded(message) is None


def test_what_nobody_knows_or_can_read_is_neither() -> None:
    assert succeeded(response(0xFFFE, b"\2\1\0")) is None
    assert succeeded(response(use_cases.by_name("CS02d").code, b"\x30")) is None


@pytest.mark.parametrize(("status", "good"), [(0, True), (0x86, False)])
def test_a_status_inside_a_sealed_part_counts_for_who_can_open_it(status: int, good: bool) -> None:
    record = gbz_typed.AttributeRecord(0x0302, status, *(() if status else (0x22, 1000)))
    plain = gbz_typed.write(gbz_typed.ReadAttributesResponse((record,)))
    z = bytes(32)
    frame = zcl.Frame(0x18, 1, 0x01, protection.seal(plain, z, DEVICE, PARTY, 1))
    octets = gbz.encode(gbz.Payload((gbz.Component(0x0702, frame, additional=gbz.AdditionalHeader(0, 0)),)))
    message = response(use_cases.by_name("GCS13c").code, octets)
    assert succeeded(message) is True, "sealed: there is data, and no more is known"
    assert succeeded(message, unseal=lambda blob: protection.open_sealed(blob, z, DEVICE, PARTY, 1)) is good
    assert succeeded(message, unseal=lambda blob: protection.open_sealed(blob, z, DEVICE, PARTY, 2)) is True
