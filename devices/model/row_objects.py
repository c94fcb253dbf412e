"""COSEM objects read from the rows of the use-case table: what some use case sets is writable, what one reads readable.

A kind of device has the objects of every command that it carries out; what a maker delivers otherwise (values, access,
objects that no row names) is laid over them as ``core``.  A new message code therefore needs rows and nothing else.

Must not live here: the objects of one kind of device (``esme_objects``, ``chf_objects`` ...), conduct (``machines``).

Source: facts/use-cases.md ("dlms rows").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from devices.model import data_types, profiles, use_cases
from devices.model.objects import AttributeDef, MethodDef, ObjectDef
from devices.model.use_cases import DlmsRow, Protected, UseCase

__all__ = ["objects_of", "type_of"]

_DATE_TIME, _EXACT_DATE_TIME = "octet-string(12)", "octet-string[12]"  # of an activation time
_THRESHOLDS = (21, 2)  # class and attribute of which the table names the element, not the array


@dataclass(slots=True)
class _Draft:
    """An object while it is put together from rows."""

    name: str
    attributes: dict[int, AttributeDef] = field(default_factory=dict)
    methods: dict[int, MethodDef] = field(default_factory=dict)


def objects_of(device: str, core: Iterable[ObjectDef] = (), *, elements: int = 1) -> tuple[ObjectDef, ...]:
    """Every object of a kind of device (``"ESME"``, ``"CHF"``, ``"SAPC"``), ``core`` laid over what the rows say.

    ``elements`` is 2 for a twin element meter, whose logs have columns that others lack.
    """
    drafts: dict[tuple[int, bytes], _Draft] = {}
    for use_case in use_cases.all_use_cases():
        if device in use_case.devices and use_case.protection["command"]:
            _collect(use_case, drafts, elements)
    for own in core:
        draft = drafts.setdefault((own.class_id, own.obis), _Draft(own.name))
        draft.name = own.name
        draft.attributes.update(own.attributes)
        draft.methods.update(own.methods)
    return tuple(ObjectDef(*place, d.name, d.attributes, d.methods) for place, d in drafts.items())


def type_of(row: DlmsRow) -> str:
    """The type of a row's value, to be held against values: no lengths, since those of the table are of one sample,
    but for the date-times of activations.

    Where the table cut the type short, the row's fields complete it.
    """
    text = row.data_type
    if text is None or text.startswith("compact-array"):
        return "any"
    if text.endswith("..."):
        outer, _, _ = text.partition("{")
        members = [f["type"] for f in row.fields]
        text = f"{outer}{{{', '.join(members)}}}" if all(members) and members else outer
    if (row.class_id, row.index) == _THRESHOLDS and not text.startswith("array"):
        text = f"array of {text}"
    if text == _DATE_TIME and row.name.endswith("_time"):
        return _EXACT_DATE_TIME
    return data_types.unsized(text)


def _collect(use_case: UseCase, drafts: dict[tuple[int, bytes], _Draft], elements: int) -> None:
    for row in use_case.dlms:
        if row.class_id is None or row.obis is None or row.index is None or row.op == "notify":
            continue
        draft = drafts.setdefault((row.class_id, row.obis), _Draft(row.name.partition(" / ")[0]))
        name = row.name.rpartition(" / ")[2]
        if row.op == "action":
            draft.methods[row.index] = MethodDef(name, type_of(row))
            for part in row.protects:
                _protect(part, drafts, elements)
            continue
        fresh = _attribute(name, row, elements)
        known = draft.attributes.get(row.index)
        draft.attributes[row.index] = fresh if known is None else _merged(known, fresh)


def _merged(known: AttributeDef, fresh: AttributeDef) -> AttributeDef:
    """One attribute as two use cases have it: both accesses, either type; what is read is delivered with a value."""
    access = "".join(letter for letter in "rw" if letter in known.access + fresh.access)
    first = known if "r" in known.access or "r" not in fresh.access else fresh
    if known.type == fresh.type:
        kind = known.type
    elif any("{" in part or " of " in part for part in (known.type, fresh.type)):
        kind = "any"
    else:
        kind = " | ".join(dict.fromkeys((*known.type.split(" | "), *fresh.type.split(" | "))))
    return AttributeDef(known.name, kind, access, first.initial)


def _attribute(name: str, row: DlmsRow, elements: int) -> AttributeDef:
    kind, access = type_of(row), "w" if row.op == "set" else "r"
    if row.data_type is None:
        return AttributeDef(name, kind, access)
    if row.data_type.startswith("compact-array"):
        whole = profiles.row_of_fields(row.fields, elements)
        return AttributeDef(
            name, kind, access, profiles.empty(whole if whole.elements else profiles.row_of_type(row.data_type))
        )
    text = kind if row.data_type.endswith("...") or (row.class_id, row.index) == _THRESHOLDS else row.data_type
    return AttributeDef(name, kind, access, data_types.sample(text) if access == "r" else data_types.default(text))


def _protect(part: Protected, drafts: dict[tuple[int, bytes], _Draft], elements: int) -> None:
    """A profile that is read wrapped.  (Collections of registers that are read so are a maker's own, see ``core``.)"""
    if part.class_id != 7:
        return
    draft = drafts.setdefault((part.class_id, part.obis), _Draft(part.name.partition(" / ")[0]))
    empty = profiles.empty(profiles.row_of_fields(part.fields, elements))
    draft.attributes.setdefault(part.attribute, AttributeDef("buffer", "any", "r", empty))
