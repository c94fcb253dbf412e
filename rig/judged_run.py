"""What `rig run` adds to Robot about judging: a lab's own expectations and tolerated issues before the run; after it
xUnit from the records, and what the run has shown of the requirements.

Must not live here: judging (``rig.keywords``, ``rig.evidence``), which of Robot's options there are.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rig import requirements, share
from rig.evidence import catalogue, expectations, tolerated, xunit
from rig.evidence.expectations import BadExpectation
from rig.evidence.record import Record
from rig.evidence.tolerated import BadIssue

__all__ = ["BadTerms", "add_options", "environment", "shown", "write_xunit"]


class BadTerms(ValueError):
    """What a lab gave to judge by makes no sense; the text says where and what would."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Mount the options about judging."""
    parser.add_argument("--expectations", metavar="FILE", help="a lab's own expectations, beside the shipped ones")
    parser.add_argument("--tolerate", metavar="FILE", help="tolerated issues, beside those of the bench file")


def environment(own: str | None, issues: str | None, run_id: str) -> Mapping[str, str]:
    """What the keywords are told, after a look at the files.  Raises :class:`BadTerms`."""
    shipped = share.folder("robot_suites") / "resources" / "expectations.yaml"
    try:
        known = expectations.load(shipped, *([Path(own)] if own else []))
        for issue in tolerated.load(Path(issues)) if issues else ():
            if issue.expectation:
                known.named(issue.expectation)
    except (BadExpectation, BadIssue) as problem:
        raise BadTerms(str(problem)) from None
    whole = {name: str(Path(told).resolve()) if told else "" for name, told in (("E", own), ("T", issues))}
    return {"RIG_RUN": run_id, "RIG_EXPECTATIONS": whole["E"], "RIG_TOLERATE": whole["T"]}


def write_xunit(told: str, out: Path, records: Sequence[Record]) -> Path:
    """Write the xUnit file of a run: ``told`` is a path from the results folder, as Robot takes it.  Returns where."""
    path = Path(os.path.normpath(out / told))
    path = path if path.suffix else path.with_suffix(".xml")
    xunit.write(path, records)
    return path


def shown(records: Sequence[Record]) -> str:
    """What a run has shown of the requirements, in one line."""
    return catalogue.shown_line(requirements.rows(), records)
