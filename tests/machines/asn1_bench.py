"""A device that takes ASN.1 commands, an authority of its own, and the parties that command it, in memory."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from devices.machines.core import Effect, Persist
from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.commands import CommandProcessor, CommandSettings, Outcome
from devices.model import use_cases
from devices.model.credentials import DEVICE_CELLS, Credential, CredentialCells, Usage
from devices.model.objects import ObjectModel
from devices.model.roles import Role
from devices.trust import certificates, protection
from devices.trust.authority import Authority
from devices.trust.keystore import MemoryKeyStore, agreement_key, generate, signing_key
from devices.wire import asn1_typed, gbcs
from devices.wire.asn1_typed import View
from devices.wire.gbcs import CRA, Message

DEVICE = bytes.fromhex("00db000000000001")
SUPPLIER = bytes.fromhex("90b3000000010000")
NEW_SUPPLIER = bytes.fromhex("90b3000000030000")
OPERATOR = bytes.fromhex("90b3000000020000")
BROKER = bytes.fromhex("90b3000000000002")
RECOVERY = bytes.fromhex("90b3000000000001")
COS = bytes.fromhex("90b3000000000004")
WAN = bytes.fromhex("90b3000000000007")
CONTROLLER = bytes.fromhex("90b3000000010008")
STRANGER = bytes.fromhex("90b3000000990000")

PARTIES: Mapping[Role, bytes] = {
    Role.SUPPLIER: SUPPLIER,
    Role.NETWORK_OPERATOR: OPERATOR,
    Role.ACCESS_CONTROL_BROKER: BROKER,
    Role.RECOVERY: RECOVERY,
    Role.TRANSITIONAL_COS: COS,
    Role.WAN_PROVIDER: WAN,
    Role.LOAD_CONTROLLER: CONTROLLER,
}
MADE = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 2, 1, tzinfo=UTC)
SECOND = 1_000_000_000
_TRUST = {
    Usage.DIGITAL_SIGNATURE: certificates.Usage.DIGITAL_SIGNATURE,
    Usage.KEY_AGREEMENT: certificates.Usage.KEY_AGREEMENT,
}


def civil(moment: datetime = NOW) -> CivilTime:
    """A moment as civil time."""
    return CivilTime(round(moment.timestamp()) * SECOND)


@cache
def authority(seed: int = 7) -> Authority:
    """The authority of the bench; another seed is one that no device trusts."""
    return Authority(random.Random(seed), MADE)


def fresh_keys() -> MemoryKeyStore:
    """The keys of the device and all parties; the same every time, but a store of its own."""
    rng = random.Random(11)
    owners = (DEVICE, NEW_SUPPLIER, STRANGER, *PARTIES.values())
    return MemoryKeyStore(
        {name: generate(rng) for own in owners for name in (signing_key(own), agreement_key(own))}, {}
    )


KEYS = fresh_keys()


@cache
def organisation(
    party: bytes, role: Role, usage: Usage, public: bytes | None = None, issuer: Authority | None = None
) -> bytes:
    """A certificate (DER) of a party's key of that usage."""
    name = signing_key(party) if usage is Usage.DIGITAL_SIGNATURE else agreement_key(party)
    return (issuer or authority()).organisation(party, role, _TRUST[usage], public or KEYS.public(name))


def certified_cells(kind: str, *, rooted: bool = True) -> CredentialCells:
    """Cells with certificates of the bench's authority, its root among them where ``rooted``."""
    cells = CredentialCells(DEVICE_CELLS[kind])
    for cell in cells.places:
        if cell.role is Role.ROOT:
            root = authority().root
            if rooted:
                cells.place(cell, Credential(bytes(8), root.public, root.octets))
            continue
        octets = organisation(PARTIES[cell.role], cell.role, cell.usage)
        found = certificates.parse(octets)
        cells.place(cell, Credential(PARTIES[cell.role], found.public, octets))
    return cells


