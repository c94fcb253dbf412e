"""Dataclasses from and to ASN.1 octets: each field names its type, and the layout is compiled once.

What the use cases carry is in ``asn1_credentials`` and ``asn1_devices``; trees of unknown elements are in ``asn1``.

Reading goes straight from octets to values; a certificate or a certification request stays the octets it is.
Lengths in more octets than needed occur in published messages (facts/gbcs.md 3.9): they are noted beside the value, as
pairs of the element's place (elements counted in the order in which they begin, a certificate being one) and its octets
of length, so that writing gives the same message again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Annotated, Any, Self, cast, get_args, get_origin, get_type_hints

from devices.wire import asn1
from devices.wire.asn1 import Node, Tag
from devices.wire.asn1_types import NULL, Kind, Reader, Writer
from devices.wire.errors import DecodeError, EncodeError

__all__ = ["Element", "Lengths", "Record", "Records", "SequenceOf", "Single", "read", "write"]

_LAYER = "asn1"

Lengths = tuple[tuple[int, int], ...]
"""Elements whose length takes more octets than needed: their place and the octets that follow the first."""


@dataclass(frozen=True)
class SequenceOf:
    """SEQUENCE OF ``kind``: a tuple of values."""

    kind: Kind
    tag: int = Tag.SEQUENCE

    def read(self, reader: Reader, position: int, limit: int) -> tuple[tuple[Any, ...], int]:
        """All elements; each takes at least two octets."""
        position, end = reader.enter(position, limit, self.tag)
        values, read_one = [], self.kind.read
        while position < end:
            value, position = read_one(reader, position, end)
            values.append(value)
        return tuple(values), end

    def write(self, writer: Writer, value: tuple[Any, ...]) -> bytes:
        """All elements."""
        place = writer.place()
        return writer.element(place, self.tag, b"".join([self.kind.write(writer, one) for one in value]))


class Element(ABC):
    """A dataclass that stands for one ASN.1 element, a :class:`Record` or a :class:`Single`."""

    __slots__ = ()

    @classmethod
    @abstractmethod
    def read_at(cls, reader: Reader, position: int, limit: int, tag: int) -> tuple[Self, int]:
        """Read the element at ``position``."""

    @abstractmethod
    def write_with(self, writer: Writer, tag: int) -> bytes:
        """Write the element."""

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read a tree.  Raises ``DecodeError`` for one of another shape."""
        return cast("Self", read((cls,), asn1.encode(node))[0])

    def to_node(self) -> Node:
        """The tree; its lengths are the shortest (but inside certificates)."""
        return asn1.decode(write(self))


class Record(Element):
    """A SEQUENCE whose elements are the fields, in their order; each is ``Annotated`` with its type.

    A field that may be None is an element that may be absent.
    """

    __slots__ = ()

    @classmethod
    def read_at(cls, reader: Reader, position: int, limit: int, tag: int) -> tuple[Self, int]:
        """Read the SEQUENCE at ``position``; nothing may be left over in it."""
        position, end = reader.enter(position, limit, tag)
        octets = reader.octets
        values: list[Any] = []
        for _, kind, optional in _layout(cls):
            if optional and (position >= end or octets[position] != kind.tag):
                values.append(None)
                continue
            value, position = kind.read(reader, position, end)
            values.append(value)
        if position != end:
            raise DecodeError(_LAYER, position, f"{end - position} octets left over in a SEQUENCE")
        return cls(*values), end

    def write_with(self, writer: Writer, tag: int) -> bytes:
        """Write the SEQUENCE."""
        place = writer.place()
        parts = []
        for name, kind, optional in _layout(type(self)):
            value = getattr(self, name)
            if value is not None or not optional:
                parts.append(kind.write(writer, value))
        return writer.element(place, tag, b"".join(parts))


class Single(Element):
    """An element that is the one field, or NULL where there is none.  ``tag`` is its own."""

    __slots__ = ()

    @classmethod
    def read_at(cls, reader: Reader, position: int, limit: int, tag: int) -> tuple[Self, int]:  # noqa: ARG003
        """Read the element at ``position``."""
        layout = _layout(cls)
        value, end = (layout[0][1] if layout else NULL).read(reader, position, limit)
        values = (value,) if layout else ()
        return cls(*values), end

    def write_with(self, writer: Writer, tag: int) -> bytes:  # noqa: ARG002
        """Write the element."""
        layout = _layout(type(self))
        return layout[0][1].write(writer, getattr(self, layout[0][0])) if layout else NULL.write(writer, None)


@dataclass(frozen=True)
class Records:
    """The type of an element that is a :class:`Record`."""

    of: type[Record]
    tag: int = Tag.SEQUENCE

    def read(self, reader: Reader, position: int, limit: int) -> tuple[Record, int]:
        """One record."""
        return self.of.read_at(reader, position, limit, self.tag)

    def write(self, writer: Writer, value: Record) -> bytes:
        """One record."""
        if not isinstance(value, self.of):
            raise EncodeError(_LAYER, f"{type(value).__name__}, expected {self.of.__name__}")
        return value.write_with(writer, self.tag)


_Layout = tuple[tuple[str, Kind, bool], ...]  # of each field its name, its type, and whether it may be absent

_LAYOUTS: dict[type[Element], _Layout] = {}


def _layout(cls: type[Element]) -> _Layout:
    """The layout of a class, compiled at its first use."""
    found = _LAYOUTS.get(cls)
    if found is None:
        hints = get_type_hints(cls, include_extras=True)
        layout = []
        for one in fields(cast("Any", cls)):
            hint = hints[one.name]
            if get_origin(hint) is not Annotated:
                raise TypeError(f"{cls.__name__}.{one.name} names no ASN.1 type")
            value, kind = get_args(hint)
            layout.append((one.name, kind, value is not type(None) and type(None) in get_args(value)))
        found = _LAYOUTS[cls] = tuple(layout)
    return found


def _first_tag(cls: type[Element]) -> int:
    """The identifier octet of an element of this class."""
    if issubclass(cls, Record):
        return Tag.SEQUENCE
    layout = _layout(cls)
    return layout[0][1].tag if layout else Tag.NULL


def read(kinds: tuple[type[Element], ...], octets: bytes) -> tuple[Element, Lengths]:
    """Read octets as the one of ``kinds`` that begins like them, and the lengths that are longer than needed.

    Raises ``DecodeError`` for anything else, and where octets are left over.
    """
    if not octets:
        raise DecodeError(_LAYER, 0, "no octets")
    reader = Reader(octets)
    kind = kinds[0]
    if len(kinds) > 1:
        kind = next((one for one in kinds if _first_tag(one) == octets[0]), kind)
    value, end = kind.read_at(reader, 0, len(octets), _first_tag(kind))
    if end != len(octets):
        raise DecodeError(_LAYER, end, f"{len(octets) - end} octets left over after the element")
    return value, tuple(reader.lengths)


def write(value: Element, lengths: Lengths = ()) -> bytes:
    """The octets of ``value``.  Raises ``EncodeError`` for values that its types can't carry."""
    try:
        return value.write_with(Writer(dict(lengths)), _first_tag(type(value)))
    except (AttributeError, TypeError) as cause:
        raise EncodeError(_LAYER, f"{type(value).__name__}: {cause}") from None
