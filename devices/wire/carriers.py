"""What carries 802.15.4 frames and messages in captures of other links: Ethernet, IP and UDP, and ZEP in them.

What lives here: the packet of a link type -> what it carries.  What must not: the file formats (``pcap``), what frames
hold (``captured``), TCP as a stream: a segment is taken as it is.

Source: the link types of tcpdump.org; facts/gbcs.md 12.4 for ZEP version 2 [verified there with tshark], version 1 and
type 2 of version 2 recalled from Wireshark's reader; TI CC24xx: the two octets that the radio puts in place of the
check sequence are signal strength, and 80 hex for a right check sequence with the correlation in the other bits.
"""

from __future__ import annotations

from typing import NamedTuple

from devices.wire import ieee802154
from devices.wire.errors import DecodeError
from devices.wire.pcap import Record

__all__ = ["ZEP_PORT", "Carried", "Unreadable", "carried", "strip_metadata"]

ZEP_PORT = 17754

_ETHERNET, _NULL, _LOOP, _SLL, _SLL2 = 1, 0, 108, 113, 276
_RAW_IP = (12, 14, 101, 228, 229)
_VLAN = (0x8100, 0x88A8, 0x9100)
_IPV4, _IPV6 = 0x0800, 0x86DD
_FAMILIES = {2: _IPV4, 10: _IPV6, 23: _IPV6, 24: _IPV6, 28: _IPV6, 30: _IPV6}  # of the null link, by system
_EXTENSIONS = (0, 43, 60)  # headers of IPv6 that stand before the next one
_TCP, _UDP, _FRAGMENT = 6, 17, 44
_DEEPEST = 8  # VLAN tags and extension headers inside one another
_ZEP_2, _ZEP_1, _ZEP_ACK = 32, 16, 2  # octets of the headers; the type that carries no frame
_CRC_RIGHT = 0x80


class Unreadable(ValueError):
    """A packet that is ``broken``, cut short, say, or else of a kind that carries no message."""

    def __init__(self, reason: str, *, broken: bool = True) -> None:
        super().__init__(reason)
        self.broken = broken


class Carried(NamedTuple):
    """What a packet carries: an 802.15.4 frame where ``frame`` says so, else octets of whatever kind."""

    octets: bytes
    frame: bool


def carried(record: Record) -> Carried | None:
    """What a packet of a network carries; None for a link type that is none of a network.  Raises ``Unreadable``."""
    try:
        protocol, octets = _network(record)
        if protocol is None:
            return None
        return _transport(*_internet(protocol, octets))
    except IndexError:
        raise Unreadable("it is cut short") from None


def strip_metadata(octets: bytes) -> bytes:
    """A frame without TI CC24xx metadata.  Raises ``Unreadable`` where the radio says that the frame is broken."""
    if len(octets) < 3 or not octets[-1] & _CRC_RIGHT:
        raise Unreadable("the radio that heard it says that its check sequence is wrong")
    return octets[:-2]


def _network(record: Record) -> tuple[int | None, bytes]:
    """The protocol (its EtherType) and the octets of it."""
    octets, link = record.octets, record.link_type
    if link in _RAW_IP:
        return (_IPV6 if octets[0] >> 4 == 6 else _IPV4), octets
    if link in (_NULL, _LOOP):
        family = int.from_bytes(octets[:4], "big" if link == _LOOP or octets[0] == 0 else "little")
        return _FAMILIES.get(family, 0), octets[4:]
    if link not in (_ETHERNET, _SLL, _SLL2):
        return None, b""
    at, start = {_ETHERNET: (12, 14), _SLL: (14, 16), _SLL2: (0, 20)}[link]
    protocol = octets[at] << 8 | octets[at + 1]
    for _ in range(_DEEPEST):
        if protocol not in _VLAN:
            break
        protocol, start = octets[start + 2] << 8 | octets[start + 3], start + 4
    return protocol, octets[start:]


def _internet(protocol: int, octets: bytes) -> tuple[int, bytes]:
    """The protocol over IP and the octets of it."""
    if protocol == _IPV4:
        length, header = octets[2] << 8 | octets[3], (octets[0] & 15) * 4
        if (octets[6] & 0x3F) << 8 | octets[7]:
            raise Unreadable("it is a fragment of an IP packet")
        return octets[9], octets[header : length or None]
    if protocol != _IPV6:
        raise Unreadable(f"it is of EtherType {protocol:04X}", broken=False)
    kind, rest = octets[6], octets[40 : 40 + (octets[4] << 8 | octets[5])]
    for _ in range(_DEEPEST):
        if kind not in _EXTENSIONS:
            break
        kind, rest = rest[0], rest[8 * (rest[1] + 1) :]
    if kind == _FRAGMENT:
        raise Unreadable("it is a fragment of an IP packet")
    return kind, rest


def _transport(protocol: int, octets: bytes) -> Carried:
    if protocol == _TCP:
        return Carried(octets[(octets[12] >> 4) * 4 :], False)
    if protocol != _UDP:
        raise Unreadable(f"it is of IP protocol {protocol}", broken=False)
    ports = (octets[0] << 8 | octets[1], octets[2] << 8 | octets[3])
    content = octets[8:]
    if ZEP_PORT in ports and content[:2] == b"EX":
        return Carried(_zep(content), True)
    return Carried(content, False)


def _zep(octets: bytes) -> bytes:
    """The frame in a ZEP packet, without check sequence or metadata."""
    version = octets[2]
    if version == 2 and octets[3] == _ZEP_ACK:
        raise Unreadable("it is an acknowledgement of ZEP", broken=False)
    if version not in (1, 2):
        raise Unreadable(f"it is of ZEP version {version}")
    header, mode = (_ZEP_2, octets[7]) if version == 2 else (_ZEP_1, octets[6])
    frame = octets[header : header + octets[header - 1]]
    if len(frame) < octets[header - 1]:
        raise Unreadable("the frame in its ZEP packet is cut short")
    if mode == 0:
        return strip_metadata(frame)
    return _checked(frame)


def _checked(frame: bytes) -> bytes:
    try:
        return ieee802154.strip_fcs(frame)
    except DecodeError as fault:
        raise Unreadable(fault.reason) from None
