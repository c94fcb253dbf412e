"""The host of one machine: hands it events, grants its effects.

The host knows ports and clocks and nothing about protocols; whatever crosses between machine and ports passes its taps
(``taps``), which are the bench's account of it.  Power is real to it: while the device is without power no event
reaches the machine, its timers are gone and its outputs rest; when power returns a *new* machine starts from what the
old one had persisted, so nothing volatile can survive by accident.

Must not live here: anything about one kind of machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from devices.events import Event
from devices.events.bench import DisplayShown, LinkSwitched, PowerSwitched, SendingFailed
from devices.machines import core
from rig.host.store import Store
from rig.host.taps import TappedFrame, Taps
from rig.ports.protocols import (
    Clock,
    HanAdapter,
    Handle,
    Input,
    InternalPort,
    InterPanAdapter,
    MessageLink,
    Output,
    PortLost,
    PortMissing,
)

__all__ = ["IN_ITS_PLACE", "Host", "HostError", "Plugs", "Refused"]

IN_ITS_PLACE = -1
"""The token of a frame that somebody sends in a machine's place: what became of it is tapped, and the machine is not
told."""

Recorder = Callable[[Event], None]
T = TypeVar("T")


class HostError(Exception):
    """The bench put a machine and its ports together wrongly: the machine uses a port or pin that nobody plugged in, or
    breaks the seam between the two."""


class Refused(Exception):
    """The machine refused what it was asked; the text says what was expected, what it got, and what to do next."""


@dataclass
class Plugs:
    """What is plugged into the ports and pins of one machine, by the machine's own names."""

    messages: dict[str, MessageLink] = field(default_factory=dict)
    han: dict[str, HanAdapter] = field(default_factory=dict)
    interpan: dict[str, InterPanAdapter] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    inputs: dict[str, Input] = field(default_factory=dict)
    buttons: dict[str, Input] = field(default_factory=dict)
    power: Input | None = None
    inside: dict[str, InternalPort] = field(default_factory=dict)
    copies: frozenset[str] = frozenset()
    """Internal ports that carry copies of what crosses elsewhere: they are not tapped, or it would count twice."""


