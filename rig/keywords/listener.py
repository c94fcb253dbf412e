"""The one listener of a run: concludes each test, writes its record, and maps its verdict to Robot's three.  It never
fails a test by itself.

Must not live here: how a verdict comes about (``rig.evidence.conclusion``), other evidence; keywords and the bench
write that.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any, ClassVar

from robot.api import logger
from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError
from robot.result import Keyword, TestCase, TestSuite  # type: ignore[import-untyped]

from rig.bus.errors import of_system
from rig.evidence import bench_times, summary
from rig.evidence import record as records
from rig.evidence.conclusion import SIGNAL, Conclusion, Ending, conclude
from rig.evidence.record import DeviceFacts, EvidenceFile, Record, basis_of
from rig.evidence.verdicts import ROBOT_STATUS, Verdict
from rig.keywords.judge import judge
from rig.keywords.session import evidence_folder, session

__all__ = ["RunListener"]

TAG = "verdict:"
"""The family of the tag that the result of a test gets, for Robot's own statistics and for `rebot --include`."""
CATCHING = frozenset(
    f"run keyword and {what}"
    for what in ("ignore error", "return status", "expect error", "warn on failure", "continue on failure")
) | {"wait until keyword succeeds"}
"""Robot's keywords that catch what another fails with, or go on after it."""
GOES_ON = ("continue-on-failure", "recursive-continue-on-failure")
"""Robot's own tags by which a test or keyword goes on after a failure."""
STOPPED = re.compile(rf"^(?:\d+\) )?{SIGNAL}", re.MULTILINE)
"""What Robot says itself of a stopped run, wherever it puts it; what a device shows stands within a line."""
NOT_ASKED = "the bench was not asked, or could not answer any more"


class RunListener:
    """Robot listener, API version 3."""

    ROBOT_LISTENER_API_VERSION = 3
    made: ClassVar[bool] = False
    """Whether this process has one already, from `rig run` or ``--listener``."""

    def __init__(self, attempts: Mapping[str, int] | None = None) -> None:
        """``attempts``: how often tests ran already in a run that this one repeats, by full name."""
        RunListener.made = True
        self.verdicts: Counter[Verdict] = Counter()
        self.records: list[Record] = []
        self.stopped = False
        """Whether the run was stopped by a signal (Ctrl-C), which Robot's own exit status does not tell."""
        self.infra = False
        """Whether the bench broke, be it after a verdict was given."""
        self.read: Counter[str] = Counter()
        """What a dry run says of the tests, by Robot's status; it judges nothing."""
        self.judged = False
        """Whether any test said something of a device."""
        self._body: Ending | None = None
        self._attempts: Counter[str] = Counter(attempts or {})
        self._ends = True

    # ------------------------------------------------------------------------------------------------ what Robot tells

    def start_suite(self, data: Any, _result: Any) -> None:
        """A run begins with its outermost suite: say how long the selected tests will take on a bench with a real
        clock."""
        if data.parent is None:
            judge().begin_run()
        if data.parent is None and os.environ.get("RIG_CLOCK") == "real" and _folder() is not None:
            times = [bench_times.expected_s(Path(one.source), one.parent.name, one.name) for one in data.all_tests]
            logger.console(bench_times.announcement(times, float(os.environ.get("RIG_LONGEST_TEST_S", "inf"))))

    def start_test(self, data: Any, _result: Any) -> None:
        """Nothing is found of this test yet."""
        self._body = None
        self._ends = judge().may_end = not getattr(data, "template", None)  # a template goes on with its next row
        judge().begin(str(data.name))
        session().start_test()

    def start_keyword(self, _data: Any, result: Any) -> None:
        """Know what a test ended in before its teardown, and whether a keyword may end it here."""
        if isinstance(result.parent, TestCase) and result.type == result.TEARDOWN:
            self._body = Ending(result.parent.status, result.parent.message)
        judge().may_end = self._ends and _ends_by_failing(result)

    def end_keyword(self, _data: Any, result: Any) -> None:
        """What comes next stands where this keyword stood."""
        judge().may_end = self._ends and _ends_by_failing(result.parent)

    def end_test(self, data: Any, result: Any) -> None:
        """Conclude the test: give it the status of Robot's that belongs to its verdict, and write its record."""
        if _dry():  # nothing ran, and what Robot says of the words is all there is to say
            self.read[str(result.status)] += 1
            return
        self.stopped |= STOPPED.search(result.message) is not None
        end = Ending(result.status, result.message)
        told = conclude(self._body or end, end, judge().findings, stopped=self.stopped)
        self.verdicts[told.verdict] += 1
        self.judged |= told.judged
        self.infra |= bool(told.broke) or told.verdict is Verdict.INFRA
        result.status = ROBOT_STATUS[told.verdict]
        result.message = _message(told, end)
        folder = _folder()
        if folder is not None:
            result.tags.add(f"{TAG}{told.verdict.value}")
            self._attempts[str(result.full_name)] += 1
            one = _record(data, result, told, self._attempts[str(result.full_name)])
            self.records.append(one)
            try:
                records.append(folder, one)
            except OSError as problem:
                self.infra = True
                logger.error(f"INFRA: the record of {result.full_name} is not kept: {of_system(problem)}")

    def end_suite(self, _data: Any, result: Any) -> None:
        """Put on the first page of the report what Robot's three columns cannot tell."""
        if result.parent is None and _folder() is not None:
            for name, text in summary.first_page(self.records).items():
                result.metadata[name] = text

    # ---------------------------------------------------------------------------------------------- what a run is told

    def leave(self) -> None:
        """Give the bench back."""
        session().close()

    def close(self) -> None:
        """Robot has ended."""
        self.leave()

    @property
    def total(self) -> int:
        return sum(self.verdicts.values()) + sum(self.read.values())

    def summary(self) -> str:
        """One line: how many ran, and what became of them, all nine counted; or how many a dry run has read."""
        return summary.read(self.read) if self.read else summary.counted(self.verdicts, judged=self.judged)


