"""The DLMS access PDUs of GBCS: access-request, access-response and data-notification.

Values are ``axdr.Data``; which object an access reaches and what it does there does not live here.

Layout: facts/gbcs.md 3.1 and 3.9.  Decoding is strict: no octet may be left over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct, error
from typing import TypeVar

from devices.wire import axdr
from devices.wire.axdr import Data
from devices.wire.errors import DecodeError, EncodeError

__all__ = [
    "AccessRequest",
    "AccessResponse",
    "Notification",
    "Op",
    "Pdu",
    "Result",
    "Spec",
    "decode",
    "decode_partly",
    "encode",
]

_LAYER = "cosem"
_REQUEST = 0xD9
_RESPONSE = 0xDA
_NOTIFICATION = 0x0F
_HEADER = Struct(">IB")  # long-invoke-id-and-priority, length of the date-time
_SPEC = Struct(">BH6sb")


class Op(IntEnum):
    """What one access does."""

    GET = 1
    SET = 2
    ACTION = 3
    GET_SELECTION = 4


@dataclass(frozen=True, slots=True)
class Spec:
    """One access: class, OBIS code (6 octets), attribute or method number.

    ``selector`` and ``selection`` stand with ``Op.GET_SELECTION`` alone, and there both must.
    """

    op: int
    class_id: int
    obis: bytes
    index: int
    selector: int | None = None
    selection: Data | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one access: 0 is success; else a data-access-result or action-result (facts/gbcs.md 3.4)."""

    op: int
    code: int


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A list of accesses and a datum for each (null for a get).

    ``invoke`` is the long-invoke-id-and-priority; ``date_time`` is empty or 12 octets.  That there are as many data as
    specs is for the one who executes them to check: the encoding does not ask it.
    """

    invoke: int
    date_time: bytes
    specs: tuple[Spec, ...]
    data: tuple[Data, ...]


@dataclass(frozen=True, slots=True)
class AccessResponse:
    """The answers, in the order of the request.  ``specs`` is empty in every published message."""

    invoke: int
    date_time: bytes
    specs: tuple[Spec, ...]
    data: tuple[Data, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Notification:
    """A data-notification, the body of every DLMS alert: mostly a structure that begins with code and time stamp."""

    invoke: int
    date_time: bytes
    body: Data


Pdu = AccessRequest | AccessResponse | Notification

# ------------------------------------------------------------------------------------------------------------- decoding


def decode(octets: bytes) -> Pdu:
    """Read one whole PDU.  Raises ``DecodeError`` for anything else."""
    try:
        pdu, position = _read(octets)
    except (IndexError, error):
        raise DecodeError(_LAYER, len(octets), "the PDU ends too early") from None
    if position < len(octets):
        raise DecodeError(_LAYER, position, f"{len(octets) - position} octets left over after the PDU")
    if position > len(octets):
        raise DecodeError(_LAYER, len(octets), "the PDU ends too early")
    return pdu


def _read(octets: bytes) -> tuple[Pdu, int]:
    tag = octets[0]
    if tag not in (_REQUEST, _RESPONSE, _NOTIFICATION):
        raise DecodeError(_LAYER, 0, f"tag {tag:02x} is no access-request d9, access-response da or notification 0f")
    invoke, dated = _HEADER.unpack_from(octets, 1)
    position = 6 + dated
    if dated not in (0, 12):
        raise DecodeError(_LAYER, 5, f"date-time of {dated} octets, expected 0 or 12")
    date_time = octets[6:position]
    if tag == _NOTIFICATION:
        body, position = axdr.read(octets, position)
        return Notification(invoke, date_time, body), position
    if tag == _REQUEST:
        specs, position = _read_specs(octets, position)
        data, position = _read_data(octets, position)
        return AccessRequest(invoke, date_time, specs, data), position
    specs, position = _read_optional_specs(octets, position)
    data, position = _read_data(octets, position)
    results, position = _read_results(octets, position)
    return AccessResponse(invoke, date_time, specs, data, results), position


def decode_partly(octets: bytes) -> tuple[Pdu | None, int, DecodeError]:
    """What can be read of octets that :func:`decode` refuses: the PDU with the elements that are whole, where they end,
    and what is wrong there.  No PDU where not even its header can be read."""
    try:
        decode(octets)
    except DecodeError as fault:
        wrong = fault
    else:
        raise ValueError("these octets are a whole PDU")
    try:
        tag = octets[0]
        invoke, dated = _HEADER.unpack_from(octets, 1)
    except (IndexError, error):
        return None, 0, wrong
    start = 6 + dated
    if tag not in (_REQUEST, _RESPONSE, _NOTIFICATION) or dated not in (0, 12) or start > len(octets):
        return None, 0, wrong
    date_time = octets[6:start]
    if tag == _NOTIFICATION:
        body, end = _body_partly(octets, start)
        return Notification(invoke, date_time, body), end, wrong
    lists = _Partly(octets, start)
    if tag == _REQUEST:
        specs, data = lists.read(_read_specs), lists.read(_read_data)
        return AccessRequest(invoke, date_time, specs, data), lists.end, wrong
    specs = lists.optional_specs()
    return (
        AccessResponse(invoke, date_time, specs, lists.read(_read_data), lists.read(_read_results)),
        lists.end,
        wrong,
    )


_Element = TypeVar("_Element")


class _Partly:
    """Lists one after another, each as far as its elements can be read; nothing after one that isn't whole."""

    def __init__(self, octets: bytes, position: int) -> None:
        self._octets, self.end, self._whole = octets, position, True

    def read(self, elements: Callable[[bytes, int], tuple[tuple[_Element, ...], int]]) -> tuple[_Element, ...]:
        found: list[_Element] = []
        if not self._whole:
            return ()
        try:
            count, self.end = axdr.read_length(self._octets, self.end)
            for _ in range(count):
                one, after = elements(b"\x01" + self._octets[self.end :], 0)
                if self.end + after - 1 > len(self._octets):
                    raise IndexError
                found += one
                self.end += after - 1
        except (DecodeError, IndexError, error):
            self._whole = False
        return tuple(found)

    def optional_specs(self) -> tuple[Spec, ...]:
        present = self._octets[self.end : self.end + 1]
        if present == b"\x00":
            self.end += 1
        elif present == b"\x01":
            self.end += 1
            return self.read(_read_specs)
        else:
            self._whole = False
        return ()


