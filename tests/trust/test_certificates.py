"""Our own certificates and the published ones: what they say, what chains, what is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from devices.trust.authority import Authority
from devices.trust.certificates import (
    PUBLISHED,
    Certificate,
    Role,
    Usage,
    check,
    parse,
    role_name,
    signed_by,
    subject_key_identifier,
)
from devices.trust.errors import BadCertificate, NotAuthentic
from devices.trust.keystore import public_of
from devices.wire import asn1, gbcs

NOW = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
METER = bytes.fromhex("00DB1234567890B0")
SUPPLIER = bytes.fromhex("90B3D51F30010000")
PUBLIC = public_of(12345)
RIG = Authority(random.Random(7), NOW)
DEVICE = RIG.device(METER, Usage.DIGITAL_SIGNATURE, PUBLIC)
ORGANISATION = RIG.organisation(SUPPLIER, Role.SUPPLIER, Usage.KEY_AGREEMENT, PUBLIC)


def test_a_device_certificate_says_what_it_was_made_for() -> None:
    found = parse(DEVICE)
    assert (found.eui, found.role, found.usage, found.public) == (METER, None, Usage.DIGITAL_SIGNATURE, PUBLIC)
    assert found.is_device
    assert (found.not_before, found.not_after) == (NOW, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert found.ski == subject_key_identifier(PUBLIC)
    assert found.aki == RIG.device_issuer.ski


def test_an_organisation_certificate_says_what_it_was_made_for() -> None:
    found = parse(ORGANISATION)
    assert (found.eui, found.role, found.usage) == (SUPPLIER, Role.SUPPLIER, Usage.KEY_AGREEMENT)
    assert not found.is_device
    assert found.not_after - found.not_before == timedelta(days=3652.5)


def test_the_form_is_that_of_the_facts() -> None:
    device, organisation = map(x509.load_der_x509_certificate, (DEVICE, ORGANISATION))
    assert not list(device.subject)
    criticals = {type(e.value).__name__: e.critical for e in device.extensions}
    assert criticals["KeyUsage"]
    assert criticals["SubjectAlternativeName"]
    assert DEVICE.count(bytes.fromhex("0603551d0f0101ff040403020780")) == 1
    assert ORGANISATION.count(bytes.fromhex("0603551d0f0101ff040403020308")) == 1
    assert organisation.issuer.rfc4514_string() == "CN=R1,OU=07"
    assert DEVICE.count(bytes.fromhex("180f39393939313233313233353935395a")) == 1


def test_equal_seeds_give_equal_octets() -> None:
    again = Authority(random.Random(7), NOW)
    assert again.certificates == RIG.certificates
    assert again.device(METER, Usage.DIGITAL_SIGNATURE, PUBLIC) == DEVICE
    assert Authority(random.Random(8), NOW).root != RIG.root


@pytest.mark.parametrize("octets", [DEVICE, ORGANISATION], ids=["device", "organisation"])
def test_own_certificates_chain_to_the_root(octets: bytes) -> None:
    check(parse(octets), RIG.certificates, NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("issuers", "at", "reason"),
    [
        (RIG.certificates, NOW - timedelta(seconds=1), "the clock says 2024-06-01 11:59:59"),
        (RIG.certificates, NOW + timedelta(days=4000), "valid from"),
        ((), NOW, "no certificate at hand signed"),
        (RIG.certificates[1:], NOW, "no certificate at hand signed"),
        (RIG.certificates[:1], NOW, "no certificate at hand signed"),
        (Authority(random.Random(8), NOW).certificates, NOW, "no certificate at hand signed"),
    ],
)
def test_a_chain_that_does_not_hold_is_refused(issuers: tuple[Certificate, ...], at: datetime, reason: str) -> None:
    with pytest.raises(NotAuthentic, match=reason):
        check(parse(ORGANISATION), issuers, at)


def test_an_end_entity_signs_nothing() -> None:
    with pytest.raises(NotAuthentic):
        check(parse(ORGANISATION), (RIG.root, parse(ORGANISATION)), NOW)


@given(st.integers(0, 8 * len(DEVICE) - 1))
def test_a_flipped_bit_is_noticed(bit: int) -> None:
    octets = bytearray(DEVICE)
    octets[bit // 8] ^= 1 << bit % 8
    with pytest.raises((BadCertificate, NotAuthentic)):
        check(parse(bytes(octets)), RIG.certificates, NOW)


@given(st.binary(max_size=300))
def test_rubbish_is_refused(octets: bytes) -> None:
    with pytest.raises(BadCertificate):
        parse(octets)


@given(st.integers(0, len(ORGANISATION) - 1), st.integers(0, 255))
def test_a_mutated_certificate_never_breaks_the_reader(position: int, octet: int) -> None:
    octets = bytearray(ORGANISATION)
    octets[position] = octet
    try:
        found = parse(bytes(octets))
    except BadCertificate:
        return
    assert found.octets == octets


def published(folder: Path) -> Iterator[tuple[str, dict[str, str | None]]]:
    yield from json.loads((folder / "keys.json").read_text(encoding="utf-8")).items()


def test_published_certificates_read(corpus_dir: Path) -> None:
    for name, entry in published(corpus_dir):
        assert entry["certificate"] is not None
        found = parse(bytes.fromhex(entry["certificate"]))
        assert found.public.hex() == entry["public"]
        assert found.usage is (Usage.DIGITAL_SIGNATURE if name.endswith("-ds") else Usage.KEY_AGREEMENT)
        assert found.ski == subject_key_identifier(found.public)
        assert found.is_device == name.startswith("00db")
        if name != "90b3d51f30000007-ka":  # published with the certificate of the second supplier
            assert found.eui is not None
            assert found.eui.hex() == name[:16]
        check(found, (), datetime(2026, 11, 1, tzinfo=UTC), PUBLISHED)


def test_published_organisations_are_signed_by_the_published_issuer(corpus_dir: Path) -> None:
    """The issuing authority's certificate travels in the credential replacement commands."""
    issuer_ski = bytes.fromhex("4f5688d7ec933be2")
    (issuer,) = {
        found
        for use_case, octets in carried(corpus_dir)
        if use_case.startswith("CS02b") and (found := parse(octets)).ski == issuer_ski
    }
    assert issuer.usage is Usage.KEY_CERT_SIGN
    assert issuer.role == Role.ISSUING_AUTHORITY
    organisations = [
        parse(bytes.fromhex(entry["certificate"] or ""))
        for name, entry in published(corpus_dir)
        if name.startswith("90b3")
    ]
    proved = [found for found in organisations if found.aki == issuer.ski]
    assert len(proved) >= 10
    assert all(signed_by(found, issuer) for found in proved)


