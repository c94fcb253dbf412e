"""Whole GBCS messages out of what crossed a link, by somebody who only listens.

It is fed with the ZCL frames of the tunnelling cluster, or with what a tunnel, a line or a log carried, and gives
:class:`Whole` messages.  For what cannot be made whole it gives a :class:`Finding` that says why: nothing is dropped
without a word.  Each link, sender and receiver is apart from every other.

It differs from the reassemblers of those who take part (``gbt``, ``zigbee``): it cannot ask for a block again, so a
transfer that was given up and sent again, in another block size or in the same, must become one message here.

What lives here: tunnel and blocks.  What must not: 802.15.4 frames and packets (``captured``), what a message means,
who may send it.  Source: facts/gbcs.md 1.5, 8.3 and 11 no. 11 and 12.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from devices.wire import gbcs, gbt, tunnelling, zcl, zcl_general
from devices.wire.errors import DecodeError

__all__ = ["Finding", "Mark", "Reason", "Reassembler", "Result", "Way", "Whole", "numbers"]

_MOST_TRANSFERS = 64  # block transfers remembered, under way or just made whole; the oldest gives way
_MOST_ATTEMPTS = 4  # beginnings of one transfer that are kept side by side
_GAS_HEADERS = (b"\x01", b"\x02", b"\x03")  # GET, GET-RESPONSE, PUT; a message starts with DD or DF


class Mark(NamedTuple):
    """Where a piece was found: its time in ns, and the number of its packet or line where it has one (from 1)."""

    at_ns: int = 0
    place: int = 0


class Way(NamedTuple):
    """What a piece crossed: the link's name, and the addresses of its two ends where they are known."""

    link: str = ""
    sender: bytes = b""
    receiver: bytes = b""


class Reason(Enum):
    """Why something that crossed did not become a message."""

    CARRIES_NONE = "carries no message by its kind"
    REPEATED = "repeats what was heard before"
    RESTARTED = "was given up and sent anew"
    REFUSED = "was refused by its receiver"
    ENCRYPTED = "is encrypted"
    BROKEN_FRAME = "is broken"
    UNKNOWN_LINK = "is of a link type that is not read"
    NO_MESSAGE = "is no GBCS message"
    BLOCKS_MISSING = "lacks blocks"
    BLOCKS_CONTRADICT = "has blocks that do not fit together"
    FRAGMENTS_MISSING = "lacks APS fragments"

    @property
    def lost(self) -> bool:
        """Whether a message may have been lost to the reader with it."""
        return self not in (Reason.CARRIES_NONE, Reason.REPEATED, Reason.RESTARTED, Reason.REFUSED)


@dataclass(frozen=True, slots=True)
class Whole:
    """One whole message: its octets, what its envelope says, and the pieces in which it crossed."""

    octets: bytes
    message: gbcs.Message
    way: Way
    first: Mark
    last: Mark
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """What crossed and became no message.  ``detail`` says what exactly is wrong, as one phrase.

    ``key`` and ``missing`` go with block transfers: which transfer it is, and the numbers of the blocks that it lacks;
    while the last block has not come, the number after the highest one stands for all that may follow.  ``octets`` are
    what was carried where that is known.
    """

    reason: Reason
    detail: str
    way: Way
    first: Mark
    last: Mark
    pieces: int = 1
    key: gbt.Key | None = None
    missing: tuple[int, ...] = ()
    octets: bytes = b""

    @property
    def lost(self) -> bool:
        """Whether a message may have been lost to the reader with it."""
        return self.reason.lost


Result = Whole | Finding
_NOTHING: Sequence[Result] = ()


def numbers(wanted: Iterable[int]) -> str:
    """Rising numbers in words: ``3``, ``3 and 5``, ``2 to 4 and 7``."""
    runs: list[list[int]] = []
    for number in wanted:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [str(first) if first == last else f"{first} to {last}" for first, last in runs]
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _refusal(way: Way, cluster: int, frame: zcl.Frame, mark: Mark) -> Sequence[Result]:
    """The finding of a default response that says no; nothing of any other command that all clusters share."""
    if frame.command != zcl_general.DEFAULT_RESPONSE or len(frame.payload) != 2 or not frame.payload[1]:
        return _NOTHING
    command, status = frame.payload
    meaning = zcl_general.STATUSES.get(status)
    detail = f"command {command:02X} of cluster {cluster:04X}, sequence {frame.sequence}: status {status:02X}"
    detail += f" ({meaning})" if meaning else ""
    return (Finding(Reason.REFUSED, detail, way, mark, mark, octets=frame.payload),)


