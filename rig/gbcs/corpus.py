"""A corpus folder: ``keys.json`` and ``*.jsonl`` files of messages with what is known of them.

    CorpusError    a folder, line or key file that cannot be used: file, line, reason and what to do

Must not live here: what is done with the messages (``check``), or the form of keys (``devices.trust``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devices.trust import certificates
from devices.trust.certificates import Role, Usage
from devices.trust.directory import Directory
from devices.trust.errors import TrustError
from devices.trust.keystore import MemoryKeyStore, load_corpus_keys
from rig.gbcs.reading import BROKER, Keys
from rig.gbcs.sources import SourceError, messages

__all__ = ["CorpusError", "Encrypted", "Entry", "load_directory", "load_entries", "load_keys", "load_store"]

KEYS_FILE = "keys.json"
_BARE = "*.hex"  # files with messages and nothing else

STATED = ("message_code", "originator", "recipient", "originator_counter", "payload_format")
"""Fields of the envelope that an entry may state; whoever checks compares them with what was decoded."""


class CorpusError(Exception):
    """A folder, line or key file that cannot be used; the text is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Encrypted:
    """What the corpus says of one encrypted part: ``offset`` and ``length`` in the payload, and its plaintext."""

    offset: int
    length: int
    plaintext: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a corpus and what is known of it; ``stated`` are envelope fields as the corpus gives them.

    A ``bare`` entry is octets of which nothing is known; ``fault`` says why there are none.
    ``outcome`` is ``"SUCCESS"`` or ``"ERROR"`` as the corpus says of a command, empty where it says nothing.
    """

    name: str
    octets: bytes
    signature_key: str | None
    mac_keys: tuple[str, str] | None
    encrypted: tuple[Encrypted, ...] | None
    stated: Mapping[str, Any]
    outcome: str = ""
    bare: bool = False
    fault: str = ""


def load_keys(folder: Path) -> Keys:
    """What to check messages with: the keys in a folder's ``keys.json``.  Raises :class:`CorpusError`."""
    document = _document(folder)
    return Keys(_store(document, folder), _broker(document))


def load_store(folder: Path) -> MemoryKeyStore:
    """The keys in a folder's ``keys.json``.  Raises :class:`CorpusError`."""
    return _store(_document(folder), folder)


def load_directory(folder: Path) -> Directory:
    """The public keys and certificates in a folder's ``keys.json``.  Raises :class:`CorpusError`."""
    document = _document(folder)
    store = _store(document, folder)
    held = {name: entry.get("certificate") for name, entry in document.items()}
    try:
        octets = {name: bytes.fromhex(text) for name, text in held.items() if text}
    except (TypeError, ValueError):
        raise CorpusError(f"{folder / KEYS_FILE}: a certificate is hexadecimal digits or null; correct it")
    return Directory({name: store.public(name) for name in store.names}, octets)


def _document(folder: Path) -> Any:
    path = folder / KEYS_FILE
    if not folder.is_dir():
        raise CorpusError(f"{folder} is no folder; name one that holds {KEYS_FILE}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if any(folder.glob(_BARE)):
            return {}  # what people kept of their messages comes without keys
        raise CorpusError(f"{folder} holds no {KEYS_FILE}; put the keys there or name another folder")
    except (OSError, ValueError, RecursionError) as fault:
        raise CorpusError(f"{path} cannot be read as JSON: {_first_line(fault)}; correct or replace the file")


def _store(document: Any, folder: Path) -> MemoryKeyStore:
    try:
        return load_corpus_keys(document) if document != {} else MemoryKeyStore({}, {})
    except TrustError as fault:
        raise CorpusError(f"{folder / KEYS_FILE}: {fault.reason}")


def _broker(document: Mapping[str, Mapping[str, str | None]]) -> bytes:
    """Who the access control broker is: whose key agreement certificate says so, else the published one."""
    for entry in document.values():
        try:
            found = certificates.parse(bytes.fromhex(entry.get("certificate") or ""))
        except (TrustError, ValueError, TypeError):
            continue  # certificates serve for nothing else here, and many keys come without one
        if (found.role, found.usage) == (Role.ACCESS_CONTROL_BROKER, Usage.KEY_AGREEMENT) and found.eui is not None:
            return found.eui
    return BROKER


def load_entries(folder: Path) -> Iterator[Entry]:
    """Every message of every ``*.jsonl`` and ``*.hex`` of a folder, files by name.  Raises :class:`CorpusError`."""
    if not folder.is_dir():
        raise CorpusError(f"{folder} is no folder; name the folder of a corpus")
    paths, bare = sorted(folder.glob("*.jsonl")), sorted(folder.glob(_BARE))
    if not paths and not bare:
        raise CorpusError(f"{folder} holds no *.jsonl or *.hex file; name the folder of a corpus")
    for path in bare:
        yield from _bare_entries(path)
    for path in paths:
        try:
            with path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield _entry(line, f"{path}, line {number}")
        except (OSError, UnicodeDecodeError) as fault:
            raise CorpusError(f"{path} cannot be read: {_first_line(fault)}; correct or replace the file")


def _bare_entries(path: Path) -> Iterator[Entry]:
    """The messages of a file that holds nothing else, in any form; what can't be read is an entry with a fault."""
    try:
        given = messages(path.read_bytes(), path.name)
        octets, faults = [one.octets for one in given.found], given.left_out
    except OSError as fault:
        raise CorpusError(f"{path} cannot be read: {_first_line(fault)}; correct or replace the file")
    except SourceError as fault:
        octets, faults = [], [str(fault)]
    for number, one in enumerate(octets, 1):
        name = path.name if len(octets) == 1 else f"{path.name} ({number})"
        yield Entry(name, one, None, None, None, {}, bare=True)
    for reason in faults:
        yield Entry(path.name, b"", None, None, None, {}, bare=True, fault=reason)


def _entry(line: str, where: str) -> Entry:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as fault:
        raise CorpusError(f"{where} is no JSON ({_first_line(fault)}); correct or remove the line")
    if not isinstance(fields, dict):
        raise CorpusError(f"{where} is no JSON object; correct or remove the line")

    def want(name: str, kind: str, read_field: Callable[[Any], Any]) -> Any:
        try:
            return read_field(fields[name])
        except KeyError:
            raise CorpusError(f"{where} has no '{name}'; add {kind}")
        except (TypeError, ValueError, AttributeError, OverflowError):
            raise CorpusError(f"{where}: '{name}' is not as it should be; give {kind}")

    return Entry(
        name=want("name", "a name", _text),
        octets=want("hex", "the message in hexadecimal digits", bytes.fromhex),
        signature_key=want("signature_key", "the name of a key, or null", _optional(_text)),
        mac_keys=want("mac_keys", "a list of two key names, or null", _optional(_pair)),
        encrypted=want("encrypted", "a list of offset, length and plaintext, or null", _optional(_encrypted)),
        stated={name: fields[name] for name in STATED if name in fields},
        outcome=str(fields.get("outcome") or ""),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _pair(value: Any) -> tuple[str, str]:
    one, other = value
    return _text(one), _text(other)


def _encrypted(value: Any) -> tuple[Encrypted, ...]:
    if not isinstance(value, list) or not value:
        raise TypeError
    return tuple(Encrypted(int(p["offset"]), int(p["length"]), bytes.fromhex(p["plaintext"])) for p in value)


def _optional(read_field: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read_field(value)


def _first_line(fault: BaseException) -> str:
    text = str(fault).strip()
    return text.splitlines()[0] if text else type(fault).__name__
