"""The connection of a run to its bench: how long a command may take, and a new start after something broke."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from rig.bus.broker import EmbeddedBroker
from rig.bus.controller import Controller
from rig.bus.errors import BenchDied, BenchFault, BusError, LeaseLost, NoAnswer
from rig.bus.messages import Context
from rig.keywords import connection
from rig.keywords.connection import COMMAND_S, Connection, Misused, allowance_s
from tests.bus.rigging import Bench, controller

HOUR = 3_600_000_000_000


@pytest.mark.parametrize(
    ("args", "clock", "seconds"),
    [
        ({}, "real", COMMAND_S),
        ({"span_ns": HOUR, "until": {}}, "real", COMMAND_S + 3600),
        ({"span_ns": 24 * HOUR}, "real", COMMAND_S + 86_400),
        ({"span_ns": 24 * HOUR}, "virtual", COMMAND_S + 24),
        ({"device": "esme"}, "virtual", COMMAND_S),
    ],
)
def test_a_command_may_take_what_it_asks_for_and_a_margin(args: dict[str, object], clock: str, seconds: float) -> None:
    assert allowance_s(args, clock) == seconds


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker() as embedded:
        yield embedded.url


@pytest.fixture
def rig(broker: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with Bench(broker, f"anew-{os.getpid()}-{time.monotonic_ns()}") as bench:
        monkeypatch.setenv("RIG_BROKER", broker)
        monkeypatch.setenv("RIG_BENCH", bench.bench)
        monkeypatch.setenv("RIG_NODES", " ".join(bench.nodes))
        monkeypatch.delenv("RIG_TLS", raising=False)
        yield bench


def ping(link: Connection) -> str:
    return link.call("", "ping", {}, 5.0, Context()).st


def test_a_bench_that_broke_is_claimed_anew(rig: Bench) -> None:
    link = Connection()
    link.claim()
    with pytest.raises(BenchFault):
        link.call("", "break", {}, 5.0, Context())
    link.claim_anew()
    assert ping(link) == "ok"
    link.close()


def test_a_lease_that_was_lost_is_taken_again(rig: Bench) -> None:
    link = Connection()
    link.claim()
    rig.executor.post(rig.executor._end_lease)
    assert rig.executor.lease.release(link._controller._token)  # type: ignore[union-attr]
    with pytest.raises(LeaseLost):
        ping(link)
    link.claim_anew()
    assert ping(link) == "ok"
    link.close()


def test_a_bench_that_stays_away_is_tried_for_a_while_and_then_for_a_shorter_one(
    rig: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RETRY_S", 0.2)
    link = Connection()
    link._patience_s = 1.0
    tried: list[float] = []
    claimed = link._claimed

    def counted(within_s: float) -> Controller:
        tried.append(within_s)
        return claimed(within_s)

    monkeypatch.setattr(link, "_claimed", counted)
    with controller(rig, "somebody") as other:
        other.open(rig.nodes)
        with pytest.raises(BusError, match="somebody"):
            link.claim_anew()
        first = len(tried)
        assert 1 < first <= connection.RECLAIM_TRIES
        with pytest.raises(BusError, match="somebody"):
            link.claim_anew()
        assert len(tried) - first < first
    link.claim_anew()
    assert ping(link) == "ok"
    link.close()


def test_a_bench_known_to_have_ended_is_not_tried_again(rig: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    link = Connection()
    link.claim()
    link.gone = lambda: "bench process"
    monkeypatch.setattr(connection, "BusClient", lambda *_, **__: pytest.fail("it was tried"))
    for _ in range(3):
        with pytest.raises(BenchDied, match=r"^bench process: it ended by itself.*start the run again\.$"):
            link.claim_anew()


def test_a_bench_that_comes_back_in_another_life_is_claimed_anew(rig: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where `rig up` is started again on a broker of its own: at once, or while it is asked for."""
    link = Connection()
    link.claim()
    for agent in rig.agents:
        agent.stop()
    with pytest.raises(BenchDied):
        ping(link)
    later: list[Bench] = []
    claimed = link._claimed

    def up_at_the_second(within_s: float) -> Controller:
        if not later:
            later.append(Bench(rig.url, rig.bench))
            raise NoAnswer("bench", "not there")
        if not later[0].thread.is_alive():
            stack.enter_context(later[0])
        return claimed(within_s)

    monkeypatch.setattr(link, "_claimed", up_at_the_second)
    with ExitStack() as stack:
        link.claim_anew()
        assert ping(link) == "ok"
        assert [verb for _, verb, _ in later[0].ran] == ["ping"]
        assert rig.ran == []
        link.close()


def test_a_run_without_a_bench_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RIG_BROKER", "RIG_BENCH", "RIG_NODES"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Misused, match="`rig run`"):
        Connection().claim()
