"""Where messages come from: hexadecimal text, a log with messages among other text, or a capture file.

In a capture the messages are taken out of the tunnelling cluster (APS fragments put together), out of inter-PAN frames,
and out of link type 147, which holds one message a packet.  GBT blocks are put together wherever they come from.

    SourceError    nothing that could be decoded: what was given, what is wrong with it, what to give instead

Must not live here: what a message means (``words``).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from devices.wire import gbcs, gbt, ieee802154, interpan, pcap, tunnelling, zcl, zigbee
from devices.wire.errors import DecodeError, WireError

__all__ = ["Found", "Given", "SourceError", "messages"]

_MESSAGE_LINK = 147  # DLT_USER0: one GBCS message a packet, with no header
_MAGICS = tuple(bytes.fromhex(magic) for magic in ("0a0d0d0a", "a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1"))
_SHORTEST = 34  # octets of the shortest message: a grouping header, an empty payload
_LONGEST_HEADER = 64  # octets that a log may print before a message, in one go with it
_PLAIN = re.compile(r"[0-9A-Fa-f]*")
_RUN = re.compile(rf"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{{2}}[ :-]?){{{_SHORTEST},}}(?![0-9A-Fa-f])")
_SEPARATORS = str.maketrans("", "", " \t\r\n\v\f:-")


class SourceError(Exception):
    """Nothing that could be decoded; the text is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """The octets of one whole message and where they were, None where they are all that was given."""

    octets: bytes
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """Every message found, at least one, and what else there is to say: a ``note`` on a source that is not whole."""

    found: list[Found]
    note: str = ""


