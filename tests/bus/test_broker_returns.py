"""A broker that goes and comes back with nothing in its memory: nothing is lost, nothing is done twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from rig.bus.broker import EmbeddedBroker
from rig.bus.client import Address
from rig.bus.controller import Controller
from rig.bus.errors import BrokerGone
from rig.bus.messages import Context
from rig.keywords import connection
from rig.keywords.connection import Connection
from tests.bus.conftest import with_password
from tests.bus.relay import Relay, relay
from tests.bus.rigging import QUICK, Bench, controller


@dataclass
class Brokers:
    """Two lives of a broker, and the address at which either is found."""

    road: Relay
    ports: tuple[int, int]

    @property
    def url(self) -> str:
        return f"mqtt://rig:known@127.0.0.1:{self.road.port}"

    def begin(self, life: int) -> None:
        self.road.open(self.ports[life])


@pytest.fixture(scope="module", params=["amqtt", "mosquitto"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    def port(stack: ExitStack, folder: Path) -> int:
        if request.param == "mosquitto":
            url = stack.enter_context(with_password(folder))
        else:
            broker = EmbeddedBroker()
            broker._password = "known"
            url = stack.enter_context(broker).url
        return Address.parse(url).port

    with ExitStack() as stack:
        yield (
            port(stack, tmp_path_factory.mktemp("first")),
            port(stack, tmp_path_factory.mktemp("second")),
        )


@pytest.fixture
def brokers(two: tuple[int, int]) -> Iterator[Brokers]:
    with relay() as road:
        made = Brokers(road, two)
        made.begin(0)
        yield made


def test_a_command_that_runs_is_neither_lost_nor_done_twice(brokers: Brokers, bench: str) -> None:
    """Its answer is given to a broker that does not know whoever waits for it."""
    with (
        Bench(brokers.url, bench, 2) as rig,
        controller(rig, settings=replace(QUICK, broker_grace_s=20.0, lost_grace_s=20.0)) as control,
    ):
        control.open(rig.nodes)
        control.call("node-0", "tick")
        held = rig.executor.lease.holder

        def goes_and_comes() -> None:
            if rig.entered.wait(5.0):
                brokers.begin(1)
                rig.blocker.set()

        breaker = threading.Thread(target=goes_and_comes)
        breaker.start()
        assert control.call("node-0", "block", timeout_s=20.0).st == "ok"
        breaker.join()
        events = control.call("node-1", "tick").events
        assert [verb for _, verb, _ in rig.ran] == ["tick", "block", "tick"]
        assert [event.order for event in events] == [3, 4]
        assert rig.executor.lease.holder == held
        assert [one.counters.connections for one in (control._client, *(agent.client for agent in rig.agents))] == [
            2
        ] * 3


def test_who_waits_too_long_is_told_and_the_bench_is_claimed_anew(
    brokers: Brokers, bench: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test in flight is INFRA; what it had the bench do is ended, and the next one is judged."""
    monkeypatch.setattr(connection, "Controller", partial(Controller, settings=QUICK))
    with Bench(brokers.url, bench) as rig:
        for name, value in {"BROKER": brokers.url, "BENCH": bench, "NODES": "node-0", "TLS": ""}.items():
            monkeypatch.setenv(f"RIG_{name}", value)
        link = Connection()
        link.claim()

        def goes_away() -> None:
            if rig.entered.wait(5.0):
                brokers.road.shut()

        goes = threading.Thread(target=goes_away)
        goes.start()
        with pytest.raises(BrokerGone, match="connection lost"):
            link.call("", "pass", {}, 20.0, Context())
        goes.join()
        brokers.begin(1)
        link.claim_anew()
        assert link.call("", "ping", {}, 5.0, Context()).st == "ok"
        assert [verb for _, verb, _ in rig.ran] == ["pass", "ping"]
        link.close()
