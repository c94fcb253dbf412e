"""Capture files: pcapng and classic pcap, written with nanosecond stamps and read back.

What lives here: the two file formats and the three ways of putting an IEEE 802.15.4 frame into them.  What must not:
the decoding of what the frames carry (``devices.wire``), and where captures are kept (the evidence store's).

Errors: :class:`CaptureError` for a file that is no capture or is broken, and nothing else.
Source: draft-ietf-opsawg-pcapng, draft-ietf-opsawg-pcap, the IEEE 802.15.4 TAP link type; facts/radio.md 12 choice (c)
and facts/gbcs.md 12.4 [verified there with tshark].
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import BinaryIO, Literal

from devices.wire import ieee802154
from devices.wire.errors import DecodeError

__all__ = [
    "EXPORTED_LINK",
    "MESSAGE_LINK",
    "CaptureError",
    "Interface",
    "LinkType",
    "MacRecord",
    "PcapWriter",
    "PcapngWriter",
    "Record",
    "export",
    "exported",
    "mac_record",
    "read",
]


MESSAGE_LINK = 147  # DLT_USER0: one GBCS message a packet, with no header
EXPORTED_LINK = 252  # Wireshark's Upper PDU Export: the name of a dissector, then what it is to dissect


class CaptureError(ValueError):
    """A capture file that cannot be read (``offset`` counts its octets), or a value that does not fit into one."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(offset, reason)
        self.offset, self.reason = offset, reason

    def __str__(self) -> str:
        return f"capture: at octet {self.offset}: {self.reason}"


class LinkType(IntEnum):
    """The link types that get or lose a frame check sequence here; any other number carries octets as they are."""

    WITH_FCS = 195
    NO_FCS = 230
    TAP = 283  # a header with channel and signal strength, then the frame with its check sequence


