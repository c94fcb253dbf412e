"""A device's own keys: new pairs, their certificates, what is refused, and what outlives the process."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from devices.machines.parts.asn1_settings import Asn1Settings
from devices.machines.parts.device_keys import DeviceKeys, InstallCode, OwnKeys, ReadCode, RequestCode
from devices.trust import certificates, csr, protection
from devices.trust.certificates import Usage
from devices.trust.errors import KeyMissing, TrustError
from devices.trust.keystore import KeyStore, MemoryKeyStore, agreement_key, signing_key
from devices.wire import gbcs
from devices.wire.asn1_typed import (
    Certificate,
    CertificationRequest,
    CredentialsRequest,
    KeyPairRequest,
    KeyUsage,
    ResponseCode,
    TrustAnchorCell,
)
from devices.wire.gbcs import Message
from tests.machines.asn1_bench import BROKER, DEVICE, KEYS, STRANGER, Bench, authority, fresh_keys

DS, KA = KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_AGREEMENT
REQUEST, INSTALL, READ = 0x000A, 0x000B, 0x000C
TRUST = {DS: Usage.DIGITAL_SIGNATURE, KA: Usage.KEY_AGREEMENT}


def _ask(bench: Bench, usage: KeyUsage = DS) -> csr.Request:
    view = bench.answer(bench.command(REQUEST, KeyPairRequest(usage)))
    assert isinstance(view, CertificationRequest)
    return csr.parse(view.request)


def _install(bench: Bench, certificate: bytes) -> InstallCode:
    view = bench.answer(bench.command(INSTALL, Certificate(certificate)))
    assert isinstance(view, ResponseCode)
    return InstallCode(view.code)


def _signed_with(bench: Bench, public: bytes) -> bool:
    """Whether the device now signs with the key of ``public``."""
    outcome = bench.command(READ, KeyPairRequest(DS))
    assert outcome.response is not None
    return protection.signature_valid(gbcs.decode(outcome.response), public)


@pytest.mark.parametrize("usage", [DS, KA])
def test_a_request_is_for_a_new_key_of_this_device(usage: KeyUsage) -> None:
    bench = Bench()
    request = _ask(bench, usage)
    assert (request.eui, request.usage) == (DEVICE, TRUST[usage])
    assert request.public not in {KEYS.public(name) for name in KEYS.names}
    assert _ask(bench, usage).public != request.public


def test_the_old_key_stays_in_use_until_the_certificate_comes() -> None:
    bench = Bench()
    old = KEYS.public(signing_key(DEVICE))
    request = _ask(bench)
    assert _signed_with(bench, old)
    outcome = bench.command(INSTALL, Certificate(authority().certify(request.octets)))
    assert outcome.response is not None
    assert protection.signature_valid(gbcs.decode(outcome.response), old)
    assert list(outcome.events) == [0x8F4D]
    assert _signed_with(bench, request.public)
    assert not _signed_with(bench, old)


def test_a_new_agreement_key_makes_and_checks_macs() -> None:
    bench = Bench()
    request = _ask(bench, KA)
    assert _install(bench, authority().certify(request.octets)) is InstallCode.SUCCESS
    report = CredentialsRequest(TrustAnchorCell(4, KA), (4,))
    stale = bench.command(0x0008, report, BROKER)
    assert stale.refused is not None
    assert stale.refused.check == "mac"
    before = KEYS.public(agreement_key(DEVICE))
    z = KEYS.agree(agreement_key(BROKER), request.public)
    assert z != KEYS.agree(agreement_key(BROKER), before)
    assert stale.message is not None
    outcome = bench.give(gbcs.encode(protection.add_mac(_bare(stale.message), z)))
    assert outcome.response is not None
    assert protection.mac_valid(gbcs.decode(outcome.response), z)


def _bare(message: Message) -> Message:
    return replace(message, mac=None)


def test_what_was_installed_is_read_back() -> None:
    bench = Bench()
    assert bench.answer(bench.command(READ, KeyPairRequest(DS))) == ResponseCode(ReadCode.NO_CERTIFICATE_HELD)
    certificate = authority().certify(_ask(bench).octets)
    assert _install(bench, certificate) is InstallCode.SUCCESS
    assert bench.answer(bench.command(READ, KeyPairRequest(DS))) == Certificate(certificate)
    assert bench.answer(bench.command(READ, KeyPairRequest(KA))) == ResponseCode(ReadCode.NO_CERTIFICATE_HELD)


def test_the_certificates_of_manufacture() -> None:
    own = authority().device(DEVICE, Usage.KEY_AGREEMENT, KEYS.public(agreement_key(DEVICE)))
    bench = Bench(settings=Asn1Settings(own_certificates=(own,)))
    assert bench.answer(bench.command(READ, KeyPairRequest(KA))) == Certificate(own)
    foreign = authority().device(STRANGER, Usage.KEY_AGREEMENT, KEYS.public(agreement_key(STRANGER)))
    with pytest.raises(TrustError):
        Bench(settings=Asn1Settings(own_certificates=(foreign,)))


def _certificates(request: csr.Request) -> dict[InstallCode, bytes]:
    other = fresh_keys().new_key("other", random.Random(77))
    good = authority().certify(request.octets)
    version = bytes.fromhex("a003020102")
    return {
        InstallCode.INVALID_CERTIFICATE: good.replace(version, bytes.fromhex("a003020107"), 1),
        InstallCode.WRONG_DEVICE_IDENTITY: authority().device(STRANGER, request.usage, request.public),
        InstallCode.INVALID_KEY_USAGE: authority().device_issuer.octets,
        InstallCode.NO_CORRESPONDING_KEY_PAIR: authority().device(DEVICE, Usage.KEY_AGREEMENT, request.public),
        InstallCode.WRONG_PUBLIC_KEY: authority().device(DEVICE, request.usage, other),
    }


@pytest.mark.parametrize("code", list(InstallCode)[1:6])
def test_certificates_that_are_refused(code: InstallCode) -> None:
    bench = Bench()
    request = _ask(bench)
    before = bench.state()
    assert _install(bench, _certificates(request)[code]) is code
    assert bench.state() == before | {"floors": bench.device.floors.as_json()}
    assert _signed_with(bench, KEYS.public(signing_key(DEVICE)))
    assert _install(bench, authority().certify(request.octets)) is InstallCode.SUCCESS


def test_the_pair_of_an_older_request_is_given_up() -> None:
    bench = Bench()
    first, second = _ask(bench), _ask(bench)
    assert _install(bench, authority().certify(first.octets)) is InstallCode.WRONG_PUBLIC_KEY
    assert _install(bench, authority().certify(second.octets)) is InstallCode.SUCCESS
    assert _install(bench, authority().certify(second.octets)) is InstallCode.NO_CORRESPONDING_KEY_PAIR


@pytest.mark.parametrize("usage", [KeyUsage.KEY_CERT_SIGN, DS | KA])
def test_usages_that_a_device_has_no_key_of(usage: KeyUsage) -> None:
    bench = Bench()
    for code, expected in ((REQUEST, RequestCode.INVALID_KEY_USAGE), (READ, ReadCode.INVALID_KEY_USAGE)):
        assert bench.answer(bench.command(code, KeyPairRequest(usage))) == ResponseCode(expected)


class _Sealed:
    """A key store that makes no keys."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def sign(self, key: str, octets: bytes) -> bytes:
        return self._store.sign(key, octets)

    def agree(self, key: str, peer_public: bytes) -> bytes:
        return self._store.agree(key, peer_public)

    def public(self, key: str) -> bytes:
        return self._store.public(key)


