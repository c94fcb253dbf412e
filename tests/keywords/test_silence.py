"""A message is followed by its three ids: originator, recipient, counter, and by what it is."""

from __future__ import annotations

import pytest

from devices.wire import eui64, gbcs
from rig.bus.messages import Event
from rig.keywords.silence import Asked, Loaded

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
