"""The hub: window, flags, firewall, device log, queues, power; and what hostile octets do to it (nothing)."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.events.hub import (
    HubBad,
    HubFlags,
    HubFull,
    HubNetworkDown,
    HubNetworkUp,
    HubOutage,
    HubUnroutable,
)
from devices.events.tunnels import TunnelOpened
from devices.machines.comms_hub import FAULTS, CommsHub, HubSettings
from devices.machines.core import (
    AdmitDevice,
    Answer,
    Asked,
    ButtonPressed,
    CloseJoining,
    Effect,
    Event,
    ForgetDevice,
    FormNetwork,
    LastGasp,
    LinkChanged,
    NetworkDown,
    NetworkUp,
    OpenJoining,
    PeerJoined,
    PeerLeft,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Record,
    Refuse,
    Send,
    SetTimer,
    Started,
    StopTimer,
    TimerFired,
    Tune,
)
from devices.machines.parts import time_cluster
from devices.machines.parts.civil_clock import CivilTime, ClockSettings
from devices.machines.parts.commands import CommandSettings, Refusal
from devices.machines.parts.device_log import Entry
from devices.machines.parts.firewall import FirewallSettings
from devices.machines.parts.interpan_window import (
    DECIDED,
    InterPanWindow,
    OpenedBy,
    WindowSettings,
    close_frame,
    is_close,
)
from devices.machines.parts.sub_ghz import SubGhzSettings
from devices.machines.parts.tunnel import CLUSTER, INTERPAN, TunnelSettings
from devices.model.alerts import Log
from devices.wire import cosem, gbcs, outage_notice, tunnelling
from devices.wire.gbcs import CRA, Message
from devices.wire.outage_notice import OutageNotice
from tests.examples import examples
from tests.machines.lab import (
    ACB,
    HUB,
    METER,
    MINUTE,
    NETWORK_OPERATOR,
    NEXT_HUB,
    SECOND,
    SUPPLIER,
    TERMINAL,
    House,
    RefusedError,
)
from tests.machines.told import of_kind

HOUR = 60 * MINUTE


def flags(house: House) -> tuple[bool, bool]:
    status = house.lab.ask("hub", "status")
    return status["interpan"], status["beaconing"]


def command(recipient: bytes, cra: int = CRA.COMMAND, originator: bytes = SUPPLIER) -> bytes:
    return gbcs.encode(Message(cra, 5, originator, recipient, 0x52, b"\xd9", mac=bytes(12)))


def carry(house: House, octets: bytes, terminal: bytes = TERMINAL) -> list[Effect]:
    """Give the hub a message through a tunnel of a terminal."""
    ask = tunnelling.encode(tunnelling.RequestTunnel(), 0)
    opened = house.lab.feed("hub", Received("interpan", terminal, ask, CLUSTER))
    answers = [e for e in opened if isinstance(e, Send) and e.port == "interpan"]
    tunnel = answers[0].octets[3] if answers else 0
    frame = tunnelling.encode(tunnelling.TransferData(tunnel, octets, to_server=True), 1)
    return opened + house.lab.feed("hub", Received("interpan", terminal, frame, CLUSTER))


def dropped(effects: list[Effect]) -> list[str]:
    return [str(fields["reason"]) for fields in of_kind(effects, "firewall.dropped")]


# --------------------------------------------------------------------------------------------------------- the window


def test_window_opens_with_the_power_and_closes_after_sixty_minutes() -> None:
    house = House()
    assert flags(house) == (True, True)
    house.lab.run(HOUR - 1)
    assert flags(house) == (True, True)
    house.lab.run(1)
    assert flags(house) == (False, False)
    told = house.lab.stations["hub"].kinds("hub.flags")
    assert [(fields["interpan"], fields["cause"]) for fields in told] == [(True, "power-up"), (False, "time-out")]


def test_nothing_extends_the_window_that_was_decided() -> None:
    """facts/gbcs.md 8.1 and decided.md 2.1: 60 minutes from power-on, no keep-alive, no closing command, joining
    apart."""
    house = House(window=DECIDED)
    house.commission()
    assert house.lab.ask("hub", "status")["profile"] == "decided"
    assert flags(house) == (True, False)
    house.lab.run(50 * MINUTE)
    house.lab.ask("terminal", "load", work_order=house.work_order("ECS45"))
    house.connect()
    house.lab.ask("terminal", "apply", which="all")
    house.lab.run(HOUR - house.lab.now)
    assert flags(house) == (False, False)


@pytest.mark.parametrize(
    ("settings_", "profile"),
    [
        (WindowSettings(), "slides-1"),
        (WindowSettings(opened_by=OpenedBy.WAN_ABSENT), "slides-3"),
        (WindowSettings(keep_alive_s=0, close_by_command=False, beaconing=False), "decided"),
        (WindowSettings(keep_alive_s=60), "other"),
    ],
)
def test_a_window_says_by_whose_text_it_behaves(settings_: WindowSettings, profile: str) -> None:
    """facts/decided.md: a rig that can show both must say which profile a result was made with."""
    assert settings_.profile == profile


def test_window_opens_again_when_the_hub_is_power_cycled() -> None:
    house = House()
    house.lab.run(2 * HOUR)
    house.lab.power_off("hub")
    house.lab.power_on("hub")
    assert flags(house) == (True, True)
    house.lab.run(HOUR)
    assert flags(house) == (False, False)


def test_old_timer_does_not_close_a_new_window() -> None:
    house = House()
    house.lab.run(50 * MINUTE)
    house.lab.power_off("hub")
    house.lab.power_on("hub")
    house.lab.run(20 * MINUTE)
    assert flags(house)[0] is True


def test_use_keeps_the_window_alive() -> None:
    house = House()
    house.commission()
    house.lab.run(50 * MINUTE)
    house.lab.ask("terminal", "load", work_order=house.work_order("ECS45"))
    house.connect()
    house.lab.ask("terminal", "apply", index=0)
    house.lab.run(59 * MINUTE)
    assert flags(house)[0] is True
    house.lab.run(2 * MINUTE)
    assert flags(house)[0] is False


@pytest.mark.parametrize("octets", [command(bytes(8)), command(METER, CRA.ALERT), b"\xdf\x09"])
def test_what_the_firewall_drops_keeps_nothing_alive(octets: bytes) -> None:
    """Else anybody in the street could keep the window open."""
    house = House()
    house.lab.run(50 * MINUTE)
    assert dropped(carry(house, octets))
    house.lab.run(10 * MINUTE)
    assert flags(house)[0] is False


def test_closed_window_drops_in_silence() -> None:
    house = House()
    house.lab.run(HOUR)
    effects = carry(house, command(HUB))
    assert dropped(effects) == ["the inter-PAN window is closed"] * 2
    assert {type(effect) for effect in effects} == {Record}


def test_installer_closes_the_window_by_command() -> None:
    house = House()
    house.lab.run(2 * SECOND)
    house.connect()
    house.lab.ask("terminal", "close_window")
    house.lab.run(SECOND)
    assert flags(house) == (False, False)
    assert house.lab.stations["hub"].kinds("hub.flags")[-1]["cause"] == "command"


@pytest.mark.parametrize("by_command", [True, False])
def test_closing_command_needs_a_tunnel_and_can_be_switched_off(by_command: bool) -> None:
    house = House(window=WindowSettings(close_by_command=by_command))
    effects = house.lab.feed("hub", Received("interpan", TERMINAL, close_frame(), CLUSTER))
    assert dropped(effects)
    house.lab.run(2 * SECOND)
    house.connect()
    house.lab.feed("hub", Received("interpan", TERMINAL, close_frame(), CLUSTER))
    assert flags(house)[0] is not by_command


def test_closing_ends_the_tunnels_of_terminals() -> None:
    house = House()
    house.lab.run(2 * SECOND)
    house.connect()
    assert house.lab.ask("hub", "status")["terminals"] == [TERMINAL.hex()]
    house.lab.ask("hub", "close_window")
    assert house.lab.ask("hub", "status")["terminals"] == []


def test_close_frame_is_told_from_others() -> None:
    assert is_close(close_frame(77))
    assert not is_close(tunnelling.encode(tunnelling.CloseTunnel(0), 0))
    assert not is_close(b"")


def test_option_two_is_refused_at_configuration() -> None:
    with pytest.raises(ValueError, match="set 'power-up' or 'wan-absent'"):
        WindowSettings(opened_by=OpenedBy.TRUSTED_DEVICE)


def test_option_three_opens_while_the_wan_is_away() -> None:
    """Without time-out, usable from outside the door; power has nothing to do with it."""
    house = House(window=WindowSettings(opened_by=OpenedBy.WAN_ABSENT))
    house.lab.run(MINUTE)
    assert flags(house) == (False, False)
    house.lab.cut_wan(True)
    house.lab.cut_wan(True)
    house.lab.run(24 * HOUR)
    assert flags(house) == (True, False)
    house.connect()
    assert house.lab.ask("terminal", "status")["connected"] is True
    house.lab.power_off("hub")
    house.lab.power_on("hub")
    assert flags(house) == (True, False)
    house.lab.cut_wan(False)
    assert flags(house) == (False, False)
    causes = [fields["cause"] for fields in house.lab.stations["hub"].kinds("hub.flags")]
    assert causes == ["wan", "wan", "wan"]
    assert house.lab.ask("hub", "status")["terminals"] == []


def test_installer_may_close_option_three_too_until_the_wan_goes_again() -> None:
    house = House(window=WindowSettings(opened_by=OpenedBy.WAN_ABSENT))
    house.lab.cut_wan(True)
    house.lab.ask("hub", "close_window")
    assert flags(house)[0] is False
    house.lab.cut_wan(False)
    house.lab.cut_wan(True)
    assert flags(house)[0] is True


def test_joining_that_a_command_opened_survives_the_closing_of_the_window() -> None:
    house = House()
    house.lab.run(HOUR - MINUTE)
    add(house, METER)  # 90 s, beyond the end of the window
    house.lab.run(MINUTE - SECOND)
    assert flags(house)[0] is False
    assert house.lab.stations["hub"].joining_until > house.lab.now
    house.lab.power_off("hub")
    house.lab.power_on("hub")
    house.lab.ask("hub", "close_window")
    assert house.lab.stations["hub"].joining_until == 0, "joining for the window's sake ends with it"


@settings(max_examples=examples(40), deadline=None)
@given(uses=st.lists(st.integers(0, 4 * 3600), max_size=8), keep=st.integers(0, 7200))
def test_window_closes_exactly_when_it_should(uses: list[int], keep: int) -> None:
    """The rule once more, in one line: 60 minutes from power-up, or keep_alive from the last use inside the window."""
    window = InterPanWindow(WindowSettings(keep_alive_s=keep))
    timers = [effect.at for effect in window.power_up(0, wan_up=True) if isinstance(effect, SetTimer)]
    due = 3600
    for use in sorted(uses):
        if use * SECOND >= timers[-1]:
            window.fired("interpan.window")
        if use < due:
            due = max(due, use + keep)
        timers += [effect.at for effect in window.used(use * SECOND) if isinstance(effect, SetTimer)]
    assert timers[-1] == due * SECOND


# ------------------------------------------------------------------------------------------------------- the firewall


@pytest.mark.parametrize("cluster", [0x0000, 0x0702, 0x0705, 0x0800, 0x0019])
def test_other_clusters_do_not_pass(cluster: int) -> None:
    house = House()
    effects = house.lab.feed("hub", Received("interpan", TERMINAL, b"\x01\x00\x00", cluster))
    assert dropped(effects) == [f"cluster 0x{cluster:04X} may not pass"]


def test_the_other_way_is_a_setting() -> None:
    house = House(firewall=FirewallSettings(clusters=frozenset({0x0800})))
    assert dropped(carry(house, command(HUB)))[0] == "cluster 0x0704 may not pass"


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (command(METER, CRA.RESPONSE), "a terminal may not send a message of kind 2"),
        (command(METER, CRA.ALERT), "a terminal may not send a message of kind 3"),
        (command(bytes(8)), "recipient 0000000000000000 is not in the device log"),
        (command(SUPPLIER), f"recipient {SUPPLIER.hex()} is not in the device log"),
        (b"\xdf\x09\x01", "no GBCS message"),
        (b"", "no GBCS message"),
    ],
)
def test_messages_that_do_not_pass(octets: bytes, reason: str) -> None:
    house = House()
    house.commission()
    before = len(house.lab.sent)
    effects = carry(house, octets)
    house.lab.run(SECOND)
    if octets:
        assert [text for text in dropped(effects) if text.startswith(reason)], effects
    assert [send for _, name, send in house.lab.sent[before:] if name == "hub" and send.port != "interpan"] == []


@pytest.mark.parametrize(
    ("fault", "octets"), [("firewall-open", command(bytes(8), 3)), ("forwards-for-unknown", command(bytes(8)))]
)
def test_faulty_hub_lets_it_pass(fault: str, octets: bytes) -> None:
    """The faults are what they are called: the test that finds them must have something to find."""
    house = House(faults=frozenset({fault}))
    house.commission()
    effects = carry(house, octets)
    assert dropped(effects) == []
    assert any(isinstance(effect, Send) and effect.port == "han" for effect in effects)


@pytest.mark.parametrize(
    ("fault", "used_at", "asked_at", "is_open"),
    [
        (None, 50 * MINUTE, 70 * MINUTE, True),
        ("window-not-kept-alive", 50 * MINUTE, 70 * MINUTE, False),
        (None, None, 70 * MINUTE, False),
        ("window-never-closes", None, 24 * HOUR, True),
    ],
)
def test_window_faults(fault: str | None, used_at: int | None, asked_at: int, is_open: bool) -> None:
    house = House(faults=frozenset({fault}) if fault else frozenset())
    house.commission()
    if used_at is not None:
        house.lab.run(used_at - house.lab.now)
        carry(house, command(METER))
    house.lab.run(asked_at - house.lab.now)
    assert flags(house)[0] is is_open


def test_unknown_faults_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="choose among"):
        HubSettings(HUB, faults=FAULTS | {"window-stuck"})


# ----------------------------------------------------------------------------------------------------- the device log


def ask_log(house: House, use_case: str, **args: Any) -> list[int]:
    """Have the broker command the hub's log; the result codes."""
    behalf = {"on_behalf": SUPPLIER.hex(), "counter": 3}
    house.lab.ask("broker", "command", use_case=use_case, device=HUB.hex(), args=args, **behalf)
    house.lab.run(SECOND)
    fields = [f for f in house.lab.stations["broker"].kinds("party.received") if f["cra"] == 2][-1]
    assert fields["verified"] is True
    return list(fields["results"])


