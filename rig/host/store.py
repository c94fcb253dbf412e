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
    """A store in one file (mode 0600), replaced as a whole at each write so that a power cut leaves old or new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        if path.exists():
            try:
                self._values = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as problem:
                raise StoreError(
                    f"{path}: not a readable store ({problem}); restore it from a copy, or move it away to start anew"
                )

    def put(self, key: str, value: Any) -> None:
        self._values[key] = value
        replace_durably(self._path, json.dumps(self._values, sort_keys=True))

    def all(self) -> Mapping[str, Any]:
        return dict(self._values)


def replace_durably(path: Path, text: str) -> None:
    """Replace the file's contents in one step and on the disk before returning; mode 0600."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
