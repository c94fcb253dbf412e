"""The executor by itself: order, repeats, leases, faults, waiting; no bus, and a clock that the test moves."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.bus.errors import BadTopic, NotConnected
from rig.bus.messages import CLAIM, REBIRTH, RELEASE, Answer, Command, Context, Event, EventBatch
from rig.node.executor import CommandError, Executor, ExecutorSettings, Handler, LeaseEnded, Refused
from rig.node.journal import Journal
from rig.ports.protocols import PortLost

SECOND = 1_000_000_000


class Node:
    """A node that keeps what it was to send, and notes what ran."""

    def __init__(self, name: str, executor: Executor) -> None:
        self.name, self.executor = name, executor
        self.said: list[Answer] = []
        self.told: list[Event] = []
        self.batches: list[int] = []
        self.ran: list[int] = []
        self.births = 0
        self.mute = False
        self.handlers: dict[str, Handler] = {"do": self.do, "emit": self.emit, "wait": self.wait, "raise": self.fail}
        self.errors: dict[str, Exception] = {}

    def do(self, args: dict[str, Any], context: Context) -> Mapping[str, Any]:
        self.ran.append(args["number"])
        return args

    def emit(self, args: dict[str, Any], context: Context) -> None:
        for _ in range(args["count"]):
            self.executor.emit(self.name, "edge", 5, args.get("fields"))

    def wait(self, args: dict[str, Any], context: Context) -> None:
        for _ in range(args["times"]):
            self.executor.service(0.0)

    def fail(self, args: dict[str, Any], context: Context) -> None:
        raise self.errors[args["error"]]

    def send_answer(self, command: Command, payload: bytes) -> None:
        if self.mute:
            raise NotConnected("broker", "gone")
        self.said.append(Answer.decode(payload))

    def send_events(self, events: Sequence[Event]) -> None:
        payload = EventBatch(self.name, "boot", tuple(events)).encode()
        self.told += EventBatch.decode(payload).events
        self.batches.append(len(events))

    def rebirth(self) -> None:
        self.births += 1


class World:
    def __init__(self, journal: Path | None = None, **settings: Any) -> None:
        self.now, self.safe, self.idled = 0, 0, 0
        self.idle_wish: float | None = None
        self.executor = Executor(
            "host",
            journal=Journal(journal),
            on_expired=self.go_safe,
            clock=lambda: self.now,
            idle=self.idle,
            boot="boot",
            settings=ExecutorSettings(**settings),
        )
        self.node, self.other = Node("one", self.executor), Node("two", self.executor)
        self.executor.add(self.node)
        self.executor.add(self.other)

    def go_safe(self) -> None:
        self.safe += 1

    def idle(self) -> float | None:
        self.idled += 1
        return self.idle_wish

    def submit(self, n: int, after: int | None = None, verb: str = "do", **more: Any) -> str:
        command_id = str(more.pop("id", f"id-{n}"))
        node = more.pop("node", self.node)
        args = more.pop("args", {"number": n})
        after = n - 1 if after is None else after
        command = Command(command_id, "re", verb, args, lease=more.pop("lease", "t"), n=n, after=after, **more)
        self.executor.submit(node, command, self.now)
        return command_id

    def claim(self, token: str = "t", holder: str = "robot", **args: Any) -> Answer:
        args = {"holder": holder, "ttl_s": 10, **args}
        self.executor.submit(self.node, Command(f"claim-{token}", "re", CLAIM, args, lease=token), self.now)
        self.work()
        return self.node.said.pop()

    def work(self) -> None:
        while self.executor.turn(0.0):
            continue

    def ask(self, n: int, verb: str, **args: Any) -> Answer:
        self.submit(n, after=0, verb=verb, args=args)
        self.work()
        return self.node.said[-1]


@pytest.fixture
def world() -> World:
    made = World()
    assert made.claim().st == "ok"
    return made


@given(st.permutations(range(1, 9)), st.randoms(use_true_random=False))
def test_whatever_the_order_of_arrival_commands_run_by_number_and_once(order: list[int], chance: random.Random) -> None:
    world = World()
    world.claim()
    for n in order:
        for _ in range(chance.randint(1, 3)):
            world.submit(n, node=chance.choice([world.node, world.other]))
        if chance.random() < 0.5:
            world.work()
    world.work()
    by_time = sorted(world.node.ran + world.other.ran)
    assert by_time == list(range(1, 9))
    assert world.node.ran == sorted(world.node.ran)
    assert world.other.ran == sorted(world.other.ran)


def test_numbers_between_two_commands_may_belong_to_other_executors(world: World) -> None:
    world.submit(7, after=3)
    world.work()
    assert world.node.ran == [], "3 is still to come"
    world.submit(3, after=0)
    world.work()
    assert world.node.ran == [3, 7]


def test_a_repeat_is_answered_again_and_not_run_again(world: World) -> None:
    for _ in range(3):
        world.submit(1)
        world.work()
    assert world.node.ran == [1]
    assert [answer.data for answer in world.node.said] == [{"number": 1}] * 3


def test_a_repeat_while_the_first_waits_gives_one_answer(world: World) -> None:
    for _ in range(3):
        world.submit(1)
    world.work()
    assert len(world.node.said) == 1


def test_a_repeat_brings_the_events_that_its_sender_has_not_seen(world: World) -> None:
    world.ask(1, "emit", count=5)
    world.node.told.clear()
    world.submit(1, verb="emit", args={"count": 5}, seen={"one": 3})
    world.work()
    assert [event.seq for event in world.node.told] == [4, 5]
    assert world.node.said[-1].watermark == {"one": 5, "two": 0}


def test_a_stale_number_under_a_new_id_is_refused(world: World) -> None:
    world.ask(5, "do", number=5)
    world.submit(4, after=0, id="late")
    world.work()
    fault = world.node.said[-1].err
    assert fault is not None
    assert (world.node.said[-1].st, fault.code, world.node.ran) == ("refused", "stale", [5])


@pytest.mark.parametrize("lease", ["", "foreign"])
def test_without_the_lease_nothing_runs(world: World, lease: str) -> None:
    world.submit(1, lease=lease)
    world.work()
    answer = world.node.said[-1]
    assert answer.err is not None
    assert (answer.st, world.node.ran) == ("busy", [])
    assert "robot" in answer.err.message
    world.submit(1)
    world.work()
    assert world.node.ran == [1], "what was answered busy was not journalled"


def test_a_command_that_waited_too_long_is_not_run(world: World) -> None:
    world.submit(1, ttl=2.0)
    world.now += 3 * SECOND
    world.work()
    world.submit(2)
    world.work()
    assert [answer.st for answer in world.node.said] == ["expired", "ok"]
    assert world.node.ran == [2]


def test_a_command_held_back_expires_too(world: World) -> None:
    world.submit(2, ttl=2.0)
    world.work()
    assert world.node.said == []
    world.now += 3 * SECOND
    world.work()
    assert [answer.st for answer in world.node.said] == ["expired"]


def test_the_lease_ends_by_itself_and_the_outputs_go_safe(world: World) -> None:
    world.now += 10 * SECOND
    assert not world.executor.turn(0.0)
    assert world.safe == 1
    world.submit(1)
    world.work()
    assert world.node.said[-1].st == "busy"


def test_a_renewal_prolongs_it_and_a_new_claim_counts_from_one_again(world: World) -> None:
    world.ask(3, "do", number=3)
    world.now += 9 * SECOND
    world.executor.renew("t", world.now)
    world.now += 9 * SECOND
    world.work()
    assert world.safe == 0
    world.now += SECOND
    assert world.claim("u", "other").st == "ok"
    assert world.safe == 1
    world.submit(1, lease="u", id="new", args={"number": 100})
    world.work()
    assert world.node.ran == [3, 100]


def test_a_claim_repeated_keeps_the_count(world: World) -> None:
    world.ask(1, "do", number=1)
    assert world.claim().st == "ok"
    world.submit(1, after=0, id="again")
    world.work()
    assert world.node.said[-1].st == "refused"


# ------------------------------------------------------------------------------------------------ what is given up


def test_a_withdrawn_command_that_waits_is_not_run_and_says_so(world: World) -> None:
    world.submit(1)
    world.executor.withdraw("t", world.submit(2))
    world.submit(3)
    world.work()
    assert world.node.ran == [1, 3]
    assert [answer.st for answer in world.node.said] == ["ok", "withdrawn", "ok"]


def test_a_withdrawal_may_overtake_its_command(world: World) -> None:
    world.executor.withdraw("t", "id-1")
    world.submit(1)
    world.submit(2)
    world.work()
    assert world.node.ran == [2]
    assert [answer.st for answer in world.node.said] == ["withdrawn", "ok"]


def test_a_withdrawn_command_that_waits_on_the_real_world_ends_at_its_next_pause(world: World) -> None:
    world.submit(1, verb="wait", args={"times": 1000})
    world.executor.post(lambda: None)
    pauses = []

    def withdraw_at_the_third(timeout_s: float, service: Any = world.executor.service) -> None:
        pauses.append(timeout_s)
        if len(pauses) == 3:
            world.executor.withdraw("t", "id-1")
        service(timeout_s)

    world.executor.service = withdraw_at_the_third  # type: ignore[method-assign]
    world.work()
    assert len(pauses) == 3
    assert [answer.st for answer in world.node.said] == ["withdrawn"]
    assert world.ask(2, "do", number=2).st == "ok"


@pytest.mark.parametrize("token", ["", "foreign"])
def test_only_who_holds_the_bench_may_withdraw(world: World, token: str) -> None:
    world.executor.withdraw(token, world.submit(1))
    world.work()
    assert world.node.ran == [1]


def test_withdrawals_of_what_never_came_are_bounded() -> None:
    world = World(withdrawn_limit=10)
    world.claim()
    for number in range(100):
        world.executor.withdraw("t", f"nothing-{number}")
    assert len(world.executor._withdrawn) == 10


# --------------------------------------------------------------------------------------------------------- looking back


def test_the_executor_knows_what_happened_since_an_event(world: World) -> None:
    world.ask(1, "emit", count=5)
    assert [event.order for event in world.executor.since(3)] == [4, 5]
    assert world.executor.since(5) == []
    assert world.executor.since(99) == []


def test_what_is_no_longer_kept_is_said_to_be_lost_and_never_taken_for_nothing() -> None:
    world = World(recall=10)
    world.claim()
    assert world.executor.since(0) == []
    world.ask(1, "emit", count=30)
    assert [event.order for event in world.executor.since(20)] == list(range(21, 31))
    with pytest.raises(CommandError, match="looks back to event 19, but only those from 21 on are kept") as caught:
        world.executor.since(19)
    assert caught.value.fault.code == "bench"


@pytest.mark.parametrize("args", [{"ttl_s": 0}, {"ttl_s": 10_000}, {"ttl_s": "x"}, {"holder": 3}])
def test_a_bad_claim_is_refused(args: dict[str, Any]) -> None:
    assert World().claim(**args).st == "refused"


def test_a_claim_while_held_and_giving_back(world: World) -> None:
    answer = world.claim("u", "other")
    assert (answer.st, answer.data["holder"]) == ("busy", "robot")
    world.executor.submit(world.node, Command("r", "re", RELEASE, lease="t"), world.now)
    world.work()
    assert world.node.said[-1].data == {"released": True}
    assert world.safe == 1
    assert world.claim("u", "other").st == "ok"


def test_a_claim_of_what_is_held_is_answered_at_once_while_a_long_command_runs(world: World) -> None:
    told: list[Answer] = []

    def claim_meanwhile(args: dict[str, Any], context: Context) -> None:
        world.executor.submit(world.node, Command("c", "re", CLAIM, {"holder": "x", "ttl_s": 5}, lease="u"), world.now)
        told.extend(world.node.said)

    world.node.handlers["long"] = claim_meanwhile
    assert world.ask(1, "long").st == "ok"
    assert [(answer.st, answer.data["holder"]) for answer in told] == [("busy", "robot")]
    assert [answer.st for answer in world.node.said] == ["busy", "ok"], "it is answered once"


def test_a_claim_that_was_given_up_before_its_turn_came_takes_nothing(world: World) -> None:
    """It waits behind a command that outlasts the lease of its sender, and whoever claimed has gone meanwhile."""
    world.now += 10 * SECOND
    late = Command("late", "re", CLAIM, {"holder": "gone", "ttl_s": 10}, lease="u", ttl=2.0)
    world.executor.submit(world.node, late, world.now)
    world.now += 3 * SECOND
    world.work()
    assert world.node.said.pop().st == "expired"
    assert world.executor.lease.holder == ""
    assert world.claim("v", "next").st == "ok"


@pytest.mark.parametrize(
    ("error", "st_", "code", "said"),
    [
        (CommandError("weld", "stuck", "look"), "error", "weld", "stuck"),
        (Refused("no", "there is none"), "refused", "no", "there is none"),
        (PortLost("relay k1", "the module is gone", "Plug it in."), "error", "bench", "relay k1"),
        (ZeroDivisionError("oops"), "error", "bench", "ZeroDivisionError: oops"),
    ],
)
def test_faults_of_handlers(world: World, error: Exception, st_: str, code: str, said: str) -> None:
    world.node.errors["x"] = error
    answer = world.ask(1, "raise", error="x")
    assert answer.err is not None
    assert (answer.st, answer.err.code) == (st_, code)
    assert said in answer.err.message
    assert world.ask(2, "do", number=2).st == "ok"


def test_a_fault_outside_of_commands_is_told_with_the_next_answer(world: World) -> None:
    world.executor.post(lambda: [][0])
    world.work()
    answer = world.ask(1, "do", number=1)
    assert answer.err is not None
    assert (answer.st, answer.err.code) == ("error", "bench")
    assert "IndexError" in answer.err.message
    assert world.ask(2, "do", number=2).st == "ok"


def test_events_are_numbered_and_go_before_the_answer_in_one_message(world: World) -> None:
    context = Context(run="r", test="t")
    world.submit(1, verb="emit", args={"count": 3}, context=context)
    world.submit(2, verb="emit", args={"count": 2}, node=world.other)
    world.work()
    assert (world.node.batches, world.other.batches) == ([3], [2])
    assert [(event.seq, event.order) for event in world.node.told] == [(1, 1), (2, 2), (3, 3)]
    assert [(event.seq, event.order) for event in world.other.told] == [(1, 4), (2, 5)]
    assert all(event.context == context for event in world.node.told)
    assert all(event.context == Context() for event in world.other.told)
    assert world.other.said[-1].watermark == {"one": 3, "two": 2}


def test_many_events_go_in_several_messages() -> None:
    world = World(batch=10)
    world.claim()
    world.ask(1, "emit", count=25)
    assert world.node.batches == [10, 10, 5]


def test_an_event_that_json_cannot_carry_leaves_no_gap(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL):
        answer = world.ask(1, "emit", count=2, fields={"octets": b"raw"})
    assert (answer.st, answer.watermark["one"]) == ("error", 2)
    assert [event.seq for event in world.node.told] == [1, 2]
    assert "raw" in world.node.told[0].fields["unreadable"]


def test_an_event_kind_that_no_topic_can_carry_is_a_fault_of_the_bench(world: World) -> None:
    with pytest.raises(BadTopic):
        world.executor.emit("one", "no/kind", 0)


def test_the_bench_clock_runs_while_there_is_nothing_else(world: World) -> None:
    before = world.idled
    world.submit(1)
    assert world.executor.turn(0.0)
    assert world.idled == before, "a command that waits goes first"
    world.idle_wish = 0.0
    assert not world.executor.turn(None), "it wants to be called again at once, so that the turn must not wait"
    assert world.idled == before + 1


def test_a_handler_that_waits_serves_the_bench_and_ends_with_the_lease(world: World) -> None:
    served: list[str] = []
    world.executor.post(lambda: served.append("edge"))
    world.submit(1, verb="wait", args={"times": 2})
    world.submit(2)
    world.executor.turn(0.0)
    world.work()
    assert served == ["edge"]
    assert world.node.ran == [2], "a command that came meanwhile is kept for later"

    def tick() -> None:
        world.now += 11 * SECOND

    world.submit(3, verb="wait", args={"times": 5})
    world.executor.post(tick)
    world.executor.turn(0.0)
    answer = world.node.said[-1]
    assert answer.err is not None
    assert (answer.st, answer.err.code, world.safe) == ("error", "lease-ended", 1)
    assert issubclass(LeaseEnded, CommandError)


def test_too_many_commands_are_dropped_and_counted() -> None:
    world = World(queue_limit=3, held_limit=1)
    for n in range(1, 6):
        world.submit(n)
    assert world.executor.dropped == 2
    world.work()
    world.claim()
    world.submit(5, after=4)
    world.submit(6, after=4)
    world.work()
    assert world.executor.dropped == 3


def test_an_answer_that_cannot_be_sent_is_there_for_the_repeat(world: World) -> None:
    world.node.mute = True
    world.submit(1)
    world.work()
    world.node.mute = False
    world.submit(1)
    world.work()
    assert (world.node.ran, world.node.said[-1].data) == ([1], {"number": 1})


def test_after_a_crash_nothing_runs_twice(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = World(path)
    first.claim()
    first.ask(1, "do", number=1)
    first.executor._journal.begin("id-2")
    first.executor._journal.close()
    again = World(path)
    again.claim()
    again.submit(1)
    again.submit(2)
    again.work()
    assert again.node.ran == []
    one, two = again.node.said
    assert (one.st, one.data) == ("ok", {"number": 1})
    assert two.err is not None
    assert (two.st, two.err.code) == ("error", "bench")
    again.executor._journal.close()


def test_a_journal_that_cannot_be_written_is_the_benchs_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path / "journal")
    world.claim()
    world.executor._journal.close()
    with caplog.at_level(logging.CRITICAL):
        answer = world.ask(1, "do", number=1)
    assert answer.err is not None
    assert (answer.st, answer.err.code, world.node.ran) == ("error", "bench", [])


def test_rebirth_needs_no_lease() -> None:
    world = World()
    world.executor.submit(world.node, Command("b", "re", REBIRTH), 0)
    world.work()
    assert (world.node.births, world.node.said[-1].st) == (1, "ok")


def test_run_ends_when_told_and_goes_safe() -> None:
    world = World()
    thread = threading.Thread(target=world.executor.run)
    thread.start()
    world.executor.stop()
    thread.join(5.0)
    assert not thread.is_alive()
    assert world.safe == 1


def test_two_nodes_of_one_name_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="'one'"):
        world.executor.add(Node("one", world.executor))
