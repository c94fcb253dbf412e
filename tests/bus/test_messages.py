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
    LARGEST,
    VERSION,
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


# -------------------------------------------------------------------------------------------------- to the last field

WIRE: list[tuple[Any, dict[str, Any]]] = [
    (
        EXAMPLES[0],
        {
            "v": 1, "id": "id-1", "re": "re/topic", "verb": "drive", "args": {"pin": "k1", "ä": [1, None, "€"]},
            "ttl": 2.5, "lease": "lease", "n": 8, "after": 5, "seen": {"esme": 4},
            "context": {"campaign": "c", "run": "r", "attempt": "2", "test": "t", "step": "s", "customer": "me"},
        },
    ),
    (
        EXAMPLES[3],
        {
            "v": 1, "id": "id-1", "n": 8, "st": "error", "boot": "boot", "data": {}, "watermark": {},
            "err": {"code": "weld", "message": "it did not open", "advice": "Look."},
        },
    ),
    (EXAMPLES[2], {"v": 1, "id": "id-1", "n": 8, "st": "ok", "boot": "boot", "data": {"now": 2**63}, "err": None,
                   "watermark": {"esme": 4}}),
    (
        EXAMPLES[4],
        {
            "v": 1, "node": "esme", "boot": "boot",
            "events": [
                {"seq": 3, "order": 7, "kind": "edge", "at_ns": 10**18, "fields": {"level": True},
                 "context": {"campaign": "c", "run": "r", "attempt": "2", "test": "t", "step": "s", "customer": "me"}},
                {"seq": 4, "order": 9, "kind": "x", "at_ns": 0, "fields": {}},
            ],
        },
    ),
    (
        Presence("online", "boot", 3, "rig 0.1", "host", "me", "robot", 2.5),
        {"v": 1, "st": "online", "boot": "boot", "seq": 3, "sw": "rig 0.1", "executor": "host", "owner": "me",
         "holder": "robot", "ttl": 2.5},
    ),
    (EXAMPLES[6], {"v": 1, "boot": "boot", "verbs": ["drive", "read"], "caps": {"relays": 2}}),
    (EXAMPLES[7], {"v": 1, "value": {"on": True}, "mono_ns": 12, "seq": 3, "boot": "boot", "q": "sim",
                   "ts": "2026-01-01T00:00:00Z"}),
    (EXAMPLES[8], {"v": 1, "size": 12, "sha256": "0f" * 32, "media_type": "application/vnd.tcpdump.pcap",
                   "url": "file:ether.pcap"}),
    (EXAMPLES[9], {"v": 1, "st": "held", "holder": "robot", "ttl": 10.0}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "body"), WIRE, ids=lambda value: type(value).__name__)
def test_what_crosses_the_bus(message: Any, body: dict[str, Any]) -> None:
    octets = message.encode()
    assert json.loads(octets) == body
    assert b": " not in octets
    assert b", " not in octets
    assert type(message).decode(octets) == message


