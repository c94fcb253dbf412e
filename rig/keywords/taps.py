"""The frames that the bench tapped, for keywords that judge by what crossed and by nobody's word.

Must not live here: what the frames mean (``rig.evidence``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from robot.api import SkipExecution

from devices.wire import tunnelling, zcl
from devices.wire.errors import DecodeError
from rig.evidence.leaks import HAN, INTERPAN, Tapped

if TYPE_CHECKING:
    from rig.keywords.session import Session

__all__ = ["crossed", "from_terminal", "tapped", "tunnelled"]


def tapped(now: Session, since: int, device: str) -> tuple[list[Tapped], list[bytes]]:
    """Every ZCL frame that crossed between a device and its radios, or at the other end of those, after the event
    ``since``; and the devices to which it had spoken on its HAN before.

    Skips the test as INFRA where the bench no longer holds all of them: nobody could say then what crossed.
    """
    frames: list[Tapped] = []
    while True:
        told = now.call("tap.frames", device=device, since=since, skip=len(frames))
        if not told["whole"]:
            raise SkipExecution(
                "INFRA: the bench no longer holds every frame since what the test did; look at them nearer to the act"
            )
        frames += [Tapped.of(frame) for frame in told["frames"]]
        if not told["more"]:
            return frames, [bytes.fromhex(met["peer"]) for met in told["met"] if met["port"] == HAN]


def crossed(now: Session, since: int, hub: str, terminal: str) -> list[Tapped]:
    """What came from the hub to a terminal by inter-PAN after the event ``since``, at the terminal's own tap."""
    peer = bytes.fromhex(now.eui(hub))
    return [
        one for one in tapped(now, since, terminal)[0]
        if one.device == terminal and one.port == INTERPAN and not one.out and one.peer == peer
    ]  # fmt: skip


def from_terminal(now: Session, since: int, terminal: str, hub: str) -> tuple[bool, bool]:
    """Whether a terminal sent frames to the hub by inter-PAN after the event ``since``, at its own tap; and whether one
    came to the hub, at the hub's."""
    eui, own = bytes.fromhex(now.eui(hub)), bytes.fromhex(now.eui(terminal))
    frames = [one for one in tapped(now, since, terminal)[0] if one.port == INTERPAN]
    return (
        any(one.device == terminal and one.out and one.peer == eui for one in frames),
        any(one.device == hub and not one.out and one.peer == own for one in frames),
    )


def tunnelled(now: Session, since: int, hub: str, device: str) -> bool:
    """Whether one of the two granted the other a tunnel after the event ``since``: by the frames between them."""
    peer = bytes.fromhex(now.eui(device))
    return any(
        _grants(one) for one in tapped(now, since, hub)[0]
        if (one.device, one.port, one.peer) == (hub, HAN, peer) and one.cluster == tunnelling.CLUSTER
    )  # fmt: skip


def _grants(frame: Tapped) -> bool:
    try:
        told = tunnelling.decode(zcl.decode(frame.octets))
    except DecodeError:  # a command of all clusters, or none at all: no answer to a request
        return False
    return isinstance(told, tunnelling.RequestTunnelResponse) and told.status == tunnelling.TunnelStatus.SUCCESS
