"""The codecs that take their octets piece by piece: blocks, fragments, a serial line, a capture file.

Each is fed the pieces of one input and gives what came out whole; nothing in the pieces ends the stream.

Must not live here: codecs that take a message at once (``targets``).
"""

from __future__ import annotations

import io

from devices.wire import gbcs, gbt, pcap, xbee, zigbee
from devices.wire.errors import DecodeError
from tests.fuzz.judging import refused
from tests.fuzz.seeds import pieces

__all__ = [
    "deframe",
    "join_fragments",
    "prove_capture",
    "prove_deframed",
    "prove_joined",
    "prove_reassembled",
    "read_capture",
    "reassemble",
]

_BLOCKS = frozenset(("gbt", "gbcs"))


def reassemble(octets: bytes) -> list[bytes]:
    """Feed blocks, each behind its length; a refused block doesn't end the stream."""
    reassembler, found = gbt.Reassembler(), []
    for piece in pieces(octets):
        try:
            whole = reassembler.feed(piece)
        except DecodeError as error:
            refused(error, _BLOCKS, len(octets))
            continue
        found += [whole] if whole is not None else []
        missing = reassembler.missing()
        assert len(missing) <= gbt.Settings().most_transfers
        assert all(missing.values()), "a transfer waits for nothing"
    return found


def prove_reassembled(octets: bytes, messages: list[bytes]) -> None:
    """What came out was in the blocks, and each is a whole message."""
    assert sum(map(len, messages)) <= len(octets)
    for message in messages:
        gbcs.decode(message)


def join_fragments(octets: bytes) -> list[zigbee.ApsFrame]:
    """Feed APS frames, each behind its length, from one source; a refused one doesn't end the stream."""
    joiner, found = zigbee.ApsReassembler(transfers=2), []
    for number, piece in enumerate(pieces(octets)):
        try:
            whole = joiner.feed(b"\x12\x34", zigbee.decode_aps(piece), number)
        except DecodeError as error:
            refused(error, frozenset((zigbee.APS,)), len(piece))
            continue
        found += [whole] if whole is not None else []
    return found


def prove_joined(octets: bytes, frames: list[zigbee.ApsFrame]) -> None:
    """What came out was in the fragments, and each is a frame that can be sent."""
    assert sum(len(frame.payload) for frame in frames) <= len(octets)
    for frame in frames:
        assert zigbee.decode_aps(zigbee.encode_aps(frame)) == frame


def deframe(octets: bytes) -> tuple[xbee.Deframer, list[bytes]]:
    """A serial line in pieces, in API mode 1 or 2 by the first octet."""
    reader = xbee.Deframer(escaped=bool(octets[:1].strip(b"\0")))
    return reader, [frame for piece in pieces(octets[1:]) for frame in reader.feed(piece)]


def prove_deframed(octets: bytes, read: tuple[xbee.Deframer, list[bytes]]) -> None:
    """Each frame was on the line and can be framed again; memory is bounded by what came."""
    reader, frames = read
    assert reader.good == len(frames)
    assert reader.pending + sum(map(len, frames)) <= len(octets)
    for frame in frames:
        assert xbee.unframe(xbee.frame(frame, escaped=reader.escaped), escaped=reader.escaped) == frame


def read_capture(octets: bytes) -> list[pcap.Record]:
    """All records of a capture file.  Raises ``CaptureError``."""
    return list(pcap.read(io.BytesIO(octets)))


def prove_capture(octets: bytes, records: list[pcap.Record]) -> None:
    """Every record was in the file; a MAC frame in one is part of it, or refused."""
    assert sum(len(record.octets) for record in records) <= len(octets)
    for record in records:
        try:
            frame = pcap.mac_record(record).frame
        except pcap.CaptureError:
            continue
        assert frame in record.octets
