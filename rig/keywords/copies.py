"""Local copies of commands, as a supplier hands them out for a terminal, known by their three ids.

Must not live here: asking for them (``supplier``, ``probes``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from devices.wire import gbcs
from devices.wire.errors import WireError

__all__ = ["copy_with", "ids_of"]


def ids_of(octets: str) -> tuple[str, str, int]:
    """Originator and recipient (EUI-64 in hex) and counter of a message in hex.  Raises ``WireError`` for octets that
    are none."""
    message = gbcs.decode(bytes.fromhex(octets))
    return message.originator.hex(), message.recipient.hex(), message.counter


def copy_with(ids: tuple[str, str, int], commands: Iterable[Mapping[str, Any]]) -> str | None:
    """The octets, in hex, of the command with these ids among those of a work order; None where it has no such."""
    for command in commands:
        octets = str(command["octets"])
        try:
            if ids_of(octets) == ids:
                return octets
        except WireError:
            continue  # whatever it is, it is not this command
    return None
