"""GBCS messages a second: envelope, full decode, decode with all cryptography, and the bare cryptography as the floor.

The corpus check and these benchmarks run the same function, :func:`rig.gbcs.reading.read`.

Must not live here: how passes are timed (``measure``).
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from devices.trust.keystore import MemoryKeyStore, agreement_key
from devices.trust.protection import sealing_parties
from devices.trust.sealed import sealed_parts
from devices.wire import gbcs, payload
from devices.wire.gbcs import Message
from rig.gbcs.corpus import Entry
from rig.gbcs.reading import Keys, Verdict, read
from rig.perf.measure import Pass

__all__ = ["agreement_step", "all_crypto", "envelopes", "floor", "full", "mac_step", "signature_step"]

_ALGORITHM = bytes.fromhex("60857406080300")
_MAC_PREFIX = bytes.fromhex("110000000000")
_VERIFY = ec.ECDSA(hashes.SHA256())


class NotVerifiedError(Exception):
    """A message that did not verify: what is fast and wrong is not measured."""


def envelopes(entries: list[Entry], _keys: MemoryKeyStore) -> Pass:
    """The envelope alone: octets to ``Message``."""
    octets = [entry.octets for entry in entries]

    def work() -> int:
        decode = gbcs.decode
        for message in octets:
            decode(message)
        return len(octets)

    return work


def full(entries: list[Entry], _keys: MemoryKeyStore) -> Pass:
    """Envelope and payload in typed objects, down to the last value."""
    octets = [entry.octets for entry in entries]

    def work() -> int:
        for message in octets:
            payload.typed(gbcs.decode(message))
        return len(octets)

    return work


def all_crypto(entries: list[Entry], store: MemoryKeyStore) -> Pass:
    """Envelope, payload, signature, MAC and encrypted parts, as ``rig corpus check`` reads them.

    Each pass begins with no agreed secret, so it makes each pair's ECDH once.
    """
    nothing = MemoryKeyStore({}, {})

    def work() -> int:
        keys = Keys(store.merged(nothing))
        for entry in entries:
            reading = read(entry.octets, keys, signer=entry.signature_key, mac_keys=entry.mac_keys)
            checks = (reading.signature, reading.mac, *(part.check for part in reading.sealed))
            if any(check.verdict is Verdict.INVALID for check in checks):
                raise NotVerifiedError(f"{entry.name} does not verify; run rig corpus check")
        return len(entries)

    return work


# ---------------------------------------------------------------------------------------------------------------- floor


def floor(entries: list[Entry], store: MemoryKeyStore) -> Pass:
    """The bare cryptographic work of the same messages, everything else prepared beforehand.

    ECDSA verifications, KDF and GMAC of each MAC, KDF and GCM of each encrypted part, and one ECDH a pair of parties.
    """
    steps: list[Callable[[], object]] = []
    pairs: dict[tuple[str, str], bytes] = {}
    for entry in entries:
        message = gbcs.decode(entry.octets)
        if entry.signature_key is not None and message.signature:
            steps.append(signature_step(message, store.public(entry.signature_key)))
        if entry.mac_keys is not None:
            z = pairs.setdefault(entry.mac_keys, _agreed(store, entry.mac_keys))
            steps.append(mac_step(message, z))
        if entry.encrypted is not None:
            device, party, counter = sealing_parties(message)
            names = agreement_key(device), agreement_key(party)
            z = pairs.setdefault(names if names in pairs else names[::-1], _agreed(store, names))
            parts = sealed_parts(payload.decode(message))
            steps += [_sealed_step(part.blob, z, device, party, counter) for part in parts]
    steps += [agreement_step(len(pairs))]

    def work() -> int:
        for step in steps:
            step()
        return len(entries)

    return work


def _agreed(store: MemoryKeyStore, names: tuple[str, str]) -> bytes:
    return store.agree(names[0], store.public(names[1]))


def signature_step(message: Message, public: bytes) -> Callable[[], object]:
    """One ECDSA verification, ready to be made."""
    assert message.signature
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    r, s = int.from_bytes(message.signature[:32], "big"), int.from_bytes(message.signature[32:], "big")
    signature, signed = encode_dss_signature(r, s), gbcs.to_be_signed(message)
    return lambda: key.verify(signature, signed, _VERIFY)


def _kdf_input(z: bytes, originator: bytes, purpose: int, counter: int, recipient: bytes) -> bytes:
    info = _ALGORITHM + originator + bytes((9, purpose)) + counter.to_bytes(8, "big") + recipient
    return bytes((0, 0, 0, 1)) + z + info


def mac_step(message: Message, z: bytes) -> Callable[[], object]:
    """One key derivation and one GMAC, ready to be made."""
    material = _kdf_input(z, message.originator, message.cra, message.counter, message.recipient)
    iv, data = message.originator + bytes(4), _MAC_PREFIX + gbcs.grouping(message)
    return lambda: AESGCM(sha256(material).digest()[:16]).encrypt(iv, b"", data)


def _sealed_step(blob: bytes, z: bytes, device: bytes, party: bytes, counter: int) -> Callable[[], object]:
    material = _kdf_input(z, device, 4, counter, party)
    iv, body, tag = device + bytes(4), blob[5:-12], blob[-12:]

    def step() -> bytes:
        key = sha256(material).digest()[:16]
        decryptor = Cipher(algorithms.AES(key), modes.GCM(iv, tag, min_tag_length=12)).decryptor()
        decryptor.authenticate_additional_data(b"\x31")
        return decryptor.update(body) + decryptor.finalize()

    return step


def agreement_step(pairs: int) -> Callable[[], object]:
    """As many ECDH as there are pairs; the cost doesn't depend on the keys."""
    ours = ec.derive_private_key(0x1234567, ec.SECP256R1())
    theirs = ec.derive_private_key(0x7654321, ec.SECP256R1()).public_key()

    def step() -> None:
        for _ in range(pairs):
            ours.exchange(ec.ECDH(), theirs)

    return step
