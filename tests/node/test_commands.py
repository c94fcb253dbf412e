"""The verbs of a bench: each does what it says, and nonsense is refused with a code, a sentence and advice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.events.bench import BenchStalled
from devices.wire import gbcs
from rig.bus.messages import Command, Context, Event, Fault
from rig.host.taps import TappedFrame
from rig.node import assembly, commands
from rig.node.arguments import LARGEST, Arguments
from rig.node.commands import LONGEST_NS, Commands
from rig.node.executor import CommandError, Executor, ExecutorSettings, Refused
from rig.node.journal import Journal
from rig.ports.clock import RealClock
from rig.ports.protocols import PortLost, PortMissing
from tests.examples import examples
from tests.node.benches import VIRTUAL

SECOND = 1_000_000_000


class Mute:
    """A node of which only the events count."""

    def __init__(self, name: str, handlers: Mapping[str, Any]) -> None:
        self.name, self.handlers = name, handlers
        self.answers: list[bytes] = []

    def send_answer(self, command: Command, payload: bytes) -> None:
        self.answers.append(payload)

    def send_events(self, events: Sequence[Event]) -> None:
        """Nobody listens."""

    def rebirth(self) -> None:
        """Nobody asks."""


class Desk:
    """The verbs of a fresh bench, called as the executor calls them."""

    def __init__(
        self, evidence: Path | None = None, overlay: Mapping[str, Any] | None = None, recall: int = 20_000
    ) -> None:
        self.commands = Commands(VIRTUAL, overlay or {}, evidence)
        self.executor = Executor(
            "desk", journal=Journal(None), on_expired=self.commands.safe, settings=ExecutorSettings(recall=recall)
        )
        self.commands.serve(self.executor)
        self.handlers = self.commands.handlers()
        for node in self.commands.nodes:
            self.executor.add(Mute(node, self.handlers))
        self.events: list[dict[str, Any]] = []
        self.commands.recorder.listen(self.events.append)

    def call(self, verb: str, **args: Any) -> Mapping[str, Any]:
        told = self.handlers[verb](args, Context(test="a test"))
        assert told is not None
        json.dumps(told)  # JSON types and nothing else go over the bus
        return told

    def up(self) -> Desk:
        self.call("bench.reset")
        return self

    def close(self) -> None:
        if self.commands.premises is not None:
            self.commands.premises.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk.up()
    desk.close()


VERBS = tuple(Desk().handlers)

# ------------------------------------------------------------------------------------------------------------- nonsense

NAMES = ["esme", "hub", "hht", "supplier", "broker", "mains", "load", "main", "welded", "a", "b", "aux_no", "interpan"]
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from([*NAMES, "..", "/", "df09", "00DB1234567890A0", "ECS43", "published-enabled"])
)
JSON = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=3,
)
ARGUMENTS = [
    "device", "request", "values", "span_ns", "until", "button", "hold_ns", "supply", "on", "instrument", "pin", "up",
    "contactor", "fault", "name", "in_reach", "frames", "octets", "spoil", "overlay", "variant", "hub", "cluster",
]  # fmt: skip
KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "device": st.sampled_from(["esme", "hub", "hht", "broker", "supplier", "ihd"]),
    "span_ns": st.integers(0, SECOND) | st.just(LONGEST_NS + 1),
    "hold_ns": st.integers(0, SECOND),
    "overlay": st.dictionaries(st.sampled_from(["seed", "nodes", "devices", "colour"]), JSON, max_size=2),
}


@pytest.fixture(scope="module")
def worn() -> Iterator[Desk]:
    """A bench that is never made anew but by a command: after nonsense it must be fit for the next."""
    desk = Desk()
    yield desk.up()
    desk.close()


@pytest.fixture(scope="module")
def asked() -> Iterator[Desk]:
    """A bench that is asked for nothing but what it refuses: that changes nothing."""
    desk = Desk()
    yield desk.up()
    desk.close()


@settings(max_examples=examples(80), deadline=None)
@given(verb=st.sampled_from(VERBS), names=st.sets(st.sampled_from(ARGUMENTS), max_size=6), data=st.data())
def test_nonsense_is_refused_and_no_accident(worn: Desk, verb: str, names: set[str], data: st.DataObject) -> None:
    args: dict[str, Any] = {name: data.draw(KNOWN.get(name, PLAIN) | JSON, name) for name in sorted(names)}
    if isinstance(args.get("span_ns"), int) and SECOND < args["span_ns"] <= LONGEST_NS:
        args["span_ns"] = SECOND  # a year may be asked for, and takes its time
    judge(worn, verb, args)
    assert "devices" in worn.call("bench.describe")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_what_it_lacks(worn: Desk, verb: str) -> None:
    judge(worn, verb, {})
    judge(Desk(), verb, {})  # a bench that is not up


def judge(desk: Desk, verb: str, args: dict[str, Any]) -> None:
    try:
        told: object = desk.call(verb, **args)
    except CommandError as problem:
        told = problem
    if isinstance(told, CommandError):
        assert told.fault.code
        assert told.fault.message
        assert "\n" not in told.fault.message.strip()
    else:
        assert isinstance(told, Mapping)
        assert told["now"] == desk.commands.clock.now


@pytest.mark.parametrize(
    ("verb", "args", "code", "said"),
    [
        ("device.ask", {}, "argument", "device.ask: device must be a text, got nothing"),
        ("device.ask", {"device": "fridge", "request": "x", "values": {}}, "unknown", "no device 'fridge'"),
        ("device.ask", {"device": ["esme"]}, "argument", "device must be a text, got ['esme']"),
        (
            "device.ask",
            {"device": "esme", "request": "x", "values": 5},
            "argument",
            "values must be names and values, got 5",
        ),
        (
            "device.ask",
            {"device": "supplier", "request": "fly", "values": {}},
            "refused",
            "supplier: expected one of command,",
        ),
        ("clock.advance", {"span_ns": -1}, "argument", "span_ns must be a whole number from 0 to"),
        ("clock.advance", {"span_ns": LONGEST_NS + 1}, "argument", "span_ns must be a whole number from 0 to"),
        ("clock.advance", {"span_ns": True}, "argument", "span_ns must be a whole number, got True"),
        (
            "clock.advance",
            {"span_ns": 1, "until": {"device": "esme"}},
            "argument",
            "until: kind must be a text, got nothing",
        ),
        ("operator.press", {"device": "esme", "button": "z", "hold_ns": 1}, "misuse", "esme has no button 'z'"),
        (
            "operator.press",
            {"device": "esme", "button": "b", "hold_ns": "1"},
            "argument",
            "hold_ns must be a whole number",
        ),
        ("operator.read", {"device": "fridge"}, "misuse", "there is no device 'fridge'"),
        ("supply.switch", {"supply": "wind", "on": True}, "unknown", "no supply 'wind'"),
        ("supply.switch", {"supply": "mains", "on": "off"}, "argument", "on must be true or false, got 'off'"),
        ("instrument.read", {"instrument": "x"}, "unknown", "no instrument 'x'"),
        ("pin.read", {"device": "esme", "pin": "x"}, "unknown", "no pin 'x'"),
        ("pin.read", {"device": "supplier", "pin": "x"}, "unknown", "no pin 'x'"),
        ("wan.set", {"device": "x", "up": True}, "unknown", "no device 'x'"),
        ("contactor.break", {"contactor": "x", "fault": "welded"}, "unknown", "no contactor 'x'"),
        ("contactor.break", {"contactor": "main", "fault": "x"}, "unknown", "no fault 'x'"),
        ("evidence.open", {"name": "../outside"}, "argument", "name must be names of a-z"),
        ("evidence.open", {"name": "/etc"}, "argument", "name must be names of a-z"),
        ("air.cut_after", {"device": "hht", "frames": -1}, "argument", "frames must be a whole number from 0"),
        ("wan.send", {"device": "esme", "octets": "xy"}, "argument", "octets must be octets in hexadecimal, got 'xy'"),
        ("interpan.send", {"device": "esme", "hub": "hub", "cluster": 1, "octets": ""}, "unknown", "no device 'esme'"),
        (
            "interpan.send",
            {"device": "hht", "hub": "hub", "cluster": 65536, "octets": ""},
            "argument",
            "cluster must be a",
        ),
        ("message.spoil", {"spoil": "smell", "octets": ""}, "unknown", "no spoil 'smell'"),
        (
            "message.spoil",
            {"spoil": "mac", "octets": "df09"},
            "argument",
            "cannot spoil the mac of this message: gbcs: ",
        ),
        ("bench.reset", {"variant": "x"}, "misuse", "variants: expected one of "),
        ("bench.reset", {"overlay": {"colour": 1}}, "misuse", "colour: expected only known keys here ("),
        ("bench.reset", {"overlay": {"nodes": {"shed": {}}}}, "argument", "a reset cannot change the nodes of a bench"),
        (
            "bench.reset",
            {"overlay": {"devices": {"esme": {"fault": "x"}}}},
            "misuse",
            "devices.esme.fault: expected a fault",
        ),
    ],
)
def test_what_is_wrong_is_said(asked: Desk, verb: str, args: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        asked.call(verb, **args)
    assert caught.value.fault.code == code
    assert said in caught.value.fault.message


@pytest.mark.parametrize("verb", sorted({*VERBS} - {"bench.describe", "bench.reset", "clock.civil", "clock.advance"}))
def test_a_bench_that_is_not_up_refuses_or_needs_none(verb: str) -> None:
    desk = Desk()
    judge(desk, verb, {"device": "esme", "request": "status", "values": {}, "button": "b", "hold_ns": 1, "pin": "a"})


# --------------------------------------------------------------------------------------------------------- what they do


def test_the_bench_tells_what_it_consists_of(desk: Desk) -> None:
    told = desk.call("bench.describe")
    assert told["devices"]["esme"]["supply"] == "mains"
    assert told["devices"]["hub"]["supply"] == "hub_supply"
    assert told["devices"]["esme"]["behind"] == "hub"
    assert "outage" in told["capabilities"]


def test_time_stops_at_the_exact_instant_of_the_event_that_is_waited_for(desk: Desk) -> None:
    until = {"kind": "hub.network", "device": "hub", "fields": {}}
    told = desk.call("clock.advance", span_ns=600 * SECOND, until=until)
    event = next(
        event for event in desk.events if event["kind"] == "hub.network" and event["fields"]["device"] == "hub"
    )
    assert told == {"met": True, "now": event["at_ns"]}
    assert desk.call("clock.advance", span_ns=SECOND, until={**until, "kind": "never"}) == {
        "met": False,
        "now": event["at_ns"] + SECOND,
    }


def found(desk: Desk, kind: str, device: str) -> dict[str, Any]:
    return next(e for e in desk.events if e["kind"] == kind and e["fields"]["device"] == device)


def test_a_wait_counts_what_came_since_an_event_and_lets_no_time_pass_for_it(desk: Desk) -> None:
    until = {"kind": "hub.network", "device": "hub", "fields": {}}
    desk.call("clock.advance", span_ns=600 * SECOND)
    before = desk.call("clock.civil")["now"]
    order = found(desk, "hub.network", "hub")["order"]
    told = desk.call("clock.advance", span_ns=600 * SECOND, until=until, since=order - 1)
    assert told == {"met": True, "now": before}
    told = desk.call("clock.advance", span_ns=SECOND, until=until, since=order)
    assert told == {"met": False, "now": before + SECOND}, "the event itself came before what is waited for"


def test_a_wait_for_what_the_bench_no_longer_knows_is_the_benchs_fault() -> None:
    desk = Desk(recall=5).up()
    desk.call("clock.advance", span_ns=600 * SECOND)
    with pytest.raises(CommandError, match="are kept") as caught:
        desk.call(
            "clock.advance", span_ns=SECOND, until={"kind": "hub.network", "device": "hub", "fields": {}}, since=0
        )
    assert caught.value.fault.code == "bench"
    desk.close()


def test_a_bench_says_whether_its_time_passes_by_itself(desk: Desk) -> None:
    assert desk.call("bench.describe")["clock"] == "virtual"
    assert desk.commands.premises is not None
    desk.commands.clock.attach()
    assert desk.call("bench.describe")["clock"] == "real"
    desk.commands.clock.detach()


def test_time_that_passes_stops_at_the_event_at_which_its_command_is_withdrawn(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the executor does it: the withdrawal comes from another thread, in the midst of what is computed."""
    executor, node = desk.executor, desk.executor._voices["bench"]
    noted: list[str] = []
    monkeypatch.setattr(desk.commands.recorder, "note_answer", lambda *_told, refused="": noted.append(refused))
    claim = {"holder": "robot", "ttl_s": 60}
    executor.submit(node, Command("claim", "re", "lease-claim", claim, lease="t"), executor.now_ns())
    week = {"span_ns": 7 * 86_400 * SECOND}
    executor.submit(node, Command("week", "re", "clock.advance", week, lease="t", n=1), executor.now_ns())
    desk.commands.clock.call_at(30 * SECOND, lambda: executor.withdraw("t", "week"))
    while executor.turn(0.0):
        continue
    assert isinstance(node, Mute)
    assert b'"st":"withdrawn"' in node.answers[-1]
    assert 30 * SECOND <= desk.commands.clock.now < 31 * SECOND
    assert noted == ["the command was withdrawn by its sender"], "the time line tells how it ended"


