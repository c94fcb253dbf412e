"""A message is followed by its three ids: originator, recipient, counter, and by what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from robot.api import SkipExecution

from devices.wire import eui64, gbcs
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

    def __init__(self, *events: Event) -> None:
        super().__init__()
        self.devices, self.events = dict(DEVICES), list(events)

    def call(self, verb: str, /, *, device: str = "", **args: Any) -> Mapping[str, Any]:
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
    ],
)
def test_an_alert_that_left_somebody_and_arrived_nowhere_is_no_failure_of_the_meter(
    events: list[Event], lost: str
) -> None:
    with pytest.raises(SkipExecution, match=f"INFRA: .*an alert of esme {lost}.*no tap has it arriving"):
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
