"""What a bench may say that it can do, beside having certain devices: the vocabulary of bench files and of tests.

Must not live here: which bench can do what (its file says so), what a test does about it (``rig.keywords``).
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CAPABILITIES"]

CAPABILITIES: Mapping[str, str] = {
    "radio-reach": "a device can be taken out of radio reach and brought back",
    "outage": "the mains can be switched off for a device under test",
    "contactor-fault": "a contactor can be made to weld, stick or drop out",
    "wan-cut": "the WAN of a hub can be cut and restored",
    "forge": "commands can be spoilt on their way, or built by somebody who may not",
    "trace": "the bench sees inside the devices: refusals, firewall, transfers",
    "display": "the display of a device can be read",
    "variants": "devices can be exchanged for variants that the bench file defines",
}
"""Name to what it means."""
