"""GBZ payloads from named arguments and back, by the rows of the use-case table and the field layouts of ZCL.

An argument is called as its component (``"Change Supply"``; those that share a name are numbered) and maps the names of
its fields to values: numbers, texts, octets in hexadecimal, records as lists of mappings.  What the table fixes may be
left out, and so may counts of lists.  A component that occurs several times takes a list of such mappings; one mapping
stands for all of them where the table says how often it occurs.  ``without`` lists components that are left out.

Must not live here: fields and their types (``wire.zcl_fields``), protection of messages.

Source: facts/gbcs.md 3.2; facts/use-cases.md ("gbz rows").
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

from devices.machines.core import MachineError
from devices.machines.parts.row_layouts import fixed_number
from devices.model.use_cases import GbzRow, UseCase
from devices.wire import gbz, zcl, zcl_fields, zcl_general
from devices.wire.errors import WireError
from devices.wire.gbz import Component
from devices.wire.zcl_fields import Command, Fields
from devices.wire.zcl_types import WORDS, Number

__all__ = ["field_table", "named_arguments", "payload"]

Args = Mapping[str, Any]
Listed = Sequence[Sequence[Any]]  # fields as the table writes them: name, type, perhaps "optional"

_WITHOUT: Final = "without"
_ATTRIBUTES: Final = "attributes"
_FROM: Final = "From Date Time"
_RANGE: Final = re.compile(r"0-(\d+)")  # a number that counts the instances of a component


@cache
def field_table() -> Mapping[tuple[int, bool, int], tuple[str, Listed]]:
    """Name and fields of every ZCL command, in the words of the field language (``wire.zcl_fields``), by cluster,
    direction (True: to the client) and command."""
    table = json.loads(resources.files("devices.wire").joinpath("zcl_commands.json").read_text("utf-8"))
    return {
        (int(cluster, 16), direction == "to_client", int(command, 16)): (entry["name"], entry["fields"])
        for cluster, rows in table.items()
        for direction in ("to_server", "to_client")
        for command, entry in rows.get(direction, {}).items()
    }


def _named_rows(use_case: UseCase) -> list[tuple[str, GbzRow]]:
    """The components of a command, in order, under the names by which arguments call them."""
    rows = [row for row in use_case.gbz if row.message == "command"]
    shared = Counter(row.name for row in rows)
    seen: Counter[str] = Counter()
    named = []
    for row in rows:
        seen[row.name] += 1
        named.append((f"{row.name} #{seen[row.name]}" if shared[row.name] > 1 else row.name, row))
    return named


# ------------------------------------------------------------------------------------------------------------- building


def payload(use_case: UseCase, args: Args) -> bytes:
    """The octets of a command's payload.  Raises :class:`MachineError` for a missing, unknown or wrong argument."""
    rows = _named_rows(use_case)
    names = [name for name, _ in rows]
    left_out = args.get(_WITHOUT, ())
    if isinstance(left_out, str) or not isinstance(left_out, Sequence) or set(map(str, left_out)) - set(names):
        raise MachineError(f"argument {_WITHOUT!r}: expected a list of {', '.join(names)}, got {str(left_out)[:80]!r}")
    if unknown := sorted(set(args) - set(names) - {_WITHOUT}):
        raise MachineError(f"{use_case.use_case}: takes {', '.join(names)}; got {', '.join(unknown)}; leave these out")
    components: list[Component] = []
    for name, row in rows:
        if name in left_out or (row.fewest == 0 and name not in args):
            continue
        for at, instance in enumerate(_instances(args.get(name, {}), row, name)):
            components.append(_component(row, instance, name, at, len(components)))
    try:
        return gbz.encode(gbz.Payload(tuple(components)))
    except WireError as error:
        raise MachineError(f"{use_case.use_case}: {error}")


def _instances(value: Any, row: GbzRow, where: str) -> list[Args]:
    if isinstance(value, Mapping):
        return [value] * (row.fewest if row.fewest == row.most else 1)
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise MachineError(f"argument {where!r}: expected names and values, or a list of such, got {str(value)[:80]!r}")
    return value


def _component(row: GbzRow, args: Args, where: str, at: int, sequence: int) -> Component:
    to_client = row.direction == "server-to-client"
    from_time = None
    if row.dated:
        from_time = _value(args.get(_FROM), "utc", f"{where}.{_FROM}")
        args = {name: value for name, value in args.items() if name != _FROM}
    control = zcl.TO_CLIENT if to_client else 0
    try:
        if row.frame == "cluster":
            control |= zcl.CLUSTER_SPECIFIC
            octets = zcl_fields.write(_command(row, to_client, args, where, at))
        else:
            octets = zcl_general.write(_general(row, args, where))
    except WireError as error:
        raise MachineError(f"argument {where!r}: {error}")
    return Component(row.cluster, zcl.Frame(control, sequence, row.command, octets), from_time)


