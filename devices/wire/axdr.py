"""A-XDR: the DLMS data types, octets to :class:`Data` and back, compact-array included.

What a value means (which attribute of which COSEM object) does not live here, nor do the access PDUs (``cosem.py``).

Tags and contents: facts/gbcs.md 3.1 and 3.9 (verified over the open corpus).  Lengths are read only in their shortest
form, so that what was decoded encodes to the same octets.  Work and memory are linear in the input: a count is compared
with the octets that are left before anything is built, compact-array rows must consume octets, and nesting deeper than
:data:`DEEPEST` is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct, error
from typing import Any

from devices.wire.errors import DecodeError, EncodeError

__all__ = [
    "DEEPEST",
    "BitString",
    "CompactArray",
    "Data",
    "Tag",
    "TypeDescription",
    "array",
    "bits",
    "boolean",
    "compact",
    "date_time",
    "decode",
    "encode",
    "encode_length",
    "enum",
    "i8",
    "i16",
    "i32",
    "i64",
    "null",
    "octets",
    "read",
    "read_length",
    "structure",
    "u8",
    "u16",
    "u32",
    "u64",
    "visible",
]

DEEPEST = 32  # constructed types (array, structure, compact-array and what it describes) inside one another

_LAYER = "axdr"


class Tag(IntEnum):
    """The choices of the DLMS type ``Data``."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DONT_CARE = 255


@dataclass(frozen=True, slots=True, init=False)
class Data:
    """One DLMS value.  What ``value`` is follows from ``tag``:

    - array, structure: ``tuple[Data, ...]``; compact-array: :class:`CompactArray`; bit-string: :class:`BitString`
    - boolean: its octet as int, because true is written ``FF`` by some and ``01`` by others; any but 0 is true
    - integers, enum and bcd: int; floating point: float
    - strings of all kinds, date-time (12 octets), date (5) and time (4): bytes
    - null and don't-care: None
    """

    tag: int
    value: Any

    def __init__(self, tag: int, value: Any) -> None:
        _set_tag(self, tag)
        _set_value(self, value)


# Decoding makes more of these than of anything else; the slots' own setters are a third faster than the __init__ that
# a frozen dataclass gets.
_set_tag, _set_value = (Data.__dict__[name].__set__ for name in ("tag", "value"))


