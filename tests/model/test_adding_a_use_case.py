"""The page on adding a use case, executed: its rows go into a copy of the table, its Python is run as it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from devices.model import esme_objects, use_cases

PAGE = Path(use_cases.__file__).with_name("ADDING_A_USE_CASE.md")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
ROWS = [json.loads(text) for language, text in BLOCKS if language == "json"]


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The table with the page's rows, for as long as a test runs."""
    text = resources.files("devices.model").joinpath("use_cases.json").read_text("utf-8")
    table = use_cases.table_of([*json.loads(text), *ROWS])
    monkeypatch.setattr(use_cases, "_table", lambda: table)
    esme_objects.esme_objects.cache_clear()
    yield
    esme_objects.esme_objects.cache_clear()


def test_the_page_has_rows_and_python() -> None:
    assert {language for language, _ in BLOCKS} == {"json", "python"}
    assert len(ROWS) >= 1


def test_the_rows_are_new() -> None:
    for row in ROWS:
        assert use_cases.by_code(row["code"]) is None, "the page must not show what is there already"


def test_without_its_rows_the_use_case_is_unknown() -> None:
    first = "\n".join(text for language, text in BLOCKS if language == "python")
    with pytest.raises(AssertionError):  # the supplier refuses to build it
        run(first)


@pytest.mark.usefixtures("extended")
def test_the_page_works() -> None:
    run("\n".join(text for language, text in BLOCKS if language == "python"))


def run(source: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(source, str(PAGE), "exec"), names)