def _dry() -> bool:
    try:
        return bool(BuiltIn().dry_run_active)
    except RobotNotRunningError:
        return False


def _ends_by_failing(place: Any) -> bool:
    """Whether a failure here ends the test: nothing around it catches it or goes on after it, and it is in no setup or
    teardown, after which Robot goes on by rules of its own."""
    while place is not None and not isinstance(place, TestSuite):
        if isinstance(place, TestCase | Keyword) and any(map(place.tags.robot, GOES_ON)):
            return False
        if place.type == place.TRY or (isinstance(place, Keyword) and str(place.name).casefold() in CATCHING):
            return False
        if isinstance(place.parent, TestCase) and place.type in (place.SETUP, place.TEARDOWN):
            return False
        place = place.parent
    return True


def _folder() -> Path | None:
    """The results folder; None in a dry run, which judges nothing, and outside of a run."""
    try:
        told = None if _dry() else BuiltIn().get_variable_value("${OUTPUT DIR}")
    except RobotNotRunningError:
        return None
    return Path(str(told)) if told else None


def _message(told: Conclusion, end: Ending) -> str:
    """What stands beside the test in log and report: Robot's words, with the verdict before them where it is none of
    Robot's, and with what broke in the end."""
    robots = (Verdict.PASS, Verdict.FAIL, Verdict.INFRA, Verdict.ABORTED, Verdict.SKIPPED)
    message = end.message
    if told.verdict is Verdict.FAIL and end.status != "FAIL":  # a finding that ended nothing, or a skip after it
        message = told.reason
    if told.verdict not in robots:
        message = f"{told.verdict.value}: {told.reason}"
    if told.broke and told.verdict is not Verdict.INFRA:
        first = message if told.verdict not in (Verdict.PASS,) else f"{told.verdict.value}"
        message = first if told.broke in first else f"{first}\n\nAfter that the bench broke: {told.broke}"
    return message


def _record(data: Any, result: Any, told: Conclusion, attempts: int) -> Record:
    now = session()
    tags = [str(tag) for tag in result.tags]
    suites: list[str] = []
    parent = result.parent
    while parent is not None:
        suites.insert(0, str(parent.name))
        parent = parent.parent
    described = now.described
    return Record(
        test=str(result.full_name),
        name=str(result.name),
        suites=tuple(suites),
        claim=(str(data.doc).strip().splitlines() or [""])[0],
        verdict=told.verdict.value,
        reason=told.reason,
        bench_broke=told.broke,
        requirements=tuple(tag.partition(":")[2].upper() for tag in tags if tag.casefold().startswith("req:")),
        bad="bad" in map(str.casefold, tags),
        run=os.environ.get("RIG_RUN", ""),
        bench=str(described.get("bench", os.environ.get("RIG_BENCH", ""))),
        seed=described.get("seed"),
        profile=str(described.get("profile", "")),
        basis=basis_of(told.findings),
        findings=tuple(finding.as_json() for finding in told.findings),
        attempts=attempts,
        devices=tuple(_device(name, facts) for name, facts in now.devices.items()),
        files=tuple(EvidenceFile(**{**one, "name": _place(str(one["name"]))}) for one in now.files),
        absent=dict(now.absent),
        unasked_alerts=now.unasked,
        repeatable=_repeatable(tags),
        started=str(result.start_time.astimezone(UTC).isoformat(timespec="milliseconds")),
        elapsed_s=round(result.elapsed_time.total_seconds(), 3),
        bench_s=round(now.now / 1e9, 3) if now.full_name == str(result.full_name) else 0.0,
    )


def _place(name: str) -> str:
    """Where a file of evidence lies: its place in the results folder, or the whole path where evidence is elsewhere, as
    on a bench that is kept up."""
    folder, evidence = _folder(), evidence_folder()
    if folder is None or evidence is None or evidence.parent.resolve() == folder.resolve():
        return name
    return str(evidence.parent / name)


def _device(name: str, facts: Any) -> DeviceFacts:
    now = session()
    before, after = now.before.get(name), now.after.get(name)
    not_read = {} if before else {"before": NOT_ASKED}
    for told in (before, after):
        not_read |= told["not_read"] if told else {}
    return DeviceFacts(
        name=name,
        kind=str(facts["kind"]),
        eui=str(facts["eui"]),
        role="under test" if facts.get("under_test") else "emulated",
        before=before["sensed"] if before else {},
        after=after["sensed"] if after else {},
        not_read=not_read | ({} if after else {"after": NOT_ASKED}),
    )


def _repeatable(tags: list[str]) -> str:
    reasons = [str(session().described.get("not_repeatable", ""))]
    reasons += ["a person takes part"] if "manual" in map(str.casefold, tags) else []
    told = ", ".join(reason for reason in reasons if reason)
    return f"no, because {told}" if told else "yes"