@dataclass(frozen=True, slots=True)
class Interface:
    """Where packets of a capture come from: a name to show, the link type of its packets, and what it is in words."""

    name: str
    link_type: int = LinkType.TAP
    description: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One packet.  ``at_ns`` counts nanoseconds since 1970 in UTC; ``octets`` is what the link type says."""

    at_ns: int
    link_type: int
    octets: bytes
    comment: str = ""
    interface: str = ""


@dataclass(frozen=True, slots=True)
class MacRecord:
    """What a record of one of the 802.15.4 link types holds; ``rssi`` in dBm.  ``frame`` has no check sequence."""

    frame: bytes
    channel: int | None = None
    rssi: float | None = None


# ---------------------------------------------------------------- the three link types

_LARGEST_FRAME = 0x10000  # octets; far more than a MAC frame, enough for whole messages of other link types
_TLV_FCS, _TLV_RSS, _TLV_CHANNEL = 0, 1, 3
_FCS_LENGTH = {0: 0, 1: 2, 2: 4}
_LINK_FCS: dict[int, int] = {LinkType.WITH_FCS: 2, LinkType.NO_FCS: 0, LinkType.TAP: 0}  # TAP says it itself


def _packet(link_type: int, frame: bytes, channel: int | None, rssi: float | None) -> bytes:
    """The octets to record for a MAC frame without its check sequence."""
    if len(frame) > _LARGEST_FRAME:
        raise CaptureError(0, f"a packet of {len(frame)} octets, {_LARGEST_FRAME} are let in")
    if link_type not in (LinkType.WITH_FCS, LinkType.TAP):
        return frame
    body = ieee802154.append_fcs(frame)
    if link_type == LinkType.WITH_FCS:
        return body
    return _tap_head(channel, rssi) + body


@lru_cache(256)
def _tap_head(channel: int | None, rssi: float | None) -> bytes:
    """What stands before a frame of link type TAP."""
    tlvs = struct.pack("<HHB3x", _TLV_FCS, 1, 1)
    if rssi is not None:
        tlvs += struct.pack("<HHf", _TLV_RSS, 4, rssi)
    if channel is not None:
        tlvs += struct.pack("<HHHBx", _TLV_CHANNEL, 3, channel, 0)
    return struct.pack("<BxH", 0, 4 + len(tlvs)) + tlvs


def mac_record(record: Record) -> MacRecord:
    """The MAC frame in a record.  Raises CaptureError: another link type, a broken header, a wrong check sequence."""
    octets = record.octets
    channel: int | None = None
    rssi: float | None = None
    fcs_length = _LINK_FCS.get(record.link_type)
    if fcs_length is None:
        raise CaptureError(0, f"link type {record.link_type} is none of IEEE 802.15.4 (195, 230, 283)")
    if record.link_type == LinkType.TAP:
        octets, fcs_length, channel, rssi = _read_tap(octets)
    if fcs_length == 2:
        try:
            octets = ieee802154.strip_fcs(octets)
        except DecodeError as error:
            raise CaptureError(error.offset, error.reason) from None
    elif fcs_length:
        octets = octets[:-fcs_length]
    return MacRecord(octets, channel, rssi)


def _read_tap(octets: bytes) -> tuple[bytes, int, int | None, float | None]:
    length = int.from_bytes(octets[2:4], "little")
    if len(octets) < 4 or octets[0] or not 4 <= length <= len(octets):
        raise CaptureError(0, "the TAP header is cut short or not of version 0")
    fcs_length = 0
    channel: int | None = None
    rssi: float | None = None
    at = 4
    while at + 4 <= length:
        kind, size = struct.unpack_from("<HH", octets, at)
        value = octets[at + 4 : at + 4 + size]
        at += 4 + (size + 3 & ~3)
        if at > length:
            raise CaptureError(at, "a field of the TAP header runs past its end")
        if kind == _TLV_FCS and size == 1 and value[0] in _FCS_LENGTH:
            fcs_length = _FCS_LENGTH[value[0]]
        elif kind == _TLV_RSS and size == 4:
            (rssi,) = struct.unpack("<f", value)
        elif kind == _TLV_CHANNEL and size == 3:
            channel = int.from_bytes(value[:2], "little")
    return octets[length:], fcs_length, channel, rssi


# ---------------------------------------------------------------- exported PDUs

# Tags of Wireshark's epan/exported_pdu.h: a number and a length of 2 octets each, most significant first.
_END_OF_TAGS, _DISSECTOR = 0, 12


def export(dissector: str, octets: bytes) -> bytes:
    """A packet of link type 252: ``octets`` for the dissector with this name."""
    name = dissector.encode()
    name += bytes(-len(name) % 4)
    return struct.pack(">HH", _DISSECTOR, len(name)) + name + struct.pack(">HH", _END_OF_TAGS, 0) + octets


def exported(packet: bytes) -> tuple[str, bytes]:
    """The name of the dissector and what it is to dissect; no name where none is given.  Raises CaptureError."""
    name, at = "", 0
    while at + 4 <= len(packet):
        tag, length = struct.unpack_from(">HH", packet, at)
        at += 4
        if tag == _END_OF_TAGS:
            return name, packet[at:]
        if tag == _DISSECTOR:
            name = packet[at : at + length].rstrip(b"\0").decode("utf-8", "replace")
        at += length
    raise CaptureError(len(packet), "the tags of an exported PDU do not end")


# ---------------------------------------------------------------- writers

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_MAGIC_NG = 0x1A2B3C4D
_OPT_END, _OPT_COMMENT, _IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL, _IF_TSOFFSET = 0, 1, 2, 3, 9, 14
_SNAP = 0x40000


def _option(code: int, value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        value = value[:0xFFFC].decode("utf-8", "ignore").encode()
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


@lru_cache(256)
def _comment(text: str) -> bytes:
    return _option(_OPT_COMMENT, text.encode())


def _block(kind: int, body: bytes, options: bytes = b"") -> bytes:
    if options:
        options += _option(_OPT_END, b"")
    length = 12 + len(body) + len(options)
    return struct.pack("<II", kind, length) + body + options + struct.pack("<I", length)


class PcapngWriter:
    """Writes one section with its comment, then a packet a call.  The file stays the caller's to close.

    ``comment`` says once what a reader of the whole capture must know, such as "recorded without NWK and APS
    security".  Nothing of the machine or the hour gets in, so equal packets give equal files.
    """

    def __init__(self, file: BinaryIO, comment: str, interfaces: Sequence[Interface] = (Interface("ether"),)) -> None:
        self._file = file
        self._interfaces: list[Interface] = []
        section = struct.pack("<IHHq", _MAGIC_NG, 1, 0, -1)
        file.write(_block(_SECTION, section, _option(_OPT_COMMENT, comment.encode())))
        for interface in interfaces:
            self.add(interface)

    def add(self, interface: Interface) -> int:
        """Describe one more interface; its number, for :meth:`write`.  It may come at any time before its packets."""
        options = _option(_IF_NAME, interface.name.encode())
        if interface.description:
            options += _option(_IF_DESCRIPTION, interface.description.encode())
        options += _option(_IF_TSRESOL, b"\x09")
        self._file.write(_block(_INTERFACE, struct.pack("<HxxI", interface.link_type, _SNAP), options))
        self._interfaces.append(interface)
        return len(self._interfaces) - 1

    def write(
        self,
        at_ns_utc: int,
        octets: bytes,
        *,
        channel: int | None = None,
        rssi: float | None = None,
        comment: str | None = None,
        interface: int = 0,
    ) -> None:
        """Record a packet at ``at_ns_utc``, nanoseconds since 1970: a MAC frame without its check sequence.

        The link type decides whether the check sequence, ``channel`` (11 to 26) and ``rssi`` (dBm) are added.  A
        comment is cut at 65,532 octets.  Raises CaptureError when a number does not fit; nothing is written then.
        """
        try:
            packet = _packet(self._interfaces[interface].link_type, octets, channel, rssi)
            sizes = (len(packet), len(packet))
            head = struct.pack("<IIIII", interface, at_ns_utc >> 32, at_ns_utc & 0xFFFFFFFF, *sizes)
        except (struct.error, OverflowError, IndexError) as error:
            raise CaptureError(0, f"the packet at {at_ns_utc} cannot be recorded: {error}") from None
        options = b"" if comment is None else _comment(comment)
        self._file.write(_block(_ENHANCED, head + packet + bytes(-len(packet) % 4), options))


class PcapWriter:
    """The same for classic pcap, which knows one link type, no interfaces and no comments (they are left out)."""

    def __init__(self, file: BinaryIO, link_type: int = LinkType.TAP) -> None:
        self._file = file
        self._link_type = link_type
        file.write(struct.pack("<IHHiIII", _MAGIC_NANO, 2, 4, 0, 0, _SNAP, link_type))

    def write(
        self,
        at_ns_utc: int,
        octets: bytes,
        *,
        channel: int | None = None,
        rssi: float | None = None,
        comment: str | None = None,  # noqa: ARG002 - one signature for both writers
    ) -> None:
        """Record a packet, as :meth:`PcapngWriter.write` does."""
        try:
            packet = _packet(self._link_type, octets, channel, rssi)
            head = struct.pack("<IIII", *divmod(at_ns_utc, 10**9), len(packet), len(packet))
        except (struct.error, OverflowError) as error:
            raise CaptureError(0, f"the packet at {at_ns_utc} cannot be recorded: {error}") from None
        self._file.write(head + packet)


# ---------------------------------------------------------------- reader

_MAGIC_NANO, _MAGIC_MICRO = 0xA1B23C4D, 0xA1B2C3D4
_LARGEST = 16 << 20  # octets of one block or packet; more is rubbish, not a capture
_Order = Literal["<", ">"]
_ORDERS: tuple[_Order, _Order] = ("<", ">")


def read(file: BinaryIO) -> Iterator[Record]:
    """The packets of a capture file of either format and byte order, as they come.

    Raises CaptureError where the file stops making sense; what came before has been given out by then.
    """
    source = _Source(file)
    magic = source.take(4, "a capture file starts with a magic number of 4 octets")
    if magic == struct.pack("<I", _SECTION):
        yield from _read_ng(source)
        return
    for order in _ORDERS:
        (number,) = struct.unpack(order + "I", magic)
        if number in (_MAGIC_NANO, _MAGIC_MICRO):
            yield from _read_classic(source, order, 1 if number == _MAGIC_NANO else 1000)
            return
    raise CaptureError(0, f"{magic.hex()} is no magic number of pcap or pcapng")


class _Source:
    """A file that knows how far it has been read and never gives less than was asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.offset = 0

    def take(self, count: int, expected: str) -> bytes:
        octets = self._file.read(count)
        if len(octets) != count:
            raise CaptureError(self.offset + len(octets), f"the file ends early: {expected}")
        self.offset += count
        return octets

    def take_or_end(self, count: int) -> bytes:
        """``count`` octets, or none at the end of the file."""
        octets = self._file.read(count)
        if octets and len(octets) != count:
            raise CaptureError(self.offset + len(octets), f"the file ends within a header of {count} octets")
        self.offset += len(octets)
        return octets


