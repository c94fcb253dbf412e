"""The controller's end: the lease, the numbers, and waiting until an answer and everything before it has been seen.

architecture.md, 'Order': one lease, one counter, one executor, one watermark.  Everything but sending and renewing runs
on the caller's thread, so a caller that is interrupted (Robot's timeout, Ctrl-C) leaves nothing half done: its command
is withdrawn, and the next call simply goes on after the last command that was answered.

Must not live here: what a verb does, verdicts, MQTT.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from rig.bus import topics
from rig.bus.client import BusClient, Inbox, Incoming
from rig.bus.errors import (
    BenchBusy,
    BenchDied,
    BenchFault,
    BrokerGone,
    BusError,
    InfraError,
    LeaseLost,
    NoAnswer,
    NotConnected,
)
from rig.bus.messages import (
    BENCH,
    CLAIM,
    REBIRTH,
    RELEASE,
    RENEW,
    WITHDRAW,
    Answer,
    Caps,
    Command,
    Context,
    Event,
    EventBatch,
    Holder,
    Presence,
)
from rig.bus.who import who

__all__ = ["Controller", "ControllerSettings"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    lease_s: float = 10.0  # how long a bench stays armed after its controller is gone; renewed at a third of it
    attempt_s: float = 0.5  # facts/mqtt.md 6: 0.5 to 1 s until a command is sent again ...
    attempt_most_s: float = 4.0  # ... doubling up to this, so that a long command is not asked for all the time
    broker_grace_s: float = 2.0  # a connection that is lost for longer fails the call
    lost_grace_s: float = 1.0  # so long a node may be lost to the broker and come back in the same life
    goodbye_s: float = 1.0  # how long closing waits for each executor to take the lease back
    early_limit: int = 100_000  # events of one node kept while an earlier one is missing


@dataclass(slots=True)
class _Node:
    """What is known of a node.  ``boot`` is settled by the claim; before it, the last presence says it."""

    boot: str = ""
    st: str = ""
    said: int = 0
    claimed: bool = False
    lost_at: float | None = None
    dead: str = ""
    caps: Caps | None = None


@dataclass(slots=True)
class _Stream:
    """The events of one node: ``seen`` is the last number without a gap, ``kept`` what was not handed out yet."""

    boot: str
    seen: int | None = None
    kept: dict[int, Event] = field(default_factory=dict)

    def start(self, mark: int) -> None:
        """Everything up to ``mark`` happened before our time."""
        self.seen = mark
        self.kept = {seq: event for seq, event in self.kept.items() if seq > mark}
        self._advance()

    def take_in(self, event: Event, limit: int) -> None:
        if event.seq > (self.seen or 0) and len(self.kept) < limit:
            self.kept[event.seq] = event
            self._advance()

    def _advance(self) -> None:
        while self.seen is not None and self.seen + 1 in self.kept:
            self.seen += 1


class _Mouth:
    """Sends what the caller hands over, and the renewals of the lease, on a thread of its own: a caller that is
    interrupted can't leave the MQTT library half way through something."""

    def __init__(self, client: BusClient, every_s: float, renew: Callable[[], None]) -> None:
        self._client, self._every_s, self._renew = client, every_s, renew
        self._outbox = Inbox()
        self._thread = threading.Thread(target=self._run, name=f"{client.client_id}-mouth", daemon=True)
        self._thread.start()

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._outbox.put((topic, payload, retain))

    def close(self) -> None:
        self._outbox.put("end")
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic() + self._every_s
        while (item := self._outbox.get(max(0.0, due - time.monotonic()))) != "end":
            try:
                if item is not None:
                    topic, payload, retain = item
                    self._client.publish(topic, payload, retain=retain)
                if time.monotonic() >= due:
                    due = time.monotonic() + self._every_s
                    self._renew()
            except BusError as problem:  # the caller notices by the missing answer
                log.warning("not sent: %s", problem)


