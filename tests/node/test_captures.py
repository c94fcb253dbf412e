"""Captures of every link: each message once, on the interface of its link, as stock tshark reads it; or a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.wire import gbcs, ieee802154, pcap
from devices.wire.ieee802154 import FrameType
from rig.node.captures import AIR, LINKS, Captures
from rig.node.links import Link, Links
from rig.share import folder
from tests.node.benches import VIRTUAL, bench
from tests.node.test_commands import SECOND, Desk
from tests.running import stock_tshark

BENCHES = folder("wiring") / "benches"
START = 1_591_002_000_000_000_000
FRAME = b"\x41\x88\x01\x34\x12\x00\x00\x01\x00"


def links(name: str = "virtual") -> Links:
    return Links(bench(path=BENCHES / f"{name}.yaml"))


def message(counter: int = 1) -> bytes:
    devices = bench(path=VIRTUAL).devices
    party, meter = devices["supplier"].eui, devices["esme"].eui
    body = bytes.fromhex("d9200002f8010000010300000000000100")
    return gbcs.encode(gbcs.Message(1, counter, party, meter, 0x62, body, signature=bytes(64), mac=bytes(12)))


@pytest.mark.parametrize(
    ("name", "device", "port", "peer", "link", "on_air"),
    [
        ("virtual", "supplier", "acb.wan", "esme", "gateway supplier", False),
        ("virtual", "broker", "users.local", "other_supplier", "gateway other_supplier", False),
        ("virtual", "broker", "wan", "esme", "wan hub", False),
        ("virtual", "broker", "wan", "hub", "wan hub", False),
        ("virtual", "broker", "wan", "neighbour", "wan neighbour", False),
        ("virtual", "hub", "wan", "supplier", "wan hub", False),
        ("virtual", "hub", "proxy", "gpf", "internal hub", False),
        ("virtual", "gpf", "line", "hub", "internal hub", False),
        ("virtual", "hub", "han", "esme", "han hub", True),
        ("virtual", "hht", "interpan", "hub", "interpan hub", True),
        ("direct", "hub", "han", "esme", "han hub", False),
        ("direct", "esme", "han", "hub", "han hub", False),
        ("direct", "hht", "interpan", "hub", "interpan hub", False),
        ("line", "broker", "wan", "esme", "line esme", False),
        ("line", "esme", "line", "broker", "line esme", False),
    ],
)
def test_every_link_has_a_name(name: str, device: str, port: str, peer: str, link: str, on_air: bool) -> None:
    told = links(name)
    assert told.of(device, port, {name: eui for eui, name in told.names.items()}[peer]) == Link(link, on_air)


def test_the_far_end_of_a_line_is_untapped_and_nothing_else_is() -> None:
    told = links("line")
    assert {name: told.untapped(name) for name in told.names.values() if told.untapped(name)} == {"esme": ["line"]}
    assert not any(links().untapped(name) for name in links().names.values())


@pytest.fixture
def captures(tmp_path: Path) -> Captures:
    made = Captures()
    made.open(tmp_path)
    return made


def cross(
    captures: Captures,
    device: str,
    port: str,
    peer: str,
    *,
    out: bool,
    octets: bytes | None = None,
    on: str = "virtual",
) -> None:
    told = links(on)
    link = told.of(device, port, {name: eui for eui, name in told.names.items()}[peer])
    captures.message(START, link, device, peer, octets or message(), out=out)


def packets(path: Path) -> list[pcap.Record]:
    with path.open("rb") as file:
        return list(pcap.read(file))


def test_a_message_stands_there_once_where_it_left(captures: Captures, tmp_path: Path) -> None:
    cross(captures, "broker", "wan", "esme", out=True)
    cross(captures, "hub", "wan", "broker", out=False)
    assert captures.close(has_air=True) == {AIR: "nothing crossed the air"}
    (packet,) = packets(tmp_path / LINKS)
    assert (packet.at_ns, packet.link_type, packet.interface) == (START, 252, "wan hub")
    assert pcap.exported(packet.octets) == ("gbcs_message", message())
    assert packet.comment == "broker to esme, tapped as sent"


def test_a_message_that_comes_from_outside_stands_where_it_arrived(captures: Captures, tmp_path: Path) -> None:
    cross(captures, "hub", "wan", "broker", out=False)
    cross(captures, "broker", "wan", "esme", out=True)
    captures.close(has_air=True)
    assert [packet.comment for packet in packets(tmp_path / LINKS)] == [
        "broker to hub, tapped as received",
        "broker to esme, tapped as sent",
    ]


def test_a_message_that_arrives_twice_stands_there_twice(captures: Captures, tmp_path: Path) -> None:
    cross(captures, "broker", "wan", "esme", out=True)
    cross(captures, "hub", "wan", "broker", out=False)
    cross(captures, "hub", "wan", "broker", out=False)
    captures.close(has_air=True)
    assert len(packets(tmp_path / LINKS)) == 2


def test_stock_tshark_dissects_every_link_down_to_the_message(captures: Captures, tmp_path: Path) -> None:
    for number, (device, port, peer) in enumerate(
        [("supplier", "acb.wan", "esme"), ("broker", "wan", "esme"), ("hub", "proxy", "gpf"), ("hub", "wan", "broker")]
    ):
        cross(captures, device, port, peer, out=True, octets=message(number))
    captures.close(has_air=True)
    names = ("frame.interface_name", "gbcs_message.grouping_header.message_code", "_ws.malformed", "frame.comment")
    wanted = [argument for name in names for argument in ("-e", name)]
    shown = [line.split("\t") for line in stock_tshark("-r", tmp_path / LINKS, "-T", "fields", *wanted).splitlines()]
    assert [row[:3] for row in shown] == [
        ["gateway supplier", "0x0062", ""],
        ["wan hub", "0x0062", ""],
        ["internal hub", "0x0062", ""],
        ["wan hub", "0x0062", ""],
    ]
    assert all("tapped as sent" in row[3] for row in shown)


@pytest.mark.parametrize(
    ("name", "crossed", "absent"),
    [
        ("virtual", [], {AIR: "nothing crossed the air", LINKS: "no message crossed a link"}),
        ("virtual", [("hub", "han", "esme")], {LINKS: "messages crossed the air alone"}),
        ("direct", [("hub", "han", "esme")], {AIR: "this bench has no virtual air"}),
    ],
)
def test_a_capture_that_would_be_empty_is_not_there_and_the_reason_is_told(
    tmp_path: Path, name: str, crossed: list[tuple[str, str, str]], absent: dict[str, str]
) -> None:
    captures = Captures()
    captures.open(tmp_path)
    for device, port, peer in crossed:
        cross(captures, device, port, peer, out=True, on=name)
        if links(name).has_air:
            captures.air(START, 15, FRAME, -40, "hub-zigbee")
    assert captures.close(has_air=links(name).has_air) == absent
    assert {path.name for path in tmp_path.iterdir()} == {AIR, LINKS} - set(absent)


def test_nothing_is_written_while_no_folder_is_open(tmp_path: Path) -> None:
    captures = Captures()
    captures.air(START, 15, FRAME, -40, "hub-zigbee")
    cross(captures, "broker", "wan", "esme", out=True)
    assert list(tmp_path.iterdir()) == []


def test_scans_stand_in_the_capture_of_the_air_and_its_comment_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.call("evidence.open", name="a-test")
    desk.up()
    desk.call("clock.advance", span_ns=5 * SECOND)
    desk.call("device.ask", device="hht", request="scan", values={})
    desk.call("clock.advance", span_ns=10 * SECOND)
    desk.call("evidence.close")
    desk.close()
    path = tmp_path / "a-test" / AIR
    with path.open("rb") as file:
        packets = list(pcap.read(file))
    channels = {
        packet.channel for packet in map(pcap.mac_record, packets)
        if ieee802154.decode(packet.frame).payload == ieee802154.encode_command(ieee802154.BeaconRequest())
    }  # fmt: skip
    assert len(channels) > 14
    assert any(ieee802154.decode(pcap.mac_record(one).frame).frame_type is FrameType.BEACON for one in packets)
    assert b"Scans stand here as they went" in path.read_bytes()
