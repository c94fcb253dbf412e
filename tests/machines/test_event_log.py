"""Event logs on their own: rings, ranges with both ends, rows of each log's layout, what outlives a power cut."""

from __future__ import annotations

import json

import pytest

from devices.machines.parts.civil_clock import CivilTime, from_zcl
from devices.machines.parts.event_log import LAYOUTS, Entry, EventLog, selected_range
from devices.model.alerts import Log
from devices.model.objects import AccessError, ResultCode
from devices.wire import axdr
from devices.wire.axdr import Data


def selection(first: Data, last: Data, *more: Data) -> Data:
    return axdr.structure(axdr.null(), first, last, *(more or (axdr.array(),)))


@pytest.mark.parametrize(
    ("log", "other", "row"),
    [
        (Log.EVENT, b"\x01\x02", (axdr.u32(10), axdr.u16(0x8154), axdr.octets(b"\x01\x02"))),
        (Log.EVENT, None, (axdr.u32(10), axdr.u16(0x8154), axdr.octets(b""))),
        (Log.SECURITY, None, (axdr.u32(10), axdr.u16(0x8154))),
        (Log.POWER, 180, (axdr.u32(10), axdr.u16(0x8154), axdr.u32(180))),
        (Log.POWER, None, (axdr.u32(10), axdr.u16(0x8154), axdr.u32(0))),
    ],
)
def test_the_rows_of_each_log(log: Log, other: bytes | int | None, row: tuple[Data, ...]) -> None:
    made = EventLog(log)
    made.add(CivilTime(from_zcl(10)), 0x8154, other)
    assert made.read(None) == axdr.compact(LAYOUTS[log], axdr.structure(*row))
    again = EventLog(log)
    again.restore(json.loads(json.dumps(made.as_json())))
    assert again.entries == made.entries == (Entry(10, 0x8154, other),)
    assert again.as_json() == made.as_json()


def test_the_oldest_goes_first_and_a_range_has_both_its_ends() -> None:
    made = EventLog(Log.SECURITY, capacity=3)
    for at in (10, 20, 30, 40):
        made.add(CivilTime(from_zcl(at)), at)
    assert [entry.at for entry in made.entries] == [20, 30, 40]
    assert [row[0] for row in made.as_json()] == [20, 30, 40]
    for first, last, found in ((0, 0xFFFFFFFF, [20, 30, 40]), (20, 30, [20, 30]), (21, 39, [30]), (41, 99, [])):
        rows = made.read(selection(axdr.u32(first), axdr.u32(last))).value.rows
        assert [row.value[0].value for row in rows] == found
    made.clear()
    assert (made.entries, made.as_json()) == ((), [])
    made.restore(None)
    assert made.entries == ()


@pytest.mark.parametrize(
    "wrong",
    [
        axdr.null(),
        axdr.array(axdr.null(), axdr.u32(0), axdr.u32(1), axdr.array()),
        axdr.structure(axdr.null(), axdr.u32(0), axdr.u32(1)),
        selection(axdr.u16(0), axdr.u32(1)),
        selection(axdr.u32(0), axdr.u16(1)),
        selection(axdr.u32(0), axdr.u32(1), axdr.array(), axdr.array()),
    ],
)
def test_what_is_no_range(wrong: Data) -> None:
    with pytest.raises(AccessError) as refused:
        selected_range(wrong)
    assert refused.value.code is ResultCode.TYPE_UNMATCHED
    assert selected_range(None) == (0, 0xFFFFFFFF)