def _read_classic(source: _Source, order: _Order, unit: int) -> Iterator[Record]:
    header = source.take(20, "the pcap header has 24 octets")
    link_type = struct.unpack_from(order + "I", header, 16)[0] & 0x0FFFFFFF
    while head := source.take_or_end(16):
        seconds, fraction, captured, _ = struct.unpack(order + "IIII", head)
        if captured > _LARGEST:
            raise CaptureError(source.offset - 8, f"a packet of {captured} octets, {_LARGEST} are believable")
        octets = source.take(captured, f"a packet of {captured} octets")
        yield Record(seconds * 10**9 + fraction * unit, link_type, octets)


@dataclass(slots=True)
class _Seen:
    """An interface of the section that is being read; ``ticks`` to the second, ``start`` in seconds."""

    name: str
    link_type: int
    ticks: int
    start: int
    snap: int


def _read_ng(source: _Source) -> Iterator[Record]:
    order: _Order = "<"
    seen: list[_Seen] = []
    kind_octets = struct.pack("<I", _SECTION)
    while kind_octets:
        start = source.offset - 4
        length_octets = source.take(4, "a block has a length")
        (kind,) = struct.unpack(order + "I", kind_octets)
        taken = b""
        if kind == _SECTION:
            taken = source.take(4, "a section has a byte-order magic")
            order, seen = _order_of(taken, start), []
        (length,) = struct.unpack(order + "I", length_octets)
        if length % 4 or not 12 + len(taken) <= length <= _LARGEST:
            raise CaptureError(start + 4, f"a block of {length} octets")
        body = source.take(length - 12 - len(taken), f"a block of {length} octets")
        if source.take(4, "a block repeats its length") != length_octets:
            raise CaptureError(source.offset - 4, f"the block's length {length} is not repeated at its end")
        try:
            if kind == _INTERFACE:
                seen.append(_read_interface(order, body))
            elif kind in (_ENHANCED, _OLD_PACKET, _SIMPLE):
                yield _read_packet(kind, order, body, seen)
        except (struct.error, IndexError) as error:
            raise CaptureError(start, f"block of type {kind}: {error}") from None
        kind_octets = source.take_or_end(4)


