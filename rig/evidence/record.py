"""The record of one test: one frozen dataclass, one line of ``records.jsonl`` in the results folder.

Summary, first page of the report, xUnit and the requirements' page are made from records, and so is everything later.

Must not live here: deciding the verdict (``conclusion``), asking the bench (``rig.keywords``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rig.bus.redaction import taken_out
from rig.evidence.judging import Finding
from rig.evidence.verdicts import JUDGED, Verdict

__all__ = [
    "RECORDS",
    "BadRecords",
    "DeviceFacts",
    "EvidenceFile",
    "Record",
    "append",
    "attempts",
    "basis_of",
    "latest",
    "read",
]

RECORDS = "records.jsonl"
VERSION = 1


class BadRecords(ValueError):
    """A file of records cannot be read; the text says where, what was expected and what stands there."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device of the bench: whether it was emulated or under test, and what was sensed of it before and after.

    ``not_read`` says of what nothing was read, and why: some things cannot be read without changing them.
    """

    name: str
    kind: str
    eui: str
    role: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    not_read: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """One file of evidence: its place in the results folder, its size in octets and its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one test.  ``findings`` are in the form of :meth:`Finding.as_json`, the order that of the test.

    ``suites`` are the names of the suites around it, the outermost first; ``requirements`` the ids of its rows;
    ``bench_s`` is the bench time at its end, counted from the making of its premises;
    ``attempts`` how often it ran in this run and in those that it repeats;
    ``bench_broke`` what broke, also where a verdict was given before;
    ``unasked_alerts`` are the alerts that came and that the test had not asked for: code, use case (of its message),
    device, party, bench time; ``absent`` are captures that are not there, each with the reason; ``repeatable`` is
    ``yes``, or ``no, because ...``.
    """

    test: str
    name: str
    suites: tuple[str, ...]
    claim: str
    verdict: str
    reason: str
    bench_broke: str = ""
    requirements: tuple[str, ...] = ()
    bad: bool = False
    run: str = ""
    bench: str = ""
    seed: int | None = None
    profile: str = ""
    basis: tuple[Mapping[str, str], ...] = ()
    findings: tuple[Mapping[str, Any], ...] = ()
    attempts: int = 1
    devices: tuple[DeviceFacts, ...] = ()
    files: tuple[EvidenceFile, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    unasked_alerts: tuple[Mapping[str, Any], ...] = ()
    repeatable: str = ""
    started: str = ""
    elapsed_s: float = 0.0
    bench_s: float = 0.0

    @property
    def outcome(self) -> Verdict:
        """The verdict as such."""
        return Verdict(self.verdict)

    @property
    def judged(self) -> bool:
        """Whether the test said something of a device: one that is OBSERVED without a finding did not."""
        return self.outcome in JUDGED and (self.outcome is not Verdict.OBSERVED or bool(self.findings))

    def as_json(self) -> dict[str, Any]:
        """The record as one JSON object, with no secret in it."""
        told: dict[str, Any] = taken_out({"version": VERSION, **asdict(self)})
        return told


def basis_of(findings: Iterable[Finding]) -> tuple[Mapping[str, str], ...]:
    """What findings rest on: each basis once, in the order of the findings."""
    seen = dict.fromkeys((finding.basis.kind.name, finding.basis.source) for finding in findings)
    return tuple({"kind": kind, "source": source} for kind, source in seen)


def append(folder: Path, record: Record) -> None:
    """Write one record at the end of the file in a results folder."""
    with (folder / RECORDS).open("a", encoding="utf-8", errors="backslashreplace") as lines:
        lines.write(json.dumps(record.as_json(), ensure_ascii=False) + "\n")


def read(path: Path) -> list[Record]:
    """The records of a file, or of the results folder ``path``; where a test ran more than once its last one.

    Raises :class:`BadRecords`.
    """
    path = path / RECORDS if path.is_dir() else path
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise BadRecords(f"{path}: expected records of a run, got {problem}") from None
    return latest([_of_json(f"{path}, line {number}", line) for number, line in enumerate(lines, 1)])


def attempts(folder: Path) -> dict[str, int]:
    """How often each test ran already, as the records in a results folder say; nothing where it has none.

    Raises :class:`BadRecords`.
    """
    return {one.test: one.attempts for one in read(folder)} if (folder / RECORDS).exists() else {}


def _of_json(where: str, line: str) -> Record:
    try:
        told = json.loads(line)
        if told.pop("version") != VERSION:
            raise BadRecords(f"{where}: expected version {VERSION} of a record, got another")
        Verdict(told["verdict"])
        return Record(
            **{
                **told,
                "devices": tuple(DeviceFacts(**one) for one in told.get("devices", ())),
                "files": tuple(EvidenceFile(**one) for one in told.get("files", ())),
                **{
                    key: tuple(told[key])
                    for key in ("suites", "requirements", "basis", "findings", "unasked_alerts")
                    if key in told
                },
            }
        )
    except BadRecords:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise BadRecords(f"{where}: expected the record of a test, got {line[:80]!r} ({problem})") from None


def latest(records: Sequence[Record]) -> list[Record]:
    """Of each test its last record, in the order of those."""
    found: dict[str, Record] = {}
    for record in records:
        found.pop(record.test, None)
        found[record.test] = record
    return list(found.values())
