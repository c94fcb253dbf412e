"""Arguments of what parties are asked, read the same way by each of them.

Must not live here: the arguments of commands (``building``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devices.machines.core import MachineError
from devices.wire import eui64
from devices.wire.errors import WireError

__all__ = ["eui_argument"]


def eui_argument(args: Mapping[str, Any], name: str) -> bytes:
    """The EUI-64 given as ``name``.  Raises :class:`MachineError`."""
    try:
        return eui64.parse(str(args[name]))
    except KeyError:
        raise MachineError(f"argument {name!r} is missing; give it the EUI-64")
    except WireError as error:
        raise MachineError(f"argument {name!r}: {error}")
