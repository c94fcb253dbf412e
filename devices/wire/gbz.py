"""GBZ: the ZigBee payloads of GBCS, a list of ZCL frames each with its cluster, and the alerts of that family.

The contents of a ZCL command (after its header) stay octets here, and so does a sealed one: what a cluster makes of
them does not live here.

Layout: facts/gbcs.md 2.5, 3.2 and 3.9 (verified over the open corpus).  Decoding is strict: no octet may be left over,
and the last-component bit must stand on the last component and on no other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from struct import Struct, error

from devices.wire import zcl
from devices.wire.errors import DecodeError, EncodeError

__all__ = [
    "FUTURE_DATED",
    "INTEGRITY_WARNING",
    "PROFILE",
    "AdditionalHeader",
    "Alert",
    "Component",
    "FutureDated",
    "IntegrityWarning",
    "Payload",
    "decode",
    "encode",
]

PROFILE = b"\x01\x09"  # Smart Energy
FUTURE_DATED = (0x8F66, 0x8F67)  # alert codes whose body tells how a future-dated command went
INTEGRITY_WARNING = 0x81A0

_LAYER = "gbz"
_LAST, _ENCRYPTED, _FROM_TIME = 0x01, 0x02, 0x10
_COMPONENT = Struct(">BHH")  # control, cluster, length
_ALERT = Struct(">HI")  # code, UTC time
_FUTURE_DATED = Struct(">BHQHBB")  # length 14, then the fields of FutureDated
_FUTURE_DATED_LENGTH = 14


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
class Alert:
    """An alert: code, time (seconds since 2000-01-01 UTC), and what the code brings along.

    ``body`` is :class:`FutureDated` for the two codes of future-dated commands, :class:`IntegrityWarning` for 81A0, and
    otherwise the components, mostly none.
    """

    code: int
    time: int
    body: FutureDated | IntegrityWarning | tuple[Component, ...] = ()


# ------------------------------------------------------------------------------------------------------------- decoding


def decode(octets: bytes) -> Payload | Alert:
    """Read one whole GBZ payload.  Raises ``DecodeError`` for anything else.

    Alerts are told from components by the first octet after the count: alert codes have its highest bit set, control
    octets never do.
    """
    try:
        if octets[:2] != PROFILE:
            raise DecodeError(_LAYER, 0, f"profile {octets[:2].hex()}, expected {PROFILE.hex()}")
        if octets[3] & 0x80:
            return _read_alert(octets)
        if octets[2] == 0:
            raise DecodeError(_LAYER, 2, "no components and no alert code")
        return Payload(_read_components(octets, 3, octets[2]))
    except (IndexError, error):
        raise DecodeError(_LAYER, len(octets), "the payload ends too early") from None


def _read_components(octets: bytes, position: int, count: int) -> tuple[Component, ...]:
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
        from_time = None
        if control & _FROM_TIME:
            if length < 4:
                raise DecodeError(_LAYER, position, f"component of {length} octets cannot hold its from-date-time")
            from_time = int.from_bytes(octets[position : position + 4], "big")
            position += 4
        if control & _ENCRYPTED:
            components.append(_read_encrypted(octets, position, end, cluster, from_time))
        else:
            components.append(Component(cluster, _frame(octets[position:end], position), from_time))
        position = end
    if position != len(octets):
        raise DecodeError(_LAYER, position, f"{len(octets) - position} octets left over after the components")
    return tuple(components)


def _read_encrypted(octets: bytes, position: int, end: int, cluster: int, from_time: int | None) -> Component:
    additional = AdditionalHeader(octets[position], octets[position + 1])
    position += 2
    blob = position + (5 if octets[position] & zcl.MANUFACTURER_SPECIFIC else 3) + 2
    if blob > end:
        raise DecodeError(_LAYER, end, "an encrypted component ends inside its headers")
    length = int.from_bytes(octets[blob - 2 : blob], "big")
    if blob + length != end:
        raise DecodeError(_LAYER, blob - 2, f"ciphered information of {length} octets, {end - blob} in the component")
    header = _frame(octets[position : blob - 2], position)
    return Component(cluster, replace(header, payload=octets[blob:end]), from_time, additional)


def _frame(octets: bytes, position: int) -> zcl.Frame:
    """Read a ZCL frame that begins at ``position`` of the payload."""
    try:
        return zcl.decode(octets)
    except DecodeError as cause:
        raise DecodeError(_LAYER, position + cause.offset, f"ZCL: {cause.reason}") from None


def _read_alert(octets: bytes) -> Alert:
    count = octets[2]
    code, time = _ALERT.unpack_from(octets, 3)
    position = 3 + _ALERT.size
    if count == 1 and code in FUTURE_DATED:
        length, *fields = _FUTURE_DATED.unpack_from(octets, position)
        if length != _FUTURE_DATED_LENGTH:
            raise DecodeError(_LAYER, position, f"future-dated body of {length} octets, expected 14")
        body: FutureDated | IntegrityWarning | tuple[Component, ...] = FutureDated(*fields)
        position += _FUTURE_DATED.size
    elif count == 1 and code == INTEGRITY_WARNING:
        body = IntegrityWarning(octets[position] << 8 | octets[position + 1])
        position += 2
    else:
        return Alert(code, time, _read_components(octets, position, count))
    if position != len(octets):
        raise DecodeError(_LAYER, position, f"{len(octets) - position} octets left over after the alert")
    return Alert(code, time, body)


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
    if (alert.code in FUTURE_DATED) != isinstance(body, FutureDated) and body != ():
        raise EncodeError(_LAYER, f"alert {alert.code:04x} cannot carry {type(body).__name__}")
    if (alert.code == INTEGRITY_WARNING) != isinstance(body, IntegrityWarning) and body != ():
        raise EncodeError(_LAYER, f"alert {alert.code:04x} cannot carry {type(body).__name__}")
    if isinstance(body, FutureDated):
        fields = (body.message_code, body.counter, body.cluster, body.frame_control, body.command)
        return b"\x01" + head + _FUTURE_DATED.pack(_FUTURE_DATED_LENGTH, *fields)
    if isinstance(body, IntegrityWarning):
        return b"\x01" + head + body.issue.to_bytes(2, "big")
    return _components(body, head)


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
