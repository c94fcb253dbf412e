"""What every HAN adapter must do, run on virtual XBee modules and on the direct air."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devices.machines.core import (
    NetworkDown,
    NetworksFound,
    NetworkUp,
    PeerJoined,
    PeerLeft,
    Received,
    SendFailed,
)
from rig.ports.protocols import HanAdapter
from rig.world.clock import NS
from tests.ports.han_benches import (
    CODE,
    DISPLAY,
    HUB,
    METER,
    OTHER_CODE,
    STRANGER,
    Bench,
    DirectBench,
    XBeeBench,
)

TUNNELLING = 0x0704


@pytest.fixture(params=[XBeeBench, DirectBench])
def bench(request: pytest.FixtureRequest) -> Bench:
    make: Callable[[], Bench] = request.param
    return make()


def form(bench: Bench) -> HanAdapter:
    hub = bench.add(HUB)
    hub.form(HUB)
    up = bench.wait_for(HUB, NetworkUp)
    assert (up.port, up.epid) == ("han", HUB)
    assert 11 <= up.channel <= 26
    return hub


def join(bench: Bench, hub: HanAdapter, device: bytes = METER) -> HanAdapter:
    hub.admit(device, CODE)
    hub.open_joining(120)
    adapter = bench.add(device)
    adapter.join(CODE, HUB)
    up = bench.wait_for(device, NetworkUp)
    assert up.epid == HUB
    assert bench.wait_for(HUB, PeerJoined) == PeerJoined("han", device)
    return adapter


def test_forms_a_network(bench: Bench) -> None:
    form(bench)
    assert bench.said(HUB, NetworkDown) == []


def test_form_again_says_so_again(bench: Bench) -> None:
    hub = form(bench)
    hub.form(HUB)
    assert bench.wait_for(HUB, NetworkUp, 1).epid == HUB


def test_a_device_with_the_right_code_joins_and_both_ways_work(bench: Bench) -> None:
    hub = form(bench)
    meter = join(bench, hub)
    hub.send(METER, TUNNELLING, b"down")
    assert bench.wait_for(METER, Received, 2) == Received("han", HUB, b"down", TUNNELLING)
    meter.send(HUB, 0x0702, b"up")
    assert bench.wait_for(HUB, Received, 2) == Received("han", METER, b"up", 0x0702)
    assert bench.said(HUB, PeerJoined) == []


def test_several_devices_join_at_the_same_instant(bench: Bench) -> None:
    hub = form(bench)
    hub.open_joining(120)
    for device in (METER, DISPLAY, STRANGER):
        hub.admit(device, CODE)
        bench.add(device).join(CODE, HUB)
    start = bench.clock.now
    for device in (METER, DISPLAY, STRANGER):
        bench.wait_for(device, NetworkUp, 20)
    assert bench.clock.now - start < 20 * NS  # nobody had to try twice: a fresh module takes 18 s, a second scan 6.7
    for device in (METER, DISPLAY, STRANGER):
        hub.send(device, TUNNELLING, device)
    bench.run(5)
    assert sorted(event.peer for event in bench.said(HUB, PeerJoined)) == [METER, DISPLAY, STRANGER]
    for device in (METER, DISPLAY, STRANGER):
        assert [event.octets for event in bench.said(device, Received)] == [device]


def test_join_without_naming_the_network(bench: Bench) -> None:
    hub = form(bench)
    hub.admit(METER, CODE)
    hub.open_joining(120)
    bench.add(METER).join(CODE)
    assert bench.wait_for(METER, NetworkUp).epid == HUB


def test_the_wrong_code_is_refused_until_the_right_one_comes(bench: Bench) -> None:
    hub = form(bench)
    hub.admit(METER, CODE)
    hub.open_joining(250)
    meter = bench.add(METER)
    meter.join(OTHER_CODE, HUB)
    assert "install code" in bench.wait_for(METER, NetworkDown).reason
    bench.run(60)
    assert bench.said(METER, NetworkUp) == []
    assert bench.said(HUB, PeerJoined) == []
    meter.join(CODE, HUB)
    bench.wait_for(METER, NetworkUp)


def test_who_was_not_admitted_does_not_join(bench: Bench) -> None:
    hub = form(bench)
    hub.admit(DISPLAY, CODE)
    hub.open_joining(120)
    bench.add(METER).join(CODE, HUB)
    assert "install code" in bench.wait_for(METER, NetworkDown).reason
    assert bench.said(HUB, PeerJoined) == []


def test_a_closed_window_lets_nobody_in(bench: Bench) -> None:
    hub = form(bench)
    hub.admit(METER, CODE)
    meter = bench.add(METER)
    meter.join(CODE, HUB)
    assert "join now" in bench.wait_for(METER, NetworkDown).reason
    bench.run(30)
    assert bench.said(METER, NetworkUp) == []
    hub.open_joining(120)
    bench.wait_for(METER, NetworkUp, 90)  # it goes on trying


def test_a_window_closes_by_itself_and_when_told(bench: Bench) -> None:
    hub = form(bench)
    hub.admit(METER, CODE)
    hub.open_joining(20)
    bench.run(21)
    meter = bench.add(METER)
    meter.join(CODE, HUB)
    bench.wait_for(METER, NetworkDown)
    hub.open_joining(3600)
    hub.close_joining()
    bench.run(60)
    assert bench.said(METER, NetworkUp) == []


def test_a_window_of_an_hour_is_open_after_fifty_minutes(bench: Bench) -> None:
    hub = form(bench)
    hub.open_joining(3600)
    bench.run(3000)
    hub.admit(METER, CODE)
    bench.add(METER).join(CODE, HUB)
    bench.wait_for(METER, NetworkUp)


def test_the_largest_frame_goes_through_and_one_more_octet_does_not(bench: Bench) -> None:
    hub = form(bench)
    join(bench, hub)
    largest = hub.capabilities.largest_frame
    assert largest == 255
    octets = bytes(range(255))
    hub.send(METER, TUNNELLING, octets, 5)
    assert bench.wait_for(METER, Received, 5).octets == octets
    hub.send(METER, TUNNELLING, octets + b"!", 6)
    failed = bench.wait_for(HUB, SendFailed, 5)
    assert (failed.peer, failed.token) == (METER, 6)
    assert "too large" in failed.reason
    bench.run(10)
    assert bench.said(METER, Received) == []
    assert bench.said(HUB, SendFailed) == []


def test_order_is_kept(bench: Bench) -> None:
    hub = form(bench)
    meter = join(bench, hub)
    sizes = [3, 250, 1, 90, 84, 85, 2, 255, 7, 7]
    for number, size in enumerate(sizes):
        hub.send(METER, TUNNELLING, bytes([number]) * size)
        meter.send(HUB, TUNNELLING, bytes([number]) * size)
    bench.run(5)
    for own in (HUB, METER):
        assert [(event.octets[0], len(event.octets)) for event in bench.said(own, Received)] == list(enumerate(sizes))


def test_devices_talk_to_each_other(bench: Bench) -> None:
    hub = form(bench)
    join(bench, hub, METER)
    display = join(bench, hub, DISPLAY)
    display.send(METER, 0x0700, b"price?")
    assert bench.wait_for(METER, Received, 5) == Received("han", DISPLAY, b"price?", 0x0700)
    bench.adapters[METER].send(DISPLAY, 0x0700, b"price!")
    assert bench.wait_for(DISPLAY, Received, 5) == Received("han", METER, b"price!", 0x0700)


def test_an_unknown_peer_is_a_failure_and_only_with_a_token(bench: Bench) -> None:
    hub = form(bench)
    hub.send(STRANGER, TUNNELLING, b"anybody?", 9)
    assert bench.wait_for(HUB, SendFailed, 30) == SendFailed("han", STRANGER, 9, "address not found")
    hub.send(STRANGER, TUNNELLING, b"anybody?")
    bench.run(30)
    assert bench.said(HUB, SendFailed) == []


def test_send_without_a_network_fails(bench: Bench) -> None:
    meter = bench.add(METER)
    meter.send(HUB, TUNNELLING, b"hello", 1)
    assert bench.events[METER] == []  # never while it is being called
    assert bench.wait_for(METER, SendFailed, 1).reason == "not in a network"


def test_a_device_without_power_is_a_failure_and_comes_back_by_itself(bench: Bench) -> None:
    hub = form(bench)
    meter = join(bench, hub)
    meter.stop()
    hub.send(METER, TUNNELLING, b"are you there?", 3)
    failed = bench.wait_for(HUB, SendFailed, 60)
    assert (failed.peer, failed.token) == (METER, 3)
    assert bench.events[METER] == []
    meter.start()
    assert bench.wait_for(METER, NetworkUp, 30).epid == HUB
    hub.send(METER, TUNNELLING, b"welcome back", 4)
    assert bench.wait_for(METER, Received, 10).octets == b"welcome back"
    meter.send(HUB, TUNNELLING, b"thanks")
    assert bench.wait_for(HUB, Received, 10).peer == METER
    assert bench.said(HUB, PeerJoined) == []


def test_a_hub_comes_back_with_its_network_and_a_closed_window(bench: Bench) -> None:
    hub = form(bench)
    meter = join(bench, hub)
    hub.admit(DISPLAY, CODE)
    hub.stop()
    bench.run(100)
    hub.start()
    assert bench.wait_for(HUB, NetworkUp, 30).epid == HUB
    meter.send(HUB, TUNNELLING, b"still here")
    assert bench.wait_for(HUB, Received, 10).peer == METER
    hub.send(METER, TUNNELLING, b"good")
    assert bench.wait_for(METER, Received, 10).octets == b"good"
    display = bench.add(DISPLAY)
    display.join(CODE, HUB)
    bench.wait_for(DISPLAY, NetworkDown)
    hub.open_joining(120)
    bench.wait_for(DISPLAY, NetworkUp, 90)  # it was admitted before the power failed


def test_a_device_that_left_is_out(bench: Bench) -> None:
    hub = form(bench)
    meter = join(bench, hub)
    meter.leave()
    bench.wait_for(METER, NetworkDown, 10)
    hub.send(METER, TUNNELLING, b"come back", 8)
    bench.wait_for(HUB, SendFailed, 60)
    bench.run(30)
    assert bench.said(METER, NetworkUp) == []  # though the window is open


def test_a_forgotten_device_is_told_to_go(bench: Bench) -> None:
    hub = form(bench)
    join(bench, hub)
    hub.forget(METER)
    assert bench.wait_for(HUB, PeerLeft, 30) == PeerLeft("han", METER)
    bench.wait_for(METER, NetworkDown, 30)
    bench.run(100)
    assert bench.said(METER, NetworkUp) == []


def test_scan_finds_every_hub(bench: Bench) -> None:
    form(bench)
    other = bench.add(STRANGER)
    other.form(STRANGER)
    bench.wait_for(STRANGER, NetworkUp)
    bench.adapters[HUB].open_joining(60)
    bench.add(METER).scan()
    found = bench.wait_for(METER, NetworksFound, 30)
    assert {beacon.epid: beacon.joinable for beacon in found.beacons} == {HUB: True, STRANGER: False}
    assert all(11 <= beacon.channel <= 26 and beacon.rssi < 0 for beacon in found.beacons)


def test_a_failure_of_the_last_instant_is_not_reported(bench: Bench) -> None:
    meter = bench.add(METER)
    bench.run(5)
    meter.send(HUB, TUNNELLING, b"hello", 1)
    meter.stop()
    bench.run(5)
    assert bench.events[METER] == []


def test_nothing_is_said_after_the_power_is_gone(bench: Bench) -> None:
    hub = form(bench)
    meter = join(bench, hub)
    hub.send(METER, TUNNELLING, b"on its way")
    meter.send(HUB, TUNNELLING, b"lost", 2)
    meter.scan()
    meter.stop()
    bench.run(200)
    assert bench.events[METER] == []
