"""Settings of machines from a bench file: a frozen dataclass filled from a mapping, key by key, type by type.

Must not live here: what a setting means.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar

from rig.node.bench_file import BenchFileError

__all__ = ["changed"]

T = TypeVar("T")


def changed(defaults: T, values: Mapping[str, Any], where: str) -> T:
    """``defaults`` with ``values`` in place.  Raises :class:`BenchFileError` for an unknown key or an unfit value."""
    kinds = typing.get_type_hints(type(defaults))
    known = [field.name for field in fields(defaults)]  # type: ignore[arg-type]
    new: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise BenchFileError(f"{where}.{key}", f"a setting of this device ({', '.join(known)})", value)
        new[key] = _fit(getattr(defaults, key), kinds[key], value, f"{where}.{key}")
    try:
        return replace(defaults, **new)  # type: ignore[type-var]
    except ValueError as problem:
        raise BenchFileError(where, str(problem), dict(values)) from None


def _fit(default: Any, kind: Any, value: Any, where: str) -> Any:
    """``value`` as the type of the field wants it."""
    choices = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    if value is None and type(None) in choices:
        return None
    if is_dataclass(default) and isinstance(value, Mapping):
        return changed(default, value, where)
    for choice in choices:
        origin = typing.get_origin(choice) or choice
        if isinstance(origin, type) and issubclass(origin, Enum):
            for member in origin:
                if str(value).upper().replace("-", "_") == member.name or value == member.value:
                    return member
            raise BenchFileError(where, "one of " + ", ".join(member.name.lower() for member in origin), value)
        if origin is Mapping and isinstance(value, Mapping):
            keys, items = typing.get_args(choice)
            return {
                _fit(None, keys, key, f"{where}.{key}"): _fit(None, items, item, f"{where}.{key}")
                for key, item in value.items()
            }
        if origin is bytes and isinstance(value, str):
            try:
                return bytes.fromhex(value.replace("-", ""))
            except ValueError:
                raise BenchFileError(where, "octets in hexadecimal", value) from None
        if origin in (tuple, frozenset) and isinstance(value, list):
            return origin(value)
        if origin is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(origin, type) and isinstance(value, origin) and not (origin is int and isinstance(value, bool)):
            return value
    raise BenchFileError(where, f"a value of type {getattr(kind, '__name__', kind)}", value)
