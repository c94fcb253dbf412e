"""Who is the silent one, and what has to be shown for it, on a made-up bench; copies and acknowledgements."""

from __future__ import annotations

from typing import Any

import pytest
from robot.api import SkipExecution

from devices.events.bench import SendingFailed
from devices.wire import gbcs
from rig.evidence.leaks import Tapped
from rig.keywords.copies import copy_with, ids_of
from rig.keywords.judge import Unmet
from rig.keywords.silence import PARTIES, USERS, Asked, blame, blame_hub, crossing_shown, heard_of, sound
from rig.keywords.taps import acknowledged
from tests.keywords.fake import EUI, SECOND, Faked, message, printed, seen, took

ASKED = Asked(EUI["supplier"], EUI["esme"], 7, 2, "supplier")
FAILURE = Unmet("expected x, got y")
CAME = message(5, "rx", "esme", "command", "supplier", "esme", at_s=1)
ANSWERED = message(6, "tx", "esme", "response", "esme", "supplier", at_s=2)
BACK = message(9, "rx", "broker", "response", "esme", "broker", 3, at_s=3)


def ended(now: Faked, *events: Any, device: str = "esme", **more: Any) -> str:
    """How blaming a device ends, in words."""
    for event in events:
        now.see(event)
    now.answers["tap.frames"] = {"whole": True, "more": False, "frames": [], "met": []}
    with pytest.raises((SkipExecution, Unmet)) as raised:
        blame(now, device, more.pop("asked", ASKED), FAILURE, **more)
    return str(raised.value)


NOT_SHOWN = "INFRA: expected x, got y; but it is not shown that a device failed: "
SILENT = "expected x, got y; esme is the silent one: "
SENSED = "its supply was sensed by a pin"


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([], f"{NOT_SHOWN}no tap has the message #7 for esme"),
        ([message(2, "rx", "esme", "command", "supplier", "esme")], f"{NOT_SHOWN}no tap has the message #7 for esme"),
        ([CAME, BACK],
         f"{SILENT}the message crossed to it at 1.000000 s; {SENSED}; the way back carried something at 3.000000 s"),
        ([CAME], f"{NOT_SHOWN}the way from esme back to supplier has carried nothing in this test"),
        ([CAME, ANSWERED], f"{NOT_SHOWN}its answer left esme by wan at 2.000000 s and no tap has it arriving"),
        ([CAME, ANSWERED, message(7, "rx", "hub", "response", "esme", "supplier", at_s=4), BACK],
         "expected x, got y; hub is the silent one: its answer crossed to it at 4.000000 s; "
         f"{SENSED}; the way back carried something at 3.000000 s"),
        ([CAME, ANSWERED, message(7, "rx", "broker", "response", "esme", "supplier", at_s=4)],
         f"{NOT_SHOWN}its answer came to broker at 4.000000 s, which is part of the bench, and went no further"),
        ([message(5, "tx", "broker", "command", "supplier", "esme", at_s=1, peer=EUI["hub"])],
         f"{NOT_SHOWN}the message left broker by wan at 1.000000 s and no tap has it arriving"),
        ([message(5, "tx", "broker", "command", "supplier", "esme", at_s=1, peer=EUI["lone"]),
          message(9, "rx", "broker", "response", "lone", "broker", 3, at_s=3)],
         "expected x, got y; lone is the silent one: the message crossed to it on its own line at 1.000000 s; "
         f"{SENSED}; the way back carried something at 3.000000 s"),
        ([message(5, "tx", "broker", "response", "esme", "supplier", at_s=1, peer=EUI["lone"])],
         f"{NOT_SHOWN}its answer left broker by wan at 1.000000 s and no tap has it arriving"),
    ],
)  # fmt: skip
def test_a_command_is_followed_to_whoever_had_it_last(now: Faked, events: list[Any], words: str) -> None:
    assert ended(now, *events) == words


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([CAME], f"{SILENT}the message crossed to it at 1.000000 s; {SENSED}"),
        ([CAME, ANSWERED], f"{SILENT}the message crossed to it at 1.000000 s; {SENSED}"),
        ([ANSWERED], f"{NOT_SHOWN}no tap has the message #7 for esme"),
    ],
)
def test_who_need_not_answer_is_not_asked_for_a_way_back(now: Faked, events: list[Any], words: str) -> None:
    assert ended(now, *events, answer=False) == words


def test_a_terminal_that_had_the_answer_is_part_of_the_bench(now: Faked) -> None:
    asked = Asked(EUI["supplier"], EUI["esme"], 7, 2, "hht")
    came = message(7, "rx", "hht", "response", "esme", "supplier", at_s=4)
    assert ended(now, CAME, ANSWERED, came, asked=asked) == (
        f"{NOT_SHOWN}its answer came to hht at 4.000000 s, which is part of the bench, and went no further"
    )


@pytest.mark.parametrize("name", ["supplier", "broker"])
def test_a_party_is_part_of_the_bench(now: Faked, name: str) -> None:
    assert ended(now, device=name, asked=None) == f"{NOT_SHOWN}{name} is part of the bench"
    assert (set(PARTIES) - set(USERS), len(PARTIES)) == ({"access_control_broker"}, 3)


