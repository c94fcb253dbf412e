"""``rig gbcs decode``: from hexadecimal digits, logs and captures to words, and what is refused."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import gbcs, gbt, ieee802154, interpan, pcap, tunnelling, zigbee
from devices.wire.errors import DecodeError
from rig.exits import Exit
from rig.gbcs import cli as gbcs_cli
from rig.gbcs.layout import layout
from rig.gbcs.reading import read
from rig.gbcs.sources import SourceError, messages
from rig.gbcs.words import describe
from tests import corpus_made

ENABLE = gbcs.encode(corpus_made.enable_supply())
LOG = gbcs.encode(corpus_made.daily_log())
GAS = gbcs.encode(corpus_made.gas_reading())


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="rig")
    gbcs_cli.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["gbcs", "decode", *arguments])
    return int(parsed.handler(parsed))


def decoded(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> list[dict[str, Any]]:
    assert run("--json", *arguments) == status
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# ---------------------------------------------------------------------------------------------------------------- words


def test_a_command_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(ENABLE.hex(), "--keys", str(corpus_made.write(tmp_path))) == 0
    text = capsys.readouterr().out
    for line in (
        "ECS42  command  Enable ESME supply",
        "  code         0x004F  SME.C.C  service request 7.1",
        "  from         90-B3-D5-1F-30-01-00-00",
        "  to           00-DB-12-34-56-78-90-B0",
        "  counter      1000  (0x3E8)",
        "  signature    valid  (90b3d51f30010000-ds)",
        "  MAC          valid  (90b3d51f30000002-ka with 00db1234567890b0-ka)",
        "    1. action  SupplyState / execute",
        "       class 9 Script Table, 0.0.10.0.106.255, method 1",
        "        long-unsigned  51",
    ):
        assert f"{line}\n" in text
    assert max(map(len, text.splitlines())) <= 120


def test_an_encrypted_reply_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = str(corpus_made.write(tmp_path))
    assert run(LOG.hex(), "--keys", keys) == 0
    text = capsys.readouterr().out
    assert "    1. action  DailyConsumptionLog / get_protected_attributes\n" in text
    assert "       -> success\n" in text
    assert "  encrypted    datum 1.2, 26 octets: decrypted and authentic" in text
    assert "      double-long-unsigned  42\n      enum  1\n" in text


def test_a_component_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (words,) = decoded(capsys, GAS.hex(), "--keys", str(corpus_made.write(tmp_path)))
    assert words["supplementary"] == {"party": "90-B3-D5-1F-30-01-00-00", "counter": "7", "originator_counter": None}
    plain, sealed = words["payload"]["components"]
    assert (plain["cluster_name"], plain["command_name"]) == ("Price", "Read Attributes Response")
    assert plain["fields"][0]["text"] == "unsupported attribute"
    assert (sealed["cluster"], sealed["encrypted"]) == ("0x0702", True)
    (part,) = words["encrypted"]
    assert (part["verdict"], part["plaintext"]) == ("valid", corpus_made.READING.hex())
    assert part["content"][0]["value"] == 42


def test_without_keys_nothing_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    (words,) = decoded(capsys, LOG.hex())
    assert words["signature"]["verdict"] == "none"
    assert words["mac"] == {"verdict": "not checked", "keys": [], "reason": "no keys given"}
    assert [part["verdict"] for part in words["encrypted"]] == ["not checked"]


def test_an_unknown_key_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus_made.write(tmp_path)
    keys = corpus_made.keys()
    del keys["90b3d51f30010000-ds"]
    (tmp_path / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    (words,) = decoded(capsys, ENABLE.hex(), "--keys", str(tmp_path))
    assert words["signature"]["verdict"] == "not checked"
    assert "90b3d51f30010000-ds" in words["signature"]["reason"]
    assert words["mac"]["verdict"] == "valid"


def test_an_altered_message_is_invalid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    altered = bytearray(ENABLE)
    altered[-78] ^= 1  # the value that the script is called with
    assert run(altered.hex(), "--keys", str(corpus_made.write(tmp_path))) == 0
    text = capsys.readouterr().out
    assert "  signature    INVALID  (" in text
    assert "  MAC          INVALID  (" in text


def test_an_unknown_code_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    octets = ENABLE.replace(bytes.fromhex("02004f"), bytes.fromhex("027fff"))
    (words,) = decoded(capsys, octets.hex())
    assert (words["use_case"], words["title"]) == (None, "unknown code")
    assert words["payload"]["accesses"][0]["name"] == "SupplyState / execute"


@pytest.mark.corpus
def test_every_published_message_has_words(corpus_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(corpus_dir / "gbcs-open.jsonl")
    described = decoded(capsys, file, "--keys", str(corpus_dir))
    lines = [json.loads(line) for line in (corpus_dir / "gbcs-open.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(described) == len(lines) == 847
    for words, line in zip(described, lines, strict=True):
        assert words["hex"] == line["hex"]
        assert words["title"] != "unknown code"
        assert words["kind"].replace("-", "") == line["kind"]
        assert words["signature"]["verdict"] == ("valid" if line["signature_key"] else "none")
        assert words["mac"]["verdict"] == ("valid" if line["mac_keys"] else "none")
        plaintexts = [part["plaintext"] for part in line["encrypted"] or ()]
        assert [part["plaintext"] for part in words["encrypted"]] == plaintexts
        assert max(map(len, layout(words).splitlines())) <= 220


# -------------------------------------------------------------------------------------------------------------- sources


def spaced(octets: bytes) -> str:
    text = octets.hex(" ").upper()
    return "\n".join(text[start : start + 48] for start in range(0, len(text), 48))


@pytest.mark.parametrize(
    "text",
    [ENABLE.hex(), ENABLE.hex().upper(), spaced(ENABLE), ENABLE.hex(":"), f"0x{ENABLE.hex()}\n", f"\n {ENABLE.hex()} "],
)
def test_hexadecimal_digits_however_they_are_written(text: str) -> None:
    assert [found.octets for found in messages(text.encode(), "it").found] == [ENABLE]


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(ENABLE.hex().encode())))
    assert [words["use_case"] for words in decoded(capsys)] == ["ECS42"]


def test_a_log_with_many_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "hub.log"
    log.write_text(
        "12:00:01 cafe to deadbeef\n"
        f"12:00:02 tx {ENABLE.hex()} ok\n"
        f"12:00:03 rx [7e0012{LOG.hex()}]\n"
        f"12:00:04 noise {ENABLE.hex()[:-2]}\n"
        f'{{"octets": "{GAS.hex().upper()}"}}\n',
        encoding="utf-8",
    )
    assert [(words["use_case"], words["source"]) for words in decoded(capsys, str(log), status=1)] == [
        ("ECS42", "line 2"),
        ("ECS66", "line 3"),
        ("GCS13b", "line 5"),
    ]


def test_one_message_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "two.hex"
    file.write_text(f"{ENABLE.hex()}\n{LOG.hex()}\n", encoding="utf-8")
    assert [words["use_case"] for words in decoded(capsys, str(file))] == ["ECS42", "ECS66"]


def test_blocks_are_put_together(tmp_path: Path) -> None:
    blocks = gbt.split(LOG, 40)
    assert len(blocks) > 3
    text = "\n".join(block.hex() for block in (blocks[0], *blocks))  # the first one was sent twice
    assert [found.octets for found in messages(text.encode(), "it").found] == [LOG]
    given = messages(blocks[0].hex().encode(), "it")
    assert not given.found
    assert "block 2 or a later one" in given.left_out[0]


def tunnelled(octets: bytes, counter: int = 1) -> list[bytes]:
    """MAC frames with a TransferData of ``octets``, in APS fragments where they must be."""
    command = tunnelling.encode(tunnelling.TransferData(1, octets, True), 7)
    whole = zigbee.ApsFrame(counter, command, 1, 1, tunnelling.CLUSTER, zigbee.PROFILE_SMART_ENERGY)
    frames = []
    for part in zigbee.fragment(whole, 60):
        network = zigbee.NwkFrame(b"\x00\x00", b"\x12\x34", 5, zigbee.encode_aps(part))
        frames.append(mac(zigbee.encode_nwk(network)))
    return frames


def inter_pan(octets: bytes) -> bytes:
    command = tunnelling.encode(tunnelling.TransferData(1, octets, False), 7)
    return mac(interpan.encode(interpan.Stub(tunnelling.CLUSTER, command)), source=corpus_made.METER)


def mac(content: bytes, source: bytes = b"\x12\x34") -> bytes:
    frame = ieee802154.Frame(
        ieee802154.FrameType.DATA, 1, content, 0x1234, b"\x00\x00", 0x1234, source, pan_compression=True
    )
    return ieee802154.encode(frame)


def capture(link_type: int, packets: list[bytes], *, ng: bool) -> bytes:
    file = io.BytesIO()
    writer: pcap.PcapWriter | pcap.PcapngWriter
    if ng:
        writer = pcap.PcapngWriter(file, "made by a test", (pcap.Interface("ether", link_type),))
    else:
        writer = pcap.PcapWriter(file, link_type)
    for number, packet in enumerate(packets):
        writer.write(number * 1000, packet)
    return file.getvalue()


@pytest.mark.parametrize("ng", [False, True])
@pytest.mark.parametrize("link_type", [195, 230, 283])
def test_captures_of_the_air(link_type: int, ng: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    acknowledgement = b"\x02\x00\x01"
    packets = [acknowledgement, *tunnelled(LOG), mac(b"\x00rubbish"), *(inter_pan(b) for b in gbt.split(ENABLE, 40))]
    packets += tunnelled(b"\x03" + GAS, 2)
    file = tmp_path / "air.pcap"
    file.write_bytes(capture(link_type, packets, ng=ng))
    assert run("--json", str(file)) == 1
    captured = capsys.readouterr()
    use_cases = [json.loads(line)["use_case"] for line in captured.out.splitlines()]
    assert use_cases == ["ECS66", "ECS42", "GCS13b"]
    assert "left out: 1 frame is broken" in captured.err
    assert "1 frame carries no message by its kind (it is of type ack): packet 1" in captured.err


@pytest.mark.parametrize("ng", [False, True])
def test_a_capture_of_bare_messages(ng: bool) -> None:
    given = messages(capture(147, [ENABLE, b"\x00", LOG], ng=ng), "it")
    assert [(found.octets, found.where) for found in given.found] == [(ENABLE, "packet 1"), (LOG, "packet 3")]


def test_a_capture_that_breaks_off_gives_what_came_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cut.pcap"
    file.write_bytes(capture(147, [ENABLE, LOG], ng=False)[:-5])
    assert run(str(file)) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("ECS42")
    assert captured.err.count("\n") == 1
    assert "broken capture" in captured.err


# ------------------------------------------------------------------------------------------------------------ bad input


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(*arguments) == Exit.MISUSE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("rig gbcs decode: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is nothing to decode"),
        ("  ", "there is nothing to decode"),
        ("xyz", "'x' is no digit"),
        ("0xdg", "'g' is no digit"),
        ("abc", "3 hexadecimal digits, an odd number"),
        ("abcd", "is no GBCS message"),
        ("nofile.log", "there is no file nofile.log"),
        ("no/such/file", "there is no file no/such/file"),
        ("dd\0", "is no digit"),
        ("some words", "holds no GBCS message"),
        ("dd" * 200_000, "is no GBCS message"),
    ],
)
def test_bad_text_is_refused(text: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert reason in refused(capsys, text)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\x00\xff\xfe", "is neither text nor a capture"),
        (b"a log of nothing at all", "holds no GBCS message"),
        (capture(230, [b"\x02\x00\x01"], ng=False), "a capture without a GBCS message; 1 frame carries no message"),
        (b"\x0a\x0d\x0d\x0a\x00", "a broken capture"),
        (b"\xd4\xc3\xb2\xa1", "a broken capture"),
    ],
)
def test_bad_files_are_refused(content: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "given.bin"
    file.write_bytes(content)
    assert reason in refused(capsys, str(file))


def test_a_folder_or_bad_keys_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is a folder" in refused(capsys, str(tmp_path))
    assert "holds no keys.json" in refused(capsys, ENABLE.hex(), "--keys", str(tmp_path))
    assert "is no folder" in refused(capsys, ENABLE.hex(), "--keys", str(tmp_path / "none"))
    (tmp_path / "keys.json").write_text("{", encoding="utf-8")
    assert "cannot be read as JSON" in refused(capsys, ENABLE.hex(), "--keys", str(tmp_path))


def test_a_bad_payload_is_shown_as_far_as_it_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = bytearray(ENABLE)
    bad[bad.index(0xD9, 40) + 6] = 9  # the count of accesses
    (words,) = decoded(capsys, bad.hex(), "--keys", str(corpus_made.write(tmp_path)), status=1)
    assert words["payload"]["accesses"][0]["name"] == "SupplyState / execute"
    assert words["payload"]["unread"]["reason"] == "9 elements announced, 14 octets left"
    assert (words["signature"]["verdict"], words["mac"]["verdict"]) == ("invalid", "invalid")
    log = tmp_path / "some.log"
    log.write_text(f"a {bad.hex()}\nb {LOG.hex()}\n", encoding="utf-8")
    assert [one["source"] for one in decoded(capsys, str(log), status=1)] == ["line 1", "line 2"]


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))))
def test_anything_is_read_or_refused(data: bytes) -> None:
    try:
        outcome = str(messages(data, "it").found)
    except SourceError as fault:
        outcome = str(fault)
    assert outcome
    assert "\n" not in outcome


def mutate(octets: bytes, edits: list[tuple[int, int]]) -> bytes:
    changed = bytearray(octets)
    for position, octet in edits:
        changed[position % len(changed)] = octet
    return bytes(changed)


@pytest.mark.parametrize("make", [lambda: ENABLE, lambda: LOG, lambda: GAS], ids=["dlms", "sealed", "gbz"])
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=3))
def test_whatever_decodes_has_words(make: Callable[[], bytes], edits: list[tuple[int, int]]) -> None:
    octets = mutate(make(), edits)
    try:
        reading = read(octets)
    except DecodeError:
        return
    words = describe(reading, octets)
    assert layout(json.loads(json.dumps(words)))
