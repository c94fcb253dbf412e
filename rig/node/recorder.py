"""The time line of a bench: every tapped event gets its place in one order, once.

Events come from the taps (radio air, pins, supplies, links, machines, instruments, bus) and go to three places: the
evidence file of the test that runs, the bus, and whoever waits for an event at this very instant.

Must not live here: making up an event.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from devices.events import Event, fields
from devices.events.base import DEVICE
from devices.events.bench import AirFrames, BusAnswer, BusCommand
from devices.events.messages import MessageReceived, MessageSent
from devices.model import use_cases
from devices.wire import eui64, gbcs
from devices.wire.errors import WireError
from rig.bus.redaction import taken_out
from rig.host.taps import TappedFrame
from rig.node.captures import Captures
from rig.node.links import Link, Links
from rig.ports.protocols import Clock

__all__ = ["Recorder", "describe_message"]

Line = dict[str, Any]
"""One object of the time line."""
Ends = tuple[str, bytes, int, int]
"""Whose radio heard frames, who sent them (EUI-64), the endpoint they left from and the one they were for."""
CRA_WORDS = {1: "command", 2: "response", 3: "alert"}
FRAMES_TOLD = 48
"""How many MAC frames of one command are told on the bus; all of them are in the capture."""
FRAMES_KEPT = 20_000
"""How many tapped frames of radio ports are remembered for whoever asks afterwards."""


def describe_message(octets: bytes) -> dict[str, Any]:
    """What the envelope of a GBCS message says, for people: use case, direction, counter, parties."""
    try:
        message = gbcs.decode(octets)
    except WireError as problem:
        return {"unreadable": str(problem)}
    use_case = use_cases.by_code(message.message_code)
    return {
        "use_case": (use_case.use_case or use_case.title) if use_case else f"0x{message.message_code:04x}",
        "cra": CRA_WORDS.get(message.cra, str(message.cra)),
        "counter": message.counter,
        "originator": eui64.text(message.originator),
        "recipient": eui64.text(message.recipient),
    }


def _count() -> Callable[[str, str, int, Line], int]:
    """Numbers for a time line that goes nowhere else."""
    numbers = itertools.count(1)
    return lambda *_event: next(numbers)


class Recorder:
    """The one writer of the time line.  ``civil_start`` is the civil time at bench time 0, ns since the Unix epoch."""

    def __init__(self, clock: Clock, civil_start: int, folder: Path | None) -> None:
        self._clock = clock
        self._civil_start = civil_start
        self._folder = folder
        self._emit: Callable[[str, str, int, Line], int] = _count()
        self._order = 0
        self._listeners: list[Callable[[Line], None]] = []
        self.context: Mapping[str, Any] = {}
        self._lines: TextIO | None = None
        self._captures = Captures()
        self._links: Links | None = None
        self._open: Path | None = None
        self._counts: dict[str, int] = {}
        self._frames: list[tuple[int, str, bytes]] = []
        self._frames_seen = 0
        self._tapped: deque[tuple[int, str, TappedFrame]] = deque(maxlen=FRAMES_KEPT)
        self._met: dict[tuple[str, str, bytes], int] = {}
        self._heard: deque[tuple[int, Ends]] = deque(maxlen=FRAMES_KEPT)

    @property
    def order(self) -> int:
        """The number of the last event."""
        return self._order

    def restart(self, clock: Clock, civil_start: int) -> None:
        """The bench begins anew: times are those of another clock from now on."""
        self._clock, self._civil_start = clock, civil_start
        self._tapped.clear()
        self._met.clear()
        self._heard.clear()

    def follow(self, links: Links) -> None:
        """The links of the bench whose events come from now on."""
        self._links = links

    def note_command(self, verb: str, args: Mapping[str, Any]) -> None:
        """A command came over the bus and is about to be carried out."""
        self._note(BusCommand(verb=verb, args=taken_out(args)))

    def note_answer(self, verb: str, node: str, data: Mapping[str, Any], refused: str = "") -> None:
        """It was carried out or refused, and everything that happened in its course stands before this line."""
        if self._frames_seen:
            told = AirFrames(count=self._frames_seen, frames=tuple(self._frames))
            self._frames, self._frames_seen = [], 0
            self.record(node, "air", told)
        told_back = BusAnswer(verb=verb, refused=refused) if refused else BusAnswer(verb=verb, data=taken_out(data))
        self._note(told_back)

    def _note(self, event: Event) -> None:
        """A line of the evidence file that is no event of a device and has no number of its own."""
        at = self._clock.now
        self._write({"order": self._order, "at_ns": at, "kind": event.kind, "fields": fields(event)})

    def _write(self, line: Line) -> None:
        if self._lines is not None:
            self._lines.write(json.dumps({**line, "context": self.context}, ensure_ascii=False) + "\n")

    def on_emit(self, emit: Callable[[str, str, int, Line], int]) -> None:
        """Have every event go out through ``emit(node, kind, at_ns, fields)``, which gives it its number."""
        self._emit = emit

    def listen(self, listener: Callable[[Line], None]) -> Callable[[], None]:
        """Have every event handed to ``listener`` at its instant; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def for_device(self, node: str, device: str) -> Callable[[Event], None]:
        """The recorder of one device or instrument."""

        def record(event: Event) -> None:
            self.record(node, device, event)

        return record

    def record(self, node: str, device: str, event: Event, at_ns: int | None = None) -> None:
        """Put one event on the time line, now (or at the instant that its own time stamp says)."""
        kind, shown = event.kind, {**fields(event), DEVICE: device}
        at = self._clock.now if at_ns is None else at_ns
        if isinstance(event, MessageSent | MessageReceived):
            shown |= self._crossed(device, event, at)
            self._counts[kind] = self._counts.get(kind, 0) + 1
        self._order = self._emit(node, kind, at, shown)
        line: Line = {"order": self._order, "at_ns": at, "node": node, "kind": kind, "fields": shown}
        self._write(line)
        for listener in tuple(self._listeners):
            listener(line)

    def _crossed(self, device: str, event: MessageSent | MessageReceived, at: int) -> dict[str, Any]:
        """What there is to say of a message, which goes into the capture of its link as well."""
        links = self._links
        link = Link(event.port) if links is None else links.of(device, event.port, event.peer)
        peer = (links.names if links else {}).get(event.peer) or eui64.text(event.peer)
        out = isinstance(event, MessageSent)
        self._captures.message(self._civil_start + at, link, device, peer, event.octets, out=out)
        return {"link": link.name, **describe_message(event.octets)}

    # ------------------------------------------------------------------------------------------------ evidence files

    def open(self, name: str) -> None:
        """Begin the evidence of a test in the folder ``name``; what was open is closed first."""
        self.close()
        if self._folder is None:
            return
        self._open = self._folder / name
        self._open.mkdir(parents=True, exist_ok=True)
        self._lines = (self._open / "timeline.jsonl").open("w", encoding="utf-8", errors="backslashreplace")
        self._captures.open(self._open)
        self._counts.clear()

    def air(self, at_ns: int, channel: int, frame: bytes, rssi: float, sender: str) -> None:
        """The tap of the ether: one transmission."""
        self._frames_seen += 1
        if len(self._frames) < FRAMES_TOLD:
            self._frames.append((at_ns, sender, frame))
        self._captures.air(self._civil_start + at_ns, channel, frame, rssi, sender)

    def tapped(self, device: str, frame: TappedFrame) -> None:
        """The tap of a radio port: one frame."""
        self._tapped.append((self._order, device, frame))
        if frame.out:
            self._met.setdefault((device, frame.port, frame.peer), self._order)

    def heard(self, device: str, peer: bytes, source: int, destination: int) -> None:
        """The tap of a radio that heard a HAN frame: from which endpoint of whom, and to which of ``device``."""
        self._heard.append((self._order, (device, peer, source, destination)))

    def ends_since(self, order: int) -> tuple[bool, Counter[Ends]]:
        """Between which endpoints frames were heard after the event with this number, how many each, and whether those
        are all."""
        whole = len(self._heard) < FRAMES_KEPT or self._heard[0][0] < order
        return whole, Counter(ends for at, ends in self._heard if at >= order)

    def met_before(self, order: int) -> list[tuple[str, str, bytes]]:
        """Who had sent a frame to whom before the event with this number: device, port, peer."""
        return [met for met, first in self._met.items() if first < order]

    def frames_since(self, order: int) -> tuple[bool, list[tuple[str, TappedFrame]]]:
        """The tapped frames after the event with this number, with their devices, and whether those are all."""
        whole = len(self._tapped) < FRAMES_KEPT or self._tapped[0][0] < order
        return whole, [(device, frame) for at, device, frame in self._tapped if at >= order]

    def close(self, publics: Mapping[str, bytes] | None = None) -> dict[str, Any]:
        """End the evidence of the test; returns its manifest: files with size and SHA-256, counts by kind, and the
        captures that are ``absent`` with the reason.

        ``publics`` are the public keys of the bench by name: what a reader needs to verify signatures by himself, and
        no private key.
        """
        if self._lines is None or self._open is None:
            return {"files": [], "counts": {}, "absent": {}}
        folder, lines = self._open, self._lines
        self._open = self._lines = None  # whatever the disk says to what follows
        try:
            if publics:
                document = {name: {"public": point.hex()} for name, point in sorted(publics.items())}
                (folder / "keys.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            lines.close()
        finally:
            absent = self._captures.close(has_air=self._links is not None and self._links.has_air)
        files = []
        for path in sorted(folder.iterdir()):
            octets = path.read_bytes()
            files.append(
                {
                    "name": path.name,
                    "size": len(octets),
                    "sha256": hashlib.sha256(octets).hexdigest(),
                    "path": str(path),
                }
            )
        return {"files": files, "counts": dict(self._counts), "absent": absent}
