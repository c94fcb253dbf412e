"""What the maker's pages ask of the driver, facts/xbee-manual.md 7.1: each was a way to fail on metal alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devices.machines.core import NetworkDown, NetworksFound, NetworkUp, PeerJoined, PeerLeft, SendFailed
from devices.wire import xbee
from rig.ports.han_outbox import Outbox, Outgoing
from rig.ports.han_xbee import AI_PROGRESS, AI_REASONS, XBeeHan
from tests.ports.han_benches import CODE, DISPLAY, HUB, METER, OTHER_CODE, STRANGER, XBeeBench
from tests.ports.test_xbee_driver import formed, joined

TUNNELLING = 0x0704


def _asked(bench: XBeeBench, own: bytes) -> list[xbee.Frame]:
    """Every frame that the driver wrote to its module since this was called last."""
    written = bench.links[own].written
    frames = [xbee.parse(data) for data in xbee.Deframer().feed(bytes(written))]
    written.clear()
    return frames


def _commands(frames: list[xbee.Frame]) -> list[tuple[str, bytes]]:
    at = [one for one in frames if isinstance(one, xbee.AtCommand | xbee.AtQueued)]
    return [(one.command.decode(), one.value) for one in at]


def test_a_module_from_the_factory_gets_the_stack_profile_of_bought_devices() -> None:
    """7.1 no. 6: with factory ZS=0 XBees find each other and no bought device finds them."""
    bench = XBeeBench()
    formed(bench)
    assert bench.modules[HUB]._read("ZS") == b"\2"


def test_a_long_window_stays_open_over_its_254_seconds() -> None:
    """7.1 no. 2: NJ written again with an equal value opens nothing."""
    bench = XBeeBench()
    hub = formed(bench)
    hub.open_joining(1000)
    for _ in range(99):
        bench.run(10)
        assert bench.modules[HUB].network.trust.open
    bench.run(20)
    assert not bench.modules[HUB].network.trust.open


def test_a_window_opened_twice_for_the_same_time_is_open_as_long_as_said_the_second_time() -> None:
    bench = XBeeBench()
    hub = formed(bench)
    hub.open_joining(60)
    bench.run(40)
    hub.open_joining(60)
    bench.run(50)
    assert bench.modules[HUB].network.trust.open


def test_a_registration_lives_as_long_as_the_window_and_no_longer() -> None:
    """7.1 no. 4: KT is the length of the window, 30 s at least."""
    bench = XBeeBench()
    hub = formed(bench)
    hub.admit(METER, CODE)
    assert bench.modules[HUB].network.trust.registered == 0
    hub.open_joining(100)
    bench.run(1)
    assert (bench.modules[HUB]._read("KT"), bench.modules[HUB].network.trust.registered) == (b"\0\x64", 1)
    bench.run(101)
    assert bench.modules[HUB].network.trust.registered == 0


def test_a_device_that_was_forgotten_while_the_window_is_open_does_not_get_in() -> None:
    """7.1 no. 4: an empty key removes nothing from a centralised trust centre."""
    bench = XBeeBench()
    hub = formed(bench)
    hub.admit(METER, CODE)
    hub.open_joining(200)
    bench.run(1)
    hub.forget(METER)
    bench.add(METER).join(CODE, HUB)
    bench.run(60)
    assert bench.said(METER, NetworkUp) == []
    assert bench.said(HUB, PeerJoined) == []


def test_a_member_is_forgotten_by_a_leave_request_that_its_module_obeys() -> None:
    """7.1 no. 3 and 4: AO=1 leaves Mgmt_Leave to the module."""
    bench = XBeeBench()
    hub, _ = joined(bench)
    hub.forget(METER)
    bench.wait_for(HUB, PeerLeft, 10)
    assert "left" in bench.wait_for(METER, NetworkDown, 20).reason


def test_a_terminal_scans_though_its_radio_is_in_no_network() -> None:
    """7.1 no. 1: AS is refused while a module looks for a network, unless DJ=1."""
    bench = XBeeBench()
    formed(bench)
    terminal = bench.add(STRANGER)
    bench.run(15)
    terminal.scan()
    assert [beacon.epid for beacon in bench.wait_for(STRANGER, NetworksFound, 15).beacons] == [HUB]


def test_a_device_that_scanned_while_it_wanted_to_join_goes_on_looking() -> None:
    bench = XBeeBench()
    hub = formed(bench)
    meter = bench.add(METER)
    meter.join(CODE, HUB)
    bench.run(25)
    meter.scan()
    bench.wait_for(METER, NetworksFound, 15)
    hub.admit(METER, CODE)
    hub.open_joining(120)
    bench.wait_for(METER, NetworkUp, 60)


def test_what_stands_is_not_written_again() -> None:
    """7.1 no. 5: a network setting written anew may cost a module its network and all its members."""
    bench = XBeeBench()
    joined(bench)
    pan = bench.modules[HUB].network.member
    _asked(bench, HUB)
    bench.modules[HUB].power(False)
    bench.modules[HUB].power(True)
    bench.wait_for(HUB, NetworkDown)
    bench.wait_for(HUB, NetworkUp)
    bench.run(5)
    written = [name for name, value in _commands(_asked(bench, HUB)) if value]
    assert set(written) <= {"AP", "AO", "NJ", "KT"}  # none that a network hangs on
    assert bench.modules[HUB].network.member == pan


def test_an_open_window_is_not_saved() -> None:
    """7.1 no. 13: WR keeps whatever NJ is in force, and the next power-up would open the hub."""
    bench = XBeeBench()
    hub = bench.add(HUB)
    hub.open_joining(200)
    hub.form(HUB)
    bench.wait_for(HUB, NetworkUp)
    bench.run(2)
    assert bench.modules[HUB].network.trust.open
    assert bench.modules[HUB]._saved["NJ"] == b"\0"


def test_the_network_that_a_module_is_about_to_leave_is_not_taken_for_the_new_one() -> None:
    """7.1 no. 17: for up to five seconds a module may still show the old one; it is asked again."""
    bench = XBeeBench()
    hub, meter = joined(bench)
    module = bench.modules[METER]
    applied = module._applied

    def late(names: list[str]) -> None:
        """The old values for three seconds more, and no modem status at all."""
        bench.clock.call_at(bench.clock.now + 3_000_000_000, lambda: applied(names))

    module._applied = late  # type: ignore[method-assign]
    module._status = lambda status: None  # type: ignore[method-assign]
    module.network.on_status = lambda _: None
    other = bench.add(DISPLAY)
    assert isinstance(other, XBeeHan)
    other.form(DISPLAY)
    bench.wait_for(DISPLAY, NetworkUp)
    other.admit(METER, OTHER_CODE)
    other.open_joining(250)
    meter.join(OTHER_CODE, DISPLAY)
    assert bench.wait_for(METER, NetworkUp, 120).epid == DISPLAY
    assert hub is not other


def test_no_more_than_three_messages_are_with_the_radio_at_once() -> None:
    """7.1 no. 10: a module queues four; a fifth peer's message would come back with 32."""
    bench = XBeeBench()
    hub = formed(bench)
    peers = [bytes(7) + bytes((number,)) for number in range(1, 9)]
    for number, peer in enumerate(peers, 1):
        hub.send(peer, TUNNELLING, b"x", number)
    bench.run(60)
    reasons = {event.token: event.reason for event in bench.said(HUB, SendFailed)}
    assert reasons == dict.fromkeys(range(1, 9), "address not found")


