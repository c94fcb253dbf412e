"""A device's own keys and certificates: new key pairs (CS02c), their certificates (CS02d), reading them back (CS02e).

A new key pair waits beside the one in use until its certificate comes.  :class:`DeviceKeys` stands between the device
and the key store: the names of the device's own keys lead to whichever pair is in use, private keys stay in the store.

Must not live here: organisations' certificates (``credential_updates``), PKCS#10 and X.509 as such (``trust``).

Source: facts/gbcs.md 3.4 (codes), 9.6; order of the checks of CS02d [our choice].
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from devices.events.keys import KeyFailed, KeyMade, KeyReplaced
from devices.machines.core import Persist, Record
from devices.machines.parts.execution import CommandContext
from devices.trust import certificates, csr
from devices.trust.certificates import Usage
from devices.trust.errors import BadKeyUsage, KeyMissing, TrustError
from devices.trust.keystore import KeyMaker, KeyStore, agreement_key, signing_key
from devices.wire.asn1_typed import Certificate as CertificateView
from devices.wire.asn1_typed import CertificationRequest, KeyPairRequest, KeyUsage, ResponseCode

__all__ = ["DeviceKeys", "InstallCode", "OwnKeys", "OwnKeysSettings", "ReadCode", "RequestCode"]

KEY: Final = "own_keys"
_NAMES: Final = {Usage.DIGITAL_SIGNATURE: signing_key, Usage.KEY_AGREEMENT: agreement_key}
_USAGES: Final = {
    KeyUsage.DIGITAL_SIGNATURE: Usage.DIGITAL_SIGNATURE,
    KeyUsage.KEY_AGREEMENT: Usage.KEY_AGREEMENT,
}
# events by outcome, failed and succeeded (facts/gbcs.md 6)
_EVENTS: Final = {Usage.DIGITAL_SIGNATURE: (0x8F4C, 0x8F4D), Usage.KEY_AGREEMENT: (0x8F4E, 0x8F4F)}


class RequestCode(IntEnum):
    """Why CS02c failed."""

    INVALID_KEY_USAGE = 1
    KEY_PAIR_GENERATION_FAILED = 2
    REQUEST_PRODUCTION_FAILED = 3


class InstallCode(IntEnum):
    """The outcome of CS02d."""

    SUCCESS = 0
    INVALID_CERTIFICATE = 1
    WRONG_DEVICE_IDENTITY = 2
    INVALID_KEY_USAGE = 3
    NO_CORRESPONDING_KEY_PAIR = 4
    WRONG_PUBLIC_KEY = 5
    CERTIFICATE_STORAGE_FAILED = 6
    PRIVATE_KEY_CHANGE_FAILED = 7


class ReadCode(IntEnum):
    """Why CS02e failed."""

    INVALID_KEY_USAGE = 1
    NO_CERTIFICATE_HELD = 2
    RETRIEVAL_FAILED = 3


@dataclass(frozen=True, slots=True)
class OwnKeysSettings:
    """What is no matter of the specification, or open in it."""

    seed: str = ""  # a store of emulated keys makes its keys from this, the EUI-64, the usage and a running number
    hardware_type: str = csr.HARDWARE_TYPE  # hwType in certification requests [one published request]


class DeviceKeys:
    """The key store as one device sees it: see :class:`KeyStore`, and raises as that does.

    ``store`` holds the keys with which the device was made; those that it makes later are kept there under names of
    their own, so that one store can serve many devices.
    """

    def __init__(self, store: KeyStore, identity: bytes) -> None:
        self.store, self.identity = store, identity
        self._in_use: dict[str, str] = {}  # the name of an own key, and the name it has in the store
        self._points: dict[str, bytes] = {}  # public points of pairs whose private key is not in the store

    @classmethod
    def over(cls, store: KeyStore, identity: bytes) -> DeviceKeys:
        """``store`` itself where it is this device's already, else a view of it."""
        return store if isinstance(store, cls) and store.identity == identity else cls(store, identity)

    def sign(self, key: str, octets: bytes) -> bytes:
        """See :meth:`KeyStore.sign`."""
        return self.store.sign(self._name(key), octets)

    def agree(self, key: str, peer_public: bytes) -> bytes:
        """See :meth:`KeyStore.agree`."""
        return self.store.agree(self._name(key), peer_public)

    def public(self, key: str) -> bytes:
        """See :meth:`KeyStore.public`."""
        name = self._in_use.get(key, key)
        return self._points[name] if name in self._points else self.store.public(name)

    def use(self, key: str, name: str, point: bytes | None = None) -> None:
        """From now on ``key`` is the pair that the store calls ``name``; ``point`` where the store doesn't have it."""
        self._in_use[key] = name
        if point is not None:
            self._points[name] = point

    def _name(self, key: str) -> str:
        name = self._in_use.get(key, key)
        if name in self._points:
            raise KeyMissing(name, "private")
        return name


