"""The command ``rig perf``.

Must not live here: benchmarks.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rig import share
from rig.exits import Exit
from rig.gbcs.corpus import CorpusError, load_entries, load_store
from rig.perf.benchmarks import BENCHMARKS, TIMINGS, Benchmark, Material, Timing
from rig.perf.measure import measure
from rig.perf.report import as_json, table
from rig.progress import followed

__all__ = ["add_parser", "main", "run"]


def add_parser(subparsers: Any) -> None:
    """Mount ``perf`` below the subparsers of ``rig``; the handler is left in ``handler``."""
    _arguments(
        subparsers.add_parser(
            "perf",
            help="measure how fast the rig is",
            description=_arguments.__doc__,
            epilog="example: rig perf --json",
        )
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    """Measure codecs, protection and commands beside their floor, on one core, and the memory of one more premises.

    Exit status 0, whatever the figures are.
    """
    parser.add_argument(
        "--corpus",
        type=Path,
        metavar="DIR",
        help="the corpus to measure with (default: RIG_CORPUS, or ../shared/corpus where that exists)",
    )
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="passes of each benchmark (default 15)")
    parser.add_argument("--whole", action="store_true", help="make the whole runs as well; they take a while")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(handler=run)


def main(argv: Sequence[str]) -> int:
    """``rig perf`` with its own arguments; returns the exit status."""
    parser = argparse.ArgumentParser(prog="rig perf", description=_arguments.__doc__)
    _arguments(parser)
    return run(parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> int:
    """``rig perf``: returns the exit status."""
    if arguments.rounds < 1:
        print(f"rig perf: --rounds must be 1 or more, got {arguments.rounds}", file=sys.stderr)
        return Exit.MISUSE
    try:
        material = _material(arguments.corpus)
    except CorpusError as fault:
        print(f"rig perf: {fault}", file=sys.stderr)
        return Exit.MISUSE
    prepared = [(benchmark, benchmark.prepare(material)) for benchmark in BENCHMARKS]
    ready = [(benchmark, work) for benchmark, work in prepared if work is not None]
    figures = measure([(benchmark.name, work) for benchmark, work in ready], arguments.rounds)
    missing: list[Benchmark | Timing] = [benchmark for benchmark, work in prepared if work is None]
    timings: list[tuple[Timing, float]] = []
    wanted = [timing for timing in TIMINGS if timing.always or arguments.whole]
    for timing in followed(wanted, len(wanted), "memory and whole runs"):
        figure = timing.measure()
        if figure is None:
            missing.append(timing)
        else:
            timings.append((timing, figure))
    rows = [(benchmark, figure) for (benchmark, _), figure in zip(ready, figures, strict=True)]
    result = as_json(rows, timings, missing, arguments.rounds)
    print(json.dumps(result) if arguments.json else table(result))
    return 0


def _material(named: Path | None) -> Material:
    """The corpus that was named, or the one in its usual place; none where that does not exist."""
    folder = named or share.corpus()
    if named is None and not folder.is_dir():
        return Material()
    return Material(list(load_entries(folder)), load_store(folder))
