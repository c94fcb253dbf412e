"""A text as a reader sees it, line for line: what is on a line beside octets, and would be taken for some, made blank.

Marks that nobody sees go, tags and references of pages become what they show, the numbers that count rows are blank,
records of Intel HEX, S-records and uuencode become the octets that they carry.  A record whose checksum is wrong
becomes nothing that could be read.

Must not live here: how octets are written (``notations``), finding messages (``text``).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

__all__ = ["plain"]

_UNSEEN = re.compile(
    r"\x1b\[[0-?]{0,40}[ -/]{0,4}[@-~]|\x1b\][^\x07\x1b\r\n]{0,400}(?:\x07|\x1b\\)|\x1b[@-Z\\^_]"  # ECMA-48
    r"|[\u00ad\u200b-\u200f\u2060\ufeff]"
)
_CELLS = re.compile(r"</?(?:td|th|tr)(?:[ \t/][^<>\r\n]{0,200})?>", re.IGNORECASE)
_INLINE = re.compile(
    r"(?:</?(?:b|br|code|div|em|font|i|p|pre|span|strong|tt|wbr)(?:[ \t/][^<>\r\n]{0,200})?>[ \t]?)+", re.IGNORECASE
)
_ELEMENT = re.compile(  # an element that holds one octet: elements of other sizes stay, so that nothing runs together
    r"<(?P<name>[A-Za-z_][\w.:-]{0,60})(?:\s[^<>\r\n]{0,100})?>\s{0,8}(?P<octet>(?:0[xX])?[0-9A-Fa-f]{1,3})\s{0,8}</(?P=name)>"
)
_SHOWN = {
    "&nbsp;": " ",
    "&#160;": " ",
    "&#xa0;": " ",
    "&#xA0;": " ",
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&amp;": "&",
}
_REFERENCE = re.compile("|".join(_SHOWN))
_PERCENT_BLANKS = re.compile(r"(?<![0-9A-Fa-f%])[0-9A-Fa-f]{2}(?:%20[0-9A-Fa-f]{2}){8,}+(?![0-9A-Fa-f])")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_ANY_FULL_WIDTH = re.compile(r"[\uff01-\uff5e]")

_ROW = re.compile(
    r"^[^\S\r\n]*(?:[\w./-]{1,80}\.\w{1,8}:)?(?:\w{0,40}\[)?(?P<number>[0-9A-Fa-f]{1,3})"
    r"(?P<apart>\]?[^\S\r\n]*[\t:=,;|)>][^\S\r\n]*|[^\S\r\n]+)(?=[0-9A-Za-z\"'$\\<-])(?P<rest>[^\r\n]*)",
    re.MULTILINE,
)
# A number of four digits or more is told from octets by its width; that is how the dumps of stock tools are read.
_STEPS = frozenset((1, 4, 6, 7, 8, 10, 12, 16, 20, 24, 32, 64))  # octets that rows of dumps have; 1 counts the rows
_BETWEEN = re.compile(r"(?<=[0-9A-Fa-f])[^0-9A-Za-z]+(?=[0-9A-Fa-f])")
_FEWEST, _FEWEST_OF_A_PART = 3, 4  # rows by which a count is known; of one that begins neither with 0 nor with 1

_INTEL = re.compile(r"^[^\S\r\n]*:(?P<record>(?:[0-9A-Fa-f]{2}){5,})[^\S\r\n]*$", re.MULTILINE)
_MOTOROLA = re.compile(r"^[^\S\r\n]*S(?P<kind>[0-9])(?P<record>(?:[0-9A-Fa-f]{2}){3,})[^\S\r\n]*$", re.MULTILINE)
_ADDRESS = {"1": 2, "2": 3, "3": 4}  # octets of the address of an S-record with data, by its kind
_UU = re.compile(r"^begin [0-7]{3,4} [^\r\n]*\r?\n(?P<body>(?:[ -`]{1,62}\r?\n)+?)end[^\S\r\n]*$", re.MULTILINE)


def plain(text: str) -> str:
    """The text in that form: as many lines as before, and columns stay but where tags or marks were."""
    for found, rule in _RULES:
        if found.search(text):
            text = rule(text)
    return text


def _without_tags(text: str) -> str:
    text = _ELEMENT.sub(lambda found: f"|{found['octet']}|", text)
    return _INLINE.sub(" ", _CELLS.sub("|", text))


# ------------------------------------------------------------------------------------------------- numbers of rows


def _without_row_numbers(text: str) -> str:
    """The text with blanks for the numbers, in base 10 or 16, that count its rows or the octets in them."""
    pieces, at = [], 0
    for block in _blocks(text):
        for row in _counted(block, 10) or _counted(block, 16):
            pieces += [text[at : row.start("number")], " " * len(row["number"])]
            at = row.end("number")
    return "".join([*pieces, text[at:]]) if pieces else text


def _blocks(text: str) -> Iterator[list[re.Match[str]]]:
    """Rows that follow on one another and begin with a number."""
    block: list[re.Match[str]] = []
    for row in _ROW.finditer(text):
        if block and (row.start() - block[-1].end() > len("\r\n") or _apart(row) != _apart(block[-1])):
            yield block
            block = []
        block.append(row)
    if block:
        yield block


def _apart(row: re.Match[str]) -> str:
    return row["apart"].strip(" ")


def _counted(block: list[re.Match[str]], base: int) -> list[re.Match[str]]:
    """The rows of a block whose numbers, in that base, go up by what rows of dumps have, or by one."""
    if len(block) == 1 or (base == 10 and not all(row["number"].isdecimal() for row in block)):
        return []
    numbers = [int(row["number"], base) for row in block]
    steps = [after - before for before, after in pairwise(numbers)]
    rows: list[re.Match[str]] = []
    start = 0
    for end in range(1, len(block) + 1):
        if end < len(block) and steps[end - 1] == steps[start] and steps[start] in _STEPS:
            continue
        if end - start >= _fewest(block[start], numbers[start]):
            rows += block[start:end]
        start = end
    return rows


def _fewest(row: re.Match[str], first: int) -> int:
    """How many rows must count before nobody can take their numbers for octets of a message."""
    between = _BETWEEN.search(row["rest"])
    if _apart(row) and between is not None and between.group().strip(" ") != _apart(row):
        return 2
    return _FEWEST if first in (0, 1) else _FEWEST_OF_A_PART


# ------------------------------------------------------------------------------------------------------- records


def _records(pattern: re.Pattern[str], read: Callable[[re.Match[str]], str | None]) -> Callable[[str], str]:
    """Put what ``read`` makes of a record in its place; None leaves it."""

    def rule(text: str) -> str:
        def put(found: re.Match[str]) -> str:
            data = read(found)
            return found.group() if data is None else data

        return pattern.sub(put, text)

    return rule


def _record(digits: str, ahead: int, *, behind: int = 2, carries: bool, sound: bool) -> str:
    """The digits of a record's data where they stood; marks that are no digits where its checksum says otherwise."""
    data = digits[ahead : len(digits) - behind]
    shown = (data if sound else "?" * len(data)) if carries else ""
    return " " * ahead + shown.ljust(len(data)) + " " * behind


