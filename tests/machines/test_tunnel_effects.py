"""Every effect of the tunnel's ends, one frame at a time: what goes out, what is told, which timers run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from devices.events.tunnels import (
    TransferBroken,
    TransferDropped,
    TransferUnreadable,
    TunnelClosed,
    TunnelError,
    TunnelGivenUp,
    TunnelIgnored,
    TunnelOpened,
    TunnelRefused,
)
from devices.machines.core import Effect, Received, Record, Send, SendFailed, SetTimer, StopTimer
from devices.machines.parts.tunnel import CLUSTER, INTERPAN, TunnelClient, TunnelServer, TunnelSettings
from devices.machines.parts.tunnel_end import DEFAULT_RESPONSE, Link, rewind
from devices.wire import gbt, tunnelling
from devices.wire.tunnelling import (
    AckTransferData,
    CloseTunnel,
    RequestTunnel,
    RequestTunnelResponse,
    TransferData,
    TransferDataError,
    TunnelCommand,
)
from tests.machines.test_tunnel import message

SECOND = 1_000_000_000
PEER, OTHER = bytes.fromhex("0013a20041abcdef"), bytes.fromhex("00db1234567890a0")
LONG = message(560)  # of several blocks
BLOCK_TIMER = f"tunnel.han.block.{PEER.hex()}"


def _sized(size: int) -> bytes:
    """A message of exactly so many octets."""
    return next(one for payload in range(size) if len(one := message(payload)) == size)


def _send(command: TunnelCommand, sequence: int, token: int | None = None, peer: bytes = PEER) -> Send:
    octets = tunnelling.encode(command, sequence)
    return Send("han", peer, octets, 0x0704) if token is None else Send("han", peer, octets, 0x0704, token)


def _got(
    end: TunnelServer | TunnelClient, command: TunnelCommand, now: int = 0, peer: bytes = PEER, sequence: int = 9
) -> list[Effect]:
    messages, effects = end.receive(Received("han", peer, tunnelling.encode(command, sequence), CLUSTER), now)
    assert messages == []
    return effects


def _timers(*names: str) -> list[StopTimer]:
    return [StopTimer(f"tunnel.han.{name}.{PEER.hex()}") for name in names]


def _broken(reason: str, *messages: bytes) -> list[Effect]:
    return [Record(TransferBroken(port="han", peer=PEER, octets=one, reason=reason)) for one in messages]


def _server(**settings: Any) -> TunnelServer:
    """A server with a tunnel 0 to the peer."""
    server = TunnelServer("han", TunnelSettings(**settings))
    answer = _send(RequestTunnelResponse(0), 9, 1)
    assert _got(server, RequestTunnel()) == [answer, Record(TunnelOpened(port="han", peer=PEER, tunnel=0))]
    return server


def _client(now: int = 0, **settings: Any) -> TunnelClient:
    """A client with a tunnel 5 to the peer: token 1 and sequence 0 are used."""
    client = TunnelClient("han", TunnelSettings(**settings))
    asked = [_send(RequestTunnel(), 0, 1), SetTimer(f"tunnel.han.answer.{PEER.hex()}", now + 5 * SECOND)]
    assert client.open(PEER, now) == asked
    assert _got(client, RequestTunnelResponse(5), now) == [
        *_timers("answer"),
        SetTimer(f"tunnel.han.renew.{PEER.hex()}", now + 65_535 * SECOND),
        Record(TunnelOpened(port="han", peer=PEER, tunnel=5)),
    ]
    return client


def test_the_defaults_are_those_of_the_facts() -> None:
    """facts/gbcs.md 8.3, 11 no. 11 and 12; facts/radio.md 1 no. 8 and 8.1."""
    assert TunnelSettings() == TunnelSettings(
        protocol=6,
        manufacturer=0xFFFF,
        max_transfer=1500,
        largest_frame=255,
        block_size=180,
        block_interval_ns=10_000_000,
        busy_retry_ns=180 * SECOND,
        answer_timeout_ns=5 * SECOND,
        request_tries=3,
        renew_after_ns=65_535 * SECOND,
        max_tunnels=8,
        unfetched_ns=86_400 * SECOND,
        default_responses=True,
        queue_limit=32,
        largest_message=24_000,
    )
    assert TunnelSettings(largest_frame=93, block_size=40) == INTERPAN
    assert (CLUSTER, DEFAULT_RESPONSE) == (0x0704, 0x0B)
    with pytest.raises(ValueError, match="block"):
        TunnelSettings(block_size=0)
    assert TunnelSettings(block_size=1).block_size == 1


# --------------------------------------------------------------------------------------------------------------- server


def test_a_server_numbers_its_tunnels_apart_and_comes_round() -> None:
    server = _server()
    for peer, tunnel in ((OTHER, 1), (PEER, 2), (OTHER, 3)):
        _got(server, RequestTunnel(), peer=peer)
        assert server._links[peer].tunnel == tunnel
    server._next_id = 0xFFFF
    for peer, tunnel in ((b"a", 0xFFFF), (b"b", 0), (b"c", 1), (b"d", 4)):  # 2 and 3 are in use
        _got(server, RequestTunnel(), peer=peer)
        assert server._links[peer].tunnel == tunnel


def test_a_refused_request_leaves_nothing_but_its_answer() -> None:
    server = TunnelServer("han")
    refusal = _send(RequestTunnelResponse(0, 3), 9)
    assert _got(server, RequestTunnel(protocol=1)) == [refusal, Record(TunnelRefused(port="han", peer=PEER, status=3))]
    assert server._links == {}


def test_a_server_takes_the_close_of_the_tunnel_that_there_is() -> None:
    server = _server()
    ignored = Record(TunnelIgnored(port="han", peer=PEER, command="CloseTunnel"))
    assert _got(server, CloseTunnel(1)) == [ignored]
    assert server.is_open(PEER)
    assert _got(server, CloseTunnel(0)) == [Record(TunnelClosed(port="han", peer=PEER))]
    assert server._links == {}
    assert _got(server, CloseTunnel(0)) == [ignored]
    # No command but these two means a tunnel's end, whatever tunnel it names.
    others = AckTransferData(0, 1, to_server=True), TransferDataError(1, 0, to_server=True)
    for command in others:
        server = _server()
        told = Record(TunnelIgnored(port="han", peer=PEER, command=type(command).__name__))
        assert _got(server, command) == [told]
        assert server.is_open(PEER)


def test_what_was_going_out_when_the_client_closed_waits_and_goes_whole_with_the_next_tunnel() -> None:
    server = _server()
    blocks, last = gbt.split(LONG, 180), b"last"
    first = _send(TransferData(0, blocks[0], to_server=False), 0, 2)
    assert server.send(PEER, LONG, 7) == [first, SetTimer(BLOCK_TIMER, 7 + 10_000_000)]
    assert server.send(PEER, last, 8) == []
    assert server.waiting(PEER) == 2
    assert _got(server, CloseTunnel(0)) == [*_timers("block"), Record(TunnelClosed(port="han", peer=PEER))]
    assert (server.waiting(PEER), server.is_open(PEER), server.peers()) == (2, False, ())
    effects = _got(server, RequestTunnel(), 10)
    assert effects == [
        _send(RequestTunnelResponse(1), 9, 3),
        Record(TunnelOpened(port="han", peer=PEER, tunnel=1)),
        _send(TransferData(1, blocks[0], to_server=False), 1, 4),
        SetTimer(BLOCK_TIMER, 10 + 10_000_000),
    ]
    sent = [_send(TransferData(1, block, to_server=False), 2 + at, 5 + at) for at, block in enumerate(blocks[1:])]
    for number, send in enumerate(sent, 1):
        following = server.fired(BLOCK_TIMER, 20)
        if number < len(sent):
            assert following == [send, SetTimer(BLOCK_TIMER, 20 + 10_000_000)]
        else:
            final = _send(TransferData(1, last, to_server=False), 2 + len(sent), 5 + len(sent))
            assert following == [send, final]


@pytest.mark.parametrize(("status", "repeats"), [(0, True), (1, False), (2, False)])
@pytest.mark.parametrize(("age", "recent"), [(5 * SECOND, True), (5 * SECOND + 1, False)])
def test_a_client_that_knows_no_such_tunnel_gets_what_was_sent_lately_again(
    status: int, repeats: bool, age: int, recent: bool
) -> None:
    server = _server()
    assert server.send(PEER, b"sent", 100) == [_send(TransferData(0, b"sent", to_server=False), 0, 2)]
    error = TransferDataError(0, status, to_server=True)
    told = Record(TunnelError(port="han", peer=PEER, status=status))
    assert _got(server, error, 100 + age) == [told]
    assert server.is_open(PEER) is not repeats
    assert server.waiting(PEER) == (1 if repeats and recent else 0)


@pytest.mark.parametrize(("spare", "parts"), [(0, 1), (1, 2)])
@pytest.mark.parametrize(("largest", "taken"), [(255, 250), (1500, 200)])
def test_a_message_goes_whole_as_long_as_radio_and_peer_take_it(
    largest: int, taken: int, spare: int, parts: int
) -> None:
    """The least of the radio's frame (5 octets of it are the headers) and of what the peer said that it takes."""
    server = TunnelServer("han", TunnelSettings(largest_frame=largest, block_interval_ns=0))
    _got(server, RequestTunnel(max_incoming=taken if largest == 1500 else 1500))
    effects = server.send(PEER, _sized(taken + spare), 0)
    assert len(effects) == parts
    assert [type(one) for one in effects] == [Send] * parts


