"""XBee API framing: delimiter, length, checksum and the escaping of API mode 2.

What lives here: octets of a serial line <-> frame data, and the codec of ``xbee_frames`` under one roof.  What must
not: what a module does with a frame (the virtual module's), time-outs and frame ids (the driver's).

    7E | length, 2 octets | frame data | checksum

The checksum is FF less the sum of the frame data.  In API mode 2 each 7E, 7D, 11 and 13 after the delimiter becomes
7D and the octet with bit 5 turned over, so a bare 7E always starts a frame and a reader falls into step at once.
Source: facts/radio.md 2.1 [verified there].
"""

from __future__ import annotations

import re

from devices.wire import xbee_frames
from devices.wire.errors import DecodeError, EncodeError
from devices.wire.xbee_frames import *  # noqa: F403 - the frame types are this module's face as well
from devices.wire.xbee_frames import Frame, parse

__all__ = [*xbee_frames.__all__, "MAX_PAYLOAD", "Deframer", "frame", "parse_stream", "unframe"]

LAYER = "xbee"
MAX_PAYLOAD = 255  # octets of RF payload in one frame; the module fragments it (facts/radio.md 1, point 8)

_DELIMITER, _ESCAPE = b"\x7e", b"\x7d"
_LIMIT = 512  # octets of frame data; the largest frame that a module sends has 20 + 255
_ESCAPED = re.compile(rb"\x7d(.)", re.DOTALL)


def frame(data: bytes, *, escaped: bool = True) -> bytes:
    """The octets on the line of one frame: API mode 2, or 1 when not ``escaped``.  Raises EncodeError."""
    if not 0 < len(data) <= 0xFFFF:
        raise EncodeError(LAYER, f"frame data has 1 to 65535 octets, got {len(data)}")
    body = b"%b%b%c" % (len(data).to_bytes(2, "big"), data, 0xFF - (sum(data) & 0xFF))
    return _DELIMITER + (_escape(body) if escaped else body)


def _escape(octets: bytes) -> bytes:
    octets = octets.replace(_ESCAPE, b"\x7d\x5d").replace(_DELIMITER, b"\x7d\x5e")
    return octets.replace(b"\x11", b"\x7d\x31").replace(b"\x13", b"\x7d\x33")


def _unescape(octets: bytes) -> bytes:
    """Turn escapes back.  Those that nobody needs (7D 41 for 61) are understood as well."""
    if _ESCAPE not in octets:
        return octets
    # None of the first three replacements yields a 7D, so afterwards each 7D left is a pair of its own.
    octets = octets.replace(b"\x7d\x31", b"\x11").replace(b"\x7d\x33", b"\x13").replace(b"\x7d\x5e", b"\x7e")
    if octets.count(_ESCAPE) == octets.count(b"\x7d\x5d"):
        return octets.replace(b"\x7d\x5d", _ESCAPE)
    return _ESCAPED.sub(lambda pair: bytes((pair[1][0] ^ 0x20,)), octets)


def unframe(octets: bytes, *, escaped: bool = True) -> bytes:
    """The frame data of exactly one frame.  Raises DecodeError."""
    reader = Deframer(escaped=escaped, limit=0xFFFF)
    found = reader.feed(octets)
    if len(found) == 1 and not reader.faults and not reader.pending:
        return found[0]
    raise DecodeError(LAYER, 0, f"expected one whole frame, got {len(found)} and {reader}")


