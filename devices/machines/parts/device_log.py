"""The device log of a hub: which devices may be on its network, and which were.

It is the conduct behind the class-104 objects: what CCS01 (add), CCS02 (remove), CCS03 (restore), CCS05/CCS06 (read)
and CCS07 (backup) do.  Changes wish for radio effects; that the change is told (CS14) is the hub's business, see
``changed``.

A device that was here before is let in by its old key first: the historic log keeps the key of what was removed.  Keys
are known by the install code that each was made of, since that is what radios take.

Must not live here: the objects themselves (``model.chf_objects``), who may command them, radio.

Source: facts/gbcs.md 5.4 [payloads verified by running; rules: page seen, current], 10.7 (sizes [spec text, second
hand]; rules of adding and removing [page seen, current]); facts/use-cases.md.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from devices.machines.core import (
    AdmitDevice,
    CloseJoining,
    Effect,
    ForgetDevice,
    FormNetwork,
    OpenJoining,
    Persist,
    SetTimer,
    StopTimer,
)
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.execution import CommandContext
from devices.model.chf_objects import DEVICE_LOG, HISTORIC_LOG
from devices.model.objects import AccessError, ObjectModel, ResultCode
from devices.trust.install_code import hashed_link_key, install_code_key
from devices.wire import axdr
from devices.wire.axdr import Data

__all__ = ["TIMER", "DeviceLog", "DeviceLogSettings", "Entry", "Readmission"]

PORT: Final = "han"
KEY: Final = "device_log"
TIMER: Final = "device_log.old_key"
_SECOND: Final = 1_000_000_000
_GPF: Final = 254  # device type of a gas proxy
_NEVER: Final = bytes.fromhex("ffffffffffffffffff8000ff")  # a date-time that is not specified
_AUTHORISED, _REPORTING = 0x80, 0x40  # bits 0 and 1 of the status [recalled: from the DLMS class, samples agree]


class Readmission(Enum):
    """How long a device that was here before is tried with its old key, before its install code counts."""

    HALVES = "halves"  # the first half of join_timeout for the old key, the second for the install code
    FULL_PERIOD_EACH = "full-period-each"  # an older text: the whole period for each of the two


@dataclass(frozen=True, slots=True)
class DeviceLogSettings:
    """Sizes and times."""

    capacity: int = 16  # 4 ESME, GSME, GPF, 7 of type 1, 3 of type 2, facts/gbcs.md 10.7 [spec text, second hand]
    history: int = 15  # historic log, the oldest overwritten, facts/gbcs.md 10.7 [page seen, current]
    readmission: Readmission = Readmission.HALVES  # facts/gbcs.md 10.7 [page seen, current]
    hht_type: int | None = (
        None  # device type of a terminal, which leaves no history; no source names it, gbcs.md 11 no. 6
    )


@dataclass(slots=True)
class Entry:
    """One device.  ``key_hash`` is the hash of its trust-centre link key, empty until it has joined.

    ``old_code`` stands for the key that the historic log has of it, while that one is tried.
    """

    eui: bytes
    install_code: bytes = b""
    device_type: int = 0
    key_hash: bytes = b""
    joined: bool = False
    last_heard: bytes = _NEVER  # COSEM date-time
    sent: int = 0
    failed: int = 0
    old_code: bytes = b""

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
    _history: OrderedDict[bytes, tuple[bytes, bytes]] = field(default_factory=OrderedDict)
    """Device to the hash of its key and the install code that the key was made of, the oldest first."""

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
        entry.joined = joined
        if joined:
            self._keyed(entry)
        return True

    def _keyed(self, entry: Entry) -> None:
        """A device communicates: the key that let it in is its own now, and its hash goes into the log."""
        entry.install_code, entry.old_code = entry.old_code or entry.install_code, b""
        if entry.install_code:
            key_hash = hashed_link_key(install_code_key(entry.install_code))
            self.changed = self.changed or key_hash != entry.key_hash
            entry.key_hash = key_hash

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
        history = [[eui.hex(), *(part.hex() for part in kept)] for eui, kept in self._history.items()]
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
        rows = ([bytes.fromhex(part) for part in row] for row in kept["history"])
        self._history = OrderedDict((eui, (key_hash, b"".join(code))) for eui, key_hash, *code in rows)

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
            | {(*HISTORIC_LOG, 4): lambda _, context: (0, self._backup(context.civil, self._historic))},
            {(*DEVICE_LOG, 4): lambda _selection, _context: axdr.array(*(_statistics(entry) for entry in self))},
            {(*DEVICE_LOG, 2): lambda data, context: self._enable(data, context, objects)},
        )

    @property
    def _historic(self) -> list[tuple[bytes, bytes]]:
        return [(eui, key_hash) for eui, (key_hash, _) in self._history.items()]

    def _backup(self, civil: CivilTime, devices: list[tuple[bytes, bytes]]) -> Data:
        rows = [axdr.structure(axdr.octets(eui), axdr.octets(key_hash)) for eui, key_hash in devices]
        return axdr.structure(axdr.octets(civil.dlms()), axdr.octets(self.epid), axdr.array(*rows))

    # --------------------------------------------------------------------------------------------------- the methods

    def _register(self, argument: Data, context: CommandContext) -> tuple[int, Data | None]:
        """CCS01: add a device with its install code.

        Of one that is in the log the key is thrown away unprocessed, and that is a success.  One that the historic log
        knows is let in by its old key for a time.
        """
        eui, _, code, kind = (part.value for part in argument.value)
        if eui in self._entries:
            return 0, None
        if len(self._entries) >= self.settings.capacity:
            raise AccessError(ResultCode.OTHER_REASON, f"the log holds {self.settings.capacity} devices")
        old_code = self._history[eui][1] if eui in self._history else b""
        self._entries[eui] = Entry(eui, code, kind, old_code=old_code)
        self.changed = True
        context.effects += [self.persist(), AdmitDevice(PORT, eui, old_code or code)]
        return 0, None

    def _enable(self, data: Data, context: CommandContext, objects: ObjectModel[CommandContext]) -> None:
        """The last step of CCS01: open (or close) joining for join_timeout seconds."""
        seconds = objects.value(*DEVICE_LOG, 3).value
        if not data.value:
            context.effects.append(CloseJoining(PORT))
            return
        whole = self.settings.readmission is Readmission.FULL_PERIOD_EACH
        context.effects.append(OpenJoining(PORT, 2 * seconds if whole else seconds))
        if any(entry.old_code for entry in self):
            period = seconds * _SECOND if whole else seconds * _SECOND // 2
            context.effects.append(SetTimer(TIMER, context.now + period))

    def fired(self, name: str) -> list[Effect] | None:
        """Take a timer, None when it is not ours: who did not come with the old key may come with the install code."""
        if name != TIMER:
            return None
        waiting = [entry for entry in self if entry.old_code]
        for entry in waiting:
            entry.old_code = b""
        return [AdmitDevice(PORT, entry.eui, entry.install_code) for entry in waiting]

    def _unregister(self, argument: Data, context: CommandContext) -> tuple[int, Data | None]:
        """CCS02: remove a device; its link key goes to the historic log, of a terminal or a gas proxy nothing does."""
        entry = self._entries.pop(argument.value, None)
        if entry is None:
            raise AccessError(ResultCode.OTHER_REASON, "the device is not in the log")
        if entry.key_hash and entry.device_type not in (_GPF, self.settings.hht_type):
            self._history[entry.eui] = (entry.key_hash, entry.install_code)  # one that is there keeps its place
            while len(self._history) > self.settings.history:
                self._history.popitem(last=False)
        self.changed = True
        context.effects += [self.persist(), ForgetDevice(PORT, entry.eui)]
        if entry.old_code and not any(other.old_code for other in self):
            context.effects.append(StopTimer(TIMER))
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
