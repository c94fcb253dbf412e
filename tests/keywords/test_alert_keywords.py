"""Alerts and notices of an outage: how long is waited, for whom, and what they tell, on a made-up bench; and calls of
a session that a bench refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from robot.api import SkipExecution

from devices.wire import cosem, gbcs
from devices.wire.axdr import Data, Tag
from rig.bus.messages import Answer, Context, Event, Fault
from rig.evidence.judging import Basis, BasisKind, Finding, Outcome
from rig.keywords import session as session_module
from rig.keywords.alerts import Alerts
from rig.keywords.connection import Misused, allowance_s
from rig.keywords.judge import Judge, Unmet, judge
from rig.keywords.session import Session
from tests.keywords.fake import EUI, SECOND, Faked, message, seen, took

LIBRARY = Alerts()
BACK = message(2, "rx", "broker", "response", "esme", "broker", 3)


def octets() -> str:
    """An alert that tells no times."""
    ends = bytes.fromhex(EUI["esme"]), bytes.fromhex(EUI["supplier"])
    return gbcs.encode(gbcs.Message(3, 7, *ends, 0x67, b"\xd9")).hex()


def alert(order: int = 9, at_s: float = 5, /, **more: Any) -> Event:
    fields = {"cra": 3, "alert": 0x8F36, "from": EUI["esme"], "verified": True, "octets": octets(), "counter": 7}
    return seen(order, "party.received", more.pop("party", "supplier"), at_s, **fields | more)


@pytest.mark.parametrize("within", [None, timedelta(seconds=6)])
def test_an_alert_arrives_by_its_code_its_device_and_its_party(now: Faked, within: timedelta | None) -> None:
    now.begin_action()
    now.coming = [alert(4, alert=0x8F37), alert(5, **{"from": EUI["gsme"]}), alert(6, cra=2), alert(7, party="broker"),
                  alert(9)]  # fmt: skip
    told = LIBRARY.alert_should_arrive("0x8f36", within=within)
    assert told == {**alert(9).fields}
    assert now.claimed == {9}
    assert now.waited == [2 * took("wake", "rejoin", "alert") if within is None else 6 * SECOND]
    assert LIBRARY.alert_should_arrive("0x8F36", since=8)["alert"] == 0x8F36
    with pytest.raises(SkipExecution, match="INFRA: expected alert 0x8F36 of esme at supplier within 1 s, got"):
        LIBRARY.alert_should_arrive("0x8F36", since=9, within=timedelta(seconds=1))
    now.see(alert(12, verified=False))
    with pytest.raises(Unmet, match="expected alert 0x8F36 with valid protection, got"):
        LIBRARY.alert_should_arrive("0x8F36", since=9)
    for code in ("8F36", "0x8F3", "0x8F3G", "0x8F366"):
        with pytest.raises(Misused, match=f"four hexadecimal digits, such as 0x8F36; got '{code}'"):
            LIBRARY.alert_should_arrive(code)


def test_an_alert_tells_its_times(now: Faked) -> None:
    def civil(day: int, hour: int) -> Data:
        return Data(Tag.OCTET_STRING, bytes((0x07, 0xEA, 11, day, 0xFF, hour, 5, 6, 0, 0, 0, 0)))

    body = Data(Tag.STRUCTURE, (Data(Tag.OCTET_STRING, b"short"), civil(20, 9), Data(Tag.LONG_UNSIGNED, 0x8F36),
                                civil(19, 7), civil(20, 8), civil(1, 1)))  # fmt: skip
    ends = bytes.fromhex(EUI["esme"]), bytes.fromhex(EUI["supplier"])
    payload = cosem.encode(cosem.Notification(1, b"", body))
    told = gbcs.encode(gbcs.Message(3, 7, *ends, 0x67, payload)).hex()
    now.coming = [alert(9, octets=told)]
    arrived = LIBRARY.alert_should_arrive("0x8F36")
    times = {"at": (20, 9), "interrupted": (19, 7), "restored": (20, 8)}
    assert {name: arrived[name] for name in times} == {
        name: datetime(2026, 11, day, hour, 5, 6, tzinfo=UTC).timestamp() for name, (day, hour) in times.items()
    }


@pytest.mark.parametrize("within", [None, timedelta(seconds=6), timedelta(seconds=2)])
def test_an_alert_that_came_once_is_waited_for_until_the_time_is_over(now: Faked, within: timedelta | None) -> None:
    def some(args: dict[str, Any]) -> dict[str, Any]:
        now.now = 5 * SECOND if len(now.waited) == 1 else now.now
        return args

    now.begin_action()
    now.answers["clock.advance"] = some
    now.coming = [message(8, "rx", "supplier", "alert", "esme", "supplier", octets=octets()), alert(9)]
    assert LIBRARY.alert_should_arrive_once("0x8F36", within=within)["alert"] == 0x8F36
    span = took("wake", "alert") // SECOND if within is None else within.seconds
    assert now.waited[1:] == [max(span - 5, 0) * SECOND]
    now.see(message(10, "rx", "broker", "alert", "esme", "supplier", octets=octets()))
    now.see(message(10, "tx", "supplier", "alert", "esme", "supplier", octets=octets()))
    now.see(message(10, "rx", "supplier", "alert", "esme", "supplier", octets="aa"))
    LIBRARY.alert_should_arrive_once("0x8F36", since=0)
    now.see(message(10, "rx", "supplier", "alert", "esme", "supplier", at_s=6, octets=octets()))
    now.see(alert(11))
    with pytest.raises(Unmet, match=r"at the tap of supplier, got 2, at 0.000000 s, 6.000000 s"):
        LIBRARY.alert_should_arrive_once("0x8F36", since=0)
    assert now.claimed == {9, 11}


@pytest.mark.parametrize("within", [None, timedelta(seconds=6)])
def test_no_alert_arrives_where_one_could(
    now: Faked, within: timedelta | None, caplog: pytest.LogCaptureFixture
) -> None:
    now.see(BACK)
    now.now = SECOND
    LIBRARY.no_alert_should_arrive("0x8F36", within=within)
    span = took("wake", "alert") // SECOND if within is None else 6
    assert now.waited == [span * SECOND]
    assert caplog.messages[-1] == (
        f"No alert 0x8F36 of esme from 1.000000 s to {1 + span}.000000 s; looked at: messages at supplier."
    )
    now.see(alert(9))
    with pytest.raises(Unmet, match=r"expected no alert 0x8F36 at supplier, got one at 5.000000 s"):
        LIBRARY.no_alert_should_arrive("0x8F36", since=8)
    now.answers["supply.sense"] = {"good": False, "by": "a pin"}
    with pytest.raises(SkipExecution, match=r"no alert 0x8F36 at supplier while one could come.*esme has no supply"):
        LIBRARY.no_alert_should_arrive("0x8F36", since=9)


def notice(order: int) -> Event:
    return seen(order, "party.outage", "broker", 5, hub=EUI["hub"], started=5, code="AD1")


@pytest.mark.parametrize("within", [None, timedelta(seconds=6)])
def test_a_hub_tells_of_an_outage_of_this_test(
    now: Faked, within: timedelta | None, caplog: pytest.LogCaptureFixture
) -> None:
    now.begun = 3
    now.see(notice(3))
    now.coming = [notice(4)]
    told = LIBRARY.hub_should_tell_of_outage(party="broker", within=within)
    assert told == notice(4).fields
    assert now.waited == [2 * took("alert") if within is None else 6 * SECOND]
    with pytest.raises(Unmet, match="expected one notice of an outage of hub, got 2"):
        LIBRARY.hub_should_tell_of_outage(party="broker", since=2)
    with pytest.raises(SkipExecution, match="INFRA: expected a notice of an outage of hub at broker within 1 s"):
        LIBRARY.hub_should_tell_of_outage(party="broker", since=4, within=timedelta(seconds=1))
    now.called.clear()
    now.now = SECOND
    now.see(message(9, "rx", "broker", "response", "hub", "broker", 3))
    LIBRARY.hub_should_not_tell_of_outage(party="broker", since=4, within=within)
    span = took("alert") // SECOND if within is None else 6
    assert now.waited == [span * SECOND]
    assert caplog.messages[-1] == (
        f"No notice of an outage of hub from 1.000000 s to {1 + span}.000000 s; "
        "looked at: what left hub and was told to broker."
    )
    with pytest.raises(Unmet, match=r"expected no notice of an outage of hub, got one at 5.000000 s"):
        LIBRARY.hub_should_not_tell_of_outage(party="broker")


@pytest.mark.parametrize(
    ("told", "outcome"),
    [(1001.0, Outcome.MET), (999.0, Outcome.MET), (1001.1, Outcome.MISSED), (998.9, Outcome.MISSED)],
)
def test_a_time_that_was_told_agrees_within_the_tests_own_limit(
    now: Faked, told: float, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    now.now = 7
    try:
        LIBRARY.times_should_agree(told, 1000.0)
    except Unmet:
        assert outcome is Outcome.MISSED
    else:
        assert caplog.messages[-1].startswith(f"told {datetime.fromtimestamp(told, UTC):%Y-%m-%dT%H:%M:%SZ}, true 1970")
    (found,) = judge().findings
    assert (found.outcome, found.at_ns, found.device) == (outcome, 7, "")
    assert (str(found.limit), found.reading and found.reading.value) == ("-1 to 1 s", round(told - 1000, 6))


# ----------------------------------------------------------------------------------------------- what a bench refuses


class Answering(Session):
    """A session whose bench answers a call so."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._given = answer
        self.sent: list[Any] = []
        self.prepared = "x"
        self._connection.call = self._called  # type: ignore[assignment,method-assign]

    def _called(self, *given: Any) -> Answer:
        self.sent.append(given)
        return self._given

    def connect(self) -> None: ...
    def _need_premises(self) -> None: ...