def test_a_peer_that_names_no_limit_is_given_ours() -> None:
    server = TunnelServer("han", TunnelSettings(largest_frame=1500, max_transfer=300, block_interval_ns=0))
    _got(server, RequestTunnel(max_incoming=0))
    assert [len(server.send(PEER, _sized(size), 0)) for size in (300, 301)] == [1, 2]


# --------------------------------------------------------------------------------------------------------------- client


def test_a_client_says_what_its_settings_say_and_asks_once_at_a_time() -> None:
    client = TunnelClient("han", TunnelSettings(protocol=5, manufacturer=0x1234, max_transfer=700, answer_timeout_ns=3))
    asked = _send(RequestTunnel(5, 0x1234, False, 700), 0, 1)
    assert client.open(PEER, 10) == [asked, SetTimer(f"tunnel.han.answer.{PEER.hex()}", 13)]
    assert client.open(PEER, 11) == []
    assert client.send(PEER, b"message", 12) == []
    assert (client.waiting(PEER), client.waiting(OTHER)) == (1, 0)


def test_a_silent_peer_is_asked_as_often_as_set_and_then_given_up() -> None:
    client, timer = TunnelClient("han", TunnelSettings(request_tries=2)), f"tunnel.han.answer.{PEER.hex()}"
    client.send(PEER, b"message", 0)
    assert client.fired(timer, 5) == [_send(RequestTunnel(), 1, 2), SetTimer(timer, 5 + 5 * SECOND)]
    reason = "no answer to 2 tunnel requests"
    assert client.fired(timer, 9) == [
        Record(TunnelGivenUp(port="han", peer=PEER, reason=reason)),
        *_timers("answer", "retry", "renew", "block"),
        *_broken(reason, b"message"),
    ]
    assert client.fired(timer, 10) == [], "nothing is asked any more"
    # Afterwards it begins with all its tries again.
    assert client.send(PEER, b"next", 20) == [_send(RequestTunnel(), 2, 3), SetTimer(timer, 20 + 5 * SECOND)]
    assert client.fired(timer, 30) == [_send(RequestTunnel(), 3, 4), SetTimer(timer, 30 + 5 * SECOND)]


