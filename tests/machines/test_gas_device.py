"""What gas meter, proxy and prepayment interface share, and what each is asked, answers and takes: effect by effect."""

from __future__ import annotations

from typing import Any

import pytest

from devices.events.supply import FlowSet
from devices.machines.core import (
    Answer,
    Asked,
    ButtonPressed,
    LinkChanged,
    NetworkUp,
    Persist,
    Received,
    Record,
    Refuse,
    Send,
    SetTimer,
    Started,
    StopTimer,
    TimerFired,
)
from devices.machines.gpf import Gpf, GpfSettings
from devices.machines.gsme import Gsme, GsmeSettings
from devices.machines.parts.civil_clock import ClockSettings, ClockStatus, from_zcl
from devices.machines.parts.gas_mirror import frame_of
from devices.machines.parts.tunnel import CLUSTER
from devices.machines.parts.valve import ValveState
from devices.model import gas_records
from devices.wire import gbcs, gbz
from tests.machines.gas_bench import (
    COMMISSIONED,
    HUB,
    KEYS,
    METER,
    PROXY,
    SECOND,
    SUPPLIER,
    GasBench,
    cells,
    command,
)
from tests.machines.test_gpf import bench as proxy_bench
from tests.machines.test_gpf import cv
from tests.machines.test_gsme import bench, meter_of, supply, token
from tests.machines.told import of_kind

FIRMWARE, SUMMATION, BATTERY = (0x0702, 0x0206), (0x0702, 0x0000), (0x0702, 0x0205)
HALF = 1800 * SECOND


# ---------------------------------------------------------------------------------------------------------- both kinds


@pytest.mark.parametrize(
    ("status", "code"),
    [(ClockStatus.RELIABLE, 0x8145), (ClockStatus.UNRELIABLE, 0x81C6), (ClockStatus.INVALID, 0x81C6)],
)
def test_a_clock_that_was_put_says_so(status: ClockStatus, code: int) -> None:
    made = bench().device
    made._notes = []
    made.set_clock(5, 7, status)
    assert made._notes == [(code, True)]
    assert (made.clock.at(7).ns, made.clock.at(7).status) == (5, status)


def test_the_schedule_has_the_clock_and_the_next_change() -> None:
    made = proxy_bench().device
    assert made._schedule(9) == [Persist("clock", made.clock.as_json(9)), StopTimer("future_dated")]
    start = ClockSettings().start_ns
    assert made._bench_time(start + 20, 5) == 20
    assert made._bench_time(start + 5, 5) == 5
    assert made._bench_time(start, 5) == 5
    assert made._arm_commands(5) == []


@pytest.mark.parametrize("port", ["tap", "wan", "interpan"])
def test_the_tunnel_is_at_the_han_alone(port: str) -> None:
    made = bench()
    before = made.device.state(0)
    assert made.handle(Received(port, SUPPLIER, command("GCS32", 1000, supply(0)), CLUSTER)) == []
    assert made.device.state(0) == before


def test_what_devices_of_gas_are() -> None:
    for made in (bench(), proxy_bench()):
        state: dict[str, Any] = made.device.state(0)
        device = made.device
        assert {name: state[name] for name in ("kind", "clusters", "gas", "recorder", "identity")} == {
            "kind": device.KIND,
            "clusters": device.clusters.as_json(),
            "gas": device.conduct.as_json(),
            "recorder": device.recorder.as_json(),  # type: ignore[attr-defined]
            "identity": device.identity.hex(),
        }
    assert bench().device.state(0)["valve"] == "on"


# ------------------------------------------------------------------------------------------------------------ the meter


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("dance", {}),
        ("consume", {}),
        ("consume", {"amount": "1"}),
        ("flow", {}),
        ("top_up", {}),
        ("top_up", {"utrn": 5}),
    ],
)
def test_verbs_that_a_gas_meter_has_not(verb: str, args: dict[str, Any]) -> None:
    told = f"a gas meter has no verb {verb!r} with {args} now; try 'state' or 'wake'"
    assert bench().handle(Asked(verb, args)) == [Refuse(told)]


def test_gas_that_flows_is_counted_and_paid_for() -> None:
    made = bench()
    meter = meter_of(made)
    assert made.handle(Asked("flow", {"flow": 7})) == [Record(FlowSet(flow=7)), Answer()]
    assert meter.flow == 7
    meter.clusters.set(SUMMATION, (1 << 48) - 3)
    assert made.handle(Asked("consume", {"amount": 2}))[-1] == Answer()
    assert meter.clusters.get(SUMMATION) == (1 << 48) - 1
    made.handle(Asked("consume", {"amount": 5}))
    assert meter.clusters.get(SUMMATION) == 4, "the register has 48 bits"
    made.line(command("GCS32", 1000, supply(0)))
    assert isinstance(made.handle(Asked("consume", {"amount": 5}))[-1], Refuse), "no gas flows through a shut valve"
    assert meter.clusters.get(SUMMATION) == 4


