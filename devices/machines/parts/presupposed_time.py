"""The time at which a published command can be carried out; the other rules are in ``presupposed``.

Inside the window that the command names for the clock; else the first day on which every certificate that plays a part
is valid: those in the command, those of its sender and of the device; but before the time at which an ASN.1 command is
to be carried out, for it says so to have it waited for.

Must not live here: clocks of devices (``civil_clock``).

Source: facts/gbcs.md 2.7 (the published certificates have expired), 5.3, 11 no. 25.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from devices.machines.core import MachineError
from devices.machines.parts.building import arguments_of
from devices.machines.parts.civil_clock import CivilTime, ClockSettings, from_dlms
from devices.trust import certificates
from devices.trust.certificates import Certificate
from devices.trust.directory import Directory
from devices.trust.errors import TrustError
from devices.wire.errors import WireError
from devices.wire.gbcs import Message

__all__ = ["parsed", "time_for"]

SECOND: Final = 1_000_000_000
_DAY: Final = 86_400 * SECOND
_DATED: Final = "execution_time"
"""The name, in typed ASN.1 objects, of the time at which a command is to be carried out."""


@lru_cache(maxsize=1024)
def parsed(octets: bytes) -> Certificate | None:
    """A certificate, None where the octets are none."""
    try:
        return certificates.parse(octets)
    except TrustError:
        return None


def time_for(message: Message, directory: Directory) -> CivilTime:
    """A time at which the command can be carried out.

    Inside the window that the command names for the clock; else the first day on which every certificate that plays a
    part is valid: those in the command and those of its sender and of the device; before the time that dates it.
    """
    arguments = _arguments(message)
    window = _window(arguments)
    if window is not None:
        return CivilTime((window[0] + window[1]) // 2)
    parties = {message.originator.hex(), message.recipient.hex()}
    octets = [der for name, der in directory.certificates.items() if name.partition("-")[0] in parties]
    octets += list(_certificates_in(arguments))
    if message.certificate is not None:
        octets.append(message.certificate)
    starts = [found.not_before for der in octets if (found := parsed(der)) is not None]
    valid = round((max(starts) + timedelta(days=1)).timestamp()) * SECOND if starts else ClockSettings().start_ns
    dated = _instant(arguments.get(_DATED))
    return CivilTime(valid if dated is None else min(valid, dated - _DAY))


def _arguments(message: Message) -> Mapping[str, Any]:
    try:
        return arguments_of(message)
    except (MachineError, WireError):
        return {}  # what cannot be read has nothing to say of the state; the device will refuse it


_WINDOWS: Final = (("start", "end"), ("validity_interval_start", "validity_interval_end"))
"""The names of the two ends of a window for the clock, in typed objects and in the fields of the rows."""


def _window(arguments: Any) -> tuple[int, int] | None:
    if not isinstance(arguments, Mapping):
        return None
    for start, end in _WINDOWS:
        if start in arguments and end in arguments:
            limits = _instant(arguments[start]), _instant(arguments[end])
            if limits[0] is not None and limits[1] is not None:
                return limits[0], limits[1]
    return next((found for value in arguments.values() if (found := _window(value)) is not None), None)


def _instant(value: Any) -> int | None:
    """Nanoseconds since 1970 of a time in an argument: a COSEM date-time in hexadecimal, or ISO 8601."""
    if not isinstance(value, str):
        return None
    try:
        if "-" in value:
            return round(datetime.fromisoformat(value).timestamp()) * SECOND
        return from_dlms(bytes.fromhex(value))
    except ValueError:
        return None


def _certificates_in(value: Any) -> Iterable[bytes]:
    """Every octet string of an argument, however deep, that is a certificate."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _certificates_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _certificates_in(inner)
    elif isinstance(value, str) and len(value) > 200 and value.startswith("30"):
        yield bytes.fromhex(value)
