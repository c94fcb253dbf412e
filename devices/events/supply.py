"""The supply of energy and what switches it: contactor, valve, auxiliary switches, outages, and the meter's clock.

Must not live here: what the energy costs (``accounts``), contacts as the bench senses them (``bench``).
"""

from __future__ import annotations

from devices.events.base import Event, Json, event

__all__ = [
    "AuxiliaryChanged",
    "ClockSet",
    "ContactorChecked",
    "ContactorDriven",
    "FlowChecked",
    "FlowSet",
    "OutageOver",
    "SupplyChanged",
    "ValveChanged",
]


@event("supply.state")
class SupplyChanged(Event):
    """The supply state went from ``old`` to ``new``; ``old`` is None where the contactor was driven once more to where
    it belongs."""

    old: str | None
    new: str
    cause: str


@event("valve.state")
class ValveChanged(Event):
    """The state of the gas valve went from ``old`` to ``new``."""

    old: str
    new: str
    cause: str


@event("valve.flow_check")
class FlowChecked(Event):
    """The meter looked at the flow after its valve opened: ``flow`` and ``threshold`` (None where none is configured)
    in the units of the threshold, and whether the flow is above it."""

    flow: int
    threshold: int | None
    above: bool


@event("flow")
class FlowSet(Event):
    """From now on this much gas flows, in the units of the uncontrolled flow threshold."""

    flow: int


@event("contactor.drive")
class ContactorDriven(Event):
    """The contactor's coil ``pin`` was given a pulse of ``pulse_ms`` milliseconds."""

    pin: str
    pulse_ms: int


@event("contactor.check")
class ContactorChecked(Event):
    """After a pulse the meter compared where the contact should stand with what it senses; True is closed, None is
    nothing sensed."""

    wanted: bool | None
    sensed: bool | None


@event("auxiliary")
class AuxiliaryChanged(Event):
    """An auxiliary ``controller`` (1 to 5) did ``action``, or its appliance told its ``operational`` data."""

    controller: int
    action: int | None = None
    operational: Json | None = None
    cause: str


@event("outage")
class OutageOver(Event):
    """The supply is back: when it was interrupted and restored (civil time, text), and for how many ``seconds``, None
    where the clock cannot tell.  Where nothing was saved about the beginning, ``reason`` alone."""

    interruption: str | None = None
    restoration: str | None = None
    seconds: int | None
    reason: str | None = None


@event("clock.set")
class ClockSet(Event):
    """The meter put its clock right to ``time`` (civil, text); it had been ``error_ms`` milliseconds fast."""

    error_ms: int
    time: str
