"""The tunnel of a sleepy meter, both ends: nothing unasked, one piece an answer, bad headers."""

from __future__ import annotations

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
