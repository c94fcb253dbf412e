"""A road to a broker that can be closed, and opened to another one: how a broker goes and comes back at one address."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["Relay", "relay"]


class Relay:
    """Takes connections at ``port`` of this machine and carries them to where :meth:`open` says; with no such place, or
    after :meth:`shut`, it hangs up."""

    def __init__(self) -> None:
        self._ear = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._ear.getsockname()[1])
        self._to: int | None = None
        self._life = 0
        self._lock = threading.Lock()
        self._roads: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def open(self, port: int) -> None:
        """Connect from now on to the broker at ``port``; who was connected to another one is cut off."""
        self.shut()
        with self._lock:
            self._to = port

    def shut(self) -> None:
        """Cut everybody off, as a broker does that dies: nothing more is said, not even a last will."""
        with self._lock:
            self._life += 1
            self._to, roads, self._roads = None, self._roads, []
        for road in roads:
            with suppress(OSError):  # gone by itself
                road.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.shut()
        with suppress(OSError):
            self._ear.shutdown(socket.SHUT_RDWR)
        self._ear.close()

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._ear.accept()
            except OSError:  # closed
                return
            with self._lock:
                if self._to is None:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._to))
                self._roads += [near, far]
            for one, other in ((near, far), (far, near)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._carry, args=(one, other, self._life), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, life: int) -> None:
        with suppress(OSError):
            while (octets := one.recv(65536)) and life == self._life:
                other.sendall(octets)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        one.close()


@contextmanager
def relay() -> Iterator[Relay]:
    """A relay that is shut at the end."""
    made = Relay()
    try:
        yield made
    finally:
        made.close()
