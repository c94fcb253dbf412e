"""Ends of the WAN as hubs and the head end see them, over whatever carries it.

Must not live here: the carriers (``rig.ports.wan``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rig.ports.protocols import MessageLink

__all__ = ["HeadEnd", "Homeward"]


class Homeward:
    """A hub's end: whatever it sends goes to the head end, whoever the message is for; satisfies ``MessageLink``."""

    def __init__(self, end: MessageLink, head: bytes) -> None:
        self._end, self._head = end, head

    @property
    def up(self) -> bool:
        return self._end.up

    @property
    def on_message(self) -> Callable[[bytes, bytes], None]:
        return self._end.on_message

    @on_message.setter
    def on_message(self, taker: Callable[[bytes, bytes], None]) -> None:
        self._end.on_message = taker

    @property
    def on_link(self) -> Callable[[bool], None]:
        return self._end.on_link

    @on_link.setter
    def on_link(self, watcher: Callable[[bool], None]) -> None:
        self._end.on_link = watcher

    def send(self, device: bytes, octets: bytes) -> None:  # noqa: ARG002 - all roads lead to the head end
        self._end.send(self._head, octets)

    def close(self) -> None:
        self._end.close()


class HeadEnd(Homeward):
    """The head end's roads: a message for a device goes to the hub that it is behind, or down its own line.

    ``off_a_line(device, octets)`` is told of every message that comes off a line, before anybody else.
    """

    def __init__(
        self,
        end: MessageLink,
        behind: Mapping[bytes, bytes],
        lines: Mapping[bytes, MessageLink],
        off_a_line: Callable[[bytes, bytes], None],
    ) -> None:
        super().__init__(end, b"")
        self._behind, self._lines, self._off_a_line = behind, lines, off_a_line
        for line in lines.values():
            line.on_message = self._from_line

    def _from_line(self, device: bytes, octets: bytes) -> None:
        self._off_a_line(device, octets)
        self.on_message(device, octets)

    def send(self, device: bytes, octets: bytes) -> None:
        if device in self._lines:
            self._lines[device].send(device, octets)
        else:
            self._end.send(self._behind.get(device, device), octets)
