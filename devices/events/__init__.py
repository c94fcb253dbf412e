"""What happened on a bench, typed: one frozen dataclass for each kind of event, and its JSON form.

Machines tell events with ``core.Record``, hosts and the bench add their own, the recorder puts them on the time line,
keywords wait for them and charts draw them.  All of them know an event by its class; only JSON knows it by the name of
its kind.  :func:`fields` and :func:`of` are the one way to JSON and back.

    MessageSent(port="wan", peer=..., octets=...)  ->  {"port": "wan", "peer": "90b3...", "octets": "df09..."}

Must not live here: who tells or reads an event, and any import of another room (octets stay octets here).
"""

from __future__ import annotations

from devices.events import (
    accounts,
    bench,
    commands,
    hub,
    keys,
    messages,
    parties,
    proxy,
    service,
    supply,
    terminals,
    tunnels,
)
from devices.events.base import KINDS, Event, EventError, fields, names, of

__all__ = [
    "KINDS",
    "Event",
    "EventError",
    "accounts",
    "bench",
    "commands",
    "fields",
    "hub",
    "keys",
    "messages",
    "names",
    "of",
    "parties",
    "proxy",
    "service",
    "supply",
    "terminals",
    "tunnels",
]
