"""Profile objects (billing and load logs): what a row of each holds and how many it keeps, from the use-case table.

Must not live here: what a meter records in them and when (``machines.parts.profile_log``).

Source: facts/use-cases.md; the shape (compact-array, arrays inside rows) is that of published responses, facts/gbcs.md
3.9 no. 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from devices.model import data_types, use_cases
from devices.model.data_types import DataType
from devices.wire import axdr
from devices.wire.axdr import Data, Tag, TypeDescription

__all__ = ["Column", "Profile", "empty", "profiles", "row_of_fields", "row_of_type"]

_PROFILE_CLASS, _BUFFER = 7, 2
_CAPACITY = re.compile(r"buffer\[\d+\.\.(\d+)\]")
_REPEATED = re.compile(r"\[1\.\.(\d+)\]\.[^.]*$")  # "tariffTOURegisterValues[1..48].value": an array inside the row
_COLUMN = re.compile(r"\.([A-Za-z_0-9]+)(?:\[[^\]]*\]\.[^.]*)?$")
_TWIN = "twin"


@dataclass(frozen=True, slots=True)
class Column:
    """One element of a row, called as in the use-case table; ``count`` of values where it is an array, else 0."""

    name: str
    type: TypeDescription
    count: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile object: its rows, of which it keeps ``capacity``, the oldest going first."""

    obis: bytes
    name: str
    columns: tuple[Column, ...]
    capacity: int

    @property
    def row(self) -> TypeDescription:
        """The type of one row."""
        return TypeDescription(Tag.STRUCTURE, tuple(column.type for column in self.columns))

    @property
    def key(self) -> tuple[int, bytes, int]:
        """Class, OBIS code and attribute of the buffer."""
        return _PROFILE_CLASS, self.obis, _BUFFER


@cache
def profiles(device: str, elements: int = 1) -> Mapping[bytes, Profile]:
    """The profiles of a kind of device by OBIS code.  A meter with two elements has columns that others lack."""
    found: dict[bytes, Profile] = {}
    for use_case in use_cases.all_use_cases():
        if device not in use_case.devices:
            continue
        for obis, name, fields in _sources(use_case):
            columns = tuple(_columns(fields, elements))
            if columns and obis not in found:
                capacity = next(int(c[1]) for c in (_CAPACITY.search(f["name"]) for f in fields) if c)
                found[obis] = Profile(obis, name.partition(" / ")[0], columns, capacity)
    return found


def _sources(use_case: use_cases.UseCase) -> Iterator[tuple[bytes, str, tuple[Mapping[str, Any], ...]]]:
    for row in use_case.dlms:
        if row.class_id == _PROFILE_CLASS and row.index == _BUFFER and row.obis is not None:
            yield row.obis, row.name, row.fields
        for part in row.protects:
            if part.class_id == _PROFILE_CLASS:
                yield part.obis, part.name, part.fields


def empty(row: TypeDescription) -> Data:
    """A profile of such rows that holds none."""
    return axdr.compact(row)


def row_of_type(text: str) -> TypeDescription:
    """The row of ``"compact-array of structure{...}"``.  Raises ``ValueError`` for another type."""
    (kind,) = data_types.parse(text)
    if kind.tag != Tag.COMPACT_ARRAY or not kind.elements:
        raise ValueError(f"type {text!r} is no compact-array of something")
    return _description(kind.elements[0][0])


def row_of_fields(fields: Iterable[Mapping[str, Any]], elements: int = 1) -> TypeDescription:
    """The row whose elements are ``fields`` of a buffer, as a meter with so many elements has them."""
    return TypeDescription(Tag.STRUCTURE, tuple(column.type for column in _columns(fields, elements)))


def _columns(fields: Iterable[Mapping[str, Any]], elements: int) -> Iterator[Column]:
    for field in fields:
        if "buffer[" not in field["name"] or (elements < 2 and _TWIN in field.get("only", "")):
            continue
        path = field["name"].partition("entry_")[2]
        name = _COLUMN.search(path)
        kind = _description(data_types.parse(field["type"])[0])
        repeated = _REPEATED.search(path)
        count = int(repeated[1]) if repeated else 0
        whole = TypeDescription(Tag.ARRAY, (kind,), count) if count else kind
        yield Column(name[1] if name else path, whole, count)


def _description(kind: DataType) -> TypeDescription:
    if kind.tag == Tag.STRUCTURE:
        return TypeDescription(Tag.STRUCTURE, tuple(_description(allowed[0]) for allowed in kind.elements or ()))
    return TypeDescription(kind.tag)
