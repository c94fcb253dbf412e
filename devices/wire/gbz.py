"""GBZ: the ZigBee payloads of GBCS, a list of ZCL frames each with its cluster, and the alerts of that family.

The contents of a ZCL command (after its header) stay octets here, and so does a sealed one: what a cluster makes of
them does not live here.

Layout: facts/gbcs.md 2.5, 3.2 and 3.9 (verified over the open corpus).  Decoding is strict: no octet may be left over,
and the last-component bit must stand on the last component and on no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from struct import Struct, error
from typing import TypeVar

from devices.wire import zcl
from devices.wire.errors import DecodeError, EncodeError

__all__ = [
    "FIRMWARE_VERIFIED",
    "FUTURE_DATED",
    "INTEGRITY_WARNING",
    "PROFILE",
    "AdditionalHeader",
    "Alert",
    "Component",
    "FirmwareVerified",
    "FutureDated",
    "IntegrityWarning",
    "Payload",
    "decode",
    "encode",
    "scan",
    "scan_partly",
]

PROFILE = b"\x01\x09"  # Smart Energy
FUTURE_DATED = (0x8F66, 0x8F67)  # alert codes whose body tells how a future-dated command went
FIRMWARE_VERIFIED = (0x8F1C, 0x8F72)  # failed, successful: alert codes that name the image by its hash
INTEGRITY_WARNING = 0x81A0

_LAYER = "gbz"
_LAST, _ENCRYPTED, _FROM_TIME = 0x01, 0x02, 0x10
_COMPONENT = Struct(">BHH")  # control, cluster, length
_ALERT = Struct(">HI")  # code, UTC time
_FUTURE_DATED = Struct(">BHQHBB")  # length 14, then the fields of FutureDated
_FUTURE_DATED_LENGTH = 14
_FIRMWARE = Struct(">H32s")


@dataclass(frozen=True, slots=True)
class AdditionalHeader:
    """What an encrypted component carries before its ZCL header."""

    control: int
    frame_counter: int


@dataclass(frozen=True, slots=True)
class Component:
    """One ZCL frame for ``cluster``.

    ``from_time`` (seconds since 2000-01-01 UTC) asks for entries from then on.  With an ``additional`` header the frame
    is encrypted: its payload is the sealed blob as ``trust`` makes and opens it, without the length before it.
    """

    cluster: int
    frame: zcl.Frame
    from_time: int | None = None
    additional: AdditionalHeader | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """The components of a command or response, one or more."""

    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class FutureDated:
    """Which future-dated command an alert speaks of: its message code and counter, and the ZCL command in it."""

    message_code: int
    counter: int
    cluster: int
    frame_control: int
    command: int


@dataclass(frozen=True, slots=True)
class IntegrityWarning:
    """What a meter integrity issue warning warns of: a number of 16 bits, whose meaning no source gives."""

    issue: int


@dataclass(frozen=True, slots=True)
class FirmwareVerified:
    """Which firmware image an alert speaks of, by its SHA-256 hash.

    From facts/gbcs.md 12.5 (single source: a dissector's fields); no such message is in the open corpus.  What the two
    octets ``start`` before the hash mean and how many components the alert counts isn't known, so both are kept.
    """

    start: int
    image_hash: bytes
    count: int = 1


AlertBody = FutureDated | IntegrityWarning | FirmwareVerified


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: code, time (seconds since 2000-01-01 UTC), and what the code brings along.

    ``body`` is :class:`FutureDated` for the two codes of future-dated commands, :class:`FirmwareVerified` for those of
    an image that was checked, :class:`IntegrityWarning` for 81A0, and otherwise the components, mostly none.
    """

    code: int
    time: int
    body: AlertBody | tuple[Component, ...] = ()


Made = TypeVar("Made")
Make = Callable[[int, tuple[int, int | None, int, int], bytes, int | None, AdditionalHeader | None], Made]
"""What makes a component: cluster, ZCL header (frame control, manufacturer, sequence, command), ZCL payload or sealed
blob, from-date-time, additional header."""

# ------------------------------------------------------------------------------------------------------------- decoding


def decode(octets: bytes) -> Payload | Alert:
    """Read one whole GBZ payload.  Raises ``DecodeError`` for anything else."""
    head, body = scan(octets, _make)
    if head is not None:
        return Alert(*head, body)
    assert isinstance(body, tuple)
    return Payload(body)


def scan(octets: bytes, make: Make[Made]) -> tuple[tuple[int, int] | None, AlertBody | tuple[Made, ...]]:
    """Read one whole payload whose components ``make`` makes: code and time of an alert (None for a command or
    response), and the components or what an alert has in their place.  Raises ``DecodeError`` for anything else.

    Alerts are told from components by the first octet after the count: alert codes have its highest bit set, control
    octets never do.
    """
    try:
        if octets[:2] != PROFILE:
            raise DecodeError(_LAYER, 0, f"profile {octets[:2].hex()}, expected {PROFILE.hex()}")
        if octets[3] & 0x80:
            return _read_alert(octets, make)
        if octets[2] == 0:
            raise DecodeError(_LAYER, 2, "no components and no alert code")
        return None, _read_components(octets, 3, octets[2], make)
    except (IndexError, error):
        raise DecodeError(_LAYER, len(octets), "the payload ends too early") from None


def scan_partly(octets: bytes, make: Make[Made]) -> tuple[tuple[int, int] | None, list[Made], int, str]:
    """What can be read of a payload that :func:`scan` refuses: code and time of an alert, the components that are
    whole, where they end, and what is wrong there (nothing where only ``make`` had refused one)."""
    head, position = None, 3
    try:
        scan(octets, make)
        reason = ""
    except DecodeError as fault:
        reason = fault.reason
    if octets[:2] != PROFILE or len(octets) < 4:
        return None, [], 0, reason
    if octets[3] & 0x80:
        position += _ALERT.size
        if len(octets) < position:
            return None, [], 3, reason
        head = _ALERT.unpack_from(octets, 3)
    components: list[Made] = []
    while position + _COMPONENT.size <= len(octets):
        end = position + _COMPONENT.size + int.from_bytes(octets[position + 3 : position + 5], "big")
        one = bytes((octets[position] | _LAST,)) + octets[position + 1 : end]
        try:
            components += _read_components(one, 0, 1, make)
        except (DecodeError, IndexError, error):
            break
        position = end
    return head, components, position, reason


def _make(
    cluster: int,
    header: tuple[int, int | None, int, int],
    payload: bytes,
    from_time: int | None,
    additional: AdditionalHeader | None,
) -> Component:
    control, manufacturer, sequence, command = header
    return Component(cluster, zcl.Frame(control, sequence, command, payload, manufacturer), from_time, additional)


def _read_components(octets: bytes, position: int, count: int, make: Make[Made]) -> tuple[Made, ...]:
    """Read ``count`` components, which must end where the octets end."""
    components = []
    for left in range(count, 0, -1):
        control, cluster, length = _COMPONENT.unpack_from(octets, position)
        if control & ~(_LAST | _ENCRYPTED | _FROM_TIME):
            raise DecodeError(_LAYER, position, f"control {control:02x} has bits other than 01, 02 and 10")
        if bool(control & _LAST) != (left == 1):
            raise DecodeError(_LAYER, position, "the last-component bit does not agree with the count")
        position += _COMPONENT.size
        end = position + length
        if end > len(octets):
            raise DecodeError(_LAYER, position, f"component of {length} octets, {len(octets) - position} left")
        from_time = additional = None
        if control & _FROM_TIME:
            if length < 4:
                raise DecodeError(_LAYER, position, f"component of {length} octets cannot hold its from-date-time")
            from_time = int.from_bytes(octets[position : position + 4], "big")
            position += 4
        if control & _ENCRYPTED:
            additional = AdditionalHeader(octets[position], octets[position + 1])
            position += 2
        try:
            frame_control, manufacturer, sequence, command, start = zcl.read_header(octets, position, end)
        except DecodeError as cause:
            raise DecodeError(_LAYER, position + cause.offset, f"ZCL: {cause.reason}") from None
        if additional is not None:
            start = _start_of_blob(octets, start, end)
        header = frame_control, manufacturer, sequence, command
        components.append(make(cluster, header, octets[start:end], from_time, additional))
        position = end
    if position != len(octets):
        raise DecodeError(_LAYER, position, f"{len(octets) - position} octets left over after the components")
    return tuple(components)


def _start_of_blob(octets: bytes, position: int, end: int) -> int:
    """Where the sealed blob starts after its length, which must be what is left of the component."""
    start = position + 2
    if start > end:
        raise DecodeError(_LAYER, end, "an encrypted component ends inside its headers")
    length = int.from_bytes(octets[position:start], "big")
    if start + length != end:
        raise DecodeError(_LAYER, position, f"ciphered information of {length} octets, {end - start} in the component")
    return start


def _read_alert(octets: bytes, make: Make[Made]) -> tuple[tuple[int, int], AlertBody | tuple[Made, ...]]:
    count = octets[2]
    code, time = _ALERT.unpack_from(octets, 3)
    position = 3 + _ALERT.size
    if count == 1 and code in FUTURE_DATED:
        length, *fields = _FUTURE_DATED.unpack_from(octets, position)
        if length != _FUTURE_DATED_LENGTH:
            raise DecodeError(_LAYER, position, f"future-dated body of {length} octets, expected 14")
        body: AlertBody = FutureDated(*fields)
        position += _FUTURE_DATED.size
    elif count == 1 and code == INTEGRITY_WARNING:
        body = IntegrityWarning(octets[position] << 8 | octets[position + 1])
        position += 2
    elif count <= 1 and code in FIRMWARE_VERIFIED and len(octets) == position + _FIRMWARE.size:
        start, image_hash = _FIRMWARE.unpack_from(octets, position)
        body = FirmwareVerified(start, image_hash, count)
        position += _FIRMWARE.size
    else:
        return (code, time), _read_components(octets, position, count, make)
    if position != len(octets):
        raise DecodeError(_LAYER, position, f"{len(octets) - position} octets left over after the alert")
    return (code, time), body


# ------------------------------------------------------------------------------------------------------------- encoding


def encode(payload: Payload | Alert) -> bytes:
    """The octets of a payload.  Raises ``EncodeError`` for values that no octets can carry."""
    try:
        if isinstance(payload, Payload):
            if not payload.components:
                raise EncodeError(_LAYER, "a payload needs at least one component")
            return PROFILE + _components(payload.components, b"")
        if isinstance(payload, Alert):
            return PROFILE + _alert(payload)
    except (error, OverflowError) as cause:
        raise EncodeError(_LAYER, f"a number does not fit its field: {cause}") from None
    raise EncodeError(_LAYER, f"{type(payload).__name__} is no GBZ payload")


def _alert(alert: Alert) -> bytes:
    if not alert.code & 0x8000:
        raise EncodeError(_LAYER, f"alert code {alert.code:04x} is below 8000 and would read as a component")
    head = _ALERT.pack(alert.code, alert.time)
    body = alert.body
    if not isinstance(body, tuple) and alert.code not in _CODES[type(body)]:
        raise EncodeError(_LAYER, f"alert {alert.code:04x} cannot carry {type(body).__name__}")
    if isinstance(body, tuple) and body and alert.code in (*FUTURE_DATED, INTEGRITY_WARNING):
        raise EncodeError(_LAYER, f"alert {alert.code:04x} cannot carry components")
    if isinstance(body, FutureDated):
        fields = (body.message_code, body.counter, body.cluster, body.frame_control, body.command)
        return b"\x01" + head + _FUTURE_DATED.pack(_FUTURE_DATED_LENGTH, *fields)
    if isinstance(body, IntegrityWarning):
        return b"\x01" + head + body.issue.to_bytes(2, "big")
    if isinstance(body, FirmwareVerified):
        if body.count not in (0, 1) or len(body.image_hash) != 32:
            raise EncodeError(_LAYER, "an image has a hash of 32 octets, and the count before it is 0 or 1")
        return bytes((body.count,)) + head + _FIRMWARE.pack(body.start, body.image_hash)
    return _components(body, head)


_CODES: Mapping[type[AlertBody], tuple[int, ...]] = {
    FutureDated: FUTURE_DATED,
    FirmwareVerified: FIRMWARE_VERIFIED,
    IntegrityWarning: (INTEGRITY_WARNING,),
}


def _components(components: tuple[Component, ...], head: bytes) -> bytes:
    """Count, ``head`` and the components."""
    if len(components) > 0xFF:
        raise EncodeError(_LAYER, f"{len(components)} components, at most 255")
    parts = [bytes((len(components),)), head]
    for left, component in zip(range(len(components), 0, -1), components, strict=True):
        parts.append(_component(component, left == 1))
    return b"".join(parts)


def _component(component: Component, last: bool) -> bytes:
    control = _LAST if last else 0
    contents = b""
    frame, additional = component.frame, component.additional
    if component.from_time is not None:
        control |= _FROM_TIME
        contents = component.from_time.to_bytes(4, "big")
    if additional is None:
        contents += zcl.encode(frame)
    else:
        control |= _ENCRYPTED
        contents += bytes((_octet(additional.control), _octet(additional.frame_counter)))
        contents += zcl.encode(replace(frame, payload=b"")) + len(frame.payload).to_bytes(2, "big") + frame.payload
    return _COMPONENT.pack(control, component.cluster, len(contents)) + contents


def _octet(value: int) -> int:
    if not 0 <= value <= 0xFF:
        raise EncodeError(_LAYER, f"{value} of the additional header does not fit one octet")
    return value
