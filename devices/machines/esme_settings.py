"""The settings of an electricity meter, and the policy by which its faulty sisters differ from it.

Must not live here: the faults themselves (``faults``), the machine (``esme``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.machines.han_device import HanSettings
from devices.machines.parts.aux_switch import AuxiliarySettings
from devices.machines.parts.contactor import TRANSITIONS, ContactorSettings, Supply, SupplyEvent
from devices.machines.parts.outage import OutageSettings
from devices.machines.parts.prepayment import PrepaymentSettings
from devices.machines.parts.user_interface import LocalActs

__all__ = ["EsmePolicy", "EsmeSettings"]

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class EsmeSettings(HanSettings):
    """What the specification leaves to the maker, what no text of it was found for, and how the meter was delivered."""

    contactor: ContactorSettings = field(default_factory=ContactorSettings)
    outage: OutageSettings = field(default_factory=OutageSettings)
    prepayment: PrepaymentSettings = field(default_factory=PrepaymentSettings)
    auxiliary: AuxiliarySettings = field(default_factory=AuxiliarySettings)
    elements: int = 1  # 2: a twin element meter, whose registers and logs have a second element
    records_profiles: bool = True  # rows of the load and daily logs on the clock, once the meter has power
    supply: Supply = Supply.ENABLED  # as delivered [our choice]
    arming_opens: bool = True  # arming a supply that is on switches it off; no source says what happens [our choice]
    button: str | None = None  # the button of the local act; None: any (products differ, facts/gbcs.md 10.1)
    button_hold_ns: int = 2 * SECOND  # how long it is held [single source: a maker's manual]
    local_acts: LocalActs = field(default_factory=LocalActs)  # the codes that acts at its keys are logged with
    armed_alert: bool = False  # 0x8F32 is logged; that it is also sent is known from no source


def _as_it_is(supply: Supply) -> Supply:
    return supply


def _closed_when_enabled(supply: Supply) -> bool:
    return supply is Supply.ENABLED


def _everything(saved: Mapping[str, Any]) -> Mapping[str, Any]:
    return saved


@dataclass(frozen=True, slots=True)
class EsmePolicy:
    """The steps of the meter that a fault replaces one at a time.  The defaults are the good meter."""

    transitions: Mapping[tuple[Supply, SupplyEvent], Supply] = field(default_factory=lambda: TRANSITIONS)
    reported: Callable[[Supply], Supply] = _as_it_is  # the supply state that it tells a reader
    contact: Callable[[Supply], bool] = _closed_when_enabled  # whether the contactor is closed in a supply state
    recalled: Callable[[Mapping[str, Any]], Mapping[str, Any]] = (
        _everything  # what its memory gives back after an outage
    )
    outage_code: Callable[[int | None], int] | None = None  # alert code by duration; None: the rule of ``outage``
