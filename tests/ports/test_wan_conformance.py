"""Message links: one suite for the virtual WAN, the WAN over TCP, and the line (virtual, and on a pseudo terminal)."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.ports.bytelink import PtyEnd, SerialByteLink, VirtualByteLink
from rig.ports.clock import RealClock
from rig.ports.message_line import LineMessageLink
from rig.ports.protocols import MessageLink, PortBusy, PortError, PortLost, PortMissing, PortUnable
from rig.ports.wan import TcpWanClient, TcpWanServer, TcpWanSettings, VirtualWan, WanFrameError, WanQuality
from rig.world.clock import VirtualClock
from tests.examples import examples
from tests.reserved import reserved_port

SECOND = 1_000_000_000
MS = 1_000_000
HEAD = bytes.fromhex("90B3D51F30000002")
HUB = bytes.fromhex("00DB1234567890A0")
OTHER = bytes.fromhex("00DB1234567890A3")
SHORT_RETRY = TcpWanSettings(retry_ns=10 * MS, longest_message=70_000)


class Pair:
    """A head end and a hub, joined by some carrier; ``cut`` takes the hub off, ``restore`` brings it back to a WAN."""

    def __init__(self, clock: VirtualClock | RealClock, head: MessageLink, hub: MessageLink) -> None:
        self.clock, self.head, self.hub = clock, head, hub
        self.cut: Callable[[], None] = hub.close
        self.restore: Callable[[], None] = lambda: None
        self.clean: list[Callable[[], None]] = [head.close, hub.close]
        self.heard: dict[str, list[tuple[bytes, bytes]]] = {"head": [], "hub": []}
        self.links: dict[str, list[bool]] = {"head": [], "hub": []}
        self.threads: set[int] = set()
        for name, link in (("head", head), ("hub", hub)):
            link.on_message = self._hearing(name)
            link.on_link = self.links[name].append

    def _hearing(self, name: str) -> Callable[[bytes, bytes], None]:
        def hear(device: bytes, octets: bytes) -> None:
            self.heard[name].append((device, octets))
            self.threads.add(threading.get_ident())

        return hear

    def until(self, met: Callable[[], bool], seconds: float = 5.0) -> bool:
        return self.clock.advance(self.clock.now + int(seconds * SECOND), met)


def virtual_pair() -> Pair:
    clock = VirtualClock()
    wan = VirtualWan(clock, random.Random(1))
    pair = Pair(clock, wan.endpoint(HEAD), wan.endpoint(HUB))
    pair.cut, pair.restore = lambda: wan.cut(HUB), lambda: wan.restore(HUB)
    return pair


def tcp_pair() -> Pair:
    clock = RealClock()
    server = TcpWanServer(("127.0.0.1", 0), clock, SHORT_RETRY)
    client = TcpWanClient(server.address, HUB, clock, SHORT_RETRY)
    pair = Pair(clock, server.endpoint(HEAD), client)
    pair.cut, pair.restore = client.cut, client.restore
    pair.clean.append(server.close)
    return pair


def line_pair() -> Pair:
    clock = VirtualClock()
    a, b = VirtualByteLink.pair(clock, 1_000_000)
    pair = Pair(clock, LineMessageLink(a, HUB), LineMessageLink(b, HEAD))
    pair.cut = a.unplug
    return pair


def pty_pair() -> Pair:
    clock = RealClock()
    pty = PtyEnd(clock)
    serial = SerialByteLink(pty.path, 115_200, clock)
    return Pair(clock, LineMessageLink(serial, HUB), LineMessageLink(pty, HEAD))


@pytest.fixture
def cleaning() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=[virtual_pair, tcp_pair, line_pair, pty_pair], ids=["virtual", "tcp", "line", "pty"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    made: Pair = request.param()
    assert made.until(lambda: made.head.up and made.hub.up)
    yield made
    for clean in made.clean:
        clean()


@pytest.mark.parametrize(
    "octets",
    [b"\xdf", bytes(range(256)), b"\r\nGBCS:DATA#0:1:00\r\n", bytes(16_000)],
    ids=["one", "all values", "looks like a line", "long"],
)
def test_messages_arrive_both_ways_with_their_sender(pair: Pair, octets: bytes) -> None:
    pair.head.send(HUB, octets)
    pair.hub.send(HEAD, octets)
    assert pair.until(lambda: bool(pair.heard["head"] and pair.heard["hub"]))
    assert pair.heard == {"head": [(HUB, octets)], "hub": [(HEAD, octets)]}


def test_messages_keep_their_order(pair: Pair) -> None:
    sent = [bytes([index]) * (index % 5 + 1) for index in range(50)]
    for octets in sent:
        pair.head.send(HUB, octets)
    assert pair.until(lambda: len(pair.heard["hub"]) == len(sent))
    assert [octets for _, octets in pair.heard["hub"]] == sent


def test_callbacks_come_on_the_thread_of_the_clock_and_never_at_once(pair: Pair) -> None:
    pair.head.send(HUB, b"1")
    assert pair.heard["hub"] == []
    assert pair.until(lambda: bool(pair.heard["hub"]))
    assert pair.threads == {threading.get_ident()}


def test_a_link_that_is_cut_is_down_for_both(pair: Pair) -> None:
    pair.cut()
    assert pair.until(lambda: not pair.head.up and not pair.hub.up)
    for link, device in ((pair.head, HUB), (pair.hub, HEAD)):
        with pytest.raises(PortLost):
            link.send(device, b"x")
    pair.until(lambda: pair.links["head"][-1:] == [False])
    assert pair.links["head"][-1] is False
    assert pair.heard == {"head": [], "hub": []}


@pytest.mark.parametrize("make", [virtual_pair, tcp_pair], ids=["virtual", "tcp"])
def test_a_wan_that_is_restored_carries_again(make: Callable[[], Pair], cleaning: ExitStack) -> None:
    pair = make()
    for clean in pair.clean:
        cleaning.callback(clean)
    assert pair.until(lambda: pair.head.up and pair.hub.up)
    pair.cut()
    assert pair.until(lambda: not pair.head.up and not pair.hub.up)
    pair.restore()
    assert pair.until(lambda: pair.head.up and pair.hub.up)
    pair.hub.send(HEAD, b"again")
    assert pair.until(lambda: bool(pair.heard["head"]))
    assert pair.heard["head"] == [(HUB, b"again")]
    pair.clock.run_due()
    assert pair.links["head"][-2:] == [False, True]


def test_somebody_who_is_not_there(pair: Pair) -> None:
    with pytest.raises((PortMissing, PortLost), match=r"00-DB-12-34-56-78-90-A3|not connected"):
        pair.head.send(OTHER, b"x")


def test_closing_twice_is_fine_and_sending_then_is_not(pair: Pair) -> None:
    pair.hub.close()
    pair.hub.close()
    with pytest.raises(PortLost):
        pair.hub.send(HEAD, b"x")
    assert not pair.hub.up


# ------------------------------------------------------------------------------------------------------- virtual alone


def test_the_delay_is_exact() -> None:
    clock = VirtualClock()
    wan = VirtualWan(clock, random.Random(1), WanQuality(delay_ns=123))
    head, hub = wan.endpoint(HEAD), wan.endpoint(HUB)
    at: list[int] = []
    hub.on_message = lambda _device, _octets: at.append(clock.now)
    clock.advance(1000)
    head.send(HUB, b"x")
    clock.advance(2000)
    assert at == [1123]


def test_a_cut_loses_what_is_on_its_way_to_that_hub_alone() -> None:
    clock = VirtualClock()
    wan = VirtualWan(clock, random.Random(1))
    head, hub, other = wan.endpoint(HEAD), wan.endpoint(HUB), wan.endpoint(OTHER)
    heard: list[bytes] = []
    hub.on_message = other.on_message = lambda _device, octets: heard.append(octets)
    head.send(HUB, b"lost")
    head.send(OTHER, b"kept")
    wan.cut(HUB)
    wan.restore(HUB)
    clock.advance(SECOND)
    assert heard == [b"kept"]
    assert (wan.sent, wan.lost) == (2, 1)


def test_a_cut_is_told_to_whom_it_concerns() -> None:
    clock = VirtualClock()
    wan = VirtualWan(clock, random.Random(1))
    told: dict[bytes, list[bool]] = {}
    for eui in (HEAD, HUB, OTHER):
        wan.endpoint(eui).on_link = told.setdefault(eui, []).append
    clock.run_due()
    wan.cut(HUB)
    clock.run_due()
    assert told == {HEAD: [True], HUB: [True, False], OTHER: [True]}


@given(st.integers(0, 2**32))
@settings(max_examples=examples(30))
def test_loss_duplication_and_jitter_come_from_the_seed(seed: int) -> None:
    def run() -> tuple[list[tuple[int, int]], int, int]:
        clock = VirtualClock()
        quality = WanQuality(delay_ns=MS, jitter_ns=10 * MS, loss=0.3, duplication=0.3)
        wan = VirtualWan(clock, random.Random(seed), quality)
        head, hub = wan.endpoint(HEAD), wan.endpoint(HUB)
        heard: list[tuple[int, int]] = []
        hub.on_message = lambda _device, octets: heard.append((octets[0], clock.now))
        for index in range(100):
            head.send(HUB, bytes([index]))
        clock.advance(SECOND)
        return heard, wan.lost, wan.duplicated

    heard, lost, duplicated = run()
    assert run() == (heard, lost, duplicated)
    assert len(heard) == 100 - lost + duplicated
    assert 0 < lost < 100
    assert 0 < duplicated < 100
    assert all(MS <= at <= 11 * MS for _, at in heard)
    assert [index for index, _ in heard] != sorted(index for index, _ in heard)


@pytest.mark.parametrize("eui", [b"", bytes(7), bytes(9)])
def test_an_eui64_has_eight_octets(eui: bytes) -> None:
    with pytest.raises(PortMissing, match="8 octets"):
        VirtualWan(VirtualClock(), random.Random(1)).endpoint(eui)


# ----------------------------------------------------------------------------------------------------------- TCP alone


@pytest.fixture
def server() -> Iterator[TcpWanServer]:
    made = TcpWanServer(("127.0.0.1", 0), RealClock(), TcpWanSettings(longest_message=1000, most_clients=2))
    yield made
    made.close()


def clock_of(server: TcpWanServer) -> RealClock:
    clock = server._clock
    assert isinstance(clock, RealClock)
    return clock


def wait(server: TcpWanServer, met: Callable[[], bool]) -> bool:
    clock = clock_of(server)
    return clock.advance(clock.now + 5 * SECOND, met)


def ended(sock: socket.socket) -> bool:
    """Whether the far end hung up; everything that it sent before is thrown away."""
    sock.settimeout(0.001)
    try:
        while sock.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


@pytest.mark.parametrize(
    "octets",
    [
        HUB + b"\xff\xff\xff\xff",
        HUB + (1001).to_bytes(4, "big"),
        HUB + b"\x00\x00\x00\x01x",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["4 GiB", "one too long", "no introduction", "a browser"],
)
def test_hostile_clients_are_refused_and_recorded(server: TcpWanServer, octets: bytes) -> None:
    with socket.create_connection(server.address) as sock:
        sock.sendall(octets)
        assert wait(server, lambda: bool(server.faults))
        assert isinstance(server.faults[0], WanFrameError)
        assert wait(server, lambda: ended(sock))
    assert server.hubs == ()


def test_half_a_frame_waits_and_its_end_is_no_fault(server: TcpWanServer) -> None:
    with socket.create_connection(server.address) as sock:
        sock.sendall(HUB + b"\x00\x00\x00\x00")
        assert wait(server, lambda: server.hubs == (HUB,))
        sock.sendall(HEAD + b"\x00\x00\x00\x05ab")
    assert wait(server, lambda: server.hubs == ())
    assert server.faults == []


def test_more_clients_than_allowed_are_sent_away(server: TcpWanServer) -> None:
    socks = [socket.create_connection(server.address) for _ in range(3)]
    assert wait(server, lambda: any(ended(sock) for sock in socks))
    for sock in socks:
        sock.close()


def test_a_hub_that_comes_back_before_it_was_missed_takes_its_place(server: TcpWanServer) -> None:
    old, new = (socket.create_connection(server.address) for _ in range(2))
    old.sendall(HUB + bytes(4))
    assert wait(server, lambda: server.hubs == (HUB,))
    new.sendall(HUB + bytes(4))
    assert wait(server, lambda: ended(old))
    server.endpoint(HEAD).send(HUB, b"hello")
    new.settimeout(5)
    assert new.recv(100) == HEAD + b"\x00\x00\x00\x05hello"
    assert server.hubs == (HUB,)
    old.close()
    new.close()


def test_a_message_to_a_party_that_is_not_there_is_recorded(server: TcpWanServer) -> None:
    with socket.create_connection(server.address) as sock:
        sock.sendall(HUB + bytes(4) + OTHER + b"\x00\x00\x00\x01x")
        assert wait(server, lambda: bool(server.faults))
    assert isinstance(server.faults[0], PortMissing)


def test_a_message_that_is_too_long_is_not_begun(server: TcpWanServer) -> None:
    with socket.create_connection(server.address) as sock:
        sock.sendall(HUB + bytes(4))
        assert wait(server, lambda: server.hubs == (HUB,))
        with pytest.raises(PortUnable, match="at most 1000 octets; got 1001"):
            server.endpoint(HEAD).send(HUB, bytes(1001))
        assert not ended(sock)


def test_a_client_finds_a_head_end_that_starts_later() -> None:
    clock = RealClock()
    with reserved_port() as port:
        address = ("127.0.0.1", port)
        client = TcpWanClient(address, HUB, clock, SHORT_RETRY)
        assert not clock.advance(clock.now + 30 * MS, lambda: client.up)
        server = TcpWanServer(address, clock, SHORT_RETRY)
        assert clock.advance(clock.now + 5 * SECOND, lambda: server.hubs == (HUB,))
        server.close()
        assert clock.advance(clock.now + 5 * SECOND, lambda: not client.up)
        again = TcpWanServer(address, clock, SHORT_RETRY)
        assert clock.advance(clock.now + 5 * SECOND, lambda: again.hubs == (HUB,))
        client.close()
        again.close()


def test_a_hostile_head_end_is_left() -> None:
    clock = RealClock()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = TcpWanClient(listener.getsockname(), HUB, clock, TcpWanSettings(retry_ns=100 * SECOND))
        sock, _ = listener.accept()
        with sock:
            assert clock.advance(clock.now + 5 * SECOND, lambda: client.up)
            sock.sendall(HEAD + b"\x7f\xff\xff\xff")
            assert clock.advance(clock.now + 5 * SECOND, lambda: not client.up)
        client.close()
    assert [type(fault) for fault in client.faults] == [WanFrameError]


def test_a_port_that_is_taken(server: TcpWanServer) -> None:
    with pytest.raises(PortBusy, match="Choose a free port"):
        TcpWanServer(server.address, RealClock())


def test_nothing_is_left_running_whenever_it_is_closed() -> None:
    before = set(threading.enumerate())  # those of earlier tests may end meanwhile
    for _ in range(5):
        clock = RealClock()
        server = TcpWanServer(("127.0.0.1", 0), clock)
        client = TcpWanClient(server.address, HUB, clock)
        client.close()  # its connection may be made, but the clock has not heard of it
        server.close()
        server.close()
    assert set(threading.enumerate()) <= before


def test_errors_are_port_errors() -> None:
    assert issubclass(WanFrameError, PortError)
