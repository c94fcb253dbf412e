"""The hand-held terminal: its verbs, its states, what it shows and what it keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.events.terminals import (
    HubsFound,
    JobDone,
    JobInterrupted,
    JobSent,
    JobsLoaded,
    JobsUnloaded,
    TerminalConnected,
    TerminalLost,
)
from devices.machines.core import (
    Answer,
    Asked,
    Beacon,
    Effect,
    Event,
    LinkChanged,
    NetworkDown,
    NetworksFound,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Record,
    Refuse,
    ScanNetworks,
    Send,
    SendFailed,
    SetTimer,
    Show,
    Started,
    StopTimer,
    TimerFired,
    Tune,
)
from devices.machines.hht import FAULTS, LISTS_ITS_ORDERS, HandHeldTerminal, HhtSettings
from devices.machines.parts.interpan_window import close_frame
from devices.machines.parts.reading import outcome, words
from devices.machines.parts.tunnel import CLUSTER, INTERPAN
from devices.wire import gbcs, tunnelling
from tests.examples import examples
from tests.machines.lab import ACB, HUB, METER, MINUTE, NEXT_HUB, SECOND, SUPPLIER, TERMINAL, House, RefusedError
from tests.machines.told import told

SLOW = bytes.fromhex("0013a20041000077")


def ready(*use_cases: str) -> House:
    """A commissioned house, the terminal loaded and connected."""
    house = House()
    house.commission()
    house.lab.ask("terminal", "load", work_order=house.work_order(*use_cases), hub=HUB.hex())
    house.connect()
    return house


def states(house: House) -> list[str]:
    return [command["state"] for command in house.lab.ask("terminal", "status")["commands"]]


def entry(**changes: Any) -> dict[str, Any]:
    message = gbcs.Message(1, 9, SUPPLIER, METER, 0x52, b"\xd9", mac=bytes(12))
    return {"name": "ECS45", "device": METER.hex(), "octets": gbcs.encode(message).hex()} | changes


def encoded(**changes: Any) -> str:
    message = gbcs.Message(1, 9, SUPPLIER, METER, 0x52, b"\xd9", mac=bytes(12))
    return gbcs.encode(replace(message, **changes)).hex()


BAD_ORDERS: list[tuple[Any, str]] = [
    (None, "expected a list of commands"),
    ([], "expected a list of commands"),
    ("ECS45", "expected a list of commands"),
    ([7], "each command needs name, device and octets"),
    ([{"name": "x"}], "each command needs name, device and octets"),
    ([entry(expires_at="soon")], "expires_at must be ns of the bench clock"),
    ([entry(octets="zz")], "octets must be hexadecimal digits"),
    ([entry(octets="df09")], "gbcs: at octet"),
    ([entry(device="somewhere")], "is no EUI-64"),
    ([entry(device=HUB.hex())], "expected a command for 00-13-A2-00-41-AB-CD-EF, got one for 00-DB-12"),
    ([entry(octets=encoded(mac=None, signature=None))], "expected a final command"),
    ([entry(octets=encoded(cra=2))], "expected a final command"),
    ([entry(), entry(octets="00")], "gbcs: at octet"),
]


@pytest.mark.parametrize(("order", "reason"), BAD_ORDERS)
def test_bad_work_orders_are_refused_whole(order: Any, reason: str) -> None:
    house = House()
    with pytest.raises(RefusedError, match=reason):
        house.lab.ask("terminal", "load", work_order=order)
    assert states(house) == []


@pytest.mark.parametrize(
    ("verb", "args", "reason"),
    [
        ("dance", {}, "expected one of scan, load"),
        ("connect", {}, "is no EUI-64"),
        ("connect", {"hub": HUB.hex()}, r"expected a hub of the last scan \(none\)"),
        ("apply", {"which": "all"}, "expected a connection to a hub"),
        ("resume", {}, "expected a connection to a hub"),
        ("disconnect", {}, "expected a connection to a hub"),
        ("close_window", {}, "expected a connection to a hub"),
    ],
)
def test_verbs_out_of_turn_are_refused_with_the_next_step(verb: str, args: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        House().lab.ask("terminal", verb, **args)


@pytest.mark.parametrize("args", [{}, {"index": 9}, {"index": -1}, {"index": True}, {"index": "0"}, {"name": "ECS99"}])
def test_picks_that_are_not_there(args: dict[str, Any]) -> None:
    house = ready("ECS45")
    with pytest.raises(RefusedError, match=r"of what is loaded \(ECS45\)"):
        house.lab.ask("terminal", "apply", **args)


@pytest.mark.parametrize("args", [{"index": 1}, {"name": "ECS52"}])
def test_operator_picks_one(args: dict[str, Any]) -> None:
    house = ready("ECS45", "ECS52")
    house.lab.ask("terminal", "apply", **args)
    house.lab.run()
    assert states(house) == ["loaded", "answered"]


def test_strictly_one_at_a_time() -> None:
    """The next command leaves only after the response to the one before has come."""
    house = ready("ECS45", "ECS52", "ECS45")
    house.lab.ask("terminal", "apply", which="all")
    house.lab.run()
    terminal = house.lab.stations["terminal"]
    traffic = [kind for kind, _ in told(record for _, record in terminal.records) if kind in ("gbcs.tx", "gbcs.rx")]
    assert traffic == ["gbcs.tx", "gbcs.rx"] * 3
    assert [fields["state"] for fields in terminal.kinds("hht.done")] == ["answered"] * 3


def test_second_pick_waits_for_the_first() -> None:
    house = ready("ECS45", "ECS52")
    house.lab.ask("terminal", "apply", index=0)
    house.lab.ask("terminal", "apply", index=1)
    assert states(house) == ["sent", "loaded"]
    house.lab.run()
    assert states(house) == ["answered", "answered"]


def test_orders_for_several_houses_are_held_but_applied_only_at_theirs() -> None:
    """HHT-3: the day's installs preloaded."""
    house = ready("ECS45")
    house.lab.ask("terminal", "load", work_order=[entry(name="next door")], hub=NEXT_HUB.hex())
    with pytest.raises(
        RefusedError, match=r"next door is for hub 00-13-A2-00-41-AB-CD-00, connected is .*EF; go there"
    ):
        house.lab.ask("terminal", "apply", name="next door")
    house.lab.ask("terminal", "apply", which="all")
    house.lab.run()
    assert states(house) == ["answered", "loaded"]


