"""The ZCL Time cluster as far as a meter needs it: the time that the hub reports.

Must not live here: what a device does with that time.

Source: Zigbee Cluster Library, cluster 0x000A: attribute 0x0000 Time, UTCTime, seconds since 2000-01-01T00:00:00Z.
"""

from __future__ import annotations

from typing import Final

from devices.wire import zcl
from devices.wire.errors import WireError
from devices.wire.zcl import Frame

__all__ = ["CLUSTER", "report", "time_in"]

CLUSTER: Final = 0x000A
_REPORT_ATTRIBUTES: Final = 0x0A
_TIME: Final = bytes.fromhex("0000e2")  # attribute 0x0000 (little-endian), data type UTCTime
_UNKNOWN: Final = 0xFFFFFFFF


def report(seconds: int, sequence: int) -> bytes:
    """A whole ZCL frame in which the time server reports its time, ``seconds`` since 2000."""
    control = zcl.TO_CLIENT | zcl.DISABLE_DEFAULT_RESPONSE
    return zcl.encode(Frame(control, sequence, _REPORT_ATTRIBUTES, _TIME + seconds.to_bytes(4, "little")))


def time_in(octets: bytes) -> int | None:
    """The time that a report carries; None for any other frame, and for the value that means 'not known'."""
    try:
        frame = zcl.decode(octets)
    except WireError:
        return None
    if frame.command != _REPORT_ATTRIBUTES or frame.cluster_specific or not frame.to_client:
        return None
    if len(frame.payload) != 7 or not frame.payload.startswith(_TIME):
        return None
    seconds = int.from_bytes(frame.payload[3:], "little")
    return None if seconds == _UNKNOWN else seconds