@pytest.mark.parametrize(("held_up_s", "told"), [(0, []), (1, []), (5, [4_990_000_000])])
def test_a_bench_on_a_real_clock_tells_that_it_was_held_up(held_up_s: int, told: list[int]) -> None:
    desk, real = Desk(), [0]
    stops = [held_up_s * SECOND]

    def wait(seconds: float) -> None:
        real[0] += stops.pop() if stops and real[0] >= SECOND else round(seconds * SECOND)

    desk.commands.clock = clock = RealClock(lambda: real[0], wait)
    desk.commands.recorder.restart(clock, 0)
    desk.call("clock.advance", span_ns=10 * SECOND)
    stalls = [event for event in desk.events if event["kind"] == BenchStalled.kind]
    assert [event["fields"]["span_ns"] for event in stalls] == told


def test_the_air_has_the_beacons_of_a_hub_with_its_supply_and_nobodys_word(desk: Desk) -> None:
    """The display looks for a network all day, so that hubs send beacons."""
    desk.call("clock.advance", span_ns=60 * SECOND)
    order = desk.commands.recorder.order
    assert desk.call("tap.beacon", device="hub", by="ihd", since=0)["at_ns"] > 0
    assert desk.call("tap.beacon", device="hub", by="ihd", since=order + 1)["at_ns"] is None
    assert desk.call("tap.beacon", device="esme", by="ihd", since=0)["at_ns"] is None
    desk.call("supply.switch", supply="hub_supply", on=False)
    order = desk.commands.recorder.order
    desk.call("clock.advance", span_ns=60 * SECOND)
    assert desk.call("tap.beacon", device="hub", by="ihd", since=order)["at_ns"] is None
    assert desk.call("tap.beacon", device="neighbour", by="ihd", since=order)["at_ns"] > 60 * SECOND
    assert desk.call("tap.beacon", device="hub", by="ihd", since=order)["asked_ns"] is None, "it has no supply"
    assert desk.call("tap.beacon", device="neighbour", by="ihd", since=order)["asked_ns"] > 60 * SECOND
    assert desk.call("tap.beacon", device="neighbour", by="hub", since=order)["asked_ns"] is None, "nor does it ask"


