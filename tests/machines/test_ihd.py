"""The in-home display: it shows what it was told, says so when it was told nothing, and never stumbles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.machines.core import (
    Answer,
    Asked,
    Event,
    JoinNetwork,
    NetworkDown,
    NetworkUp,
    PowerLost,
    PowerRestored,
    Received,
    Refuse,
    SetTimer,
    Show,
    Started,
    TimerFired,
)
from devices.machines.ihd import IhdSettings, InHomeDisplay
from devices.machines.parts import time_cluster
from devices.wire import zcl

HUB = bytes.fromhex("00db0000000000c0")
SECOND = 1_000_000_000
CODE = bytes(16)


def _ihd() -> InHomeDisplay:
    display = InHomeDisplay(IhdSettings(install_code=CODE))
    assert list(display.handle(Started(), 0)) == [Show("NO DATA - NOT CONNECTED"), JoinNetwork("han", CODE, None)]
    display.handle(NetworkUp("han", HUB, 1, 11), 0)
    return display


def _shown(display: InHomeDisplay, event: Event, now: int = 0) -> str | None:
    texts = [effect.text for effect in display.handle(event, now) if isinstance(effect, Show)]
    return texts[-1] if texts else None


def _frame(command: int, payload: bytes, *, own: bool = True, to_client: bool = True) -> bytes:
    control = (zcl.CLUSTER_SPECIFIC if own else 0) | (zcl.TO_CLIENT if to_client else 0)
    return zcl.encode(zcl.Frame(control, 1, command, payload))


def _message(text: bytes) -> Received:
    return Received("han", HUB, _frame(0, bytes(11) + bytes((len(text),)) + text), 0x0703)


def test_what_it_is_told_it_shows() -> None:
    display = _ihd()
    assert _shown(display, Received("han", HUB, time_cluster.report(0x1C374A80, 1), 0x000A)) == "00:00"
    supply = Received("han", HUB, _frame(0x0A, b"\x14\x00\x30\x01", own=False), 0x0702)
    assert _shown(display, supply, 90 * SECOND) == "00:01 | SUPPLY OFF / ARMED"
    assert _shown(display, _message(b"hello"), 120 * SECOND) == "00:02 | SUPPLY OFF / ARMED | hello"
    cancel = Received("han", HUB, _frame(1, bytes(5)), 0x0703)
    assert _shown(display, cancel, 121 * SECOND) == "00:02 | SUPPLY OFF / ARMED"
    assert _shown(display, TimerFired("refresh"), 3600 * SECOND) == "01:00 | SUPPLY OFF / ARMED"


@pytest.mark.parametrize(
    ("octets", "cluster"),
    [
        (_frame(0x0A, b"\x14\x00\x30\x07", own=False), 0x0702),
        (_frame(0x0A, b"\x00\x00\x25\x01\x02\x03\x04\x05\x06", own=False), 0x0702),
        (_frame(0x0A, b"\x14\x00\x30\x01", own=False, to_client=False), 0x0702),
        (_frame(0, bytes(11) + b"\x05abc"), 0x0703),
        (_frame(0, b""), 0x0703),
        (b"\x18", 0x0703),
    ],
)
def test_what_is_not_for_it_changes_nothing(octets: bytes, cluster: int) -> None:
    display = _ihd()
    assert _shown(display, Received("han", HUB, octets, cluster)) is None
    assert _shown(display, TimerFired("refresh")) == "NO DATA"


@given(st.binary(max_size=60), st.sampled_from([0x000A, 0x0700, 0x0702, 0x0703, 0x0704]))
def test_no_octets_make_it_stumble(octets: bytes, cluster: int) -> None:
    _ihd().handle(Received("han", HUB, octets, cluster), 0)


def test_it_looks_for_its_network_and_forgets_with_the_power() -> None:
    display = _ihd()
    assert SetTimer("join", 30 * SECOND) in display.handle(NetworkDown("han", "lost"), 0)
    assert JoinNetwork("han", CODE, HUB) in display.handle(TimerFired("join"), 30 * SECOND)
    display.handle(_message(b"old"), 0)
    display.handle(PowerLost(), 0)
    assert _shown(display, PowerRestored({"epid": HUB.hex()}, None)) == "NO DATA - NOT CONNECTED"


def test_verbs() -> None:
    display = _ihd()
    (answer,) = display.handle(Asked("state", {}), 0)
    assert answer == Answer({"network": True, "text": "NO DATA", "supply": None})
    assert isinstance(display.handle(Asked("fly", {}), 0)[0], Refuse)
