"""Somebody else's client, digi-xbee, talks to the virtual module over a pseudo terminal, unmodified.

The module runs in a process of its own with a reply delay of 5 ms, because digi-xbee can miss an answer that comes
before it waits (facts/radio.md 6.3); it then stalls for its time-out and succeeds all the same.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports.xbee_on_pty import CODE, ECHO, HUB

devices: Any = pytest.importorskip("digi.xbee.devices", reason="digi-xbee is not installed (extra 'test')")
address: Any = pytest.importorskip("digi.xbee.models.address")
protocol: Any = pytest.importorskip("digi.xbee.models.protocol")
status: Any = pytest.importorskip("digi.xbee.models.status")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def terminal() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.ports.xbee_on_pty"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.fixture
def client(terminal: str) -> Iterator[Any]:
    device = devices.ZigBeeDevice(terminal, 115200)
    device.open()
    yield device
    device.close()


def test_open_set_register_and_talk(client: Any) -> None:
    assert client.get_protocol() == protocol.XBeeProtocol.ZIGBEE
    assert client.get_64bit_addr().address == HUB
    assert client.get_role().description == "Coordinator"
    assert client.get_node_id() == "HUB"

    client.set_node_id("PREMISES 1")
    assert client.get_parameter("NI") == b"PREMISES 1"
    assert client.get_parameter("OP") == HUB
    assert client.get_parameter("AI") == b"\x00"

    joining = address.XBee64BitAddress(bytearray.fromhex("0013a20041abcd77"))
    answer = client.register_joining_device(joining, options_for_install_code(), with_crc(CODE))
    assert answer == status.ZigbeeRegisterStatus.SUCCESS

    other = devices.RemoteZigBeeDevice(client, address.XBee64BitAddress(bytearray(ECHO)))
    message = bytes(range(200))  # octets that need escaping, and a message that is sent in fragments
    sent = client.send_expl_data(other, message, 1, 1, 0x0704, 0x0109)
    assert sent.transmit_status == status.TransmitStatus.SUCCESS
    received = client.read_expl_data(timeout=4)
    assert received is not None
    assert bytes(received.data) == message
    assert (received.cluster_id, received.profile_id) == (0x0704, 0x0109)
    assert received.remote_device.get_64bit_addr().address == ECHO


def options_for_install_code() -> Any:
    options: Any = pytest.importorskip("digi.xbee.models.options")
    return options.RegisterKeyOptions.INSTALL_CODE


def with_crc(code: bytes) -> bytes:
    from rig.world.xbee_zigbee import install_code_crc

    return code + install_code_crc(code)
