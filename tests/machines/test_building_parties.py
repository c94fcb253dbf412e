"""Every published command from its parties: suppliers, operators and others build it from named arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devices.machines.access_control_broker import AccessControlBroker, BrokerSettings
from devices.machines.core import Asked, Effect, Received, Refuse, Send
from devices.machines.parts.building import arguments_of
from devices.machines.supplier import Supplier, SupplierSettings
from devices.trust.keystore import MemoryKeyStore, load_corpus_keys, signing_key
from devices.trust.ledger import MemoryLedger
from devices.trust.protection import DEVICE_TO_DEVICE, signature_valid
from devices.wire import gbcs
from devices.wire.gbcs import Message

pytestmark = pytest.mark.corpus

BROKER = bytes.fromhex("90b3d51f30000002")
TOP_UPS = {0x0007, 0x0097}  # their counters are those of tokens, which these published ones are not


def published(folder: Path) -> Iterator[tuple[str, bytes]]:
    for line in (folder / "gbcs-open.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["kind"] == "command":
            yield entry["name"], bytes.fromhex(entry["hex"])


def asked(message: Message) -> dict[str, Any]:
    """The arguments of the verb ``command`` that ask for ``message``."""
    user, certificate = message.supplementary_party, message.certificate
    return {
        "use_case": f"0x{message.message_code:04X}",
        "device": message.recipient.hex(),
        "args": json.loads(json.dumps(arguments_of(message))),
        **({"on_behalf": user.hex(), "counter": message.supplementary_counter} if user else {}),
        **({"certificate": certificate.hex()} if certificate else {}),
    }


def final(message: Message, store: MemoryKeyStore, publics: dict[str, bytes]) -> list[Effect]:
    """What leaves the broker for the device, or the refusal, once the message's originator has been asked for it."""
    broker = AccessControlBroker(BrokerSettings(BROKER), store, publics, MemoryLedger(message.counter))
    if message.originator == BROKER:
        effects = list(broker.handle(Asked("command", asked(message)), 0))
    else:
        party = Supplier(SupplierSettings(message.originator), store, publics, MemoryLedger(message.counter))
        first = party.handle(Asked("command", asked(message)), 0)
        effects = [effect for effect in first if isinstance(effect, Refuse)]
        for sent in first:
            if isinstance(sent, Send):
                effects += broker.handle(Received("users.wan", message.originator, sent.octets), 0)
    return [effect for effect in effects if isinstance(effect, Refuse | Send)]


def test_every_published_command_comes_from_its_parties(corpus_dir: Path) -> None:
    store = load_corpus_keys(json.loads((corpus_dir / "keys.json").read_text(encoding="utf-8")))
    publics = {name: store.public(name) for name in store.names}
    count = 0
    for name, octets in published(corpus_dir):
        message = gbcs.decode(octets)
        if message.message_code in DEVICE_TO_DEVICE:
            continue  # between devices: no party has a hand in it
        (effect,) = final(message, store, publics)
        if isinstance(effect, Refuse):
            assert message.message_code in TOP_UPS, (name, effect.reason)
            continue
        assert isinstance(effect, Send)
        built = gbcs.decode(effect.octets)
        assert gbcs.to_be_signed(built) == gbcs.to_be_signed(message), name
        assert bool(built.signature) == bool(message.signature), name
        assert (built.mac is None) == (message.mac is None), name
        if built.signature:
            assert signature_valid(built, publics[signing_key(built.originator)]), name
        else:
            assert effect.octets == octets, name
        count += 1
    assert count > 330
