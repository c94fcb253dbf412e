"""The valve of a gas meter: its states as a table, and what a change drives, remembers and shows.

The valve is off, armed or on.  No command opens it: arming lets somebody at the meter open it, after which the meter
looks at the flow.

Must not live here: who may command it (``commands``), buttons (``gsme``), the actuator's pulses (``contactor``).

Source: facts/gbcs.md 5.2, 10.2 [single source each; local enable 2 sources]; the flow check is 11 no. 18.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from devices.events.supply import FlowChecked, ValveChanged
from devices.machines.core import Effect, Persist, Record, SetTimer, Show, StopTimer
from devices.machines.parts.contactor import PULSE, Contactor, ContactorSettings
from devices.model.zcl_objects import ClusterModel

__all__ = ["OPENING", "SUPPLY_STATUS", "TRANSITIONS", "Valve", "ValveEvent", "ValveSettings", "ValveState"]

MILLISECOND, SECOND = 1_000_000, 1_000_000_000
SUPPLY_STATUS = (0x0702, 0x0014)
STABILISATION, MEASUREMENT, THRESHOLD = (0x0702, 0x0B14), (0x0702, 0x0B15), (0x0702, 0x0B10)
FLOW_TIMER = "valve.flow_check"
OPENING = "valve_opening"
"""The key under which a meter keeps that its valve is on its way open."""
_DECISECOND = SECOND // 10


class ValveState(IntEnum):
    """The supply state; the value is that of the attribute SupplyStatus."""

    OFF = 0
    ARMED = 1
    ON = 2


class ValveEvent(Enum):
    """What can change the state."""

    CLOSE = "close"
    ARM = "arm"
    LOCAL_ENABLE = "local enable"
    UNCONTROLLED_FLOW = "uncontrolled flow"


TRANSITIONS: Mapping[tuple[ValveState, ValveEvent], ValveState] = {
    (ValveState.ON, ValveEvent.CLOSE): ValveState.OFF,
    (ValveState.ARMED, ValveEvent.CLOSE): ValveState.OFF,
    (ValveState.OFF, ValveEvent.ARM): ValveState.ARMED,
    # An armed supply is off, so arming one that is on closes the valve, as on an electricity meter [our choice].
    (ValveState.ON, ValveEvent.ARM): ValveState.ARMED,
    (ValveState.ARMED, ValveEvent.LOCAL_ENABLE): ValveState.ON,
    (ValveState.ON, ValveEvent.UNCONTROLLED_FLOW): ValveState.ARMED,
}
"""State and event to new state; what is not here changes nothing.  No remote event leads to ON."""

_DISPLAY = {
    ValveState.ON: "GAS ON",
    ValveState.ARMED: "GAS ARMED - HOLD THE BUTTON TO SWITCH ON",
    ValveState.OFF: "GAS OFF",
}


def _actuator() -> ContactorSettings:
    return ContactorSettings(pulse_ns=500 * MILLISECOND, set_pin="valve_open", reset_pin="valve_close")


@dataclass(frozen=True, slots=True)
class ValveSettings:
    """What the specification leaves to the maker, or what no text of it was found for."""

    actuator: ContactorSettings = field(default_factory=_actuator)  # pins and pulses of the motor [our choice]
    flow_told: int | None = None  # a deliberate fault: this it says of the flow, whatever flows
    flow_check: bool = True  # look at the flow after a local enable; False: no check at all
    transitions: Mapping[tuple[ValveState, ValveEvent], ValveState] = field(default_factory=lambda: TRANSITIONS)
    flow_closes: bool = False  # False: observe and record, no verdict (facts/gbcs.md 11 no. 18)


class Valve:
    """State and actuator of one meter; the state lives in its clusters."""

    def __init__(self, clusters: ClusterModel, settings: ValveSettings | None = None) -> None:
        self.clusters, self.settings = clusters, settings or ValveSettings()
        self._actuator = Contactor(self.settings.actuator)

    @property
    def state(self) -> ValveState:
        """The supply state."""
        value = self.clusters.get(SUPPLY_STATUS)
        return ValveState(value if isinstance(value, int) else ValveState.OFF)

    def change(self, event: ValveEvent, cause: str, now: int) -> list[Effect]:
        """Apply ``event``.  Closing drives the valve in every state, since a closed valve is what it promises."""
        old = self.state
        new = self.settings.transitions.get((old, event), old)
        effects: list[Effect] = []
        if new is not old:
            self.clusters.set(SUPPLY_STATUS, int(new))
            effects.append(Record(ValveChanged(old=old.name.lower(), new=new.name.lower(), cause=cause)))
        if (new is ValveState.ON) != (old is ValveState.ON) or event is ValveEvent.CLOSE:
            effects += [Persist(OPENING, new is ValveState.ON), *self._actuator.move(new is ValveState.ON, now)]
        if new is ValveState.ON and new is not old and self.settings.flow_check:
            effects.append(SetTimer(FLOW_TIMER, now + self._check_ns()))
        elif new is not ValveState.ON:
            effects.append(StopTimer(FLOW_TIMER))
        return [*effects, self.show()]

    def secure(self, now: int, *, opening: bool = False) -> list[Effect]:
        """Drive a valve shut that should be; one that should be open stays as it stands, since only a local act opens
        it.  One that was ``opening`` when power went stands anywhere: it is shut, and armed for another local act [our
        choice]."""
        effects: list[Effect] = []
        if opening and self.state is ValveState.ON:
            self.clusters.set(SUPPLY_STATUS, int(ValveState.ARMED))
            told = ValveChanged(old="on", new="armed", cause="power lost while it opened")
            effects += [Persist(OPENING, False), Record(told)]
        return effects if self.state is ValveState.ON else [*effects, *self._actuator.move(False, now)]

    def fired(self, name: str, now: int, flow: int) -> tuple[bool, list[Effect]] | None:
        """Take a timer; None when it is not ours.

        ``flow`` is what flows now, in the units of the threshold.  The first value is whether the flow was
        uncontrolled.
        """
        if name == FLOW_TIMER:
            limit = self.clusters.get(THRESHOLD)
            flow = flow if self.settings.flow_told is None else self.settings.flow_told
            above = isinstance(limit, int) and flow > limit
            effects: list[Effect] = [
                Record(FlowChecked(flow=flow, threshold=limit if isinstance(limit, int) else None, above=above))
            ]
            if above and self.settings.flow_closes:
                effects += self.change(ValveEvent.UNCONTROLLED_FLOW, "uncontrolled flow", now)
            return above and self.settings.flow_closes, effects
        judged = self._actuator.fired(name, now)
        if judged is None:
            return None
        return False, [*([Persist(OPENING, False)] if name == PULSE else []), *judged[1]]

    def power_lost(self) -> None:
        """Nothing is driven any more."""
        self._actuator.reset()

    def show(self) -> Show:
        """What the display says of the supply."""
        return Show(_DISPLAY[self.state])

    def _check_ns(self) -> int:
        """Stabilisation and measurement period: tenths of a second and seconds in the meter's attributes."""
        stabilisation, measurement = self.clusters.get(STABILISATION), self.clusters.get(MEASUREMENT)
        assert isinstance(stabilisation, int)
        assert isinstance(measurement, int)
        return stabilisation * _DECISECOND + measurement * SECOND
