"""ZCL values by their data type: the words of the field language and the type codes of attributes.

What a command carries lives in ``zcl_fields`` and its table.  Little-endian, as everything in ZCL.

Numbers are ints, octet strings, dates and other octets of a fixed size ``bytes``, character strings ``str``.  Floating
point numbers stay their octets: not every NaN survives a float.  Source: Zigbee Cluster Library, data types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from devices.wire.errors import DecodeError, EncodeError

__all__ = ["TYPES", "WORDS", "Scalar", "Type", "read_typed", "write_typed"]

_LAYER = "zcl"
_NO_STRING = 0xFF  # the length of a string that is no string
_DEEPEST = 8  # arrays and structures inside one another

Scalar = int | bytes | str


class Type(Protocol):
    """How values of one type are read and written.  ``name`` is its word."""

    @property
    def name(self) -> str:
        """The word of the field language."""
        ...

    def read(self, octets: bytes, position: int, end: int) -> tuple[Scalar, int]:
        """The value at ``position`` and the position after it; nothing from ``end`` on belongs to it."""
        ...

    def write(self, value: object) -> bytes:
        """The octets of a value.  Raises ``EncodeError`` for one that the type can't carry."""
        ...


@dataclass(frozen=True)
class Number:
    """A number of ``size`` octets; ``code`` is its letter in ``struct``, where there is one."""

    name: str
    size: int
    signed: bool = False
    code: str = ""

    def read(self, octets: bytes, position: int, end: int) -> tuple[int, int]:
        """Read it."""
        after = position + self.size
        if after > end:
            raise DecodeError(_LAYER, position, f"{self.name} needs {self.size} octets, {end - position} left")
        return int.from_bytes(octets[position:after], "little", signed=self.signed), after

    def write(self, value: object) -> bytes:
        """Write it."""
        if not isinstance(value, int):
            raise EncodeError(_LAYER, f"{self.name} needs a number, got {type(value).__name__}")
        try:
            return value.to_bytes(self.size, "little", signed=self.signed)
        except OverflowError:
            raise EncodeError(_LAYER, f"{value} does not fit {self.name}") from None


@dataclass(frozen=True)
class Fixed:
    """Octets of a fixed number, in the order of the wire."""

    name: str
    size: int

    def read(self, octets: bytes, position: int, end: int) -> tuple[bytes, int]:
        """Read it."""
        after = position + self.size
        if after > end:
            raise DecodeError(_LAYER, position, f"{self.name} needs {self.size} octets, {end - position} left")
        return octets[position:after], after

    def write(self, value: object) -> bytes:
        """Write it."""
        if not isinstance(value, bytes) or len(value) != self.size:
            raise EncodeError(_LAYER, f"{self.name} needs {self.size} octets, got {value!r}")
        return value


@dataclass(frozen=True)
class Eui64:
    """An EUI-64: most significant octet first here, last on the wire."""

    name: str = "eui64"

    def read(self, octets: bytes, position: int, end: int) -> tuple[bytes, int]:
        """Read it."""
        value, after = _EIGHT.read(octets, position, end)
        return value[::-1], after

    def write(self, value: object) -> bytes:
        """Write it."""
        return _EIGHT.write(value)[::-1]


_EIGHT = Fixed("eui64", 8)


@dataclass(frozen=True)
class String:
    """Octets, or a text in UTF-8, after a length of ``prefix`` octets."""

    name: str
    prefix: int
    text: bool

    def read(self, octets: bytes, position: int, end: int) -> tuple[bytes | str, int]:
        """Read it.  Octets that are no UTF-8 become lone surrogates, as Python has them, so that nothing is lost."""
        start = position + self.prefix
        if start > end:
            raise DecodeError(_LAYER, position, f"{self.name} needs its length, {end - position} octets left")
        length = int.from_bytes(octets[position:start], "little")
        after = start + length
        if length == (1 << 8 * self.prefix) - 1 or after > end:
            raise DecodeError(_LAYER, position, f"{self.name} of {length} octets, {end - start} left")
        value = octets[start:after]
        return (value.decode("utf-8", "surrogateescape") if self.text else value), after

    def write(self, value: object) -> bytes:
        """Write it."""
        if self.text and isinstance(value, str):
            try:
                value = value.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError as cause:
                raise EncodeError(_LAYER, f"{self.name}: {cause.reason}") from None
        elif self.text or not isinstance(value, bytes):
            raise EncodeError(
                _LAYER, f"{self.name} needs {'str' if self.text else 'bytes'}, got {type(value).__name__}"
            )
        if len(value) >= (1 << 8 * self.prefix) - 1:
            raise EncodeError(_LAYER, f"{self.name} of {len(value)} octets is too long")
        return len(value).to_bytes(self.prefix, "little") + value


_STRUCT_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


def _number(name: str, size: int, signed: bool = False) -> Number:
    code = _STRUCT_CODES.get(size, "")
    return Number(name, size, signed, code.lower() if signed else code)


_ALL: tuple[Type, ...] = (
    *(_number(f"data{8 * size}", size) for size in range(1, 9)),
    *(_number(f"bitmap{8 * size}", size) for size in range(1, 9)),
    *(_number(f"uint{8 * size}", size) for size in range(1, 9)),
    *(_number(f"int{8 * size}", size, signed=True) for size in range(1, 9)),
    _number("enum8", 1), _number("enum16", 2), _number("bool", 1), _number("nibbles", 1), _number("utc", 4),
    _number("cluster", 2), _number("attribute", 2), _number("bacnet", 4),
    Fixed("date", 4), Fixed("time of day", 4), Fixed("key", 16), Fixed("semi", 2), Fixed("single", 4),
    Fixed("double", 8), Eui64(),
    String("octets", 1, text=False), String("text", 1, text=True),
    String("long octets", 2, text=False), String("long text", 2, text=True),
)  # fmt: skip

