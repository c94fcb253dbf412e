"""I2C buses as ports: the kernel's by smbus2, or a virtual one, behind the same calls and the same errors.

``i2c:///dev/i2c-1`` is a bus of the machine, ``virtual://<bus name>`` one of the virtual bench.  smbus2 is not
thread-safe (the address is part of its state), so each bus has a lock.  This is the one file that imports smbus2.

    PortError                    what a transaction can raise
    ├── PortMissing              the bus is not there, or no chip acknowledges the address
    ├── PortLost                 the bus hangs (time-out) or was closed
    └── PortError                anything else the kernel reports

Must not live here: what is behind an address (``ina226``).
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from smbus2 import SMBus

from rig.ports.protocols import PortError, PortLost, PortMissing
from rig.world.i2c import FakeBus, VirtualI2C

__all__ = ["I2CBus", "RawBus", "open_i2c"]

T = TypeVar("T")

_ABSENT = {errno.EREMOTEIO, errno.ENXIO, errno.ENODEV}  # the Pi's driver, others, and user-mode Linux
_HUNG = {errno.ETIMEDOUT, errno.EBADF}


class RawBus(Protocol):
    """The calls of ``smbus2.SMBus`` that are used; they raise OSError."""

    def read_byte_data(self, i2c_addr: int, register: int) -> int: ...

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None: ...

    def read_word_data(self, i2c_addr: int, register: int) -> int: ...

    def write_word_data(self, i2c_addr: int, register: int, value: int) -> None: ...

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> Sequence[int]: ...

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: Sequence[int]) -> None: ...

    def close(self) -> None: ...


class I2CBus:
    """One bus with a lock and typed errors; satisfies ``BusI2C``.

    Words are little-endian, as SMBus says; for chips that are not, use the blocks.
    """

    def __init__(self, raw: RawBus, where: str) -> None:
        self._raw = raw
        self._lock = threading.Lock()
        self.where = where

    def read_byte_data(self, i2c_addr: int, register: int) -> int:
        return self._do(i2c_addr, lambda: self._raw.read_byte_data(i2c_addr, register))

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        self._do(i2c_addr, lambda: self._raw.write_byte_data(i2c_addr, register, value))

    def read_word_data(self, i2c_addr: int, register: int) -> int:
        return self._do(i2c_addr, lambda: self._raw.read_word_data(i2c_addr, register))

    def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
        self._do(i2c_addr, lambda: self._raw.write_word_data(i2c_addr, register, value))

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        return list(self._do(i2c_addr, lambda: self._raw.read_i2c_block_data(i2c_addr, register, length)))

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None:
        self._do(i2c_addr, lambda: self._raw.write_i2c_block_data(i2c_addr, register, data))

    def close(self) -> None:
        with self._lock:
            self._raw.close()

    def _do(self, address: int, what: Callable[[], T]) -> T:
        with self._lock:
            try:
                return what()
            except (OSError, TypeError) as error:
                raise self._typed(address, error) from error

    def _typed(self, address: int, error: OSError | TypeError) -> PortError:
        if isinstance(error, TypeError):  # smbus2 after close(): its file descriptor is None
            return PortLost(self.where, "the bus was closed", "Open it again.")
        if error.errno in _ABSENT:
            return PortMissing(
                self.where, f"no chip answers at {address:#04x}", "Check its power, its wires and its address jumpers."
            )
        if error.errno in _HUNG:
            problem = f"the bus hangs or is closed ({error.strerror})"
            return PortLost(self.where, problem, "Power-cycle the chips on it; check SDA and SCL.")
        problem = f"transaction with {address:#04x} failed: {error.strerror}"
        return PortError(self.where, problem, "Check the wiring of the bus.")


def open_i2c(url: str, buses: Mapping[str, VirtualI2C] | None = None) -> I2CBus:
    """Open the bus that the bench file names.

    ``buses`` are the virtual ones by name.  Raises :class:`PortMissing` when there is no such bus.
    """
    scheme, _, name = url.partition("://")
    if scheme == "virtual":
        bus = (buses or {}).get(name)
        if bus is None:
            known = ", ".join(sorted(buses or {})) or "none"
            raise PortMissing(url, f"the virtual bench has no such bus (it has: {known})", "Correct the bench file.")
        return I2CBus(FakeBus(bus), url)
    if scheme != "i2c":
        raise PortMissing(
            url, "not the address of an I2C bus", "Write i2c:///dev/i2c-1 or virtual://<bus name> in the bench file."
        )
    try:
        return I2CBus(SMBus(name), url)
    except OSError as error:
        raise PortMissing(
            url,
            f"cannot open it: {error.strerror}",
            "Enable I2C (dtparam=i2c_arm=on) and put the user into the group i2c.",
        ) from error
