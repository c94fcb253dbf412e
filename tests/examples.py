"""How many examples a property is tried with: few in the quick suite, ``RIG_EXAMPLES`` times as many on demand."""

from __future__ import annotations

import os

__all__ = ["examples"]


def examples(number: int) -> int:
    """``number``, times ``RIG_EXAMPLES``."""
    return number * int(os.environ.get("RIG_EXAMPLES", "1"))
