"""``rig gbcs decode``: messages in words, and what of them was verified.

Must not live here: reading (``reading``), finding messages in files (``sources``), words (``words``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from devices.wire.errors import WireError
from rig.exits import Exit
from rig.gbcs.corpus import KEYS_FILE, CorpusError, load_keys
from rig.gbcs.layout import layout
from rig.gbcs.reading import Keys, PartReading, read_as_far_as_possible
from rig.gbcs.sources import Found, SourceError, messages
from rig.gbcs.words import describe

__all__ = ["add_parser", "run"]

_LEFT_OUT = 1
_LONGEST_NAME = 200  # of what is repeated from the command line in an error

Words = dict[str, Any]


def add_parser(subparsers: Any) -> None:
    """Mount ``gbcs decode`` below the subparsers of ``rig``; the handler is left in ``handler``."""
    group = subparsers.add_parser(
        "gbcs", help="show GBCS messages in words", epilog="example: rig gbcs decode meter.log"
    )
    verbs = group.add_subparsers(dest="verb", required=True, metavar="decode")
    parser = verbs.add_parser(
        "decode",
        help="decode messages from text in any form, from captures, from folders",
        description="Decode GBCS messages: who to whom, the payload down to the value, and what was verified. Octets "
        "may be written as hexadecimal digits, base64, arrays of any language, strings with escapes or dumps, in logs "
        "and documents; captures (pcap, pcapng) may be of 802.15.4, of ZEP over UDP, or of exported messages. "
        "Exit status 0: everything was decoded; 1: something was left out, and is named; 252: there is nothing to "
        "decode.",
        epilog="examples: rig gbcs decode meter.log; rig gbcs decode --keys EVIDENCE ether.pcapng links.pcapng",
    )
    parser.add_argument(
        "message",
        nargs="*",
        default=["-"],
        metavar="HEX|FILE|DIR|-",
        help="a message, a file, a folder (every file in it), or - for standard input, which is also the default",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a message, one a line")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="a folder with keys.json to verify and decrypt with")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """``rig gbcs decode``: returns the exit status."""
    try:
        keys = load_keys(arguments.keys) if arguments.keys is not None else None
    except CorpusError as fault:
        return _complain(str(fault))
    report = _Report(keys, as_json=arguments.json)
    given = arguments.message
    for text in given:
        for source in _sources(text):
            report.add(source, named=len(given) > 1 or isinstance(source, Path))
    return report.status


def _complain(reason: str) -> int:
    print(f"rig gbcs decode: {reason}", file=sys.stderr)
    return Exit.MISUSE


class _Report:
    """What was decoded so far, printed as it comes, and what came of all of it."""

    def __init__(self, keys: Keys | None, *, as_json: bool) -> None:
        self._keys, self._json = keys, as_json
        self._shown = self._refused = self._left_out = 0

    @property
    def status(self) -> int:
        if not self._shown and not self._left_out:
            return Exit.MISUSE
        return _LEFT_OUT if self._left_out or self._refused else Exit.GOOD

    def add(self, source: str | Path, *, named: bool) -> None:
        """Decode what one file, text or standard input holds."""
        try:
            data, name = _given(source)
            given = messages(data, name)
        except SourceError as fault:
            self._refused += 1
            _complain(str(fault))
            return
        place = f"{name}: " if named else ""
        for one in given.found:
            self._message(one, place)
        for reason in given.left_out:
            self._left_out += 1
            _complain(f"left out: {place}{reason}")
        for note in given.notes:
            _complain(f"{place}{note}")

    def _message(self, found: Found, place: str) -> None:
        where = f"{place}{found.where or ''}".removesuffix(": ") or None
        try:
            reading = read_as_far_as_possible(found.octets, self._keys)
        except WireError as fault:
            self._left_out += 1
            _complain(f"left out: {where or 'the message'}: {fault}")
            return
        words = describe(reading, found.octets, where) | {"octets_before": found.before, "octets_after": found.after}
        if found.at_least:
            words["octets_beside"] = "at least"
        if isinstance(reading, PartReading):
            self._left_out += 1
        if self._json:
            print(json.dumps(words))
        else:
            print(("\n" if self._shown else "") + layout(words))
        self._shown += 1


def _sources(text: str) -> Iterator[str | Path]:
    """The files of a folder, or what was given itself."""
    try:
        folder = Path(text)
        if text.strip() and folder.is_dir():
            files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != KEYS_FILE)
            yield from files
            if files:
                return
    except (OSError, ValueError):
        pass
    yield text


def _given(source: str | Path) -> tuple[bytes, str]:
    """What to decode and what to call it: standard input, the file of that name, or the text itself."""
    text = str(source)
    if text == "-":
        return sys.stdin.buffer.read(), "standard input"
    if not text.strip():
        raise SourceError("there is nothing to decode; give a message in hexadecimal digits, or the name of a file")
    path = Path(text)
    try:
        if path.is_file():
            return path.read_bytes(), text
        if path.is_dir():
            raise SourceError(f"{text} is a folder without files; name one that holds some")
    except OSError as fault:
        # A long hexadecimal text is no possible file name; everything else is a file that won't open.
        if len(text) <= _LONGEST_NAME:
            raise SourceError(f"{text} cannot be read: {fault.strerror or fault}; check the file")
    if "/" in text or "." in text:
        raise SourceError(f"there is no file {text[:_LONGEST_NAME]}; check its name, or give hexadecimal digits")
    return text.encode("utf-8", "surrogateescape"), "the message" if len(text) > _LONGEST_NAME else repr(text)
