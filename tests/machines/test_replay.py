"""Replay floors: never falling, one row of counters a party and role, kept over restarts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.machines.parts.replay import ReplayFloors, ReplaySettings, Series
from devices.model.roles import Role

PARTY = bytes.fromhex("90b3000000010000")
OTHER = bytes.fromhex("90b3000000020000")
counters = st.integers(0, 2**63 - 1)


@given(st.lists(counters, max_size=20), counters)
def test_only_more_than_everything_accepted_is_accepted(seen: list[int], next_one: int) -> None:
    floors, series = ReplayFloors(), Series(PARTY, Role.SUPPLIER)
    for counter in seen:
        if floors.accepts(series, counter):
            floors.record(series, counter)
    assert floors.accepts(series, next_one) == (next_one > max(seen, default=0))


@given(st.lists(counters, min_size=1, max_size=10))
def test_what_was_saved_gives_the_same_floors(seen: list[int]) -> None:
    floors, series = ReplayFloors(), Series(PARTY, Role.SUPPLIER, prepayment=True)
    for counter in seen:
        floors.record(series, counter)
    again = ReplayFloors()
    again.restore(floors.as_json())
    assert again.floor(series) == max(seen) == floors.floor(series)


def test_rows_are_apart() -> None:
    floors = ReplayFloors()
    floors.record(Series(PARTY, Role.SUPPLIER), 10)
    for other in (
        Series(PARTY, Role.NETWORK_OPERATOR),
        Series(OTHER, Role.SUPPLIER),
        Series(PARTY, Role.SUPPLIER, prepayment=True),
    ):
        assert floors.accepts(other, 1)


def test_rows_are_together_where_settings_say_so() -> None:
    floors = ReplayFloors(ReplaySettings(per_role=False, prepayment_apart=False))
    floors.record(Series(PARTY, Role.SUPPLIER), 10)
    assert not floors.accepts(Series(PARTY, Role.NETWORK_OPERATOR, prepayment=True), 10)


def test_which_use_cases_are_protected() -> None:
    cases = [
        (ReplaySettings(), True, True),
        (ReplaySettings(), False, False),
        (ReplaySettings(), None, True),
        (ReplaySettings(unknown_is_protected=False), None, False),
        (ReplaySettings(reads_take_any=False), False, True),
    ]
    for settings, marked, protected in cases:
        assert ReplayFloors(settings).protects(marked) is protected


def test_floors_of_manufacture_come_back_with_nothing_saved() -> None:
    floors, series = ReplayFloors(ReplaySettings(initial={Role.SUPPLIER: 500})), Series(PARTY, Role.SUPPLIER)
    floors.record(series, 900)
    floors.restore(None)
    assert floors.floor(series) == 500
