"""The catalogue and the suites: every requirement that a test claims to show exists, and every test declares itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from robot.api import TestSuite as Suite

from rig import requirements
from rig.keywords.bench import ASKABLE, State
from rig.share import folder

SUITES = folder("robot_suites")
ALLOWED = ("bad", "demo", "slow", "manual")
FAMILIES = ("req:", "bench:")


def walked(suite: Any) -> Iterator[tuple[str, Any]]:
    for inner in suite.suites:
        yield from walked(inner)
    for test in suite.tests:
        yield f"{suite.full_name}.{test.name}", test


TESTS = list(walked(Suite.from_file_system(SUITES)))
each_test = pytest.mark.parametrize(("name", "test"), TESTS, ids=[name for name, _ in TESTS])


def test_there_are_tests() -> None:
    assert len(TESTS) > 30


@each_test
def test_every_test_is_documented(name: str, test: Any) -> None:
    assert len(test.doc.split()) >= 4, name
    assert test.doc.rstrip().endswith((".", "!"))


@each_test
def test_every_test_shows_a_requirement_of_the_catalogue(name: str, test: Any) -> None:
    known = {row.casefold() for row in requirements.rows()}
    claimed = [tag.partition(":")[2].casefold() for tag in test.tags if tag.casefold().startswith("req:")]
    assert claimed, f"{name} shows no requirement"
    assert set(claimed) <= known, f"{name}: not in the catalogue: {sorted(set(claimed) - known)}"


@each_test
def test_every_tag_is_of_a_known_family(name: str, test: Any) -> None:
    strange = [tag for tag in test.tags if tag.casefold() not in ALLOWED and not tag.casefold().startswith(FAMILIES)]
    assert not strange, name


@each_test
def test_what_a_test_asks_of_its_bench_is_known_on_every_bench(name: str, test: Any) -> None:
    """Else a bench that lacks it would call the tag a slip instead of skipping the test."""
    asked = {tag.partition(":")[2] for tag in test.tags if tag.casefold().startswith("bench:")}
    assert asked <= ASKABLE, name


@each_test
def test_every_test_declares_the_state_it_needs_and_leaves(name: str, test: Any) -> None:
    """In its own setup, or in the user keyword that its setup calls."""
    declared = declarations(test)
    assert set(declared) == {"needs", "leaves"}, f"{name} declares {declared}"
    assert {value.upper() for value in declared.values()} <= set(State.__members__)


def declarations(test: Any) -> dict[str, str]:
    setup = test.setup
    calls = [(setup.name, setup.args)]
    suite = test.parent
    calls += [
        (step.name, step.args)
        for keyword in suite.resource.keywords
        if setup.name and keyword.name.casefold() == setup.name.casefold()
        for step in keyword.body
    ]
    for called, args in calls:
        if called and called.casefold().replace("_", " ") == "prepare premises":
            named = dict(str(arg).partition("=")[::2] for arg in args)
            return {key: value for key, value in named.items() if key in ("needs", "leaves")}
    return {}


@each_test
def test_every_test_finishes_its_evidence(name: str, test: Any) -> None:
    assert test.teardown.name == "Finish Test", name
