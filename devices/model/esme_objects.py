"""The COSEM objects of an electricity meter, as data.

The objects that the rig gives conduct or a value at manufacture stand here by hand.  All others are read from the
rows of the use-case table: an attribute that some use case sets is writable, one that some use case reads is
readable.

Must not live here: conduct (``machines``), which use case may touch what (``use_cases``).

Source: facts/gbcs.md 5.1, 5.3; facts/use-cases.md.
"""

from __future__ import annotations

from functools import cache

from devices.model.objects import AttributeDef, MethodDef, ObjectDef
from devices.model.row_objects import objects_of
from devices.wire import axdr

__all__ = [
    "ACCUMULATED_DEBT",
    "CLOCK",
    "CUSTOMER_NUMBER",
    "DISABLEMENT_THRESHOLD",
    "DISCONNECT",
    "EMERGENCY_CREDIT",
    "EVENT_LOG",
    "FIRMWARE",
    "IMPORT_REGISTERS",
    "MAXIMUM_BALANCE",
    "MAXIMUM_CREDIT",
    "METER_BALANCE",
    "PASSIVE_ACCOUNT",
    "PAYMENT_DEBT",
    "PAYMENT_MODE",
    "PAYMENT_MODES",
    "POWER_LOG",
    "PREPAYMENT",
    "PREPAYMENT_BALANCES",
    "SCRIPTS",
    "SECURITY_LOG",
    "SUPPLIER_MESSAGE",
    "TAMPER",
    "TIME_DEBTS",
    "TOKEN_GATEWAY",
    "esme_objects",
]

SCRIPTS = (9, bytes((0, 0, 10, 0, 106, 255)))
DISCONNECT = (70, bytes((0, 0, 96, 3, 10, 255)))
CLOCK = (8, bytes((0, 0, 1, 0, 0, 255)))
EVENT_LOG = (7, bytes((0, 0, 99, 98, 0, 255)))
SECURITY_LOG = (7, bytes((0, 0, 99, 98, 1, 255)))
POWER_LOG = (7, bytes((0, 0, 99, 98, 4, 255)))
FIRMWARE = (1, bytes((0, 0, 0, 2, 1, 255)))
PAYMENT_MODE = (111, bytes((0, 0, 19, 0, 0, 255)))
TAMPER = (1, bytes((0, 0, 94, 44, 0, 4)))
IMPORT_REGISTERS = (1, bytes((0, 0, 94, 44, 34, 10)))
TOU_REGISTERS = (1, bytes((0, 0, 94, 44, 34, 1)))
BLOCK_REGISTERS = (1, bytes((0, 0, 94, 44, 34, 2)))
PREPAYMENT_BALANCES = (1, bytes((0, 0, 94, 44, 34, 30)))
METER_BALANCE = (112, bytes((0, 0, 19, 10, 0, 255)))
EMERGENCY_CREDIT = (112, bytes((0, 0, 19, 10, 1, 255)))
ACCUMULATED_DEBT = (112, bytes((0, 0, 19, 10, 2, 255)))
TIME_DEBTS = ((113, bytes((0, 0, 19, 20, 1, 255))), (113, bytes((0, 0, 19, 20, 2, 255))))
SUPPLIER_MESSAGE = (1, bytes((0, 2, 96, 13, 1, 255)))
CUSTOMER_NUMBER = (1, bytes((0, 3, 96, 13, 1, 255)))
PAYMENT_DEBT = (113, bytes((0, 0, 19, 20, 3, 255)))
TOKEN_GATEWAY = (115, bytes((0, 0, 19, 40, 0, 255)))
MAXIMUM_CREDIT = (9000, bytes((0, 0, 94, 44, 2, 10)))
MAXIMUM_BALANCE = (9000, bytes((0, 0, 94, 44, 2, 20)))
DISABLEMENT_THRESHOLD = (21, bytes((0, 0, 16, 0, 1, 255)))
PASSIVE_ACCOUNT = (111, bytes((0, 1, 19, 0, 0, 255)))
PREPAYMENT = 2
"""The payment mode in which credit is paid for beforehand."""
PAYMENT_MODES = (1, PREPAYMENT)
"""Credit and prepayment."""

_PRESET = "structure{octet-string[12], octet-string[12], octet-string[12]}"
_WATT_HOURS, _VAR_HOURS = 30, 32  # COSEM units
_CREDIT = 1  # payment mode of a meter as delivered [our choice]; account status 2 is fixed (use-case table)


def _quantity(unit: int) -> tuple[axdr.Data, axdr.Data]:
    return axdr.u32(0), axdr.structure(axdr.i8(0), axdr.enum(unit))


