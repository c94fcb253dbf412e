"""Robot library `rig.keywords.hub.Hub`: the Communications Hub as an installer sees it.

Must not live here: what passes through its tunnels; that is judged where it arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from robot.api import SkipExecution, logger
from robot.api.deco import keyword, library

from devices.events.hub import FirewallDropped
from devices.events.messages import MessageReceived, MessageSent
from devices.events.tunnels import TunnelOpened
from rig.bus.messages import Event
from rig.evidence.leaks import HAN, INTERPAN, Tapped, leaks, sent_by_terminals
from rig.keywords.allowance import Allowance
from rig.keywords.connection import Misused
from rig.keywords.judge import judged
from rig.keywords.matching import Matcher
from rig.keywords.session import Session, session
from rig.keywords.silence import blame, sound
from rig.keywords.taps import acknowledged, in_network, tapped, tunnel

__all__ = ["Hub", "expect_network", "expect_tunnel", "joined"]

EVERY_ENDPOINT = 0xFF
"""The endpoint of a frame that is for all endpoints of its receiver (Zigbee)."""


@library(scope="GLOBAL", auto_keywords=False)
class Hub:
    """A Communications Hub: emulated or under test."""

    @keyword
    @judged("device-joins")
    def device_should_join(
        self,
        device: str = "esme",
        hub: str | None = None,
        *,
        within: timedelta | None = None,
        since: int | None = None,
    ) -> None:
        """The device must join the HAN of the hub: left out, of the hub that it is behind.

        Judged by the frames between the two: one must have granted the other its tunnel.  What the hub itself tells of
        a tunnel judges nothing.
        """
        now = session()
        place, start = hub or now.hub_of(device), now.since(since)
        expect_tunnel(device, place, now.takes(device, "join"), start, within=within, joining=True)

    @keyword
    def endpoints_should_be_as_set(self, device: str = "esme", *, since: int | None = None) -> None:
        """What the device sent in its HAN must have gone from its own endpoint to the one of whoever heard it.

        Endpoints are those of the bench file, and what is judged is what the radios at the other end heard.  A HAN
        without radios has no endpoints: nothing is judged then, and the log says so.
        """
        now = session()
        told = now.call("tap.endpoints", device=device, since=now.since(since))
        if device not in told["set"]:
            logger.info(f"{device} speaks through no radio that has endpoints: nothing is judged")
            return
        if not told["whole"]:
            raise SkipExecution(
                "INFRA: the bench no longer holds what its radios heard since then; look nearer to the act"
            )
        if not told["heard"]:
            raise SkipExecution(f"INFRA: no radio heard anything of {device} since then; let it send something first")
        _endpoints(device, told["heard"], told["set"])

    @keyword
    def power_cycle_hub(
        self, hub: str = "hub", *, off_for: timedelta = timedelta(seconds=10), expectation: str = ""
    ) -> None:
        """Break the seal, take the hub's power away, give it back, and wait until the hub is in its network again.

        That is seen at the port of the hub's radio.  Of a hub under test nobody sees that port: there the time passes
        that the hub may take to start, and whether it did is for the next keyword to judge.
        """
        now = session()
        now.begin_action()
        now.call("operator.break_seal", device=hub)
        supply = str(now.told(hub)["supply"])
        now.call("supply.switch", supply=supply, on=False)
        now.pass_time(off_for)
        since = now.mark
        now.call("supply.switch", supply=supply, on=True)
        expect_network(hub, since, expectation)

    @keyword
    @judged("firewall-drops")
    def firewall_should_drop(
        self, hub: str = "hub", *, since: int | None = None, within: timedelta | None = None
    ) -> None:
        """What terminals sent by inter-PAN must have gone no further than the hub.

        It lets ``within`` pass (a gas meter fetches its messages, so what is for one needs the time until it wakes) and
        looks at the taps: of what terminals sent since then, something must have come to the hub and nothing may have
        left it towards its devices, the WAN or the proxy in its box.

        What the hub itself tells of a drop stands in the log and judges nothing.
        """
        now = session()
        start = now.since(since)
        begun = now.time_of(start)
        now.pass_time(now.takes(hub, "answer").declared if within is None else within)
        frames, met = tapped(now, start, hub)
        eui = bytes.fromhex(now.eui(hub))
        if not sent_by_terminals(frames, hub, eui):
            raise Misused(f"no terminal sent anything to {hub} by inter-PAN since then; let one do so first")
        later = [event for event in now.events if event.order > start]
        _log_report(hub, later)
        found = _passed_as_message(hub, later) or [
            str(leak) for leak in leaks(frames, hub, eui, met=met, allowed=_from_elsewhere(hub, later))
        ]
        if found:
            raise now.unmet(f"nothing of what a terminal sent to leave {hub}", found[0])
        _came_to(now, hub, sent_by_terminals(frames, hub, eui), start)
        now.tell_nothing_came(f"octets of a terminal out of {hub}", begun, "every port of the hub, and the air")


@judged("endpoints")
def _endpoints(device: str, heard: Sequence[Mapping[str, Any]], endpoints: Mapping[str, int]) -> None:
    for one in heard:
        wanted = endpoints[device], endpoints[one["at"]]
        if one["from"] != wanted[0] or one["to"] not in (wanted[1], EVERY_ENDPOINT):
            raise session().unmet(
                f"frames of {device} from endpoint {wanted[0]} to endpoint {wanted[1]} of {one['at']}",
                f"{one['frames']} from endpoint {one['from']} to endpoint {one['to']}",
            )


def _came_to(now: Session, hub: str, frames: Sequence[Tapped], since: int) -> None:
    """Skip as INFRA where nothing of a terminal came to the hub: one that got nothing drops nothing.  Into a hub under
    test nobody sees; what came there was acknowledged."""
    inside = not now.told(hub)["under_test"]
    lost = now.unmet(
        f"what a terminal sent to come to {hub} and to go no further",
        "nothing at its tap" if inside else "no frame that it acknowledged",
    )
    sound(now, lost, hub)
    own = [one for one in frames if one.device == hub]
    if not own and (inside or not acknowledged(now, [one for one in frames if one.out], since)):
        raise SkipExecution(f"INFRA: {lost}")


def expect_network(hub: str, since: int, expectation: str = "") -> None:
    """The hub's radio must be in its network after the event ``since``, by what that radio tells at its port.

    Of a hub under test nobody sees that port, so the time passes there that it may take to start; nothing is judged.
    """
    now = session()
    allowed = now.takes(hub, "boot")
    if now.told(hub)["under_test"]:
        logger.info(f"Nobody need tap the radio of {hub}: the time passes that it may take to start, at the most.")
        now.wait(in_network(hub), allowed.declared, since)
        return
    _in_network(hub, allowed, since, expectation=expectation)


@judged("network-up")
def _in_network(device: str, allowed: Allowance, since: int) -> None:
    session().expect(in_network(device), allowed, since, needs=(device,))


def expect_tunnel(
    device: str, hub: str, allowed: Allowance, since: int, *, within: timedelta | None = None, joining: bool = False
) -> None:
    """The hub and the device must have a tunnel granted between them after the event ``since``, by their frames.

    Skips as INFRA where both are under test: nobody taps either end then.

    Without one it is the device that failed, where both were up and in reach; and where it was to join (``joining``),
    the hub had been told to let it in.  One of the two that reports a tunnel all the same is the one that failed.
    """
    now, wanted = session(), tunnel(session(), device, hub)
    if all(now.told(end)["under_test"] for end in (device, hub)):
        raise SkipExecution(
            f"INFRA: {device} and {hub} are both under test, so no tap is at either end and none shows a tunnel "
            f"between them; have one of them emulated"
        )
    span = allowed.patience if within is None else within
    granted = now.wait(wanted, span, since)
    if granted is not None:
        now.timed(allowed, granted, since)
        return
    failure = now.unseen(wanted, span, since)
    sound(now, failure, device, hub)
    for one, other in ((hub, device), (device, hub)):
        if now.find(_reported(one, other), since):
            raise now.unmet(f"a tunnel granted between {hub} and {device}", f"none on the air, and {one} reports one")
    blame(now, device, now.admitted.get(now.eui(device)) if joining else None, failure)


@judged("device-joins")
def joined(device: str, hub: str, since: int) -> None:
    """As :func:`expect_tunnel`, judged: the device must join the hub, which was told to let it in."""
    expect_tunnel(device, hub, session().takes(device, "join"), since, joining=True)


def _log_report(hub: str, later: Sequence[Event]) -> None:
    """What the hub says of drops: a report, logged for who reads the log."""
    said = [e for e in later if e.kind == FirewallDropped.kind and e.fields["device"] == hub]
    reasons = "; ".join(str(event.fields["reason"]) for event in said) or "no drop"
    logger.info(f"{hub} itself reports: {reasons} (a report, not what this is judged by)")


def _from_elsewhere(hub: str, later: Sequence[Event]) -> list[bytes]:
    """Messages that came to the hub by another way than inter-PAN as well."""
    return [
        bytes.fromhex(e.fields["octets"]) for e in later
        if e.kind == MessageReceived.kind and e.fields["device"] == hub and e.fields["port"] != INTERPAN
    ]  # fmt: skip


def _passed_as_message(hub: str, later: Sequence[Event]) -> list[str]:
    """Whole messages of terminals that left the hub by a message link: to the WAN, or to the proxy in its box."""
    brought = {
        e.fields["octets"] for e in later
        if e.kind == MessageReceived.kind and e.fields["device"] == hub and e.fields["port"] == INTERPAN
    }  # fmt: skip
    return [
        f"{e.fields['use_case']} by {e.fields['port']} at {e.at_ns / 1e9:.6f} s" for e in later
        if e.kind == MessageSent.kind and e.fields["device"] == hub and e.fields["octets"] in brought
        and e.fields["port"] not in (INTERPAN, HAN)
    ]  # fmt: skip


def _reported(device: str, peer: str) -> Matcher:
    """One of the two reports that it has a tunnel to the other: nothing to judge by."""
    return Matcher(TunnelOpened, device, {"port": HAN, "peer": session().eui(peer)})