def test_a_busy_peer_is_asked_later_with_all_tries() -> None:
    client, timer = TunnelClient("han", TunnelSettings(request_tries=2)), f"tunnel.han.retry.{PEER.hex()}"
    client.send(PEER, b"message", 0)
    assert _got(client, RequestTunnelResponse(0, 1), 5) == [
        *_timers("answer"),
        Record(TunnelRefused(port="han", peer=PEER, status=1)),
        SetTimer(timer, 5 + 180 * SECOND),
    ]
    assert client.open(PEER, 6) == [], "a retry is under way"
    again = SetTimer(f"tunnel.han.answer.{PEER.hex()}", 200 + 5 * SECOND)
    assert client.fired(timer, 200) == [_send(RequestTunnel(), 1, 2), again]
    answer = f"tunnel.han.answer.{PEER.hex()}"
    assert client.fired(answer, 300) == [_send(RequestTunnel(), 2, 3), SetTimer(answer, 300 + 5 * SECOND)]


def test_a_peer_without_ids_has_all_of_ours_closed_and_is_asked_again() -> None:
    client = TunnelClient("han", TunnelSettings(max_tunnels=2, request_tries=2))
    client.open(PEER, 0)
    refused = Record(TunnelRefused(port="han", peer=PEER, status=2))
    assert _got(client, RequestTunnelResponse(0, 2), 5) == [
        *_timers("answer"),
        refused,
        _send(CloseTunnel(0), 1, 2),
        _send(CloseTunnel(1), 2, 3),
        _send(RequestTunnel(), 3, 4),
        SetTimer(f"tunnel.han.answer.{PEER.hex()}", 5 + 5 * SECOND),
    ]
    reason = "the peer refused a tunnel with status 2"
    assert _got(client, RequestTunnelResponse(0, 2), 6) == [
        *_timers("answer"),
        refused,
        Record(TunnelGivenUp(port="han", peer=PEER, reason=reason)),
        *_timers("answer", "retry", "renew", "block"),
    ]


