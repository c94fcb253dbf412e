"""`rig run`: bring up a bench, run the Robot suites on it, say where the results are.

Three processes: Robot (this one), the bench, the broker (``rig.bench_up``).

Must not live here: what a bench is made of (``rig.node``), what a keyword does (``rig.keywords``), which options there
are (``rig.robot_options``).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from robot.api import ResultVisitor
from robot.run import run as run_robot  # type: ignore[import-untyped]

from devices.wire import eui64
from rig import judged_run, requirements, robot_options, selection, share
from rig.bench_up import BadRun, Order, add_options, kept_if_used, order, up
from rig.bus.errors import BusError
from rig.evidence import record
from rig.evidence.verdicts import Verdict, exit_status
from rig.exits import MOST_FAILURES, Exit, hush, table
from rig.keywords.listener import RunListener
from rig.keywords.session import session
from rig.node import bench_file
from rig.robot_files import forgiving
from rig.robot_options import RunOptions

__all__ = ["BadRun", "add_parser", "main"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount `rig run` on the command line.  The parser made here only explains; Robot's own reads the words."""
    parser = commands.add_parser(
        "run",
        help="bring up a bench and run Robot suites on it",
        usage="rig run [--bench FILE] [--set KEY=VALUE] [--out DIR] [any option of Robot's] [SUITE ...]",
        description="Bring up a bench (by default the virtual one, which needs no hardware), run Robot suites on it, "
        "and write results and evidence.  A SUITE is one of this project by name, or a path; default: all.",
        epilog=f"{ROBOTS}\n\n{table()}\nA dry run judges nothing and ends as Robot's does.\n\n"
        "example: rig run contactor_valve outage --include req:CV-1 --out results/today",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    judged_run.add_options(parser)
    parser.add_argument("--out", metavar="DIR", help="where results go; default: results/<date>-<time>-<run>")
    parser.set_defaults(handler=main, words=())


ROBOTS = """Every option of Robot's works as with `robot`, in its short form, from --argumentfile and ROBOT_OPTIONS too;
`robot --help` explains them.  Often wanted: --include TAG, --exclude TAG, --test NAME, --suite NAME,
--rerunfailed output.xml, --variable NAME:VALUE, --loglevel LEVEL, --name NAME, --xunit FILE, --dryrun, and --quiet,
which still names what failed."""


def main(args: argparse.Namespace) -> int:
    """Run; the exit status."""
    options = robot_options.read(args.words)
    if options.said:
        print(options.said)
        return Exit.GOOD
    wanted = order(options.bench, options.changes)
    suites = _suites(options)
    _check_selection(options, suites)
    terms = judged_run.environment(options.expectations, options.tolerate, wanted.run_id)
    listener = Listener(_attempts(options))
    with kept_if_used(Path(options.robot.get("outputdir") or Path("results") / wanted.folder_name)) as out:
        status = _run(options, suites, wanted, terms, out, listener)
        if status == Exit.MISUSE and not listener.total and not (out / "output.xml").exists():
            raise BadRun("nothing ran; what Robot could not use stands above")
    return status


def _run(
    options: RunOptions, suites: Sequence[Path], wanted: Order, terms: Mapping[str, str], out: Path, listener: Listener
) -> int:
    """Run in a place that is ready; the exit status."""
    started = time.monotonic()
    try:
        (out / "bench.yaml").write_text(bench_file.effective(wanted.path, wanted.overlay), encoding="utf-8")
        with ExitStack() as stack:
            if not options.robot.get("dryrun"):
                bench = stack.enter_context(up(wanted, out / "evidence"))
                os.environ |= {**bench.environment, **terms}
                session().watch(bench.gone)
                stack.callback(listener.leave)
            status = _robot(options, suites, out, listener, _metadata(wanted))
        if options.xunit:
            print(f"XUnit:   {judged_run.write_xunit(options.xunit, out, listener.records)}")
    except BusError as problem:
        print(f"rig run: INFRA: {problem}", file=sys.stderr)
        return Exit.INFRA
    except KeyboardInterrupt:  # before or after Robot, which takes Ctrl-C by itself
        print("rig run: stopped", file=sys.stderr)
        return Exit.STOPPED
    if status in (Exit.MISUSE, Exit.INFRA) and not listener.total:
        return status
    try:
        _tell(options, wanted, out, listener, time.monotonic() - started)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has seen enough; what came of the tests is said all the same
        hush()
    return _status(options, listener, status)


class Listener(RunListener):
    """The listener of every run, which also keeps in words what did not pass, for a run that says nothing else."""

    def __init__(self, attempts: Mapping[str, int]) -> None:
        super().__init__(attempts)
        self.unmet: list[str] = []

    def end_test(self, data: Any, result: Any) -> None:
        before = self.verdicts.copy()
        super().end_test(data, result)
        verdict = next(iter(self.verdicts - before), Verdict.FAIL if result.status == "FAIL" else Verdict.PASS)
        if verdict in (Verdict.FAIL, Verdict.INFRA, Verdict.ABORTED, Verdict.INCONCLUSIVE):
            first = (result.message.strip().splitlines() or [""])[0]
            self.unmet.append(f"{verdict.value}: {result.full_name}: {first.removeprefix(f'{verdict.value}: ')}")


class Relative(ResultVisitor):  # type: ignore[misc]  # the library is untyped
    """Links to evidence, made relative in log and report, so that a results folder can be moved as a whole.

    In output.xml they name the whole path: what `rebot --merge` makes of it, in whatever folder, finds them too.
    """

    def __init__(self, out: Path, log: str) -> None:
        folder = (out / log).parent if log.upper() != "NONE" else out
        self._whole, self._relative = out.as_uri() + "/", os.path.relpath(out, folder).removeprefix(".")
        self._relative += "/" if self._relative else ""

    def visit_message(self, message: Any) -> None:
        if message.html and self._whole in message.message:
            message.message = message.message.replace(f"'{self._whole}", f"'{self._relative}")


def _suites(options: RunOptions) -> list[Path]:
    """Those that were named; of a rerun else those of the run that it repeats; else all."""
    if options.suites:
        return [selection.suite_path(name) for name in options.suites]
    again = _repeated(options)
    return (selection.reruns(again) if again else []) or [share.folder("robot_suites")]


def _repeated(options: RunOptions) -> Path | None:
    """The ``output.xml`` of the run that this one repeats in part."""
    again = str(options.robot.get("rerunfailed") or options.robot.get("rerunfailedsuites") or "")
    return Path(again) if again and again.upper() != "NONE" else None  # Robot's word for no such file


def _attempts(options: RunOptions) -> Mapping[str, int]:
    """How often each test ran in the run that this one repeats.  Raises :class:`BadRun`."""
    again = _repeated(options)
    try:
        return record.attempts(again.parent) if again else {}
    except record.BadRecords as problem:
        raise BadRun(f"{problem}; move that file away to count attempts from 1") from None


def _check_selection(options: RunOptions, suites: Sequence[Path]) -> None:
    include, test = options.many("include"), [*options.many("test"), *options.many("task")]
    chosen = bool(include or test or options.many("suite")) and not options.robot.get("runemptysuite")
    exclude = options.many("exclude")
    top = selection.read(suites) if chosen or exclude else None
    if chosen:
        selection.check(top, include, test, options.many("suite"))
    for line in selection.nothing_excluded(top, exclude) if exclude else []:
        print(f"rig run: warning: {line}", file=sys.stderr)


def _robot(options: RunOptions, suites: Sequence[Path], out: Path, listener: Listener, metadata: list[str]) -> int:
    given = options.robot
    settings: dict[str, Any] = {"console": "verbose", **given}
    if len(suites) > 1:
        settings.setdefault("name", "Rig")
    settings |= {
        "outputdir": str(out),
        "listener": [*options.many("listener"), listener],
        "metadata": [*metadata, *options.many("metadata")],
        "tagdoc": [*_tag_docs(), *options.many("tagdoc")],
        "prerebotmodifier": [*options.many("prerebotmodifier"), Relative(out, given.get("log", "log.html"))],
    }
    if settings.pop("quiet", False):
        settings["console"] = "quiet"
    with forgiving() as lost:
        status = int(run_robot(*map(str, suites), **settings))
    for problem in lost:
        print(f"rig run: INFRA: {problem.filename} is not whole: {problem.strerror}", file=sys.stderr)
    return Exit.INFRA if lost else status


def _status(options: RunOptions, listener: Listener, robots: int) -> int:
    """Ours; Robot's where it says more: that it broke or was stopped, or what came of a dry run."""
    if robots in (Exit.STOPPED, Exit.INFRA, Exit.MISUSE):
        status = int(robots)
    elif options.robot.get("dryrun"):
        return robots
    else:
        status = exit_status(listener.verdicts, listener.stopped, broke=listener.infra, judged=listener.judged)
    return Exit.GOOD if options.robot.get("statusrc") is False and status <= MOST_FAILURES else status


def _tell(options: RunOptions, wanted: Order, out: Path, listener: Listener, took: float) -> None:
    """The last lines: what ran, what became of it, where the results are."""
    if options.robot.get("quiet") or options.robot.get("console", "").upper() in ("QUIET", "NONE"):
        for line in listener.unmet:
            print(f"rig run: {line}")
    if not options.robot.get("dryrun"):
        print(f"rig run: {judged_run.shown(listener.records)}")
    log = out / options.robot.get("log", "log.html")
    again = _repeated(options)
    ran = " ".join(options.suites) or (f"what failed in {again}" if again else "all suites")
    what = "dry run; " if options.robot.get("dryrun") else ""
    print(
        f"rig run: {listener.summary()} in {took:.1f} s ({what}{ran}; bench {wanted.bench.name}, "
        f"seed {wanted.bench.seed}); results: {log if log.exists() else out}, evidence: {out / 'evidence'}"
    )


def _metadata(wanted: Order) -> list[str]:
    """What a reader of the results must know of the run: it stands at the head of log and report."""
    bench = wanted.bench
    devices = ", ".join(
        f"{d.name} {eui64.text(d.eui)}{' *(under test)*' if d.under_test else ''}" for d in bench.devices.values()
    )
    return [
        f"Bench:{bench.name}, from {bench.source}; as it was used: bench.yaml",
        f"Seed:{bench.seed}",
        f"Changed with --set:{', '.join(wanted.changes) or 'nothing'}",
        f"Devices:{devices}",
        f"Rig:{_version()}",
        f"Run:{wanted.run_id}",
    ]


def _version() -> str:
    try:
        return version("gb-smart-meter-rig")
    except PackageNotFoundError:
        return "not installed"


def _tag_docs() -> list[str]:
    """What the tags of requirements mean, for the statistics of log and report."""
    return [f"req?{row.id}:{row.claim}" for row in requirements.rows().values()]  # Robot splits at the first colon
