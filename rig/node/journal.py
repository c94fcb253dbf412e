"""The journal of a node: what became of each command, written down before it is acknowledged.

One JSON object a line.  ``begun`` is written before a command runs, ``done`` with its whole answer after it, and
``done`` is on the disk (fsync) before :meth:`Journal.finish` returns.  After a crash a repeat of a finished command
gets the same answer, and a repeat of one that was begun and never finished is known to be of unknown outcome: neither
is executed again.

Must not live here: what an answer says.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from pathlib import Path
from typing import IO

__all__ = ["Journal", "JournalError"]


class JournalError(Exception):
    """The journal cannot be kept or read: the bench is broken.  ``advice`` says what to do next."""

    def __init__(self, where: str, problem: str) -> None:
        self.advice = "Give the node a folder it may write to, with room left."
        super().__init__(f"journal {where}: {problem}. {self.advice}")


class Journal:
    """The last ``capacity`` answers by command id.

    ``path`` None keeps them in memory alone: for a virtual bench, whose whole world dies with its process.  Use it from
    one thread.  Raises :class:`JournalError` when the file cannot be written.
    """

    def __init__(self, path: Path | None, capacity: int = 4096) -> None:
        self._path, self._capacity = path, capacity
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._begun: OrderedDict[str, None] = OrderedDict()
        self._file: IO[bytes] | None = None
        self._lines = 0
        self.torn = 0
        """Lines that could not be read when the journal was opened (a crash leaves at most one, the last)."""
        if path is not None:
            self._load(path)
            self._compact()

    def answer(self, command_id: str) -> bytes | None:
        """The encoded answer of a finished command, if it is still known."""
        found = self._answers.get(command_id)
        if found is not None:
            self._answers.move_to_end(command_id)
        return found

    def interrupted(self, command_id: str) -> bool:
        """Whether the command was begun and never finished: nobody knows what it did."""
        return command_id in self._begun

    def begin(self, command_id: str) -> None:
        """Note that it is about to run.  Handed to the system, not forced to the disk: a lost line needs a power cut,
        and after that the lease is gone too, so that no repeat can run."""
        self._begun[command_id] = None
        self._bound(self._begun)
        self._write({"begun": command_id}, sync=False)

    def finish(self, command_id: str, answer: bytes) -> None:
        """Note its answer; on the disk when this returns."""
        self._begun.pop(command_id, None)
        self._answers[command_id] = answer
        self._bound(self._answers)
        self._write({"done": command_id, "answer": answer.decode()}, sync=True)
        if self._lines > 4 * self._capacity + 64:
            self._compact()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _bound(self, entries: OrderedDict[str, bytes] | OrderedDict[str, None]) -> None:
        while len(entries) > self._capacity:
            entries.popitem(last=False)

    def _write(self, line: dict[str, str], *, sync: bool) -> None:
        if self._path is None:
            return
        if self._file is None:
            raise JournalError(str(self._path), "it is closed")
        try:
            self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
            if sync:
                os.fsync(self._file.fileno())
        except OSError as problem:
            raise JournalError(str(self._path), str(problem)) from None
        self._lines += 1

    def _load(self, path: Path) -> None:
        try:
            lines = path.read_bytes().split(b"\n") if path.exists() else []
        except OSError as problem:
            raise JournalError(str(path), str(problem)) from None
        for line in filter(None, lines):
            try:
                entry = json.loads(line)
                if "begun" in entry:
                    self._begun[str(entry["begun"])] = None
                else:
                    self._begun.pop(entry["done"], None)
                    self._answers[str(entry["done"])] = str(entry["answer"]).encode()
            except (ValueError, KeyError, TypeError):
                self.torn += 1
        self._bound(self._begun)
        self._bound(self._answers)

    def _compact(self) -> None:
        """Write what is still known to a new file and put it in the place of the old one in one step."""
        assert self._path is not None
        self.close()
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            with fresh.open("wb") as file:
                for command_id, answer in self._answers.items():
                    row = {"done": command_id, "answer": answer.decode()}
                    file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
                for command_id in self._begun:
                    file.write(json.dumps({"begun": command_id}, separators=(",", ":")).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            self._file = self._path.open("ab")
        except OSError as problem:
            raise JournalError(str(self._path), str(problem)) from None
        self._lines = len(self._answers) + len(self._begun)
