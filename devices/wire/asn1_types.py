"""The simple types of ASN.1 payloads: how one element is read from octets at a position, and written.

Records and lists of them are in ``asn1_schema``; trees of unknown elements in ``asn1``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag
from typing import Any, Protocol

from devices.wire import asn1
from devices.wire.asn1 import Node, Tag
from devices.wire.errors import DecodeError, EncodeError

__all__ = [
    "BITS",
    "CERTIFICATE",
    "ENUMERATED",
    "INTEGER",
    "NULL",
    "OCTETS_4",
    "OCTETS_8",
    "OCTETS_32",
    "TIME",
    "Integer",
    "KeyUsage",
    "Kind",
    "Octets",
    "Reader",
    "Writer",
]

_LAYER = "asn1"


class KeyUsage(IntFlag):
    """The bits of a certificate's key usage, by their number in the BIT STRING."""

    DIGITAL_SIGNATURE = 1 << 0
    KEY_AGREEMENT = 1 << 4
    KEY_CERT_SIGN = 1 << 5
    CRL_SIGN = 1 << 6


class Reader:
    """Octets being read; counts elements and notes lengths that are longer than needed."""

    __slots__ = ("count", "lengths", "octets")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.count = 0
        self.lengths: list[tuple[int, int]] = []

    def enter(self, position: int, limit: int, tag: int) -> tuple[int, int]:
        """Start and end of the contents of the element at ``position``, which must have ``tag`` and fit ``limit``."""
        octets = self.octets
        if position + 2 > limit or octets[position] != tag:
            found = f"element {octets[position]:02x}" if position + 2 <= limit else "the end"
            raise DecodeError(_LAYER, position, f"{found}, expected {tag:02x}")
        length, start = octets[position + 1], position + 2
        if length >= 0x80:
            length, start, longer = asn1.read_long_length(octets, start, length - 0x80)
            if longer:
                self.lengths.append((self.count, longer))
        self.count += 1
        end = start + length
        if end > limit:
            raise DecodeError(_LAYER, position, f"element of {length} octets, {max(0, limit - start)} left")
        return start, end


class Writer:
    """Counts elements as :class:`Reader` does and gives each the length it had."""

    __slots__ = ("count", "lengths")

    def __init__(self, lengths: Mapping[int, int]) -> None:
        self.count = 0
        self.lengths = lengths

    def place(self) -> int:
        """The place of the element that begins now."""
        self.count += 1
        return self.count - 1

    def element(self, place: int, tag: int, contents: bytes) -> bytes:
        """The element with its header."""
        return asn1.header(tag, len(contents), self.lengths.get(place, 0) if self.lengths else 0) + contents


class Kind(Protocol):
    """A type of element: how to read one at a position and how to write one."""

    @property
    def tag(self) -> int:
        """Its identifier octet."""
        ...

    def read(self, reader: Reader, position: int, limit: int) -> tuple[Any, int]:
        """The value of the element at ``position`` and the position after it."""
        ...

    def write(self, writer: Writer, value: Any) -> bytes:
        """The element of ``value``."""
        ...


# ------------------------------------------------------------------------------------------------------- simple types


@dataclass(frozen=True)
class Integer:
    """INTEGER, or what is written like one under another tag."""

    tag: int = Tag.INTEGER

    def read(self, reader: Reader, position: int, limit: int) -> tuple[int, int]:
        start, end = reader.enter(position, limit, self.tag)
        octets = reader.octets[start:end]
        if not 0 < len(octets) <= 20:
            raise DecodeError(_LAYER, position, f"INTEGER of {len(octets)} octets, expected 1 to 20")
        if len(octets) > 1 and (octets[0], octets[1] >> 7) in ((0, 0), (0xFF, 1)):
            raise DecodeError(_LAYER, position, "INTEGER in a longer form than it needs")
        return int.from_bytes(octets, "big", signed=True), end

    def write(self, writer: Writer, value: int) -> bytes:
        return writer.element(writer.place(), self.tag, asn1.integer(value).octets)


