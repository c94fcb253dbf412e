"""YAML is read in one way: the same values as by the library's plain reader, and one line for whatever is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rig import yaml_text

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = sorted(path for room in ("robot_suites", "wiring") for path in (ROOT / room).rglob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_it_reads_what_the_plain_reader_reads(path: Path) -> None:
    assert yaml_text.read_file(path) == yaml.load(path.read_text(encoding="utf-8"), yaml.SafeLoader)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "'a' stands twice"),
        ("a: {b: 1, b: 2}", "'b' stands twice"),
        ("[" * 100_000, ""),
        ("- " * 100_000, ""),
        ("when: 2020-13-45", "month"),
        ("a: !!python/object:os.system {}", "constructor"),
        ("\x00", ""),
    ],
)
def test_what_is_wrong_is_a_value_error_of_one_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        yaml_text.read(text)
    assert said in str(caught.value)


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(ValueError, match="utf-8"):
        yaml_text.read_file(tmp_path / "latin.yaml")
    with pytest.raises(ValueError, match="No such file"):
        yaml_text.read_file(tmp_path / "none.yaml")
    with pytest.raises(ValueError, match="directory"):
        yaml_text.read_file(tmp_path)