def answer(status: str, error: Fault | None = None, **data: Any) -> Answer:
    events = (Event(9, 9, "boot", "esme", "power", 3 * SECOND, {"device": "esme", "on": True}),)
    return Answer("id", 1, status, "boot", data, error, {}, events)


@pytest.fixture
def of_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge(), "clock", judge().clock)


@pytest.mark.usefixtures("of_judge")
@pytest.mark.parametrize(
    ("status", "error", "ending"),
    [
        ("ok", None, ""),
        ("refused", Fault("args", "no such supply.", "Name one."), "^no such supply. Name one.$"),
        ("error", Fault("args", "no such supply.", ""), "^no such supply.$"),
        ("error", Fault("bench", "a disk is full", "Mend it."),
         "^INFRA: the bench failed in supply.switch: a disk is full. Mend it.$"),
        ("refused", None, "^INFRA: supply.switch was answered refused: no reason given$"),
        ("lost", Fault("args", "why", ""), "^INFRA: supply.switch was answered lost: why$"),
    ],
)  # fmt: skip
def test_an_answer_is_data_a_slip_or_a_broken_bench(status: str, error: Fault | None, ending: str) -> None:
    now = Answering(answer(status, error, now=4 * SECOND))
    now.devices, now.test, now.clock = {"esme": {"node": "node of esme"}}, "Closes", "virtual"
    if not ending:
        assert now.call("supply.switch", device="esme", on=True, span_ns=0) == {"now": 4 * SECOND}
        args = {"on": True, "span_ns": 0, "device": "esme"}
        within = allowance_s({"span_ns": 0}, "virtual")
        assert now.sent == [("node of esme", "supply.switch", args, within, Context(test="Closes"))]
        assert (now.last, now.now, [event.order for event in now.events]) == (9, 4 * SECOND, [9])
        now.call("supply.switch", device="moon")
        assert now.sent[1][:3] == ("", "supply.switch", {"device": "moon"})
        return
    with pytest.raises(SkipExecution if "INFRA" in ending else Misused, match=ending):
        now.call("supply.switch", device="esme", on=True)
    if "INFRA" in ending:
        with pytest.raises(SkipExecution, match="INFRA: not run, since the bench broke earlier: "):
            now.call("supply.switch", device="esme", on=True)
        assert len(now.sent) == 1


