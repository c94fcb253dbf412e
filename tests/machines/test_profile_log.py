"""What a profile captures, how long it keeps it, and which part of it a range or a restriction selects."""

from __future__ import annotations

from typing import Any

import pytest

from devices.machines.parts import profile_log
from devices.machines.parts.civil_clock import EPOCH_2000, CivilTime
from devices.machines.parts.profile_log import ProfileLog, restriction
from devices.model import esme_objects as own
from devices.model.objects import AccessError, ObjectModel, ResultCode
from devices.model.profiles import profiles
from devices.wire import axdr
from devices.wire.axdr import Data

SECOND = 1_000_000_000
PROFILES = profiles("ESME", 2)


def _log() -> tuple[ObjectModel[Any], ProfileLog]:
    model: ObjectModel[Any] = ObjectModel(own.esme_objects(2))
    return model, ProfileLog(model, PROFILES)


def _at(seconds: int) -> CivilTime:
    return CivilTime(EPOCH_2000 + seconds * SECOND)


def _rows(data: Data) -> list[list[Any]]:
    """The cells of each row as numbers, arrays as lists."""
    return [
        [[one.value for one in cell.value] if isinstance(cell.value, tuple) else cell.value for cell in row.value]
        for row in data.value.rows
    ]


def _u32s(first: int, count: int) -> Data:
    return axdr.array(*(axdr.u32(number) for number in range(first, first + count)))


def test_each_column_is_captured_from_the_register_of_its_name() -> None:
    """facts/use-cases.md: the columns of the billing logs by name; every register holds another number."""
    model, log = _log()
    imports = axdr.structure(axdr.u32(1), axdr.array(), axdr.u32(2), axdr.array(), axdr.u32(3))
    model.put(*own.IMPORT_REGISTERS, 2, imports)
    model.put(*own.TOU_REGISTERS, 2, axdr.structure(_u32s(100, 48), _u32s(200, 4)))
    model.put(*own.BLOCK_REGISTERS, 2, axdr.structure(_u32s(300, 64)))
    amounts = {
        (*own.METER_BALANCE, 2): 10,
        (*own.EMERGENCY_CREDIT, 2): 11,
        (*own.ACCUMULATED_DEBT, 2): 12,
        (*own.TIME_DEBTS[0], 12): 13,
        (*own.TIME_DEBTS[1], 12): 14,
        (*own.PAYMENT_DEBT, 12): 15,
    }
    for key, amount in amounts.items():
        model.put(*key, axdr.i32(amount))
    energy: list[Any] = [1, 3, list(range(100, 148)), list(range(200, 204))]
    energy += [list(range(300 + 8 * block, 308 + 8 * block)) for block in range(4)]
    money = [11, 10, 15, 13, 14, 12]
    cells: dict[str, list[Any]] = {
        "0000620100ff": energy,  # billing data
        "0000620101ff": money,
        "0000620109ff": energy,  # daily
        "0000620108ff": money,
        "0000620102ff": [*energy, *money],  # at a change of mode
        "0000630100ff": [0, 0],  # energy that this meter does not count
        "0000630101ff": [0, 0],
    }
    for obis, expected in cells.items():
        log.capture(bytes.fromhex(obis), _at(77))
        assert _rows(model.value(7, bytes.fromhex(obis), 2)) == [[77, *expected]], obis


def test_which_profiles_take_a_row_when() -> None:
    """The OBIS codes of facts/use-cases.md."""
    events = profile_log.REPAYMENTS, profile_log.CREDITS, profile_log.MODE_CHANGES, profile_log.AUXILIARY_LOG
    assert [obis.hex() for obis in events] == ["0000620104ff", "0000620105ff", "0000620102ff", "0011636202ff"]
    assert [obis.hex() for obis in profile_log.BILLING] == ["0000620100ff", "0000620101ff"]
    assert [obis.hex() for obis in profile_log.DAILY] == [
        "0000620109ff",
        "0000620108ff",
        "000062010aff",
        "0000630103ff",
    ]
    assert [obis.hex() for obis in profile_log.HALF_HOURLY] == ["0000630100ff", "0000630101ff", "0000630102ff"]


