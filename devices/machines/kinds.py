"""The kinds of device that take commands, and how each is built: one table.

Must not live here: anything that one kind of device does.

Source: facts/use-cases.md (``devices``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from devices.machines.comms_hub import CommsHub
from devices.machines.comms_hub_settings import HubSettings
from devices.machines.esme import Esme
from devices.machines.esme_settings import EsmeSettings
from devices.machines.gpf import Gpf, GpfSettings
from devices.machines.gsme import Gsme, GsmeSettings
from devices.machines.hcalcs import Hcalcs, HcalcsSettings
from devices.machines.parts.civil_clock import ClockSettings
from devices.machines.parts.commands import CommandProcessor, CommandSettings
from devices.machines.ppmid import Ppmid, PpmidSettings
from devices.machines.sapc import Sapc, SapcSettings
from devices.model.credentials import CredentialCells
from devices.trust.keystore import KeyStore

__all__ = ["MACHINES", "PROCESSORS", "Delivery", "Device"]

Device = CommsHub | Esme | Gpf | Gsme | Hcalcs | Ppmid | Sapc


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a device left manufacture: who it is, its keys, the credentials it holds, its clock, and of an electricity
    meter how many elements it meters."""

    identity: bytes
    keys: KeyStore
    cells: CredentialCells
    commands: CommandSettings = field(default_factory=CommandSettings)
    clock: ClockSettings = field(default_factory=ClockSettings)
    elements: int = 1


def _hub(d: Delivery) -> Device:
    return CommsHub(HubSettings(d.identity, commands=d.commands, clock=d.clock), d.keys, d.cells)


def _esme(d: Delivery) -> Device:
    return Esme(d.identity, d.keys, d.cells, EsmeSettings(commands=d.commands, clock=d.clock, elements=d.elements))


def _gpf(d: Delivery) -> Device:
    return Gpf(d.identity, d.keys, d.cells, GpfSettings(commands=d.commands, clock=d.clock))


def _gsme(d: Delivery) -> Device:
    return Gsme(d.identity, d.keys, d.cells, GsmeSettings(commands=d.commands, clock=d.clock))


def _hcalcs(d: Delivery) -> Device:
    return Hcalcs(d.identity, d.keys, d.cells, HcalcsSettings(commands=d.commands, clock=d.clock))


def _ppmid(d: Delivery) -> Device:
    return Ppmid(d.identity, d.keys, d.cells, PpmidSettings(commands=d.commands, clock=d.clock))


def _sapc(d: Delivery) -> Device:
    return Sapc(d.identity, d.keys, d.cells, SapcSettings(commands=d.commands, clock=d.clock))


MACHINES: Mapping[str, Callable[[Delivery], Device]] = {
    "CHF": _hub,
    "ESME": _esme,
    "GPF": _gpf,
    "GSME": _gsme,
    "HCALCS": _hcalcs,
    "PPMID": _ppmid,
    "SAPC": _sapc,
}
"""Kind of device, as in the use-case table, to what builds a whole machine of that kind."""


def _processor(kind: str) -> Callable[[bytes, KeyStore, CredentialCells, CommandSettings], CommandProcessor]:
    def build(identity: bytes, keys: KeyStore, cells: CredentialCells, commands: CommandSettings) -> CommandProcessor:
        return MACHINES[kind](Delivery(identity, keys, cells, commands)).processor

    return build


PROCESSORS: Mapping[str, Callable[[bytes, KeyStore, CredentialCells, CommandSettings], CommandProcessor]] = {
    kind: _processor(kind) for kind in MACHINES
}
"""The command processor of such a machine, from its parts, with a clock as delivered."""
