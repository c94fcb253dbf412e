"""The Communications Hub function (CHF): coordinator of the HAN, carrier of messages, and a device that takes commands.

It joins three ports: ``wan`` (whole messages to and from the head end), ``han`` (tunnels to its devices) and
``interpan`` (tunnels from hand-held terminals, behind a window and a firewall).  Messages for itself go to its own
command processor.

Must not live here: the window's rules, the firewall's, the device log's (``parts``), the checks of a command.

Source: facts/gbcs.md 5.4, 8.1, 8.3, 10.4, 10.7, 11 no. 7, 8, 15.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from devices.events.hub import (
    FirewallDropped,
    HubBad,
    HubDiscarded,
    HubFull,
    HubIgnored,
    HubNetworkDown,
    HubNetworkUp,
    HubOutage,
    HubUnroutable,
)
from devices.events.tunnels import TunnelOpened
from devices.machines.comms_hub_settings import CLAIMS_TUNNELS, FAULTS, HubSettings
from devices.machines.core import (
    AdmitDevice,
    Answer,
    Asked,
    CloseJoining,
    Effect,
    Event,
    ForgetDevice,
    FormNetwork,
    LastGasp,
    LinkChanged,
    NetworkDown,
    NetworkUp,
    OpenJoining,
    PeerJoined,
    PeerLeft,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Record,
    Refuse,
    Send,
    SendFailed,
    SetTimer,
    Started,
    TimerFired,
    Tune,
    eui_text,
)
from devices.machines.parts import sub_ghz, time_cluster, tunnel
from devices.machines.parts.asn1_execution import Due
from devices.machines.parts.civil_clock import CivilClock
from devices.machines.parts.commands import CommandContext, CommandProcessor, Outcome, PayloadHandler, Refusal
from devices.machines.parts.device_log import DeviceLog
from devices.machines.parts.firewall import Firewall
from devices.machines.parts.firmware import transfer_of
from devices.machines.parts.han_tunnels import HanTunnels
from devices.machines.parts.hub_functions import HubFunctions
from devices.machines.parts.interpan_window import InterPanWindow, is_close
from devices.machines.parts.proxy_line import PROXY, TAP, ProxyLine
from devices.machines.parts.tunnel import TunnelServer
from devices.machines.parts.wan_line import WAN, WanLine
from devices.model.chf_objects import chf_objects
from devices.model.credentials import CredentialCells
from devices.model.objects import ObjectModel
from devices.model.roles import Role
from devices.trust.keystore import KeyStore
from devices.wire import gbcs, outage_notice
from devices.wire.errors import DecodeError
from devices.wire.gbcs import CRA, Message
from devices.wire.outage_notice import OutageNotice

__all__ = ["FAULTS", "CommsHub", "HubSettings"]

HAN, INTERPAN = "han", "interpan"
SECOND: Final = 1_000_000_000
TIME_TIMER: Final = "hub.time"
COMMANDS_TIMER: Final = "hub.commands"
TRANSFER_ALERT: Final = 0x0128
SUB_GHZ_TIMER: Final = sub_ghz.TIMER
LOG_CHANGED: Final = 0x8F12
SUPPLY_INTERRUPTED: Final = 0x8F57
NOT_RETRIEVED: Final = 0x819D
GAS_METER: Final = 1  # device type of a GSME in the device log


class CommsHub:
    """One hub.  ``cells`` hold the remote parties that it knows (the access control broker above all)."""

    def __init__(
        self,
        settings: HubSettings,
        keys: KeyStore,
        cells: CredentialCells,
        *,
        handlers: Mapping[int, PayloadHandler] | None = None,
    ) -> None:
        self.settings, self._handlers = settings, handlers
        self._keys, self._cells, self._cells_at_manufacture = keys, cells, cells.as_json()
        self._wan = WanLine(settings.wan_queue, up=settings.wan_up_at_start)
        self._powered = True
        self._boot({})

    def _boot(self, saved: Mapping[str, Any]) -> None:
        """Begin with what was saved and nothing else: no tunnel, no window, no queue, no timer is remembered."""
        settings = self.settings
        self._cells.load_json(saved.get("cells", self._cells_at_manufacture))
        self._clock = CivilClock(settings.clock)
        self._log = DeviceLog(settings.eui, settings.device_log)
        objects: ObjectModel[CommandContext] = ObjectModel(chf_objects())
        self._log.bind(objects)
        self.functions = HubFunctions(objects, settings.eui, settings.firmware, settings.sub_ghz, self._occupied)
        self.functions.restore(saved)
        self.processor = CommandProcessor(
            settings.eui, self._keys, self._cells, objects, settings.commands, device="CHF", handlers=self._handlers
        )
        self._log.restore(saved)
        self.processor.restore(saved)
        self._window = InterPanWindow(settings.window, settings.faults)
        self._firewall = Firewall(settings.firewall, settings.faults)
        self._han = HanTunnels(HAN, settings.han_tunnel, self._sleeps)
        self._terminals = TunnelServer(INTERPAN, settings.interpan_tunnel)
        self._proxy = ProxyLine(settings.proxy)
        self._network = False
        self._joining_until = 0  # joining is open until then
        self._window_joining = 0  # until when it is for the sake of the window alone
        self._sequence = 0
        self._wan.reset()
        self._routes: OrderedDict[tuple[bytes, int, int], bytes] = OrderedDict()

    def handle(self, event: Event, now: int) -> Sequence[Effect]:
        """Take one event; see :class:`devices.machines.core.Machine`."""
        effects = self._take(event, now)
        if self._powered:
            effects += self.functions.sub_ghz.on_air(event, effects, now)
            effects += self._tell_all(now)
        return effects

    def _take(self, event: Event, now: int) -> list[Effect]:
        match event:
            case Started(saved):
                return self._power_up(saved, now)
            case PowerRestored(saved, outage_ns):
                effects = self._power_up(saved, now)
                self._clock.restore(saved.get("clock"), now, outage_ns)
                interrupted = self.functions.log(SUPPLY_INTERRUPTED, self._clock.at(now))
                return [self._outage(outage_ns), *interrupted, *effects, *self._reach_commands(now)]
            case LinkChanged(port=port, up=up) if port == WAN:
                waited = self._wan.changed(up=up)
                moved = self._window.wan(up=up) if self._powered else []
                return self._after_closing(moved, now) + waited
            case Asked(verb="image_transfer", args=args):
                return self._transferred(args, now)
            case Asked(verb=verb):
                return self._asked(verb, now)
        return self._running(event, now) if self._powered else []

    def _tell_all(self, now: int) -> list[Effect]:
        """The alerts that functions of this hub have to send."""
        told = self.functions.take_told()
        return [effect for code, content in told for effect in self._alert(code, now, content)]

    def _running(self, event: Event, now: int) -> list[Effect]:
        """Events that only a hub with power notices."""
        match event:
            case Received():
                return self._received(event, now)
            case TimerFired(name):
                return self._fired(name, now)
            case SendFailed(port=port):
                failed = self._han.failed if port == HAN else self._terminals.failed
                return failed(event, now) + self._after_failures(now)
            case PeerJoined(port=port, peer=peer) if port == HAN:
                return self._joined(peer, now)
            case PeerLeft(port=port, peer=peer) if port == HAN:
                return self._left(peer)
            case NetworkUp(port=port) if port == HAN:
                return self._network_up(event, now)
            case NetworkDown(port=port, reason=reason) if port == HAN:
                self._network = False
                return [Record(HubNetworkDown(reason=reason))]
            case PowerLost():
                return self._power_lost(now)
        return []

    # ----------------------------------------------------------------------------------------------------------- power

    def _power_up(self, saved: Mapping[str, Any], now: int) -> list[Effect]:
        """Form the network, open the window; the tunnels follow when the network is up."""
        self._powered = True
        self._boot(saved)
        effects: list[Effect] = [FormNetwork(HAN, self._log.epid), *self._window.power_up(now, wan_up=self._wan.up)]
        if self._window.beaconing:
            effects += self._open_joining(self.settings.window.open_s, now)
            self._window_joining = self._joining_until
        return effects

    def _open_joining(self, seconds: int, now: int) -> list[Effect]:
        """Open joining for so long, never for less than it is open already."""
        self._joining_until = max(self._joining_until, now + seconds * SECOND)
        return [OpenJoining(HAN, -((now - self._joining_until) // SECOND))]

    def _power_lost(self, now: int) -> list[Effect]:
        kept = [self._log.persist(), Persist("clock", self._clock.as_json(now)), *self._last_gasps(now)]
        self._powered = False
        self._boot({})
        return kept

    def _last_gasps(self, now: int) -> list[Effect]:
        """What tells of an outage that goes on (AD1): an alert of the WAN, no GBCS message, to the head end."""
        settings, head = self.settings, self._cells.party_of(Role.ACCESS_CONTROL_BROKER)
        if head is None:
            return []
        notice = outage_notice.write(OutageNotice(settings.eui, self._clock.at(now).ns // SECOND))
        first = now + settings.last_gasp_s * SECOND + 1  # strictly longer
        times = (first + n * settings.last_gasp_spacing_s * SECOND for n in range(settings.last_gasps))
        return [LastGasp(Send(WAN, head, notice), at) for at in times]

    def _outage(self, outage_ns: int | None) -> Record:
        """Whether it was long enough to be told while it lasted."""
        told = outage_ns is not None and outage_ns > self.settings.last_gasp_s * SECOND
        return Record(HubOutage(outage_ns=outage_ns, last_gasp=told))

    def _network_up(self, event: NetworkUp, now: int) -> list[Effect]:
        """The radio is up: admit those who have not joined yet, and ask for the tunnels (facts/gbcs.md 8.3)."""
        self._network = True
        formed = HubNetworkUp(epid=event.epid, pan=event.pan, channel=event.channel)
        effects: list[Effect] = [Record(formed), Tune(INTERPAN, event.channel, event.pan)]
        for entry in self._log:
            if entry.install_code and not entry.joined:
                effects.append(AdmitDevice(HAN, entry.eui, entry.install_code))
            if entry.joined:
                effects += self._reach(entry.eui, now)
        return [*effects, *self._tell_time(now)]

    def _tell_time(self, now: int) -> list[Effect]:
        """Report the time to every device on the network, now and again later."""
        self._sequence = (self._sequence + 1) % 256
        frame = time_cluster.report(self._clock.at(now).zcl, self._sequence)
        joined = [Send(HAN, entry.eui, frame, time_cluster.CLUSTER) for entry in self._log if entry.joined]
        return [*joined, SetTimer(TIME_TIMER, now + self.settings.time_report_s * SECOND)]

    # --------------------------------------------------------------------------------------------------- messages, in

    def _received(self, event: Received, now: int) -> list[Effect]:
        if event.port == WAN:
            return self._from_wan(event.octets, now)
        if event.port == INTERPAN:
            return self._from_terminal(event, now)
        if event.port == HAN and event.cluster == tunnel.CLUSTER:
            return self._from_device(event, now)
        if event.port == PROXY:
            return self._out_of(event.peer, event.octets, now)
        if event.port == HAN and self._sleeps(event.peer):
            return self._proxy.copy_frame(event)
        if event.port == TAP:
            meters = [entry.eui for entry in self._log if entry.joined and self._sleeps(entry.eui)]
            return [Send(HAN, meter, event.octets, event.cluster) for meter in meters]
        return []  # other clusters of the HAN are no business of this function

    def _from_wan(self, octets: bytes, now: int) -> list[Effect]:
        try:
            message = gbcs.decode(octets)
        except DecodeError as error:
            return [Record(HubBad(port=WAN, reason=str(error)))]
        if self.settings.misdirects_to is not None and message.recipient != self.settings.eui:
            return self._han.send(self.settings.misdirects_to, octets, now)
        if message.recipient not in self._reached():
            kept = self.functions.log_dropped(message.message_code, self._clock.at(now))
            return [Record(HubUnroutable(recipient=message.recipient, port=WAN)), *kept]
        return self._onward(message, octets, now)

    def _from_terminal(self, event: Received, now: int) -> list[Effect]:
        if not self._window.is_open:
            return self._turned_away(event, "the inter-PAN window is closed")
        reason = self._firewall.frame(event.cluster)
        if reason is not None:
            return self._turned_away(event, reason)
        if event.cluster != tunnel.CLUSTER:
            passed = self._spread(event) if self._firewall.is_open else []
            return [Record(HubIgnored(peer=event.peer, cluster=event.cluster)), *passed]
        if is_close(event.octets):
            return self._close_window(event, now)
        messages, effects = self._terminals.receive(event, now)
        for peer, octets in messages:
            effects += self._carried(peer, octets, now)
        return effects

    def _carried(self, terminal: bytes, octets: bytes, now: int) -> list[Effect]:
        """A whole message that a terminal brought."""
        message, reason = self._firewall.message(octets, self._reached())
        if message is None or reason is not None:
            leaked = self._leaked(message, octets, now) if self._firewall.leaks else []
            return [self._dropped(terminal, reason or "no message", octets), *leaked]
        self._routes[message.recipient, message.counter, message.message_code] = terminal
        while len(self._routes) > self.settings.routes:
            self._routes.popitem(last=False)
        return [*self._window.used(now), *self._onward(message, octets, now)]

    def _turned_away(self, event: Received, reason: str) -> list[Effect]:
        """A frame of a terminal that may not pass."""
        return [self._dropped(event.peer, reason), *(self._spread(event) if self._firewall.leaks else [])]

    def _spread(self, event: Received) -> list[Effect]:
        """What a faulty firewall does with a terminal's frame: every device of the network gets it as it is."""
        return [Send(HAN, entry.eui, event.octets, event.cluster) for entry in self._log if entry.joined]

    def _leaked(self, message: Message | None, octets: bytes, now: int) -> list[Effect]:
        """What a faulty firewall does with a terminal's message: on to its recipient, or to every device."""
        if message is not None and message.recipient in self._reached():
            return self._onward(message, octets, now)
        joined = [entry.eui for entry in self._log if entry.joined]
        return [effect for device in joined for effect in self._han.send(device, octets, now)]

    def _from_device(self, event: Received, now: int) -> list[Effect]:
        if event.peer not in self._log:
            return [Record(FirewallDropped(port=HAN, peer=event.peer, reason="not in the device log"))]
        self._log.heard(event.peer, self._clock.at(now))
        messages, effects = self._han.receive(event, now)
        for peer, octets in messages:
            effects += self._out_of(peer, octets, now)
        return effects

    def _sleeps(self, peer: bytes) -> bool:
        """Whether ``peer`` is a gas meter, which fetches its messages itself."""
        entry = self._log.get(peer)
        return entry is not None and entry.device_type == GAS_METER

    def _out_of(self, device: bytes, octets: bytes, now: int) -> list[Effect]:
        """A whole message that a device of the log sent."""
        try:
            message = gbcs.decode(octets)
        except DecodeError as error:
            return [Record(HubBad(port=HAN, peer=device, reason=str(error)))]
        if message.originator != device:
            return [Record(HubBad(port=HAN, peer=device, reason="another device's originator"))]
        copies = self._proxy.copy(octets) if self._sleeps(device) else []
        passed = self._onward if message.recipient in self._reached() else self._homeward
        return [*copies, *passed(message, octets, now)]

    def _reached(self) -> set[bytes]:
        """Who can be sent messages through this hub: itself, the devices of its log, its gas proxy."""
        proxy = () if self.settings.proxy is None else (self.settings.proxy,)
        return {self.settings.eui, *(entry.eui for entry in self._log), *proxy}

    # -------------------------------------------------------------------------------------------------- messages, out

    def _onward(self, message: Message, octets: bytes, now: int) -> list[Effect]:
        """To whom the message is for: this hub, or a device."""
        if message.recipient == self.settings.eui:
            return self._execute(octets, now)
        if self._proxy.reaches(message.recipient):
            return self._proxy.hand(octets)
        if self.functions.sub_ghz.discards(message):
            return [Record(HubDiscarded(recipient=message.recipient, octets=octets))]
        entry = self._log.get(message.recipient)
        if entry is not None:
            entry.sent += 1
        copies = self._proxy.copy(octets) if self._sleeps(message.recipient) else []
        return [*copies, *self._han.send(message.recipient, octets, now)]

    def _execute(self, octets: bytes, now: int) -> list[Effect]:
        """A command for the hub itself."""
        civil = self._clock.at(now)
        before = {entry.eui for entry in self._log}
        outcome = self.processor.receive(octets, now, civil)
        effects: list[Effect] = []
        for effect in outcome.effects:
            effects += self._open_joining(effect.seconds, now) if isinstance(effect, OpenJoining) else [effect]
        effects += self.functions.log_command(outcome, civil)
        for gone in before - {entry.eui for entry in self._log}:
            effects += [*self._han.forget(gone), *self.functions.sub_ghz.waiting(self._log)]
        if outcome.response is not None:
            effects += self._homeward(gbcs.decode(outcome.response), outcome.response, now)
        if outcome.refused is not None:
            effects += self._complain(outcome.refused, now)
        effects += [*self._happened(outcome, now), *self._tell_changes(now), *self._tell_all(now)]
        return [*effects, *self._arm_commands(now)]

    def _happened(self, what: Outcome | Due, now: int) -> list[Effect]:
        """What a command led to beside its response: events for the logs, whole alerts."""
        effects: list[Effect] = []
        for code in what.events:
            effects += self.functions.log(code, self._clock.at(now))
        for octets in what.alerts:
            effects += self._homeward(gbcs.decode(octets), octets, now)
        return effects

    def _arm_commands(self, now: int) -> list[Effect]:
        """The timer of the next future-dated command, where one waits."""
        due = self.processor.next_due
        return [] if due is None else [SetTimer(COMMANDS_TIMER, now + max(1, due - self._clock.at(now).ns))]

    def _reach_commands(self, now: int) -> list[Effect]:
        """Future-dated commands that are due."""
        due = self.processor.reach(self._clock.at(now))
        return [*due.effects, *self._happened(due, now), *self._arm_commands(now)]

    def _complain(self, refused: Refusal, now: int) -> list[Effect]:
        """Tell the broker of a refusal; what nobody is told is logged all the same."""
        if refused.alert is not None:
            return self._alert(refused.alert, now)
        trace = self.settings.commands.traced_as
        return [] if trace is None else [*self.functions.log(trace, self._clock.at(now))]

    def _homeward(self, message: Message, octets: bytes, now: int) -> list[Effect]:
        """Responses and alerts: to the WAN, and to the terminal that carried the command, or that listens."""
        if message.cra == CRA.ALERT:
            listeners = self._terminals.peers() if self.settings.alerts_to_terminal else ()
            return [*self._wan.send(octets), *self._to_terminals(listeners, octets, now)]
        terminal = self._routes.pop((message.originator, message.counter, message.message_code), None)
        if terminal is None or not (self._window.is_open and self._terminals.is_open(terminal)):
            return self._wan.send(octets)
        effects = self._wan.send(octets) if self.settings.responses_both_ways and self._wan.up else []
        return effects + self._to_terminals((terminal,), octets, now)

    def _to_terminals(self, terminals: Sequence[bytes], octets: bytes, now: int) -> list[Effect]:
        if not self._window.is_open:
            return []
        return [effect for peer in terminals for effect in self._terminals.send(peer, octets, now)]

    # -------------------------------------------------------------------------------------------------- the device log

    def _joined(self, peer: bytes, now: int) -> list[Effect]:
        if peer not in self._log:
            told = Record(FirewallDropped(port=HAN, peer=peer, reason="joined without being in the log"))
            return [told, ForgetDevice(HAN, peer)]
        if not self.functions.sub_ghz.takes(peer, (entry.eui for entry in self._log if entry.joined)):
            return [Record(HubFull(peer=peer)), ForgetDevice(HAN, peer)]
        self._log.joined(peer, joined=True)
        effects = [self._log.persist(), *self._tell_time(now), *self._reach(peer, now)]
        if not self.settings.alert_on_join:
            self._log.changed = False
        return effects + self._tell_changes(now)

    def _reach(self, peer: bytes, now: int) -> list[Effect]:
        """Ask a device for its tunnel; a faulty hub says that it has it and asks nobody."""
        if CLAIMS_TUNNELS in self.settings.faults:
            return [Record(TunnelOpened(port=HAN, peer=peer, tunnel=0))]
        return self._han.open(peer, now)

    def _left(self, peer: bytes) -> list[Effect]:
        """A device left: it stays in the log with its key, so there is nothing to tell, and the tunnel goes."""
        news = self._log.joined(peer, joined=False)
        kept = [self._log.persist()] if news else []
        return [*self._han.forget(peer), *kept, *self.functions.sub_ghz.waiting(self._log)]

    def _tell_changes(self, now: int) -> list[Effect]:
        """CS14 to the broker, once a change."""
        if not self._log.changed:
            return []
        self._log.changed = False
        return self._alert(LOG_CHANGED, now, self._log.backup(self._clock.at(now)))

    def _alert(self, code: int, now: int, *extra: Any) -> list[Effect]:
        """An alert to the broker, the one party that every hub knows."""
        octets, effects = self.processor.alert(code, Role.ACCESS_CONTROL_BROKER, self._clock.at(now), extra)
        effects = [*self.functions.log(code, self._clock.at(now)), *effects]
        return effects + (self._homeward(gbcs.decode(octets), octets, now) if octets is not None else [])

    def _occupied(self) -> bool:
        return bool(self._terminals.peers())

    # ---------------------------------------------------------------------------------------------- timers and failures

    def _fired(self, name: str, now: int) -> list[Effect]:
        if name == TIME_TIMER:
            return self._tell_time(now)
        if name == COMMANDS_TIMER:
            return self._reach_commands(now)
        if name == SUB_GHZ_TIMER:
            return self.functions.sub_ghz.reach(now)
        effects = self._log.fired(name)
        if effects is not None:
            return effects
        effects = self._window.fired(name)
        if effects is not None:
            return self._after_closing(effects, now)
        for fired in (self._han.fired, self._terminals.fired):
            effects = fired(name, now)
            if effects is not None:
                return effects + self._after_failures(now)
        return []

    def _after_failures(self, now: int) -> list[Effect]:
        """What did not get through: counted at its device, never repeated there (facts/gbcs.md 11 no. 12).  A response
        that its terminal did not get goes the other way, if it has not gone already."""
        effects: list[Effect] = []
        for peer, octets in self._han.take_expired():
            code = gbcs.decode(octets).message_code.to_bytes(2, "big")
            effects += self.functions.log(NOT_RETRIEVED, self._clock.at(now), peer + code)
        for peer, _ in self._han.take_broken():
            entry = self._log.get(peer)
            if entry is not None:
                entry.failed += 1
        responses = [octets for _, octets in self._terminals.take_broken() if gbcs.decode(octets).cra == CRA.RESPONSE]
        if self.settings.responses_both_ways and self._wan.up:
            return effects
        return [*effects, *(effect for octets in responses for effect in self._wan.send(octets))]

    def _close_window(self, event: Received, now: int) -> list[Effect]:
        if not self.settings.window.close_by_command or not self._terminals.is_open(event.peer):
            return self._turned_away(event, "the window is not closed by this terminal's command")
        return self._after_closing(self._window.close("command"), now)

    def _after_closing(self, effects: list[Effect], now: int) -> list[Effect]:
        """Once the window is closed: the tunnels of terminals end, and joining too, unless a command opened it anew."""
        if not effects or self._window.is_open:
            return effects
        self._terminals.reset()
        return [*effects, CloseJoining(HAN)] if now < self._joining_until == self._window_joining else effects

    # ----------------------------------------------------------------------------------------------------------- verbs

    def _asked(self, verb: str, now: int) -> list[Effect]:
        if not self._powered:
            return [Refuse("the hub has no supply; switch it on first")]
        if verb == "close_window":
            return [
                Answer({"was_open": self._window.is_open}),
                *self._after_closing(self._window.close("command"), now),
            ]
        if verb != "status":
            return [Refuse(f"expected the verb 'status', 'close_window' or 'image_transfer', got {verb!r}")]
        log = [entry.as_json() | {"install_code": "withheld"} for entry in self._log]
        flags = {"interpan": self._window.is_open, "beaconing": self._window.beaconing}
        told = {"profile": self.settings.window.profile}
        left = None if self._window.closes_at is None else (self._window.closes_at - now) // SECOND
        state = {"eui": eui_text(self.settings.eui), "wan_up": self._wan.up, "waiting_for_wan": len(self._wan)}
        ends = {"tunnels": self._han.peers(), "terminals": self._terminals.peers()}
        peers = {name: [peer.hex() for peer in found] for name, found in ends.items()}
        return [
            Answer(
                {**flags, **told, **state, **peers, "closes_in_s": left, "network": self._network, "device_log": log}
            )
        ]

    def _transferred(self, args: Mapping[str, Any], now: int) -> list[Effect]:
        """A firmware image was on its way through this hub; what became of it is told (CCS08)."""
        if not self._powered:
            return [Refuse("the hub has no supply; switch it on first")]
        told = self.processor.asn1.alert(
            transfer_of(args, self._clock.at(now)), TRANSFER_ALERT, Role.ACCESS_CONTROL_BROKER
        )
        return [*told.effects, *self._happened(told, now), Answer()]

    def _dropped(self, peer: bytes, reason: str, octets: bytes = b"") -> Record:
        return Record(FirewallDropped(port=INTERPAN, peer=peer, reason=reason, octets=octets or None))
