"""The GBCS use-case table: what each message code is, who may send it, how it is protected, which objects it touches.

The table itself is data (``use_cases.json``, one row a line) and is read once, when first asked for.

Must not live here: how a device executes a use case (``objects`` and ``machines``), octets (``wire``).

Source: facts/use-cases.md, which says for each column how it was obtained and checked; facts/gbcs.md 4.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from devices.model.credentials import DEVICE_CELLS
from devices.model.roles import Role

__all__ = ["DlmsRow", "GbzRow", "Protected", "UseCase", "all_use_cases", "by_code", "by_name", "table_of"]

_OF_CREDENTIALS = frozenset({"CS02a", "CS02b", "CS02c", "CS02d", "CS02e"})
_ANOTHER_FORM: Mapping[tuple[int, str], str] = {(0x0104, "CHF"): "sig+MAC"}
"""Message code and kind of device where a command is protected otherwise (facts/gbcs.md 2.1 [page seen])."""


@dataclass(frozen=True, slots=True)
class Protected:
    """One attribute that a data protection object wraps (and encrypts in the reply)."""

    class_id: int
    obis: bytes
    attribute: int
    name: str
    fields: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class DlmsRow:
    """One access specification, in wire order.

    ``op`` is ``get``, ``set``, ``action``, ``get-selective`` or ``notify`` (content of an alert).  ``class_id``,
    ``obis`` (6 octets) and ``index`` are None for the content of an alert that belongs to no object.  ``data_type`` is
    written as :mod:`devices.model.data_types` reads it.
    """

    op: str
    class_id: int | None
    obis: bytes | None
    index: int | None
    name: str
    data_type: str | None
    selector: int | None = None
    note: str | None = None
    fields: tuple[Mapping[str, Any], ...] = ()
    protects: tuple[Protected, ...] = ()


@dataclass(frozen=True, slots=True)
class GbzRow:
    """One ZCL component.  ``message`` is ``command``, ``response``, ``alternate response`` or ``alert``.

    It may occur ``fewest`` to ``most`` times in a message (None: any number).  ``dated``: a from-date-time stands
    before the ZCL header.
    """

    message: str
    cluster: int
    command: int
    name: str
    direction: str
    frame: str
    attributes: tuple[int, ...] = ()
    fields: tuple[Mapping[str, Any], ...] = ()
    encrypted: bool = False
    fewest: int = 1
    most: int | None = 1
    dated: bool = False

    @property
    def reads(self) -> bool:
        """Whether the component only asks: a read of attributes, or a command whose name begins with Get."""
        return (self.frame == "profile-wide" and self.command == 0) or self.name.startswith("Get")


@dataclass(frozen=True, slots=True)
class UseCase:
    """One message code.

    ``use_case`` is the GBCS name, None where a code has none.  ``devices`` are the kinds of device that published
    messages show with it.  ``device_roles`` are the remote party roles that the device itself accepts; empty where no
    source names them.  ``critical`` and ``replay_protected`` are None where no
    source says.  ``protection`` of command, response and alert is ``"sig+MAC"``, ``"sig"``, ``"MAC"``, ``"MAC or sig"``
    or None.  ``response_has_time``: the reply's grouping header carries the 12-octet date-time.
    """

    code: int
    use_case: str | None
    title: str
    category: str | None
    devices: tuple[str, ...]
    payload: str | None
    roles: tuple[str, ...]
    device_roles: tuple[Role, ...]
    critical: bool | None
    replay_protected: bool | None
    future_dated: bool | None
    protection: Mapping[str, str | None]
    service_requests: tuple[str, ...]
    response_has_time: bool
    encrypted_reply: bool
    dlms: tuple[DlmsRow, ...]
    gbz: tuple[GbzRow, ...]
    asn1: Mapping[str, str]
    effects: str
    alerts: tuple[int, ...]
    alert_messages: tuple[int, ...]
    alert_shape: str | None

    @property
    def is_alert(self) -> bool:
        """Whether the code is sent by devices of their own accord only."""
        return bool(self.protection["alert"]) and not self.protection["command"]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of device that may be asked to carry it out.

        Beside ``devices``, the commands about credentials concern every kind that has a cell of a role that may give
        them [our reading: the table names the kinds that were seen; facts/gbcs.md 9.3 has more kinds with cells].
        """
        if self.use_case not in _OF_CREDENTIALS or not self.protection["command"]:
            return self.devices
        further = (
            kind
            for kind, cells in DEVICE_CELLS.items()
            if kind not in self.devices
            and (not self.device_roles or any(cell.role in self.device_roles for cell in cells))
        )
        return (*self.devices, *further)

    def command_form(self, kind: str) -> str | None:
        """How a command to a device of ``kind`` is protected, in the words of ``protection``."""
        return _ANOTHER_FORM.get((self.code, kind), self.protection["command"])

    @property
    def between_devices(self) -> bool:
        """Whether one device of the HAN sends it to another, protected with their own keys (facts/gbcs.md 2.1)."""
        return self.category == "SME.C.PPMID-GSME"

    @property
    def only_reads(self) -> bool:
        """Whether a command of this use case can change nothing in the device."""
        reads = {"get", "get-selective", "notify"}
        if self.payload == "gbz":
            return all(row.reads for row in self.gbz if row.message == "command")
        return bool(self.dlms) and all(row.op in reads or row.protects for row in self.dlms)


