"""The audit trail: nothing in it can be changed, taken out or purged too early without being seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.core import Effect, Persist
from devices.machines.parts.audit_trail import AuditError, AuditSettings, AuditTrail, Receipt, verify

DAY = 86_400_000_000_000
PERIOD = 10 * DAY


class Kept:
    """A trail with the store that its effects go to."""

    def __init__(self) -> None:
        self.trail = AuditTrail(AuditSettings(PERIOD))
        self.saved: dict[str, Any] = {}
        self.receipts: list[Receipt] = []

    def grant(self, effects: list[Effect]) -> None:
        for effect in effects:
            assert isinstance(effect, Persist)
            self.saved[effect.key] = effect.value

    def add(self, at: int, **fields: Any) -> None:
        receipt, effects = self.trail.add("sent", fields, at)
        self.receipts.append(receipt)
        self.grant(effects)

    def purge(self, at: int) -> None:
        self.grant(self.trail.purge(at))

    def reopened(self) -> AuditTrail:
        trail = AuditTrail(AuditSettings(PERIOD))
        trail.restore(self.saved)
        return trail


def filled(entries: int = 150) -> Kept:
    kept = Kept()
    for number in range(entries):
        kept.add(number * DAY // 10, number=number)
    return kept


def test_entries_are_numbered_and_linked() -> None:
    kept = filled(3)
    kept.trail.verify(kept.receipts)
    assert [entry.stub.number for entry in kept.trail.entries] == [1, 2, 3]
    assert kept.trail.head == kept.receipts[-1]
    assert AuditTrail().head.number == 0


def test_a_trail_comes_back_whole() -> None:
    kept = filled()
    assert kept.reopened().entries == kept.trail.entries
    assert kept.trail.as_json() == kept.saved


def test_one_more_entry_writes_little() -> None:
    kept = filled(1000)
    effects = kept.trail.add("sent", {}, 2000 * DAY)[1]
    assert [len(effect.value) for effect in effects if isinstance(effect, Persist)] < [65]


@given(where=st.integers(0, 149), what=st.sampled_from(["fields", "kind", "at", "digest", "gone", "twice", "moved"]))
def test_whatever_is_changed_is_seen(where: int, what: str) -> None:
    entries = list(_FILLED.trail.entries)
    entry = entries[where]
    if what == "gone":
        del entries[where]
    elif what == "twice":
        entries.insert(where, entry)
    elif what == "moved":
        entries.append(entries.pop(where))
        if where == 149:
            return
    elif what in ("at", "digest"):
        changed: dict[str, Any] = {"at": entry.stub.at - 1} if what == "at" else {"digest": bytes(32)}
        entries[where] = replace(entry, stub=replace(entry.stub, **changed))
    else:
        changed = {"kind": "other"} if what == "kind" else {"fields": {"number": -1}}
        entries[where] = replace(entry, **changed)
    with pytest.raises(AuditError, match=r"entry \d+"):
        verify(None, entries, _FILLED.receipts)


def test_a_tail_that_is_cut_off_is_seen_by_whoever_has_a_receipt() -> None:
    entries = _FILLED.trail.entries[:-5]
    verify(None, entries)  # by itself it is a good trail
    with pytest.raises(AuditError, match="entry 146: there is a receipt for it, and it is missing"):
        verify(None, entries, _FILLED.receipts)


def test_a_trail_made_up_anew_is_seen_by_whoever_has_a_receipt() -> None:
    other = filled(149)
    other.add(149 * DAY // 10, number=-1)
    other.trail.verify()
    with pytest.raises(AuditError, match="not the one that the receipt was given for"):
        other.trail.verify(_FILLED.receipts)


def test_purged_is_what_is_older_than_the_period_and_no_more() -> None:
    kept = filled()  # entry n at n - 1 tenths of a day, up to day 14.9
    kept.purge(15 * DAY)
    purged = kept.trail.purged
    assert purged is not None
    assert purged.at < 15 * DAY - PERIOD <= kept.trail.entries[0].stub.at
    assert kept.trail.entries[0].stub.number == purged.number + 1 == 51
    last = kept.trail.entries[-1]
    assert (last.kind, last.fields["from"], last.fields["to"]) == ("purged", 1, 50)
    kept.trail.verify(kept.receipts)
    assert kept.reopened().entries == kept.trail.entries


def test_a_purge_that_took_too_much_has_no_proof() -> None:
    kept = filled()
    kept.purge(15 * DAY)
    entries = kept.trail.entries
    assert kept.trail.purged is not None
    with pytest.raises(AuditError, match="entry 51: it is missing"):
        verify(kept.trail.purged, entries[1:])
    younger = replace(entries[0].stub, at=0)  # said to have been old
    with pytest.raises(AuditError, match="proof of the purge"):
        verify(younger, entries[1:])
    with pytest.raises(AuditError):
        verify(None, entries)


def test_nothing_old_nothing_purged() -> None:
    kept = filled(5)
    assert kept.trail.purge(DAY) == []
    assert kept.trail.purged is None


def test_purging_twice_goes_on_from_the_first() -> None:
    kept = filled()
    kept.purge(12 * DAY)
    kept.purge(15 * DAY)
    assert kept.trail.purged is not None
    assert kept.trail.purged.number == 50
    kept.reopened().verify(kept.receipts)


def test_times_never_fall_when_the_clock_goes_back() -> None:
    kept = filled(3)
    kept.add(-DAY, late=True)
    kept.trail.verify()
    assert kept.trail.entries[-1].stub.at == kept.trail.entries[-2].stub.at


def test_a_store_that_was_tampered_with_is_not_taken_over() -> None:
    kept = filled(5)
    kept.saved["audit.0"][2][6] = {"number": 99}
    with pytest.raises(AuditError, match="entry 3: what it says was changed"):
        kept.reopened()


def test_entries_are_kept_by_sixty_fours() -> None:
    kept = filled(130)
    assert {key: [row[0] for row in rows] for key, rows in kept.saved.items()} == {
        "audit.0": list(range(1, 64)),
        "audit.1": list(range(64, 128)),
        "audit.2": [128, 129, 130],
    }
    kept.purge(16 * DAY)  # 60 entries are older than ten days
    numbers = {key: [row[0] for row in rows] for key, rows in kept.saved.items() if key != "audit.purged"}
    assert numbers == {"audit.0": [61, 62, 63], "audit.1": list(range(64, 128)), "audit.2": [128, 129, 130, 131]}
    assert kept.saved["audit.purged"][:2] == [60, 59 * DAY // 10]
    (entry,) = [entry for entry in kept.trail.entries if entry.kind == "purged"]
    assert entry.fields == {"from": 1, "to": 60, "older_than": 6 * DAY}
    kept.purge(1000 * DAY)
    assert [row[0] for row in kept.saved["audit.2"]] == [132]
    assert kept.reopened().entries == kept.trail.entries
    assert kept.reopened().as_json() == {key: rows for key, rows in kept.saved.items() if rows}


def test_a_period_is_over_to_the_nanosecond() -> None:
    kept = filled(2)
    assert kept.trail.purge(PERIOD) == []
    kept.purge(PERIOD + 1)
    assert kept.trail.purged is not None
    assert kept.trail.purged.number == 1
    assert AuditTrail().head == Receipt(0, bytes(32))
    kept.trail.verify([Receipt(0, b""), *kept.receipts])
    with pytest.raises(AuditError, match="entry 1: it is not the one"):
        kept.trail.verify([Receipt(1, bytes(32))])


@pytest.mark.parametrize("changes", [{"link": bytes(32)}, {"before": bytes(range(32))}, {"at": DAY}])
def test_an_entry_follows_the_one_before_it_in_every_respect(changes: dict[str, Any]) -> None:
    entries = list(filled(1).trail.entries)
    entries[0] = replace(entries[0], stub=replace(entries[0].stub, **changes))
    with pytest.raises(AuditError, match="entry 1: it does not follow"):
        verify(None, entries)


_FILLED = filled()
