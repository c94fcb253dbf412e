"""The shape of a payload: results, tags and nesting without the values, to hold one answer against another.

Two payloads of one shape have the same results and the same types and tags all the way down.  Arrays may be of any
length, though not empty where the other's is not, and a compact-array counts as the array of its elements; what an
array holds is told by its rows.

Must not live here: octets (``wire``), which answers are to be compared.

Source: facts/gbcs.md 3.1, 3.9.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

from devices.wire import cosem
from devices.wire.axdr import CompactArray, Data, Tag, TypeDescription

__all__ = ["Shape", "data_shape", "described", "fits", "shape"]

Shape = tuple[Any, ...] | str | int | None
"""Nested tuples of names and numbers.  ``("array", rows)`` holds every different shape of a row, sorted; no rows where
it is empty.  A shape is hashable and two are compared by :func:`fits`."""

_ARRAY = "array"


def shape(payload: object) -> Shape:
    """The shape of a decoded payload of any family.

    DLMS: kind of PDU, the shape of each datum, every result.  Other families: the classes and field names of the typed
    objects, whole numbers of enumerations kept out; sequences of any length count as arrays.
    """
    match payload:
        case cosem.AccessResponse():
            results = tuple((result.op, result.code) for result in payload.results)
            return ("access-response", bool(payload.date_time), tuple(map(data_shape, payload.data)), results)
        case cosem.AccessRequest():
            specs = tuple((s.op, s.class_id, s.obis, s.index, s.selector) for s in payload.specs)
            return ("access-request", bool(payload.date_time), specs, tuple(map(data_shape, payload.data)))
        case cosem.Notification():
            return ("notification", bool(payload.date_time), data_shape(payload.body))
        case _:
            return _typed(payload)


def data_shape(data: Data) -> Shape:
    """The tags of one A-XDR datum all the way down."""
    if data.tag == Tag.STRUCTURE:
        return ("structure", *map(data_shape, data.value))
    if data.tag == Tag.ARRAY:
        return _rows(map(data_shape, data.value))
    if isinstance(data.value, CompactArray):
        return (_ARRAY, described(data.value.description))
    return Tag(data.tag).name.lower()


def described(description: TypeDescription) -> Shape:
    """The shape of one row of a compact-array, from its type description."""
    if description.tag == Tag.STRUCTURE:
        return ("structure", *map(described, description.elements))
    if description.tag == Tag.ARRAY:
        return _rows(map(described, description.elements))
    return Tag(description.tag).name.lower()


def fits(got: Shape, wanted: Shape) -> bool:
    """Whether ``got`` has the shape of ``wanted``: where an empty array is wanted, any array will do."""
    if not isinstance(got, tuple) or not isinstance(wanted, tuple):
        return got == wanted
    if got[:1] == wanted[:1] == (_ARRAY,):
        ours, theirs = got[1:], wanted[1:]
        return not theirs or (bool(ours) and all(any(fits(one, other) for other in theirs) for one in ours))
    return len(got) == len(wanted) and all(map(fits, got, wanted))


def _rows(rows: Iterable[Shape]) -> Shape:
    return (_ARRAY, *sorted(set(rows), key=repr))


def _typed(value: object) -> Shape:
    if is_dataclass(value) and not isinstance(value, type):
        named = ((field.name, getattr(value, field.name)) for field in fields(value))
        return (type(value).__name__, *((name, _typed(part)) for name, part in named))
    if isinstance(value, list | tuple):
        if hasattr(value, "_fields"):
            names: tuple[str, ...] = value._fields
            return (type(value).__name__, *((name, _typed(part)) for name, part in zip(names, value, strict=True)))
        return _rows(map(_typed, value))
    return type(value).__name__
