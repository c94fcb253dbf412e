"""The contents of XBee API frames, one dataclass per frame type, and the tables that read and build them.

What lives here: frame data <-> dataclass.  What must not: delimiters, checksums and escaping (``xbee``), AT commands
and their registers (the drivers'), the RF payload.

XBee fields are big endian.  64-bit and 16-bit addresses are bytes, most significant first.
Source: facts/radio.md 2.2 [verified there unless marked]; frames A2 and A5 [single source, from memory].
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from devices.wire.errors import DecodeError, EncodeError

__all__ = [
    "BROADCAST_64",
    "COORDINATOR_64",
    "UNKNOWN_16",
    "UNKNOWN_64",
    "AtCommand",
    "AtQueued",
    "AtResponse",
    "CreateSourceRoute",
    "DeviceAuthenticated",
    "ExplicitReceive",
    "ExplicitTransmit",
    "ExtendedModemStatus",
    "Frame",
    "JoinNotification",
    "ManyToOne",
    "ModemStatus",
    "NodeIdentification",
    "Receive",
    "Receive16",
    "Receive64",
    "RegisterDevice",
    "RegistrationStatus",
    "RemoteAtCommand",
    "RemoteAtResponse",
    "RouteRecord",
    "Transmit",
    "Transmit16",
    "Transmit64",
    "TransmitStatus",
    "TransmitStatus802",
    "Unknown",
    "build",
    "parse",
]

LAYER = "xbee"
COORDINATOR_64 = bytes(8)
BROADCAST_64 = bytes(6) + b"\xff\xff"
UNKNOWN_64 = b"\xff" * 8
UNKNOWN_16 = b"\xff\xfe"


@dataclass(frozen=True, slots=True)
class Frame:
    """Base of all frame types."""


@dataclass(frozen=True, slots=True)
class Transmit64(Frame):
    """00, 802.15.4 firmware.  Options: 01 no acknowledgement, 04 broadcast PAN."""

    frame_id: int
    destination: bytes
    options: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Transmit16(Frame):
    """01, 802.15.4 firmware: as 00 with a short address."""

    frame_id: int
    destination: bytes
    options: int
    data: bytes


@dataclass(frozen=True, slots=True)
class AtCommand(Frame):
    """08: a local command, applied at once.  An empty value asks.  ``command`` is two ASCII letters."""

    frame_id: int
    command: bytes
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class AtQueued(Frame):
    """09: as 08, applied at the next 08 or AC."""

    frame_id: int
    command: bytes
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class Transmit(Frame):
    """10.  ``radius`` 0 is the largest; options as in facts/radio.md 2.2."""

    frame_id: int
    destination: bytes
    network: bytes
    radius: int
    options: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ExplicitTransmit(Frame):
    """11: with endpoints, cluster and profile.  Options: 20 APS encryption, 40 extended time-out."""

    frame_id: int
    destination: bytes
    network: bytes
    source_endpoint: int
    destination_endpoint: int
    cluster: int
    profile: int
    radius: int
    options: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RemoteAtCommand(Frame):
    """17.  Options: 01 no acknowledgement, 02 apply, 10 secure session, 40 extended time-out."""

    frame_id: int
    destination: bytes
    network: bytes
    options: int
    command: bytes
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class CreateSourceRoute(Frame):
    """21: the way to a node, the neighbour of the destination first.  No answer comes."""

    frame_id: int
    destination: bytes
    network: bytes
    options: int
    relays: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RegisterDevice(Frame):
    """24: let a device join.  Options 00 link key, 01 install code with its CRC; an empty key removes the entry."""

    frame_id: int
    device: bytes
    network: bytes
    options: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Receive64(Frame):
    """80, 802.15.4 firmware.  ``rssi`` in -dBm; options 02 broadcast, 04 all PANs."""

    source: bytes
    rssi: int
    options: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Receive16(Frame):
    """81, 802.15.4 firmware: as 80 with a short address."""

    source: bytes
    rssi: int
    options: int
    data: bytes


@dataclass(frozen=True, slots=True)
class AtResponse(Frame):
    """88.  Status: 0 ok, 1 error, 2 invalid command, 3 invalid parameter, 4 transmission failure."""

    frame_id: int
    command: bytes
    status: int
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class TransmitStatus802(Frame):
    """89, 802.15.4 firmware.  Status 00 is success."""

    frame_id: int
    status: int


@dataclass(frozen=True, slots=True)
class ModemStatus(Frame):
    """8A: 00 hardware reset, 01 watchdog, 02 joined, 03 disassociated, 06 coordinator started, 43/44 join window."""

    status: int


@dataclass(frozen=True, slots=True)
class TransmitStatus(Frame):
    """8B.  ``network`` is FFFD when it failed; delivery 00 is success; codes in facts/radio.md 2.2."""

    frame_id: int
    network: bytes
    retries: int
    delivery: int
    discovery: int


@dataclass(frozen=True, slots=True)
class Receive(Frame):
    """90.  Options: 01 acknowledged, 02 broadcast, 20 APS encrypted, 40 from an end device."""

    source: bytes
    network: bytes
    options: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ExplicitReceive(Frame):
    """91: with endpoints, cluster and profile; no frame id and no signal strength.  Options as in 90."""

    source: bytes
    network: bytes
    source_endpoint: int
    destination_endpoint: int
    cluster: int
    profile: int
    options: int
    data: bytes


@dataclass(frozen=True, slots=True)
class NodeIdentification(Frame):
    """95.  Device type 0 coordinator, 1 router, 2 end device; event 1 button, 2 join, 3 power."""

    source: bytes
    network: bytes
    options: int
    remote_network: bytes
    remote: bytes
    name: bytes  # without its closing zero
    parent: bytes
    device_type: int
    event: int
    profile: int
    manufacturer: int
    rest: bytes = b""  # device-type and signal octets that the NO register adds


@dataclass(frozen=True, slots=True)
class RemoteAtResponse(Frame):
    """97: status as in 88."""

    frame_id: int
    source: bytes
    network: bytes
    command: bytes
    status: int
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class ExtendedModemStatus(Frame):
    """98: the steps of a verbose join."""

    status: int
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class RouteRecord(Frame):
    """A1: the way that a packet from ``source`` took."""

    source: bytes
    network: bytes
    options: int
    relays: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class DeviceAuthenticated(Frame):
    """A2, Smart Energy firmware only [single source]."""

    device: bytes
    network: bytes
    status: int


@dataclass(frozen=True, slots=True)
class ManyToOne(Frame):
    """A3: a concentrator's route request has come by."""

    source: bytes
    network: bytes
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class RegistrationStatus(Frame):
    """A4: answers 24.  00 ok, 01 too long, B1 not in table, B2 invalid key, B3 invalid address, B4 table full."""

    frame_id: int
    status: int


