"""What a hub without supply tells the head end from stored energy: since when, and which hub (the DCC alert AD1).

It is no GBCS message, and no source that was found says how it crosses from a hub to the DCC: this form, a line of
ASCII text, is [our choice].  What it says is what the DCC's alert says, but for the premises' MPxN, which a hub does
not know.

Source: facts/gbcs.md 10.4 (AD1, PowerOutageEvent [single source]; the duty [page seen]).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["CODE", "OutageNotice", "read", "write"]

CODE: Final = "AD1"
_FORM: Final = re.compile(rb"AD1 ([0-9a-f]{16}) (0|[1-9][0-9]{0,9})")


@dataclass(frozen=True, slots=True)
class OutageNotice:
    """The supply of the hub (EUI-64) has been away since ``started``, in whole seconds since 1970 by its own clock."""

    hub: bytes
    started: int


def write(notice: OutageNotice) -> bytes:
    """The octets that leave the hub."""
    return f"{CODE} {notice.hub.hex()} {notice.started}".encode("ascii")


def read(octets: bytes) -> OutageNotice | None:
    """The notice that these octets are, None where they are none."""
    found = _FORM.fullmatch(octets)
    return None if found is None else OutageNotice(bytes.fromhex(found[1].decode("ascii")), int(found[2]))