def test_answer_is_not_due_before_the_command_is_through() -> None:
    house = House()
    house.commission()
    slow = replace(INTERPAN, block_interval_ns=3 * SECOND)
    house.add("slow", HandHeldTerminal(HhtSettings(SLOW, slow)), SLOW)
    house.lab.ask("slow", "load", work_order=house.work_order("ECS24"))
    house.lab.ask("slow", "scan")
    house.lab.run(2 * SECOND)
    house.lab.ask("slow", "connect", hub=HUB.hex())
    house.lab.run(SECOND)
    house.lab.ask("slow", "apply", index=0)
    house.lab.run(15 * SECOND)
    assert house.lab.stations["slow"].kinds("hht.done") == []
    house.lab.run(MINUTE)
    assert [fields["state"] for fields in house.lab.stations["slow"].kinds("hht.done")] == ["answered"]


def test_silence_is_not_an_answer_and_the_next_one_goes() -> None:
    house = ready("ECS43", "ECS45")
    house.lab.passes = lambda station, send: station.name != "meter"
    house.lab.ask("terminal", "apply", which="all")
    house.lab.run(10 * SECOND - 1)
    assert states(house) == ["sent", "loaded"]
    house.lab.run(1)
    assert states(house) == ["unanswered", "sent"]
    house.lab.passes = lambda station, send: True


def test_late_response_is_still_taken() -> None:
    house = ready("ECS45")
    terminal = house.lab.stations["terminal"]
    house.lab.passes = lambda station, send: not (station.name == "hub" and send.port == "interpan")
    house.lab.ask("terminal", "apply", index=0)
    house.lab.run(30 * SECOND)
    house.lab.passes = lambda station, send: True
    assert states(house) == ["unanswered"]
    lost = next(s.octets for _, n, s in reversed(house.lab.sent) if n == "hub" and s.port == "interpan")
    house.lab.feed("terminal", Received("interpan", HUB, lost, CLUSTER))
    assert states(house) == ["answered"]
    assert terminal.saved["work_order"]["jobs"][0]["state"] == "answered"


def test_nothing_is_changed_while_a_command_is_under_way() -> None:
    house = ready("ECS45")
    house.lab.passes = lambda station, send: station.name != "meter"
    house.lab.ask("terminal", "apply", index=0)
    for verb, args in (("unload", {}), ("connect", {"hub": HUB.hex()}), ("resume", {})):
        with pytest.raises(RefusedError, match=r"under way|broke off"):
            house.lab.ask("terminal", verb, **args)


def test_disconnecting_breaks_off() -> None:
    house = ready("ECS45")
    house.lab.ask("terminal", "apply", index=0)
    house.lab.ask("terminal", "disconnect")
    assert states(house) == ["interrupted"]
    house.connect()
    house.lab.ask("terminal", "resume")
    house.lab.run()
    assert states(house) == ["answered"]


def test_work_orders_expire() -> None:
    house = House()
    house.commission()
    order = house.work_order("ECS45", "ECS52")
    order[0]["expires_at"] = house.lab.now + MINUTE  # type: ignore[assignment]
    house.lab.ask("terminal", "load", work_order=order)
    house.connect()
    house.lab.run(2 * MINUTE)
    with pytest.raises(RefusedError, match="ECS45 has expired; ask the supplier for a new work order"):
        house.lab.ask("terminal", "apply", index=0)
    house.lab.ask("terminal", "apply", which="all")
    house.lab.run()
    assert states(house) == ["expired", "answered"]


