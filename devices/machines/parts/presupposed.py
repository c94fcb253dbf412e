"""The state that a published command presupposes: a device of the right kind that will carry it out, by general rules.

Each command meets a device of its own.  The rules read the command, its rows in the use-case table and the
certificates of the parties, and nothing else; no rule knows a use case by name.

    kind           one that every message to and from that EUI-64 fits
    keys           key agreement from whichever side is known; the device signs with a key made from its EUI-64
    credentials    the cells of its kind, filled from the certificates of the organisations, the originator's first
    counters       the floor of the row that the command counts in lies just below it
    clock          inside the window that the command names for it, else within the validity of the certificates
    objects        what the command takes away or asks for is there: no log that it reads is empty

The clock is in ``presupposed_time``, what is peculiar to ASN.1 commands in ``presupposed_asn1``.

Must not live here: what a device does with a command, expected answers.

Source: facts/gbcs.md 2.7, 3.9 no. 6, 9.2, 9.3, 11 no. 25.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from devices.machines.core import MachineError
from devices.machines.kinds import MACHINES, Delivery
from devices.machines.parts.checks import series
from devices.machines.parts.civil_clock import CivilTime, ClockSettings
from devices.machines.parts.commands import CommandContext, CommandProcessor, CommandSettings, Outcome
from devices.machines.parts.gas_history import counted_stores, give_past
from devices.machines.parts.presupposed_asn1 import JOINED, fill_authorising_cells, prepare
from devices.machines.parts.presupposed_time import parsed, time_for
from devices.model import chf_objects, use_cases
from devices.model.credentials import DEVICE_CELLS, CredentialCells, cells_from_publics
from devices.model.objects import AccessError, ObjectModel
from devices.model.roles import Role
from devices.model.use_cases import UseCase
from devices.trust.directory import Directory
from devices.trust.keystore import MemoryKeyStore, generate, signing_key
from devices.wire import axdr, cosem, gbz
from devices.wire.axdr import Data
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA, Message

__all__ = ["Circumstances", "Presupposed", "circumstances_of", "device_for", "kinds_of"]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What no command says of the device that it is sent to: whether its logs, calendars and tariffs hold what is asked
    for, of which stores they hold another number than usual, and how many elements the meter has."""

    records: bool = True
    elements: int = 1
    counts: tuple[tuple[str, int], ...] = ()


def circumstances_of(use_case: UseCase) -> tuple[Circumstances, ...]:
    """The circumstances that a command of this use case leaves open, the usual ones first.

    Two published commands that are alike but for their counters get different answers where the devices differ in this.
    """
    found = [Circumstances()]
    named = [*(field for row in use_case.dlms for field in row.fields)]
    named += [field for row in use_case.dlms for part in row.protects for field in part.fields]
    if any(field.get("only") for field in named):
        found.append(Circumstances(elements=2))
    if use_case.payload == "gbz" and use_case.only_reads:
        found.append(Circumstances(records=False))
        stores = counted_stores(use_case)
        numbers = itertools.product(*(range(room + 1) for room in stores.values()))
        found += [Circumstances(counts=tuple(zip(stores, held, strict=True))) for held in numbers if held]
    return tuple(found)


@dataclass(slots=True)
class Presupposed:
    """A device in the state that one command presupposes.  ``civil`` is its time at bench time 0."""

    kind: str
    processor: CommandProcessor
    civil: CivilTime

    def receive(self, octets: bytes, now: int = 0, civil: CivilTime | None = None) -> Outcome:
        """Hand the device one message; see :meth:`CommandProcessor.receive`."""
        return self.processor.receive(octets, now, civil or self.civil)


def device_for(
    message: Message,
    keys: MemoryKeyStore,
    directory: Directory,
    kind: str,
    circumstances: Circumstances | None = None,
) -> Presupposed:
    """A device of ``kind`` in the state that ``message`` presupposes.

    Raises :class:`MachineError` where no such state can be made: no device of this kind, an unknown message code.
    """
    use_case = use_cases.by_code(message.message_code)
    if use_case is None:
        raise MachineError(f"message code 0x{message.message_code:04X} is not in the use-case table")
    if kind not in MACHINES or kind not in DEVICE_CELLS:
        raise MachineError(f"no device of this kind: {kind or 'unknown'}")
    circumstances = circumstances or Circumstances()
    cells = _credentials(message, kind, directory)
    fill_authorising_cells(cells, message, directory.publics, directory.certificates)
    civil = time_for(message, directory)
    delivery = Delivery(
        message.recipient,
        _keys(message.recipient, keys),
        cells,
        CommandSettings(),
        ClockSettings(start_ns=civil.ns),
        circumstances.elements,
    )
    processor = MACHINES[kind](delivery).processor
    counted = processor.floors.protects(use_case.replay_protected)
    for role in cells.roles_of(message.originator) if counted else ():
        processor.floors.record(series(message, use_case, role), message.counter - 1)
    _prepare(processor, message, use_case, civil, circumstances)
    if use_case.payload == "asn1":
        prepare(processor, message, directory.certificates)
    return Presupposed(kind, processor, civil)


# -------------------------------------------------------------------------------------------------- what must be there

_REGISTER, _UNREGISTER = (104, 1), (104, 2)
_CODE_KEY, _ESME = axdr.enum(1), axdr.enum(0)


def _registered(device: Data) -> Data:
    """The argument that registers the device which another command unregisters."""
    return axdr.structure(device, _CODE_KEY, axdr.octets(bytes(16)), _ESME)


