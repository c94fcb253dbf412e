"""Certificates of devices and organisations: reading both the published and our own, and checking chains.

What a certificate looks like: facts/gbcs.md 9.1 and 9.2.  Everywhere else in the project it is opaque octets.
The rig's own authority, which makes certificates for emulated devices and parties, is ``authority.py``.

Must not live here: trust anchor cells and who may replace whom (``model``, ``machines``).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from devices.trust.errors import BadCertificate, BadKeyUsage, NotAuthentic
from devices.trust.keystore import load_public
from devices.wire import asn1

__all__ = [
    "OWN_AUTHORITY",
    "PUBLISHED",
    "Certificate",
    "CertificateChecks",
    "Role",
    "Usage",
    "check",
    "hardware_module",
    "parse",
    "role_name",
    "signed_by",
    "subject_key_identifier",
    "usage_of",
]

HARDWARE_MODULE_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")
_ROLE = NameOID.ORGANIZATIONAL_UNIT_NAME
_UNIQUE_IDENTIFIER = NameOID.X500_UNIQUE_IDENTIFIER

# Everything that the library raises for octets that are no certificate, or one that it can't read.
_RUBBISH = (
    ValueError,
    TypeError,
    Warning,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)


class Role(IntEnum):
    """The remote party role of an organisation: its OU, two hexadecimal digits (facts/gbcs.md 9.2 [2 sources])."""

    ROOT = 0
    RECOVERY = 1
    SUPPLIER = 2
    NETWORK_OPERATOR = 3
    ACCESS_CONTROL_BROKER = 4
    TRANSITIONAL_COS = 5
    WAN_PROVIDER = 6
    ISSUING_AUTHORITY = 7
    LOAD_CONTROLLER = 8  # [single source: RTDS]
    OTHER = 127


def role_name(role: int | None) -> str:
    """The role in words; numbers that :class:`Role` does not know as ``role 87``."""
    if role is None:
        return "device"
    try:
        return Role(role).name.lower().replace("_", " ")
    except ValueError:
        return f"role {role:02X}"


class Usage(IntEnum):
    """What the key is for, as the bit of keyUsage; end entities have exactly one."""

    DIGITAL_SIGNATURE = 0
    KEY_AGREEMENT = 4
    KEY_CERT_SIGN = 5


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says.

    ``public`` is the uncompressed point (65 octets).  ``eui`` is the EUI-64 of the device or organisation, None for an
    authority that has none.  ``role`` is the organisation's (a number that :class:`Role` does not know is kept as a
    number), None for a device.  ``ski`` and ``aki`` are 8 octets; ``aki`` may be absent.  Times are aware, in UTC.
    """

    octets: bytes
    public: bytes
    eui: bytes | None
    role: int | None
    usage: Usage
    not_before: datetime
    not_after: datetime
    ski: bytes
    aki: bytes | None
    issuer: str

    @property
    def is_device(self) -> bool:
        """Whether it is a device's: it names a hardware module and no role."""
        return self.role is None


@dataclass(frozen=True, slots=True)
class CertificateChecks:
    """What is checked of a certificate besides its form (facts/gbcs.md 11, row 25 [our choice])."""

    chain: bool = True  # off for the published test certificates: most of their authorities are not published
    validity: bool = True  # off for the published ones too: they expired in 2025 and 2026


OWN_AUTHORITY = CertificateChecks()
"""For certificates of the rig's own authority."""

PUBLISHED = CertificateChecks(chain=False, validity=False)
"""For the published test certificates."""


def subject_key_identifier(public: bytes) -> bytes:
    """RFC 5280 method 2 in 8 octets: 0100 and the low 60 bits of SHA-1 of the point (facts/gbcs.md 9.1)."""
    digest = hashes.Hash(hashes.SHA1())
    digest.update(public)
    low = bytearray(digest.finalize()[-8:])
    low[0] = 0x40 | low[0] & 0x0F
    return bytes(low)


