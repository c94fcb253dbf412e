"""DLMS values under their own names: a datum to JSON types and back, by the types and fields of the use-case table.

A value of the expected type is written plainly: numbers as numbers, booleans as true and false, octet strings in
hexadecimal, texts as texts, bit strings as ``"0110"``, arrays as lists, structures as mappings by the names of their
elements (or as lists where the table names none).  A value of another type says so: ``{"as": "long", "value": 5}``.
Elements for which the table fixes a value may be left out.

Must not live here: what the table says of a value (``row_layouts``), which accesses a command makes
(``building_dlms``), octets (``wire.axdr``).

Source: facts/use-cases.md ("dlms rows"); true is written FF (facts/gbcs.md 3.9 no. 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from devices.machines.core import MachineError
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.row_layouts import FALSE, NUMBERS, OCTETS, TRUE, Layout, bits_of
from devices.wire.axdr import Data, Tag

__all__ = ["ABSENT", "from_json", "to_json"]

ABSENT: Final = object()
"""What :func:`to_json` gives for a value that need not be named, because the table fixes it."""

_NAMES: Final = {int(tag): tag.name.lower().replace("_", "-") for tag in Tag}
_TAGS: Final = {name: tag for tag, name in _NAMES.items()}
_TEXTS: Final = (Tag.VISIBLE_STRING, Tag.UTF8_STRING)


# ------------------------------------------------------------------------------------------------------- out of a datum


def to_json(data: Data, layout: Layout) -> Any:
    """``data`` as named JSON types, or :data:`ABSENT` where the table fixes it to this very value."""
    if layout.fixed is not None and data == layout.fixed:
        return ABSENT
    if data.tag != layout.tag:
        return {"as": _NAMES[data.tag], "value": _plain(data, Layout(data.tag))}
    return _plain(data, layout)


def _plain(data: Data, layout: Layout) -> Any:
    value = data.value
    if data.tag == Tag.STRUCTURE:
        return _structure(data, layout)
    if data.tag == Tag.ARRAY:
        row = layout.elements[0] if layout.elements else Layout(-1)
        return [_always(element, row) for element in value]
    if data.tag == Tag.BOOLEAN and value in (TRUE, FALSE):
        return bool(value)
    if data.tag == Tag.BIT_STRING:
        text = "".join(f"{octet:08b}" for octet in value.octets)
        if bits_of(text[: value.length]) == data:
            return text[: value.length]
        raise MachineError("a bit string with bits set behind its end has no named form")
    if data.tag in OCTETS:
        return value.hex()
    if data.tag in _TEXTS:
        text = value.decode("ascii", "replace")
        return text if text.encode("ascii", "replace") == value else {"hex": value.hex()}
    if data.tag == Tag.COMPACT_ARRAY:
        raise MachineError("a compact-array in a command has no named form")
    return value


def _always(data: Data, layout: Layout) -> Any:
    """An element of an array: fixed parts may be left out of it, but it itself may not."""
    found = to_json(data, layout)
    if found is not ABSENT:
        return found
    return _plain(data, layout) if layout.elements is None else {}


def _structure(data: Data, layout: Layout) -> Any:
    elements = layout.elements
    if elements is None or len(elements) != len(data.value):
        return [_always(element, Layout(-1)) for element in data.value]
    names = _names(elements)
    if names is None:
        return [_always(element, inner) for element, inner in zip(data.value, elements, strict=True)]
    named = {name: to_json(e, inner) for name, e, inner in zip(names, data.value, elements, strict=True)}
    return {name: value for name, value in named.items() if value is not ABSENT and value != {}}


def _names(elements: Sequence[Layout]) -> list[str] | None:
    """The names of a structure's elements: their own, or for inner structures those of their place; None where the
    table names none."""
    names = [element.name or f"element {number}" for number, element in enumerate(elements, 1)]
    if not any(_named(element) for element in elements) or len(set(names)) != len(names):
        return None
    return names


def _named(layout: Layout) -> bool:
    return bool(layout.name) or any(_named(element) for element in layout.elements or ())


# ------------------------------------------------------------------------------------------------------- into a datum


def from_json(value: Any, layout: Layout, where: str) -> Data:
    """The datum that ``value`` stands for; ``where`` names it in errors.  Raises :class:`MachineError`."""
    if value is ABSENT:
        return _left_out(layout, where)
    if isinstance(value, Mapping) and set(value) == {"as", "value"}:
        tag = _TAGS.get(str(value["as"]))
        if tag is None:
            raise MachineError(f"argument {where}: no type is called {value['as']!r}; name a DLMS type such as long")
        return from_json(value["value"], Layout(tag), where)
    if layout.tag == -1:
        raise MachineError(f'argument {where}: the table gives no type; write {{"as": type, "value": ...}}')
    if layout.tag == Tag.STRUCTURE:
        return Data(Tag.STRUCTURE, _elements(value, layout, where))
    if layout.tag == Tag.ARRAY:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
            raise _wrong(where, "a list", value)
        row = layout.elements[0] if layout.elements else Layout(-1)
        return Data(Tag.ARRAY, tuple(from_json(one, row, f"{where}[{at}]") for at, one in enumerate(value)))
    return _simple(value, layout.tag, where)


def _left_out(layout: Layout, where: str) -> Data:
    if layout.fixed is not None:
        return layout.fixed
    if layout.tag in (Tag.NULL, Tag.DONT_CARE):
        return Data(layout.tag, None)
    if layout.is_fixed:
        return Data(layout.tag, tuple(_left_out(element, where) for element in layout.elements or ()))
    raise MachineError(f"argument {where} is missing; give it a value")


def _elements(value: Any, layout: Layout, where: str) -> tuple[Data, ...]:
    elements = layout.elements
    if isinstance(value, Mapping):
        names = None if elements is None else _names(elements)
        if elements is None or names is None:
            raise _wrong(where, "a list, for the table names no elements here", value)
        if unknown := sorted(set(value) - set(names)):
            raise MachineError(f"argument {where}: expected {', '.join(names)}, got {', '.join(unknown)}; correct it")
        return tuple(
            from_json(value.get(name, ABSENT), inner, f"{where}.{name}")
            for name, inner in zip(names, elements, strict=True)
        )
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise _wrong(where, "names and values, or a list", value)
    if elements is None or len(elements) != len(value):
        return tuple(from_json(one, Layout(-1), f"{where}[{at}]") for at, one in enumerate(value))
    pairs = enumerate(zip(value, elements, strict=True))
    return tuple(from_json(one, inner, f"{where}[{at}]") for at, (one, inner) in pairs)


def _simple(value: Any, tag: int, where: str) -> Data:
    kind = Tag(tag)
    if kind in NUMBERS:
        low, high = NUMBERS[kind]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _wrong(where, f"a whole number from {low} to {high}", value)
        return Data(tag, value)
    if kind == Tag.BOOLEAN:
        if isinstance(value, bool):
            return Data(tag, TRUE if value else FALSE)
        if isinstance(value, int) and 0 <= value <= 255:
            return Data(tag, value)  # true written otherwise than by most
        raise _wrong(where, "true or false", value)
    if kind == Tag.BIT_STRING:
        if isinstance(value, str) and set(value) <= {"0", "1"}:
            return bits_of(value)
        raise _wrong(where, "bits such as 0110", value)
    if kind in OCTETS:
        return Data(tag, _hex(value, where))
    if kind in _TEXTS:
        return Data(tag, _text(value, where))
    if kind in (Tag.NULL, Tag.DONT_CARE):
        if value is not None:
            raise _wrong(where, "nothing (null)", value)
        return Data(tag, None)
    if kind in (Tag.FLOAT32, Tag.FLOAT64) and isinstance(value, int | float):
        return Data(tag, float(value))
    raise _wrong(where, f"a value of type {_NAMES[tag]}", value)


def _hex(value: Any, where: str) -> bytes:
    """Octets in hexadecimal; a date-time of 12 octets may be written as civil time, 2015-11-07T12:00:00Z."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and len(value) > 10 and value[4:5] == "-" and "T" in value:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise _wrong(where, "a time such as 2015-11-07T12:00:00Z", value)
        if moment.tzinfo is None:
            raise _wrong(where, "a time with its zone, such as 2015-11-07T12:00:00Z", value)
        return CivilTime(round(moment.timestamp()) * 1_000_000_000).dlms()
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise _wrong(where, "octets in hexadecimal", value)


def _text(value: Any, where: str) -> bytes:
    if isinstance(value, Mapping) and set(value) == {"hex"}:
        return _hex(value["hex"], where)
    try:
        return str(value).encode("ascii") if isinstance(value, str) else _hex(value, where)
    except UnicodeEncodeError:
        raise _wrong(where, "a text of ASCII characters", value)


def _wrong(where: str, expected: str, got: Any) -> MachineError:
    return MachineError(f"argument {where}: expected {expected}, got {str(got)[:80]!r}")
