"""XBee API frames a second: explicit receive frames (91) of 64 octets, API mode 2, from the line to a typed frame.

Must not live here: other people's parsers (``peer``).
"""

from __future__ import annotations

import random

from devices.wire import xbee
from rig.perf.measure import Pass

__all__ = ["lines", "parse"]

SIZE = 64  # octets of a frame before escaping: delimiter, length, frame data, checksum
_OVERHEAD = 4
_HEADER = 18  # octets of a 91 before its data


def lines(count: int = 1000, *, escaped: bool = True) -> list[bytes]:
    """So many frames as they come off a serial line, from a seed: in API mode 2, or in mode 1 when not ``escaped``."""
    rng = random.Random(64)
    return [
        xbee.frame(
            xbee.build(
                xbee.ExplicitReceive(
                    source=bytes.fromhex("0013A200") + rng.randbytes(4),
                    network=rng.randbytes(2),
                    source_endpoint=1,
                    destination_endpoint=1,
                    cluster=0x0704,
                    profile=0x0109,
                    options=1,
                    data=rng.randbytes(SIZE - _OVERHEAD - _HEADER),
                )
            ),
            escaped=escaped,
        )
        for _ in range(count)
    ]


def parse() -> Pass:
    """Find each frame in the octets of the line, check it and read it."""
    given = lines()

    def work() -> int:
        reader = xbee.Deframer()
        found = 0
        for octets in given:
            for data in reader.feed(octets):
                xbee.parse(data)
                found += 1
        return found

    return work
