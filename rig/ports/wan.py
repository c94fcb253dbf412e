"""The WAN: a link between the head end and the hubs, which can be cut, delayed, lossy and double.

Endpoints go by EUI-64.  Both carriers give ``MessageLink`` objects, one for each endpoint; ``send`` to an endpoint that
cannot be reached raises, and what is on its way when a link is cut is lost without a word, as in life.

* :class:`VirtualWan` carries messages on the bench clock.
* :class:`TcpWanServer` (head end) and :class:`TcpWanClient` (hub) carry them over TCP.  A frame is the EUI-64 of the
  party at the server's side (8 octets), the length (4 octets, most significant first) and the message; the first frame
  of a client is empty and carries its own EUI-64.

    PortError
    ├── PortLost          the link is down
    ├── PortMissing       nobody of that name is there
    └── WanFrameError     the far end sent what is no frame; the connection is given up

Must not live here: what the messages mean.
"""

from __future__ import annotations

import random
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from rig.ports.protocols import Clock, Handle, PortBusy, PortError, PortLost, PortMissing, PortUnable

__all__ = ["TcpWanClient", "TcpWanServer", "VirtualWan", "WanEndpoint", "WanFrameError", "WanQuality"]

OnMessage = Callable[[bytes, bytes], None]
OnLink = Callable[[bool], None]

EUI_OCTETS = 8
_HEADER = EUI_OCTETS + 4


class WanFrameError(PortError):
    """The far end of a TCP WAN sent what is no frame."""


def _no_message(_device: bytes, _octets: bytes) -> None:
    """Nobody listens."""


def _no_link(_up: bool) -> None:
    """Nobody wants to know about the link."""


def _name(eui: bytes) -> str:
    return eui.hex("-").upper()


class WanEndpoint:
    """One endpoint; satisfies ``MessageLink``.  Made by a carrier."""

    def __init__(self, carrier: _Carrier, eui: bytes) -> None:
        self._carrier = carrier
        self._known_up = False
        self.eui = eui
        self.on_message: OnMessage = _no_message
        self.on_link: OnLink = _no_link

    @property
    def up(self) -> bool:
        """Whether anybody can be reached from here."""
        return self._carrier.is_up(self.eui)

    def send(self, device: bytes, octets: bytes) -> None:
        """Send to the endpoint ``device``.  Raises :class:`PortLost` or :class:`PortMissing`."""
        self._carrier.carry(self.eui, device, octets)

    def close(self) -> None:
        """Leave the WAN; closing again does nothing."""
        self._carrier.leave(self.eui)

    def tell_link(self, clock: Clock) -> None:
        """Have ``on_link`` told if the link came up or went away since it was last told."""
        if (level := self.up) is not self._known_up:
            self._known_up = level
            clock.call_soon(lambda: self.on_link(level))


class _Carrier(ABC):
    """What an endpoint needs of whoever carries its messages."""

    @abstractmethod
    def is_up(self, eui: bytes) -> bool: ...

    @abstractmethod
    def carry(self, source: bytes, target: bytes, octets: bytes) -> None: ...

    @abstractmethod
    def leave(self, eui: bytes) -> None: ...


# -------------------------------------------------------------------------------------------------------------- virtual


@dataclass(frozen=True, slots=True)
class WanQuality:
    """How the virtual WAN treats messages.  Probabilities 0..1; times in ns."""

    delay_ns: int = 50_000_000  # one way; a cellular WAN takes tens to hundreds of ms (our own default)
    jitter_ns: int = 0  # added, evenly spread; with more than the gap between messages they overtake each other
    loss: float = 0.0
    duplication: float = 0.0  # the second copy takes its own delay


