"""The COSEM objects of the Communications Hub function, as data.

Must not live here: the conduct of the device log (``machines.comms_hub``).

Source: facts/gbcs.md 5.4; facts/use-cases.md (CCS01 to CCS07, ECS35c/d, ECS52).
"""

from __future__ import annotations

from devices.model.objects import AttributeDef, MethodDef, ObjectDef
from devices.wire import axdr

__all__ = ["CHF_OBJECTS", "DEVICE_LOG", "EVENT_LOG", "FIRMWARE", "HISTORIC_LOG", "SECURITY_LOG"]

DEVICE_LOG = (104, bytes((0, 0, 30, 3, 0, 255)))
HISTORIC_LOG = (104, bytes((0, 0, 30, 3, 1, 255)))
EVENT_LOG = (7, bytes((0, 0, 99, 98, 0, 255)))
SECURITY_LOG = (7, bytes((0, 0, 99, 98, 1, 255)))
FIRMWARE = (1, bytes((0, 0, 0, 2, 1, 255)))

_STATISTICS = (
    "array of structure{octet-string(8), bit-string(8), integer, integer, integer, unsigned, unsigned, unsigned, "
    "octet-string(12), unsigned, unsigned, unsigned, unsigned, unsigned}"
)
_BACKUP = "structure{octet-string(8), array of structure{octet-string(8), octet-string(16)}}"

CHF_OBJECTS: tuple[ObjectDef, ...] = (
    ObjectDef(
        *DEVICE_LOG,
        "ZigBee network control (device log)",
        {
            2: AttributeDef("enable_disable_joining", "boolean", "rw"),
            3: AttributeDef("join_timeout", "long-unsigned", "rw", axdr.u16(90)),
            4: AttributeDef("active_devices", _STATISTICS),
        },
        {
            1: MethodDef("register_device", "structure{octet-string[8], enum, octet-string[16], enum}"),
            2: MethodDef("unregister_device", "octet-string[8]"),
            4: MethodDef("backup_PAN", "null-data"),
            5: MethodDef("restore_PAN", _BACKUP),
        },
    ),
    ObjectDef(*HISTORIC_LOG, "historic device log", {}, {4: MethodDef("backup_PAN", "null-data")}),
    ObjectDef(*EVENT_LOG, "event log", {2: AttributeDef("buffer", "compact-array")}),
    ObjectDef(*SECURITY_LOG, "security log", {2: AttributeDef("buffer", "compact-array")}),
    ObjectDef(
        *FIRMWARE,
        "firmware version",
        {2: AttributeDef("value", "octet-string[4]", initial=axdr.octets(bytes.fromhex("00000001")))},
    ),
)
"""Every object of the hub; methods and logs are bound by the machine."""
