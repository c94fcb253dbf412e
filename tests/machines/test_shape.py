"""Shapes: what counts as the same answer and what does not; and every published answer of a DLMS device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.parts.presupposed import Circumstances, device_for
from devices.machines.parts.shape import Shape, data_shape, described, fits, shape
from devices.trust import certificates, protection
from devices.trust.keystore import MemoryKeyStore, agreement_key
from devices.wire import axdr, cosem, gbcs
from devices.wire.axdr import Data, Tag, TypeDescription
from devices.wire.cosem import AccessResponse, Result
from devices.wire.gbcs import Message
from rig.gbcs.corpus import load_directory
from tests.machines import published

ROW = TypeDescription(Tag.STRUCTURE, (TypeDescription(Tag.UNSIGNED), TypeDescription(Tag.ENUM)))
PAIR = axdr.structure(axdr.u8(1), axdr.enum(2))
SAME = [
    (axdr.u8(1), axdr.u8(2)),
    (axdr.array(PAIR), axdr.array(PAIR, PAIR)),
    (axdr.array(), axdr.array()),
    (axdr.compact(ROW, PAIR), axdr.array(PAIR)),
    (axdr.compact(ROW), axdr.array(PAIR, PAIR)),
    (axdr.octets(b""), axdr.octets(b"12")),
]
DIFFERENT = [
    (axdr.u8(1), axdr.u16(1)),
    (axdr.array(PAIR), axdr.structure(PAIR)),
    (axdr.array(PAIR), axdr.array(axdr.u8(1))),
    (axdr.compact(ROW), axdr.array(axdr.u8(1))),
    (axdr.structure(PAIR), axdr.structure(PAIR, PAIR)),
    (axdr.array(axdr.array(PAIR)), axdr.array(axdr.array(axdr.u8(1)))),
    (axdr.null(), axdr.u8(0)),
    (axdr.octets(b"1"), axdr.visible("1")),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same(one: Data, other: Data) -> None:
    assert fits(data_shape(one), data_shape(other))
    assert fits(data_shape(other), data_shape(one))


def test_an_empty_array_is_no_answer_where_there_is_something() -> None:
    nothing, something = data_shape(axdr.array()), data_shape(axdr.array(PAIR))
    assert fits(something, nothing)
    assert not fits(nothing, something)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_not_the_same(one: Data, other: Data) -> None:
    assert not fits(data_shape(one), data_shape(other))
    assert not fits(data_shape(other), data_shape(one))


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 255)), max_size=4))
def test_results_are_part_of_it(codes: list[tuple[int, int]]) -> None:
    results = tuple(Result(op, code) for op, code in codes)
    one = AccessResponse(1, b"", (), (), results)
    assert fits(shape(one), shape(AccessResponse(2, b"", (), (), results)))
    assert not fits(shape(one), shape(AccessResponse(1, b"", (), (), (*results, Result(1, 0)))))


# --------------------------------------------------------------------------------------------------- published answers


def _sealed_in(data: Data) -> list[bytes]:
    if data.tag in (Tag.ARRAY, Tag.STRUCTURE):
        return [blob for part in data.value for blob in _sealed_in(part)]
    return [data.value] if data.tag == Tag.OCTET_STRING and data.value[:5] == b"\x31\0\0\0\0" else []


def test_every_published_command_of_a_dlms_device_is_answered_as_published(corpus_dir: Path) -> None:
    """Same code, counter, titles, protection, results and types; encrypted parts open with the party's key and hold
    the published types."""
    messages = published.messages(corpus_dir)
    directory = load_directory(corpus_dir)
    compared = 0
    for name, entry in messages.items():
        if (entry["kind"], entry["outcome"], entry["payload_format"]) != ("command", "SUCCESS", "dlms"):
            continue
        command = gbcs.decode(bytes.fromhex(entry["hex"]))
        answer = messages[name.replace("_COMMAND", "_RESPONSE")]
        store = published.keys(corpus_dir, command.recipient)
        kind = "CHF" if command.recipient == published.HUB else "ESME"
        circumstances = Circumstances(elements=2 if "TWIN" in name else 1)
        outcome = device_for(command, store, directory, kind, circumstances).receive(bytes.fromhex(entry["hex"]))
        assert outcome.response is not None, (name, outcome.refused)
        got, wanted = gbcs.decode(outcome.response), gbcs.decode(bytes.fromhex(answer["hex"]))
        assert _envelope(got) == _envelope(wanted), name
        ours, theirs = cosem.decode(got.payload), cosem.decode(wanted.payload)
        assert fits(shape(ours), shape(theirs)), name
        assert isinstance(ours, AccessResponse)
        opened = [_open(blob, got, command, store) for datum in ours.data for blob in _sealed_in(datum)]
        plain = [axdr.decode(bytes.fromhex(part["plaintext"]))[0] for part in answer["encrypted"] or ()]
        assert len(opened) == len(plain), name
        for one, other in zip(opened, plain, strict=True):
            assert fits(data_shape(one), data_shape(other)), name
        compared += 1
    assert compared > 100


def _envelope(message: Message) -> tuple[Any, ...]:
    protected = bool(message.signature), message.mac is not None
    titles = message.originator, message.recipient, message.supplementary_party, message.supplementary_counter
    return message.cra, message.counter, message.message_code, titles, bool(message.date_time), protected


def _open(blob: bytes, response: Message, command: Message, store: MemoryKeyStore) -> Data:
    party = response.supplementary_party or response.recipient
    counter = response.supplementary_originator_counter or response.counter
    public = store.public(agreement_key(party)) if agreement_key(party) in store.names else b""
    if command.certificate is not None:
        public = certificates.parse(command.certificate).public
    z = store.agree(agreement_key(response.originator), public)
    return axdr.decode(protection.open_sealed(blob, z, response.originator, party, counter))[0]


# ------------------------------------------------------------------------------------------------------- shapes in full

NESTED = TypeDescription(Tag.ARRAY, (ROW,), 3)
OF_PAIR = ("structure", "unsigned", "enum")


class _Named(NamedTuple):
    number: int
    text: str


@dataclass
class _Typed:
    one: int
    many: list[Any]


SHAPES: list[tuple[Shape, Shape]] = [
    (data_shape(PAIR), OF_PAIR),
    (data_shape(axdr.array(PAIR, PAIR, axdr.u8(1))), ("array", "unsigned", OF_PAIR)),
    (data_shape(axdr.compact(ROW, PAIR)), ("array", OF_PAIR)),
    (described(TypeDescription(Tag.STRUCTURE, (NESTED,))), ("structure", ("array", OF_PAIR))),
    (data_shape(axdr.octets(b"")), "octet_string"),
    (
        shape(AccessResponse(1, b"", (), (axdr.u8(1),), (Result(1, 0), Result(2, 3)))),
        ("access-response", False, ("unsigned",), ((1, 0), (2, 3))),
    ),
    (shape(AccessResponse(1, bytes(12), (), (), ())), ("access-response", True, (), ())),
    (
        shape(cosem.AccessRequest(1, b"", (cosem.Spec(1, 3, bytes(6), 2, 1, axdr.null()),), (axdr.null(),))),
        ("access-request", False, ((1, 3, bytes(6), 2, 1),), ("null",)),
    ),
    (shape(cosem.Notification(1, bytes(12), PAIR)), ("notification", True, OF_PAIR)),
    (shape(_Typed(1, [2, "x", "y"])), ("_Typed", ("one", "int"), ("many", ("array", "int", "str")))),
    (shape(_Named(1, "x")), ("_Named", ("number", "int"), ("text", "str"))),
    (shape((1, 2)), ("array", "int")),
    (shape([]), ("array",)),
    (shape(_Typed), "type"),
    (shape(None), "NoneType"),
]


@pytest.mark.parametrize(("got", "wanted"), SHAPES)
def test_a_shape_in_full(got: Shape, wanted: Shape) -> None:
    assert got == wanted


@pytest.mark.parametrize(
    ("got", "wanted", "fitting"),
    [
        (("array", "a"), ("array", "a", "b"), True),
        (("array", "a", "c"), ("array", "a", "b"), False),
        (("array",), ("array",), True),
        (("array", "a"), ("structure", "a"), False),
        (("structure", "a"), ("array", "a"), False),
        (("structure", "a", "b"), ("structure", "a"), False),
        ("a", ("a",), False),
        (("a",), "a", False),
        ("a", "a", True),
        (("structure", ("array",)), ("structure", ("array", "a")), False),
    ],
)
def test_what_fits(got: Shape, wanted: Shape, fitting: bool) -> None:
    assert fits(got, wanted) is fitting
