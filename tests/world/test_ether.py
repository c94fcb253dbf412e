"""The air and the MAC: timing, links, taps, acknowledgements."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from devices.wire import ieee802154
from devices.wire.ieee802154 import Frame, FrameType
from rig.world.clock import VirtualClock
from rig.world.ether import Ether, EtherError, air_time
from rig.world.mac import MacRadio

MS = 1_000_000
A, B, C = (bytes.fromhex(f"0013a20041abcd{number:02x}") for number in (0xA0, 0xB0, 0xC0))
Tapped = tuple[int, int, bytes, int, str]


class Air:
    """Two radios on one channel and a tap."""

    def __init__(self, seed: int = 1) -> None:
        self.clock = VirtualClock()
        self.ether = Ether(self.clock, Random(seed))
        self.tapped: list[Tapped] = []
        self.ether.tap(lambda *told: self.tapped.append(told))
        self.heard: dict[str, list[Frame]] = {}
        self.radios: dict[str, MacRadio] = {}
        self.add("a", A)
        self.add("b", B)

    def add(self, name: str, eui: bytes, channel: int = 15) -> MacRadio:
        heard = self.heard[name] = []
        radio = self.radios[name] = MacRadio(self.ether, name, eui, lambda frame, rssi, seal: heard.append(frame))
        radio.pan = 0x4F4D
        radio.tune(channel)
        return radio

    def send(self, payload: bytes = b"x", *, to: bytes = B, ack: bool = False) -> list[bool]:
        done: list[bool] = []
        frame = Frame(FrameType.DATA, 0, payload, 0x4F4D, to, 0x4F4D, A, ack)
        self.radios["a"].send(frame, done=done.append)
        return done

    def run(self, ns: int = 1000 * MS) -> None:
        self.clock.advance(self.clock.now + ns)


def payloads(frames: list[Frame]) -> list[bytes]:
    return [frame.payload for frame in frames]


def test_a_frame_takes_its_air_time() -> None:
    air = Air()
    at: list[int] = []
    air.ether.attach("listener", lambda octets, rssi, hold, seal: at.append(air.clock.now)).channel = 15
    air.send(bytes(50))
    air.run()
    octets = air.tapped[0][2]
    assert at == [192_000 + 32_000 * (len(octets) + 2)] == [air_time(octets)]


def test_the_largest_frame_has_125_octets_and_its_check_sequence() -> None:
    air = Air()
    air.ether.inject("attacker", 15, bytes(125))
    with pytest.raises(EtherError, match="125"):
        air.ether.inject("attacker", 15, bytes(126))


def test_a_tap_hears_each_transmission_once_with_time_channel_and_sender() -> None:
    air = Air()
    air.add("c", C)
    air.send(to=ieee802154.BROADCAST)
    air.run()
    ((at, channel, octets, rssi, sender),) = air.tapped
    assert (at, channel, rssi, sender) == (0, 15, -48, "a")
    assert ieee802154.decode(octets).payload == b"x"
    assert payloads(air.heard["b"]) == payloads(air.heard["c"]) == [b"x"]


def test_a_tap_that_was_taken_off_hears_nothing() -> None:
    air = Air()
    heard: list[int] = []
    air.ether.tap(lambda *_: heard.append(1))()
    air.send()
    air.run()
    assert heard == []


def test_unicast_is_acknowledged_over_the_air() -> None:
    air = Air()
    done = air.send(ack=True)
    air.run()
    assert done == [True]
    kinds = [ieee802154.decode(octets).frame_type for _, _, octets, _, _ in air.tapped]
    assert kinds == [FrameType.DATA, FrameType.ACK]
    assert air.tapped[1][4] == "b"
    assert air.tapped[1][0] - air_time(air.tapped[0][2]) == 192_000


def test_without_an_acknowledgement_it_is_sent_four_times() -> None:
    air = Air()
    air.ether.set_link("a", "b", both=False, loss=1.0)
    done = air.send(ack=True)
    air.run()
    assert done == [False]
    assert len(air.tapped) == 4
    assert len({octets for _, _, octets, _, _ in air.tapped}) == 1
    assert air.ether.lost == 4
    assert air.heard["b"] == []


def test_lost_acknowledgements_make_repeats_at_the_receiver() -> None:
    air = Air()
    air.ether.set_link("b", "a", both=False, loss=1.0)
    done = air.send(ack=True)
    air.run()
    assert done == [False]
    assert payloads(air.heard["b"]) == [b"x"] * 4


def test_a_duplicate_is_a_transmission_of_its_own() -> None:
    air = Air()
    air.ether.set_link("a", "b", duplicate=1.0)
    air.send()
    air.run()
    assert len(air.tapped) == 2
    assert payloads(air.heard["b"]) == [b"x", b"x"]
    assert air.tapped[1][0] > air.tapped[0][0]


def test_a_held_frame_is_overtaken_and_acknowledged_in_time() -> None:
    air = Air()
    air.ether.set_link("a", "b", both=False, reorder=1.0)
    first = air.send(b"first", ack=True)
    air.clock.advance(2 * MS)
    air.ether.set_link("a", "b", both=False, reorder=0.0)
    second = air.send(b"second", ack=True)
    air.run()
    assert first == second == [True]
    assert payloads(air.heard["b"]) == [b"second", b"first"]


def test_delay_comes_on_top_of_air_time() -> None:
    air = Air()
    air.ether.set_link("a", "b", delay_ns=50 * MS)
    air.send()
    air.clock.advance(50 * MS)
    assert air.heard["b"] == []
    air.run()
    assert payloads(air.heard["b"]) == [b"x"]


def test_loss_follows_the_seed() -> None:
    def run(seed: int) -> list[bytes]:
        air = Air(seed)
        air.ether.set_link("a", "b", loss=0.5)
        for number in range(100):
            air.send(bytes([number]))
        air.run(10_000 * MS)
        return payloads(air.heard["b"])

    assert run(1) == run(1) != run(2)
    assert 30 < len(run(1)) < 70


@pytest.mark.parametrize("change", ["channel", "pan", "range", "off"])
def test_who_does_not_hear(change: str) -> None:
    air = Air()
    if change == "channel":
        air.radios["b"].tune(16)
    elif change == "pan":
        air.radios["b"].pan = 0x1234
    elif change == "range":
        air.ether.set_radio("b", out_of_range=True)
    else:
        air.radios["b"].switch_off()
    done = air.send(ack=True)
    air.run()
    assert done == [False]
    assert air.heard["b"] == []


def test_a_radio_that_loses_power_in_mid_frame_hears_and_says_nothing() -> None:
    air = Air()
    done = air.send(bytes(100), ack=True)
    air.clock.advance(MS)
    air.radios["b"].switch_off()
    air.radios["a"].switch_off()
    air.run()
    assert (done, air.heard["b"], len(air.tapped)) == ([], [], 1)


def test_frames_of_one_radio_go_one_after_the_other() -> None:
    air = Air()
    for number in range(5):
        air.send(bytes([number]) * 60)
    air.run()
    for (at, _, octets, _, _), (later, *_) in zip(air.tapped, air.tapped[1:], strict=False):
        assert later >= at + air_time(octets)
    assert [payload[0] for payload in payloads(air.heard["b"])] == [0, 1, 2, 3, 4]


def test_an_attacker_is_heard_and_garbage_is_counted() -> None:
    air = Air()
    forged = ieee802154.encode(Frame(FrameType.DATA, 9, b"forged", 0x4F4D, B, 0x4F4D, A))
    air.ether.inject("attacker", 15, forged)
    air.ether.inject("attacker", 15, b"\x07\xff\xff\xff")
    air.run()
    assert payloads(air.heard["b"]) == [b"forged"]
    assert air.radios["b"].refused == 1
    assert [sender for *_, sender in air.tapped] == ["attacker", "attacker"]


def test_a_seal_reaches_receivers_and_no_tap() -> None:
    air = Air()
    seals: list[bytes] = []
    air.ether.attach("listener", lambda octets, rssi, hold, seal: seals.append(seal)).channel = 15
    frame = Frame(FrameType.DATA, 0, b"x", 0x4F4D, B, 0x4F4D, A)
    air.radios["a"].send(frame, seal=b"key")
    air.run()
    assert seals == [b"key"]
    assert b"key" not in air.tapped[0][2]


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda ether: ether.attach("a", lambda *_: None), "already"),
        (lambda ether: ether.set_link("a", "z", loss=1.0), "there are: a, b"),
        (lambda ether: ether.set_link("a", "b", losses=1.0), "losses"),
        (lambda ether: ether.attach("silent", lambda *_: None).send(b"\x01\x00\x00"), "switched off"),
    ],
)
def test_mistakes_are_named(mistake: Callable[[Ether], object], says: str) -> None:
    with pytest.raises(EtherError, match=says):
        mistake(Air().ether)
