"""Byte links: serial lines of the machine, of the virtual bench, and pseudo terminals for other programs.

* :class:`SerialByteLink` opens a device with pyserial.  This is the one file that imports it.
* :class:`VirtualByteLink` is one end of a virtual line, paced on the bench clock: ten bits an octet.
* :class:`PtyEnd` opens a pseudo terminal whose far end another program can open like a serial device.

All satisfy ``ByteLink``.  Octets that arrive while nobody has set ``on_bytes`` are lost, as on an unread port.

Must not live here: any protocol.
"""

from __future__ import annotations

import errno
import os
import select
import termios
import threading
import tty
from collections.abc import Callable, Mapping

import serial

from rig.ports.protocols import ByteLink, Clock, Handle, PortBusy, PortError, PortLost, PortMissing, PortUnable

__all__ = ["PtyEnd", "SerialByteLink", "VirtualByteLink", "open_byte_link"]

LINES = ("rts", "dtr", "break")
_PEER = {"rts": "cts", "dtr": "dsr", "break": "break"}  # what the far end of a null modem sees
_BITS_PER_OCTET = 10  # start, eight data, stop
_READ_SIZE = 4096


def _no_bytes(_octets: bytes) -> None:
    """Nobody listens."""


def _no_word(_reason: str) -> None:
    """Nobody wants to know that the link is gone."""


def _no_line(_name: str, _level: bool) -> None:
    """Nobody watches the modem lines."""


def _check_line(where: str, name: str) -> None:
    if name not in LINES:
        raise PortUnable(where, f"there is no line {name!r}", f"Set one of {', '.join(LINES)}.")


# ------------------------------------------------------------------------------------------------------------ hardware


class SerialByteLink:
    """A serial device, opened for us alone.

    ``where`` is a path or ``serial://<path>``; name USB adapters by ``/dev/serial/by-id/``, not by ttyUSB number.  One
    thread reads and does nothing but post to the clock.  Raises :class:`PortMissing` and :class:`PortBusy`.
    """

    def __init__(self, where: str, baud: int, clock: Clock, *, write_timeout: float = 2.0) -> None:
        self.where = where
        self.on_bytes: Callable[[bytes], None] = _no_bytes
        self.link_lost: Callable[[str], None] = _no_word
        self._clock = clock
        self._closing = False
        self._lost: str | None = None
        path = where.removeprefix("serial://")
        try:
            self._port = serial.Serial(path, baud, exclusive=True, write_timeout=write_timeout)
        except serial.SerialException as error:
            raise _opening(where, error) from error
        except ValueError as error:
            raise PortUnable(where, f"{baud} baud is not possible: {error}", "Choose a usual rate.") from error
        self._reader = threading.Thread(target=self._read, name=f"serial {where}", daemon=True)
        self._reader.start()

    def write(self, octets: bytes) -> None:
        """Send; returns when the kernel has taken them.  Raises :class:`PortLost`."""
        if self._closing or self._lost is not None:
            raise PortLost(self.where, self._lost or "the link was closed", "Open it again.")
        try:
            self._port.write(octets)
        except serial.SerialTimeoutException as error:
            raise PortLost(self.where, "nobody takes what is sent", "Check power and flow control.") from error
        except (serial.SerialException, OSError) as error:
            raise PortLost(self.where, f"cannot send: {error}", "Check the cable, then open it again.") from error

    def set_line(self, name: str, level: bool) -> None:
        """Set a modem line.  Raises :class:`PortUnable` where the device has none (a pseudo terminal)."""
        _check_line(self.where, name)
        try:
            setattr(self._port, "break_condition" if name == "break" else name, level)
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EINVAL):
                raise PortUnable(self.where, f"it has no line {name}", "Use a serial adapter that has it.") from error
            raise PortLost(self.where, f"cannot set {name}: {error}", "Check the cable, then open it again.") from error

    def close(self) -> None:
        """Give the device back; the reader is gone when this returns.  Closing again does nothing."""
        if self._closing:
            return
        self._closing = True
        self._port.cancel_read()
        self._reader.join()
        self._port.close()

    def _read(self) -> None:
        try:
            while not self._closing:
                octets = self._port.read(1)
                if octets:
                    octets += self._port.read(min(self._port.in_waiting, _READ_SIZE))
                    self._clock.post(self._delivery(octets))
        except (serial.SerialException, OSError) as error:
            reason = str(error)
            self._clock.post(lambda: self._lose(reason))

    def _delivery(self, octets: bytes) -> Callable[[], None]:
        def deliver() -> None:
            if not self._closing:
                self.on_bytes(octets)

        return deliver

    def _lose(self, reason: str) -> None:
        if not self._closing and self._lost is None:
            self._lost = reason
            self.link_lost(reason)