def test_a_command_that_expires_while_it_waits_behind_another_is_not_sent() -> None:
    """Picked in time behind a command that stays unanswered; at its turn it is too old, and the next one goes."""
    house = House()
    house.commission()
    order: list[dict[str, Any]] = [*house.work_order("ECS43", "ECS45", "ECS52")]
    order[1]["expires_at"] = house.lab.now + 8 * SECOND
    house.lab.ask("terminal", "load", work_order=order)
    house.connect()
    house.lab.passes = lambda station, _send: station.name != "hub"
    assert house.lab.now < order[1]["expires_at"] < house.lab.now + HhtSettings(TERMINAL).answer_timeout_s * SECOND
    house.lab.ask("terminal", "apply", which="all")
    house.lab.run(2 * HhtSettings(TERMINAL).answer_timeout_s * SECOND - SECOND)
    assert states(house) == ["unanswered", "expired", "sent"]
    assert [fields["name"] for fields in house.lab.stations["terminal"].kinds("hht.sent")] == ["ECS43", "ECS52"]


def test_expiry_by_age_is_a_setting() -> None:
    terminal = HandHeldTerminal(HhtSettings(TERMINAL, expires_after_s=60))
    terminal.handle(Asked("load", {"work_order": [entry()]}), 0)

    def state(now: int) -> str:
        answer = terminal.handle(Asked("status", {}), now)[0]
        assert isinstance(answer, Answer)
        return str(answer.value["commands"][0]["state"])

    assert [state(60 * SECOND - 1), state(60 * SECOND)] == ["loaded", "expired"]


def test_work_order_outlives_a_power_loss_and_what_was_sent_is_in_doubt() -> None:
    house = ready("ECS43", "ECS45", "ECS52")
    house.lab.ask("terminal", "apply", index=1)
    house.lab.run()
    house.lab.passes = lambda station, send: station.name != "meter"
    house.lab.ask("terminal", "apply", index=0)
    house.lab.run(SECOND)
    terminal = house.lab.stations["terminal"]
    terminal.saved = json.loads(json.dumps(terminal.saved))  # what is kept must be JSON
    house.lab.power_off("terminal")
    house.lab.power_on("terminal")
    house.lab.passes = lambda station, send: True
    assert states(house) == ["interrupted", "answered", "loaded"]
    house.connect()
    house.lab.ask("terminal", "resume")
    house.lab.run()
    assert states(house)[0] == "unanswered", "the meter had executed it: the repeat is refused, and rightly so"
    assert len(house.lab.stations["meter"].kinds("executed")) == 2


def test_every_state_is_kept_before_a_frame_leaves() -> None:
    house = ready("ECS45")
    effects = house.lab.feed("terminal", Asked("apply", {"index": 0}))
    kept = next(i for i, e in enumerate(effects) if isinstance(e, Persist) and e.value["jobs"][0]["state"] == "sent")
    left = next(i for i, e in enumerate(effects) if isinstance(e, Send))
    assert kept < left


def test_unloading_empties_the_terminal() -> None:
    house = ready("ECS45")
    house.lab.ask("terminal", "apply", index=0)
    house.lab.run()
    kept = house.lab.ask("terminal", "unload", keep_commands=True)
    assert [message["from"] for message in kept["messages"]] == [METER.hex()]
    assert states(house) == ["answered"]
    assert house.lab.ask("terminal", "unload") == {"messages": []}
    assert states(house) == []
    assert house.lab.stations["terminal"].saved["work_order"] == {"jobs": [], "collected": []}


def test_capacity_is_bounded() -> None:
    terminal = HandHeldTerminal(HhtSettings(TERMINAL, capacity=2))
    refused = terminal.handle(Asked("load", {"work_order": [entry()] * 3}), 0)
    assert [type(effect) for effect in refused] == [Refuse]


@pytest.mark.parametrize("faults", [frozenset[str](), frozenset({LISTS_ITS_ORDERS})])
def test_a_scan_says_of_each_hub_that_it_lists_whether_it_lets_devices_join(faults: frozenset[str]) -> None:
    terminal = HandHeldTerminal(HhtSettings(TERMINAL, faults=faults))
    terminal.handle(Asked("load", {"hub": HUB.hex(), "work_order": [entry()]}), 0)
    for heard in ((), (Beacon(NEXT_HUB, 1, 11, False, -40), Beacon(HUB, 2, 12, True, -50))):
        effects = terminal.handle(NetworksFound("interpan", heard), 0)
        (found,) = (one.event for one in effects if isinstance(one, Record) and isinstance(one.event, HubsFound))
        lists = {b.epid: b.joinable for b in heard} if not faults else {HUB: bool(heard)}
        assert found == HubsFound(hubs=tuple(lists), joinable=tuple(lists.values()))


