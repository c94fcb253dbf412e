"""The frames that the bench tapped, for keywords that judge by what crossed and by nobody's word.

Must not live here: what the frames mean (``rig.evidence``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from robot.api import SkipExecution

from rig.evidence.leaks import HAN, INTERPAN, Tapped

if TYPE_CHECKING:
    from rig.keywords.session import Session

__all__ = ["crossed", "frames_since", "met_since"]


def frames_since(now: Session, since: int) -> list[Tapped]:
    """Every ZCL frame that crossed between a device and its radio after the event ``since``.

    Skips the test as INFRA where the bench no longer holds all of them: nobody could say then what crossed.
    """
    return [Tapped.of(frame) for frame in _told(now, since)["frames"]]


def met_since(now: Session, since: int, hub: str) -> list[bytes]:
    """The devices to which the hub had spoken on its HAN before the event ``since``."""
    met = _told(now, since)["met"]
    return [bytes.fromhex(one["peer"]) for one in met if one["device"] == hub and one["port"] == HAN]


def crossed(now: Session, since: int, hub: str, terminal: str) -> list[Tapped]:
    """What came from the hub to a terminal by inter-PAN after the event ``since``, at the terminal's own tap."""
    peer = bytes.fromhex(now.eui(hub))
    return [
        one for one in frames_since(now, since)
        if one.device == terminal and one.port == INTERPAN and not one.out and one.peer == peer
    ]  # fmt: skip


def _told(now: Session, since: int) -> Mapping[str, Any]:
    told = now.call("tap.frames", since=since)
    if not told["whole"]:
        raise SkipExecution(
            "INFRA: the bench no longer holds every frame since what the test did; look at them nearer to the act"
        )
    return told
