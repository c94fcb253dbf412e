"""Credentials, keys, firmware, and the trust between devices.

Must not live here: a private key, in any form.
"""

from __future__ import annotations

from collections.abc import Mapping

from devices.events.base import Event, event

__all__ = [
    "ActivationTried",
    "CredentialsUpdated",
    "KeyFailed",
    "KeyMade",
    "KeyReplaced",
    "PartnerJoined",
    "PartnerUnjoined",
]


@event("credentials")
class CredentialsUpdated(Event):
    """A credential update of ``originator`` (EUI-64) in ``mode`` was judged: the status of each cell by its label."""

    mode: int
    originator: bytes
    cells: Mapping[str, int]


@event("key.made")
class KeyMade(Event):
    """A key pair for ``usage`` was made; ``public`` is its public point."""

    usage: str
    public: bytes


@event("key.replaced")
class KeyReplaced(Event):
    """A new key pair for ``usage`` is in use; ``key_id`` is the subject key identifier of its certificate."""

    usage: str
    key_id: bytes


@event("key.failed")
class KeyFailed(Event):
    """A key pair for ``usage`` could not be made, or not be certified."""

    usage: str
    reason: str


@event("firmware.activation")
class ActivationTried(Event):
    """The image with ``hash`` was to be activated; ``version`` is what runs now."""

    hash: bytes
    outcome: str
    version: bytes


@event("join")
class PartnerJoined(Event):
    """The device ``partner`` (EUI-64) was to be joined (CS03): ``code`` and its name are what the response tells."""

    partner: bytes
    code: int
    outcome: str


@event("unjoin")
class PartnerUnjoined(Event):
    """The device ``partner`` (EUI-64) was to be unjoined (CS04): ``code`` and its name are what the response tells."""

    partner: bytes
    code: int
    outcome: str
