"""Evidence is compared file by file, and what differs is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import digests


def results(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / "evidence" / "suite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_what_is_gone_new_or_other_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(digests, "FILE", tmp_path / "digests.json")
    first = results(tmp_path / "first", a="1", b="2", c="3")
    assert digests.main([str(first), "--write"]) == 0
    assert digests.main([str(first)]) == 0
    assert capsys.readouterr().out.endswith("3 evidence files as recorded\n")
    assert digests.main([str(results(tmp_path / "second", a="1", b="other", d="4"))]) == 1
    told = ["suite/b: has other octets", "suite/c: is gone", "suite/d: is new"]
    assert capsys.readouterr().out.splitlines() == told


def test_the_recorded_digests_are_of_a_whole_run() -> None:
    recorded = json.loads(digests.FILE.read_text(encoding="utf-8"))
    assert len({name.rpartition("/")[0] for name in recorded}) >= 49
    assert all(len(digest) == 64 for digest in recorded.values())
