"""``rig gbcs decode``: messages in words, and what of them was verified.

Must not live here: reading (``reading``), finding messages in files (``sources``), words (``words``).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from devices.wire.errors import WireError
from rig.exits import Exit
from rig.gbcs.corpus import CorpusError, load_keys
from rig.gbcs.layout import layout
from rig.gbcs.reading import read
from rig.gbcs.sources import SourceError, messages
from rig.gbcs.words import describe

__all__ = ["add_parser", "run"]

_LONGEST_NAME = 200  # of what is repeated from the command line in an error


def add_parser(subparsers: Any) -> None:
    """Mount ``gbcs decode`` below the subparsers of ``rig``; the handler is left in ``handler``."""
    group = subparsers.add_parser("gbcs", help="show GBCS messages in words")
    verbs = group.add_subparsers(dest="verb", required=True, metavar="decode")
    parser = verbs.add_parser(
        "decode",
        help="decode messages from hexadecimal digits, a log, or a capture",
        description="Decode GBCS messages: who to whom, the payload down to the value, and what was verified. "
        "Exit status 0: decoded; 1: some messages of a file were not; 2: nothing to decode, or it is no message.",
    )
    parser.add_argument(
        "message",
        nargs="?",
        default="-",
        metavar="HEX|FILE|-",
        help="a message in hexadecimal digits, a file (hexadecimal, log, pcap, pcapng), or - for standard input",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a message, one a line")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="a folder with keys.json to verify and decrypt with")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """``rig gbcs decode``: returns the exit status."""
    try:
        keys = load_keys(arguments.keys) if arguments.keys is not None else None
        data, name = _given(arguments.message)
        given = messages(data, name)
    except (SourceError, CorpusError) as fault:
        return _complain(str(fault))
    if given.note:
        _complain(given.note)
    described = []
    for one in given.found:
        try:
            described.append(describe(read(one.octets, keys), one.octets, one.where))
        except WireError as fault:
            _complain(
                f"the payload of the message{f' in {one.where}' if one.where else ''} is not as it should be: {fault}"
            )
    if not described:
        return Exit.MISUSE
    if arguments.json:
        print("\n".join(json.dumps(words) for words in described))
    else:
        print("\n\n".join(layout(words) for words in described))
    return 1 if given.note or len(described) < len(given.found) else 0


def _complain(reason: str) -> int:
    print(f"rig gbcs decode: {reason}", file=sys.stderr)
    return Exit.MISUSE


def _given(text: str) -> tuple[bytes, str]:
    """What to decode and what to call it: standard input, the file of that name, or the text itself."""
    if text == "-":
        return sys.stdin.buffer.read(), "standard input"
    if not text.strip():
        raise SourceError("there is nothing to decode; give a message in hexadecimal digits, or the name of a file")
    path = Path(text)
    try:
        if path.is_file():
            return path.read_bytes(), text
        if path.is_dir():
            raise SourceError(f"{text} is a folder; name a file in it")
    except OSError as fault:
        # A long hexadecimal text is no possible file name; everything else is a file that won't open.
        if len(text) <= _LONGEST_NAME:
            raise SourceError(f"{text} cannot be read: {fault.strerror or fault}; check the file")
    if "/" in text or "." in text:
        raise SourceError(f"there is no file {text[:_LONGEST_NAME]}; check its name, or give hexadecimal digits")
    return text.encode("utf-8", "surrogateescape"), "the message" if len(text) > _LONGEST_NAME else repr(text)
