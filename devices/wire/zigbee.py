"""Zigbee network (NWK) and application support (APS) frames, beacon payload, and APS fragmentation.

What lives here: octets <-> :class:`NwkFrame`, :class:`ApsFrame`, :class:`BeaconPayload`; :func:`fragment` and
:class:`ApsReassembler`.  What must not: NWK and APS security (secured content stays octets), routing, retries.

Addresses are 2 or 8 octets, most significant first; the wire is little endian throughout.
Source: Zigbee PRO (05-3474); facts/gbcs.md 12.2 and 12.4, facts/radio.md 8.2 [verified there against tshark].
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum

from devices.wire.errors import DecodeError, EncodeError

__all__ = [
    "BROADCAST_ALL",
    "BROADCAST_RX_ON",
    "PROFILE_SMART_ENERGY",
    "ApsFrame",
    "ApsReassembler",
    "ApsType",
    "BeaconPayload",
    "Delivery",
    "Fragment",
    "NwkFrame",
    "NwkType",
    "Unfinished",
    "acknowledge",
    "decode_aps",
    "decode_beacon_payload",
    "decode_nwk",
    "encode_aps",
    "encode_beacon_payload",
    "encode_nwk",
    "fragment",
]

NWK, APS = "zigbee nwk", "zigbee aps"
PROFILE_SMART_ENERGY = 0x0109
BROADCAST_ALL = b"\xff\xff"
BROADCAST_RX_ON = b"\xff\xfd"


class NwkType(IntEnum):
    DATA = 0
    COMMAND = 1


class ApsType(IntEnum):
    DATA = 0
    COMMAND = 1
    ACK = 2


class Delivery(IntEnum):
    UNICAST = 0
    BROADCAST = 2
    GROUP = 3


# ---------------------------------------------------------------- beacon payload


@dataclass(frozen=True, slots=True)
class BeaconPayload:
    """What a Zigbee router or coordinator says of its network in a beacon.

    ``extended_pan`` has 8 octets, most significant first; in Great Britain it equals the hub's EUI-64
    (facts/radio.md 1.1).  ``tx_offset`` is FFFFFF where no superframes are sent.
    """

    extended_pan: bytes
    router_capacity: bool = True
    end_device_capacity: bool = True
    depth: int = 0
    tx_offset: int = 0xFFFFFF
    update_id: int = 0
    stack_profile: int = 2
    protocol_version: int = 2


def decode_beacon_payload(octets: bytes) -> BeaconPayload:
    """Read the network layer's part of a beacon.  Raises DecodeError."""
    if len(octets) != 15:
        raise DecodeError(NWK, len(octets), f"a Zigbee beacon payload has 15 octets, got {len(octets)}")
    if octets[0]:
        raise DecodeError(NWK, 0, f"protocol id {octets[0]:02x}: expected 00, Zigbee")
    word = octets[1] | octets[2] << 8
    if word & 0x0300:
        raise DecodeError(NWK, 2, "reserved bits are set")
    return BeaconPayload(
        octets[10:2:-1],
        bool(word & 0x0400),
        bool(word & 0x8000),
        word >> 11 & 15,
        int.from_bytes(octets[11:14], "little"),
        octets[14],
        word & 15,
        word >> 4 & 15,
    )


def encode_beacon_payload(beacon: BeaconPayload) -> bytes:
    """The network layer's part of a beacon.  Raises EncodeError."""
    nibbles = (beacon.stack_profile, beacon.protocol_version, beacon.depth)
    _check(NWK, all(0 <= nibble <= 15 for nibble in nibbles), f"{nibbles} are not 0 to 15")
    _check(NWK, len(beacon.extended_pan) == 8, f"an extended PAN id has 8 octets, got {len(beacon.extended_pan)}")
    _check(NWK, 0 <= beacon.tx_offset <= 0xFFFFFF, f"tx offset {beacon.tx_offset:#x} is not 24 bits")
    _check(NWK, 0 <= beacon.update_id <= 0xFF, f"update id {beacon.update_id} is not 0 to 255")
    word = nibbles[0] | nibbles[1] << 4 | nibbles[2] << 11
    word |= 0x0400 * beacon.router_capacity | 0x8000 * beacon.end_device_capacity
    return b"\0%b%b%b%c" % (
        word.to_bytes(2, "little"),
        beacon.extended_pan[::-1],
        beacon.tx_offset.to_bytes(3, "little"),
        beacon.update_id,
    )


