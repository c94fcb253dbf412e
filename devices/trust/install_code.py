"""Install codes: check octets, and the link key that a code stands for (facts/radio.md 11.3 [verified]).

Must not live here: who admits which device (``machines``), radio frames (``wire``).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from devices.trust.errors import BadInstallCode

__all__ = ["check_octets", "checked_install_code", "hashed_link_key", "install_code_key", "with_check_octets"]

LENGTHS = (6, 8, 12, 16)
"""How many octets an install code may have, check octets apart."""


def check_octets(code: bytes) -> bytes:
    """CRC-16/X-25 of a code, little-endian."""
    crc = 0xFFFF
    for octet in code:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return (crc ^ 0xFFFF).to_bytes(2, "little")


def with_check_octets(code: bytes) -> bytes:
    """A code as it is printed: followed by its check octets.  Raises :class:`BadInstallCode`."""
    if len(code) not in LENGTHS:
        raise BadInstallCode(f"an install code has 6, 8, 12 or 16 octets without its check octets, got {len(code)}")
    return code + check_octets(code)


def checked_install_code(printed: bytes) -> bytes:
    """The code printed on a device, once its check octets are found right.  Raises :class:`BadInstallCode`."""
    expected = with_check_octets(printed[:-2])
    if printed != expected:
        raise BadInstallCode(
            f"the check octets of the install code should be {expected[-2:].hex().upper()}, "
            f"got {printed[-2:].hex().upper()}; read the code off the device again"
        )
    return printed[:-2]


def install_code_key(code: bytes) -> bytes:
    """The 16-octet preconfigured link key of a ``code`` (without check octets): AES-MMO of code and check octets."""
    return _mmo(with_check_octets(code))


def hashed_link_key(key: bytes) -> bytes:
    """The hash of a 16-octet trust-centre link key that device logs carry: AES-MMO of the key [recalled]."""
    return _mmo(key)


def _mmo(message: bytes) -> bytes:
    padded = message + b"\x80"
    padded += bytes(-(len(padded) + 2) % 16) + (8 * len(message)).to_bytes(2, "big")
    digest = bytes(16)
    for start in range(0, len(padded), 16):
        block = padded[start : start + 16]
        # Matyas-Meyer-Oseas is defined on the bare block cipher: one block, no mode to speak of.
        encryptor = Cipher(algorithms.AES(digest), modes.ECB()).encryptor()
        digest = bytes(a ^ b for a, b in zip(encryptor.update(block), block, strict=True))
    return digest