def test_civil_time_goes_with_bench_time(desk: Desk) -> None:
    before = desk.call("clock.civil")["civil_ns"]
    desk.call("clock.advance", span_ns=SECOND)
    assert desk.call("clock.civil")["civil_ns"] == before + SECOND


@pytest.mark.parametrize("change", [{"eui": "?"}, {"fault": "x"}, {"settings": {"no_such": 1}}])
def test_a_reset_that_is_refused_leaves_the_bench_as_it_was(desk: Desk, change: dict[str, Any]) -> None:
    desk.call("clock.advance", span_ns=SECOND)
    premises = desk.commands.premises
    with pytest.raises(Refused):
        desk.call("bench.reset", overlay={"devices": {"esme": change}})
    assert desk.commands.premises is premises
    assert desk.call("clock.advance", span_ns=0)["now"] == SECOND


def test_what_is_no_longer_there_at_a_reset_is_the_benchs_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who prepares premises has done anything wrong where a module was unplugged."""
    desk = Desk()

    def build(*_: object) -> NoReturn:
        raise PortMissing("/dev/ttyUSB0", "there is no such device", "Plug it in.")

    monkeypatch.setattr(assembly, "build", build)
    with pytest.raises(PortLost, match="/dev/ttyUSB0"):
        desk.call("bench.reset", variant="", overlay={})


def test_a_reset_makes_everything_anew(desk: Desk) -> None:
    desk.call("clock.advance", span_ns=5 * SECOND)
    desk.call("device.ask", device="supplier", request="take_counter", values={})
    assert desk.call("bench.reset", overlay={"seed": 5})["now"] == 0
    assert desk.commands.bench.seed == 5
    assert desk.call("device.ask", device="supplier", request="take_counter", values={})["counter"] == 1
    desk.call("bench.reset")
    assert desk.commands.bench.seed != 5


def test_a_contactor_breaks_and_the_instruments_tell(desk: Desk) -> None:
    assert desk.call("pin.read", device="esme", pin="aux_no") == {"level": False, "now": 0}
    readings = desk.call("instrument.read", instrument="load")["readings"]
    assert abs(readings["current"]["value"]) < 0.01
    assert desk.events[-1]["kind"] == "reading"
    desk.call("contactor.break", contactor="main", fault="welded")
    assert desk.commands.premises is not None
    assert desk.commands.premises.world is not None
    assert {fault.value for fault in desk.commands.premises.world.contactors["main"].faults} == {"welded"}


def test_a_supply_that_goes_takes_its_devices_along(desk: Desk) -> None:
    desk.call("supply.switch", supply="mains", on=False)
    desk.call("clock.advance", span_ns=SECOND)
    with pytest.raises(Refused, match="esme has no power"):
        desk.call("device.ask", device="esme", request="x", values={})
    desk.call("supply.switch", supply="mains", on=True)
    desk.call("clock.advance", span_ns=SECOND)
    assert desk.commands.premises is not None
    assert desk.commands.premises.hosts["esme"].powered


@pytest.mark.parametrize(
    ("device", "by"), [("esme", "mains_ok"), ("hub", "mains_ok"), ("gsme", "the bench"), ("hht", "the bench")]
)
def test_a_supply_is_sensed_and_not_told(desk: Desk, device: str, by: str) -> None:
    told = desk.call("supply.sense", device=device)
    assert told["good"] is True
    assert by in told["by"]


@pytest.mark.parametrize(("supply", "without"), [("mains", {"esme", "hub"}), ("hub_supply", {"hub"})])
def test_a_device_without_its_supply_is_sensed_so(desk: Desk, supply: str, without: set[str]) -> None:
    desk.call("supply.switch", supply=supply, on=False)
    assert {d for d in ("esme", "hub", "gsme") if not desk.call("supply.sense", device=d)["good"]} == without


def test_the_bench_tells_how_long_its_devices_take_and_who_says_so(desk: Desk) -> None:
    takes = desk.call("bench.describe")["devices"]["gsme"]["takes"]
    basis = "declared in the bench file: gsme.takes.wake"
    assert takes["wake"] == {"ns": 300 * SECOND, "basis": basis, "declared": True}
    assert takes["boot"] == {"ns": 120 * SECOND, "basis": "our default", "declared": False}
    assert "facts/dcc.md" in takes["answer"]["basis"]


def test_a_wan_that_is_cut_carries_nothing_until_it_is_back(desk: Desk) -> None:
    octets = gbcs.encode(gbcs.Message(1, 1, bytes(8), desk.commands.bench.devices["esme"].eui, 0x62, b"\0")).hex()
    desk.call("wan.set", device="hub", up=False)
    with pytest.raises(Refused, match="down"):
        desk.call("wan.send", device="esme", octets=octets)
    desk.call("wan.set", device="hub", up=True)
    desk.call("wan.send", device="esme", octets=octets)
    desk.call("clock.advance", span_ns=10 * SECOND)
    arrived = [e for e in desk.events if e["kind"] == "gbcs.rx" and e["fields"]["device"] == "hub"]
    assert [e["fields"]["octets"] for e in arrived] == [octets]
    assert links(desk, "hub") == [("wan", False), ("wan", True)]


def links(desk: Desk, device: str) -> list[tuple[str, bool]]:
    """How the links of a device went, by the time line."""
    told = [e["fields"] for e in desk.events if e["kind"] == "link"]
    return [(fields["link"], fields["up"]) for fields in told if fields["device"] == device]


def test_a_device_that_is_carried_away_has_lost_its_air(desk: Desk) -> None:
    """Carried or running away by itself after so many frames; where it is already, nothing changes."""
    for in_reach in (True, False, False, True):
        desk.call("air.reach", device="esme", in_reach=in_reach)
    assert links(desk, "esme") == [("air", False), ("air", True)]
    desk.call("air.cut_after", device="hub", frames=1)
    desk.call("clock.advance", span_ns=60 * SECOND)
    assert links(desk, "hub") == [("air", False)]
    assert links(desk, "gsme") == []


def test_the_operators_deeds_stand_on_the_time_line(desk: Desk) -> None:
    desk.call("operator.press", device="esme", button="b", hold_ns=SECOND)
    desk.call("operator.break_seal", device="hub")
    deeds = [event["fields"]["act"] for event in desk.events if event["kind"] == "operator"]
    assert deeds == ["presses b", "seal broken"]
    assert isinstance(desk.call("operator.read", device="esme")["text"], str)


def test_evidence_is_opened_and_closed_with_its_manifest(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.call("evidence.open", name="suite/a-test")
    desk.call("bench.reset")
    desk.call("clock.advance", span_ns=SECOND)
    manifest = desk.call("evidence.close")
    assert {entry["name"] for entry in manifest["files"]} == {"timeline.jsonl", "ether.pcapng", "keys.json"}
    lines = [json.loads(line) for line in (tmp_path / "suite/a-test/timeline.jsonl").read_text().splitlines()]
    assert [line["fields"]["verb"] for line in lines if line["kind"] == "bus.command"] == [
        "bench.reset",
        "clock.advance",
    ]
    desk.close()


@pytest.mark.parametrize("spoil", ["payload", "mac", "signature", "recipient"])
def test_a_spoilt_command_differs_in_the_one_thing(desk: Desk, spoil: str) -> None:
    desk.call("clock.advance", span_ns=60 * SECOND)
    command = {"use_case": "ECS43", "device": desk.commands.bench.devices["esme"].eui.hex(), "delivery": "local"}
    desk.call("device.ask", device="supplier", request="command", values=command)
    desk.call("clock.advance", span_ns=5 * SECOND)
    (order,) = desk.call("device.ask", device="supplier", request="work_order", values={})["commands"]
    good = gbcs.decode(bytes.fromhex(order["octets"]))
    bad = gbcs.decode(bytes.fromhex(desk.call("message.spoil", spoil=spoil, octets=order["octets"])["octets"]))
    same = {name: getattr(good, name) == getattr(bad, name) for name in ("payload", "mac", "signature", "recipient")}
    made_again = {"signature": {"mac"}, "recipient": {"mac", "signature"}}.get(spoil, set())
    assert {name for name, equal in same.items() if not equal} == {spoil, *made_again}
    assert (good.counter, good.originator) == (bad.counter, bad.originator)


# ------------------------------------------------------------------------------------------------ to the last word


@pytest.fixture(scope="module")
def still() -> Iterator[Desk]:
    """A bench that is up and looked at, and to which nothing happens."""
    desk = Desk()
    yield desk.up()
    desk.close()


@pytest.mark.parametrize(
    ("verb", "args", "noted", "refused", "checks"),
    [
        ("clock.civil", {}, True, "", 2),
        ("operator.read", {"device": "fridge"}, True, "there is no device 'fridge'", 1),
        ("device.ask", {"device": "supplier", "request": "fly", "values": {}}, True, "supplier: expected one of", 1),
        ("pin.read", {"device": "fridge", "pin": "x"}, True, "no device 'fridge'", 1),
        ("bench.state", {}, False, "", 1),
        ("bench.describe", {}, True, "", 0),
        ("evidence.open", {"name": "x"}, False, "", 0),
        ("evidence.close", {}, False, "", 0),
    ],
)
def test_a_verb_stands_on_the_time_line_with_what_became_of_it_and_looks_at_the_premises_before_and_after(
    still: Desk,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    args: dict[str, Any],
    noted: bool,
    refused: str,
    checks: int,
) -> None:
    told: list[tuple[Any, ...]] = []
    checked: list[bool] = []
    recorder, premises = still.commands.recorder, still.commands.premises
    assert premises is not None
    monkeypatch.setattr(type(premises), "check", lambda _self: checked.append(True))
    monkeypatch.setattr(recorder, "note_command", lambda *one: told.append(one))
    monkeypatch.setattr(recorder, "note_answer", lambda *one, refused="": told.append((*one, refused)))
    answer: Mapping[str, Any] = {}
    if refused:
        with pytest.raises(Refused, match=refused):
            still.call(verb, **args)
    else:
        answer = still.call(verb, **args)
    assert len(checked) == checks
    assert recorder.context == {"test": "a test"}
    if not noted:
        assert told == []
        return
    first, second = told
    assert first == (verb, args)
    assert second[:2] == (verb, "bench")
    assert second[2] == {key: value for key, value in answer.items() if key != "now"}
    assert refused in second[3]
    assert bool(second[3]) is bool(refused)


def test_a_reset_notes_itself_closes_what_was_there_and_tells_where_it_began(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Any, ...]] = []
    closed: list[bool] = []
    recorder, before, first = desk.commands.recorder, desk.commands.premises, desk.commands.clock
    assert before is not None
    close = before.close
    monkeypatch.setattr(type(before), "close", lambda _self: closed.append(True))
    monkeypatch.setattr(recorder, "note_command", lambda *one: told.append((*one, desk.commands.clock is first)))
    monkeypatch.setattr(recorder, "note_answer", lambda *one, refused="": told.append((*one, refused)))
    order = desk.executor.order
    overlay = {"seed": 3}
    assert desk.call("bench.reset", overlay=overlay, variant="published-enabled") == {"before": order, "now": 0}
    assert told == [
        ("bench.reset", {"overlay": overlay, "variant": "published-enabled"}, False),
        ("bench.reset", "bench", {}, ""),
    ]
    assert closed == [True]
    assert desk.commands.bench.seed == 3
    assert desk.commands.bench.trust == {"domain": "published"}
    close()


def test_what_a_bench_consists_of_in_full(still: Desk) -> None:
    told = dict(still.call("bench.describe"))
    devices = told.pop("devices")
    assert told == {
        "bench": "virtual",
        "clock": "virtual",
        "longest_test_ns": 1800 * SECOND,
        "order": still.executor.order,
        "feeds": {"load": "mains", "flow": "gas"},
        "capabilities": list(still.commands.bench.capabilities),
        "civil_start": still.commands.bench.civil_start,
        "seed": still.commands.bench.seed,
        "profile": "slides-1",
        "not_repeatable": "",
        "decision_rule": "none declared",
        "tolerated": [],
        "calibrated_until": {},
        "now": still.commands.clock.now,
    }
    esme = devices["esme"]
    assert esme.pop("takes").keys() == {"boot", "join", "rejoin", "answer", "alert", "display", "contact"}
    assert esme == {
        "kind": "esme",
        "node": "esme",
        "eui": "00db1234567890a0",
        "behind": "hub",
        "supply": "mains",
        "install_code": "83fed3407a939723a5c639b26916d505",
        "untapped": [],
        "under_test": False,
        "declared": {"load_switch_after_outage": "kept"},
    }
    alone = Commands(VIRTUAL, {"instruments": {"load": {"calibrated_until": "2027-03-31"}}}, None)
    told = dict(alone.describe(Arguments("bench.describe", {})))
    assert (told["order"], told["calibrated_until"]) == (0, {"load": "2027-03-31"})
    assert {device["supply"] for device in told["devices"].values()} == {None}


def frame(at_ns: int, peer: bytes = bytes(8), out: bool = True) -> TappedFrame:
    return TappedFrame(at_ns, "han", out, peer, 0x0704, b"\x01\xab")


def test_tapped_frames_come_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the device's own radios, and those that others' radios had from it."""
    monkeypatch.setattr(commands, "PAGE", 2)
    desk = Desk()
    recorder, esme = desk.commands.recorder, desk.commands.bench.devices["esme"].eui
    recorder.tapped("esme", frame(1, b"\x11" * 8))
    recorder._order = 5
    for device, one in (("esme", frame(2)), ("hub", frame(3)), ("hub", frame(4, esme, False)), ("esme", frame(5))):
        recorder.tapped(device, one)

    def page(**more: int) -> tuple[list[int], bool]:
        told = desk.call("tap.frames", device="esme", **more)
        assert told["whole"] is True
        return [one["at_ns"] for one in told["frames"]], told["more"]

    assert page(since=0) == ([1, 2], True)
    assert page(since=5) == ([2, 4], True)
    assert page(since=5, skip=1) == ([4, 5], False)
    assert page(since=5, skip=2) == ([5], False)
    assert page(since=6) == ([], False)
    told = desk.call("tap.frames", device="esme", since=5, skip=1)
    assert told["frames"][0] == {
        "device": "hub",
        "at_ns": 4,
        "port": "han",
        "out": False,
        "peer": esme.hex(),
        "cluster": 0x0704,
        "octets": "01ab",
    }
    assert told["met"] == [{"device": "esme", "port": "han", "peer": "11" * 8}]
    assert desk.call("tap.frames", device="hub", since=5)["met"] == []


