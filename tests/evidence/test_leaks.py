"""The firewall from the taps alone: what of a terminal's octets is found behind the hub."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from devices.wire import gbcs, gbt, tunnelling
from rig.evidence.leaks import Tapped, leaks, sent_by_terminals

HUB, METER, TERMINAL, STRANGER = (bytes.fromhex(f"00db1234567890{n}") for n in ("a2", "a0", "b0", "c0"))
SECOND = 1_000_000_000
TUNNEL = tunnelling.CLUSTER


def message(recipient: bytes = METER, size: int = 300) -> bytes:
    body = random.Random(size).randbytes(size)
    return gbcs.encode(gbcs.Message(1, 9, TERMINAL, recipient, 0x1C, body, mac=bytes(12)))


def transfer(octets: bytes, *, to_server: bool = True) -> bytes:
    return tunnelling.encode(tunnelling.TransferData(1, octets, to_server=to_server), 3)


def tapped(
    device: str, port: str, peer: bytes, octets: bytes, cluster: int = TUNNEL, at: int = 1, *, out: bool = True
) -> Tapped:
    return Tapped(device, at * SECOND, port, out, peer, cluster, octets)


def by_terminal(octets: bytes, cluster: int = TUNNEL) -> Tapped:
    return tapped("hht", "interpan", HUB, octets, cluster, 1)


def by_hub(octets: bytes, cluster: int = TUNNEL, peer: bytes = METER, at: int = 2) -> Tapped:
    return tapped("hub", "han", peer, octets, cluster, at)


FOREIGN = bytes.fromhex("0001000000")
EARLIER = by_hub(transfer(b"earlier"), at=0)
BLOCKS = [by_terminal(transfer(block)) for block in gbt.split(message(), 40)]

CASES = {
    "the same message": ([by_terminal(transfer(message()))], [by_hub(transfer(message()))], True),
    "in other blocks": (BLOCKS, [by_hub(transfer(block)) for block in gbt.split(message(), 180)], True),
    "whole, of blocks": (BLOCKS, [by_hub(transfer(message()))], True),
    "one block alone": (BLOCKS, [by_hub(BLOCKS[1].octets)], True),
    "for the gas meter": (
        BLOCKS,
        [by_hub(transfer(tunnelling.encode_gas(tunnelling.GetResponse(0, message())), to_server=False))],
        True,
    ),
    "a foreign frame": ([by_terminal(FOREIGN, 0x0702)], [by_hub(FOREIGN, 0x0702)], True),
    "a foreign frame with another sequence number": (
        [by_terminal(FOREIGN, 0x0702)],
        [by_hub(b"\x00\x77" + FOREIGN[2:], 0x0702)],
        True,
    ),
    "its contents in another cluster": (
        [by_terminal(FOREIGN + bytes(range(8)), 0x0702)],
        [by_hub(b"\x09\x09\x09" + FOREIGN[3:] + bytes(range(8)), 0x0708)],
        True,
    ),
    "a way to a stranger": (
        [by_terminal(transfer(message(STRANGER)))],
        [by_hub(tunnelling.encode(tunnelling.RequestTunnel(), 0), peer=STRANGER)],
        True,
    ),
    "seen by the meter alone": (
        [by_terminal(FOREIGN, 0x0702)],
        [tapped("esme", "han", HUB, FOREIGN, 0x0702, 2, out=False)],
        True,
    ),
    "nothing": ([by_terminal(transfer(message()))], [], False),
    "another message": ([by_terminal(transfer(message()))], [by_hub(transfer(message(size=80)))], False),
    "a report of another cluster": ([by_terminal(FOREIGN, 0x0702)], [by_hub(FOREIGN, 0x000A)], False),
    "tunnels are asked for alike": (
        [by_terminal(tunnelling.encode(tunnelling.RequestTunnel(), 0))],
        [by_hub(tunnelling.encode(tunnelling.RequestTunnel(), 0))],
        False,
    ),
    "back to the terminal": (
        [by_terminal(FOREIGN, 0x0702)],
        [tapped("hub", "interpan", TERMINAL, FOREIGN, 0x0702)],
        False,
    ),
    "before it was sent": ([by_terminal(FOREIGN, 0x0702)], [by_hub(FOREIGN, 0x0702, at=0)], False),
    "what no terminal sent": ([], [by_hub(FOREIGN, 0x0702)], False),
}


@pytest.mark.parametrize(("sent", "onward", "leaked"), CASES.values(), ids=CASES)
def test_what_left_the_hub(sent: list[Tapped], onward: list[Tapped], leaked: bool) -> None:
    found = leaks([EARLIER, *sent, *onward], "hub", HUB)
    assert bool(found) == leaked
    assert all("on the HAN" in str(leak) for leak in found)


WHOLE = "the message of {} octets that the terminal sent"
DATA = FOREIGN[:3] + bytes(range(8))


@pytest.mark.parametrize(
    ("sent", "onward", "what"),
    [
        (transfer(message()), by_hub(transfer(message())), WHOLE.format(len(message()))),
        (transfer(message(STRANGER)), by_hub(FOREIGN, 0x0702, STRANGER),
         "a frame to the recipient of the terminal's message, to whom the hub had not spoken before,"),
        (BLOCKS[1].octets, by_hub(BLOCKS[1].octets), f"40 octets that the terminal sent ({message()[40:48].hex()}…)"),
    ],
)  # fmt: skip
def test_a_leak_says_what_it_is_and_with_which_frame(sent: bytes, onward: Tapped, what: str) -> None:
    (leak,) = leaks([EARLIER, by_terminal(sent), onward], "hub", HUB)
    assert (leak.frame, leak.what) == (onward, what)
    assert str(leak) == f"{what} on the HAN to {onward.peer.hex('-').upper()} at 2.000000 s"


@pytest.mark.parametrize(
    ("sent", "onward", "what"),
    [
        pytest.param(FOREIGN, FOREIGN, "the frame of cluster 0x0702 that the terminal sent", id="as it was"),
        pytest.param(FOREIGN, b"\x01" + FOREIGN[1:], "", id="another frame control"),
        pytest.param(FOREIGN, FOREIGN[:2] + b"\x01" + FOREIGN[3:], "", id="another command"),
        pytest.param(DATA, b"\x00\x09\x05" + DATA[3:], "8 octets that the terminal sent (0001020304050607…)", id="8"),
        pytest.param(DATA[:-1], b"\x00\x09\x05" + DATA[3:-1], "", id="7 octets may be chance"),
        pytest.param(b"\x00" * 2, b"\x00" * 2, "the frame of cluster 0x0702 that the terminal sent", id="no ZCL"),
        pytest.param(b"\x00", b"\x00", "the frame of cluster 0x0702 that the terminal sent", id="nearly nothing"),
    ],
)
def test_a_frame_of_another_cluster_leaks_whole_or_by_what_it_holds(sent: bytes, onward: bytes, what: str) -> None:
    found = leaks([EARLIER, by_terminal(sent, 0x0702), by_hub(onward, 0x0702)], "hub", HUB)
    assert [leak.what for leak in found] == ([what] if what else [])


@pytest.mark.parametrize("name", ["device", "port", "out", "peer"])
def test_a_frame_is_a_terminals_or_the_hubs_by_its_port_way_and_ends(name: str) -> None:
    """What the terminal heard, sent to another, or sent by another radio, and what was no hub's, leaks nothing."""
    others: dict[str, list[Any]] = {
        "device": ["esme"], "port": ["interpan", "wan"], "out": [False], "peer": [TERMINAL]
    }  # fmt: skip
    sent, onward = by_terminal(FOREIGN, 0x0702), by_hub(FOREIGN, 0x0702)
    assert len(leaks([sent, onward], "hub", HUB)) == 1
    for other in others[name]:
        assert len(leaks([sent, replace(onward, **{name: other})], "hub", HUB)) == (name == "peer")
    for other in {**others, "device": [], "port": ["han", "wan"]}[name]:
        assert leaks([replace(sent, **{name: other}), onward], "hub", HUB) == []
    heard = replace(sent, device="hub", out=False, peer=TERMINAL)
    assert sent_by_terminals([sent, heard, replace(heard, device="esme")], "hub", HUB) == [sent, heard]
    came = replace(onward, device="esme", out=False, peer=HUB)
    assert len(leaks([sent, came], "hub", HUB)) == 1
    assert leaks([sent, replace(came, peer=STRANGER)], "hub", HUB) == []