def _registers(*counts: int) -> AttributeDef:
    """Arrays of registers in a structure, as published reads have it: a second one for the second element."""
    return AttributeDef("value", "structure", "r", axdr.structure(*(axdr.array(*(axdr.u32(0),) * n) for n in counts)))


def _collections(elements: int) -> tuple[ObjectDef, ...]:
    """The collections of registers that are read encrypted, as a meter with so many elements has them."""
    second = (axdr.u32(0),) if elements > 1 else ()
    imported = axdr.structure(*_quantity(_WATT_HOURS), *_quantity(_VAR_HOURS), *second)
    return (
        ObjectDef(*IMPORT_REGISTERS, "import registers", {2: AttributeDef("value", "structure", "r", imported)}),
        ObjectDef(*TOU_REGISTERS, "tariff TOU registers", {2: _registers(48, *(4,) * (elements - 1))}),
        ObjectDef(*BLOCK_REGISTERS, "tariff block TOU registers", {2: _registers(64)}),
    )


def _kept(place: tuple[int, bytes], index: int, name: str) -> ObjectDef:
    """An amount that the meter keeps and commands change by methods; only the meter balance is also read as such."""
    access = "r" if place == METER_BALANCE else ""
    return ObjectDef(*place, name, {index: AttributeDef(name, "double-long", access, axdr.i32(0))})


def _limit(place: tuple[int, bytes]) -> ObjectDef:
    """A limit of the credit: a meter leaves manufacture without one [our choice]."""
    value = AttributeDef("value_active", "double-long", "rw", axdr.i32(0x7FFFFFFF))
    return ObjectDef(*place, "credit limit", {2: value})


_OPERATIONAL = AttributeDef("value", "utf8-string", "r", axdr.Data(axdr.Tag.UTF8_STRING, b"{}"))
"""Operational data of an auxiliary controller: JSON text, as in published responses; nothing while it has none."""

_CORE: tuple[ObjectDef, ...] = (
    ObjectDef(*SCRIPTS, "supply scripts", {}, {1: MethodDef("execute", "long-unsigned")}),
    ObjectDef(
        *DISCONNECT,
        "disconnect control",
        {2: AttributeDef("output_state", "boolean"), 3: AttributeDef("control_state", "enum")},
    ),
    ObjectDef(
        *CLOCK,
        "clock",
        {
            2: AttributeDef("time", "octet-string[12]"),
            4: AttributeDef("status", "unsigned"),
            9: AttributeDef("clock_base", "enum", "rw", axdr.enum(5)),
        },
        {4: MethodDef("adjust_to_preset_time", "integer"), 5: MethodDef("preset_adjusting_time", _PRESET)},
    ),
    ObjectDef(*EVENT_LOG, "event log", {2: AttributeDef("buffer", "any")}, {1: MethodDef("reset", "integer")}),
    ObjectDef(*SECURITY_LOG, "security log", {2: AttributeDef("buffer", "any")}),
    ObjectDef(*POWER_LOG, "power event log", {2: AttributeDef("buffer", "any")}),
    ObjectDef(*FIRMWARE, "firmware version", {2: AttributeDef("value", "octet-string[4]")}),
    ObjectDef(
        *PAYMENT_MODE,
        "account",
        {
            2: AttributeDef(
                "account_mode_and_status",
                "structure{enum, enum}",
                "rw",
                axdr.structure(axdr.enum(_CREDIT), axdr.enum(2)),
            )
        },
    ),
    ObjectDef(*TAMPER, "supply tamper state", {2: AttributeDef("value", "boolean", "rw")}),
    ObjectDef(*PREPAYMENT_BALANCES, "prepayment balances", {2: AttributeDef("value", "structure")}),
    *(ObjectDef(1, bytes((0, 0, 94, 44, 0, 30 + n)), "auxiliary controller", {2: _OPERATIONAL}) for n in range(1, 6)),
    *(_limit(place) for place in (MAXIMUM_CREDIT, MAXIMUM_BALANCE)),
    *(_kept(account, 2, "current_credit_amount") for account in (METER_BALANCE, EMERGENCY_CREDIT, ACCUMULATED_DEBT)),
    *(_kept(debt, 12, "total_amount_remaining") for debt in (*TIME_DEBTS, PAYMENT_DEBT)),
)


@cache
def esme_objects(elements: int = 1) -> tuple[ObjectDef, ...]:
    """Every object of an electricity meter with one or two elements."""
    return objects_of("ESME", (*_CORE, *_collections(elements)), elements=elements)
