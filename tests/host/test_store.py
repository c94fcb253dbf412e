"""Stores: what is put comes back, whole or not at all, and nobody can reach into what was kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.host.store import JournalStore, MemoryStore, Store

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(params=["memory", "journal"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    journal = JournalStore(tmp_path / "device.journal")
    yield journal
    journal.close()


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
    store.put_all({"supply": "ARMED", "once": []})
    assert store.all() == {"supply": "ARMED", "clock": 1, "once": []}


def test_a_value_that_is_no_json_changes_nothing(store: Store) -> None:
    store.put("supply", "ARMED")
    with pytest.raises(TypeError):
        store.put_all({"floors": 1, "supply": {1, 2}})
    assert store.all() == {"supply": "ARMED"}
