"""Large messages in blocks: the layout, and reassembly whatever order, loss and repetition do to them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import gbcs, gbt
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.gbt import Block, Key, Reassembler, Settings
from tests.examples import examples

ORIGINATOR = bytes.fromhex("0011223344556677")
RECIPIENT = bytes.fromhex("8899aabbccddeeff")
KEY = Key(ORIGINATOR, RECIPIENT, 1, 1003, 0x1C)


def message(size: int = 400, counter: int = 1003, code: int = 0x1C, filling: int = 7) -> bytes:
    body = random.Random(filling).randbytes(size)
    return gbcs.encode(gbcs.Message(1, counter, ORIGINATOR, RECIPIENT, code, body, signature=bytes(64), mac=bytes(12)))


ROUTING = f"dd 09 01 00000000000003eb 08 {ORIGINATOR.hex()} 08 {RECIPIENT.hex()} 00 02 001c 00"

BLOCKS = {
    "first": (Block(KEY, 1, False, b"\xaa\xbb"), f"{ROUTING} 0e 11 00000000 e0 46 0001 0000 02 aabb"),
    "last": (Block(KEY, 300, True, b"\xaa"), f"{ROUTING} 0d 11 00000000 e0 c6 012c 0000 01 aa"),
    "every field": (
        Block(KEY, 2, False, b"", 1, 63, False, 0x31, 5),
        f"{ROUTING} 0c 31 00000005 e0 3f 0002 0001 00",
    ),
    "of 200 octets": (
        Block(KEY, 1, True, bytes(200)),
        f"{ROUTING} 81d5 11 00000000 e0 c6 0001 0000 81c8 {bytes(200).hex()}",
    ),
}


@pytest.mark.parametrize(("block", "octets"), BLOCKS.values(), ids=BLOCKS)
def test_blocks(block: Block, octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert gbt.decode(raw) == block
    assert gbt.encode(block) == raw
    assert gbt.is_block(raw)


@pytest.mark.parametrize("octets", [octets for _, octets in BLOCKS.values()], ids=BLOCKS)
def test_every_cut_and_every_octet_more_is_refused(octets: str) -> None:
    raw = bytes.fromhex(octets)
    for wrong in (*(raw[:end] for end in range(len(raw))), raw + b"\x00"):
        with pytest.raises(DecodeError):
            gbt.decode(wrong)


REFUSED = {
    "another tag": ROUTING.replace("dd", "df", 1) + "0c 11 00000000 e0 46 0001 0000 00",
    "a date-time": ROUTING.replace("00 02 001c", "0c 02 001c") + "0c 11 00000000 e0 46 0001 0000 00",
    "CRA flag 4": ROUTING.replace("09 01", "09 04") + "0c 11 00000000 e0 46 0001 0000 00",
    "no block transfer": f"{ROUTING} 0c 11 00000000 df 46 0001 0000 00",
    "block data shorter than announced": f"{ROUTING} 0c 11 00000000 e0 46 0001 0000 01",
    "a length longer than needed": f"{ROUTING} 810c 11 00000000 e0 46 0001 0000 00",
}


@pytest.mark.parametrize("octets", REFUSED.values(), ids=REFUSED)
def test_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        gbt.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "block",
    [
        Block(Key(ORIGINATOR[:7], RECIPIENT, 1, 1, 1), 1, True, b""),
        Block(Key(ORIGINATOR, RECIPIENT, 0, 1, 1), 1, True, b""),
        Block(Key(ORIGINATOR, RECIPIENT, 1, 1 << 64, 1), 1, True, b""),
        Block(KEY, 0x10000, True, b""),
        Block(KEY, 1, True, b"", window=64),
        Block(KEY, 1, True, bytes(0x10000)),
    ],
)
def test_not_encoded(block: Block) -> None:
    with pytest.raises(EncodeError):
        gbt.encode(block)


# ------------------------------------------------------------------------------------------------------------ splitting


def test_split() -> None:
    whole = message(400)
    blocks = [gbt.decode(octets) for octets in gbt.split(whole, 180)]
    assert b"".join(block.data for block in blocks) == whole
    assert [block.number for block in blocks] == [1, 2, 3]
    assert [block.last for block in blocks] == [False, False, True]
    assert [len(block.data) for block in blocks[:-1]] == [180, 180]
    assert {block.key for block in blocks} == {KEY}


def test_the_settings_are_written() -> None:
    chosen = Settings(security=0x31, window=2, streaming=False, first_block=0)
    block = gbt.decode(gbt.split(message(), 40, chosen)[0])
    assert (block.security, block.window, block.streaming, block.number) == (0x31, 2, False, 0)


def test_a_message_as_long_as_a_block_is_one_block() -> None:
    whole = message()
    assert len(gbt.split(whole, len(whole))) == 1
    assert len(gbt.split(whole, len(whole) - 1)) == 2


def test_whole_messages_are_no_blocks() -> None:
    whole = message()
    assert not gbt.is_block(whole)
    assert not gbt.is_block(b"")
    assert not gbt.is_block(whole[13:])


def test_what_cannot_be_split() -> None:
    with pytest.raises(DecodeError):
        gbt.split(b"\xdd\x00", 40)
    with pytest.raises(EncodeError):
        gbt.split(message(), 0)
    with pytest.raises(EncodeError):
        gbt.split(message(0xF000), 0xFFFF, Settings(first_block=0x10000))


# ----------------------------------------------------------------------------------------------------------- reassembly


def feed_all(reassembler: Reassembler, blocks: list[bytes]) -> list[bytes]:
    return [whole for whole in map(reassembler.feed, blocks) if whole is not None]


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(st.integers(0, 800), st.integers(30, 200), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_message_once(size: int, block_size: int, rng: random.Random) -> None:
    whole = message(size)
    blocks = gbt.split(whole, block_size)
    rng.shuffle(blocks)
    early = [rng.choice(blocks[:-1]) for _ in range(3)] if len(blocks) > 1 else []
    reassembler = Reassembler()
    assert feed_all(reassembler, blocks[:-1] + early) == []
    assert reassembler.feed(blocks[-1]) == whole
    assert reassembler.missing() == {}


def test_the_same_message_can_come_again() -> None:
    whole = message()
    assert feed_all(Reassembler(), gbt.split(whole, 40) * 2) == [whole, whole]


def test_several_transfers_at_a_time() -> None:
    first, second = message(counter=1), message(counter=2)
    pairs = zip(gbt.split(first, 40), gbt.split(second, 40), strict=True)
    assert feed_all(Reassembler(), [block for pair in pairs for block in pair]) == [first, second]


def test_missing_blocks_are_named() -> None:
    blocks = gbt.split(message(400), 100)
    reassembler = Reassembler()
    assert reassembler.feed(blocks[2]) is None
    assert reassembler.missing() == {KEY: (1, 2, 4)}
    assert reassembler.feed(blocks[-1]) is None
    assert reassembler.missing() == {KEY: (1, 2, 4, *range(5, len(blocks)))}
    reassembler.forget(KEY)
    reassembler.forget(KEY)
    assert reassembler.missing() == {}


def part(number: int, data: bytes = b"x", last: bool = False) -> bytes:
    return gbt.encode(Block(KEY, number, last, data))


CONFLICTS = {
    "different data": [part(1), part(1, b"y")],
    "a block after the last": [part(3, last=True), part(4)],
    "a last before another": [part(4), part(3, last=True)],
    "two lasts": [part(3, last=True), part(2, last=True)],
    "the last is no longer the last": [part(3, last=True), part(3)],
    "block 0": [part(0)],
    "an empty block": [part(1, b"")],
    "a number out of bounds": [part(2049)],
    "blocks that are no message": [part(1), part(2, last=True)],
}


@pytest.mark.parametrize("blocks", CONFLICTS.values(), ids=CONFLICTS)
def test_a_conflict_ends_the_transfer(blocks: list[bytes]) -> None:
    reassembler = Reassembler()
    for block in blocks[:-1]:
        assert reassembler.feed(block) is None
    with pytest.raises(DecodeError):
        reassembler.feed(blocks[-1])
    assert reassembler.missing() == {}
    whole = message()
    assert feed_all(reassembler, gbt.split(whole, 100)) == [whole]


def test_a_conflict_leaves_other_transfers_alone() -> None:
    other = message(counter=2)
    blocks = gbt.split(other, 100)
    reassembler = Reassembler()
    feed_all(reassembler, [*blocks[:-1], part(1)])
    with pytest.raises(DecodeError):
        reassembler.feed(part(1, b"y"))
    assert reassembler.feed(blocks[-1]) == other


def test_a_message_of_another_header_is_refused() -> None:
    stray = [gbt.decode(octets) for octets in gbt.split(message(code=0x1D), 1000)]
    with pytest.raises(DecodeError, match="routing header"):
        Reassembler().feed(gbt.encode(Block(KEY, 1, True, stray[0].data)))


def test_memory_is_bounded() -> None:
    reassembler = Reassembler(Settings(most_transfers=2, largest_message=150))
    reassembler.feed(part(1, bytes(100)))
    with pytest.raises(DecodeError, match="longer"):
        reassembler.feed(part(2, bytes(51)))
    for counter in (1, 2, 3):
        reassembler.feed(gbt.split(message(counter=counter), 100)[0])
    assert [key.counter for key in reassembler.missing()] == [2, 3]


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.binary(max_size=3)), max_size=8), st.binary(max_size=60))
def test_anything_is_taken_or_refused(parts: list[tuple[int, bool, bytes]], rest: bytes) -> None:
    reassembler = Reassembler()
    for octets in (*(part(number, data, last) for number, last, data in parts), bytes.fromhex(ROUTING) + rest, rest):
        try:
            whole = reassembler.feed(octets)
        except DecodeError:
            continue
        assert whole is None
