"""Whole runs as a user starts them: a process of its own, with evidence on.

Must not live here: anything inside a run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from functools import cache
from pathlib import Path

from robot.api import ExecutionResult, ResultVisitor

__all__ = ["outage_ratio", "whole_run"]


def whole_run() -> float | None:
    """Seconds of a whole `rig run`, all suites, from process start to process end."""
    with tempfile.TemporaryDirectory(prefix="rig-perf-") as folder:
        return _run(Path(folder))


@cache
def outage_ratio() -> float | None:
    """Bench time over wall time in the outage suite, from its first to its last keyword."""
    with tempfile.TemporaryDirectory(prefix="rig-perf-") as folder:
        if _run(Path(folder), "outage") is None:
            return None
        spans = _Keywords()
        ExecutionResult(folder + "/output.xml").visit(spans)
        wall = (max(spans.ends) - min(spans.starts)).total_seconds()
        return sum(_bench_seconds(path) for path in Path(folder).rglob("timeline.jsonl")) / wall


class _Keywords(ResultVisitor):  # type: ignore[misc]
    def __init__(self) -> None:
        self.starts: list[datetime] = []
        self.ends: list[datetime] = []

    def start_keyword(self, keyword: object) -> None:
        self.starts.append(keyword.start_time)  # type: ignore[attr-defined]
        self.ends.append(keyword.end_time)  # type: ignore[attr-defined]


def _run(out: Path, *suites: str) -> float | None:
    started = time.perf_counter()
    command = [sys.executable, "-m", "rig.cli", "run", "--quiet", "--out", str(out), *suites]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - started if done.returncode == 0 else None


def _bench_seconds(path: Path) -> float:
    """How far the bench clock of one test came; the clock begins anew with each premises."""
    stamps = [json.loads(line)["at_ns"] for line in path.read_text(encoding="utf-8").splitlines()]
    return float(stamps[-1]) / 1e9 if stamps else 0.0