def _intel(found: re.Match[str]) -> str | None:
    octets = bytes.fromhex(found["record"])
    if octets[0] + 5 != len(octets):
        return None
    return "  " + _record(found["record"], 8, carries=octets[3] == 0, sound=sum(octets) % 256 == 0)


def _motorola(found: re.Match[str]) -> str | None:
    octets = bytes.fromhex(found["record"])
    if octets[0] + 1 != len(octets):
        return None
    ahead = 2 + 2 * _ADDRESS.get(found["kind"], 0)
    return "  " + _record(found["record"], ahead, carries=found["kind"] in _ADDRESS, sound=sum(octets) % 256 == 0xFF)


def _uu(found: re.Match[str]) -> str:
    lines = []
    for line in found["body"].splitlines():
        try:
            lines.append(binascii.a2b_uu(line).hex())
        except binascii.Error:
            lines.append("?" * len(line))
    return "\n".join(["", *lines, ""])


_RULES: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (_UNSEEN, lambda text: _UNSEEN.sub("", text)),
    (_ANY_FULL_WIDTH, lambda text: text.translate(_FULL_WIDTH)),
    (re.compile("</"), _without_tags),
    (re.compile("<[bB][rR]"), _without_tags),
    (_REFERENCE, lambda text: _REFERENCE.sub(lambda found: _SHOWN[found.group()], text)),
    (re.compile("%20"), lambda text: _PERCENT_BLANKS.sub(lambda found: found.group().replace("%20", " "), text)),
    (_INTEL, _records(_INTEL, _intel)),
    (_MOTOROLA, _records(_MOTOROLA, _motorola)),
    (re.compile("^begin [0-7]", re.MULTILINE), lambda text: _UU.sub(_uu, text)),
    (_ROW, _without_row_numbers),
)
"""What must be found in a text for a rule to apply, and the rule."""
