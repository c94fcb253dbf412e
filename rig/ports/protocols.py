"""What every port promises, in one place: the seams between the rig and the world.

Each protocol here has at least two implementations that pass one conformance suite (``tests/ports``).  Callbacks are
always called on the bench's executor thread, through the clock; a driver with a reader thread of its own hands what it
read over with :meth:`Clock.post`.

Must not live here: implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = [
    "BusI2C",
    "ByteLink",
    "Clock",
    "HanAdapter",
    "HanCapabilities",
    "Handle",
    "Input",
    "InterPanAdapter",
    "InternalPort",
    "MessageLink",
    "Operator",
    "Output",
    "PortBusy",
    "PortError",
    "PortLost",
    "PortMissing",
    "PortUnable",
    "Reading",
    "Supply",
]


class PortError(Exception):
    """A port failed: the bench broke, never the device under test.

        PortError
        ├── PortMissing      nothing answers at the address that the bench file names
        ├── PortBusy         somebody else holds it
        ├── PortLost         it was there and is gone
        └── PortUnable       it works, but what was asked for is beyond it: a capability that the bench lacks

    ``where`` names the port as the bench file does, ``advice`` says what to do next.
    """

    def __init__(self, where: str, problem: str, advice: str) -> None:
        super().__init__(f"{where}: {problem}. {advice}")
        self.where, self.problem, self.advice = where, problem, advice


class PortMissing(PortError):
    """Nothing answers at the address that the bench file names."""


class PortBusy(PortError):
    """Somebody else holds it."""


class PortLost(PortError):
    """It was there and is gone."""


class PortUnable(PortError):
    """It works, but what was asked for is beyond it: a capability that the bench lacks."""


class Handle(Protocol):
    """Something that was scheduled and can be called off."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """The one clock of a bench.  ``now`` is integer nanoseconds since bench start and never goes back."""

    @property
    def now(self) -> int: ...

    def call_at(self, when: int, what: Callable[[], None]) -> Handle:
        """Call ``what`` on the executor thread at ``when``; equal times run in the order of the calls."""
        ...

    def call_soon(self, what: Callable[[], None]) -> Handle:
        """Call ``what`` at the present instant, after everything that is already due."""
        ...

    def post(self, what: Callable[[], None]) -> None:
        """From any thread: have ``what`` called on the executor thread as soon as may be."""
        ...


class ByteLink(Protocol):
    """A serial line: octets both ways, modem lines, and word when it is gone."""

    on_bytes: Callable[[bytes], None]
    link_lost: Callable[[str], None]

    def write(self, octets: bytes) -> None: ...

    def set_line(self, name: str, level: bool) -> None:
        """Set ``"rts"``, ``"dtr"`` or ``"break"``."""
        ...

    def close(self) -> None: ...


class Output(Protocol):
    """A digital output with a safe level.  It is driven only while armed; disarming drives the safe level."""

    @property
    def level(self) -> bool: ...

    def drive(self, level: bool) -> None: ...

    def safe(self) -> None: ...

    def close(self) -> None: ...


class Input(Protocol):
    """A digital input; ``on_edge(level, at_ns)`` is called for each edge with its own time stamp."""

    on_edge: Callable[[bool, int], None]

    @property
    def level(self) -> bool: ...

    def close(self) -> None: ...


class BusI2C(Protocol):
    """An I2C bus as smbus2 offers it; words are little-endian on this interface, as SMBus says."""

    def read_byte_data(self, i2c_addr: int, register: int) -> int: ...

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None: ...

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]: ...

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement: ``value`` in ``unit``, expanded ``uncertainty`` (k=2) in the same unit, taken at ``at_ns`` of
    the bench clock by ``instrument`` (its name in the bench file)."""

    quantity: str
    value: float
    unit: str
    uncertainty: float
    at_ns: int
    instrument: str


