"""Remote party roles: the numbers that organisation certificates and credential cells use.

Must not live here: which party plays a role (``credentials``), what a role may command (``use_cases``).

Source: facts/gbcs.md 9.2 [2 sources]; LOAD_CONTROLLER [single source].
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Role"]


class Role(IntEnum):
    """The role of a remote party, as in the OU of its certificate."""

    ROOT = 0
    RECOVERY = 1
    SUPPLIER = 2
    NETWORK_OPERATOR = 3
    ACCESS_CONTROL_BROKER = 4
    TRANSITIONAL_COS = 5
    WAN_PROVIDER = 6
    ISSUING_AUTHORITY = 7
    LOAD_CONTROLLER = 8
    OTHER = 127

    @classmethod
    def named(cls, text: str) -> Role:
        """The role called ``text``, e.g. ``"network_operator"`` or ``"Network Operator"``; raises ``KeyError``."""
        return cls[text.strip().replace(" ", "_").replace("-", "_").upper()]

    @property
    def label(self) -> str:
        """The name in lower case, for records and bench files."""
        return self.name.lower()
