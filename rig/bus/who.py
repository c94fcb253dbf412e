"""Who speaks, for people who find a bench taken.

Must not live here: names that programs go by (``topics``).
"""

from __future__ import annotations

import getpass
import os
import socket

__all__ = ["who"]


def who() -> str:
    """The user, machine and process that this is, e.g. ``ana@lab-1, process 812``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user whom the system has no name for
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}, process {os.getpid()}"
