"""The captures of one test: the air in ``ether.pcapng``, every other link in ``links.pcapng``.

The air holds 802.15.4 frames.  The other links (WAN, gateway, lines, inside a box, a HAN without radios) hold whole
messages as exported PDUs for Wireshark's dissector ``gbcs_message``, one interface a link.  A message stands there
once: when it goes onto its link, or where it comes off one whose far end nobody taps.

A capture that would be empty is not written; :meth:`Captures.close` says why it is not there.

Must not live here: which link a message crosses (``links``), the file format (``devices.wire.pcap``).
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

from devices.wire.pcap import EXPORTED_LINK, Interface, PcapngWriter, export
from rig.node.links import Link

__all__ = ["AIR", "LINKS", "Captures"]

AIR: Final = "ether.pcapng"
LINKS: Final = "links.pcapng"
DISSECTOR: Final = "gbcs_message"
AIR_COMMENT: Final = (
    "Virtual ether of the bench: 802.15.4 MAC frames, recorded without NWK and APS security. What a radio would send "
    "encrypted stands here in clear, the Transport Key of a joining device included: the keys of a test bench. Scans "
    "stand here as they went: a beacon request on each channel, and the beacons that answer; listening leaves no frame."
)
LINKS_COMMENT: Final = (
    "Links of the bench beside the air: GBCS messages as they went onto their link, one interface a link. The comment "
    "of a packet names the device at whose port it was tapped and the one at the other end."
)


class Captures:
    """The capture files of the folder that is open; nothing is written while none is."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._files: dict[str, BinaryIO] = {}
        self._writers: dict[str, PcapngWriter] = {}
        self._interfaces: dict[str, int] = {}
        self._under_way: Counter[tuple[str, bytes]] = Counter()
        self._messages_on_air = 0

    def open(self, folder: Path) -> None:
        """Begin the captures of a test."""
        self._folder = folder

    def air(self, at_ns_utc: int, channel: int, frame: bytes, rssi: float, sender: str) -> None:
        """One transmission on the air."""
        if self._folder is not None:
            self._writer(AIR).write(at_ns_utc, frame, channel=channel, rssi=rssi, comment=sender)

    def message(self, at_ns_utc: int, link: Link, device: str, peer: str, octets: bytes, *, out: bool) -> None:
        """One whole message that left ``device`` by ``link`` for ``peer`` (``out``), or came to it from there."""
        if self._folder is None:
            return
        if link.on_air:
            self._messages_on_air += 1
            return
        if out:
            self._under_way[link.name, octets] += 1
        elif self._under_way[link.name, octets]:
            self._under_way[link.name, octets] -= 1
            return
        comment = f"{device} to {peer}, tapped as sent" if out else f"{peer} to {device}, tapped as received"
        packet = export(DISSECTOR, octets)
        self._writer(LINKS).write(at_ns_utc, packet, comment=comment, interface=self._interface(link.name))

    def close(self, *, has_air: bool) -> dict[str, str]:
        """End the captures; gives the files that are not there, each with the reason.  ``has_air``: whether anything of
        the bench sends through the virtual ether."""
        absent = {}
        if AIR not in self._files:
            absent[AIR] = "nothing crossed the air" if has_air else "this bench has no virtual air"
        if LINKS not in self._files:
            only_air = "messages crossed the air alone" if self._messages_on_air else "no message crossed a link"
            absent[LINKS] = only_air
        files = list(self._files.values())
        for kept in (self._files, self._writers, self._interfaces, self._under_way):
            kept.clear()
        self._folder, self._messages_on_air = None, 0
        with ExitStack() as stack:
            for file in files:
                stack.callback(file.close)
        return absent

    def _writer(self, name: str) -> PcapngWriter:
        if name not in self._writers:
            assert self._folder is not None
            self._files[name] = (self._folder / name).open("wb")
            air = name == AIR
            self._writers[name] = PcapngWriter(
                self._files[name], AIR_COMMENT if air else LINKS_COMMENT, [Interface("ether")] if air else []
            )
        return self._writers[name]

    def _interface(self, link: str) -> int:
        if link not in self._interfaces:
            self._interfaces[link] = self._writers[LINKS].add(Interface(link, EXPORTED_LINK))
        return self._interfaces[link]
