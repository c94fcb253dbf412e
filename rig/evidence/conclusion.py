"""What a test ended in: from its findings, and from how Robot ended it.

A miss on a clause, a published message or a declaration is a failure.  A miss on a default of this project alone is
OBSERVED, and what was met on such a default makes no PASS by itself.  A verdict once given stays when the bench breaks
in the teardown; both are told.

Must not live here: the words of a summary (``summary``), the record (``record``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from rig.evidence.judging import Finding, Outcome
from rig.evidence.verdicts import JUDGED, Verdict, verdict_of

__all__ = ["SIGNAL", "Conclusion", "Ending", "conclude", "weigh"]

SIGNAL = "Execution terminated by signal"
BENCH_BROKE = re.compile(r"^(?:\d+\) )?INFRA: (?P<what>.*)$", re.MULTILINE)
"""What a keyword said itself, wherever Robot put it; what a device shows stands within a line."""
ENDED_BY_SIGNAL = re.compile(
    rf"((Parent suite s|S)etup failed:\n|Teardown failed:\n)?({SIGNAL}|Test execution stopped due to a fatal error)"
)
"""How Robot's message begins for a test that did nothing wrong when the run was stopped, and for those after it."""
CONDITIONAL = (Outcome.CONDITIONAL_PASS, Outcome.CONDITIONAL_FAIL)
MISSES = (Outcome.MISSED, Outcome.CONDITIONAL_FAIL)
ORDER: tuple[tuple[Verdict, Callable[[Finding], bool]], ...] = (
    (Verdict.FAIL, lambda f: f.outcome is Outcome.MISSED and f.basis.kind.counts and not f.tolerated),
    (Verdict.INCONCLUSIVE, lambda f: f.outcome is Outcome.INCONCLUSIVE and f.basis.kind.counts),
    (Verdict.TOLERATED, lambda f: f.outcome in MISSES and f.basis.kind.counts and bool(f.tolerated)),
    (Verdict.CONDITIONAL, lambda f: f.outcome in CONDITIONAL and f.basis.kind.counts),
    (Verdict.OBSERVED, lambda f: f.outcome not in (Outcome.MET, Outcome.EXPECTED)),
    (Verdict.PASS, lambda f: f.outcome is Outcome.MET and f.basis.kind.counts),
)
"""The verdict that the first fitting finding gives, the gravest first."""
NOTHING_JUDGED = "nothing was judged: no keyword of this test held the device against an expectation"
DEFAULTS_ALONE = "all that was met rests on defaults of this project"


@dataclass(frozen=True, slots=True)
class Ending:
    """How Robot ended something: its status, and its message."""

    status: str
    message: str


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The verdict, why in one line, the findings as they count in the end, and what broke in the bench, if it did."""

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...]
    broke: str

    @property
    def judged(self) -> bool:
        """Whether this says something of a device: a test that is OBSERVED without a finding does not."""
        return self.verdict in JUDGED and (self.verdict is not Verdict.OBSERVED or bool(self.findings))


def weigh(findings: Iterable[Finding]) -> tuple[Verdict, tuple[Finding, ...]]:
    """The verdict that findings give, and those of them that gave it.  Without any: OBSERVED, nothing was judged."""
    every = tuple(findings)
    for verdict, gives in ORDER:
        found = tuple(finding for finding in every if gives(finding))
        if found:
            return verdict, found
    return Verdict.OBSERVED, every


def conclude(body: Ending, end: Ending, findings: Sequence[Finding], *, stopped: bool = False) -> Conclusion:
    """What a test ended in.  ``body``: as it stood before its teardown, ``end``: after it; ``stopped``: by a signal."""
    told = tuple(_as_it_counts(finding, (body, end)) for finding in findings)
    verdict, because = _of_body(body, told, stopped=stopped)
    broke = BENCH_BROKE.search(end.message) if end.status != "PASS" else None
    if end != body and end.status != "PASS":  # the teardown did something
        given = verdict is Verdict.FAIL or any(finding.outcome is not Outcome.EXPECTED for finding in told)
        if stopped and ENDED_BY_SIGNAL.match(end.message) and verdict is not Verdict.FAIL:
            verdict, because = Verdict.ABORTED, end.message
        elif broke and not given:
            verdict, because = Verdict.INFRA, broke["what"]
        elif not broke and end.status == "FAIL" and verdict is not Verdict.FAIL and not _fails_nobody(end, told):
            verdict, because = Verdict.FAIL, end.message
    return Conclusion(verdict, because, told, broke["what"] if broke else "")


def _of_body(body: Ending, findings: tuple[Finding, ...], *, stopped: bool) -> tuple[Verdict, str]:
    if stopped and ENDED_BY_SIGNAL.match(body.message):
        return Verdict.ABORTED, body.message
    by_findings, gave = weigh(findings)
    if by_findings is Verdict.FAIL:  # whatever came after it in the same body: a skip, or a bench that broke
        return by_findings, body.message if body.status == "FAIL" else _words(by_findings, gave)
    broke = BENCH_BROKE.search(body.message)
    if body.status != "PASS" and broke:
        return Verdict.INFRA, broke["what"]
    if body.status == "SKIP":
        said = verdict_of(body.status, body.message)
        return said, body.message.removeprefix(f"{said.value}:").strip()
    if body.status != "PASS" and not _fails_nobody(body, findings):
        return Verdict.FAIL, body.message
    return by_findings, _words(by_findings, gave)


def _fails_nobody(ending: Ending, findings: tuple[Finding, ...]) -> bool:
    """Whether all that Robot calls a failure is misses that count against nobody, where no keyword could end its test
    in another way: in setup and teardown, and where the test goes on after a failure."""
    harmless = [one.failure[:LEGIBLE] for one in findings if one.tolerated or not one.basis.kind.counts]
    harmless = [failure for failure in harmless if failure]
    said = [part for part in BETWEEN_FAILURES.split(ending.message) if part.strip()]
    return bool(said) and all(any(part.startswith(failure) for failure in harmless) for part in said)


def _words(verdict: Verdict, gave: tuple[Finding, ...]) -> str:
    if verdict is Verdict.PASS:
        return ""
    if not gave:
        return NOTHING_JUDGED
    if verdict is Verdict.OBSERVED and all(finding.outcome is Outcome.MET for finding in gave):
        return DEFAULTS_ALONE
    if verdict is Verdict.TOLERATED:
        return "; ".join(f"{finding.tolerated}: {finding}" for finding in gave)
    return "; ".join(
        f"{finding.outcome.value}: {finding}" if verdict is Verdict.CONDITIONAL else str(finding) for finding in gave
    )


def _as_it_counts(finding: Finding, endings: tuple[Ending, Ending]) -> Finding:
    """A failure that a test caught, because it expects it, counts against nobody."""
    failed = any(ending.status != "PASS" and finding.failure[:LEGIBLE] in ending.message for ending in endings)
    if finding.outcome is Outcome.MISSED and finding.failure and not failed:
        return replace(finding, outcome=Outcome.EXPECTED)
    return finding


SEVERAL = r"(?:Several failures occurred:\n\n1\) )?"
BETWEEN_FAILURES = re.compile(
    rf"\A(?:(?:Setup|Teardown|Keyword teardown) failed:\n)*{SEVERAL}"
    rf"|\n\n(?:Also (?:keyword )?teardown failed:\n{SEVERAL}|\d+\) )"
)
"""What Robot puts before each failure where a test has several, or had one in its setup or teardown."""
LEGIBLE = 300
"""So much of a long message stands in Robot's own as it was."""
