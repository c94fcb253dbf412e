"""Stores of a bench: in memory, or on the disk where the bench file says so; then every device goes on from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.host.store import JournalStore, MemoryStore, StoreError
from rig.node import assembly, bench_file
from rig.node.recorder import Recorder
from rig.world.clock import VirtualClock

DIRECT = Path(__file__).resolve().parents[2] / "wiring" / "benches" / "direct.yaml"


def loaded(folder: Path | None) -> bench_file.Bench:
    return bench_file.load(DIRECT, {"trust": {"stores": str(folder)}} if folder else {})


def test_without_a_folder_nothing_is_written() -> None:
    bench = loaded(None)
    assert isinstance(assembly.store_of(bench, bench.devices["esme"]), MemoryStore)


def test_with_a_folder_each_device_has_a_journal_that_outlives_the_bench(tmp_path: Path) -> None:
    bench = loaded(tmp_path / "kept")
    for value in (1, 2):
        store = assembly.store_of(bench, bench.devices["esme"])
        assert isinstance(store, JournalStore)
        assert store.all().get("value", 0) == value - 1
        store.put("value", value)
        store.close()
    assert f"{bench.devices['esme'].eui.hex()}.journal" in {file.name for file in (tmp_path / "kept").iterdir()}


def test_a_bench_gives_its_stores_back_when_it_is_closed(tmp_path: Path) -> None:
    """A reset builds the bench anew from the same files."""
    bench = loaded(tmp_path)
    for _ in range(2):
        clock = VirtualClock()
        premises = assembly.build(bench, clock, Recorder(clock, bench.civil_start, None))
        with pytest.raises(StoreError, match="another bench has it open"):
            assembly.store_of(bench, bench.devices["esme"])
        premises.close()
