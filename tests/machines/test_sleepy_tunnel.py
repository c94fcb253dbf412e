"""The tunnel of a sleepy meter, both ends: nothing unasked, one piece an answer, bad headers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.core import Effect, Received, Record, Send, SendFailed, SetTimer
from devices.machines.parts.sleepy_tunnel import SleepyClient, SleepyServer
from devices.machines.parts.tunnel_end import TunnelSettings
from devices.wire import gbcs, tunnelling
from devices.wire.gbcs import CRA, Message
from devices.wire.tunnelling import TransferData, TunnelStatus
from tests.machines.told import told

METER, HUB = bytes.fromhex("00db123456789001"), bytes.fromhex("00db123456789004")


def message(size: int, counter: int = 1) -> bytes:
    return gbcs.encode(Message(CRA.COMMAND, counter, HUB, METER, 0x0082, bytes(size)))


class Pair:
    """Both ends with a wire between them; what reached each of them."""

    def __init__(self, settings: TunnelSettings | None = None) -> None:
        self.meter, self.hub = SleepyClient("han", settings), SleepyServer("han", settings)
        self.at_meter: list[bytes] = []
        self.at_hub: list[bytes] = []
        self.frames = 0

    def carry(self, effects: list[Effect], *, from_meter: bool) -> list[Record]:
        """Carry every frame and what follows from it."""
        told = [effect for effect in effects if isinstance(effect, Record)]
        for effect in effects:
            if not isinstance(effect, Send):
                continue
            self.frames += 1
            if from_meter:
                arrived, following = self.hub.receive(Received("han", METER, effect.octets, effect.cluster), 0)
                self.at_hub += [octets for _, octets in arrived]
            else:
                arrived, following = self.meter.receive(Received("han", HUB, effect.octets, effect.cluster), 0)
                self.at_meter += [octets for _, octets in arrived]
            told += self.carry(list(following), from_meter=not from_meter)
        return told

    def wake(self) -> list[Record]:
        return self.carry(self.meter.ask(HUB, 0), from_meter=True)


def test_the_first_asking_opens_the_tunnel() -> None:
    pair = Pair()
    pair.hub.send(METER, message(3), 0)
    pair.wake()
    assert pair.meter.is_open(HUB)
    assert pair.at_meter == []
    pair.wake()
    assert pair.at_meter == [message(3)]
    pair.wake()  # nothing waits: 02 00
    assert pair.at_meter == [message(3)]


@given(sizes=st.lists(st.integers(0, 700), max_size=5))
def test_everything_that_waits_is_fetched_in_one_waking(sizes: list[int]) -> None:
    pair = Pair()
    pair.wake()
    sent = [message(size, counter) for counter, size in enumerate(sizes, 1)]
    for octets in sent:
        assert not [effect for effect in pair.hub.send(METER, octets, 0) if isinstance(effect, Send)]
    assert pair.hub.waiting(METER) == len(sent)
    pair.wake()
    assert pair.at_meter == sent
    assert pair.hub.waiting(METER) == 0


def test_a_meter_that_was_told_busy_asks_again_when_it_next_wakes() -> None:
    """facts/gbcs.md 8.3: a GSME asks for its tunnel again when it next turns its HAN interface on, not after 3
    minutes; what it had to send waits."""
    pair = Pair()
    (request,) = [one for one in pair.meter.ask(HUB, 0) if isinstance(one, Send)]
    pair.meter.send(HUB, message(5), 0)
    busy = tunnelling.encode(tunnelling.RequestTunnelResponse(0, TunnelStatus.BUSY, 1500), 0)
    _, effects = pair.meter.receive(Received("han", HUB, busy, request.cluster), 0)
    assert not [one for one in effects if isinstance(one, Send | SetTimer)]
    assert not pair.meter.is_open(HUB)
    pair.wake()
    assert pair.meter.is_open(HUB)
    assert pair.at_hub == [message(5)]


def test_the_meter_sends_with_put() -> None:
    pair = Pair()
    pair.wake()
    effects = pair.meter.send(HUB, message(5), 0)
    (sent,) = [effect for effect in effects if isinstance(effect, Send)]
    assert sent.octets[5] == 0x03
    pair.carry(effects, from_meter=True)
    assert pair.at_hub == [message(5)]


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x01\x00", b"\x02\x00", b"\x04abc"])
def test_a_hub_takes_get_and_put_alone(content: bytes) -> None:
    pair = Pair()
    pair.wake()
    frame = tunnelling.encode(TransferData(0, content, to_server=True), 9)
    arrived, effects = pair.hub.receive(Received("han", METER, frame, 0x0704), 0)
    assert (arrived, [one.kind for one in told(effects)]) == ([], ["tunnel.bad"])


@pytest.mark.parametrize("content", [b"", b"\x01", b"\x03abc", b"\x02"])
def test_a_meter_takes_get_response_alone(content: bytes) -> None:
    pair = Pair()
    pair.wake()
    frame = tunnelling.encode(TransferData(0, content, to_server=False), 9)
    arrived, effects = pair.meter.receive(Received("han", HUB, frame, 0x0704), 0)
    assert (arrived, [one.kind for one in told(effects)]) == ([], ["tunnel.bad"])


def test_a_get_in_a_tunnel_that_is_not_there() -> None:
    hub = SleepyServer("han")
    frame = tunnelling.encode(TransferData(7, b"\x01", to_server=True), 9)
    arrived, effects = hub.receive(Received("han", METER, frame, 0x0704), 0)
    assert arrived == []
    assert len([effect for effect in effects if isinstance(effect, Send)]) == 1  # the error says so


def _given(pair: Pair) -> tuple[list[bytes], list[Send]]:
    """The meter asks; the sequence numbers and frames of what the hub hands out."""
    get = next(effect for effect in pair.meter.ask(HUB, 0) if isinstance(effect, Send))
    _, effects = pair.hub.receive(Received("han", METER, get.octets, get.cluster), 0)
    sent = [effect for effect in effects if isinstance(effect, Send) and effect.octets[2] == 0x01]
    return [effect.octets[1:2] for effect in sent], sent


@pytest.mark.parametrize("size", [3, 700])
def test_a_message_leaves_the_queue_with_the_default_response_to_its_own_transfer(size: int) -> None:
    """facts/gbcs.md 8.3 [single source]: until then it is handed out again, piece by piece."""
    pair = Pair()
    pair.wake()
    pair.hub.send(METER, message(size), 0)
    _, (first,) = _given(pair)
    assert pair.hub.waiting(METER) == 1
    pair.hub.failed(SendFailed("han", METER, first.token, "no acknowledgement"), 0)
    (sequence,), (again,) = _given(pair)
    assert again.octets[3:] == first.octets[3:]
    for status, wrong in ((b"\x01", sequence), (b"\0", bytes((sequence[0] ^ 0x40,)))):
        refusal = b"\x10" + wrong + b"\x0b\x01" + status
        pair.hub.receive(Received("han", METER, refusal, 0x0704), 0)
        assert _given(pair)[1][0].octets[3:] == first.octets[3:]
    pair.wake()
    assert pair.at_meter == [message(size)]
    assert pair.hub.waiting(METER) == 0


def test_each_transfer_of_the_meter_is_answered_by_a_default_response() -> None:
    """facts/gbcs.md 8.3 [single source]: of success, for command 02."""
    pair = Pair()
    pair.wake()
    effects = pair.meter.send(HUB, message(5), 0)
    (put,) = [effect for effect in effects if isinstance(effect, Send)]
    _, answers = pair.hub.receive(Received("han", METER, put.octets, 0x0704), 0)
    (answer,) = [effect for effect in answers if isinstance(effect, Send)]
    assert answer.octets == b"\x18" + put.octets[1:2] + b"\x0b\x02\x00"


def test_where_no_default_response_is_waited_for_a_piece_that_got_lost_is_told() -> None:
    pair = Pair(TunnelSettings(default_responses=False))
    pair.wake()
    pair.hub.send(METER, message(3), 0)
    get = next(effect for effect in pair.meter.ask(HUB, 0) if isinstance(effect, Send))
    _, effects = pair.hub.receive(Received("han", METER, get.octets, 0x0704), 0)
    piece = next(effect for effect in effects if isinstance(effect, Send))
    pair.hub.failed(SendFailed("han", METER, piece.token, "no acknowledgement"), 0)
    assert pair.hub.take_broken() == [(METER, message(3))]


# --------------------------------------------------------------------------------------------- every effect of the hub

DAY = 86_400 * 1_000_000_000
EXPIRE = f"tunnel.han.expire.{METER.hex()}"


def _hub(**settings: Any) -> SleepyServer:
    """A hub with a tunnel 0 to the meter."""
    hub = SleepyServer("han", TunnelSettings(**settings))
    hub.receive(Received("han", METER, tunnelling.encode(tunnelling.RequestTunnel(), 9), 0x0704), 0)
    return hub


def _get(hub: SleepyServer, now: int = 0, tunnel: int = 0) -> list[Effect]:
    frame = tunnelling.encode(TransferData(tunnel, b"\x01", to_server=True), 9)
    messages, effects = hub.receive(Received("han", METER, frame, 0x0704), now)
    assert messages == []
    return effects


def _response(remaining: int, piece: bytes, sequence: int, token: int) -> Send:
    content = tunnelling.encode_gas(tunnelling.GetResponse(remaining, piece))
    return Send("han", METER, tunnelling.encode(TransferData(0, content, to_server=False), sequence), 0x0704, token)


def _confirm(hub: SleepyServer, sequence: int, status: int = 0) -> None:
    octets = b"\x10" + bytes((sequence,)) + b"\x0b\x01" + bytes((status,))
    assert hub.receive(Received("han", METER, octets, 0x0704), 0) == ([], [])


SUCCESS = Send("han", METER, bytes.fromhex("18090b0200"), 0x0704)


def test_pieces_are_numbered_and_counted() -> None:
    hub = _hub()
    assert _get(hub) == [SUCCESS, _response(0, b"", 0, 2)]
    assert hub.send(METER, b"one", 5) == [SetTimer(EXPIRE, 5 + DAY)]
    assert hub.send(METER, b"two", 6) == [SetTimer(EXPIRE, 5 + DAY)], "the oldest of them expires first"
    assert _get(hub) == [SUCCESS, _response(1, b"one", 1, 3)]
    assert _get(hub) == [SUCCESS, _response(1, b"one", 2, 4)], "it was not confirmed"
    _confirm(hub, 1)  # of what was handed out before
    _confirm(hub, 2, status=1)
    assert hub.waiting(METER) == 2
    _confirm(hub, 2)
    assert hub.waiting(METER) == 1
    assert _get(hub) == [SUCCESS, _response(0, b"two", 3, 5)]
    _confirm(hub, 3)
    _confirm(hub, 3)
    assert hub.waiting(METER) == 0


def test_more_than_255_pieces_are_counted_as_255() -> None:
    hub = _hub(queue_limit=400)
    for number in range(257):
        hub.send(METER, bytes((number % 256, 1)), 0)
    answers = []
    for _ in range(2):
        (answer,) = [one for one in _get(hub) if isinstance(one, Send) and one.octets[2] == 1]
        answers.append(answer.octets[6])
        _confirm(hub, answer.octets[1])
    assert answers == [255, 255]
    assert next(one for one in _get(hub) if isinstance(one, Send) and one.octets[2] == 1).octets[6] == 254


@pytest.mark.parametrize(("late", "expired"), [(-1, False), (0, True)])
@pytest.mark.parametrize("handed_out", [False, True])
def test_what_is_not_fetched_in_time_is_dropped(late: int, expired: bool, handed_out: bool) -> None:
    hub = _hub(unfetched_ns=100)
    hub.send(METER, b"one", 5)
    hub.send(METER, b"two", 50)
    if handed_out:
        _get(hub)
    effects = hub.fired(EXPIRE, 105 + late)
    assert effects is not None
    assert [one.kind for one in told(effects)] == ["tunnel.dropped"] * expired
    assert effects[-1] == SetTimer(EXPIRE, 150 if expired else 105)
    assert hub.take_expired() == [(METER, b"one")] * expired
    assert hub.take_expired() == []
    assert hub.waiting(METER) == 2 - expired
    answer = next(one for one in _get(hub) if isinstance(one, Send) and one.octets[2] == 1)
    assert answer.octets[7:] == (b"two" if expired else b"one")


def test_what_was_fetched_does_not_expire() -> None:
    hub = _hub(unfetched_ns=100)
    hub.send(METER, b"one", 5)
    _get(hub)
    _confirm(hub, 0)
    assert hub.fired(EXPIRE, 105) == []
    assert hub.take_expired() == []
    assert hub.fired(f"tunnel.han.other.{METER.hex()}", 105) == []


def test_a_hub_forgets_a_meter_and_all_that_waits_for_it() -> None:
    hub = _hub()
    hub.send(METER, b"one", 5)
    hub.send(METER, b"two", 5)
    _get(hub)
    assert [one.kind for one in told(hub.forget(METER))] == ["tunnel.broken"] * 2
    assert hub.take_broken() == [(METER, b"one"), (METER, b"two")]
    assert hub.forget(METER) == []
    full = _hub(unfetched_ns=100)
    full.send(METER, b"one", 5)
    full.reset()
    assert (full.waiting(METER), full.take_expired(), full.fired(EXPIRE, 200)) == (0, [], [])


def test_without_default_responses_what_was_handed_out_is_gone_and_repeated_in_a_new_tunnel() -> None:
    hub = _hub(default_responses=False)
    hub.send(METER, b"one", 5)
    assert _get(hub, 7) == [_response(0, b"one", 0, 2)]
    error = tunnelling.encode(tunnelling.TransferDataError(0, 0, to_server=True), 9)
    hub.receive(Received("han", METER, error, 0x0704), 9)
    assert hub.waiting(METER) == 1


def test_a_new_tunnel_begins_a_message_anew() -> None:
    hub, octets = _hub(), message(700)
    hub.send(METER, octets, 5)
    first = next(one for one in _get(hub) if isinstance(one, Send) and one.octets[2] == 1)
    _confirm(hub, first.octets[1])
    hub.receive(Received("han", METER, tunnelling.encode(tunnelling.RequestTunnel(), 9), 0x0704), 9)
    again = next(one for one in _get(hub, tunnel=1) if isinstance(one, Send) and one.octets[2] == 1)
    assert again.octets[5:] == first.octets[5:]


def test_the_meter_asks_once_and_again_while_more_waits() -> None:
    meter = SleepyClient("han")
    (request, _timer) = meter.ask(HUB, 0)
    assert isinstance(request, Send)
    assert meter.ask(HUB, 1) == []
    meter.receive(Received("han", HUB, tunnelling.encode(tunnelling.RequestTunnelResponse(5), 0), 0x0704), 2)
    get = Send("han", HUB, tunnelling.encode(TransferData(5, b"\x01", to_server=True), 1), 0x0704, 2)
    assert meter.ask(HUB, 3) == [get]
    answered = Send("han", HUB, bytes.fromhex("10070b0100"), 0x0704)
    for remaining, token in ((1, 3), (0, None)):
        content = tunnelling.encode_gas(tunnelling.GetResponse(remaining, b"one"))
        frame = tunnelling.encode(TransferData(5, content, to_server=False), 7)
        got = meter.receive(Received("han", HUB, frame, 0x0704), 4)
        more = Send("han", HUB, tunnelling.encode(TransferData(5, b"\x01", to_server=True), 2), 0x0704, token or 0)
        assert got == ([(HUB, b"one")], [answered, *([more] if token else [])])
    assert meter.settings.largest_frame == SleepyServer("han").settings.largest_frame == 253


def test_a_message_that_the_meter_refused_begins_anew() -> None:
    hub = _hub()
    hub.send(METER, message(700), 5)
    pieces = []
    for _ in range(2):
        (piece,) = [one for one in _get(hub) if isinstance(one, Send) and one.octets[2] == 1]
        pieces.append(piece.octets[5:])
        if len(pieces) == 1:
            _confirm(hub, piece.octets[1])
    error = tunnelling.encode(tunnelling.TransferDataError(0, 1, to_server=True), 9)
    hub.receive(Received("han", METER, error, 0x0704), 9)
    (again,) = [one for one in _get(hub) if isinstance(one, Send) and one.octets[2] == 1]
    assert again.octets[5:] == pieces[0] != pieces[1]
