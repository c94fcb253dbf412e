"""Ledgers: no number is ever given twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.trust.errors import TrustError
from devices.trust.ledger import MemoryLedger


@given(st.lists(st.one_of(st.none(), st.integers(0, 1000)), max_size=30))
def test_numbers_only_rise(steps: list[int | None]) -> None:
    ledger, last = MemoryLedger(), 0
    for step in steps:
        if step is not None:
            ledger.advance("commands", step)
            last = max(last, step)
        else:
            assert ledger.peek("commands") == ledger.peek("commands")
            number = ledger.take("commands")
            assert number > last
            last = number


def test_series_are_apart() -> None:
    ledger = MemoryLedger(start=1000)
    assert [ledger.take("commands"), ledger.take("commands"), ledger.take("top-up")] == [1000, 1001, 1000]


def test_a_series_ends() -> None:
    ledger = MemoryLedger(start=2**63 - 1)
    assert ledger.take("commands") == 2**63 - 1
    with pytest.raises(TrustError):
        ledger.take("commands")
    with pytest.raises(TrustError):
        MemoryLedger(start=-1)
