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
        shared = {"AP": b"\2", "AO": b"\3", "EE": b"\1", "ID": HUB, "NJ": b"\0"}
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
        (METER, 0, bytes(16), 0x00),
        (METER, 0, b"", 0xFF),
        (bytes(8), 0, bytes(16), 0xB3),
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
    assert (silent.delivery, silent.network, silent.retries) == (0x21, b"\xff\xfd", 3)
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
    for number in range(40):
        net.hub.say(
            xbee.ExplicitTransmit(number + 1, METER, xbee.UNKNOWN_16, 1, 1, 6, 0x0109, 0, 0, bytes([number]) * 100)
        )
    net.run(10)
    statuses = {one.frame_id: one.delivery for one in net.hub.got(xbee.TransmitStatus)}
    assert list(statuses.values()).count(0x32) == 8
    assert [one.data[0] for one in net.meter.got(xbee.ExplicitReceive)] == list(range(32))
    assert all(statuses[number + 1] == 0 for number in range(32))


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