# ---------------------------------------------------------------- network layer


@dataclass(frozen=True, slots=True)
class NwkFrame:
    """A network frame.  ``security`` set means that ``payload`` starts with the auxiliary header, left as octets."""

    destination: bytes
    source: bytes
    sequence: int
    payload: bytes = b""
    frame_type: NwkType = NwkType.DATA
    radius: int = 30
    discover_route: int = 1
    destination_ieee: bytes = b""  # 8 octets or none
    source_ieee: bytes = b""
    multicast_control: int | None = None
    relays: tuple[bytes, ...] | None = None  # source route; None: no such field
    relay_index: int = 0
    security: bool = False
    end_device_initiator: bool = False
    protocol_version: int = 2


def decode_nwk(octets: bytes) -> NwkFrame:
    """Read a network frame.  Raises DecodeError; an inter-PAN stub is not one (see ``interpan``)."""
    if len(octets) < 8:
        raise DecodeError(NWK, len(octets), f"a network frame has at least 8 octets, got {len(octets)}")
    control = octets[0] | octets[1] << 8
    if control & 3 > NwkType.COMMAND:
        raise DecodeError(NWK, 0, f"frame type {control & 3}: expected data or command")
    if control & 0xC000:
        raise DecodeError(NWK, 1, "reserved bits of the frame control are set")
    destination_ieee, at = _read_ieee(octets, 8, bool(control & 0x0800))
    source_ieee, at = _read_ieee(octets, at, bool(control & 0x1000))
    multicast: int | None = None
    if control & 0x0100:
        multicast, at = _octet(NWK, octets, at), at + 1
    relays: tuple[bytes, ...] | None = None
    index = 0
    if control & 0x0400:
        count, index = _octet(NWK, octets, at), _octet(NWK, octets, at + 1)
        end = at + 2 + 2 * count
        if end > len(octets):
            raise DecodeError(NWK, at, f"source route of {count} relays runs past the end")
        relays = tuple(octets[place : place + 2][::-1] for place in range(at + 2, end, 2))
        at = end
    return NwkFrame(
        octets[3:1:-1],
        octets[5:3:-1],
        octets[7],
        octets[at:],
        NwkType(control & 3),
        octets[6],
        control >> 6 & 3,
        destination_ieee,
        source_ieee,
        multicast,
        relays,
        index,
        bool(control & 0x0200),
        bool(control & 0x2000),
        control >> 2 & 15,
    )


def encode_nwk(frame: NwkFrame) -> bytes:
    """Octets of a network frame.  Raises EncodeError."""
    _check(NWK, 0 <= frame.protocol_version <= 15 and 0 <= frame.discover_route <= 3, "frame control out of range")
    for name, address in (("destination", frame.destination), ("source", frame.source)):
        _check(NWK, len(address) == 2, f"{name}: a network address has 2 octets, got {len(address)}")
    for name, address in (("destination", frame.destination_ieee), ("source", frame.source_ieee)):
        _check(NWK, len(address) in (0, 8), f"{name}: an IEEE address has 8 octets, got {len(address)}")
    control = frame.frame_type | frame.protocol_version << 2 | frame.discover_route << 6
    control |= 0x0100 * (frame.multicast_control is not None) | 0x0200 * frame.security
    control |= 0x0400 * (frame.relays is not None) | 0x0800 * bool(frame.destination_ieee)
    control |= 0x1000 * bool(frame.source_ieee) | 0x2000 * frame.end_device_initiator
    numbers = bytes(_u8(NWK, value) for value in (frame.radius, frame.sequence))
    octets = control.to_bytes(2, "little") + frame.destination[::-1] + frame.source[::-1] + numbers
    octets += frame.destination_ieee[::-1] + frame.source_ieee[::-1]
    if frame.multicast_control is not None:
        octets += bytes((_u8(NWK, frame.multicast_control),))
    if frame.relays is not None:
        _check(NWK, all(len(relay) == 2 for relay in frame.relays), "a relay has 2 octets")
        octets += bytes((_u8(NWK, len(frame.relays)), _u8(NWK, frame.relay_index)))
        octets += b"".join(relay[::-1] for relay in frame.relays)
    else:
        _check(NWK, frame.relay_index == 0, "a relay index without relays")
    return octets + frame.payload


