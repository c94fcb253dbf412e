"""What a meter tells: events into its logs, alerts to whom they concern, messages out through tunnel or line.

An alert that can't leave now waits, over power cuts too, until a hub has opened a tunnel or the line is up.

Must not live here: which event happens when (the machine), how an alert is built (``alerting``).

Source: facts/gbcs.md 6 for who is told; keeping alerts until there is a way is [our choice].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from devices.machines.core import Effect, Persist
from devices.machines.parts.civil_clock import CivilClock
from devices.machines.parts.commands import CommandProcessor
from devices.machines.parts.event_log import EventLog
from devices.machines.parts.outbox import Outbox
from devices.machines.parts.tunnel_end import TunnelEnd
from devices.model.alerts import Log, rule
from devices.model.roles import Role
from devices.wire.axdr import Data

__all__ = ["Reporter"]


class Reporter(Outbox):
    """The outgoing side of one meter.  ``hub`` is whom alerts go to; None: whoever opened a tunnel."""

    def __init__(
        self,
        processor: CommandProcessor,
        clock: CivilClock,
        tunnel: TunnelEnd,
        *,
        hub: bytes | None = None,
        queue_limit: int = 32,
    ) -> None:
        self.logs = {log: EventLog(log) for log in Log}
        super().__init__(tunnel, hub, queue_limit)
        self._processor, self._clock = processor, clock

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over logs and waiting alerts from what was saved."""
        for log, lines in self.logs.items():
            lines.restore(saved.get(f"log.{log.value}"))
        super().restore(saved)

    def event(
        self,
        code: int,
        now: int,
        other: bytes | int | None = None,
        extra: Sequence[Data] = (),
        *,
        tell: bool = True,
        recipients: Sequence[Role] | None = None,
        sealed: Data | None = None,
    ) -> list[Effect]:
        """Log an event and tell whom it concerns.  ``other`` goes into the log, ``extra`` into the alert.

        ``recipients`` are those of the event's rule unless given; ``sealed`` follows ``extra``, encrypted.
        """
        civil, conduct = self._clock.at(now), rule(code)
        effects: list[Effect] = []
        if conduct.log is not None:
            log = self.logs[conduct.log]
            log.add(civil, code, other)
            effects.append(Persist(f"log.{conduct.log.value}", log.as_json()))
        concerned = conduct.recipients if recipients is None else recipients
        for role in concerned if tell else ():
            octets, built = self._processor.alert(code, role, civil, extra, sealed=sealed)
            effects += built
            if octets is not None:
                effects.append(self.keep(octets))
        return effects + self.flush(now)
