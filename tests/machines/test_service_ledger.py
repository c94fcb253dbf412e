"""The requests in hand: found by id or by answer, due in order, kept one by one, the oldest that is over forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from devices.machines.core import MachineError, Persist
from devices.machines.parts.service_ledger import Entry, ServiceLedger, State, request_id
from devices.wire import gbcs
from devices.wire.gbcs import Message

USER, DEVICE = bytes.fromhex("90b3d51f30010000"), bytes.fromhex("00db1234567890a0")


def _entry(counter: int, state: State = State.SENT, due: int | None = None, at: int | None = None) -> Entry:
    message = Message(1, counter, USER, DEVICE, 0x62, b"payload")
    identifier = request_id(USER, DEVICE, counter)
    return Entry(identifier, USER, ("ECS42",), message, "wan", state, counter if at is None else at, due, ["why"])


def _ledger(remembered: int, *entries: Entry) -> ServiceLedger:
    ledger = ServiceLedger(remembered)
    for entry in entries:
        ledger.add(entry)
    return ledger


def test_a_request_is_kept_in_a_slot_of_its_own() -> None:
    ledger, entry = ServiceLedger(2), _entry(7, due=9)
    row = {
        "request_id": "90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:7",
        "user": USER.hex(),
        "requests": ["ECS42"],
        "device": DEVICE.hex(),
        "message_code": 0x62,
        "octets": gbcs.encode(entry.message).hex(),
        "way": "wan",
        "state": "sent",
        "at": 7,
        "due": 9,
        "reasons": ["why"],
    }
    assert ledger.add(entry) == [Persist("request.0", row)]
    assert [effect.key for effect in ledger.add(_entry(8)) if isinstance(effect, Persist)] == ["request.1"]
    assert entry.key == (USER, DEVICE, 7)
    assert ledger.find(entry.identifier) is ledger.matching(USER, DEVICE, 7) is entry
    assert ledger.find("x") is ledger.matching(DEVICE, USER, 7) is ledger.matching(USER, DEVICE, 6) is None
    entry.state = State.ANSWERED
    assert ledger.kept(entry) == Persist("request.0", row | {"state": "answered"})


def test_which_states_are_open() -> None:
    assert {state for state in State if state.open} == {State.UNSIGNED, State.QUARANTINED, State.SENT}


def test_a_request_comes_once() -> None:
    ledger = _ledger(3, _entry(1))
    same_key = _entry(1)
    same_key.identifier = "another"
    same_name = _entry(2)
    same_name.identifier = _entry(1).identifier
    for again in (_entry(1), same_key, same_name):
        with pytest.raises(MachineError, match="was made already; take the next counter"):
            ledger.add(again)


def test_the_oldest_that_is_over_is_forgotten_for_a_new_one() -> None:
    over, later = _entry(2, State.ANSWERED), _entry(3, State.REJECTED)
    ledger = _ledger(3, _entry(1), over, later)
    first, second = ledger.add(_entry(4))
    assert first == Persist("request.1", None)
    assert isinstance(second, Persist)
    assert second.key == "request.1"
    assert ledger.find(over.identifier) is ledger.matching(*over.key) is None
    assert [entry.message.counter for entry in ledger] == [1, 3, 4]
    ledger.add(_entry(5))
    with pytest.raises(MachineError, match="3 requests are open; wait for answers"):
        ledger.add(_entry(6))


def test_what_is_due_comes_in_order_once_while_it_is_open() -> None:
    late, early, never, closed = _entry(1, due=30), _entry(2, due=10), _entry(3), _entry(4, State.EXPIRED, due=5)
    ledger = _ledger(9, late, early, never, closed)
    assert (ledger.next_due, ledger.overdue(9)) == (10, [])
    assert (ledger.overdue(10), ledger.next_due) == ([early], 30)
    late.due = 40
    ledger.kept(late)
    assert [ledger.next_due] == [40]
    assert ledger.overdue(39) == []
    late.state = State.ANSWERED
    assert [ledger.next_due] == [None]
    assert ledger.overdue(100) == []
    twice = _entry(5, due=50)
    ledger.add(twice)
    ledger.kept(twice)
    assert ledger.overdue(50) == [twice]
    assert ledger.overdue(1 << 62) == []


def test_all_of_it_outlives_a_power_loss() -> None:
    entries = [_entry(1, due=30, at=9), _entry(2, State.ANSWERED, at=3), _entry(3, State.UNSIGNED, due=20, at=5)]
    saved: dict[str, Any] = {"other": {"at": 1}, "request.5": None}
    ledger = ServiceLedger(4)
    for entry in entries:
        for effect in ledger.add(entry):
            assert isinstance(effect, Persist)
            saved[effect.key] = effect.value
    again = ServiceLedger(4)
    again.add(_entry(99))
    again.restore(saved)
    assert list(again) == [entries[1], entries[2], entries[0]], "the oldest first"
    assert [entry.slot for entry in again] == [1, 2, 0]
    assert again.matching(USER, DEVICE, 3) == entries[2]
    assert again.matching(USER, DEVICE, 99) is None
    assert (again.next_due, again.overdue(20)) == (20, [entries[2]])
    (kept,) = again.add(_entry(4))
    assert isinstance(kept, Persist)
    assert kept.key == "request.3", "the slot that is free"
    assert [type(effect) for effect in again.add(_entry(5))] == [Persist, Persist]
