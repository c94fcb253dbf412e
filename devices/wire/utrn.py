"""The prepayment token (UTRN): its 20 digits, its fields and its check digit.

The MAC inside is made and judged in ``trust``; here it is four octets.  Which counters a device accepts, and how it
finds all 64 bits of the one that a token was made with, does not live here either.

Source: facts/gbcs.md 7 (five published tokens reproduced).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from devices.wire.errors import DecodeError, EncodeError

__all__ = ["DIGITS", "Ptut", "ValueClass", "check_digit", "decode", "encode", "truncated"]

DIGITS = 20

_LAYER = "utrn"
_OFFSET = 7_394_156_990_786_306_048  # added to the PTUT, so that no token looks like one of the STS token space
_COUNTER_BITS, _CLASS_BITS, _VALUE_BITS = 10, 2, 13
_PTUT_BITS = _COUNTER_BITS + _CLASS_BITS + _VALUE_BITS + 32  # the seven bits above are zero

# The check digit is Verhoeff's, with an inverse of its own.
_PERMUTATIONS = tuple(
    tuple(map(int, row))
    for row in (
        "0123456789",
        "1576283094",
        "5803796142",
        "8916043527",
        "9453126870",
        "4286573901",
        "2793806415",
        "7046913258",
    )
)
_FIRST_PERMUTATION = 4
_RESULT = (1, 2, 6, 7, 5, 8, 3, 0, 9, 4)


class ValueClass(IntEnum):
    """The unit of the value; 2 and 3 are not given out."""

    HUNDREDTHS = 0  # pence
    WHOLE = 1  # pounds


@dataclass(frozen=True, slots=True)
class Ptut:
    """The 64-bit token before it becomes digits.

    ``truncated_counter`` is bits 41 to 32 of the originator counter, ``value`` 0 to 8191 in the unit of
    ``value_class``, ``mac`` four octets.
    """

    truncated_counter: int
    value_class: int
    value: int
    mac: bytes

    @property
    def high_word(self) -> int:
        """Bits 63 to 32, over which the MAC is made.  Raises ``EncodeError`` for a field that does not fit."""
        for name, number, bits in (
            ("truncated counter", self.truncated_counter, _COUNTER_BITS),
            ("value class", self.value_class, _CLASS_BITS),
            ("value", self.value, _VALUE_BITS),
        ):
            if not 0 <= number < 1 << bits:
                raise EncodeError(_LAYER, f"{name} {number} does not fit {bits} bits")
        return (self.truncated_counter << _CLASS_BITS | self.value_class) << _VALUE_BITS | self.value

    @property
    def number(self) -> int:
        """All 64 bits.  Raises ``EncodeError`` for a field that does not fit."""
        if len(self.mac) != 4:
            raise EncodeError(_LAYER, f"MAC of {len(self.mac)} octets, expected 4")
        return self.high_word << 32 | int.from_bytes(self.mac, "big")


def truncated(counter: int) -> int:
    """The ten bits of a 64-bit originator counter that a token carries.

    Raises ``EncodeError`` for a counter that no token can be made with: its low 32 bits must be zero.
    """
    if not 0 <= counter < 1 << 64 or counter & 0xFFFFFFFF:
        raise EncodeError(_LAYER, f"originator counter {counter:#x} of a top up must have low 32 bits of zero")
    return counter >> 32 & (1 << _COUNTER_BITS) - 1


def encode(ptut: Ptut) -> str:
    """The 20 digits of a token.  Raises ``EncodeError`` for a field that does not fit."""
    digits = str(ptut.number + _OFFSET)
    return f"{digits}{check_digit(digits)}"


def decode(text: str) -> Ptut:
    """Read the 20 digits of a token; raises ``DecodeError`` for a wrong check digit and for anything that is no token.

    The MAC is not judged.
    """
    if len(text) != DIGITS or not (text.isascii() and text.isdigit()):
        raise DecodeError(_LAYER, 0, f"{text[: DIGITS + 1]!r} is not {DIGITS} digits")
    digits, last = text[:-1], int(text[-1])
    if check_digit(digits) != last:
        raise DecodeError(_LAYER, DIGITS - 1, f"check digit {last}, expected {check_digit(digits)}")
    number = int(digits) - _OFFSET
    if not 0 <= number < 1 << _PTUT_BITS:
        raise DecodeError(_LAYER, 0, "the digits lie outside the space of these tokens, 73... to 75...")
    high = number >> 32
    return Ptut(
        high >> _CLASS_BITS + _VALUE_BITS,
        high >> _VALUE_BITS & (1 << _CLASS_BITS) - 1,
        high & (1 << _VALUE_BITS) - 1,
        (number & 0xFFFFFFFF).to_bytes(4, "big"),
    )


def check_digit(digits: str) -> int:
    """The check digit of the 19 digits before it."""
    sum_so_far = 0
    for position, digit in enumerate(digits, _FIRST_PERMUTATION):
        sum_so_far = _dihedral(sum_so_far, _PERMUTATIONS[position % 8][int(digit)])
    return _RESULT[sum_so_far]


def _dihedral(left: int, right: int) -> int:
    """The product in the group of a pentagon's symmetries: 0 to 4 are its turns, 5 to 9 its reflections."""
    turn = left + right if left < 5 else left - right
    return turn % 5 + (0 if (left < 5) == (right < 5) else 5)
