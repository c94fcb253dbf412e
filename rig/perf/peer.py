"""The same frames through digi-xbee, where it is installed: a peer to compare with.  Only this file imports it.

Its parser takes frames whose escapes its reader has already turned back, so it is given API mode 1: it does less work
here than ours, which finds the frame and turns the escapes back as well.
"""

from __future__ import annotations

from importlib.util import find_spec

from rig.perf.frames import lines
from rig.perf.measure import Pass

__all__ = ["digi_xbee"]


def digi_xbee() -> Pass | None:
    """digi-xbee on the frames of ``frames.parse``; None where it is not installed."""
    if find_spec("digi") is None:
        return None
    from digi.xbee.models.mode import OperatingMode  # type: ignore[import-untyped]
    from digi.xbee.packets.factory import build_frame  # type: ignore[import-untyped]

    given = [bytearray(octets) for octets in lines(escaped=False)]
    mode = OperatingMode.API_MODE

    def work() -> int:
        for octets in given:
            build_frame(octets, mode)
        return len(given)

    return work
