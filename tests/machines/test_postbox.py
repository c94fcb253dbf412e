"""What waits in a machine's postbox, in which order it leaves, and what is kept of it over a power loss."""

from __future__ import annotations

from devices.machines.core import Effect, Persist, Send, SendFailed
from devices.machines.parts.postbox import Postbox

A, B = bytes.fromhex("0a"), bytes.fromhex("0b")


def _kept(*rows: tuple[str, bytes, bytes]) -> Persist:
    return Persist("postbox", [[port, peer.hex(), octets.hex()] for port, peer, octets in rows])


def _failed(token: int) -> SendFailed:
    return SendFailed("wan", A, token, "no link")


def _waiting(box: Postbox) -> list[tuple[str, bytes, bytes]]:
    return [(one.port, one.peer, one.octets) for one in box.waiting]


def _after(sent: int, *failed: int) -> Postbox:
    """Messages b"\\x01", b"\\x02"... to A left through the WAN; those numbers failed, in that order."""
    box = Postbox()
    for number in range(1, sent + 1):
        assert box.send("wan", A, bytes((number,))) == [Send("wan", A, bytes((number,)), token=number)]
    for number in failed:
        box.failed(_failed(number))
    return box


def test_messages_that_failed_wait_in_the_order_in_which_they_were_given() -> None:
    for failed in ((1, 2, 3), (3, 2, 1), (2, 3, 1), (2, 1, 3), (3, 1, 2)):
        assert _waiting(_after(3, *failed)) == [("wan", A, bytes((n,))) for n in (1, 2, 3)], failed


def test_a_message_that_failed_waits_before_all_that_were_given_later_and_behind_those_for_others() -> None:
    box = _after(1)
    other = Send("wan", B, b"b", token=2)
    assert box.send("wan", B, b"b") == [other]
    assert box.failed(_failed(2)) == [_kept(("wan", B, b"b"))]
    assert box.send("wan", B, b"c") == [_kept(("wan", B, b"b"), ("wan", B, b"c"))]
    assert box.send("han", B, b"h") == [Send("han", B, b"h", token=3)], "another port is another way"
    rows = ("wan", B, b"b"), ("wan", B, b"c"), ("wan", A, b"\x01")
    assert box.failed(_failed(1)) == [_kept(*rows)]
    assert box.send("wan", A, b"new") == [_kept(*rows, ("wan", A, b"new"))]
    # What never left was given after what left and failed, however late the word of that comes.
    assert box.failed(_failed(3)) == [_kept(*rows, ("wan", A, b"new"), ("han", B, b"h"))]


def test_what_never_left_waits_behind_what_failed() -> None:
    box = _after(2, 1)
    box.send("wan", A, b"never left")
    box.failed(_failed(2))
    assert [one.octets for one in box.waiting] == [b"\x01", b"\x02", b"never left"]
    restored = Postbox()
    restored.restore({"postbox": [["wan", "0a", "6b657074"]]})
    restored.send("wan", B, b"left")
    restored.failed(_failed(1))
    assert _waiting(restored) == [("wan", A, b"kept"), ("wan", B, b"left")]


def test_word_of_an_unknown_message_changes_nothing_and_no_message_fails_twice() -> None:
    box = _after(1)
    assert box.failed(_failed(7)) == []
    assert box.failed(_failed(1)) == [_kept(("wan", A, b"\x01"))]
    assert box.failed(_failed(1)) == []
    assert _waiting(box) == [("wan", A, b"\x01")]


def test_as_many_as_said_are_remembered_in_flight() -> None:
    box = Postbox(in_flight=2)
    for number in (1, 2, 3):
        box.send("wan", A, bytes((number,)))
    assert box.failed(_failed(1)) == []
    assert [bool(box.failed(_failed(number))) for number in (2, 3)] == [True, True]
    long = Postbox()
    for _ in range(257):
        long.send("wan", A, b"")
    assert [bool(long.failed(_failed(number))) for number in (1, 2, 257)] == [False, True, True]


def test_a_way_that_opens_takes_what_waits_for_it_alone() -> None:
    def full() -> Postbox:
        box = Postbox()
        rows = [["wan", "0a", "01"], ["wan", "0b", "02"], ["han", "0a", "03"], ["wan", "0a", "04"]]
        box.restore({"postbox": rows})
        return box

    cases: list[tuple[tuple[str, bytes | None], list[Effect]]] = [
        (
            ("wan", A),
            [
                _kept(("wan", B, b"\x02"), ("han", A, b"\x03")),
                Send("wan", A, b"\x01", token=1),
                Send("wan", A, b"\x04", token=2),
            ],
        ),
        (
            ("wan", None),
            [
                _kept(("han", A, b"\x03")),
                Send("wan", A, b"\x01", token=1),
                Send("wan", B, b"\x02", token=2),
                Send("wan", A, b"\x04", token=3),
            ],
        ),
        (("han", B), []),
        (("line", None), []),
    ]
    for (port, peer), effects in cases:
        assert full().open(port, peer) == effects


def test_what_is_wanted_no_more_is_dropped() -> None:
    box = Postbox()
    box.restore({"postbox": [["wan", "0a", "01"], ["wan", "0b", "02"], ["han", "0a", "01"]]})
    assert box.drop("wan", lambda octets: octets == b"\x09") == []
    assert box.drop("wan", lambda octets: octets == b"\x01") == [_kept(("wan", B, b"\x02"), ("han", A, b"\x01"))]
    assert _waiting(box) == [("wan", B, b"\x02"), ("han", A, b"\x01")]


def test_a_power_loss_forgets_what_was_in_flight() -> None:
    box = _after(2, 1)
    box.restore({})
    assert box.waiting == ()
    assert box.failed(_failed(2)) == []