def test_why_the_terminal_cannot_scan_is_shown() -> None:
    house = House()
    house.lab.feed("terminal", NetworkDown("interpan", "the radio has firmware VR=2013, expected Zigbee"))
    assert house.lab.stations["terminal"].display == "Cannot scan: the radio has firmware VR=2013, expected Zigbee"


def test_hub_that_does_not_answer_is_shown() -> None:
    house = ready("ECS45")
    house.lab.power_off("hub")
    house.lab.ask("terminal", "disconnect")
    house.lab.ask("terminal", "connect", hub=HUB.hex())
    house.lab.run(MINUTE)
    assert house.lab.ask("terminal", "status")["connected"] is False
    assert house.lab.stations["terminal"].display == "No answer from 00-13-A2-00-41-AB-CD-EF"


def test_alerts_are_shown_and_collected() -> None:
    house = ready("ECS45")
    alert = gbcs.Message(3, 77, METER, SUPPLIER, 0x1000, bytes.fromhex("0f200000010002031200") + b"\0", mac=bytes(12))
    body = bytes.fromhex("0f2000000100" + "0202" + "128f32" + "090c" + "07df0101ff000000008000ff")
    octets = gbcs.encode(replace(alert, payload=body))
    hub_end = house.lab.stations["hub"].machine._terminals  # type: ignore[attr-defined]
    for effect in hub_end.send(TERMINAL, octets, house.lab.now):
        house.lab._grant(house.lab.stations["hub"], effect)
    house.lab.run(SECOND)
    assert house.lab.stations["terminal"].display.endswith("alert from 00-DB-12-34-56-78-90-A0: alert 8F32")
    assert house.lab.ask("terminal", "unload")["messages"][0]["octets"] == octets.hex()


@pytest.mark.parametrize("octets", [b"\xdf\x09", b"hello", bytes.fromhex(encoded())])
def test_what_a_hub_must_not_send_is_recorded(octets: bytes) -> None:
    house = ready("ECS45")
    hub_end = house.lab.stations["hub"].machine._terminals  # type: ignore[attr-defined]
    for effect in hub_end.send(TERMINAL, octets, house.lab.now):
        house.lab._grant(house.lab.stations["hub"], effect)
    house.lab.run(SECOND)
    assert len(house.lab.stations["terminal"].kinds("hht.bad")) == 1
    assert house.lab.ask("terminal", "unload")["messages"] == []


# ------------------------------------------------------------------------------------------------------- the display


def published(corpus_dir: Path) -> list[dict[str, Any]]:
    with (corpus_dir / "gbcs-open.jsonl").open() as lines:
        return [json.loads(line) for line in lines]


def test_every_published_message_has_words(corpus_dir: Path) -> None:
    """HHT-9: every message type is displayed; those that fail say so, alerts give their code."""
    for row in published(corpus_dir):
        message = gbcs.decode(bytes.fromhex(row["hex"]))
        text = words(message)
        assert "\n" not in text
        assert row["kind"].removeprefix("pre") in text
        assert "unknown code" not in text, row["name"]
        results = outcome(message).results
        if row["kind"] == "response" and row["payload_format"] == "dlms":
            assert results, row["name"]
        if results:
            assert (": success" in text) == (not any(results)), row["name"]


def test_published_alert_codes_are_read(corpus_dir: Path) -> None:
    """The code in the name of the published message is the one that was read."""
    checked = 0
    for row in published(corpus_dir):
        code = row["name"].split("_")[2] if row["kind"] == "alert" else ""
        if row["payload_format"] == "asn1" or len(code) != 4:
            continue
        assert outcome(gbcs.decode(bytes.fromhex(row["hex"]))).alert == int(code, 16), row["name"]
        checked += 1
    assert checked > 40


SECRETS = [
    ("CS01a_2.2_SUCCESS_COMMAND", "73946144332040217315"),
    ("ECS50_9.1_SUCCESS_COMMAND", "1234"),
    ("CCS01_8.11_SUCCESS_COMMAND", "30313233343536373839"),
    ("CCS07_8.9_SUCCESS_RESPONSE", "83fed3407a93"),
    ("CS14_NA_8F12_ALERT", "83fed3407a93"),
]


@pytest.mark.parametrize(("name", "secret"), SECRETS)
def test_sensitive_parts_are_not_shown(corpus_dir: Path, name: str, secret: str) -> None:
    row = next(row for row in published(corpus_dir) if row["name"] == name)
    octets = bytes.fromhex(row["hex"])
    assert bytes.fromhex(secret) in octets or secret.encode() in octets, "the secret must be in the message at all"
    shown = words(gbcs.decode(octets)).replace("00-DB-12-34-56-78-90", "")
    assert secret not in shown.lower()


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("CS02d_6.15.2_SUCCESS_RESPONSE", ": success"),
        ("CS02d_6.15.2_ERROR_RESPONSE", ": result 3"),
        ("CS10b_6.13_NOT_FOUND_RESPONSE", ": not found"),
        ("GCS39_7.3_ERROR_RESPONSE", ": hardware failure"),
        ("ECS14_3.5_ERROR_RESPONSE", ": hardware fault"),
        ("ECS42_7.1_ERROR_RESPONSE", ": hardware fault"),
    ],
)
def test_words_for_results_of_each_family(corpus_dir: Path, name: str, ending: str) -> None:
    row = next(row for row in published(corpus_dir) if row["name"] == name)
    assert words(gbcs.decode(bytes.fromhex(row["hex"]))).endswith(ending)


