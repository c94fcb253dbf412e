"""What a meter records in its profiles: rows captured from registers, or made by an event, read by range.

A profile keeps its rows in its own object, so that they are saved with the objects.

Must not live here: what a row holds and how many there are (``model.profiles``), event logs (``event_log``).

Source: facts/use-cases.md (columns by name, capacities); when each is captured follows from the names of the logs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from devices.machines.parts.civil_clock import EPOCH_2000, CivilTime, from_dlms
from devices.machines.parts.event_log import selected_range
from devices.machines.parts.execution import CommandContext
from devices.model import esme_objects as own
from devices.model.objects import AccessError, Getter, Key, ObjectModel, ResultCode
from devices.model.profiles import Profile
from devices.wire import axdr
from devices.wire.axdr import CompactArray, Data, Tag

__all__ = [
    "AUXILIARY_LOG",
    "BILLING",
    "CREDITS",
    "DAILY",
    "HALF_HOURLY",
    "MODE_CHANGES",
    "REPAYMENTS",
    "ProfileLog",
    "restriction",
]


def _obis(text: str) -> bytes:
    return bytes(int(part) for part in text.split("."))


REPAYMENTS, CREDITS, MODE_CHANGES = _obis("0.0.98.1.4.255"), _obis("0.0.98.1.5.255"), _obis("0.0.98.1.2.255")
AUXILIARY_LOG = _obis("0.17.99.98.2.255")
BILLING: Final = tuple(map(_obis, ("0.0.98.1.0.255", "0.0.98.1.1.255")))
"""Profiles with a row at the end of each billing period; the first is the one that is pushed."""
DAILY: Final = tuple(map(_obis, ("0.0.98.1.9.255", "0.0.98.1.8.255", "0.0.98.1.10.255", "0.0.99.1.3.255")))
"""Profiles with a row at each midnight."""
HALF_HOURLY: Final = tuple(map(_obis, ("0.0.99.1.0.255", "0.0.99.1.1.255", "0.0.99.1.2.255")))
"""Profiles with a row at each half hour."""

_Source = Callable[[ObjectModel[CommandContext]], Data]


def _stored(class_id: int, obis: bytes, index: int, *path: int) -> _Source:
    """The value of an attribute, or an element of it."""

    def read(objects: ObjectModel[CommandContext]) -> Data:
        value = objects.value(class_id, obis, index)
        for position in path:
            value = value.value[position]
        return value

    return read


def _block(number: int) -> _Source:
    """The eight registers of one tariff block among all of them."""
    whole = _stored(*own.BLOCK_REGISTERS, 2, 0)
    return lambda objects: axdr.array(*whole(objects).value[8 * (number - 1) : 8 * number])


_SOURCES: Mapping[str, _Source] = {
    "activeImportRegisterValue": _stored(*own.IMPORT_REGISTERS, 2, 0),
    "secondaryActiveImportRegisterValue": _stored(*own.IMPORT_REGISTERS, 2, 4),
    "tariffTOURegisterValues": _stored(*own.TOU_REGISTERS, 2, 0),
    "secondaryTariffTOURegisterValues": _stored(*own.TOU_REGISTERS, 2, 1),
    **{f"tariffTOUBlock{n}RegisterValues": _block(n) for n in (1, 2, 3, 4)},
    "meterBalanceValue": _stored(*own.METER_BALANCE, 2),
    "emergencyCreditBalanceValue": _stored(*own.EMERGENCY_CREDIT, 2),
    "accumulatedDebtRegisterValue": _stored(*own.ACCUMULATED_DEBT, 2),
    "timeDebtRegisters1Value": _stored(*own.TIME_DEBTS[0], 12),
    "timeDebtRegisters2Value": _stored(*own.TIME_DEBTS[1], 12),
    "paymentDebtRegisterValue": _stored(*own.PAYMENT_DEBT, 12),
}
"""Column to the register that it is captured from.  A column without one is energy that is not counted here: 0."""


class ProfileLog:
    """The profiles of one device with these ``objects``."""

    def __init__(self, objects: ObjectModel[CommandContext], profiles: Mapping[bytes, Profile]) -> None:
        self._objects = objects
        self._profiles = {obis: profile for obis, profile in profiles.items() if objects.has(profile.key)}

    def getters(self) -> Mapping[Key, Getter[CommandContext]]:
        """The buffers, read through their selection."""
        return {profile.key: self._getter(profile) for profile in self._profiles.values()}

    def capture(self, obis: bytes, civil: CivilTime) -> None:
        """Write a row of what the registers hold now."""
        profile = self._profiles[obis]
        cells = []
        for column in profile.columns[1:]:
            source = _SOURCES.get(column.name)
            cells.append(Data(column.type.tag, 0) if source is None else source(self._objects))
        self.append(obis, civil, *cells)

    def append(self, obis: bytes, civil: CivilTime, *cells: Data) -> None:
        """Write a row with these values after its time stamp; the oldest goes where the profile is full."""
        profile = self._profiles[obis]
        rows = (*self._rows(profile), axdr.structure(axdr.u32(civil.zcl), *cells))
        self._objects.put(*profile.key, axdr.compact(profile.row, *rows[-profile.capacity :]))

    def newest(self, obis: bytes) -> Data:
        """The profile with its newest row alone."""
        profile = self._profiles[obis]
        return axdr.compact(profile.row, *self._rows(profile)[-1:])

    def _rows(self, profile: Profile) -> Sequence[Data]:
        buffer = self._objects.value(*profile.key).value
        return buffer.rows if isinstance(buffer, CompactArray) else ()

    def _getter(self, profile: Profile) -> Getter[CommandContext]:
        def read(selection: Data | None, _: CommandContext) -> Data:
            first, last = selected_range(selection)
            rows = (row for row in self._rows(profile) if first <= row.value[0].value <= last)
            return axdr.compact(profile.row, *rows)

        return read


def restriction(data: Data) -> Data | None:
    """The range descriptor of a restriction in a data protection request: kind 1 with dates from and to, or none."""
    kind, bounds = data.value
    if bounds.tag == Tag.NULL:
        return None
    if kind.value != 1 or bounds.tag != Tag.STRUCTURE or len(bounds.value) != 2:
        raise AccessError(ResultCode.TYPE_UNMATCHED, "the restriction is no range of dates")
    first, last = (from_dlms(bound.value) if isinstance(bound.value, bytes) else None for bound in bounds.value)
    return axdr.structure(axdr.null(), _stamp(first, 0), _stamp(last, 0xFFFFFFFF), axdr.array())


def _stamp(ns: int | None, otherwise: int) -> Data:
    return axdr.u32(otherwise if ns is None else max(0, min(0xFFFFFFFF, (ns - EPOCH_2000) // 1_000_000_000)))
