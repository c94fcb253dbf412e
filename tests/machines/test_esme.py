"""The electricity meter in whole conversations: joining, the tunnel, the clock, its logs, and published commands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devices.machines.core import (
    Answer,
    Asked,
    ButtonPressed,
    Effect,
    JoinNetwork,
    NetworkDown,
    NetworkUp,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Refuse,
    Send,
    SendFailed,
    SetTimer,
    Started,
    TimerFired,
)
from devices.machines.esme import Esme, EsmeSettings
from devices.machines.han_device import CommissionedOn
from devices.machines.parts import time_cluster, tunnel
from devices.machines.parts.aux_switch import AuxiliarySettings
from devices.machines.parts.civil_clock import CivilTime, ClockSettings
from devices.machines.parts.commands import CommandSettings
from devices.machines.parts.event_log import LAYOUTS
from devices.machines.parts.prepayment import PrepaymentSettings
from devices.machines.parts.replay import ReplaySettings
from devices.machines.parts.tunnel import TunnelClient
from devices.machines.parts.user_interface import LocalActs
from devices.model import use_cases
from devices.model.alerts import Log
from devices.model.roles import Role
from devices.trust import protection
from devices.trust.keystore import MemoryKeyStore, agreement_key, signing_key
from devices.wire import axdr, cosem, gbcs
from devices.wire.axdr import Data
from tests.machines import published
from tests.machines.meter_bench import (
    BROKER,
    HUB,
    KEYS,
    METER,
    OPERATOR,
    SECOND,
    STRANGER,
    SUPPLIER,
    Bench,
    cells,
    command,
    notification_of,
    protected_well,
    read_log,
    response_of,
    script,
)

CODE = bytes(range(16))
EPID = bytes.fromhex("00db0000000000c0")
JOINING = EsmeSettings(install_code=CODE)


class HubEnd:
    """The hub's end of the tunnel, joined frame by frame to the meter of a bench."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.client = bench, TunnelClient("han")
        self.heard: list[gbcs.Message] = []
        self.deaf = False

    def open(self) -> None:
        self._carry(self.client.open(METER, self.bench.now))

    def send(self, octets: bytes) -> list[gbcs.Message]:
        before = len(self.heard)
        self._carry(self.client.send(METER, octets, self.bench.now))
        return self.heard[before:]

    def carry_back(self, effects: Any) -> None:
        """Take what the meter sent in ``effects`` over to the hub, and the other way, until all is quiet."""
        for effect in effects:
            if isinstance(effect, Send) and effect.port == "han":
                if self.deaf:
                    self.carry_back(self.bench.give(SendFailed("han", HUB, effect.token, "no acknowledgement")))
                    continue
                messages, answers = self.client.receive(
                    Received("han", METER, effect.octets, effect.cluster), self.bench.now
                )
                self.heard += [gbcs.decode(octets) for _, octets in messages]
                self._carry(answers)
            elif isinstance(effect, SetTimer) and effect.name.startswith("tunnel.han.block"):
                self.bench.timers.pop(effect.name, None)
                self.carry_back(self.bench.give(TimerFired(effect.name)))

    def _carry(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.carry_back(self.bench.give(Received("han", HUB, effect.octets, effect.cluster)))
            elif isinstance(effect, SetTimer) and ".block." in effect.name:
                self._carry(self.client.fired(effect.name, effect.at) or [])


def _joined(settings: EsmeSettings = JOINING) -> tuple[Bench, HubEnd]:
    bench = Bench(settings)
    bench.give(NetworkUp("han", EPID, 0x1234, 15))
    hub = HubEnd(bench)
    hub.open()
    return bench, hub


# ------------------------------------------------------------------------------------------------------ network, tunnel


def test_it_looks_for_a_network_until_there_is_one() -> None:
    bench = Bench(JOINING)
    assert JoinNetwork("han", CODE, None) in bench.effects
    tries = []
    for _ in range(3):
        bench.give(NetworkDown("han", "nobody let us in"))
        before = len(bench.effects)
        bench.advance(30 * SECOND)
        tries.append([e for e in bench.effects[before:] if isinstance(e, JoinNetwork)])
    assert tries == [[JoinNetwork("han", CODE, None)]] * 3
    bench.give(NetworkUp("han", EPID, 1, 11))
    assert "join" not in bench.timers


def test_without_an_install_code_it_joins_nothing() -> None:
    bench = Bench()
    bench.give(NetworkDown("han", "x"))
    bench.advance(100 * SECOND)
    assert not any(isinstance(effect, JoinNetwork) for effect in bench.effects)


def test_after_an_outage_it_rejoins_the_same_network_and_the_hub_tunnels_anew() -> None:
    bench, hub = _joined()
    before = len(bench.effects)
    bench.cut(60 * SECOND)
    assert JoinNetwork("han", CODE, EPID) in bench.effects[before:]
    assert [message.message_code for message in hub.heard] == [0x1001, 0x1000]  # joined, commissioned
    bench.give(NetworkUp("han", EPID, 1, 11))
    again = HubEnd(bench)
    again.open()
    assert [notification_of(message)[0] for message in again.heard] == [0x8F35]


def test_a_command_through_the_tunnel_is_answered_through_it() -> None:
    bench, hub = _joined()
    (response,) = hub.send(script(52, 10))
    assert protected_well(response)
    assert bench.supply() == "disabled"


def test_a_long_response_goes_in_blocks() -> None:
    bench, hub = _joined()
    for counter in range(1, 31):
        hub.send(script(52 if counter % 2 else 51, counter))
    (response,) = hub.send(read_log("ECS35a"))
    rows = response_of(response).data[0].value.rows
    assert len(rows) == 32  # joined, commissioned, and thirty commands
    assert len(response.payload) > 250
    assert protected_well(response)
    assert bench.supply() == "enabled"


def test_alerts_wait_for_the_tunnel_and_are_sent_once() -> None:
    bench = Bench(JOINING)
    bench.line(script(52, 10, originator=STRANGER))
    bench.give(NetworkUp("han", EPID, 1, 11))
    assert len(bench.state()["queue"]) == 3
    hub = HubEnd(bench)
    hub.open()
    assert [notification_of(message)[0] for message in hub.heard] == [0x8F30, 0x8183, 0x8F69]
    assert all(protected_well(message) for message in hub.heard)
    assert bench.state()["queue"] == bench.saved["queue"] == []
    hub.open()
    assert len(hub.heard) == 3


def test_an_alert_that_did_not_get_through_waits_again() -> None:
    bench, hub = _joined()
    hub.deaf = True
    hub.carry_back(bench.give(Received("line", HUB, b"rubbish")))
    assert len(bench.state()["queue"]) == 1
    hub.deaf = False
    again = HubEnd(bench)
    again.open()
    assert [notification_of(message)[0] for message in again.heard] == [0x8F1E]


def test_the_queue_is_bounded_and_keeps_the_newest() -> None:
    bench = Bench(EsmeSettings(queue_limit=3))
    for _ in range(5):
        bench.line(b"rubbish")
    counters = [gbcs.decode(bytes.fromhex(octets)).counter for octets in bench.state()["queue"]]
    assert counters == [3, 4, 5]


def test_frames_of_other_clusters_and_rubbish_in_the_tunnel_change_nothing() -> None:
    bench, _ = _joined()
    before = bench.state()
    for cluster, octets in ((0x0700, b"\x18\x01\x0a"), (tunnel.CLUSTER, b"\x01"), (0x000A, b"\x18")):
        bench.give(Received("han", HUB, octets, cluster))
    assert bench.state() == before


# ------------------------------------------------------------------------------------------------------------ the clock


def _clock_command(counter: int, start_ns: int, end_ns: int) -> bytes:
    any_time = bytes.fromhex("ffffffffffffffffff8000ff")
    window = [axdr.octets(octets) for octets in (any_time, CivilTime(start_ns).dlms(), CivilTime(end_ns).dlms())]
    return command("ECS70", counter, axdr.enum(5), axdr.structure(*window), axdr.i8(0))


NOON = 1_446_854_400 * SECOND
OFF = EsmeSettings(clock=ClockSettings(start_ns=NOON, drift_ppm=1000.0))


def test_the_clock_is_set_to_the_hubs_time_inside_the_window() -> None:
    bench = Bench(OFF)
    bench.advance(10_000 * SECOND)
    assert bench.state()["time"] == "2015-11-07T02:46:51Z"
    hub = (NOON // SECOND - 946_684_800) + 10_001
    bench.give(Received("han", HUB, time_cluster.report(hub, 1), time_cluster.CLUSTER))
    (response,) = bench.line(_clock_command(10, NOON + 9_000 * SECOND, NOON + 11_000 * SECOND))
    results = [(result.op, result.code) for result in response_of(response).results]
    assert results == [(2, 0), (3, 0), (3, 0), (1, 0), (1, 0)]
    *_, time, status = response_of(response).data
    assert time.value.hex() == "07df0b07ff022e290080" + "0000"
    assert status == axdr.u8(0)
    assert bench.kinds("clock.set")[0].fields["error_ms"] == 10_001


def test_outside_the_window_the_clock_stays() -> None:
    bench = Bench(OFF)
    (response,) = bench.line(_clock_command(10, NOON + 100 * SECOND, NOON + 200 * SECOND))
    assert [result.code for result in response_of(response).results] == [0, 0, 250, 250, 250]
    assert bench.kinds("clock.set") == []
    assert bench.state()["once"] == []


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    bench = Bench(OFF)
    (response,) = bench.line(_clock_command(10, NOON + 100 * SECOND, NOON))
    assert [result.code for result in response_of(response).results][1:3] == [250, 250]


def test_a_window_without_times_is_refused() -> None:
    bench = Bench(OFF)
    nothing = axdr.structure(axdr.null(), axdr.null(), axdr.null())
    (response,) = bench.line(command("ECS70", 10, axdr.enum(5), nothing, axdr.i8(0)))
    assert [result.code for result in response_of(response).results][1:3] == [250, 250]


def test_a_window_is_good_for_one_adjustment() -> None:
    bench = Bench(OFF)
    bench.line(_clock_command(10, NOON, NOON + 100 * SECOND))
    rows = use_cases.by_name("ECS70").dlms[2:3]
    spec = cosem.Spec(cosem.Op.ACTION, rows[0].class_id or 0, rows[0].obis or b"", 4)
    again = cosem.encode(cosem.AccessRequest(0x2000000B, b"", (spec,), (axdr.i8(0),)))
    (response,) = bench.line(command("ECS70", 11, payload=again))
    assert [result.code for result in response_of(response).results] == [250]


@pytest.mark.parametrize(
    ("on", "at_joining", "at_the_clock"),
    [(CommissionedOn.JOIN, [0x8183, 0x8F69], []), (CommissionedOn.FIRST_SET_CLOCK, [0x8183], [0x8F69])],
)
def test_a_meter_is_commissioned_once_on_joining_or_with_the_first_clock_command(
    on: CommissionedOn, at_joining: list[int], at_the_clock: list[int]
) -> None:
    """facts/gbcs.md 9.6: two readings of when 0x8F69 is sent, on joining by default."""
    bench, hub = _joined(replace(JOINING, commissioned_on=on))
    assert [notification_of(m)[0] for m in hub.heard if m.cra == 3] == at_joining
    hub.heard.clear()
    for counter in (10, 11):
        hub.send(_clock_command(counter, NOON, NOON + 100 * SECOND))
    codes = [m.message_code for m in hub.heard]
    assert codes.count(0x0062) == 2
    assert [notification_of(m)[0] for m in hub.heard if m.cra == 3] == at_the_clock
    assert bench.saved["once"] == ["commissioned", "joined"]
    bench.give(NetworkUp("han", EPID, 1, 11))
    assert bench.saved["once"] == ["commissioned", "joined"]
    assert [row[1] for row in bench.state()["logs"]["event"]].count(0x8F69) == 1


def test_a_clock_that_was_lost_is_reliable_again_when_set() -> None:
    bench = Bench(OFF)
    bench.cut(600 * SECOND, clock=False)
    assert bench.state()["clock_status"] == "invalid"
    bench.line(_clock_command(10, NOON, NOON + 10_000 * SECOND))
    assert bench.state()["clock_status"] == "reliable"


# ---------------------------------------------------------------------------------------------------------- other reads


def test_the_event_log_is_read_by_range() -> None:
    bench = Bench()
    for counter in range(1, 4):
        bench.line(script(52, counter))
        bench.advance(100 * SECOND)
    first = CivilTime(NOON).zcl
    for span, expected in (((first, first + 150), 2), ((first + 150, first + 500), 1), ((first + 900, first + 999), 0)):
        (response,) = bench.line(read_log("ECS35a", *span))
        assert len(response_of(response).data[0].value.rows) == expected


def test_a_log_read_with_a_wrong_selection_is_answered_with_the_reason() -> None:
    bench = Bench()
    (response,) = bench.line(command("ECS35b", 1))
    assert [(result.op, result.code) for result in response_of(response).results] == [(1, 12)]


def test_clearing_the_event_log_is_itself_logged() -> None:
    bench = Bench()
    bench.line(script(52, 1))
    (response,) = bench.line(command("ECS15a", 2, axdr.i8(0)))
    assert [result.code for result in response_of(response).results] == [0]
    logs = bench.state()["logs"]
    assert [entry[1:] for entry in logs["event"]] == [[0x8154, "0024"]]
    assert [entry[1] for entry in logs["security"]] == [0x8F52]


def test_logs_are_rings() -> None:
    bench = Bench()
    for _ in range(105):
        bench.line(b"rubbish")
    assert len(bench.state()["logs"]["security"]) == 100


def test_firmware_and_settings_that_make_no_sense() -> None:
    bench = Bench(EsmeSettings(firmware=b"\x01\x23\xab\xcd"))
    (response,) = bench.line(command("ECS52", 1))
    assert response_of(response).data == (axdr.octets(b"\x01\x23\xab\xcd"),)
    with pytest.raises(ValueError, match="16 octets"):
        EsmeSettings(install_code=b"short")
    with pytest.raises(ValueError, match="4 octets"):
        EsmeSettings(firmware=b"")


def test_what_a_supplier_writes_is_read_back_after_an_outage() -> None:
    bench = Bench()
    (response,) = bench.line(command("ECS81", 5, axdr.boolean(True)))
    assert [result.code for result in response_of(response).results] == [0]
    bench.cut(10 * SECOND)
    assert bench.meter.objects.value(1, bytes.fromhex("00005e2c0004"), 2) == axdr.boolean(True)
    (wrong,) = bench.line(command("ECS81", 6, axdr.u8(1)))
    assert [result.code for result in response_of(wrong).results] == [12]


def test_balances_follow_the_commands_that_change_them() -> None:
    bench = Bench()
    for name, counter, amount in (("ECS04a", 1, 2300), ("ECS04a", 2, -300)):
        (response,) = bench.line(command(name, counter, axdr.i32(amount)))
        assert [result.code for result in response_of(response).results] == [0]
    assert bench.meter.objects.value(112, bytes.fromhex("0000130a00ff"), 2) == axdr.i32(2000)
    octets = _protected(9, "00005e2c221e", name="ECS19")
    (response,) = bench.line(octets)
    plain = _opened(response, 9)
    assert plain.value[0].value[0] == axdr.i32(2000)
    assert [part.value for part in plain.value[0].value[1:]] == [0] * 5
    (full,) = bench.line(command("ECS04a", 10, axdr.i32(0x7FFFFFFF)))
    assert [result.code for result in response_of(full).results] == [250]
    assert bench.meter.objects.value(112, bytes.fromhex("0000130a00ff"), 2) == axdr.i32(2000)


def test_profiles_in_which_nothing_is_recorded_are_empty_and_well_formed() -> None:
    bench = Bench()
    for name, obis in (("ECS21a", "0000620109ff"), ("ECS66", "0000630103ff")):
        (response,) = bench.line(_protected(9, obis, name=name, class_id=7))
        profile = _opened(response, 9).value[0]
        assert profile.value.rows == ()
        assert profile.value.description.elements


def test_texts_and_numbers_are_shown() -> None:
    bench = Bench()
    bench.line(command("ECS10", 1, axdr.octets(b"HELLO")))
    assert bench.display == "HELLO"
    bench.line(command("ECS50", 2, axdr.octets(b"0917"), originator=BROKER))
    assert bench.display == "CIN 0917"


def _opened(response: gbcs.Message, counter: int) -> Data:
    z = KEYS.agree(agreement_key(SUPPLIER), KEYS.public(agreement_key(METER)))
    blob = response_of(response).data[0].value[1].value
    return axdr.decode(protection.open_sealed(blob, z, METER, SUPPLIER, counter))[0]


def _protected(counter: int, obis: str, *, name: str = "ECS17b", class_id: int = 1) -> bytes:
    wanted = axdr.structure(
        axdr.u16(class_id),
        axdr.octets(bytes.fromhex(obis)),
        axdr.i8(2),
        axdr.u16(0),
        axdr.structure(axdr.enum(0), axdr.null()),
    )
    sealing = axdr.structure(
        axdr.octets(b"\x04" + counter.to_bytes(8, "big")),
        axdr.octets(SUPPLIER),
        axdr.octets(METER),
        axdr.octets(b""),
        axdr.structure(axdr.enum(2), axdr.structure(axdr.octets(b"\x02"), axdr.octets(b""))),
    )
    argument = axdr.structure(axdr.array(wanted), axdr.array(axdr.structure(axdr.enum(2), sealing)))
    return command(name, counter, argument)


def test_import_registers_are_read_encrypted() -> None:
    bench = Bench()
    octets = _protected(77, "00005e2c220a")
    (response,) = bench.line(octets)
    assert len(response.date_time) == 12
    parameters, blob = response_of(response).data[0].value
    titles = [part.value for part in parameters.value[0].value[1].value[1:3]]
    assert titles == [METER, SUPPLIER]
    assert blob.value.startswith(bytes.fromhex("3100000000"))
    assert (
        axdr.encode(_opened(response, 77)).hex()
        == "02010204" + "0600000000" + "02020f00161e" + "0600000000" + "02020f001620"
    )


def test_an_attribute_that_the_use_case_does_not_protect_is_not_given() -> None:
    bench = Bench()
    octets = _protected(77, "00005e2c0301")
    (response,) = bench.line(octets)
    assert [result.code for result in response_of(response).results] == [13]


# ------------------------------------------------------------------------------------------------------ asked by people


def test_verbs() -> None:
    bench = Bench(JOINING)
    (answer,) = bench.give(Asked("state", {}))
    assert isinstance(answer, Answer)
    json.dumps(dict(answer.value))
    assert answer.value["supply"] == "enabled"
    assert JoinNetwork("han", CODE, None) in bench.give(Asked("join", {}))
    assert isinstance(bench.give(Asked("fly", {}))[0], Refuse)
    bench.give(Asked("leave", {}))
    assert bench.state()["network"] is False
    bench.give(PowerLost())
    assert isinstance(bench.give(Asked("state", {}))[0], Refuse)


# --------------------------------------------------------------------------------------------------- published messages

PUBLISHED = published.METER


@pytest.fixture(scope="module")
def messages(corpus_dir: Path) -> dict[str, dict[str, Any]]:
    return published.messages(corpus_dir)


@pytest.fixture(scope="module")
def published_keys(corpus_dir: Path) -> MemoryKeyStore:
    return published.keys(corpus_dir)


def _published_meter(keys: MemoryKeyStore, floor: int = 0, firmware: bytes = bytes.fromhex("0123abcd")) -> Bench:
    rule = CommandSettings(replay=ReplaySettings(initial=dict.fromkeys(Role, floor)))
    settings = EsmeSettings(commands=rule, firmware=firmware)
    return Bench(meter=Esme(PUBLISHED, keys, published.cells(keys), settings))


SWITCH = [("ECS42_7.1", "enabled", "enabled"), ("ECS43_7.2", "enabled", "disabled"), ("ECS44_7.3", "disabled", "armed")]


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "before", "expected"), SWITCH)
def test_published_switch_commands(
    name: str, before: str, expected: str, messages: dict[str, Any], published_keys: MemoryKeyStore
) -> None:
    """Executed once, answered as the published meter answers (payload and header; the signature is our own key's)."""
    bench = _published_meter(published_keys, floor=999)
    if before == "disabled":
        bench.saved["supply"] = "DISABLED"
        bench.give(Started(dict(bench.saved)))
    octets = bytes.fromhex(messages[f"{name}_SUCCESS_COMMAND"]["hex"])
    (response,) = bench.line(octets)
    reference = gbcs.decode(bytes.fromhex(messages[f"{name}_SUCCESS_RESPONSE"]["hex"]))
    assert gbcs.to_be_signed(response) == gbcs.to_be_signed(reference)
    assert protection.signature_valid(response, published_keys.public(signing_key(PUBLISHED)))
    assert bench.supply() == expected
    assert bench.line(octets) == []
    assert bench.kinds("refused")[-1].fields["check"] == "replay"


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["ECS45_7.4", "ECS52_11.2", "ECS26j_6.2.9", "ECS17c_4.16", "ECS34_6.12", "ECS81_6.25"])
def test_published_reads_and_writes(name: str, messages: dict[str, Any], published_keys: MemoryKeyStore) -> None:
    bench = _published_meter(published_keys)
    reference = gbcs.decode(bytes.fromhex(messages[f"{name}_SUCCESS_RESPONSE"]["hex"]))
    if name == "ECS26j_6.2.9":
        paying = axdr.structure(axdr.enum(2), axdr.enum(1))
        bench.meter.objects.put(111, bytes.fromhex("0000130000ff"), 2, paying)
    (response,) = bench.line(bytes.fromhex(messages[f"{name}_SUCCESS_COMMAND"]["hex"]))[-1:]
    ours, theirs = cosem.decode(response.payload), cosem.decode(reference.payload)
    assert isinstance(ours, cosem.AccessResponse)
    assert isinstance(theirs, cosem.AccessResponse)
    assert ours.results == theirs.results
    assert ours.invoke == theirs.invoke
    assert (response.counter, response.originator, response.recipient) == (
        reference.counter,
        reference.originator,
        reference.recipient,
    )
    assert bool(response.date_time) == bool(reference.date_time)
    if name in ("ECS45_7.4", "ECS52_11.2", "ECS81_6.25", "ECS34_6.12"):
        assert response.payload == reference.payload
        if not response.signature:
            assert gbcs.encode(response) == gbcs.encode(reference), "a MAC is deterministic"


