"""A node on the bus: presence, capabilities, states, rebirth, and commands that are none."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import paho.mqtt.client as paho
import pytest

from rig.bus import topics
from rig.bus.broker import EmbeddedBroker
from rig.bus.client import BusClient, Inbox, Incoming
from rig.bus.errors import BadTopic
from rig.bus.messages import REBIRTH, Answer, Caps, ChannelState, Command, EventBatch, Manifest, Presence
from rig.node import bench_process
from rig.node.agent import NodeAgent
from rig.node.executor import Executor
from rig.node.journal import Journal
from tests.bus.rigging import Bench


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with EmbeddedBroker() as broker:
        yield broker.url


def _edge(agent: NodeAgent) -> None:
    agent.emit("edge", 5, {"level": False})


class Ear:
    """Hears everything of a bench, by topic."""

    def __init__(self, url: str, bench: str) -> None:
        self.inbox = Inbox()
        self.client = BusClient(url, f"{bench}-ear")
        self.client.subscribe(f"rig/1/{bench}/#", self.inbox.put)
        self.client.connect()

    def next(self, topic: str) -> Incoming:
        """The next message on ``topic``; others are passed over, and what lives say to each other about their name."""
        while (heard := self.inbox.get(5.0)) is not None:
            if heard.topic == topic and b'"st":"starting"' not in heard.payload:
                assert isinstance(heard, Incoming)
                return heard
        raise AssertionError(f"nothing more on {topic}")


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> str:
    return f"agent-{abs(hash(request.node.name)) % 10**9}"


@pytest.fixture
def ear(url: str, bench: str) -> Iterator[Ear]:
    made = Ear(url, bench)
    yield made
    made.client.close()


def test_a_node_says_that_it_is_there_what_it_can_and_that_it_goes(url: str, bench: str, ear: Ear) -> None:
    presence, caps = topics.presence(bench, "node-0"), topics.caps(bench, "node-0")
    with Bench(url, bench, boot="life", tidy=False):
        first = Presence.decode(ear.next(presence).payload)
        assert (first.st, first.boot, first.seq, first.sw, first.executor) == ("online", "life", 1, "test", "host")
        declared = Caps.decode(ear.next(caps).payload)
        assert declared.caps == {"relays": 1}
        assert "tick" in declared.verbs
    assert Presence.decode(ear.next(presence).payload).st == "offline"
    late = Ear(url, bench)
    kept = late.next(presence)
    assert (kept.retained, Presence.decode(kept.payload).st) == (True, "offline")
    late.client.close()


def test_a_node_that_is_cut_off_is_lost_and_comes_back_by_itself(url: str, bench: str, ear: Ear) -> None:
    presence = topics.presence(bench, "node-0")
    with Bench(url, bench, boot="life") as rig:
        ear.next(presence)
        ear.next(topics.caps(bench, "node-0"))
        sock = rig.agents[0].client._paho.socket()
        assert isinstance(sock, socket.socket)
        sock.shutdown(socket.SHUT_RDWR)
        words = [Presence.decode(ear.next(presence).payload) for _ in range(2)]
        assert {(word.st, word.boot) for word in words} >= {("lost", "life"), ("online", "life")}
        assert min(word.seq for word in words) == 0, "the last will speaks for this life, before any of its words"


def test_rebirth_brings_everything_that_is_retained_again(url: str, bench: str, ear: Ear) -> None:
    with Bench(url, bench) as rig:
        agent, channel = rig.agents[0], topics.channel(bench, "node-0", "gpio", "aux")
        rig.executor.post(lambda: agent.set_state("gpio", "aux", True, 77, quality="sim"))
        state = ChannelState.decode(ear.next(channel).payload)
        assert (state.value, state.mono_ns, state.q) == (True, 77, "sim")
        reply = topics.answer(bench, "node-0", "me", "r1")
        ear.client.publish(topics.command(bench, "node-0", REBIRTH), Command("r1", reply, REBIRTH).encode())
        assert Presence.decode(ear.next(topics.presence(bench, "node-0")).payload).st == "online"
        assert ChannelState.decode(ear.next(channel).payload) == state
        assert Answer.decode(ear.next(reply).payload).st == "ok"


def test_events_between_commands_go_out_by_themselves(url: str, bench: str, ear: Ear) -> None:
    with Bench(url, bench) as rig:
        rig.executor.post(partial(_edge, rig.agents[0]))
        batch = EventBatch.decode(ear.next(topics.event(bench, "node-0", "edge")).payload)
        assert [(event.kind, event.seq, event.at_ns) for event in batch.events] == [("edge", 1, 5)]
        manifest = Manifest(1, "00" * 32, "text/plain", "file:x")
        rig.agents[0].publish_manifest("run-1", "x", manifest)
        heard = ear.next(topics.evidence(bench, "node-0", "run-1", "x"))
        assert Manifest.decode(heard.payload) == manifest


GOOD = Command("c1", "rig/1/BENCH/node-0/re/me/c1", "ping", lease="t", n=1)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no JSON",
        replace(GOOD, verb="tick").encode(),
        replace(GOOD, re="rig/1/BENCH/node-0/state/presence").encode(),
        replace(GOOD, re="rig/1/BENCH/node-1/re/me/c1").encode(),
        replace(GOOD, re="rig/1/BENCH/node-0/re/me/c2").encode(),
        replace(GOOD, re="rig/1/BENCH/node-0/re/me/x/c1").encode(),
        replace(GOOD, re="rig/1/BENCH/node-0/re/+/c1").encode(),
        json.dumps({"v": 2, "id": "c1"}).encode(),
    ],
)
def test_commands_that_are_none_are_counted_and_the_node_lives_on(
    url: str, bench: str, ear: Ear, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL), Bench(url, bench) as rig:
        topic = topics.command(bench, "node-0", "ping")
        ear.client.publish(topic, payload.replace(b"BENCH", bench.encode()))
        ear.client.publish(topic, GOOD.encode().replace(b"BENCH", bench.encode()))
        heard = ear.next(topics.answer(bench, "node-0", "me", "c1"))
        assert Answer.decode(heard.payload).st == "busy", "no lease, but understood"
        assert (rig.agents[0].bad_messages, rig.ran) == (1, [])


@pytest.mark.parametrize(("name", "verb"), [("Node", "ping"), ("node", "a/b"), ("no+de", "ping")])
def test_names_that_the_bus_cannot_carry_are_refused_at_once(name: str, verb: str) -> None:
    executor = Executor("host", journal=Journal(None), on_expired=lambda: None)
    client = BusClient("mqtt://127.0.0.1:1", "never-connected")
    with pytest.raises(BadTopic):
        NodeAgent("bench", name, client, executor, {verb: lambda args, context: {}})


def test_a_node_that_goes_does_not_wait_for_a_broker_that_is_gone(bench: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float | None] = []
    monkeypatch.setattr(paho.MQTTMessageInfo, "wait_for_publish", lambda _info, span=None: waited.append(span))
    with EmbeddedBroker() as broker:
        rig = Bench(broker.url, bench)
        (agent,) = rig.agents
        lost = threading.Event()
        agent.start(settle_s=0.0)
        agent.client.on_link = lambda up: None if up else lost.set()
        broker.kill()
        assert lost.wait(5.0)
        agent.stop()
        rig.journal.close()
    assert waited == []


def test_nodes_go_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three that wait for each other none goes alone, so none waits for the one before."""
    together = threading.Barrier(3, timeout=10.0)
    monkeypatch.setattr(NodeAgent, "stop", lambda _agent: together.wait())
    bench_process._leave([NodeAgent.__new__(NodeAgent) for _ in range(3)])
    assert not together.broken
