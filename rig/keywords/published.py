"""The published messages that lie beside a clone: commands that nobody here wrote.

Must not live here: the messages; they are not part of this project.
"""

from __future__ import annotations

import json
from typing import Any

from rig import share
from rig.keywords.session import Misused

__all__ = ["absent", "command"]


def absent() -> str:
    """Why the corpus cannot be used, empty when it can."""
    if (share.corpus() / "keys.json").is_file():
        return ""
    return f"the published messages are not at {share.corpus()}; set RIG_CORPUS to their folder"


def command(use_case: str) -> dict[str, Any]:
    """The published SUCCESS command of a use case, in the form of a work order's command."""
    for path in sorted(share.corpus().glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            message = json.loads(line)
            if message["use_case"] == use_case and message["kind"] == "command" and message["outcome"] == "SUCCESS":
                return {
                    "name": use_case,
                    "use_case": use_case,
                    "target": message["recipient"],
                    "octets": message["hex"],
                    "counter": message["originator_counter"],
                }
    raise Misused(f"no published SUCCESS command of {use_case} in {share.corpus()}")
