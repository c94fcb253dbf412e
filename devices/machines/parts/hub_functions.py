"""What the objects of a hub show beside its device log: its logs, who it is, its Sub GHz radio.

Must not live here: the device log (``device_log``), networks and messages (``comms_hub``).

Source: facts/use-cases.md (ECS26i, ECS26n, ECS35c, ECS35d, ECS52, DBCH01 to DBCH05); facts/gbcs.md 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devices.machines.core import Persist
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.commands import CommandContext, Outcome
from devices.machines.parts.event_log import EventLog
from devices.machines.parts.sub_ghz import SubGhz, SubGhzSettings
from devices.model import chf_objects as own
from devices.model.alerts import Log, rule
from devices.model.objects import ObjectModel
from devices.wire import axdr
from devices.wire.axdr import Data

__all__ = ["HubFunctions"]

COMMAND_DONE, COMMAND_FAILED = 0x8154, 0x8155


class HubFunctions:
    """The functions of one hub, bound to its objects.  ``occupied`` says whether a terminal is connected."""

    def __init__(
        self,
        objects: ObjectModel[CommandContext],
        eui: bytes,
        firmware: bytes,
        sub_ghz: SubGhzSettings,
        occupied: Callable[[], bool],
    ) -> None:
        self.logs = {log: EventLog(log) for log in (Log.EVENT, Log.SECURITY)}
        self._told: list[tuple[int, Data]] = []
        self.sub_ghz = SubGhz(objects, lambda code, told: self._told.append((code, told)), occupied, sub_ghz)
        events, security = self.logs[Log.EVENT], self.logs[Log.SECURITY]
        objects.bind(
            getters={
                (*own.EVENT_LOG, 2): lambda selection, _: events.read(selection),
                (*own.SECURITY_LOG, 2): lambda selection, _: security.read(selection),
                (*own.FIRMWARE, 2): lambda _selection, _context: axdr.octets(firmware),
                (*own.IDENTIFIER, 2): lambda _selection, _context: axdr.octets(eui),
            }
        )

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over the logs of an earlier life."""
        for log, lines in self.logs.items():
            lines.restore(saved.get(f"log.{log.value}"))

    def log(self, code: int, civil: CivilTime, other: bytes = b"") -> list[Persist]:
        """Write an event into the log that keeps it; what a meter's power log keeps goes into the event log here
        (facts/gbcs.md 6: 0x8F57 [a maker's manual])."""
        kept = Log.EVENT if rule(code).log is Log.POWER else rule(code).log
        if kept not in self.logs:
            return []
        lines = self.logs[kept]
        lines.add(civil, code, other)
        return [Persist(f"log.{kept.value}", lines.as_json())]

    def log_command(self, outcome: Outcome, civil: CivilTime) -> list[Persist]:
        """A command that changes something is logged with its code, as in published event logs."""
        use_case = outcome.use_case
        if not outcome.executed or use_case is None or use_case.only_reads:
            return []
        done = COMMAND_FAILED if any(outcome.results) else COMMAND_DONE
        return self.log(done, civil, use_case.code.to_bytes(2, "big"))

    def log_dropped(self, message_code: int, civil: CivilTime) -> list[Persist]:
        """A message for a device that is not in the device log was dropped (facts/gbcs.md 6 [single source])."""
        return self.log(COMMAND_FAILED, civil, message_code.to_bytes(2, "big"))

    def take_told(self) -> list[tuple[int, Data]]:
        """The alerts that a command led to, with their content; they leave after its response."""
        told, self._told = self._told, []
        return told
