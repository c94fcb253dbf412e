"""A HAN connected auxiliary load control switch (HCALCS): it is joined, unjoined, read and updated by remote parties;
its meter works it over ZigBee.

Must not live here: what every device on the HAN's tunnel has (``han_device``), the execution of ASN.1 commands.

Source: facts/gbcs.md 4 (CS02x to CS08), 5.4; facts/use-cases.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devices.machines.han_device import HanDevice, HanSettings
from devices.machines.parts.commands import PayloadHandler
from devices.model.credentials import CredentialCells
from devices.model.hcalcs_objects import hcalcs_objects
from devices.model.objects import ObjectDef
from devices.trust.keystore import KeyStore

__all__ = ["Hcalcs", "HcalcsSettings"]


@dataclass(frozen=True, slots=True)
class HcalcsSettings(HanSettings):
    """How the switch was delivered."""


class Hcalcs(HanDevice):
    """One switch; see :class:`HanDevice`.  What it carries out of its commands is in ``handlers``."""

    KIND = "HCALCS"
    settings: HcalcsSettings

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        settings: HcalcsSettings | None = None,
        *,
        handlers: Mapping[int, PayloadHandler] | None = None,
    ) -> None:
        self.settings = settings or HcalcsSettings()
        super().__init__(identity, keys, cells, handlers=handlers)

    def _definitions(self) -> Sequence[ObjectDef]:
        return hcalcs_objects()
