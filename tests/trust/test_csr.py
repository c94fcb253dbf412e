"""Certification requests: the published form, what other tools say of ours, and what is refused."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from devices.trust import certificates, csr
from devices.trust.authority import Authority
from devices.trust.certificates import Usage
from devices.trust.errors import BadRequest, TrustError
from devices.trust.keystore import KeyMaker, MemoryKeyStore
from devices.wire import asn1, gbcs

EUI = bytes.fromhex("00db000000000001")
NAME = f"{EUI.hex()}-ds/1"


def _store() -> MemoryKeyStore:
    store = MemoryKeyStore({}, {})
    store.new_key(NAME, random.Random(3))
    return store


def _request(usage: Usage = Usage.DIGITAL_SIGNATURE) -> bytes:
    store = _store()
    return csr.make(EUI, usage, store.public(NAME), lambda octets: store.sign(NAME, octets))


def test_a_memory_store_makes_keys() -> None:
    store = MemoryKeyStore({}, {})
    assert isinstance(store, KeyMaker)
    first = store.new_key(NAME, random.Random(3))
    assert first == store.public(NAME) == _store().public(NAME)
    assert store.new_key(NAME, random.Random(4)) != first


def test_a_new_key_forgets_the_secrets_of_the_old_one() -> None:
    store, peer = MemoryKeyStore({}, {}), MemoryKeyStore({}, {})
    point = peer.new_key("peer", random.Random(9))
    store.new_key(NAME, random.Random(3))
    before = store.agree(NAME, point)
    store.new_key(NAME, random.Random(4))
    assert store.agree(NAME, point) != before
    assert store.agree(NAME, point) == peer.agree("peer", store.public(NAME))


@pytest.mark.parametrize("usage", [Usage.DIGITAL_SIGNATURE, Usage.KEY_AGREEMENT])
def test_cryptography_reads_ours(usage: Usage) -> None:
    request = x509.load_der_x509_csr(_request(usage))
    assert request.is_signature_valid
    assert len(request.subject) == 0
    extensions = {extension.oid: extension for extension in request.extensions}
    assert all(extension.critical for extension in extensions.values())
    wanted = extensions[x509.KeyUsage.oid].value
    assert isinstance(wanted, x509.KeyUsage)
    assert (wanted.digital_signature, wanted.key_agreement) == (
        usage is Usage.DIGITAL_SIGNATURE,
        usage is Usage.KEY_AGREEMENT,
    )
    assert csr.parse(_request(usage)) == csr.Request(_request(usage), _store().public(NAME), EUI, usage)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed; apt-get install openssl")
def test_openssl_verifies_ours(tmp_path: Path) -> None:
    path = tmp_path / "request.der"
    path.write_bytes(_request())
    said = subprocess.run(
        ["openssl", "req", "-inform", "DER", "-in", str(path), "-noout", "-verify", "-text"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verify OK" in said.stderr + said.stdout
    assert "Subject: \n" in said.stdout.replace("Subject:\n", "Subject: \n")
    assert "Digital Signature" in said.stdout


@pytest.mark.corpus
def test_the_published_request_is_ours_up_to_its_signature(corpus_dir: Path) -> None:
    lines = (corpus_dir / "gbcs-open.jsonl").read_text("utf-8").splitlines()
    found = next(e for e in map(json.loads, lines) if e["name"] == "CS02c_6.17_SUCCESS_RESPONSE")
    published = gbcs.decode(bytes.fromhex(found["hex"])).payload
    request = csr.parse(published)
    assert request.eui.hex() == found["originator"]
    parts = asn1.decode(published).children
    body = asn1.to_bit_string(parts[2])[0]
    halves = (int.from_bytes(half.octets, "big").to_bytes(32, "big") for half in asn1.decode(body).children)
    signature = b"".join(halves)
    assert csr.make(request.eui, request.usage, request.public, lambda _: signature) == published


def test_an_authority_makes_the_certificate() -> None:
    authority = Authority(random.Random(1), datetime(2026, 1, 1, tzinfo=UTC))
    certificate = certificates.parse(authority.certify(_request(Usage.KEY_AGREEMENT)))
    assert (certificate.eui, certificate.usage) == (EUI, Usage.KEY_AGREEMENT)
    assert certificate.public == _store().public(NAME)
    with pytest.raises(BadRequest):
        authority.certify(certificate.octets)


@pytest.mark.parametrize(
    ("eui", "usage", "public"),
    [
        (EUI[:7], Usage.DIGITAL_SIGNATURE, bytes(65)),
        (EUI, Usage.KEY_CERT_SIGN, bytes(65)),
        (EUI, Usage.DIGITAL_SIGNATURE, bytes(33)),
    ],
)
def test_what_no_request_is_made_for(eui: bytes, usage: Usage, public: bytes) -> None:
    with pytest.raises(BadRequest):
        csr.make(eui, usage, public, lambda _: bytes(64))


@given(st.data())
def test_a_changed_request_is_refused(data: st.DataObject) -> None:
    octets = bytearray(_request())
    place = data.draw(st.integers(0, len(octets) - 1))
    octets[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(TrustError):
        csr.parse(bytes(octets))


@given(st.binary(max_size=300))
def test_anything_else_is_refused(octets: bytes) -> None:
    with pytest.raises(BadRequest):
        csr.parse(octets)
