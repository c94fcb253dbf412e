"""GBT: large messages in blocks, each with a routing header of its own (general-block-transfer).

Nothing here retries, acknowledges or keeps time: when a transfer is given up is for the machine to say
(:meth:`Reassembler.forget`).

Layout: facts/gbcs.md 1.5 and the table of its section 11, rows 11 and 12.  No published message is a block: the layout
rests on two readers, of which Wireshark's reassembled what this layout gave.  What nothing fixes is in
:class:`Settings`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct, error

from devices.wire import gbcs
from devices.wire.errors import CutShort, DecodeError, EncodeError

__all__ = ["Block", "Key", "Reassembler", "Settings", "decode", "encode", "extent", "is_block", "message_of", "split"]

_LAYER = "gbt"
_LAST, _STREAMING, _WINDOW = 0x80, 0x40, 0x3F
# DD | 09 CRA counter | 08 originator | 08 recipient | 00 | 02 message code | 00
_ROUTING = Struct(">BBBQB8sB8sBBHB")
# security octet, invocation counter | E0, control, block number, acknowledged block number
_BLOCK = Struct(">BIBBHH")
_GENERAL_BLOCK_TRANSFER = 0xE0
_LARGEST_MESSAGE = 10 + 0xFFFF  # a MAC header up to its length, and the most that the length can say


@dataclass(frozen=True, slots=True)
class Settings:
    """What the specification leaves open, as far as its text is known here."""

    security: int = 0x11  # as in the MAC header; unproved, any value is accepted when reading
    window: int = 6  # what was tried against Wireshark's reader
    streaming: bool = True  # no block waits for an acknowledgement
    first_block: int = 1  # as DLMS counts
    most_transfers: int = 16  # a hub has seldom more than one message under way for each device; the oldest gives way
    most_blocks: int = 2048  # the largest message in blocks of 40 octets, the smallest block that the rig sends
    largest_message: int = _LARGEST_MESSAGE  # octets


_DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Key:
    """What tells one transfer from another: the routing header."""

    originator: bytes
    recipient: bytes
    cra: int
    counter: int
    message_code: int


@dataclass(frozen=True, slots=True)
class Block:
    """One block: where it belongs, its number, whether it is the last, and its data."""

    key: Key
    number: int
    last: bool
    data: bytes
    acknowledged: int = 0
    window: int = 6
    streaming: bool = True
    security: int = 0x11
    invocation: int = 0


def is_block(octets: bytes) -> bool:
    """Whether these octets are a GBT block and no whole message: the MAC header has 00 where a block has 09."""
    return octets[:2] == b"\xdd\x09"


# ------------------------------------------------------------------------------------------------------- block by block


def decode(octets: bytes) -> Block:
    """Read one block.  Raises ``DecodeError`` for anything else."""
    try:
        fields = _ROUTING.unpack_from(octets)
        tag, nine, cra, counter, eight, originator, also_eight, recipient, dated, two, code, key_info = fields
        if (tag, nine, eight, also_eight, dated, two, key_info) != (0xDD, 9, 8, 8, 0, 2, 0):
            raise DecodeError(_LAYER, 0, f"routing header {octets[: _ROUTING.size].hex()} has unexpected lengths")
        if not 1 <= cra <= 3:
            raise DecodeError(_LAYER, 2, f"CRA flag {cra} is none of 1 command, 2 response, 3 alert")
        length, position = gbcs.read_length(octets, _ROUTING.size)
        if position + length != len(octets):
            found = len(octets) - position
            raise DecodeError(_LAYER, _ROUTING.size, f"routing header announces {length} octets, {found} follow")
        security, invocation, general, control, number, acknowledged = _BLOCK.unpack_from(octets, position)
        if general != _GENERAL_BLOCK_TRANSFER:
            raise DecodeError(_LAYER, position + 5, f"tag {general:02x} is no general-block-transfer e0")
        length, position = gbcs.read_length(octets, position + _BLOCK.size)
    except (IndexError, error):
        raise DecodeError(_LAYER, len(octets), "the block ends inside its header") from None
    if position + length != len(octets):
        raise DecodeError(_LAYER, position, f"block data of {length} octets, {len(octets) - position} follow")
    return Block(
        Key(originator, recipient, cra, counter, code),
        number,
        bool(control & _LAST),
        octets[position:],
        acknowledged,
        control & _WINDOW,
        bool(control & _STREAMING),
        security,
        invocation,
    )


def extent(octets: bytes, start: int = 0) -> int:
    """Where the block that begins at ``start`` ends by its own length.

    Raises ``CutShort`` where the octets end before the block does, ``DecodeError`` for a length in no valid form.
    """
    position = start + _ROUTING.size
    try:
        length, position = gbcs.read_length(octets, position)
    except IndexError:
        raise CutShort(_LAYER, len(octets) - start, "the block ends inside its header", _ROUTING.size + 1) from None
    end = position + length
    if end > len(octets):
        missing = end - len(octets)
        reason = (
            f"a block of {length} octets is announced, the last {missing} {'is' if missing == 1 else 'are'} missing"
        )
        raise CutShort(_LAYER, len(octets) - start, reason, end - start)
    return end


def encode(block: Block) -> bytes:
    """The octets of a block.  Raises ``EncodeError`` for values that no octets can carry."""
    key = block.key
    if len(key.originator) != 8 or len(key.recipient) != 8 or not 1 <= key.cra <= 3 or not 0 <= block.window <= _WINDOW:
        raise EncodeError(_LAYER, f"{key} or window {block.window} does not fit: EUI-64s of 8 octets, CRA 1 to 3")
    control = (_LAST if block.last else 0) | (_STREAMING if block.streaming else 0) | block.window
    try:
        routing = _ROUTING.pack(
            0xDD, 9, key.cra, key.counter, 8, key.originator, 8, key.recipient, 0, 2, key.message_code, 0
        )
        header = _BLOCK.pack(
            block.security, block.invocation, _GENERAL_BLOCK_TRANSFER, control, block.number, block.acknowledged
        )
    except error as cause:
        raise EncodeError(_LAYER, f"a number does not fit its field: {cause}") from None
    body = b"".join((header, gbcs.length_octets(len(block.data), "block data"), block.data))
    return b"".join((routing, gbcs.length_octets(len(body), "block"), body))


def split(octets: bytes, block_size: int, settings: Settings = _DEFAULTS) -> list[bytes]:
    """Cut a whole message into blocks of at most ``block_size`` octets of data; each comes with its headers.

    Raises ``DecodeError`` where ``octets`` are no message, ``EncodeError`` where the blocks would be too many.
    """
    message = gbcs.decode(octets)
    key = Key(message.originator, message.recipient, message.cra, message.counter, message.message_code)
    if block_size < 1:
        raise EncodeError(_LAYER, f"block size {block_size}, expected at least 1")
    starts = range(0, len(octets), block_size)
    return [
        encode(
            Block(
                key,
                number,
                start + block_size >= len(octets),
                octets[start : start + block_size],
                window=settings.window,
                streaming=settings.streaming,
                security=settings.security,
            )
        )
        for number, start in enumerate(starts, settings.first_block)
    ]


# ----------------------------------------------------------------------------------------------------------- reassembly


@dataclass(slots=True)
class _Transfer:
    """The blocks of one message that have come so far."""

    blocks: dict[int, bytes] = field(default_factory=dict)
    size: int = 0
    highest: int = 0
    last: int | None = None


class Reassembler:
    """Puts messages together from their blocks, of several transfers at a time and in any order.

    Memory is bounded by the settings.  A block that came before is ignored; one that contradicts what came before ends
    its transfer, and the sender has to begin again.
    """

    def __init__(self, settings: Settings = _DEFAULTS) -> None:
        self._settings = settings
        self._transfers: dict[Key, _Transfer] = {}

    def feed(self, octets: bytes) -> bytes | None:
        """Take one block; returns the whole message where this was the last one missing.

        Raises ``DecodeError`` for what is no block, for a block that contradicts another or breaks a bound, and for a
        message that is not what its routing header says; the transfer is forgotten then.
        """
        block = decode(octets)
        transfer = self._transfers.pop(block.key, None) or _Transfer()
        self._check(block, transfer)
        if block.number not in transfer.blocks:
            transfer.blocks[block.number] = block.data
            transfer.size += len(block.data)
            transfer.highest = max(transfer.highest, block.number)
        if block.last:
            transfer.last = block.number
        if transfer.last is not None and len(transfer.blocks) == transfer.last - self._settings.first_block + 1:
            return _joined(block.key, transfer)
        self._transfers[block.key] = transfer
        if len(self._transfers) > self._settings.most_transfers:
            del self._transfers[next(iter(self._transfers))]
        return None

    def missing(self) -> dict[Key, tuple[int, ...]]:
        """The transfers under way, the one that waits longest first, and the block numbers each of them still lacks.

        While the last block has not come, the number after the highest one stands for all that may follow.
        """
        found = {}
        for key, transfer in self._transfers.items():
            end = transfer.last if transfer.last is not None else transfer.highest + 1
            numbers = range(self._settings.first_block, end + 1)
            found[key] = tuple(number for number in numbers if number not in transfer.blocks)
        return found

    def forget(self, key: Key) -> None:
        """Give a transfer up; unknown ones are fine."""
        self._transfers.pop(key, None)

    def _check(self, block: Block, transfer: _Transfer) -> None:
        number, settings = block.number, self._settings
        if number < settings.first_block or number - settings.first_block >= settings.most_blocks:
            first = settings.first_block
            raise DecodeError(
                _LAYER, 0, f"block number {number} is not within {first} to {first + settings.most_blocks - 1}"
            )
        if not block.data:
            raise DecodeError(_LAYER, 0, f"block {number} is empty")
        if transfer.blocks.get(number, block.data) != block.data:
            raise DecodeError(_LAYER, 0, f"block {number} came twice with different data")
        last = transfer.last
        if last is not None and (number > last or (number == last) != block.last):
            raise DecodeError(_LAYER, 0, f"block {number} contradicts block {last}, which was the last")
        if block.last and number < transfer.highest:
            raise DecodeError(_LAYER, 0, f"block {number} is the last, but block {transfer.highest} came before")
        if number not in transfer.blocks and transfer.size + len(block.data) > settings.largest_message:
            raise DecodeError(_LAYER, 0, f"block {number} makes the message longer than {settings.largest_message}")


def message_of(key: Key, octets: bytes) -> gbcs.Message:
    """The message that the blocks of ``key`` were joined to.  Raises ``DecodeError``: none, or another one."""
    message = gbcs.decode(octets)
    if key != Key(message.originator, message.recipient, message.cra, message.counter, message.message_code):
        raise DecodeError(_LAYER, 0, "the message is not the one that its routing headers name")
    return message


def _joined(key: Key, transfer: _Transfer) -> bytes:
    octets = b"".join(transfer.blocks[number] for number in sorted(transfer.blocks))
    message_of(key, octets)
    return octets
