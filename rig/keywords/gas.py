"""Robot library `rig.keywords.gas.GasMeter`: a gas meter that sleeps, its valve, and what it reports.

The meter asks the hub for its messages when it wakes, mostly every half hour; so what comes by the air is waited for
longer than that: as long as the bench file says that it sleeps.

Must not live here: how a valve is sensed (``physics``), what any party sends (``supplier``).
"""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from typing import Any

from robot.api import SkipExecution, logger
from robot.api.deco import keyword, library

from devices.events.bench import PinMoved, PowerSwitched
from devices.events.supply import FlowChecked
from devices.wire import gbcs, gbz, gbz_typed
from devices.wire.gbz_typed import ReadAttributesResponse
from rig.bus.messages import Event
from rig.evidence.judging import Outcome, Reading, decide
from rig.keywords.hub import joined
from rig.keywords.judge import judge, judged, preparing
from rig.keywords.matching import Matcher
from rig.keywords.physics import AUXILIARY, INSTRUMENTS, Physics, fed
from rig.keywords.session import session
from rig.keywords.supplier import Delivery, Supplier

__all__ = ["GasMeter", "ValveState"]

SUPPLY_STATUS = 0x0014
_FLOW = INSTRUMENTS["gsme"]


class ValveState(IntEnum):
    """The attribute SupplyStatus of a gas meter (facts/gbcs.md 10.2)."""

    OFF = 0
    ARMED = 1
    ON = 2


@library(scope="GLOBAL", auto_keywords=False)
class GasMeter:
    """A GSME.  Its valve and what it reports are judged alike whoever made it; its joining is an emulated one's."""

    @keyword
    def install_gas_meter(self, device: str = "gsme", *, hub: str | None = None) -> None:
        """Have the hub admit the gas meter, let it join, and wait until it has its tunnel to the hub.

        Judged by the frames between the two, as `Device Should Join` is; joining is asked of an emulated meter.  It
        prepares a test: a meter that does not join is a finding of it, and one that does is none.

        Example:
        | Install Gas Meter |
        """
        now = session()
        place = hub or now.hub_of(device)
        since = now.mark
        Supplier().admit_to_hub(device, hub=place)
        now.ask(device, "join")
        with preparing():
            joined(device, place, since)
        now.begin_action()

    @keyword
    def disable_gas_supply(self, device: str = "gsme", *, delivery: Delivery = Delivery.WAN) -> dict[str, Any]:
        """Send the command that shuts the valve (GCS32); returns it, as `Send Command` does."""
        return Supplier().send_command("GCS32", device, delivery=delivery, **_event())

    @keyword
    def arm_gas_supply(self, device: str = "gsme", *, delivery: Delivery = Delivery.WAN) -> dict[str, Any]:
        """Send the command that arms the supply (GCS39): it opens nothing; returns it, as `Send Command` does."""
        return Supplier().send_command("GCS39", device, delivery=delivery, **_event())

    @keyword
    def gas_command_should_succeed(self, command: dict[str, Any], *, within: timedelta | None = None) -> dict[str, Any]:
        """As `Command Should Succeed`, for a meter that has to wake first."""
        return Supplier().command_should_succeed(command, within=within)

    @keyword
    def valve_should_close(
        self, device: str = "gsme", *, within: timedelta | None = None, since: int | None = None
    ) -> float:
        """The valve must close: limit switch released, and no gas flows.  Returns the time from its coil in ms."""
        return Physics().contact_should_open(device, instrument=_FLOW, within=within, since=since)

    @keyword
    def valve_should_open(
        self, device: str = "gsme", *, within: timedelta | None = None, since: int | None = None
    ) -> float:
        """The valve must open: limit switch made, and gas flows.  Returns the time from its coil in ms."""
        return Physics().contact_should_close(device, instrument=_FLOW, within=within, since=since)

    @keyword
    def valve_should_not_move(
        self, device: str = "gsme", *, within: timedelta | None = None, since: int | None = None
    ) -> None:
        """From the test's latest action until so long from now neither coil nor limit switch may move."""
        Physics().contact_should_not_move(device, within=within, since=since)

    @keyword
    def valve_should_be(self, *, opened: bool, device: str = "gsme") -> None:
        """The valve must stand so now, by limit switch and by the gas that flows.

        Example:
        | Valve Should Be    opened=True |
        """
        Physics().contact_should_be(closed=opened, device=device, instrument=_FLOW)

    @keyword
    @judged("supply-reported")
    def gas_meter_should_report_supply(
        self, state: ValveState, device: str = "gsme", *, party: str = "supplier", within: timedelta | None = None
    ) -> None:
        """Read the supply state over the air (GCS33): the meter must report this state.

        Example:
        | Gas Meter Should Report Supply    ARMED |
        """
        supplier = Supplier()
        command = supplier.request("GCS33", device, party=party)
        answer = supplier.response_should_arrive(command, within=within)
        told = [ValveState(value).name if value in set(ValveState) else value for value in _read(answer["octets"])]
        logger.info(f"{device} reports its supply {', '.join(map(str, told)) or 'not at all'}")
        if told != [state.name]:
            raise session().unmet(f"{device} to report its supply {state.name}", told)

    @keyword
    def let_gas_flow(self, flow: int, device: str = "gsme") -> None:
        """Let so much gas flow once the valve is open, in the units of the meter's threshold (an emulated meter).

        It is so until the meter loses its power: one that starts anew has no flow until the test lets it flow again.
        """
        now = session()
        now.ask(device, "flow", flow=flow)
        now.flows[device] = flow, now.last

    @keyword
    @judged("flow-check")
    def flow_check_should_be_reported(
        self, device: str = "gsme", *, above: bool, within: timedelta | None = None
    ) -> dict[str, Any]:
        """After a local enabling the meter must look at the flow; returns ``flow``, ``threshold`` and ``above``.

        That it looks is what the meter reports: the trace of an emulated one, which not every bench has.  What it says
        of the flow is held against what the test let flow (nothing, unless `Let Gas Flow` said otherwise), and against
        the instrument behind the valve: where that shows that no gas flows, the meter can have seen none.

        Example:
        | Flow Check Should Be Reported    above=False |
        """
        now = session()
        wanted = Matcher(FlowChecked, device, {}, f"{device} to look at the flow")
        event = now.expect(wanted, now.takes(device, "check"), now.since(None), within=within)
        if event.fields["above"] is not above:
            raise now.unmet(f"a flow {'above' if above else 'not above'} the threshold", now.words(event))
        threshold = event.fields["threshold"]  # none configured, none exceeded
        if (threshold is not None and event.fields["flow"] > threshold) is not above:
            raise now.unmet(
                "a flow and a threshold that agree with it",
                f"{event.fields['flow']} against {threshold}",
            )
        let = _let(device, event)
        if event.fields["flow"] != let:
            raise now.unmet(f"{device} to see the flow that there is, {let}", event.fields["flow"])
        if event.fields["flow"]:
            _gas_flows(device, event)
        return dict(event.fields)


