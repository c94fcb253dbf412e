"""Protection of messages: signature, MAC, and encryption of sensitive parts (facts/gbcs.md 2.3 to 2.5).

Who protects what with which key (facts/gbcs.md 2.1) is the business of whoever calls; :func:`mac_parties` and
:func:`sealing_parties` say it for the cases that a message itself settles.

Must not live here: the layout of messages (``wire.gbcs``), how keys are held (``keystore``).
"""

from __future__ import annotations

from dataclasses import replace
from hmac import compare_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from devices.trust.errors import NotAuthentic, TrustError
from devices.trust.kdf import Purpose, derive
from devices.trust.keystore import KeyStore, verify
from devices.wire import gbcs
from devices.wire.gbcs import CRA, Message

__all__ = [
    "add_mac",
    "derive",
    "gmac",
    "mac_parties",
    "mac_valid",
    "open_sealed",
    "seal",
    "sealing_parties",
    "sign",
    "signature_valid",
]

TAG_LENGTH = 12
DEVICE_TO_DEVICE = frozenset({0x0090, 0x009B})
"""Message codes of commands that one device gives another without the broker: PCS02 and PCS01."""
_NO_INVOCATION = bytes(4)  # invocation counter, always 0: each message has a key of its own
_MAC_PREFIX = bytes.fromhex("110000000000")
# Security control octet, then the five zero-length fields of the MAC header: the tag covers them [verified by running].
_SEALED = b"\x31"  # security control octet of an encrypted part, and the whole of its additional data
_SEALED_HEADER = _SEALED + _NO_INVOCATION


def sign(message: Message, store: KeyStore, key: str) -> Message:
    """``message`` signed with the key named ``key`` (facts/gbcs.md 2.4).  A MAC that it had no longer fits: dropped."""
    return replace(message, signature=store.sign(key, gbcs.to_be_signed(message)), mac=None)


def add_mac(message: Message, z: bytes) -> Message:
    """``message`` with a MAC under the secret ``z``; its signature field must be in place (facts/gbcs.md 2.3).

    Raises :class:`TrustError` for a pre-command, which has no signature field for the MAC to cover.
    """
    if message.signature is None:
        raise TrustError("a pre-command takes no MAC; sign it, or give it the empty signature field of a final command")
    return replace(message, mac=_message_tag(message, z, gbcs.grouping(message)))


def signature_valid(message: Message, public: bytes, grouping: bytes | None = None) -> bool:
    """Whether the signature of ``message`` is that of ``public`` (65-octet point); of an unsigned message it is not.

    ``grouping`` as in :func:`mac_valid`.
    """
    if not message.signature:
        return False
    signed = gbcs.to_be_signed(message) if grouping is None else grouping[1 : -1 - gbcs.SIGNATURE_SIZE]
    return verify(public, message.signature, signed)


def mac_valid(message: Message, z: bytes, grouping: bytes | None = None) -> bool:
    """Whether the MAC of ``message`` verifies under the secret ``z``.  A message without a MAC is not valid.

    ``grouping`` is G as :func:`gbcs.received` has it, from DF to the end of the signature field, where the caller still
    has the octets; without it G is built again from the message.
    """
    if message.mac is None:
        return False
    return compare_digest(message.mac, _message_tag(message, z, grouping or gbcs.grouping(message)))


def seal(plaintext: bytes, z: bytes, device: bytes, party: bytes, counter: int) -> bytes:
    """An encrypted part, header and tag included (facts/gbcs.md 2.5).

    ``device`` is the EUI-64 that encrypts; ``party`` and ``counter`` as :func:`sealing_parties` says.
    """
    key = derive(z, device, Purpose.ENCRYPTION, counter, party)
    return _SEALED_HEADER + AESGCM(key).encrypt(device + _NO_INVOCATION, plaintext, _SEALED)[: TAG_LENGTH - 16]


def open_sealed(blob: bytes, z: bytes, device: bytes, party: bytes, counter: int) -> bytes:
    """The plaintext of an encrypted part.  Raises :class:`NotAuthentic` where header or tag are not as they must be."""
    if len(blob) < len(_SEALED_HEADER) + TAG_LENGTH or not blob.startswith(_SEALED_HEADER):
        raise NotAuthentic(
            f"an encrypted part begins {_SEALED_HEADER.hex()} and has a tag of {TAG_LENGTH} octets, "
            f"got {len(blob)} octets beginning {blob[:5].hex()}"
        )
    key = derive(z, device, Purpose.ENCRYPTION, counter, party)
    mode = modes.GCM(device + _NO_INVOCATION, blob[-TAG_LENGTH:], min_tag_length=TAG_LENGTH)
    decryptor = Cipher(algorithms.AES(key), mode).decryptor()
    decryptor.authenticate_additional_data(_SEALED)
    try:
        return decryptor.update(blob[len(_SEALED_HEADER) : -TAG_LENGTH]) + decryptor.finalize()
    except InvalidTag:
        raise NotAuthentic("the encrypted part does not authenticate: another key, another counter, or it was altered")


def mac_parties(message: Message, broker: bytes) -> tuple[bytes, bytes]:
    """Whose two key agreement keys protect ``message`` by MAC (facts/gbcs.md 2.1).

    A command is MACed by the access control ``broker`` whoever originated it; responses and alerts run between their
    originator and recipient, and so does everything that stays between two devices.
    """
    if message.cra == CRA.COMMAND and message.message_code not in DEVICE_TO_DEVICE:
        return broker, message.recipient
    return message.originator, message.recipient


def sealing_parties(message: Message) -> tuple[bytes, bytes, int]:
    """``(device, party, counter)`` of the encrypted parts in a response or alert (facts/gbcs.md 2.5).

    The party is the supplementary one where the message names one, else its recipient; the counter is the supplementary
    originator counter where there is one, else the originator counter.
    """
    party = message.recipient if message.supplementary_party is None else message.supplementary_party
    special = message.supplementary_originator_counter
    return message.originator, party, message.counter if special is None else special


def gmac(key: bytes, originator: bytes, data: bytes) -> bytes:
    """The full 16-octet GMAC tag over ``data``, IV of ``originator`` and the zero invocation counter."""
    return AESGCM(key).encrypt(originator + _NO_INVOCATION, b"", data)


def _message_tag(message: Message, z: bytes, grouping: bytes) -> bytes:
    key = derive(z, message.originator, message.cra, message.counter, message.recipient)
    return gmac(key, message.originator, _MAC_PREFIX + grouping)[:TAG_LENGTH]
