"""Sealed parts down to their last value and sealed again, and how typed payloads read in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devices.trust.keystore import agreement_key
from devices.trust.protection import seal, sealing_parties
from devices.wire import axdr, gbcs, gbz, gbz_typed, payload
from devices.wire.gbcs import Message
from rig.gbcs.corpus import load_keys
from rig.gbcs.layout import layout
from rig.gbcs.reading import Keys, read
from rig.gbcs.words import describe
from tests import corpus_made


def words_of(code: int, cra: int, octets: str) -> dict[str, Any]:
    message = Message(cra, 1000, corpus_made.SUPPLIER, corpus_made.METER, code, bytes.fromhex(octets))
    whole = gbcs.encode(message)
    return describe(read(whole), whole)


def test_a_list_in_words() -> None:
    day = "00000000 01000000 02000000 01 01 00 01 00 6801 02"
    words = words_of(0x6B, 1, f"0109 01 01 0707 0017 090001 {day}")
    (component,) = words["payload"]["components"]
    assert component["command_name"] == "PublishDayProfile"
    (entry,) = component["fields"][-1]["value"]
    assert [(field["name"], field["value"]) for field in entry["value"]] == [("Start Time", 360), ("Price Tier", 2)]
    assert "        Day Schedule Entries: list of 1\n" in layout(words)
    assert "            Price Tier: uint8  2" in layout(words)


def test_statuses_and_times_in_words() -> None:
    words = words_of(0x6D, 2, "0109 02 00 0705 0005 08000b 06c0 01 0702 000b 180101 0200 00 e2 00000000")
    default, attributes = words["payload"]["components"]
    assert default["fields"] == [{"name": "command 06", "value": 0xC0, "text": "hardware failure"}]
    assert attributes["fields"][0]["text"] == "now"


def test_an_asn1_payload_in_words() -> None:
    words = words_of(0x08, 1, "3011 3007 020104 03020308 3006 020102 020108")
    assert words["payload"]["pdu"] == "credentials request"
    cell, roles = words["payload"]["fields"]
    assert cell["name"] == "authorising cell"
    assert [(field["name"], field.get("text")) for field in cell["value"]] == [
        ("role", None),
        ("key usage", "key agreement"),
    ]
    assert [role["value"] for role in roles["value"]] == [2, 8]
    assert "      key usage: 16  = key agreement\n" in layout(words)


def test_a_future_dated_access_in_words() -> None:
    access = "006a 00000000000003ed 0014 00000d0000ff 09".replace(" ", "")
    alert = axdr.structure(
        axdr.u16(0x8F66), axdr.octets(bytes.fromhex("07df0101ff000000008000ff")), axdr.octets(bytes.fromhex(access))
    )
    words = words_of(0xCC, 3, f"0f 200003e8 00 {axdr.encode(alert).hex()}")
    dated = words["payload"]["future_dated"]
    assert (dated["message_code"], dated["counter"]) == ("0x006A", "1005")
    assert (dated["class_id"], dated["obis"], dated["index"]) == (20, "0.0.13.0.0.255", 9)
    assert "access       class 20, 0.0.13.0.0.255, number 9" in layout(words)


def test_a_sealed_component_that_says_nothing_known() -> None:
    """It is authentic, so the fault is the sender's: it is shown, not raised."""
    reply = Message(2, 1000, corpus_made.METER, corpus_made.BROKER, 0xB8, b"", supplementary_party=corpus_made.SUPPLIER,
                    supplementary_counter=7)  # fmt: skip
    z = corpus_made.z(corpus_made.METER, corpus_made.SUPPLIER)
    blob = seal(b"\x01\x00\x00\x99", z, *sealing_parties(reply))
    component = gbz_typed.Component(
        0x0702, 0x18, 0, 0x01, gbz_typed.Sealed(blob), None, None, gbz.AdditionalHeader(0, 0)
    )
    whole = gbcs.encode(reply._replace(payload=payload.encode(gbz_typed.Payload((component,)))))
    reading = read(whole, Keys(corpus_made.STORE))
    (part,) = reading.sealed
    assert (part.content, part.plaintext) == (None, b"\x01\x00\x00\x99")
    assert "attribute type 99" in part.fault
    assert "not readable: zcl: at octet 3: attribute type 99" in layout(describe(reading, whole))


@pytest.mark.corpus
def test_published_parts_are_sealed_again(corpus_dir: Path) -> None:
    """Each plaintext becomes typed, is written again and sealed again: the same octets as published."""
    keys = load_keys(corpus_dir)
    again, expected = 0, 0
    for line in (corpus_dir / "gbcs-open.jsonl").read_text().splitlines():
        published = json.loads(line)
        if not published["encrypted"]:
            continue
        expected += len(published["encrypted"])
        reading = read(bytes.fromhex(published["hex"]), keys)
        device, party, counter = sealing_parties(reading.message)
        z = keys.store.agree(agreement_key(device), keys.store.public(agreement_key(party)))
        for part in reading.sealed:
            content = part.content
            assert content is not None, part.fault
            plaintext = axdr.encode(content) if isinstance(content, axdr.Data) else gbz_typed.write(content)
            assert seal(plaintext, z, device, party, counter) == part.blob
            again += 1
    assert again == expected > 40
