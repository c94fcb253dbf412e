"""Certification requests (PKCS#10) of devices: made with a key that only its store knows, and read by an authority.

A request has version 0, an empty subject and two critical extensions: the one key usage and the hardwareModuleName with
the EUI-64; the new key signs it (facts/gbcs.md 9.6 [the published request has this form, octet for octet]).

Must not live here: the key itself (``keystore``), what an authority makes of a request (``authority``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import SignatureAlgorithmOID

from devices.trust.certificates import Usage, hardware_module, usage_of
from devices.trust.errors import BadCertificate, BadRequest
from devices.wire import asn1
from devices.wire.asn1 import Node, Tag
from devices.wire.errors import WireError

__all__ = ["HARDWARE_TYPE", "Request", "make", "parse"]

HARDWARE_TYPE = "1.2.826.0.1.8641679.1.2.2.1"
"""The hwType of the published request and device certificates."""

_EC_PUBLIC_KEY, _P256, _ECDSA_SHA256 = "1.2.840.10045.2.1", "1.2.840.10045.3.1.7", "1.2.840.10045.4.3.2"
_EXTENSION_REQUEST, _KEY_USAGE, _ALTERNATIVE_NAME = "1.2.840.113549.1.9.14", "2.5.29.15", "2.5.29.17"
_HARDWARE_MODULE_NAME = "1.3.6.1.5.5.7.8.4"
_CONTEXT_0 = 0xA0
_SET, _BOOLEAN = 0x31, 0x01
_USAGE_BITS = {Usage.DIGITAL_SIGNATURE: (b"\x80", 7), Usage.KEY_AGREEMENT: (b"\x08", 3)}

# Everything that the library raises for octets that are no request, or one that it can't read.
_RUBBISH = (ValueError, TypeError, Warning, UnsupportedAlgorithm, x509.ExtensionNotFound, x509.InvalidVersion)


@dataclass(frozen=True, slots=True)
class Request:
    """What a certification request asks for: a certificate of ``public`` (65 octets) for the device ``eui``."""

    octets: bytes
    public: bytes
    eui: bytes
    usage: Usage


def make(
    eui: bytes, usage: Usage, public: bytes, sign: Callable[[bytes], bytes], hardware_type: str = HARDWARE_TYPE
) -> bytes:
    """The DER request for ``public``; ``sign`` gives raw ``r || s`` (64 octets) by the private key that goes with it.

    Raises :class:`BadRequest` for an EUI-64, a point or a usage that none is made for, and what ``sign`` raises.
    """
    if len(eui) != 8 or len(public) != 65 or usage not in _USAGE_BITS:
        raise BadRequest(
            "a request is for an EUI-64 of 8 octets, a point of 65 and digitalSignature or keyAgreement, "
            f"got {len(eui)}, {len(public)} and {usage.name}"
        )
    algorithm = asn1.sequence(asn1.oid(_EC_PUBLIC_KEY), asn1.oid(_P256))
    wanted = asn1.sequence(_usage_extension(usage), _name_extension(eui, hardware_type))
    attribute = asn1.sequence(asn1.oid(_EXTENSION_REQUEST), Node(_SET, b"", (wanted,)))
    subject = asn1.sequence()
    key = asn1.sequence(algorithm, asn1.bit_string(public))
    information = asn1.sequence(asn1.integer(0), subject, key, Node(_CONTEXT_0, b"", (attribute,)))
    signature = sign(asn1.encode(information))
    r, s = (asn1.integer(int.from_bytes(half, "big")) for half in (signature[:32], signature[32:]))
    signed = asn1.bit_string(asn1.encode(asn1.sequence(r, s)))
    return asn1.encode(asn1.sequence(information, asn1.sequence(asn1.oid(_ECDSA_SHA256)), signed))


def parse(octets: bytes) -> Request:
    """Read one DER request and verify its signature.  Raises :class:`BadRequest`, whatever it is given."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            request = x509.load_der_x509_csr(octets)
        key = request.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise BadRequest("a request here is for a P-256 key, this one is for another kind")
        if request.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
            raise BadRequest("a request here is signed by ECDSA with SHA-256, this one names another algorithm")
        if not request.is_signature_valid:
            raise BadRequest("the request is not signed by the key that it is for")
        if len(request.subject):
            raise BadRequest("the subject of a device's request is empty")
        extensions = request.extensions
        return Request(
            octets=bytes(octets),
            public=key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
            eui=hardware_module(extensions.get_extension_for_class(x509.SubjectAlternativeName).value),
            usage=usage_of(extensions.get_extension_for_class(x509.KeyUsage).value),
        )
    except (*_RUBBISH, WireError) as fault:
        raise BadRequest(f"these {len(octets)} octets are no certification request: {fault or type(fault).__name__}")
    except BadCertificate as fault:
        raise BadRequest(fault.reason)


def _usage_extension(usage: Usage) -> Node:
    return _extension(_KEY_USAGE, asn1.bit_string(*_USAGE_BITS[usage]))


def _name_extension(eui: bytes, hardware_type: str) -> Node:
    module = asn1.sequence(asn1.oid(hardware_type), asn1.octet_string(eui))
    other = Node(_CONTEXT_0, b"", (asn1.oid(_HARDWARE_MODULE_NAME), Node(_CONTEXT_0, b"", (module,))))
    return _extension(_ALTERNATIVE_NAME, asn1.sequence(other))


def _extension(identifier: str, value: Node) -> Node:
    """A critical extension."""
    return Node(
        Tag.SEQUENCE,
        b"",
        (asn1.oid(identifier), Node(_BOOLEAN, b"\xff"), asn1.octet_string(asn1.encode(value))),
    )
