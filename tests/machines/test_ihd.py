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
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Record,
    Refuse,
    SetTimer,
    Show,
    Started,
    StopTimer,
    TimerFired,
)
from devices.machines.ihd import IhdSettings, InHomeDisplay
from devices.machines.parts import time_cluster
from devices.wire import zcl
from tests.machines.told import of_kind

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
        (_frame(0, bytes(11)), 0x0703),
        (_frame(2, bytes(11) + b"\x03abc"), 0x0703),
        (_frame(0, bytes(11) + b"\x03abc", own=False), 0x0703),
        (_frame(0, bytes(11) + b"\x03abc", to_client=False), 0x0703),
        (_frame(0, bytes(11) + b"\x03abc"), 0x0705),
        (_frame(0x0A, b"\x14\x00\x30\x01"), 0x0702),
        (_frame(0x0B, b"\x14\x00\x30\x01", own=False), 0x0702),
        (_frame(0x0A, b"\x14\x00\x30\x01", own=False), 0x0703),
        (_frame(0x0A, b"\x14\x00\x30\x01\x00", own=False), 0x0702),
        (_frame(0x0A, b"\x14\x00\x30", own=False), 0x0702),
        (_frame(0x0A, b"\x00\x00\xe2\x01", own=False), 0x000A),
        (b"\x18", 0x0703),
    ],
)
def test_what_is_not_for_it_changes_nothing(octets: bytes, cluster: int) -> None:
    display = _ihd()
    (*recorded,) = display.handle(Received("han", HUB, octets, cluster), 0)
    assert all(isinstance(effect, Record) for effect in recorded)
    assert _shown(display, TimerFired("refresh")) == "NO DATA"


def test_a_frame_that_cannot_be_read_is_told() -> None:
    told = of_kind(_ihd().handle(Received("han", HUB, b"\x18", 0x0703), 0), "ihd.bad")
    assert [(fields["peer"], fields["octets"], "zcl" in fields["reason"]) for fields in told] == [
        (HUB.hex(), "18", True)
    ]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [(b"\x02hi", "hi"), (b"\x02hi...", "hi"), (b"\x00", ""), (b"\x02\xc3\xa9", "é"), (b"\x01\xff", "�")],
)
def test_a_message_is_as_long_as_it_says(sent: bytes, shown: str) -> None:
    display = _ihd()
    assert display.handle(Received("han", HUB, _frame(0, bytes(11) + sent), 0x0703), 0) == [Show(shown)]


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
    assert display.handle(Asked("state", {}), 0) == [Answer({"network": True, "text": "NO DATA", "supply": None})]
    display.handle(_supply(2), 0)
    assert display.handle(Asked("state", {}), 0) == [Answer({"network": True, "text": "SUPPLY ON", "supply": 2})]
    display.handle(NetworkDown("han", "lost"), 0)
    assert display.handle(Asked("state", {}), 0) == [Answer({"network": False, "text": "SUPPLY ON", "supply": 2})]
    assert display.handle(Asked("fly", {}), 0) == [Refuse("an in-home display has no verb 'fly'; try 'state'")]


def _supply(status: int, attribute: int = 0x0014) -> Received:
    report = attribute.to_bytes(2, "little") + bytes((0x30, status))
    return Received("han", HUB, _frame(0x0A, report, own=False), 0x0702)


@pytest.mark.parametrize(
    ("status", "text"), [(0, "SUPPLY OFF"), (1, "SUPPLY OFF / ARMED"), (2, "SUPPLY ON"), (3, None), (255, None)]
)
def test_the_supply_status_in_words(status: int, text: str | None) -> None:
    """facts/gbcs.md 10.2: the enumeration has 0 to 2."""
    display = _ihd()
    assert display.handle(_supply(status), 0) == ([] if text is None else [Show(text)])
    assert _shown(display, TimerFired("refresh")) == (text or "NO DATA")


def test_what_network_and_power_lead_to() -> None:
    """Its effects, whole: it joins while it is out of the network, keeps the network it was in, shows how it stands."""
    apart, waiting = Show("NO DATA - NOT CONNECTED"), Show("NO DATA")
    display = InHomeDisplay(IhdSettings(install_code=CODE, epid=bytes(8), join_retry_ns=7, refresh_ns=5))
    steps: list[tuple[Event, list[object]]] = [
        (Started(), [apart, JoinNetwork("han", CODE, bytes(8))]),
        (NetworkDown("han", "nobody"), [SetTimer("join", 107), apart]),
        (TimerFired("join"), [JoinNetwork("han", CODE, bytes(8))]),
        (NetworkUp("han", HUB, 1, 11), [StopTimer("join"), Persist("epid", HUB.hex()), waiting]),
        (TimerFired("join"), []),
        (TimerFired("refresh"), [waiting, SetTimer("refresh", 105)]),
        (Received("han", HUB, time_cluster.report(0, 1), 0x000A), [Show("00:00"), SetTimer("refresh", 105)]),
        (Received("line", HUB, time_cluster.report(60, 1), 0x000A), []),
        (NetworkDown("han", "lost"), [SetTimer("join", 107), Show("00:00")]),
        (TimerFired("join"), [JoinNetwork("han", CODE, HUB)]),
        (TimerFired("other"), []),
        (PowerLost(), []),
        (PowerRestored({"epid": HUB.hex()}, 1), [apart, JoinNetwork("han", CODE, HUB)]),
        (Started({}), [apart, JoinNetwork("han", CODE, bytes(8))]),
    ]
    for event, effects in steps:
        assert list(display.handle(event, 100)) == effects, event


def test_one_without_an_install_code_does_not_look_for_a_network() -> None:
    display = InHomeDisplay()
    apart = Show("NO DATA - NOT CONNECTED")
    assert display.handle(Asked("state", {}), 0) == [Answer({"network": False, "text": apart.text, "supply": None})]
    assert display.handle(Started(), 0) == [apart]
    assert display.handle(NetworkDown("han", "lost"), 0) == [apart]
    assert display.handle(TimerFired("join"), 0) == []


def test_defaults() -> None:
    """30 s between attempts to join, a display that is a minute behind at most, SupplyStatus as attribute 0x0014."""
    assert IhdSettings() == IhdSettings(None, None, 30 * SECOND, 0x0014, 60 * SECOND)
    display = InHomeDisplay(IhdSettings(supply_attribute=0x0115))
    assert display.handle(_supply(0), 0) == []
    assert display.handle(_supply(0, 0x0115), 0) == [Show("SUPPLY OFF")]