def _opening(where: str, error: serial.SerialException) -> PortError:
    """Why a device could not be opened, and what to do about it."""
    reason = str(error)
    if error.errno in (errno.EAGAIN, errno.EBUSY, errno.EWOULDBLOCK):
        return PortBusy(where, "another program holds it", "See which one (fuser) and end it.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return PortMissing(where, "no permission to open it", "Put the user into the group dialout and log in again.")
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return PortMissing(where, "there is no such device", "Plug it in, or correct the path: ls /dev/serial/by-id.")
    return PortMissing(where, f"it is no serial device ({reason})", "Correct the path in the bench file.")


# -------------------------------------------------------------------------------------------------------------- virtual


class VirtualByteLink:
    """One end of a virtual line; make both with :meth:`pair`.

    Octets arrive at the far end when the last bit of each group of ``fifo`` octets has been clocked out, as from a UART
    with a receive FIFO.  ``on_line(name, level)`` tells of the far end's modem lines as a null modem crosses them
    (``"cts"``, ``"dsr"``, ``"break"``).
    """

    def __init__(self, clock: Clock, baud: int, where: str, fifo: int) -> None:
        self.where = where
        self.baud = baud
        self.on_bytes: Callable[[bytes], None] = _no_bytes
        self.link_lost: Callable[[str], None] = _no_word
        self.on_line: Callable[[str, bool], None] = _no_line
        self.lines = dict.fromkeys(LINES, False)
        self._clock = clock
        self._fifo = fifo
        self._peer = self
        self._plugged = True
        self._closed = False
        self._free_at = 0
        self._flying: list[Handle] = []

    @staticmethod
    def pair(
        clock: Clock, baud: int = 9600, name: str = "line", fifo: int = 16
    ) -> tuple[VirtualByteLink, VirtualByteLink]:
        """Both ends of a line; ``baud`` in bits a second, ``fifo`` in octets."""
        if baud <= 0 or fifo <= 0:
            raise ValueError(f"baud and fifo are positive; got {baud} and {fifo}")
        a, b = (VirtualByteLink(clock, baud, f"virtual://{name}/{end}", fifo) for end in "ab")
        a._peer, b._peer = b, a
        return a, b

    def write(self, octets: bytes) -> None:
        """Send.  Raises :class:`PortLost` when the line is unplugged or closed."""
        self._check()
        start = max(self._free_at, self._clock.now)
        for position in range(0, len(octets), self._fifo):
            end = min(position + self._fifo, len(octets))
            arrival = start + self._duration(end)
            self._flying.append(self._clock.call_at(arrival, self._arrival(octets[position:end])))
        self._free_at = start + self._duration(len(octets))

    def set_line(self, name: str, level: bool) -> None:
        """Set a modem line; the far end sees it at once."""
        _check_line(self.where, name)
        self._check()
        if level is not self.lines[name]:
            self.lines[name] = level
            self._clock.call_soon(lambda: self._peer.on_line(_PEER[name], level))

    def unplug(self) -> None:
        """Pull the cable: what is on its way is lost, and both ends hear of it."""
        for end in (self, self._peer):
            if end._plugged:
                end._plugged = False
                end._drop()
                end._clock.call_soon(end._tell_lost)

    def plug(self) -> None:
        """Put the cable back."""
        for end in (self, self._peer):
            end._plugged = True

    def close(self) -> None:
        """Stop listening and sending; closing again does nothing."""
        self._closed = True
        self._drop()

    def _check(self) -> None:
        if self._closed or not self._plugged:
            raise PortLost(
                self.where, "the link was closed" if self._closed else "the cable is unplugged", "Open it again."
            )

    def _duration(self, octets: int) -> int:
        return octets * _BITS_PER_OCTET * 1_000_000_000 // self.baud

    def _arrival(self, octets: bytes) -> Callable[[], None]:
        def arrive() -> None:
            self._flying.pop(0)
            if not self._peer._closed:
                self._peer.on_bytes(octets)

        return arrive

    def _drop(self) -> None:
        for handle in self._flying:
            handle.cancel()
        self._flying.clear()
        self._free_at = 0

    def _tell_lost(self) -> None:
        if not self._closed:
            self.link_lost("the cable was unplugged")


# ------------------------------------------------------------------------------------------------------ pseudo terminal


class PtyEnd:
    """A pseudo terminal: we hold one end, another program opens :attr:`path` like a serial device.

    Our own handle on the far end stays open, so that programs can come and go (facts/radio.md 4), and it is raw.  What
    nobody reads is kept up to ``bound`` octets and lost beyond, counted in ``dropped``.  One thread moves the octets
    and posts what came to the clock.  A pseudo terminal has no modem lines and no break.
    """

    def __init__(self, clock: Clock, name: str = "pty", bound: int = 65_536) -> None:
        self.on_bytes: Callable[[bytes], None] = _no_bytes
        self.link_lost: Callable[[str], None] = _no_word
        self.dropped = 0
        self._clock = clock
        self._bound = bound
        self._closing = False
        self._outgoing = bytearray()
        self._lock = threading.Lock()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave, termios.TCSANOW)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.where = f"{name} ({self.path})"
        self._bell_out, self._bell_in = os.pipe()
        self._mover = threading.Thread(target=self._move, name=self.where, daemon=True)
        self._mover.start()

    def write(self, octets: bytes) -> None:
        """Send.  Raises :class:`PortLost` after :meth:`close`."""
        if self._closing:
            raise PortLost(self.where, "the link was closed", "Open it again.")
        with self._lock:
            room = self._bound - len(self._outgoing)
            self._outgoing += octets[:room]
            self.dropped += max(0, len(octets) - room)
        os.write(self._bell_in, b"w")

    def set_line(self, name: str, level: bool) -> None:
        """Always raises :class:`PortUnable`: a pseudo terminal has no modem lines."""
        _check_line(self.where, name)
        raise PortUnable(
            self.where, f"a pseudo terminal has no line {name} to set to {int(level)}", "Use a serial adapter."
        )

    def close(self) -> None:
        """Hang up: whoever has the far end open sees the device vanish.  Closing again does nothing."""
        if self._closing:
            return
        self._closing = True
        os.write(self._bell_in, b"c")
        self._mover.join()
        for descriptor in (self._master, self._slave, self._bell_in, self._bell_out):
            os.close(descriptor)

    def _move(self) -> None:
        while True:
            writing = [self._master] if self._outgoing else []
            readable, writable, _ = select.select([self._master, self._bell_out], writing, [])
            if self._bell_out in readable:
                os.read(self._bell_out, _READ_SIZE)
            if writable:
                self._write_some()
            if self._closing:
                self._write_some()
                return
            if self._master in readable:
                self._read_some()

    def _write_some(self) -> None:
        with self._lock:
            try:
                del self._outgoing[: os.write(self._master, self._outgoing)]
            except BlockingIOError:
                return  # the far end is full: the next round waits until it is not

    def _read_some(self) -> None:
        try:
            octets = os.read(self._master, _READ_SIZE)
        except BlockingIOError:
            return  # somebody was faster: nothing to read after all
        self._clock.post(self._delivery(octets))

    def _delivery(self, octets: bytes) -> Callable[[], None]:
        def deliver() -> None:
            if not self._closing:
                self.on_bytes(octets)

        return deliver


def open_byte_link(url: str, baud: int, clock: Clock, lines: Mapping[str, VirtualByteLink] | None = None) -> ByteLink:
    """Open what the bench file names: ``virtual://<line end>``, ``pty:<name>``, ``serial://<path>`` or a path."""
    scheme, separator, name = url.partition("://")
    if separator and scheme == "virtual":
        link = (lines or {}).get(name)
        if link is None:
            known = ", ".join(sorted(lines or {})) or "none"
            raise PortMissing(url, f"the virtual bench has no such line (it has: {known})", "Correct the bench file.")
        return link
    if url.startswith("pty:"):
        return PtyEnd(clock, url.removeprefix("pty:") or "pty")
    if separator and scheme != "serial":
        raise PortMissing(url, "not the address of a byte link", "Write virtual://, pty: or serial:// there.")
    return SerialByteLink(url, baud, clock)