@pytest.mark.usefixtures("of_judge")
@pytest.mark.parametrize(
    ("verb", "args", "changed", "away"),
    [
        ("wan.set", {}, True, set()), ("air.reach", {"in_reach": False}, True, {"hht", "esme"}),
        ("air.reach", {"in_reach": True}, True, {"hht"} - {"esme"}), ("air.cut_after", {"frames": 1}, True,
                                                                     {"hht", "esme"}),
        ("supply.switch", {}, True, {"hht"}), ("clock.advance", {"span_ns": 1}, False, {"hht"}),
    ],
)  # fmt: skip
def test_what_changes_a_road_is_known(verb: str, args: dict[str, Any], away: set[str], *, changed: bool) -> None:
    now = Answering(answer("ok"))
    now._order = 5
    now.out_of_reach = {"hht"} | ({"esme"} if args.get("in_reach") else set())
    now.call(verb, device="esme", **args)
    assert now.changed == (5 if changed else 0)
    assert now.out_of_reach == (away or {"hht"})
    assert now.now == 3 * SECOND
    assert session_module.FRAMING == ("bench.describe", "bench.reset", "bench.state", "evidence.open", "evidence.close")


@pytest.mark.usefixtures("of_judge")
def test_a_bench_is_given_back_and_its_parts_that_ended_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    now, closed = Session(), list[bool]()
    monkeypatch.setattr(now._connection, "close", lambda: closed.append(True))
    now._known = True
    now.close()
    assert (closed, now._known) == ([True], False)
    now.watch(lambda: "a part")
    assert now._connection.gone() == "a part"


# ---------------------------------------------------------------------------------------------------------------- judge


def test_a_judge_keeps_what_counts_when_premises_are_ready_and_forgets_with_the_next_test() -> None:
    own = Judge()
    kinds = (BasisKind.CLAUSE, BasisKind.OWN_DEFAULT, BasisKind.DECLARATION)
    own.findings[:] = [Finding("x", Outcome.MISSED, Basis(kind, "y")) for kind in kinds]
    own.forget_defaults()
    assert [one.basis.kind for one in own.findings] == [BasisKind.CLAUSE, BasisKind.DECLARATION]
    own.cause = "ECS42"
    own.begin("A Test")
    assert (own.findings, own.cause, own.test, own.may_end, own.clock()) == ([], "", "A Test", True, 0)


def test_a_miss_of_many_words_is_told_in_two_thousand_letters() -> None:
    own = Judge()
    own.may_end = False
    own.clock = lambda: 7
    held = own.expectation("contact-opens", "esme")
    for length, kept in ((2000, "x" * 2000), (2001, "x" * 1999 + "…")):
        problem = Unmet("x" * length)
        own.missed(held, "esme", problem)
        own.missed(held, "esme", problem)
        found = own.findings.pop()
        assert own.findings == []
        assert (found.got, found.failure, found.device, found.at_ns) == (kept, "x" * length, "esme", 7)
    own.met(held, "esme")
    assert (own.findings[0].expectation, own.findings[0].device, own.findings[0].at_ns) == (held.id, "esme", 7)
