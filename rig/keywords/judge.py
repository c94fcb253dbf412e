"""How keywords judge: each says what it looks at, the expectations say what that rests on, and a finding is kept of it.

A miss that counts against a device ends the test as a failure.  One that rests on a default of this project, or that is
tolerated, ends the judging there and then (what follows presupposes it) and the test is no failure.  Where a test
catches failures or goes on after them, it meets such a miss as it does any other.  A reading that lies outside of such
a limit ends nothing.

Must not live here: the expectations (data), the verdict of a whole test (``rig.evidence.conclusion``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from enum import Enum
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from robot.errors import PassExecution  # type: ignore[import-untyped]

from rig import share
from rig.evidence import tolerated
from rig.evidence.expectations import BadExpectation, Expectation, Expectations, load
from rig.evidence.judging import Finding, Limit, Outcome, Reading, Rule, decide
from rig.evidence.tolerated import Issue
from rig.keywords.connection import Misused

__all__ = ["Judge", "Misused", "Observed", "Unmet", "judge", "judged", "preparing"]

P = ParamSpec("P")
R = TypeVar("R")


class Unmet(AssertionError):
    """What the test expects did not happen.  The message holds expected, got, where, how long, and the evidence.

    ``judged``: a finding has been made of it, by the keyword that saw it."""

    ROBOT_SUPPRESS_NAME = True
    judged = False


class Observed(PassExecution):  # type: ignore[misc]  # the library is untyped
    """The test ends here and fails nobody: what was missed is a default of this project, or is tolerated."""


class Judge:
    """The findings of one test, and what they are judged by."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.cause = ""
        """What the test did last: a use case, or a verb of the bus."""
        self.test = ""
        self.may_end = True
        """Whether a keyword may end the test without failing it: not in setup or teardown, and not where failures are
        caught or gone on after."""
        self.clock: Callable[[], int] = lambda: 0
        """Bench time now, ns."""
        self._known: Expectations | None = None
        self._issues: tuple[Issue, ...] | None = None
        self._bench: Mapping[str, Any] = {}

    def begin_run(self) -> None:
        """A run begins: what it judges by is read anew, for an earlier one in this process may have had another."""
        self._known = self._issues = None

    def begin(self, test: str) -> None:
        """A test begins: nothing is found yet."""
        self.findings.clear()
        self.cause, self.test = "", test

    def forget_defaults(self) -> None:
        """The premises are ready: what rests on a default of this project and did not keep them from it is no part of
        the test; a declared time that was exceeded is."""
        self.findings[:] = [finding for finding in self.findings if finding.basis.kind.counts]

    def of_bench(self, described: Mapping[str, Any]) -> None:
        """What a bench has agreed on: declarations, tolerated issues, decision rule, calibration."""
        self._bench = described
        self._issues = None

    @property
    def known(self) -> Expectations:
        """The expectations of this run: the shipped ones, and the lab's own."""
        if self._known is None:
            own = os.environ.get("RIG_EXPECTATIONS")
            shipped = share.folder("robot_suites") / "resources" / "expectations.yaml"
            self._known = load(shipped, *([Path(own)] if own else []))
        return self._known

    @property
    def issues(self) -> tuple[Issue, ...]:
        """The tolerated issues of this run: those of the bench file, and the lab's own."""
        if self._issues is None:
            path = os.environ.get("RIG_TOLERATE")
            self._issues = tolerated.issues_of("bench file: tolerated", list(self._bench.get("tolerated", ())))
            self._issues += tolerated.load(Path(path)) if path else ()
        return self._issues

    def expectation(self, asks: str, device: str = "", named: str = "") -> Expectation:
        """What is expected of a device: the expectation ``named``, else the closest for what a keyword asks."""
        try:
            one = self.known.named(named) if named else self.known.of(asks, self.cause)
        except BadExpectation as problem:
            raise Misused(str(problem)) from None
        told = self._bench.get("devices", {}).get(device, {})
        return one.of_device(device, told.get("declared", {}))

    def limit(self, name: str) -> Limit:
        """The limit of the expectation with this id.  Raises :class:`Misused` where it has none."""
        held = self.expectation("", named=name)
        if held.limit is None:
            raise Misused(f"the expectation {name!r} has no limit to hold a reading against")
        return held.limit

    def met(self, held: Expectation, device: str) -> None:
        """It did what was expected."""
        self.findings.append(Finding(held.statement, Outcome.MET, held.basis, held.id, device, at_ns=self.clock()))

    def missed(self, held: Expectation, device: str, problem: Unmet) -> None:
        """It did not.  Raises :class:`Observed` where that fails nobody; else the caller raises ``problem``."""
        if problem.judged:
            return
        problem.judged = True
        finding = Finding(
            held.statement, Outcome.MISSED, held.basis, held.id, device, _short(problem), at_ns=self.clock()
        )
        finding = self._tolerated(finding)
        fails = held.basis.kind.counts and not finding.tolerated
        if fails or not self.may_end:
            finding = replace(finding, failure=str(problem))
        self.findings.append(finding)
        if not fails and self.may_end:
            word = f"TOLERATED: {finding.tolerated}: " if finding.tolerated else "OBSERVED: "
            raise Observed(f"{word}{finding}")

    def measured(self, held: Expectation, device: str, reading: Reading) -> Finding:
        """Hold a reading against the limit of an expectation.

        Raises :class:`Unmet` where it counts against the device; every other finding ends nothing.
        """
        if held.limit is None:
            raise Misused(f"the expectation {held.id!r} has no limit to hold a reading against")
        reading = self.dated(reading)
        rule = held.rule or Rule(self._bench.get("decision_rule", Rule.NONE.value))
        finding = Finding(
            held.statement, decide(reading, held.limit, rule), held.basis, held.id, device,
            reading=reading, limit=held.limit, rule=rule, at_ns=reading.at_ns,
        )  # fmt: skip
        finding = self._tolerated(finding) if finding.outcome in MISSES else finding
        if finding.outcome is Outcome.MISSED and finding.basis.kind.counts and not finding.tolerated:
            finding = replace(finding, failure=f"expected {held.limit}, got {reading}: {held.statement} [{held.basis}]")
        self.findings.append(finding)
        if finding.failure:
            problem = Unmet(finding.failure)
            problem.judged = True
            raise problem
        return finding

    def dated(self, reading: Reading) -> Reading:
        """The reading, with why its instrument cannot be relied on where its calibration is over."""
        until = self._bench.get("calibrated_until", {}).get(reading.instrument)
        if until and date.fromisoformat(until) < date.today():
            return replace(reading, expired=f"{reading.instrument} is calibrated until {until}")
        return reading

    def noted(self, finding: Finding) -> None:
        """A finding of its own, beside what a keyword looks at; it ends nothing."""
        self.findings.append(self._tolerated(finding) if finding.outcome in MISSES else finding)

    def _tolerated(self, finding: Finding) -> Finding:
        issue = tolerated.issue_for(finding, self.test, date.today(), self.issues)
        return finding.tolerate(str(issue)) if issue and finding.basis.kind.counts else finding


