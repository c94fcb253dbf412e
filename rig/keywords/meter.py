"""Robot library `rig.keywords.meter.ElectricityMeter`: what an electricity meter reports, shows and takes from its
user.

Must not live here: what its contacts really do (``physics``).
"""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum

from robot.api import logger
from robot.api.deco import keyword, library

from devices.events.bench import PowerSwitched
from devices.events.tunnels import TunnelClosed
from rig.bus.messages import Event
from rig.keywords.hub import expect_tunnel
from rig.keywords.judge import judged
from rig.keywords.matching import Matcher, nanoseconds
from rig.keywords.session import PRESS, session
from rig.keywords.silence import sound
from rig.keywords.supplier import Supplier

__all__ = ["ElectricityMeter", "SupplyState"]

GLANCE = timedelta(seconds=1)
"""Between two looks at a display."""


class SupplyState(IntEnum):
    """COSEM control_state of the load switch (facts/gbcs.md 10.1)."""

    DISABLED = 0
    ENABLED = 1
    ARMED = 2


@library(scope="GLOBAL", auto_keywords=False)
class ElectricityMeter:
    """An ESME: emulated or under test."""

    @keyword
    @judged("supply-reported")
    def meter_should_report_supply(self, state: SupplyState, device: str = "esme", *, party: str = "supplier") -> None:
        """Read the load switch over the air (ECS45): the meter must report this state.

        Example:
        | Meter Should Report Supply    ARMED |
        """
        supplier = Supplier()
        command = supplier.request("ECS45", device, party=party)
        answer = supplier.command_should_succeed(command)
        values = answer.get("values") or []
        told = [SupplyState(value).name if value in set(SupplyState) else value for value in values]
        logger.info(f"{device} reports its supply {', '.join(map(str, told)) or 'not at all'}")
        if told != [state.name]:
            raise session().unmet(f"{device} to report its supply {state.name}", told)

    @keyword
    def wait_until_meter_is_reachable(
        self, device: str = "esme", *, within: timedelta | None = None, expectation: str = ""
    ) -> None:
        """Wait until hub and meter have their tunnel, after a power cut of either; at once where they have it.

        Judged by the frames between the two, as `Device Should Join` is.  Of a meter on a line of its own, which has
        nothing to join, nothing is judged.
        """
        hub = session().hub_of(device)
        if hub != device:
            _reachable(device, hub, within, expectation=expectation)

    @keyword
    def wait_until_meter_answers(self, device: str = "esme", *, within: timedelta | None = None) -> None:
        """After an outage: wait until the meter is back in the HAN and answers a read."""
        self.wait_until_meter_is_reachable(device, within=within)
        Supplier().command_should_succeed(Supplier().request("ECS45", device))

    @keyword
    def press_button(self, button: str, device: str = "esme", *, hold: timedelta = timedelta(seconds=3)) -> None:
        """Press a button of the device and hold it."""
        session().act(PRESS, device=device, button=button, hold_ns=nanoseconds(hold))
        session().pass_time(hold + timedelta(milliseconds=1))
        session().cause_ends()

    @keyword
    @judged("display-shows")
    def display_should_show(self, text: str, device: str = "esme") -> None:
        """The display of the device must hold ``text`` (case does not matter), now or in the time that it may take."""
        now = session()
        begun, allowed = now.now, now.takes(device, "display")
        while text.lower() not in (shown := str(now.call("operator.read", device=device)["text"])).lower():
            if now.now - begun >= nanoseconds(allowed.patience):
                failure = now.unmet(f"the display of {device} to show '{text}'", f"'{shown}'")
                sound(now, failure, device)
                raise failure
            now.pass_time(GLANCE)
        now.timed_span(allowed, now.now - begun, begun)


@judged("reachable")
def _reachable(device: str, hub: str, within: timedelta | None) -> None:
    now = session()
    lost = Matcher(TunnelClosed, hub, {"port": "han", "peer": now.eui(device)})
    since = max((e.order for e in now.events if _power_of(e, hub, device) or lost.fits(e)), default=0)
    expect_tunnel(device, hub, now.takes(device, "rejoin"), since, within=within)


def _power_of(event: Event, *devices: str) -> bool:
    """The power of one of these went or came back."""
    return event.kind == PowerSwitched.kind and event.fields["device"] in devices
