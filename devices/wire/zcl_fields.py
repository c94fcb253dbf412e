"""ZCL commands as named, typed fields: a small field language and the layouts written in it.

``zcl_commands.json`` has a row for each command: cluster, direction, command, name, fields.  A field is a name and a
type, and ``"optional"`` where a payload may end before it.  A type is a word of ``zcl_types`` or one of

    {"records": [fields]}                                  records to the end of the payload
    {"records": [fields], "count": NAME, "mask": BITS}     as many as the field NAME says (of it, only those bits)
    {"record": [fields]}                                   one record
    {"by": NAME, "cases": {"0 1": type, ...}}              the type that goes with the value of the field NAME

Layouts are compiled once, by ``zcl_layouts``.  What a layout does not explain is refused: there is no field for the
rest.  Commands that all clusters share are in ``zcl_general``.

Layouts: use-cases.json (``gbz``); the sub-payloads and optional tails are those of Zigbee Smart Energy 1.2.  The open
corpus proves all that its messages carry; it has no debt log, no metering snapshot of a type other than 6, no event
configuration but by list, no day of an auxiliary switch and no optional tail: these are recalled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from devices.wire.errors import DecodeError, EncodeError
from devices.wire.zcl_general import (
    AttributeRecord,
    AttributeStatus,
    AttributeValue,
    DefaultResponse,
    ReadAttributes,
    ReadAttributesResponse,
    ReportAttributes,
    WriteAttributes,
    WriteAttributesResponse,
)
from devices.wire.zcl_layouts import (
    Field,
    Fields,
    Layout,
    Records,
    Value,
    layout,
    read_fields,
    read_fields_partly,
    write_fields,
)

__all__ = [
    "AttributeRecord",
    "AttributeStatus",
    "AttributeValue",
    "Command",
    "DefaultResponse",
    "Field",
    "Fields",
    "Layout",
    "ReadAttributes",
    "ReadAttributesResponse",
    "Records",
    "ReportAttributes",
    "Value",
    "WriteAttributes",
    "WriteAttributesResponse",
    "layout_of",
    "layouts",
    "name_of",
    "read",
    "read_partly",
    "same_name",
    "write",
]

_LAYER = "zcl"


class Command(NamedTuple):
    """A command of a cluster; ``fields`` are names and values in the order of the wire, optional ones perhaps absent.

    A value is a number, octets, a text, or records, each a tuple of fields.
    """

    cluster: int
    to_client: bool
    command: int
    name: str
    fields: Fields

    def get(self, name: str) -> Value:
        """The value of a field.  Raises ``KeyError`` where the command has none of that name."""
        for own, value in self.fields:
            if own == name:
                return value
        raise KeyError(f"{self.name} has no field {name!r}; it has {', '.join(own for own, _ in self.fields)}")


@cache
def layouts() -> Mapping[tuple[int, bool, int], Layout]:
    """All layouts, by cluster, direction (True: to the client) and command."""
    table = json.loads(resources.files("devices.wire").joinpath("zcl_commands.json").read_text("utf-8"))
    return {
        (int(cluster, 16), direction == "to_client", int(command, 16)): layout(entry["name"], entry["fields"])
        for cluster, rows in table.items()
        for direction in ("to_server", "to_client")
        for command, entry in rows.get(direction, {}).items()
    }


def layout_of(cluster: int, to_client: bool, command: int) -> Layout | None:
    """The layout of a command, or None where the table has none."""
    return layouts().get((cluster, to_client, command))


def name_of(cluster: int, to_client: bool, command: int) -> str:
    """The name of a command.  Raises ``EncodeError`` where the table has no layout of it."""
    found = layouts().get((cluster, to_client, command))
    if found is None:
        raise EncodeError(_LAYER, _no_layout(cluster, to_client, command))
    return found.name


def same_name(listed: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that is ``listed`` but for spaces and capitals: use cases write the same name both ways."""
    wanted = _plain(listed)
    return next((name for name in names if _plain(name) == wanted), None)


def _plain(name: str) -> str:
    return name.replace(" ", "").casefold()


def _no_layout(cluster: int, to_client: bool, command: int) -> str:
    return f"command {command:02X} of cluster {cluster:04X} to the {'client' if to_client else 'server'} has no layout"


# -------------------------------------------------------------------------------------------------- reading, writing


def read(cluster: int, to_client: bool, command: int, payload: bytes) -> Command:
    """The fields of a command.  Raises ``DecodeError`` where no layout explains all the octets."""
    found = layouts().get((cluster, to_client, command))
    if found is None:
        raise DecodeError(_LAYER, 0, _no_layout(cluster, to_client, command))
    return Command(cluster, to_client, command, found.name, read_fields(found, payload))


def read_partly(cluster: int, to_client: bool, command: int, payload: bytes) -> tuple[Command | None, DecodeError]:
    """What can be read of a payload that :func:`read` refuses, and what is wrong after it; nothing without a layout."""
    found = layouts().get((cluster, to_client, command))
    if found is None:
        return None, DecodeError(_LAYER, 0, _no_layout(cluster, to_client, command))
    fields, fault = read_fields_partly(found, payload)
    return Command(cluster, to_client, command, found.name, fields), fault


def write(command: Command) -> bytes:
    """The payload of a command, without its ZCL header.  Raises ``EncodeError`` where fields and layout differ."""
    found = layouts().get((command.cluster, command.to_client, command.command))
    if found is None or found.name != command.name:
        raise EncodeError(_LAYER, f"{command.name} is no command with a layout in cluster {command.cluster:04X}")
    return write_fields(found, command.fields)
