"""What can be sensed or read of the devices of a bench without changing them: contact, power, what a display shows.

No message is sent for it, no time passes and nobody is asked; what that leaves unread is said with its reason.

Must not live here: judging what was sensed.
"""

from __future__ import annotations

from typing import Any

from devices.machines.parts.interpan_window import WindowSettings
from rig.node.assembly import Premises
from rig.node.bench_file import Bench
from rig.node.settings import changed

__all__ = ["not_repeatable", "profile", "state_of"]

BY_MESSAGE = "a read is a message: it would use up a counter and stand in the device's log"
SENSED = {"aux_no": ("contact", "made", "released"), "mains_ok": ("power", "on", "off")}
"""Input pin to what it tells, and its words for a high and a low level."""


def state_of(premises: Premises) -> dict[str, dict[str, Any]]:
    """Name of each device to ``sensed`` (what to word) and ``not_read`` (what to reason)."""
    told: dict[str, dict[str, Any]] = {}
    for name, device in premises.bench.devices.items():
        sensed: dict[str, str] = {}
        not_read = {"supply state, clock, logs and registers": BY_MESSAGE}
        for pin, (what, high, low) in SENSED.items():
            if pin in device.pins:
                level = premises.inputs.get((name, pin))
                if level is None:
                    not_read[what] = f"the bench has no input at {pin}"
                else:
                    sensed[what] = high if level() else low
        if name not in premises.hosts:
            not_read["display"] = "nobody of the bench sees it: a person would have to be asked"
        elif premises.hosts[name].display:
            sensed["display"] = premises.hosts[name].display
        told[name] = {"sensed": sensed, "not_read": not_read}
    return told


def not_repeatable(bench: Bench) -> str:
    """Why a test on this bench cannot be repeated octet for octet; empty where it can."""
    outside = [
        f"{device.name} is {'behind a line' if port.driver == 'line' else 'at ' + port.url}"
        for device in bench.devices.values()
        for port in device.ports.values()
        if port.driver == "line" or (port.url and not port.url.startswith("virtual://"))
    ]
    reasons = [f"{name} is under test" for name, device in bench.devices.items() if device.under_test] + outside
    reasons += ["the clock is a real one"] if bench.clock == "real" else []
    return ", ".join(reasons)


def profile(bench: Bench) -> str:
    """By whose text the hub behaves where slides and decision differ: ``decided``, ``slides-1`` to ``slides-3`` or
    ``other``; empty where the hub is none of ours, or there is none."""
    hub = next((device for device in bench.devices.values() if device.kind == "comms_hub"), None)
    if hub is None or hub.under_test:
        return ""
    told = hub.settings.get("window", {})
    return changed(WindowSettings(), told, f"{bench.source}.devices.{hub.name}.settings.window").profile