class Host:
    """Pumps one machine.  ``make`` builds a fresh machine; it is called at the start and after each power loss."""

    def __init__(
        self,
        name: str,
        make: Callable[[], core.Machine],
        clock: Clock,
        plugs: Plugs,
        store: Store,
        record: Recorder,
        on_frame: Callable[[TappedFrame], None] = lambda _frame: None,
    ) -> None:
        self.name = name
        self.display = ""
        self._make = make
        self._clock = clock
        self._plugs = plugs
        self._store = store
        self._record = record
        self._taps = Taps(clock, record, on_frame)
        self._machine: core.Machine | None = None
        self._timers: dict[str, Handle] = {}
        self._waiting: deque[core.Event] = deque()
        self._handling = False
        self._answers: list[core.Answer | core.Refuse] = []
        self._gasps: list[Handle] = []
        self._lost_at: int | None = None
        self._pressed_at: dict[str, int] = {}
        self._down: set[str] = set()
        self._plug_in()

    # ------------------------------------------------------------------------------------------------ life and power

    @property
    def powered(self) -> bool:
        """Whether the device runs."""
        return self._machine is not None

    def start(self) -> None:
        """First start: with power at its pin (or without such a pin) the machine runs from now on."""
        if self._plugs.power is None or self._plugs.power.level:
            self._boot(core.Started(self._store.all()))

    def _power_changed(self, level: bool) -> None:
        if level and self._machine is None:
            if self._lost_at is None:
                self._boot(core.Started(self._store.all()))
            else:
                self._boot(core.PowerRestored(self._store.all(), self._clock.now - self._lost_at))
        elif not level and (machine := self._machine) is not None:
            # At once, even in the middle of another event: what waits now never reaches a device without power.
            for effect in self._keep(machine.handle(core.PowerLost(), self._clock.now)):
                self._grant(effect)
            self._lost_at = self._clock.now
            self._shut()

    def _boot(self, event: core.Event) -> None:
        for gasp in self._gasps:
            gasp.cancel()
        self._gasps.clear()
        if self._plugs.power is not None:
            self._record(PowerSwitched(on=True))
        self._machine = self._make()
        for radio in self._radios():
            radio.start()
        self.deliver(event)
        for port, link in self._plugs.messages.items():
            if link.up:
                self.deliver(core.LinkChanged(port, True))
        for port in self._plugs.inside:
            self.deliver(core.LinkChanged(port, True))

    def _shut(self) -> None:
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()
        self._waiting.clear()
        self._pressed_at.clear()
        self._machine = None
        self.display = ""
        for radio in self._radios():
            radio.stop()
        self.safe()
        self._taps.lose_power()
        self._record(PowerSwitched(on=False))

    def safe(self) -> None:
        """Drive every output of the device to its safe level, now."""
        for output in self._plugs.outputs.values():
            output.safe()

    # -------------------------------------------------------------------------------------------------------- events

    def deliver(self, event: core.Event) -> None:
        """Hand an event to the machine; one that arises while another is handled waits for its turn."""
        if self._machine is None:
            return
        self._waiting.append(event)
        if self._handling:
            return
        self._handling = True
        try:
            while self._waiting and (machine := self._machine) is not None:
                for effect in self._keep(machine.handle(self._waiting.popleft(), self._clock.now)):
                    if self._machine is not machine:  # its power went while its wishes were granted
                        break
                    self._grant(effect)
        finally:
            self._handling = False

    def send(self, effect: core.Send) -> None:
        """Put octets on the way through a port of the device, tapped as if its machine had sent them: for whoever
        speaks in its place.  Raises :class:`rig.ports.protocols.PortError` for a message link that is down."""
        plugs, port = self._plugs, effect.port
        if port in plugs.messages:
            plugs.messages[port].send(effect.peer, effect.octets)
            self._taps.message(port, effect.peer, effect.octets, out=True)
        elif port in plugs.inside:
            if self._is_message(effect):
                self._taps.message(port, effect.peer, effect.octets, out=True)
            plugs.inside[port].send(effect.peer, effect.cluster, effect.octets)
        else:
            radio = plugs.han[port] if port in plugs.han else self._plug(plugs.interpan, port, "port")
            self._taps.frame(port, effect.peer, effect.cluster, effect.octets, out=True)
            radio.send(effect.peer, effect.cluster, effect.octets, effect.token)

    def tell_unfinished(self) -> None:
        """Record the messages that have crossed in part so far: the evidence ends here."""
        self._taps.tell_unfinished()

    def ask(self, verb: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put a request to the machine and return its answer.

        Raises :class:`Refused` with the machine's own words, or when the device has no power.
        """
        if self._machine is None:
            raise Refused(f"{self.name} has no power, so it cannot {verb}; restore its supply first")
        self._answers.clear()
        try:
            self.deliver(core.Asked(verb, args))
        except core.MachineError as problem:
            raise Refused(f"{self.name}: {problem}") from None
        if len(self._answers) != 1:
            raise HostError(f"{self.name} gave {len(self._answers)} answers to {verb}; a machine must give exactly one")
        answer = self._answers.pop()
        if isinstance(answer, core.Refuse):
            raise Refused(f"{self.name}: {answer.reason}")
        return answer.value

    def _plug_in(self) -> None:
        plugs = self._plugs
        for port, link in plugs.messages.items():
            link.on_message = self._message_taker(port)
            link.on_link = self._link_watcher(port)
        for han in plugs.han.values():
            han.on_event = self._from_radio
        for interpan in plugs.interpan.values():
            interpan.on_event = self._from_radio
        for end in plugs.inside.values():
            end.on_event = self._from_inside
        for pin, source in plugs.inputs.items():
            source.on_edge = self._pin_watcher(pin)
        for button, source in plugs.buttons.items():
            source.on_edge = self._button_watcher(button)
        if plugs.power is not None:
            plugs.power.on_edge = lambda level, _at: self._power_changed(level)

    def _message_taker(self, port: str) -> Callable[[bytes, bytes], None]:
        def take(peer: bytes, octets: bytes) -> None:
            if self._machine is not None:  # nothing reaches a device without power
                self._taps.message(port, peer, octets, out=False)
                self.deliver(core.Received(port, peer, octets))

        return take

    def _from_radio(self, event: core.Event) -> None:
        if isinstance(event, core.Received) and self._machine is not None:
            self._taps.frame(event.port, event.peer, event.cluster, event.octets, out=False)
        elif self._machine is not None:
            self._taps.radio(event)
        if not (isinstance(event, core.SendFailed) and event.token == IN_ITS_PLACE):
            self.deliver(event)

    def _from_inside(self, event: core.Event) -> None:
        if isinstance(event, core.Received) and self._machine is not None and self._is_message(event):
            self._taps.message(event.port, event.peer, event.octets, out=False)
        self.deliver(event)

    def _is_message(self, crossed: core.Received | core.Send) -> bool:
        """Whether what crosses an internal port is a message of its own, no copy and no frame."""
        return crossed.port not in self._plugs.copies and not crossed.cluster

    def _link_watcher(self, port: str) -> Callable[[bool], None]:
        def watch(up: bool) -> None:
            if not up or port in self._down:  # what comes up at the start was never down
                self._record(LinkSwitched(link=port, up=up))
            (self._down.discard if up else self._down.add)(port)
            self.deliver(core.LinkChanged(port, up))

        return watch

    def _pin_watcher(self, pin: str) -> Callable[[bool, int], None]:
        return lambda level, _at: self.deliver(core.PinChanged(pin, level))

    def _button_watcher(self, button: str) -> Callable[[bool, int], None]:
        def watch(level: bool, at: int) -> None:
            if level and self._machine is not None:
                self._pressed_at[button] = at
            elif (since := self._pressed_at.pop(button, None)) is not None:
                self.deliver(core.ButtonPressed(button, at - since))

        return watch

    # ------------------------------------------------------------------------------------------------------- effects

    def _keep(self, effects: Sequence[core.Effect]) -> list[core.Effect]:
        """Keep everything that one call of the machine wants kept, in one transaction and before any other wish is
        granted: a power cut finds the device before the call or after it, never between.  Gives the other wishes.

        Of several values for one key the last counts: it is what the machine holds when the call returns.
        """
        kept = {effect.key: effect.value for effect in effects if isinstance(effect, core.Persist)}
        if kept:
            self._store.put_all(kept)
        return [effect for effect in effects if not isinstance(effect, core.Persist)]

    def _grant(self, effect: core.Effect) -> None:
        match effect:
            case core.Send():
                self._send(effect)
            case core.LastGasp(send, at):
                self._gasps.append(self._clock.call_at(at, lambda: self._send(send)))
            case core.SetTimer(name, at):
                self._cancel(name)
                self._timers[name] = self._clock.call_at(at, lambda: self._fire(name))
            case core.StopTimer(name):
                self._cancel(name)
            case core.Drive(pin, level):
                self._plug(self._plugs.outputs, pin, "output").drive(level)
            case core.Show(text):
                self.display = text
                self._record(DisplayShown(text=text))
            case core.Record(event):
                self._record(event)
            case core.Answer() | core.Refuse():
                self._answers.append(effect)
            case _:
                self._network(effect)

    def _network(self, effect: core.Effect) -> None:
        match effect:
            case core.FormNetwork(port, epid):
                self._radio(port).form(epid)
            case core.JoinNetwork(port, code, epid):
                self._radio(port).join(code, epid)
            case core.LeaveNetwork(port):
                self._radio(port).leave()
            case core.AdmitDevice(port, peer, code):
                self._radio(port).admit(peer, code)
            case core.ForgetDevice(port, peer):
                self._radio(port).forget(peer)
            case core.OpenJoining(port, seconds):
                self._radio(port).open_joining(seconds)
            case core.CloseJoining(port):
                self._radio(port).close_joining()
            case core.Tune(port, channel, pan):
                self._plug(self._plugs.interpan, port, "inter-PAN adapter").tune(channel, pan)
            case core.ScanNetworks(port):
                (self._plugs.interpan.get(port) or self._radio(port)).scan()
            case _:
                raise HostError(f"{self.name} wishes for {effect!r}, which no host can grant; correct the machine")

    def _send(self, effect: core.Send) -> None:
        """A link that is down is a fact of the machine's life, not a broken bench: the machine is told."""
        if effect.port not in self._plugs.messages:
            self.send(effect)
            return
        try:
            self.send(effect)
        except (PortLost, PortMissing) as problem:
            self._record(SendingFailed(port=effect.port, peer=effect.peer, reason=problem.problem))
            if effect.token:
                self._waiting.append(core.SendFailed(effect.port, effect.peer, effect.token, problem.problem))

    def _radios(self) -> tuple[HanAdapter | InterPanAdapter | InternalPort, ...]:
        """Whatever comes and goes with the power of the device."""
        return (*self._plugs.han.values(), *self._plugs.interpan.values(), *self._plugs.inside.values())

    def _radio(self, port: str) -> HanAdapter:
        return self._plug(self._plugs.han, port, "HAN adapter")

    def _plug(self, plugs: Mapping[str, T], name: str, what: str) -> T:
        if name not in plugs:
            raise HostError(
                f"{self.name} uses the {what} {name!r}, but the bench file plugs nothing into it; add it there"
            )
        return plugs[name]

    def _fire(self, name: str) -> None:
        self._timers.pop(name, None)
        self.deliver(core.TimerFired(name))

    def _cancel(self, name: str) -> None:
        handle = self._timers.pop(name, None)
        if handle is not None:
            handle.cancel()
