"""A node as the bus sees it: its presence, what it can do, its commands in, its answers, events and states out.

Several nodes of one process, each with a connection of its own, share one :class:`~rig.node.executor.Executor`.

Must not live here: order (``executor.py``), what a verb does (the handlers are given), the MQTT library.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rig.bus import topics
from rig.bus.client import BusClient, Incoming
from rig.bus.errors import BadTopic, BusError
from rig.bus.messages import (
    REBIRTH,
    RENEW,
    WITHDRAW,
    Caps,
    ChannelState,
    Command,
    Event,
    EventBatch,
    Manifest,
    Presence,
)
from rig.node.executor import Executor, Handler
from rig.node.name_claim import SETTLE_S, NameClaim

__all__ = ["NodeAgent"]

log = logging.getLogger(__name__)


class NodeAgent:
    """One node of ``bench``, spoken for over ``client``, which must be new (not connected yet).

    ``handlers``: verb -> what carries it out, on the executor thread.  ``caps``: what the node declares, JSON types.
    ``software``: name and version, ``owner``: who started it, for people.
    """

    def __init__(
        self,
        bench: str,
        name: str,
        client: BusClient,
        executor: Executor,
        handlers: Mapping[str, Handler],
        caps: Mapping[str, Any] | None = None,
        software: str = "",
        owner: str = "",
    ) -> None:
        self.bench, self._name = topics.check_id("bench", bench), topics.check_id("node", name)
        for verb in handlers:
            topics.check_name("verb", verb)
        self.client, self._executor, self._handlers = client, executor, dict(handlers)
        self._caps = Caps(executor.boot, tuple(sorted(handlers)), dict(caps or {}))
        self._software, self._owner = software, owner
        self._said = itertools.count(1)
        self._leaving = False
        self._admitted = False
        self._claim = NameClaim(bench, name, executor.boot, self._ask_for_name)
        self._states: dict[str, ChannelState] = {}
        self._state_seq = itertools.count(1)
        self.bad_messages = 0
        """Commands that could not be read, or asked for an answer outside of this node's own topics."""
        client.subscribe(topics.commands(bench, name), self._on_command)
        client.subscribe(topics.presence(bench, name), self._on_presence)
        client.set_will(topics.presence(bench, name), self._presence("lost", 0).encode())
        client.on_link = self._on_link
        executor.add(self)

    @property
    def name(self) -> str:
        return self._name

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return self._handlers

    def start(self, timeout_s: float = 5.0, settle_s: float = SETTLE_S) -> None:
        """Connect and appear."""
        self.connect(timeout_s, settle_s)
        self.appear()

    def connect(self, timeout_s: float = 5.0, settle_s: float = SETTLE_S) -> None:
        """Connect, and see to it that nobody else bears the name; nothing is heard or said beyond that yet.

        Raises :class:`~rig.bus.errors.BrokerGone`, :class:`~rig.bus.errors.AccessRefused` or
        :class:`~rig.bus.errors.BenchBusy`; the node is disconnected then.
        """
        self.client.connect(timeout_s)
        try:
            self._claim.settle(timeout_s, settle_s)
        except BusError:
            self.client.close()
            raise

    def appear(self) -> None:
        """Presence and capabilities follow by themselves, now and at every later connection."""
        self._admitted = True
        self._on_link(True)

    def stop(self) -> None:
        """Say that the node goes, and disconnect."""
        self._leaving = True
        try:
            if self._admitted:
                self._announce("offline", wait_s=1.0)
        except BusError as problem:
            log.debug("%s: not connected at the end: %s", self._name, problem)
        self.client.close()

    # ------------------------------------------------------------------------------------------ on the executor thread

    def emit(self, kind: str, at_ns: int, fields: Mapping[str, Any] | None = None) -> Event:
        """Something happened here at ``at_ns`` of the bench clock; goes out in order, numbered."""
        return self._executor.emit(self._name, kind, at_ns, fields)

    def set_state(
        self, kind: str, channel: str, value: Any, at_ns: int, *, quality: str = "good", ts: str = ""
    ) -> None:
        """Publish the present value of a channel, retained; ``ts`` civil time for people."""
        topic = topics.channel(self.bench, self._name, kind, channel)
        state = ChannelState(value, at_ns, next(self._state_seq), self._executor.boot, quality, ts)
        self._states[topic] = state
        self.client.publish(topic, state.encode(), retain=True)

    def publish_manifest(self, run: str, name: str, manifest: Manifest) -> None:
        """Say where an evidence file of ``run`` is."""
        self.client.publish(topics.evidence(self.bench, self._name, run, name), manifest.encode())

    def rebirth(self) -> None:
        """Publish everything again that readers may have missed: presence, capabilities, states."""
        self._announce("online")
        self.client.publish(topics.caps(self.bench, self._name), self._caps.encode(), retain=True)
        for topic, state in self._states.items():
            self.client.publish(topic, state.encode(), retain=True)

    def send_answer(self, command: Command, payload: bytes) -> None:
        self.client.publish(command.re, payload)

    def send_events(self, events: Sequence[Event]) -> None:
        kind = events[0].kind if len(events) == 1 else topics.BATCH
        batch = EventBatch(self._name, self._executor.boot, tuple(events))
        self.client.publish(topics.event(self.bench, self._name, kind), batch.encode())

    # ------------------------------------------------------------------------------------------- on the network thread

    def _on_link(self, up: bool) -> None:
        if up and self._admitted:
            self._announce("online")  # at once, also while a long command runs
            self._executor.post(self.rebirth)

    def _presence(self, st: str, seq: int) -> Presence:
        lease = self._executor.lease
        holder, left = lease.holder, lease.remaining_s()
        word = Presence(st, self._executor.boot, seq, self._software, self._executor.name, self._owner)
        return word if left is None else replace(word, holder=holder, ttl=max(left, 0.001))

    def _ask_for_name(self, st: str) -> None:
        self.client.publish(topics.presence(self.bench, self._name), self._presence(st, 0).encode())

    def _announce(self, st: str, wait_s: float = 0.0) -> None:
        payload = self._presence(st, next(self._said)).encode()
        self.client.publish(topics.presence(self.bench, self._name), payload, retain=True, wait_s=wait_s)

    def _on_presence(self, incoming: Incoming) -> None:
        """Our own words come by here, and whatever else is said in our place.  What the broker had kept is older than
        the word that follows our subscription.

        A broker may notice late that an earlier life of this node is gone, or an earlier connection of this life, and
        its last will then stands as the last word for whoever comes later: so we speak again.  Words of being there are
        let stand, for two nodes of one name would go on contradicting each other for ever.
        """
        # An empty one clears what was retained.
        if self._leaving or not incoming.payload or (incoming.retained and self._admitted):
            return
        try:
            word = Presence.decode(incoming.payload)
        except BusError as problem:
            log.warning("%s: said in our place: %s", self._name, problem)
            return
        if not self._admitted:
            self._claim.heard(word, incoming.retained)
        elif word.st in ("lost", "offline") or (word.st == "starting" and word.boot != self._executor.boot):
            self._announce("online")

    def _on_command(self, incoming: Incoming) -> None:
        if not self._admitted:  # it may be meant for whoever bears the name
            return
        arrived = self._executor.now_ns()
        try:
            command = Command.decode(incoming.payload)
            self._check(command, incoming.topic)
        except BusError as problem:
            self.bad_messages += 1
            log.warning("%s: %s", self._name, problem)
            return
        if command.verb == RENEW:
            self._executor.renew(command.lease, arrived)
            return
        if command.verb == WITHDRAW:
            self._executor.withdraw(command.lease, str(command.args.get("command", "")))
            return
        if command.verb == REBIRTH:
            self._announce("online")  # whoever asks wants to know now, also while a long command runs
        self._executor.submit(self, command, arrived)

    def _check(self, command: Command, topic: str) -> None:
        """An answer goes below our own ``re/`` only, or a controller could make us speak anywhere (facts/mqtt.md 5)."""
        if topic != topics.command(self.bench, self._name, command.verb):
            raise BadTopic(topic[:200], f"carries the verb {command.verb!r:.80}", "Topic and payload must agree.")
        if command.verb in (RENEW, WITHDRAW):
            return
        controller, _, command_id = command.re.removeprefix(f"{topics.ROOT}/{self.bench}/{self._name}/re/").partition(
            "/"
        )
        if command_id != command.id or command.re != topics.answer(self.bench, self._name, controller, command.id):
            raise BadTopic(command.re[:200], "is no place for an answer of this node", "Use its re/<controller>/<id>.")
