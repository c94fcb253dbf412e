"""What an activation time activates: the attributes that take over their passive values then.

An activation attribute is written with a date-time: all zero activates at once, nothing specified cancels what was
planned, any other is when it happens.

Must not live here: the clock that waits for it, the alert that reports it (``machines.parts.future_dated``).

Source: facts/use-cases.md (the rows of ECS01a to ECS03, ECS08, ECS28a, ECS46c and ECS46d; the names say what belongs
together); which attribute of a class is the active one, as DLMS defines the classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from devices.model.objects import Key, ObjectDef

__all__ = ["Activation", "activations"]


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation attribute, and what moves (from, to) when its time has come."""

    trigger: Key
    moves: tuple[tuple[Key, Key], ...]


_BY_CLASS: Mapping[int, tuple[int, tuple[tuple[int, int], ...]]] = {
    20: (10, ((6, 2), (7, 3), (8, 4), (9, 5))),  # activity calendar: name, seasons, weeks, days
    113: (7, ((6, 5),)),  # charge: unit charge
    111: (13, ((2, 2), (11, 11))),  # account: mode and status, credit and charge configuration
    9000: (6, ((4, 2),)),  # a value with a passive copy
}
"""Class to its activation attribute and the attributes that move, passive to active."""


def _obis(text: str) -> bytes:
    return bytes(int(part) for part in text.split("."))


_PASSIVE_ACCOUNT = _obis("0.1.19.0.0.255")
_ACTIVE = {_PASSIVE_ACCOUNT: _obis("0.0.19.0.0.255")}
"""Objects that are the passive copy of another object."""


def _table(class_id: int, index: int, passive: str, active: str) -> tuple[Key, Key]:
    return (class_id, _obis(passive), index), (class_id, _obis(active), index)


def _value(obis: str, class_id: int, active: str, index: int) -> tuple[Key, Key]:
    return (9000, _obis(obis), 4), (class_id, _obis(active), index)


_ELSEWHERE: Mapping[bytes, tuple[tuple[Key, Key], ...]] = {
    _obis("0.0.63.1.1.255"): tuple(_table(21, 2, f"0.0.16.1.{n}.255", f"0.0.16.0.{n}.255") for n in range(11, 19)),
    _obis("0.0.94.44.128.2"): (_value("0.0.94.44.128.2", 112, "0.0.19.10.1.255", 9),),  # emergency credit limit
    _obis("0.0.94.44.128.3"): (_value("0.0.94.44.128.3", 112, "0.0.19.10.1.255", 10),),  # emergency credit threshold
    _obis("0.0.94.44.128.6"): (_value("0.0.94.44.128.6", 71, "0.0.17.0.0.255", 6),),  # load limit period
    _obis("0.0.94.44.128.7"): (_value("0.0.94.44.128.7", 71, "0.0.17.0.0.255", 4),),  # load limit threshold
    _obis("0.0.94.44.128.8"): (_value("0.0.94.44.128.8", 71, "0.0.17.0.0.255", 7),),  # load limit restoration period
    _obis("0.0.94.44.128.9"): (_value("0.0.94.44.128.9", 111, "0.0.19.0.0.255", 16),),  # low credit threshold
    _obis("0.0.94.44.128.12"): (_value("0.0.94.44.128.12", 111, "0.0.19.0.0.255", 18),),  # debt recovery rate cap
    _obis("0.0.94.44.128.13"): (_value("0.0.94.44.128.13", 111, "0.0.19.0.0.255", 19),),  # and its period
    _obis("0.0.94.44.128.22"): (_value("0.0.94.44.128.22", 21, "0.0.16.0.1.255", 2),),  # disablement threshold
    _obis("0.0.94.44.128.26"): (_table(10, 2, "0.1.12.0.2.255", "0.0.12.0.2.255"),),  # auxiliary controller calendar
    _obis("0.0.94.44.128.28"): (_table(10, 2, "0.1.12.0.1.255", "0.0.12.0.1.255"),),  # non-disablement calendar
    _obis("0.0.94.44.128.29"): (_table(11, 2, "0.1.11.0.0.255", "0.0.11.0.0.255"),),  # special days of the tariff
    _obis("0.0.94.44.128.30"): (_table(11, 2, "0.1.11.0.1.255", "0.0.11.0.1.255"),),  # of the second element's
    _obis("0.0.94.44.128.31"): (_table(11, 2, "0.1.11.0.2.255", "0.0.11.0.2.255"),),  # of the non-disablement calendar
    _obis("0.0.94.44.128.35"): (_table(11, 2, "0.1.11.0.3.255", "0.0.11.0.3.255"),),  # of the auxiliary controllers'
}
"""Class 9000 objects whose active value is that of another object."""


def activations(definitions: Iterable[ObjectDef]) -> dict[Key, Activation]:
    """The activation attributes among the objects of a device.  Moves between attributes that it lacks are left out."""
    objects = tuple(definitions)
    there = {(d.class_id, d.obis, index) for d in objects for index in d.attributes}
    found: dict[Key, Activation] = {}
    for definition in objects:
        rule = _BY_CLASS.get(definition.class_id)
        if rule is None or rule[0] not in definition.attributes:
            continue
        trigger = (definition.class_id, definition.obis, rule[0])
        active = _ACTIVE.get(definition.obis, definition.obis)
        own = (
            ((definition.class_id, definition.obis, passive), (definition.class_id, active, index))
            for passive, index in rule[1]
        )
        moves = _ELSEWHERE.get(definition.obis, ()) if definition.class_id == 9000 else ()
        found[trigger] = Activation(trigger, tuple(m for m in (*own, *moves) if m[0] in there and m[1] in there))
    return found
