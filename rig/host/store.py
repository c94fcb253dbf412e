"""What a device keeps over a power loss: a small store of JSON values by key, one a device.

A store on the disk is a journal: every transaction is one record with its length and checksum, on the disk before the
call returns.  A power cut leaves a transaction whole or not at all; nothing that was kept is written over in place.

Must not live here: what the keys mean; that is the machine's.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from zlib import crc32

__all__ = ["JournalStore", "MemoryStore", "Store", "StoreError"]

MAGIC: Final = b"rig device store 1\n"
_MARK: Final = b"\xf5\xf7\xf5\xf7"  # begins a record; these octets occur in no JSON text, so a search can't be misled
_HEAD: Final = struct.Struct(">4sQII")  # mark, number of the record, length of its body, checksum of its body
_CHECK: Final = struct.Struct(">I")  # checksum of the head
_FRAME: Final = _HEAD.size + _CHECK.size
_ADVICE: Final = "restore it from a copy, or move it away to start anew"


class StoreError(Exception):
    """A store cannot be read or written: which file, why, and what to do about it."""


class Store(Protocol):
    """Keeps values over the power losses of a device."""

    def put(self, key: str, value: Any) -> None:
        """Keep one value."""
        ...

    def put_all(self, values: Mapping[str, Any]) -> None:
        """Keep several values in one transaction: after a power cut all of them are there, or none."""
        ...

    def all(self) -> Mapping[str, Any]:
        """Everything kept, by key."""
        ...


class MemoryStore:
    """A store for the virtual bench: it outlives the power losses of a device, not the bench."""

    def __init__(self) -> None:
        # Kept as text so that a machine cannot keep a reference into its own past.
        self._values: dict[str, str] = {}

    def put(self, key: str, value: Any) -> None:
        self.put_all({key: value})

    def put_all(self, values: Mapping[str, Any]) -> None:
        self._values.update(_texts(values))

    def all(self) -> Mapping[str, Any]:
        return {key: json.loads(text) for key, text in self._values.items()}


class JournalStore:
    """A store in one file (mode 0600): a journal of transactions, rewritten as a whole when most of it is outdated.

    ``slack`` is how many outdated octets the file may hold beyond what is current.  Opening cuts off a last record that
    a power cut left torn (``torn`` says how many octets that were).  Raises :class:`StoreError` for a file that is
    damaged anywhere else, that another store has open, or that cannot be written.  What could not be written is not
    kept, and after a failure that leaves the disk's state unknown nothing more is written until the file is opened
    again.
    """

    def __init__(self, path: Path, slack: int = 1 << 16) -> None:
        self._path, self._slack = path, slack
        self._values: dict[str, str] = {}
        self._number = 0
        self._end = 0
        self._file: int | None = None
        self.torn = 0
        self._lock: int | None = _lock(path)
        try:
            if path.exists():
                self._open()
            else:
                self._rewrite({})
        except BaseException:
            self.close()
            raise

    def put(self, key: str, value: Any) -> None:
        self.put_all({key: value})

    def put_all(self, values: Mapping[str, Any]) -> None:
        """One transaction, on the disk when this returns.  Values that are kept already cost nothing."""
        texts = {key: text for key, text in _texts(values).items() if self._values.get(key) != text}
        if not texts:
            return
        if self._file is None:
            raise StoreError(f"{self._path}: it is closed, or an earlier write failed; open it again")
        if self._end > self._slack + 2 * sum(len(key) + len(text) for key, text in self._values.items()):
            self._rewrite({**self._values, **texts})
        else:
            self._append(self._file, texts)
        self._values.update(texts)

    def all(self) -> Mapping[str, Any]:
        return {key: json.loads(text) for key, text in self._values.items()}

    def close(self) -> None:
        """Let the file go; the store takes nothing more."""
        for descriptor in (self._file, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._lock = None

    def _append(self, file: int, texts: Mapping[str, str]) -> None:
        record = _record(self._number + 1, texts)
        try:
            write_fully(file, record)
            os.fsync(file)
        except OSError as problem:
            self._take_back(file)
            raise _unwritable(self._path, problem)
        self._number += 1
        self._end += len(record)

    def _take_back(self, file: int) -> None:
        """Nobody knows what of a failed write reached the disk, so nothing may follow it."""
        self._file = None
        try:
            os.ftruncate(file, self._end)
        except OSError:
            return  # then it is a torn last record, which the next opening cuts off
        finally:
            os.close(file)

    def _rewrite(self, texts: Mapping[str, str]) -> None:
        """Put a file with one record in the place of the old one."""
        octets = MAGIC + _record(self._number + 1, texts)
        if self._file is not None:  # whether it succeeds or not, nothing is appended to the old file any more
            os.close(self._file)
            self._file = None
        replace_durably(self._path, octets)
        self._number += 1
        self._reopen(len(octets))

    def _reopen(self, end: int) -> None:
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        except OSError as problem:
            raise _unwritable(self._path, problem)
        self._end = end

    def _open(self) -> None:
        try:
            octets = self._path.read_bytes()
        except OSError as problem:
            raise StoreError(f"{self._path}: not readable ({problem}); {_ADVICE}") from None
        if not octets.startswith(MAGIC):
            raise StoreError(f"{self._path}: expected a device store, got something else; {_ADVICE}")
        end = len(MAGIC)
        for number, texts, after in _records(octets):
            if self._number and number != self._number + 1:
                raise self._damaged(end)
            self._number, end = number, after
            self._values.update(texts)
        if self._number == 0 or next(_found(octets, end), None) is not None:
            raise self._damaged(end)
        self._reopen(end)
        self.torn = len(octets) - end
        if self.torn:
            self._cut()

    def _cut(self) -> None:
        assert self._file is not None
        try:
            os.ftruncate(self._file, self._end)
            os.fsync(self._file)
        except OSError as problem:
            raise _unwritable(self._path, problem)

    def _damaged(self, position: int) -> StoreError:
        return StoreError(f"{self._path}: damaged at octet {position}, and it is no torn last record; {_ADVICE}")


# -------------------------------------------------------------------------------------------------------------- records


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: json.dumps(value) for key, value in values.items()}


def _record(number: int, texts: Mapping[str, str]) -> bytes:
    body = ("{" + ",".join(f"{json.dumps(key)}:{text}" for key, text in texts.items()) + "}").encode("ascii")
    head = _HEAD.pack(_MARK, number, len(body), crc32(body))
    return head + _CHECK.pack(crc32(head)) + body


def _read(octets: bytes, position: int) -> tuple[int, dict[str, str], int] | None:
    """The record at ``position``: its number, its values, where it ends.  None where no whole record stands there."""
    head = octets[position : position + _HEAD.size]
    body_at = position + _FRAME
    if len(octets) < body_at or octets[position + _HEAD.size : body_at] != _CHECK.pack(crc32(head)):
        return None
    mark, number, length, check = _HEAD.unpack(head)
    body = octets[body_at : body_at + length]
    if mark != _MARK or len(body) != length or crc32(body) != check:
        return None
    return number, _texts(json.loads(body)), body_at + length


def _records(octets: bytes) -> Iterator[tuple[int, dict[str, str], int]]:
    """The whole records from the beginning on, up to the first that is not whole."""
    position = len(MAGIC)
    while (record := _read(octets, position)) is not None:
        yield record
        position = record[2]


def _found(octets: bytes, position: int) -> Iterator[int]:
    """Where whole records stand after ``position``: a torn last record has none behind it."""
    while (position := octets.find(_MARK, position)) >= 0:
        if _read(octets, position) is not None:
            yield position
        position += 1


# ---------------------------------------------------------------------------------------------------------------- files


def read_object(path: Path, advice: str) -> dict[str, Any]:
    """The JSON object in a file.  Raises :class:`StoreError` with ``advice`` for anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise StoreError(f"{path}: not readable ({problem}); {advice}") from None
    if not isinstance(value, dict):
        raise StoreError(f"{path}: expected a JSON object, got {type(value).__name__}; {advice}")
    return value


def write_fully(descriptor: int, octets: bytes) -> None:
    """Write all of ``octets``; the system may take them in parts."""
    left = memoryview(octets)
    while left:
        left = left[os.write(descriptor, left) :]


def replace_durably(path: Path, contents: str | bytes) -> None:
    """Replace the file's contents in one step and on the disk before returning; mode 0600.

    Raises :class:`StoreError`; the file then is as it was.
    """
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _descriptor(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as file:
            write_fully(file, contents.encode("utf-8") if isinstance(contents, str) else contents)
            os.fsync(file)
        os.replace(new, path)
        with _descriptor(path.parent, os.O_RDONLY) as folder:
            os.fsync(folder)
    except OSError as problem:
        raise _unwritable(path, problem)


@contextmanager
def _descriptor(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    """Nobody else opens this store meanwhile.  The lock ends with its holder, however that dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        raise _unwritable(path, problem)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(f"{path}: another bench has it open; end that, or give this one a folder of its own") from None
    return descriptor


def _unwritable(path: Path, problem: OSError) -> StoreError:
    return StoreError(f"{path}: cannot be written ({problem}); make room, or correct its owner and mode")