class VirtualWan(_Carrier):
    """The WAN of the virtual bench.  ``quality`` may be changed at any time; it holds for messages sent afterwards."""

    def __init__(self, clock: Clock, rng: random.Random, quality: WanQuality | None = None) -> None:
        self._clock = clock
        self._rng = rng
        self._endpoints: dict[bytes, WanEndpoint] = {}
        self._cut: set[bytes] = set()
        self._flying: dict[Handle, tuple[bytes, bytes]] = {}
        self.quality = quality or WanQuality()
        self.sent = self.lost = self.duplicated = 0

    def endpoint(self, eui: bytes) -> WanEndpoint:
        """The endpoint of this EUI-64; made when first asked for."""
        _check_eui("virtual WAN", eui)
        if eui not in self._endpoints:
            self._endpoints[eui] = WanEndpoint(self, eui)
            self._tell()
        return self._endpoints[eui]

    def cut(self, eui: bytes) -> None:
        """Cut one endpoint off: what is on its way to or from it is lost."""
        self._cut.add(eui)
        self._drop(eui)
        self._tell()

    def restore(self, eui: bytes) -> None:
        """Connect it again."""
        self._cut.discard(eui)
        self._tell()

    def is_up(self, eui: bytes) -> bool:
        joined = self._endpoints.keys() - self._cut
        return eui in joined and len(joined) > 1

    def carry(self, source: bytes, target: bytes, octets: bytes) -> None:
        if source not in self._endpoints or source in self._cut:
            raise PortLost(_name(source), "the WAN link is down", "Restore it, or send another way.")
        if target not in self._endpoints:
            raise PortMissing(_name(source), f"nobody on the WAN is {_name(target)}", "Correct the EUI-64.")
        if target in self._cut:
            raise PortLost(_name(source), f"the WAN link of {_name(target)} is down", "Restore it.")
        self.sent += 1
        if self._rng.random() < self.quality.loss:
            self.lost += 1
            return
        copies = 1 + (self._rng.random() < self.quality.duplication)
        self.duplicated += copies - 1
        for _ in range(copies):
            self._launch(source, target, octets)

    def _launch(self, source: bytes, target: bytes, octets: bytes) -> None:
        delay = self.quality.delay_ns + (self._rng.randrange(self.quality.jitter_ns + 1))

        def arrive() -> None:
            del self._flying[handle]
            self._endpoints[target].on_message(source, octets)

        handle = self._clock.call_at(self._clock.now + delay, arrive)
        self._flying[handle] = (source, target)

    def leave(self, eui: bytes) -> None:
        if self._endpoints.pop(eui, None) is not None:
            self._drop(eui)
            self._tell()

    def _drop(self, eui: bytes) -> None:
        for handle, ends in tuple(self._flying.items()):
            if eui in ends:
                handle.cancel()
                del self._flying[handle]
                self.lost += 1

    def _tell(self) -> None:
        for endpoint in tuple(self._endpoints.values()):
            endpoint.tell_link(self._clock)


# ------------------------------------------------------------------------------------------------------------------ TCP


@dataclass(frozen=True, slots=True)
class TcpWanSettings:
    """Bounds of the TCP WAN."""

    longest_message: int = 65_536  # octets; a frame that announces more is hostile and ends its connection
    send_timeout: float = 5.0  # seconds until a peer that takes nothing is given up
    retry_ns: int = 1_000_000_000  # a client tries to connect again after this long, on the bench clock
    most_clients: int = 64  # hubs at one head end


