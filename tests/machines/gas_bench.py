"""A gas meter and its proxy on a bench of their own: keys, credentials, commands of the parties, what came back."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from devices.machines.core import Effect, Event, Persist, Received, Send
from devices.machines.gas_device import GasDevice
from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.commands import CommandSettings
from devices.machines.parts.joining import JoinSettings, PeerType
from devices.model import use_cases
from devices.model.credentials import CredentialCells, cells_from_publics
from devices.model.roles import Role
from devices.trust import protection
from devices.trust.keystore import MemoryKeyStore, agreement_key, generate, signing_key
from devices.wire import gbcs, gbz, gbz_typed, zcl, zcl_fields
from devices.wire.gbcs import CRA, Message
from devices.wire.zcl_fields import Command, Value

SECOND = 1_000_000_000
SUPPLIER, BROKER, OPERATOR = (bytes.fromhex(f"90b3d51f300{n}0000") for n in ("1", "0", "2"))
METER, PROXY, INTERFACE, HUB = (bytes.fromhex(f"00db12345678900{n}") for n in range(1, 5))
PARTIES = {Role.SUPPLIER: SUPPLIER, Role.ACCESS_CONTROL_BROKER: BROKER, Role.NETWORK_OPERATOR: OPERATOR}
KEYS = MemoryKeyStore(
    {
        name: generate(random.Random(name))
        for eui in (SUPPLIER, BROKER, OPERATOR, METER, PROXY, INTERFACE)
        for name in (signing_key(eui), agreement_key(eui), f"{eui.hex()}-pp-ka")
    },
    {},
)
COMMISSIONED = CommandSettings(asn1=Asn1Settings(joining=JoinSettings(partners={PROXY: PeerType.GPF})))
"""The proxy is in the meter's device log, as commissioning leaves it."""


def cells(kind: str) -> CredentialCells:
    """The cells of a device of ``kind`` that knows the parties of this bench."""
    return cells_from_publics(kind, PARTIES, {name: KEYS.public(name) for name in KEYS.names})


def component(cluster: int, to_client: bool, command: int, **fields: Value) -> gbz.Component:
    """One command of a cluster; fields in the order of the layout, underscores for blanks."""
    kind = (cluster, to_client, command)
    named = tuple((name.replace("_", " "), value) for name, value in fields.items())
    return carry(Command(*kind, zcl_fields.name_of(*kind), named))


def carry(body: Command, from_time: int | None = None) -> gbz.Component:
    """The component of a command that is there already."""
    control = zcl.CLUSTER_SPECIFIC | (zcl.TO_CLIENT if body.to_client else 0)
    frame = zcl.Frame(control, 0, body.command, zcl_fields.write(body))
    return gbz.Component(body.cluster, frame, from_time)


def read(cluster: int, *attributes: int) -> gbz.Component:
    """A read of attributes."""
    body = gbz_typed.ReadAttributes(attributes)
    return gbz.Component(cluster, zcl.Frame(0, 0, 0, gbz_typed.write(body)))


def command(name: str, counter: int, *components: gbz.Component, device: bytes = METER, **changes: Any) -> bytes:
    """A protected command of the supplier, or of whoever ``changes`` says."""
    use_case = use_cases.by_name(name)
    numbered = tuple(replace(one, frame=replace(one.frame, sequence=place)) for place, one in enumerate(components))
    payload = gbz.encode(gbz.Payload(numbered))
    message = Message(CRA.COMMAND, counter, SUPPLIER, device, use_case.code, payload)
    message = replace(message, **changes)
    if use_case.protection["command"] == "sig+MAC":
        message = protection.sign(message, KEYS, signing_key(message.originator))
    maker = message.originator if use_case.between_devices else BROKER
    secret = KEYS.agree(agreement_key(maker), KEYS.public(agreement_key(device)))
    return gbcs.encode(protection.add_mac(message, secret))


class GasBench:
    """One device, the effects that it had granted, what it saved, and the messages that left it."""

    def __init__(self, device: GasDevice) -> None:
        self.device = device
        self.effects: list[Effect] = []
        self.saved: dict[str, Any] = {}

    def handle(self, event: Event, now: int = 0) -> list[Effect]:
        """Hand the device one event and grant what it wants."""
        effects = list(self.device.handle(event, now))
        self.effects += effects
        self.saved |= {effect.key: effect.value for effect in effects if isinstance(effect, Persist)}
        return effects

    def line(self, octets: bytes, now: int = 0) -> list[Message]:
        """Hand it a message over the line; the messages that it sends there."""
        effects = self.handle(Received("line", SUPPLIER, octets), now)
        return [gbcs.decode(one.octets) for one in effects if isinstance(one, Send) and one.port == "line"]


def bodies(message: Message, sealed_for: bytes | None = None) -> list[gbz_typed.Body]:
    """The bodies of a response's components, opened by the party that it is sealed for."""
    payload = gbz.decode(message.payload)
    assert isinstance(payload, gbz.Payload)
    found = []
    for one in payload.components:
        if one.additional is None:
            found.append(gbz_typed.read(one))
            continue
        assert sealed_for is not None
        secret = KEYS.agree(agreement_key(sealed_for), KEYS.public(agreement_key(message.originator)))
        plain = protection.open_sealed(one.frame.payload, secret, message.originator, sealed_for, message.counter)
        found.append(gbz_typed.read_plaintext(one, plain))
    return found