def messages(data: bytes, name: str) -> Given:
    """Every message in what was given; ``name`` is what to call that.  Raises :class:`SourceError` if none is."""
    if data.startswith(_MAGICS):
        return _from_capture(data, name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise SourceError(f"{name} is neither text nor a capture; give hexadecimal digits, a log, pcap or pcapng")
    if not text.strip():
        raise SourceError(f"{name} is empty; give a message in hexadecimal digits, a log or a capture")
    whole = text.translate(_SEPARATORS).removeprefix("0x")
    if _PLAIN.fullmatch(whole):
        return Given(_from_hexadecimal(text, whole, name))
    found = _assembled(_runs(text))
    if not found:
        raise SourceError(_nothing_in(text, name))
    return Given(found)


# ----------------------------------------------------------------------------------------------------------------- text


def _from_hexadecimal(text: str, digits: str, name: str) -> list[Found]:
    """Hexadecimal digits and nothing else: one message, however the lines are broken, or one a line."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(digits) % 2:
        raise SourceError(f"{name} has {len(digits)} hexadecimal digits, an odd number; is one missing at an end?")
    octets = bytes.fromhex(digits)
    try:
        gbcs.decode(octets)
    except WireError as fault:
        found = _assembled(_runs(text)) if len(lines) > 1 or gbt.is_block(octets) else []
        if found:
            return found
        if gbt.is_block(octets):
            raise SourceError(f"{name} is one block of a larger message (GBT); give all its blocks, one a line")
        raise SourceError(f"{name} is no GBCS message: {fault}; give one whole message, from DD or DF to its end")
    return [Found(octets)]


def _runs(text: str) -> Iterator[Found]:
    """Runs of hexadecimal digits that decode, by line."""
    for number, line in enumerate(text.splitlines(), 1):
        for run in _RUN.finditer(line):
            digits = run.group().translate(_SEPARATORS)
            if octets := _message_in(bytes.fromhex(digits)):
                yield Found(octets, f"line {number}")


def _message_in(octets: bytes) -> bytes:
    """The message or block that octets are, or end with after a header that a log printed before it; or nothing."""
    starts = range(min(_LONGEST_HEADER, len(octets) - _SHORTEST) + 1)
    for start in (at for at in starts if octets[at] in (0xDD, 0xDF)):
        if _is_message(octets[start:]):
            return octets[start:]
    return b""


def _is_message(octets: bytes) -> bool:
    if gbt.is_block(octets):
        return True
    try:
        gbcs.decode(octets)
    except DecodeError:
        return False
    return True


def _nothing_in(text: str, name: str) -> str:
    first = text.split()[0]
    if len(text.split()) == 1 and not _PLAIN.fullmatch(first):
        wrong = next((c for c in first.removeprefix("0x") if not _PLAIN.fullmatch(c) and c not in ":-"), first[0])
        return f"{name} is not hexadecimal: {wrong!r} is no digit; give a message in hexadecimal digits, or a file"
    return f"{name} holds no GBCS message; give one whole message, from DD or DF to its end, or a log with some"


# ------------------------------------------------------------------------------------------------------------- captures


def _from_capture(data: bytes, name: str) -> Given:
    """The messages of a capture; one that breaks off gives those before the break."""
    pieces: list[Found] = []
    broken = ""
    try:
        pieces.extend(_packets(data))
    except pcap.CaptureError as fault:
        broken = f"{name} is a broken capture: {fault}; record it again"
    found = _assembled(pieces)
    if not found:
        raise SourceError(broken or f"{name} is a capture without a GBCS message in link types 147, 195, 230 or 283")
    return Given(found, broken and f"{broken}; what came before is shown")


def _packets(data: bytes) -> Iterator[Found]:
    """What each packet of a capture carries: messages and blocks, in order."""
    fragments = zigbee.ApsReassembler()
    for number, record in enumerate(pcap.read(io.BytesIO(data)), 1):
        if record.link_type == _MESSAGE_LINK:
            octets = record.octets
        else:
            octets = _from_frame(record, fragments)
        if octets and _is_message(octets):
            yield Found(octets, f"packet {number}")


def _from_frame(record: pcap.Record, fragments: zigbee.ApsReassembler) -> bytes:
    """What the tunnel of an 802.15.4 frame carries, or nothing: captures hold much that is no message."""
    try:
        frame = ieee802154.decode(pcap.mac_record(record).frame)
        if frame.frame_type is not ieee802154.FrameType.DATA:
            return b""
        if interpan.is_stub(frame.payload):
            stub = interpan.decode(frame.payload)
            return b"" if stub.security else _from_zcl(stub.cluster, stub.payload)
        network = zigbee.decode_nwk(frame.payload)
        if network.frame_type is not zigbee.NwkType.DATA or network.security:
            return b""
        whole = fragments.feed(network.source, zigbee.decode_aps(network.payload), record.at_ns)
        if whole is None or whole.frame_type is not zigbee.ApsType.DATA or whole.security:
            return b""
        return _from_zcl(whole.cluster, whole.payload)
    except (DecodeError, pcap.CaptureError):
        return b""


def _from_zcl(cluster: int, octets: bytes) -> bytes:
    if cluster != tunnelling.CLUSTER:
        return b""
    command = tunnelling.decode(zcl.decode(octets))
    if not isinstance(command, tunnelling.TransferData):
        return b""
    if command.octets[:1] in (b"\x02", b"\x03"):
        gas = tunnelling.decode_gas(command.octets)
        return gas.octets if isinstance(gas, tunnelling.Put | tunnelling.GetResponse) else b""
    return command.octets


# ----------------------------------------------------------------------------------------------------------- GBT blocks


def _assembled(pieces: Iterable[Found]) -> list[Found]:
    """Whole messages: those found whole, and those whose blocks are all there."""
    assembler = gbt.Reassembler()
    found: list[Found] = []
    for piece in pieces:
        if not gbt.is_block(piece.octets):
            found.append(piece)
            continue
        try:
            whole = assembler.feed(piece.octets)
        except DecodeError:
            continue  # a block out of order, or sent again: the others may still make a message
        if whole is not None and _is_message(whole):
            found.append(Found(whole, f"blocks up to {piece.where}"))
    return found
