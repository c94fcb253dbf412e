"""Where the encrypted parts of a payload are: found from its structure, never by looking for octets.

DLMS: a list of protection parameters directly followed by an octet-string, the answer of class 30, Data Protection.
GBZ: a component whose control says that it is encrypted.  ASN.1 payloads have none.  (facts/gbcs.md 2.5)

Must not live here: opening them (``protection``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devices.wire import cosem, dlms_alerts, gbz, gbz_typed
from devices.wire.axdr import Data, Tag
from devices.wire.payload import Payload, Typed

__all__ = ["SealedPart", "sealed_parts"]

_ARRAY, _STRUCTURE = int(Tag.ARRAY), int(Tag.STRUCTURE)  # plain numbers: they are compared once for each value
_NESTED = (_ARRAY, _STRUCTURE)
_HEAD = Data(Tag.NULL, None)  # in the place of an alert's code and time stamp, so that data keep their numbers
_PARAMETERS = (Tag.OCTET_STRING, Tag.OCTET_STRING, Tag.OCTET_STRING, Tag.OCTET_STRING, Tag.STRUCTURE)
# transaction identifier, originator, recipient, other information, key information


@dataclass(frozen=True, slots=True)
class SealedPart:
    """One encrypted part: ``where`` in words, and its octets, header and tag included."""

    where: str
    blob: bytes


def sealed_parts(payload: Payload | Typed) -> list[SealedPart]:
    """The encrypted parts of a decoded payload, in the order of its octets.

    They are the same whether it was decoded to its frames or to its last value.
    """
    if isinstance(payload, cosem.AccessResponse):
        return _in_data(payload.data)
    if isinstance(payload, cosem.Notification):
        return _in_data(_elements(payload.body))
    if isinstance(payload, dlms_alerts.Alert):
        details = payload.details
        return _in_data((_HEAD, _HEAD, *details)) if isinstance(details, tuple) else []
    if isinstance(payload, gbz_typed.Payload | gbz_typed.Alert):
        return _in_bodies(gbz_typed.components_of(payload))
    if isinstance(payload, gbz.Payload):
        return _in_components(payload.components)
    if isinstance(payload, gbz.Alert) and isinstance(payload.body, tuple):
        return _in_components(payload.body)
    return []


def _in_components(components: tuple[gbz.Component, ...]) -> list[SealedPart]:
    return [
        SealedPart(f"component {number}", component.frame.payload)
        for number, component in enumerate(components, 1)
        if component.additional is not None
    ]


def _in_bodies(components: tuple[gbz_typed.Component, ...]) -> list[SealedPart]:
    return [
        SealedPart(f"component {number}", component.body.blob)
        for number, component in enumerate(components, 1)
        if isinstance(component.body, gbz_typed.Sealed)
    ]


def _in_data(elements: Sequence[Data]) -> list[SealedPart]:
    found: list[SealedPart] = []
    _walk(elements, (), found)
    return found


def _walk(elements: Sequence[Data], path: tuple[int, ...], found: list[SealedPart]) -> None:
    """Depth first; every response is walked, so nothing is made before something is found."""
    protected = False
    for number, element in enumerate(elements, 1):
        tag = element.tag
        if tag in _NESTED:
            protected = tag == _ARRAY and _are_parameters(element)
            if not protected:
                _walk(element.value, (*path, number), found)
        else:
            if protected and tag == Tag.OCTET_STRING:
                found.append(SealedPart("datum " + ".".join(map(str, (*path, number))), element.value))
            protected = False


def _elements(data: Data) -> tuple[Data, ...]:
    return data.value if data.tag in _NESTED else ()


def _are_parameters(data: Data) -> bool:
    """Whether an array is one of protection parameters: each a kind of protection and five fields."""
    if not data.value:
        return False
    for entry in data.value:
        fields = _elements(entry)
        if len(fields) != 2 or fields[0].tag != Tag.ENUM or fields[1].tag != Tag.STRUCTURE:
            return False
        if tuple(field.tag for field in fields[1].value) != _PARAMETERS:
            return False
    return True
