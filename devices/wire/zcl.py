"""Zigbee Cluster Library frames: the header that every cluster shares.

What lives here: octets <-> :class:`Frame` and the default response.  What must not: the contents of clusters
(``tunnelling`` has those of 0704; the ZCL inside GBCS messages is ``gbz``'s).  Source: Zigbee Cluster Library 2.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.wire.errors import DecodeError, EncodeError

__all__ = [
    "CLUSTER_SPECIFIC",
    "DISABLE_DEFAULT_RESPONSE",
    "MANUFACTURER_SPECIFIC",
    "TO_CLIENT",
    "Frame",
    "decode",
    "default_response",
    "encode",
    "read_header",
]

LAYER = "zcl"

CLUSTER_SPECIFIC = 0x01  # frame type of bits 0-1; 0 is a command that all clusters share
MANUFACTURER_SPECIFIC = 0x04
TO_CLIENT = 0x08  # direction: set from server to client
DISABLE_DEFAULT_RESPONSE = 0x10

_DEFAULT_RESPONSE = 0x0B


@dataclass(frozen=True, slots=True)
class Frame:
    """A ZCL frame.  ``manufacturer`` is present when, and only when, frame control says MANUFACTURER_SPECIFIC."""

    frame_control: int
    sequence: int
    command: int
    payload: bytes = b""
    manufacturer: int | None = None

    @property
    def cluster_specific(self) -> bool:
        """True for a command of the cluster, False for one that all clusters share."""
        return self.frame_control & 3 == CLUSTER_SPECIFIC

    @property
    def to_client(self) -> bool:
        """True from server to client."""
        return bool(self.frame_control & TO_CLIENT)


def decode(octets: bytes) -> Frame:
    """Read a ZCL frame.  Raises DecodeError."""
    control, manufacturer, sequence, command, start = read_header(octets, 0, len(octets))
    return Frame(control, sequence, command, octets[start:], manufacturer)


def read_header(octets: bytes, position: int, end: int) -> tuple[int, int | None, int, int, int]:
    """Frame control, manufacturer, sequence and command of the frame from ``position`` to ``end``, and where its
    payload starts.  Raises DecodeError, its offset counted from ``position``."""
    if position + 3 > end:
        raise DecodeError(LAYER, end - position, f"a frame has at least 3 octets, got {end - position}")
    control = octets[position]
    if control & 3 > CLUSTER_SPECIFIC or control & 0xE0:
        raise DecodeError(LAYER, 0, f"frame control {control:02x}: reserved frame type or bits")
    if not control & MANUFACTURER_SPECIFIC:
        return control, None, octets[position + 1], octets[position + 2], position + 3
    if position + 5 > end:
        raise DecodeError(LAYER, end - position, f"a manufacturer's frame has at least 5 octets, got {end - position}")
    manufacturer = octets[position + 1] | octets[position + 2] << 8
    return control, manufacturer, octets[position + 3], octets[position + 4], position + 5


def encode(frame: Frame) -> bytes:
    """Octets of a ZCL frame.  Raises EncodeError."""
    control = frame.frame_control
    if control & 3 > CLUSTER_SPECIFIC or control & ~0x1F:
        raise EncodeError(LAYER, f"frame control {control:#04x}: reserved frame type or bits")
    if bool(control & MANUFACTURER_SPECIFIC) != (frame.manufacturer is not None):
        raise EncodeError(LAYER, "a manufacturer code goes with the manufacturer-specific bit")
    if not (0 <= frame.sequence <= 0xFF and 0 <= frame.command <= 0xFF):
        raise EncodeError(LAYER, f"sequence {frame.sequence} or command {frame.command} is not 0 to 255")
    if frame.manufacturer is None:
        return bytes((control, frame.sequence, frame.command)) + frame.payload
    if not 0 <= frame.manufacturer <= 0xFFFF:
        raise EncodeError(LAYER, f"manufacturer code {frame.manufacturer:#x} is not 16 bits")
    header = (control, frame.manufacturer & 0xFF, frame.manufacturer >> 8, frame.sequence, frame.command)
    return bytes(header) + frame.payload


def default_response(to: Frame, status: int) -> Frame:
    """The default response (command 0B of all clusters) to a frame: its sequence, command and a status octet."""
    control = DISABLE_DEFAULT_RESPONSE | (to.frame_control & MANUFACTURER_SPECIFIC) | (0 if to.to_client else TO_CLIENT)
    return Frame(control, to.sequence, _DEFAULT_RESPONSE, bytes((to.command, status)), to.manufacturer)
