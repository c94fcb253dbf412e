"""The journal: what survives a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.node.journal import Journal, JournalError
from tests.examples import examples

ROOT = Path(__file__).resolve().parents[2]


def test_answers_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = Journal(path)
    first.begin("a")
    first.finish("a", '{"ä":1}'.encode())
    first.begin("b")
    first.close()
    again = Journal(path)
    assert again.answer("a") == '{"ä":1}'.encode()
    assert again.answer("b") is None
    assert (again.interrupted("a"), again.interrupted("b"), again.interrupted("c")) == (False, True, False)
    again.close()


def test_the_answer_is_on_the_disk_before_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "journal", []
    journal = Journal(path)
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(path.read_bytes()))
    journal.begin("a")
    assert synced == []
    journal.finish("a", b"{}")
    assert len(synced) == 1
    assert b'"done":"a"' in synced[0]
    journal.close()


def test_a_process_killed_in_mid_command_leaves_it_begun(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    code = f"""
import os, signal
from pathlib import Path
from rig.node.journal import Journal
journal = Journal(Path({str(path)!r}))
journal.finish("a", b"done")
journal.begin("b")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=10).returncode == -9
    journal = Journal(path)
    assert journal.answer("a") == b"done"
    assert journal.interrupted("b")
    journal.close()


@settings(max_examples=examples(15))
@given(cut=st.integers(min_value=0, max_value=200), rubbish=st.binary(max_size=20))
def test_a_torn_last_line_loses_that_line_alone(
    tmp_path_factory: pytest.TempPathFactory, cut: int, rubbish: bytes
) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal"
    journal = Journal(path)
    for name in ("a", "b"):
        journal.finish(name, b"answer of " + name.encode())
    journal.close()
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    path.write_bytes(whole[: max(last, len(whole) - cut)] + rubbish.replace(b"\n", b""))
    again = Journal(path)
    assert again.answer("a") == b"answer of a"
    assert again.answer("b") in (None, b"answer of b")
    again.finish("c", b"{}")
    again.close()
    third = Journal(path)
    assert third.answer("c") == b"{}", "what came after the crash must be readable"
    assert third.torn == 0
    third.close()


def test_it_keeps_the_last_ones_and_its_file_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, capacity=10)
    for number in range(200):
        journal.begin(str(number))
        journal.finish(str(number), b"{}")
    assert journal.answer("189") is None
    assert journal.answer("190") == b"{}"
    assert len(path.read_bytes().splitlines()) <= 4 * 10 + 64 + 1
    journal.close()


def test_what_is_asked_for_again_is_kept_longest() -> None:
    journal = Journal(None, capacity=2)
    for name in ("a", "b"):
        journal.finish(name, b"{}")
    assert journal.answer("a") == b"{}"
    journal.finish("c", b"{}")
    assert (journal.answer("a"), journal.answer("b")) == (b"{}", None)


def test_a_journal_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="Give the node a folder"):
        Journal(tmp_path / "no-such-folder" / "journal")
    with pytest.raises(JournalError):
        Journal(tmp_path)
    journal = Journal(tmp_path / "journal")
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.finish("a", b"{}")
