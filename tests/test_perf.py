"""``rig perf``: the benchmarks run and report; how fast they are is no matter for a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devices.trust.errors import KeyMissing
from rig.gbcs.corpus import load_entries, load_store
from rig.perf import main
from rig.perf.benchmarks import BENCHMARKS, Material, Timing
from rig.perf.frames import SIZE, lines
from rig.perf.measure import Figure, measure
from rig.perf.messages import NotVerifiedError, all_crypto, floor
from tests import corpus_made


def test_everything_is_measured_with_a_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--corpus", str(corpus_made.write(tmp_path)), "--rounds", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["not_measured"] == []
    rows = {row["name"]: row for row in result["benchmarks"]}
    assert list(rows) == [benchmark.name for benchmark in BENCHMARKS]
    assert rows["envelope"]["items"] == 3
    assert all(0 < row["median"] <= row["best"] for row in rows.values())
    assert rows["decode with all cryptography"]["beside"] == "bare cryptography"
    assert rows["decode with all cryptography"]["ratio"] > 0
    assert result["machine"]["python"]


def test_without_a_corpus_the_rest_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RIG_CORPUS", str(tmp_path / "none"))
    assert main(["--rounds", "1"]) == 0
    text = capsys.readouterr().out
    assert "XBee frame, mode 2" in text
    assert "not measured: envelope; it needs the corpus" in text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--rounds", "0"], "must be 1 or more"), (["--corpus", "/nowhere/at/all"], "is no folder")],
)
def test_bad_arguments_are_refused(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("rig perf: ")
    assert reason in captured.err
    assert captured.err.count("\n") == 1


def test_what_does_not_verify_is_not_measured(tmp_path: Path) -> None:
    made = corpus_made.entries()
    made[0]["hex"] = made[0]["hex"][:-2] + "00"
    folder = corpus_made.write(tmp_path, made)
    with pytest.raises(NotVerifiedError, match="ENABLE does not verify"):
        all_crypto(list(load_entries(folder)), load_store(folder))()


def test_the_floor_is_true_work(tmp_path: Path) -> None:
    """Its signatures, MACs and encrypted parts are those of the messages: with another key it finds none."""
    folder = corpus_made.write(tmp_path)
    entries, store = list(load_entries(folder)), load_store(folder)
    assert floor(entries, store)() == 3
    with pytest.raises(KeyMissing):
        floor(entries, type(store)({}, {}))


def test_frames_have_the_size_that_is_named() -> None:
    assert {len(line) for line in lines(50, escaped=False)} == {SIZE}
    escaped = lines(50)
    assert any(len(line) > SIZE for line in escaped)
    assert lines(50) == escaped


def test_whole_runs_have_their_room(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    timings = (
        Timing("install", "s", lambda: 12.5, most=30),
        Timing("outage", "virtual over wall", lambda: 9000, least=10_000),
        Timing("demo", "s", lambda: 1),
        Timing("hardware", "s", lambda: None, needs="a bench"),
    )
    monkeypatch.setattr("rig.perf.command.TIMINGS", timings)
    assert main(["--rounds", "1"]) == 0
    assert "install" not in capsys.readouterr().out
    assert main(["--rounds", "1", "--whole"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "install 12.5 s at most 30 met" in lines
    assert "outage 9,000 virtual over wall at least 10,000 MISSED" in lines
    assert "demo 1 s" in lines
    assert "not measured: hardware; it needs a bench" in lines


def test_figures() -> None:
    slow, quick = Figure("slow", 10, (1_000, 3_000, 2_000)), Figure("quick", 10, (500, 1_000, 1_000))
    assert (slow.typical, slow.best) == (5e6, 1e7)
    assert slow.share_of(quick) == 0.5
    assert [figure.items for figure in measure([("one", lambda: 4)], 3)] == [4]


def test_every_row_can_be_set_beside_what_it_names() -> None:
    names = [benchmark.name for benchmark in BENCHMARKS]
    assert len(set(names)) == len(names)
    assert all(benchmark.beside in (None, *names) for benchmark in BENCHMARKS)
    assert all(benchmark.needs or benchmark.prepare(Material()) for benchmark in BENCHMARKS)
