"""The settings of an electricity meter, and the policy by which its faulty sisters differ from it.

Must not live here: the faults themselves (``faults``), the machine (``esme``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.machines.parts.civil_clock import ClockSettings
from devices.machines.parts.commands import CommandSettings
from devices.machines.parts.contactor import TRANSITIONS, ContactorSettings, Supply, SupplyEvent
from devices.machines.parts.outage import OutageSettings
from devices.machines.parts.tunnel import TunnelSettings

__all__ = ["EsmePolicy", "EsmeSettings"]

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class EsmeSettings:
    """What the specification leaves to the maker, what no text of it was found for, and how the meter was delivered."""

    clock: ClockSettings = field(default_factory=ClockSettings)
    contactor: ContactorSettings = field(default_factory=ContactorSettings)
    outage: OutageSettings = field(default_factory=OutageSettings)
    commands: CommandSettings = field(default_factory=CommandSettings)
    tunnel: TunnelSettings = field(default_factory=TunnelSettings)
    firmware: bytes = bytes.fromhex("00010000")  # 4 octets
    supply: Supply = Supply.ENABLED  # as delivered [our choice]
    arming_opens: bool = True  # arming a supply that is on switches it off; no source says what happens [our choice]
    install_code: bytes | None = None  # 16 octets; None: the meter does not try to join
    epid: bytes | None = None  # the hub to join; None: any that lets it in
    auto_join: bool = True  # look for a network as soon as there is power [our choice]
    join_retry_ns: int = 30 * SECOND  # pause between two attempts to join [our choice]
    hub: bytes | None = None  # whom alerts go to; None: whoever opened a tunnel
    button: str | None = None  # the button of the local act; None: any (products differ, facts/gbcs.md 10.1)
    button_hold_ns: int = 2 * SECOND  # how long it is held [single source: a maker's manual]
    armed_alert: bool = False  # 0x8F32 is logged; that it is also sent is known from no source
    commissioned_alert: bool = True  # 0x8F69 after the first accepted clock command, to the supplier [single source]
    joined_alert: bool = True  # 0x8183 after the first join, to the supplier [single source]
    queue_limit: int = 32  # alerts that wait for a tunnel; the oldest goes first [our choice]

    def __post_init__(self) -> None:
        if self.install_code is not None and len(self.install_code) != 16:
            raise ValueError(f"an install code has 16 octets without its check octets, got {len(self.install_code)}")
        if len(self.firmware) != 4:
            raise ValueError(f"a firmware version has 4 octets, got {len(self.firmware)}")


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