def test_tapped_endpoints_are_those_that_others_heard(still: Desk) -> None:
    recorder, esme = still.commands.recorder, still.commands.bench.devices["esme"].eui
    recorder._heard.clear()
    for _ in range(2):
        recorder.heard("hub", esme, 1, 2)
    recorder.heard("hub", bytes(8), 1, 2)
    told = still.call("tap.endpoints", device="esme", since=0)
    assert told["whole"] is True
    assert told["heard"] == [{"at": "hub", "from": 1, "to": 2, "frames": 2}]
    assert told["set"] == dict.fromkeys(("hub", "neighbour", "esme", "gsme", "ihd"), 1)


def test_an_instrument_is_read_after_its_window_and_its_readings_stand_on_the_time_line(desk: Desk) -> None:
    told = desk.call("instrument.read", instrument="load")
    assert told["now"] == 2 * 1_120_000
    for quantity, unit in (("current", "A"), ("voltage", "V"), ("power", "W")):
        reading = dict(told["readings"][quantity])
        assert reading.pop("uncertainty") > 0
        assert reading == {
            "quantity": quantity, "value": 0.0, "unit": unit, "at_ns": 2_240_000, "instrument": "load",
        }  # fmt: skip
    lines = [event for event in desk.events if event["kind"] == "reading"]
    assert [(line["node"], line["fields"]["device"], line["fields"]["quantity"]) for line in lines] == [
        ("bench", "load", "current"),
        ("bench", "load", "voltage"),
        ("bench", "load", "power"),
    ]


