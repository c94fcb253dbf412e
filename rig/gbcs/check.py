"""``rig corpus check DIR``: run a folder of published messages through codec and protection, and count.

A message counts as *decoded* when envelope and payload became typed objects with no octet left over and the envelope
says what the corpus says of it; as *re-encoded* when those objects give the same octets again, the payload rebuilt from
its elements.  What the corpus says of encrypted parts (offset and plaintext) is only the judge: the parts are found
from the payload's structure.

Must not live here: how a message is read (``reading``), the files of a corpus (``corpus``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices.wire import gbcs, payload
from devices.wire.errors import WireError
from rig.gbcs.corpus import CorpusError, Encrypted, Entry, load_entries, load_keys
from rig.gbcs.reading import Check, Keys, Reading, Verdict, read

__all__ = ["Failure", "Tally", "add_parser", "check", "run", "table"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Which message fell short, in what, and why."""

    name: str
    what: str
    reason: str


@dataclass(slots=True)
class Count:
    """How many there should be and how many are good."""

    expected: int = 0
    valid: int = 0

    def as_json(self) -> dict[str, int]:
        return {"valid": self.valid, "expected": self.expected}


@dataclass(slots=True)
class Tally:
    """The outcome of a whole check."""

    messages: int = 0
    decoded: int = 0
    reencoded: int = 0
    signatures: Count = field(default_factory=Count)
    macs: Count = field(default_factory=Count)
    decrypted: Count = field(default_factory=Count)
    failures: list[Failure] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "messages": self.messages,
            "decoded": self.decoded,
            "reencoded": self.reencoded,
            "signatures": self.signatures.as_json(),
            "macs": self.macs.as_json(),
            "decrypted": self.decrypted.as_json(),
            "failures": [{"name": f.name, "what": f.what, "reason": f.reason} for f in self.failures],
        }


# ------------------------------------------------------------------------------------------------------------- checking

# What an entry states of its envelope, and how the same is read off a decoded message.
_FOUND: dict[str, Callable[[Reading], Any]] = {
    "message_code": lambda reading: f"0x{reading.message.message_code:04X}",
    "originator": lambda reading: reading.message.originator.hex(),
    "recipient": lambda reading: reading.message.recipient.hex(),
    "originator_counter": lambda reading: reading.message.counter,
    "payload_format": lambda reading: payload.family(reading.message.payload),
}


def check(entries: Iterator[Entry], keys: Keys) -> Tally:
    """Run every entry through codec and protection."""
    tally = Tally()
    for entry in entries:
        _check_one(entry, keys, tally)
    return tally


def _check_one(entry: Entry, keys: Keys, tally: Tally) -> None:
    tally.messages += 1
    tally.signatures.expected += entry.signature_key is not None
    tally.macs.expected += entry.mac_keys is not None
    tally.decrypted.expected += entry.encrypted is not None

    def fail(what: str, reason: str) -> None:
        tally.failures.append(Failure(entry.name, what, reason))

    try:
        reading = read(entry.octets, keys, signer=entry.signature_key, mac_keys=entry.mac_keys)
    except WireError as fault:
        fail("decode", str(fault))
        return
    if reason := _misread(entry, reading):
        fail("decode", reason)
    else:
        tally.decoded += 1
    if reason := _reencoded(entry.octets, reading):
        fail("re-encode", reason)
    else:
        tally.reencoded += 1
    for what, count, expected, found in (
        ("signature", tally.signatures, entry.signature_key is not None, reading.signature),
        ("MAC", tally.macs, entry.mac_keys is not None, reading.mac),
    ):
        if reason := _unproved(what, expected, found):
            fail(what, reason)
        elif expected:
            count.valid += 1
    if reason := _misopened(entry.encrypted, reading):
        fail("decryption", reason)
    elif entry.encrypted is not None:
        tally.decrypted.valid += 1