class _Connection:
    """One TCP connection: frames out, and a thread that reads frames and posts them to the clock."""

    def __init__(self, sock: socket.socket, clock: Clock, settings: TcpWanSettings, where: str) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(settings.send_timeout)
        self._sock = sock
        self._clock = clock
        self._settings = settings
        self._where = where
        self._closing = False
        self._reader: threading.Thread | None = None
        self.on_frame: Callable[[_Connection, bytes, bytes], None]
        self.on_end: Callable[[_Connection, PortError | None], None]

    def start(
        self,
        on_frame: Callable[[_Connection, bytes, bytes], None],
        on_end: Callable[[_Connection, PortError | None], None],
    ) -> None:
        self.on_frame, self.on_end = on_frame, on_end
        self._reader = threading.Thread(target=self._read, name=f"wan {self._where}", daemon=True)
        self._reader.start()

    def send(self, eui: bytes, octets: bytes) -> None:
        """Send one frame; raises :class:`PortUnable` when it is too long, :class:`PortLost` when the peer is gone."""
        if len(octets) > self._settings.longest_message:
            problem = f"a message has at most {self._settings.longest_message} octets; got {len(octets)}"
            raise PortUnable(self._where, problem, "Split it, or raise longest_message at both ends.")
        try:
            self._sock.sendall(eui + len(octets).to_bytes(4, "big") + octets)
        except OSError as error:
            self.shut()
            raise PortLost(self._where, f"the connection is gone: {error}", "It is tried again by itself.") from error

    def shut(self) -> None:
        """Make the reader end; harmless when it has ended."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it was down already

    def close(self) -> None:
        """End the connection without a word to ``on_end``; the reader is gone when this returns."""
        self._closing = True
        self.shut()
        if self._reader is not None:
            self._reader.join()
        self._sock.close()

    def _read(self) -> None:
        problem: PortError | None = None
        try:
            while True:
                header = self._exactly(_HEADER)
                length = int.from_bytes(header[EUI_OCTETS:], "big")
                if length > self._settings.longest_message:
                    problem = WanFrameError(
                        self._where, f"a frame announces {length} octets", "Check what connects to this port."
                    )
                    break
                self._clock.post(self._delivery(header[:EUI_OCTETS], self._exactly(length)))
        except (OSError, EOFError):
            problem = None  # the connection ended; on_end says so
        self.shut()
        self._clock.post(lambda: None if self._closing else self.on_end(self, problem))

    def _delivery(self, eui: bytes, octets: bytes) -> Callable[[], None]:
        return lambda: None if self._closing else self.on_frame(self, eui, octets)

    def _exactly(self, count: int) -> bytes:
        octets = bytearray()
        while len(octets) < count:
            try:
                piece = self._sock.recv(min(count - len(octets), 65_536))
            except TimeoutError:
                continue  # the time-out is for sending; a silent peer is fine
            if not piece:
                raise EOFError
            octets += piece
        return bytes(octets)


class TcpWanServer(_Carrier):
    """The head end of the TCP WAN: hubs connect here; parties are :meth:`endpoint`.

    ``faults`` keeps the typed errors of connections that were given up.  Raises :class:`PortBusy` for a taken port.
    """

    def __init__(self, address: tuple[str, int], clock: Clock, settings: TcpWanSettings | None = None) -> None:
        self._clock = clock
        self._settings = settings or TcpWanSettings()
        self._parties: dict[bytes, WanEndpoint] = {}
        self._arrived: set[_Connection] = set()  # accepted, but the clock has not heard of them yet
        self._strangers: set[_Connection] = set()
        self._hubs: dict[bytes, _Connection] = {}
        self._closing = False
        self.where = f"tcp://{address[0]}:{address[1]}"
        self.faults: list[PortError] = []
        try:
            self._listener = socket.create_server(address)
        except OSError as error:
            raise PortBusy(self.where, f"cannot listen: {error.strerror}", "Choose a free port.") from error
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._acceptor = threading.Thread(target=self._accept, name=f"wan {self.where}", daemon=True)
        self._acceptor.start()

    def endpoint(self, eui: bytes) -> WanEndpoint:
        """The endpoint of a party at the head end; made when first asked for."""
        _check_eui(self.where, eui)
        if eui not in self._parties:
            self._parties[eui] = WanEndpoint(self, eui)
            self._parties[eui].tell_link(self._clock)
        return self._parties[eui]

    @property
    def hubs(self) -> tuple[bytes, ...]:
        """The hubs that are connected."""
        return tuple(self._hubs)

    def is_up(self, eui: bytes) -> bool:
        return eui in self._parties and bool(self._hubs)

    def carry(self, source: bytes, target: bytes, octets: bytes) -> None:
        connection = self._hubs.get(target)
        if connection is None:
            raise PortLost(self.where, f"the hub {_name(target)} is not connected", "See whether it runs.")
        connection.send(source, octets)

    def leave(self, eui: bytes) -> None:
        self._parties.pop(eui, None)

    def close(self) -> None:
        """Hang up on everybody; all threads are gone when this returns.  Closing again does nothing."""
        if self._closing:
            return
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for connection in (*self._arrived, *self._strangers, *self._hubs.values()):
            connection.close()
        self._arrived.clear()
        self._strangers.clear()
        self._hubs.clear()

    def _accept(self) -> None:
        while True:
            try:
                sock, peer = self._listener.accept()
            except OSError:
                return  # closed
            connection = _Connection(sock, self._clock, self._settings, f"{self.where} from {peer[0]}:{peer[1]}")
            self._arrived.add(connection)
            self._clock.post(self._greeting(connection))

    def _greeting(self, connection: _Connection) -> Callable[[], None]:
        def greet() -> None:
            self._arrived.discard(connection)
            if self._closing or len(self._strangers) + len(self._hubs) >= self._settings.most_clients:
                connection.close()
                return
            self._strangers.add(connection)
            connection.start(self._frame, self._end)

        return greet

    def _frame(self, connection: _Connection, eui: bytes, octets: bytes) -> None:
        if connection in self._strangers:
            self._introduce(connection, eui, octets)
            return
        hub = next(known for known, other in self._hubs.items() if other is connection)
        party = self._parties.get(eui)
        if party is None:
            self.faults.append(PortMissing(self.where, f"no party is {_name(eui)}", "Correct the hub's head end."))
        else:
            party.on_message(hub, octets)

    def _introduce(self, connection: _Connection, eui: bytes, octets: bytes) -> None:
        self._strangers.discard(connection)
        if octets:
            self.faults.append(WanFrameError(self.where, "a client did not introduce itself", "Check what connects."))
            connection.close()
            return
        former = self._hubs.pop(eui, None)
        if former is not None:  # the hub came back before we noticed that it had gone
            former.close()
        self._hubs[eui] = connection
        self._tell()

    def _end(self, connection: _Connection, problem: PortError | None) -> None:
        if problem is not None:
            self.faults.append(problem)
        self._strangers.discard(connection)
        self._hubs = {eui: other for eui, other in self._hubs.items() if other is not connection}
        connection.close()
        self._tell()

    def _tell(self) -> None:
        for party in tuple(self._parties.values()):
            party.tell_link(self._clock)


class TcpWanClient:
    """A hub's end of the TCP WAN; satisfies ``MessageLink``.  It connects by itself, again and again.

    Whoever connects waits at most ``connect_timeout`` seconds in a thread of its own; nothing blocks the clock.
    """

    def __init__(
        self, address: tuple[str, int], eui: bytes, clock: Clock, settings: TcpWanSettings | None = None
    ) -> None:
        self.where = f"tcp://{address[0]}:{address[1]}"
        _check_eui(self.where, eui)
        self._address = address
        self._clock = clock
        self._settings = settings or TcpWanSettings()
        self._connection: _Connection | None = None
        self._retry: Handle | None = None
        self._dialler: threading.Thread | None = None
        self._dialled: _Connection | None = None  # connected, but the clock has not heard of it yet
        self._wanted = True
        self._closing = False
        self.eui = eui
        self.faults: list[PortError] = []
        self.on_message: OnMessage = _no_message
        self.on_link: OnLink = _no_link
        self._dial()

    @property
    def up(self) -> bool:
        return self._connection is not None

    def send(self, device: bytes, octets: bytes) -> None:
        """Send to the party ``device`` at the head end.  Raises :class:`PortLost`."""
        if self._connection is None:
            raise PortLost(self.where, "the WAN link is down", "See whether the head end runs.")
        self._connection.send(device, octets)

    def cut(self) -> None:
        """Hang up and stay off until :meth:`restore`."""
        self._wanted = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self.on_link(False)

    def restore(self) -> None:
        """Connect again."""
        if not self._wanted and not self._closing:
            self._wanted = True
            self._dial()

    def close(self) -> None:
        """Hang up for good; all threads are gone when this returns.  Closing again does nothing."""
        if self._closing:
            return
        self._closing = True
        if self._dialler is not None:
            self._dialler.join()
        if self._dialled is not None:
            self._dialled.close()
        self.on_link = _no_link
        self.cut()

    def _dial(self) -> None:
        self._retry = None
        if self._dialler is not None and self._dialler.is_alive():
            return  # what comes of that one counts
        self._dialler = threading.Thread(target=self._connect, name=f"wan dial {self.where}", daemon=True)
        self._dialler.start()

    def _connect(self) -> None:
        try:
            sock = socket.create_connection(self._address, timeout=self._settings.send_timeout)
        except OSError:
            self._clock.post(self._again)
            return
        connection = self._dialled = _Connection(sock, self._clock, self._settings, self.where)
        self._clock.post(lambda: self._connected(connection))

    def _connected(self, connection: _Connection) -> None:
        if self._dialled is connection:
            self._dialled = None
        if not self._wanted or self._connection is not None:
            connection.close()
            return
        connection.start(self._frame, self._end)
        try:
            connection.send(self.eui, b"")
        except PortLost:
            connection.close()
            self._again()
            return
        self._connection = connection
        self.on_link(True)

    def _again(self) -> None:
        if self._wanted:
            self._retry = self._clock.call_at(self._clock.now + self._settings.retry_ns, self._dial)

    def _frame(self, _connection: _Connection, eui: bytes, octets: bytes) -> None:
        self.on_message(eui, octets)

    def _end(self, connection: _Connection, problem: PortError | None) -> None:
        if problem is not None:
            self.faults.append(problem)
        connection.close()
        if connection is self._connection:
            self._connection = None
            self.on_link(False)
            self._again()


def _check_eui(where: str, eui: bytes) -> None:
    if len(eui) != EUI_OCTETS:
        raise PortMissing(where, f"an EUI-64 has 8 octets; got {len(eui)}", "Correct the bench file.")
