"""What a run leaves as evidence, read by others: the capture by stock tshark, the chart by an XML parser."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from devices.wire import gbcs, pcap
from devices.wire.captured import PacketReader
from devices.wire.reassembly import Finding, Result, Whole
from rig.bench_up import bench_path
from rig.node import bench_file
from tests.running import Ended, finished, stock_tshark

SUITES = ("installation/01_no_wan.robot", "contactor_valve")
TESTS = ("*WAN*", "Operator*", "Connection Lost*", "*Proxy*")
"""Some of each kind, of which two lose a transfer on the air."""
FOLDERS = 7  # each is read by tshark, which takes most of the time
RADIO = ("han", "interpan")
SVG = "{http://www.w3.org/2000/svg}"


class Sent(NamedTuple):
    """One GBCS message on its way over one radio link.  ``sender``: the radio's EUI-64 in inter-PAN; in a HAN, where
    addresses are given at run time, whether it was the coordinator."""

    port: str
    sender: str
    originator: str
    counter: int
    code: int
    cra: int


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """What is looked at, run once."""
    options = [word for name in TESTS for word in ("--test", name)]
    done = finished(tmp_path_factory.mktemp("capture"), *SUITES, "--quiet", *options)
    assert (done.results / "output.xml").is_file(), done.said
    return done


@pytest.fixture(scope="module")
def folders(run: Ended) -> list[Path]:
    """The evidence folders, one a test."""
    found = sorted(path.parent for path in (run.results / "evidence").rglob("timeline.jsonl"))
    assert len(found) == len(run.tests()) >= FOLDERS, run.said
    return found


def timeline(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "timeline.jsonl").read_text(encoding="utf-8").splitlines()]


# ---------------------------------------------------------------------------------------------------------- the capture


WHOLE = "gbcs_message.grouping_header.message_code"
"""What a frame has that completes a message; one with a piece of a message has only the header of the piece."""
HEADER = ("business_originator_id", "originator_counter", "message_code", "cra_flag")
MALFORMED = "_ws.malformed"
COLUMNS = (
    MALFORMED,
    *("wpan.src64", "wpan.src16", "zbee_aps.counter", "zbee_zcl.cmd.tsn"),
    *(f"gbcs_message.grouping_header.{name}" for name in HEADER),
)


Row = tuple[str, ...]
"""One frame: what stands in each of COLUMNS."""


@pytest.fixture(scope="module")
def rows(folders: list[Path]) -> dict[Path, list[Row]]:
    """The frames of each capture that tshark calls malformed, and those that complete a message; read once for all."""
    wanted = [argument for name in COLUMNS for argument in ("-e", name)]
    select = ("-Y", f"{MALFORMED} || {WHOLE}", "-T", "fields", *wanted)
    return {
        folder: [tuple(line.split("\t")) for line in stock_tshark("-r", folder / "ether.pcapng", *select).splitlines()]
        for folder in folders
    }


def test_no_frame_is_malformed(rows: dict[Path, list[Row]]) -> None:
    for folder, frames in rows.items():
        assert [row for row in frames if row[0]] == [], folder


def shown(rows: list[Row]) -> Counter[Sent]:
    """The GBCS messages that tshark shows whole, repetitions of one frame (no acknowledgement came) left out.

    A repeated frame carries the same APS counter, or in inter-PAN, which has none, the same ZCL sequence number.  A
    message that a machine sends again has a new one, and counts again.
    """
    found: Counter[Sent] = Counter()
    for _malformed, long, short, _aps, _zcl, originator, counter, code, cra in {row for row in rows if not row[0]}:
        port = "han" if short else "interpan"
        sender = long if port == "interpan" else "coordinator" if int(short, 16) == 0 else "joined"
        found[Sent(port, sender, originator, int(counter), int(code, 16), int(cra, 16))] += 1
    return found


def colons(eui: bytes) -> str:
    return eui.hex(":")


def told(folder: Path, kind: str, bench: bench_file.Bench) -> Counter[Sent]:
    """The messages of radio links in the events of one kind, each under the radio whose port was tapped."""
    found: Counter[Sent] = Counter()
    for event in timeline(folder):
        fields: Mapping[str, Any] = event["fields"]
        if event["kind"] != kind or fields["port"] not in RADIO:
            continue
        device = bench.devices[fields["device"]]
        coordinator = "coordinator" if device.kind == "comms_hub" else "joined"
        sender = coordinator if fields["port"] == "han" else colons(device.ports["interpan"].radio)
        message = gbcs.decode(bytes.fromhex(fields["octets"]))
        key = Sent(
            fields["port"], sender, colons(message.originator), message.counter, message.message_code, message.cra
        )
        found[key] += 1
    return found


def test_tshark_shows_every_message_that_was_tapped_as_sent(rows: dict[Path, list[Row]]) -> None:
    """Message by message and not only in number.

    A message is sent when its last piece has gone to the radio.  The radio puts all pieces on the air, also when nobody
    acknowledges them; so a message whose transfer broke off (the two tests in which a radio falls out of reach have one
    each) counts on both sides, although it never arrived.
    """
    bench = bench_file.load(bench_path("virtual"))
    ports: Counter[str] = Counter()
    broken = 0
    for folder, frames in rows.items():
        seen, sent = shown(frames), told(folder, "gbcs.tx", bench)
        assert seen - sent == Counter(), f"{folder}: on the air, and sent by nobody"
        assert sent - seen == Counter(), f"{folder}: sent, and not on the air"
        lost = told(folder, "tunnel.broken", bench)
        assert told(folder, "gbcs.rx", bench).total() == sent.total() - lost.total(), folder
        broken += lost.total()
        ports.update(key.port for key in seen.elements())
    assert broken == 2
    assert min(ports["han"], ports["interpan"]) >= FOLDERS, ports


def test_messages_in_several_pieces_are_among_them(folders: list[Path]) -> None:
    """Both ways of cutting occur, so that the counts above are about whole messages: GBT blocks, and APS fragments."""
    (install,) = (folder for folder in folders if folder.name == "install-a-premises-with-no-wan")
    for pieces in ("gbcs_message.gbt.reassembled.length", "zbee_aps.reassembled.length"):
        text = stock_tshark("-r", install / "ether.pcapng", "-Y", f"{WHOLE} && {pieces}")
        assert len(text.splitlines()) >= 3, pieces


def test_our_own_reading_of_the_air_finds_what_was_tapped(folders: list[Path]) -> None:
    """The messages of the capture are those of the senders' taps, and nothing that could be one is left over."""
    for folder in folders:
        reader = PacketReader()
        found: list[Result] = []
        with (folder / "ether.pcapng").open("rb") as file:
            for number, record in enumerate(pcap.read(file), 1):
                found += reader.packet(record, number)
        found += reader.unfinished()
        read = Counter(one.octets.hex() for one in found if isinstance(one, Whole))
        sent = Counter(
            event["fields"]["octets"]
            for event in timeline(folder)
            if event["kind"] == "gbcs.tx" and event["fields"]["port"] in RADIO
        )
        assert read == sent, folder
        assert [one for one in found if isinstance(one, Finding) and one.lost] == [], folder


