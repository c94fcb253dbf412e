"""What a device with ZCL clusters tells: events into its logs, GBZ alerts to whom they concern.

Must not live here: which event happens when (the machine), how an alert is built (``alerting``) and leaves
(``outbox``).

Source: facts/gbcs.md 3.2 (GBZ alerts), 6 for who is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from devices.machines.core import Effect
from devices.machines.parts.civil_clock import CivilClock
from devices.machines.parts.commands import CommandProcessor
from devices.machines.parts.gas_conduct import GasConduct
from devices.machines.parts.reporting import Reporter
from devices.machines.parts.tunnel_end import TunnelEnd
from devices.model.alerts import rule
from devices.model.roles import Role
from devices.wire import gbz
from devices.wire.axdr import Data

__all__ = ["GasReporter"]


class GasReporter(Reporter):
    """The outgoing side of one device; its logs are those of its Events cluster, kept by ``conduct``."""

    def __init__(
        self,
        processor: CommandProcessor,
        conduct: GasConduct,
        clock: CivilClock,
        tunnel: TunnelEnd,
        *,
        hub: bytes | None = None,
        queue_limit: int = 32,
    ) -> None:
        super().__init__(processor, clock, tunnel, hub=hub, queue_limit=queue_limit)
        self.logs = {}
        self._conduct = conduct

    def event(
        self,
        code: int,
        now: int,
        other: bytes | int | None = None,
        extra: Sequence[Data] = (),  # noqa: ARG002  no GBZ alert carries DLMS data
        *,
        tell: bool = True,
        recipients: Sequence[Role] | None = None,
        sealed: Data | None = None,  # noqa: ARG002
    ) -> list[Effect]:
        """Log an event and tell whom it concerns.  ``other`` goes into the log as the event's data."""
        civil, conduct = self._clock.at(now), rule(code)
        data = other if isinstance(other, bytes) else b""
        effects = self._conduct.log(conduct.log, civil, code, data) if conduct.log is not None else []
        concerned = conduct.recipients if recipients is None else recipients
        for role in concerned if tell else ():
            effects += self.alert(code, role, lambda _: gbz.Alert(code, civil.zcl))
        return effects + self.flush(now)

    def alert(self, code: int, role: Role, make: Callable[[int], gbz.Alert], **carrier: Any) -> list[Effect]:
        """Build one alert and have it wait for its way out, see :meth:`AlertBuilder.build_gbz`."""
        octets, effects = self._processor.alerts.build_gbz(code, role, make, **carrier)
        return effects if octets is None else [*effects, self.keep(octets)]
