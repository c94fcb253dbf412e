"""The COSEM objects of a stand-alone auxiliary proportional controller (SAPC), as data.

What commands write is read from the rows of the use-case table; the active copies, which no command of this device
reads, stand here by hand.

Must not live here: conduct (``machines``).

Source: facts/use-cases.md (ECS46d); facts/gbcs.md 4 (0x011A, 0x0120, 0x0122).
"""

from __future__ import annotations

from functools import cache

from devices.model.objects import AttributeDef, ObjectDef
from devices.model.row_objects import objects_of
from devices.wire import axdr

__all__ = ["sapc_objects"]

_CALENDAR = (10, bytes((0, 0, 12, 0, 2, 255)))
_SPECIAL_DAYS = (11, bytes((0, 0, 11, 0, 3, 255)))

_CORE: tuple[ObjectDef, ...] = tuple(
    ObjectDef(*place, name, {2: AttributeDef("entries", "array", "", axdr.array())})
    for place, name in ((_CALENDAR, "auxiliary controller calendar"), (_SPECIAL_DAYS, "its special days"))
)


@cache
def sapc_objects() -> tuple[ObjectDef, ...]:
    """Every object of the controller."""
    return objects_of("SAPC", _CORE)
