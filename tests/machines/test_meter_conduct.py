"""The conduct of a meter's objects, class by class, with a meter that only notes what it is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from devices.events.accounts import BlocksReset
from devices.machines.core import Record, Show
from devices.machines.parts.civil_clock import CivilTime, ClockStatus
from devices.machines.parts.contactor import Supply, SupplyEvent
from devices.machines.parts.event_log import EventLog
from devices.machines.parts.execution import CommandContext
from devices.machines.parts.load_switch import LoadSwitch
from devices.machines.parts.meter_conduct import bind_conduct
from devices.machines.parts.meter_functions import MeterFunctions
from devices.model import esme_objects as own
from devices.model import use_cases
from devices.model.alerts import Log
from devices.model.objects import AccessError, AttributeDef, MethodDef, ObjectDef, ObjectModel, ResultCode
from devices.model.roles import Role
from devices.wire import axdr
from devices.wire.axdr import Data
from devices.wire.gbcs import Message
from tests.machines.meter_bench import KEYS, METER, SUPPLIER, cells

SECOND = 1_000_000_000
TIME = CivilTime(1_446_854_400 * SECOND, ClockStatus.UNRELIABLE)
OBIS = bytes((9, 9, 9, 9, 9, 255))
INTERVAL = [CivilTime(TIME.ns + seconds * SECOND) for seconds in (-10, 10)]


class _Meter:
    """What the objects need of a meter."""

    def __init__(self, objects: ObjectModel[CommandContext]) -> None:
        self.logs = {log: EventLog(log) for log in Log}
        self.switch = LoadSwitch(Supply.ARMED, told=lambda state: state)
        self.firmware = b"\1\2\3\4"
        self.events: list[SupplyEvent] = []
        self.notes: list[int] = []
        self.hub = 0
        self.set: list[int] = []
        place: Any = SimpleNamespace(note=self.note)
        self.functions = MeterFunctions(place, METER, KEYS, cells(), objects)

    def supply_event(self, event: SupplyEvent, _: CommandContext) -> None:
        self.events.append(event)

    def time(self, now: int) -> CivilTime:
        return CivilTime(TIME.ns + now, TIME.status)

    def hub_time(self, now: int) -> int:
        return self.hub + now

    def set_time(self, ns: int, _: CommandContext) -> None:
        self.set.append(ns)

    def note(self, code: int, *, tell: bool = True) -> None:
        assert tell
        self.notes.append(code)


def _context() -> CommandContext:
    message = Message(1, 77, SUPPLIER, METER, 0x62, b"")
    return CommandContext(5, TIME, message, use_cases.by_name("ECS17b"), Role.SUPPLIER, lambda octets: b"<" + octets)


def _bench(*more: ObjectDef) -> tuple[ObjectModel[CommandContext], _Meter, CommandContext]:
    objects: ObjectModel[CommandContext] = ObjectModel([*own.esme_objects(1), *more])
    meter = _Meter(objects)
    bind_conduct(objects, meter)
    return objects, meter, _context()


def _refused(code: ResultCode) -> Any:
    return pytest.raises(AccessError, match=code.name.lower())


# ------------------------------------------------------------------------------------------------- supply, clock, logs


@pytest.mark.parametrize(
    ("script", "event"), [(51, SupplyEvent.ENABLE), (52, SupplyEvent.DISABLE), (54, SupplyEvent.ARM)]
)
def test_the_scripts_of_the_supply(script: int, event: SupplyEvent) -> None:
    objects, meter, context = _bench()
    assert objects.act((*own.SCRIPTS, 1), axdr.u16(script), context) == (0, None)
    assert meter.events == [event]
    for other in (50, 53, 55):
        with _refused(ResultCode.OTHER_REASON):
            objects.act((*own.SCRIPTS, 1), axdr.u16(other), context)
    assert meter.events == [event]


def test_the_script_of_the_block_counters() -> None:
    objects, _, context = _bench()
    table = (9, bytes((0, 0, 10, 0, 100, 255)), 1)
    assert objects.act(table, axdr.u16(0x63), context) == (0, None)
    assert context.effects == [Record(BlocksReset(counter=77))]
    for other in (0x62, 0x64):
        with _refused(ResultCode.OTHER_REASON):
            objects.act(table, axdr.u16(other), context)


@pytest.mark.parametrize(("offset", "taken"), [(-10, True), (10, True), (0, True), (-11, False), (11, False)])
def test_the_hubs_time_is_taken_inside_the_interval_once(offset: int, taken: bool) -> None:
    objects, meter, context = _bench()
    parts = (axdr.octets(moment.dlms()) for moment in (INTERVAL[0], *INTERVAL))
    assert objects.act((*own.CLOCK, 5), axdr.structure(*parts), context) == (0, None)
    meter.hub = TIME.ns + offset * SECOND - context.now
    if taken:
        assert objects.act((*own.CLOCK, 4), axdr.i8(0), context) == (0, None)
    else:
        with _refused(ResultCode.OTHER_REASON):
            objects.act((*own.CLOCK, 4), axdr.i8(0), context)
    assert meter.set == [TIME.ns + offset * SECOND] * taken
    with _refused(ResultCode.OTHER_REASON):
        objects.act((*own.CLOCK, 4), axdr.i8(0), context)


def test_which_intervals_there_are() -> None:
    objects, meter, context = _bench()
    first, last = (axdr.octets(moment.dlms()) for moment in INTERVAL)
    unknown = axdr.octets(b"\xff" * 12)
    for interval in ((last, first), (unknown, last), (first, unknown)):
        with _refused(ResultCode.OTHER_REASON):
            objects.act((*own.CLOCK, 5), axdr.structure(first, *interval), context)
    assert objects.act((*own.CLOCK, 5), axdr.structure(unknown, first, first), context) == (0, None), "one instant"
    meter.hub = INTERVAL[0].ns - context.now
    objects.act((*own.CLOCK, 4), axdr.i8(0), context)
    assert meter.set == [INTERVAL[0].ns]


def test_what_is_read_of_the_meter_itself() -> None:
    objects, meter, context = _bench()
    now = meter.time(context.now)
    reads = {
        (*own.DISCONNECT, 2): axdr.boolean(False),
        (*own.DISCONNECT, 3): axdr.enum(2),
        (*own.FIRMWARE, 2): axdr.octets(b"\1\2\3\4"),
        (*own.CLOCK, 2): axdr.octets(now.dlms(0x02)),
        (*own.CLOCK, 4): axdr.u8(0x02),
    }
    for key, data in reads.items():
        assert objects.get(key, context) == data
    for number, (place, log) in enumerate(
        ((own.EVENT_LOG, Log.EVENT), (own.SECURITY_LOG, Log.SECURITY), (own.POWER_LOG, Log.POWER))
    ):
        meter.logs[log].add(TIME, 0x8F00 + number, 7 if log is Log.POWER else b"" if log is Log.EVENT else None)
        (row,) = objects.get((*place, 2), context).value.rows
        assert row.value[1].value == 0x8F00 + number
    selection = axdr.structure(axdr.null(), axdr.u32(0), axdr.u32(TIME.zcl - 1), axdr.array())
    for place in (own.EVENT_LOG, own.SECURITY_LOG, own.POWER_LOG):
        assert objects.get((*place, 2), context, selection).value.rows == ()
    assert objects.act((*own.EVENT_LOG, 1), axdr.i8(0), context) == (0, None)
    assert objects.get((*own.EVENT_LOG, 2), context).value.rows == ()
    assert meter.notes == [0x8F52]
    assert len(objects.get((*own.SECURITY_LOG, 2), context).value.rows) == 1


def test_what_is_shown() -> None:
    objects, _, context = _bench()
    objects.set((*own.SUPPLIER_MESSAGE, 2), axdr.octets(b"Good day".ljust(116)), context)
    objects.set((*own.CUSTOMER_NUMBER, 2), axdr.octets(b"123456789\xff"), context)
    assert context.effects == [Show("Good day".ljust(116)), Show("CIN 123456789\N{REPLACEMENT CHARACTER}")]


def test_the_balances_in_their_order() -> None:
    objects, _, context = _bench()
    places = [(*place, 2) for place in (own.METER_BALANCE, own.EMERGENCY_CREDIT, own.ACCUMULATED_DEBT)]
    places += [(*place, 12) for place in (*own.TIME_DEBTS, own.PAYMENT_DEBT)]
    for number, place in enumerate(places, 1):
        objects.put(*place, axdr.i32(number))
    wanted = axdr.structure(*(axdr.i32(number) for number in range(1, 7)))
    assert objects.get((*own.PREPAYMENT_BALANCES, 2), context) == wanted


# ------------------------------------------------------------------------------------------------- conduct of a class


def _object(class_id: int, method: int, argument: str, **attributes: Data) -> ObjectDef:
    """An object of a class with one method; ``attributes`` by index, as in ``a2``."""
    types = {
        name: "double-long-unsigned" if data.tag == axdr.Tag.DOUBLE_LONG_UNSIGNED else "double-long"
        for name, data in attributes.items()
    }
    found = {int(name[1:]): AttributeDef(name, types[name], "rw", data) for name, data in attributes.items()}
    return ObjectDef(class_id, OBIS, "an object", found, {method: MethodDef("a method", argument)})


def test_a_register_is_reset_and_an_extended_one_says_when() -> None:
    for class_id, attributes in ((3, {"a2": axdr.u32(9)}), (4, {"a2": axdr.u32(9)})):
        objects, _, context = _bench(_object(class_id, 1, "integer", **attributes))
        assert objects.act((class_id, OBIS, 1), axdr.i8(0), context) == (0, None)
        assert objects.value(class_id, OBIS, 2) == axdr.u32(0)
    extended = ObjectDef(
        4,
        OBIS,
        "maximum demand",
        {2: AttributeDef("value", "double-long", "r", axdr.i32(9)), 5: AttributeDef("at", "octet-string[12]", "r")},
        {1: MethodDef("reset", "integer")},
    )
    objects, _, context = _bench(extended)
    objects.act((4, OBIS, 1), axdr.i8(0), context)
    assert (objects.value(4, OBIS, 2), objects.value(4, OBIS, 5)) == (axdr.i32(0), axdr.octets(TIME.dlms()))
    objects, _, context = _bench(_object(3, 1, "integer"))
    with _refused(ResultCode.OBJECT_UNAVAILABLE):
        objects.act((3, OBIS, 1), axdr.i8(0), context)


# Class, method, attribute, what it holds; the argument; what it holds then (None: it is refused).
AMOUNTS: list[tuple[int, int, str, Data, int, int | None]] = [
    (112, 1, "a2", axdr.i32(100), 5, 105),
    (112, 1, "a2", axdr.i32(100), -105, -5),
    (112, 2, "a2", axdr.i32(100), 5, 5),
    (113, 4, "a12", axdr.i32(100), -5, 95),
    (112, 1, "a2", axdr.i32(1), 0x7FFFFFFE, 0x7FFFFFFF),
    (112, 1, "a2", axdr.i32(1), 0x7FFFFFFF, None),
    (112, 1, "a2", axdr.i32(-1), -0x7FFFFFFF, -0x80000000),
    (112, 1, "a2", axdr.i32(-1), -0x80000000, None),
    (113, 4, "a12", axdr.u32(5), -5, 0),
    (113, 4, "a12", axdr.u32(5), -6, None),
    (113, 4, "a12", axdr.u32(0xFFFFFFFE), 1, 0xFFFFFFFF),
    (113, 4, "a12", axdr.u32(0xFFFFFFFE), 2, None),
]


@pytest.mark.parametrize(("class_id", "method", "attribute", "held", "argument", "after"), AMOUNTS)
def test_amounts_are_changed_or_set_within_what_their_register_holds(
    class_id: int, method: int, attribute: str, held: Data, argument: int, after: int | None
) -> None:
    objects, _, context = _bench(_object(class_id, method, "double-long", **{attribute: held}))
    key, place = (class_id, OBIS, method), (class_id, OBIS, int(attribute[1:]))
    if after is None:
        with _refused(ResultCode.OTHER_REASON):
            objects.act(key, axdr.i32(argument), context)
        assert objects.value(*place) == held
        return
    assert objects.act(key, axdr.i32(argument), context) == (0, None)
    assert objects.value(*place) == Data(held.tag, after)


@pytest.mark.parametrize(("class_id", "method"), [(112, 1), (112, 2), (113, 4), (113, 2)])
def test_an_account_without_what_is_changed(class_id: int, method: int) -> None:
    objects, _, context = _bench(_object(class_id, method, "double-long"))
    with _refused(ResultCode.OBJECT_UNAVAILABLE):
        objects.act((class_id, OBIS, method), axdr.i32(1), context)


def test_a_method_without_conduct_is_not_available() -> None:
    objects, _, context = _bench(_object(5, 1, "integer"))
    with _refused(ResultCode.OBJECT_UNAVAILABLE):
        objects.act((5, OBIS, 1), axdr.i8(0), context)


def test_a_passive_charge_becomes_the_active_one() -> None:
    objects, _, context = _bench(_object(113, 2, "integer", a5=axdr.i32(1), a6=axdr.i32(2)))
    assert objects.act((113, OBIS, 2), axdr.i8(0), context) == (0, None)
    assert [objects.value(113, OBIS, index) for index in (5, 6)] == [axdr.i32(2), axdr.i32(2)]


def test_a_profile_is_emptied() -> None:
    buffer = {2: AttributeDef("buffer", "structure", "r")}
    objects, _, context = _bench(ObjectDef(7, OBIS, "a profile", buffer, {1: MethodDef("reset", "integer")}))
    row = axdr.TypeDescription(axdr.Tag.UNSIGNED)
    objects.put(7, OBIS, 2, axdr.compact(row, axdr.u8(1)))
    assert objects.act((7, OBIS, 1), axdr.i8(0), context) == (0, None)
    assert objects.value(7, OBIS, 2) == axdr.compact(row)


# ----------------------------------------------------------------------------------------------------------- protection


def _protected(*reads: tuple[int, bytes, int], restriction: Data | None = None) -> Data:
    """The argument of a protected read: the attributes, and one protection."""
    bounds = restriction or axdr.structure(axdr.enum(0), axdr.null())
    wanted = [
        axdr.structure(axdr.u16(class_id), axdr.octets(obis), axdr.i8(index), axdr.u16(0), bounds)
        for class_id, obis, index in reads
    ]
    titles = axdr.octets(SUPPLIER), axdr.octets(METER)
    sealing = axdr.structure(axdr.octets(b"counter"), *titles, axdr.octets(b"other"), axdr.octets(b"agreement"))
    return axdr.structure(axdr.array(*wanted), axdr.array(axdr.structure(axdr.enum(1), sealing)))


def _place(context: CommandContext) -> tuple[tuple[int, bytes, int], tuple[int, bytes, int]]:
    (row,) = [row for row in context.use_case.dlms if row.protects]
    assert row.class_id is not None
    assert row.obis is not None
    assert row.index is not None
    part = row.protects[0]
    return (row.class_id, row.obis, row.index), (part.class_id, part.obis, part.attribute)


def test_a_protected_read_is_sealed_and_its_titles_are_swapped() -> None:
    objects, _, context = _bench()
    method, read = _place(context)
    code, answer = objects.act(method, _protected(read), context)
    titles = axdr.octets(METER), axdr.octets(SUPPLIER)
    sealing = axdr.structure(axdr.octets(b"counter"), *titles, axdr.octets(b"other"), axdr.octets(b"agreement"))
    plain = axdr.encode(axdr.structure(objects.get(read, context)))
    told = axdr.array(axdr.structure(axdr.enum(1), sealing))
    assert (code, answer) == (0, axdr.structure(told, axdr.octets(b"<" + plain)))


def test_what_a_use_case_does_not_protect_is_out_of_its_scope() -> None:
    objects, _, context = _bench()
    method, read = _place(context)
    for reads in ((), ((*own.CLOCK, 2),), (read, (*own.CLOCK, 2))):
        with _refused(ResultCode.SCOPE_OF_ACCESS_VIOLATED):
            objects.act(method, _protected(*reads), context)
    two = axdr.structure(_protected(read).value[0], axdr.array(*_protected(read).value[1].value * 2))
    with _refused(ResultCode.TYPE_UNMATCHED):
        objects.act(method, two, context)
