"""The choice between the payload families, and every published message from envelope to element and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import asn1, asn1_devices, asn1_typed, axdr, cosem, dlms_alerts, gbcs, gbz, gbz_typed, payload, zcl
from devices.wire.errors import DecodeError, EncodeError
from tests.examples import examples

SAMPLES: dict[str, tuple[str, payload.Payload]] = {
    "d9 00000001 00 00 00": ("dlms", cosem.AccessRequest(1, b"", (), ())),
    "da 00000001 00 00 00 00": ("dlms", cosem.AccessResponse(1, b"", (), (), ())),
    "0f 00000001 00 00": ("dlms", cosem.Notification(1, b"", axdr.null())),
    "0109 01 01 0702 0003 010200": ("gbz", gbz.Payload((gbz.Component(0x0702, zcl.Frame(1, 2, 0)),))),
    "0109 00 810e 00000001": ("gbz", gbz.Alert(0x810E, 1)),
    "020100": ("asn1", asn1.integer(0)),
    "0101ff": ("asn1", asn1.Node(1, b"\xff")),
}


@pytest.mark.parametrize(("octets", "family", "expected"), [(octets, *rest) for octets, rest in SAMPLES.items()])
def test_families(octets: str, family: str, expected: payload.Payload) -> None:
    raw = bytes.fromhex(octets)
    message = gbcs.Message(1, 1, bytes(8), bytes(8), 1, raw)
    assert payload.family(raw) == family
    assert payload.decode(message) == payload.read(raw) == expected
    assert payload.encode(expected) == raw


STAMP = axdr.octets(bytes.fromhex("07df0101ff000000008000ff"))
ALERT = axdr.structure(axdr.u16(0x8F12), STAMP, axdr.u8(1))

TYPED: dict[str, tuple[int, int, payload.Typed]] = {
    "d9 00000001 00 00 00": (0x4F, 1, cosem.AccessRequest(1, b"", (), ())),
    "0f 00000001 00 00": (0x1000, 3, cosem.Notification(1, b"", axdr.null())),
    f"0f 00000001 00 {axdr.encode(ALERT).hex()}": (
        0x18,
        3,
        dlms_alerts.Alert(1, b"", 0x8F12, STAMP.value, (axdr.u8(1),)),
    ),
    "0109 01 01 0702 0005 000000 0500": (
        0xFB,
        1,
        gbz_typed.Payload((gbz_typed.Component(0x0702, 0, 0, 0, gbz_typed.ReadAttributes((5,))),)),
    ),
    "0109 00 810e 00000001": (0x1001, 3, gbz_typed.Alert(0x810E, 1)),
    "020100": (0x0B, 2, asn1_typed.Body(asn1_devices.ResponseCode(0))),
    "02 8101 00": (0x0B, 2, asn1_typed.Body(asn1_devices.ResponseCode(0), ((0, 1),))),
}


@pytest.mark.parametrize(("octets", "case"), TYPED.items(), ids=TYPED)
def test_payloads_to_their_last_value(octets: str, case: tuple[int, int, payload.Typed]) -> None:
    code, cra, expected = case
    raw = bytes.fromhex(octets)
    assert payload.typed(gbcs.Message(cra, 1, bytes(8), bytes(8), code, raw)) == expected
    assert payload.encode(expected) == raw


@pytest.mark.parametrize(
    ("code", "octets"),
    [(0x4F, "020100"), (0x0B, "0500"), (0xFB, "0109 01 01 0702 0004 000000 05"), (0x4F, "")],
)
def test_what_no_layout_explains_is_refused(code: int, octets: str) -> None:
    with pytest.raises(DecodeError):
        payload.typed(gbcs.Message(2, 1, bytes(8), bytes(8), code, bytes.fromhex(octets)))


def test_an_empty_payload_is_refused() -> None:
    with pytest.raises(DecodeError) as refused:
        payload.read(b"")
    assert refused.value.layer == "payload"


def test_what_is_no_payload_is_not_encoded() -> None:
    with pytest.raises(EncodeError):
        payload.encode(axdr.null())  # type: ignore[arg-type]


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(st.binary(max_size=40))
def test_anything_decodes_or_is_refused(octets: bytes) -> None:
    try:
        body = payload.read(octets)
    except DecodeError:
        return
    assert payload.encode(body) == octets


@pytest.mark.corpus
def test_published_messages(corpus_dir: Path) -> None:
    good = 0
    for line in (corpus_dir / "gbcs-open.jsonl").read_text().splitlines():
        published = json.loads(line)
        octets = bytes.fromhex(published["hex"])
        message = gbcs.decode(octets)
        assert payload.family(message.payload) == published["payload_format"]
        for body in (payload.decode(message), payload.typed(message)):
            assert gbcs.encode(message._replace(payload=payload.encode(body))) == octets, published["name"]
        good += 1
    assert good == 847


@pytest.mark.corpus
def test_published_compact_arrays(corpus_dir: Path) -> None:
    """They are read down to their rows: 17 in 14 responses."""

    def compact_arrays(data: axdr.Data) -> list[axdr.CompactArray]:
        if data.tag == axdr.Tag.COMPACT_ARRAY:
            return [data.value]
        if data.tag in (axdr.Tag.ARRAY, axdr.Tag.STRUCTURE):
            return [found for element in data.value for found in compact_arrays(element)]
        return []

    found = []
    for line in (corpus_dir / "gbcs-open.jsonl").read_text().splitlines():
        body = payload.decode(gbcs.decode(bytes.fromhex(json.loads(line)["hex"])))
        if isinstance(body, cosem.AccessResponse):
            arrays = [array for datum in body.data for array in compact_arrays(datum)]
            found += [arrays] if arrays else []
    assert len(found) == 14
    assert sum(map(len, found)) == 17
    assert all(array.rows for arrays in found for array in arrays)
