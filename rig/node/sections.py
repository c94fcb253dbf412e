"""Reading YAML with its places: every key is taken once, every value checked, and what is wrong said in one sentence.

    BenchFileError(ValueError)    where in the file, what was expected, what was found, what to do

Must not live here: what a bench consists of (``bench_file``).
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, TypeVar

from devices.wire import eui64
from devices.wire.errors import WireError

__all__ = ["BenchFileError", "Section"]

T = TypeVar("T")
_short = reprlib.Repr()
_short.maxlevel = 3
_short.maxstring = _short.maxother = 600  # a few lines of YAML with aliases can stand for gigabytes


class BenchFileError(ValueError):
    """A bench file that cannot be used: the place, what was expected, what was found."""

    def __init__(self, where: str, expected: str, got: object) -> None:
        super().__init__(f"{where}: expected {expected}, got {_short.repr(got)}; correct the bench file there")
        self.where = where


QUANTITY = "a number from 0"


def _quantity(value: object, where: str) -> float:
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        raise BenchFileError(where, QUANTITY, value)
    return number


class Section:
    """A mapping of the file with its place, from which each key is taken once; what remains is an error."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise BenchFileError(where, "a mapping", value)
        self._left: dict[str, Any] = {str(key): item for key, item in value.items()}
        self._asked: list[str] = []
        self.where = where

    def __contains__(self, key: str) -> bool:
        self._ask(key)
        return key in self._left

    def _ask(self, key: str) -> None:
        if key not in self._asked:
            self._asked.append(key)

    def at(self, key: str) -> str:
        return f"{self.where}.{key}"

    def take(self, key: str, kind: type[T] | tuple[type[T], ...], what: str, default: T | None = None) -> T:
        self._ask(key)
        if key not in self._left:
            if default is None:
                raise BenchFileError(self.at(key), what, "nothing")
            return default
        value = self._left.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BenchFileError(self.at(key), what, value)
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return self.take(key, str, "a text", default)

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(key, default)
        if value not in choices:
            raise BenchFileError(self.at(key), f"one of {', '.join(choices)}", value)
        return value

    def whole(self, key: str, default: int | None = None, span: range | None = None) -> int:
        what = "a whole number" + (f" from {span[0]} to {span[-1]}" if span else "")
        value = self.take(key, int, what, default)
        if span and value not in span:
            raise BenchFileError(self.at(key), what, value)
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A quantity of the physical world: from 0, and finite."""
        return _quantity(self.take(key, object, QUANTITY, default), self.at(key))

    def positive(self, key: str, default: float | None = None) -> float:
        """A quantity that something is divided by."""
        value = self.number(key, default)
        if not value:
            raise BenchFileError(self.at(key), "a number above 0", value)
        return value

    def numbers(self, key: str) -> tuple[float, ...]:
        return tuple(_quantity(item, f"{self.at(key)}[{index}]") for index, item in enumerate(self.items(key)))

    def flag(self, key: str) -> bool:
        self._ask(key)
        value = self._left.pop(key, False)
        if not isinstance(value, bool):
            raise BenchFileError(self.at(key), "true or false", value)
        return value

    def optional(self, key: str) -> str | None:
        self._ask(key)
        return self.text(key) if self._left.get(key) is not None else self._left.pop(key, None)

    def free(self, key: str) -> dict[str, Any]:
        """A mapping whose keys somebody else judges (settings of a device)."""
        self._ask(key)
        value = self._left.pop(key, None)
        return dict(Section({} if value is None else value, self.at(key))._left)

    def items(self, key: str) -> list[Any]:
        return self.take(key, list, "a list", [])

    def sections(self, key: str) -> Iterator[tuple[str, Section]]:
        self._ask(key)
        value = self._left.pop(key, None)
        for name, item in Section({} if value is None else value, self.at(key))._left.items():
            yield name, Section({} if item is None else item, f"{self.at(key)}.{name}")

    def eui(self, key: str, default: bytes | None = None) -> bytes:
        if key not in self and default is not None:
            return default
        text = self.text(key)
        try:
            return eui64.parse(text)
        except (WireError, ValueError):
            raise BenchFileError(self.at(key), "an EUI-64 such as 00-DB-12-34-56-78-90-A0", text) from None

    def octets(self, key: str, length: int) -> bytes:
        """Octets in hexadecimal, exactly ``length`` of them; none where the key is absent."""
        if key not in self:
            return b""
        text = str(self._left.pop(key))
        try:
            value = bytes.fromhex(text)
        except ValueError:
            value = b""
        if len(value) != length:
            raise BenchFileError(self.at(key), f"{length} octets in hexadecimal (in quotes)", text)
        return value

    def done(self) -> None:
        """Raise for the first key that nobody asked for, at its own place, with those that there are, near first."""
        for key in sorted(self._left):
            forms = {one.casefold(): one for one in self._asked}
            near = [forms[form] for form in get_close_matches(key.casefold(), forms, n=3)]
            known = ", ".join([*near, *(one for one in self._asked if one not in near)])
            raise BenchFileError(self.at(key), f"only known keys here ({known})", key)