@pytest.mark.parametrize(("code", "shown"), [(0x0059, True), (0x00FE, False), (0x0027, False), (0x7FFF, False)])
def test_values_are_shown_only_where_they_are_harmless(code: int, shown: bool) -> None:
    """Firmware version yes; link-key hashes, energy, and what nobody knows no."""
    payload = bytes.fromhex("da2000000100000109040123abcd010100")
    text = words(gbcs.Message(2, 1, METER, SUPPLIER, code, payload))
    assert text.endswith(": success, 0123abcd" if shown else ": success")


def test_words_for_a_supply_state(corpus_dir: Path) -> None:
    row = next(row for row in published(corpus_dir) if row["name"] == "ECS45_7.4_SUCCESS_RESPONSE")
    assert words(gbcs.decode(bytes.fromhex(row["hex"]))).endswith(": success, enabled")


@settings(max_examples=examples(40), deadline=None)
@given(payload=st.binary(max_size=60), code=st.integers(0, 0xFFFF), cra=st.integers(1, 3))
def test_words_for_anything(payload: bytes, code: int, cra: int) -> None:
    message = gbcs.Message(cra, 1, METER, ACB, code, payload)
    assert words(message)


@settings(max_examples=examples(30), deadline=None)
@given(octets=st.binary(max_size=100))
def test_any_octets_are_survived(octets: bytes) -> None:
    terminal = HandHeldTerminal(HhtSettings(TERMINAL))
    terminal.handle(Received("interpan", HUB, octets, CLUSTER), 0)
    answer = terminal.handle(Asked("status", {}), 0)[0]
    assert isinstance(answer, Answer)
    assert answer.value["connected"] is False


def test_a_command_that_was_answered_is_not_picked_again() -> None:
    house = ready("ECS45")
    house.lab.ask("terminal", "apply", name="ECS45")
    house.lab.run()
    assert states(house) == ["answered"]
    with pytest.raises(RefusedError, match=r"ECS45 has been carried out and answered.*load its work order again"):
        house.lab.ask("terminal", "apply", name="ECS45")


# ---------------------------------------------------------------------------------------- every step, effect by effect


def seen(effects: Sequence[Effect]) -> list[Effect]:
    """What operator, time line and host see of a step: all but the tunnel's part and what is kept."""
    return [
        effect
        for effect in effects
        if not isinstance(effect, Persist | Send)
        and not (isinstance(effect, SetTimer | StopTimer) and effect.name.startswith("tunnel."))
        and not (isinstance(effect, Record) and effect.event.kind.startswith("tunnel."))
    ]


def kept(effects: Sequence[Effect]) -> list[dict[str, Any]]:
    """The last of what a step keeps, beside the commands' octets."""
    jobs = [effect.value["jobs"] for effect in effects if isinstance(effect, Persist)]
    return [{name: job[name] for name in ("name", "hub", "state", "response")} for job in jobs[-1]] if jobs else []


def near(epid: bytes = HUB, pan: int = 7, channel: int = 20) -> NetworksFound:
    other = Beacon(NEXT_HUB, 5, 11, joinable=False, rssi=-80)
    return NetworksFound("interpan", (Beacon(epid, pan, channel, joinable=True, rssi=-40), other))


def opened(terminal: HandHeldTerminal, hub: bytes = HUB, now: int = 0) -> Sequence[Effect]:
    """The hub grants the tunnel."""
    frame = tunnelling.encode(tunnelling.RequestTunnelResponse(0, 0, 1500), 0)
    return terminal.handle(Received("interpan", hub, frame, CLUSTER), now)


def heard(terminal: HandHeldTerminal, octets: bytes, now: int = 0) -> Sequence[Effect]:
    """The hub hands over a message."""
    frame = tunnelling.encode(tunnelling.TransferData(0, octets, to_server=False), 1)
    return terminal.handle(Received("interpan", HUB, frame, CLUSTER), now)


def connected(*orders: dict[str, Any], hub: str | None = None, **settings_: Any) -> HandHeldTerminal:
    """A terminal alone, with work orders, connected."""
    terminal = HandHeldTerminal(HhtSettings(TERMINAL, **settings_))
    terminal.handle(Asked("load", {"work_order": list(orders)} | ({"hub": hub} if hub else {})), 0)
    terminal.handle(near(), 0)
    terminal.handle(Asked("connect", {"hub": HUB.hex()}), 0)
    opened(terminal)
    return terminal


