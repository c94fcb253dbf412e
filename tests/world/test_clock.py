"""The virtual clock, and one conformance suite that the real clock passes too (with a monotonic clock of the test)."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from rig.ports.clock import RealClock
from rig.world.clock import NS, Agenda, VirtualClock


class FakeTime:
    """A monotonic clock that moves only when somebody waits; ``on_wait`` plays what happens meanwhile."""

    def __init__(self, start: int = 0) -> None:
        self.ns = start
        self.waits: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None

    def monotonic(self) -> int:
        return self.ns

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.ns += round(seconds * NS)
        self.on_wait()


AnyClock = VirtualClock | RealClock


def virtual() -> AnyClock:
    return VirtualClock()


def attached() -> AnyClock:
    fake = FakeTime()
    clock = VirtualClock(fake.monotonic, fake.wait)
    clock.attach()
    return clock


def real() -> AnyClock:
    fake = FakeTime(77)
    return RealClock(fake.monotonic, fake.wait)


@pytest.fixture(params=[virtual, attached, real])
def clock(request: pytest.FixtureRequest) -> AnyClock:
    made: AnyClock = request.param()
    return made


class TestConformance:
    def test_starts_at_zero_with_nothing_due(self, clock: AnyClock) -> None:
        assert clock.now == 0
        assert clock.next_due() is None

    def test_runs_in_order_of_time_then_of_asking(self, clock: AnyClock) -> None:
        ran: list[tuple[str, int]] = []
        for name, when in (("late", 30), ("first", 10), ("second", 10), ("third", 10)):
            clock.call_at(when, lambda name=name: ran.append((name, clock.now)))  # type: ignore[misc]
        assert clock.next_due() == 10
        assert clock.advance(40) is False
        assert ran == [("first", 10), ("second", 10), ("third", 10), ("late", 30)]
        assert clock.now == 40

    def test_what_is_due_at_the_limit_runs_and_later_does_not(self, clock: AnyClock) -> None:
        ran: list[int] = []
        clock.call_at(20, lambda: ran.append(20))
        clock.call_at(21, lambda: ran.append(21))
        clock.advance(20)
        assert ran == [20]
        clock.advance(21)
        assert ran == [20, 21]

    def test_stops_at_the_exact_instant(self, clock: AnyClock) -> None:
        ran: list[int] = []
        for when in (10, 20, 30):
            clock.call_at(when, lambda when=when: ran.append(when))  # type: ignore[misc]
        assert clock.advance(100, until=lambda: 20 in ran) is True
        assert (ran, clock.now) == ([10, 20], 20)
        assert clock.advance(100, until=lambda: 20 in ran) is True
        assert clock.now == 20

    def test_until_that_is_never_met_ends_at_the_limit(self, clock: AnyClock) -> None:
        assert clock.advance(50, until=lambda: False) is False
        assert clock.now == 50

    def test_a_cancelled_call_never_runs(self, clock: AnyClock) -> None:
        ran: list[int] = []
        handle = clock.call_at(10, lambda: ran.append(1))
        clock.call_at(10, handle.cancel).cancel()
        handle.cancel()
        assert clock.next_due() is None
        clock.advance(20)
        assert ran == []

    def test_call_soon_runs_after_what_is_already_due(self, clock: AnyClock) -> None:
        ran: list[str] = []

        def first() -> None:
            ran.append("first")
            clock.call_soon(lambda: ran.append("soon"))

        clock.call_at(5, first)
        clock.call_at(5, lambda: ran.append("second"))
        clock.advance(5)
        assert ran == ["first", "second", "soon"]

    def test_run_due_does_not_move_time(self, clock: AnyClock) -> None:
        ran: list[str] = []

        def adds() -> None:
            clock.call_soon(lambda: ran.append("added"))

        clock.call_soon(adds)
        clock.post(lambda: ran.append("posted"))
        clock.call_at(1, lambda: ran.append("later"))
        clock.run_due()
        assert sorted(ran) == ["added", "posted"]
        assert clock.now == 0

    def test_posts_of_many_threads_all_run_on_the_executor(self, clock: AnyClock) -> None:
        ran: list[tuple[int, int]] = []

        def work(number: int) -> None:
            for step in range(50):
                clock.post(lambda step=step: ran.append((number, step)))  # type: ignore[misc]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ran == []
        clock.run_due()
        assert len(ran) == 200
        for number in range(4):
            assert [step for who, step in ran if who == number] == list(range(50))

    def test_an_exception_reaches_the_executor_and_the_rest_still_runs(self, clock: AnyClock) -> None:
        ran: list[int] = []

        def breaks() -> None:
            raise ValueError("broken")

        clock.call_at(10, breaks)
        clock.call_at(10, lambda: ran.append(10))
        with pytest.raises(ValueError, match="broken"):
            clock.advance(20)
        clock.advance(20)
        assert (ran, clock.now) == ([10], 20)


def test_a_time_that_has_passed_means_now() -> None:
    clock = VirtualClock()
    clock.advance(100)
    ran: list[int] = []
    clock.call_at(3, lambda: ran.append(clock.now))
    clock.run_due()
    assert ran == [100]


def test_an_hour_needs_no_waiting() -> None:
    def never(_: float) -> None:
        raise AssertionError("a virtual clock waited")

    clock = VirtualClock(wait=never)
    ticks: list[int] = []
    clock.call_at(3600 * NS, lambda: ticks.append(clock.now))
    clock.advance(7200 * NS)
    assert ticks == [3600 * NS]


def test_attached_time_is_waited_for_and_posts_run_at_their_instant() -> None:
    fake = FakeTime(1000)
    clock = VirtualClock(fake.monotonic, fake.wait)
    clock.attach()
    ran: list[tuple[str, int]] = []
    clock.call_at(2 * NS, lambda: ran.append(("timer", clock.now)))

    def post_once() -> None:
        fake.on_wait = lambda: None
        fake.ns = 1000 + NS // 2  # the post cuts the wait short
        clock.post(lambda: ran.append(("posted", clock.now)))

    fake.on_wait = post_once
    clock.advance(3 * NS)
    assert ran == [("posted", NS // 2), ("timer", 2 * NS)]
    assert clock.now == 3 * NS
    assert fake.waits == [2.0, 1.5, 1.0]


def test_time_between_two_calls_of_advance_does_not_count() -> None:
    fake = FakeTime()
    clock = VirtualClock(fake.monotonic, fake.wait)
    clock.attach()
    clock.advance(NS)
    fake.ns += 100 * NS
    clock.advance(2 * NS)
    assert fake.waits == [1.0, 1.0]


def test_detaching_in_the_middle_lets_time_fly_again() -> None:
    fake = FakeTime()
    clock = VirtualClock(fake.monotonic, fake.wait)
    clock.attach()
    clock.call_at(NS, clock.detach)
    clock.advance(1000 * NS)
    assert fake.waits == [1.0]
    assert (clock.now, clock.attached) == (1000 * NS, 0)


def test_detach_without_attach_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="attach"):
        VirtualClock().detach()


# ------------------------------------------------------------------------------------------------------------ the pace


class Machine:
    """The time of the machine, as the standard library tells it to whoever brings no time of his own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fake = FakeTime(123_456_789)
        monkeypatch.setattr(Agenda, "wait", lambda _agenda, seconds: self.fake.wait(seconds))


