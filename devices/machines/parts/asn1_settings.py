"""The settings of everything that ASN.1 commands reach.

Must not live here: the parts themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.machines.parts.credential_updates import UpdateSettings
from devices.machines.parts.device_keys import OwnKeysSettings
from devices.machines.parts.joining import JoinSettings

__all__ = ["Asn1Settings"]


@dataclass(frozen=True, slots=True)
class Asn1Settings:
    """How the device was delivered, and what the specification leaves open."""

    updates: UpdateSettings = field(default_factory=UpdateSettings)
    own_keys: OwnKeysSettings = field(default_factory=OwnKeysSettings)
    joining: JoinSettings = field(default_factory=JoinSettings)
    own_certificates: tuple[bytes, ...] = ()  # DER, of the keys with which the device was made
    firmware: bytes = bytes.fromhex("00010000")  # the version that runs, 4 octets
    # The public point that stands for the contingency key: how it is wrapped in the root's certificate is known from no
    # source, so a device is told it.  None: commands by contingency are refused.
    contingency_key: bytes | None = None
