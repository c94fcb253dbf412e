"""What is publicly known of devices and organisations: their public points and certificates.

Must not live here: private keys (``keystore``), what a device itself holds (``model.credentials``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Directory"]


@dataclass(frozen=True, slots=True)
class Directory:
    """Public points (65 octets) and certificates (DER), by the names of the key stores: ``"<eui64>-ds"`` and so on."""

    publics: Mapping[str, bytes]
    certificates: Mapping[str, bytes] = field(default_factory=dict)
