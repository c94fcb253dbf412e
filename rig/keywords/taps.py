"""The frames that the bench tapped, for keywords that judge by what crossed and by nobody's word.

Must not live here: what the frames mean (``rig.evidence``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from robot.api import SkipExecution

from devices.events.bench import BeaconsHeard, RadioInNetwork, SendingFailed, TunnelGranted
from rig.evidence.leaks import HAN, INTERPAN, Tapped
from rig.keywords.matching import Matcher

if TYPE_CHECKING:
    from rig.keywords.session import Session

__all__ = ["acknowledged", "beacons", "crossed", "from_terminal", "in_network", "let_in", "tapped", "tunnel"]

ASKS_ITSELF = "gsme"
"""The kind of device that asks the hub for its tunnel; the hub asks all others for theirs."""


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


def from_terminal(now: Session, since: int, terminal: str, hub: str) -> tuple[list[Tapped], list[Tapped]]:
    """What a terminal sent to the hub by inter-PAN after the event ``since``, at its own tap; and what of it came to
    the hub: at the hub's tap, or as it was acknowledged, where nobody sees into the hub."""
    eui, own = bytes.fromhex(now.eui(hub)), bytes.fromhex(now.eui(terminal))
    frames = [one for one in tapped(now, since, terminal)[0] if one.port == INTERPAN]
    sent = [one for one in frames if one.device == terminal and one.out and one.peer == eui]
    came = [one for one in frames if one.device == hub and not one.out and one.peer == own]
    if not came and now.told(hub)["under_test"] and acknowledged(now, sent, since):
        came = sent
    return sent, came


def acknowledged(now: Session, sent: Sequence[Tapped], since: int) -> bool:
    """Whether any of these frames, all that left their senders for somebody after the event ``since``, got its
    acknowledgement: whether there are more of them than the senders' radios told to be lost."""
    ways = Counter((one.device, one.port, one.peer.hex()) for one in sent)
    lost = Counter(
        (event.fields["device"], event.fields["port"], event.fields["peer"])
        for event in now.events
        if event.order > since and event.kind == SendingFailed.kind
    )
    return any(count > lost[way] for way, count in ways.items())


def tunnel(now: Session, device: str, hub: str) -> Matcher:
    """A tunnel was granted between the two: the frame that grants it, at the end that asked for it.

    Into a device under test nobody sees, so there it is the other end's tap.
    """
    asks, grants = (device, hub) if now.kind_of(device) == ASKS_ITSELF else (hub, device)
    at, peer, out = (grants, asks, True) if now.told(asks)["under_test"] else (asks, grants, False)
    return Matcher(TunnelGranted, at, {"port": HAN, "peer": now.eui(peer), "out": out}, f"{device} in {hub}'s HAN")


def let_in(now: Session, terminal: str, hub: str) -> Matcher:
    """A frame came to a terminal with which the hub (its EUI-64 in hex) grants it a tunnel by inter-PAN."""
    fields = {"port": INTERPAN, "peer": hub, "out": False}
    return Matcher(TunnelGranted, terminal, fields, f"{terminal} connected to {now.device_with(hub)}")


def in_network(hub: str) -> Matcher:
    """The radio of a hub is in its network, by what the radio tells at its port."""
    return Matcher(RadioInNetwork, hub, {"port": HAN}, f"{hub}'s network, at the port of its radio")


def beacons(terminal: str) -> Matcher:
    """A scan of a terminal's radio ended, with the beacons that it received."""
    return Matcher(BeaconsHeard, terminal, {"port": INTERPAN}, "the end of a scan")
