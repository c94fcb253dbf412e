"""From a service request to the command that it stands for: which use case, who originates it, which pre-command.

Must not live here: what becomes of the command (``transform_service``), how its payload is built (``building``), the
catalogue (``model.service_requests``).

Source: facts/gbcs.md 1.3, 1.4, 2.1 [verified by running], 5.7 [2 sources].  Whether a device knows a party is read off
its kind's credential cells (9.3); that the broker speaks for whom the device does not know is what published commands
show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.machines.core import MachineError
from devices.machines.parts.building import Envelope, command_message, command_payload, demands
from devices.model import service_requests
from devices.model.credentials import DEVICE_CELLS
from devices.model.roles import Role
from devices.model.service_requests import PARTY_OF, ServiceRequest, is_replaced
from devices.model.use_cases import UseCase
from devices.wire.gbcs import Message

__all__ = ["Asking", "Registry", "request_named", "transform", "use_case_for"]


@dataclass(frozen=True, slots=True)
class Registry:
    """Who is who behind the DCC.

    ``users``: the user roles (``"IS"``, ``"GS"`` ...) of each user.  ``inventory``: the kind of each device.
    ``certificates``: the key agreement certificate (DER) of users whom devices encrypt for and do not know.  ``known``:
    the users whose credentials a device holds; None: all whose role has a cell in devices of its kind.
    """

    users: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    inventory: Mapping[bytes, str] = field(default_factory=dict)
    certificates: Mapping[bytes, bytes] = field(default_factory=dict)
    known: Mapping[bytes, frozenset[bytes]] | None = None

    def holds(self, device: bytes, user: bytes, party: Role) -> bool:
        """Whether a device knows a user, as the party ``party``."""
        if self.known is not None and user not in self.known.get(device, frozenset()):
            return False
        return any(cell.role == party for cell in DEVICE_CELLS[self.inventory[device]])


@dataclass(frozen=True, slots=True)
class Asking:
    """A service request as a user puts it: ``use_case`` (a name, or a message code as 0x....) chooses where the request
    has several for this kind of device; ``counter`` is the user's own originator counter.  What is ``scheduled`` the
    broker originates: the user is not there to give a counter [our choice]."""

    user: bytes
    request: ServiceRequest
    device: bytes
    counter: int
    args: Mapping[str, Any] = field(default_factory=dict)
    use_case: str | None = None
    scheduled: bool = False


def request_named(text: str) -> ServiceRequest:
    """The service request of this number or name.  Raises :class:`MachineError`."""
    try:
        return service_requests.find(text)
    except KeyError:
        raise MachineError(
            f"expected a service request such as 7.1 or 'Enable Supply', got {text!r}; see the catalogue"
        )


def transform(asking: Asking, registry: Registry, broker: bytes, own_counter: int = 0) -> tuple[UseCase, Message]:
    """The command of a service request: without signature field and MAC, as its signer gets it.

    ``own_counter`` is the broker's, for what it originates itself.  Raises :class:`MachineError` with what is wrong and
    what to do.
    """
    request = asking.request
    party = _party(asking, registry)
    use_case = use_case_for(asking, registry)
    signs = demands(use_case)[0] and not request.critical  # a signature is wanted, and not the user's
    known = registry.holds(asking.device, asking.user, party)
    by_broker = signs or asking.scheduled or not known or _only_broker(use_case)
    if request.signed_by is not None:
        raise MachineError(f"{request.title} is signed by the {request.signed_by.label}; put it to that party")
    if by_broker and request.critical:
        why = "it is scheduled" if asking.scheduled else "the device does not hold this user's credentials"
        raise MachineError(f"{request.title}: the user must sign it, and {why}; put it as a request of its own")
    if not by_broker:
        envelope = Envelope(asking.user, asking.device, asking.counter)
    elif asking.user == broker or (signs and not demands(use_case, by_broker=True)[0]):
        envelope = Envelope(broker, asking.device, own_counter)  # of two variants the broker's names no user
    else:
        certificate = registry.certificates.get(asking.user) if use_case.encrypted_reply else None
        envelope = Envelope(broker, asking.device, own_counter, asking.user, asking.counter, certificate)
    return use_case, command_message(use_case, asking.args, envelope)


def use_case_for(asking: Asking, registry: Registry) -> UseCase:
    """The use case of the request for this kind of device: the named one, or the only one that may be meant.

    Not meant are those that a later one replaced, those for other parties, and those that the arguments do not fit.
    Raises :class:`MachineError`.
    """
    request = asking.request
    kind = registry.inventory.get(asking.device)
    if kind is None:
        raise MachineError(f"device {asking.device.hex()} is not in the inventory; add it there")
    found = request.commands_for(kind)
    if not found:
        kinds = ", ".join(request.devices) or "no device"
        raise MachineError(f"{request.title} is for {kinds}, not for a {kind}; address another device")
    if asking.use_case is not None:
        named = [use_case for use_case in found if asking.use_case in (use_case.use_case, f"0x{use_case.code:04X}")]
        if len(named) != 1:
            raise MachineError(f"{request.title}: expected one of {_names(found)}, got {asking.use_case!r}")
        return named[0]
    party = _party(asking, registry)
    meant = [use_case for use_case in found if not is_replaced(use_case)] or list(found)
    meant = [one for one in meant if not one.device_roles or party in one.device_roles or _only_broker(one)] or meant
    if len(meant) > 1:
        meant = [use_case for use_case in meant if _fits(use_case, asking)] or meant
    if len(meant) > 1:
        raise MachineError(f"{request.title} may be any of {_names(meant)}; name one as use_case")
    return meant[0]


def _party(asking: Asking, registry: Registry) -> Role:
    """As which party the device knows the user.  Raises :class:`MachineError` if the request is not for its roles."""
    held = registry.users.get(asking.user, frozenset())
    allowed = asking.request.roles
    if not held:
        raise MachineError(f"user {asking.user.hex()} has no role; register it")
    fitting = sorted(role for role in held if not allowed or role in allowed)
    if not fitting:
        roles = ", ".join(sorted(held))
        raise MachineError(f"{asking.request.title} is for the roles {', '.join(allowed)}, and this user is {roles}")
    parties = {PARTY_OF.get(role, Role.OTHER) for role in fitting}
    return next((party for party in (Role.SUPPLIER, Role.NETWORK_OPERATOR) if party in parties), Role.OTHER)


def _only_broker(use_case: UseCase) -> bool:
    return use_case.device_roles == (Role.ACCESS_CONTROL_BROKER,)


def _fits(use_case: UseCase, asking: Asking) -> bool:
    try:
        command_payload(use_case, asking.args, asking.counter, asking.user, asking.device)
    except MachineError:
        return False
    return True


def _names(found: tuple[UseCase, ...] | list[UseCase]) -> str:
    return ", ".join(f"{use_case.use_case or ''} (0x{use_case.code:04X}: {use_case.title})" for use_case in found)
