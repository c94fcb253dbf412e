"""The keywords about the bench itself, its time and its evidence, on a made-up bench; and its session's own words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from robot.api import SkipExecution

from devices.events import EventError
from devices.events.bench import PinMoved
from rig.evidence.judging import Basis, BasisKind, Finding, Outcome
from rig.keywords import bench as room
from rig.keywords import lines
from rig.keywords import session as session_module
from rig.keywords.allowance import Allowance, allowance
from rig.keywords.bench import ASKABLE, Bench, Check, State
from rig.keywords.judge import Misused, Unmet, judge
from rig.keywords.judging import Judging
from rig.keywords.matching import Matcher, nanoseconds, spoken
from rig.keywords.session import as_timeline, evidence_folder, running_test
from rig.keywords.supplier import asked_of
from tests.keywords.fake import EUI, SECOND, TAKES, Faked, message, printed, seen

LIBRARY = Bench()
COMMAND = {"use_case": "ECS42", "device": "esme", "party": "supplier", "counter": 7, "since": 3, "sent": 3}


class Robots:
    """What a keyword asks Robot, and what it tells it."""

    dry_run_active = False
    variables: Mapping[str, Any] = {}
    tags: tuple[str, ...] = ()

    def get_variable_value(self, name: str, default: object = None) -> object:
        return self.variables.get(name, default)

    def set_tags(self, *tags: str) -> None:
        type(self).tags += tags


@pytest.fixture
def robots(monkeypatch: pytest.MonkeyPatch) -> type[Robots]:
    class Own(Robots):
        pass

    for module in (room, session_module):
        monkeypatch.setattr(module, "BuiltIn", Own)
    return Own


# ------------------------------------------------------------------------------------------------------ small keywords


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (lambda: LIBRARY.cut_wan(), ("wan.set", "hub", {"up": False})),
        (lambda: LIBRARY.restore_wan(), ("wan.set", "hub", {"up": True})),
        (lambda: LIBRARY.set_radio_reach("hht", in_reach=False), ("air.reach", "hht", {"in_reach": False})),
        (lambda: LIBRARY.cut_radio_after("hht", frames=3), ("air.cut_after", "hht", {"frames": 3})),
        (lambda: LIBRARY.break_contactor("main", "welded"), ("contactor.break", "", {"contactor": "main",
                                                                                     "fault": "welded"})),
        (lambda: LIBRARY.switch_supply("gas", on=False), ("supply.switch", "", {"supply": "gas", "on": False})),
        (lambda: LIBRARY.advance_time(timedelta(minutes=61)), ("clock.advance", "", {"span_ns": 3660 * SECOND,
                                                                                    "until": None})),
        (lambda: LIBRARY.advance_time(timedelta(0)), ("clock.advance", "", {"span_ns": 0, "until": None})),
        (lambda: LIBRARY.civil_time(), ("clock.civil", "", {})),
    ],
)  # fmt: skip
def test_a_keyword_asks_the_bench_for_one_thing(now: Faked, call: Any, asked: tuple[str, str, dict[str, Any]]) -> None:
    call()
    assert now.called == [asked]


def test_time_passes_forwards_and_to_an_instant(now: Faked) -> None:
    with pytest.raises(Misused, match="expected a span such as 61 minutes, got -1 s"):
        LIBRARY.advance_time(timedelta(seconds=-1))
    now.now = 5 * SECOND
    LIBRARY.advance_time_to(timedelta(seconds=7))
    LIBRARY.advance_time_to(timedelta(seconds=7))
    LIBRARY.advance_time_to(timedelta(seconds=6))
    assert now.waited == [2 * SECOND, 0, 0]
    now.answers["clock.civil"] = {"civil_ns": 1_500_000_000}
    assert LIBRARY.civil_time() == 1.5
    now.see(seen(9, "power", "hub", on=True))
    assert LIBRARY.present_mark() == 9
    now.called.clear()
    LIBRARY.outage_of(timedelta(seconds=3))
    assert now.called == [
        ("supply.switch", "", {"supply": "mains", "on": False}),
        ("clock.advance", "", {"span_ns": 3 * SECOND, "until": None}),
        ("supply.switch", "", {"supply": "mains", "on": True}),
    ]
    assert judge().cause == "supply.switch"


def test_what_a_bench_cannot_do_skips_the_test(now: Faked, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[bool] = []
    monkeypatch.setattr(now, "connect", lambda: connected.append(True))
    now.capabilities = frozenset({"outage", "own"})
    LIBRARY.bench_requires("outage", "hub", "own")
    assert connected == [True]
    with pytest.raises(SkipExecution, match=r"^SKIPPED: this bench cannot do radio-reach, ihd$"):
        LIBRARY.bench_requires("outage", "radio-reach", "ihd")
    with pytest.raises(
        Misused, match="no capability or device 'moon'; capabilities are contactor-fault, display, forge,"
    ):
        LIBRARY.bench_requires("outage", "moon", "sun")
    assert {"hub", "neighbour", "hht", "ihd", "gsme", "gpf", "other_supplier", "network_operator"} <= ASKABLE


REFUSED = {"check": "replay", "reason": "an old counter", "originator": EUI["supplier"], "counter": 7}


@pytest.mark.parametrize(
    ("event", "since", "asked", "ending"),
    [
        (seen(4, "refused", "esme", **REFUSED), None, True, ""),
        (seen(4, "refused", "esme", **REFUSED), 3, True, ""),
        (seen(4, "refused", "esme", **REFUSED), None, False, ""),
        (seen(4, "refused", "esme", **{**REFUSED, "counter": 8}), 3, True, ""),
        (seen(4, "refused", "esme", **{**REFUSED, "counter": 8}), None, True, "got no refusal"),
        (seen(4, "refused", "esme", **{**REFUSED, "originator": None, "counter": None}), None, True, ""),
        (seen(4, "refused", "esme", **{**REFUSED, "check": "mac"}), None, True, "got at MAC: an old counter"),
        (seen(3, "refused", "esme", **REFUSED), None, True, "got no refusal"),
        (seen(4, "refused", "gsme", **REFUSED), None, True, "got no refusal"),
        (seen(4, "executed", "esme", **REFUSED), None, True, "got no refusal"),
    ],
)
def test_a_refusal_is_of_the_command_that_was_sent_and_at_its_check(
    now: Faked, monkeypatch: pytest.MonkeyPatch, event: Any, since: int | None, ending: str, *, asked: bool
) -> None:
    monkeypatch.setattr(now, "connect", lambda: None)
    now.capabilities = frozenset({"trace"})
    now.action = 3
    now.asked = asked_of(COMMAND) if asked else None
    now.see(event)
    now.see(message(4, "rx", "esme", "command", "supplier", "esme"))
    if not ending:
        LIBRARY.refusal_should_be_reported(check=Check.REPLAY, since=since)
        return
    with pytest.raises(Unmet, match=f"expected esme to refuse a command at the check REPLAY, {ending}"):
        LIBRARY.refusal_should_be_reported(check=Check.REPLAY, since=since)
    del now.events[-1]
    with pytest.raises(SkipExecution, match="no tap has the message #7 crossing to esme"):
        LIBRARY.refusal_should_be_reported(check=Check.REPLAY, since=since)
    now.capabilities = frozenset()
    with pytest.raises(SkipExecution, match="SKIPPED: this bench cannot do trace"):
        LIBRARY.refusal_should_be_reported(check=Check.REPLAY)


DONE = seen(4, "executed", "esme", use_case="ECS42", originator=EUI["supplier"], counter=7, results=[0])


@pytest.mark.parametrize(
    ("events", "ending"),
    [([DONE], ""), ([DONE, DONE], "got 2 times"), ([], "got 0 times")],
)  # fmt: skip
def test_a_command_is_executed_once(
    now: Faked, monkeypatch: pytest.MonkeyPatch, events: list[Any], ending: str
) -> None:
    monkeypatch.setattr(now, "connect", lambda: None)
    now.capabilities = frozenset({"trace"})
    for event in events:
        now.see(event)
    now.see(message(5, "rx", "esme", "command", "supplier", "esme"))
    if not ending:
        LIBRARY.execution_should_be_reported_once(COMMAND)
        for change in ({"since": 4}, {"counter": 8}, {"device": "gsme"}, {"party": "broker"}):
            with pytest.raises((Unmet, SkipExecution), match="once, got 0 times"):
                LIBRARY.execution_should_be_reported_once({**COMMAND, **change})
        return
    with pytest.raises(Unmet, match=f"expected esme to execute ECS42 #7 once, {ending}"):
        LIBRARY.execution_should_be_reported_once(COMMAND)
    del now.events[-1]
    with pytest.raises(Unmet if events else SkipExecution):
        LIBRARY.execution_should_be_reported_once(COMMAND)
    now.capabilities = frozenset()
    with pytest.raises(SkipExecution, match="SKIPPED: this bench cannot do trace"):
        LIBRARY.execution_should_be_reported_once(COMMAND)


# ------------------------------------------------------------------------------------------------------------ premises


@pytest.fixture
def prepared(now: Faked, robots: type[Robots], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Preparing premises up to the state that a test needs; what it does is listed."""
    did: list[Any] = []
    for name in ("mend", "connect", "describe"):
        monkeypatch.setattr(now, name, lambda name=name: did.append(name))
    monkeypatch.setattr(room, "_bring_to", did.append)
    monkeypatch.setenv("RIG_EVIDENCE", str(tmp_path / "evidence"))
    robots.variables = {
        "${SUITE NAME}": "Rig.Gas",
        "${TEST NAME}": "It Closes",
        "@{TEST TAGS}": ["Bench:outage", "slow"],
    }
    now.capabilities = frozenset({"outage"})
    now.answers |= {"bench.reset": {"before": 4}, "bench.state": {"devices": {"esme": {}}}}
    return did


