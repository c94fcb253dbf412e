"""The gas proxy: the mirror, commands of the meter that it taps, its own logs and reads."""

from __future__ import annotations

import json

import pytest

from devices.machines.core import (
    LinkChanged,
    PowerLost,
    PowerRestored,
    Received,
    Send,
    SetTimer,
    Started,
    TimerFired,
)
from devices.machines.gpf import Gpf, GpfSettings
from devices.machines.gsme import Gsme, GsmeSettings
from devices.wire import gbcs, zcl, zcl_general
from devices.wire.zcl_fields import Command
from devices.wire.zcl_general import AttributeValue, ReadAttributesResponse, ReportAttributes
from tests.machines.gas_bench import (
    HUB,
    KEYS,
    METER,
    PROXY,
    SECOND,
    SUPPLIER,
    GasBench,
    bodies,
    cells,
    command,
    component,
    read,
)
from tests.machines.told import of_kind, told


def bench() -> GasBench:
    made = GasBench(Gpf(PROXY, KEYS, cells("GPF"), GpfSettings(meter=METER)))
    made.handle(Started({}))
    made.handle(LinkChanged("line", True))
    return made


def meter() -> GasBench:
    made = GasBench(Gsme(METER, KEYS, cells("GSME"), GsmeSettings(hub=HUB)))
    made.handle(Started({}))
    made.handle(LinkChanged("line", True))
    return made


def report(cluster: int, *values: AttributeValue, peer: bytes = METER) -> Received:
    body = ReportAttributes(values)
    frame = zcl.Frame(zcl.TO_CLIENT, 0, zcl_general.command_of(body), zcl_general.write(body))
    return Received("han", peer, zcl.encode(frame), cluster)


def test_reads_of_gas_data_show_what_the_meter_reported() -> None:
    made = bench()
    made.handle(report(0x0702, AttributeValue(0x0000, 0x25, 123_456), AttributeValue(0x0A00, 0x23, 99)))
    asked = command("GCS13a", 5, read(0x0702, 0x0302, 0x0301, 0x0300, 0x0000), device=PROXY)
    (answered,) = made.line(asked)
    assert answered.originator == PROXY
    assert answered.date_time[-1] == 0  # the proxy's clock is reliable
    (body,) = bodies(answered, SUPPLIER)
    assert isinstance(body, ReadAttributesResponse)
    assert [(one.attribute, one.value) for one in body.records] == [
        (0x0302, 1000),
        (0x0301, 1),
        (0x0300, 1),
        (0x0000, 123_456),
    ]


@pytest.mark.parametrize(
    "event",
    [
        report(0x0702, AttributeValue(0x0000, 0x25, 7), peer=PROXY),
        report(0x0702, AttributeValue(0x0000, 0x23, 7)),
        report(0x0702, AttributeValue(0x7777, 0x23, 7)),
        report(0x0703, AttributeValue(0x0000, 0x25, 7)),
        Received("han", METER, b"\x08\x00\x0a\x00", 0x0702),
        Received("han", METER, b"", 0x0702),
    ],
    ids=["a stranger", "another type", "no such attribute", "another cluster", "cut short", "nothing"],
)
def test_other_reports_change_nothing(event: Received) -> None:
    made = bench()
    made.handle(event)
    assert made.device.clusters.values == {}


def test_the_valve_of_the_meter_is_none_of_the_proxy() -> None:
    made = bench()
    supply = {"Request_Date/Time": 0, "Implementation_Date/Time": 0}
    closing = component(
        0x0702, False, 0x0B, Provider_ID=0, Issuer_Event_ID=1, **supply, Proposed_Supply_Status=0, Supply_Control_Bits=1
    )
    answered = made.line(command("GCS32", 5, closing, device=PROXY))
    assert not [one for one in answered if one.cra == gbcs.CRA.RESPONSE]
    assert [fields["check"] for fields in of_kind(made.effects, "refused")] == ["supported"]


def tap(made: GasBench, octets: bytes) -> None:
    made.handle(Received("tap", HUB, octets))


def cv(counter: int, start: int = 0) -> bytes:
    factor = component(
        0x0700,
        True,
        0x02,
        Issuer_Event_ID=1,
        Start_Time=start,
        Conversion_Factor=111,
        Conversion_Factor_Trailing_Digit=0x50,
    )
    value = component(
        0x0700,
        True,
        0x03,
        Issuer_Event_ID=1,
        Start_Time=start,
        Calorific_Value=222,
        Calorific_Value_Unit=1,
        Calorific_Value_Trailing_Digit=0x10,
    )
    return command("GCS23", counter, factor, value)


