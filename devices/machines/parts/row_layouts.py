"""What the rows of the use-case table say of DLMS data: types, the names of elements, and what is fixed.

Must not live here: values as JSON (``named_values``), which accesses a command makes (``building_dlms``).

Source: facts/use-cases.md ("dlms rows"); true is written FF (facts/gbcs.md 3.9 no. 4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from devices.model import data_types
from devices.model.data_types import DataType
from devices.model.use_cases import DlmsRow
from devices.wire.axdr import BitString, Data, Tag

__all__ = ["FALSE", "NUMBERS", "OCTETS", "TRUE", "Layout", "bits_of", "fixed_number", "layout_of"]

TRUE, FALSE = 0xFF, 0x00
NUMBERS: Final = {
    Tag.DOUBLE_LONG: (-(1 << 31), (1 << 31) - 1),
    Tag.DOUBLE_LONG_UNSIGNED: (0, (1 << 32) - 1),
    Tag.BCD: (-128, 255),
    Tag.INTEGER: (-128, 127),
    Tag.LONG: (-(1 << 15), (1 << 15) - 1),
    Tag.UNSIGNED: (0, 255),
    Tag.LONG_UNSIGNED: (0, (1 << 16) - 1),
    Tag.LONG64: (-(1 << 63), (1 << 63) - 1),
    Tag.LONG64_UNSIGNED: (0, (1 << 64) - 1),
    Tag.ENUM: (0, 255),
}
"""Whole numbers: the lowest and the highest."""

OCTETS: Final = (Tag.OCTET_STRING, Tag.DATE_TIME, Tag.DATE, Tag.TIME)
_NOTED: Final = re.compile(r"fixed value (0x[0-9A-Fa-f]+|\d+)\b")
_COUNTED: Final = re.compile(r"\[[^\]]*\]")
_ROWS: Final = re.compile(r"[^.\[]+\[[^\]]*\]\.")  # thresholds[1..3].threshold


@dataclass(frozen=True, slots=True)
class Layout:
    """One place in a value: its type, its name within the structure around it, what it is fixed to, its elements.

    ``tag`` -1 takes anything.  ``elements`` of an array is the one layout of its rows; None takes any elements.
    """

    tag: int
    name: str = ""
    fixed: Data | None = None
    elements: tuple[Layout, ...] | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether the table leaves no choice here."""
        if self.fixed is not None or self.tag in (Tag.NULL, Tag.DONT_CARE):
            return True
        return self.tag == Tag.STRUCTURE and bool(self.elements) and all(e.is_fixed for e in self.elements or ())


def fixed_number(text: str) -> int | None:
    """The number of a value that the table fixes (``"0x33"``, ``"5"``); None where it states something else."""
    try:
        return int(text, 0)
    except ValueError:
        return None


# ------------------------------------------------------------------------------------------------------------- layouts


@lru_cache(maxsize=1024)
def _parsed(text: str) -> DataType:
    return data_types.parse(text)[0]


_layouts: dict[int, tuple[DlmsRow, Layout]] = {}


def layout_of(row: DlmsRow) -> Layout:
    """The layout of the datum that goes with a row of the use-case table."""
    known = _layouts.get(id(row))
    if known is not None and known[0] is row:
        return known[1]
    layout = _layout(row)
    _layouts[id(row)] = (row, layout)
    return layout


def _layout(row: DlmsRow) -> Layout:
    kind = _parsed(_completed(row)) if row.data_type else DataType(-1)
    fields = [field for field in row.fields if field.get("type")]
    texts = [str(field.get("name", "")) for field in fields]
    if kind.tag not in (Tag.ARRAY, Tag.STRUCTURE) and texts and _ROWS.match(texts[0]):
        kind = DataType(Tag.ARRAY, ((kind,),))  # the table gives the type of one row of an array
    named = bool(fields) and _leaves(kind) == len(fields)
    paths = [_COUNTED.sub("", text).split(".") for text in texts]
    plain = _named_layout(kind, paths, fields) if named else _unnamed(kind)
    noted = _NOTED.search(row.note or "")
    if noted and plain.elements is None:
        return Layout(plain.tag, plain.name, _fixed(kind, noted[1]))
    return plain


def _completed(row: DlmsRow) -> str:
    """The type of a row; where the table cut it short, the row's fields complete it."""
    text = row.data_type or ""
    members = [str(field.get("type")) for field in row.fields]
    if text.endswith("...") and members and all(field.get("type") for field in row.fields):
        return f"{text.partition('{')[0]}{{{', '.join(members)}}}"
    return text


def _leaves(kind: DataType) -> int:
    """How many named fields a type takes; -1 where its elements are not told."""
    if kind.tag not in (Tag.ARRAY, Tag.STRUCTURE):
        return 1
    if kind.elements is None:
        return -1
    inner = [_leaves(element[0]) for element in kind.elements]
    return -1 if -1 in inner else sum(inner)


def _unnamed(kind: DataType) -> Layout:
    if kind.tag not in (Tag.ARRAY, Tag.STRUCTURE) or kind.elements is None:
        return Layout(kind.tag)
    return Layout(kind.tag, elements=tuple(_unnamed(element[0]) for element in kind.elements))


def _named_layout(kind: DataType, paths: list[list[str]], fields: list[Mapping[str, Any]], depth: int = 0) -> Layout:
    """The layout of ``kind`` whose leaves are ``fields`` in order; ``paths`` are the names, ``depth`` the part of them
    that the places around ``kind`` have in common.  An inner place is called by the next part that all its leaves
    share."""
    if kind.tag not in (Tag.ARRAY, Tag.STRUCTURE):
        return Layout(kind.tag, paths[0][-1], _fixed(kind, str(fields[0].get("value") or "")))
    shared = depth
    while all(len(path) > shared + 1 and path[shared] == paths[0][shared] for path in paths):
        shared += 1
    inner, at = [], 0
    for element in kind.elements or ():
        count = _leaves(element[0])
        part = slice(at, at + count)
        inner.append(_named_layout(element[0], paths[part], fields[part], shared))
        at += count
    return Layout(kind.tag, paths[0][depth] if shared > depth else "", elements=tuple(inner))


def _fixed(kind: DataType, text: str) -> Data | None:
    """The datum that a ``value`` of the table stands for; None where it leaves a choice or says nothing."""
    if not text or "|" in text:
        return None
    if kind.tag == Tag.BIT_STRING:
        bits = "" if text == "empty" else text.removeprefix("0b")[: kind.sample or None]
        return bits_of(bits) if set(bits) <= {"0", "1"} else None
    if kind.tag in OCTETS and text.startswith("0x"):
        return Data(kind.tag, bytes.fromhex(text[2:]))
    number = fixed_number(text)
    if number is None:
        return None
    if kind.tag == Tag.BOOLEAN:
        return Data(Tag.BOOLEAN, TRUE if number else FALSE)
    return Data(kind.tag, number) if kind.tag in NUMBERS else None


def bits_of(text: str) -> Data:
    """A bit string from its bits as text, ``"0110"``."""
    padded = text + "0" * (-len(text) % 8)
    octets = bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))
    return Data(Tag.BIT_STRING, BitString(len(text), octets))
