"""Where the suites, bench files and wiring lie: inside the installed package, or beside it in a clone; and where the
published messages, which are no part of this project, may lie.

Must not live here: reading them.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["corpus", "folder"]

PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder ``name`` (``"robot_suites"`` or ``"wiring"``) as shipped with this installation."""
    installed = PACKAGE / "shipped" / name
    return installed if installed.is_dir() else PACKAGE.parent / name


def corpus() -> Path:
    """The folder of the published messages: ``RIG_CORPUS``, else ``../shared/corpus`` from where one stands or from the
    clone."""
    told = os.environ.get("RIG_CORPUS")
    if told:
        return Path(told)
    here = Path("../shared/corpus")
    return here if here.is_dir() else PACKAGE.parent.parent / "shared" / "corpus"
