"""GBCS messages as lines of text over any byte link: the second carrier beside the WAN.

A message is ``GBCS:DATA#0:<length>:<hex>`` ended by CR LF: the text form of the GFI test tool (facts/gbcs.md 8.4,
single source; that the length counts octets, not hex digits, is our assumption and a setting).

For a device that runs in another process the same line carries its wires.  That is this project's own convention, not
part of anybody's specification::

    PIN:<name>:<0|1>           an output of the sender changed, or (towards the device) one of its inputs
    PRESS:<button>:<hold ms>   somebody pressed a button of the receiver for so long
    POWER:<0|1>                the supply of the receiver went or came

    PortError
    ├── LineFault                a line that is no frame; it is counted and told to ``on_fault``, never raised
    ├── PortMissing              the device is not at the far end of this line
    └── PortLost                 the line is gone

Must not live here: what the messages mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rig.ports.protocols import ByteLink, PortError, PortLost, PortMissing, PortUnable
from rig.world.nets import Net

__all__ = [
    "LineFault",
    "LineMessageLink",
    "LineParser",
    "LineSettings",
    "Message",
    "Pin",
    "Power",
    "Press",
    "encode_line",
    "wire_line",
]


class LineFault(PortError):
    """A line that is no frame: too long, a wrong length, no hex, an unknown form of one of ours."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """What the single source leaves open, and the bounds."""

    length_counts_digits: bool = False  # our assumption: <length> counts octets
    largest_message: int = 16_384  # octets; more than any published message, so that a line is bounded

    @property
    def longest_line(self) -> int:
        return 2 * self.largest_message + 64


@dataclass(frozen=True, slots=True)
class Message:
    """One GBCS message."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Pin:
    """A wire changed its level."""

    name: str
    level: bool


@dataclass(frozen=True, slots=True)
class Press:
    """A button is pressed for ``hold_ns``."""

    button: str
    hold_ns: int


@dataclass(frozen=True, slots=True)
class Power:
    """The supply went or came."""

    on: bool


LineFrame = Message | Pin | Press | Power

_NAME = "[A-Za-z0-9_.-]{1,32}"
_END = re.compile(rb"[\r\n]")
_START = re.compile(rb"GBCS:|PIN:|PRESS:|POWER:")
_MESSAGE = re.compile(r"GBCS:DATA#0:(\d{1,6}):([0-9A-Fa-f]*)")
_PIN = re.compile(rf"PIN:({_NAME}):([01])")
_PRESS = re.compile(rf"PRESS:({_NAME}):(\d{{1,7}})")
_POWER = re.compile(r"POWER:([01])")
_MS = 1_000_000


def encode_line(frame: LineFrame, settings: LineSettings | None = None) -> bytes:
    """The line of a frame, CR LF included.  Raises :class:`PortUnable` for what no line can carry."""
    chosen = settings or LineSettings()
    match frame:
        case Message(octets):
            if len(octets) > chosen.largest_message:
                problem = f"a message has at most {chosen.largest_message} octets; got {len(octets)}"
                raise PortUnable("message line", problem, "Raise largest_message at both ends.")
            length = len(octets) * 2 if chosen.length_counts_digits else len(octets)
            text = f"GBCS:DATA#0:{length}:{octets.hex().upper()}"
        case Pin(name, level):
            text = f"PIN:{_checked(name)}:{int(level)}"
        case Press(button, hold_ns):
            text = f"PRESS:{_checked(button)}:{hold_ns // _MS}"
        case Power(on):
            text = f"POWER:{int(on)}"
    return text.encode("ascii") + b"\r\n"