@pytest.mark.corpus
def test_every_published_dlms_command_to_the_meter_passes_the_checks_and_is_answered(
    messages: dict[str, Any], published_keys: MemoryKeyStore
) -> None:
    bench = _published_meter(published_keys)
    seen = 0
    for name, entry in messages.items():
        if entry["recipient"] != PUBLISHED.hex() or entry["kind"] != "command" or entry["payload_format"] != "dlms":
            continue
        bench.saved.pop("floors", None)
        bench.give(Started(dict(bench.saved)))
        back = bench.line(bytes.fromhex(entry["hex"]))
        assert back, (name, bench.kinds("refused")[-1:])
        pdu = response_of(back[0])
        request = cosem.decode(gbcs.decode(bytes.fromhex(entry["hex"])).payload)
        assert isinstance(request, cosem.AccessRequest)
        assert len(pdu.results) == len(request.specs), name
        seen += 1
    assert seen > 100


@pytest.mark.corpus
def test_published_log_layouts(messages: dict[str, Any]) -> None:
    """The rows of our logs have the types of the published ones."""
    for name, log in (("ECS35a_6.13", Log.EVENT), ("ECS35b_6.13", Log.SECURITY), ("ECS35e_6.13", Log.POWER)):
        reference = response_of(gbcs.decode(bytes.fromhex(messages[f"{name}_SUCCESS_RESPONSE"]["hex"])))
        assert reference.data[0].value.description == LAYOUTS[log]


