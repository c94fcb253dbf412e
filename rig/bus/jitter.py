"""Delays for MQTT callbacks, to show that nothing hangs on the instants at which they come.

Must not live here: anything that a run depends on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import SystemRandom

__all__ = ["jitter"]


def jitter() -> Callable[[], float] | None:
    """A delay in seconds, different at each call, up to ``RIG_JITTER`` seconds; None where that is not set.

    Raises ``ValueError`` where it is no number."""
    told = os.environ.get("RIG_JITTER") or "0"
    try:
        most = float(told)
    except ValueError:
        raise ValueError(f"RIG_JITTER: expected a number of seconds such as 0.02, got {told!r}") from None
    dice = SystemRandom()
    return (lambda: dice.uniform(0, most)) if most > 0 else None
