"""Future-dated settings: they wait, take effect on the device's clock, are reported, cancelled, and outlive cuts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devices.machines.esme import Esme, EsmeSettings
from devices.machines.parts.civil_clock import ClockSettings, from_dlms
from devices.model.activations import activations
from devices.model.esme_objects import esme_objects
from devices.model.sapc_objects import sapc_objects
from devices.wire import axdr, cosem, gbcs
from devices.wire.axdr import Data
from devices.wire.gbcs import CRA, Message
from tests.machines import published
from tests.machines.meter_bench import SECOND, Bench, command, notification_of, response_of

HOUR = 3600 * SECOND
NOON = "07df0b07ff0c000000 8000ff".replace(" ", "")  # 2015-11-07T12:00:00Z, twelve hours after the start of the clock
NEVER, AT_ONCE = "ffffffffffffffffff8000ff", "0000000000000000008000ff"
LIMIT_STATE, THRESHOLD = (9000, bytes((0, 0, 94, 44, 0, 3)), 2), (71, bytes((0, 0, 17, 0, 0, 255)), 4)


def _load_limit(counter: int, when: str, threshold: int = 5000) -> bytes:
    """ECS28a."""
    at = axdr.octets(bytes.fromhex(when))
    values = (axdr.boolean(True), axdr.u32(threshold), axdr.u32(60), axdr.u32(120))
    return command("ECS28a", counter, *values, at, at, at, at)


def _results(messages: list[Message]) -> list[int]:
    return [result.code for result in response_of(messages[0]).results]


def _alerts(bench: Bench) -> list[tuple[int, tuple[Data, ...]]]:
    found = [gbcs.decode(octets) for octets in bench.sent]
    return [notification_of(message) for message in found if message.cra == CRA.ALERT]


def _value(bench: Bench, key: tuple[int, bytes, int]) -> Any:
    return bench.meter.objects.value(*key).value


def test_at_once_means_now_and_is_not_reported() -> None:
    bench = Bench()
    bench.meter.out.line_up = True
    assert _results(bench.line(_load_limit(1, AT_ONCE))) == [0] * 8
    assert _value(bench, THRESHOLD) == 5000
    assert _value(bench, LIMIT_STATE) == 0xFF
    assert _alerts(bench) == []


def test_a_date_to_come_waits_and_is_reported_attribute_by_attribute() -> None:
    bench = Bench()
    bench.meter.out.line_up = True
    assert _results(bench.line(_load_limit(7, NOON))) == [0] * 8
    bench.advance(11 * HOUR)
    assert _value(bench, THRESHOLD) == 0
    bench.advance(HOUR)
    assert _value(bench, THRESHOLD) == 5000
    alerts = _alerts(bench)
    assert [code for code, _ in alerts] == [0x8F66] * 4
    told = {extra[0].value.hex() for _, extra in alerts}
    assert "0043" + "0000000000000007" + "2328" + "00005e2c0003" + "06" in told
    assert bench.state()["planned"] == []
    bench.advance(24 * HOUR)
    assert len(_alerts(bench)) == 4


def test_the_alert_has_the_time_at_which_it_became_active() -> None:
    bench = Bench()
    bench.meter.out.line_up = True
    bench.line(_load_limit(7, NOON))
    bench.advance(13 * HOUR)
    message = next(m for m in map(gbcs.decode, bench.sent) if m.cra == CRA.ALERT)
    assert message.message_code == 0x00CC
    assert message.signature
    body = cosem.decode(message.payload)
    assert isinstance(body, cosem.Notification)
    assert body.body.value[1].value.hex() == NOON


def test_the_far_date_cancels() -> None:
    bench = Bench()
    bench.meter.out.line_up = True
    bench.line(_load_limit(7, NOON))
    assert len(bench.state()["planned"]) == 4
    assert _results(bench.line(_load_limit(8, NEVER))) == [0] * 8
    assert bench.state()["planned"] == []
    bench.advance(24 * HOUR)
    assert _value(bench, THRESHOLD) == 0
    assert _alerts(bench) == []


def test_a_new_date_takes_the_place_of_the_old_one() -> None:
    bench = Bench()
    bench.line(_load_limit(7, NOON))
    bench.line(_load_limit(8, AT_ONCE, 700))
    assert _value(bench, THRESHOLD) == 700
    assert bench.state()["planned"] == []


@pytest.mark.parametrize("away", [2 * HOUR, 20 * HOUR])
def test_plans_outlive_a_cut(away: int) -> None:
    bench = Bench()
    bench.line(_load_limit(7, NOON))
    bench.cut(away)
    assert (_value(bench, THRESHOLD) == 5000) == (away > 12 * HOUR)
    bench.advance(24 * HOUR)
    assert _value(bench, THRESHOLD) == 5000
    assert [entry[1] for entry in bench.state()["logs"]["event"]].count(0x8F66) == 4


def test_a_slow_clock_is_believed() -> None:
    bench = Bench(EsmeSettings(clock=ClockSettings(drift_ppm=-1000.0)))
    bench.line(_load_limit(7, NOON))
    bench.advance(12 * HOUR)
    assert _value(bench, THRESHOLD) == 0
    bench.advance(60 * SECOND)
    assert _value(bench, THRESHOLD) == 5000


@pytest.mark.parametrize("wrong", ["07df0b07", "07df0d07ff0c0000008000ff"])
def test_what_is_no_date_is_refused(wrong: str) -> None:
    bench = Bench()
    assert _results(bench.line(_load_limit(7, wrong)))[4] != 0
    assert bench.state()["planned"] == []


def test_every_activation_moves_something() -> None:
    for definitions in (esme_objects(), sapc_objects()):
        found = activations(definitions)
        assert found
        assert all(activation.moves for activation in found.values())


def test_published_future_dated_commands_are_reported_as_published(corpus_dir: Path) -> None:
    """Every future-dated command of the open corpus, brought to its date, raises the alerts that were published for
    it: same message code, same content; only their order and counters are the meter's own."""
    messages = published.messages(corpus_dir)
    store = published.keys(corpus_dir)
    compared = 0
    for name, entry in messages.items():
        wanted = _published_alerts(messages, entry)
        if not wanted:
            continue
        start = from_dlms(next(iter(wanted))[1]) or 0
        clock = ClockSettings(start_ns=start - HOUR)
        bench = Bench(
            meter=Esme(published.METER, store, published.cells(store), EsmeSettings(clock=clock, firmware=bytes(4)))
        )
        bench.meter.out.line_up = True
        bench.line(bytes.fromhex(entry["hex"]))
        bench.advance(HOUR)
        alerts = [gbcs.decode(octets) for octets in bench.sent]
        got = {_told(message) for message in alerts if message.cra == CRA.ALERT}
        assert got == wanted, name
        compared += len(wanted)
    assert compared >= 20