@pytest.mark.parametrize(
    ("good", "words"),
    [
        (True, f"{SILENT}{SENSED}"),
        (False, f"{NOT_SHOWN}esme has no supply, as a pin shows"),
        (None, f"{NOT_SHOWN}nothing on this bench senses the supply of esme"),
    ],
)
def test_whose_supply_nobody_senses_is_not_silent(now: Faked, good: bool | None, words: str) -> None:
    now.answers["supply.sense"] = {"good": good, "by": "a pin"}
    assert ended(now, asked=None) == words
    assert now.called[0] == ("supply.sense", "esme", {})


ADMITS = Asked(EUI["broker"], EUI["hub"], 7, 2, "broker", admits="esme")
TOLD = message(5, "rx", "hub", "command", "broker", "hub", at_s=1)


def test_who_was_let_in_and_does_not_come_is_silent_and_else_it_is_whoever_had_the_word(now: Faked) -> None:
    assert ended(now, TOLD, asked=ADMITS) == (
        f"{SILENT}the hub was told to let it in (the message crossed to it at 1.000000 s), and {SENSED}; {SENSED}"
    )
    assert [device for verb, device, _ in now.called if verb == "supply.sense"] == ["hub", "esme"]
    now.events.clear()
    assert ended(now, message(5, "rx", "esme", "command", "broker", "hub", at_s=1), asked=ADMITS) == (
        f"{SILENT}the message crossed to it at 1.000000 s; {SENSED}"
    )


@pytest.mark.parametrize("away", ["esme", "hub"])
def test_who_is_out_of_reach_of_its_hub_tells_no_party(now: Faked, away: str) -> None:
    assert ended(now, BACK, asked=None, hears="supplier") == (
        f"{SILENT}{SENSED}; the way back carried something at 3.000000 s"
    )
    now.out_of_reach.add(away)
    words = f"the radios of {away} are out of reach, as this test has them"
    assert ended(now, asked=None, hears="supplier") == f"{NOT_SHOWN}{words}"
    with pytest.raises(SkipExecution, match=words):
        sound(now, FAILURE, "gsme", away)
    sound(now, FAILURE, "gsme")
    sound(now, FAILURE)


@pytest.mark.parametrize(
    ("event", "hub_shown", "meter_shown"),
    [
        (message(5, "rx", "broker", "response", "esme", "broker", at_s=4), True, True),
        (message(5, "rx", "supplier", "response", "gsme", "broker", at_s=4), True, False),
        (message(5, "rx", "broker", "response", "lone", "broker", at_s=4), False, False),
        (message(5, "rx", "broker", "response", "hub", "broker", at_s=4), True, False),
        (message(5, "tx", "broker", "response", "esme", "broker", at_s=4), False, False),
        (message(5, "rx", "hht", "response", "esme", "broker", at_s=4), False, False),
        (message(3, "rx", "broker", "response", "esme", "broker", at_s=4), False, False),
    ],
)
def test_the_way_back_is_shown_by_what_came_to_a_party_since_the_roads_were_changed(
    now: Faked, event: Any, *, hub_shown: bool, meter_shown: bool
) -> None:
    now.changed = 3
    now.see(event)
    for device, shown in (("hub", hub_shown), ("esme", meter_shown)):
        now.called.clear()
        if shown:
            heard_of(now, device, "supplier", FAILURE)
            assert now.waited == []
            continue
        with pytest.raises(SkipExecution, match=f"the way from {device} back to supplier has carried nothing"):
            heard_of(now, device, "supplier", FAILURE)
        assert now.waited == [2 * took("wake", "answer")], "a read is tried"


def leg(device: str, peer: str, port: str, at_s: float, *, out: bool = False) -> dict[str, Any]:
    return {"device": device, "at_ns": round(at_s * SECOND), "port": port, "out": out, "peer": EUI[peer],
            "cluster": 0x0704, "octets": "01"}  # fmt: skip


@pytest.mark.parametrize(
    ("device", "frames", "at"),
    [
        ("hub", [leg("hht", "hub", "interpan", 2), leg("hht", "hub", "interpan", 1)], "2.000000 s"),
        ("esme", [leg("hht", "hub", "interpan", 2), leg("hub", "esme", "han", 1)], "1.000000 s"),
        ("esme", [leg("hht", "hub", "interpan", 2)], ""),
        ("esme", [leg("hub", "esme", "han", 1)], ""),
        ("esme", [leg("hht", "hub", "interpan", 2), leg("hub", "esme", "han", 1, out=True)], ""),
        ("esme", [leg("hht", "hub", "interpan", 2), leg("hub", "gsme", "han", 1)], ""),
        ("esme", [leg("hht", "hub", "interpan", 2), leg("esme", "hub", "han", 1)], ""),
        ("esme", [leg("hht", "hub", "interpan", 2), leg("hub", "esme", "interpan", 1)], ""),
    ],
)
def test_the_way_to_a_terminal_is_shown_by_frames(
    now: Faked, device: str, frames: list[dict[str, Any]], at: str
) -> None:
    now.changed = 4
    now.answers["tap.frames"] = {"whole": True, "more": False, "frames": frames, "met": []}
    now.replies["command"] = {"counter": 7}
    if at:
        heard_of(now, device, "hht", FAILURE)
        assert {args["since"] for verb, _, args in now.called if verb == "tap.frames"} == {4}
        asked = Asked(EUI["supplier"], EUI[device], 7, 2, "hht")
        now.see(message(5, "rx", device, "command", "supplier", device))
        with pytest.raises(Unmet, match=f"the way back carried something at {at}"):
            blame(now, device, asked, FAILURE)
        return
    with pytest.raises(SkipExecution, match=f"the way from {device} back to hht has carried nothing"):
        heard_of(now, device, "hht", FAILURE)


