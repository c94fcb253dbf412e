"""An audit trail: append-only, every entry bound to the one before it, purged after a set period with proof.

Each entry has a number, a time, a digest of what it says, and a link: the hash of number, time, digest and the link
before it.  Purging drops the oldest entries and keeps of the last of them a stub (number, time, digest, the two links),
so that it stays provable that all that is gone was older than the period, and that nothing younger is missing or
changed.  Whoever keeps receipts (number and link of an entry) can hold the trail against them: a trail made up anew
does not have those links.

Must not live here: what is worth an entry (the machine), signatures.

Source: mission SA-4; form and period are [our choice].
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from devices.machines.core import Effect, Persist

__all__ = ["AuditEntry", "AuditError", "AuditSettings", "AuditTrail", "Receipt", "Stub", "verify"]

_GENESIS: Final = bytes(32)
_BUNDLE: Final = 64  # entries kept under one key, so that keeping one more writes little
_DAY: Final = 86_400_000_000_000


class AuditError(Exception):
    """The trail does not hold: which entry, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How long entries are kept."""

    period_ns: int = 400 * _DAY  # [our choice: thirteen months, as long as a meter keeps its profile]


@dataclass(frozen=True, slots=True)
class Stub:
    """An entry without its contents.  ``at`` is civil time in ns since 1970."""

    number: int
    at: int
    digest: bytes
    before: bytes
    link: bytes


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry: its stub, what happened, and the particulars (JSON types)."""

    stub: Stub
    kind: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What somebody outside keeps of an entry, to hold the trail against it later."""

    number: int
    link: bytes


class AuditTrail:
    """One trail."""

    def __init__(self, settings: AuditSettings | None = None) -> None:
        self.settings = settings or AuditSettings()
        self.purged: Stub | None = None
        """The youngest entry that was purged."""
        self._entries: list[AuditEntry] = []  # numbers without a gap

    @property
    def entries(self) -> tuple[AuditEntry, ...]:
        """Everything kept, oldest first."""
        return tuple(self._entries)

    @property
    def head(self) -> Receipt:
        """The receipt of the youngest entry; number 0 while there was none."""
        last = self._entries[-1].stub if self._entries else self.purged
        return Receipt(0, _GENESIS) if last is None else Receipt(last.number, last.link)

    def add(self, kind: str, fields: Mapping[str, Any], at: int) -> tuple[Receipt, list[Effect]]:
        """Write one entry at civil time ``at``; what keeps it over a power loss must be granted before anything else.

        Should the clock have gone back, the entry gets the time of the one before: times never fall.
        """
        last = self._entries[-1].stub if self._entries else self.purged
        number, before, at = (1, _GENESIS, at) if last is None else (last.number + 1, last.link, max(at, last.at))
        digest = _digest(kind, fields)
        stub = Stub(number, at, digest, before, _link(number, at, digest, before))
        self._entries.append(AuditEntry(stub, kind, json.loads(json.dumps(fields))))
        return self.head, [self._kept(number // _BUNDLE)]

    def purge(self, at: int) -> list[Effect]:
        """Drop what is older than the period; the purge is an entry itself, and says what went."""
        first_kept = (i for i, entry in enumerate(self._entries) if entry.stub.at >= at - self.settings.period_ns)
        gone = self._entries[: next(first_kept, len(self._entries))]
        if not gone:
            return []
        del self._entries[: len(gone)]
        self.purged = gone[-1].stub
        bundles = sorted({entry.stub.number // _BUNDLE for entry in gone})
        effects: list[Effect] = [self._kept(bundle) for bundle in bundles]
        effects.append(Persist("audit.purged", _stub_json(self.purged)))
        fields = {"from": gone[0].stub.number, "to": self.purged.number, "older_than": at - self.settings.period_ns}
        return effects + self.add("purged", fields, at)[1]

    def verify(self, receipts: Iterable[Receipt] = ()) -> None:
        """Raise :class:`AuditError` where the trail, or the proof of a purge, does not hold."""
        verify(self.purged, self.entries, receipts)

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what the effects kept.  Raises :class:`AuditError` for a trail that was tampered with."""
        stub = saved.get("audit.purged")
        self.purged = None if stub is None else _stub(stub)
        oldest = self.purged.number if self.purged else 0
        bundles = [rows for key, rows in saved.items() if key.startswith("audit.") and key != "audit.purged"]
        entries = [AuditEntry(_stub(row[:5]), row[5], row[6]) for rows in bundles for row in rows]
        entries.sort(key=lambda entry: entry.stub.number)
        self._entries = [entry for entry in entries if entry.stub.number > oldest]
        self.verify()

    def as_json(self) -> dict[str, Any]:
        """The whole trail with its proof, for :meth:`restore` and for whoever audits it."""
        numbers = {entry.stub.number // _BUNDLE for entry in self._entries}
        kept = [self._kept(bundle) for bundle in sorted(numbers)]
        purged = {} if self.purged is None else {"audit.purged": _stub_json(self.purged)}
        return {**purged, **{effect.key: effect.value for effect in kept}}

    def _kept(self, bundle: int) -> Persist:
        first = self._entries[0].stub.number if self._entries else 0
        begin, end = (max(0, number * _BUNDLE - first) for number in (bundle, bundle + 1))
        rows = self._entries[begin:end]
        return Persist(f"audit.{bundle}", [[*_stub_json(e.stub), e.kind, e.fields] for e in rows])


def verify(purged: Stub | None, entries: Iterable[AuditEntry], receipts: Iterable[Receipt] = ()) -> None:
    """Check a trail: every link, every digest, no number missing, times that never fall, and every receipt that is not
    of a purged entry.  Raises :class:`AuditError`."""
    last = purged
    if purged is not None and purged.link != _link(purged.number, purged.at, purged.digest, purged.before):
        raise AuditError(f"entry {purged.number}: the proof of the purge is not that of this entry")
    links = {purged.number: purged.link} if purged else {}
    for entry in entries:
        stub = entry.stub
        number, before, since = (1, _GENESIS, stub.at) if last is None else (last.number + 1, last.link, last.at)
        if stub.number != number:
            raise AuditError(f"entry {number}: it is missing; the next one is {stub.number}")
        if stub.digest != _digest(entry.kind, entry.fields):
            raise AuditError(f"entry {number}: what it says was changed")
        if stub.before != before or stub.link != _link(number, stub.at, stub.digest, before) or stub.at < since:
            raise AuditError(f"entry {number}: it does not follow the one before it")
        links[number], last = stub.link, stub
    for receipt in receipts:
        if receipt.number > (purged.number if purged else 0) - 1 and receipt.number:
            _hold(receipt, links)


def _hold(receipt: Receipt, links: Mapping[int, bytes]) -> None:
    if receipt.number not in links:
        raise AuditError(f"entry {receipt.number}: there is a receipt for it, and it is missing")
    if links[receipt.number] != receipt.link:
        raise AuditError(f"entry {receipt.number}: it is not the one that the receipt was given for")


def _digest(kind: str, fields: Mapping[str, Any]) -> bytes:
    text = json.dumps([kind, fields], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).digest()


def _link(number: int, at: int, digest: bytes, before: bytes) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "big") + at.to_bytes(16, "big", signed=True) + digest + before).digest()


def _stub_json(stub: Stub) -> list[Any]:
    return [stub.number, stub.at, stub.digest.hex(), stub.before.hex(), stub.link.hex()]


def _stub(row: list[Any]) -> Stub:
    number, at, *hashes = row
    return Stub(int(number), int(at), *(bytes.fromhex(text) for text in hashes))
