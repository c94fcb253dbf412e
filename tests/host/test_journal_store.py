"""The journal of a device: what a power cut, a full disk or a damaged file leaves of it."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.host.store import MAGIC, JournalStore, StoreError
from tests.examples import examples
from tests.host.test_store import JSON

Values = dict[str, Any]


def written(path: Path, *transactions: Values, slack: int = 1 << 16) -> list[int]:
    """Make a store of these transactions; where each ended in the file."""
    store = JournalStore(path, slack)
    ends = []
    for values in transactions:
        store.put_all(values)
        ends.append(path.stat().st_size)
    store.close()
    return ends


def opened(path: Path) -> Values:
    store = JournalStore(path)
    values = dict(store.all())
    store.close()
    return values


THREE = ({"supply": "ENABLED", "floors": {"a": 1}}, {"supply": "ARMED"}, {"supply": "DISABLED", "floors": {"a": 2}})


@given(transactions=st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=6), slack=st.sampled_from([0, 99]))
@settings(max_examples=examples(30))
def test_what_is_put_comes_back_in_another_life(transactions: list[Values], slack: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "device.journal"
        written(path, *transactions, slack=slack)
        expected: Values = {}
        for values in transactions:
            expected |= values
        assert opened(path) == expected


def test_the_folder_is_made_and_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "not there yet" / "device.journal"
    old = os.umask(0)
    try:
        written(path, {"keys": "secret"})
    finally:
        os.umask(old)
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_cut_off_anywhere_it_opens_with_whole_transactions(tmp_path: Path) -> None:
    """Every length that a broken-off write can leave."""
    path = tmp_path / "device.journal"
    ends = written(path, *THREE)
    octets = path.read_bytes()
    states = [{}, THREE[0], {**THREE[0], **THREE[1]}, {**THREE[0], **THREE[1], **THREE[2]}]
    first = ends[0] - (ends[1] - ends[0])  # somewhere inside the first transaction
    for length in range(first, len(octets) + 1):
        path.write_bytes(octets[:length])
        whole = sum(end <= length for end in ends)
        store = JournalStore(path)
        assert store.all() == states[whole]
        assert store.torn == length - (ends[whole - 1] if whole else length - store.torn)
        store.put("supply", "back")  # and goes on from there
        store.close()
        assert opened(path) == {**states[whole], "supply": "back"}


@pytest.mark.parametrize("tail", [bytes(40), b"\xff" * 3, MAGIC], ids=["zeros", "few", "text"])
def test_a_last_record_that_never_came_whole_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    """A file system may have grown the file before it wrote what belongs there."""
    path = tmp_path / "device.journal"
    end = written(path, *THREE)[-1]
    with path.open("ab") as file:
        file.write(tail)
    assert opened(path)["supply"] == "DISABLED"
    assert path.stat().st_size == end


def test_any_octet_damaged_before_the_last_record_is_told_and_nothing_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "device.journal"
    last = written(path, *THREE)[-2]
    octets = path.read_bytes()
    for position in range(last):
        damaged = bytearray(octets)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"device\.journal: .*restore it from a copy, or move it away"):
            JournalStore(path)
        assert path.read_bytes() == damaged


def test_a_record_missing_in_the_middle_is_told(tmp_path: Path) -> None:
    path = tmp_path / "device.journal"
    ends = written(path, *THREE)
    octets = path.read_bytes()
    path.write_bytes(octets[: ends[0]] + octets[ends[1] :])
    with pytest.raises(StoreError, match="damaged at octet"):
        JournalStore(path)


@pytest.mark.parametrize("octets", [b"", b"{}", MAGIC, MAGIC + bytes(30), b"\xff" * 200])
def test_what_is_no_store_is_named_with_what_to_do(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "device.journal"
    path.write_bytes(octets)
    with pytest.raises(StoreError, match=r"device\.journal: .*restore it from a copy, or move it away"):
        JournalStore(path)
    assert path.read_bytes() == octets


@given(octets=st.binary(max_size=200))
def test_any_file_is_a_store_or_a_store_error(octets: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "device.journal"
        path.write_bytes(MAGIC + octets)
        with pytest.raises(StoreError):
            JournalStore(path)


def test_an_outdated_journal_is_rewritten_and_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "device.journal"
    store = JournalStore(path, slack=1000)
    for count in range(2000):
        store.put_all({"count": count, "kept": "x" * 100})
        assert path.stat().st_size < 1600
    store.close()
    assert opened(path) == {"count": 1999, "kept": "x" * 100}


def test_values_that_are_kept_already_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JournalStore(tmp_path / "device.journal")
    store.put("supply", "ARMED")
    monkeypatch.setattr(os, "write", lambda *_: pytest.fail("nothing is to be written"))
    store.put("supply", "ARMED")
    store.put_all({})
    store.close()


def full(*_: Any) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize("slack", [0, 1 << 16], ids=["rewritten", "appended"])
def test_what_cannot_be_written_is_not_kept_and_nothing_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, slack: int
) -> None:
    path = tmp_path / "device.journal"
    store = JournalStore(path, slack)
    store.put("supply", "ARMED")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StoreError, match=r"device\.journal: cannot be written .*make room"):
            store.put("supply", "ENABLED")
    assert store.all() == {"supply": "ARMED"}
    with pytest.raises(StoreError, match="open it again"):
        store.put("supply", "ENABLED")
    store.close()
    assert opened(path) == {"supply": "ARMED"}


def test_a_system_that_writes_in_small_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.write
    monkeypatch.setattr(os, "write", lambda file, octets: really(file, bytes(octets[:7])))
    written(tmp_path / "device.journal", *THREE)
    assert opened(tmp_path / "device.journal") == {"supply": "DISABLED", "floors": {"a": 2}}


def test_a_rewrite_that_broke_off_leaves_the_old_values(tmp_path: Path) -> None:
    path = tmp_path / "device.journal"
    written(path, {"supply": "ARMED"})
    path.with_name("device.journal.new").write_bytes(MAGIC + b"half")
    assert opened(path) == {"supply": "ARMED"}


def test_two_benches_cannot_have_the_same_store(tmp_path: Path) -> None:
    path = tmp_path / "device.journal"
    first = JournalStore(path)
    with pytest.raises(StoreError, match="another bench has it open"):
        JournalStore(path)
    first.close()
    JournalStore(path).close()


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    store = JournalStore(tmp_path / "device.journal")
    store.close()
    with pytest.raises(StoreError, match="open it again"):
        store.put("supply", "ARMED")


def test_values_stay_readable_as_json_for_whoever_must_mend_a_file(tmp_path: Path) -> None:
    path = tmp_path / "device.journal"
    ends = written(path, {"supply": "ARMED"})
    body = path.read_bytes()[: ends[0]].rpartition(b"{")
    assert json.loads(b"{" + body[2]) == {"supply": "ARMED"}
