"""Commands over a real broker: order, loss, repeats, leases, and a bench that dies."""

from __future__ import annotations

import random
import signal
import socket
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from rig.bus.broker import EmbeddedBroker
from rig.bus.client import BusClient, Incoming
from rig.bus.controller import Controller
from rig.bus.errors import BenchBusy, BenchDied, BenchFault, BrokerGone, LeaseLost, NoAnswer, NotConnected
from rig.bus.messages import Context, Event
from tests.bus.rigging import EAGER, QUICK, Bench, controller


def test_a_command_is_answered_with_everything_that_happened_before_it(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench, 3) as rig, controller(rig) as control:
        control.open(rig.nodes)
        context = Context(run="r1", test="contactor", step="open")
        answer = control.call("node-1", "tick", {}, context=context)
        assert (answer.st, answer.data) == ("ok", {"now": 1000})
        assert [event.order for event in answer.events] == [1, 2, 3]
        assert {event.node for event in answer.events} == set(rig.nodes)
        assert all(event.context == context and event.at_ns == 1000 for event in answer.events)
        assert control.call("node-2", "ping", {"a": 1}).events == ()
        assert control.caps("node-0").caps == {"relays": 1}
        assert "ping" in control.caps("node-0").verbs


def _sequence(url: str, bench: str, seed: int) -> tuple[list[tuple[int, str, str, int]], Counter[tuple[str, int]]]:
    """One run with every callback delayed and a fifth of commands and answers lost; what was seen, what was run."""
    chance = random.Random(seed)

    def drop(topic: str) -> bool:
        return ("/cmd/" in topic or "/re/" in topic) and chance.random() < 0.2

    def jitter() -> float:
        return chance.random() * 0.002

    seen: list[Event] = []
    with (
        Bench(url, bench, 6, jitter=jitter, drop=drop) as rig,
        controller(rig, settings=EAGER, jitter=jitter, drop=drop) as control,
    ):
        control.open(rig.nodes)
        for number in range(10):
            seen += control.call(f"node-{number % 6}", "tick" if number % 3 else "ping", {"number": number}).events
    return [(e.order, e.node, e.kind, e.at_ns) for e in seen], Counter((verb, a["number"]) for _, verb, a in rig.ran)


def test_runs_with_jitter_and_loss_give_equal_sequences(broker_url: str, bench: str) -> None:
    runs = [_sequence(broker_url, f"{bench}-{seed}", seed) for seed in range(6)]
    sequences = [sequence for sequence, _ in runs]
    assert len(sequences[0]) == 6 * 6
    assert [order for order, *_ in sequences[0]] == list(range(1, 6 * 6 + 1))
    assert all(sequence == sequences[0] for sequence in sequences)
    assert all(set(ran.values()) == {1} and len(ran) == 10 for _, ran in runs), "a command was not run exactly once"


def test_lost_events_are_asked_for_again(broker_url: str, bench: str) -> None:
    chance = random.Random(5)
    with (
        Bench(broker_url, bench, 3) as rig,
        controller(rig, settings=EAGER, drop=lambda topic: "/evt/" in topic and chance.random() < 0.5) as control,
    ):
        control.open(rig.nodes)
        orders = [event.order for _ in range(10) for event in control.call("node-0", "tick").events]
        assert orders == list(range(1, 31))
        assert len(rig.ran) == 10


def test_events_that_never_come_are_the_benchs_fault(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench, 2) as rig, controller(rig, drop=lambda topic: "node-1/evt/" in topic) as control:
        control.open(rig.nodes)
        with pytest.raises(NoAnswer, match=r"1 to 1 of node-1"):
            control.call("node-0", "tick", timeout_s=0.5)
        assert len(rig.ran) == 1


