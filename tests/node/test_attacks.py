"""Attacks: what each verb refuses, to the last word, and what it leaves as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devices.wire import gbcs
from rig.bus.messages import Fault
from rig.node.executor import Refused
from tests.node.test_commands import SECOND, Desk

NOBODY = bytes.fromhex("1122334455667788")


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk.up()
    desk.close()


def message(desk: Desk, recipient: bytes = b"", **change: Any) -> str:
    devices = desk.commands.bench.devices
    told = gbcs.Message(1, 1, devices["supplier"].eui, recipient or devices["esme"].eui, 0x62, b"\x01", **change)
    return gbcs.encode(told).hex()


def fault(desk: Desk, verb: str, **args: Any) -> Fault:
    with pytest.raises(Refused) as caught:
        desk.call(verb, **args)
    return caught.value.fault


def test_what_a_message_does_not_have_cannot_be_spoilt(desk: Desk) -> None:
    plain = message(desk)
    for spoil in ("mac", "signature"):
        assert fault(desk, "message.spoil", spoil=spoil, octets=plain) == Fault(
            "argument", f"this message has no {spoil} to be spoilt", "Give a final, signed command."
        )
    devices = desk.commands.bench.devices
    empty = gbcs.encode(gbcs.Message(1, 1, devices["supplier"].eui, devices["esme"].eui, 0x62, b"")).hex()
    assert fault(desk, "message.spoil", spoil="payload", octets=empty).code == "argument"
    told = fault(desk, "message.spoil", spoil="payload", octets="df")
    assert told.code == "argument"
    assert told.message.startswith("cannot spoil the payload of this message: ")
    assert told.advice == "Give another."
    assert fault(desk, "message.spoil", spoil="smell", octets="df") == Fault(
        "unknown", "no spoil 'smell'", "The bench has payload, signature, mac, recipient."
    )


def test_a_spoilt_payload_differs_in_its_last_bit_and_a_spoilt_mac_in_its_first_octet(desk: Desk) -> None:
    good = gbcs.decode(bytes.fromhex(message(desk)))
    bad = gbcs.decode(bytes.fromhex(desk.call("message.spoil", spoil="payload", octets=message(desk))["octets"]))
    assert (good.payload, bad.payload) == (b"\x01", b"\x00")
    macced = message(desk, mac=bytes(range(12)))
    bad = gbcs.decode(bytes.fromhex(desk.call("message.spoil", spoil="mac", octets=macced)["octets"]))
    assert bad.mac == b"\x01" + bytes(range(1, 12))
    assert bad.payload == b"\x01"


def test_a_message_of_somebody_else_cannot_be_signed_or_sealed_again(desk: Desk) -> None:
    octets = gbcs.encode(gbcs.Message(1, 1, NOBODY, NOBODY, 0x62, b"\x01")).hex()
    assert fault(desk, "message.spoil", spoil="recipient", octets=octets) == Fault(
        "unknown", "nobody on this bench is 11-22-33-44-55-66-77-88", "Spoil a message of this bench."
    )


def test_a_bench_without_the_parties_that_an_attack_needs_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    premises = desk.commands.up()
    with monkeypatch.context() as changed:
        changed.setitem(premises.bench.devices, "ihd", premises.bench.devices["hht"])
        told = fault(desk, "message.spoil", spoil="recipient", octets=message(desk))
    assert told == Fault("capability", "this bench has no other device of kind ihd", "Add one to the bench file.")
    with monkeypatch.context() as changed:
        changed.delitem(premises.bench.parties, "access_control_broker")
        told = fault(desk, "wan.send", device="esme", octets="00")
    assert told == Fault("capability", "this bench has no access control broker", "Name one in its file.")
    monkeypatch.setattr(premises, "world", None)
    for verb in ("air.reach", "air.cut_after", "contactor.break"):
        assert fault(desk, verb, device="esme", in_reach=True, frames=1) == Fault(
            "capability", "this bench is not virtual", "Use a virtual bench for this."
        )


def test_a_cluster_has_two_octets_and_an_attacker_an_inter_pan_radio(desk: Desk) -> None:
    args = {"device": "hht", "hub": "hub", "octets": ""}
    whole = "interpan.send: cluster must be a whole number from 0 to 65535"
    assert fault(desk, "interpan.send", cluster=65536, **args) == Fault(
        "argument", f"{whole}, got 65536", "Correct it."
    )
    told = fault(desk, "interpan.send", cluster=1, **{**args, "device": "ihd"})
    assert told.message == "no device 'ihd'"
    assert "hht" in told.advice
    assert fault(desk, "interpan.send", cluster=1, **{**args, "hub": "x"}).message == "no hub 'x'"
    assert desk.call("interpan.send", cluster=65535, **args)["now"] == desk.commands.clock.now


def test_a_device_runs_out_of_reach_after_so_many_frames_of_its_own() -> None:
    """Not before, not of others', and acknowledgements are none."""
    desk = Desk().up()
    world = desk.commands.up().world
    assert world is not None
    sent = {"hub": 0, "esme": 0}

    def count(_at: int, _channel: int, octets: bytes, _rssi: int, sender: str) -> None:
        for name in sent:
            if sender.startswith(f"{name}-") and len(octets) > 20:
                sent[name] += 1

    world.ether.tap(count)
    desk.call("air.cut_after", device="hub", frames=3)
    heard = [event["kind"] for event in desk.events]
    while "link" not in heard and desk.commands.clock.now < 300 * SECOND:
        desk.call("clock.advance", span_ns=SECOND // 100)
        heard = [event["kind"] for event in desk.events]
    told = next(event for event in desk.events if event["kind"] == "link")
    assert told["fields"] == {"link": "air", "up": False, "device": "hub"}
    assert told["node"] == "hub"
    assert sent["hub"] >= 3
    desk.close()