@pytest.mark.parametrize(
    ("least", "message"),
    [
        ({"id": "a", "re": "r", "verb": "v"}, Command("a", "r", "v", {}, 30.0, "", 0, 0, Context(), {})),
        ({"id": "a", "st": "ok", "boot": "b"}, Answer("a", 0, "ok", "b", {}, None, {}, ())),
        ({"id": "a", "st": "error", "boot": "b", "err": {"code": "c"}},
         Answer("a", 0, "error", "b", {}, Fault("c", "", ""))),
        ({"node": "n", "boot": "b", "events": []}, EventBatch("n", "b", ())),
        ({"node": "n", "boot": "b", "seq": 1, "order": 2, "kind": "k", "at_ns": 3},
         EventBatch("n", "b", (Event(1, 2, "b", "n", "k", 3, {}, Context()),))),
        ({"st": "lost", "boot": "b"}, Presence("lost", "b", 0, "", "", "", "", 10.0)),
        ({"boot": "b"}, Caps("b", (), {})),
        ({"value": None, "mono_ns": 0, "seq": 0, "boot": "b", "q": "good"}, ChannelState(None, 0, 0, "b", "good", "")),
        ({"st": "free", "holder": "h"}, Holder("free", "h", 10.0)),
    ],
)  # fmt: skip
def test_what_a_message_may_leave_out(least: dict[str, Any], message: Any) -> None:
    kind = type(message)
    assert kind.decode(json.dumps({"v": 1, **least}).encode()) == message
    if kind in (Presence, ChannelState, Command, Answer, Caps):
        given = {name: value for name, value in least.items() if name not in ("n", "err", "q")}
        given |= {"n": 0} if kind is Answer else {}
        given |= {"err": Fault("c", "", "")} if "err" in least else {}
        assert kind(**given) == message, "the same where it is made here"
    for name in least.keys() - {"events", "err"}:
        with pytest.raises(BadMessage, match=f"field '{name}' is missing"):
            kind.decode(json.dumps({"v": 1, **{key: value for key, value in least.items() if key != name}}).encode())


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (Command, {"n": -1}, "command: field 'n': expected 0 or more, got -1."),
        (Command, {"n": 5, "after": 5}, "command: number 5 cannot come after 5."),
        (Command, {"n": True}, "command: field 'n': expected an integer, got True."),
        (Command, {"n": "5"}, "command: field 'n': expected an integer, got '5'."),
        (Command, {"id": ""}, "command: field 'id': '' is no id. Use 1 to 64 of A-Z a-z 0-9 _ -."),
        (Command, {"id": "a" * 65}, f"command: field 'id': '{'a' * 65}' is no id. Use 1 to 64 of A-Z a-z 0-9 _ -."),
        (Command, {"id": "a\n"}, "command: field 'id': 'a\\n' is no id. Use 1 to 64 of A-Z a-z 0-9 _ -."),
        (Command, {"verb": 5}, "command: field 'verb': expected text, got 5."),
        (Command, {"verb": None}, "command: field 'verb' is missing."),
        (Command, {"args": []}, "command: field 'args': expected an object, got []."),
        (Command, {"ttl": 0}, "command: field 'ttl': expected seconds above 0, got 0."),
        (Command, {"ttl": 1e9}, "command: field 'ttl': expected seconds above 0, got 1000000000.0."),
        (Command, {"ttl": "1"}, "command: field 'ttl': expected seconds above 0, got '1'."),
        (Command, {"seen": {"a": -1}}, "command: field 'seen': 'a' has no number but -1."),
        (Command, {"seen": {"a": True}}, "command: field 'seen': 'a' has no number but True."),
        (Command, {"context": {"run": 1}}, "context: field 'run': expected text, got 1."),
        (Command, {"v": 2}, "command: expected version 1, got 2. Run the same rig on all nodes."),
        (Answer, {"st": "well"},
         "answer: field 'st': expected one of ok, error, expired, withdrawn, busy, refused, got 'well'."),
        (Answer, {"err": {"message": "m"}}, "answer, err: field 'code' is missing."),
        (Presence, {"st": "x"},
         "presence: field 'st': expected one of online, draining, offline, lost, starting, claimed, got 'x'."),
        (ChannelState, {"q": "x"}, "channel state: field 'q': expected one of good, stale, sim, got 'x'."),
        (Holder, {"st": "x"}, "lease: field 'st': expected one of held, free, lost, got 'x'."),
        (Manifest, {"sha256": "0F" * 32},
         f"manifest: field 'sha256': expected 64 hexadecimal digits, got '{'0F' * 32}'."),
        (Caps, {"verbs": [1]}, "capabilities: field 'verbs': expected a list of text."),
        (Caps, {"verbs": {}}, "capabilities: field 'verbs': expected a list of text."),
        (EventBatch, {"events": [1]}, "events: field 'events': expected a list of objects."),
        (EventBatch, {"events": {}}, "events: field 'events': expected a list of objects."),
        (EventBatch, {"events": [{}]}, "event: field 'seq' is missing."),
    ],
)  # fmt: skip
def test_a_bad_message_says_where_and_what(kind: type[Any], change: dict[str, Any], said: str) -> None:
    body = next(body for message, body in WIRE if type(message) is kind)
    with pytest.raises(BadMessage) as caught:
        kind.decode(json.dumps(body | change).encode())
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "change",
    [{"n": 0, "after": 9}, {"n": 6, "after": 5}, {"id": "a" * 64}, {"id": "_-aZ09"}, {"ttl": 1}, {"ttl": 1e-9},
     {"ttl": 999_999_999}, {"seen": {"a": 0}}, {"n": 0}, {"after": 0}],
)  # fmt: skip
def test_a_command_at_its_limits_is_one(change: dict[str, Any]) -> None:
    command = Command.decode(json.dumps(WIRE[0][1] | change).encode())
    for name, value in change.items():
        assert getattr(command, name) == value


def test_the_largest_message_is_read_and_no_larger_one() -> None:
    assert (VERSION, LARGEST) == (1, 4 * 1024 * 1024)
    octets = EXAMPLES[9].encode()
    assert Holder.decode(octets + b" " * (LARGEST - len(octets))) == EXAMPLES[9]
    with pytest.raises(BadMessage) as caught:
        Holder.decode(octets + b" " * (LARGEST - len(octets) + 1))
    assert str(caught.value) == f"lease: {LARGEST + 1} octets, at most {LARGEST} are read."


@pytest.mark.parametrize(
    ("octets", "said"),
    [(b"[1]", "lease: expected an object, got list."),
     (b"{" + b"x" * 100, f"lease: not JSON (JSONDecodeError): {b'{' + b'x' * 59!r}."),
     (b"\xff", "lease: not JSON (UnicodeDecodeError): b'\\xff'.")],
)  # fmt: skip
def test_what_is_no_json_object_is_shown_shortened(octets: bytes, said: str) -> None:
    with pytest.raises(BadMessage) as caught:
        Holder.decode(octets)
    assert str(caught.value) == said


def test_an_answer_with_events_is_the_same_answer() -> None:
    assert EXAMPLES[2].with_events(list(EVENTS)) == Answer(
        "id-1", 8, "ok", "boot", {"now": 2**63}, None, {"esme": 4}, EVENTS
    )
