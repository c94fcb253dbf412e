"""The executor by itself: order, repeats, leases, faults, waiting; no bus, and a clock that the test moves."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.bus.errors import BadTopic, NotConnected
from rig.bus.messages import CLAIM, REBIRTH, RELEASE, Answer, Command, Context, Event, EventBatch, Fault
from rig.node.executor import CommandError, Executor, ExecutorSettings, Handler, LeaseEnded, Refused, Withdrawn
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


# ------------------------------------------------------------------------------------------------ to the last word


def test_what_an_executor_keeps_by_default() -> None:
    told = ExecutorSettings()
    assert (told.queue_limit, told.held_limit, told.recall) == (1000, 64, 20_000)
    assert (told.withdrawn_limit, told.batch, told.longest_lease_s) == (256, 128, 120.0)
    one, other = (Executor("host", journal=Journal(None), on_expired=lambda: None) for _ in range(2))
    assert (len(one.boot), one.name, one.dropped, one.order) == (16, "host", 0, 0)
    assert one.boot != other.boot
    assert one.idle() is None
    assert not one.turn(0.0), "and a monotonic clock that runs by itself"
    assert one._recall.maxlen == 20_000


def test_what_ends_a_command_from_outside_has_its_words() -> None:
    assert LeaseEnded().fault == Fault("lease-ended", "the lease ended while the command ran", "Claim the bench again.")
    assert Withdrawn().fault == Fault("withdrawn", "the command was withdrawn by its sender", "")
    assert str(CommandError("code", "a message")) == "a message"
    assert CommandError("code", "a message").fault == Fault("code", "a message", "")


AFTER_A_SECOND = "its 2 s were over before its turn came"


def test_every_answer_in_full(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Its number, its state, the life it is of, its data or its fault, and how many events of each node came before."""

    def answered(id: str, n: int, st: str, data: dict[str, Any] | None = None, err: Fault | None = None) -> Answer:
        return Answer(id, n, st, "boot", data or {}, err, {"one": 2, "two": 0})

    world.node.errors = {
        "lost": PortLost("relay k1", "the module is gone", "Plug it in."),
        "gone": FileNotFoundError(2, "No such file or directory", "/dev/x"),
        "odd": ZeroDivisionError("oops"),
        "no": Refused("no", "there is none"),
    }
    world.ask(1, "emit", count=2)
    world.node.said.clear()
    with caplog.at_level(logging.CRITICAL):
        world.submit(3, after=1)
        for n, error in ((4, "lost"), (5, "gone"), (6, "odd"), (7, "no")):
            world.submit(n, after=3, verb="raise", args={"error": error})
        world.submit(8, after=3, verb="fly")
        world.submit(9, after=3, ttl=2.0)
        world.submit(2, after=1, id="stale")
        world.submit(10, after=3, lease="foreign")
        world.submit(11, after=3, verb="odd-data", args={})
        world.node.handlers["odd-data"] = lambda args, context: {"octets": b"raw"}
        world.executor._journal.begin("broken")
        world.submit(12, after=3, id="broken")
        world.work()
    known = "do, emit, odd-data, raise, wait"
    assert world.node.said == [
        answered("id-3", 3, "ok", {"number": 3}),
        answered("id-4", 4, "error", err=Fault("bench", "relay k1: the module is gone", "Plug it in.")),
        answered("id-5", 5, "error", err=Fault("bench", "raise: /dev/x: No such file or directory")),
        answered("id-6", 6, "error", err=Fault("bench", "raise: ZeroDivisionError: oops")),
        answered("id-7", 7, "refused", err=Fault("no", "there is none")),
        answered("id-8", 8, "refused", err=Fault("unknown-verb", "one knows no verb 'fly'", f"It knows: {known}.")),
        answered("id-9", 9, "ok", {"number": 9}),
        answered(
            "stale", 2, "refused", err=Fault("stale", "number 2 comes after 9 was decided", "Number each command once.")
        ),
        answered("id-10", 10, "busy", err=Fault("busy", "the bench is held by robot", "Claim it first.")),
        answered(
            "id-11",
            11,
            "error",
            err=Fault(
                "bench", "odd-data: answer: cannot be put into JSON: Object of type bytes is not JSON serializable."
            ),
        ),
        answered(
            "broken",
            12,
            "error",
            err=Fault(
                "bench",
                "the node broke down while it ran this command",
                "Look at the device before going on; nobody knows how far the command got.",
            ),
        ),
    ]


def test_nobody_holds_a_bench_that_nobody_claimed() -> None:
    world = World()
    world.submit(1)
    world.work()
    assert world.node.said[0].err == Fault("busy", "the bench is held by nobody", "Claim it first.")
    world.node.handlers.clear()
    world.claim()
    world.submit(1)
    world.work()
    assert world.node.said[-1].err == Fault("unknown-verb", "one knows no verb 'do'", "It knows: none.")