@pytest.mark.parametrize(
    ("verb", "st", "code"),
    [("fail", "error", "weld"), ("refuse", "refused", "no-lamp"), ("no-such", "refused", "unknown-verb")],
)
def test_faults_come_with_code_message_and_advice(broker_url: str, bench: str, verb: str, st: str, code: str) -> None:
    with Bench(broker_url, bench) as rig, controller(rig) as control:
        control.open(rig.nodes)
        answer = control.call("node-0", verb)
        assert answer.err is not None
        assert (answer.st, answer.err.code) == (st, code)
        assert answer.err.message
        assert answer.err.advice
        assert control.call("node-0", "ping").st == "ok"


@pytest.mark.parametrize("verb", ["break", "odd"])
def test_a_bug_in_a_handler_is_the_benchs_fault_and_the_bench_lives_on(broker_url: str, bench: str, verb: str) -> None:
    with Bench(broker_url, bench) as rig, controller(rig) as control:
        control.open(rig.nodes)
        with pytest.raises(BenchFault, match=verb):
            control.call("node-0", verb)
        assert control.call("node-0", "ping").st == "ok"


def test_a_bench_has_one_holder(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench) as rig:
        with controller(rig, "first") as first:
            first.open(rig.nodes)
            with controller(rig, "second") as second, pytest.raises(BenchBusy, match="first"):
                second.open(rig.nodes)
            assert first.call("node-0", "ping").st == "ok"
            assert not rig.safe.is_set()
        assert rig.safe.wait(2.0), "the outputs were not made safe when the lease was given back"
        with controller(rig, "third") as third:
            third.open(rig.nodes)
            assert third.call("node-0", "ping").st == "ok"


def test_a_controller_that_lost_its_lease_is_told(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench) as rig, controller(rig) as control:
        control.open(rig.nodes)
        token = control._token
        assert rig.executor.lease.release(token)
        rig.executor.lease.claim("somebody else", "another", 60)  # so that a claim that was sent twice takes none back
        with pytest.raises(LeaseLost):
            control.call("node-0", "ping")
        assert rig.ran == []


def test_a_call_given_up_does_not_hold_up_the_next(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench) as rig, controller(rig) as control:
        control.open(rig.nodes)
        with pytest.raises(NoAnswer, match="no answer in time"):
            control.call("node-0", "block", timeout_s=0.3)
        rig.blocker.set()
        assert control.call("node-0", "ping").st == "ok"
        assert [verb for _, verb, _ in rig.ran] == ["block", "ping"]


def test_a_call_given_up_is_withdrawn_and_holds_up_nobody(broker_url: str, bench: str) -> None:
    """The node would wait for minutes; the next call has a second."""
    with Bench(broker_url, bench) as rig, controller(rig) as control:
        control.open(rig.nodes)
        with pytest.raises(NoAnswer, match="no answer in time"):
            control.call("node-0", "pass", timeout_s=0.3)
        assert control.call("node-0", "ping", timeout_s=1.0).st == "ok"
        assert [verb for _, verb, _ in rig.ran] == ["pass", "ping"]


def test_a_command_that_never_arrived_does_not_hold_up_the_next(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench, drop=lambda topic: topic.endswith("/cmd/tick")) as rig, controller(rig) as control:
        control.open(rig.nodes)
        with pytest.raises(NoAnswer):
            control.call("node-0", "tick", timeout_s=0.1)
        assert control.call("node-0", "ping").st == "ok"
        assert [verb for _, verb, _ in rig.ran] == ["ping"]


def test_one_count_over_several_executors(broker_url: str, bench: str) -> None:
    with (
        Bench(broker_url, bench, 2, prefix="left") as left,
        Bench(broker_url, bench, 2, prefix="right") as right,
        controller(left) as control,
    ):
        control.open([*left.nodes, *right.nodes])
        numbers = []
        for node in ("left-0", "right-1", "right-0", "left-1", "left-0"):
            answer = control.call(node, "tick", {"nodes": 1})
            numbers.append(answer.n)
            assert [event.node.split("-")[0] for event in answer.events] == [node.split("-")[0]]
        assert numbers == [1, 2, 3, 4, 5]
        right.executor.post(lambda: right.do_tick({}) and None)  # type: ignore[arg-type]
        control.call("left-0", "ping")
        assert len(control.call("right-0", "ping").events) == 2, "what happened there comes with its next answer"
    assert left.safe.is_set()
    assert right.safe.is_set()


