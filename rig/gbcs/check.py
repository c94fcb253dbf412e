"""``rig corpus check DIR``: run a folder of published messages through codec and protection, and count.

A message counts as *decoded* when envelope and payload became typed objects with no octet left over and the envelope
says what the corpus says of it; as *re-encoded* when those objects give the same octets again, the payload rebuilt from
its last values.  What the corpus says of encrypted parts (offset and plaintext) is only the judge: the parts are found
from the payload's structure.

A command counts as *rebuilt* when it is built again from its named arguments (``rebuild``); one whose outcome is
success as *executed* when an emulated device acknowledges it (``execute``), and as *answered* when the response has the
shape of the published one (``answer``), if that is in the folder; its *values* are held against the published ones
where the presupposed state settles them.

Must not live here: how a message is read (``reading``), the files of a corpus (``corpus``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain, tee
from pathlib import Path
from typing import Any

from devices.machines.parts.presupposed import kinds_of
from devices.model import use_cases
from devices.trust.directory import Directory
from devices.trust.keystore import agreement_key
from devices.trust.protection import seal, sealing_parties
from devices.wire import gbcs, payload
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message
from rig.exits import Exit, counted
from rig.gbcs.answer import differing, presupposed
from rig.gbcs.corpus import CorpusError, Encrypted, Entry, load_directory, load_entries, load_keys
from rig.gbcs.execute import World, execute, unlike
from rig.gbcs.reading import Check, Keys, Reading, Verdict, read
from rig.gbcs.rebuild import difference
from rig.progress import followed

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

    def as_json(self, valid: str = "valid", expected: str = "expected") -> dict[str, int]:
        return {valid: self.valid, expected: self.expected}


@dataclass(slots=True)
class Tally:
    """The outcome of a whole check."""

    messages: int = 0
    decoded: int = 0
    reencoded: int = 0
    signatures: Count = field(default_factory=Count)
    macs: Count = field(default_factory=Count)
    decrypted: Count = field(default_factory=Count)
    rebuilt: Count = field(default_factory=Count)
    executed: Count = field(default_factory=Count)
    answered: Count = field(default_factory=Count)
    values: Count = field(default_factory=Count)
    failures: list[Failure] = field(default_factory=list)

    def judge(self, count: Count, entry: Entry, what: str, reason: str) -> None:
        """Count an entry as good, or note the reason why not."""
        if reason:
            self.failures.append(Failure(entry.name, what, reason))
        else:
            count.valid += 1

    def as_json(self) -> dict[str, Any]:
        return {
            "messages": self.messages,
            "decoded": self.decoded,
            "reencoded": self.reencoded,
            "signatures": self.signatures.as_json(),
            "macs": self.macs.as_json(),
            "decrypted": self.decrypted.as_json(),
            "rebuilt": self.rebuilt.as_json("equal", "commands"),
            "executed": self.executed.as_json("done", "commands"),
            "answered": self.answered.as_json("done", "commands"),
            "values": self.values.as_json("equal", "answers"),
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


def check(entries: Iterable[Entry], keys: Keys, directory: Directory | None = None) -> Tally:
    """Run every entry through codec and protection, and every command through building and execution.

    Without a ``directory`` no command is executed: nobody would know whose certificates a device holds.
    """
    tally = Tally()
    readings = [(entry, _check_one(entry, keys, tally)) for entry in entries]
    commands = [(entry, found.message) for entry, found in readings if found and _is_final_command(found.message)]
    for entry, message in followed(commands, len(commands), "commands built"):
        tally.rebuilt.expected += 1
        tally.judge(tally.rebuilt, entry, "rebuild", difference(message, entry.octets, keys))
    if directory is not None:
        world = World(keys, directory, kinds_of(found.message for _, found in readings if found))
        responses = _responses(readings)
        for entry, message in followed(commands, len(commands), "commands executed"):
            if entry.outcome == "SUCCESS":
                _execute_one(entry, message, world, responses, tally)
    return tally


def _is_final_command(message: Message) -> bool:
    return message.cra == CRA.COMMAND and message.signature is not None


_Responses = dict[tuple[bytes, bytes, int, int], list[Entry]]


def _responses(readings: list[tuple[Entry, Reading | None]]) -> _Responses:
    """The published responses by the command that they answer: its parties, its message code, its counter."""
    found: _Responses = {}
    for entry, reading in readings:
        if reading is not None and reading.message.cra == CRA.RESPONSE:
            message = reading.message
            key = message.recipient, message.originator, message.message_code, message.counter
            found.setdefault(key, []).append(entry)
    return found


def _reference(entry: Entry, message: Message, responses: _Responses) -> Entry | None:
    """The published response to a command; where several variants share their counters, the one of the same name."""
    found = responses.get((message.originator, message.recipient, message.message_code, message.counter), [])
    stem = entry.name.replace("COMMAND", "")
    return next((one for one in found if one.name.replace("RESPONSE", "") == stem), found[0] if found else None)


def _execute_one(
    entry: Entry,
    message: Message,
    world: World,
    responses: _Responses,
    tally: Tally,
) -> None:
    tally.executed.expected += 1
    answers = execute(message, entry.octets, world)
    first = next(answers)
    tally.judge(tally.executed, entry, "execute", first.reason)
    reference = _reference(entry, message, responses)
    if first.reading is not None and reference is not None:
        tally.answered.expected += 1
        shaped, valued = tee(chain([first], answers))
        tally.judge(tally.answered, entry, "answer", unlike(shaped, reference.octets, world.keys))
        use_case = use_cases.by_code(message.message_code)
        if use_case is not None and presupposed(use_case):
            tally.values.expected += 1
            tally.judge(tally.values, entry, "values", unlike(valued, reference.octets, world.keys, differing))


def _check_one(entry: Entry, keys: Keys, tally: Tally) -> Reading | None:
    tally.messages += 1
    tally.signatures.expected += entry.signature_key is not None
    tally.macs.expected += entry.mac_keys is not None
    tally.decrypted.expected += entry.encrypted is not None
    try:
        reading = read(entry.octets, keys, signer=entry.signature_key, mac_keys=entry.mac_keys)
    except WireError as fault:
        tally.failures.append(Failure(entry.name, "decode", str(fault)))
        return None
    if reason := _misread(entry, reading):
        tally.failures.append(Failure(entry.name, "decode", reason))
    else:
        tally.decoded += 1
    if reason := _reencoded(entry.octets, reading):
        tally.failures.append(Failure(entry.name, "re-encode", reason))
    else:
        tally.reencoded += 1
    for what, count, expected, found in (
        ("signature", tally.signatures, entry.signature_key is not None, reading.signature),
        ("MAC", tally.macs, entry.mac_keys is not None, reading.mac),
    ):
        if expected:
            tally.judge(count, entry, what, _unproved(what, found))
    reason = _misopened(entry.encrypted, reading, keys)
    if reason or entry.encrypted is not None:
        tally.judge(tally.decrypted, entry, "decryption", reason)
    return reading


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
        body = payload.encode(payload.typed(reading.message))
        whole = gbcs.encode(reading.message._replace(payload=body))
    except WireError as fault:
        return str(fault)
    if whole == octets:
        return ""
    at = next((i for i, (a, b) in enumerate(zip(whole, octets, strict=False)) if a != b), min(len(whole), len(octets)))
    return f"{len(whole)} octets instead of {len(octets)}, different from octet {at} on"


def _unproved(what: str, found: Check) -> str:
    """Why the check does not count, or nothing."""
    if found.verdict is Verdict.VALID:
        return ""
    if found.verdict is Verdict.ABSENT:
        return f"the message has no {what}"
    return found.reason or f"does not verify with {' and '.join(found.keys)}"


def _misopened(expected: tuple[Encrypted, ...] | None, reading: Reading, keys: Keys) -> str:
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
        if _sealed_again(found.plaintext, reading, keys) != found.blob:
            return f"{found.where}: encrypts to something else"
    return ""


def _sealed_again(plaintext: bytes, reading: Reading, keys: Keys) -> bytes:
    device, party, counter = sealing_parties(reading.message)
    z = keys.store.agree(agreement_key(device), keys.store.public(agreement_key(party)))
    return seal(plaintext, z, device, party, counter)


# --------------------------------------------------------------------------------------------------------- command line


def table(tally: Tally) -> str:
    """The counts as a table, and the failures below it."""
    rows = [
        ("decoded", tally.decoded, tally.messages),
        ("re-encoded", tally.reencoded, tally.messages),
        ("signatures", tally.signatures.valid, tally.signatures.expected),
        ("MACs", tally.macs.valid, tally.macs.expected),
        ("decrypted", tally.decrypted.valid, tally.decrypted.expected),
        ("rebuilt", tally.rebuilt.valid, tally.rebuilt.expected),
        ("executed", tally.executed.valid, tally.executed.expected),
        ("answered", tally.answered.valid, tally.answered.expected),
        ("values", tally.values.valid, tally.values.expected),
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
        help="decode, re-encode and verify every message of a folder, rebuild and execute every command",
        description="Decode, re-encode and verify every message of a folder (keys.json and *.jsonl); build every "
        "command again from its named arguments, and have emulated devices execute and answer it. Responses are held "
        "against the published ones, the devices' alerts are not; commands published as failing are not executed. "
        "Exit status 0: everything holds; 1: something falls short; 2: the folder cannot be used.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of the corpus")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """``rig corpus check``: returns the exit status."""
    try:
        keys = load_keys(arguments.folder)
        tally = check(load_entries(arguments.folder), keys, load_directory(arguments.folder))
    except CorpusError as fault:
        print(f"rig corpus check: {fault}", file=sys.stderr)
        return Exit.MISUSE
    if arguments.json:
        print(json.dumps(tally.as_json()))
    else:
        print(table(tally))
    return counted(len(tally.failures)) if tally.messages else Exit.NOTHING_JUDGED
