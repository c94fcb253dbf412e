"""The ASN.1 tree and its simple types."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import asn1, gbcs
from devices.wire.asn1 import Node
from devices.wire.errors import DecodeError, EncodeError
from tests.examples import examples

EUI = bytes.fromhex("0011223344556677")
NOON = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)

TREES = {
    "null": (asn1.null(), "05 00"),
    "integer": (asn1.integer(0), "02 01 00"),
    "integer that needs a zero in front": (asn1.integer(128), "02 02 0080"),
    "negative integer": (asn1.integer(-128), "02 01 80"),
    "context-tagged integer": (asn1.integer(1002, 0x83), "83 02 03ea"),
    "enumerated": (asn1.enumerated(25), "0a 01 19"),
    "octet string": (asn1.octet_string(EUI), "04 08 0011223344556677"),
    "octet string of 128": (asn1.octet_string(bytes(128)), "04 8180" + "00" * 128),
    "octet string of 256": (asn1.octet_string(bytes(256)), "04 820100" + "00" * 256),
    "bit string": (asn1.bit_string(b"\x80", 7), "03 02 0780"),
    "object identifier": (asn1.oid("1.2.840.10045.3.1.7"), "06 08 2a8648ce3d030107"),
    "object identifier under 2": (asn1.oid("2.999.3"), "06 03 883703"),
    "generalized time": (asn1.generalized_time(NOON), "18 0f" + b"20261120120005Z".hex()),
    "sequence": (asn1.sequence(asn1.integer(1), asn1.sequence()), "30 05 020101 3000"),
    "length longer than needed": (
        Node(0x30, b"", (Node(0x02, b"\x01", length_octets=1),), length_octets=2),
        "30 820004 02 8101 01",
    ),
}


@pytest.mark.parametrize(("node", "octets"), TREES.values(), ids=TREES)
def test_trees(node: Node, octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert asn1.decode(raw) == node
    assert asn1.encode(node) == raw


@pytest.mark.parametrize("octets", [octets for _, octets in TREES.values()], ids=TREES)
def test_every_cut_and_every_octet_more_is_refused(octets: str) -> None:
    raw = bytes.fromhex(octets)
    for end in range(len(raw)):
        with pytest.raises(DecodeError) as refused:
            asn1.decode(raw[:end])
        assert refused.value.layer == "asn1"
        assert refused.value.offset <= end
    with pytest.raises(DecodeError, match="left over"):
        asn1.decode(raw + b"\x00")


def test_what_is_read_and_what_is_built_compare_equal_where_their_octets_do() -> None:
    shortest, longer = asn1.decode(bytes.fromhex("020105")), asn1.decode(bytes.fromhex("02810105"))
    assert shortest == asn1.integer(5)
    assert shortest != longer
    assert asn1.to_integer(longer) == 5


def test_a_longer_length_form_gives_way_to_what_no_longer_fits() -> None:
    assert asn1.encode(Node(0x04, bytes(300), length_octets=1))[:4] == bytes.fromhex("0482012c")


REFUSED = {
    "indefinite length": ("30 80 0000", 1),
    "length of five octets": ("04 850000000001 00", 1),
    "high tag number": ("3f 81 01 00", 0),
    "tag 0": ("00 00", 0),
    "an element past the end of its sequence": ("30 03 0402 01", 2),
    "an element past the end": ("30 05 0201 01", 0),
    "33 sequences inside one another": (asn1.encode(asn1.null()).hex(), 64),
}


@pytest.mark.parametrize(("octets", "offset"), REFUSED.values(), ids=REFUSED)
def test_refused(octets: str, offset: int) -> None:
    raw = bytes.fromhex(octets)
    if raw == b"\x05\x00":
        for _ in range(asn1.DEEPEST + 1):
            raw = b"\x30" + bytes((len(raw),)) + raw
    with pytest.raises(DecodeError) as refused:
        asn1.decode(raw)
    assert (refused.value.layer, refused.value.offset) == ("asn1", offset)


def test_nesting_may_be_32_deep() -> None:
    node = asn1.null()
    for _ in range(asn1.DEEPEST):
        node = asn1.sequence(node)
    assert asn1.decode(asn1.encode(node)) == node
    with pytest.raises(EncodeError):
        asn1.encode(asn1.sequence(node))


@pytest.mark.parametrize(
    "node",
    [Node(0, b""), Node(0x1F, b""), Node(0x100, b""), Node(0x30, b"\x00"), Node(0x04, b"", (asn1.null(),)),
     Node(0x04, b"", length_octets=5)],
)  # fmt: skip
def test_not_encoded(node: Node) -> None:
    with pytest.raises(EncodeError):
        asn1.encode(node)


@pytest.mark.parametrize("dotted", ["", "1", "1.40", "3.1", "1.2.x", "1.2.-3", "-1.2"])
def test_no_object_identifier(dotted: str) -> None:
    with pytest.raises(EncodeError):
        asn1.oid(dotted)


def test_times_need_a_zone_and_are_written_in_utc() -> None:
    with pytest.raises(EncodeError):
        asn1.generalized_time(datetime(2026, 1, 1))
    summer = datetime(2026, 7, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert asn1.generalized_time(summer).octets == b"20260630233000Z"
    assert asn1.to_generalized_time(Node(0x18, b"99991231235959Z")).year == 9999


@pytest.mark.parametrize(("octets", "unused"), [(b"\x01", 8), (b"\x01", -1), (b"", 1)])
def test_no_bit_string(octets: bytes, unused: int) -> None:
    with pytest.raises(EncodeError):
        asn1.bit_string(octets, unused)


BAD_VALUES = {
    "integer without octets": (asn1.to_integer, Node(0x02, b"")),
    "integer longer than needed": (asn1.to_integer, Node(0x02, b"\x00\x01")),
    "integer of 21 octets": (asn1.to_integer, Node(0x02, b"\x01" + bytes(20))),
    "another tag": (asn1.to_integer, asn1.null()),
    "bit string without count": (asn1.to_bit_string, Node(0x03, b"")),
    "8 unused bits": (asn1.to_bit_string, Node(0x03, b"\x08\x00")),
    "unused bits of nothing": (asn1.to_bit_string, Node(0x03, b"\x01")),
    "empty object identifier": (asn1.to_oid, Node(0x06, b"")),
    "object identifier cut short": (asn1.to_oid, Node(0x06, b"\x2a\x86")),
    "object identifier longer than needed": (asn1.to_oid, Node(0x06, b"\x2a\x80\x01")),
    "time without zone": (asn1.to_generalized_time, Node(0x18, b"20260101000000")),
    "time with a fraction": (asn1.to_generalized_time, Node(0x18, b"20260101000000.5Z")),
    "time on no day": (asn1.to_generalized_time, Node(0x18, b"20260230000000Z")),
    "time with a sign": (asn1.to_generalized_time, Node(0x18, b"+0260101000000Z")),
    "time that is no text": (asn1.to_generalized_time, Node(0x18, b"\xff" * 15)),
}


@pytest.mark.parametrize("case", BAD_VALUES.values(), ids=BAD_VALUES)
def test_values_that_are_none(case: tuple[object, Node]) -> None:
    reader, node = case
    assert callable(reader)
    with pytest.raises(DecodeError):
        reader(node)


# ----------------------------------------------------------------------------------------------------------- properties

primitives = st.builds(Node, st.sampled_from([0x02, 0x04, 0x05, 0x18, 0x81]), st.binary(max_size=200))
nodes: st.SearchStrategy[Node] = st.recursive(
    primitives,
    lambda inner: st.builds(
        Node, st.sampled_from([0x30, 0x31, 0xA2]), st.just(b""), st.lists(inner, max_size=4).map(tuple)
    ),
    max_leaves=12,
)


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(nodes)
def test_what_is_encoded_decodes_to_the_same(node: Node) -> None:
    assert asn1.decode(asn1.encode(node)) == node


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(st.sampled_from([b"", b"\x30", b"\x30\x81", b"\x30\x10\x02\x01\x01"]), st.binary(max_size=60))
def test_anything_decodes_or_is_refused(start: bytes, rest: bytes) -> None:
    try:
        node = asn1.decode(start + rest)
    except DecodeError:
        return
    assert asn1.encode(node) == start + rest


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(st.integers(-(1 << 100), 1 << 100))
def test_integers(number: int) -> None:
    assert asn1.to_integer(asn1.integer(number)) == number


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 1 << 40), max_size=6))
def test_object_identifiers(first: int, second: int, rest: list[int]) -> None:
    dotted = ".".join(map(str, (first, second, *rest)))
    assert asn1.to_oid(asn1.oid(dotted)) == dotted


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(st.datetimes(timezones=st.just(UTC)))
def test_times(moment: datetime) -> None:
    assert asn1.to_generalized_time(asn1.generalized_time(moment)) == moment.replace(microsecond=0)


# --------------------------------------------------------------------------------------------------- published messages


@pytest.mark.corpus
def test_published_payloads(corpus_dir: Path) -> None:
    longer = 0
    for line in (corpus_dir / "gbcs-open.jsonl").read_text().splitlines():
        published = json.loads(line)
        if published["payload_format"] != "asn1":
            continue
        octets = gbcs.decode(bytes.fromhex(published["hex"])).payload
        node = asn1.decode(octets)
        longer += node.length_octets > 0
        assert asn1.encode(node) == octets
    assert longer == 13
