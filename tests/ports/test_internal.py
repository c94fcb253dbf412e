"""The line between two functions of one box."""

from __future__ import annotations

from typing import Any

import pytest

from devices.machines.core import Received
from rig.node import assembly
from rig.node.bench_file import BenchFileError
from rig.node.recorder import Recorder
from rig.ports.internal import HOP_NS, InternalEnd, InternalLine
from rig.ports.protocols import InternalPort
from rig.world.clock import VirtualClock
from tests.node.benches import bench

HUB, PROXY = bytes.fromhex("00db0000000000c0"), bytes.fromhex("00db0000000000a3")


def line() -> tuple[VirtualClock, InternalEnd, InternalEnd, list[Any]]:
    clock, heard = VirtualClock(), list[Any]()
    whole = InternalLine(clock)
    hub, proxy = whole.end("proxy", HUB), whole.end("line", PROXY)
    for end in (hub, proxy):
        end.on_event = heard.append
        end.start()
    return clock, hub, proxy, heard


def test_both_ends_hear_each_other_after_a_hop() -> None:
    clock, hub, proxy, heard = line()
    ends: tuple[InternalPort, ...] = (hub, proxy)
    assert len(ends) == 2
    hub.send(PROXY, 0, b"one")
    proxy.send(HUB, 0x0702, b"two")
    assert heard == []
    clock.advance(HOP_NS)
    assert heard == [Received("line", HUB, b"one", 0), Received("proxy", PROXY, b"two", 0x0702)]


def test_nobody_hears_what_is_for_somebody_else() -> None:
    clock, hub, _, heard = line()
    hub.send(bytes(8), 0, b"one")
    clock.advance(HOP_NS)
    assert heard == []


@pytest.mark.parametrize("on_the_way", [False, True])
def test_an_end_without_power_hears_nothing(on_the_way: bool) -> None:
    clock, hub, proxy, heard = line()
    if on_the_way:
        hub.send(PROXY, 0, b"one")
    proxy.stop()
    hub.send(PROXY, 0, b"two")
    clock.advance(HOP_NS)
    assert heard == []
    proxy.start()
    hub.send(PROXY, 0, b"three")
    clock.advance(2 * HOP_NS)
    assert [event.octets for event in heard] == [b"three"]


@pytest.mark.parametrize(
    ("device", "port"), [("esme", "line"), ("neighbour", "proxy"), ("hub", "cellar")], ids=["meter", "no proxy", "name"]
)
def test_a_line_that_leads_nowhere_is_an_error_of_the_bench_file(device: str, port: str) -> None:
    told = bench({"devices": {device: {"ports": {port: {"driver": "internal"}}}}})
    clock = VirtualClock()
    with pytest.raises(BenchFileError, match=f"devices.{device}.ports.{port}: expected a port of a hub"):
        assembly.build(told, clock, Recorder(clock, told.civil_start, None))
