"""What the COSEM objects of an electricity meter do: the tables that bind methods and computed attributes.

Must not live here: the objects as data (``model.esme_objects``), who may do it (``commands``), the meter's other life.

Source: facts/gbcs.md 2.5, 5.1, 5.3, 10.1; the classes' methods as DLMS defines them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from devices.events.accounts import BlocksReset
from devices.machines.core import Record, Show
from devices.machines.parts.civil_clock import CivilTime, from_dlms
from devices.machines.parts.contactor import SupplyEvent
from devices.machines.parts.event_log import EventLog
from devices.machines.parts.execution import CommandContext
from devices.machines.parts.load_switch import LoadSwitch
from devices.machines.parts.meter_functions import MeterFunctions
from devices.machines.parts.profile_log import restriction
from devices.model import esme_objects
from devices.model.alerts import Log
from devices.model.objects import AccessError, Getter, Key, Method, ObjectModel, ResultCode, Setter
from devices.wire import axdr
from devices.wire.axdr import Data, Tag

__all__ = ["Meter", "bind_conduct"]

_BLOCKS = (9, bytes((0, 0, 10, 0, 100, 255)))
_RESET_BLOCKS = 0x63  # the one script of that table (ECS05)
SCRIPT_EVENTS = {51: SupplyEvent.ENABLE, 52: SupplyEvent.DISABLE, 54: SupplyEvent.ARM}
EVENT_LOG_CLEARED = 0x8F52


class Meter(Protocol):
    """What the objects need of the meter that they belong to."""

    @property
    def logs(self) -> Mapping[Log, EventLog]: ...

    @property
    def switch(self) -> LoadSwitch: ...

    @property
    def firmware(self) -> bytes: ...

    @property
    def functions(self) -> MeterFunctions: ...

    def supply_event(self, event: SupplyEvent, context: CommandContext) -> None:
        """Change the supply state; raises ``AccessError`` where the meter refuses."""
        ...

    def time(self, now: int) -> CivilTime: ...

    def hub_time(self, now: int) -> int: ...

    def set_time(self, ns: int, context: CommandContext) -> None: ...

    def note(self, code: int, *, tell: bool = True) -> None:
        """Log an event, and tell whom it concerns, after the command is answered."""
        ...


def bind_conduct(objects: ObjectModel[CommandContext], meter: Meter) -> None:
    """Give the objects of an electricity meter their conduct."""
    window: list[tuple[int, int]] = []
    scripts, clock = esme_objects.SCRIPTS, esme_objects.CLOCK
    functions = meter.functions
    methods: dict[Key, Method[CommandContext]] = {
        **functions.prepayment.methods(),
        **functions.auxiliary.methods(),
        (*_BLOCKS, 1): lambda data, context: _reset_blocks(data, context),
        (*scripts, 1): lambda data, context: _script(meter, data, context),
        (*clock, 4): lambda _, context: _adjust(meter, window, context),
        (*clock, 5): lambda data, _: _preset(window, data),
        (*esme_objects.EVENT_LOG, 1): lambda _, __: _clear(meter),
    }
    for definition in objects:
        for index in definition.methods:
            key = (definition.class_id, definition.obis, index)
            conduct = _BY_CLASS.get((definition.class_id, index))
            if key not in methods and conduct is not None:
                methods[key] = _with_objects(conduct, objects, key)
    getters: dict[Key, Getter[CommandContext]] = {
        **functions.profiles.getters(),
        **functions.auxiliary.getters(),
        (*esme_objects.DISCONNECT, 2): lambda _, __: axdr.boolean(meter.switch.reported_closed),
        (*esme_objects.DISCONNECT, 3): lambda _, __: axdr.enum(meter.switch.reported.value),
        (*esme_objects.FIRMWARE, 2): lambda _, __: axdr.octets(meter.firmware),
        (*clock, 2): lambda _, context: axdr.octets(_now(meter, context)),
        (*clock, 4): lambda _, context: axdr.u8(meter.time(context.now).status.value),
        (*esme_objects.EVENT_LOG, 2): lambda selection, _: meter.logs[Log.EVENT].read(selection),
        (*esme_objects.SECURITY_LOG, 2): lambda selection, _: meter.logs[Log.SECURITY].read(selection),
        (*esme_objects.POWER_LOG, 2): lambda selection, _: meter.logs[Log.POWER].read(selection),
    }
    getters[(*esme_objects.PREPAYMENT_BALANCES, 2)] = lambda _, __: _balances(objects)
    setters: dict[Key, Setter[CommandContext]] = {
        **functions.future.setters(),
        **functions.prepayment.setters(),
        (*esme_objects.SUPPLIER_MESSAGE, 2): lambda data, context: _display("", data, context),
        (*esme_objects.CUSTOMER_NUMBER, 2): lambda data, context: _display("CIN ", data, context),
    }
    objects.bind(methods=methods, getters=getters, setters=setters)


# ------------------------------------------------------------------------------------------------- supply, clock, logs


def _script(meter: Meter, data: Data, context: CommandContext) -> tuple[int, Data | None]:
    event = SCRIPT_EVENTS.get(data.value)
    if event is None:
        raise AccessError(ResultCode.OTHER_REASON, f"no script {data.value}; there are {sorted(SCRIPT_EVENTS)}")
    meter.supply_event(event, context)
    return ResultCode.SUCCESS, None


def _reset_blocks(data: Data, context: CommandContext) -> tuple[int, Data | None]:
    """The tariff block counters begin anew.  No use case reads them, and this meter counts no energy, so it is told."""
    if data.value != _RESET_BLOCKS:
        raise AccessError(ResultCode.OTHER_REASON, f"no script {data.value}; there is {_RESET_BLOCKS}")
    context.effects.append(Record(BlocksReset(counter=context.message.counter)))
    return ResultCode.SUCCESS, None


def _preset(window: list[tuple[int, int]], data: Data) -> tuple[int, Data | None]:
    """Keep the interval in which the hub's time is to be believed; the preset time itself is not specified in GBCS."""
    start, end = (from_dlms(part.value or b"") for part in data.value[1:])
    if start is None or end is None or end < start:
        raise AccessError(ResultCode.OTHER_REASON, "the validity interval is not one that ends after it begins")
    window[:] = [(start, end)]
    return ResultCode.SUCCESS, None


