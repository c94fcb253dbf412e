"""Every codec on mutated octets: a few hundred each in the quick suite, five million in all by the marker ``soak``.

``RIG_FUZZ_RUNS`` is the number of executions over all targets of a soak run, ``RIG_FUZZ_SEED`` another seed.  Each
target runs in a process of its own, under atheris where it is installed (``pip install -e .[fuzz]``), else under a
plain mutator; its line of output says which, how many executions, and in how many seconds.
"""

from __future__ import annotations

import math
import operator
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devices.wire import zcl
from devices.wire.errors import DecodeError
from tests.conftest import ROOT
from tests.fuzz.engines import guided_is_there, mutated, plain
from tests.fuzz.judging import Target, judge
from tests.fuzz.seeds import Corpus
from tests.fuzz.targets import TARGETS

ALL_RUNS = int(os.environ.get("RIG_FUZZ_RUNS", "5000000"))
SEED = int(os.environ.get("RIG_FUZZ_SEED", "1"))
QUICK_RUNS = 500
SLOWEST_RATE = 50  # executions a second that every target manages on any machine; below that it hangs

pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def corpus(corpus_dir: Path) -> Corpus:
    return Corpus(corpus_dir)


def runs_of(name: str) -> int:
    """The executions of a target when all of them together make ``ALL_RUNS``, rounded up."""
    shares = sum(target.share for target in TARGETS.values())
    return math.ceil(ALL_RUNS * TARGETS[name].share / shares)


def run(name: str, corpus_dir: Path, folder: Path, *options: str, runs: int) -> tuple[int, str]:
    """Run a target in a process of its own; how many executions it made, and all that it said."""
    command = [sys.executable, "-m", "tests.fuzz.engines", name, "--runs", str(runs)]
    command += ["--corpus", str(corpus_dir), "--folder", str(folder), *options]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=60 + runs / SLOWEST_RATE,
        check=False,
    )
    left = "".join(f"\n{file.name}: {file.read_bytes().hex()}" for file in folder.glob("*-*") if file.is_file())
    assert done.returncode == 0, f"target {name} ended with {done.returncode}:\n{done.stdout[-6000:]}{left}"
    executed = re.search(r"^stat::number_of_executed_units: (\d+)", done.stdout, re.MULTILINE)
    assert executed is not None, done.stdout[-2000:]
    return int(executed[1]), done.stdout


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_five_million_mutated_messages(
    name: str, corpus_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = time.perf_counter()
    executed, said = run(name, corpus_dir, tmp_path, "--seed", str(SEED), runs=runs_of(name))
    seconds = time.perf_counter() - before
    engine = said.partition("\n")[0].removeprefix("engine: ")
    assert guided_is_there() == engine.startswith("atheris")
    assert executed >= runs_of(name)
    with capsys.disabled():
        print(f"\n{name}: {executed} executions in {seconds:.1f} s, {engine}", flush=True)


def test_the_shares_make_all_runs() -> None:
    total = sum(map(runs_of, TARGETS))
    assert ALL_RUNS <= total < ALL_RUNS + len(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_hundred_of_each(name: str, corpus: Corpus) -> None:
    target = TARGETS[name]
    starts = target.seeds(corpus)
    assert "valid" in {judge(target, octets) for octets in starts[-40:]}
    assert plain(target, starts, QUICK_RUNS, seed=1).total() == QUICK_RUNS


def faulty(decode: Callable[[bytes], object]) -> Target:
    """A target whose proof fails for whatever is read."""
    return replace(TARGETS["zcl"], decode=decode, prove=lambda octets, read: operator.truediv(1, 0))


def wrong_layer(octets: bytes) -> object:
    raise DecodeError("gbcs", 0, "another layer")


def beside(octets: bytes) -> object:
    raise DecodeError("zcl", len(octets) + 1, "behind the end")


@pytest.mark.parametrize(
    ("decode", "finding"),
    [
        (lambda octets: octets[len(octets)], IndexError),
        (wrong_layer, AssertionError),
        (beside, AssertionError),
        (len, ZeroDivisionError),
    ],
)
def test_a_finding_is_raised_with_its_octets(decode: Callable[[bytes], object], finding: type[Exception]) -> None:
    with pytest.raises(finding) as raised:
        plain(faulty(decode), [b"\x01\x02\x03"], 10, seed=1)
    assert raised.value.__notes__[0].startswith("target zcl, octets ")


def test_another_object_than_the_octets_say_is_a_finding() -> None:
    target = replace(TARGETS["zcl"], decode=lambda octets: zcl.decode(octets[:3] + b"\x00"))
    with pytest.raises(AssertionError, match="was read from 01010102 and encodes to 01010100"):
        judge(target, bytes.fromhex("01010102"))


def test_the_plain_mutator_repeats_itself() -> None:
    first, second = random.Random(3), random.Random(3)
    seed = bytes(range(40))
    made = [mutated(first, seed, seed[::-1]) for _ in range(500)]
    assert made == [mutated(second, seed, seed[::-1]) for _ in range(500)]
    assert len(set(made)) > 300
    assert mutated(first, b"", b"") != mutated(first, b"", b"")


def test_a_target_runs_in_a_process_of_its_own(corpus_dir: Path, tmp_path: Path) -> None:
    executed, said = run("gas tunnel", corpus_dir, tmp_path, "--plain", runs=50)
    assert executed == 50
    assert said.startswith("engine: plain mutator, seed 1\n")
    assert list(tmp_path.iterdir()) == []
