"""The load switch of a meter: the supply state as a table, and the pulses that move a bistable contactor.

The supply is enabled, armed or disabled.  Enabling closes the contactor at once; arming leaves it open until somebody
acts at the meter.  The contactor has a coil for each direction, driven by one pulse, never both at once.

Must not live here: who may command it (``commands``), buttons and displays (``esme``), relay physics (the bench).

Source: facts/gbcs.md 10.1 [single source each]; pulse and settling times [our choice].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from devices.events.supply import ContactorChecked, ContactorDriven
from devices.machines.core import Drive, Effect, Record, SetTimer, StopTimer

__all__ = ["PULSE", "TRANSITIONS", "Contactor", "ContactorSettings", "Supply", "SupplyEvent", "after"]

MILLISECOND = 1_000_000


PULSE = "contactor.pulse"
AGAIN = "contactor.again"
"""The timer that ends a pulse."""


class Supply(Enum):
    """The supply state; the value is the control_state of the COSEM disconnect control."""

    DISABLED = 0
    ENABLED = 1
    ARMED = 2


class SupplyEvent(Enum):
    """What can change the supply state."""

    ENABLE = "enable"
    DISABLE = "disable"
    ARM = "arm"
    LOCAL_ACT = "local act"


TRANSITIONS: Mapping[tuple[Supply, SupplyEvent], Supply] = {
    (Supply.DISABLED, SupplyEvent.ENABLE): Supply.ENABLED,
    (Supply.ARMED, SupplyEvent.ENABLE): Supply.ENABLED,
    (Supply.ENABLED, SupplyEvent.DISABLE): Supply.DISABLED,
    (Supply.ARMED, SupplyEvent.DISABLE): Supply.DISABLED,
    (Supply.DISABLED, SupplyEvent.ARM): Supply.ARMED,
    # No source says what arming does to a supply that is on; an armed supply is off, so it goes off [our choice].  A
    # meter's settings may take this row out.
    (Supply.ENABLED, SupplyEvent.ARM): Supply.ARMED,
    (Supply.ARMED, SupplyEvent.LOCAL_ACT): Supply.ENABLED,
}
"""State and event to new state; what is not here changes nothing."""


def after(
    state: Supply, event: SupplyEvent, table: Mapping[tuple[Supply, SupplyEvent], Supply] = TRANSITIONS
) -> Supply:
    """The supply state after ``event``."""
    return table.get((state, event), state)


@dataclass(frozen=True, slots=True)
class ContactorSettings:
    """How the contactor is driven and believed."""

    pulse_ns: int = 80 * MILLISECOND  # usual for bistable meter contactors [our choice]
    settle_ns: int = 60 * MILLISECOND  # from the end of the pulse until the auxiliary contact is judged [our choice]
    set_pin: str = "contactor_set"
    reset_pin: str = "contactor_reset"
    aux_pin: str = "aux_no"  # auxiliary contact, closed (True) while the main contact is closed
    again_ns: int = 0  # how long after a pulse it is driven once more; 0: never [our choice]
    feedback: bool = False  # False: the meter believes itself and never looks [our choice]


class Contactor:
    """Drives the two coils; with feedback it also says whether the contact moved."""

    def __init__(self, settings: ContactorSettings | None = None) -> None:
        self.settings = settings or ContactorSettings()
        self._wanted: bool | None = None
        self._sensed: bool | None = None
        self._repeats = False

    def reset(self) -> None:
        """Power is lost: nothing is driven any more, and what was sensed is unknown."""
        self._wanted = self._sensed = None
        self._repeats = False

    def move(self, closed: bool, now: int) -> list[Effect]:
        """Close or open.  A pulse under way in the other direction ends first."""
        s = self.settings
        self._wanted, self._repeats = closed, s.again_ns > 0
        return self._drive(closed, now)

    def _drive(self, closed: bool, now: int) -> list[Effect]:
        s = self.settings
        pin, other = (s.set_pin, s.reset_pin) if closed else (s.reset_pin, s.set_pin)
        return [
            Drive(other, False),
            Drive(pin, True),
            SetTimer(PULSE, now + s.pulse_ns),
            StopTimer("contactor.check"),
            StopTimer(AGAIN),
            Record(ContactorDriven(pin=pin, pulse_ms=s.pulse_ns // MILLISECOND)),
        ]

    def sensed(self, pin: str, level: bool) -> bool:
        """Take a change of an input; False when it is not the auxiliary contact."""
        if pin != self.settings.aux_pin:
            return False
        self._sensed = level
        return True

    def fired(self, name: str, now: int) -> tuple[bool | None, list[Effect]] | None:
        """Take a timer; None when it is not ours.

        The first value is whether the contact stands as it was driven, None while that is not judged.
        """
        if name == AGAIN:
            return None, self._drive(self._wanted is True, now)
        if name == PULSE:
            effects: list[Effect] = [Drive(self.settings.set_pin, False), Drive(self.settings.reset_pin, False)]
            if self._repeats:
                self._repeats = False
                effects.append(SetTimer(AGAIN, now + self.settings.again_ns))
            if self.settings.feedback:
                effects.append(SetTimer("contactor.check", now + self.settings.settle_ns))
            return None, effects
        if name != "contactor.check":
            return None
        moved = self._sensed is not None and self._sensed == self._wanted
        return moved, [Record(ContactorChecked(wanted=self._wanted, sensed=self._sensed))]

    @property
    def wanted(self) -> bool | None:
        """Which way it was driven last (True: closed); None since the last power loss."""
        return self._wanted
