"""What every device on the HAN's tunnel does: joining, the tunnel, messages, logs, verbs; effect by effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from devices.machines.core import (
    Answer,
    Asked,
    ButtonPressed,
    Effect,
    Event,
    JoinNetwork,
    LeaveNetwork,
    LinkChanged,
    NetworkDown,
    NetworkUp,
    PeerLeft,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Refuse,
    Send,
    SendFailed,
    SetTimer,
    Started,
    StopTimer,
    TimerFired,
)
from devices.machines.esme import EsmeSettings
from devices.machines.han_device import CommissionedOn, HanDevice, HanSettings
from devices.machines.hcalcs import Hcalcs, HcalcsSettings
from devices.machines.parts import time_cluster
from devices.machines.parts.civil_clock import ClockSettings, from_zcl
from devices.machines.parts.commands import CommandSettings, Refusal
from devices.machines.parts.tunnel import CLUSTER, TunnelSettings
from devices.model.credentials import cells_from_publics
from devices.wire import axdr, gbcs, tunnelling
from devices.wire.gbcs import CRA
from tests.machines.meter_bench import (
    HUB,
    KEYS,
    METER,
    PARTIES,
    SECOND,
    SUPPLIER,
    Bench,
    command,
    notification_of,
    script,
)

CODE = bytes(range(16))
START = ClockSettings().start_ns
REQUEST = tunnelling.encode(tunnelling.RequestTunnel(), 0)


def device(**settings: Any) -> HanDevice:
    """The plainest kind of all, which has nothing of its own."""
    given = {"install_code": CODE, **settings}
    cells = cells_from_publics("HCALCS", PARTIES, {name: KEYS.public(name) for name in KEYS.names})
    made = Hcalcs(METER, KEYS, cells, HcalcsSettings(**given))
    made.handle(Started({}), 0)
    return made


def events_of(effects: list[Effect], log: str = "event") -> list[tuple[int, Any]]:
    """The last row that each step wrote into a log: code, and what is kept beside it."""
    rows = [effect.value[-1] for effect in effects if isinstance(effect, Persist) and effect.key == f"log.{log}"]
    return [(row[1], row[2]) for row in rows]


def alerts_of(effects: list[Effect]) -> list[int]:
    """The codes of the alerts that wait or leave."""
    kept = [effect.value for effect in effects if isinstance(effect, Persist) and effect.key == "queue"]
    return [notification_of(gbcs.decode(bytes.fromhex(octets)))[0] for queue in kept[-1:] for octets in queue]


def test_settings_as_delivered() -> None:
    """30 s between attempts to join, at once with power, both alerts told, 32 of them kept."""
    made = HanSettings()
    assert (made.firmware, made.install_code, made.epid, made.hub) == (bytes((0, 1, 0, 0)), None, None, None)
    assert (made.auto_join, made.join_retry_ns, made.queue_limit) == (True, 30 * SECOND, 32)
    assert (made.joined_alert, made.commissioned_alert, made.commissioned_on) == (True, True, CommissionedOn.JOIN)
    assert (made.clock, made.commands, made.tunnel) == (ClockSettings(), CommandSettings(), TunnelSettings())
    assert {one.value for one in CommissionedOn} == {"join", "first_set_clock"}


@pytest.mark.parametrize("length", [0, 3, 5])
def test_a_firmware_version_has_four_octets(length: int) -> None:
    with pytest.raises(ValueError, match=f"a firmware version has 4 octets, got {length}"):
        HanSettings(firmware=bytes(length))


@pytest.mark.parametrize("length", [0, 15, 17, 18])
def test_an_install_code_has_sixteen_octets(length: int) -> None:
    with pytest.raises(ValueError, match=f"16 octets without its check octets, got {length}"):
        HanSettings(install_code=bytes(length))


@pytest.mark.parametrize(
    ("settings", "saved", "joins"),
    [
        ({}, {}, JoinNetwork("han", CODE, None)),
        ({"epid": HUB}, {}, JoinNetwork("han", CODE, HUB)),
        ({"epid": HUB}, {"epid": METER.hex()}, JoinNetwork("han", CODE, METER)),
        ({"epid": HUB}, {"epid": ""}, JoinNetwork("han", CODE, HUB)),
        ({"install_code": None}, {}, None),
        ({"auto_join": False}, {}, None),
    ],
)
def test_with_power_it_looks_for_its_network(
    settings: dict[str, Any], saved: dict[str, Any], joins: JoinNetwork | None
) -> None:
    made = device(**settings)
    wanted = [] if joins is None else [joins]
    assert made.handle(Started(saved), 0) == wanted
    made.handle(PowerLost(), 1)
    assert made.handle(PowerRestored(saved, 1), 2) == wanted
    assert made.handle(TimerFired("join"), 3) == wanted
    down = made.handle(NetworkDown("han", "nobody lets us in"), 4)
    assert down == ([] if joins is None else [SetTimer("join", 4 + 30 * SECOND)])


def test_once_in_a_network_it_looks_no_more_and_says_so_once() -> None:
    made = device()
    effects = list(made.handle(NetworkUp("han", HUB, 1, 11), 5))
    assert effects[:3] == [StopTimer("join"), Persist("epid", HUB.hex()), Persist("once", ["joined"])]
    assert events_of(effects) == [(0x8183, "")]
    assert alerts_of(effects) == [0x8183]
    assert made.state(5)["network"] is True
    assert made.handle(TimerFired("join"), 6) == []
    assert made.handle(NetworkUp("han", HUB, 1, 11), 7) == [StopTimer("join"), Persist("epid", HUB.hex())]
    made.handle(NetworkDown("han", "lost"), 8)
    assert made.state(8)["network"] is False
    assert made.handle(TimerFired("join"), 9) == [JoinNetwork("han", CODE, HUB)]


@pytest.mark.parametrize(("joined", "commissioned"), [(True, True), (False, True), (True, False), (False, False)])
def test_what_of_joining_is_told(joined: bool, commissioned: bool) -> None:
    """facts/gbcs.md 9.6: both are logged, and sent where that is set."""
    bench = Bench(EsmeSettings(install_code=CODE, joined_alert=joined, commissioned_alert=commissioned))
    effects = list(bench.give(NetworkUp("han", HUB, 1, 11)))
    assert events_of(effects) == [(0x8183, ""), (0x8F69, "")]
    assert alerts_of(effects) == [0x8183] * joined + [0x8F69] * commissioned


@pytest.mark.parametrize(
    "event",
    [
        NetworkUp("interpan", HUB, 1, 11),
        NetworkDown("interpan", "off"),
        LinkChanged("wan", True),
        Received("han", HUB, b"\x18\x00\x0a", 0x0702),
        TimerFired("somebody else's"),
        PeerLeft("han", HUB),
        ButtonPressed("A"),
        SendFailed("han", HUB, 77, "no acknowledgement"),
    ],
    ids=str,
)
def test_what_is_no_business_of_it_changes_nothing(event: Event) -> None:
    made = device()
    made.handle(NetworkUp("han", HUB, 1, 11), 0)
    before = made.state(0)
    assert made.handle(event, 0) == []
    assert made.state(0) == before


def test_without_power_it_answers_that_it_has_none() -> None:
    made = device()
    made.handle(LinkChanged("line", True), 0)
    kept = made.handle(PowerLost(), 7)
    assert kept == [Persist("clock", made.clock.as_json(7))]
    assert made.handle(Asked("state", {}), 8) == [Refuse("the device has no supply; switch it on first")]
    for event in (NetworkUp("han", HUB, 1, 11), TimerFired("join"), PowerLost(), Received("line", HUB, b"x")):
        assert made.handle(event, 8) == []
    assert made.handle(Started({}), 9) != []
    assert made.handle(Asked("leave", {}), 9)[0] == LeaveNetwork("han")


def test_its_clock_goes_on_over_a_cut() -> None:
    made = device()
    saved = {one.key: one.value for one in made.handle(PowerLost(), 10 * SECOND) if isinstance(one, Persist)}
    made.handle(PowerRestored(saved, 5 * SECOND), 15 * SECOND)
    assert made.clock.at(16 * SECOND).ns == START + 16 * SECOND


def test_verbs_of_every_device() -> None:
    made = device(epid=HUB)
    told = "a device has no verb 'fly' (or no install code to join with); try 'state'"
    assert made.handle(Asked("fly", {}), 0) == [Refuse(told)]
    assert made.handle(Asked("join", {}), 0) == [JoinNetwork("han", CODE, HUB), Answer()]
    assert made.handle(Asked("state", {}), 0) == [Answer(made.state(0))]
    made.handle(NetworkUp("han", HUB, 1, 11), 0)
    made.handle(Received("han", HUB, REQUEST, CLUSTER), 0)
    assert made.tunnel.peers() == (HUB,)
    assert made.handle(Asked("leave", {}), 0) == [LeaveNetwork("han"), StopTimer("join"), Answer()]
    assert (made.state(0)["network"], made.tunnel.peers()) == (False, ())
    codeless = device(install_code=None)
    assert isinstance(codeless.handle(Asked("join", {}), 0)[0], Refuse)


def test_what_a_device_is() -> None:
    made = device(commands=CommandSettings())
    state = made.state(90 * SECOND)
    assert (state["identity"], state["clock_status"], state["network"]) == (METER.hex(), "reliable", False)
    assert state["time"] == made.clock.at(90 * SECOND).text
    assert {name: state[name] for name in ("queue", "once", "objects", "floors", "cells")} == {
        "queue": [],
        "once": [],
        "objects": made.objects.as_json(),
        "floors": made.processor.floors.as_json(),
        "cells": made.cells.as_json(),
    }
    assert state["logs"] == {"event": [], "security": [], "power": []}
    made.handle(NetworkUp("han", HUB, 1, 11), 0)
    state = made.state(0)
    assert (state["once"], len(state["queue"]), len(state["logs"]["event"])) == (["joined"], 1, 1)


@pytest.mark.parametrize("issue", [0, 1, 0xFFFF])
def test_a_device_that_doubts_itself(issue: int) -> None:
    """0x81A0 with the number in two octets; a kind that no alert carries it for logs it alone."""
    effects = list(device().handle(Asked("integrity", {"issue": issue}), 0))
    assert (events_of(effects, "security") + events_of(effects), effects[-1]) == ([(0x81A0, "")], Answer())
    assert alerts_of(effects) == []
    told = list(Bench().give(Asked("integrity", {"issue": issue})))
    (alert,) = [
        gbcs.decode(bytes.fromhex(one)) for e in told if isinstance(e, Persist) and e.key == "queue" for one in e.value
    ]
    assert notification_of(alert) == (0x81A0, (axdr.octets(issue.to_bytes(2, "big")),))


@pytest.mark.parametrize(
    "args", [{}, {"issue": -1}, {"issue": 1 << 16}, {"issue": True}, {"issue": "1"}, {"issue": 1, "x": 2}]
)
def test_doubts_that_make_no_sense(args: dict[str, Any]) -> None:
    told = f"integrity takes issue, a whole number of 16 bits; got {args}"
    assert device().handle(Asked("integrity", args), 0) == [Refuse(told)]


def test_the_hubs_time_is_believed_and_carried_on() -> None:
    made = device()
    assert made.hub_time(5) == START + 5
    assert made.handle(Received("han", HUB, time_cluster.report(1000, 1), time_cluster.CLUSTER), 7) == []
    assert made.hub_time(9) == from_zcl(1000) + 2
    assert made.handle(Received("han", HUB, b"\x18", time_cluster.CLUSTER), 11) == []
    assert made.hub_time(12) == from_zcl(1000) + 5
    made.handle(PowerLost(), 13)
    made.handle(PowerRestored({}, 1), 14)
    assert made.hub_time(15) == START + 15


def test_alerts_leave_as_soon_as_there_is_a_line() -> None:
    made = device()
    made.handle(NetworkUp("han", HUB, 1, 11), 0)
    effects = made.handle(LinkChanged("line", True), 1)
    assert [(e.port, gbcs.decode(e.octets).cra) for e in effects if isinstance(e, Send)] == [("line", CRA.ALERT)]
    assert made.state(1)["queue"] == []
    made.handle(LinkChanged("line", False), 2)
    made.handle(Received("line", SUPPLIER, script(52, 1)), 3)
    assert len(made.state(3)["queue"]) == 1


@pytest.mark.parametrize("limit", [1, 2])
def test_as_many_alerts_wait_as_are_set(limit: int) -> None:
    made = device(queue_limit=limit)
    for counter in range(1, 5):
        made.handle(Received("line", SUPPLIER, script(52, counter)), 0)
    assert len(made.state(0)["queue"]) == limit


def test_an_unknown_command_is_told_with_its_code_and_counter() -> None:
    """facts/gbcs.md 6, 0x8F85: message code and counter of what was not carried out."""
    bench = Bench(meter=device())  # type: ignore[arg-type]
    bench.give(LinkChanged("line", True))
    (alert,) = bench.line(script(52, 0x0102))
    assert notification_of(alert) == (0x8F85, (axdr.octets(bytes.fromhex("0050" + "0000000000000102")),))


def test_what_changes_something_is_logged_with_its_outcome() -> None:
    """0x8154 done, 0x8155 failed, each with the message code; a read is not."""
    bench = Bench()
    bench.give(LinkChanged("line", True))
    for octets, rows in (
        (script(52, 10), [(0x8154, "0050")]),
        (command("ECS42", 11, axdr.u16(9)), [(0x8155, "004f")]),
        (command("ECS45", 12), []),
    ):
        effects = list(bench.give(Received("line", SUPPLIER, octets)))
        assert [row for row in events_of(effects) if row[0] in (0x8154, 0x8155)] == rows


@pytest.mark.parametrize("traced", [None, 0x8155])
def test_a_refusal_that_raises_no_alert_is_logged_where_that_is_set(traced: int | None) -> None:
    made = device(commands=CommandSettings(traced_as=traced))
    outcome = made.processor.receive(b"hello", 0, made.clock.at(0))
    silent = replace(outcome, refused=Refusal("replay", "seen before", None))
    effects = made._complain(silent, 0)
    assert [code for code, _ in events_of(effects)] == ([] if traced is None else [traced])
    assert alerts_of(effects) == []


@pytest.mark.parametrize(("at", "wait"), [(0, 60 * SECOND), (59 * SECOND, SECOND), (60 * SECOND, 1), (61 * SECOND, 1)])
def test_the_next_future_dated_command_has_a_timer(at: int, wait: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = device()
    assert made._arm_commands(at) == []
    monkeypatch.setattr(type(made.processor), "next_due", property(lambda _: START + 60 * SECOND))
    timer = SetTimer("commands", at + wait)
    assert made._arm_commands(at) == [timer]
    assert timer in made.handle(TimerFired("commands"), at)
    assert timer in made.handle(Started({}), at)
    saved = {one.key: one.value for one in made.handle(PowerLost(), at) if isinstance(one, Persist)}
    assert timer in made.handle(PowerRestored(saved, 0), at)
