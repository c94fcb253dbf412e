"""A virtual XBee behind a pseudo terminal, as a process of its own: for clients that want a serial port.

Prints the name of the terminal and runs until its standard input is closed.  The module coordinates a network in
which a second module lives that sends every message back.
"""

from __future__ import annotations

import os
import pty
import sys
import threading
import tty
from random import Random

from devices.wire import xbee
from rig.world.clock import NS, VirtualClock
from rig.world.ether import Ether
from rig.world.xbee_module import ModuleSettings
from rig.world.xbee_zigbee import XBeeZigbee, ZigbeeSettings, code_as_key

HUB = bytes.fromhex("0013a20041abcdef")
ECHO = bytes.fromhex("0013a20041abcd99")
EPID = HUB
CODE = bytes(range(16))


def echo(module: XBeeZigbee) -> None:
    """Send what comes back to where it came from."""
    deframer = xbee.Deframer()

    def to_host(octets: bytes) -> None:
        for data in deframer.feed(octets):
            frame = xbee.parse(data)
            if isinstance(frame, xbee.ExplicitReceive) and frame.profile:
                ends = (frame.destination_endpoint, frame.source_endpoint, frame.cluster, frame.profile, 0, 0)
                answer = xbee.ExplicitTransmit(0, frame.source, xbee.UNKNOWN_16, *ends, frame.data)
                module.on_host_bytes(xbee.frame(xbee.build(answer)))

    module.to_host = to_host


def main() -> None:
    clock = VirtualClock()
    ether = Ether(clock, Random(1))
    settings = ZigbeeSettings(module=ModuleSettings(reply_delay_ns=5_000_000))
    shared = {"AO": b"\1", "EE": b"\1", "ID": EPID, "AP": b"\2"}
    hub_registers = shared | {"CE": b"\1", "NJ": b"\xff", "NI": b"HUB", "N?": b"\x01\xf4"}
    hub = XBeeZigbee(ether, "hub", HUB, Random(2), settings=settings, registers=hub_registers)
    other = XBeeZigbee(ether, "echo", ECHO, Random(3), registers=shared | {"KY": code_as_key(CODE)})
    echo(other)
    hub.power(True)
    clock.advance(10 * NS)
    hub.network.trust.register(ECHO, code_as_key(CODE), 500)
    other.power(True)
    clock.advance(20 * NS)

    master, slave = pty.openpty()
    tty.setraw(slave)  # kept open here, so that the terminal outlives its clients
    hub.to_host = lambda octets: void(os.write(master, octets))
    ended: list[bool] = []

    def read() -> None:
        while octets := os.read(master, 1024):
            clock.post(lambda octets=octets: hub.on_host_bytes(octets))  # type: ignore[misc]

    def wait_for_end() -> None:
        sys.stdin.read()
        clock.post(lambda: ended.append(True))

    for work in (read, wait_for_end):
        threading.Thread(target=work, daemon=True).start()
    print(os.ttyname(slave), flush=True)
    clock.attach()
    clock.advance(3600 * NS, lambda: bool(ended))


def void(_: object) -> None:
    """Turn an expression into a call that returns nothing."""


if __name__ == "__main__":
    main()