@dataclass(slots=True)
class _Pair:
    """The state of one usage: numbers of the pair in use (0: as made) and of the one that waits, certificate held."""

    in_use: int = 0
    waiting: int | None = None
    made: int = 0
    point: bytes | None = None  # of a waiting pair whose private key is not in the store
    certificate: bytes | None = None


class OwnKeys:
    """The keys and certificates of the device ``identity``."""

    def __init__(self, keys: DeviceKeys, identity: bytes, settings: OwnKeysSettings | None = None) -> None:
        self.keys, self.identity = keys, identity
        self.settings = settings or OwnKeysSettings()
        self._pairs = {usage: _Pair() for usage in _NAMES}

    # ----------------------------------------------------------------------------------------------------------- state

    def hold(self, certificate: bytes) -> None:
        """Give the device a certificate of its own, as at manufacture.  Raises :class:`TrustError` for another's."""
        found = certificates.parse(certificate)
        if found.eui != self.identity or found.usage not in self._pairs:
            raise TrustError(f"a certificate of {self.identity.hex()} is expected, of a device's key usage")
        self._pairs[found.usage].certificate = certificate

    def expect(self, usage: Usage, point: bytes) -> None:
        """Have a pair wait whose private key is held elsewhere; the store can't use it, but its certificate fits."""
        pair = self._pairs[usage]
        pair.made += 1
        pair.waiting, pair.point = pair.made, point

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """Take over what was saved; keys that the store no longer has are made again from the seed."""
        for usage, kept in (saved or {}).items():
            pair = self._pairs[Usage[usage]]
            pair.in_use, pair.waiting, pair.made = kept["in_use"], kept["waiting"], kept["made"]
            pair.point = bytes.fromhex(kept["point"]) if kept["point"] else None
            pair.certificate = bytes.fromhex(kept["certificate"]) if kept["certificate"] else None
            for number in {pair.in_use, pair.waiting} - {0, None}:
                if number == pair.waiting and pair.point is not None:
                    continue
                self._ensure(Usage[usage], number)
            if pair.in_use:
                self.keys.use(_NAMES[Usage[usage]](self.identity), self._name(Usage[usage], pair.in_use))

    def persist(self) -> Persist:
        """The effect that keeps numbers and certificates over a power loss; keys are the store's to keep."""
        return Persist(
            KEY,
            {
                usage.name: {
                    "in_use": pair.in_use,
                    "waiting": pair.waiting,
                    "made": pair.made,
                    "point": pair.point.hex() if pair.point else None,
                    "certificate": pair.certificate.hex() if pair.certificate else None,
                }
                for usage, pair in self._pairs.items()
            },
        )

    # --------------------------------------------------------------------------------------------------------- commands

    def request(self, view: KeyPairRequest, context: CommandContext) -> CertificationRequest | ResponseCode:
        """CS02c: make a key pair and ask for its certificate.  The pair that waited before is given up."""
        usage = _USAGES.get(view.key_usage)
        if usage is None:
            return self._failed(RequestCode.INVALID_KEY_USAGE, context)
        pair = self._pairs[usage]
        number = pair.made + 1
        try:
            point = self._make(usage, number)
        except TrustError as fault:
            context.effects.append(Record(KeyFailed(usage=usage.name, reason=fault.reason)))
            return self._failed(RequestCode.KEY_PAIR_GENERATION_FAILED, context)
        name = self._name(usage, number)
        try:
            request = csr.make(
                self.identity, usage, point, lambda octets: self.keys.sign(name, octets), self.settings.hardware_type
            )
        except TrustError as fault:
            context.effects.append(Record(KeyFailed(usage=usage.name, reason=fault.reason)))
            return self._failed(RequestCode.REQUEST_PRODUCTION_FAILED, context)
        pair.made = pair.waiting = number
        pair.point = None
        context.effects += [self.persist(), Record(KeyMade(usage=usage.name, public=point))]
        context.results = (0,)
        return CertificationRequest(request)

    def install(self, view: CertificateView, context: CommandContext) -> ResponseCode:
        """CS02d: take over a certificate and with it the key pair that waits.

        The response is still signed with the key that the command found in use [our choice].
        """
        code, found = self._judge(view.certificate)
        context.results = (int(code),)
        if found is not None:
            context.events.append(_EVENTS[found.usage][code is InstallCode.SUCCESS])
        if found is None or code is not InstallCode.SUCCESS:
            return ResponseCode(int(code))
        pair, usage = self._pairs[found.usage], found.usage
        number, point = pair.waiting, pair.point
        assert number is not None
        pair.certificate, pair.in_use, pair.waiting, pair.point = view.certificate, number, None, None
        context.effects += [self.persist(), Record(KeyReplaced(usage=usage.name, key_id=found.ski))]
        context.afterwards.append(lambda: self.keys.use(_NAMES[usage](self.identity), self._name(usage, number), point))
        return ResponseCode(int(code))

    def read(self, view: KeyPairRequest, context: CommandContext) -> CertificateView | ResponseCode:
        """CS02e: the certificate of the key in use."""
        usage = _USAGES.get(view.key_usage)
        if usage is None:
            return self._failed(ReadCode.INVALID_KEY_USAGE, context)
        certificate = self._pairs[usage].certificate
        if certificate is None:
            return self._failed(ReadCode.NO_CERTIFICATE_HELD, context)
        context.results = (0,)
        return CertificateView(certificate)

    # ----------------------------------------------------------------------------------------------------------- inside

    def _judge(self, octets: bytes) -> tuple[InstallCode, certificates.Certificate | None]:
        try:
            found = certificates.parse(octets)
        except BadKeyUsage:
            return InstallCode.INVALID_KEY_USAGE, None
        except TrustError:
            return InstallCode.INVALID_CERTIFICATE, None
        if found.usage not in self._pairs:
            return InstallCode.INVALID_KEY_USAGE, None
        if found.eui != self.identity or not found.is_device:
            return InstallCode.WRONG_DEVICE_IDENTITY, found
        pair = self._pairs[found.usage]
        if pair.waiting is None:
            return InstallCode.NO_CORRESPONDING_KEY_PAIR, found
        try:
            point = pair.point or self.keys.public(self._name(found.usage, pair.waiting))
        except TrustError:
            return InstallCode.PRIVATE_KEY_CHANGE_FAILED, found
        return (InstallCode.SUCCESS if found.public == point else InstallCode.WRONG_PUBLIC_KEY), found

    def _failed(self, code: RequestCode | ReadCode, context: CommandContext) -> ResponseCode:
        context.results = (int(code),)
        return ResponseCode(int(code))

    def _ensure(self, usage: Usage, number: int) -> None:
        """Have a pair that was made in an earlier life: the store kept it, or makes the same again."""
        try:
            self.keys.store.public(self._name(usage, number))
        except KeyMissing:
            self._make(usage, number)

    def _make(self, usage: Usage, number: int) -> bytes:
        maker = self.keys.store
        if not isinstance(maker, KeyMaker):
            raise TrustError("this key store makes no keys; use one that does, or make the pair in the device's own")
        seed = f"{self.settings.seed}/{self._name(usage, number)}"
        return maker.new_key(self._name(usage, number), random.Random(seed))

    def _name(self, usage: Usage, number: int) -> str:
        """The name of a pair in the store: that of the first one, and from then on with its number."""
        return _NAMES[usage](self.identity) + (f"/{number}" if number else "")