def test_answers_that_nobody_asked_for_are_ignored() -> None:
    client = _client()
    for command in (
        RequestTunnelResponse(7),
        CloseTunnel(5),
        AckTransferData(5, 1, to_server=False),
        TransferDataError(6, 0, to_server=False),
    ):
        told = Record(TunnelIgnored(port="han", peer=PEER, command=type(command).__name__))
        assert _got(client, command) == [told]
    assert client._links[PEER].tunnel == 5
    stranger = Record(TunnelIgnored(port="han", peer=OTHER, command="TransferDataError"))
    assert _got(client, TransferDataError(5, 0, to_server=False), peer=OTHER) == [stranger]


@pytest.mark.parametrize(("age", "again"), [(5 * SECOND, True), (5 * SECOND + 1, False)])
def test_a_server_that_forgot_the_tunnel_is_asked_and_gets_what_was_sent_lately(age: int, again: bool) -> None:
    client = _client()
    assert client.send(PEER, b"sent", 50) == [_send(TransferData(5, b"sent", to_server=True), 1, 2)]
    assert _got(client, TransferDataError(5, 0, to_server=False), 50 + age) == [
        Record(TunnelError(port="han", peer=PEER, status=0)),
        _send(RequestTunnel(), 2, 3),
        SetTimer(f"tunnel.han.answer.{PEER.hex()}", 50 + age + 5 * SECOND),
    ]
    assert (client.is_open(PEER), client.waiting(PEER)) == (False, int(again))


def test_a_server_that_forgot_the_tunnel_stops_the_blocks_and_is_asked_with_all_tries() -> None:
    client, timer = _client(request_tries=2), f"tunnel.han.answer.{PEER.hex()}"
    client.send(PEER, LONG, 0)
    assert _got(client, TransferDataError(5, 0, to_server=False), 9) == [
        Record(TunnelError(port="han", peer=PEER, status=0)),
        *_timers("block"),
        _send(RequestTunnel(), 2, 3),
        SetTimer(timer, 9 + 5 * SECOND),
    ]
    assert client.waiting(PEER) == 1
    assert client.fired(timer, 20) == [_send(RequestTunnel(), 3, 4), SetTimer(timer, 20 + 5 * SECOND)]