def _checked(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise PortUnable("message line", f"{name!r} is no name for a wire", "Use 1 to 32 of A-Z a-z 0-9 _ . -")
    return name


class LineParser:
    """Octets in, frames out.  Bounded: a line longer than the longest frame is thrown away as it comes.

    ``noise`` counts octets that belong to no frame: log lines, echoes, what precedes a frame on its line.
    """

    def __init__(self, settings: LineSettings | None = None, where: str = "message line") -> None:
        self._settings = settings or LineSettings()
        self._buffer = bytearray()
        self._skipping = False
        self.where = where
        self.noise = 0
        self.on_fault: Callable[[LineFault], None] = _no_fault

    def feed(self, octets: bytes) -> list[LineFrame]:
        """The frames that these octets complete."""
        frames: list[LineFrame] = []
        *lines, rest = _END.split(octets)
        if lines:  # only what is new is searched for ends, so that the work is linear however small the pieces
            lines[0] = bytes(self._buffer) + lines[0]
            self._buffer.clear()
        self._buffer += rest
        for line in lines:
            if self._skipping:
                self._skipping = False
                self.noise += len(line)
            elif line and (frame := self._line(line)) is not None:
                frames.append(frame)
        if self._skipping or len(self._buffer) > self._settings.longest_line:
            if not self._skipping:
                self._fault(f"a line is longer than {self._settings.longest_line} octets")
            self._skipping = True
            self.noise += len(self._buffer)
            self._buffer.clear()
        return frames

    def _line(self, line: bytes) -> LineFrame | None:
        start = _START.search(line)
        if start is None:
            self.noise += len(line)
            return None
        self.noise += start.start()
        if len(line) - start.start() > self._settings.longest_line:
            self._fault(f"a line is longer than {self._settings.longest_line} octets")
            return None
        text = line[start.start() :].decode("latin-1").rstrip()
        if found := _MESSAGE.fullmatch(text):
            return self._message(int(found[1]), found[2])
        if found := _PIN.fullmatch(text):
            return Pin(found[1], found[2] == "1")
        if found := _PRESS.fullmatch(text):
            return Press(found[1], int(found[2]) * _MS)
        if found := _POWER.fullmatch(text):
            return Power(found[1] == "1")
        self._fault(f"expected GBCS:DATA#0:<length>:<hex>, PIN:, PRESS: or POWER:, got {text[:60]!r}")
        return None

    def _message(self, length: int, digits: str) -> Message | None:
        got = len(digits) if self._settings.length_counts_digits else len(digits) / 2
        if got != length or len(digits) % 2:
            unit = "hex digits" if self._settings.length_counts_digits else "octets"
            self._fault(f"expected {length} {unit}, got {got:g}")
            return None
        return Message(bytes.fromhex(digits))

    def _fault(self, problem: str) -> None:
        self.on_fault(LineFault(self.where, problem, "Check speed and wiring of the line, and what the device prints."))


def _no_fault(_fault: LineFault) -> None:
    """Nobody wants to know of faults one by one."""


def _no_message(_device: bytes, _octets: bytes) -> None:
    """Nobody listens."""


def _no_link(_up: bool) -> None:
    """Nobody wants to know about the link."""


def _no_pin(_name: str, _level: bool) -> None:
    """Nobody has wired the pins."""


def _no_press(_button: str, _hold_ns: int) -> None:
    """There are no buttons at this end."""


def _no_power(_on: bool) -> None:
    """Nothing at this end depends on the supply."""


class LineMessageLink:
    """The one device at the far end of a line; satisfies ``MessageLink``.

    ``device`` is its EUI-64: the line carries no addresses.  ``faults`` counts lines that were no frames,
    ``last_fault`` is the latest.  The wires: ``on_pin``, ``on_press``, ``on_power`` one way, :meth:`set_pin`,
    :meth:`press`, :meth:`power` the other.
    """

    def __init__(
        self, link: ByteLink, device: bytes, settings: LineSettings | None = None, where: str = "line"
    ) -> None:
        self._link = link
        self._settings = settings or LineSettings()
        self._parser = LineParser(self._settings, where)
        self._parser.on_fault = self._fault
        self._lost: str | None = None
        self.device = device
        self.where = where
        self.faults = 0
        self.last_fault: LineFault | None = None
        self.on_fault: Callable[[LineFault], None] = _no_fault
        self.on_message: Callable[[bytes, bytes], None] = _no_message
        self.on_link: Callable[[bool], None] = _no_link
        self.on_pin: Callable[[str, bool], None] = _no_pin
        self.on_press: Callable[[str, int], None] = _no_press
        self.on_power: Callable[[bool], None] = _no_power
        link.on_bytes = self._bytes
        link.link_lost = self.lose

    @property
    def up(self) -> bool:
        """Whether the line is there; what is at its far end may still be dead."""
        return self._lost is None

    @property
    def noise(self) -> int:
        """Octets that belonged to no frame."""
        return self._parser.noise

    def send(self, device: bytes, octets: bytes) -> None:
        """Send a message.  Raises :class:`PortMissing` when ``device`` is not at the far end, or :class:`PortLost`."""
        if device != self.device:
            problem = f"{device.hex('-').upper()} is not at the far end, {self.device.hex('-').upper()} is"
            raise PortMissing(self.where, problem, "Correct the line's device in the bench file.")
        self._write(Message(octets))

    def set_pin(self, name: str, level: bool) -> None:
        """Tell the far end the level of a wire."""
        self._write(Pin(name, level))

    def press(self, button: str, hold_ns: int) -> None:
        """Press a button of the far end; whole milliseconds."""
        self._write(Press(button, hold_ns))

    def power(self, on: bool) -> None:
        """Tell the far end that its supply came or went."""
        self._write(Power(on))

    def close(self) -> None:
        """Close the line; closing again does nothing."""
        if self._lost is None:
            self._lost = "the link was closed"
        self._link.close()

    def _write(self, frame: LineFrame) -> None:
        if self._lost is not None:
            raise PortLost(self.where, self._lost, "Open it again.")
        self._link.write(encode_line(frame, self._settings))

    def _bytes(self, octets: bytes) -> None:
        for frame in self._parser.feed(octets):
            match frame:
                case Message(message):
                    self.on_message(self.device, message)
                case Pin(name, level):
                    self.on_pin(name, level)
                case Press(button, hold_ns):
                    self.on_press(button, hold_ns)
                case Power(on):
                    self.on_power(on)

    def _fault(self, fault: LineFault) -> None:
        self.faults += 1
        self.last_fault = fault
        self.on_fault(fault)

    def lose(self, reason: str) -> None:
        """The line is lost, or what was at its far end is known to be gone; nothing more goes out."""
        if self._lost is None:
            self._lost = reason
            self.on_link(False)


def wire_line(link: LineMessageLink, outputs: Mapping[str, Net], inputs: Mapping[str, Net]) -> None:
    """Wire the pins of the device at the far end into the nets of the bench.

    ``outputs`` are the device's (coils: it drives the net), ``inputs`` what it senses (auxiliary contacts: their
    present level and every edge is sent).  A PIN for a name that is not wired is a fault.  When the line is lost the
    outputs go low, as those of a device without power.
    """
    drivers = {name: net.driver(f"{link.where}.{name}") for name, net in outputs.items()}
    for driver in drivers.values():
        driver.drive(False)

    def drive(name: str, level: bool) -> None:
        if name in drivers:
            drivers[name].drive(level)
        else:
            link._fault(LineFault(link.where, f"the pin {name!r} is wired to nothing", "Add it to the bench file."))

    def follow(name: str) -> Callable[[bool, int], None]:
        return lambda level, _at_ns: link.set_pin(name, level) if link.up else None

    def lost(up: bool) -> None:
        for driver in drivers.values():
            driver.drive(False)
        told(up)

    told, link.on_link, link.on_pin = link.on_link, lost, drive
    for name, net in inputs.items():
        net.watch(follow(name))
        link.set_pin(name, net.level)
