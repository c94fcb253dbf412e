"""The gas meter: its valve by command and by hand, tokens, logs, future-dated changes, power, waking up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from devices.machines.core import (
    Answer,
    Asked,
    ButtonPressed,
    Drive,
    LinkChanged,
    NetworkUp,
    PowerLost,
    PowerRestored,
    Received,
    Refuse,
    Send,
    SetTimer,
    Show,
    Started,
    TimerFired,
)
from devices.machines.gsme import Gsme, GsmeSettings
from devices.machines.parts.civil_clock import EPOCH_2000, CivilTime, ClockStatus
from devices.machines.parts.commands import CommandSettings
from devices.machines.parts.contactor import PULSE
from devices.machines.parts.credential_updates import datetime_of
from devices.machines.parts.gas_conduct import GasSettings
from devices.machines.parts.joining import Method, PeerType
from devices.machines.parts.sleepy_tunnel import SleepyServer
from devices.machines.parts.time_cluster import report
from devices.machines.parts.tokens import TokenSettings
from devices.machines.parts.tunnel import CLUSTER
from devices.machines.parts.valve import ValveEvent, ValveState
from devices.trust import protection
from devices.trust.keystore import agreement_key, signing_key
from devices.trust.utrn_mac import utrn_mac
from devices.wire import asn1_typed, gbcs, gbz, gbz_typed, utrn, zcl, zcl_fields
from devices.wire.asn1_typed import ClockWindow
from devices.wire.gbcs import CRA
from devices.wire.utrn import Ptut
from devices.wire.zcl_fields import Command
from devices.wire.zcl_general import DefaultResponse, ReadAttributesResponse
from tests.machines.gas_bench import (
    BROKER,
    COMMISSIONED,
    HUB,
    INTERFACE,
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
from tests.machines.told import of_kind

NOW_2015 = 500_169_600  # 2015-11-07, the clock as delivered, in seconds since 2000


def bench(**settings: Any) -> GasBench:
    made = GasBench(Gsme(METER, KEYS, cells("GSME"), GsmeSettings(**settings)))
    made.handle(Started({}))
    made.handle(LinkChanged("line", True))
    return made


def meter_of(made: GasBench) -> Gsme:
    assert isinstance(made.device, Gsme)
    return made.device


def supply(proposed: int) -> gbz.Component:
    return component(
        0x0702,
        False,
        0x0B,
        Provider_ID=0,
        Issuer_Event_ID=NOW_2015,
        **{"Request_Date/Time": 0, "Implementation_Date/Time": 0},
        Proposed_Supply_Status=proposed,
        Supply_Control_Bits=1,
    )


def test_the_valve_command_is_bit_exact() -> None:
    close = gbcs.decode(command("GCS32", 1, supply(0)))
    assert close.payload.hex() == "0109010107020015" + "01000b" + "00000000" + "80fbcf1d" + "0000000000000000" + "0001"


def test_closing_arming_and_opening_by_hand() -> None:
    made = bench()
    (closed,) = made.line(command("GCS32", 1000, supply(0)))
    assert (closed.cra, closed.counter, len(closed.signature or b"")) == (CRA.RESPONSE, 1000, 64)
    assert protection.signature_valid(closed, KEYS.public(signing_key(METER)))
    (answer,) = bodies(closed)
    assert isinstance(answer, Command)
    assert (answer.name, answer.get("Supply Status")) == ("Supply Status Response", 0)
    assert Drive("valve_close", True) in made.effects
    made.handle(ButtonPressed("A", 3 * SECOND), SECOND)
    assert meter_of(made).valve.state is ValveState.OFF
    (armed, *_) = made.line(command("GCS39", 1001, supply(1)), 2 * SECOND)
    answer = bodies(armed)[0]
    assert isinstance(answer, Command)
    assert answer.get("Supply Status") == 1
    assert Drive("valve_open", True) not in made.effects
    made.handle(ButtonPressed("A", SECOND), 3 * SECOND)
    assert meter_of(made).valve.state is ValveState.ARMED
    made.handle(ButtonPressed("A", 2 * SECOND), 4 * SECOND)
    assert meter_of(made).valve.state is ValveState.ON
    assert Drive("valve_open", True) in made.effects


@pytest.mark.parametrize(("name", "proposed"), [("GCS32", 1), ("GCS39", 0), ("GCS32", 2), ("GCS39", 2)])
def test_no_command_does_what_its_code_does_not_say(name: str, proposed: int) -> None:
    made = bench()
    before = meter_of(made).clusters.as_json()
    messages = made.line(command(name, 1000, supply(proposed)))
    assert all(message.cra == CRA.ALERT for message in messages)
    assert [fields["check"] for fields in of_kind(made.effects, "refused")] == ["content"]
    after = meter_of(made).clusters.as_json()
    assert {**after, "stores": {}} == {**before, "stores": {}}


def test_valve_status_and_battery_are_read() -> None:
    made = bench()
    (answered,) = made.line(command("GCS33", 7, read(0x0702, 0x0205, 0x0014)))
    (body,) = bodies(answered)
    assert isinstance(body, ReadAttributesResponse)
    assert [(one.attribute, one.status, one.type, one.value) for one in body.records] == [
        (0x0205, 0, 0x21, 3650),
        (0x0014, 0, 0x30, 2),
    ]
    assert protection.mac_valid(answered, KEYS.agree(agreement_key(SUPPLIER), KEYS.public(agreement_key(METER))))


def test_reads_of_others_are_refused_under_this_code() -> None:
    made = bench()
    assert all(m.cra == CRA.ALERT for m in made.line(command("GCS33", 7, read(0x0702, 0x0000))))


# -------------------------------------------------------------------------------------------------------------- tokens


def token(counter: int, pence: int, supplier: bytes = SUPPLIER) -> str:
    plain = Ptut(utrn.truncated(counter), 0, pence, bytes(4))
    secret = KEYS.agree(f"{supplier.hex()}-pp-ka", KEYS.public(agreement_key(METER)))
    mac = utrn_mac(secret, supplier, METER, counter, plain.high_word)
    return utrn.encode(Ptut(plain.truncated_counter, 0, pence, mac))


def top_up(digits: str, source: int = 0) -> gbz.Component:
    return component(0x0705, False, 0x04, Originating_Device=source, TopUp_Code=digits.encode())


def result_of(message: gbcs.Message) -> dict[str, Any]:
    body = bodies(message)[0]
    assert isinstance(body, Command)
    return dict(body.fields)


def test_a_token_adds_credit_once() -> None:
    made = bench()
    digits, counter = token(5 << 32, 1000), 5 << 32
    (taken, *_) = made.line(command("CS01b", counter, top_up(digits)))
    assert result_of(taken) == {
        "Result Type": 0,
        "Top Up Value": 1_000_000,
        "Source of Top up": 0,
        "Credit Remaining": 1_000_000,
    }
    assert taken.date_time
    (again, *_) = made.line(command("CS01b", 6 << 32, top_up(digits)))
    assert result_of(again)["Result Type"] == 1
    assert isinstance(made.handle(Asked("top_up", {"utrn": digits}))[-1], Refuse)
    assert meter_of(made).clusters.get((0x0705, 1)) == 1_000_000
    (entry,) = meter_of(made).clusters.entries("top_ups")
    assert dict(entry.fields["Top Up Payload"][0])["TopUp Code"] == digits.encode()  # type: ignore[index,arg-type]


@pytest.mark.parametrize("wrong", ["12345678901234567890", token(5 << 32, 1000)[:-1] + "x", token(5 << 32, 10)[::-1]])
def test_what_is_no_token_adds_nothing(wrong: str) -> None:
    made = bench()
    (refused, *_) = made.line(command("CS01b", 5 << 32, top_up(wrong)))
    assert result_of(refused) == {"Result Type": 1, "Top Up Value": -1, "Source of Top up": 0, "Credit Remaining": -1}
    assert meter_of(made).clusters.get((0x0705, 1)) == 0


MAXIMUM_CREDIT, MAXIMUM_TOP_UP, BALANCE = (0x0705, 0x21), (0x0705, 0x22), (0x0705, 1)


@pytest.mark.parametrize(
    ("pence", "taken", "code"),
    [(600, True, 0x810E), (601, False, 0x8F47), (700, False, 0x8F47), (701, False, 0x8F5B)],
    ids=["to the maximum", "a penny above it", "the most of one top up", "more than that"],
)
def test_what_a_balance_holds_counts_towards_the_maximum_credit(pence: int, taken: bool, code: int) -> None:
    made = bench()
    clusters = meter_of(made).clusters
    clusters.set(MAXIMUM_CREDIT, 1_000_000)
    clusters.set(MAXIMUM_TOP_UP, 700_000)
    clusters.set(BALANCE, 400_000)
    (answered, *_) = made.line(command("CS01b", 5 << 32, top_up(token(5 << 32, pence))))
    assert result_of(answered)["Result Type"] == (0 if taken else 1)
    assert clusters.get(BALANCE) == (400_000 + pence * 1000 if taken else 400_000)
    assert logged(meter_of(made)).count(code) == 1
    clusters.set(MAXIMUM_CREDIT, 1_000_000_000)
    (again, *_) = made.line(command("PCS01", 78, top_up(token(5 << 32, pence), source=2), originator=INTERFACE))
    refused_for_size = code == 0x8F47
    assert result_of(again)["Result Type"] == (0 if refused_for_size else 1), "what was refused is not used up"


@pytest.mark.parametrize(("is_used", "result", "code"), [(False, 0, 0x810E), (True, 1, 0x8F51)])
def test_whether_a_token_refused_for_its_amount_is_used_up_is_a_setting(is_used: bool, result: int, code: int) -> None:
    """facts/gbcs.md 7.2 can be read both ways: as delivered it is not; where it is, over a power cut too."""
    made = bench(tokens=TokenSettings(refused_for_amount_is_used=is_used))
    clusters = meter_of(made).clusters
    clusters.set(MAXIMUM_TOP_UP, 700_000)
    (refused, *_) = made.line(command("CS01b", 5 << 32, top_up(token(5 << 32, 701))))
    assert (result_of(refused)["Result Type"], logged(meter_of(made)).count(0x8F5B)) == (1, 1)
    made.handle(PowerLost(), SECOND)
    made.handle(PowerRestored(json.loads(json.dumps(made.saved)), SECOND), 2 * SECOND)
    made.handle(LinkChanged("line", True), 2 * SECOND)
    meter_of(made).clusters.set(MAXIMUM_TOP_UP, 800_000)
    again = command("PCS01", 78, top_up(token(5 << 32, 701), source=2), originator=INTERFACE)
    assert result_of(made.line(again, 3 * SECOND)[0])["Result Type"] == result
    assert code in logged(meter_of(made))
    assert TokenSettings().refused_for_amount_is_used is False


def test_a_token_from_the_interface_is_protected_device_to_device() -> None:
    made = bench()
    asked = command("PCS01", 77, top_up(token(5 << 32, 250), source=2), originator=INTERFACE)
    (answered, *_) = made.line(asked)
    assert (answered.recipient, result_of(answered)["Top Up Value"]) == (INTERFACE, 250_000)
    assert protection.mac_valid(answered, KEYS.agree(agreement_key(INTERFACE), KEYS.public(agreement_key(METER))))


def test_a_stranger_in_the_han_is_refused() -> None:
    made = GasBench(Gsme(METER, KEYS, cells("GSME"), peers=lambda party: None))
    asked = command("PCS01", 77, top_up(token(5 << 32, 250), source=2), originator=INTERFACE)
    assert [m for m in made.line(asked) if m.cra == CRA.RESPONSE] == []
    assert [fields["check"] for fields in of_kind(made.effects, "refused")] == ["role"]


def test_what_is_done_at_the_keys_is_logged_with_its_message_code() -> None:
    """facts/gbcs.md 6: 0x8161 or 0x8162 with the message code of the user interface command."""
    made = bench()
    for verb, args in (("top_up", {"utrn": token(5 << 32, 100)}), ("top_up", {"utrn": "1"}), ("emergency_credit", {})):
        made.handle(Asked(verb, args))
    meter_of(made).valve.change(ValveEvent.ARM, "test", 0)
    made.handle(ButtonPressed("a", 2 * SECOND))
    payloads: list[Any] = [entry.fields["Log Payload"] for entry in meter_of(made).clusters.entries("events")]
    rows = [dict(row) for payload in payloads for row in payload]
    kept = [(row["Event ID"], row["Event Data"]) for row in rows if row["Event ID"] in (0x8161, 0x8162)]
    codes = [(0x8161, b"\x00\x9b"), (0x8162, b"\x00\x9b"), (0x8161, b"\x00\x90"), (0x8161, b"\x01\x18")]
    assert kept == codes


@pytest.mark.parametrize(("allowed", "statuses"), [(True, [0, 0]), (False, [1, 1])])
def test_emergency_credit_that_is_active_already_is_a_success(allowed: bool, statuses: list[int]) -> None:
    """facts/gbcs.md 5.5: success if it is active afterwards, also when it was before; else FAILURE 01."""
    made = bench(gas=GasSettings(invoke_in_credit_mode=allowed))
    select = component(0x0705, False, 0x00, **{"Command_Issue_Date/Time": 0, "Originating_Device": 0})
    answered = [made.line(command("GCS06", counter, select))[0] for counter in (1, 2)]
    bodies_of = [bodies(message)[0] for message in answered]
    assert [body.status for body in bodies_of if isinstance(body, DefaultResponse)] == statuses


# ------------------------------------------------------------------------------------------------------- future-dated


def low_credit(at: int, level: int) -> gbz.Component:
    fields = (("Low Credit Warning Level", level),)
    body = Command(0x0705, False, 0x09, "Set Low Credit Warning Level", fields)
    return gbz.Component(0x0705, zcl.Frame(1, 0, 0x09, zcl_fields.write(body)), at)


def debt_cap(at: int, cap: int) -> gbz.Component:
    return component(
        0x0705,
        False,
        0x0C,
        Provider_ID=0,
        Issuer_Event_ID=1,
        **{"Implementation_Date/Time": at},
        Overall_Debt_Cap=cap,
    )


def test_a_future_dated_change_waits_fires_and_is_told() -> None:
    made = bench()
    meter = meter_of(made)
    later = NOW_2015 + 3600
    made.line(command("GCS05", 1000, low_credit(later, 77), debt_cap(later + 60, 88)))
    assert meter.clusters.get((0x0705, 0x31)) == 200_000
    (timer,) = [e for e in made.effects if isinstance(e, SetTimer) and e.name == "future_dated"]
    assert timer.at == 3600 * SECOND
    effects = made.handle(TimerFired("future_dated"), timer.at)
    assert meter.clusters.get((0x0705, 0x31)) == 77
    assert meter.clusters.get((0x0705, 0x06)) == 0
    (sent,) = [gbcs.decode(e.octets) for e in effects if isinstance(e, Send)]
    assert (sent.cra, sent.message_code, sent.recipient) == (CRA.ALERT, 0x00CD, SUPPLIER)
    assert protection.signature_valid(sent, KEYS.public(signing_key(METER)))
    assert gbz.decode(sent.payload) == gbz.Alert(0x8F66, later, gbz.FutureDated(0x6F, 1000, 0x0705, 0x01, 0x09))
    assert SetTimer("future_dated", 3660 * SECOND) in effects
    made.handle(TimerFired("future_dated"), 3660 * SECOND)
    assert meter.clusters.get((0x0705, 0x06)) == 88


def test_a_future_dated_change_is_called_off() -> None:
    made = bench()
    meter = meter_of(made)
    made.line(command("GCS05", 1000, low_credit(NOW_2015 + 60, 77), debt_cap(NOW_2015 + 60, 88)))
    made.line(command("GCS05", 1001, debt_cap(0xFFFFFFFF, 99)))
    made.handle(TimerFired("future_dated"), 60 * SECOND)
    assert (meter.clusters.get((0x0705, 0x31)), meter.clusters.get((0x0705, 0x06))) == (77, 0)


def test_a_pending_change_outlives_a_power_cut() -> None:
    made = bench()
    made.line(command("GCS05", 1000, debt_cap(NOW_2015 + 60, 88)))
    made.handle(PowerLost(), SECOND)
    made.saved = json.loads(json.dumps(made.saved))
    effects = made.handle(PowerRestored(made.saved, 99 * SECOND), 100 * SECOND)
    (due,) = [e for e in effects if isinstance(e, SetTimer) and e.name == "future_dated"]
    made.handle(TimerFired("future_dated"), due.at)
    assert meter_of(made).clusters.get((0x0705, 0x06)) == 88


# ------------------------------------------------------------------------------------------------- power, time, logs


def test_state_over_a_power_cut() -> None:
    made = bench()
    made.line(command("GCS32", 1000, supply(0)))
    made.line(command("CS01b", 5 << 32, top_up(token(5 << 32, 1000))))
    made.handle(PowerLost(), SECOND)
    before = meter_of(made).state(SECOND)
    made.handle(PowerRestored(json.loads(json.dumps(made.saved)), 0), SECOND)
    assert meter_of(made).state(SECOND) == before
    (again, *_) = made.line(command("CS01b", 6 << 32, top_up(token(5 << 32, 1000))), 2 * SECOND)
    assert result_of(again)["Result Type"] == 1


@pytest.mark.parametrize(
    ("ended", "state", "drives"), [(False, ValveState.ARMED, "valve_close"), (True, ValveState.ON, "")]
)
def test_a_valve_that_was_opening_when_power_went_is_shut_and_armed(
    ended: bool, state: ValveState, drives: str
) -> None:
    made = bench()
    made.line(command("GCS32", 1000, supply(0)))
    made.line(command("GCS39", 1001, supply(1)))
    made.handle(ButtonPressed("A", 2 * SECOND), SECOND)
    if ended:
        made.handle(TimerFired(PULSE), 2 * SECOND)
    made.handle(PowerLost(), 3 * SECOND)
    made.effects.clear()
    made.handle(PowerRestored(json.loads(json.dumps(made.saved)), SECOND), 4 * SECOND)
    assert meter_of(made).valve.state is state
    assert [one.pin for one in made.effects if isinstance(one, Drive) and one.level] == ([drives] if drives else [])
    made.handle(PowerLost(), 5 * SECOND)
    made.handle(PowerRestored(json.loads(json.dumps(made.saved)), SECOND), 6 * SECOND)
    assert meter_of(made).valve.state is state


def test_events_and_the_log_that_can_be_cleared() -> None:
    made = bench()
    made.line(command("GCS39", 1000, supply(1)))

    def log(counter: int, name: str, which: int) -> list[int]:
        asked = component(
            0x0709,
            False,
            0x00,
            **{"Event_Control_/_Log_ID": which},
            Event_ID=0,
            Start_Time=0,
            End_Time=0xFFFFFFFF,
            Number_of_Events=0,
            Event_Offset=0,
        )
        (answered,) = made.line(command(name, counter, asked))
        (body,) = bodies(answered)
        if isinstance(body, DefaultResponse):
            assert body.status == 0x8B
            return []
        assert isinstance(body, Command)
        rows = [dict(row) for row in body.get("Log Payload")]  # type: ignore[union-attr,arg-type]
        assert body.get("Total Number of Events") == len(rows)
        return [row["Event ID"] for row in rows]

    assert log(1001, "CS10a", 0x13) == [0x8154, 0x8F32]
    assert log(1002, "CS10b", 0x04) == []
    (cleared, *_) = made.line(command("CS11", 1003, component(0x0709, False, 0x01, Log_ID=3)))
    body = bodies(cleared)[0]
    assert isinstance(body, Command)
    assert body.get("ClearedEventsLogs") == 0x08
    assert log(1004, "CS10a", 0x13) == [0x8154]  # that the clearing was done
    assert log(1005, "CS10b", 0x04) == [0x8F52]


def test_half_hours_days_and_the_billing_alert() -> None:
    made = bench(billing_alert=True)
    meter = meter_of(made)
    period = component(
        0x0700,
        True,
        0x09,
        Provider_ID=0,
        Issuer_Event_ID=1,
        Billing_Period_Start_Time=NOW_2015 - 86_400,
        Billing_Period_Duration=1,
        Billing_Period_Duration_Type=1,
        Tariff_Type=0,
    )
    made.line(command("GCS25a", 1000, period))
    assert NOW_2015 % 86_400 == 0
    at = 0
    sent: list[gbcs.Message] = []
    for _ in range(48):
        assert Answer() in made.handle(Asked("consume", {"amount": 10, "price": 3}), at)
        at += 1800 * SECOND
        effects = made.handle(TimerFired("half_hour"), at)
        assert SetTimer("half_hour", at + 1800 * SECOND) in effects
        sent += [gbcs.decode(e.octets) for e in effects if isinstance(e, Send)]
    halves, days = (e.fields for e in meter.clusters.entries("samples"))
    assert halves["NumberOfSamples"] == 48
    assert {dict(one)["Sample"] for one in halves["Samples"][1:]} == {10}  # type: ignore[index,arg-type]
    assert days["SampleRequestInterval"] == 0xFFFF
    assert [e.fields["Snapshot Cause"] for e in meter.clusters.entries("snapshots")] == [1, 2]
    (alert,) = sent
    body = gbz.decode(alert.payload)
    assert (alert.message_code, body.code) == (0x008B, 0x8F0A)  # type: ignore[union-attr]
    assert isinstance(body, gbz.Alert)
    (sealed,) = body.body  # type: ignore[misc]
    secret = KEYS.agree(agreement_key(SUPPLIER), KEYS.public(agreement_key(METER)))
    plain = protection.open_sealed(sealed.frame.payload, secret, METER, SUPPLIER, alert.counter)
    assert gbz_typed.read_plaintext(sealed, plain) == meter.clusters.entries("snapshots")[-1].command
    assert meter.clusters.get((0x0705, 1)) == -48 * 3
    assert meter.clusters.get((0x0702, 0x0205)) == 3649


def valve_of(made: GasBench) -> ValveState:
    return meter_of(made).valve.state


def logged(meter: Gsme) -> list[Any]:
    """The codes of every event in the logs."""
    entries: list[Any] = [entry.fields["Log Payload"] for entry in meter.clusters.entries("events")]
    return [dict(record)["Event ID"] for entry in entries for record in entry]


def test_credit_runs_out_and_comes_back() -> None:
    made = bench()
    meter = meter_of(made)
    mode = component(
        0x0705,
        False,
        0x06,
        Provider_ID=0,
        Issuer_Event_ID=1,
        **{"Implementation_Date/Time": 0},
        Proposed_Payment_Control_Configuration=0x0497,
        Cut_Off_Value=0,
    )
    made.line(command("GCS03", 1000, mode))
    assert valve_of(made) is ValveState.ON  # no credit, but not below nought either
    made.line(command("CS01b", 5 << 32, top_up(token(5 << 32, 300))))
    made.handle(Asked("consume", {"amount": 1, "price": 300_001}), SECOND)
    assert valve_of(made) is ValveState.OFF
    assert isinstance(made.handle(Asked("consume", {"amount": 1}), SECOND)[0], Refuse)  # nothing flows any more
    made.handle(PowerLost(), SECOND)
    made.handle(PowerRestored(json.loads(json.dumps(made.saved)), 0), SECOND)
    made.handle(LinkChanged("line", True), SECOND)
    chosen = component(0x0705, False, 0x00, **{"Command_Issue_Date/Time": 0}, Originating_Device=0)
    made.line(command("GCS06", 1001, chosen), 2 * SECOND)
    assert valve_of(made) is ValveState.ARMED
    made.handle(ButtonPressed("A", 3 * SECOND), 3 * SECOND)
    made.handle(Asked("consume", {"amount": 1, "price": 100}), 4 * SECOND)
    assert (meter.clusters.get((0x0705, 1)), meter.clusters.get((0x0705, 2))) == (-1, 499_900)
    codes = logged(meter)
    assert codes.count(0x8F0F) == 1
    assert codes.index(0x8F0F) < codes.index(0x81AB) < codes.index(0x8F32)


def test_the_network_data_log_is_written_for_as_long_as_asked() -> None:
    made = bench()
    sampled = component(
        0x0702,
        False,
        0x07,
        Issuer_Event_ID=1,
        StartSampling_Time=0,
        SampleType=0,
        SampleRequest_Interval=360,
        MaxNumberof_Samples=3,
    )
    (started,) = made.line(command("GCS31", 1000, sampled, originator=BROKER))
    body = bodies(started)[0]
    assert isinstance(body, Command)
    assert body.get("Sample ID") == 2
    taken = 0
    while True:
        timers = [e for e in made.effects if isinstance(e, SetTimer) and e.name == "network_sample"]
        made.effects.clear()
        if not timers:
            break
        taken += 1
        assert timers[-1].at == taken * 360 * SECOND
        made.handle(Asked("consume", {"amount": taken}), timers[-1].at)
        made.handle(TimerFired("network_sample"), timers[-1].at)
    asked = component(0x0702, False, 0x08, SampleID=2, EarliestSampleTime=1, SampleType=0, NumberOfSamples=41)
    (answered,) = made.line(command("GCS18", 9, asked))
    (body,) = bodies(answered, SUPPLIER)
    assert isinstance(body, Command)
    assert [dict(one)["Sample"] for one in body.get("Samples")] == [1, 2, 3]  # type: ignore[union-attr,arg-type]


def _clock(counter: int, start: int, end: int) -> bytes:
    """GCS28 with a window in ns since 1970."""
    payload = asn1_typed.write(ClockWindow(datetime_of(start), datetime_of(end)))
    return command("GCS28", counter, read(0x0702, 0x0014), payload=payload)


def test_the_clock_is_put_to_the_time_of_the_hub() -> None:
    made = bench()
    meter = meter_of(made)
    hub = 1_450_000_000 * SECOND
    made.handle(Received("han", HUB, report((hub - EPOCH_2000) // SECOND, 0), 0x000A))
    made.line(_clock(1000, hub - SECOND, hub + 60 * SECOND), 5 * SECOND)
    assert meter.clock.at(5 * SECOND) == CivilTime(hub + 5 * SECOND)
    assert logged(meter)[-1] == 0x8145
    made.handle(PowerLost(), 6 * SECOND)
    made.handle(PowerRestored(made.saved, 4 * SECOND), 10 * SECOND)
    assert meter.clock.at(10 * SECOND).ns == hub + 10 * SECOND


def test_a_time_of_the_hub_outside_the_window_is_not_taken() -> None:
    made = bench()
    before = meter_of(made).clock.at(0)
    made.line(_clock(1000, 0, 60 * SECOND))
    assert meter_of(made).clock.at(0) == replace(before, status=ClockStatus.UNRELIABLE)
    (answered,) = made.line(command("GCS14", 7, read(0x0700, 0x0617, 0x0616)))
    assert answered.date_time[-1] == 0x02


def test_messages_are_shown() -> None:
    made = bench()
    shown = component(
        0x0703, True, 0x00, Message_ID=1, Message_Control=0, Start_Time=0, Duration_In_Minutes=0xFFFF, Message="HELLO"
    )
    made.line(command("GCS07", 1000, shown))
    assert Show("HELLO") in made.effects


def test_what_the_bench_may_ask() -> None:
    made = bench()
    assert isinstance(made.handle(Asked("dance", {}))[0], Refuse)
    assert isinstance(made.handle(Asked("state", {}))[0], Answer)
    made.handle(PowerLost())
    assert isinstance(made.handle(Asked("state", {}))[0], Refuse)


# -------------------------------------------------------------------------------------------------------------- asleep


def shuttle(made: GasBench, hub: SleepyServer, effects: list[Any], now: int) -> list[bytes]:
    """Carry frames between meter and hub until both are silent; the messages that reach the hub."""
    arrived: list[bytes] = []
    to_hub = [e.octets for e in effects if isinstance(e, Send) and e.cluster == CLUSTER]
    while to_hub:
        messages, answers = hub.receive(Received("han", METER, to_hub.pop(0), CLUSTER), now)
        arrived += [octets for _, octets in messages]
        for answer in answers:
            if isinstance(answer, Send):
                done = made.handle(Received("han", HUB, answer.octets, CLUSTER), now)
                to_hub += [e.octets for e in done if isinstance(e, Send) and e.cluster == CLUSTER]
    return arrived


def test_a_sleepy_meter_asks_for_its_messages() -> None:
    made = GasBench(Gsme(METER, KEYS, cells("GSME"), GsmeSettings(hub=HUB, commands=COMMISSIONED)))
    hub = SleepyServer("han")
    made.handle(Started({}))
    effects = made.handle(NetworkUp("han", HUB, 0x1234, 11))
    assert SetTimer("wake", 1800 * SECOND) in effects
    arrived = shuttle(made, hub, effects, 0)
    assert [gbcs.decode(octets).cra for octets in arrived] == [CRA.ALERT, CRA.ALERT]  # joined, commissioned
    for counter, one in ((1000, supply(0)), (1001, supply(0)), (1002, supply(0))):
        assert not [e for e in hub.send(METER, command("GCS32", counter, one), 0) if isinstance(e, Send)]
    assert hub.waiting(METER) == 3
    effects = made.handle(TimerFired("wake"), 1800 * SECOND)
    arrived = shuttle(made, hub, effects, 1800 * SECOND)
    answered = [gbcs.decode(octets) for octets in arrived]
    assert [one.counter for one in answered if one.cra == CRA.RESPONSE] == [1000, 1001, 1002]
    assert hub.waiting(METER) == 0
    assert meter_of(made).valve.state is ValveState.OFF
    reports = [e for e in made.effects if isinstance(e, Send) and e.cluster == 0x0702]
    assert reports == []  # it was off when it woke for the first time as delivered; the next waking reports
    effects = made.handle(TimerFired("wake"), 3600 * SECOND)
    assert [e.octets.hex() for e in effects if isinstance(e, Send) and e.cluster == 0x0702] == [
        "08000a14003000feff3001"  # the supply state, and that the report is complete
    ]


def test_a_large_message_is_fetched_in_blocks() -> None:
    made = GasBench(Gsme(METER, KEYS, cells("GSME"), GsmeSettings(hub=HUB)))
    hub = SleepyServer("han")
    made.handle(Started({}))
    shuttle(made, hub, made.handle(NetworkUp("han", HUB, 0x1234, 11)), 0)
    text = "A" * 200
    shown = component(
        0x0703, True, 0x00, Message_ID=1, Message_Control=0, Start_Time=0, Duration_In_Minutes=0xFFFF, Message=text
    )
    octets = command("GCS07", 1000, shown)
    assert len(octets) > 250
    hub.send(METER, octets, 0)
    (response,) = shuttle(made, hub, made.handle(Asked("wake", {}), SECOND), SECOND)
    assert gbcs.decode(response).counter == 1000
    assert Show(text) in made.effects


# ------------------------------------------------------------------------------------- pushed to the proxy, 10.6.1


def _on_air(commands: CommandSettings = COMMISSIONED) -> GasBench:
    made = GasBench(Gsme(METER, KEYS, cells("GSME"), GsmeSettings(hub=HUB, commands=commands)))
    made.handle(Started({}))
    made.handle(NetworkUp("han", HUB, 0x1234, 11))
    return made


def _pushed(effects: Any) -> list[Command]:
    """The commands that the meter sent into the HAN outside its tunnel."""
    sent = [e for e in effects if isinstance(e, Send) and e.port == "han" and e.cluster != CLUSTER]
    read_ = [gbz_typed.read(gbz.Component(e.cluster, zcl.decode(e.octets))) for e in sent]
    return [body for body in read_ if isinstance(body, Command)]


def test_a_total_is_pushed_every_half_hour_and_a_snapshot_at_midnight() -> None:
    """facts/gbcs.md 10.6.1 [spec text, second hand]: in prepayment the prepayment registers as well."""
    for mode, names in ((0, ["Publish Snapshot"]), (2, ["Publish Snapshot", "Publish Prepay Snapshot"])):
        made = _on_air()
        meter_of(made).clusters.set((0x0705, 0), mode)
        at = 0
        for _ in range(48):
            made.handle(Asked("consume", {"amount": 10}), at)
            at += 1800 * SECOND
            effects = made.handle(TimerFired("half_hour"), at)
            totals = [e for e in effects if isinstance(e, Send) and e.cluster == 0x0702 and e.octets[2] == 0x0A]
            assert totals
        assert [body.name for body in _pushed(effects)] == names
        assert _pushed(effects)[0].get("Snapshot Cause") == 1


def _joining(counter: int, *, leaves: bool = False) -> bytes:
    """The command that puts the proxy into the meter's device log, or takes it out."""
    if leaves:
        return command("CS04B", counter, read(0x0702), payload=asn1_typed.write(asn1_typed.Unjoin(PROXY)))
    join = asn1_typed.Join(Method.B, PROXY, PeerType.GPF, None)
    return command("CS03B", counter, read(0x0702), payload=asn1_typed.write(join))


