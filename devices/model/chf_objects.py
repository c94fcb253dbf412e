"""The COSEM objects of the Communications Hub function, as data.

Those with a value at manufacture or a type that the table lacks stand here by hand; all others are read from the rows
of the use-case table.

Must not live here: the conduct of the device log or of the Sub GHz radio (``machines``).

Source: facts/gbcs.md 5.4; facts/use-cases.md (CCS01 to CCS07, DBCH01 to DBCH05, ECS26i/n, ECS35c/d, ECS52).
"""

from __future__ import annotations

from functools import cache

from devices.model.objects import AttributeDef, MethodDef, ObjectDef
from devices.model.row_objects import objects_of
from devices.wire import axdr

__all__ = [
    "CHANNEL",
    "CHANNEL_LOG",
    "CHANNEL_SCAN",
    "DEVICE_LOG",
    "EVENT_LOG",
    "FIRMWARE",
    "HISTORIC_LOG",
    "IDENTIFIER",
    "SECURITY_LOG",
    "SUB_GHZ_CONFIGURATION",
    "chf_objects",
]

DEVICE_LOG = (104, bytes((0, 0, 30, 3, 0, 255)))
HISTORIC_LOG = (104, bytes((0, 0, 30, 3, 1, 255)))
EVENT_LOG = (7, bytes((0, 0, 99, 98, 0, 255)))
SECURITY_LOG = (7, bytes((0, 0, 99, 98, 1, 255)))
FIRMWARE = (1, bytes((0, 0, 0, 2, 1, 255)))
IDENTIFIER = (1, bytes((0, 0, 96, 1, 1, 255)))
SUB_GHZ_CONFIGURATION = (1, bytes((0, 0, 94, 44, 10, 0)))
CHANNEL_SCAN = (1, bytes((0, 0, 94, 44, 10, 1)))
CHANNEL = (1, bytes((0, 0, 94, 44, 10, 2)))
CHANNEL_LOG = (7, bytes((0, 0, 94, 44, 10, 3)))

_STATISTICS = (
    "array of structure{octet-string(8), bit-string(8), integer, integer, integer, unsigned, unsigned, unsigned, "
    "octet-string(12), unsigned, unsigned, unsigned, unsigned, unsigned}"
)
_BACKUP = "structure{octet-string(8), array of structure{octet-string(8), octet-string(16)}}"

_CORE: tuple[ObjectDef, ...] = (
    ObjectDef(
        *DEVICE_LOG,
        "ZigBee network control (device log)",
        {
            2: AttributeDef("enable_disable_joining", "boolean", "rw"),
            3: AttributeDef("join_timeout", "long-unsigned", "rw", axdr.u16(90)),
            4: AttributeDef("active_devices", _STATISTICS, initial=axdr.array()),
        },
        {
            1: MethodDef("register_device", "structure{octet-string[8], enum, octet-string[16], enum}"),
            2: MethodDef("unregister_device", "octet-string[8]"),
            4: MethodDef("backup_PAN", "null-data"),
            5: MethodDef("restore_PAN", _BACKUP),
        },
    ),
    ObjectDef(*HISTORIC_LOG, "historic device log", {}, {4: MethodDef("backup_PAN", "null-data")}),
    ObjectDef(*EVENT_LOG, "event log", {2: AttributeDef("buffer", "any")}),
    ObjectDef(*SECURITY_LOG, "security log", {2: AttributeDef("buffer", "any")}),
    ObjectDef(*CHANNEL_LOG, "Sub GHz channel log", {2: AttributeDef("buffer", "any")}),
    ObjectDef(*FIRMWARE, "firmware version", {2: AttributeDef("value", "octet-string[4]")}),
)


@cache
def chf_objects() -> tuple[ObjectDef, ...]:
    """Every object of the hub; methods and logs are bound by the machine."""
    return objects_of("CHF", _CORE)
