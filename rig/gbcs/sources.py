"""Where messages come from: text in any form (``text``), a capture (``captures``), or their bare octets.

Blocks of larger messages are put together wherever they come from.  What began like a message and is none, and what of
a capture could not be read, is told: nothing is left out without a word.

    SourceError    nothing that could be decoded: what was given, what is wrong with it, what to give instead

Must not live here: what a message means (``words``), the notations of octets (``notations``).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from devices.wire import gbcs
from devices.wire.errors import DecodeError
from devices.wire.reassembly import Finding, Mark, Reassembler, Way, Whole
from rig.gbcs import captures, text
from rig.gbcs.packed import Member, Packed, members, unpacked
from rig.gbcs.search import START, Broken, take
from rig.gbcs.text import Fault, Taken

__all__ = ["Found", "Given", "SourceError", "messages"]

_DEEPEST = 4  # files in files in files
_DIGITS = re.compile(r"(?:0[xX])?[0-9A-Fa-f\s:-]*")
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_GIVE = "give one whole message, from DD or DF to its end"


class SourceError(Exception):
    """Nothing that could be decoded; the text is one line that says what to do."""


class _Unopened(SourceError):
    """A file of which nobody knows whether messages are in it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The octets of one whole message and where they were, None where they are all that was given; and how many octets
    stood beside it that are no part of it, at least."""

    octets: bytes
    where: str | None = None
    before: int = 0
    after: int = 0
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What was found, what of it had to be left out and why, and what else there is to say."""

    found: list[Found]
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def messages(data: bytes, name: str) -> Given:
    """Everything in what was given; ``name`` is what to call that.  Raises :class:`SourceError` where there is nothing
    that even begins like a message."""
    return _opened(data, name, 0)


def _opened(data: bytes, name: str, depth: int) -> Given:
    """:func:`messages` of a file that is ``depth`` files deep in others."""
    if depth > _DEEPEST:
        raise _Unopened(f"{name} is packed more than {_DEEPEST} times over; unpack it first")
    try:
        inner, missing = unpacked(data)
        files = members(data) if inner is data else None
    except Packed as fault:
        raise _Unopened(f"{name} is {fault}") from None
    if files is not None:
        return _of_members(files, name, depth)
    if inner is data:
        return _plainly(data, name)
    try:
        given = _opened(inner, name, depth + 1)
    except SourceError as fault:
        raise (_Unopened(f"{fault}; the end of it: {missing}") if missing else fault) from None
    return replace(given, left_out=[*given.left_out, f"the end of {name}: {missing}"]) if missing else given


def _of_members(files: Iterable[Member], name: str, depth: int) -> Given:
    """What the files of an archive hold; those without messages are named."""
    found: list[Found] = []
    left_out: list[str] = []
    notes: list[str] = []
    for file in files:
        try:
            if file.problem:
                left_out.append(f"{file.name}: {file.problem}")
                continue
            given = _opened(file.octets, file.name, depth + 1)
        except _Unopened as fault:
            left_out.append(str(fault))
            continue
        except SourceError as fault:
            notes.append(str(fault))
            continue
        found += [replace(one, where=": ".join(filter(None, (file.name, one.where)))) for one in given.found]
        left_out += [f"{file.name}: {reason}" for reason in given.left_out]
        notes += [f"{file.name}: {note}" for note in given.notes]
    if not found and not left_out:
        raise SourceError("; ".join([f"{name} holds no file with a GBCS message", *notes[:3]]))
    return Given(found, left_out, notes)


def _plainly(data: bytes, name: str) -> Given:
    """:func:`messages` of what is no file in a file."""
    if data.startswith(captures.MAGICS):
        return _from_capture(data, name)
    written = _as_text(data)
    given = _from_octets(data) if written is None else _from_text(written)
    if given.found or given.left_out:
        return given
    if written is None:
        raise SourceError(f"{name} is neither text nor a capture; give hexadecimal digits, a log, pcap or pcapng")
    if not written.strip():
        raise SourceError(f"{name} is empty; give a message in hexadecimal digits, a log or a capture")
    raise SourceError(_nothing_in(written, name))