@pytest.mark.parametrize("verb", ["top_up", "emergency_credit"])
def test_prepayment_by_hand_is_answered_once(verb: str) -> None:
    made = bench()
    effects = made.handle(Asked(verb, {"utrn": token(5 << 32, 1000)}))
    assert [effect for effect in effects if isinstance(effect, Answer | Refuse)] == [Answer()]
    again = made.handle(Asked("top_up", {"utrn": token(5 << 32, 1000) if verb == "top_up" else "1"}))
    (refused,) = [effect for effect in again if isinstance(effect, Answer | Refuse)]
    assert isinstance(refused, Refuse)
    assert refused.reason.startswith("top_up: ")


@pytest.mark.parametrize(
    ("settings", "button", "held", "acts"),
    [
        ({}, "A", 2 * SECOND, True),
        ({}, "A", 2 * SECOND - 1, False),
        ({"button": "B"}, "A", 2 * SECOND, False),
        ({"button": "B", "button_hold_ns": 5}, "B", 5, True),
        ({"button_hold_ns": 5}, "A", 4, False),
    ],
)
def test_the_button_opens_an_armed_valve(settings: dict[str, Any], button: str, held: int, acts: bool) -> None:
    made = bench(**settings)
    meter = meter_of(made)
    assert made.handle(ButtonPressed(button, held)) == []
    made.line(command("GCS32", 1000, supply(0)))
    effects = made.handle(ButtonPressed(button, held), SECOND)
    assert (meter.valve.state, bool(effects)) == (ValveState.OFF, acts)
    made.line(command("GCS39", 1001, supply(1)), 2 * SECOND)
    assert meter.valve.state is ValveState.ARMED
    made.handle(ButtonPressed(button, held), 3 * SECOND)
    assert (meter.valve.state is ValveState.ARMED) is not acts


@pytest.mark.parametrize(("days", "left", "told"), [(182, 181, 0), (181, 180, 1), (180, 179, 0), (1, 0, 0), (0, 0, 0)])
def test_a_day_takes_a_day_off_the_battery(days: int, left: int, told: int) -> None:
    """0x8F1F once, as it sinks to 180 days."""
    meter = meter_of(bench())
    meter.clusters.set(BATTERY, days)
    effects = meter._battery(0)
    assert meter.clusters.get(BATTERY) == left
    assert bool(effects) is bool(told)


def test_it_wakes_and_asks_only_in_a_network() -> None:
    made = bench(hub=HUB, wake_ns=11)
    assert made.handle(TimerFired("wake"), 5) == [SetTimer("wake", 16)]
    assert made.handle(Asked("wake", {}), 6) == [SetTimer("wake", 17), Answer()]
    effects = made.handle(NetworkUp("han", HUB, 1, 11), 7)
    assert SetTimer("wake", 18) in effects
    assert ("han", HUB) in {(effect.port, effect.peer) for effect in effects if isinstance(effect, Send)}
    assert made.handle(TimerFired("wake"), 18)[0] == SetTimer("wake", 29)
    alone = bench(wake_ns=11)
    alone.handle(NetworkUp("han", HUB, 1, 11), 7)
    assert alone.handle(TimerFired("wake"), 18) == [SetTimer("wake", 29)]
    assert alone.handle(TimerFired("another"), 18) == []


def test_a_day_less_of_battery_is_kept_at_once() -> None:
    """A power cut right after midnight gives no day of the battery back."""
    made = bench()
    meter = meter_of(made)
    meter.clusters.set(BATTERY, 9)
    at = meter.clock.at(0).zcl
    midnight = from_zcl(at - at % 86_400 + 86_400) - meter.clock.at(0).ns
    made.handle(TimerFired("half_hour"), midnight)
    assert meter.clusters.get(BATTERY) == 8
    assert made.saved["clusters"] == meter.clusters.as_json()


def test_a_half_hour_ends_on_the_half_hour() -> None:
    made = bench()
    meter = meter_of(made)
    at = meter.clock.at(0).zcl
    ends = from_zcl(at - at % 1800 + 1800) - meter.clock.at(0).ns
    assert meter._next_half_hour(0) == SetTimer("half_hour", ends)
    effects = made.handle(TimerFired("half_hour"), ends)
    assert effects[0] == Persist("recorder", meter.recorder.as_json())
    assert effects[-1] == SetTimer("half_hour", ends + HALF)


