"""Key stores: who can sign and agree keys, by key name, without handing a private key out.

A name is ``<eui64 in lower-case hex>-ds`` (signs), ``-ka`` (agrees keys) or ``-pp-ka`` (a supplier's prepayment top-up
key).  The store in memory serves emulated parties and the published test keys; a hardware module or a vendor's service
only has to follow the protocol :class:`KeyStore`.

Must not live here: files (a key folder is read by ``rig`` and handed over parsed), or any form that prints a key.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from devices.trust.errors import BadKey, KeyMissing, TrustError

__all__ = [
    "KeyMaker",
    "KeyStore",
    "MemoryKeyStore",
    "agreement_key",
    "generate",
    "load_corpus_keys",
    "public_of",
    "signing_key",
    "verify",
]

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of NIST P-256: private keys are 1 to ORDER - 1."""

_CURVE = ec.SECP256R1()
_VERIFY = ec.ECDSA(hashes.SHA256())
_SIGN = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)  # RFC 6979: equal seeds give equal octets
_ECDH = ec.ECDH()
_NAME = re.compile(r"[0-9a-f]{16}-(ds|ka|pp-ka)")


def signing_key(eui: bytes) -> str:
    """The name of a party's digital signing key."""
    return f"{eui.hex()}-ds"


def agreement_key(eui: bytes) -> str:
    """The name of a party's key agreement key."""
    return f"{eui.hex()}-ka"


class KeyStore(Protocol):
    """What machines may ask of whoever holds their keys.  Every method raises :class:`TrustError` and nothing else."""

    def sign(self, key: str, octets: bytes) -> bytes:
        """ECDSA P-256 with SHA-256 over ``octets``: raw ``r || s``, 64 octets, deterministic (RFC 6979)."""
        ...

    def agree(self, key: str, peer_public: bytes) -> bytes:
        """The 32-octet shared secret Z of our ``key`` and the peer's public point (65 octets, uncompressed)."""
        ...

    def public(self, key: str) -> bytes:
        """The public point of ``key``: 65 octets, uncompressed."""
        ...


@runtime_checkable
class KeyMaker(Protocol):
    """A key store that can also make keys of its own."""

    def new_key(self, key: str, rng: random.Random) -> bytes:
        """Make a key pair under the name ``key`` and give its public point; the private key stays in the store.

        A store of emulated keys takes the scalar from ``rng``, so that equal seeds make equal keys; a hardware module
        may use a generator of its own.  A name that is taken gets the new pair.
        """
        ...


def generate(seed_rng: random.Random) -> int:
    """A private key from a seeded generator: a scalar between 1 and the order of the curve less one."""
    return seed_rng.randrange(1, ORDER)


def public_of(private: int) -> bytes:
    """The public point of a private scalar: 65 octets, uncompressed.  Raises :class:`BadKey`."""
    return _point(_private(private))


@lru_cache(maxsize=1024)
def load_public(point: bytes) -> ec.EllipticCurvePublicKey:
    """The key object of an uncompressed point.  Kept, because parsing costs a good part of a verification."""
    if len(point) != 65:
        raise BadKey(f"a public key is an uncompressed P-256 point of 65 octets, got {len(point)}")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)
    except ValueError:
        raise BadKey("a public key is an uncompressed P-256 point beginning with 04, got one that is not on the curve")


def verify(public: bytes, signature: bytes, octets: bytes) -> bool:
    """Whether ``signature`` (raw ``r || s``) is that of ``public`` over ``octets``.  Raises :class:`BadKey`."""
    key = load_public(public)
    if len(signature) != 64:
        return False
    body = _der_integer(signature[:32]) + _der_integer(signature[32:])
    try:
        key.verify(b"\x30%c%b" % (len(body), body), octets, _VERIFY)
    except InvalidSignature:
        return False
    return True