def add(house: House, device: bytes) -> list[int]:
    return ask_log(house, "CCS01", device=device.hex(), install_code="00" * 16, device_type="PPMID")


def test_log_holds_sixteen() -> None:
    house = House()
    house.lab.run(2 * SECOND)
    devices = [bytes(7) + bytes((number,)) for number in range(17)]
    assert [add(house, device) for device in devices[:16]] == [[0, 0, 0]] * 16
    assert add(house, devices[16])[0] == 250
    assert len(house.lab.ask("hub", "status")["device_log"]) == 16
    assert ask_log(house, "CCS02", device=devices[0].hex()) == [0]
    assert ask_log(house, "CCS02", device=devices[0].hex()) == [250]
    assert add(house, devices[16]) == [0, 0, 0]


def test_every_change_and_nothing_else_is_told() -> None:
    house = House()
    house.lab.run(2 * SECOND)
    device = bytes(8)

    def told() -> int:
        return len([f for f in house.lab.stations["broker"].kinds("party.received") if f["alert"] == 0x8F12])

    add(house, device)
    assert told() == 1
    ask_log(house, "CCS07")
    ask_log(house, "CCS05")
    assert told() == 1
    ask_log(house, "CCS02", device=device.hex())
    assert told() == 2
    ask_log(house, "CCS02", device=device.hex())
    assert told() == 2


