"""What the keywords of terminal, hub and meter ask of the bench and make of the taps, on a made-up bench."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from robot.api import SkipExecution

from devices.events.hub import FirewallDropped
from devices.events.parties import LocalCopyReceived
from devices.events.terminals import HubsFound, TerminalConnected
from devices.wire import gbcs
from rig.evidence.judging import Outcome
from rig.evidence.leaks import Tapped
from rig.keywords import hub as hub_module
from rig.keywords import taps
from rig.keywords.handheld import CommandState, HandHeld
from rig.keywords.hub import Hub, expect_network, expect_tunnel
from rig.keywords.judge import Misused, Unmet, judge
from rig.keywords.meter import ElectricityMeter, SupplyState
from rig.keywords.probes import probe, probe_by_terminal
from rig.keywords.session import PRESS
from rig.keywords.silence import Asked, Loaded
from tests.keywords.fake import EUI, SECOND, Faked, message, printed, seen, took

LIBRARY = HandHeld()
OCTETS = gbcs.encode(
    gbcs.Message(1, 7, bytes.fromhex(EUI["supplier"]), bytes.fromhex(EUI["esme"]), 0x53, b"\xd9")
).hex()


def frame(device: str, peer: str, *, out: bool, at_s: float = 1, port: str = "interpan", **more: Any) -> dict[str, Any]:
    return {"device": device, "at_ns": round(at_s * SECOND), "port": port, "out": out, "peer": EUI[peer],
            "cluster": 0x0702, "octets": "0001000000", **more}  # fmt: skip


def taps_have(now: Faked, *frames: dict[str, Any], met: tuple[tuple[str, str], ...] = ()) -> None:
    known = [{"peer": EUI[name], "port": port} for name, port in met]
    now.answers["tap.frames"] = {"whole": True, "more": False, "frames": frames, "met": known}


ASKED_IT = (frame("hht", "hub", out=True), frame("hub", "hht", out=False))


# ------------------------------------------------------------------------------------------------------- frames, tapped


def test_frames_are_fetched_until_there_are_no_more(now: Faked) -> None:
    def told(args: dict[str, Any]) -> Mapping[str, Any]:
        met = [{"peer": EUI["esme"], "port": "han"}, {"peer": EUI["hht"], "port": "interpan"}]
        return {"whole": True, "more": args["skip"] < 2, "frames": [ASKED_IT[0]], "met": met}

    now.answers["tap.frames"] = told
    frames, met = taps.tapped(now, 5, "hub")
    assert (frames, met) == ([Tapped.of(ASKED_IT[0])] * 3, [bytes.fromhex(EUI["esme"])])
    assert now.called == [("tap.frames", "hub", {"since": 5, "skip": skip}) for skip in (0, 1, 2)]
    now.answers["tap.frames"] = {"whole": False}
    with pytest.raises(SkipExecution, match="INFRA: the bench no longer holds every frame"):
        taps.tapped(now, 5, "hub")


@pytest.mark.parametrize(
    ("one", "from_hub", "sent", "came"),
    [
        (frame("hht", "hub", out=False), True, False, False),
        (frame("hht", "hub", out=True), False, True, False),
        (frame("hub", "hht", out=False), False, False, True),
        (frame("hub", "hht", out=True), False, False, False),
        (frame("hht", "esme", out=False), False, False, False),
        (frame("hht", "esme", out=True), False, False, False),
        (frame("hub", "esme", out=False), False, False, False),
        (frame("hht", "hub", out=False, port="han"), False, False, False),
        (frame("hht", "hub", out=True, port="han"), False, False, False),
    ],
)
def test_what_crossed_between_terminal_and_hub_and_which_way(
    now: Faked, one: dict[str, Any], *, from_hub: bool, sent: bool, came: bool
) -> None:
    taps_have(now, one)
    assert bool(taps.crossed(now, 5, "hub", "hht")) is from_hub
    told = taps.from_terminal(now, 5, "hht", "hub")
    assert (bool(told[0]), bool(told[1])) == (sent, came)
    assert now.called == [("tap.frames", "hht", {"since": 5, "skip": 0})] * len(now.called)


@pytest.mark.parametrize(
    ("device", "under_test", "at", "peer", "out"),
    [
        ("esme", "", "hub", "esme", False),
        ("gsme", "", "gsme", "hub", False),
        ("esme", "esme", "hub", "esme", False),
        ("esme", "hub", "esme", "hub", True),
        ("gsme", "gsme", "hub", "gsme", True),
        ("gsme", "hub", "gsme", "hub", False),
    ],
)
def test_a_tunnel_is_seen_at_the_end_that_asked_or_at_the_emulated_one(
    now: Faked, device: str, under_test: str, at: str, peer: str, *, out: bool
) -> None:
    if under_test:
        now.devices[under_test]["under_test"] = True
    wanted = taps.tunnel(now, device, "hub")
    assert wanted.as_json() == {
        "kind": "tunnel.granted", "device": at, "fields": {"port": "han", "peer": EUI[peer], "out": out}
    }  # fmt: skip
    assert str(wanted) == f"{device} in hub's HAN"


def test_what_is_waited_for_at_the_taps(now: Faked) -> None:
    assert taps.let_in(now, "hht", EUI["hub"]).as_json() == {
        "kind": "tunnel.granted", "device": "hht", "fields": {"port": "interpan", "peer": EUI["hub"], "out": False}
    }  # fmt: skip
    assert taps.in_network("hub").as_json() == {"kind": "radio.network", "device": "hub", "fields": {"port": "han"}}
    assert taps.beacons("hht").as_json() == {"kind": "radio.beacons", "device": "hht", "fields": {"port": "interpan"}}


# ------------------------------------------------------------------------------------------------------------- terminal


def scanned(order: int, *hubs: str, listed: tuple[str, ...] | None = None) -> list[Any]:
    names = hubs if listed is None else listed
    return [seen(order, HubsFound.kind, "hht", hubs=list(names)),
            seen(order + 1, "radio.beacons", "hht", 2, port="interpan", networks=list(hubs))]  # fmt: skip


def test_an_installer_scans_until_a_hub_is_found(now: Faked, caplog: pytest.LogCaptureFixture) -> None:
    now.see(seen(4, "power", "hub", on=True))
    found: list[list[Any]] = [scanned(5), scanned(7, EUI["gsme"]), scanned(9, EUI["hub"], EUI["gsme"])]
    now.replies["scan"] = lambda _args: now.come(*found.pop(0))
    assert LIBRARY.find_hubs("hub") == [EUI["hub"], EUI["gsme"]]
    assert now.asked_for == [("hht", "scan", {})] * 3
    assert now.scanned == {"hht": 8}
    assert caplog.messages[-1] == f"hubs in reach: {EUI['hub']} (hub), {EUI['gsme']} (gsme)"
    found[:] = [scanned(11)]
    assert LIBRARY.find_hubs() == []
    assert caplog.messages[-1] == "hubs in reach: none"
    found[:] = [scanned(order) for order in range(13, 23, 2)]
    assert LIBRARY.find_hubs("hub") == []
    assert found == [], "five times"
    assert now.waited == []


def test_a_list_that_is_not_that_of_the_beacons_is_a_miss(now: Faked) -> None:
    now.coming = scanned(5, EUI["hub"], listed=())
    with pytest.raises(Unmet, match=r"hht to list the hubs whose beacons came to its radio .*\(hub\)\), got none"):
        LIBRARY.find_hubs()
    assert now.waited == [2 * took("scan")]
    now.coming = scanned(7, listed=(EUI["hub"],))
    with pytest.raises(Unmet, match=r"radio \(none\), got .*\(hub\)"):
        LIBRARY.find_hubs(within=timedelta(seconds=3))
    assert now.waited[1:] == [3 * SECOND]
    now.coming = scanned(9, EUI["hub"])[1:]
    with pytest.raises(Unmet, match="got none"):
        LIBRARY.find_hubs()


def test_a_work_order_is_loaded_for_a_hub(now: Faked) -> None:
    now.see(seen(4, "power", "hub", on=True))
    LIBRARY.load_work_order([{"name": "ECS42", "octets": OCTETS, "target": EUI["esme"], "counter": 7}])
    assert now.asked_for == [
        ("hht", "load", {"hub": EUI["hub"], "work_order": [{"name": "ECS42", "device": EUI["esme"], "octets": OCTETS}]})
    ]
    assert now.loaded == {"ECS42": Loaded(OCTETS, 4)}


GRANTED = seen(9, "tunnel.granted", "hht", 1500, port="interpan", peer=EUI["hub"], out=False)


@pytest.mark.parametrize("name", ["hub", printed("hub"), EUI["hub"].upper()])
def test_a_hub_lets_a_terminal_in_by_a_frame(now: Faked, name: str) -> None:
    now.coming = [GRANTED]
    LIBRARY.connect_to_hub(name)
    assert now.asked_for == [("hht", "connect", {"hub": EUI["hub"]})]
    assert now.waited == [2 * took("connect")]
    assert [(one.expectation, one.outcome) for one in judge().findings] == [
        ("takes", Outcome.MISSED), ("window-open", Outcome.MET)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("frames", "reported", "ending"),
    [
        (ASKED_IT, True, "expected frames of hub at hht, got none, and hht reports that it is connected"),
        (ASKED_IT, False, "connected to hub within 3 s, got none.*hub is the silent one: a frame of hht crossed to it"),
        ((ASKED_IT[0],), False, "INFRA: .*no tap has a frame of hht arriving at hub"),
    ],
)
def test_a_hub_that_lets_nobody_in(now: Faked, frames: Any, ending: str, *, reported: bool) -> None:
    taps_have(now, *frames)
    now.see(seen(3, TerminalConnected.kind, "hht", hub=EUI["hub"]))
    now.coming = [seen(9, TerminalConnected.kind, "hht", hub=EUI["hub"])] if reported else []
    with pytest.raises(SkipExecution if ending.startswith("INFRA") else Unmet, match=ending):
        LIBRARY.connect_to_hub(within=timedelta(seconds=3))
    assert now.waited == [3 * SECOND]


def test_a_stranger_lets_nobody_in_and_is_not_to_blame(now: Faked) -> None:
    with pytest.raises(SkipExecution, match=r"INFRA: .*00-DB-12-34-56-78-90-FF is no device of this bench"):
        LIBRARY.connect_to_hub("00-DB-12-34-56-78-90-FF")
    assert now.asked_for == [("hht", "connect", {"hub": "00db1234567890ff"})]


@pytest.mark.parametrize(
    ("frames", "ending"),
    [
        (ASKED_IT, ""),
        ((*ASKED_IT, frame("hht", "hub", out=False, at_s=2), frame("hht", "hub", out=False, at_s=3)),
         "expected hub not to answer by inter-PAN, got 2 frames, the first at 2.0+ s"),
        (ASKED_IT[:1], "INFRA: .*hub to be asked by hht and not to answer, .*but nothing of hht came to hub"),
        (ASKED_IT[1:], "INFRA: .*but nothing of hht came to hub"),
        ((), "INFRA: .*but nothing of hht came to hub"),
    ],
)  # fmt: skip
def test_a_closed_window_is_one_that_was_asked_and_kept_silent(
    now: Faked, frames: Any, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    taps_have(now, *frames)
    now.now = 2 * SECOND
    if ending:
        with pytest.raises(SkipExecution if ending.startswith("INFRA") else Unmet, match=ending):
            LIBRARY.hub_should_not_answer(within=timedelta(seconds=3))
        assert now.waited == [3 * SECOND]
        return
    LIBRARY.hub_should_not_answer()
    assert now.asked_for == [("hht", "connect", {"hub": EUI["hub"]})]
    assert now.waited == [took("connect")]
    assert caplog.messages[-1] == (
        f"No frame of hub from 2.000000 s to {2 + took('connect') // SECOND}.000000 s; "
        "looked at: the inter-PAN radio of hht."
    )
    now.answers["supply.sense"] = lambda _args: {"good": now.called[-1][1] != "hub", "by": "a pin"}
    with pytest.raises(SkipExecution, match="hub has no supply"):
        LIBRARY.hub_should_not_answer()
    now.answers["supply.sense"] = lambda _args: {"good": now.called[-1][1] != "hht", "by": "a pin"}
    with pytest.raises(SkipExecution, match="hht has no supply"):
        LIBRARY.hub_should_not_answer()


@pytest.mark.parametrize(
    ("frames", "words", "ending"),
    [
        ((), "this hub is not of the work order", ""),
        ((frame("hub", "hht", out=True), frame("hht", "esme", out=True), frame("hht", "hub", out=False)), "no", ""),
        (ASKED_IT, "no", "expected the terminal to refuse hub and to send it nothing, got no, and 1 frames to it"),
        ((), "", "got no refusal, and 0 frames to it"),
    ],
)
def test_a_terminal_refuses_in_words_and_sends_nothing(
    now: Faked, frames: Any, words: str, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(_args: dict[str, Any]) -> Mapping[str, Any]:
        if words:
            raise Misused(words)
        return {}

    taps_have(now, *frames)
    now.replies["connect"] = refused
    if ending:
        with pytest.raises(Unmet, match=ending):
            LIBRARY.connecting_should_be_refused("hub")
    else:
        assert LIBRARY.connecting_should_be_refused("hub") == words
        assert caplog.messages[-2:] == [
            f"No frame of hht to hub from 0.000000 s to {took('connect') // SECOND}.000000 s; "
            "looked at: the inter-PAN radio of hht.",
            f"refused: {words}",
        ]
    assert now.asked_for == [("hht", "connect", {"hub": EUI["hub"]})]
    assert now.waited == [took("connect")]


def test_a_command_is_applied_by_its_name_or_all_of_them(now: Faked) -> None:
    now.loaded["ecs42"] = Loaded(OCTETS, 0)
    now.see(seen(4, "power", "hub", on=True))
    LIBRARY.apply_command("ecs42")
    assert (now.asked, judge().cause) == (Asked(EUI["supplier"], EUI["esme"], 7, 4, "hht"), "ECS42")
    LIBRARY.apply_command()
    assert (now.asked, judge().cause) == (None, "")
    assert now.asked_for == [("hht", "apply", {"name": "ecs42"}), ("hht", "apply", {"which": "all"})]


ANSWER = message(9, "rx", "hht", "response", "esme", "supplier", at_s=5)


def test_commands_are_applied_one_after_the_other(now: Faked) -> None:
    now.loaded |= {"ECS42": Loaded(OCTETS, 0), "ECS45": Loaded(OCTETS, 0)}
    answers = [ANSWER, message(10, "rx", "hht", "response", "esme", "supplier")]
    now.replies["apply"] = lambda args: {**now.come(answers.pop(0)), "picked": [args["values"]["name"]]}
    LIBRARY.apply_and_wait("ECS42", "ecs45".upper())
    assert now.asked_for == [("hht", "apply", {"name": name}) for name in ("ECS42", "ECS45")]
    assert (judge().cause, now.waited) == ("ECS45", [])
    now.replies["apply"] = {"picked": []}
    LIBRARY.apply_and_wait()
    assert (now.asked_for[-1], judge().cause) == (("hht", "apply", {"which": "all"}), "")
    now.replies["resume"] = {"picked": ["ECS42"]}
    now.coming = [message(12, "rx", "hht", "response", "esme", "supplier")]
    now.begin_action("ECS42")
    LIBRARY.resume_work_order()
    assert (now.asked_for[-1], judge().cause) == (("hht", "resume", {}), "")
    assert now.waited == [2 * took("answer")]
    now.replies["resume"] = {"picked": ["ECS99"]}
    with pytest.raises(Misused, match="ECS99 was not loaded by this test"):
        LIBRARY.resume_work_order()


@pytest.mark.parametrize("cra", ["response", "alert"])
def test_an_answer_is_known_by_its_ids(now: Faked, cra: str) -> None:
    now.loaded["ECS42"] = Loaded(OCTETS, 0)
    now.replies["apply"] = {"picked": ["ECS42"]}
    now.coming = [
        message(9, "rx", "hht", "response", "esme", "supplier", 8),
        message(10, "rx", "hub", "response", "esme", "supplier"),
        message(11, "tx", "hht", "response", "esme", "supplier"),
        message(12, "rx", "hht", "response", "gsme", "supplier"),
        message(13, "rx", "hht", "response", "esme", "broker"), message(14, "rx", "hht", "alert", "esme", "supplier"),
        *([message(15, "rx", "hht", cra, "esme", "supplier", at_s=took("wake", "answer") / SECOND + 1)]),
    ]  # fmt: skip
    now.begin_action()
    if cra == "alert":
        with pytest.raises(SkipExecution, match="INFRA: expected an answer to ECS42 at the tap of hht within 2 s"):
            LIBRARY.apply_and_wait("ECS42", within=timedelta(seconds=2))
        return
    LIBRARY.apply_and_wait("ECS42")
    late = judge().findings[0]
    assert (late.expectation, late.device, late.outcome) == ("takes", "esme", Outcome.MISSED)


STATES = {state: state.value for state in CommandState}


@pytest.mark.parametrize(
    ("events", "state", "ending"),
    [
        ([], CommandState.LOADED, ""),
        ([], CommandState.EXPIRED, ""),
        ([message(9, "tx", "hht", "command", "supplier", "esme")], CommandState.SENT, ""),
        ([message(9, "tx", "hht", "command", "supplier", "esme")], CommandState.UNANSWERED, ""),
        ([message(9, "tx", "hht", "command", "supplier", "esme")], CommandState.LOADED,
         "ECS42 loaded at the tap of hht, got it has left and was not answered there"),
        ([message(9, "tx", "hht", "command", "supplier", "esme"), ANSWER], CommandState.ANSWERED, ""),
        ([ANSWER], CommandState.ANSWERED, ""),
        ([ANSWER], CommandState.UNANSWERED, "got it has not left and was answered there"),
        ([], CommandState.ANSWERED, "got it has not left and was not answered there"),
        ([message(9, "rx", "hht", "command", "supplier", "esme")], CommandState.LOADED, ""),
        ([message(9, "tx", "hub", "command", "supplier", "esme")], CommandState.LOADED, ""),
        ([message(3, "tx", "hht", "command", "supplier", "esme")], CommandState.LOADED, ""),
        ([message(9, "tx", "hht", "response", "esme", "supplier")], CommandState.LOADED, ""),
    ],
)  # fmt: skip
def test_the_state_of_a_command_is_held_against_the_tap(
    now: Faked, events: list[Any], state: CommandState, ending: str
) -> None:
    now.loaded["ECS42"] = Loaded(OCTETS, 3)
    now.replies["status"] = {"commands": [{"name": "ECS42", "state": state.value}, {"name": "X", "state": "loaded"}]}
    for event in events:
        now.see(event)
    if ending:
        with pytest.raises(Unmet, match=ending):
            LIBRARY.command_should_be("ECS42", state)
    else:
        LIBRARY.command_should_be("ECS42", state)
    assert now.asked_for == [("hht", "status", {})]
    assert LIBRARY.command_states() == {"ECS42": state.value, "X": "loaded"}
    other = CommandState.INTERRUPTED
    with pytest.raises(Unmet, match=f"expected ECS42 {other.value}, got ECS42: {state.value}, X: loaded"):
        LIBRARY.command_should_be("ECS42", other)
    with pytest.raises(Misused, match="X was not loaded by this test"):
        LIBRARY.command_should_be("X", CommandState.LOADED)
    now.replies["status"] = {"commands": []}
    with pytest.raises(Unmet, match="got an empty work order"):
        LIBRARY.command_should_be("ECS42", state)


def test_the_states_of_a_command_are_called_as_terminals_call_them() -> None:
    names = ["loaded", "sent", "answered", "unanswered", "interrupted", "expired"]
    assert [state.value for state in CommandState] == names


def test_a_terminal_is_unloaded_and_may_send_anything(now: Faked) -> None:
    now.replies["unload"] = {"messages": [{"octets": "aa"}, {"octets": "bb"}]}
    assert LIBRARY.unload_terminal() == ["aa", "bb"]
    LIBRARY.send_foreign_frame(cluster=0x0702, octets="000100")
    assert now.called[-1] == ("interpan.send", "hht", {"hub": "hub", "cluster": 0x0702, "octets": "000100"})
    assert judge().cause == "interpan.send"


def test_without_the_published_messages_a_test_that_needs_them_is_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RIG_CORPUS", str(tmp_path))
    with pytest.raises(SkipExecution, match=r"^SKIPPED: the published messages are not at .*; set RIG_CORPUS"):
        LIBRARY.corpus_must_be_there()
    (tmp_path / "keys.json").write_text("{}", encoding="utf-8")
    LIBRARY.corpus_must_be_there()
    told = {"use_case": "ECS42", "kind": "command", "outcome": "SUCCESS", "recipient": "r", "hex": "aa",
            "originator_counter": 7}  # fmt: skip
    others = [{**told, key: "other", "hex": "bb"} for key in ("use_case", "kind", "outcome")]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(one) for one in (*others, told)), encoding="utf-8")
    assert LIBRARY.published_commands("ECS42") == [
        {"name": "ECS42", "use_case": "ECS42", "target": "r", "octets": "aa", "counter": 7}
    ]
    with pytest.raises(Misused, match="no published SUCCESS command of ECS43 in"):
        LIBRARY.published_commands("ECS43")


@pytest.mark.parametrize(
    ("at_ns", "asked_ns", "ending"),
    [
        (None, 5, ""),
        (7 * SECOND, 5, "INFRA: .*but hub sent a beacon at 7.0+ s, and it did not come to hht"),
        (None, None, "INFRA: .*but no tap has a beacon request of hht arriving at hub"),
    ],
)
def test_a_hub_that_is_not_listed_was_asked_and_sent_no_beacon(
    now: Faked, at_ns: int | None, asked_ns: int | None, ending: str
) -> None:
    now.begun = 3
    now.answers["tap.beacon"] = {"at_ns": at_ns, "asked_ns": asked_ns}
    with pytest.raises(SkipExecution if ending else Unmet, match=ending or "expected hub among the hubs found, got no"):
        LIBRARY.hub_should_be_among("hub", [])
    assert now.called[-1] == ("tap.beacon", "hub", {"by": "hht", "since": 3})
    assert [device for verb, device, _ in now.called if verb == "supply.sense"] == ["hub", "hht"]
    now.scanned["hht"] = 8
    with pytest.raises((SkipExecution, Unmet)):
        LIBRARY.hub_should_be_among("hub", [])
    assert now.called[-1][2]["since"] == 8


# ------------------------------------------------------------------------------------------------------- hub and meters


def test_a_device_joins_by_the_frame_that_grants_it_its_tunnel(now: Faked) -> None:
    now.coming = [seen(9, "tunnel.granted", "hub", 300, port="han", peer=EUI["esme"], out=False)]
    now.begin_action()
    Hub().device_should_join()
    assert now.waited == [2 * took("join")]
    assert [(one.expectation, one.outcome, one.device) for one in judge().findings] == [
        ("takes", Outcome.MISSED, "esme"), ("device-joins", Outcome.MET, "esme"),
    ]  # fmt: skip
    Hub().device_should_join("esme", "hub", since=8)
    now.see(seen(10, "tunnel.granted", "lone", 300, port="han", peer=EUI["esme"], out=False))
    Hub().device_should_join("esme", "lone", since=9)
    with pytest.raises(Unmet, match="esme in hub's HAN within 3 s"):
        Hub().device_should_join(since=9, within=timedelta(seconds=3))


@pytest.mark.parametrize(
    ("what", "ending"),
    [
        (seen(9, "tunnel.open", "hub", port="han", peer=EUI["esme"]), "none on the air, and hub reports one"),
        (seen(9, "tunnel.open", "esme", port="han", peer=EUI["hub"]), "none on the air, and esme reports one"),
        (seen(9, "tunnel.open", "esme", port="wan", peer=EUI["hub"]), "esme is the silent one"),
        (seen(9, "tunnel.open", "esme", port="han", peer=EUI["hht"]), "esme is the silent one"),
        (None, "esme is the silent one"),
    ],
)
def test_who_reports_a_tunnel_that_nobody_saw_is_the_one_that_failed(now: Faked, what: Any, ending: str) -> None:
    now.coming = [what] if what else []
    with pytest.raises(Unmet, match=ending):
        expect_tunnel("esme", "hub", now.takes("esme", "join"), 0)
    assert [device for verb, device, _ in now.called if verb == "supply.sense"][:2] == ["esme", "hub"]


@pytest.mark.parametrize("joining", [False, True])
def test_who_was_not_let_in_by_its_hub_did_not_fail_to_join(now: Faked, *, joining: bool) -> None:
    now.admitted[EUI["esme"]] = Asked(EUI["broker"], EUI["hub"], 7, 0, "broker", admits="esme")
    with pytest.raises(SkipExecution if joining else Unmet, match="no tap has the message #7" if joining else "silent"):
        expect_tunnel("esme", "hub", now.takes("esme", "join"), 0, joining=joining)
    assert now.waited == [2 * took("join")]


@pytest.mark.parametrize("both", [("esme", "hub"), ("esme",), ("hub",)])
def test_between_two_devices_under_test_no_tunnel_is_seen(now: Faked, both: tuple[str, ...]) -> None:
    for name in both:
        now.devices[name]["under_test"] = True
    many = len(both) == 2
    with pytest.raises(SkipExecution if many else Unmet, match="both under test" if many else "esme is the silent one"):
        expect_tunnel("esme", "hub", now.takes("esme", "join"), 0)


HEARD = {"at": "hub", "from": 3, "to": 5, "frames": 2}


@pytest.mark.parametrize(
    ("told", "ending"),
    [
        ({}, ""),
        ({"heard": [HEARD, {**HEARD, "to": 255}]}, ""),
        ({"heard": [HEARD, {**HEARD, "to": 254}]},
         "expected frames of esme from endpoint 3 to endpoint 5 of hub, got 2 from endpoint 3 to endpoint 254"),
        ({"heard": [{**HEARD, "from": 4}]}, "got 2 from endpoint 4 to endpoint 5"),
        ({"heard": []}, "INFRA: no radio heard anything of esme since then"),
        ({"whole": False}, "INFRA: the bench no longer holds what its radios heard"),
        ({"set": {"hub": 5}, "whole": False}, "none"),
    ],
)  # fmt: skip
def test_endpoints_are_those_of_the_bench_file(
    now: Faked, told: dict[str, Any], ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    now.answers["tap.endpoints"] = {"set": {"esme": 3, "hub": 5}, "whole": True, "heard": [HEARD], **told}
    now.action = 4
    if ending in ("", "none"):
        Hub().endpoints_should_be_as_set()
        assert bool(judge().findings) is not bool(ending)
        assert ("nothing is judged" in caplog.text) is bool(ending)
    else:
        with pytest.raises(SkipExecution if ending.startswith("INFRA") else Unmet, match=ending):
            Hub().endpoints_should_be_as_set()
    assert now.called == [("tap.endpoints", "esme", {"since": 4})]


NETWORK = seen(9, "radio.network", "hub", 600, port="han")


@pytest.mark.parametrize("under_test", [False, True])
def test_a_hub_is_cut_off_and_comes_back(now: Faked, *, under_test: bool, caplog: pytest.LogCaptureFixture) -> None:
    now.devices["hub"]["under_test"] = under_test
    now.see(seen(4, "radio.network", "hub", port="han"))
    now.begin_action("ECS42")
    now.answers["supply.switch"] = lambda args: now.come(*([NETWORK] if args["on"] else []))
    Hub().power_cycle_hub()
    assert now.did("operator.break_seal", "supply.switch") == [
        ("operator.break_seal", "hub", {}),
        ("supply.switch", "", {"supply": "supply of hub", "on": False}),
        ("supply.switch", "", {"supply": "supply of hub", "on": True}),
    ]
    assert judge().cause == ""
    assert ("Nobody need tap the radio of hub" in caplog.text) is under_test
    assert now.waited[0] == 10 * SECOND
    assert now.waited[1:] == []


def test_a_network_that_does_not_come(now: Faked) -> None:
    now.devices["hub"]["under_test"] = True
    expect_network("hub", 0)
    assert (now.waited, judge().findings) == ([took("boot")], [])
    now.devices["hub"]["under_test"] = False
    with pytest.raises(Unmet, match="expected hub's network, at the port of its radio within 1024 s"):
        expect_network("hub", 0)
    now.coming = [NETWORK]
    expect_network("hub", 0)
    assert {one.expectation for one in judge().findings} == {"network-up"}
    with pytest.raises(Misused, match="no expectation 'x'"):
        expect_network("hub", 0, "x")
    now.out_of_reach.add("hub")
    with pytest.raises(SkipExecution, match="the radios of hub are out of reach"):
        expect_network("hub", 9)


BROUGHT = message(5, "rx", "hub", "command", "supplier", "esme", port="interpan", octets="aa")


@pytest.mark.parametrize(
    ("frames", "events", "ending"),
    [
        (ASKED_IT, [BROUGHT], ""),
        ((), [], "no terminal sent anything to hub by inter-PAN since then"),
        (ASKED_IT[:1], [], "INFRA: .*what a terminal sent to come to hub and to go no further, got nothing at its tap"),
        ((*ASKED_IT, frame("hub", "esme", out=True, port="han", at_s=2)), [],
         "expected nothing of what a terminal sent to leave hub, got the frame of cluster 0x0702"),
        (ASKED_IT, [BROUGHT, message(6, "tx", "hub", "command", "supplier", "esme", at_s=2, octets="aa", use_case="X")],
         "got X by wan at 2.0+ s"),
        (ASKED_IT, [BROUGHT, message(6, "tx", "hub", "command", "supplier", "esme", octets="bb", use_case="X")], ""),
        (ASKED_IT, [BROUGHT, message(6, "tx", "esme", "command", "supplier", "esme", octets="aa", use_case="X")], ""),
        (ASKED_IT, [BROUGHT, message(6, "rx", "hub", "command", "supplier", "esme", octets="aa", use_case="X")], ""),
        (ASKED_IT, [BROUGHT, message(6, "tx", "hub", "command", "supplier", "esme", port="han", octets="aa")], ""),
        (ASKED_IT, [BROUGHT, message(6, "tx", "hub", "command", "supplier", "esme", port="interpan", octets="aa")], ""),
        (ASKED_IT, [message(3, way, "hub", "command", "supplier", "esme", port=port, octets="aa", use_case="X")
                    for way, port in (("rx", "interpan"), ("tx", "wan"))], ""),
        (ASKED_IT, [message(5, "rx", "hub", "command", "supplier", "esme", octets="aa"),
                    message(6, "tx", "hub", "command", "supplier", "esme", octets="aa", use_case="X")], ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("within", [None, timedelta(seconds=3)])
def test_what_a_terminal_sent_goes_no_further_than_the_hub(
    now: Faked, frames: Any, events: list[Any], ending: str, within: timedelta | None,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    taps_have(now, *frames, met=(("esme", "han"),))
    for event in (*events, seen(7, FirewallDropped.kind, "hub", reason="no tunnel"),
                  seen(8, FirewallDropped.kind, "esme", reason="x")):  # fmt: skip
        now.see(event)
    if ending:
        kind = SkipExecution if ending.startswith("INFRA") else Misused if ending.startswith("no term") else Unmet
        with pytest.raises(kind, match=ending):
            Hub().firewall_should_drop(within=within, since=3)
    else:
        Hub().firewall_should_drop(within=within, since=3)
        assert caplog.messages[-1].startswith("No octets of a terminal out of hub from ")
    assert now.waited == [took("answer") if within is None else 3 * SECOND]
    if frames:
        assert "hub itself reports: no tunnel (a report" in caplog.text
    assert ("tap.frames", "hub", {"since": 3, "skip": 0}) in now.called


def test_a_hub_that_got_a_message_elsewhere_may_pass_it_on(now: Faked) -> None:
    whole = bytes.fromhex("0001000000") + bytes(range(16))
    taps_have(now, *(frame("hht", "hub", out=True, octets=whole.hex()), frame("hub", "hht", out=False)),
              frame("hub", "esme", out=True, port="han", at_s=2, octets="080808" + whole[3:].hex()),
              met=(("esme", "han"),))  # fmt: skip
    with pytest.raises(Unmet, match="18 octets that the terminal sent"):
        Hub().firewall_should_drop()
    had = message(5, "rx", "hub", "command", "supplier", "esme", octets=whole.hex())
    now.see(message(4, "rx", "esme", "command", "supplier", "esme", octets=whole.hex()))
    now.see(message(4, "rx", "hub", "command", "supplier", "esme", port="interpan", octets=whole.hex()))
    with pytest.raises(Unmet, match="18 octets that the terminal sent"):
        Hub().firewall_should_drop()
    now.see(had)
    Hub().firewall_should_drop()


def test_endpoint_for_all_is_zigbees() -> None:
    assert hub_module.EVERY_ENDPOINT == 0xFF


# ---------------------------------------------------------------------------------------------------------------- meter


@pytest.mark.parametrize(
    ("data", "state", "ending"),
    [(["1600"], SupplyState.DISABLED, ""), (["1601"], SupplyState.ENABLED, ""), (["1602"], SupplyState.ARMED, ""),
     (["1601"], SupplyState.ARMED, "ARMED, got ENABLED"), (["1607"], SupplyState.ARMED, "ARMED, got 7"),
     ([], SupplyState.ARMED, "ARMED, got none"), (["1602", "1602"], SupplyState.ARMED, "ARMED, got ARMED, ARMED")],
)  # fmt: skip
def test_a_meter_reports_its_supply(
    now: Faked, data: list[str], state: SupplyState, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    now.replies["command"] = {"counter": 7}
    told = {"from": EUI["esme"], "recipient": EUI["supplier"], "counter": 7, "cra": 2, "verified": True}
    now.coming = [seen(9, "party.received", "supplier", 5, octets="", success=True, results=[0], data=data, **told)]
    if not ending:
        ElectricityMeter().meter_should_report_supply(state)
        assert f"esme reports its supply {state.name}" in caplog.messages
    else:
        with pytest.raises(Unmet, match=f"expected esme to report its supply {ending}"):
            ElectricityMeter().meter_should_report_supply(state)
        assert ("not at all" in caplog.text) is (not data)
    assert now.asked_for[-1][2]["use_case"] == "ECS45"


def test_a_button_is_held_as_long_as_it_is_told(now: Faked) -> None:
    ElectricityMeter().press_button("a", hold=timedelta(milliseconds=1500))
    ElectricityMeter().press_button("b", "gsme")
    assert now.did("operator.press") == [
        ("operator.press", "esme", {"button": "a", "hold_ns": 1_500_000_000}),
        ("operator.press", "gsme", {"button": "b", "hold_ns": 3 * SECOND}),
    ]
    assert now.waited == [1_501_000_000, 3_001_000_000]
    assert (judge().cause, now.time_of(now.action)) == (PRESS, now.now)


@pytest.mark.parametrize(
    ("last", "since"),
    [
        (seen(6, "power", "esme", on=True), 6), (seen(6, "power", "hub", on=True), 6),
        (seen(6, "tunnel.closed", "hub", port="han", peer=EUI["esme"], reason="x"), 6),
        (seen(6, "tunnel.closed", "hub", port="han", peer=EUI["gsme"], reason="x"), 0),
        (seen(6, "tunnel.closed", "hub", port="interpan", peer=EUI["esme"], reason="x"), 0),
        (seen(6, "power", "gsme", on=True), 0), (seen(6, "hub.flags", "esme"), 0),
    ],
)  # fmt: skip
def test_a_meter_is_reachable_by_the_tunnel_since_the_last_cut(now: Faked, last: Any, since: int) -> None:
    granted = {"port": "han", "peer": EUI["esme"], "out": False}
    now.see(seen(5, "tunnel.granted", "hub", **granted))
    now.see(last)
    now.coming = [seen(9, "tunnel.granted", "hub", 5, **granted)]
    ElectricityMeter().wait_until_meter_is_reachable()
    assert now.waited == ([2 * took("rejoin")] if since else [])
    assert {one.expectation for one in judge().findings} >= {"reachable"}
    now.replies["command"] = {"counter": 7}
    told = {"from": EUI["esme"], "recipient": EUI["supplier"], "counter": 7, "cra": 2, "verified": True}
    now.coming += [seen(10, "party.received", "supplier", 5, octets="", success=True, results=[], data=[], **told)]
    ElectricityMeter().wait_until_meter_answers()
    assert now.asked_for[-1][2] == {"args": {}, "use_case": "ECS45", "device": EUI["esme"], "delivery": "wan"}


def test_a_display_is_looked_at_each_second(now: Faked, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = ["off"]
    now.devices["esme"]["takes"] = {"display": {"ns": SECOND, "basis": "b", "declared": True}}
    now.answers["operator.read"] = lambda _args: {"text": shown.pop(0) if len(shown) > 1 else shown[0]}
    with pytest.raises(Unmet, match="expected the display of esme to show 'never', got 'off'"):
        ElectricityMeter().display_should_show("never")
    assert now.waited == [SECOND, SECOND]
    now.called.clear()
    judge().begin("")
    shown[:] = ["off", "off", "Supply ON"]
    now.now = 7 * SECOND
    ElectricityMeter().display_should_show("supply on")
    assert now.waited == [SECOND, SECOND]
    assert [one.expectation for one in judge().findings] == ["takes", "display-shows"]
    assert judge().findings[0].reading.value == 2.0  # type: ignore[union-attr]
    now.answers["supply.sense"] = {"good": False, "by": "a pin"}
    with pytest.raises(SkipExecution, match="esme has no supply"):
        ElectricityMeter().display_should_show("never")


# --------------------------------------------------------------------------------------------------------------- probes


@pytest.mark.parametrize(
    ("device", "sender", "use_case"),
    [("esme", "supplier", "ECS45"), ("gsme", "supplier", "GCS33"), ("hub", "broker", "CCS05"), ("hht", "", "")],
)
def test_a_device_is_probed_with_a_read_of_its_kind(
    now: Faked, device: str, sender: str, use_case: str, caplog: pytest.LogCaptureFixture
) -> None:
    now.coming = [message(9, "rx", "broker", "response", device, "broker")]
    assert probe(now, device) is bool(sender)
    if not sender:
        assert not now.called
        return
    values = {"use_case": use_case, "device": EUI[device], "args": {}, "delivery": "wan"}
    assert now.asked_for == [(sender, "command", values)]
    assert now.waited == [2 * took("wake", "answer")]
    assert caplog.messages == [f"Whether anything comes back from {device} is tried with a read ({use_case})."]
    waiting = [args for verb, _, args in now.called if verb == "clock.advance"]
    assert waiting[0]["until"] == {
        "kind": "gbcs.rx", "device": "broker", "fields": {"originator": printed(device)}
    }  # fmt: skip


def probed(now: Faked, **replies: Any) -> bool:
    now.replies = {"command": {"counter": 7}, "work_order": {"commands": [{"octets": OCTETS}]}, **replies}
    return probe_by_terminal(now, "esme", "hht")


def test_a_device_is_probed_by_a_terminal(now: Faked, caplog: pytest.LogCaptureFixture) -> None:
    def come(_args: Any) -> Mapping[str, Any]:
        now.see(seen(now.last + 1, LocalCopyReceived.kind, "supplier", counter=7, **{"for": EUI["esme"]}))
        return {"counter": 7}

    assert probed(now, command=come)
    assert now.asked_for == [
        ("supplier", "command", {"use_case": "ECS45", "device": EUI["esme"], "args": {}, "delivery": "local"}),
        ("supplier", "work_order", {"device": EUI["esme"]}),
        ("hht", "load", {"work_order": [{"name": "probe of the bench", "device": EUI["esme"], "octets": OCTETS}]}),
        ("hht", "apply", {"name": "probe of the bench"}),
    ]
    assert now.waited == [2 * took("wake", "answer")]
    assert not probed(now, command=come, work_order={"commands": []})
    assert "supplier has no local copy of the read #7 for esme in its work order." in caplog.messages

    def refuse(_args: Any) -> Mapping[str, Any]:
        raise Misused("no connection")

    assert not probed(now, command=come, apply=refuse)
    assert "hht carries no read to esme: no connection" in caplog.messages
    now.called.clear()
    assert not probed(now, command={"counter": 8})
    assert now.waited == [2 * took("answer")]
    now.called.clear()
    assert not probe_by_terminal(now, "hub", "hht")
    assert not probe_by_terminal(now, "hht", "hht")
    assert not now.called