class Bench:
    """One device of ``kind`` whose effects are kept as a host keeps them."""

    def __init__(
        self,
        kind: str = "ESME",
        settings: Asn1Settings | None = None,
        *,
        rooted: bool = True,
        kinds_seen_only: bool = False,
    ) -> None:
        self.kind, self.rooted = kind, rooted
        self.settings = CommandSettings(asn1=settings or Asn1Settings(), kinds_seen_only=kinds_seen_only)
        self.keys = fresh_keys()
        self.saved: dict[str, Any] = {}
        self.now = civil()
        self.counter = 1000
        self.boot()

    def boot(self, keys: MemoryKeyStore | None = None) -> None:
        """Begin anew with what was saved, as after a loss of power; with other ``keys``, in another process."""
        self.keys = keys or self.keys
        self.cells = certified_cells(self.kind, rooted=self.rooted)
        objects: ObjectModel[Any] = ObjectModel(())
        self.device = CommandProcessor(DEVICE, self.keys, self.cells, objects, self.settings, device=self.kind)
        self.device.restore(json.loads(json.dumps(self.saved)))

    def grant(self, effects: tuple[Effect, ...]) -> None:
        """Keep what is to be kept."""
        for effect in effects:
            if isinstance(effect, Persist):
                self.saved[effect.key] = json.loads(json.dumps(effect.value))

    def give(self, octets: bytes) -> Outcome:
        """Hand over one message."""
        outcome = self.device.receive(octets, 0, self.now)
        self.grant(outcome.effects)
        return outcome

    def command(self, code: int, view: View, originator: bytes = SUPPLIER, **changes: Any) -> Outcome:
        """Hand over a command of the message code, with the next counter, protected as its use case wants."""
        self.counter += 1
        return self.give(command(code, view, self.counter, originator, **{"kind": self.kind} | changes))

    def answer(self, outcome: Outcome) -> View:
        """The typed payload of a response, whose protection is checked with the key that was in use before."""
        assert outcome.refused is None, outcome.refused
        assert outcome.response is not None
        message = gbcs.decode(outcome.response)
        assert message.recipient == (outcome.message and outcome.message.originator)
        return self.view(message)

    def due(self) -> int | None:
        """When the next future-dated command is due, ns since 1970."""
        return self.device.next_due

    def view(self, message: Message) -> View:
        """The typed payload of a message of the device."""
        return asn1_typed.read(message.message_code, message.cra, message.payload).view

    def state(self) -> dict[str, Any]:
        """Everything that commands can change, in JSON types."""
        asn1 = self.device.asn1
        return {
            "cells": self.cells.as_json(),
            "floors": self.device.floors.as_json(),
            **{key.key: key.value for key in (asn1.updates.persist(), asn1.own.persist(), asn1.log.persist())},
            "firmware": asn1.firmware.persist().value,
        }


def command(
    code: int,
    view: View | bytes,
    counter: int,
    originator: bytes = SUPPLIER,
    *,
    signer: bytes | None = None,
    signed: bool | None = None,
    broker: bytes = BROKER,
    kind: str = "ESME",
) -> bytes:
    """A whole command, protected as its use case wants; ``signed`` says which of two variants is meant."""
    use_case = use_cases.by_code(code)
    assert use_case is not None
    payload = view if isinstance(view, bytes) else asn1_typed.write(view)
    message = Message(CRA.COMMAND, counter, originator, DEVICE, code, payload)
    form = use_case.command_form(kind)
    if form == "MAC or sig":
        form = "sig" if signed else "MAC"
    assert form is not None
    if "sig" in form:
        message = protection.sign(message, KEYS, signing_key(signer or originator))
    if "MAC" in form:
        z = KEYS.agree(agreement_key(broker), KEYS.public(agreement_key(DEVICE)))
        message = protection.add_mac(message, z)
    return gbcs.encode(message)
