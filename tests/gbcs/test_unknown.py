"""What is unknown inside a known envelope is shown as far as it goes; values that are no values are said to be none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import axdr, cosem, gbcs, gbz, gbz_typed, payload, zcl, zcl_fields
from devices.wire.gbcs import Message
from rig.exits import Exit
from rig.gbcs.layout import layout
from rig.gbcs.reading import PartReading, read_as_far_as_possible
from rig.gbcs.words import describe
from tests import corpus_made
from tests.gbcs.test_decode import GAS, LOG, decoded, run

REPLY = replace(corpus_made.gas_reading(), supplementary_party=None, supplementary_counter=None)
PLAIN = gbz.Component(0x0700, zcl.Frame(0x18, 0, 0x01, b"\x00\x06\x86"))


def gas(*components: gbz.Component) -> Message:
    return replace(REPLY, payload=payload.encode(gbz.Payload(components)))


def words_of(message: Message) -> tuple[dict[str, Any], str]:
    octets = gbcs.encode(message)
    reading = read_as_far_as_possible(octets)
    assert isinstance(reading, PartReading)
    words = json.loads(json.dumps(describe(reading, octets)))
    assert words["originator"] == "00-DB-12-34-56-78-90-B0"
    assert words["mac"]["verdict"] == "not checked"
    return words, layout(words)


@pytest.mark.parametrize(
    ("component", "reason", "rest"),
    [
        (gbz.Component(0x0702, zcl.Frame(0x09, 1, 0x7F, b"\x05\x06")), "has no layout", "0506"),
        (gbz.Component(0x0702, zcl.Frame(0x18, 1, 0x70, b"\x05")), "command 70 of all clusters has no layout", "05"),
        (gbz.Component(0x0999, zcl.Frame(0x09, 1, 0x00, b"\x01")), "command 00 of cluster 0999", "01"),
        (gbz.Component(0x0702, zcl.Frame(0x0D, 1, 0x00, b"\x01", 0x1234)), "is a manufacturer's own", "01"),
    ],
)
def test_an_unknown_command_beside_a_known_one(component: gbz.Component, reason: str, rest: str) -> None:
    words, text = words_of(gas(PLAIN, component, PLAIN))
    first, unknown, last = words["payload"]["components"]
    assert first["fields"] == last["fields"]
    assert reason in unknown["unread"]["reason"]
    assert unknown["unread"]["hex"] == rest
    assert "UNREAD" in text


def test_a_known_command_as_far_as_its_fields_go() -> None:
    samples = b"\x01\x00\x00\xbd\x24\x2d\x00\x08\x07\x03\x00\x05\x00\x00\x06\x00"
    words, _ = words_of(gas(gbz.Component(0x0702, zcl.Frame(0x09, 1, 0x07, samples))))
    (component,) = words["payload"]["components"]
    assert component["command_name"] == "GetSampledDataResponse"
    fields = {field["name"]: field["value"] for field in component["fields"]}
    assert fields["NumberOfSamples"] == 3
    assert fields["Samples"][0]["value"][0]["value"] == 5
    assert component["unread"]["hex"] == "0600"


def test_components_that_do_not_add_up() -> None:
    whole = payload.encode(gbz.Payload((PLAIN, PLAIN)))
    words, _ = words_of(replace(REPLY, payload=whole[:-2]))
    assert len(words["payload"]["components"]) == 1
    assert words["payload"]["unread"]["hex"] == whole[3 + (len(whole) - 3) // 2 : -2].hex()
    assert "component of" in words["payload"]["unread"]["reason"]


def test_an_access_response_as_far_as_it_goes() -> None:
    body = cosem.AccessResponse(1, b"", (), (axdr.u16(7), axdr.u32(9)), (cosem.Result(1, 0), cosem.Result(1, 0)))
    octets = cosem.encode(body)
    words, text = words_of(replace(REPLY, message_code=0x69, payload=octets[:-2] + b"\x09\x00"))
    assert [result["result"] for result in words["payload"]["results"]] == ["success"]
    assert words["payload"]["results"][0]["value"]["value"] == 7
    assert words["payload"]["surplus"][0]["value"] == 9
    assert words["payload"]["unread"] == {
        "offset": len(octets) - 2, "octets": 2, "hex": "0900", "reason": "result choice 09, expected 01 to 05"
    }  # fmt: skip
    assert "result choice 09" in text


def test_an_unknown_asn1_message_is_shown_by_its_elements() -> None:
    words, _ = words_of(replace(REPLY, message_code=0x01FF, payload=bytes.fromhex("3008020105040300ff01")))
    (sequence,) = words["payload"]["fields"]
    assert [(one["type"], one["value"]) for one in sequence["value"]] == [("integer", "5"), ("octet string", "00ff01")]
    assert "message code 01FF has no ASN.1 payload" in words["payload"]["unread"]["reason"]


@pytest.mark.parametrize("cra", [1, 2, 3])
def test_an_empty_payload(cra: int) -> None:
    words, text = words_of(replace(REPLY, cra=cra, payload=b""))
    assert words["payload"]["unread"]["reason"] == "the payload is empty"
    assert "the payload is empty" in text


@given(st.sampled_from([GAS, LOG]), st.integers(0, 200), st.binary(min_size=1, max_size=6))
def test_whatever_the_payload_there_are_words(octets: bytes, at: int, put: bytes) -> None:
    message = gbcs.decode(octets)
    body = message.payload
    at %= len(body)
    changed = gbcs.encode(replace(message, payload=body[:at] + put + body[at + 3 :]))
    words = describe(read_as_far_as_possible(changed), changed)
    assert layout(json.loads(json.dumps(words)))


def test_something_unread_gives_status_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    unknown = gbcs.encode(gas(gbz.Component(0x0702, zcl.Frame(0x09, 1, 0x7F, b"\x05"))))
    assert run(unknown.hex()) == 1
    assert "command 7F of cluster 0702 to the client has no layout" in capsys.readouterr().out
    (tmp_path / "a.hex").write_text(GAS.hex(), encoding="utf-8")
    (tmp_path / "b.log").write_text(f"rx {LOG.hex()}", encoding="utf-8")
    both = decoded(capsys, str(tmp_path))
    assert [Path(words["source"].partition(":")[0]).name for words in both] == ["a.hex", "b.log"]
    several = decoded(capsys, str(tmp_path / "a.hex"), LOG.hex())
    assert [words["use_case"] for words in several] == ["GCS13b", "ECS66"]
    assert run(str(tmp_path / "a.hex"), "no/such/file") == 1
    assert run(str(tmp_path / "none.hex"), "xyz") == Exit.MISUSE


# -------------------------------------------------------------------------------------------- values and what they mean


def test_samples_that_were_not_captured() -> None:
    samples = b"\x01\x00\x00\xbd\x24\x2d\x00\x08\x07\x03\x00\x05\x00\x00\xff\xff\xff\xfe\xff\xff"
    octets = gbcs.encode(gas(gbz.Component(0x0702, zcl.Frame(0x09, 1, 0x07, samples))))
    words = describe(read_as_far_as_possible(octets), octets)
    rows = words["payload"]["components"][0]["fields"][-1]["value"]
    assert [row["value"][0].get("text") for row in rows] == [None, "not captured", None]
    assert "16777215  = not captured" in layout(words)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("25" + "ff" * 6, "not captured"),
        ("25" + "fe" * 6, None),
        ("2a000080", "not captured"),
        ("20ff", "not captured"),
    ],
)
def test_attributes_without_a_value(typed: str, text: str | None) -> None:
    record = b"\x00\x00\x00" + bytes.fromhex(typed)
    octets = gbcs.encode(gas(gbz.Component(0x0702, zcl.Frame(0x18, 1, 0x01, record))))
    words = describe(read_as_far_as_possible(octets), octets)
    assert words["payload"]["components"][0]["fields"][0].get("text") == text


def test_numbers_of_64_bits_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    largest = 2**64 - 1
    body = cosem.AccessResponse(1, b"", (), (axdr.u64(largest),), (cosem.Result(1, 0),))
    octets = gbcs.encode(replace(corpus_made.daily_log(), counter=largest, payload=cosem.encode(body)))
    (words,) = decoded(capsys, octets.hex())
    assert words["counter"] == str(largest)
    assert words["payload"]["results"][0]["value"]["value"] == str(largest)


@pytest.mark.parametrize("signature", [None, b""])
def test_a_pre_command_with_and_without_an_empty_signature(
    signature: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    octets = gbcs.encode(replace(corpus_made.enable_supply(), signature=signature, mac=None))
    (words,) = decoded(capsys, octets.hex())
    assert (words["kind"], words["signature"]["verdict"], words["mac"]["verdict"]) == ("pre-command", "none", "none")


@pytest.mark.parametrize("code", [0x811A, 0x8131])
def test_alerts_of_load_control_switches_are_named(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    time = bytes.fromhex("07e80102ff0a0b0c00800000")
    body = cosem.Notification(0, b"", axdr.structure(axdr.u16(code), axdr.octets(time)))
    alert = replace(corpus_made.daily_log(), cra=3, message_code=0x1001, payload=cosem.encode(body))
    (words,) = decoded(capsys, gbcs.encode(alert).hex())
    assert "HCALCS" in words["payload"]["alert"]["name"]


def test_what_was_read_in_part_is_not_written() -> None:
    unread = gbz_typed.Unread(None, b"", "")
    component = gbz_typed.Component(0x0702, 0x09, 1, 0x7F, unread)
    with pytest.raises(ValueError, match="could not be read"):
        gbz_typed.encode(gbz_typed.Payload((component,)))
    assert zcl_fields.read_partly(0x0702, True, 0x7F, b"")[0] is None