def _order_of(magic: bytes, start: int) -> _Order:
    for order in _ORDERS:
        if struct.pack(order + "I", _MAGIC_NG) == magic:
            return order
    raise CaptureError(start + 8, f"{magic.hex()} is no byte-order magic")


def _options(order: _Order, octets: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(octets):
        code, length = struct.unpack_from(order + "HH", octets, at)
        if code == _OPT_END:
            break
        if at + 4 + length > len(octets):
            raise IndexError(f"option {code} runs past the end")
        found.setdefault(code, octets[at + 4 : at + 4 + length])
        at += 4 + (length + 3 & ~3)
    return found


def _read_interface(order: _Order, body: bytes) -> _Seen:
    link_type, snap = struct.unpack_from(order + "HxxI", body)
    options = _options(order, body[8:])
    resolution = options.get(_IF_TSRESOL, b"\x06")[0]
    ticks = 1 << (resolution & 0x7F) if resolution & 0x80 else 10 ** (resolution & 0x7F)
    offset = options.get(_IF_TSOFFSET, bytes(8))
    (start,) = struct.unpack(order + "q", offset)
    return _Seen(options.get(_IF_NAME, b"").decode("utf-8", "replace"), link_type, ticks, start, snap)


def _read_packet(kind: int, order: _Order, body: bytes, seen: list[_Seen]) -> Record:
    if kind == _SIMPLE:
        (original,) = struct.unpack_from(order + "I", body)
        interface, ticks, at = 0, 0, 4
        captured = min(original, len(body) - 4, seen[0].snap or original)
    else:
        layout = "HxxIIII" if kind == _OLD_PACKET else "IIIII"
        interface, high, low, captured, _ = struct.unpack_from(order + layout, body)
        ticks, at = high << 32 | low, 20
    if interface >= len(seen):
        raise IndexError(f"interface {interface} of {len(seen)}")
    if at + captured > len(body):
        raise IndexError(f"{captured} octets captured, {len(body) - at} are there")
    source = seen[interface]
    comment = b"" if kind == _SIMPLE else _options(order, body[at + (captured + 3 & ~3) :]).get(_OPT_COMMENT, b"")
    return Record(
        source.start * 10**9 + ticks * 10**9 // source.ticks,
        source.link_type,
        body[at : at + captured],
        comment.decode("utf-8", "replace"),
        source.name,
    )