HUB_TEXT, NEXT_TEXT = "00-13-A2-00-41-AB-CD-EF", "00-13-A2-00-41-AB-CD-00"
RESPONSE = gbcs.encode(
    gbcs.Message(2, 9, METER, SUPPLIER, 0x52, bytes.fromhex("da2000000100000103010101"), mac=bytes(12))
)
SENDING = Show("Sending " + words(gbcs.decode(bytes.fromhex(encoded()))))


def test_a_visit_step_by_step() -> None:
    """What the operator reads, what the time line has and what is answered, from the scan to the unloading."""
    terminal = HandHeldTerminal(HhtSettings(TERMINAL))
    timer = SetTimer("hht.answer", 10 * SECOND)
    steps: list[tuple[Event, list[Effect]]] = [
        (Asked("scan", {}), [Answer({}), Show("Searching for hubs"), ScanNetworks("interpan")]),
        (NetworksFound("interpan", ()), [Record(HubsFound(hubs=(), joinable=())), Show("No hub found")]),
        (
            Asked("load", {"work_order": [entry(), entry(name="b")], "hub": HUB.hex()}),
            [Answer({"loaded": 2}), Record(JobsLoaded(commands=2, hub=HUB)), Show("2 commands loaded")],
        ),
        (
            near(),
            [
                Record(HubsFound(hubs=(HUB, NEXT_HUB), joinable=(True, False))),
                Show(f"{HUB_TEXT} channel 20 -40 dBm (work order)\n{NEXT_TEXT} channel 11 -80 dBm"),
            ],
        ),
    ]
    for event, effects in steps:
        assert seen(terminal.handle(event, 0)) == effects, event
    asked = terminal.handle(Asked("connect", {"hub": HUB.hex()}), 0)
    assert seen(asked) == [
        Answer({"hub": HUB_TEXT}),
        Show(f"Connecting to {HUB_TEXT}"),
        Tune("interpan", 20, 7),
    ]
    assert seen(opened(terminal)) == [Record(TerminalConnected(hub=HUB)), Show(f"Connected to {HUB_TEXT}")]
    picked = terminal.handle(Asked("apply", {"which": "all"}), 0)
    assert seen(picked) == [
        Answer({"picked": ["ECS45", "b"]}),
        SENDING,
        Record(JobSent(name="ECS45", counter=9)),
        timer,
    ]
    assert kept(picked)[0] == {"name": "ECS45", "hub": HUB.hex(), "state": "sent", "response": ""}
    assert seen(terminal.handle(TimerFired("hht.answer"), 10 * SECOND)) == [
        Show("No answer to ECS45"),
        StopTimer("hht.answer"),
        Record(JobDone(name="ECS45", state="unanswered", counter=9)),
        SENDING,
        Record(JobSent(name="b", counter=9)),
        SetTimer("hht.answer", 20 * SECOND),
    ]
    assert seen(terminal.handle(Asked("disconnect", {}), 0)) == [
        Answer({}),
        Show("Not connected"),
        StopTimer("hht.answer"),
        Record(JobInterrupted(name="b", reason="disconnected by the operator", counter=9)),
        Show("b broke off: disconnected by the operator. Reconnect and resume"),
    ]
    assert terminal.handle(TimerFired("hht.answer"), 30 * SECOND) == []
    assert seen(terminal.handle(Asked("unload", {}), 0)) == [
        Answer({"messages": []}),
        Record(JobsUnloaded(messages=0, commands_left=0)),
        Show("0 messages unloaded"),
    ]


def test_an_answer_step_by_step() -> None:
    terminal = connected(entry())
    terminal.handle(Asked("apply", {"name": "all"}), 0)
    effects = heard(terminal, RESPONSE, 5)
    assert seen(effects) == [
        Show(words(gbcs.decode(RESPONSE))),
        StopTimer("hht.answer"),
        Record(JobDone(name="ECS45", state="answered", counter=9)),
    ]
    assert kept(effects) == [{"name": "ECS45", "hub": None, "state": "answered", "response": RESPONSE.hex()}]
    assert terminal.handle(Asked("status", {}), 5) == [
        Answer(
            {
                "commands": [
                    {
                        "name": "ECS45",
                        "device": METER.hex(),
                        "text": words(gbcs.decode(bytes.fromhex(encoded()))),
                        "signature": "",
                        "mac": "00" * 12,
                        "state": "answered",
                        "response": RESPONSE.hex(),
                    }
                ],
                "hub": HUB_TEXT,
                "connected": True,
                "found": [HUB_TEXT, NEXT_TEXT],
            }
        )
    ]
    collected = {"octets": RESPONSE.hex(), "from": METER.hex(), "cra": 2, "at": 5}
    assert terminal.handle(Asked("unload", {"keep_commands": True}), 6) == [
        Answer({"messages": [collected]}),
        Record(JobsUnloaded(messages=1, commands_left=1)),
        Show("1 messages unloaded"),
        *terminal._keep(),
    ]