@dataclass(frozen=True, slots=True)
class JoinNotification(Frame):
    """A5 [from memory]."""

    source: bytes
    network: bytes
    status: int


@dataclass(frozen=True, slots=True)
class Unknown(Frame):
    """A frame type that is not in the table; ``data`` is what follows the type."""

    kind: int
    data: bytes = b""


# type: class, layout of the fixed part, what follows it ("" nothing, "data" the rest, "list" counted 16-bit addresses)
_LAYOUTS: dict[int, tuple[type[Frame], str, str]] = {
    0x00: (Transmit64, ">B8sB", "data"),
    0x01: (Transmit16, ">B2sB", "data"),
    0x08: (AtCommand, ">B2s", "data"),
    0x09: (AtQueued, ">B2s", "data"),
    0x10: (Transmit, ">B8s2sBB", "data"),
    0x11: (ExplicitTransmit, ">B8s2sBBHHBB", "data"),
    0x17: (RemoteAtCommand, ">B8s2sB2s", "data"),
    0x21: (CreateSourceRoute, ">B8s2sB", "list"),
    0x24: (RegisterDevice, ">B8s2sB", "data"),
    0x80: (Receive64, ">8sBB", "data"),
    0x81: (Receive16, ">2sBB", "data"),
    0x88: (AtResponse, ">B2sB", "data"),
    0x89: (TransmitStatus802, ">BB", ""),
    0x8A: (ModemStatus, ">B", ""),
    0x8B: (TransmitStatus, ">B2sBBB", ""),
    0x90: (Receive, ">8s2sB", "data"),
    0x91: (ExplicitReceive, ">8s2sBBHHB", "data"),
    0x95: (NodeIdentification, ">8s2sB2s8s", "name"),
    0x97: (RemoteAtResponse, ">B8s2s2sB", "data"),
    0x98: (ExtendedModemStatus, ">B", "data"),
    0xA1: (RouteRecord, ">8s2sB", "list"),
    0xA2: (DeviceAuthenticated, ">8s2sB", ""),
    0xA3: (ManyToOne, ">8s2sB", ""),
    0xA4: (RegistrationStatus, ">BB", ""),
    0xA5: (JoinNotification, ">8s2sB", ""),
}
_AFTER_NAME = struct.Struct(">2sBBHH")