_JUDGE = Judge()


def judge() -> Judge:
    """The judge of this run."""
    return _JUDGE


MISSES = (Outcome.MISSED, Outcome.CONDITIONAL_FAIL)


def judged(asks: str) -> Callable[[Callable[P, R]], Callable[..., R]]:
    """Make a finding of whatever a keyword sees: met where it returns, missed where it raises :class:`Unmet`.

    ``asks`` is what it looks at; ``{name}`` in it stands for an argument.  The keyword takes one argument more by name,
    ``expectation``: the id of the expectation to judge by instead of the closest one.
    """

    def decorate(function: Callable[P, R]) -> Callable[..., R]:
        shape = signature(function)

        @wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            named = str(kwargs.pop("expectation", ""))
            given = shape.bind(*args, **kwargs)
            given.apply_defaults()
            words = {name: value.name if isinstance(value, Enum) else value for name, value in given.arguments.items()}
            device = _device(given.arguments)
            held = judge().expectation(asks.format_map(words), device, named)
            try:
                told = function(*args, **kwargs)
            except Unmet as problem:
                judge().missed(held, device, problem)
                raise
            judge().met(held, device)
            return told

        more = Parameter("expectation", Parameter.KEYWORD_ONLY, default="", annotation="str")
        every = list(shape.parameters.values())
        where = next((i for i, one in enumerate(every) if one.kind is Parameter.VAR_KEYWORD), len(every))
        wrapper.__signature__ = shape.replace(parameters=[*every[:where], more, *every[where:]])  # type: ignore[attr-defined]
        wrapper.__annotations__ = {**function.__annotations__, "expectation": "str"}
        return wrapper

    return decorate


@contextmanager
def preparing() -> Iterator[None]:
    """What is met in here only leads up to the test and is none of its findings; what is missed is one."""
    findings = judge().findings
    before = len(findings)
    try:
        yield
    finally:
        findings[before:] = [finding for finding in findings[before:] if finding.outcome is not Outcome.MET]


def _device(arguments: Mapping[str, Any]) -> str:
    """The device that a keyword looks at: its argument of that name, or that of the command that it was given."""
    command = arguments.get("command")
    return str(arguments.get("device") or (command.get("device", "") if isinstance(command, dict) else ""))


def _short(problem: object) -> str:
    text = str(problem)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


LONGEST = 2000
