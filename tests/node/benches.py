"""Benches for the tests of this room: the shipped virtual one, changed key by key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rig.node import bench_file
from rig.node.bench_file import Bench
from rig.share import folder

VIRTUAL = folder("wiring") / "benches" / "virtual.yaml"


def bench(overlay: dict[str, Any] | None = None, path: Path = VIRTUAL, variant: str = "") -> Bench:
    """A shipped bench, by default the virtual one, with changes."""
    return bench_file.load(path, overlay, variant)