def test_another_transfer_error_gives_the_tunnel_up() -> None:
    client = _client()
    reason = "the peer answered transfer error 2"
    assert _got(client, TransferDataError(5, 2, to_server=False)) == [
        Record(TunnelError(port="han", peer=PEER, status=2)),
        Record(TunnelGivenUp(port="han", peer=PEER, reason=reason)),
        *_timers("answer", "retry", "renew", "block"),
    ]
    assert not client.is_open(PEER)


def test_a_renewal_waits_for_the_message_in_transfer() -> None:
    client, timer = _client(), f"tunnel.han.renew.{PEER.hex()}"
    client.send(PEER, LONG, 0)
    assert client.fired(timer, 7) == [SetTimer(timer, 7 + 5 * SECOND)]
    client = _client()
    answer = SetTimer(f"tunnel.han.answer.{PEER.hex()}", 7 + 5 * SECOND)
    assert client.fired(timer, 7) == [_send(RequestTunnel(), 1, 2), answer]


@pytest.mark.parametrize("way", ["forget", "close"])
def test_a_tunnel_that_is_given_up_by_its_owner_breaks_what_waits(way: str) -> None:
    client = _client()
    client.send(PEER, LONG, 0)
    client.send(PEER, b"waits", 0)
    stopped: list[Effect] = [*_timers("answer", "retry", "renew", "block")]
    if way == "forget":
        assert client.forget(PEER) == [*stopped, *_broken("the peer was removed", LONG, b"waits")]
        assert client.forget(PEER) == []
    else:
        closing = _send(CloseTunnel(5), 2)
        assert client.close(PEER) == [*stopped, *_broken("closed by us", LONG, b"waits"), closing]
        assert client.close(PEER) == []
    assert client.take_broken() == [(PEER, LONG), (PEER, b"waits")]
    assert (client.is_open(PEER), client.waiting(PEER)) == (False, 0)
    asking = TunnelClient("han")
    asking.open(PEER, 0)
    assert asking.close(PEER) == [], "what is not open needs no closing"


# -------------------------------------------------------------------------------------------------------- of both ends


def test_a_frame_that_failed_breaks_its_message_once_and_stops_the_rest() -> None:
    server = _server()
    server.send(PEER, LONG, 0)
    server.fired(BLOCK_TIMER, 1)
    server.send(PEER, b"waits", 1)
    elsewhere = SendFailed("line", PEER, 2, "gone")
    assert server.failed(elsewhere, 2) == []
    sent = _send(TransferData(0, b"waits", to_server=False), 2, 4)
    assert server.failed(SendFailed("han", PEER, 2, "gone"), 2) == [*_broken("gone", LONG), *_timers("block"), sent]
    assert server.failed(SendFailed("han", PEER, 3, "gone"), 3) == [], "the other block of the same message"
    assert server.failed(SendFailed("han", PEER, 1, "gone"), 3) == [], "an answer is no message"
    assert server.take_broken() == [(PEER, LONG)]


def test_an_earlier_message_that_failed_leaves_the_one_in_transfer_going() -> None:
    server = _server()
    server.send(PEER, b"short", 0)
    server.send(PEER, LONG, 1)
    assert server.failed(SendFailed("han", PEER, 2, "gone"), 2) == _broken("gone", b"short")
    assert server.waiting(PEER) == 1
    assert server.fired(BLOCK_TIMER, 3) is not None


def test_frames_are_remembered_up_to_four_times_the_queue() -> None:
    server = _server(queue_limit=1)
    for number in range(4):
        server.send(PEER, bytes((number,)), number)
    assert server.failed(SendFailed("han", PEER, 1, "gone"), 9) == []
    assert server.failed(SendFailed("han", PEER, 2, "gone"), 9) == _broken("gone", b"\0")


def test_a_queue_takes_as_many_as_set_and_a_message_as_long_as_set() -> None:
    client = TunnelClient("han", TunnelSettings(queue_limit=2, largest_message=300))
    client.send(PEER, b"a", 0)
    assert client.send(PEER, b"b", 0) == []
    dropped = TransferDropped(port="han", peer=PEER, octets=b"a", reason="more than 2 messages wait")
    assert client.send(PEER, bytes(300), 0) == [Record(dropped)]
    long = TransferDropped(port="han", peer=PEER, octets=bytes(301), reason="longer than 300 octets")
    assert client.send(PEER, bytes(301), 0) == [Record(long)]
    client.reset()
    assert (client.take_broken(), client.waiting(PEER), client.peers()) == ([], 0, ())
    assert client.failed(SendFailed("han", PEER, 1, "gone"), 1) == []


