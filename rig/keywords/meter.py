"""Robot library `rig.keywords.meter.ElectricityMeter`: what an electricity meter reports, shows and takes from its
user.

Must not live here: what its contacts really do (``physics``).
"""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from typing import Any

from robot.api import logger
from robot.api.deco import keyword, library

from devices.events.bench import PowerSwitched
from devices.events.tunnels import TunnelOpened
from rig.keywords.judge import judged
from rig.keywords.session import Matcher, nanoseconds, session
from rig.keywords.supplier import Supplier

__all__ = ["ElectricityMeter", "SupplyState"]


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
    @judged("reachable")
    def wait_until_meter_is_reachable(self, device: str = "esme", *, within: timedelta = timedelta(minutes=5)) -> None:
        """After a power cut of hub or meter: wait until the hub has its tunnel to the meter again."""
        now = session()
        hub = now.devices[device].get("behind")
        if hub:
            lost = [
                e
                for e in now.events
                if e.kind == PowerSwitched.kind and e.fields["device"] in (hub, device) and not e.fields["on"]
            ]
            since = lost[-1].order if lost else now.mark
            now.expect(Matcher(TunnelOpened, hub, {"port": "han", "peer": now.devices[device]["eui"]}), within, since)

    @keyword
    def wait_until_meter_answers(self, device: str = "esme", *, within: timedelta = timedelta(minutes=5)) -> None:
        """After an outage: wait until the meter is back in the HAN and answers a read."""
        self.wait_until_meter_is_reachable(device, within=within)
        Supplier().command_should_succeed(Supplier().request("ECS45", device))

    @keyword
    def press_button(self, button: str, device: str = "esme", *, hold: timedelta = timedelta(seconds=3)) -> None:
        """Press a button of the device and hold it."""
        session().act("operator.press", device=device, button=button, hold_ns=nanoseconds(hold))
        session().call("clock.advance", span_ns=nanoseconds(hold) + 1_000_000, until=None)

    @keyword
    @judged("display-shows")
    def display_should_show(self, text: str, device: str = "esme") -> None:
        """The display of the device must hold ``text`` (case does not matter)."""
        shown: Any = session().call("operator.read", device=device)["text"]
        if text.lower() not in str(shown).lower():
            raise session().unmet(f"the display of {device} to show {text!r}", repr(shown))
