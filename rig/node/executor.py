"""The one executor of a process: commands run here, strictly by number, and so does everything that the bench does.

MQTT callbacks only queue (:meth:`Executor.submit`); :meth:`Executor.run` takes what is queued, on one thread.  A
command says which number it follows; one that came early is held back, a repeat is answered from the journal, one whose
time ran out or whose sender does not hold the lease is refused.  architecture.md, 'Order' and 'Safety and loss'.

Must not live here: MQTT, what a verb does, the bench clock.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol, TypeVar

from rig.bus.errors import BadMessage, BusError, of_system
from rig.bus.messages import BENCH, CLAIM, REBIRTH, RELEASE, Answer, Command, Context, Event, Fault
from rig.bus.topics import check_name
from rig.node.journal import Journal, JournalError
from rig.node.lease import Lease, LeaseHeld
from rig.ports.protocols import PortError

__all__ = ["CommandError", "Executor", "ExecutorSettings", "Handler", "LeaseEnded", "Refused", "Voice", "Withdrawn"]

log = logging.getLogger(__name__)
T = TypeVar("T")

Handler = Callable[[dict[str, Any], Context], Mapping[str, Any] | None]
"""Carries out one verb on the executor thread: arguments and context in, JSON types out.  Raises
:class:`CommandError` for what went wrong as such things do; anything else counts as the bench's own failure."""


