"""Event logs: bounded rings of time-stamped codes, read by range as the compact-array of published responses.

Must not live here: which event goes into which log (``model.alerts``), the objects that show them.

Source: layouts from the published responses to ECS35a, ECS35b and ECS35e (facts/gbcs.md 3.9 no. 1); 100 entries from
the annex table ("buffer[1..100]").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from devices.machines.parts.civil_clock import CivilTime
from devices.model.alerts import Log
from devices.model.objects import AccessError, ResultCode
from devices.wire import axdr
from devices.wire.axdr import Data, Tag, TypeDescription

__all__ = ["LAYOUTS", "Entry", "EventLog", "selected_range"]

CAPACITY = 100


def _row(*tags: Tag) -> TypeDescription:
    return TypeDescription(Tag.STRUCTURE, tuple(TypeDescription(tag) for tag in tags))


LAYOUTS = {
    Log.EVENT: _row(Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG_UNSIGNED, Tag.OCTET_STRING),
    Log.SECURITY: _row(Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG_UNSIGNED),
    Log.POWER: _row(Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG_UNSIGNED, Tag.DOUBLE_LONG_UNSIGNED),
}
"""The rows of each log: time stamp (seconds since 2000), code, and other information where the log has it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a log.  ``other`` is octets in the event log, seconds in the power log."""

    at: int
    code: int
    other: bytes | int | None = None


class EventLog:
    """One log of a device; the oldest entry goes first."""

    def __init__(self, log: Log, capacity: int = CAPACITY) -> None:
        self.log = log
        self._entries: deque[Entry] = deque(maxlen=capacity)
        # The same in JSON types, kept because a log is saved whole at every entry.
        self._saved: deque[list[int | str | None]] = deque(maxlen=capacity)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything kept, oldest first."""
        return tuple(self._entries)

    def add(self, civil: CivilTime, code: int, other: bytes | int | None = None) -> None:
        """Write one entry."""
        self._append(Entry(civil.zcl, code, other))

    def clear(self) -> None:
        """Forget every entry."""
        self._entries.clear()
        self._saved.clear()

    def read(self, selection: Data | None) -> Data:
        """The entries in a range of time stamps (both ends included), or all; a compact-array.

        Raises ``AccessError`` for a selection that is no range descriptor over the time stamp.
        """
        first, last = selected_range(selection)
        rows = [self._data(entry) for entry in self._entries if first <= entry.at <= last]
        return axdr.compact(LAYOUTS[self.log], *rows)

    def as_json(self) -> list[list[int | str | None]]:
        """JSON types, for what outlives a power cut."""
        return list(self._saved)

    def restore(self, saved: Sequence[Sequence[int | str | None]] | None) -> None:
        """Take over what :meth:`as_json` gave."""
        self.clear()
        for at, code, other in saved or ():
            kept = bytes.fromhex(other) if isinstance(other, str) else other
            self._append(Entry(int(at or 0), int(code or 0), kept))

    def _append(self, entry: Entry) -> None:
        other = entry.other.hex() if isinstance(entry.other, bytes) else entry.other
        self._entries.append(entry)
        self._saved.append([entry.at, entry.code, other])

    def _data(self, entry: Entry) -> Data:
        row = [axdr.u32(entry.at), axdr.u16(entry.code)]
        if self.log is Log.EVENT:
            row.append(axdr.octets(entry.other if isinstance(entry.other, bytes) else b""))
        elif self.log is Log.POWER:
            row.append(axdr.u32(entry.other if isinstance(entry.other, int) else 0))
        return axdr.structure(*row)


def selected_range(selection: Data | None) -> tuple[int, int]:
    """First and last time stamp of a range descriptor: structure of restricting object, from, to, selected values.

    No selection is everything.  Raises ``AccessError`` for one that is no range over the time stamp.
    """
    if selection is None:
        return 0, 0xFFFFFFFF
    parts: tuple[Data, ...] = selection.value if selection.tag == Tag.STRUCTURE else ()
    if len(parts) != 4 or any(part.tag != Tag.DOUBLE_LONG_UNSIGNED for part in parts[1:3]):
        raise AccessError(ResultCode.TYPE_UNMATCHED, "the selection is no range of double-long-unsigned time stamps")
    return parts[1].value, parts[2].value