class _Interrupted(Exception):
    """What a time-out of the caller raises in the midst of a call."""


def _alarm_when(entered: threading.Event, thread: int) -> None:
    if entered.wait(5.0):
        signal.pthread_kill(thread, signal.SIGALRM)


def test_a_caller_that_is_interrupted_can_go_on(broker_url: str, bench: str) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise _Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Bench(broker_url, bench) as rig, controller(rig) as control:
            control.open(rig.nodes)
            control.call("node-0", "tick")
            watcher = threading.Thread(target=_alarm_when, args=(rig.entered, threading.get_ident()))
            watcher.start()
            with pytest.raises(_Interrupted):
                control.call("node-0", "block")
            watcher.join()
            rig.blocker.set()
            answer = control.call("node-0", "tick")
            assert [event.order for event in answer.events] == [2]
            assert [verb for _, verb, _ in rig.ran] == ["tick", "block", "tick"]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_what_an_interrupted_caller_waited_for_stops_at_once(broker_url: str, bench: str) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise _Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Bench(broker_url, bench) as rig, controller(rig) as control:
            control.open(rig.nodes)
            watcher = threading.Thread(target=_alarm_when, args=(rig.entered, threading.get_ident()))
            watcher.start()
            with pytest.raises(_Interrupted):
                control.call("node-0", "pass", timeout_s=60.0)
            watcher.join()
            assert control.call("node-0", "ping", timeout_s=2.0).st == "ok"
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_node_that_is_not_there_is_named(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench) as rig, controller(rig) as control:
        with pytest.raises(NoAnswer, match="node-7"):
            control.open(["node-0", "node-7"], timeout_s=0.5)
        with pytest.raises(NotConnected):
            control.call("node-7", "ping")


def test_a_bench_that_dies_in_mid_call_is_no_device_failure(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench) as rig, controller(rig) as control:
        control.open(rig.nodes)
        rig.executor.post(lambda: _cut(rig.agents[0].client))
        with pytest.raises(BenchDied, match="lost"):
            control.call("node-0", "block", timeout_s=5.0)


def _cut(client: BusClient) -> None:
    """Lose the connection without a word and for good, as a dead process does: the broker speaks the last will."""
    client._paho.reconnect = lambda: (_ for _ in ()).throw(OSError())  # type: ignore[method-assign]
    sock = client._paho.socket()
    assert isinstance(sock, socket.socket)
    sock.shutdown(socket.SHUT_RDWR)


def test_a_bench_started_anew_in_mid_call_is_no_device_failure(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench, boot="first") as rig, controller(rig) as control:
        control.open(rig.nodes)
        rig.executor.post(lambda: _cut(rig.agents[0].client))
        with Bench(broker_url, bench, boot="second"), pytest.raises(BenchDied):
            control.call("node-0", "block", timeout_s=5.0)


def test_a_repeat_is_answered_from_the_journal_after_a_restart(broker_url: str, bench: str, tmp_path: Path) -> None:
    path, lossy = tmp_path / "journal", threading.Event()
    with (
        Bench(broker_url, bench, journal=path, boot="first", drop=None) as rig,
        controller(rig, drop=lambda topic: "/re/" in topic and lossy.is_set()) as control,
    ):
        control.open(rig.nodes)
        lossy.set()
        with pytest.raises(NoAnswer):
            control.call("node-0", "ping", {"once": True}, timeout_s=0.3)
        asked = control._awaited
        lossy.clear()
    heard: list[Incoming] = []
    with Bench(broker_url, bench, journal=path, boot="second") as again, controller(again, "other") as control:
        control._client.subscribe(f"rig/1/{bench}/+/re/robot/+", heard.append)
        control.open(again.nodes)
        command = control._command("node-0", "ping", {"once": True}, 5.0, {"n": 1})
        reply = f"rig/1/{bench}/node-0/re/robot/{asked}"
        control._send("node-0", replace(command, id=asked, re=reply))
        assert control.call("node-0", "tick").st == "ok"
        assert [verb for _, verb, _ in again.ran] == ["tick"]
    assert [b'"once":true' in one.payload and b'"boot":"first"' in one.payload for one in heard] == [True]