@pytest.mark.parametrize("after", [0, 1], ids=["queued", "held back"])
@pytest.mark.parametrize(("late_ns", "st_"), [(0, "ok"), (1, "expired")])
def test_a_command_lives_to_the_last_nanosecond_of_its_time(world: World, after: int, late_ns: int, st_: str) -> None:
    """2 s, counted from its arrival; one that is held back for another (2, for 1) is run when that has come."""
    world.now = 5 * SECOND
    world.executor.renew("t", world.now)
    world.submit(2, after=after, ttl=2.0)
    if after:
        world.work()
        world.submit(1, after=0, ttl=9.0)
    world.now += 2 * SECOND + late_ns
    world.work()
    told = next(answer for answer in world.node.said if answer.n == 2)
    assert told.st == st_
    assert told.err == (None if st_ == "ok" else Fault("expired", AFTER_A_SECOND, "Is the node overloaded?"))


@pytest.mark.parametrize(
    ("args", "lease", "st_"),
    [
        ({"ttl_s": 120}, "t", "ok"),
        ({"ttl_s": 120.5}, "t", "refused"),
        ({"ttl_s": 0.5}, "t", "ok"),
        ({"ttl_s": 0}, "t", "refused"),
        ({"ttl_s": None}, "t", "refused"),
        ({"holder": None}, "t", "refused"),
        ({}, "", "refused"),
    ],
)
def test_what_a_claim_needs(args: dict[str, Any], lease: str, st_: str) -> None:
    world = World()
    told = world.claim(lease, **args)
    asked = {"holder": "robot", "ttl_s": 10, **args}
    fault = Fault("bad-claim", "a claim needs a token, a holder, and ttl_s of at most 120")
    assert (told.st, told.data, told.err) == ((st_, asked, None) if st_ == "ok" else (st_, {}, fault))
    assert world.executor.lease.holder == ("robot" if st_ == "ok" else "")
    assert world.executor.lease.remaining_s() == (args.get("ttl_s", 10) if st_ == "ok" else None)


def test_a_claim_counts_from_its_arrival(world: World) -> None:
    world.executor.submit(world.node, Command("c", "re", CLAIM, {"holder": "r", "ttl_s": 10}, lease="t"), world.now)
    world.now += 4 * SECOND
    world.work()
    assert world.executor.lease.remaining_s() == 6
    assert world.executor.now_ns() == 4 * SECOND


def test_a_claim_of_what_is_held_is_told_by_whom_and_for_how_long(world: World) -> None:
    world.now += 4 * SECOND
    fault = Fault("busy", "the bench is held by 'robot' for 6.0 s more", "Wait, or end the other run.")
    assert world.claim("u", "other") == Answer(
        "claim-u", 0, "busy", "boot", {"holder": "robot", "remaining_s": 6.0}, fault, {}
    )
    world.executor.submit(world.node, Command("r", "re", RELEASE, lease="u"), world.now)
    world.work()
    assert world.node.said[-1].data == {"released": False}
    assert (world.executor.lease.holder, world.safe) == ("robot", 0)


def test_of_two_claims_that_wait_the_second_is_told_who_was_first() -> None:
    """Both came while nobody held the bench, so that neither was answered at once."""
    world = World()
    for token in ("t", "u"):
        claim = Command(f"claim-{token}", "re", CLAIM, {"holder": f"holder-{token}", "ttl_s": 10}, lease=token)
        world.executor.submit(world.node, claim, 0)
    world.work()
    first, second = world.node.said
    assert (first.st, second.st, second.data) == ("ok", "busy", {"holder": "holder-t", "remaining_s": 10.0})


def test_a_lease_that_ends_lets_what_was_held_back_for_it_go(world: World) -> None:
    world.submit(2, ttl=600.0)
    world.work()
    world.executor.lease.release("t")
    assert world.executor._held_for_s() is None
    world.claim("u")
    world.submit(2, after=0, lease="u")
    world.work()
    assert world.node.ran == [2], "its id is not taken for one that waits"


def test_what_is_held_back_is_bounded_and_kept_once(world: World) -> None:
    world = World(held_limit=2)
    world.claim()
    for n, id_ in ((2, "a"), (2, "b"), (3, "c"), (4, "d")):
        world.submit(n, after=1, id=id_)
        world.work()
    assert world.executor.dropped == 2, "the second of one number, and the third"
    world.submit(1)
    world.work()
    world.submit(4, after=1, id="d")
    world.work()
    assert world.node.ran == [1, 2, 3, 4], "one that was dropped may be sent again"


def test_withdrawals_that_are_forgotten_are_the_oldest() -> None:
    world = World(withdrawn_limit=2)
    world.claim()
    for number in (1, 2, 3):
        world.executor.withdraw("t", f"id-{number}")
    world.executor.withdraw("t", "")
    for number in (1, 2, 3):
        world.submit(number)
    world.work()
    assert world.node.ran == [1]


