"""GBZ payloads down to their fields: each component's ZCL command as a typed body.

``gbz`` has the frames, ``zcl_fields`` and ``zcl_general`` the contents; opening sealed components is for ``trust``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from devices.wire import gbz, zcl, zcl_fields, zcl_general
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.gbz import AdditionalHeader, AlertBody
from devices.wire.zcl_fields import Command
from devices.wire.zcl_general import (
    AttributeRecord,
    AttributeStatus,
    AttributeValue,
    DefaultResponse,
    General,
    ReadAttributes,
    ReadAttributesResponse,
    ReportAttributes,
    WriteAttributes,
    WriteAttributesResponse,
)

__all__ = [
    "Alert",
    "AttributeRecord",
    "AttributeStatus",
    "AttributeValue",
    "Body",
    "Command",
    "Component",
    "DefaultResponse",
    "Payload",
    "ReadAttributes",
    "ReadAttributesResponse",
    "ReportAttributes",
    "Sealed",
    "Unread",
    "WriteAttributes",
    "WriteAttributesResponse",
    "components_of",
    "decode",
    "decode_partly",
    "encode",
    "opened",
    "read",
    "read_plaintext",
    "write",
    "write_payload",
]

_LAYER = "gbz"


class Sealed(NamedTuple):
    """The contents of an encrypted component, as ``trust`` makes and opens them."""

    blob: bytes


class Unread(NamedTuple):
    """The contents of a component as far as they could be read (``decode_partly``): the command with the fields that
    are whole, None where nothing is known of it; the octets from where it went wrong, and why."""

    command: Command | None
    rest: bytes
    reason: str


Body = Command | General | Sealed | Unread


class Component(NamedTuple):
    """A component with its body; the rest is as in :class:`gbz.Component` and :class:`zcl.Frame`."""

    cluster: int
    frame_control: int
    sequence: int
    command: int
    body: Body
    manufacturer: int | None = None
    from_time: int | None = None
    additional: AdditionalHeader | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """The components of a command or response."""

    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: code, time (seconds since 2000-01-01 UTC), and what the code brings along."""

    code: int
    time: int
    body: AlertBody | tuple[Component, ...] = ()


def components_of(payload: Payload | Alert) -> tuple[Component, ...]:
    """The components of a payload, or those that an alert brings along."""
    if isinstance(payload, Payload):
        return payload.components
    return payload.body if isinstance(payload.body, tuple) else ()


def read(component: gbz.Component) -> Body:
    """The body of a component; :class:`Sealed` where it is encrypted.  Raises ``DecodeError``."""
    if component.additional is not None:
        return Sealed(component.frame.payload)
    return read_plaintext(component, component.frame.payload)


def read_plaintext(component: gbz.Component, plaintext: bytes) -> Body:
    """The body of a component whose contents decrypted to ``plaintext``.  Raises ``DecodeError``."""
    frame = component.frame
    return _contents(component.cluster, frame.frame_control, frame.command, plaintext)


def opened(component: Component, plaintext: bytes) -> Body:
    """The body of a sealed component whose contents decrypted to ``plaintext``.  Raises ``DecodeError``."""
    return _contents(component.cluster, component.frame_control, component.command, plaintext)


def _contents(cluster: int, frame_control: int, command: int, octets: bytes) -> Body:
    if frame_control & zcl.MANUFACTURER_SPECIFIC:
        raise DecodeError(_LAYER, 0, f"command {command:02X} of cluster {cluster:04X} is a manufacturer's own")
    if frame_control & 3 == zcl.CLUSTER_SPECIFIC:
        return zcl_fields.read(cluster, frame_control & zcl.TO_CLIENT != 0, command, octets)
    return zcl_general.read(command, octets)


def write(body: Body) -> bytes:
    """The octets of a body, without the ZCL header.  Raises ``EncodeError``."""
    if isinstance(body, Command):
        return zcl_fields.write(body)
    if isinstance(body, Sealed):
        return body.blob
    if isinstance(body, Unread):
        raise EncodeError(_LAYER, f"contents that could not be read can't be written: {body.reason}")
    return zcl_general.write(body)


def decode(octets: bytes) -> Payload | Alert:
    """Read one whole GBZ payload down to its fields.  Raises ``DecodeError`` for anything else."""
    head, body = gbz.scan(octets, _make)
    if head is not None:
        return Alert(*head, body)
    assert isinstance(body, tuple)
    return Payload(body)


def _make(
    cluster: int,
    header: tuple[int, int | None, int, int],
    payload: bytes,
    from_time: int | None,
    additional: AdditionalHeader | None,
) -> Component:
    control, manufacturer, sequence, command = header
    body = Sealed(payload) if additional is not None else _contents(cluster, control, command, payload)
    return Component(cluster, control, sequence, command, body, manufacturer, from_time, additional)


def decode_partly(octets: bytes) -> tuple[Payload | Alert | None, bytes, str]:
    """What can be read of a payload that :func:`decode` refuses: the components, unread ones among them; the octets
    after those that have no place in them, and why."""
    head, components, end, reason = gbz.scan_partly(octets, _make_partly)
    if head is not None:
        return Alert(*head, tuple(components)), octets[end:], reason
    return (Payload(tuple(components)) if components else None), octets[end:], reason


def _make_partly(
    cluster: int,
    header: tuple[int, int | None, int, int],
    payload: bytes,
    from_time: int | None,
    additional: AdditionalHeader | None,
) -> Component:
    control, manufacturer, sequence, command = header
    try:
        return _make(cluster, header, payload, from_time, additional)
    except DecodeError as cause:
        fault, known = cause, None
    if control & 3 == zcl.CLUSTER_SPECIFIC and manufacturer is None:
        known, fault = zcl_fields.read_partly(cluster, control & zcl.TO_CLIENT != 0, command, payload)
    unread = Unread(known, payload[fault.offset :], fault.reason)
    return Component(cluster, control, sequence, command, unread, manufacturer, from_time, additional)


def encode(payload: Payload | Alert) -> bytes:
    """The octets of a payload.  Raises ``EncodeError``."""
    return gbz.encode(write_payload(payload))


def write_payload(payload: Payload | Alert) -> gbz.Payload | gbz.Alert:
    """The payload with the octets of its components.  Raises ``EncodeError``."""
    if isinstance(payload, Payload):
        return gbz.Payload(tuple([_untyped(component) for component in payload.components]))
    body = payload.body
    if isinstance(body, tuple):
        return gbz.Alert(payload.code, payload.time, tuple([_untyped(component) for component in body]))
    return gbz.Alert(payload.code, payload.time, body)


def _untyped(component: Component) -> gbz.Component:
    body = component.body
    if isinstance(body, Sealed) != (component.additional is not None):
        raise EncodeError(_LAYER, "a sealed body and an additional header go together")
    _agree(component, body)
    frame = zcl.Frame(
        component.frame_control, component.sequence, component.command, write(body), component.manufacturer
    )
    return gbz.Component(component.cluster, frame, component.from_time, component.additional)


def _agree(component: Component, body: Body) -> None:
    """Refuse a header that says another command than the body."""
    control = component.frame_control
    if isinstance(body, Sealed | Unread):
        return
    if isinstance(body, Command):
        header = (component.cluster, control & zcl.TO_CLIENT != 0, component.command, zcl.CLUSTER_SPECIFIC)
        expected = (body.cluster, body.to_client, body.command, control & 3)
    else:
        header, expected = (component.command, 0), (zcl_general.command_of(body), control & 3)  # type: ignore[assignment]
    if header != expected:
        raise EncodeError(_LAYER, f"the header of the component does not fit {type(body).__name__}")
