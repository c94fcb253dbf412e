"""What the mutations start from: the published corpus taken apart, and a few frames of every radio codec.

Must not live here: what is done with a seed (``targets``), how it is mutated (``engines``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from devices.wire import asn1_typed, axdr, gbcs, gbt, gbz, payload, utrn, xbee, zcl, zcl_fields
from devices.wire.gbcs import CRA, Message

__all__ = ["CAPTURES", "RADIO", "Corpus", "pieces", "serial_lines", "stream", "xbee_frames"]

RADIO: dict[str, tuple[str, ...]] = {
    "mac": (
        "2188014D4F341200004800341200001E07",
        "21CC014D4FEFCDAB4100A213004D4F9900004100A213000B000304070901012A0006FFFF00DC05",
        "01D80BFFFFFFFF4D4F99AABB4100A213000B00",
        "0200 07",
        "008007 4D4F 0000 FFCF0000 002284EFCDAB4100A21300FFFFFF00",
        "638805 4D4F 0000 3412 04",
        "23C806 4D4F 0000 FFFF 9900004100A21300 01 8E",
    ),
    "mac beacon": ("FFCF0000002284EFCDAB4100A21300FFFFFF00", "FFCF0000"),
    "mac command": ("018E", "02341200", "0302", "04", "07", "08"),
    "nwk": (
        "4818341200001E07EFCDAB4100A213009900004100A21300AA",
        "480034120000 1E07 0B000304070901012A",
        "0912 FCFF 0000 1E07 EFCDAB4100A21300 01 02",
        "4804 3412 0000 1E07 02 01 1111 2222 AA",
    ),
    "nwk beacon": ("002284EFCDAB4100A21300FFFFFF00",),
    "aps": (
        "0805FFFF00001E07020201CDABFF00",
        "C0010407090101550103AA",
        "8201040709010155010001",
        "000104070901015501",
        "0C0100040709010155AA",
        "0201040709010155",
    ),
    "inter-PAN": ("0B000304070901012A0006FFFF00DC05", "0B000F3412040709010117", "0B000B0407090101"),
    "tunnelling": (
        "012A0006FFFF00DC05",
        "092A00000100DC05",
        "012B010100",
        "012C020100DF09000000000000012345",
        "092D010100DF0902",
        "012E03010001",
        "012F0401001000",
        "0130050100 0001",
        "013106 00",
        "093205 0102 060000 FFFF00",
        "0933060100",
    ),
    "gas tunnel": ("01", "02 0000", "02 0102 DF09010000", "03 DF0901", "0234120002"),
}
"""Frames without a check sequence, as hexadecimal digits, by codec."""

CAPTURES = (
    # pcap, one frame with its check sequence
    "d4c3b2a1 0200 0400 00000000 00000000 00000100 c3000000 00000000 00000000 05000000 05000000 0200070000",
    # pcapng: section, interface of link type 283, one packet with a TAP header
    "0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000"
    " 01000000 14000000 1b01 0000 00000000 14000000"
    " 06000000 34000000 00000000 00000000 00000000 11000000 11000000"
    " 0000 0c00 0000 0100 01000000 0200070000 000000 34000000",
)


@dataclass(frozen=True)
class Corpus:
    """The published messages, in the pieces that the codecs take."""

    folder: Path

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The lines of the corpus."""
        return [json.loads(line) for line in (self.folder / "gbcs-open.jsonl").read_text().splitlines()]

    @cached_property
    def messages(self) -> list[bytes]:
        """Whole messages."""
        return [bytes.fromhex(row["hex"]) for row in self.rows]

    @cached_property
    def decoded(self) -> list[Message]:
        """The envelopes."""
        return [gbcs.decode(octets) for octets in self.messages]

    def payloads(self, family: payload.Family) -> list[bytes]:
        """The payloads of one family."""
        return [one.payload for one in self.decoded if payload.family(one.payload) == family]

    def asn1_messages(self) -> list[bytes]:
        """ASN.1 payloads behind their message code (two octets) and CRA flag; each pair that is known comes up."""
        real = [
            one.message_code.to_bytes(2, "big") + bytes((one.cra,)) + one.payload
            for one in self.decoded
            if payload.family(one.payload) == "asn1"
        ]
        return real + [code.to_bytes(2, "big") + bytes((cra, 0x30, 0)) for code, cra in asn1_typed.VIEWS]

    def certification_requests(self) -> list[bytes]:
        """The PKCS#10 requests in responses."""
        return [one.payload for one in self.decoded if (one.message_code, one.cra) == (0x000A, CRA.RESPONSE)]

    def certificates(self) -> list[bytes]:
        """The X.509 certificates of the test keys."""
        keys: dict[str, dict[str, str | None]] = json.loads((self.folder / "keys.json").read_text())
        return [bytes.fromhex(text) for key in keys.values() if (text := key["certificate"])]

    @cached_property
    def components(self) -> list[tuple[gbz.Component, bytes]]:
        """The components of GBZ payloads, each with its contents in the clear."""
        found = []
        for row, message in zip(self.rows, self.decoded, strict=True):
            if payload.family(message.payload) != "gbz":
                continue
            body = gbz.decode(message.payload)
            plain = iter(row["encrypted"] or ())
            parts = body.components if isinstance(body, gbz.Payload) else body.body
            for part in parts if isinstance(parts, tuple) else ():
                sealed = part.additional is not None
                found.append((part, bytes.fromhex(next(plain)["plaintext"]) if sealed else part.frame.payload))
        return found

    def zcl_frames(self) -> list[bytes]:
        """The ZCL frames of the components, as they stand."""
        return [zcl.encode(component.frame) for component, _ in self.components]

    def zcl_contents(self) -> list[bytes]:
        """Contents in the clear behind their cluster (two octets), frame control and command.

        Every command that has a layout comes up, if only as zeros, and so does every command that all clusters share.
        """
        made = [
            cluster.to_bytes(2, "big") + bytes((0x09 if to_client else 0x01, command)) + bytes(48)
            for cluster, to_client, command in zcl_fields.layouts()
        ]
        made += [bytes((7, 0, 0, command)) + bytes(8) for command in range(16)]
        return made + [
            part.cluster.to_bytes(2, "big") + bytes((part.frame.frame_control, part.frame.command)) + contents
            for part, contents in self.components
        ]

    def data(self) -> list[bytes]:
        """Single A-XDR values: the decrypted parts of DLMS payloads and the elements of the others."""
        found = [
            bytes.fromhex(part["plaintext"])
            for row in self.rows
            if row["payload_format"] == "dlms"
            for part in row["encrypted"] or ()
        ]
        for message in self.decoded:
            body = payload.decode(message) if payload.family(message.payload) == "dlms" else None
            elements = getattr(body, "data", ()) or (getattr(body, "body", None),)
            found += [axdr.encode(element) for element in elements if element is not None]
        return found

    def blocks(self) -> list[bytes]:
        """GBT blocks of messages."""
        return [block for octets in self.messages[::40] for block in gbt.split(octets, 180)]

    def block_streams(self) -> list[bytes]:
        """All the blocks of a message, each behind its length."""
        return [stream(gbt.split(octets, 120)) for octets in self.messages[::40]]

    def tokens(self) -> list[bytes]:
        """Prepayment tokens as their digits; the published vectors and two more."""
        rows: list[dict[str, Any]] = json.loads((self.folder / "utrn-vectors.json").read_text())
        made = [utrn.encode(utrn.Ptut(7, 0, 8191, b"\x00\x01\x02\x03")), utrn.encode(utrn.Ptut(0, 0, 0, bytes(4)))]
        return [str(token).encode() for token in (*(row["utrn"] for row in rows), *made)]


