"""How our own modules are started as processes of their own.

Whatever lies in the working directory, ``queue.py``, ``devices/`` or ``rig.py``, must not stand in for what belongs to
the product or to Python: a child runs without the working directory in its path (``-P``), and so without entries of
``PYTHONPATH`` that mean it.

Must not live here: what the processes say to each other.
"""

from __future__ import annotations

import os
import sys

from rig import share

__all__ = ["command", "environment"]


def command(module: str) -> list[str]:
    """What starts ``module`` of this very installation with this very Python."""
    return [sys.executable, "-P", "-m", module]


def environment() -> dict[str, str]:
    """Our environment with a path on which the product is found from any folder."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    root = str(share.PACKAGE.parent)
    path = [root, *(part for part in given if os.path.isabs(part) and part != root)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
