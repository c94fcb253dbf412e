"""GBZ components and alerts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import gbz
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.gbz import AdditionalHeader, Alert, Component, FutureDated, IntegrityWarning, Payload
from devices.wire.zcl import Frame
from tests.examples import examples

READ = Frame(0x00, 0, 0x00, bytes.fromhex("05021400"))
BLOB = bytes.fromhex("3100000000") + bytes(14)
SEALED = Component(0x0702, Frame(0x18, 0, 0x01, BLOB), additional=AdditionalHeader(0, 1))

PAYLOADS: dict[str, tuple[Payload | Alert, str]] = {
    "one component": (Payload((Component(0x0702, READ),)), "0109 01 01 0702 0007 000000 05021400"),
    "two components": (
        Payload((Component(0x0702, READ), Component(0x0705, Frame(0x01, 1, 0x04)))),
        "0109 02 00 0702 0007 000000 05021400 01 0705 0003 010104",
    ),
    "from-date-time": (
        Payload((Component(0x0705, Frame(0x01, 0, 0x08, b"\xaa"), 0x1C0E6C00),)),
        "0109 01 11 0705 0008 1c0e6c00 010008 aa",
    ),
    "encrypted": (Payload((SEALED,)), f"0109 01 03 0702 001a 00 01 180001 0013 {BLOB.hex()}"),
    "encrypted, with a from-date-time": (
        Payload((Component(0x0702, SEALED.frame, 1, SEALED.additional), Component(0x0702, READ))),
        f"0109 02 12 0702 001e 00000001 00 01 180001 0013 {BLOB.hex()} 01 0702 0007 000000 05021400",
    ),
    "a manufacturer's command": (
        Payload((Component(0xFC00, Frame(0x05, 9, 0x0A, b"\x01", 0x1234)),)),
        "0109 01 01 fc00 0006 05 3412 09 0a 01",
    ),
    "alert": (Alert(0x810E, 0x1C374A80), "0109 00 810e 1c374a80"),
    "alert of a future-dated command": (
        Alert(0x8F66, 0x38818890, FutureDated(0x6B, 1005, 0x0700, 9, 6)),
        "0109 01 8f66 38818890 0e 006b 00000000000003ed 0700 09 06",
    ),
    "integrity warning": (Alert(0x81A0, 0x1C374A80, IntegrityWarning(5)), "0109 01 81a0 1c374a80 0005"),
    "alert with a sealed component": (
        Alert(0x8F0A, 1, (SEALED,)),
        f"0109 01 8f0a 00000001 03 0702 001a 00 01 180001 0013 {BLOB.hex()}",
    ),
}


@pytest.mark.parametrize(("payload", "octets"), PAYLOADS.values(), ids=PAYLOADS)
def test_payloads(payload: Payload | Alert, octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert gbz.decode(raw) == payload
    assert gbz.encode(payload) == raw


@pytest.mark.parametrize("octets", [octets for _, octets in PAYLOADS.values()], ids=PAYLOADS)
def test_every_cut_and_every_octet_more_is_refused(octets: str) -> None:
    raw = bytes.fromhex(octets)
    for end in range(len(raw)):
        with pytest.raises(DecodeError) as refused:
            gbz.decode(raw[:end])
        assert (refused.value.layer, refused.value.offset <= end) == ("gbz", True)
    with pytest.raises(DecodeError, match="left over"):
        gbz.decode(raw + b"\x00")


REFUSED = {
    "another profile": ("0104 01 01 0702 0003 000000", 0),
    "no components": ("0109 00 01 0702 0003 000000", 2),
    "a control bit that nobody knows": ("0109 01 05 0702 0003 000000", 3),
    "the last one is not marked": ("0109 01 00 0702 0003 000000", 3),
    "the first of two is marked as last": ("0109 02 01 0702 0003 000000 01 0702 0003 000000", 3),
    "longer than the octets": ("0109 01 01 0702 0004 000000", 8),
    "no room for the ZCL header": ("0109 01 01 0702 0002 0000", 10),
    "no room for the from-date-time": ("0109 01 11 0702 0003 000000", 8),
    "reserved bits in the ZCL header": ("0109 01 01 0702 0003 800000", 8),
    "ciphered length": (f"0109 01 03 0702 001a 00 01 180001 0012 {BLOB.hex()}", 13),
    "encrypted but too short": ("0109 02 02 0702 0003 180001 01 0702 0003 000000", 11),
    "future-dated body of 13": ("0109 01 8f66 38818890 0d 006b 00000000000003ed 0700 09 06", 9),
    "future-dated with no count": ("0109 00 8f66 38818890 0e 006b 00000000000003ed 0700 09 06", 9),
}


@pytest.mark.parametrize(("octets", "offset"), REFUSED.values(), ids=REFUSED)
def test_refused(octets: str, offset: int) -> None:
    with pytest.raises(DecodeError) as refused:
        gbz.decode(bytes.fromhex(octets))
    assert (refused.value.layer, refused.value.offset) == ("gbz", offset)


NOT_ENCODED: dict[str, Payload | Alert] = {
    "no components": Payload(()),
    "256 components": Payload((Component(0x0702, READ),) * 256),
    "cluster": Payload((Component(0x10000, READ),)),
    "from-date-time": Payload((Component(0x0702, READ, 1 << 32),)),
    "component too long": Payload((Component(0x0702, Frame(1, 0, 0, bytes(0xFFFF))),)),
    "frame counter": Payload((Component(0x0702, READ, None, AdditionalHeader(0, 256)),)),
    "an alert code that reads as a component": Alert(0x0102, 0),
    "alert code": Alert(0x18000, 0),
    "time": Alert(0x810E, 1 << 32),
    "future-dated body for another code": Alert(0x810E, 0, FutureDated(1, 1, 1, 1, 1)),
    "components for a future-dated code": Alert(0x8F66, 0, (SEALED,)),
    "warning for another code": Alert(0x810E, 0, IntegrityWarning(1)),
    "warning": Alert(0x81A0, 0, IntegrityWarning(0x10000)),
    "frame control of a future-dated body": Alert(0x8F66, 0, FutureDated(1, 1, 1, 256, 1)),
}


@pytest.mark.parametrize("payload", NOT_ENCODED.values(), ids=NOT_ENCODED)
def test_not_encoded(payload: Payload | Alert) -> None:
    with pytest.raises(EncodeError):
        gbz.encode(payload)


octet, word, long = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
frames = st.one_of(
    st.builds(Frame, st.sampled_from([0x00, 0x01, 0x09, 0x18, 0x19]), octet, octet, st.binary(max_size=40)),
    st.builds(Frame, st.sampled_from([0x04, 0x0D]), octet, octet, st.binary(max_size=40), word),
)
components = st.builds(Component, word, frames, st.none() | long, st.none() | st.builds(AdditionalHeader, octet, octet))
some = st.lists(components, min_size=1, max_size=4).map(tuple)
plain_codes = st.integers(0x8000, 0xFFFF).filter(lambda code: code not in (*gbz.FUTURE_DATED, gbz.INTEGRITY_WARNING))
payloads = st.one_of(
    st.builds(Payload, some),
    st.builds(Alert, plain_codes, long, st.just(()) | some),
    st.builds(
        Alert,
        st.sampled_from(gbz.FUTURE_DATED),
        long,
        st.just(()) | st.builds(FutureDated, word, st.integers(0, (1 << 64) - 1), word, octet, octet),
    ),
    st.builds(Alert, st.just(gbz.INTEGRITY_WARNING), long, st.just(()) | st.builds(IntegrityWarning, word)),
)


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(payloads)
def test_what_is_encoded_decodes_to_the_same(payload: Payload | Alert) -> None:
    assert gbz.decode(gbz.encode(payload)) == payload


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(st.sampled_from(["", "0109", "01090101070200", "01090103070200", "010901"]), st.binary(max_size=50))
def test_anything_decodes_or_is_refused(start: str, rest: bytes) -> None:
    raw = bytes.fromhex(start) + rest
    try:
        payload = gbz.decode(raw)
    except DecodeError:
        return
    assert gbz.encode(payload) == raw