@dataclass(frozen=True, slots=True)
class BitString:
    """``length`` bits in as few octets as hold them, first bit in the most significant place."""

    length: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class TypeDescription:
    """The type of a compact-array's rows: ``count`` and one element for an array, the elements of a structure, or
    neither for a simple type."""

    tag: int
    elements: tuple[TypeDescription, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class CompactArray:
    """Rows that all have the type ``description``; on the wire they stand without tags."""

    description: TypeDescription
    rows: tuple[Data, ...]


# ------------------------------------------------------------------------------------------------------------- decoding


def decode(octets: bytes, position: int = 0) -> tuple[Data, int]:
    """Read one value at ``position``; returns it and the position after it.

    Raises ``DecodeError`` for anything that is no value or ends too early.
    """
    try:
        value, position = read(octets, position)
    except (IndexError, error):
        raise DecodeError(_LAYER, len(octets), "the octets end inside a value") from None
    if position > len(octets):
        raise DecodeError(_LAYER, len(octets), "the octets end inside a value")
    return value, position


def read(octets: bytes, position: int, depth: int = 0) -> tuple[Data, int]:
    """:func:`decode` for callers that read more: where the octets end too early it may raise ``IndexError`` or
    ``struct.error``, or return a position past the end, which the caller must check."""
    return _READ[octets[position]](octets, position + 1, depth)


def read_length(octets: bytes, position: int) -> tuple[int, int]:
    """Read a length or count: one octet below 80, else 81 to 84 and that many octets, in the shortest form only."""
    first = octets[position]
    if first < 0x80:
        return first, position + 1
    size = first - 0x80
    if not 1 <= size <= 4:
        raise DecodeError(_LAYER, position, f"length form {first:02x}, expected below 80 or 81 to 84")
    end = position + 1 + size
    length = int.from_bytes(octets[position + 1 : end], "big")
    if length < 0x80 or length >> 8 * (size - 1) == 0:
        raise DecodeError(_LAYER, position, f"length {length} in a longer form than it needs, or cut short")
    return length, end


_Reader = Callable[[bytes, int, int], tuple[Data, int]]


def _unknown(octets: bytes, position: int, _depth: int) -> tuple[Data, int]:
    raise DecodeError(_LAYER, position - 1, f"tag {octets[position - 1]:02x} is no DLMS data type")


def _nothing(tag: int) -> _Reader:
    value = Data(tag, None)

    def read_nothing(_octets: bytes, position: int, _depth: int) -> tuple[Data, int]:
        return value, position

    return read_nothing


def _one_octet(tag: int) -> _Reader:
    values = tuple(Data(tag, octet) for octet in range(256))

    def read_octet(octets: bytes, position: int, _depth: int) -> tuple[Data, int]:
        return values[octets[position]], position + 1

    return read_octet


def _number(tag: int, form: Struct) -> _Reader:
    unpack, size = form.unpack_from, form.size

    def read_number(octets: bytes, position: int, _depth: int) -> tuple[Data, int]:
        return Data(tag, unpack(octets, position)[0]), position + size

    return read_number


def _floating(tag: int, form: Struct) -> _Reader:
    def read_floating(octets: bytes, position: int, _depth: int) -> tuple[Data, int]:
        (value,) = form.unpack_from(octets, position)
        end = position + form.size
        if form.pack(value) != octets[position:end]:
            raise DecodeError(_LAYER, position, "a signalling NaN, which no float can keep")
        return Data(tag, value), end

    return read_floating


def _string(tag: int) -> _Reader:
    def read_string(octets: bytes, position: int, _depth: int) -> tuple[Data, int]:
        length = octets[position]
        if length < 0x80:
            position += 1
        else:
            length, position = read_length(octets, position)
        end = position + length
        return Data(tag, octets[position:end]), end

    return read_string


def _fixed(tag: int, size: int) -> _Reader:
    def read_fixed(octets: bytes, position: int, _depth: int) -> tuple[Data, int]:
        end = position + size
        return Data(tag, octets[position:end]), end

    return read_fixed


def _read_bits(octets: bytes, position: int, _depth: int) -> tuple[Data, int]:
    length, position = read_length(octets, position)
    end = position + (length + 7) // 8
    return Data(4, BitString(length, octets[position:end])), end


def _constructed(tag: int) -> _Reader:
    def read_constructed(octets: bytes, position: int, depth: int) -> tuple[Data, int]:
        count = octets[position]
        if count < 0x80:
            position += 1
        else:
            count, position = read_length(octets, position)
        if depth >= DEEPEST:
            raise _too_deep(position)
        if count > len(octets) - position:
            raise DecodeError(_LAYER, position, f"{count} elements announced, {len(octets) - position} octets left")
        elements = []
        for _ in range(count):
            element, position = _READ[octets[position]](octets, position + 1, depth + 1)
            elements.append(element)
        return Data(tag, tuple(elements)), position

    return read_constructed


def _too_deep(position: int) -> DecodeError:
    return DecodeError(_LAYER, position, f"nested deeper than {DEEPEST}")


# ------------------------------------------------------------------------------------------------------- compact-array


def _read_compact(octets: bytes, position: int, depth: int) -> tuple[Data, int]:
    if depth >= DEEPEST:
        raise _too_deep(position)
    start = position
    description, position = _read_description(octets, position, depth + 1)
    smallest, empty = _row_cost(description)
    length, position = read_length(octets, position)
    end = position + length
    if end > len(octets):
        raise DecodeError(_LAYER, position, f"compact-array of {length} octets, {len(octets) - position} left")
    if length and (not smallest or empty > smallest):
        raise DecodeError(_LAYER, start, "rows of a compact-array must consume an octet for each value that has none")
    rows = []
    while position < end:
        if end - position < smallest:
            raise DecodeError(_LAYER, position, f"{end - position} octets left for a row of at least {smallest}")
        row, position = _read_row(octets, position, description, depth + 1)
        rows.append(row)
    if position != end:
        raise DecodeError(_LAYER, end, "the last row of a compact-array runs past its end")
    return Data(19, CompactArray(description, tuple(rows))), end


def _read_description(octets: bytes, position: int, depth: int) -> tuple[TypeDescription, int]:
    tag = octets[position]
    if tag == Tag.ARRAY or tag == Tag.STRUCTURE:
        if depth >= DEEPEST:
            raise _too_deep(position)
        if tag == Tag.ARRAY:
            count = octets[position + 1] << 8 | octets[position + 2]
            element, position = _read_description(octets, position + 3, depth + 1)
            return TypeDescription(tag, (element,), count), position
        count, position = read_length(octets, position + 1)
        if count > len(octets) - position:
            raise DecodeError(_LAYER, position, f"{count} types announced, {len(octets) - position} octets left")
        elements = []
        for _ in range(count):
            element, position = _read_description(octets, position, depth + 1)
            elements.append(element)
        return TypeDescription(tag, tuple(elements)), position
    if tag not in _WRITE:
        raise DecodeError(_LAYER, position, f"tag {tag:02x} is no type that a compact-array can hold")
    return TypeDescription(tag), position + 1


def _row_cost(description: TypeDescription) -> tuple[int, int]:
    """The fewest octets that a value of this type takes, and how many values inside it take none."""
    if description.tag == Tag.ARRAY:
        smallest, empty = _row_cost(description.elements[0])
        return description.count * smallest, description.count * empty or int(description.count == 0)
    if description.tag == Tag.STRUCTURE:
        costs = [_row_cost(element) for element in description.elements]
        return sum(cost[0] for cost in costs), sum(cost[1] for cost in costs) or int(not costs)
    size = _SMALLEST.get(description.tag, 1)
    return size, int(size == 0)


def _read_row(octets: bytes, position: int, description: TypeDescription, depth: int) -> tuple[Data, int]:
    if not description.elements and description.tag != Tag.STRUCTURE:
        return _READ[description.tag](octets, position, depth)
    elements = []
    for kind in description.elements * (description.count if description.tag == Tag.ARRAY else 1):
        element, position = _read_row(octets, position, kind, depth + 1)
        elements.append(element)
    return Data(description.tag, tuple(elements)), position


def _write_compact(value: CompactArray, depth: int) -> bytes:
    smallest, empty = _row_cost(value.description)
    if value.rows and (not smallest or empty > smallest):
        raise EncodeError(_LAYER, "rows of a compact-array must consume an octet for each value that has none")
    contents = b"".join(_write_row(row, value.description, depth + 1) for row in value.rows)
    return _write_description(value.description, depth + 1) + encode_length(len(contents)) + contents


def _write_description(description: TypeDescription, depth: int) -> bytes:
    tag, elements = description.tag, description.elements
    if tag in (Tag.ARRAY, Tag.STRUCTURE) and depth >= DEEPEST:
        raise EncodeError(_LAYER, f"nested deeper than {DEEPEST}")
    if tag == Tag.ARRAY:
        (element,) = elements
        return b"\x01" + description.count.to_bytes(2, "big") + _write_description(element, depth + 1)
    if tag == Tag.STRUCTURE:
        types = b"".join(_write_description(element, depth + 1) for element in elements)
        return b"\x02" + encode_length(len(elements)) + types
    if tag not in _WRITE or elements:
        raise EncodeError(_LAYER, f"{description} is no type that a compact-array can hold")
    return bytes((tag,))


def _write_row(row: Data, description: TypeDescription, depth: int) -> bytes:
    if row.tag != description.tag:
        raise EncodeError(_LAYER, f"a row holds tag {row.tag} where its compact-array has {description.tag}")
    if description.tag not in (Tag.ARRAY, Tag.STRUCTURE):
        return _WRITE[row.tag](row.value)
    kinds = description.elements * (description.count if description.tag == Tag.ARRAY else 1)
    if len(kinds) != len(row.value):
        raise EncodeError(_LAYER, f"a row holds {len(row.value)} elements where its compact-array has {len(kinds)}")
    return b"".join(_write_row(element, kind, depth + 1) for element, kind in zip(row.value, kinds, strict=True))


# ------------------------------------------------------------------------------------------------------------- encoding


def encode(data: Data) -> bytes:
    """The octets of a value.  Raises ``EncodeError`` where the tag is unknown or cannot carry the value."""
    return _write(data, 0)


def _write(data: Data, depth: int) -> bytes:
    tag, value = data.tag, data.value
    writer = _WRITE.get(tag)
    try:
        if writer is not None:
            return bytes((tag,)) + writer(value)
        if tag not in (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY):
            raise EncodeError(_LAYER, f"tag {tag} is no DLMS data type")
        if depth >= DEEPEST:
            raise EncodeError(_LAYER, f"nested deeper than {DEEPEST}")
        if tag == Tag.COMPACT_ARRAY:
            return b"\x13" + _write_compact(value, depth)
        parts = [bytes((tag,)), encode_length(len(value))]
        parts += [_write(element, depth + 1) for element in value]
        return b"".join(parts)
    except EncodeError:
        raise
    except (error, OverflowError, AttributeError, TypeError, ValueError) as cause:
        raise EncodeError(_LAYER, f"tag {tag} cannot carry {value!r}: {cause}") from None


def encode_length(length: int) -> bytes:
    """A length or count in its shortest form."""
    if length < 0x80:
        return bytes((length,))
    size = (length.bit_length() + 7) // 8
    if size > 4:
        raise EncodeError(_LAYER, f"length {length} is more than four octets can say")
    return bytes((0x80 + size,)) + length.to_bytes(size, "big")


def _write_nothing(value: None) -> bytes:
    if value is not None:
        raise EncodeError(_LAYER, f"null and don't-care carry no value, got {value!r}")
    return b""


def _write_string(value: bytes) -> bytes:
    return encode_length(len(value)) + value


def _write_bits(value: BitString) -> bytes:
    if len(value.octets) != (value.length + 7) // 8:
        raise EncodeError(_LAYER, f"{value.length} bits in {len(value.octets)} octets")
    return encode_length(value.length) + value.octets


def _write_octet(value: int) -> bytes:
    return value.to_bytes(1, "big")


def _write_fixed(size: int) -> Callable[[bytes], bytes]:
    def write_fixed(value: bytes) -> bytes:
        if len(value) != size:
            raise EncodeError(_LAYER, f"{len(value)} octets, expected {size}")
        return value

    return write_fixed


_NUMBERS = {
    Tag.DOUBLE_LONG: Struct(">i"),
    Tag.DOUBLE_LONG_UNSIGNED: Struct(">I"),
    Tag.INTEGER: Struct(">b"),
    Tag.LONG: Struct(">h"),
    Tag.LONG_UNSIGNED: Struct(">H"),
    Tag.LONG64: Struct(">q"),
    Tag.LONG64_UNSIGNED: Struct(">Q"),
}
_FLOATS = {Tag.FLOAT32: Struct(">f"), Tag.FLOAT64: Struct(">d")}
_OCTETS = (Tag.BOOLEAN, Tag.BCD, Tag.UNSIGNED, Tag.ENUM)
_STRINGS = (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)
_SIZES = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}
_NOTHINGS = (Tag.NULL, Tag.DONT_CARE)

