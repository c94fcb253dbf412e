"""Tolerated issues: misses that a customer or a scheme has agreed to live with, until a date.

They stand in the bench file (``tolerated:``) or in a file of their own (``rig run --tolerate FILE``), each with an id,
a reason and an end date.  One whose date is over tolerates nothing any more.

Must not live here: what was found.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rig import yaml_text
from rig.evidence.judging import Finding

__all__ = ["BadIssue", "Issue", "issue_for", "issues_of", "load"]

NEEDED = ("id", "reason", "until")
KEYS = (*NEEDED, "expectation", "device", "test")


class BadIssue(ValueError):
    """A tolerated issue is not written as one; the text says where, what was expected and what stands there."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One tolerated issue.  ``expectation`` (an id), ``device`` and ``test`` (a pattern) say what it covers; an empty
    one covers any, and one of expectation and test is given."""

    id: str
    reason: str
    until: date
    expectation: str = ""
    device: str = ""
    test: str = ""

    def covers(self, finding: Finding, test: str, today: date) -> bool:
        """Whether this issue tolerates a miss in a test today; its last day counts."""
        return (
            today <= self.until
            and self.expectation in ("", finding.expectation)
            and self.device in ("", finding.device)
            and (not self.test or fnmatchcase(test.casefold(), self.test.casefold()))
        )

    def __str__(self) -> str:
        return f"{self.id} (until {self.until.isoformat()}: {self.reason})"


def issue_for(finding: Finding, test: str, today: date, issues: Iterable[Issue]) -> Issue | None:
    """The first issue that tolerates a miss; None where none does."""
    return next((issue for issue in issues if issue.covers(finding, test, today)), None)


def issues_of(where: str, rows: Any) -> tuple[Issue, ...]:
    """The issues of a list as YAML or JSON gives it.  Raises :class:`BadIssue` with the one thing that is wrong."""
    if not isinstance(rows, list):
        raise BadIssue(f"{where}: expected a list of issues, got {type(rows).__name__}")
    return tuple(_issue(f"{where}[{number}]", row) for number, row in enumerate(rows))


def load(path: Path) -> tuple[Issue, ...]:
    """The issues of a file with one key, ``tolerated``.  Raises :class:`BadIssue`."""
    try:
        document = yaml_text.read_file(path)
    except ValueError as problem:
        raise BadIssue(f"{path}: expected a readable file of tolerated issues, got {problem}") from None
    if not isinstance(document, dict) or set(document) != {"tolerated"}:
        raise BadIssue(f"{path}: expected one key, 'tolerated', with a list of issues")
    return issues_of(f"{path}: tolerated", document["tolerated"])


def _issue(where: str, row: Any) -> Issue:
    if not isinstance(row, dict) or not set(NEEDED) <= set(row) <= set(KEYS):
        raise BadIssue(f"{where}: expected {', '.join(NEEDED)}, and expectation, device or test, got {row!r}")
    until = row["until"]
    try:
        until = until if isinstance(until, date) else date.fromisoformat(str(until))
    except ValueError:
        raise BadIssue(f"{where}.until: expected a date such as 2027-03-31, got {row['until']!r}") from None
    told = {key: str(value) for key, value in row.items() if key != "until"}
    for key in ("id", "reason"):
        if not told[key].strip():
            raise BadIssue(f"{where}.{key}: expected words, got nothing")
    if not told.get("expectation") and not told.get("test"):
        raise BadIssue(f"{where}: expected an expectation or a test that is tolerated; all of them cannot be")
    return Issue(until=until, **told)
