"""Objects read from rows: types held against values, activations, profiles."""

from __future__ import annotations

import pytest

from devices.model import data_types, use_cases
from devices.model.esme_objects import DISABLEMENT_THRESHOLD, esme_objects
from devices.model.hcalcs_objects import hcalcs_objects
from devices.model.objects import AccessError, ObjectModel, ResultCode
from devices.model.profiles import profiles
from devices.model.row_objects import objects_of, type_of
from devices.wire import axdr
from devices.wire.axdr import Data, Tag

CALENDAR = (11, bytes((0, 1, 11, 0, 0, 255)), 2)
DAY = axdr.structure(axdr.u16(1), axdr.octets(bytes(5)), axdr.u8(1))
WRONG = {
    "a wrong element": axdr.array(axdr.structure(axdr.u16(1), axdr.octets(bytes(5)), axdr.u16(1))),
    "too few elements": axdr.array(axdr.structure(axdr.u16(1), axdr.octets(bytes(5)))),
    "no array": DAY,
    "one good row and one bad": axdr.array(DAY, axdr.u8(1)),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_written_is_typed_all_the_way_down(case: str) -> None:
    model: ObjectModel[None] = ObjectModel(esme_objects())
    with pytest.raises(AccessError) as refused:
        model.set(CALENDAR, WRONG[case], None)
    assert refused.value.code is ResultCode.TYPE_UNMATCHED
    assert not model.written(CALENDAR)
    model.set(CALENDAR, axdr.array(DAY, DAY), None)
    assert model.written(CALENDAR)


def test_a_type_that_the_table_cut_short_is_completed_from_the_fields() -> None:
    (row,) = use_cases.by_name("DBCH04").dlms
    assert row.data_type is not None
    assert row.data_type.endswith("...")
    (kind,) = data_types.parse(type_of(row))
    assert kind.elements is not None
    assert len(kind.elements) == len(row.fields) == 15


def test_lengths_of_samples_are_no_rule() -> None:
    assert data_types.unsized("array of structure{octet-string(12), octet-string[5]}") == (
        "array of structure{octet-string, octet-string[5]}"
    )


def _leaves(data: Data) -> bool:
    """Whether every array in ``data`` has a row."""
    if data.tag == Tag.ARRAY:
        return bool(data.value) and all(map(_leaves, data.value))
    return data.tag != Tag.STRUCTURE or all(map(_leaves, data.value))


def test_what_can_be_read_is_delivered_with_a_row_of_each_kind() -> None:
    model: ObjectModel[None] = ObjectModel(esme_objects())
    checked = 0
    for definition in esme_objects():
        for index, attribute in definition.attributes.items():
            if "r" in attribute.access and "array of" in attribute.type and definition.class_id != 7:
                assert _leaves(model.value(definition.class_id, definition.obis, index)), definition.name
                checked += 1
    assert checked > 20
    assert model.value(*DISABLEMENT_THRESHOLD, 2) == axdr.array(axdr.i32(0))


def test_a_twin_element_meter_has_more_columns() -> None:
    one, two = (profiles("ESME", elements) for elements in (1, 2))
    assert one.keys() == two.keys()
    longer = {p.name for obis, p in two.items() if len(p.columns) > len(one[obis].columns)}
    assert "DailyReadLog(excExport)" in longer
    assert all(p.capacity > 0 and p.columns[0].type.tag == Tag.DOUBLE_LONG_UNSIGNED for p in two.values())


def test_a_device_without_dlms_commands_has_no_objects() -> None:
    assert hcalcs_objects() == objects_of("HCALCS") == ()
