"""`rig requirements`: the rows of the catalogue, the tests that show them, and the verdicts of the last run.

Must not live here: the rows (``robot_suites/requirements``), what follows from them (``rig.evidence.catalogue``).
"""

from __future__ import annotations

import argparse
import json
import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from robot.api import TestSuite

from rig import share
from rig.bench_up import choose_from
from rig.evidence import catalogue, record
from rig.evidence.catalogue import Row, Shown, Tagged
from rig.evidence.record import RECORDS, BadRecords, Record

__all__ = ["BadRequest", "add_parser", "claims", "main", "rows"]

WIDTH = 120


class BadRequest(ValueError):
    """The command line asks for something that does not exist; the text says what does."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount `rig requirements` on the command line."""
    parser = commands.add_parser(
        "requirements",
        help="list the requirements, the tests that show them, and the verdicts of the last run",
        description="List the rows of the requirement catalogue with the tests that show each, and what those tests "
        "ended in when they last ran.  A row without a test is counted and fails nothing.",
        epilog="example: rig requirements HHT-6 CV-1 --results results/today",
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="only these rows, each whole; default: all, a line each")
    parser.add_argument("--results", metavar="DIR", help="a run's results; default: the newest in results/")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--fingerprint", action="store_true", help="print the fingerprints of the claims as they are now"
    )
    parser.set_defaults(handler=main)


def rows() -> dict[str, Row]:
    """The rows of the shipped catalogue, by id."""
    return catalogue.load(share.folder("robot_suites") / "requirements" / "catalogue.yaml")


def claims() -> list[Tagged]:
    """Every test of the shipped suites, with what it claims to show."""
    return list(_walked(TestSuite.from_file_system(share.folder("robot_suites"))))


def _walked(suite: Any) -> Iterator[Tagged]:
    for inner in suite.suites:
        yield from _walked(inner)
    for test in suite.tests:
        tags = [str(tag) for tag in test.tags]
        claimed = tuple(tag.partition(":")[2].upper() for tag in tags if tag.casefold().startswith("req:"))
        yield Tagged(str(test.full_name), claimed, "bad" in map(str.casefold, tags))


def main(args: argparse.Namespace) -> int:
    """Print the table; the exit status."""
    try:
        return _told(args)
    except (BadRecords, catalogue.BadCatalogue) as problem:
        raise BadRequest(str(problem)) from None


def _told(args: argparse.Namespace) -> int:
    every = rows()
    wanted = _chosen(every, args.ids)
    if args.fingerprint:
        for row in wanted:
            print(f"{row.id:<7} {catalogue.fingerprint(row.claim)}")
        return 0
    place, ran = _last_run(args.results)
    tests = claims()
    told = [one for one in catalogue.matrix(every, tests, _renamed(ran, tests)) if one.row in wanted]
    if args.json:
        print(json.dumps([_as_json(one) for one in told], ensure_ascii=False, indent=1))
        return 0
    for one in told:
        _print_whole(one) if args.ids else print(_line(one))
    with_test = sum(bool(one.tests) for one in told)
    print(
        f"\n{len(told)} requirements: {with_test} with a test, {sum(one.row.done for one in told)} done; "
        + (
            f"{sum(one.shown for one in told)} shown in part or whole by the run in {place}"
            if place
            else "no run is at hand"
        )
    )
    return 0


def _chosen(every: dict[str, Row], ids: Sequence[str]) -> list[Row]:
    known = {name.casefold(): row for name, row in every.items()}
    plain = [name.casefold().removeprefix("req:") for name in ids]
    for name, given in zip(plain, ids, strict=True):
        if name not in known:
            there = choose_from(name, list(every), most=12)
            raise BadRequest(f"no requirement {given!r}: there are {there}; `rig requirements` has them all")
    return [known[name] for name in plain] or list(every.values())


def _last_run(told: str | None) -> tuple[Path | None, list[Record]]:
    """The results folder to look at, and its records."""
    if told is not None:
        if not (Path(told) / RECORDS).is_file():
            raise BadRequest(f"{told} holds no {RECORDS}: give the results folder of a run")
        return Path(told), record.read(Path(told))
    found = [path for path in Path("results").glob(f"*/{RECORDS}") if path.is_file()]
    if not found:
        return None, []
    newest = max(found, key=os.path.getmtime).parent
    return newest, record.read(newest)


def _renamed(ran: Sequence[Record], tests: Sequence[Tagged]) -> list[Record]:
    """The records under the long names of the whole tree: a run of one suite, or of several, calls its tests by others.

    A test is known by as many of its own and its suites' names as fit one test of the tree and no other.
    """
    names = [test.test for test in tests]
    return [replace(one, test=_name_in_tree(one, names)) for one in ran]


def _name_in_tree(one: Record, names: Sequence[str]) -> str:
    for left_out in range(len(one.suites)):
        end = ".".join([*one.suites[left_out:], one.name]).casefold()
        fit = [name for name in names if f".{name.casefold()}".endswith(f".{end}")]
        if len(fit) == 1:
            return fit[0]
    return one.test


def _line(one: Shown) -> str:
    ended = [verdict.value if verdict else "not run" for verdict in one.tests.values()]
    counts = ", ".join(f"{ended.count(word)} {word}" for word in dict.fromkeys(ended)) or "no test"
    head = f"{one.row.id:<7} {'done ' if one.row.done else '     '}{counts:<24}"
    return head + textwrap.shorten(one.row.claim, WIDTH - len(head) - 1, placeholder=" …")


def _print_whole(one: Shown) -> None:
    row = one.row
    print(f"\n{row.id}{' (done)' if row.done else ''}")
    print(textwrap.fill(row.claim, WIDTH, initial_indent="  ", subsequent_indent="  "))
    print(f"  source: {row.source}" + ("; the slide has no more than a title, the reading is ours" if row.ours else ""))
    print(f"  shown by {row.method}; fingerprint {row.fingerprint}, reviewed {row.reviewed}")
    for test, verdict in one.tests.items():
        print(f"  {verdict.value if verdict else 'not run':<12} {test}")
    if not one.tests:
        print("  no test claims to show it")


def _as_json(one: Shown) -> dict[str, Any]:
    row = {name: getattr(one.row, name) for name in Row.__dataclass_fields__}
    return {**row, "shown": one.shown, "tests": {name: v.value if v else None for name, v in one.tests.items()}}
