"""How our own modules are started as processes of their own.

Whatever lies in the working directory, ``queue.py``, ``devices/`` or ``rig.py``, must not stand in for what belongs to
the product or to Python: a child runs without the working directory in its path (``-P``), and so without entries of
``PYTHONPATH`` that mean it.

Must not live here: what the processes say to each other.
"""

from __future__ import annotations

import atexit
import gc
import os
import subprocess
import sys
from typing import IO

from rig import share

__all__ = ["command", "end_soon", "environment", "start"]


def command(module: str) -> list[str]:
    """What starts ``module`` of this very installation with this very Python."""
    return [sys.executable, "-P", "-m", module]


def environment() -> dict[str, str]:
    """Our environment with a path on which the product is found from any folder."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    root = str(share.PACKAGE.parent)
    path = [root, *(part for part in given if os.path.isabs(part) and part != root)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def start(module: str, stderr: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """Start ``module`` as a process that we talk to through pipes, in a session of its own, so that Ctrl-C does not
    reach it; it is to end when its standard input does.  Its complaints go where ours go, or to ``stderr``.

    The one place where this product starts modules of its own.  Raises ``OSError``.
    """
    return subprocess.Popen(
        command(module),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
        env=environment(),
    )


def end_soon() -> None:
    """Have this process end without a search for garbage, which takes up to half a second where much was imported, and
    frees what the system takes back anyhow."""
    atexit.register(gc.freeze)