@pytest.mark.parametrize(("at", "leaked"), [(0, False), (1, True), (2, True)])
def test_what_left_before_the_terminal_sent_is_no_leak(at: int, *, leaked: bool) -> None:
    assert bool(leaks([by_terminal(FOREIGN, 0x0702), by_hub(FOREIGN, 0x0702, at=at)], "hub", HUB)) is leaked


def test_a_tapped_frame_is_read_as_the_verb_tells_it() -> None:
    told = {"device": "hht", "at_ns": 7, "port": "interpan", "out": True, "peer": HUB.hex(), "cluster": 0x0702,
            "octets": "0102"}  # fmt: skip
    assert Tapped.of(told) == Tapped("hht", 7, "interpan", True, HUB, 0x0702, b"\x01\x02")


def test_parts_of_what_the_hub_had_from_elsewhere_are_no_leak_either() -> None:
    frames = [EARLIER, *BLOCKS, by_hub(BLOCKS[1].octets)]
    assert len(leaks(frames, "hub", HUB)) == 1
    assert leaks(frames, "hub", HUB, allowed=[message()]) == []


def test_what_the_hub_had_from_elsewhere_as_well_is_no_leak() -> None:
    frames = [EARLIER, *BLOCKS, by_hub(transfer(message()))]
    assert leaks(frames, "hub", HUB, allowed=[message()]) == []


def test_what_only_the_hubs_tap_of_inter_pan_heard_counts_too() -> None:
    heard = tapped("hub", "interpan", TERMINAL, FOREIGN, 0x0702, out=False)
    assert len(leaks([heard, by_hub(FOREIGN, 0x0702)], "hub", HUB)) == 1


def test_another_frame_to_a_device_that_the_hub_knows_is_no_leak() -> None:
    frames = [by_terminal(transfer(message())), by_hub(b"\x18\x01\x0a\x00", 0x000A)]
    assert leaks(frames, "hub", HUB, met=[METER]) == []
    assert len(leaks(frames, "hub", HUB)) == 1
