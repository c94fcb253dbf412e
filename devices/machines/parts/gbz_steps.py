"""The steps of a ZCL command: the words in which ``zcl_conduct.json`` says what a command changes.

``set``, ``add``, ``subtract`` change attributes, ``spread`` writes a list into a row of attributes, ``store`` keeps the
command itself, ``renew`` makes room for the parts that follow it, ``call`` leaves it to the device.  A step may be held
to the values of fields (``if``, ``unless``).

Must not live here: what a command is answered with (``gbz_answers``), components and protection (``gbz_execution``).

Source: facts/use-cases.md; facts/gbcs.md 3.4 for the status codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from devices.machines.core import Effect
from devices.machines.parts.civil_clock import CivilTime
from devices.model.zcl_objects import ClusterModel, Entry, StoreRow, path, store_rows
from devices.wire.zcl_fields import Command, Value

__all__ = ["Act", "Call", "Status", "ZclRefusal", "number", "records", "run", "tag_of"]


class Status(IntEnum):
    """ZCL status codes (facts/gbcs.md 3.4 for those that published messages show; the others are ZCL's)."""

    SUCCESS = 0x00
    FAILURE = 0x01
    UNSUPPORTED_COMMAND = 0x81
    INVALID_FIELD = 0x85
    UNSUPPORTED_ATTRIBUTE = 0x86
    INVALID_VALUE = 0x87
    READ_ONLY = 0x88
    NOT_FOUND = 0x8B
    HARDWARE_FAILURE = 0xC0


class ZclRefusal(Exception):
    """A command that the device does not carry out; ``status`` goes into the Default Response."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(f"{status.name.lower()}: {reason}")
        self.status, self.reason = status, reason


@dataclass(slots=True)
class Act:
    """What a step may know of the command that it belongs to, and where it puts what is to be done.

    ``results`` is what calls leave for the answer, ``parents`` the tags of the calendars seen in this message;
    ``remote`` says that a remote party's command is carried out, not that of a PPMID or of somebody at the keys.
    """

    now: int
    civil: CivilTime
    originator: bytes
    counter: int
    cause: str
    effects: list[Effect] = field(default_factory=list)
    results: dict[str, Value] = field(default_factory=dict)
    parents: dict[tuple[Any, ...], int] = field(default_factory=dict)
    remote: bool = True


Call = Callable[[Command, Act], Mapping[str, Value] | None]
"""What the device does itself; gives results for the answer.  Raises :class:`ZclRefusal` before it changes anything."""


def run(
    steps: Sequence[Mapping[str, Any]],
    command: Command,
    act: Act,
    clusters: ClusterModel,
    calls: Mapping[str, Call],
) -> None:
    """Carry out ``steps`` in order.  Raises :class:`ZclRefusal`."""
    fields = dict(command.fields)
    for step in steps:
        if not _applies(step, fields):
            continue
        if "call" in step:
            act.results.update(calls[step["call"]](command, act) or {})
        else:
            word = next(word for word in _WORDS if word in step)
            _WORDS[word](step, command, fields, clusters, act)


def number(value: Value | None) -> int:
    """``value`` as a number.  Raises :class:`ZclRefusal` for anything else."""
    if not isinstance(value, int):
        raise ZclRefusal(Status.INVALID_FIELD, f"expected a number, got {value!r}")
    return value


def records(value: Value | None) -> tuple[tuple[tuple[str, Value], ...], ...]:
    """``value`` as a list of records.  Raises :class:`ZclRefusal` for anything else."""
    if not isinstance(value, tuple):
        raise ZclRefusal(Status.INVALID_FIELD, f"expected a list, got {value!r}")
    return value


def tag_of(row: StoreRow, command: Command, act: Act, clusters: ClusterModel) -> int:
    """The tag of an entry: its own field, or that of the newest entry it belongs to."""
    fields = dict(command.fields)
    if row.tag is not None:
        return number(fields[row.tag])
    if row.of is None:
        return 0
    link = tuple(fields.get(name) for name in row.link)
    if (row.of, link) in act.parents:
        return act.parents[row.of, link]
    waiting = (one.entry for one in clusters.pending)
    for parent in (*reversed(clusters.entries(row.of)), *waiting):
        if tuple(parent.fields.get(name) for name in row.link) == link:
            return parent.tag
    raise ZclRefusal(Status.NOT_FOUND, f"{row.name} belong to no {row.of} that this device was given")


def _applies(step: Mapping[str, Any], fields: Mapping[str, Value]) -> bool:
    return all(fields.get(name) in _several(wanted) for name, wanted in step.get("if", {}).items()) and not any(
        fields.get(name) in _several(wanted) for name, wanted in step.get("unless", {}).items()
    )


def _several(wanted: Any) -> Sequence[Any]:
    return wanted if isinstance(wanted, list) else (wanted,)


def _set(step: Mapping[str, Any], _: Command, fields: Mapping[str, Value], clusters: ClusterModel, __: Act) -> None:
    sources = step["set"].items()
    changes = {path(where): fields[one] if isinstance(one, str) else one for where, one in sources}
    for where, value in changes.items():
        low, high = _limits(clusters.rows[where].type)
        if isinstance(value, int) and not low <= value <= high:
            raise ZclRefusal(Status.INVALID_VALUE, f"{value} does not fit {clusters.rows[where].name}")
    for where, value in changes.items():
        clusters.set(where, value)


def _add(step: Mapping[str, Any], _: Command, fields: Mapping[str, Value], clusters: ClusterModel, __: Act) -> None:
    for word, sign in (("add", 1), ("subtract", -1)):
        for where, source in step.get(word, {}).items():
            place = path(where)
            low, high = _limits(clusters.rows[place].type)
            total = number(clusters.get(place)) + sign * number(fields[source])
            clusters.set(place, max(low, min(total, high)))  # a register stops at its end [our choice]


def _limits(kind: int) -> tuple[int, int]:
    """The lowest and the highest number of a ZCL type."""
    first = kind & ~0x07
    if first == _SIGNED:
        half = 1 << 8 * (kind - first) + 7
        return -half, half - 1
    octets = kind - first + 1 if first in _UNSIGNED else _OTHERS.get(kind, 8)
    return 0, (1 << 8 * octets) - 1


_SIGNED = 0x28  # int8; the wider ones follow octet by octet, as in the groups of _UNSIGNED
_UNSIGNED = (0x08, 0x18, 0x20, 0x30)  # data8, bitmap8, uint8, enum8
_OTHERS = {0x10: 1}  # boolean


def _spread(step: Mapping[str, Any], _: Command, fields: Mapping[str, Value], clusters: ClusterModel, __: Act) -> None:
    cluster, first = path(step["to"])
    outer, *inner = step["spread"]
    listed = [dict(record) for record in records(fields[outer])]
    for name in inner:
        listed = [dict(record) for entry in listed for record in records(entry[name])]
    for position, entry in enumerate(listed):
        index = number(entry[step["index"]]) if "index" in step else position
        place = (cluster, first + index * step["step"])
        if place in clusters.rows:  # the device has fewer tiers or blocks than the list can name
            clusters.set(place, entry[step["value"]])


def _store(step: Mapping[str, Any], command: Command, _: Mapping[str, Value], clusters: ClusterModel, act: Act) -> None:
    row = store_rows()[step["store"]]
    entry = Entry(command, tag_of(row, command, act, clusters))
    clusters.keep(row.name, entry)
    for part in row.parts:
        link = store_rows()[part].link
        waiting = [one.entry for one in clusters.pending]
        wanted = [_links(one, link) for one in (entry, *waiting)]
        stale = [old for old in clusters.entries(part) if old.tag == entry.tag and _links(old, link) not in wanted]
        clusters.drop(part, stale)


def _renew(step: Mapping[str, Any], command: Command, _: Mapping[str, Value], clusters: ClusterModel, act: Act) -> None:
    """A new calendar: what was there under its identifiers goes, and what follows in the message is its own."""
    row = store_rows()[step["renew"]]
    entry = Entry(command, tag_of(row, command, act, clusters))
    for part in row.parts:
        link = store_rows()[part].link
        mine = _links(entry, link)
        act.parents[row.name, mine] = entry.tag
        same = [old for old in clusters.entries(part) if old.tag == entry.tag and _links(old, link) == mine]
        if same:
            clusters.drop(part, same)


def _links(entry: Entry, names: Sequence[str]) -> tuple[Value | None, ...]:
    fields = entry.fields
    return tuple(fields.get(name) for name in names)


_WORDS: dict[str, Callable[[Mapping[str, Any], Command, Mapping[str, Value], ClusterModel, Act], None]] = {
    "set": _set,
    "add": _add,
    "subtract": _add,
    "spread": _spread,
    "store": _store,
    "renew": _renew,
}
