"""The clock of a bench, as its file says: virtual, or real time.

Must not live here: what is scheduled.
"""

from __future__ import annotations

from rig.ports.clock import RealClock
from rig.world.clock import VirtualClock

__all__ = ["BenchClock", "follows_real_time", "make_clock"]

BenchClock = VirtualClock | RealClock


def make_clock(kind: str) -> BenchClock:
    """A clock at 0: ``virtual`` jumps from event to event, ``real`` follows the machine's monotonic clock."""
    return RealClock() if kind == "real" else VirtualClock()


def follows_real_time(clock: BenchClock) -> bool:
    """Whether time passes by itself: on a real clock, and on a virtual one while an external program is attached."""
    return isinstance(clock, RealClock) or clock.attached > 0
