"""Messages in whatever form people bring them: the table of ``forms``, what stock tools print, noise, random text."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from dataclasses import replace

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


# ------------------------------------------------------------------------------------------------------- left out


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
