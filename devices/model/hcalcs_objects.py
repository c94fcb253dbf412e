"""The COSEM objects of a HAN connected auxiliary load control switch (HCALCS): those of its DLMS commands, of which the
use-case table has none so far.

Must not live here: conduct (``machines``); what it is told over ZigBee.

Source: facts/use-cases.md ("devices").
"""

from __future__ import annotations

from functools import cache

from devices.model.objects import ObjectDef
from devices.model.row_objects import objects_of

__all__ = ["hcalcs_objects"]


@cache
def hcalcs_objects() -> tuple[ObjectDef, ...]:
    """Every object of the switch."""
    return objects_of("HCALCS")