def test_what_senses_a_supply_is_named(desk: Desk) -> None:
    def sensed(device: str) -> tuple[bool | None, str]:
        told = desk.call("supply.sense", device=device)
        return told["good"], told["by"]

    assert sensed("esme") == (True, "its power input mains_ok")
    assert sensed("gsme") == (True, "the bench, which plays it")
    premises = desk.commands.premises
    assert premises is not None
    assert premises.world is not None
    premises.inputs.clear()
    assert sensed("esme") == (True, "the power net mains")
    volts = premises.world.supplies["mains"]
    desk.call("supply.switch", supply="mains", on=False)
    assert sensed("esme") == (False, "the power net mains")
    assert volts.volts == 0
    premises.hosts.clear()
    assert sensed("gsme") == (None, "nothing on this bench")


@pytest.mark.parametrize(("late_ns", "told"), [(2 * SECOND - 1, []), (2 * SECOND, [2 * SECOND])])
def test_two_seconds_late_is_held_up(late_ns: int, told: list[int]) -> None:
    desk = Desk()
    desk.commands._tell_stall(desk.commands.clock.now - late_ns)
    assert [(e["node"], e["fields"]) for e in desk.events] == [
        ("bench", {"span_ns": span, "device": "bench"}) for span in told
    ]


def test_a_bench_on_a_real_clock_goes_on_by_itself_in_short_steps_and_a_virtual_one_stands() -> None:
    desk, real = Desk(), [0]
    assert desk.commands.idle() is None
    assert desk.commands.clock.now == 0

    def wait(seconds: float) -> None:
        real[0] += round(seconds * SECOND)

    desk.commands.clock = RealClock(lambda: real[0], wait)
    assert desk.commands.idle() == 0.0
    assert desk.commands.clock.now == 10_000_000
    desk.commands.stop()
    assert desk.call("clock.advance", span_ns=3600 * SECOND)["now"] < 20_000_001, "it is to end"


