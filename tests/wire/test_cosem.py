"""Access-request, access-response and data-notification."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import axdr, cosem
from devices.wire.cosem import AccessRequest, AccessResponse, Notification, Op, Pdu, Result, Spec
from devices.wire.errors import DecodeError, EncodeError
from tests.examples import examples
from tests.wire.test_axdr import trees

SCRIPTS = bytes.fromhex("00000a006aff")
TIME = bytes(range(12))
INVOKE = 0x200003EB

PDUS: dict[str, tuple[Pdu, str]] = {
    "execute a script": (
        AccessRequest(INVOKE, b"", (Spec(Op.ACTION, 9, SCRIPTS, 1),), (axdr.u16(0x33),)),
        "d9 200003eb 00 01 03 0009 00000a006aff 01 01 120033",
    ),
    "get and set": (
        AccessRequest(
            INVOKE,
            TIME,
            (Spec(Op.GET, 70, SCRIPTS, 3), Spec(Op.SET, 1, SCRIPTS, -2)),
            (axdr.null(), axdr.boolean(True)),
        ),
        f"d9 200003eb 0c {TIME.hex()} 02 01 0046 00000a006aff 03 02 0001 00000a006aff fe 02 00 03ff",
    ),
    "get with selection": (
        AccessRequest(
            INVOKE,
            b"",
            (Spec(Op.GET_SELECTION, 7, SCRIPTS, 2, 1, axdr.structure(axdr.octets(TIME), axdr.octets(TIME))),),
            (axdr.null(),),
        ),
        f"d9 200003eb 00 01 04 0007 00000a006aff 02 01 0202 090c{TIME.hex()} 090c{TIME.hex()} 01 00",
    ),
    "nothing asked": (AccessRequest(0, b"", (), ()), "d9 00000000 00 00 00"),
    "response": (
        AccessResponse(INVOKE, b"", (), (axdr.enum(1), axdr.null()), (Result(Op.GET, 0), Result(Op.ACTION, 0xFA))),
        "da 200003eb 00 00 02 1601 00 02 0100 03fa",
    ),
    "response that repeats the specs": (
        AccessResponse(INVOKE, b"", (Spec(Op.GET, 70, SCRIPTS, 3),), (axdr.enum(1),), (Result(Op.GET, 0),)),
        "da 200003eb 00 01 01 01 0046 00000a006aff 03 01 1601 01 0100",
    ),
    "alert": (
        Notification(INVOKE, b"", axdr.structure(axdr.u16(0x8F12), axdr.octets(TIME))),
        f"0f 200003eb 00 0202 128f12 090c{TIME.hex()}",
    ),
}


@pytest.mark.parametrize(("pdu", "octets"), PDUS.values(), ids=PDUS)
def test_pdus(pdu: Pdu, octets: str) -> None:
    raw = bytes.fromhex(octets)
    assert cosem.decode(raw) == pdu
    assert cosem.encode(pdu) == raw


@pytest.mark.parametrize("octets", [octets for _, octets in PDUS.values()], ids=PDUS)
def test_every_cut_and_every_octet_more_is_refused(octets: str) -> None:
    raw = bytes.fromhex(octets)
    for end in range(len(raw)):
        with pytest.raises(DecodeError) as refused:
            cosem.decode(raw[:end])
        assert refused.value.offset <= end
    with pytest.raises(DecodeError, match="left over"):
        cosem.decode(raw + b"\x00")


REFUSED = {
    "another tag": ("c0 200003eb 00", "cosem", 0),
    "a date-time of 5": ("0f 200003eb 05 0102030405 00", "cosem", 5),
    "access choice 5": ("d9 200003eb 00 01 05 0009 00000a006aff 01 01 00", "cosem", 7),
    "more specs than octets": ("d9 200003eb 00 84ffffffff", "cosem", 11),
    "more results than octets": ("da 200003eb 00 00 00 820100 0100", "cosem", 11),
    "specs neither absent nor present": ("da 200003eb 00 02 00 00", "cosem", 6),
    "specs present and empty": ("da 200003eb 00 01 00 00 00", "cosem", 6),
    "result choice 0": ("da 200003eb 00 00 00 01 0000", "cosem", 9),
    "an unknown data type": ("0f 200003eb 00 07", "axdr", 6),
}


@pytest.mark.parametrize(("octets", "layer", "offset"), REFUSED.values(), ids=REFUSED)
def test_refused(octets: str, layer: str, offset: int) -> None:
    with pytest.raises(DecodeError) as refused:
        cosem.decode(bytes.fromhex(octets))
    assert (refused.value.layer, refused.value.offset) == (layer, offset)


def request(spec: Spec) -> AccessRequest:
    return AccessRequest(INVOKE, b"", (spec,), (axdr.null(),))


NOT_ENCODED: dict[str, Pdu] = {
    "choice 5": request(Spec(5, 9, SCRIPTS, 1)),
    "OBIS code of 5": request(Spec(Op.GET, 9, SCRIPTS[:5], 1)),
    "class": request(Spec(Op.GET, 0x10000, SCRIPTS, 1)),
    "index": request(Spec(Op.GET, 9, SCRIPTS, 200)),
    "selector": request(Spec(Op.GET_SELECTION, 9, SCRIPTS, 1, 256, axdr.null())),
    "selection without selector": request(Spec(Op.GET_SELECTION, 9, SCRIPTS, 1, None, axdr.null())),
    "plain get with a selection": request(Spec(Op.GET, 9, SCRIPTS, 1, 1, axdr.null())),
    "result": AccessResponse(INVOKE, b"", (), (), (Result(Op.GET, 256),)),
    "invoke": Notification(1 << 32, b"", axdr.null()),
    "date-time": Notification(INVOKE, b"\x00", axdr.null()),
}


@pytest.mark.parametrize("pdu", NOT_ENCODED.values(), ids=NOT_ENCODED)
def test_not_encoded(pdu: Pdu) -> None:
    with pytest.raises(EncodeError):
        cosem.encode(pdu)


invokes = st.integers(0, (1 << 32) - 1)
times = st.sampled_from([b"", TIME])
obis = st.binary(min_size=6, max_size=6)
classes, indexes = st.integers(0, 0xFFFF), st.integers(-128, 127)
specs = st.one_of(
    st.builds(Spec, st.integers(1, 3), classes, obis, indexes),
    st.builds(Spec, st.just(4), classes, obis, indexes, st.integers(0, 255), trees),
)


def tuples_of(elements: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(elements, max_size=3).map(tuple)


results = st.builds(Result, st.integers(1, 5), st.integers(0, 255))
pdus = st.one_of(
    st.builds(AccessRequest, invokes, times, tuples_of(specs), tuples_of(trees)),
    st.builds(AccessResponse, invokes, times, tuples_of(specs), tuples_of(trees), tuples_of(results)),
    st.builds(Notification, invokes, times, trees),
)


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(pdus)
def test_what_is_encoded_decodes_to_the_same(pdu: Pdu) -> None:
    assert cosem.decode(cosem.encode(pdu)) == pdu


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(st.sampled_from(["", "d92000000000", "da200000000000", "0f2000000000"]), st.binary(max_size=60))
def test_anything_decodes_or_is_refused(start: str, rest: bytes) -> None:
    raw = bytes.fromhex(start) + rest
    try:
        pdu = cosem.decode(raw)
    except DecodeError:
        return
    assert cosem.encode(pdu) == raw
