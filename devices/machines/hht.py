"""The hand-held terminal (HHT): a carrier of ready-made commands that talks to a hub by inter-PAN and joins nothing.

An operator loads work orders, scans for hubs, chooses one, picks which commands to apply, and unloads what came back.
Commands are final (signed and MACed by others): the terminal holds no key.  It sends one at a time; when a connection
breaks it goes on with the command that broke off.

Port: ``interpan``.  Verbs: scan, load, connect, apply, resume, status, disconnect, close_window, unload.

Must not live here: tunnelling (``parts.tunnel``), the reading of payloads (``parts.reading``).

Source: the 2013 design group's text on terminals (mission rows HHT-1 to HHT-12), facts/gbcs.md 5.7 (local delivery, 2
sources) and 8.1.  No specification of this interface is known: what is not marked otherwise is [our choice].
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from devices.events.terminals import (
    HubsFound,
    JobDone,
    JobInterrupted,
    JobSent,
    JobsLoaded,
    JobsUnloaded,
    TerminalConnected,
    TerminalLost,
    TerminalUnreadable,
)
from devices.events.tunnels import TunnelGivenUp
from devices.machines.core import (
    Answer,
    Asked,
    Beacon,
    Effect,
    Event,
    MachineError,
    NetworkDown,
    NetworksFound,
    Persist,
    PowerLost,
    PowerRestored,
    Received,
    Record,
    Refuse,
    ScanNetworks,
    Send,
    SendFailed,
    SetTimer,
    Show,
    Started,
    StopTimer,
    TimerFired,
    Tune,
    eui_text,
)
from devices.machines.parts import tunnel
from devices.machines.parts.interpan_window import close_frame
from devices.machines.parts.reading import words
from devices.machines.parts.tunnel import TunnelClient, TunnelSettings
from devices.machines.parts.work_order import Job, State, read_job
from devices.wire import eui64, gbcs
from devices.wire.errors import WireError
from devices.wire.gbcs import CRA

__all__ = ["FAULTS", "HandHeldTerminal", "HhtSettings", "State"]

PORT: Final = "interpan"
ANSWER_TIMER: Final = "hht.answer"
ANSWERED_WHEN_SENT: Final = "answered-when-sent"
LISTS_ITS_ORDERS: Final = "lists-its-orders"
FAULTS: Final = frozenset({ANSWERED_WHEN_SENT, LISTS_ITS_ORDERS})
"""Deliberate faults of a terminal, by name."""
SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class HhtSettings:
    """Who the terminal is and how it works.  All [our choice]."""

    eui: bytes
    tunnel: TunnelSettings = tunnel.INTERPAN
    answer_timeout_s: int = 10  # how long a command may stay unanswered before the next one goes
    expires_after_s: int | None = None  # age at which a loaded command is no longer applied; None: never
    capacity: int = 2000  # commands, and messages collected, that it holds
    faults: frozenset[str] = frozenset()  # deliberate faults, see FAULTS

    def __post_init__(self) -> None:
        unknown = sorted(self.faults - FAULTS)
        if unknown:
            raise ValueError(f"terminal settings: faults {unknown} are unknown; choose among {sorted(FAULTS)}")


class HandHeldTerminal:
    """One terminal in the hands of one operator."""

    def __init__(self, settings: HhtSettings) -> None:
        self.settings = settings
        self._tunnel = TunnelClient(PORT, settings.tunnel)
        self._jobs: list[Job] = []
        self._collected: deque[dict[str, Any]] = deque(maxlen=settings.capacity)
        self._forget()

    def _forget(self) -> None:
        """What a power loss takes away."""
        self._found: tuple[Beacon, ...] = ()
        self._hub: bytes | None = None
        self._connected = False
        self._queue: deque[Job] = deque()  # picked by the operator, in this order
        self._current: Job | None = None
        self._tunnel.reset()

    def handle(self, event: Event, now: int) -> Sequence[Effect]:
        """Take one event; see :class:`devices.machines.core.Machine`."""
        match event:
            case Started(saved) | PowerRestored(saved):
                return self._restore(saved)
            case PowerLost():
                effects = self._keep()
                self._forget()
                return effects
            case Asked(verb, args):
                return self._asked(verb, args, now)
            case NetworksFound(beacons=beacons):
                return self._seen(beacons)
            case NetworkDown(reason=reason):
                return [Show(f"Cannot scan: {reason}")]
            case Received(port=port, cluster=tunnel.CLUSTER) if port == PORT:
                return self._heard(event, now)
            case SendFailed():
                return self._after(self._tunnel.failed(event, now))
            case TimerFired(name):
                return self._fired(name, now)
        return []

    # ----------------------------------------------------------------------------------------------------------- verbs

    def _asked(self, verb: str, args: Mapping[str, Any], now: int) -> list[Effect]:
        verbs: dict[str, Callable[[], list[Effect]]] = {
            "scan": lambda: [Answer({}), Show("Searching for hubs"), ScanNetworks(PORT)],
            "load": lambda: self._load(args, now),
            "connect": lambda: self._connect(args, now),
            "apply": lambda: self._apply(args, now),
            "resume": lambda: self._resume(now),
            "status": lambda: [Answer(self._status(now))],
            "disconnect": self._disconnect,
            "close_window": self._close_window,
            "unload": lambda: self._unload(args),
        }
        if verb not in verbs:
            return [Refuse(f"expected one of {', '.join(verbs)}, got {verb!r}")]
        try:
            return verbs[verb]()
        except (MachineError, WireError) as error:
            return [Refuse(str(error))]

    def _load(self, args: Mapping[str, Any], now: int) -> list[Effect]:
        """``load {work_order: [{name, device, octets, expires_at?}], hub?}``: all of it, or nothing."""
        hub = eui64.parse(str(args["hub"])) if args.get("hub") else None
        entries = args.get("work_order")
        if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
            raise MachineError(
                "argument 'work_order': expected a list of commands; ask the supplier for its work order"
            )
        age = self.settings.expires_after_s
        expires = None if age is None else now + age * SECOND
        jobs = [read_job(entry, hub, expires) for entry in entries]
        if len(self._jobs) + len(jobs) > self.settings.capacity:
            raise MachineError(f"the terminal holds {self.settings.capacity} commands; unload before loading more")
        self._jobs += jobs
        told = Record(JobsLoaded(commands=len(jobs), hub=hub or None))
        return [Answer({"loaded": len(jobs)}), told, Show(f"{len(self._jobs)} commands loaded"), *self._keep()]

    def _connect(self, args: Mapping[str, Any], now: int) -> list[Effect]:
        """``connect {hub}``: to a hub of the last scan, for which the terminal holds work."""
        hub = eui64.parse(str(args.get("hub", "")))
        heard = [beacon.epid for beacon in self._found]
        if hub not in heard:
            got = ", ".join(map(eui_text, heard)) or "none"
            raise MachineError(f"expected a hub of the last scan ({got}), got {eui_text(hub)}; scan again or go nearer")
        if self._jobs and not any(job.hub in (None, hub) for job in self._jobs):
            meant = ", ".join(sorted({eui_text(job.hub) for job in self._jobs if job.hub}))
            raise MachineError(
                f"wrong hub: the work order is for {meant}, you chose {eui_text(hub)}; compare with the number "
                f"printed on the hub in front of you and connect to that"
            )
        if self._current is not None:
            raise MachineError("a command is under way; wait for its answer, then connect")
        effects = self._tunnel.close(self._hub) if self._hub and self._hub != hub else []
        self._hub, self._connected = hub, False
        beacon = next(beacon for beacon in self._found if beacon.epid == hub)
        tuned = Tune(PORT, beacon.channel, beacon.pan)
        shown = Show(f"Connecting to {eui_text(hub)}")
        return [Answer({"hub": eui_text(hub)}), shown, *effects, tuned, *self._open(now)]

    def _open(self, now: int) -> list[Effect]:
        assert self._hub is not None
        return self._tunnel.open(self._hub, now)

    def _apply(self, args: Mapping[str, Any], now: int) -> list[Effect]:
        """``apply {index | name | which: "all"}``: what the operator picks, one at a time in the order of picking."""
        hub = self._need_hub()
        picked = [job for job in self._pick(args) if job not in self._queue and job is not self._current]
        for job in picked:
            job.expire(now)
            if job.state is State.EXPIRED:
                raise MachineError(f"{job.name} has expired; ask the supplier for a new work order")
            if job.hub not in (None, hub):
                raise MachineError(
                    f"{job.name} is for hub {eui_text(job.hub or b'')}, connected is {eui_text(hub)}; go there"
                )
        self._queue.extend(picked)
        return [Answer({"picked": [job.name for job in picked]}), *self._next(now)]

    def _pick(self, args: Mapping[str, Any]) -> list[Job]:
        if args.get("which") == "all" or args.get("name") == "all":
            fit = [job for job in self._jobs if job.hub in (None, self._hub)]
            picked = [job for job in fit if job.state in (State.LOADED, State.INTERRUPTED)]
        elif "index" in args:
            number = args["index"]
            usable = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(self._jobs)
            picked = [self._jobs[number]] if usable else []
        else:
            picked = [job for job in self._jobs if job.name == args.get("name") and job.state is not State.ANSWERED][:1]
        if not picked:
            done = [job.name for job in self._jobs if job.name == args.get("name")]
            if done:
                raise MachineError(
                    f"{done[0]} has been carried out and answered; to send it again, load its work order again"
                )
            names = ", ".join(job.name for job in self._jobs) or "nothing: load a work order"
            raise MachineError(
                f"expected an index, a name or which='all' of what is loaded ({names}), got {dict(args)}"
            )
        return picked

    def _resume(self, now: int) -> list[Effect]:
        """Start again with the command that broke off, then what was picked after it."""
        hub = self._need_hub(connected=False)
        broken = [job for job in self._jobs if job.state is State.INTERRUPTED and job.hub in (None, hub)]
        if not broken and not self._queue:
            raise MachineError("expected a command that broke off, there is none; use apply")
        if self._current is not None:
            raise MachineError("a command is under way; wait for its answer")
        waiting = [job for job in self._queue if job not in broken]
        self._queue = deque([*broken, *waiting])
        return [Answer({"picked": [job.name for job in self._queue]}), *self._next(now)]

    def _status(self, now: int) -> dict[str, Any]:
        for job in self._jobs:
            job.expire(now)
        commands = [
            {
                "name": job.name,
                "device": job.message.recipient.hex(),
                "text": words(job.message),
                "signature": (job.message.signature or b"").hex(),  # of the originator
                "mac": (job.message.mac or b"").hex(),  # of the access control broker
                "state": job.state.value,
                "response": job.response.hex(),
            }
            for job in self._jobs
        ]
        hub = eui_text(self._hub) if self._hub else None
        found = [eui_text(beacon.epid) for beacon in self._found]
        return {"commands": commands, "hub": hub, "connected": self._connected, "found": found}

    def _disconnect(self) -> list[Effect]:
        hub = self._need_hub(connected=False)
        effects = self._tunnel.close(hub)
        effects += self._broke_off("disconnected by the operator")
        self._hub, self._connected = None, False
        return [Answer({}), Show("Not connected"), *effects, *self._keep()]

    def _close_window(self) -> list[Effect]:
        """Tell the hub that the work is done: it turns inter-PAN off."""
        hub = self._need_hub()
        return [Answer({}), Send(PORT, hub, close_frame(), tunnel.CLUSTER)]

    def _unload(self, args: Mapping[str, Any]) -> list[Effect]:
        """``unload {keep_commands?}``: responses and alerts for the supplier; the commands go too unless kept."""
        if self._current is not None:
            raise MachineError("a command is under way; wait for its answer, then unload")
        messages = list(self._collected)
        self._collected.clear()
        if not args.get("keep_commands", False):
            self._jobs.clear()
            self._queue.clear()
        told = Record(JobsUnloaded(messages=len(messages), commands_left=len(self._jobs)))
        return [Answer({"messages": messages}), told, Show(f"{len(messages)} messages unloaded"), *self._keep()]

    # ---------------------------------------------------------------------------------------------- one after the other

    def _next(self, now: int) -> list[Effect]:
        """Send the next picked command, unless one is under way."""
        while self._current is None and self._queue:
            job = self._queue.popleft()
            job.expire(now)
            if job.state is State.EXPIRED:
                continue
            assert self._hub is not None
            job.state, self._current = State.SENT, job
            timer = SetTimer(ANSWER_TIMER, now + self.settings.answer_timeout_s * SECOND)
            shown = Show(f"Sending {words(job.message)}")
            told = Record(JobSent(name=job.name, counter=job.message.counter))
            effects = [shown, told, timer, *self._keep(), *self._tunnel.send(self._hub, job.octets, now)]
            if ANSWERED_WHEN_SENT in self.settings.faults:
                effects += self._done(job, State.ANSWERED, now)
            return self._after(effects)
        return []

    def _done(self, job: Job, state: State, now: int) -> list[Effect]:
        job.state, self._current = state, None
        told = Record(JobDone(name=job.name, state=state.value, counter=job.message.counter))
        return [StopTimer(ANSWER_TIMER), told, *self._keep(), *self._next(now)]

    def _heard(self, event: Received, now: int) -> list[Effect]:
        messages, effects = self._tunnel.receive(event, now)
        for _, octets in messages:
            effects += self._message(octets, now)
        return self._after(effects)

    def _message(self, octets: bytes, now: int) -> list[Effect]:
        try:
            message = gbcs.decode(octets)
        except WireError as error:
            return [Record(TerminalUnreadable(reason=str(error), octets=octets))]
        if message.cra == CRA.COMMAND:
            return [Record(TerminalUnreadable(reason="a hub sends no commands to a terminal", octets=octets))]
        entry = {"octets": octets.hex(), "from": message.originator.hex(), "cra": int(message.cra), "at": now}
        self._collected.append(entry)
        effects: list[Effect] = [Show(words(message)), *self._keep()]
        job = next((job for job in self._jobs if job.answered_by(message)), None)
        if job is None:
            return effects
        job.response = octets
        if job is self._current:
            return effects + self._done(job, State.ANSWERED, now)
        job.state = State.ANSWERED  # late, after its time-out or after the connection broke
        return effects + self._keep()

    def _fired(self, name: str, now: int) -> list[Effect]:
        if name == ANSWER_TIMER:
            job = self._current
            if job is None:
                return []
            if self._tunnel.waiting(self._hub or b""):  # still being transferred: the answer can't be due yet
                return [SetTimer(ANSWER_TIMER, now + self.settings.answer_timeout_s * SECOND)]
            return [Show(f"No answer to {job.name}"), *self._done(job, State.UNANSWERED, now)]
        effects = self._tunnel.fired(name, now)
        return [] if effects is None else self._after(effects)

    def _after(self, effects: list[Effect]) -> list[Effect]:
        """See what became of the connection; called after whatever the tunnel did."""
        hub = self._hub
        broken = self._tunnel.take_broken()
        if broken and self._current is not None and any(octets == self._current.octets for _, octets in broken):
            effects = effects + self._broke_off("the connection broke") + self._keep()
        is_open = hub is not None and self._tunnel.is_open(hub)
        if hub is None or is_open == self._connected:
            failed = hub is not None and not is_open and any(_gave_up(effect) for effect in effects)
            return [*effects, Show(f"No answer from {eui_text(hub or b'')}")] if failed else effects
        self._connected = is_open
        shown = f"{'Connected to' if is_open else 'Connection lost to'} {eui_text(hub)}"
        return [*effects, Record(TerminalConnected(hub=hub) if is_open else TerminalLost(hub=hub)), Show(shown)]

    def _broke_off(self, reason: str) -> list[Effect]:
        """The command under way is interrupted; what was picked after it waits for ``resume``."""
        job, self._current = self._current, None
        if job is None:
            return []
        job.state = State.INTERRUPTED
        told = Record(JobInterrupted(name=job.name, reason=reason, counter=job.message.counter))
        return [StopTimer(ANSWER_TIMER), told, Show(f"{job.name} broke off: {reason}. Reconnect and resume")]

    # --------------------------------------------------------------------------------------------------------- helpers

    def _seen(self, beacons: tuple[Beacon, ...]) -> list[Effect]:
        self._found = beacons
        lines = [f"{eui_text(b.epid)} channel {b.channel} {b.rssi} dBm{_mark(b, self._jobs)}" for b in beacons]
        hubs = [(b.epid, b.joinable) for b in beacons]
        if LISTS_ITS_ORDERS in self.settings.faults:
            heard = dict(hubs)
            hubs = [(hub, heard.get(hub, False)) for hub in sorted({job.hub for job in self._jobs if job.hub})]
        found = HubsFound(hubs=tuple(hub for hub, _ in hubs), joinable=tuple(joinable for _, joinable in hubs))
        return [Record(found), Show("\n".join(lines) or "No hub found")]

    def _need_hub(self, *, connected: bool = True) -> bytes:
        if self._hub is None or (connected and not self._connected):
            raise MachineError("expected a connection to a hub, there is none; scan, then connect")
        return self._hub

    def _keep(self) -> list[Effect]:
        work = {"jobs": [job.as_json() for job in self._jobs], "collected": list(self._collected)}
        return [Persist("work_order", work)]

    def _restore(self, saved: Mapping[str, Any]) -> list[Effect]:
        self._forget()
        work = saved.get("work_order", {"jobs": [], "collected": []})
        self._jobs = [Job.of_json(entry) for entry in work["jobs"]]
        self._collected = deque(work["collected"], maxlen=self.settings.capacity)
        for job in self._jobs:
            if job.state is State.SENT:
                job.state = State.INTERRUPTED  # nobody knows any more what became of it
        return [Show(f"{len(self._jobs)} commands loaded")]


def _mark(beacon: Beacon, jobs: Sequence[Job]) -> str:
    return " (work order)" if any(job.hub == beacon.epid for job in jobs) else ""


def _gave_up(effect: Effect) -> bool:
    return isinstance(effect, Record) and isinstance(effect.event, TunnelGivenUp)
