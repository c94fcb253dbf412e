"""The COSEM objects of an electricity meter, as data.

The objects that the rig gives conduct or a value at manufacture stand here by hand.  All others are read from the
rows of the use-case table: an attribute that some use case sets is writable, one that some use case reads is
readable.

Must not live here: conduct (``machines``), which use case may touch what (``use_cases``).

Source: facts/gbcs.md 5.1, 5.3; facts/use-cases.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from devices.model import data_types, profiles, use_cases
from devices.model.objects import AttributeDef, MethodDef, ObjectDef
from devices.model.use_cases import Protected, UseCase
from devices.wire import axdr

__all__ = [
    "ACCUMULATED_DEBT",
    "CLOCK",
    "CUSTOMER_NUMBER",
    "DISCONNECT",
    "EMERGENCY_CREDIT",
    "EVENT_LOG",
    "FIRMWARE",
    "IMPORT_REGISTERS",
    "METER_BALANCE",
    "PAYMENT_DEBT",
    "PAYMENT_MODE",
    "POWER_LOG",
    "PREPAYMENT_BALANCES",
    "SCRIPTS",
    "SECURITY_LOG",
    "SUPPLIER_MESSAGE",
    "TAMPER",
    "TIME_DEBTS",
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

_PRESET = "structure{octet-string[12], octet-string[12], octet-string[12]}"
_WATT_HOURS, _VAR_HOURS = 30, 32  # COSEM units
_CREDIT = 1  # payment mode of a meter as delivered [our choice]; account status 2 is fixed (use-case table)


def _quantity(unit: int) -> tuple[axdr.Data, axdr.Data]:
    return axdr.u32(0), axdr.structure(axdr.i8(0), axdr.enum(unit))


def _registers(count: int) -> AttributeDef:
    """One array of registers in a structure, as published reads of a single element meter have it."""
    return AttributeDef("value", "structure", "r", axdr.structure(axdr.array(*(axdr.u32(0),) * count)))


def _kept(place: tuple[int, bytes], index: int, name: str) -> ObjectDef:
    """An amount that the meter keeps and commands change by methods; only the meter balance is also read as such."""
    access = "r" if place == METER_BALANCE else ""
    return ObjectDef(*place, name, {index: AttributeDef(name, "double-long", access, axdr.i32(0))})


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
    ObjectDef(
        *IMPORT_REGISTERS,
        "import register collection",
        {2: AttributeDef("value", "structure", "r", axdr.structure(*_quantity(_WATT_HOURS), *_quantity(_VAR_HOURS)))},
    ),
    ObjectDef(*TOU_REGISTERS, "tariff TOU registers", {2: _registers(48)}),
    ObjectDef(*BLOCK_REGISTERS, "tariff block TOU registers", {2: _registers(64)}),
    ObjectDef(*PREPAYMENT_BALANCES, "prepayment balances", {2: AttributeDef("value", "structure")}),
    *(_kept(account, 2, "current_credit_amount") for account in (METER_BALANCE, EMERGENCY_CREDIT, ACCUMULATED_DEBT)),
    *(_kept(debt, 12, "total_amount_remaining") for debt in (*TIME_DEBTS, PAYMENT_DEBT)),
)


@dataclass(slots=True)
class _Draft:
    """An object while it is put together from rows."""

    name: str
    attributes: dict[int, AttributeDef] = field(default_factory=dict)
    methods: dict[int, MethodDef] = field(default_factory=dict)


@cache
def esme_objects(device: str = "ESME") -> tuple[ObjectDef, ...]:
    """Every object of an electricity meter (``"SAPC"`` gives those of a stand-alone proportional controller)."""
    drafts: dict[tuple[int, bytes], _Draft] = {}
    for use_case in use_cases.all_use_cases():
        if device in use_case.devices and use_case.protection["command"]:
            _collect(use_case, drafts)
    for core in _CORE:
        draft = drafts.setdefault((core.class_id, core.obis), _Draft(core.name))
        draft.name = core.name
        draft.attributes.update(core.attributes)
        draft.methods.update(core.methods)
    return tuple(_objects(drafts.items()))


def _collect(use_case: UseCase, drafts: dict[tuple[int, bytes], _Draft]) -> None:
    for row in use_case.dlms:
        if row.class_id is None or row.obis is None or row.index is None or row.op == "notify":
            continue
        draft = drafts.setdefault((row.class_id, row.obis), _Draft(row.name.partition(" / ")[0]))
        name = row.name.rpartition(" / ")[2]
        if row.op == "action":
            draft.methods[row.index] = MethodDef(name, _outer(row.data_type))
            for part in row.protects:
                _protect(part, drafts)
            continue
        wish = "w" if row.op == "set" else "r"
        known = draft.attributes.get(row.index)
        access = wish if known is None else "".join(letter for letter in "rw" if letter in known.access + wish)
        fresh = _attribute(name, row.data_type, access, row.class_id, row.index)
        if known is not None:
            kinds = dict.fromkeys((*known.type.split(" | "), *fresh.type.split(" | ")))  # use cases may differ in it
            fresh = AttributeDef(known.name, " | ".join(kinds), access, known.initial)
        draft.attributes[row.index] = fresh


def _attribute(name: str, kind: str | None, access: str, class_id: int, index: int) -> AttributeDef:
    if kind is None:
        return AttributeDef(name, "any", access)
    if (class_id, index) == (21, 2) and not kind.startswith("array"):  # thresholds: the table names their element
        kind = f"array of {kind}"
    if kind.startswith("compact-array"):
        return AttributeDef(name, "any", access, profiles.empty(profiles.row_of_type(kind)))
    return AttributeDef(name, _outer(kind), access, data_types.default(kind))


def _protect(part: Protected, drafts: dict[tuple[int, bytes], _Draft]) -> None:
    """A profile that is read wrapped.  (The registers that are read so stand in the list above.)"""
    if part.class_id != 7:
        return
    draft = drafts.setdefault((part.class_id, part.obis), _Draft(part.name.partition(" / ")[0]))
    empty = profiles.empty(profiles.row_of_fields(part.fields))
    draft.attributes.setdefault(part.attribute, AttributeDef("buffer", "any", "r", empty))


def _outer(kind: str | None) -> str:
    """The outermost type: what stands inside is that of one sample in the table, not a rule."""
    if kind is None:
        return "any"
    if kind.startswith("compact-array"):
        return "any"
    if "|" in kind:
        return "array" if kind.startswith("array") else "any"
    return next((outer for outer in ("structure", "array") if kind.startswith(outer)), kind)


def _objects(drafts: Iterable[tuple[tuple[int, bytes], _Draft]]) -> Iterable[ObjectDef]:
    for (class_id, obis), draft in drafts:
        yield ObjectDef(class_id, obis, draft.name, draft.attributes, draft.methods)
