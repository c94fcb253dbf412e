"""The libraries as Robot and its users see them: documented, typed, and quiet until a test runs."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from robot.api import TestSuite as Suite
from robot.libdocpkg import LibraryDocumentation  # type: ignore[import-untyped]
from robot.libdocpkg.model import KeywordDoc  # type: ignore[import-untyped]

from rig.share import folder

ROOT = Path(__file__).resolve().parents[2]
SUITES = folder("robot_suites")
ROOT = SUITES.parent
MODULES = sorted(path.stem for path in (ROOT / "rig" / "keywords").glob("*.py") if path.stem != "__init__")


def libraries() -> Iterator[str]:
    """Every class of the room that Robot would take as a library, as a suite imports it."""
    for name in MODULES:
        module = import_module(f"rig.keywords.{name}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and hasattr(value, "ROBOT_LIBRARY_SCOPE")
                and value.__module__ == module.__name__
            ):
                yield f"{module.__name__}.{value.__name__}"


LIBRARIES = sorted(libraries())
KEYWORDS: list[tuple[str, KeywordDoc]] = [
    (name, kw) for name in LIBRARIES for kw in LibraryDocumentation(name).keywords
]


def test_there_are_libraries_and_each_suite_imports_those_alone() -> None:
    assert len(LIBRARIES) >= 6
    imported = set(re.findall(r"^Library +(rig\.\S+)", (ROOT / "rig" / "rig.resource").read_text(), re.MULTILINE))
    assert imported <= set(LIBRARIES)


@pytest.mark.parametrize("library", LIBRARIES)
def test_libdoc_reads_every_library(library: str) -> None:
    told = LibraryDocumentation(library)
    assert told.doc
    assert told.keywords
    assert told.scope == "GLOBAL"
    assert not told.inits  # nothing to give, and so nothing to connect to, at import


@pytest.mark.parametrize(("library", "kw"), KEYWORDS, ids=lambda value: value if isinstance(value, str) else value.name)
def test_every_keyword_is_documented_in_whole_sentences(library: str, kw: KeywordDoc) -> None:
    first = kw.doc.split("\n\n")[0].strip()
    assert len(first.split()) >= 3, f"{library}: {kw.name}"
    assert first[0].isupper() or first[0] == "`"
    assert re.search(r"[.!]$", first), f"{kw.name}: {first!r} is no sentence"


@pytest.mark.parametrize(("library", "kw"), KEYWORDS, ids=lambda value: value if isinstance(value, str) else value.name)
def test_every_argument_has_a_type_and_no_two_keywords_a_name(library: str, kw: KeywordDoc) -> None:
    untyped = [argument.name for argument in kw.args if argument.type is None]
    assert not untyped, f"{library}: {kw.name}: {untyped}"
    assert [name for name, other in KEYWORDS if other.name == kw.name] == [library]


def test_the_examples_in_the_documentation_name_keywords_that_there_are() -> None:
    known = {kw.name.casefold() for _, kw in KEYWORDS}
    for library, kw in KEYWORDS:
        for row in re.findall(r"^ *\| (.+?) \|", kw.doc, re.MULTILINE):
            cells = [cell for cell in re.split(r" {2,}", row.strip()) if not cell.startswith("${")]
            assert cells[0].casefold() in known, f"{library}: {kw.name}: {row}"


def test_importing_and_making_every_library_talks_to_nobody() -> None:
    """In a process of its own, without a network: a socket would be an accident."""
    script = (
        "import sys, importlib\n"
        "def watch(event, args):\n"
        "    if event == 'socket.connect': raise SystemExit(f'a library connects to {args}')\n"
        "sys.addaudithook(watch)\n"
        f"for name in {LIBRARIES!r}:\n"
        "    module, _, cls = name.rpartition('.')\n"
        "    getattr(importlib.import_module(module), cls)()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A dry run of all suites, with a bench named that is not there."""
    place = tmp_path_factory.mktemp("dry")
    away = {
        "RIG_BROKER": "mqtt://127.0.0.1:1",
        "RIG_BENCH": "nowhere",
        "RIG_NODES": "nowhere",
        "RIG_EVIDENCE": str(place / "evidence"),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [
        sys.executable,
        "-m",
        "robot",
        "--dryrun",
        "--output",
        "NONE",
        "--log",
        "NONE",
        "--report",
        "NONE",
        "--listener",
        "rig.keywords.listener.RunListener",
    ]
    done = subprocess.run(
        [*command, str(SUITES)], cwd=place, capture_output=True, text=True, check=False, env={**os.environ, **away}
    )
    return done, place


def test_a_dry_run_of_every_suite_passes(dry: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = dry
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    tests = sum(1 for _ in every_test())
    assert f"{tests} tests, {tests} passed, 0 failed" in done.stdout


def test_a_dry_run_writes_nothing(dry: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, place = dry
    assert list(place.iterdir()) == []


def every_test() -> Iterator[Any]:
    pending: list[Any] = [Suite.from_file_system(SUITES)]
    while pending:
        suite = pending.pop()
        pending += suite.suites
        yield from suite.tests


def test_a_run_without_a_bench_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RIG_BROKER", "RIG_BENCH", "RIG_NODES", "RIG_EVIDENCE"):
        monkeypatch.delenv(name, raising=False)
    suite = Suite.from_string(
        "*** Settings ***\nLibrary    rig.keywords.bench.Bench\n*** Test Cases ***\nT\n    Bench Requires    outage\n"
    )
    result = suite.run(output=None, stdout=io.StringIO(), stderr=io.StringIO())
    assert "no bench: run the suites with `rig run`" in result.suite.tests[0].message