# The fewest octets of the simple types; one where not named.
_SMALLEST: dict[int, int] = {
    **{int(tag): form.size for tag, form in (_NUMBERS | _FLOATS).items()},
    **{int(tag): size for tag, size in _SIZES.items()},
    **{int(tag): 0 for tag in _NOTHINGS},
}

# What reads and writes the contents (after the tag) of each type; constructed types have writers of their own.
_READ: list[_Reader] = [_unknown] * 256
_WRITE: dict[int, Callable[[Any], bytes]] = {Tag.BIT_STRING: _write_bits}


def _fill_tables() -> None:
    for tag, form in _NUMBERS.items():
        _READ[tag], _WRITE[tag] = _number(int(tag), form), form.pack
    for tag, form in _FLOATS.items():
        _READ[tag], _WRITE[tag] = _floating(int(tag), form), form.pack
    for tag in _OCTETS:
        _READ[tag], _WRITE[tag] = _one_octet(int(tag)), _write_octet
    for tag in _STRINGS:
        _READ[tag], _WRITE[tag] = _string(int(tag)), _write_string
    for tag, size in _SIZES.items():
        _READ[tag], _WRITE[tag] = _fixed(int(tag), size), _write_fixed(size)
    for tag in _NOTHINGS:
        _READ[tag], _WRITE[tag] = _nothing(int(tag)), _write_nothing
    for tag in (Tag.ARRAY, Tag.STRUCTURE):
        _READ[tag] = _constructed(int(tag))
    _READ[Tag.BIT_STRING] = _read_bits
    _READ[Tag.COMPACT_ARRAY] = _read_compact


