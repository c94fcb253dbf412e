"""Virtual Zigbee modules on the air, spoken to in API frames: join states, delivery codes, fragments, bad air."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest

from devices.trust.install_code import install_code_key
from devices.wire import ieee802154, xbee, zigbee
from rig.world.clock import NS, VirtualClock
from rig.world.ether import Ether
from rig.world.xbee_802154 import XBee802154
from rig.world.xbee_zigbee import XBeeZigbee, install_code_crc
from tests.running import stock_tshark

MS = 1_000_000
HUB, METER, SPARE = (bytes.fromhex(f"0013a20041abcd{number}") for number in ("a0", "b1", "c2"))
CODE = bytes.fromhex("83FED3407A939723A5C639B26916D505")
PRINTED = CODE + bytes.fromhex("C3B5")  # facts/radio.md 11.3
KEY = install_code_key(CODE)
AnyFrame = TypeVar("AnyFrame", bound=xbee.Frame)


class Node:
    """A module, with what it said as frames."""

    def __init__(self, net: Net, name: str, eui: bytes, **registers: bytes) -> None:
        self.net = net
        self.frames: list[xbee.Frame] = []
        shared = {"AP": b"\2", "AO": b"\1", "EE": b"\1", "ID": HUB, "NJ": b"\0"}
        deframer = xbee.Deframer()
        self.module = XBeeZigbee(
            net.ether, name, eui, Random(name), link_key=install_code_key, registers=shared | registers
        )
        self.module.to_host = lambda octets: self.frames.extend(map(xbee.parse, deframer.feed(octets)))
        self.module.power(True)

    def say(self, frame: xbee.Frame) -> None:
        self.module.on_host_bytes(xbee.frame(xbee.build(frame)))

    def ask(self, frame: xbee.Frame, kind: type[AnyFrame], seconds: float = 1) -> AnyFrame:
        self.frames.clear()
        self.say(frame)
        self.net.run(seconds)
        (answer,) = self.got(kind)
        return answer

    def got(self, kind: type[AnyFrame]) -> list[AnyFrame]:
        return [frame for frame in self.frames if isinstance(frame, kind)]

    def at(self, command: str, value: bytes = b"") -> bytes:
        answer = self.ask(xbee.AtCommand(9, command.encode(), value), xbee.AtResponse, 0.01)
        assert answer.status == 0
        return answer.value

    def send(self, to: bytes, data: bytes, seconds: float = 1, *, options: int = 0) -> xbee.TransmitStatus:
        frame = xbee.ExplicitTransmit(5, to, xbee.UNKNOWN_16, 1, 1, 0x0704, 0x0109, 0, options, data)
        return self.ask(frame, xbee.TransmitStatus, seconds)


class Net:
    """A hub that has formed, a meter that has joined, and a tap."""

    def __init__(self, seed: int = 1, *, join: bool = True) -> None:
        self.clock = VirtualClock()
        self.ether = Ether(self.clock, Random(seed))
        self.tapped: list[tuple[int, int, bytes, int, str]] = []
        self.ether.tap(lambda *told: self.tapped.append(told))
        self.hub = Node(self, "hub", HUB, CE=b"\1")
        self.run(5)
        if join:
            self.meter = self.joined("meter", METER)

    def joined(self, name: str, eui: bytes) -> Node:
        self.hub.ask(xbee.RegisterDevice(3, eui, xbee.UNKNOWN_16, 1, PRINTED), xbee.RegistrationStatus)
        self.hub.at("NJ", b"\x3c")
        node = Node(self, name, eui, KY=KEY)
        self.run(8)
        assert node.at("AI") == b"\0"
        return node

    def run(self, seconds: float) -> None:
        self.clock.advance(self.clock.now + round(seconds * NS))


@pytest.fixture
def net() -> Net:
    return Net()


def test_forming_says_8a_06_and_shows_the_network() -> None:
    net = Net(join=False)
    assert net.hub.frames == [xbee.ModemStatus(0x00), xbee.ModemStatus(0x06)]
    assert (net.hub.at("AI"), net.hub.at("MY"), net.hub.at("OP")) == (b"\0", b"\0\0", HUB)
    assert 11 <= net.hub.at("CH")[0] <= 25


def test_joining_says_8a_02_and_the_hubs_host_hears_device_annce(net: Net) -> None:
    short = net.meter.at("MY")
    (announced,) = net.hub.got(xbee.ExplicitReceive)
    assert (announced.cluster, announced.profile, announced.options) == (0x0013, 0, 0x02)
    assert (announced.source, announced.network) == (METER, short)
    assert announced.data[1:3] == short[::-1]
    assert announced.data[3:11] == METER[::-1]


@pytest.mark.parametrize(
    ("registers", "registered", "window", "ai"),
    [
        ({"KY": KEY, "ID": SPARE}, True, True, 0x22),  # another network
        ({"KY": KEY}, True, False, 0x23),  # window closed
        ({"KY": bytes(15) + b"\1"}, True, True, 0x27),  # wrong key
        ({"KY": KEY}, False, True, 0x27),  # nobody registered it
        ({"KY": KEY, "SC": b"\x80\x00"}, True, True, 0x21),  # looks on channel 26 only
    ],
)
def test_why_a_device_does_not_join(registers: dict[str, bytes], registered: bool, window: bool, ai: int) -> None:
    net = Net(join=False)
    if registered:
        net.hub.say(xbee.RegisterDevice(3, METER, xbee.UNKNOWN_16, 1, PRINTED))
    if window:
        net.hub.at("NJ", b"\xfe")
    net.hub.frames.clear()
    meter = Node(net, "meter", METER, **registers)
    net.run(30)
    assert net.hub.got(xbee.ExplicitReceive) == []
    assert meter.got(xbee.ModemStatus) == [xbee.ModemStatus(0x00)]
    seen = []
    for _ in range(40):
        seen.append(meter.at("AI")[0])
        net.run(0.25)
    assert ai in seen
    assert set(seen) <= {ai, 0xFF}


def test_a_registration_lives_kt_seconds() -> None:
    net = Net(join=False)
    net.hub.at("KT", b"\x00\x1e")
    net.hub.say(xbee.RegisterDevice(3, METER, xbee.UNKNOWN_16, 1, PRINTED))
    net.hub.at("NJ", b"\xff")
    net.run(31)
    meter = Node(net, "meter", METER, KY=KEY)
    net.run(9)
    assert meter.at("AI") == b"\x27"


@pytest.mark.parametrize(
    ("device", "options", "key", "status"),
    [
        (METER, 1, PRINTED, 0x00),
        (METER, 1, CODE + b"\x16\x73", 0xBD),
        (METER, 1, bytes.fromhex("F6F1913D834A08D6ADAF1F91BAF4052D7316"), 0xBD),  # the manual's own code, wrong CRC
        (METER, 1, CODE, 0xB2),
        (METER, 0, bytes(17), 0x01),
        (METER, 1, PRINTED[:8], 0xB2),
        (METER, 0, bytes(16), 0xB2),
        (METER, 0, b"\xff" * 16, 0xB2),
        (METER, 0, bytes(range(16)), 0x00),
        (METER, 0, b"", 0xFF),
        (bytes(8), 0, bytes(range(16)), 0xB3),
    ],
)
def test_registration_answers(device: bytes, options: int, key: bytes, status: int) -> None:
    net = Net(join=False)
    request = xbee.RegisterDevice(0xD5, device, xbee.UNKNOWN_16, options, key)
    assert net.hub.ask(request, xbee.RegistrationStatus) == xbee.RegistrationStatus(0xD5, status)


@pytest.mark.parametrize("code", [CODE, bytes.fromhex("1122334455667788")])
def test_install_code_crc_of_published_codes(code: bytes) -> None:
    assert install_code_crc(code) == bytes.fromhex({16: "C3B5", 8: "4AF7"}[len(code)])


def test_a_message_arrives_as_91_with_everything_in_it(net: Net) -> None:
    short = net.meter.at("MY")
    net.meter.frames.clear()
    assert net.hub.send(METER, b"hello") == xbee.TransmitStatus(5, short, 0, 0, 0)
    (received,) = net.meter.got(xbee.ExplicitReceive)
    assert received == xbee.ExplicitReceive(HUB, b"\0\0", 1, 1, 0x0704, 0x0109, 0x01, b"hello")


@pytest.mark.parametrize("size", [0, 1, 84, 85, 164, 165, 255])
def test_sizes_go_through_in_fragments_where_needed(net: Net, size: int) -> None:
    net.meter.frames.clear()
    net.tapped.clear()
    data = bytes(number & 0xFF for number in range(size))
    assert net.hub.send(METER, data).delivery == 0
    (received,) = net.meter.got(xbee.ExplicitReceive)
    assert received.data == data
    pieces = [octets for _, _, octets, _, sender in net.tapped if sender == "hub" and len(octets) > 5]
    assert len(pieces) == (1 if size <= 84 else -(-size // 82))
    assert all(len(octets) + 2 <= 127 for octets in pieces)


def test_delivery_codes(net: Net) -> None:
    assert net.hub.send(METER, bytes(256)).delivery == 0x74
    assert net.hub.send(HUB, b"me").delivery == 0x23
    missing = net.hub.send(SPARE, b"nobody", 5)
    assert (missing.delivery, missing.network) == (0x24, b"\xff\xfd")
    net.ether.set_radio("meter", out_of_range=True)
    silent = net.hub.send(METER, b"gone", 20)
    assert (silent.delivery, silent.network, silent.retries) == (0x21, b"\xff\xfd", 2)
    assert net.hub.send(METER, b"gone", 20, options=1).delivery == 0x01
    fresh = Node(net, "spare", SPARE)
    net.run(1)
    assert fresh.send(HUB, b"early").delivery == 0x22


def test_broadcasts_report_success_and_are_limited(net: Net) -> None:
    net.meter.frames.clear()
    assert net.hub.send(xbee.BROADCAST_64, bytes(84)).delivery == 0
    assert [(one.data, one.options) for one in net.meter.got(xbee.ExplicitReceive)] == [(bytes(84), 0x02)]
    assert net.hub.send(xbee.BROADCAST_64, bytes(85)).delivery == 0x74


def test_the_coordinator_may_be_addressed_by_zeros(net: Net) -> None:
    net.hub.frames.clear()
    assert net.meter.send(xbee.COORDINATOR_64, b"hello").delivery == 0
    assert [one.data for one in net.hub.got(xbee.ExplicitReceive)] == [b"hello"]


def test_frame_90_and_frame_10_on_the_digi_endpoints(net: Net) -> None:
    net.meter.at("AO", b"\0")
    net.meter.frames.clear()
    net.hub.ask(xbee.Transmit(4, METER, xbee.UNKNOWN_16, 0, 0, b"TxData"), xbee.TransmitStatus)
    assert net.meter.got(xbee.Receive) == [xbee.Receive(HUB, b"\0\0", 0x01, b"TxData")]


def test_many_messages_at_once_keep_their_order_and_the_queue_has_an_end(net: Net) -> None:
    net.meter.frames.clear()
    net.hub.frames.clear()
    for number in range(6):
        net.hub.say(
            xbee.ExplicitTransmit(number + 1, METER, xbee.UNKNOWN_16, 1, 1, 6, 0x0109, 0, 0, bytes([number]) * 100)
        )
    net.run(10)
    statuses = {one.frame_id: one.delivery for one in net.hub.got(xbee.TransmitStatus)}
    assert [statuses[number + 1] for number in range(6)] == [0, 0, 0, 0, 0x32, 0x32]
    assert [one.data[0] for one in net.meter.got(xbee.ExplicitReceive)] == list(range(4))


@pytest.mark.parametrize("fault", [{"loss": 0.25}, {"duplicate": 0.5}, {"reorder": 0.3}, {"delay_ns": 40 * MS}])
def test_bad_air_loses_repeats_and_reorders_nothing_above_it(fault: dict[str, Any]) -> None:
    net = Net()
    net.ether.set_link("hub", "meter", **fault)
    net.meter.frames.clear()
    for number in range(60):
        assert net.hub.send(METER, bytes([number]) * (1 + 4 * number), 15).delivery == 0
    assert [one.data[0] for one in net.meter.got(xbee.ExplicitReceive)] == list(range(60))


def test_more_messages_than_counters_are_all_delivered(net: Net) -> None:
    net.meter.frames.clear()
    for number in range(600):
        size = 100 if number % 256 < 3 else 2  # fragments under a counter that came round
        assert net.hub.send(METER, number.to_bytes(2, "big") * (size // 2), 0.04).delivery == 0
    heard = [int.from_bytes(one.data[:2], "big") for one in net.meter.got(xbee.ExplicitReceive)]
    assert heard == list(range(600))


def test_power_and_what_is_remembered(net: Net) -> None:
    short, channel = net.meter.at("MY"), net.meter.at("CH")
    for node in (net.hub, net.meter):
        node.module.power(False)
    net.run(3600)
    for node in (net.hub, net.meter):
        node.frames.clear()
        node.module.power(True)
    net.run(1)
    assert net.hub.got(xbee.ModemStatus) == [xbee.ModemStatus(0x00), xbee.ModemStatus(0x06)]
    assert net.meter.got(xbee.ModemStatus) == [xbee.ModemStatus(0x00), xbee.ModemStatus(0x02)]
    assert (net.meter.at("MY"), net.meter.at("CH")) == (short, channel)
    assert net.meter.send(HUB, b"back").delivery == 0
    assert net.hub.send(METER, b"good").delivery == 0


def test_nr_leaves_and_the_hub_forgets_the_address(net: Net) -> None:
    net.meter.at("NR", b"\0")
    net.run(0.5)
    assert xbee.ModemStatus(0x03) in net.meter.frames
    assert net.hub.module.network.short_of(METER) is None
    assert net.meter.at("AI") != b"\0"


def test_a_changed_network_setting_makes_it_leave(net: Net) -> None:
    net.meter.frames.clear()
    net.meter.say(xbee.AtCommand(1, b"ID", SPARE))
    net.run(5)
    assert xbee.ModemStatus(0x03) in net.meter.frames
    assert net.meter.at("AI") in (b"\x22", b"\xff")


def test_who_lacks_the_network_key_is_not_heard(net: Net) -> None:
    net.tapped.clear()
    net.meter.send(HUB, b"true")
    octets = next(octets for _, _, octets, _, sender in net.tapped if sender == "meter" and len(octets) > 5)
    channel = net.hub.at("CH")[0]
    mac = ieee802154.decode(octets)
    nwk = zigbee.decode_nwk(mac.payload)
    aps = zigbee.decode_aps(nwk.payload)
    forged_aps = zigbee.encode_aps(zigbee.ApsFrame(aps.counter ^ 0x40, b"forged", 1, 1, 0x0704, 0x0109))
    forged_nwk = zigbee.encode_nwk(zigbee.NwkFrame(nwk.destination, nwk.source, 7, forged_aps))
    forged = ieee802154.encode(
        ieee802154.Frame(
            mac.frame_type, 7, forged_nwk, mac.destination_pan, mac.destination, mac.source_pan, mac.source
        )
    )
    net.hub.frames.clear()
    before = net.hub.module.network.unauthenticated
    net.ether.inject("attacker", channel, forged)
    net.run(1)
    assert net.hub.got(xbee.ExplicitReceive) == []
    assert net.hub.module.network.unauthenticated == before + 1
    key = net.hub.module.network.member.key if net.hub.module.network.member else b""
    net.ether.inject("thief of the key", channel, forged, seal=key)
    net.run(1)
    assert [one.data for one in net.hub.got(xbee.ExplicitReceive)] == [b"forged"]


def test_garbage_on_the_air_does_no_harm(net: Net) -> None:
    rng, channel = Random(5), net.hub.at("CH")[0]
    member = net.hub.module.network.member
    assert member is not None
    head = ieee802154.Frame(ieee802154.FrameType.DATA, 1, b"", member.pan, b"\0\0", member.pan, b"\x12\x34")
    for number in range(300):
        octets = rng.randbytes(rng.randrange(1, 100))
        if number % 2:
            octets = ieee802154.encode(head) + octets
        net.ether.inject("noise", channel, octets, seal=member.key)
        net.run(0.01)
    assert net.meter.send(HUB, b"still there").delivery == 0


def test_two_runs_of_one_seed_are_alike_to_the_octet() -> None:
    def run(seed: int) -> list[tuple[int, int, bytes, int, str]]:
        net = Net(seed)
        net.ether.set_link("hub", "meter", loss=0.2, duplicate=0.2, reorder=0.2)
        for number in range(10):
            net.hub.send(METER, bytes([number]) * 90, 10)
        return net.tapped

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_the_802_15_4_module_hears_the_hans_broadcasts_and_sends_textbook_interpan(net: Net) -> None:
    member = net.hub.module.network.member
    assert member is not None
    eui = bytes.fromhex("0013a20041000099")
    registers = {"MM": b"\2", "MY": b"\xff\xfe", "CH": bytes([member.channel]), "AP": b"\2"}
    heard: list[xbee.Frame] = []
    deframer = xbee.Deframer()
    radio = XBee802154(net.ether, "second", eui, Random(1), registers=registers | {"ID": b"\x4f\x4d"})
    radio.to_host = lambda octets: heard.extend(map(xbee.parse, deframer.feed(octets)))
    radio.power(True)
    net.run(1)
    net.tapped.clear()
    stub = bytes.fromhex("0B00 03 0407 0901 012A00 06FFFF00DC05")
    to = bytes.fromhex("0013A20041ABCDEF")
    radio.on_host_bytes(xbee.frame(xbee.build(xbee.Transmit64(1, to, 4, stub))))
    net.run(1)
    sent = net.tapped[0][2]
    expected = bytes.fromhex("21CC00 FFFF EFCDAB4100A21300 4D4F 9900004100A21300 0B0003040709 01012A0006FFFF00DC05")
    assert sent[:2] + sent[3:] == expected[:2] + expected[3:]
    assert xbee.TransmitStatus802(1, 0x01) in heard  # nobody there to acknowledge
    radio.on_host_bytes(xbee.frame(xbee.build(xbee.AtCommand(0, b"ID", member.pan.to_bytes(2, "big")))))
    net.run(0.1)
    net.hub.send(xbee.BROADCAST_64, b"to all")
    assert any(isinstance(frame, xbee.Receive16) for frame in heard)  # the driver's business to drop
    net.tapped.clear()
    net.meter.say(xbee.AtCommand(9, b"AS"))
    net.run(5)
    assert [sender for _, _, octets, _, sender in net.tapped if octets[0] & 7 == 0] == ["hub"]


# ------------------------------------------------------------------------------------------ facts/xbee-manual.md 4


def _statuses(node: Node) -> list[int]:
    return [one.status for one in node.got(xbee.ModemStatus)]


def test_a_scan_is_refused_while_the_module_looks_for_a_network_unless_dj_is_set() -> None:
    """facts/xbee-manual.md 4.2 [the maker's page]."""
    net = Net(join=False)
    spare = Node(net, "spare", SPARE, ID=SPARE)
    net.run(1)
    refused = spare.ask(xbee.AtCommand(9, b"AS"), xbee.AtResponse, 8)
    assert (refused.status, refused.value) == (1, b"")
    spare.at("DJ", b"\1")
    spare.frames.clear()
    spare.say(xbee.AtCommand(9, b"AS"))
    net.run(8)
    found = spare.got(xbee.AtResponse)
    assert [one.value[4:12] for one in found] == [HUB, b""]
    assert spare.at("AI") == b"\xff"


def test_a_module_told_not_to_join_does_not_and_goes_on_when_it_may() -> None:
    """facts/xbee-manual.md 1.1: DJ."""
    net = Net(join=False)
    net.hub.ask(xbee.RegisterDevice(3, METER, xbee.UNKNOWN_16, 1, PRINTED), xbee.RegistrationStatus)
    net.hub.at("NJ", b"\xfe")
    meter = Node(net, "meter", METER, KY=KEY, ID=SPARE)
    net.run(1)
    meter.at("DJ", b"\1")
    meter.at("ID", HUB)
    net.run(40)
    assert meter.at("AI") == b"\xff"
    meter.at("DJ", b"\0")
    net.run(15)
    assert meter.at("AI") == b"\0"


def test_an_equal_nj_opens_nothing_and_a_changed_one_does(net: Net) -> None:
    """facts/xbee-manual.md 4.3 [the maker's page]."""
    net.hub.at("NJ", b"\x14")
    net.run(15)
    net.hub.frames.clear()
    net.hub.at("NJ", b"\x14")
    net.run(8)
    assert not net.hub.module.network.trust.open
    net.hub.at("NJ", b"\x15")
    assert net.hub.module.network.trust.open


def test_the_button_opens_the_window_for_a_minute_whatever_nj_is(net: Net) -> None:
    """facts/xbee-manual.md 4.3 and 4.4: and tells the network, so that bought routers open theirs."""
    net.hub.at("NJ", b"\0")
    net.run(1)
    net.meter.at("AO", b"\2")
    net.meter.frames.clear()
    net.hub.at("CB", b"\2")
    net.run(1)
    told = [one for one in net.meter.got(xbee.ExplicitReceive) if one.cluster == 0x0036]
    assert [one.data[1:] for one in told] == [bytes((60, 1))]
    net.run(57)
    assert net.hub.module.network.trust.open
    net.run(3)
    assert not net.hub.module.network.trust.open


@pytest.mark.parametrize(
    ("ao", "answered", "told"),
    [(0x00, True, False), (0x01, True, False), (0x03, False, True), (0x11, True, True), (0x21, True, False)],
)
def test_who_answers_a_request_that_the_module_knows(net: Net, ao: int, answered: bool, told: bool) -> None:
    """facts/xbee-manual.md 1.7 [the maker's pages]: with bit 1 the host gets it and the module is silent."""
    net.meter.at("AO", bytes((ao,)))
    request = b"\7" + net.meter.at("MY")[::-1]
    net.meter.frames.clear()
    net.hub.ask(
        xbee.ExplicitTransmit(5, METER, xbee.UNKNOWN_16, 0, 0, 0x0005, 0, 0, 0, request), xbee.TransmitStatus, 1
    )
    heard = [one.data for one in net.hub.got(xbee.ExplicitReceive) if one.cluster == 0x8005]
    assert bool(heard) is answered
    assert all(data[:2] == b"\7\0" and data[-2:] == b"\xe6\xe8" for data in heard)
    assert bool([one for one in net.meter.got(xbee.ExplicitReceive) if one.cluster == 0x0005]) is told


@pytest.mark.parametrize(("ao", "told"), [(0x01, False), (0x05, True)])
def test_a_request_that_the_module_does_not_know(net: Net, ao: int, told: bool) -> None:
    """facts/xbee-manual.md 1.7: NOT_SUPPORTED, unless bit 2 gives it to the host."""
    net.meter.at("AO", bytes((ao,)))
    net.meter.frames.clear()
    frame = xbee.ExplicitTransmit(5, METER, xbee.UNKNOWN_16, 0, 0, 0x0030, 0, 0, 0, b"\7")
    net.hub.ask(frame, xbee.TransmitStatus, 1)
    refused = [one.data for one in net.hub.got(xbee.ExplicitReceive) if one.cluster == 0x8030]
    assert refused == ([] if told else [b"\7\x84"])
    assert bool(net.meter.got(xbee.ExplicitReceive)) is told


def test_a_leave_request_is_obeyed_by_the_module_only_where_it_answers(net: Net) -> None:
    """facts/xbee-manual.md 1.7: with bit 1 of AO nobody but the host could obey."""
    request = b"\0" + METER[::-1] + b"\0"
    frame = xbee.ExplicitTransmit(5, METER, xbee.UNKNOWN_16, 0, 0, 0x0034, 0, 0, 0, request)
    net.meter.at("AO", b"\x0f")
    net.hub.ask(frame, xbee.TransmitStatus, 5)
    assert net.meter.at("AI") == b"\0"
    net.meter.at("AO", b"\1")
    net.hub.ask(frame, xbee.TransmitStatus, 5)
    assert net.meter.at("AI") != b"\0"


def test_an_empty_key_removes_nothing_and_joining_uses_a_registration_up() -> None:
    """facts/xbee-manual.md 4.5 [the maker's pages]: with a centralised trust centre."""
    net = Net(join=False)
    net.hub.ask(xbee.RegisterDevice(3, METER, xbee.UNKNOWN_16, 1, PRINTED), xbee.RegistrationStatus)
    empty = xbee.RegisterDevice(4, METER, xbee.UNKNOWN_16, 0, b"")
    assert net.hub.ask(empty, xbee.RegistrationStatus).status == 0xFF
    net.hub.at("NJ", b"\xfe")
    meter = Node(net, "meter", METER, KY=KEY)
    net.run(8)
    assert meter.at("AI") == b"\0"
    meter.at("NR", b"\0")
    net.run(15)
    assert meter.at("AI") in (b"\x27", b"\xff")
    assert xbee.ModemStatus(0x02) not in meter.frames


def test_the_table_of_registrations_has_ten_entries() -> None:
    """facts/xbee-manual.md 4.5 and 8."""
    net = Net(join=False)
    answers = [
        net.hub.ask(
            xbee.RegisterDevice(3, bytes((1,)) * 7 + bytes((number,)), xbee.UNKNOWN_16, 1, PRINTED),
            xbee.RegistrationStatus,
            0.01,
        ).status
        for number in range(12)
    ]
    assert answers == [0] * 10 + [0x18] * 2


@pytest.mark.parametrize(
    ("name", "value", "leaves"),
    [
        ("KY", bytes(15) + b"\7", True),
        ("EE", b"\0", True),
        ("EO", b"\0", True),
        ("ID", HUB, False),
        ("ID", SPARE, True),
        ("KY", KEY, False),
        ("NH", b"\x20", False),
        ("AO", b"\3", False),
        ("NK", bytes(15) + b"\1", False),
    ],
)
def test_what_costs_a_module_its_network(net: Net, name: str, value: bytes, leaves: bool) -> None:
    """facts/xbee-manual.md 1 and 4.8: a changed value that does not fit; an equal one is no change (8)."""
    net.meter.frames.clear()
    net.meter.say(xbee.AtCommand(1, name.encode(), value))
    net.run(0.1)
    kinds = [type(frame).__name__ for frame in net.meter.frames]
    assert kinds == (["AtResponse", "ModemStatus"] if leaves else ["AtResponse"])
    assert (net.meter.at("AI") == b"\0") is not leaves


def test_a_channel_taken_out_of_the_mask_costs_the_network_and_another_does_not(net: Net) -> None:
    """facts/xbee-manual.md 1.1: SC leaves only if CH is no longer in the mask."""
    bit = 1 << net.meter.at("CH")[0] - 11
    net.meter.at("SC", bit.to_bytes(2, "big"))
    net.run(0.1)
    assert net.meter.at("AI") == b"\0"
    net.meter.at("SC", (0xFFFF ^ bit).to_bytes(2, "big"))
    net.run(0.1)
    assert net.meter.at("AI") == b"\xff"


def test_what_was_applied_and_not_written_costs_the_network_at_the_next_reset() -> None:
    """facts/xbee-manual.md 4.1 no. 2: at reset it compares what was saved with the network that it is in."""
    net = Net(join=False)
    spare = Node(net, "spare", SPARE, ID=SPARE)
    spare.at("CE", b"\1")
    net.run(12)
    assert spare.at("AI") == b"\0"
    spare.module.power(False)
    spare.module.power(True)
    net.run(1)
    assert spare.at("AI") != b"\0"


def test_forming_and_joining_begin_five_seconds_after_the_last_change() -> None:
    """facts/xbee-manual.md 4.1 no. 3 [the maker's pages]."""
    net = Net(join=False)
    spare = Node(net, "spare", SPARE, CE=b"\1", ID=SPARE)
    net.run(5)
    spare.frames.clear()
    for value in (b"\x01" * 8, b"\x02" * 8):
        spare.say(xbee.AtCommand(1, b"ID", value))
        net.run(3)
    assert _statuses(spare) == [0x03]
    net.run(1.9)
    assert 0x06 not in _statuses(spare)
    net.run(5)
    assert 0x06 in _statuses(spare)
    assert spare.at("OP") == b"\x02" * 8


@pytest.mark.parametrize("admitting", [0, 1, 2])
@pytest.mark.parametrize("registers", [{}, {"DC": b"\0\x08"}])
def test_a_device_that_is_not_taken_tries_the_next_network(admitting: int, registers: dict[str, bytes]) -> None:
    """Three hubs in reach, all with open windows; one of them was given the install code."""
    net = Net(join=False)
    others = [HUB[:-1] + bytes((HUB[-1] + 16 * number,)) for number in (1, 2)]
    hubs = [net.hub, *(Node(net, f"hub {eui[-1]}", eui, CE=b"\1", ID=eui) for eui in others)]
    net.run(10)
    for number, hub in enumerate(hubs):
        if number == admitting:
            hub.ask(xbee.RegisterDevice(3, METER, xbee.UNKNOWN_16, 1, PRINTED), xbee.RegistrationStatus)
        hub.at("NJ", b"\xfe")
    meter = Node(net, "meter", METER, KY=KEY, ID=bytes(8), **registers)
    net.run(60)
    assert meter.at("AI") == b"\0"
    assert meter.at("OP") == hubs[admitting].at("OP")


def test_a_network_of_another_stack_profile_is_not_joined() -> None:
    """facts/xbee-manual.md 1.1, 4.1 no. 5: a fresh XBee (profile 0) and a bought device (2) never find each other."""
    net = Net(join=False)
    net.hub.ask(xbee.RegisterDevice(3, METER, xbee.UNKNOWN_16, 1, PRINTED), xbee.RegistrationStatus)
    net.hub.at("NJ", b"\xfe")
    meter = Node(net, "meter", METER, KY=KEY, ZS=b"\2")
    net.run(20)
    assert meter.at("AI") in (b"\x22", b"\xff")


def test_a_module_looks_nine_times_a_minute_then_three_times() -> None:
    """facts/xbee-manual.md 4.1 no. 5: for five minutes, then for ever; here less often after an hour in vain."""
    net = Net(join=False)
    Node(net, "meter", METER, ID=SPARE, SC=b"\0\1")

    def scans(seconds: int) -> int:
        net.tapped.clear()
        net.run(seconds)
        return sum(sender == "meter" for *_, sender in net.tapped)

    assert 8 <= scans(60) <= 10
    net.run(300)
    assert scans(60) == 3
    net.run(3600)
    assert scans(3600) == 6


def test_broadcasts_to_routers_are_broadcasts(net: Net) -> None:
    """facts/xbee-manual.md 3: FFFC and FFFD work with real modules."""
    for last in (0xFC, 0xFD):
        net.meter.frames.clear()
        assert net.hub.send(bytes(6) + bytes((0xFF, last)), b"all").delivery == 0
        assert [one.data for one in net.meter.got(xbee.ExplicitReceive)] == [b"all"]


def test_stock_tshark_reads_every_frame_of_a_join_and_a_conversation(net: Net, tmp_path: Path) -> None:
    zcl = bytes.fromhex("09 2a 01 0000") + bytes(100)  # TransferData to the client, tunnel 0, in two fragments
    net.hub.send(METER, zcl)
    net.meter.send(HUB, bytes.fromhex("01 2b 00 06 ffff 00 dc05"))
    records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 195)]
    for at, _, octets, _, _ in net.tapped:
        octets = ieee802154.append_fcs(octets)
        records.append(struct.pack("<IIII", at // NS, at % NS // 1000, len(octets), len(octets)) + octets)
    capture = tmp_path / "air.pcap"
    capture.write_bytes(b"".join(records))

    def read(*arguments: str) -> list[str]:
        return stock_tshark("-n", "-r", capture, *arguments).splitlines()

    assert read("-Y", "_ws.malformed || wpan.fcs_ok == 0") == []
    lines = "\n".join(read())
    for expected in (
        "Beacon Request",
        "Beacon, Src: 0x0000, EPID: 00:13:a2:00:41:ab:cd:a0",
        "Association Request, FFD",
        "Association Response",
        "Transport Key",
        "Device Announcement",
        "APS: Ack",
        "ZCL Tunneling: Request Tunnel",
    ):
        assert expected in lines
    assert lines.count("ZCL Tunneling: ") == 2  # one of them put together from its fragments
