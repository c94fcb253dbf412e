"""Reading a GBCS message wholly: envelope, payload, signature, MAC and encrypted parts, in one function.

``rig corpus check``, ``rig gbcs decode`` and ``rig perf`` all call :func:`read`: what is measured is what is checked.

Must not live here: where messages come from (``sources``), words for people (``words``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from devices.trust.errors import KeyMissing, NotAuthentic, TrustError
from devices.trust.keystore import KeyStore, agreement_key, signing_key
from devices.trust.protection import mac_parties, mac_valid, open_sealed, sealing_parties, signature_valid
from devices.trust.sealed import sealed_parts
from devices.wire import axdr, gbcs, gbz_typed, payload
from devices.wire.axdr import Data
from devices.wire.errors import DecodeError
from devices.wire.gbcs import CRA, Message
from devices.wire.payload import Typed
from rig.gbcs.partial import Partial, read_partly

__all__ = [
    "BROKER",
    "Keys",
    "Opened",
    "PartReading",
    "Reading",
    "Verdict",
    "read",
    "read_as_far_as_possible",
    "unpublished",
]

BROKER = bytes.fromhex("90B3D51F30000002")
"""The access control broker of the published test keys."""


class Verdict(Enum):
    """What came of a check."""

    VALID = "valid"
    INVALID = "invalid"
    UNCHECKED = "not checked"
    ABSENT = "none"


@dataclass(frozen=True, slots=True)
class Keys:
    """What messages are checked with: a key store, and who the access control broker is in its trust domain."""

    store: KeyStore
    broker: bytes = BROKER


class Check(NamedTuple):
    """A verdict, and the names of the keys that led to it or the reason why there is none.

    ``unpublished`` names the private key that nobody here has and that a verdict would need.
    """

    verdict: Verdict
    keys: tuple[str, ...] = ()
    reason: str = ""
    unpublished: str = ""


class Opened(NamedTuple):
    """An encrypted part: where it stands, its octets, and where they could be had the plaintext and what it says.

    ``content`` is a ZCL body in a GBZ payload and a datum in a DLMS one; None with ``fault`` saying why.
    """

    where: str
    blob: bytes
    check: Check
    plaintext: bytes | None = None
    content: gbz_typed.Body | Data | None = None
    fault: str = ""


class Reading(NamedTuple):
    """All that was found out about one message; its payload is decoded down to the last value."""

    message: Message
    payload: Typed
    signature: Check
    mac: Check
    sealed: tuple[Opened, ...]


class PartReading(NamedTuple):
    """The same of a message whose payload cannot be read to its end."""

    message: Message
    partial: Partial
    signature: Check
    mac: Check
    sealed: tuple[Opened, ...]


_ABSENT = Check(Verdict.ABSENT)
_NO_KEYS = Check(Verdict.UNCHECKED, reason="no keys given")


def read(
    octets: bytes,
    keys: Keys | None = None,
    *,
    signer: str | None = None,
    mac_keys: tuple[str, str] | None = None,
) -> Reading:
    """Decode one message to its last octet and check its protection with ``keys``.

    ``signer`` and ``mac_keys`` name the keys where the caller knows better than the rules of facts/gbcs.md 2.1.
    Raises ``DecodeError`` where the octets are no message; what does not verify is a verdict, not an error.
    """
    message = gbcs.decode(octets)
    body = payload.typed(message)
    parts: tuple[Opened, ...] = ()
    if message.cra != CRA.COMMAND:
        parts = _open(message, body, keys)
    covered = gbcs.received(octets)
    signature = _signature(message, covered, keys, signer)
    return Reading(message, body, signature, _mac(message, covered, keys, mac_keys), parts)


def read_as_far_as_possible(octets: bytes, keys: Keys | None = None) -> Reading | PartReading:
    """:func:`read`, with the part of a payload that can be read where not all of it can.

    Raises ``DecodeError`` where the octets are no message.
    """
    message = gbcs.decode(octets)
    try:
        payload.typed(message)
    except DecodeError as fault:
        partial = read_partly(message, fault)
    else:
        return read(octets, keys)
    covered = gbcs.received(octets)
    parts: tuple[Opened, ...] = ()
    content = partial.content
    if message.cra != CRA.COMMAND and content is not None and not isinstance(content, tuple):
        parts = _open(message, content, keys)
    signature = _signature(message, covered, keys, None)
    return PartReading(message, partial, signature, _mac(message, covered, keys, None), parts)


def unpublished(fault: Exception) -> str:
    """The name of the private key that is missing, where that is what is wrong."""
    return fault.name if isinstance(fault, KeyMissing) and fault.part == "private" else ""


def _signature(message: Message, covered: bytes, keys: Keys | None, signer: str | None) -> Check:
    if not message.signature:
        return _ABSENT
    if keys is None:
        return _NO_KEYS
    name = signer or signing_key(message.originator)
    try:
        valid = signature_valid(message, keys.store.public(name), covered)
    except KeyMissing as fault:
        return Check(Verdict.UNCHECKED, (name,), fault.reason)
    return Check(Verdict.VALID if valid else Verdict.INVALID, (name,))


def _mac(message: Message, covered: bytes, keys: Keys | None, names: tuple[str, str] | None) -> Check:
    if message.mac is None:
        return _ABSENT
    if keys is None:
        return _NO_KEYS
    if names is None:
        one, other = mac_parties(message, keys.broker)
        names = agreement_key(one), agreement_key(other)
    try:
        valid = mac_valid(message, keys.store.agree(names[0], keys.store.public(names[1])), covered)
    except KeyMissing as fault:
        return Check(Verdict.UNCHECKED, names, fault.reason, unpublished(fault))
    return Check(Verdict.VALID if valid else Verdict.INVALID, names)


def _open(message: Message, body: Typed, keys: Keys | None) -> tuple[Opened, ...]:
    parts = sealed_parts(body)
    if not parts:
        return ()
    if keys is None:
        return tuple(Opened(part.where, part.blob, _NO_KEYS) for part in parts)
    device, party, counter = sealing_parties(message)
    names = agreement_key(device), agreement_key(party)
    opened = []
    for part in parts:
        plaintext, content, fault = None, None, ""
        try:
            z = keys.store.agree(names[0], keys.store.public(names[1]))
            plaintext = open_sealed(part.blob, z, device, party, counter)
            check = Check(Verdict.VALID, names)
            content = _content(body, part.blob, plaintext)
        except NotAuthentic as error:
            check = Check(Verdict.INVALID, names, error.reason)
        except TrustError as error:
            check = Check(Verdict.UNCHECKED, names, error.reason, unpublished(error))
        except DecodeError as error:
            fault = str(error)
        opened.append(Opened(part.where, part.blob, check, plaintext, content, fault))
    return tuple(opened)


def _content(body: Typed, blob: bytes, plaintext: bytes) -> gbz_typed.Body | Data:
    """What the plaintext of an encrypted part says.  Raises ``DecodeError``."""
    if isinstance(body, gbz_typed.Payload | gbz_typed.Alert):
        sealed = gbz_typed.Sealed(blob)
        component = next(one for one in gbz_typed.components_of(body) if one.body == sealed)
        return gbz_typed.opened(component, plaintext)
    data, end = axdr.decode(plaintext, 0)
    if end != len(plaintext):
        raise DecodeError("axdr", end, f"{len(plaintext) - end} octets left over after the decrypted datum")
    return data
