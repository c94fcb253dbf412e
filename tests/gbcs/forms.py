"""The forms in which people bring octets as text: a small printer for each, which owes nothing to the code that reads.

What stock tools print (xxd, hexdump, od, base64) is checked against the tools' own output in ``test_forms``.
"""

from __future__ import annotations

import base64
import binascii
import json
import quopri
import textwrap
import urllib.parse
from collections.abc import Callable, Iterator

__all__ = ["FORMS"]

Printer = Callable[[bytes], str]


def rows(octets: bytes, width: int = 16) -> Iterator[tuple[int, bytes]]:
    return ((at, octets[at : at + width]) for at in range(0, len(octets), width))


def shown(octets: bytes) -> str:
    return "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in octets)


def lines(*texts: str) -> str:
    return "\n".join(texts) + "\n"


def joined(octets: bytes, row: Callable[[int, bytes], str], width: int = 16) -> str:
    return lines(*(row(at, part) for at, part in rows(octets, width)))


def words(octets: bytes, size: int) -> Iterator[str]:
    """Little-endian words, the last one filled up with zeros."""
    whole = octets + bytes(-len(octets) % size)
    return (whole[at : at + size][::-1].hex() for at in range(0, len(whole), size))


def stamp(at: int) -> str:
    return f"{10 + at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.{at % 1000:03}"


def hexdump_c(octets: bytes) -> str:
    def row(at: int, part: bytes) -> str:
        halves = part[:8].hex(" "), part[8:].hex(" ")
        return f"{at:08x}  {halves[0]:<23}  {halves[1]:<23}  |{shown(part)}|"

    return joined(octets, row) + f"{len(octets):08x}\n"


def xxd(octets: bytes) -> str:
    return joined(octets, lambda at, part: f"{at:08x}: {part.hex(' ', -2):<39}  {shown(part)}")


def wireshark(octets: bytes) -> str:
    return joined(octets, lambda at, part: f"{at:04x}  {part.hex(' '):<47}   {shown(part)}")


def escaped(octets: bytes, escape: Callable[[int], str]) -> str:
    """Octets that print as they are, but for quotes and backslashes, the others as ``escape`` writes them."""
    return "".join(chr(o) if 0x20 <= o < 0x7F and chr(o) not in "\"'\\" else escape(o) for o in octets)


def x_escape(octet: int) -> str:
    return f"\\x{octet:02x}"


def all_escaped(octets: bytes) -> str:
    return "".join(map(x_escape, octets))


def octal_escape(octet: int) -> str:
    return f"\\{octet:03o}"


def reference(octet: int) -> str:
    return f"&#x{octet:X};"


def quoted_printable(octets: bytes) -> str:
    tokens = (chr(o) if 0x20 < o < 0x7F and o != 0x3D else f"={o:02X}" for o in octets)
    text, width = "", 0
    for token in tokens:
        soft = width + len(token) > 75
        text += "=\n" + token if soft else token
        width = len(token) if soft else width + len(token)
    return text


def summed(octets: bytes, invert: int) -> str:
    """Octets with the checksum of Intel HEX (two's complement, 0) or of S-records (one's complement, 0xFF)."""
    return (octets + bytes(((invert - sum(octets)) & 0xFF,))).hex().upper()


def intel_hex(octets: bytes, width: int = 16) -> str:
    def row(at: int, part: bytes) -> str:
        return ":" + summed(bytes((len(part),)) + at.to_bytes(2, "big") + b"\0" + part, 0)

    return joined(octets, row, width) + ":00000001FF\n"


def s_records(octets: bytes, kind: int = 1, width: int = 16) -> str:
    size = kind + 1

    def row(at: int, part: bytes) -> str:
        return f"S{kind}{summed(bytes((size + len(part) + 1,)) + at.to_bytes(size, 'big') + part, 0xFF)}"

    return lines("S0030000FC") + joined(octets, row, width) + lines("S9030000FC")


