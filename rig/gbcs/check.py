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
from itertools import chain, tee
from pathlib import Path
from typing import Any

from devices.machines.parts.presupposed import kinds_of
from devices.model import use_cases
from devices.trust.directory import Directory
from devices.trust.errors import TrustError
from devices.trust.keystore import agreement_key
from devices.trust.protection import mac_parties, seal, sealing_parties
from devices.wire import gbcs, payload
from devices.wire.errors import DecodeError, WireError
from devices.wire.gbcs import CRA, Message
from rig.exits import Exit, counted
from rig.gbcs.answer import differing, presupposed
from rig.gbcs.corpus import CorpusError, Encrypted, Entry, load_directory, load_entries, load_keys
from rig.gbcs.execute import World, execute, unlike
from rig.gbcs.reading import Check, Keys, Reading, Verdict, read, unpublished
from rig.gbcs.rebuild import difference
from rig.gbcs.tally import Failure, Tally, table
from rig.progress import followed

__all__ = ["add_parser", "check", "run"]


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
        tally.judge(tally.rebuilt, entry, "rebuild", *difference(message, entry.octets, keys))
    if directory is not None:
        world = World(keys, directory, kinds_of(found.message for _, found in readings if found))
        responses = _responses(readings)
        for entry, message in followed(commands, len(commands), "commands executed"):
            if entry.outcome == "SUCCESS":
                _execute_one(entry, message, world, responses, tally)
    return tally


def _is_final_command(message: Message) -> bool:
    return message.cra == CRA.COMMAND and not gbcs.is_precommand(message)


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
    if key := _unpublished_mac_key(message, world.keys):
        tally.judge(tally.executed, entry, "execute", "", key)
        return
    answers = execute(message, entry.octets, world)
    first = next(answers)
    tally.judge(tally.executed, entry, "execute", first.reason)
    reference = _reference(entry, message, responses)
    if first.reading is not None and reference is not None:
        shaped, valued = tee(chain([first], answers))
        tally.judge(tally.answered, entry, "answer", unlike(shaped, reference.octets, world.keys))
        use_case = use_cases.by_code(message.message_code)
        if use_case is not None and presupposed(use_case):
            tally.judge(tally.values, entry, "values", unlike(valued, reference.octets, world.keys, differing))


def _unpublished_mac_key(message: Message, keys: Keys) -> str:
    """The private key without which no device can tell whether the MAC of a command is right."""
    if message.mac is None:
        return ""
    device, party = (agreement_key(one) for one in mac_parties(message, keys.broker))
    try:
        keys.store.agree(device, keys.store.public(party))
    except TrustError as fault:
        return unpublished(fault)
    return ""


def _check_one(entry: Entry, keys: Keys, tally: Tally) -> Reading | None:
    tally.messages += 1
    reading: Reading | None = None
    try:
        if entry.fault:
            raise DecodeError("source", 0, entry.fault)
        reading = read(entry.octets, keys, signer=entry.signature_key, mac_keys=entry.mac_keys)
    except WireError as fault:
        tally.failures.append(Failure(entry.name, "decode", str(fault)))
    if reading is None:
        # What could not even be read is short of everything that the corpus says it has.
        tally.signatures.expected += entry.signature_key is not None
        tally.macs.expected += entry.mac_keys is not None
        tally.decrypted.expected += entry.encrypted is not None
        return None
    if reason := _misread(entry, reading):
        tally.failures.append(Failure(entry.name, "decode", reason))
    else:
        tally.decoded += 1
    if reason := _reencoded(entry.octets, reading):
        tally.failures.append(Failure(entry.name, "re-encode", reason))
    else:
        tally.reencoded += 1
    for what, count, stated, found in (
        ("signature", tally.signatures, entry.signature_key is not None, reading.signature),
        ("MAC", tally.macs, entry.mac_keys is not None, reading.mac),
    ):
        if entry.bare and found.verdict is Verdict.UNCHECKED:
            tally.not_checkable.append(Failure(entry.name, what, found.reason))
        elif stated or (entry.bare and found.verdict is not Verdict.ABSENT):
            tally.judge(count, entry, what, _unproved(what, found), found.unpublished)
    if entry.bare:
        return reading
    reason, key = _misopened(entry.encrypted, reading, keys)
    if reason or key or entry.encrypted is not None:
        tally.judge(tally.decrypted, entry, "decryption", reason, key)
    return reading


def _misread(entry: Entry, reading: Reading) -> str:
    for name, stated in entry.stated.items():
        got = _FOUND[name](reading)
        wanted = _in_one_form(name, stated)
        if wanted != _in_one_form(name, got):
            return f"{name} should be {wanted}, got {_in_one_form(name, got)}"
    return ""


def _in_one_form(name: str, value: Any) -> str:
    """A value of the envelope as everybody may write it: numbers as text or hexadecimal, EUI-64s with separators."""
    text = str(value).strip().casefold()
    if name in ("originator", "recipient"):
        return "".join(character for character in text.removeprefix("0x") if character not in ":- ")
    try:
        number = int(text, 0)
    except ValueError:
        return text
    return f"0x{number:04X}" if name == "message_code" else str(number)


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


def _misopened(expected: tuple[Encrypted, ...] | None, reading: Reading, keys: Keys) -> tuple[str, str]:
    """Why the encrypted parts are not what the corpus says, or the name of the private key that could tell."""
    if expected is None:
        return f"{len(reading.sealed)} encrypted parts that the corpus does not know" if reading.sealed else "", ""
    if len(expected) != len(reading.sealed):
        return f"{len(reading.sealed)} encrypted parts found, {len(expected)} expected", ""
    for part, found in zip(expected, reading.sealed, strict=True):
        if reading.message.payload[part.offset : part.offset + part.length] != found.blob:
            return f"{found.where}: is not the part that the corpus names at octet {part.offset}", ""
        if found.plaintext is None:
            return f"{found.where}: {found.check.reason}", found.check.unpublished
        if found.plaintext != part.plaintext:
            return f"{found.where}: decrypts to something else than the corpus says", ""
        if _sealed_again(found.plaintext, reading, keys) != found.blob:
            return f"{found.where}: encrypts to something else", ""
    return "", ""


def _sealed_again(plaintext: bytes, reading: Reading, keys: Keys) -> bytes:
    device, party, counter = sealing_parties(reading.message)
    z = keys.store.agree(agreement_key(device), keys.store.public(agreement_key(party)))
    return seal(plaintext, z, device, party, counter)


# --------------------------------------------------------------------------------------------------------- command line


def add_parser(subparsers: Any) -> None:
    """Mount ``corpus check`` below the subparsers of ``rig``; the handler is left in ``handler``."""
    corpus = subparsers.add_parser(
        "corpus",
        help="run published messages through the codecs and their protection",
        epilog="example: rig corpus check ../shared/corpus",
    )
    verbs = corpus.add_subparsers(dest="verb", required=True, metavar="check")
    parser = verbs.add_parser(
        "check",
        help="decode, re-encode and verify every message of a folder, rebuild and execute every command",
        description="Decode, re-encode and verify every message of a folder (keys.json and *.jsonl); build every "
        "command again from its named arguments, and have emulated devices execute and answer it. Responses are held "
        "against the published ones, the devices' alerts are not; commands published as failing are not executed. "
        "A folder of *.hex files, one message or more in each, serves as well, with keys.json or without. What only a "
        "private key that is not published could tell is named as not checkable and fails nothing. "
        "Exit status 0: everything holds; 1 to 250: so much falls short; 252: the folder cannot be used; 254: it is "
        "empty.",
        epilog="example: rig corpus check ../shared/corpus",
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
