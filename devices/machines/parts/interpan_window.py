"""The window in which a hub speaks inter-PAN: when it opens, what keeps it alive, what closes it.

Two flags are seen from outside: *beaconing* (devices may join) and *inter-PAN* (a terminal may talk).  Both go on when
the hub is powered up, and off by time-out or by the installer's command.

Must not live here: what may pass while the window is open (``firewall``).

Source: facts/gbcs.md 8.1 [page seen] and facts/decided.md 2.1: 60 minutes from power-on, opened again by a power cycle
alone, and nothing extends it: a terminal that was introduced works on the HAN.  The 2013 slides kept the window alive
in use, let a command close it, and let joining follow it.  Here a terminal works over inter-PAN, as on the slides, so
theirs are the defaults (profile ``slides-1``); ``DECIDED`` has what was decided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from devices.events.hub import HubFlags
from devices.machines.core import Effect, Record, SetTimer, StopTimer
from devices.wire import zcl
from devices.wire.errors import DecodeError

__all__ = ["DECIDED", "FAULTS", "InterPanWindow", "OpenedBy", "WindowSettings", "close_frame", "is_close"]

SECOND: Final = 1_000_000_000
TIMER: Final = "interpan.window"

_TEST_MAKER: Final = 0xFFF1  # a manufacturer code set aside for tests
_CLOSE: Final = 0x00

NEVER_CLOSES: Final = "window-never-closes"
NOT_KEPT_ALIVE: Final = "window-not-kept-alive"
FAULTS: Final = frozenset({NEVER_CLOSES, NOT_KEPT_ALIVE})
"""Deliberate faults of a hub under test, by name."""


class OpenedBy(Enum):
    """The three ways that were proposed to open the window."""

    POWER_UP = "power-up"  # option 1: with the supply, until the time-out
    TRUSTED_DEVICE = "trusted-device"  # option 2: by the PIN-protected menu of a meter
    WAN_ABSENT = "wan-absent"  # option 3: without time-out while the WAN is away


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How the window behaves.  Seconds."""

    opened_by: OpenedBy = OpenedBy.POWER_UP  # option 1, the one that was decided, facts/decided.md 2.1 [page seen]
    open_s: int = 3600  # 60 minutes from power-up, facts/gbcs.md 8.1 [page seen]
    keep_alive_s: int = 3600  # from the last use, as on the slides; decided: 0, facts/decided.md 2.1 [page seen]
    close_by_command: bool = True  # the slides asked for a command that turns it off; decided: none [derived]
    beaconing: bool = True  # joining goes on with the window, as on the slides; decided: apart from it [page seen]

    def __post_init__(self) -> None:
        if self.opened_by is OpenedBy.TRUSTED_DEVICE:
            raise ValueError(
                "window settings: opened_by 'trusted-device' needs a meter with a menu for it, and none here has one; "
                "set 'power-up' or 'wan-absent'"
            )
        if self.open_s <= 0 or self.keep_alive_s < 0:
            raise ValueError(
                f"window settings: open_s must be above 0 and keep_alive_s not below 0, got {self.open_s} and "
                f"{self.keep_alive_s}"
            )

    @property
    def profile(self) -> str:
        """By whose text the window behaves, which a result made with it must say: ``decided``, ``slides-1``,
        ``slides-3`` or ``other`` (facts/decided.md)."""
        number = 1 if self.opened_by is OpenedBy.POWER_UP else 3  # option 2 is refused above
        slides = replace(WindowSettings(), opened_by=self.opened_by)
        return "decided" if self == DECIDED else f"slides-{number}" if self == slides else "other"


DECIDED: Final = WindowSettings(keep_alive_s=0, close_by_command=False, beaconing=False)
"""What was decided of the window (facts/decided.md 2.1)."""


class InterPanWindow:
    """The two flags of one hub and the timer behind them."""

    def __init__(self, settings: WindowSettings | None = None, faults: frozenset[str] = frozenset()) -> None:
        self.settings = settings or WindowSettings()
        self._faults = faults
        self.is_open = False
        self.closes_at: int | None = None

    @property
    def beaconing(self) -> bool:
        """The flag that devices may join: on with a window that has an end."""
        return self.is_open and self.settings.beaconing and self.closes_at is not None

    def power_up(self, now: int, *, wan_up: bool) -> list[Effect]:
        """The hub got its supply: open, where that is what opens it."""
        if self.settings.opened_by is OpenedBy.WAN_ABSENT:
            return self.wan(up=wan_up)
        self.is_open, self.closes_at = True, now + self.settings.open_s * SECOND
        return [*self._arm(), self._flags("power-up")]

    def wan(self, *, up: bool) -> list[Effect]:
        """The WAN came or went: option 3 opens and closes with it."""
        if self.settings.opened_by is not OpenedBy.WAN_ABSENT:
            return []
        if up:
            return self.close("wan")
        if self.is_open:
            return []
        self.is_open, self.closes_at = True, None
        return [self._flags("wan")]

    def used(self, now: int) -> list[Effect]:
        """A terminal used the open window properly: it stays open for ``keep_alive_s`` from now, or longer."""
        until = now + self.settings.keep_alive_s * SECOND
        if self.closes_at is None or until <= self.closes_at or NOT_KEPT_ALIVE in self._faults:
            return []
        self.closes_at = until
        return self._arm()

    def close(self, cause: str) -> list[Effect]:
        """Close now; ``cause`` is ``"command"``, ``"time-out"`` or ``"wan"``."""
        if not self.is_open:
            return []
        self.is_open, self.closes_at = False, None
        return [StopTimer(TIMER), self._flags(cause)]

    def fired(self, name: str) -> list[Effect] | None:
        """Take a timer; None when it is not ours."""
        return self.close("time-out") if name == TIMER else None

    def _arm(self) -> list[Effect]:
        bound = self.closes_at is not None and NEVER_CLOSES not in self._faults
        return [SetTimer(TIMER, self.closes_at or 0)] if bound else []

    def _flags(self, cause: str) -> Record:
        return Record(HubFlags(beaconing=self.beaconing, interpan=self.is_open, cause=cause, closes_at=self.closes_at))


def close_frame(sequence: int = 0) -> bytes:
    """The ZCL frame by which a terminal turns inter-PAN off, on the tunnelling cluster.  Its form is [our choice]."""
    control = zcl.CLUSTER_SPECIFIC | zcl.MANUFACTURER_SPECIFIC
    return zcl.encode(zcl.Frame(control, sequence, _CLOSE, b"", _TEST_MAKER))


def is_close(octets: bytes) -> bool:
    """Whether a ZCL frame of the tunnelling cluster is that command."""
    try:
        frame = zcl.decode(octets)
    except DecodeError:
        return False
    return (frame.manufacturer, frame.command, frame.cluster_specific) == (_TEST_MAKER, _CLOSE, True)