_fill_tables()

# ------------------------------------------------------------------------------------------------------------- builders


def null() -> Data:
    """The empty value."""
    return Data(0, None)


def boolean(truth: bool) -> Data:
    """True as ``FF``, the form of the published messages (facts/gbcs.md 3.9)."""
    return Data(3, 0xFF if truth else 0)


def u8(number: int) -> Data:
    """unsigned: one octet."""
    return Data(17, number)


def u16(number: int) -> Data:
    """long-unsigned: two octets."""
    return Data(18, number)


def u32(number: int) -> Data:
    """double-long-unsigned: four octets."""
    return Data(6, number)


def u64(number: int) -> Data:
    """long64-unsigned: eight octets."""
    return Data(21, number)


def i8(number: int) -> Data:
    """integer: one octet, signed."""
    return Data(15, number)


def i16(number: int) -> Data:
    """long: two octets, signed."""
    return Data(16, number)


def i32(number: int) -> Data:
    """double-long: four octets, signed."""
    return Data(5, number)


def i64(number: int) -> Data:
    """long64: eight octets, signed."""
    return Data(20, number)


def enum(number: int) -> Data:
    """enum: one octet."""
    return Data(22, number)


def octets(value: bytes) -> Data:
    """octet-string."""
    return Data(9, value)


def visible(value: bytes | str) -> Data:
    """visible-string; a str must be ASCII."""
    return Data(10, value.encode("ascii") if isinstance(value, str) else value)


def bits(value: bytes, length: int | None = None) -> Data:
    """bit-string of ``length`` bits, or of all bits in ``value``."""
    return Data(4, BitString(len(value) * 8 if length is None else length, value))


def date_time(value: bytes) -> Data:
    """date-time as a type of its own (tag 19 hex); GBCS mostly carries the 12 octets in an octet-string."""
    return Data(25, value)


def array(*elements: Data) -> Data:
    """array."""
    return Data(1, elements)


def structure(*elements: Data) -> Data:
    """structure."""
    return Data(2, elements)


def compact(description: TypeDescription, *rows: Data) -> Data:
    """compact-array of ``rows``, each of the type ``description``."""
    return Data(19, CompactArray(description, rows))