def _as_text(data: bytes) -> str | None:
    """The text that octets are, in the encodings that people's tools write; None where they are none."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark) and not START.search(data):
            return data[len(mark) :].decode(encoding, "replace")
    if b"\x00" in data:
        for encoding, zeros in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
            if len(data) % 2 == 0 and zeros.count(0) > 0.8 * len(zeros):
                return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        printed = sum(octet >= 0x20 or octet in b"\t\r\n" for octet in data[:4096])
        return None if START.search(data) or printed < len(data[:4096]) else data.decode("cp1252", "replace")


# ------------------------------------------------------------------------------------------------------------- text


def _from_text(written: str) -> Given:
    taken, faults = text.search(written)
    whole, findings = _assembled((one.octets, number) for number, one in enumerate(taken))
    found = [
        Found(message.octets, _lines(taken, message), *_beside(taken, message))
        for message in sorted(whole, key=lambda message: message.first.place)
    ]
    if len(found) == 1 and not (faults or findings) and "\n" not in written.strip() and _is_bare(written):
        found = [replace(found[0], where=None)]
    left_out = [(fault.start.line, _fault(fault)) for fault in faults]
    notes: list[str] = []
    for finding in findings:
        line = taken[finding.first.place].start.line
        if finding.lost:
            left_out.append((line, _finding(taken, finding)))
        else:
            notes.append(_finding(taken, finding))
    return Given(found, [reason for _, reason in sorted(left_out)], notes)


def _assembled(pieces: Iterable[tuple[bytes, int]]) -> tuple[list[Whole], list[Finding]]:
    """Whole messages, from pieces that are whole or blocks, each with its place."""
    blocks = Reassembler()
    results = [result for octets, place in pieces for result in blocks.carried(Way(), octets, Mark(0, place))]
    results += blocks.unfinished()
    wholes = [result for result in results if isinstance(result, Whole)]
    return wholes, [result for result in results if isinstance(result, Finding)]


def _is_bare(written: str) -> bool:
    return len(written.split(None, 1)) == 1 or _DIGITS.fullmatch(written) is not None


def _lines(taken: list[Taken], message: Whole) -> str:
    return _named("line", [taken[message.first.place].start.line, taken[message.last.place].end.line])


def _named(word: str, lines: list[int]) -> str:
    first, last = min(lines), max(lines)
    return f"{word} {first}" if first == last else f"{word}s {first} to {last}"


def _beside(taken: list[Taken], message: Whole) -> tuple[int, int, bool]:
    one = taken[message.first.place]
    return (one.before, one.after, one.at_least) if message.pieces == 1 else (0, 0, False)


def _fault(fault: Fault) -> str:
    return f"{fault.what} in line {fault.start.line}, column {fault.start.column + 1}: {fault.reason}"


def _finding(taken: list[Taken], finding: Finding) -> str:
    where = _named("line", [taken[finding.first.place].start.line, taken[finding.last.place].end.line])
    what = captures.transfer(finding) if finding.key is not None else "a message"
    return f"{what}, in {where}: {finding.detail}"


def _nothing_in(written: str, name: str) -> str:
    if _DIGITS.fullmatch(written):
        digits = re.sub(r"[\s:-]|^0[xX]", "", written.strip())
        if len(digits) % 2:
            return f"{name} has {len(digits)} hexadecimal digits, an odd number; is one missing at an end?"
        try:
            gbcs.decode(bytes.fromhex(digits))
        except DecodeError as fault:
            return f"{name} is no GBCS message: {fault}; {_GIVE}"
    first, *more = written.split(None, 1)
    if not more:
        wrong = next((c for c in first.removeprefix("0x") if c not in "0123456789abcdefABCDEF:-"), first[0])
        return f"{name} is not hexadecimal: {wrong!r} is no digit; give a message in hexadecimal digits, or a file"
    return f"{name} holds no GBCS message; {_GIVE}, or a log with some"


# ---------------------------------------------------------------------------------------------- octets and captures


def _from_octets(data: bytes) -> Given:
    """A file that holds the octets themselves."""
    pieces: list[tuple[bytes, int]] = []
    left_out: list[str] = []
    at = 0
    while start := START.search(data, at):
        outcome = take(data, start.start())
        if isinstance(outcome, Broken):
            left_out.append(f"what begins like a message at octet {outcome.start}: {outcome.reason}")
            at = outcome.resume
        else:
            pieces.append((outcome.octets, outcome.start))
            at = outcome.end
    whole, findings = _assembled(pieces)
    edges = sorted((start, start + len(octets)) for octets, start in pieces)
    found = [
        Found(
            one.octets,
            f"octet {one.first.place}",
            *(_around(edges, one.first.place, len(data)) if one.pieces == 1 else ()),
        )
        for one in whole
    ]
    for finding in findings:
        what = captures.transfer(finding) if finding.key is not None else "a message"
        left_out.append(f"{what}, from octet {finding.first.place} on: {finding.detail}")
    return Given(found, left_out)


def _around(edges: list[tuple[int, int]], start: int, size: int) -> tuple[int, int]:
    """How many octets stand before and after the piece at ``start`` that belong to no other."""
    at = bisect_left(edges, (start, 0))
    before = edges[at - 1][1] if at else 0
    return start - before, 0 if at + 1 < len(edges) else size - edges[at][1]


def _from_capture(data: bytes, name: str) -> Given:
    """The messages of a capture; one that breaks off gives those before the break."""
    results, broken = captures.read(data)
    found = [
        Found(result.octets, _named("packet", [result.first.place, result.last.place]))
        for result in results
        if isinstance(result, Whole)
    ]
    left_out, notes = captures.lines_of(results)
    if broken and not found and not left_out:
        raise SourceError(f"{name} is a broken capture: {broken}; record it again")
    if broken:
        left_out.append(f"{name} is a broken capture: {broken}; what came before is shown; record it again")
    if not found and not left_out:
        raise SourceError("; ".join([f"{name} is a capture without a GBCS message", *notes]))
    return Given(found, left_out, notes)
