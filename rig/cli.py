"""The command line, `rig ...`."""

from __future__ import annotations


def main() -> int:
    return 2
