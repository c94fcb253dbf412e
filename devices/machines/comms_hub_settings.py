"""The settings of a Communications Hub, and the names of its deliberate faults.

Must not live here: the machine (``comms_hub``), what the faults change (the parts that they belong to).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from devices.machines.parts import firewall, interpan_window, tunnel
from devices.machines.parts.civil_clock import ClockSettings
from devices.machines.parts.commands import CommandSettings
from devices.machines.parts.device_log import DeviceLogSettings
from devices.machines.parts.firewall import FirewallSettings
from devices.machines.parts.interpan_window import WindowSettings
from devices.machines.parts.sub_ghz import SubGhzSettings
from devices.machines.parts.tunnel import TunnelSettings

__all__ = ["CLAIMS_TUNNELS", "FAULTS", "HubSettings"]

CLAIMS_TUNNELS: Final = "claims-tunnels"
FAULTS: Final = interpan_window.FAULTS | firewall.FAULTS | {CLAIMS_TUNNELS}
"""Deliberate faults of a hub under test, by name."""


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Who the hub is and what the specification leaves open.  The extended PAN id is the EUI-64 (facts/gbcs.md 8.1)."""

    eui: bytes
    han_tunnel: TunnelSettings = field(default_factory=TunnelSettings)
    interpan_tunnel: TunnelSettings = tunnel.INTERPAN
    window: WindowSettings = field(default_factory=WindowSettings)
    firewall: FirewallSettings = field(default_factory=FirewallSettings)
    device_log: DeviceLogSettings = field(default_factory=DeviceLogSettings)
    commands: CommandSettings = field(default_factory=CommandSettings)
    clock: ClockSettings = field(default_factory=ClockSettings)
    sub_ghz: SubGhzSettings = field(default_factory=SubGhzSettings)
    firmware: bytes = bytes.fromhex("00000001")  # 4 octets
    proxy: bytes | None = None  # the gas proxy function that it holds, at its ports "proxy" and "tap"
    wan_queue: int = 64  # messages kept for the WAN while it is away; the oldest goes first [our choice]
    routes: int = 256  # commands of terminals whose response is still awaited [our choice]
    responses_both_ways: bool = True  # a terminal's response goes to the WAN as well, when it is up (HHT-2)
    alerts_to_terminal: bool = True  # so that an installer sees them [our choice]
    alert_on_join: bool = True  # CS14 with the hash of a key that is new, facts/gbcs.md 5.4 [page seen, current]
    wan_up_at_start: bool = True  # until the port says otherwise
    time_report_s: int = 3600  # how often it tells its devices the time; also when one joins [our choice]
    # An outage that is longer than this is told from the hub's stored energy (AD1), while it lasts: facts/gbcs.md 10.4,
    # strictly more than 180 s [page seen]; once.  How far apart more of them are is [our choice].
    last_gasp_s: int = 180
    last_gasps: int = 1
    last_gasp_spacing_s: int = 60
    faults: frozenset[str] = frozenset()  # deliberate faults, see FAULTS
    misdirects_to: bytes | None = None  # a deliberate fault: every message from the WAN for a device goes to this one

    def __post_init__(self) -> None:
        unknown = sorted(self.faults - FAULTS)
        if unknown:
            raise ValueError(f"hub settings: faults {unknown} are unknown; choose among {sorted(FAULTS)}")
