"""Encrypted parts are found from the structure of a payload, wherever they stand, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from devices.trust.sealed import SealedPart, sealed_parts
from devices.wire import axdr, cosem, gbz, zcl
from devices.wire.axdr import Data
from devices.wire.payload import Payload

BLOB = b"1\0\0\0\0" + bytes(13)


def parameters(kind: Data | None = None, fields: int = 5) -> Data:
    parts = [axdr.octets(b"\x04" + bytes(8)), axdr.octets(bytes(8)), axdr.octets(bytes(8)), axdr.octets(b"")]
    parts.append(axdr.structure(axdr.enum(2), axdr.structure(axdr.octets(b"\x02"), axdr.octets(b""))))
    return axdr.array(axdr.structure(kind or axdr.enum(2), axdr.structure(*parts[:fields])))


def response(*data: Data) -> Payload:
    return cosem.AccessResponse(0, b"", (), data, ())


def component(payload: bytes, encrypted: bool) -> gbz.Component:
    additional = gbz.AdditionalHeader(0, 0) if encrypted else None
    return gbz.Component(0x0702, zcl.Frame(0x18, 0, 1, payload), None, additional)


SEALED = axdr.structure(parameters(), axdr.octets(BLOB))


@pytest.mark.parametrize(
    ("payload", "places"),
    [
        (response(SEALED), ["datum 1.2"]),
        (response(axdr.null(), SEALED, axdr.u8(1), SEALED), ["datum 2.2", "datum 4.2"]),
        (response(axdr.array(axdr.structure(axdr.u8(1), SEALED))), ["datum 1.1.2.2"]),
        (response(parameters(), axdr.octets(BLOB)), ["datum 2"]),
        (
            cosem.Notification(0, b"", axdr.structure(axdr.u16(1), axdr.octets(b""), parameters(), axdr.octets(BLOB))),
            ["datum 4"],
        ),
        (
            gbz.Payload((component(b"", False), component(BLOB, True), component(BLOB, True))),
            ["component 2", "component 3"],
        ),
        (gbz.Alert(0x8F66, 0, (component(BLOB, True),)), ["component 1"]),
    ],
)
def test_where_encrypted_parts_are(payload: Payload, places: list[str]) -> None:
    assert sealed_parts(payload) == [SealedPart(place, BLOB) for place in places]


@pytest.mark.parametrize(
    "payload",
    [
        response(),
        response(axdr.octets(BLOB)),
        response(axdr.structure(axdr.octets(BLOB), axdr.octets(BLOB))),
        response(axdr.structure(axdr.array(), axdr.octets(BLOB))),
        response(axdr.structure(parameters(), axdr.null(), axdr.octets(BLOB))),
        response(axdr.structure(parameters(), axdr.bits(BLOB))),
        response(axdr.structure(parameters(kind=axdr.u8(2)), axdr.octets(BLOB))),
        response(axdr.structure(parameters(fields=4), axdr.octets(BLOB))),
        response(axdr.structure(parameters(), parameters())),
        cosem.AccessRequest(0, b"", (), (SEALED,)),
        gbz.Payload((component(BLOB, False),)),
        gbz.Alert(0x8154, 0),
    ],
)
def test_what_is_no_encrypted_part(payload: Payload) -> None:
    assert sealed_parts(payload) == []
