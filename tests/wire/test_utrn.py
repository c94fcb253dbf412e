"""Prepayment tokens: published ones, the check digit, and everything that is no token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import utrn
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.utrn import Ptut, ValueClass
from tests.examples import examples


@pytest.mark.corpus
def test_published_tokens(corpus_dir: Path) -> None:
    vectors = json.loads((corpus_dir / "utrn-vectors.json").read_text())
    good = 0
    for vector in vectors:
        if not vector["check_digit_ok"]:
            with pytest.raises(DecodeError, match="check digit"):
                utrn.decode(vector["utrn"])
            continue
        token = utrn.decode(vector["utrn"])
        assert (
            token.truncated_counter == utrn.truncated(vector["counter"]) == vector.get("ctr10", vector["counter"] >> 32)
        )
        assert (token.value_class, token.value) == (vector["class"], vector["value"])
        assert utrn.encode(token) == vector["utrn"]
        good += 1
    assert (good, len(vectors)) == (5, 6)


def test_fields_lie_where_they_should() -> None:
    assert Ptut(0x3FF, 3, 0x1FFF, b"\xff" * 4).number == (1 << 57) - 1
    assert Ptut(1, 0, 0, bytes(4)).number == 1 << 47
    assert Ptut(0, ValueClass.WHOLE, 0, bytes(4)).number == 1 << 45
    assert Ptut(0, 0, 1, bytes(4)).number == 1 << 32
    assert Ptut(0, 0, 0, b"\x00\x00\x00\x01").number == 1
    assert Ptut(1, 1, 100, bytes(4)).high_word == 0xA064


@pytest.mark.parametrize(
    ("counter", "bits"), [(0, 0), (5 << 32, 5), (0x3FF << 32, 0x3FF), (0x400 << 32, 0), (0xFFFFFFFF << 32, 0x3FF)]
)
def test_truncated_counter(counter: int, bits: int) -> None:
    assert utrn.truncated(counter) == bits


@pytest.mark.parametrize("counter", [1, (5 << 32) + 1, -(1 << 32), 1 << 64])
def test_counters_that_no_token_is_made_with(counter: int) -> None:
    with pytest.raises(EncodeError):
        utrn.truncated(counter)


@pytest.mark.parametrize(
    "token",
    [Ptut(1024, 0, 0, bytes(4)), Ptut(0, 4, 0, bytes(4)), Ptut(0, 0, 8192, bytes(4)), Ptut(0, 0, -1, bytes(4)),
     Ptut(0, 0, 0, bytes(3))],
)  # fmt: skip
def test_fields_out_of_range(token: Ptut) -> None:
    with pytest.raises(EncodeError):
        utrn.encode(token)


def digits_of(number: int) -> str:
    digits = f"{number:019d}"
    return f"{digits}{utrn.check_digit(digits)}"


@pytest.mark.parametrize(
    "text",
    ["", "7" * 19, "7" * 21, "7394333345718904331x", "\u0667" * 20, digits_of(0), digits_of(7_394_156_990_786_306_047),
     digits_of(7_394_156_990_786_306_048 + (1 << 57)), digits_of(9_999_999_999_999_999_999)],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(DecodeError) as refused:
        utrn.decode(text)
    assert refused.value.layer == "utrn"


tokens = st.builds(
    Ptut, st.integers(0, 1023), st.integers(0, 3), st.integers(0, 8191), st.binary(min_size=4, max_size=4)
)


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(tokens)
def test_tokens_read_back(token: Ptut) -> None:
    text = utrn.encode(token)
    assert len(text) == utrn.DIGITS
    assert utrn.decode(text) == token


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(tokens, st.integers(0, 19), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(token: Ptut, place: int, change: int) -> None:
    text = utrn.encode(token)
    wrong = text[:place] + str((int(text[place]) + change) % 10) + text[place + 1 :]
    with pytest.raises(DecodeError):
        utrn.decode(wrong)


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(tokens, st.integers(0, 17))
def test_two_neighbours_exchanged_are_found(token: Ptut, place: int) -> None:
    text = utrn.encode(token)
    wrong = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if wrong != text:
        with pytest.raises(DecodeError):
            utrn.decode(wrong)


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(st.text("0123456789", min_size=20, max_size=20))
def test_any_digits_read_or_are_refused(text: str) -> None:
    try:
        token = utrn.decode(text)
    except DecodeError:
        return
    assert utrn.encode(token) == text
