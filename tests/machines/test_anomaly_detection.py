"""Anomaly limits: how many go through, which values do, and what of it outlives a power cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.core import MachineError
from devices.machines.parts.anomaly_detection import (
    TOP_UP,
    AnomalyDetection,
    Limits,
    Observed,
    ValueLimit,
    VolumeLimit,
    observe,
)
from devices.machines.parts.building import command_payload
from devices.model import use_cases
from devices.wire import utrn
from devices.wire.gbcs import CRA, Message
from devices.wire.utrn import Ptut, ValueClass

SECOND = 1_000_000_000
ONE, OTHER = b"supplier", b"operator"
DISABLE = frozenset({"7.2"})


def volume(**changes: Any) -> AnomalyDetection:
    fields: dict[str, Any] = {"requests": DISABLE, "most": 3, "window_ns": 10 * SECOND, **changes}
    return AnomalyDetection(Limits([VolumeLimit("disabling", **fields)]))


def put(anomaly: AnomalyDetection, at: int, user: bytes = ONE, requests: frozenset[str] = DISABLE) -> bool:
    """One command; whether it passed."""
    command = Observed(requests, user)
    if anomaly.judge(command, at * SECOND):
        return False
    anomaly.passed(command, at * SECOND)
    return True


@given(times=st.lists(st.integers(0, 100), max_size=60), most=st.integers(0, 5), window=st.integers(1, 30))
def test_in_no_window_do_more_pass_than_the_limit_allows(times: list[int], most: int, window: int) -> None:
    anomaly = volume(most=most, window_ns=window * SECOND, latches=False)
    passed = [at for at in sorted(times) if put(anomaly, at)]
    assert all(sum(at - window < one <= at for one in passed) <= most for at in passed)
    latching = volume(most=most, window_ns=window * SECOND)
    through = [at for at in sorted(times) if put(latching, at)]
    assert through == passed[: len(through)]


def test_a_mass_of_valid_commands_is_stopped_for_good() -> None:
    """SA-8: however long it goes on."""
    anomaly = volume()
    assert sum(put(anomaly, at) for at in range(10_000)) == 3
    assert anomaly.closed == [f"disabling/{ONE.hex()}"]


def test_without_latching_the_window_moves_on() -> None:
    anomaly = volume(latches=False)
    assert [put(anomaly, at) for at in (0, 1, 2, 9, 10, 11, 12, 13)] == [True] * 3 + [False] + [True] * 3 + [False]
    assert anomaly.closed == []


def test_what_the_limit_is_not_for_passes() -> None:
    anomaly = volume(users=frozenset({ONE}))
    assert all(put(anomaly, 0, OTHER) for _ in range(10))
    assert all(put(anomaly, 0, ONE, frozenset({"7.4"})) for _ in range(10))
    assert [put(anomaly, 0, ONE) for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(("each", "passed"), [(True, 6), (False, 3)])
def test_users_are_counted_apart_or_together(each: bool, passed: int) -> None:
    anomaly = volume(each_user=each)
    assert sum(put(anomaly, 0, user) for _ in range(5) for user in (ONE, OTHER)) == passed


def test_a_closed_limit_can_be_opened() -> None:
    anomaly = volume()
    assert sum(put(anomaly, 0) for _ in range(5)) == 3
    with pytest.raises(MachineError, match="expected the name of a volume limit"):
        anomaly.open("enabling")
    anomaly.open("disabling")
    assert sum(put(anomaly, 0) for _ in range(5)) == 3


def test_counts_outlive_a_power_cut() -> None:
    anomaly = volume()
    assert sum(put(anomaly, 0) for _ in range(2)) == 2
    again = volume()
    again.restore(json.loads(json.dumps(anomaly.as_json())))
    assert sum(put(again, 1) for _ in range(5)) == 1
    last = volume()
    last.restore(json.loads(json.dumps(again.as_json())))
    assert not put(last, 1000)


def test_a_clock_that_goes_back_opens_nothing() -> None:
    anomaly = volume(latches=False)
    assert [put(anomaly, 100) for _ in range(4)] == [True, True, True, False]
    assert not put(anomaly, 0)


def test_two_limits_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="the same name"):
        AnomalyDetection(Limits([VolumeLimit("a")], [ValueLimit("a")]))


# -------------------------------------------------------------------------------------------------------------- values


def command(name: str, **args: Any) -> Message:
    use_case = use_cases.by_name(name)
    return Message(CRA.COMMAND, 1, bytes(8), bytes(8), use_case.code, command_payload(use_case, args, 1))


def top_up(value: int, value_class: ValueClass = ValueClass.HUNDREDTHS) -> str:
    return utrn.encode(Ptut(1, value_class, value, bytes(4)))


def judged(message: Message, **limit: Any) -> list[str]:
    fields: dict[str, Any] = {"value": TOP_UP, "high": 20_000, **limit}
    anomaly = AnomalyDetection(Limits(values=[ValueLimit("amounts", **fields)]))
    return anomaly.judge(observe(message, frozenset({"2.2"}), ONE), 0)


@pytest.mark.parametrize(
    ("value", "value_class", "held"),
    [
        (500, ValueClass.HUNDREDTHS, False),
        (8000, ValueClass.HUNDREDTHS, False),
        (200, ValueClass.WHOLE, False),
        (201, ValueClass.WHOLE, True),
    ],
)
@pytest.mark.parametrize("fuel", ["electricity", "gas"])
def test_the_amount_of_a_top_up_is_that_of_its_token(
    value: int, value_class: ValueClass, held: bool, fuel: str
) -> None:
    digits = top_up(value, value_class)
    if fuel == "electricity":
        message = command("CS01a", utrn=digits)
    else:
        message = command("CS01b", **{"Consumer Top Up": {"TopUp Code": digits.encode().hex()}})
    assert bool(judged(message)) is held


@pytest.mark.parametrize(("amount", "held"), [(0, False), (100_000, False), (100_001, True), (-1, True)])
def test_a_value_is_found_by_its_name(amount: int, held: bool) -> None:
    message = command("ECS04a", **{"MeterBalance / update_amount": amount})
    reasons = judged(message, value="update_amount", low=0, high=100_000)
    assert bool(reasons) is held
    assert all(f"update_amount is {amount}, allowed from 0 to 100000" in reason for reason in reasons)


def test_every_element_of_a_list_is_looked_at() -> None:
    calm = Observed(frozenset(), ONE, (("prices / price", 3), ("prices / price", 4)))
    wild = Observed(frozenset(), ONE, (("prices / price", 3), ("prices / price", 400)))
    anomaly = AnomalyDetection(Limits(values=[ValueLimit("prices", value="Price", high=100)]))
    assert (len(anomaly.judge(calm, 0)), len(anomaly.judge(wild, 0))) == (0, 1)


def test_what_cannot_be_read_is_held_back_where_a_limit_is_for_it() -> None:
    garbled = command("ECS04a", **{"MeterBalance / update_amount": 1})._replace(payload=b"\xd9\xff")
    assert "cannot be read" in judged(garbled)[0]
    assert judged(garbled, requests=frozenset({"1.5"})) == []
