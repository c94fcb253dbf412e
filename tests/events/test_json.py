"""Events and their JSON form: there and back, and what is not an event is refused with a reason."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import events
from devices.events.accounts import MeterAnswered
from devices.events.base import Code, event
from devices.events.bench import AirFrames, BusAnswer, PowerSwitched
from devices.events.commands import CommandRefused
from devices.events.messages import MessageSent
from devices.events.parties import PartyReceived
from tests.examples import examples

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=8),
    Any: JSON,
}


def values(wanted: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    if wanted == Code:
        return st.integers(0, 0xFFFFFF)
    if get_origin(wanted) in (Union, types.UnionType):
        return st.one_of(*(st.none() if part is type(None) else values(part) for part in get_args(wanted)))
    if get_origin(wanted) is tuple:
        parts = get_args(wanted)
        if parts[-1] is Ellipsis:
            return st.lists(values(parts[0]), max_size=3).map(tuple)
        return st.tuples(*(values(part) for part in parts))
    if get_origin(wanted) is Mapping:
        return st.dictionaries(st.text(max_size=4), values(get_args(wanted)[1]), max_size=3)
    return PLAIN[wanted]


def instances(cls: type[events.Event]) -> st.SearchStrategy[events.Event]:
    return st.fixed_dictionaries(
        {name: values(hint) for name, hint in get_type_hints(cls, include_extras=True).items() if name in _own(cls)}
    ).map(lambda chosen: cls(**chosen))


def _own(cls: type[events.Event]) -> list[str]:
    return [one.name for one in dataclasses.fields(cls)]  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", sorted(events.KINDS))
@settings(max_examples=examples(6))
@given(data=st.data())
def test_every_event_goes_through_json_and_comes_back(kind: str, data: st.DataObject) -> None:
    told = data.draw(instances(events.KINDS[kind]))
    shown = json.loads(json.dumps(events.fields(told)))
    assert events.of(kind, shown) == told
    assert set(shown) <= events.names(type(told))
    assert list(shown) == list(events.fields(told))


def test_octets_and_codes_are_hexadecimal_and_fields_keep_their_order() -> None:
    sent = MessageSent(port="wan", peer=bytes.fromhex("90B3D51F30010000"), octets=b"\xdf\x09")
    assert json.dumps(events.fields(sent)) == '{"port": "wan", "peer": "90b3d51f30010000", "octets": "df09"}'
    refused = CommandRefused(check="mac", reason="no", alert=0x81, message_code=None, originator=None, counter=None)
    assert events.fields(refused) == {
        "check": "mac", "reason": "no", "alert": "0x0081", "message_code": None, "originator": None, "counter": None,
    }  # fmt: skip
    air = AirFrames(count=1, frames=((7, "hub-zigbee", b"\x41"),))
    assert events.fields(air) == {"count": 1, "frames": [[7, "hub-zigbee", "41"]]}


def test_what_may_be_left_out_is_left_out() -> None:
    assert events.fields(BusAnswer(verb="clock.civil", data={})) == {"verb": "clock.civil", "data": {}}
    answer = MeterAnswered(use_case="PCS01", counter=1, result_type=0, good=True)
    assert events.fields(answer) == {"use_case": "PCS01", "counter": 1, "Result Type": 0, "good": True}


def test_a_name_that_python_keeps_is_plain_in_json() -> None:
    got = PartyReceived(
        party=b"\x01", from_=b"\x02", recipient=b"\x01", cra=2, message_code=1, counter=1, octets=b"\xdf", success=True,
        verified=None, results=(0,), data=(b"\x03",), alert=None,
    )  # fmt: skip
    assert events.fields(got)["from"] == "02"
    assert events.of("party.received", events.fields(got)) == got


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("gone", {}, "event: expected a kind such as .*, got 'gone'"),
        ("power", {}, "power.on: expected true or false, got 'nothing'. Give the field."),
        ("power", {"on": True, "off": False}, "power.off: expected one of on, got 'off'"),
        ("power", {"on": 1}, "power.on: expected true or false, got 1"),
        ("flow", {"flow": True}, "flow.flow: expected a whole number, got True"),
        ("flow", {"flow": None}, "flow.flow: expected a whole number, got None"),
        ("display", {"text": 7}, "display.text: expected a text, got 7"),
        (
            "hub.no_capacity",
            {"peer": "xy"},
            "hub.no_capacity.peer: expected octets in lower-case hexadecimal, got 'xy'",
        ),
        (
            "hub.no_capacity",
            {"peer": "AB"},
            "hub.no_capacity.peer: expected octets in lower-case hexadecimal, got 'AB'",
        ),
        ("tap.skipped", {"message_code": 98}, "tap.skipped.message_code: expected a code such as 0x8F12, got 98"),
        ("hub.scan", {"outcome": [1, "2"]}, r"hub.scan.outcome\[1\]: expected a whole number, got '2'"),
        ("hub.scan", {"outcome": 1}, "hub.scan.outcome: expected a list of a whole number, got 1"),
        ("air.frames", {"count": 1, "frames": [[1, "a"]]}, r"air.frames.frames\[0\]: expected a list of"),
        ("bus.command", {"verb": "a", "args": 1}, "bus.command.args: expected an object, got 1"),
        ("contactor.check", {"wanted": "no", "sensed": None}, "contactor.check.wanted: expected true or false or null"),
        (
            "credentials",
            {"mode": 1, "originator": "", "cells": {"root": None}},
            "credentials.cells.root: expected a whole number, got None",
        ),
    ],
)
def test_what_is_no_event_is_refused_with_a_reason(kind: str, given: dict[str, Any], told: str) -> None:
    with pytest.raises(events.EventError, match=f"^{told}") as refused:
        events.of(kind, given)
    assert refused.value.advice.endswith(".")


def test_every_event_says_what_happened_and_hides_no_other() -> None:
    for kind, cls in events.KINDS.items():
        assert cls.kind == kind
        assert (cls.__doc__ or "").rstrip().endswith("."), kind
    with pytest.raises(events.EventError, match=r"a kind of its own, got 'power'\. PowerSwitched has it"):
        event("power")(type("Again", (events.Event,), {}))
    with pytest.raises(events.EventError, match="Own: expected fields of its own, got 'device'"):
        event("own")(type("Own", (events.Event,), {"__annotations__": {"device": "str"}}))
    assert "own" not in events.KINDS


def test_events_cannot_be_changed() -> None:
    on = PowerSwitched(on=True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        on.on = False  # type: ignore[misc]