def test_a_command_needs_no_connection_to_be_waited_for_no_more() -> None:
    """Whatever else the terminal hears: the state of a command whose answer came late is kept."""
    terminal = connected(entry())
    terminal.handle(Asked("apply", {"index": 0}), 0)
    terminal.handle(TimerFired("hht.answer"), 10 * SECOND)
    late = heard(terminal, RESPONSE, 11 * SECOND)
    assert seen(late) == [Show(words(gbcs.decode(RESPONSE)))]
    assert kept(late) == [{"name": "ECS45", "hub": None, "state": "answered", "response": RESPONSE.hex()}]


def test_what_does_not_belong_to_it_leaves_it_alone() -> None:
    terminal = connected(entry())
    events: list[Event] = [
        Received("han", HUB, b"", CLUSTER),
        Received("interpan", HUB, b"", 0x0702),
        TimerFired("another"),
        LinkChanged("wan", True),
    ]
    assert [terminal.handle(event, 0) for event in events] == [[]] * 4


def test_another_hub_ends_the_connection_with_the_first() -> None:
    terminal = connected(entry())
    effects = terminal.handle(Asked("connect", {"hub": NEXT_HUB.hex()}), 0)
    frames = [(effect.peer, effect.octets[2]) for effect in effects if isinstance(effect, Send)]
    assert frames == [(HUB, 1), (NEXT_HUB, 0)], "the tunnel is closed there and asked for here"
    assert [effect for effect in effects if isinstance(effect, Tune)] == [Tune("interpan", 11, 5)]
    assert terminal.handle(Asked("status", {}), 0)[0].value["connected"] is False  # type: ignore[union-attr]
    assert seen(opened(terminal, NEXT_HUB))[-1] == Show(f"Connected to {NEXT_TEXT}")
    again = terminal.handle(Asked("connect", {"hub": NEXT_HUB.hex()}), 0)
    assert not [effect for effect in again if isinstance(effect, Send) and effect.octets[2] == 1]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (
        "connect",
        {"hub": "00-13-A2-00-41-00-00-01"},
        f"expected a hub of the last scan ({HUB_TEXT}, {NEXT_TEXT}), got 00-13-A2-00-41-00-00-01; "
        "scan again or go nearer",
    ),
    ("apply", {"name": "x"}, "expected an index, a name or which='all' of what is loaded (ECS45), got {'name': 'x'}"),
    ("apply", {"index": 1}, "expected an index, a name or which='all' of what is loaded (ECS45), got {'index': 1}"),
    ("resume", {}, "expected a command that broke off, there is none; use apply"),
    (
        "dance",
        {},
        "expected one of scan, load, connect, apply, resume, status, disconnect, close_window, unload, got 'dance'",
    ),
]


@pytest.mark.parametrize(("verb", "args", "reason"), REFUSED)
def test_refusals_say_what_to_do(verb: str, args: dict[str, Any], reason: str) -> None:
    assert connected(entry()).handle(Asked(verb, args), 0) == [Refuse(reason)]


@pytest.mark.parametrize(
    ("verb", "args", "advice"),
    [
        ("connect", {"hub": HUB.hex()}, "wait for its answer, then connect"),
        ("resume", {}, "wait for its answer"),
        ("unload", {}, "wait for its answer, then unload"),
    ],
)
def test_what_must_wait_for_the_command_under_way(verb: str, args: dict[str, Any], advice: str) -> None:
    terminal = connected(entry(), entry(name="b"))
    terminal.handle(Asked("apply", {"which": "all"}), 0)
    assert terminal.handle(Asked(verb, args), 0) == [Refuse(f"a command is under way; {advice}")]


def test_a_hub_that_no_work_is_for_is_refused() -> None:
    """HHT-17: the number printed on the hub decides."""
    terminal = HandHeldTerminal(HhtSettings(TERMINAL))
    terminal.handle(near(), 0)
    terminal.handle(Asked("load", {"work_order": [entry()], "hub": NEXT_HUB.hex()}), 0)
    reason = (
        f"wrong hub: the work order is for {NEXT_TEXT}, you chose {HUB_TEXT}; compare with the number printed on "
        "the hub in front of you and connect to that"
    )
    assert terminal.handle(Asked("connect", {"hub": HUB.hex()}), 0) == [Refuse(reason)]
    assert isinstance(terminal.handle(Asked("connect", {"hub": NEXT_HUB.hex()}), 0)[0], Answer)
    terminal.handle(Asked("load", {"work_order": [entry()]}), 0)
    assert isinstance(terminal.handle(Asked("connect", {"hub": HUB.hex()}), 0)[0], Answer), "one is for any hub"