def _let(device: str, check: Event) -> int:
    """How much gas the test let flow when the meter looked: none after the meter started anew."""
    flow, since = session().flows.get(device, (0, 0))
    anew = any(
        event.kind == PowerSwitched.kind and event.fields["device"] == device and since < event.order < check.order
        for event in session().events
    )
    return 0 if anew else flow


def _gas_flows(device: str, check: Event) -> None:
    """Gas must flow by the instrument behind the valve, where the bench has one there.

    A valve that shut after the meter had looked was open until then, as its limit switch says; what the instrument
    reads now is of no use then."""
    now = session()
    if _FLOW not in now.described["feeds"]:
        logger.info(f"No instrument {_FLOW!r} behind the valve of {device}; the flow is the meter's word alone.")
        return
    current = Physics().read_instrument(_FLOW)["current"]
    released = Matcher(PinMoved, device, {"pin": AUXILIARY, "level": False})
    if (shut := now.find(released, check.order)) is not None:
        logger.info(f"The valve of {device} was open until {shut.at_ns / 1e9:.6f} s, so gas could flow at the check.")
        return
    reading = judge().dated(Reading(abs(current["value"]), "A", current["uncertainty"], _FLOW, current["at_ns"]))
    limit = judge().limit("current-flows")
    outcome, got = decide(reading, limit), f"{current['value']:.4f} A ± {current['uncertainty']:.4f} A at {_FLOW}"
    if outcome is Outcome.MISSED:
        failure = now.unmet(f"gas to flow, as {device} reports", got)
        fed(_FLOW, failure)
        raise failure
    if outcome is Outcome.INCONCLUSIVE:
        why = reading.expired or f"too close to {limit}"
        raise SkipExecution(f"INCONCLUSIVE: whether gas flows, as {device} reports: {got}; {why}")


def _event() -> dict[str, Any]:
    """The argument of a change of supply: a number that grows, for the meter tells events apart by it."""
    seconds = session().call("clock.civil")["civil_ns"] // 1_000_000_000
    return {"Change Supply": {"Issuer Event ID": seconds % (1 << 32)}}


def _read(octets: str) -> list[Any]:
    """The supply status in the response to a read, as the party received it."""
    payload = gbz.decode(gbcs.decode(bytes.fromhex(octets)).payload)
    bodies = [gbz_typed.read(one) for one in payload.components] if isinstance(payload, gbz.Payload) else []
    records = [record for body in bodies if isinstance(body, ReadAttributesResponse) for record in body.records]
    return [record.value for record in records if record.attribute == SUPPLY_STATUS]
