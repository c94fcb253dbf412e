"""The requirement catalogue, and the matrix that follows from it: rows, the tests that claim to show them, and what
those tests ended in.

Must not live here: the rows (``robot_suites/requirements/catalogue.yaml``), running anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig import yaml_text
from rig.evidence.record import Record
from rig.evidence.verdicts import Verdict

__all__ = ["BadCatalogue", "Row", "Shown", "Tagged", "fingerprint", "load", "matrix", "problems", "shown", "shown_line"]

BAD_CASES = 2
METHODS = ("test", "analysis", "inspection", "demonstration")
KEYS = {"claim", "source", "reading", "method", "fingerprint", "reviewed", "done"}


class BadCatalogue(ValueError):
    """The catalogue holds something wrong; the text says where, what was expected and what stands there."""


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement.  ``ours`` where the source has a bare title and the reading is ours; ``reviewed`` is the
    fingerprint of the claim that was last reviewed; ``done`` where a suite shows all of it."""

    id: str
    claim: str
    source: str
    ours: bool
    method: str
    fingerprint: str
    reviewed: str
    done: bool


@dataclass(frozen=True, slots=True)
class Tagged:
    """One Robot test: its long name, the requirements it claims to show, whether it is a bad case of them."""

    test: str
    requirements: tuple[str, ...]
    bad: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """One row with the tests that claim to show it, each with the verdict of the last run (None: it did not run)."""

    row: Row
    tests: Mapping[str, Verdict | None]

    @property
    def shown(self) -> bool:
        """Whether a test of it has passed and none has failed."""
        return Verdict.PASS in self.tests.values() and Verdict.FAIL not in self.tests.values()


def fingerprint(claim: str) -> str:
    """The fingerprint of a claim: how its lines are broken does not matter."""
    return hashlib.sha256(" ".join(claim.split()).encode()).hexdigest()[:12]


def load(path: Path) -> dict[str, Row]:
    """The rows of a catalogue by id.  Raises :class:`BadCatalogue`."""
    try:
        document = yaml_text.read_file(path)
    except ValueError as problem:
        raise BadCatalogue(f"{path}: expected a readable catalogue, got {problem}") from None
    if not isinstance(document, dict) or document.get("version") != 2 or set(document) != {"version", "requirements"}:
        raise BadCatalogue(f"{path}: expected 'version: 2' and 'requirements', and nothing else")
    if not isinstance(document["requirements"], dict):
        raise BadCatalogue(f"{path}.requirements: expected rows by their ids, got {document['requirements']!r:.80}")
    return {str(name): _row(f"{path.name}: {name}", str(name), told) for name, told in document["requirements"].items()}


def _row(where: str, name: str, told: Any) -> Row:
    if not isinstance(told, dict) or not KEYS - {"reading"} <= set(told) <= KEYS:
        raise BadCatalogue(f"{where}: expected {', '.join(sorted(KEYS))} (reading where it applies), got {told!r:.80}")
    if told["method"] not in METHODS:
        raise BadCatalogue(f"{where}.method: expected one of {', '.join(METHODS)}, got {told['method']!r}")
    if not isinstance(told["done"], bool):
        raise BadCatalogue(f"{where}.done: expected true or false, got {told['done']!r}")
    if told.get("reading", "ours") != "ours":
        raise BadCatalogue(f"{where}.reading: expected ours, or nothing, got {told['reading']!r}")
    source = told["source"]
    if not isinstance(source, dict) or set(source) not in ({"deck"}, {"deck", "item", "title"}):
        raise BadCatalogue(f"{where}.source: expected deck, item and title of a slide, or a deck alone, got {source!r}")
    words = str(source["deck"]) + (f", item {source['item']}, {source['title']}" if "item" in source else "")
    return Row(
        name, " ".join(str(told["claim"]).split()), words, "reading" in told,
        told["method"], str(told["fingerprint"]), str(told["reviewed"]), told["done"],
    )  # fmt: skip


def problems(rows: Mapping[str, Row], tests: Sequence[Tagged]) -> list[str]:
    """Whatever is wrong between rows and tests, one line each: a tag without a row, a row that changed since it was
    reviewed, a row that is said to be done without a test or without two bad cases."""
    known = {name.casefold(): name for name in rows}
    found = [
        f"{test.test}: req:{name} is in no row of the catalogue"
        for test in tests
        for name in test.requirements
        if name.casefold() not in known
    ]
    for row in rows.values():
        now = fingerprint(row.claim)
        if row.fingerprint != now:
            found.append(f"{row.id}: its claim has the fingerprint {now}, and the row says {row.fingerprint}")
        if row.reviewed != now:
            found.append(f"{row.id}: its claim has changed since it was reviewed ({row.reviewed}, now {now})")
        if row.done:
            mine = [test for test in tests if row.id.casefold() in map(str.casefold, test.requirements)]
            bad = sum(test.bad for test in mine)
            if len(mine) == bad or bad < BAD_CASES:
                found.append(
                    f"{row.id}: is said to be done, with {len(mine) - bad} tests and {bad} bad cases beside them"
                )
    return found


def matrix(rows: Mapping[str, Row], tests: Sequence[Tagged], records: Iterable[Record]) -> list[Shown]:
    """Every row with its tests and what they ended in, in the order of the catalogue."""
    ended = {record.test: record.outcome for record in records}
    by_row: dict[str, dict[str, Verdict | None]] = {name.casefold(): {} for name in rows}
    for test in tests:
        for name in test.requirements:
            if name.casefold() in by_row:
                by_row[name.casefold()][test.test] = ended.get(test.test)
    return [Shown(row, by_row[row.id.casefold()]) for row in rows.values()]


def shown(rows: Mapping[str, Row], records: Sequence[Record]) -> list[Shown]:
    """What a run has shown: every row with those of its tests that ran."""
    ran = [Tagged(record.test, record.requirements, record.bad) for record in records]
    return matrix(rows, ran, records)


def shown_line(rows: Mapping[str, Row], records: Sequence[Record]) -> str:
    """How many of all rows a run has shown, in one line."""
    told = shown(rows, records)
    failed = [one.row.id for one in told if Verdict.FAIL in one.tests.values()]
    count, whole = sum(one.shown for one in told), sum(one.shown and one.row.done for one in told)
    words = f"{count} of {len(told)} requirements shown ({whole} whole, {count - whole} in part)"
    return words + (f"; failed: {' '.join(failed)}" if failed else "")