def _general(row: GbzRow, args: Args, where: str) -> zcl_general.General:
    numbers = args.get(_ATTRIBUTES, row.attributes)
    if set(args) - {_ATTRIBUTES} or not all(isinstance(number, int) for number in numbers):
        raise MachineError(f"argument {where!r}: expected {_ATTRIBUTES} as a list of numbers, got {str(args)[:80]!r}")
    return zcl_general.ReadAttributes(tuple(numbers))


def _command(row: GbzRow, to_client: bool, args: Args, where: str, at: int) -> Command:
    listed = field_table().get((row.cluster, to_client, row.command))
    if listed is None:
        raise MachineError(f"{row.name}: command {row.command:02X} of cluster {row.cluster:04X} has no layout; add it")
    name, layout = listed
    return Command(row.cluster, to_client, row.command, name, _fields(args, layout, _fixed(row, layout, at), where))


def _fields(args: Any, layout: Listed, fixed: Mapping[str, Any], where: str) -> Fields:
    if not isinstance(args, Mapping):
        raise MachineError(f"argument {where!r}: expected names and values, got {str(args)[:80]!r}")
    names = [name for name, *_ in layout]
    if unknown := sorted(set(args) - set(names)):
        raise MachineError(f"argument {where!r}: takes {', '.join(names)}; got {', '.join(unknown)}; leave these out")
    counts = _counted(layout)
    found: list[tuple[str, Any]] = []
    for name, kind, *optional in layout:
        value = args.get(name)
        if value is None and name in counts and isinstance(args.get(counts[name]), Sequence):
            value = len(args[counts[name]])
        if value is None and name in fixed:
            found.append((name, fixed[name]))
            continue
        if value is None and optional:
            break
        found.append((name, _value(value, _chosen(kind, found), f"{where}.{name}")))
    if late := sorted(set(args) - {name for name, _ in found}):
        raise MachineError(f"argument {where!r}: {', '.join(late)} cannot stand where a field before is left out")
    return tuple(found)


def _counted(layout: Listed) -> dict[str, str]:
    """Fields that are the count of a list and nothing else, and which list it is."""
    return {
        kind["count"]: name
        for name, kind, *_ in layout
        if isinstance(kind, Mapping) and "count" in kind and "mask" not in kind
    }


def _chosen(kind: Any, before: Sequence[tuple[str, Any]]) -> Any:
    """The type of a field, where another field chooses it."""
    if isinstance(kind, Mapping) and "by" in kind:
        by = dict(before).get(kind["by"])
        return next((case for values, case in kind["cases"].items() if str(by) in values.split()), kind)
    return kind


def _value(value: Any, kind: Any, where: str) -> Any:
    if value is None:
        raise MachineError(f"argument {where!r} is missing; give it a value")
    if isinstance(kind, Mapping):
        layout = kind.get("records") or kind.get("record")
        if layout is None:
            raise MachineError(f"argument {where!r}: the field {kind.get('by')!r} chooses no type; correct that one")
        records = [value] if "record" in kind else value
        if isinstance(records, str | Mapping) or not isinstance(records, Sequence):
            raise MachineError(f"argument {where!r}: expected a list, got {str(value)[:80]!r}")
        return tuple(_fields(record, layout, {}, f"{where}[{at}]") for at, record in enumerate(records))
    word = WORDS[kind]
    if isinstance(word, Number):
        low = -(1 << 8 * word.size - 1) if word.signed else 0
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value - low < 1 << 8 * word.size:
            top = low + (1 << 8 * word.size) - 1
            raise MachineError(f"argument {where!r}: expected a whole number from {low} to {top}, got {value!r:.80}")
        return value
    if "text" in word.name and isinstance(value, str):
        return value
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise MachineError(f"argument {where!r}: expected octets in hexadecimal, got {str(value)[:80]!r}")


# ----------------------------------------------------------------------------------------- values that the table fixes


def _fixed(row: GbzRow, layout: Listed, at: int) -> dict[str, Any]:
    """The values that the table fixes for the component number ``at`` of its kind."""
    texts = {_spelt(str(field.get("name"))): str(field.get("value") or "") for field in row.fields}
    fixed = {name: _fixed_value(texts.get(_spelt(name), ""), kind, at) for name, kind, *_ in layout}
    return {name: value for name, value in fixed.items() if value is not None}


def _spelt(name: str) -> str:
    """A field's name without what the sources spell now so, now so: spaces and capitals."""
    return name.replace(" ", "").casefold()


