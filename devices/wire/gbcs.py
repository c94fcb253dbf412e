"""The GBCS envelope: MAC header, grouping header, signature field and MAC, octets to :class:`Message` and back.

The payload stays octets here (``payload.py`` reads it), and so does a certificate in the other-information.  Large
messages in blocks are ``gbt.py``.  Nothing here knows keys: what is signed and what is MACed is handed out by
:func:`to_be_signed` and :func:`grouping`.

Layout: facts/gbcs.md 1.1 to 1.4 (verified over the whole published reference data).  Decoding is strict: each length
must be in its shortest form and no octet may be left over, so that what was decoded encodes to the same octets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from struct import Struct, error

from devices.wire.errors import CutShort, DecodeError, EncodeError

__all__ = [
    "CRA",
    "MAC_SIZE",
    "SIGNATURE_SIZE",
    "Message",
    "decode",
    "encode",
    "extent",
    "grouping",
    "is_precommand",
    "length_octets",
    "read_length",
    "received",
    "to_be_signed",
]

MAC_SIZE = 12
SIGNATURE_SIZE = 64

_LAYER = "gbcs"
_MAC_HEADER = bytes.fromhex("dd000000000000")  # general-ciphering, six empty fields
_SECURITY = bytes.fromhex("1100000000")  # security control, invocation counter 0
_LARGEST = 0xFFFF  # lengths have at most the form 82 nnnn

# DF | 09 CRA counter | 08 originator | 08 recipient | length of date-time | what follows it, read as if the date-time
# were empty: length of other-information, message code
_GROUPING = Struct(">BBBQB8sB8sBBH")
_TO_DATE_TIME = 29  # octets of the grouping header before the length of the date-time
_SUPPLEMENT = Struct(">8sQ")


class CRA(IntEnum):
    """What a message is: the first octet of its transaction identifier."""

    COMMAND = 1
    RESPONSE = 2
    ALERT = 3


@dataclass(frozen=True, slots=True)
class Message:
    """One GBCS message.

    ``originator``, ``recipient`` and ``supplementary_party`` are EUI-64s of 8 octets, most significant first.
    ``date_time`` is empty or a COSEM date-time of 12 octets.  ``certificate`` is the DER of an unknown party's key
    agreement certificate.  ``signature`` is 64 octets (r, s), ``b""`` for a field that is there and empty, or None
    where the field itself is absent (a pre-command).  ``mac`` is 12 octets, or None for a message without MAC header.

    Nothing is checked here; :func:`encode` raises ``EncodeError`` for values that no octets can carry.
    """

    cra: int
    counter: int
    originator: bytes
    recipient: bytes
    message_code: int
    payload: bytes
    date_time: bytes = b""
    supplementary_party: bytes | None = None
    supplementary_counter: int | None = None
    supplementary_originator_counter: int | None = None
    certificate: bytes | None = None
    signature: bytes | None = b""
    mac: bytes | None = None

    def _replace(self, **changes: object) -> Message:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def is_precommand(message: Message) -> bool:
    """Whether a message is a pre-command: a command that nobody has signed or MACed yet, without a signature field or,
    as current DUIS has it, with an empty one."""
    return message.signature is None or (message.cra == CRA.COMMAND and not message.signature and message.mac is None)


# ------------------------------------------------------------------------------------------------------------- decoding


def decode(octets: bytes) -> Message:
    """Read one whole message, from ``DD`` or ``DF`` to its last octet.

    Raises ``DecodeError`` for anything else: other outer forms (GBT blocks too), a length in a longer form than needed,
    octets left over.
    """
    try:
        if octets[0] == 0xDD:
            return _decode_maced(octets)
        return _decode_grouping(octets, 0, len(octets), None)
    except (IndexError, error):
        raise DecodeError(_LAYER, len(octets), "the message ends inside its header") from None


def _decode_maced(octets: bytes) -> Message:
    if octets[:7] != _MAC_HEADER:
        if octets[1] == 9:
            raise DecodeError(_LAYER, 1, "this is a block of a large message (GBT), to be reassembled first")
        raise DecodeError(_LAYER, 1, f"MAC header starts {octets[:7].hex()}, expected {_MAC_HEADER.hex()}")
    length, position = read_length(octets, 7)
    end = position + length
    if end != len(octets):
        raise DecodeError(_LAYER, 7, f"MAC header announces {length} octets, {len(octets) - position} follow")
    if octets[position : position + 5] != _SECURITY:
        raise DecodeError(_LAYER, position, f"security header is not {_SECURITY.hex()}")
    end -= MAC_SIZE
    return _decode_grouping(octets, position + 5, end, octets[end:])


def _decode_grouping(octets: bytes, start: int, end: int, mac: bytes | None) -> Message:
    """Read G, which runs from ``start`` to ``end``."""
    fields = _GROUPING.unpack_from(octets, start)
    tag, nine, cra, counter, eight, originator, also_eight, recipient, dated, length, code = fields
    if tag != 0xDF or nine != 9 or eight != 8 or also_eight != 8 or not 1 <= cra <= 3:
        raise _bad_grouping(start, tag, nine, cra, eight, also_eight)
    party = supplementary_counter = originator_counter = certificate = None
    date_time = b""
    position = start + 33
    if dated or length != 2:
        position = start + _TO_DATE_TIME + 1 + dated
        if dated:
            if dated != 12:
                raise DecodeError(_LAYER, start + _TO_DATE_TIME, f"date-time of {dated} octets, expected 0 or 12")
            date_time = octets[position - 12 : position]
        length, position = read_length(octets, position)
        code = octets[position] << 8 | octets[position + 1]
        if length != 2:
            party, supplementary_counter, originator_counter, certificate = _read_supplement(octets, position, length)
        position += length
    size = octets[position]
    if size < 0x80:
        position += 1
    else:
        size, position = read_length(octets, position)
    after = position + size
    if after == end and mac is None:
        signature = None
    elif after < end and octets[after] == 0 and after + 1 == end:
        signature = b""
    elif after < end and octets[after] == SIGNATURE_SIZE and after + 1 + SIGNATURE_SIZE == end:
        signature = octets[after + 1 : end]
    else:
        raise DecodeError(_LAYER, min(after, end), f"{end - after} octets after the payload are no signature field")
    return Message(
        cra,
        counter,
        originator,
        recipient,
        code,
        octets[position:after],
        date_time,
        party,
        supplementary_counter,
        originator_counter,
        certificate,
        signature,
        mac,
    )


def _bad_grouping(start: int, tag: int, nine: int, cra: int, eight: int, also_eight: int) -> DecodeError:
    for offset, got, expected, name in (
        (0, tag, 0xDF, "general-signing tag"),
        (1, nine, 9, "length of the transaction identifier"),
        (11, eight, 8, "length of the originator"),
        (20, also_eight, 8, "length of the recipient"),
    ):
        if got != expected:
            return DecodeError(_LAYER, start + offset, f"{name} is {got:02x}, expected {expected:02x}")
    return DecodeError(_LAYER, start + 2, f"CRA flag {cra} is none of 1 command, 2 response, 3 alert")


def _read_supplement(octets: bytes, position: int, length: int) -> tuple[bytes, int | None, int | None, bytes | None]:
    """Read what follows the message code in an other-information of ``length`` octets (facts/gbcs.md 1.3)."""
    end = position + length
    if end > len(octets):
        raise DecodeError(_LAYER, position, f"other-information of {length} octets runs past the end")
    if length == 10:
        return octets[position + 2 : end], None, None, None
    if length < 18 or 18 < length < 26:
        raise DecodeError(_LAYER, position, f"other-information of {length} octets, expected 2, 10, 18, 26 or more")
    party, counter = _SUPPLEMENT.unpack_from(octets, position + 2)
    if length == 18:
        return party, counter, None, None
    if length == 26:
        return party, counter, int.from_bytes(octets[position + 18 : end], "big"), None
    return party, counter, None, octets[position + 18 : end]


def extent(octets: bytes, start: int = 0) -> int:
    """Where the message that begins at ``start`` ends by its own lengths; what follows is no part of it.

    Without a MAC header nothing says whether a signature field follows the payload: one is taken where it fits.
    Raises ``CutShort`` where the octets end before the message does, ``DecodeError`` where no message begins.
    """
    try:
        if octets[start] == 0xDD:
            if octets[start : start + 7] != _MAC_HEADER:
                raise DecodeError(_LAYER, start + 1, f"MAC header is not {_MAC_HEADER.hex()}")
            length, end = read_length(octets, start + 7)
            return _within(octets, start, end + length, f"MAC header announces {length} octets")
        fields = _GROUPING.unpack_from(octets, start)
        tag, nine, cra, _, eight, _, also_eight, _, dated, _, _ = fields
        if tag != 0xDF or nine != 9 or eight != 8 or also_eight != 8 or not 1 <= cra <= 3:
            raise _bad_grouping(start, tag, nine, cra, eight, also_eight)
        length, position = read_length(octets, start + _TO_DATE_TIME + 1 + dated)
        length, position = read_length(octets, position + length)
        after = _within(octets, start, position + length, f"a payload of {length} octets is announced")
        return _after_signature(octets, start, after, cra)
    except (IndexError, error):
        needed = max(len(octets) - start + 1, _GROUPING.size)
        raise CutShort(_LAYER, len(octets) - start, "the message ends inside its header", needed) from None


def _within(octets: bytes, start: int, end: int, announced: str) -> int:
    if end <= len(octets):
        return end
    missing = end - len(octets)
    reason = f"{announced}, the last {missing} of the message {'is' if missing == 1 else 'are'} missing"
    raise CutShort(_LAYER, len(octets) - start, reason, end - start)


def _after_signature(octets: bytes, start: int, after: int, cra: int) -> int:
    """The end of a message without MAC header whose payload ends at ``after``."""
    if after < len(octets):
        if octets[after] == 0:
            return after + 1
        if octets[after] == SIGNATURE_SIZE:
            return _within(octets, start, after + 1 + SIGNATURE_SIZE, "a signature of 64 octets is announced")
    if cra != CRA.COMMAND:
        if after == len(octets):
            raise CutShort(_LAYER, after - start, "the message ends before its signature field", after + 1 - start)
        raise DecodeError(_LAYER, after - start, f"{octets[after]:02x} after the payload is no signature field")
    return after


def read_length(octets: bytes, position: int) -> tuple[int, int]:
    """Read a length: one octet below 80, else 81 nn, else 82 nnnn; each only where it is the shortest.

    Returns it and the position after it; raises ``IndexError`` where the octets end too early.
    """
    first = octets[position]
    if first < 0x80:
        return first, position + 1
    if first == 0x81:
        length = octets[position + 1]
        if length >= 0x80:
            return length, position + 2
    elif first == 0x82:
        length = octets[position + 1] << 8 | octets[position + 2]
        if length >= 0x100:
            return length, position + 3
    else:
        raise DecodeError(_LAYER, position, f"length form {first:02x}, expected below 80, 81 or 82")
    raise DecodeError(_LAYER, position, f"length {length} in a longer form than it needs")


# ------------------------------------------------------------------------------------------------------------- encoding


def encode(message: Message) -> bytes:
    """The octets of a message.  Raises ``EncodeError`` for values that no octets can carry."""
    body = grouping(message)
    if message.mac is None:
        return body
    if message.signature is None:
        raise EncodeError(_LAYER, "a message with a MAC needs a signature field; give signature=b'' for an empty one")
    if len(message.mac) != MAC_SIZE:
        raise EncodeError(_LAYER, f"MAC of {len(message.mac)} octets, expected {MAC_SIZE}")
    length = length_octets(len(_SECURITY) + len(body) + MAC_SIZE, "message")
    return b"".join((_MAC_HEADER, length, _SECURITY, body, message.mac))


def grouping(message: Message) -> bytes:
    """G: everything from ``DF`` to the end of the signature field, over which the MAC is made (facts/gbcs.md 2.3)."""
    signature = message.signature
    if signature is None:
        field = b""
    elif len(signature) in (0, SIGNATURE_SIZE):
        field = bytes((len(signature),)) + signature
    else:
        raise EncodeError(_LAYER, f"signature of {len(signature)} octets, expected {SIGNATURE_SIZE} or none")
    return b"".join((b"\xdf", to_be_signed(message), field))


def received(octets: bytes) -> bytes:
    """G as it stands in the octets of a whole message that :func:`decode` took: :func:`grouping` without the work."""
    if octets[0] != 0xDD:
        return octets
    first = octets[7]
    return octets[13 if first < 0x80 else 14 if first == 0x81 else 15 : -MAC_SIZE]


def to_be_signed(message: Message) -> bytes:
    """What the signature covers: everything after ``DF`` to the end of the payload (facts/gbcs.md 2.4)."""
    if message.cra not in (1, 2, 3):
        raise EncodeError(_LAYER, f"CRA flag {message.cra} is none of 1 command, 2 response, 3 alert")
    if len(message.date_time) not in (0, 12):
        raise EncodeError(_LAYER, f"date-time of {len(message.date_time)} octets, expected 0 or 12")
    information = _other_information(message)
    return b"".join(
        (
            bytes((9, message.cra)),
            _unsigned(message.counter, 8, "originator counter"),
            b"\x08",
            _eui(message.originator, "originator"),
            b"\x08",
            _eui(message.recipient, "recipient"),
            bytes((len(message.date_time),)),
            message.date_time,
            length_octets(len(information), "other-information"),
            information,
            length_octets(len(message.payload), "payload"),
            message.payload,
        )
    )


def _other_information(message: Message) -> bytes:
    party, counter = message.supplementary_party, message.supplementary_counter
    originator_counter, certificate = message.supplementary_originator_counter, message.certificate
    tail = b""
    if originator_counter is not None:
        tail = _unsigned(originator_counter, 8, "supplementary originator counter")
    if certificate is not None:
        if tail or len(certificate) <= 8:
            raise EncodeError(_LAYER, "a certificate has more than 8 octets, and no originator counter beside it")
        tail = certificate
    information = _unsigned(message.message_code, 2, "message code")
    if party is not None:
        information += _eui(party, "supplementary party")
    elif counter is not None or tail:
        raise EncodeError(_LAYER, "supplementary counters and a certificate need a supplementary party")
    if counter is not None:
        information += _unsigned(counter, 8, "supplementary counter")
    elif tail:
        raise EncodeError(_LAYER, "a supplementary originator counter or certificate needs a supplementary counter")
    return information + tail


def _eui(eui: bytes, name: str) -> bytes:
    if len(eui) != 8:
        raise EncodeError(_LAYER, f"{name} of {len(eui)} octets, expected 8")
    return eui


def _unsigned(value: int, size: int, name: str) -> bytes:
    try:
        return value.to_bytes(size, "big")
    except OverflowError:
        raise EncodeError(_LAYER, f"{name} {value} does not fit {size} octets") from None


def length_octets(length: int, name: str) -> bytes:
    """A length in its shortest form; ``name`` is whose length it is, for the ``EncodeError`` where it is too large."""
    if length < 0x80:
        return bytes((length,))
    if length < 0x100:
        return bytes((0x81, length))
    if length <= _LARGEST:
        return bytes((0x82, length >> 8, length & 0xFF))
    raise EncodeError(_LAYER, f"{name} of {length} octets, at most {_LARGEST}")
