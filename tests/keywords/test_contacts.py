"""Contacts, valves and gas: how long is waited, what is sensed and what is made of it, on a made-up bench."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from robot.api import SkipExecution

from devices.events.supply import FlowChecked
from devices.wire import gbcs, gbz, zcl
from rig.evidence.judging import Outcome
from rig.keywords.connection import Misused
from rig.keywords.gas import GasMeter, ValveState
from rig.keywords.judge import Unmet, judge
from rig.keywords.physics import Physics
from rig.keywords.session import PRESS
from rig.keywords.silence import Asked
from rig.keywords.supplier import Delivery
from tests.keywords.fake import EUI, SECOND, Faked, message, seen, took

MOVE = took("wake", "contact", "valve")


def wired(now: Faked, *, made: bool = True, amps: float = 2.0, spread: float = 0.01) -> None:
    """What is sensed: the auxiliary contact, and the current behind it."""
    now.answers["pin.read"] = lambda args: {"level": made if args == {"pin": "aux_no"} else not made}
    told = {"value": amps, "unit": "A", "uncertainty": spread, "at_ns": 5, "instrument": "load"}
    now.answers["instrument.read"] = {"readings": {"current": told}}
    now.described = {"feeds": {"load": "mains", "flow": "gas"}}


def edge(order: int, pin: str, level: bool, at_s: float, device: str = "esme") -> Any:
    return seen(order, "edge", device, at_s, pin=pin, level=level)


CLOSES = [edge(11, "contactor_set", True, 1), edge(12, "aux_no", True, 1.5), edge(13, "aux_no", False, 1.6),
          edge(14, "aux_no", True, 1.7)]  # fmt: skip
OPENS = [edge(11, "valve_close", True, 1, "gsme"), edge(12, "aux_no", False, 1.25, "gsme")]


def test_a_contact_that_closes_tells_its_time(now: Faked, caplog: pytest.LogCaptureFixture) -> None:
    wired(now)
    now.coming = CLOSES
    assert Physics().contact_should_close() == 500.0
    assert now.waited == [2 * MOVE, SECOND // 50]
    assert now.did("pin.read", "instrument.read") == [
        ("pin.read", "esme", {"pin": "aux_no"}), ("instrument.read", "", {"instrument": "load"}),
    ]  # fmt: skip
    assert "operate time 500.000 ms from coil to contact, 1 bounces" in caplog.messages
    assert "auxiliary contact of esme made" in caplog.messages
    assert [finding.expectation for finding in judge().findings] == ["contact-closes"]
    assert Physics().contact_should_close() == 500.0, "it has done so already"
    with pytest.raises(Unmet, match="a contact that moved without its coil"):
        Physics().contact_should_close(since=11)
    with pytest.raises(Unmet, match=r"to close within 98 s, got no edge .*, and 2\.0000 A through it.*the silent one"):
        Physics().contact_should_close(since=14)


def test_a_valve_that_closes_is_seen_at_its_own_coil(now: Faked) -> None:
    wired(now, made=False, amps=0.0)
    now.coming = OPENS
    assert GasMeter().valve_should_close(within=timedelta(seconds=9)) == 250.0
    assert now.waited == [9 * SECOND, SECOND // 50]
    assert now.did("instrument.read") == [("instrument.read", "", {"instrument": "flow"})]
    with pytest.raises(Unmet, match="expected the contact of gsme to open within 0 s, got no edge of its auxiliary"):
        GasMeter().valve_should_close(since=12, within=timedelta(0))


def test_one_that_was_late_is_a_finding_of_its_own(now: Faked) -> None:
    wired(now)
    now.begin_action()
    now.coming = [edge(11, "contactor_set", True, 1), edge(12, "aux_no", True, (MOVE + 1000) / SECOND)]
    Physics().contact_should_close()
    late, met = judge().findings
    assert (late.expectation, late.outcome, late.device) == ("takes", Outcome.MISSED, "esme")
    assert met.outcome is Outcome.MET
    assert late.basis.source == "wake: b0; contact: b4; valve: b5"


@pytest.mark.parametrize(
    ("pin", "made", "amps", "spread", "closed", "ending"),
    [
        (True, True, 2.0, 0.01, True, ""),
        (True, True, -2.0, 0.01, True, ""),
        (True, False, 0.0, 0.01, False, ""),
        (True, True, 0.0, 0.01, True, "expected the contact of esme closed, got auxiliary contact made and 0.0000 A"),
        (True, False, 2.0, 0.01, True, "expected the contact of esme closed, got auxiliary contact released and 2.0"),
        (True, False, 2.0, 0.01, False, "expected the contact of esme open, got auxiliary contact released and 2.0000"),
        (True, True, 0.0, 0.01, False, "expected the contact of esme open, got auxiliary contact made"),
        (True, True, 0.1, 5.0, True, "INCONCLUSIVE: whether the contact of esme stands so: .*too close to"),
    ],
)
def test_a_contact_stands_as_both_its_signs_say(
    now: Faked, *, pin: bool, made: bool, amps: float, spread: float, closed: bool, ending: str
) -> None:
    assert pin
    wired(now, made=made, amps=amps, spread=spread)
    if not ending:
        Physics().contact_should_be(closed=closed)
        return
    with pytest.raises(SkipExecution if ending.startswith("INC") else Unmet, match=ending):
        Physics().contact_should_be(closed=closed)


def test_a_word_is_no_way_to_stand(now: Faked) -> None:
    with pytest.raises(Misused, match="closed is True or False, got 'yes'"):
        Physics().contact_should_be(closed="yes")
    assert not now.called


@pytest.mark.parametrize(
    ("switched", "infra"),
    [
        ([("mains", False)], True), ([("mains", False), ("mains", True)], False), ([("gas", False)], False), ([], False)
    ],
)  # fmt: skip
def test_a_contact_that_is_made_and_dark_is_no_fault_where_nothing_feeds_the_load(
    now: Faked, switched: list[tuple[str, bool]], *, infra: bool
) -> None:
    wired(now, amps=0.0)
    for order, (supply, on) in enumerate(switched, 1):
        now.see(seen(order, "power", supply, on=on))
    with pytest.raises(
        SkipExecution if infra else Unmet, match="mains, which feeds the load, is off" if infra else "the contact"
    ):
        Physics().contact_should_be(closed=True)
    now.described = {"feeds": {}}
    with pytest.raises(Unmet):
        Physics().contact_should_be(closed=True)
    now.answers["supply.sense"] = {"good": False, "by": "a pin"}
    with pytest.raises(SkipExecution, match="esme has no supply"):
        Physics().contact_should_be(closed=True)
    wired(now, made=False, amps=2.0)
    with pytest.raises(Unmet):
        Physics().contact_should_be(closed=True)


def test_a_contact_that_moved_without_its_coil(now: Faked) -> None:
    wired(now)
    now.coming = [edge(12, "aux_no", True, 1.5)]
    with pytest.raises(Unmet, match="expected contactor_set or valve_open driven before the contact moved, got a"):
        Physics().contact_should_close()
    assert now.waited == [2 * MOVE, SECOND // 50]


def test_a_contact_that_bounces_is_waited_for_no_longer(now: Faked) -> None:
    def some(_args: dict[str, Any]) -> dict[str, Any]:
        now.now = min(now.now, 10 * SECOND) if len(now.waited) == 1 else now.now
        return {}

    wired(now)
    now.answers["clock.advance"] = some
    now.coming = [edge(12, "aux_no", True, 10)]
    with pytest.raises(Unmet, match="a contact that moved without its coil"):
        Physics().contact_should_close()
    assert now.waited == [2 * MOVE, 2 * MOVE - 10 * SECOND, SECOND // 50]


@pytest.mark.parametrize(
    ("edges", "moves"),
    [
        ([edge(4, "aux_no", True, 1)], ""),
        ([edge(5, "aux_no", False, 1)], "aux_no at 1.0+ s"),
        ([edge(5, "contactor_set", True, 2)], "contactor_set at 2.0+ s"),
        ([edge(5, "valve_close", True, 2)], "valve_close at 2.0+ s"),
        ([edge(5, "contactor_reset", False, 2)], ""),
        ([edge(5, "button", True, 2)], ""),
        ([edge(5, "aux_no", True, 2, "gsme")], ""),
        ([seen(5, "power", "esme", pin="aux_no", level=True, on=True)], ""),
    ],
)
@pytest.mark.parametrize("within", [None, timedelta(seconds=3)])
def test_neither_coil_nor_contact_moves(
    now: Faked, edges: list[Any], moves: str, within: timedelta | None, caplog: pytest.LogCaptureFixture
) -> None:
    now.coming = edges
    now.now = 2 * SECOND
    now.see(seen(4, "power", "hub", on=True))
    assert now.mark == 4
    now.now = 5 * SECOND
    if moves:
        with pytest.raises(Unmet, match=f"expected no contact of esme to move, got {moves}"):
            Physics().contact_should_not_move(within=within, since=4)
    else:
        Physics().contact_should_not_move(within=within, since=4)
        end = 5 + (MOVE // SECOND if within is None else 3)
        assert caplog.messages[-1] == (
            f"No move of esme from 2.000000 s to {end}.000000 s; looked at: the wires of its coils and of aux_no."
        )
    assert now.waited == [MOVE if within is None else 3 * SECOND]


def test_for_a_meter_that_sleeps_its_command_may_wait_at_the_hub(now: Faked) -> None:
    now.begin_action("ECS43")
    now.asked = Asked(EUI["supplier"], EUI["gsme"], 7, 0, "supplier")
    now.see(message(3, "rx", "hub", "command", "supplier", "gsme"))
    GasMeter().valve_should_not_move()
    now.devices["gsme"]["takes"] = {name: one for name, one in now.devices["gsme"]["takes"].items() if name != "wake"}
    with pytest.raises(SkipExecution, match="expected #7 to come to gsme and to move no contact, got no move"):
        GasMeter().valve_should_not_move(within=timedelta(seconds=1))
    now.asked = Asked(EUI["supplier"], EUI["gsme"], 7, 0, "supplier", out=False)
    GasMeter().valve_should_not_move(within=timedelta(seconds=1))
    now.begin_action(PRESS)
    GasMeter().valve_should_not_move(within=timedelta(seconds=1))
    now.answers["supply.sense"] = {"good": False, "by": "a pin"}
    with pytest.raises(SkipExecution, match="expected gsme to have its supply and to move no contact"):
        GasMeter().valve_should_not_move(within=timedelta(seconds=1))


@pytest.mark.parametrize(("real", "outcome"), [("", Outcome.MET), ("a real clock", Outcome.INCONCLUSIVE)])
def test_an_operate_time_is_as_sure_as_the_clocks_that_stamp_it(now: Faked, real: str, outcome: Outcome) -> None:
    now.described = {"not_repeatable": real}
    now.now = 7
    limit = judge().limit("operate-time")
    assert limit.high is not None
    Physics().operate_time_should_be_usual(limit.high - 0.25)
    (found,) = judge().findings
    assert (found.outcome, found.device, found.at_ns) == (outcome, "esme", 7)
    assert found.reading is not None
    assert (found.reading.unit, found.reading.uncertainty) == ("ms", 0.3 if real else 0.0)


def test_an_instrument_is_read_by_its_name(now: Faked) -> None:
    wired(now)
    assert Physics().read_instrument("flow")["current"]["value"] == 2.0
    assert Physics().read_instrument()["current"]["at_ns"] == 5
    assert now.called == [("instrument.read", "", {"instrument": name}) for name in ("flow", "load")]


# ------------------------------------------------------------------------------------------------------------------ gas


@pytest.mark.parametrize(
    ("keyword", "use_case"), [(GasMeter().disable_gas_supply, "GCS32"), (GasMeter().arm_gas_supply, "GCS39")]
)
@pytest.mark.parametrize("delivery", [Delivery.WAN, Delivery.LOCAL])
def test_a_change_of_gas_supply_has_a_number_that_grows(
    now: Faked, keyword: Any, use_case: str, delivery: Delivery
) -> None:
    now.replies["command"] = {"counter": 7}
    now.answers["clock.civil"] = {"civil_ns": ((1 << 32) + 5) * SECOND + SECOND - 1}
    assert keyword(**({} if delivery is Delivery.WAN else {"delivery": delivery}))["device"] == "gsme"
    assert now.asked_for[-1] == (
        "supplier", "command",
        {"args": {"Change Supply": {"Issuer Event ID": 5}}, "use_case": use_case, "device": EUI["gsme"],
         "delivery": delivery.value},
    )  # fmt: skip


def test_a_gas_meter_is_admitted_and_joins(now: Faked) -> None:
    now.replies = {"take_counter": {"counter": 3}, "command": {"counter": 7}}
    now.coming = [seen(9, "tunnel.granted", "gsme", 5, port="han", peer=EUI["hub"], out=False)]
    now.begin_action("ECS42")
    GasMeter().install_gas_meter()
    assert [(device, request) for device, request, _ in now.asked_for] == [
        ("supplier", "take_counter"), ("broker", "command"), ("gsme", "join"),
    ]  # fmt: skip
    assert now.asked_for[1][2]["args"]["device"] == EUI["gsme"]
    assert now.asked_for[1][2]["device"] == EUI["hub"]
    assert now.waited == [2 * took("join")]
    assert (judge().findings, judge().cause, now.action) == ([], "", 9)


@pytest.mark.parametrize(
    ("value", "state", "ending"),
    [(0, ValveState.OFF, ""), (1, ValveState.ARMED, ""), (2, ValveState.ON, ""), (2, ValveState.OFF, "OFF, got ON"),
     (9, ValveState.OFF, "OFF, got 9"), (None, ValveState.OFF, "OFF, got none")],
)  # fmt: skip
def test_a_gas_meter_reports_its_supply(
    now: Faked, value: int | None, state: ValveState, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    now.replies["command"] = {"counter": 7}
    told = {"from": EUI["gsme"], "recipient": EUI["supplier"], "counter": 7, "cra": 2, "verified": True, "data": []}
    now.coming = [seen(9, "party.received", "supplier", 5, octets=status(value), **told)]
    if not ending:
        GasMeter().gas_meter_should_report_supply(state)
        assert f"gsme reports its supply {state.name}" in caplog.messages
    else:
        with pytest.raises(Unmet, match=f"expected gsme to report its supply {ending}"):
            GasMeter().gas_meter_should_report_supply(state)
    assert now.asked_for[-1][2]["use_case"] == "GCS33"
    assert now.waited == [2 * took("wake", "answer")]


def status(value: int | None) -> str:
    """The response to a read of a gas meter: SupplyStatus, beside another attribute."""
    records = bytes.fromhex("01000020ff") + (b"" if value is None else bytes.fromhex("14000030") + bytes([value]))
    payload = gbz.encode(gbz.Payload((gbz.Component(0x0702, zcl.Frame(0x18, 1, 1, records)),)))
    ends = bytes.fromhex(EUI["gsme"]), bytes.fromhex(EUI["supplier"])
    return gbcs.encode(gbcs.Message(2, 7, *ends, 0x74, payload)).hex()


def checked(order: int = 9, **more: Any) -> Any:
    return seen(order, FlowChecked.kind, "gsme", 5, **{"flow": 2000, "threshold": 1000, "above": True, **more})


@pytest.mark.parametrize(
    ("check", "above", "let", "ending"),
    [
        (checked(), True, 2000, ""),
        (checked(), False, 2000, "expected a flow not above the threshold, got"),
        (checked(above=False), True, 2000, "expected a flow above the threshold, got"),
        (checked(flow=1000), True, 1000, "expected a flow and a threshold that agree with it, got 1000 against 1000"),
        (checked(flow=1001), True, 1001, ""),
        (checked(flow=1000, above=False), False, 1000, ""),
        (checked(threshold=None), True, 2000, "got 2000 against None"),
        (checked(threshold=None, above=False), False, 2000, ""),
        (checked(), True, 1999, "expected gsme to see the flow that there is, 1999, got 2000"),
        (checked(flow=0, above=False), False, None, ""),
        (checked(flow=1, threshold=0), True, None, "expected gsme to see the flow that there is, 0, got 1"),
    ],
)
def test_a_flow_check_says_what_there_is(
    now: Faked,
    check: Any,
    above: bool,
    let: int | None,
    ending: str,
) -> None:
    wired(now)
    now.see(seen(3, "power", "gsme", on=True))
    if let is not None:
        GasMeter().let_gas_flow(let)
        assert now.asked_for == [("gsme", "flow", {"flow": let})]
        assert now.flows == {"gsme": (let, 3)}
    now.begin_action()
    now.coming = [check]
    if ending:
        with pytest.raises(Unmet, match=ending):
            GasMeter().flow_check_should_be_reported(above=above)
    else:
        assert GasMeter().flow_check_should_be_reported(above=above) == check.fields
    assert now.waited == [2 * took("check")]


@pytest.mark.parametrize(("order", "device", "flow"), [(4, "gsme", 0), (3, "gsme", 2000), (4, "esme", 2000),
                                                       (9, "gsme", 2000)])  # fmt: skip
def test_a_meter_that_starts_anew_has_no_flow(now: Faked, order: int, device: str, flow: int) -> None:
    wired(now)
    now.flows["gsme"] = 2000, 3
    now.coming = [seen(order, "power", device, on=True),
                  checked(flow=flow, above=flow > 0, threshold=0 if flow else None)]  # fmt: skip
    GasMeter().flow_check_should_be_reported(above=flow > 0)


@pytest.mark.parametrize(
    ("amps", "spread", "ending"),
    [
        (2.0, 0.01, ""),
        (-2.0, 0.01, ""),
        (0.0, 0.01, "expected gas to flow, as gsme reports, got 0.0000 A ± 0.0100 A at flow"),
        (0.1, 5.0, "INCONCLUSIVE: whether gas flows, as gsme reports: .*; too close to"),
    ],
)
def test_a_meter_sees_no_gas_where_none_flows(now: Faked, amps: float, spread: float, ending: str) -> None:
    wired(now, amps=amps, spread=spread)
    now.flows["gsme"] = 2000, 0
    now.coming = [checked()]
    if not ending:
        GasMeter().flow_check_should_be_reported(above=True)
        assert now.did("instrument.read") == [("instrument.read", "", {"instrument": "flow"})]
        return
    with pytest.raises(SkipExecution if ending.startswith("INC") else Unmet, match=ending):
        GasMeter().flow_check_should_be_reported(above=True, within=timedelta(seconds=3))
    assert now.waited == [3 * SECOND]
    now.see(seen(10, "power", "gas", on=False))
    with pytest.raises(SkipExecution, match="INC" if spread > 1 else "INFRA: .*gas, which feeds the load, is off"):
        GasMeter().flow_check_should_be_reported(above=True)


@pytest.mark.parametrize(
    ("shut", "is_open"),
    [(edge(10, "aux_no", False, 6, "gsme"), True), (edge(8, "aux_no", False, 4, "gsme"), False),
     (edge(10, "aux_no", True, 6, "gsme"), False), (edge(10, "valve_close", False, 6, "gsme"), False),
     (edge(10, "aux_no", False, 6), False)],
)  # fmt: skip
def test_a_valve_that_shut_after_the_check_was_open_until_then(
    now: Faked, shut: Any, *, is_open: bool, caplog: pytest.LogCaptureFixture
) -> None:
    wired(now, amps=0.0)
    now.flows["gsme"] = 2000, 0
    now.coming = [checked(), shut]
    if is_open:
        GasMeter().flow_check_should_be_reported(above=True)
        assert "The valve of gsme was open until 6.000000 s, so gas could flow at the check." in caplog.messages
    else:
        with pytest.raises(Unmet, match="expected gas to flow"):
            GasMeter().flow_check_should_be_reported(above=True)


def test_without_an_instrument_behind_the_valve_the_flow_is_the_meters_word(
    now: Faked, caplog: pytest.LogCaptureFixture
) -> None:
    now.described = {"feeds": {"load": "mains"}}
    now.flows["gsme"] = 2000, 0
    now.coming = [checked()]
    GasMeter().flow_check_should_be_reported(above=True)
    assert "No instrument 'flow' behind the valve of gsme; the flow is the meter's word alone." in caplog.messages
