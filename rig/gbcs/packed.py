"""Files in files: what gzip, bzip2 and xz packed, what zip and tar archives hold, the parts of an e-mail.

    Packed         what cannot be unpacked: why, in words that go on "NAME is ..."

Nothing is unpacked beyond a limit, and what was left out for it, or because a file breaks off, is said.

Must not live here: what the files hold (``sources``).
"""

from __future__ import annotations

import bz2
import email
import email.policy
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

__all__ = ["LARGEST", "Member", "Packed", "members", "unpacked"]

LARGEST = 1 << 28  # octets that all of a packed file may grow to
PIECE = 256  # octets of a packed file that are unpacked at first

_UNREAD = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"\x04\x22\x4d\x18": "LZ4",
    b"LZIP": "lzip",
    b"\x1f\x9d": "compress",
    b"%PDF-": "PDF",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office document",
    b"SQLite format 3\x00": "SQLite",
}
"""How files begin that are not opened here, and what they are."""
_UNREADABLE = (
    zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError,
)  # fmt: skip
_MAIL = re.compile(rb"\A(?:From [^\r\n]+\r?\n)?(?:[!-9;-~]+:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*)+\r?\n")
_MIME = re.compile(rb"^(?:MIME-Version|Content-Transfer-Encoding):", re.MULTILINE | re.IGNORECASE)


class Packed(Exception):
    """What cannot be unpacked, and why."""


class Member(NamedTuple):
    """A file in an archive, or why it could not be read."""

    name: str
    octets: bytes
    problem: str = ""


class _Decompressor(Protocol):
    """What the three of Python have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: memoryview, max_length: int) -> bytes: ...


_STREAMS: tuple[tuple[bytes, str, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", "gzip", lambda: zlib.decompressobj(wbits=31)),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", "xz", lzma.LZMADecompressor),
)


def unpacked(data: bytes) -> tuple[bytes, str]:
    """What a packed file holds, and what is missing at its end; the octets themselves where nothing packed them.

    Raises :class:`Packed` for one that is broken from its first octet on, or of a kind that is not read here.
    """
    for magic, kind in _UNREAD.items():
        if data.startswith(magic):
            raise Packed(f"of a kind that is not read here ({kind}); unpack or export it, and give its text or capture")
    for magic, kind, made in _STREAMS:
        if data.startswith(magic):
            return _stream(data, magic, kind, made)
    return data, ""


def _stream(data: bytes, magic: bytes, kind: str, made: Callable[[], _Decompressor]) -> tuple[bytes, str]:
    """All members of a packed file, one after another as gzip and its like write them."""
    whole, at = bytearray(), 0
    while data.startswith(magic, at):
        try:
            octets, at, ended = _member(data, at, made(), LARGEST - len(whole))
        except (zlib.error, OSError, lzma.LZMAError, EOFError) as fault:
            if not whole:
                raise Packed(f"a broken {kind} file: {fault}; pack it again, or give it unpacked") from None
            return bytes(whole), f"{kind}: {fault}; what came before is read"
        whole += octets
        if not ended:
            full = len(whole) >= LARGEST
            return bytes(whole), f"{kind}: " + (f"it grows beyond {LARGEST} octets" if full else "the file breaks off")
    behind = len(data[at:].strip(b"\x00"))  # files on tapes are filled up with zeros
    return bytes(whole), f"{kind}: {behind} octets behind its end are not of its kind" if behind else ""


def _member(data: bytes, at: int, packer: _Decompressor, left: int) -> tuple[bytes, int, bool]:
    """What the member that begins ``at`` holds, ``left`` octets at the most; where it ends, and whether it does.

    A decompressor copies what it is given and does not use.  So it is given little at first, and ever more: a file of
    many small members takes no longer than one of a single member."""
    view, whole, size = memoryview(data), bytearray(), PIECE
    while at < len(data) and left > len(whole) and not packer.eof:
        piece = view[at : at + size]
        whole += packer.decompress(piece, left - len(whole))
        at, size = at + len(piece), 2 * size
    return bytes(whole), at - len(packer.unused_data), packer.eof


def members(data: bytes) -> Iterator[Member] | None:
    """The files of a zip or tar archive, the parts of an e-mail; None where it is none of them.

    Raises :class:`Packed` for a broken archive.
    """
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _of_zip(data)
    if data[257:262] == b"ustar":
        return _of_tar(data)
    head = _MAIL.match(data[: 1 << 16])
    return _of_mail(data) if head and _MIME.search(head.group()) else None


def _of_zip(data: bytes) -> Iterator[Member]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, OSError, ValueError) as fault:
        raise Packed(f"a broken zip file: {fault}; pack it again, or give its files") from None
    return _of_archive(archive)


def _of_archive(archive: zipfile.ZipFile) -> Iterator[Member]:
    left = LARGEST
    for one in archive.infolist():
        if one.is_dir():
            continue
        if one.file_size > left:
            yield Member(one.filename, b"", f"the archive grows beyond {LARGEST} octets; unpack it")
            continue
        try:
            octets = archive.read(one)
        except _UNREADABLE as fault:
            yield Member(one.filename, b"", f"it cannot be unpacked: {fault}")
            continue
        left -= len(octets)
        yield Member(one.filename, octets)


def _of_tar(data: bytes) -> Iterator[Member]:
    left = LARGEST  # a file with holes may be of any size
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for one in archive:
                if one.isfile() and one.size > left:
                    yield Member(one.name, b"", f"the archive grows beyond {LARGEST} octets; unpack it")
                elif one.isfile() and (file := archive.extractfile(one)) is not None:
                    left -= one.size
                    yield Member(one.name, file.read())
    except (tarfile.TarError, OSError, EOFError, ValueError) as fault:
        yield Member("the rest of the archive", b"", f"it is broken: {fault}")


def _of_mail(data: bytes) -> Iterator[Member]:
    message = email.message_from_bytes(data, policy=email.policy.default)
    for number, part in enumerate((one for one in message.walk() if not one.is_multipart()), 1):
        octets = part.get_payload(decode=True)
        name = part.get_filename() or f"part {number}"
        yield Member(name, octets if isinstance(octets, bytes) else str(part.get_payload()).encode("utf-8", "replace"))
