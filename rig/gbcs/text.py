"""Messages in text: logs, dumps, source code, documents, in every notation of ``notations``.

Where a message is longer than its line, what stands in the same place of the lines that follow is added, up to its own
length.  Nothing is taken for a message that does not begin like one and whose lengths do not fit; what began like one
and is none is told, with its line and what is wrong.

Work is linear in the text: each line is read once by each notation that may begin there, and joining lines has a
budget.

Must not live here: how octets are written (``notations``), what is on lines beside them (``plain``), what is done with
what was found (``sources``).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from rig.gbcs.notations import NOTATIONS, Notation, Run, shows
from rig.gbcs.plain import plain
from rig.gbcs.search import INNER, START, TAIL, Broken, Piece, take
from rig.progress import following

__all__ = ["Fault", "Place", "Taken", "search"]

_GAP_LINES = 3  # lines of something else that may stand between two lines of one message
_DUMP_WIDTH = 32  # octets a line that dumps print at most
_BUDGET = 2  # symbols looked at in joining lines, for each character of the text
_LONG_LINE, _PART = 1 << 18, 1 << 12  # characters of a line that is cut, and of its parts
_NO_GROUP = re.compile(r"[^0-9A-Za-z+/=_-]")
_MARKS = re.compile(r"\b0[xX]|\\+x|&#?[xXhH]|\b16#|(?:[hH]|_?[uU]8?)\b|\(\w{2,13}\)")  # before and after a group
_LINE_END = re.compile(r"\r\n|\r|\n|\Z")
_AFTERWARDS = (
    "//",
    "/*",
    "#",
    "--",
    ";",
    "<",
    "=",
    "]",
    "}",
    ")",
)  # after octets on a line of source code or of a document
_LITERAL_PREFIX = re.compile(r"(?<![0-9A-Za-z])[bBrRuUfF]{1,2}(?=[\"'])")
_WORD = re.compile(r"[0-9A-Fa-f]+")
_STRAY = re.compile(r"^\W*([A-Fa-f])[^\S\r\n]\Z")  # behind a word it may be a name, such as that of a port
_PREFIX_ENDS = ("x", "X", "$", "H", "h", "#")  # with one of them before it a single digit is a whole octet
_HALF = "{!r}, a single digit {} a message; is one missing?"
_HALF_WHAT = "half an octet"
_SECURITY_HEADER = b"\x11\x00\x00\x00\x00"  # what a MAC header ends with


class Place(NamedTuple):
    """A line, counted from 1, and a column."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A whole message or block: from where to where it stands, and how many octets stand before and after it; at
    least so many where its line is searched in parts."""

    start: Place
    end: Place
    octets: bytes
    before: int = 0
    after: int = 0
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What began like a message and is none, or ``what`` else stands beside messages and is no octet."""

    start: Place
    reason: str
    what: str = "what begins like a message"


