"""ZCL clusters as data, and the values that one device holds in them: attributes, stored structures, pending changes.

``zcl_clusters.json`` has the attributes (cluster, id, name, type, value at manufacture), ``zcl_conduct.json`` what each
command does and what it is answered with, in a dozen words that :mod:`devices.machines.parts.gbz_execution` carries
out.  Tables, calendars, snapshots and logs are kept as the typed commands that publish them, so that what was stored is
answered with the fields it came with.

Must not live here: the objects of one kind of device (``gsme_objects`` ...), octets (``wire``), who may do what
(``use_cases``).

Source: facts/use-cases.md (GBZ rows: clusters, attributes, types); values at manufacture are [our choice].
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

from devices.wire import zcl_fields
from devices.wire.zcl_fields import Command, Value

__all__ = [
    "AttributeRow",
    "ClusterModel",
    "ConductRow",
    "Entry",
    "Path",
    "Pending",
    "StoreRow",
    "attributes_of",
    "calendar_types",
    "conduct_rows",
    "path",
    "store_rows",
]

Path = tuple[int, int]
"""Cluster and attribute."""


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """One attribute: ``type`` is its ZCL type code, ``initial`` its value at manufacture."""

    cluster: int
    attribute: int
    name: str
    type: int
    initial: Value


@dataclass(frozen=True, slots=True)
class ConductRow:
    """What one command does.

    ``when`` names the field that dates it (``"from-date-time"``: the header of the component); None: at once.
    ``at_once`` are the steps that do not wait for that time, ``does`` those that do; ``answer`` is what answers it,
    None: a Default Response.
    """

    cluster: int
    to_client: bool
    command: int
    name: str
    when: str | None = None
    at_once: tuple[Mapping[str, Any], ...] = ()
    does: tuple[Mapping[str, Any], ...] = ()
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoreRow:
    """One stored structure.

    ``command`` publishes its entries.  An entry replaces the one with the same values in the fields ``by``.  Entries
    ``of`` another store belong to the entry of it with the same values in the fields ``link``, and its ``parts`` are
    the stores of such; ``tag`` is the field that such entries share.  ``limit`` is how many are kept, oldest out first;
    those with a value in a field are counted ``apart``, up to a limit of their own: neither drives the other out.
    """

    name: str
    cluster: int
    to_client: bool
    command: int
    by: tuple[str, ...] | None = None
    of: str | None = None
    link: tuple[str, ...] = ()
    tag: str | None = None
    parts: tuple[str, ...] = ()
    limit: int = 1000
    apart: tuple[str, int, int] | None = None

    def is_apart(self, entry: Entry) -> bool:
        """Whether an entry is one of those that are counted apart."""
        return self.apart is not None and entry.fields[self.apart[0]] == self.apart[1]


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored structure.  ``tag`` is what it inherits from the entry that it belongs to (a calendar's type)."""

    command: Command
    tag: int = 0

    @property
    def fields(self) -> dict[str, Value]:
        """Its fields by name."""
        return dict(self.command.fields)


@dataclass(frozen=True, slots=True)
class Pending:
    """A change that takes effect at ``at`` (seconds since 2000 UTC), and the command that ordered it."""

    at: int
    message_code: int
    counter: int
    frame_control: int
    entry: Entry


def path(text: str) -> Path:
    """``"0x0705/0x0001"`` as cluster and attribute."""
    cluster, attribute = text.split("/")
    return int(cluster, 16), int(attribute, 16)


@dataclass(slots=True)
class ClusterModel:
    """The clusters of one device.  ``revision`` counts every change."""

    rows: Mapping[Path, AttributeRow]
    values: dict[Path, Value] = field(default_factory=dict)
    stores: dict[str, list[Entry]] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    revision: int = 0

    def get(self, where: Path) -> Value:
        """The value of an attribute; raises ``KeyError`` where the device has none."""
        row = self.rows[where]
        return self.values.get(where, row.initial)

    def set(self, where: Path, value: Value) -> None:
        """Change an attribute that the device has; raises ``KeyError``."""
        row = self.rows[where]
        self.values[where] = value
        if value == row.initial:
            del self.values[where]
        self.revision += 1

    def entries(self, store: str) -> tuple[Entry, ...]:
        """What ``store`` holds, in the order in which it came."""
        return tuple(self.stores.get(store, ()))

    def keep(self, store: str, entry: Entry) -> None:
        """Store one entry in place of the one that it replaces."""
        row = store_rows()[store]
        kept = self.stores.setdefault(store, [])
        if row.by is not None:
            wanted = _key(entry, (*row.by, *row.link))
            kept[:] = [old for old in kept if (old.tag, _key(old, (*row.by, *row.link))) != (entry.tag, wanted)]
        kept.append(entry)
        alike = kept if row.apart is None else [old for old in kept if row.is_apart(old) == row.is_apart(entry)]
        most = row.apart[2] if row.apart is not None and row.is_apart(entry) else row.limit
        if len(alike) > most:
            gone = {id(old) for old in alike[:-most]}
            kept[:] = [old for old in kept if id(old) not in gone]
        self.revision += 1

    def drop(self, store: str, unwanted: Iterable[Entry]) -> None:
        """Forget entries of ``store``."""
        gone = {id(entry) for entry in unwanted}
        self.stores[store] = [entry for entry in self.stores.get(store, ()) if id(entry) not in gone]
        self.revision += 1

    def defer(self, change: Pending) -> None:
        """Keep a change for its time, in place of an earlier one by the same command to the same structure."""
        self.cancel(change.entry)
        self.pending.append(change)
        self.pending.sort(key=lambda one: one.at)
        self.revision += 1

    def cancel(self, entry: Entry) -> None:
        """Forget the pending change that a command like this one ordered."""
        self.pending = [one for one in self.pending if _target(one.entry) != _target(entry)]
        self.revision += 1

    def due(self, at: int) -> list[Pending]:
        """Take out the changes whose time has come at ``at``."""
        ready = [one for one in self.pending if one.at <= at]
        if ready:
            self.pending = [one for one in self.pending if one.at > at]
            self.revision += 1
        return ready

    def as_json(self) -> dict[str, Any]:
        """JSON types, for what outlives a power cut: only what is not as manufactured."""
        return {
            "values": {f"{c:#06x}/{a:#06x}": _to_json(value) for (c, a), value in self.values.items()},
            "stores": {name: [_saved(entry) for entry in entries] for name, entries in self.stores.items() if entries},
            "pending": [
                [one.at, one.message_code, one.counter, one.frame_control, _saved(one.entry)] for one in self.pending
            ],
        }

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """Take over what :meth:`as_json` gave; None puts everything back as manufactured."""
        saved = saved or {}
        self.values = {path(key): _from_json(value) for key, value in saved.get("values", {}).items()}
        self.stores = {name: [_recalled(one) for one in entries] for name, entries in saved.get("stores", {}).items()}
        self.pending = [
            Pending(at, code, counter, control, _recalled(one))
            for at, code, counter, control, one in saved.get("pending", ())
        ]
        self.revision += 1