def test_published_future_dated_credentials_take_effect_on_the_clock_of_the_meter(corpus_dir: Path) -> None:
    """ASN.1 commands wait in the processor; the meter's timer brings them to their time, and the outcome is told."""
    messages = published.messages(corpus_dir)
    store = published.keys(corpus_dir)
    fired = 0
    for name, entry in messages.items():
        wanted = (entry["kind"], entry["payload_format"], entry["recipient"]) == (
            "command",
            "asn1",
            published.METER.hex(),
        )
        if not wanted or "FUTURE_DATED" not in name:
            continue
        settings = EsmeSettings(records_profiles=False)
        bench = Bench(meter=Esme(published.METER, store, published.cells(store), settings))
        bench.meter.out.line_up = True
        (response,) = bench.line(bytes.fromhex(entry["hex"]))
        assert response.cra == CRA.RESPONSE
        bench.cut(HOUR)
        assert bench.timers, name
        bench.meter.out.line_up = True
        before = len(bench.sent)
        bench.advance(max(bench.timers.values()) - bench.now)
        alerts = {m.message_code: m for m in map(gbcs.decode, bench.sent[before:])}
        assert alerts.keys() == {0x0067, 0x00CB}, name  # that of the cut, which waited for the line, and the outcome
        assert alerts[0x00CB].signature
        fired += 1
    assert fired >= 2


def _told(message: Message) -> tuple[int, bytes, bytes]:
    body = cosem.decode(message.payload)
    assert isinstance(body, cosem.Notification)
    code, time, *extra = body.body.value
    return code.value, time.value, extra[0].value


def _published_alerts(messages: dict[str, dict[str, Any]], command: dict[str, Any]) -> set[tuple[int, bytes, bytes]]:
    """The published 0x00CC alerts that name this command by message code and counter."""
    if command["kind"] != "command" or command["payload_format"] != "dlms" or "FUTURE" not in command["name"]:
        return set()
    reference = int(command["message_code"], 16).to_bytes(2, "big") + command["originator_counter"].to_bytes(8, "big")
    alerts = (e for e in messages.values() if e["kind"] == "alert" and e["message_code"].lower() == "0x00cc")
    told = (_told(gbcs.decode(bytes.fromhex(entry["hex"]))) for entry in alerts)
    return {one for one in told if one[2].startswith(reference)}
