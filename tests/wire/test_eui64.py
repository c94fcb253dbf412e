"""EUI-64s as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wire import eui64
from devices.wire.errors import DecodeError, EncodeError
from tests.examples import examples

EUI = bytes.fromhex("00237e000012d687")


@pytest.mark.parametrize(
    "text",
    [
        "00237e000012d687",
        "00237E000012D687",
        "00-23-7E-00-00-12-D6-87",
        "00:23:7e:00:00:12:d6:87",
        "00-23-7E-0000001234567",
        "  00-23-7e-00-00-12-d6-87\n",
    ],
)
def test_parse(text: str) -> None:
    assert eui64.parse(text) == EUI


def test_printed_forms() -> None:
    assert eui64.text(EUI) == "00-23-7E-00-00-12-D6-87"
    assert eui64.decimal(EUI) == "00-23-7E-0000001234567"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00237e000012d68",
        "00237e000012d6877",
        "00-23-7E-00:00-12-D6-87",
        "00-23-7E-00-00-12-D6",
        "00-23-7E-000000123456",
        "00-23-7E-9999999999999",
        "0x237e000012d687",
        "00-23-7E-00-00-12-D6-8G",
        "\u0660\u0660237e000012d687",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(DecodeError) as refused:
        eui64.parse(text)
    assert refused.value.layer == "eui64"


@pytest.mark.parametrize("form", [eui64.text, eui64.decimal])
def test_only_eight_octets_have_a_printed_form(form: object) -> None:
    assert callable(form)
    with pytest.raises(EncodeError):
        form(bytes(7))


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(st.binary(min_size=8, max_size=8))
def test_every_printed_form_reads_back(eui: bytes) -> None:
    for text in (eui64.text(eui), eui64.decimal(eui), eui.hex(), eui.hex(":")):
        assert eui64.parse(text) == eui


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(st.text(max_size=30) | st.text("0123456789abcdefABCDEF-:", max_size=30))
def test_anything_reads_or_is_refused(text: str) -> None:
    try:
        eui = eui64.parse(text)
    except DecodeError:
        return
    assert len(eui) == 8