# ---------------------------------------------------------------- application support


@dataclass(frozen=True, slots=True)
class Fragment:
    """The extended header of a fragment: the first names the total of blocks, the others their number from 1.

    ``ack_bits`` stands in acknowledgements only, where ``block`` is the first block of the window: bit n set says that
    block + n has arrived, and bits beyond the window are set too (test TP/PRO/BV-43 of Zigbee PRO [single source]).
    """

    first: bool
    block: int
    ack_bits: int | None = None


@dataclass(frozen=True, slots=True)
class ApsFrame:
    """An APS frame.  Commands and acknowledgements of commands (``ack_format``) have no endpoints, cluster or profile.

    ``counter``: a radio has one for data, commands and broadcasts together, rising by one; an acknowledgement repeats
    that of its frame.  tshark 4.0.17 relies on it: after jumps of more than 64 it does not join fragments [verified].

    ``group`` is the group address of delivery mode GROUP, which has no destination endpoint.  ``security`` set means
    that ``payload`` starts with the auxiliary header, left as octets.
    """

    counter: int
    payload: bytes = b""
    destination_endpoint: int = 0
    source_endpoint: int = 0
    cluster: int = 0
    profile: int = 0
    frame_type: ApsType = ApsType.DATA
    delivery: Delivery = Delivery.UNICAST
    group: int | None = None
    ack_request: bool = False
    ack_format: bool = False
    security: bool = False
    fragment: Fragment | None = None


def _addressed(frame_type: int, ack_format: bool) -> bool:
    return frame_type == ApsType.DATA or (frame_type == ApsType.ACK and not ack_format)


def decode_aps(octets: bytes) -> ApsFrame:
    """Read an APS frame.  Raises DecodeError; an inter-PAN stub is not one (see ``interpan``)."""
    control = _octet(APS, octets, 0)
    frame_type, delivery, ack_format = control & 3, control >> 2 & 3, bool(control & 0x10)
    if frame_type > ApsType.ACK:
        raise DecodeError(APS, 0, "frame type 3: expected data, command or acknowledgement")
    if delivery == 1:
        raise DecodeError(APS, 0, "delivery mode 1 (indirect) is deprecated and not read")
    at, destination, source, cluster, profile = 1, 0, 0, 0, 0
    group: int | None = None
    if _addressed(frame_type, ack_format):
        if delivery == Delivery.GROUP:
            group, at = _u16_at(octets, at), at + 2
        else:
            destination, at = _octet(APS, octets, at), at + 1
        cluster, profile = _u16_at(octets, at), _u16_at(octets, at + 2)
        source, at = _octet(APS, octets, at + 4), at + 5
    counter, at = _octet(APS, octets, at), at + 1
    extended: Fragment | None = None
    if control & 0x80:
        extended, at = _read_fragment(octets, at, frame_type == ApsType.ACK)
    return ApsFrame(
        counter,
        octets[at:],
        destination,
        source,
        cluster,
        profile,
        ApsType(frame_type),
        Delivery(delivery),
        group,
        bool(control & 0x40),
        ack_format,
        bool(control & 0x20),
        extended,
    )


def _read_fragment(octets: bytes, at: int, acknowledgement: bool) -> tuple[Fragment, int]:
    control = _octet(APS, octets, at)
    if control not in (1, 2):
        raise DecodeError(APS, at, f"extended frame control {control:02x}: expected 01 (first) or 02 (next fragment)")
    block = _octet(APS, octets, at + 1)
    if acknowledgement:
        return Fragment(control == 1, block, _octet(APS, octets, at + 2)), at + 3
    return Fragment(control == 1, block), at + 2


