"""Premises in memory: devices with keys and credentials of their own, and the organisations that all of them know.

Everything comes from a seed; certificates come from the rig's own authority.

Must not live here: what is measured with them (``switching``, ``memory``).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import cycle, islice
from typing import Final

from devices.machines.core import Started
from devices.machines.esme import Esme
from devices.machines.kinds import MACHINES, Delivery, Device
from devices.machines.parts.building import Envelope, command_message, protect_command, use_case_named
from devices.model.credentials import cells_from_publics
from devices.model.roles import Role
from devices.trust import certificates
from devices.trust.authority import Authority
from devices.trust.keystore import MemoryKeyStore, agreement_key, generate, signing_key
from devices.wire import gbcs

__all__ = [
    "KINDS",
    "LOAD_SWITCH",
    "Devices",
    "Organisations",
    "device",
    "load_switch_commands",
    "meter",
    "organisations",
    "premises",
]

KINDS: Final = ("CHF", "ESME", "GSME", "GPF", "PPMID")
"""The devices of one premises."""

Devices = Mapping[str, Device]
"""Devices by their kind."""

LOAD_SWITCH: Final = ("ECS43", "ECS42")
"""Disable, enable: each of them moves the contactor of a meter that carried out the other one before."""

_SIGNS, _AGREES = certificates.Usage.DIGITAL_SIGNATURE, certificates.Usage.KEY_AGREEMENT
_ORIGIN: Final = bytes.fromhex("90b3d5")
_PARTIES: Final[Mapping[Role, bytes]] = {
    role: _ORIGIN + role.to_bytes(5, "big")
    for role in (
        Role.ROOT,
        Role.RECOVERY,
        Role.SUPPLIER,
        Role.NETWORK_OPERATOR,
        Role.ACCESS_CONTROL_BROKER,
        Role.TRANSITIONAL_COS,
        Role.WAN_PROVIDER,
        Role.LOAD_CONTROLLER,
    )
}


@dataclass(frozen=True, slots=True)
class Organisations:
    """The remote parties: their private keys, and what every device is given of them at manufacture."""

    keys: MemoryKeyStore
    publics: Mapping[str, bytes]
    certificates: Mapping[str, bytes]


@cache
def organisations() -> Organisations:
    """One party a role, each with a certificate for every key."""
    rng = random.Random("organisations")
    authority = Authority(rng, datetime(2026, 1, 1, tzinfo=UTC))
    privates: dict[str, int] = {}
    for party in _PARTIES.values():
        for name in (signing_key(party), agreement_key(party), f"{party.hex()}-pp-ka"):
            privates[name] = generate(rng)
    keys = MemoryKeyStore(privates, {})
    publics = {name: keys.public(name) for name in keys.names}
    issued = {}
    for role, party in _PARTIES.items():
        for name in privates:
            if name.startswith(party.hex()):
                usage = _SIGNS if name.endswith("-ds") else _AGREES
                issued[name] = authority.organisation(party, role, usage, publics[name])
    return Organisations(keys, publics, issued)


def device(kind: str, identity: bytes) -> Device:
    """One device that has been started: two key pairs in a key store of its own, and every credential cell filled."""
    known, rng = organisations(), random.Random(identity)
    keys = MemoryKeyStore({name(identity): generate(rng) for name in (signing_key, agreement_key)}, {})
    cells = cells_from_publics(kind, _PARTIES, known.publics, known.certificates)
    made = MACHINES[kind](Delivery(identity, keys, cells))
    made.handle(Started(), 0)
    return made


def meter(identity: bytes) -> Esme:
    """An electricity meter, as :func:`device` makes it."""
    made = device("ESME", identity)
    assert isinstance(made, Esme)
    return made


def premises(number: int) -> Devices:
    """The devices of one premises by their kind; no two premises share a key or an identity."""
    return {
        kind: device(kind, b"\x00\xdb" + number.to_bytes(5, "big") + bytes((place,)))
        for place, kind in enumerate(KINDS)
    }


def load_switch_commands(to: Device, count: int, first: int = 1) -> Sequence[bytes]:
    """So many final commands for a meter, their counters from ``first`` on.

    The supplier signs them, the broker MACs them, as the use cases want it.
    """
    supplier, broker = _PARTIES[Role.SUPPLIER], _PARTIES[Role.ACCESS_CONTROL_BROKER]
    own = agreement_key(to.processor.identity)
    keys = organisations().keys.merged(MemoryKeyStore({}, {own: to.processor.keys.public(own)}))
    final = []
    for counter, name in enumerate(islice(cycle(LOAD_SWITCH), count), first):
        use_case = use_case_named(name)
        message = command_message(use_case, {}, Envelope(supplier, to.processor.identity, counter))
        final.append(gbcs.encode(protect_command(message, use_case, keys, broker)))
    return final
