"""The seam between a machine and its host: events in, effects out.

A machine is ``handle(event, now) -> effects``.  ``now`` is integer nanoseconds since the bench started.  A machine
never sleeps, never reads a clock, never does I/O; whatever it wants done it asks for by returning effects, and the
host grants them in order.  Ports are named by the machine (``"wan"``, ``"han"``, ``"interpan"``, ``"line"``); what is
plugged into them is the host's business.

Must not live here: anything about one kind of machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from devices import events

__all__ = [
    "AdmitDevice",
    "Answer",
    "Asked",
    "Beacon",
    "ButtonPressed",
    "CloseJoining",
    "Drive",
    "Effect",
    "Event",
    "ForgetDevice",
    "FormNetwork",
    "JoinNetwork",
    "LastGasp",
    "LeaveNetwork",
    "LinkChanged",
    "Machine",
    "MachineError",
    "NetworkDown",
    "NetworkUp",
    "NetworksFound",
    "OpenJoining",
    "PeerJoined",
    "PeerLeft",
    "Persist",
    "PinChanged",
    "PowerLost",
    "PowerRestored",
    "Received",
    "Record",
    "Refuse",
    "ScanNetworks",
    "Send",
    "SendFailed",
    "SetTimer",
    "Show",
    "Started",
    "StopTimer",
    "TimerFired",
    "Tune",
    "eui_text",
]


class MachineError(Exception):
    """A machine was asked for something that makes no sense to it (an unknown verb, a missing argument).

    The host turns it into a refusal of the command that asked; it never means that the device misbehaved.
    """


def eui_text(eui: bytes) -> str:
    """The printed form of an EUI-64: eight hexadecimal pairs joined by hyphens, upper case."""
    return eui.hex("-").upper()


# --------------------------------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Started:
    """The machine runs for the first time.  ``saved`` is what it persisted in an earlier life, by key."""

    saved: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PowerLost:
    """Its supply is gone.  The machine has no more time than this call: it may only persist."""


@dataclass(frozen=True, slots=True)
class PowerRestored:
    """Its supply is back.  Everything volatile is lost; ``saved`` is what it persisted, by key.

    ``outage_ns`` is how long the supply was away as the device itself can know it (its backed-up clock), or None where
    it has no such clock.
    """

    saved: Mapping[str, Any]
    outage_ns: int | None


@dataclass(frozen=True, slots=True)
class Received:
    """Octets arrived at ``port`` from ``peer`` (EUI-64 of the sending device or party as the port knows it).

    On ``han`` and ``interpan`` the octets are one ZCL frame of ``cluster``; elsewhere one GBCS message, cluster 0.
    """

    port: str
    peer: bytes
    octets: bytes
    cluster: int = 0


@dataclass(frozen=True, slots=True)
class SendFailed:
    """What was sent with ``token`` did not reach ``peer``: no acknowledgement, not joined, link down."""

    port: str
    peer: bytes
    token: int
    reason: str


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """A link as a whole came up or went away (WAN, line)."""

    port: str
    up: bool


@dataclass(frozen=True, slots=True)
class NetworkUp:
    """The radio of ``port`` formed or joined a network.  ``epid`` is the extended PAN id, 8 octets, most significant
    first."""

    port: str
    epid: bytes
    pan: int
    channel: int


@dataclass(frozen=True, slots=True)
class NetworkDown:
    """The radio of ``port`` is in no network (any more), or could not join: ``reason`` says why."""

    port: str
    reason: str


@dataclass(frozen=True, slots=True)
class PeerJoined:
    """A device joined the network that this radio coordinates."""

    port: str
    peer: bytes


@dataclass(frozen=True, slots=True)
class PeerLeft:
    """A device left the network, or was removed."""

    port: str
    peer: bytes


@dataclass(frozen=True, slots=True)
class Beacon:
    """One network heard in a scan.  ``epid`` is the extended PAN id = the IEEE address printed on the hub."""

    epid: bytes
    pan: int
    channel: int
    joinable: bool
    rssi: int


@dataclass(frozen=True, slots=True)
class NetworksFound:
    """The answer to :class:`ScanNetworks`, strongest first."""

    port: str
    beacons: tuple[Beacon, ...]


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The timer that the machine set under ``name`` is due."""

    name: str


