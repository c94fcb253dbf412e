"""A virtual I2C bus: chips at addresses, and the bus in the shape of smbus2's ``SMBus``.

Every call of the smbus2 interface comes down to one transaction, ``chip.xfer(written, n_read)``: the octets written
after the address, then (after a repeated start) the number of octets read.  An address where no chip has power is not
acknowledged, as on a Raspberry Pi: ``OSError`` with EREMOTEIO (facts/pi-bench.md 3.1, from memory).

Must not live here: what a chip does with its registers (``instruments``).
"""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

__all__ = ["BLOCK_MAX", "Chip", "FakeBus", "VirtualI2C", "WordRegisterChip"]

BLOCK_MAX = 32
"""The most octets of one SMBus block."""

_READ_FLAG = 1


class Chip(Protocol):
    """Anything with this one method is a chip."""

    def xfer(self, written: bytes, n_read: int) -> bytes:
        """One transaction; the answer has exactly ``n_read`` octets."""
        ...


class WordRegisterChip(ABC):
    """A chip with an 8-bit register pointer and 16-bit registers, most significant octet first (INA226 and its kin).

    The pointer stays where the last write put it; a read longer than two octets repeats the register.
    """

    def __init__(self) -> None:
        self._pointer = 0

    @abstractmethod
    def read_register(self, register: int) -> int:
        """The 16 bits of a register; registers that do not exist read 0."""

    @abstractmethod
    def write_register(self, register: int, value: int) -> None:
        """Write 16 bits; writes to read-only or absent registers are swallowed, as the chip does."""

    def xfer(self, written: bytes, n_read: int) -> bytes:
        if written:
            self._pointer = written[0]
        if len(written) >= 3:
            self.write_register(self._pointer, int.from_bytes(written[1:3], "big"))
        if not n_read:
            return b""
        word = self.read_register(self._pointer).to_bytes(2, "big")
        return (word * (n_read // 2 + 1))[:n_read]


class VirtualI2C:
    """One bus.  Chips are attached while they have power; errors can be injected."""

    def __init__(self, name: str = "i2c-1") -> None:
        self.name = name
        self.transactions = 0
        self._chips: dict[int, Chip] = {}
        self._failures: deque[int] = deque()

    def attach(self, address: int, chip: Chip) -> None:
        """Put a chip on the bus at a 7-bit address."""
        if not 0x03 <= address <= 0x77:
            raise ValueError(f"{self.name}: an I2C address lies in 0x03..0x77; got {address:#04x}")
        if address in self._chips:
            raise ValueError(f"{self.name}: two chips at {address:#04x} would both answer; move one")
        self._chips[address] = chip

    def detach(self, address: int) -> None:
        """Take the chip off the bus (it lost its power); harmless when there is none."""
        self._chips.pop(address, None)

    def fail_next(self, error: int, times: int = 1) -> None:
        """Let the next transactions fail with this errno, e.g. ``errno.ETIMEDOUT`` for a bus that is held low."""
        self._failures.extend([error] * times)

    def xfer(self, address: int, written: bytes, n_read: int) -> bytes:
        """One transaction.  Raises OSError: an injected errno, or EREMOTEIO where nobody acknowledges."""
        self.transactions += 1
        if self._failures:
            raise _os_error(self._failures.popleft())
        chip = self._chips.get(address)
        if chip is None:
            raise _os_error(errno.EREMOTEIO)
        return chip.xfer(written, n_read)


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class FakeBus:
    """A :class:`VirtualI2C` behind the calls of ``smbus2.SMBus``; words little-endian, blocks of at most 32 octets."""

    def __init__(self, bus: VirtualI2C) -> None:
        self._bus: VirtualI2C | None = bus

    def close(self) -> None:
        self._bus = None

    def _xfer(self, address: int, written: Iterable[int], n_read: int = 0) -> bytes:
        if self._bus is None:
            raise _os_error(errno.EBADF)
        return self._bus.xfer(address, bytes(written), n_read)

    def read_byte(self, i2c_addr: int) -> int:
        return self._xfer(i2c_addr, (), 1)[0]

    def write_byte(self, i2c_addr: int, value: int) -> None:
        self._xfer(i2c_addr, (value,))

    def read_byte_data(self, i2c_addr: int, register: int) -> int:
        return self._xfer(i2c_addr, (register,), 1)[0]

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        self._xfer(i2c_addr, (register, value))

    def read_word_data(self, i2c_addr: int, register: int) -> int:
        return int.from_bytes(self._xfer(i2c_addr, (register,), 2), "little")

    def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
        self._xfer(i2c_addr, (register, *value.to_bytes(2, "little")))

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        if length > BLOCK_MAX:
            raise ValueError(f"Desired block length over {BLOCK_MAX} bytes")
        return list(self._xfer(i2c_addr, (register,), length))

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: Sequence[int]) -> None:
        if len(data) > BLOCK_MAX:
            raise ValueError(f"Data length cannot exceed {BLOCK_MAX} bytes")
        self._xfer(i2c_addr, (register, *data))

    def i2c_rdwr(self, *i2c_msgs: Any) -> None:
        """Transactions of smbus2's ``i2c_msg``: a write followed by a read of the same address is one of them."""
        written = b""
        for index, msg in enumerate(i2c_msgs):
            following = i2c_msgs[index + 1] if index + 1 < len(i2c_msgs) else None
            if not msg.flags & _READ_FLAG:
                written = bytes(msg)
                if following is None or following.addr != msg.addr or not following.flags & _READ_FLAG:
                    self._xfer(msg.addr, written)
                    written = b""
                continue
            for position, octet in enumerate(self._xfer(msg.addr, written, msg.len)):
                msg.buf[position] = bytes([octet])
            written = b""
