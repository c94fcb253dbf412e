"""What a corpus check counts: how many of each kind there should be, how many are good, what fell short and why, and
what nobody can check.

Must not live here: the checking (``check``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rig.gbcs.corpus import Entry

__all__ = ["Count", "Failure", "Tally", "table"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Which message fell short or cannot be checked, in what, and why."""

    name: str
    what: str
    reason: str


@dataclass(slots=True)
class Count:
    """How many there should be and how many are good; what cannot be checked is not among them."""

    expected: int = 0
    valid: int = 0

    def as_json(self, valid: str = "valid", expected: str = "expected") -> dict[str, int]:
        return {valid: self.valid, expected: self.expected}


@dataclass(slots=True)
class Tally:
    """The outcome of a whole check."""

    messages: int = 0
    decoded: int = 0
    reencoded: int = 0
    signatures: Count = field(default_factory=Count)
    macs: Count = field(default_factory=Count)
    decrypted: Count = field(default_factory=Count)
    rebuilt: Count = field(default_factory=Count)
    executed: Count = field(default_factory=Count)
    answered: Count = field(default_factory=Count)
    values: Count = field(default_factory=Count)
    failures: list[Failure] = field(default_factory=list)
    not_checkable: list[Failure] = field(default_factory=list)

    def judge(self, count: Count, entry: Entry, what: str, reason: str, unpublished: str = "") -> None:
        """Count an entry as good, or note the reason why not: it falls short, or the key ``unpublished`` that it would
        take is nobody's to use."""
        if unpublished:
            self.not_checkable.append(Failure(entry.name, what, f"the private key '{unpublished}' is not published"))
            return
        count.expected += 1
        if reason:
            self.failures.append(Failure(entry.name, what, reason))
        else:
            count.valid += 1

    def as_json(self) -> dict[str, Any]:
        return {
            "messages": self.messages,
            "decoded": self.decoded,
            "reencoded": self.reencoded,
            "signatures": self.signatures.as_json(),
            "macs": self.macs.as_json(),
            "decrypted": self.decrypted.as_json(),
            "rebuilt": self.rebuilt.as_json("equal", "commands"),
            "executed": self.executed.as_json("done", "commands"),
            "answered": self.answered.as_json("done", "commands"),
            "values": self.values.as_json("equal", "answers"),
            "failures": [_as_json(one) for one in self.failures],
        } | ({"not_checkable": [_as_json(one) for one in self.not_checkable]} if self.not_checkable else {})


def _as_json(one: Failure) -> dict[str, str]:
    return {"name": one.name, "what": one.what, "reason": one.reason}


def table(tally: Tally) -> str:
    """The counts as a table, and below it what falls short and what cannot be checked."""
    rows = [
        ("decoded", tally.decoded, tally.messages),
        ("re-encoded", tally.reencoded, tally.messages),
        ("signatures", tally.signatures.valid, tally.signatures.expected),
        ("MACs", tally.macs.valid, tally.macs.expected),
        ("decrypted", tally.decrypted.valid, tally.decrypted.expected),
        ("rebuilt", tally.rebuilt.valid, tally.rebuilt.expected),
        ("executed", tally.executed.valid, tally.executed.expected),
        ("answered", tally.answered.valid, tally.answered.expected),
        ("values", tally.values.valid, tally.values.expected),
    ]
    lines = [f"{tally.messages} messages", "", f"{'':<12}{'good':>8}{'expected':>10}"]
    lines += [f"{name:<12}{good:>8}{wanted:>10}{'' if good == wanted else '   short'}" for name, good, wanted in rows]
    for what, listed in (("failures", tally.failures), ("not checkable", tally.not_checkable)):
        if listed:
            lines += ["", f"{len(listed)} {what}:"]
            lines += [f"  {one.name}: {one.what}: {one.reason}" for one in listed]
    return "\n".join(lines)
