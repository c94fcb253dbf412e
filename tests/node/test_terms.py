"""What a lab has agreed on, as the bench file says it; what is sensed of devices; and whether a run can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from rig.bus.messages import Context
from rig.node import bench_file
from rig.node.bench_file import Bench, BenchFileError
from rig.node.commands import Commands
from rig.node.device_state import not_repeatable, profile
from rig.node.terms import RULES
from rig.share import folder

BENCHES = folder("wiring") / "benches"
ISSUE = {"id": "SMDA-246", "reason": "mended in 2.1", "until": "2027-03-31", "expectation": "arming-opens"}


def bench(name: str = "virtual", **overlay: Any) -> Bench:
    return bench_file.load(BENCHES / f"{name}.yaml", overlay)


def esme(**change: Any) -> Bench:
    return bench(devices={"esme": change})


def test_a_bench_says_what_is_under_test_declared_tolerated_and_until_when_it_is_calibrated() -> None:
    told = bench(
        decision_rule="guard-band",
        tolerated=[ISSUE],
        instruments={"load": {"calibrated_until": date(2027, 3, 31)}},
        devices={"esme": {"under_test": True, "declared": {"operate_ms": {"min": 1, "max": 30}}}},
    )
    assert told.decision_rule == "guard-band"
    assert told.tolerated == ({**ISSUE, "device": "", "test": ""},)
    assert told.instruments["load"].calibrated_until == date(2027, 3, 31)
    assert told.devices["esme"].under_test
    assert told.devices["esme"].declared["operate_ms"] == {"min": 1, "max": 30}
    assert not told.devices["hub"].under_test


def test_a_declaration_can_be_taken_back() -> None:
    assert esme().devices["esme"].declared == {"load_switch_after_outage": "kept"}
    assert esme(declared={"load_switch_after_outage": None}).devices["esme"].declared == {}


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"decision_rule": "coin"}, "decision_rule", "simple"),
        ({"tolerated": {}}, "tolerated", "a list"),
        ({"tolerated": [{**ISSUE, "until": "soon"}]}, "tolerated[0].until", "a date"),
        ({"tolerated": [{**ISSUE, "id": " "}]}, "tolerated[0].id", "words"),
        ({"tolerated": [{**ISSUE, "expectation": ""}]}, "tolerated[0]", "an expectation or a test"),
        ({"tolerated": [{**ISSUE, "more": "x"}]}, "tolerated[0].more", "only known keys"),
        ({"instruments": {"load": {"calibrated_until": "soon"}}}, "instruments.load.calibrated_until", "a date"),
        ({"devices": {"esme": {"under_test": "yes"}}}, "devices.esme.under_test", "true or false"),
        ({"devices": {"esme": {"declared": {"colour": "red"}}}}, "esme.declared.colour", "operate_ms"),
        ({"devices": {"esme": {"declared": {"operate_ms": 20}}}}, "esme.declared.operate_ms", "a mapping"),
        ({"devices": {"esme": {"declared": {"operate_ms": {}}}}}, "esme.declared.operate_ms", "min or max"),
        ({"devices": {"esme": {"declared": {"operate_ms": {"max": -1}}}}}, "operate_ms.max", "a number from 0"),
        ({"devices": {"esme": {"declared": {"operate_ms": {"min": 9, "max": 1}}}}}, "operate_ms", "a min that is not"),
        ({"devices": {"esme": {"declared": {"operate_ms": {"most": 9}}}}}, "operate_ms", "min or max"),
        ({"devices": {"esme": {"declared": {"load_switch_after_outage": "so"}}}}, "load_switch_after", "kept, open"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(change: dict[str, Any], place: str, words: str) -> None:
    with pytest.raises(BenchFileError) as refused:
        bench(**change)
    assert place in str(refused.value)
    assert words in str(refused.value)


def test_the_rules_are_those_that_readings_are_decided_by() -> None:
    from rig.evidence.judging import Rule

    assert set(RULES) == {rule.value for rule in Rule}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (bench(), ""),
        (bench("direct"), ""),
        (bench("line"), "esme is behind a line"),
        (bench("pi"), "the clock is a real one"),
        (esme(under_test=True), "esme is under test"),
    ],
)
def test_a_bench_that_reaches_outside_of_itself_repeats_nothing(told: Bench, words: str) -> None:
    assert words in not_repeatable(told)
    assert bool(not_repeatable(told)) is bool(words)


@pytest.mark.parametrize(
    ("window", "name"),
    [
        ({}, "slides-1"),
        ({"keep_alive_s": 60}, "other"),
        ({"keep_alive_s": 0, "close_by_command": False, "beaconing": False}, "decided"),
        ({"opened_by": "wan-absent"}, "slides-3"),
    ],
)
def test_results_name_the_profile_of_the_hub(window: dict[str, Any], name: str) -> None:
    assert profile(bench(devices={"hub": {"settings": {"window": window}}})) == name
    assert profile(bench(devices={"hub": {"under_test": True, "settings": {"window": window}}})) == ""
    assert profile(bench("line")) == ""


def state(desk: Commands) -> Any:
    answer = desk.handlers()["bench.state"]({}, Context())
    assert answer is not None
    return answer["devices"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Commands]:
    commands = Commands(BENCHES / "direct.yaml", {}, tmp_path)
    yield commands
    commands.safe()


def test_what_is_sensed_of_each_device_costs_no_time_and_leaves_no_trace(desk: Commands) -> None:
    handlers = desk.handlers()
    handlers["bench.reset"]({}, Context())
    before = desk.clock.now, desk.recorder.order
    told = state(desk)
    assert (desk.clock.now, desk.recorder.order) == before
    assert told["esme"]["sensed"]["contact"] == "released"
    assert told["esme"]["sensed"]["power"] == "on"
    assert told["gsme"]["sensed"]["contact"] == "made"
    assert all("counter" in why for one in told.values() for why in one["not_read"].values())
    handlers["supply.switch"]({"supply": "mains", "on": False}, Context())
    assert state(desk)["esme"]["sensed"]["power"] == "off"