def test_links_beside_the_air_are_captured_and_stock_tshark_reads_each_message(folders: list[Path]) -> None:
    """One interface a link; each message once, down to its message code."""
    columns = ("frame.interface_name", "gbcs_message.grouping_header.message_code")
    wanted = [argument for name in columns for argument in ("-e", name)]
    names: Counter[str] = Counter()
    for folder in folders:
        shown = [
            line.split("\t")
            for line in stock_tshark("-r", folder / "links.pcapng", "-T", "fields", *wanted).splitlines()
        ]
        sent = [
            gbcs.decode(bytes.fromhex(event["fields"]["octets"])).message_code
            for event in timeline(folder)
            if event["kind"] == "gbcs.tx" and event["fields"]["port"] not in RADIO
        ]
        assert [int(code, 16) for _, code in shown] == sent, folder
        names.update(name for name, _ in shown)
    assert {"gateway supplier", "wan hub", "internal hub"} <= set(names)


def test_capture_says_that_it_has_no_security(folders: list[Path]) -> None:
    assert b"without NWK and APS security" in (folders[0] / "ether.pcapng").read_bytes()[:400]


# ------------------------------------------------------------------------------------------------- time line and chart


def test_time_line_is_one_object_a_line_in_rising_order(folders: list[Path]) -> None:
    """Events have numbers of their own; a command or answer of the bus carries that of the last event before it."""
    for folder in folders:
        last = -1
        for event in timeline(folder):
            assert set(event) >= {"order", "at_ns", "kind", "fields", "context"}
            if event["kind"].startswith("bus."):
                assert event["order"] >= last, folder
            else:
                assert event["order"] > last, folder
            last = event["order"]
        assert last > 0, folder


def labels(chart: Path) -> Iterator[str]:
    root = ElementTree.parse(chart).getroot()
    assert root.tag == f"{SVG}svg"
    for text in root.iter(f"{SVG}text"):
        yield "".join(text.itertext())


def test_chart_holds_every_message_of_the_time_line(folders: list[Path]) -> None:
    for folder in folders:
        drawn = Counter(
            label.partition(" octets)")[0] for label in labels(folder / "sequence.svg") if " octets)" in label
        )
        named = Counter(
            f"{fields['use_case']} {fields['cra']} #{fields['counter']} ({len(fields['octets']) // 2}"
            for event in timeline(folder)
            if event["kind"] == "gbcs.tx"
            for fields in [event["fields"]]
        )
        assert drawn == named, folder


def test_log_holds_the_charts(run: Ended, folders: list[Path]) -> None:
    """A chart stands in the Robot log, beside links to the files."""
    log = (run.results / "output.xml").read_text(encoding="utf-8")
    for folder in folders:
        inside = folder.relative_to(run.results).as_posix()
        for name in ("ether.pcapng", "links.pcapng", "timeline.jsonl", "sequence.svg"):
            assert f"{inside}/{name}" in log
    assert log.count("bench time / s") == len(folders)