# ------------------------------------------------------------------------------------------------- one block transfer


@dataclass(slots=True)
class _Attempt:
    """Blocks that fit together, as one run of a transfer gives them."""

    first: Mark
    latest: Mark
    blocks: dict[int, bytes] = field(default_factory=dict)
    heard: int = 0  # blocks, repeated ones included
    size: int = 0
    last: int | None = None

    def takes(self, block: gbt.Block) -> bool:
        """Whether a block contradicts none of those that are here."""
        known = self.blocks.get(block.number)
        if known is not None:
            return known == block.data and (block.number == self.last) == block.last
        if block.last:
            return self.last is None and block.number > max(self.blocks, default=0)
        return self.last is None or block.number < self.last

    def add(self, block: gbt.Block, mark: Mark) -> None:
        self.latest = mark
        self.heard += 1
        if block.number not in self.blocks:
            self.blocks[block.number] = block.data
            self.size += len(block.data)
        if block.last:
            self.last = block.number

    def missing(self, first_block: int) -> tuple[int, ...]:
        end = self.last if self.last is not None else max(self.blocks, default=0) + 1
        return tuple(number for number in range(first_block, end + 1) if number not in self.blocks)


@dataclass(slots=True)
class _Transfer:
    """Everything heard of one message in blocks: ``attempts`` under way, and the octets that were whole last."""

    attempts: list[_Attempt] = field(default_factory=list)
    done: bytes = b""


