"""A node by itself: what it publishes and what it takes of what it hears; no broker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from rig.bus import topics
from rig.bus.client import Incoming
from rig.bus.errors import BenchBusy, NotConnected
from rig.bus.messages import Caps, ChannelState, Command, Event, EventBatch, Presence
from rig.node.agent import NodeAgent
from rig.node.executor import Executor
from rig.node.journal import Journal

PRESENCE = "rig/1/bench/esme/state/presence"
CAPS = "rig/1/bench/esme/state/caps"
SECOND = 1_000_000_000
KEPT = {"retain": True, "wait_s": 0.0}


class Client:
    def __init__(self) -> None:
        self.said: list[tuple[str, bytes, dict[str, Any]]] = []
        self.sinks: dict[str, Callable[[Incoming], None]] = {}
        self.will: tuple[str, bytes] | None = None
        self.on_link: Callable[[bool], None] = lambda _up: None
        self.asked: list[Any] = []
        self.gone = False

    def subscribe(self, pattern: str, sink: Callable[[Incoming], None]) -> None:
        self.sinks[pattern] = sink

    def set_will(self, topic: str, payload: bytes) -> None:
        self.will = (topic, payload)

    def connect(self, timeout_s: float) -> None:
        self.asked.append(("connect", timeout_s))

    def publish(self, topic: str, payload: bytes, **more: Any) -> bool:
        if self.gone:
            raise NotConnected("broker", "gone")
        self.said.append((topic, payload, more))
        return True

    def close(self) -> None:
        self.asked.append("close")


class Node:
    def __init__(self, admitted: bool = True) -> None:
        self.now = 0
        self.client = Client()
        self.executor = Executor(
            "host", journal=Journal(None), on_expired=lambda: None, clock=lambda: self.now, boot="life"
        )
        handlers = {"stop": lambda args, context: None, "go": lambda args, context: None}
        self.agent = NodeAgent(
            "bench", "esme", self.client, self.executor, handlers, {"k": 1}, "rig 0", "me"  # type: ignore[arg-type]
        )  # fmt: skip
        if admitted:
            self.agent.appear()
            self.work()
            self.client.said.clear()

    def work(self) -> None:
        while self.executor.turn(0.0):
            continue

    def hear(self, topic: str, payload: bytes, retained: bool = False) -> None:
        pattern = topics.presence("bench", "esme") if topic == PRESENCE else topics.commands("bench", "esme")
        self.client.sinks[pattern](Incoming(topic, payload, retained))

    def command(self, verb: str, topic: str = "", re: str = "", **more: Any) -> None:
        command = Command("id-1", re or "rig/1/bench/esme/re/robot/id-1", verb, more.pop("args", {}), **more)
        self.hear(topic or f"rig/1/bench/esme/cmd/{verb}", command.encode())

    def presence(self, st: str, seq: int, holder: str = "", ttl: float = 10.0) -> bytes:
        return Presence(st, "life", seq, "rig 0", "host", "me", holder, ttl).encode()


CAPS_SAID = (CAPS, Caps("life", ("go", "stop"), {"k": 1}).encode(), {"retain": True})


def test_a_node_that_appears_says_so_at_once_and_what_it_can_and_again_at_every_connection() -> None:
    node = Node(admitted=False)
    assert node.client.will == (PRESENCE, node.presence("lost", 0))
    node.client.on_link(True)
    assert node.client.said == [], "its name is not its own yet"
    node.agent.appear()
    assert node.client.said == [(PRESENCE, node.presence("online", 1), KEPT)]
    node.work()
    assert node.client.said[1:] == [(PRESENCE, node.presence("online", 2), KEPT), CAPS_SAID]
    node.client.said.clear()
    node.client.on_link(False)
    node.work()
    assert node.client.said == []
    node.client.on_link(True)
    node.work()
    assert [topic for topic, *_ in node.client.said] == [PRESENCE, PRESENCE, CAPS]


def test_a_node_that_is_asked_publishes_all_that_is_kept() -> None:
    node = Node()
    node.agent.set_state("gpio", "aux_no", True, 5)
    node.agent.set_state("gpio", "aux_no", False, 7, quality="stale", ts="2026-01-01")
    first, second = (
        ("rig/1/bench/esme/state/ch/gpio/aux_no", state.encode(), {"retain": True})
        for state in (
            ChannelState(True, 5, 1, "life", "good", ""),
            ChannelState(False, 7, 2, "life", "stale", "2026-01-01"),
        )
    )
    assert node.client.said == [first, second]
    node.client.said.clear()
    node.command("rebirth")
    assert node.client.said == [(PRESENCE, node.presence("online", 3), KEPT)]
    node.work()
    assert node.client.said[1:4] == [(PRESENCE, node.presence("online", 4), KEPT), CAPS_SAID, second]
    assert node.client.said[4][0] == "rig/1/bench/esme/re/robot/id-1"


def test_its_presence_tells_who_holds_it_and_for_how_long() -> None:
    node = Node()
    node.executor.lease.claim("robot", "t", 10.0)
    node.now = 4 * SECOND
    node.agent.rebirth()
    node.now = 20 * SECOND
    node.agent.rebirth()
    words = [payload for topic, payload, _ in node.client.said if topic == PRESENCE]
    assert words == [node.presence("online", 3, "robot", 6.0), node.presence("online", 4, "robot", 0.001)]


@pytest.mark.parametrize("gone", [False, True])
def test_a_node_that_goes_says_goodbye_and_does_not_contradict_it(gone: bool) -> None:
    node = Node()
    node.client.gone = gone
    node.agent.stop()
    node.hear(PRESENCE, Presence("lost", "life").encode())
    goodbye = [(PRESENCE, node.presence("offline", 3), {"retain": True, "wait_s": 1.0})]
    assert node.client.said == ([] if gone else goodbye)
    assert node.client.asked == ["close"]
    never = Node(admitted=False)
    never.agent.stop()
    assert (never.client.said, never.client.asked) == ([], ["close"])


def test_a_name_that_is_taken_leaves_the_node_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    node, asked = Node(admitted=False), []

    def taken(timeout_s: float, settle_s: float) -> None:
        asked.append((timeout_s, settle_s))
        raise BenchBusy("bench", "taken")

    monkeypatch.setattr(node.agent._claim, "settle", taken)
    with pytest.raises(BenchBusy):
        node.agent.start()
    assert (node.client.asked, asked) == ([("connect", 5.0), "close"], [(5.0, 0.3)])
    monkeypatch.setattr(node.agent._claim, "settle", lambda *_told: None)
    node.agent.start(1.0)
    assert node.client.asked[2:] == [("connect", 1.0)]
    assert [topic for topic, *_ in node.client.said] == [PRESENCE]
    waits = Node(admitted=False)
    waits.agent._ask_for_name("starting")
    assert waits.client.said == [(PRESENCE, waits.presence("starting", 0), {})]
    waits.hear(PRESENCE, Presence("online", "other").encode(), True)
    assert waits.agent._claim._words.get_nowait() == (Presence("online", "other"), True)


@pytest.mark.parametrize(
    ("payload", "retained", "again"),
    [
        (Presence("lost", "life").encode(), False, True),
        (Presence("offline", "other").encode(), False, True),
        (Presence("starting", "other").encode(), False, True),
        (Presence("starting", "life").encode(), False, False),
        (Presence("online", "other").encode(), False, False),
        (Presence("lost", "life").encode(), True, False),
        (b"", False, False),
        (b"{}", False, False),
    ],
)
def test_a_node_speaks_again_where_somebody_says_that_it_is_not_there(
    payload: bytes, retained: bool, again: bool, caplog: pytest.LogCaptureFixture
) -> None:
    node = Node()
    with caplog.at_level(logging.CRITICAL):
        node.hear(PRESENCE, payload, retained)
    assert node.client.said == ([(PRESENCE, node.presence("online", 3), KEPT)] if again else [])


def test_events_go_under_their_kind_or_as_a_batch() -> None:
    node = Node()
    events = [Event(seq, seq, "life", "esme", "edge", 5) for seq in (1, 2)]
    node.agent.send_events(events[:1])
    node.agent.send_events(events)
    assert node.client.said == [
        ("rig/1/bench/esme/evt/edge", EventBatch("esme", "life", tuple(events[:1])).encode(), {}),
        ("rig/1/bench/esme/evt/batch", EventBatch("esme", "life", tuple(events)).encode(), {}),
    ]
    assert node.agent.emit("edge", 7, {"a": 1}) == Event(1, 1, "life", "esme", "edge", 7, {"a": 1})
    assert node.agent.name == "esme"


def test_renewals_and_withdrawals_count_at_once_and_are_not_queued() -> None:
    node = Node()
    node.executor.lease.claim("robot", "t", 10.0)
    node.now = 4 * SECOND
    node.command("lease-renew", lease="t", re="x")
    assert node.executor.lease.remaining_s() == 10
    node.command("withdraw", lease="t", re="x", args={"command": "id-9"})
    node.command("withdraw", lease="t", re="x")
    assert list(node.executor._withdrawn) == ["id-9"]
    assert not node.executor._waiting
    assert node.agent.bad_messages == 0


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        ({}, 0),
        ({"topic": "rig/1/bench/esme/cmd/stop"}, 1),
        ({"re": "rig/1/bench/esme/re/robot/id-2"}, 1),
        ({"re": "rig/1/bench/esme/re/robot/x/id-1"}, 1),
        ({"re": "rig/1/bench/other/re/robot/id-1"}, 1),
        ({"re": "rig/1/bench/esme/re//id-1"}, 1),
    ],
)
def test_a_command_that_would_have_it_speak_elsewhere_is_none(
    change: dict[str, str], bad: int, caplog: pytest.LogCaptureFixture
) -> None:
    node = Node()
    with caplog.at_level(logging.CRITICAL):
        node.command("go", **change)
    assert (node.agent.bad_messages, len(node.executor._waiting)) == (bad, 1 - bad)


def test_a_command_to_a_name_that_is_not_its_own_yet_is_left_alone() -> None:
    node = Node(admitted=False)
    node.command("go")
    assert (node.agent.bad_messages, node.executor._waiting) == (0, set())
