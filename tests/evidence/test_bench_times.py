"""Bench times of tests: recorded, compared to a tenth, and told beforehand for a bench on a real clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rig.evidence import bench_times
from rig.evidence.bench_times import BadTimes, announcement, differences, expected_s, load, spoken, taken, write
from rig.evidence.record import Record
from rig.share import folder


def record(name: str, bench_s: float, verdict: str = "PASS") -> Record:
    return Record(f"A.B.{name}", name, ("A", "B"), "", verdict, "", bench_s=bench_s)


def test_only_tests_that_went_to_their_end_tell_a_time() -> None:
    every = [
        record("One", 12.34),
        record("Two", 5.0, "FAIL"),
        record("Three", 5.0, "INFRA"),
        record("Four", 1, "OBSERVED"),
        replace(record("Five", 3.0), suites=()),
        replace(record("Six", 3.0), suites=("C",)),
    ]
    assert taken(every) == {"B": {"One": 12.3, "Four": 1}, "C": {"Six": 3.0}}


@pytest.mark.parametrize(
    ("recorded", "found", "told"),
    [
        (100.0, 100.0, 0),
        (100.0, 109.9, 0),
        (100.0, 90.1, 0),
        (100.0, 110.2, 1),
        (100.0, 89.0, 1),
        (0.0, 0.05, 0),
        (100.0, 110.0, 0),
        (100.0, 90.0, 0),
        (0.0, 0.1, 0),
        (0.0, 0.15, 1),
        (0.5, 0.6, 0),
        (1.0, 1.15, 1),
    ],
)
def test_a_time_may_be_off_by_a_tenth(recorded: float, found: float, told: int) -> None:
    assert len(differences({"B": {"One": recorded}}, {"B": {"One": found}})) == told


def test_a_test_whose_time_nobody_recorded_is_told() -> None:
    assert differences({}, {"B": {"One": 3.0}}) == ["B: One: took 3 s of bench time, and none is recorded"]
    assert differences({"B": {"Two": 3.0}}, {"B": {"One": 3.0, "Two": 9.5}}) == [
        "B: One: took 3 s of bench time, and none is recorded",
        "B: Two: took 9.5 s of bench time, recorded are 3 s",
    ]


def test_times_are_written_beside_those_of_other_tests_and_found_from_below(tmp_path: Path) -> None:
    path = tmp_path / bench_times.NAME
    write(path, {"B": {"One": 12.3}})
    write(path, {"B": {"Two": 4.0}, "A": {"Zero": 1.0}})
    assert load(path) == {"A": {"Zero": 1.0}, "B": {"One": 12.3, "Two": 4.0}}
    below = tmp_path / "suites" / "deep" / "b.robot"
    assert expected_s(below, "B", "Two") == 4.0
    assert expected_s(below, "B", "Three") is None
    (tmp_path / "suites").mkdir()
    write(tmp_path / "suites" / bench_times.NAME, {"B": {"Two": 9.0}})
    assert expected_s(below, "B", "Two") == 9.0, "the nearest file counts"


def test_a_file_of_times_reads_as_people_wrote_it_and_is_written_in_order(tmp_path: Path) -> None:
    path = tmp_path / bench_times.NAME
    path.write_text("", encoding="utf-8")
    assert load(path) == {}
    path.write_text("B: {Z: 0, 7: 3, Tür: 1.5}", encoding="utf-8")
    assert load(path) == {"B": {"Z": 0.0, "7": 3.0, "Tür": 1.5}}
    write(path, {"A": {"One": 2.0}})
    head, lines = path.read_text(encoding="utf-8").rsplit("#", 1)
    assert head.startswith("# How long each test keeps a bench")
    assert lines.splitlines()[1:] == ["A:", "  One: 2.0", "B:", "  '7': 3.0", "  Tür: 1.5", "  Z: 0.0"]


@pytest.mark.parametrize("text", ["- a", "B: 3", "B: {One: soon}", "B: {One: -1}", "B: {One: true}", "\x00"])
def test_a_file_that_is_none_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / bench_times.NAME
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadTimes, match=r"bench_times\.yaml.*expected"):
        load(path)


def test_what_will_be_taken_on_a_real_clock_is_said_beforehand() -> None:
    told = announcement([60.0, 120.0, 7200.0, None], 1800.0)
    assert told == (
        "on this bench's real clock 2 tests take about 3 min; 1 that take longer than 30 min each are skipped; "
        "how long 1 take is not recorded"
    )


def test_where_all_times_are_known_and_short_no_more_is_said() -> None:
    assert announcement([60.0, 1800.0], 1800.0) == "on this bench's real clock 2 tests take about 31 min"
    assert announcement([], 1800.0) == "on this bench's real clock 0 tests take about 0 s"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (45.4, "45 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (3599, "1 h"),
        (7 * 86_400, "7 d"),
        (3900, "1 h 5 min"),
        (86_400, "1 d"),
        (90_060, "1 d 1 h 1 min"),
    ],
)
def test_spans_are_told_as_people_do(seconds: float, words: str) -> None:
    assert spoken(seconds) == words


def test_the_shipped_suites_have_their_times_recorded() -> None:
    known = load(folder("robot_suites") / bench_times.NAME)
    assert sum(map(len, known.values())) > 40
