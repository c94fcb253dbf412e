"""What a device keeps over a power loss: a small store of JSON values by key, one a device.

Must not live here: what the keys mean; that is the machine's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

__all__ = ["FileStore", "MemoryStore", "Store", "StoreError"]


class StoreError(Exception):
    """A store cannot be read or written: which file, why, and what to do about it."""


class Store(Protocol):
    """Keeps values over the power losses of a device."""

    def put(self, key: str, value: Any) -> None: ...

    def all(self) -> Mapping[str, Any]: ...


class MemoryStore:
    """A store for the virtual bench: it outlives the power losses of a device, not the bench."""

    def __init__(self) -> None:
        # Kept as text so that a machine cannot keep a reference into its own past.
        self._values: dict[str, str] = {}

    def put(self, key: str, value: Any) -> None:
        self._values[key] = json.dumps(value)

    def all(self) -> Mapping[str, Any]:
        return {key: json.loads(text) for key, text in self._values.items()}


class FileStore:
    """A store in one file (mode 0600), replaced as a whole at each write so that a power cut leaves old or new.

    Raises :class:`StoreError` on a damaged file, and where it cannot be written; what could not be written is not kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = "{}"
        if path.exists():
            self._text = json.dumps(read_object(path, "restore it from a copy, or move it away to start anew"))

    def put(self, key: str, value: Any) -> None:
        text = json.dumps({**self.all(), key: value}, sort_keys=True)
        replace_durably(self._path, text)
        self._text = text

    def all(self) -> Mapping[str, Any]:
        values: dict[str, Any] = json.loads(self._text)
        return values


def read_object(path: Path, advice: str) -> dict[str, Any]:
    """The JSON object in a file.  Raises :class:`StoreError` with ``advice`` for anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise StoreError(f"{path}: not readable ({problem}); {advice}") from None
    if not isinstance(value, dict):
        raise StoreError(f"{path}: expected a JSON object, got {type(value).__name__}; {advice}")
    return value


def replace_durably(path: Path, text: str) -> None:
    """Replace the file's contents in one step and on the disk before returning; mode 0600.

    Raises :class:`StoreError`; the file then is as it was.
    """
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as problem:
        raise StoreError(f"{path}: cannot be written ({problem}); make room, or correct its owner and mode") from None