def test_a_store_that_makes_no_keys() -> None:
    bench = Bench()
    keys: Any = _Sealed(bench.keys)
    bench.boot(keys)
    failed = bench.answer(bench.command(REQUEST, KeyPairRequest(DS)))
    assert failed == ResponseCode(RequestCode.KEY_PAIR_GENERATION_FAILED)


@pytest.mark.parametrize("other_process", [False, True])
def test_keys_outlive_a_loss_of_power(other_process: bool) -> None:
    bench = Bench()
    first = _ask(bench)
    bench.boot(fresh_keys() if other_process else None)
    assert _install(bench, authority().certify(first.octets)) is InstallCode.SUCCESS
    waiting = _ask(bench)
    bench.boot(fresh_keys() if other_process else None)
    assert _signed_with(bench, first.public)
    assert _install(bench, authority().certify(waiting.octets)) is InstallCode.SUCCESS
    assert _signed_with(bench, waiting.public)


def test_no_private_key_is_saved() -> None:
    bench = Bench()
    request = _ask(bench)
    _install(bench, authority().certify(request.octets))
    saved = bench.saved["own_keys"]["DIGITAL_SIGNATURE"]
    assert set(saved) == {"in_use", "waiting", "made", "point", "certificate"}
    assert (saved["in_use"], saved["waiting"], saved["point"]) == (1, None, None)


def test_two_devices_can_share_a_store() -> None:
    store = fresh_keys()
    one, other = Bench(), Bench()
    one.boot(store)
    other.boot(store)
    _install(one, authority().certify(_ask(one).octets))
    assert _signed_with(other, KEYS.public(signing_key(DEVICE)))


def test_a_pair_that_is_held_elsewhere() -> None:
    keys = DeviceKeys(MemoryKeyStore({}, {}), DEVICE)
    point = KEYS.public(signing_key(STRANGER))
    keys.use(signing_key(DEVICE), "elsewhere", point)
    assert keys.public(signing_key(DEVICE)) == point
    with pytest.raises(KeyMissing):
        keys.sign(signing_key(DEVICE), b"")
    own = OwnKeys(keys, DEVICE)
    own.expect(Usage.DIGITAL_SIGNATURE, point)
    restored = OwnKeys(keys, DEVICE)
    restored.restore(own.persist().value)
    assert restored.persist() == own.persist()


def test_a_view_of_a_store_is_made_once() -> None:
    keys = DeviceKeys(KEYS, DEVICE)
    assert DeviceKeys.over(keys, DEVICE) is keys
    assert DeviceKeys.over(keys, STRANGER) is not keys
    assert certificates.subject_key_identifier(keys.public(signing_key(DEVICE)))[0] >> 4 == 4