def test_a_wait_is_for_one_device_and_all_its_fields(desk: Desk) -> None:
    desk.call("clock.advance", span_ns=600 * SECOND)
    found_ = found(desk, "hub.network", "hub")
    fields = {key: value for key, value in found_["fields"].items() if key != "device"}

    def met(**until: Any) -> bool:
        wanted = {"kind": "hub.network", "device": "hub", "fields": fields, **until}
        return bool(desk.call("clock.advance", span_ns=0, since=0, until=wanted)["met"])

    assert met()
    assert met(fields={})
    assert met(fields=None)
    assert not met(device="esme")
    assert not met(kind="hub.networks")
    assert not met(fields={**fields, "more": 1})
    assert not met(fields=dict.fromkeys(fields, "x"))


WHOLE = f"a whole number from 0 to {LONGEST_NS}"
FAULTS = [
    ("device.ask", {"device": "esme", "request": "x"},
     Fault("down", "the premises are not up", "Prepare them with bench.reset first.")),
    ("clock.advance", {"span_ns": 0, "until": {"kind": "a", "device": "b"}, "since": 0},
     Fault("argument", "clock.advance: since needs a bench whose events are kept", "Leave it out.")),
    ("bench.reset", {"overlay": {"nodes": {"shed": {}}}},
     Fault("argument", "a reset cannot change the nodes of a bench", "Start it with another bench file.")),
    ("supply.switch", {"supply": "wind", "on": True},
     Fault("unknown", "no supply 'wind'", "The bench has mains, hub_supply, next_door, gas.")),
    ("tap.frames", {"device": "esme", "since": LONGEST_NS + 1},
     Fault("argument", f"tap.frames: since must be {WHOLE}, got {LONGEST_NS + 1}", "Correct it.")),
    ("tap.frames", {"device": "esme", "since": 0, "skip": -1},
     Fault("argument", f"tap.frames: skip must be {WHOLE}, got -1", "Correct it.")),
    ("tap.endpoints", {"device": "esme", "since": LONGEST_NS + 1},
     Fault("argument", f"tap.endpoints: since must be {WHOLE}, got {LONGEST_NS + 1}", "Correct it.")),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "args", "fault"), FAULTS)