def test_removed_device_loses_its_tunnel() -> None:
    house = House()
    house.commission()
    assert house.lab.ask("hub", "status")["tunnels"] == [METER.hex()]
    ask_log(house, "CCS02", device=METER.hex())
    assert house.lab.ask("hub", "status")["tunnels"] == []


def test_history_holds_fifteen_the_oldest_goes() -> None:
    house = House()
    house.lab.run(2 * SECOND)
    numbers = [bytes((number,)) + b"\xab\xcd" * 3 + b"\xee" for number in range(1, 17)]
    devices = [{"device": device.hex(), "key_hash": device.hex() * 2} for device in numbers]
    ask_log(house, "CCS03", epid=HUB.hex(), devices=devices)
    for device in numbers:
        ask_log(house, "CCS02", device=device.hex())
    ask_log(house, "CCS07")
    current, historic = house.lab.stations["broker"].kinds("party.received")[-1]["data"]
    assert current.endswith("0100")
    assert historic.count("02020908") == 15
    assert numbers[0].hex() not in historic
    assert numbers[15].hex() in historic


def test_each_report_of_the_time_has_the_next_sequence_number() -> None:
    house = House(time_report_s=60)
    house.commission()
    house.lab.run(257 * MINUTE)
    numbers = [s.octets[1] for _, name, s in house.lab.sent if name == "hub" and s.cluster == 0x000A]
    assert len(numbers) > 256
    assert [(later - earlier) % 256 for earlier, later in pairwise(numbers)] == [1] * (len(numbers) - 1)


def test_meter_takes_the_hubs_time() -> None:
    """The hub tells the time to whoever joins; a clock command then puts the meter to it."""
    hub_time = ClockSettings(start_ns=ClockSettings().start_ns + 90 * SECOND)
    house = House(clock=hub_time)
    house.commission()
    told = [send.peer for _, name, send in house.lab.sent if name == "hub" and send.cluster == 0x000A]
    assert told == [METER]
    window = {"start": "2015-11-07T00:00:00Z", "end": "2015-11-08T00:00:00Z"}
    house.lab.ask("supplier", "command", use_case="ECS70", device=METER.hex(), args=window)
    house.lab.run()
    error = house.lab.stations["meter"].kinds("clock.set")[0]["error_ms"]
    assert -91_000 < error < -89_000, "the report has whole seconds"


def test_install_codes_are_never_shown() -> None:
    house = House()
    house.commission()
    assert "83fed3407a93" not in json.dumps(house.lab.ask("hub", "status"))


def test_joining_stays_open_for_the_longer_of_two_reasons() -> None:
    house = House()
    house.lab.run(2 * SECOND)
    add(house, METER)
    assert house.lab.stations["hub"].joining_until >= HOUR
    assert house.lab.stations["hub"].joining_until < HOUR + SECOND
    house.lab.run(2 * HOUR)
    add(house, bytes(8))
    left = house.lab.stations["hub"].joining_until - house.lab.now
    assert 85 * SECOND < left <= 90 * SECOND


def test_device_that_was_not_added_is_sent_away() -> None:
    house = House()
    house.lab.stations["hub"].members.add(METER)
    effects = house.lab.feed("hub", PeerJoined("han", METER))
    assert dropped(effects) == ["joined without being in the log"]
    assert house.lab.stations["hub"].members == set()


def test_frames_of_strangers_on_the_network_are_dropped() -> None:
    house = House()
    frame = tunnelling.encode(tunnelling.RequestTunnel(), 0)
    assert dropped(house.lab.feed("hub", Received("han", METER, frame, CLUSTER))) == ["not in the device log"]


def test_device_cannot_speak_for_another() -> None:
    house = House()
    house.commission()
    forged = command(SUPPLIER, CRA.ALERT, originator=HUB)
    frame = tunnelling.encode(tunnelling.TransferData(0, forged, to_server=False), 0)
    before = len(house.lab.sent)
    house.lab.feed("hub", Received("han", METER, frame, CLUSTER))
    assert house.lab.sent[before:] == []
    assert house.lab.stations["hub"].kinds("hub.bad")[-1]["reason"] == "another device's originator"