@dataclass(frozen=True)
class Octets:
    """OCTET STRING of ``size`` octets, or of any number (None)."""

    size: int | None
    tag: int = Tag.OCTET_STRING

    def read(self, reader: Reader, position: int, limit: int) -> tuple[bytes, int]:
        start, end = reader.enter(position, limit, self.tag)
        if self.size is not None and end - start != self.size:
            raise DecodeError(_LAYER, position, f"OCTET STRING of {end - start} octets, expected {self.size}")
        return reader.octets[start:end], end

    def write(self, writer: Writer, value: bytes) -> bytes:
        if self.size is not None and len(value) != self.size:
            raise EncodeError(_LAYER, f"OCTET STRING of {len(value)} octets, expected {self.size}")
        return writer.element(writer.place(), self.tag, value)


@dataclass(frozen=True)
class _Bits:
    """A BIT STRING of named bits: the last bit is set, and of at most 16 bits."""

    tag: int = Tag.BIT_STRING

    def read(self, reader: Reader, position: int, limit: int) -> tuple[KeyUsage, int]:
        start, end = reader.enter(position, limit, self.tag)
        octets = reader.octets[start + 1 : end]
        unused = reader.octets[start] if end > start else 0xFF
        if not 0 < len(octets) <= 2 or unused > 7 or octets[-1] & ((2 << unused) - 1) != 1 << unused:
            raise DecodeError(_LAYER, position, f"{reader.octets[start:end].hex()} is no BIT STRING of named bits")
        written = "".join(f"{octet:08b}" for octet in octets)
        return KeyUsage(int(written[::-1], 2)), end

    def write(self, writer: Writer, value: int) -> bytes:
        if not 0 < value < 0x10000:
            raise EncodeError(_LAYER, f"{value:#x} has no bits, or bits above the 15th")
        written = f"{value:b}"[::-1]
        unused = -len(written) % 8
        octets = int(written + "0" * unused, 2).to_bytes((len(written) + unused) // 8, "big")
        return writer.element(writer.place(), self.tag, bytes((unused,)) + octets)


@dataclass(frozen=True)
class _Time:
    tag: int = Tag.GENERALIZED_TIME

    def read(self, reader: Reader, position: int, limit: int) -> tuple[datetime, int]:
        start, end = reader.enter(position, limit, self.tag)
        node = Node(Tag.GENERALIZED_TIME, reader.octets[start:end], offset=position)
        return asn1.to_generalized_time(node), end

    def write(self, writer: Writer, value: datetime) -> bytes:
        return writer.element(writer.place(), self.tag, asn1.generalized_time(value).octets)


@dataclass(frozen=True)
class _Null:
    tag: int = Tag.NULL

    def read(self, reader: Reader, position: int, limit: int) -> tuple[None, int]:
        start, end = reader.enter(position, limit, self.tag)
        if start != end:
            raise DecodeError(_LAYER, position, f"NULL of {end - start} octets")
        return None, end

    def write(self, writer: Writer, _value: None) -> bytes:
        return writer.element(writer.place(), self.tag, b"")


@dataclass(frozen=True)
class _Certificate:
    """A certificate or certification request: SEQUENCE of two SEQUENCEs and a BIT STRING, kept as its octets."""

    tag: int = Tag.SEQUENCE

    def read(self, reader: Reader, position: int, limit: int) -> tuple[bytes, int]:
        _, end = self._skip(reader.octets, position, limit, Tag.SEQUENCE, (Tag.SEQUENCE, Tag.SEQUENCE, Tag.BIT_STRING))
        reader.count += 1
        return reader.octets[position:end], end

    def _skip(self, octets: bytes, position: int, limit: int, tag: int, inner: tuple[int, ...]) -> tuple[int, int]:
        start, end = Reader(octets).enter(position, limit, tag)
        place = start
        for expected in inner:
            _, place = self._skip(octets, place, end, expected, ())
        if inner and place != end:
            raise DecodeError(_LAYER, place, f"{end - place} octets left over in a certificate")
        return start, end

    def write(self, writer: Writer, value: bytes) -> bytes:
        writer.place()
        try:
            _, end = self.read(Reader(value), 0, len(value))
        except DecodeError as cause:
            raise EncodeError(_LAYER, f"no certificate: {cause.reason}") from None
        if end != len(value):
            raise EncodeError(_LAYER, f"{len(value) - end} octets after the certificate")
        return value


INTEGER = Integer()
ENUMERATED = Integer(Tag.ENUMERATED)
OCTETS_4, OCTETS_8, OCTETS_32 = Octets(4), Octets(8), Octets(32)
BITS = _Bits()
TIME = _Time()
NULL = _Null()
CERTIFICATE = _Certificate()
