"""A message is followed by its three ids: originator, recipient, counter, and by what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from robot.api import SkipExecution

from devices.wire import cosem, dlms_alerts, eui64, gbcs, gbt, tunnelling
from rig.bus.messages import Event
from rig.keywords.judge import Unmet
from rig.keywords.session import Session
from rig.keywords.silence import Asked, Loaded, blame

SUPPLIER, METER, OTHER = "90b3d51f30010000", "00db1234567890a0", "00db1234567890a1"
ASKED = Asked(SUPPLIER, METER, 7, 0, "supplier")


def tapped(cra: str, originator: str, recipient: str, counter: int) -> Event:
    ends = {"originator": eui64.text(bytes.fromhex(originator)), "recipient": eui64.text(bytes.fromhex(recipient))}
    return Event(1, 1, "boot", "esme", "gbcs.rx", 0, {"cra": cra, "counter": counter, "device": "esme", **ends})


@pytest.mark.parametrize(
    ("event", "carries", "answers"),
    [
        (tapped("command", SUPPLIER, METER, 7), True, False),
        (tapped("response", METER, SUPPLIER, 7), False, True),
        (tapped("alert", METER, SUPPLIER, 7), False, False),
        (tapped("command", SUPPLIER, METER, 8), False, False),
        (tapped("command", SUPPLIER, OTHER, 7), False, False),
        (tapped("response", OTHER, SUPPLIER, 7), False, False),
        (tapped("response", METER, OTHER, 7), False, False),
        (tapped("response", METER, SUPPLIER, 6), False, False),
    ],
)
def test_a_command_and_its_answer_are_known_by_their_ids(event: Event, *, carries: bool, answers: bool) -> None:
    assert (ASKED.carries(event), ASKED.answers(event)) == (carries, answers)


def test_what_nobody_can_read_is_neither() -> None:
    event = Event(1, 1, "boot", "esme", "gbcs.rx", 0, {"device": "esme", "unreadable": "truncated"})
    assert not ASKED.carries(event)
    assert not ASKED.answers(event)


def test_a_command_in_a_terminal_has_the_ids_of_its_octets() -> None:
    message = gbcs.Message(1, 7, bytes.fromhex(SUPPLIER), bytes.fromhex(METER), 0x0053, b"\xd9")
    loaded = Loaded(gbcs.encode(message).hex(), 12)
    assert loaded.asked("hht") == Asked(SUPPLIER, METER, 7, 12, "hht")
    assert loaded.asked("hht", 20).since == 20


# ------------------------------------------------------------------------------------------------ alerts, tap after tap

DEVICES = {
    "supplier": {"kind": "supplier", "eui": SUPPLIER},
    "broker": {"kind": "access_control_broker", "eui": "90b3d51f30000002"},
    "hub": {"kind": "comms_hub", "eui": OTHER},
    "esme": {"kind": "esme", "eui": METER, "behind": "hub"},
}


class Sensed(Session):
    """A session with a bench that has these devices, all with their supply."""

    def __init__(self, *events: Event, frames: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__()
        self.devices, self.events, self._frames = dict(DEVICES), list(events), list(frames)

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
        if verb == "tap.frames":
            return {"whole": True, "more": False, "frames": self._frames, "met": []}
        assert verb == "supply.sense", (device, args)
        return {"good": True, "by": "a pin"}


def crossed(kind: str, device: str, number: int, cra: str = "alert") -> Event:
    ends = {"originator": eui64.text(bytes.fromhex(METER)), "recipient": eui64.text(bytes.fromhex(SUPPLIER))}
    fields = {"cra": cra, "counter": number, "device": device, "port": "han", **ends}
    return Event(1, 1, "boot", device, f"gbcs.{kind}", 0, fields)


LEFT, HAD, AT_HEAD = crossed("tx", "esme", 7), crossed("rx", "hub", 7), crossed("rx", "broker", 7)
SENT_ON, THERE = crossed("tx", "broker", 7), crossed("rx", "supplier", 7)
ANSWERED = crossed("rx", "broker", 3, "response")


@pytest.mark.parametrize(
    ("events", "lost"),
    [
        ([LEFT], "left esme by han"),
        ([LEFT, HAD, crossed("tx", "hub", 7)], "left hub by han"),
        ([LEFT, HAD, AT_HEAD, SENT_ON], "left broker by han"),
        ([crossed("tx", "esme", 6), crossed("rx", "supplier", 6), LEFT], "left esme by han"),
        ([LEFT, HAD, AT_HEAD], "came to broker at"),
    ],
)
def test_an_alert_that_left_somebody_and_arrived_nowhere_is_no_failure_of_the_meter(
    events: list[Event], lost: str
) -> None:
    with pytest.raises(
        SkipExecution, match=f"INFRA: .*an alert of esme {lost}.*(no tap has it arriving|went no further)"
    ):
        blame(Sensed(ANSWERED, *events), "esme", None, Unmet("an alert"), hears="supplier")


@pytest.mark.parametrize(
    ("events", "silent"),
    [
        ([], "esme"),
        ([LEFT, HAD], "hub"),
        ([LEFT, HAD, AT_HEAD, SENT_ON, THERE], "esme"),  # another alert than the one that was to come
        ([LEFT, HAD, AT_HEAD, SENT_ON, THERE, crossed("tx", "hub", 7)], "esme"),  # a copy for a terminal
    ],
)
def test_whoever_had_the_alert_last_and_kept_it_is_the_silent_one(events: list[Event], silent: str) -> None:
    with pytest.raises(Unmet, match=f"{silent} is the silent one"):
        blame(Sensed(ANSWERED, *events), "esme", None, Unmet("an alert"), hears="supplier")


# -------------------------------------------------------------------------- a transfer that broke off on the air


def in_blocks(cra: int, sender: str, receiver: str) -> list[bytes]:
    """The frames in which a message of 300 octets crosses the HAN."""
    ends = (bytes.fromhex(METER), bytes.fromhex(SUPPLIER))
    originator, recipient = ends if cra != 1 else reversed(ends)
    octets = gbcs.encode(gbcs.Message(cra, 7, originator, recipient, 0x0067, bytes(300)))
    assert sender != receiver
    commands = [tunnelling.TransferData(1, block, to_server=False) for block in gbt.split(octets, 100)]
    return [tunnelling.encode(one, sequence) for sequence, one in enumerate(commands)]


def on_air(blocks: Sequence[bytes], sender: str, receiver: str, lost: int = -1) -> list[dict[str, Any]]:
    """What both taps have of these frames, where the one numbered ``lost`` did not arrive."""
    frames = []
    for place, octets in enumerate(blocks):
        for device, peer, out in ((sender, receiver, True), (receiver, sender, False)):
            told = {"device": device, "at_ns": place, "port": "han", "out": out, "peer": DEVICES[peer]["eui"]}
            if out or place != lost:
                frames.append({**told, "cluster": tunnelling.CLUSTER, "octets": octets.hex()})
    return frames


@pytest.mark.parametrize(
    ("sent", "lost", "is_air"),
    [(2, 1, True), (3, 0, True), (1, 0, True), (2, -1, False), (0, -1, False)],
    ids=["the second", "one before the last", "the first", "none, it stopped by itself", "none was sent"],
)
def test_an_alert_that_broke_off_on_the_air_is_no_silence_of_the_meter(sent: int, lost: int, *, is_air: bool) -> None:
    blocks = in_blocks(3, "esme", "hub")
    assert len(blocks) > 3
    now = Sensed(ANSWERED, frames=on_air(blocks[:sent], "esme", "hub", lost))
    ending = "INFRA: .*a message began to leave esme by han .* and broke off: " if is_air else "esme is the silent"
    with pytest.raises(SkipExecution if is_air else Unmet, match=ending):
        blame(now, "esme", None, Unmet("an alert"), hears="supplier")


def test_a_transfer_that_broke_off_and_was_sent_anew_excuses_nobody() -> None:
    blocks = in_blocks(3, "esme", "hub")
    frames = on_air(blocks[:2], "esme", "hub", 1) + on_air(blocks, "esme", "hub")
    with pytest.raises(Unmet, match="esme is the silent one"):
        blame(Sensed(ANSWERED, frames=frames), "esme", None, Unmet("an alert"), hears="supplier")


@pytest.mark.parametrize(("cra", "holder", "towards"), [(1, "hub", "esme"), (2, "esme", "hub"), (3, "esme", "hub")])
def test_a_command_or_its_answer_that_broke_off_on_the_air_is_nobodys_silence(
    cra: int, holder: str, towards: str
) -> None:
    """An alert that broke off is none of the two, and excuses no missing answer."""
    ends = {"originator": eui64.text(bytes.fromhex(SUPPLIER)), "recipient": eui64.text(bytes.fromhex(METER))}
    had = Event(1, 1, "boot", holder, "gbcs.rx", 0, {"cra": "command", "counter": 7, "device": holder, **ends})
    frames = on_air(in_blocks(cra, holder, towards)[:2], holder, towards, 1)
    ending = "esme is the silent" if cra == 3 else f"INFRA: .*a message began to leave {holder} by han"
    with pytest.raises(Unmet if cra == 3 else SkipExecution, match=ending):
        blame(Sensed(ANSWERED, had, frames=frames), "esme", ASKED, Unmet("an answer"))


def test_an_end_under_test_cannot_show_that_all_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DEVICES, "hub", {**DEVICES["hub"], "under_test": True})
    now = Sensed(ANSWERED, frames=on_air(in_blocks(3, "esme", "hub")[:2], "esme", "hub"))
    with pytest.raises(SkipExecution, match=r"INFRA: .*a message began to leave esme"):
        blame(now, "esme", None, Unmet("an alert"), hears="supplier")


@pytest.mark.parametrize(("sender", "is_air"), [("esme", True), ("hub", False)])
def test_an_acknowledgement_that_did_not_come_breaks_a_transfer_off_too(sender: str, *, is_air: bool) -> None:
    """Every frame arrived, and the radio of the sender does not know it."""
    failed = Event(1, 1, "boot", sender, "send.failed", 5, {"device": sender, "port": "han"})
    now = Sensed(ANSWERED, failed, frames=on_air(in_blocks(3, "esme", "hub")[:2], "esme", "hub"))
    with pytest.raises(SkipExecution if is_air else Unmet):
        blame(now, "esme", None, Unmet("an alert"), hears="supplier")


def raised(code: int, number: int) -> Event:
    """An alert with this code that left the meter."""
    body = cosem.encode(dlms_alerts.write(dlms_alerts.Alert(number, b"", code, bytes(12))))
    octets = gbcs.encode(gbcs.Message(3, number, bytes.fromhex(METER), bytes.fromhex(SUPPLIER), 0x0081, body))
    left = crossed("tx", "esme", number)
    return replace(left, fields={**left.fields, "octets": octets.hex()})


@pytest.mark.parametrize(
    ("alerts", "lost"), [([0x8F36], True), ([0x8F3F], False), ([0x8F36, 0x8F3F], True), ([], False)]
)
def test_an_alert_with_another_code_excuses_no_meter(alerts: list[int], *, lost: bool) -> None:
    now = Sensed(ANSWERED, *(raised(code, number) for number, code in enumerate(alerts, 7)))
    with pytest.raises(
        SkipExecution if lost else Unmet, match="left esme by han" if lost else "esme is the silent one"
    ):
        blame(now, "esme", None, Unmet("an alert"), hears="supplier", alert=0x8F36)