@pytest.mark.parametrize(
    ("asked", "idle", "lease", "held", "waits"),
    [
        (None, None, False, False, None),
        (30.0, None, False, False, 30.0),
        (30.0, 20.0, False, False, 20.0),
        (30.0, 20.0, True, False, 10.0),
        (30.0, 20.0, True, True, 2.5),
        (1.0, 20.0, True, True, 1.0),
    ],
)
def test_a_turn_waits_for_whatever_comes_first(
    asked: float | None, idle: float | None, lease: bool, held: bool, waits: float | None
) -> None:
    world = World()
    if lease:
        world.claim()
    if held:
        world.submit(5, after=4, ttl=3.0)
        world.submit(7, after=4, ttl=8.0)
        world.work()
        world.now += SECOND // 2
        world.executor.renew("t", world.now)
    world.idle_wish = idle
    waited: list[float | None] = []
    world.executor._take = waited.append  # type: ignore[assignment,method-assign]
    assert not world.executor.turn(asked)
    assert waited == [0.0, waits]


def test_a_handler_that_waits_does_so_no_longer_than_its_lease(world: World) -> None:
    waited: list[float | None] = []

    def wait(args: dict[str, Any], context: Context) -> None:
        world.executor.emit("one", "edge", 0)
        world.executor._take = waited.append  # type: ignore[assignment,method-assign]
        world.executor.service(3.0)
        assert len(world.node.told) == 1, "what happened is sent before"
        world.executor.service(30.0)
        del world.executor._take

    world.node.handlers["long"] = wait
    assert world.ask(1, "long").err is None
    assert waited == [3.0, 10.0]


def test_what_is_posted_while_a_handler_waits_may_fail_and_is_told(world: World) -> None:
    def broken(number: int) -> None:
        raise OSError(5, f"broken {number}", "/dev/x")

    def post(args: dict[str, Any], context: Context) -> None:
        for number in range(4):
            world.executor.post(partial(broken, number))
            world.executor.service(0.0)

    world.node.handlers["long"] = post
    told = "; ".join(f"posted call: /dev/x: broken {number}" for number in range(3))
    assert world.ask(1, "long").err == Fault("bench", told, "See the log of the bench.")
    assert world.ask(2, "do", number=2).st == "ok"


def test_a_bench_clock_that_fails_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.executor.idle = lambda: 1 // 0
    with caplog.at_level(logging.CRITICAL):
        assert not world.executor.turn(0.0)
    world.executor.idle = lambda: None
    told = "bench clock: ZeroDivisionError: integer division or modulo by zero"
    assert world.ask(1, "do", number=1).err == Fault("bench", told, "See the log of the bench.")


def test_what_happens_between_commands_is_sent_at_once_and_belongs_to_none(world: World) -> None:
    world.submit(1, verb="emit", args={"count": 1}, context=Context(test="t"))
    world.work()

    def idle() -> float | None:
        world.executor.emit("two", "edge", 7)
        return None

    world.executor.idle = idle
    world.executor.turn(0.0)
    world.executor.idle = lambda: None
    assert world.other.told == [Event(1, 2, "boot", "two", "edge", 7, {}, Context())]
    assert (world.executor.order, world.executor.watermark()) == (2, {"one": 1, "two": 1})


def test_a_full_batch_is_sent_at_once_and_events_of_two_nodes_apart() -> None:
    world = World(batch=3)
    for node in ("one", "two", "one"):
        assert world.node.batches == []
        world.executor.emit(node, "edge", 0)
    assert (world.node.batches, world.other.batches) == ([2], [1])
    assert [event.seq for event in world.node.told] == [1, 2]


def test_looking_back_too_far_says_what_to_do(world: World) -> None:
    world = World(recall=2)
    world.claim()
    world.ask(1, "emit", count=4)
    with pytest.raises(CommandError) as caught:
        world.executor.since(1)
    assert caught.value.fault == Fault(
        "bench",
        "a wait looks back to event 1, but only those from 3 on are kept",
        "Wait in shorter steps, so that fewer events lie between what the test does and what it waits for.",
    )


def test_an_event_that_json_cannot_carry_is_told_by_its_node_and_shown_shortened(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL):
        answer = world.ask(1, "emit", count=1, fields={"octets": b"x" * 5000})
    assert world.node.told[0].fields["unreadable"] == repr({"octets": b"x" * 5000})[:1000]
    assert answer.err is not None
    assert answer.err.message.startswith("one: events: cannot be put into JSON: ")


def test_a_journal_that_fails_is_told_with_its_advice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path / "journal")
    world.claim()
    journal = world.executor._journal
    world.node.handlers["close"] = lambda args, context: journal.close()
    advice = "Give the node a folder it may write to, with room left."
    fault = Fault("bench", f"journal {tmp_path / 'journal'}: it is closed. {advice}", advice)
    with caplog.at_level(logging.CRITICAL):
        assert world.ask(1, "close") == Answer("id-1", 1, "error", "boot", {}, fault, {"one": 0, "two": 0})
        assert world.ask(2, "do", number=2).err == fault
    assert world.node.ran == []


def test_safety_that_fails_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise ValueError("stuck")

    world.executor._on_expired = broken
    with caplog.at_level(logging.CRITICAL):
        world.executor.lease.release("t")
    world.executor._on_expired = world.go_safe
    world.claim()
    assert world.ask(1, "do", number=1).err == Fault(
        "bench", "going safe: ValueError: stuck", "See the log of the bench."
    )
