"""Messages in whatever form people bring them: the table of ``forms``, what stock tools print, noise, random text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import shutil
import subprocess
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import gbcs, gbt
from rig.gbcs.sources import SourceError, messages
from rig.gbcs.text import search
from tests import corpus_made
from tests.examples import examples
from tests.gbcs.forms import FORMS

ENABLE = gbcs.encode(corpus_made.enable_supply())
LOG = gbcs.encode(corpus_made.daily_log())
GAS = gbcs.encode(corpus_made.gas_reading())
PRECOMMAND = gbcs.encode(replace(corpus_made.enable_supply(), signature=b"", mac=None))
BLOCK = gbt.split(LOG, 60)[0]
SAMPLES = {"signed": ENABLE, "reply": LOG, "gas": GAS, "pre-command": PRECOMMAND, "block": BLOCK}

# A line of each kind that stands between messages in logs; none of them is octets of a message.
NOISE = (
    "",
    "12:00:01.500 INFO heap 23456 free, added 3 feeds in 12 ms",
    "2024-01-01 10:11:12,123 WARN [main] retry 3 of 5 for 00:DB:12:34:56:78:90:B0",
    "# cafe to deadbeef: 0x12, 34",
    '{"level": "debug", "at": 1704103872, "id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"}',
    "GET /api/v1/meters/90B3D51F30010000 HTTP/1.1 200 1532",
    "    at uk.co.dcc.Handler.decode(Handler.java:221)",
)


def found(text: str) -> list[bytes]:
    taken, faults = search(text)
    assert not faults, faults
    return [one.octets for one in taken]


@pytest.mark.parametrize("form", FORMS)
def test_a_message_in_every_form(form: str) -> None:
    for octets in SAMPLES.values():
        assert found(FORMS[form](octets)) == [octets]


def test_there_are_more_than_sixty_forms() -> None:
    assert len(FORMS) > 100


@pytest.mark.parametrize(
    ("tool", "form"),
    [
        ("xxd", "xxd"),
        ("xxd -p", "xxd -p"),
        ("xxd -b", "xxd -b"),
        ("xxd -g 4 -c 32", "xxd -g 4 -c 32"),
        ("xxd -e", ""),
        ("xxd -u -g 1", ""),
        ("xxd -r -p", "octets"),
        ("hexdump -C", "hexdump -C"),
        ("hexdump", "hexdump"),
        ("hexdump -b", ""),
        ("hexdump -c", ""),
        ("od", "od"),
        ("od -t x1", "od -t x1"),
        ("od -A x -t x1z", ""),
        ("od -b", "od -b"),
        ("od -c", ""),
        ("od -t x2", ""),
        ("od -t x4", "od -t x4"),
        ("od -t x8", ""),
        ("od -An -t u1", "od -An -t u1"),
        ("od -An -t d1", "od -An -t d1"),
        ("base64", "base64, lines of 76"),
        ("base64 -w 0", "base64"),
        ("base64 -w 20", ""),
        ("basenc --base64url", ""),
        ("gzip", "octets"),
    ],
)
@pytest.mark.parametrize("sample", ["signed", "reply", "gas"])
def test_what_stock_tools_print(tool: str, form: str, sample: str) -> None:
    """Their real output is read, and the printers of the table print the same."""
    command = tool.split()
    octets = SAMPLES[sample]
    if shutil.which(command[0]) is None:
        assert form == "octets" or FORMS[form or "hex"](octets)  # the printer's form is tested above
        return
    given_in = octets.hex().encode() if tool == "xxd -r -p" else octets
    printed = subprocess.run(command, input=given_in, capture_output=True, check=True).stdout
    if form and form != "octets":
        assert printed.decode().split() == FORMS[form](octets).split()
    assert [one.octets for one in messages(printed, "it").found] == [octets]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_encoding_and_line_end(encoding: str, ending: str) -> None:
    text = f"Zähler: 5 £\n10:00 rx\n{FORMS['hexdump -C'](ENABLE)}\nend\n".replace("\n", ending)
    given_now = messages(text.encode(encoding), "it")
    assert [one.octets for one in given_now.found] == [ENABLE]
    assert not given_now.left_out


def test_the_octets_themselves() -> None:
    given_now = messages(b"\x7e\x00\x63\x91" + ENABLE + b"\x51" + GAS, "it")
    assert [(one.octets, one.where) for one in given_now.found] == [
        (ENABLE, "octet 4"),
        (GAS, f"octet {5 + len(ENABLE)}"),
    ]
    assert [(one.before, one.after) for one in given_now.found] == [(4, 0), (1, 0)]


def test_octets_that_begin_like_a_text_of_another_encoding() -> None:
    given_now = messages(b"\xff\xfe\xfd\x01\x02\x03\x88" + ENABLE + b"\x01\x02", "it")
    assert [(one.octets, one.before, one.after) for one in given_now.found] == [(ENABLE, 7, 2)]


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in files.items():
            archive.writestr(name, octets)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, octets in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(octets)
            archive.addfile(entry, io.BytesIO(octets))
    return buffer.getvalue()


def mailed(files: dict[str, bytes]) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.org", "b@example.org", "a message"
    mail.set_content("Hello, the messages are attached.\n", cte="quoted-printable")
    for name, octets in files.items():
        mail.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


FILES = {"a.log": f"rx {ENABLE.hex()}\nrx {GAS.hex()}\n".encode(), "b.bin": LOG, "readme.txt": b"nothing\n"}


@pytest.mark.parametrize(
    ("pack", "name"),
    [(zipped, "zip"), (tarred, "tar"), (mailed, "mail"), (lambda files: gzip.compress(tarred(files)), "tar.gz")],
)
def test_files_in_files(pack: Callable[[dict[str, bytes]], bytes], name: str) -> None:
    given_now = messages(pack(FILES), name)
    assert [(one.octets, one.where) for one in given_now.found] == [
        (ENABLE, "a.log: line 1"),
        (GAS, "a.log: line 2"),
        (LOG, "b.bin: octet 0"),
    ]
    assert not given_now.left_out
    assert any("readme.txt" in note for note in given_now.notes)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_files_are_read_to_their_end_or_it_is_said(pack: Callable[[bytes], bytes]) -> None:
    log = b"".join(f"{at:05} rx {ENABLE.hex()}\n".encode() for at in range(200))
    twice = messages(pack(log) + pack(f"rx {GAS.hex()}\n".encode()), "it")
    assert [one.octets for one in twice.found] == [ENABLE] * 200 + [GAS]
    drawn = random.Random(3)
    whole = pack(b"".join(drawn.randbytes(60).hex().encode() + b"\n" for _ in range(1500)) + log)
    with pytest.raises(SourceError, match=r"breaks off|broken"):
        messages(whole[: len(whole) // 2], "it")
    cut = messages(pack(log) + whole[: len(whole) // 2], "it")
    assert len(cut.found) == 200
    assert any("breaks off" in reason for reason in cut.left_out)


def test_a_file_with_holes_is_not_unpacked_beyond_the_limit() -> None:
    whole = tarfile.TarInfo("one.hex")
    whole.size = 2 * len(ENABLE)
    holes, filled = tarfile.TarInfo("holes.hex"), b"1\n1000000000000\n0\n".ljust(512, b"\x00")
    holes.size = len(filled)
    holes.pax_headers = {
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "holes.hex",
        "GNU.sparse.realsize": "1000000000000",
    }  # fmt: skip
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(holes, io.BytesIO(filled))
        archive.addfile(whole, io.BytesIO(ENABLE.hex().encode()))
    given = messages(packed.getvalue(), "it")
    assert [one.octets for one in given.found] == [ENABLE]
    assert given.left_out == ["holes.hex: the archive grows beyond 268435456 octets; unpack it"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_what_stands_behind_a_packed_file_is_named(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(ENABLE.hex().encode())
    assert messages(packed + bytes(512), "it").left_out == []
    given = messages(packed + LOG, "it")
    assert [one.octets for one in given.found] == [ENABLE]
    assert len(given.left_out) == 1
    assert f"{len(LOG)} octets behind its end" in given.left_out[0]


@pytest.mark.parametrize(
    ("octets", "word"),
    [(b"7z\xbc\xaf\x27\x1c" + GAS, "7-Zip"), (b"\x28\xb5\x2f\xfd" + GAS, "zstd"), (b"%PDF-1.4\n" + GAS, "PDF")],
)
def test_what_is_not_unpacked_is_refused_by_name(octets: bytes, word: str) -> None:
    with pytest.raises(SourceError, match=word):
        messages(octets, "it")
    mixed = messages(zipped({"a.log": GAS.hex().encode(), "b": octets}), "it")
    assert len(mixed.found) == 1
    assert any(word in reason for reason in mixed.left_out)


# ------------------------------------------------------------------------------------------------------- left out

# What is half an octet: {0} is a message, digits two by two, {1} the same without blanks.
BESIDE = {
    "{0} F": "half an octet in line 1",
    "{1}F": "half an octet in line 1",
    "F{1}": "half an octet in line 1, column 1",
    "F {0}": "half an octet in line 1, column 1",
    "{0} 7\n{0}": "half an octet in line 1",
    "10:00 rx {0} 0": "half an octet in line 1",
    "{0} A {0}": "half an octet in line 1",
}


@pytest.mark.parametrize("text", BESIDE)
@pytest.mark.parametrize("sample", ["signed", "gas", "pre-command"])
def test_half_an_octet_beside_a_message_is_told(text: str, sample: str) -> None:
    octets = SAMPLES[sample]
    given_now = messages(text.format(octets.hex(" "), octets.hex()).encode(), "it")
    assert {one.octets for one in given_now.found} == {octets}
    (reason,) = given_now.left_out
    assert BESIDE[text] in reason


@pytest.mark.parametrize(
    "text",
    ["port A {0}", "hop 5 {0}", "12 {0}", "{0} 7ms", "{0} -7", "{0}, 7 hops", "FRAME{1}", "DATA{1}", "0xDD, {2}0xF"],
)
def test_digits_of_something_else_are_no_half_octets(text: str) -> None:
    of_c = "".join(f"0x{octet:02X}, " for octet in ENABLE)
    given_now = messages(text.format(ENABLE.hex(" "), ENABLE.hex(), of_c).encode(), "it")
    assert [one.octets for one in given_now.found] == [ENABLE]
    assert not given_now.left_out


@pytest.mark.parametrize(
    "spoilt", [ENABLE.hex(" ").replace("00", "OO", 3), "dd 00 00 OO 00 " + ENABLE.hex(" ")[5 * 3 :], ENABLE.hex()[4:]]
)
def test_a_message_whose_mac_header_is_spoilt_is_not_passed_off_as_whole(spoilt: str) -> None:
    given_now = messages(spoilt.encode(), "it")
    assert any("MAC header" in reason for reason in given_now.left_out)


def without_row(text: str, at: int) -> str:
    rows = text.splitlines(keepends=True)
    return "".join(rows[:at] + rows[at + 1 :])


def with_other_digit(text: str, at: int) -> str:
    rows = text.splitlines(keepends=True)
    rows[at] = f"{rows[at][:20]}{15 - int(rows[at][20], 16):X}{rows[at][21:]}"
    return "".join(rows)


# Octets that somebody cut, left out or spoilt in the middle; none of them may come out as a message.
SPOILT = {
    "a letter in the middle": lambda o: f"{o[:30].hex()}zz{o[31:].hex()}",
    "question marks": lambda o: f"{o[:30].hex(' ')} ?? {o[31:].hex(' ')}",
    "an ellipsis": lambda o: f"{o[:30].hex()}\u2026{o[40:].hex()}",
    "more octets, as Node.js has it": lambda o: f"<Buffer {o[:50].hex(' ')} ... {len(o) - 50} more bytes>",
    "more items, as Elixir has it": lambda o: f"<<{', '.join(map(str, o[:50]))}, ...>>",
    "a digit short": lambda o: f"{o[:30].hex(' ')} {o.hex(' ')[91:]}",
    "an Intel HEX record short": lambda o: without_row(FORMS["Intel HEX"](o), 2),
    "a wrong octet in an Intel HEX record": lambda o: with_other_digit(FORMS["Intel HEX"](o), 2),
    "a wrong octet in an S-record": lambda o: with_other_digit(FORMS["S-records"](o), 3),
    "a row of a counted dump short": lambda o: without_row(FORMS["rows, cat -n"](o), 2),
    "a column after a cut": lambda o: f"10:00;{o[:-1].hex(' ')};75",
    "a column after a cut, commas": lambda o: f"10:00,{o[:-1].hex(' ')},75",
    "a cell after a cut": lambda o: f"<td>{o[:-1].hex(' ')}</td><td>75</td>",
    "an element after a cut": lambda o: f"<m>{o[:-1].hex(' ')}</m><rssi>75</rssi>",
}  # fmt: skip


@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("sample", ["signed", "reply", "gas"])
def test_spoilt_octets_are_told_and_never_read_as_something_else(kind: str, sample: str) -> None:
    text = f"{SPOILT[kind](SAMPLES[sample])}\n\n10:00 rx {PRECOMMAND.hex()}\n"
    given_now = messages(text.encode(), "it")
    assert [one.octets for one in given_now.found] == [PRECOMMAND]
    assert given_now.left_out


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(
    "form", ["hex", "hex, spaces", "log, digits-only time stamp", "base64 in a log line", "Java signed"]
)
def test_a_message_that_is_cut_is_named_with_its_line(form: str, order: int) -> None:
    one_line = FORMS[form]
    lines = [one_line(GAS).strip(), one_line(ENABLE[:-1]).strip()]
    given_now = messages("\n".join(lines[::-1] if order else lines).encode(), "it")
    assert [one.octets for one in given_now.found] == [GAS]
    (reason,) = given_now.left_out
    assert f"in line {1 if order else 2}, " in reason
    assert "MAC header announces 137 octets, the last 1 of the message is missing" in reason


@pytest.mark.parametrize("cut", [1, 12, 40, 100])
def test_a_cut_message_swallows_nothing_of_what_follows(cut: int) -> None:
    text = f"10:00 rx {ENABLE[:-cut].hex()} 75\n10:01 rx cafe\n10:02 rx {LOG.hex()}\n"
    given_now = messages(text.encode(), "it")
    assert [one.octets for one in given_now.found] == [LOG]
    assert len(given_now.left_out) == 1


def test_a_broken_header_is_named() -> None:
    broken = bytearray(ENABLE)
    broken[13 + 1] = 0xDE  # the general-signing tag, behind a length of two octets
    given_now = messages(f"rx {broken.hex()}\nrx {GAS.hex()}\n".encode(), "it")
    assert [one.octets for one in given_now.found] == [GAS]
    assert "general-signing tag is de, expected df" in given_now.left_out[0]


def test_a_missing_block_is_named() -> None:
    blocks = gbt.split(LOG, 40)
    text = "\n".join(block.hex() for block in (blocks[0], *blocks[2:])) + f"\n{GAS.hex()}\n"
    given_now = messages(text.encode(), "it")
    assert [one.octets for one in given_now.found] == [GAS]
    (reason,) = given_now.left_out
    assert f"block 2 of {len(blocks)} is missing" in reason
    assert f"lines 1 to {len(blocks) - 1}" in reason
    assert "counter 1000" in reason


@pytest.mark.parametrize("sizes", [(30, 50), (50, 30), (40, 40)])
def test_a_transfer_that_was_sent_again_is_one_message(sizes: tuple[int, int]) -> None:
    first, again = (gbt.split(LOG, size) for size in sizes)
    text = "\n".join(block.hex() for block in (*first[:2], *again))
    given_now = messages(text.encode(), "it")
    assert [one.octets for one in given_now.found] == [LOG]
    assert not given_now.left_out


def test_blocks_in_dumps_and_base64_are_put_together() -> None:
    blocks = gbt.split(LOG, 60)
    forms = ("hexdump -C", "base64", "C array")
    text = "\n".join(FORMS[form](block) for form, block in zip(forms, blocks, strict=True))
    assert [one.octets for one in messages(text.encode(), "it").found] == [LOG]


# ------------------------------------------------------------------------------------------------------ properties

ONE_LINERS = sorted(form for form in FORMS if FORMS[form](ENABLE).strip().count("\n") == 0)


@settings(max_examples=examples(15), deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(FORMS)), st.sampled_from(sorted(SAMPLES)), st.lists(st.sampled_from(NOISE))),
        min_size=1,
        max_size=4,
    )
)
def test_messages_in_any_forms_with_noise_between_come_back_whole(parts: list[tuple[str, str, list[str]]]) -> None:
    text, expected = "", []
    for form, sample, noise in parts:
        text += FORMS[form](SAMPLES[sample]).rstrip("\n") + "\n--\n" + "".join(f"{line}\n" for line in noise)
        expected.append(SAMPLES[sample])
    assert found(text) == expected


@settings(max_examples=examples(30), deadline=None)
@given(st.sampled_from(sorted(FORMS)), st.binary(min_size=1, max_size=120), st.integers(0, 2**64 - 1))
def test_any_payload_in_any_form(form: str, payload: bytes, counter: int) -> None:
    message = replace(corpus_made.daily_log(), payload=payload, counter=counter, mac=bytes(12))
    octets = gbcs.encode(message)
    assert found(FORMS[form](octets)) == [octets]


@settings(max_examples=examples(40), deadline=None)
@given(st.one_of(st.text(max_size=2000), st.text("0123456789abcdefDF \\x,:\n%=|[]", max_size=2000)))
def test_random_text_gives_no_message(text: str) -> None:
    try:
        given_now = messages(text.encode("utf-8", "replace"), "it")
    except SourceError:
        return
    assert not given_now.found


def noise_of(octets: int) -> str:
    """A log of that size: dumps of octets that are no message, stamps, words and base64."""
    drawn = random.Random(7)
    lines: list[str] = []
    size = 0
    while size < octets:
        part = drawn.randbytes(16)
        line = drawn.choice(
            (
                f"{size:08x}  {part.hex(' ')}  |{'.' * 16}|",
                f"10:11:12.{size % 1000:03} DEBUG [main] added {drawn.randrange(9999)} feeds",
                f"10:11:12.{size % 1000:03} rx {drawn.randbytes(60).hex()}",
                "3QAA" + part.hex() * 3,
                "dd 00 00 00 00 00 00 82 ff ff 11 00 00 00 00 df 09 01",
            )
        )
        lines.append(line)
        size += len(line) + 1
    return "\n".join(lines)


def test_work_is_linear_in_the_text() -> None:
    """A log twice as long takes about twice as long, also where line after line begins a message that never ends."""
    worst = "\n".join(f"{at:08x}  aa dd 00 00 00 00 00 00  82 ff ff 11 00 00 00 00" for at in range(1000))

    def seconds(text: str) -> float:
        began = time.process_time()
        search(text)
        return time.process_time() - began

    for text in (noise_of(60_000), worst):
        half = seconds(text[: len(text) // 2])
        assert seconds(text) < 4 * half + 0.5


@pytest.mark.parametrize("form", ["hex", "hex, spaces", "hex, colons", "base64", "Python list", "C array, one line"])
def test_one_line_of_any_length_is_read_in_little_room(form: str) -> None:
    """Messages all along a line that is cut into parts, some of them across a cut; places are those of the line."""
    drawn, size = random.Random(5), 290_000 * 1000 // len(FORMS[form](bytes(1000)))
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < size:
        pieces += [drawn.randbytes(drawn.randrange(3, 6000) * 3), drawn.choice((ENABLE, LOG + b"\0", GAS + b"\1\2"))]
    octets = b"".join(pieces)
    expected = [octets for octets, _ in sorted_messages(octets)]
    text = FORMS[form](octets)
    if form == "hex, spaces":
        tracemalloc.start()  # it makes all else slow
    taken, faults = search(text)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.octets for one in taken] == expected
    assert not faults
    assert most < 4 * len(text)
    assert {one.start.line for one in taken} == {1}
    assert [one.start.column for one in taken] == sorted(one.start.column for one in taken)
    assert all(one.at_least for one in taken)
    if form == "hex":
        assert [one.start.column for one in taken] == [2 * at for _, at in sorted_messages(octets)]


def sorted_messages(octets: bytes) -> list[tuple[bytes, int]]:
    """The samples in ``octets``, each with its place, in order."""
    found = [(one, at) for one in (ENABLE, LOG, GAS) for at in places(octets, one)]
    return sorted(found, key=lambda one: one[1])


def places(octets: bytes, one: bytes) -> Iterator[int]:
    at = octets.find(one)
    while at >= 0:
        yield at
        at = octets.find(one, at + 1)
