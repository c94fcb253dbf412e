"""What a finding is: an expectation, what it rests on, what was read, and what came of it.

A limit or an expectation has a basis; a keyword or a test has none.  Only what rests on a clause, a published message
or a declaration counts for or against a device.  What rests on a default of this project alone is told and not judged.

Must not live here: the expectations (``expectations``: data), what becomes of a whole test (``conclusion``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from math import inf, isnan
from typing import Any

__all__ = ["Basis", "BasisKind", "Finding", "Limit", "Outcome", "Reading", "Rule", "decide"]


class BasisKind(Enum):
    """What an expectation rests on."""

    CLAUSE = "a clause of a specification"
    PUBLISHED_MESSAGE = "a published message"
    DECLARATION = "what was declared of the device"
    OWN_DEFAULT = "a default of this project"

    @property
    def counts(self) -> bool:
        """Whether it may count for or against a device."""
        return self is not BasisKind.OWN_DEFAULT


@dataclass(frozen=True, slots=True)
class Basis:
    """What one expectation rests on, and where that is written."""

    kind: BasisKind
    source: str

    def __str__(self) -> str:
        return f"{self.kind.value} ({self.source})"


class Outcome(Enum):
    """What came of one expectation."""

    MET = "met"
    MISSED = "missed"
    CONDITIONAL_PASS = "conditional pass"
    CONDITIONAL_FAIL = "conditional fail"
    INCONCLUSIVE = "not decided"
    EXPECTED = "missed, and the test allows for it"


class Rule(Enum):
    """How a reading with an uncertainty is held against a limit; the words are those of ILAC-G8."""

    NONE = "none declared"
    """A reading whose uncertainty reaches over the limit decides nothing."""
    SIMPLE = "simple"
    """Simple acceptance: the reading alone decides (a risk of up to 50 % at the limit)."""
    GUARD_BAND = "guard-band"
    """A guard band as wide as the uncertainty on either side of the limit; a reading in it is a conditional pass or a
    conditional fail."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that was measured.  ``uncertainty`` is expanded (k=2) and in the same unit; None: nobody states one.

    ``expired`` says why the instrument cannot be relied on, such as the date until which it was calibrated.
    """

    value: float
    unit: str
    uncertainty: float | None = None
    instrument: str = ""
    at_ns: int = 0
    expired: str = ""

    def __str__(self) -> str:
        spread = "" if self.uncertainty is None else f" ± {self.uncertainty:.3g}"
        return f"{self.value:.6g}{spread} {self.unit}"


@dataclass(frozen=True, slots=True)
class Limit:
    """The range in which a reading must lie, both ends included; None: no limit on that side."""

    low: float | None
    high: float | None
    unit: str

    def side(self, value: float) -> str:
        """On which side of the range a value lies: ``within``, ``above`` or ``below``."""
        if self.high is not None and value > self.high:
            return "above"
        return "below" if self.low is not None and value < self.low else "within"

    def margin(self, value: float) -> float:
        """How far inside of the nearest limit a value lies; negative outside."""
        ends = [value - self.low] if self.low is not None else []
        ends += [self.high - value] if self.high is not None else []
        return min(ends, default=float("inf"))

    def __str__(self) -> str:
        if self.low is None:
            return f"at most {self.high:g} {self.unit}"
        return (
            f"at least {self.low:g} {self.unit}" if self.high is None else f"{self.low:g} to {self.high:g} {self.unit}"
        )


def decide(reading: Reading, limit: Limit, rule: Rule = Rule.NONE) -> Outcome:
    """What a reading says about a limit under a decision rule: nothing where it is no number, or its uncertainty no
    width."""
    margin, spread = limit.margin(reading.value), reading.uncertainty or 0.0
    if reading.expired or isnan(reading.value) or not 0 <= spread < inf:
        return Outcome.INCONCLUSIVE
    if rule is not Rule.SIMPLE and abs(margin) < spread:
        if rule is Rule.NONE:
            return Outcome.INCONCLUSIVE
        return Outcome.CONDITIONAL_PASS if margin >= 0 else Outcome.CONDITIONAL_FAIL
    return Outcome.MET if margin >= 0 else Outcome.MISSED


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation and what came of it.

    ``what`` is the expectation in words and ``got`` what was seen instead; ``failure`` is the text with which a keyword
    ended the test, empty where it went on; ``tolerated`` names the issue by which a miss is tolerated.
    """

    what: str
    outcome: Outcome
    basis: Basis
    expectation: str = ""
    device: str = ""
    got: str = ""
    reading: Reading | None = None
    limit: Limit | None = None
    rule: Rule = Rule.NONE
    at_ns: int = 0
    failure: str = ""
    tolerated: str = ""

    @property
    def side(self) -> str:
        """On which side of the expectation it lies: of a limit, else ``as expected`` or ``otherwise``."""
        if self.reading is not None and self.limit is not None:
            return self.limit.side(self.reading.value)
        return "as expected" if self.outcome is Outcome.MET else "otherwise"

    def __str__(self) -> str:
        if self.reading is not None and self.limit is not None:
            told = f"{self.what}: {self.reading}, {self.side} {self.limit}"
            told += f"; {self.reading.expired}" if self.reading.expired else ""
        else:
            told = f"{self.what}: {self.outcome.value}" + (f" ({self.got})" if self.got else "")
        return f"{told} [{self.basis}]"

    def tolerate(self, issue: str) -> Finding:
        """The same finding, tolerated by an issue."""
        return replace(self, tolerated=issue)

    def as_json(self) -> dict[str, Any]:
        """The finding as it stands in a record: enums by name, what is empty left out."""
        told: dict[str, Any] = {
            "expectation": self.expectation,
            "what": self.what,
            "outcome": self.outcome.name,
            "basis": {"kind": self.basis.kind.name, "source": self.basis.source},
            "device": self.device,
            "got": self.got,
            "side": self.side,
            "at_ns": self.at_ns,
            "tolerated": self.tolerated,
        }
        if self.reading is not None:
            told["reading"] = {name: getattr(self.reading, name) for name in Reading.__dataclass_fields__}
        if self.limit is not None:
            told["limit"] = {"low": self.limit.low, "high": self.limit.high, "unit": self.limit.unit}
            told["rule"] = self.rule.value
        return {key: value for key, value in told.items() if value != ""}
