"""DLMS data types: each by hand, trees of them generated, compact-arrays, and hostile input."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import axdr
from devices.wire.axdr import BitString, CompactArray, Data, Tag, TypeDescription
from devices.wire.errors import DecodeError, EncodeError
from tests.examples import examples

TIME = bytes.fromhex("07df0101ff000000ff8000ff")

TYPES = {
    "null": (axdr.null(), "00"),
    "array": (axdr.array(axdr.u8(1), axdr.u8(2)), "01 02 1101 1102"),
    "empty array": (axdr.array(), "01 00"),
    "structure": (axdr.structure(axdr.null(), axdr.array(axdr.i8(-1))), "02 02 00 01 01 0fff"),
    "true": (axdr.boolean(True), "03 ff"),
    "false": (axdr.boolean(False), "03 00"),
    "true written 01": (Data(Tag.BOOLEAN, 1), "03 01"),
    "bit-string": (axdr.bits(b"\xa0", 3), "04 03 a0"),
    "bit-string of whole octets": (axdr.bits(b"\xa0\x01"), "04 10 a001"),
    "bit-string of no bits": (axdr.bits(b""), "04 00"),
    "double-long": (axdr.i32(-2), "05 fffffffe"),
    "double-long-unsigned": (axdr.u32(0xFFFFFFFE), "06 fffffffe"),
    "octet-string": (axdr.octets(b"\x01\x02"), "09 02 0102"),
    "octet-string of 128": (axdr.octets(bytes(128)), "09 8180" + "00" * 128),
    "octet-string of 256": (axdr.octets(bytes(256)), "09 820100" + "00" * 256),
    "visible-string": (axdr.visible("Rig"), "0a 03 526967"),
    "utf8-string": (Data(Tag.UTF8_STRING, "£".encode()), "0c 02 c2a3"),
    "bcd": (Data(Tag.BCD, 0x42), "0d 42"),
    "integer": (axdr.i8(-128), "0f 80"),
    "long": (axdr.i16(-2), "10 fffe"),
    "unsigned": (axdr.u8(255), "11 ff"),
    "long-unsigned": (axdr.u16(0x8F12), "12 8f12"),
    "long64": (axdr.i64(-2), "14 fffffffffffffffe"),
    "long64-unsigned": (axdr.u64(2**64 - 2), "15 fffffffffffffffe"),
    "enum": (axdr.enum(2), "16 02"),
    "float32": (Data(Tag.FLOAT32, 1.5), "17 3fc00000"),
    "float64": (Data(Tag.FLOAT64, -1.5), "18 bff8000000000000"),
    "date-time": (axdr.date_time(TIME), "19" + TIME.hex()),
    "date": (Data(Tag.DATE, TIME[:5]), "1a 07df0101ff"),
    "time": (Data(Tag.TIME, b"\x01\x02\x03\x04"), "1b 01020304"),
    "don't-care": (Data(Tag.DONT_CARE, None), "ff"),
    "compact-array of a simple type": (
        axdr.compact(TypeDescription(Tag.LONG_UNSIGNED), axdr.u16(1), axdr.u16(2)),
        "13 12 04 0001 0002",
    ),
    "compact-array of structures": (
        axdr.compact(
            TypeDescription(Tag.STRUCTURE, (TypeDescription(Tag.OCTET_STRING), TypeDescription(Tag.ENUM))),
            axdr.structure(axdr.octets(b"\xaa"), axdr.enum(1)),
            axdr.structure(axdr.octets(b""), axdr.enum(2)),
        ),
        "13 02 02 09 16 05 01aa 01 00 02",
    ),
    "compact-array of arrays": (
        axdr.compact(
            TypeDescription(Tag.ARRAY, (TypeDescription(Tag.UNSIGNED),), 2),
            axdr.array(axdr.u8(1), axdr.u8(2)),
            axdr.array(axdr.u8(3), axdr.u8(4)),
        ),
        "13 01 0002 11 04 01020304",
    ),
    "compact-array with a null in each row": (
        axdr.compact(
            TypeDescription(Tag.STRUCTURE, (TypeDescription(Tag.UNSIGNED), TypeDescription(Tag.NULL))),
            axdr.structure(axdr.u8(1), axdr.null()),
        ),
        "13 02 02 11 00 01 01",
    ),
    "compact-array of no rows": (axdr.compact(TypeDescription(Tag.NULL)), "13 00 00"),
}


@pytest.mark.parametrize(("data", "octets"), TYPES.values(), ids=TYPES)
def test_types(data: Data, octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert axdr.decode(raw) == (data, len(raw))
    assert axdr.encode(data) == raw
    assert axdr.decode(b"\xee" + raw + b"\xee", 1) == (data, len(raw) + 1)


@pytest.mark.parametrize(("_data", "octets"), TYPES.values(), ids=TYPES)
def test_every_cut_is_refused(_data: Data, octets: str) -> None:
    raw = bytes.fromhex(octets)
    for end in range(len(raw)):
        with pytest.raises(DecodeError) as refused:
            axdr.decode(raw[:end])
        assert refused.value.layer == "axdr"
        assert refused.value.offset <= end


def nested(depth: int, innermost: str = "00") -> bytes:
    return b"\x02\x01" * depth + bytes.fromhex(innermost)


REFUSED = {
    "an unknown tag": ("07", 0),
    "a length longer than needed": ("09 8103 010203", 1),
    "a length with leading zeros": ("09 820080" + "00" * 128, 1),
    "an indefinite length": ("09 80 00 00", 1),
    "a length of five octets": ("09 850000000001 00", 1),
    "more elements than octets": ("01 84ffffffff 00", 6),
    "33 structures inside one another": (nested(axdr.DEEPEST + 1).hex(), 2 * axdr.DEEPEST + 2),
    "a signalling NaN": ("17 7f800001", 1),
    "compact-array: 16 million nulls in 18 octets": ("13 02 02 01 ffff 01 0100 00 11 06 010203040506", 1),
    "compact-array: nothing for ever": ("13 00 01 00", 1),
    "compact-array: empty structures": ("13 02 00 01 00", 1),
    "compact-array: arrays of nothing": ("13 01 0000 11 01 00", 1),
    "compact-array: more nulls than octets": ("13 02 03 11 00 00 01 07", 1),
    "compact-array: rows larger than the array": ("13 01 ffff 01 ffff 15 08 0000000000000000", 9),
    "compact-array: half a row": ("13 12 03 000100", 5),
    "compact-array: a row past the end": ("13 09 02 0401 ffffff", 5),
    "compact-array: longer than the octets": ("13 11 05 00", 3),
    "compact-array: an unknown type": ("13 07 00", 1),
    "compact-array of compact-arrays": ("13 13 11 00", 1),
    "compact-array: a type nested too deeply": ("13" + "0201" * 40 + "11 01 00", 63),
}


@pytest.mark.parametrize(("octets", "offset"), REFUSED.values(), ids=REFUSED)
def test_refused(octets: str, offset: int) -> None:
    with pytest.raises(DecodeError) as refused:
        axdr.decode(bytes.fromhex(octets))
    assert (refused.value.layer, refused.value.offset) == ("axdr", offset)


@pytest.mark.parametrize("octets", [octets for octets, _ in REFUSED.values()], ids=REFUSED)
def test_refusing_is_cheap(octets: str) -> None:
    raw = bytes.fromhex(octets)
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            axdr.decode(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000


def test_nesting_may_be_32_deep() -> None:
    raw = nested(axdr.DEEPEST)
    data, _ = axdr.decode(raw)
    assert axdr.encode(data) == raw
    with pytest.raises(EncodeError):
        axdr.encode(axdr.structure(data))


PAIR = TypeDescription(Tag.STRUCTURE, (TypeDescription(Tag.UNSIGNED), TypeDescription(Tag.NULL)))

NOT_ENCODED: dict[str, Data] = {
    "unknown tag": Data(7, None),
    "null with a value": Data(Tag.NULL, 0),
    "unsigned 256": axdr.u8(256),
    "unsigned -1": axdr.u8(-1),
    "integer 128": axdr.i8(128),
    "long-unsigned": axdr.u16(0x10000),
    "text for a number": Data(Tag.LONG, "1"),
    "nothing for a string": Data(Tag.OCTET_STRING, None),
    "text for octets": Data(Tag.OCTET_STRING, "ab"),
    "nothing for an array": Data(Tag.ARRAY, None),
    "numbers in an array": Data(Tag.ARRAY, (1, 2)),
    "date-time of 11": axdr.date_time(TIME[:11]),
    "float too large": Data(Tag.FLOAT32, 1e300),
    "9 bits in one octet": axdr.bits(b"\x00", 9),
    "octets for bits": Data(Tag.BIT_STRING, b"\x00"),
    "rows of another type": axdr.compact(TypeDescription(Tag.UNSIGNED), axdr.i8(1)),
    "rows of another shape": axdr.compact(PAIR, axdr.structure(axdr.u8(1))),
    "rows of nothing": axdr.compact(TypeDescription(Tag.NULL), axdr.null()),
    "an array type of two": Data(
        Tag.COMPACT_ARRAY, CompactArray(TypeDescription(Tag.ARRAY, (PAIR, PAIR), 1), (axdr.array(axdr.null()),))
    ),
    "a simple type with elements": axdr.compact(TypeDescription(Tag.UNSIGNED, (PAIR,))),
    "a type that is none": axdr.compact(TypeDescription(Tag.COMPACT_ARRAY)),
}


@pytest.mark.parametrize("data", NOT_ENCODED.values(), ids=NOT_ENCODED)
def test_not_encoded(data: Data) -> None:
    with pytest.raises(EncodeError):
        axdr.encode(data)


# ----------------------------------------------------------------------------------------------------------- properties


def numbers(tag: int, bits: int, signed: bool = False) -> st.SearchStrategy[Data]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return st.builds(Data, st.just(tag), st.integers(low, high))


def strings(tag: int, size: int | None = None) -> st.SearchStrategy[Data]:
    return st.builds(Data, st.just(tag), st.binary(min_size=size or 0, max_size=size or 200))


def bit_strings(octets: bytes, spare: int) -> Data:
    return Data(Tag.BIT_STRING, BitString(max(0, len(octets) * 8 - spare), octets))


SIMPLE: dict[int, st.SearchStrategy[Data]] = {
    Tag.BOOLEAN: numbers(3, 8),
    Tag.BIT_STRING: st.builds(bit_strings, st.binary(max_size=20), st.integers(0, 7)),
    Tag.DOUBLE_LONG: numbers(5, 32, signed=True),
    Tag.DOUBLE_LONG_UNSIGNED: numbers(6, 32),
    Tag.OCTET_STRING: strings(9),
    Tag.VISIBLE_STRING: strings(10),
    Tag.UTF8_STRING: strings(12),
    Tag.BCD: numbers(13, 8),
    Tag.INTEGER: numbers(15, 8, signed=True),
    Tag.LONG: numbers(16, 16, signed=True),
    Tag.UNSIGNED: numbers(17, 8),
    Tag.LONG_UNSIGNED: numbers(18, 16),
    Tag.LONG64: numbers(20, 64, signed=True),
    Tag.LONG64_UNSIGNED: numbers(21, 64),
    Tag.ENUM: numbers(22, 8),
    Tag.FLOAT32: st.builds(Data, st.just(23), st.floats(width=32, allow_nan=False)),
    Tag.FLOAT64: st.builds(Data, st.just(24), st.floats(allow_nan=False)),
    Tag.DATE_TIME: strings(25, 12),
    Tag.DATE: strings(26, 5),
    Tag.TIME: strings(27, 4),
}
nothings = st.sampled_from([axdr.null(), Data(Tag.DONT_CARE, None)])

descriptions = st.recursive(
    st.sampled_from(sorted(SIMPLE)).map(TypeDescription),
    lambda inner: st.one_of(
        st.builds(TypeDescription, st.just(1), st.tuples(inner), st.integers(1, 3)),
        st.builds(TypeDescription, st.just(2), st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)


def rows_of(description: TypeDescription) -> st.SearchStrategy[Data]:
    if description.tag in SIMPLE:
        return SIMPLE[description.tag]
    kinds = description.elements * (description.count or 1)
    return st.tuples(*map(rows_of, kinds)).map(lambda elements: Data(description.tag, elements))


compact_arrays = descriptions.flatmap(
    lambda description: st.lists(rows_of(description), max_size=4).map(lambda rows: axdr.compact(description, *rows))
)
trees: st.SearchStrategy[Data] = st.recursive(
    st.one_of(nothings, compact_arrays, *SIMPLE.values()),
    lambda inner: st.builds(Data, st.sampled_from([1, 2]), st.lists(inner, max_size=4).map(tuple)),
    max_leaves=12,
)


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(trees)
def test_what_is_encoded_decodes_to_the_same(data: Data) -> None:
    raw = axdr.encode(data)
    assert axdr.decode(raw) == (data, len(raw))


def objects_in(value: Any) -> int:
    """How many objects a decoded value is made of."""
    if isinstance(value, Data):
        return 1 + objects_in(value.value)
    if isinstance(value, CompactArray):
        return 1 + objects_in(value.description) + sum(map(objects_in, value.rows))
    if isinstance(value, TypeDescription):
        return 1 + sum(map(objects_in, value.elements))
    if isinstance(value, tuple):
        return sum(map(objects_in, value))
    return 1


starts = st.sampled_from([b"", b"\x13", b"\x13\x02\x02", b"\x13\x01\x00", b"\x01\x02", b"\x17", b"\x18\x7f\xf0"])


@settings(max_examples=examples(100), deadline=None, derandomize=True)
@given(starts, st.binary(max_size=60) | st.lists(st.sampled_from(range(28)), max_size=60).map(bytes))
def test_anything_decodes_or_is_refused(start: bytes, rest: bytes) -> None:
    raw = start + rest
    try:
        data, position = axdr.decode(raw)
    except DecodeError:
        return
    assert axdr.encode(data) == raw[:position]
    assert objects_in(data) <= axdr.DEEPEST * 4 * position


def test_a_quiet_nan_is_kept() -> None:
    raw = bytes.fromhex("17 7fc00001")
    data, _ = axdr.decode(raw)
    assert math.isnan(data.value)
    assert axdr.encode(data) == raw