@pytest.mark.parametrize(
    "event",
    [
        Received("line2", HUB, b"\x18\x00\x0a", 0x0702),
        Received("han", PROXY, b"\x18\x00\x0a", 0x0702),
        Received("han", HUB, b"\x18\x00\x0a", 0x0703),
    ],
    ids=["another port", "another peer", "another cluster"],
)
def test_the_mirror_is_at_the_hub(event: Received) -> None:
    made = bench(hub=HUB, commands=COMMISSIONED)
    assert made.handle(event) == []


def test_a_frame_of_the_mirror_that_cannot_be_read_is_told() -> None:
    made = bench(hub=HUB, commands=COMMISSIONED)
    (bad,) = of_kind(made.handle(Received("han", HUB, b"", 0x0702)), "mirror.bad")
    assert (bad["peer"], "zcl" in bad["reason"]) == (HUB.hex(), True)
    assert bench(hub=HUB).handle(Received("han", HUB, b"", 0x0702)) == [], "no proxy is in its device log"


# ------------------------------------------------------------------------------------------------------------ the proxy


def test_a_mirrored_frame_that_cannot_be_read_is_told() -> None:
    (bad,) = of_kind(proxy_bench().handle(Received("han", METER, b"", 0x0702)), "mirror.bad")
    assert (bad["peer"], "zcl" in bad["reason"]) == (METER.hex(), True)


def test_a_copy_that_cannot_be_read_is_told_and_logged() -> None:
    """0x819E beside the reason."""
    effects = proxy_bench().handle(Received("tap", HUB, b"\xdf\x09"))
    (bad,) = of_kind(effects, "tap.bad")
    assert bad["reason"].startswith("gbcs: at octet")
    assert len(effects) > 1


def answered(octets: bytes, *, payload: bytes | None = None) -> bytes:
    """The meter's answer to a command, as it goes by."""
    asked = gbcs.decode(octets)
    meter = GasBench(Gsme(METER, KEYS, cells("GSME"), GsmeSettings()))
    meter.handle(Started({}))
    meter.handle(LinkChanged("line", True))
    (response, *_) = [one for one in meter.line(octets) if one.cra == gbcs.CRA.RESPONSE]
    assert response.counter == asked.counter
    return gbcs.encode(response if payload is None else response._replace(payload=payload))


def test_a_tapped_command_is_told_when_it_takes_effect() -> None:
    made, octets = proxy_bench(), cv(1003)
    response = answered(octets)
    assert made.handle(Received("tap", HUB, response)) == [], "its command did not go by"
    assert made.handle(Received("tap", HUB, octets)) == []
    effects = made.handle(Received("tap", HUB, response))
    assert of_kind(effects, "tapped") == [{"message_code": "0x007C", "counter": 1003}]
    assert Persist("clock", made.device.clock.as_json(0)) in effects
    assert made.handle(Received("tap", HUB, response)) == [], "it takes effect once"


def test_what_the_meter_did_not_do_is_skipped() -> None:
    made, octets = proxy_bench(), cv(1003)
    alert = gbz.encode(gbz.Alert(0x8F0A, 0, ()))
    made.handle(Received("tap", HUB, octets))
    effects = made.handle(Received("tap", HUB, answered(octets, payload=alert)))
    assert [type(effect) for effect in effects] == [Record]
    assert made.device.clusters.values == {}


@pytest.mark.parametrize("limit", [1, 2])
def test_as_many_commands_wait_for_their_answer_as_set(limit: int) -> None:
    made = GasBench(Gpf(PROXY, KEYS, cells("GPF"), GpfSettings(meter=METER, tapped_limit=limit)))
    made.handle(Started({}))
    for counter in (1003, 1004):
        made.handle(Received("tap", HUB, cv(counter)))
    effects = made.handle(Received("tap", HUB, answered(cv(1003))))
    assert bool(effects) is (limit == 2)


def test_what_the_meter_pushes_is_kept_at_once_and_once() -> None:
    """Over a power cut right after it too."""
    made = proxy_bench()
    payment = gas_records.debt_payment(1, 2, 3)
    for _ in range(2):
        effects = made.handle(Received("han", METER, frame_of(payment), 0x0705))
        assert effects == [made.device.executor.saved()]
    assert len(made.device.clusters.entries("debt_payments")) == 1
