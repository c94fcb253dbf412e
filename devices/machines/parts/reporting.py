"""What a meter tells: events into its logs, alerts to whom they concern, messages out through tunnel or line.

An alert that can't leave now waits, over power cuts too, until a hub has opened a tunnel or the line is up.

Must not live here: which event happens when (the machine), how an alert is built (``alerting``).

Source: facts/gbcs.md 6 for who is told; keeping alerts until there is a way is [our choice].
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from devices.machines.core import Effect, Persist, Record, Send
from devices.machines.parts.civil_clock import CivilClock
from devices.machines.parts.commands import CommandProcessor
from devices.machines.parts.event_log import EventLog
from devices.machines.parts.tunnel import TunnelServer
from devices.model.alerts import Log, rule
from devices.wire import gbcs
from devices.wire.axdr import Data
from devices.wire.gbcs import CRA

__all__ = ["Reporter"]


class Reporter:
    """The outgoing side of one meter.  ``hub`` is whom alerts go to; None: whoever opened a tunnel."""

    def __init__(
        self,
        processor: CommandProcessor,
        clock: CivilClock,
        tunnel: TunnelServer,
        *,
        hub: bytes | None = None,
        queue_limit: int = 32,
    ) -> None:
        self.logs = {log: EventLog(log) for log in Log}
        self.line_up = False
        self._processor, self._clock, self._tunnel, self._hub = processor, clock, tunnel, hub
        self._queue: deque[bytes] = deque(maxlen=queue_limit)

    @property
    def waiting(self) -> tuple[bytes, ...]:
        """The alerts that wait for a way out, oldest first."""
        return tuple(self._queue)

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over logs and waiting alerts from what was saved."""
        for log, lines in self.logs.items():
            lines.restore(saved.get(f"log.{log.value}"))
        self._queue.extend(bytes.fromhex(octets) for octets in saved.get("queue", ()))

    def event(
        self, code: int, now: int, other: bytes | int | None = None, extra: Sequence[Data] = (), *, tell: bool = True
    ) -> list[Effect]:
        """Log an event and tell whom it concerns.  ``other`` goes into the log, ``extra`` into the alert."""
        civil, conduct = self._clock.at(now), rule(code)
        effects: list[Effect] = []
        if conduct.log is not None:
            log = self.logs[conduct.log]
            log.add(civil, code, other)
            effects.append(Persist(f"log.{conduct.log.value}", log.as_json()))
        for role in conduct.recipients if tell else ():
            octets, built = self._processor.alert(code, role, civil, extra)
            effects += built
            if octets is not None:
                self._queue.append(octets)
                effects.append(self._saved())
        return effects + self.flush(now)

    def send(self, port: str, peer: bytes, octets: bytes, now: int) -> list[Effect]:
        """Send one whole message to ``peer`` the way that ``port`` names."""
        if port == "han":
            return [*self._tunnel.send(peer, octets, now), *self.keep_broken()]
        left = {"port": port, "peer": peer.hex(), "octets": octets.hex()}
        return [Send(port, peer, octets), Record("gbcs.tx", left)]

    def flush(self, now: int) -> list[Effect]:
        """Send what waits, if there is a way to a hub."""
        peers = self._tunnel.peers()
        hub = self._hub if self._hub in peers else next(iter(peers), None)
        if not self._queue or (hub is None and not self.line_up):
            return []
        waiting = tuple(self._queue)
        self._queue.clear()
        effects: list[Effect] = []
        for octets in waiting:
            port = "line" if hub is None else "han"
            effects += self.send(port, hub or self._hub or gbcs.decode(octets).recipient, octets, now)
        return [*effects, self._saved()]

    def keep_broken(self) -> list[Effect]:
        """Alerts that did not get through wait for the next tunnel; a response is the asker's to ask for again."""
        broken = [octets for _, octets in self._tunnel.take_broken() if gbcs.decode(octets).cra == CRA.ALERT]
        self._queue.extend(broken)
        return [self._saved()] if broken else []

    def _saved(self) -> Persist:
        return Persist("queue", [octets.hex() for octets in self._queue])
