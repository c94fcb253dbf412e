"""One name, one bench: who comes second on a broker is refused, told whose the name is, and disturbs nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from rig.bus import topics
from rig.bus.client import BusClient, Inbox
from rig.bus.errors import BenchBusy, NoAnswer
from rig.bus.messages import Presence
from rig.node import name_claim
from rig.node.name_claim import NameClaim
from tests.bus.rigging import Bench, controller

Connect = Callable[..., BusClient]


def test_a_second_bench_is_refused_and_does_not_disturb_the_first(
    connect: Connect, broker_url: str, bench: str
) -> None:
    words, ear = Inbox(), connect("ear")
    ear.subscribe(topics.presence(bench, "node-0"), words.put)
    ear.connect()
    with Bench(broker_url, bench, boot="first") as rig, controller(rig) as control:
        control.open(rig.nodes)
        second = Bench(broker_url, bench, boot="second")
        with pytest.raises(BenchBusy) as refused:
            second.agents[0].start()
        for told in ("of this name is up", "owner of first", "robot (", "until", "UTC", "--set name="):
            assert told in str(refused.value)
        assert not second.agents[0].client.connected
        assert control.call("node-0", "ping").st == "ok"
        assert second.ran == []
        late = connect("late")
        kept = Inbox()
        late.subscribe(topics.presence(bench, "node-0"), kept.put)
        late.connect()
        assert Presence.decode(kept.get(5.0).payload).boot == "first"
        second.journal.close()
    said = []
    while (item := words.get(0.0)) is not None:
        said.append(Presence.decode(item.payload) if item.payload else None)
    assert {word.st for word in said if word is not None and word.boot == "second"} == {"starting"}


def test_a_bench_that_nobody_holds_is_taken_too(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench, boot="first"):
        second = Bench(broker_url, bench, boot="second")
        with pytest.raises(BenchBusy, match="owner of first, held by nobody"):
            second.agents[0].start()
        second.journal.close()


def test_a_second_bench_carries_out_no_command_meant_for_the_first(broker_url: str, bench: str) -> None:
    """It hears commands as soon as it is connected, for they go to the name."""
    with Bench(broker_url, bench, boot="first") as rig, controller(rig) as control:
        control.open(rig.nodes)
        second = Bench(broker_url, bench, boot="second")
        second.agents[0].client.connect()
        for _ in range(3):
            assert control.call("node-0", "ping").st == "ok"
        second.agents[0].client.close()
        assert second.ran == []
        assert second.executor._waiting == set()
        second.journal.close()


def test_of_two_that_start_together_one_is_up(broker_url: str, bench: str) -> None:
    benches = [Bench(broker_url, bench, boot=boot) for boot in ("left", "right")]
    outcomes: dict[str, str] = {}
    barrier = threading.Barrier(2)

    def start(rig: Bench) -> None:
        barrier.wait()
        try:
            rig.agents[0].start()
            outcomes[rig.executor.boot] = "up"
        except BenchBusy:
            outcomes[rig.executor.boot] = "refused"

    threads = [threading.Thread(target=start, args=(rig,)) for rig in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes.values()) == ["refused", "up"]
    for rig in benches:
        rig._leave(rig.agents[0])
        rig.journal.close()


def test_a_name_is_free_again_when_its_bench_has_ended(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench, boot="first", tidy=False):
        pass
    with Bench(broker_url, bench, boot="second", settle_s=0.3) as rig, controller(rig) as control:
        control.open(rig.nodes)
        assert control.call("node-0", "ping").st == "ok"


def test_a_word_that_the_broker_keeps_of_a_dead_process_takes_no_name(
    connect: Connect, broker_url: str, bench: str
) -> None:
    dead = connect("dead")
    dead.connect()
    word = Presence("online", "dead", 1, owner="somebody long gone").encode()
    assert dead.publish(topics.presence(bench, "node-0"), word, retain=True, wait_s=5.0)
    with Bench(broker_url, bench, boot="second") as rig, controller(rig) as control:
        control.open(rig.nodes)
        assert control.call("node-0", "ping").st == "ok"


def word(st: str, boot: str, retained: bool = False) -> tuple[Presence, bool]:
    return Presence(st, boot, owner=f"{boot}'s owner"), retained


@pytest.mark.parametrize(
    ("heard", "outcome"),
    [
        ([word("starting", "me")], "ours"),
        ([word("lost", "old", retained=True), word("starting", "me")], "ours"),
        ([word("offline", "old", retained=True), word("starting", "me")], "ours"),
        ([word("starting", "me"), word("starting", "late")], "ours, and says so"),
        ([word("starting", "early"), word("starting", "me")], "early's owner"),
        ([word("online", "up"), word("starting", "me")], "up's owner"),
        ([word("starting", "me"), word("online", "up")], "up's owner"),
        ([word("starting", "me"), word("claimed", "up")], "up's owner"),
        ([word("starting", "me"), word("lost", "old")], "ours"),
        ([], "do not come back"),
    ],
)
def test_words_in_their_order_decide(heard: list[tuple[Presence, bool]], outcome: str) -> None:
    said: list[str] = []
    claim = NameClaim("bench", "node", "me", said.append)
    for one, retained in heard:
        claim.heard(one, retained)
    try:
        claim.settle(0.05, 0.0)
        told = "ours"
    except BenchBusy as problem:
        told = str(problem)
    except NoAnswer:
        told = "our words do not come back"
    assert outcome.split(", and")[0] in told
    assert ("claimed" in said) == ("says so" in outcome)


def test_whose_a_name_is_and_until_when_is_told_in_full() -> None:
    def taken(word: Presence) -> tuple[str, str, str]:
        claim = NameClaim("b", "n", "me", lambda _st: None)
        claim.heard(word, False)
        with pytest.raises(BenchBusy) as caught:
            claim.settle(5.0, 0.0)
        return caught.value.where, caught.value.problem, caught.value.advice

    advice = "Wait for its end, or give this one a name of its own: --set name=..."
    up = "a bench of this name is up on this broker, started by"
    nobody = "held by nobody at the moment, and its name taken until it ends"
    assert taken(Presence("online", "up")) == ("bench b, node n", f"{up} somebody else, {nobody}", advice)
    before = datetime.now(UTC)
    _, problem, _ = taken(Presence("online", "up", owner="me", holder="robot", ttl=3600.0))
    times = {f"{before + timedelta(seconds=3600 + late):%H:%M:%S}" for late in range(5)}
    assert problem in {
        f"{up} me, held by robot until {time} UTC, and longer while that renews its hold" for time in times
    }


def test_a_word_that_does_not_come_back_is_said_again_and_told() -> None:
    said: list[str] = []
    claim = NameClaim("b", "n", "me", said.append)
    with pytest.raises(NoAnswer) as caught:
        claim.settle(0.05, 0.0)
    assert (caught.value.where, caught.value.problem, caught.value.advice) == (
        "bench b, node n",
        "the broker does not pass on our words of presence",
        "May the node read them?",
    )
    assert said == ["starting"]
    assert (name_claim.SETTLE_S, name_claim.ANSWER_S, name_claim.AGAIN_S) == (0.3, 2.0, 1.0)
