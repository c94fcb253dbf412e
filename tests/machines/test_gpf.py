"""The gas proxy: the mirror, commands of the meter that it taps, its own logs and reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devices.machines.core import (
    LinkChanged,
    PowerLost,
    PowerRestored,
    Received,
    Send,
    SetTimer,
    Started,
)
from devices.machines.gpf import Gpf, GpfSettings
from devices.machines.gsme import Gsme, GsmeSettings
from devices.machines.parts.gas_mirror import frame_of
from devices.machines.parts.gas_recording import GasRecorder
from devices.machines.parts.gbz_steps import records
from devices.model import gas_records
from devices.model.gpf_objects import gpf_clusters
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


@pytest.mark.parametrize("keeps", [False, True])
def test_a_tapped_command_of_the_future_is_dropped_unless_set_otherwise(keeps: bool) -> None:
    """facts/gbcs.md 10.6.1 [one vendor's inference: a setting, default dropped]."""
    made, gas = GasBench(Gpf(PROXY, KEYS, cells("GPF"), GpfSettings(meter=METER, keeps_future_dated=keeps))), meter()
    made.handle(Started({}))
    band: dict[str, Any] = {"Provider_ID": 0, "Issuer_Event_ID": 1, "Start_Time": made.device.clock.at(0).zcl + 3600}
    dates = {"Number_of_Seasons": 0, "Number_of_Week_Profiles": 0, "Number_of_Day_Profiles": 0}
    named: dict[str, Any] = {
        "Issuer_Calendar_ID": 5,
        "Calendar_Type": 3,
        "Calendar_Time_Reference": 0,
        "Calendar_Name": b"",
    }
    order = ("Provider_ID", "Issuer_Event_ID", "Issuer_Calendar_ID", "Start_Time", "Calendar_Type")
    whole = band | named | dates
    ordered = {name: whole[name] for name in order} | {k: v for k, v in whole.items() if k not in order}
    octets = command("GCS05", 1000, component(0x0707, True, 0x00, **ordered))
    tap(made, octets)
    (response,) = [one for one in gas.line(octets) if one.cra == gbcs.CRA.RESPONSE]
    tap(made, gbcs.encode(response))
    assert len(made.device.clusters.pending) == int(keeps)
    assert len(gas.device.clusters.pending) == 1


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


HALF = 1800 * SECOND


def _totals(made: GasBench, *totals: tuple[int, int]) -> None:
    """The meter reports totals, each so many half hours after the start."""
    for place, total in totals:
        made.handle(report(0x0702, AttributeValue(0x0000, 0x25, total)), place * HALF)


def _samples(made: GasBench, identifier: int) -> list[int]:
    (entry,) = [e for e in made.device.clusters.entries("samples") if e.fields["SampleID"] == identifier]
    return [dict(one)["Sample"] for one in entry.fields["Samples"]]  # type: ignore[union-attr,arg-type]


def test_half_hours_of_the_mirror_are_the_differences_of_what_the_meter_pushed() -> None:
    """facts/gbcs.md 10.6.1: a row is the difference from the last total; nothing is recorded on a clock of its own."""
    made = bench()
    assert not [effect for effect in made.effects if isinstance(effect, SetTimer) and effect.name == "half_hour"]
    _totals(made, (1, 100), (2, 105), (2, 106), (3, 112))
    assert _samples(made, 0) == [5, 7]
    made.handle(PowerLost(), 3 * HALF)
    before = made.device.state(3 * HALF)
    made.handle(PowerRestored(json.loads(json.dumps(made.saved)), 0), 3 * HALF)
    assert made.device.state(3 * HALF) == before
    _totals(made, (4, 113))
    asked = component(0x0702, False, 0x08, SampleID=0, EarliestSampleTime=0, SampleType=0, NumberOfSamples=3)
    (answered,) = made.line(command("GCS17", 9, asked, device=PROXY), 4 * HALF)
    (body,) = bodies(answered, SUPPLIER)
    assert isinstance(body, Command)
    assert [dict(one)["Sample"] for one in body.get("Samples")] == [5, 7, 1]  # type: ignore[union-attr,arg-type]


def test_a_day_is_its_last_total_less_that_of_the_day_before() -> None:
    """facts/gbcs.md 10.6.1, with the total of midnight and without it."""
    made = bench()
    _totals(made, (1, 100), (24, 150), (48, 180), (72, 190), (97, 230), (98, 231))
    assert _samples(made, 1) == [80, 10]


def test_a_total_that_comes_a_little_early_is_the_one_of_the_half_hour_that_ends() -> None:
    made = bench()
    made.handle(report(0x0702, AttributeValue(0x0000, 0x25, 1)), HALF)
    made.handle(report(0x0702, AttributeValue(0x0000, 0x25, 4)), 2 * HALF - SECOND)
    assert _samples(made, 0) == [3]


def _snapshot(cause: int, taken: int, total: int) -> Received:
    made = meter()
    made.device.clusters.set((0x0702, 0), total)
    body = gas_records.snapshot(made.device.clusters, 5, taken, cause)
    return Received("han", METER, frame_of(body), 0x0702)


@pytest.mark.parametrize(("late", "shown"), [(5, 777), (1801, 0)])
def test_a_snapshot_is_stored_whenever_it_comes_and_mirrored_before_the_next_waking(late: int, shown: int) -> None:
    """facts/gbcs.md 10.6.1."""
    made = bench()
    midnight = made.device.clock.at(0).zcl
    assert midnight % 86_400 == 0
    made.handle(_snapshot(1, midnight, 777), late * SECOND)
    assert len(made.device.clusters.entries("snapshots")) == 1
    assert made.device.clusters.get((0x0702, 0)) == shown


@pytest.mark.parametrize(("cause", "told"), [(1, []), (2, [0x008B]), (1 << 14, [])])
def test_the_proxy_sends_the_billing_alert_where_the_billing_calendar_made_the_snapshot(
    cause: int, told: list[int]
) -> None:
    """facts/gbcs.md 10.6.1."""
    made = bench()
    effects = made.handle(_snapshot(cause, made.device.clock.at(0).zcl, 5), SECOND)
    assert [gbcs.decode(e.octets).message_code for e in effects if isinstance(e, Send)] == told


def test_top_ups_and_debt_payments_of_the_meter_are_kept_once() -> None:
    """facts/gbcs.md 10.6.1: the last five top ups come again with each."""
    made = bench()
    entries = [gas_records.top_up(b"7394%016d" % number, 1000, number) for number in range(7)]
    for first in (0, 1, 2):
        log = gas_records.top_up_log(entries[first : first + 5])
        made.handle(Received("han", METER, frame_of(log), 0x0705))
    kept = [dict(e.fields["Top Up Payload"][0]) for e in made.device.clusters.entries("top_ups")]  # type: ignore[index,arg-type]
    assert [row["TopUp Time"] for row in kept] == [2, 3, 4, 5, 6]
    made.handle(Received("han", METER, frame_of(gas_records.debt_payment(1, 2, 3)), 0x0705))
    assert len(made.device.clusters.entries("debt_payments")) == 1


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


def test_a_half_hour_that_nobody_reported_was_not_captured_and_is_no_zero() -> None:
    """facts/gbcs.md 10.6.1: a row is the difference from the last total that the proxy had."""
    clusters = gpf_clusters()
    recorder = GasRecorder(clusters)
    for half_hour, total in ((48, 100), (49, 103), (52, 110), (53, 0x2000000)):
        recorder.pushed(half_hour * 1800, total)
    (row,) = (one for one in clusters.entries("samples") if one.fields["SampleID"] == 0)
    samples = [dict(one)["Sample"] for one in records(row.fields["Samples"])]
    assert samples == [3, 0xFFFFFF, 0xFFFFFF, 7, 0xFFFFFE]
