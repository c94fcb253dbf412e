"""Where the evidence of each test lies: a folder of its own below its suite's, which no other test ever gets.

Readable names where they tell the tests apart; where a name loses letters on its way (other scripts, great length) a
digest of it stands behind, and names that still meet are numbered in the order of the tests.  So equal runs give equal
paths, and evidence never overwrites evidence.

Must not live here: what lies in the folders.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from itertools import count
from pathlib import Path

__all__ = ["claim", "name_of"]

LONGEST = 80
"""Characters of a name: two of these and a number fit whatever a file system allows (255 octets)."""

_taken: set[str] = set()
"""What was given out where nobody knows the folder: the bench writes it on another machine."""


def claim(folder: Path | None, suite: str, test: str) -> str:
    """A place that nobody had, as a path relative to ``folder``, and the folder made there.

    Raises ``OSError`` where it cannot be made.
    """
    stem = f"{name_of(suite)}/{name_of(test)}"
    for number in count(1):
        place = stem if number == 1 else f"{stem}-{number}"
        if _take(folder, place):
            return place
    raise AssertionError("numbers do not end")


def name_of(text: str) -> str:
    """``text`` as the name of a folder: a-z, 0-9 and hyphens, at most 89 characters."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    slug = re.sub(r"[^a-z0-9]+", "-", "".join(c for c in plain if not unicodedata.combining(c))).strip("-")
    lost = any(c.isalnum() and not c.isascii() for c in plain) or len(slug) > LONGEST or not slug
    if not lost and text.isprintable():
        return slug
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug[:LONGEST].rstrip('-') or 'test'}-{digest}"


def _take(folder: Path | None, place: str) -> bool:
    """Whether ``place`` was free, and is ours now."""
    if folder is None:
        free = place not in _taken
        _taken.add(place)
        return free
    try:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).mkdir()
    except FileExistsError:
        return False
    return True
