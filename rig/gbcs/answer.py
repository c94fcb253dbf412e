"""Two responses held against each other: the same shape, and where the presupposed state makes them so, equal values.

The same parties and counters in the envelopes, the same invoke id or sequence numbers.  DLMS: the same results and the
same tags all the way down, arrays of any length, a compact-array counting as the array of its elements
(``devices.machines.parts.shape``).  GBZ: the same components in the same order, each with the same command, fields,
types and statuses.  ASN.1: the same objects with the same fields present; statuses and codes are
equal.  Encrypted parts are held against each other as they are once decrypted.

Whether the device numbered its answer to an unknown user anew (other-information of 26 octets) or not (18) is not
compared: published devices do both in answer to commands of one form (facts/gbcs.md 2.5).

Values (``differing``) are compared where a device in the state that the command presupposes must give the published
ones: in answers to commands that do something, but for those that tell what the device held before (``OWN_STATE``).
What a read brings to light is the device's own history.

Must not live here: how the answers came about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from devices.machines.parts.shape import Shape, data_shape, fits, shape
from devices.model.use_cases import UseCase
from devices.wire import asn1_typed, axdr, cosem, dlms_alerts, gbz, gbz_typed, payload
from devices.wire.errors import WireError
from devices.wire.gbcs import Message
from devices.wire.gbz_typed import Body, Command, DefaultResponse, ReadAttributesResponse, Sealed
from rig.gbcs.reading import Opened, Reading

__all__ = ["OWN_STATE", "differing", "mismatch", "presupposed"]

OWN_STATE: Final[Mapping[str, str]] = {
    "CCS07": "the device log of the hub, and when each entry was last changed",
    "CS01b": "the balance after the top up hangs on that before",
    "CS02c": "the key pair that the device made",
    "CS02f": "the sequence number of the latest update of each role",
    "CS07": "the devices in the log of the meter",
    "GCS02": "the credit that was left",
    "GCS03": "the credit that was left",
    "GCS28": "the time by the device's own clock",
    "PCS01": "the balance after the top up hangs on that before",
}
"""Use cases whose answers tell what the device held before the command: what of them, by use case."""
_NO_DEFAULT_RESPONSE: Final = 0x10  # a bit of the frame control that published devices set and clear as they like
_ARRAY: Final = "array"
_TOLD: Final = 160  # characters of a shape in a reason


def mismatch(got: Reading, wanted: Reading) -> str:
    """Why ``got`` is not of the shape of ``wanted``, or nothing."""
    for what, mine, other in _envelopes(got.message, wanted.message):
        if mine != other:
            return f"{what}: expected {other}, got {mine}"
    try:
        ours, theirs = _payload(got.message), _payload(wanted.message)
        if not fits(ours, theirs):
            return f"its content has another shape: {_where(ours, theirs)}"
        if len(got.sealed) != len(wanted.sealed):
            return f"{len(wanted.sealed)} encrypted parts expected, got {len(got.sealed)}"
        for part, opened, reference in zip(got.sealed, _opened(got), _opened(wanted), strict=True):
            if not fits(opened, reference):
                return f"encrypted {part.where} has another shape: {_where(opened, reference)}"
    except WireError as fault:
        return f"one of the two is not what its use case says: {fault}"
    return ""


def presupposed(use_case: UseCase) -> bool:
    """Whether the state that a command presupposes settles every value of its answer."""
    return not use_case.only_reads and use_case.use_case not in OWN_STATE


def differing(got: Reading, wanted: Reading) -> str:
    """Where the values of ``got`` are not those of ``wanted``, or why they cannot be held against each other, or
    nothing.  Encrypted parts are held against each other as they are once decrypted."""
    if reason := mismatch(got, wanted):
        return reason
    for number, (ours, theirs) in enumerate(zip(_values(got), _values(wanted), strict=True)):
        if ours != theirs:
            return f"another value in part {number}: expected {str(theirs)[:_TOLD]}, got {str(ours)[:_TOLD]}"
    return ""


def _values(reading: Reading) -> Iterator[object]:
    """Every part of a payload with its values: what was decrypted in place of what was sealed."""
    body = payload.typed(reading.message)
    if isinstance(body, gbz_typed.Payload):
        for one in body.components:
            plain = "sealed" if isinstance(one.body, Sealed) else one.body
            control = one.frame_control & ~_NO_DEFAULT_RESPONSE
            yield (one.cluster, control, one.sequence, one.command, one.manufacturer, one.from_time, one.additional)
            yield plain
    elif isinstance(body, cosem.AccessResponse):
        yield (body.invoke, body.date_time)
        yield from zip(body.results, body.data, strict=True)
    else:
        yield body.view if isinstance(body, asn1_typed.Body) else body
    yield from (part.plaintext for part in reading.sealed)


def _envelopes(got: Message, wanted: Message) -> list[tuple[str, Any, Any]]:
    """What of two envelopes must agree: code, family, protection, the parts of the other-information."""

    def parts(message: Message) -> list[tuple[str, Any]]:
        return [
            ("kind", message.cra),
            ("originator", message.originator.hex()),
            ("recipient", message.recipient.hex()),
            ("counter", message.counter),
            ("message code", f"0x{message.message_code:04X}"),
            ("family", payload.family(message.payload)),
            ("signature", bool(message.signature)),
            ("MAC", message.mac is not None),
            ("time in the header", bool(message.date_time)),
            ("supplementary party", (message.supplementary_party or b"").hex()),
            ("supplementary counter", message.supplementary_counter),
        ]

    return [(name, ours, theirs) for (name, ours), (_, theirs) in zip(parts(got), parts(wanted), strict=True)]


# --------------------------------------------------------------------------------------------------------------- shapes


def _payload(message: Message) -> Shape:
    body = payload.typed(message)
    if isinstance(body, gbz_typed.Payload):
        return tuple(_component(component) for component in body.components)
    if isinstance(body, asn1_typed.Body):
        return _view(body.view)
    if isinstance(body, dlms_alerts.Alert | gbz_typed.Alert):
        return type(body).__name__
    return (body.invoke, shape(body)) if isinstance(body, cosem.AccessResponse) else shape(body)


def _component(component: gbz_typed.Component) -> Shape:
    control = component.frame_control
    head = (
        component.sequence,
        component.cluster,
        control & 3,
        bool(control & 8),
        component.command,
        component.from_time is not None,
    )
    return (*head, _body(component.body))


def _body(body: Body) -> Shape:
    match body:
        case Sealed():
            return "sealed"
        case Command():
            return (body.name, *((name, _value(value)) for name, value in body.fields))
        case ReadAttributesResponse(records):
            return ("attributes", *((record.attribute, record.status, record.type) for record in records))
        case DefaultResponse(command, status):
            return ("default response", command, status)
        case _:
            return type(body).__name__


def _value(value: Any) -> Shape:
    if not isinstance(value, tuple):
        return type(value).__name__
    return _rows(tuple((name, _value(inner)) for name, inner in record) for record in value)


def _view(value: Any, name: str = "") -> Shape:
    """The shape of a typed ASN.1 object: classes and fields, and the numbers that say how something went."""
    if is_dataclass(value):
        present = ((one.name, getattr(value, one.name)) for one in fields(value))
        return (type(value).__name__, *((own, _view(inner, own)) for own, inner in present))
    if isinstance(value, tuple):
        return _rows(_view(one) for one in value)
    return int(value) if name in ("status", "code") and isinstance(value, int) else type(value).__name__


def _rows(rows: Iterator[Shape]) -> Shape:
    return (_ARRAY, *sorted(set(rows), key=repr))


def _opened(reading: Reading) -> Iterator[Shape]:
    """The shapes of the encrypted parts, decrypted, in their order."""
    body = payload.decode(reading.message)
    if not isinstance(body, gbz.Payload):
        yield from (_datum(part) for part in reading.sealed)
        return
    sealed = [component for component in body.components if component.additional is not None]
    for component, part in zip(sealed, reading.sealed, strict=True):
        read = None if part.plaintext is None else gbz_typed.read_plaintext(component, part.plaintext)
        yield "not decrypted" if read is None else _body(read)


def _datum(part: Opened) -> Shape:
    return "not decrypted" if part.plaintext is None else data_shape(axdr.decode(part.plaintext)[0])


# ---------------------------------------------------------------------------------------------------------------- words


def _where(got: Shape, wanted: Shape) -> str:
    """The first place where two shapes part, in words."""
    if isinstance(got, tuple) and isinstance(wanted, tuple):
        if len(got) != len(wanted) and _ARRAY not in (got[:1] + wanted[:1]):
            return f"{_told(got, wanted)} ({len(wanted)} elements expected, got {len(got)})"
        for number, (ours, theirs) in enumerate(zip(got, wanted, strict=False)):
            if not fits(ours, theirs):
                return f"{number}/{_where(ours, theirs)}"
    return _told(got, wanted)


def _told(got: Shape, wanted: Shape) -> str:
    return f" expected {str(wanted)[:_TOLD]}, got {str(got)[:_TOLD]}"
