"""The envelope: laid out by hand octet by octet, generated, and over the published messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import gbcs
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.gbcs import Message
from tests.examples import examples

ORIGINATOR = bytes.fromhex("0011223344556677")
RECIPIENT = bytes.fromhex("8899aabbccddeeff")
THIRD = bytes.fromhex("0102030405060708")
MAC = bytes(range(12))
SIGNATURE = bytes(range(64))
DATE_TIME = bytes.fromhex("07df0101ff000000ff8000ff")

HEAD = "09 01 00000000000003eb 08 0011223344556677 08 8899aabbccddeeff"


def message(**fields: Any) -> Message:
    given: dict[str, Any] = {
        "cra": gbcs.CRA.COMMAND,
        "counter": 0x3EB,
        "originator": ORIGINATOR,
        "recipient": RECIPIENT,
        "message_code": 0x1C,
        "payload": b"\xaa\xbb\xcc",
    }
    return Message(**(given | fields))


FORMS = {
    "pre-command": (message(signature=None), f"df {HEAD} 00 02 001c 03 aabbcc"),
    "pre-command with an empty signature field": (message(), f"df {HEAD} 00 02 001c 03 aabbcc 00"),
    "signed": (message(signature=SIGNATURE), f"df {HEAD} 00 02 001c 03 aabbcc 40 {SIGNATURE.hex()}"),
    "MACed": (
        message(mac=MAC),
        f"dd 000000000000 37 11 00000000 df {HEAD} 00 02 001c 03 aabbcc 00 {MAC.hex()}",
    ),
    "signed and MACed": (
        message(signature=SIGNATURE, mac=MAC),
        f"dd 000000000000 77 11 00000000 df {HEAD} 00 02 001c 03 aabbcc 40 {SIGNATURE.hex()} {MAC.hex()}",
    ),
    "date-time": (message(date_time=DATE_TIME), f"df {HEAD} 0c {DATE_TIME.hex()} 02 001c 03 aabbcc 00"),
    "supplementary party": (
        message(supplementary_party=THIRD),
        f"df {HEAD} 00 0a 001c {THIRD.hex()} 03 aabbcc 00",
    ),
    "supplementary party and counter": (
        message(supplementary_party=THIRD, supplementary_counter=5),
        f"df {HEAD} 00 12 001c {THIRD.hex()} 0000000000000005 03 aabbcc 00",
    ),
    "supplementary originator counter": (
        message(supplementary_party=THIRD, supplementary_counter=5, supplementary_originator_counter=6),
        f"df {HEAD} 00 1a 001c {THIRD.hex()} 0000000000000005 0000000000000006 03 aabbcc 00",
    ),
    "certificate, with a date-time": (
        message(
            date_time=DATE_TIME, supplementary_party=THIRD, supplementary_counter=5, certificate=bytes(300), payload=b""
        ),
        f"df {HEAD} 0c {DATE_TIME.hex()} 82013e 001c {THIRD.hex()} 0000000000000005 {bytes(300).hex()} 00 00",
    ),
    "payload of 128 octets": (message(payload=bytes(128)), f"df {HEAD} 00 02 001c 8180 {bytes(128).hex()} 00"),
    "payload of 256 octets": (message(payload=bytes(256)), f"df {HEAD} 00 02 001c 820100 {bytes(256).hex()} 00"),
}


@pytest.mark.parametrize(("expected", "octets"), FORMS.values(), ids=FORMS)
def test_forms(expected: Message, octets: str) -> None:
    assert gbcs.decode(bytes.fromhex(octets)) == expected
    assert gbcs.encode(expected) == bytes.fromhex(octets)


def test_signed_and_maced_parts() -> None:
    signed = message(signature=SIGNATURE, mac=MAC)
    octets = gbcs.encode(signed)
    group = gbcs.grouping(signed)
    assert octets.endswith(group + MAC)
    assert group == b"\xdf" + gbcs.to_be_signed(signed) + b"\x40" + SIGNATURE
    assert gbcs.to_be_signed(signed) == bytes.fromhex(f"{HEAD} 00 02 001c 03 aabbcc")


def test_a_message_can_be_copied_with_changes() -> None:
    plain = message()
    assert plain._replace(mac=MAC) == message(mac=MAC)
    assert plain.mac is None


def octets_of(form: str) -> bytearray:
    return bytearray.fromhex(FORMS[form][1])


REFUSED = {
    "nothing": (b"", 0, "ends"),
    "another tag": (b"\xde" + octets_of("signed")[1:], 0, "general-signing"),
    "a GBT block": (bytes.fromhex("dd09") + bytes(60), 1, "GBT"),
    "a MAC header with a title": (bytes.fromhex("dd0008") + bytes(60), 1, "MAC header"),
    "a longer transaction identifier": (bytes.fromhex(f"df 0a {HEAD[3:]} 00 02 001c 00"), 1, "transaction"),
    "CRA flag 0": (octets_of("signed").replace(b"\x09\x01", b"\x09\x00", 1), 2, "CRA"),
    "a short originator": (octets_of("signed").replace(b"\x08\x00\x11", b"\x07\x00\x11", 1), 11, "originator"),
    "a short recipient": (octets_of("signed").replace(b"\x08\x88\x99", b"\x07\x88\x99", 1), 20, "recipient"),
    "a short date-time": (bytes.fromhex(f"df {HEAD} 04 01020304 02 001c 00"), 29, "date-time"),
    "other-information of 5": (bytes.fromhex(f"df {HEAD} 00 05 001c 000000 00"), 31, "other-information"),
    "other-information of 20": (bytes.fromhex(f"df {HEAD} 00 14 001c {bytes(18).hex()} 00"), 31, "other-information"),
    "other-information past the end": (bytes.fromhex(f"df {HEAD} 00 1a 001c 00"), 31, "past the end"),
    "a length form 83": (bytes.fromhex(f"df {HEAD} 00 02 001c 83000001 aa 00"), 33, "length form"),
    "a length longer than needed": (bytes.fromhex(f"df {HEAD} 00 02 001c 8103 aabbcc 00"), 33, "longer form"),
    "a length of three octets for one": (bytes.fromhex(f"df {HEAD} 00 02 001c 820003 aabbcc 00"), 33, "longer form"),
    "a payload past the end": (bytes.fromhex(f"df {HEAD} 00 02 001c 05 aabbcc 00"), 38, "signature field"),
    "an octet left over": (octets_of("signed") + b"\x00", 37, "signature field"),
    "a signature of 63 octets": (octets_of("signed")[:-1], 37, "signature field"),
    "an unsigned MAC without field": (
        bytes.fromhex(f"dd 000000000000 36 11 00000000 df {HEAD} 00 02 001c 03 aabbcc {MAC.hex()}"),
        50,
        "signature field",
    ),
    "another length in the MAC header": (octets_of("MACed").replace(b"\x37\x11", b"\x38\x11", 1), 7, "announces"),
    "another security octet": (octets_of("MACed").replace(b"\x37\x11", b"\x37\x31", 1), 8, "security"),
}


@pytest.mark.parametrize(("octets", "offset", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(octets: bytes, offset: int, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason) as refused:
        gbcs.decode(bytes(octets))
    assert (refused.value.layer, refused.value.offset) == ("gbcs", offset)


NOT_ENCODED = {
    "CRA flag": {"cra": 4},
    "counter": {"counter": 1 << 64},
    "negative counter": {"counter": -1},
    "originator": {"originator": bytes(7)},
    "recipient": {"recipient": bytes(9)},
    "message code": {"message_code": 0x10000},
    "payload": {"payload": bytes(0x10000)},
    "date-time": {"date_time": bytes(11)},
    "supplementary counter alone": {"supplementary_counter": 1},
    "originator counter alone": {"supplementary_party": THIRD, "supplementary_originator_counter": 1},
    "certificate alone": {"certificate": bytes(300)},
    "certificate and originator counter": {
        "supplementary_party": THIRD,
        "supplementary_counter": 1,
        "supplementary_originator_counter": 1,
        "certificate": bytes(300),
    },
    "certificate that reads as a counter": {
        "supplementary_party": THIRD,
        "supplementary_counter": 1,
        "certificate": bytes(8),
    },
    "signature": {"signature": bytes(63)},
    "MAC": {"mac": bytes(16)},
    "MAC without signature field": {"mac": MAC, "signature": None},
    "whole": {"mac": MAC, "payload": bytes(0xFFFF)},
}


@pytest.mark.parametrize("fields", NOT_ENCODED.values(), ids=NOT_ENCODED)
def test_not_encoded(fields: dict[str, Any]) -> None:
    with pytest.raises(EncodeError):
        gbcs.encode(message(**fields))


euis = st.binary(min_size=8, max_size=8)
counters = st.integers(0, (1 << 64) - 1)
supplements: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"supplementary_party": euis}),
    st.fixed_dictionaries({"supplementary_party": euis, "supplementary_counter": counters}),
    st.fixed_dictionaries(
        {
            "supplementary_party": euis,
            "supplementary_counter": counters,
            "supplementary_originator_counter": counters,
        }
    ),
    st.fixed_dictionaries(
        {
            "supplementary_party": euis,
            "supplementary_counter": counters,
            "certificate": st.binary(min_size=9, max_size=500),
        }
    ),
)
signatures = st.sampled_from([b"", bytes(64), SIGNATURE])
protections = st.one_of(
    st.fixed_dictionaries({"signature": st.none() | signatures}),
    st.fixed_dictionaries({"signature": signatures, "mac": st.binary(min_size=12, max_size=12)}),
)
messages = st.builds(
    lambda fields, supplement, protection: Message(**fields, **supplement, **protection),
    st.fixed_dictionaries(
        {
            "cra": st.integers(1, 3),
            "counter": counters,
            "originator": euis,
            "recipient": euis,
            "message_code": st.integers(0, 0xFFFF),
            "payload": st.binary(max_size=300),
            "date_time": st.just(b"") | st.binary(min_size=12, max_size=12),
        }
    ),
    supplements,
    protections,
)


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(messages)
def test_what_is_encoded_decodes_to_the_same(built: Message) -> None:
    assert gbcs.decode(gbcs.encode(built)) == built


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(messages)
def test_what_protection_covers_stands_in_the_octets(built: Message) -> None:
    """Also where the outer length takes two or three octets."""
    covered = gbcs.received(gbcs.encode(built))
    assert covered == gbcs.grouping(built)
    if built.signature:
        assert covered[1:-65] == gbcs.to_be_signed(built)


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(st.sampled_from([b"", b"\xdf", b"\xdd", bytes.fromhex(f"df {HEAD}")]), st.binary(max_size=80))
def test_anything_decodes_or_is_refused(start: bytes, rest: bytes) -> None:
    try:
        read = gbcs.decode(start + rest)
    except DecodeError:
        return
    assert gbcs.encode(read) == start + rest


@pytest.mark.corpus
def test_published_messages(corpus_dir: Path) -> None:
    kinds = {"precommand": 1, "command": 1, "response": 2, "alert": 3}
    count = 0
    for line in (corpus_dir / "gbcs-open.jsonl").read_text().splitlines():
        published = json.loads(line)
        octets = bytes.fromhex(published["hex"])
        read = gbcs.decode(octets)
        assert gbcs.encode(read) == octets
        assert read.cra == kinds[published["kind"]]
        assert read.counter == published["originator_counter"]
        assert read.originator.hex() == published["originator"]
        assert read.recipient.hex() == published["recipient"]
        assert read.message_code == int(published["message_code"], 16)
        assert (read.mac is not None) == (published["mac_keys"] is not None)
        assert bool(read.signature) == (published["signature_key"] is not None)
        assert (read.signature is None) == (published["kind"] == "precommand")
        count += 1
    assert count == 847
