"""Settings of machines from mappings: every type that they use, and a place for everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.machines.comms_hub import HubSettings
from devices.machines.esme_settings import EsmeSettings
from devices.machines.parts.contactor import Supply
from devices.model.roles import Role
from rig.node.bench_file import BenchFileError
from rig.node.settings import changed
from tests.examples import examples


class Colour(Enum):
    RED = 0
    DEEP_BLUE = 1


@dataclass(frozen=True, slots=True)
class Inner:
    size: int = 1
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Some:
    inner: Inner = field(default_factory=Inner)
    colour: Colour = Colour.RED
    maybe: Colour | None = None
    octets: bytes = b""
    code: bytes | None = None
    on: bool = False
    count: int = 0
    ratio: float = 1.0
    text: str = ""
    names: frozenset[str] = frozenset()
    steps: tuple[int, ...] = ()
    floors: Mapping[Colour, int] = field(default_factory=dict)
    call: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count is from 0, got {self.count}; set it higher")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("colour", "red", Colour.RED),
        ("colour", "DEEP_BLUE", Colour.DEEP_BLUE),
        ("colour", "deep-blue", Colour.DEEP_BLUE),
        ("colour", 1, Colour.DEEP_BLUE),
        ("maybe", None, None),
        ("maybe", "red", Colour.RED),
        ("octets", "00010203", b"\0\1\2\3"),
        ("octets", "00-01-02", b"\0\1\2"),
        ("code", None, None),
        ("code", "83FE", b"\x83\xfe"),
        ("on", True, True),
        ("count", 7, 7),
        ("ratio", 2, 2.0),
        ("ratio", 2.5, 2.5),
        ("text", "x", "x"),
        ("names", ["a", "b"], frozenset("ab")),
        ("steps", [1, 2, 1], (1, 2, 1)),
        ("floors", {"red": 5, "deep-blue": 7}, {Colour.RED: 5, Colour.DEEP_BLUE: 7}),
        ("inner", {"size": 3}, Inner(3, 0.5)),
        ("inner", {}, Inner()),
        ("call", None, None),
    ],
)
def test_a_value_is_read_as_its_field_wants_it(key: str, value: Any, expected: Any) -> None:
    result = changed(Some(), {key: value}, "here")
    assert getattr(result, key) == expected
    assert type(getattr(result, key)) is type(expected)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": 1}, "here.size: expected a setting of this device (inner, colour, "),
        ({"inner": {"sise": 1}}, "here.inner.sise: expected a setting of this device (size, share), got 1"),
        ({"inner": 5}, "here.inner: expected a value of type Inner, got 5"),
        ({"inner": {"size": "3"}}, "here.inner.size: expected a value of type int, got '3'"),
        ({"colour": "green"}, "here.colour: expected one of red, deep_blue, got 'green'"),
        ({"colour": True}, "here.colour: expected one of red, deep_blue, got True"),  # YAML's yes is no 1
        ({"colour": None}, "here.colour: expected one of red, deep_blue, got None"),
        ({"octets": "0x01"}, "here.octets: expected octets in hexadecimal, got '0x01'"),
        ({"octets": 12}, "here.octets: expected a value of type bytes, got 12"),
        ({"on": 1}, "here.on: expected a value of type bool, got 1"),
        ({"on": "yes"}, "here.on: expected a value of type bool, got 'yes'"),
        ({"count": True}, "here.count: expected a value of type int, got True"),
        ({"count": 1.5}, "here.count: expected a value of type int, got 1.5"),
        ({"ratio": True}, "here.ratio: expected a value of type float, got True"),
        ({"ratio": "fast"}, "here.ratio: expected a value of type float, got 'fast'"),
        ({"text": 5}, "here.text: expected a value of type str, got 5"),
        ({"names": "ab"}, "here.names: expected a value of type frozenset"),
        ({"names": ["a", {}]}, "here.names[1]: expected a value of type str, got {}"),
        ({"steps": [1, "2"]}, "here.steps[1]: expected a value of type int, got '2'"),
        ({"floors": {"green": 1}}, "here.floors.green: expected one of red, deep_blue, got 'green'"),
        ({"floors": {"red": "1"}}, "here.floors.red: expected a value of type int, got '1'"),
        ({"floors": [1]}, "here.floors: expected a value of type Mapping"),
        ({"call": "print"}, "here.call: expected a value of type"),
        ({"count": -1}, "here: expected count is from 0, got -1; set it higher"),
    ],
)
def test_an_unfit_value_is_refused_with_its_place(values: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchFileError) as caught:
        changed(Some(), values, "here")
    assert said in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("defaults", [Some(), EsmeSettings(), HubSettings(bytes(8))], ids=lambda d: type(d).__name__)
@settings(max_examples=examples(30), deadline=None)
@given(data=st.data())
def test_any_value_for_any_setting_is_settings_or_a_bench_file_error(defaults: Any, data: st.DataObject) -> None:
    keys = st.sampled_from([*type(defaults).__slots__, "colour of the case"])
    values = data.draw(st.dictionaries(keys, JSON | st.dictionaries(keys, JSON, max_size=2), max_size=3))
    try:
        result = changed(defaults, values, "here")
    except BenchFileError as problem:
        result = problem
    assert type(result) is type(defaults) or result.where.startswith("here")


def test_the_defaults_stay_as_they_were() -> None:
    defaults = Some()
    assert changed(defaults, {"count": 3, "inner": {"size": 9}}, "here") != defaults
    assert defaults == Some()


def test_the_settings_of_a_meter_as_the_shipped_benches_write_them() -> None:
    values = {"supply": "disabled", "commands": {"replay": {"initial": {"supplier": 5}}}}
    meter = changed(EsmeSettings(), values, "here")
    assert meter.supply is Supply.DISABLED
    assert meter.commands.replay.initial == {Role.SUPPLIER: 5}
    assert meter.commands.skipped_checks == EsmeSettings().commands.skipped_checks