def test_a_refusal_in_full(verb: str, args: dict[str, Any], fault: Fault) -> None:
    alone = Commands(VIRTUAL, {}, None)
    with pytest.raises(Refused) as caught:
        alone.handlers()[verb](args, Context())
    assert caught.value.fault == fault


def test_arguments_at_their_limits() -> None:
    values = {"zero": 0, "most": 7, "largest": (1 << 63) - 1, "yes": True, "none": None, "empty": "", "long": "x" * 300}
    args = Arguments("verb", {**values, "map": {"a": 1}, "octets": "Ab 0f"})
    assert values["largest"] == LARGEST
    assert (args.whole("zero"), args.whole("zero", 0), args.whole("most", 7), args.whole("largest")) == (
        0,
        0,
        7,
        LARGEST,
    )
    assert ("zero" in args, "none" in args, "absent" in args) == (True, False, False)
    assert (args.text("empty"), args.text("empty", "x"), args.text("none", "x")) == ("", "", "x")
    assert (args.flag("yes"), args.mapping("map"), args.mapping("absent", {"b": 2})) == (True, {"a": 1}, {"b": 2})
    assert args.octets("octets") == b"\xab\x0f"
    assert args.among("empty", {"": 5}) == 5
    for call, said in (
        (lambda: args.whole("most", 6), "verb: most must be a whole number from 0 to 6, got 7"),
        (lambda: args.whole("yes"), "verb: yes must be a whole number, got True"),
        (lambda: args.flag("zero"), "verb: zero must be true or false, got 0"),
        (lambda: args.text("none"), "verb: none must be a text, got nothing"),
        (lambda: args.mapping("long"), f"verb: long must be names and values, got '{'x' * 199}"),
        (lambda: args.folder("empty"), "verb: empty must be names of a-z, 0-9, '.' and '-' joined by '/', got ''"),
    ):
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.fault == Fault("argument", said, "Correct it.")
    with pytest.raises(Refused) as caught:
        args.among("empty", {})
    assert caught.value.fault == Fault("unknown", "no empty ''", "The bench has none.")


@pytest.mark.parametrize(
    ("name", "fits"),
    [("a", True), ("a" * 100, True), ("a" * 101, False), ("a/b/c/d", True), ("a/b/c/d/e", False), ("0.-", True),
     ("-a", False), ("a//b", False), ("a/.b", False), ("a/", False), ("A", False), ("a\n", False)],
)  # fmt: skip
def test_a_folder_of_evidence_leads_nowhere_else(name: str, fits: bool) -> None:
    args = Arguments("verb", {"name": name})
    if fits:
        assert args.folder("name") == name
    else:
        with pytest.raises(Refused):
            args.folder("name")
