"""The ASN.1 payloads as typed objects: each use case's, from octets and back, and every published one."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import asn1, asn1_typed, gbcs
from devices.wire.asn1 import Node
from devices.wire.asn1_credentials import (
    AuthorisingControl,
    Certificate,
    CertificationRequest,
    CredentialsAlert,
    CredentialsReport,
    CredentialsRequest,
    HeldCredential,
    KeyPairRequest,
    Replacement,
    ReplacementOutcome,
    RoleCredentials,
    SeqNumberChange,
    SpecialistFloor,
    TrustAnchorCell,
    UpdateCredentials,
    UpdateOutcome,
    UpdateResponse,
)
from devices.wire.asn1_devices import (
    ActivateFirmware,
    ActivationResult,
    ClockResult,
    ClockWindow,
    Device,
    DeviceLog,
    DeviceLogBackup,
    DeviceLogRequest,
    DeviceOutcome,
    FirmwareActivated,
    FirmwareActivationAlert,
    FirmwareTransferAlert,
    FirmwareVersion,
    FirmwareVersionRequest,
    Join,
    ResponseCode,
    RestoreDeviceLog,
    RestoreResult,
    Unjoin,
    WillActivate,
)
from devices.wire.asn1_schema import Lengths
from devices.wire.asn1_typed import Body, KeyUsage, View
from devices.wire.errors import DecodeError, EncodeError

EUI = bytes.fromhex("0011223344556677")
NOON = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)
AT_NOON = f"18 0f {b'20261120120005Z'.hex()}"
CERTIFICATE = asn1.encode(asn1.sequence(asn1.sequence(), asn1.sequence(), asn1.bit_string(b"\x00")))
VERSION = b"\x01\x02\x03\x04"
DS, KA = KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_AGREEMENT
CELL = TrustAnchorCell(2, KA, 1)
OUTCOME = UpdateOutcome(
    1001,
    2,
    (SeqNumberChange(2, 0, (SpecialistFloor(0, 0),)), SeqNumberChange(3, 5)),
    (ReplacementOutcome(CELL, 10, EUI, bytes(8), EUI, bytes(8)),),
)


def element(tag: str, *contents: str) -> str:
    """An element in hexadecimal, its length in the short form."""
    octets = "".join(contents).replace(" ", "")
    assert len(octets) < 256
    return f"{tag}{len(octets) // 2:02x}{octets}"


def sequence(*contents: str) -> str:
    return element("30", *contents)


FLOORS = sequence(sequence("020100 020100"))
KEYS = f"0408{EUI.hex()} 0408{'00' * 8}"
CELL_OCTETS = sequence("020102 03020308 020101")
OUTCOME_OCTETS = sequence(
    "020203e9 020102",
    sequence(sequence("020102 020100", FLOORS), sequence("020103 020105")),
    sequence(sequence(CELL_OCTETS, "0a010a", KEYS, KEYS)),
)

SEEN: dict[str, tuple[View, int, int, str]] = {
    "set clock": (
        ClockWindow(NOON, NOON + timedelta(seconds=20)),
        0x7F,
        1,
        f"30 22 {AT_NOON} 18 0f {b'20261120120025Z'.hex()}",
    ),
    "clock set": (ClockResult(NOON, 2), 0x7F, 2, f"30 14 {AT_NOON} 020102"),
    "join": (Join(2, EUI, 3), 0x0E, 1, f"30 10 020102 0408 {EUI.hex()} 020103"),
    "join by method C": (
        Join(3, EUI, 5, CERTIFICATE),
        0xAF,
        1,
        f"30 1a 020103 0408 {EUI.hex()} 020105 3008 3000 3000 03020000",
    ),
    "joined": (ResponseCode(0), 0xAB, 2, "020100"),
    "unjoin": (Unjoin(EUI), 0x0F, 1, f"0408 {EUI.hex()}"),
    "read the device log": (DeviceLogRequest(), 0x13, 1, "0500"),
    "device log": (DeviceLog(0, (Device(EUI, 3),)), 0x13, 2, f"30 14 020100 300f 300d 0408 {EUI.hex()} 020103"),
    "empty device log": (DeviceLog(0, ()), 0x13, 2, "30 05 020100 3000"),
    "device log not read": (DeviceLog(1), 0x13, 2, "30 03 020101"),
    "restore the device log": (
        RestoreDeviceLog((Device(EUI, 5),)),
        0x8C,
        1,
        f"30 11 300f 300d 0408 {EUI.hex()} 020105",
    ),
    "device log restored": (
        RestoreResult((DeviceOutcome(Device(EUI, 5), 0),)),
        0x8C,
        2,
        f"30 16 3014 3012 300d 0408 {EUI.hex()} 020105 020100",
    ),
    "device log backup": (
        DeviceLogBackup(0x8071, NOON, ()),
        0xB2,
        3,
        f"30 18 0203008071 {AT_NOON} 3000",
    ),
    "activate firmware": (ActivateFirmware(bytes(32), 1000), 0x12, 1, f"30 26 0420 {bytes(32).hex()} 020203e8"),
    "activate firmware later": (
        ActivateFirmware(bytes(32), 1000, NOON),
        0x12,
        1,
        f"30 37 0420 {bytes(32).hex()} 020203e8 {AT_NOON}",
    ),
    "activated": (ActivationResult(0, VERSION), 0x12, 2, "30 09 020100 0404 01020304"),
    "will be activated": (WillActivate(), 0x12, 2, "0500"),
    "firmware activation alert": (
        FirmwareActivationAlert(0x8F66, NOON, 1000, ActivationResult(1, VERSION)),
        0xCA,
        3,
        f"30 25 0203008f66 {AT_NOON} 020203e8 30 09 020101 0404 01020304",
    ),
    "firmware transfer alert": (
        FirmwareTransferAlert(0x8F89, NOON, EUI, VERSION, 3),
        0x128,
        3,
        f"30 29 0203008f89 {AT_NOON} 0408 {EUI.hex()} 0404 01020304 020103",
    ),
    "read the firmware version": (FirmwareVersionRequest(), 0x129, 1, "0500"),
    "firmware version": (FirmwareVersion(VERSION, 0), 0x129, 2, "30 09 0404 01020304 020100"),
    "firmware activated": (
        FirmwareActivated(0x8F8B, NOON, VERSION, 0),
        0x12B,
        3,
        f"30 1f 0203008f8b {AT_NOON} 0404 01020304 020100",
    ),
    "make a key pair": (KeyPairRequest(DS), 0x0A, 1, "30 04 03020780"),
    "certification request": (CertificationRequest(CERTIFICATE), 0x0A, 2, CERTIFICATE.hex()),
    "no certification request": (ResponseCode(3), 0x0A, 2, "020103"),
    "new certificate": (Certificate(CERTIFICATE), 0x0B, 1, CERTIFICATE.hex()),
    "new certificate refused": (ResponseCode(5), 0x0B, 2, "020105"),
    "return a certificate": (KeyPairRequest(KA), 0x0C, 1, "30 04 03020308"),
    "certificate": (Certificate(CERTIFICATE), 0x0C, 2, CERTIFICATE.hex()),
    "no certificate": (ResponseCode(2), 0x0C, 2, "020102"),
    "report credentials": (
        CredentialsRequest(TrustAnchorCell(4, KA), (2, 8)),
        0x11B,
        1,
        "30 11 30 07 020104 03020308 30 06 020102 020108",
    ),
    "credentials": (
        CredentialsReport((RoleCredentials(2, 0, 7, (HeldCredential(KA, 1, EUI, EUI),)), RoleCredentials(6, 25))),
        0x08,
        2,
        sequence(
            sequence("020102 0a0100 020107", sequence(sequence(f"03020308 020101 0408{EUI.hex()} 0408{EUI.hex()}"))),
            sequence("020106 0a0119"),
        ),
    ),
    "update": (
        UpdateCredentials(
            AuthorisingControl(2, None, 1, TrustAnchorCell(2, DS), 1001, 0, (SpecialistFloor(0, 0),), None),
            (Replacement(CERTIFICATE, CELL),),
            (CERTIFICATE,),
            NOON,
        ),
        0x102,
        1,
        sequence(
            sequence("020102 810101", element("a2", "020102 03020780"), "830203e9 840100 a508 3006 020100 020100"),
            sequence(sequence(CERTIFICATE.hex(), CELL_OCTETS)),
            sequence(CERTIFICATE.hex()),
            AT_NOON,
        ),
    ),
    "update by contingency": (
        UpdateCredentials(
            AuthorisingControl(9, bytes(16), None, None, 5, None, None, (SeqNumberChange(2, 0),)), (), ()
        ),
        0x109,
        1,
        sequence(sequence(f"020109 8010 {'00' * 16} 830105 a608 3006 020102 020100"), "3000 3000"),
    ),
    "update accepted": (UpdateResponse(), 0x125, 2, "30 02 0500"),
    "updated": (UpdateResponse(None, OUTCOME), 0x100, 2, sequence("0500", OUTCOME_OCTETS)),
    "future-dated update": (
        CredentialsAlert(0x8F67, NOON, OUTCOME),
        0xCB,
        3,
        sequence("0203008f67", AT_NOON, OUTCOME_OCTETS),
    ),
}


@pytest.mark.parametrize(("seen", "code", "cra", "octets"), SEEN.values(), ids=SEEN)
def test_views(seen: View, code: int, cra: int, octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert asn1_typed.read(code, cra, raw) == Body(seen)
    assert asn1_typed.write(seen) == raw
    assert asn1_typed.view(code, cra, asn1.decode(raw)) == seen
    assert asn1_typed.to_node(seen) == seen.to_node() == asn1.decode(raw)


@pytest.mark.parametrize(("seen", "code", "cra", "octets"), SEEN.values(), ids=SEEN)
def test_every_cut_and_every_octet_more_is_refused(seen: View, code: int, cra: int, octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert type(seen) in asn1_typed.VIEWS[code, cra]
    for end in range(len(raw)):
        with pytest.raises(DecodeError):
            asn1_typed.read(code, cra, raw[:end])
    with pytest.raises(DecodeError, match="left over"):
        asn1_typed.read(code, cra, raw + b"\x00")


def test_every_message_code_is_shown() -> None:
    kinds = {kind for kinds in asn1_typed.VIEWS.values() for kind in kinds}
    assert kinds == {type(seen) for seen, *_ in SEEN.values()}


@pytest.mark.parametrize("kind", sorted({kinds[0] for kinds in asn1_typed.VIEWS.values()}, key=str))
def test_a_tree_of_another_shape_is_refused(kind: type[View]) -> None:
    for node in (
        asn1.enumerated(1),
        asn1.octet_string(EUI[:7]),
        asn1.sequence(asn1.null(), asn1.null()),
        asn1.sequence(asn1.integer(1), asn1.integer(1), asn1.integer(1), asn1.integer(1), asn1.integer(1)),
        Node(0x05, b"\x00"),
    ):
        with pytest.raises(DecodeError):
            kind.from_node(node)


def test_messages_without_a_view() -> None:
    assert asn1_typed.view(0x004F, 1, asn1.null()) is None
    with pytest.raises(DecodeError, match="004F has no ASN"):
        asn1_typed.read(0x004F, 1, b"\x05\x00")


REFUSED = {
    "no octets": (0x13, 1, ""),
    "integer longer than needed": (0x0F, 2, "02020000"),
    "negative integer longer than needed": (0x0F, 2, "0202ff80"),
    "integer of 21 octets": (0x0F, 2, f"0215 01{'00' * 20}"),
    "integer without octets": (0x0F, 2, "0200"),
    "null with contents": (0x13, 1, "050100"),
    "key usage without bits": (0x0A, 1, "3003 030100"),
    "key usage with a zero at its end": (0x0A, 1, "3004 03020700"),
    "key usage with bits after its last": (0x0A, 1, "3004 030207c0"),
    "key usage of 24 bits": (0x0A, 1, "3006 030400000001"),
    "certificate of two elements": (0x0B, 1, "3004 3000 3000"),
    "certificate with an element more": (0x0B, 1, "300a 3000 3000 03020000 0500"),
    "indefinite length": (0x13, 2, "3080 020101 0000"),
    "a list where none belongs": (0x13, 1, "3000"),
    "time with a fraction": (0x7F, 2, f"3016 1811 {b'20261120120005.5Z'.hex()} 020102"),
}


@pytest.mark.parametrize(("code", "cra", "octets"), REFUSED.values(), ids=REFUSED)
def test_refused(code: int, cra: int, octets: str) -> None:
    with pytest.raises(DecodeError):
        asn1_typed.read(code, cra, bytes.fromhex(octets))


NOT_WRITTEN: dict[str, View] = {
    "an EUI-64 of seven octets": Unjoin(EUI[:7]),
    "a key usage without bits": KeyPairRequest(KeyUsage(0)),
    "a certificate that is none": Certificate(b"\x30\x00"),
    "a certificate and an octet": Certificate(CERTIFICATE + b"\x00"),
    "no number": ResponseCode(None),  # type: ignore[arg-type]
    "another record": RestoreDeviceLog((CELL,)),  # type: ignore[arg-type]
    "a time without zone": ClockWindow(NOON.replace(tzinfo=None), NOON),
    "a field that must be there": UpdateCredentials(AuthorisingControl(2), None, ()),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("seen", NOT_WRITTEN.values(), ids=NOT_WRITTEN)
def test_not_written(seen: View) -> None:
    with pytest.raises(EncodeError):
        asn1_typed.write(seen)


@pytest.mark.parametrize(
    ("octets", "lengths"),
    [
        ("30 820003 020101", ((0, 2),)),
        ("30 04 02 810101", ((1, 1),)),
        ("30 820009 02 810100 30 83000000", ((0, 2), (1, 1), (2, 3))),
    ],
)
def test_lengths_longer_than_needed_are_kept(octets: str, lengths: Lengths) -> None:
    raw = bytes.fromhex(octets)
    body = asn1_typed.read(0x13, 2, raw)
    assert body.lengths == lengths
    assert asn1_typed.write(body) == raw
    assert len(asn1_typed.write(body.view)) < len(raw)


def test_lengths_after_a_certificate_are_kept() -> None:
    """A certificate counts as one element, whatever is in it."""
    certificate = "30 820008 3000 3000 03020000"
    replacement = sequence(certificate, sequence("020102 03020780"))
    raw = bytes.fromhex(sequence(sequence("020102"), sequence(replacement), "30 8100"))
    body = asn1_typed.read(0x102, 1, raw)
    assert body.lengths == ((9, 1),)
    assert isinstance(body.view, UpdateCredentials)
    assert body.view.replacements[0].certificate == bytes.fromhex(certificate)
    assert asn1_typed.write(body) == raw


ANY = st.sampled_from(list(SEEN.values()))


@given(ANY, st.data())
def test_a_changed_octet_is_read_exactly_or_refused(case: tuple[View, int, int, str], data: st.DataObject) -> None:
    _, code, cra, octets = case
    changed = bytearray.fromhex(octets)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        body = asn1_typed.read(code, cra, bytes(changed))
    except DecodeError:
        return
    assert asn1_typed.write(body) == changed


@given(st.sampled_from(sorted(asn1_typed.VIEWS)), st.binary(max_size=40))
def test_anything_is_read_exactly_or_refused(key: tuple[int, int], octets: bytes) -> None:
    try:
        body = asn1_typed.read(*key, octets)
    except DecodeError:
        return
    assert asn1_typed.write(body) == octets


@given(st.integers(1, 0xFFFF))
def test_key_usages(bits: int) -> None:
    octets = asn1_typed.write(KeyPairRequest(KeyUsage(bits)))
    assert asn1_typed.read(0x0A, 1, octets).view == KeyPairRequest(KeyUsage(bits))
    named, unused = asn1.to_bit_string(asn1.decode(octets).children[0])
    assert {8 * at + bit for at, octet in enumerate(named) for bit in range(8) if octet & 0x80 >> bit} == {
        bit for bit in range(16) if bits >> bit & 1
    }
    assert unused == 7 - (bits.bit_length() - 1) % 8


@pytest.mark.corpus
def test_published_payloads(corpus_dir: Path) -> None:
    longer, seen = 0, Counter[str]()
    for line in (corpus_dir / "gbcs-open.jsonl").read_text().splitlines():
        published = json.loads(line)
        if published["payload_format"] != "asn1":
            continue
        message = gbcs.decode(bytes.fromhex(published["hex"]))
        body = asn1_typed.read(message.message_code, message.cra, message.payload)
        assert asn1_typed.write(body) == message.payload
        assert (asn1_typed.write(body.view) == message.payload) == (body.lengths == ())
        longer += body.lengths != ()
        seen[type(body.view).__name__] += 1
    assert longer == 13
    assert sum(seen.values()) == 110
    assert seen["UpdateCredentials"] == 23