def encode_aps(frame: ApsFrame) -> bytes:
    """Octets of an APS frame.  Raises EncodeError."""
    control = frame.frame_type | frame.delivery << 2 | 0x10 * frame.ack_format | 0x20 * frame.security
    control |= 0x40 * frame.ack_request | 0x80 * (frame.fragment is not None)
    octets = bytes((control,))
    to_group = frame.delivery == Delivery.GROUP
    if _addressed(frame.frame_type, frame.ack_format):
        _check(APS, to_group == (frame.group is not None), "a group address goes with delivery mode GROUP")
        if frame.group is not None:
            _check(APS, not frame.destination_endpoint, "delivery to a group has no destination endpoint")
            octets += _u16(frame.group)
        else:
            octets += bytes((_u8(APS, frame.destination_endpoint),))
        octets += _u16(frame.cluster) + _u16(frame.profile) + bytes((_u8(APS, frame.source_endpoint),))
    else:
        unused = (frame.destination_endpoint, frame.source_endpoint, frame.cluster, frame.profile, frame.group or 0)
        _check(APS, not any(unused) and frame.group is None, f"{frame.frame_type.name} has no endpoints or cluster")
    octets += bytes((_u8(APS, frame.counter),))
    if frame.fragment is not None:
        octets += bytes((1 if frame.fragment.first else 2, _u8(APS, frame.fragment.block)))
        acknowledgement = frame.frame_type == ApsType.ACK
        _check(APS, acknowledgement == (frame.fragment.ack_bits is not None), "ack bits go with acknowledgements")
        if frame.fragment.ack_bits is not None:
            octets += bytes((_u8(APS, frame.fragment.ack_bits),))
    return octets + frame.payload


def acknowledge(frame: ApsFrame) -> ApsFrame:
    """The acknowledgement of a data or command frame: endpoints swapped, same counter, no payload.

    Of a fragment it acknowledges that block alone (a window of one).
    """
    part = frame.fragment
    return ApsFrame(
        frame.counter,
        b"",
        frame.source_endpoint,
        frame.destination_endpoint,
        frame.cluster,
        frame.profile,
        ApsType.ACK,
        ack_format=frame.frame_type == ApsType.COMMAND,
        fragment=None if part is None else Fragment(part.first, 0 if part.first else part.block, 0xFF),
    )


# ---------------------------------------------------------------- fragmentation


def fragment(frame: ApsFrame, largest: int) -> list[ApsFrame]:
    """Cut a frame whose payload exceeds ``largest`` octets into fragments of at most that; else return it alone.

    Raises EncodeError when more than 255 blocks would be needed.
    """
    if len(frame.payload) <= largest:
        return [frame]
    _check(APS, largest > 0, f"a fragment of {largest} octets carries nothing")
    pieces = [frame.payload[start : start + largest] for start in range(0, len(frame.payload), largest)]
    _check(APS, len(pieces) <= 0xFF, f"{len(pieces)} fragments are needed, 255 can be counted")
    return [
        replace(frame, payload=piece, fragment=Fragment(number == 0, number or len(pieces)))
        for number, piece in enumerate(pieces)
    ]