def test_no_metering_data_leaves_before_the_proxy_is_in_the_device_log() -> None:
    """facts/gbcs.md 8.3 [2 sources]; what is to be pushed waits, and a proxy that was taken out gets no more."""
    made = _on_air(CommandSettings())

    def left(at: int) -> list[int]:
        made.handle(Asked("consume", {"amount": 10}), at * SECOND)
        effects = [*made.handle(TimerFired("wake"), at * SECOND), *made.handle(TimerFired("half_hour"), at * SECOND)]
        return [e.octets[2] for e in effects if isinstance(e, Send) and e.port == "han" and e.cluster != CLUSTER]

    assert left(86_400) == []
    assert made.handle(Asked("top_up", {"utrn": token(1 << 32, 100)}), 86_401 * SECOND)
    assert _pushed(made.effects) == []
    (joined,) = made.line(_joining(1000), 86_402 * SECOND)
    assert joined.payload == asn1_typed.write(asn1_typed.ResponseCode(0))
    told = left(88_200)
    assert {0x0A, 0x06, 0x05} <= set(told)  # reports, the snapshot of midnight, the top ups
    made.handle(PowerLost(), 88_201 * SECOND)
    made.handle(PowerRestored(made.saved, SECOND), 88_202 * SECOND)
    made.handle(NetworkUp("han", HUB, 0x1234, 11), 88_202 * SECOND)
    assert left(90_000)
    made.line(_joining(1001, leaves=True), 90_001 * SECOND)
    assert left(91_800) == []


