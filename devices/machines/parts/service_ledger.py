"""The service requests in hand: one entry each, with its state, kept over power losses one by one.

Must not live here: what moves an entry on (``transform_service``).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from devices.machines.core import Effect, MachineError, Persist, eui_text
from devices.wire import gbcs
from devices.wire.gbcs import Message

__all__ = ["Entry", "ServiceLedger", "State", "request_id"]

_KEY = "request."


class State(Enum):
    """Where a service request stands."""

    UNSIGNED = "waits for its signature"
    QUARANTINED = "held back"
    SENT = "sent"
    ANSWERED = "answered"
    TIMED_OUT = "timed out"
    EXPIRED = "never signed"
    REJECTED = "rejected"

    @property
    def open(self) -> bool:
        """Whether something is still to come."""
        return self in (State.UNSIGNED, State.QUARANTINED, State.SENT)


@dataclass(slots=True)
class Entry:
    """One service request.  ``due`` is civil time: until then its signature, or its answer, is waited for."""

    identifier: str
    user: bytes
    requests: tuple[str, ...]
    message: Message
    way: str
    state: State
    at: int
    due: int | None = None
    reasons: list[str] = field(default_factory=list)
    slot: int = -1

    @property
    def key(self) -> tuple[bytes, bytes, int]:
        """Originator, device and counter: what its answer repeats."""
        return self.message.originator, self.message.recipient, self.message.counter

    def as_json(self) -> dict[str, Any]:
        """JSON types, for whoever asks after it and for what outlives a power cut."""
        return {
            "request_id": self.identifier,
            "user": self.user.hex(),
            "requests": list(self.requests),
            "device": self.message.recipient.hex(),
            "message_code": self.message.message_code,
            "octets": gbcs.encode(self.message).hex(),
            "way": self.way,
            "state": self.state.name.lower(),
            "at": self.at,
            "due": self.due,
            "reasons": list(self.reasons),
        }


def request_id(user: bytes, device: bytes, counter: int) -> str:
    """How users name a request (facts/gbcs.md 5.7)."""
    return f"{eui_text(user)}:{eui_text(device)}:{counter}"


class ServiceLedger:
    """At most ``remembered`` entries; of those that are over, the oldest go first."""

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._entries: dict[str, Entry] = {}
        self._keys: dict[tuple[bytes, bytes, int], Entry] = {}
        self._free = list(range(remembered - 1, -1, -1))
        self._due: list[tuple[int, str]] = []  # a heap; what is no longer true of an entry is passed over

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def find(self, identifier: str) -> Entry | None:
        """The entry of a request id."""
        return self._entries.get(identifier)

    def matching(self, originator: bytes, device: bytes, counter: int) -> Entry | None:
        """The entry of a command with this originator, device and counter."""
        return self._keys.get((originator, device, counter))

    def add(self, entry: Entry) -> list[Effect]:
        """Take an entry in.  Raises :class:`MachineError` for a request id that was used, and when all are open."""
        if entry.identifier in self._entries or entry.key in self._keys:
            raise MachineError(f"request {entry.identifier} was made already; take the next counter")
        effects = [] if self._free else self._forget()
        entry.slot = self._free.pop()
        self._entries[entry.identifier] = self._keys[entry.key] = entry
        return [*effects, self.kept(entry)]

    def kept(self, entry: Entry) -> Persist:
        """What keeps the entry as it is now."""
        if entry.due is not None and entry.state.open:
            heapq.heappush(self._due, (entry.due, entry.identifier))
        return Persist(f"{_KEY}{entry.slot}", entry.as_json())

    @property
    def next_due(self) -> int | None:
        """When the next entry is due."""
        while self._due and not self._holds(*self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def overdue(self, civil: int) -> list[Entry]:
        """The entries that are due by now, each once."""
        found: dict[str, Entry] = {}
        while (due := self.next_due) is not None and due <= civil:
            identifier = heapq.heappop(self._due)[1]
            found[identifier] = self._entries[identifier]
        return list(found.values())

    def _holds(self, due: int, identifier: str) -> bool:
        entry = self._entries.get(identifier)
        return entry is not None and entry.due == due and entry.state.open

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what the effects kept."""
        kept = {int(key.removeprefix(_KEY)): row for key, row in saved.items() if key.startswith(_KEY) and row}
        self._entries, self._keys, self._due = {}, {}, []
        for slot, row in sorted(kept.items(), key=lambda pair: int(pair[1]["at"])):
            entry = Entry(
                row["request_id"],
                bytes.fromhex(row["user"]),
                tuple(row["requests"]),
                gbcs.decode(bytes.fromhex(row["octets"])),
                row["way"],
                State[row["state"].upper()],
                row["at"],
                row["due"],
                list(row["reasons"]),
                slot,
            )
            self._entries[entry.identifier] = self._keys[entry.key] = entry
            self.kept(entry)
        self._free = [slot for slot in range(self._remembered - 1, -1, -1) if slot not in kept]

    def _forget(self) -> list[Effect]:
        over = next((entry for entry in self if not entry.state.open), None)
        if over is None:
            raise MachineError(f"{self._remembered} requests are open; wait for answers, or release what is held back")
        del self._entries[over.identifier], self._keys[over.key]
        self._free.append(over.slot)
        return [Persist(f"{_KEY}{over.slot}", None)]