def test_turns_are_fair_and_order_is_kept() -> None:
    outbox = Outbox(10, at_once=1)
    sent: list[tuple[object, Callable[[xbee.Frame], None]]] = []

    class Link:
        settings = type("S", (), {"transmit_ns": 1})

        def request(self, make: object, kind: object, answered: Callable[[xbee.Frame], None], wait: int) -> None:
            sent.append((make, answered))

    link = Link()
    done: list[str] = []
    for radio, name in ((METER, "m1"), (METER, "m2"), (DISPLAY, "d1")):
        outgoing = Outgoing(1, 1, 6, 0x0109, name.encode(), lambda _, name=name: done.append(name))  # type: ignore[misc]
        assert outbox.put(link, radio, outgoing)  # type: ignore[arg-type]
    while len(done) < 3:
        _, answered = sent[len(done)]
        answered(xbee.TransmitStatus(1, b"\0\1", 0, 0, 0))
    assert done == ["m1", "d1", "m2"]


@pytest.mark.parametrize("ai", [0xAB, 0xAD, 0xAF, 0x44, 0x25])
def test_reasons_are_those_of_the_manual(ai: int) -> None:
    """7.1 no. 7: 25 is an unexpected state, AB that nobody answered; 40 and 41 are progress."""
    assert ai in AI_REASONS
    assert "answer" not in AI_REASONS[0x25]
    assert {0x40, 0x41} <= set(AI_PROGRESS)
    assert not set(AI_PROGRESS) & set(AI_REASONS)
