"""The XBee drivers against modules that misbehave: mode, firmware, resets, lost lines, late answers, bad air."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from devices.machines.core import NetworkDown, NetworkUp, PeerJoined, Received, SendFailed
from devices.trust.install_code import install_code_key
from devices.wire import xbee
from rig.ports.han_xbee import XBeeHan, XBeeHanConfig
from rig.ports.protocols import ByteLink, PortLost, PortMissing
from rig.ports.xbee_link import LinkSettings, XBeeLink
from rig.world.clock import NS, VirtualClock
from rig.world.xbee_802154 import XBee802154
from tests.ports.han_benches import CODE, HUB, METER, RADIOS, MemoryLink, XBeeBench
from tests.ports.interpan_benches import TERMINAL, XBeeInterPanBench

TUNNELLING = 0x0704


class ScriptedLink:
    """A line whose far end is the test."""

    def __init__(self) -> None:
        self.on_bytes: Callable[[bytes], None] = lambda _: None
        self.link_lost: Callable[[str], None] = lambda _: None
        self.requests: list[Any] = []
        self.broken = False
        self._deframer = xbee.Deframer()

    def write(self, octets: bytes) -> None:
        if self.broken:
            raise PortLost("/dev/ttyUSB0", "unplugged", "Plug it in")
        self.requests += map(xbee.parse, self._deframer.feed(octets))

    def say(self, frame: xbee.Frame) -> None:
        self.on_bytes(xbee.frame(xbee.build(frame)))

    def set_line(self, name: str, level: bool) -> None:
        raise AssertionError(name)

    def close(self) -> None:
        self.broken = True


class Requests:
    """An XBeeLink over a scripted line, and the answers that its requests got."""

    def __init__(self, **settings: int) -> None:
        self.clock = VirtualClock()
        self.line = ScriptedLink()
        self.link = XBeeLink(self.line, self.clock, LinkSettings(**settings))
        self.unasked: list[xbee.Frame] = []
        self.link.on_frame = self.unasked.append
        self.answers: list[xbee.Frame | None] = []

    def ask(self, command: str = "AI") -> int:
        self.link.at(command, b"", self.answers.append)
        frame_id: int = self.line.requests[-1].frame_id
        return frame_id

    def run(self, seconds: float) -> None:
        self.clock.advance(self.clock.now + round(seconds * NS))


# ------------------------------------------------------------------------------------------------------------ frame ids


def test_answers_find_their_requests_in_any_order() -> None:
    it = Requests()
    first, second = it.ask("AI"), it.ask("MY")
    it.line.say(xbee.AtResponse(second, b"MY", 0, b"\0\0"))
    it.line.say(xbee.AtResponse(first, b"AI", 0, b"\0"))
    assert [getattr(one, "command", None) for one in it.answers] == [b"MY", b"AI"]
    it.run(10)
    assert len(it.answers) == 2
    assert it.link.in_flight == 0


def test_a_late_answer_meets_nobody() -> None:
    it = Requests()
    late = it.ask("AI")
    it.run(3)
    assert it.answers == [None]
    ids = [it.ask("MY") for _ in range(254)]  # every other id is in use now
    assert late not in ids
    assert len(set(ids)) == 254
    it.line.say(xbee.AtResponse(late, b"AI", 0, b"\0"))
    assert (it.answers, it.link.late) == ([None], 1)
    it.link.at("NI", b"", it.answers.append)  # only the quarantined id is left: better none than that
    it.run(0)
    assert it.answers == [None, None]


def test_a_quarantined_id_is_used_again_in_the_end() -> None:
    it = Requests(quarantine_ns=10 * NS)
    first = it.ask()
    it.run(3)
    it.run(10)
    assert first in [it.ask() for _ in range(255)]


def test_without_a_free_id_the_request_fails_and_nothing_is_sent() -> None:
    it = Requests(answer_ns=60 * NS)
    for _ in range(255):
        it.ask()
    sent = len(it.line.requests)
    it.link.at("NI", b"", it.answers.append)
    it.run(0)
    assert (it.answers, len(it.line.requests)) == ([None], sent)


def test_an_answer_of_another_kind_is_not_taken() -> None:
    it = Requests()
    frame_id = it.ask()
    it.line.say(xbee.TransmitStatus(frame_id, b"\0\0", 0, 0, 0))
    assert (it.answers, it.link.late) == ([], 1)


def test_it_falls_into_step_after_a_truncated_frame() -> None:
    it = Requests()
    frame_id = it.ask()
    it.line.on_bytes(bytes.fromhex("7E 00 20 91 00 7D33"))  # facts/radio.md 7: digi-xbee swallows what follows
    it.line.say(xbee.AtResponse(frame_id, b"AI", 0, b"\0"))
    assert len(it.answers) == 1
    assert it.link.faults == 1


def test_unasked_and_unknown_frames_are_handed_up() -> None:
    it = Requests()
    it.line.say(xbee.ModemStatus(0x43))
    it.line.on_bytes(bytes.fromhex("7E0002237D31CB"))
    assert it.unasked == [xbee.ModemStatus(0x43), xbee.Unknown(0x23, b"\x11")]


def test_a_line_that_breaks_while_writing_is_a_lost_line() -> None:
    it = Requests()
    lost: list[str] = []
    it.link.on_lost = lost.append
    it.line.broken = True
    it.link.at("AI", b"", it.answers.append)
    assert lost == []
    it.run(0)
    assert "unplugged" in lost[0]


# ------------------------------------------------------------------------------------------------------------- bring-up


def formed(bench: XBeeBench) -> XBeeHan:
    hub = bench.add(HUB)
    assert isinstance(hub, XBeeHan)
    hub.form(HUB)
    bench.wait_for(HUB, NetworkUp)
    return hub


def joined(bench: XBeeBench) -> tuple[XBeeHan, XBeeHan]:
    hub = formed(bench)
    hub.admit(METER, CODE)
    hub.open_joining(200)
    meter = bench.add(METER)
    assert isinstance(meter, XBeeHan)
    meter.join(CODE, HUB)
    bench.wait_for(METER, NetworkUp)
    bench.wait_for(HUB, PeerJoined)
    return hub, meter


def test_the_start_up_table_leaves_the_module_as_radio_md_says() -> None:
    bench = XBeeBench()
    formed(bench)
    module = bench.modules[HUB]
    assert module._read("AI") == b"\0"
    saved = {name: value.hex() for name, value in module._saved.items()}
    expected = {
        "AP": "02",
        "CE": "01",
        "SM": "00",
        "EE": "01",
        "EO": "02",
        "AO": "01",
        "ZS": "02",
        "NJ": "00",
        "ID": HUB.hex(),
    }
    assert {name: saved[name] for name in expected} == expected
    assert module.network.member is not None
    assert module.network.member.epid == HUB


@pytest.mark.parametrize("mode", [b"\0", b"\1", b"\2"])
def test_whatever_mode_the_module_is_in(mode: bytes) -> None:
    bench = XBeeBench()
    hub = bench._xbee(bench, HUB)
    bench.modules[HUB]._saved["AP"] = mode
    events: list[Any] = []
    hub.on_event = events.append
    hub.start()
    hub.form(HUB)
    bench.run(20)
    assert [type(event) for event in events] == [NetworkUp]


def test_the_wrong_firmware_is_named() -> None:
    bench = XBeeBench()
    module = XBee802154(bench.ether, "wrong", RADIOS[HUB], bench.rng)
    config = XBeeHanConfig(HUB, RADIOS, install_code_key, power=module.power)
    hub = XBeeHan(MemoryLink(module), bench.clock, config)
    events: list[Any] = []
    hub.on_event = events.append
    hub.start()
    bench.run(60)
    (event,) = events  # said once, however often it is tried
    assert "VR=2013" in event.reason
    assert "Zigbee" in event.reason


def test_a_scanner_with_the_wrong_firmware_is_named_at_start_and_at_each_scan() -> None:
    """Behind ``scan_url`` stands a module with 802.15.4 firmware, as that for inter-PAN has; that one works on."""
    bench = XBeeInterPanBench()
    bench.hub_han()
    bench.add(HUB, 15)
    wrong = XBee802154(bench.ether, "wrong", bytes.fromhex("0013a20041eeeee0"), Random(4))
    bench._scanner = lambda own: (MemoryLink(wrong), wrong.power)  # type: ignore[method-assign]
    terminal = bench.add(TERMINAL, 15)
    bench.run(60)
    for _ in range(2):
        (told,) = bench.take(TERMINAL)
        assert isinstance(told, NetworkDown)
        assert told.port == "interpan"
        assert "VR=2013" in told.reason
        assert "expected Zigbee" in told.reason
        terminal.scan()
        bench.run(60)
    bench.take(TERMINAL)
    terminal.send(HUB, TUNNELLING, b"hello")
    bench.run(1)
    assert [event.octets for event in bench.take(HUB)] == [b"hello"]


def test_a_dead_module_is_reported_once_and_taken_up_when_it_wakes() -> None:
    bench = XBeeBench()
    hub = bench._xbee(bench, HUB)
    assert isinstance(hub, XBeeHan)
    link = bench.links[HUB]
    write, link.write = link.write, lambda octets: None  # type: ignore[method-assign]
    events: list[Any] = []
    hub.on_event = events.append
    hub.start()
    hub.form(HUB)
    bench.run(300)
    (event,) = events
    assert isinstance(event, NetworkDown)
    assert "does not answer" in event.reason
    link.write = write  # type: ignore[method-assign]
    bench.run(60)
    assert [type(event) for event in events] == [NetworkDown, NetworkUp]


def test_a_reset_of_the_module_starts_over_and_restores_the_network() -> None:
    bench = XBeeBench()
    _, meter = joined(bench)
    bench.modules[METER].power(False)
    bench.modules[METER].power(True)
    down = bench.wait_for(METER, NetworkDown, 5)
    assert "reset" in down.reason
    bench.wait_for(METER, NetworkUp, 20)
    meter.send(HUB, TUNNELLING, b"again")
    assert bench.wait_for(HUB, Received, 5).octets == b"again"


def test_a_reset_of_the_hubs_module_does_not_forget_who_may_join() -> None:
    bench = XBeeBench()
    hub = formed(bench)
    hub.admit(METER, CODE)
    bench.modules[HUB].power(False)
    bench.modules[HUB].power(True)
    bench.wait_for(HUB, NetworkDown)
    bench.wait_for(HUB, NetworkUp)
    hub.open_joining(100)
    bench.add(METER).join(CODE, HUB)
    bench.wait_for(METER, NetworkUp)


def test_a_lost_line_fails_what_waits_and_is_opened_again() -> None:
    bench = XBeeBench()
    hub = formed(bench)
    tries: list[int] = []

    def reopen() -> ByteLink:
        tries.append(bench.clock.now)
        if len(tries) < 3:
            raise PortMissing("/dev/ttyUSB0", "not there", "Plug it in")
        return MemoryLink(bench.modules[HUB])

    hub.radio._reopen = reopen
    hub.send(METER, TUNNELLING, b"x", 5)
    bench.links[HUB].link_lost("unplugged")
    failed = bench.wait_for(HUB, SendFailed, 1)
    assert "unplugged" in failed.reason
    assert "unplugged" in bench.wait_for(HUB, NetworkDown, 1).reason
    assert bench.wait_for(HUB, NetworkUp, 30).epid == HUB
    assert [(b - a) // NS for a, b in pairwise(tries)] == [2, 4]


def test_without_a_power_switch_it_falls_silent_all_the_same() -> None:
    bench = XBeeBench()
    hub, meter = joined(bench)
    meter.radio._power = None
    meter.stop()
    hub.send(METER, TUNNELLING, b"into the void")
    bench.run(10)
    assert bench.events[METER] == []
    meter.start()
    bench.wait_for(METER, NetworkUp, 10)


def test_close_ends_everything() -> None:
    bench = XBeeBench()
    hub, _ = joined(bench)
    hub.send(METER, TUNNELLING, b"x", 1)
    hub.close()
    bench.run(200)
    assert bench.events[HUB] == []
    assert bench.links[HUB].closed


# ------------------------------------------------------------------------------------------------------------ messages


def test_a_queue_that_is_full_refuses() -> None:
    bench = XBeeBench()
    hub, _ = joined(bench)
    hub._outbox.largest = 3
    bench.ether.set_radio(RADIOS[METER].hex(), out_of_range=True)
    for token in range(1, 6):
        hub.send(METER, TUNNELLING, b"x", token)
    bench.run(0.5)
    assert [event.token for event in bench.said(HUB, SendFailed)] == [4, 5]
    bench.run(60)
    assert [event.token for event in bench.said(HUB, SendFailed)] == [4, 5, 1, 2, 3]


def test_one_peer_out_of_range_does_not_hold_up_another() -> None:
    bench = XBeeBench()
    hub, _ = joined(bench)
    display = bytes.fromhex("00db1234567890c2")
    hub.admit(display, CODE)
    bench.add(display).join(CODE, HUB)
    bench.wait_for(display, NetworkUp)
    bench.ether.set_radio(RADIOS[METER].hex(), out_of_range=True)
    hub.send(METER, TUNNELLING, b"lost", 1)
    hub.send(display, TUNNELLING, b"now")
    assert bench.wait_for(display, Received, 1).octets == b"now"
    assert bench.wait_for(HUB, SendFailed, 60).reason == "no acknowledgement from the device"


@pytest.mark.parametrize("loss", [0.1, 0.3])
def test_bad_air_in_both_directions_keeps_order_and_loses_nothing(loss: float) -> None:
    bench = XBeeBench()
    hub, meter = joined(bench)
    a, b = RADIOS[HUB].hex(), RADIOS[METER].hex()
    bench.ether.set_link(a, b, loss=loss, duplicate=0.2, reorder=0.2)
    for number in range(40):
        hub.send(METER, TUNNELLING, bytes([number]) * 200, number + 1)
        meter.send(HUB, TUNNELLING, bytes([number]) * 20, number + 1)
    bench.run(300)
    for own in (HUB, METER):
        assert bench.said(own, SendFailed) == []
        assert [event.octets[0] for event in bench.said(own, Received)] == list(range(40))


def test_foreign_profiles_and_endpoints_are_counted_and_dropped() -> None:
    bench = XBeeBench()
    hub, _ = joined(bench)
    for endpoint, profile in ((1, 0x0104), (7, 0x0109)):
        ends = (endpoint, endpoint, TUNNELLING, profile, 0, 0, b"x")
        frame = xbee.ExplicitTransmit(0, RADIOS[HUB], xbee.UNKNOWN_16, *ends)
        bench.modules[METER].on_host_bytes(xbee.frame(xbee.build(frame)))
    bench.run(2)
    assert bench.said(HUB, Received) == []
    assert hub.stray == 2


def test_devices_speak_on_the_endpoints_that_the_bench_says() -> None:
    bench = XBeeBench(endpoints={HUB: 123, METER: 9})
    hub, meter = joined(bench)
    hub.send(METER, TUNNELLING, b"down", 1)
    meter.send(HUB, TUNNELLING, b"up", 2)
    bench.run(5)
    assert [event.octets for event in bench.said(METER, Received)] == [b"down"]
    assert [event.octets for event in bench.said(HUB, Received)] == [b"up"]
    assert (hub.stray, meter.stray) == (0, 0)


def test_a_device_that_takes_endpoint_1_for_granted_is_not_heard() -> None:
    bench = XBeeBench(endpoints={HUB: 123})
    hub, meter = joined(bench)
    meter.config = replace(meter.config, endpoints={})
    meter.send(HUB, TUNNELLING, b"up", 2)
    bench.run(5)
    assert bench.said(HUB, Received) == []
    assert hub.stray == 1


def test_a_bad_install_code_leaves_word_of_it() -> None:
    bench = XBeeBench()
    hub = formed(bench)
    hub.open_joining(60)
    hub.admit(METER, bytes(5))
    bench.run(1)
    assert "B2" in hub.admission.problem


# ----------------------------------------------------------------------------------------------------------- inter-PAN


def test_interpan_ignores_the_broadcasts_of_the_han_and_forged_stubs() -> None:
    bench = XBeeInterPanBench()
    up = bench.hub_han()
    bench.add(HUB, up.channel, up.pan)
    adapter = bench.adapters[HUB]
    ends = (1, 1, TUNNELLING, 0x0109, 0, 0, b"to everybody")
    frame = xbee.ExplicitTransmit(0, xbee.BROADCAST_64, xbee.UNKNOWN_16, *ends)
    bench.han.modules[HUB].on_host_bytes(xbee.frame(xbee.build(frame)))
    bench.run(1)
    assert (bench.take(HUB), adapter.foreign) == ([], 1)
    radio = bench.adapters[HUB].config.peers[HUB]
    for stub in ("0b00", "0b00ff", "0b0003040709", "0b00030407040112", "0b0023040709010000"):
        mac = bytes.fromhex("01cc07ffff") + radio[::-1] + bytes.fromhex("3412") + bytes(8) + bytes.fromhex(stub)
        bench.ether.inject("attacker", up.channel, mac)
        bench.run(0.1)
    assert (bench.take(HUB), adapter.foreign) == ([], 6)
    mac = (
        bytes.fromhex("01cc07ffff") + radio[::-1] + bytes.fromhex("3412") + bytes(8) + bytes.fromhex("0b000304070901aa")
    )
    bench.ether.inject("attacker", up.channel, mac)
    bench.run(0.1)
    assert bench.take(HUB) == [Received("interpan", bytes(8), b"\xaa", TUNNELLING)]


def test_interpan_duplicates_reach_the_machine_as_on_real_radios() -> None:
    bench = XBeeInterPanBench()
    bench.add(HUB, 15)
    terminal = bench.add(TERMINAL, 15)
    bench.ether.default = replace(bench.ether.default, duplicate=1.0)
    terminal.send(HUB, TUNNELLING, b"twice")
    bench.run(1)
    assert [event.octets for event in bench.take(HUB)] == [b"twice", b"twice"]


def test_a_radio_tells_between_which_endpoints_it_hears_frames_for_it_or_not() -> None:
    bench = XBeeBench(endpoints={HUB: 123, METER: 9})
    hub, meter = joined(bench)
    heard: list[tuple[bytes, int, int]] = []
    hub.on_heard = lambda *ends: heard.append(ends)
    meter.send(HUB, TUNNELLING, b"up")
    bench.run(5)
    meter.config = replace(meter.config, sends_from=10, endpoints={HUB: 6})
    meter.send(HUB, TUNNELLING, b"astray")
    bench.run(5)
    assert heard == [(METER, 9, 123), (METER, 10, 6)]
    assert hub.stray == 1