def powershell(octets: bytes) -> str:
    """Format-Hex of PowerShell 7: one blank before the characters."""
    head = "   Label: String (System.String) <4A2B>\n\n          Offset Bytes" + " " * 43 + "Ascii\n"
    columns = " " * 17 + " ".join(f"{at:02X}" for at in range(16)) + f"\n{'-' * 16} {'-' * 47} -----\n"
    return head + columns + joined(octets, lambda at, part: f"{at:016X} {part.hex(' ').upper():<47} {shown(part)}")


def uuencoded(octets: bytes) -> str:
    body = "".join(binascii.b2a_uu(part, backtick=True).decode() for _, part in rows(octets, 45))
    return f"begin 644 message.bin\n{body}`\nend\n"


def signed(octets: bytes) -> Iterator[str]:
    return (str(octet - 256 if octet > 127 else octet) for octet in octets)


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def wrapped(text: str, width: int, indent: str = "") -> str:
    return "\n".join(indent + text[at : at + width] for at in range(0, len(text), width))


FORMS: dict[str, Printer] = {
    # hexadecimal digits
    "hex": lambda o: o.hex(),
    "hex, capitals": lambda o: o.hex().upper(),
    "hex, 0x before it": lambda o: f"0x{o.hex()}",
    "hex, spaces": lambda o: o.hex(" "),
    "hex, colons": lambda o: o.hex(":"),
    "hex, dashes": lambda o: o.hex("-"),
    "hex, underscores": lambda o: o.hex("_"),
    "hex, commas": lambda o: o.hex(","),
    "hex, bars": lambda o: o.hex("|"),
    "hex, semicolons and blanks": lambda o: "; ".join(f"{x:02X}" for x in o),
    "hex, dots": lambda o: o.hex("."),
    "hex, tabs": lambda o: o.hex("\t"),
    "hex, words of 4 octets": lambda o: o.hex(" ", -4),
    "hex, words of 8 octets": lambda o: o.hex(" ", -8),
    "hex, no leading zeros": lambda o: " ".join(f"{x:X}" for x in o),
    "hex, lines of 64 digits": lambda o: wrapped(o.hex(), 64),
    "hex, lines of 75 digits": lambda o: wrapped(o.hex(), 75),
    "hex, lines of 16 octets": lambda o: joined(o, lambda _, part: part.hex(" ").upper()),
    "hex, one octet a line": lambda o: lines(*(f"{x:02x}" for x in o)),
    "hex, quoted in a line": lambda o: f'INFO handler sent "{o.hex().upper()}" in 12 ms',
    "hex, brackets and a label": lambda o: f"data=[{o.hex(' ')}] rssi=-40",
    "hex, in XML": lambda o: f"<Payload>\n  {wrapped(o.hex(), 60, '  ').strip()}\n</Payload>",
    "hex, in JSON": lambda o: json.dumps({"at": 1700000000, "raw": o.hex(), "ok": True}, indent=1),
    "hex, in CSV": lambda o: f"10:00:00,rx,{o.hex()},75\n",
    "hex, SQL literal": lambda o: f"INSERT INTO t VALUES (1, x'{o.hex().upper()}', 12);",
    "hex, SQL bytea": lambda o: f" 12 | \\x{o.hex()} | t",
    "hex, glued to a word": lambda o: f"RX{o.hex()}",
    "hex, h at the end": lambda o: ", ".join(f"{x:02X}h" for x in o),
    "hex, fields set apart": lambda o: " ".join(
        (o[:1].hex(), o[1:7].hex(), o[7:8].hex(), o[8:13].hex(), o[13:].hex(" ", 5))
    ),
    # source code
    "C array": lambda o: (
        "static const uint8_t m[] = {\n"
        + textwrap.fill(", ".join(f"0x{x:02x}" for x in o), 70, initial_indent="    ", subsequent_indent="    ")
        + ",\n};\n"
    ),
    "C array, one line": lambda o: "uint8_t m[76]={" + ",".join(f"0X{x:02X}" for x in o) + "};",
    "C array with comments": lambda o: joined(
        o, lambda at, part: "  " + ", ".join(f"0x{x:02X}" for x in part) + f", // {at} and on", 8
    ),
    "C string": lambda o: f'char m[] = "{all_escaped(o)}";',
    "C string, octal": lambda o: f'char m[] = "{escaped(o, octal_escape)}";',
    "C strings, one after another": lambda o: joined(o, lambda _, part: f'  "{all_escaped(part)}"'),
    "Python bytes": lambda o: f"payload = {o!r}",
    "Python bytes in a log": lambda o: f"2024-01-01 10:00:00,123 DEBUG read {o!r} from /dev/ttyUSB0",
    "Python bytes, wrapped": lambda o: "m = (" + "\n     ".join(repr(part) for _, part in rows(o)) + ")",
    "Python bytearray": lambda o: repr(bytearray(o)),
    "Python list": lambda o: repr(list(o)),
    "Python list of hex": lambda o: "[" + ", ".join(hex(x) for x in o) + "]",
    "Python fromhex, wrapped": lambda o: (
        "m = bytes.fromhex(\n" + joined(o, lambda _, part: f'    "{part.hex()}"') + ")"
    ),
    "Rust array": lambda o: (
        "let m = [\n"
        + textwrap.fill(", ".join(f"{x}" for x in o), 60, initial_indent="    ", subsequent_indent="    ")
        + ",\n];"
    ),
    "Rust array of u8": lambda o: "let m = [" + ", ".join(f"0x{x:02X}u8" for x in o) + "];",
    "Rust byte string": lambda o: f'b"{escaped(o, x_escape)}"',
    "Rust debug, one a line": lambda o: "Frame {\n    data: [\n" + "".join(f"        {x},\n" for x in o) + "    ],\n}",
    "Go slice": lambda o: f"[]byte{{{', '.join(hex(x) for x in o)}}}",
    "Go %v": lambda o: f"got [{' '.join(map(str, o))}] from meter",
    "Java signed": lambda o: f"[{', '.join(signed(o))}]",
    "Java casts": lambda o: f"byte[] m = {{{', '.join(f'(byte)0x{x:02X}' for x in o)}}};",
    "Java casts, signed": lambda o: f"byte[] m = {{{', '.join(f'(byte) {x}' for x in signed(o))}}};",
    "C# string": lambda o: o.hex("-").upper(),
    "JSON array": lambda o: json.dumps({"type": "Buffer", "data": list(o)}),
    "JSON array, one a line": lambda o: json.dumps({"type": "Buffer", "data": list(o)}, indent=2),
    "JSON array of strings": lambda o: json.dumps([f"{x:02x}" for x in o]),
    "JSON typed array": lambda o: json.dumps({str(at): x for at, x in enumerate(o)}),
    "JSON string, latin-1": lambda o: json.dumps({"m": o.decode("latin-1")}),
    "JSON in JSON": lambda o: json.dumps(json.dumps({"m": b64(o)})),
    "shell printf": lambda o: f"printf '{all_escaped(o)}' > /dev/ttyUSB0",
    "BASIC": lambda o: "m = Array(" + ", ".join(f"&H{x:X}" for x in o) + ")",
    "assembler": lambda o: ".byte " + ",".join(f"${x:02X}" for x in o),
    "Ada": lambda o: "(" + ", ".join(f"16#{x:02X}#" for x in o) + ")",
    # as a page or a terminal shows them
    "page, lines": lambda o: f"<pre>{wrapped(o.hex(' '), 48).replace(chr(10), '<br>')}</pre>",
    "page, an element an octet": lambda o: "".join(f'<span class="o">{x:02x}</span>' for x in o),
    "page, table": lambda o: joined(
        o, lambda at, part: f"<tr><th>{at:04x}</th>{''.join(f'<td>{x:02X}</td>' for x in part)}</tr>"
    ),
    "terminal, coloured lines": lambda o: joined(o, lambda _, part: f"\x1b[1;32m{part.hex(' ')}\x1b[0m"),
    "terminal, coloured octets": lambda o: " ".join(f"\x1b[3{x % 8}m{x:02x}\x1b[m" for x in o),
    "terminal, a link": lambda o: f"\x1b]8;;http://x/y\x1b\\{o.hex()}\x1b]8;;\x1b\\",
    "hex, invisible breaks": lambda o: wrapped(o.hex(), 32).replace("\n", "\u200b"),
    "hex, full-width": lambda o: "".join(chr(ord(digit) + 0xFEE0) for digit in o.hex()),
    # dumps
    "hexdump -C": hexdump_c,
    "hexdump": lambda o: joined(o, lambda at, part: f"{at:07x} {' '.join(words(part, 2))}") + f"{len(o):07x}\n",
    "xxd": xxd,
    "xxd -p": lambda o: wrapped(o.hex(), 60),
    "xxd -i": lambda o: (
        "unsigned char m[] = {\n"
        + ",\n".join("  " + ", ".join(f"0x{x:02x}" for x in part) for _, part in rows(o, 12))
        + "\n};\nunsigned int m_len = 76;\n"
    ),
    "xxd -b": lambda o: joined(
        o, lambda at, part: f"{at:08x}: {' '.join(f'{x:08b}' for x in part):<53}  {shown(part)}", 6
    ),
    "xxd -g 4 -c 32": lambda o: joined(o, lambda at, part: f"{at:08x}: {part.hex(' ', -4):<71}  {shown(part)}", 32),
    "od": lambda o: (
        joined(o, lambda at, part: f"{at:07o} {' '.join(f'{int(w, 16):06o}' for w in words(part, 2))}")
        + f"{len(o):07o}\n"
    ),
    "od -t x1": lambda o: joined(o, lambda at, part: f"{at:07o} {part.hex(' ')}") + f"{len(o):07o}\n",
    "od -b": lambda o: joined(o, lambda at, part: f"{at:07o} {' '.join(f'{x:03o}' for x in part)}") + f"{len(o):07o}\n",
    "od -An -t u1": lambda o: joined(o, lambda _, part: "".join(f"{x:4}" for x in part)),
    "od -An -t d1": lambda o: joined(o, lambda _, part: "".join(f"{x:>5}" for x in signed(part))),
    "od -t x4": lambda o: joined(o, lambda at, part: f"{at:07o} {' '.join(words(part, 4))}") + f"{len(o):07o}\n",
    "Wireshark": wireshark,
    "Wireshark, tshark -x of a larger frame": lambda o: wireshark(
        b"\x41\x88\x01\x34\x12\x00\x00\x34\x12\x48" + o + b"\xd0\xea"
    ),
    # rows that are counted, in base 10 or 16
    "rows, decimal offset and tab": lambda o: joined(o, lambda at, part: f"{at}\t{part.hex(' ')}"),
    "rows, decimal offset, 10 a row": lambda o: joined(o, lambda at, part: f"{at} {part.hex(' ')}", 10),
    "rows, decimal offset, decimal": lambda o: joined(o, lambda at, part: f"{at}\t{' '.join(map(str, part))}"),
    "rows, hexadecimal offset of two digits": lambda o: joined(o, lambda at, part: f"{at:02x} {part.hex(' ')}", 8),
    "rows, cat -n": lambda o: joined(o, lambda at, part: f"{at // 8 + 1:6}\t{part.hex(' ')}", 8),
    "rows, grep -n": lambda o: joined(o, lambda at, part: f"{at // 8 + 95}:{part.hex(' ')}", 8),
    "rows, grep of a file": lambda o: joined(o, lambda at, part: f"meter.log:{at // 16 + 7}:{part.hex(' ')}"),
    "rows, an octet each": lambda o: joined(o, lambda at, part: f"{at}\t{part.hex()}", 1),
    "rows, an octet each, CSV with a header": lambda o: lines(
        "offset,value", *(f"{at},{x:02X}" for at, x in enumerate(o))
    ),
    "rows, assignments": lambda o: lines(*(f"  buf[{at}] = {x};" for at, x in enumerate(o))),
    "rows, assignments, hexadecimal": lambda o: lines(*(f"buf[{at}]=0x{x:02x};" for at, x in enumerate(o))),
    "CSV with a header, a column an octet": lambda o: lines(
        ",".join(f"b{at}" for at in range(len(o))), ",".join(map(str, o))
    ),
    "CSV of a logic analyser": lambda o: lines(
        "Time [s],Value,Parity Error,Framing Error", *(f"{at / 960:.9f},0x{x:02X},," for at, x in enumerate(o))
    ),
    # records
    "Intel HEX": intel_hex,
    "Intel HEX, 32 a record": lambda o: intel_hex(o, 32),
    "S-records": s_records,
    "S-records, long addresses": lambda o: s_records(o, 3, 28),
    "TI text": lambda o: "@0000\n" + joined(o, lambda _, part: part.hex(" ").upper()) + "q\n",
    "uuencode": uuencoded,
    # other tools
    "PowerShell 7": powershell,
    "hexdump with squeezed rows": lambda o: hexdump_c(o).replace(hexdump_c(bytes(16)).splitlines()[0], "*"),
    "gdb x/8xb": lambda o: joined(
        o, lambda at, part: f"0x{0x2000 + at:x} <m+{at}>:\t" + "\t".join(f"0x{x:02x}" for x in part), 8
    ),
    "K12": lambda o: "+---------+----------+\n10:11:12,123,456   ETHER\n|0   |" + o.hex("|") + "|\n",
    "Wireshark, C array": lambda o: (
        "/* Frame (76 bytes) */\nstatic const unsigned char pkt1[76] = {\n"
        + joined(o, lambda _, part: ", ".join(f"0x{x:02x}" for x in part) + ", /* " + shown(part) + " */", 8)
        + "};\n"
    ),
    "Wireshark, C string": lambda o: joined(o, lambda _, part: f'"{all_escaped(part)}" \\'),
    "numpy": lambda o: "m = array([" + textwrap.fill(", ".join(f"{x:3}" for x in o), 64) + "], dtype=uint8)",
    "h at the end, an octet a line": lambda o: lines(*(f"{x:02X}h" for x in o)),
    "digits apart": lambda o: " ".join(o.hex()),
    "xxd -p of hexadecimal": lambda o: o.hex().encode().hex(),
    "base64 of hexadecimal": lambda o: base64.b64encode(o.hex().encode()).decode(),
    "XML, an element an octet": lambda o: "".join(f"<octet>{x:02X}</octet>" for x in o),
    "page, blanks that do not break": lambda o: f"<pre>{o.hex(' ').replace(' ', '&nbsp;')}</pre>",
    "URL, blanks encoded": lambda o: f"GET /m?x={o.hex(' ').replace(' ', '%20')}&n=1",
    # base64
    "base64": b64,
    "base64url": lambda o: base64.urlsafe_b64encode(o).decode(),
    "base64url, unpadded": lambda o: base64.urlsafe_b64encode(o).decode().rstrip("="),
    "base64, lines of 76": lambda o: base64.encodebytes(o).decode(),
    "base64, lines of 64": lambda o: wrapped(b64(o), 64),
    "base64 in XML": lambda o: f'<?xml version="1.0"?><sr:GBCSPayload xmlns:sr="http://x/y">{b64(o)}</sr:GBCSPayload>',
    "base64 in XML, wrapped": lambda o: (
        f"<Body>\n  <GBCSPayload>{wrapped(b64(o), 40, '    ').strip()}</GBCSPayload>\n</Body>"
    ),
    "base64 in XML, references": lambda o: f"<P>{wrapped(b64(o), 76).replace(chr(10), '&#13;&#10;')}</P>",
    "base64 in JSON": lambda o: json.dumps({"id": "90B3D51F30010000", "payload": b64(o)}),
    "base64 in JSON, slashes escaped": lambda o: json.dumps({"payload": b64(o)}).replace("/", "\\/"),
    "base64 in JSON, newlines": lambda o: json.dumps({"payload": base64.encodebytes(o).decode()}),
    "base64 in a log line": lambda o: f"2024-01-01T10:00:00Z INFO [http-1] sent payload={b64(o)} status=200",
    "base64 in a data URI": lambda o: f'<a href="data:application/octet-stream;base64,{b64(o)}">m</a>',
    "base64 in a URL": lambda o: f"GET /decode?m={urllib.parse.quote(b64(o), safe='')}&x=1 HTTP/1.1",
    "PEM": lambda o: f"-----BEGIN GBCS MESSAGE-----\n{wrapped(b64(o), 64)}\n-----END GBCS MESSAGE-----\n",
    "base64, quoted-printable": lambda o: quopri.encodestring(f"Payload: {b64(o)}\n".encode()).decode(),
    "base64 after a time stamp, wrapped": lambda o: lines(
        *(f"{stamp(at)} RX {line}" for at, line in enumerate(wrapped(b64(o), 32).splitlines()))
    ),
    # escapes
    "percent-encoded": lambda o: f"POST /m body={urllib.parse.quote_plus(o)}&n=1",
    "quoted-printable": quoted_printable,
    "character references": lambda o: f"<m>\n{''.join(map(reference, o))}</m>",
    # logs
    "log, digits-only time stamp": lambda o: f"10:11:12 {o.hex()}\n",
    "log, compact time stamp": lambda o: f"20240101101112 {o.hex(' ')}\n",
    "log, epoch": lambda o: f"1704103872.123456 {o.hex()}\n",
    "log, six digits": lambda o: f"101112 {o.hex(' ')} 75\n",
    "log, wrapped after a time stamp": lambda o: joined(o, lambda at, part: f"{stamp(at)} RX {part.hex(' ').upper()}"),
    "log, wrapped, digits only": lambda o: joined(o, lambda at, part: f"{stamp(at)[:8]} {part.hex(' ')}"),
    "log, wrapped, packed": lambda o: joined(o, lambda at, part: f"[{at:5}] <- {part.hex()}", 20),
    "log, wrapped, 0x": lambda o: joined(
        o, lambda at, part: f"{stamp(at)} RX: " + " ".join(f"0x{x:02x}" for x in part)
    ),
    "log, wrapped, decimal": lambda o: joined(o, lambda at, part: f"{stamp(at)} data {', '.join(map(str, part))}", 8),
    "log, wrapped, level and thread": lambda o: joined(
        o, lambda at, part: f"2024-01-01 {stamp(at)} [main-{3}] DEBUG radio - {part.hex(':')}"
    ),
    "log, first line then indented": lambda o: (
        "10:00:00 frame received:\n" + joined(o, lambda _, part: f"          {part.hex(' ')}")
    ),
    "log, offset with a slash": lambda o: joined(o, lambda at, part: f"{at}/{len(o)}: {part.hex(' ')}"),
    "log, part numbers": lambda o: joined(o, lambda at, part: f"part {at // 24 + 1} of 4 = {part.hex()}", 24),
    "log, noise between": lambda o: joined(o, lambda at, part: f"{stamp(at)} RX {part.hex(' ')}\n{stamp(at)} heap ok"),
    "syslog": lambda o: f"Jan  1 10:11:12 hub01 chd[123]: rx len={len(o)} {o.hex()}\n",
    "kernel log": lambda o: joined(
        o, lambda at, part: f"[ 1234.{at:06}] spi: {at:08x}: {part.hex(' ')}  {shown(part)}"
    ),
    "Arduino": lambda o: "RX: " + " ".join(f"{x:X}" for x in o) + " \r\n",
}
"""By name; each takes any octets."""