def _adjust(meter: Meter, window: list[tuple[int, int]], context: CommandContext) -> tuple[int, Data | None]:
    """Take the hub's time if it lies inside the interval (facts/gbcs.md 5.3); else the clock stays as it is."""
    if not window:
        raise AccessError(ResultCode.OTHER_REASON, "no validity interval was given")
    start, end = window.pop()
    offered = meter.hub_time(context.now)
    if not start <= offered <= end:
        raise AccessError(ResultCode.OTHER_REASON, "the hub's time lies outside the validity interval")
    meter.set_time(offered, context)
    return ResultCode.SUCCESS, None


def _now(meter: Meter, context: CommandContext) -> bytes:
    civil = meter.time(context.now)
    return civil.dlms(civil.status.value)


def _clear(meter: Meter) -> tuple[int, Data | None]:
    meter.logs[Log.EVENT].clear()
    meter.note(EVENT_LOG_CLEARED)
    return ResultCode.SUCCESS, None


def _display(before: str, data: Data, context: CommandContext) -> None:
    """Show a text of the supplier, or the customer identification number (facts/gbcs.md 5.5)."""
    context.effects.append(Show(before + data.value.decode("ascii", "replace")))


def _balances(objects: ObjectModel[CommandContext]) -> Data:
    """Meter balance, emergency credit, accumulated debt, time debts 1 and 2, payment debt (ECS19, as published)."""
    credits = (esme_objects.METER_BALANCE, esme_objects.EMERGENCY_CREDIT, esme_objects.ACCUMULATED_DEBT)
    debts = (*esme_objects.TIME_DEBTS, esme_objects.PAYMENT_DEBT)
    amounts = [objects.value(*place, 2) for place in credits] + [objects.value(*place, 12) for place in debts]
    return axdr.structure(*amounts)


# ------------------------------------------------------------------------------------------------- conduct of a class

_Conduct = Callable[[ObjectModel[CommandContext], Key, Data, CommandContext], Data | None]


def _with_objects(conduct: _Conduct, objects: ObjectModel[CommandContext], key: Key) -> Method[CommandContext]:
    def method(data: Data, context: CommandContext) -> tuple[int, Data | None]:
        return ResultCode.SUCCESS, conduct(objects, key, data, context)

    return method