class MemoryKeyStore:
    """Keys in memory.  ``privates`` holds scalars, ``publics`` uncompressed points; either may lack names of the other.

    :meth:`agree` works from either side: where our own private key is not known but that of the peer is (the published
    test keys hold no private key of the meters), the same secret is reached from the peer's side.
    Raises :class:`BadKey` where a key is none, or where the two forms of a name disagree.
    """

    def __init__(self, privates: Mapping[str, int], publics: Mapping[str, bytes]) -> None:
        self._privates = {name: _private(scalar, name) for name, scalar in privates.items()}
        self._publics: dict[str, bytes] = {}
        for name, point in publics.items():
            load_public(point)
            self._publics[name] = bytes(point)
        for name, key in self._privates.items():
            if self._publics.setdefault(name, _point(key)) != _point(key):
                raise BadKey(f"the public key of '{name}' is not that of its private key; correct either of them")
        self._by_point = {self._publics[name]: key for name, key in self._privates.items()}
        self._secrets: dict[tuple[str, bytes], bytes] = {}
        self._pairs: dict[frozenset[bytes], bytes] = {}  # the same secrets, whichever side asked first

    def __repr__(self) -> str:
        return f"<MemoryKeyStore of {len(self._publics)} keys, {len(self._privates)} of them private>"

    def __reduce__(self) -> Any:
        raise TrustError("a key store does not leave its process; give the other one a store of its own")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all keys, sorted."""
        return tuple(sorted(self._publics))

    def holds_private(self, key: str) -> bool:
        """Whether the private key of that name is known here."""
        return key in self._privates

    def merged(self, other: MemoryKeyStore) -> MemoryKeyStore:
        """A store with the keys of both; ``other`` wins where both hold a name."""
        store = MemoryKeyStore({}, {})
        store._privates = {n: k for n, k in self._privates.items() if n not in other._publics} | other._privates
        store._publics = self._publics | other._publics
        store._by_point = {store._publics[name]: key for name, key in store._privates.items()}
        return store

    def new_key(self, key: str, rng: random.Random) -> bytes:
        """See :meth:`KeyMaker.new_key`."""
        private = _private(generate(rng))
        public = _point(private)
        self._secrets = {pair: secret for pair, secret in self._secrets.items() if pair[0] != key}
        self._privates[key], self._publics[key], self._by_point[public] = private, public, private
        return public

    def sign(self, key: str, octets: bytes) -> bytes:
        """See :meth:`KeyStore.sign`."""
        private = self._privates.get(key)
        if private is None:
            raise KeyMissing(key, "private")
        r, s = decode_dss_signature(private.sign(octets, _SIGN))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def agree(self, key: str, peer_public: bytes) -> bytes:
        """See :meth:`KeyStore.agree`; each pair is agreed once and remembered."""
        known = self._secrets.get((key, peer_public))
        if known is not None:
            return known
        pair = frozenset((self.public(key), peer_public))
        secret = self._pairs.get(pair) or self._exchange(key, peer_public)
        self._secrets[key, peer_public] = self._pairs[pair] = secret
        return secret

    def _exchange(self, key: str, peer_public: bytes) -> bytes:
        ours = self._privates.get(key)
        if ours is not None:
            return ours.exchange(_ECDH, load_public(peer_public))
        theirs = self._by_point.get(peer_public)
        if theirs is None:
            raise KeyMissing(key, "private")
        return theirs.exchange(_ECDH, load_public(self.public(key)))

    def public(self, key: str) -> bytes:
        """See :meth:`KeyStore.public`."""
        try:
            return self._publics[key]
        except KeyError:
            raise KeyMissing(key, "public")


def load_corpus_keys(document: object) -> MemoryKeyStore:
    """The key store of a parsed ``keys.json``: name -> ``{certificate, public, private}``, hexadecimal or null.

    Raises :class:`BadKey` naming the entry and what to do; no key octets are ever part of the message.
    """
    if not isinstance(document, dict) or not document:
        raise BadKey("a key file is one JSON object with an entry for each key; this one is empty or something else")
    privates: dict[str, int] = {}
    publics: dict[str, bytes] = {}
    for name, entry in document.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadKey(f"{name!r} is no key name; write 16 lower-case hex digits and '-ds', '-ka' or '-pp-ka'")
        if not isinstance(entry, dict):
            raise BadKey(f"the entry '{name}' must be an object with 'public' and 'private'")
        point, scalar = _hex(name, entry, "public"), _hex(name, entry, "private")
        if point is None and scalar is None:
            raise BadKey(f"the entry '{name}' has neither 'public' nor 'private'; give at least one")
        if point is not None:
            try:
                load_public(point)
            except BadKey as fault:
                raise BadKey(f"entry '{name}': {fault.reason}")
            publics[name] = point
        if scalar is not None:
            privates[name] = int.from_bytes(scalar, "big")
    return MemoryKeyStore(privates, publics)


def _hex(name: str, entry: Mapping[str, object], field: str) -> bytes | None:
    text = entry.get(field)
    if text is None:
        return None
    try:
        return bytes.fromhex(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise BadKey(f"'{field}' of '{name}' must be a string of hexadecimal digits or null")


def _private(scalar: int, name: str = "") -> ec.EllipticCurvePrivateKey:
    if not 0 < scalar < ORDER:
        whose = f"the private key of '{name}'" if name else "a private key"
        raise BadKey(f"{whose} must be a number from 1 to the order of P-256 less one")
    return ec.derive_private_key(scalar, _CURVE)


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _der_integer(octets: bytes) -> bytes:
    """An unsigned number as a DER INTEGER: `verify` wants DER, and this is quicker than going over Python integers."""
    trimmed = octets.lstrip(b"\0")
    if not trimmed or trimmed[0] & 0x80:
        trimmed = b"\0" + trimmed
    return b"\x02%c%b" % (len(trimmed), trimmed)
