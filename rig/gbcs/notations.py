"""The ways in which people and tools write octets as text, as a table: a line in, runs with their columns out.

A run is what one notation makes of a stretch of a line: groups with one separator and one width, so that an offset, a
time stamp, or the column of characters beside a dump is no part of it.  What a run holds is its ``symbols``:
hexadecimal digits, or the characters of base64.

Must not live here: joining runs of several lines and finding messages in them (``text``).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

__all__ = ["NOTATIONS", "Notation", "Run", "shows"]


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of a line between two columns; ``marks`` say which symbol stands at which column."""

    start: int
    end: int
    symbols: str
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Notation:
    """One way of writing octets.

    ``gate`` is found in every line in which a message may begin.  ``octets`` reads symbols, from the first of them on;
    ``width`` symbols (of base64: 4) are ``share`` octets (of base64: 3), and a message may begin at any of them.
    """

    name: str
    gate: re.Pattern[str]
    runs: Callable[[str], list[Run]]
    octets: Callable[[str], bytes]
    width: int = 2
    share: int = 1


# --------------------------------------------------------------------------------------------------- groups of digits

Token = tuple[int, int, str]  # from column, to column, the digits of its octets

_GAP = re.compile(r"[\s,;:|_\-/'\"+%=<>\[\](){}&.$#\\]{1,10}")
_IN_STAMPS = (":", "-", ".", "/")
_LONGEST_WORD = 16  # digits of a group that a dump prints; a longer one is a text of its own
_WIDEST_ROW = 64  # groups in a row of a dump
_FULL_ROWS = (8, 16, 32)  # groups after which one blank sets the characters apart, as PowerShell has it
_BLOB = 68  # digits of the shortest message
_PREFIXES = re.compile(
    r"\((?:byte|char|signed char|unsigned char|u?int8_t|u8)\)"  # casts
    r"|0[xX](?=[0-9A-Fa-f])|\\+x(?=[0-9A-Fa-f]{2})|&#[xX](?=[0-9A-Fa-f])|[%$#](?=[0-9A-Fa-f]{2}(?![0-9A-Za-z]))"
    r"|&[hH](?=[0-9A-Fa-f]{1,2}(?![0-9A-Za-z]))"  # BASIC
    r"|%(?=[0-9A-Fa-f]{2}%)|\b16#(?=[0-9A-Fa-f]+#)|(?<=[0-9A-Fa-f]{2})#"
    r"|(?<=[0-9A-Fa-f])(?:[hH]|_?[uU]8|[uU][lL]{0,2})(?![0-9A-Za-z])"
)
_HEX = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]++(?![0-9A-Za-z])|[0-9A-Fa-f]{24,}+")
_SHORT = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{1,2}(?![0-9A-Za-z])")
_DECIMAL = re.compile(r"(?<![0-9A-Za-z.-])-?[0-9]{1,3}(?![0-9A-Za-z])")
_OCTAL = re.compile(r"(?<![0-9A-Za-z])[0-3][0-7]{2}(?![0-9A-Za-z])")
_OCTAL_WORD = re.compile(r"(?<![0-9A-Za-z])[01][0-7]{5}(?![0-9A-Za-z])")
_BITS = re.compile(r"(?<![0-9A-Za-z])(?:0b)?[01]{8}(?![0-9A-Za-z])")
_DECIMAL_EXTRAS = re.compile(r"\((?:byte|char)\)|\"[0-9]+\"\s*:\s*(?=-?[0-9]{1,3}\b)|(?<=[0-9])[uU]8\b")


def _blanked(line: str, pattern: re.Pattern[str]) -> str:
    """The line with what matches made blank, so that columns stay."""
    return pattern.sub(lambda found: " " * len(found.group()), line) if pattern.search(line) else line


def _hex_tokens(line: str) -> Iterator[Token]:
    for found in _HEX.finditer(line):
        yield found.start(), found.end(), found.group()


def _short_tokens(line: str) -> Iterator[Token]:
    for found in _SHORT.finditer(line):
        yield found.start(), found.end(), found.group().rjust(2, "0")


def _digit_tokens(line: str) -> Iterator[Token]:
    return (token for token in _hex_tokens(line) if len(token[2]) == 1)