def _misread(entry: Entry, reading: Reading) -> str:
    for name, stated in entry.stated.items():
        got = _FOUND[name](reading)
        if isinstance(stated, str) and isinstance(got, str):
            same = stated.casefold() == got.casefold()
        else:
            same = stated == got
        if not same:
            return f"{name} should be {stated}, got {got}"
    return ""


def _reencoded(octets: bytes, reading: Reading) -> str:
    """Why message and payload do not give ``octets`` again, or nothing."""
    try:
        body = payload.encode(reading.payload)
        whole = gbcs.encode(reading.message._replace(payload=body))
    except WireError as fault:
        return str(fault)
    if whole == octets:
        return ""
    at = next((i for i, (a, b) in enumerate(zip(whole, octets, strict=False)) if a != b), min(len(whole), len(octets)))
    return f"{len(whole)} octets instead of {len(octets)}, different from octet {at} on"


def _unproved(what: str, expected: bool, found: Check) -> str:
    """Why the check does not count, or nothing: a message that names no key need not verify."""
    if not expected or found.verdict is Verdict.VALID:
        return ""
    if found.verdict is Verdict.ABSENT:
        return f"the message has no {what}"
    return found.reason or f"does not verify with {' and '.join(found.keys)}"


def _misopened(expected: tuple[Encrypted, ...] | None, reading: Reading) -> str:
    if expected is None:
        return f"{len(reading.sealed)} encrypted parts that the corpus does not know" if reading.sealed else ""
    if len(expected) != len(reading.sealed):
        return f"{len(reading.sealed)} encrypted parts found, {len(expected)} expected"
    for part, found in zip(expected, reading.sealed, strict=True):
        if found.plaintext is None:
            return f"{found.where}: {found.check.reason}"
        if found.plaintext != part.plaintext:
            return f"{found.where}: decrypts to something else than the corpus says"
        if reading.message.payload[part.offset : part.offset + part.length] != found.blob:
            return f"{found.where}: is not the part that the corpus names at octet {part.offset}"
    return ""


# --------------------------------------------------------------------------------------------------------- command line


def table(tally: Tally) -> str:
    """The counts as a table, and the failures below it."""
    rows = [
        ("decoded", tally.decoded, tally.messages),
        ("re-encoded", tally.reencoded, tally.messages),
        ("signatures", tally.signatures.valid, tally.signatures.expected),
        ("MACs", tally.macs.valid, tally.macs.expected),
        ("decrypted", tally.decrypted.valid, tally.decrypted.expected),
    ]
    lines = [f"{tally.messages} messages", "", f"{'':<12}{'good':>8}{'expected':>10}"]
    lines += [f"{name:<12}{good:>8}{wanted:>10}{'' if good == wanted else '   short'}" for name, good, wanted in rows]
    if tally.failures:
        lines += ["", f"{len(tally.failures)} failures:"]
        lines += [f"  {failure.name}: {failure.what}: {failure.reason}" for failure in tally.failures]
    return "\n".join(lines)


def add_parser(subparsers: Any) -> None:
    """Mount ``corpus check`` below the subparsers of ``rig``; the handler is left in ``handler``."""
    corpus = subparsers.add_parser("corpus", help="run published messages through the codecs and their protection")
    verbs = corpus.add_subparsers(dest="verb", required=True, metavar="check")
    parser = verbs.add_parser(
        "check",
        help="decode, re-encode and verify every message of a folder",
        description="Decode, re-encode and verify every message of a folder (keys.json and *.jsonl). "
        "Exit status 0: everything holds; 1: something falls short; 2: the folder cannot be used.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of the corpus")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """``rig corpus check``: returns the exit status."""
    try:
        keys = load_keys(arguments.folder)
        tally = check(load_entries(arguments.folder), keys)
    except CorpusError as fault:
        print(f"rig corpus check: {fault}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(tally.as_json()))
    else:
        print(table(tally))
    return 1 if tally.failures or not tally.messages else 0
