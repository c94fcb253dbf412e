"""The notice of an outage: what is written is read again, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wire import outage_notice
from devices.wire.outage_notice import OutageNotice


@given(st.binary(min_size=8, max_size=8), st.integers(0, 9_999_999_999))
def test_what_is_written_is_read_again(hub: bytes, started: int) -> None:
    notice = OutageNotice(hub, started)
    assert outage_notice.read(outage_notice.write(notice)) == notice


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"AD1",
        b"AD1 00db1234567890a2",
        b"AD2 00db1234567890a2 5",
        b"AD1 00db1234567890a2 5\n",
        b" AD1 00db1234567890a2 5",
        b"AD1 00DB1234567890A2 5",
        b"AD1 00db1234567890a2 -5",
        b"AD1 00db1234567890a2 05",
        b"AD1 00db1234567890a2 12345678901",
        b"\xdf\x09",
    ],
)
def test_nothing_else_is_one(octets: bytes) -> None:
    assert outage_notice.read(octets) is None


@given(st.binary(max_size=60))
def test_no_octets_break_it(octets: bytes) -> None:
    found = outage_notice.read(octets)
    assert found is None or outage_notice.write(found) == octets