def test_a_full_profile_loses_its_oldest_row_and_gives_its_newest() -> None:
    model, log = _log()
    row = PROFILES[profile_log.CREDITS].row
    assert log.newest(profile_log.CREDITS) == axdr.compact(row)
    for number in range(7):
        log.append(profile_log.CREDITS, _at(number), axdr.u32(10 + number))
    assert _rows(model.value(7, profile_log.CREDITS, 2)) == [[number, 10 + number] for number in range(2, 7)]
    newest = axdr.compact(row, axdr.structure(axdr.u32(6), axdr.u32(16)))
    assert log.newest(profile_log.CREDITS) == newest


@pytest.mark.parametrize(
    ("first", "last", "read"),
    [
        (20, 40, [20, 30, 40]),  # both ends belong to the range
        (21, 39, [30]),
        (0, 0xFFFFFFFF, [10, 20, 30, 40, 50]),
        (51, 60, []),
        (None, None, [10, 20, 30, 40, 50]),
    ],
)
def test_a_range_has_both_its_ends(first: int | None, last: int | None, read: list[int]) -> None:
    _, log = _log()
    for stamp in (10, 20, 30, 40, 50):
        log.append(profile_log.CREDITS, _at(stamp), axdr.u32(100 - stamp))
    selection = None
    if first is not None and last is not None:
        selection = axdr.structure(axdr.null(), axdr.u32(first), axdr.u32(last), axdr.array())
    getter = log.getters()[7, profile_log.CREDITS, 2]
    found = getter(selection, None)  # type: ignore[arg-type]
    assert _rows(found) == [[stamp, 100 - stamp] for stamp in read]
    assert found.value.description == PROFILES[profile_log.CREDITS].row


def test_a_profile_that_the_device_lacks_is_none_of_its_own() -> None:
    some: ObjectModel[Any] = ObjectModel([one for one in own.esme_objects(2) if one.obis != profile_log.CREDITS])
    keys = set(ProfileLog(some, PROFILES).getters())
    assert keys == {profile.key for profile in PROFILES.values()} - {(7, profile_log.CREDITS, 2)}


ANY = axdr.octets(b"\xff" * 12)


def _dated(seconds: int) -> Data:
    return axdr.octets(_at(seconds).dlms())


@pytest.mark.parametrize(
    ("first", "last", "stamps"),
    [
        (_dated(5), _dated(9), (5, 9)),
        (ANY, _dated(9), (0, 9)),
        (_dated(5), ANY, (5, 0xFFFFFFFF)),
        (axdr.null(), axdr.null(), (0, 0xFFFFFFFF)),
        (_dated(-1), _dated(0), (0, 0)),  # before 2000, where the stamps of the logs begin
        (_dated(0xFFFFFFFF), _dated(0x100000000), (0xFFFFFFFF, 0xFFFFFFFF)),
    ],
)
def test_a_restriction_is_a_range_of_stamps(first: Data, last: Data, stamps: tuple[int, int]) -> None:
    begin, end = (axdr.u32(stamp) for stamp in stamps)
    found = restriction(axdr.structure(axdr.enum(1), axdr.structure(first, last)))
    assert found == axdr.structure(axdr.null(), begin, end, axdr.array())


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [
        (0, axdr.structure(ANY, ANY)),
        (2, axdr.structure(ANY, ANY)),
        (1, axdr.array(ANY, ANY)),
        (1, axdr.structure(ANY)),
        (1, axdr.structure(ANY, ANY, ANY)),
    ],
)
def test_another_restriction_is_refused(kind: int, bounds: Data) -> None:
    with pytest.raises(AccessError) as refused:
        restriction(axdr.structure(axdr.enum(kind), bounds))
    assert refused.value.code == ResultCode.TYPE_UNMATCHED