def test_what_was_sent_is_kept_as_long_as_an_answer_may_take_and_as_many_as_wait() -> None:
    server = _server(queue_limit=2)
    for number, at in enumerate((0, 5 * SECOND, 10 * SECOND, 10 * SECOND)):
        server.send(PEER, bytes((number,)), at)
    assert list(server._links[PEER].sent) == [(10 * SECOND, b"\x02"), (10 * SECOND, b"\x03")]
    server = _server()
    for number, at in enumerate((0, 5 * SECOND)):
        server.send(PEER, bytes((number,)), at)
    assert len(server._links[PEER].sent) == 2, "exactly as long is not too long"
    server.send(PEER, b"\x02", 5 * SECOND + 1)
    assert len(server._links[PEER].sent) == 2


# What is wrong with a frame for the server's tunnel 0: the reason, the answer.
WRONG: list[tuple[TransferData, str, TransferDataError | None, int | None]] = [
    (TransferData(0, b"x", to_server=False), "TransferData in the wrong direction", None, None),
    (
        TransferData(3, b"x", to_server=True),
        "no tunnel 3 with this peer",
        TransferDataError(3, 0, to_server=False),
        None,
    ),
    (TransferData(0, bytes(301), to_server=True), "more than 300 octets", TransferDataError(0, 2, False), 2),
]


@pytest.mark.parametrize(("command", "reason", "error", "token"), WRONG, ids=[reason for _, reason, *_ in WRONG])
def test_what_is_wrong_with_a_transfer_is_told_and_answered(
    command: TransferData, reason: str, error: TransferDataError | None, token: int | None
) -> None:
    server = TunnelServer("han", TunnelSettings(max_transfer=300))
    _got(server, RequestTunnel())
    octets = tunnelling.encode(command, 9)
    told: Sequence[Effect] = [Record(TransferUnreadable(port="han", peer=PEER, octets=octets, reason=reason))]
    answers = [] if error is None else [_send(error, 0, token)]
    assert server.receive(Received("han", PEER, octets, CLUSTER), 0) == ([], [*told, *answers])
    whole = tunnelling.encode(TransferData(0, bytes(300), to_server=True), 9)
    assert server.receive(Received("han", PEER, whole, CLUSTER), 0) == ([(PEER, bytes(300))], [])


@pytest.mark.parametrize(
    ("name", "effects"),
    [
        (BLOCK_TIMER, []),
        (f"tunnel.han.answer.{PEER.hex()}", []),
        (f"tunnel.line.block.{PEER.hex()}", None),
        (f"other.han.block.{PEER.hex()}", None),
        ("tunnel.han.block", None),
        (f"tunnel.han.block.{PEER.hex()}.x", None),
        (f"tunnel.han.block.{OTHER.hex()}", []),
    ],
)
def test_which_timers_are_its_own(name: str, effects: list[Effect] | None) -> None:
    assert _server().fired(name, 0) == effects


def test_rewinding_puts_everything_back_in_its_order() -> None:
    def link() -> Link:
        one = Link(PEER, 3)
        one.queue.extend([b"d"])
        one.current = b"c"
        one.blocks.extend([b"c1", b"c2"])
        one.sent.extend([(1, b"a"), (2, b"b")])
        return one

    for since, queue in ((None, b"cd"), (3, b"cd"), (2, b"bcd"), (1, b"abcd")):
        rewound = link()
        assert rewind(rewound, "timer", since) == [StopTimer("timer")]
        assert b"".join(rewound.queue) == queue
        assert (rewound.current, len(rewound.blocks), len(rewound.sent)) == (None, 0, 0)
        assert rewind(rewound, "timer", 0) == []
