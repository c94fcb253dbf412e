"""The arguments of one command, read by name and type: what is missing or unfit refuses the command.

Must not live here: what a verb does with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from rig.node.executor import Refused

__all__ = ["Arguments"]

T = TypeVar("T")
LARGEST = (1 << 63) - 1
FOLDER = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}(/[a-z0-9][a-z0-9.-]{0,99}){0,3}")


class Arguments:
    """What came with a command for ``verb``.  Every method raises :class:`Refused` and nothing else."""

    def __init__(self, verb: str, values: Mapping[str, Any]) -> None:
        self._verb, self._values = verb, values

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        return self._take(name, str, "a text", default)

    def flag(self, name: str) -> bool:
        return self._take(name, bool, "true or false", None)

    def whole(self, name: str, most: int = LARGEST) -> int:
        """A whole number from 0."""
        value = self._take(name, int, "a whole number", None)
        if not 0 <= value <= most:
            raise self._unfit(name, f"a whole number from 0 to {most}", value)
        return value

    def mapping(self, name: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._take(name, dict, "names and values", default)

    def octets(self, name: str) -> bytes:
        """Octets in hexadecimal."""
        text = self.text(name)
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise self._unfit(name, "octets in hexadecimal", text) from None

    def folder(self, name: str) -> str:
        """A path below a folder, that cannot lead out of it."""
        text = self.text(name)
        if not FOLDER.fullmatch(text):
            raise self._unfit(name, "names of a-z, 0-9, '.' and '-' joined by '/'", text)
        return text

    def among(self, name: str, known: Mapping[str, T]) -> T:
        """What of ``known`` the argument names."""
        text = self.text(name)
        if text not in known:
            raise Refused("unknown", f"no {name} {text!r}", f"The bench has {', '.join(known) or 'none'}.")
        return known[text]

    def _take(self, name: str, kind: type[T], what: str, default: T | None) -> T:
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._unfit(name, what, "nothing" if value is None else value)
        return value

    def _unfit(self, name: str, what: str, value: object) -> Refused:
        shown = value if value == "nothing" else repr(value)[:200]
        return Refused("argument", f"{self._verb}: {name} must be {what}, got {shown}", "Correct it.")
