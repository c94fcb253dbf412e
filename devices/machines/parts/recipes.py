"""Friendly arguments for the commands that the parties send most: ``cin``, ``start`` and ``end``, ``device``.

A recipe says which data the sets and actions of a use case carry, in wire order.  Every other command, and these too,
are built from the names of the use-case table (``building_dlms``).

Must not live here: counters, signatures and MACs (the parties), how a device executes a command.

Source: facts/gbcs.md 3.1 [2 sources], 5.1 to 5.5 [payloads verified by running over the published messages; ECS70 and
CCS02 are not among those published and rest on the annex table].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from devices.machines.core import MachineError
from devices.machines.parts.civil_clock import CivilTime
from devices.wire import axdr, eui64
from devices.wire.axdr import Data

__all__ = ["RECIPES", "Recipe"]

Args = Mapping[str, Any]

_ANY_TIME: Final = bytes.fromhex("ffffffffffffffffff8000ff")  # preset_time of ECS70: not specified
_DEVICE_TYPES: Final = {"ESME": 0, "GSME": 1, "HCALCS": 13, "IHD": 128, "CAD": 130, "PPMID": 132, "GPF": 254}


@dataclass(frozen=True, slots=True)
class Recipe:
    """The data of a command's access specifications, in wire order; None in the tuple stands for a read's null."""

    arguments: tuple[str, ...]
    data: Callable[[Args], tuple[Data | None, ...]]
    defaults: Mapping[str, Any]


def _recipe(*arguments: str, data: Callable[[Args], tuple[Data | None, ...]], **defaults: Any) -> Recipe:
    return Recipe(arguments, data, defaults)


def _script(number: int) -> Recipe:
    return _recipe(data=lambda _: (axdr.u16(number),))


def _clock(args: Args) -> tuple[Data | None, ...]:
    window = [axdr.octets(_moment(args, name)) for name in ("start", "end")]
    return axdr.enum(5), axdr.structure(axdr.octets(_ANY_TIME), *window), axdr.i8(0), None, None


def _register(args: Args) -> tuple[Data | None, ...]:
    device = axdr.octets(_eui(args, "device"))
    key = axdr.octets(_octets(args, "install_code", 16))
    entry = axdr.structure(device, axdr.enum(1), key, axdr.enum(_device_type(args)))
    return entry, axdr.u16(_number(args, "join_time", 0, 0xFFFF)), axdr.boolean(True)


def _restore(args: Args) -> tuple[Data | None, ...]:
    rows = _value(args, "devices")
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        raise MachineError(f"argument 'devices': expected a list of {{device, key_hash}}, got {rows!r}")
    devices = [
        axdr.structure(axdr.octets(_eui(row, "device")), axdr.octets(_octets(row, "key_hash", 16))) for row in rows
    ]
    return (axdr.structure(axdr.octets(_octets(args, "epid", 8)), axdr.array(*devices)),)


RECIPES: Final[Mapping[str, Recipe]] = {
    "ECS42": _script(0x33),
    "ECS43": _script(0x34),
    "ECS44": _script(0x36),
    "ECS14": _recipe(data=lambda _: (axdr.octets(b""),)),
    "ECS15a": _recipe(data=lambda _: (axdr.i8(0),)),
    "ECS15c": _recipe(data=lambda _: (axdr.i8(0),)),
    "ECS50": _recipe("cin", data=lambda args: (axdr.octets(_digits(args, "cin", 4)),)),
    "ECS70": _recipe("start", "end", data=_clock),
    "ECS81": _recipe("locked", data=lambda args: (axdr.boolean(_flag(args, "locked")),), locked=True),
    "CS01a": _recipe("utrn", data=lambda args: (axdr.octets(_digits(args, "utrn", 20)),)),
    "CCS01": _recipe("device", "install_code", "device_type", "join_time", data=_register, join_time=90),
    "CCS02": _recipe("device", data=lambda args: (axdr.octets(_eui(args, "device")),)),
    "CCS03": _recipe("epid", "devices", data=_restore),
    "CCS07": _recipe(data=lambda _: (axdr.null(), axdr.null())),
}
"""Recipes of the commands that carry data.  ``join_time`` in seconds: 90 as in the template of the service request."""


def _value(args: Args, name: str) -> Any:
    if name not in args:
        raise MachineError(f"argument {name!r} is missing; give it a value")
    return args[name]


def _octets(args: Args, name: str, length: int) -> bytes:
    value = _value(args, name)
    try:
        octets = bytes.fromhex(value) if isinstance(value, str) else bytes(value)
    except (TypeError, ValueError):
        octets = b""
    if len(octets) != length:
        raise MachineError(f"argument {name!r}: expected {length} octets in hexadecimal, got {value!r}")
    return octets


def _moment(args: Args, name: str) -> bytes:
    """A COSEM date-time: 12 octets in hexadecimal, or civil time written as 2015-11-07T12:00:00Z."""
    value = _value(args, name)
    if "-" not in str(value):
        return _octets(args, name, 12)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise MachineError(f"argument {name!r}: expected a time such as 2015-11-07T12:00:00Z, got {value!r}")
    if moment.tzinfo is None:
        raise MachineError(
            f"argument {name!r}: expected a time with its zone, such as 2015-11-07T12:00:00Z, got {value!r}"
        )
    return CivilTime(round(moment.timestamp()) * 1_000_000_000).dlms()


def _eui(args: Args, name: str) -> bytes:
    value = _value(args, name)
    try:
        return value if isinstance(value, bytes) and len(value) == 8 else eui64.parse(str(value))
    except ValueError:
        raise MachineError(f"argument {name!r}: expected an EUI-64 such as 00-DB-12-34-56-78-90-A0, got {value!r}")


def _digits(args: Args, name: str, length: int) -> bytes:
    value = str(_value(args, name))
    if len(value) != length or not (value.isascii() and value.isdigit()):
        raise MachineError(f"argument {name!r}: expected {length} decimal digits, got {len(value)} characters")
    return value.encode("ascii")


def _number(args: Args, name: str, low: int, high: int) -> int:
    value = _value(args, name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise MachineError(f"argument {name!r}: expected a whole number from {low} to {high}, got {value!r}")
    return value


def _flag(args: Args, name: str) -> bool:
    value = _value(args, name)
    if not isinstance(value, bool):
        raise MachineError(f"argument {name!r}: expected true or false, got {value!r}")
    return value


def _device_type(args: Args) -> int:
    value = _value(args, "device_type")
    number = _DEVICE_TYPES.get(value.upper()) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 255:
        raise MachineError(
            f"argument 'device_type': expected one of {', '.join(_DEVICE_TYPES)} or a number, got {value!r}"
        )
    return number
