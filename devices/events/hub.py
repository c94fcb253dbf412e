"""What a communications hub does between WAN, HAN and terminals.

Must not live here: tunnels as such (``tunnels``).
"""

from __future__ import annotations

from devices.events.base import Code, Event, event

__all__ = [
    "FirewallDropped",
    "HubBad",
    "HubChannelChanged",
    "HubDiscarded",
    "HubDropped",
    "HubDutyCycle",
    "HubFlags",
    "HubFull",
    "HubIgnored",
    "HubNetworkDown",
    "HubNetworkUp",
    "HubOutage",
    "HubQueued",
    "HubScanned",
    "HubUnroutable",
]


@event("hub.network")
class HubNetworkUp(Event):
    """The HAN was formed: extended PAN id (8 octets), PAN id, channel."""

    epid: bytes
    pan: int
    channel: int


@event("hub.network_down")
class HubNetworkDown(Event):
    """The HAN is gone or could not be formed."""

    reason: str


@event("hub.outage")
class HubOutage(Event):
    """The supply is back after ``outage_ns`` (None where the hub cannot tell); ``last_gasp`` says whether it was long
    enough for an alert."""

    outage_ns: int | None
    last_gasp: bool


@event("hub.flags")
class HubFlags(Event):
    """The hub's windows changed: whether beacons allow joining, whether inter-PAN is open and until when (bench time in
    ns, None without an end)."""

    beaconing: bool
    interpan: bool
    cause: str
    closes_at: int | None


@event("hub.bad")
class HubBad(Event):
    """A message at ``port`` (from ``peer``, where the port tells) cannot be read or is not the sender's to send."""

    port: str
    peer: bytes | None = None
    reason: str


@event("hub.ignored")
class HubIgnored(Event):
    """A frame of ``peer`` is of a cluster that the hub does nothing with."""

    peer: bytes
    cluster: int


@event("hub.unroutable")
class HubUnroutable(Event):
    """A message at ``port`` is for a ``recipient`` (EUI-64) that the hub does not know."""

    recipient: bytes
    port: str


@event("hub.discarded")
class HubDiscarded(Event):
    """A message was not passed on, since the sub-GHz duty cycle is used up."""

    recipient: bytes
    octets: bytes


@event("hub.dropped")
class HubDropped(Event):
    """The oldest message that waited for ``port`` was dropped, since too many wait."""

    port: str
    octets: bytes


@event("hub.queued")
class HubQueued(Event):
    """A message waits for ``port``, which is away; ``waiting`` says how many do now."""

    port: str
    waiting: int


@event("firewall.dropped")
class FirewallDropped(Event):
    """The hub let a frame or message of ``peer`` at ``port`` go no further."""

    port: str
    peer: bytes
    reason: str
    octets: bytes | None = None


@event("hub.no_capacity")
class HubFull(Event):
    """``peer`` may not join, since the hub serves as many sub-GHz devices as it can."""

    peer: bytes


@event("hub.channel")
class HubChannelChanged(Event):
    """The sub-GHz network moved to ``channel`` (page and mask, 4 octets)."""

    channel: bytes


@event("hub.duty_cycle")
class HubDutyCycle(Event):
    """The sub-GHz device ``peer`` passed a step of its duty cycle, which has the event ``code``."""

    peer: bytes
    code: Code


@event("hub.scan")
class HubScanned(Event):
    """A sub-GHz channel scan was asked for; ``outcome`` are the two octets of the assessment."""

    outcome: tuple[int, ...]
