"""What the bench itself does and senses: power, pins, displays, readings, the air, the bus.

Must not live here: what a device says of itself.
"""

from __future__ import annotations

from devices.events.base import Event, Json, event

__all__ = [
    "AirFrames",
    "BeaconsHeard",
    "BenchStalled",
    "BusAnswer",
    "BusCommand",
    "DisplayShown",
    "LinkSwitched",
    "OperatorActed",
    "PinMoved",
    "PowerSwitched",
    "RadioInNetwork",
    "ReadingTaken",
    "SendingFailed",
    "TunnelGranted",
]


@event("power")
class PowerSwitched(Event):
    """A device has power from now on, or a supply was switched; or no longer."""

    on: bool


@event("edge")
class PinMoved(Event):
    """The pin, or the contact sensed at it, went to ``level``."""

    pin: str
    level: bool


@event("link")
class LinkSwitched(Event):
    """A link of a device was cut or lost; or it is there again.

    ``link`` is the port that it is plugged into, or ``air``: all of its radios, which were carried out of everybody's
    reach.  That a link comes up at the start is not told.
    """

    link: str
    up: bool


@event("display")
class DisplayShown(Event):
    """The display of a device shows ``text`` from now on."""

    text: str


@event("send.failed")
class SendingFailed(Event):
    """A message for ``peer`` (EUI-64) could not leave by ``port``; or a frame, as the radio there says."""

    port: str
    peer: bytes
    reason: str


@event("radio.network")
class RadioInNetwork(Event):
    """The radio at ``port`` is in a network from now on, as the radio itself has it: extended PAN id (8 octets), PAN
    id, channel."""

    port: str
    epid: bytes
    pan: int
    channel: int


@event("radio.beacons")
class BeaconsHeard(Event):
    """A scan of the radio at ``port`` ended: the ``networks`` (extended PAN id, which is the EUI-64 of their hub) whose
    beacons it received, strongest first."""

    port: str
    networks: tuple[bytes, ...]


@event("tunnel.granted")
class TunnelGranted(Event):
    """A frame that grants a tunnel crossed at ``port``: ``out`` of the device towards ``peer`` (EUI-64), or into it
    from there."""

    port: str
    peer: bytes
    out: bool


@event("operator")
class OperatorActed(Event):
    """A person at the bench did ``act``."""

    act: str


@event("reading")
class ReadingTaken(Event):
    """An instrument read ``value`` in ``unit``, with its expanded ``uncertainty`` (k=2) in the same unit, at ``at_ns``
    of bench time."""

    quantity: str
    value: float
    unit: str
    uncertainty: float
    at_ns: int
    instrument: str


@event("air.frames")
class AirFrames(Event):
    """So many MAC frames went over the air in the course of one command; the first of them as bench time in ns, sender
    and octets."""

    count: int
    frames: tuple[tuple[int, str, bytes], ...]


@event("bench.stalled")
class BenchStalled(Event):
    """A bench on a real clock was held up for ``span_ns``: what happened meanwhile was seen as late as this."""

    span_ns: int


@event("bus.command")
class BusCommand(Event):
    """A command came over the bus and is about to be carried out."""

    verb: str
    args: Json


@event("bus.answer")
class BusAnswer(Event):
    """A command was carried out, with what it told; or ``refused``, and why."""

    verb: str
    refused: str | None = None
    data: Json | None = None
