"""The errors of the trust room.

    TrustError(Exception)
    ├── KeyMissing        the key store holds no key of that name
    ├── BadKey            what should be a key is none, or two forms of one key disagree
    ├── BadCertificate    octets that are no certificate of a device or an organisation
    │   └── BadKeyUsage   a certificate whose key is not for exactly one thing
    ├── BadRequest        octets that are no certification request of a device
    ├── BadInstallCode    an install code of the wrong length, or whose check octets are wrong
    └── NotAuthentic      a signature, a MAC, a tag or a chain that does not verify

No message of these errors ever contains key octets.
"""

from __future__ import annotations

__all__ = [
    "BadCertificate",
    "BadInstallCode",
    "BadKey",
    "BadKeyUsage",
    "BadRequest",
    "KeyMissing",
    "NotAuthentic",
    "TrustError",
]


class TrustError(Exception):
    """Base of everything that this room raises.  ``reason`` is one sentence for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyMissing(TrustError):
    """The key store holds no key of that name; ``name`` is what was asked for, ``part`` says private or public."""

    def __init__(self, name: str, part: str) -> None:
        super().__init__(f"no {part} key is known under '{name}'; add it to the key store or name another one")
        self.name, self.part = name, part


class BadKey(TrustError):
    """A scalar outside the curve's order, a point off the curve, or a public key that is not the private one's."""


class BadCertificate(TrustError):
    """Octets that are no certificate of the forms in facts/gbcs.md 9.1 and 9.2."""


class BadKeyUsage(BadCertificate):
    """A certificate that is well formed but for its keyUsage: of a device or an organisation it is exactly one."""


class BadRequest(TrustError):
    """Octets that are no certification request of the form in facts/gbcs.md 9.6, or one that can't be made."""


class BadInstallCode(TrustError):
    """An install code of the wrong length, or with wrong check octets."""


class NotAuthentic(TrustError):
    """A signature, a MAC, a tag or a certificate chain that does not verify."""
