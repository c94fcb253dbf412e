"""ASN.1 in BER and DER: octets to a tree of :class:`Node` and back.

What the elements of a use case mean is in ``asn1_typed.py``; certificates are not understood here at all.

Definite lengths only, tag numbers up to 30.  Some published messages write lengths longer than DER allows
(facts/gbcs.md 3.9): a node keeps the form that was read, and one that is built gets the shortest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum

from devices.wire.errors import DecodeError, EncodeError

__all__ = [
    "DEEPEST",
    "Node",
    "Tag",
    "bit_string",
    "decode",
    "decode_partly",
    "encode",
    "enumerated",
    "generalized_time",
    "header",
    "integer",
    "null",
    "octet_string",
    "oid",
    "read_long_length",
    "sequence",
    "to_bit_string",
    "to_generalized_time",
    "to_integer",
    "to_octet_string",
    "to_oid",
]

DEEPEST = 32  # constructed elements inside one another

_LAYER = "asn1"
_CONSTRUCTED = 0x20


class Tag(IntEnum):
    """The identifier octets used here."""

    BOOLEAN = 0x01
    INTEGER = 0x02
    BIT_STRING = 0x03
    OCTET_STRING = 0x04
    NULL = 0x05
    OBJECT_IDENTIFIER = 0x06
    ENUMERATED = 0x0A
    GENERALIZED_TIME = 0x18
    SEQUENCE = 0x30


@dataclass(frozen=True, slots=True, init=False)
class Node:
    """One element: ``tag`` is its identifier octet.  A constructed one (bit 20 hex) has ``children``, a primitive one
    ``octets``.

    ``length_octets`` is how many octets of length followed the first one where that was more than needed, else 0.
    ``offset`` is where the element was read, for error messages; it is no part of its value.
    """

    tag: int
    octets: bytes = b""
    children: tuple[Node, ...] = ()
    length_octets: int = 0
    offset: int = field(default=0, compare=False)

    def __init__(
        self, tag: int, octets: bytes = b"", children: tuple[Node, ...] = (), length_octets: int = 0, offset: int = 0
    ) -> None:
        _set_tag(self, tag)
        _set_octets(self, octets)
        _set_children(self, children)
        _set_length_octets(self, length_octets)
        _set_offset(self, offset)


# A certificate is sixty of these; the slots' own setters halve the time of the __init__ that a frozen dataclass gets.
_set_tag, _set_octets, _set_children, _set_length_octets, _set_offset = (
    Node.__dict__[name].__set__ for name in ("tag", "octets", "children", "length_octets", "offset")
)


# ------------------------------------------------------------------------------------------------------------- decoding


def decode(octets: bytes) -> Node:
    """Read one element that takes all the octets.  Raises ``DecodeError`` for anything else."""
    try:
        node, position = _read(octets, 0, len(octets), 0)
    except IndexError:
        raise DecodeError(_LAYER, len(octets), "the octets end inside an element") from None
    if position != len(octets):
        raise DecodeError(_LAYER, position, f"{len(octets) - position} octets left over after the element")
    return node


def _read(octets: bytes, start: int, limit: int, depth: int) -> tuple[Node, int]:
    tag, length = octets[start], octets[start + 1]
    position = start + 2
    length_octets = 0
    if length >= 0x80:
        length, position, length_octets = read_long_length(octets, position, length - 0x80)
    if tag & 0x1F == 0x1F or tag == 0:
        raise DecodeError(_LAYER, start, f"identifier {tag:02x}: tag numbers above 30 and tag 0 are not used")
    end = position + length
    if end > limit:
        raise DecodeError(_LAYER, start, f"element of {length} octets, {max(0, limit - position)} left")
    if not tag & _CONSTRUCTED:
        return Node(tag, octets[position:end], (), length_octets, start), end
    if depth >= DEEPEST:
        raise DecodeError(_LAYER, start, f"nested deeper than {DEEPEST}")
    children = []
    while position < end:
        child, position = _read(octets, position, end, depth + 1)
        children.append(child)
    return Node(tag, b"", tuple(children), length_octets, start), end


def decode_partly(octets: bytes) -> tuple[tuple[Node, ...], int]:
    """The elements that can be read of octets that :func:`decode` refuses, those inside the outermost one if that is
    not whole, and where they end."""
    if octets[:1] == bytes((Tag.SEQUENCE,)) and len(octets) > 1:
        size = octets[1]
        position = 2 if size < 0x80 else 2 + (size & 0x7F)
    else:
        position = 0
    found: list[Node] = []
    try:
        node, end = _read(octets, 0, len(octets), 0)
        return (node,), end
    except (DecodeError, IndexError):
        end = position
    while position < len(octets):
        try:
            node, position = _read(octets, position, len(octets), 0)
        except (DecodeError, IndexError):
            break
        found.append(node)
        end = position
    return tuple(found), min(end, len(octets))


def read_long_length(octets: bytes, position: int, size: int) -> tuple[int, int, int]:
    """Read ``size`` octets of length; returns it, the position after it, and ``size`` if that was more than needed."""
    end = position + size
    if not 1 <= size <= 4 or end > len(octets):
        raise DecodeError(_LAYER, position - 1, f"{size} octets of length; expected 1 to 4, no indefinite form")
    length = int.from_bytes(octets[position:end], "big")
    return length, end, 0 if _size_of_length(length) == size else size


def _size_of_length(length: int) -> int:
    """How many octets follow the first octet of the shortest form."""
    return 0 if length < 0x80 else (length.bit_length() + 7) // 8


# ------------------------------------------------------------------------------------------------------------- encoding


def encode(node: Node) -> bytes:
    """The octets of an element.  Raises ``EncodeError`` for a tag or nesting that :func:`decode` would refuse."""
    return _write(node, 0)


def _write(node: Node, depth: int) -> bytes:
    tag = node.tag
    if not 0 < tag <= 0xFF or tag & 0x1F == 0x1F:
        raise EncodeError(_LAYER, f"identifier {tag:#x}: tag numbers above 30 and tag 0 are not used")
    if tag & _CONSTRUCTED:
        if node.octets or depth >= DEEPEST:
            raise EncodeError(_LAYER, f"constructed element {tag:02x} holds octets or is nested deeper than {DEEPEST}")
        contents = b"".join([_write(child, depth + 1) for child in node.children])
    elif node.children:
        raise EncodeError(_LAYER, f"primitive element {tag:02x} holds elements")
    else:
        contents = node.octets
    length = len(contents)
    return header(tag, length, node.length_octets) + contents


def header(tag: int, length: int, length_octets: int = 0) -> bytes:
    """Identifier and length of an element, in ``length_octets`` after the first one where those are more than needed.

    Raises ``EncodeError`` for a length of more than four octets.
    """
    size = max(_size_of_length(length), length_octets)
    if size > 4:
        raise EncodeError(_LAYER, f"{size} octets of length, at most 4")
    if size == 0:
        return bytes((tag, length))
    return bytes((tag, 0x80 + size)) + length.to_bytes(size, "big")


# ------------------------------------------------------------------------------------------------------- simple types


def sequence(*children: Node) -> Node:
    """SEQUENCE, or SEQUENCE OF."""
    return Node(Tag.SEQUENCE, b"", children)


def null() -> Node:
    """NULL."""
    return Node(Tag.NULL)


def integer(number: int, tag: int = Tag.INTEGER) -> Node:
    """INTEGER, or with its ``tag`` an implicitly tagged one."""
    return Node(tag, number.to_bytes((number + (number < 0)).bit_length() // 8 + 1, "big", signed=True))


def enumerated(number: int) -> Node:
    """ENUMERATED."""
    return integer(number, Tag.ENUMERATED)


def octet_string(octets: bytes) -> Node:
    """OCTET STRING."""
    return Node(Tag.OCTET_STRING, octets)


def bit_string(octets: bytes, unused: int = 0) -> Node:
    """BIT STRING whose last octet has ``unused`` bits at its end.  Raises ``EncodeError`` for a number out of range."""
    if not 0 <= unused <= 7 or (unused and not octets):
        raise EncodeError(_LAYER, f"{unused} unused bits in {len(octets)} octets")
    return Node(Tag.BIT_STRING, bytes((unused,)) + octets)


def oid(dotted: str) -> Node:
    """OBJECT IDENTIFIER from its dotted form, e.g. ``1.2.840.10045.3.1.7``."""
    try:
        first, second, *rest = (int(arc) for arc in dotted.split("."))
    except ValueError:
        raise EncodeError(_LAYER, f"{dotted!r} is no object identifier") from None
    if not (0 <= first <= 2 and second >= 0 and (first == 2 or second < 40)) or any(arc < 0 for arc in rest):
        raise EncodeError(_LAYER, f"{dotted!r} is no object identifier")
    return Node(Tag.OBJECT_IDENTIFIER, b"".join(_base128(arc) for arc in (40 * first + second, *rest)))


def generalized_time(moment: datetime) -> Node:
    """GeneralizedTime, to the second and in UTC: ``YYYYMMDDHHMMSSZ``."""
    if moment.tzinfo is None:
        raise EncodeError(_LAYER, "a GeneralizedTime needs a datetime with a time zone")
    utc = moment.astimezone(UTC)
    return Node(Tag.GENERALIZED_TIME, f"{utc.year:04d}{utc:%m%d%H%M%S}Z".encode("ascii"))


def to_integer(node: Node, tag: int = Tag.INTEGER) -> int:
    """The number of an INTEGER (or of what has ``tag``), which must be in its shortest form."""
    octets = _primitive(node, tag)
    if not octets or len(octets) > 20:
        raise DecodeError(_LAYER, node.offset, f"INTEGER of {len(octets)} octets, expected 1 to 20")
    number = int.from_bytes(octets, "big", signed=True)
    if integer(number, tag).octets != octets:
        raise DecodeError(_LAYER, node.offset, f"INTEGER {number} in a longer form than it needs")
    return number


def to_octet_string(node: Node, size: int | None = None) -> bytes:
    """The octets of an OCTET STRING, of ``size`` octets if that is given."""
    octets = _primitive(node, Tag.OCTET_STRING)
    if size is not None and len(octets) != size:
        raise DecodeError(_LAYER, node.offset, f"OCTET STRING of {len(octets)} octets, expected {size}")
    return octets


def to_bit_string(node: Node) -> tuple[bytes, int]:
    """The octets of a BIT STRING and how many bits at its end are unused."""
    octets = _primitive(node, Tag.BIT_STRING)
    if not octets or octets[0] > 7 or (octets[0] and len(octets) == 1):
        raise DecodeError(_LAYER, node.offset, f"BIT STRING {octets[:2].hex()} has no valid count of unused bits")
    return octets[1:], octets[0]


def to_oid(node: Node) -> str:
    """The dotted form of an OBJECT IDENTIFIER."""
    octets = _primitive(node, Tag.OBJECT_IDENTIFIER)
    if not octets or octets[-1] & 0x80 or len(octets) > 64:
        raise DecodeError(_LAYER, node.offset, f"OBJECT IDENTIFIER of {len(octets)} octets, or cut short")
    arcs, arc = [], 0
    fresh = True
    for octet in octets:
        if fresh and octet == 0x80:
            raise DecodeError(_LAYER, node.offset, "OBJECT IDENTIFIER with an arc in a longer form than it needs")
        arc = arc << 7 | octet & 0x7F
        fresh = not octet & 0x80
        if fresh:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def to_generalized_time(node: Node) -> datetime:
    """The moment of a GeneralizedTime of the form ``YYYYMMDDHHMMSSZ``, in UTC."""
    octets = _primitive(node, Tag.GENERALIZED_TIME)
    text = octets.decode("ascii", "replace")
    try:
        if len(octets) != 15 or octets[14:] != b"Z" or not octets[:14].isdigit():
            raise ValueError
        fields = (text[0:4], text[4:6], text[6:8], text[8:10], text[10:12], text[12:14])
        year, month, day, hour, minute, second = map(int, fields)
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise DecodeError(_LAYER, node.offset, f"{text!r} is no GeneralizedTime of the form YYYYMMDDHHMMSSZ") from None


def _primitive(node: Node, tag: int) -> bytes:
    if node.tag != tag:
        raise DecodeError(_LAYER, node.offset, f"element {node.tag:02x}, expected {tag:02x}")
    return node.octets


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(arc & 0x7F | 0x80)
    return bytes(reversed(octets))