def _body_partly(octets: bytes, start: int) -> tuple[Data, int]:
    """The body of a notification: a structure with the elements that are whole."""
    if octets[start : start + 1] != bytes((axdr.Tag.STRUCTURE,)):
        return axdr.null(), start
    elements = _Partly(octets, start + 1)
    return axdr.structure(*elements.read(_read_data)), elements.end


def _read_count(octets: bytes, position: int, smallest: int) -> tuple[int, int]:
    """A count of things that take at least ``smallest`` octets each."""
    count, position = axdr.read_length(octets, position)
    if count * smallest > len(octets) - position:
        raise DecodeError(_LAYER, position, f"{count} elements announced, {len(octets) - position} octets left")
    return count, position


def _read_specs(octets: bytes, position: int) -> tuple[tuple[Spec, ...], int]:
    count, position = _read_count(octets, position, _SPEC.size)
    specs = []
    for _ in range(count):
        op, class_id, obis, index = _SPEC.unpack_from(octets, position)
        position += _SPEC.size
        if 1 <= op <= 3:
            specs.append(Spec(op, class_id, obis, index))
        elif op == 4:
            selection, after = axdr.read(octets, position + 1)
            specs.append(Spec(op, class_id, obis, index, octets[position], selection))
            position = after
        else:
            raise DecodeError(_LAYER, position - _SPEC.size, f"access choice {op:02x}, expected 01 to 04")
    return tuple(specs), position


