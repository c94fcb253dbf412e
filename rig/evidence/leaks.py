"""What leaked through a hub's firewall: what a terminal sent by inter-PAN, found again in what left the hub.

It compares octets that were tapped and asks no hub what it did.  Whole messages are compared with whole messages,
however either was cut into blocks, and frames with frames.

Must not live here: where the frames come from (the ``tap.frames`` verb), what a test says about it (``rig.keywords``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from devices.wire import gbt, tunnelling, zcl
from devices.wire.errors import DecodeError
from devices.wire.reassembly import Mark, Reassembler, Way, Whole

__all__ = ["HAN", "INTERPAN", "Leak", "Tapped", "leaks", "sent_by_terminals"]

HAN, INTERPAN = "han", "interpan"
TELLING: Final = 8
"""Octets that must be the same for contents inside other contents to count as the same; fewer may be chance."""


@dataclass(frozen=True, slots=True)
class Tapped:
    """One ZCL frame at the tap of ``device``: ``out`` of it towards ``peer`` (EUI-64), or into it from there."""

    device: str
    at_ns: int
    port: str
    out: bool
    peer: bytes
    cluster: int
    octets: bytes

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Tapped:
        """A frame as ``tap.frames`` tells it."""
        peer, octets = bytes.fromhex(told["peer"]), bytes.fromhex(told["octets"])
        return cls(told["device"], told["at_ns"], told["port"], told["out"], peer, told["cluster"], octets)


@dataclass(frozen=True, slots=True)
class Leak:
    """A frame with which something left the hub, and what that was."""

    frame: Tapped
    what: str

    def __str__(self) -> str:
        way = f"to {self.frame.peer.hex('-').upper()}" if self.frame.out else f"at {self.frame.device}"
        return f"{self.what} on the HAN {way} at {self.frame.at_ns / 1e9:.6f} s"


def sent_by_terminals(frames: Iterable[Tapped], hub: str, eui: bytes) -> list[Tapped]:
    """What terminals sent to the hub by inter-PAN, at their own taps or at the hub's."""
    return [
        one for one in frames
        if one.port == INTERPAN and ((one.out and one.peer == eui) or (not one.out and one.device == hub))
    ]  # fmt: skip


def leaks(
    frames: Sequence[Tapped], hub: str, eui: bytes, *, met: Iterable[bytes] = (), allowed: Iterable[bytes] = ()
) -> list[Leak]:
    """Every frame from the hub into its HAN, at its own tap or at a device's, that carries what a terminal sent.

    ``eui`` is the hub's; ``met`` are devices that it had spoken to before these frames; ``allowed`` are whole messages
    that it had from elsewhere as well.  A hub that begins to speak to somebody new, because a message of a terminal
    names him, lets that message in.
    """
    sent = sent_by_terminals(frames, hub, eui)
    onward = [
        one for one in frames
        if one.port == HAN and ((one.out and one.device == hub) or (not one.out and one.peer == eui))
    ]  # fmt: skip
    judge = _Judge(sent, frozenset(allowed))
    known = set(met)
    found = []
    for frame in onward:
        first = sent[0].at_ns if sent else None
        if first is None or frame.at_ns < first:
            known.add(frame.peer)
        elif what := judge.carries(frame) or judge.reaches(frame, known):
            found.append(Leak(frame, what))
    return found


class _Judge:
    def __init__(self, sent: Sequence[Tapped], allowed: frozenset[bytes]) -> None:
        self._whole = {one.octets: one for one in _messages(sent) if one.octets not in allowed}
        self._recipients = {one.message.recipient for one in self._whole.values()}
        self._frames = {_told(frame) for frame in sent if frame.cluster != tunnelling.CLUSTER}
        parts = {part for frame in sent for part in _contents(frame) if len(part) >= TELLING}
        self._parts = {part for part in parts if not any(part in message for message in allowed)}
        self._listener = Reassembler()

    def carries(self, frame: Tapped) -> str:
        """What of a terminal a frame carries; nothing: it carries none."""
        mark = Mark(frame.at_ns)
        for one in self._listener.zcl(Way(frame.device, b"", frame.peer), frame.cluster, frame.octets, mark):
            if isinstance(one, Whole) and one.octets in self._whole:
                return f"the message of {len(one.octets)} octets that the terminal sent"
        if frame.cluster != tunnelling.CLUSTER and _told(frame) in self._frames:
            return f"the frame of cluster 0x{frame.cluster:04X} that the terminal sent"
        part = next((part for part in self._parts if part in frame.octets), None)
        return "" if part is None else f"{len(part)} octets that the terminal sent ({part[:8].hex()}…)"

    def reaches(self, frame: Tapped, known: set[bytes]) -> str:
        """Whether the hub opens a way to somebody whom it had not spoken to and whom a terminal's message names."""
        if frame.out and frame.peer in self._recipients and frame.peer not in known:
            return "a frame to the recipient of the terminal's message, to whom the hub had not spoken before,"
        return ""


def _messages(frames: Sequence[Tapped]) -> list[Whole]:
    listener = Reassembler()
    return [
        one for frame in frames
        for one in listener.zcl(
            Way(frame.device, b"", frame.peer), frame.cluster, frame.octets, Mark(frame.at_ns)
        )
        if isinstance(one, Whole)
    ]  # fmt: skip


def _told(frame: Tapped) -> tuple[int, bytes]:
    """A frame without its sequence number, which whoever passes it on may change."""
    return frame.cluster, frame.octets[:1] + frame.octets[2:]


def _contents(frame: Tapped) -> list[bytes]:
    """What a frame carries beside its header: of a tunnel's frames the message, or the data of a block of one."""
    try:
        command = zcl.decode(frame.octets)
        if frame.cluster != tunnelling.CLUSTER:
            return [command.payload]
        transfer = tunnelling.decode(command)
        if not isinstance(transfer, tunnelling.TransferData):
            return []
        return [gbt.decode(transfer.octets).data if gbt.is_block(transfer.octets) else transfer.octets]
    except DecodeError:
        return [frame.octets]
