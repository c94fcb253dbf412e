"""What every device has that hangs on the HAN's tunnel and takes commands: power, network, messages in and out, logs.

Ports: ``han`` (the ZigBee tunnel that the hub opens) and ``line`` (bare GBCS messages).  Everything that survives a
power cut is persisted the moment it changes; after a cut the device is built anew from what was saved, as its firmware
would.  A kind of device is a subclass that says which objects it has and what follows from a command.

Must not live here: anything of one kind of device, the checks of commands (``parts.commands``).

Source: facts/gbcs.md 6, 8.3, 11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from devices.machines.core import (
    Answer,
    Asked,
    Effect,
    Event,
    JoinNetwork,
    LeaveNetwork,
    LinkChanged,
    NetworkDown,
    NetworkUp,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Refuse,
    SendFailed,
    SetTimer,
    Started,
    StopTimer,
    TimerFired,
)
from devices.machines.parts import tunnel
from devices.machines.parts.civil_clock import CivilClock, ClockSettings, from_zcl
from devices.machines.parts.commands import (
    CommandContext,
    CommandProcessor,
    CommandSettings,
    Outcome,
    PayloadHandler,
)
from devices.machines.parts.firmware import NOT_VERIFIED, VERIFIED, Image
from devices.machines.parts.reporting import Reporter
from devices.machines.parts.time_cluster import CLUSTER as TIME_CLUSTER
from devices.machines.parts.time_cluster import time_in
from devices.machines.parts.tunnel import TunnelSettings
from devices.machines.parts.tunnel_end import TunnelEnd
from devices.machines.parts.user_interface import ACT_DONE, ACT_FAILED
from devices.model.alerts import carrier_of
from devices.model.credentials import CredentialCells
from devices.model.objects import ObjectDef, ObjectModel
from devices.trust.keystore import KeyStore
from devices.wire import axdr
from devices.wire.axdr import Data

__all__ = ["CommissionedOn", "HanDevice", "HanSettings"]

JOINED, COMMISSIONED, COMMAND_DONE, COMMAND_FAILED, UNSUPPORTED = 0x8183, 0x8F69, 0x8154, 0x8155, 0x8F85
SET_CLOCK = frozenset({"ECS70", "GCS28"})  # the commands of service request 8.1.1
INTEGRITY_ISSUE = 0x81A0
COMMANDS_TIMER = "commands"
SECOND = 1_000_000_000


class CommissionedOn(Enum):
    """When a meter counts as commissioned, which 0x8F69 tells."""

    JOIN = "join"  # joined and keys agreed, before any command
    FIRST_SET_CLOCK = "first_set_clock"  # the first accepted command of service request 8.1.1


@dataclass(frozen=True, slots=True)
class HanSettings:
    """What the specification leaves to the maker, or what no text of it was found for."""

    clock: ClockSettings = field(default_factory=ClockSettings)
    commands: CommandSettings = field(default_factory=CommandSettings)
    tunnel: TunnelSettings = field(default_factory=TunnelSettings)
    firmware: bytes = bytes.fromhex("00010000")  # 4 octets
    install_code: bytes | None = None  # 16 octets; None: the device does not try to join
    epid: bytes | None = None  # the hub to join; None: any that lets it in
    auto_join: bool = True  # look for a network as soon as there is power [our choice]
    join_retry_ns: int = 30 * SECOND  # pause between two attempts to join [our choice]
    hub: bytes | None = None  # whom alerts go to; None: whoever opened a tunnel
    joined_alert: bool = True  # 0x8183 after the first join, to the supplier [single source]
    # When a meter sends 0x8F69, facts/gbcs.md 9.6: on joining [a maker's manual]; the other way is [our reading].  They
    # stand against each other, so no verdict rests on either.
    commissioned_on: CommissionedOn = CommissionedOn.JOIN
    commissioned_alert: bool = True  # 0x8F69 to the supplier [single source]; False: logged only
    queue_limit: int = 32  # alerts that wait for a tunnel; the oldest goes first [our choice]

    def __post_init__(self) -> None:
        if self.install_code is not None and len(self.install_code) != 16:
            raise ValueError(f"an install code has 16 octets without its check octets, got {len(self.install_code)}")
        if len(self.firmware) != 4:
            raise ValueError(f"a firmware version has 4 octets, got {len(self.firmware)}")


class HanDevice:
    """One device with the device identifier ``identity`` (EUI-64).

    ``keys`` holds its private keys, ``cells`` the credentials with which it left manufacture.  ``handlers`` add message
    codes that are no access-requests.
    """

    KIND: ClassVar[str]
    """The kind of device as in the use-case table."""

    IS_COMMISSIONED: ClassVar[bool] = False
    """Whether the kind tells that it was commissioned (0x8F69): meters do."""

    settings: HanSettings

    def __init__(
        self,
        identity: bytes,
        keys: KeyStore,
        cells: CredentialCells,
        *,
        handlers: Mapping[int, PayloadHandler] | None = None,
    ) -> None:
        self.identity, self.keys, self.cells, self._payload_handlers = identity, keys, cells, handlers
        self._cells_at_manufacture = cells.as_json()
        self._powered = True
        self._notes: list[tuple[int, bool]] = []  # event, whether anybody is told
        self._boot({})

    # --------------------------------------------------------------------------------------- what a kind of device says

    def _definitions(self) -> Sequence[ObjectDef]:
        """The COSEM objects of the device."""
        return ()

    def _bind(self) -> None:
        """Give the objects their conduct; ``objects`` and ``clock`` are there, nothing else of this life is."""

    def _recall(self, saved: Mapping[str, Any]) -> None:
        """Take over what the kind of device saved, after processor and logs have taken over theirs."""

    def _after_command(self, _outcome: Outcome, _now: int) -> list[Effect]:
        """What follows from an executed command, after its response has left."""
        return []

    def _own_timer(self, _event: TimerFired, _now: int) -> list[Effect] | None:
        """Take a timer of the kind of device; None for any other."""
        return None

    def _own_verb(self, event: Asked, _now: int) -> list[Effect]:
        return [Refuse(f"a device has no verb {event.verb!r} (or no install code to join with); try 'state'")]

    def _new_processor(self, **more: Any) -> CommandProcessor:
        """What checks and executes commands; ``more`` is what it takes besides what every device has."""
        return CommandProcessor(
            self.identity,
            self.keys,
            self.cells,
            self.objects,
            self.settings.commands,
            device=self.KIND,
            handlers=self._payload_handlers,
            **more,
        )

    def _new_tunnel(self) -> TunnelEnd:
        """The device's end of the tunnel with its hub."""
        return tunnel.TunnelServer("han", self.settings.tunnel)

    def _new_reporter(self) -> Reporter:
        """The way out of events and messages; ``processor`` and ``tunnel`` are there."""
        return Reporter(
            self.processor, self.clock, self.tunnel, hub=self.settings.hub, queue_limit=self.settings.queue_limit
        )

    # -------------------------------------------------------------------------------------------------------- lifetimes

    def _boot(self, saved: Mapping[str, Any]) -> None:
        """Begin with what was saved and nothing else: no tunnel, no network, no timer is remembered."""
        self.cells.load_json(saved.get("cells", self._cells_at_manufacture))
        self.objects: ObjectModel[CommandContext] = ObjectModel(self._definitions())
        self.clock = CivilClock(self.settings.clock)
        self._notes = []
        self._bind()
        self.processor = self._new_processor()
        self.processor.restore(saved)
        self.tunnel = self._new_tunnel()
        self.out = self._new_reporter()
        self.out.restore(saved)
        self._once = set(saved.get("once", ()))  # what happens once in the life of a device: joined, commissioned
        self._epid = bytes.fromhex(saved["epid"]) if saved.get("epid") else self.settings.epid
        self._network = False
        self._hub_time: tuple[int, int] | None = None  # civil ns, bench now at which the hub said so
        self._recall(saved)

    def handle(self, event: Event, now: int) -> Sequence[Effect]:
        """See :class:`devices.machines.core.Machine`."""
        if not self._powered and not isinstance(event, PowerRestored | Started):
            return [Refuse("the device has no supply; switch it on first")] if isinstance(event, Asked) else []
        handler = self.EVENTS.get(type(event))
        return [] if handler is None else handler(self, event, now)

    def _started(self, event: Started, now: int) -> list[Effect]:
        self._powered = True
        self._boot(event.saved)
        return [*self._join(), *self._arm_commands(now)]

    def _lost(self, _: PowerLost, now: int) -> list[Effect]:
        self._powered = False
        self.tunnel.reset()
        return [Persist("clock", self.clock.as_json(now))]

    def _restored(self, event: PowerRestored, now: int) -> list[Effect]:
        self._powered = True
        self._boot(event.saved)
        self.clock.restore(event.saved.get("clock"), now, event.outage_ns)
        return [*self._join(), *self._reach_commands(now)]

    # ------------------------------------------------------------------------------------------------ network and ports

    def _join(self) -> list[Effect]:
        if self.settings.install_code is None or not self.settings.auto_join:
            return []
        return [JoinNetwork("han", self.settings.install_code, self._epid)]

    def _network_up(self, event: NetworkUp, now: int) -> list[Effect]:
        if event.port != "han":
            return []
        self._network, self._epid = True, event.epid
        effects: list[Effect] = [StopTimer("join"), Persist("epid", event.epid.hex())]
        effects += self._first_time("joined", JOINED, self.settings.joined_alert, now)
        return effects + self._commissioned(CommissionedOn.JOIN, now)

    def _commissioned(self, on: CommissionedOn, now: int) -> list[Effect]:
        """One of the two moments at which a meter may count as commissioned has come."""
        if not self.IS_COMMISSIONED or self.settings.commissioned_on is not on:
            return []
        return self._first_time("commissioned", COMMISSIONED, self.settings.commissioned_alert, now)

    def _network_down(self, event: NetworkDown, now: int) -> list[Effect]:
        if event.port != "han":
            return []
        self._network = False
        self.tunnel.reset()
        retry = self.settings.install_code is not None and self.settings.auto_join
        return [SetTimer("join", now + self.settings.join_retry_ns)] if retry else []

    def _received(self, event: Received, now: int) -> list[Effect]:
        if event.port == "line":
            return self._message(event.port, event.peer, event.octets, now)
        if event.cluster == TIME_CLUSTER:
            seconds = time_in(event.octets)
            self._hub_time = self._hub_time if seconds is None else (from_zcl(seconds), now)
            return []
        if event.cluster != tunnel.CLUSTER:
            return []
        messages, effects = self.tunnel.receive(event, now)
        effects = list(effects)
        for peer, octets in messages:
            effects += self._message("han", peer, octets, now)
        return effects + self.out.flush(now)

    def _send_failed(self, event: SendFailed, now: int) -> list[Effect]:
        effects = list(self.tunnel.failed(event, now))
        return effects + self.out.keep_broken()

    def _link(self, event: LinkChanged, now: int) -> list[Effect]:
        if event.port != "line":
            return []
        self.out.line_up = event.up
        return self.out.flush(now)

    def _timer(self, event: TimerFired, now: int) -> list[Effect]:
        if event.name == "join":
            return [] if self._network else self._join()
        if event.name == COMMANDS_TIMER:
            return self._reach_commands(now)
        own = self._own_timer(event, now)
        if own is not None:
            return own
        return [*(self.tunnel.fired(event.name, now) or []), *self.out.keep_broken()]

    # --------------------------------------------------------------------------------------------------------- messages

    def _message(self, port: str, peer: bytes, octets: bytes, now: int) -> list[Effect]:
        """One whole GBCS message: the counter and the doing first, then what is logged, the response, the alerts."""
        self._notes = []
        outcome = self.processor.receive(octets, now, self.clock.at(now))
        effects: list[Effect] = list(outcome.effects)
        if outcome.refused is not None:
            return effects + self._complain(outcome, now)
        effects += self._log_command(outcome, now)
        if outcome.response is not None:
            effects += self.out.send(port, peer, outcome.response, now)
        for code, tell in self._notes:
            effects += self.out.event(code, now, b"", tell=tell)
        for code in outcome.events:
            effects += self.out.event(code, now, b"", tell=False)
        effects += [self.out.keep(octets) for octets in outcome.alerts]
        if outcome.use_case is not None and outcome.use_case.use_case in SET_CLOCK and not any(outcome.results):
            effects += self._commissioned(CommissionedOn.FIRST_SET_CLOCK, now)
        return [*effects, *self.out.flush(now), *self._after_command(outcome, now), *self._arm_commands(now)]

    def _arm_commands(self, now: int) -> list[Effect]:
        """The timer of the next future-dated command of the processor, where one waits."""
        due = self.processor.next_due
        return [] if due is None else [SetTimer(COMMANDS_TIMER, now + max(1, due - self.clock.at(now).ns))]

    def _reach_commands(self, now: int) -> list[Effect]:
        """Future-dated commands that are due: carried out, logged, told."""
        due = self.processor.reach(self.clock.at(now))
        effects: list[Effect] = [*due.effects, *(self.out.keep(octets) for octets in due.alerts)]
        for code in due.events:
            effects += self.out.event(code, now, b"", tell=False)
        return [*effects, *self.out.flush(now), *self._arm_commands(now)]

    def _complain(self, outcome: Outcome, now: int) -> list[Effect]:
        refused, trace = outcome.refused, self.settings.commands.traced_as
        if refused is None:
            return []
        if refused.alert is None:
            return [] if trace is None else self.out.event(trace, now, None, tell=False)
        extra: tuple[Data, ...] = ()
        if refused.alert == UNSUPPORTED and refused.message_code is not None and refused.counter is not None:
            told = refused.message_code.to_bytes(2, "big") + refused.counter.to_bytes(8, "big")
            extra = (axdr.octets(told),)
        return self.out.event(refused.alert, now, None, extra)

    def _log_command(self, outcome: Outcome, now: int) -> list[Effect]:
        """Commands that change something are logged with their code, so that the outcome can be learnt when the
        response is lost (the layout is that of published event logs)."""
        kept = self._logged_as(outcome)
        if kept is None:
            return []
        done = COMMAND_FAILED if any(outcome.results) else COMMAND_DONE
        return self.out.event(done, now, kept, tell=False)

    def _logged_as(self, outcome: Outcome) -> bytes | None:
        """What the log keeps of a command beside its outcome; None for one that is not logged."""
        use_case = outcome.use_case
        return None if use_case is None or use_case.only_reads else use_case.code.to_bytes(2, "big")

    def _first_time(self, what: str, code: int, tell: bool, now: int) -> list[Effect]:
        if what in self._once:
            return []
        self._once.add(what)
        return [Persist("once", sorted(self._once)), *self.out.event(code, now, b"", tell=tell)]

    def _acted(self, message_code: int, now: int, *, done: bool) -> list[Effect]:
        """Log what somebody did at the device's own keys."""
        return self.out.event(ACT_DONE if done else ACT_FAILED, now, message_code.to_bytes(2, "big"), tell=False)

    def note(self, code: int, *, tell: bool = True) -> None:
        """Have an event logged, and told whom it concerns, once the command is answered."""
        self._notes.append((code, tell))

    def hub_time(self, now: int) -> int:
        """The hub's time: what it said last, carried on; the bench's civil time while it said nothing."""
        if self._hub_time is None:
            return self.settings.clock.start_ns + now
        return self._hub_time[0] + now - self._hub_time[1]

    # -------------------------------------------------------------------------------------------------- asked by people

    def _asked(self, event: Asked, now: int) -> list[Effect]:
        if event.verb == "state":
            return [Answer(self.state(now))]
        if event.verb == "join" and self.settings.install_code is not None:
            return [JoinNetwork("han", self.settings.install_code, self._epid), Answer()]
        if event.verb == "leave":
            self._network = False
            self.tunnel.reset()
            return [LeaveNetwork("han"), StopTimer("join"), Answer()]
        if event.verb == "image":
            return [*self._image(Image.of_args(event.args), now), Answer()]
        if event.verb == "integrity":
            return self._integrity(event.args, now)
        return self._own_verb(event, now)

    def _image(self, image: Image, now: int) -> list[Effect]:
        """A firmware image came over the air, was verified, and is kept where it is good."""
        if not image.is_good:
            return self._tell_octets(NOT_VERIFIED, image.sha256, now)
        kept = self.processor.asn1.firmware.hold(image.sha256, image.version)
        return [kept, *self._tell_octets(VERIFIED, image.sha256, now)]

    def _integrity(self, args: Mapping[str, Any], now: int) -> list[Effect]:
        """The device doubts itself; what the number of 16 bits means is its maker's to say."""
        issue = args.get("issue")
        if not isinstance(issue, int) or isinstance(issue, bool) or not 0 <= issue < 1 << 16 or len(args) != 1:
            return [Refuse(f"integrity takes issue, a whole number of 16 bits; got {dict(args)}")]
        return [*self._tell_octets(INTEGRITY_ISSUE, issue.to_bytes(2, "big"), now), Answer()]

    def _tell_octets(self, code: int, octets: bytes, now: int) -> list[Effect]:
        """An event that is told with octets, by devices whose alerts have a place for them; logged by all others."""
        told = carrier_of(code, self.KIND) is not None
        return self.out.event(code, now, b"", (axdr.octets(octets),), tell=told)

    def state(self, now: int) -> dict[str, Any]:
        """Everything that the device is, in JSON types; two equal states are one device."""
        civil = self.clock.at(now)
        return {
            "identity": self.identity.hex(),
            "time": civil.text,
            "clock_status": civil.status.name.lower(),
            "network": self._network,
            "floors": self.processor.floors.as_json(),
            "objects": self.objects.as_json(),
            "cells": self.cells.as_json(),
            "logs": {log.value: lines.as_json() for log, lines in self.out.logs.items()},
            "queue": [octets.hex() for octets in self.out.waiting],
            "once": sorted(self._once),
        }

    EVENTS: ClassVar[Mapping[type, Callable[[Any, Any, int], list[Effect]]]] = {
        Started: lambda device, event, now: device._started(event, now),
        PowerLost: lambda device, event, now: device._lost(event, now),
        PowerRestored: lambda device, event, now: device._restored(event, now),
        NetworkUp: lambda device, event, now: device._network_up(event, now),
        NetworkDown: lambda device, event, now: device._network_down(event, now),
        Received: lambda device, event, now: device._received(event, now),
        SendFailed: lambda device, event, now: device._send_failed(event, now),
        LinkChanged: lambda device, event, now: device._link(event, now),
        TimerFired: lambda device, event, now: device._timer(event, now),
        Asked: lambda device, event, now: device._asked(event, now),
    }
    """Event to what takes it; a kind of device may have more."""