def test_what_a_controller_could_not_give_back_is_given_back_by_the_next(broker_url: str, bench: str) -> None:
    """It is cut off while its command runs, and its lease has 5 s to go; the next has a second."""
    with Bench(broker_url, bench) as rig:
        with controller(rig) as first:
            first.open(rig.nodes)
            cutter = threading.Thread(target=_cut_when, args=(rig, first._client))
            cutter.start()
            with pytest.raises(BrokerGone):
                first.call("node-0", "pass", timeout_s=60.0)
            cutter.join()
        owed = [first.owes]
        client = BusClient(broker_url, f"{bench}-ctl-robot")
        with Controller(client, bench, "robot", QUICK, earlier=[first]) as second:
            second.open(rig.nodes, timeout_s=1.0)
            owed.append(first.owes)
            assert second.call("node-0", "ping", timeout_s=1.0).st == "ok"
        assert (owed, second.owes) == ([True, False], False)
        assert [verb for _, verb, _ in rig.ran] == ["pass", "ping"]


def test_who_claims_what_somebody_uses_is_told_at_once_by_whom(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench) as rig, controller(rig, "first") as first:
        first.open(rig.nodes)
        told: list[str] = []
        watcher = threading.Thread(target=_claim_when, args=(rig, told))
        watcher.start()
        with pytest.raises(NoAnswer):
            first.call("node-0", "pass", timeout_s=2.0)
        watcher.join()
    assert len(told) == 1
    assert "first" in told[0]


def _cut_when(rig: Bench, client: BusClient) -> None:
    rig.entered.wait(5.0)
    _cut(client)


def _claim_when(rig: Bench, told: list[str]) -> None:
    rig.entered.wait(5.0)
    with controller(rig, "second") as second, pytest.raises(BenchBusy) as refused:
        second.open(rig.nodes, timeout_s=1.0)
    told.append(str(refused.value))


def test_a_broker_that_dies_is_told_within_the_time_out(bench: str) -> None:
    with EmbeddedBroker() as broker, Bench(broker.url, bench) as rig, controller(rig) as control:
        control.open(rig.nodes)
        rig.executor.post(broker.kill)
        with pytest.raises(BrokerGone):
            control.call("node-0", "block", timeout_s=5.0)
        with pytest.raises(BrokerGone):
            control.call("node-0", "ping", timeout_s=5.0)


def test_the_lease_is_renewed_while_the_caller_does_nothing(broker_url: str, bench: str) -> None:
    clock, renewals, enough = [0], [0], threading.Event()
    with (
        Bench(broker_url, bench, clock=lambda: clock[0]) as rig,
        controller(rig, settings=replace(QUICK, lease_s=0.15)) as control,
    ):
        renew = rig.executor.renew

        def note(token: str, arrived_ns: int) -> None:
            renew(token, arrived_ns)
            clock[0] += 100_000_000  # two thirds of the lease until the next
            renewals[0] += 1
            if renewals[0] == 5:
                enough.set()

        rig.executor.renew = note  # type: ignore[method-assign]
        control.open(rig.nodes)
        assert enough.wait(5.0)
        assert control.call("node-0", "ping").st == "ok"
        assert not rig.safe.is_set()


def test_a_controller_that_is_killed_loses_the_lease_and_the_outputs_go_safe(broker_url: str, bench: str) -> None:
    with Bench(broker_url, bench) as rig:
        control: Controller = controller(rig, settings=replace(QUICK, lease_s=0.3))
        try:
            control.open(rig.nodes)
            _cut(control._client)
            assert rig.safe.wait(3.0)
        finally:
            control._leases = ()
            control.close()
