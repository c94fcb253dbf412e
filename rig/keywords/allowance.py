"""How long a device may take, by what the bench file declares of it or by a default that says its basis.

Waits are made of these times.

Must not live here: waiting (``session``), the defaults (the bench has them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rig.evidence.judging import Basis, BasisKind, Finding, Limit, Outcome, Reading

__all__ = ["Allowance", "allowance"]

PATIENCE = 2
"""A wait lasts so many times what was declared: who is slow is told apart from who is silent."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What ``device`` may take for ``what`` together: ``declared``, and on whose word (``basis``)."""

    device: str
    what: tuple[str, ...]
    declared: timedelta
    basis: Basis

    @property
    def patience(self) -> timedelta:
        """How long to wait before nothing is held to come."""
        return PATIENCE * self.declared

    def held_against(self, took: timedelta, at_ns: int) -> Finding | None:
        """What it means that the device took so long: nothing, or a finding of its own."""
        if took <= self.declared:
            return None
        reading, limit = Reading(took.total_seconds(), "s"), Limit(None, self.declared.total_seconds(), "s")
        what = f"{self.device} takes no longer for {' and '.join(self.what)} than it may"
        return Finding(
            what, Outcome.MISSED, self.basis, "takes", self.device, reading=reading, limit=limit, at_ns=at_ns
        )


def allowance(device: str, told: Mapping[str, Any], *what: str) -> Allowance:
    """What a device may take, from what the bench says of it.  A kind that has nothing to do with one of ``what`` (a
    device that never sleeps has no ``wake``) takes no time for it."""
    takes = {name: told["takes"][name] for name in what if name in told["takes"]}
    span = timedelta(microseconds=sum(int(time["ns"]) for time in takes.values()) // 1000)
    declared = bool(takes) and all(time["declared"] for time in takes.values())
    kind = BasisKind.DECLARATION if declared else BasisKind.OWN_DEFAULT
    source = "; ".join(f"{name}: {time['basis']}" for name, time in takes.items())
    return Allowance(device, tuple(takes), span, Basis(kind, source))