def test_resuming_begins_with_what_broke_off() -> None:
    """Then comes what was picked after it; what is for another hub, and what is under way already, stays out."""
    terminal = connected(entry(name="a"), entry(name="b"), entry(name="c"))
    terminal.handle(Asked("apply", {"which": "all"}), 0)
    terminal.handle(Asked("disconnect", {}), 0)
    terminal.handle(Asked("connect", {"hub": HUB.hex()}), 0)
    opened(terminal)
    effects = terminal.handle(Asked("resume", {}), 0)
    assert effects[0] == Answer({"picked": ["a", "b", "c"]})
    assert [one.event.name for one in effects if isinstance(one, Record) and isinstance(one.event, JobSent)] == ["a"]
    picked = terminal.handle(Asked("apply", {"which": "all"}), 0)
    assert picked == [Answer({"picked": []})], "all of them are under way or wait"


def test_a_broken_connection_interrupts_the_command_under_way() -> None:
    terminal = connected(entry())
    sent = terminal.handle(Asked("apply", {"index": 0}), 0)
    tokens = [effect.token for effect in sent if isinstance(effect, Send)]
    effects: Sequence[Effect] = []
    now = 0
    while tokens and now < 1000 and not [e for e in effects if isinstance(e, Show)]:
        effects = terminal.handle(SendFailed("interpan", HUB, tokens[-1], "no acknowledgement"), now)
        for timer in [e for e in effects if isinstance(e, SetTimer)]:
            again = terminal.handle(TimerFired(timer.name), timer.at)
            effects = [*effects, *again]
        tokens = [e.token for e in effects if isinstance(e, Send) and e.token]
        now += 1
    texts = [effect.text for effect in effects if isinstance(effect, Show)]
    assert texts == [
        "ECS45 broke off: the connection broke. Reconnect and resume",
        f"Connection lost to {HUB_TEXT}",
    ]
    assert Record(TerminalLost(hub=HUB)) in effects
    assert kept(effects) == [{"name": "ECS45", "hub": None, "state": "interrupted", "response": ""}]


@pytest.mark.parametrize(("count", "fits"), [(1, True), (2, True), (3, False)])
def test_it_holds_as_many_commands_as_it_should(count: int, fits: bool) -> None:
    terminal = HandHeldTerminal(HhtSettings(TERMINAL, capacity=3))
    terminal.handle(Asked("load", {"work_order": [entry()]}), 0)
    answer = terminal.handle(Asked("load", {"work_order": [entry()] * count}), 0)[0]
    refused = Refuse("the terminal holds 3 commands; unload before loading more")
    assert answer == (Answer({"loaded": count}) if fits else refused)


def test_it_keeps_as_many_messages_as_it_should_over_a_power_loss_too() -> None:
    terminal = connected(entry(), capacity=2)
    for at in (1, 2, 3):
        heard(terminal, RESPONSE, at)
    (saved,) = terminal.handle(PowerLost(), 0)
    assert isinstance(saved, Persist)
    assert [message["at"] for message in saved.value["collected"]] == [2, 3]
    assert terminal.handle(PowerRestored({saved.key: saved.value}, 1), 0) == [Show("1 commands loaded")]
    status = terminal.handle(Asked("status", {}), 0)[0]
    assert isinstance(status, Answer)
    assert (status.value["hub"], status.value["connected"], status.value["found"]) == (None, False, [])
    terminal.handle(near(), 0)
    terminal.handle(Asked("connect", {"hub": HUB.hex()}), 0)
    opened(terminal)
    heard(terminal, RESPONSE, 4)
    unloaded = terminal.handle(Asked("unload", {}), 0)[0]
    assert isinstance(unloaded, Answer)
    assert [message["at"] for message in unloaded.value["messages"]] == [3, 4]
    assert HandHeldTerminal(HhtSettings(TERMINAL)).handle(Started({}), 0) == [Show("0 commands loaded")]


def test_faults_by_name_and_settings_as_delivered() -> None:
    assert {"answered-when-sent", "lists-its-orders"} == FAULTS
    assert HhtSettings(TERMINAL) == HhtSettings(TERMINAL, INTERPAN, 10, None, 2000, frozenset())
    with pytest.raises(ValueError, match=r"faults \['x'\] are unknown; choose among \['answered-when-sent', 'lists"):
        HhtSettings(TERMINAL, faults=frozenset({"x", "lists-its-orders"}))
    lists = HandHeldTerminal(HhtSettings(TERMINAL, faults=frozenset({"lists-its-orders"})))
    lists.handle(Asked("load", {"work_order": [entry()], "hub": NEXT_HUB.hex()}), 0)
    found = lists.handle(NetworksFound("interpan", (near().beacons[0],)), 0)[0]
    assert found == Record(HubsFound(hubs=(NEXT_HUB,), joinable=(False,)))
    hasty = connected(entry(), faults=frozenset({"answered-when-sent"}))
    done = [e.event for e in hasty.handle(Asked("apply", {"index": 0}), 0) if isinstance(e, Record)]
    assert JobDone(name="ECS45", state="answered", counter=9) in done


def test_closing_the_window_is_told_to_the_hub() -> None:
    assert connected(entry()).handle(Asked("close_window", {}), 0) == [
        Answer({}),
        Send("interpan", HUB, close_frame(), CLUSTER),
    ]