def test_premises_are_made_anew_and_brought_to_a_state(
    now: Faked, prepared: list[Any], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    now.see(seen(3, "power", "hub", on=True))
    judge().findings.append(Finding("x", Outcome.MET, Basis(BasisKind.CLAUSE, "y")))
    LIBRARY.prepare_premises(needs=State.JOINED, leaves=State.ANY, wan=False, variant="old", overlay={"a": 1})
    assert prepared == ["mend", "connect", "describe", State.JOINED]
    assert now.called == [
        ("evidence.open", "", {"name": "rig-gas/it-closes"}),
        ("bench.reset", "", {"variant": "old", "overlay": {"a": 1}}),
        ("wan.set", "hub", {"up": False}),
        ("bench.state", "", {}),
    ]
    assert (now.test, now.full_name, now.prepared) == ("It Closes", "Rig.Gas.It Closes", "Rig.Gas.It Closes")
    assert (now.evidence, now.changed, now.begun, now.before) == ("rig-gas/it-closes", 4, 3, {"esme": {}})
    assert (tmp_path / "evidence" / "rig-gas" / "it-closes").is_dir()
    assert (judge().findings, judge().test, now.events) == ([], "It Closes", [])
    assert caplog.messages[-1] == (
        "This test needs a premises JOINED (meter joined to the hub and reachable through it, supply as manufactured) "
        "and leaves it ANY (no matter)."
    )
    LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    assert now.called[4:] == [
        ("evidence.open", "", {"name": "rig-gas/it-closes-2"}),
        ("bench.reset", "", {"variant": "", "overlay": {}}),
        ("bench.state", "", {}),
    ]


def test_premises_are_not_begun_where_they_cannot_be(
    now: Faked, prepared: list[Any], robots: type[Robots], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now.capabilities = frozenset()
    with pytest.raises(SkipExecution, match="SKIPPED: this bench cannot do outage"):
        LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    now.capabilities = frozenset({"outage"})
    (tmp_path / "evidence").write_text("a file", encoding="utf-8")
    with pytest.raises(SkipExecution, match="INFRA: no place for evidence: "):
        LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    prepared.clear()
    monkeypatch.setattr(robots, "dry_run_active", True)
    LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    LIBRARY.finish_test()
    assert prepared == []
    assert now.called == []


def test_a_test_that_takes_too_long_is_not_begun_on_a_real_clock(
    now: Faked, prepared: list[Any], robots: type[Robots], tmp_path: Path
) -> None:
    (tmp_path / "bench_times.yaml").write_text("Gas: {It Closes: 7200}", encoding="utf-8")
    robots.variables = {**robots.variables, "${SUITE SOURCE}": str(tmp_path / "gas.robot")}
    for clock, longest_s in (("virtual", 60.0), ("real", 7200.0)):
        now.clock, now.longest_s = clock, longest_s
        LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    now.longest_s = 7199.0
    with pytest.raises(
        SkipExecution, match=r"^SKIPPED: slow: it takes 2 h on a real clock, and this bench allows a test 2 h \(longest"
    ):
        LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    assert robots.tags == ("slow",)
    (tmp_path / "bench_times.yaml").write_text("Gas: {It Opens: 7200}", encoding="utf-8")
    LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    robots.variables = {**robots.variables, "${SUITE SOURCE}": None}
    LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    assert "connect" in prepared


def alert(order: int, **more: Any) -> Any:
    fields = {"cra": 3, "alert": 0x8F36, "from": EUI["esme"], "octets": "aa", "message_code": 0x67, **more}
    return seen(order, "party.received", "supplier", 2, **fields)


def test_a_test_ends_with_its_evidence(
    now: Faked, prepared: list[Any], robots: type[Robots], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    robots.variables = {**robots.variables, "${TEST STATUS}": "FAIL", "${TEST MESSAGE}": "expected x"}
    place = tmp_path / "evidence" / "rig-gas" / "it-closes"
    (place / "wan.jsonl").write_text("{}", encoding="utf-8")
    now.answers["evidence.close"] = {"files": [{"name": "wan.jsonl"}], "absent": {"z.pcap": "no tap", "a.pcap": "none"}}
    now.answers["bench.state"] = {"devices": {"esme": {"after": True}}}
    for event in (alert(9), alert(10), alert(11, alert=None, octets="bb"), alert(12, cra=2), alert(13)):
        now.see(event)
    now.see(message(14, "rx", "supplier", "alert", "esme", "supplier", use_case="8F36", octets="aa"))
    now.claimed.add(13)
    now.called.clear()
    LIBRARY.finish_test()
    assert [verb for verb, _, _ in now.called] == ["bench.state", "evidence.close"]
    one = {"code": "0x8F36", "use_case": "8F36", "device": "esme", "party": "supplier", "at_ns": 2 * SECOND}
    assert now.unasked == (one, one, {**one, "code": "0x0000", "use_case": "0x0067"})
    assert (
        "Alerts that nobody asked for: 0x8F36 of esme at supplier (x2); 0x0000 of esme at supplier (x1)" in caplog.text
    )
    drawing = (place / "sequence.svg").read_text(encoding="utf-8")
    assert "FAIL: expected x" in drawing
    assert now.files == [
        {"name": f"evidence/rig-gas/it-closes/{name}", "size": len(text), "sha256": sha256(text).hexdigest()}
        for name, text in (("wan.jsonl", b"{}"), ("sequence.svg", drawing.encode()))
    ]
    assert now.absent == {"z.pcap": "no tap", "a.pcap": "none"}
    assert now.after == {"esme": {"after": True}}
    uri = place.absolute().as_uri()
    assert caplog.messages[-1] == (
        f"Evidence: <a href='{uri}/wan.jsonl'>wan.jsonl</a> <a href='{uri}/sequence.svg'>sequence.svg</a>"
        f"; no a.pcap: none; no z.pcap: no tap<div style='max-width:100%;overflow:auto'>{drawing}</div>"
    )
    assert (now.evidence, now.prepared) == ("", "")
    now.called.clear()
    LIBRARY.finish_test()
    assert now.called == []


@pytest.mark.parametrize(
    ("status", "message_", "words"),
    [("PASS", "", "PASS"), ("FAIL", "x", "FAIL: x"), ("PASS", "OBSERVED: y", "OBSERVED: y"),
     ("PASS", "TOLERATED: z", "TOLERATED: z")],
)  # fmt: skip
def test_a_chart_ends_in_what_the_test_ended_in(
    now: Faked, prepared: list[Any], robots: type[Robots], status: str, message_: str, words: str,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    monkeypatch.delenv("RIG_EVIDENCE")
    now.answers["evidence.close"] = {"files": [], "absent": {}}
    robots.variables = {**robots.variables, "${TEST STATUS}": status, "${TEST MESSAGE}": message_}
    LIBRARY.finish_test()
    assert f">{words}</text>" in caplog.messages[-1]
    assert caplog.messages[-1].startswith("<div")
    assert now.files == []


def test_evidence_that_cannot_be_kept_is_told_at_the_end(now: Faked, prepared: list[Any], tmp_path: Path) -> None:
    LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    now.answers["evidence.close"] = {"files": [{"name": "gone.jsonl"}], "absent": {}}
    with pytest.raises(SkipExecution, match=r"^INFRA: evidence is not whole: "):
        LIBRARY.finish_test()
    assert (now.evidence, now.prepared) == ("", "")

    def broke(_args: Any) -> Mapping[str, Any]:
        raise SkipExecution("INFRA: the bench is gone")

    LIBRARY.prepare_premises(needs=State.FRESH, leaves=State.ANY)
    now.answers["bench.state"] = broke
    with pytest.raises(SkipExecution, match=r"^INFRA: the bench is gone$"):
        LIBRARY.finish_test()
    assert [Path(one["name"]).name for one in now.files] == ["sequence.svg"]
    assert now.absent == {}


# ------------------------------------------------------------------------------------------------ waits and their words


def test_what_is_waited_for_and_what_is_told_of_it(now: Faked) -> None:
    edge = Matcher(PinMoved, "esme", {"pin": "aux_no", "level": True})
    assert str(edge) == "edge at esme with pin=aux_no, level=True"
    assert str(Matcher(PinMoved, "esme", {})) == "edge at esme"
    assert str(Matcher(PinMoved, "esme", {}, "a move")) == "a move"
    assert edge.as_json() == {"kind": "edge", "device": "esme", "fields": {"pin": "aux_no", "level": True}}
    with pytest.raises(EventError, match="a wait for edge"):
        Matcher(PinMoved, "esme", {"moon": 1})
    now.see(seen(4, "power", "hub", on=True))
    now.wait(edge, timedelta(days=1, seconds=1, microseconds=2), 2)
    assert now.called == [("clock.advance", "", {"span_ns": 86_401_000_002_000, "until": edge.as_json(), "since": 4})]
    wanted: dict[str, Any] = {"pin": "aux_no", "level": True}
    changes: list[tuple[str, dict[str, Any]]] = [("esme", {"level": False}), ("esme", {"pin": "x"}), ("gsme", {}),
                                                 ("esme", {})]  # fmt: skip
    for order, (device, change) in enumerate(changes, 5):
        now.see(seen(order, "edge", device, **{**wanted, **change}))
    assert now.find(edge, 4) is now.events[-1]
    assert now.find(edge, 8) is None
    with pytest.raises(Misused, match="a span of time is 0 or more, such as 30 seconds; got -1 s"):
        nanoseconds(timedelta(seconds=-1))


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "nothing"), (True, "yes"), (False, "no"), ({}, "nothing"), ({"a": 1, "b": None}, "a: 1, b: nothing"),
     ([], "none"), ([1, [True, b"\x01"]], "1, yes, 01"), ((2,), "2"), (frozenset({3}), "3"), ("x", "x"), (1.5, "1.5")],
)  # fmt: skip
def test_values_are_spoken_in_words(value: object, words: str) -> None:
    assert spoken(value) == words


def test_a_failure_says_what_came_instead_and_what_hindered_it(now: Faked) -> None:
    now.evidence, now.now = "rig-gas/it-closes", 1_500_000_000
    edge = Matcher(PinMoved, "esme", {}, "a move")
    for order in range(1, 8):
        now.see(seen(order, "edge", "esme", order, pin=f"p{order}", level=True))
    now.see(seen(8, "link", "hub", 8, link="wan", up=True))
    told = now.unseen(edge, timedelta(seconds=2), 1)
    assert str(told) == (
        "expected a move within 2 s, got 4.000000 s  esme: p4 on; 5.000000 s  esme: p5 on; 6.000000 s  esme: p6 on; "
        "7.000000 s  esme: p7 on (bench time 1.500000 s; evidence in rig-gas/it-closes)"
    )
    for order in range(9, 13):
        now.see(seen(order, "link", "hub", order, link=f"l{order}", up=False))
    assert str(now.unseen(edge, timedelta(seconds=2), 7)) == (
        "expected a move within 2 s, got none; meanwhile: 10.000000 s  hub: link l10 False; 11.000000 s  hub: link l11 "
        "False; 12.000000 s  hub: link l12 False (bench time 1.500000 s; evidence in rig-gas/it-closes)"
    )
    assert now.obstacles(12) == ""


def test_a_session_knows_its_devices(now: Faked) -> None:
    assert [now.hub_of(name) for name in ("esme", "hub", "lone")] == ["hub", "hub", "lone"]
    assert (now.kind_of("hub"), now.kind_of("moon"), now.told_of("moon")) == ("comms_hub", "", {})
    assert (now.eui("esme"), now.printed(EUI["esme"])) == (EUI["esme"], printed("esme"))
    assert [now.device_with(eui) for eui in (EUI["esme"], printed("esme"), "00-FF")] == ["esme", "esme", "00-FF"]
    assert (now.of_kind("esme"), now.of_kind("comms_hub")) == ("esme", "hub")
    known = "supplier, broker, hub, esme, gsme, hht, lone"
    with pytest.raises(Misused, match=f"no device 'moon' on this bench; it has {known}"):
        now.eui("moon")
    with pytest.raises(Misused, match=f"this bench has no ihd; it has {known}"):
        now.of_kind("ihd")
    now.asked = asked_of(COMMAND)
    assert now.asked_of("esme") is now.asked
    assert now.asked_of("gsme") is None


def test_a_session_is_told_what_its_bench_is(now: Faked) -> None:
    now.see(seen(3, "power", "hub", on=True))
    told = {"devices": {"esme": {"eui": EUI["esme"]}}, "capabilities": ["outage"], "clock": "real",
            "longest_test_ns": 1_500_000_000, "order": 2}  # fmt: skip
    now.answers["bench.describe"] = told
    now.describe()
    assert (now.devices, now.capabilities, now.clock) == (told["devices"], frozenset({"outage"}), "real")
    assert (now.longest_s, now.last, now._names, now.described) == (1.5, 3, {EUI["esme"]: "esme"}, told)
    now.answers["bench.describe"] = {**told, "order": 9}
    now.describe()
    assert now.last == 9


def test_premises_that_are_new_have_no_past(now: Faked, robots: type[Robots], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(now, "describe", lambda: None)
    for order in (3, 4, 5):
        now.see(seen(order, "power", "hub", on=True))
    now.loaded["x"] = now.admitted["x"] = None  # type: ignore[assignment]
    now.out_of_reach.add("hub")
    now.claimed.add(3)
    now.flows["gsme"] = 1, 1
    now.scanned["hht"] = 3
    now.full_name = "A.B"
    now.begin_premises(4)
    assert ([event.order for event in now.events], now.changed, now.prepared) == ([5], 4, "A.B")
    assert not any((now.loaded, now.admitted, now.out_of_reach, now.claimed, now.flows, now.scanned))
    robots.variables = {"${SUITE NAME}": "A", "${TEST NAME}": None}
    assert running_test() == ("", "")
    robots.variables = {"${SUITE NAME}": "A", "${TEST NAME}": "B"}
    assert running_test() == ("B", "A.B")


def test_events_are_told_as_the_time_line_has_them(now: Faked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert as_timeline([seen(3, "power", "hub", 2, on=True)]) == [
        {"order": 3, "at_ns": 2 * SECOND, "node": "hub", "kind": "power", "fields": {"device": "hub", "on": True}}
    ]
    monkeypatch.setenv("RIG_EVIDENCE", str(tmp_path))
    assert evidence_folder() == tmp_path
    monkeypatch.delenv("RIG_EVIDENCE")
    assert evidence_folder() is None
    assert (now.since(None), now.since(0), now.since(7)) == (0, 0, 7)


# ------------------------------------------------------------------------------------------------ allowances, own words


@pytest.mark.parametrize(
    ("takes", "what", "told"),
    [
        (TAKES, ("wake", "answer"), (("wake", "answer"), 9, BasisKind.OWN_DEFAULT, "wake: b0; answer: b3")),
        (TAKES, ("moon", "answer"), (("answer",), 8, BasisKind.OWN_DEFAULT, "answer: b3")),
        (TAKES, ("moon",), ((), 0, BasisKind.OWN_DEFAULT, "")),
        ({"wake": {**TAKES["wake"], "declared": True}}, ("wake",), (("wake",), 1, BasisKind.DECLARATION, "wake: b0")),
        ({**TAKES, "wake": {**TAKES["wake"], "declared": True}}, ("wake", "answer"),
         (("wake", "answer"), 9, BasisKind.OWN_DEFAULT, "wake: b0; answer: b3")),
    ],
)  # fmt: skip
def test_what_a_device_may_take_together(takes: Any, what: tuple[str, ...], told: Any) -> None:
    names, seconds, kind, source = told
    made = allowance("esme", {"takes": takes}, *what)
    assert made == Allowance("esme", names, timedelta(seconds=seconds), Basis(kind, source))
    assert made.patience == timedelta(seconds=2 * seconds)


def test_who_took_longer_is_told_by_how_much() -> None:
    made = Allowance("esme", ("wake", "answer"), timedelta(seconds=9), Basis(BasisKind.DECLARATION, "b"))
    assert made.held_against(timedelta(seconds=9), 7) is None
    late = made.held_against(timedelta(seconds=10), 7)
    assert late is not None
    assert (late.what, late.outcome, late.expectation, late.device, late.at_ns, late.side) == (
        "esme takes no longer for wake and answer than it may", Outcome.MISSED, "takes", "esme", 7, "above"
    )  # fmt: skip
    assert (str(late.reading), str(late.limit)) == ("10 s", "at most 9 s")


def test_a_test_states_what_it_expects_and_by_what(now: Faked) -> None:
    Judging().expectation_should_hold(True, "it counts", basis=BasisKind.CLAUSE, source="SMETS", device="esme")
    with pytest.raises(Unmet, match="expected it counts, got the contrary"):
        Judging().expectation_should_hold(False, "it counts", basis=BasisKind.CLAUSE, source="SMETS")
    Judging().expectation_should_hold(True, "it shines")
    with pytest.raises(Misused, match="a basis DECLARATION names its source"):
        Judging().expectation_should_hold(True, "x", basis=BasisKind.DECLARATION, source=" ")
    met, missed, own = judge().findings
    assert (met.what, met.outcome, met.device, str(met.basis)) == (
        "it counts", Outcome.MET, "esme", "a clause of a specification (SMETS)"
    )  # fmt: skip
    assert (missed.outcome, missed.device) == (Outcome.MISSED, "")
    assert own.basis == Basis(BasisKind.OWN_DEFAULT, judge().expectation("stated").basis.source)
    now.now = 7
    Judging().reading_should_be_within_limits(8.2, "operate-time", uncertainty=0.3, instrument="load", device="esme")
    found = judge().findings[-1]
    assert found.reading is not None
    assert (str(found.reading), found.reading.instrument, found.reading.at_ns) == ("8.2 ± 0.3 ms", "load", 7)
    assert (found.device, found.expectation) == ("esme", "operate-time")


# ----------------------------------------------------------------------------------------------------- lines of the log


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (seen(1, "power", "hub", 1.5, on=False), "1.500000 s  hub: power off"),
        (seen(1, "edge", "esme", pin="aux_no", level=True), "0.000000 s  esme: aux_no on"),
        (seen(1, "hub.flags", "hub", beaconing=True, interpan=False, cause="x"),
         "0.000000 s  hub: joining on, inter-PAN off (x)"),
        (message(1, "tx", "hub", "command", "supplier", "esme", use_case="X", peer=EUI["esme"]),
         "0.000000 s  hub sends X command #7 by wan to esme"),
        (message(1, "tx", "hub", "command", "supplier", "esme", use_case="X", peer="ff"),
         "0.000000 s  hub sends X command #7 by wan to ff"),
        (alert(1, counter=3, verified=True),
         "2.000000 s  supplier has received alert 0x8F36 #3 of esme, verified: True"),
        (alert(1, counter=3, verified=True, alert=None, **{"from": "ff"}),
         "2.000000 s  supplier has received response #3 of ff, verified: True"),
        (seen(1, "party.outage", "broker", hub=EUI["hub"], code="AD1"),
         "0.000000 s  broker is told (AD1) that hub is without supply"),
        (seen(1, "refused", "esme"), "0.000000 s  esme refuses at the check '?': ?"),
        (seen(1, "no.kind", "esme", octets="aa", a=True, b=None), "0.000000 s  esme no.kind (a: yes, b: nothing)"),
        (seen(1, "instrument.reading", "esme", value="x"), "0.000000 s  esme instrument.reading (value: x)"),
    ],
)  # fmt: skip
def test_an_event_is_a_line_of_words(event: Any, line: str) -> None:
    assert lines.words(event, {eui: name for name, eui in EUI.items()}) == line


def test_what_is_long_is_folded_away() -> None:
    assert lines.shown(seen(1, "power", "hub", on=True))
    assert not lines.shown(seen(1, "no.kind", "hub"))
    style = "style='display:inline-block;vertical-align:top'", "style='white-space:pre-wrap;word-break:break-all'"
    folded = f" <details {style[0]}><summary>{{}}</summary><pre {style[1]}>{{}}</pre></details>"
    told = message(1, "tx", "hub", "command", "supplier", "esme", use_case="<b>", octets="aabb")
    assert lines.html_line(told, {}) == lines.words(told, {}).replace("<b>", "&lt;b&gt;") + folded.format(
        "2 octets", "aabb"
    )
    air = seen(1, "no.kind", "ether", count=1, frames=[[1_500_000_000, "hub", "zz"]])
    assert lines.html_line(air, {}).endswith(
        folded.format("show", f"1.500000 s  {'hub':<18} {'unreadable':<8} to {'-':<16} zz")
    )
