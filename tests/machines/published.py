"""The published messages and keys, for the tests that hold an emulated meter against them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from devices.model.credentials import CredentialCells, cells_from_publics
from devices.model.roles import Role
from devices.trust.keystore import MemoryKeyStore, generate, load_corpus_keys, signing_key

METER = bytes.fromhex("00db1234567890a0")
HUB = bytes.fromhex("00db1234567890a2")
PARTIES = {
    Role.RECOVERY: "90b3d51f30000001",
    Role.ACCESS_CONTROL_BROKER: "90b3d51f30000002",
    Role.TRANSITIONAL_COS: "90b3d51f30000004",
    Role.WAN_PROVIDER: "90b3d51f30000007",
    Role.SUPPLIER: "90b3d51f30010000",
    Role.NETWORK_OPERATOR: "90b3d51f30020000",
    Role.LOAD_CONTROLLER: "90b3d51f30010008",
}


def messages(corpus: Path) -> dict[str, dict[str, Any]]:
    """Every message by its name."""
    lines = (corpus / "gbcs-open.jsonl").read_text("utf-8").splitlines()
    return {entry["name"]: entry for entry in map(json.loads, lines)}


def keys(corpus: Path, device: bytes = METER) -> MemoryKeyStore:
    """The published keys, and a signing key of our own for the device, whose own is not published."""
    published = load_corpus_keys(json.loads((corpus / "keys.json").read_text("utf-8")))
    return published.merged(MemoryKeyStore({signing_key(device): generate(random.Random(1))}, {}))


def cells(store: MemoryKeyStore, device: str = "ESME") -> CredentialCells:
    """The cells of a device that knows the published parties."""
    parties = {role: bytes.fromhex(party) for role, party in PARTIES.items()}
    return cells_from_publics(device, parties, {name: store.public(name) for name in store.names})
