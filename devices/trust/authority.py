"""The rig's own certificate authority, for emulated devices and parties (facts/gbcs.md 9.1 and 9.2).

No published authority key exists, so the rig signs with its own: a root, one authority that issues device certificates
and one that issues organisation certificates.  Everything comes from a seeded generator and a given civil time, and
signatures are deterministic: equal seeds give equal octets.

Must not live here: reading and checking of certificates (``certificates``).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from devices.trust import csr
from devices.trust.certificates import HARDWARE_MODULE_NAME, Certificate, Role, Usage, parse, subject_key_identifier
from devices.trust.errors import BadCertificate
from devices.trust.keystore import generate, load_public, public_of
from devices.wire import asn1

__all__ = ["Authority", "AuthoritySettings"]

_FOR_EVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # notAfter of device certificates [3 sources]


@dataclass(frozen=True, slots=True)
class AuthoritySettings:
    """How the rig's own certificates are marked and how long they live."""

    policy: str = "1.2.826.0.1.8641679.1.2.1.4"  # the policy of the published test certificates
    hardware_type: str = csr.HARDWARE_TYPE  # hwType as in the published device certificates
    root_name: str = "RA"  # two characters, as the published ZA; R for rig
    organisation_issuer: str = "R1"  # as the published Z1
    device_issuer: str = "R357"  # four characters, as the published E357
    organisation_years: int = 10  # as the published organisation certificates
    authority_years: int = 25  # as the published issuing authority


class Authority:
    """A root and two issuing authorities.  ``now`` is aware civil time; certificates are valid from that instant on."""

    def __init__(self, rng: random.Random, now: datetime, settings: AuthoritySettings | None = None) -> None:
        self._rng = rng
        self._now = now.astimezone(UTC).replace(microsecond=0)
        self._settings = settings or AuthoritySettings()
        root_key, organisation_key, device_key = (generate(rng) for _ in range(3))
        root_name = _authority_name(Role.ROOT, self._settings.root_name)
        self._organisations = (
            _authority_name(Role.ISSUING_AUTHORITY, self._settings.organisation_issuer),
            organisation_key,
        )
        self._devices = (_authority_name(Role.ISSUING_AUTHORITY, self._settings.device_issuer), device_key)
        root = (root_name, root_key)
        self.root = self._certify_authority(root_name, root_key, root)
        self.organisation_issuer = self._certify_authority(*self._organisations, root)
        self.device_issuer = self._certify_authority(*self._devices, root)

    @property
    def certificates(self) -> tuple[Certificate, Certificate, Certificate]:
        """Root, organisation issuer and device issuer: what a checker is given as issuers."""
        return self.root, self.organisation_issuer, self.device_issuer

    def device(self, eui: bytes, usage: Usage, public: bytes) -> bytes:
        """The DER certificate of a device's key: empty subject, EUI-64 in subjectAltName, no end of validity."""
        builder = self._builder(x509.Name([]), self._devices, public, _FOR_EVER)
        builder = _with_usage(builder, usage)
        name = x509.OtherName(HARDWARE_MODULE_NAME, self._hardware_module(_checked(eui)))
        return self._sign(builder.add_extension(x509.SubjectAlternativeName([name]), critical=True), self._devices)

    def certify(self, request: bytes) -> bytes:
        """The DER certificate that a device's certification request (DER) asks for.  Raises ``BadRequest``."""
        wanted = csr.parse(request)
        return self.device(wanted.eui, wanted.usage, wanted.public)

    def organisation(self, eui: bytes, role: int, usage: Usage, public: bytes) -> bytes:
        """The DER certificate of an organisation's key: role in the OU, EUI-64 as its unique identifier."""
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{role:02X}"),
                x509.NameAttribute(
                    NameOID.X500_UNIQUE_IDENTIFIER, b"\0" + _checked(eui), _type=x509.name._ASN1Type.BitString
                ),
            ]
        )
        end = self._after(self._settings.organisation_years)
        builder = _with_usage(self._builder(subject, self._organisations, public, end), usage)
        return self._sign(builder, self._organisations)

    def _certify_authority(self, name: x509.Name, key: int, issuer: tuple[x509.Name, int]) -> Certificate:
        end = self._after(self._settings.authority_years)
        builder = _with_usage(self._builder(name, issuer, public_of(key), end), Usage.KEY_CERT_SIGN)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return parse(self._sign(builder, issuer))

    def _builder(
        self, subject: x509.Name, issuer: tuple[x509.Name, int], public: bytes, end: datetime
    ) -> x509.CertificateBuilder:
        policy = x509.PolicyInformation(x509.ObjectIdentifier(self._settings.policy), None)
        name, key = issuer
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(load_public(public))
            .serial_number(self._rng.getrandbits(126) | 1)
            .not_valid_before(self._now)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier(subject_key_identifier(public)), critical=False)
            .add_extension(x509.CertificatePolicies([policy]), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier(subject_key_identifier(public_of(key)), None, None), critical=False
            )
        )

    def _sign(self, builder: x509.CertificateBuilder, issuer: tuple[x509.Name, int]) -> bytes:
        key = ec.derive_private_key(issuer[1], ec.SECP256R1())
        return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)

    def _after(self, years: int) -> datetime:
        return self._now + timedelta(days=365.25 * years)

    def _hardware_module(self, eui: bytes) -> bytes:
        return asn1.encode(asn1.sequence(asn1.oid(self._settings.hardware_type), asn1.octet_string(eui)))


def _authority_name(role: Role, name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{role:02X}"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _with_usage(builder: x509.CertificateBuilder, usage: Usage) -> x509.CertificateBuilder:
    signs = usage is Usage.KEY_CERT_SIGN
    return builder.add_extension(
        x509.KeyUsage(
            digital_signature=usage is Usage.DIGITAL_SIGNATURE,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=usage is Usage.KEY_AGREEMENT,
            key_cert_sign=signs,
            crl_sign=signs,
            encipher_only=False,
            decipher_only=False,
        ),
        critical=True,
    )


def _checked(eui: bytes) -> bytes:
    if len(eui) != 8:
        raise BadCertificate(f"a certificate names an EUI-64 of 8 octets, got {len(eui)}")
    return eui