@dataclass(frozen=True, slots=True)
class PinChanged:
    """An input of the device changed, e.g. ``"aux_no"``; ``level`` is the logical level."""

    pin: str
    level: bool


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    """Somebody pressed a button of the device and let it go after ``held_ns``."""

    button: str
    held_ns: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """Whoever works the machine (operator of a terminal, user of a party) asks for ``verb``.

    The machine answers with exactly one :class:`Answer` or :class:`Refuse` in the effects of this very call.
    """

    verb: str
    args: Mapping[str, Any]


Event = (
    Started
    | PowerLost
    | PowerRestored
    | Received
    | SendFailed
    | LinkChanged
    | NetworkUp
    | NetworkDown
    | PeerJoined
    | PeerLeft
    | NetworksFound
    | TimerFired
    | PinChanged
    | ButtonPressed
    | Asked
)

# -------------------------------------------------------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class Send:
    """Send octets to ``peer`` through ``port``.  ``token`` comes back in :class:`SendFailed`; 0 asks for no word of
    it."""

    port: str
    peer: bytes
    octets: bytes
    cluster: int = 0
    token: int = 0


@dataclass(frozen=True, slots=True)
class LastGasp:
    """Send this from stored energy at ``at`` (ns since bench start), unless the supply is back by then.

    Wished for with :class:`PowerLost`: it is all that goes on in a device without supply.  A link that is down then
    loses it."""

    send: Send
    at: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire :class:`TimerFired` at ``at`` (ns since bench start).  Setting a name again moves it."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Forget the timer ``name``; unknown names are fine."""

    name: str


@dataclass(frozen=True, slots=True)
class Drive:
    """Drive the output ``pin`` to a logical level, at once."""

    pin: str
    level: bool


@dataclass(frozen=True, slots=True)
class Show:
    """What the display of the device shows from now on."""

    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """Something worth a line on the evidence time line."""

    event: events.Event


@dataclass(frozen=True, slots=True)
class Persist:
    """Keep ``value`` (JSON types) under ``key`` over a power loss.

    All that one call keeps is one transaction, done before any other effect of that call is granted."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to :class:`Asked`; ``value`` holds JSON types."""

    value: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refuse:
    """The machine will not do what it was asked: expected, got, and what to do next, in one sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class FormNetwork:
    """Form a network as its coordinator with ``epid`` as extended PAN id."""

    port: str
    epid: bytes


@dataclass(frozen=True, slots=True)
class JoinNetwork:
    """Join the network ``epid`` (None: any that lets us in) with our install code (16 octets, without CRC)."""

    port: str
    install_code: bytes
    epid: bytes | None = None


@dataclass(frozen=True, slots=True)
class LeaveNetwork:
    """Leave the network."""

    port: str


@dataclass(frozen=True, slots=True)
class AdmitDevice:
    """Let the device ``peer`` join with this install code (16 octets, without CRC)."""

    port: str
    peer: bytes
    install_code: bytes


@dataclass(frozen=True, slots=True)
class ForgetDevice:
    """Take the device ``peer`` out of the network and off the list of those who may join."""

    port: str
    peer: bytes


@dataclass(frozen=True, slots=True)
class OpenJoining:
    """Let admitted devices join for ``seconds``."""

    port: str
    seconds: int


@dataclass(frozen=True, slots=True)
class CloseJoining:
    """Let nobody join any more."""

    port: str


@dataclass(frozen=True, slots=True)
class ScanNetworks:
    """Ask which networks are in range; :class:`NetworksFound` comes later."""

    port: str


@dataclass(frozen=True, slots=True)
class Tune:
    """Set the inter-PAN radio of ``port`` to ``channel``; ``pan`` is the PAN id of the network heard there.

    A hub's radio takes that PAN id as its own, a terminal's one that differs from it."""

    port: str
    channel: int
    pan: int


Effect = (
    Send
    | LastGasp
    | SetTimer
    | StopTimer
    | Drive
    | Show
    | Record
    | Persist
    | Answer
    | Refuse
    | FormNetwork
    | JoinNetwork
    | LeaveNetwork
    | AdmitDevice
    | ForgetDevice
    | OpenJoining
    | CloseJoining
    | ScanNetworks
    | Tune
)


class Machine(Protocol):
    """Anything with this one method is a machine."""

    def handle(self, event: Event, now: int) -> Sequence[Effect]:
        """Take one event at ``now`` and say what is to be done about it, in order."""
        ...
