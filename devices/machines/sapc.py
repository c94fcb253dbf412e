"""A stand-alone auxiliary proportional controller (SAPC): calendars that take effect when they are due, and limits.

Must not live here: what every device on the HAN's tunnel has (``han_device``), the controllers (``parts.aux_switch``).

Source: facts/gbcs.md 4 (0x011A, 0x00CC, 0x0120, 0x0122), 11 no. 17; facts/use-cases.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from devices.machines.core import Effect, PowerRestored, SetTimer, Started, StopTimer, TimerFired
from devices.machines.han_device import HanDevice, HanSettings
from devices.machines.parts.aux_switch import Auxiliary, AuxiliarySettings, Told
from devices.machines.parts.commands import Outcome, PayloadHandler
from devices.machines.parts.future_dated import FutureDated
from devices.model.credentials import CredentialCells
from devices.model.objects import ObjectDef
from devices.model.sapc_objects import sapc_objects
from devices.trust.keystore import KeyStore

__all__ = ["Sapc", "SapcSettings"]

TIMER: Final = "controller"


@dataclass(frozen=True, slots=True)
class SapcSettings(HanSettings):
    """How the controller was delivered, and what no text of the specification was found for."""

    auxiliary: AuxiliarySettings = field(default_factory=AuxiliarySettings)


class Sapc(HanDevice):
    """One controller; see :class:`HanDevice`."""

    KIND = "SAPC"
    settings: SapcSettings

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        settings: SapcSettings | None = None,
        *,
        handlers: Mapping[int, PayloadHandler] | None = None,
    ) -> None:
        self.settings = settings or SapcSettings()
        super().__init__(identity, keys, cells, handlers=handlers)

    def _definitions(self) -> Sequence[ObjectDef]:
        return sapc_objects()

    def _bind(self) -> None:
        self.future = FutureDated(self.objects)
        self._told: list[Told] = []
        self.auxiliary = Auxiliary(self.objects, lambda *_: None, self._told.append, self.settings.auxiliary)
        self.objects.bind(
            methods=self.auxiliary.methods(), getters=self.auxiliary.getters(), setters=self.future.setters()
        )

    def _recall(self, saved: Mapping[str, Any]) -> None:
        self.future.restore(saved)
        self.auxiliary.restore(saved)

    def _started(self, event: Started, now: int) -> list[Effect]:
        return [*super()._started(event, now), *self._arm(now)]

    def _restored(self, event: PowerRestored, now: int) -> list[Effect]:
        return [*super()._restored(event, now), *self._reach(now)]

    def _after_command(self, _outcome: Outcome, now: int) -> list[Effect]:
        return [*self._tell(now), *self._arm(now)]

    def _own_timer(self, event: TimerFired, now: int) -> list[Effect] | None:
        return self._reach(now) if event.name == TIMER else None

    def _reach(self, now: int) -> list[Effect]:
        """What is due: planned settings, ends of limits."""
        civil = self.clock.at(now)
        reports, effects = self.future.reach(civil)
        for report in reports:
            effects += self.out.event(report.code, now, b"", report.extra, recipients=(report.role,))
        return [*effects, *self.auxiliary.reach(civil), *self._tell(now), *self._arm(now)]

    def _tell(self, now: int) -> list[Effect]:
        told = list(self._told)
        self._told.clear()
        return [effect for one in told for effect in self.out.event(one.code, now, b"", one.extra)]

    def _arm(self, now: int) -> list[Effect]:
        civil = self.clock.at(now)
        dues = [due for due in (self.future.next_due, self.auxiliary.next_due(civil)) if due is not None]
        return [SetTimer(TIMER, now + max(1, min(dues) - civil.ns))] if dues else [StopTimer(TIMER)]

    def state(self, now: int) -> dict[str, Any]:
        """Everything that the controller is, in JSON types."""
        return super().state(now) | {
            "planned": self.future.as_json(),
            "auxiliary": self.auxiliary.persist().value,
        }
