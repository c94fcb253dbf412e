"""Messages in captures (pcap and pcapng): packets to messages, and of all other packets how many and why.

Packets of 802.15.4, exported PDUs and link type 147 go to ``devices.wire.captured``; what another link carries is
unpacked first (``devices.wire.carriers``) and, where it is no frame, searched for messages.

Must not live here: what frames hold (``devices.wire``), other sources (``sources``).
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from devices.wire import carriers, ieee802154, pcap
from devices.wire.captured import PacketReader
from devices.wire.carriers import Unreadable
from devices.wire.errors import DecodeError
from devices.wire.eui64 import text as eui_text
from devices.wire.reassembly import Finding, Mark, Reason, Reassembler, Result, Way, Whole, numbers
from rig.gbcs.search import START, Broken, take

__all__ = ["MAGICS", "lines_of", "read", "transfer"]

MAGICS = tuple(bytes.fromhex(magic) for magic in ("0a0d0d0a", "a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1"))
"""How a capture file begins."""

_USER_LINKS = range(148, 163)  # DLT_USER1 to 15: whoever records says what they are
_MOST_NUMBERS = 12  # runs of packet numbers that are named in one line


def read(data: bytes) -> tuple[list[Result], str]:
    """What the packets of a capture came to, and how it breaks off where it does."""
    records: list[pcap.Record] = []
    broken = ""
    try:
        records.extend(pcap.read(io.BytesIO(data)))
    except pcap.CaptureError as fault:
        broken = str(fault)
    return list(_Reader(records).results()), broken


class _Reader:
    """One capture."""

    def __init__(self, records: Sequence[pcap.Record]) -> None:
        self._records = records
        self._radio = PacketReader()
        self._others = Reassembler()
        self._with_metadata = _with_metadata(records)

    def results(self) -> Iterator[Result]:
        for place, record in enumerate(self._records, 1):
            mark = Mark(record.at_ns, place)
            try:
                yield from self._packet(record, mark)
            except Unreadable as fault:
                way = Way(record.interface)
                reason = Reason.BROKEN_FRAME if fault.broken else Reason.CARRIES_NONE
                yield Finding(reason, str(fault), way, mark, mark, octets=record.octets)
        yield from self._radio.unfinished()
        yield from self._others.unfinished()

    def _packet(self, record: pcap.Record, mark: Mark) -> Iterable[Result]:
        if record.link_type in _USER_LINKS:
            return self._searched(record, record.octets, mark)
        if (record.link_type, record.interface) in self._with_metadata:
            return self._radio.frame(carriers.strip_metadata(record.octets), mark)
        carried = carriers.carried(record)
        if carried is None:
            return self._radio.packet(record, mark.place)
        if carried.frame:
            return self._radio.frame(carried.octets, mark)
        return self._searched(record, carried.octets, mark)

    def _searched(self, record: pcap.Record, octets: bytes, mark: Mark) -> Iterator[Result]:
        """Messages anywhere in a packet whose form nobody knows here."""
        way, at, found = Way(record.interface or f"link type {record.link_type}"), 0, False
        while start := START.search(octets, at):
            found = True
            outcome = take(octets, start.start())
            if isinstance(outcome, Broken):
                yield Finding(Reason.NO_MESSAGE, outcome.reason, way, mark, mark, octets=octets)
                at = outcome.resume
            else:
                yield from self._others.carried(way, outcome.octets, mark)
                at = outcome.end
        if not found:
            yield Finding(Reason.CARRIES_NONE, "nothing in it begins like a message", way, mark, mark)


def _with_metadata(records: Iterable[pcap.Record]) -> set[tuple[int, str]]:
    """The interfaces of link type 195 whose frames end with TI CC24xx metadata: no check sequence of theirs is right,
    and most of their frames say themselves that it was."""
    right: Counter[tuple[int, str]] = Counter()
    marked: Counter[tuple[int, str]] = Counter()
    frames: Counter[tuple[int, str]] = Counter()
    for record in records:
        if record.link_type != pcap.LinkType.WITH_FCS:
            continue
        key = (record.link_type, record.interface)
        frames[key] += 1
        marked[key] += bool(record.octets and record.octets[-1] & 0x80)
        try:
            ieee802154.strip_fcs(record.octets)
            right[key] += 1
        except DecodeError:
            continue  # that is what is counted
    return {key for key, count in frames.items() if not right[key] and 2 * marked[key] > count}


# ------------------------------------------------------------------------------------------------------- in words


def transfer(finding: Finding) -> str:
    """Which message in blocks a finding speaks of."""
    key = finding.key
    assert key is not None
    kind = {1: "command", 2: "response", 3: "alert"}[key.cra]
    return (
        f"the {kind} 0x{key.message_code:04X} from {eui_text(key.originator)} to {eui_text(key.recipient)}, "
        f"counter {key.counter}, in blocks"
    )


def lines_of(results: Iterable[Result]) -> tuple[list[str], list[str]]:
    """What is to be said of all that became no message: what may have been lost with it, and what not."""
    lost: list[str] = []
    told: list[str] = []
    groups: dict[tuple[Reason, str], list[Finding]] = {}
    for result in results:
        if isinstance(result, Whole):
            continue
        if result.key is not None:
            said = f"{transfer(result)}: {result.detail} ({_packets([result.first.place, result.last.place])})"
            (lost if result.lost else told).append(said)
        else:
            groups.setdefault((result.reason, result.detail), []).append(result)
    for (reason, gist), findings in groups.items():
        places = sorted({finding.first.place for finding in findings if finding.first.place})
        said = f"{_frames(len(findings), reason)}{f' ({gist})' if gist else ''}"
        (lost if reason.lost else told).append(said + (f": {_packets(places)}" if places else ""))
    return lost, told


def _frames(count: int, reason: Reason) -> str:
    word = "frame" if count == 1 else "frames"
    plural = {"is": "are", "carries": "carry", "was": "were", "has": "have", "lacks": "lack", "repeats": "repeat"}
    verb, _, rest = reason.value.partition(" ")
    return f"{count} {word} {verb if count == 1 else plural.get(verb, verb)} {rest}"


def _packets(places: Sequence[int]) -> str:
    runs = sorted(set(places))
    if not runs:
        return ""
    text = numbers(runs)
    if text.count(",") > _MOST_NUMBERS:
        text = f"{runs[0]} to {runs[-1]}, {len(runs)} of them"
    return f"packet{'s' if len(runs) > 1 else ''} {text}"
