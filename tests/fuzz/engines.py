"""What drives the targets: coverage-guided fuzzing where atheris is installed, else a plain mutator with a seed.

    python -m tests.fuzz.engines TARGET --runs N --corpus DIR --folder DIR [--seed N] [--plain]

runs one target in a process of its own (the guided engine ends its process itself) and prints which engine it is.  All
files go into the folder given, those that a finding leaves behind as well.  Ends with a status other than 0 and the
octets in question on a finding.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import random
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.judging import Target

__all__ = ["guided_is_there", "main", "mutated", "plain"]

SLOWEST = 20
"""Seconds that one execution may take; more is a hang."""
MEMORY = 1024
"""Megabytes that the process may grow to."""


def guided_is_there() -> bool:
    """Whether atheris can be imported."""
    return importlib.util.find_spec("atheris") is not None


# --------------------------------------------------------------------------------------------------- the plain mutator

_TELLING = (0, 1, 2, 9, 0x13, 0x30, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFF)  # tags, lengths and the edges of numbers


def mutated(rng: random.Random, octets: bytes, other: bytes) -> bytes:
    """``octets`` after one to four changes; ``other`` is what a splice takes from."""
    changed = bytearray(octets)
    for _ in range(rng.choice((1, 1, 2, 4))):
        _change(rng, changed, other)
    return bytes(changed)


def _change(rng: random.Random, octets: bytearray, other: bytes) -> None:
    size = len(octets)
    at, few = rng.randrange(size + 1), rng.choice((1, 1, 2, 4, 8, 24))
    kind = rng.randrange(9) if at < size else 0
    if kind == 0:  # insert
        octets[at:at] = rng.randbytes(few)
    elif kind == 1:  # flip a bit
        octets[at] ^= 1 << rng.randrange(8)
    elif kind == 2:  # overwrite
        octets[at] = rng.choice(_TELLING)
    elif kind == 3:  # a length or count that is one off
        octets[at] = octets[at] + rng.choice((-1, 1)) & 0xFF
    elif kind == 4:  # cut
        del octets[at : at + rng.choice((few, size))]
    elif kind == 5:  # double
        octets[at:at] = octets[at : at + few]
    elif kind == 6:  # a length in a longer form
        octets[at:at] = rng.choice((b"\x81", b"\x82\x00", b"\x84\x00\x00\x00"))
    elif kind == 7:  # reorder: exchange two neighbours
        end = min(at + 2 * few, size)
        octets[at:end] = octets[at + few : end] + octets[at : min(at + few, end)]
    else:  # splice
        octets[at:] = other[rng.randrange(len(other) + 1) :]


def plain(target: Target, starts: list[bytes], runs: int, seed: int) -> Counter[str]:
    """``runs`` executions; how often each outcome came.  Raises what a finding raised, with the octets as a note."""
    from tests.fuzz.judging import judge

    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for _ in range(runs):
        octets = mutated(rng, rng.choice(starts), rng.choice(starts))
        try:
            outcomes[judge(target, octets)] += 1
        except Exception as finding:
            finding.add_note(f"target {target.name}, octets {octets.hex()}")
            raise
    return outcomes


# -------------------------------------------------------------------------------------------------- the guided fuzzer


def _guided(atheris: ModuleType, name: str, runs: int, seed: int, corpus: Path, folder: Path) -> None:
    """Hand the target over to atheris, which ends the process."""
    with atheris.instrument_imports(include=["devices"]):
        from tests.fuzz.judging import judge
        from tests.fuzz.seeds import Corpus
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    starts = sorted(set(target.seeds(Corpus(corpus))))
    units = folder / "units"
    units.mkdir(parents=True)
    for number, octets in enumerate(starts):
        (units / f"{number:04}").write_bytes(octets)

    def one(octets: bytes) -> None:
        judge(target, octets)

    options = {
        "runs": runs + len(starts),  # the seeds themselves are counted too
        "seed": seed,
        "max_len": max(map(len, starts)) + 64,
        "len_control": 0,
        "timeout": SLOWEST,
        "rss_limit_mb": MEMORY,
        "artifact_prefix": f"{folder}/",
        "print_final_stats": 1,
    }
    atheris.Setup([sys.argv[0], str(units), *(f"-{key}={value}" for key, value in options.items())], one)
    atheris.Fuzz()


def main(arguments: list[str]) -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="tests.fuzz.engines")
    parser.add_argument("target")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1, help="what the mutations are drawn from, 1 or more")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--plain", action="store_true", help="the plain mutator, also where atheris is installed")
    given = parser.parse_args(arguments)
    if guided_is_there() and not given.plain:
        atheris = importlib.import_module("atheris")
        print(f"engine: atheris, coverage guided, seed {given.seed}", flush=True)
        _guided(atheris, given.target, given.runs, given.seed, given.corpus, given.folder)
        return
    from tests.fuzz.seeds import Corpus
    from tests.fuzz.targets import TARGETS

    print(f"engine: plain mutator, seed {given.seed}", flush=True)
    target = TARGETS[given.target]
    outcomes = plain(target, target.seeds(Corpus(given.corpus)), given.runs, given.seed)
    print(f"outcomes: {dict(outcomes.most_common())}")
    print(f"stat::number_of_executed_units: {outcomes.total()}")


if __name__ == "__main__":
    main(sys.argv[1:])