class Deframer:
    """Finds the frames in the octets of a serial line, in whatever pieces these come.

    Counted: ``good`` frames, ``bad_checksum``, ``bad_length`` (none, above ``limit``, or cut off by the next
    delimiter), and ``noise``, octets outside frames (an escape among them may count once or twice).  At most one
    unfinished frame is kept, so memory is bounded.  In mode 1 nothing marks a true delimiter: after a bad frame the
    search goes on at the octet behind its 7E.
    """

    def __init__(self, *, escaped: bool = True, limit: int = _LIMIT) -> None:
        self.good = self.bad_checksum = self.bad_length = self.noise = 0
        self._limit = limit
        self._escaped = escaped
        self._rest = b""  # what follows the delimiter of an unfinished frame; in mode 1 the delimiter too
        self._open = False  # mode 2: a delimiter has come and its frame is unfinished
        self._skip = False  # mode 2: the frame after the last delimiter was refused, its octets pass by

    def __repr__(self) -> str:
        return (
            f"Deframer(good={self.good}, bad_checksum={self.bad_checksum}, bad_length={self.bad_length}, "
            f"noise={self.noise}, pending={self.pending})"
        )

    @property
    def faults(self) -> int:
        """Bad frames and stray octets so far."""
        return self.bad_checksum + self.bad_length + self.noise

    @property
    def pending(self) -> int:
        """Octets of an unfinished frame, the delimiter not counted in mode 2."""
        return len(self._rest) + (self._open and not self._rest)

    @property
    def escaped(self) -> bool:
        """True in API mode 2, False in mode 1.  Setting it drops an unfinished frame."""
        return self._escaped

    @escaped.setter
    def escaped(self, value: bool) -> None:
        self._escaped, self._rest, self._open, self._skip = value, b"", False, False

    def feed(self, octets: bytes) -> list[bytes]:
        """Take octets from the line; the frame data of each frame that they complete, checksum verified."""
        found: list[bytes] = []
        if self._escaped:
            self._feed_escaped(bytes(octets), found)
        else:
            self._feed_plain(self._rest + octets, found)
        return found

    # -- mode 2: a 7E is a delimiter and nothing else

    def _feed_escaped(self, octets: bytes, found: list[bytes]) -> None:
        first, *others = octets.split(_DELIMITER)
        if self._open:
            self._rest += first
        elif not self._skip:
            self.noise += len(first)
        if not others:
            self._try_open(found)
            return
        if self._open:
            self._close(self._rest, found)
        last = others.pop()
        for body in others:
            self._close(body, found)
        self._rest, self._open, self._skip = last, True, False
        self._try_open(found)

    def _close(self, body: bytes, found: list[bytes]) -> None:
        """A delimiter came behind ``body``: it is a frame now or never."""
        octets = _unescape(body.removesuffix(_ESCAPE))
        length = octets[0] << 8 | octets[1] if len(octets) > 3 else 0
        if 0 < length <= self._limit and len(octets) >= length + 3:
            self._verify(octets, length, found)
            self.noise += len(octets) - length - 3
        else:
            self.bad_length += 1

    def _try_open(self, found: list[bytes]) -> None:
        """Finish the open frame without waiting for the next delimiter, once enough octets are there."""
        if not self._open or len(self._rest) < 4:
            return
        octets = _unescape(self._rest.removesuffix(_ESCAPE))  # half an escape says nothing yet
        if len(octets) < 2:
            return
        length = octets[0] << 8 | octets[1]
        if not 0 < length <= self._limit:
            self.bad_length += 1
            self._skip = True
        elif len(octets) < length + 3:
            return
        else:
            self._verify(octets, length, found)
            self.noise += len(octets) - length - 3
        self._rest, self._open = b"", False

    def _verify(self, octets: bytes, length: int, found: list[bytes]) -> None:
        data = octets[2 : length + 2]
        if (sum(data) + octets[length + 2]) & 0xFF == 0xFF:
            self.good += 1
            found.append(data)
        else:
            self.bad_checksum += 1

    # -- mode 1: the length decides

    def _feed_plain(self, octets: bytes, found: list[bytes]) -> None:
        at = 0
        while True:
            start = octets.find(_DELIMITER, at)
            if start < 0:
                self.noise += len(octets) - at
                self._rest = b""
                return
            self.noise += start - at
            header = octets[start + 1 : start + 3]
            length = int.from_bytes(header, "big")
            if len(header) == 2 and not 0 < length <= self._limit:
                self.bad_length += 1
                at = start + 1
                continue
            end = start + length + 4
            if len(header) < 2 or end > len(octets):
                self._rest = octets[start:]
                return
            good = self.good
            self._verify(octets[start + 1 : end], length, found)
            at = end if self.good > good else start + 1


def parse_stream(octets: bytes) -> list[Frame]:
    """All good frames of a whole recording in API mode 2, read; bad ones are left out (a Deframer counts them).

    Raises DecodeError for a frame whose checksum is right and whose content is not.
    """
    return [parse(data) for data in Deframer().feed(octets)]