WORDS: Mapping[str, Type] = {kind.name: kind for kind in _ALL}
"""The types by their words.  ``utc`` is seconds since 2000-01-01; ``nibbles`` two numbers of four bits in one octet."""

TYPES: Mapping[int, Type] = {
    **{0x08 + n: WORDS[f"data{8 * (n + 1)}"] for n in range(8)},
    0x10: WORDS["bool"],
    **{0x18 + n: WORDS[f"bitmap{8 * (n + 1)}"] for n in range(8)},
    **{0x20 + n: WORDS[f"uint{8 * (n + 1)}"] for n in range(8)},
    **{0x28 + n: WORDS[f"int{8 * (n + 1)}"] for n in range(8)},
    0x30: WORDS["enum8"], 0x31: WORDS["enum16"],
    0x38: WORDS["semi"], 0x39: WORDS["single"], 0x3A: WORDS["double"],
    0x41: WORDS["octets"], 0x42: WORDS["text"], 0x43: WORDS["long octets"], 0x44: WORDS["long text"],
    0xE0: WORDS["time of day"], 0xE1: WORDS["date"], 0xE2: WORDS["utc"],
    0xE8: WORDS["cluster"], 0xE9: WORDS["attribute"], 0xEA: WORDS["bacnet"],
    0xF0: WORDS["eui64"], 0xF1: WORDS["key"],
}  # fmt: skip
"""The types of attributes by their codes; the compound ones are in :func:`read_typed`."""

# ------------------------------------------------------------------------------------------------- attribute values

_NO_DATA = (0x00, 0xFF)
_STRINGS = {0x41: 1, 0x42: 1, 0x43: 2, 0x44: 2}
_ARRAYS = (0x48, 0x50, 0x51)  # array, set, bag: the elements' type, their number, the elements
_STRUCTURE = 0x4C  # the number of elements, each with its type


def read_typed(code: int, octets: bytes, position: int, end: int, depth: int = 0) -> tuple[object, int]:
    """The value of type ``code`` at ``position`` and the position after it.

    None: no data (00, FF), or a string that is none (length FF or FFFF).  Of an array, set or bag it is (element type,
    values), of a structure pairs of (type, value).  Raises ``DecodeError``.
    """
    kind = TYPES.get(code)
    if kind is not None:
        prefix = _STRINGS.get(code, 0)
        if prefix and octets[position : position + prefix] == b"\xff" * prefix and position + prefix <= end:
            return None, position + prefix
        return kind.read(octets, position, end)
    if code in _NO_DATA:
        return None, position
    if code not in _ARRAYS and code != _STRUCTURE:
        raise DecodeError(_LAYER, position - 1, f"attribute type {code:02x} is none of ZCL's")
    if depth >= _DEEPEST:
        raise DecodeError(_LAYER, position, f"nested deeper than {_DEEPEST}")
    if code == _STRUCTURE:
        count, position = _COUNT.read(octets, position, end)
        pairs: list[object] = []
        for _ in range(count):
            inner, position = _OCTET.read(octets, position, end)
            value, position = read_typed(inner, octets, position, end, depth + 1)
            pairs.append((inner, value))
        return tuple(pairs), position
    inner, position = _OCTET.read(octets, position, end)
    count, position = _COUNT.read(octets, position, end)
    if inner in _NO_DATA and count:
        raise DecodeError(_LAYER, position, f"{count} elements without data")
    values: list[object] = []
    for _ in range(count):
        value, position = read_typed(inner, octets, position, end, depth + 1)
        values.append(value)
    return (inner, tuple(values)), position


def write_typed(code: int, value: object, depth: int = 0) -> bytes:
    """The octets of a value of type ``code``, without the code.  Raises ``EncodeError``."""
    if depth > _DEEPEST:
        raise EncodeError(_LAYER, f"nested deeper than {_DEEPEST}")
    if code in _NO_DATA and value is None:
        return b""
    if code in _STRINGS and value is None:
        return b"\xff" * _STRINGS[code]
    if code in TYPES:
        return TYPES[code].write(value)
    if code == _STRUCTURE and isinstance(value, tuple) and all(isinstance(one, tuple) for one in value):
        pairs = [_pair(one) for one in value]
        body = [_OCTET.write(inner) + write_typed(inner, one, depth + 1) for inner, one in pairs]
        return _COUNT.write(len(pairs)) + b"".join(body)
    if code in _ARRAYS and isinstance(value, tuple):
        inner, values = _pair(value)
        if isinstance(values, tuple):
            head = _OCTET.write(inner) + _COUNT.write(len(values))
            return head + b"".join([write_typed(inner, one, depth + 1) for one in values])
    raise EncodeError(_LAYER, f"{value!r} is no value of attribute type {code:02x}")


def _pair(value: tuple[object, ...]) -> tuple[int, object]:
    if len(value) == 2 and isinstance(value[0], int):
        return value[0], value[1]
    raise EncodeError(_LAYER, f"{value!r} is not a type code and a value")


_OCTET, _COUNT = _number("type", 1), _number("count", 2)
