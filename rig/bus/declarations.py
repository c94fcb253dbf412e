"""What a bench file may declare of a device: its maker's word where no specification says anything.

A declaration takes the place of a default of this project, and what differs from it counts against the device.

Must not live here: which expectation a declaration belongs to (``robot_suites/resources/expectations.yaml``).
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DECLARATIONS", "LIMITS"]

LIMITS = ("min", "max")
"""The parts of a declaration that is a range; one of them at least is given."""
DECLARATIONS: Mapping[str, tuple[str, ...]] = {
    "operate_ms": LIMITS,
    "load_switch_after_outage": ("kept", "open"),
    "arming_an_enabled_supply": ("opens", "ignored"),
}
"""Name to what may be declared: the behaviours to choose from, or the parts of a range."""