class CommandError(Exception):
    """A command that was understood and failed: a code for programs, a message for people, and what to do next.

    CommandError           answered 'error'
    ├── Refused            answered 'refused': nothing was done
    ├── LeaseEnded         the lease ended while the command ran; it was left where it was
    └── Withdrawn          answered 'withdrawn': its sender wants it no more; it was left where it was
    """

    def __init__(self, code: str, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(code, message, advice)


class Refused(CommandError):
    """The node will not do what it was asked; nothing was changed."""


class LeaseEnded(CommandError):
    """Raised out of :meth:`Executor.service`: the controller is lost, so the command that waits is given up."""

    def __init__(self) -> None:
        super().__init__("lease-ended", "the lease ended while the command ran", "Claim the bench again.")


class Withdrawn(CommandError):
    """Whoever sent the command gave it up: a keyword's time was over, or the run was stopped."""

    def __init__(self) -> None:
        super().__init__("withdrawn", "the command was withdrawn by its sender")


class Voice(Protocol):
    """What the executor needs of a node: its handlers, and a way to speak."""

    @property
    def name(self) -> str: ...

    @property
    def handlers(self) -> Mapping[str, Handler]: ...

    def send_answer(self, command: Command, payload: bytes) -> None: ...

    def send_events(self, events: Sequence[Event]) -> None: ...

    def rebirth(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    queue_limit: int = 1000  # commands that wait; more are dropped and counted, their sender asks again
    held_limit: int = 64  # commands that came before their turn
    recall: int = 20_000  # events kept for a controller that lost some on the way, and for waits that look back
    withdrawn_limit: int = 256  # withdrawals kept, for one may come before the command that it withdraws
    batch: int = 128  # events in one message: about 64 KiB of typical ones
    longest_lease_s: float = 120.0  # a controller that dies must not hold the bench for longer


@dataclass(slots=True)
class _Item:
    voice: Voice
    command: Command
    arrived_ns: int


class Executor:
    """One a process, shared by all of its nodes.

    ``clock``: real monotonic nanoseconds (lease, expiry).  ``on_expired``: the lease ended, bring outputs to safety.
    ``idle``: called when nothing is queued; does what the bench clock has due and gives the seconds until it wants to
    be called again, None for not before something is queued.  Both run on the executor thread.
    ``boot`` names this life of the process.
    """

    def __init__(
        self,
        name: str,
        *,
        journal: Journal,
        on_expired: Callable[[], None],
        clock: Callable[[], int] = time.monotonic_ns,
        idle: Callable[[], float | None] = lambda: None,
        boot: str | None = None,
        settings: ExecutorSettings | None = None,
    ) -> None:
        self.name, self.boot = name, boot or uuid.uuid4().hex[:16]
        self.idle = idle
        self.lease = Lease(clock, self._end_lease)
        self.dropped = 0
        """Commands that found the queue full."""
        self._settings = settings or ExecutorSettings()
        self._journal, self._clock, self._on_expired = journal, clock, on_expired
        self._queue: queue.SimpleQueue[_Item | Callable[[], None]] = queue.SimpleQueue()
        self._aside: deque[_Item] = deque()
        self._held: dict[int, _Item] = {}
        self._waiting: set[str] = set()
        self._withdrawn: OrderedDict[str, None] = OrderedDict()
        self._current = ""
        self._lock = threading.Lock()
        self._voices: dict[str, Voice] = {}
        self._seq: dict[str, int] = {}
        self._order = 0
        self._fresh: list[Event] = []
        self._recall: deque[Event] = deque(maxlen=self._settings.recall)
        self._context = Context()
        self._last = 0
        self._faults: list[str] = []
        self._running = True

    # ---------------------------------------------------------------------------------------------- from any thread

    def submit(self, voice: Voice, command: Command, arrived_ns: int) -> None:
        """Queue a command.  One whose id is waiting or running already is not queued again: its answer will come.

        A claim of what somebody else holds is answered at once: whatever runs for the holder may take hours.
        """
        held = self.lease.against(command.lease) if command.verb == CLAIM else None
        if held is not None:
            self._send_answer(voice, command, _busy(command, self.boot, held).encode())
            return
        with self._lock:
            if command.id in self._waiting:
                return
            if len(self._waiting) >= self._settings.queue_limit:
                self.dropped += 1
                return
            self._waiting.add(command.id)
        self._queue.put(_Item(voice, command, arrived_ns))

    def renew(self, token: str, arrived_ns: int) -> None:
        """A renewal of the lease arrived; it counts even while a long command runs."""
        self.lease.renew(token, arrived_ns)

    def withdraw(self, token: str, command_id: str) -> None:
        """The sender of a command wants it no more.  One that waits is not run, one that lets time pass stops at the
        next event or pause; whatever else runs comes to its end.  The holder of the lease alone may say so."""
        if command_id and self.lease.valid(token):
            with self._lock:
                self._withdrawn[command_id] = None
                while len(self._withdrawn) > self._settings.withdrawn_limit:
                    self._withdrawn.popitem(last=False)

    def post(self, what: Callable[[], None]) -> None:
        """Have ``what`` called on the executor thread as soon as may be."""
        self._queue.put(what)

    def stop(self) -> None:
        """Have :meth:`run` return after what it is doing."""
        self.post(self._stop)

    def now_ns(self) -> int:
        """The real monotonic clock that leases and expiry go by."""
        return self._clock()

    # ----------------------------------------------------------------------------------------- on the executor thread

    def add(self, voice: Voice) -> None:
        """Take a node in; before :meth:`run`."""
        if voice.name in self._voices:
            raise ValueError(f"two nodes named {voice.name!r} in one executor")
        self._voices[voice.name] = voice
        self._seq[voice.name] = 0

    def emit(self, node: str, kind: str, at_ns: int, fields: Mapping[str, Any] | None = None) -> Event:
        """Number an event of ``node``; it is sent before the answer of the running command, or at the next pause.

        ``fields`` holds JSON types.  Raises :class:`~rig.bus.errors.BadTopic` for a kind that no topic can carry.
        """
        check_name("event kind", kind)
        self._order += 1
        self._seq[node] += 1
        event = Event(self._seq[node], self._order, self.boot, node, kind, at_ns, fields or {}, self._context)
        self._fresh.append(event)
        self._recall.append(event)
        if len(self._fresh) >= self._settings.batch:
            self.flush()
        return event

    def flush(self) -> None:
        """Send the events that were not sent yet, in as few messages as may be."""
        fresh, self._fresh = self._fresh, []
        self._send(fresh)

    def watermark(self) -> dict[str, int]:
        """The number of the last event of each node."""
        return dict(self._seq)

    @property
    def order(self) -> int:
        """The number of the last event."""
        return self._order

    def since(self, order: int) -> list[Event]:
        """The events after ``order``.  Raises :class:`CommandError` where some of them are no longer kept: nobody could
        say then whether something happened."""
        if self._recall and order + 1 < (kept := self._recall[0].order):
            raise CommandError(
                BENCH,
                f"a wait looks back to event {order}, but only those from {kept} on are kept",
                "Wait in shorter steps, so that fewer events lie between what the test does and what it waits for.",
            )
        return [event for event in self._recall if event.order > order]

    @property
    def given_up(self) -> bool:
        """Whether the command that runs was withdrawn; a handler that lets time pass asks this as it goes."""
        return self._current in self._withdrawn

    def check_given_up(self) -> None:
        """Raises :class:`Withdrawn` if the command that runs was withdrawn."""
        if self.given_up:
            raise Withdrawn

    def run(self) -> None:
        """Work until :meth:`stop`.  When it ends, however it does, the outputs go safe."""
        try:
            while self._running:
                self.turn(None)
        finally:
            self._end_lease()

    def turn(self, timeout_s: float | None) -> bool:
        """Do one thing: the next command or posted call, or else wait for one for at most ``timeout_s``.

        True when there was something to do.
        """
        self._check_lease()
        self._expire_held()
        item: _Item | Callable[[], None] | None = self._aside.popleft() if self._aside else self._take(0.0)
        if item is None:
            item = self._take(_least(timeout_s, self._idle(), self.lease.remaining_s(), self._held_for_s()))
        if item is None:
            return False
        if isinstance(item, _Item):
            self._consider(item)
        else:
            self._call("posted call", item)
        return True

    def service(self, timeout_s: float) -> None:
        """For a handler that has to wait on the real world: run what is posted in the next ``timeout_s`` at most (it
        returns after the first), send what happened, and raise :class:`LeaseEnded` if the controller is gone, or
        :class:`Withdrawn` if it wants the command no more."""
        self.flush()
        item = self._take(_least(timeout_s, self.lease.remaining_s()))
        if isinstance(item, _Item):
            self._aside.append(item)
        elif item is not None:
            self._call("posted call", item)
        if self._check_lease():
            raise LeaseEnded
        self.check_given_up()

    # -------------------------------------------------------------------------------------------------------- inside

    def _stop(self) -> None:
        self._running = False

    def _take(self, timeout_s: float | None) -> _Item | Callable[[], None] | None:
        try:
            return self._queue.get(timeout=None if timeout_s is None else max(0.0, timeout_s))
        except queue.Empty:
            return None

    def _idle(self) -> float | None:
        wish = self._call("bench clock", self.idle)
        self.flush()
        return wish

    def _call(self, what: str, call: Callable[[], T]) -> T | None:
        """Call something of the bench.  Its failure is told with the next answer: else a broken bench would look like a
        device that does not respond."""
        try:
            return call()
        except OSError as problem:
            self._faults.append(f"{what}: {of_system(problem)}")
            return None
        except Exception as problem:
            log.exception("%s failed", what)
            self._faults.append(f"{what}: {type(problem).__name__}: {problem}")
            return None

    def _check_lease(self) -> bool:
        return self.lease.check()

    def _end_lease(self) -> None:
        self._call("going safe", self._on_expired)
        self._forget(list(self._held.values()))
        self._held.clear()

    def _forget(self, items: Sequence[_Item]) -> None:
        with self._lock:
            self._waiting.difference_update(item.command.id for item in items)

    def _held_for_s(self) -> float | None:
        """Seconds until the first command that is held back expires."""
        if not self._held:
            return None
        return min(item.arrived_ns / 1e9 + item.command.ttl for item in self._held.values()) - self._clock() / 1e9

    def _expired(self, item: _Item) -> bool:
        return self._clock() - item.arrived_ns > item.command.ttl * 1e9

    def _expire_held(self) -> None:
        for number in [number for number, item in self._held.items() if self._expired(item)]:
            self._decide(self._held.pop(number))

    # ------------------------------------------------------------------------------------------------------ commands

    def _consider(self, item: _Item) -> None:
        """Decide what to do about one command: answer again, refuse, hold back, or run it and what waited for it."""
        command = item.command
        if command.verb in (CLAIM, RELEASE, REBIRTH):
            self._control(item)
        elif (known := self._journal.answer(command.id)) is not None:
            self._send([event for event in self._recall if event.seq > command.seen.get(event.node, event.seq)])
            self._say(item, known)
        elif self._journal.interrupted(command.id):
            advice = "Look at the device before going on; nobody knows how far the command got."
            self._reply(item, "error", Fault(BENCH, "the node broke down while it ran this command", advice))
        elif not self.lease.valid(command.lease):
            holder = self.lease.holder or "nobody"
            self._reply(item, "busy", Fault("busy", f"the bench is held by {holder}", "Claim it first."))
        elif command.n <= self._last:
            text = f"number {command.n} comes after {self._last} was decided"
            self._reply(item, "refused", Fault("stale", text, "Number each command once."))
        elif command.after > self._last and not self._expired(item):
            self._hold(item)
        else:
            self._decide(item)
            self._release_held()

    def _hold(self, item: _Item) -> None:
        if len(self._held) >= self._settings.held_limit or item.command.n in self._held:
            self.dropped += 1
            self._forget([item])
        else:
            self._held[item.command.n] = item

    def _release_held(self) -> None:
        while self._held:
            number = min(self._held)
            if self._held[number].command.after > self._last:
                return
            self._consider(self._held.pop(number))

    def _decide(self, item: _Item) -> None:
        """Run the command, or let it expire; journal what came of it, and only then say so."""
        command = item.command
        if self._expired(item):
            text = f"its {command.ttl:g} s were over before its turn came"
            answer = self._answer(command, "expired", Fault("expired", text, "Is the node overloaded?"))
        elif command.id in self._withdrawn:
            answer = self._answer(command, "withdrawn", Withdrawn().fault)
        else:
            answer = self._carry_out(item)
        try:
            payload = answer.encode()
        except BusError as problem:
            answer = self._answer(command, "error", Fault(BENCH, f"{command.verb}: {problem}"))
            payload = answer.encode()
        try:
            self._journal.finish(command.id, payload)
        except JournalError as problem:
            log.error("%s", problem)
            payload = self._answer(command, "error", Fault(BENCH, str(problem), problem.advice)).encode()
        self._last = max(self._last, command.n)
        self._say(item, payload)

    def _carry_out(self, item: _Item) -> Answer:
        command, handler = item.command, item.voice.handlers.get(item.command.verb)
        if handler is None:
            known = ", ".join(sorted(item.voice.handlers)) or "none"
            text = f"{item.voice.name} knows no verb {command.verb!r}"
            return self._answer(command, "refused", Fault("unknown-verb", text, f"It knows: {known}."))
        self._context, self._current = command.context, command.id
        try:
            self._journal.begin(command.id)
            answer = self._answer(command, "ok", data=handler(dict(command.args), command.context) or {})
        except Refused as problem:
            answer = self._answer(command, "refused", problem.fault)
        except Withdrawn as problem:
            answer = self._answer(command, "withdrawn", problem.fault)
        except CommandError as problem:
            answer = self._answer(command, "error", problem.fault)
        except PortError as problem:
            answer = self._answer(command, "error", Fault(BENCH, f"{problem.where}: {problem.problem}", problem.advice))
        except JournalError as problem:
            answer = self._answer(command, "error", Fault(BENCH, str(problem), problem.advice))
        except OSError as problem:
            answer = self._answer(command, "error", Fault(BENCH, f"{command.verb}: {of_system(problem)}"))
        except Exception as problem:
            log.exception("%s: %s failed", item.voice.name, command.verb)
            answer = self._answer(
                command, "error", Fault(BENCH, f"{command.verb}: {type(problem).__name__}: {problem}")
            )
        finally:
            self._context, self._current = Context(), ""
        if self._faults:
            told, self._faults = "; ".join(self._faults[:3]), []
            answer = self._answer(command, "error", Fault(BENCH, told, "See the log of the bench."))
        return answer

    def _answer(
        self, command: Command, st: str, err: Fault | None = None, data: Mapping[str, Any] | None = None
    ) -> Answer:
        self.flush()
        return Answer(command.id, command.n, st, self.boot, data or {}, err, self.watermark())

    def _reply(self, item: _Item, st: str, err: Fault | None = None, data: Mapping[str, Any] | None = None) -> None:
        """Answer without journalling: nothing was done."""
        self._say(item, self._answer(item.command, st, err, data).encode())

    def _say(self, item: _Item, payload: bytes) -> None:
        self._forget([item])
        self._send_answer(item.voice, item.command, payload)

    def _send_answer(self, voice: Voice, command: Command, payload: bytes) -> None:
        try:
            voice.send_answer(command, payload)
        except BusError as problem:  # the sender will ask again, and the journal will know
            log.warning("%s: answer not sent: %s", voice.name, problem)

    def _control(self, item: _Item) -> None:
        command = item.command
        if command.verb == REBIRTH:
            item.voice.rebirth()
            self._reply(item, "ok")
        elif command.verb == RELEASE:
            self._reply(item, "ok", data={"released": self.lease.release(command.lease)})
        else:
            self._claim(item)

    def _claim(self, item: _Item) -> None:
        command = item.command
        holder, ttl = command.args.get("holder"), command.args.get("ttl_s")
        most = self._settings.longest_lease_s
        if not isinstance(holder, str) or not isinstance(ttl, (int, float)) or not 0 < ttl <= most or not command.lease:
            text = f"a claim needs a token, a holder, and ttl_s of at most {most:g}"
            self._reply(item, "refused", Fault("bad-claim", text))
            return
        if self._expired(item):  # whoever sent it has given up, and would keep everybody else from the bench
            text = f"its {command.ttl:g} s were over before its turn came"
            self._reply(item, "expired", Fault("expired", text, "Claim it again."))
            return
        try:
            if self.lease.claim(holder, command.lease, ttl, item.arrived_ns):
                self._last = 0
        except LeaseHeld as held:
            self._say(item, _busy(command, self.boot, held).encode())
        else:
            self._reply(item, "ok", data={"holder": holder, "ttl_s": ttl})

    # -------------------------------------------------------------------------------------------------------- events

    def _send(self, events: Sequence[Event]) -> None:
        step = self._settings.batch
        for node, group in groupby(sorted(events, key=lambda event: event.node), key=lambda event: event.node):
            mine = list(group)
            for start in range(0, len(mine), step):
                self._send_batch(self._voices[node], mine[start : start + step])

    def _send_batch(self, voice: Voice, events: Sequence[Event]) -> None:
        try:
            voice.send_events(events)
        except BadMessage as problem:
            # A gap in the numbers would look like a lost message, so the event goes out, marked, and the fault is told.
            log.error("%s: %s", voice.name, problem)
            self._faults.append(f"{voice.name}: {problem}")
            if len(events) > 1:
                for event in events:
                    self._send_batch(voice, [event])
            else:
                voice.send_events([replace(events[0], fields={"unreadable": repr(events[0].fields)[:1000]})])
        except BusError as problem:  # not lost: whoever misses them asks again
            log.warning("%s: events not sent: %s", voice.name, problem)


def _busy(command: Command, boot: str, held: LeaseHeld) -> Answer:
    """The answer to a claim of what somebody else holds."""
    data = {"holder": held.holder, "remaining_s": held.remaining_s}
    return Answer(
        command.id, command.n, "busy", boot, data, Fault("busy", str(held), "Wait, or end the other run."), {}
    )


def _least(*waits: float | None) -> float | None:
    """The shortest of several waits in seconds; None waits for ever."""
    some = [wait for wait in waits if wait is not None]
    return min(some) if some else None
