"""The expectations by which suites judge, read from data: each with its source, and with the mark that says how sure
that source is.

The shipped ones lie in ``robot_suites/resources/expectations.yaml``; a lab adds its own with
``rig run --expectations``.  A keyword asks by what it looks at (``contact-opens``) and after what (``ECS44``); the
closest expectation answers.

Must not live here: the expectations themselves, or what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rig import yaml_text
from rig.evidence.judging import Basis, BasisKind, Limit, Rule

__all__ = ["MARKS", "BadExpectation", "Expectation", "Expectations", "load"]

MARKS: dict[str, BasisKind] = {
    "standard": BasisKind.CLAUSE,
    "specification": BasisKind.CLAUSE,
    "page seen": BasisKind.CLAUSE,
    "verified by running": BasisKind.CLAUSE,
    "two sources": BasisKind.CLAUSE,
    "slides": BasisKind.CLAUSE,
    "published message": BasisKind.PUBLISHED_MESSAGE,
    "single source": BasisKind.OWN_DEFAULT,
    "maker's manual": BasisKind.OWN_DEFAULT,
    "recalled": BasisKind.OWN_DEFAULT,
    "our choice": BasisKind.OWN_DEFAULT,
    "unknown": BasisKind.OWN_DEFAULT,
}
"""How sure a source is, to the kind of basis that it gives: what one source alone says is built, and judges nobody."""
KEYS = {"statement", "asks", "after", "source", "mark", "limit", "rule", "declared"}


class BadExpectation(ValueError):
    """A file of expectations holds something wrong; the text says where, what was expected and what stands there."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation.  ``asks`` is what a keyword looks at, ``after`` the causes after which it applies (none: any).

    ``declared`` names the declaration of a device that takes the place of the default: a limit by its key, or a
    behaviour as key and value.
    """

    id: str
    statement: str
    basis: Basis
    asks: str
    after: frozenset[str] = frozenset()
    limit: Limit | None = None
    rule: Rule | None = None
    declared: str = ""
    declared_value: str = ""

    def of_device(self, device: str, declared: Mapping[str, Any]) -> Expectation:
        """This expectation of one device, by what the bench file declares about it."""
        told = declared.get(self.declared) if self.declared else None
        if told is None:
            return self
        basis = Basis(BasisKind.DECLARATION, f"bench file, devices.{device}.declared.{self.declared}")
        if self.limit is not None and isinstance(told, Mapping):
            return replace(self, basis=basis, limit=Limit(told.get("min"), told.get("max"), self.limit.unit))
        return replace(self, basis=basis) if str(told) == self.declared_value else self


class Expectations:
    """All that a run knows, by id and by what is asked."""

    def __init__(self, every: Iterable[Expectation]) -> None:
        self.by_id = {one.id: one for one in every}

    def of(self, asks: str, after: str = "") -> Expectation:
        """The expectation for what a keyword asks after a cause: the closest one.

        ``asks`` may be narrower than any expectation, part by part after colons: ``alert-arrives:0x8F36``.
        Raises :class:`BadExpectation` when there is none at all.
        """
        wanted = asks
        while True:
            fit = [one for one in self.by_id.values() if one.asks == wanted]
            for one in [one for one in fit if after in one.after] + [one for one in fit if not one.after]:
                return one
            wanted, colon, _ = wanted.rpartition(":")
            if not colon:
                raise BadExpectation(f"no expectation for {asks!r}" + (f" after {after}" if after else ""))

    def named(self, name: str) -> Expectation:
        """The expectation with this id.  Raises :class:`BadExpectation` for an unknown one, with those there are."""
        if name not in self.by_id:
            raise BadExpectation(f"no expectation {name!r}; there are {', '.join(sorted(self.by_id))}")
        return self.by_id[name]


def load(*paths: Path) -> Expectations:
    """The expectations of these files; a later file takes the place of an earlier one id by id.

    Raises :class:`BadExpectation` with the one thing that is wrong.
    """
    every: dict[str, Expectation] = {}
    for path in paths:
        try:
            document = yaml_text.read_file(path)
        except ValueError as problem:
            raise BadExpectation(f"{path}: expected a readable file of expectations, got {problem}") from None
        rows = document.get("expectations") if isinstance(document, dict) else None
        if not isinstance(rows, dict) or document.get("version") != 1:
            raise BadExpectation(f"{path}: expected 'version: 1' and a mapping 'expectations'")
        every |= {str(name): _one(f"{path}: {name}", str(name), row) for name, row in rows.items()}
    return Expectations(every.values())


def _one(where: str, name: str, row: Any) -> Expectation:
    if not isinstance(row, dict) or not {"statement", "asks", "source", "mark"} <= set(row) <= KEYS:
        raise BadExpectation(
            f"{where}: expected statement, asks, source, mark, and of {', '.join(sorted(KEYS))} what applies"
        )
    mark = row["mark"]
    if mark not in MARKS:
        raise BadExpectation(f"{where}.mark: expected one of {', '.join(MARKS)}, got {mark!r}")
    declared = row.get("declared", {})
    if not isinstance(declared, dict) or len(declared) > 1:
        raise BadExpectation(f"{where}.declared: expected one declaration and its value, got {declared!r}")
    key, value = next(iter(declared.items()), ("", ""))
    rules = {rule.value: rule for rule in Rule}
    if "rule" in row and row["rule"] not in rules:
        raise BadExpectation(f"{where}.rule: expected one of {', '.join(rules)}, got {row['rule']!r}")
    after = row.get("after", [])
    return Expectation(
        id=name,
        statement=str(row["statement"]),
        basis=Basis(MARKS[mark], f"{row['source']} [{mark}]"),
        asks=str(row["asks"]),
        after=frozenset(map(str, after if isinstance(after, list) else [after])),
        limit=_limit(where, row["limit"]) if "limit" in row else None,
        rule=rules[row["rule"]] if "rule" in row else None,
        declared=str(key),
        declared_value=str(value),
    )


def _limit(where: str, told: Any) -> Limit:
    fine = isinstance(told, dict) and set(told) <= {"low", "high", "unit"} and isinstance(told.get("unit"), str)
    ends = [told.get("low"), told.get("high")] if fine else []
    if not fine or ends == [None, None] or any(not isinstance(end, int | float | None) for end in ends):
        raise BadExpectation(f"{where}.limit: expected low or high or both, and a unit, got {told!r}")
    low, high = (None if end is None else float(end) for end in ends)
    return Limit(low, high, told["unit"])
