"""EUI-64 identifiers as people write them, and the 8 octets (most significant first) that all codecs use.

Must not live here: what an EUI-64 stands for.
"""

from __future__ import annotations

import re

from devices.wire.errors import DecodeError, EncodeError

__all__ = ["SIZE", "decimal", "parse", "text"]

SIZE = 8

_LAYER = "eui64"
_HEX = re.compile(r"[0-9A-Fa-f]{16}|[0-9A-Fa-f]{2}(?:(?:-[0-9A-Fa-f]{2}){7}|(?::[0-9A-Fa-f]{2}){7})", re.ASCII)
# The maker's part as a decimal number: 40 bits need 13 digits.
_DECIMAL = re.compile(r"([0-9A-Fa-f]{2})-([0-9A-Fa-f]{2})-([0-9A-Fa-f]{2})-([0-9]{13})", re.ASCII)


def parse(text: str) -> bytes:
    """Read an EUI-64 written as 16 hexadecimal digits, as pairs joined by hyphens or colons, or in the decimal form.

    The decimal form is three hexadecimal pairs (the OUI) and the other five octets as a number of 13 digits:
    ``00-23-7E-0000001234567`` is ``00-23-7E-00-00-12-D6-87``.  Returns 8 octets, most significant first; raises
    ``DecodeError`` for any other text.
    """
    stripped = text.strip()
    if _HEX.fullmatch(stripped):
        return bytes.fromhex(stripped.replace("-", "").replace(":", ""))
    if match := _DECIMAL.fullmatch(stripped):
        number = int(match[4])
        if number >= 1 << 40:
            raise DecodeError(_LAYER, 9, f"{match[4]} does not fit the 40 bits of the maker's part")
        return bytes.fromhex(match[1] + match[2] + match[3]) + number.to_bytes(5, "big")
    raise DecodeError(_LAYER, 0, f"{text!r} is no EUI-64; write it like 00-DB-12-34-56-78-90-A0")


def text(eui: bytes) -> str:
    """The printed form: eight hexadecimal pairs joined by hyphens, upper case.

    Raises ``EncodeError`` if not 8 octets.
    """
    return _checked(eui).hex("-").upper()


def decimal(eui: bytes) -> str:
    """The hyphenated decimal form, e.g. ``00-23-7E-0000001234567``.  Raises ``EncodeError`` if not 8 octets."""
    _checked(eui)
    return f"{eui[:3].hex('-').upper()}-{int.from_bytes(eui[3:], 'big'):013d}"


def _checked(eui: bytes) -> bytes:
    if len(eui) != SIZE:
        raise EncodeError(_LAYER, f"{len(eui)} octets, expected {SIZE}")
    return eui
