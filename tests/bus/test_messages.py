"""Messages to JSON and back, and everything that is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.bus.errors import BadMessage
from rig.bus.messages import (
    Answer,
    Caps,
    ChannelState,
    Command,
    Context,
    Event,
    EventBatch,
    Fault,
    Holder,
    Manifest,
    Presence,
)

CONTEXT = Context("c", "r", "2", "t", "s", "me")
EVENTS = (Event(3, 7, "boot", "esme", "edge", 10**18, {"level": True}, CONTEXT), Event(4, 9, "boot", "esme", "x", 0))
EXAMPLES: list[Any] = [
    Command("id-1", "re/topic", "drive", {"pin": "k1", "ä": [1, None, "€"]}, 2.5, "lease", 8, 5, CONTEXT, {"esme": 4}),
    Command("id-2", "re/topic", "rebirth"),
    Answer("id-1", 8, "ok", "boot", {"now": 2**63}, None, {"esme": 4}),
    Answer("id-1", 8, "error", "boot", {}, Fault("weld", "it did not open", "Look."), {}),
    EventBatch("esme", "boot", EVENTS),
    Presence("online", "boot", 3, "rig 0.1", "host"),
    Caps("boot", ("drive", "read"), {"relays": 2}),
    ChannelState({"on": True}, 12, 3, "boot", "sim", "2026-01-01T00:00:00Z"),
    Manifest(12, "0f" * 32, "application/vnd.tcpdump.pcap", "file:ether.pcap"),
    Holder("held", "robot", 10.0),
]
DECODERS: list[Callable[[bytes], Any]] = [
    kind.decode for kind in (Command, Answer, EventBatch, Presence, Caps, ChannelState, Manifest, Holder)
]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_there_and_back(message: Any) -> None:
    assert type(message).decode(message.encode()) == message


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_unknown_fields_are_ignored_and_other_versions_refused(message: Any) -> None:
    body = json.loads(message.encode())
    assert type(message).decode(json.dumps(body | {"later": [1]}).encode()) == message
    for version in (2, "1", None):
        with pytest.raises(BadMessage, match="version"):
            type(message).decode(json.dumps(body | {"v": version}).encode())


def _mutations() -> list[tuple[Any, bytes]]:
    """Each field of each example put to each wrong kind of value; what the format leaves free stays out."""
    free = {"value", "events", "err", "ttl"}
    made = []
    for message in EXAMPLES:
        body = json.loads(message.encode())
        for name, value in body.items():
            if name in free:
                continue
            wrong = [item for item in (-1, 1.5, "text", [1], {"x": "y"}) if type(item) is not type(value)]
            wrong += [-1] if isinstance(value, int) else []
            made += [(message, json.dumps(body | {name: item}).encode()) for item in wrong]
    return made


def test_fields_of_the_wrong_kind_are_named() -> None:
    cases = _mutations()
    assert len(cases) > 100
    for message, payload in cases:
        with pytest.raises(BadMessage, match=r"field '|version|list of text"):
            type(message).decode(payload)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "a/b"}, "no id"),
        ({"id": None}, "missing"),
        ({"n": 5, "after": 5}, "cannot come after"),
        ({"ttl": 0}, "seconds above 0"),
        ({"ttl": True}, "seconds above 0"),
        ({"seen": {"esme": -1}}, "no number"),
        ({"seen": {"esme": "1"}}, "no number"),
        ({"context": {"run": 3}}, "expected text"),
    ],
)
def test_bad_commands(change: dict[str, Any], said: str) -> None:
    body = json.loads(EXAMPLES[0].encode())
    with pytest.raises(BadMessage, match=said):
        Command.decode(json.dumps(body | change).encode())


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff\xfe", b"[]", b"1", b"null", b'{"v":1}', b'{"v":1', b"[" * 100_000, b'{"v":' + b"9" * 5000 + b"}"],
    ids=lambda payload: repr(payload[:8]),
)
def test_what_is_no_message(decode: Callable[[bytes], Any], payload: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(payload)


def test_what_is_too_long_is_not_even_read() -> None:
    with pytest.raises(BadMessage, match="octets"):
        Answer.decode(b" " * (5 << 20))


def test_a_lone_surrogate_crosses_as_what_it_is() -> None:
    told = Answer("a", 1, "ok", "b", {"value": "a\ud800b"})
    assert Answer.decode(told.encode()).data == told.data


@pytest.mark.parametrize("value", [b"octets", float("nan"), object()])
def test_what_json_cannot_carry_is_a_bad_message(value: object) -> None:
    with pytest.raises(BadMessage, match="JSON"):
        Answer("a", 1, "ok", "b", {"value": value}).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["id", "re", "st", "boot", "n", "events", "err", "seq", "verbs", "data", "value", "watermark"])


@given(st.dictionaries(NAMES, JSON, max_size=8), st.sampled_from(DECODERS))
def test_any_object_is_a_message_or_a_bad_one(body: dict[str, Any], decode: Callable[[bytes], Any]) -> None:
    try:
        message = decode(json.dumps(body | {"v": 1}).encode())
    except BadMessage:
        return
    assert decode(message.encode()) == message


@given(st.binary(max_size=60), st.sampled_from(DECODERS))
def test_any_octets_raise_the_one_error(octets: bytes, decode: Callable[[bytes], Any]) -> None:
    with pytest.raises(BadMessage):
        decode(octets)
