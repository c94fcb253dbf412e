"""A listener's reassembly: every message that crossed whole, once; and a finding for whatever did not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import gbcs, gbt, tunnelling
from devices.wire.reassembly import Finding, Mark, Reason, Reassembler, Result, Way, Whole, numbers
from tests.examples import examples

ORIGINATOR = bytes.fromhex("0011223344556677")
RECIPIENT = bytes.fromhex("8899aabbccddeeff")
OUT = Way("han", ORIGINATOR, RECIPIENT)
HOME = Way("han", RECIPIENT, ORIGINATOR)
CLUSTER = tunnelling.CLUSTER


def message(size: int = 400, counter: int = 1003, filling: int = 7) -> bytes:
    body = random.Random(filling).randbytes(size)
    return gbcs.encode(gbcs.Message(1, counter, ORIGINATOR, RECIPIENT, 0x1C, body, signature=bytes(64), mac=bytes(12)))


def fed(pieces: Sequence[bytes], way: Way = OUT, listener: Reassembler | None = None) -> list[Result]:
    """What a listener gives of what was carried, one piece a nanosecond."""
    listener = Reassembler() if listener is None else listener
    return [found for at, piece in enumerate(pieces) for found in listener.carried(way, piece, Mark(at, at + 1))]


def wholes(found: Sequence[Result]) -> list[bytes]:
    return [one.octets for one in found if isinstance(one, Whole)]


def reasons(found: Sequence[Result]) -> list[Reason]:
    return [one.reason for one in found if isinstance(one, Finding)]


# ------------------------------------------------------------------------------------------------------------- tunnels


def test_a_message_in_one_frame_comes_with_its_way_its_mark_and_its_envelope() -> None:
    frame = tunnelling.encode(tunnelling.TransferData(1, message(), to_server=True), 9)
    (whole,) = Reassembler().zcl(OUT, CLUSTER, frame, Mark(5, 2))
    assert whole == Whole(message(), gbcs.decode(message()), OUT, Mark(5, 2), Mark(5, 2), 1)


def transfer(octets: bytes) -> bytes:
    return tunnelling.encode(tunnelling.TransferData(1, octets, to_server=False), 0)


def gas(command: tunnelling.GasCommand) -> bytes:
    return transfer(tunnelling.encode_gas(command))


@pytest.mark.parametrize(
    ("frame", "carried"),
    [
        pytest.param(gas(tunnelling.Put(message())), [message()], id="PUT"),
        pytest.param(gas(tunnelling.GetResponse(3, message())), [message()], id="GET-RESPONSE"),
        pytest.param(gas(tunnelling.GetResponse(0)), [], id="GET-RESPONSE with nothing"),
        pytest.param(gas(tunnelling.Get()), [], id="GET"),
        pytest.param(tunnelling.encode(tunnelling.RequestTunnel(), 0), [], id="another command of the cluster"),
        pytest.param(bytes.fromhex("1800 0b 0200"), [], id="a default response"),
    ],
)
def test_what_a_frame_of_the_tunnel_carries(frame: bytes, carried: list[bytes]) -> None:
    found = Reassembler().zcl(OUT, CLUSTER, frame, Mark())
    assert wholes(found) == carried
    assert reasons(found) == []


def test_other_clusters_are_not_looked_into() -> None:
    assert not Reassembler().zcl(OUT, 0x000A, b"\xff", Mark())


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        pytest.param(b"\xff", Reason.BROKEN_FRAME, id="no ZCL"),
        pytest.param(bytes.fromhex("010002 01"), Reason.BROKEN_FRAME, id="no tunnel id"),
        pytest.param(transfer(b"\x01\x00"), Reason.BROKEN_FRAME, id="GET with something behind it"),
        pytest.param(transfer(b"\x02"), Reason.BROKEN_FRAME, id="GET-RESPONSE without its count"),
        pytest.param(transfer(message()[:-1]), Reason.NO_MESSAGE, id="a message that is cut"),
        pytest.param(gas(tunnelling.Put(b"\x00")), Reason.NO_MESSAGE, id="PUT of something else"),
        pytest.param(transfer(gbt.split(message(), 100)[0][:-1]), Reason.NO_MESSAGE, id="a block that is cut"),
    ],
)
def test_what_cannot_be_read_is_told(frame: bytes, reason: Reason) -> None:
    (found,) = Reassembler().zcl(OUT, CLUSTER, frame, Mark(1, 2))
    assert isinstance(found, Finding)
    assert (found.reason, found.way, found.first, found.lost) == (reason, OUT, Mark(1, 2), True)
    assert found.detail


# -------------------------------------------------------------------------------------------------------------- blocks


def test_blocks_make_one_message_with_first_and_last_instant() -> None:
    blocks = gbt.split(message(), 100)
    (whole,) = fed(blocks)
    assert isinstance(whole, Whole)
    assert (whole.octets, whole.pieces) == (message(), len(blocks))
    assert (whole.first, whole.last) == (Mark(0, 1), Mark(len(blocks) - 1, len(blocks)))


@given(order=st.permutations(range(5)), again=st.lists(st.integers(0, 4), max_size=4))
def test_order_and_repetition_change_nothing(order: list[int], again: list[int]) -> None:
    blocks = gbt.split(message(), 110)
    assert len(blocks) == 5
    listener = Reassembler()
    found = fed([blocks[n] for n in (*order, *again)], listener=listener)
    assert wholes(found) == [message()]
    assert not any(one.lost for one in (*found, *listener.unfinished()) if isinstance(one, Finding))


@settings(max_examples=examples(30))
@given(
    sizes=st.tuples(st.integers(30, 200), st.integers(30, 200)).filter(lambda pair: pair[0] != pair[1]),
    share=st.floats(0.0, 0.99),
)
def test_a_transfer_given_up_and_sent_again_whole_is_one_message(sizes: tuple[int, int], share: float) -> None:
    first, second = (gbt.split(message(), size) for size in sizes)
    listener = Reassembler()
    found = fed([*first[: int(len(first) * share)], *second], listener=listener)
    assert wholes(found) == [message()]
    assert not any(one.lost for one in (*found, *listener.unfinished()) if isinstance(one, Finding))


def test_a_restart_in_another_block_size_is_told() -> None:
    found = fed([*gbt.split(message(), 100)[:3], *gbt.split(message(), 150)])
    assert reasons(found) == [Reason.RESTARTED]
    assert isinstance(found[0], Finding)
    assert found[0].detail == "block 1 to 3 came before the transfer began anew in other blocks"


def test_a_restart_in_the_same_block_size_is_one_message() -> None:
    blocks = gbt.split(message(), 100)
    (whole,) = fed([*blocks[:3], *blocks])
    assert isinstance(whole, Whole)
    assert (whole.octets, whole.pieces, whole.first, whole.last) == (message(), 6, Mark(0, 1), Mark(8, 9))


def test_a_whole_second_transfer_is_a_second_message() -> None:
    blocks = gbt.split(message(), 100)
    assert wholes(fed([*blocks, *blocks, *gbt.split(message(), 150)])) == [message()] * 3


def test_blocks_that_come_again_after_the_message_are_no_loss() -> None:
    blocks = gbt.split(message(), 100)
    listener = Reassembler()
    fed([*blocks, blocks[-1], blocks[1]], listener=listener)
    (late,) = listener.unfinished()
    assert (late.reason, late.lost) == (Reason.REPEATED, False)
    assert late.detail == "block 2 and 6 came again after the message was whole"


@pytest.mark.parametrize(
    ("gone", "missing", "detail"),
    [
        ({3}, (3,), "block 3 of 5 is missing"),
        ({1, 2, 4}, (1, 2, 4), "block 1 to 2 and 4 of 5 is missing"),
        ({5}, (5,), "the transfer ends before its last block (block 5 or a later one)"),
        (
            {2, 4, 5},
            (2, 4),
            "block 2 is missing, and the transfer ends before its last block (block 4 or a later one)",
        ),
    ],
)
def test_missing_blocks_are_named(gone: set[int], missing: tuple[int, ...], detail: str) -> None:
    listener = Reassembler()
    assert not fed([b for n, b in enumerate(gbt.split(message(), 110), 1) if n not in gone], listener=listener)
    (lack,) = listener.unfinished()
    assert (lack.reason, lack.missing, lack.detail) == (Reason.BLOCKS_MISSING, missing, detail)
    assert lack.key == gbt.Key(ORIGINATOR, RECIPIENT, 1, 1003, 0x1C)
    assert listener.reset() == [lack]
    assert listener.unfinished() == []


def test_each_way_is_apart_from_every_other() -> None:
    blocks = gbt.split(message(), 110)
    listener = Reassembler()
    found = fed(blocks[:3], OUT, listener) + fed(blocks[3:], HOME, listener)
    found += fed(blocks[3:], OUT._replace(link="interpan"), listener)
    assert found == []
    assert len(listener.unfinished()) == 3


def test_transfers_may_interleave() -> None:
    one, two = gbt.split(message(), 110), gbt.split(message(counter=1004), 110)
    pieces = [block for pair in zip(one, two, strict=True) for block in pair]
    assert wholes(fed(pieces)) == [message(), message(counter=1004)]


def test_a_forged_block_among_true_ones_is_told() -> None:
    """Whoever takes part cannot tell which is true either: the transfer is lost, and that is said."""
    true, forged = gbt.split(message(), 110), gbt.split(message(filling=8), 110)
    listener = Reassembler()
    found = fed([true[0], forged[1], *true[1:]], listener=listener)
    assert found == []
    assert reasons(listener.unfinished()) == [Reason.RESTARTED, Reason.BLOCKS_MISSING]


def test_blocks_that_hold_something_else_than_their_header_says_are_told() -> None:
    key = gbt.Key(ORIGINATOR, RECIPIENT, 1, 1, 0x1C)
    block = gbt.encode(gbt.Block(key, 1, True, message()))
    (found,) = fed([block])
    assert reasons([found]) == [Reason.BLOCKS_CONTRADICT]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(gbt.Block(gbt.Key(ORIGINATOR, RECIPIENT, 1, 1, 1), 0, False, b"x"), id="number 0"),
        pytest.param(gbt.Block(gbt.Key(ORIGINATOR, RECIPIENT, 1, 1, 1), 5000, False, b"x"), id="number 5000"),
        pytest.param(gbt.Block(gbt.Key(ORIGINATOR, RECIPIENT, 1, 1, 1), 1, False, b""), id="empty"),
    ],
)
def test_blocks_out_of_bounds_are_told(block: gbt.Block) -> None:
    (found,) = fed([gbt.encode(block)])
    assert reasons([found]) == [Reason.BLOCKS_CONTRADICT]


def test_more_than_the_largest_message_is_given_up() -> None:
    key = gbt.Key(ORIGINATOR, RECIPIENT, 1, 1, 1)
    blocks = [gbt.encode(gbt.Block(key, number, False, bytes(60_000))) for number in (1, 2)]
    assert reasons(fed(blocks)) == [Reason.BLOCKS_CONTRADICT]


def test_the_oldest_of_too_many_transfers_gives_way_and_is_told() -> None:
    firsts = [gbt.split(message(counter=n), 110)[0] for n in range(70)]
    listener = Reassembler()
    found = fed(firsts, listener=listener)
    assert reasons(found) == [Reason.BLOCKS_MISSING] * 6
    assert len(listener.unfinished()) == 64


@settings(max_examples=examples(30))
@given(st.lists(st.binary(max_size=40) | st.sampled_from(gbt.split(message(), 110)), max_size=12))
def test_every_piece_is_accounted_for(pieces: list[bytes]) -> None:
    """Each piece is in a message or in a finding."""
    listener = Reassembler()
    found = [*fed(pieces, listener=listener), *listener.unfinished()]
    assert (len(pieces) == 0) == (found == [])
    assert all(isinstance(one, Whole) or one.detail for one in found)


@pytest.mark.parametrize(
    ("given_", "words"), [((), ""), ((3,), "3"), ((3, 5), "3 and 5"), ((1, 2, 3, 5, 7, 8), "1 to 3, 5 and 7 to 8")]
)
def test_numbers_in_words(given_: tuple[int, ...], words: str) -> None:
    assert numbers(given_) == words