def by_code(code: int) -> UseCase | None:
    """The use case of a message code, None when the table does not know it."""
    return _table()[0].get(code)


def by_name(name: str) -> UseCase:
    """The use case called ``name``, e.g. ``"ECS42"``.

    Of names that several codes share (CS02b has one a replacement mode) the lowest code.  Raises ``KeyError``.
    """
    return _table()[1][name]


def all_use_cases() -> Iterator[UseCase]:
    """Every use case in the order of the codes."""
    return iter(_table()[0].values())


def obis(text: str) -> bytes:
    """``"0.0.10.0.106.255"`` as 6 octets."""
    return bytes(int(part) for part in text.split("."))


@cache
def _table() -> tuple[dict[int, UseCase], dict[str, UseCase]]:
    return table_of(json.loads(resources.files(__package__).joinpath("use_cases.json").read_text("utf-8")))


def table_of(rows: Iterable[dict[str, Any]]) -> tuple[dict[int, UseCase], dict[str, UseCase]]:
    """Rows of the table, as they are in its file, by message code and by name."""
    codes = {row["code"]: _use_case(row) for row in rows}
    names: dict[str, UseCase] = {}
    for use_case in codes.values():
        if use_case.use_case:
            names.setdefault(use_case.use_case, use_case)
    return codes, names


def _use_case(row: dict[str, Any]) -> UseCase:
    return UseCase(
        code=row["code"],
        use_case=row.get("name"),
        title=row["title"],
        category=row.get("category"),
        devices=tuple(row.get("devices", ())),
        payload=row.get("payload"),
        roles=tuple(row.get("roles", ())),
        device_roles=tuple(Role.named(name) for name in row.get("device_roles", ())),
        critical=row.get("critical"),
        replay_protected=row.get("replay"),
        future_dated=row.get("future"),
        protection=dict(zip(("command", "response", "alert"), row["protection"], strict=True)),
        service_requests=tuple(row.get("requests", ())),
        response_has_time=bool(row.get("timed")),
        encrypted_reply=bool(row.get("encrypted")),
        dlms=tuple(_dlms(entry) for entry in row.get("dlms", ())),
        gbz=tuple(_gbz(entry) for entry in row.get("gbz", ())),
        asn1=row.get("asn1", {}),
        effects=row.get("effects", ""),
        alerts=tuple(row.get("alerts", ())),
        alert_messages=tuple(row.get("alert_messages", ())),
        alert_shape=row.get("alert_shape"),
    )


def _dlms(row: dict[str, Any]) -> DlmsRow:
    return DlmsRow(
        op=row["op"],
        class_id=row.get("class"),
        obis=obis(row["obis"]) if "obis" in row else None,
        index=row.get("index"),
        name=row["name"],
        data_type=row.get("type"),
        selector=row.get("selector"),
        note=row.get("note"),
        fields=tuple(row.get("fields", ())),
        protects=tuple(
            Protected(
                entry["class_id"],
                obis(entry["obis"]),
                entry["attribute"],
                entry["name"],
                tuple(entry.get("fields", ())),
            )
            for entry in row.get("protects", ())
        ),
    )


def _gbz(row: dict[str, Any]) -> GbzRow:
    name, _, counted = row["name"].partition(" (")  # "SetEventConfiguration (1-n instances)"
    fewest, most = _instances(row.get("instances") or (counted.removesuffix(" instances)") or "1"))
    return GbzRow(
        message=row["message"],
        cluster=int(row["cluster"], 16),
        command=int(row["command"], 16),
        name=name,
        direction=row["direction"],
        frame=row["frame"],
        attributes=tuple(int(str(attribute), 16) for attribute in row.get("attributes", ())),
        fields=tuple(row.get("fields", ())),
        encrypted=bool(row.get("encrypted")),
        fewest=fewest,
        most=most,
        dated=bool(row.get("extra_header")),
    )


def _instances(text: str) -> tuple[int, int | None]:
    """``"0-12"``, ``"31"`` or ``"1-n"`` as the fewest and the most."""
    fewest, _, most = text.partition("-")
    return int(fewest), None if most == "n" else int(most or fewest)
