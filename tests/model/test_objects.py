"""Object models: access rights, types, bound conduct, and what is saved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.model import data_types
from devices.model.chf_objects import DEVICE_LOG, chf_objects
from devices.model.esme_objects import CLOCK, DISCONNECT, IMPORT_REGISTERS, esme_objects
from devices.model.objects import AccessError, AttributeDef, MethodDef, ObjectDef, ObjectModel, ResultCode
from devices.wire import axdr
from devices.wire.axdr import Data

OBIS = bytes((0, 0, 1, 2, 3, 255))
DEFINITION = ObjectDef(
    1,
    OBIS,
    "thing",
    {
        2: AttributeDef("value", "double-long-unsigned", "rw", axdr.u32(5)),
        3: AttributeDef("secret", "octet-string[4]", "w"),
        4: AttributeDef("fixed", "boolean"),
    },
    {1: MethodDef("do", "integer"), 2: MethodDef("never bound")},
)


def _model() -> ObjectModel[list[int]]:
    model: ObjectModel[list[int]] = ObjectModel((DEFINITION,))

    def do(data: Data, context: list[int]) -> tuple[int, Data | None]:
        context.append(data.value)
        return 0, axdr.u8(1)

    model.bind(methods={(1, OBIS, 1): do})
    return model


GETS = {
    "not open": ((1, OBIS, 3), ResultCode.READ_WRITE_DENIED),
    "no attribute": ((1, OBIS, 9), ResultCode.OBJECT_UNDEFINED),
    "no object": ((1, bytes(6), 2), ResultCode.OBJECT_UNDEFINED),
    "another class": ((3, OBIS, 2), ResultCode.OBJECT_CLASS_INCONSISTENT),
}
SETS = {
    "not open": ((1, OBIS, 4), axdr.boolean(True), ResultCode.READ_WRITE_DENIED),
    "wrong type": ((1, OBIS, 2), axdr.u8(1), ResultCode.TYPE_UNMATCHED),
    "wrong length": ((1, OBIS, 3), axdr.octets(b"123"), ResultCode.TYPE_UNMATCHED),
    "no attribute": ((1, OBIS, 9), axdr.u8(1), ResultCode.OBJECT_UNDEFINED),
}
ACTS = {
    "wrong type": ((1, OBIS, 1), axdr.u8(1), ResultCode.TYPE_UNMATCHED),
    "no method": ((1, OBIS, 7), axdr.i8(1), ResultCode.OBJECT_UNDEFINED),
    "not carried out": ((1, OBIS, 2), axdr.null(), ResultCode.OBJECT_UNAVAILABLE),
}


@pytest.mark.parametrize("name", GETS)
def test_reads_that_are_refused(name: str) -> None:
    key, code = GETS[name]
    with pytest.raises(AccessError) as refused:
        _model().get(key, [])
    assert refused.value.code is code


@pytest.mark.parametrize("name", SETS)
def test_writes_that_are_refused_change_nothing(name: str) -> None:
    key, data, code = SETS[name]
    model = _model()
    with pytest.raises(AccessError) as refused:
        model.set(key, data, [])
    assert refused.value.code is code
    assert model.as_json() == {}
    assert model.revision == 0


@pytest.mark.parametrize("name", ACTS)
def test_methods_that_are_refused(name: str) -> None:
    key, data, code = ACTS[name]
    context: list[int] = []
    with pytest.raises(AccessError) as refused:
        _model().act(key, data, context)
    assert refused.value.code is code
    assert context == []


def test_selective_access_needs_somebody_who_selects() -> None:
    with pytest.raises(AccessError) as refused:
        _model().get((1, OBIS, 2), [], axdr.null())
    assert refused.value.code is ResultCode.SCOPE_OF_ACCESS_VIOLATED


@given(st.integers(0, 2**32 - 1))
def test_what_is_written_is_read_and_saved(number: int) -> None:
    model = _model()
    assert model.get((1, OBIS, 2), []) == axdr.u32(5)
    model.set((1, OBIS, 2), axdr.u32(number), [])
    again = _model()
    again.restore(model.as_json())
    assert again.get((1, OBIS, 2), []) == axdr.u32(number)
    assert again.as_json() == model.as_json()


def test_conduct_is_bound_only_to_what_there_is() -> None:
    model = _model()
    with pytest.raises(KeyError):
        model.bind(methods={(1, OBIS, 5): lambda _, __: (0, None)})
    with pytest.raises(KeyError):
        model.bind(getters={(1, OBIS, 9): lambda _, __: axdr.null()})
    with pytest.raises(KeyError):
        model.put(1, OBIS, 9, axdr.null())
    assert model.act((1, OBIS, 1), axdr.i8(3), []) == (0, axdr.u8(1))


def test_a_setter_may_refuse() -> None:
    model = _model()

    def refuse(data: Data, _: list[int]) -> None:
        raise AccessError(ResultCode.TEMPORARY_FAILURE, f"not {data.value} now")

    model.bind(setters={(1, OBIS, 2): refuse})
    with pytest.raises(AccessError, match="not 7 now"):
        model.set((1, OBIS, 2), axdr.u32(7), [])
    assert model.get((1, OBIS, 2), []) == axdr.u32(5)


def test_saved_entries_of_objects_that_are_no_more_are_left_out() -> None:
    model = _model()
    model.restore({"1/010203040506/2": "0600000001"})
    assert model.as_json() == {}


# -------------------------------------------------------------------------------------------- objects of devices


def test_the_objects_of_a_meter() -> None:
    found = {(d.class_id, d.obis): d for d in esme_objects()}
    assert len(found) == len(esme_objects()) > 150
    assert found[DISCONNECT].attributes[3].access == "r"
    assert found[CLOCK].attributes[9].access == "rw"
    assert found[IMPORT_REGISTERS].attributes[2].access == "r"


def test_a_meter_has_a_value_for_every_attribute() -> None:
    model: ObjectModel[None] = ObjectModel(esme_objects())
    for definition in esme_objects():
        for index, attribute in definition.attributes.items():
            value = model.value(definition.class_id, definition.obis, index)
            axdr.encode(value)
            if attribute.type != "any":
                assert data_types.matches(data_types.parse(attribute.type), value), (definition.name, index)


def test_the_objects_of_a_hub() -> None:
    found = {(d.class_id, d.obis): d for d in chf_objects()}
    assert set(found[DEVICE_LOG].methods) == {1, 2, 4, 5}
    assert set(found[DEVICE_LOG].attributes) == {2, 3, 4}


# -------------------------------------------------------------------------------------------------------- types

FITS = [
    ("long-unsigned", axdr.u16(1), True),
    ("long-unsigned", axdr.u8(1), False),
    ("octet-string(12)", axdr.octets(b"1"), True),
    ("octet-string[12]", axdr.octets(b"1"), False),
    ("structure{enum, boolean}", axdr.structure(axdr.enum(1), axdr.boolean(True)), True),
    ("structure{enum, boolean}", axdr.structure(axdr.enum(1), axdr.null()), True),
    ("structure{enum, boolean}", axdr.structure(axdr.enum(1)), False),
    ("array of structure{enum}", axdr.array(), True),
    ("array of structure{enum}", axdr.array(axdr.structure(axdr.u8(1))), False),
    ("unsigned | long-unsigned", axdr.u16(1), True),
    ("structure", axdr.structure(axdr.u8(1)), True),
    ("structure{enum, integer, long-uns...", axdr.structure(axdr.u8(1)), True),
    ("any", axdr.null(), True),
]


@pytest.mark.parametrize(("text", "data", "expected"), FITS)
def test_types(text: str, data: Data, expected: bool) -> None:
    assert data_types.matches(data_types.parse(text), data) is expected


@pytest.mark.parametrize(
    "text", ["", "structur", "structure{", "structure{enum", "enum}", "array of", "enum enum", "?"]
)
def test_texts_that_are_no_type(text: str) -> None:
    with pytest.raises(ValueError, match="type"):
        data_types.parse(text)
