"""The base of every event, the register of kinds, and the way to JSON and back.

A field is ``str``, ``int``, ``float``, ``bool``, ``bytes`` (JSON: lower-case hex), :data:`Code` (JSON: ``"0x8F12"``), a
tuple of such (JSON: a list), a mapping from ``str``, or any of these ``| None``.  One that is None is null in JSON; but
one whose *default* is None is left out.  A name that Python keeps for itself ends in ``_`` here and not in JSON.

Must not live here: an event.
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

__all__ = ["DEVICE", "KINDS", "Code", "Event", "EventError", "Json", "event", "fields", "names", "of"]

_HEX = re.compile("(?:[0-9a-f]{2})*")
_CODE = re.compile("0x[0-9A-F]{4,}")
DEVICE = "device"
"""The JSON field in which the time line names the device that an event belongs to; it is not the event's own."""

Code = Annotated[int, "0x04X"]
"""A number that people know in hexadecimal: the code of an alert, an event or a message."""
Json = Mapping[str, Any]
"""JSON types, as somebody else made them."""


class EventError(ValueError):
    """A kind or a field that no event has: where, expected, got, and what to do about it."""

    def __init__(self, where: str, expected: str, got: object, advice: str) -> None:
        super().__init__(where, expected, got, advice)
        self.where, self.expected, self.got, self.advice = where, expected, got, advice

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, got {self.got!r:.80}. {self.advice}"


class Event:
    """Something that happened.  ``kind`` is its name in JSON.

    ``added`` are the JSON fields that the recorder works out from the event's own, for people.
    """

    __slots__ = ()
    kind: ClassVar[str] = ""
    added: ClassVar[tuple[str, ...]] = ()


KINDS: dict[str, type[Event]] = {}
"""Every event by its kind."""

E = TypeVar("E", bound=Event)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def event(kind: str) -> Callable[[type[E]], type[E]]:
    """Make a class the event ``kind``: a frozen dataclass whose fields are named where it is made."""

    def register(plain: type[E]) -> type[E]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(plain)
        made.kind = kind
        if DEVICE in (one.name for one in dataclasses.fields(made)):  # type: ignore[arg-type]
            raise EventError(made.__name__, "fields of its own", DEVICE, "The time line has that name; take another.")
        if kind in KINDS:
            raise EventError(made.__name__, "a kind of its own", kind, f"{KINDS[kind].__name__} has it; name another.")
        KINDS[kind] = made
        return made

    return register


# ----------------------------------------------------------------------------------------------------------------- JSON


@dataclass(frozen=True, slots=True)
class _Field:
    attribute: str
    name: str
    type: Any
    optional: bool  # left out of the JSON where it is None


@cache
def _fields_of(kind: str) -> tuple[_Field, ...]:
    made = KINDS[kind]
    types_of = get_type_hints(made, include_extras=True)
    return tuple(
        _Field(one.name, str(one.metadata.get("json", one.name.rstrip("_"))), types_of[one.name], one.default is None)
        for one in dataclasses.fields(made)  # type: ignore[arg-type]
    )


def names(cls: type[Event]) -> frozenset[str]:
    """The names that the JSON fields of ``cls`` may have on the time line."""
    return frozenset((*(one.name for one in _fields_of(cls.kind)), *cls.added, DEVICE))


def fields(told: Event) -> dict[str, Any]:
    """The event's own fields as JSON types, in the order in which its class names them."""
    shown: dict[str, Any] = {}
    for one in _fields_of(told.kind):
        value = getattr(told, one.attribute)
        if value is not None or not one.optional:
            shown[one.name] = _to_json(one.type, value)
    return shown


def of(kind: str, given: Json) -> Event:
    """The event whose ``kind`` and own fields are these.

    Raises :class:`EventError` for a kind that is none, and for a field that is missing, of the wrong type, or not the
    event's.
    """
    made = KINDS.get(kind)
    if made is None:
        raise EventError("event", f"a kind such as {', '.join(sorted(KINDS)[:3])}", kind, "See devices/events.")
    known = {one.name: one for one in _fields_of(kind)}
    for name in given:
        if name not in known:
            raise EventError(f"{kind}.{name}", f"one of {', '.join(known)}", name, "Leave it out or correct its name.")
    values = {}
    for name, one in known.items():
        if name in given:
            values[one.attribute] = _from_json(f"{kind}.{name}", one.type, given[name])
        elif not one.optional:
            raise EventError(f"{kind}.{name}", _words(one.type), "nothing", "Give the field.")
    return made(**values)


def _is_union(wanted: Any) -> bool:
    return get_origin(wanted) in (Union, types.UnionType)


def _plain(wanted: Any) -> Any:
    """``wanted`` without its ``| None``."""
    return next(part for part in get_args(wanted) if part is not type(None)) if _is_union(wanted) else wanted


def _to_json(wanted: Any, value: Any) -> Any:
    wanted = _plain(wanted)
    if isinstance(value, bytes):
        return value.hex()
    if wanted == Code and value is not None:
        return f"0x{value:04X}"
    if isinstance(value, tuple):
        return [_to_json(part, item) for part, item in zip(_parts(wanted, len(value)), value, strict=True)]
    return dict(value) if isinstance(value, Mapping) else value


def _from_json(where: str, declared: Any, value: Any) -> Any:
    if value is None and _is_union(declared):
        return None
    wanted = _plain(declared)
    if wanted is bytes and isinstance(value, str) and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    if wanted == Code and isinstance(value, str) and _CODE.fullmatch(value):
        return int(value, 16)
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if wanted in (str, int, bool) and type(value) is wanted:
        return value
    if get_origin(wanted) is tuple and isinstance(value, list):
        parts = _parts(wanted, len(value))
        if len(parts) == len(value):
            items = enumerate(zip(parts, value, strict=True))
            return tuple(_from_json(f"{where}[{number}]", part, item) for number, (part, item) in items)
    if get_origin(wanted) is Mapping and isinstance(value, Mapping):
        inner = get_args(wanted)[1]
        return {key: item if inner is Any else _from_json(f"{where}.{key}", inner, item) for key, item in value.items()}
    raise EventError(where, _words(declared), value, "Correct the value.")


def _parts(wanted: Any, count: int) -> tuple[Any, ...]:
    """The types of the ``count`` items of a tuple."""
    parts = get_args(wanted)
    return (parts[0],) * count if parts[-1] is Ellipsis else parts


def _words(wanted: Any) -> str:
    if _is_union(wanted):
        return f"{_words(_plain(wanted))} or null"
    if wanted == Code:
        return "a code such as 0x8F12"
    origin = get_origin(wanted)
    if origin is tuple:
        return f"a list of {_words(get_args(wanted)[0])}"
    words = {bytes: "octets in lower-case hexadecimal", str: "a text", int: "a whole number", float: "a number"}
    return words.get(wanted, "true or false" if wanted is bool else "an object")
