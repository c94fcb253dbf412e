"""Robot library `rig.keywords.hub.Hub`: the Communications Hub as an installer sees it.

Must not live here: what passes through its tunnels; that is judged where it arrives.
"""

from __future__ import annotations

from datetime import timedelta

from robot.api.deco import keyword, library

from devices.events.hub import FirewallDropped, HubNetworkUp
from devices.events.messages import MessageSent
from devices.events.tunnels import TunnelOpened
from rig.keywords.session import Matcher, session

__all__ = ["Hub"]


@library(scope="GLOBAL", auto_keywords=False)
class Hub:
    """A Communications Hub: emulated or under test."""

    @keyword
    def device_should_join(
        self,
        device: str = "esme",
        hub: str = "hub",
        *,
        within: timedelta = timedelta(minutes=5),
        since: int | None = None,
    ) -> None:
        """The device must join the HAN of the hub."""
        now = session()
        joined = Matcher(
            TunnelOpened, hub, {"port": "han", "peer": now.devices[device]["eui"]}, f"{device} in {hub}'s HAN"
        )
        now.expect(joined, within, now.since(since))

    @keyword
    def power_cycle_hub(self, hub: str = "hub", *, off_for: timedelta = timedelta(seconds=10)) -> None:
        """Break the seal, take the hub's power away and give it back."""
        now = session()
        now.begin_action()
        now.call("operator.break_seal", device=hub)
        supply = str(now.devices[hub]["supply"])
        now.call("supply.switch", supply=supply, on=False)
        now.pass_time(off_for)
        since = now.mark
        now.call("supply.switch", supply=supply, on=True)
        now.expect(Matcher(HubNetworkUp, hub, {}), timedelta(minutes=2), since)

    @keyword
    def firewall_should_drop(
        self, hub: str = "hub", *, since: int | None = None, within: timedelta = timedelta(seconds=5)
    ) -> None:
        """What a terminal sent must have gone no further than the firewall of the hub.

        Judged by the hub's own trace and by the air: nothing may have left the hub towards its devices.
        """
        now = session()
        start = now.since(since)
        now.expect(
            Matcher(FirewallDropped, hub, {"port": "interpan"}, f"{hub}'s firewall to drop a frame"), within, start
        )
        passed = [
            e for e in now.events
            if e.order > start and e.kind == MessageSent.kind
            and e.fields["device"] == hub and e.fields["port"] == "han"
        ]  # fmt: skip
        if passed:
            first = passed[0]
            raise now.unmet("nothing to pass the firewall", f"{first.fields['use_case']} at {first.at_ns / 1e9:.6f} s")
