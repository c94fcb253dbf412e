"""Where messages and blocks begin among octets, and where each of them ends by its own lengths.

Must not live here: how the octets are written (``notations``, ``text``), which packets carry them (``captures``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from devices.wire import gbcs, gbt
from devices.wire.errors import CutShort, DecodeError

__all__ = ["INNER", "START", "TAIL", "Broken", "Piece", "take"]

START = re.compile(
    rb"\xdd\x00{6}(?=(?:[\x00-\x7f]|\x81.|\x82..)\x11)"  # a MAC header, its length, the security header
    rb"|[\xdd\xdf]\x09(?=[\x01-\x03].{8}\x08)",  # a block or a grouping header: length, CRA, counter, next length
    re.DOTALL,
)
"""How a message or block begins, with enough of what follows that chance does not look like one."""

TAIL = re.compile(
    rb"(?:\xdd\x00{0,6}|\xdd\x00{6}(?:[\x00-\x7f]|\x81.?|\x82.{0,2})|[\xdd\xdf](?:\x09(?:[\x01-\x03].{0,8})?)?)\Z",
    re.DOTALL,
)
"""The same where the octets end too soon to tell."""

INNER = 16, 80
"""Within how many octets of its start a message's own grouping header stands, and a message in a block the same."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A whole message or block from ``start`` to ``end``."""

    start: int
    end: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """What began as a message at ``start`` and is none: why, where to look on, and how many octets it needs where it
    only lacks some."""

    start: int
    resume: int
    reason: str
    needed: int = 0


def take(octets: bytes, start: int) -> Piece | Broken:
    """The message or block that begins at ``start``, a place that :data:`START` found."""
    block = gbt.is_block(octets[start : start + 2])
    try:
        end = gbt.extent(octets, start) if block else gbcs.extent(octets, start)
    except CutShort as fault:
        return Broken(start, _resume(octets, start, block), fault.reason, fault.needed)
    except DecodeError as fault:
        return Broken(start, _resume(octets, start, block), fault.reason)
    piece = octets[start:end]
    try:
        if block:
            gbt.decode(piece)
        else:
            gbcs.decode(piece)
    except DecodeError as fault:
        return Broken(start, _resume(octets, start, block), f"octet {fault.offset} of it: {fault.reason}")
    return Piece(start, end, piece)


def _resume(octets: bytes, start: int, block: bool) -> int:
    """Where to look for the next message: behind what only looks like one because it is inside this one."""
    if not block:
        return start + (INNER[0] if octets[start] == 0xDD else 1)
    inner = START.search(octets, start + 1, start + INNER[1])
    return start + 1 if inner is None else inner.start() + (INNER[0] if octets[inner.start()] == 0xDD else 1)
