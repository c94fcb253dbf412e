"""ASN.1 payloads from named arguments and back: the fields of the typed objects are the names, their types the rest.

Octets are written in hexadecimal, times as ``2015-11-07T12:00:00Z``, key usages as a list of names, records as
mappings, lists as lists; what is absent is left out.

Must not live here: what the payloads look like (``wire.asn1_typed``), protection of messages.

Source: facts/use-cases.md ("asn1"); lengths are the shortest (facts/gbcs.md 3.9 no. 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from devices.machines.core import MachineError
from devices.model.use_cases import UseCase
from devices.wire import asn1_typed
from devices.wire.asn1_typed import KeyUsage, View
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA

__all__ = ["named_arguments", "payload"]


def payload(use_case: UseCase, args: Mapping[str, Any]) -> bytes:
    """The octets of a command's payload.  Raises :class:`MachineError` for a missing, unknown or wrong argument."""
    kinds = asn1_typed.VIEWS.get((use_case.code, CRA.COMMAND))
    if not kinds:
        raise MachineError(f"{use_case.use_case}: no ASN.1 command has this message code; send its octets instead")
    view = _record(args, kinds[0], use_case.use_case or f"0x{use_case.code:04X}")
    try:
        return asn1_typed.write(view)
    except WireError as error:
        raise MachineError(f"{use_case.use_case}: {error}")


def named_arguments(octets: bytes, use_case: UseCase) -> dict[str, Any]:
    """What :func:`payload` needs to build these octets again, as JSON types by name.

    Raises ``DecodeError`` where they are no payload of the use case.
    """
    return _named(asn1_typed.read(use_case.code, CRA.COMMAND, octets).view)


# ---------------------------------------------------------------------------------------------------------- to JSON


def _named(view: Any) -> dict[str, Any]:
    values = {one.name: getattr(view, one.name) for one in fields(view)}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, KeyUsage):
        unnamed = int(value) & ~sum(KeyUsage)
        return [one.name.lower() for one in KeyUsage if one in value and one.name] + ([unnamed] if unnamed else [])
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return _named(value) if is_dataclass(value) else value


# -------------------------------------------------------------------------------------------------------- from JSON


@cache
def _types(kind: Any) -> dict[str, tuple[Any, bool]]:
    """The fields of a record: name to type, and whether it may be absent."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        if name not in {one.name for one in fields(kind)}:
            continue
        choices = [choice for choice in get_args(hint) if choice is not NoneType]
        optional = NoneType in get_args(hint) or hint is NoneType
        found[name] = (choices[0] if NoneType in get_args(hint) else hint, optional)
    return found


def _record(value: Any, kind: Any, where: str) -> View:
    if not isinstance(value, Mapping):
        raise _wrong(where, "names and values", value)
    types = _types(kind)
    if unknown := sorted(set(value) - set(types)):
        raise MachineError(f"{where}: takes {', '.join(types) or 'no arguments'}; got {', '.join(unknown)}")
    given = {}
    for name, (hint, optional) in types.items():
        if value.get(name) is not None:
            given[name] = _typed(value[name], hint, f"{where}.{name}")
        elif optional:
            given[name] = None
        else:
            raise MachineError(f"argument {where}.{name} is missing; give it a value")
    made: View = kind(**given)
    return made


def _typed(value: Any, hint: Any, where: str) -> Any:
    if get_origin(hint) is tuple:
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
            raise _wrong(where, "a list", value)
        (inner, *_) = get_args(hint)
        return tuple(_typed(one, inner, f"{where}[{at}]") for at, one in enumerate(value))
    if hint is KeyUsage:
        return _usage(value, where)
    if hint is bytes:
        try:
            return bytes.fromhex(value)
        except (TypeError, ValueError):
            raise _wrong(where, "octets in hexadecimal", value)
    if hint is datetime:
        return _time(value, where)
    if is_dataclass(hint):
        return _record(value, hint, where)
    if hint is not int or isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(where, "a whole number", value)
    return value


def _usage(value: Any, where: str) -> KeyUsage:
    parts = [value] if isinstance(value, str) else value
    try:
        usage = KeyUsage(0)
        for part in parts:
            usage |= KeyUsage[part.upper()] if isinstance(part, str) else KeyUsage(part)
    except (KeyError, TypeError, ValueError):
        raise _wrong(where, f"a list of {', '.join(str(one.name).lower() for one in KeyUsage)}", value)
    return usage


def _time(value: Any, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _wrong(where, "a time such as 2015-11-07T12:00:00Z", value)
    if moment.tzinfo is None:
        raise _wrong(where, "a time with its zone, such as 2015-11-07T12:00:00Z", value)
    return moment.astimezone(UTC)


def _wrong(where: str, expected: str, got: Any) -> MachineError:
    return MachineError(f"argument {where}: expected {expected}, got {str(got)[:80]!r}")
