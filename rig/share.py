"""Where the suites, bench files and wiring lie: inside the installed package, or beside it in a clone.

Must not live here: reading them.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["folder"]

PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder ``name`` (``"robot_suites"`` or ``"wiring"``) as shipped with this installation."""
    installed = PACKAGE / "shipped" / name
    return installed if installed.is_dir() else PACKAGE.parent / name