@pytest.mark.parametrize(
    ("event", "waits_at", "shown"),
    [
        (CAME, "", True),
        (message(5, "rx", "hub", "command", "supplier", "esme"), "", False),
        (message(5, "rx", "hub", "command", "supplier", "esme"), "hub", True),
        (message(2, "rx", "esme", "command", "supplier", "esme"), "", False),
        (message(5, "rx", "esme", "command", "supplier", "esme", 8), "", False),
        (message(5, "tx", "broker", "command", "supplier", "esme", peer=EUI["esme"]), "", False),
    ],
)
def test_a_command_came_to_a_device_or_waits_at_its_hub(now: Faked, event: Any, waits_at: str, *, shown: bool) -> None:
    now.see(event)
    crossing_shown(now, "esme", None, FAILURE)
    if shown:
        crossing_shown(now, "esme", ASKED, FAILURE, waits_at=waits_at)
        return
    with pytest.raises(SkipExecution, match="no tap has the message #7 crossing to esme"):
        crossing_shown(now, "esme", ASKED, FAILURE, waits_at=waits_at)


@pytest.mark.parametrize(
    ("way", "peer", "shown"), [("tx", "lone", True), ("tx", "hub", False), ("rx", "lone", False), ("tx", "esme", False)]
)
def test_what_went_onto_a_line_of_its_own_came(now: Faked, way: str, peer: str, *, shown: bool) -> None:
    asked = Asked(EUI["supplier"], EUI["lone"], 7, 2, "supplier")
    now.see(message(5, way, "broker", "command", "supplier", "lone", peer=EUI[peer]))
    if shown:
        crossing_shown(now, "lone", asked, FAILURE)
        return
    with pytest.raises(SkipExecution, match="no tap has the message #7 crossing to lone"):
        crossing_shown(now, "lone", asked, FAILURE)


def test_a_hub_that_was_asked_and_is_silent(now: Faked) -> None:
    frames = [leg("hub", "hht", "interpan", 1), leg("hub", "hht", "interpan", 2)]
    now.answers["tap.frames"] = {"whole": True, "more": False, "frames": frames, "met": []}
    with pytest.raises(Unmet, match=f"y; hub is the silent one: a frame of hht crossed to it at 2.000000 s; {SENSED}"):
        blame_hub(now, "hub", "hht", 4, FAILURE)
    assert ("tap.frames", "hht", {"since": 4, "skip": 0}) in now.called


# --------------------------------------------------------------------------------------- copies and acknowledgements


def octets(counter: int, recipient: str = "esme") -> str:
    ends = bytes.fromhex(EUI["supplier"]), bytes.fromhex(EUI[recipient])
    return gbcs.encode(gbcs.Message(1, counter, *ends, 0x53, b"\xd9")).hex()


def test_a_copy_is_known_by_its_three_ids() -> None:
    ids = EUI["supplier"], EUI["esme"], 7
    assert ids_of(octets(7)) == ids
    orders = [{"octets": text} for text in ("00", octets(8), octets(7, "gsme"), octets(7), octets(9))]
    assert copy_with(ids, orders) == octets(7)
    assert copy_with(ids, orders[:3]) is None


@pytest.mark.parametrize(
    ("sent", "lost", "got"),
    [(1, [], True), (1, [{}], False), (2, [{}], True), (2, [{}, {}], False), (0, [], False), (1, [{"order": 3}], True),
     (1, [{"device": "esme"}], True), (1, [{"port": "han"}], True), (1, [{"peer": EUI["esme"]}], True),
     (1, [{"kind": "power"}], True)],
)  # fmt: skip
def test_more_frames_than_were_lost_means_one_was_acknowledged(
    now: Faked, sent: int, lost: list[dict[str, Any]], *, got: bool
) -> None:
    for one in lost:
        told = {"order": 4, "kind": SendingFailed.kind, "device": "hht", "port": "interpan", "peer": EUI["hub"], **one}
        now.see(seen(told.pop("order"), told.pop("kind"), told.pop("device"), **told))
    frame = Tapped("hht", 1, "interpan", True, bytes.fromhex(EUI["hub"]), 0x0704, b"\x01")
    assert acknowledged(now, [frame] * sent, 3) is got
    assert printed("hub")