def search(text: str) -> tuple[list[Taken], list[Fault]]:
    """Everything that is found in a text, by its place."""
    lines = _Lines(plain(text))
    taken: list[Taken] = []
    faults: list[Fault] = []
    size = max(1, len(text) * len(NOTATIONS) // 100)
    with following(100, "percent of the search for messages") as reached:
        for number, notation in enumerate(NOTATIONS):

            def at(place: int, before: int = number * len(text)) -> None:
                reached((before + place) // size)

            found = list(_Search(lines, notation, at).results(taken))
            taken = _merged(taken, [one for one in found if isinstance(one, Taken)])
            faults += [one for one in found if isinstance(one, Fault)]
    starts = [one.start for one in taken]

    def told(fault: Fault) -> bool:
        at = bisect_right(starts, fault.start) - 1
        return at >= 0 and fault.start < taken[at].end

    first = {fault.start: fault for fault in reversed(faults) if not told(fault)}
    left = [replace(fault, start=lines.place(fault.start)) for _, fault in sorted(first.items())]
    return [replace(one, start=lines.place(one.start), end=lines.place(one.end)) for one in taken], left


def _merged(taken: list[Taken], more: list[Taken]) -> list[Taken]:
    """Both by their place.  Where two overlap the earlier notation is believed, or the one that has all of the other:
    what looks like a whole message may lack its MAC in a notation that is not quite right."""
    kept = list(taken)
    for one in more:
        first = bisect_left(kept, one.start, key=lambda had: had.end)
        first += first < len(kept) and kept[first].end == one.start
        last = bisect_left(kept, one.end, key=lambda had: had.start)
        if all(one.start <= had.start and had.end <= one.end and had.octets != one.octets for had in kept[first:last]):
            kept[first:last] = [one]
    return kept


class _Lines:
    """A text by its lines, whatever ends them; one that is very long is cut into parts, each as a line of its own."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts, self.ends = [0], []
        self._parts: set[int] = set()  # the numbers of those that carry on the line before them
        for end in _LINE_END.finditer(text):
            if end.start() - self.starts[-1] > _LONG_LINE:
                self._cut(end.start())
            self.ends.append(end.start())
            self.starts.append(end.end())

    def _cut(self, end: int) -> None:
        """Cut the line that ends there, where nothing stands that could be part of a group if such a place is near."""
        while end - self.starts[-1] > _PART:
            most = self.starts[-1] + _PART
            near = [found.start() for found in _NO_GROUP.finditer(self.text, most - _PART // 8, most)]
            self.ends.append(near[-1] if near else most)
            self.starts.append(self.ends[-1])
            self._parts.add(len(self.ends))

    def is_part(self, number: int) -> bool:
        """Whether a line is one with the line before it."""
        return number in self._parts

    def place(self, place: Place) -> Place:
        """A place as whoever reads the text counts, parts being no lines."""
        if not self._parts:
            return place
        first = place.line - 1
        while first in self._parts:
            first -= 1
        column = self.starts[place.line - 1] + place.column - self.starts[first]
        return Place(first + 1 - self._before(first), column)

    def _before(self, number: int) -> int:
        return bisect_left(self._sorted_parts, number)

    @cached_property
    def _sorted_parts(self) -> list[int]:
        return sorted(self._parts)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: int) -> str:
        return self.text[self.starts[number] : self.ends[number]]

    def matching(self, pattern: re.Pattern[str], taken: list[Taken]) -> Iterator[int]:
        """The numbers, from 0, of the lines in which a pattern is found outside of what was taken already."""
        starts = [one.start for one in taken]
        at = 0
        while found := pattern.search(self.text, at):
            number = bisect_right(self.starts, found.start(), 0, len(self.ends)) - 1
            place = Place(number + 1, found.start() - self.starts[number])
            before = bisect_right(starts, place) - 1
            if before >= 0 and place < taken[before].end:
                end = taken[before].end
                at = max(found.start() + 1, self.starts[end.line - 1] + end.column)
                continue
            yield number
            at = self.starts[number + 1]


@dataclass(slots=True)
class _Joined:
    """Runs of several lines that are taken for one: symbols from ``phase`` of the first run on."""

    lines: list[int]
    runs: list[Run]
    symbols: list[str]

    def at(self, symbol: int) -> tuple[int, int]:
        """In which of the runs a symbol is, and which of its own it is there."""
        for number, part in enumerate(self.symbols):
            if symbol < len(part) or number == len(self.symbols) - 1:
                return number, symbol
            symbol -= len(part)
        return 0, symbol


class _Search:
    """One notation's search through a text."""

    def __init__(self, lines: _Lines, notation: Notation, reached: Callable[[int], None]) -> None:
        self._lines, self._notation, self._reached = lines, notation, reached
        self._used: dict[tuple[int, int], int] = {}  # line and column of a run -> its symbols that are spoken for
        self._budget = _BUDGET * len(lines.text) + 4096
        self._split: dict[int, list[Run]] = {}

    def results(self, taken: list[Taken]) -> Iterator[Taken | Fault]:
        """What this notation finds, but for places at which something was taken already."""
        for number in self._lines.matching(self._notation.gate, taken):
            self._reached(self._lines.starts[number])
            runs = self._runs(number)
            for run in runs:
                yield from self._in_run(number, run)
            self._forget_before(number)

    def _forget_before(self, number: int) -> None:
        while self._split and (first := next(iter(self._split))) < number:
            del self._split[first]

    def _runs(self, number: int) -> list[Run]:
        if number not in self._split:
            self._split[number] = self._notation.runs(self._lines[number])
        return self._split[number]

    # ------------------------------------------------------------------------------------------------------- one run

    def _in_run(self, number: int, run: Run) -> Iterator[Taken | Fault]:
        for phase in range(self._notation.width):
            octets = self._notation.octets(run.symbols[phase:])
            if b"\xdd" in octets or b"\xdf" in octets:
                yield from self._in_octets(number, run, phase, octets)

    def _in_octets(self, number: int, run: Run, phase: int, octets: bytes) -> Iterator[Taken | Fault]:
        at = last = self._first_free(number, run, phase)
        while start := START.search(octets, at):
            outcome = take(octets, start.start())
            if isinstance(outcome, Broken) and outcome.needed:
                joined, outcome = self._continued(number, run, phase, outcome)
                yield self._told(joined, phase, outcome, last)
                yield from self._beside(joined, phase, outcome)
                if isinstance(outcome, Piece):
                    return
            else:
                joined = _Joined([number], [run], [run.symbols[phase:]])
                yield self._told(joined, phase, outcome, last, octets)
                yield from self._beside(joined, phase, outcome, octets)
            at = outcome.end if isinstance(outcome, Piece) else outcome.resume
            last = at
        if tail := TAIL.search(octets, at):
            joined, outcome = self._continued(number, run, phase, Broken(tail.start(), len(octets), "", 1))
            if isinstance(outcome, Piece) or outcome.reason:
                yield self._told(joined, phase, outcome, last)

    def _first_free(self, number: int, run: Run, phase: int) -> int:
        used = self._used.get((number, run.start), 0) - phase
        return max(0, -(-used * self._notation.share // self._notation.width)) if used > 0 else 0

    def _symbol(self, octet: int) -> int:
        """The first symbol that belongs to no octet before this one."""
        return octet * self._notation.width // self._notation.share

    # -------------------------------------------------------------------------------------------------- several lines

    def _continued(self, number: int, run: Run, phase: int, broken: Broken) -> tuple[_Joined, Piece | Broken]:
        """What ``broken`` comes to with the lines that follow; ``broken`` itself where they don't help."""
        joined = _Joined([number], [run], [run.symbols[phase:]])
        size = len(joined.symbols[0])
        outcome: Piece | Broken = broken
        while isinstance(outcome, Broken) and outcome.needed:
            wanted = -(-(outcome.start + outcome.needed) * self._notation.width // self._notation.share)
            while size < wanted and self._add_line(joined, outcome.start):
                size += len(joined.symbols[-1])
            octets = self._notation.octets("".join(joined.symbols))
            if START.match(octets, outcome.start):
                now = take(octets, outcome.start)
            elif (tail := TAIL.search(octets, outcome.start)) and tail.start() == outcome.start:
                now = Broken(outcome.start, outcome.resume, "", len(octets) - outcome.start + 1)
            else:
                return joined, Broken(outcome.start, broken.resume, "")
            if isinstance(now, Broken) and size < wanted:
                outcome = now if now.reason else broken
                break
            outcome = now
        if isinstance(outcome, Piece) and outcome.octets[0] == 0xDF and outcome.end == len(octets):
            outcome, octets = self._with_its_signature(joined, outcome, octets)
        if isinstance(outcome, Piece) and not self._regular(joined, outcome, octets):
            return _Joined([number], [run], [run.symbols[phase:]]), broken
        self._speak_for(joined, phase, outcome.end if isinstance(outcome, Piece) else outcome.resume)
        return joined, outcome

    def _with_its_signature(self, joined: _Joined, piece: Piece, octets: bytes) -> tuple[Piece, bytes]:
        """A message without MAC header that seems to end with a line: its signature field may be on the next one."""
        if not self._add_line(joined, piece.start):
            return piece, octets
        more = self._notation.octets("".join(joined.symbols))
        longer = take(more, piece.start)
        if isinstance(longer, Piece) and longer.end > piece.end and self._regular(joined, longer, more):
            return longer, more
        for last in (joined.lines, joined.runs, joined.symbols):
            last.pop()
        return piece, octets

    def _add_line(self, joined: _Joined, start: int) -> bool:
        """Add the run of the next line that carries on the message which begins at octet ``start``."""
        shape = self._shape(joined.lines[0], joined.runs[0])
        last = joined.lines[-1]
        for number in range(last + 1, min(last + 2 + _GAP_LINES, len(self._lines))):
            part = self._lines.is_part(number)
            run = self._next_part(joined, number) if part else self._carrying_on(number, shape)
            if run is None:
                if part:
                    return False
                continue
            self._budget -= len(run.symbols)
            if self._budget < 0 or self._begins_anew(joined, start, run):
                return False
            joined.lines.append(number)
            joined.runs.append(run)
            joined.symbols.append(run.symbols)
            return True
        return False

    def _begins_anew(self, joined: _Joined, start: int, run: Run) -> bool:
        """Whether a run begins with another message, and not with one that is inside the one which is under way."""
        begins = START.match(self._notation.octets(run.symbols[:64]))
        if begins is None:
            return False
        so_far = self._notation.octets("".join(joined.symbols))[start:]
        if so_far[:2] == b"\xdd\x09":
            return len(so_far) > INNER[1] or begins.group() == b"\xdd\x09"
        return len(so_far) > INNER[0] or begins.group()[0] != 0xDF

    def _next_part(self, joined: _Joined, number: int) -> Run | None:
        """The run that carries on in the next part of a line, where it reaches over the cut."""
        runs = self._runs(number)
        if not runs or number != joined.lines[-1] + 1:
            return None
        between = self._lines[joined.lines[-1]][joined.runs[-1].end :] + " " + self._lines[number][: runs[0].start]
        return None if any(map(str.isalnum, _MARKS.sub("", between))) else runs[0]

    def _carrying_on(self, number: int, shape: str) -> Run | None:
        """The run of a line that may carry a message on: one behind the same words, or the whole line."""
        runs = [run for run in self._runs(number) if run.symbols]
        if shape and (same := [run for run in runs if self._shape(number, run) == shape]):
            return max(same, key=lambda run: len(run.symbols))
        if not runs or self._shape(number, runs[0]):
            return None
        rest = self._lines[number][runs[0].end :].strip().removeprefix("h").removeprefix("H")
        if any(map(str.isalnum, rest)) and not rest.startswith(_AFTERWARDS):
            octets = self._notation.octets(runs[0].symbols)
            return runs[0] if shows(rest.strip("|<>"), octets) else None
        return runs[0]

    def _shape(self, number: int, run: Run) -> str:
        """What stands before a run on its line, numbers alike; nothing where that is no word."""
        before = _LITERAL_PREFIX.sub("", self._lines[number][: run.start])
        if not any(character.isalnum() for character in before):
            return ""
        return " ".join(_WORD.sub("#", before).split())

    def _regular(self, joined: _Joined, piece: Piece, octets: bytes) -> bool:
        """Whether the lines look like one text that was wrapped, not like a message cut short and something else."""
        widths = [len(run.symbols) for run in joined.runs]
        if all(map(self._lines.is_part, joined.lines[1:])):
            return True
        shapes = {self._shape(number, run) for number, run in zip(joined.lines[1:], joined.runs[1:], strict=True)}
        if shapes != {""} and (len(set(widths[:-1])) > 1 or widths[-1] > widths[0]):
            return False
        narrow = self._notation.octets(joined.runs[0].symbols[: 2 * _DUMP_WIDTH + 2])
        return piece.end == len(octets) or len(widths) > 2 or len(narrow) <= _DUMP_WIDTH

    def _speak_for(self, joined: _Joined, phase: int, end: int) -> None:
        last, symbol = joined.at(self._symbol(end))
        for position, (number, run) in enumerate(zip(joined.lines, joined.runs, strict=True)):
            used = len(run.symbols) if position < last else symbol + (phase if position == 0 else 0)
            if position <= last:
                self._used[number, run.start] = max(used, self._used.get((number, run.start), 0))

    # ------------------------------------------------------------------------------------- beside messages, and places

    def _beside(self, joined: _Joined, phase: int, outcome: Piece | Broken, octets: bytes = b"") -> Iterator[Fault]:
        """What stands beside a whole message and was to be octets: half of one, the rest of a spoilt MAC header."""
        if isinstance(outcome, Broken):
            return
        line, run = self._lines[joined.lines[0]], joined.runs[0]
        if self._notation.width == 2 and not self._lines.is_part(joined.lines[0]):
            stray = _STRAY.search(line, 0, run.start)
            if phase and not line[run.start - 1 : run.start].isalnum():
                yield Fault(Place(joined.lines[0] + 1, run.start), _HALF.format(run.symbols[0], "before"), _HALF_WHAT)
            elif stray:
                yield Fault(Place(joined.lines[0] + 1, stray.start()), _HALF.format(stray[1], "before"), _HALF_WHAT)
        yield from self._half_at_the_end(joined)
        octets = octets or self._notation.octets("".join(joined.symbols))
        if octets[outcome.start] == 0xDF and octets[: outcome.start].endswith(_SECURITY_HEADER):
            place = self._place(joined, phase, outcome.start - len(_SECURITY_HEADER))
            yield Fault(
                place, "what ends here is not one from DD on, so the MAC is unknown", "the MAC header of a message"
            )

    def _half_at_the_end(self, joined: _Joined) -> Iterator[Fault]:
        """One symbol too many: the symbols of ``joined`` begin where its first octet does."""
        if sum(map(len, joined.symbols)) % self._notation.width != 1 or self._lines.is_part(joined.lines[-1] + 1):
            return
        number, run = joined.lines[-1], joined.runs[-1]
        _, column = run.marks[-1]
        if self._lines[number][column - 1 : column] not in _PREFIX_ENDS:
            yield Fault(Place(number + 1, run.end - 1), _HALF.format(run.symbols[-1], "after"), _HALF_WHAT)

    def _told(
        self, joined: _Joined, phase: int, outcome: Piece | Broken, last: int, octets: bytes = b""
    ) -> Taken | Fault:
        start = self._place(joined, phase, outcome.start)
        if isinstance(outcome, Broken):
            return Fault(start, outcome.reason)
        octets = octets or self._notation.octets("".join(joined.symbols))
        end = self._place(joined, phase, outcome.end - 1)
        end = Place(end.line, end.column + 1)
        in_part = self._lines.is_part(joined.lines[0]) or self._lines.is_part(joined.lines[-1] + 1)
        return Taken(start, end, outcome.octets, outcome.start - last, len(octets) - outcome.end, in_part)

    def _place(self, joined: _Joined, phase: int, octet: int) -> Place:
        number, symbol = joined.at(self._symbol(octet))
        run = joined.runs[number]
        symbol += phase if number == 0 else 0
        mark, column = run.marks[bisect_right(run.marks, (symbol, 1 << 60)) - 1]
        return Place(joined.lines[number] + 1, column + symbol - mark)