@pytest.mark.corpus
def test_the_alert_of_an_outage_has_the_published_shape(messages: dict[str, Any]) -> None:
    bench = Bench()
    bench.cut(200 * SECOND)
    ours = gbcs.decode(bytes.fromhex(bench.state()["queue"][-1]))
    theirs = gbcs.decode(bytes.fromhex(messages["ECS80_NA_8F36_ALERT"]["hex"]))
    assert notification_of(ours)[0] == notification_of(theirs)[0] == 0x8F36
    assert [data.tag for data in notification_of(ours)[1]] == [data.tag for data in notification_of(theirs)[1]]
    assert (ours.message_code, len(ours.payload)) == (theirs.message_code, len(theirs.payload))


def test_the_use_case_table_knows_every_code_that_the_meter_sends() -> None:
    for code in (0x0067, 0x0120, 0x1000, 0x1001):
        use_case = use_cases.by_code(code)
        assert use_case is not None
        assert use_case.is_alert
    assert cells().party_of(Role.SUPPLIER) == SUPPLIER


WRONG_VALUES = {
    "the first": (axdr.u8(1), axdr.u32(1), [12, 250]),
    "a later one": (axdr.u32(1), axdr.u16(1), [250, 12]),
}


@pytest.mark.parametrize("case", WRONG_VALUES)
def test_a_value_of_a_wrong_type_keeps_the_whole_command_from_being_carried_out(case: str) -> None:
    first, second, codes = WRONG_VALUES[case]
    bench = Bench()
    row, other = use_cases.by_name("ECS29c").dlms[:2]
    specs = tuple(cosem.Spec(cosem.Op.SET, r.class_id or 0, r.obis or b"", r.index or 0) for r in (row, other))
    request = cosem.AccessRequest(0x20000001, b"", specs, (first, second))
    before = bench.state()["objects"]
    (response,) = bench.line(command("ECS29c", 1, payload=cosem.encode(request), originator=OPERATOR))
    assert [result.code for result in response_of(response).results] == codes
    assert bench.state()["objects"] == before
    assert bench.state()["logs"]["event"][-1][1] == 0x8155


