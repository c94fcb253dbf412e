"""How long a device may take, by what the bench file declares of it or by a default that says its basis.

Waits are made of these times.

Must not live here: waiting (``session``), the defaults (the bench has them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

__all__ = ["Allowance", "Slow", "allowance"]

PATIENCE = 2
"""A wait lasts so many times what was declared: who is slow is told apart from who is silent."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What ``device`` may take for ``what`` together: ``declared``, and on whose word (``basis``)."""

    device: str
    what: tuple[str, ...]
    declared: timedelta
    basis: str

    @property
    def patience(self) -> timedelta:
        """How long to wait before nothing is held to come."""
        return PATIENCE * self.declared


@dataclass(frozen=True, slots=True)
class Slow:
    """A device took longer than was declared of it: a finding of its own."""

    allowance: Allowance
    took: timedelta
    at_ns: int

    def __str__(self) -> str:
        told = self.allowance
        return (
            f"{told.device} took {self.took.total_seconds():g} s ({' and '.join(told.what)}), declared are "
            f"{told.declared.total_seconds():g} s ({told.basis})"
        )


def allowance(device: str, told: Mapping[str, Any], *what: str) -> Allowance:
    """What a device may take, from what the bench says of it.  A kind that has nothing to do with one of ``what`` (a
    device that never sleeps has no ``wake``) takes no time for it."""
    takes = {name: told["takes"][name] for name in what if name in told["takes"]}
    span = timedelta(microseconds=sum(int(time["ns"]) for time in takes.values()) // 1000)
    return Allowance(device, tuple(takes), span, "; ".join(f"{name}: {time['basis']}" for name, time in takes.items()))
