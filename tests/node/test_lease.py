"""The lease, on a clock that the test moves."""

from __future__ import annotations

import pytest

from rig.node.lease import Lease, LeaseHeld

SECOND = 1_000_000_000


class World:
    def __init__(self) -> None:
        self.now, self.safe = 0, 0
        self.lease = Lease(lambda: self.now, self.go_safe)

    def go_safe(self) -> None:
        self.safe += 1

    def after(self, seconds: float) -> World:
        self.now += round(seconds * SECOND)
        return self


def test_it_runs_out_and_goes_safe_once() -> None:
    world = World()
    assert world.lease.claim("robot", "t", 10)
    assert world.lease.remaining_s() == 10
    assert not world.after(9.9).lease.check()
    assert world.lease.valid("t")
    assert not world.after(0.1).lease.valid("t"), "it holds to the end, not beyond"
    assert world.lease.check()
    assert not world.lease.check()
    assert (world.safe, world.lease.holder, world.lease.remaining_s()) == (1, "", None)


def test_a_renewal_counts_from_its_arrival() -> None:
    world = World()
    world.lease.claim("robot", "t", 10)
    arrived = world.after(5).now
    assert world.after(3).lease.renew("t", arrived)
    assert world.lease.remaining_s() == 7
    assert world.lease.renew("t", arrived - SECOND), "an older renewal that comes later"
    assert world.lease.remaining_s() == 7, "must not shorten it"


def test_a_lease_that_ran_out_is_not_revived() -> None:
    world = World()
    world.lease.claim("robot", "t", 10)
    assert not world.after(10).lease.renew("t", world.now)
    assert world.lease.check()
    assert not world.lease.renew("t", 0)


def test_a_claim_while_held_names_the_holder() -> None:
    world = World()
    world.lease.claim("robot", "t", 10)
    with pytest.raises(LeaseHeld, match=r"'robot' for 6\.0 s") as caught:
        world.after(4).lease.claim("other", "u", 10)
    assert (caught.value.holder, caught.value.remaining_s, world.safe) == ("robot", 6.0, 0)
    assert not world.lease.claim("robot", "t", 10), "the same token renews"
    assert world.lease.remaining_s() == 10


def test_a_claim_of_a_run_out_lease_goes_safe_first() -> None:
    world = World()
    world.lease.claim("robot", "t", 10)
    assert world.after(11).lease.claim("other", "u", 10)
    assert (world.safe, world.lease.holder) == (1, "other")
    assert not world.lease.valid("t")


def test_giving_it_back() -> None:
    world = World()
    world.lease.claim("robot", "t", 10)
    assert not world.lease.release("foreign")
    assert world.safe == 0
    assert world.lease.release("t")
    assert not world.lease.release("t")
    assert (world.safe, world.lease.holder) == (1, "")


def test_who_else_holds_it_is_told_as_long_as_it_holds() -> None:
    world = World()
    assert world.lease.against("u") is None
    assert world.lease.remaining_s() is None
    assert world.lease.claim("robot", "t", 10, arrived_ns=-SECOND)
    assert world.lease.remaining_s() == 9
    assert world.lease.against("t") is None
    told = world.after(8.5).lease.against("u")
    assert told is not None
    assert (told.holder, told.remaining_s) == ("robot", 0.5)
    assert world.after(0.5).lease.against("u") is None, "it ran out"
    assert (world.lease.remaining_s(), world.lease.holder) == (0, "robot")
    world.now += 1
    assert world.lease.remaining_s() == 0


def test_a_renewal_is_told_whether_it_counted() -> None:
    world = World()
    assert world.lease.renew("t", 0) is False
    world.lease.claim("robot", "t", 10)
    assert world.lease.renew("u", 0) is False
    assert world.lease.renew("t", 10 * SECOND - 1) is True
    assert world.lease.remaining_s() == pytest.approx(20)
    assert world.after(20).lease.valid("t") is False
    assert world.lease.valid("u") is False
