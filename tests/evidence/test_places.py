"""A place of its own for the evidence of each test, whatever tests are called, and the same place in equal runs."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.evidence.places import claim, name_of

ALIKE = [
    ["Install A Premises", "install a premises", "Install-A-Premises!", "INSTALL  A PREMISES", "Install A Premises 2"],
    ["測試", "тест", "δοκιμή", "テスト", "테스트", "🙂", "…", " ", "-", ""],
    ["x" * 300 + "a", "x" * 300 + "b", "x" * 300, "x" * 80, "x" * 81],
    ["Prüfung", "Prufung", "prüfung", "PRÜFUNG"],
    ["same", "same", "same"],
    ["../../etc/passwd", "/etc/passwd", "..", ".", "a/b", "a\\b", "a\0b", "a\nb"],
    ["lone \udce9 surrogate", "lone \udcea surrogate", "lone surrogate"],
]


@pytest.mark.parametrize("names", ALIKE)
def test_names_that_look_alike_get_a_folder_each(names: list[str], tmp_path: Path) -> None:
    for suite in (names[0], "suite"):
        places = [claim(tmp_path, suite, name) for name in names]
        assert len(set(places)) == len(names)
        for place in places:
            assert (tmp_path / place).is_dir()
            assert (tmp_path / place).resolve().is_relative_to(tmp_path)
            assert len(Path(place).parts) == 2


@pytest.mark.parametrize("names", ALIKE)
def test_equal_runs_give_equal_places(names: list[str], tmp_path: Path) -> None:
    first = [claim(tmp_path / "first", "suite", name) for name in names]
    assert [claim(tmp_path / "second", "suite", name) for name in names] == first


def test_readable_names_stay_readable() -> None:
    assert name_of("Install A Premises With No WAN") == "install-a-premises-with-no-wan"
    assert name_of("Rig.Installation.01 No Wan") == "rig-installation-01-no-wan"
    assert name_of("--Crème Brûlée--") == "creme-brulee"
    assert name_of("x" * 80) == "x" * 80
    assert name_of(f"{'x' * 79} yy") == f"{'x' * 79}-{sha256(b'x' * 79 + b' yy').hexdigest()[:8]}"
    assert name_of("x" * 81) == f"{'x' * 80}-{sha256(b'x' * 81).hexdigest()[:8]}"
    assert name_of("Größe µ") == f"grosse-{sha256('Größe µ'.encode()).hexdigest()[:8]}"
    assert name_of("a\tb") == "a-b-" + sha256(b"a\tb").hexdigest()[:8]
    assert name_of("") == f"test-{sha256(b'').hexdigest()[:8]}"


def test_suites_that_look_alike_share_a_folder_and_overwrite_nothing(tmp_path: Path) -> None:
    places = [claim(tmp_path, suite, "Test") for suite in ("A.B", "a b", "A-B")]
    assert places == ["a-b/test", "a-b/test-2", "a-b/test-3"]


def test_what_another_process_has_written_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "suite" / "test").mkdir(parents=True)
    (tmp_path / "suite" / "test" / "timeline.jsonl").write_text("theirs", encoding="utf-8")
    assert claim(tmp_path, "Suite", "Test") == "suite/test-2"


def test_where_nobody_knows_the_folder_places_are_apart_too() -> None:
    places = [claim(None, "suite of this test", name) for name in ("a", "A", "a!")]
    assert places == [f"suite-of-this-test/{name}" for name in ("a", "a-2", "a-3")]


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=400))
def test_every_name_fits_a_file_system(text: str) -> None:
    name = name_of(text)
    assert 0 < len(name) <= 89
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
