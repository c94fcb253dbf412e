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
        fitted = _as(choice, value, where)
        if fitted is not UNFIT:
            return fitted
    raise BenchFileError(where, f"a value of type {getattr(kind, '__name__', kind)}", value)


UNFIT = object()


def _as(choice: Any, value: Any, where: str) -> Any:
    """``value`` as one type, :data:`UNFIT` where it is of another.  Raises where it is of the type and yet wrong."""
    origin, inner = typing.get_origin(choice) or choice, typing.get_args(choice)
    if not isinstance(origin, type):
        return UNFIT
    if issubclass(origin, Enum):
        return _member(origin, value, where)
    if origin is Mapping and isinstance(value, Mapping):
        keys, items = inner
        return {
            _fit(None, keys, key, f"{where}.{key}"): _fit(None, items, item, f"{where}.{key}")
            for key, item in value.items()
        }
    if origin in (tuple, frozenset) and isinstance(value, list):
        return origin(_fit(None, inner[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is bytes and isinstance(value, str):
        try:
            return bytes.fromhex(value.replace("-", ""))
        except ValueError:
            raise BenchFileError(where, "octets in hexadecimal", value) from None
    if isinstance(value, bool) and origin is not bool:
        return UNFIT
    if origin is float and isinstance(value, int):
        return float(value)
    return value if isinstance(value, origin) else UNFIT


def _member(kind: type[Enum], value: Any, where: str) -> Enum:
    """A member by its name, in any case and with hyphens, or by its value."""
    for member in kind:
        if isinstance(value, str) and value.upper().replace("-", "_") == member.name:
            return member
        if not isinstance(value, bool) and value == member.value:  # YAML's yes is no 1
            return member
    raise BenchFileError(where, "one of " + ", ".join(member.name.lower() for member in kind), value)
