"""The Sub GHz radio of a hub as its objects show it: configuration, channel, channel log, requests for a scan; and what
becomes of the devices on it: how many there may be, how much of the air they may take.

Must not live here: the radio itself, how shares of the air are measured (``duty_cycle``), how an alert is sent.

Source: facts/use-cases.md (DBCH01 to DBCH11) and the published alerts DBCH07 to DBCH09 and DBCH11 for their content;
facts/gbcs.md 8.1 (a scan is refused while a terminal is connected), 8.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from devices.events.hub import HubChannelChanged, HubDutyCycle, HubScanned
from devices.machines.core import AdmitDevice, Effect, Event, Persist, Received, Record, Send, SetTimer
from devices.machines.parts.civil_clock import CivilTime
from devices.machines.parts.device_log import Entry
from devices.machines.parts.duty_cycle import DutyCycle, DutyCycleSettings, Step
from devices.machines.parts.execution import CommandContext
from devices.machines.parts.profile_log import ProfileLog
from devices.model import chf_objects as own
from devices.model.objects import AccessError, ObjectModel, ResultCode
from devices.model.profiles import profiles
from devices.wire import axdr
from devices.wire.axdr import Data, Tag
from devices.wire.gbcs import Message

__all__ = ["TIMER", "SubGhz", "SubGhzSettings"]

CHANNEL_CHANGED, SCAN_ASSESSED, CONFIGURED, DISCARDED, FULL = 0x8F26, 0x8F28, 0x8F2A, 0x8F2C, 0x8F2D
TIMER = "hub.sub_ghz"
"""The timer by which the shares of the air are looked at again."""
PORT = "han"
_THRESHOLDS = slice(4, 6)  # places of the two thresholds in the configuration


@dataclass(frozen=True, slots=True)
class SubGhzSettings:
    """What no text of the specification was found for."""

    channel: bytes = bytes.fromhex("e0000001")  # page 28, channel 0: what the radio starts with [our choice]
    scan_accepted: tuple[int, int] = (0, 0)  # the two octets of the outcome, as in the published alert
    scan_refused: tuple[int, int] = (1, 0)  # while a terminal is connected [our choice]
    devices: frozenset[bytes] = frozenset()  # those that join on Sub GHz; all others are on 2.4 GHz
    capacity: int = 4  # how many devices the Sub GHz network takes [our choice]
    duty_cycle: DutyCycleSettings = field(default_factory=DutyCycleSettings)


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
        self.duty_cycle = DutyCycle(self.settings.duty_cycle)
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
        return [Persist("objects", self._objects.as_json()), Record(HubChannelChanged(channel=channel))]

    # -------------------------------------------------------------------------------------------- devices on this radio

    def takes(self, device: bytes, joined: Iterable[bytes]) -> bool:
        """Whether there is room for a device beside those that have joined; where there is none, that is told."""
        others = self.settings.devices.intersection(joined) - {device}
        if device not in self.settings.devices or len(others) < self.settings.capacity:
            return True
        self._tell(FULL, axdr.octets(device))
        return False

    def waiting(self, log: Iterable[Entry]) -> list[Effect]:
        """Admit again the devices of the log that have not joined on this radio: there may be room now."""
        return [
            AdmitDevice(PORT, entry.eui, entry.install_code)
            for entry in log
            if entry.eui in self.settings.devices and entry.install_code and not entry.joined
        ]

    def discards(self, message: Message) -> bool:
        """Whether a message is discarded because its recipient is suspended; told with the message's identity: kind,
        counter, originator and recipient, 25 octets as in the use-case table [our reading]."""
        if not self.duty_cycle.suspended(message.recipient):
            return False
        counted = bytes((message.cra,)) + message.counter.to_bytes(8, "big")
        self._tell(DISCARDED, axdr.octets(counted + message.originator + message.recipient))
        return True

    def on_air(self, event: Event, effects: Iterable[Effect], now: int) -> list[Effect]:
        """Count the frames that came with ``event`` and go with ``effects``.  Steps of the duty cycle are told; the
        effects are their records, and the timer by which a suspension ends."""
        devices = self.settings.devices
        if not devices:
            return []
        frames = [(event.peer, event.octets)] if isinstance(event, Received) and event.port == PORT else []
        frames += [(one.peer, one.octets) for one in effects if isinstance(one, Send) and one.port == PORT]
        steps: list[Step] = []
        for peer, octets in frames:
            if peer in devices:
                steps += self.duty_cycle.took(peer, len(octets), now, self.thresholds)
        return self._acted([*steps, *self.duty_cycle.reach(now, self.thresholds)])  # the event may have changed these

    def reach(self, now: int) -> list[Effect]:
        """Time has passed: see :meth:`on_air`."""
        return self._acted(self.duty_cycle.reach(now, self.thresholds))

    @property
    def thresholds(self) -> tuple[int, int, int]:
        """From which share of the air on a device is limited, critical, regulated; see the unit's setting."""
        given = self.settings.duty_cycle
        first, second = given.normal_limited, given.limited_critical
        if self._objects.written((*own.SUB_GHZ_CONFIGURATION, 2)):
            configured = self._objects.value(*own.SUB_GHZ_CONFIGURATION, 2)
            first, second = (part.value for part in configured.value[_THRESHOLDS])
        return first, second, given.regulated

    def _acted(self, steps: list[Step]) -> list[Effect]:
        for step in steps:
            self._tell(step.code, axdr.octets(step.device))
        told: list[Effect] = [Record(HubDutyCycle(peer=step.device, code=step.code)) for step in steps]
        due = self.duty_cycle.next_due
        return told if due is None else [*told, SetTimer(TIMER, due)]

    # ---------------------------------------------------------------------------------------------------------- objects

    def _configure(self, data: Data, _: CommandContext) -> None:
        if any(part.tag == Tag.BIT_STRING and part.value.length != 32 for part in data.value):
            raise AccessError(ResultCode.TYPE_UNMATCHED, "a channel mask has 32 bits")
        self._tell(CONFIGURED, data)

    def _scan(self, _: Data, context: CommandContext) -> None:
        outcome = self.settings.scan_refused if self._occupied() else self.settings.scan_accepted
        told = (axdr.octets(bytes((octet,))) for octet in outcome)
        self._tell(SCAN_ASSESSED, axdr.structure(*told))
        context.effects.append(Record(HubScanned(outcome=tuple(outcome))))