def _number_tokens(line: str, pattern: re.Pattern[str], base: int, size: int = 1) -> Iterator[Token]:
    """Numbers, of ``size`` octets each, least significant first; signed ones where they are below 0."""
    for found in pattern.finditer(line):
        number = int(found.group(), base)
        if -128 <= number < 1 << 8 * size:
            yield found.start(), found.end(), (number % (1 << 8 * size)).to_bytes(size, "little").hex()


def _decimal(line: str) -> Iterator[Token]:
    return _number_tokens(line, _DECIMAL, 10)


def _octal(line: str) -> Iterator[Token]:
    return _number_tokens(line, _OCTAL, 8)


def _octal_words(line: str) -> Iterator[Token]:
    return _number_tokens(line, _OCTAL_WORD, 8, 2)


def _bit_tokens(line: str) -> Iterator[Token]:
    for found in _BITS.finditer(line):
        yield found.start(), found.end(), f"{int(found.group()[-8:], 2):02x}"


def _in_groups(
    tokens: Callable[[str], Iterable[Token]], blank: re.Pattern[str] = _PREFIXES, *, even: bool = True
) -> Callable[[str], list[Run]]:
    def runs(line: str) -> list[Run]:
        plain = _blanked(line, blank)
        return _grouped(line, plain, tokens(plain), even)

    return runs


def _grouped(line: str, plain: str, tokens: Iterable[Token], even: bool) -> list[Run]:
    """Runs of tokens with one separator between them and, of ``even`` ones, one width; the last may be narrower.

    ``plain`` is the line without prefixes.
    """
    runs: list[list[Token]] = []
    key: str | None = None
    closed = True
    for token in tokens:
        current = runs[-1] if runs else []
        gap = plain[current[-1][1] : token[0]] if current else ""
        bare = "".join(gap.split())
        width, first = len(token[2]), len(current[0][2]) if current else 0
        fits = not even or width == first or (width < first <= _LONGEST_WORD and len(current) > 1)
        if closed or not (fits and _joins(gap)) or _is_characters(line, current, token):
            runs.append([token])
            key, closed = None, False
            continue
        if key is not None and bare != key:
            # "11:12 dd 00" begins a run with dd, and so do "12 dd:00" and "[76]={dd,00": a time of day binds most
            runs.append([current[-1], token] if len(current) == 2 and key not in _IN_STAMPS else [token])
            key = bare if len(runs[-1]) == 2 else None
            continue
        current.append(token)
        key = bare if key is None else key
        closed = even and width < first
    return [_run(tokens) for tokens in runs]


def _joins(gap: str) -> bool:
    """Whether what stands between two groups is a separator; a colon with a blank ends a label, such as an offset."""
    return _GAP.fullmatch(gap) is not None and not (":" in gap and gap != ":")


def _run(tokens: list[Token]) -> Run:
    marks, at = [], 0
    for start, _, digits in tokens:
        marks.append((at, start))
        at += len(digits)
    return Run(tokens[0][0], tokens[-1][1], "".join(digits for _, _, digits in tokens), tuple(marks))


def _is_characters(line: str, before: list[Token], token: Token) -> bool:
    """Whether from ``token`` on stands the column of a dump that shows the octets before it as characters."""
    gap = line[before[-1][1] : token[0]]
    if len(gap) < 2 and len(before) not in _FULL_ROWS:  # the usual case first: this is asked of every group
        return False
    if not gap.isspace() or len(before) > _WIDEST_ROW:
        return False
    digits = "".join(group for _, _, group in before)
    return len(digits) % 2 == 0 and shows(line[token[0] :].rstrip(), bytes.fromhex(digits))


def shows(text: str, octets: bytes) -> bool:
    """Whether a text is what a dump prints of octets as characters."""
    padded = text.ljust(len(octets))  # what prints as blanks at the end is often cut off
    return len(padded) == len(octets) and all(
        c == chr(octet) if 0x20 <= octet < 0x7F else not (c.isascii() and c.isalnum())
        for c, octet in zip(padded, octets, strict=True)
    )


def _field_tokens(line: str) -> Iterator[Token]:
    """Groups of any width: a message whose fields somebody set apart.  A long group stands for itself."""
    return (token for token in _hex_tokens(line) if len(token[2]) < _BLOB)