def test_what_is_due_while_the_interface_is_off_is_pushed_when_it_is_next_on() -> None:
    """facts/gbcs.md 10.6.1: and outlives a power cut."""
    made = bench()
    asked = component(
        0x0705,
        False,
        0x06,
        Provider_ID=0,
        Issuer_Event_ID=1,
        **{"Implementation_Date/Time": 0},
        Proposed_Payment_Control_Configuration=2,
        Cut_Off_Value=0,
    )
    made.line(command("GCS03", 1000, asked))
    assert _pushed(made.effects) == []
    assert len(made.saved["to_push"]) == 2
    again = GasBench(Gsme(METER, KEYS, cells("GSME"), GsmeSettings(hub=HUB, commands=COMMISSIONED)))
    again.handle(Started(json.loads(json.dumps(made.saved))))
    told = _pushed(again.handle(NetworkUp("han", HUB, 0x1234, 11)))
    assert [body.name for body in told] == ["Publish Snapshot", "Publish Prepay Snapshot"]
    assert {body.get("Snapshot Cause") for body in told} == {1 << 14}
    assert again.saved["to_push"] == []


def test_after_a_top_up_the_last_five_and_the_debt_payment_are_pushed() -> None:
    """facts/gbcs.md 10.6.1."""
    made = _on_air()
    clusters = meter_of(made).clusters
    for number in range(1, 8):
        effects = made.handle(Asked("top_up", {"utrn": token(number << 32, 100)}), number * SECOND)
    (log,) = _pushed(effects)
    assert (log.name, len(log.get("Top Up Payload"))) == ("Publish Top Up Log", 5)  # type: ignore[arg-type]
    clusters.set((0x0705, 0x0231), 500_000)
    clusters.set((0x0705, 0x0239), 5_000)
    effects = made.handle(Asked("top_up", {"utrn": token(8 << 32, 100)}), 9 * SECOND)
    assert [body.name for body in _pushed(effects)] == ["Publish Top Up Log", "Publish Debt Log"]
    assert _pushed(made.handle(Asked("top_up", {"utrn": token(8 << 32, 100)}), 10 * SECOND)) == []


def test_no_alert_of_the_billing_log_leaves_the_meter_unless_it_is_set_so() -> None:
    """facts/gbcs.md 10.6.1: the proxy sends it."""
    assert GsmeSettings().billing_alert is False
