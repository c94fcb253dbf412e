"""A small bench for tests: nodes on one executor in a thread, and a controller, over a real broker."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rig.bus import topics
from rig.bus.client import BusClient, Tls
from rig.bus.controller import Controller, ControllerSettings
from rig.bus.messages import Context
from rig.node.agent import NodeAgent
from rig.node.executor import CommandError, Executor, Refused
from rig.node.journal import Journal

QUICK = ControllerSettings(
    lease_s=5.0, attempt_s=0.05, attempt_most_s=0.2, broker_grace_s=0.3, lost_grace_s=0.3, goodbye_s=2.0
)
EAGER = replace(QUICK, attempt_s=0.012, attempt_most_s=0.024)
"""For runs with losses: asks again soon."""


class Bench:
    """``count`` nodes named node-0, node-1, ...; every execution is noted in ``ran`` as (node, verb, args).

    ``tidy``: take what is retained away at the end, since the embedded broker slows down with every retained message
    (facts/mqtt.md 2) and many tests share it; otherwise the nodes say goodbye as they do in earnest.
    """

    def __init__(
        self,
        url: str,
        bench: str,
        count: int = 1,
        *,
        jitter: Callable[[], float] | None = None,
        drop: Callable[[str], bool] | None = None,
        journal: Path | None = None,
        boot: str | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        prefix: str = "node",
        tls: Callable[[str], Tls] | None = None,
        tidy: bool = True,
        settle_s: float = 0.0,
    ) -> None:
        self.url, self.bench, self.jitter, self.drop = url, bench, jitter, drop
        self.tls, self.tidy, self.settle_s = tls, tidy, settle_s
        self.ran: list[tuple[str, str, dict[str, Any]]] = []
        self.safe = threading.Event()
        self.now = 0
        self.blocker = threading.Event()
        self.entered = threading.Event()
        self.journal = Journal(journal)
        self.executor = Executor("host", journal=self.journal, on_expired=self.safe.set, boot=boot, clock=clock)
        self.agents = [self._agent(f"{prefix}-{number}") for number in range(count)]
        self.thread = threading.Thread(target=self.executor.run)

    def _agent(self, name: str) -> NodeAgent:
        tls, owner = self.tls(name) if self.tls else None, f"owner of {self.executor.boot}"
        client = BusClient(self.url, f"{self.bench}-{name}", tls=tls, jitter=self.jitter, drop=self.drop)
        verbs = {
            verb: self._noting(name, verb)
            for verb in ("ping", "tick", "fail", "refuse", "break", "block", "pass", "odd")
        }
        return NodeAgent(self.bench, name, client, self.executor, verbs, {"relays": 1}, "test", owner)

    def _noting(self, node: str, verb: str) -> Callable[[dict[str, Any], Context], Mapping[str, Any]]:
        def run(args: dict[str, Any], context: Context) -> Mapping[str, Any]:
            self.ran.append((node, verb, args))
            method: Callable[[dict[str, Any]], Mapping[str, Any]] = getattr(self, f"do_{verb}")
            return method(args)

        return run

    @staticmethod
    def do_ping(args: dict[str, Any]) -> Mapping[str, Any]:
        return args

    def do_tick(self, args: dict[str, Any]) -> Mapping[str, Any]:
        """Time passes, and something happens at every node, in an order that the seed decides."""
        self.now += 1000
        order = list(self.agents)
        random.Random(self.now).shuffle(order)
        for agent in order[: args.get("nodes", len(order))]:
            agent.emit("edge", self.now, {"level": self.now // 1000 % 2 == 0, "of": agent.name})
        return {"now": self.now}

    @staticmethod
    def do_fail(args: dict[str, Any]) -> Mapping[str, Any]:
        raise CommandError("weld", "the contact did not open", "Look at the relay.")

    @staticmethod
    def do_refuse(args: dict[str, Any]) -> Mapping[str, Any]:
        raise Refused("no-lamp", "there is no lamp", "Fit one.")

    @staticmethod
    def do_break(args: dict[str, Any]) -> Mapping[str, Any]:
        raise KeyError("a bug")

    def do_block(self, args: dict[str, Any]) -> Mapping[str, Any]:
        self.entered.set()
        self.blocker.wait(5.0)
        return {}

    def do_pass(self, args: dict[str, Any]) -> Mapping[str, Any]:
        """Let real time pass for ever, as a bench on a real clock does."""
        self.entered.set()
        while not self.blocker.is_set():
            self.executor.service(0.01)
        return {}

    @staticmethod
    def do_odd(args: dict[str, Any]) -> Mapping[str, Any]:
        return {"octets": b"no JSON"}

    def __enter__(self) -> Self:
        for agent in self.agents:
            agent.start(settle_s=self.settle_s)
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.blocker.set()
        self.executor.stop()
        self.thread.join(5.0)
        for agent in self.agents:
            self._leave(agent)
        self.journal.close()

    def _leave(self, agent: NodeAgent) -> None:
        if self.tidy and agent.client.connected:
            for topic in (topics.presence(self.bench, agent.name), topics.caps(self.bench, agent.name)):
                agent.client.publish(topic, b"", retain=True)
            agent.client.close()
        else:
            agent.stop()

    @property
    def nodes(self) -> list[str]:
        return [agent.name for agent in self.agents]


def controller(bench: Bench, name: str = "robot", settings: ControllerSettings = QUICK, **more: Any) -> Controller:
    """A controller of ``bench``, not opened yet."""
    return Controller(BusClient(bench.url, f"{bench.bench}-ctl-{name}", **more), bench.bench, name, settings)