def test_a_command_of_the_meter_is_tapped_once_the_meter_did_it() -> None:
    made, gas = bench(), meter()
    octets = cv(1000)
    tap(made, octets)
    assert made.device.clusters.get((0x0700, 0x0302)) == 102_264
    (response,) = gas.line(octets)
    tap(made, gbcs.encode(response))
    for device in (made.device, gas.device):
        assert (device.clusters.get((0x0700, 0x0302)), device.clusters.get((0x0700, 0x0304))) == (111, 222)
    before = made.device.clusters.revision
    tap(made, gbcs.encode(response))  # an answer that no command waits for
    assert made.device.clusters.revision == before


def test_only_the_calendar_part_of_a_prepayment_configuration_is_tapped() -> None:
    made, gas = bench(), meter()
    cap = component(
        0x0705, False, 0x0C, Provider_ID=0, Issuer_Event_ID=1, **{"Implementation_Date/Time": 0}, Overall_Debt_Cap=88
    )
    dates = {"Number_of_Seasons": 0, "Number_of_Week_Profiles": 0, "Number_of_Day_Profiles": 0}
    calendar = component(
        0x0707,
        True,
        0x00,
        Provider_ID=0,
        Issuer_Event_ID=1,
        Issuer_Calendar_ID=5,
        Start_Time=0,
        Calendar_Type=3,
        Calendar_Time_Reference=0,
        Calendar_Name=b"",
        **dates,
    )
    octets = command("GCS05", 1000, cap, calendar)
    tap(made, octets)
    (response,) = gas.line(octets)
    tap(made, gbcs.encode(response))
    assert made.device.clusters.get((0x0705, 0x06)) == 0
    assert [entry.tag for entry in made.device.clusters.entries("calendars")] == [3]


def test_a_failed_command_and_rubbish_are_not_tapped() -> None:
    made = bench()
    tap(made, b"\xdf\x09")
    assert [one.kind for one in told(made.effects) if one.kind.startswith("tap")] == ["tap.bad"]
    assert made.device.clusters.values == {}


def test_half_hours_of_the_mirror_outlive_a_power_cut() -> None:
    made = bench()
    total = 0
    for place in range(1, 4):
        made.handle(report(0x0702, AttributeValue(0x0000, 0x25, total)))
        effects = made.handle(TimerFired("half_hour"), place * 1800 * SECOND)
        assert SetTimer("half_hour", (place + 1) * 1800 * SECOND) in effects
        total += 5
    made.handle(PowerLost(), 3 * 1800 * SECOND)
    before = made.device.state(3 * 1800 * SECOND)
    made.handle(PowerRestored(json.loads(json.dumps(made.saved)), 0), 3 * 1800 * SECOND)
    assert made.device.state(3 * 1800 * SECOND) == before
    asked = component(0x0702, False, 0x08, SampleID=0, EarliestSampleTime=0, SampleType=0, NumberOfSamples=2)
    (answered,) = made.line(command("GCS17", 9, asked, device=PROXY), 3 * 1800 * SECOND)
    (body,) = bodies(answered, SUPPLIER)
    assert isinstance(body, Command)
    assert [dict(one)["Sample"] for one in body.get("Samples")] == [0, 5]  # type: ignore[union-attr,arg-type]


def test_the_log_of_the_proxy_is_its_own() -> None:
    made = bench()
    made.line(command("CS11", 1003, component(0x0709, False, 0x01, Log_ID=3), device=PROXY))
    (entry,) = [e for e in made.device.clusters.entries("events") if dict(e.fields["Log Payload"][0])["Log ID"] == 7]  # type: ignore[index,arg-type]
    assert dict(entry.fields["Log Payload"][0])["Event ID"] == 0x8F52  # type: ignore[index,arg-type]
    assert not [e for e in made.effects if isinstance(e, Send) and e.port == "han"]


def test_the_proxy_logs_every_command_with_command_and_answer() -> None:
    """facts/gbcs.md 6 [spec text, second hand]: every command and its outcome, 0x8154 or 0x8155, cut to the field."""
    made = bench()
    asked = command("GCS13a", 5, read(0x0702, 0x0302, 0x0301, 0x0300, 0x0000), device=PROXY)
    (answered,) = made.line(asked)
    payloads = [entry.fields["Log Payload"] for entry in made.device.clusters.entries("events")]
    rows = [dict(row) for payload in payloads for row in payload]  # type: ignore[union-attr,arg-type]
    (row,) = [row for row in rows if row["Event ID"] == 0x8154]
    data = row["Event Data"]
    sent = b"\x00\x74" + gbcs.decode(asked).payload
    assert data == sent[:32] + answered.payload[:32]