PACED: dict[str, Callable[[FakeTime], AnyClock]] = {
    "real": lambda fake: RealClock(fake.monotonic),
    "virtual with a program attached": lambda fake: _attached(VirtualClock(fake.monotonic)),
}


def _attached(clock: VirtualClock) -> VirtualClock:
    clock.attach()
    return clock


@pytest.mark.parametrize("kind", PACED)
def test_an_hour_of_a_bench_on_real_time_is_an_hour(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A nanosecond of the machine is a nanosecond of the bench, whatever is due meanwhile and whoever looks."""
    machine = Machine(monkeypatch)
    start, clock = machine.fake.ns, PACED[kind](machine.fake)
    seen: list[tuple[int, int]] = []
    for minute in range(1, 60):
        clock.call_at(minute * 60 * NS, lambda: seen.append((clock.now, machine.fake.ns - start)))
    clock.advance(3600 * NS)
    assert seen == [(minute * 60 * NS, minute * 60 * NS) for minute in range(1, 60)]
    assert clock.now == machine.fake.ns - start == 3600 * NS
    assert sum(machine.fake.waits) == pytest.approx(3600.0)


@pytest.mark.parametrize("kind", PACED)
def test_a_bench_that_was_busy_catches_up_and_is_not_late_for_good(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    start, clock = machine.fake.ns, PACED[kind](machine.fake)

    def busy() -> None:
        machine.fake.ns += 7 * NS

    clock.call_at(10 * NS, busy)
    clock.advance(60 * NS)
    assert clock.now == machine.fake.ns - start == 60 * NS


def test_a_real_clock_stands_still_for_nobody() -> None:
    fake = FakeTime(5)
    clock = RealClock(fake.monotonic, fake.wait)
    readings = []
    for passed in (0, 1, 999, 2 * NS):
        fake.ns += passed
        readings.append(clock.now)
    assert readings == [0, 1, 1000, 2 * NS + 1000]


@pytest.mark.parametrize("make", [VirtualClock, RealClock])
def test_a_post_wakes_a_waiting_clock(make: Callable[[], AnyClock]) -> None:
    """With the real bell: another thread posts while the executor waits for an instant an hour away."""
    clock = make()
    clock.attach()
    ran: list[int] = []
    thread = threading.Thread(target=lambda: clock.post(lambda: ran.append(1)))
    clock.call_soon(thread.start)
    assert clock.advance(clock.now + 3600 * NS, until=lambda: bool(ran)) is True
    thread.join()
