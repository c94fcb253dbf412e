"""The MAC inside a prepayment token (UTRN), facts/gbcs.md 7 [verified by running].

Must not live here: the digits of a token, its check digit, its fields (``wire.utrn``).
"""

from __future__ import annotations

from hmac import compare_digest

from devices.trust.errors import TrustError
from devices.trust.kdf import Purpose, derive
from devices.trust.protection import gmac

__all__ = ["utrn_mac", "utrn_mac_valid"]

_PREFIX = bytes.fromhex("110000000000")


def utrn_mac(z: bytes, supplier: bytes, device: bytes, counter: int, high_word: int) -> bytes:
    """The PTUT Supplier MAC: the last 4 octets of the full tag.

    ``z`` is the secret of the supplier's prepayment top-up key and the device's key agreement key; ``counter`` all 64
    bits of the originator counter; ``high_word`` bits 63..32 of the PTUT (truncated counter, value class and value).
    """
    if not 0 <= high_word < 1 << 32:
        raise TrustError(f"the high word of a PTUT has 32 bits, got {high_word:#x}")
    key = derive(z, supplier, Purpose.COMMAND, counter, device)
    data = b"%b%b%b\x01%b%b" % (_PREFIX, supplier, device, counter.to_bytes(8, "big"), high_word.to_bytes(4, "big"))
    return gmac(key, supplier, data)[-4:]


def utrn_mac_valid(z: bytes, supplier: bytes, device: bytes, counter: int, ptut: int) -> bool:
    """Whether the low word of the 64-bit ``ptut`` is the MAC of its high word."""
    return compare_digest((ptut & 0xFFFFFFFF).to_bytes(4, "big"), utrn_mac(z, supplier, device, counter, ptut >> 32))
