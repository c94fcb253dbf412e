"""The Sub GHz radio of a hub as its objects show it: configuration, channel, channel log, requests for a scan.

Must not live here: the radio itself, how an alert is sent.

Source: facts/use-cases.md (DBCH01 to DBCH11) and the published alerts DBCH07 to DBCH09 for their content; facts/gbcs.md
8.1 (a scan is refused while a terminal is connected), 8.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devices.machines.core import Persist, Record
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.execution import CommandContext
from devices.machines.parts.profile_log import ProfileLog
from devices.model import chf_objects as own
from devices.model.objects import AccessError, ObjectModel, ResultCode
from devices.model.profiles import profiles
from devices.wire import axdr
from devices.wire.axdr import Data, Tag

__all__ = ["SubGhz", "SubGhzSettings"]

CHANNEL_CHANGED, SCAN_ASSESSED, CONFIGURED = 0x8F26, 0x8F28, 0x8F2A


@dataclass(frozen=True, slots=True)
class SubGhzSettings:
    """What no text of the specification was found for."""

    channel: bytes = bytes.fromhex("e0000001")  # page 28, channel 0: what the radio starts with [our choice]
    scan_accepted: tuple[int, int] = (0, 0)  # the two octets of the outcome, as in the published alert
    scan_refused: tuple[int, int] = (1, 0)  # while a terminal is connected [our choice]


class SubGhz:
    """The Sub GHz objects of one hub.

    ``tell`` has an alert sent once the command is answered; ``occupied`` says whether a terminal is connected.
    """

    def __init__(
        self,
        objects: ObjectModel[CommandContext],
        tell: Callable[[int, Data], None],
        occupied: Callable[[], bool],
        settings: SubGhzSettings | None = None,
    ) -> None:
        self._objects, self._tell, self._occupied = objects, tell, occupied
        self.settings = settings or SubGhzSettings()
        self._log = ProfileLog(objects, {own.CHANNEL_LOG[1]: profiles("CHF")[own.CHANNEL_LOG[1]]})
        objects.bind(
            getters={
                **self._log.getters(),
                (*own.CHANNEL, 2): lambda _selection, _context: self.channel,
            },
            setters={(*own.SUB_GHZ_CONFIGURATION, 2): self._configure, (*own.CHANNEL_SCAN, 2): self._scan},
        )

    @property
    def channel(self) -> Data:
        """The channel in use: page and channel as one bit string."""
        if self._objects.written((*own.CHANNEL, 2)):
            return self._objects.value(*own.CHANNEL, 2)
        return axdr.bits(self.settings.channel, 32)

    def changed(self, channel: bytes, reason: int, civil: CivilTime) -> list[Persist | Record]:
        """The radio moved to another channel (4 octets): logged and told."""
        self._objects.put(*own.CHANNEL, 2, axdr.bits(channel, 32))
        self._log.append(own.CHANNEL_LOG[1], civil, axdr.u16(CHANNEL_CHANGED), axdr.octets(channel + bytes((reason,))))
        self._tell(CHANNEL_CHANGED, axdr.structure(axdr.bits(channel, 32), axdr.octets(bytes((reason,)))))
        return [Persist("objects", self._objects.as_json()), Record("hub.channel", {"channel": channel.hex()})]

    def _configure(self, data: Data, _: CommandContext) -> None:
        if any(part.tag == Tag.BIT_STRING and part.value.length != 32 for part in data.value):
            raise AccessError(ResultCode.TYPE_UNMATCHED, "a channel mask has 32 bits")
        self._tell(CONFIGURED, data)

    def _scan(self, _: Data, context: CommandContext) -> None:
        outcome = self.settings.scan_refused if self._occupied() else self.settings.scan_accepted
        told = (axdr.octets(bytes((octet,))) for octet in outcome)
        self._tell(SCAN_ASSESSED, axdr.structure(*told))
        context.effects.append(Record("hub.scan", {"outcome": list(outcome)}))