def _word_tokens(width: int) -> Callable[[str], Iterator[Token]]:
    def tokens(line: str) -> Iterator[Token]:
        """Words of ``width`` digits, the least significant octet first: what hexdump and od print of themselves."""
        words = [token for token in _hex_tokens(line) if len(token[2]) <= width]
        if any(len(digits) == width for _, _, digits in words):
            yield from ((start, end, _swapped(digits)) for start, end, digits in words)

    return tokens


def _swapped(digits: str) -> str:
    return bytes.fromhex(digits)[::-1].hex() if len(digits) % 2 == 0 else digits


# ------------------------------------------------------------------------------------------------------------- escapes

_NAMED = {"0": 0, "a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "e": 27}


@dataclass(frozen=True, slots=True)
class _Escapes:
    """Octets as text, those that don't print written as escapes; ``pattern`` has the groups hex or code, number (in
    ``base``), name, or plain."""

    pattern: re.Pattern[str]
    stop: str = ""
    base: int = 8

    def octet(self, found: re.Match[str]) -> int:
        kind, text = found.lastgroup, found.group(found.lastgroup or 0)
        if kind in ("hex", "code"):
            return int(text, 16)
        if kind == "number":
            return int(text, self.base)
        if kind == "name":
            return _NAMED.get(text, ord(text))
        return 0x20 if self.stop and text == "+" else ord(text)


_NUMBERED = r"(?:x(?P<hex>[0-9A-Fa-f]{2})|u00(?P<code>[0-9A-Fa-f]{2})|(?P<number>[0-3]?[0-7]{1,2})|(?P<name>[^xu0-7]))"
_ESCAPES = {
    "backslash": _Escapes(re.compile(r"\\" + _NUMBERED + r"|(?P<plain>[ -~])")),
    "backslashes": _Escapes(re.compile(r"\\\\" + _NUMBERED + r"|(?P<plain>[ -~])")),
    "percent": _Escapes(re.compile(r"%(?P<hex>[0-9A-Fa-f]{2})|(?P<plain>[!-~])"), stop="&"),
    "quoted-printable": _Escapes(re.compile(r"=(?P<hex>[0-9A-Fa-f]{2})|(?P<plain>[ -<>-~])")),
    "entities": _Escapes(
        re.compile(r"&#(?:[xX](?P<hex>[0-9A-Fa-f]{1,2})|(?P<number>[0-9]{1,3}));|(?P<plain>[ -%'-;=-~])"), base=10
    ),
}
_IN_LITERAL = re.compile(r"\\+(?:x[0-9A-Fa-f]{2}|u00[0-9A-Fa-f]{2}|[0-7]{1,3}|[abtnvfre\\'\"/])")
_BEGINS = {
    "backslash": _IN_LITERAL,
    "backslashes": _IN_LITERAL,
    "percent": re.compile(r"%[0-9A-Fa-f]{2}"),
    "quoted-printable": re.compile("^"),
    "entities": re.compile(r"&#[0-9xX]"),
}
"""Where a run begins: at the first escape of its literal, of its line in quoted-printable."""


def _escaped(style: str) -> Callable[[str], list[Run]]:
    rule, begins = _ESCAPES[style], _BEGINS[style]

    def runs(line: str) -> list[Run]:
        found: list[Run] = []
        at = 0
        while first := begins.search(line, at):
            start, end = (
                _within_quotes(line, first.start()) if style.startswith("backslash") else (first.start(), len(line))
            )
            tokens: list[Token] = []
            at = start
            while at < end and (match := rule.pattern.match(line, at)) is not None:
                if rule.stop and match.group() in rule.stop:
                    break
                tokens.append((at, match.end(), f"{rule.octet(match) & 0xFF:02x}"))
                at = match.end()
            if tokens:
                found.append(_run(tokens))
            at = max(at + 1, first.end())
        return found

    return runs


def _within_quotes(line: str, at: int) -> tuple[int, int]:
    """From where to where the literal runs in which the escape at ``at`` stands; from there to the end if in none."""
    opening = max(line.rfind('"', 0, at), line.rfind("'", 0, at))
    if opening < 0:
        return at, len(line)
    quote, end = line[opening], opening + 1
    while end < len(line) and line[end] != quote:
        end += 2 if line[end] == "\\" else 1
    return opening + 1, min(max(end, at), len(line))


# ---------------------------------------------------------------------------------------------------- od -c, base64

_CELL = re.compile(r"\\(?P<name>[0abtnvfr])|(?P<number>[0-7]{3})|(?P<plain>[ -~])")


def _cells(line: str) -> list[Run]:
    """What ``od -c`` and ``hexdump -c`` print: an offset, then a cell of four columns for each octet."""
    offset = re.match(r"[0-9A-Fa-f]{7,8}(?= )", line)
    if offset is None:
        return []
    tokens = []
    for start in range(offset.end(), len(line), 4):
        cell = _CELL.fullmatch(line[start : start + 4].strip() or " ")
        if cell is None or not line[start : start + 4]:
            return []
        kind, text = cell.lastgroup, cell.group(cell.lastgroup or 0)
        octet = _NAMED[text] if kind == "name" else int(text, 8) if kind == "number" else ord(text)
        tokens.append((start, start + 4, f"{octet & 0xFF:02x}"))
    return [_run(tokens)] if tokens else []


_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+")
_WRITTEN = (
    (re.compile(r"\\/"), "/"),
    (re.compile(r"\\u002[bB]|%2[bB]|&#43;|&#[xX]2[bB];"), "+"),
    (re.compile(r"\\u002[fF]|%2[fF]|&#47;|&#[xX]2[fF];"), "/"),
    (re.compile(r"\\u003[dD]|%3[dD]|=3D|&#61;"), "="),
    (re.compile(r"(?:\\+[rn]|&#(?:1[03]|[xX]0?[aAdD]);|%0[aAdD])+"), ""),
)
_ASCII_DIGITS = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_STANDARD = str.maketrans("-_", "+/")


def _base64_runs(line: str) -> list[Run]:
    if "\\" in line or "&#" in line or "%" in line or "=3D" in line:
        for pattern, plain in _WRITTEN:
            line = pattern.sub(plain, line)
    tokens = [(found.start(), found.group()) for found in _BASE64.finditer(line)]
    return [
        Run(start, start + len(text), text, ((0, start),))
        for number, (start, text) in enumerate(tokens, 1)
        if len(text) >= 8 or number == len(tokens) or not line[:start].strip()
    ]


def _from_base64(symbols: str) -> bytes:
    symbols = symbols[: -1 if len(symbols) % 4 == 1 else None].translate(_STANDARD)
    return binascii.a2b_base64(symbols + "=" * (-len(symbols) % 4))


def _from_hex_of_hex(symbols: str) -> bytes:
    """Digits of the characters of digits."""
    return _from_characters(_from_hex(symbols))


def _from_base64_of_hex(symbols: str) -> bytes:
    return _from_characters(_from_base64(symbols))


def _from_characters(characters: bytes) -> bytes:
    """As many octets as the first characters are digits of."""
    digits = _ASCII_DIGITS.match(characters)
    return bytes.fromhex(digits.group().decode()) if digits else b""


def _from_hex(symbols: str) -> bytes:
    return bytes.fromhex(symbols[: len(symbols) & ~1])


# What a line has in which a message may begin: DD and then 00 or 09, or DF and 09, or the first of them at the end of a
# row.  It must be quick, for it is looked for in all of a log, and may be wrong in finding too much.
_BETWEEN = r"(?:[^0-9A-Za-z\n]|&[hH]|0[xX]|\\+x|&#[xX]|16#|\(\w{2,13}\)|[hH](?![0-9A-Za-z])|u8){0,10}"
_ROW_ENDS = r"(?=[hH]?[^0-9A-Za-z\n]*(?:\s\s|\||$))"
_HEX_GATE = re.compile(rf"[dD][dD](?:{_BETWEEN}0[09]|{_ROW_ENDS})|[dD][fF](?:{_BETWEEN}09|{_ROW_ENDS})", re.MULTILINE)
_SHORT_GATE = re.compile(
    rf"[dD][dDfF](?:{_BETWEEN}[09](?![0-9A-Fa-f]))|(?<![0-9A-Fa-f])[dD][dDfF]{_ROW_ENDS}", re.MULTILINE
)
_WORD_GATE = re.compile(
    r"0[09][dD][dDfF]|(?<![0-9A-Fa-f])[dD][dDfF](?:[0-9A-Fa-f]{2}){1,7}\b|(?<=[0-9A-Fa-f])[dD][dDfF]\b"
)
_DECIMAL_GATE = re.compile(
    r"(?:22[13]|-3[35])(?![0-9])(?:(?:[^0-9A-Za-z\n]|\(\w+\)|\"[0-9]+\":|u8){1,12}[09](?![0-9])|\W*$)", re.MULTILINE
)
_OCTAL_GATE = re.compile(r"33[57](?:\W+0(?:00|11)|\W*$|\s+\\[0t])", re.MULTILINE)
_BINARY_GATE = re.compile(r"110111[01]1(?:\W+(?:0b)?0000[01]00[01]|\s\s|\W*$)", re.MULTILINE)
_BASE64_GATE = re.compile(r"3QAA|3Qk[BCD]|3wk[BCD]|[Ndt9](?:0AAAA|[08]J)|dAAAA|[df]CQ")
_HEX_OF_HEX_GATE = re.compile(r"[46]4(?:[46]430(?:30|39)|[46]63039)")
_BASE64_OF_HEX_GATE = re.compile("(?:ZG|RE)(?:QwMDAw|[QY]wOT)")
_APART_GATE = re.compile(r"(?<![0-9A-Za-z])[dD] (?:[dD] 0 0|[fF] 0 9) [0-9A-Fa-f] ")
_CODE = r"(?:x[dD][dDfF]|u00[dD][dDfF]|33[57])"

NOTATIONS: tuple[Notation, ...] = (
    Notation("hexadecimal", _HEX_GATE, _in_groups(_hex_tokens), _from_hex),
    Notation("hexadecimal in fields", _HEX_GATE, _in_groups(_field_tokens, even=False), _from_hex),
    Notation("hexadecimal without leading zeros", _SHORT_GATE, _in_groups(_short_tokens), _from_hex),
    Notation("words of 2 octets", _WORD_GATE, _in_groups(_word_tokens(4)), _from_hex),
    Notation("words of 4 octets", _WORD_GATE, _in_groups(_word_tokens(8)), _from_hex),
    Notation("words of 8 octets", _WORD_GATE, _in_groups(_word_tokens(16)), _from_hex),
    Notation("decimal", _DECIMAL_GATE, _in_groups(_decimal, _DECIMAL_EXTRAS), _from_hex),
    Notation("octal", _OCTAL_GATE, _in_groups(_octal), _from_hex),
    Notation("octal words", _OCTAL_WORD, _in_groups(_octal_words), _from_hex),
    Notation("binary", _BINARY_GATE, _in_groups(_bit_tokens), _from_hex),
    Notation(
        "a string with escapes", re.compile(rf"(?<!\\)\\{_CODE}(?:\\|\W*$)", re.M), _escaped("backslash"), _from_hex
    ),
    Notation("a string in a string", re.compile(rf"\\\\{_CODE}(?:\\|\W*$)", re.M), _escaped("backslashes"), _from_hex),
    Notation("percent-encoded", re.compile(r"%[dD][dDfF]%0[09]"), _escaped("percent"), _from_hex),
    Notation(
        "quoted-printable",
        re.compile(r"=D[DF]=(?:0[09]|$)", re.MULTILINE),
        _escaped("quoted-printable"),
        _from_hex,
    ),
    Notation(
        "character references",
        re.compile(r"&#(?:22[13]|[xX][dD][dDfF]);(?:&#|$)", re.M),
        _escaped("entities"),
        _from_hex,
    ),
    Notation("od -c", _OCTAL_GATE, _cells, _from_hex),
    Notation("base64", _BASE64_GATE, _base64_runs, _from_base64, 4, 3),
    Notation("hexadecimal, digits apart", _APART_GATE, _in_groups(_digit_tokens), _from_hex),
    Notation("hexadecimal of hexadecimal", _HEX_OF_HEX_GATE, _in_groups(_hex_tokens), _from_hex_of_hex, 4),
    Notation("base64 of hexadecimal", _BASE64_OF_HEX_GATE, _base64_runs, _from_base64_of_hex, 8, 3),
)
"""Every notation; where two find a message at the same place, the earlier one is believed."""
