"""I2C buses: one suite for the virtual bus and for smbus2 itself, whose ioctl calls are answered by the same chip.

So what smbus2 marshals for the kernel (address, register, width, order of octets) is checked against the chip model.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest
import smbus2
import smbus2.smbus2 as inner

from rig.ports.i2c import I2CBus, open_i2c
from rig.ports.protocols import BusI2C, PortError, PortLost, PortMissing
from rig.world.i2c import FakeBus, VirtualI2C

ADDRESS = 0x44


class Memory:
    """A chip of 256 one-octet registers whose pointer moves on by itself."""

    def __init__(self) -> None:
        self.registers = bytearray(range(256))
        self.pointer = 0

    def xfer(self, written: bytes, n_read: int) -> bytes:
        if written:
            self.pointer = written[0]
            for octet in written[1:]:
                self.registers[self.pointer] = octet
                self.pointer = (self.pointer + 1) % 256
        answer = bytes(self.registers[(self.pointer + index) % 256] for index in range(n_read))
        self.pointer = (self.pointer + n_read) % 256
        return answer


class FakeIoctl:
    """The kernel's I2C character device: address, functions, and the SMBus call of the kernel's i2c-dev interface."""

    def __init__(self, bus: VirtualI2C) -> None:
        self.bus = bus
        self.address = 0

    def __call__(self, fd: int | None, request: int, argument: Any) -> int:
        if fd is None:
            raise TypeError("argument must be an int, or have a fileno() method")  # what fcntl.ioctl says
        if request == inner.I2C_SLAVE:
            self.address = argument
        elif request == inner.I2C_FUNCS:
            argument.value = 0
        elif request == inner.I2C_SMBUS:
            self._smbus(argument)
        else:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        return 0

    def _smbus(self, call: Any) -> None:
        data = call.data.contents
        reading = call.read_write == inner.I2C_SMBUS_READ
        size, command = call.size, call.command
        if size == inner.I2C_SMBUS_BYTE_DATA:
            self._octets(reading, command, 1, ctypes.addressof(data))
        elif size == inner.I2C_SMBUS_WORD_DATA:
            self._octets(reading, command, 2, ctypes.addressof(data))
        else:
            assert size == inner.I2C_SMBUS_I2C_BLOCK_DATA
            block = (ctypes.c_uint8 * 33).from_address(ctypes.addressof(data))
            self._octets(reading, command, block[0], ctypes.addressof(data) + 1)

    def _octets(self, reading: bool, command: int, count: int, where: int) -> None:
        octets = (ctypes.c_uint8 * count).from_address(where)
        if reading:
            octets[:] = list(self.bus.xfer(self.address, bytes([command]), count))
        else:
            self.bus.xfer(self.address, bytes([command, *octets]), 0)


@pytest.fixture
def wire() -> VirtualI2C:
    bus = VirtualI2C("i2c-1")
    bus.attach(ADDRESS, Memory())
    return bus


@pytest.fixture(params=["virtual", "smbus2"])
def bus(request: pytest.FixtureRequest, wire: VirtualI2C, monkeypatch: pytest.MonkeyPatch) -> Iterator[I2CBus]:
    if request.param == "virtual":
        opened = open_i2c("virtual://i2c-1", {"i2c-1": wire})
    else:
        monkeypatch.setattr(inner, "ioctl", FakeIoctl(wire))
        opened = open_i2c("i2c:///dev/null")
    yield opened
    opened.close()


def test_it_is_a_bus(bus: I2CBus) -> None:
    port: BusI2C = bus
    assert port.read_byte_data(ADDRESS, 7) == 7


def test_octets(bus: I2CBus) -> None:
    bus.write_byte_data(ADDRESS, 0x10, 0xAB)
    assert bus.read_byte_data(ADDRESS, 0x10) == 0xAB
    assert bus.read_byte_data(ADDRESS, 0x11) == 0x11


def test_words_are_little_endian(bus: I2CBus) -> None:
    assert bus.read_word_data(ADDRESS, 0x20) == 0x2120
    bus.write_word_data(ADDRESS, 0x20, 0x4954)
    assert bus.read_i2c_block_data(ADDRESS, 0x20, 2) == [0x54, 0x49]


@pytest.mark.parametrize("count", [1, 2, 31, 32])
def test_blocks_keep_their_order(bus: I2CBus, count: int) -> None:
    data = [0xFF - index for index in range(count)]
    bus.write_i2c_block_data(ADDRESS, 0x40, data)
    assert bus.read_i2c_block_data(ADDRESS, 0x40, count) == data
    assert bus.read_byte_data(ADDRESS, 0x40 + count) == 0x40 + count


@pytest.mark.parametrize("number", [errno.EREMOTEIO, errno.ENXIO, errno.ENODEV])
def test_nobody_answers(bus: I2CBus, wire: VirtualI2C, number: int) -> None:
    wire.fail_next(number)
    with pytest.raises(PortMissing, match="no chip answers at 0x44"):
        bus.read_byte_data(ADDRESS, 0)
    with pytest.raises(PortMissing, match="0x45"):
        bus.write_i2c_block_data(0x45, 0, [1])


def test_a_bus_that_hangs(bus: I2CBus, wire: VirtualI2C) -> None:
    wire.fail_next(errno.ETIMEDOUT)
    with pytest.raises(PortLost, match="hangs"):
        bus.write_byte_data(ADDRESS, 0, 0)
    assert bus.read_byte_data(ADDRESS, 0) == 0


def test_any_other_error_is_typed_too(bus: I2CBus, wire: VirtualI2C) -> None:
    wire.fail_next(errno.EIO)
    with pytest.raises(PortError, match="transaction with 0x44 failed"):
        bus.read_word_data(ADDRESS, 0)


def test_a_closed_bus_is_lost(bus: I2CBus) -> None:
    bus.close()
    bus.close()
    with pytest.raises(PortLost, match="closed"):
        bus.read_byte_data(ADDRESS, 0)


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("virtual://i2c-9", "has: i2c-1"),
        ("i2c:///dev/no-such-bus", "Enable I2C"),
        ("spi:///dev/spidev0.0", "not the address of an I2C bus"),
        ("/dev/i2c-1", "not the address of an I2C bus"),
    ],
)
def test_a_bus_that_is_not_there(wire: VirtualI2C, url: str, match: str) -> None:
    with pytest.raises(PortMissing, match=match):
        open_i2c(url, {"i2c-1": wire})


def test_a_device_that_is_no_i2c_bus() -> None:
    with pytest.raises(PortMissing, match="cannot open it"):
        open_i2c("i2c:///dev/null")


# ------------------------------------------------------------------------------------- the rest of smbus2's interface


def test_the_fake_bus_takes_messages_of_smbus2(wire: VirtualI2C) -> None:
    raw = FakeBus(wire)
    raw.i2c_rdwr(smbus2.i2c_msg.write(ADDRESS, [0x30, 1, 2, 3]))
    answer = smbus2.i2c_msg.read(ADDRESS, 40)
    raw.i2c_rdwr(smbus2.i2c_msg.write(ADDRESS, [0x30]), answer)
    assert list(bytes(answer)) == [1, 2, 3, *range(0x33, 0x58)]
    again = smbus2.i2c_msg.read(ADDRESS, 2)
    raw.i2c_rdwr(again)
    assert list(bytes(again)) == [0x58, 0x59]
    assert wire.transactions == 3


def test_the_fake_bus_reads_and_writes_bare_octets(wire: VirtualI2C) -> None:
    raw = FakeBus(wire)
    raw.write_byte(ADDRESS, 0x50)
    assert [raw.read_byte(ADDRESS), raw.read_byte(ADDRESS)] == [0x50, 0x51]


def test_blocks_are_bounded_as_in_smbus2(wire: VirtualI2C) -> None:
    raw = FakeBus(wire)
    with pytest.raises(ValueError, match="32"):
        raw.read_i2c_block_data(ADDRESS, 0, 33)
    with pytest.raises(ValueError, match="32"):
        raw.write_i2c_block_data(ADDRESS, 0, [0] * 33)
