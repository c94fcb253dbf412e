"""A small corpus that the tests make themselves, from seeded keys: signed, MACed and encrypted messages.

Its octets owe nothing to the published corpus, so tests that use it run where that is absent.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from devices.trust.keystore import MemoryKeyStore
from devices.trust.protection import add_mac, seal, sealing_parties, sign
from devices.wire import axdr, cosem, gbcs, gbz, payload, zcl
from devices.wire.gbcs import Message
from devices.wire.payload import Payload

SUPPLIER = bytes.fromhex("90B3D51F30010000")
BROKER = bytes.fromhex("90B3D51F30000002")
METER = bytes.fromhex("00DB1234567890B0")
PRIVATES = {
    "90b3d51f30010000-ds": 101,
    "90b3d51f30010000-ka": 102,
    "90b3d51f30000002-ka": 103,
    "00db1234567890b0-ds": 104,
    "00db1234567890b0-ka": 105,
}
STORE = MemoryKeyStore(PRIVATES, {})
SECRET = b"\x02\x02\x06\x00\x00\x00\x2a\x16\x01"  # structure of a double-long-unsigned 42 and an enum 1
READING = b"\x01\x00\x00\x25\x2a\x00\x00\x00\x00\x00"  # attribute 0001 is the 48-bit number 42
COUNTER = 1000


def z(one: bytes, other: bytes) -> bytes:
    return STORE.agree(f"{one.hex()}-ka", STORE.public(f"{other.hex()}-ka"))


def enable_supply() -> Message:
    """ECS42 from the supplier: signed, and MACed by the broker."""
    execute = cosem.Spec(cosem.Op.ACTION, 9, bytes((0, 0, 10, 0, 106, 255)), 1)
    body = cosem.AccessRequest(0x200003E8, b"", (execute,), (axdr.u16(0x33),))
    command = Message(1, COUNTER, SUPPLIER, METER, 0x004F, payload.encode(body))
    return add_mac(sign(command, STORE, "90b3d51f30010000-ds"), z(BROKER, METER))


def daily_log() -> Message:
    """A reply to ECS66 with its log encrypted for the supplier."""
    parameters = axdr.array(
        axdr.structure(
            axdr.enum(2),
            axdr.structure(
                axdr.octets(b"\x04" + COUNTER.to_bytes(8, "big")),
                axdr.octets(METER),
                axdr.octets(SUPPLIER),
                axdr.octets(b""),
                axdr.structure(axdr.enum(2), axdr.structure(axdr.octets(b"\x02"), axdr.octets(b""))),
            ),
        )
    )
    reply = Message(2, COUNTER, METER, SUPPLIER, 0x0060, b"")
    blob = seal(SECRET, z(METER, SUPPLIER), *sealing_parties(reply))
    body = cosem.AccessResponse(
        0x200003E8, b"", (), (axdr.structure(parameters, axdr.octets(blob)),), (cosem.Result(3, 0),)
    )
    return add_mac(replace(reply, payload=payload.encode(body)), z(METER, SUPPLIER))


def gas_reading() -> Message:
    """A GBZ reply on behalf of a supplier through the broker: a plain component and an encrypted one."""
    reply = Message(2, COUNTER, METER, BROKER, 0x00B8, b"", supplementary_party=SUPPLIER, supplementary_counter=7)
    blob = seal(READING, z(METER, SUPPLIER), *sealing_parties(reply))
    plain = gbz.Component(0x0700, zcl.Frame(0x18, 0, 0x01, b"\x00\x06\x86"))
    sealed = gbz.Component(0x0702, zcl.Frame(0x18, 1, 0x01, blob), None, gbz.AdditionalHeader(0, 0))
    return add_mac(replace(reply, payload=payload.encode(gbz.Payload((plain, sealed)))), z(METER, BROKER))


def entry(name: str, message: Message, plaintext: bytes = b"") -> dict[str, Any]:
    """A message as a line of a corpus."""
    offset = message.payload.find(bytes.fromhex("3100000000"))
    command = message.cra == 1
    kind: Payload = payload.decode(message)
    parties = (BROKER, message.recipient) if command else (message.originator, message.recipient)
    return {
        "name": name,
        "message_code": f"0x{message.message_code:04x}",
        "originator": message.originator.hex(),
        "recipient": message.recipient.hex(),
        "originator_counter": message.counter,
        "payload_format": "gbz" if isinstance(kind, gbz.Payload) else "dlms",
        "signature_key": f"{message.originator.hex()}-ds" if message.signature else None,
        "mac_keys": [f"{party.hex()}-ka" for party in parties],
        "encrypted": [{"offset": offset, "length": 5 + len(plaintext) + 12, "plaintext": plaintext.hex()}]
        if plaintext
        else None,
        "hex": gbcs.encode(message).hex(),
    }


def entries() -> list[dict[str, Any]]:
    return [
        entry("ENABLE", enable_supply()),
        entry("LOG", daily_log(), SECRET),
        entry("GAS", gas_reading(), READING),
    ]


def keys() -> dict[str, Any]:
    return {
        name: {"certificate": None, "public": STORE.public(name).hex(), "private": f"{scalar:064x}"}
        for name, scalar in PRIVATES.items()
    }


def write(folder: Path, lines: list[dict[str, Any]] | None = None) -> Path:
    """Write the corpus into a folder; returns the folder."""
    (folder / "keys.json").write_text(json.dumps(keys()), encoding="utf-8")
    text = "\n".join(json.dumps(line) for line in (entries() if lines is None else lines))
    (folder / "made.jsonl").write_text(text + "\n", encoding="utf-8")
    return folder
