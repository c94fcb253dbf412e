"""The clock of a bench as its file says, and the pace of a bench on real time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from rig.bus.messages import Context
from rig.node import commands
from rig.node.clocks import BenchClock, follows_real_time, make_clock
from rig.node.commands import SLICE_NS, Commands
from rig.ports.clock import RealClock
from rig.world.clock import NS, VirtualClock
from tests.node.benches import VIRTUAL
from tests.world.test_clock import FakeTime


def test_the_bench_file_chooses_the_clock_and_it_goes_by_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTime(1_000)
    monkeypatch.setattr(RealClock.__init__, "__defaults__", (fake.monotonic, fake.wait))
    real, virtual = make_clock("real"), make_clock("virtual")
    assert (type(real), type(virtual)) == (RealClock, VirtualClock)
    fake.ns += 3 * NS
    assert (real.now, virtual.now) == (3 * NS, 0)


def test_time_passes_by_itself_on_a_real_clock_and_while_a_program_is_attached() -> None:
    clock = VirtualClock()
    told = [follows_real_time(clock), follows_real_time(RealClock())]
    clock.attach()
    told.append(follows_real_time(clock))
    clock.detach()
    told.append(follows_real_time(clock))
    assert told == [False, True, True, False]


class Desk:
    """A bench whose clock goes by a machine time of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, clock: BenchClock) -> None:
        monkeypatch.setattr(commands, "make_clock", lambda _kind: clock)
        self.commands = Commands(VIRTUAL, {}, None)
        self.handlers = self.commands.handlers()
        self.call("bench.reset")

    def call(self, verb: str, **args: Any) -> Mapping[str, Any]:
        told = self.handlers[verb](args, Context(test="a test"))
        assert told is not None
        return told


@pytest.fixture
def fake() -> FakeTime:
    return FakeTime()


@pytest.fixture
def desk(fake: FakeTime, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The virtual bench with a program attached: its clock follows the machine's."""
    clock = VirtualClock(fake.monotonic, fake.wait)
    clock.attach()
    return Desk(monkeypatch, clock)


def test_a_bench_on_real_time_takes_as_long_as_it_says(desk: Desk, fake: FakeTime) -> None:
    began = fake.ns
    for seconds in (1, 20, 600):
        told = desk.call("clock.advance", span_ns=seconds * NS)
        assert told["now"] == fake.ns - began
    assert fake.ns - began == pytest.approx(621 * NS, abs=3 * SLICE_NS)
    assert desk.call("clock.civil")["civil_ns"] == desk.commands.bench.civil_start + desk.commands.clock.now


def test_between_commands_it_goes_on_slice_by_slice(desk: Desk, fake: FakeTime) -> None:
    before, began = desk.commands.clock.now, fake.ns
    for _ in range(100):
        assert desk.commands.idle() == 0.0
    assert desk.commands.clock.now - before == fake.ns - began == 100 * SLICE_NS
    assert max(fake.waits) * NS <= SLICE_NS, "whoever asks for something is not kept waiting longer"