def test_the_published_certificate_with_a_wrong_usage_is_refused(corpus_dir: Path) -> None:
    """The ERROR sample of CS02d is there to be refused for its key usage; every other certificate reads."""
    refused = set()
    for use_case, octets in carried(corpus_dir):
        try:
            parse(octets)
        except BadCertificate as fault:
            assert "exactly one of digitalSignature and keyAgreement" in fault.reason  # noqa: PT017
            refused.add(use_case)
    assert refused == {"CS02d_6.15.2_ERROR_COMMAND", "CS02d_6.15.2_ERROR_PRECOMMAND"}


def carried(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every certificate inside the ASN.1 payloads of the corpus, with the name of its message."""
    for line in (folder / "gbcs-open.jsonl").read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        if fields["payload_format"] == "asn1":
            for octets in certificates_in(asn1.decode(gbcs.decode(bytes.fromhex(fields["hex"])).payload)):
                yield fields["name"], octets


def certificates_in(node: asn1.Node) -> Iterator[bytes]:
    octets = asn1.encode(node)
    if len(node.children) == 3 and bytes.fromhex("a003020102") in octets[:16]:
        yield octets
        return
    for child in node.children:
        yield from certificates_in(child)


@pytest.mark.parametrize(
    ("role", "words"),
    [(None, "device"), (2, "supplier"), (Role.TRANSITIONAL_COS, "transitional cos"), (0x87, "role 87")],
)
def test_roles_in_words(role: int | None, words: str) -> None:
    assert role_name(role) == words
