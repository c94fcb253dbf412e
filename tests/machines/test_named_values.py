"""Values under their own names: layouts out of rows of the table, data into JSON types and back, what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from devices.machines.core import MachineError
from devices.machines.parts.named_values import ABSENT, from_json, to_json
from devices.machines.parts.row_layouts import NUMBERS, Layout, bits_of, fixed_number, layout_of
from devices.model.use_cases import DlmsRow
from devices.wire import axdr
from devices.wire.axdr import BitString, Data, Tag


def _row(data_type: str | None, *fields: tuple[str, str, str | None], note: str | None = None) -> DlmsRow:
    """A row of the table with fields of name, type and value."""
    told = [{"name": name, "type": kind} | ({} if value is None else {"value": value}) for name, kind, value in fields]
    return DlmsRow("set", 1, bytes(6), 2, "anything", data_type, note=note, fields=tuple(told))


U8, U16, OCTETS, TEXT = Tag.UNSIGNED, Tag.LONG_UNSIGNED, Tag.OCTET_STRING, Tag.VISIBLE_STRING

LAYOUTS: dict[str, tuple[DlmsRow, Layout]] = {
    "a number": (_row("long-unsigned"), Layout(U16)),
    "no type": (_row(None), Layout(-1)),
    "fixed by its note": (_row("enum", note="fixed value 5"), Layout(Tag.ENUM, fixed=axdr.enum(5))),
    "fixed in hexadecimal": (
        _row("boolean", note="fixed value 0x01; as is"),
        Layout(Tag.BOOLEAN, fixed=Data(Tag.BOOLEAN, 0xFF)),
    ),
    "fixed to false": (_row("boolean", note="fixed value 0"), Layout(Tag.BOOLEAN, fixed=Data(Tag.BOOLEAN, 0))),
    "a structure with a fixed element": (
        _row(
            "structure{enum, enum}",
            ("account.mode", "enum", "0x01 credit | 0x02 prepayment"),
            ("account.status", "enum", "1"),
        ),
        Layout(Tag.STRUCTURE, "account", elements=(Layout(Tag.ENUM, "mode"), Layout(Tag.ENUM, "status", axdr.enum(1)))),
    ),
    "a structure whose note fixes nothing": (
        _row("structure{enum, enum}", note="fixed value 1"),
        Layout(Tag.STRUCTURE, elements=(Layout(Tag.ENUM), Layout(Tag.ENUM))),
    ),
    "an inner structure": (
        _row(
            "structure{structure{integer, integer}, structure{long-unsigned, octet-string(6)}, octet-string(4)}",
            ("charge.scaling.commodity", "integer", "0"),
            ("charge.scaling.price", "integer", None),
            ("charge.reference.class_id", "long-unsigned", "3"),
            ("charge.reference.logical_name", "octet-string(6)", "0x0100010800FF"),
            ("charge.name", "octet-string(4)", None),
        ),
        Layout(
            Tag.STRUCTURE,
            "charge",
            elements=(
                Layout(
                    Tag.STRUCTURE,
                    "scaling",
                    elements=(Layout(Tag.INTEGER, "commodity", axdr.i8(0)), Layout(Tag.INTEGER, "price")),
                ),
                Layout(
                    Tag.STRUCTURE,
                    "reference",
                    elements=(
                        Layout(U16, "class_id", axdr.u16(3)),
                        Layout(OCTETS, "logical_name", axdr.octets(bytes.fromhex("0100010800ff"))),
                    ),
                ),
                Layout(OCTETS, "name"),
            ),
        ),
    ),
    "an array of structures": (
        _row(
            "array of structure{unsigned, octet-string(4)}",
            ("days[1..16].day.id", "unsigned", None),
            ("days[1..16].day.start", "octet-string(4)", None),
        ),
        Layout(
            Tag.ARRAY,
            "days",
            elements=(Layout(Tag.STRUCTURE, "", elements=(Layout(U8, "id"), Layout(OCTETS, "start"))),),
        ),
    ),
    "an array of which the table gives the row": (
        _row("unsigned", ("thresholds[1..3].threshold", "unsigned", None)),
        Layout(Tag.ARRAY, "thresholds", elements=(Layout(U8, "threshold"),)),
    ),
    "more fields than elements": (
        _row("structure{unsigned, unsigned}", ("a.x", "unsigned", None)),
        Layout(Tag.STRUCTURE, elements=(Layout(U8), Layout(U8))),
    ),
    "elements that are not told": (_row("structure", ("a.x", "unsigned", None)), Layout(Tag.STRUCTURE)),
    "cut short and completed by its fields": (
        _row("structure{unsigned, long-uns...", ("a.x", "unsigned", None), ("a.y", "long-unsigned", None)),
        Layout(Tag.STRUCTURE, "a", elements=(Layout(U8, "x"), Layout(U16, "y"))),
    ),
    "bits": (
        _row(
            "structure{bit-string(3), bit-string(0), bit-string(4)}",
            ("a.x", "bit-string(3)", "0b101"),
            ("a.y", "bit-string(0)", "empty"),
            ("a.z", "bit-string(4)", "as set"),
        ),
        Layout(
            Tag.STRUCTURE,
            "a",
            elements=(
                Layout(Tag.BIT_STRING, "x", Data(Tag.BIT_STRING, BitString(3, b"\xa0"))),
                Layout(Tag.BIT_STRING, "y", Data(Tag.BIT_STRING, BitString(0, b""))),
                Layout(Tag.BIT_STRING, "z"),
            ),
        ),
    ),
    "texts and times that are fixed to no number": (
        _row(
            "structure{visible-string(2), octet-string(2)}",
            ("a.x", "visible-string(2)", "12"),
            ("a.y", "octet-string(2)", "any"),
        ),
        Layout(Tag.STRUCTURE, "a", elements=(Layout(TEXT, "x"), Layout(OCTETS, "y"))),
    ),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_what_the_table_says_of_a_value(case: str) -> None:
    row, layout = LAYOUTS[case]
    first = layout_of(row)
    assert first == layout
    assert layout_of(row) is first


def test_what_the_table_leaves_no_choice_for() -> None:
    fixed, free = Layout(U8, fixed=axdr.u8(1)), Layout(U8)
    cases = [
        (fixed, True),
        (free, False),
        (Layout(Tag.NULL), True),
        (Layout(Tag.DONT_CARE), True),
        (Layout(Tag.STRUCTURE, elements=(fixed, Layout(Tag.NULL))), True),
        (Layout(Tag.STRUCTURE, elements=(fixed, free)), False),
        (Layout(Tag.STRUCTURE, elements=()), False),
        (Layout(Tag.STRUCTURE), False),
        (Layout(Tag.ARRAY, elements=(fixed,)), False),
    ]
    assert [layout.is_fixed for layout, _ in cases] == [is_fixed for _, is_fixed in cases]


def test_numbers_and_bits_out_of_texts() -> None:
    assert [fixed_number(text) for text in ("0x33", "5", "empty", "")] == [0x33, 5, None, None]
    for text, octets in (("", b""), ("1", b"\x80"), ("00000001", b"\x01"), ("000000011", b"\x01\x80")):
        assert bits_of(text) == Data(Tag.BIT_STRING, BitString(len(text), octets))


# ---------------------------------------------------------------------------------------------------------- both ways

NAMED = Layout(Tag.STRUCTURE, "a", elements=(Layout(U8, "x"), Layout(U8, "y", axdr.u8(7)), Layout(TEXT, "z")))
PLACED = Layout(
    Tag.STRUCTURE,
    elements=(Layout(Tag.STRUCTURE, elements=(Layout(U8, "x"),)), Layout(Tag.STRUCTURE, elements=(Layout(U8, "x"),))),
)
TWICE = Layout(Tag.STRUCTURE, elements=(Layout(U8, "x"), Layout(U8, "x")))
FIXED_PART = Layout(Tag.STRUCTURE, "f", elements=(Layout(U8, "k", axdr.u8(1)),))
HOLDER = Layout(Tag.STRUCTURE, "h", elements=(FIXED_PART, Layout(U8, "x")))

BOTH_WAYS: dict[str, tuple[Any, Layout, Data]] = {
    "a number": (5, Layout(U8), axdr.u8(5)),
    "of another type": ({"as": "long", "value": -5}, Layout(U8), axdr.i16(-5)),
    "of any type": ({"as": "unsigned", "value": 5}, Layout(-1), axdr.u8(5)),
    "true": (True, Layout(Tag.BOOLEAN), Data(Tag.BOOLEAN, 0xFF)),
    "false": (False, Layout(Tag.BOOLEAN), Data(Tag.BOOLEAN, 0)),
    "true as a few write it": (1, Layout(Tag.BOOLEAN), Data(Tag.BOOLEAN, 1)),
    "true as nearly nobody writes it": (254, Layout(Tag.BOOLEAN), Data(Tag.BOOLEAN, 254)),
    "bits": ("0110", Layout(Tag.BIT_STRING), Data(Tag.BIT_STRING, BitString(4, b"\x60"))),
    "no bits": ("", Layout(Tag.BIT_STRING), Data(Tag.BIT_STRING, BitString(0, b""))),
    "octets": ("00ff", Layout(OCTETS), axdr.octets(b"\x00\xff")),
    "a text": ("abc", Layout(TEXT), Data(TEXT, b"abc")),
    "a text that is none": ({"hex": "ff00"}, Layout(TEXT), Data(TEXT, b"\xff\x00")),
    "nothing": (None, Layout(Tag.NULL), axdr.null()),
    "a list": ([1, 2], Layout(Tag.ARRAY, elements=(Layout(U8),)), axdr.array(axdr.u8(1), axdr.u8(2))),
    "a list of anything": (
        [{"as": "unsigned", "value": 1}, {"as": "null", "value": None}],
        Layout(Tag.ARRAY),
        axdr.array(axdr.u8(1), axdr.null()),
    ),
    "a list of what is fixed": (
        [1, 2],
        Layout(Tag.ARRAY, elements=(Layout(U8, fixed=axdr.u8(1)),)),
        axdr.array(axdr.u8(1), axdr.u8(2)),
    ),
    "names": ({"x": 5, "z": "t"}, NAMED, axdr.structure(axdr.u8(5), axdr.u8(7), Data(TEXT, b"t"))),
    "names with what is fixed otherwise": (
        {"x": 5, "y": 8, "z": "t"},
        NAMED,
        axdr.structure(axdr.u8(5), axdr.u8(8), Data(TEXT, b"t")),
    ),
    "places for names": (
        {"element 1": {"x": 1}, "element 2": {"x": 2}},
        PLACED,
        axdr.structure(axdr.structure(axdr.u8(1)), axdr.structure(axdr.u8(2))),
    ),
    "names that come twice": ([1, 2], TWICE, axdr.structure(axdr.u8(1), axdr.u8(2))),
    "no names": (
        [1, 2],
        Layout(Tag.STRUCTURE, elements=(Layout(U8), Layout(U8))),
        axdr.structure(axdr.u8(1), axdr.u8(2)),
    ),
    "another number of elements": ([{"as": "unsigned", "value": 5}], NAMED, axdr.structure(axdr.u8(5))),
    "elements that are not told": ([{"as": "unsigned", "value": 5}], Layout(Tag.STRUCTURE), axdr.structure(axdr.u8(5))),
    "a part that is fixed whole": ({"x": 2}, HOLDER, axdr.structure(axdr.structure(axdr.u8(1)), axdr.u8(2))),
    "a list of parts that are fixed whole": (
        [{}],
        Layout(Tag.ARRAY, elements=(FIXED_PART,)),
        axdr.array(axdr.structure(axdr.u8(1))),
    ),
}


@pytest.mark.parametrize("case", BOTH_WAYS)
def test_a_value_and_its_names_say_the_same(case: str) -> None:
    named, layout, data = BOTH_WAYS[case]
    found = to_json(data, layout)
    assert found == named
    assert type(found) is type(named)
    assert from_json(named, layout, "x") == data


def test_every_type_of_number_has_its_ends() -> None:
    """The whole numbers of DLMS, by the width and sign of each type."""
    widths = {
        Tag.DOUBLE_LONG: (-(2**31), 2**31 - 1),
        Tag.DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
        Tag.BCD: (-128, 255),
        Tag.INTEGER: (-128, 127),
        Tag.LONG: (-(2**15), 2**15 - 1),
        Tag.UNSIGNED: (0, 255),
        Tag.LONG_UNSIGNED: (0, 2**16 - 1),
        Tag.LONG64: (-(2**63), 2**63 - 1),
        Tag.LONG64_UNSIGNED: (0, 2**64 - 1),
        Tag.ENUM: (0, 255),
    }
    assert widths == NUMBERS
    for tag, (low, high) in widths.items():
        assert [from_json(number, Layout(tag), "x").value for number in (low, high)] == [low, high]
        for number in (low - 1, high + 1):
            with pytest.raises(MachineError, match=f"argument x: expected a whole number from {low} to {high}"):
                from_json(number, Layout(tag), "x")


def test_what_the_table_fixes_may_be_left_out() -> None:
    fixed = Layout(U8, fixed=axdr.u8(7))
    assert to_json(axdr.u8(7), fixed) is ABSENT
    assert to_json(axdr.u8(8), fixed) == 8
    assert from_json(ABSENT, fixed, "x") == axdr.u8(7)
    for tag in (Tag.NULL, Tag.DONT_CARE):
        assert from_json(ABSENT, Layout(tag), "x") == Data(tag, None)
    assert from_json(ABSENT, FIXED_PART, "x") == axdr.structure(axdr.u8(1))
    with pytest.raises(MachineError, match="argument x is missing; give it a value"):
        from_json(ABSENT, HOLDER, "x")


def test_other_ways_to_write_a_value() -> None:
    moment = bytes.fromhex("07df0b07ff0c000000 8000ff".replace(" ", ""))
    cases: list[tuple[Any, Layout, Data]] = [
        (b"\x01\x02", Layout(OCTETS), axdr.octets(b"\x01\x02")),
        (b"\x01\x02", Layout(TEXT), Data(TEXT, b"\x01\x02")),
        ("2015-11-07T12:00:00Z", Layout(OCTETS), axdr.octets(moment)),
        ("2015-11-07T13:00:00+01:00", Layout(Tag.DATE_TIME), Data(Tag.DATE_TIME, moment)),
        ([5, 8, "t"], NAMED, axdr.structure(axdr.u8(5), axdr.u8(8), Data(TEXT, b"t"))),
        (2, Layout(Tag.FLOAT32), Data(Tag.FLOAT32, 2.0)),
        (2.5, Layout(Tag.FLOAT64), Data(Tag.FLOAT64, 2.5)),
        (255, Layout(Tag.BOOLEAN), Data(Tag.BOOLEAN, 255)),
        ((1, 2), Layout(Tag.ARRAY, elements=(Layout(U8),)), axdr.array(axdr.u8(1), axdr.u8(2))),
    ]
    for value, layout, data in cases:
        assert from_json(value, layout, "x") == data


REFUSED: dict[str, tuple[Any, Layout, str]] = {
    "an unknown type": ({"as": "word", "value": 1}, Layout(U8), "argument x: no type is called 'word'; name a DLMS"),
    "no type": (5, Layout(-1), 'argument x: the table gives no type; write {"as": type'),
    "true for a number": (True, Layout(U8), "argument x: expected a whole number from 0 to 255, got 'True'"),
    "a text for a number": ("5", Layout(U8), "argument x: expected a whole number from 0 to 255, got '5'"),
    "a number out of boolean": (256, Layout(Tag.BOOLEAN), "argument x: expected true or false, got '256'"),
    "a negative boolean": (-1, Layout(Tag.BOOLEAN), "argument x: expected true or false, got '-1'"),
    "a text for a boolean": ("true", Layout(Tag.BOOLEAN), "argument x: expected true or false, got 'true'"),
    "no bits": ("012", Layout(Tag.BIT_STRING), "argument x: expected bits such as 0110, got '012'"),
    "a number for bits": (1, Layout(Tag.BIT_STRING), "argument x: expected bits such as 0110, got '1'"),
    "no hexadecimal": ("0g", Layout(OCTETS), "argument x: expected octets in hexadecimal, got '0g'"),
    "a number for octets": (5, Layout(OCTETS), "argument x: expected octets in hexadecimal, got '5'"),
    "a month that there is not": ("2015-13-07T12:00:00Z", Layout(OCTETS), "argument x: expected a time such as 2015"),
    "no zone": ("2015-11-07T12:00:00", Layout(OCTETS), "argument x: expected a time with its zone, such as 2015"),
    "a date without time": ("2015-11-07", Layout(OCTETS), "argument x: expected octets in hexadecimal"),
    "no ASCII": ("é", Layout(TEXT), "argument x: expected a text of ASCII characters, got 'é'"),
    "a number for a text": (5, Layout(TEXT), "argument x: expected octets in hexadecimal, got '5'"),
    "something for nothing": (5, Layout(Tag.NULL), "argument x: expected nothing (null), got '5'"),
    "something for what nobody cares": (5, Layout(Tag.DONT_CARE), "argument x: expected nothing (null), got '5'"),
    "a text for a float": ("5", Layout(Tag.FLOAT32), "argument x: expected a value of type float32, got '5'"),
    "a number for an unnamed type": (
        5,
        Layout(Tag.COMPACT_ARRAY),
        "argument x: expected a value of type compact-array",
    ),
    "names for a list": ({"a": 1}, Layout(Tag.ARRAY), "argument x: expected a list, got \"{'a': 1}\""),
    "a text for a list": ("ab", Layout(Tag.ARRAY), "argument x: expected a list, got 'ab'"),
    "octets for a list": (b"ab", Layout(Tag.ARRAY), "argument x: expected a list, got"),
    "a number for a list": (5, Layout(Tag.ARRAY), "argument x: expected a list, got '5'"),
    "a bad element of a list": (
        [1, "b"],
        Layout(Tag.ARRAY, elements=(Layout(U8),)),
        "argument x[1]: expected a whole number",
    ),
    "a bad element by name": ({"x": "b", "z": ""}, NAMED, "argument x.x: expected a whole number"),
    "a bad element by place": ([1, 2, 3], NAMED, "argument x[2]: expected octets"),
    "a bad element that is not foreseen": ([1], NAMED, "argument x[0]: the table gives no type"),
    "a name that there is not": (
        {"x": 1, "w": 1, "v": 1},
        NAMED,
        "argument x: expected x, y, z, got v, w; correct it",
    ),
    "a name that is missing": ({"x": 1}, NAMED, "argument x.z is missing; give it a value"),
    "names where there are none": (
        {"x": 1},
        TWICE,
        "argument x: expected a list, for the table names no elements here",
    ),
    "names of what is not told": (
        {"x": 1},
        Layout(Tag.STRUCTURE),
        "argument x: expected a list, for the table names no",
    ),
    "a text for a structure": ("ab", NAMED, "argument x: expected names and values, or a list, got 'ab'"),
    "octets for a structure": (b"ab", NAMED, "argument x: expected names and values, or a list, got"),
    "a number for a structure": (5, NAMED, "argument x: expected names and values, or a list, got '5'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_value_is_refused_with_its_place(case: str) -> None:
    value, layout, reason = REFUSED[case]
    with pytest.raises(MachineError, match=re.escape(reason)):
        from_json(value, layout, "x")


def test_a_long_value_is_quoted_in_part() -> None:
    with pytest.raises(MachineError) as refused:
        from_json("y" * 81, Layout(U8), "x")
    assert str(refused.value).endswith(f", got '{'y' * 80}'")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (Data(Tag.BIT_STRING, BitString(4, b"\x61")), "bits set behind its end"),
        (axdr.compact(axdr.TypeDescription(U8)), "compact-array in a command"),
    ],
)
def test_what_has_no_named_form(data: Data, reason: str) -> None:
    with pytest.raises(MachineError, match=reason):
        to_json(data, Layout(data.tag))
