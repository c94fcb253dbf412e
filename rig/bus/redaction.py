"""What nobody may read in evidence is taken out here: of records, time lines and captures alike, by one function.

Must not live here: where evidence is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["REDACTED", "SECRETS", "taken_out"]

SECRETS = frozenset(("install_code",))
"""The names of values that are secret wherever they stand."""
REDACTED = "(not shown)"


def taken_out(value: Any) -> Any:
    """``value`` as JSON types, with every secret in it replaced by words; an empty one stays, for it tells nothing."""
    if isinstance(value, Mapping):
        return {key: REDACTED if key in SECRETS and item else taken_out(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [taken_out(item) for item in value]
    return value