def _fixed_value(text: str, kind: Any, at: int) -> Any:
    word = WORDS[kind] if isinstance(kind, str) else None
    if word is None:
        return None
    if counting := _RANGE.fullmatch(text):
        return at if isinstance(word, Number) and at <= int(counting[1]) else None
    number = fixed_number(text)
    if number is None:
        return None
    if isinstance(word, Number):
        top = 1 << 8 * word.size
        return number - top if word.signed and number >= top // 2 else number
    return "" if "text" in word.name and number == 0 else b"" if number == 0 else None  # a string of no octets


# --------------------------------------------------------------------------------------------------- reading arguments


def named_arguments(octets: bytes, use_case: UseCase) -> dict[str, Any]:
    """What :func:`payload` needs to build these octets again, as JSON types by name.

    Raises :class:`MachineError` where they are no command of ``use_case``, ``DecodeError`` where they can't be read.
    """
    body = gbz.decode(octets)
    if not isinstance(body, gbz.Payload):
        raise MachineError("the payload is an alert, no command")
    rows = _named_rows(use_case)
    found: list[list[dict[str, Any]]] = [[] for _ in rows]
    at = 0
    for sequence, component in enumerate(body.components):
        at = _place(component, rows, at, found, use_case)
        found[at].append(_instance(component, rows[at][1], len(found[at]), sequence))
    args: dict[str, Any] = {}
    for (name, row), instances in zip(rows, found, strict=True):
        if not instances and row.fewest:
            args.setdefault(_WITHOUT, []).append(name)
        elif instances and (value := _collapsed(instances, row)) is not None:
            args[name] = value
    return args


def _place(
    component: Component, rows: list[tuple[str, GbzRow]], at: int, found: list[list[dict[str, Any]]], use_case: UseCase
) -> int:
    """The row of the next component: the one before while it may occur again, else the next that it fits."""
    most = rows[at][1].most
    if _fits(component, rows[at][1]) and (most is None or len(found[at]) < most):
        return at
    for further in range(at + 1, len(rows)):
        if _fits(component, rows[further][1]):
            return further
    if _fits(component, rows[at][1]):
        return at  # more often than the table says
    raise MachineError(
        f"command {component.frame.command:02X} of cluster {component.cluster:04X} is not in its place in "
        f"{use_case.use_case}; the use-case table does not have it there"
    )


def _fits(component: Component, row: GbzRow) -> bool:
    frame = component.frame
    return (component.cluster, frame.command, frame.cluster_specific, frame.to_client) == (
        row.cluster,
        row.command,
        row.frame == "cluster",
        row.direction == "server-to-client",
    )


def _collapsed(instances: list[dict[str, Any]], row: GbzRow) -> Any:
    """One mapping where it says it all, nothing where the table does."""
    if len(instances) == 1:
        return instances[0] or (None if row.fewest else {})
    same = all(instance == instances[0] for instance in instances)
    if same and len(instances) == row.fewest == row.most:
        return instances[0] or None
    return instances


def _instance(component: Component, row: GbzRow, at: int, sequence: int) -> dict[str, Any]:
    frame = component.frame
    if frame.sequence != sequence & 0xFF or component.additional is not None or frame.manufacturer is not None:
        raise MachineError(f"{row.name}: a sequence number or header that no command has")
    args: dict[str, Any] = {}
    if row.dated != (component.from_time is not None):
        raise MachineError(f"{row.name}: a from-date-time where the table has none, or none where it has one")
    if component.from_time is not None:
        args[_FROM] = component.from_time
    if not frame.cluster_specific:
        body = zcl_general.read(frame.command, frame.payload)
        if not isinstance(body, zcl_general.ReadAttributes):
            raise MachineError(f"{row.name}: of what all clusters share a command only reads attributes")
        return args if body.attributes == row.attributes else {**args, _ATTRIBUTES: list(body.attributes)}
    command = zcl_fields.read(component.cluster, frame.to_client, frame.command, frame.payload)
    _, layout = field_table()[component.cluster, frame.to_client, frame.command]
    return {**args, **_named(command.fields, layout, _fixed(row, layout, at))}


def _named(fields: Fields, layout: Listed, fixed: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {name: kind for name, kind, *_ in layout}
    optional = {name for name, _, *rest in layout if rest}
    counts = _counted(layout)
    values = dict(fields)
    named: dict[str, Any] = {}
    for name, value in fields:
        if name in fixed and fixed[name] == value and name not in optional:
            continue
        counted = values.get(counts.get(name, ""))
        if isinstance(counted, tuple) and len(counted) == value:
            continue
        named[name] = _plain(value, _chosen(kinds[name], fields))
    return named


def _plain(value: Any, kind: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if not isinstance(value, tuple):
        return value
    layout = kind.get("records") or kind["record"]
    records = [_named(record, layout, {}) for record in value]
    return records[0] if "record" in kind else records
