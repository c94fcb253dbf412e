"""Stores: what is put comes back in another life, whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.host.store import FileStore, MemoryStore, Store, StoreError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else FileStore(tmp_path / "device.json")


@given(values=st.dictionaries(st.text(), JSON, max_size=5))
def test_what_is_put_comes_back(values: dict[str, Any]) -> None:
    store = MemoryStore()
    for key, value in values.items():
        store.put(key, value)
    assert store.all() == values


def test_a_machine_keeps_no_reference_into_its_own_past(store: Store) -> None:
    floors = {"supplier": 7}
    store.put("floors", floors)
    floors["supplier"] = 0
    read: Any = store.all()
    read["floors"]["supplier"] = 1
    assert store.all() == {"floors": {"supplier": 7}}


def test_a_later_value_takes_the_place_of_an_earlier(store: Store) -> None:
    store.put("supply", "ENABLED")
    store.put("clock", 1)
    store.put("supply", "ARMED")
    assert store.all() == {"supply": "ARMED", "clock": 1}


def test_the_file_outlives_the_store(tmp_path: Path) -> None:
    path = tmp_path / "not there yet" / "device.json"
    FileStore(path).put("supply", "ARMED")
    assert FileStore(path).all() == {"supply": "ARMED"}


def test_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    old = os.umask(0)
    try:
        FileStore(path).put("keys", "secret")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", '{"supply": "ARM', "[1, 2]", "null", "\xff\xfe", "[" * 100_000])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "device.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match=r"device\.json: .*restore it from a copy, or move it away"):
        FileStore(path)
    assert path.read_bytes() == text.encode("latin-1")


def test_what_cannot_be_written_is_not_kept_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    store = FileStore(path)
    store.put("supply", "ARMED")
    path.with_name("device.json.new").mkdir()  # a write needs this name, and cannot have it
    with pytest.raises(StoreError, match=r"device\.json: cannot be written"):
        store.put("supply", "ENABLED")
    assert store.all() == json.loads(path.read_text()) == {"supply": "ARMED"}


def test_a_write_that_broke_off_leaves_the_old_values(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    FileStore(path).put("supply", "ARMED")
    path.with_name("device.json.new").write_text('{"sup')  # all that a power cut in mid-write can leave behind
    store = FileStore(path)
    assert store.all() == {"supply": "ARMED"}
    store.put("supply", "ENABLED")
    assert FileStore(path).all() == {"supply": "ENABLED"}


def test_a_value_that_is_no_json_changes_nothing(store: Store) -> None:
    store.put("supply", "ARMED")
    with pytest.raises(TypeError):
        store.put("supply", {1, 2})
    assert store.all() == {"supply": "ARMED"}