_INVERSES: Final[Mapping[tuple[int, int], tuple[int, Callable[[Data], Data]]]] = {
    _UNREGISTER: (_REGISTER[1], _registered),
}
"""Class and method of what takes something away, to the method that puts it there and its argument."""

_DEVICE_LOG: Final = 104
_BACKUP, _RESTORE, _ACTIVE = 4, 5, 4
_LEFT: Final = bytes.fromhex("00db00000000ff02")  # a device that had joined a hub and left again [our choice]


def _prepare(
    processor: CommandProcessor,
    message: Message,
    use_case: UseCase,
    civil: CivilTime,
    circumstances: Circumstances,
) -> None:
    """Put there what a command takes away or asks for, through the device's own objects and logs.

    What can't be read prepares nothing: the device will refuse it.
    """
    with suppress(WireError):
        if use_case.payload == "dlms":
            _prepare_objects(processor, message, use_case, civil)
        elif use_case.payload == "gbz" and processor.clusters is not None and circumstances.records:
            body = gbz.decode(message.payload)
            if isinstance(body, gbz.Payload):
                give_past(processor.clusters.clusters, body, civil.zcl, dict(circumstances.counts))


def _prepare_objects(processor: CommandProcessor, message: Message, use_case: UseCase, civil: CivilTime) -> None:
    request = cosem.decode(message.payload)
    if not isinstance(request, cosem.AccessRequest):
        return
    context = CommandContext(0, civil, message, use_case, Role.OTHER, bytes)
    if any(_asks_for_device_log(spec) for spec in request.specs):
        _fill_device_logs(processor.objects, context)
    for spec, datum in zip(request.specs, request.data, strict=False):
        inverse = _INVERSES.get((spec.class_id, spec.index)) if spec.op == cosem.Op.ACTION else None
        if inverse is None:
            continue
        with suppress(AccessError):  # an argument that makes no sense; the device will say so itself
            processor.objects.act((spec.class_id, spec.obis, inverse[0]), inverse[1](datum), context)


def _asks_for_device_log(spec: cosem.Spec) -> bool:
    if spec.class_id != _DEVICE_LOG:
        return False
    return spec.index == (_BACKUP if spec.op == cosem.Op.ACTION else _ACTIVE)


def _fill_device_logs(objects: ObjectModel[CommandContext], context: CommandContext) -> None:
    """One device in the log of a hub and one in its historic log, by the hub's own methods."""
    place = chf_objects.DEVICE_LOG
    _, backup = objects.act((*place, _BACKUP), axdr.null(), context)
    if backup is None:
        return
    rows = [axdr.structure(axdr.octets(device), axdr.octets(device * 2)) for device in (JOINED, _LEFT)]
    objects.act((*place, _RESTORE), axdr.structure(backup.value[1], axdr.array(*rows)), context)
    objects.act((*place, _UNREGISTER[1]), axdr.octets(_LEFT), context)


# ----------------------------------------------------------------------------------------------------------------- kind


def kinds_of(messages: Iterable[Message]) -> dict[bytes, tuple[str, ...]]:
    """The kinds that every device in ``messages`` can be: those that all its messages fit, mostly one.

    Where several remain, those that the table names for all its messages come first, those that another device has for
    certain last, the others in the order of their names.
    """
    candidates: dict[bytes, set[str]] = {}
    named: dict[bytes, set[str]] = {}
    for message in messages:
        use_case = use_cases.by_code(message.message_code)
        if use_case is None:
            continue
        device = message.recipient if message.cra == CRA.COMMAND else message.originator
        candidates.setdefault(device, set(use_case.kinds)).intersection_update(use_case.kinds)
        named.setdefault(device, set(use_case.devices)).intersection_update(use_case.devices)
    certain = {next(iter(kinds)) for kinds in candidates.values() if len(kinds) == 1}
    return {
        device: tuple(sorted(kinds, key=lambda kind: (kind not in named[device], kind in certain, kind)))
        for device, kinds in candidates.items()
    }


# ----------------------------------------------------------------------------------------------------------------- keys

_made: dict[tuple[int, bytes], tuple[MemoryKeyStore, MemoryKeyStore]] = {}


def _keys(identity: bytes, keys: MemoryKeyStore) -> MemoryKeyStore:
    """The keys that the device uses: those that are published, and a signing key of its own, made from its EUI-64."""
    known = _made.get((id(keys), identity))
    if known is not None and known[0] is keys:
        return known[1]
    name = signing_key(identity)
    own = keys
    if name not in keys.names or not keys.holds_private(name):
        own = keys.merged(MemoryKeyStore({name: generate(random.Random(identity.hex()))}, {}))
    _made[id(keys), identity] = keys, own
    return own


# ---------------------------------------------------------------------------------------------------------- credentials


def _credentials(message: Message, kind: str, directory: Directory) -> CredentialCells:
    """Cells filled with the organisations whose certificates are known.

    Of several parties with one role: whoever sent the command, or on whose behalf it was sent, else the first that is
    not the user whose certificate the command has to bring along because the device does not know him.
    """
    stranger = message.supplementary_party if message.certificate is not None else None
    senders = {message.originator, message.supplementary_party} - {stranger}
    parties: dict[Role, bytes] = {}
    for name, octets in sorted(directory.certificates.items()):
        found = parsed(octets)
        if found is None or found.eui is None or found.role is None or found.role not in set(Role):
            continue
        if found.eui.hex() != name.partition("-")[0]:
            continue  # filed under the name of another party
        role = Role(found.role)
        if role not in parties or found.eui in senders or parties[role] == stranger:
            parties[role] = found.eui
    return cells_from_publics(kind, parties, directory.publics, directory.certificates)
