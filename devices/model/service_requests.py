"""The catalogue of service requests: what users ask of the DCC, and which use case of a device answers to it.

The data file gives each request its number and name, and says the little that the use-case table leaves open; what
follows from the use cases (roles, future dating, devices) is read from them and not written twice.

Must not live here: how a request becomes a command (``machines.transform_service``), octets.

Source: the DCC's schema 5.4 and its request matrix, as facts/duis-services.json has them (numbers and names [schema];
critical, roles [single source]; command variants [2 sources]); facts/gbcs.md 5.7; the use-case table for the links.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from devices.model import use_cases
from devices.model.roles import Role
from devices.model.use_cases import UseCase

__all__ = ["PARTY_OF", "CommandVariant", "ServiceRequest", "all_service_requests", "find", "table_of"]

PARTY_OF: Final[Mapping[str, Role]] = MappingProxyType(
    {
        "IS": Role.SUPPLIER,
        "GS": Role.SUPPLIER,
        "ED": Role.NETWORK_OPERATOR,
        "GT": Role.NETWORK_OPERATOR,
        # These have no credential cell in a device [our choice: the supplier cell is the import supplier's].
        "ES": Role.OTHER,
        "RSA": Role.OTHER,
        "OU": Role.OTHER,
    }
)
"""User roles of the DCC, and as which remote party a device knows them.  OTHER: it does not."""

_FIRST_FORM: Final = "(first form)"  # how the table marks a use case that a later one replaced


class CommandVariant(IntEnum):
    """How the answer to a service request travels."""

    OVER_WAN = 1  # plain
    LOCAL = 2  # non-critical, handed back for local delivery only
    WAN_AND_LOCAL = 3
    TRANSFORM = 4  # give me the pre-command to sign
    SIGNED_OVER_WAN = 5  # a signed pre-command
    SIGNED_LOCAL = 6
    SIGNED_WAN_AND_LOCAL = 7
    NO_DEVICE = 8

    @property
    def way(self) -> str:
        """The way of delivery in the words of the broker's ports; empty where nothing is delivered."""
        return {1: "wan", 2: "local", 3: "both", 5: "wan", 6: "local", 7: "both"}.get(self, "")


_NON_CRITICAL: Final = (CommandVariant.OVER_WAN, CommandVariant.LOCAL, CommandVariant.WAN_AND_LOCAL)
_CRITICAL: Final = (
    CommandVariant.TRANSFORM,
    CommandVariant.SIGNED_OVER_WAN,
    CommandVariant.SIGNED_LOCAL,
    CommandVariant.SIGNED_WAN_AND_LOCAL,
)


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """One service request.

    ``critical``: the user signs.  ``roles`` are the user roles that may ask for it; empty where no source names them.
    ``signed_by`` is who signs its command where that is neither the user nor the broker.  ``use_cases`` are its
    commands, for all kinds of device, in the order of their codes; empty where no device takes part.
    """

    number: str
    name: str
    critical: bool
    future_dated: bool
    roles: tuple[str, ...]
    use_cases: tuple[UseCase, ...]
    signed_by: Role | None = None
    allowed: tuple[CommandVariant, ...] = ()  # where they are not those of its kind

    @property
    def title(self) -> str:
        """Number and name."""
        return f"{self.number} {self.name}"

    @property
    def variants(self) -> tuple[CommandVariant, ...]:
        """The command variants in which it may be asked for."""
        if self.allowed:
            return self.allowed
        if not self.use_cases:
            return (CommandVariant.NO_DEVICE,)
        return _CRITICAL if self.critical else _NON_CRITICAL

    @property
    def devices(self) -> tuple[str, ...]:
        """The kinds of device that it may be addressed to, in alphabetical order."""
        return tuple(sorted({device for use_case in self.use_cases for device in use_case.kinds}))

    def commands_for(self, device: str) -> tuple[UseCase, ...]:
        """The use cases that a device of the kind ``device`` can be asked to carry out for it.

        Those that have been replaced come last.
        """
        found = [use_case for use_case in self.use_cases if device in use_case.kinds]
        return tuple(sorted(found, key=is_replaced))


def is_replaced(use_case: UseCase) -> bool:
    """Whether a later use case stands in its place."""
    return use_case.title.endswith(_FIRST_FORM)


def all_service_requests() -> Iterator[ServiceRequest]:
    """Every service request, in the order of the catalogue."""
    return iter(_table().values())


def find(text: str) -> ServiceRequest:
    """The service request ``"7.1"``, ``"Enable Supply"`` or ``"7.1 Enable Supply"``, whatever its case.

    Raises ``KeyError``.
    """
    table, wanted = _table(), " ".join(text.split()).lower()
    if wanted in table:
        return table[wanted]
    for request in table.values():
        if wanted in (request.name.lower(), request.title.lower()):
            return request
    raise KeyError(text)


@cache
def _table() -> dict[str, ServiceRequest]:
    rows = json.loads(resources.files(__package__).joinpath("service_requests.json").read_text("utf-8"))
    return table_of(rows, tuple(use_cases.all_use_cases()))


def table_of(rows: list[dict[str, Any]], known: tuple[UseCase, ...]) -> dict[str, ServiceRequest]:
    """The catalogue by number, from rows as in its file and the use cases that they name themselves for."""
    return {row["number"]: _service_request(row, known) for row in rows}


def _service_request(row: Mapping[str, Any], known: tuple[UseCase, ...]) -> ServiceRequest:
    linked = [use_case for use_case in known if row["number"] in use_case.service_requests]
    commands = tuple(use_case for use_case in linked if use_case.protection["command"])
    signed_by = row.get("signed_by")
    return ServiceRequest(
        number=row["number"],
        name=row["name"],
        critical=bool(row.get("critical", any(use_case.critical for use_case in commands))),
        future_dated=bool(row.get("future", any(use_case.future_dated for use_case in commands))),
        roles=tuple(row.get("roles", _shared_roles(commands))),
        use_cases=commands,
        signed_by=None if signed_by is None else Role.named(signed_by),
        allowed=tuple(map(CommandVariant, row.get("variants", ()))),
    )


def _shared_roles(commands: tuple[UseCase, ...]) -> tuple[str, ...]:
    """A use case names the roles of all its requests together, so a request's own are what its use cases share."""
    if not commands:
        return ()
    return tuple(role for role in commands[0].roles if all(role in use_case.roles for use_case in commands))