class Controller:
    """Commands the nodes of ``bench`` under ``name``, over ``client``, which must be new (not connected yet).

    ``with Controller(client, "bench", "robot") as c: c.open(["node"]); c.call("node", "verb", {...})``.
    ``earlier``: controllers of this process that are closed; what they could not say any more is said for them.
    Use it from one thread.  Everything that goes wrong with the bench is an :class:`~rig.bus.errors.InfraError`.
    """

    def __init__(
        self,
        client: BusClient,
        bench: str,
        name: str,
        settings: ControllerSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        earlier: Sequence[Controller] = (),
    ) -> None:
        self.bench, self.name = topics.check_id("bench", bench), topics.check_id("controller", name)
        self._client, self._clock = client, clock
        self._settings = settings or ControllerSettings()
        self._token = uuid.uuid4().hex
        self._inbox = Inbox()
        self._nodes: dict[str, _Node] = {}
        self._streams: dict[str, _Stream] = {}
        self._n = 0
        self._after: dict[str, int] = {}
        self._leases: tuple[str, ...] = ()
        self._earlier = earlier
        self._owed: set[str] = set()
        self._unwanted = ""
        self._awaited = ""
        self._answer: Answer | None = None
        self._down_since: float | None = None
        self._mouth: _Mouth | None = None
        self.bad_messages = 0
        """Messages from the bus that could not be read."""
        for pattern in (topics.answers(bench, name), topics.events(bench), topics.presence(bench, topics.ANY)):
            client.subscribe(pattern, self._inbox.put)
        client.subscribe(topics.caps(bench, topics.ANY), self._inbox.put)
        client.subscribe(topics.lease(bench), self._inbox.put)
        client.set_will(topics.lease(bench), Holder("lost", name, self._settings.lease_s).encode())
        client.on_link = self._inbox.put

    # ------------------------------------------------------------------------------------------------- for the user

    def open(self, nodes: Sequence[str], timeout_s: float = 10.0) -> None:
        """Connect, wait until all ``nodes`` are there, and take the lease of every executor that they run in.

        Raises :class:`BrokerGone`, :class:`AccessRefused`, :class:`NoAnswer` (a node is not there), or
        :class:`BenchBusy` (somebody else holds the bench; the text names him); the controller is closed then.
        """
        deadline, opened = self._clock() + timeout_s, False
        try:
            self._client.connect(timeout_s)
            self._mouth = _Mouth(self._client, self._settings.lease_s / 3, self._renew)
            self._gather(nodes, deadline)
            for controller in self._earlier:
                self._settle(controller, deadline)
            for node in nodes:
                if not self._nodes[node].claimed:
                    self._claim(node, deadline)
            self._client.publish(topics.lease(self.bench), self._holder("held"), retain=True)
            opened = True
        finally:
            if not opened:
                self.close()

    def call(
        self,
        node: str,
        verb: str,
        args: Mapping[str, Any] | None = None,
        timeout_s: float = 10.0,
        context: Context | None = None,
    ) -> Answer:
        """Have ``node`` carry out ``verb``; returns when the answer and all events before it have been seen.

        The answer's ``st`` is ok, error or refused; its ``events`` are those of the node's executor since the last
        answer from it, in the order in which they happened.  Raises an :class:`InfraError` where the bench failed:
        :class:`NoAnswer`, :class:`BenchDied`, :class:`BrokerGone`, :class:`LeaseLost`, :class:`BenchFault`.
        A call that ends without an answer, for whatever reason, withdraws its command: the next finds the bench free.
        """
        known = self._nodes.get(node)
        if known is None or not known.claimed:
            raise NotConnected(
                f"node {node!r}", "is not among the nodes that were opened", "Name it in the bench file."
            )
        self._pump()
        self._n += 1
        order = {"n": self._n, "after": self._after.get(known.boot, 0), "context": context or Context()}
        self._awaited = ""
        try:
            answer = self._request(node, verb, args or {}, self._clock() + timeout_s, timeout_s, order)
        except BaseException:  # whatever a signal handler raised, too
            self._withdraw(node)
            raise
        if answer.st == "busy":
            raise LeaseLost(f"{node} {verb}", answer.err.message if answer.err else "the lease is gone", _AGAIN)
        self._after[known.boot] = answer.n
        if answer.st in ("expired", "withdrawn"):
            raise NoAnswer(f"{node} {verb}", answer.err.message if answer.err else answer.st, "Allow it more time.")
        if answer.err is not None and answer.err.code == BENCH:
            raise BenchFault(f"{node} {verb}", answer.err.message, answer.err.advice)
        return answer.with_events(self._collect(answer))

    def drain(self) -> list[Event]:
        """The events that came in and belong to no answer yet, sorted by (at_ns, node, seq).  Does not wait."""
        self._pump()
        found: list[Event] = []
        for stream in self._streams.values():
            seen = stream.seen or 0
            found += [stream.kept.pop(seq) for seq in sorted(stream.kept) if seq <= seen]
        return sorted(found, key=lambda event: (event.at_ns, event.node, event.seq))

    def caps(self, node: str) -> Caps:
        """What ``node`` declared that it can do."""
        found = self._nodes.get(node, _Node()).caps
        if found is None:
            raise NotConnected(f"node {node!r}", "has not declared what it can do")
        return found

    @property
    def owes(self) -> bool:
        """Whether an executor may hold us for its controller, for all that we could say."""
        return bool(self._owed)

    def close(self) -> None:
        """Give the lease back and disconnect.  Never raises for a bench that is gone."""
        if self._mouth is None:
            self._client.close()
            return
        leases, self._leases, wait_s = self._leases, (), self._settings.goodbye_s
        try:
            for node in leases:
                self._request(node, RELEASE, {}, self._clock() + wait_s, wait_s, {})
                self._owed.discard(node)
            if leases:
                self._client.publish(topics.lease(self.bench), self._holder("free"), retain=True, wait_s=wait_s)
        except InfraError as problem:
            log.warning("the lease was not given back: %s", problem)
        finally:
            self._mouth.close()
            self._mouth = None
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------------- opening

    def _gather(self, nodes: Sequence[str], deadline: float) -> None:
        """Wait for the nodes; ask those that say nothing to say it again, for not every broker keeps what it should."""
        ask_at = self._clock()
        while missing := [node for node in nodes if not self._there(node)]:
            now = self._clock()
            if now >= deadline:
                raise NoAnswer(f"bench {self.bench}", f"not there: {', '.join(missing)}", "Is that part of it running?")
            if now >= ask_at:
                ask_at = now + self._settings.attempt_s
                for node in missing:
                    self._send(node, self._command(node, REBIRTH, {}, self._settings.attempt_s, {}))
            self._step(min(ask_at, deadline))
            self._check_link(deadline)

    def _there(self, node: str) -> bool:
        known = self._nodes.get(node)
        return known is not None and known.st == "online" and known.caps is not None

    def _claim(self, node: str, deadline: float) -> None:
        args = {"holder": f"{self.name} ({who()})", "ttl_s": self._settings.lease_s}
        self._owed.add(node)
        answer = self._request(node, CLAIM, args, deadline, max(0.1, deadline - self._clock()), {})
        if answer.st != "ok":
            self._owed.discard(node)
            raise BenchBusy(f"bench {self.bench}", answer.err.message if answer.err else answer.st, "Try again later.")
        for name, mark in answer.watermark.items():
            known = self._nodes.setdefault(name, _Node())
            known.said = known.said if known.boot == answer.boot else 0
            known.boot, known.claimed, known.dead = answer.boot, True, ""
            stream = self._streams.get(name)
            if stream is None or stream.boot != answer.boot:
                stream = self._streams[name] = _Stream(answer.boot)
            stream.start(mark)
        self._leases = (*self._leases, node)

    def _settle(self, before: Controller, deadline: float) -> None:
        """Say for a controller whose connection was lost that it wants its command no more and gives the lease back:
        else the command would run on, and the lease stand against us until it ends."""
        for node in sorted(before._owed & self._nodes.keys()):
            command = self._command(node, WITHDRAW, {"command": before._unwanted}, self._settings.lease_s, {})
            self._send(node, replace(command, lease=before._token))
            left_s = max(0.1, deadline - self._clock())
            self._request(node, RELEASE, {}, deadline, left_s, {}, token=before._token)
            before._owed.discard(node)

    def _renew(self) -> None:
        """On the mouth's thread.  QoS 0: a renewal that had to wait for a connection would be worth nothing."""
        for node in self._leases:
            command = self._command(node, RENEW, {}, self._settings.lease_s, {})
            self._client.publish(topics.command(self.bench, node, RENEW), command.encode(), qos=0)

    def _withdraw(self, node: str) -> None:
        """Have the command that is waited for stopped, or not begun; whoever comes next must not wait for its end."""
        self._unwanted = self._awaited
        if self._awaited and self._mouth is not None:
            self._send(node, self._command(node, WITHDRAW, {"command": self._awaited}, self._settings.lease_s, {}))

    def _holder(self, st: str) -> bytes:
        return Holder(st, self.name, self._settings.lease_s).encode()

    # ------------------------------------------------------------------------------------------------------- waiting

    def _command(self, node: str, verb: str, args: Mapping[str, Any], ttl: float, order: Mapping[str, Any]) -> Command:
        command_id = uuid.uuid4().hex
        reply = topics.answer(self.bench, node, self.name, command_id)
        return Command(command_id, reply, verb, dict(args), max(ttl, 0.05), self._token, **order)

    def _send(self, node: str, command: Command) -> None:
        if self._mouth is None:
            raise NotConnected(f"bench {self.bench}", "not opened, or closed already")
        self._mouth.say(topics.command(self.bench, node, command.verb), command.encode())

    def _request(
        self,
        node: str,
        verb: str,
        args: Mapping[str, Any],
        deadline: float,
        ttl: float,
        order: Mapping[str, Any],
        token: str = "",
    ) -> Answer:
        """Send until answered and complete, or raise.  ``token``: of a lease that is not ours."""
        first = replace(self._command(node, verb, args, ttl, order), lease=token or self._token)
        self._awaited, self._answer = first.id, None
        pause = self._settings.attempt_s
        while True:
            self._send(node, replace(first, seen=self._seen(node)) if order else first)
            again_at = self._clock() + pause
            pause = min(2 * pause, self._settings.attempt_most_s)
            while self._clock() < min(again_at, deadline):
                answer = self._heard()
                if answer is not None and (not order or self._complete(answer)):
                    return answer
                self._check_link(deadline)
                self._check_node(node, verb)
                self._step(min(again_at, deadline, self._grace_ends(node)))
            if self._clock() >= deadline:
                self._give_up(node, verb)

    def _heard(self) -> Answer | None:
        """The answer that is waited for, if it has come."""
        return self._answer

    def _seen(self, node: str) -> dict[str, int]:
        boot = self._nodes[node].boot
        return {name: stream.seen or 0 for name, stream in self._streams.items() if stream.boot == boot}

    def _missing(self, answer: Answer) -> list[str]:
        """The events before this answer that were not seen yet, in words; none for an answer of another life."""
        gaps = []
        for name, mark in answer.watermark.items():
            stream = self._streams.get(name)
            seen = stream.seen or 0 if stream is not None and stream.boot == answer.boot else 0
            if seen < mark:
                gaps.append(f"{seen + 1} to {mark} of {name}")
        return gaps

    def _complete(self, answer: Answer) -> bool:
        return answer.st == "busy" or not self._missing(answer)

    def _give_up(self, node: str, verb: str) -> None:
        where = f"{node} {verb}"
        if self._down_since is not None:
            raise BrokerGone(str(self._client.address), f"connection lost while waiting for {where}", _BROKER)
        if self._answer is not None:
            raise NoAnswer(where, f"answered, but events are missing: {', '.join(self._missing(self._answer))}", _SLOW)
        raise NoAnswer(where, "no answer in time", _SLOW)

    def _grace_ends(self, node: str) -> float:
        """When the next grace period is over, on our clock."""
        lost, down = self._nodes.get(node, _Node()).lost_at, self._down_since
        ends = [lost + self._settings.lost_grace_s] if lost is not None else []
        ends += [down + self._settings.broker_grace_s] if down is not None else []
        return min(ends, default=float("inf"))

    def _check_link(self, deadline: float) -> None:
        down = self._down_since
        if down is not None and self._clock() >= min(down + self._settings.broker_grace_s, deadline):
            raise BrokerGone(str(self._client.address), "connection lost", _BROKER)

    def _check_node(self, node: str, verb: str) -> None:
        known = self._nodes[node]
        if known.lost_at is not None and self._clock() >= known.lost_at + self._settings.lost_grace_s:
            known.dead = "was lost to the broker"
        if known.dead:
            raise BenchDied(f"{node} {verb}", f"the node {known.dead}; the outcome is unknown", _AGAIN)

    # -------------------------------------------------------------------------------------------- what the bus brings

    def _pump(self) -> None:
        """Take in all that has arrived."""
        while (item := self._inbox.get(0.0)) is not None:
            self._take_in(item)

    def _step(self, until: float) -> None:
        """Wait for one thing to arrive, until a time on our clock."""
        item = self._inbox.get(max(0.0, until - self._clock()))
        if item is not None:
            self._take_in(item)

    def _take_in(self, item: Incoming | bool) -> None:
        if isinstance(item, bool):
            self._down_since = None if item else self._clock()
            return
        try:
            if item.topic == topics.lease(self.bench):
                if item.payload:
                    self._on_holder(Holder.decode(item.payload))
                return
            node = topics.node_of(self.bench, item.topic)
            branch = item.topic.split("/")[4]
            if branch == "re":
                self._on_answer(node, Answer.decode(item.payload))
            elif branch == "evt":
                self._on_events(node, EventBatch.decode(item.payload))
            elif item.topic.endswith("/caps"):
                self._nodes.setdefault(node, _Node()).caps = Caps.decode(item.payload)
            elif item.payload:  # an empty one clears what was retained
                self._on_presence(node, Presence.decode(item.payload), item.retained)
        except BusError as problem:
            self.bad_messages += 1
            log.warning("%s", problem)

    def _on_holder(self, word: Holder) -> None:
        """A broker may notice late that an earlier life of ours is gone: its last will must not stand over our word."""
        if self._leases and self._mouth is not None and (word.st, word.holder) == ("lost", self.name):
            self._mouth.say(topics.lease(self.bench), self._holder("held"), retain=True)

    def _on_answer(self, node: str, answer: Answer) -> None:
        if answer.id != self._awaited or self._answer is not None:
            return
        known = self._nodes.setdefault(node, _Node())
        if known.claimed and answer.boot != known.boot:
            known.dead = "was started anew"
        else:
            self._answer = answer

    def _on_events(self, node: str, batch: EventBatch) -> None:
        stream = self._streams.get(node)
        if stream is None or (stream.boot != batch.boot and not self._nodes.setdefault(node, _Node()).claimed):
            stream = self._streams[node] = _Stream(batch.boot)
        if stream.boot == batch.boot:
            for event in batch.events:
                stream.take_in(event, self._settings.early_limit)

    def _on_presence(self, node: str, word: Presence, retained: bool) -> None:
        """A last will carries number 0 and the life that it speaks for; a stored word of another life is an old one."""
        if word.st in Presence.CLAIMS:
            return
        known = self._nodes.setdefault(node, _Node())
        if known.claimed and word.boot != known.boot:
            if not retained and word.st == "online":
                known.dead = "was started anew"
        elif word.boot == known.boot and word.st == "lost":
            known.lost_at = self._clock() if known.lost_at is None else known.lost_at
            if known.claimed:  # its word of being back may have come first: ask
                self._send(node, self._command(node, REBIRTH, {}, self._settings.lost_grace_s, {}))
        elif word.boot != known.boot or word.seq > known.said:
            known.boot, known.st, known.said, known.lost_at = word.boot, word.st, word.seq, None
            if word.st == "offline" and known.claimed:
                known.dead = "said goodbye"

    def _collect(self, answer: Answer) -> list[Event]:
        found: list[Event] = []
        for name, mark in answer.watermark.items():
            kept = self._streams[name].kept
            found += [kept.pop(seq) for seq in sorted(kept) if seq <= mark]
        return sorted(found, key=lambda event: event.order)


_AGAIN = "Start the run again; the bench has gone safe."
_BROKER = "Is the broker running?"
_SLOW = "Look at the log of the bench: does it hang?"
