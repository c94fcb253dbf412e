"""Capture files against our own reader, against rubbish, and against stock tshark."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import gbcs, gbt, ieee802154, interpan, tunnelling, zigbee
from devices.wire.ieee802154 import FrameType
from devices.wire.pcap import (
    CaptureError,
    Interface,
    LinkType,
    MacRecord,
    PcapngWriter,
    PcapWriter,
    Record,
    mac_record,
    read,
)

NOTE = "recorded without NWK and APS security"
FRAME = bytes.fromhex("03080cffffffff07")  # a beacon request
START = 1_700_000_000_123_456_789

# ---------------------------------------------------------------- our own reader


@pytest.mark.parametrize("link_type", list(LinkType))
def test_pcapng_round_trip(link_type: LinkType) -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file, NOTE, [Interface("ether", link_type)])
    writer.write(START, FRAME, channel=15, rssi=-40.5, comment="first, über alles")
    writer.write(START + 1, FRAME)
    file.seek(0)
    first, second = read(file)
    assert (first.at_ns, first.comment, first.interface) == (START, "first, über alles", "ether")
    assert (second.at_ns, second.comment) == (START + 1, "")
    tap = link_type == LinkType.TAP
    assert mac_record(first) == (MacRecord(FRAME, 15, -40.5) if tap else MacRecord(FRAME))
    assert mac_record(second) == MacRecord(FRAME)


@pytest.mark.parametrize("link_type", list(LinkType))
def test_classic_round_trip(link_type: LinkType) -> None:
    file = io.BytesIO()
    PcapWriter(file, link_type).write(START, FRAME, channel=15, rssi=-40.5)
    file.seek(0)
    (record,) = read(file)
    assert (record.at_ns, record.link_type, mac_record(record).frame) == (START, link_type, FRAME)


def test_the_tap_header_is_the_one_that_tshark_was_shown() -> None:
    file = io.BytesIO()
    PcapWriter(file).write(0, FRAME, channel=0x14, rssi=-1.0)
    header = bytes.fromhex("00001c00 0000010001000000 01000400000080bf 0300030014000000")
    assert file.getvalue()[40:] == header + ieee802154.append_fcs(FRAME)


def test_several_interfaces_and_foreign_link_types() -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file, NOTE, [Interface("a", 147), Interface("b", LinkType.NO_FCS)])
    writer.write(5, b"abcde", interface=0)
    writer.write(6, FRAME, interface=1)
    file.seek(0)
    records = list(read(file))
    assert [(record.interface, record.octets) for record in records] == [("a", b"abcde"), ("b", FRAME)]
    with pytest.raises(CaptureError, match="link type 147"):
        mac_record(records[0])


@pytest.mark.parametrize("order", ["<", ">"])
def test_reads_the_captures_of_others(order: str) -> None:
    head = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 230)
    packet = struct.pack(order + "IIII", 7, 8, len(FRAME), len(FRAME)) + FRAME
    assert list(read(io.BytesIO(head + packet))) == [Record(7_000_008_000, 230, FRAME)]

    def block(kind: int, body: bytes) -> bytes:
        length = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", kind) + length + body + length

    section = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    interface = block(1, struct.pack(order + "HHI", 230, 0, 0))  # micro-second stamps, no limit
    unheard = block(0x0BAD, b"1234")
    simple = block(3, struct.pack(order + "I", 8) + FRAME)
    enhanced = block(6, struct.pack(order + "IIIII", 0, 1, 2, 8, 8) + FRAME)
    records = list(read(io.BytesIO(section + interface + unheard + simple + enhanced)))
    assert records == [Record(0, 230, FRAME), Record(((1 << 32) + 2) * 1000, 230, FRAME)]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "ends early"),
        (b"GIF89a", "no magic number"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1, 230) + b"\0" * 15, "within a header"),
        (struct.pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 1, 230, 0, 0, 1 << 31, 0), "believable"),
        (bytes.fromhex("0a0d0d0a1c000000deadbeef"), "byte-order magic"),
        (bytes.fromhex("0a0d0d0a080000004d3c2b1a"), "a block of 8 octets"),
    ],
)
def test_rubbish_gets_one_typed_error(octets: bytes, reason: str) -> None:
    with pytest.raises(CaptureError, match=reason):
        list(read(io.BytesIO(octets)))


def written() -> bytes:
    file = io.BytesIO()
    writer = PcapngWriter(file, NOTE)
    writer.write(START, FRAME, channel=15, rssi=-40.0, comment="x")
    return file.getvalue()


@given(st.integers(0, len(written()) - 1), st.integers(0, 255), st.integers(0, 40))
def test_a_damaged_capture_raises_nothing_else(place: int, value: int, cut: int) -> None:
    octets = bytearray(written())
    octets[place] = value
    with suppress(CaptureError):
        for record in read(io.BytesIO(octets[: len(octets) - cut])):
            mac_record(record)


@given(st.binary(max_size=200), st.sampled_from([195, 230, 283, 1]))
def test_a_packet_of_anything_raises_nothing_else(octets: bytes, link_type: int) -> None:
    with suppress(CaptureError):
        mac_record(Record(0, link_type, octets))


@pytest.mark.parametrize(("at", "channel", "interface"), [(-1, 15, 0), (1 << 64, 15, 0), (0, 1 << 16, 0), (0, 15, 1)])
def test_what_does_not_fit_is_refused_whole(at: int, channel: int, interface: int) -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file, NOTE)
    before = file.getvalue()
    with pytest.raises(CaptureError):
        writer.write(at, FRAME, channel=channel, interface=interface)
    with pytest.raises(CaptureError, match="65537 octets"):
        writer.write(0, bytes(65537))
    assert file.getvalue() == before


def test_a_long_comment_is_cut_between_letters() -> None:
    file = io.BytesIO()
    PcapngWriter(file, NOTE).write(0, FRAME, comment="x" + "ü" * 40_000)
    file.seek(0)
    (record,) = read(file)
    assert record.comment == "x" + "ü" * 32_765


# ---------------------------------------------------------------- stock tshark as the witness

CH, METER = bytes.fromhex("0013A20041ABCDEF"), bytes.fromhex("0013A20041000001")
PAN = 0x4F4D


def tshark(*arguments: str | Path) -> str:
    """Run stock tshark with no preferences; where it is missing the test skips, or fails if this is CI."""
    program = shutil.which("tshark")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tshark is missing: install the package tshark")
        pytest.skip("tshark is not installed")
    environment = os.environ | {"WIRESHARK_CONFIG_DIR": os.devnull, "HOME": os.devnull}
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Air:
    """Puts ZCL frames on air as a coordinator does, and records them."""

    def __init__(self, file: Path, link_type: int = LinkType.TAP) -> None:
        self.file = file.open("wb")
        self.writer = PcapngWriter(self.file, NOTE, [Interface("ether", link_type)])
        self.at = START
        self.counter = 0

    def record(self, mac: bytes) -> None:
        assert len(mac) + 2 <= ieee802154.MAX_FRAME
        self.at += 5_000_000
        self.writer.write(self.at, mac, channel=20, rssi=-45.0)

    def next(self) -> int:
        """One counter for all layers: what matters is that the APS counter never jumps far."""
        self.counter = self.counter + 1 & 0xFF
        return self.counter

    def mac(self, destination: int, source: int, payload: bytes) -> None:
        """A data frame and its MAC acknowledgement."""
        sequence = self.next()
        self.record(
            ieee802154.encode(
                ieee802154.Frame(
                    FrameType.DATA,
                    sequence,
                    payload,
                    PAN,
                    destination.to_bytes(2, "big"),
                    PAN,
                    source.to_bytes(2, "big"),
                    ack_request=True,
                    pan_compression=True,
                )
            )
        )
        self.record(ieee802154.encode(ieee802154.Frame(FrameType.ACK, sequence)))

    def nwk(self, destination: int, source: int, aps: zigbee.ApsFrame) -> None:
        short = (destination.to_bytes(2, "big"), source.to_bytes(2, "big"))
        network = zigbee.NwkFrame(*short, self.next(), zigbee.encode_aps(aps))
        self.mac(destination, source, zigbee.encode_nwk(network))

    def han(self, destination: int, source: int, command: tunnelling.TunnelCommand, largest: int = 200) -> None:
        counter = self.next()
        whole = zigbee.ApsFrame(
            counter, tunnelling.encode(command, counter), 1, 1, tunnelling.CLUSTER, 0x0109, ack_request=True
        )
        for part in zigbee.fragment(whole, largest):
            self.nwk(destination, source, part)
            self.nwk(source, destination, zigbee.acknowledge(part))

    def inter_pan(self, destination: bytes, source: bytes, command: tunnelling.TunnelCommand) -> None:
        stub = interpan.Stub(tunnelling.CLUSTER, tunnelling.encode(command, self.next()))
        frame = ieee802154.Frame(
            FrameType.DATA, self.next(), interpan.encode(stub), PAN, destination, PAN, source, ack_request=True
        )
        self.record(ieee802154.encode(frame))

    def close(self) -> Path:
        self.file.close()
        return Path(self.file.name)


def message(counter: int = 0x3E8, content: bytes = bytes(4)) -> bytes:
    """A general-signing message ECS70 with a content of nothing but its tag D9, invoke id and ``content``."""
    head = bytes.fromhex("DF0901") + counter.to_bytes(8, "big") + bytes.fromhex("0890B3D51F30010000 080013A20041000001")
    payload = bytes.fromhex("D920000000") + content
    length = bytes((len(payload),)) if len(payload) < 128 else b"\x82" + len(payload).to_bytes(2, "big")
    return head + bytes.fromhex("00020062") + length + payload + b"\0"


def fields(file: Path, *names: str) -> list[list[str]]:
    """The values of some fields, a row for each frame that has any; no frame may be malformed."""
    wanted = [argument for name in ("_ws.malformed", *names) for argument in ("-e", name)]
    rows = [line.split("\t") for line in tshark("-r", file, "-T", "fields", *wanted).splitlines()]
    assert [number for number, row in enumerate(rows, 1) if row[0]] == []
    return [row[1:] for row in rows if any(row)]


CODE, COUNTER = "gbcs_message.grouping_header.message_code", "gbcs_message.grouping_header.originator_counter"


@pytest.mark.parametrize("link_type", list(LinkType))
def test_tshark_reads_a_small_message(tmp_path: Path, link_type: LinkType) -> None:
    air = Air(tmp_path / "small.pcapng", link_type)
    air.han(0x1234, 0, tunnelling.RequestTunnel())
    air.han(0, 0x1234, tunnelling.RequestTunnelResponse(1))
    air.han(0x1234, 0, tunnelling.TransferData(1, message(), to_server=True))
    file = air.close()
    with_fcs = link_type != LinkType.NO_FCS
    seen = ["-45", "20"] if link_type == LinkType.TAP else ["", ""]
    rows = fields(file, "wpan.fcs", "wpan.fcs_ok", "wpan-tap.rss", "wpan-tap.ch_num", CODE, COUNTER)
    assert [row[4:] for row in rows if row[4]] == [["0x0062", "1000"]]
    assert len(rows) == 12
    assert all(bool(row[0]) == with_fcs and row[1:4] == ["1", *seen] for row in rows)


def test_tshark_sees_a_message_that_is_no_message(tmp_path: Path) -> None:
    """The witness of the tests here must be able to object."""
    air = Air(tmp_path / "broken.pcapng")
    air.han(0x1234, 0, tunnelling.TransferData(1, message()[:-6], to_server=True))
    file = air.close()
    assert tshark("-r", file, "-Y", "_ws.malformed").count("\n") == 1
    with pytest.raises(AssertionError):
        fields(file, CODE)


def long_messages(corpus: Path | None) -> list[bytes]:
    if corpus is None:
        return [message(0x1000 + number, bytes(600 + number)) for number in range(3)]
    rows = map(json.loads, (corpus / "gbcs-open.jsonl").read_text().splitlines())
    return [octets for row in rows if len(octets := bytes.fromhex(row["hex"])) > 1200 and octets[1] == 0][:5]


def check_blocks(air: Air, messages: list[bytes]) -> None:
    file = air.close()
    whole = [row[1:] for row in fields(file, CODE, "gbcs_message.gbt.reassembled.length", COUNTER) if row[0]]
    parsed = [gbcs.decode(octets) for octets in messages]
    assert whole == [[str(len(octets)), str(seen.counter)] for octets, seen in zip(messages, parsed, strict=True)]


def on_the_han(file: Path, messages: list[bytes], wrap: Callable[[bytes], bytes]) -> Air:
    air = Air(file)
    for octets in messages:
        for block in gbt.split(octets, 180):
            air.han(0x1234, 0, tunnelling.TransferData(1, wrap(block), to_server=True), largest=82)
    return air


def by_inter_pan(file: Path, messages: list[bytes]) -> Air:
    air = Air(file)
    for octets in messages:
        for block in gbt.split(octets, 40):
            air.inter_pan(CH, METER, tunnelling.TransferData(0, block, to_server=True))
    return air


WRAPS: dict[str, Callable[[bytes], bytes]] = {
    "bare": lambda block: block,
    "put": lambda block: tunnelling.encode_gas(tunnelling.Put(block)),
    "get-response": lambda block: tunnelling.encode_gas(tunnelling.GetResponse(1, block)),
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_tshark_joins_aps_fragments_and_blocks(tmp_path: Path, wrap: str) -> None:
    messages = long_messages(None)
    check_blocks(on_the_han(tmp_path / "han.pcapng", messages, WRAPS[wrap]), messages)


def test_tshark_joins_the_blocks_of_inter_pan(tmp_path: Path) -> None:
    messages = long_messages(None)
    check_blocks(by_inter_pan(tmp_path / "inter-pan.pcapng", messages), messages)


@pytest.mark.corpus
def test_tshark_joins_published_messages(tmp_path: Path, corpus_dir: Path) -> None:
    messages = long_messages(corpus_dir)
    check_blocks(on_the_han(tmp_path / "han.pcapng", messages, WRAPS["bare"]), messages)
    check_blocks(by_inter_pan(tmp_path / "inter-pan.pcapng", messages), messages)


def test_tshark_joins_a_message_sent_again_after_it_broke_off(tmp_path: Path) -> None:
    air = Air(tmp_path / "again.pcapng")
    (octets,) = long_messages(None)[:1]
    blocks = gbt.split(octets, 180)
    for block in (*blocks[:2], *blocks):
        air.han(0x1234, 0, tunnelling.TransferData(1, block, to_server=True), largest=82)
    check_blocks(air, [octets])


def test_tshark_joins_fragments_that_were_sent_twice(tmp_path: Path) -> None:
    air = Air(tmp_path / "twice.pcapng")
    (octets,) = long_messages(None)[:1]
    for block in gbt.split(octets, 180):
        zcl = tunnelling.encode(tunnelling.TransferData(1, block, to_server=True), air.next())
        for part in zigbee.fragment(zigbee.ApsFrame(air.next(), zcl, 1, 1, tunnelling.CLUSTER, 0x0109), 82):
            air.nwk(0x1234, 0, part)
            air.nwk(0x1234, 0, part)
    check_blocks(air, [octets])


def test_tshark_shows_the_comments(tmp_path: Path) -> None:
    path = tmp_path / "comment.pcapng"
    with path.open("wb") as file:
        PcapngWriter(file, NOTE).write(START, FRAME, comment="HHT scans")
    assert fields(path, "frame.comment", "frame.time_epoch") == [["HHT scans", "1700000000.123456789"]]
    assert NOTE.encode() in path.read_bytes()


def joining() -> list[bytes]:
    """Scan, beacon, association: the MAC frames of a meter that joins."""
    beacon = ieee802154.Beacon(zigbee.encode_beacon_payload(zigbee.BeaconPayload(CH, depth=3)), association_permit=True)
    hub, meter, pan = b"\0\0", b"\x12\x34", PAN
    command, ask = FrameType.COMMAND, ieee802154.encode_command
    frames = [
        ieee802154.Frame(command, 1, ask(ieee802154.BeaconRequest()), 0xFFFF, ieee802154.BROADCAST),
        ieee802154.Frame(FrameType.BEACON, 2, ieee802154.encode_beacon(beacon), source_pan=pan, source=hub),
        ieee802154.Frame(command, 3, ask(ieee802154.AssociationRequest(0x8E)), pan, hub, 0xFFFF, METER, True),
        ieee802154.Frame(command, 4, ask(ieee802154.DataRequest()), pan, hub, pan, METER, True, True),
        ieee802154.Frame(command, 5, ask(ieee802154.AssociationResponse(meter)), pan, METER, pan, CH, True, True),
        ieee802154.Frame(command, 6, ask(ieee802154.Disassociation(2)), pan, CH, pan, METER, True, True),
    ]
    return [ieee802154.encode(frame) for frame in frames]


def test_tshark_reads_the_joining(tmp_path: Path) -> None:
    air = Air(tmp_path / "joining.pcapng")
    for frame in joining():
        air.record(frame)
    file = air.close()
    commands = fields(file, "wpan.cmd", "wpan.asoc.addr", "wpan.assoc.status")
    assert [row[0] for row in commands] == ["0x07", "0x01", "0x04", "0x02", "0x03"]
    assert commands[3][1:] == ["0x1234", "0x00"]
    names = ("protocol", "profile", "version", "router", "depth", "end_dev", "ext_panid", "tx_offset", "update_id")
    said = ["0", "0x0002", "2", "1", "3", "1", "00:13:a2:00:41:ab:cd:ef", "16777215", "0"]
    assert fields(file, "wpan.assoc_permit", *(f"zbee_beacon.{name}" for name in names)) == [["1", *said]]


def test_tshark_reads_the_acknowledgements_of_fragments(tmp_path: Path) -> None:
    air = Air(tmp_path / "acknowledged.pcapng")
    air.han(0x1234, 0, tunnelling.TransferData(1, message(content=bytes(190)), to_server=True), largest=82)
    file = air.close()
    rows = fields(file, "zbee_aps.type", "zbee_aps.fragmentation", "zbee_aps.block", "zbee_aps.block1_ack")
    data, ack, first, other = "0x00", "0x02", "0x01", "0x02"
    assert rows == [
        [data, first, "3", ""],  # so many blocks in all
        [ack, first, "0", "1"],
        [data, other, "1", ""],
        [ack, other, "1", "1"],
        [data, other, "2", ""],
        [ack, other, "2", "1"],
    ]
