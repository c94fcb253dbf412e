"""One mutant tried in a copy of the tree, and the whole sample by marker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.mutation.__main__ import main
from tests.mutation.coverage import Coverage
from tests.mutation.operators import mutants
from tests.mutation.tree import ROOT, Tree
from tests.mutation.trial import Outcome, Trials

FILE, TESTS = "devices/wire/utrn.py", "tests/wire/test_utrn.py"


@pytest.mark.soak
def test_a_mutant_is_caught_in_a_copy_and_the_checkout_stays_as_it_is(tmp_path: Path) -> None:
    source = (ROOT / FILE).read_bytes()
    tree, coverage = Tree(tmp_path / "copy"), Coverage(tmp_path / "map")
    coverage.run(tree, [TESTS])
    trials = Trials(coverage, 60.0)
    found = [m for m in mutants(FILE, source) if m.scope == "check_digit"]
    outcomes = [trials.run(tree, mutant, source) for mutant in found[:4]]
    assert {result.outcome for result in outcomes} == {Outcome.CAUGHT}
    assert all(result.by.startswith(f"{TESTS}::") for result in outcomes)
    assert (ROOT / FILE).read_bytes() == (tree.root / FILE).read_bytes() == source
    (unused,) = mutants("a.py", b"def f() -> int:\n    return a")
    assert trials.run(tree, unused, b"").outcome is Outcome.UNCOVERED


@pytest.mark.soak
def test_at_least_nineteen_of_twenty_mutants_are_caught() -> None:
    """``RIG_MUTATION_SEED`` and ``RIG_MUTATION_COUNT`` change the sample; the map of the tests is kept between runs."""
    seed, count = (os.environ.get(f"RIG_MUTATION_{name}", value) for name, value in (("SEED", "1"), ("COUNT", "200")))
    assert main(["--seed", seed, "--count", count]) == 0
