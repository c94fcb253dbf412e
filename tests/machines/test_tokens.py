"""Facts about the counters of prepayment tokens: facts/gbcs.md 7.1 and 7.2."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.core import Answer, Asked, Refuse
from devices.machines.esme import Esme, EsmeSettings
from devices.machines.parts.prepayment import PrepaymentSettings
from devices.machines.parts.tokens import CacheDrop, TokenRefused, Tokens, TokenSettings, rebuilt_number
from devices.machines.supplier import Supplier, SupplierSettings
from devices.model.credentials import Cell, Credential, Usage
from devices.model.roles import Role
from devices.trust.keystore import agreement_key
from devices.trust.ledger import MemoryLedger
from tests.machines.meter_bench import KEYS, METER, SUPPLIER, Bench, cells
from tests.machines.test_prepayment import token

VECTORS = [
    # V, r, rebuilt: the table of facts/gbcs.md 7.1
    (2458896167, 812, 2458896172),
    (5120, 511, 5631),
    (5120, 512, 5632),
    (5120, 513, 4609),
    (5631, 1023, 6143),
    (5632, 0, 5120),
    (5632, 1023, 6143),
    (5633, 0, 6144),
    (6143, 511, 5631),
    (6143, 510, 6654),
    (0, 512, 512),
]


@pytest.mark.parametrize(("highest", "bits", "number"), VECTORS)
def test_the_counter_of_a_typed_token_is_rebuilt_as_the_page_says(highest: int, bits: int, number: int) -> None:
    """facts/gbcs.md 7.1: at a distance of exactly 512 the own block of 1,024 counts."""
    assert rebuilt_number(highest, bits) == number


@pytest.mark.parametrize(
    ("highest", "bits", "number"), [(0, 513, 513), (100, 1023, 1023), (2**32 - 1, 0, 2**32 - 1024)]
)
def test_the_ends_of_the_range_are_never_left(highest: int, bits: int, number: int) -> None:
    """facts/gbcs.md 7.1 and 11 no. 3 [our choice]."""
    assert rebuilt_number(highest, bits) == number


@given(st.integers(0, 2**32 - 1), st.integers(0, 1023))
def test_what_is_rebuilt_carries_the_bits_and_lies_within_512(highest: int, bits: int) -> None:
    """facts/gbcs.md 7.1: for every V the rule covers 1,024 counters, away from the ends."""
    number = rebuilt_number(highest, bits)
    assert 0 <= number < 2**32
    assert number % 1024 == bits
    if 1024 <= highest < 2**32 - 1024:
        low, high = (-511, 512) if highest % 1024 < 512 else (-512, 511)
        assert low <= number - highest <= high


def _tokens(**settings: Any) -> Tokens:
    held = cells()
    place = Cell(Role.SUPPLIER, Usage.KEY_AGREEMENT, prepayment=True)
    held.place(place, Credential(SUPPLIER, KEYS.public(agreement_key(SUPPLIER))))
    return Tokens(METER, KEYS, held, TokenSettings(**settings))


def test_the_cache_of_a_hundred_is_circular() -> None:
    """facts/gbcs.md 7.2: 100 entries, the oldest entered goes, whatever its number; the rest stay duplicates."""
    tokens = _tokens(below_lowest_refused=False)
    order = list(range(1, 101))
    Random(7).shuffle(order)
    for number in order:
        tokens.remember(number << 32)
    assert len(tokens.used) == 100
    tokens.remember(101 << 32)
    assert tokens.used == tuple(number << 32 for number in [*order[1:], 101])
    with pytest.raises(TokenRefused, match="used before"):
        tokens.judge(token(order[1], 10), order[1] << 32)
    assert tokens.judge(token(order[0], 10), order[0] << 32)[1] == order[0] << 32  # it was forgotten


def test_the_lowest_goes_where_the_setting_says_so() -> None:
    """facts/gbcs.md 7.2: setting ``cache_drop``."""
    tokens = _tokens(cache_size=3, cache_drop=CacheDrop.LOWEST)
    for number in (9, 5, 7, 8):
        tokens.remember(number << 32)
    assert tokens.used == tuple(number << 32 for number in (9, 7, 8))


def test_a_counter_below_all_that_are_remembered_is_refused_once_the_cache_is_full() -> None:
    """facts/gbcs.md 7.2 [recalled: a setting]."""
    tokens = _tokens(cache_size=2)
    tokens.remember(9 << 32)
    assert tokens.judge(token(5, 10), 5 << 32)[1] == 5 << 32
    tokens.remember(7 << 32)
    with pytest.raises(TokenRefused, match="below all"):
        tokens.judge(token(5, 10), 5 << 32)
    assert tokens.judge(token(8, 10), 8 << 32)[1] == 8 << 32


def test_the_order_of_entry_outlives_a_power_cut() -> None:
    tokens, again = _tokens(cache_size=2), _tokens(cache_size=2)
    for number in (9, 5):
        tokens.remember(number << 32)
    again.restore(tokens.used)
    again.remember(6 << 32)
    assert again.used == (5 << 32, 6 << 32)


def _bench() -> Bench:
    held = cells()
    key = KEYS.public(agreement_key(SUPPLIER))
    held.place(Cell(Role.SUPPLIER, Usage.KEY_AGREEMENT, prepayment=True), Credential(SUPPLIER, key))
    return Bench(meter=Esme(METER, KEYS, held, EsmeSettings(prepayment=PrepaymentSettings())))


@pytest.mark.parametrize(("number", "good"), [(5632, True), (5633, False), (4609, True), (4608, False)])
def test_a_typed_token_is_taken_to_the_edge_of_what_is_rebuilt(number: int, good: bool) -> None:
    """facts/gbcs.md 7.1: a wrongly rebuilt counter gives another key, so the token is not authentic, 0x8F63."""
    bench = _bench()
    bench.meter.functions.prepayment.tokens.remember(5120 << 32)
    effects = bench.give(Asked("top_up", {"utrn": token(number, 10)}))
    assert [isinstance(one, Answer) for one in effects if isinstance(one, Answer | Refuse)] == [good]
    security = [row[1] for row in bench.state()["logs"]["security"]]
    assert (0x8F63 in security) is not good


def test_a_command_carries_its_whole_counter() -> None:
    """facts/gbcs.md 7.1: a CS01a carries all 64 bits, nothing is rebuilt: a token under another counter is not
    authentic, and one far from the highest is taken."""
    tokens = _tokens()
    tokens.remember(5120 << 32)
    with pytest.raises(TokenRefused) as refused:
        tokens.judge(token(5121, 10), 5122 << 32)
    assert refused.value.event == 0x8F63
    assert tokens.judge(token(90_000, 10), 90_000 << 32)[1] == 90_000 << 32


def _supplier() -> Supplier:
    return Supplier(SupplierSettings(SUPPLIER), KEYS, {}, MemoryLedger())


def _vend(supplier: Supplier, number: int) -> dict[str, Any]:
    args = {
        "use_case": "CS01a",
        "device": METER.hex(),
        "counter": number << 32,
        "args": {"utrn": token(number, 10)},
    }
    (answer,) = [one for one in supplier.handle(Asked("command", args), 0) if isinstance(one, Answer)]
    return dict(answer.value)


@pytest.mark.parametrize(
    ("first", "second", "warned"),
    [
        (5120, 5121, False),
        (5120, 5631, False),
        (5120, 5632, True),  # 512: rebuilt from here, but not from everywhere
        (5120, 5633, True),
        (1_700_000_000, 1_700_000_600, True),  # Unix time, ten minutes later
        (5633, 5120, True),
    ],
)
def test_a_supplier_is_warned_of_a_series_that_outruns_its_meters(first: int, second: int, warned: bool) -> None:
    """facts/gbcs.md 7.1: a series for tokens that may be typed steps by at most 511."""
    supplier = _supplier()
    assert "warning" not in _vend(supplier, first)
    assert ("warning" in _vend(supplier, second)) is warned
