"""Inter-PAN stubs: the 2-octet network and 5- or 7-octet application headers of a frame between two PANs.

What lives here: MAC payload <-> :class:`Stub`.  What must not: the MAC frame round it (``ieee802154``) and the ZCL
frame in it (``zcl``).  The MAC frame must carry a long source address and both PAN identifiers, uncompressed:
readers refuse others (facts/radio.md 8.1).  Source: facts/radio.md 8.1 and 8.2 [verified there against tshark].
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.wire.errors import DecodeError, EncodeError
from devices.wire.zigbee import PROFILE_SMART_ENERGY, Delivery

__all__ = ["Stub", "decode", "encode", "is_stub"]

LAYER = "inter-PAN"
_NWK = b"\x0b\x00"  # frame type 3, protocol version 2
_APS, _SECURITY = 0x03, 0x20
_DELIVERY = {Delivery.UNICAST, Delivery.BROADCAST, Delivery.GROUP}


@dataclass(frozen=True, slots=True)
class Stub:
    """One inter-PAN application frame.  ``group`` goes with delivery GROUP.

    ``security`` set means that ``payload`` starts with the auxiliary header of APS security, left as octets.
    """

    cluster: int
    payload: bytes = b""
    profile: int = PROFILE_SMART_ENERGY
    delivery: Delivery = Delivery.UNICAST
    group: int | None = None
    security: bool = False


def is_stub(octets: bytes) -> bool:
    """True when a MAC payload is an inter-PAN frame; a radio hears broadcasts of the HAN as well."""
    return octets.startswith(_NWK)


def decode(octets: bytes) -> Stub:
    """Read the payload of a MAC frame.  Raises DecodeError."""
    if not octets.startswith(_NWK):
        raise DecodeError(LAYER, 0, f"network header {octets[:2].hex()}: expected 0b00")
    control = octets[2] if len(octets) > 2 else -1
    delivery = control >> 2 & 3
    if control < 0 or control & 0xD3 != _APS or delivery not in _DELIVERY:
        raise DecodeError(LAYER, 2, f"application header {octets[2:3].hex() or 'missing'}: expected 03, 0b or 0f")
    group: int | None = None
    at = 3
    if delivery == Delivery.GROUP:
        group, at = int.from_bytes(octets[3:5], "little"), 5
    if len(octets) < at + 4:
        raise DecodeError(LAYER, len(octets), f"the headers take {at + 4} octets, got {len(octets)}")
    cluster = octets[at] | octets[at + 1] << 8
    profile = octets[at + 2] | octets[at + 3] << 8
    return Stub(cluster, octets[at + 4 :], profile, Delivery(delivery), group, bool(control & _SECURITY))


def encode(stub: Stub) -> bytes:
    """The payload of a MAC frame.  Raises EncodeError."""
    if (stub.group is not None) != (stub.delivery == Delivery.GROUP):
        raise EncodeError(LAYER, "a group address goes with delivery mode GROUP")
    numbers = (stub.cluster, stub.profile) if stub.group is None else (stub.group, stub.cluster, stub.profile)
    if not all(0 <= number <= 0xFFFF for number in numbers):
        raise EncodeError(LAYER, f"{stub}: a number is not 16 bits")
    control = _APS | stub.delivery << 2 | _SECURITY * stub.security
    return _NWK + bytes((control,)) + b"".join(number.to_bytes(2, "little") for number in numbers) + stub.payload
