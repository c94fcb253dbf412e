"""The supply of a meter: its state, what it drives the contactor to, what the display says of it.

A change is remembered before the contactor moves, and until its pulse has ended that it moves: power that goes in
between leaves it anywhere, so it is driven again.  With an auxiliary contact the switch says when it did not move.

Must not live here: the table and the pulses (``contactor``), who commands it, buttons.

Source: facts/gbcs.md 10.1, 6 (0x81BD, 0x81C0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devices.events.supply import SupplyChanged
from devices.machines.core import Effect, Persist, Record, Show
from devices.machines.parts.contactor import (
    PULSE,
    TRANSITIONS,
    Contactor,
    ContactorSettings,
    Supply,
    SupplyEvent,
    after,
)

__all__ = ["CONNECT_FAILURE", "DISCONNECT_FAILURE", "MOVING", "LoadSwitch"]

MOVING = "contactor_moving"
"""The key under which a meter keeps that its contactor is under way."""

CONNECT_FAILURE, DISCONNECT_FAILURE = 0x81BD, 0x81C0

_DISPLAY = {
    Supply.ENABLED: "SUPPLY ON",
    Supply.ARMED: "SUPPLY ARMED - HOLD THE BUTTON TO SWITCH ON",
    Supply.DISABLED: "SUPPLY OFF",
}


class LoadSwitch:
    """Supply state and contactor of one meter.

    ``transitions`` is the table of states, ``contact`` says in which of them the contactor is closed, ``told`` what a
    reader is told of a state: the steps that a faulty meter gets wrong.
    """

    def __init__(
        self,
        state: Supply,
        settings: ContactorSettings | None = None,
        *,
        transitions: Mapping[tuple[Supply, SupplyEvent], Supply] = TRANSITIONS,
        contact: Callable[[Supply], bool] = lambda state: state is Supply.ENABLED,
        told: Callable[[Supply], Supply] = lambda state: state,
    ) -> None:
        self.state = state
        self._contactor = Contactor(settings)
        self._transitions, self._contact, self._told = transitions, contact, told

    @property
    def reported(self) -> Supply:
        """The state as a reader is told."""
        return self._told(self.state)

    @property
    def reported_closed(self) -> bool:
        """Whether the contactor is closed, as a reader is told."""
        return self._contact(self.reported)

    def change(self, event: SupplyEvent, cause: str, now: int) -> list[Effect]:
        """Apply ``event``: remember the new state, then drive the contactor.

        Disabling drives it in every state, since an open contactor is what it promises.
        """
        old, self.state = self.state, after(self.state, event, self._transitions)
        effects: list[Effect] = [Persist("supply", self.state.name)]
        if self.state is not old:
            told = SupplyChanged(old=old.name.lower(), new=self.state.name.lower(), cause=cause)
            effects.append(Record(told))
        if self._contact(self.state) != self._contact(old) or event is SupplyEvent.DISABLE:
            effects += self._move(now)
        return [*effects, self.show()]

    def drive(self, cause: str, now: int) -> list[Effect]:
        """Drive the contactor to where the state wants it, wherever it stands."""
        told = SupplyChanged(old=None, new=self.state.name.lower(), cause=cause)
        return [Record(told), *self._move(now)]

    def _move(self, now: int) -> list[Effect]:
        return [Persist(MOVING, True), *self._contactor.move(self._contact(self.state), now)]

    def show(self) -> Show:
        """What the display says of the supply."""
        return Show(_DISPLAY[self.state])

    def sensed(self, pin: str, level: bool) -> bool:
        """Take a change of an input; False when it is not the auxiliary contact."""
        return self._contactor.sensed(pin, level)

    def fired(self, name: str, now: int) -> tuple[int | None, list[Effect]] | None:
        """Take a timer: the event code of a contactor that did not move, or None; None alone when it is not ours."""
        judged = self._contactor.fired(name, now)
        if judged is None:
            return None
        stands, effects = judged
        if name == PULSE:
            effects = [Persist(MOVING, False), *effects]
        failure = CONNECT_FAILURE if self._contactor.wanted else DISCONNECT_FAILURE
        return failure if stands is False else None, effects

    def power_lost(self) -> None:
        """Nothing is driven any more, and what was sensed is unknown."""
        self._contactor.reset()
