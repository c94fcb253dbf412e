"""Nets: who holds the level, what is a conflict, and in which order edges are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.world.clock import VirtualClock
from rig.world.nets import Net, NetBoard, Pull


@pytest.fixture
def board() -> NetBoard:
    return NetBoard(VirtualClock())


@pytest.mark.parametrize(
    ("drivers", "pulls", "before", "level", "conflicts"),
    [
        ((True,), (), False, True, 0),
        ((False,), (Pull.UP,), True, False, 0),  # strong beats weak
        ((None,), (Pull.UP,), False, True, 0),
        ((None,), (Pull.DOWN,), True, False, 0),
        ((None,), (Pull.UP, Pull.DOWN), True, True, 0),  # pulls that disagree: it stays
        ((None, None), (), True, True, 0),  # floating: it stays
        ((None, None), (), False, False, 0),
        ((True, True), (), False, True, 0),
        ((True, False), (Pull.UP,), True, True, 1),
        ((True, False), (Pull.UP,), False, True, 1),  # the first driver had made it high before the fight
        ((False, None), (Pull.NONE,), True, False, 0),
    ],
)
def test_resolution(
    board: NetBoard,
    drivers: tuple[bool | None, ...],
    pulls: tuple[Pull, ...],
    before: bool,
    level: bool,
    conflicts: int,
) -> None:
    net = board.net("w")
    first = net.driver("first")
    first.drive(before)
    first.remove()
    for index, pull in enumerate(pulls):
        net.pull(str(index), pull)
    for index, strong in enumerate(drivers):
        net.driver(str(index)).drive(strong)
    assert net.level is level
    assert net.conflicts == conflicts
    assert board.conflicts == ({"w": conflicts} if conflicts else {})


def test_a_fight_is_counted_once_until_it_ends(board: NetBoard) -> None:
    net = board.net("w")
    a, b, c = (net.driver(name) for name in "abc")
    a.drive(True)
    b.drive(False)
    c.drive(False)
    assert net.conflicts == 1
    b.drive(None)
    c.drive(None)
    assert net.level is True
    b.drive(False)
    assert net.conflicts == 2
    a.drive(None)
    assert net.level is False


def test_a_removed_driver_lets_go(board: NetBoard) -> None:
    net = board.net("w")
    net.pull("r", Pull.UP)
    driver = net.driver("d")
    driver.drive(False)
    driver.remove()
    driver.remove()
    assert net.level is True
    driver.drive(False)
    assert net.level is True


def test_edges_carry_their_time() -> None:
    clock = VirtualClock()
    board = NetBoard(clock)
    tapped: list[tuple[str, bool, int]] = []
    board.tap(lambda name, level, at: tapped.append((name, level, at)))
    driver = board.net("w").driver("d")
    for at, level in ((5, True), (7, True), (9, False)):
        clock.call_at(at, lambda level=level: driver.drive(level))  # type: ignore[misc]
    clock.advance(100)
    assert tapped == [("w", True, 5), ("w", False, 9)]


def test_an_edge_made_by_a_watcher_waits_its_turn(board: NetBoard) -> None:
    a, b = board.net("a"), board.net("b")
    follower, own = b.driver("f"), a.driver("own")
    told: list[tuple[str, bool]] = []
    board.tap(lambda name, level, _at: told.append((name, level)))
    a.watch(lambda level, _at: follower.drive(level))
    a.watch(lambda level, _at: own.drive(False))
    seen_last: list[bool] = []
    a.watch(lambda level, _at: seen_last.append(level))
    own.drive(True)
    assert told == [("a", True), ("b", True), ("a", False), ("b", False)]
    assert seen_last == [True, False]


def test_a_watch_that_was_stopped_hears_nothing(board: NetBoard) -> None:
    net = board.net("w")
    heard: list[bool] = []
    stop = net.watch(lambda level, _at: heard.append(level))
    driver = net.driver("d")
    driver.drive(True)
    stop()
    stop()
    driver.drive(False)
    assert heard == [True]


def test_a_watcher_that_fails_does_not_silence_the_board(board: NetBoard) -> None:
    def fail(_level: bool, _at: int) -> None:
        raise RuntimeError("broken")

    net, other = board.net("w"), board.net("v")
    net.watch(fail)
    with pytest.raises(RuntimeError):
        net.driver("d").drive(True)
    heard: list[bool] = []
    other.watch(lambda level, _at: heard.append(level))
    other.driver("d").drive(True)
    assert heard == [True]


def test_a_name_is_one_net(board: NetBoard) -> None:
    assert board.net("w") is board.net("w")
    assert [net.name for net in board.nets] == ["w"]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([True, False, None])), max_size=40))
def test_the_watched_edges_alternate_and_end_at_the_level(moves: list[tuple[int, bool | None]]) -> None:
    net: Net = NetBoard(VirtualClock()).net("w")
    edges: list[bool] = []
    net.watch(lambda level, _at: edges.append(level))
    drivers = [net.driver(str(index)) for index in range(3)]
    for index, level in moves:
        drivers[index].drive(level)
        strong = {driver.level for driver in drivers} - {None}
        if len(strong) == 1:
            assert net.level is strong.pop()
    assert edges == [bool(index % 2 == 0) for index in range(len(edges))]
    assert net.level is (edges[-1] if edges else False)
