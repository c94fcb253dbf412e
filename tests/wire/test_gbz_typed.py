"""GBZ payloads down to their fields: components, sealed ones, alerts, and every published one."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import gbcs, gbz, gbz_typed
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.gbz import AdditionalHeader, FirmwareVerified, FutureDated, IntegrityWarning
from devices.wire.gbz_typed import (
    Alert,
    AttributeRecord,
    Command,
    Component,
    DefaultResponse,
    Payload,
    ReadAttributes,
    ReadAttributesResponse,
    Sealed,
)

BLOB = bytes.fromhex("3100000000") + bytes(14)
SUPPLY = Command(0x0702, False, 0x0D, "SetSupplyStatus", (
    ("Issuer Event ID", 1), ("SupplyTamper State", 0), ("SupplyDepletion State", 3),
    ("SupplyUncontrolled FlowState", 0), ("LoadLimitSupply State", 3)))  # fmt: skip
WARNING_LEVEL = Command(0x0705, False, 0x09, "Set Low Credit Warning Level", (("Low Credit Warning Level", 5),))
SEALED = Component(0x0702, 0x18, 0, 0x01, Sealed(BLOB), None, None, AdditionalHeader(0, 1))

PAYLOADS: dict[str, tuple[Payload | Alert, str]] = {
    "a read": (
        Payload((Component(0x0702, 0x00, 0, 0x00, ReadAttributes((0x0205, 0x0014))),)),
        "0109 01 01 0702 0007 000000 05021400",
    ),
    "two commands": (
        Payload((Component(0x0702, 0x01, 0, 0x0D, SUPPLY), Component(0x0705, 0x01, 1, 0x09, WARNING_LEVEL))),
        "0109 02 00 0702 000b 01000d 01000000 00030003 01 0705 0007 010109 05000000",
    ),
    "a response": (
        Payload(
            (
                Component(0x0705, 0x08, 0, 0x0B, DefaultResponse(9, 0)),
                Component(
                    0x0702,
                    0x18,
                    1,
                    0x01,
                    ReadAttributesResponse((AttributeRecord(0x0205, 0, 0x21, 100), AttributeRecord(0x0014, 0xC0))),
                ),
            )
        ),
        "0109 02 00 0705 0005 08000b 0900 01 0702 000c 180101 050200216400 1400c0",
    ),
    "with a from-date-time": (
        Payload((Component(0x0705, 0x01, 0, 0x09, WARNING_LEVEL, None, 0x1C0E6C00),)),
        "0109 01 11 0705 000b 1c0e6c00 010009 05000000",
    ),
    "sealed": (Payload((SEALED,)), f"0109 01 03 0702 001a 00 01 180001 0013 {BLOB.hex()}"),
    "an alert": (Alert(0x810E, 0x1C374A80), "0109 00 810e 1c374a80"),
    "an alert with a sealed component": (
        Alert(0x8F0A, 1, (SEALED,)),
        f"0109 01 8f0a 00000001 03 0702 001a 00 01 180001 0013 {BLOB.hex()}",
    ),
    "an alert with a plain component": (
        Alert(0x8F0A, 1, (Component(0x0705, 0x01, 0, 0x09, WARNING_LEVEL),)),
        "0109 01 8f0a 00000001 01 0705 0007 010009 05000000",
    ),
    "an alert of a future-dated command": (
        Alert(0x8F66, 0x38818890, FutureDated(0x6B, 1005, 0x0700, 9, 6)),
        "0109 01 8f66 38818890 0e 006b 00000000000003ed 0700 09 06",
    ),
    "an integrity warning": (Alert(0x81A0, 1, IntegrityWarning(5)), "0109 01 81a0 00000001 0005"),
    "an image that is good": (
        Alert(0x8F72, 1, FirmwareVerified(0x20, bytes(range(32)))),
        f"0109 01 8f72 00000001 0020 {bytes(range(32)).hex()}",
    ),
    "an image that is not, counted as no component": (
        Alert(0x8F1C, 1, FirmwareVerified(0, bytes(32), 0)),
        f"0109 00 8f1c 00000001 0000 {bytes(32).hex()}",
    ),
    "an image of which nothing is said": (Alert(0x8F72, 1), "0109 00 8f72 00000001"),
}


@pytest.mark.parametrize(("payload", "octets"), PAYLOADS.values(), ids=PAYLOADS)
def test_payloads(payload: Payload | Alert, octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert gbz_typed.decode(raw) == payload
    assert gbz_typed.encode(payload) == raw


def test_what_is_in_a_sealed_component() -> None:
    plaintext = bytes.fromhex("0100 00 25 2a0000000000")
    body = ReadAttributesResponse((AttributeRecord(1, 0, 0x25, 42),))
    assert gbz_typed.opened(SEALED, plaintext) == body
    (component,) = gbz_typed.write_payload(Payload((SEALED,))).components  # type: ignore[union-attr]
    assert gbz_typed.read(component) == Sealed(BLOB)
    assert gbz_typed.read_plaintext(component, plaintext) == body
    assert gbz_typed.write(body) == plaintext
    with pytest.raises(DecodeError):
        gbz_typed.opened(SEALED, plaintext[:-1])


def test_the_components_of_payloads_and_alerts() -> None:
    assert gbz_typed.components_of(Payload((SEALED,))) == (SEALED,)
    assert gbz_typed.components_of(Alert(0x8F0A, 1, (SEALED,))) == (SEALED,)
    assert gbz_typed.components_of(Alert(0x81A0, 1, IntegrityWarning(5))) == ()


@pytest.mark.parametrize(
    "octets",
    [
        "0109 01 01 0702 0004 0100 ee 00",  # a command without layout
        "0109 01 01 0702 0006 05 3412 00 00 00",  # a manufacturer's own
        "0109 01 01 0702 0004 0000 00 05",  # half an attribute
        "0109 01 01 0705 0008 010009 0500000000",  # an octet too many
        "0109 01 8f0a 00000001 01 0705 0006 010009 050000",  # one too few, in an alert
    ],
)
def test_refused(octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert gbz.encode(gbz.decode(raw)) == raw
    with pytest.raises(DecodeError):
        gbz_typed.decode(raw)


@pytest.mark.parametrize(
    "component",
    [
        SEALED._replace(additional=None),
        Component(0x0705, 0x01, 0, 0x09, WARNING_LEVEL, None, None, AdditionalHeader(0, 0)),
        Component(0x0705, 0x01, 0, 0x08, WARNING_LEVEL),
        Component(0x0702, 0x01, 0, 0x09, WARNING_LEVEL),
        Component(0x0705, 0x09, 0, 0x09, WARNING_LEVEL),
        Component(0x0705, 0x00, 0, 0x09, WARNING_LEVEL),
        Component(0x0705, 0x08, 0, 0x01, DefaultResponse(9, 0)),
        Component(0x0705, 0x09, 0, 0x0B, DefaultResponse(9, 0)),
    ],
)
def test_not_written(component: Component) -> None:
    with pytest.raises(EncodeError):
        gbz_typed.write_payload(Payload((component,)))


@pytest.mark.parametrize(
    "alert",
    [
        Alert(0x810E, 1, FirmwareVerified(0, bytes(32))),
        Alert(0x8F72, 1, FirmwareVerified(0, bytes(31))),
        Alert(0x8F72, 1, FirmwareVerified(0, bytes(32), 2)),
        Alert(0x8F72, 1, FirmwareVerified(0x10000, bytes(32))),
        Alert(0x8F72, 1, IntegrityWarning(1)),
        Alert(0x8F66, 1, (SEALED,)),
    ],
)
def test_alerts_not_written(alert: Alert) -> None:
    with pytest.raises(EncodeError):
        gbz_typed.encode(alert)


@given(st.sampled_from([bytes.fromhex(octets) for _, octets in PAYLOADS.values()]), st.data())
def test_a_changed_octet_is_read_exactly_or_refused(octets: bytes, data: st.DataObject) -> None:
    changed = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(2, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        payload = gbz_typed.decode(bytes(changed))
    except DecodeError:
        return
    assert gbz_typed.encode(payload) == changed


@pytest.mark.corpus
def test_published_payloads(corpus_dir: Path) -> None:
    """Every component of every message, and the plaintext of every sealed one, to the last octet and back."""
    bodies = Counter[str]()
    for line in (corpus_dir / "gbcs-open.jsonl").read_text().splitlines():
        published = json.loads(line)
        if published["payload_format"] != "gbz":
            continue
        octets = gbcs.decode(bytes.fromhex(published["hex"])).payload
        payload = gbz_typed.decode(octets)
        assert gbz_typed.encode(payload) == octets, published["name"]
        components = gbz_typed.components_of(payload)
        bodies.update(type(component.body).__name__ for component in components)
        sealed = [component for component in components if isinstance(component.body, Sealed)]
        for component, part in zip(sealed, published["encrypted"] or (), strict=True):
            plaintext = bytes.fromhex(part["plaintext"])
            assert gbz_typed.write(gbz_typed.opened(component, plaintext)) == plaintext
    assert bodies["Sealed"] == 30
    assert bodies["Command"] > 500
    assert set(bodies) == {"Command", "DefaultResponse", "ReadAttributes", "ReadAttributesResponse", "Sealed"}
