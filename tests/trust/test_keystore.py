"""Key stores: signatures against RFC 6979, agreement from either side, and that no key ever shows."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest

from devices.trust.errors import BadKey, KeyMissing, TrustError
from devices.trust.keystore import (
    MemoryKeyStore,
    agreement_key,
    generate,
    load_corpus_keys,
    public_of,
    signing_key,
    verify,
)

OURS, THEIRS = 0x1111, 0x2222
# RFC 6979, A.2.5: P-256, SHA-256, message "sample".
RFC_KEY = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
RFC_SIGNATURE = bytes.fromhex(
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
)


def test_signatures_are_those_of_rfc_6979() -> None:
    store = MemoryKeyStore({"a-ds": RFC_KEY}, {})
    assert store.sign("a-ds", b"sample") == RFC_SIGNATURE
    assert verify(store.public("a-ds"), RFC_SIGNATURE, b"sample")
    assert not verify(store.public("a-ds"), RFC_SIGNATURE, b"Sample")


@pytest.mark.parametrize("signature", [b"", bytes(64), b"\xff" * 64, RFC_SIGNATURE[:63], RFC_SIGNATURE[::-1]])
def test_what_is_no_signature_is_not_valid(signature: bytes) -> None:
    assert not verify(public_of(RFC_KEY), signature, b"sample")


def test_agreement_works_from_either_side() -> None:
    both = {"us-ka": public_of(OURS), "them-ka": public_of(THEIRS)}
    near, far = MemoryKeyStore({"us-ka": OURS}, both), MemoryKeyStore({"them-ka": THEIRS}, both)
    secret = near.agree("us-ka", both["them-ka"])
    assert len(secret) == 32
    assert far.agree("us-ka", both["them-ka"]) == secret
    assert far.agree("them-ka", both["us-ka"]) == secret
    assert near.agree("us-ka", both["them-ka"]) is secret


def test_an_unknown_key_is_named() -> None:
    store = MemoryKeyStore({}, {"us-ka": public_of(OURS)})
    with pytest.raises(KeyMissing, match="no private key is known under 'us-ka'"):
        store.agree("us-ka", public_of(THEIRS))
    with pytest.raises(KeyMissing, match="them-ds"):
        store.sign("them-ds", b"")
    with pytest.raises(KeyMissing, match="no public key is known under 'them-ka'"):
        store.public("them-ka")


@pytest.mark.parametrize(
    ("privates", "publics", "reason"),
    [
        ({"a-ds": 0}, {}, "from 1 to the order"),
        ({"a-ds": 2**256 - 1}, {}, "from 1 to the order"),
        ({}, {"a-ds": b"\x04" + bytes(64)}, "not on the curve"),
        ({}, {"a-ds": b"\x04"}, "65 octets, got 1"),
        ({"a-ds": OURS}, {"a-ds": public_of(THEIRS)}, "not that of its private key"),
    ],
)
def test_bad_keys_are_refused(privates: dict[str, int], publics: dict[str, bytes], reason: str) -> None:
    with pytest.raises(BadKey, match=reason):
        MemoryKeyStore(privates, publics)


def test_no_key_shows_or_leaves() -> None:
    store = MemoryKeyStore({"a-ds": RFC_KEY}, {})
    assert repr(store) == "<MemoryKeyStore of 1 keys, 1 of them private>"
    with pytest.raises(TrustError):
        pickle.dumps(store)


def test_generation_repeats_from_its_seed() -> None:
    first, again, other = (generate(random.Random(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_merged_stores_hold_the_keys_of_both() -> None:
    left = MemoryKeyStore({"a-ds": OURS, "b-ka": OURS}, {})
    right = MemoryKeyStore({"c-ka": THEIRS}, {"b-ka": public_of(THEIRS)})
    store = left.merged(right)
    assert store.names == ("a-ds", "b-ka", "c-ka")
    assert store.public("b-ka") == public_of(THEIRS)
    assert not store.holds_private("b-ka")
    assert store.sign("a-ds", b"x") == left.sign("a-ds", b"x")


def test_key_names() -> None:
    eui = bytes.fromhex("00DB1234567890A0")
    assert (signing_key(eui), agreement_key(eui)) == ("00db1234567890a0-ds", "00db1234567890a0-ka")


NAME = "00db1234567890a0-ka"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "one JSON object"),
        ({}, "one JSON object"),
        (None, "one JSON object"),
        ({"broker": {}}, "no key name"),
        ({NAME.upper(): {}}, "no key name"),
        ({NAME: 1}, "must be an object"),
        ({NAME: {}}, "neither 'public' nor 'private'"),
        ({NAME: {"public": 5}}, "string of hexadecimal digits"),
        ({NAME: {"private": "xy"}}, "string of hexadecimal digits"),
        ({NAME: {"public": "04"}}, f"entry '{NAME}': .* 65 octets"),
        ({NAME: {"private": ""}}, "from 1 to the order"),
    ],
)
def test_a_bad_key_file_is_refused_by_name_of_the_entry(document: Any, reason: str) -> None:
    with pytest.raises(BadKey, match=reason):
        load_corpus_keys(document)


def test_a_key_file_is_read() -> None:
    store = load_corpus_keys({NAME: {"certificate": None, "public": None, "private": f"{OURS:064x}"}})
    assert store.public(NAME) == public_of(OURS)
