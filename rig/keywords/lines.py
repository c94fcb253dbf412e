"""Tapped events as lines of the Robot log: one line each, octets and frames folded away.

Must not live here: which events a keyword waits for.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from devices.events import Event as Told
from devices.events.bench import (
    AirFrames,
    BeaconsHeard,
    BenchStalled,
    DisplayShown,
    LinkSwitched,
    PinMoved,
    PowerSwitched,
    RadioInNetwork,
    ReadingTaken,
    SendingFailed,
    TunnelGranted,
)
from devices.events.commands import AlertRaised, CommandExecuted, CommandRefused
from devices.events.hub import FirewallDropped, HubFlags, HubQueued, HubUnroutable
from devices.events.messages import MessageIncomplete, MessageReceived, MessageSent, OutageNoticeSent
from devices.events.parties import BrokerRefused, OutageTold, PartyReceived
from devices.events.supply import ClockSet, FlowChecked, OutageOver, SupplyChanged, ValveChanged
from devices.events.terminals import JobDone, JobInterrupted
from devices.events.tunnels import TransferBroken, TransferDropped, TunnelGivenUp
from devices.wire import ieee802154
from devices.wire.errors import WireError
from rig.bus.messages import Event
from rig.keywords.matching import spoken

__all__ = ["html_line", "shown", "words"]

# How an event reads: its fields, and ``X_name`` for the device name behind ``X``.  What is not here goes into the
# debug log as it is.
FORMS: dict[type[Told], str] = {
    MessageSent: "{device} sends {use_case} {cra} #{counter} by {port} to {peer_name}",
    MessageReceived: "{device} receives {use_case} {cra} #{counter} by {port}",
    PinMoved: "{device}: {pin} {level}",
    CommandRefused: "{device} refuses at the check '{check}': {reason}",
    CommandExecuted: "{device} has executed {use_case} #{counter}, results {results}",
    AlertRaised: "{device} raises alert {code} ({name}) to {recipient}",
    SupplyChanged: "{device}: supply {old} → {new} ({cause})",
    ValveChanged: "{device}: gas {old} → {new} ({cause})",
    FlowChecked: "{device}: flow {flow}, threshold {threshold}",
    PowerSwitched: "{device}: power {on}",
    LinkSwitched: "{device}: link {link} {up}",
    DisplayShown: "{device} shows: {text}",
    OutageNoticeSent: "{device} tells by {port} that it is without supply (AD1)",
    OutageTold: "{device} is told ({code}) that {hub_name} is without supply",
    PartyReceived: "{device} has received {cra_name} #{counter} of {from_name}, verified: {verified}",
    ReadingTaken: "{instrument}: {quantity} {value:.5g} {unit} ± {uncertainty:.2g}",
    HubFlags: "{device}: joining {beaconing}, inter-PAN {interpan} ({cause})",
    FirewallDropped: "{device}'s firewall drops a frame: {reason}",
    JobDone: "{device}: {name} {state}",
    JobInterrupted: "{device}: {name} broke off ({reason})",
    SendingFailed: "{device} cannot send by {port}: {reason}",
    HubUnroutable: "{device} knows no device {recipient}",
    HubQueued: "{device} keeps a message for the WAN, which is away ({waiting} waiting)",
    TransferDropped: "{device} drops a message: {reason}",
    TunnelGivenUp: "{device} gives up opening a tunnel: {reason}",
    BrokerRefused: "{device} refuses what a user sent: {reason}",
    TransferBroken: "{device}: a transfer broke off ({reason})",
    MessageIncomplete: "{device}: what crossed by {port} made no message: {detail}",
    ClockSet: "{device}: clock set to {time}, it was {error_ms} ms off",
    OutageOver: "{device}: outage from {interruption} to {restoration}",
    BenchStalled: "the bench was held up; what happened meanwhile was seen late",
    RadioInNetwork: "{device}: its radio is in the network {epid} on channel {channel}",
    BeaconsHeard: "{device}: its radio heard beacons of {networks}",
    TunnelGranted: "{device}: a tunnel to {peer_name} is granted on {port}",
    AirFrames: "{count} MAC frames on the air",
}

_FORM_OF = {cls.kind: form for cls, form in FORMS.items()}


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def shown(event: Event) -> bool:
    """Whether the event stands in the log at level INFO."""
    return event.kind in _FORM_OF


def words(event: Event, names: Mapping[str, str]) -> str:
    """One line of text: bench time, what happened.  ``names``: device name by EUI-64 in hex."""
    fields: dict[str, Any] = {
        key: ("on" if value else "off")
        if isinstance(value, bool) and key in ("level", "on", "beaconing", "interpan")
        else value
        for key, value in event.fields.items()
    }
    fields["peer_name"] = names.get(str(fields.get("peer")), fields.get("peer"))
    fields["hub_name"] = names.get(str(fields.get("hub")), fields.get("hub"))
    fields["from_name"] = names.get(str(fields.get("from")), fields.get("from"))
    if event.kind == PartyReceived.kind:
        fields["cra_name"] = "response" if fields.get("alert") is None else f"alert 0x{fields['alert']:04X}"
    form = _FORM_OF.get(event.kind)
    try:
        text = form.format_map(_Blank(fields)) if form else None
    except (ValueError, TypeError):
        text = None
    if text is None:
        rest = {key: value for key, value in event.fields.items() if key not in ("octets", "device")}
        text = f"{event.fields.get('device', event.node)} {event.kind} ({spoken(rest)})"
    return f"{event.at_ns / 1e9:.6f} s  {text}"


def html_line(event: Event, names: Mapping[str, str]) -> str:
    """The line as HTML, with what is long folded away."""
    line = html.escape(words(event, names))
    octets = event.fields.get("octets")
    if octets:
        line += _folded(f"{len(octets) // 2} octets", str(octets))
    frames = event.fields.get("frames")
    if frames:
        line += _folded("show", "\n".join(_frame(*frame) for frame in frames))
    return line


def _folded(summary: str, content: str) -> str:
    return (
        f" <details style='display:inline-block;vertical-align:top'><summary>{html.escape(summary)}</summary>"
        f"<pre style='white-space:pre-wrap;word-break:break-all'>{html.escape(content)}</pre></details>"
    )


def _frame(at_ns: int, sender: str, octets: str) -> str:
    """One MAC frame in words and octets."""
    try:
        frame = ieee802154.decode(bytes.fromhex(octets))
        kind = ieee802154.FrameType(frame.frame_type).name.lower()
        target = frame.destination.hex() or "-"
    except (WireError, ValueError):
        kind, target = "unreadable", "-"
    return f"{at_ns / 1e9:.6f} s  {sender:<18} {kind:<8} to {target:<16} {octets}"
