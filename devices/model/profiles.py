"""The rows of profile objects (billing and load logs), read from the use-case table, and profiles with nothing in them.

Must not live here: what a meter records in them.

Source: facts/use-cases.md; the shape (compact-array, arrays inside rows) is that of published responses, facts/gbcs.md
3.9 no. 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from devices.model import data_types
from devices.model.data_types import DataType
from devices.wire import axdr
from devices.wire.axdr import Data, Tag, TypeDescription

__all__ = ["empty", "row_of_fields", "row_of_type"]

_REPEATED = re.compile(r"\[1\.\.(\d+)\]\.[^.]*$")  # "tariffTOURegisterValues[1..48].value": an array inside the row


def empty(row: TypeDescription) -> Data:
    """A profile of such rows that holds none."""
    return axdr.compact(row)


def row_of_type(text: str) -> TypeDescription:
    """The row of ``"compact-array of structure{...}"``.  Raises ``ValueError`` for another type."""
    (kind,) = data_types.parse(text)
    if kind.tag != Tag.COMPACT_ARRAY or not kind.elements:
        raise ValueError(f"type {text!r} is no compact-array of something")
    return _description(kind.elements[0][0])


def row_of_fields(fields: Iterable[Mapping[str, Any]]) -> TypeDescription:
    """The row whose elements are ``fields`` of a buffer, as a single element meter has them."""
    elements = []
    for field in fields:
        if "buffer[" not in field["name"] or "twin" in field.get("only", ""):
            continue
        kind = _description(data_types.parse(field["type"])[0])
        repeated = _REPEATED.search(field["name"].partition("entry_")[2])
        elements.append(TypeDescription(Tag.ARRAY, (kind,), int(repeated[1])) if repeated else kind)
    return TypeDescription(Tag.STRUCTURE, tuple(elements))


def _description(kind: DataType) -> TypeDescription:
    if kind.tag == Tag.STRUCTURE:
        return TypeDescription(Tag.STRUCTURE, tuple(_description(allowed[0]) for allowed in kind.elements or ()))
    return TypeDescription(kind.tag)