def parse(octets: bytes) -> Certificate:
    """Read one DER certificate.  Raises :class:`BadCertificate`, whatever it is given, where it is of neither form."""
    try:
        certificate = _load(octets)
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise BadCertificate("a certificate here is for a P-256 key, this one is for another kind")
        extensions = certificate.extensions
        role, eui = _subject(certificate)
        if role is None:
            eui = hardware_module(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        return Certificate(
            octets=bytes(octets),
            public=key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
            eui=eui,
            role=role,
            usage=usage_of(extensions.get_extension_for_class(x509.KeyUsage).value),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            ski=extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest,
            aki=_authority_key_identifier(extensions),
            issuer=certificate.issuer.rfc4514_string(),
        )
    except _RUBBISH as fault:
        reason = str(fault) or type(fault).__name__
        raise BadCertificate(f"these {len(octets)} octets are no certificate of a device or organisation: {reason}")


def check(
    certificate: Certificate,
    issuers: Iterable[Certificate],
    at: datetime,
    checks: CertificateChecks = OWN_AUTHORITY,
) -> None:
    """Check that ``certificate`` is valid ``at`` that instant and leads, issuer by issuer, to a root among ``issuers``.

    Every certificate on the way is checked: its times, its signature, and that the issuer may sign others.  A root is
    one that signed itself; whoever calls hands over only roots that it trusts.  Raises :class:`NotAuthentic`.
    """
    known = {issuer.ski: issuer for issuer in issuers if issuer.usage is Usage.KEY_CERT_SIGN}
    current = certificate
    for _ in range(len(known) + 1):
        if checks.validity and not current.not_before <= at <= current.not_after:
            raise NotAuthentic(
                f"the certificate of {_who(current)} is valid from {current.not_before:%Y-%m-%d %H:%M:%S} to "
                f"{current.not_after:%Y-%m-%d %H:%M:%S}, the clock says {at:%Y-%m-%d %H:%M:%S}"
            )
        if not checks.chain:
            return
        issuer = known.get(current.aki or current.ski)
        if issuer is None or not signed_by(current, issuer):
            raise NotAuthentic(f"no certificate at hand signed that of {_who(current)} (issuer '{current.issuer}')")
        if issuer == current:
            return
        current = issuer
    raise NotAuthentic(f"the chain of {_who(certificate)} leads to no root")


def _load(octets: bytes) -> x509.Certificate:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what the library only warns of (a serial number below 1) is refused here
        certificate = x509.load_der_x509_certificate(octets)
    if certificate.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise BadCertificate("a certificate here is signed by ECDSA with SHA-256, this one names another algorithm")
    if octets[-len(certificate.signature) - 1]:  # the library reads over this one
        raise BadCertificate("the signature of a certificate is a BIT STRING of whole octets")
    return certificate


def _who(certificate: Certificate) -> str:
    return f"key {certificate.ski.hex()}" if certificate.eui is None else certificate.eui.hex("-").upper()


def signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether ``issuer`` signed ``certificate`` and is named in it; times are another matter."""
    parsed = _load(certificate.octets)
    try:
        load_public(issuer.public).verify(parsed.signature, parsed.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return parsed.issuer == _load(issuer.octets).subject


def _subject(certificate: x509.Certificate) -> tuple[int | None, bytes | None]:
    """The role and EUI-64 of an organisation's subject; an empty subject is a device's."""
    units = certificate.subject.get_attributes_for_oid(_ROLE)
    identifiers = certificate.subject.get_attributes_for_oid(_UNIQUE_IDENTIFIER)
    if not units and not identifiers:
        return None, None
    if len(units) != 1 or len(identifiers) > 1:
        raise BadCertificate("an organisation's subject has one OU with its role and at most one unique identifier")
    text = units[0].value
    if not isinstance(text, str) or len(text) != 2:
        raise BadCertificate(f"the OU of an organisation is its role in two hexadecimal digits, got {text!r}")
    role = int(text, 16)
    if not identifiers:
        return role, None
    identifier = bytes(identifiers[0].value)  # type: ignore[arg-type]
    if len(identifier) != 9 or identifier[0] != 0:  # the first octet of a BIT STRING: unused bits
        raise BadCertificate("the unique identifier of an organisation is an EUI-64 of 64 bits")
    return role, identifier[1:]


def hardware_module(names: x509.SubjectAlternativeName) -> bytes:
    """The EUI-64 in a hardwareModuleName: SEQUENCE { hwType OID, hwSerialNum OCTET STRING(8) }.

    Raises :class:`BadCertificate` or ``DecodeError``.
    """
    others = names.get_values_for_type(x509.OtherName)
    if len(others) != 1 or others[0].type_id != HARDWARE_MODULE_NAME:
        raise BadCertificate("a device's subjectAltName is one hardwareModuleName")
    name = asn1.decode(others[0].value)
    if name.tag != asn1.Tag.SEQUENCE or len(name.children) != 2:
        raise BadCertificate("a hardwareModuleName is a type and a serial number")
    asn1.to_oid(name.children[0])
    return asn1.to_octet_string(name.children[1], 8)


def usage_of(usage: x509.KeyUsage) -> Usage:
    """The one thing that a key is for.  Raises :class:`BadKeyUsage`."""
    if usage.key_cert_sign:
        return Usage.KEY_CERT_SIGN
    if usage.digital_signature != usage.key_agreement:
        return Usage.DIGITAL_SIGNATURE if usage.digital_signature else Usage.KEY_AGREEMENT
    raise BadKeyUsage("keyUsage of a device or organisation is exactly one of digitalSignature and keyAgreement")


def _authority_key_identifier(extensions: x509.Extensions) -> bytes | None:
    try:
        return extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None
