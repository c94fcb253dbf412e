"""Mutated published messages: each is refused with a ``DecodeError``, or reads as an object that encodes to it again.

Everything is drawn from a seed, so that a failure repeats; its message carries the octets.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from devices.wire import asn1, axdr, cosem, gbcs, gbt, gbz, payload
from devices.wire.errors import DecodeError

QUICK = 50_000
SOAK = 1_000_000

pytestmark = pytest.mark.corpus

Mutation = Callable[[random.Random, bytearray], None]


@pytest.fixture(scope="module")
def messages(corpus_dir: Path) -> list[bytes]:
    lines = (corpus_dir / "gbcs-open.jsonl").read_text().splitlines()
    return [bytes.fromhex(json.loads(line)["hex"]) for line in lines]


# ------------------------------------------------------------------------------------------------------------ mutations


def flip(rng: random.Random, octets: bytearray) -> None:
    octets[rng.randrange(len(octets))] ^= 1 << rng.randrange(8)


def overwrite(rng: random.Random, octets: bytearray) -> None:
    octets[rng.randrange(len(octets))] = rng.choice((0, 1, 2, 9, 0x13, 0x30, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFF))


def cut(rng: random.Random, octets: bytearray) -> None:
    start = rng.randrange(len(octets))
    del octets[start : start + rng.choice((1, 1, 2, 4, 8, len(octets)))]


def insert(rng: random.Random, octets: bytearray) -> None:
    start = rng.randrange(len(octets) + 1)
    octets[start:start] = rng.randbytes(rng.choice((1, 1, 2, 4, 8)))


def double(rng: random.Random, octets: bytearray) -> None:
    start, length = rng.randrange(len(octets)), rng.randrange(1, 24)
    octets[start:start] = octets[start : start + length]


def count_one_off(rng: random.Random, octets: bytearray) -> None:
    """Make a small number, which may well be a length or a count, one more or less."""
    small = [index for index, octet in enumerate(octets) if 0 < octet < 0x40]
    if small:
        octets[rng.choice(small)] += rng.choice((-1, 1))


def longer_length(rng: random.Random, octets: bytearray) -> None:
    """Write a small number in the form that a length might have, longer than it needs."""
    index = rng.randrange(len(octets))
    if octets[index] < 0x80:
        octets[index : index + 1] = rng.choice((b"\x81", b"\x82\x00", b"\x84\x00\x00\x00")) + octets[index : index + 1]


def swap(rng: random.Random, octets: bytearray) -> None:
    """Exchange two neighbouring pieces."""
    first, second = rng.randrange(1, 16), rng.randrange(1, 16)
    start = rng.randrange(len(octets))
    middle, end = start + first, start + first + second
    octets[start:end] = octets[middle:end] + octets[start:middle]


MUTATIONS: Sequence[Mutation] = (flip, flip, overwrite, cut, insert, double, count_one_off, longer_length, swap)


# ----------------------------------------------------------------------------------------------------------- the checks


def whole(octets: bytes) -> str:
    """Decode a message and its payload; the name of what came out.  Raises ``DecodeError``."""
    message = gbcs.decode(octets)
    body = payload.decode(message)
    assert gbcs.encode(message._replace(payload=payload.encode(body))) == octets
    try:
        whole = payload.typed(message)
    except DecodeError:
        return type(body).__name__
    assert payload.encode(whole) == message.payload
    return type(body).__name__


def body_alone(octets: bytes) -> str:
    """Decode a payload; the name of what came out.  Raises ``DecodeError``."""
    body = payload.read(octets)
    assert payload.encode(body) == octets
    return type(body).__name__


def block(octets: bytes) -> str:
    """Decode a GBT block; the name of what came out.  Raises ``DecodeError``."""
    read = gbt.decode(octets)
    assert gbt.encode(read) == octets
    gbt.Reassembler().feed(octets)
    return type(read).__name__


def mutate_and_check(messages: list[bytes], count: int, seed: int) -> Counter[str]:
    """Mutate whole messages, payloads and blocks in turn, ``count`` in all; how often each outcome came."""
    rng = random.Random(seed)
    payloads = [gbcs.decode(octets).payload for octets in messages]
    blocks = [part for octets in messages[::40] for part in gbt.split(octets, 180)]
    kinds = ((whole, messages), (body_alone, payloads), (body_alone, payloads), (whole, messages), (block, blocks))
    outcomes: Counter[str] = Counter()
    for turn in range(count):
        check, sources = kinds[turn % len(kinds)]
        octets = bytearray(rng.choice(sources))
        for _ in range(rng.choice((1, 1, 2, 4))):
            if octets:
                rng.choice(MUTATIONS)(rng, octets)
        mutated = bytes(octets)
        try:
            outcomes[check(mutated)] += 1
            continue
        except DecodeError as error:
            refused = error
        except Exception as wrong:
            wrong.add_note(f"{check.__name__} of {mutated.hex()}")
            raise
        assert 0 <= refused.offset <= len(mutated), f"{refused} in {mutated.hex()}"
        outcomes[f"refused by {refused.layer}"] += 1
    return outcomes


def assert_all_outcomes_seen(outcomes: Counter[str]) -> None:
    """The mutations reached every decoder and every kind of object: else they would prove little."""
    kinds = (
        cosem.AccessRequest,
        cosem.AccessResponse,
        cosem.Notification,
        gbz.Payload,
        gbz.Alert,
        asn1.Node,
        gbt.Block,
    )
    expected = {kind.__name__ for kind in kinds}
    expected |= {f"refused by {layer}" for layer in ("gbcs", "axdr", "cosem", "gbz", "asn1", "gbt")}
    assert expected <= outcomes.keys()


def test_mutated_messages(messages: list[bytes]) -> None:
    outcomes = mutate_and_check(messages, QUICK, seed=1)
    assert outcomes.total() == QUICK
    assert_all_outcomes_seen(outcomes)


@pytest.mark.soak
def test_a_million_mutated_messages(messages: list[bytes]) -> None:
    outcomes = mutate_and_check(messages, SOAK, seed=2)
    assert outcomes.total() == SOAK
    assert_all_outcomes_seen(outcomes)


# ----------------------------------------------------------------------------------------------------------- reordering


def reversed_data(data: axdr.Data) -> axdr.Data:
    """The same value with the elements of everything in it in reverse order."""
    if data.tag in (axdr.Tag.ARRAY, axdr.Tag.STRUCTURE):
        return axdr.Data(data.tag, tuple(map(reversed_data, data.value[::-1])))
    if data.tag == axdr.Tag.COMPACT_ARRAY:
        return axdr.compact(data.value.description, *data.value.rows[::-1])
    return data


def reversed_node(node: asn1.Node) -> asn1.Node:
    """The same element with everything in it in reverse order."""
    return asn1.Node(node.tag, node.octets, tuple(map(reversed_node, node.children[::-1])), node.length_octets)


def reversed_elements(body: payload.Payload) -> payload.Payload:
    """The same payload with its elements in reverse order, at every level."""
    if isinstance(body, cosem.AccessRequest):
        data = tuple(map(reversed_data, body.data[::-1]))
        return cosem.AccessRequest(body.invoke, body.date_time, body.specs[::-1], data)
    if isinstance(body, cosem.AccessResponse):
        data = tuple(map(reversed_data, body.data[::-1]))
        return cosem.AccessResponse(body.invoke, body.date_time, body.specs[::-1], data, body.results[::-1])
    if isinstance(body, cosem.Notification):
        return cosem.Notification(body.invoke, body.date_time, reversed_data(body.body))
    if isinstance(body, gbz.Payload):
        return gbz.Payload(body.components[::-1])
    if isinstance(body, asn1.Node):
        return reversed_node(body)
    return body


def test_reordered_elements_read_as_reordered(messages: list[bytes]) -> None:
    changed = 0
    for octets in messages:
        message = gbcs.decode(octets)
        body = payload.decode(message)
        other = reversed_elements(body)
        mutated = gbcs.encode(message._replace(payload=payload.encode(other)))
        again = payload.decode(gbcs.decode(mutated))
        assert again == other
        assert (again == body) == (mutated == octets)
        changed += mutated != octets
    assert changed > 400


def test_every_cut_is_refused(messages: list[bytes]) -> None:
    """A message that lost its end is never taken for a whole one, but for a pre-command where exactly the signature
    field went."""
    for octets in messages[::20]:
        message = gbcs.decode(octets)
        without_signature = len(octets) - len(message.signature or b"") - 1
        for end in range(len(octets)):
            if message.mac is None and message.signature is not None and end == without_signature:
                assert gbcs.decode(octets[:end]).signature is None
                continue
            with pytest.raises(DecodeError):
                gbcs.decode(octets[:end])