# ----------------------------------------------------------------------------------------------------------- the tables


def attributes_of(clusters: Iterable[int], values: Mapping[Path, Value] | None = None) -> dict[Path, AttributeRow]:
    """The attribute rows of ``clusters``, with other ``values`` at manufacture where they are given."""
    chosen, other = set(clusters), values or {}
    return {
        where: replace(row, initial=other[where]) if where in other else row
        for where, row in _attributes().items()
        if row.cluster in chosen
    }


@cache
def conduct_rows() -> Mapping[tuple[int, bool, int], ConductRow]:
    """What each cluster command does, by cluster, direction and command."""
    rows = (
        ConductRow(
            int(row["cluster"], 16),
            bool(row.get("to_client")),
            int(row["command"], 16),
            row["name"],
            row.get("when"),
            tuple(row.get("at_once", ())),
            tuple(row.get("does", ())),
            row.get("answer"),
        )
        for row in _read("zcl_conduct.json")["commands"]
    )
    return {(row.cluster, row.to_client, row.command): row for row in rows}


@cache
def store_rows() -> Mapping[str, StoreRow]:
    """The stored structures by name."""
    return {
        name: StoreRow(
            name,
            int(row["cluster"], 16),
            bool(row.get("to_client", True)),
            int(row["command"], 16),
            tuple(row["by"]) if "by" in row else None,
            row.get("of"),
            tuple(row.get("link", ())),
            row.get("tag"),
            tuple(row.get("parts", ())),
            row.get("limit", 1000),
            tuple(row["apart"]) if "apart" in row else None,
        )
        for name, row in _read("zcl_conduct.json")["stores"].items()
    }


@cache
def calendar_types() -> Mapping[int, int]:
    """The calendar identifiers that mean "the one in use", and the calendar type that each stands for."""
    return {int(number, 16): kind for number, kind in _read("zcl_conduct.json")["calendars"].items()}


@cache
def _attributes() -> Mapping[Path, AttributeRow]:
    return {(row.cluster, row.attribute): row for row in _attribute_rows()}


def _attribute_rows() -> Iterator[AttributeRow]:
    for cluster, entry in _read("zcl_clusters.json").items():
        for attribute, (name, kind, *value) in entry["attributes"].items():
            code = int(kind, 16)
            initial: Value = value[0] if value else b"" if code == _OCTETS else "" if code == _TEXT else 0
            if code == _OCTETS and isinstance(initial, str):
                initial = bytes.fromhex(initial)
            yield AttributeRow(int(cluster, 16), int(attribute, 16), name, code, initial)


_OCTETS, _TEXT = 0x41, 0x42


@cache
def _read(name: str) -> dict[str, Any]:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


# ------------------------------------------------------------------------------------------------- identity and memory


def _key(entry: Entry, names: tuple[str, ...]) -> tuple[Value | None, ...]:
    fields = entry.fields
    return tuple(fields.get(name) for name in names)


def _target(entry: Entry) -> tuple[Any, ...]:
    """What a command changes: two commands of one kind with the same target supersede each other."""
    command = entry.command
    by = next(
        (
            row.by
            for row in store_rows().values()
            if (row.cluster, row.to_client, row.command) == (command.cluster, command.to_client, command.command)
        ),
        None,
    )
    return (command.cluster, command.to_client, command.command, _key(entry, by or ()))


def _to_json(value: Value) -> Any:
    return {"octets": value.hex()} if isinstance(value, bytes) else value


def _from_json(value: Any) -> Value:
    octets: Value = bytes.fromhex(value["octets"]) if isinstance(value, dict) else value
    return octets


def _saved(entry: Entry) -> list[Any]:
    command = entry.command
    return [command.cluster, command.to_client, command.command, zcl_fields.write(command).hex(), entry.tag]


def _recalled(saved: list[Any]) -> Entry:
    cluster, to_client, command, octets, tag = saved
    read = zcl_fields.read(cluster, to_client, command, bytes.fromhex(octets))
    if not isinstance(read, Command):
        raise ValueError(f"what was saved as command {command:#04x} of cluster {cluster:#06x} is none of the cluster's")
    return Entry(read, tag)
