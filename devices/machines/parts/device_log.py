"""The device log of a hub: which devices may be on its network, and which were.

It is the conduct behind the class-104 objects: what CCS01 (add), CCS02 (remove), CCS03 (restore), CCS05/CCS06 (read)
and CCS07 (backup) do.  Changes wish for radio effects; that the change is told (CS14) is the hub's business, see
``changed``.

Must not live here: the objects themselves (``model.chf_objects``), who may command them, radio.

Source: facts/gbcs.md 5.4 [payloads verified by running], 8.3 and 10.7 (sizes); facts/use-cases.md.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from devices.machines.core import AdmitDevice, CloseJoining, ForgetDevice, FormNetwork, OpenJoining, Persist
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.execution import CommandContext
from devices.model.chf_objects import DEVICE_LOG, HISTORIC_LOG
from devices.model.objects import AccessError, ObjectModel, ResultCode
from devices.wire import axdr
from devices.wire.axdr import Data

__all__ = ["DeviceLog", "DeviceLogSettings", "Entry"]

PORT: Final = "han"
KEY: Final = "device_log"
_NEVER: Final = bytes.fromhex("ffffffffffffffffff8000ff")  # a date-time that is not specified
_AUTHORISED, _REPORTING = 0x80, 0x40  # bits 0 and 1 of the status [recalled: from the DLMS class, samples agree]


@dataclass(frozen=True, slots=True)
class DeviceLogSettings:
    """Sizes and times."""

    capacity: int = 16  # backup_PAN carries up to 16, facts/gbcs.md 8.3 [single source]
    history: int = 15  # historic log, oldest overwritten, facts/gbcs.md 10.7 [2 sources]


@dataclass(slots=True)
class Entry:
    """One device.  ``key_hash`` is the hash of its trust-centre link key, empty while the hub does not know it."""

    eui: bytes
    install_code: bytes = b""
    device_type: int = 0
    key_hash: bytes = b""
    joined: bool = False
    last_heard: bytes = _NEVER  # COSEM date-time
    sent: int = 0
    failed: int = 0

    def as_json(self) -> dict[str, Any]:
        octets = {"eui": self.eui, "install_code": self.install_code, "key_hash": self.key_hash}
        return {name: value.hex() for name, value in octets.items()} | {"type": self.device_type, "joined": self.joined}

    @classmethod
    def of_json(cls, saved: Mapping[str, Any]) -> Entry:
        eui, code, key_hash = (bytes.fromhex(saved[name]) for name in ("eui", "install_code", "key_hash"))
        return cls(eui, code, saved["type"], key_hash, saved["joined"])


@dataclass(slots=True)
class DeviceLog:
    """The log of one hub.  ``epid`` is the extended PAN id of its network, 8 octets."""

    epid: bytes
    settings: DeviceLogSettings = field(default_factory=DeviceLogSettings)
    changed: bool = False
    """Set by every change; the hub clears it when it has sent its CS14 alert."""
    _entries: OrderedDict[bytes, Entry] = field(default_factory=OrderedDict)
    _history: deque[tuple[bytes, bytes]] = field(default_factory=deque)

    def __contains__(self, eui: object) -> bool:
        return eui in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, eui: bytes) -> Entry | None:
        """The entry of a device, None for one that is not in the log."""
        return self._entries.get(eui)

    def joined(self, eui: bytes, *, joined: bool) -> bool:
        """Note that a device joined or left; True when that is news about a device of the log."""
        entry = self._entries.get(eui)
        if entry is None or entry.joined == joined:
            return False
        entry.joined = self.changed = True
        entry.joined = joined
        return True

    def heard(self, eui: bytes, civil: CivilTime) -> None:
        """Note that a device of the log was heard."""
        entry = self._entries.get(eui)
        if entry is not None:
            entry.last_heard = civil.dlms(civil.status.value)

    # ------------------------------------------------------------------------------------------------ for the messages

    def backup(self, civil: CivilTime) -> Data:
        """What CS14 and CCS07 carry: date-time, extended PAN id, and a device with its key hash each."""
        return self._backup(civil, [(entry.eui, entry.key_hash) for entry in self])

    def persist(self) -> Persist:
        """The effect that keeps the log over a power loss."""
        history = [[eui.hex(), key_hash.hex()] for eui, key_hash in self._history]
        return Persist(
            KEY, {"epid": self.epid.hex(), "entries": [entry.as_json() for entry in self], "history": history}
        )

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what :meth:`persist` kept."""
        kept = saved.get(KEY)
        if kept is None:
            return
        self.epid = bytes.fromhex(kept["epid"])
        self._entries = OrderedDict((entry.eui, entry) for entry in map(Entry.of_json, kept["entries"]))
        self._history = deque((bytes.fromhex(eui), bytes.fromhex(key_hash)) for eui, key_hash in kept["history"])

    def bind(self, objects: ObjectModel[CommandContext]) -> None:
        """Give the class-104 objects their conduct."""
        methods: dict[int, Callable[[Data, CommandContext], tuple[int, Data | None]]] = {
            1: self._register,
            2: self._unregister,
            4: lambda _, context: (0, self.backup(context.civil)),
            5: self._restore_pan,
        }
        objects.bind(
            {(*DEVICE_LOG, number): method for number, method in methods.items()}
            | {(*HISTORIC_LOG, 4): lambda _, context: (0, self._backup(context.civil, list(self._history)))},
            {(*DEVICE_LOG, 4): lambda _selection, _context: axdr.array(*(_statistics(entry) for entry in self))},
            {(*DEVICE_LOG, 2): lambda data, context: self._enable(data, context, objects)},
        )

    def _backup(self, civil: CivilTime, devices: list[tuple[bytes, bytes]]) -> Data:
        rows = [axdr.structure(axdr.octets(eui), axdr.octets(key_hash)) for eui, key_hash in devices]
        return axdr.structure(axdr.octets(civil.dlms()), axdr.octets(self.epid), axdr.array(*rows))

    # --------------------------------------------------------------------------------------------------- the methods

    def _register(self, argument: Data, context: CommandContext) -> tuple[int, Data | None]:
        """CCS01: add a device with its install code; adding it anew replaces the code."""
        eui, _, code, kind = (part.value for part in argument.value)
        if eui not in self._entries and len(self._entries) >= self.settings.capacity:
            raise AccessError(ResultCode.OTHER_REASON, f"the log holds {self.settings.capacity} devices")
        known = self._entries.get(eui)
        key_hash = known.key_hash if known else dict(self._history).get(eui, b"")
        self._entries[eui] = Entry(eui, code, kind, key_hash)
        self.changed = True
        context.effects += [self.persist(), AdmitDevice(PORT, eui, code)]
        return 0, None

    def _enable(self, data: Data, context: CommandContext, objects: ObjectModel[CommandContext]) -> None:
        """The last step of CCS01: open (or close) joining for join_timeout seconds."""
        seconds = objects.value(*DEVICE_LOG, 3).value
        context.effects.append(OpenJoining(PORT, seconds) if data.value else CloseJoining(PORT))

    def _unregister(self, argument: Data, context: CommandContext) -> tuple[int, Data | None]:
        """CCS02: remove a device; a link key that it had goes to the historic log."""
        entry = self._entries.pop(argument.value, None)
        if entry is None:
            raise AccessError(ResultCode.OTHER_REASON, "the device is not in the log")
        if entry.key_hash:
            self._history.append((entry.eui, entry.key_hash))
            while len(self._history) > self.settings.history:
                self._history.popleft()
        self.changed = True
        context.effects += [self.persist(), ForgetDevice(PORT, entry.eui)]
        return 0, None

    def _restore_pan(self, argument: Data, context: CommandContext) -> tuple[int, Data | None]:
        """CCS03: take over the network and the devices of a hub that was replaced."""
        epid, devices = (part.value for part in argument.value)
        if len(devices) > self.settings.capacity:
            raise AccessError(ResultCode.OTHER_REASON, f"the log holds {self.settings.capacity} devices")
        entries = [Entry(device.value[0].value, key_hash=device.value[1].value) for device in devices]
        self.epid, self._entries = epid, OrderedDict((entry.eui, entry) for entry in entries)
        self.changed = True
        context.effects += [self.persist(), FormNetwork(PORT, epid)]
        return 0, None


def _statistics(entry: Entry) -> Data:
    """One row of the active devices (CCS05, CCS06).  Signal strength and link quality are 0: no radio tells them."""
    status = _AUTHORISED | (_REPORTING if entry.joined else 0)
    signal = [axdr.i8(0)] * 3 + [axdr.u8(0)] * 3
    hops, application, stack = axdr.u8(1), axdr.u8(0), axdr.u8(0)
    counts = [axdr.u8(min(entry.failed, 255)), axdr.u8(min(entry.sent, 255))]
    last = axdr.octets(entry.last_heard)
    bits = axdr.bits(bytes((status,)), 8)
    return axdr.structure(axdr.octets(entry.eui), bits, *signal, last, hops, *counts, application, stack)
