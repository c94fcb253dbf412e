"""Auxiliary controllers on their own: what a script says, when a hold or a limit ends, what is told and kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from devices.events.supply import AuxiliaryChanged
from devices.machines.core import Effect, Persist, Record
from devices.machines.parts.aux_switch import Auxiliary, AuxiliarySettings, Told
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.execution import CommandContext
from devices.model import use_cases
from devices.model.esme_objects import esme_objects
from devices.model.objects import AccessError, ObjectModel
from devices.model.roles import Role
from devices.wire import axdr
from devices.wire.axdr import Data
from devices.wire.gbcs import CRA, Message

MINUTE = 60_000_000_000
NOON = round(datetime(2015, 11, 7, 12, tzinfo=UTC).timestamp()) * 1_000_000_000
SWITCH, LIMIT = (9, bytes((0, 0, 10, 0, 103, 255)), 1), (9, bytes((0, 0, 10, 0, 107, 255)), 1)


class Bench:
    """The controllers of one meter: what they logged, told, and left in effects."""

    def __init__(self, **settings: Any) -> None:
        self.objects: ObjectModel[CommandContext] = ObjectModel(esme_objects())
        self.logged: list[tuple[int, int, int]] = []
        self.told: list[Told] = []
        made = AuxiliarySettings(**settings) if settings else None
        self.auxiliary = Auxiliary(
            self.objects, lambda civil, what, how: self.logged.append((civil.ns, what, how)), self.told.append, made
        )

    def write(self, n: int, index: int, value: Data) -> None:
        self.objects.put(1, bytes((0, 0, 94, 44, 116 + n, index)), 2, value)

    def run(self, key: tuple[int, bytes, int], script: int, name: str = "ECS47") -> list[Effect]:
        """A command with this script at noon; its effects."""
        use_case, message = use_cases.by_name(name), Message(CRA.COMMAND, 1, bytes(8), bytes(8), 0x55, b"")
        context = CommandContext(0, CivilTime(NOON), message, use_case, Role.SUPPLIER, bytes)
        assert self.auxiliary.methods()[key](axdr.u16(script), context) == (0, None)
        return context.effects

    def shown(self, n: int) -> Any:
        """The operational data of a proportional controller."""
        return json.loads(self.objects.value(1, bytes((0, 0, 94, 44, 0, 30 + n)), 2).value)

    def levels(self, n: int, at: int) -> tuple[int, int]:
        return self.auxiliary.level(n, 1, CivilTime(at)), self.auxiliary.level(n, 2, CivilTime(at))


def time(at: int) -> Data:
    return axdr.octets(CivilTime(at).dlms())


def record(n: int, action: int, cause: str) -> Record:
    return Record(AuxiliaryChanged(controller=n, action=action, cause=cause))


def test_settings_as_delivered() -> None:
    assert Bench().auxiliary.settings == AuxiliarySettings(100, True, None)


def test_a_device_binds_what_it_has() -> None:
    bare = Auxiliary(ObjectModel(()), lambda *_: None, lambda _: None)
    assert (bare.methods(), bare.getters()) == ({}, {})
    auxiliary = Bench().auxiliary
    assert set(auxiliary.methods()) == {SWITCH, LIMIT}
    assert set(auxiliary.getters()) == {(70, bytes((0, n, 96, 3, 10, 255)), 2) for n in range(1, 6)}
    assert bare.closed(1, CivilTime(NOON)) is False
    with pytest.raises(AccessError):
        bare.operated(1, {}, "")


@pytest.mark.parametrize(("action", "closed", "index"), [(0x11, True, 1), (0x12, False, 2)])
def test_a_hold_ends_at_its_instant_and_not_before(action: int, closed: bool, index: int) -> None:
    bench = Bench()
    bench.write(2, index, axdr.u16(30))
    effects = bench.run(SWITCH, 0x0200 | action)
    assert effects == [bench.auxiliary.persist(), record(2, action, "ECS47")]
    assert bench.logged == [(NOON, 0x0200 | action, 0)]
    end = NOON + 30 * MINUTE
    read = bench.auxiliary.getters()[70, bytes((0, 2, 96, 3, 10, 255)), 2]
    for at, held in ((NOON, True), (end - 1, True), (end, False)):
        assert bench.auxiliary.closed(2, CivilTime(at)) is (closed and held)
        context = CommandContext(0, CivilTime(at), *[None] * 4)  # type: ignore[arg-type]
        assert read(None, context) == axdr.boolean(closed and held)
    assert bench.auxiliary.next_due(CivilTime(NOON)) == end
    assert bench.auxiliary.next_due(CivilTime(end + 9)) == end + 9
    assert bench.auxiliary.reach(CivilTime(end - 1)) == []
    assert bench.auxiliary.reach(CivilTime(end)) == [record(2, 0x20, "time"), bench.auxiliary.persist()]
    assert bench.logged[1:] == [(end, 0x0220, 0)]
    assert bench.auxiliary.next_due(CivilTime(end)) is None
    assert bench.auxiliary.reach(CivilTime(end)) == []


@pytest.mark.parametrize(
    ("hold", "written", "until"),
    [
        (None, None, None),
        (7, None, NOON + 7),
        (7, NOON + MINUTE, NOON + MINUTE),
        (None, NOON + MINUTE, NOON + MINUTE),
    ],
)
def test_until_when_a_command_without_minutes_holds(hold: int | None, written: int | None, until: int | None) -> None:
    bench = Bench(hold_without_time_ns=hold)
    if written is not None:
        bench.write(1, 2, time(written))
    bench.run(SWITCH, 0x0111)
    assert bench.auxiliary.controllers[1].held_until == until
    assert bench.auxiliary.next_due(CivilTime(NOON)) == until
    assert bench.auxiliary.closed(1, CivilTime(NOON + 1)) is True


@pytest.mark.parametrize("known", [True, False])
def test_an_action_that_is_none(known: bool) -> None:
    bench = Bench(takes_unknown_actions=known)
    before = bench.auxiliary.persist()
    for script in (0x0110, 0x0113, 0x011F, 0x0121, 0x1165, 0x1264, 0x00FF, 0x0011, 0x0611):
        taken = known or script == 0x1264  # 100 per cent is a level, 101 is none
        if taken and 1 <= script >> 8 & 0x0F <= 5:
            bench.run(SWITCH, script)
        else:
            with pytest.raises(AccessError):
                bench.run(SWITCH, script)
    levels = bench.auxiliary.controllers[2].levels
    assert levels == {1: (100, None)}
    levels.clear()
    assert bench.auxiliary.persist() == before


# ------------------------------------------------------------------------------------------------------------- levels


def test_a_commanded_level_ends_at_its_time() -> None:
    bench = Bench()
    end = NOON + 5 * MINUTE
    bench.write(3, 2, time(end))
    assert bench.run(SWITCH, 0x23A8, "ECS47a") == [bench.auxiliary.persist(), record(3, 0xA8, "ECS47a")]
    assert bench.shown(3) == {"outputState": 100, "inputState": 40}
    assert [bench.levels(3, at) for at in (NOON, end - 1, end)] == [(100, 40), (100, 40), (100, 100)]
    assert bench.auxiliary.next_due(CivilTime(NOON)) == end
    assert bench.auxiliary.reach(CivilTime(end - 1)) == []
    assert bench.auxiliary.reach(CivilTime(end)) == [record(3, 40, "time"), bench.auxiliary.persist()]
    assert bench.shown(3) == {"outputState": 100, "inputState": 100}
    assert bench.auxiliary.next_due(CivilTime(end)) is None


def test_a_level_is_capped_while_a_limit_is_in_force() -> None:
    bench = Bench(unlimited=90)
    begin, end = NOON + MINUTE, NOON + 3 * MINUTE
    for index, at in ((3, begin), (4, end)):
        bench.write(2, index, time(at))
    assert bench.run(LIMIT, 0x12B2, "ECS47e") == [bench.auxiliary.persist(), record(2, 0xB2, "ECS47e")]
    assert bench.told == [Told(0x8F86, (axdr.u8(0x12), time(begin), time(end), axdr.u8(50)))]
    assert bench.logged == [(NOON, 0x12B2, 0)]
    moments = (NOON, begin - 1, begin, end - 1, end)
    assert [bench.levels(2, at)[0] for at in moments] == [90, 90, 50, 50, 90]
    assert {bench.levels(2, at)[1] for at in moments} == {90}
    bench.auxiliary.controllers[2].levels[1] = (70, None)
    assert [bench.levels(2, at)[0] for at in moments] == [70, 70, 50, 50, 70]
    bench.auxiliary.controllers[2].levels[1] = (30, None)
    assert [bench.levels(2, at)[0] for at in moments] == [30] * 5
    assert bench.auxiliary.next_due(CivilTime(NOON)) == end
    assert bench.auxiliary.reach(CivilTime(end - 1)) == []
    assert bench.auxiliary.reach(CivilTime(end)) == [record(2, 50, "limit ended"), bench.auxiliary.persist()]
    assert bench.told[1:] == [Told(0x8F87, (axdr.u8(0x12), axdr.u8(30)))]
    assert bench.shown(2) == {"outputState": 30, "inputState": 90}
    assert bench.auxiliary.next_due(CivilTime(end)) is None


def test_a_limit_takes_the_place_of_the_one_before_which_is_told_to_have_ended() -> None:
    bench = Bench()
    bench.run(LIMIT, 0x2132, "ECS47e")
    assert bench.shown(1) == {"outputState": 100, "inputState": 50}
    assert bench.auxiliary.controllers[1].limits == {2: (50, 0, 1 << 62)}, "without times it is in force for good"
    bench.run(LIMIT, 0x2164, "ECS47e")
    assert [one.code for one in bench.told] == [0x8F86, 0x8F87, 0x8F86]
    assert bench.told[1].extra == (axdr.u8(0x21), axdr.u8(100))
    assert bench.shown(1) == {"outputState": 100, "inputState": 100}


@pytest.mark.parametrize("script", [0x0132, 0x3132, 0x1165, 0x21E5, 0x1032, 0x1632])
def test_a_limit_that_is_none_changes_nothing(script: int) -> None:
    bench = Bench()
    with pytest.raises(AccessError):
        bench.run(LIMIT, script, "ECS47e")
    assert (bench.told, bench.logged) == ([], [])
    assert all(not controller.limits for controller in bench.auxiliary.controllers.values())


@pytest.mark.parametrize(("length", "taken"), [(-1, False), (0, True)])
def test_a_limit_does_not_end_before_it_begins(length: int, taken: bool) -> None:
    bench = Bench()
    bench.write(1, 3, time(NOON))
    bench.write(1, 4, time(NOON + length * MINUTE))
    if taken:
        assert bench.run(LIMIT, 0x1132, "ECS47e")
    else:
        with pytest.raises(AccessError):
            bench.run(LIMIT, 0x1132, "ECS47e")
    assert bool(bench.auxiliary.controllers[1].limits) is taken


def test_what_an_appliance_says_of_itself() -> None:
    bench = Bench()
    data = {"outputState": 7, "inputState": 0, "other-data": "x"}
    effects = bench.auxiliary.operated(5, {"outputState": 7, "inputState": 0}, "x")
    assert effects == [Record(AuxiliaryChanged(controller=5, operational=data, cause="appliance"))]
    assert bench.shown(5) == data
    text = b'{"outputState":"7","inputState":"0","other-data":"x"}'
    assert bench.told == [Told(0x8F88, (Data(axdr.Tag.UTF8_STRING, text),))]
    for n in (0, 6):
        with pytest.raises(AccessError):
            bench.auxiliary.operated(n, {}, "")


def test_what_outlives_a_power_cut() -> None:
    bench, again = Bench(), Bench()
    bench.write(1, 1, axdr.u16(30))
    bench.run(SWITCH, 0x0111)
    bench.write(2, 2, time(NOON + MINUTE))
    bench.run(SWITCH, 0x1228)
    bench.run(LIMIT, 0x2332, "ECS47e")
    saved = bench.auxiliary.persist()
    assert isinstance(saved, Persist)
    assert saved.value == {
        "1": [True, NOON + 30 * MINUTE, {}, {}],
        "2": [None, None, {}, {"1": [40, NOON + MINUTE]}],
        "3": [None, None, {"2": [50, 0, 1 << 62]}, {}],
        "4": [None, None, {}, {}],
        "5": [None, None, {}, {}],
    }
    again.auxiliary.restore({saved.key: json.loads(json.dumps(saved.value))})
    assert again.auxiliary.controllers == bench.auxiliary.controllers
    assert saved.key == "auxiliary"
