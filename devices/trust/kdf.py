"""Key derivation: from the secret that two parties share to the key of one message (facts/gbcs.md 2.2).

Must not live here: how the secret Z is agreed (``keystore``), what the key is used for (``protection``, ``utrn_mac``).
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import sha256

from devices.trust.errors import TrustError

__all__ = ["Purpose", "derive"]

_COUNTER = bytes.fromhex("00000001")
_AES_GCM_128 = bytes.fromhex("60857406080300")  # AlgorithmID of the key that comes out


class Purpose(IntEnum):
    """The octet X of OtherInfo.  1 to 3 are the CRA flag of the message that the MAC protects."""

    COMMAND = 1
    RESPONSE = 2
    ALERT = 3
    ENCRYPTION = 4


def derive(z: bytes, originator: bytes, cra: int, counter: int, recipient: bytes) -> bytes:
    """The 16-octet AES key of one message, facts/gbcs.md 2.2 [verified by running].

    ``z`` is the 32-octet shared secret.  ``originator``, ``counter`` and ``recipient`` come from the grouping header,
    whoever owns the keys behind ``z``; ``cra`` is 1 to 3, or :attr:`Purpose.ENCRYPTION`.
    Raises :class:`TrustError` where a part has the wrong length.
    """
    try:
        info = b"%b%b\x09%c%b%b" % (_AES_GCM_128, originator, cra, counter.to_bytes(8, "big"), recipient)
    except OverflowError:
        raise TrustError(f"key derivation needs a counter of 64 bits and a CRA flag of one octet, got {counter}, {cra}")
    if len(info) != 33 or len(z) != 32:
        raise TrustError(
            "key derivation needs a secret of 32 octets and two EUI-64 of 8 octets, "
            f"got {len(z)}, {len(originator)} and {len(recipient)}"
        )
    return sha256(_COUNTER + z + info).digest()[:16]
