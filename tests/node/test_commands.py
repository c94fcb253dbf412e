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
from rig.bus.messages import Command, Context, Event
from rig.node import assembly
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


def test_a_reset_that_is_refused_leaves_the_bench_as_it_was(desk: Desk) -> None:
    desk.call("clock.advance", span_ns=SECOND)
    premises = desk.commands.premises
    with pytest.raises(Refused):
        desk.call("bench.reset", overlay={"devices": {"esme": {"eui": "?"}}})
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
