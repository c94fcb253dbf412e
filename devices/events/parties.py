"""What parties behind the WAN (suppliers, network operators, the access control broker) received.

Must not live here: requests to the transform service (``service``).
"""

from __future__ import annotations

from devices.events.base import Event, event

__all__ = ["BrokerRefused", "LocalCopyReceived", "OutageTold", "PartyReceived", "PartyUnreadable"]


@event("party.received")
class PartyReceived(Event):
    """The party (EUI-64) has received a response or an alert of the device ``from_``.

    ``recipient`` (EUI-64) is whom the message is for: the party, or who commanded on its behalf; ``octets`` are the
    whole message.  ``cra``: 2 response, 3 alert.  ``success``: whether the command succeeded, by its use case; None
    where that cannot be said, and with an alert.  ``verified``: whether signature or MAC are good, None where only
    another party can tell.  ``matched``: it answers a command of the party's own; ``duplicate``: not for the first
    time.  ``results``, ``data`` (A-XDR of each datum) and ``alert`` (its code): what the payload says.
    """

    party: bytes
    port: str | None = None
    from_: bytes
    recipient: bytes
    cra: int
    message_code: int
    counter: int
    octets: bytes
    success: bool | None
    verified: bool | None
    matched: bool | None = None
    duplicate: bool | None = None
    results: tuple[int, ...]
    data: tuple[bytes, ...]
    alert: int | None


@event("party.local")
class LocalCopyReceived(Event):
    """The party has received its own command ``name``, signed and authenticated, to be delivered locally to the device
    ``for_`` (EUI-64)."""

    name: str
    for_: bytes
    counter: int


@event("party.outage")
class OutageTold(Event):
    """The party (EUI-64) was told by the DCC alert ``code`` that ``hub`` (EUI-64) is without supply since ``started``,
    seconds since 1970 by the hub's clock."""

    party: bytes
    code: str
    hub: bytes
    started: int


@event("party.bad")
class PartyUnreadable(Event):
    """The party has received something that it can do nothing with."""

    reason: str
    octets: bytes


@event("broker.refused")
class BrokerRefused(Event):
    """The access control broker did not take a message, of ``user`` (EUI-64) where it is a user's."""

    user: bytes | None = None
    reason: str
    octets: bytes
