"""A life that the broker still holds while the next one of the same name is there already.

So it is when a machine lost its power or its network and came back before the broker noticed, and for an instant after
every goodbye.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace

from rig.bus import topics
from rig.bus.client import BusClient, Inbox, Incoming
from rig.bus.messages import Holder, Presence
from tests.bus.rigging import QUICK, Bench, controller

Connect = Callable[..., BusClient]


def _freeze(client: BusClient) -> None:
    """Have it say nothing more, its connection open: the broker cannot tell it from one that has nothing to say."""
    client._paho._thread_terminate = True
    client._paho.publish("wake", b"", 0)  # else its thread looks for that once a second
    client._paho.loop_stop()


def _drop(client: BusClient) -> None:
    """Have the broker lose it."""
    sock = client._paho.socket()
    assert isinstance(sock, socket.socket)
    sock.shutdown(socket.SHUT_RDWR)


def _earlier_life(connect: Connect, topic: str, will: bytes, name: str) -> BusClient:
    early = connect(name)
    early.subscribe(f"{topic}/to", lambda _: None)
    early.set_will(topic, will)
    early.connect()
    _freeze(early)
    return early


def _ear(connect: Connect, topic: str, name: str) -> Inbox:
    inbox, client = Inbox(), connect(name)
    client.subscribe(topic, inbox.put)
    client.connect()
    return inbox


def _next(inbox: Inbox) -> Presence:
    """The next word of presence; what lives say to each other about their name is not for others."""
    word = Presence.decode(inbox.get(5.0).payload)
    return _next(inbox) if word.st in Presence.CLAIMS else word


def _comes_up(inbox: Inbox, boot: str) -> None:
    """A node says twice that it is there: as soon as it is connected, and when its executor works."""
    first, second = _next(inbox), _next(inbox)
    assert [(word.st, word.boot, word.seq) for word in (first, second)] == [("online", boot, 1), ("online", boot, 2)]


def test_the_next_life_hears_although_the_broker_holds_the_earlier_one(connect: Connect, bench: str) -> None:
    topic, heard = f"{bench}/state", Inbox()
    wills = _ear(connect, topic, "ear")
    early = _earlier_life(connect, topic, b"lost", "node")
    late = connect("node")
    late.subscribe(f"{topic}/to", heard.put)
    late.connect()
    speaks = connect("speaks")
    speaks.connect()
    assert speaks.publish(f"{topic}/to", b"while it is held", wait_s=5.0)
    assert heard.get(5.0) == Incoming(f"{topic}/to", b"while it is held", False)
    _drop(early)
    assert wills.get(5.0).payload == b"lost"
    assert speaks.publish(f"{topic}/to", b"after it was let go", wait_s=5.0)
    assert heard.get(5.0) == Incoming(f"{topic}/to", b"after it was let go", False)


def test_a_late_last_will_does_not_stand_over_the_next_life(connect: Connect, broker_url: str, bench: str) -> None:
    topic = topics.presence(bench, "node-0")
    early = _earlier_life(connect, topic, Presence("lost", "first").encode(), "node-0")
    words = _ear(connect, topic, "ear")
    with Bench(broker_url, bench, boot="second", tidy=False):
        _comes_up(words, "second")
        _drop(early)
        assert [(word.st, word.boot) for word in (_next(words), _next(words))] == [
            ("lost", "first"),
            ("online", "second"),
        ]
        kept = _ear(connect, topic, "comes-later").get(5.0)
        assert (kept.retained, Presence.decode(kept.payload).boot) == (True, "second")
    assert _next(words).st == "offline"


def test_a_node_that_said_goodbye_does_not_answer_to_a_late_last_will(
    connect: Connect, broker_url: str, bench: str
) -> None:
    topic = topics.presence(bench, "node-0")
    words = _ear(connect, topic, "ear")
    with Bench(broker_url, bench, boot="second", tidy=False) as rig:
        _comes_up(words, "second")
        agent = rig.agents[0]
        agent.stop()
        agent._on_presence(Incoming(topic, Presence("lost", "first").encode(), False))
        assert _next(words).st == "offline"
    assert words.get(0.0) is None


def test_a_late_last_will_does_not_say_that_nobody_holds_the_bench(
    connect: Connect, broker_url: str, bench: str
) -> None:
    topic = topics.lease(bench)
    early = _earlier_life(connect, topic, Holder("lost", "robot", 5.0).encode(), "ctl-robot")
    words = _ear(connect, topic, "ear")
    with Bench(broker_url, bench) as rig, controller(rig) as control:
        control.open(rig.nodes)
        assert Holder.decode(words.get(5.0).payload).st == "held"
        _drop(early)
        assert Holder.decode(words.get(5.0).payload).st == "lost"
        assert control.call("node-0", "ping").st == "ok"  # takes in what came before its answer
        assert Holder.decode(words.get(5.0).payload).st == "held"
    assert Holder.decode(words.get(5.0).payload).st == "free"


def test_what_was_answered_while_the_controller_was_away_is_had_by_asking_again(broker_url: str, bench: str) -> None:
    """Within one life: the broker keeps nothing for a connection that is lost, and nothing is lost by that."""
    patient = replace(QUICK, broker_grace_s=5.0)
    with Bench(broker_url, bench) as rig, controller(rig, settings=patient) as control:
        control.open(rig.nodes)
        answered, back = threading.Event(), control._client.on_link

        def cut() -> None:
            if rig.entered.wait(5.0):
                _drop(control._client)

        def link(up: bool) -> None:
            if not up:
                rig.blocker.set()
                rig.executor.post(answered.set)
                assert answered.wait(5.0), "the command did not end"
            back(up)

        control._client.on_link = link
        cutter = threading.Thread(target=cut)
        cutter.start()
        assert control.call("node-0", "block").st == "ok"
        cutter.join()
        assert answered.is_set()
        assert control._client.counters.connections == 2
        assert [verb for _, verb, _ in rig.ran] == ["block"]
        assert [event.order for event in control.call("node-0", "tick").events] == [1]