def stream(parts: list[bytes]) -> bytes:
    """Several pieces as one input: each behind its length in two octets."""
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def pieces(octets: bytes) -> list[bytes]:
    """The pieces of :func:`stream`; anything at all gives some, the last one may be cut short."""
    found, at = [], 0
    while at + 2 <= len(octets):
        end = at + 2 + int.from_bytes(octets[at : at + 2], "big")
        found.append(octets[at + 2 : end])
        at = end
    return found


def xbee_frames() -> list[bytes]:
    """Frame data of every type, known or not, if only zeros, and a few with contents."""
    full = (
        "910013A2004100000112340101070401090168656C6C6F",
        "950013A2004100000112310212310013A200410000014D455445523100FFFE0102C105101E",
        "A10013A2004040112233440103EEFFCCDDAABB",
        "8801424400",
        "9752 0013A20040522BAA 7D84 534C 00 40522BAA",
    )
    return [bytes((kind,)) + bytes(20) for kind in range(256)] + [bytes.fromhex(frame) for frame in full]


def serial_lines() -> list[bytes]:
    """What comes from a module: framed octets in pieces, in API mode 2 and 1 by the first octet."""
    frames = [frame for frame in xbee_frames() if frame[0] > 0x7C][::9]
    lines = []
    for escaped in (True, False):
        line = b"".join(xbee.frame(frame, escaped=escaped) for frame in frames[:6])
        lines.append(bytes((escaped,)) + stream([line[at : at + 11] for at in range(0, len(line), 11)]))
    return lines
