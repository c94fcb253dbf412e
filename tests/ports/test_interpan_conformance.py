"""What every inter-PAN adapter must do, run on virtual XBee modules and on the direct air."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devices.machines.core import NetworksFound, Received, SendFailed
from tests.ports.han_benches import HUB
from tests.ports.interpan_benches import (
    NEIGHBOUR,
    TERMINAL,
    DirectInterPanBench,
    InterPanBench,
    XBeeInterPanBench,
)

TUNNELLING = 0x0704


@pytest.fixture(params=[XBeeInterPanBench, DirectInterPanBench])
def bench(request: pytest.FixtureRequest) -> InterPanBench:
    make: Callable[[], InterPanBench] = request.param
    return make()


def test_both_ways_between_hub_and_terminal(bench: InterPanBench) -> None:
    up = bench.hub_han()
    hub = bench.add(HUB, up.channel, up.pan)
    terminal = bench.add(TERMINAL, up.channel, up.pan ^ 1)
    terminal.send(HUB, TUNNELLING, b"\x01\x2a\x00\x06")
    bench.run(1)
    assert bench.take(HUB) == [Received("interpan", TERMINAL, b"\x01\x2a\x00\x06", TUNNELLING)]
    hub.send(TERMINAL, TUNNELLING, b"\x09\x2a\x00\x00")
    bench.run(1)
    assert bench.take(TERMINAL) == [Received("interpan", HUB, b"\x09\x2a\x00\x00", TUNNELLING)]


def test_the_largest_frame_and_one_more_octet(bench: InterPanBench) -> None:
    terminal = bench.add(TERMINAL, 15)
    bench.add(HUB, 15)
    assert terminal.largest_frame == 95
    terminal.send(HUB, TUNNELLING, bytes(95), 1)
    terminal.send(HUB, TUNNELLING, bytes(96), 2)
    bench.run(1)
    assert [event.octets for event in bench.take(HUB)] == [bytes(95)]
    (failed,) = bench.take(TERMINAL)
    assert (failed.peer, failed.token) == (HUB, 2)
    assert "too large" in failed.reason


def test_another_channel_hears_nothing(bench: InterPanBench) -> None:
    terminal = bench.add(TERMINAL, 15)
    bench.add(HUB, 16)
    terminal.send(HUB, TUNNELLING, b"hello", 7)
    bench.run(1)
    assert bench.take(HUB) == []
    assert bench.take(TERMINAL) == [SendFailed("interpan", HUB, 7, "no acknowledgement")]
    terminal.tune(16, 0x2222)
    terminal.send(HUB, TUNNELLING, b"hello", 8)
    bench.run(1)
    assert [event.octets for event in bench.take(HUB)] == [b"hello"]


def test_only_the_addressed_device_hears_a_frame(bench: InterPanBench) -> None:
    terminal = bench.add(TERMINAL, 15)
    bench.add(HUB, 15)
    bench.add(NEIGHBOUR, 15)
    terminal.send(NEIGHBOUR, TUNNELLING, b"you")
    terminal.send(b"\xff" * 8, TUNNELLING, b"all")
    bench.run(1)
    assert [event.octets for event in bench.take(HUB)] == [b"all"]
    assert [event.octets for event in bench.take(NEIGHBOUR)] == [b"you", b"all"]


def test_order_is_kept(bench: InterPanBench) -> None:
    terminal = bench.add(TERMINAL, 15)
    bench.add(HUB, 15)
    for number in range(60):
        terminal.send(HUB, TUNNELLING, bytes([number]))
    bench.run(5)
    assert [event.octets[0] for event in bench.take(HUB)] == list(range(60))


def test_send_before_it_is_tuned_fails(bench: InterPanBench) -> None:
    terminal = bench.add(TERMINAL)
    terminal.send(HUB, TUNNELLING, b"hello", 4)
    assert bench.events[TERMINAL] == []
    bench.run(1)
    (failed,) = bench.take(TERMINAL)
    assert "no channel" in failed.reason


def test_without_power_it_is_silent_and_must_be_tuned_again(bench: InterPanBench) -> None:
    terminal = bench.add(TERMINAL, 15)
    hub = bench.add(HUB, 15)
    hub.stop()
    terminal.send(HUB, TUNNELLING, b"hello", 5)
    bench.run(1)
    assert bench.take(HUB) == []
    assert [type(event) for event in bench.take(TERMINAL)] == [SendFailed]
    hub.start()
    hub.tune(15, 0x1111)
    bench.run(2)
    terminal.send(HUB, TUNNELLING, b"hello", 6)
    bench.run(1)
    assert [event.octets for event in bench.take(HUB)] == [b"hello"]
    assert bench.take(TERMINAL) == []


def test_a_terminal_scans_for_hubs(bench: InterPanBench) -> None:
    up = bench.hub_han()
    terminal = bench.add(TERMINAL)
    terminal.scan()
    bench.run(10)
    (found,) = bench.take(TERMINAL)
    assert isinstance(found, NetworksFound)
    assert found.port == "interpan"
    (beacon,) = found.beacons
    assert (beacon.epid, beacon.pan, beacon.channel, beacon.joinable) == (HUB, up.pan, up.channel, False)