_Reader = Callable[[bytes], Frame]


def _reader(make: Callable[..., Frame], layout: str, tail: str) -> _Reader:
    """A function that reads one frame type; the closure holds all that can be worked out beforehand."""
    fixed = struct.Struct(layout.replace(">", ">x"))  # the type octet is skipped
    unpack, end = fixed.unpack_from, fixed.size

    def with_data(data: bytes) -> Frame:
        return make(*unpack(data), data[end:])

    def without_data(data: bytes) -> Frame:
        if len(data) > end:
            raise DecodeError(LAYER, end, f"frame {data[0]:02x}: {len(data) - end} octets left over")
        return make(*unpack(data))

    def with_list(data: bytes) -> Frame:
        values = unpack(data)
        if len(data) <= end or len(data) != end + 1 + 2 * data[end]:
            raise DecodeError(LAYER, end, f"frame {data[0]:02x}: the count and the octets of its addresses differ")
        return make(*values, tuple(data[at : at + 2] for at in range(end + 1, len(data), 2)))

    def with_name(data: bytes) -> Frame:
        values = unpack(data)
        stop = data.find(b"\0", end)
        if stop < 0:
            raise DecodeError(LAYER, end, f"frame {data[0]:02x}: the node's name has no closing zero")
        after = _AFTER_NAME.unpack_from(data, stop + 1)
        return make(*values, data[end:stop], *after, data[stop + 1 + _AFTER_NAME.size :])

    return {"data": with_data, "": without_data, "list": with_list, "name": with_name}[tail]


_READERS: dict[int, _Reader] = {kind: _reader(*layout) for kind, layout in _LAYOUTS.items()}


def parse(frame_data: bytes) -> Frame:
    """Read what stands between length and checksum.  Raises DecodeError; unheard-of types become :class:`Unknown`."""
    try:
        return _READERS[frame_data[0]](frame_data)
    except KeyError:
        return Unknown(frame_data[0], frame_data[1:])
    except IndexError:
        raise DecodeError(LAYER, 0, "a frame without a frame type") from None
    except struct.error:
        raise DecodeError(LAYER, len(frame_data), f"frame {frame_data[0]:02x}: cut short") from None


_Builder = Callable[[Any], bytes]


def _builder(kind: int, frame: type[Frame], layout: str, tail: str) -> _Builder:
    """A function that builds one frame type."""
    fixed = struct.Struct(layout.replace(">", ">B"))
    names = [item.name for item in fields(frame)]
    samples = struct.unpack(layout, bytes(fixed.size - 1))
    # struct pads short strings without a word, so the lengths of addresses are compared here
    lengths = [(index, len(sample)) for index, sample in enumerate(samples) if isinstance(sample, bytes)]
    count = len(samples)

    def build_one(frame: Any) -> bytes:
        values = [getattr(frame, name) for name in names]
        for index, length in lengths:
            if len(values[index]) != length:
                raise EncodeError(LAYER, f"{names[index]}: expected {length} octets, got {len(values[index])}")
        octets = fixed.pack(kind, *values[:count])
        match tail:
            case "data":
                return octets + bytes(values[count])
            case "list":
                relays: tuple[bytes, ...] = values[count]
                if any(len(relay) != 2 for relay in relays) or len(relays) > 0xFF:
                    raise EncodeError(LAYER, f"{names[count]}: expected at most 255 addresses of 2 octets")
                return octets + bytes((len(relays),)) + b"".join(relays)
            case "name":
                name, *after, rest = values[count:]
                if b"\0" in name or len(after[0]) != 2:
                    raise EncodeError(LAYER, "the name holds a zero, or the parent's address has not 2 octets")
                return octets + bytes(name) + b"\0" + _AFTER_NAME.pack(*after) + bytes(rest)
        return octets

    return build_one


_BUILDERS: dict[type[Frame], _Builder] = {
    frame: _builder(kind, frame, layout, tail) for kind, (frame, layout, tail) in _LAYOUTS.items()
}


def build(frame: Frame) -> bytes:
    """The frame data of a frame, as ``xbee.frame`` takes it.  Raises EncodeError."""
    if isinstance(frame, Unknown):
        if frame.kind in _LAYOUTS or not 0 <= frame.kind <= 0xFF:
            raise EncodeError(LAYER, f"frame type {frame.kind:#04x} has a class of its own, or is no octet")
        return bytes((frame.kind,)) + frame.data
    try:
        return _BUILDERS[type(frame)](frame)
    except struct.error as error:
        raise EncodeError(LAYER, f"{frame}: {error}") from None
