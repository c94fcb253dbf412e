"""The controller by itself: what it says and when, and what it makes of what it hears; no broker, and a clock that
moves on by itself wherever the controller waits."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable
from typing import Any

import pytest

from rig.bus import controller as module
from rig.bus import topics
from rig.bus.client import Incoming
from rig.bus.controller import Controller, ControllerSettings
from rig.bus.errors import BenchBusy, BenchDied, BenchFault, BrokerGone, BusError, LeaseLost, NoAnswer, NotConnected
from rig.bus.messages import Answer, Caps, Command, Context, Event, EventBatch, Fault, Holder, Presence
from rig.bus.who import who

AGAIN = "Start the run again; the bench has gone safe."
SLOW = "Look at the log of the bench: does it hang?"
BROKER = "Is the broker running?"


class Client:
    """A connection that notes what is asked of it."""

    client_id, address = "robot-1", "mqtt://127.0.0.1:1883"

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.subscribed: list[str] = []
        self.will: tuple[str, bytes] | None = None
        self.on_link: Callable[[bool], None] | None = None

    def subscribe(self, pattern: str, sink: object) -> None:
        self.subscribed.append(pattern)

    def set_will(self, topic: str, payload: bytes) -> None:
        self.will = (topic, payload)

    def connect(self, timeout_s: float) -> None:
        self.asked.append(("connect", timeout_s))

    def publish(self, topic: str, payload: bytes, **more: Any) -> bool:
        self.asked.append(("publish", topic, payload, more))
        return True

    def close(self) -> None:
        self.asked.append(("close",))


class Desk:
    """A controller of nodes ``a`` and ``b``, which share an executor and answer at once with what ``answers`` says of
    the verb; what it says is noted with its time."""

    def __init__(self, **settings: Any) -> None:
        self.now = 0.0
        self.coming: list[tuple[float, int, Incoming | bool]] = []
        self.count = itertools.count()
        self.said: list[tuple[float, str, Command]] = []
        self.words: list[tuple[str, bytes, bool]] = []
        self.every_s = 0.0
        self.answers: dict[str, dict[str, Any] | None] = {
            "lease-claim": {"watermark": {"a": 0, "b": 0}},
            "lease-release": {},
        }
        self.client = Client()
        self.control = Controller(
            self.client,  # type: ignore[arg-type]
            "bench",
            "robot",
            ControllerSettings(**settings) if settings else None,
            clock=lambda: self.now,
        )
        self.control._inbox = self  # type: ignore[assignment]

    # The inbox: waiting is what moves the clock.

    def get(self, timeout_s: float) -> Incoming | bool | None:
        assert timeout_s >= 0
        if self.coming and self.coming[0][0] <= self.now + timeout_s:
            at, _, item = heapq.heappop(self.coming)
            self.now = max(self.now, at)
            return item
        self.now += timeout_s
        return None

    def hear(self, topic: str, payload: bytes, after_s: float = 0.0, retained: bool = False) -> None:
        heapq.heappush(self.coming, (self.now + after_s, next(self.count), Incoming(topic, payload, retained)))

    def link(self, up: bool, after_s: float = 0.0) -> None:
        heapq.heappush(self.coming, (self.now + after_s, next(self.count), up))

    def presence(self, node: str, st: str, seq: int = 1, boot: str = "boot", **more: Any) -> None:
        self.hear(topics.presence("bench", node), Presence(st, boot, seq).encode(), **more)

    def events(self, node: str, *events: tuple[int, int, int], boot: str = "boot", after_s: float = 0.0) -> None:
        """Each: number, order, instant."""
        batch = tuple(Event(seq, order, boot, node, "edge", at_ns) for seq, order, at_ns in events)
        self.hear(topics.event("bench", node, "batch"), EventBatch(node, boot, batch).encode(), after_s)

    # The mouth.

    def mouth(self, client: object, every_s: float, renew: Callable[[], None]) -> Desk:
        self.every_s = every_s
        return self

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if "/cmd/" not in topic:
            self.words.append((topic, payload, retain))
            return
        command, node = Command.decode(payload), topics.node_of("bench", topic)
        assert topic == topics.command("bench", node, command.verb)
        self.said.append((self.now, node, command))
        told = self.answers.get(command.verb)
        if told is not None:
            more: dict[str, Any] = {"n": command.n, "st": "ok", "boot": "boot", **told}
            self.hear(command.re, Answer(command.id, **more).encode())

    def close(self) -> None:
        self.client.asked.append(("mouth closed",))

    # The bench.

    def there(self, *nodes: str, after_s: float = 0.0) -> None:
        for node in nodes:
            self.presence(node, "online", after_s=after_s)
            self.hear(topics.caps("bench", node), Caps("boot", ("ping",), {"of": node}).encode(), after_s)

    def spoken(self) -> list[tuple[float, str, str]]:
        return [(at, node, command.verb) for at, node, command in self.said]

    def opened(self) -> Desk:
        self.there("a", "b")
        self.control.open(["a", "b"])
        self.said.clear()
        self.client.asked.clear()
        return self


@pytest.fixture(autouse=True)
def mouth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_Mouth", lambda client, every_s, renew: DESKS[-1].mouth(client, every_s, renew))


DESKS: list[Desk] = []


def desk(**settings: Any) -> Desk:
    DESKS[:] = [Desk(**settings)]
    return DESKS[0]


def said(problem: pytest.ExceptionInfo[BusError]) -> tuple[str, str, str]:
    return problem.value.where, problem.value.problem, problem.value.advice


def test_what_a_controller_waits_for_by_default() -> None:
    told = ControllerSettings()
    assert (told.lease_s, told.attempt_s, told.attempt_most_s) == (10.0, 0.5, 4.0)
    assert (told.broker_grace_s, told.lost_grace_s, told.goodbye_s) == (2.0, 1.0, 1.0)
    assert told.early_limit == 100_000


def test_a_controller_listens_to_its_bench_and_leaves_a_last_will() -> None:
    one = desk()
    assert one.client.subscribed == [
        "rig/1/bench/+/re/robot/+",
        "rig/1/bench/+/evt/#",
        "rig/1/bench/+/state/presence",
        "rig/1/bench/+/state/caps",
        "rig/1/bench/_ctl/lease",
    ]
    assert one.client.will == ("rig/1/bench/_ctl/lease", Holder("lost", "robot", 10.0).encode())
    assert one.client.on_link is not None
    assert not one.control.owes
    one.control.close()
    assert one.client.asked == [("close",)], "it was never open"


# -------------------------------------------------------------------------------------------------------------- opening


def test_nodes_that_say_nothing_are_asked_to_say_it_again_until_they_are_there() -> None:
    one = desk()
    one.there("a", after_s=0.7)
    one.there("b", after_s=1.2)
    one.control.open(["a", "b"])
    assert one.spoken() == [
        (0.0, "a", "rebirth"),
        (0.0, "b", "rebirth"),
        (0.5, "a", "rebirth"),
        (0.5, "b", "rebirth"),
        (1.0, "b", "rebirth"),
        (1.2, "a", "lease-claim"),
    ]
    assert {command.ttl for _, _, command in one.said[:5]} == {0.5}
    claim = one.said[-1][2]
    assert claim.args == {"holder": f"robot ({who()})", "ttl_s": 10.0}
    assert claim.ttl == pytest.approx(8.8)
    assert (claim.n, claim.after, claim.seen) == (0, 0, {})
    assert claim.lease == one.control._token
    assert one.client.asked == [
        ("connect", 10.0),
        ("publish", "rig/1/bench/_ctl/lease", Holder("held", "robot", 10.0).encode(), {"retain": True}),
    ]
    assert one.every_s == pytest.approx(10.0 / 3)
    assert one.control.owes
    assert (one.control.caps("a").caps, one.control.caps("b").caps) == ({"of": "a"}, {"of": "b"})


@pytest.mark.parametrize("state", ["draining", "offline", "lost"])
def test_who_is_not_there_is_named_when_the_time_is_over(state: str) -> None:
    one = desk()
    one.there("a")
    one.presence("b", state)
    one.hear(topics.caps("bench", "b"), Caps("boot").encode())
    with pytest.raises(NoAnswer) as caught:
        one.control.open(["a", "b", "c"], timeout_s=2.0)
    assert said(caught) == ("bench bench", "not there: b, c", "Is that part of it running?")
    assert one.now == 2.0
    assert one.client.asked == [("connect", 2.0), ("mouth closed",), ("close",)]


def test_a_bench_that_somebody_holds_is_busy_and_nothing_is_owed() -> None:
    one = desk()
    one.there("a")
    one.answers["lease-claim"] = {"st": "busy", "err": Fault("busy", "held by another")}
    with pytest.raises(BenchBusy) as caught:
        one.control.open(["a"])
    assert said(caught) == ("bench bench", "held by another", "Try again later.")
    assert not one.control.owes
    assert [verb for *_, verb in one.spoken()] == ["rebirth", "lease-claim"]


def test_closing_gives_back_each_lease_and_says_so() -> None:
    one = desk().opened()
    one.control.close()
    assert one.spoken() == [(0.0, "a", "lease-release")]
    assert (one.said[0][2].ttl, one.said[0][2].args) == (1.0, {})
    free = (
        "publish",
        "rig/1/bench/_ctl/lease",
        Holder("free", "robot", 10.0).encode(),
        {"retain": True, "wait_s": 1.0},
    )
    assert one.client.asked == [free, ("mouth closed",), ("close",)]
    assert not one.control.owes
    with pytest.raises(NotConnected) as caught:
        one.control.call("a", "ping")
    assert said(caught) == ("bench bench", "not opened, or closed already", "")


def test_a_lease_that_cannot_be_given_back_is_owed(caplog: pytest.LogCaptureFixture) -> None:
    one = desk().opened()
    one.answers["lease-release"] = None
    with caplog.at_level(logging.CRITICAL):
        one.control.close()
    assert one.now == 1.0
    assert [at for at, *_ in one.spoken()] == [0.0, 0.5]
    assert one.client.asked == [("mouth closed",), ("close",)]
    assert one.control.owes


def test_what_an_earlier_controller_owes_is_said_for_it() -> None:
    """That its command is wanted no more, and that it gives its lease back: under its token, before our claim."""
    before = desk().opened()
    with pytest.raises(NoAnswer):
        before.control.call("a", "ping", timeout_s=0.1)
    one = desk()
    one.control._earlier = [before.control]
    one.there("a", "b")
    one.control.open(["a", "b"], timeout_s=4.0)
    told = [(command.verb, command.lease, command.args, command.ttl) for _, _, command in one.said[2:]]
    theirs, ours = before.control._token, one.control._token
    assert told == [
        ("withdraw", theirs, {"command": before.control._unwanted}, 10.0),
        ("lease-release", theirs, {}, 4.0),
        ("lease-claim", ours, {"holder": f"robot ({who()})", "ttl_s": 10.0}, 4.0),
    ]
    assert before.control._unwanted
    assert not before.control.owes


def test_renewals_go_at_once_or_never() -> None:
    one = desk().opened()
    one.control._renew()
    ((_, topic, payload, more),) = one.client.asked
    command = Command.decode(payload)
    assert (topic, more) == ("rig/1/bench/a/cmd/lease-renew", {"qos": 0})
    assert (command.verb, command.args, command.ttl, command.lease) == ("lease-renew", {}, 10.0, one.control._token)


# -------------------------------------------------------------------------------------------------------------- calling


def test_a_command_says_all_that_its_node_needs() -> None:
    one = desk().opened()
    one.answers["ping"] = {"watermark": {"a": 2, "b": 1}, "data": {"x": 1}}
    one.events("b", (1, 2, 7))
    one.events("a", (1, 1, 5), (2, 3, 5), (3, 4, 9))
    told = one.control.call("a", "ping", {"k": 1}, 7.0, Context(test="t"))
    assert (told.st, told.data) == ("ok", {"x": 1})
    assert [(event.node, event.order) for event in told.events] == [("a", 1), ("b", 2), ("a", 3)]
    command = one.said[0][2]
    assert (command.args, command.ttl, command.n, command.after) == ({"k": 1}, 7.0, 1, 0)
    assert (command.context, command.seen) == (Context(test="t"), {"a": 3, "b": 1})
    assert command.re == f"rig/1/bench/a/re/robot/{command.id}"
    one.answers["ping"] = {"watermark": {"a": 3, "b": 1}}
    told = one.control.call("b", "ping")
    assert [event.seq for event in told.events] == [3]
    command = one.said[1][2]
    assert (command.args, command.ttl, command.n, command.after) == ({}, 10.0, 2, 1)
    assert (command.context, command.seen) == (Context(), {"a": 3, "b": 1})
    assert one.control.call("a", "ping").events == ()


def test_a_command_without_an_answer_is_sent_again_and_given_up_and_withdrawn() -> None:
    one = desk().opened()
    with pytest.raises(NoAnswer) as caught:
        one.control.call("a", "ping", timeout_s=13.0)
    assert said(caught) == ("a ping", "no answer in time", SLOW)
    assert one.spoken() == [*((at, "a", "ping") for at in (0.0, 0.5, 1.5, 3.5, 7.5, 11.5)), (13.0, "a", "withdraw")]
    assert len({command.id for _, _, command in one.said[:-1]}) == 1
    withdrawal = one.said[-1][2]
    assert (withdrawal.args, withdrawal.ttl) == ({"command": one.said[0][2].id}, 10.0)
    assert (withdrawal.n, withdrawal.lease) == (0, one.control._token)


def test_events_that_do_not_come_are_asked_for_again_and_named() -> None:
    one = desk().opened()
    one.answers["ping"] = {"watermark": {"a": 4, "b": 0, "c": 2}}
    one.events("a", (1, 1, 0), (3, 3, 0))
    one.events("b", (1, 1, 0), boot="other", after_s=0.2)
    one.events("a", (2, 2, 0), after_s=0.6)
    with pytest.raises(NoAnswer) as caught:
        one.control.call("a", "ping", timeout_s=1.0)
    assert said(caught) == ("a ping", "answered, but events are missing: 4 to 4 of a, 1 to 2 of c", SLOW)
    assert [command.seen for _, _, command in one.said[:2]] == [{"a": 1, "b": 0}, {"a": 1, "b": 0}]


@pytest.mark.parametrize(
    ("answer", "error", "problem", "advice"),
    [
        ({"st": "busy", "err": Fault("busy", "held by x")}, LeaseLost, "held by x", AGAIN),
        ({"st": "busy", "watermark": {"a": 9}}, LeaseLost, "the lease is gone", AGAIN),
        ({"st": "expired", "err": Fault("expired", "late")}, NoAnswer, "late", "Allow it more time."),
        ({"st": "withdrawn"}, NoAnswer, "withdrawn", "Allow it more time."),
        ({"st": "error", "err": Fault("bench", "broken", "Mend it.")}, BenchFault, "broken", "Mend it."),
    ],
)
def test_what_the_bench_could_not_do_is_its_fault(
    answer: dict[str, Any], error: type[BusError], problem: str, advice: str
) -> None:
    one = desk().opened()
    one.answers["ping"] = answer
    with pytest.raises(error) as caught:
        one.control.call("a", "ping")
    assert said(caught) == ("a ping", problem, advice)
    assert one.spoken() == [(0.0, "a", "ping")], "it was answered, so that nothing is withdrawn"
    one.answers["ping"] = {}
    one.control.call("a", "ping")
    decided = answer["st"] != "busy"
    assert (one.said[-1][2].n, one.said[-1][2].after) == (2, 1 if decided else 0)


@pytest.mark.parametrize("node", ["b", "c"])
def test_a_node_that_was_not_opened_is_not_called(node: str) -> None:
    one = desk()
    one.answers["lease-claim"] = {"watermark": {"a": 0}}
    one.there("a", "b")
    one.control.open(["a"])
    with pytest.raises(NotConnected) as caught:
        one.control.call(node, "ping")
    assert said(caught) == (f"node '{node}'", "is not among the nodes that were opened", "Name it in the bench file.")
    if node == "c":
        with pytest.raises(NotConnected, match="node 'c': has not declared what it can do"):
            one.control.caps(node)


def test_an_answer_that_nobody_waits_for_is_none() -> None:
    """To an earlier command, or a second one to the same."""
    one = desk().opened()
    for command_id in ("earlier", None):
        for number in (1, 2):
            told = command_id or one.control._awaited
            one.hear(f"rig/1/bench/a/re/robot/{told}", Answer(told, number, "ok", "boot").encode())
    with pytest.raises(NoAnswer):
        one.control.call("a", "ping", timeout_s=0.2)
    one.answers["ping"] = {"data": {"first": True}}
    assert one.control.call("a", "ping").data == {"first": True}


# ------------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("down_s", "up_s", "timeout_s", "gone_s", "problem"),
    [
        (1.0, None, 60.0, 3.0, "connection lost"),
        (1.0, None, 2.0, 2.0, "connection lost while waiting for a ping"),
        (1.0, 1.9, 5.0, 5.0, None),
    ],
)
def test_a_connection_may_be_lost_for_a_while(
    down_s: float, up_s: float | None, timeout_s: float, gone_s: float, problem: str | None
) -> None:
    one = desk().opened()
    one.link(False, down_s)
    if up_s is not None:
        one.link(True, up_s)
    with pytest.raises(BrokerGone if problem else NoAnswer) as caught:
        one.control.call("a", "ping", timeout_s=timeout_s)
    assert one.now == gone_s
    if problem:
        assert said(caught) == ("mqtt://127.0.0.1:1883", problem, BROKER)


def test_a_connection_that_is_lost_while_nodes_are_waited_for_is_told_and_no_node_blamed() -> None:
    one = desk()
    one.link(False, 1.5)
    with pytest.raises(BrokerGone) as caught:
        one.control.open(["a"], timeout_s=2.0)
    assert said(caught) == ("mqtt://127.0.0.1:1883", "connection lost", BROKER)
    assert one.now == 2.0


def lost(one: Desk) -> None:
    one.presence("a", "lost", 0, after_s=1.0)


def back(one: Desk) -> None:
    lost(one)
    one.presence("a", "online", 2, after_s=1.9)


def back_with_an_old_word(one: Desk) -> None:
    lost(one)
    one.presence("a", "online", 1, after_s=1.9)


def lost_twice(one: Desk) -> None:
    lost(one)
    one.presence("a", "lost", 0, after_s=1.9)


def goodbye(one: Desk) -> None:
    one.presence("a", "offline", 2, after_s=1.0)


def old_goodbye(one: Desk) -> None:
    one.presence("a", "offline", 1, after_s=1.0)


def anew(one: Desk) -> None:
    one.presence("a", "online", 1, "other", after_s=1.0)


def anew_as_stored(one: Desk) -> None:
    one.presence("a", "online", 1, "other", after_s=1.0, retained=True)


def another_life_lost(one: Desk) -> None:
    one.presence("a", "lost", 0, "other", after_s=1.0)


def another_claim(one: Desk) -> None:
    one.presence("a", "starting", 5, "other", after_s=1.0)
    one.presence("a", "claimed", 5, after_s=1.0)


def another_lost(one: Desk) -> None:
    one.presence("b", "lost", 0, after_s=1.0)


def answers_anew(one: Desk) -> None:
    one.answers["ping"] = {"boot": "other"}


def cleared(one: Desk) -> None:
    one.hear(topics.presence("bench", "a"), b"", 1.0)


@pytest.mark.parametrize(
    ("happens", "died_s", "why"),
    [
        (lost, 2.0, "was lost to the broker"),
        (back, None, None),
        (back_with_an_old_word, 2.0, "was lost to the broker"),
        (lost_twice, 2.0, "was lost to the broker"),
        (goodbye, 1.0, "said goodbye"),
        (old_goodbye, None, None),
        (anew, 1.0, "was started anew"),
        (anew_as_stored, None, None),
        (another_life_lost, None, None),
        (another_claim, None, None),
        (another_lost, None, None),
        (answers_anew, 0.0, "was started anew"),
        (cleared, None, None),
    ],
)
def test_a_node_that_dies_is_told_and_one_that_does_not_is_waited_for(
    happens: Callable[[Desk], None], died_s: float | None, why: str | None
) -> None:
    one = desk().opened()
    happens(one)
    with pytest.raises(BenchDied if why else NoAnswer) as caught:
        one.control.call("a", "ping", timeout_s=5.0)
    if why:
        assert said(caught) == ("a ping", f"the node {why}; the outcome is unknown", AGAIN)
    assert one.now == (5.0 if died_s is None else died_s)
    rebirths = [(at, node, command.ttl) for at, node, command in one.said if command.verb == "rebirth"]
    at_1 = [(1.0, "b" if happens is another_lost else "a", 1.0)]
    asks = happens in (lost, back, back_with_an_old_word, lost_twice, another_lost)
    assert rebirths == [*(at_1 if asks else []), *([(1.9, "a", 1.0)] if happens is lost_twice else [])]
    assert one.control.bad_messages == 0


@pytest.mark.parametrize(
    ("word", "again"),
    [(("lost", "robot"), True), (("lost", "other"), False), (("free", "robot"), False)],
)
def test_a_last_will_of_an_earlier_life_does_not_stand_over_our_word(word: tuple[str, str], again: bool) -> None:
    one = desk()
    one.hear(topics.lease("bench"), Holder(*word, 5.0).encode())
    one.control.drain()
    assert one.words == [], "nothing is held yet"
    one.opened()
    one.hear(topics.lease("bench"), Holder(*word, 5.0).encode())
    one.hear(topics.lease("bench"), b"")
    one.control.drain()
    assert one.words == ([(topics.lease("bench"), Holder("held", "robot", 10.0).encode(), True)] if again else [])
    assert one.control.bad_messages == 0


def test_what_cannot_be_read_is_counted_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    one = desk().opened()
    for topic in ("a/re/robot/x", "a/evt/batch", "a/state/caps", "a/state/presence", "_ctl/lease", "A/evt/x"):
        one.hear(f"rig/1/bench/{topic}", b"{}")
    with caplog.at_level(logging.CRITICAL):
        assert one.control.drain() == []
    assert one.control.bad_messages == 6


# --------------------------------------------------------------------------------------------------------------- events


def test_what_belongs_to_no_answer_is_handed_out_once_in_order_and_without_gaps() -> None:
    one = desk().opened()
    one.events("b", (1, 2, 7), (2, 5, 9))
    one.events("a", (1, 1, 7), (2, 3, 7), (4, 6, 8))
    assert [(e.at_ns, e.node, e.seq) for e in one.control.drain()] == [
        (7, "a", 1),
        (7, "a", 2),
        (7, "b", 1),
        (9, "b", 2),
    ]
    assert one.control.drain() == []
    one.events("a", (2, 3, 7), (3, 4, 8))
    assert [(e.node, e.seq) for e in one.control.drain()] == [("a", 3), ("a", 4)]


def test_what_happened_before_our_time_is_not_ours_and_what_came_early_is() -> None:
    """Events 1 to 4 arrive before the claim, which says that 2 of them were before it."""
    one = desk()
    one.answers["lease-claim"] = {"watermark": {"a": 2}}
    one.there("a")
    one.events("a", (1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 4, 0))
    one.control.open(["a"])
    assert [event.seq for event in one.control.drain()] == [3, 4]
    assert one.control._seen("a") == {"a": 4}


def test_events_of_a_life_that_ended_are_not_those_of_the_next() -> None:
    one = desk()
    one.answers["lease-claim"] = {"watermark": {"a": 0}}
    one.events("a", (1, 1, 0), (2, 2, 0), boot="first")
    one.there("a")
    one.control.open(["a"])
    one.events("a", (1, 1, 3), boot="first")
    assert one.control.drain() == []
    one.events("a", (1, 1, 5))
    assert [event.at_ns for event in one.control.drain()] == [5]


def test_events_that_come_early_are_kept_up_to_a_limit() -> None:
    one = desk(early_limit=2).opened()
    one.events("a", (2, 2, 0), (3, 3, 0), (4, 4, 0))
    assert one.control.drain() == []
    assert sorted(one.control._streams["a"].kept) == [2, 3]
