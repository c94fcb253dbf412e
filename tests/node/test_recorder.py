"""The recorder: one order for everything that is tapped, and evidence files that hold it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devices.events.bench import DisplayShown, PinMoved, PowerSwitched
from devices.events.messages import MessageReceived, MessageSent
from devices.events.parties import PartyUnreadable
from devices.wire import gbcs
from devices.wire.pcap import mac_record, read
from rig.host.taps import TappedFrame
from rig.node import recorder as recording
from rig.node.recorder import Recorder, describe_message
from rig.world.clock import VirtualClock

SUPPLIER, METER = bytes.fromhex("90B3D51F30010000"), bytes.fromhex("00DB1234567890A0")
OCTETS = gbcs.encode(gbcs.Message(1, 77, SUPPLIER, METER, 0x62, b"\xd9\x20\x00\x00\x00\x00\x00\x00"))
CIVIL = 1_591_002_000 * 1_000_000_000


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def recorder(clock: VirtualClock, tmp_path: Path) -> Recorder:
    return Recorder(clock, CIVIL, tmp_path)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "timeline.jsonl").read_text(encoding="utf-8").splitlines()]


def test_events_get_one_order_and_the_instant_of_the_clock_or_their_own(
    recorder: Recorder, clock: VirtualClock
) -> None:
    seen: list[dict[str, Any]] = []
    recorder.listen(seen.append)
    recorder.record("head", "supplier", PartyUnreadable(reason="no message", octets=b"\xdf"))
    clock.advance(5_000)
    recorder.for_device("esme", "esme")(DisplayShown(text="on"))
    recorder.record("esme", "esme", PinMoved(pin="aux_no", level=True), 4_321)
    assert [(e["order"], e["at_ns"], e["node"], e["kind"]) for e in seen] == [
        (1, 0, "head", "party.bad"), (2, 5_000, "esme", "display"), (3, 4_321, "esme", "edge"),
    ]  # fmt: skip
    assert seen[2]["fields"] == {"pin": "aux_no", "level": True, "device": "esme"}
    assert recorder.order == 3


def test_whoever_numbers_events_numbers_them(recorder: Recorder) -> None:
    told: list[tuple[str, str, int, Mapping[str, Any]]] = []

    def emit(node: str, kind: str, at_ns: int, fields: dict[str, Any]) -> int:
        told.append((node, kind, at_ns, fields))
        return 1000 + len(told)

    recorder.on_emit(emit)
    recorder.record("esme", "esme", PowerSwitched(on=True))
    assert told == [("esme", "power", 0, {"on": True, "device": "esme"})]
    assert recorder.order == 1001


def test_a_listener_may_stop_in_the_middle_of_an_event(recorder: Recorder) -> None:
    heard: list[str] = []

    def once(event: dict[str, Any]) -> None:
        heard.append("once")
        stop()

    stop = recorder.listen(once)
    recorder.listen(lambda _event: heard.append("always"))
    recorder.record("esme", "esme", PowerSwitched(on=True))
    recorder.record("esme", "esme", PowerSwitched(on=False))
    assert heard == ["once", "always", "always"]


def test_a_message_is_told_in_words_and_its_octets_kept(recorder: Recorder) -> None:
    seen: list[dict[str, Any]] = []
    recorder.listen(seen.append)
    recorder.record("head", "supplier", MessageSent(port="acb.wan", peer=METER, octets=OCTETS))
    fields = seen[0]["fields"]
    assert fields["octets"] == OCTETS.hex()
    assert (fields["cra"], fields["counter"]) == ("command", 77)
    assert fields["originator"] == "90-B3-D5-1F-30-01-00-00"
    assert fields["recipient"] == "00-DB-12-34-56-78-90-A0"


def test_octets_that_are_no_message_are_told_so() -> None:
    assert "gbcs" in describe_message(b"\xdf\x09")["unreadable"]


def test_an_unknown_message_code_is_told_by_its_number() -> None:
    octets = gbcs.encode(gbcs.Message(1, 1, SUPPLIER, METER, 0xFFFE, b"\xd9"))
    assert describe_message(octets)["use_case"] == "0xfffe"


def test_the_evidence_of_a_test_is_its_time_line_and_its_air(
    recorder: Recorder, clock: VirtualClock, tmp_path: Path
) -> None:
    recorder.record("esme", "esme", PowerSwitched(on=True))  # before the test: not part of its evidence
    recorder.open("suite/a-test")
    recorder.context = {"test": "A Test"}
    recorder.note_command("clock.advance", {"span_ns": 7, "values": [{"install_code": "00ff"}]})
    clock.advance(7_000)
    recorder.record("head", "supplier", MessageSent(port="acb.wan", peer=METER, octets=OCTETS))
    recorder.air(6_500, 15, b"\x41\x88\x01\x34\x12\x00\x00\x01\x00", -48, "hub-zigbee")
    recorder.note_answer("clock.advance", "bench", {"met": False})
    manifest = recorder.close({"00db1234567890a0-ds": b"\x04\x05"})
    folder = tmp_path / "suite" / "a-test"
    told = lines(folder)
    assert [line["kind"] for line in told] == ["bus.command", "gbcs.tx", "air.frames", "bus.answer"]
    assert all(line["context"] == {"test": "A Test"} for line in told)
    assert told[0]["fields"]["args"] == {"span_ns": 7, "values": [{"install_code": "(not shown)"}]}
    assert told[1]["at_ns"] == 7_000
    assert told[-1]["fields"] == {"verb": "clock.advance", "data": {"met": False}}
    assert manifest["counts"] == {"gbcs.tx": 1}
    assert {entry["name"] for entry in manifest["files"]} == {
        "timeline.jsonl",
        "ether.pcapng",
        "links.pcapng",
        "keys.json",
    }
    assert json.loads((folder / "keys.json").read_text())["00db1234567890a0-ds"] == {"public": "0405"}
    for entry in manifest["files"]:
        octets = (folder / entry["name"]).read_bytes()
        assert (entry["size"], entry["sha256"]) == (len(octets), hashlib.sha256(octets).hexdigest())
    with (folder / "ether.pcapng").open("rb") as capture:
        (record,) = read(capture)
    frame = mac_record(record)
    assert (frame.frame, frame.channel, frame.rssi) == (b"\x41\x88\x01\x34\x12\x00\x00\x01\x00", 15, -48)
    assert record.at_ns == CIVIL + 6_500
    assert record.comment == "hub-zigbee"


def test_what_was_open_is_closed_before_the_next_and_counts_begin_anew(recorder: Recorder, tmp_path: Path) -> None:
    recorder.open("first")
    recorder.record("head", "supplier", MessageSent(port="acb.wan", peer=METER, octets=OCTETS))
    recorder.open("second")
    recorder.record("head", "supplier", MessageReceived(port="acb.wan", peer=METER, octets=OCTETS))
    assert recorder.close()["counts"] == {"gbcs.rx": 1}
    assert [line["kind"] for line in lines(tmp_path / "first")] == ["gbcs.tx"]
    assert [line["kind"] for line in lines(tmp_path / "second")] == ["gbcs.rx"]
    assert recorder.close() == {"files": [], "counts": {}, "absent": {}}


def test_without_a_folder_nothing_is_written(clock: VirtualClock) -> None:
    recorder = Recorder(clock, CIVIL, None)
    recorder.open("a-test")
    recorder.record("esme", "esme", PowerSwitched(on=True))
    assert recorder.close() == {"files": [], "counts": {}, "absent": {}}
    assert recorder.order == 1


def test_after_a_restart_times_are_those_of_the_new_clock(recorder: Recorder, clock: VirtualClock) -> None:
    clock.advance(9_000)
    recorder.restart(VirtualClock(), CIVIL)
    seen: list[dict[str, Any]] = []
    recorder.listen(seen.append)
    recorder.record("esme", "esme", PowerSwitched(on=True))
    assert seen[0]["at_ns"] == 0


# ---------------------------------------------------------------------------------------------------------- the taps


def tapped(at_ns: int, out: bool = True, peer: bytes = METER) -> TappedFrame:
    return TappedFrame(at_ns, "han", out, peer, 0x0704, b"\x01")


def test_what_is_remembered_of_frames_by_default() -> None:
    assert (recording.FRAMES_TOLD, recording.FRAMES_KEPT) == (48, 20_000)


def test_frames_since_an_event_are_those_tapped_after_it_and_whether_all_of_them_are_kept(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "FRAMES_KEPT", 3)
    recorder = Recorder(clock, CIVIL, None)
    for number in range(1, 4):
        recorder.tapped("esme", tapped(number))
        recorder.heard("hub", METER, number, 1)
        recorder.record("esme", "esme", PowerSwitched(on=True))
    for since, count, whole in ((0, 3, False), (1, 2, True), (2, 1, True), (3, 0, True)):
        frames = [("esme", tapped(number)) for number in range(4 - count, 4)]
        assert recorder.frames_since(since) == (whole, frames)
        ends = {("hub", METER, number, 1): 1 for number in range(4 - count, 4)}
        assert recorder.ends_since(since) == (whole, ends)
    two = Recorder(clock, CIVIL, None)
    two.tapped("esme", tapped(1))
    two.tapped("esme", tapped(2))
    assert two.frames_since(0)[0] is True
    assert two.ends_since(0) == (True, {})
    recorder.restart(clock, CIVIL)
    assert (recorder.frames_since(0), recorder.ends_since(0), recorder.met_before(99)) == ((True, []), (True, {}), [])


def test_who_had_sent_to_whom_before_an_event_is_who_sent_first_then(recorder: Recorder) -> None:
    recorder.tapped("hub", tapped(1, out=False))
    recorder.tapped("esme", tapped(1))
    recorder.record("esme", "esme", PowerSwitched(on=True))
    recorder.tapped("esme", tapped(2))
    recorder.tapped("esme", tapped(2, peer=SUPPLIER))
    assert recorder.met_before(0) == []
    assert recorder.met_before(1) == [("esme", "han", METER)]
    assert recorder.met_before(2) == [("esme", "han", METER), ("esme", "han", SUPPLIER)]


def test_the_frames_of_one_command_are_told_once_and_no_more_than_some(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "FRAMES_TOLD", 2)
    seen: list[dict[str, Any]] = []
    stop = recorder.listen(seen.append)
    recorder.note_answer("x", "head", {})
    for number in range(3):
        recorder.air(number, 15, bytes([number]), -48, f"radio-{number}")
    recorder.note_answer("x", "head", {})
    recorder.note_answer("x", "head", {})
    (line,) = seen
    assert (line["node"], line["kind"], line["fields"]["device"], line["fields"]["count"]) == (
        "head",
        "air.frames",
        "air",
        3,
    )
    assert [one[:2] for one in line["fields"]["frames"]] == [[0, "radio-0"], [1, "radio-1"]]
    stop()
    recorder.record("esme", "esme", PowerSwitched(on=True))
    assert len(seen) == 1


def test_what_an_envelope_says() -> None:
    assert describe_message(OCTETS) == {
        "use_case": "ECS70",
        "cra": "command",
        "counter": 77,
        "originator": "90-B3-D5-1F-30-01-00-00",
        "recipient": "00-DB-12-34-56-78-90-A0",
    }
    for cra, word in ((2, "response"), (3, "alert")):
        told = describe_message(gbcs.encode(gbcs.Message(cra, 77, SUPPLIER, METER, 0x62, b"\xd9\x20")))
        assert told["cra"] == word


def test_a_refusal_stands_on_the_time_line_without_data(recorder: Recorder, tmp_path: Path) -> None:
    recorder.open("x")
    recorder.note_answer("x", "head", {"install_code": "00ff", "a": 1})
    recorder.note_answer("x", "head", {"a": 1}, refused="no")
    recorder.close()
    assert [line["fields"] for line in lines(tmp_path / "x")] == [
        {"verb": "x", "data": {"install_code": "(not shown)", "a": 1}},
        {"verb": "x", "refused": "no"},
    ]
