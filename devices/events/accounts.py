"""Tariff and prepayment: what a meter counts and what was paid.

Must not live here: the supply that follows from it (``supply``).
"""

from __future__ import annotations

from dataclasses import field

from devices.events.base import Code, Event, event

__all__ = ["BlocksReset", "EmergencyCreditSelected", "MeterAnswered", "TopUpAccepted", "TopUpRefused"]


@event("tariff.blocks_reset")
class BlocksReset(Event):
    """The block counters began anew, by the command with ``counter`` or for ``cause``."""

    counter: int | None = None
    cause: str | None = None


@event("utrn.accepted")
class TopUpAccepted(Event):
    """A token was taken; ``amount`` in the units of the meter's credit register."""

    amount: int


@event("utrn.refused")
class TopUpRefused(Event):
    """A token was not taken; ``event`` is the code that the meter logs."""

    event: Code
    reason: str


@event("emergency_credit")
class EmergencyCreditSelected(Event):
    """Emergency credit was ``selected``; ``remaining`` in the units of the meter's credit register."""

    selected: bool
    remaining: int


@event("meter.answer")
class MeterAnswered(Event):
    """A gas meter answered what its PPMID had asked in ``use_case`` with ``counter``; ``good`` says whether it did what
    it was asked.  A top-up answer carries its four fields (amounts in the units of the credit register)."""

    use_case: str
    counter: int
    result_type: int | None = field(default=None, metadata={"json": "Result Type"})
    top_up_value: int | None = field(default=None, metadata={"json": "Top Up Value"})
    source: int | None = field(default=None, metadata={"json": "Source of Top up"})
    credit_remaining: int | None = field(default=None, metadata={"json": "Credit Remaining"})
    good: bool