def _read_optional_specs(octets: bytes, position: int) -> tuple[tuple[Spec, ...], int]:
    """The specs of a response are OPTIONAL: 00, or 01 and the list.

    Only 00 is proved by published messages; that 01 is a presence flag is recalled from the DLMS syntax.
    """
    present = octets[position]
    if present == 0:
        return (), position + 1
    if present != 1:
        raise DecodeError(_LAYER, position, f"presence of the specs is {present:02x}, expected 00 or 01")
    specs, after = _read_specs(octets, position + 1)
    if not specs:
        raise DecodeError(_LAYER, position, "an empty list of specs is written as absent, 00")
    return specs, after


def _read_data(octets: bytes, position: int) -> tuple[tuple[Data, ...], int]:
    count, position = _read_count(octets, position, 1)
    data = []
    for _ in range(count):
        datum, position = axdr.read(octets, position)
        data.append(datum)
    return tuple(data), position


def _read_results(octets: bytes, position: int) -> tuple[tuple[Result, ...], int]:
    count, position = _read_count(octets, position, 2)
    end = position + 2 * count
    results = []
    for start in range(position, end, 2):
        op, code = octets[start], octets[start + 1]
        if not 1 <= op <= 5:
            raise DecodeError(_LAYER, start, f"result choice {op:02x}, expected 01 to 05")
        results.append(Result(op, code))
    return tuple(results), end


# ------------------------------------------------------------------------------------------------------------- encoding


def encode(pdu: Pdu) -> bytes:
    """The octets of a PDU.  Raises ``EncodeError`` for values that no octets can carry."""
    if isinstance(pdu, Notification):
        return _header(_NOTIFICATION, pdu) + axdr.encode(pdu.body)
    if isinstance(pdu, AccessRequest):
        return b"".join((_header(_REQUEST, pdu), *_specs(pdu.specs), *_data(pdu.data)))
    if isinstance(pdu, AccessResponse):
        parts = [_header(_RESPONSE, pdu)]
        parts += (b"\x01", *_specs(pdu.specs)) if pdu.specs else (b"\x00",)
        parts += _data(pdu.data)
        parts.append(axdr.encode_length(len(pdu.results)))
        parts += [_result(result) for result in pdu.results]
        return b"".join(parts)
    raise EncodeError(_LAYER, f"{type(pdu).__name__} is no access PDU")


def _header(tag: int, pdu: Pdu) -> bytes:
    if len(pdu.date_time) not in (0, 12):
        raise EncodeError(_LAYER, f"date-time of {len(pdu.date_time)} octets, expected 0 or 12")
    if not 0 <= pdu.invoke < 1 << 32:
        raise EncodeError(_LAYER, f"invoke id {pdu.invoke} does not fit four octets")
    return bytes((tag,)) + _HEADER.pack(pdu.invoke, len(pdu.date_time)) + pdu.date_time


def _specs(specs: tuple[Spec, ...]) -> list[bytes]:
    return [axdr.encode_length(len(specs)), *map(_spec, specs)]


def _spec(spec: Spec) -> bytes:
    selective = spec.op == Op.GET_SELECTION
    if not 1 <= spec.op <= 4 or len(spec.obis) != 6:
        raise EncodeError(_LAYER, f"{spec} needs a choice of 1 to 4 and an OBIS code of 6 octets")
    if selective != (spec.selector is not None) or selective != (spec.selection is not None):
        raise EncodeError(_LAYER, f"{spec}: selector and selection go with a selective get, and both must be there")
    try:
        octets = _SPEC.pack(spec.op, spec.class_id, spec.obis, spec.index)
        if spec.selector is None or spec.selection is None:
            return octets
        return octets + spec.selector.to_bytes(1, "big") + axdr.encode(spec.selection)
    except (error, OverflowError):
        raise EncodeError(_LAYER, f"{spec} does not fit its octets") from None


def _data(data: tuple[Data, ...]) -> list[bytes]:
    return [axdr.encode_length(len(data)), *map(axdr.encode, data)]


def _result(result: Result) -> bytes:
    if not 1 <= result.op <= 5 or not 0 <= result.code <= 0xFF:
        raise EncodeError(_LAYER, f"{result} needs a choice of 1 to 5 and a code of one octet")
    return bytes((result.op, result.code))