def _reset_register(objects: ObjectModel[CommandContext], key: Key, _: Data, context: CommandContext) -> None:
    """Class 3 and 4, method 1: the value becomes zero, of an extended register also its capture time."""
    class_id, obis, _method = key
    try:
        value = objects.value(class_id, obis, 2)
    except KeyError:
        raise AccessError(ResultCode.OBJECT_UNAVAILABLE, "the register has no value attribute") from None
    objects.put(class_id, obis, 2, Data(value.tag, 0))
    if class_id == 4:
        try:
            objects.put(class_id, obis, 5, axdr.octets(context.civil.dlms()))
        except KeyError:
            return  # no use case reads the capture time of this one


def _credit(change: bool) -> _Conduct:
    """Class 112, methods 1 and 2: current_credit_amount (attribute 2) changed by, or set to, the argument."""

    def conduct(objects: ObjectModel[CommandContext], key: Key, data: Data, _: CommandContext) -> None:
        _amount(objects, (key[0], key[1], 2), data, change)

    return conduct


def _debt(objects: ObjectModel[CommandContext], key: Key, data: Data, _: CommandContext) -> None:
    """Class 113, method 4: total_amount_remaining (attribute 12) changed by the argument."""
    _amount(objects, (key[0], key[1], 12), data, change=True)


def _activate_charge(objects: ObjectModel[CommandContext], key: Key, _: Data, __: CommandContext) -> None:
    """Class 113, method 2: unit_charge_passive (attribute 6) becomes unit_charge_active (5)."""
    try:
        objects.put(key[0], key[1], 5, objects.value(key[0], key[1], 6))
    except KeyError:
        raise AccessError(ResultCode.OBJECT_UNAVAILABLE, "the charge has no passive tariff") from None


def _clear_profile(objects: ObjectModel[CommandContext], key: Key, _: Data, __: CommandContext) -> None:
    """Class 7, method 1: the buffer has no rows any more."""
    buffer = objects.value(key[0], key[1], 2)
    if isinstance(buffer.value, axdr.CompactArray):
        objects.put(key[0], key[1], 2, axdr.compact(buffer.value.description))


def _amount(objects: ObjectModel[CommandContext], key: Key, data: Data, change: bool) -> None:
    try:
        old = objects.value(*key)
    except KeyError:
        raise AccessError(ResultCode.OBJECT_UNAVAILABLE, "the account has no amount attribute") from None
    new = old.value + data.value if change else data.value
    low, high = (0, 0xFFFFFFFF) if old.tag == Tag.DOUBLE_LONG_UNSIGNED else (-0x80000000, 0x7FFFFFFF)
    if not low <= new <= high:
        raise AccessError(ResultCode.OTHER_REASON, f"the amount would be {new}, outside what the register holds")
    objects.put(*key, Data(old.tag, new))


def _protected(objects: ObjectModel[CommandContext], _: Key, data: Data, context: CommandContext) -> Data:
    """Class 30, method 1: read attributes and give them encrypted for the remote party (facts/gbcs.md 2.5).

    The wrapped attributes must be those of the use case; the parameters come back with the titles swapped.
    """
    try:
        wanted, (parameters,) = data.value[0].value, data.value[1].value
        reads = [tuple(element.value for element in part.value[:3]) for part in wanted]
        ranges = [restriction(part.value[4]) for part in wanted]
        protection_kind, sealing = parameters.value
        counter, _to_us, _from_them, other, agreement = sealing.value
    except (TypeError, ValueError, IndexError, AttributeError):
        raise AccessError(
            ResultCode.TYPE_UNMATCHED, "the argument is no list of attributes with one protection"
        ) from None
    allowed = {(p.class_id, p.obis, p.attribute) for row in context.use_case.dlms for p in row.protects}
    if not reads or any(read not in allowed for read in reads):
        raise AccessError(ResultCode.SCOPE_OF_ACCESS_VIOLATED, "an attribute is not one that this use case protects")
    plain = axdr.structure(*(objects.get(read, context, limits) for read, limits in zip(reads, ranges, strict=True)))
    titles = axdr.octets(context.message.recipient), axdr.octets(context.message.originator)
    told = axdr.structure(protection_kind, axdr.structure(counter, *titles, other, agreement))
    return axdr.structure(axdr.array(told), axdr.octets(context.seal(axdr.encode(plain))))


_BY_CLASS: dict[tuple[int, int], _Conduct] = {
    (3, 1): _reset_register,
    (4, 1): _reset_register,
    (7, 1): _clear_profile,
    (30, 1): _protected,
    (112, 1): _credit(change=True),
    (112, 2): _credit(change=False),
    (113, 2): _activate_charge,
    (113, 4): _debt,
}
"""Class and method to conduct; a method that is not here is answered object-unavailable."""
