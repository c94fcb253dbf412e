"""`rig times`: hold the recorded bench times of the suites against a run, and record them anew.

Must not live here: what a bench time is (``rig.evidence.bench_times``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rig import share
from rig.evidence import bench_times, record
from rig.exits import Exit

__all__ = ["add_parser", "main"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount `rig times` on the command line."""
    parser = commands.add_parser(
        "times",
        help="hold the recorded bench times of the suites against a run, or record them",
        description="Say which tests of a run took another bench time than is recorded beside the suites, by more than "
        "a tenth.  Exit status 1 where there is one.  Use a run on the virtual bench.",
        epilog="example: rig times results/today --write",
    )
    parser.add_argument("results", metavar="DIR", help="a run's results")
    parser.add_argument("--file", metavar="FILE", help=f"the recorded times; default: {bench_times.NAME} of the suites")
    parser.add_argument("--write", action="store_true", help="record the times of this run")
    parser.set_defaults(handler=main)


def main(args: argparse.Namespace) -> int:
    """Compare or record; the exit status."""
    path = Path(args.file) if args.file else share.folder("robot_suites") / bench_times.NAME
    found = bench_times.taken(record.read(Path(args.results)))
    count = sum(map(len, found.values()))
    if args.write:
        bench_times.write(path, found)
        print(f"rig times: {count} recorded in {path}")
        return Exit.GOOD
    told = bench_times.differences(bench_times.load(path) if path.is_file() else {}, found)
    for line in told:
        print(line)
    print(f"rig times: {count - len(told)} of {count} as recorded in {path}")
    return 1 if told else Exit.GOOD
