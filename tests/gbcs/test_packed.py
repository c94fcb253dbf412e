"""Files in files: what it takes to unpack them."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from typing import Any

import pytest

from rig.gbcs import packed

MEMBERS = 300


class Counted:
    """A decompressor, and how many octets it was given in all."""

    given = 0

    def __init__(self, made: Callable[[], Any]) -> None:
        self._one = made()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._one, name)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        Counted.given += len(data)
        octets: bytes = self._one.decompress(data, max_length)
        return octets


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_many_members_are_each_looked_at_once(monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]) -> None:
    counted = [(magic, kind, lambda made=made: Counted(made)) for magic, kind, made in packed._STREAMS]
    monkeypatch.setattr(packed, "_STREAMS", counted)
    monkeypatch.setattr(Counted, "given", 0)
    whole = b"".join(pack(b"%d\n" % number) for number in range(MEMBERS)) + pack(bytes(9999))
    assert packed.unpacked(whole) == (b"".join(b"%d\n" % n for n in range(MEMBERS)) + bytes(9999), "")
    assert Counted.given <= 2 * len(whole) + packed.PIECE * MEMBERS


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_member_that_begins_at_the_limit_is_not_unpacked(
    monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(packed, "LARGEST", 1000)
    octets, missing = packed.unpacked(pack(bytes(1000)) + pack(b"1" * 1000))
    assert octets == bytes(1000)
    assert "it grows beyond 1000 octets" in missing