def test_a_payment_mode_that_there_is_not() -> None:
    bench = Bench()
    now = axdr.octets(bytes.fromhex("0000000000000000008000ff"))
    mode = axdr.structure(axdr.enum(7), axdr.enum(2))
    (response,) = bench.line(command("ECS02", 1, mode, axdr.array(), now))
    assert [result.code for result in response_of(response).results] == [250, 250, 250]
    assert bench.state()["objects"] == {}


# --------------------------------------------------------------------------------- what the bench may have happen to it


@pytest.mark.parametrize(
    ("verb", "args", "reason"),
    [
        (
            "fly",
            {},
            "a meter has no verb 'fly' (or no install code to join with); try 'state', 'load', 'consume', 'top_up', "
            "'emergency_credit', 'tamper' or 'appliance'",
        ),
        ("load", {}, "load takes watts, a whole number from 0 on; got None"),
        ("load", {"watts": -1}, "load takes watts, a whole number from 0 on; got -1"),
        ("load", {"watts": True}, "load takes watts, a whole number from 0 on; got True"),
        ("load", {"watts": 1.5}, "load takes watts, a whole number from 0 on; got 1.5"),
        ("consume", {"watts": 1}, "consume takes amount, a whole number from 0 on; got None"),
        ("consume", {"amount": -1}, "consume takes amount, a whole number from 0 on; got -1"),
        *(
            (
                "appliance",
                wrong,
                "appliance takes controller, output and input (percent, 0 to 100), and where wanted other; "
                f"got {wrong}",
            )
            for wrong in (
                {},
                {"controller": 1, "output": 0},
                {"controller": 1, "output": 101, "input": 0},
                {"controller": 1, "output": 0, "input": 101},
                {"controller": 1, "output": -1, "input": 0},
                {"controller": 1, "output": 0, "input": -1},
                {"controller": True, "output": 0, "input": 0},
                {"controller": 1, "output": 0, "input": 0, "colour": "red"},
            )
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_would(verb: str, args: dict[str, Any], reason: str) -> None:
    assert Bench().give(Asked(verb, args)) == [Refuse(reason)]


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("load", {"watts": 0}),
        ("load", {"watts": 4000}),
        ("consume", {"amount": 0}),
        ("consume", {"amount": 9}),
        ("tamper", {}),
        ("emergency_credit", {}),
    ],
)
def test_what_may_happen_to_it_is_answered_once(verb: str, args: dict[str, Any]) -> None:
    effects = Bench().give(Asked(verb, args))
    assert [effect for effect in effects if isinstance(effect, Answer | Refuse)] in ([Answer()], [Answer({})])


@pytest.mark.parametrize(("verb", "code"), [("top_up", 0x00A7), ("emergency_credit", 0x00A8)])
def test_what_is_done_at_the_keys_is_logged_with_its_code_as_set(verb: str, code: int) -> None:
    """0x8161 for an act that was done, 0x8162 for one that was refused."""
    acts = LocalActs(top_up=0x00A7, emergency_credit=0x00A8)
    bench = Bench(EsmeSettings(local_acts=acts))
    effects = bench.give(Asked(verb, {"utrn": "1"}))
    answer = effects[-1]
    refused = isinstance(answer, Refuse)
    assert (answer.reason.startswith(f"{verb}: ") if isinstance(answer, Refuse) else answer) in (True, Answer({}))
    rows = [row[1:] for row in bench.state()["logs"]["event"] if row[2] == f"{code:04x}"]
    assert rows == [[0x8162 if refused else 0x8161, f"{code:04x}"]]
    assert refused is (verb == "top_up")
    assert bench.saved["objects"] == bench.state()["objects"]


def test_its_settings_reach_its_functions() -> None:
    prepayment, auxiliary = PrepaymentSettings(), AuxiliarySettings()
    functions = Bench(EsmeSettings(prepayment=prepayment, auxiliary=auxiliary)).meter.functions
    assert functions.prepayment.settings is prepayment
    assert functions.auxiliary.settings is auxiliary
    assert [Bench(EsmeSettings(records_profiles=on)).meter.functions._records for on in (True, False)] == [True, False]
    twin = Bench(EsmeSettings(elements=2)).meter.objects
    assert len(twin.as_json()) >= len(Bench().meter.objects.as_json())


def test_what_a_meter_is() -> None:
    bench = Bench()
    state, functions = bench.state(), bench.meter.functions
    assert {name: state[name] for name in ("supply", "planned", "prepayment", "auxiliary", "identity")} == {
        "supply": "enabled",
        "planned": functions.future.as_json(),
        "prepayment": functions.prepayment.as_json(),
        "auxiliary": functions.auxiliary.persist().value,
        "identity": METER.hex(),
    }


@pytest.mark.parametrize(
    ("settings", "button", "held", "acts"),
    [
        ({}, "A", 2 * SECOND, True),
        ({}, "A", 2 * SECOND - 1, False),
        ({"button": "B"}, "A", 2 * SECOND, False),
        ({"button": "B"}, "B", 2 * SECOND, True),
        ({"button_hold_ns": 5}, "A", 5, True),
        ({"button_hold_ns": 5}, "A", 4, False),
    ],
)
def test_the_button_switches_an_armed_supply_on_when_held_long_enough(
    settings: dict[str, Any], button: str, held: int, acts: bool
) -> None:
    """facts/gbcs.md 10.1: the local act; on a supply that is on, or off and not armed, it does nothing."""
    bench = Bench(EsmeSettings(**settings))
    assert bench.give(ButtonPressed(button, held)) == []
    bench.line(script(52, 10))
    bench.give(ButtonPressed(button, held))
    assert bench.supply() == "disabled"
    rows = [row[1] for row in bench.state()["logs"]["event"]]
    assert rows.count(0x8162) == acts
    bench.line(script(54, 11))
    bench.give(ButtonPressed(button, held))
    assert bench.supply() == ("enabled" if acts else "armed")


@pytest.mark.parametrize("told", [True, False])
def test_arming_is_logged_and_told_where_that_is_set(told: bool) -> None:
    bench = Bench(EsmeSettings(armed_alert=told))
    bench.line(script(52, 10))
    bench.line(script(54, 11))
    assert [row[1] for row in bench.state()["logs"]["event"]].count(0x8F32) == 1
    waiting = [notification_of(gbcs.decode(bytes.fromhex(octets)))[0] for octets in bench.state()["queue"]]
    assert waiting.count(0x8F32) == told
    bench.line(script(52, 12))
    assert [row[1] for row in bench.state()["logs"]["event"]].count(0x8F32) == 1, "only arming arms"


def test_an_outage_is_on_the_time_line_from_its_beginning_to_its_end() -> None:
    bench = Bench()
    bench.cut(90 * SECOND)
    began = CivilTime(bench.meter.settings.clock.start_ns + SECOND)
    assert bench.kinds("outage")[-1].fields == {
        "interruption": began.text,
        "restoration": CivilTime(began.ns + 90 * SECOND).text,
        "seconds": 90,
    }
    bench.saved.clear()
    bench.cut(SECOND)
    bench.saved.clear()
    bench.give(PowerLost())
    bench.give(PowerRestored({}, SECOND))
    assert bench.kinds("outage")[-1].fields == {"seconds": None, "reason": "nothing was saved about its beginning"}


def test_a_clock_that_was_put_right_is_kept() -> None:
    bench = Bench(OFF)
    bench.give(Received("han", HUB, time_cluster.report(NOON // SECOND - 946_684_800 + 50, 1), time_cluster.CLUSTER))
    effects = bench.give(Received("line", HUB, _clock_command(10, NOON, NOON + 100 * SECOND)))
    assert Persist("clock", bench.meter.clock.as_json(bench.now)) in effects
    assert bench.kinds("clock.set")[-1].fields["time"] == bench.state()["time"]
    assert 0x8145 in [row[1] for row in bench.state()["logs"]["event"]]