class Reassembler:
    """Takes what crossed, in order, and gives what became whole of it.

    Memory is bounded: the oldest of more than 64 transfers gives way, and the finding of it is given.
    """

    def __init__(self, settings: gbt.Settings | None = None) -> None:
        self._settings = settings or gbt.Settings()
        self._transfers: OrderedDict[tuple[Way, gbt.Key], _Transfer] = OrderedDict()

    def zcl(self, way: Way, cluster: int, octets: bytes, mark: Mark) -> Sequence[Result]:
        """Take one ZCL frame of any cluster; only the tunnelling cluster carries messages.

        A default response of any cluster that refuses something is a finding: whoever sent that must be told.
        """
        try:
            frame = zcl.decode(octets)
            if not frame.cluster_specific:
                return _refusal(way, cluster, frame, mark)
            if cluster != tunnelling.CLUSTER:
                return _NOTHING
            command = tunnelling.decode(frame)
            if not isinstance(command, tunnelling.TransferData):
                return _NOTHING
            carried = command.octets
            if carried[:1] in _GAS_HEADERS:
                gas = tunnelling.decode_gas(carried)
                carried = b"" if isinstance(gas, tunnelling.Get) else gas.octets
                if not carried:
                    return _NOTHING  # a question, or the answer that nothing waits
        except DecodeError as fault:
            if cluster != tunnelling.CLUSTER:
                return _NOTHING
            return (Finding(Reason.BROKEN_FRAME, str(fault), way, mark, mark, octets=octets),)
        return self.carried(way, carried, mark)

    def carried(self, way: Way, octets: bytes, mark: Mark) -> Sequence[Result]:
        """Take what a tunnel, a line or a log carried in one piece: a message, or a block of one."""
        try:
            if not gbt.is_block(octets):
                return (Whole(octets, gbcs.decode(octets), way, mark, mark),)
            block = gbt.decode(octets)
        except DecodeError as fault:
            return (Finding(Reason.NO_MESSAGE, str(fault), way, mark, mark, octets=octets),)
        return self._block(way, block, mark, octets)

    def unfinished(self) -> list[Finding]:
        """What is under way: at the end of a capture or of a test, what never became whole.  Nothing is forgotten."""
        return [
            found for (way, key), transfer in self._transfers.items() for found in self._given_up(way, key, transfer)
        ]

    def reset(self) -> list[Finding]:
        """Forget everything that is under way; gives what there was."""
        found = self.unfinished()
        self._transfers.clear()
        return found

    # ---------------------------------------------------------------------------------------------------------- blocks

    def _block(self, way: Way, block: gbt.Block, mark: Mark, octets: bytes) -> Sequence[Result]:
        transfer = self._transfers.pop((way, block.key), None) or _Transfer()
        self._transfers[way, block.key] = transfer
        found = self._make_room()
        fault = self._out_of_bounds(block)
        if fault:
            wrong = Finding(Reason.BLOCKS_CONTRADICT, fault, way, mark, mark, 1, block.key, octets=octets)
            return [*found, wrong]
        attempt = next((one for one in reversed(transfer.attempts) if one.takes(block)), None)
        if attempt is None:
            attempt = _Attempt(mark, mark)
            transfer.attempts.append(attempt)
            if len(transfer.attempts) > _MOST_ATTEMPTS:
                found.append(self._restarted(way, block.key, transfer.attempts.pop(0)))
        attempt.add(block, mark)
        if attempt.size > self._settings.largest_message:
            transfer.attempts.remove(attempt)
            fault = f"its blocks hold more than {self._settings.largest_message} octets"
            return [*found, self._finding(Reason.BLOCKS_CONTRADICT, fault, way, block.key, attempt)]
        if attempt.last is None or len(attempt.blocks) != attempt.last - self._settings.first_block + 1:
            return found
        return [*found, *self._joined(way, block.key, transfer, attempt)]

    def _joined(self, way: Way, key: gbt.Key, transfer: _Transfer, attempt: _Attempt) -> list[Result]:
        """The message of an attempt that has all its blocks; whatever else was tried of it is settled by that."""
        transfer.attempts.remove(attempt)
        octets = b"".join(attempt.blocks[number] for number in sorted(attempt.blocks))
        try:
            message = gbt.message_of(key, octets)
        except DecodeError as fault:
            return [self._finding(Reason.BLOCKS_CONTRADICT, str(fault), way, key, attempt, octets)]
        others, transfer.attempts, transfer.done = transfer.attempts, [], octets
        told: list[Result] = [self._restarted(way, key, other) for other in others]
        return [*told, Whole(octets, message, way, attempt.first, attempt.latest, len(attempt.blocks))]

    def _out_of_bounds(self, block: gbt.Block) -> str:
        first, most = self._settings.first_block, self._settings.most_blocks
        if not first <= block.number < first + most:
            return f"block number {block.number} is not within {first} to {first + most - 1}"
        return "" if block.data else f"block {block.number} is empty"

    def _make_room(self) -> list[Result]:
        found: list[Result] = []
        while len(self._transfers) > _MOST_TRANSFERS:
            (way, key), transfer = self._transfers.popitem(last=False)
            found += self._given_up(way, key, transfer)
        return found

    def _given_up(self, way: Way, key: gbt.Key, transfer: _Transfer) -> list[Finding]:
        """What a transfer lacks: its latest attempt stands for the message, those before it were given up."""
        if not transfer.attempts:
            return []
        *earlier, latest = transfer.attempts
        found = [self._restarted(way, key, one) for one in earlier]
        if transfer.done and all(data in transfer.done for data in latest.blocks.values()):
            again = f"block {numbers(sorted(latest.blocks))} came again after the message was whole"
            return [*found, self._finding(Reason.REPEATED, again, way, key, latest)]
        missing = latest.missing(self._settings.first_block)
        many = "" if latest.last is None else f" of {latest.last}"
        lacks = f"block {numbers(missing)}{many} is missing"
        if latest.last is None:
            lacks = f"block {numbers(missing[:-1])} is missing, and " * (len(missing) > 1)
            lacks += f"the transfer ends before its last block (block {missing[-1]} or a later one)"
        return [*found, self._finding(Reason.BLOCKS_MISSING, lacks, way, key, latest)]

    def _restarted(self, way: Way, key: gbt.Key, attempt: _Attempt) -> Finding:
        got = f"block {numbers(sorted(attempt.blocks))} came before the transfer began anew in other blocks"
        return self._finding(Reason.RESTARTED, got, way, key, attempt)

    def _finding(
        self, reason: Reason, detail: str, way: Way, key: gbt.Key, attempt: _Attempt, octets: bytes = b""
    ) -> Finding:
        missing = attempt.missing(self._settings.first_block)
        return Finding(reason, detail, way, attempt.first, attempt.latest, attempt.heard, key, missing, octets)
