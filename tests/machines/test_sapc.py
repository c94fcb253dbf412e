"""The stand-alone proportional controller: calendars that are due later, its refusals, its memory."""

from __future__ import annotations

import random

from devices.machines.parts.civil_clock import ClockSettings
from devices.machines.sapc import Sapc, SapcSettings
from devices.model import use_cases
from devices.model.credentials import cells_from_publics
from devices.model.sapc_objects import sapc_objects
from devices.trust.keystore import MemoryKeyStore, agreement_key, generate, signing_key
from devices.wire import axdr, gbcs
from devices.wire.gbcs import CRA, Message
from tests.machines.meter_bench import KEYS, PARTIES, SECOND, Bench, command, notification_of, response_of

DEVICE = bytes.fromhex("00db000000000001")  # the device whose keys the bench's commands are made for
HOUR = 3600 * SECOND
CALENDAR = (10, bytes((0, 0, 12, 0, 2, 255)), 2)
NOON = bytes.fromhex("07df0b07ff0c0000008000ff")
DAYS = axdr.array(axdr.structure(axdr.u16(1), axdr.octets(bytes.fromhex("ffff0c19ff")), axdr.u8(1)))


def _bench(settings: SapcSettings | None = None) -> Bench:
    cells = cells_from_publics("SAPC", PARTIES, {name: KEYS.public(name) for name in KEYS.names})
    bench = Bench(meter=Sapc(DEVICE, KEYS, cells, settings))  # type: ignore[arg-type]
    bench.meter.out.line_up = True
    return bench


def _calendar(counter: int, when: bytes) -> bytes:
    """ECS46d with an empty calendar and one special day."""
    at = axdr.octets(when)
    return command("ECS46d", counter, DAYS, axdr.array(), at, at)


def _results(messages: list[Message]) -> list[int]:
    return [result.code for result in response_of(messages[0]).results]


def _special_days(bench: Bench) -> axdr.Data:
    return bench.meter.objects.value(11, bytes((0, 0, 11, 0, 3, 255)), 2)


def test_it_has_what_its_commands_touch() -> None:
    places = {(d.class_id, d.obis) for d in sapc_objects()}
    for row in use_cases.by_name("ECS46d").dlms:
        assert (row.class_id, row.obis) in places


def test_a_calendar_takes_effect_when_it_is_due_and_is_reported() -> None:
    bench = _bench()
    (response,) = bench.line(_calendar(1, NOON))
    assert _results([response]) == [0] * 4
    assert response.signature
    assert response.date_time
    assert _special_days(bench) == axdr.array()
    bench.advance(13 * HOUR)
    assert _special_days(bench) == DAYS
    alerts = [m for m in map(gbcs.decode, bench.sent) if m.cra == CRA.ALERT]
    assert [m.message_code for m in alerts] == [0x00CC, 0x00CC]
    assert [notification_of(m)[0] for m in alerts] == [0x8F66, 0x8F66]
    assert all(notification_of(m)[1][0].value[:2].hex() == "011a" for m in alerts)


def test_plans_outlive_a_cut() -> None:
    bench = _bench()
    bench.line(_calendar(1, NOON))
    bench.cut(20 * HOUR)
    assert _special_days(bench) == DAYS
    assert bench.state()["planned"] == []


def test_the_far_date_cancels() -> None:
    bench = _bench(SapcSettings(clock=ClockSettings()))
    bench.line(_calendar(1, NOON))
    bench.line(_calendar(2, bytes.fromhex("ffffffffffffffffff8000ff")))
    bench.advance(24 * HOUR)
    assert _special_days(bench) == axdr.array()


def test_commands_of_meters_are_not_its_own() -> None:
    bench = _bench()
    before = bench.state()["objects"]
    (alert,) = bench.line(command("ECS42", 1, axdr.u16(51)))
    assert alert.message_code == 0x0120
    assert notification_of(alert) == (0x8F85, (axdr.octets(bytes.fromhex("004f0000000000000001")),))
    assert bench.state()["objects"] == before
    assert [entry[1] for entry in bench.state()["logs"]["security"]] == [0x8F85]


def test_a_stale_command_changes_nothing() -> None:
    bench = _bench()
    bench.line(_calendar(5, bytes.fromhex("0000000000000000008000ff")))
    (alert,) = bench.line(_calendar(5, NOON))
    assert notification_of(alert)[0] == 0x8F60
    assert bench.state()["planned"] == []


def test_a_device_without_its_keys_says_nothing() -> None:
    other = MemoryKeyStore({signing_key(DEVICE): generate(random.Random(9))}, {})
    cells = cells_from_publics("SAPC", PARTIES, {name: KEYS.public(name) for name in KEYS.names})
    bench = Bench(meter=Sapc(DEVICE, other, cells))  # type: ignore[arg-type]
    assert bench.line(_calendar(1, NOON)) == []
    assert [r.fields["check"] for r in bench.kinds("refused")] == ["mac"]
    assert agreement_key(DEVICE) not in other.names
