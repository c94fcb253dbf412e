"""Layouts of ZCL commands: the field language compiled into steps that read and write fields.

The language is described in ``zcl_fields``, its words are in ``zcl_types``.  A run of numbers is one step; records that
go to the end of a payload take at least an octet each, and those that are counted can't outlast it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from struct import Struct, error
from typing import Any, NamedTuple, Protocol, cast

from devices.wire.errors import DecodeError, EncodeError
from devices.wire.zcl_types import WORDS, Number, Type

__all__ = [
    "Field",
    "Fields",
    "Layout",
    "Records",
    "Value",
    "layout",
    "read_fields",
    "read_fields_partly",
    "write_fields",
]

_LAYER = "zcl"

Records = tuple["Fields", ...]
Value = int | bytes | str | Records
Field = tuple[str, Value]
Fields = tuple[Field, ...]


# ------------------------------------------------------------------------------------------------------------- steps


class Step(Protocol):
    """One or more fields of a layout, compiled."""

    def read(self, octets: bytes, position: int, end: int, found: list[Field]) -> int:
        """Add the fields at ``position`` to ``found``; returns the position after them."""
        ...

    def write(self, fields: Iterator[Field], written: list[Field]) -> bytes:
        """The octets of the next of ``fields``, which are added to ``written``."""
        ...


class _Run:
    """Numbers one after another, read in one go."""

    __slots__ = ("names", "size", "struct", "unpack")

    def __init__(self, names: tuple[str, ...], codes: str) -> None:
        self.names = names
        self.struct = Struct("<" + codes)
        self.size = self.struct.size
        self.unpack = self.struct.unpack_from

    def read(self, octets: bytes, position: int, end: int, found: list[Field]) -> int:
        after = position + self.size
        if after > end:
            raise DecodeError(_LAYER, end, f"the payload ends before {self.names[0]!r} to {self.names[-1]!r} do")
        found += zip(self.names, self.unpack(octets, position), strict=True)
        return after

    def write(self, fields: Iterator[Field], written: list[Field]) -> bytes:
        values = [_next(fields, name, written) for name in self.names]
        try:
            return self.struct.pack(*values)
        except error as cause:
            raise EncodeError(_LAYER, f"{self.names[0]!r} to {self.names[-1]!r}: {cause}") from None


class _One:
    """A field of a simple type."""

    __slots__ = ("kind", "name", "optional", "read_value")

    def __init__(self, name: str, kind: Type, optional: bool) -> None:
        self.name, self.kind, self.optional = name, kind, optional
        self.read_value = kind.read

    def read(self, octets: bytes, position: int, end: int, found: list[Field]) -> int:
        if position >= end and self.optional:
            return position
        value, position = self.read_value(octets, position, end)
        found.append((self.name, value))
        return position

    def write(self, fields: Iterator[Field], written: list[Field]) -> bytes:
        return self.kind.write(_next(fields, self.name, written))


class _Many:
    """A field of records: to the end, as many as another field says, or exactly one."""

    __slots__ = ("count", "mask", "name", "steps")

    def __init__(self, name: str, steps: tuple[Step, ...], count: str | int | None, mask: int) -> None:
        self.name, self.steps, self.count, self.mask = name, steps, count, mask

    def read(self, octets: bytes, position: int, end: int, found: list[Field]) -> int:
        records: list[Fields] = []
        count = self._expected(found)
        while len(records) != count and (position < end or count is not None):
            record: list[Field] = []
            try:
                for step in self.steps:
                    position = step.read(octets, position, end, record)
            except DecodeError:
                found.append((self.name, (*records, *((tuple(record),) if record else ()))))
                raise
            records.append(tuple(record))
        found.append((self.name, tuple(records)))
        return position

    def write(self, fields: Iterator[Field], written: list[Field]) -> bytes:
        expected = self._expected(written)
        records = _next(fields, self.name, written)
        if not isinstance(records, tuple) or (expected is not None and len(records) != expected):
            raise EncodeError(
                _LAYER, f"{self.name!r} needs {expected if expected is not None else 'a tuple of'} records"
            )
        return b"".join([_write(self.steps, record) for record in records])

    def _expected(self, before: Sequence[Field]) -> int | None:
        if isinstance(self.count, str):
            return _number(before, self.count) & self.mask
        return self.count


class _Choice:
    """A field whose type another field chooses."""

    __slots__ = ("by", "cases", "name")

    def __init__(self, name: str, by: str, cases: Mapping[int, Step]) -> None:
        self.name, self.by, self.cases = name, by, cases

    def read(self, octets: bytes, position: int, end: int, found: list[Field]) -> int:
        step = self.cases.get(_number(found, self.by))
        if step is None:
            raise DecodeError(_LAYER, position, f"{self.by!r} is {_number(found, self.by)}: no layout of {self.name!r}")
        return step.read(octets, position, end, found)

    def write(self, fields: Iterator[Field], written: list[Field]) -> bytes:
        step = self.cases.get(_number(written, self.by))
        if step is None:
            raise EncodeError(_LAYER, f"{self.by!r} is {_number(written, self.by)}: no layout of {self.name!r}")
        return step.write(fields, written)


def _next(fields: Iterator[Field], name: str, written: list[Field]) -> Value:
    field = next(fields, None)
    if field is None or field[0] != name:
        raise EncodeError(
            _LAYER, f"field {field[0]!r} where {name!r} belongs" if field else f"field {name!r} is missing"
        )
    written.append(field)
    return field[1]


def _number(fields: Sequence[Field], name: str) -> int:
    for own, value in reversed(fields):
        if own == name and isinstance(value, int):
            return value
    raise EncodeError(_LAYER, f"{name!r} is no number")


# ------------------------------------------------------------------------------------------------------------ layouts


class Layout(NamedTuple):
    """A command: its name, its fields as they are in the table, the compiled steps, and of all simple fields, those of
    records too, the words of their types by their names."""

    name: str
    fields: tuple[tuple[Any, ...], ...]
    kinds: Mapping[str, str]
    steps: tuple[Step, ...]


def layout(name: str, fields: Sequence[Sequence[Any]]) -> Layout:
    """The layout of a command.  Raises ``KeyError`` for a word that the field language does not have."""
    return Layout(name, tuple(map(tuple, fields)), dict(_kinds(fields)), compiled(fields))


def compiled(fields: Sequence[Sequence[Any]]) -> tuple[Step, ...]:
    """The steps of fields written in the field language.  Raises ``KeyError`` for a word that is none of it."""
    steps: list[Step] = []
    for simple, group in groupby(fields, _run_code):
        if simple:
            run = list(group)
            steps.append(
                _Run(tuple(name for name, *_ in run), "".join(cast("Number", WORDS[kind]).code for _, kind in run))
            )
        else:
            steps += [_compiled(name, kind, bool(optional)) for name, kind, *optional in group]
    return tuple(steps)


def _run_code(field: Sequence[Any]) -> bool:
    """Whether the field can be part of a run of numbers."""
    kind = WORDS[field[1]] if isinstance(field[1], str) else None
    return isinstance(kind, Number) and bool(kind.code) and len(field) == 2


def _compiled(name: str, kind: Any, optional: bool = False) -> Step:
    if isinstance(kind, str):
        return _One(name, WORDS[kind], optional)
    if "by" in kind:
        cases = {
            int(value): _compiled(name, case) for values, case in kind["cases"].items() for value in values.split()
        }
        return _Choice(name, kind["by"], cases)
    if "record" in kind:
        return _Many(name, compiled(kind["record"]), 1, 0)
    return _Many(name, compiled(kind["records"]), kind.get("count"), kind.get("mask", -1))


def _kinds(fields: Sequence[Sequence[Any]]) -> Iterator[tuple[str, str]]:
    """Names and types of all simple fields, those of records too."""
    for name, kind, *_ in fields:
        if isinstance(kind, str):
            yield name, kind
            continue
        for one in kind["cases"].values() if "by" in kind else (kind,):
            yield from _kinds(one.get("record") or one.get("records") or ())


def read_fields(layout: Layout, octets: bytes) -> Fields:
    """The fields that octets are, to the last of them.  Raises ``DecodeError``."""
    position, end = 0, len(octets)
    found: list[Field] = []
    for step in layout.steps:
        position = step.read(octets, position, end, found)
    if position != end:
        raise DecodeError(_LAYER, position, f"{end - position} octets left over after {layout.name}")
    return tuple(found)


def read_fields_partly(layout: Layout, octets: bytes) -> tuple[Fields, DecodeError]:
    """The fields that can be read of octets that :func:`read_fields` refuses, and what is wrong after them."""
    position, end = 0, len(octets)
    found: list[Field] = []
    try:
        for step in layout.steps:
            position = step.read(octets, position, end, found)
    except DecodeError as fault:
        return tuple(found), fault
    return tuple(found), DecodeError(_LAYER, position, f"{end - position} octets left over after {layout.name}")


def write_fields(layout: Layout, fields: Fields) -> bytes:
    """The octets of fields.  Raises ``EncodeError`` where fields and layout differ."""
    try:
        return _write(layout.steps, fields)
    except (TypeError, IndexError) as cause:
        raise EncodeError(_LAYER, f"{layout.name}: fields are pairs of name and value: {cause}") from None


def _write(steps: tuple[Step, ...], fields: Fields) -> bytes:
    written: list[Field] = []
    parts = []
    rest = iter(fields)
    for step in steps:
        if len(written) == len(fields) and isinstance(step, _One) and step.optional:
            break
        parts.append(step.write(rest, written))
    if len(written) != len(fields):
        raise EncodeError(_LAYER, f"field {fields[len(written)][0]!r} is none of the layout's")
    return b"".join(parts)