@dataclass(slots=True)
class _Transfer:
    started: int
    total: int = 0  # 0: the first block has not come yet
    blocks: dict[int, bytes] = field(default_factory=dict)
    size: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A transfer that is not whole: whose it is, its APS counter, the blocks that it lacks (the first is 0; while that
    has not come, the number after the highest one stands for all that may follow), and when it began."""

    source: bytes
    counter: int
    missing: tuple[int, ...]
    started: int


class ApsReassembler:
    """Puts fragments together again, whatever their order, and drops repeats.

    Bounded: at most ``transfers`` at a time (the oldest goes, counted in ``dropped``), each of at most ``largest``
    octets and kept ``lifetime`` nanoseconds after its first block; a finished one is remembered that long, so that a
    late repeat of a block starts nothing.  ``on_drop`` is told of each transfer that goes unfinished.
    """

    def __init__(
        self,
        *,
        transfers: int = 16,
        largest: int = 4096,
        lifetime: int = 60_000_000_000,
        on_drop: Callable[[Unfinished], None] | None = None,
    ) -> None:
        self.dropped = 0
        self._on_drop = on_drop
        self._transfers: OrderedDict[tuple[bytes, int, int, int], _Transfer] = OrderedDict()
        self._limits = (transfers, largest, lifetime)

    def feed(self, source: bytes, frame: ApsFrame, now: int) -> ApsFrame | None:
        """Take a data frame from ``source``; the whole frame when it is complete.  An unfragmented one is whole.

        Raises DecodeError when the blocks contradict each other or exceed the limits; that transfer is forgotten.
        """
        part = frame.fragment
        if part is None or frame.frame_type != ApsType.DATA:
            return frame
        transfers, largest, lifetime = self._limits
        self._expire(now - lifetime)
        key = (source, frame.counter, frame.source_endpoint, frame.cluster)
        transfer = self._transfers.get(key)
        if transfer is None:
            if len(self._transfers) >= transfers:
                self._forget(next(iter(self._transfers)))
            transfer = self._transfers[key] = _Transfer(now)
        number = 0 if part.first else part.block
        if transfer.done or transfer.blocks.get(number) == frame.payload:
            return None
        transfer.total = part.block if part.first else transfer.total
        transfer.size += len(frame.payload)
        contradiction = number in transfer.blocks or not part.block
        if transfer.total and max(number, *transfer.blocks, 0) >= transfer.total:
            contradiction = True
        if contradiction or transfer.size > largest:
            self._forget(key)
            raise DecodeError(APS, 0, f"fragment {number} of counter {frame.counter} does not fit its transfer")
        transfer.blocks[number] = frame.payload
        if len(transfer.blocks) != transfer.total:
            return None
        whole = b"".join(transfer.blocks[block] for block in range(transfer.total))
        transfer.done, transfer.blocks = True, {}
        return replace(frame, payload=whole, fragment=None)

    def unfinished(self) -> list[Unfinished]:
        """The transfers that are under way."""
        return [_unfinished(key, transfer) for key, transfer in self._transfers.items() if not transfer.done]

    def _expire(self, before: int) -> None:
        for key in [key for key, transfer in self._transfers.items() if transfer.started < before]:
            self._forget(key)

    def _forget(self, key: tuple[bytes, int, int, int]) -> None:
        transfer = self._transfers.pop(key)
        if not transfer.done:
            self.dropped += 1
            if self._on_drop is not None:
                self._on_drop(_unfinished(key, transfer))


def _unfinished(key: tuple[bytes, int, int, int], transfer: _Transfer) -> Unfinished:
    end = transfer.total or max(transfer.blocks) + 2
    return Unfinished(key[0], key[1], tuple(n for n in range(end) if n not in transfer.blocks), transfer.started)


# ---------------------------------------------------------------- numbers


def _check(layer: str, condition: bool, reason: str) -> None:
    if not condition:
        raise EncodeError(layer, reason)


def _u8(layer: str, value: int) -> int:
    _check(layer, 0 <= value <= 0xFF, f"{value} is not 0 to 255")
    return value


def _u16(value: int) -> bytes:
    _check(APS, 0 <= value <= 0xFFFF, f"{value:#x} is not 16 bits")
    return value.to_bytes(2, "little")


def _octet(layer: str, octets: bytes, at: int) -> int:
    if at >= len(octets):
        raise DecodeError(layer, len(octets), f"expected an octet at {at}, the frame has {len(octets)}")
    return octets[at]


def _u16_at(octets: bytes, at: int) -> int:
    return _octet(APS, octets, at) | _octet(APS, octets, at + 1) << 8


def _read_ieee(octets: bytes, at: int, present: bool) -> tuple[bytes, int]:
    if not present:
        return b"", at
    if at + 8 > len(octets):
        raise DecodeError(NWK, len(octets), f"the IEEE address at octet {at} is cut short")
    return octets[at : at + 8][::-1], at + 8
