"""DLMS types as written in the use-case table, checked against values: ``"array of structure{octet-string(6), enum}"``.

Lengths in brackets are those of one published sample, not limits; an exact length is written in square brackets
(``"octet-string[4]"``).  Alternatives are joined by ``|``.  ``structure`` or ``array`` alone takes any elements.

Must not live here: values of any device, octets (``wire.axdr``).

Source: facts/use-cases.md ("dlms rows").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from devices.wire import axdr
from devices.wire.axdr import BitString, Data, Tag

__all__ = ["DataType", "default", "matches", "parse", "sample", "unsized"]

_TAGS = {tag.name.lower().replace("_", "-"): int(tag) for tag in Tag} | {"null-data": int(Tag.NULL), "any": -1}
_TOKEN = re.compile(r"\s*([a-z][a-z0-9-]*(?: of)?|[{}|,]|\(\d+\)|\[\d+\])")
_SAMPLED = re.compile(r"\(\d+\)")
_STRINGS = (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)


@dataclass(frozen=True, slots=True)
class DataType:
    """One type.  ``tag`` -1 takes anything.  ``elements`` of a structure in order, of an array the one row type;
    None takes any elements.  ``size`` is the exact length of a string."""

    tag: int
    elements: tuple[tuple[DataType, ...], ...] | None = None
    size: int | None = None
    sample: int = 0


@lru_cache(maxsize=512)
def parse(text: str) -> tuple[DataType, ...]:
    """The alternatives that ``text`` allows.  Raises ``ValueError`` where it is no type.

    A text that the table cut short (it ends in dots) keeps what was read so far and takes any further elements.
    """
    reader = _Reader(text)
    alternatives = reader.alternatives()
    reader.end()
    return alternatives


def matches(alternatives: tuple[DataType, ...], data: Data) -> bool:
    """Whether ``data`` is of one of the types; null stands for any optional element inside a structure."""
    return any(_fits(kind, data) for kind in alternatives)


def default(text: str) -> Data:
    """A value of the type ``text`` with nothing in it: zero, false, an empty array; strings of the sampled length."""
    return _empty(parse(text)[0])


def sample(text: str) -> Data:
    """:func:`default`, but with one row in every array, so that the types of what an array holds can be read off it."""
    return _empty(parse(text)[0], rows=1)


def unsized(text: str) -> str:
    """``text`` without the lengths that are those of a sample: two types that differ in these alone are one."""
    return _SAMPLED.sub("", text)


def _fits(kind: DataType, data: Data) -> bool:
    if kind.tag == -1:
        return True
    if data.tag != kind.tag:
        return False
    if kind.size is not None:
        return len(data.value) == kind.size
    if kind.elements is None:
        return True
    if kind.tag == Tag.ARRAY:
        return all(matches(kind.elements[0], element) for element in data.value)
    if kind.tag == Tag.STRUCTURE:
        return len(data.value) == len(kind.elements) and all(
            element.tag == Tag.NULL or matches(allowed, element)
            for allowed, element in zip(kind.elements, data.value, strict=True)
        )
    return True


def _empty(kind: DataType, rows: int = 0) -> Data:
    size = kind.size or kind.sample
    if kind.tag in (-1, Tag.NULL):
        return axdr.null()
    if kind.tag in (Tag.ARRAY, Tag.COMPACT_ARRAY):
        return axdr.array(*(_empty(row[0], rows) for row in (kind.elements or ())[:1] for _ in range(rows)))
    if kind.tag == Tag.STRUCTURE:
        return axdr.structure(*(_empty(allowed[0], rows) for allowed in kind.elements or ()))
    if kind.tag in _STRINGS:
        fill = b"\x00" if kind.tag == Tag.OCTET_STRING else b" "
        return Data(kind.tag, fill * min(size, 64))
    if kind.tag == Tag.BIT_STRING:
        return Data(Tag.BIT_STRING, BitString(size, bytes(-(-size // 8))))
    return Data(kind.tag, 0)


class _Reader:
    """Recursive descent over the tokens of one type text."""

    def __init__(self, text: str) -> None:
        self.text, self.cut = text, text.endswith("...")
        body = text.removesuffix("...")
        self.tokens: list[str] = []
        position = 0
        while position < len(body.rstrip()):
            found = _TOKEN.match(body, position)
            if found is None:
                raise self.wrong(f"cannot read {body[position : position + 12]!r}")
            self.tokens.append(found[1])
            position = found.end()
        self.position = 0

    def wrong(self, problem: str) -> ValueError:
        return ValueError(f"type {self.text!r}: {problem}")

    def peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def take(self) -> str:
        token = self.peek()
        if token is None:
            raise self.wrong("ends too early")
        self.position += 1
        return token

    def end(self) -> None:
        if self.peek() is not None:
            raise self.wrong(f"{self.peek()!r} left over")

    def alternatives(self) -> tuple[DataType, ...]:
        found = [self.one()]
        while self.peek() == "|":
            self.take()
            found.append(self.one())
        return tuple(found)

    def one(self) -> DataType:
        name = self.take()
        rows = name.endswith(" of")
        tag = _TAGS.get(name.removesuffix(" of"))
        if tag is None:
            if self.cut and self.peek() is None:
                return DataType(-1)
            raise self.wrong(f"no type is called {name!r}")
        if rows:
            return DataType(tag, (self.alternatives(),))
        if self.peek() == "{":
            return DataType(tag, self.members())
        sized = self.peek()
        if sized is None or sized[0] not in "([":
            return DataType(tag)
        self.take()
        if sized[0] == "[":
            return DataType(tag, size=int(sized[1:-1]))
        return DataType(tag, sample=int(sized[1:-1]))

    def members(self) -> tuple[tuple[DataType, ...], ...] | None:
        self.take()
        members = [self.alternatives()]
        while self.peek() == ",":
            self.take()
            if self.peek() is None and self.cut:
                return None
            members.append(self.alternatives())
        if self.peek() is None and self.cut:
            return None
        if self.take() != "}":
            raise self.wrong("a structure ends in }")
        return tuple(members)