def test_device_log_outlives_a_power_cut() -> None:
    house = House()
    house.commission()
    before = house.lab.ask("hub", "status")["device_log"]
    house.lab.power_off("hub")
    house.lab.run(MINUTE)
    house.lab.power_on("hub")
    house.lab.run(2 * SECOND)
    assert house.lab.ask("hub", "status")["device_log"] == before
    assert house.lab.stations["hub"].kinds("tunnel.open")[-1]["peer"] == METER.hex()


def test_replayed_log_command_after_a_power_cut_is_refused() -> None:
    house = House()
    house.commission()
    sent = next(send.octets for _, name, send in house.lab.sent if name == "broker" and send.port == "wan")
    house.lab.power_off("hub")
    house.lab.power_on("hub")
    house.lab.feed("hub", Received("wan", ACB, sent))
    assert [fields["check"] for fields in house.lab.stations["hub"].kinds("refused")] == ["replay"]


# ------------------------------------------------------------------------------------------- the published messages


def published(corpus_dir: Path, name: str) -> bytes:
    with (corpus_dir / "gbcs-open.jsonl").open() as lines:
        return next(bytes.fromhex(row["hex"]) for row in map(json.loads, lines) if row["name"] == name)


@pytest.mark.parametrize(
    ("use_case", "args"),
    [
        ("CCS01", {"device": METER.hex(), "install_code": "30" * 16, "device_type": "ESME"}),
        ("CCS05", {}),
        ("CCS07", {}),
    ],
)
def test_answers_have_the_form_of_the_published_ones(corpus_dir: Path, use_case: str, args: dict[str, Any]) -> None:
    """Same tags in the same places as in the published response; values differ, since it is another hub."""
    name = {"CCS05": "CCS05CCS04"}.get(use_case, use_case)
    theirs = gbcs.decode(published(corpus_dir, f"{name}_8.{'11' if use_case == 'CCS01' else '9'}_SUCCESS_RESPONSE"))
    house = House()
    house.commission()
    if use_case == "CCS07":  # only a restored device has a key hash, and only such a one leaves a trace in the history
        devices = [{"device": device.hex(), "key_hash": "83" * 16} for device in (METER, ACB)]
        assert ask_log(house, "CCS03", epid=HUB.hex(), devices=devices) == [0]
        assert ask_log(house, "CCS02", device=ACB.hex()) == [0]
    ask_log(house, use_case, **args)
    sent = [gbcs.decode(send.octets) for _, name, send in house.lab.sent if name == "hub" and send.port == "wan"]
    ours = [message for message in sent if message.cra == CRA.RESPONSE][-1]
    assert (ours.date_time, ours.signature, ours.supplementary_party) == (b"", b"", SUPPLIER)
    assert shape(ours.payload) == shape(theirs.payload)


def test_restored_hub_takes_over_network_and_devices() -> None:
    house = House()
    house.lab.run(2 * SECOND)
    devices = [{"device": METER.hex(), "key_hash": "83" * 16}]
    ask_log(house, "CCS03", epid=bytes(range(8)).hex(), devices=devices)
    house.lab.run(2 * SECOND)
    assert house.lab.stations["hub"].kinds("hub.network")[-1]["epid"] == bytes(range(8)).hex()
    assert [entry["eui"] for entry in house.lab.ask("hub", "status")["device_log"]] == [METER.hex()]


def test_log_alert_has_the_form_of_the_published_one(corpus_dir: Path) -> None:
    theirs = gbcs.decode(published(corpus_dir, "CS14_NA_8F12_ALERT"))
    house = House()
    house.commission()
    sent = [gbcs.decode(send.octets) for _, name, send in house.lab.sent if name == "hub" and send.port == "wan"]
    ours = next(message for message in sent if message.message_code == 0x0018)
    assert (ours.signature, ours.recipient) == (theirs.signature, ACB)
    assert shape(ours.payload) == shape(theirs.payload)


def shape(payload: bytes) -> Any:
    """The tags of a payload's data, one row of each array, without values."""

    def of(datum: Any) -> Any:
        if not isinstance(datum.value, tuple):
            return datum.tag
        parts = [of(part) for part in datum.value]
        return (datum.tag, parts[:1] if datum.tag == 1 else parts)

    pdu = cosem.decode(payload)
    if isinstance(pdu, cosem.Notification):
        return of(pdu.body)
    assert isinstance(pdu, cosem.AccessResponse)
    return [of(datum) for datum in pdu.data], [(result.op, result.code) for result in pdu.results]


# -------------------------------------------------------------------------------------------------- queues and power


def test_queue_for_the_wan_is_bounded_and_flushed_in_order() -> None:
    house = House(wan_queue=3)
    house.commission()
    house.lab.cut_wan(True)
    for counter in range(5):
        alert = gbcs.encode(Message(CRA.ALERT, counter, METER, NETWORK_OPERATOR, 0x67, b"\x0f", mac=bytes(12)))
        frame = tunnelling.encode(tunnelling.TransferData(0, alert, to_server=False), 0)
        house.lab.feed("hub", Received("han", METER, frame, CLUSTER))
    assert house.lab.ask("hub", "status")["waiting_for_wan"] == 3
    assert len(house.lab.stations["hub"].kinds("hub.dropped")) == 2
    before = len(house.lab.sent)
    house.lab.cut_wan(False)
    sent = [gbcs.decode(send.octets).counter for _, _, send in house.lab.sent[before:]]
    assert sent == [2, 3, 4]


def test_response_that_its_terminal_did_not_get_goes_to_the_wan() -> None:
    house = House()
    house.commission()
    lab = house.lab
    lab.ask("terminal", "load", work_order=house.work_order("ECS45"))
    lab.cut_wan(True)
    house.connect()
    lab.passes = lambda station, send: not (station.name == "hub" and send.port == "interpan")
    lab.ask("terminal", "apply", index=0)
    lab.run()
    assert lab.ask("hub", "status")["waiting_for_wan"] == 1
    lab.cut_wan(False)
    lab.run(SECOND)
    assert lab.stations["supplier"].kinds("party.received")[-1]["message_code"] == 0x52


def test_awaited_responses_are_bounded() -> None:
    house = House(routes=2)
    house.commission()
    for counter in range(5):
        carry(house, gbcs.encode(Message(CRA.COMMAND, counter, SUPPLIER, METER, 0x52, b"\xd9", mac=bytes(12))))
    assert len(house.lab.stations["hub"].machine._routes) == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(("away", "told"), [(179, False), (180, False), (181, True), (3600, True)])
