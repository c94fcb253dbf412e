"""A run in a few lines: how often each of the nine verdicts was given, and what a reader of the report must see first.

Must not live here: how verdicts come about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rig.evidence.record import Record
from rig.evidence.verdicts import Verdict

__all__ = ["NOTHING_JUDGED", "counted", "first_page", "read"]

WORDS = {Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.SKIPPED: "skipped"}
NOTHING_JUDGED = "nothing was judged"
TOLD = 20
"""So many tests are named on the first page; the rest are counted."""


def counted(verdicts: Mapping[Verdict, int], *, judged: bool) -> str:
    """One line: how many tests ran, and what became of them; what was not given is left out, but for Robot's three.

    ``judged``: whether any of them said something of a device."""
    shown = [f"{verdicts.get(verdict, 0)} {word}" for verdict, word in WORDS.items()]
    shown += [
        f"{verdicts[verdict]} {verdict.value}" for verdict in Verdict if verdict not in WORDS and verdicts.get(verdict)
    ]
    total = sum(verdicts.values())
    return f"{total} tests: {', '.join(shown)}" + ("" if judged else f"; {NOTHING_JUDGED}")


def read(statuses: Mapping[str, int]) -> str:
    """One line about a dry run: how many tests were read, and how many of them cannot run, by Robot's statuses."""
    skipped = f", {statuses['SKIP']} would be skipped" if statuses.get("SKIP") else ""
    return f"{sum(statuses.values())} tests read: {statuses.get('FAIL', 0)} cannot run{skipped}; {NOTHING_JUDGED}"


def first_page(records: Sequence[Record]) -> dict[str, str]:
    """What stands at the head of the report beside Robot's three columns, which cannot tell nine verdicts apart."""
    verdicts = Counter(record.outcome for record in records)
    lines = {"Verdicts": ", ".join(f"{verdicts[verdict]} {verdict.value}" for verdict in Verdict if verdicts[verdict])}
    if not any(record.judged for record in records):
        lines["Verdicts"] = f"*{NOTHING_JUDGED}*" + (f": {lines['Verdicts']}" if records else "")
    for verdict in (
        Verdict.INFRA,
        Verdict.ABORTED,
        Verdict.INCONCLUSIVE,
        Verdict.CONDITIONAL,
        Verdict.OBSERVED,
        Verdict.TOLERATED,
    ):
        told = [record for record in records if record.outcome is verdict]
        if told:
            lines[verdict.value] = _named([f"{one.name}: {_short(one.reason)}" for one in told])
    unasked = [one for one in records if one.unasked_alerts]
    if unasked:
        lines["Alerts that nobody asked for"] = _named([f"{one.name}: {_alerts(one)}" for one in unasked])
    broke = [one for one in records if one.bench_broke and one.outcome is not Verdict.INFRA]
    if broke:
        lines["Bench broke after a verdict"] = _named(
            [f"{one.name} ({one.verdict}): {one.bench_broke}" for one in broke]
        )
    return lines


def _named(names: Sequence[str]) -> str:
    more = [f"and {len(names) - TOLD} more"] if len(names) > TOLD else []
    return "\n".join(f"- {name}" for name in [*names[:TOLD], *more])


def _alerts(record: Record) -> str:
    counted = Counter(f"{alert['code']} of {alert['device']}" for alert in record.unasked_alerts)
    return ", ".join(f"{what} (x{n})" for what, n in counted.items())


def _short(reason: str) -> str:
    first = (reason.strip().splitlines() or [""])[0]
    return first if len(first) <= 200 else f"{first[:199]}…"
