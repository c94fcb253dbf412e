"""The published messages that lie beside a clone: commands that nobody here wrote.

Must not live here: the messages; they are not part of this project.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rig.keywords.session import Misused

__all__ = ["absent", "command"]


def folder() -> Path:
    """``RIG_CORPUS``, or ``../shared/corpus`` beside where the run was started."""
    return Path(os.environ.get("RIG_CORPUS") or "../shared/corpus")


def absent() -> str:
    """Why the corpus cannot be used, empty when it can."""
    if (folder() / "keys.json").is_file():
        return ""
    return f"the published messages are not at {folder()}; set RIG_CORPUS to their folder"


def command(use_case: str) -> dict[str, Any]:
    """The published SUCCESS command of a use case, in the form of a work order's command."""
    for path in sorted(folder().glob("*.jsonl")):
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
    raise Misused(f"no published SUCCESS command of {use_case} in {folder()}")