def test_last_gasp_after_more_than_three_minutes(away: int, told: bool) -> None:
    """facts/gbcs.md 10.4: supply away for more than three minutes."""
    house = House()
    house.lab.run(MINUTE)
    house.lab.power_off("hub")
    house.lab.run(away * SECOND)
    house.lab.power_on("hub")
    assert house.lab.stations["hub"].kinds("hub.outage")[-1]["last_gasp"] is told


@pytest.mark.parametrize(("away", "told"), [(179, 0), (180, 0), (181, 1), (3600, 1)])
def test_the_network_operator_is_told_of_an_outage_while_it_lasts(away: int, told: int) -> None:
    """facts/gbcs.md 10.4, decided.md 2.5: AD1, strictly after three minutes, once, to the network operator."""
    house = House()
    house.lab.run(MINUTE)
    began = house.lab.now
    house.lab.power_off("hub")
    house.lab.run(away * SECOND)
    assert len(house.lab.stations["operator"].kinds("party.outage")) == told
    house.lab.power_on("hub")
    house.lab.run(HOUR)
    heard = house.lab.stations["operator"].kinds("party.outage")
    since = house.lab.stations["hub"].machine.settings.clock.start_ns + began  # type: ignore[attr-defined]
    expected = {"party": NETWORK_OPERATOR.hex(), "code": "AD1", "hub": HUB.hex(), "started": since // SECOND}
    assert heard == [expected] * told
    for party in ("supplier", "rival"):
        assert house.lab.stations[party].kinds("party.outage") == []


def test_two_outages_are_two_and_more_gasps_are_a_setting() -> None:
    house = House(last_gasps=2, last_gasp_spacing_s=30, last_gasp_s=10)
    for away in (15, 60):
        house.lab.run(MINUTE)
        house.lab.power_off("hub")
        house.lab.run(away * SECOND)
        house.lab.power_on("hub")
    assert len(house.lab.stations["operator"].kinds("party.outage")) == 3


def test_an_outage_is_not_told_over_a_wan_that_is_away_nor_believed_of_another_hub() -> None:
    house = House()
    house.lab.cut_wan(True)
    house.lab.power_off("hub")
    house.lab.run(HOUR)
    house.lab.cut_wan(False)
    house.lab.run(HOUR)
    assert house.lab.stations["operator"].kinds("party.outage") == []
    notice = outage_notice.write(OutageNotice(NEXT_HUB, 1))
    house.lab.feed("broker", Received("wan", HUB, notice))
    assert house.lab.stations["broker"].kinds("broker.refused")[-1]["octets"] == notice.hex()
    house.lab.run(MINUTE)
    assert house.lab.stations["operator"].kinds("party.outage") == []


def test_forms_its_network_under_its_own_number() -> None:
    house = House()
    house.lab.run(2 * SECOND)
    assert house.lab.stations["hub"].kinds("hub.network")[0]["epid"] == HUB.hex()


# ------------------------------------------------------------------------------------------------------------ hostile


@settings(max_examples=examples(40), deadline=None)
@given(octets=st.binary(max_size=200), port=st.sampled_from(["wan", "han", "interpan"]))
def test_any_octets_on_any_port_are_survived(octets: bytes, port: str) -> None:
    house = _RUNNING
    before = len(house.lab.sent)
    house.lab.feed("hub", Received(port, METER, octets, 0 if port == "wan" else CLUSTER))
    onward = [send for _, _, send in house.lab.sent[before:] if send.port == "wan"]
    assert onward == []
    assert house.lab.ask("hub", "status")["device_log"][0]["joined"] is True


@settings(max_examples=examples(30), deadline=None)
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_altered_commands_change_nothing(position: int, bit: int) -> None:
    """One bit of a good CCS02 flipped, anywhere: the log stays as it is."""
    house = _RUNNING
    flipped = bytearray(_REMOVAL)
    flipped[position % len(flipped)] ^= 1 << bit
    house.lab.feed("hub", Received("wan", ACB, bytes(flipped)))
    assert len(house.lab.ask("hub", "status")["device_log"]) == 1


def _running() -> tuple[House, bytes]:
    house = House()
    house.commission()
    house.lab.wan_cut = True  # the command is made, but does not arrive
    asked = {"use_case": "CCS02", "device": HUB.hex(), "args": {"device": METER.hex()}}
    return house, bytes.fromhex(house.lab.ask("broker", "command", **asked)["octets"])


_RUNNING, _REMOVAL = _running()


def test_the_unaltered_command_would_have_worked() -> None:
    house, removal = _running()
    house.lab.feed("hub", Received("wan", ACB, removal))
    assert house.lab.ask("hub", "status")["device_log"] == []


def test_refuses_verbs_it_has_not() -> None:
    with pytest.raises(RefusedError, match="expected the verb 'status'"):
        House().lab.ask("hub", "dance")


def test_starts_from_what_it_saved() -> None:
    house = House()
    house.commission()
    saved = house.lab.stations["hub"].saved
    again = CommsHub(HubSettings(HUB), house.keys(HUB), house.cells("CHF"))
    again.handle(Started(json.loads(json.dumps(saved))), 0)
    answer = again.handle(Asked("status", {}), 0)[0]
    assert isinstance(answer, Answer)
    assert [entry["eui"] for entry in answer.value["device_log"]] == [METER.hex()]


def test_without_power_it_does_nothing() -> None:
    house = House()
    house.commission()
    hub = house.lab.stations["hub"].machine
    hub.handle(PowerLost(), 0)
    assert hub.handle(Received("wan", ACB, _REMOVAL), 0) == []
    assert [type(effect) for effect in hub.handle(Asked("status", {}), 0)] == [Refuse]


def test_what_was_not_kept_is_gone() -> None:
    """A power cut that keeps nothing (worn memory): the hub begins as it left manufacture, whatever it knew before."""
    house = House()
    house.commission()
    house.lab.power_off("hub")
    house.lab.stations["hub"].saved.clear()
    house.lab.power_on("hub")
    assert house.lab.ask("hub", "status")["device_log"] == []


def test_credentials_that_were_replaced_stay_replaced() -> None:
    """A hub whose saved cells hold nobody takes no commands, whatever it left manufacture with."""
    house, removal = _running()
    hub = CommsHub(HubSettings(HUB), house.keys(HUB), house.cells("CHF"))
    hub.handle(Started({"cells": {}}), 0)
    refused = of_kind(hub.handle(Received("wan", ACB, removal), 0), "refused")
    assert refused != []


def _log_of(house: House) -> list[tuple[int, str]]:
    hub = house.lab.stations["hub"].machine
    assert isinstance(hub, CommsHub)
    rows = hub.functions.logs[Log.EVENT].as_json()
    return [(int(row[1] or 0), str(row[2] or "")) for row in rows]


def test_what_a_hub_drops_and_what_its_supply_did_is_in_its_event_log() -> None:
    """facts/gbcs.md 6: 0x8155 for a message to a device that is not in the log, 0x8F57 for the supply."""
    house = House()
    house.lab.run(MINUTE)
    house.lab.feed("hub", Received("wan", ACB, command(bytes(8))))
    house.lab.power_off("hub")
    house.lab.run(10 * SECOND)
    house.lab.power_on("hub")
    house.lab.run(SECOND)
    assert [row for row in _log_of(house) if row[0] in (0x8155, 0x8F57)] == [(0x8155, "0052"), (0x8F57, "")]


def test_what_a_gas_meter_does_not_fetch_is_dropped_and_logged() -> None:
    """facts/gbcs.md 6 and 8.3: 0x819D in the hub's event log, with target and message; 24 hours [our choice]."""
    house = House()
    house.lab.run(2 * SECOND)
    meter = bytes.fromhex("00db1234567890b1")
    ask_log(house, "CCS01", device=meter.hex(), install_code="00" * 16, device_type="GSME")
    house.lab.feed("hub", Received("wan", ACB, command(meter)))
    house.lab.run(23 * HOUR)
    assert 0x819D not in [code for code, _ in _log_of(house)]
    house.lab.run(2 * HOUR)
    assert [row for row in _log_of(house) if row[0] == 0x819D] == [(0x819D, meter.hex() + "0052")]


# ---------------------------------------------------------------------------------------- every step, effect by effect

ANOTHER, GAS_METER = bytes.fromhex("00db1234567890c0"), bytes.fromhex("00db1234567890b1")
PROXY_EUI = bytes.fromhex("00db1234567890b2")
CODE = bytes(range(16))


def row(eui: bytes, *, joined: bool = False, kind: int = 0, code: bytes = CODE) -> dict[str, Any]:
    """A row of the device log as it is saved."""
    entry = Entry(eui, code, kind, joined=joined)
    return entry.as_json()


def alone(*rows: dict[str, Any], now: int = 0, **settings_: Any) -> tuple[CommsHub, list[Effect]]:
    """A hub on no bench, with those rows in its log; and what its start led to."""
    house = _RUNNING
    hub = CommsHub(HubSettings(HUB, **settings_), house.keys(HUB), house.cells("CHF"))
    log = {**hub._log.persist().value, "entries": list(rows)}
    return hub, list(hub.handle(Started({hub._log.persist().key: log}), now))


UP = NetworkUp("han", HUB, 0x1A62, 15)


def test_a_start_forms_the_network_and_opens_the_window() -> None:
    hub, effects = alone(now=5)
    assert effects == [
        FormNetwork("han", HUB),
        SetTimer("interpan.window", HOUR + 5),
        Record(HubFlags(beaconing=True, interpan=True, cause="power-up", closes_at=HOUR + 5)),
        OpenJoining("han", 3600),
    ]
    assert hub.handle(Asked("status", {}), 5) == [
        Answer(
            {
                "interpan": True,
                "beaconing": True,
                "profile": "slides-1",
                "eui": "00-13-A2-00-41-AB-CD-EF",
                "wan_up": True,
                "waiting_for_wan": 0,
                "tunnels": [],
                "terminals": [],
                "closes_in_s": 3600,
                "network": False,
                "device_log": [],
            }
        )
    ]


@pytest.mark.parametrize(("after", "left"), [(0, 3600), (1, 3599), (SECOND, 3599), (HOUR - 1, 0), (HOUR, 0)])
def test_status_says_how_many_whole_seconds_the_window_has(after: int, left: int) -> None:
    hub, _ = alone()
    answer = hub.handle(Asked("status", {}), after)[0]
    assert isinstance(answer, Answer)
    assert answer.value["closes_in_s"] == left
    hub.handle(Asked("close_window", {}), after)
    answer = hub.handle(Asked("status", {}), after)[0]
    assert isinstance(answer, Answer)
    assert answer.value["closes_in_s"] is None


@pytest.mark.parametrize(("at", "still_open"), [(1, True), (HOUR - 1, True), (HOUR, False)])
def test_closing_the_window_by_hand(at: int, still_open: bool) -> None:
    """Joining that was open for the window alone ends with it, where it has not ended yet."""
    hub, _ = alone()
    closed = [
        Answer({"was_open": True}),
        StopTimer("interpan.window"),
        Record(HubFlags(beaconing=False, interpan=False, cause="command", closes_at=None)),
    ]
    assert hub.handle(Asked("close_window", {}), at) == closed + [CloseJoining("han")] * still_open
    assert hub.handle(Asked("close_window", {}), at) == [Answer({"was_open": False})]


def test_the_radio_up_and_down() -> None:
    """facts/gbcs.md 8.3: who has not joined is admitted, who has is asked for its tunnel and told the time."""
    hub, _ = alone(row(METER, joined=True), row(ANOTHER), row(NEXT_HUB, code=b""))
    effects = list(hub.handle(UP, 7))
    tunnel_ = next(effect for effect in effects if isinstance(effect, Send))
    clock = CivilTime(ClockSettings().start_ns + 7)
    assert effects == [
        Record(HubNetworkUp(epid=HUB, pan=0x1A62, channel=15)),
        Tune("interpan", 15, 0x1A62),
        tunnel_,
        SetTimer(f"tunnel.han.answer.{METER.hex()}", 7 + 5 * SECOND),
        AdmitDevice("han", ANOTHER, CODE),
        Send("han", METER, time_cluster.report(clock.zcl, 1), 0x000A),
        SetTimer("hub.time", 7 + HOUR),
    ]
    assert (tunnel_.port, tunnel_.peer, tunnel_.cluster, tunnel_.octets[2]) == ("han", METER, CLUSTER, 0)
    report = [Send("han", METER, time_cluster.report(CivilTime(clock.ns + HOUR).zcl, 2), 0x000A)]
    assert hub.handle(TimerFired("hub.time"), 7 + HOUR) == [*report, SetTimer("hub.time", 7 + 2 * HOUR)]

    def network() -> bool:
        answer = hub.handle(Asked("status", {}), 8)[0]
        assert isinstance(answer, Answer)
        return bool(answer.value["network"])

    assert network()
    assert hub.handle(NetworkDown("han", "jammed"), 8) == [Record(HubNetworkDown(reason="jammed"))]
    assert not network()


@pytest.mark.parametrize(
    "event",
    [
        NetworkUp("interpan", HUB, 1, 11),
        NetworkDown("interpan", "off"),
        PeerJoined("interpan", METER),
        PeerLeft("interpan", METER),
        LinkChanged("line", False),
        TimerFired("somebody else's"),
        TimerFired("hub.commands"),
        Received("han", METER, b"\x18\x00\x0a", 0x0702),
        Received("another", METER, b"", CLUSTER),
        Received("tap", METER, b"\x18\x00\x0a", 0x0702),
        ButtonPressed("A"),
    ],
    ids=str,
)
def test_what_is_no_business_of_a_hub_leads_to_nothing(event: Event) -> None:
    hub, _ = alone(row(METER, joined=True))
    assert hub.handle(event, 0) == []
    assert hub.handle(PowerLost(), 0) != []
    assert hub.handle(event, 0) == []


@pytest.mark.parametrize("event", [UP, TimerFired("hub.time"), PeerJoined("han", METER), PowerLost()], ids=str)
def test_without_power_nothing_leads_to_anything(event: Event) -> None:
    hub, _ = alone(row(METER, joined=True))
    hub.handle(PowerLost(), 0)
    assert hub.handle(event, 0) == []
    for verb in ("status", "close_window", "image_transfer", "dance"):
        told = [Refuse("the hub has no supply; switch it on first")]
        assert hub.handle(Asked(verb, {}), 0) == told


def test_the_wan_is_known_of_without_power_too() -> None:
    hub, _ = alone()
    hub.handle(PowerLost(), 0)
    assert hub.handle(LinkChanged("wan", False), 0) == []
    hub.handle(PowerRestored({}, 0), 0)
    answer = hub.handle(Asked("status", {}), 0)[0]
    assert isinstance(answer, Answer)
    assert answer.value["wan_up"] is False


def test_a_power_loss_keeps_log_and_clock_and_asks_for_the_last_gasp() -> None:
    """facts/gbcs.md 10.4: more than 180 s; the notice says since when, in whole seconds."""
    hub, _ = alone(row(METER, joined=True), last_gasps=2)
    since = ClockSettings().start_ns // SECOND + 9
    notice = Send("wan", ACB, outage_notice.write(OutageNotice(HUB, since)))
    log, clock, *gasps = hub.handle(PowerLost(), 9 * SECOND + 5)
    assert gasps == [LastGasp(notice, 189 * SECOND + 6), LastGasp(notice, 249 * SECOND + 6)]
    assert isinstance(log, Persist)
    assert isinstance(clock, Persist)
    assert [entry["joined"] for entry in log.value["entries"]] == [True]
    saved = {one.key: one.value for one in (log, clock)}
    back = list(hub.handle(PowerRestored(saved, 3 * SECOND), 12 * SECOND + 5))
    assert back[0] == Record(HubOutage(outage_ns=3 * SECOND, last_gasp=False))
    assert hub._clock.at(12 * SECOND + 5).ns == ClockSettings().start_ns + 12 * SECOND + 5
    event_log = back[1]
    assert isinstance(event_log, Persist)
    assert event_log.key == f"log.{Log.EVENT.value}"
    assert [line[1] for line in event_log.value] == [0x8F57]
    assert back[2:4] == [FormNetwork("han", HUB), SetTimer("interpan.window", HOUR + 12 * SECOND + 5)]


def test_a_hub_that_knows_no_broker_tells_nobody_of_an_outage() -> None:
    hub, _ = alone()
    hub.handle(Started({"cells": {}}), 0)
    assert not [one for one in hub.handle(PowerLost(), 0) if isinstance(one, LastGasp)]


@pytest.mark.parametrize(("outage", "told"), [(None, False), (180 * SECOND, False), (180 * SECOND + 1, True)])
def test_an_outage_is_long_after_three_minutes(outage: int | None, told: bool) -> None:
    hub, _ = alone()
    hub.handle(PowerLost(), 0)
    assert hub.handle(PowerRestored({}, outage), SECOND)[0] == Record(HubOutage(outage_ns=outage, last_gasp=told))


def test_a_device_that_leaves_is_kept_in_the_log() -> None:
    hub, _ = alone(row(METER, joined=True))
    hub.handle(UP, 0)
    effects = hub.handle(PeerLeft("han", METER), 1)
    (kept,) = [effect for effect in effects if isinstance(effect, Persist)]
    assert [entry["joined"] for entry in kept.value["entries"]] == [False]
    assert not [effect for effect in effects if isinstance(effect, Send)]
    assert not [effect for effect in hub.handle(PeerLeft("han", METER), 2) if isinstance(effect, Persist)]
    again = hub.handle(PeerJoined("han", METER), 3)
    assert [e.cluster for e in again if isinstance(e, Send) and e.port == "han"] == [0x000A, CLUSTER]


@pytest.mark.parametrize("alerts", [True, False])
def test_who_joins_is_told_to_the_broker_where_that_is_set(alerts: bool) -> None:
    hub, _ = alone(row(METER), alert_on_join=alerts)
    hub.handle(UP, 0)
    effects = hub.handle(PeerJoined("han", METER), 1)
    sent = [gbcs.decode(effect.octets) for effect in effects if isinstance(effect, Send) and effect.port == "wan"]
    assert [(m.message_code, m.recipient, m.cra) for m in sent] == [(0x0018, ACB, CRA.ALERT)] * alerts


def test_what_cannot_be_taken_from_the_wan_is_told() -> None:
    hub, _ = alone(row(METER, joined=True))
    (bad,) = of_kind(hub.handle(Received("wan", ACB, b"hello"), 0), "hub.bad")
    assert (bad["port"], bad["reason"].startswith("gbcs: at octet")) == ("wan", True)
    unknown, kept = hub.handle(Received("wan", ACB, command(ANOTHER)), 0)
    assert unknown == Record(HubUnroutable(recipient=ANOTHER, port="wan"))
    assert isinstance(kept, Persist)
    (bad,) = of_kind(hub._out_of(METER, b"hello", 0), "hub.bad")
    assert (bad["port"], bad["peer"], bad["reason"].startswith("gbcs: at octet")) == ("han", METER.hex(), True)
    other = hub._out_of(METER, command(SUPPLIER, CRA.ALERT, HUB), 0)
    assert other == [Record(HubBad(port="han", peer=METER, reason="another device's originator"))]


@pytest.mark.parametrize("recipient", [METER, HUB])
def test_a_hub_that_misdirects_keeps_its_own_messages(recipient: bytes) -> None:
    hub, _ = alone(row(METER, joined=True), row(ANOTHER, joined=True), misdirects_to=ANOTHER)
    hub.handle(UP, 0)
    for device in (METER, ANOTHER):
        grant = tunnelling.encode(tunnelling.RequestTunnelResponse(0, 0, 1500), 0)
        hub.handle(Received("han", device, grant, CLUSTER), 0)
    effects = hub.handle(Received("wan", ACB, command(recipient)), 0)
    assert [e.peer for e in effects if isinstance(e, Send) and e.port == "han"] == [ANOTHER] * (recipient == METER)


def test_a_hub_that_holds_the_proxy_hands_it_what_is_its_and_copies_of_the_meters() -> None:
    """facts/gbcs.md 8.3, 10.6: the proxy's messages over their own line, the gas meter's as copies."""
    hub, _ = alone(row(GAS_METER, kind=1, joined=True), row(METER, joined=True), proxy=PROXY_EUI)
    hub.handle(UP, 0)
    own, metered, plain = command(PROXY_EUI), command(GAS_METER), command(METER)
    assert hub.handle(Received("wan", ACB, own), 0) == [Send("proxy", PROXY_EUI, own)]
    copied = [e for e in hub.handle(Received("wan", ACB, metered), 0) if isinstance(e, Send) and e.port == "tap"]
    assert copied == [Send("tap", PROXY_EUI, metered)]
    assert not [e for e in hub.handle(Received("wan", ACB, plain), 0) if isinstance(e, Send) and e.port == "tap"]
    report = b"\x18\x00\x0a"
    assert hub.handle(Received("han", GAS_METER, report, 0x0702), 0) == [Send("tap", PROXY_EUI, report, 0x0702)]
    assert hub.handle(Received("tap", PROXY_EUI, report, 0x0702), 0) == [Send("han", GAS_METER, report, 0x0702)]
    response = command(SUPPLIER, CRA.RESPONSE, PROXY_EUI)
    assert hub.handle(Received("proxy", PROXY_EUI, response), 0) == [Send("wan", SUPPLIER, response)]
    answer = command(SUPPLIER, CRA.RESPONSE, GAS_METER)
    assert hub._out_of(GAS_METER, answer, 0) == [Send("tap", PROXY_EUI, answer), Send("wan", SUPPLIER, answer)]
    answer = command(SUPPLIER, CRA.RESPONSE, METER)
    assert hub._out_of(METER, answer, 0) == [Send("wan", SUPPLIER, answer)]


def test_sent_and_failed_are_counted_by_device() -> None:
    house = House()
    house.commission()
    hub = house.lab.stations["hub"].machine
    assert isinstance(hub, CommsHub)
    entry = hub._log.get(METER)
    assert entry is not None
    before = entry.sent, entry.failed
    house.lab.feed("hub", Received("wan", ACB, command(METER)))
    assert (entry.sent, entry.failed) == (before[0] + 1, before[1])
    house.lab.passes = lambda station, send: send.port != "han"
    house.lab.feed("hub", Received("wan", ACB, command(METER)))
    house.lab.run(MINUTE)
    assert (entry.sent - before[0], entry.failed - before[1]) == (2, 1)


@pytest.mark.parametrize("both", [True, False])
def test_a_terminals_response_goes_both_ways_where_that_is_set(both: bool) -> None:
    house = House(responses_both_ways=both)
    house.commission()
    house.lab.ask("terminal", "load", work_order=house.work_order("ECS45"))
    house.connect()
    house.lab.ask("terminal", "apply", which="all")
    house.lab.run()
    collected = house.lab.ask("terminal", "unload")["messages"]
    assert [entry["cra"] for entry in collected] == [2]
    received = house.lab.stations["supplier"].kinds("party.received")
    assert [one["message_code"] for one in received if one["message_code"] == 0x52] == [0x52] * both


@pytest.mark.parametrize("listens", [True, False])
def test_alerts_go_to_terminals_where_that_is_set(listens: bool) -> None:
    house = House(alerts_to_terminal=listens)
    house.commission()
    house.connect()
    hub = house.lab.stations["hub"].machine
    assert isinstance(hub, CommsHub)
    alert = command(SUPPLIER, CRA.ALERT, METER)
    effects = hub._out_of(METER, alert, house.lab.now)
    assert [(e.port, e.peer) for e in effects if isinstance(e, Send)] == [
        ("wan", SUPPLIER),
        *[("interpan", TERMINAL)] * listens,
    ]


def test_a_full_sub_ghz_network_turns_a_device_away() -> None:
    radio = SubGhzSettings(devices=frozenset({METER, ANOTHER}), capacity=1)
    hub, _ = alone(row(METER, joined=True), row(ANOTHER), sub_ghz=radio)
    hub.handle(UP, 0)
    effects = hub.handle(PeerJoined("han", ANOTHER), 1)
    assert effects[:2] == [Record(HubFull(peer=ANOTHER)), ForgetDevice("han", ANOTHER)]
    assert AdmitDevice("han", ANOTHER, CODE) in hub.handle(PeerLeft("han", METER), 2)


def test_a_hub_that_claims_its_tunnels_asks_nobody() -> None:
    hub, _ = alone(row(METER, joined=True), faults=frozenset({"claims-tunnels"}))
    effects = hub.handle(UP, 0)
    assert Record(TunnelOpened(port="han", peer=METER, tunnel=0)) in effects
    assert not [e for e in effects if isinstance(e, Send) and e.cluster == CLUSTER]


@pytest.mark.parametrize("traced", [None, 0x8155])
def test_a_refusal_that_raises_no_alert_is_logged_where_that_is_set(traced: int | None) -> None:
    hub, _ = alone(row(METER, joined=True), commands=CommandSettings(traced_as=traced))
    assert hub._complain(Refusal("replay", "seen before", None), 0) == (
        [] if traced is None else [Persist(f"log.{Log.EVENT.value}", hub.functions.logs[Log.EVENT].as_json())]
    )


def test_refusals_of_verbs() -> None:
    told = "expected the verb 'status', 'close_window' or 'image_transfer', got 'dance'"
    assert alone()[0].handle(Asked("dance", {}), 0) == [Refuse(told)]


def test_a_hub_as_delivered() -> None:
    """What no source settles, each with the default that stands beside it."""
    made = HubSettings(HUB)
    assert (made.firmware, made.proxy, made.wan_queue, made.routes) == (bytes((0, 0, 0, 1)), None, 64, 256)
    assert (made.responses_both_ways, made.alerts_to_terminal, made.alert_on_join) == (True, True, True)
    assert (made.wan_up_at_start, made.time_report_s, made.misdirects_to, made.faults) == (
        True,
        3600,
        None,
        frozenset(),
    )
    assert (made.last_gasp_s, made.last_gasps, made.last_gasp_spacing_s) == (180, 1, 60)
    assert (made.interpan_tunnel, made.window, made.han_tunnel) == (INTERPAN, WindowSettings(), TunnelSettings())
    assert {"claims-tunnels", "firewall-open", "window-never-closes"} < FAULTS
    away, _ = alone(wan_up_at_start=False)
    answer = away.handle(Asked("status", {}), 0)[0]
    assert isinstance(answer, Answer)
    assert answer.value["wan_up"] is False