@dataclass(frozen=True, slots=True)
class HanCapabilities:
    """What a HAN adapter can do; the bench decides from it which tests can run.

    ``largest_frame`` is the largest ZCL frame in octets that ``send`` takes.  ``cbke`` is ``"none"``, ``"host"`` or
    ``"module"``.  ``bands`` in MHz.
    """

    formation: bool
    install_code: bool
    cbke: str
    largest_frame: int
    bands: tuple[int, ...]
    settable_eui64: bool


class HanAdapter(Protocol):
    """A device's place in the HAN, application level.  Peers are named by their *device* EUI-64 as in the bench file;
    the adapter knows which radio that is.  ``on_event`` gets the HAN events of ``devices.machines.core``."""

    on_event: Callable[[Any], None]

    @property
    def capabilities(self) -> HanCapabilities: ...

    def start(self) -> None:
        """Bring the radio up (it has power)."""
        ...

    def stop(self) -> None:
        """The device lost its power: the radio goes silent at once and forgets what is volatile."""
        ...

    def send(self, peer: bytes, cluster: int, octets: bytes, token: int = 0) -> None:
        """Send one ZCL frame.  With a token other than 0 a failure comes back as ``SendFailed``."""
        ...

    def form(self, epid: bytes) -> None: ...

    def join(self, install_code: bytes, epid: bytes | None = None) -> None: ...

    def leave(self) -> None: ...

    def admit(self, peer: bytes, install_code: bytes) -> None: ...

    def forget(self, peer: bytes) -> None: ...

    def open_joining(self, seconds: int) -> None: ...

    def close_joining(self) -> None: ...

    def scan(self) -> None: ...

    def close(self) -> None: ...


class InterPanAdapter(Protocol):
    """Inter-PAN frames (one MAC frame each, no network).  Peers by device EUI-64 (for a hub: the one printed on it)."""

    on_event: Callable[[Any], None]

    @property
    def largest_frame(self) -> int:
        """The largest ZCL frame in octets that fits one MAC frame."""
        ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def tune(self, channel: int, pan: int) -> None:
        """Listen and send on this channel; a hub takes the PAN id of its HAN, a terminal one that differs from it."""
        ...

    def send(self, peer: bytes, cluster: int, octets: bytes, token: int = 0) -> None: ...

    def scan(self) -> None: ...

    def close(self) -> None: ...


class InternalPort(Protocol):
    """One end of a line between two functions of one box.  ``on_event`` gets ``Received`` of the machines' core."""

    on_event: Callable[[Any], None]

    def start(self) -> None:
        """The function has power."""
        ...

    def stop(self) -> None:
        """The function lost its power: it hears nothing more."""
        ...

    def send(self, peer: bytes, cluster: int, octets: bytes) -> None:
        """Hand octets over to the other end, if that is ``peer``; ``cluster`` is 0 for a whole message."""
        ...


class MessageLink(Protocol):
    """GBCS octets to and from named devices, whoever carries them."""

    on_message: Callable[[bytes, bytes], None]
    """``on_message(device, octets)``: a message came from ``device``."""

    on_link: Callable[[bool], None]

    @property
    def up(self) -> bool: ...

    def send(self, device: bytes, octets: bytes) -> None: ...

    def close(self) -> None: ...


class Operator(Protocol):
    """The hands and eyes at the device: a scripted twin on the virtual bench, a person or a relay on a real one."""

    def press(self, device: str, button: str, hold_ns: int) -> None: ...

    def read(self, device: str) -> str:
        """What the display shows."""
        ...

    def break_seal(self, device: str) -> None: ...

    def move_probe(self, device: str) -> None: ...


class Supply(Protocol):
    """A supply that can be switched, set and sensed."""

    def switch(self, on: bool) -> None: ...

    def set_level(self, volts: float) -> None: ...

    def profile(self, steps: list[tuple[int, float]]) -> None:
        """Follow ``(after_ns, volts)`` steps, counted from now."""
        ...

    def sense(self) -> Mapping[str, Reading]: ...
