"""The inter-PAN window by itself: what opens it, what keeps it open, what closes it, what is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devices.events.hub import HubFlags
from devices.machines.core import Effect, Record, SetTimer, StopTimer
from devices.machines.parts.interpan_window import (
    DECIDED,
    FAULTS,
    InterPanWindow,
    OpenedBy,
    WindowSettings,
    close_frame,
    is_close,
)
from devices.wire import zcl

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
TIMER = "interpan.window"
WAN = WindowSettings(opened_by=OpenedBy.WAN_ABSENT)


def _flags(beaconing: bool, interpan: bool, cause: str, closes_at: int | None) -> Record:
    return Record(HubFlags(beaconing=beaconing, interpan=interpan, cause=cause, closes_at=closes_at))


def test_the_defaults_are_those_of_the_slides() -> None:
    """facts/gbcs.md 8.1; facts/decided.md 2.1."""
    assert WindowSettings() == WindowSettings(OpenedBy.POWER_UP, 3600, 3600, True, True)
    assert WindowSettings(OpenedBy.POWER_UP, 3600, 0, False, False) == DECIDED
    assert {"window-never-closes", "window-not-kept-alive"} == FAULTS
    profiles = [
        (WindowSettings(), "slides-1"),
        (WAN, "slides-3"),
        (DECIDED, "decided"),
        (replace(WAN, open_s=1), "other"),
        (replace(DECIDED, opened_by=OpenedBy.WAN_ABSENT), "other"),
    ]
    assert [settings.profile for settings, _ in profiles] == [profile for _, profile in profiles]


def test_times_that_make_no_sense_are_refused() -> None:
    assert WindowSettings(open_s=1, keep_alive_s=0) is not None
    for open_s, keep_alive_s in ((0, 5), (-1, 5), (5, -1)):
        with pytest.raises(ValueError, match=f"got {open_s} and {keep_alive_s}"):
            WindowSettings(open_s=open_s, keep_alive_s=keep_alive_s)
    with pytest.raises(ValueError, match="trusted-device"):
        WindowSettings(opened_by=OpenedBy.TRUSTED_DEVICE)


def test_power_opens_it_for_its_time() -> None:
    window = InterPanWindow()
    assert (window.is_open, window.beaconing, window.closes_at) == (False, False, None)
    opened = [SetTimer(TIMER, 5 + HOUR), _flags(True, True, "power-up", 5 + HOUR)]
    assert window.power_up(5, wan_up=False) == opened
    assert (window.is_open, window.beaconing, window.closes_at) == (True, True, 5 + HOUR)
    assert window.wan(up=True) == window.wan(up=False) == []
    assert window.fired("other") is None
    closed: list[Effect] = [StopTimer(TIMER), _flags(False, False, "time-out", None)]
    assert window.fired(TIMER) == closed
    assert (window.is_open, window.beaconing, window.closes_at) == (False, False, None)
    assert window.fired(TIMER) == []
    assert window.close("command") == []


def test_use_keeps_it_open_and_never_shortens_it() -> None:
    window = InterPanWindow(WindowSettings(open_s=100, keep_alive_s=50))
    assert window.used(0) == [], "what is shut is not opened by use"
    window.power_up(0, wan_up=True)
    assert window.used(50 * SECOND) == [], "it would end then anyway"
    assert window.used(50 * SECOND + 1) == [SetTimer(TIMER, 100 * SECOND + 1)]
    assert window.closes_at == 100 * SECOND + 1
    assert window.used(10 * SECOND) == []
    assert window.close("command") == [StopTimer(TIMER), _flags(False, False, "command", None)]


def test_joining_goes_on_with_it_where_the_setting_says_so() -> None:
    window = InterPanWindow(DECIDED)
    assert window.power_up(0, wan_up=True) == [SetTimer(TIMER, HOUR), _flags(False, True, "power-up", HOUR)]
    assert window.beaconing is False
    assert window.used(HOUR - 1) == []


def test_the_wan_that_is_away_opens_it_without_an_end() -> None:
    window = InterPanWindow(WAN)
    assert window.power_up(0, wan_up=True) == []
    assert window.wan(up=False) == [_flags(False, True, "wan", None)]
    assert window.wan(up=False) == []
    assert window.used(5) == []
    assert window.wan(up=True) == [StopTimer(TIMER), _flags(False, False, "wan", None)]
    assert window.power_up(9, wan_up=False) == [_flags(False, True, "wan", None)]


def test_the_faults() -> None:
    endless = InterPanWindow(WindowSettings(keep_alive_s=7200), frozenset({"window-never-closes"}))
    assert endless.power_up(0, wan_up=True) == [_flags(True, True, "power-up", HOUR)]
    assert endless.used(5) == []
    assert endless.closes_at == 5 + 2 * HOUR
    forgetful = InterPanWindow(WindowSettings(keep_alive_s=7200), frozenset({"window-not-kept-alive"}))
    forgetful.power_up(0, wan_up=True)
    assert (forgetful.used(5), forgetful.closes_at) == ([], HOUR)


def test_the_frame_that_closes_it() -> None:
    octets = close_frame(7)
    assert octets.hex() == "05f1ff0700"
    assert close_frame().hex() == "05f1ff0000"
    whole = zcl.decode(octets)
    others = (
        replace(whole, manufacturer=0xFFF2),
        replace(whole, command=1),
        replace(whole, frame_control=zcl.MANUFACTURER_SPECIFIC),
    )
    assert is_close(octets)
    assert [is_close(zcl.encode(frame)) for frame in others] == [False] * 3
    assert not is_close(b"")
