"""The tunnel's two ends, against each other on the bench and against hand-made frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.machines.core import (
    Effect,
    Event,
    PowerLost,
    PowerRestored,
    Received,
    Record,
    Send,
    SendFailed,
    SetTimer,
    TimerFired,
)
from devices.machines.parts.tunnel import CLUSTER, INTERPAN, TunnelClient, TunnelServer, TunnelSettings
from devices.wire import gbcs, gbt, tunnelling, zcl
from devices.wire.tunnelling import CloseTunnel, RequestTunnel, RequestTunnelResponse, TransferData, TransferDataError
from tests.examples import examples
from tests.machines.lab import SECOND, Lab, Station
from tests.machines.told import told

HUB = bytes.fromhex("0013a20041abcdef")
METER = bytes.fromhex("00db1234567890a0")
PARTY = bytes.fromhex("90b3d51f30010000")


def message(size: int, counter: int = 1, cra: int = 1) -> bytes:
    """A GBCS message of about ``size`` payload octets."""
    return gbcs.encode(gbcs.Message(cra, counter, PARTY, METER, 0x4F, bytes(size), mac=bytes(12)))


class Owner:
    """A machine that is nothing but a tunnel end; ``got`` are the whole messages that arrived."""

    def __init__(self, end: TunnelServer | TunnelClient) -> None:
        self.end = end
        self.got: list[bytes] = []

    def handle(self, event: Event, now: int) -> Sequence[Effect]:
        match event:
            case Received():
                messages, effects = self.end.receive(event, now)
                self.got += [octets for _, octets in messages]
                return effects
            case SendFailed():
                return self.end.failed(event, now)
            case TimerFired(name):
                effects_or_none = self.end.fired(name, now)
                assert effects_or_none is not None
                return effects_or_none
            case PowerLost() | PowerRestored():
                self.end.reset()
        return []


class Pair:
    """A hub's end and a meter's end on a bench."""

    def __init__(self, client: TunnelSettings, server: TunnelSettings) -> None:
        self.lab = Lab()
        self.client, self.server = TunnelClient("interpan", client), TunnelServer("interpan", server)
        self.hub, self.meter = Owner(self.client), Owner(self.server)
        self.stations = {
            "hub": self.lab.add("hub", self.hub, HUB),
            "meter": self.lab.add("meter", self.meter, METER),
        }
        for name in self.stations:
            self.lab.power_on(name)

    def do(self, name: str, effects: Sequence[Effect]) -> None:
        for effect in effects:
            self.lab._grant(self.stations[name], effect)

    def send_down(self, octets: bytes) -> None:
        self.do("hub", self.client.send(METER, octets, self.lab.now))

    def send_up(self, octets: bytes) -> None:
        self.do("meter", self.server.send(HUB, octets, self.lab.now))


@pytest.fixture
def pair() -> Pair:
    return Pair(TunnelSettings(), TunnelSettings())


def test_settings_refuse_blocks_that_no_frame_carries() -> None:
    with pytest.raises(ValueError, match="set block_size to at most 43"):
        TunnelSettings(largest_frame=95, block_size=60)


@pytest.mark.parametrize(("largest_frame", "block_size"), [(95, 43), (255, 201), (1500, 1444)])
def test_largest_block_fits_the_frame_exactly(largest_frame: int, block_size: int) -> None:
    """The overhead that the settings reckon with is the overhead that there is."""
    tight = TunnelSettings(largest_frame=largest_frame, block_size=block_size)
    blocks = gbt.split(message(5000), tight.block_size)
    frames = [tunnelling.encode(TransferData(0, block, to_server=True), 0) for block in blocks]
    assert max(map(len, frames)) == largest_frame
    with pytest.raises(ValueError, match=f"at most {block_size}"):
        TunnelSettings(largest_frame=largest_frame, block_size=block_size + 1)


@pytest.mark.parametrize("size", [0, 100, 195, 300, 1600, 6000])
@pytest.mark.parametrize("form", [TunnelSettings(), INTERPAN, TunnelSettings(block_interval_ns=0)])
def test_whole_messages_both_ways(size: int, form: TunnelSettings) -> None:
    pair = Pair(form, form)
    down, up = message(size, 7), message(size, 8, cra=2)
    pair.send_up(up)  # waits, because the meter's end cannot open
    pair.send_down(down)
    pair.lab.run()
    assert (pair.meter.got, pair.hub.got) == ([down], [up])
    limit = form.largest_frame
    assert all(len(send.octets) <= limit for _, _, send in pair.lab.sent)
    assert (
        pair.lab.heard("interpan") == pair.lab.counted("interpan") == {("hub", "interpan"): 1, ("meter", "interpan"): 1}
    )
    received = [fields["octets"] for fields in pair.stations["meter"].kinds("gbcs.rx")]
    assert received == [down.hex()]


def test_request_is_what_the_facts_say(pair: Pair) -> None:
    pair.do("hub", pair.client.open(METER, 0))
    assert pair.lab.sent[0][2].octets.hex() == "01000006ffff00dc05"
    pair.lab.run()
    assert pair.client.is_open(METER)
    assert pair.server.is_open(HUB)
    assert pair.lab.sent[1][2].octets.hex() == "090000000000dc05"


def test_order_is_kept(pair: Pair) -> None:
    sent = [message(size, counter) for counter, size in enumerate((10, 900, 20, 400, 5), 1)]
    for octets in sent:
        pair.send_down(octets)
    pair.lab.run()
    assert pair.meter.got == sent


def test_broken_transfer_drops_the_rest_and_tells_the_owner(pair: Pair) -> None:
    pair.do("hub", pair.client.open(METER, 0))
    pair.lab.run()
    passed: list[Send] = []

    def first_two(station: Station, send: Send) -> bool:
        passed.append(send)
        return len(passed) <= 2

    pair.lab.passes = first_two
    octets = message(6000)
    pair.send_down(octets)
    pair.lab.run(SECOND)
    assert pair.client.take_broken() == [(METER, octets)]
    assert pair.client.take_broken() == []
    assert pair.meter.got == []
    blocks = gbt.split(octets, 180)
    assert 2 < len(passed) < len(blocks), "the rest must not be sent once a block is known to be lost"
    broken = pair.stations["hub"].kinds("tunnel.broken")
    assert [(fields["octets"], fields["reason"]) for fields in broken] == [(octets.hex(), "no acknowledgement")]
    assert pair.stations["hub"].kinds("gbcs.tx") == []
    pair.lab.passes = lambda station, send: True
    pair.send_down(octets)  # the owner starts again: the tunnel is asked for anew
    pair.lab.run()
    assert pair.meter.got == [octets]


def test_peer_that_forgot_the_tunnel_is_asked_again_and_the_message_repeated(pair: Pair) -> None:
    pair.send_down(message(1))
    pair.lab.run()
    pair.lab.power_off("meter")
    pair.lab.power_on("meter")
    again = message(2, 2)
    pair.send_down(again)
    pair.lab.run()
    assert pair.meter.got[-1] == again
    assert len(pair.meter.got) == 2
    assert pair.lab.heard("interpan") == pair.lab.counted("interpan")


def test_what_was_answered_is_not_repeated(pair: Pair) -> None:
    """A sign of life after a message: whatever the peer forgets later, that message it had."""
    pair.send_down(message(1))
    pair.lab.run(SECOND)
    pair.send_up(message(1, cra=2))
    pair.lab.run(SECOND)
    pair.lab.power_off("meter")
    pair.lab.power_on("meter")
    pair.send_down(message(2, 2))
    pair.lab.run(SECOND)
    assert pair.meter.got == [message(1), message(2, 2)]


def test_hub_that_lost_power_gets_what_the_meter_still_has(pair: Pair) -> None:
    pair.send_down(message(1))
    pair.lab.run()
    pair.lab.power_off("hub")
    pair.lab.power_on("hub")
    alert = message(3, 9, cra=3)
    pair.send_up(alert)
    pair.lab.run()
    assert pair.hub.got == []
    pair.do("hub", pair.client.open(METER, pair.lab.now))
    pair.lab.run()
    assert pair.hub.got == [alert]


def test_silent_peer_is_given_up_after_the_tries(pair: Pair) -> None:
    pair.lab.passes = lambda station, send: True
    pair.stations["meter"].machine = Owner(TunnelServer("elsewhere"))
    pair.stations["meter"].machine.handle = lambda event, now: []  # type: ignore[method-assign]
    octets = message(1)
    pair.send_down(octets)
    pair.lab.run(60 * SECOND)
    requests = [send for _, name, send in pair.lab.sent if name == "hub"]
    assert len(requests) == TunnelSettings().request_tries
    assert pair.client.take_broken() == [(METER, octets)]


@pytest.mark.parametrize(
    ("status", "retries_after"), [(1, 180 * SECOND), (3, None), (4, None)], ids=["busy", "protocol", "flow control"]
)
def test_refused_tunnel(status: int, retries_after: int | None) -> None:
    client = TunnelClient("han")
    client.send(METER, message(1), 0)
    refusal = Received("han", METER, tunnelling.encode(RequestTunnelResponse(0, status), 0), CLUSTER)
    effects = client.receive(refusal, 5)[1]
    timers = [effect.at for effect in effects if isinstance(effect, SetTimer)]
    if retries_after is None:
        assert timers == []
        assert client.take_broken() == [(METER, message(1))]
    else:
        assert timers == [5 + retries_after]
        name = next(effect.name for effect in effects if isinstance(effect, SetTimer))
        assert any(isinstance(effect, Send) for effect in client.fired(name, timers[0]) or [])


def test_no_more_ids_closes_and_asks_again_but_not_for_ever() -> None:
    client = TunnelClient("han")
    client.send(METER, message(1), 0)
    refusal = Received("han", METER, tunnelling.encode(RequestTunnelResponse(0, 2), 0), CLUSTER)
    rounds = 0
    while any(isinstance(effect, Send) for effect in client.receive(refusal, rounds)[1]):
        rounds += 1
        assert rounds < 10
    assert rounds == TunnelSettings().request_tries - 1
    assert client.take_broken()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (RequestTunnel(), 0),
        (RequestTunnel(protocol=0), 3),
        (RequestTunnel(manufacturer=0x1234), 3),
        (RequestTunnel(flow_control=True), 4),
    ],
)
def test_server_answers_requests(request_: RequestTunnel, status: int) -> None:
    server = TunnelServer("han")
    _, effects = server.receive(Received("han", HUB, tunnelling.encode(request_, 9), CLUSTER), 0)
    sent = next(effect for effect in effects if isinstance(effect, Send))
    frame = zcl.decode(sent.octets)
    answer = tunnelling.decode(frame)
    assert isinstance(answer, RequestTunnelResponse)
    assert (frame.sequence, answer.status) == (9, status)
    assert server.is_open(HUB) == (status == 0)


def test_tunnels_of_a_server_are_bounded_and_freed() -> None:
    server = TunnelServer("interpan", TunnelSettings(max_tunnels=2, renew_after_ns=100))

    def ask(number: int, now: int) -> int:
        peer = bytes(7) + bytes((number,))
        _, effects = server.receive(Received("interpan", peer, tunnelling.encode(RequestTunnel(), 0), CLUSTER), now)
        sent = next(effect for effect in effects if isinstance(effect, Send))
        answer = tunnelling.decode(zcl.decode(sent.octets))
        assert isinstance(answer, RequestTunnelResponse)
        return answer.status

    assert [ask(number, 0) for number in (1, 2, 3)] == [0, 0, 2]
    assert ask(1, 50) == 0, "who has a tunnel may ask again"
    assert ask(3, 120) == 0, "a tunnel that nobody renewed is free again"


BAD_FRAMES: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("cut", b"\x01\x00"),
    ("reserved frame control", b"\xff\x00\x00"),
    ("unknown command", b"\x01\x00\x77"),
    ("request too short", b"\x01\x00\x00\x06"),
    ("no tunnel id", b"\x01\x00\x02\x00"),
    ("wrong direction", tunnelling.encode(TransferData(0, b"x", to_server=False), 0)),
    ("no such tunnel", tunnelling.encode(TransferData(77, b"x", to_server=True), 0)),
    ("too long", tunnelling.encode(TransferData(0, bytes(1501), to_server=True), 0)),
    ("broken block", tunnelling.encode(TransferData(0, b"\xdd\x09\x01", to_server=True), 0)),
]


@pytest.mark.parametrize("octets", [octets for _, octets in BAD_FRAMES], ids=[name for name, _ in BAD_FRAMES])
def test_bad_frames_are_records(pair: Pair, octets: bytes) -> None:
    pair.send_down(message(1))
    pair.lab.run()
    messages, effects = pair.server.receive(Received("interpan", HUB, octets, CLUSTER), pair.lab.now)
    assert messages == []
    bad = told(effects)
    assert [one.kind for one in bad] == ["tunnel.bad"]
    assert bad[0].fields["octets"] == octets.hex()
    pair.send_down(message(2, 2))
    pair.lab.run()
    assert pair.meter.got[-1] == message(2, 2), "a bad frame leaves the tunnel as it was"


def test_no_such_tunnel_is_answered(pair: Pair) -> None:
    frame = tunnelling.encode(TransferData(77, b"x", to_server=True), 0)
    _, effects = pair.server.receive(Received("interpan", HUB, frame, CLUSTER), 0)
    sent = next(effect for effect in effects if isinstance(effect, Send))
    assert tunnelling.decode(zcl.decode(sent.octets)) == TransferDataError(77, 0, to_server=False)


def test_default_responses_of_a_stack_are_taken_in_silence(pair: Pair) -> None:
    octets = zcl.encode(zcl.default_response(zcl.Frame(0x09, 3, 1), 0))
    assert pair.server.receive(Received("interpan", HUB, octets, CLUSTER), 0) == ([], [])


@pytest.mark.parametrize("end", [TunnelServer("han"), TunnelClient("han")], ids=["server", "client"])
@settings(max_examples=examples(30), deadline=None)
@given(octets=st.binary(max_size=120))
def test_any_octets_are_survived(end: TunnelServer | TunnelClient, octets: bytes) -> None:
    messages, effects = end.receive(Received("han", HUB, octets, CLUSTER), 0)
    assert messages == []
    assert all(isinstance(effect, (Record, Send, SetTimer)) for effect in effects)


def test_queue_is_bounded_and_the_oldest_goes() -> None:
    server = TunnelServer("han", TunnelSettings(queue_limit=3))
    effects: list[Any] = []
    for counter in range(5):
        effects += server.send(HUB, message(1, counter), 0)
    assert [one.kind for one in told(effects)] == ["tunnel.dropped", "tunnel.dropped"]
    assert server.waiting(HUB) == 3
    assert server.take_broken() == [(HUB, message(1, 0)), (HUB, message(1, 1))]


def test_messages_beyond_all_measure_are_dropped_at_once() -> None:
    server = TunnelServer("han")
    huge = bytes(TunnelSettings().largest_message + 1)
    assert [one.kind for one in told(server.send(HUB, huge, 0))] == ["tunnel.dropped"]
    assert server.waiting(HUB) == 0
    assert server.take_broken() == [(HUB, huge)]


def test_the_sequence_number_advances_with_every_frame_and_comes_round(pair: Pair) -> None:
    """Of all frames that an end makes of itself; an answer carries the number of what it answers."""
    for counter in range(60):
        pair.send_down(message(800, counter))
        pair.lab.run(SECOND)
    pair.do("hub", pair.client.close(METER))
    numbers = [send.octets[1] for _, name, send in pair.lab.sent if name == "hub"]
    assert len(numbers) > 256
    assert numbers == [number % 256 for number in range(len(numbers))]


def test_an_error_takes_a_sequence_number_of_its_own() -> None:
    server = TunnelServer("interpan")
    frame = tunnelling.encode(TransferData(77, b"x", to_server=True), 0)
    numbers = []
    for _ in range(257):
        _, effects = server.receive(Received("interpan", HUB, frame, CLUSTER), 0)
        numbers += [effect.octets[1] for effect in effects if isinstance(effect, Send)]
    assert numbers == [*range(256), 0]


def test_a_server_keeps_a_tunnel_until_the_instant_at_which_it_lapses() -> None:
    """The server keeps it to the last nanosecond, counted from the latest request, and gives it away with the next."""
    lapses = 100 * SECOND
    server = TunnelServer("interpan", TunnelSettings(max_tunnels=1, renew_after_ns=lapses))

    def ask(number: int, now: int) -> int:
        peer = bytes(7) + bytes((number,))
        _, effects = server.receive(Received("interpan", peer, tunnelling.encode(RequestTunnel(), 0), CLUSTER), now)
        answer = tunnelling.decode(zcl.decode(next(e for e in effects if isinstance(e, Send)).octets))
        assert isinstance(answer, RequestTunnelResponse)
        return answer.status

    assert ask(1, 0) == 0
    assert ask(2, lapses - 1) == 2, "it lasts to the last nanosecond"
    assert ask(1, lapses - 1) == 0, "renewed"
    assert ask(2, 2 * lapses - 2) == 2, "from its renewal it lasts as long again"
    assert ask(2, 2 * lapses - 1) == 0


def test_the_client_renews_when_its_period_ends_and_counts_from_the_answer() -> None:
    form = TunnelSettings(renew_after_ns=100 * SECOND)
    pair = Pair(form, TunnelSettings())
    pair.do("hub", pair.client.open(METER, 0))
    pair.lab.run(250 * SECOND)
    asked = [at for at, name, send in pair.lab.sent if name == "hub" and send.octets[2] == 0]
    answered = [at for at, name, send in pair.lab.sent if name == "meter" and send.octets[2] == 0]
    assert len(asked) == 3
    on_the_air = answered[0] - asked[0]  # one way; the answer takes as long
    assert [later - earlier for earlier, later in pairwise(asked)] == [100 * SECOND + 2 * on_the_air] * 2


def test_renewal_waits_for_a_transfer() -> None:
    form = TunnelSettings(renew_after_ns=SECOND // 20, block_interval_ns=SECOND // 50)
    pair = Pair(form, TunnelSettings())
    octets = message(3000)
    pair.send_down(octets)
    pair.lab.run(20 * SECOND)
    assert pair.meter.got == [octets]
    requests = [s for _, n, s in pair.lab.sent if n == "hub" and s.octets[2] == 0]
    assert len(requests) > 2
    assert pair.stations["hub"].kinds("tunnel.broken") == []


def test_close_in_good_order(pair: Pair) -> None:
    pair.send_down(message(1))
    pair.lab.run()
    pair.do("hub", pair.client.close(METER))
    pair.lab.run()
    assert not pair.client.is_open(METER)
    assert not pair.server.is_open(HUB)
    assert pair.server._links == {}, "a peer that is gone takes no memory"
    last = tunnelling.decode(zcl.decode(pair.lab.sent[-1][2].octets))
    assert isinstance(last, CloseTunnel)


def test_timers_of_others_are_left_alone() -> None:
    client = TunnelClient("han")
    assert client.fired("interpan.window", 0) is None
    assert client.fired(f"tunnel.interpan.block.{METER.hex()}", 0) is None
    assert client.fired(f"tunnel.han.block.{METER.hex()}", 0) == []
